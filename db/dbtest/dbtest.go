// Package dbtest opens stores for tests: SQLite in a temporary directory, and PostgreSQL on a server
// that is started once for a test process and ends with it.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"tiga/db"
	"tiga/db/seal"
	"tiga/migrations"
)

// Option changes how a store is opened.
type Option func(*db.Config)

// Key makes a random key.
func Key(t testing.TB) *seal.Key {
	t.Helper()
	b := make([]byte, 32)
	rand.Read(b)
	k, err := seal.NewKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Open opens a store and closes it when the test ends. Without a key in the options it gets a new
// one.
func Open(t testing.TB, url string, options ...Option) *db.Store {
	t.Helper()
	c := db.Config{URL: url}
	for _, o := range options {
		o(&c)
	}
	if c.Keys == nil {
		c.Keys = seal.NewKeyring(Key(t))
	}
	s, err := db.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// SQLite opens a new store in a directory of its own. It is the fast way to a real store.
func SQLite(t testing.TB, options ...Option) *db.Store {
	t.Helper()
	return Open(t, MigratedURL(t), options...)
}

// SQLiteURL is a path at which no database is yet.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "tiga.db")
}

// MigratedURL is the path of a database that has the schema and nothing in it.
func MigratedURL(t testing.TB) string {
	t.Helper()
	data, err := migrated()
	if err != nil {
		t.Fatalf("migrate a database: %v", err)
	}
	path := SQLiteURL(t)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// migrated is the file that the migrations make. They take longer than most tests, so each process runs them once.
var migrated = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "tiga-dbtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiga.db")
	d, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	p, err := migrations.New(migrations.SQLite, d)
	if err == nil {
		_, err = p.Up(context.Background())
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Each runs a test on SQLite and on PostgreSQL. open opens a store; called again in the same test it
// opens the same database, as another process would; on SQLite the first must be closed by then.
func Each(t *testing.T, test func(t *testing.T, open func(...Option) *db.Store)) {
	t.Helper()
	for _, engine := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", MigratedURL}, {"postgres", PostgresURL}} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			url := engine.url(t)
			keys := seal.NewKeyring(Key(t))
			test(t, func(options ...Option) *db.Store {
				t.Helper()
				all := append([]Option{func(c *db.Config) { c.URL, c.Keys = url, keys }}, options...)
				return Open(t, url, all...)
			})
		})
	}
}
