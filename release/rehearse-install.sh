#!/usr/bin/env bash
# Installs the release on the cluster that KUBECONFIG names; called by rehearse.sh, in the folder of the files.
set -euo pipefail
export KREW_ROOT=$scratch/krew KREW_NO_UPGRADE_CHECK=1
export PATH=$KREW_ROOT/bin:$PATH

run 'helm install podidentity-operator oci://$REGISTRY/charts/podidentity-operator --version $VERSION --plain-http --namespace podidentity-system --create-namespace --set injection.enabled=true --wait --timeout 3m 2>/dev/null | sed -n "1,3p;6,7p"'
run 'kubectl --namespace podidentity-system get deployment podidentity-operator --output jsonpath="{.spec.template.spec.containers[0].image}{\"\n\"}"'
say "The plugin, by krew"
run 'kubectl krew install --manifest podidentity.yaml --archive kubectl-podidentity-linux-amd64.tar.gz 2>&1 < /dev/null | grep -v WARNING'
run 'kubectl podidentity version'

# Nothing runs in the pods of this control plane: the binary out of the image is run beside it, as the service account that
# the chart has created, with its rights and no others.
say "The operator out of the image, with the rights that the chart gave it"
cp "$KUBECONFIG" operator.kubeconfig
kubectl --kubeconfig operator.kubeconfig config set-credentials operator --token="$(kubectl --namespace podidentity-system create token podidentity-operator)" >/dev/null
kubectl --kubeconfig operator.kubeconfig config set-context --current --user=operator >/dev/null
KUBECONFIG=$PWD/operator.kubeconfig PODIDENTITY_LISTEN=127.0.0.1:0 ./podidentity-operator >operator.log 2>&1 &
operator=$!
trap 'kill "$operator"' EXIT
run 'kubectl apply --filename $root/config/samples/1-service-account.yaml --filename $root/config/samples/2-deployment.yaml --filename $root/config/samples/3-binding.yaml'
run 'kubectl wait --for=condition=Ready pib --all --timeout=60s' || { tail -n 20 operator.log >&2; exit 1; }
run 'kubectl get pib'
