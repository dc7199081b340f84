package db_test

import (
	"bytes"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
)

const idle = 30 * minute

func newSession(u db.User, id string, at int64) db.NewSession {
	return db.NewSession{
		IDHash: hash(id), UserID: u.ID, Class: "top", AuthMethod: "password", Now: at, ExpiresAt: at + 720*minute, StepUpAt: at,
		PolicyVersion: 3, IP: "192.0.2.7", UserAgent: "curl", Data: `{"theme":"dark"}`,
	}
}

func createSession(tb testing.TB, s *db.Store, n db.NewSession) db.Session {
	tb.Helper()
	var session db.Session
	write(tb, s, func(q *db.Queries) (err error) {
		session, err = q.CreateSession(tb.Context(), n)
		return err
	})
	return session
}

func sessions(t *testing.T, s *db.Store) {
	u := createUser(t, s, "sess")
	t.Run("find and expire", func(t *testing.T) { sessionLife(t, s, u) })
	t.Run("A04 rotation", func(t *testing.T) { sessionRotation(t, s, u) })
	t.Run("ten at most", func(t *testing.T) { sessionLimit(t, s, u) })
	t.Run("ending them", func(t *testing.T) { sessionEnds(t, s, u) })
}

func sessionLife(t *testing.T, s *db.Store, u db.User) {
	ctx, q := t.Context(), s.Read()
	before := must[int64](t)(q.CountSignedIn(ctx))
	made := createSession(t, s, newSession(u, "one", now))
	if n := must[int64](t)(q.CountSignedIn(ctx)); n != before+1 {
		t.Errorf("%d have signed in, and %d had", n, before)
	}
	want := db.Session{
		ID: made.ID, IDHash: hash("one"), UserID: u.ID, Class: "top", AuthMethod: "password", CreatedAt: now, LastSeenAt: now, RotatedAt: now,
		ExpiresAt: now + 720*minute, StepUpAt: now, PolicyVersion: 3, IP: "192.0.2.7", UserAgent: "curl", Data: `{"theme":"dark"}`,
	}
	if diff := cmp.Diff(want, must[db.Session](t)(q.SessionByHash(ctx, hash("one"), now, now-idle))); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	if u := must[db.User](t)(q.User(ctx, u.ID)); u.LastLoginAt != now {
		t.Errorf("last sign-in %d, want %d", u.LastLoginAt, now)
	}
	at := now + 20*minute
	write(t, s, func(q *db.Queries) error {
		if _, err := q.TouchSession(ctx, db.TouchSessionParams{ID: made.ID, Now: at, IP: "192.0.2.8", PolicyVersion: 4}); err != nil {
			return err
		}
		// A request that began earlier and ends later must not set the clock back.
		n, err := q.TouchSession(ctx, db.TouchSessionParams{ID: made.ID, Now: at - 1, IP: "192.0.2.9"})
		if n != 0 {
			t.Error("touched backwards")
		}
		if _, err := q.StepUpSession(ctx, made.ID, at+1); err != nil {
			return err
		}
		_, err2 := q.SetSessionData(ctx, made.ID, "{}")
		return errors.Join(err, err2)
	})
	want.LastSeenAt, want.IP, want.PolicyVersion, want.StepUpAt, want.Data = at, "192.0.2.8", 4, at+1, "{}"
	if diff := cmp.Diff(want, must[db.Session](t)(q.SessionByHash(ctx, hash("one"), at, at-idle))); diff != "" {
		t.Errorf("touched (-want +got):\n%s", diff)
	}
	for name, when := range map[string]int64{"idle": at + idle, "absolute": now + 720*minute} {
		if _, err := q.SessionByHash(ctx, hash("one"), when, when-idle); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	expire := func(at, want int64) {
		write(t, s, func(q *db.Queries) error {
			n, err := q.ExpireSessions(ctx, at, at-idle)
			if n != want {
				t.Errorf("expired %d, want %d", n, want)
			}
			return err
		})
	}
	expire(at+idle-1, 0)
	expire(at+idle, 1)
}

func sessionRotation(t *testing.T, s *db.Store, u db.User) {
	ctx, q := t.Context(), s.Read()
	made := createSession(t, s, newSession(u, "old", now))
	at := now + 10*minute
	rotate := func(from, to string) (r db.Session, err error) {
		err = s.Write(ctx, func(q *db.Queries) (err error) {
			r, err = q.RotateSession(ctx, db.RotateSessionParams{IDHash: hash(from), NewIDHash: hash(to), Now: at, OverlapUntil: at + minute/2})
			return err
		})
		return r, err
	}
	r, err := rotate("old", "new")
	if err != nil || r.ID != made.ID || !bytes.Equal(r.IDHash, hash("new")) || r.RotatedAt != at {
		t.Fatalf("rotated to %+v, %v", r, err)
	}
	if _, err := rotate("old", "other"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("rotated by the old id: %v", err)
	}
	find := func(id string, at int64) error {
		_, err := q.SessionByHash(ctx, hash(id), at, at-idle)
		return err
	}
	if err := errors.Join(find("new", at), find("old", at), find("old", at+minute/2-1)); err != nil {
		t.Errorf("within the overlap: %v", err)
	}
	if err := find("old", at+minute/2); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the old id after the overlap: %v", err)
	}
	if err := find("new", at+minute/2); err != nil {
		t.Errorf("the new id after the overlap: %v", err)
	}
	write(t, s, func(q *db.Queries) error {
		n, err := q.DeleteSessionByHash(ctx, hash("old"))
		if n != 1 {
			t.Errorf("signing out by the old id ended %d sessions", n)
		}
		return err
	})
	if err := find("new", at); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("after signing out: %v", err)
	}
}

