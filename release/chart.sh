#!/usr/bin/env bash
# Packages the charts with the released image in them: chart.sh REPOSITORY DIGEST FOLDER
#
# REPOSITORY and DIGEST become the defaults of image.repository and image.digest, so that the chart installs exactly the
# image that was released with it.
set -euo pipefail
repository=$1 digest=$2 out=$(realpath -m "$3")
cd "$(dirname "$0")/.."
helm=$(e2e/tools/build.sh helm)/helm
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(release/version.sh)

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
cp -r charts/podidentity-operator charts/podidentity-crds "$stage/"
export R=$repository D=$digest
perl -0pi -e 's/(\nimage:\n.*?\n  repository: )\S+(\n.*?\n  digest: )""/$1$ENV{R}$2$ENV{D}/s or die "values.yaml has no image.repository and image.digest\n"' \
  "$stage/podidentity-operator/values.yaml"
platforms=$(printf 'linux/%s, ' ${PLATFORMS:-amd64 arm64})
cat >>"$stage/podidentity-operator/Chart.yaml" <<END
  artifacthub.io/images: |
    - name: operator
      image: $repository:$version@$digest
      platforms: [${platforms%, }]
  artifacthub.io/prerelease: "$([[ $version == *-* ]] && echo true || echo false)"
END
# Where the sources are is known to whoever releases.
if [ -n "${SOURCE_URL:-}" ]; then
  for chart in "$stage"/*; do printf 'home: %s\nsources: [%s]\n' "$SOURCE_URL" "$SOURCE_URL" >>"$chart/Chart.yaml"; done
fi
find "$stage" -exec touch --no-dereference --date="@$epoch" {} +
mkdir -p "$out"
for chart in "$stage"/*; do
  "$helm" lint --strict --quiet "$chart"
  SOURCE_DATE_EPOCH=$epoch "$helm" package "$chart" --destination "$out" >/dev/null
done
