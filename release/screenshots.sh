#!/usr/bin/env bash
# Makes the screenshots of the pages, docs/images/*.png: the report about a local cluster that has, for each finding, something
# broken, and three healthy applications. `make screenshots` builds the programs that it runs.
#
#   CHROMIUM  the browser (default: chromium)
set -euo pipefail
cd "$(dirname "$0")/.."
programs=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/debug")
chromium=${CHROMIUM:-chromium}
images=docs/images
# Every clone downloads the images.
limit=150000

command -v "$chromium" > /dev/null || { echo "$chromium is missing; install it: apt-get install chromium" >&2; exit 1; }
for program in broken kubectl-podidentity; do
  [ -x "$programs/$program" ] || { echo "$programs/$program is missing; make screenshots builds it" >&2; exit 1; }
done
PATH=$(e2e/controlplane/build.sh):$PATH

work=$PWD/target/screenshots
rm -rf "$work" && mkdir -p "$work" "$images"
"$programs/broken" > "$work/cluster" &
cluster=$!
trap 'kill "$cluster" 2> /dev/null || true; wait "$cluster" 2> /dev/null || true' EXIT
echo "starting a cluster with broken bindings"
until grep -q '^export KUBECONFIG=' "$work/cluster"; do
  kill -0 "$cluster" 2> /dev/null || { echo "the cluster did not start, see above" >&2; exit 1; }
  sleep 0.2
done
KUBECONFIG=$(sed -n 's/^export KUBECONFIG=//p' "$work/cluster")
export KUBECONFIG

# A namespace, and in it a service account of that name with its role, and a binding.
declared() {
  cat << END_OF_OBJECTS
apiVersion: v1
kind: Namespace
metadata: {name: $1}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: $1, namespace: $1, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/$1"}}
---
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata: {name: $1, namespace: $1}
spec: {serviceAccountName: $1, roleArn: "arn:aws:iam::111122223333:role/$1"}
END_OF_OBJECTS
}

deployment() {
  cat << END_OF_OBJECTS
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, namespace: $1}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {serviceAccountName: $1, containers: [{name: main, image: registry.example.com/$1}]}
END_OF_OBJECTS
}

# Whether a pod that is created now gets the role: the API server notices a new service account after a moment.
injected() {
  kubectl create --namespace "$1" --dry-run=server --output yaml --filename - << END_OF_OBJECTS | grep -q AWS_ROLE_ARN
apiVersion: v1
kind: Pod
metadata: {name: try}
spec: {serviceAccountName: $1, containers: [{name: main, image: registry.example.com/$1}]}
END_OF_OBJECTS
}

healthy() {
  # No operator runs there; this writes as it would.
  declared "$1" | kubectl apply --server-side --field-manager=podidentity-operator --filename - > /dev/null
  for try in {1..101}; do
    [ "$try" -le 100 ] || { echo "pods of $1 get no role" >&2; exit 1; }
    injected "$1" && break
    sleep 0.1
  done
  deployment "$1" "$2" | kubectl apply --filename - > /dev/null
  kubectl rollout status --namespace "$1" "deployment/$1" --timeout 60s > /dev/null
}
healthy payments 6
healthy search 4
healthy web 12
# The account by which the cluster found out that roles are injected; the namespace is gone only after a while.
probe=$(kubectl get namespaces --output name | grep injection-probe)
kubectl delete --namespace "${probe#namespace/}" serviceaccount probe > /dev/null

# What is another one in every run, so that a picture changes only if the page does: time, ages, address, names of pods.
"$programs/kubectl-podidentity" report | sed -E \
  -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} UTC/2026-01-02 03:04 UTC/' \
  -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z/2026-01-02T03:04:05Z/g' \
  -e 's,>([0-9]+[smhd])+</td></tr>,>2h</td></tr>,' \
  -e 's,https://127\.0\.0\.1:[0-9]+,https://127.0.0.1:6443,g' \
  -e 's/(podidentity\.dev\/release=[0-9]+)-[0-9a-f]{8}/\1-0a1b2c3d/g' \
  -e 's/-([bcdf-hj-np-tv-z2456789]{6,10})-[bcdf-hj-np-tv-z2456789]{5}\b/-\1-x2x7k/g' > "$work/report.html"

# NAME WIDTH HEIGHT MORE [FLAG...]: MORE is what stands at the end of the page. The sandbox does not start for root, and the
# page is our own and loads nothing.
screenshot() {
  local name=$1 size=$2,$3 more=$4
  shift 4
  { cat "$work/report.html" && echo "$more"; } > "$work/$name.html"
  timeout 60 "$chromium" --headless --no-sandbox --user-data-dir="$work/profile" --hide-scrollbars --window-size="$size" "$@" \
    --screenshot="$work/$name.png" "file://$work/$name.html" > "$work/$name.log" 2>&1 || true
  [ -s "$work/$name.png" ] || { cat "$work/$name.log" >&2; echo "$chromium made no picture, see above" >&2; exit 1; }
  local bytes
  bytes=$(wc -c < "$work/$name.png")
  [ "$bytes" -le "$limit" ] || { echo "$name.png has $bytes bytes, more than $limit: make it less high" >&2; exit 1; }
  mv "$work/$name.png" "$images/$name.png"
  echo "$images/$name.png: $bytes bytes"
}
# A picture begins where the page begins, so what a reader would scroll past is hidden.
scrolled='<style>header, #findings { display: none }</style>'
# As if a reader looked for bindings that are verified.
verified='<script>form.elements.text.value = "pib"; form.elements.state.value = "Verified"; filter();</script>'
# The browser prefers light colours; 0 is dark.
dark=--blink-settings=preferredColorScheme=0
screenshot report-light 1280 800 ""
screenshot report-dark 1280 800 "$scrolled$verified" "$dark"
screenshot report-phone 390 844 "$scrolled"
