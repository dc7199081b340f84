package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const pageSize = 100

// facetStatus is the facet that every list offers.
const facetStatus = "status"

// listInput is the query string of a list: the whole of its state.
type listInput struct {
	query      query
	namespaces []string
	text       string
	sort       string
	page       int
	columns    []string            // chosen columns; nil means the kind's own choice
	facets     map[string][]string // "f.<id>" → values
}

func parseList(r *http.Request) (listInput, error) {
	q := r.URL.Query()
	in := listInput{query: queryOf(r), namespaces: slices.DeleteFunc(q["ns"], isAll), text: q.Get("q"), sort: q.Get("sort"), page: 1, columns: q["cols"], facets: map[string][]string{}}
	if raw := q.Get("page"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 {
			return in, badInput("bad_request", nil)
		}
		in.page = n
	}
	for key, values := range q {
		if id, ok := strings.CutPrefix(key, "f."); ok {
			in.facets[id] = values
		}
	}
	return in, nil
}

// isAll says whether a namespace filter means every namespace.
func isAll(ns string) bool { return ns == "" || ns == "_all" }

// listObjects is the page of a kind's objects. FR-1.13, FR-3.3
func (s *Server) listObjects(w http.ResponseWriter, r *http.Request) error {
	in, err := parseList(r)
	if err != nil {
		return err
	}
	k, c := kindOf(r), clusterOf(r)
	list := views.List{Title: k.Plural, Kind: k.Name, ClusterScoped: !k.Namespaced && len(in.namespaces) > 0}
	permit, err := s.permit(r, access.VerbList, k, "", "")
	if err != nil {
		denied, ok := errors.AsType[*access.Error](err)
		if !ok || errors.Is(err, access.ErrReadOnly) {
			return err
		}
		return s.show(w, r, http.StatusForbidden, s.listPage(r, in, s.forbiddenList(r, list, denied)))
	}
	q := cache.Query{Kind: k, Text: in.text, Sort: in.sort, Page: in.page, Size: pageSize, Facets: in.facets}
	if k.Namespaced {
		q.Namespaces = in.namespaces
	}
	page, err := c.List(r.Context(), permit, q)
	if err != nil {
		return err
	}
	s.fillList(r, in, &list, page)
	return s.show(w, r, listStatus(list.State, page.Freshness.State), s.listPage(r, in, list))
}

// listStatus is the status of a list that could not be read at all. Rows that are stale are still an answer.
func listStatus(shown views.ListState, fresh cache.State) int {
	switch {
	case shown == views.ListForbidden:
		return http.StatusForbidden
	case shown == views.ListFailed && fresh == cache.Absent:
		return http.StatusNotFound
	case shown == views.ListFailed:
		return http.StatusBadGateway
	}
	return http.StatusOK
}

// listPage is the list in its shell.
func (s *Server) listPage(r *http.Request, in listInput, list views.List) views.Page {
	k, c := kindOf(r), clusterOf(r)
	self := in.query.at(kindPath(c.ID(), k))
	return views.Page{
		Title: list.Title,
		Shell: s.shell(r, place{cluster: c, kind: k, namespaces: in.namespaces}),
		Live:  &views.Live{Stream: clusterPath(c.ID()) + "/live?kind=" + k.ID(), Self: self},
		Body:  views.ListPage(list),
	}
}

// forbiddenList is a list that the person may not read: it says which right is missing.
func (s *Server) forbiddenList(r *http.Request, list views.List, denied *access.Error) views.List {
	p := s.presenter(r)
	list.State = views.ListForbidden
	list.Problem = &ui.Problem{
		Title: p.loc.T("problem.forbidden.title"), Detail: p.loc.T("problem.forbidden.detail", deniedArgs(denied)), Advice: p.loc.T("problem.forbidden.action"), Tone: ui.ToneWarn,
	}
	return list
}

