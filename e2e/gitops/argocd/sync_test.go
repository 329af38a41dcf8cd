package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/tools/clientcmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

// The field manager that Argo CD applies with.
const manager = "argocd-controller"

// argo syncs and compares with the code of Argo CD's application controller.
type argo struct {
	t           *testing.T
	namespace   support.Namespace
	serverSide  bool
	resources   kube.ResourceOperations
	dryRunner   diff.ServerSideDryRunner
	gvkParser   *managedfields.GvkParser
	differences v1alpha1.IgnoreDifferences
}

func newArgo(t *testing.T, namespace support.Namespace, serverSide bool) *argo {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	schema, parser, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		t.Fatal(err)
	}
	resources, cleanup, err := kubectl.ManageResources(config, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	applier, cleanup, err := kube.ManageServerSideDiffDryRuns(config, schema, tracing.NopTracer{}, logr.Discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	return &argo{
		t: t, namespace: namespace, serverSide: serverSide, resources: resources, gvkParser: parser,
		dryRunner: diff.NewK8sServerSideDryRunner(applier),
	}
}

// sync applies what is in Git, with the tracking annotation that Argo CD adds.
func (a *argo) sync(app support.App) {
	a.t.Helper()
	a.apply(a.objects(app))
}

func (a *argo) apply(objects []*unstructured.Unstructured) {
	a.t.Helper()
	for _, object := range objects {
		_, err := a.resources.ApplyResource(context.Background(), object, cmdutil.DryRunNone, false, true, a.serverSide, manager)
		if err != nil {
			a.t.Fatalf("cannot sync %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

func (a *argo) synced(app support.App) {
	a.t.Helper()
	a.sync(app)
	a.namespace.Ready()
	a.namespace.Bound(app.Role)
}

// restarted binds an application that runs already, so that the operator has to restart it.
func (a *argo) restarted(app support.App) {
	a.t.Helper()
	a.sync(support.App{Unbound: true})
	a.namespace.Running()
	a.synced(app)
	if template, _ := a.namespace.Template(); template[support.IdentityKey] == "" {
		a.t.Fatalf("the operator has not restarted it: %v", template)
	}
}

func (a *argo) objects(app support.App) []*unstructured.Unstructured {
	a.t.Helper()
	return a.tracked(app.Manifests(a.namespace.Name))
}

// tracked are the objects of manifests, with the annotation by which Argo CD finds them again.
func (a *argo) tracked(manifests string) []*unstructured.Unstructured {
	a.t.Helper()
	var objects []*unstructured.Unstructured
	for _, document := range strings.Split(strings.TrimPrefix(manifests, "---\n"), "\n---\n") {
		if support.Kind(a.t, document) == "" {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			a.t.Fatal(err)
		}
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		gvk := object.GroupVersionKind()
		annotations["argocd.argoproj.io/tracking-id"] = fmt.Sprintf("app:%s/%s:%s/app", gvk.Group, gvk.Kind, a.namespace.Name)
		object.SetAnnotations(annotations)
		objects = append(objects, object)
	}
	return objects
}

// outOfSync is what Argo CD would show as OutOfSync, by any of its three ways to compare.
func (a *argo) outOfSync(app support.App) []string {
	a.t.Helper()
	return a.compare(a.objects(app))
}

func (a *argo) compare(objects []*unstructured.Unstructured) []string {
	a.t.Helper()
	ways := map[string][]diff.Option{
		"default":          {},
		"structured merge": {diff.WithStructuredMergeDiff(true)},
		"server-side":      {diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(true)},
		"server-side, all": {diff.WithServerSideDiff(true), diff.WithIgnoreMutationWebhook(false)},
	}
	normalizer, err := normalizers.NewIgnoreNormalizer(a.differences, nil, normalizers.IgnoreNormalizerOpts{})
	if err != nil {
		a.t.Fatal(err)
	}
	var found []string
	for _, object := range objects {
		for way, options := range ways {
			live := numbered(a.t, a.namespace.Object(object.GetKind(), object.GetName()))
			options = append(options, diff.WithManager(manager), diff.WithGVKParser(a.gvkParser),
				diff.WithServerSideDryRunner(a.dryRunner), diff.WithNormalizer(normalizer), diff.WithLogr(logr.Discard()))
			result, err := diff.Diff(object, live, options...)
			if err != nil {
				a.t.Fatalf("%s diff of %s: %v", way, object.GetKind(), err)
			}
			if result.Modified {
				found = append(found, fmt.Sprintf("%s, by the %s diff:\n  live      %s\n  predicted %s", object.GetKind(), way,
					result.NormalizedLive, result.PredictedLive))
			}
		}
	}
	return found
}

// numbered has whole numbers where encoding/json has floats, as a client does.
func numbered(t *testing.T, object map[string]any) *unstructured.Unstructured {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	numbered := &unstructured.Unstructured{}
	if err := numbered.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return numbered
}

func (a *argo) inSync(app support.App) {
	a.t.Helper()
	for _, difference := range a.outOfSync(app) {
		a.t.Errorf("out of sync: %s", difference)
	}
}

// both runs the test with client-side apply, which is Argo CD's default, and with ServerSideApply=true.
func both(t *testing.T, test func(t *testing.T, namespace support.Namespace, argo *argo)) {
	for _, serverSide := range []bool{false, true} {
		t.Run(fmt.Sprintf("ServerSideApply=%v", serverSide), func(t *testing.T) {
			t.Parallel()
			namespace := support.NewNamespace(t)
			test(t, namespace, newArgo(t, namespace, serverSide))
		})
	}
}

func TestArgoCDKeepsWhatIsOurs(t *testing.T) {
	both(t, func(t *testing.T, namespace support.Namespace, argo *argo) {
		app := support.App{Role: support.Role}
		argo.restarted(app)
		argo.inSync(app)

		// Self-heal: what is in sync is applied again when anything else of the application is not.
		_, before := namespace.Template()
		for range 3 {
			argo.synced(app)
		}
		if _, after := namespace.Template(); after != before {
			t.Errorf("syncing again moved the Deployment from generation %d to %d", before, after)
		}

		app.Role = support.OtherRole
		argo.synced(app)
		argo.inSync(app)
		mark, after := namespace.Template()
		if after != before+1 {
			t.Errorf("a role change moved the Deployment from generation %d to %d", before, after)
		}

		app.Image = "registry.example.com/app:2"
		argo.synced(app)
		argo.inSync(app)
		again, last := namespace.Template()
		if last != after+1 || again[support.IdentityKey] != mark[support.IdentityKey] {
			t.Errorf("a new image moved the Deployment from generation %d to %d, %v", after, last, again)
		}
	})
}

// The health of the live binding is Healthy only once every pod has the new role.
func TestArgoCDSeesTheHealthOfALiveBinding(t *testing.T) {
	namespace := support.NewNamespace(t)
	argo, app := newArgo(t, namespace, false), support.App{Role: support.Role}
	argo.synced(app)
	app.Role = support.OtherRole
	argo.sync(app)
	namespace.Watch("pib", "app", func(object map[string]any) bool {
		found := assess(t, numbered(t, object))
		t.Logf("%s: %s", found.Status, found.Message)
		if found.Status != "Healthy" && found.Status != "Progressing" {
			t.Fatalf("%s on the way to the other role: %s", found.Status, found.Message)
		}
		return found.Status == "Healthy"
	})
	namespace.Bound(support.OtherRole)
}

// The same role in Git and in the binding: both own the annotation, and nothing is out of sync.
func TestArgoCDMayAnnotateTheSameRole(t *testing.T) {
	both(t, func(t *testing.T, namespace support.Namespace, argo *argo) {
		app := support.App{Role: support.Role, AccountRole: support.Role}
		argo.synced(app)
		argo.inSync(app)
		argo.synced(app)
		if !support.Manages(namespace.Object("sa", "app"), support.FieldManager, "f:metadata", "f:annotations", "f:"+support.RoleKey) {
			t.Error("the operator does not own the annotation")
		}
	})
}

// Two roles in Git: the binding says who the other is.
func TestArgoCDAndAnotherRoleInGit(t *testing.T) {
	both(t, func(t *testing.T, namespace support.Namespace, argo *argo) {
		app := support.App{Role: support.Role, AccountRole: support.OtherRole}
		argo.sync(app)
		namespace.ReadyBecause("AnnotationConflict")
		if message := namespace.Message(); !strings.Contains(message, manager) {
			t.Errorf("the message does not name %s: %s", manager, message)
		}
		app.AccountRole = ""
		argo.synced(app)
		argo.inSync(app)
	})
}

// Where the annotation cannot be taken out of Git, the page has Argo CD ignore it and the operator override it.
func TestArgoCDIgnoresWhatThePageSays(t *testing.T) {
	both(t, func(t *testing.T, namespace support.Namespace, argo *argo) {
		app := support.App{Role: support.Role, AccountRole: support.OtherRole, OnConflict: "Override"}
		argo.synced(app)
		if len(argo.outOfSync(app)) == 0 {
			t.Error("the service account should be out of sync")
		}
		argo.differences = ignoredOnThePage(t)
		argo.inSync(app)
	})
}

func ignoredOnThePage(t *testing.T) v1alpha1.IgnoreDifferences {
	t.Helper()
	for _, application := range applications(t, "docs/argocd.md") {
		if ignored := application.Spec.IgnoreDifferences; len(ignored) > 0 {
			// The page is about a shop, the test about an app.
			ignored[0].Name = "app"
			return ignored
		}
	}
	t.Fatal("docs/argocd.md shows no ignoreDifferences")
	return nil
}

// What the page warns of: Replace=true puts the object as it is in Git in the place of what is there.
func TestArgoCDsReplaceStripsWhatIsOurs(t *testing.T) {
	namespace := support.NewNamespace(t)
	argo, app := newArgo(t, namespace, false), support.App{Role: support.Role}
	argo.restarted(app)
	for _, object := range argo.objects(app) {
		if object.GetKind() != "Deployment" {
			continue
		}
		if _, err := argo.resources.ReplaceResource(context.Background(), object, cmdutil.DryRunNone, false); err != nil {
			t.Fatal(err)
		}
	}
	if template, _ := namespace.Template(); template[support.IdentityKey] != "" {
		t.Error("Replace=true keeps the key: docs/argocd.md is out of date")
	}
	namespace.Ready()
}
