package db_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// F17: without space, actions are refused in words and reading goes on; with space again, all works.
func TestF17_AFullDiskRefusesWritesAndReadsGoOn(t *testing.T) {
	s, ctx := dbtest.SQLite(t), t.Context()
	act(t, s, scaled, db.Outcome{})
	limit := func(pages string) {
		if _, err := s.Writer().ExecContext(ctx, "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // SQLite takes what the file has already
	big := scaled
	big.Diff = strings.Repeat("+ line\n", 1500)
	var refused error
	for range 50 {
		if _, refused = s.Audit().Append(ctx, big); refused != nil {
			break
		}
	}
	if !errors.Is(refused, db.ErrFull) {
		t.Fatalf("error %v", refused)
	}
	err := s.Write(ctx, func(q *db.Queries) error { return q.SetMeta(ctx, "big", strings.Repeat("x", 1<<20)) })
	if !errors.Is(err, db.ErrFull) {
		t.Errorf("error %v", err)
	}
	if page, err := s.Audit().List(ctx, db.AuditFilter{}); err != nil || len(page.Lines) == 0 {
		t.Errorf("reading: %d lines, %v", len(page.Lines), err)
	}
	limit("1000000")
	act(t, s, big, db.Outcome{})
	if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
		t.Errorf("the record after the disk was full: %v", v.Findings)
	}
}

// F18: a file that another program has locked is waited for, for a while.
func TestF18_ALockedFileIsBusy(t *testing.T) {
	path := dbtest.SQLiteURL(t)
	s, ctx := dbtest.Open(t, path), t.Context()
	other := must[*sql.DB](t)(sql.Open("sqlite", path))
	defer other.Close()
	c := must[*sql.Conn](t)(other.Conn(ctx))
	defer c.Close()
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := s.Audit().Append(ctx, scaled); err == nil || time.Since(start) > 4*time.Second {
		t.Errorf("audited after %s: %v; want a refusal within the budget", time.Since(start), err)
	}
	err := s.Write(ctx, func(q *db.Queries) error { return q.SetMeta(ctx, "a", "b") })
	if !errors.Is(err, db.ErrBusy) {
		t.Errorf("error %v", err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("reading: %v", err)
	}
	if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	act(t, s, scaled, db.Outcome{})
}

// F18: a damaged file is refused at start, by name; it is not repaired, replaced, or half used.
func TestF18_ACorruptFileIsRefusedAndNamed(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"another kind of file": func([]byte) []byte { return bytes.Repeat([]byte("not a database. "), 1000) },
		"header":               func(b []byte) []byte { copy(b, "XXXX"); return b },
		"inner page": func(b []byte) []byte {
			for i := 4096; i < 2*4096; i++ {
				b[i] = 0xA5
			}
			return b
		},
		"cut in half": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			path := dbtest.SQLiteURL(t)
			keys := seal.NewKeyring(dbtest.Key(t))
			with := func(c *db.Config) { c.Keys = keys }
			s := dbtest.Open(t, path, with)
			for range 50 {
				act(t, s, scaled, db.Outcome{})
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			bad := damage(must[[]byte](t)(os.ReadFile(path)))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := tryOpen(t, path, with)
			if !errors.Is(err, db.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v does not say that %s is corrupt", err, path)
			}
			if !bytes.Equal(bad, must[[]byte](t)(os.ReadFile(path))) {
				t.Error("the file was changed")
			}
		})
	}
}

// F14: a server that is not up is waited for, and given up after a while.
func TestF14_AServerThatIsDownIsWaitedFor(t *testing.T) {
	server := dbtest.StartPostgres(t)
	url := server.URL("postgres")
	server.Stop()
	short := func(c *db.Config) { c.StartTimeout = time.Second }
	if _, err := tryOpen(t, url, short); !errors.Is(err, db.ErrUnavailable) || !strings.Contains(err.Error(), "gave up after 1s") {
		t.Errorf("error %v", err)
	}
	opened := make(chan error, 1)
	keys := seal.NewKeyring(dbtest.Key(t))
	go func() {
		s, err := db.Open(context.WithoutCancel(t.Context()), db.Config{URL: url, Keys: keys})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("open while the server comes up: %v", err)
	}
	// What waiting does not help is said at once.
	start := time.Now()
	if _, err := tryOpen(t, server.URL("nothere")); err == nil || time.Since(start) > 30*time.Second {
		t.Errorf("a database that is not there: %v after %s", err, time.Since(start))
	}
}

