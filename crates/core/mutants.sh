#!/usr/bin/env bash
# Mutation tests of core: changes its decisions one at a time, and tells which changes no test of core notices.
#
#   mutants.sh                        all; goes on where it was interrupted, and tests again what was missed
#   SHARD=0/8 mutants.sh              a sample: every eighth
#   ONLY=crates/core/src/plan.rs mutants.sh    one file
#   mutants.sh summary                only what is known so far
#   FRESH=1                           forgets what is known
#   PODIDENTITY_CACHE_DIR             where cargo-mutants is kept (default: $XDG_CACHE_HOME or ~/.cache, then podidentity)
#
# First come the golden tests, which take two seconds and catch most; what they miss is then tried with the unit tests, and
# what these miss with the simulated cluster and the other properties. The tests of the largest objects (40 seconds without
# optimisation) come last. Changes that make no difference are listed in mutants-equivalent.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=27.1.0
out=$PWD/target/mutants
equivalent=crates/core/mutants-equivalent.txt
src=crates/core/src
default=('rollout/*.rs' 'schedule/*.rs' restart_record.rs plan.rs 'account/*.rs' claim.rs 'assess/*.rs' revoke.rs
  'status/**/*.rs' 'verify/**/*.rs')
# A mutant is given this many seconds for its tests.
timeout=90
# The same cases of the properties for every mutant, and not too many: it is built without optimisation.
export PROPTEST_CASES=60 PROPTEST_RNG_SEED=1

say() { printf 'mutants: %s\n' "$*" >&2; }

# Prints the folder with cargo-mutants, which is built once.
installed() {
  local cache=${PODIDENTITY_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/podidentity}
  local root=$cache/cargo-mutants-$version
  if [ ! -x "$root/bin/cargo-mutants" ]; then
    mkdir -p "$root"
    # Two callers at once: the second waits, then finds it built.
    exec 9> "$root/.lock"
    flock 9
    if [ ! -x "$root/bin/cargo-mutants" ]; then
      say "building cargo-mutants $version into $root (once, about 5 minutes)"
      CARGO_TARGET_DIR=$out/tool cargo install --quiet --locked --root "$root" "cargo-mutants@$version" >&2
      rm -rf "$out/tool"
    fi
    exec 9>&-
  fi
  echo "$root/bin"
}

files=()
if [ -n "${ONLY:-}" ]; then
  files+=(--file "$ONLY")
else
  for file in "${default[@]}"; do files+=(--file "$src/$file"); done
fi

# Lists the mutants: all of the chosen files, and those of them that the user chose.
list() {
  local shard=()
  [ -z "${SHARD:-}" ] || shard+=(--shard "$SHARD" --sharding round-robin)
  cargo mutants --package podidentity-core "${files[@]}" --list > "$out/all.txt"
  cargo mutants --package podidentity-core "${files[@]}" "${shard[@]}" --list > "$out/listed.txt"
}

# Prints the chosen mutants: RESULT<tab>MUTANT, where the result may be "equivalent" or "not tried" as well.
results() {
  awk -F '\t' '
    function plain(name) { sub(/:[0-9]+:[0-9]+:/, ":", name); return name }
    FILENAME ~ /mutants-equivalent.txt$/ { if ($0 !~ /^(#|$)/) same[$1] = 1; next }
    FILENAME ~ /known.tsv$/ { known[$1] = $2; next }
    {
      result = ($1 in known) ? known[$1] : "not tried"
      if ((plain($1) in same) && result != "caught") result = "equivalent"
      print result "\t" $1
    }' "$equivalent" "$out/known.tsv" "$out/listed.txt"
}

# Prints the mutants that are not to be tried: those that are not chosen, caught, unviable or equivalent.
left_out() {
  results | awk -F '\t' '
    FILENAME == "-" { if ($1 ~ /^(missed|timeout|not tried)$/) left[$2] = 1; next }
    !($1 in left)' - "$out/all.txt"
}

# Adds what the last run found to what is known: LINE<tab>RESULT, of which the last one counts.
remember() {
  local result
  for result in caught missed timeout unviable; do
    [ ! -s "$out/mutants.out/$result.txt" ] || sed "s/\$/\t$result/" "$out/mutants.out/$result.txt" >> "$out/known.tsv"
  done
}

# Tests the mutants that are left: targets of core, then after "--" what their tests are given. The targets are arguments
# of the build as well: without them cargo-mutants links all tests of core for each mutant. It has no list of mutants as
# an option. With --iterate it leaves out what an earlier run has caught: that list is written here.
try() {
  local status=0 targets=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do targets+=("--cargo-arg=$1"); shift; done
  rm -rf "$out/mutants.out" "$out/mutants.out.old"
  mkdir "$out/mutants.out"
  left_out > "$out/mutants.out/previously_caught.txt"
  cargo mutants --package podidentity-core "${files[@]}" --profile mutants --jobs 1 --timeout "$timeout" --iterate \
    --output "$out" --colors never "${targets[@]}" ${1:+-- "$@"} || status=$?
  remember
  # 2: some were missed; 3: some took too long.
  case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
}

summary() {
  results | awk -F '\t' '
    { count[$1]++ }
    $1 == "missed" || $1 == "timeout" { print $1 ": " $2 }
    END {
      viable = count["caught"] + count["missed"] + count["timeout"]
      printf "%d caught, %d missed, %d timed out, %d equivalent, %d unviable, %d not tried", count["caught"], \
        count["missed"], count["timeout"], count["equivalent"], count["unviable"], count["not tried"]
      if (viable) printf ": %.1f %% of the viable ones are caught", 100 * count["caught"] / viable
      print ""
    }'
}

mkdir -p "$out"
[ -z "${FRESH:-}" ] || rm -rf "$out/known.tsv" "$out/mutants.out" "$out/mutants.out.old"
touch "$out/known.tsv"
PATH=$(installed):$PATH
export PATH
list
if [ "${1:-}" != summary ]; then
  # Of a run that was interrupted.
  remember
  export CARGO_TARGET_DIR=$out/build
  try --test=cases
  try --lib -- --skip=largest_objects::
  try --test=converge
  try --test=properties --test=recorded --test=trust
  try --lib -- largest_objects::
  unset CARGO_TARGET_DIR
fi
summary
