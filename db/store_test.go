package db_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

func tryOpen(tb testing.TB, url string, options ...dbtest.Option) (*db.Store, error) {
	tb.Helper()
	c := db.Config{URL: url, Keys: seal.NewKeyring(dbtest.Key(tb))}
	for _, o := range options {
		o(&c)
	}
	s, err := db.Open(tb.Context(), c)
	if err == nil {
		tb.Cleanup(func() { s.Close() })
	}
	return s, err
}

func TestAURLThatNamesNoDatabaseIsRefused(t *testing.T) {
	for url, want := range map[string]string{
		"":                                      "is empty",
		"mysql://root@db/tiga":                  `starts with "mysql://"`,
		"sqlite:":                               "names no file",
		":memory:":                              "names no file",
		"a\x00b":                                "names no file",
		"postgres://tiga:hunter2@db:notaport/x": "database URL",
	} {
		_, err := tryOpen(t, url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
	if _, err := db.Open(t.Context(), db.Config{URL: dbtest.SQLiteURL(t)}); !errors.Is(err, db.ErrKeys) {
		t.Errorf("without keys: %v", err)
	}
}

func TestSQLiteFilesAreForTheirOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data dir", "with ?#% in it")
	path := filepath.Join(dir, "tiga.db")
	s := dbtest.Open(t, "sqlite:"+path)
	createUser(t, s, "ada")
	n := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		n++
		return err
	})
	if err != nil || n < 5 {
		t.Errorf("%d files, %v; want the database, its log and its lock", n, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestASecondProcessOnTheSameFileIsRefused(t *testing.T) {
	path := dbtest.SQLiteURL(t)
	s := dbtest.Open(t, path)
	link := filepath.Join(t.TempDir(), "alias.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		_, err := tryOpen(t, name)
		if !errors.Is(err, db.ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("second opener by %s: %v", name, err)
		}
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("the first one suffers: %v", err)
	}
}

func TestReadingBesideARunningProcess(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		readOnly := func(c *db.Config) { c.ReadOnly = true }
		s := open()
		act(t, s, scaled, db.Outcome{})
		beside := open(readOnly)
		if v := verify(t, beside, db.VerifyOptions{}); !v.OK() || v.Rows != 2 {
			t.Errorf("verified %+v", v)
		}
		act(t, s, scaled, db.Outcome{})
		if v := verify(t, beside, db.VerifyOptions{}); v.Rows != 4 {
			t.Errorf("sees %d rows, want 4", v.Rows)
		}
		_, appended := beside.Audit().Append(t.Context(), scaled)
		_, _, checkpoint := beside.Audit().Checkpoint(t.Context())
		wrote := beside.Write(t.Context(), func(*db.Queries) error { return nil })
		for what, err := range map[string]error{"append": appended, "checkpoint": checkpoint, "write": wrote} {
			if !errors.Is(err, db.ErrReadOnly) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	if _, err := tryOpen(t, dbtest.SQLiteURL(t), func(c *db.Config) { c.ReadOnly = true }); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("no file to read: %v", err)
	}
	if _, err := tryOpen(t, dbtest.PostgresURL(t), func(c *db.Config) { c.ReadOnly = true }); !errors.Is(err, db.ErrOlder) {
		t.Errorf("nothing migrated to read: %v", err)
	}
}

func TestReadRefusesChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		if err := s.Read().SetMeta(t.Context(), "a", "b"); err == nil {
			t.Error("a change went through Read")
		}
		if _, err := s.Read().Meta(t.Context(), "a"); !errors.Is(err, db.ErrNotFound) {
			t.Error("and it was stored")
		}
	})
}

func TestAWriteThatFailsLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		own := errors.New("changed my mind")
		err := s.Write(ctx, func(q *db.Queries) error { return errors.Join(q.SetMeta(ctx, "a", "b"), own) })
		if !errors.Is(err, own) {
			t.Errorf("error %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.Write(ctx, func(q *db.Queries) error {
				_ = q.SetMeta(ctx, "a", "b")
				panic("bug")
			})
		}()
		ended, cancel := context.WithCancel(ctx)
		err = s.Write(ended, func(q *db.Queries) error {
			defer cancel()
			return q.SetMeta(ctx, "a", "b")
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if v, err := s.Read().Meta(ctx, "a"); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("stored %q, %v", v, err)
		}
		write(t, s, func(q *db.Queries) error { return q.SetMeta(ctx, "a", "b") })
	})
}

