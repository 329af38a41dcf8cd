#!/usr/bin/env bash
# Asks an independent model of IAM what it makes of trust policies, a JSON object a line; an answer a line comes out.
#
#   run.sh build       fetches and builds both models into a user cache (once)
#   run.sh versitygw   the Go package iamapi/policy of versitygw
#   run.sh ministack   the Python module iam_evaluator of ministack
#
#   PODIDENTITY_CACHE_DIR  where the cache lives (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
set -euo pipefail
cd "$(dirname "$0")"

ministack=1.5.33
cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
bin=$cache/oracles-$(cat go.mod go.sum main.go run.sh | sha256sum | cut -c1-16)

build() {
  mkdir -p "$bin"
  exec 9> "$bin/.lock"
  flock 9
  [ -x "$bin/versitygw" ] || CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/versitygw" .
  [ -d "$bin/python/ministack" ] \
    || python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action=ignore --target "$bin/python" "ministack==$ministack"
}

case ${1:-} in
  build) build ;;
  versitygw) build >&2; exec "$bin/versitygw" ;;
  ministack) build >&2; PYTHONPATH=$bin/python exec python3 -B evaluator.py ;;
  *) echo "usage: run.sh build | versitygw | ministack" >&2; exit 2 ;;
esac
