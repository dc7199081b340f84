package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// maxReplicas bounds what the form of a scale accepts; more is a typing mistake.
const maxReplicas = 10_000

// maxBulk bounds how many objects one bulk action takes.
const maxBulk = 500

// maxObjectName is the longest name that an API server gives to anything.
const maxObjectName = 253

// verbs says which right an action needs.
func verbOf(a kinds.Action) access.Verb {
	switch a {
	case kinds.ActionScale:
		return access.VerbScale
	case kinds.ActionRestart:
		return access.VerbRestart
	default:
		return access.VerbDelete
	}
}

// bulkable says whether an action makes sense for many objects at once.
func bulkable(a kinds.Action) bool { return a != kinds.ActionScale }

// target is one object that something is done to.
type target struct{ namespace, name string }

func (t target) String() string {
	if t.namespace == "" {
		return t.name
	}
	return t.namespace + "/" + t.name
}

// actionOf reads the action of the path; a kind that does not have it answers 404.
func actionOf(r *http.Request) (kinds.Action, error) {
	a := kinds.Action(chi.URLParam(r, "action"))
	if !kindOf(r).Can(a) {
		return "", &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": string(a), "Kind": kindOf(r).Name}}
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

// action is a link to the page that asks before something is done.
func (p presenter) action(a kinds.Action, path string) ui.Action {
	return ui.Action{ID: string(a), Text: p.loc.T("action." + string(a)), Href: path + "/" + string(a), Danger: a == kinds.ActionDelete, Dialog: true}
}

// rowActions are the kind's actions that the person may do somewhere in this cluster; each object is asked for again.
func (s *Server) rowActions(r *http.Request, k *kinds.Kind) []kinds.Action {
	// A list shows many namespaces; a button that one of them lacks is answered with the missing right.
	return slices.DeleteFunc(slices.Clone(k.Actions), func(a kinds.Action) bool {
		return !s.authority.Somewhere(subjectOf(r), request(clusterOf(r).Name(), verbOf(a), k, "", ""))
	})
}

// bulkActions are those of a row's actions that make sense for many objects at once.
func (p presenter) bulkActions(actions []kinds.Action, path string) []ui.Action {
	var out []ui.Action
	for _, a := range actions {
		if bulkable(a) {
			out = append(out, p.action(a, path))
		}
	}
	return out
}

// askAction is the page that says what will happen, to what, on which cluster.
func (s *Server) askAction(w http.ResponseWriter, r *http.Request) error {
	a, err := actionOf(r)
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
	return s.confirm(w, r, http.StatusOK, s.confirmation(r, a, t, row))
}

// allowed says, before a form is shown, what would be said after it was sent.
func (s *Server) allowed(r *http.Request, a kinds.Action, t target) error {
	_, err := s.authority.Check(subjectOf(r), request(clusterOf(r).Name(), verbOf(a), kindOf(r), t.namespace, t.name))
	return err
}

// readRow finds an object in the cache, with the right to get it.
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
func (s *Server) confirmation(r *http.Request, a kinds.Action, t target, row kinds.Row) views.Confirmation {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := objectPath(c.ID(), k, t.namespace, t.name)
	m := s.question(r, a)
	m.Title = p.loc.T("ask."+string(a)+".title", "Kind", k.Name, "Name", t.name)
	m.Objects = []ui.Link{{Text: t.name, Href: path, Note: t.namespace}}
	m.Post, m.Cancel = path+"/"+string(a), path
	switch a {
	case kinds.ActionScale:
		current := replicas(k, row)
		m.Fields = []ui.Field{{
			Type: ui.FieldNumber, Name: "replicas", Label: p.loc.T("ask.scale.replicas"), Value: strconv.Itoa(int(current)),
			Min: "0", Max: strconv.Itoa(maxReplicas), Required: true, Focus: true, Help: p.loc.T("ask.scale.now", "Count", int(current)),
		}}
		m.Hidden = []ui.Pair{{Key: "from", Value: strconv.Itoa(int(current))}}
	case kinds.ActionDelete:
		m.TypeName, m.Gone = t.name, path
		m.Hidden = []ui.Pair{{Key: "uid", Value: row.UID}}
		m.Fields = p.deletionFields(k, r.Form)
		if notes := s.deletionNotes(r, t, row); notes != "" {
			m.Explanation += " " + notes
		}
	default:
	}
	return m
}

// question is what all confirmations share.
func (s *Server) question(r *http.Request, a kinds.Action) views.Confirmation {
	c, p := clusterOf(r), s.presenter(r)
	look := s.looks.of(c.ID())
	return views.Confirmation{
		Explanation: p.loc.T("ask."+string(a)+".what", "Kind", kindOf(r).Name),
		Cluster:     c.Name(), Environment: environment(look.Environment, look.Colour), Production: look.production(),
		Submit: p.loc.T("action." + string(a)), Danger: a == kinds.ActionDelete,
	}
}

// replicas is how many pods a workload wants: the second figure of its column "ready".
func replicas(k *kinds.Kind, row kinds.Row) int32 {
	_, wanted, _ := strings.Cut(columnText(k, &row, "ready"), "/")
	n, err := strconv.ParseInt(wanted, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
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
	a, err := actionOf(r)
	if err != nil {
		return err
	}
	t := targetOf(r)
	if err := r.ParseForm(); err != nil {
		return err
	}
	p := s.presenter(r)
	named := strings.TrimSpace(r.PostForm.Get("confirm")) == t.name
	if _, _, wrong := deletion(r.PostForm); a == kinds.ActionDelete && (!named || wrong != "") {
		row, err := s.readRow(r, t)
		if err != nil {
			return err
		}
		m := s.confirmation(r, a, t, row)
		if !named {
			m.TypeError = p.loc.T("ask.type_name", "Name", t.name)
		}
		p.wrongDeletion(r.PostForm, &m)
		return s.confirm(w, r, http.StatusUnprocessableEntity, m)
	}
	input, problemText := parseAction(r, a)
	if problemText != "" {
		row, err := s.readRow(r, t)
		if err != nil {
			return err
		}
		m := s.confirmation(r, a, t, row)
		m.Fields[0].Error, m.Fields[0].Value = p.loc.T(problemText, "Max", maxReplicas), r.PostForm.Get("replicas")
		return s.confirm(w, r, http.StatusUnprocessableEntity, m)
	}
	if err := s.perform(r, a, t, input); err != nil {
		return err
	}
	done := views.Notice{
		Tone:  ui.ToneOK,
		Title: p.loc.T("done."+string(a), "Kind", kindOf(r).Name, "Name", t.String(), "Cluster", clusterOf(r).Name(), "Replicas", int(input.replicas)),
	}
	back := objectPath(clusterOf(r).ID(), kindOf(r), t.namespace, t.name)
	if a == kinds.ActionDelete {
		back = kindPath(clusterOf(r).ID(), kindOf(r))
	}
	return s.done(w, r, done, back)
}

// actionInput is what the form of an action says.
type actionInput struct {
	replicas int32
	from     *int32
	uid      string
	deletion kube.DeleteOptions
}

// parseAction reads the form of an action; problem is the id of what is wrong with it.
func parseAction(r *http.Request, a kinds.Action) (in actionInput, problem string) {
	in.uid = r.PostForm.Get("uid")
	if a == kinds.ActionDelete {
		in.deletion, _, _ = deletion(r.PostForm)
	}
	if a != kinds.ActionScale {
		return in, ""
	}
	n, err := strconv.ParseInt(strings.TrimSpace(r.PostForm.Get("replicas")), 10, 32)
	if err != nil || n < 0 || n > maxReplicas {
		return in, "ask.scale.number"
	}
	in.replicas = int32(n)
	if from, err := strconv.ParseInt(r.PostForm.Get("from"), 10, 32); err == nil {
		f := int32(from)
		in.from = &f
	}
	return in, ""
}

// perform does an action on one object: permit, audit intent, effect, audit outcome.
func (s *Server) perform(r *http.Request, a kinds.Action, t target, in actionInput) error {
	k, c := kindOf(r), clusterOf(r)
	verb := verbOf(a)
	permit, err := s.permit(r, verb, k, t.namespace, t.name)
	if err != nil {
		return s.refused(r, err)
	}
	return s.audited(r, permit, in.uid, func(ctx context.Context) (kube.Change, error) {
		ctx, cancel := context.WithTimeout(ctx, actBudget)
		defer cancel()
		switch a {
		case kinds.ActionScale:
			return c.Scale(ctx, permit, k, t.namespace, t.name, kube.ScaleOptions{Replicas: in.replicas, From: in.from})
		case kinds.ActionRestart:
			return c.Restart(ctx, permit, k, t.namespace, t.name)
		default:
			o := in.deletion
			o.UID = in.uid
			return c.Delete(ctx, permit, k, t.namespace, t.name, o)
		}
	})
}

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
	if len(out) == 0 || len(out) > maxBulk {
		return nil, badInput("bad_request", nil)
	}
	return out, nil
}

// bulkActionOf is actionOf for many objects at once.
func bulkActionOf(r *http.Request) (kinds.Action, error) {
	a, err := actionOf(r)
	if err == nil && !bulkable(a) {
		return "", &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": string(a), "Kind": kindOf(r).Name}}
	}
	return a, err
}

// bulkConfirmation builds the question for several objects. The number is to be typed for what cannot be taken back.
func (s *Server) bulkConfirmation(r *http.Request, a kinds.Action, targets []target) views.Confirmation {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	m := s.question(r, a)
	m.Title = p.loc.T("ask."+string(a)+".many", "Kind", k.Plural, "Count", len(targets))
	m.Post, m.Cancel = kindPath(c.ID(), k)+"/"+string(a), kindPath(c.ID(), k)
	for _, t := range targets {
		m.Objects = append(m.Objects, ui.Link{Text: t.name, Href: objectPath(c.ID(), k, t.namespace, t.name), Note: t.namespace})
		m.Hidden = append(m.Hidden, ui.Pair{Key: "o", Value: t.namespace + "/" + t.name})
	}
	if a == kinds.ActionDelete {
		m.TypeName, m.Fields = strconv.Itoa(len(targets)), p.deletionFields(k, r.Form)
	}
	return m
}

// bulkOf reads what is to be done, and to which objects.
func bulkOf(r *http.Request) (kinds.Action, []target, error) {
	a, err := bulkActionOf(r)
	if err != nil {
		return "", nil, err
	}
	targets, err := bulkTargets(r)
	return a, targets, err
}

// askBulk asks before something is done to several objects.
func (s *Server) askBulk(w http.ResponseWriter, r *http.Request) error {
	a, targets, err := bulkOf(r)
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

// actBulk does an action to several objects, one after the other, and says what became of each.
func (s *Server) actBulk(w http.ResponseWriter, r *http.Request) error {
	a, targets, err := bulkOf(r)
	if err != nil {
		return err
	}
	p := s.presenter(r)
	counted := strings.TrimSpace(r.PostForm.Get("confirm")) == strconv.Itoa(len(targets))
	if _, _, wrong := deletion(r.PostForm); a == kinds.ActionDelete && (!counted || wrong != "") {
		m := s.bulkConfirmation(r, a, targets)
		if !counted {
			m.TypeError = p.loc.T("ask.type_count", "Count", len(targets))
		}
		p.wrongDeletion(r.PostForm, &m)
		return s.confirm(w, r, http.StatusUnprocessableEntity, m)
	}
	var in actionInput
	if a == kinds.ActionDelete {
		in.deletion, _, _ = deletion(r.PostForm)
	}
	var failed []string
	for _, t := range targets {
		err := s.perform(r, a, t, in)
		if err == nil {
			continue
		}
		if pe := problem(err); pe.Status >= http.StatusInternalServerError && pe.Cluster == "" || errors.Is(err, access.ErrReadOnly) {
			return fmt.Errorf("%s %s: %w", a, t, err)
		}
		failed = append(failed, t.String()+": "+s.sentence(r, problem(err)))
	}
	n := views.Notice{Tone: ui.ToneOK, Title: p.loc.T("done.many."+string(a), "Kind", kindOf(r).Plural, "Count", len(targets)-len(failed), "Cluster", clusterOf(r).Name())}
	if len(failed) > 0 {
		n.Tone, n.Detail = ui.ToneBad, p.loc.T("done.failed", "Count", len(failed))+" "+strings.Join(failed, "; ")
	}
	return s.done(w, r, n, kindPath(clusterOf(r).ID(), kindOf(r)))
}
