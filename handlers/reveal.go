package handlers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const kindSecrets = "secrets"

// mayReveal asks for the right to see the values of a Secret, which no other right implies.
func (s *Server) mayReveal(r *http.Request, t target) (access.Permit, error) {
	if kindOf(r).ID() != kindSecrets {
		return access.Permit{}, &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": "reveal", "Kind": kindOf(r).Name}}
	}
	return s.authority.Check(subjectOf(r), request(clusterOf(r).Name(), access.VerbReveal, kindOf(r), t.namespace, t.name))
}

// revealLinks puts a link at each hidden value, if the person may see it and the cluster lets Tiga read it.
func (s *Server) revealLinks(r *http.Request, o *object, entries []views.Datum) {
	if _, err := s.mayReveal(r, o.target); err != nil || s.clusterDenies(r, newPatience(r), action{needs: needs("get", "")}, o.target) {
		return
	}
	for i := range entries {
		if entries[i].Hidden {
			entries[i].Reveal = query{"key": {entries[i].Key}}.at(o.path(r) + "/reveal")
		}
	}
}

// askReveal is the page that says what will be shown, and that it is written down.
func (s *Server) askReveal(w http.ResponseWriter, r *http.Request) error {
	t, key := targetOf(r), r.URL.Query().Get("key")
	if _, err := s.mayReveal(r, t); err != nil {
		return err
	}
	o, err := s.readObject(r)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(o.detail.Entries, func(e kinds.Entry) bool { return e.Key == key }) {
		return &ProblemError{Status: http.StatusNotFound, ID: "no_key", Args: map[string]any{"Value": key, "Name": t.name}}
	}
	return s.confirm(w, r, http.StatusOK, s.revealQuestion(r, t, key, false, nil))
}

// revealQuestion asks before a value is shown; err is what came of the password.
func (s *Server) revealQuestion(r *http.Request, t target, key string, download bool, err error) views.Confirmation {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	look, path := s.looks.of(c.ID()), objectPath(c.ID(), k, t.namespace, t.name)
	m := views.Confirmation{
		Title: p.loc.T("reveal.title", "Key", key), Explanation: p.loc.T("reveal.what"), Cluster: c.Name(),
		Environment: environment(look.Environment, look.Colour), Production: look.production(), Submit: p.loc.T("action.reveal"),
		Objects: []ui.Link{{Text: t.name, Href: path, Note: t.namespace}, {Text: key, Note: p.loc.T("reveal.key")}},
		Hidden:  []ui.Pair{{Key: "key", Value: key}}, Post: path + "/reveal", Cancel: path,
	}
	if download {
		m.Hidden = append(m.Hidden, ui.Pair{Key: "download", Value: "1"})
		m.Plain = true
	}
	if f := s.proof(r, "", err); f != nil {
		m.Fields = []ui.Field{*f}
	}
	return m
}

// reveal shows one value of a Secret, once: in this answer, which nothing keeps. A24
func (s *Server) reveal(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	t, key, download := targetOf(r), r.PostForm.Get("key"), r.PostForm.Get("download") == "1"
	if _, err := s.mayReveal(r, t); err != nil {
		return s.refused(r, err)
	}
	if err := s.prove(w, r); err != nil {
		if status, ask := unproven(w, err); ask {
			return s.confirm(w, r, status, s.revealQuestion(r, t, key, download, err))
		}
		return err
	}
	value, err := s.readSecret(r, t, key)
	if err != nil {
		return err
	}
	if download {
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", attachment(key))
		h.Set("Cache-Control", "no-store")
		_, err := w.Write(value.Bytes()) //nolint:gosec // G705: an attachment of bytes, which no browser shows
		return err
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := objectPath(c.ID(), k, t.namespace, t.name)
	m := views.Revealed{
		Title: p.loc.T("reveal.shown", "Key", key), Cluster: c.Name(), Object: ui.Link{Text: t.String(), Href: path}, Key: key,
		Size: len(value.Bytes()), Post: path + "/reveal", Back: path,
	}
	if text := string(value.Bytes()); isText(text) {
		m.Text, m.Exact = text, ui.Visible(text) == text
	} else {
		m.Binary = true
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: k}), Body: views.RevealedPage(m),
	})
}

// readSecret reads one value between its two audit rows, which name the key.
func (s *Server) readSecret(r *http.Request, t target, key string) (value kube.Revealed, err error) {
	permit, err := s.mayReveal(r, t)
	if err != nil {
		return value, s.refused(r, err)
	}
	e := s.objectEvent(r, permit.Record())
	e.Subresource, e.Message = "data", "data["+strconv.Quote(key)+"]"
	err = s.recorded(r, e, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, getBudget)
		defer cancel()
		var change kube.Change
		var err error
		value, change, err = clusterOf(r).Reveal(ctx, permit, kindOf(r), t.namespace, t.name, key)
		return changeDiff(change), err
	})
	return value, err
}

// isText says whether a value can be shown: text in UTF-8 without control characters but those that lay it out.
func isText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.IsControl(c) && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
