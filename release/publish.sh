#!/usr/bin/env bash
# Pushes image and charts of dist/ to a registry, and signs them and the files: publish.sh VERSION
#
#   REGISTRY                            where to; the one that the release was built for
#   REGISTRY_USER, REGISTRY_PASSWORD    logs in first; without them the login of docker, helm or crane is used
#   COSIGN_KEY                          signs with this key; without it cosign asks the identity provider (keyless)
#   COSIGN_SIGNING_CONFIG, COSIGN_TRUSTED_ROOT
#                                       services that cosign uses and trusts (default: sigstore's public ones)
#
# Compiles nothing of the project: what it signs are the files that checksums.txt names.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
version=${version#v}
: "${REGISTRY:?set REGISTRY to where image and charts go, for example registry.example.com/podidentity}"
[ -f dist/checksums.txt ] || { echo "dist/ is missing: make release VERSION=$version" >&2; exit 1; }
(cd dist && sha256sum --check --strict --quiet checksums.txt)
[ -f "dist/podidentity-operator-$version.tgz" ] || { echo "dist/ holds another version: make release VERSION=$version" >&2; exit 1; }
cosign=$(e2e/tools/build.sh cosign)/cosign
crane=$(e2e/tools/build.sh crane)/crane
helm=$(e2e/tools/build.sh helm)/helm
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

plain=()
case $REGISTRY in 127.0.0.1:* | localhost:*) plain=(--plain-http) ;; esac
signer=(--yes)
[ -z "${COSIGN_KEY:-}" ] || signer+=(--key "$COSIGN_KEY")
[ -z "${COSIGN_SIGNING_CONFIG:-}" ] || signer+=(--signing-config "$COSIGN_SIGNING_CONFIG")
[ -z "${COSIGN_TRUSTED_ROOT:-}" ] || signer+=(--trusted-root "$COSIGN_TRUSTED_ROOT")
if [ -n "${REGISTRY_PASSWORD:-}" ]; then
  # All three read the file of docker's logins.
  "$crane" auth login "${REGISTRY%%/*}" --username "${REGISTRY_USER:?}" --password-stdin <<<"$REGISTRY_PASSWORD"
fi

echo "== image"
image=$REGISTRY/podidentity-operator
mkdir "$stage/image" && tar --extract --file dist/podidentity-operator-image.oci.tar --directory "$stage/image"
digest=$(release/digest.sh "$stage/image")
"$crane" push "$stage/image" "$image:$version" >/dev/null
[ "$("$crane" digest "$image:$version")" = "$digest" ] || { echo "the registry has another digest than dist/" >&2; exit 1; }
"$cosign" sign "${signer[@]}" --recursive "$image@$digest"
"$cosign" attest "${signer[@]}" --type slsaprovenance1 --predicate dist/provenance.json "$image@$digest"
for bill in dist/podidentity-operator-linux-*.cdx.json; do
  arch=$(basename "$bill" .cdx.json) && arch=${arch##*-}
  "$cosign" attest "${signer[@]}" --type cyclonedx --predicate "$bill" \
    "$image@$("$crane" digest --platform "linux/$arch" "$image@$digest")"
done

echo "== charts"
for chart in podidentity-operator podidentity-crds; do
  # The time of the file is the chart's time of creation in the registry, and part of its digest.
  touch --date="@$(git log -1 --format=%ct)" "dist/$chart-$version.tgz"
  "$helm" push ${plain[@]+"${plain[@]}"} "dist/$chart-$version.tgz" "oci://$REGISTRY/charts"
  pushed=$REGISTRY/charts/$chart@$("$crane" digest "$REGISTRY/charts/$chart:$version")
  "$cosign" sign "${signer[@]}" "$pushed"
  "$cosign" attest "${signer[@]}" --type slsaprovenance1 --predicate dist/provenance.json "$pushed"
done

echo "== files"
"$cosign" sign-blob "${signer[@]}" --bundle dist/checksums.txt.sigstore.json dist/checksums.txt >/dev/null
for archive in dist/kubectl-podidentity-*.tar.gz; do
  "$cosign" attest-blob "${signer[@]}" --type slsaprovenance1 --predicate dist/provenance.json \
    --bundle "$archive.sigstore.json" "$archive" >/dev/null
done
echo "published: $image@$digest"
