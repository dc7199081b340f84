package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// changesChannel is what the triggers of migration 2 notify.
	changesChannel = "tiga_changes"
	// changesCheck is how often a connection on which nothing was heard is asked whether it lives.
	changesCheck = time.Minute
	// changesRetry is the pause before a connection that broke is made anew.
	changesRetry = time.Second
)

// Changes returns a channel that gets a value when rights or clusters were changed by any process on
// the same PostgreSQL, several changes joined, and whenever changes may have been missed: at the
// beginning, and after a connection broke. It ends with ctx. With SQLite, which one process has for
// itself, nothing ever comes.
//
// A pooler in transaction mode lets nothing through either, so whoever listens looks now and then
// without being told.
func (s *Store) Changes(ctx context.Context) <-chan struct{} {
	if s.listen == nil {
		return nil
	}
	changes := make(chan struct{}, 1)
	tell := func() {
		select {
		case changes <- struct{}{}:
		default: // a change that was not looked at yet covers this one
		}
	}
	go func() {
		told := false
		for {
			err := s.hear(ctx, func() { told = false; tell() })
			if ctx.Err() != nil {
				return
			}
			if !told { // not once a second
				s.log.WarnContext(ctx, "changes by other replicas are heard late: the connection that listens broke", "error", err)
				told = true
			}
			select {
			case <-time.After(changesRetry):
			case <-ctx.Done():
				return
			}
		}
	}()
	return changes
}

// hear listens until the connection breaks.
func (s *Store) hear(ctx context.Context, tell func()) error {
	c, err := pgx.ConnectConfig(ctx, s.listen.Copy())
	if err != nil {
		return fmt.Errorf("listen for changes: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+changesChannel); err != nil {
		return fmt.Errorf("listen for changes: %w", err)
	}
	for {
		tell() // at first for what happened before it could be heard
		if err := s.await(ctx, c); err != nil {
			return fmt.Errorf("listen for changes: %w", err)
		}
	}
}

// await returns when something was heard.
func (s *Store) await(ctx context.Context, c *pgx.Conn) error {
	for {
		limited, cancel := context.WithTimeout(ctx, changesCheck)
		_, err := c.WaitForNotification(limited)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		limited, cancel = context.WithTimeout(ctx, changesCheck)
		err = c.Ping(limited)
		cancel()
		if err != nil {
			return err
		}
	}
}
