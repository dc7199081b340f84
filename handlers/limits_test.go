package handlers

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// TestOnlyStreamsHaveNoDeadline asks every route of the table how long it may take.
func TestOnlyStreamsHaveNoDeadline(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	mux, streams := chi.NewRouter(), 0
	mux.Group(func(r chi.Router) {
		r.Use(k.timed)
		for _, row := range k.table {
			if row.stream {
				streams++
			}
			r.MethodFunc(row.method, row.pattern, func(w http.ResponseWriter, r *http.Request) {
				deadline, ends := r.Context().Deadline()
				if left := time.Until(deadline); ends == row.stream || ends && (left > pageBudget || left < pageBudget/2) {
					t.Errorf("%s %s ends: %v, in %s", row.method, row.pattern, ends, left)
				}
				w.WriteHeader(http.StatusTeapot)
			})
		}
	})
	for route, probes := range rightsMatrix(k) {
		method, _, _ := strings.Cut(route, " ")
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, probes[0].path, nil)); w.Code != http.StatusTeapot {
			t.Errorf("%s was not asked: %d", route, w.Code)
		}
	}
	if streams < 2 {
		t.Errorf("%d streams", streams)
	}
}

// TestTheOwnClusterIsOfferedWhereThereIsOne walks the three steps without a kubeconfig.
func TestTheOwnClusterIsOfferedWhereThereIsOne(t *testing.T) {
	t.Parallel()
	form := url.Values{"incluster": {"1"}}
	outside := newKit(t, kitConfig{empty: true}).as(admin)
	if strings.Contains(outside.get("/settings/clusters/new").body, `name="incluster"`) {
		t.Error("a cluster is offered where Tiga runs in none")
	}
	outside.post("/settings/clusters/preview", form).want(http.StatusUnprocessableEntity, "does not run in a cluster")
	s := kubetest.New(t, kubetest.Options{})
	inside := newKit(t, kitConfig{empty: true, inCluster: func() (kubeconfig.Context, error) { return contextOf(t, "in-cluster", s), nil }})
	v := inside.as(admin)
	if !strings.Contains(v.get("/settings/clusters/new").body, `name="incluster"`) {
		t.Error("the cluster that Tiga runs in is not offered")
	}
	v.post("/settings/clusters/preview", form).want(http.StatusOK, s.URL(), `name="incluster"`)
	v.post("/settings/clusters", url.Values{"incluster": {"1"}, "use.0": {"1"}, "name.0": {"home"}}).want(http.StatusOK, "Added")
	row, err := inside.store.Read().ClusterByName(t.Context(), "home")
	if err != nil || row.Source != "in-cluster" || row.Server != s.URL() {
		t.Errorf("the cluster is %+v, %v", row, err)
	}
}
