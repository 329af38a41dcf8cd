// Package helm runs helm 4 on a chart that has a binding.
package helm

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"podidentity.dev/e2e/gitops/support"
)

// The field manager that helm applies with.
const manager = "helm"

// helm as one would type it; HELM names the program.
func helm(namespace support.Namespace, args ...string) (string, error) {
	command := exec.Command(os.Getenv("HELM"), append(args, "--namespace", namespace.Name)...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// upgrade installs or upgrades the chart and waits.
func upgrade(namespace support.Namespace, flags ...string) (string, error) {
	args := []string{"upgrade", "--install", "app", "testdata/app", "--wait", "--timeout", "2m"}
	return helm(namespace, append(args, flags...)...)
}

func upgraded(t *testing.T, namespace support.Namespace, role string, flags ...string) {
	t.Helper()
	if output, err := upgrade(namespace, append(flags, "--set", "role="+role)...); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	namespace.Bound(role)
}

// Moved fails unless the Deployment's generation went up by this since before.
func moved(t *testing.T, namespace support.Namespace, what string, before, by int) int {
	t.Helper()
	_, after := namespace.Template()
	if after != before+by {
		t.Errorf("%s: the Deployment went from generation %d to %d, expected %d more", what, before, after, by)
	}
	return after
}

func TestHelmKeepsWhatIsOurs(t *testing.T) {
	for _, apply := range []string{"true", "false"} {
		t.Run("server-side="+apply, func(t *testing.T) {
			namespace := support.NewNamespace(t)
			serverSide := "--server-side=" + apply
			// It runs before it is bound, so that the operator has to restart it.
			upgraded(t, namespace, "", serverSide)
			upgraded(t, namespace, support.Role, serverSide)
			template, generation := namespace.Template()
			if template[support.IdentityKey] == "" {
				t.Fatalf("the operator has not restarted it: %v", template)
			}

			upgraded(t, namespace, support.Role, serverSide)
			generation = moved(t, namespace, "the same once more", generation, 0)

			// --wait returns when every pod has the other role, not sooner.
			upgraded(t, namespace, support.OtherRole, serverSide)
			generation = moved(t, namespace, "another role", generation, 1)

			upgraded(t, namespace, support.OtherRole, serverSide, "--set", "image=registry.example.com/app:2")
			generation = moved(t, namespace, "another image", generation, 1)

			// Back to the first role: another role and another image at once.
			if output, err := helm(namespace, "rollback", "app", "2", "--wait", "--timeout", "2m"); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			namespace.Bound(support.Role)

			if output, err := helm(namespace, "uninstall", "app", "--wait", "--timeout", "2m"); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if left := namespace.Kubectl("get", "pib,deployments,pods", "-o", "name"); left != "" {
				t.Errorf("left over: %s", left)
			}
		})
	}
}

// A chart that annotates the service account itself, as many do, with the same role: both own the annotation.
func TestHelmMayAnnotateTheSameRole(t *testing.T) {
	namespace := support.NewNamespace(t)
	upgraded(t, namespace, support.Role, "--set", "serviceAccountRole="+support.Role)
	upgraded(t, namespace, support.Role, "--set", "serviceAccountRole="+support.Role)
	account := namespace.Object("serviceaccount", "app")
	for _, owner := range []string{manager, support.FieldManager} {
		if !support.Manages(account, owner, "f:metadata", "f:annotations", "f:"+support.RoleKey) {
			t.Errorf("%s does not own the annotation", owner)
		}
	}
	// Out of the chart: the value stays, because we own it.
	upgraded(t, namespace, support.Role)
	namespace.Bound(support.Role)
}

// What the page warns of: the role in two places of a chart. Helm refuses to overwrite what the operator owns.
func TestHelmAndAnotherRoleInTheChart(t *testing.T) {
	namespace := support.NewNamespace(t)
	upgraded(t, namespace, support.Role, "--set", "serviceAccountRole="+support.Role)
	output, err := upgrade(namespace, "--set", "serviceAccountRole="+support.OtherRole, "--set", "role="+support.Role)
	if err == nil {
		t.Fatalf("helm should report a conflict:\n%s", output)
	}
	for _, part := range []string{"conflict", support.FieldManager, support.RoleKey} {
		if !strings.Contains(output, part) {
			t.Errorf("the error does not mention %s: %s", part, output)
		}
	}
	namespace.Bound(support.Role)

	// The cure: the chart does not annotate.
	upgraded(t, namespace, support.OtherRole)
}

// What the page warns of. It costs restarts, and it ends well.
func TestHelmsForceReplaceIsRepaired(t *testing.T) {
	namespace := support.NewNamespace(t)
	upgraded(t, namespace, "", "--server-side=false")
	upgraded(t, namespace, support.Role, "--server-side=false")
	output, err := upgrade(namespace, "--force-replace", "--server-side=false", "--set", "role="+support.Role)
	// A replacement is refused if the status was written since helm read the binding.
	if err != nil && !strings.Contains(output, "the object has been modified") {
		t.Fatalf("%v\n%s", err, output)
	}
	namespace.AnnotatedWith(support.Role)
	namespace.Ready()
	namespace.Bound(support.Role)
}
