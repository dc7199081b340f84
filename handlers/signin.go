package handlers

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"tiga/db"
	"tiga/handlers/guard"
	"tiga/views"
	"tiga/views/ui"
)

// The cookies that hold a person's taste. They say nothing about who it is.
const (
	languageCookie = "tiga-language"
	themeCookie    = "tiga-theme"
)

// methodPassword is how a session came about.
const methodPassword = "password"

// reasonWait is written of a sign-in that came before its delay was over.
const reasonWait = "wait"

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// showSignIn is the page with the form.
func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request) error {
	if subjectOf(r).UserID != 0 {
		return s.redirect(w, r, s.next(r.URL.Query().Get("next")))
	}
	return s.signInPage(w, r, http.StatusOK, views.SignIn{Next: r.URL.Query().Get("next")})
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request, status int, m views.SignIn) error {
	p := s.presenter(r)
	m.Languages, m.Here = languages(p.loc), r.URL.RequestURI()
	if r.Method != http.MethodGet {
		m.Here = "/login"
	}
	fresh, err := s.neverSignedIn(r.Context())
	if err != nil {
		return err
	}
	m.FirstStart = fresh
	return s.show(w, r, status, views.Page{Title: p.loc.T("signin.title"), Body: views.SignInForm(m)})
}

// neverSignedIn says whether nobody ever signed in, so that the page can point to the one-time password.
func (s *Server) neverSignedIn(ctx context.Context) (bool, error) {
	n, err := s.store.Read().CountSignedIn(ctx)
	return n == 0, err
}

// next is a local address to go to, or the home page.
func (s *Server) next(raw string) string {
	if target, ok := guard.SafeNext(raw, s.isPage); ok {
		return target
	}
	return "/"
}

// isPage says whether a GET of the path leads to a page of ours.
func (s *Server) isPage(path string) bool {
	mux, ok := s.handler.(chi.Routes)
	return ok && mux.Match(chi.NewRouteContext(), http.MethodGet, path) && path != "/login" && !strings.HasPrefix(path, "/api/") &&
		!strings.HasPrefix(path, "/static/") && !strings.HasSuffix(path, "/live")
}

// askToSignIn sends whoever is signed out to the sign-in page, and back afterwards. What was typed comes back first.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	if isEditor(r) || isApplyPage(r) {
		return s.giveBack(w, r)
	}
	to := "/login"
	if r.Method == http.MethodGet && r.URL.Path != "/" && !strings.HasSuffix(r.URL.Path, "/live") {
		to = signInThen(r.URL.RequestURI())
	}
	w.Header().Set("Cache-Control", "no-store")
	if isHTMX(r) {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // always the sign-in page; where it leads goes through next
	return nil
}

// signInThen is the address of the sign-in page that leads to a page of ours afterwards.
func signInThen(next string) string { return "/login?next=" + url.QueryEscape(next) }

// giveBack answers a form that carries a whole object when the session of its sender has ended: the page as it stands
// where htmx sent it, a page with all that was sent where the browser did. What would have changed something is taken out,
// so that whoever sends it once more sees first what it does.
func (s *Server) giveBack(w http.ResponseWriter, r *http.Request) error {
	p, signIn := s.presenter(r), signInThen(s.next(r.URL.RequestURI()))
	if isHTMX(r) {
		return s.showToast(w, r, http.StatusUnauthorized, views.Notice{
			Tone: ui.ToneBad, Title: p.loc.T("signed_out.title"), Detail: p.loc.T("signed_out.here"),
			Link: ui.Link{Text: p.loc.T("signed_out.sign_in"), Href: signIn, Apart: true},
		})
	}
	m := views.SignedOut{Post: r.URL.RequestURI(), SignIn: signIn}
	switch err := r.ParseMultipartForm(maxEditBody); { //nolint:gosec // guard.Limits bounds the body of every request
	case err == nil:
		m.Upload = true
		for _, name := range slices.Sorted(maps.Keys(r.MultipartForm.File)) {
			for _, h := range r.MultipartForm.File[name] {
				if h.Filename != "" {
					m.Files = append(m.Files, h.Filename)
				}
			}
		}
	case !errors.Is(err, http.ErrNotMultipart):
		return s.show(w, r, problem(err).Status, s.problemPage(r, problem(err)))
	}
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		switch name {
		case "do":
		case "text":
			m.Text = r.PostForm.Get(name)
		default:
			for _, v := range r.PostForm[name] {
				m.Fields = append(m.Fields, ui.Pair{Key: name, Value: v})
			}
		}
	}
	return s.show(w, r, http.StatusUnauthorized, views.Page{Title: p.loc.T("signed_out.title"), Body: views.SignedOutForm(m)})
}

