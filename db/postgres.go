package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"tiga/migrations"
)

const (
	postgresWriters = 4
	postgresReaders = 8
	// postgresRetry is the pause between two attempts to reach a server that is not up yet.
	postgresRetry = 500 * time.Millisecond
	// advisoryClass sets Tiga's advisory locks apart from others in the same database: "tiga" in ASCII.
	// Object 0 is held while migrating, object n by the process that appends to audit chain n.
	advisoryClass   = 0x74696761
	advisoryMigrate = 0
)

// openPostgres makes the pools and waits, for a bounded time, until the server answers. Locks are
// held by a connection of their own, so the server must be reached directly or through a pooler in
// session mode.
func (s *Store) openPostgres(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database URL: %w", err) // pgx leaves the password out
	}
	s.engine = migrations.Postgres
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	s.listen = config.Copy()
	s.listen.RuntimeParams["application_name"] = "tiga"
	pool := func(size int, params map[string]string) *sql.DB {
		c := config.Copy()
		c.RuntimeParams["application_name"] = "tiga"
		maps.Copy(c.RuntimeParams, params)
		inner := stdlib.GetConnector(*c)
		p := sql.OpenDB(&connector{
			name: inner.Driver(), adapt: postgresError, stats: &s.queries,
			open: func(ctx context.Context) (driver.Conn, error) { return inner.Connect(ctx) },
		})
		p.SetMaxOpenConns(size)
		p.SetMaxIdleConns(size)
		p.SetConnMaxIdleTime(5 * time.Minute)
		return p
	}
	s.reader = pool(postgresReaders, map[string]string{"default_transaction_read_only": "on"})
	if !s.readOnly {
		// Whatever the server's default is: what was committed is on its disk.
		s.writer = pool(postgresWriters, map[string]string{"synchronous_commit": "on"})
		s.locks = pool(1, nil)
	}
	return s.awaitPostgres(ctx)
}

func (s *Store) awaitPostgres(ctx context.Context) error {
	deadline := time.NewTimer(s.startTimeout)
	defer deadline.Stop()
	told := false
	for {
		err := s.reader.PingContext(ctx)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return wrap("connect to the database", err)
		}
		if !told {
			s.log.WarnContext(ctx, "waiting for the database", "error", err, "for", s.startTimeout)
			told = true
		}
		select {
		case <-time.After(postgresRetry):
		case <-deadline.C:
			return fmt.Errorf("connect to the database: gave up after %s: %w", s.startTimeout, err)
		case <-ctx.Done():
			return fmt.Errorf("connect to the database: %w", ctx.Err())
		}
	}
}

// migrationLock keeps other processes from migrating until it is released; they wait in Open.
func (s *Store) migrationLock(ctx context.Context) (release func(), err error) {
	if s.engine == migrations.SQLite {
		return func() {}, nil // the file lock keeps everybody else out
	}
	c, err := s.locks.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for the migration lock: %w", err)
	}
	if _, err := c.ExecContext(ctx, "SELECT pg_advisory_lock($1, $2)", advisoryClass, advisoryMigrate); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the migration lock: %w", err), c.Close())
	}
	return func() {
		// If this fails the connection is gone, and the lock with it.
		_, _ = c.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", advisoryClass, advisoryMigrate)
		_ = c.Close()
	}, nil
}

// postgresError says in the package's words what PostgreSQL says in codes.
func postgresError(err error) error {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &e):
		if kind := postgresKind(e.Code); kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
		return err
	case errors.As(err, &connect), errors.Is(err, driver.ErrBadConn), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, context.DeadlineExceeded): // also a net.Error, but the caller's own limit
		return err
	case errors.As(err, &network), pgconn.SafeToRetry(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func postgresKind(code string) error {
	switch code {
	case "23505", "23503": // unique_violation, foreign_key_violation
		return ErrConflict
	case "40001", "40P01", "55P03", "53300": // serialization, deadlock, lock_not_available, too_many_connections
		return ErrBusy
	case "53100": // disk_full
		return ErrFull
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return ErrCorrupt
	case "57P01", "57P02", "57P03", "57P05", "25006": // shutdown, crash, starting, idle timeout, a standby
		return ErrUnavailable
	}
	if code[:2] == "08" { // connection exceptions
		return ErrUnavailable
	}
	return nil
}
