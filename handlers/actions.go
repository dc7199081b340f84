package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// maxObjectName is the longest name that an API server gives to anything.
const maxObjectName = 253

// target is one object that something is done to.
type target struct{ namespace, name string }

func (t target) String() string {
	if t.namespace == "" {
		return t.name
	}
	return t.namespace + "/" + t.name
}

// actionOf reads the action of the path; a kind that does not have it answers 404.
func (s *Server) actionOf(r *http.Request) (action, error) {
	return s.actionNamed(r, chi.URLParam(r, "action"))
}

func (s *Server) actionNamed(r *http.Request, name string) (action, error) {
	a, ok := s.actions[kinds.Action(name)]
	if !ok || a.page || !kindOf(r).Can(a.id) {
		return action{}, &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": name, "Kind": kindOf(r).Name}}
	}
	return a, nil
}

// targetOf reads the object of the path; "-" is the namespace of what has none.
func targetOf(r *http.Request) target {
	ns, name := unescaped(r, "namespace"), unescaped(r, "name")
	if ns == "-" {
		ns = ""
	}
	return target{ns, name}
}

// unescaped is a path parameter, decoded: chi hands out what stood in the path where that was escaped.
func unescaped(r *http.Request, key string) string {
	raw := chi.URLParam(r, key)
	if r.URL.RawPath == "" {
		return raw
	}
	if s, err := url.PathUnescape(raw); err == nil {
		return s
	}
	return raw
}

// request is the question whether somebody may do the action to an object. nonce is that of the form, for what is named
// after it; where there is none yet, any of its form does.
func (a action) request(c *kube.Cluster, k *kinds.Kind, t target, nonce string) access.Request {
	made, ok := known(c, a.makes)
	if a.makes == "" || !ok {
		return request(c.Name(), a.verb, k, t.namespace, t.name)
	}
	if t.name != "" {
		t.name = kube.JobName(a.id, t.name, nonce)
	}
	return request(c.Name(), a.verb, made, t.namespace, t.name)
}

// anyNonce stands for one in questions about a name that is not chosen yet.
const anyNonce = "00000"

var nonceForm = regexp.MustCompile(`^[a-z0-9]{5}$`)

// newNonce is what tells one form from another.
func newNonce() string { return strings.ToLower(rand.Text()[:5]) }

// link is a link to the page that asks before something is done.
func (p presenter) link(a action, path string) ui.Action {
	return ui.Action{ID: string(a.id), Text: p.loc.T("action." + string(a.id)), Href: path + "/" + string(a.id), Danger: a.danger, Dialog: !a.page}
}

// askAction is the page that says what will happen, to what, on which cluster.
func (s *Server) askAction(w http.ResponseWriter, r *http.Request) error {
	a, err := s.actionOf(r)
	if err != nil {
		return err
	}
	t := targetOf(r)
	row, err := s.readRow(r, t)
	if err != nil {
		return err
	}
	if err := s.allowed(r, a, t); err != nil {
		return err
	}
	m, err := s.confirmation(r, a, t, row)
	if err != nil {
		return err
	}
	return s.confirm(w, r, http.StatusOK, m)
}

// allowed says, before a form is shown, what would be said after it was sent.
func (s *Server) allowed(r *http.Request, a action, t target) error {
	_, err := s.authority.Check(subjectOf(r), a.request(clusterOf(r), kindOf(r), t, anyNonce))
	return err
}

// readRow finds an object in the cluster, with the right to get it.
func (s *Server) readRow(r *http.Request, t target) (kinds.Row, error) {
	k, c := kindOf(r), clusterOf(r)
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return kinds.Row{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	obj, err := c.Get(ctx, permit, k, t.namespace, t.name)
	if err != nil {
		return kinds.Row{}, err
	}
	return obj.Detail().Row, nil
}

// confirmation builds the question for one object.
func (s *Server) confirmation(r *http.Request, a action, t target, row kinds.Row) (views.Confirmation, error) {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := objectPath(c.ID(), k, t.namespace, t.name)
	q := &question{Confirmation: s.question(r, a), target: t, row: row}
	q.Title = p.loc.T("ask."+string(a.id)+".title", "Kind", k.Name, "Name", t.name)
	q.Objects = []ui.Link{{Text: t.name, Href: path, Note: t.namespace}}
	q.Post, q.Cancel = path+"/"+string(a.id), path
	q.Hidden = append(q.Hidden, ui.Pair{Key: "uid", Value: row.UID})
	if a.typed {
		q.TypeName = t.name
	}
	if a.id == kinds.ActionDelete {
		q.Gone, q.Next = path, kindPath(c.ID(), k)
	}
	if a.fields != nil {
		q.Fields = a.fields(p, k, r.Form)
	}
	if s.clusterDenies(r, newPatience(r), a, t) {
		q.Error = p.loc.T("ask.cluster_denies", "Cluster", c.Name())
	}
	if a.ask != nil {
		if err := a.ask(s, r, q); err != nil {
			return views.Confirmation{}, err
		}
	}
	return q.Confirmation, nil
}

// question is what all confirmations share.
func (s *Server) question(r *http.Request, a action) views.Confirmation {
	c, p := clusterOf(r), s.presenter(r)
	look := s.looks.of(c.ID())
	return views.Confirmation{
		Explanation: p.loc.T("ask."+string(a.id)+".what", "Kind", kindOf(r).Name),
		Cluster:     c.Name(), Environment: environment(look.Environment, look.Colour), Production: look.production(),
		Submit: p.loc.T("action." + string(a.id)), Danger: a.danger,
		Hidden: []ui.Pair{{Key: "nonce", Value: newNonce()}, {Key: "at", Value: s.now().UTC().Format(time.RFC3339)}},
	}
}

// confirm shows a confirmation as a page, or as the content of a dialog.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, status int, m views.Confirmation) error {
	k, c := kindOf(r), clusterOf(r)
	return s.show(w, r, status, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: k}), Body: views.ConfirmationPage(m),
	})
}

