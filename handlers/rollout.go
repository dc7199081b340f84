package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// maxChanges bounds how many fields a comparison shows.
const maxChanges = 200

// mayListRevisions asks for the right to see what keeps the revisions of the route's kind.
func (s *Server) mayListRevisions(r *http.Request, namespace string) (access.Permit, error) {
	k, ok := kinds.Lookup(kube.RevisionKind(kindOf(r)))
	if !ok {
		return access.Permit{}, errNoRoute
	}
	return s.permit(r, access.VerbList, k, namespace, "")
}

// hasRollout says whether there is a tab of an object's revisions.
func (s *Server) hasRollout(r *http.Request, o *object) bool {
	_, err := s.mayListRevisions(r, o.namespace)
	return err == nil
}

// rollout reads the revisions of a workload.
func (s *Server) rollout(r *http.Request, t target) (kube.Rollout, error) {
	list, err := s.mayListRevisions(r, t.namespace)
	if err != nil {
		return kube.Rollout{}, err
	}
	get, err := s.permit(r, access.VerbGet, kindOf(r), t.namespace, t.name)
	if err != nil {
		return kube.Rollout{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	return clusterOf(r).Rollout(ctx, get, list, kindOf(r), t.namespace, t.name)
}

// showRollout is the tab with the revisions of a workload, and what differs between two of them.
func (s *Server) showRollout(w http.ResponseWriter, r *http.Request, o *object) error {
	all, err := s.rollout(r, o.target)
	if err != nil {
		return err
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	kept, _ := kinds.Lookup(kube.RevisionKind(k))
	path := o.path(r)
	m := views.Rollout{Object: s.objectHead(r, o, tabRollout), Paused: all.Paused}
	undo := s.undoLink(r, o)
	pods, counted := s.revisionPods(r, o)
	for i := range all.Revisions {
		rev := &all.Revisions[i]
		row := views.Revision{
			Number: int(rev.Number), Current: rev.Current, Cause: rev.Cause, Created: unix(rev.Created), Images: rev.Images,
			Keeper: ui.Link{Text: rev.Name, Href: objectPath(c.ID(), kept, o.namespace, rev.Name), Note: kept.Name},
		}
		if counted {
			row.Pods, row.PodsKnown = pods[rev.Selector], true
		}
		if row.Pods > 0 {
			if kind, ok := kinds.Lookup(kindPods); ok {
				row.PodsHref = query{"ns": {o.namespace}, "q": {"-l " + rev.Selector}}.at(kindPath(c.ID(), kind))
			}
		}
		if before := all.Before(rev.Number); before != nil {
			row.Compare = compareAddress(path, before.Number, rev.Number)
		}
		if undo != nil && !rev.Current {
			link := *undo
			link.ID = "undo-" + strconv.FormatInt(rev.Number, 10)
			link.Href = query{"revision": {strconv.FormatInt(rev.Number, 10)}}.at(link.Href)
			row.Undo = &link
		}
		m.Revisions = append(m.Revisions, row)
	}
	if m.Compare, err = p.comparison(&all, r.URL.Query(), path); err != nil {
		return err
	}
	watched := []string{k.ID(), kept.ID()}
	if counted {
		watched = append(watched, kindPods)
	}
	page := s.objectPage(r, o, tabRollout, watched...)
	page.Body = views.RolloutPage(m)
	return s.show(w, r, http.StatusOK, page)
}

func compareAddress(path string, from, to int64) string {
	return query{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}.at(path + "/" + tabRollout)
}

// undoLink is the button that goes back to a revision, if it is offered.
func (s *Server) undoLink(r *http.Request, o *object) *ui.Action {
	for _, link := range s.offersFor(r, kindOf(r)).on(&o.detail.Row) {
		if link.ID == string(kinds.ActionUndo) {
			return &link
		}
	}
	return nil
}

// revisionPods counts a workload's pods by the selector of their revision. It does not wait for a list that is not there
// yet.
func (s *Server) revisionPods(r *http.Request, o *object) (map[string]int, bool) {
	permit, err := s.mayListPods(r)
	if err != nil {
		return nil, false
	}
	q, some := podsQuery(o)
	if !some {
		return nil, false
	}
	q.All, q.Wait = true, -1
	page, err := clusterOf(r).List(r.Context(), permit, q)
	if err != nil || !page.Freshness.Synced {
		return nil, false
	}
	out := map[string]int{}
	for _, row := range page.Rows {
		for _, label := range []string{"pod-template-hash", "controller-revision-hash"} {
			if value, ok := row.Label(label); ok {
				out[label+"="+value]++
			}
		}
	}
	return out, true
}

// comparison is what differs between the two revisions that the query names, or between the current one and the one
// before; nil where there is only one.
func (p presenter) comparison(all *kube.Rollout, q url.Values, path string) (*views.Comparison, error) {
	if len(all.Revisions) < 2 {
		return nil, nil //nolint:nilnil // nothing to compare is no error
	}
	to := all.Current()
	if to == nil {
		to = &all.Revisions[0]
	}
	if raw := q.Get("to"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		found, ok := all.Find(n)
		if err != nil || !ok {
			return nil, badInput("no_revision", map[string]any{"Value": raw})
		}
		to = found
	}
	from := all.Before(to.Number)
	if raw := q.Get("from"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		found, ok := all.Find(n)
		if err != nil || !ok {
			return nil, badInput("no_revision", map[string]any{"Value": raw})
		}
		from = found
	}
	if from == nil { // of the oldest there is nothing before: what came after
		from = &all.Revisions[0]
	}
	out := &views.Comparison{From: int(from.Number), To: int(to.Number), Action: path + "/" + tabRollout}
	for i := range all.Revisions {
		out.Numbers = append(out.Numbers, int(all.Revisions[i].Number))
	}
	out.Changes, out.More = fieldChanges(from.Template(), to.Template())
	return out, nil
}

// fieldChanges is what differs between two pod templates. more is how many fields are left out.
func fieldChanges(before, after map[string]any) (out []views.FieldChange, more int) {
	in := func(template map[string]any) map[string]any {
		return map[string]any{"spec": map[string]any{"template": template}}
	}
	entries := diff.Trees(in(before), in(after), diff.Options{Leaves: true})
	for i, e := range entries {
		if i == maxChanges {
			return out, len(entries) - maxChanges
		}
		c := views.FieldChange{Path: e.Path}
		if e.Before != nil {
			c.Before, c.HadBefore = diff.Value(e.Before), true
		}
		if e.After != nil {
			c.After, c.HasAfter = diff.Value(e.After), true
		}
		out = append(out, c)
	}
	return out, 0
}

// askUndo says to which revision a workload goes back, and what that changes.
func askUndo(s *Server, r *http.Request, q *question) error {
	all, err := s.rollout(r, q.target)
	if err != nil {
		return err
	}
	p := s.presenter(r)
	var to *kube.Revision
	if raw := r.FormValue("revision"); raw != "" && raw != "0" {
		n, err := strconv.ParseInt(raw, 10, 64)
		found, ok := all.Find(n)
		if err != nil || !ok {
			return badInput("no_revision", map[string]any{"Value": raw})
		}
		to = found
	} else if current := all.Current(); current != nil {
		to = all.Before(current.Number)
	}
	if to == nil {
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "refused", Words: kinds.Message{ID: "cluster.no_revision_before"}}
	}
	q.Title = p.loc.T("ask.undo.to", "Kind", kindOf(r).Name, "Name", q.name, "Revision", int(to.Number))
	q.Hidden = append(q.Hidden, ui.Pair{Key: "revision", Value: strconv.FormatInt(to.Number, 10)}, ui.Pair{Key: "generation", Value: strconv.FormatInt(all.Generation, 10)})
	q.Changes, q.MoreChanges = fieldChanges(all.Template, to.Template())
	q.ShowChanges = true
	q.More = ui.Link{Text: p.loc.T("ask.undo.others"), Href: q.Cancel + "/" + tabRollout}
	return nil
}

func readUndo(f url.Values, in *actionInput) *inputError {
	if raw := f.Get("revision"); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < 0 {
			return &inputError{field: "revision", id: "ask.undo.number", value: raw}
		}
		in.revision = n
	}
	if n, err := strconv.ParseInt(f.Get("generation"), 10, 64); err == nil && n > 0 {
		in.generation = n
	}
	return nil
}
