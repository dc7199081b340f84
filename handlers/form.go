package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/editform"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const (
	kindConfigMaps     = "configmaps"
	kindClaims         = "persistentvolumeclaims"
	kindStatefulSets   = "statefulsets.apps"
	kindAutoscalers    = "horizontalpodautoscalers.autoscaling"
	kindStorageClasses = "storageclasses.storage.k8s.io"

	// maxParts bounds the fields of a form.
	maxParts = 50_000
	// factsBudget is how long a form waits for what stands in other objects.
	factsBudget = getBudget / 2
)

// formDraft is what a draft has more that is a form: the text is the object, and the controls lie over it.
type formDraft struct {
	facts *editform.Facts // nil until they were read
	state editform.State
	// typed says that the state is not in the text, and errors why.
	typed  bool
	errors []editform.Error
	// focus is the control that was added.
	focus string
}

// words is the id of a message that is about the text, or about the form in its place.
func (d *draft) words(id string) string {
	switch {
	case d.form != nil:
		return "form." + id
	case id == "conflict.gone_what":
		return "edit.gone_what"
	}
	return "edit." + id
}

// showForm is the form of an object: its most usual edits, without YAML. FR-3.5
func (s *Server) showForm(w http.ResponseWriter, r *http.Request) error {
	d, err := s.openDraft(r)
	if err != nil {
		return s.showMissing(w, r, err)
	}
	d.form = &formDraft{}
	return s.showEditor(w, r, http.StatusOK, d, s.editor(r, d))
}

// editInput reads the fields and the files of an editor's or a form's body. The library's own reader takes no more than
// 1000 fields, which a form with many rows has.
func editInput(r *http.Request) (url.Values, map[string][]byte, error) {
	parts, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		err = r.ParseForm()
		return r.PostForm, nil, err
	}
	if err != nil {
		return nil, nil, badInput("bad_request", nil)
	}
	f, files := url.Values{}, map[string][]byte{}
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return f, files, nil
		}
		if err == nil && n >= maxParts {
			return nil, nil, badInput("bad_request", nil)
		}
		var data []byte
		if err == nil {
			data, err = io.ReadAll(part) // guard.Limits bounds the body
		}
		if err != nil {
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				return nil, nil, err
			}
			return nil, nil, badInput("bad_request", nil)
		}
		switch name := part.FormName(); {
		case name == "":
		case part.FileName() != "":
			files[name] = data
		case part.Header.Get("Content-Type") == "": // a control for files that has none sends an empty one
			f.Add(name, string(data))
		}
	}
}

// The names of a form's controls begin with these; see views.FormSection.
const (
	inForm = "f."    // a control
	inRow  = "row."  // a row of a field: its id and its place in the text
	inHeld = "held." // a file that was uploaded before
)

// readForm is what stands in the controls of a form that was sent.
func readForm(f url.Values, files map[string][]byte) *formDraft {
	s := editform.NewState()
	for _, field := range f["rows"] {
		rows, seen := []string{}, map[string]bool{}
		for _, v := range f[inRow+field] {
			id, from, _ := strings.Cut(v, "/")
			if seen[id] {
				continue
			}
			seen[id] = true
			rows = append(rows, id)
			s.Values[editform.Name(field, id, editform.From)] = from
		}
		s.Rows[field] = rows
	}
	for name, values := range f {
		if control, ok := strings.CutPrefix(name, inForm); ok {
			s.Values[control] = strings.ReplaceAll(values[0], "\r\n", "\n")
		} else if control, ok := strings.CutPrefix(name, inHeld); ok {
			if raw, err := base64.StdEncoding.DecodeString(values[0]); err == nil {
				s.Files[control] = raw
			}
		}
	}
	for name, data := range files {
		if control, ok := strings.CutPrefix(name, inForm); ok {
			s.Files[control] = data
		}
	}
	return &formDraft{state: s}
}

// The buttons of a form that only change how many rows it has: the field follows, and the row.
const (
	doAdd    = "add:"
	doRemove = "remove:"
)

