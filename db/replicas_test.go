package db_test

import (
	"strconv"
	"sync"
	"testing"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// Several processes share one PostgreSQL: each has a chain of its own, and a chain that was left is
// taken up again.
func TestEveryReplicaHasAChainOfItsOwn(t *testing.T) {
	url, keys := dbtest.PostgresURL(t), seal.NewKeyring(dbtest.Key(t))
	open := func() *db.Store { return dbtest.Open(t, url, func(c *db.Config) { c.Keys = keys }) }
	a := open()
	running := appendIntent(t, a, scaled)
	b := open()
	act(t, b, scaled, db.Outcome{})
	if a.Audit().Chain() != 1 || b.Audit().Chain() != 2 {
		t.Errorf("chains %d and %d, want 1 and 2", a.Audit().Chain(), b.Audit().Chain())
	}
	if _, outcome, err := a.Audit().Entry(t.Context(), running.ID()); err != nil || outcome != nil {
		t.Errorf("the start of b settled what a is doing: %+v, %v", outcome, err)
	}
	lost := appendIntent(t, b, scaled)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	abandoned := appendIntent(t, a, scaled)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	c := open() // holds 1, and settles 2 for the one that is gone
	if c.Audit().Chain() != 1 {
		t.Errorf("chain %d, want the first that is free", c.Audit().Chain())
	}
	for _, i := range []db.Intent{running, lost, abandoned} {
		if _, outcome, err := c.Audit().Entry(t.Context(), i.ID()); err != nil || outcome == nil || outcome.Result != db.ResultUnknown {
			t.Errorf("outcome %+v, %v; want unknown", outcome, err)
		}
	}
	if v := verify(t, c, db.VerifyOptions{}); !v.OK() || v.Chains != 2 {
		t.Errorf("verified %+v", v)
	}
}

// F15: PostgreSQL drops the connection that holds a chain, and another process takes the chain. No row
// is lost, and none breaks the chain.
func TestF15_AChainThatIsTakenOverIsLeftToTheOther(t *testing.T) {
	url, keys := dbtest.PostgresURL(t), seal.NewKeyring(dbtest.Key(t))
	open := func() *db.Store { return dbtest.Open(t, url, func(c *db.Config) { c.Keys = keys }) }
	a := open()
	act(t, a, scaled, db.Outcome{})
	pid := must[int](t)(a.Audit().LockBackend(t.Context()))
	if _, err := a.Writer().ExecContext(t.Context(), "SELECT pg_terminate_backend("+strconv.Itoa(pid)+", 5000)"); err != nil {
		t.Fatal(err)
	}
	b := open()
	act(t, b, scaled, db.Outcome{})
	act(t, a, scaled, db.Outcome{})
	if a.Audit().Chain() == b.Audit().Chain() {
		t.Errorf("both add to chain %d", a.Audit().Chain())
	}
	if v := verify(t, b, db.VerifyOptions{}); !v.OK() || v.Rows != 6 {
		t.Errorf("verified %+v", v)
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	url, keys := dbtest.PostgresURL(t), seal.NewKeyring(dbtest.Key(t))
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			s, err := db.Open(t.Context(), db.Config{URL: url, Keys: keys})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Many at once: every row has its place, and every change is there.
func TestConcurrentWritersAndReaders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		const workers, rounds = 8, 15
		s, ctx := open(), t.Context()
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for range rounds {
					i, err := s.Audit().Append(ctx, scaled)
					if err != nil {
						t.Error(err)
						return
					}
					err = s.Write(ctx, func(q *db.Queries) error {
						_, err := q.RecordLoginFailure(ctx, "shared", now, 0)
						return err
					})
					if err != nil {
						t.Error(err)
					}
					if err := s.Audit().Outcome(ctx, i, db.Outcome{}); err != nil {
						t.Error(err)
					}
					if _, err := s.Audit().List(ctx, db.AuditFilter{Limit: w + 1}); err != nil {
						t.Error(err)
					}
					if w == 0 {
						if _, _, err := s.Audit().Checkpoint(ctx); err != nil {
							t.Error(err)
						}
						s.Stats()
					}
				}
			})
		}
		all.Wait()
		if f := must[db.LoginFailure](t)(s.Read().LoginFailures(ctx, "shared")); f.Count != workers*rounds {
			t.Errorf("counted %d, want %d", f.Count, workers*rounds)
		}
		if v := verify(t, s, db.VerifyOptions{}); !v.OK() || v.Rows != 2*workers*rounds || v.Checkpoints < 1 {
			t.Errorf("verified %+v", v)
		}
	})
}
