package flux

import (
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const page = "docs/flux.md"

// Every field that the page shows exists.
func TestThePageShowsWhatFluxAccepts(t *testing.T) {
	for _, document := range support.Blocks(t, support.Repository(page), "yaml") {
		var object any
		switch kind(t, document) {
		case "Kustomization":
			object = &kustomizev1.Kustomization{}
		case "HelmRelease":
			object = &helmv2.HelmRelease{}
		default:
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
	}
}

func healthChecksOfThePage(t *testing.T) []kustomize.CustomHealthCheck {
	t.Helper()
	for _, document := range support.Blocks(t, support.Repository(page), "yaml") {
		var kustomization kustomizev1.Kustomization
		if kind(t, document) != "Kustomization" {
			continue
		}
		if err := yaml.Unmarshal([]byte(document), &kustomization); err != nil {
			t.Fatal(err)
		}
		if checks := kustomization.Spec.HealthCheckExprs; len(checks) > 0 {
			return checks
		}
	}
	t.Fatalf("%s shows no healthCheckExprs", page)
	return nil
}

func kind(t *testing.T, document string) string {
	t.Helper()
	var object struct{ Kind string }
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	return object.Kind
}
