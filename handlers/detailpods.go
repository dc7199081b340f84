package handlers

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// podsQuery asks for the pods that belong to an object. ok is false for one that selects none.
func podsQuery(o *object) (q cache.Query, ok bool) {
	pods, known := kinds.Lookup(kindPods)
	of := o.whole.Pods()
	q = cache.Query{Kind: pods, Namespaces: []string{o.namespace}}
	switch {
	case !known:
		return q, false
	case of.Node != "":
		q.Namespaces, q.Facets = nil, map[string][]string{"node": {of.Node}}
	case of.All: // the namespace is what chooses
	case of.Selector != "":
		// Quotes keep the spaces of a selector in one piece. One that is none chooses nothing, and as a filter everything.
		q.Text = `-l "` + of.Selector + `"`
		if _, wrong := cache.ParseFilter(pods, q.Text, time.Time{}); wrong != nil || strings.Contains(of.Selector, `"`) {
			return q, false
		}
	default:
		return q, false
	}
	return q, true
}

// mayListPods asks for the right to see pods of an object that has some.
func (s *Server) mayListPods(r *http.Request) (access.Permit, error) {
	pods, ok := kinds.Lookup(kindPods)
	if !ok || !kindOf(r).HasPods() {
		return access.Permit{}, errNoRoute
	}
	return s.permit(r, access.VerbList, pods, "", "")
}

// countPods is how many pods of an object the subject sees; ok is false where there is no tab for them. It does not wait
// for a list that is not there yet.
func (s *Server) countPods(r *http.Request, o *object) (n int, ok bool) {
	permit, err := s.mayListPods(r)
	if err != nil {
		return 0, false
	}
	q, some := podsQuery(o)
	if !some {
		return 0, true
	}
	q.Size, q.Wait = 1, -1
	page, err := clusterOf(r).List(r.Context(), permit, q)
	if err != nil {
		return 0, true
	}
	return page.Matched, true
}

// noPods says of an object that it has none: a selector that chooses nothing is more often a mistake than a workload
// that has not begun.
func noPods(k *kinds.Kind) string {
	if owns(k) {
		return "detail.no_pods"
	}
	return "detail.selects_none"
}

// podsSection is the table of the pods that belong to an object: those in trouble first.
func (s *Server) podsSection(r *http.Request, o *object) (views.Section, bool) {
	permit, err := s.mayListPods(r)
	if err != nil {
		return views.Section{}, false
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	q, some := podsQuery(o)
	section := views.Section{ID: tabPods, Title: q.Kind.Plural, Empty: p.loc.T("detail.no_pods")}
	if !some {
		section.Empty = p.loc.T(noPods(k))
		return section, true
	}
	q.Size, q.Sort = overviewPods, "status"
	page, err := c.List(r.Context(), permit, q)
	if err != nil {
		return views.Section{}, false
	}
	in := listInput{query: query{}, namespaces: q.Namespaces, columns: []string{"ready", "status", "restarts", "node", "age"}}
	if q.Facets != nil {
		in.columns[3] = columnNamespace
	}
	if len(page.Rows) > 0 {
		section.Href = o.path(r) + "/" + tabPods
	}
	s.fillSection(r, &section, q.Kind, page, in, "")
	if page.Matched > len(page.Rows) {
		section.Note = p.loc.T("detail.first", "Count", len(page.Rows), "Of", page.Matched)
	}
	if !page.Freshness.Synced {
		section.Empty = p.loc.T("ui.list.loading")
	}
	return section, true
}

// fillSection puts rows of a list into a table. path is where its headers sort; "" for one that does not.
func (s *Server) fillSection(r *http.Request, section *views.Section, k *kinds.Kind, page cache.Page, in listInput, path string) {
	c, p := clusterOf(r), s.presenter(r)
	shown := shownColumns(tableColumns(k, in))
	section.Columns = p.columns(shown, in, path)
	if path == "" {
		for i := range section.Columns {
			section.Columns[i].Href = ""
		}
	}
	var offers *offers
	if path != "" {
		offers = s.offersFor(r, k)
	}
	for _, row := range page.Rows {
		section.Rows = append(section.Rows, p.row(c, k, row, shown, offers))
	}
}

// showPods is the tab with the pods that belong to an object.
func (s *Server) showPods(w http.ResponseWriter, r *http.Request, o *object) error {
	if !kindOf(r).HasPods() {
		return errNoRoute
	}
	in, err := parseList(r)
	if err != nil {
		return err
	}
	page := s.objectPage(r, o, tabPods, kindOf(r).ID(), kindPods)
	m := views.ObjectRows{Object: s.objectHead(r, o, tabPods)}
	permit, err := s.mayListPods(r)
	if err != nil {
		m.Problem = s.problemPart(r, problem(err))
		page.Body = views.ObjectRowsPage(m)
		return s.show(w, r, http.StatusForbidden, page)
	}
	c, p := clusterOf(r), s.presenter(r)
	m.Section = views.Section{ID: tabPods, Empty: p.loc.T(noPods(kindOf(r)))}
	if q, some := podsQuery(o); some {
		in.namespaces = q.Namespaces
		q.Sort, q.Page, q.Size = in.sort, in.page, pageSize
		list, err := c.List(r.Context(), permit, q)
		if err != nil {
			return err
		}
		s.fillPods(r, &m, q, list, in, o)
	}
	page.Body = views.ObjectRowsPage(m)
	return s.show(w, r, http.StatusOK, page)
}

// fillPods turns the answer of the cache into the tab.
func (s *Server) fillPods(r *http.Request, m *views.ObjectRows, q cache.Query, list cache.Page, in listInput, o *object) {
	c, p := clusterOf(r), s.presenter(r)
	path := o.path(r) + "/" + tabPods
	m.Object.Fresh = p.freshness(list.Freshness)
	m.Pager = pager(list, in, path)
	m.Section.Href, m.Section.Empty = listAddress(c, q.Kind, q), p.loc.T("detail.no_pods")
	s.fillSection(r, &m.Section, q.Kind, list, in, path)
	switch fresh := list.Freshness; listState(list) {
	case views.ListFailed, views.ListForbidden:
		id := "problem.list_" + fresh.State.String()
		m.Problem = &ui.Problem{
			Title: p.loc.T(id+".title", "Kind", q.Kind.Plural, "Cluster", c.Name()), Detail: p.words(fresh.Reason),
			Advice: p.loc.T(id + ".action"), Since: fresh.Since, Tone: ui.ToneBad,
		}
	case views.ListLoading:
		m.Section.Empty = p.loc.T("ui.list.loading")
	default:
	}
}

// listAddress is the page of the list that a query asks for.
func listAddress(c *kube.Cluster, k *kinds.Kind, q cache.Query) string {
	out := query{}.with("ns", slices.Clone(q.Namespaces)...).with("q", q.Text)
	for id, values := range q.Facets {
		out = out.with("f."+id, values...)
	}
	return out.at(kindPath(c.ID(), k))
}
