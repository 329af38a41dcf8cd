#!/usr/bin/env bash
# Writes a tar archive of what is in a folder to stdout, the same for the same files: tar.sh FOLDER
set -euo pipefail
cd "$1"
find . -mindepth 1 -maxdepth 1 -printf '%P\0' | LC_ALL=C sort --zero-terminated |
  tar --create --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:?}" \
    --mode=u=rwX,go=rX --null --verbatim-files-from --files-from=-
