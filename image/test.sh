#!/usr/bin/env bash
# Builds the image and runs it, as a container, in front of a real control plane. Takes a release build.
#
#   test.sh NAME:TAG
#   IMAGE_TEST=optional  where that cannot be, says why and succeeds
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1

cannot() {
  echo "the image was NOT built and tested: $1" >&2
  [ "${IMAGE_TEST:-}" != optional ] || exit 0
  exit 1
}

[ "$(id -u)" = 0 ] || cannot "buildah and runc are used as root here"
unshare --mount --pid --fork --mount-proc true 2> /dev/null || cannot "this machine lets nobody create namespaces"
image/tools.sh || cannot "its tools are missing and cannot be installed, see above"
image/build.sh "$name"
PODIDENTITY_IMAGE="$PWD/target/image/oci:${name##*:}" cargo test -p e2e --test scenarios -- the_image_runs_the_operator
