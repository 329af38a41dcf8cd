// Package pages tries what the pages in docs/ show.
package pages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"podidentity.dev/e2e/gitops/support"
)

// Commands that would not end, or need what this cluster does not have, such as AWS.
var untried = regexp.MustCompile(` -w( |$)|--overrides| logs |rollout status deployment/podidentity|config/(default|injection)|podidentity probe `)

// A binding is made as the quick start says; then every kubectl command of the pages is run as it stands there.
func TestTheCommandsOfThePages(t *testing.T) {
	shell := newShell(t)
	shell.run("kubectl apply -k docs/examples/quick-start")
	shell.run("kubectl wait --for=condition=Ready pib/shop --timeout=2m")
	for _, page := range []string{"quick-start-eks", "quick-start-self-hosted", "troubleshooting", "argocd", "kubectl"} {
		for _, command := range commands(t, "docs/"+page+".md") {
			if untried.MatchString(command) {
				t.Logf("not tried: %s", command)
				continue
			}
			shell.run(command)
		}
	}
	// The last command of the last page deletes the binding.
	if left := shell.run("kubectl get pib --ignore-not-found -o name"); left != "" {
		t.Errorf("left over: %s", left)
	}
}

// The trust policy that the quick start has the plugin make of a binding is what IAM expects, in every partition.
func TestTheTrustPolicyOfTheQuickStart(t *testing.T) {
	namespace := support.NewNamespace(t)
	issuer := ""
	for _, test := range []struct{ role, provider string }{
		{"arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:oidc-provider/"},
		{"arn:aws-cn:iam::111122223333:role/a", "arn:aws-cn:iam::111122223333:oidc-provider/"},
		{"arn:aws-us-gov:iam::111122223333:role/path/a", "arn:aws-us-gov:iam::111122223333:oidc-provider/"},
		{"arn:aws-iso:iam::111122223333:role/a", "arn:aws-iso:iam::111122223333:oidc-provider/"},
		{"arn:aws-eusc:iam::111122223333:role/a", "arn:aws-eusc:iam::111122223333:oidc-provider/"},
	} {
		app := support.App{Role: test.role}
		if _, err := support.TryKubectl(app.Manifests(namespace.Name), "apply", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		if issuer == "" {
			namespace.Ready()
			url := namespace.Kubectl("get", "pib", "app", "-o", "jsonpath={.status.issuer}")
			issuer, _ = strings.CutPrefix(url, "https://")
		}
		var policy struct {
			Version   string
			Statement []struct {
				Effect, Action string
				Principal      map[string]string
				Condition      map[string]map[string]string
			}
		}
		text, err := exec.Command("kubectl", "podidentity", "trust", "pib/app", "-n", namespace.Name, "-o", "policy").Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &policy); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		statement := policy.Statement[0]
		equals := statement.Condition["StringEquals"]
		if statement.Principal["Federated"] != test.provider+issuer || statement.Action != "sts:AssumeRoleWithWebIdentity" ||
			equals[issuer+":sub"] != "system:serviceaccount:"+namespace.Name+":app" ||
			equals[issuer+":aud"] != "sts.amazonaws.com" {
			t.Errorf("the policy is\n%s", text)
		}
	}
}

// Every binding that a page shows is valid.
func TestTheBindingsOfThePages(t *testing.T) {
	namespace, found := support.NewNamespace(t), 0
	pages, err := filepath.Glob(support.Repository("docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, support.Repository("README.md")) {
		for _, document := range support.Blocks(t, page, "yaml") {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, document)
			}
			if object["kind"] != "PodIdentityBinding" {
				continue
			}
			found++
			object["metadata"].(map[string]any)["namespace"] = namespace.Name
			text, _ := yaml.Marshal(object)
			if _, err := support.TryKubectl(string(text), "apply", "--server-side", "--dry-run=server", "-f", "-"); err != nil {
				t.Errorf("%s: %v\n%s", page, err, document)
			}
		}
	}
	if found < 3 {
		t.Errorf("the pages show %d bindings only", found)
	}
}

// shell is a user's: in a folder like the root of the repository, with the namespace shop.
type shell struct {
	t      *testing.T
	folder string
	config string
}

func newShell(t *testing.T) shell {
	t.Helper()
	folder := t.TempDir()
	for link, target := range map[string]string{
		"docs": "docs", "config": "config", "binding.yaml": "docs/examples/quick-start/binding.yaml",
	} {
		if err := os.Symlink(support.Repository(target), filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(own, config, 0o600); err != nil {
		t.Fatal(err)
	}
	shell := shell{t: t, folder: folder, config: own}
	shell.run("kubectl config set-context --current --namespace=shop")
	shell.run("kubectl create namespace argocd")
	return shell
}

func (s shell) run(line string) string {
	s.t.Helper()
	command := exec.Command("bash", "-c", line)
	command.Dir, command.Env = s.folder, append(os.Environ(), "KUBECONFIG="+s.config)
	output, err := command.CombinedOutput()
	s.t.Logf("$ %s\n%s", line, output)
	if err != nil {
		s.t.Errorf("%s: %v\n%s", line, err, output)
	}
	return string(output)
}

// commands are the lines of a page's blocks that begin with kubectl, continued ones joined; and scripts as a whole.
func commands(t *testing.T, page string) []string {
	t.Helper()
	var found []string
	for _, block := range support.Blocks(t, support.Repository(page), "") {
		if strings.Contains(block, "wait -n") {
			found = append(found, block)
			continue
		}
		for _, line := range strings.Split(strings.ReplaceAll(block, "\\\n", ""), "\n") {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "kubectl ") {
				found = append(found, line)
			}
		}
	}
	return found
}
