#!/usr/bin/env bash
# Runs the image, the Compose file of deploy/docker, and Tutor with its plugin in containers. As root on Linux, with
# docker.io, iptables, slirp4netns and debootstrap installed, after "npm ci", "npm run tools" and deploy/tutor/test.sh:
#   deploy/test-containers.sh [OPTION OF node --test | FILE]…
# It starts a Docker engine of its own and makes the base images. To use an engine that can pull them, also as another
# user, set DOCKER_HOST; it needs Compose 2. What the tests make there, they remove.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"

if [ -z "${DOCKER_HOST:-}" ]; then
  for program in dockerd iptables slirp4netns debootstrap; do
    command -v "$program" >/dev/null || {
      echo "test-containers.sh: $program is missing. apt-get install docker.io iptables slirp4netns debootstrap" >&2
      exit 1
    }
  done
  exec deploy/containers/engine.sh "$0" "$@"
fi
# The engine is our own: nobody else uses these names in it.
if [ -n "${CONTAINERS_ENGINE:-}" ]; then deploy/containers/base-images.sh; fi
[ "$#" != 0 ] || set -- 'test/containers/*.test.ts'
# All files wait for most of their time.
exec node --test --test-concurrency=2 "$@"
