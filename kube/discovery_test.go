package kube

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/cache"
	"tiga/kube/kubetest"
)

// TestDefinitionsThatMayNotBeRead leave discovery, which knows no columns.
func TestDefinitionsThatMayNotBeRead(t *testing.T) {
	o := kubetest.Options{
		Objects: []kruntime.Object{widgetCRD("v1", column("Size", "integer", ".spec.size")), widget("a", 3)},
		Allow:   func(a kubetest.Attributes) bool { return a.Resource != "customresourcedefinitions" },
	}
	discoveries(t, o, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		if !k.Custom || !slices.Equal(columnsOf(k), []string{"status", "age"}) {
			t.Errorf("the kind is %+v", k)
		}
		if page := s.page(t, k); page.Total != 1 || page.Freshness.State != cache.Live {
			t.Errorf("the list is %+v", page)
		}
		if e := s.noKind(t, gateways); e.Kind != KindNotFound || e.Reason.ID != "cluster.no_definition_of" {
			t.Errorf("gateways: %v", e)
		}
		s.server.Authorize(nil)
		pass(3 * time.Minute)
		if again := s.kind(t, widgets); !slices.Equal(columnsOf(again), []string{"status", "age"}) && !slices.Equal(columnsOf(again), []string{"status", "size", "age"}) {
			t.Errorf("columns %v", columnsOf(again))
		}
	})
}

// TestDefinitionsThatMayNoLongerBeRead leave the kinds that they brought as they are, as long as discovery lists them.
func TestDefinitionsThatMayNoLongerBeRead(t *testing.T) {
	crd := widgetCRD("v1", column("Size", "integer", ".spec.size"))
	inShop(t, kubetest.Options{Objects: []kruntime.Object{crd, widget("a", 3)}}, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		if page := s.page(t, k); page.Total != 1 {
			t.Fatalf("the list is %+v", page)
		}
		s.server.Authorize(func(a kubetest.Attributes) bool { return a.Resource != "customresourcedefinitions" })
		s.server.CloseConnections()
		for range 10 {
			if again := s.kind(t, widgets); again != k {
				t.Fatalf("it became %+v", again)
			}
			if page := s.page(t, k); page.Total != 1 {
				t.Fatalf("the list is %+v", page)
			}
			pass(discoverEvery)
		}
		if st := s.stats(Definitions); st.State != cache.Forbidden {
			t.Fatalf("definitions are %s", st.State)
		}
		s.server.Delete(crd)
		s.Kinds()
		pass(2 * discoverEvery)
		s.Kinds()
		pass(time.Second)
		if e := s.noKind(t, widgets); e.Kind != KindNotFound {
			t.Errorf("it stays though discovery lists it no more: %v", e)
		}
	})
}

// TestCredentialsForOneNamespace find kinds at the first question, though the lists are made anew meanwhile.
func TestCredentialsForOneNamespace(t *testing.T) {
	o := kubetest.Options{
		Objects: []kruntime.Object{widgetCRD("v1"), widget("a", 3), pod("shop", "p", corev1.PodRunning)},
		Allow:   func(a kubetest.Attributes) bool { return a.Namespace == "shop" },
	}
	inShop(t, o, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		if page := s.page(t, k); page.Total != 1 || !slices.Equal(page.Namespaces, []string{"shop"}) {
			t.Errorf("the list is %+v", page)
		}
	}, func(spec *Spec) { spec.Namespaces = []string{"shop"} })
}

