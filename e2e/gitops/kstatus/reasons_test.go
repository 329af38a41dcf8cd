package kstatus

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"podidentity.dev/e2e/gitops/support"
)

// Reasons that are in no condition, and where they are instead.
var elsewhere = map[string]string{
	"RolloutStarted":   "an event",
	"RolloutCompleted": "an event",
	"RestartRefused":   "an event",
	"RoleKept":         "an event of a binding that goes",
	"Retained":         "an event of a binding that goes",
}

// Reasons of the condition RoleAssumable that the scenarios need not show, and why.
var optional = map[string]string{
	"PreflightPending": "lasts only while too many questions to AWS are under way",
	"NotAsked":         "of a role that was on the service account before; core's timelines have it",
}

// Every reason that the API defines is in some condition of some binding of the end-to-end tests.
func TestEveryReasonWasSeen(t *testing.T) {
	seen := map[string]bool{}
	for _, binding := range support.Statuses(t) {
		for _, kind := range []string{"Ready", "ServiceAccountAnnotated", "WorkloadsRolled", "IdentityVerified", "RoleAssumable"} {
			if reason, is := support.Condition(binding, kind)["reason"].(string); is {
				seen[reason] = true
			}
		}
	}
	for _, reason := range defined(t) {
		if where := elsewhere[reason]; optional[reason] == "" && seen[reason] == (where != "") {
			t.Errorf("%s: seen in a condition is %v, said to be elsewhere: %q", reason, seen[reason], where)
		}
	}
}

// The variants of Reason in crates/api/src/reason.rs.
func defined(t *testing.T) []string {
	t.Helper()
	names, err := os.ReadFile(support.Repository("crates/api/src/reason.rs"))
	if err != nil {
		t.Fatal(err)
	}
	_, declared, _ := strings.Cut(string(names), "\nreasons! {")
	declared, _, _ = strings.Cut(declared, "\n}")
	var reasons []string
	for _, variant := range regexp.MustCompile(`(?m)^    (\w+),$`).FindAllStringSubmatch(declared, -1) {
		reasons = append(reasons, variant[1])
	}
	if len(reasons) < 30 {
		t.Fatalf("crates/api/src/reason.rs has %d reasons only: was it changed?", len(reasons))
	}
	return reasons
}
