package kube

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// TestFR0_7_StatesAndTheirReasons: each state, with the reason in words.
func TestFR0_7_StatesAndTheirReasons(t *testing.T) {
	long := time.Date(1999, 12, 31, 22, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		opts   kubetest.Options
		script kubetest.Script
		edit   func(*kubetest.Server, *clientcmdapi.Config)
		want   Health
		reason string
		args   map[string]any
		words  string
	}{
		{name: "all nodes ready", opts: kubetest.Options{Objects: []runtime.Object{node("a", corev1.ConditionTrue, long)}}, want: HealthHealthy},
		{name: "no nodes", want: HealthHealthy},
		{
			name: "a node not ready", opts: kubetest.Options{Objects: []runtime.Object{node("a", corev1.ConditionTrue, long), node("b", corev1.ConditionFalse, long)}},
			want: HealthWarning, reason: "node_not_ready", args: map[string]any{"Node": "b", "Since": long}, words: "kubelet says b",
		},
		{
			name: "two nodes not ready", opts: kubetest.Options{Objects: []runtime.Object{node("a", corev1.ConditionUnknown, long.Add(time.Minute)), node("b", corev1.ConditionFalse, long)}},
			want: HealthWarning, reason: "nodes_not_ready", args: map[string]any{"Node": "b", "More": 1, "Since": long}, words: "kubelet says b",
		},
		{
			name: "a node that never reported", opts: kubetest.Options{Objects: []runtime.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}}},
			want: HealthWarning, reason: "node_not_ready_ever", args: map[string]any{"Node": "new"},
		},
		{name: "403 to everything", script: kubetest.Forbidden, want: HealthError, reason: "forbidden", words: "forbidden: User"},
		{name: "401", script: kubetest.Unauthorized, want: HealthError, reason: "unauthorized"},
		{name: "500", script: kubetest.Status(500, metav1.StatusReasonInternalError, "etcd is gone"), want: HealthError, reason: "server_error", args: map[string]any{"Code": 500}, words: "etcd is gone"},
		{name: "a web page", script: kubetest.Garbage("text/html", "<html>sign in</html>"), want: HealthError, reason: "not_kubernetes"},
		{name: "another program", script: kubetest.Garbage("application/json", `{"hello":"world"}`), want: HealthError, reason: "not_kubernetes"},
		{name: "too many requests", script: kubetest.Throttle(40 * time.Second), want: HealthError, reason: "throttled", args: map[string]any{"Seconds": 40}},
		{name: "never answers", script: kubetest.Hang, want: HealthUnavailable, reason: "timeout"},
		{
			name: "another authority", want: HealthUnavailable, reason: "tls_unknown_authority",
			edit: func(s *kubetest.Server, f *clientcmdapi.Config) {
				f.Clusters["kubetest"].CertificateAuthorityData = s.OtherCA(t)
			},
		},
		{
			name: "another name", want: HealthUnavailable, reason: "tls_name", args: map[string]any{"Host": "elsewhere.example"},
			edit: func(_ *kubetest.Server, f *clientcmdapi.Config) {
				f.Clusters["kubetest"].Server = "https://elsewhere.example:6443"
			},
		},
		{
			name: "refused", want: HealthUnavailable, reason: "refused",
			edit: func(s *kubetest.Server, _ *clientcmdapi.Config) { s.Down() },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := tc.opts
				opts.Memory = true
				s := kubetest.New(t, opts)
				s.Script(tc.script)
				c := credentials(t, s, func(f *clientcmdapi.Config) {
					if tc.edit != nil {
						tc.edit(s, f)
					}
				})
				r := newRig(t, s)
				r.add(t, 1, "one", c)
				got := r.wait(t, 1, "checked", func(State) bool { return true })
				id := ""
				if tc.reason != "" {
					id = "cluster." + tc.reason
				}
				if got.Health != tc.want || got.Reason.ID != id {
					t.Fatalf("%s because of %+v, want %s because of %q", got.Health, got.Reason, tc.want, id)
				}
				for k, v := range tc.args {
					if x, ok := v.(time.Time); ok {
						if y, ok := got.Reason.Args[k].(time.Time); !ok || !x.Equal(y) {
							t.Errorf("%s is %v, want %v", k, got.Reason.Args[k], v)
						}
						continue
					}
					if got.Reason.Args[k] != v {
						t.Errorf("%s is %#v, want %#v", k, got.Reason.Args[k], v)
					}
				}
				if !strings.Contains(got.Reason.Text, tc.words) {
					t.Errorf("the cluster's words are %q", got.Reason.Text)
				}
				if answered := tc.want != HealthUnavailable; answered == got.LastContact.IsZero() {
					t.Errorf("last contact %v", got.LastContact)
				}
			})
		})
	}
}

