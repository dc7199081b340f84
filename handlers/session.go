package handlers

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
)

// The life of a session; security.md of the project's rules: idle 30 minutes, 12 hours at most, a new id every hour.
const (
	sessionIdle     = 30 * time.Minute
	sessionLife     = 12 * time.Hour
	sessionRotation = time.Hour
	sessionOverlap  = 30 * time.Second
	// touchEvery bounds how often a page view writes to the store.
	touchEvery = time.Minute
)

// sessionClassTop is a session of a page of its own, as against one in a portal's frame.
const sessionClassTop = "top"

// rowValue is the key of a gorilla session's value that holds the stored row.
const rowValue = "row"

// session is a stored session with its user.
type session struct {
	row  db.Session
	user db.User
}

// ref names a session in the audit log without being of use to anybody: 16 hex digits of the hash of its id.
func (s *session) ref() string {
	if s == nil {
		return ""
	}
	return hex.EncodeToString(s.row.IDHash[:8])
}

// sessionStore keeps sessions in the database behind gorilla's Store: the browser holds 256 random bits, the table
// their SHA-256. A cookie store could not sign anybody out.
type sessionStore struct {
	store *db.Store
	site  *guard.Site
	now   func() time.Time
}

var _ sessions.Store = (*sessionStore)(nil)

// Get returns the session of the request, cached in the request's registry.
func (st *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(st, name)
}

// New returns the stored session that the cookie names, or a new one. An id that the store does not know is never
// taken over.
func (st *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(st, name)
	s.IsNew = true
	id, err := st.site.SessionID(r)
	if err != nil || !access.IsSecret(id) {
		return s, nil //nolint:nilerr // a cookie that cannot be ours is no session
	}
	now := st.now()
	row, err := st.store.Read().SessionByHash(r.Context(), digest(id), now.UnixMicro(), now.Add(-sessionIdle).UnixMicro())
	switch {
	case errors.Is(err, db.ErrNotFound):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("read session: %w", err)
	}
	s.IsNew, s.ID = false, id
	s.Values[rowValue] = row
	return s, nil
}

// Save writes a new session with a new id, or ends one whose MaxAge is negative. Changes of a stored session are
// written where they happen.
func (st *sessionStore) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	row, _ := s.Values[rowValue].(db.Session)
	if s.Options != nil && s.Options.MaxAge < 0 {
		http.SetCookie(w, st.site.ExpiredCookie())
		if s.IsNew {
			return nil
		}
		return st.store.Write(r.Context(), func(q *db.Queries) error {
			_, err := q.DeleteSession(r.Context(), row.ID, row.UserID)
			return err
		})
	}
	if !s.IsNew {
		return nil
	}
	id, sum := access.NewSecret()
	now := st.now()
	err := st.store.Write(r.Context(), func(q *db.Queries) error {
		stored, err := q.CreateSession(r.Context(), db.NewSession{
			IDHash: sum[:], UserID: row.UserID, Class: row.Class, AuthMethod: row.AuthMethod, Now: now.UnixMicro(),
			ExpiresAt: now.Add(sessionLife).UnixMicro(), StepUpAt: row.StepUpAt, PolicyVersion: row.PolicyVersion,
			IP: row.IP, UserAgent: row.UserAgent,
		})
		s.Values[rowValue] = stored
		return err
	})
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	s.ID, s.IsNew = id, false
	st.hand(w, s.ID)
	return nil
}

// begin signs a user in: a new session with a new id, whatever cookie the browser came with.
func (st *sessionStore) begin(w http.ResponseWriter, r *http.Request, row db.Session) error {
	s := sessions.NewSession(st, st.site.SessionCookieName())
	s.IsNew = true
	s.Values[rowValue] = row
	return st.Save(r, w, s)
}

// end signs out.
func (st *sessionStore) end(w http.ResponseWriter, r *http.Request) error {
	s, err := st.Get(r, st.site.SessionCookieName())
	if err != nil {
		return err
	}
	s.Options = &sessions.Options{MaxAge: -1}
	return st.Save(r, w, s)
}

// load returns the request's session with its user; nil when there is none that counts.
func (st *sessionStore) load(r *http.Request) (*session, error) {
	s, err := st.Get(r, st.site.SessionCookieName())
	if err != nil || s.IsNew {
		return nil, err
	}
	row, _ := s.Values[rowValue].(db.Session)
	user, err := st.store.Read().User(r.Context(), row.UserID)
	switch {
	case errors.Is(err, db.ErrNotFound), err == nil && user.Disabled:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read user: %w", err)
	}
	return &session{row: row, user: user}, nil
}

