package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// The kinds that detail pages show parts of.
const (
	kindPods        = "pods"
	kindNodes       = "nodes"
	kindEvents      = "events"
	kindNamespaces  = "namespaces"
	kindDeployments = "deployments.apps"
	kindReplicaSets = "replicasets.apps"
	kindJobs        = "jobs.batch"
	kindCronJobs    = "cronjobs.batch"
)

// The tabs of an object. Overview is the object's own address, the others stand below it.
const (
	tabOverview = "overview"
	tabPods     = "pods"
	tabRollout  = "rollout"
	tabEvents   = "events"
	tabYAML     = "yaml"
	tabDescribe = "describe"
	tabHistory  = "history"
)

// object is an object read for its page.
type object struct {
	target
	whole  kube.Object
	detail kinds.Detail
	events *events // looked for once
}

// tab is a handler of one part of an object's page.
type tab func(w http.ResponseWriter, r *http.Request, o *object) error

// ofObject reads the object that the path names and shows a tab of it. FR-3.5
func (s *Server) ofObject(show tab) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		o, err := s.readObject(r)
		if err != nil {
			return s.showMissing(w, r, err)
		}
		return show(w, r, o)
	}
}

// readObject reads an object from the API server for its page.
func (s *Server) readObject(r *http.Request) (*object, error) {
	t := targetOf(r)
	k, c := kindOf(r), clusterOf(r)
	if (t.namespace == "") == k.Namespaced || t.name == "" {
		return nil, errNoRoute
	}
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	whole, err := c.Get(ctx, permit, k, t.namespace, t.name)
	if err != nil {
		return nil, err
	}
	return &object{target: t, whole: whole, detail: whole.Detail()}, nil
}

// showMissing says that an object is not there, with a way on. A page that refreshes itself has shown it a moment ago.
func (s *Server) showMissing(w http.ResponseWriter, r *http.Request, err error) error {
	if !errors.Is(err, kube.ErrNotFound) {
		return err
	}
	problem := problem(err)
	if refreshes(r) {
		problem = &ProblemError{Status: http.StatusGone, ID: "gone", Err: err}
	}
	s.logProblem(r, problem)
	p, k, c, t := s.presenter(r), kindOf(r), clusterOf(r), targetOf(r)
	part := s.problemPart(r, problem)
	list := kindPath(c.ID(), k)
	if t.namespace != "" {
		list = query{"ns": {t.namespace}}.at(list)
	}
	part.Links = []ui.Link{{Text: p.loc.T("detail.to_list", "Kinds", k.Plural), Href: list}}
	if s.hasHistory(k) {
		part.Links = append(part.Links, ui.Link{Text: p.loc.T("history.of_missing"), Href: changesOf(c.ID(), k, t)})
	}
	return s.show(w, r, problem.Status, views.Page{
		Title: part.Title, Shell: s.shell(r, place{cluster: c, kind: k}), Body: views.FailurePage(views.Failure{Status: problem.Status, Problem: *part}),
	})
}

// refreshes says whether a page asks for itself again because something has changed.
func refreshes(r *http.Request) bool { return strings.HasSuffix(r.Header.Get("HX-Source"), "#refresh") }

// path is the address of the object's page.
func (o *object) path(r *http.Request) string {
	return objectPath(clusterOf(r).ID(), kindOf(r), o.namespace, o.name)
}

// page is a tab of an object in its shell. watched are the kinds whose changes it follows; none for a page that stands
// still.
func (s *Server) objectPage(r *http.Request, o *object, tab string, watched ...string) views.Page {
	c, k := clusterOf(r), kindOf(r)
	page := views.Page{Title: o.name, Shell: s.shell(r, place{cluster: c, kind: k})}
	if tab != tabOverview {
		page.Title += " · " + s.presenter(r).loc.T("tab."+tab)
	}
	if len(watched) > 0 {
		slices.Sort(watched)
		page.Live = &views.Live{Stream: query{"kind": slices.Compact(watched)}.at(clusterPath(c.ID()) + "/live"), Self: r.URL.RequestURI()}
	}
	return page
}

// objectHead is what the tabs of an object share. A tab that the subject has no right to is not offered.
func (s *Server) objectHead(r *http.Request, o *object, current string) views.Object {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := o.path(r)
	head := views.Object{
		Kind: k.Name, Name: o.name, Status: p.status(o.detail.Row.Status),
		Crumbs: []ui.Link{{Text: c.Name(), Href: clusterPath(c.ID())}, {Text: k.Plural, Href: kindPath(c.ID(), k)}},
	}
	if o.namespace != "" {
		inNamespace := ui.Link{Text: o.namespace, Href: query{"ns": {o.namespace}}.at(kindPath(c.ID(), k))}
		head.Crumbs = slices.Insert(head.Crumbs, 1, inNamespace)
	}
	add := func(id string, count int) {
		t := views.Tab{ID: id, Text: p.loc.T("tab." + id), Href: path + "/" + id, Count: count, Current: id == current}
		if id == tabOverview {
			t.Href = path
		}
		head.Tabs = append(head.Tabs, t)
	}
	add(tabOverview, 0)
	if n, ok := s.countPods(r, o); ok {
		add(tabPods, n)
	}
	if s.hasRollout(r, o) {
		add(tabRollout, 0)
	}
	if of := s.eventsOf(r, o); of.err == nil {
		add(tabEvents, len(of.rows))
	}
	if s.hasHistory(k) {
		add(tabHistory, 0)
	}
	add(tabYAML, 0)
	add(tabDescribe, 0)
	head.Actions = append(s.writeActions(r, k, o.target), s.offersFor(r, k).on(&o.detail.Row)...)
	if m := o.detail.Problem; !m.IsZero() {
		head.Problem = &ui.Problem{
			Title: p.loc.T("detail.unreadable.title"), Detail: p.words(m), Advice: p.loc.T("detail.unreadable.action"), Tone: ui.ToneWarn,
			Links: []ui.Link{{Text: p.loc.T("tab.yaml"), Href: path + "/" + tabYAML}},
		}
	}
	return head
}

// refPath is the address of what a reference names; "" for a kind that has no page.
func refPath(c *kube.Cluster, ref kinds.Ref) string {
	k, ok := known(c, ref.Kind)
	if !ok || (ref.Namespace == "") == k.Namespaced {
		return ""
	}
	return objectPath(c.ID(), k, ref.Namespace, ref.Name)
}

// known is the kind of a reference, if the cluster serves it.
func known(c *kube.Cluster, id string) (*kinds.Kind, bool) {
	if k, ok := c.Known(id); ok {
		return k, true
	}
	return kinds.Lookup(id)
}

// kindNamed is the kind that the cluster serves in a group under a name, in whichever version.
func kindNamed(c *kube.Cluster, group, name string) (*kinds.Kind, bool) {
	for _, k := range c.Kinds() {
		if k.Name == name && k.GVR.Group == group {
			return k, true
		}
	}
	return nil, false
}

// ownerKind is the kind of an owner, if it has pages.
func ownerKind(c *kube.Cluster, o kinds.Owner) (*kinds.Kind, bool) {
	group, _, ok := strings.Cut(o.APIVersion, "/")
	if !ok {
		group = ""
	}
	return kindNamed(c, group, o.Kind)
}

// columnText is the text of a row's column; "" where the kind has no such column.
func columnText(k *kinds.Kind, row *kinds.Row, id string) string { return column(k, row, id).Text }

func column(k *kinds.Kind, row *kinds.Row, id string) kinds.Cell {
	if i, ok := k.Column(id); ok && i < len(row.Cells) {
		return row.Cells[i]
	}
	return kinds.Cell{}
}
