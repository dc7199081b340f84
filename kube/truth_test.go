package kube

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tiga/access"
	"tiga/e2e/testbed"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
)

// realCluster starts a real control plane, where its programs were built before: building them takes longer than a test.
func realCluster(t *testing.T, o testbed.Options) *testbed.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("a real control plane is not started in short mode")
	}
	dir := os.Getenv("TIGA_TESTBED_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("no cache folder: %v", err)
		}
		dir = filepath.Join(user, "tiga-testbed")
	}
	if built, err := filepath.Glob(filepath.Join(dir, "kubernetes-*", "kubernetes")); err != nil || len(built) == 0 {
		t.Skipf("the testbed is not built in %s: run make testbed", dir)
	}
	return testbed.Start(t, o)
}

func parsed(t *testing.T, data []byte) kubeconfig.Credentials {
	t.Helper()
	got, err := kubeconfig.Parse(data, kubeconfig.Policy{})
	if err != nil || len(got) != 1 || len(got[0].Problems) > 0 {
		t.Fatalf("kubeconfig: %+v, %v", got, err)
	}
	return got[0].Credentials
}

// TestTruth holds what the scripted server teaches against a real API server.
func TestTruth(t *testing.T) {
	real := realCluster(t, testbed.Options{Name: "production", Seed: testbed.Production})
	r := newRig(t, nil)
	creds := parsed(t, real.Kubeconfig())

	report, err := r.Test(t.Context(), creds)
	if err != nil {
		t.Fatal(err)
	}
	if report.User == "" || report.Nodes < 10 || len(report.Missing) > 0 || !strings.HasPrefix(report.Version, "v1.") {
		t.Errorf("report %+v", report)
	}
	c := r.add(t, 1, "production", creds)
	first := r.wait(t, 1, "checked", func(s State) bool { return s.PodsKnown && s.Pods > 100 })
	if first.Health != HealthHealthy || first.Nodes < 10 || first.NodesReady != first.Nodes || first.PodsRunning >= first.Pods || first.Version != report.Version {
		t.Errorf("health %+v", first)
	}

	pods, deployments := kindOf(t, "pods"), kindOf(t, "deployments.apps")
	permits := r.permits(t, "root", "production")
	for _, id := range OverviewKinds() {
		k := kindOf(t, id)
		eventually(t, id+" are live", func() bool {
			_, err := c.List(t.Context(), permits[id], queryOf(k))
			return err == nil && c.Freshness(k).State.String() == "live"
		})
	}
	o := c.Overview(permits)
	if o.Nodes.Total != first.Nodes || o.Nodes.Ready != first.NodesReady || o.CPU.Requests <= 0 || o.CPU.Requests > o.CPU.Allocatable || o.Memory.Limits <= 0 || len(o.Deployments) == 0 {
		t.Errorf("overview %+v", o)
	}
	troubles := c.Troubles(permits)
	if !slices.ContainsFunc(troubles, func(x Trouble) bool { return x.Kind == "deployments.apps" && x.Status.Word == "Stuck" }) ||
		!slices.ContainsFunc(troubles, func(x Trouble) bool { return x.Status.Word == "CrashLoopBackOff" && x.Total > 0 }) ||
		!slices.ContainsFunc(troubles, func(x Trouble) bool { return strings.Contains(x.Status.Word, "Pending") }) {
		t.Errorf("troubles %+v", troubles)
	}

	at := func(v access.Verb, k *kinds.Kind, name string) access.Permit {
		return r.permit(t, "root", "production", k, v, "shop", name)
	}
	from := int32(3)
	change, err := c.Scale(t.Context(), at(access.VerbScale, deployments, "nginx"), deployments, "shop", "nginx", ScaleOptions{Replicas: 5, From: &from})
	if err != nil || change.Diff != "spec.replicas: 3 → 5" {
		t.Fatalf("scale %+v, %v", change, err)
	}
	ready := func(want string) func() bool {
		return func() bool {
			row, ok := c.Row(permits["deployments.apps"], deployments, "shop", "nginx")
			return ok && row.Cells[0].Text == want
		}
	}
	eventually(t, "five are ready, in the list", ready("5/5"))
	if _, err = c.Scale(t.Context(), at(access.VerbScale, deployments, "nginx"), deployments, "shop", "nginx", ScaleOptions{Replicas: 1, From: &from}); !errors.Is(err, ErrConflict) {
		t.Errorf("from a number that is not there any more: %v", err)
	}
	if change, err = c.Restart(t.Context(), at(access.VerbRestart, deployments, "nginx"), deployments, "shop", "nginx", RestartOptions{}); err != nil || change.After == nil {
		t.Errorf("restart %+v, %v", change, err)
	}
	yaml, err := c.YAML(t.Context(), at(access.VerbGet, deployments, "nginx"), deployments, "shop", "nginx", YAMLOptions{ManagedFields: true})
	if err != nil || !strings.Contains(string(yaml), restartedAt) || !strings.Contains(string(yaml), "manager: "+FieldManager) {
		t.Errorf("YAML %s, %v", yaml, err)
	}

	var victim *kinds.Row
	c.Each(permits["pods"], pods, func(row *kinds.Row) bool {
		if strings.HasPrefix(row.Name, "nginx-") && row.Deleted == 0 {
			victim = row
		}
		return victim == nil
	})
	if victim == nil {
		t.Fatal("no pod of nginx")
	}
	if _, err = c.Delete(t.Context(), at(access.VerbDelete, pods, victim.Name), pods, "shop", victim.Name, DeleteOptions{UID: "another"}); !errors.Is(err, ErrConflict) {
		t.Errorf("another pod of the name: %v", err)
	}
	if _, err = c.Delete(t.Context(), at(access.VerbDelete, pods, victim.Name), pods, "shop", victim.Name, DeleteOptions{UID: victim.UID}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err = c.Get(t.Context(), at(access.VerbGet, pods, "nobody"), pods, "shop", "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}

	for _, tc := range []struct {
		name string
		data []byte
		is   error
	}{
		{"somebody without rights", real.KubeconfigFor("mallory"), ErrForbidden},
		{"an authority that nobody knows", without(real.Kubeconfig(), "certificate-authority-data"), ErrUnreachable},
	} {
		if _, err := r.Test(t.Context(), parsed(t, tc.data)); !errors.Is(err, tc.is) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	limited(t, r, real)

	if err := real.StopAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := r.wait(t, 1, "unavailable", func(s State) bool { return s.Health == HealthUnavailable })
	if gone.Reason.ID != "cluster.refused" || gone.Nodes != first.Nodes {
		t.Errorf("stopped: %+v", gone)
	}
}

// limited connects somebody who may see one namespace.
func limited(t *testing.T, r *rig, real *testbed.Cluster) {
	t.Helper()
	if _, err := real.Kubectl(t.Context(), "create", "rolebinding", "ann", "--clusterrole=view", "--user=ann", "-n", "shop"); err != nil {
		t.Fatal(err)
	}
	// Once: each kubeconfig has a certificate of its own, and with other credentials the cluster would begin anew each time.
	c := r.add(t, 2, "shop", parsed(t, real.KubeconfigFor("ann")), func(s *Spec) { s.Namespaces = []string{"shop", "kube-system"} })
	eventually(t, "the role is in force", func() bool {
		c.Retry()
		return slices.Equal(c.State().Namespaces, []string{"shop"})
	})
	pods := kindOf(t, "pods")
	permit := r.permit(t, "root", "shop", pods, access.VerbList, "", "")
	eventually(t, "the pods of one namespace are listed", func() bool {
		page, err := c.List(t.Context(), permit, queryOf(pods))
		return err == nil && page.Total > 0 && slices.Equal(page.Namespaces, []string{"shop"})
	})
	if s := c.State(); s.Health != HealthHealthy || s.NodesKnown || s.Pods == 0 || s.Since.After(time.Now()) {
		t.Errorf("limited: %+v", s)
	}
	c.Each(permit, pods, func(row *kinds.Row) bool {
		if row.Namespace != "shop" {
			t.Errorf("%s/%s is listed", row.Namespace, row.Name)
		}
		return true
	})
}

// without removes the lines of a field.
func without(data []byte, field string) []byte {
	lines := strings.Split(string(data), "\n")
	return []byte(strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, field+":") }), "\n"))
}
