package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
	"tiga/views"
	"tiga/views/ui"
)

// maxEditBody bounds the form of an editor: the text, what it was before, packed, and in a form the values and a file.
const maxEditBody = 6 << 20

// rebaseTries bounds how often a change is tried again because something was written that nobody types, such as a status.
const rebaseTries = 3

// The buttons of an editor. The one that is asked for twice has a second value.
const (
	doCheck  = "check"
	doDiff   = "diff"
	doApply  = "apply"
	doMerge  = "merge"
	doCreate = "create"
	doYAML   = "yaml" // the form goes on as text
	doForm   = "form" // and the other way round
	sure     = "-sure"
)

// draft is the form of an editor.
type draft struct {
	target
	create bool
	text   string
	do     string
	sure   bool
	base   map[string]any // what the text was begun with
	uid    string
	rv     string
	picks  map[string]string
	// doc is the text once it was read.
	doc *manifest.Doc
	// form is set where the text is edited by a form.
	form *formDraft
}

// isEditor says whether a path is that of a form that carries a whole object.
func isEditor(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/clusters/") && (strings.HasSuffix(r.URL.Path, "/edit") || strings.HasSuffix(r.URL.Path, "/new") || strings.HasSuffix(r.URL.Path, "/form"))
}

func parseDraft(r *http.Request) (*draft, error) {
	f, files, err := editInput(r)
	if err != nil {
		return nil, err
	}
	d := &draft{target: targetOf(r), do: f.Get("do"), uid: f.Get("uid"), rv: f.Get("rv"), picks: map[string]string{}}
	d.do, d.sure = strings.CutSuffix(d.do, sure)
	d.text = strings.ReplaceAll(f.Get("text"), "\r\n", "\n")
	for key, values := range f {
		if path, ok := strings.CutPrefix(key, "pick:"); ok && len(values) > 0 {
			d.picks[path] = values[0]
		}
	}
	base, err := unpack(f.Get("base"))
	if err != nil {
		return nil, badInput("bad_request", nil)
	}
	d.base = base
	if strings.HasSuffix(r.URL.Path, "/form") {
		d.form = readForm(f, files)
	}
	return d, nil
}

// editObject is the YAML editor of an object. FR-3.5
func (s *Server) editObject(w http.ResponseWriter, r *http.Request) error {
	d, err := s.openDraft(r)
	if err != nil {
		return s.showMissing(w, r, err)
	}
	if r, err = s.withRevert(r, d.target); err != nil {
		return err
	}
	m := s.editor(r, d)
	if back := revertOf(r); back != nil {
		if err := back.begin(r, s.presenter(r), d, m); err != nil {
			return err
		}
	}
	return s.showEditor(w, r, http.StatusOK, d, m)
}

// openDraft is what an editor or a form of an object begins with.
func (s *Server) openDraft(r *http.Request) (*draft, error) {
	t := targetOf(r)
	live, err := s.readDraft(r, t)
	if err != nil {
		return nil, err
	}
	if err := s.mayWrite(r, access.VerbUpdate, t); err != nil {
		return nil, err
	}
	text, err := manifest.Print(live.Tree)
	return &draft{target: t, text: string(text), base: live.Tree, uid: live.UID, rv: live.ResourceVersion}, err
}

// mayWrite says before a form is shown what would be said after it was sent.
func (s *Server) mayWrite(r *http.Request, verb access.Verb, t target) error {
	k := kindOf(r)
	if k.Fixed {
		return errNoRoute
	}
	_, err := s.authority.Check(subjectOf(r), request(clusterOf(r).Name(), verb, k, t.namespace, t.name))
	return err
}

