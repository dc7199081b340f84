package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube/diff"
	"tiga/kube/history"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const (
	// itemHistory is the item of a cluster's menu.
	itemHistory = "history"
	// changesShown is how many changes a page has, changesScanned how many are looked at for those that the person may see.
	changesShown   = 50
	changesScanned = 2000
	// entriesShown bounds the fields of one change in a list of changes.
	entriesShown = 60
	// valueShown bounds a value in the line of a change.
	valueShown = 80
)

func historyPath(cluster int64) string { return clusterPath(cluster) + "/history" }

// changesOf is the address of the changes of one object, be it there or not.
func changesOf(cluster int64, k *kinds.Kind, t target) string {
	q := query{"kind": {k.ID()}, "name": {t.name}}
	if t.namespace != "" {
		q["ns"] = []string{t.namespace}
	}
	return q.at(historyPath(cluster))
}

// spans are the times that the page offers to look back.
func spans() []struct {
	id string
	d  time.Duration
} {
	return []struct {
		id string
		d  time.Duration
	}{{"1h", time.Hour}, {"12h", 12 * time.Hour}, {"7d", 7 * 24 * time.Hour}}
}

// hasHistory says whether there may be changes of objects of a kind: what nobody writes has none.
func (s *Server) hasHistory(k *kinds.Kind) bool {
	return s.history != nil && !k.Fixed && k.ID() != kindEvents
}

// seesChange says whether the subject may see a change: whoever may get the object. A10
func (s *Server) seesChange(r *http.Request, c db.ObjectChange) bool {
	if c.Verb == db.ChangeMissed { // of no object in particular
		return s.listsAll(r, clusterOf(r).Name(), c.Resource)
	}
	return s.seesObject(r, c.Resource, c.Namespace, c.Name)
}

// seeChanges are the newest changes that the subject may see, and the cursor of those after them.
func (s *Server) seeChanges(r *http.Request, f db.ChangeFilter, want int) (rows []db.ObjectChange, next string, err error) {
	f.Cluster = clusterOf(r).ID()
	for scanned := 0; scanned < changesScanned; {
		page, more, err := s.store.Read().Changes(r.Context(), f)
		if err != nil {
			return nil, "", err
		}
		for i, c := range page {
			if f.Cursor = db.ChangeCursor(c); s.seesChange(r, c) {
				rows = append(rows, c)
			}
			if len(rows) == want {
				if more = more || i < len(page)-1; more {
					return rows, f.Cursor, nil
				}
				return rows, "", nil
			}
		}
		if scanned += len(page); !more {
			return rows, "", nil
		}
	}
	return rows, f.Cursor, nil
}

// historyLive keeps a page about changes current.
func historyLive(r *http.Request, also ...string) *views.Live {
	return &views.Live{
		Stream: query{"kind": append([]string{historyKind}, also...)}.at(clusterPath(clusterOf(r).ID()) + "/live"), Self: r.URL.RequestURI(),
	}
}

// listChanges is what changed in a cluster.
func (s *Server) listChanges(w http.ResponseWriter, r *http.Request) error {
	if s.history == nil {
		return errNoRoute
	}
	c, p, q := clusterOf(r), s.presenter(r), queryOf(r)
	get := r.URL.Query().Get
	f := db.ChangeFilter{Resource: get("kind"), Namespace: get("ns"), Name: get("name"), Who: strings.TrimSpace(get("who")), Cursor: get("before")}
	for _, span := range spans() {
		if get("span") == span.id {
			f.Since = p.now.Add(-span.d)
		}
	}
	rows, next, err := s.seeChanges(r, f, changesShown)
	if err != nil {
		return err
	}
	m := views.Changes{
		Action: historyPath(c.ID()), Clear: historyPath(c.ID()), Filters: s.changeFilters(r, p), Recording: s.recordingOf(r, nil), Keep: s.kept(p),
	}
	for _, key := range []string{"kind", "ns", "name", "who", "span"} {
		m.Active = m.Active || get(key) != ""
	}
	if next != "" {
		m.Older = q.with("before", next).at(m.Action)
	}
	if f.Cursor != "" {
		m.Newest = q.with("before").at(m.Action)
	}
	for _, row := range rows {
		m.Rows = append(m.Rows, s.changeRow(r, p, row))
	}
	page := views.Page{Title: p.loc.T("history.title"), Shell: s.shell(r, place{cluster: c, item: itemHistory}), Body: views.ChangesPage(m)}
	if f.Cursor == "" { // what is older stands still
		page.Live = historyLive(r)
	}
	return s.show(w, r, http.StatusOK, page)
}