// act does an action on one object. FR-1.7
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	a, err := s.actionOf(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	t, p := targetOf(r), s.presenter(r)
	in, wrong := readAction(a, r.PostForm)
	mistyped := a.typed && strings.TrimSpace(r.PostForm.Get("confirm")) != t.name
	if wrong != nil || mistyped {
		row, err := s.readRow(r, t)
		if err != nil {
			return err
		}
		m, err := s.confirmation(r, a, t, row)
		if err != nil {
			return err
		}
		if mistyped {
			m.TypeError = p.loc.T("ask.type_name", "Name", t.name)
		}
		p.mark(&m, wrong)
		return s.confirm(w, r, http.StatusUnprocessableEntity, m)
	}
	change, err := s.perform(r, a, t, in)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseInt(change.After["revision"], 10, 64); err == nil {
		in.revision = n // the form may have left the choice to us
	}
	back := objectPath(clusterOf(r).ID(), kindOf(r), t.namespace, t.name)
	if a.id == kinds.ActionDelete {
		back = kindPath(clusterOf(r).ID(), kindOf(r))
	}
	return s.done(w, r, s.success(r, a, t, in), back)
}

// mark says at the field what is wrong with it; wrong is nil where nothing is.
func (p presenter) mark(m *views.Confirmation, wrong *inputError) {
	for i := range m.Fields {
		if f := &m.Fields[i]; wrong != nil && f.Name == wrong.field {
			f.Error, f.Value = p.loc.T(wrong.id, "Max", wrong.max), wrong.value
		}
	}
}

// success says what was done to one object, and leads to what was made.
func (s *Server) success(r *http.Request, a action, t target, in actionInput) views.Notice {
	c, p := clusterOf(r), s.presenter(r)
	made := kube.JobName(a.id, t.name, in.nonce)
	n := views.Notice{Tone: ui.ToneOK, Title: p.loc.T("done."+string(a.id),
		"Kind", kindOf(r).Name, "Name", t.String(), "Cluster", c.Name(), "Replicas", int(in.replicas), "Revision", int(in.revision), "Made", made)}
	if k, ok := known(c, a.makes); ok && a.makes != "" {
		n.Link = ui.Link{Text: k.Name + " " + made, Href: objectPath(c.ID(), k, t.namespace, made)}
	}
	return n
}

// readAction reads the form of an action.
func readAction(a action, f url.Values) (in actionInput, wrong *inputError) {
	in.uid, in.nonce = f.Get("uid"), f.Get("nonce")
	if !nonceForm.MatchString(in.nonce) {
		in.nonce = newNonce()
	}
	if at, err := time.Parse(time.RFC3339, f.Get("at")); err == nil {
		in.at = at
	}
	if a.read != nil {
		wrong = a.read(f, &in)
	}
	return in, wrong
}

// perform does an action on one object: permits, audit intent, effect, audit outcome.
func (s *Server) perform(r *http.Request, a action, t target, in actionInput) (kube.Change, error) {
	k, c := kindOf(r), clusterOf(r)
	var done kube.Change
	q := a.request(c, k, t, in.nonce)
	if row := routeOf(r); a.verb.Effect() > row.effect {
		return done, fmt.Errorf("route %s %s declares %s and asks for %s", row.method, row.pattern, row.effect, a.verb)
	}
	d := deed{action: a, cluster: c, kind: k, target: t, in: in}
	var err error
	if d.permit, err = s.authority.Check(subjectOf(r), q); err != nil {
		return done, s.refused(r, err)
	}
	if d.read, err = s.permit(r, access.VerbGet, k, t.namespace, t.name); err != nil && a.makes != "" {
		return done, s.refused(r, err)
	}
	if a.id == kinds.ActionUndo {
		if d.history, err = s.mayListRevisions(r, t.namespace); err != nil {
			return done, s.refused(r, err)
		}
	}
	err = s.audited(r, d.permit, in.uid, func(ctx context.Context) (kube.Change, error) {
		ctx, cancel := context.WithTimeout(ctx, actBudget)
		defer cancel()
		var err error
		done, err = a.do(ctx, d)
		return done, err
	})
	return done, err
}
