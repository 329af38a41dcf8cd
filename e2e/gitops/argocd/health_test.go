// Package argocd runs Argo CD's own code on our objects.
package argocd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const customizations = "config/argocd/resource_customizations/podidentity.dev/PodIdentityBinding"

// As Argo CD does in production: the scripts from argocd-cm, without standard libraries.
func overrides(t *testing.T, kustomization string) lua.ResourceHealthOverrides {
	t.Helper()
	var object struct {
		Metadata struct{ Name, Namespace string }
		Data     map[string]string
	}
	rendered := support.Kubectl(t, "kustomize", support.Repository(kustomization))
	if err := yaml.Unmarshal([]byte(rendered), &object); err != nil {
		t.Fatal(err)
	}
	if object.Metadata.Name != "argocd-cm" || object.Metadata.Namespace != "argocd" {
		t.Fatalf("not the ConfigMap that Argo CD reads:\n%s", rendered)
	}
	return lua.ResourceHealthOverrides{"podidentity.dev/PodIdentityBinding": v1alpha1.ResourceOverride{
		HealthLua: object.Data["resource.customizations.health.podidentity.dev_PodIdentityBinding"],
		Actions:   object.Data["resource.customizations.actions.podidentity.dev_PodIdentityBinding"],
	}}
}

// As Argo CD's own test of resource_customizations/ does.
func TestTheCasesBesideTheScript(t *testing.T) {
	var suite struct {
		Tests []struct {
			InputPath    string              `json:"inputPath"`
			HealthStatus health.HealthStatus `json:"healthStatus"`
		} `json:"tests"`
	}
	folder := support.Repository(customizations)
	decode(t, filepath.Join(folder, "health_test.yaml"), &suite)
	tested := map[string]bool{}
	for _, test := range suite.Tests {
		t.Run(test.InputPath, func(t *testing.T) {
			object := &unstructured.Unstructured{}
			decode(t, filepath.Join(folder, test.InputPath), &object.Object)
			if found := assess(t, object); found != test.HealthStatus {
				t.Errorf("found %+v, expected %+v", found, test.HealthStatus)
			}
		})
		tested[test.InputPath] = true
	}
	files, _ := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	for _, file := range files {
		if !tested["testdata/"+filepath.Base(file)] {
			t.Errorf("%s is in no test", file)
		}
	}
}

// The component adds the same keys to a ConfigMap of the user's, and takes none of its keys away.
func TestTheComponentAddsTheKeys(t *testing.T) {
	const folder = "e2e/gitops/argocd/testdata/own-argocd-cm"
	if found := overrides(t, folder); !reflect.DeepEqual(found, shipped(t)) {
		t.Errorf("the component has another script:\n%v", found)
	}
	if rendered := support.Kubectl(t, "kustomize", support.Repository(folder)); !strings.Contains(rendered, "url: https://argocd.example.com") {
		t.Errorf("a key of the user's is gone:\n%s", rendered)
	}
}

func TestEveryStatusHasTheHealthThatWeClaim(t *testing.T) {
	claims, outcome := support.Claims(t), support.Outcome{}
	for _, binding := range support.Statuses(t) {
		claim, err := support.Of(claims, binding)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		object := numbered(t, binding)
		found := assess(t, object)
		if string(found.Status) != claim.ArgoCD {
			t.Errorf("Argo CD says %s, we claim %s\n%s", found.Status, claim.ArgoCD, show(object))
		}
		if found.Message == "" {
			t.Errorf("Argo CD has nothing to say\n%s", show(object))
		}
		outcome.Count(claims, binding)
	}
	outcome.Complete(t, claims)
}

// shipped is what config/argocd adds; rendered once.
func shipped(t *testing.T) lua.ResourceHealthOverrides {
	t.Helper()
	once.Do(func() { script = overrides(t, "config/argocd") })
	return script
}

var (
	once   sync.Once
	script lua.ResourceHealthOverrides
)

func assess(t *testing.T, object *unstructured.Unstructured) health.HealthStatus {
	t.Helper()
	found, err := health.GetResourceHealth(object, shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	if found == nil {
		t.Fatal("Argo CD finds no health script")
	}
	return *found
}

func show(object *unstructured.Unstructured) string {
	text, _ := json.MarshalIndent(object, "", "  ")
	return string(text)
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
