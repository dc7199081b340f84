package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/a-h/templ"

	"tiga/views"
)

// handler is an HTTP handler that returns what went wrong.
type handler func(w http.ResponseWriter, r *http.Request) error

// handle is the only place where an error becomes a response.
func (s *Server) handle(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled) && errors.Is(r.Context().Err(), context.Canceled): // the browser left
		case errors.Is(err, context.Canceled) && r.Context().Err() != nil: // its time was over, which some drivers call canceled too
			s.fail(w, r, fmt.Errorf("%w: %w", context.DeadlineExceeded, err))
		default:
			s.fail(w, r, err)
		}
	}
}

// isPartial says whether the page was asked for as the inside of #main. htmx decides it, and Back asks for the full page.
func isPartial(r *http.Request) bool { return r.Header.Get("HX-Request-Type") == "partial" }

// isHTMX says whether htmx made the request, of whichever type.
func isHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// show answers with a page: the whole document, or the inside of #main.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, p views.Page) error {
	ctx := s.viewContext(r)
	if p.Live != nil {
		p.Live.At = visitOf(r).at
	}
	if isPartial(r) {
		return write(ctx, w, status, views.Main(p))
	}
	return write(ctx, w, status, views.Document(p))
}

// write renders into a buffer first, so that a page is sent whole or not at all.
func write(ctx context.Context, w http.ResponseWriter, status int, c templ.Component) error {
	b := templ.GetBuffer()
	defer templ.ReleaseBuffer(b)
	if err := c.Render(ctx, b); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "HX-Request-Type")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// fail logs err once and answers with what it means: a problem where the content would be, a toast for an action
// that htmx sent, the envelope for the API, the sign-in page for a browser that is signed out.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problem(err)
	s.logProblem(r, p)
	if p.Retry > 0 {
		w.Header().Set("Retry-After", seconds(p.Retry))
	}
	if isAPI(r) {
		s.failAPI(w, r, p)
		return
	}
	var shown error
	switch {
	case p.Status == http.StatusUnauthorized:
		shown = s.askToSignIn(w, r)
	case isHTMX(r) && r.Method != http.MethodGet && r.Method != http.MethodHead:
		shown = s.showToast(w, r, p.Status, s.toast(r, p))
	default:
		shown = s.show(w, r, p.Status, s.problemPage(r, p))
	}
	if shown != nil {
		s.log.ErrorContext(r.Context(), "problem not shown", "error", shown, "request_id", requestID(r))
	}
}

// showToast answers an action that htmx sent with a message; the page stays as it is.
func (s *Server) showToast(w http.ResponseWriter, r *http.Request, status int, n views.Notice) error {
	w.Header().Set("HX-Retarget", "#toasts")
	w.Header().Set("HX-Reswap", "beforeend")
	return write(s.viewContext(r), w, status, views.Toast(n))
}

// logProblem writes a failed request to the log: ours as an error, the rest for information.
func (s *Server) logProblem(r *http.Request, p *ProblemError) {
	attrs := []any{"status", p.Status, "problem", p.ID, "error", p.Err, "route", routePattern(r), "request_id", requestID(r)}
	if p.Status >= http.StatusInternalServerError && p.Cluster == "" && p.ID != "cluster" {
		s.log.ErrorContext(r.Context(), "request failed", attrs...)
		return
	}
	s.log.InfoContext(r.Context(), "request refused", attrs...)
}

// redirect sends the browser to a local address after a form; htmx follows it as a page of its own.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, to string) error {
	w.Header().Set("Cache-Control", "no-store")
	if isHTMX(r) {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // the callers pass our own paths; what came with a request went through next
	return nil
}
