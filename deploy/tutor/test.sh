#!/usr/bin/env bash
# Tests the plugin with every Tutor that it is for. Needs python3 with venv, mariadbd and the mysql client, and the
# repository's node_modules (npm ci). What it installs is kept in .venv, and made anew when a list of it changes.
#   ./test.sh [PYTEST'S OPTIONS]
set -euo pipefail
cd "$(dirname "$0")"
LISTS=tests/requirements
export PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

tools() {
  python3 -m venv .venv/tools
  .venv/tools/bin/pip install --require-hashes -r "$LISTS/tools.txt"
  .venv/tools/bin/pip install --require-hashes --no-deps --target .venv/caddy-old -r "$LISTS/caddy-old.txt"
}

# Each Tutor in a folder of its own, over one set of what they need.
tutors() {
  python3 -m venv .venv/tutor
  .venv/tutor/bin/pip install -r "$LISTS/tutor-dependencies.txt"
  local version click
  while read -r version click; do
    .venv/tutor/bin/pip install --no-deps --target ".venv/tutor-$version" "tutor==$version" "$click"
  done <"$LISTS/tutor-versions.txt"
}

mark=$(cat "$LISTS"/*.txt | sha256sum)
if [ "$(cat .venv/mark 2>/dev/null)" != "$mark" ] || [ ! -f .venv/jwt-key.pem ]; then
  rm -rf .venv
  tools &
  tutors
  wait $!
  .venv/tutor/bin/python -c 'from Crypto.PublicKey.RSA import generate; print(generate(2048).export_key().decode())' \
    >.venv/jwt-key.pem
  echo "$mark" >.venv/mark
fi

rm -rf .venv/plugin .venv/dist
.venv/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir .venv/dist .
.venv/tutor/bin/pip install --no-deps --target .venv/plugin .venv/dist/*.whl

.venv/tools/bin/ruff check --no-cache --quiet .
.venv/tools/bin/ruff format --no-cache --quiet --check .
newest=$(tail -n 1 "$LISTS/tutor-versions.txt" | cut -d ' ' -f 1)
MYPYPATH=".venv/tutor-$newest" .venv/tutor/bin/mypy --strict --implicit-reexport --follow-imports=silent \
  --no-error-summary --cache-dir .venv/mypy tutorlernito
exec .venv/tools/bin/pytest --numprocesses auto --dist loadgroup "$@"