func sessionLimit(t *testing.T, s *db.Store, u db.User) {
	for i := range int64(db.MaxSessions + 3) {
		createSession(t, s, newSession(u, "s"+strconv.FormatInt(i, 10), now+i))
	}
	list := must[[]db.Session](t)(s.Read().SessionsOfUser(t.Context(), u.ID))
	if len(list) != db.MaxSessions || list[0].CreatedAt != now+12 || list[9].CreatedAt != now+3 {
		t.Errorf("%d sessions, from %d to %d; want the %d newest", len(list), list[0].CreatedAt-now, list[len(list)-1].CreatedAt-now, db.MaxSessions)
	}
}

func sessionEnds(t *testing.T, s *db.Store, u db.User) {
	ctx := t.Context()
	other := createUser(t, s, "other")
	foreign := createSession(t, s, newSession(other, "foreign", now))
	list := must[[]db.Session](t)(s.Read().SessionsOfUser(ctx, u.ID))
	count := func(name string, want int) {
		t.Helper()
		if n := len(must[[]db.Session](t)(s.Read().SessionsOfUser(ctx, u.ID))); n != want {
			t.Errorf("%s: %d sessions left, want %d", name, n, want)
		}
	}
	write(t, s, func(q *db.Queries) error {
		n, err := q.DeleteSession(ctx, foreign.ID, u.ID)
		if n != 0 {
			t.Error("ended the session of somebody else")
		}
		if err != nil {
			return err
		}
		_, err = q.DeleteSession(ctx, list[0].ID, u.ID)
		return err
	})
	count("one ended", db.MaxSessions-1)
	write(t, s, func(q *db.Queries) error {
		_, err := q.DeleteOtherSessions(ctx, u.ID, list[1].ID)
		return err
	})
	count("all others ended", 1)
	createSession(t, s, newSession(u, "again", now))
	write(t, s, func(q *db.Queries) error {
		_, err := q.DeleteSessionsOfUser(ctx, u.ID)
		return err
	})
	count("signed out everywhere", 0)
	createSession(t, s, newSession(u, "disabled", now))
	write(t, s, func(q *db.Queries) error {
		_, err := q.DisableUser(ctx, u.ID, now)
		return err
	})
	count("disabled", 0)
	createSession(t, s, newSession(u, "deleted", now))
	write(t, s, func(q *db.Queries) error {
		_, err := q.DeleteUser(ctx, u.ID)
		return err
	})
	count("deleted", 0)
	if n := len(must[[]db.Session](t)(s.Read().SessionsOfUser(ctx, other.ID))); n != 1 {
		t.Errorf("the other user has %d sessions, want 1", n)
	}
	err := s.Write(ctx, func(q *db.Queries) error {
		_, err := q.CreateSession(ctx, newSession(u, "ghost", now))
		return err
	})
	if !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a session for a deleted user: %v", err)
	}
}

func logins(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	record := func(bucket string, at int64) db.LoginFailure {
		var f db.LoginFailure
		write(t, s, func(q *db.Queries) (err error) {
			f, err = q.RecordLoginFailure(ctx, bucket, at, at-10*minute)
			return err
		})
		return f
	}
	for i := range int64(3) {
		want := db.LoginFailure{Bucket: "user:ada", Count: i + 1, FirstAt: now, LastAt: now + i*minute}
		if diff := cmp.Diff(want, record("user:ada", now+i*minute)); diff != "" {
			t.Errorf("failure %d (-want +got):\n%s", i, diff)
		}
	}
	// A07: failures of 10,000 other names leave this one's count alone. Here some of them do.
	for i := range 20 {
		record("user:"+strconv.Itoa(i), now+2*minute)
	}
	if f := must[db.LoginFailure](t)(q.LoginFailures(ctx, "user:ada")); f.Count != 3 {
		t.Errorf("count %d after others failed, want 3", f.Count)
	}
	if f := record("user:ada", now+13*minute); f.Count != 1 || f.FirstAt != now+13*minute {
		t.Errorf("after a quiet time: %+v", f)
	}
	write(t, s, func(q *db.Queries) error {
		n, err := q.PruneLoginFailures(ctx, now+3*minute)
		if n != 20 {
			t.Errorf("pruned %d, want 20", n)
		}
		return err
	})
	write(t, s, func(q *db.Queries) error {
		_, err := q.ResetLoginFailures(ctx, "user:ada")
		return err
	})
	if _, err := q.LoginFailures(ctx, "user:ada"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("after a reset: %v", err)
	}
}