// TestFR0_7_Counts: nodes and pods, without reading every pod.
func TestFR0_7_Counts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Version: "v1.33.1", Objects: []runtime.Object{
			node("a", corev1.ConditionTrue, time.Now()), node("b", corev1.ConditionFalse, time.Now()),
			pod("x", "1", corev1.PodRunning), pod("x", "2", corev1.PodRunning), pod("y", "3", corev1.PodPending),
		}})
		r := newRig(t, s)
		r.add(t, 1, "one", credentials(t, s))
		got := r.wait(t, 1, "checked", func(State) bool { return true })
		if got.Nodes != 2 || got.NodesReady != 1 || got.Pods != 3 || got.PodsRunning != 2 || got.Version != "v1.33.1" || !got.NodesKnown || !got.PodsKnown {
			t.Errorf("%+v", got)
		}
		for _, q := range s.Requests() {
			if strings.HasSuffix(q.Path, "/pods") && q.Query.Get("limit") == "" {
				t.Errorf("all pods were read: %s", q)
			}
		}
		if len(s.Changes()) > 0 {
			t.Errorf("a check changed something: %v", s.Changes())
		}
	})
}

// TestFR0_7_TheTimeItBeganIsKept over equal checks and begins anew with another state; it is checked every 60 s, and
// every 15 s while it cannot be reached. Pages are told when something changed and only then.
func TestFR0_7_TheTimeItBeganIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []runtime.Object{node("a", corev1.ConditionTrue, time.Now())}})
		hub := live.New(live.Config{})
		r := newRig(t, s, func(c *Config) { c.Hub = hub })
		c := r.add(t, 1, "one", credentials(t, s))
		synctest.Wait()
		began := time.Now()
		first := c.State()
		if first.Health != HealthHealthy || !first.Since.Equal(began) || !first.Checked.Equal(began) {
			t.Fatalf("first %+v", first)
		}
		sub := hub.Subscribe(live.Fleet, live.Health(1))
		defer sub.Close()

		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if got := c.State(); !got.Since.Equal(began) || !got.Checked.Equal(began.Add(3*time.Minute)) || r.checks(1) != 4 {
			t.Errorf("after 3 minutes: %+v after %d checks", got, r.checks(1))
		}
		select {
		case <-sub.C():
			t.Error("pages were told of checks that changed nothing")
		default:
		}

		s.Down()
		down := began.Add(4 * time.Minute)
		time.Sleep(time.Until(down) + time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthUnavailable || !got.Since.Equal(down) || !got.LastContact.Equal(down.Add(-time.Minute)) || got.Nodes != 1 {
			t.Errorf("down: %+v", got)
		}
		select {
		case <-sub.C():
		default:
			t.Error("pages were not told")
		}
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if got := c.State(); !got.Since.Equal(down) || !got.Checked.Equal(down.Add(45*time.Second)) {
			t.Errorf("45 s down: %+v", got)
		}
		s.Up(t)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthHealthy || !got.Since.Equal(down.Add(time.Minute)) {
			t.Errorf("up: %+v", got)
		}
	})
}

// TestFR0_7_LastKnownIsShownFirst: what the store kept is the state until the first check, and an equal check keeps its
// beginning.
func TestFR0_7_LastKnownIsShownFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		s.Script(kubetest.Hang)
		r := newRig(t, s)
		before := time.Now().Add(-time.Hour)
		c := r.add(t, 1, "one", credentials(t, s), func(sp *Spec) {
			sp.Last = State{Health: HealthUnavailable, Reason: message("refused"), Since: before, Version: "v1.30.0", Nodes: 7, NodesKnown: true, Checked: before}
		})
		if got := c.State(); got.Health != HealthUnavailable || !got.Since.Equal(before) || !got.Checked.IsZero() || got.Nodes != 7 {
			t.Errorf("before the first check: %+v", got)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthUnavailable || got.Reason.ID != "cluster.timeout" || !got.Since.Equal(before) || got.Checked.IsZero() || got.Version != "v1.30.0" {
			t.Errorf("after it: %+v", got)
		}
	})
}

// TestFR0_7_RecoversWhenAWatchFails: a broken watch is a reason to look at once, not after a minute.
func TestFR0_7_RecoversWhenAWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []runtime.Object{pod("shop", "a", corev1.PodRunning)}})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		c.Touch(kindOf(t, "pods"))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		s.Down()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthUnavailable {
			t.Errorf("5 s after the server went away: %+v", got)
		}
	})
}