// fillList turns a page from the cache into the model of the list.
func (s *Server) fillList(r *http.Request, in listInput, list *views.List, page cache.Page) {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := kindPath(c.ID(), k)
	list.Fresh = p.freshness(page.Freshness)
	list.Total, list.Matched = page.Total, page.Matched
	list.Refresh = in.query.at(path + "/refresh")
	list.Quarantined = page.Quarantined
	list.Namespaces = page.Namespaces
	list.Filter = views.ListFilter{Action: path, Query: in.text, Keep: in.query.pairs("q"), Clear: path}
	if page.FilterError != nil {
		list.Filter.Error = p.words(page.FilterError.Reason)
	}
	all := tableColumns(k, in)
	shown := shownColumns(all)
	list.Columns = p.columns(shown, in, path)
	list.Chooser = p.chooser(all, in, path)
	list.Facets = p.facets(page.Facets, in, path)
	actions := s.rowActions(r, k)
	list.Bulk = p.bulkActions(actions, path)
	list.Pager = pager(page, in, path)
	list.Rows = make([]views.Row, len(page.Rows))
	for i, row := range page.Rows {
		list.Rows[i] = p.row(c, k, row, shown, actions)
	}
	list.State = listState(page)
	if fresh := page.Freshness; list.State == views.ListFailed || list.State == views.ListForbidden {
		id := "problem.list_" + fresh.State.String()
		list.Problem = &ui.Problem{
			Title: p.loc.T(id+".title", "Kind", k.Plural, "Cluster", c.Name()), Detail: p.words(fresh.Reason),
			Advice: p.loc.T(id + ".action"), Since: fresh.Since, Retry: list.Refresh, Tone: ui.ToneBad,
		}
	}
}

// listState says what stands where the rows would be.
func listState(page cache.Page) views.ListState {
	switch fresh := page.Freshness; {
	case len(page.Rows) > 0:
		return views.ListReady
	case fresh.State == cache.Forbidden:
		return views.ListForbidden
	case fresh.State == cache.Absent, fresh.State == cache.Stale && !fresh.Synced:
		return views.ListFailed
	case !fresh.Synced:
		return views.ListLoading
	case page.Total > 0:
		return views.ListNoMatch
	}
	return views.ListEmpty
}

// The columns that every list has besides those of its kind.
const (
	columnName      = "name"
	columnNamespace = "namespace"
)

// tableColumn is a column of a list as it is shown: one that every list has (at -1), or the kind's at an index.
type tableColumn struct {
	id    string
	form  kinds.Form
	at    int
	fixed bool // always shown
	shown bool
}

// tableColumns are all columns of a list in their order. Without a choice the namespace is left out where only one is
// looked at.
func tableColumns(k *kinds.Kind, in listInput) []tableColumn {
	wanted := func(id string, byDefault bool) bool {
		if len(in.columns) > 0 {
			return slices.Contains(in.columns, id)
		}
		return byDefault
	}
	out := []tableColumn{{id: columnName, form: kinds.FormName, at: -1, fixed: true, shown: true}}
	if i, ok := k.Column(k.Subject); ok {
		out[0].id, out[0].at = k.Subject, i
	}
	if k.Namespaced {
		out = append(out, tableColumn{id: columnNamespace, at: -1, shown: wanted(columnNamespace, len(in.namespaces) != 1)})
	}
	for i, col := range k.Columns {
		if col.ID != k.Subject {
			out = append(out, tableColumn{id: col.ID, form: col.Form, at: i, shown: wanted(col.ID, !col.Hidden)})
		}
	}
	return out
}

func shownColumns(all []tableColumn) []tableColumn {
	return slices.DeleteFunc(slices.Clone(all), func(c tableColumn) bool { return !c.shown })
}

func (p presenter) columns(shown []tableColumn, in listInput, path string) []views.Column {
	out := make([]views.Column, len(shown))
	figures := 0
	for i, col := range shown {
		key, dir := col.id, ""
		switch in.sort {
		case col.id:
			key, dir = "-"+col.id, "ascending"
		case "-" + col.id:
			dir = "descending"
		}
		// A narrow screen keeps the name, the status and one figure.
		narrow := col.fixed || col.form == kinds.FormStatus
		if col.form.Numeric() {
			figures++
			narrow = figures == 1
		}
		out[i] = views.Column{
			ID: col.id, Title: p.loc.T("column." + col.id), Right: col.form.Numeric(), Sort: dir,
			Href: in.query.with("sort", key).at(path), Narrow: narrow,
		}
	}
	return out
}

