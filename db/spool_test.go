package db_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// outage is a database that can be taken away from the store and given back.
type outage struct {
	open       func(...dbtest.Option) *db.Store
	dir        string // of the spool
	away, back func()
}

// eachOutage runs a test with both engines: SQLite, whose file another process does not let go of, and PostgreSQL, whose
// server is stopped.
func eachOutage(t *testing.T, test func(t *testing.T, o outage)) {
	t.Helper()
	with := func(t *testing.T, url string) outage {
		dir, keys := t.TempDir(), seal.NewKeyring(dbtest.Key(t))
		return outage{dir: dir, open: func(options ...dbtest.Option) *db.Store {
			return dbtest.Open(t, url, append([]dbtest.Option{func(c *db.Config) { c.URL, c.Keys, c.Spool = url, keys, dir }}, options...)...)
		}}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := dbtest.SQLiteURL(t)
		o := with(t, path)
		var other *sql.DB
		var c *sql.Conn
		o.away = func() {
			other = must[*sql.DB](t)(sql.Open("sqlite", path))
			c = must[*sql.Conn](t)(other.Conn(t.Context()))
			if _, err := c.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
		}
		o.back = func() {
			if err := errors.Join(c.Close(), other.Close()); err != nil {
				t.Fatal(err)
			}
		}
		test(t, o)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := dbtest.StartPostgres(t)
		o := with(t, server.URL("postgres"))
		o.away = server.Kill
		o.back = func() {
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
		}
		test(t, o)
	})
}

func denial(n int) db.Event {
	return db.Event{Actor: fmt.Sprint("eve-", n), Verb: "delete", Resource: "pods", Decision: db.DecisionDeny, Result: db.ResultDenied}
}

func record(t *testing.T, s *db.Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := s.Audit().Record(t.Context(), denial(n)); err != nil {
			t.Fatalf("denial %d: %v", n, err)
		}
	}
}

// chained are the actors of the denials in the order of the chain.
func chained(t *testing.T, s *db.Store) (actors []string) {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), "SELECT actor_name FROM audit_events WHERE verb = 'delete' ORDER BY chain, seq")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var actor string
		if err := rows.Scan(&actor); err != nil {
			t.Fatal(err)
		}
		actors = append(actors, actor)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return actors
}

func wantDenials(t *testing.T, s *db.Store, count int) {
	t.Helper()
	got := chained(t, s)
	if len(got) != count {
		t.Errorf("the chain has %d denials, want %d: %v", len(got), count, got)
	}
	for n, actor := range got {
		if actor != denial(n).Actor {
			t.Fatalf("denial %d is of %s: %v", n, actor, got)
		}
	}
	if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
		t.Errorf("verified %+v", v)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit, again := time.NewTimer(time.Minute), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatal(what)
		}
	}
}

func drained(t *testing.T, s *db.Store) {
	t.Helper()
	until(t, "the spool is not brought in", func() bool { return s.Stats().Spooled == 0 })
}

func spoolBytes(t *testing.T, dir string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(filepath.Join(dir, "audit-1.spool")))
}

// Class B: what was denied while the database is away is on disk at once, and in the chain afterwards, in its order.
func TestAuditB_DenialsWaitForTheDatabase(t *testing.T) {
	eachOutage(t, func(t *testing.T, o outage) {
		s := o.open()
		record(t, s, 0, 2)
		open := appendIntent(t, s, scaled)
		o.away()
		if _, err := s.Audit().Append(t.Context(), scaled); err == nil {
			t.Error("an action may begin whose intent is nowhere")
		}
		record(t, s, 2, 30)
		if err := s.Audit().Outcome(t.Context(), open, db.Outcome{HTTPStatus: 200}); err != nil {
			t.Errorf("the outcome of what has happened: %v", err)
		}
		if n := s.Stats().Spooled; n != 29 {
			t.Errorf("%d rows wait, want 29", n)
		}
		if n := bytes.Count(spoolBytes(t, o.dir), []byte("\n")); n != 29 {
			t.Errorf("%d lines are on disk", n)
		}
		if info := must[os.FileInfo](t)(os.Stat(filepath.Join(o.dir, "audit-1.spool"))); info.Mode().Perm() != 0o600 {
			t.Errorf("the mode of the file is %s", info.Mode())
		}
		o.back()
		drained(t, s)
		record(t, s, 30, 31)
		wantDenials(t, s, 31)
		if _, outcome, err := s.Audit().Entry(t.Context(), open.ID()); err != nil || outcome == nil || outcome.Result != db.ResultOK {
			t.Errorf("the outcome is %+v, %v", outcome, err)
		}
		if left := spoolBytes(t, o.dir); len(left) != 0 {
			t.Errorf("the file still holds %d bytes", len(left))
		}
	})
}