// F29: with a wrong key, or none, the store does not open, and nothing in it changes.
func TestF29_AWrongKeyIsRefusedAndNothingIsOverwritten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		key, other := dbtest.Key(t), dbtest.Key(t)
		var url string
		ring := seal.NewKeyring(key)
		s := open(func(c *db.Config) { url, c.Keys = c.URL, ring })
		made := createCluster(t, s, newCluster("prod"), "token")
		metas := func(s *db.Store) string {
			return must[string](t)(s.Read().Meta(t.Context(), "canary:"+key.ID().String()))
		}
		canary := metas(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := tryOpen(t, url, func(c *db.Config) { c.Keys = seal.NewKeyring(other) })
		if !errors.Is(err, db.ErrKeys) || !errors.Is(err, seal.ErrUnknownKey) || !strings.Contains(err.Error(), key.ID().String()) {
			t.Errorf("error %v does not name the key %s", err, key.ID())
		}
		s = open(func(c *db.Config) { c.Keys = seal.NewKeyring(other, key) })
		if got := metas(s); got != canary {
			t.Error("the canary was written again")
		}
		if _, err := s.Read().Meta(t.Context(), "canary:"+other.ID().String()); err != nil {
			t.Errorf("the new key has no canary: %v", err)
		}
		if got := must[[]byte](t)(s.ClusterCredentials(t.Context(), made.ID)); string(got) != "token" {
			t.Errorf("credentials %q", got)
		}
		if _, err := s.Writer().ExecContext(t.Context(), "UPDATE meta SET value = 'AQ==' WHERE key LIKE 'canary:%'"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := tryOpen(t, url, func(c *db.Config) { c.Keys = seal.NewKeyring(other, key) }); !errors.Is(err, db.ErrKeys) {
			t.Errorf("with damaged canaries: %v", err)
		}
	})
}

func TestAKeyFileIsMadeForANewSQLiteFileAlone(t *testing.T) {
	dir := t.TempDir()
	path, key := filepath.Join(dir, "tiga.db"), filepath.Join(dir, "tiga.key")
	ensure := func(url string, want bool) {
		t.Helper()
		if created, err := db.EnsureKeyFile(url, key); err != nil || created != want {
			t.Errorf("%s: created %t, %v; want %t", url, created, err, want)
		}
	}
	ensure("postgres://tiga@db/tiga", false)
	ensure(path, true)
	ensure(path, false)
	s := dbtest.Open(t, path, func(c *db.Config) { c.Keys = must[*seal.Keyring](t)(seal.ReadKeyring(key)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	ensure(path, false) // the key of this database is lost; a new one would hide that
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		var url string
		var ring *seal.Keyring
		s := open(func(c *db.Config) { url, ring = c.URL, c.Keys })
		if _, err := s.Writer().ExecContext(t.Context(), "INSERT INTO schema_version (version_id, is_applied) VALUES (99999, TRUE)"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := tryOpen(t, url, func(c *db.Config) { c.Keys = ring }); !errors.Is(err, db.ErrNewer) {
			t.Errorf("error %v", err)
		}
	})
}

func TestStatsNameTheQueries(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		_, missing := s.Read().Meta(t.Context(), "none")
		if !errors.Is(missing, db.ErrNotFound) {
			t.Fatal(missing)
		}
		before := s.Stats()
		for range 3 {
			_, _ = s.Read().CountUsers(t.Context())
		}
		_ = s.Read().SetMeta(t.Context(), "a", "b")
		stats := s.Stats()
		if stats.Reader.MaxOpenConnections < 4 || stats.Writer.MaxOpenConnections < 1 {
			t.Errorf("pools %+v %+v", stats.Reader, stats.Writer)
		}
		count := func(stats db.Stats, name string) (q db.QueryStat) {
			for _, s := range stats.Queries {
				if s.Name == name {
					q = s
				}
			}
			return q
		}
		q := count(stats, "CountUsers")
		if q.Count != 3 || q.Errors != 0 || q.Total <= 0 || q.Buckets[len(q.Buckets)-1] != 3 || q.Buckets[0] > q.Buckets[1] {
			t.Errorf("CountUsers %+v", q)
		}
		if n := count(stats, "SetMeta").Errors - count(before, "SetMeta").Errors; n != 1 {
			t.Errorf("%d errors of SetMeta, want 1", n)
		}
	})
}

// A25: what the store returns can be printed, logged and marshalled without giving secrets away.
func TestA25_SecretsOfTheStoreHaveNoPrintableForm(t *testing.T) {
	s := dbtest.SQLite(t)
	u := createUser(t, s, "ada") // its hash is "hash of ada"
	sealed := must[db.Sealed](t)(s.Seal([]byte("token")))
	var b bytes.Buffer
	printAll(t, &b, u, u.PasswordHash, sealed)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "user", u, "hash", u.PasswordHash, "sealed", sealed)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "user", u, "hash", u.PasswordHash, "sealed", sealed)
	if strings.Contains(b.String(), "hash of ada") || strings.Contains(b.String(), "token") {
		t.Errorf("shown in %s", b.String())
	}
	if u.PasswordHash.Reveal() != "hash of ada" {
		t.Errorf("the hash is %q", u.PasswordHash.Reveal())
	}
}
