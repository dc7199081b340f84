package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// readings are a kind of each way in which lists are read, with the path of its list.
var readings = []struct{ name, id, path string }{
	{"typed", "deployments.apps", "/apis/apps/v1/deployments"},
	{"printed", "secrets", "/api/v1/secrets"},
	{"dynamic", "apiservices.apiregistration.k8s.io", "/apis/apiregistration.k8s.io/v1/apiservices"},
	{"custom", widgets, "/apis/example.com/v1/widgets"},
}

// three are three objects of each of them.
func three() []kruntime.Object {
	out := []kruntime.Object{widgetCRD("v1", column("Size", "integer", ".spec.size")), pod("shop", "p", corev1.PodRunning)}
	for _, name := range []string{"a", "b", "c"} {
		out = append(out, deployment("shop", name, 1), secret(name, "value"), widget(name, 1),
			kubetest.Custom("apiregistration.k8s.io/v1", "APIService", "", name, map[string]any{"spec": map[string]any{"group": name, "version": "v1"}}))
	}
	return out
}

// TestOneKindThatCannotBeRead among many: its list says why in words of its own, the others go on, and when it is over it
// is as it was. What was shown stays while it is only old, and goes when it may not be seen.
func TestOneKindThatCannotBeRead(t *testing.T) {
	for _, fault := range []struct {
		name   string
		script kubetest.Script
		state  cache.State
		reason string
		args   string
		stays  bool // what was read before is still shown
		heals  time.Duration
	}{
		{"403", kubetest.Status(403, metav1.StatusReasonForbidden, "no"), cache.Forbidden, "cluster.forbidden", "map[]", false, 2 * time.Minute},
		{"404", kubetest.Status(404, metav1.StatusReasonNotFound, "the server could not find the requested resource"), cache.Absent, "cluster.not_found", "map[]", false, 2 * time.Minute},
		{"500", kubetest.Status(500, metav1.StatusReasonInternalError, "etcd is away"), cache.Stale, "cluster.server_error", "map[Code:500]", true, time.Minute},
		{"503", kubetest.Status(503, metav1.StatusReasonServiceUnavailable, "starting"), cache.Stale, "cluster.server_error", "map[Code:503]", true, time.Minute},
		{"504", kubetest.Status(504, metav1.StatusReasonTimeout, "took too long"), cache.Stale, "cluster.server_timeout", "map[]", true, time.Minute},
		{"429 for long", kubetest.Throttle(50 * time.Second), cache.Stale, "cluster.throttled", "", true, 4 * time.Minute},
		{"no answer", kubetest.Hang, cache.Stale, "cluster.timeout", "map[]", true, time.Minute},
		{"a web page", kubetest.Garbage("text/html", "<html>sign in</html>"), cache.Stale, "cluster.not_kubernetes", "map[]", true, time.Minute},
		{"an error page", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>bad gateway</html>"))
			return true
		}, cache.Stale, "cluster.not_kubernetes_status", "map[Code:502]", true, time.Minute},
		{"half an answer", kubetest.Truncated, cache.Stale, "cluster.reset", "map[]", true, time.Minute},
	} {
		for _, of := range readings {
			t.Run(fault.name+"/"+of.name, func(t *testing.T) {
				inShop(t, kubetest.Options{Objects: three()}, func(t *testing.T, s *shop) {
					k, pods := s.kind(t, of.id), s.kind(t, "pods")
					check := func(when string, total int) {
						t.Helper()
						page := s.page(t, k)
						f := page.Freshness
						if page.Total != total || f.State != fault.state || f.Reason.ID != fault.reason || fault.args != "" && fmt.Sprint(f.Reason.Args) != fault.args {
							t.Errorf("%s it is a page of %d, %s because of %+v", when, page.Total, f.State, f.Reason)
						}
					}
					heal := func() {
						t.Helper()
						s.server.Script(nil)
						for range fault.heals / time.Minute {
							s.page(t, k)
							pass(time.Minute)
						}
						if page := s.page(t, k); page.Total != 3 || page.Freshness.State != cache.Live || !page.Freshness.Reason.IsZero() {
							t.Errorf("healed it is a page of %d, %+v", page.Total, page.Freshness)
						}
					}
					s.server.Script(kubetest.On(of.path, fault.script))
					s.page(t, k)
					pass(20 * time.Second)
					check("at first", 0)
					if fault.name != "429 for long" { // which is about the whole cluster
						if page := s.page(t, pods); page.Total != 1 || page.Freshness.State != cache.Live {
							t.Errorf("pods are %+v", page)
						}
					}
					heal()

					s.server.Script(kubetest.On(of.path, fault.script))
					s.server.CloseConnections()
					for range 4 {
						s.page(t, k)
						pass(20 * time.Second)
					}
					if fault.stays {
						check("later", 3)
					} else {
						check("later", 0)
					}
					heal()
				})
			})
		}
	}
}