// TestAnAPIWhoseServerIsAway keeps its kinds, whose pages say what is wrong; what was never seen is said to be away.
func TestAnAPIWhoseServerIsAway(t *testing.T) {
	o := kubetest.Options{Extra: []kubetest.Extra{{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods", Kind: "PodMetrics", Namespaced: true}}}
	discoveries(t, o, func(t *testing.T, s *shop) {
		s.server.Away("metrics.k8s.io", true)
		e := s.noKind(t, "pods.metrics.k8s.io")
		if e.Kind != KindInternal || e.Reason.ID != "cluster.api_away" || e.Reason.Args["Group"] != "metrics.k8s.io" {
			t.Errorf("away from the beginning: %v, %+v", e, e.Reason)
		}
		s.server.Away("metrics.k8s.io", false)
		pass(2 * discoverEvery)
		s.Kinds()
		pass(time.Second)
		k := s.kind(t, "pods.metrics.k8s.io")
		s.server.Away("metrics.k8s.io", true)
		pass(2 * discoverEvery)
		s.Kinds()
		pass(10 * time.Second)
		if again := s.kind(t, "pods.metrics.k8s.io"); again != k {
			t.Errorf("it became another kind: %+v", again)
		}
		page := s.page(t, k)
		if f := page.Freshness; f.State != cache.Stale || f.Reason.ID != "cluster.server_error" || f.Reason.Args["Code"] != 503 {
			t.Errorf("its list is %+v", f)
		}
		if page := s.page(t, s.kind(t, "pods")); page.Freshness.State != cache.Live {
			t.Errorf("pods are %+v", page.Freshness)
		}
	})
}

// TestDiscoveryThatFails is said of kinds that only it knows; built-in kinds and those of definitions go on.
func TestDiscoveryThatFails(t *testing.T) {
	listing := func(script kubetest.Script) kubetest.Script {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return (r.URL.Path == "/api" || r.URL.Path == "/apis") && script(w, r)
		}
	}
	for _, tc := range []struct {
		name   string
		script kubetest.Script
		down   bool
		first  string // what is said at first; "" where that is a matter of chance
		then   string // and when the look is over
		is     error
	}{
		{"an error", listing(kubetest.Status(500, metav1.StatusReasonInternalError, "etcd is away")), false, "cluster.server_error", "cluster.server_error", ErrInternal},
		{"no right", listing(kubetest.Forbidden), false, "cluster.forbidden", "cluster.forbidden", ErrForbidden},
		{"no answer", listing(kubetest.Hang), false, "cluster.kinds_unknown", "cluster.timeout", ErrTimeout},
		{"a web page", listing(kubetest.Garbage("text/html", "<html>sign in</html>")), false, "cluster.not_kubernetes", "cluster.not_kubernetes", ErrInternal},
		{"nobody there", nil, true, "", "cluster.refused", ErrUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			objects := []kruntime.Object{widgetCRD("v1"), widget("a", 3), pod("shop", "p", corev1.PodRunning)}
			inShop(t, kubetest.Options{Objects: objects}, func(t *testing.T, s *shop) {
				s.server.Script(tc.script)
				if tc.down {
					s.server.Down()
				}
				began := time.Now()
				if e := s.noKind(t, "things.elsewhere.io"); tc.first != "" && e.Reason.ID != tc.first || time.Since(began) > kindWait {
					t.Errorf("after %s: %v, %+v", time.Since(began), e, e.Reason)
				}
				pass(discoverTimeout)
				s.Kinds()
				pass(time.Second)
				if e := s.noKind(t, "things.elsewhere.io"); !errors.Is(e, tc.is) || e.Reason.ID != tc.then {
					t.Errorf("later: %v, %+v", e, e.Reason)
				}
				pods := s.kind(t, "pods")
				if !slices.Contains(s.Kinds(), pods) {
					t.Error("the sidebar has no pods")
				}
				if !tc.down {
					if page := s.page(t, pods); page.Total != 1 || page.Freshness.State != cache.Live {
						t.Errorf("pods are %+v", page)
					}
					if page := s.page(t, s.kind(t, widgets)); page.Total != 1 || page.Freshness.State != cache.Live {
						t.Errorf("widgets are %+v", page)
					}
				}
				s.server.Script(nil)
				s.server.Up(t)
				pass(time.Minute)
				s.Kinds()
				pass(15 * time.Second)
				if e := s.noKind(t, "things.elsewhere.io"); e.Kind != KindNotFound {
					t.Errorf("back: %v", e)
				}
				s.kind(t, widgets)
			})
		})
	}
}

// TestDefinitionsAreWatchedInListsMadeAnew: the first check, which finds out that the credentials are for one namespace,
// ends after somebody has asked for kinds.
func TestDefinitionsAreWatchedInListsMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := kubetest.New(t, kubetest.Options{
			Memory: true, Objects: []kruntime.Object{pod("shop", "p", corev1.PodRunning)},
			Allow: func(a kubetest.Attributes) bool {
				return a.Namespace == "shop" || a.Resource == "customresourcedefinitions"
			},
		})
		server.Script(kubetest.On("/version", func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(time.Second)
			return false
		}))
		r := newRig(t, server, func(c *Config) { c.HealthInterval, c.RetryInterval = time.Hour, time.Hour })
		c := r.add(t, 1, "one", credentials(t, server), func(s *Spec) { s.Namespaces = []string{"shop"} })
		c.Kinds()
		pass(5 * time.Second)
		if s := c.State(); !slices.Equal(s.Namespaces, []string{"shop"}) {
			t.Fatalf("health %+v", s)
		}
		server.Add(widgetCRD("v1"))
		pass(100 * time.Millisecond)
		if _, err := c.Kind(t.Context(), widgets); err != nil {
			t.Errorf("a definition that came later: %v", err)
		}
	})
}
