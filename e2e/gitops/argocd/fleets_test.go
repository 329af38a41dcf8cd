package argocd

import (
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const fleets = "docs/fleets.md"

// The page's ApplicationSet makes an Application for each cluster, whose patch has the role of the cluster's account.
func TestTheApplicationSetOfThePageHasTheRoleOfEachClustersAccount(t *testing.T) {
	set := applicationSet(t)
	if len(set.Spec.Generators) != 1 || set.Spec.Generators[0].Clusters == nil {
		t.Fatalf("%s generates by %+v", fleets, set.Spec.Generators)
	}
	for name, account := range map[string]string{"prod-1": "111122223333", "prod-2": "444455556666"} {
		app := rendered(t, set, name, account)
		if app.Name != "shop-"+name || app.Spec.Destination.Server != "https://"+name {
			t.Errorf("%s goes to %s", app.Name, app.Spec.Destination.Server)
		}
		patches := app.Spec.Source.Kustomize.Patches
		if len(patches) != 1 || !strings.Contains(patches[0].Patch, "value: arn:aws:iam::"+account+":role/shop") {
			t.Errorf("in account %s the patches are %+v", account, patches)
		}
	}
}

// applicationSet is that of the page.
func applicationSet(t *testing.T) v1alpha1.ApplicationSet {
	t.Helper()
	var set v1alpha1.ApplicationSet
	for _, document := range support.Blocks(t, support.Repository(fleets), "yaml") {
		if support.Kind(t, document) == "ApplicationSet" {
			if err := yaml.UnmarshalStrict([]byte(document), &set); err != nil {
				t.Fatal(err)
			}
		}
	}
	return set
}