// TestAShortPauseIsKept: a list that is asked to come back in a moment does, and is complete.
func TestAShortPauseIsKept(t *testing.T) {
	for _, of := range readings {
		t.Run(of.name, func(t *testing.T) {
			inShop(t, kubetest.Options{Objects: three(), NoWatchList: true}, func(t *testing.T, s *shop) {
				k := s.kind(t, of.id)
				busy := true
				throttle := kubetest.Throttle(3 * time.Second)
				s.server.Script(kubetest.On(of.path, func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Query().Get("watch") != "" || !busy {
						return false
					}
					busy = false
					return throttle(w, r)
				}))
				s.page(t, k)
				pass(5 * time.Second)
				if page := s.page(t, k); page.Total != 3 || page.Freshness.State != cache.Live {
					t.Errorf("the list is %+v", page)
				}
			})
		})
	}
}

// TestAListThatGrowsOldInTheMiddle is read again, and has neither gaps nor ghosts.
func TestAListThatGrowsOldInTheMiddle(t *testing.T) {
	for _, of := range readings {
		t.Run(of.name, func(t *testing.T) {
			gone := 0
			o := kubetest.Options{Objects: three(), NoWatchList: true}
			inShop(t, o, func(t *testing.T, s *shop) {
				k := s.kind(t, of.id)
				tables := cache.New(s.ctx, cache.Config{Cluster: "one", Source: source{s.Cluster}, ChunkSize: 1, Describe: s.describe})
				s.Cluster.mu.Lock()
				old := s.tables
				s.tables = tables
				s.Cluster.mu.Unlock()
				old.Close()
				s.server.Script(kubetest.On(of.path, func(w http.ResponseWriter, r *http.Request) bool {
					token, _ := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("continue"))
					if !strings.Contains(string(token), `"next":2`) || gone > 1 {
						return false
					}
					gone++
					return kubetest.Status(410, metav1.StatusReasonExpired, "The provided continue parameter is too old")(w, r)
				}))
				page := s.page(t, k)
				if page.Total != 3 || page.Freshness.State != cache.Live || gone == 0 {
					t.Errorf("after %d times it is %+v", gone, page)
				}
			})
		})
	}
}

// TestAWatchWhoseHistoryIsGone reads everything again, what vanished meanwhile included.
func TestAWatchWhoseHistoryIsGone(t *testing.T) {
	for _, of := range readings {
		t.Run(of.name, func(t *testing.T) {
			inShop(t, kubetest.Options{Objects: three()}, func(t *testing.T, s *shop) {
				k := s.kind(t, of.id)
				if page := s.page(t, k); page.Total != 3 {
					t.Fatalf("the list is %+v", page)
				}
				s.server.Stall(true)
				switch of.id {
				case widgets:
					s.server.Delete(widget("b", 1))
				case "secrets":
					s.server.Delete(secret("b"))
				case "deployments.apps":
					s.server.Delete(deployment("shop", "b", 1))
				default:
					s.server.Delete(kubetest.Custom("apiregistration.k8s.io/v1", "APIService", "", "b", nil))
				}
				s.server.Compact()
				s.server.Stall(false)
				s.server.CloseConnections()
				pass(15 * time.Second)
				page := s.page(t, k)
				if page.Total != 2 || page.Freshness.State != cache.Live || page.Rows[1].Name != "c" || s.stats(of.id).Relists != 2 {
					t.Errorf("it is a page of %d, %+v, %+v", page.Total, page.Freshness, s.stats(of.id))
				}
			})
		})
	}
}