// What waits when the process ends is brought in by the next one, once, before actions without an outcome are given up.
func TestAuditB_TheSpoolOutlivesTheProcess(t *testing.T) {
	eachOutage(t, func(t *testing.T, o outage) {
		at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		clock := func(c *db.Config) { c.Now = func() time.Time { return at } }
		s := o.open(clock)
		open := appendIntent(t, s, scaled)
		o.away()
		record(t, s, 0, 5)
		if err := s.Audit().Outcome(t.Context(), open, db.Outcome{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		left := spoolBytes(t, o.dir)
		// A row that was being written when the process died was never acknowledged.
		if err := os.WriteFile(filepath.Join(o.dir, "audit-1.spool"), append(bytes.Clone(left), `{"ID":"half`...), 0o600); err != nil {
			t.Fatal(err)
		}
		o.back()
		happened := at
		at = at.Add(time.Hour)
		s = o.open(clock)
		wantDenials(t, s, 5)
		for _, line := range must[db.AuditPage](t)(s.Audit().List(t.Context(), db.AuditFilter{Verb: "delete"})).Lines {
			if line.TS != db.Micros(happened) {
				t.Errorf("the row says that it happened at %s", db.Time(line.TS))
			}
		}
		if _, outcome, err := s.Audit().Entry(t.Context(), open.ID()); err != nil || outcome.Result != db.ResultOK {
			t.Errorf("the outcome is %+v, %v", outcome, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// The process died after the rows were in the database and before the file was emptied.
		if err := os.WriteFile(filepath.Join(o.dir, "audit-1.spool"), left, 0o600); err != nil {
			t.Fatal(err)
		}
		s = o.open(clock)
		wantDenials(t, s, 5)
	})
}

func TestAuditB_AFullSpoolRefuses(t *testing.T) {
	eachOutage(t, func(t *testing.T, o outage) {
		s := o.open(func(c *db.Config) { c.SpoolLimit = 5000 })
		o.away()
		kept := 0
		var err error
		for ; err == nil && kept < 100; kept++ {
			err = s.Audit().Record(t.Context(), denial(kept))
		}
		kept--
		if !errors.Is(err, db.ErrFull) || kept < 2 {
			t.Fatalf("after %d denials: %v", kept, err)
		}
		if n := len(spoolBytes(t, o.dir)); n > 5000 {
			t.Errorf("the file has %d bytes", n)
		}
		o.back()
		drained(t, s)
		wantDenials(t, s, kept)
		record(t, s, kept, kept+1)
	})
}

// Who can write to the spool can neither add to the record nor change it without a trace.
func TestAuditB_ADamagedSpoolIsToldAndTheRestIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(lines []string) []string
		want   string // actors that are left
	}{
		"changed":    {func(l []string) []string { l[1] = strings.Replace(l[1], "eve-1", "bob-1", 1); return l }, "eve-0 eve-2 eve-3"},
		"unreadable": {func(l []string) []string { l[1] = "{}}\n"; return l }, "eve-0 eve-2 eve-3"},
		"taken out":  {func(l []string) []string { return append(l[:1:1], l[2:]...) }, "eve-0 eve-2 eve-3"},
		"added": {func(l []string) []string {
			return append(l, strings.NewReplacer("eve-3", "bob-4", `"Seq":4`, `"Seq":5`).Replace(l[3]))
		}, "eve-0 eve-1 eve-2 eve-3"},
	} {
		t.Run(name, func(t *testing.T) {
			path, dir, keys := dbtest.SQLiteURL(t), t.TempDir(), seal.NewKeyring(dbtest.Key(t))
			with := func(c *db.Config) { c.Keys, c.Spool = keys, dir }
			s := dbtest.Open(t, path, with)
			// Without its writer the database is away, until it is opened again.
			if err := s.Writer().Close(); err != nil {
				t.Fatal(err)
			}
			record(t, s, 0, 4)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(strings.TrimSuffix(string(spoolBytes(t, dir)), "\n"), "\n")
			lines[3] += "\n"
			if err := os.WriteFile(filepath.Join(dir, "audit-1.spool"), []byte(strings.Join(tt.damage(lines), "")), 0o600); err != nil {
				t.Fatal(err)
			}
			s = dbtest.Open(t, path, with)
			if got := strings.Join(chained(t, s), " "); got != tt.want {
				t.Errorf("the chain has %s, want %s", got, tt.want)
			}
			if told := must[db.AuditPage](t)(s.Audit().List(t.Context(), db.AuditFilter{Verb: "recover", Result: db.ResultFailed})).Lines; len(told) == 0 {
				t.Error("nothing tells of the damage")
			}
			if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
				t.Errorf("verified %+v", v)
			}
		})
	}
}

// Replicas that share a directory have a file each; what one leaves is brought in although the other lives.
func TestAuditB_ReplicasHaveSpoolsOfTheirOwn(t *testing.T) {
	server := dbtest.StartPostgres(t)
	url, dir, keys := server.URL("postgres"), t.TempDir(), seal.NewKeyring(dbtest.Key(t))
	open := func() *db.Store {
		return dbtest.Open(t, url, func(c *db.Config) { c.Keys, c.Spool = keys, dir })
	}
	a, b := open(), open()
	server.Stop()
	record(t, a, 0, 3)
	record(t, b, 3, 6)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]int{1: 3, 2: 3} {
		text := must[[]byte](t)(os.ReadFile(filepath.Join(dir, fmt.Sprintf("audit-%d.spool", n))))
		if got := bytes.Count(text, []byte("\n")); got != want {
			t.Errorf("file %d has %d lines", n, got)
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	c := open()
	drained(t, a)
	if got := chained(t, c); len(got) != 6 {
		t.Errorf("the record has %v", got)
	}
	if v := verify(t, c, db.VerifyOptions{}); !v.OK() {
		t.Errorf("verified %+v", v)
	}
}
