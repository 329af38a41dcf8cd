package support

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Claim is what docs/reference/conditions.md says of a binding in a state.
type Claim struct{ KStatus, ArgoCD string }

// Claims are the rows of the table in docs/reference/conditions.md, by reason and by who has to act.
func Claims(t *testing.T) map[string]Claim {
	t.Helper()
	page, err := os.ReadFile(Repository("docs/reference/conditions.md"))
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]Claim{}
	for _, row := range row.FindAllStringSubmatch(string(page), -1) {
		claims[row[1]+" "+row[2]] = Claim{KStatus: row[3], ArgoCD: row[4]}
	}
	if len(claims) < 20 {
		t.Fatalf("docs/reference/conditions.md has %d rows only: was the table changed?", len(claims))
	}
	return claims
}

// | `Rolling` | operator | InProgress | Progressing | ...
var row = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (operator|person|nobody) \\| (\\w+) \\| (\\w+) \\|")

// Key of the row that a binding belongs to.
func Key(binding Binding) string {
	who := "nobody"
	if Condition(binding, "Stalled")["status"] == "True" {
		who = "person"
	} else if Condition(binding, "Reconciling")["status"] == "True" {
		who = "operator"
	}
	return fmt.Sprintf("%v %s", Condition(binding, "Ready")["reason"], who)
}

// Of is what is claimed of a binding. The reason counts only if the status speaks of the present generation and the
// binding is not being deleted.
func Of(claims map[string]Claim, binding Binding) (Claim, error) {
	switch {
	case Deleted(binding):
		return Claim{KStatus: "Terminating", ArgoCD: "Progressing"}, nil
	case !Observed(binding):
		return Claim{KStatus: "InProgress", ArgoCD: "Progressing"}, nil
	}
	claim, found := claims[Key(binding)]
	if !found {
		return Claim{}, fmt.Errorf("docs/reference/conditions.md has no row for %q", Key(binding))
	}
	return claim, nil
}

// Repository is the path of a file of the repository. Tests run in the folder of their package.
func Repository(path string) string {
	folder, err := os.Getwd()
	for ; err == nil && folder != "/"; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "Cargo.lock")); err == nil {
			return filepath.Join(folder, filepath.FromSlash(path))
		}
	}
	panic("this is not run in a clone of the repository")
}

// Outcome counts what was seen of each row.
type Outcome map[string]int

// Count counts a binding, if its status speaks of its present generation. Rows say whether they are about bindings that are
// being deleted; of others these are not counted.
func (o Outcome) Count(claims map[string]Claim, binding Binding) {
	key := Key(binding)
	if Observed(binding) && Deleted(binding) == (claims[key].KStatus == "Terminating") {
		o[key]++
	}
}

// Rows that no scenario waits for, and why.
var unseen = map[string]string{
	"PreflightPending operator":       "lasts only while too many questions to AWS are under way",
	"RoleNotAssumable person":         "takes three refusals, most of a minute; core's timelines have it",
	"IdentityProviderRejected person": "takes three refusals, most of a minute; core's timelines have it",
}

// Complete fails the test for each row that no end-to-end test has seen.
func (o Outcome) Complete(t *testing.T, claims map[string]Claim) {
	t.Helper()
	t.Logf("seen: %v", o)
	for key := range claims {
		if o[key] == 0 && unseen[key] == "" {
			t.Errorf("the statuses have no binding that is %q, so nothing is known of it: run make e2e as a whole, or have "+
				"a scenario produce it", key)
		}
	}
}
