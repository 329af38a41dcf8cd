// Package kstatus asks the libraries that Flux and Helm 4 wait with what they make of our statuses.
package kstatus

import (
	"encoding/json"
	"testing"

	flux "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	upstream "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"podidentity.dev/e2e/gitops/support"
)

func TestEveryStatusIsWhatWeClaim(t *testing.T) {
	claims, outcome := support.Claims(t), support.Outcome{}
	for _, binding := range support.Statuses(t) {
		claim, err := support.Of(claims, binding)
		if err != nil {
			t.Errorf("%v\n%s", err, show(binding))
			continue
		}
		for library, status := range compute(t, binding) {
			if status != claim.KStatus {
				t.Errorf("%s says %s, we claim %s\n%s", library, status, claim.KStatus, show(binding))
			}
		}
		outcome.Count(claims, binding)
	}
	outcome.Complete(t, claims)
}

// Flux and Helm go on when everything is Current: that has to mean proven, in this generation.
func TestNothingIsCurrentThatIsNotProven(t *testing.T) {
	for _, binding := range support.Statuses(t) {
		for library, status := range compute(t, binding) {
			proven := support.Observed(binding) && support.Condition(binding, "Ready")["status"] == "True"
			if status == "Current" && !proven {
				t.Errorf("%s says Current\n%s", library, show(binding))
			}
		}
	}
}

// Between a change of the spec and the operator's first look at it nothing may be taken for done, or failed.
func TestAChangedSpecIsInProgressAtOnce(t *testing.T) {
	for _, binding := range support.Statuses(t) {
		if support.Deleted(binding) {
			continue
		}
		metadata := binding["metadata"].(map[string]any)
		metadata["generation"] = metadata["generation"].(float64) + 1
		for library, status := range compute(t, binding) {
			if status != "InProgress" {
				t.Errorf("%s says %s\n%s", library, status, show(binding))
			}
		}
	}
}

func compute(t *testing.T, binding support.Binding) map[string]string {
	t.Helper()
	// Through JSON, which makes the numbers what they are for a client.
	text, err := json.Marshal(binding)
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	ofFlux, err := flux.Compute(object)
	if err != nil {
		t.Fatalf("fluxcd/cli-utils: %v\n%s", err, text)
	}
	ofUpstream, err := upstream.Compute(object)
	if err != nil {
		t.Fatalf("sigs.k8s.io/cli-utils: %v\n%s", err, text)
	}
	return map[string]string{
		"fluxcd/cli-utils":      ofFlux.Status.String(),
		"sigs.k8s.io/cli-utils": ofUpstream.Status.String(),
	}
}

func show(binding support.Binding) string {
	text, _ := json.MarshalIndent(binding, "  ", "  ")
	return "  " + string(text)
}
