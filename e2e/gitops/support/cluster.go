package support

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	// Role of the application.
	Role = "arn:aws:iam::111122223333:role/my-role"
	// OtherRole is another one.
	OtherRole = "arn:aws:iam::111122223333:role/my-other-role"
	// RoleKey is the service account's annotation.
	RoleKey = "eks.amazonaws.com/role-arn"
	// IdentityKey is the annotation of the pod template.
	IdentityKey = "podidentity.dev/identity"
	// FieldManager is the operator's.
	FieldManager = "podidentity-operator"
)

// Kubectl runs kubectl and returns its output; a failure ends the test.
func Kubectl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := TryKubectl("", args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// TryKubectl runs kubectl with this text on stdin.
func TryKubectl(stdin string, args ...string) (string, error) {
	command := exec.Command("kubectl", args...)
	var output, problems bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &output, &problems
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, problems.String())
	}
	return output.String(), nil
}

// Namespace is one that the test has to itself, on the cluster that KUBECONFIG names.
type Namespace struct {
	t    *testing.T
	Name string
}

// NewNamespace creates it.
func NewNamespace(t *testing.T) Namespace {
	t.Helper()
	if os.Getenv("KUBECONFIG") == "" {
		t.Fatal("KUBECONFIG has to name a cluster with the operator at work: run make gitops")
	}
	name := strings.ToLower(strings.NewReplacer("_", "-", "/", "-", "=", "-").Replace(t.Name()))
	if len(name) > 50 {
		name = name[:50]
	}
	Kubectl(t, "create", "namespace", name)
	t.Cleanup(func() {
		if t.Failed() {
			output, _ := TryKubectl("", "-n", name, "get", "pib,sa,deploy,pods,events", "-o", "wide")
			fields, _ := TryKubectl("", "-n", name, "get", "pib,sa,deploy", "-o", "yaml", "--show-managed-fields")
			t.Logf("%s\n%s", output, fields)
		}
	})
	return Namespace{t: t, Name: name}
}

// Kubectl in the namespace.
func (n Namespace) Kubectl(args ...string) string {
	n.t.Helper()
	return Kubectl(n.t, append([]string{"-n", n.Name}, args...)...)
}

// Object of the namespace.
func (n Namespace) Object(kind, name string) map[string]any {
	n.t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(n.Kubectl("get", kind, name, "-o", "json", "--show-managed-fields")), &object); err != nil {
		n.t.Fatal(err)
	}
	return object
}

// Watch calls seen with every state of the object until it returns true.
func (n Namespace) Watch(kind, name string, seen func(object map[string]any) bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "kubectl", "-n", n.Name, "get", kind, name, "--watch", "-o", "json")
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	defer command.Wait()
	defer cancel()
	for states := json.NewDecoder(output); ; {
		var object map[string]any
		if err := states.Decode(&object); err != nil {
			n.t.Fatalf("what was waited for did not come: %v", err)
		}
		if seen(object) {
			return
		}
	}
}

// Ready waits until the binding is ready.
func (n Namespace) Ready() {
	n.t.Helper()
	n.Kubectl("wait", "--for=condition=Ready", "pib/app", "--timeout=120s")
}

// ReadyBecause waits until the condition Ready has this reason.
func (n Namespace) ReadyBecause(reason string) {
	n.t.Helper()
	path := `--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=` + reason
	n.Kubectl("wait", path, "pib/app", "--timeout=120s")
}

