#!/usr/bin/env bash
# Checks the alerts and runs their unit tests with promtool: the one in PATH, or the one of Debian's package prometheus,
# which is unpacked into a cache and not installed.
set -euo pipefail
cd "$(dirname "$0")"

promtool=$(command -v promtool || true)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/podidentity/promtool
if [ -z "$promtool" ] && [ ! -x "$cache/usr/bin/promtool" ]; then
  if ! command -v apt-get > /dev/null; then
    echo "promtool is missing: install Prometheus, which has it (https://prometheus.io/docs/prometheus/latest/installation/)" >&2
    exit 1
  fi
  echo "promtool: unpacking Debian's package prometheus into $cache" >&2
  download=$(mktemp -d)
  get() { (cd "$download" && apt-get -qq download prometheus 2> "$download/log"); }
  # A machine that has never asked for lists of packages knows none.
  get || { [ "$(id -u)" = 0 ] && apt-get -qq update && get; } || {
    cat "$download/log" >&2
    echo "promtool is missing and cannot be had: run apt-get update, or install the package prometheus, as root" >&2
    exit 1
  }
  mkdir -p "$cache"
  dpkg -x "$download"/prometheus_*.deb "$cache"
  rm -rf "$download"
fi
promtool=${promtool:-$cache/usr/bin/promtool}

"$promtool" check rules ../alerts.yaml
# The dashboard's queries, as rules: promtool knows no other way to parse one.
queries=$(mktemp)
trap 'rm -f "$queries"' EXIT
python3 - > "$queries" << 'END'
import json
panels = json.load(open("../dashboard.json"))["panels"]
queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
queries = [query.replace("$__rate_interval", "5m").replace("$job", ".*") for query in queries]
print(json.dumps({"groups": [{"name": "dashboard", "rules": [
    {"record": f"query_{n}", "expr": query} for n, query in enumerate(queries)]}]}))
END
"$promtool" check rules "$queries"
"$promtool" test rules alerts.yaml