// readDraft reads an object for editing.
func (s *Server) readDraft(r *http.Request, t target) (kube.Draft, error) {
	k, c := kindOf(r), clusterOf(r)
	if (t.namespace == "") == k.Namespaced || t.name == "" {
		return kube.Draft{}, errNoRoute
	}
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return kube.Draft{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	return c.Draft(ctx, permit, k, t.namespace, t.name)
}

// saveObject checks, compares, merges or applies what was typed. Whatever happens, the text comes back with the answer.
func (s *Server) saveObject(w http.ResponseWriter, r *http.Request) error {
	d, err := parseDraft(r)
	if err != nil {
		return err
	}
	k := kindOf(r)
	if (d.namespace == "") == k.Namespaced || d.name == "" {
		return errNoRoute
	}
	// The right is asked for before anything is read, so that nobody learns by a form what a page would not tell.
	verb := access.VerbUpdate
	if d.do == doCreate {
		verb = access.VerbCreate
	}
	permit, err := s.permit(r, verb, k, d.namespace, d.name)
	if err != nil {
		return s.refused(r, err)
	}
	if r, err = s.withRevert(r, d.target); err != nil {
		return err
	}
	m := s.editor(r, d)
	if d.doc, err = s.manifests.Read([]byte(d.text)); err != nil {
		return s.showRefused(w, r, d, m, err)
	}
	if d.form != nil {
		if done, err := s.applyForm(w, r, d, m); done || err != nil {
			return err
		}
	}
	switch d.do {
	case doMerge:
		return s.mergeDraft(w, r, d, m)
	case doYAML, doForm:
		if d.form = nil; d.do == doForm {
			d.form = &formDraft{}
		}
		return s.showEditor(w, r, http.StatusOK, d, m)
	}
	if d.do == doCreate {
		d.create = true
	}
	return s.finish(w, r, d, m, permit)
}

// finish sends a text that could be read to the API server, as a dry run or in earnest.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor, permit access.Permit) error {
	p, c, k := s.presenter(r), clusterOf(r), kindOf(r)
	earnest := d.do == doApply || d.do == doCreate
	dry := !earnest || m.Production && !d.sure
	var written kube.Written
	err := error(nil)
	if dry {
		written, err = s.write(r.Context(), r, d, permit, true)
	} else {
		err = s.audited(r, permit, d.uid, func(ctx context.Context) (kube.Change, error) {
			written, err = s.write(ctx, r, d, permit, false)
			return written.Change, err
		})
	}
	if err != nil {
		return s.showRefused(w, r, d, m, err)
	}
	m.Warnings = written.Warnings
	if earnest && !dry {
		name, ns := nameIn(written.After), d.namespace
		id := "edit.saved"
		if d.create {
			id = "edit.created"
		}
		s.leaveFlash(r, views.Notice{
			Tone: ui.ToneOK, Title: p.loc.T(id, "Kind", k.Name, "Name", target{ns, name}.String(), "Cluster", c.Name()),
			Detail: strings.Join(written.Warnings, " "),
		})
		return s.redirect(w, r, objectPath(c.ID(), k, ns, name))
	}
	entries := written.Entries()
	if d.do != doCheck {
		m.Diff = editDiffOf(written, entries)
	}
	switch {
	case earnest:
		id := "edit.sure_apply"
		if d.create {
			id = "edit.sure_create"
		}
		m.Sure, m.Do = p.loc.T(id, "Kind", k.Name, "Name", target{d.namespace, nameIn(written.After)}.String(), "Cluster", c.Name(), "Count", len(entries)), d.do+sure
	case len(entries) == 0:
		m.Notice = &views.EditNotice{Tone: ui.ToneInfo, Title: p.loc.T("edit.checked_same")}
	case d.create:
		m.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: p.loc.T("edit.checked_new")}
	default:
		m.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: p.loc.T("edit.checked", "Count", len(entries))}
	}
	return s.showEditor(w, r, http.StatusOK, d, m)
}

// write asks the API server. An object that was written meanwhile in nothing that people type (its status, its managed
// fields) is no conflict: the text is about its newest version then.
func (s *Server) write(ctx context.Context, r *http.Request, d *draft, permit access.Permit, dry bool) (kube.Written, error) {
	k, c := kindOf(r), clusterOf(r)
	ctx, cancel := context.WithTimeout(ctx, actBudget)
	defer cancel()
	if d.create {
		return c.Create(ctx, permit, k, d.namespace, d.doc.Tree, kube.WriteOptions{DryRun: dry})
	}
	for try := 1; ; try++ {
		got, err := c.Update(ctx, permit, k, d.namespace, d.name, d.doc.Tree, kube.WriteOptions{DryRun: dry, UID: d.uid, ResourceVersion: d.rv})
		if !errors.Is(err, kube.ErrConflict) || try == rebaseTries || d.base == nil {
			return got, err
		}
		live, readErr := s.readDraft(r.WithContext(ctx), d.target)
		if readErr != nil || live.UID != d.uid || !diff.Equal(live.Tree, d.base) {
			return got, err
		}
		d.rv = live.ResourceVersion
	}
}

// showRefused is the editor after something did not work: what, where in the text, and what can be done.
func (s *Server) showRefused(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor, err error) error {
	p := s.presenter(r)
	if bad := (*manifest.Error)(nil); errors.As(err, &bad) {
		m.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: p.loc.T("edit.unreadable")}
		m.Errors = []views.EditError{{Line: bad.Line, Column: bad.Column, Text: p.words(bad.Message)}}
		return s.showEditor(w, r, http.StatusUnprocessableEntity, d, m)
	}
	pr := problem(err)
	s.logProblem(r, pr)
	if denied := (*access.Error)(nil); errors.As(err, &denied) {
		return err // a right that is missing is said without a text
	}
	m.Notice = s.editProblem(r, pr)
	if e := (*kube.Error)(nil); errors.As(err, &e) {
		m.Errors = p.editErrors(d.doc, e)
		switch {
		case errors.Is(err, kube.ErrConflict) && !d.create:
			return s.showConflict(w, r, d, m)
		case errors.Is(err, kube.ErrNotFound) && !d.create:
			return s.showGone(w, r, d, m)
		}
	}
	return s.showEditor(w, r, pr.Status, d, m)
}

