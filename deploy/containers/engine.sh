#!/usr/bin/env bash
# Runs a command with a Docker engine of its own, and ends the engine after it. As root on Linux:
#   ./engine.sh COMMAND [ARGUMENT…]
# The engine has its own network, mounts and processes. So it never meets another engine of this machine, all ports are
# free for it, and no rule, mount or process of it stays. Containers reach package registries through slirp4netns.
set -euo pipefail

work=
namespaces=
network=

# Ends what runs outside of the namespaces; the end of the first process inside ends all others there.
end() {
  # unshare ignores softer signals. The shell would print who was killed.
  # shellcheck disable=SC2086 # Either may not have started.
  {
    kill -KILL $namespaces $network || true
    wait
  } 2>/dev/null
  rm -rf "$work"
}

outside() {
  local inside
  trap end EXIT
  trap 'exit 130' INT TERM
  work=$(mktemp -d)
  setpriv --pdeathsig KILL -- \
    unshare --net --mount --pid --fork --kill-child --mount-proc -- "$0" --inside "$work" "$@" &
  namespaces=$!
  until inside=$(pgrep --parent "$namespaces"); do
    kill -0 "$namespaces"
    sleep 0.02
  done
  setpriv --pdeathsig KILL -- \
    slirp4netns --configure --mtu=65520 --disable-host-loopback "$inside" tap0 >"$work/slirp4netns.log" 2>&1 &
  network=$!
  wait "$namespaces"
}

# Waits up to 30 seconds until a command succeeds.
await() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "engine.sh: this did not succeed within 30 seconds: $*" >&2
  return 1
}

inside() {
  local work=$1 status=0 engine repository
  shift
  repository=$(realpath "$(dirname "$0")/../..")
  # dockerd would use the containerd of this machine's own engine, and its settings.
  mkdir -p /run/containerd
  mount -t tmpfs tmpfs /run/containerd
  cat >"$work/daemon.json" <<END
{
  "hosts": ["unix://$work/docker.sock"],
  "data-root": "$work/data",
  "exec-root": "$work/exec",
  "pidfile": "$work/dockerd.pid",
  "exec-opts": ["native.cgroupdriver=cgroupfs"]
}
END
  # The client of Debian's package has BuildKit; another one on the PATH may need a plugin for it. Debian 12 has no
  # Compose 2, so it is the one that "npm run tools" installs.
  mkdir -p "$work/bin" "$work/config/cli-plugins"
  ln -s /usr/bin/docker "$work/bin/docker"
  ln -s "$repository/.venv/package/bin/docker-compose" "$work/config/cli-plugins/docker-compose"
  export PATH="$work/bin:$PATH" DOCKER_CONFIG="$work/config" DOCKER_HOST="unix://$work/docker.sock" CONTAINERS_ENGINE=own

  ip link set lo up
  await ip route get 10.0.2.2
  dockerd --config-file "$work/daemon.json" >"$work/dockerd.log" 2>&1 &
  engine=$!
  await docker info || {
    tail -n 30 "$work/dockerd.log" >&2
    return 1
  }
  "$@" || status=$?
  # Containers that are removed leave no control groups.
  docker ps --quiet --all | xargs --no-run-if-empty docker rm --force >/dev/null || true
  kill "$engine"
  wait "$engine" || true
  return "$status"
}

case ${1:-} in
  '')
    sed -n '2,5s/^# \?//p' "$0" >&2
    exit 2
    ;;
  --inside)
    shift
    inside "$@"
    ;;
  *)
    outside "$@"
    ;;
esac