// signIn checks a name and a password. What fails is delayed and counted; whether a name exists cannot be told from the
// answer or from the time it takes. A07
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	name, password, next := strings.TrimSpace(r.PostForm.Get("username")), r.PostForm.Get("password"), r.PostForm.Get("next")
	ctx, p := r.Context(), s.presenter(r)
	ip := guard.ClientIPOf(ctx)
	refuse := func(status int, wait time.Duration, message string) error {
		return s.signInPage(w, r, status, views.SignIn{Username: name, Next: next, Error: message, Wait: wait})
	}
	var user db.User
	wrong := false
	ok, err := s.logins.Attempt(ctx, name, ip, func(ctx context.Context) (bool, error) {
		found, err := s.store.Read().UserByName(ctx, name)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return false, err
		}
		hash := ""
		if err == nil && !found.Disabled {
			user, hash = found, found.PasswordHash.Reveal()
		}
		good, err := s.hasher.Verify(ctx, hash, password)
		wrong = err == nil && !good
		return good, err
	})
	if wrong { // also when the failure itself could not be counted
		if lost := s.note(r, s.signInEvent(r, name, db.DecisionDeny, "credentials")); lost != nil {
			return lost
		}
	}
	if refusal, waits := errors.AsType[*guard.Refusal](err); waits {
		if lost := s.note(r, s.signInEvent(r, name, db.DecisionDeny, reasonWait)); lost != nil {
			return lost
		}
		w.Header().Set("Retry-After", seconds(refusal.RetryAfter))
		return refuse(http.StatusTooManyRequests, wholeSeconds(refusal.RetryAfter), p.loc.T("signin.wait", "Seconds", seconds(refusal.RetryAfter)))
	}
	if err != nil {
		return err
	}
	if !ok {
		return refuse(http.StatusUnauthorized, 0, p.loc.T("signin.wrong"))
	}
	s.rehash(r, user, password)
	return s.enter(w, r, user, next)
}

// rehash stores a password anew whose hash was made with other costs than today's, now that the password is at hand. It
// can wait for the next sign-in if it does not work.
func (s *Server) rehash(r *http.Request, user db.User, password string) {
	ctx := r.Context()
	if !s.hasher.NeedsRehash(user.PasswordHash.Reveal()) {
		return
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err == nil {
		err = s.store.Write(ctx, func(q *db.Queries) error {
			_, err := q.Rehash(ctx, db.NewSecret(hash), user.ID, user.PasswordHash)
			return err
		})
	}
	if err != nil {
		s.log.WarnContext(ctx, "password not hashed anew", "error", err, "request_id", requestID(r))
	}
}

// enter begins a session for a user whose password was right. The audit row stands before the cookie is sent.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, user db.User, next string) error {
	event := s.signInEvent(r, user.Name, db.DecisionAllow, "")
	event.ActorID = user.ID
	err := s.recorded(r, event, func(ctx context.Context) (string, error) {
		return "", s.sessions.begin(w, r, db.Session{
			UserID: user.ID, Class: sessionClassTop, AuthMethod: methodPassword, StepUpAt: s.now().UnixMicro(), PolicyVersion: s.authority.Version(),
			IP: guard.ClientIPOf(ctx).String(), UserAgent: cut(r.UserAgent(), 256),
		})
	})
	if err != nil {
		return err
	}
	if user.MustChangePassword {
		return s.redirect(w, r, "/account")
	}
	return s.redirect(w, r, s.next(next))
}

func (s *Server) signInEvent(r *http.Request, name, decision, reason string) db.Event {
	e := s.ownEvent(r, "sessions", "", "create")
	e.Actor, e.AuthMethod, e.Decision, e.Reason = name, methodPassword, decision, reason
	if decision == db.DecisionDeny {
		e.Result, e.HTTPStatus = db.ResultDenied, http.StatusUnauthorized
		if reason == reasonWait {
			e.HTTPStatus = http.StatusTooManyRequests
		}
	}
	return e
}

// signOut ends the session of this browser.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.recorded(r, s.ownEvent(r, "sessions", "", "delete"), func(context.Context) (string, error) { return "", s.sessions.end(w, r) }); err != nil {
		return err
	}
	return s.redirect(w, r, "/login")
}

// setPreferences keeps the language and the theme in cookies, so that they hold before sign-in as well.
func (s *Server) setPreferences(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	set := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a && value != "" {
				http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where the site is: plain http on loopback has no other
					Name: name, Value: value, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.site.Secure(),
				})
			}
		}
	}
	set(languageCookie, r.PostForm.Get("language"), "en", "zh-CN")
	set(themeCookie, r.PostForm.Get("theme"), "light", "dark", "system")
	back := r.PostForm.Get("next")
	if strings.HasPrefix(back, "/login") {
		return s.redirect(w, r, "/login")
	}
	return s.redirect(w, r, s.next(back))
}
