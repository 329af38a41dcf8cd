// Package support has what the tests with the libraries of Argo CD, Flux and Helm share. It depends on nothing, because
// these libraries need different versions of Kubernetes' own.
package support

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Binding is a PodIdentityBinding as it was on the wire.
type Binding = map[string]any

// Statuses are the states that bindings went through in the end-to-end tests, which wrote them to E2E_STATUSES.
func Statuses(t *testing.T) []Binding {
	t.Helper()
	folder := os.Getenv("E2E_STATUSES")
	if folder == "" {
		t.Fatal("E2E_STATUSES has to name the folder that the end-to-end tests wrote to: run make gitops")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no statuses in %s: run make e2e first (%v)", folder, err)
	}
	var all []Binding
	for _, file := range files {
		all = append(all, read(t, file)...)
	}
	return all
}

func read(t *testing.T, path string) []Binding {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var bindings []Binding
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var binding Binding
		if err := json.Unmarshal(lines.Bytes(), &binding); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		bindings = append(bindings, binding)
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return bindings
}

// Condition of a binding; an empty one where there is none.
func Condition(binding Binding, kind string) map[string]any {
	status, _ := binding["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, condition := range conditions {
		if condition := condition.(map[string]any); condition["type"] == kind {
			return condition
		}
	}
	return map[string]any{}
}

// Observed says whether the status speaks of the binding's present generation.
func Observed(binding Binding) bool {
	status, _ := binding["status"].(map[string]any)
	metadata := binding["metadata"].(map[string]any)
	return status["observedGeneration"] == metadata["generation"]
}

// Deleted says whether the binding is being deleted.
func Deleted(binding Binding) bool {
	return binding["metadata"].(map[string]any)["deletionTimestamp"] != nil
}