// Message of the binding's condition Ready.
func (n Namespace) Message() string {
	n.t.Helper()
	return n.Kubectl("get", "pib", "app", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].message}`)
}

// AccountRole is the role that the service account is annotated with.
func (n Namespace) AccountRole() string {
	n.t.Helper()
	return annotations(n.Object("serviceaccount", "app"))[RoleKey]
}

// AnnotatedWith waits until the service account has the role.
func (n Namespace) AnnotatedWith(role string) {
	n.t.Helper()
	path := `--for=jsonpath={.metadata.annotations.eks\.amazonaws\.com/role-arn}=` + role
	n.Kubectl("wait", path, "serviceaccount/app", "--timeout=120s")
}

// Template is the pod template's annotations and the Deployment's generation.
func (n Namespace) Template() (map[string]string, int) {
	n.t.Helper()
	deployment := n.Object("deployment", "app")
	template := deployment["spec"].(map[string]any)["template"].(map[string]any)
	return annotations(template), int(deployment["metadata"].(map[string]any)["generation"].(float64))
}

func annotations(object map[string]any) map[string]string {
	found := map[string]string{}
	metadata, _ := object["metadata"].(map[string]any)
	all, _ := metadata["annotations"].(map[string]any)
	for key, value := range all {
		found[key] = fmt.Sprint(value)
	}
	return found
}

// Bound fails the test unless everything is in place: the annotation, and the role in every running pod.
func (n Namespace) Bound(role string) {
	n.t.Helper()
	if role != "" {
		// A binding may have been ready before the first pods were there (NoPods).
		n.Kubectl("wait", "--for=jsonpath={.status.verified}=2/2", "pib/app", "--timeout=120s")
	}
	if found := n.AccountRole(); found != role {
		n.t.Errorf("the service account is annotated with %q, expected %q", found, role)
	}
	n.Running()
	path := `jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.deletionTimestamp} {.spec.containers[0].env[?(@.name=="AWS_ROLE_ARN")].value}{"\n"}{end}`
	pods := 0
	for line := range strings.Lines(n.Kubectl("get", "pods", "-l", "app=app", "-o", path)) {
		deleted, found, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if deleted != "" {
			continue
		}
		pods++
		if found != role {
			n.t.Errorf("a pod has the role %q, expected %q", found, role)
		}
	}
	if pods == 0 {
		n.t.Error("no pod runs")
	}
}

// Running waits until the Deployment's rollout is complete.
func (n Namespace) Running() {
	n.t.Helper()
	n.Kubectl("rollout", "status", "deployment/app", "--timeout=120s")
}

// Manages says whether a field manager owns a field of the object, for example
// "f:metadata", "f:annotations", "f:eks.amazonaws.com/role-arn".
func Manages(object map[string]any, manager string, path ...string) bool {
	entries, _ := object["metadata"].(map[string]any)["managedFields"].([]any)
	for _, entry := range entries {
		entry := entry.(map[string]any)
		fields, found := entry["fieldsV1"].(map[string]any)
		for _, step := range path {
			fields, found = fields[step].(map[string]any)
		}
		if found && entry["manager"] == manager {
			return true
		}
	}
	return false
}

// App is what a user keeps in Git.
type App struct {
	Role, Image string
	// AccountRole annotates the service account in Git, too.
	AccountRole string
	// Suspend the binding.
	Suspend bool
	// OnConflict of the binding.
	OnConflict string
	// Policy of the rollout.
	Policy string
	// Unbound: there is no binding yet.
	Unbound bool
}

// Manifests as YAML documents.
func (a App) Manifests(namespace string) string {
	account := ""
	if a.AccountRole != "" {
		account = fmt.Sprintf("\n  annotations:\n    %s: %s", RoleKey, a.AccountRole)
	}
	if a.Image == "" {
		a.Image = "registry.example.com/app:1"
	}
	if a.OnConflict == "" {
		a.OnConflict = "Report"
	}
	if a.Policy == "" {
		a.Policy = "Automatic"
	}
	replacer := strings.NewReplacer("$namespace", namespace, "$account", account, "$image", a.Image, "$role", a.Role,
		"$suspend", fmt.Sprint(a.Suspend), "$onConflict", a.OnConflict, "$policy", a.Policy)
	if a.Unbound {
		return replacer.Replace(workload)
	}
	return replacer.Replace(workload + binding)
}

const workload = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  namespace: $namespace$account
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: $namespace
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app
  template:
    metadata:
      labels:
        app: app
      annotations:
        prometheus.io/scrape: "true"
    spec:
      serviceAccountName: app
      containers:
      - name: main
        image: $image
`

const binding = `---
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata:
  name: app
  namespace: $namespace
spec:
  serviceAccountName: app
  roleArn: $role
  suspend: $suspend
  onConflict: $onConflict
  rollout:
    policy: $policy
`
