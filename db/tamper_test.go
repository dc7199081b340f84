package db_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tiga/db"
	"tiga/db/dbtest"
)

// The record that is tampered with: so many chains that one Verify judges many changes, and few enough
// that its report holds all it finds.
const (
	tamperChains = 80
	tamperRows   = 12
)

// newForger removes what keeps rows as they are, as somebody can who may do everything with the
// database but has not the key.
func newForger(t *testing.T, s *db.Store) *forger {
	t.Helper()
	f := &forger{db: s.Writer(), rand: rand.New(rand.NewPCG(1, 2))}
	drop := []string{
		"DROP TRIGGER audit_events_no_update", "DROP TRIGGER audit_events_no_delete",
		"DROP TRIGGER audit_checkpoints_no_update", "DROP TRIGGER audit_checkpoints_no_delete",
	}
	if s.Engine() == "postgres" {
		drop = []string{"DROP TRIGGER audit_events_append_only ON audit_events", "DROP TRIGGER audit_checkpoints_append_only ON audit_checkpoints"}
	}
	if err := f.exec(t.Context(), f.db, append(drop, "CREATE TABLE backup AS SELECT * FROM audit_events")...); err != nil {
		t.Fatal(err)
	}
	return f
}

type forger struct {
	db   *sql.DB
	rand *rand.Rand
}

