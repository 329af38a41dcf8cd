package argocd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const releaseKey = "podidentity.dev/release"

// As Argo CD's own test of resource_customizations/ does.
func TestTheCasesBesideTheActions(t *testing.T) {
	var suite struct {
		DiscoveryTests []struct {
			InputPath string                    `json:"inputPath"`
			Result    []v1alpha1.ResourceAction `json:"result"`
		} `json:"discoveryTests"`
		ActionTests []struct {
			Action             string `json:"action"`
			InputPath          string `json:"inputPath"`
			ExpectedOutputPath string `json:"expectedOutputPath"`
		} `json:"actionTests"`
	}
	folder := filepath.Join(support.Repository(customizations), "actions")
	decode(t, filepath.Join(folder, "action_test.yaml"), &suite)
	for _, test := range suite.DiscoveryTests {
		object := &unstructured.Unstructured{}
		decode(t, filepath.Join(folder, test.InputPath), &object.Object)
		if offered := releasable(t, object); offered == test.Result[0].Disabled {
			t.Errorf("%s: offered is %v", test.InputPath, offered)
		}
	}
	for _, test := range suite.ActionTests {
		input, expected := &unstructured.Unstructured{}, &unstructured.Unstructured{}
		decode(t, filepath.Join(folder, test.InputPath), &input.Object)
		decode(t, filepath.Join(folder, test.ExpectedOutputPath), &expected.Object)
		found, _ := yaml.Marshal(execute(t, input, test.Action))
		wanted, _ := yaml.Marshal(expected)
		if string(found) != string(wanted) {
			t.Errorf("%s of %s gives\n%s", test.Action, test.InputPath, found)
		}
	}
}

// The action is offered where a binding waits for its release, and nowhere else.
func TestOnlyABindingThatWaitsCanBeReleased(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(support.Repository(customizations), "testdata", "*.yaml"))
	for _, file := range files {
		object := &unstructured.Unstructured{}
		decode(t, file, &object.Object)
		waits := strings.HasPrefix(filepath.Base(file), "suspended_awaiting_release")
		if offered := releasable(t, object); offered != waits {
			t.Errorf("%s: offered is %v", filepath.Base(file), offered)
		}
	}
}

// The button in Argo CD starts the restarts, and the next sync leaves the release where it is.
func TestArgoCDReleases(t *testing.T) {
	both(t, func(t *testing.T, namespace support.Namespace, argo *argo) {
		app := support.App{Role: support.Role, Policy: "Manual"}
		argo.sync(support.App{Unbound: true})
		namespace.Running()
		argo.sync(app)
		namespace.ReadyBecause("AwaitingRelease")

		binding := numbered(t, namespace.Object("pib", "app"))
		if !releasable(t, binding) {
			t.Fatal("the action is not offered")
		}
		// Argo CD patches what the action has changed.
		released := execute(t, binding, "release").GetAnnotations()[releaseKey]
		namespace.Kubectl("patch", "pib", "app", "--type=merge", "--field-manager="+manager,
			"-p", `{"metadata":{"annotations":{"`+releaseKey+`":"`+released+`"}}}`)
		argo.synced(app)
		argo.inSync(app)
	})
}

func releasable(t *testing.T, binding *unstructured.Unstructured) bool {
	t.Helper()
	vm := lua.VM{ResourceOverrides: shipped(t)}
	scripts, err := vm.GetResourceActionDiscovery(binding)
	if err != nil {
		t.Fatal(err)
	}
	actions, err := vm.ExecuteResourceActionDiscovery(binding, scripts[:1])
	if err != nil || len(actions) != 1 || actions[0].Name != "release" {
		t.Fatalf("the actions are %v, %v", actions, err)
	}
	return !actions[0].Disabled
}

func execute(t *testing.T, binding *unstructured.Unstructured, name string) *unstructured.Unstructured {
	t.Helper()
	vm := lua.VM{ResourceOverrides: shipped(t)}
	action, err := vm.GetResourceAction(binding, name)
	if err != nil {
		t.Fatal(err)
	}
	results, err := vm.ExecuteResourceAction(binding, action.ActionLua, nil)
	if err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	return results[0].UnstructuredObj
}
