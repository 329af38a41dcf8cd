#!/usr/bin/env bash
# Lints the workflows: actionlint for what they say, zizmor for what an attacker could make of them, and a rule of the
# project: a step runs make targets and nothing else, so that whatever CI does can be run anywhere.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The steps are make targets, and the programs that look into shell scripts may be there or not.
"$(e2e/tools/build.sh actionlint)/actionlint" -shellcheck= -pyflakes=
"$(e2e/tools/python.sh zizmor)/zizmor" --offline --quiet --no-progress --persona=pedantic .github

steps=$(grep -nE '^ *(- )?run:' .github/workflows/*.yml)
logic=$(grep -vE 'run: (sudo )?make( [a-z0-9-]+)+( [A-Z]+=[a-z0-9_-]+)*$' <<<"$steps" || true)
[ -z "$logic" ] || { printf 'a step of a workflow runs make targets only; move this into one:\n%s\n' "$logic" >&2; exit 1; }

# A target that a workflow names and nobody wrote is found here, not on the night it is needed.
missing=
for target in $(sed -nE 's/.*run: (sudo )?make //p' .github/workflows/*.yml | tr ' ' '\n' | grep -v = | sort -u); do
  grep -q "^$target:" Makefile || missing="$missing $target"
done
[ -z "$missing" ] || { printf 'the workflows name targets that the Makefile does not have:%s\n' "$missing" >&2; exit 1; }