// keep notes that the session is in use, and gives it a new id when it is due: every hour, and when rights changed.
func (st *sessionStore) keep(w http.ResponseWriter, r *http.Request, s *session, policy int64, ip string) error {
	now := st.now()
	old := time.UnixMicro(s.row.RotatedAt)
	id, err := st.site.SessionID(r)
	if err != nil {
		return err
	}
	current := bytes.Equal(digest(id), s.row.IDHash)
	rotate := current && (now.Sub(old) >= sessionRotation || s.row.PolicyVersion != policy)
	if !rotate && now.Sub(time.UnixMicro(s.row.LastSeenAt)) < touchEvery {
		return nil
	}
	fresh, sum := access.NewSecret()
	ctx, cancel := context.WithTimeout(r.Context(), storeBudget)
	defer cancel()
	row, rotated := s.row, false
	err = st.store.Write(ctx, func(q *db.Queries) error {
		if rotate {
			next, err := q.RotateSession(ctx, db.RotateSessionParams{
				IDHash: s.row.IDHash, NewIDHash: sum[:], Now: now.UnixMicro(), OverlapUntil: now.Add(sessionOverlap).UnixMicro(),
			})
			switch {
			case err == nil:
				row, rotated = next, true
			case !errors.Is(err, db.ErrNotFound): // another request rotated first: the old id holds for the overlap
				return err
			}
		}
		_, err := q.TouchSession(ctx, db.TouchSessionParams{ID: s.row.ID, Now: now.UnixMicro(), IP: ip, PolicyVersion: policy})
		return err
	})
	if err == nil && rotated { // an id that was not committed must not reach the browser
		s.row = row
		st.hand(w, fresh)
	}
	return err
}

// stepUp notes that the password was typed just now, and gives the session a new id. The old one is worth nothing from
// then on, without the overlap of other rotations: whoever holds a copy of it must not get what the password opened. A04
func (st *sessionStore) stepUp(w http.ResponseWriter, r *http.Request, s *session) error {
	now, ctx := st.now(), r.Context()
	fresh, sum := access.NewSecret()
	row, rotated := s.row, false
	err := st.store.Write(ctx, func(q *db.Queries) error {
		next, err := q.RotateSession(ctx, db.RotateSessionParams{
			IDHash: s.row.IDHash, NewIDHash: sum[:], Now: now.UnixMicro(), OverlapUntil: now.UnixMicro(),
		})
		switch {
		case err == nil:
			row, rotated = next, true
		case !errors.Is(err, db.ErrNotFound): // another request has just rotated: its answer brings the new id
			return err
		}
		_, err = q.StepUpSession(ctx, row.ID, now.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("step up session: %w", err)
	}
	s.row = row
	s.row.StepUpAt = now.UnixMicro()
	if rotated {
		st.hand(w, fresh)
	}
	return nil
}

// hand gives the browser its session's id. An id that this answer was to bring before is taken out of it: of two cookies
// with one name nobody can tell which one counts.
func (st *sessionStore) hand(w http.ResponseWriter, id string) {
	cookie, h := st.site.SessionCookie(id), w.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, cookie.Name+"=") })
	http.SetCookie(w, cookie)
}

// digest is what the store holds of a session's id or of a token.
func digest(secret string) []byte {
	sum := access.Digest(secret)
	return sum[:]
}

// subject is the session's user as access knows it.
func (s *session) subject() access.Subject {
	return access.Subject{UserID: s.user.ID, Name: s.user.Name, Groups: s.user.Groups, AuthMethod: s.row.AuthMethod}
}

// stillAllowed says whether the request's session or token still counts, and still sees the cluster that it is about.
// Streams ask, because they outlive the check at their beginning.
func (s *Server) stillAllowed(r *http.Request) bool {
	ctx, cancel := context.WithTimeout(r.Context(), storeBudget)
	defer cancel()
	v := visitOf(r)
	if v.session != nil {
		user, err := s.store.Read().User(ctx, v.subject.UserID)
		if err != nil || user.Disabled || !s.sessionCounts(ctx, v.session.row) {
			return false
		}
	} else if !s.tokenCounts(ctx, v.subject) {
		return false
	}
	c, ok := clusterIn(r)
	return !ok || s.authority.SeesCluster(v.subject, c.Name())
}

// sessionCounts says whether a session has not ended, whatever its id has become meanwhile.
func (s *Server) sessionCounts(ctx context.Context, session db.Session) bool {
	rows, err := s.store.Read().SessionsOfUser(ctx, session.UserID)
	return err == nil && slices.ContainsFunc(rows, func(row db.Session) bool {
		return row.ID == session.ID && row.ExpiresAt > s.now().UnixMicro()
	})
}

// tokenCounts says whether a token may still be used.
func (s *Server) tokenCounts(ctx context.Context, subject access.Subject) bool {
	rows, err := s.store.Read().TokensOfUser(ctx, subject.UserID)
	return err == nil && slices.ContainsFunc(rows, func(t db.Token) bool {
		return t.ID == subject.TokenID && t.RevokedAt == 0 && (t.ExpiresAt == 0 || t.ExpiresAt > s.now().UnixMicro())
	})
}
