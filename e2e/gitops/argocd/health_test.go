// Package argocd runs Argo CD's own code on our objects.
package argocd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const (
	customizations = "config/argocd/resource_customizations/podidentity.dev/PodIdentityBinding"
	key            = "podidentity.dev/PodIdentityBinding"
)

// As Argo CD does in production: the script from argocd-cm, without standard libraries.
func overrides(t *testing.T) lua.ResourceHealthOverrides {
	t.Helper()
	script, err := os.ReadFile(support.Repository(filepath.Join(customizations, "health.lua")))
	if err != nil {
		t.Fatal(err)
	}
	return lua.ResourceHealthOverrides{key: v1alpha1.ResourceOverride{HealthLua: string(script)}}
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
		if support.Observed(binding) && !support.Deleted(binding) {
			outcome[support.Key(binding)]++
		}
	}
	outcome.Log(t, claims)
}

func assess(t *testing.T, object *unstructured.Unstructured) health.HealthStatus {
	t.Helper()
	found, err := health.GetResourceHealth(object, overrides(t))
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
