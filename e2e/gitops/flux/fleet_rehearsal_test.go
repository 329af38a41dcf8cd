package flux

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/ssa"
	ssautil "github.com/fluxcd/pkg/ssa/utils"

	"podidentity.dev/e2e/gitops/support"
)

// One folder in two clusters of two accounts: Flux substitutes, applies and waits.
func TestFleetByFlux(t *testing.T) {
	for _, cluster := range support.Clusters(t) {
		t.Run(cluster.Account, func(t *testing.T) {
			cluster.Use(t)
			flux := newFlux(t, support.NewNamespace(t))
			built := flux.namespace.Kubectl("kustomize", support.Repository("e2e/gitops/fleet"))
			values := map[string]string{"account_id": cluster.Account}
			text, err := envsubst.Eval(built, func(name string) (string, bool) { value, known := values[name]; return value, known })
			if err != nil {
				t.Fatal(err)
			}
			objects, err := ssautil.ReadObjects(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				object.SetNamespace(flux.namespace.Name)
			}
			flux.manager.SetOwnerLabels(objects, "fleet", "flux-system")
			if _, err := flux.manager.ApplyAllStaged(context.Background(), objects, options()); err != nil {
				t.Fatal(err)
			}
			wait := ssa.WaitOptions{Interval: 200 * time.Millisecond, Timeout: 2 * time.Minute}
			if err := flux.manager.Wait(objects, wait); err != nil {
				t.Fatalf("wait: true fails: %v", err)
			}
			cluster.Verified(t, flux.namespace)
			again, err := flux.manager.ApplyAllStaged(context.Background(), objects, options())
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range again.Entries {
				if entry.Action != ssa.UnchangedAction {
					t.Errorf("Flux sees a drift: %s is %s", entry.Subject, entry.Action)
				}
			}
		})
	}
}