// TestAPoisonObject stands in the list by its name and says that it cannot be read; the rest is as it is.
func TestAPoisonObject(t *testing.T) {
	const list = `{"kind":"WidgetList","apiVersion":"example.com/v1","metadata":{"resourceVersion":"2000"},"items":[
		{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"namespace":"shop","name":"good","resourceVersion":"1"},"spec":{"size":3}},
		{"kind":"Gadget","apiVersion":"example.com/v1","metadata":{"namespace":"shop","name":"poison","resourceVersion":"2"}},
		{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"namespace":"shop","name":"rude","labels":"none","creationTimestamp":7,"resourceVersion":"3"},"spec":null,"status":"Ready"},
		{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"namespace":"shop"}}]}`
	inShop(t, kubetest.Options{Objects: three(), NoWatchList: true}, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		s.server.Script(kubetest.On("/apis/example.com/v1/widgets", func(w http.ResponseWriter, r *http.Request) bool {
			return r.URL.Query().Get("watch") == "" && kubetest.Garbage("application/json", list)(w, r)
		}))
		page := s.page(t, k)
		got := map[string]string{}
		for _, row := range page.Rows {
			got[row.Name] = row.Status.Word
		}
		if fmt.Sprint(got) != "map[good: poison:Unreadable rude:Ready]" || page.Quarantined != 1 || page.Freshness.State != cache.Live {
			t.Errorf("the list is %v, %d quarantined, %+v", got, page.Quarantined, page.Freshness)
		}
	})
}

// TestAnObjectOfOneMiB costs its row and no more, whichever field is the long one.
func TestAnObjectOfOneMiB(t *testing.T) {
	long := strings.Repeat("long words ", 1<<20/11)
	crd := widgetCRD("v1", column("Text", "string", ".spec.text"), column("All", "string", ".spec"), column("Some", "string", ".spec.list[*].text"))
	big := kubetest.Custom("example.com/v1", "Widget", "shop", "big", map[string]any{
		"spec":   map[string]any{"text": long, "list": []any{map[string]any{"text": long}}},
		"status": map[string]any{"phase": long, "conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": long, "reason": long}}},
	})
	phase := kubetest.Custom("example.com/v1", "Widget", "shop", "phase", map[string]any{"status": map[string]any{"phase": long, "message": long}})
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "big", Annotations: map[string]string{"long": long}}, Data: map[string]string{"a": long}}
	o := kubetest.Options{Objects: []kruntime.Object{crd, big, phase, widget("small", 1), config, secret("big", long)}}
	inShop(t, o, func(t *testing.T, s *shop) {
		for id, total := range map[string]int{widgets: 3, "configmaps": 1, "secrets": 1} {
			k := s.kind(t, id)
			page := s.page(t, k)
			if page.Total != total || page.Freshness.State != cache.Live || page.Quarantined != 0 {
				t.Errorf("%s are %+v", id, page)
			}
			for _, row := range page.Rows {
				if n := len(fmt.Sprintf("%+v", *row)); n > 8<<10 {
					t.Errorf("%s %s has a row of %d bytes", id, row.Name, n)
				}
			}
			if st := s.stats(id); st.Bytes > 32<<10 {
				t.Errorf("%s take %d bytes", id, st.Bytes)
			}
		}
	})
}

