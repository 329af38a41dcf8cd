#!/usr/bin/env bash
# The predicate of a SLSA provenance (https://slsa.dev/spec/v1.0/provenance): what was built, from what, by whom.
#
#   provenance.sh VERSION
#
# GitHub's variables say who built it, where there are any; else it was a person with a clone.
set -euo pipefail
cd "$(dirname "$0")/.."
source=${SOURCE_URL:-$(git config --get remote.origin.url || echo unknown)}
builder=urn:podidentity:builder:local
invocation=urn:podidentity:local
if [ -n "${GITHUB_WORKFLOW_REF:-}" ]; then
  builder=$GITHUB_SERVER_URL/$GITHUB_WORKFLOW_REF
  invocation=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/attempts/$GITHUB_RUN_ATTEMPT
fi
VERSION=$1 SOURCE=$source COMMIT=$(git rev-parse HEAD) BUILDER=$builder INVOCATION=$invocation \
  RUST=$(rustc --version) GO=$(go env GOVERSION) BUILDAH=$(buildah --version) python3 - <<'END'
import json, os
e = os.environ
print(json.dumps({
    "buildDefinition": {
        "buildType": "urn:podidentity:make-release:v1",
        "externalParameters": {"source": e["SOURCE"], "ref": "refs/tags/v" + e["VERSION"], "target": "make release VERSION=" + e["VERSION"]},
        "internalParameters": {"rustc": e["RUST"], "go": e["GO"], "buildah": e["BUILDAH"]},
        "resolvedDependencies": [{"uri": "git+" + e["SOURCE"] + "@refs/tags/v" + e["VERSION"], "digest": {"gitCommit": e["COMMIT"]}}],
    },
    "runDetails": {"builder": {"id": e["BUILDER"]}, "metadata": {"invocationId": e["INVOCATION"]}},
}, indent=2))
END
