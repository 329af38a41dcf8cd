package support

import (
	"os"
	"strings"
	"testing"
)

// Cluster is one of the rehearsal of many clusters.
type Cluster struct {
	// Account is the AWS account of its roles, which its operator is told.
	Account string
	// Kubeconfig is the path of a file.
	Kubeconfig string
}

// Clusters of the rehearsal, from FLEET: ACCOUNT=KUBECONFIG, separated by commas. The test is skipped without them.
func Clusters(t *testing.T) []Cluster {
	t.Helper()
	fleet := os.Getenv("FLEET")
	if fleet == "" {
		t.Skip("FLEET names no clusters: make gitops runs this by itself")
	}
	var clusters []Cluster
	for _, pair := range strings.Split(fleet, ",") {
		account, kubeconfig, found := strings.Cut(pair, "=")
		if !found {
			t.Fatalf("FLEET has %q: write ACCOUNT=KUBECONFIG", pair)
		}
		clusters = append(clusters, Cluster{Account: account, Kubeconfig: kubeconfig})
	}
	if len(clusters) < 2 {
		t.Fatalf("FLEET has %d clusters, and one Git is for several", len(clusters))
	}
	return clusters
}

// Use makes kubectl and clients of this test talk to the cluster.
func (c Cluster) Use(t *testing.T) {
	t.Helper()
	t.Setenv("KUBECONFIG", c.Kubeconfig)
}

// Verified waits until the cluster's bindings are ready, and checks their roles and those of the pods.
func (c Cluster) Verified(t *testing.T, namespace Namespace) {
	t.Helper()
	for _, name := range []string{"shop", "stock"} {
		namespace.Kubectl("wait", "pib/"+name, "--for=condition=Ready", "--timeout=120s")
		want := "arn:aws:iam::" + c.Account + ":role/" + name
		declared := namespace.Kubectl("get", "pib", name, "-o", "jsonpath={.status.lastVerifiedRoleArn}")
		role := `jsonpath={.items[*].spec.containers[*].env[?(@.name=="AWS_ROLE_ARN")].value}`
		pods := namespace.Kubectl("get", "pods", "-l", "app="+name, "--field-selector=status.phase=Running", "-o", role)
		if declared != want || pods != want {
			t.Errorf("in account %s the role of %s is %q, and that of its pods %q", c.Account, name, declared, pods)
		}
	}
}
