package kube

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/access"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// TestFR0_6_OneClientPerCluster: built once, reused by everything, rebuilt when the credentials change and only then,
// closed when the cluster is removed.
func TestFR0_6_OneClientPerCluster(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
	var dials atomic.Int32
	r := newRig(t, s, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return s.Dial(ctx, network, addr)
		}
	})
	creds := credentials(t, s)
	c := r.add(t, 1, "one", creds)
	r.healthy(t, 1)
	pods := kindOf(t, "pods")
	permit := r.permit(t, "root", "one", pods, access.VerbGet, "shop", "a")
	for range 20 {
		if _, err := c.Get(t.Context(), permit, pods, "shop", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.List(t.Context(), r.permit(t, "root", "one", pods, access.VerbList, "", ""), queryOf(pods)); err != nil {
		t.Fatal(err)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for one cluster", n)
	}
	same, err := kubeconfig.Unmarshal(creds.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if again := r.add(t, 1, "one", same, func(sp *Spec) { sp.Source = "elsewhere" }); again != c || c.Source() != "elsewhere" {
		t.Error("the same credentials made another client")
	}
	s.SetToken("renewed")
	renewed := r.add(t, 1, "one", credentials(t, s, func(f *clientcmdapi.Config) { f.AuthInfos["kubetest"].Token = "renewed" }))
	if renewed == c {
		t.Fatal("other credentials, and the old client")
	}
	if _, err := renewed.Get(t.Context(), permit, pods, "shop", "a"); err != nil {
		t.Errorf("new client: %v", err)
	}
	if _, err := c.Get(t.Context(), permit, pods, "shop", "a"); err == nil {
		t.Error("the old client still works")
	}
	r.Remove(1)
	eventually(t, "the connections are closed", func() bool { return s.Connections() == 0 })
	if _, err := r.Cluster(1); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}

// TestFR0_10_AnUnreachableClusterDelaysNothing: not its own start, not another cluster, not a page of its own, whichever
// way it is unreachable.
func TestFR0_10_AnUnreachableClusterDelaysNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts kubetest.Options
		bad  func(*testing.T, *kubetest.Server, *clientcmdapi.Config)
	}{
		{name: "accepts and never answers", bad: func(_ *testing.T, s *kubetest.Server, _ *clientcmdapi.Config) { s.Script(kubetest.Hang) }},
		{name: "goes silent before TLS", bad: func(_ *testing.T, s *kubetest.Server, _ *clientcmdapi.Config) { s.Stall(true) }},
		{name: "403 to everything", bad: func(_ *testing.T, s *kubetest.Server, _ *clientcmdapi.Config) { s.Script(kubetest.Forbidden) }},
		{name: "another authority", bad: func(t *testing.T, s *kubetest.Server, f *clientcmdapi.Config) {
			t.Helper()
			f.Clusters["kubetest"].CertificateAuthorityData = s.OtherCA(t)
		}},
		{name: "expired credentials", bad: func(_ *testing.T, s *kubetest.Server, _ *clientcmdapi.Config) { s.SetToken("renewed") }},
		{name: "connection refused", bad: func(_ *testing.T, s *kubetest.Server, _ *clientcmdapi.Config) { s.Down() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := kubetest.New(t, kubetest.Options{Memory: true})
				good := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
				r := newRig(t, nil, func(c *Config) {
					c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
						if strings.HasPrefix(addr, "good") {
							return good.Dial(ctx, network, addr)
						}
						return bad.Dial(ctx, network, addr)
					}
				})
				began := time.Now()
				badCluster := r.add(t, 1, "bad", credentials(t, bad, func(f *clientcmdapi.Config) { tc.bad(t, bad, f) }))
				goodCluster := r.add(t, 2, "good", credentials(t, good, func(f *clientcmdapi.Config) {
					f.Clusters["kubetest"].Server, f.Clusters["kubetest"].TLSServerName = "https://good:6443", "kubetest.invalid"
				}))
				if took := time.Since(began); took > 0 {
					t.Errorf("adding took %s", took)
				}
				synctest.Wait()
				pods := kindOf(t, "pods")
				page, err := goodCluster.List(t.Context(), r.permit(t, "root", "good", pods, access.VerbList, "", ""), queryOf(pods))
				if took := time.Since(began); err != nil || page.Total != 1 || took > 0 || goodCluster.State().Health != HealthHealthy {
					t.Errorf("the other cluster after %s: %d pods, %v", took, page.Total, err)
				}
				began = time.Now()
				page, err = badCluster.List(t.Context(), r.permit(t, "root", "bad", pods, access.VerbList, "", ""), queryOf(pods))
				if took := time.Since(began); err != nil || page.Total != 0 || took > 2*time.Second {
					t.Errorf("its own list after %s: %v", took, err)
				}
				began = time.Now()
				badCluster.Overview(r.permits(t, "root", "bad"))
				badCluster.Troubles(r.permits(t, "root", "bad"))
				badCluster.Retry()
				if took := time.Since(began); took > 0 {
					t.Errorf("its overview took %s", took)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				if got := badCluster.State(); got.Health != HealthError && got.Health != HealthUnavailable || got.Reason.ID == "" {
					t.Errorf("its state %+v", got)
				}
			})
		})
	}
}

