package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/views"
	"tiga/views/ui"
)

// What the account's forms accept.
const (
	maxTokenName     = 60
	maxTokensPerUser = 50
)

// tokenLifetimes are the choices of how long an API token lasts, in days.
func tokenLifetimes() []int { return []int{7, 30, 90, 365} }

// showAccount is a person's own page.
func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) error {
	return s.accountPage(w, r, http.StatusOK, views.Account{})
}

// accountPage fills in what every answer of the page has; m brings what a form said.
func (s *Server) accountPage(w http.ResponseWriter, r *http.Request, status int, m views.Account) error {
	v, p, ctx := visitOf(r), s.presenter(r), r.Context()
	user, err := s.store.Read().User(ctx, v.subject.UserID)
	if err != nil {
		return err
	}
	m.User, m.Method, m.Here, m.Languages = person(v), p.loc.T("account.method."+v.subject.AuthMethod), "/account", languages(p.loc)
	if m.Password == nil {
		m.Password = &views.PasswordForm{}
	}
	m.Password.MustChange, m.Password.MinLength = user.MustChangePassword, access.MinPassword
	frozen := s.authority.ReadOnly()
	if frozen {
		m.Password = nil // it could not be changed
	}
	m.Docs = "/api/docs"
	rows, err := s.store.Read().SessionsOfUser(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ExpiresAt <= s.now().UnixMicro() || s.now().Sub(db.Time(row.LastSeenAt)) > sessionIdle {
			continue
		}
		m.Sessions = append(m.Sessions, views.Session{
			ID: strconv.FormatInt(row.ID, 10), Agent: agent(row.UserAgent), Address: row.IP, Started: db.Time(row.CreatedAt),
			Seen: db.Time(row.LastSeenAt), Current: v.session != nil && row.ID == v.session.row.ID,
		})
	}
	tokens, err := s.store.Read().TokensOfUser(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.RevokedAt != 0 {
			continue
		}
		token := views.Token{
			Name: t.Name, Role: t.Role, Created: db.Time(t.CreatedAt), Expires: db.Time(t.ExpiresAt), Used: db.Time(t.LastUsedAt),
			Expired: t.ExpiresAt != 0 && t.ExpiresAt <= s.now().UnixMicro(),
		}
		if !frozen {
			token.Revoke = revokePath(t.ID)
		}
		m.Tokens = append(m.Tokens, token)
	}
	if m.NewToken == nil && !frozen {
		m.NewToken = &views.TokenForm{Role: access.RoleViewer, Days: 30}
	}
	if m.NewToken != nil {
		if err := s.fillTokenForm(r, m.NewToken); err != nil {
			return err
		}
	}
	return s.show(w, r, status, views.Page{
		Title: p.loc.T("account.title"), Shell: s.shell(r, place{item: itemAccount}), Body: views.AccountPage(m),
	})
}

func revokePath(id int64) string { return fmt.Sprintf("/account/tokens/%d/revoke", id) }

// fillTokenForm puts the choices into the form of a new token. A token can be cut to any role, since it never has more
// than its owner.
func (s *Server) fillTokenForm(r *http.Request, f *views.TokenForm) error {
	roles, err := s.store.Read().Roles(r.Context())
	if err != nil {
		return err
	}
	for _, role := range roles {
		f.Roles = append(f.Roles, ui.Option{Value: role.Name, Text: role.Name, Chosen: role.Name == f.Role})
	}
	p := s.presenter(r)
	for _, days := range tokenLifetimes() {
		f.Lifetimes = append(f.Lifetimes, ui.Option{Value: strconv.Itoa(days), Text: p.loc.T("account.days", "Count", days), Chosen: days == f.Days})
	}
	if f.Proof == nil {
		f.Proof = s.proof(r, "token-proof", nil)
	}
	return nil
}

// agent shortens a browser's description of itself to what a person recognises.
func agent(ua string) string {
	browser, system := "", ""
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(ua, b[0]) {
			browser = b[1]
			break
		}
	}
	for _, o := range []string{"Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux"} {
		if strings.Contains(ua, o) {
			system = o
			break
		}
	}
	switch {
	case browser == "":
		return cut(ua, 60)
	case system == "":
		return browser
	}
	return browser + " · " + system
}

