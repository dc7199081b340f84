package db_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

func newCluster(name string) db.NewCluster {
	return db.NewCluster{
		Name: name, Enabled: true, ReadOnly: true, Environment: "production", Colour: "red", Description: "the shop", Server: "https://192.0.2.1:6443",
		Context: "ctx-" + name, Source: "kubeconfig", Fingerprint: "sha256:" + name, PrometheusURL: "http://prometheus", Now: now,
	}
}

func createCluster(tb testing.TB, s *db.Store, n db.NewCluster, credentials string) db.Cluster {
	tb.Helper()
	sealed := must[db.Sealed](tb)(s.Seal([]byte(credentials)))
	var c db.Cluster
	write(tb, s, func(q *db.Queries) (err error) {
		c, err = q.CreateCluster(tb.Context(), n, sealed)
		return err
	})
	return c
}

func clusters(t *testing.T, s *db.Store) {
	t.Run("settings", func(t *testing.T) { clusterSettings(t, s) })
	t.Run("one default", func(t *testing.T) { defaultCluster(t, s) })
	t.Run("FR0.9 removal", func(t *testing.T) { removeCluster(t, s) })
	t.Run("A17 endpoint with credentials", func(t *testing.T) { clusterEndpoint(t, s) })
	t.Run("FR2.6 Prometheus", func(t *testing.T) { clusterPrometheus(t, s) })
}

