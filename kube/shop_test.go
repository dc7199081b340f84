package kube

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// shop is a cluster of a scripted server in a bubble of time, with a hub whose signals can be counted.
type shop struct {
	*rig
	*Cluster
	server *kubetest.Server
	hub    *live.Hub
}

// inShop runs a test with a cluster whose health check has been made once and is not made again.
func inShop(t *testing.T, o kubetest.Options, test func(t *testing.T, s *shop), edits ...func(*Spec)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Memory = true
		server, hub := kubetest.New(t, o), live.New(live.Config{Interval: time.Nanosecond})
		r := newRig(t, server, func(c *Config) { c.HealthInterval, c.RetryInterval, c.Hub = time.Hour, time.Hour, hub })
		c := r.add(t, 1, "one", credentials(t, server), edits...)
		r.healthy(t, 1)
		test(t, &shop{r, c, server, hub})
	})
}

// pass lets time go by, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// kind is a kind that has to be there.
func (s *shop) kind(t *testing.T, id string) *kinds.Kind {
	t.Helper()
	k, err := s.Kind(t.Context(), id)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return k
}

// noKind is the error for a kind that has to be absent.
func (s *shop) noKind(t *testing.T, id string) *Error {
	t.Helper()
	var e *Error
	if k, err := s.Kind(t.Context(), id); !errors.As(err, &e) {
		t.Fatalf("%s is %+v, %v", id, k, err)
	}
	return e
}

func (s *shop) page(t *testing.T, k *kinds.Kind) cache.Page {
	t.Helper()
	page, err := s.List(t.Context(), s.permit(t, "root", "one", k, "list", "", ""), cache.Query{Kind: k})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// stats are the figures of the list of one kind.
func (s *shop) stats(id string) cache.Stats {
	for _, st := range s.Stats() {
		if st.Kind == id {
			return st
		}
	}
	return cache.Stats{}
}

// since counts the requests to paths with a prefix since the last Reset.
func (s *shop) since(prefix string) int {
	n := 0
	for _, r := range s.server.Requests() {
		if strings.HasPrefix(r.Path, prefix) {
			n++
		}
	}
	return n
}

func columnsOf(k *kinds.Kind) []string {
	var out []string
	for _, c := range k.Columns {
		out = append(out, c.ID)
	}
	return out
}

func column(name, kind, path string) apiextensionsv1.CustomResourceColumnDefinition {
	return apiextensionsv1.CustomResourceColumnDefinition{Name: name, Type: kind, JSONPath: path}
}

const (
	widgets  = "widgets.example.com"
	gateways = "gateways.gateway.networking.k8s.io"
)

func widgetCRD(versions string, columns ...apiextensionsv1.CustomResourceColumnDefinition) *apiextensionsv1.CustomResourceDefinition {
	return kubetest.Definition("example.com", "widgets", "Widget", apiextensionsv1.NamespaceScoped, versions, columns...)
}

func gatewayCRD(versions string) *apiextensionsv1.CustomResourceDefinition {
	return kubetest.Definition("gateway.networking.k8s.io", "gateways", "Gateway", apiextensionsv1.NamespaceScoped, versions)
}

func widget(name string, size int64) kruntime.Object {
	return kubetest.Custom("example.com/v1", "Widget", "shop", name, map[string]any{"spec": map[string]any{"size": size}})
}

func signalled(s *live.Subscription) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

// discoveries are both ways in which servers list what they serve.
func discoveries(t *testing.T, o kubetest.Options, test func(t *testing.T, s *shop)) {
	t.Helper()
	for name, legacy := range map[string]bool{"aggregated": false, "group by group": true} {
		t.Run(name, func(t *testing.T) {
			o.NoAggregatedDiscovery = legacy
			inShop(t, o, test)
		})
	}
}