// changePassword replaces the password after asking for the present one, and signs out everywhere else.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	v, p, ctx := visitOf(r), s.presenter(r), r.Context()
	if v.session == nil {
		return inPerson(r, "users", access.VerbUpdate)
	}
	user := v.session.user
	current, fresh, again := r.PostForm.Get("current"), r.PostForm.Get("password"), r.PostForm.Get("again")
	form := views.PasswordForm{}
	good, err := s.knows(r, current)
	if err != nil {
		return err
	}
	if !good {
		form.CurrentError = p.loc.T("account.wrong_password")
	} else if err := s.sessions.stepUp(w, r, v.session); err != nil {
		return err
	}
	if err := access.CheckPassword(user.Name, fresh); err != nil {
		form.NewError = s.fieldErrors(p, err)
	} else if fresh == current {
		form.NewError = p.loc.T("account.same_password")
	}
	if fresh != again {
		form.AgainError = p.loc.T("account.not_again")
	}
	if form != (views.PasswordForm{}) {
		return s.accountPage(w, r, http.StatusUnprocessableEntity, views.Account{Password: &form})
	}
	hash, err := s.hasher.Hash(ctx, fresh)
	if err != nil {
		return err
	}
	event := s.ownEvent(r, "users", user.Name, "update")
	err = s.recorded(r, event, func(ctx context.Context) (string, error) {
		return "password", s.store.Write(ctx, func(q *db.Queries) error {
			if _, err := q.SetPassword(ctx, db.SetPasswordParams{ID: user.ID, PasswordHash: db.NewSecret(hash), Now: s.now().UnixMicro()}); err != nil {
				return err
			}
			_, err := q.DeleteOtherSessions(ctx, user.ID, v.session.row.ID)
			return err
		})
	})
	if err != nil {
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T("account.password_changed")}, "/account")
}

// inPerson refuses a token what only its owner may do: a token is cut to a role, and an account is more than that.
func inPerson(r *http.Request, resource string, verb access.Verb) error {
	return &access.Error{Err: access.ErrForbidden, Subject: subjectOf(r), Request: access.Request{Group: access.TigaGroup, Resource: resource, Verb: verb}}
}

// fieldErrors puts what is wrong with a field into words.
func (s *Server) fieldErrors(p presenter, err error) string {
	var words []string
	for _, f := range access.FieldErrors(err) {
		words = append(words, p.loc.T(f.ID, f.Args))
	}
	return strings.Join(words, " ")
}

