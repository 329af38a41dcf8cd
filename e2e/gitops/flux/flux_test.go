// Package flux runs Flux's own server-side apply on our objects, with the options of kustomize-controller.
package flux

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"podidentity.dev/e2e/gitops/support"
)

// The names that kustomize-controller uses.
const (
	manager = "kustomize-controller"
	group   = "kustomize.toolkit.fluxcd.io"
)

// flux is a Kustomization with wait: true, as kustomize-controller carries it out.
type flux struct {
	t         *testing.T
	namespace support.Namespace
	manager   *ssa.ResourceManager
}

func newFlux(t *testing.T, namespace support.Namespace, checks ...kustomize.CustomHealthCheck) flux {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	kube, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	options := polling.Options{}
	if len(checks) > 0 {
		reader, err := cel.NewStatusReader(checks)
		if err != nil {
			t.Fatal(err)
		}
		options.CustomStatusReaders = []engine.StatusReader{reader(kube.RESTMapper())}
	}
	poller := polling.NewStatusPoller(kube, kube.RESTMapper(), options)
	owner := ssa.Owner{Field: manager, Group: group}
	return flux{t: t, namespace: namespace, manager: ssa.NewResourceManager(kube, poller, owner)}
}

// As in kustomize-controller's apply.
func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.ExclusionSelector = map[string]string{group + "/reconcile": "disabled", group + "/ssa": "Ignore"}
	options.IfNotPresentSelector = map[string]string{group + "/ssa": "IfNotPresent"}
	options.ForceSelector = map[string]string{group + "/force": "enabled"}
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: manager, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{group + "/ssa": "Merge"},
	}
	return options
}

// apply reconciles once and says what was changed, for example "ServiceAccount configured".
func (f flux) apply(app support.App) string {
	f.t.Helper()
	objects := f.objects(app)
	changes, err := f.manager.ApplyAllStaged(context.Background(), objects, options())
	if err != nil {
		f.t.Fatal(err)
	}
	var changed []string
	for _, entry := range changes.Entries {
		if entry.Action != ssa.UnchangedAction {
			changed = append(changed, entry.ObjMetadata.GroupKind.Kind+" "+string(entry.Action))
		}
	}
	return strings.Join(changed, ", ")
}

func (f flux) objects(app support.App) []*unstructured.Unstructured {
	f.t.Helper()
	objects, err := ssautil.ReadObjects(strings.NewReader(app.Manifests(f.namespace.Name)))
	if err != nil {
		f.t.Fatal(err)
	}
	f.manager.SetOwnerLabels(objects, "app", "flux-system")
	return objects
}

// wait is what wait: true does.
func (f flux) wait(app support.App) error {
	options := ssa.WaitOptions{Interval: 200 * time.Millisecond, Timeout: 2 * time.Minute}
	return f.manager.Wait(f.objects(app), options)
}

func (f flux) applied(app support.App) {
	f.t.Helper()
	f.apply(app)
	if err := f.wait(app); err != nil {
		f.t.Fatalf("wait: true fails: %v", err)
	}
	f.namespace.Bound(app.Role)
}

// restarted binds an application that runs already, so that the operator has to restart it.
func (f flux) restarted(app support.App) {
	f.t.Helper()
	f.applied(support.App{Unbound: true})
	f.applied(app)
	if template, _ := f.namespace.Template(); template[support.IdentityKey] == "" {
		f.t.Fatalf("the operator has not restarted it: %v", template)
	}
}

func (f flux) unchanged(app support.App) {
	f.t.Helper()
	_, before := f.namespace.Template()
	if changed := f.apply(app); changed != "" {
		f.t.Errorf("Flux sees a drift: %s", changed)
	}
	f.namespace.Bound(app.Role)
	if _, after := f.namespace.Template(); after != before {
		f.t.Errorf("the Deployment went from generation %d to %d", before, after)
	}
}

func TestFluxKeepsWhatIsOurs(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role}
	flux.restarted(app)
	for range 3 {
		flux.unchanged(app)
	}

	// Another role in Git: one restart, and Flux waits until every pod has it.
	_, before := namespace.Template()
	app.Role = support.OtherRole
	flux.applied(app)
	mark, after := namespace.Template()
	if after != before+1 {
		t.Errorf("a role change moved the Deployment from generation %d to %d", before, after)
	}

	// Another image in Git: the rollout is Flux's own, and ours is not needed.
	app.Image = "registry.example.com/app:2"
	flux.applied(app)
	again, last := namespace.Template()
	if last != after+1 || again[support.IdentityKey] != mark[support.IdentityKey] {
		t.Errorf("a new image moved the Deployment from generation %d to %d, %v", after, last, again)
	}
	flux.unchanged(app)
}