func clusterSettings(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	version := policyVersion(t, s)
	made := createCluster(t, s, newCluster("prod"), "token")
	want := db.Cluster{
		ID: made.ID, Name: "prod", Enabled: true, ReadOnly: true, Environment: "production", Colour: "red", Description: "the shop",
		Server: "https://192.0.2.1:6443", Context: "ctx-prod", Source: "kubeconfig", Fingerprint: "sha256:prod", PrometheusURL: "http://prometheus",
		HealthStatus: "unknown", CreatedAt: now, UpdatedAt: now,
	}
	if diff := cmp.Diff(want, must[db.Cluster](t)(q.Cluster(ctx, made.ID))); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	write(t, s, func(q *db.Queries) error {
		_, err := q.UpdateCluster(ctx, db.ClusterSettings{ID: made.ID, Name: "production", Environment: "prod", Colour: "blue", Description: "d", UpdatedAt: now + 1})
		if err != nil {
			return err
		}
		_, err = q.UpdateClusterHealth(ctx, db.UpdateClusterHealthParams{
			ID: made.ID, HealthStatus: "warning", HealthReason: `{"id":"nodes"}`, HealthSince: now + 2, LastConnectedAt: now + 3, Version: "v1.37.0", NodeCount: 5, PodCount: 250,
		})
		return err
	})
	want.Name, want.Enabled, want.ReadOnly, want.Environment, want.Colour, want.Description = "production", false, false, "prod", "blue", "d"
	want.UpdatedAt, want.HealthStatus, want.HealthReason, want.HealthSince, want.LastConnectedAt = now+1, "warning", `{"id":"nodes"}`, now+2, now+3
	want.Version, want.NodeCount, want.PodCount = "v1.37.0", 5, 250
	if diff := cmp.Diff(want, must[db.Cluster](t)(q.ClusterByName(ctx, "production"))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if got := policyVersion(t, s); got != version+2 {
		t.Errorf("policy version %d after a cluster was added and renamed, was %d", got, version)
	}
}

func defaultCluster(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	if _, err := q.DefaultCluster(ctx); !errors.Is(err, db.ErrNotFound) {
		t.Fatalf("there is a default already: %v", err)
	}
	first := newCluster("first")
	first.IsDefault = true
	a := createCluster(t, s, first, "a")
	second := newCluster("second")
	second.IsDefault = true
	b := createCluster(t, s, second, "b")
	if d := must[db.Cluster](t)(q.DefaultCluster(ctx)); d.ID != b.ID {
		t.Errorf("default is %s, want second", d.Name)
	}
	write(t, s, func(q *db.Queries) error {
		_, err := q.SetDefaultCluster(ctx, a.ID, now+1)
		return err
	})
	err := s.Write(ctx, func(q *db.Queries) error {
		_, err := q.SetDefaultCluster(ctx, 999, now+2)
		return err
	})
	if !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a default that is not there: %v", err)
	}
	var defaults []string
	for _, c := range must[[]db.Cluster](t)(q.Clusters(ctx)) {
		if c.IsDefault {
			defaults = append(defaults, c.Name)
		}
	}
	if diff := cmp.Diff([]string{"first"}, defaults); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func removeCluster(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	n := newCluster("staging")
	n.IsDefault = true
	made := createCluster(t, s, n, "secret")
	again := must[db.Sealed](t)(s.Seal([]byte("x")))
	create := func(n db.NewCluster) error {
		return s.Write(ctx, func(q *db.Queries) error {
			_, err := q.CreateCluster(ctx, n, again)
			return err
		})
	}
	sameName, sameSource := newCluster("staging"), newCluster("another")
	sameName.Fingerprint, sameSource.Fingerprint = "", n.Fingerprint
	for name, n := range map[string]db.NewCluster{"the same name": sameName, "imported again": sameSource} {
		if err := create(n); !errors.Is(err, db.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, s, func(q *db.Queries) error {
		_, err := q.RemoveCluster(ctx, made.ID, now+1)
		return err
	})
	for name, find := range map[string]func() error{
		"by id":       func() error { _, err := q.Cluster(ctx, made.ID); return err },
		"by name":     func() error { _, err := q.ClusterByName(ctx, "staging"); return err },
		"as default":  func() error { _, err := q.DefaultCluster(ctx); return err },
		"credentials": func() error { _, err := s.ClusterCredentials(ctx, made.ID); return err },
		"once more": func() error {
			return s.Write(ctx, func(q *db.Queries) error { _, err := q.RemoveCluster(ctx, made.ID, now); return err })
		},
	} {
		if err := find(); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("removed, and found %s: %v", name, err)
		}
	}
	if c := must[db.Cluster](t)(q.ClusterByFingerprint(ctx, n.Fingerprint)); c.ID != made.ID || c.DeletedAt != now+1 || c.Enabled {
		t.Errorf("an import must find what was removed, got %+v", c)
	}
	back := createCluster(t, s, newCluster("staging"), "new")
	if back.ID == made.ID {
		t.Error("the id was given to another cluster")
	}
	if c := must[db.Cluster](t)(q.ClusterByFingerprint(ctx, n.Fingerprint)); c.ID != back.ID {
		t.Errorf("found %d by fingerprint, want the one that is there, %d", c.ID, back.ID)
	}
}

func clusterEndpoint(t *testing.T, s *db.Store) {
	ctx := t.Context()
	made := createCluster(t, s, newCluster("moved"), "old token")
	sealed := must[db.Sealed](t)(s.Seal([]byte("new token")))
	write(t, s, func(q *db.Queries) error {
		c, err := q.SetClusterEndpoint(ctx, db.ClusterEndpoint{ID: made.ID, Server: "https://new", Context: "c", Source: "upload", UpdatedAt: now + 1}, sealed)
		if c.Server != "https://new" || c.Source != "upload" || c.Fingerprint != "" || c.Context != "c" {
			t.Errorf("endpoint %+v", c)
		}
		return err
	})
	if got := must[[]byte](t)(s.ClusterCredentials(ctx, made.ID)); string(got) != "new token" {
		t.Errorf("credentials %q", got)
	}
}

// What is set by hand wins over what is found, whoever comes later.
func clusterPrometheus(t *testing.T, s *db.Store) {
	ctx := t.Context()
	n := newCluster("watched")
	n.PrometheusURL = ""
	made := createCluster(t, s, n, "token")
	found := func(url, way string) (rows int64) {
		write(t, s, func(q *db.Queries) (err error) {
			rows, err = q.FoundPrometheus(ctx, db.FoundPrometheusParams{ID: made.ID, PrometheusURL: url, PrometheusWay: way, UpdatedAt: now + 5})
			return err
		})
		return rows
	}
	byHand := func(url string) {
		write(t, s, func(q *db.Queries) error { _, err := q.SetPrometheus(ctx, made.ID, url, now+6); return err })
	}
	is := func(when, url, way string) {
		t.Helper()
		c := must[db.Cluster](t)(s.Read().Cluster(ctx, made.ID))
		if c.PrometheusURL != url || c.PrometheusWay != way {
			t.Errorf("%s: %q by %q, want %q by %q", when, c.PrometheusURL, c.PrometheusWay, url, way)
		}
	}
	if rows := found("http://found", "nodeport"); rows != 1 {
		t.Errorf("what was found was kept in %d rows", rows)
	}
	is("found", "http://found", "nodeport")
	if rows := found("http://found", "nodeport"); rows != 0 {
		t.Error("what was known was written again: every replica would be told")
	}
	byHand("http://mine")
	is("set by hand", "http://mine", "")
	for _, url := range []string{"http://other", ""} {
		if rows := found(url, "proxy"); rows != 0 {
			t.Errorf("what was found later replaced what was set by hand with %q", url)
		}
	}
	is("after a late search", "http://mine", "")
	byHand("")
	is("cleared", "", "")
	found("http://found", "proxy")
	for _, server := range []string{n.Server, "https://elsewhere"} {
		write(t, s, func(q *db.Queries) error {
			_, err := q.SetClusterEndpoint(ctx, db.ClusterEndpoint{ID: made.ID, Server: server, Source: "upload"}, must[db.Sealed](t)(s.Seal([]byte("t"))))
			return err
		})
		if server == n.Server {
			is("new credentials for the same server", "http://found", "proxy")
		}
	}
	is("another server", "", "")
}

// A26: who can write to the database cannot make one cluster use the credentials of another.
func TestA26_SwappedCredentialsDoNotOpen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		a, b := createCluster(t, s, newCluster("a"), "token a"), createCluster(t, s, newCluster("b"), "token b")
		if got := must[[]byte](t)(s.ClusterCredentials(ctx, a.ID)); string(got) != "token a" {
			t.Fatalf("credentials %q", got)
		}
		if _, err := s.Writer().ExecContext(ctx, `UPDATE cluster_credentials SET sealed = (SELECT o.sealed FROM cluster_credentials o WHERE o.cluster_id = $1) WHERE cluster_id = $2`, a.ID, b.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ClusterCredentials(ctx, b.ID); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("b opened the credentials of a: %v", err)
		}
		if got := must[[]byte](t)(s.ClusterCredentials(ctx, a.ID)); string(got) != "token a" {
			t.Errorf("credentials %q", got)
		}
	})
}
