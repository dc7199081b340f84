package db

import (
	"context"
	"fmt"
)

// MaxSessions is how many sessions one user may have; the ones used longest ago make room.
const MaxSessions = 10

// NewSession is a session that begins.
type NewSession struct {
	IDHash        []byte // SHA-256 of the id that the browser gets
	UserID        int64
	Class         string // top or embedded
	TopOrigin     string
	AuthMethod    string
	Now           int64
	ExpiresAt     int64
	StepUpAt      int64
	PolicyVersion int64
	IP            string
	UserAgent     string
	Data          string
}

// CreateSession begins a session, notes the sign-in, and ends the user's sessions beyond
// MaxSessions. Two sign-ins of one user wait for each other, so the limit holds.
func (q *Queries) CreateSession(ctx context.Context, n NewSession) (Session, error) {
	if err := found(q.touchLogin(ctx, n.UserID, n.Now)); err != nil {
		return Session{}, fmt.Errorf("create session: %w", err)
	}
	session, err := q.insertSession(ctx, insertSessionParams(n))
	if err != nil {
		return Session{}, fmt.Errorf("create session: %w", err)
	}
	if _, err := q.deleteOldestSessions(ctx, n.UserID, MaxSessions); err != nil {
		return Session{}, fmt.Errorf("create session: %w", err)
	}
	return session, nil
}

// SetUserGroups changes the groups of a user, and with them the rights.
func (q *Queries) SetUserGroups(ctx context.Context, id int64, groups []string, now int64) (User, error) {
	if err := q.bump(ctx); err != nil {
		return User{}, err
	}
	user, err := q.setUserGroups(ctx, id, groups, now)
	return user, wrap("set groups of user", err)
}

// DisableUser keeps a user from signing in and ends what they have open. Their tokens stop working
// too, as long as the user is disabled.
func (q *Queries) DisableUser(ctx context.Context, id, now int64) (User, error) {
	if err := q.bump(ctx); err != nil {
		return User{}, err
	}
	user, err := q.setUserDisabled(ctx, id, true, now)
	if err != nil {
		return User{}, fmt.Errorf("disable user: %w", err)
	}
	_, err = q.DeleteSessionsOfUser(ctx, id)
	return user, wrap("disable user", err)
}

// EnableUser lets a disabled user sign in again.
func (q *Queries) EnableUser(ctx context.Context, id, now int64) (User, error) {
	if err := q.bump(ctx); err != nil {
		return User{}, err
	}
	user, err := q.setUserDisabled(ctx, id, false, now)
	return user, wrap("enable user", err)
}

// DeleteUser removes a user with sessions, tokens and bindings, so that somebody who gets the name
// later does not get the rights.
func (q *Queries) DeleteUser(ctx context.Context, id int64) (User, error) {
	if err := q.bump(ctx); err != nil {
		return User{}, err
	}
	user, err := q.deleteUser(ctx, id)
	if err != nil {
		return User{}, fmt.Errorf("delete user: %w", err)
	}
	_, err = q.removeBindingsOfSubject(ctx, "user", user.Name)
	return user, wrap("delete user", err)
}

// found makes ErrNotFound of a change that met no row.
func found(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrNotFound
	}
	return err
}