func (p presenter) chooser(all []tableColumn, in listInput, path string) views.Chooser {
	out := views.Chooser{Action: path, Keep: in.query.pairs("cols"), Reset: in.query.with("cols").at(path)}
	for _, col := range all {
		out.Columns = append(out.Columns, ui.Option{Value: col.id, Text: p.loc.T("column." + col.id), Chosen: col.shown, Refused: col.fixed})
	}
	return out
}

func (p presenter) facets(facets []cache.Facet, in listInput, path string) []views.Facet {
	var out []views.Facet
	for _, f := range facets {
		key := "f." + f.ID
		// The namespace has a picker of its own, and the rest is shown once it is in use: chips of every column would
		// push the rows off the screen.
		if f.ID != facetStatus && len(in.facets[f.ID]) == 0 {
			continue
		}
		part := views.Facet{ID: f.ID, Title: p.loc.T("column." + f.ID)}
		for _, v := range f.Values {
			chosen := in.facets[f.ID]
			on := slices.Contains(chosen, v.Value)
			next := append(slices.Clone(chosen), v.Value)
			if on {
				next = slices.DeleteFunc(slices.Clone(chosen), func(x string) bool { return x == v.Value })
			}
			part.Options = append(part.Options, views.FacetOption{
				Text: v.Value, Count: v.Count, Tone: tone(v.Tone), On: on, Href: in.query.with(key, next...).at(path),
			})
		}
		if len(part.Options) > 0 {
			out = append(out, part)
		}
	}
	return out
}

func pager(page cache.Page, in listInput, path string) views.Pager {
	out := views.Pager{Of: page.Matched, Page: page.Page, Pages: page.Pages}
	if len(page.Rows) > 0 {
		out.From = (page.Page-1)*pageSize + 1
		out.To = out.From + len(page.Rows) - 1
	}
	if page.Page > 1 {
		out.Prev = in.query.with("page", strconv.Itoa(page.Page-1)).at(path)
	}
	if page.Page < page.Pages {
		out.Next = in.query.with("page", strconv.Itoa(page.Page+1)).at(path)
	}
	return out
}

// row is one object of a list. The cell of the name carries the link.
func (p presenter) row(c *kube.Cluster, k *kinds.Kind, row *kinds.Row, shown []tableColumn, actions []kinds.Action) views.Row {
	path := objectPath(c.ID(), k, row.Namespace, row.Name)
	name := row.Name
	if k.Subject != "" {
		name = columnText(k, row, k.Subject)
	}
	out := views.Row{ID: row.UID, Name: name, Href: path, Pick: pick(row), Dim: row.Deleted != 0, Cells: make([]ui.Cell, len(shown))}
	for i, col := range shown {
		switch {
		case col.at >= 0:
			out.Cells[i] = p.cell(row.Cells[col.at])
		case col.id == columnName:
			out.Cells[i] = ui.Cell{Text: row.Name, Form: ui.FormName, Href: path}
		default:
			out.Cells[i] = ui.Cell{Text: row.Namespace}
		}
	}
	for _, a := range actions {
		out.Menu = append(out.Menu, p.action(a, path))
	}
	return out
}

// pick names an object in the field "o" of a bulk action. A namespace holds no slash.
func pick(row *kinds.Row) string { return row.Namespace + "/" + row.Name }

// refreshObjects re-reads a list from the API server. FR-3.4
func (s *Server) refreshObjects(w http.ResponseWriter, r *http.Request) error {
	k, c := kindOf(r), clusterOf(r)
	permit, err := s.permit(r, access.VerbList, k, "", "")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), listBudget)
	defer cancel()
	if err := c.Refresh(ctx, permit, k); err != nil {
		return err
	}
	// A real redirect, also for htmx: the list itself is the answer, morphed into the page.
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, queryOf(r).at(kindPath(c.ID(), k)), http.StatusSeeOther) //nolint:gosec // the path is ours, the query is only repeated
	return nil
}