// TestF08_RefusedCredentialsAreNotTriedAgainAndAgain: one attempt a minute, whatever pages and lists ask for, and words
// that say it is our credentials.
func TestF08_RefusedCredentialsAreNotTriedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		pods := kindOf(t, "pods")
		c.Touch(pods)
		synctest.Wait()
		s.SetToken("rotated")
		s.CloseConnections() // the watch has to come back, with the old token
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthError || got.Reason.ID != "cluster.unauthorized" {
			t.Fatalf("state %+v", got)
		}
		s.Reset()
		for range 600 {
			time.Sleep(time.Second)
			c.Touch(pods) // somebody looks at the list all the time
			_, err := c.Get(t.Context(), r.permit(t, "root", "one", pods, "get", "shop", "a"), pods, "shop", "a")
			if kind := classify(err).Kind; kind != KindUnauthorized {
				t.Fatalf("get: %v", err)
			}
		}
		if n := len(s.Requests()); n < 9 || n > 11 {
			t.Errorf("%d requests in ten minutes:\n%s", n, paths(s.Requests()))
		}
		s.SetToken(kubetest.DefaultToken)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if got := c.State(); got.Health != HealthHealthy {
			t.Errorf("accepted again: %+v", got)
		}
		if got := c.Freshness(pods); got.State.String() != "live" {
			t.Errorf("the list has not come back: %+v", got)
		}
	})
}

// TestF08_ExpiredCertificateIsNamed: to the server it is just another refusal; here its end is known.
func TestF08_ExpiredCertificateIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		cert, key := s.ClientCertificate(t, "alice", time.Now().Add(-time.Hour), time.Now().Add(90*time.Second))
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s, func(f *clientcmdapi.Config) {
			f.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
		}))
		r.healthy(t, 1)
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		got := c.State()
		if got.Health != HealthError || got.Reason.ID != "cluster.certificate_expired" || got.Reason.Args["Date"] != "2000-01-01 00:01 UTC" {
			t.Errorf("state %+v", got)
		}
	})
}

// TestFR0_7_ARotatedAuthorityIsUnavailable, F08: new connections meet a certificate that nothing here vouches for.
func TestFR0_7_ARotatedAuthorityIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		s.ServeWithCertificateOf(t, "kubetest.invalid", false)
		s.CloseConnections()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.State(); got.Health != HealthUnavailable || got.Reason.ID != "cluster.tls_unknown_authority" {
			t.Errorf("state %+v", got)
		}
	})
}

// TestCredentialsForSomeNamespacesWork: what a credential may see is shown, and which namespaces those are is said.
func TestCredentialsForSomeNamespacesWork(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings []string
		prefers  string
		want     string
	}{
		{"the settings name them", []string{"shop", "bank", "closed"}, "", "bank,shop"},
		{"the context prefers one", nil, "shop", "shop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := kubetest.New(t, kubetest.Options{
					Memory: true,
					Allow:  func(a kubetest.Attributes) bool { return a.Namespace == "shop" || a.Namespace == "bank" },
					Objects: []runtime.Object{
						pod("shop", "a", corev1.PodRunning), pod("bank", "b", corev1.PodPending), pod("closed", "c", corev1.PodRunning),
					},
				})
				r := newRig(t, s)
				c := r.add(t, 1, "one", credentials(t, s, func(f *clientcmdapi.Config) { f.Contexts["kubetest"].Namespace = tc.prefers }),
					func(sp *Spec) { sp.Namespaces = tc.settings })
				got := r.healthy(t, 1)
				if ns := strings.Join(got.Namespaces, ","); ns != tc.want || got.Reason.ID != "cluster.limited" || got.NodesKnown || !got.PodsKnown {
					t.Errorf("state %+v", got)
				}
				pods := kindOf(t, "pods")
				page, err := c.List(t.Context(), r.permit(t, "root", "one", pods, "list", "", ""), queryOf(pods))
				if err != nil {
					t.Fatal(err)
				}
				if ns := strings.Join(page.Namespaces, ","); ns != tc.want || page.Total != len(got.Namespaces) {
					t.Errorf("page of %d pods in %s, %+v", page.Total, ns, page.Freshness)
				}
			})
		})
	}
}

// TestCheckIsBounded: a cluster that answers /version and then falls silent ends the check all the same.
func TestCheckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		s.Script(func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Path != "/version" && kubetest.Hang(w, r)
		})
		r := newRig(t, s)
		began := time.Now()
		c := r.add(t, 1, "one", credentials(t, s))
		time.Sleep(checkTimeout + time.Second)
		synctest.Wait()
		got := c.State()
		if got.Health != HealthUnavailable || got.Checked.Sub(began) > checkTimeout {
			t.Errorf("state %+v after %s", got, got.Checked.Sub(began))
		}
	})
}
