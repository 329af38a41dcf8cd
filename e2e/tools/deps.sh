#!/usr/bin/env bash
# Prints the Debian packages that the tests use, why, and which of them are missing. Installs nothing.
set -euo pipefail

# package, how to see that it is there, which target installs it, why
list() {
  cat << 'END'
tmux|command -v tmux|make e2e|the plugin runs in a real terminal; without it those tests are ignored
zsh|command -v zsh|make e2e|shell completion of the plugin; without it those tests are ignored
fish|command -v fish|make e2e|shell completion of the plugin; without it those tests are ignored
tinyproxy-bin|command -v tinyproxy|make e2e|an HTTP proxy before the API server; without it its scenarios are ignored
microsocks|command -v microsocks|make e2e|a SOCKS proxy before the API server; without it its scenarios are ignored
prometheus|command -v promtool && command -v prometheus|make alerts|unit tests of the alerts, queries of the dashboard; unpacked into the cache, not installed
buildah|command -v buildah|make image-test|builds the image without a daemon; without it the image is not tested
umoci|command -v umoci|make image-test|unpacks the image; without it the image is not tested
runc|command -v runc|make image-test|runs the image; without it the image is not tested
libfaketime|ls /usr/lib/*/faketime/libfaketime.so.1|make faults|sets the clock of the operator's machine; make test does not use it
gcc-aarch64-linux-gnu|command -v aarch64-linux-gnu-gcc|make release|the operator for arm64 on an amd64 machine; make test does not use it
END
}

cached() { [ "$1" = prometheus ] && [ -x "${XDG_CACHE_HOME:-$HOME/.cache}/podidentity/promtool/usr/bin/prometheus" ]; }

missing=()
echo "Debian packages that the tests use; a target fetches its missing ones with apt-get:"
while IFS='|' read -r package present target why; do
  if eval "$present" > /dev/null 2>&1; then state=installed
  elif cached "$package"; then state=cached
  else state=missing; missing+=("$package"); fi
  printf '  %-13s %-10s %-16s %s\n' "$package" "$state" "$target" "$why"
done < <(list)
command -v python3 > /dev/null || echo "  python3 is missing, and no target installs it: make alerts needs it"
if [ ${#missing[@]} -eq 0 ]; then
  echo "Nothing is missing."
else
  echo "To install the missing ones yourself: apt-get install ${missing[*]}"
fi
cat << 'END'
Built from source into the cache, without apt-get: the control plane (make controlplane), helm, helm-docs and kube-state-metrics
(make tools), cargo-deny and actionlint (make lint), cargo-mutants (make mutants), mdbook (make site), crane, cosign and krew
(make release-rehearsal). From Python packages: zizmor (make lint), cargo-zigbuild and zig (make release). make image-test
and make release also run cargo install cargo-cyclonedx.
END
