package handlers

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views/ui"
)

// rightsBudget is how long a page waits, all in all, for what a cluster lets our own credentials do. What is not known by
// then is offered: the cluster has the last word anyway.
const rightsBudget = 200 * time.Millisecond

// patience is what is left of a page's rightsBudget.
type patience struct{ until time.Time }

func newPatience(*http.Request) patience { return patience{time.Now().Add(rightsBudget)} }

// clusterDenies says whether the cluster is known to refuse the action to Tiga's own credentials.
func (s *Server) clusterDenies(r *http.Request, p patience, a action, t target) bool {
	c, k := clusterOf(r), kindOf(r)
	name := t.name
	if made, ok := known(c, a.makes); ok && a.makes != "" {
		k, name = made, ""
	}
	right := kube.Right{Verb: a.needs.verb, Group: k.GVR.Group, Resource: k.GVR.Resource, Namespace: t.namespace}
	if a.needs.sub != "" {
		right.Resource += "/" + a.needs.sub
	}
	ctx, cancel := context.WithDeadline(r.Context(), p.until)
	defer cancel()
	return c.Lets(ctx, right, name) == kube.Denied
}

// offers are the actions of a kind as links on objects: those that a person may do, that the cluster lets Tiga do, and
// that would do something.
type offers struct {
	s        *Server
	r        *http.Request
	kind     *kinds.Kind
	patience patience
	actions  []action
}

// offersFor leaves out what the person may do nowhere in this cluster.
func (s *Server) offersFor(r *http.Request, k *kinds.Kind) *offers {
	o := &offers{s: s, r: r.WithContext(context.WithValue(r.Context(), kindKey{}, k)), kind: k, patience: newPatience(r)}
	for _, id := range k.Actions {
		if a, ok := s.actions[id]; ok && s.authority.Somewhere(subjectOf(r), a.request(clusterOf(r), k, target{}, "")) {
			o.actions = append(o.actions, a)
		}
	}
	return o
}

// on are the actions on one object.
func (o *offers) on(row *kinds.Row) []ui.Action {
	if o == nil || len(o.actions) == 0 {
		return nil
	}
	c, p := clusterOf(o.r), o.s.presenter(o.r)
	t, path := target{row.Namespace, row.Name}, objectPath(c.ID(), o.kind, row.Namespace, row.Name)
	var out []ui.Action
	for _, a := range o.actions {
		if a.applies != nil && !a.applies(row.State) || !o.s.may(o.r, a.request(c, o.kind, t, anyNonce)) || o.s.clusterDenies(o.r, o.patience, a, t) {
			continue
		}
		out = append(out, p.link(a, path))
	}
	return out
}

// bulk are those that make sense for many objects at once. Where the cluster's rights to a namespace are known for all of
// a list's rows and none of them may be acted on, there is nothing to offer.
func (o *offers) bulk(path string, rows []*kinds.Row) []ui.Action {
	p := o.s.presenter(o.r)
	var out []ui.Action
	for _, a := range o.actions {
		if !a.bulk || len(rows) > 0 && !slices.ContainsFunc(rows, func(row *kinds.Row) bool {
			return !o.s.clusterDenies(o.r, o.patience, a, target{row.Namespace, row.Name})
		}) {
			continue
		}
		out = append(out, p.link(a, path))
	}
	return out
}
