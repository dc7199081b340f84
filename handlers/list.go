package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const pageSize = 100

// listInput is the query string of a list: the whole of its state.
type listInput struct {
	query      query
	namespaces []string
	text       string
	sort       string
	page       int
	columns    []string                            // chosen columns; nil means the kind's own choice
	facets     map[string][]string                 // "f.<id>" → values
	path       string                              // of the page, for the columns whose cells lead to it; may be ""
	usage      func(*kinds.Row) (kube.Usage, bool) // nil: no such columns
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
		if id, ok := strings.CutPrefix(key, facetPrefix); ok {
			if len(values) > maxFacetValues {
				return in, badInput("bad_request", nil)
			}
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
	in.path, in.usage = kindPath(c.ID(), k), s.usageOf(r, k)
	if len(in.columns) == 0 {
		in.columns = s.ownOf(r).listColumns(k, in)
	}
	as := r.URL.Query().Get("as")
	all := tableColumns(k, in)
	q := in.cacheQuery(k)
	q.Count = []string{facetStatus}
	joined := joinedSort(all, in.sort)
	q.All = joined != nil || as != ""
	page, err := c.List(r.Context(), permit, q)
	if err != nil {
		return err
	}
	if joined != nil {
		sortJoined(page.Rows, *joined, strings.HasPrefix(in.sort, "-"))
	}
	if as != "" && page.Freshness.Synced {
		return s.exportList(w, r, as, page, shownColumns(all))
	}
	if q.All {
		cutPage(&page, in.page)
	}
	s.fillList(r, in, &list, page, all)
	if as != "" && list.State == views.ListLoading {
		return &ProblemError{Status: http.StatusServiceUnavailable, ID: "list_loading", Args: map[string]any{"Kind": k.Plural, "Cluster": c.Name()}, Retry: 2 * time.Second}
	}
	return s.show(w, r, listStatus(list.State, page.Freshness.State), s.listPage(r, in, list))
}

// cacheQuery is what a list's query string asks the cache.
func (in listInput) cacheQuery(k *kinds.Kind) cache.Query {
	q := cache.Query{Kind: k, Text: in.text, Sort: in.sort, Page: in.page, Size: pageSize, Facets: in.facets}
	if k.Namespaced {
		q.Namespaces = in.namespaces
	}
	return q
}

// cutPage makes one page of a list that was read whole.
func cutPage(page *cache.Page, n int) {
	page.Size, page.Pages = pageSize, max((page.Matched+pageSize-1)/pageSize, 1)
	page.Page = min(n, page.Pages)
	from := (page.Page - 1) * pageSize
	page.Rows = page.Rows[from:min(from+pageSize, len(page.Rows))]
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
func (s *Server) fillList(r *http.Request, in listInput, list *views.List, page cache.Page, all []tableColumn) {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := kindPath(c.ID(), k)
	list.Fresh = p.freshness(page.Freshness)
	list.Total, list.Matched = page.Total, page.Matched
	list.Refresh = in.query.at(path + "/refresh")
	list.Quarantined, list.Dropped = page.Quarantined, page.Dropped
	list.Namespaces = slices.DeleteFunc(page.Namespaces, func(ns string) bool { return !s.authority.SeesNamespace(subjectOf(r), c.Name(), ns) })
	list.Filter = views.ListFilter{Action: path, Query: in.text, Keep: in.query.pairs("q"), Clear: path}
	if page.FilterError != nil {
		list.Filter.Error = p.filterError(in.text, page.FilterError)
	}
	if k.Custom && len(k.Known) > 0 {
		list.Fallback = p.loc.T("list.fallback", "Kind", k.Name, "Known", strings.Join(k.Known, ", "), "Served", strings.Join(k.Served, ", "))
	}
	own := s.ownOf(r)
	shown := shownColumns(all)
	list.Columns = p.columns(shown, in, path)
	list.Compact = own.compact
	list.Chooser = p.chooser(all, in, path, own, page.Rows)
	list.Facets = p.facets(k, page.Facets, in, path)
	list.Star = &views.Star{Post: path + "/favourite", Query: in.query.list().encode(), On: slices.Contains(own.favourites, k.ID())}
	list.Saved = savedViews(k, in, shown, path, own)
	list.Export = p.exports(in, path)
	list.Create = s.createLink(r, k, in.namespaces)
	offers := s.offersFor(r, k)
	list.Bulk = offers.bulk(path, page.Rows)
	list.Pager = pager(page, in, path)
	list.Rows = make([]views.Row, len(page.Rows))
	for i, row := range page.Rows {
		list.Rows[i] = p.row(c, k, row, shown, offers)
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
func (p presenter) row(c *kube.Cluster, k *kinds.Kind, row *kinds.Row, shown []tableColumn, offers *offers) views.Row {
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
		case col.id == columnNamespace:
			out.Cells[i] = ui.Cell{Text: row.Namespace}
		default:
			out.Cells[i] = p.cell(col.cell(row))
			if col.href != nil {
				out.Cells[i].Href = col.href(out.Cells[i].Text)
			}
			if col.most != nil && out.Cells[i].Form.Right() {
				out.Cells[i].Max = col.most(row)
			}
		}
	}
	out.Menu = offers.on(row)
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
	http.Redirect(w, r, queryOf(r).at(kindPath(c.ID(), k)), http.StatusSeeOther) // the path is ours, the query is only repeated
	return nil
}
