package argocd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

// One folder in two clusters of two accounts: the ApplicationSet of the page makes an Application for each of them, whose
// patches kustomize carries out, and Argo CD syncs what comes of it.
func TestFleetByArgoCD(t *testing.T) {
	set := applicationSet(t)
	for _, cluster := range support.Clusters(t) {
		t.Run(cluster.Account, func(t *testing.T) {
			cluster.Use(t)
			argo := newArgo(t, support.NewNamespace(t), true)
			application := rendered(t, set, "prod", cluster.Account)
			objects := argo.tracked(built(t, argo.namespace, application.Spec.Source.Kustomize.Patches))
			for _, object := range objects {
				object.SetNamespace(argo.namespace.Name)
			}
			argo.apply(objects)
			cluster.Verified(t, argo.namespace)
			if different := argo.compare(objects); len(different) > 0 {
				t.Errorf("Argo CD shows OutOfSync: %v", different)
			}
		})
	}
}

// rendered is the Application for a cluster of this account.
func rendered(t *testing.T, set v1alpha1.ApplicationSet, name, account string) *v1alpha1.Application {
	t.Helper()
	template := v1alpha1.Application{Spec: set.Spec.Template.Spec}
	template.Name = set.Spec.Template.Name
	// What the generator of clusters gives of a cluster's Secret.
	cluster := map[string]any{
		"name": name, "server": "https://" + name,
		"metadata": map[string]any{"labels": map[string]any{"aws-account": account}},
	}
	render := utils.Render{}
	app, err := render.RenderTemplateParams(&template, nil, cluster, set.Spec.GoTemplate, set.Spec.GoTemplateOptions)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// built is the folder of the fleet with these patches, as kustomize builds it.
func built(t *testing.T, namespace support.Namespace, patches v1alpha1.KustomizePatches) string {
	t.Helper()
	folder := t.TempDir()
	for _, file := range []string{"kustomization.yaml", "shop.yaml", "stock.yaml"} {
		text, err := os.ReadFile(filepath.Join(support.Repository("e2e/gitops/fleet"), file))
		if err != nil {
			t.Fatal(err)
		}
		if file == "kustomization.yaml" {
			var kustomization map[string]any
			if err := yaml.Unmarshal(text, &kustomization); err != nil {
				t.Fatal(err)
			}
			kustomization["patches"] = patches
			if text, err = yaml.Marshal(kustomization); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return namespace.Kubectl("kustomize", folder)
}