// changeFilters are the fields of the page's form.
func (s *Server) changeFilters(r *http.Request, p presenter) []ui.Field {
	get, c := r.URL.Query().Get, clusterOf(r)
	choice := func(name, any string, options []ui.Option) ui.Field {
		field := ui.Field{Type: ui.FieldSelect, Name: name, ID: "changes-" + name, Label: p.loc.T("history.filter." + name), Options: []ui.Option{{Text: p.loc.T(any)}}}
		found := get(name) == ""
		for _, o := range options {
			o.Chosen = o.Value == get(name)
			found = found || o.Chosen
			field.Options = append(field.Options, o)
		}
		if !found {
			field.Options = append(field.Options, ui.Option{Value: get(name), Text: get(name), Chosen: true})
		}
		return field
	}
	var times, namespaces, all []ui.Option
	for _, span := range spans() {
		times = append(times, ui.Option{Value: span.id, Text: p.loc.T("history.span." + span.id)})
	}
	for _, ns := range s.namespaces(r, c) {
		if !strings.ContainsAny(ns, "*?") {
			namespaces = append(namespaces, ui.Option{Value: ns, Text: ns})
		}
	}
	for _, k := range c.Kinds() {
		if s.hasHistory(k) && s.authority.Somewhere(subjectOf(r), request(c.Name(), access.VerbGet, k, "", "")) {
			all = append(all, ui.Option{Value: k.ID(), Text: k.Name})
		}
	}
	slices.SortFunc(all, func(a, b ui.Option) int { return strings.Compare(a.Text, b.Text) })
	text := func(name string) ui.Field {
		return ui.Field{Type: ui.FieldText, Name: name, ID: "changes-" + name, Label: p.loc.T("history.filter." + name), Value: get(name)}
	}
	return []ui.Field{
		choice("span", "history.any_time", times), choice("ns", "history.any_namespace", namespaces), choice("kind", "history.any_kind", all),
		text("name"), text("who"),
	}
}

// showHistory is the tab with the changes of an object.
func (s *Server) showHistory(w http.ResponseWriter, r *http.Request, o *object) error {
	k, p := kindOf(r), s.presenter(r)
	if !s.hasHistory(k) {
		return errNoRoute
	}
	cursor := r.URL.Query().Get("before")
	rows, next, err := s.seeChanges(r, db.ChangeFilter{Resource: k.ID(), Namespace: o.namespace, Name: o.name, Object: true, Cursor: cursor}, changesShown)
	if err != nil {
		return err
	}
	m := views.ObjectHistory{Object: s.objectHead(r, o, tabHistory)}
	m.Changes.Recording, m.Changes.Keep = s.recordingOf(r, k), s.kept(p)
	path := o.path(r) + "/" + tabHistory
	if next != "" {
		m.Changes.Older = query{"before": {next}}.at(path)
	}
	if cursor != "" {
		m.Changes.Newest = path
	}
	for _, row := range rows {
		line := s.changeRow(r, p, row)
		line.Object = ui.Link{} // it is the page's own
		if row.ObjectUID != o.detail.Row.UID {
			line.Note = strings.TrimSpace(p.loc.T("history.former") + " " + line.Note)
		}
		m.Changes.Rows = append(m.Changes.Rows, line)
	}
	page := s.objectPage(r, o, tabHistory)
	page.Body = views.ObjectHistoryPage(m)
	if cursor == "" {
		page.Live = historyLive(r, k.ID())
	}
	return s.show(w, r, http.StatusOK, page)
}

// recordingOf says what is recorded, of a kind or of the cluster.
func (s *Server) recordingOf(r *http.Request, k *kinds.Kind) views.Recording {
	c, p := clusterOf(r), s.presenter(r)
	if s.history.cfg.Mode != HistoryWatch {
		return views.Recording{Text: p.loc.T("history.recording.own")}
	}
	if k == nil {
		if since, ok := c.RecordingSince(); ok {
			return views.Recording{Text: p.loc.T("history.recording.since"), Since: since}
		}
		return views.Recording{Text: p.loc.T("history.recording.waits")}
	}
	permit, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbGet, k, "", ""))
	if err != nil { // rights to some names only: the kind is what is asked about
		permit, err = s.authority.Check(subjectOf(r), request(c.Name(), access.VerbGet, k, targetOf(r).namespace, targetOf(r).name))
	}
	what, ok := c.Recording(permit, k)
	switch {
	case err != nil || !ok:
		return views.Recording{Text: p.loc.T("history.recording.own_kind", "Kinds", k.Plural)}
	case what.Refused:
		return views.Recording{Text: p.loc.T("history.recording.refused", "Kinds", k.Plural, "Cluster", c.Name())}
	case what.Since.IsZero():
		return views.Recording{Text: p.loc.T("history.recording.waits")}
	}
	return views.Recording{Text: p.loc.T("history.recording.since"), Since: what.Since}
}

// kept says how long changes are kept.
func (s *Server) kept(p presenter) string {
	l := s.history.cfg.Limits
	return p.loc.T("history.kept", "Days", int(l.Life/(24*time.Hour)), "Rows", l.Rows)
}

// whoOf is who made a change: who did it through Tiga, else who the cluster says.
func whoOf(row db.ObjectChange) string {
	if row.ActorName != "" {
		return row.ActorName
	}
	return row.Manager
}

