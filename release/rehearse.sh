#!/usr/bin/env bash
# Rehearses a release on this machine: builds it twice in scratch clones, publishes it to a registry on loopback, then
# verifies and installs it as a user would. The transcript is written to target/rehearsal/transcript.txt.
#
#   VERSION    what is released (default: 0.2.0-rc.1)
#   TARGETS    targets of the plugin (default: those that Linux can build)
#   PLATFORMS  architectures of the image (default: amd64 arm64)
#   SCRATCH    a folder for the clones and what they compile, which stays (default: a new one, which goes)
#   ONCE=1     builds once, and compares no digests
#   QUICK=1    compiles without optimisation, in a third of the time: the steps are the same, the binaries are not
#   RECORD=1   writes the transcript to docs/release.md as well
#
# What it cannot rehearse: keyless signatures, the binaries for macOS, and the release on GitHub.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=$root/target/rehearsal
export VERSION=${VERSION:-0.2.0-rc.1}
export TARGETS=${TARGETS:-x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu aarch64-pc-windows-gnullvm}
export PLATFORMS=${PLATFORMS:-amd64 arm64}
export SOURCE_URL=https://git.example.com/podidentity/operator
if [ -n "${QUICK:-}" ]; then
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0
fi
rm -rf "$out" && mkdir -p "$out/bin"
scratch=${SCRATCH:-$(mktemp -d)}
mkdir -p "$scratch"
# Empties the folder, but for what the compiler left in it.
sweep() { find "$scratch" -mindepth 1 -maxdepth 1 ! -name 'target-*' -exec rm -rf {} +; }
sweep
trap '[ -z "${registry:-}" ] || kill "$registry"; [ -z "${second:-}" ] || kill "$second"; [ -n "${SCRATCH:-}" ] || rm -rf "$scratch"' EXIT

tool() { ln -s "$(e2e/tools/build.sh "$1")/$1" "$out/bin/${2:-$1}"; }
tool crane && tool cosign && tool helm && tool krew kubectl-krew
# The packages of `make scenario`: others would have everything compiled once more.
cargo build --quiet -p podidentity-operator -p kubectl-podidentity -p e2e --bins
with_cluster=$(realpath "${CARGO_TARGET_DIR:-target}/debug/with-cluster")
export PATH=$out/bin:$PATH CARGO_TARGET_DIR=$scratch/target-one

# What differs from run to run, and folders of this machine.
normal() { sed -E -e "s#$scratch/?##g" -e "s#$root/##g" -e 's#127\.0\.0\.1:[0-9]+#127.0.0.1:5000#g' -e '/^WARNING: Skipping tlog/d' -e '/^make(\[[0-9]+\])?: /d' -e 's/[[:space:]]+$//'; }
write() { normal | tee -a "$out/transcript.txt"; }
say() { printf '\n# %s\n' "$*" | write; }
# Runs what a person would type. run fails with it; refused fails without a failure.
typed() { printf '$ %s\n' "$1" | write; (bash -o pipefail -c "$1" 2>&1 || echo "exit status $?") >"$scratch/said"; }
run() { typed "$1"; write <"$scratch/said"; ! grep -q '^exit status ' "$scratch/said"; }
refused() { typed "$1"; write <"$scratch/said"; grep -q '^exit status ' "$scratch/said"; }

# The commit, which an uncommitted change is no part of.
clone() { git clone --quiet "$1" "$2" && git -C "$2" config user.name rehearsal && git -C "$2" config user.email rehearsal@example.com; }
clone "$root" "$scratch/one"
cd "$scratch/one"
say "A version that is not prepared is refused"
refused "make release"
say "Prepared, committed and tagged"
run "make release-prepare 2>&1 | tail -n 5"
run 'git add --all && git commit --quiet --message "Release $VERSION" && git tag --annotate --message "Release $VERSION" v$VERSION'
say "A work tree that is not clean is refused"
touch forgotten
refused "make release"
rm forgotten

# Port 0 is a free one, which the registry names.
mkdir "$scratch/blobs"
crane registry serve --address 127.0.0.1:0 --disk "$scratch/blobs" 2>"$scratch/registry.log" &
registry=$!
port=
for _ in $(seq 100); do
  port=$(sed -n 's/.*serving on port //p' "$scratch/registry.log")
  [ -z "$port" ] || break
  sleep 0.1
done
[ -n "$port" ] || { cat "$scratch/registry.log" >&2; exit 1; }
export REGISTRY=127.0.0.1:$port/podidentity
say "Built${QUICK:+, without optimisation}"
# Both clones at once: the last crate of a program compiles on one core.
if [ -z "${ONCE:-}" ]; then
  clone "$scratch/one" "$scratch/two"
  (cd "$scratch/two" && CARGO_TARGET_DIR=$scratch/target-two exec make release) >"$out/build-again.log" 2>&1 &
  second=$!
fi
make release 2>&1 | tee "$out/build.log" | grep -E '^==|^ *Finished' || { tail -n 30 "$out/build.log" >&2; exit 1; }
run 'cd dist && du -h * | cut -c1-80'
run 'cut -c1-20,65- dist/checksums.txt'
if [ -n "${second:-}" ]; then
  wait "$second" || { tail -n 30 "$out/build-again.log" >&2; exit 1; }
  second=
  say "Built in another clone as well: the same digests"
  run 'diff dist/checksums.txt ../two/dist/checksums.txt && echo the same'
else
  say "Built once only: digests were not compared"
fi

say "Published, signed with a key that exists for this rehearsal alone"
(cd "$scratch" && COSIGN_PASSWORD='' cosign generate-key-pair >/dev/null 2>&1)
export COSIGN_KEY=$scratch/cosign.key COSIGN_PASSWORD=''
# Neither a log of signatures nor a clock: those of sigstore are public, and this is not.
cosign signing-config create --out "$scratch/signing-config.json" >/dev/null
cosign trusted-root create --out "$scratch/trusted-root.json" >/dev/null
export COSIGN_SIGNING_CONFIG=$scratch/signing-config.json COSIGN_TRUSTED_ROOT=$scratch/trusted-root.json
release/publish.sh "$VERSION" >"$out/publish.log" 2>&1 || { tail -n 30 "$out/publish.log" >&2; exit 1; }
run 'tail -n 1 '"$out/publish.log"

# From here on a user, with the public key and the files of the release.
mkdir "$scratch/user" && cp -r dist/* "$scratch/cosign.pub" "$scratch/user" && cd "$scratch/user"
unset COSIGN_KEY COSIGN_SIGNING_CONFIG COSIGN_TRUSTED_ROOT
export -f run refused typed write normal say
export out scratch root
"$root/release/rehearse-user.sh"
say "Installed on a Kubernetes control plane"
"$with_cluster" --bare "$root/release/rehearse-install.sh"

if [ -n "${RECORD:-}" ]; then "$root/release/record.sh" "$out/transcript.txt" "$root/docs/release.md"; fi
echo "rehearsed: $out/transcript.txt"