// TestADefinitionThatGoesWhileItsListIsOpen: the page is told, its next reading says what is not there, and a reading that
// was on its way says that the kind is absent.
func TestADefinitionThatGoesWhileItsListIsOpen(t *testing.T) {
	inShop(t, kubetest.Options{Objects: three()}, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		if page := s.page(t, k); page.Total != 3 {
			t.Fatalf("the list is %+v", page)
		}
		s.server.Delete(widgetCRD("v1"))
		pass(100 * time.Millisecond)
		if e := s.noKind(t, widgets); !errors.Is(e, ErrNotFound) || e.Reason.ID != "cluster.no_definition" {
			t.Errorf("the kind: %v", e)
		}
		if page := s.page(t, k); page.Total != 0 || page.Freshness.State != cache.Absent || page.Freshness.Reason.ID != "cluster.not_found" {
			t.Errorf("a page that still had the kind: %+v", page)
		}
		permit := s.permit(t, "root", "one", k, "get", "shop", "a")
		if _, err := s.Get(t.Context(), permit, k, "shop", "a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an object: %v", err)
		}
		// It comes again, and with it a list that does not wait for the old one's next attempt.
		s.server.Add(widgetCRD("v1"), widget("d", 1))
		pass(100 * time.Millisecond)
		if page := s.page(t, s.kind(t, widgets)); page.Total != 1 || page.Freshness.State != cache.Live {
			t.Errorf("again: %+v", page)
		}
	})
}

// TestADefinitionThatIsAcceptedBeforeItsKindIsServed, which is how it is for a moment, has its list a moment later.
func TestADefinitionThatIsAcceptedBeforeItsKindIsServed(t *testing.T) {
	inShop(t, kubetest.Options{Objects: three()}, func(t *testing.T, s *shop) {
		early := 2
		s.server.Script(kubetest.On("/apis/example.com/v1/widgets", func(w http.ResponseWriter, r *http.Request) bool {
			if early--; early < 0 {
				return false
			}
			return kubetest.Status(404, metav1.StatusReasonNotFound, "the server could not find the requested resource")(w, r)
		}))
		k := s.kind(t, widgets)
		s.page(t, k)
		pass(3 * time.Second)
		if page := s.page(t, k); page.Total != 3 || page.Freshness.State != cache.Live {
			t.Errorf("the list is %+v", page)
		}
	})
}

// TestAVersionThatGoesWhileItsListIsOpen: a custom kind is read at the version that is left.
func TestAVersionThatGoesWhileItsListIsOpen(t *testing.T) {
	crd := kubetest.Definition("example.com", "nodesets", "NodeSet", apiextensionsv1.ClusterScoped, "v1,v1beta1")
	set := kubetest.Custom("example.com/v1", "NodeSet", "", "a", nil)
	inShop(t, kubetest.Options{Objects: []kruntime.Object{crd, set}}, func(t *testing.T, s *shop) {
		k := s.kind(t, "nodesets.example.com")
		if page := s.page(t, k); page.Total != 1 || k.Namespaced || k.GVR.Version != "v1" {
			t.Fatalf("the list is %+v", page)
		}
		next := crd.DeepCopy()
		next.Spec.Versions[0].Served = false
		s.server.Update(next)
		pass(100 * time.Millisecond)
		again := s.kind(t, "nodesets.example.com")
		if page := s.page(t, again); page.Total != 1 || page.Freshness.State != cache.Live || again.GVR.Version != "v1beta1" || !slices.Equal(again.Served, []string{"v1beta1"}) {
			t.Errorf("later it is %+v of %+v", page, again.GVR)
		}
		if page := s.page(t, k); page.Total != 0 || page.Freshness.State != cache.Absent {
			t.Errorf("at the version of before: %+v", page.Freshness)
		}
	})
}

// TestEveryBuiltInKindIsRead from a server of today, by the stream of a new one and by the chunks of an old one.
func TestEveryBuiltInKindIsRead(t *testing.T) {
	for name, old := range map[string]bool{"streams": false, "chunks": true} {
		t.Run(name, func(t *testing.T) {
			inShop(t, kubetest.Options{NoWatchList: old, NoAggregatedDiscovery: old}, func(t *testing.T, s *shop) {
				s.Kinds()
				pass(time.Second)
				for _, static := range kinds.All() {
					k, err := s.Kind(t.Context(), static.ID())
					if static.Install != "" {
						if !errors.Is(err, ErrNotFound) {
							t.Errorf("%s: %v", static.ID(), err)
						}
						continue
					}
					if err != nil || k != static {
						t.Errorf("%s: %v", static.ID(), err)
						continue
					}
					if page := s.page(t, k); page.Freshness.State != cache.Live {
						t.Errorf("%s is %s because of %+v", k.ID(), page.Freshness.State, page.Freshness.Reason)
					}
				}
			})
		})
	}
}
