#!/usr/bin/env bash
# The version stands in one place, [workspace.package] of Cargo.toml. What repeats it is derived.
#
#   version.sh             prints it
#   version.sh --check     fails if a page, a manifest or a chart has another one
#   version.sh --write     writes it there
#   version.sh --set V     makes V the version, and writes it there
set -euo pipefail
cd "$(dirname "$0")/.."

v='\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?'
# How a version is written, as "what stands before it": image names, kustomize, OCI layouts, charts, commands of pages.
export BEFORE='(?:podidentity-operator:|\bnewTag: |oci:target/image/oci:|^(?:app)?[vV]ersion: |--version |\bVERSION=)'
export V=$v

version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml; }

# docs/release.md has the transcript of a rehearsal, with a version of its own.
files() {
  git ls-files '*.md' '*.gotmpl' 'charts/*/Chart.yaml' 'config/*.yaml' | grep -vE '^(CHANGELOG|docs/release)\.md$|^docs/adr/'
}

set_version() {
  grep -qP "^$v\$" <<<"$1" || { echo "$1 is no version: write MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCH-rc.N" >&2; exit 2; }
  NEW=$1 perl -0pi -e 's/(\[workspace\.package\]\nversion = ")[^"]*/$1$ENV{NEW}/' Cargo.toml
  cargo update --quiet --workspace --offline
}

case ${1:-} in
  '') version ;;
  --check)
    now=$(version)
    # shellcheck disable=SC2046
    NOW=$now perl -ne 'while (/$ENV{BEFORE}($ENV{V})/go) { if ($1 ne $ENV{NOW}) { print "$ARGV:$.: $1 instead of $ENV{NOW}\n"; $bad = 1 } }
      close ARGV if eof; END { exit 1 if $bad }' $(files) >&2 ||
      { echo "Cargo.toml says $now: run release/version.sh --write and commit it" >&2; exit 1; } ;;
  --write)
    # shellcheck disable=SC2046
    NOW=$(version) perl -pi -e 's/($ENV{BEFORE})$ENV{V}/$1$ENV{NOW}/g' $(files)
    # In the text of a manual page a hyphen has a backslash. A unit test compares the pages with what the plugin writes.
    NOW=$(version) perl -pi -e '($text = $ENV{NOW}) =~ s/-/\\-/g; $v = qr/\d+\.\d+\.\d+(?:\\?-[0-9A-Za-z.]+)?/;
      s/^v$v$/v$text/; s/^(\.TH \S+ 1  "\S+ )$v/$1$ENV{NOW}/' docs/man/*.1 ;;
  --set)
    set_version "${2:?the version is missing}"
    "release/${0##*/}" --write ;;
  *) sed -n 4,7p "$0" | cut -c3- >&2; exit 2 ;;
esac