// endSessions signs out one other place, or everywhere.
func (s *Server) endSessions(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	v, p := visitOf(r), s.presenter(r)
	if v.session == nil {
		return inPerson(r, "sessions", access.VerbDelete)
	}
	all := r.PostForm.Get("all") == "1"
	id, err := strconv.ParseInt(r.PostForm.Get("session"), 10, 64)
	if err != nil && !all {
		return badInput("bad_request", nil)
	}
	event := s.ownEvent(r, "sessions", v.subject.Name, "delete")
	err = s.recorded(r, event, func(ctx context.Context) (string, error) {
		return "", s.store.Write(ctx, func(q *db.Queries) error {
			if all {
				_, err := q.DeleteSessionsOfUser(ctx, v.subject.UserID)
				return err
			}
			n, err := q.DeleteSession(ctx, id, v.subject.UserID)
			if err == nil && n == 0 {
				return db.ErrNotFound
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	if all || v.session != nil && v.session.row.ID == id {
		http.SetCookie(w, s.site.ExpiredCookie())
		return s.redirect(w, r, "/login")
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T("account.session_ended")}, "/account")
}

// createToken makes an API token. It is shown once; the store keeps a hash.
func (s *Server) createToken(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	v, p, ctx := visitOf(r), s.presenter(r), r.Context()
	if v.session == nil {
		return inPerson(r, "tokens", access.VerbCreate)
	}
	name, role := strings.TrimSpace(r.PostForm.Get("name")), r.PostForm.Get("role")
	days, err := strconv.Atoi(r.PostForm.Get("expires"))
	if err != nil || days < 1 || days > 365 {
		return badInput("bad_request", nil)
	}
	form := views.TokenForm{Name: name, Role: role, Days: days}
	unprovenErr := s.prove(w, r)
	status, ask := unproven(w, unprovenErr)
	if unprovenErr != nil && !ask {
		return unprovenErr
	}
	if name == "" || len(name) > maxTokenName {
		form.NameError = p.loc.T("account.token_name", "Max", maxTokenName)
	}
	if _, err := s.store.Read().Role(ctx, role); errors.Is(err, db.ErrNotFound) {
		form.RoleError = p.loc.T("account.token_role")
	} else if err != nil {
		return err
	}
	if ask {
		form.Proof = s.proof(r, "token-proof", unprovenErr)
		return s.accountPage(w, r, status, views.Account{NewToken: &form})
	}
	if form.NameError != "" || form.RoleError != "" {
		return s.accountPage(w, r, http.StatusUnprocessableEntity, views.Account{NewToken: &form})
	}
	token, sum := access.NewToken()
	now := s.now()
	event := s.ownEvent(r, "tokens", name, "create")
	err = s.recorded(r, event, func(ctx context.Context) (string, error) {
		return "role " + role + ", " + strconv.Itoa(days) + " days", s.store.Write(ctx, func(q *db.Queries) error {
			have, err := q.TokensOfUser(ctx, v.subject.UserID)
			if err != nil {
				return err
			}
			if len(have) >= maxTokensPerUser {
				return &ProblemError{Status: http.StatusConflict, ID: "too_many_tokens", Args: map[string]any{"Max": maxTokensPerUser}}
			}
			_, err = q.CreateToken(ctx, db.CreateTokenParams{
				TokenHash: sum[:], Prefix: token[:len(access.TokenPrefix)+4], Name: name, UserID: v.subject.UserID, Role: role,
				CreatedAt: now.UnixMicro(), ExpiresAt: now.Add(time.Duration(days) * 24 * time.Hour).UnixMicro(),
			})
			return err
		})
	})
	if err != nil {
		return err
	}
	// The answer itself carries the secret: a redirect would have to keep it somewhere.
	return s.accountPage(w, r, http.StatusOK, views.Account{Secret: token, SecretName: name})
}

// revokeToken ends one of the person's own tokens.
func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	if visitOf(r).session == nil {
		return inPerson(r, "tokens", access.VerbDelete)
	}
	id, err := strconv.ParseInt(unescaped(r, "token"), 10, 64)
	if err != nil {
		return badInput("bad_request", nil)
	}
	p := s.presenter(r)
	own, err := s.store.Read().TokensOfUser(r.Context(), subjectOf(r).UserID)
	if err != nil {
		return err
	}
	name := ""
	for _, t := range own {
		if t.ID == id {
			name = t.Name
		}
	}
	if name == "" {
		return db.ErrNotFound
	}
	if err := s.prove(w, r); err != nil {
		status, ask := unproven(w, err)
		if !ask {
			return err
		}
		return s.accountPage(w, r, status, views.Account{Revoking: &views.TokenRevocation{
			Title: p.loc.T("account.token_revoke", "Name", name), Post: revokePath(id), Proof: *s.proof(r, "revoke-proof", err),
		}})
	}
	err = s.recorded(r, s.ownEvent(r, "tokens", name, "delete"), func(ctx context.Context) (string, error) {
		return "", s.store.Write(ctx, func(q *db.Queries) error {
			_, err := q.RevokeToken(ctx, id, s.now().UnixMicro())
			return err
		})
	})
	if err != nil {
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T("account.token_revoked", "Name", name)}, "/account")
}

// bearer is the token of an Authorization header.
func bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

// byToken finds out whose token it is.
func (s *Server) byToken(r *http.Request, v *visit, token string) error {
	if !access.IsToken(token) {
		return errSignedOut
	}
	ctx, now := r.Context(), s.now()
	found, err := s.store.Read().TokenByHash(ctx, digest(token), now.UnixMicro())
	switch {
	case errors.Is(err, db.ErrNotFound):
		return errSignedOut
	case err != nil:
		return err
	}
	v.subject = access.Subject{
		UserID: found.User.ID, Name: found.User.Name, Groups: found.User.Groups, AuthMethod: "token",
		TokenID: found.Token.ID, TokenRole: found.Token.Role,
	}
	if now.Sub(db.Time(found.Token.LastUsedAt)) < touchEvery {
		return nil
	}
	return s.store.Write(ctx, func(q *db.Queries) error {
		_, err := q.TouchToken(ctx, found.Token.ID, now.UnixMicro(), guard.ClientIPOf(ctx).String())
		return err
	})
}

// seconds is a wait in whole seconds, rounded up: who comes back when it says must not be too early.
func seconds(d time.Duration) string { return strconv.Itoa(int(wholeSeconds(d) / time.Second)) }

func wholeSeconds(d time.Duration) time.Duration {
	return max(time.Second, d+time.Second-1).Truncate(time.Second)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