// TestFR0_9_DisabledClustersAreThereAndClosed.
func TestFR0_9_DisabledClustersAreThereAndClosed(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, s)
	spec := Spec{ID: 1, Name: "one", Credentials: credentials(t, s), Last: State{Health: HealthHealthy, Nodes: 3}}
	if err := r.Set(spec); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Cluster(1); !errors.Is(err, ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	all := r.Clusters()
	if len(all) != 1 || all[0].Name() != "one" || all[0].State().Nodes != 3 {
		t.Fatalf("clusters %v", all)
	}
	pods := kindOf(t, "pods")
	if _, err := all[0].List(t.Context(), r.permit(t, "root", "one", pods, access.VerbList, "", ""), queryOf(pods)); !errors.Is(err, ErrDisabled) {
		t.Errorf("list: %v", err)
	}
	if _, err := all[0].Get(t.Context(), r.permit(t, "root", "one", pods, access.VerbGet, "a", "b"), pods, "a", "b"); !errors.Is(err, ErrDisabled) {
		t.Errorf("get: %v", err)
	}
	if len(s.Requests()) > 0 {
		t.Errorf("a disabled cluster was asked: %s", paths(s.Requests()))
	}
	spec.Enabled = true
	if err := r.Set(spec); err != nil {
		t.Fatal(err)
	}
	r.healthy(t, 1)
}

// TestAClusterThatCannotBeUsedIsListedWithTheReason, for example when its credentials could not be read.
func TestAClusterThatCannotBeUsedIsListedWithTheReason(t *testing.T) {
	r := newRig(t, nil)
	err := r.Set(Spec{ID: 1, Name: "one", Enabled: true})
	var e *Error
	if !errors.As(err, &e) || e.Reason.ID != "cluster.no_credentials" {
		t.Fatalf("set: %v", err)
	}
	c, err := r.Cluster(1)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.State(); got.Health != HealthError || got.Reason.ID != "cluster.no_credentials" || got.Since.IsZero() {
		t.Errorf("state %+v", got)
	}
	pods := kindOf(t, "pods")
	if _, err := c.Get(t.Context(), r.permit(t, "root", "one", pods, access.VerbGet, "a", "b"), pods, "a", "b"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("get: %v", err)
	}
}

// TestPagesAreToldOfChangesToTheFleet.
func TestPagesAreToldOfChangesToTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		hub := live.New(live.Config{})
		r := newRig(t, s, func(c *Config) { c.Hub = hub })
		told := func(what string, do func()) {
			t.Helper()
			sub := hub.Subscribe(live.Fleet)
			defer sub.Close()
			do()
			synctest.Wait()
			select {
			case <-sub.C():
			default:
				t.Errorf("nobody was told: %s", what)
			}
		}
		creds := credentials(t, s)
		told("added", func() { r.add(t, 1, "one", creds) })
		told("renamed", func() { r.add(t, 1, "uno", creds) })
		told("read-only", func() { r.add(t, 1, "uno", creds, func(sp *Spec) { sp.ReadOnly = true }) })
		told("removed", func() { r.Remove(1) })
	})
}

// TestCloseEndsEverything: afterwards nothing can be added.
func TestCloseEndsEverything(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, s)
	creds := credentials(t, s)
	r.add(t, 1, "one", creds)
	r.healthy(t, 1)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connections are closed", func() bool { return s.Connections() == 0 })
	if err := r.Set(Spec{ID: 2, Name: "two", Enabled: true, Credentials: creds}); !errors.Is(err, ErrDisabled) {
		t.Errorf("set after close: %v", err)
	}
	if len(r.Clusters()) > 0 {
		t.Errorf("clusters %v", r.Clusters())
	}
}