// applyForm puts what stands in a form's controls into its text. done says that the answer was given: a row came or went,
// or something is wrong and nothing more is to be done.
func (s *Server) applyForm(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor) (done bool, err error) {
	p, f := s.presenter(r), s.formOf(r, d, d.doc.Tree)
	if field, ok := strings.CutPrefix(d.do, doAdd); ok {
		if row := f.Add(d.form.state, field); row != "" {
			d.form.focus = field + "." + row + "."
		}
		d.form.typed = true
		return true, s.showEditor(w, r, http.StatusOK, d, m)
	}
	if which, ok := strings.CutPrefix(d.do, doRemove); ok {
		field, row, _ := strings.Cut(which, ":")
		f.Remove(d.form.state, field, row)
		d.form.typed, d.form.focus = true, doAdd+field
		return true, s.showEditor(w, r, http.StatusOK, d, m)
	}
	tree, wrong := f.Write(d.doc.Tree, d.form.state)
	if len(wrong) > 0 {
		d.form.typed, d.form.errors = true, wrong
		m.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: p.loc.T("form.wrong", "Count", len(wrong)), Detail: p.loc.T("form.wrong_what")}
		return true, s.showEditor(w, r, http.StatusUnprocessableEntity, d, m)
	}
	text, err := d.doc.With(tree)
	if err != nil {
		return true, err
	}
	doc, err := s.manifests.Read(text)
	if err != nil {
		d.form.typed = true
		return true, s.showRefused(w, r, d, m, err)
	}
	d.text, d.doc = string(text), doc
	return false, nil
}

// formOf is the form of a draft's object as its text has it.
func (s *Server) formOf(r *http.Request, d *draft, tree map[string]any) *editform.Form {
	if d.form.facts == nil {
		facts := s.formFacts(r, tree)
		d.form.facts = &facts
	}
	return editform.Of(kindOf(r).ID(), tree, d.base, *d.form.facts)
}

// formFacts reads what a form says of other objects: who else sets the replicas, and whether a claim can grow. What
// cannot be read is not known, and the form says so.
func (s *Server) formFacts(r *http.Request, tree map[string]any) editform.Facts {
	ctx, cancel := context.WithTimeout(r.Context(), factsBudget)
	defer cancel()
	t := targetOf(r)
	switch kindOf(r).ID() {
	case kindDeployments, kindStatefulSets:
		return editform.Facts{Scaler: s.scalerOf(ctx, r, t)}
	case kindClaims:
		spec, _ := tree["spec"].(map[string]any)
		class, _ := spec["storageClassName"].(string)
		return editform.Facts{Class: class, Expands: s.expands(ctx, r, class)}
	}
	return editform.Facts{}
}

// scalerOf is the autoscaler that sets the replicas of a workload; "" where none is known.
func (s *Server) scalerOf(ctx context.Context, r *http.Request, t target) string {
	c := clusterOf(r)
	k, ok := known(c, kindAutoscalers)
	if !ok {
		return ""
	}
	permit, err := s.permit(r, access.VerbList, k, t.namespace, "")
	if err != nil {
		return ""
	}
	list, err := c.Objects(ctx, permit, k, kube.ObjectsOptions{Namespace: t.namespace})
	if err != nil {
		return ""
	}
	for _, o := range list.Items {
		row := o.Row()
		if columnText(k, &row, "reference") == kindOf(r).Name+"/"+t.name {
			return row.Name
		}
	}
	return ""
}

// expands says whether a StorageClass lets its claims grow.
func (s *Server) expands(ctx context.Context, r *http.Request, class string) editform.Expands {
	k, ok := known(clusterOf(r), kindStorageClasses)
	if !ok || class == "" {
		return editform.ExpandsUnknown
	}
	permit, err := s.permit(r, access.VerbGet, k, "", class)
	if err != nil {
		return editform.ExpandsUnknown
	}
	d, err := clusterOf(r).Draft(ctx, permit, k, "", class)
	switch {
	case err != nil:
		return editform.ExpandsUnknown
	case d.Tree["allowVolumeExpansion"] == true:
		return editform.ExpandsYes
	}
	return editform.ExpandsNo
}

// downloadKey sends a value of a ConfigMap as a file.
func (s *Server) downloadKey(w http.ResponseWriter, r *http.Request) error {
	if kindOf(r).ID() != kindConfigMaps {
		return errNoRoute
	}
	live, err := s.readDraft(r, targetOf(r))
	if err != nil {
		return s.showMissing(w, r, err)
	}
	key := r.URL.Query().Get("key")
	data, ok := editform.Content(live.Tree, key)
	if !ok {
		return errNoRoute
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", attachment(key))
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(data) //nolint:gosec // G705: an attachment of bytes, which no browser shows
	return err
}

// formAction is the link to the form of an object's most usual edits; for the other kinds there is the editor alone.
func (p presenter) formAction(k *kinds.Kind, path string) []ui.Action {
	if !editform.Known(k.ID()) {
		return []ui.Action{{ID: "edit", Text: p.loc.T("edit.edit"), Href: path + "/edit"}}
	}
	return []ui.Action{
		{ID: "form", Text: p.loc.T("edit.edit"), Href: path + "/form"},
		{ID: "edit", Text: p.loc.T("form.edit_yaml"), Href: path + "/edit"},
	}
}
