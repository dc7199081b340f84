package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tiga/migrations"
)

const (
	// sqliteBusy is how long SQLite waits for a lock that another process holds.
	sqliteBusy = 5 * time.Second
	// sqliteCheck bounds the look at the structure of the file at start. A file that is too large to be
	// read in this time is opened all the same; damage is then found when it is met.
	sqliteCheck = 10 * time.Second
)

// openSQLite opens the file, makes sure that no other process has it, and looks for damage.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	path, err := s.sqliteFile(path)
	if err != nil {
		return err
	}
	s.engine, s.file = migrations.SQLite, path
	adapt := func(err error) error { return sqliteError(path, err) }
	readers := max(4, runtime.GOMAXPROCS(0))
	s.reader = s.sqlitePool(adapt, sqliteURL(path, url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)"}}), readers)
	if !s.readOnly {
		s.writer = s.sqlitePool(adapt, sqliteURL(path, url.Values{
			"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "recursive_triggers(1)"},
			"_txlock": {"immediate"},
		}), 1)
		if err := s.writer.PingContext(ctx); err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
	}
	return s.checkSQLite(ctx)
}

// sqliteFile makes the file private and takes the lock that keeps other processes away. The lock is
// on a file beside it: closing any handle of the database itself would drop SQLite's own locks.
func (s *Store) sqliteFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, err)
	}
	if s.readOnly {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("open %s: %w: %w", path, ErrUnavailable, err)
		}
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("open %s: %w: %w", path, ErrUnavailable, err)
	}
	// The same file by another name must meet the same lock.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("open %s: %w: %w", path, ErrUnavailable, err)
	}
	s.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", fmt.Errorf("open %s: %w; stop it first, or give this one another data directory", path, ErrLocked)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("open %s: %w: %w", path, ErrUnavailable, err)
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return "", fmt.Errorf("open %s: %w: %w", path, ErrUnavailable, err)
	}
	return path, nil
}

func sqliteURL(path string, params url.Values) string {
	params.Set("_busy_timeout", strconv.FormatInt(sqliteBusy.Milliseconds(), 10))
	u := url.URL{Scheme: "file", Path: path, RawQuery: params.Encode()}
	return u.String()
}

func (s *Store) sqlitePool(adapt func(error) error, dsn string, size int) *sql.DB {
	d := &sqlite.Driver{}
	pool := sql.OpenDB(&connector{
		name: d, adapt: adapt, stats: &s.queries,
		open: func(context.Context) (driver.Conn, error) { return d.Open(dsn) },
	})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool
}

func (s *Store) checkSQLite(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, sqliteCheck)
	defer cancel()
	var found string
	err := s.reader.QueryRowContext(limited, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case err == nil && found == "ok":
		return nil
	case err == nil:
		return fmt.Errorf("open %s: %w: %s", s.file, ErrCorrupt, found)
	case limited.Err() != nil && ctx.Err() == nil:
		s.log.WarnContext(ctx, "database file is too large to be checked at start", "file", s.file)
		return nil
	default:
		return fmt.Errorf("open %s: %w", s.file, err)
	}
}

// sqliteError says in the package's words what SQLite says in codes.
func sqliteError(path string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch code := e.Code(); code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	default:
		switch code & 0xff { // the low byte is the family of an extended code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%w: %w", ErrBusy, err)
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%s: %w: %w", path, ErrFull, err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			return fmt.Errorf("%s: %w: %w", path, ErrUnavailable, err)
		}
		return err
	}
}
