package flux

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const fleets = "docs/fleets.md"

// The page's Kustomization takes values from a ConfigMap of each cluster, and Flux's substitution makes of the binding
// beside it one of the cluster's account.
func TestTheBindingOfThePageHasTheRoleOfEachClustersAccount(t *testing.T) {
	var kustomization kustomizev1.Kustomization
	var binding string
	for _, document := range support.Blocks(t, support.Repository(fleets), "yaml") {
		switch {
		case support.Kind(t, document) == "Kustomization" && strings.Contains(document, "toolkit.fluxcd.io"):
			decode(t, document, &kustomization)
		case strings.Contains(document, "${"):
			binding = document
		}
	}
	if from := kustomization.Spec.PostBuild; from == nil || len(from.SubstituteFrom) != 1 || from.SubstituteFrom[0].Kind != "ConfigMap" {
		t.Fatalf("%s substitutes %+v", fleets, from)
	}
	for _, account := range []string{"111122223333", "444455556666"} {
		values := map[string]string{"account_id": account}
		text, err := envsubst.Eval(binding, func(name string) (string, bool) { value, known := values[name]; return value, known })
		if err != nil {
			t.Fatal(err)
		}
		var substituted struct{ Spec struct{ RoleArn string } }
		if err := yaml.Unmarshal([]byte(text), &substituted); err != nil {
			t.Fatal(err)
		}
		if want := "arn:aws:iam::" + account + ":role/shop"; substituted.Spec.RoleArn != want {
			t.Errorf("in account %s the role is %q", account, substituted.Spec.RoleArn)
		}
	}
}
