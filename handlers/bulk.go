package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tiga/access"
	"tiga/views"
	"tiga/views/ui"
)

// maxBulk bounds how many objects one bulk action takes.
const maxBulk = 500

// bulkTargets reads the fields "o" of a bulk action: namespace/name each.
func bulkTargets(r *http.Request) ([]target, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	var out []target
	for _, o := range r.Form["o"] {
		ns, name, ok := strings.Cut(o, "/")
		if !ok || !isSegment(name) || !isSegment(ns) || name == "" || (ns == "") == kindOf(r).Namespaced {
			return nil, badInput("bad_request", nil)
		}
		out = append(out, target{ns, name})
	}
	if len(out) == 0 {
		return nil, badInput("bad_request", nil)
	}
	if len(out) > maxBulk {
		return nil, badInput("bulk_limit", map[string]any{"Count": len(out), "Limit": maxBulk})
	}
	return out, nil
}

// bulkOf reads what is to be done, and to which objects.
func (s *Server) bulkOf(r *http.Request) (action, []target, error) {
	a, err := s.actionOf(r)
	if err != nil {
		return a, nil, err
	}
	if !a.bulk {
		return a, nil, &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": string(a.id), "Kind": kindOf(r).Name}}
	}
	targets, err := bulkTargets(r)
	return a, targets, err
}

// bulkConfirmation builds the question for several objects. The number is to be typed for what cannot be taken back.
func (s *Server) bulkConfirmation(r *http.Request, a action, targets []target) views.Confirmation {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	m := s.question(r, a)
	m.Title = p.loc.T("ask."+string(a.id)+".many", "Kind", k.Plural, "Count", len(targets))
	m.Post, m.Cancel = kindPath(c.ID(), k)+"/"+string(a.id), kindPath(c.ID(), k)
	patience := newPatience(r)
	for _, t := range targets {
		m.Objects = append(m.Objects, ui.Link{Text: t.name, Href: objectPath(c.ID(), k, t.namespace, t.name), Note: t.namespace})
		m.Hidden = append(m.Hidden, ui.Pair{Key: "o", Value: t.namespace + "/" + t.name})
		if m.Error == "" && s.clusterDenies(r, patience, a, t) {
			m.Error = p.loc.T("ask.cluster_denies", "Cluster", c.Name())
		}
	}
	if a.typed {
		m.TypeName = strconv.Itoa(len(targets))
	}
	if a.fields != nil {
		m.Fields = a.fields(p, k, r.Form)
	}
	return m
}

// askBulk asks before something is done to several objects.
func (s *Server) askBulk(w http.ResponseWriter, r *http.Request) error {
	a, targets, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := s.allowed(r, a, t); err != nil {
			return err
		}
	}
	return s.confirm(w, r, http.StatusOK, s.bulkConfirmation(r, a, targets))
}

// actBulk does an action to several objects, one after the other, and says what became of each. A list asks by the same
// way: the names of hundreds of objects are longer than an address may be.
func (s *Server) actBulk(w http.ResponseWriter, r *http.Request) error {
	a, targets, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	if r.PostForm.Get("ask") != "" {
		return s.askBulk(w, r)
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	in, wrong := readAction(a, r.PostForm)
	mistyped := a.typed && strings.TrimSpace(r.PostForm.Get("confirm")) != strconv.Itoa(len(targets))
	if wrong != nil || mistyped {
		m := s.bulkConfirmation(r, a, targets)
		if mistyped {
			m.TypeError = p.loc.T("ask.type_count", "Count", len(targets))
		}
		p.mark(&m, wrong)
		return s.confirm(w, r, http.StatusUnprocessableEntity, m)
	}
	m := views.Results{Cluster: c.Name(), Back: kindPath(c.ID(), k)}
	for _, t := range targets {
		_, err := s.perform(r, a, t, in)
		if err != nil {
			if pe := problem(err); pe.Status >= http.StatusInternalServerError && pe.Cluster == "" || errors.Is(err, access.ErrReadOnly) {
				return fmt.Errorf("%s %s: %w", a.id, t, err)
			}
		}
		line := views.Result{Object: ui.Link{Text: t.name, Href: objectPath(c.ID(), k, t.namespace, t.name), Note: t.namespace}, OK: err == nil}
		if err != nil {
			m.Failed++
			line.Text = s.sentence(r, problem(err))
		}
		m.Lines = append(m.Lines, line)
	}
	title := p.loc.T("done.many."+string(a.id), "Kind", k.Plural, "Count", len(targets)-m.Failed, "Cluster", c.Name())
	if m.Failed == 0 {
		return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: title}, m.Back)
	}
	// A toast would not hold them all, and would be gone before they are read.
	m.Title = p.loc.T("results.title", "Failed", m.Failed, "Of", len(targets))
	if m.Failed < len(targets) {
		m.Done = title
	}
	if isHTMX(r) {
		w.Header().Set("HX-Trigger", "tiga:partly")
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: k}), Body: views.ResultsPage(m),
	})
}
