package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/history"
	"tiga/kube/manifest"
	"tiga/views"
)

// revertKey finds in a request's context the change that it takes back.
type revertKey struct{}

// taking is a change that is being taken back.
type taking struct{ row db.ObjectChange }

// revertOf is the change that a request takes back; nil for most.
func revertOf(r *http.Request) *taking {
	t, _ := r.Context().Value(revertKey{}).(*taking)
	return t
}

func (t *taking) id() int64 {
	if t == nil {
		return 0
	}
	return t.row.ID
}

// message is what the audit record says of it.
func (t *taking) message() string {
	return fmt.Sprintf("takes back change %d of %s by %s", t.row.ID, db.Time(t.row.At).Format("2006-01-02 15:04:05Z07:00"), whoOf(t.row))
}

// withRevert is the request with the change that its query says it takes back. One that is not of this object answers like
// one that never was.
func (s *Server) withRevert(r *http.Request, t target) (*http.Request, error) {
	text := r.URL.Query().Get("revert")
	if text == "" {
		return r, nil
	}
	row, err := s.changeNamed(r, text)
	if err != nil {
		return nil, err
	}
	if row.Resource != kindOf(r).ID() || row.Namespace != t.namespace || row.Name != t.name || row.Verb != db.ChangeUpdate {
		return nil, errNoRoute
	}
	return r.WithContext(context.WithValue(r.Context(), revertKey{}, &taking{row})), nil
}

// changeNamed is a change of the cluster that the subject may see.
func (s *Server) changeNamed(r *http.Request, id string) (db.ObjectChange, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || s.history == nil {
		return db.ObjectChange{}, errNoRoute
	}
	row, err := s.store.Read().ObjectChange(r.Context(), n)
	if err != nil {
		return db.ObjectChange{}, err
	}
	if row.ClusterID != clusterOf(r).ID() || !s.seesChange(r, row) {
		return db.ObjectChange{}, errNoRoute
	}
	return row, nil
}

// revertable are the fields of a change that can be put back, and the paths of those that cannot: of which only marks or
// names are kept.
func revertable(row db.ObjectChange, entries history.Entries) (list []diff.Entry, lost []string) {
	if row.Verb != db.ChangeUpdate || row.Fidelity == db.FidelityWords || entries.Cut {
		return nil, nil
	}
	for _, e := range entries.List {
		if history.Marked(e.Before) || history.Marked(e.After) {
			lost = append(lost, e.Path)
		} else {
			list = append(list, e)
		}
	}
	return list, lost
}

// begin makes the text of an editor in which the change is taken back: what was changed since stays as it is, unless it is
// asked for.
func (t *taking) begin(r *http.Request, p presenter, d *draft, m *views.Editor) error {
	kept, _ := history.Unpack(t.row.Entries) // of what cannot be read there is nothing to take back
	entries, lost := revertable(t.row, kept)
	take := r.URL.Query()["take"]
	sides := diff.SidesOf(d.base, entries)
	merged, conflicts := diff.MergeWith(sides.After, d.base, sides.Before, func(c diff.Conflict) diff.Side {
		if slices.Contains(take, c.Path) {
			return diff.Mine
		}
		return diff.Theirs
	})
	text, err := manifest.Print(merged)
	if err != nil {
		return err
	}
	d.text = string(text)
	m.Revert = &views.EditRevert{At: db.Time(t.row.At), Who: whoOf(t.row), Lost: append(lost, sides.Lost...)}
	changes := diff.Trees(d.base, merged, diff.Options{})
	m.Revert.Nothing = len(changes) == 0
	m.Diff = &views.EditDiff{Entries: editEntries(changes), More: max(0, len(changes)-maxEntries)}
	for _, c := range conflicts {
		if slices.Contains(take, c.Path) {
			continue
		}
		q := query{"revert": {strconv.FormatInt(t.row.ID, 10)}, "take": append(slices.Clone(take), c.Path)}
		m.Revert.Kept = append(m.Revert.Kept, views.EditKept{Path: c.Path, Now: orNothing(c.Theirs), Was: orNothing(c.Mine), Href: q.at(r.URL.Path)})
	}
	m.Title = p.loc.T("history.revert.title", "Kind", m.Kind, "Name", m.Name)
	return nil
}

// revertPath is the address that takes a change back; "" where that cannot be done, or not by this person.
func (s *Server) revertPath(r *http.Request, row db.ObjectChange, entries history.Entries) string {
	if list, _ := revertable(row, entries); len(list) == 0 {
		return ""
	}
	c := clusterOf(r)
	k, ok := c.Known(row.Resource)
	if !ok || k.Fixed || !s.may(r, request(c.Name(), access.VerbUpdate, k, row.Namespace, row.Name)) {
		return ""
	}
	return query{"revert": {strconv.FormatInt(row.ID, 10)}}.at(objectPath(c.ID(), k, row.Namespace, row.Name) + "/edit")
}

// againPath is the address that makes a deleted object anew; "" where that cannot be done, or not by this person.
func (s *Server) againPath(r *http.Request, row db.ObjectChange, entries history.Entries) string {
	c := clusterOf(r)
	k, ok := c.Known(row.Resource)
	if _, whole := lastOf(row, entries); !whole || !ok || k.Fixed || !s.may(r, request(c.Name(), access.VerbCreate, k, row.Namespace, row.Name)) {
		return ""
	}
	return query{"again": {strconv.FormatInt(row.ID, 10)}}.at(kindPath(c.ID(), k) + "/new")
}

// lastOf is a deleted object as it was last seen.
func lastOf(row db.ObjectChange, entries history.Entries) (map[string]any, bool) {
	if row.Verb != db.ChangeDelete || row.Resource == kindSecrets {
		return nil, false
	}
	return entries.Tree()
}

// again is the text of a deleted object, to be made anew.
func (s *Server) again(r *http.Request, id string) (string, error) {
	row, err := s.changeNamed(r, id)
	if err != nil {
		return "", err
	}
	entries, _ := history.Unpack(row.Entries) // what cannot be read is not whole
	tree, ok := lastOf(row, entries)
	if !ok || row.Resource != kindOf(r).ID() {
		return "", errNoRoute
	}
	fresh := kube.Draft{Tree: tree}.Copy() // without what only one object can have
	if meta, ok := fresh["metadata"].(map[string]any); ok {
		meta["name"] = row.Name
	}
	text, err := manifest.Print(fresh)
	return string(text), err
}

// revertQuery is what an editor's address has of a change that is being taken back.
func revertQuery(r *http.Request) query {
	if t := revertOf(r); t != nil {
		return query{"revert": {strconv.FormatInt(t.id(), 10)}}
	}
	return nil
}
