package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// heard waits for one signal; there is no clock that would bring it.
func heard(t *testing.T, changes <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s is not heard", what)
	}
}

func TestReplicasHearOfChanges(t *testing.T) {
	server := dbtest.StartPostgres(t)
	url, keys := server.URL("postgres"), seal.NewKeyring(dbtest.Key(t))
	with := func(c *db.Config) { c.Keys = keys }
	a, b := dbtest.Open(t, url, with), dbtest.Open(t, url, with)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes := b.Changes(ctx)
	heard(t, changes, "the beginning, when changes may have been missed,")
	write := func(f func(q *db.Queries) error) {
		t.Helper()
		if err := a.Write(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	var cluster db.Cluster
	sealed := must[db.Sealed](t)(a.Seal([]byte("token")))
	for _, change := range []struct {
		what string
		f    func(q *db.Queries) error
	}{
		{"a new cluster", func(q *db.Queries) (err error) {
			cluster, err = q.CreateCluster(ctx, db.NewCluster{Name: "c", Source: "api", Now: now}, sealed)
			return err
		}},
		{"a change of rights", func(q *db.Queries) error {
			_, err := q.CreateRole(ctx, db.RoleSpec{Name: "r", Rules: "[]", Now: now})
			return err
		}},
		{"another default", func(q *db.Queries) error {
			_, err := q.SetDefaultCluster(ctx, cluster.ID, now+1)
			return err
		}},
		{"new credentials", func(q *db.Queries) error {
			_, err := q.SetClusterEndpoint(ctx, db.ClusterEndpoint{ID: cluster.ID, Server: "https://x", Source: "api", UpdatedAt: now + 2}, sealed)
			return err
		}},
		{"a removal", func(q *db.Queries) error {
			_, err := q.RemoveCluster(ctx, cluster.ID, now+3)
			return err
		}},
	} {
		write(change.f)
		heard(t, changes, change.what)
	}
	// After the server was away, what was missed is looked for, and changes are heard again.
	server.Kill()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	heard(t, changes, "the new connection")
	until(t, "the store does not come back", func() bool { return a.Ping(ctx) == nil })
	write(func(q *db.Queries) error {
		_, err := q.CreateRole(ctx, db.RoleSpec{Name: "s", Rules: "[]", Now: now})
		return err
	})
	heard(t, changes, "a change after the server was away")
}

// The health of clusters is written all the time and concerns nobody else.
func TestReplicasDoNotHearOfHealth(t *testing.T) {
	url := dbtest.PostgresURL(t)
	s, ctx := dbtest.Open(t, url), t.Context()
	sealed := must[db.Sealed](t)(s.Seal([]byte("token")))
	var cluster db.Cluster
	for _, step := range []struct {
		told bool
		f    func(q *db.Queries) error
	}{
		{true, func(q *db.Queries) (err error) {
			cluster, err = q.CreateCluster(ctx, db.NewCluster{Name: "c", Source: "api", Now: now}, sealed)
			return err
		}},
		{false, func(q *db.Queries) error {
			n, err := q.UpdateClusterHealth(ctx, db.UpdateClusterHealthParams{ID: cluster.ID, HealthStatus: "healthy"})
			if n != 1 {
				t.Errorf("the health of %d clusters was written", n)
			}
			return err
		}},
	} {
		c := must[*pgx.Conn](t)(pgx.Connect(ctx, url))
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, "LISTEN tiga_changes"); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(ctx, step.f); err != nil {
			t.Fatal(err)
		}
		// Notifications come in the order of the commits, so this one ends the waiting.
		if _, err := s.Writer().ExecContext(ctx, "NOTIFY tiga_changes, 'end'"); err != nil {
			t.Fatal(err)
		}
		first := must[*pgconn.Notification](t)(c.WaitForNotification(ctx)).Payload
		if told := first != "end"; told != step.told {
			t.Errorf("told is %v, want %v", told, step.told)
		}
	}
}

func TestOneProcessHearsNothing(t *testing.T) {
	s := dbtest.SQLite(t)
	if changes := s.Changes(t.Context()); changes != nil {
		t.Error("SQLite tells of changes that nobody else can make")
	}
}