// F14, F15: the server crashes while we write. Until it is back, actions are refused; then the same
// store goes on, and every row it acknowledged is there.
func TestF15_ACrashOfTheServerLosesNothingAcknowledged(t *testing.T) {
	server := dbtest.StartPostgres(t)
	s := dbtest.Open(t, server.URL("postgres"))
	for round := range 3 {
		acknowledged := writeUntilRefused(t, s, server.Kill)
		if _, err := s.Audit().Append(t.Context(), scaled); !errors.Is(err, db.ErrUnavailable) && !errors.Is(err, db.ErrBusy) {
			t.Errorf("round %d, without a server: %v", round, err)
		}
		if err := s.Ping(t.Context()); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("round %d, ping without a server: %v", round, err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // F14: back within 5 s
		i, err := s.Audit().Append(ctx, scaled)
		cancel()
		if err != nil {
			t.Fatalf("round %d, with the server back: %v", round, err)
		}
		for _, id := range append(acknowledged, i.ID()) {
			if _, _, err := s.Audit().Entry(t.Context(), id); err != nil {
				t.Errorf("round %d: acknowledged and lost: %v", round, err)
			}
		}
		if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
			t.Errorf("round %d: %v", round, v.Findings)
		}
	}
}

// writeUntilRefused appends rows from several goroutines until each is refused, and calls crash in
// the midst of it.
func writeUntilRefused(t *testing.T, s *db.Store, crash func()) (acknowledged []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	enough := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				i, err := s.Audit().Append(t.Context(), scaled)
				if err != nil {
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, i.ID()); len(acknowledged) == 50 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	crash()
	all.Wait()
	return acknowledged
}

// F16: when all connections are taken, a caller is told within seconds.
func TestF16_AnExhaustedPoolIsBusy(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		hold := func(pool *sql.DB) (release func()) {
			var held []*sql.Conn
			for range pool.Stats().MaxOpenConnections {
				held = append(held, must[*sql.Conn](t)(pool.Conn(ctx)))
			}
			return func() {
				for _, c := range held {
					_ = c.Close()
				}
			}
		}
		releaseWriter, releaseReader := hold(s.Writer()), hold(s.Reader())
		var all sync.WaitGroup
		for what, try := range map[string]func() error{
			"write":     func() error { return s.Write(ctx, func(*db.Queries) error { return nil }) },
			"read one":  func() error { _, err := s.Read().CountUsers(ctx); return err },
			"read many": func() error { _, err := s.Read().Users(ctx); return err },
			"statement": func() error { _, err := s.Read().TouchToken(ctx, 1, 1, ""); return err },
			"audit":     func() error { _, err := s.Audit().Append(ctx, scaled); return err },
		} {
			all.Go(func() {
				start := time.Now()
				if err := try(); !errors.Is(err, db.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", what, err)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("%s: told after %s", what, took)
				}
			})
		}
		all.Wait()
		releaseWriter()
		releaseReader()
		act(t, s, scaled, db.Outcome{})
		if err := s.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

// What was committed is on disk, whatever the database's own defaults are.
func TestCommitsAreDurable(t *testing.T) {
	setting := func(s *db.Store, query, want string) {
		t.Helper()
		var got string
		if err := s.Writer().QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s says %q, %v; want %q", query, got, err, want)
		}
	}
	s := dbtest.SQLite(t)
	setting(s, "PRAGMA journal_mode", "wal")
	setting(s, "PRAGMA synchronous", "2") // FULL
	setting(s, "PRAGMA foreign_keys", "1")
	url := dbtest.PostgresURL(t)
	careless := dbtest.Open(t, url)
	if _, err := careless.Writer().ExecContext(t.Context(), "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET synchronous_commit = off'; END $$"); err != nil {
		t.Fatal(err)
	}
	again := dbtest.Open(t, url, func(c *db.Config) { c.Keys = careless.Keys() })
	setting(again, "SHOW synchronous_commit", "on")
}

func TestErrorsOfPostgreSQLHaveOurNames(t *testing.T) {
	s := dbtest.Open(t, dbtest.PostgresURL(t))
	for code, want := range map[string]error{
		"23505": db.ErrConflict, "23503": db.ErrConflict, "40001": db.ErrBusy, "40P01": db.ErrBusy, "55P03": db.ErrBusy, "53300": db.ErrBusy,
		"53100": db.ErrFull, "XX001": db.ErrCorrupt, "XX002": db.ErrCorrupt, "57P03": db.ErrUnavailable, "08006": db.ErrUnavailable,
		"25006": db.ErrUnavailable,
	} {
		_, err := s.Writer().ExecContext(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '"+code+"'; END $$")
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
	}
	_, err := s.Writer().ExecContext(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '22012'; END $$")
	for _, other := range []error{db.ErrConflict, db.ErrBusy, db.ErrFull, db.ErrCorrupt, db.ErrUnavailable} {
		if err == nil || errors.Is(err, other) {
			t.Errorf("a division by zero: %v, is %v", err, other)
		}
	}
}
