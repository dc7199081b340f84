package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/views/ui"
)

// proofLife is how long a password that was typed stands for the person at the keyboard. A change of credentials that
// comes later asks for it again: what a browser left open, or a stolen cookie, may do is bounded by it.
const proofLife = 5 * time.Minute

// proofField is the form field of a password that is asked for again.
const proofField = "proof"

// errUnproven is a change of credentials in a session whose password was typed too long ago, where there is no form to
// ask for it.
var errUnproven = errors.New("the password was typed too long ago")

// proofError sends a form back with a field for the password. Nothing was changed.
type proofError struct {
	status int
	id     string // of the message at the field
	args   map[string]any
	wait   time.Duration // until the next try
}

func (e *proofError) Error() string { return "password not proven: " + e.id }

// proven says whether the person typed the password lately. A program with a token has none to type.
func (s *Server) proven(v *visit) bool {
	return v.session == nil || s.now().Sub(db.Time(v.session.row.StepUpAt)) <= proofLife
}

// prove makes sure that the person typed the password lately, or just now with this form, whose body has been read. The
// error is a *proofError where the form has to be shown again.
func (s *Server) prove(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if s.proven(v) {
		return nil
	}
	password := r.PostForm.Get(proofField)
	if password == "" {
		return &proofError{status: http.StatusUnprocessableEntity, id: "proof.needed"}
	}
	good, err := s.knows(r, password)
	refusal, waits := errors.AsType[*guard.Refusal](err)
	switch {
	case waits:
		return &proofError{
			status: http.StatusTooManyRequests, id: "proof.wait", args: map[string]any{"Seconds": seconds(refusal.RetryAfter)}, wait: refusal.RetryAfter,
		}
	case errors.Is(err, access.ErrBusy):
		return &proofError{
			status: http.StatusTooManyRequests, id: "proof.wait", args: map[string]any{"Seconds": seconds(access.RetryAfter)}, wait: access.RetryAfter,
		}
	case err != nil:
		return err
	case !good:
		return &proofError{status: http.StatusUnprocessableEntity, id: "proof.wrong"}
	}
	return s.sessions.stepUp(w, r, v.session)
}

// knows says whether the signed-in person knows their password. A wrong one counts like a failed sign-in, so that an
// open session is no way round the delays, and is written to the audit log.
func (s *Server) knows(r *http.Request, password string) (bool, error) {
	user, ctx := visitOf(r).session.user, r.Context()
	tried, good := false, false
	_, err := s.logins.Attempt(ctx, user.Name, guard.ClientIPOf(ctx), func(ctx context.Context) (bool, error) {
		var err error
		good, err = s.hasher.Verify(ctx, user.PasswordHash.Reveal(), password)
		tried = err == nil
		return good, err
	})
	_, waits := errors.AsType[*guard.Refusal](err)
	if waits || tried && !good {
		e := s.ownEvent(r, "sessions", user.Name, "update")
		e.Decision, e.Result, e.Reason, e.HTTPStatus = db.DecisionDeny, db.ResultDenied, "credentials", http.StatusUnprocessableEntity
		if waits {
			e.Reason, e.HTTPStatus = reasonWait, http.StatusTooManyRequests
		}
		if lost := s.note(r, e); lost != nil {
			return false, lost
		}
	}
	return good && err == nil, err
}

// unproven says whether err sends a form back for the password; if so the answer's status, and a Retry-After where
// waiting is what helps.
func unproven(w http.ResponseWriter, err error) (status int, ok bool) {
	e, ok := errors.AsType[*proofError](err)
	if !ok {
		return 0, false
	}
	if e.wait > 0 {
		w.Header().Set("Retry-After", seconds(e.wait))
	}
	return e.status, true
}

// proof is the field in which the password is asked for again; nil while none is needed. err is what came of the last
// try. Several on one page have ids of their own.
func (s *Server) proof(r *http.Request, id string, err error) *ui.Field {
	if s.proven(visitOf(r)) {
		return nil
	}
	p := s.presenter(r)
	f := ui.Field{
		Type: ui.FieldPassword, Name: proofField, ID: id, Label: p.loc.T("proof.label"), Help: p.loc.T("proof.help"),
		Required: true, Autocomplete: "current-password",
	}
	if e, ok := errors.AsType[*proofError](err); ok {
		f.Error, f.Help, f.Focus = p.loc.T(e.id, e.args), "", true
	}
	return &f
}
