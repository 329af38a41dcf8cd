package argocd

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

const installation = "docs/install-argocd.md"

// Every field that the pages show exists.
func TestThePagesShowWhatArgoCDAccepts(t *testing.T) {
	found := support.Accepts(t, []string{"docs/argocd.md", installation}, map[string]func() any{
		"Application": func() any { return &v1alpha1.Application{} },
		"AppProject":  func() any { return &v1alpha1.AppProject{} },
		"Secret":      func() any { return &corev1.Secret{} },
	})
	if found["Application"] < 5 {
		t.Errorf("the pages show %d Applications only", found["Application"])
	}
}

// The charts accept the values of the installation. What they render stays in sync, without ignoreDifferences.
func TestTheInstallationStaysInSync(t *testing.T) {
	charts := map[string]int{}
	for n, application := range applications(t, installation) {
		chart, values := path.Base(application.Spec.Source.Path), "{}"
		if application.Spec.Source.Chart != "" {
			chart = application.Spec.Source.Chart
		}
		if helm := application.Spec.Source.Helm; helm != nil {
			values = string(helm.ValuesObject.Raw)
		}
		if !strings.HasPrefix(chart, "podidentity-") {
			continue
		}
		charts[chart]++
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			namespace := support.NewNamespace(t)
			argo := newArgo(t, namespace, true)
			objects := argo.tracked(support.Render(t, chart, namespace.Name, values))
			argo.apply(objects)
			for _, difference := range argo.compare(objects) {
				t.Errorf("%s is out of sync: %s", chart, difference)
			}
		})
	}
	if charts["podidentity-crds"] != 1 || charts["podidentity-operator"] != 2 {
		t.Errorf("the page installs %v", charts)
	}
}

// With the script of the page the parent waits until a child is healthy.
func TestTheHealthOfApplications(t *testing.T) {
	const kind = "argoproj.io_Application"
	script := ""
	for _, document := range support.Blocks(t, support.Repository(installation), "yaml") {
		var config corev1.ConfigMap
		if support.Kind(t, document) != "ConfigMap" {
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), &config); err != nil {
			t.Fatal(err)
		}
		script = config.Data["resource.customizations.health."+kind]
	}
	overrides := lua.ResourceHealthOverrides{"argoproj.io/Application": v1alpha1.ResourceOverride{HealthLua: script}}
	for status, expected := range map[string]health.HealthStatusCode{
		"":            health.HealthStatusProgressing,
		"Progressing": health.HealthStatusProgressing,
		"Healthy":     health.HealthStatusHealthy,
		"Degraded":    health.HealthStatusDegraded,
	} {
		application := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "child"},
		}}
		if status != "" {
			application.Object["status"] = map[string]any{"health": map[string]any{"status": status}}
		}
		found, err := health.GetResourceHealth(application, overrides)
		if err != nil || found == nil || found.Status != expected {
			t.Errorf("%q is %v, %v", status, found, err)
		}
	}
}

// applications are those that a page shows.
func applications(t *testing.T, page string) []v1alpha1.Application {
	t.Helper()
	var all []v1alpha1.Application
	for _, document := range support.Blocks(t, support.Repository(page), "yaml") {
		if support.Kind(t, document) != "Application" {
			continue
		}
		var application v1alpha1.Application
		if err := yaml.UnmarshalStrict([]byte(document), &application); err != nil {
			t.Fatal(err)
		}
		all = append(all, application)
	}
	return all
}
