#!/usr/bin/env bash
# What a careful user does with a release before installing it; called by rehearse.sh, in the folder of the files.
set -euo pipefail
# A key and no log of signatures, where a release has an identity and a log: docs/release.md has the flags for that.
export WITH="--key cosign.pub --insecure-ignore-tlog"

say "The files are those that were released"
run 'cosign verify-blob $WITH --bundle checksums.txt.sigstore.json checksums.txt'
run 'sha256sum --check --quiet checksums.txt && echo all files are as released'
run 'cosign verify-blob-attestation $WITH --type slsaprovenance1 --bundle kubectl-podidentity-linux-amd64.tar.gz.sigstore.json kubectl-podidentity-linux-amd64.tar.gz'
say "A file that was changed is not"
run 'cp kubectl-podidentity-linux-amd64.tar.gz changed.tar.gz && echo >> changed.tar.gz'
refused 'cosign verify-blob-attestation $WITH --type slsaprovenance1 --bundle kubectl-podidentity-linux-amd64.tar.gz.sigstore.json changed.tar.gz 2>&1 | tail -n 1'

say "The image: signed, with provenance and bill of materials; pulled by digest"
DIGEST=$(crane digest "$REGISTRY/podidentity-operator:$VERSION")
export DIGEST
run 'cosign verify $WITH $REGISTRY/podidentity-operator@$DIGEST 2>&1 | sed -n 3,6p'
run 'cosign verify-attestation $WITH --type slsaprovenance1 $REGISTRY/podidentity-operator@$DIGEST 2>&1 >provenance.verified | sed -n 3,6p'
if [[ $PLATFORMS == *" "* ]]; then
  run 'crane manifest $REGISTRY/podidentity-operator@$DIGEST | python3 -c "import json, sys; [print(it[\"platform\"][\"os\"], it[\"platform\"][\"architecture\"], it[\"digest\"]) for it in json.load(sys.stdin)[\"manifests\"]]"'
else
  # An image of one platform has no list of them.
  run 'crane config $REGISTRY/podidentity-operator@$DIGEST | python3 -c "import json, sys; it = json.load(sys.stdin); print(it[\"os\"], it[\"architecture\"])"'
fi
run 'cosign verify-attestation $WITH --type cyclonedx $REGISTRY/podidentity-operator@$(crane digest --platform linux/amd64 $REGISTRY/podidentity-operator@$DIGEST) 2>&1 >bill.verified | sed -n 3p'
run 'crane export --platform linux/amd64 $REGISTRY/podidentity-operator@$DIGEST - | tar -xf - && ./podidentity-operator --version'

say "The charts: signed; the operator's names the image by its digest"
run 'cosign verify $WITH $REGISTRY/charts/podidentity-operator:$VERSION 2>&1 | sed -n 3p'
run 'cosign verify $WITH $REGISTRY/charts/podidentity-crds:$VERSION 2>&1 | sed -n 3p'
run 'helm show values --plain-http oci://$REGISTRY/charts/podidentity-operator --version $VERSION 2>/dev/null | grep -A 9 "^image:" | grep -v "#"'