// changeRow is a change as the pages show it.
func (s *Server) changeRow(r *http.Request, p presenter, row db.ObjectChange) views.ChangeRow {
	c := clusterOf(r)
	line := views.ChangeRow{
		ID: strconv.FormatInt(row.ID, 10), At: db.Time(row.At), Began: db.Time(row.BeganAt), Times: int(row.Times), Kind: row.Resource,
		Who: whoOf(row), Verb: row.Verb, Object: ui.Link{Text: row.Name, Note: row.Namespace},
	}
	k, known := known(c, row.Resource)
	if known {
		if line.Kind = k.Name; row.Name != "" {
			line.Object.Href = objectPath(c.ID(), k, row.Namespace, row.Name)
		}
	}
	if row.ActorName != "" {
		line.Via = p.loc.T("history.through_tiga")
	}
	entries, err := history.Unpack(row.Entries)
	if err != nil {
		s.log.WarnContext(r.Context(), "change cannot be read", "error", err, "change", row.ID)
	}
	line.What = p.changeWhat(row, entries)
	list := entries.List
	if row.Verb != db.ChangeUpdate {
		list = leaves(entries)
	}
	for _, e := range editEntries(list[:min(len(list), entriesShown)]) {
		if entries.Cut { // only the names are kept
			e.Before, e.After = "…", "…"
		}
		line.Entries = append(line.Entries, e)
	}
	line.More = max(0, len(list)-entriesShown) + entries.Left
	switch {
	case entries.Cut:
		line.Note = p.loc.T("history.cut")
	case slices.ContainsFunc(list, func(e diff.Entry) bool { return history.Marked(e.Before) || history.Marked(e.After) }):
		line.Note = p.loc.T("history.marked")
	}
	if row.Reverts != 0 {
		line.Note = strings.TrimSpace(p.loc.T("history.reverts") + " " + line.Note)
	}
	line.Revert, line.Again = s.revertPath(r, row, entries), s.againPath(r, row, entries)
	return line
}

// leaves are the fields of a whole object, each by itself.
func leaves(e history.Entries) []diff.Entry {
	if e.Cut {
		return e.List
	}
	var before, after map[string]any
	put := func(m map[string]any, key string, v any) map[string]any {
		if m == nil {
			m = map[string]any{}
		}
		m[key] = v
		return m
	}
	for _, entry := range e.List {
		if entry.Before != nil {
			before = put(before, entry.Path, entry.Before)
		}
		if entry.After != nil {
			after = put(after, entry.Path, entry.After)
		}
	}
	return diff.Trees(before, after, diff.Options{Leaves: true})
}

// changeWhat is a change in one line.
func (p presenter) changeWhat(row db.ObjectChange, e history.Entries) views.ChangeWhat {
	switch row.Verb {
	case db.ChangeCreate, db.ChangeDelete:
		return views.ChangeWhat{Text: p.loc.T("history.what." + row.Verb)}
	case db.ChangeMissed:
		return views.ChangeWhat{Text: p.loc.T("history.what.missed", "Count", int(row.Fields))}
	}
	if len(e.List) == 1 && e.Left == 0 {
		one := e.List[0]
		what := views.ChangeWhat{Field: p.fieldName(one.Path)}
		if one.Path == "metadata.deletionTimestamp" {
			return views.ChangeWhat{Text: p.loc.T("history.what.deleting")}
		}
		if e.Cut {
			return what
		}
		if one.Op != diff.Added {
			what.Before = shown(one.Before)
		}
		if one.Op != diff.Removed {
			what.After = shown(one.After)
		}
		return what
	}
	var names []string
	for _, entry := range e.List {
		name := lastField(entry.Path)
		if len(names) < 3 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return views.ChangeWhat{Text: p.loc.T("history.what.fields", "Count", int(row.Fields)), Field: strings.Join(names, ", ")}
}

// fieldName is a path in as few words as tell what it is.
func (p presenter) fieldName(path string) string {
	path = strings.TrimPrefix(path, "spec.template.spec.")
	if rest, ok := strings.CutPrefix(path, "containers[name="); ok {
		if name, field, ok := strings.Cut(rest, "]."); ok {
			return p.loc.T("history.what.of", "Field", field, "Name", name)
		}
	}
	return strings.TrimPrefix(path, "spec.")
}

// lastField is the innermost name of a path.
func lastField(path string) string {
	if strings.HasSuffix(path, "]") {
		if at := strings.LastIndexByte(path, '['); at >= 0 {
			inner := path[at+1 : len(path)-1]
			if _, value, ok := strings.Cut(inner, "="); ok {
				return value
			}
			return inner
		}
	}
	return path[strings.LastIndexAny(path, ".]")+1:]
}

// shown is a value in the line of a change.
func shown(v any) string {
	text := []rune(diff.Value(v))
	if len(text) > valueShown {
		return string(text[:valueShown]) + "…"
	}
	return string(text)
}