// The control: what kubectl writes is stripped. It is the reason for a field manager and a key of our own.
func TestFluxStripsWhatKubectlWrites(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role}
	flux.restarted(app)

	namespace.Kubectl("annotate", "serviceaccount", "app", "eks.amazonaws.com/audience=by-hand")
	namespace.Kubectl("rollout", "restart", "deployment/app")
	flux.apply(app)

	const restarted = "kubectl.kubernetes.io/restartedAt"
	if template, _ := namespace.Template(); template[restarted] != "" || template[support.IdentityKey] == "" {
		t.Errorf("expected Flux to strip %s and to keep %s: %v", restarted, support.IdentityKey, template)
	}
	account := namespace.Kubectl("get", "serviceaccount", "app", "-o", "jsonpath={.metadata.annotations}")
	if strings.Contains(account, "by-hand") || !strings.Contains(account, support.RoleKey) {
		t.Errorf("expected Flux to strip the audience and to keep the role: %s", account)
	}
	if err := flux.wait(app); err != nil {
		t.Error(err)
	}
	namespace.Bound(support.Role)
}

// The binding takes over from a service account that was annotated in Git. As long as both say the same, both own it.
func TestFluxMayAnnotateTheSameRole(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role, AccountRole: support.Role}
	flux.applied(app)
	flux.unchanged(app)
	account := namespace.Object("serviceaccount", "app")
	for _, owner := range []string{manager, support.FieldManager} {
		if !support.Manages(account, owner, "f:metadata", "f:annotations", "f:"+support.RoleKey) {
			t.Errorf("%s does not own the annotation", owner)
		}
	}

	// Out of Git: the value stays, because we own it.
	app.AccountRole = ""
	flux.applied(app)
	flux.unchanged(app)
}

// Two roles in Git: Flux takes the annotation by force each time, and wait: true fails because somebody has to decide.
func TestFluxAndAnotherRoleInGit(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role, AccountRole: support.OtherRole}
	flux.apply(app)
	err := flux.wait(app)
	if err == nil || !strings.Contains(err.Error(), "PodIdentityBinding") {
		t.Errorf("wait: true should fail and name the binding: %v", err)
	}
	namespace.ReadyBecause("AnnotationConflict")
	if message := namespace.Message(); !strings.Contains(message, manager) {
		t.Errorf("the message does not name %s: %s", manager, message)
	}
	// Without wait: it fails early if it looks before the operator has seen that the conflict is over.
	app.AccountRole = ""
	flux.apply(app)
	namespace.ReadyBecause("Verified")
}

// With the health check of docs/flux.md a suspended binding does not fail the Kustomization.
func TestFluxAndASuspendedBinding(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role, Suspend: true}
	flux.apply(app)
	if err := flux.wait(app); err == nil {
		t.Error("wait: true should fail: the binding is suspended and has something to do")
	}
	checks := healthChecksOfThePage(t)
	flux = newFlux(t, namespace, checks...)
	if err := flux.wait(app); err != nil {
		t.Errorf("with the health check of the page: %v", err)
	}
	app.Suspend = false
	flux.applied(app)
}

// A release by kubectl's own field manager is stripped before it is carried out; by that of the page, or of our command
// line, it is not.
func TestFluxAndARelease(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role, Policy: "Manual"}
	flux.applied(support.App{Unbound: true})
	flux.apply(app)
	namespace.ReadyBecause("AwaitingRelease")
	generation := namespace.Kubectl("get", "pib", "app", "-o", "jsonpath={.metadata.generation}")
	uid := namespace.Kubectl("get", "pib", "app", "-o", "jsonpath={.metadata.uid}")
	release := "podidentity.dev/release=" + generation + "-" + uid[:8]

	namespace.Kubectl("annotate", "pib", "app", "podidentity.dev/release=0")
	if changed := flux.apply(app); changed != "PodIdentityBinding configured" {
		t.Errorf("expected Flux to strip the annotation, it changed: %s", changed)
	}
	namespace.Kubectl("annotate", "--field-manager="+managerOfTheCommandLine(t), "pib", "app", "podidentity.dev/release=0")
	if changed := flux.apply(app); changed != "" {
		t.Errorf("Flux changed what our command line has written: %s", changed)
	}
	namespace.Kubectl("annotate", "--field-manager=release", "--overwrite", "pib", "app", release)
	if changed := flux.apply(app); changed != "" {
		t.Errorf("Flux changed: %s", changed)
	}
	if err := flux.wait(app); err != nil {
		t.Error(err)
	}
	namespace.Bound(support.Role)
}

func managerOfTheCommandLine(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(support.Repository("crates/cluster/src/write/edit.rs"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), `const FIELD_MANAGER: &str = "`)
	manager, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatal("crates/cluster/src/write/edit.rs names no field manager")
	}
	return manager
}

// What is taken out of Git is pruned.
func TestFluxPrunesABinding(t *testing.T) {
	namespace := support.NewNamespace(t)
	flux, app := newFlux(t, namespace), support.App{Role: support.Role}
	flux.restarted(app)
	_, before := namespace.Template()
	var bindings []*unstructured.Unstructured
	for _, object := range flux.objects(app) {
		if object.GetKind() == "PodIdentityBinding" {
			bindings = append(bindings, object)
		}
	}
	changes, err := flux.manager.DeleteAll(context.Background(), bindings, ssa.DefaultDeleteOptions())
	if err != nil {
		t.Fatal(err)
	}
	err = flux.manager.WaitForSetTermination(changes, ssa.WaitOptions{Interval: 200 * time.Millisecond, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if role := namespace.AccountRole(); role != "" {
		t.Errorf("the service account is still annotated with %s", role)
	}
	if _, after := namespace.Template(); after != before {
		t.Error("the workload was restarted")
	}
}
