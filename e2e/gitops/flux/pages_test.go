package flux

import (
	"path"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const (
	page         = "docs/flux.md"
	installation = "docs/install-flux.md"
)

// Every field that the pages show exists.
func TestThePagesShowWhatFluxAccepts(t *testing.T) {
	support.Accepts(t, []string{page, installation}, map[string]func() any{
		"Kustomization": func() any { return &kustomizev1.Kustomization{} },
		"HelmRelease":   func() any { return &helmv2.HelmRelease{} },
		"OCIRepository": func() any { return &sourcev1.OCIRepository{} },
		"GitRepository": func() any { return &sourcev1.GitRepository{} },
		"Namespace":     func() any { return &corev1.Namespace{} },
	})
}

// The installation's releases take charts of this repository by sources that the page shows, and the charts accept the
// values and render. The operator waits for the custom resource.
func TestTheReleasesOfTheInstallationRender(t *testing.T) {
	sources, releases := map[string]string{}, []helmv2.HelmRelease{}
	for _, document := range support.Blocks(t, support.Repository(installation), "yaml") {
		switch support.Kind(t, document) {
		case "OCIRepository":
			var source sourcev1.OCIRepository
			decode(t, document, &source)
			sources["OCIRepository/"+source.Namespace+"/"+source.Name] = path.Base(source.Spec.URL)
		case "GitRepository":
			var source sourcev1.GitRepository
			decode(t, document, &source)
			sources["GitRepository/"+source.Namespace+"/"+source.Name] = ""
		case "HelmRelease":
			var release helmv2.HelmRelease
			decode(t, document, &release)
			releases = append(releases, release)
		}
	}
	charts := map[string]int{}
	for _, release := range releases {
		chart := chart(t, sources, release)
		charts[chart]++
		values := "{}"
		if release.Spec.Values != nil {
			values = string(release.Spec.Values.Raw)
		}
		support.Render(t, chart, release.Namespace, values)
		if chart == "podidentity-operator" && (len(release.Spec.DependsOn) != 1 || release.Spec.DependsOn[0].Name != "podidentity-crds") {
			t.Errorf("%s depends on %v", release.Name, release.Spec.DependsOn)
		}
	}
	if charts["podidentity-crds"] == 0 || charts["podidentity-operator"] == 0 {
		t.Errorf("the page installs %v", charts)
	}
}

// chart is the name of the release's chart, whose source is on the page.
func chart(t *testing.T, sources map[string]string, release helmv2.HelmRelease) string {
	t.Helper()
	if ref := release.Spec.ChartRef; ref != nil {
		chart, found := sources[ref.Kind+"/"+release.Namespace+"/"+ref.Name]
		if !found {
			t.Fatalf("%s takes its chart from %s/%s, which the page does not show", release.Name, ref.Kind, ref.Name)
		}
		return chart
	}
	spec := release.Spec.Chart.Spec
	if _, found := sources[spec.SourceRef.Kind+"/"+release.Namespace+"/"+spec.SourceRef.Name]; !found {
		t.Fatalf("%s takes its chart from %v, which the page does not show", release.Name, spec.SourceRef)
	}
	return path.Base(spec.Chart)
}

func decode(t *testing.T, document string, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
}

func healthChecksOfThePage(t *testing.T) []kustomize.CustomHealthCheck {
	t.Helper()
	for _, document := range support.Blocks(t, support.Repository(page), "yaml") {
		var kustomization kustomizev1.Kustomization
		if support.Kind(t, document) != "Kustomization" {
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