type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (f *forger) exec(ctx context.Context, to executor, statements ...string) error {
	for _, s := range statements {
		if _, err := to.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// tamper does one thing at random to a chain, and says which.
func (f *forger) tamper(ctx context.Context, to executor, chain int) (string, error) {
	seq := 1 + f.rand.IntN(tamperRows)
	other := 1 + (seq+f.rand.IntN(tamperRows-1))%tamperRows // another than seq
	update := func(set string, seq int) string {
		return fmt.Sprintf("UPDATE audit_events SET %s WHERE chain = %d AND seq = %d", set, chain, seq)
	}
	remove := fmt.Sprintf("DELETE FROM audit_events WHERE chain = %d AND seq = %d", chain, seq)
	switch f.rand.IntN(7) {
	case 0: // one character of one text
		c := pick(f, "phase", "parent_id", "request_id", "actor_name", "auth_method", "session_ref", "client_ip", "peer_ip", "user_agent",
			"cluster_name", "api_group", "resource", "subresource", "namespace", "name", "object_uid", "resource_version", "verb", "effect",
			"decision", "result", "reason", "message", "diff", "key_id")
		return "text " + c, f.exec(ctx, to, update(fmt.Sprintf("%s = %s || '%c'", c, c, 'a'+f.rand.IntN(26)), seq))
	case 1: // one bit of one number
		c := pick(f, "ts", "actor_id", "cluster_id", "policy_version", "http_status", "duration_us", "format")
		return "number " + c, f.exec(ctx, to, update(fmt.Sprintf("%s = %s + %d", c, c, 1<<f.rand.IntN(40)), seq))
	case 2: // one bit of one hash
		c := pick(f, "hash", "prev_hash")
		return "bit of " + c, f.flip(ctx, to, c, chain, seq)
	case 3: // a row removed, at the end too
		return "delete", f.exec(ctx, to, remove)
	case 4: // two rows change places
		return "swap", f.exec(ctx, to, update("seq = -1", seq), update(fmt.Sprintf("seq = %d", seq), other), update(fmt.Sprintf("seq = %d", other), -1))
	case 5: // a copy of another row inserted, and what follows moved up
		return "insert", f.exec(ctx, to, fmt.Sprintf("UPDATE audit_events SET seq = -seq WHERE chain = %d AND seq >= %d", chain, seq),
			fmt.Sprintf("UPDATE audit_events SET seq = 1 - seq WHERE chain = %d AND seq <= -%d", chain, seq), copyRow(chain, other, seq))
	default: // a row replaced by a copy of another
		return "replace", f.exec(ctx, to, remove, copyRow(chain, other, seq))
	}
}

func pick(f *forger, words ...string) string { return words[f.rand.IntN(len(words))] }

// copyRow is a statement that writes one row of a chain in the place of another.
func copyRow(chain, from, to int) string {
	const columns = "chain, format, ts, phase, request_id, actor_id, actor_name, auth_method, session_ref, client_ip, peer_ip, user_agent, " +
		"cluster_id, cluster_name, api_group, resource, subresource, namespace, name, object_uid, resource_version, verb, effect, decision, " +
		"result, reason, message, policy_version, read_only, http_status, duration_us, diff, key_id, prev_hash, hash"
	return fmt.Sprintf("INSERT INTO audit_events (id, parent_id, seq, %s) SELECT id || 'x', parent_id || 'x', %d, %s FROM backup WHERE chain = %d AND seq = %d",
		columns, to, columns, chain, from)
}

func (f *forger) flip(ctx context.Context, to executor, column string, chain, seq int) error {
	var b []byte
	where := fmt.Sprintf(" WHERE chain = %d AND seq = %d", chain, seq)
	if err := to.QueryRowContext(ctx, "SELECT "+column+" FROM audit_events"+where).Scan(&b); err != nil {
		return err
	}
	b[f.rand.IntN(len(b))] ^= 1 << f.rand.IntN(8)
	_, err := to.ExecContext(ctx, "UPDATE audit_events SET "+column+" = $1"+where, b)
	return err
}

func (f *forger) restore(ctx context.Context) error {
	return f.exec(ctx, f.db, "DELETE FROM audit_events", "INSERT INTO audit_events SELECT * FROM backup")
}

// A27, goal 8: every one of 10,000 changes to the record is found, also the last row cut off, since a
// checkpoint is known.
func TestA27_TamperingIsFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		var anchors db.VerifyOptions
		for chain := range tamperChains {
			s.Audit().BeginChain(int64(chain) + 1)
			for range tamperRows / 2 {
				act(t, s, scaled, db.Outcome{Message: "done"})
			}
			anchors.Anchors = append(anchors.Anchors, must2[db.Checkpoint](t)(s.Audit().Checkpoint(ctx)))
		}
		f := newForger(t, s)
		// The thief removes the checkpoints that are in the database.
		if err := f.exec(ctx, f.db, "DELETE FROM audit_checkpoints"); err != nil {
			t.Fatal(err)
		}
		if v := verify(t, s, anchors); !v.OK() || v.Rows != tamperChains*tamperRows {
			t.Fatalf("untouched: %+v", v)
		}
		count := 10_000
		if testing.Short() {
			count = 1_000
		}
		missed, made := map[string]int{}, 0
		for made < count {
			tx := must[*sql.Tx](t)(f.db.BeginTx(ctx, nil))
			changes := map[int64]string{}
			for chain := 1; chain <= tamperChains; chain++ {
				what, err := f.tamper(ctx, tx, chain)
				if err != nil {
					t.Fatal(err)
				}
				changes[int64(chain)] = what
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			made += len(changes)
			for _, finding := range verify(t, s, anchors).Findings {
				delete(changes, finding.Chain)
			}
			for _, what := range changes {
				missed[what]++
			}
			if err := f.restore(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if len(missed) > 0 {
			t.Errorf("of %d changes these were not found: %v", made, missed)
		}
		if v := verify(t, s, anchors); !v.OK() {
			t.Errorf("restored: %v", v.Findings)
		}
	})
}

// Each kind of damage is called by its name.
func TestA27_VerifySaysWhatIsWrong(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		for range 3 {
			act(t, s, scaled, db.Outcome{})
		}
		early := must2[db.Checkpoint](t)(s.Audit().Checkpoint(ctx))
		for range 3 {
			act(t, s, scaled, db.Outcome{})
		}
		late := must2[db.Checkpoint](t)(s.Audit().Checkpoint(ctx))
		if _, made, err := s.Audit().Checkpoint(ctx); made || err != nil {
			t.Errorf("a checkpoint of nothing new: %t, %v", made, err)
		}
		f := newForger(t, s)
		forged := late
		forged.Seq++
		stranger := late
		stranger.KeyID = "0011223344556677"
		for _, tt := range []struct {
			name    string
			do      []string
			options db.VerifyOptions
			want    []string
		}{
			{"nothing", nil, db.VerifyOptions{}, nil},
			{"nothing, from a checkpoint", nil, db.VerifyOptions{From: []db.Checkpoint{early}}, nil},
			{"a change", []string{"UPDATE audit_events SET actor_name = 'eve' WHERE seq = 4"}, db.VerifyOptions{}, []string{"4 changed"}},
			{"a change before the start", []string{"UPDATE audit_events SET actor_name = 'eve' WHERE seq = 4"}, db.VerifyOptions{From: []db.Checkpoint{early}}, nil},
			{"a gap", []string{"DELETE FROM audit_events WHERE seq IN (4, 5)"}, db.VerifyOptions{}, []string{"6 gap"}},
			{"the first rows", []string{"DELETE FROM audit_events WHERE seq < 3"}, db.VerifyOptions{}, []string{"3 gap"}},
			{"the last rows", []string{"DELETE FROM audit_events WHERE seq > 10"}, db.VerifyOptions{}, []string{"10 truncated"}},
			{"all rows", []string{"DELETE FROM audit_events"}, db.VerifyOptions{}, []string{"0 truncated"}},
			{"the last rows and their checkpoint", []string{"DELETE FROM audit_events WHERE seq > 10", "DELETE FROM audit_checkpoints"}, db.VerifyOptions{Anchors: []db.Checkpoint{late}}, []string{"10 truncated"}},
			{"a wrong predecessor", []string{"UPDATE audit_events SET prev_hash = hash WHERE seq = 2"}, db.VerifyOptions{}, []string{"2 changed", "2 order"}},
			{"another row at a checkpoint", []string{"UPDATE audit_events SET hash = prev_hash WHERE seq = 12"}, db.VerifyOptions{Anchors: []db.Checkpoint{late}}, []string{"12 changed", "12 checkpoint"}},
			{"a key that is not ours", []string{"UPDATE audit_events SET key_id = '0011223344556677' WHERE seq = 12"}, db.VerifyOptions{}, []string{"12 key"}},
			{"a forged checkpoint", nil, db.VerifyOptions{Anchors: []db.Checkpoint{forged}}, []string{"13 forged"}},
			{"a checkpoint by somebody else", nil, db.VerifyOptions{Anchors: []db.Checkpoint{stranger}}, []string{"12 key"}},
		} {
			if err := f.exec(ctx, f.db, tt.do...); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, finding := range verify(t, s, tt.options).Findings {
				got = append(got, fmt.Sprintf("%d %s", finding.Seq, finding.Kind))
				if text := finding.String(); !strings.Contains(text, finding.Kind) || !strings.Contains(text, finding.Detail) {
					t.Errorf("finding in words: %s", text)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: found %v, want %v", tt.name, got, tt.want)
			}
			if err := f.restore(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func must2[T any](tb testing.TB) func(T, bool, error) T {
	tb.Helper()
	return func(v T, ok bool, err error) T {
		tb.Helper()
		if err != nil || !ok {
			tb.Fatal(ok, err)
		}
		return v
	}
}

func TestACheckpointIsReadBackFromTheLog(t *testing.T) {
	s := dbtest.SQLite(t)
	act(t, s, scaled, db.Outcome{})
	c := must2[db.Checkpoint](t)(s.Audit().Checkpoint(t.Context()))
	line := c.String()
	if strings.ContainsAny(line, "\r\n") {
		t.Errorf("more than one line: %q", line)
	}
	back, err := db.ParseCheckpoint(line)
	if err != nil || back.String() != line || !back.Time.Equal(c.Time) {
		t.Errorf("read back %v, %v; want %v", back, err, c)
	}
	if v := verify(t, s, db.VerifyOptions{Anchors: []db.Checkpoint{back}}); !v.OK() || v.Checkpoints != 2 {
		t.Errorf("verified %+v", v)
	}
	for _, bad := range []string{"", "x", line[:len(line)-30] + "!", strings.Replace(line, "hash=", "hash=zz", 1)} {
		if _, err := db.ParseCheckpoint(bad); err == nil {
			t.Errorf("read %q", bad)
		}
	}
}
