package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/schema"
	"tiga/views"
	"tiga/views/ui"
)

// maxSchemaPath bounds the steps of a path to a field.
const maxSchemaPath = 64

// schemaOf is what the cluster says about the fields of the route's kind.
func (s *Server) schemaOf(r *http.Request) (*schema.Kind, error) {
	k, c := kindOf(r), clusterOf(r)
	permit, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, k, "", ""))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	return c.Schema(ctx, permit, k)
}

// showSchema says what is known of a field and of those in it: a page, or JSON for the editor.
func (s *Server) showSchema(w http.ResponseWriter, r *http.Request) error {
	path := slices.DeleteFunc(strings.Split(r.URL.Query().Get("path"), "/"), func(p string) bool { return p == "" })
	if len(path) > maxSchemaPath {
		return badInput("bad_request", nil)
	}
	asJSON := r.URL.Query().Get("as") == "json"
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	base := kindPath(c.ID(), k) + "/schema"
	at := func(n int) string { return query{"path": {strings.Join(path[:n], "/")}}.at(base) }
	m := views.SchemaSheet{
		Title:  p.loc.T("edit.fields_of", "Kind", strings.Join(append([]string{k.Name}, path...), ".")),
		Crumbs: []ui.Link{{Text: c.Name(), Href: clusterPath(c.ID())}, {Text: k.Plural, Href: kindPath(c.ID(), k)}, {Text: k.Name, Href: base}},
	}
	for i, step := range path {
		m.Crumbs = append(m.Crumbs, ui.Link{Text: step, Href: at(i + 1)})
	}
	status := http.StatusOK
	fields, err := s.schemaOf(r)
	var children []schema.Field
	field, ok := schema.Field{}, false
	if e := (*kube.Error)(nil); err != nil && !errors.As(err, &e) {
		return err
	}
	if err == nil {
		field, children, ok = fields.Look(path)
	}
	if !ok {
		status, m.Missing = http.StatusNotFound, p.loc.T("edit.no_field")
		if err != nil {
			pr := problem(err)
			s.logProblem(r, pr)
			status, m.Missing = pr.Status, s.sentence(r, pr)
			if errors.Is(err, kube.ErrNotFound) && !asJSON {
				status, m.Missing = http.StatusOK, p.words(pr.Words) // the page is there; the cluster says nothing
			}
		}
	}
	if asJSON {
		return writeSchema(w, status, field, children)
	}
	m.Field = schemaField(field, "")
	for _, f := range children {
		m.Fields = append(m.Fields, schemaField(f, query{"path": {strings.Join(append(slices.Clone(path), f.Name), "/")}}.at(base)))
	}
	return s.show(w, r, status, views.Page{Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: k}), Body: views.SchemaPage(m)})
}

func schemaField(f schema.Field, href string) views.SchemaField {
	return views.SchemaField{Name: f.Name, Type: f.Type, Description: f.Description, Default: f.Default, Required: f.Required, Enum: f.Enum, Href: href}
}

// schemaJSON is a field as the editor's script reads it.
type schemaJSON struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Description string       `json:"description"`
	Required    bool         `json:"required,omitempty"`
	Enum        []string     `json:"enum,omitempty"`
	Fields      []schemaJSON `json:"fields,omitempty"`
}

func writeSchema(w http.ResponseWriter, status int, at schema.Field, children []schema.Field) error {
	of := func(f schema.Field) schemaJSON {
		return schemaJSON{Name: ui.Visible(f.Name), Type: ui.Visible(f.Type), Description: ui.Visible(f.Description), Required: f.Required, Enum: f.Enum}
	}
	out := of(at)
	for _, f := range children {
		out.Fields = append(out.Fields, of(f))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "private, max-age=60")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(out)
}
