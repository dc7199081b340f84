package handlers

import (
	"encoding/json"
	"net/http"

	"tiga/db"
	"tiga/views"
	"tiga/views/ui"
)

// done answers a form that worked: a toast where htmx sent it, else a redirect that brings the message along.
func (s *Server) done(w http.ResponseWriter, r *http.Request, n views.Notice, to string) error {
	if isHTMX(r) {
		h := w.Header()
		h.Set("HX-Retarget", "#toasts")
		h.Set("HX-Reswap", "beforeend")
		h.Set("HX-Trigger", "tiga:done") // closes the dialog and lets the page look again
		return write(s.viewContext(r), w, http.StatusOK, views.Toast(n))
	}
	s.leaveFlash(r, n)
	return s.redirect(w, r, to)
}

// leaveFlash keeps a message in the session until the next page. One that is lost is only a message.
func (s *Server) leaveFlash(r *http.Request, n views.Notice) {
	v := visitOf(r)
	if v.session == nil {
		return
	}
	text, err := json.Marshal(n)
	if err == nil {
		err = s.store.Write(r.Context(), func(q *db.Queries) error {
			_, err := q.SetSessionData(r.Context(), v.session.row.ID, string(text))
			return err
		})
	}
	if err != nil {
		s.log.WarnContext(r.Context(), "message for the next page not kept", "error", err, "request_id", requestID(r))
	}
}

// flash takes the message that the last form left, if any.
func (s *Server) flash(r *http.Request) *views.Notice {
	v := visitOf(r)
	if v.session == nil || v.session.row.Data == "" {
		return nil
	}
	var n views.Notice
	if err := json.Unmarshal([]byte(v.session.row.Data), &n); err != nil {
		return nil
	}
	err := s.store.Write(r.Context(), func(q *db.Queries) error {
		_, err := q.SetSessionData(r.Context(), v.session.row.ID, "")
		return err
	})
	if err != nil {
		s.log.WarnContext(r.Context(), "message of the last page not cleared", "error", err, "request_id", requestID(r))
	}
	v.session.row.Data = ""
	return &n
}

// toast is a problem as a short message.
func (s *Server) toast(r *http.Request, p *ProblemError) views.Notice {
	part := s.problemPart(r, p)
	return views.Notice{Tone: ui.ToneBad, Title: part.Title, Detail: part.Detail, RequestID: requestID(r)}
}

// problemPart is a problem where the content would be.
func (s *Server) problemPart(r *http.Request, e *ProblemError) *ui.Problem {
	p := s.presenter(r)
	id := "problem." + e.ID
	out := &ui.Problem{
		Title: p.loc.T(id+".title", e.Args), Detail: p.loc.T(id+".detail", e.Args), Advice: p.loc.T(id+".action", e.Args),
		RequestID: requestID(r), Tone: ui.ToneBad,
	}
	if more := p.words(e.Words); more != "" {
		out.Detail = more
	}
	if e.Status < http.StatusInternalServerError {
		out.Tone = ui.ToneWarn
	}
	return out
}

// problemPage is a problem as a page, in the shell of wherever the request got to.
func (s *Server) problemPage(r *http.Request, e *ProblemError) views.Page {
	part := s.problemPart(r, e)
	page := views.Page{Title: part.Title, Body: views.FailurePage(views.Failure{Status: e.Status, Problem: *part})}
	if subjectOf(r).UserID != 0 {
		at := place{}
		if c, ok := clusterIn(r); ok {
			at.cluster = c
		}
		page.Shell = s.shell(r, at)
	}
	return page
}

// sentence is a problem in one sentence, for lists of what failed.
func (s *Server) sentence(r *http.Request, e *ProblemError) string {
	return s.presenter(r).problemText(e)
}
