#!/usr/bin/env bash
# Asks an independent model of IAM what it makes of trust policies, a JSON object a line; an answer a line comes out.
#
#   run.sh build       fetches and builds both models into a user cache (once); build-versitygw: only the one in Go
#   run.sh versitygw   the Go package iamapi/policy of versitygw
#   run.sh ministack   the Python module iam_evaluator of ministack
#   run.sh wire PLUGIN has the plugin read what the AWS command line and IAM's API print, as moto serves them
#
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
cd "$(dirname "$0")" # paths are absolute, or from here

ministack=1.5.33
moto=5.2.5
awscli=1.46.3
cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
bin=$cache/oracles-$({ cat go.mod go.sum main.go; echo "$ministack $moto $awscli"; } | sha256sum | cut -c1-16)

# Two of these at once: one waits for the other.
locked() {
  mkdir -p "$bin"
  exec 9> "$bin/.lock"
  flock 9
}

build_go() {
  locked
  [ -x "$bin/versitygw" ] || CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/versitygw" .
  exec 9>&-
}

build_python() {
  locked
  [ -d "$bin/python/ministack" ] \
    || python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action=ignore --target "$bin/python" "ministack==$ministack"
  exec 9>&-
}

wire() {
  [ -x "$bin/wire/bin/aws" ] || {
    python3 -m venv "$bin/wire"
    "$bin/wire/bin/python" -m pip install --quiet --disable-pip-version-check "moto[iam,server]==$moto" "awscli==$awscli"
  }
  local plugin here=$PWD
  plugin=$(realpath "$1")
  (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder" && "$bin/wire/bin/python" -B "$here/wire.py" "$plugin"
  )
}

case ${1:-} in
  build) build_go; build_python ;;
  build-versitygw) build_go ;;
  versitygw) build_go >&2; exec "$bin/versitygw" ;;
  ministack) build_python >&2; PYTHONPATH=$bin/python exec python3 -B evaluator.py ;;
  wire) locked; wire "${2:?the path of the plugin is missing}" ;;
  *) echo "usage: run.sh build | build-versitygw | versitygw | ministack | wire PLUGIN" >&2; exit 2 ;;
esac
