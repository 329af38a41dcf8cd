#!/usr/bin/env bash
# Checks the alerts, runs their unit tests with promtool, and has it parse the dashboard's queries. That each of these
# shows something is for an end-to-end test to see, which has Prometheus scrape an operator.
set -euo pipefail
cd "$(dirname "$0")"

promtool=$(./tools.sh)/promtool

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