// editProblem is a problem in the words of a notice.
func (s *Server) editProblem(r *http.Request, pr *ProblemError) *views.EditNotice {
	part := s.problemPart(r, pr)
	n := &views.EditNotice{Tone: ui.ToneBad, Title: part.Title, Detail: part.Detail}
	if pr.Status >= http.StatusInternalServerError {
		n.RequestID = requestID(r)
	}
	if e := (*kube.Error)(nil); errors.As(pr, &e) && len(e.Causes) > 0 {
		n.Detail = s.presenter(r).words(e.Reason) // each of them stands at its field
	}
	return n
}

// editErrors are the fields of a refusal with their places in the text.
func (p presenter) editErrors(doc *manifest.Doc, e *kube.Error) []views.EditError {
	var out []views.EditError
	for _, cause := range e.Causes {
		item := views.EditError{Field: cause.Field, Text: cause.Message}
		if !cause.Reason.IsZero() {
			item.Text = p.words(cause.Reason)
		}
		if doc != nil {
			item.Line, item.Column, _ = doc.Place(cause.Field)
		}
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// showGone offers to create an object that was deleted while it was edited.
func (s *Server) showGone(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor) error {
	p := s.presenter(r)
	m.Anew = s.may(r, request(clusterOf(r).Name(), access.VerbCreate, kindOf(r), d.namespace, d.name))
	m.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: p.loc.T("edit.gone", "Kind", kindOf(r).Name, "Name", d.name), Detail: p.loc.T(d.words("conflict.gone_what"))}
	return s.showEditor(w, r, http.StatusNotFound, d, m)
}

// showEditor shows the editor with its text and what it has to remember.
func (s *Server) showEditor(w http.ResponseWriter, r *http.Request, status int, d *draft, m *views.Editor) error {
	packed, err := pack(d.base)
	if err != nil {
		return err
	}
	if d.form != nil {
		if err := s.fillForm(r, d, m); err != nil {
			return err
		}
	}
	m.FormToo = d.form == nil && !m.Create
	m.Text = d.text
	m.Hidden = []ui.Pair{{Key: "base", Value: packed}, {Key: "uid", Value: d.uid}, {Key: "rv", Value: d.rv}}
	return s.show(w, r, status, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: clusterOf(r), kind: kindOf(r)}), Body: views.EditorPage(*m),
	})
}

// editor is what all states of an editor share.
func (s *Server) editor(r *http.Request, d *draft) *views.Editor {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	look, list := s.looks.of(c.ID()), kindPath(c.ID(), k)
	m := &views.Editor{
		Kind: k.Name, Name: d.name, Cluster: c.Name(), Environment: environment(look.Environment, look.Colour), Production: look.production(),
		Crumbs: []ui.Link{{Text: c.Name(), Href: clusterPath(c.ID())}, {Text: k.Plural, Href: list}},
		Schema: list + "/schema?as=json", Fields: list + "/schema", Redacted: k.ID() == "secrets",
	}
	if d.name == "" {
		m.Create, m.Title, m.Explanation = true, p.loc.T("edit.new_title", "Kind", k.Name), p.loc.T("edit.new_what", "Cluster", c.Name())
		m.Post, m.Cancel = r.URL.RequestURI(), list
		return m
	}
	path := objectPath(c.ID(), k, d.namespace, d.name)
	m.Title, m.Explanation = p.loc.T("edit.title", "Kind", k.Name, "Name", d.name), p.loc.T("edit.what")
	m.Crumbs = append(m.Crumbs, ui.Link{Text: d.name, Href: path})
	m.Post, m.Cancel = revertQuery(r).at(path+"/edit"), path
	return m
}

func nameIn(tree map[string]any) string {
	m, _ := tree["metadata"].(map[string]any)
	name, _ := m["name"].(string)
	return name
}

// mayEdit says whether editing an object is offered: to those who may, where the cluster lets Tiga.
func (s *Server) mayEdit(r *http.Request, k *kinds.Kind, t target) bool {
	c := clusterOf(r)
	if k.Fixed || !s.may(r, request(c.Name(), access.VerbUpdate, k, t.namespace, t.name)) {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), rightsBudget)
	defer cancel()
	return c.Lets(ctx, kube.Right{Verb: "update", Group: k.GVR.Group, Resource: k.GVR.Resource, Namespace: t.namespace}, t.name) != kube.Denied
}

// writeActions are the links to an object's editor and to a copy of it, for those who may use them.
func (s *Server) writeActions(r *http.Request, k *kinds.Kind, t target) []ui.Action {
	c, p := clusterOf(r), s.presenter(r)
	if k.Fixed {
		return nil
	}
	var out []ui.Action
	if s.mayEdit(r, k, t) {
		out = append(out, p.formAction(k, objectPath(c.ID(), k, t.namespace, t.name))...)
	}
	if s.may(r, request(c.Name(), access.VerbCreate, k, t.namespace, "")) {
		out = append(out, ui.Action{ID: "copy", Text: p.loc.T("edit.copy"), Href: query{"from": {t.namespace + "/" + t.name}}.at(kindPath(c.ID(), k) + "/new")})
	}
	return out
}
