#!/usr/bin/env bash
# Makes images under the names of public ones, from Debian's packages and what npm and pip have installed, for an engine
# that can't pull. Never run it on an engine that you use for anything else: it replaces these names there.
#   ./base-images.sh
# With CONTAINERS_CACHE set to a folder, the root file system of Debian is kept there for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
NODE=node:24-slim
MYSQL=mysql:8.4
CADDY=caddy:2
SUITE=bookworm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The root file system that all images share, as an archive.
debian() {
  local archive=${CONTAINERS_CACHE:-$work}/debian-$SUITE.tar
  if [ ! -e "$archive" ]; then
    debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$work/debian" >"$work/debootstrap.log" || {
      tail -n 20 "$work/debootstrap.log" >&2
      return 1
    }
    # The packages that debootstrap fetched, and what the slim images of Debian leave out.
    rm -rf "$work"/debian/var/{cache/apt/archives,lib/apt/lists}/* "$work"/debian/usr/share/{doc,man,locale}/*
    tar --create --file "$archive.part" --directory "$work/debian" .
    mv "$archive.part" "$archive"
  fi
  docker import "$archive" "debian:$SUITE" >/dev/null
}

# An image from a folder and a Dockerfile on the standard input.
image() {
  cat >"$2/Dockerfile"
  DOCKER_BUILDKIT=1 docker build --quiet --tag "$1" "$2" >/dev/null
}

# With an npm of the major version that the public image has. It trusts what npm trusts on this machine.
node() {
  local folder=$work/node certificates
  mkdir "$folder"
  cp node_modules/node/bin/node "$folder"
  npm pack --silent --pack-destination "$folder" npm@11 >/dev/null
  mkdir "$folder/npm"
  tar --extract --file "$folder"/npm-11.*.tgz --strip-components 1 --directory "$folder/npm"
  echo "registry=$(npm config get registry)" >"$folder/npmrc"
  certificates=${NODE_EXTRA_CA_CERTS:-$(npm config get cafile)}
  if [ "$certificates" != null ]; then
    cp "$certificates" "$folder/certificates.pem"
    echo cafile=/usr/local/etc/certificates.pem >>"$folder/npmrc"
  fi
  image "$NODE" "$folder" <<END
FROM debian:$SUITE
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm/
COPY npmrc certificates.pe[m] /usr/local/etc/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 --create-home node
END
}

# MariaDB in place of MySQL, which Debian doesn't have.
mysql() {
  local folder=$work/mysql
  mkdir "$folder"
  cp deploy/containers/mysql-entrypoint.sh "$folder/docker-entrypoint.sh"
  image "$MYSQL" "$folder" <<END
FROM debian:$SUITE
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends mariadb-server \
  && rm -rf /var/lib/mysql/* /var/lib/apt/lists/* && install -d -m 1777 /run/mysqld
COPY docker-entrypoint.sh /usr/local/bin/
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mariadbd"]
END
}

caddy() {
  local folder=$work/caddy
  mkdir "$folder"
  cp .venv/package/bin/caddy "$folder"
  image "$CADDY" "$folder" <<END
FROM debian:$SUITE
COPY caddy /usr/bin/
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
WORKDIR /srv
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
END
}

debian
# The first two wait for the disk or the network.
mysql &
node
caddy
wait $!
