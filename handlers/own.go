package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tiga/db"
	"tiga/kube/kinds"
	"tiga/views"
)

// The keys of what people keep.
const (
	preferColumns    = "columns/" // and the kind's id: ids of columns
	preferDensity    = "density"
	preferFavourites = "favourites" // ids of kinds
)

const (
	densityCompact = "compact"
	maxFavourites  = 60
)

// own is what a person keeps: how lists look to them, and lists that they go back to.
type own struct {
	columns    map[string][]string // by kind
	favourites []string            // kinds
	compact    bool
	views      []db.SavedView
}

// ownOf is what the person keeps, read once for a request. A list is shown without it rather than not at all.
func (s *Server) ownOf(r *http.Request) *own {
	v := visitOf(r)
	if v.own != nil {
		return v.own
	}
	v.own = &own{columns: map[string][]string{}}
	if v.subject.UserID == 0 {
		return v.own
	}
	rows, err := s.store.Read().Preferences(r.Context(), v.subject.UserID)
	if err == nil {
		v.own.views, err = s.store.Read().Views(r.Context(), v.subject.UserID)
	}
	if err != nil {
		s.log.WarnContext(r.Context(), "preferences not read", "error", err, "request_id", requestID(r))
	}
	for _, row := range rows {
		v.own.take(row.Key, row.Value)
	}
	return v.own
}

// listColumns are the columns that the person has chosen for a kind; none for its own. The namespace is left out where
// only one is looked at.
func (o *own) listColumns(k *kinds.Kind, in listInput) []string {
	columns := o.columns[k.ID()]
	if len(in.namespaces) == 1 {
		columns = slices.DeleteFunc(slices.Clone(columns), func(id string) bool { return id == columnNamespace })
	}
	return columns
}

// take reads one preference. What an older version wrote and this one cannot read is as good as never set.
func (o *own) take(key, value string) {
	var list []string
	var word string
	kind, columns := strings.CutPrefix(key, preferColumns)
	switch {
	case columns && json.Unmarshal([]byte(value), &list) == nil:
		o.columns[kind] = list
	case key == preferFavourites && json.Unmarshal([]byte(value), &list) == nil:
		o.favourites = list
	case key == preferDensity && json.Unmarshal([]byte(value), &word) == nil:
		o.compact = word == densityCompact
	}
}

// keep changes what the person keeps. It is theirs alone and nothing of a cluster, so that read-only mode does not hinder
// it and the audit record does not hold it.
func (s *Server) keep(r *http.Request, change func(*db.Queries) error) error {
	err := s.store.Write(r.Context(), change)
	if errors.Is(err, db.ErrLimit) {
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "own_limit", Err: err}
	}
	visitOf(r).own = nil
	return err
}

// prefer sets a preference, or takes it back.
func (s *Server) prefer(r *http.Request, q *db.Queries, key string, value any, set bool) error {
	user := subjectOf(r).UserID
	if !set {
		_, err := q.DeletePreference(r.Context(), user, key)
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return q.SetPreference(r.Context(), user, key, string(text), s.now().UnixMicro())
}

// formQuery reads the query string of a list from a form. Whatever else it holds is left out.
func formQuery(raw string) query {
	values, err := url.ParseQuery(cut(raw, 2*db.MaxViewQuery))
	if err != nil {
		return query{}
	}
	return query(values).list()
}

// setFavourite puts a kind among the favourites, or takes it out.
func (s *Server) setFavourite(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	k := kindOf(r)
	list := slices.DeleteFunc(slices.Clone(s.ownOf(r).favourites), func(id string) bool { return id == k.ID() })
	if r.PostForm.Get("on") == "1" {
		if len(list) >= maxFavourites {
			return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "own_limit"}
		}
		list = append(list, k.ID())
	}
	if err := s.keep(r, func(q *db.Queries) error { return s.prefer(r, q, preferFavourites, list, len(list) > 0) }); err != nil {
		return err
	}
	// A real redirect, also for htmx: the list is the answer, morphed into the page.
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, formQuery(r.PostForm.Get("query")).at(kindPath(clusterOf(r).ID(), k)), http.StatusSeeOther) // the path is ours
	return nil
}

// favourites is the group of the menu with the kinds that the person put there, of those that the menu has.
func (p presenter) favourites(own *own, all []views.MenuGroup) []views.MenuGroup {
	group := views.MenuGroup{ID: "favourites", Title: p.loc.T("list.favourites")}
	for _, id := range own.favourites {
		for _, g := range all {
			for _, item := range g.Items {
				if item.ID == id && !item.Under {
					item.ID = "favourite-" + id
					group.Items = append(group.Items, item)
				}
			}
		}
	}
	if len(group.Items) == 0 {
		return nil
	}
	return []views.MenuGroup{group}
}

// pinned are the views of a kind that stand under it in the menu.
func (o *own) pinned(k *kinds.Kind, path string, r *http.Request) []views.MenuItem {
	var out []views.MenuItem
	for i := range o.views {
		if v := &o.views[i]; v.Pinned && v.Kind == k.ID() {
			current := r.URL.Path == path && queryOf(r).list().encode() == v.Query
			out = append(out, views.MenuItem{ID: viewID(v.ID), Text: v.Name, Href: viewPath(path, v), Current: current, Under: true})
		}
	}
	return out
}
