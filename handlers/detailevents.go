package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// family is an object with what it owns, as events name them.
type family struct {
	members map[string][]member // by the name of the object
	uids    map[string]bool
}

type member struct {
	kind *kinds.Kind
	row  *kinds.Row
}

func (f *family) add(k *kinds.Kind, row *kinds.Row) {
	f.members[row.Name] = append(f.members[row.Name], member{k, row})
	if row.UID != "" {
		f.uids[row.UID] = true
	}
}

// about reports whether an event is about one of the family.
func (f *family) about(event *kinds.Row) bool {
	of, ok := event.Kept.(*kinds.Involved)
	if !ok {
		return false
	}
	return f.uids[of.UID] || slices.ContainsFunc(f.members[of.Name], func(m member) bool { return of.Is(m.kind, m.row) })
}

// ownKinds are the kinds of objects that others own, in the order in which one owns the next.
var ownKinds = []string{kindDeployments, "statefulsets.apps", "daemonsets.apps", kindCronJobs, kindReplicaSets, kindJobs, kindPods}

// familyOf is an object with what it owns, as far as the subject may see it. What a workload owns is read for it; what
// belongs to other kinds is looked for in what is in memory.
func (s *Server) familyOf(r *http.Request, o *object) *family {
	k, c := kindOf(r), clusterOf(r)
	f := &family{members: map[string][]member{}, uids: map[string]bool{}}
	row := o.detail.Row
	f.add(k, &row)
	if row.UID == "" || !owns(k) {
		return f
	}
	for _, id := range ownKinds {
		owned, ok := known(c, id)
		if !ok || id == k.ID() || !c.Freshness(owned).Synced && !slices.Contains(reads(k), id) {
			continue
		}
		permit, err := s.permit(r, access.VerbList, owned, "", "")
		if err != nil {
			continue
		}
		c.Each(permit, owned, func(row *kinds.Row) bool {
			if slices.ContainsFunc(row.Owners, func(of kinds.Owner) bool { return f.uids[of.UID] }) {
				f.add(owned, row)
			}
			return true
		})
	}
	return f
}

// owns says whether objects of a kind have others of their own.
func owns(k *kinds.Kind) bool {
	return k.Custom || k.Menu == kinds.MenuWorkloads && k.ID() != kindPods
}

// reads are the kinds that are read to know what an object of a kind owns.
func reads(k *kinds.Kind) []string {
	switch {
	case k.ID() == kindDeployments:
		return []string{kindReplicaSets, kindPods}
	case k.ID() == kindCronJobs:
		return []string{kindJobs, kindPods}
	case k.HasPods() && owns(k):
		return []string{kindPods}
	default:
		return nil
	}
}

// events are those about an object and what it owns, the latest first.
type events struct {
	kind  *kinds.Kind // of events
	rows  []*kinds.Row
	known bool  // false while they are being read
	err   error // the right that is missing
}

// eventsOf are the events of an object. They are looked for once for each page.
func (s *Server) eventsOf(r *http.Request, o *object) *events {
	if o.events != nil {
		return o.events
	}
	e := &events{}
	o.events = e
	var permit access.Permit
	if e.kind, permit, e.err = s.mayListEvents(r, o); e.err != nil {
		return e
	}
	c, f := clusterOf(r), s.familyOf(r, o)
	c.Each(permit, e.kind, func(row *kinds.Row) bool {
		if f.about(row) {
			e.rows = append(e.rows, row)
		}
		return true
	})
	sortRows(e.kind, e.rows, "lastseen")
	e.known = c.Freshness(e.kind).Synced
	return e
}

// mayListEvents asks for the right to see events about an object. Those about what has no namespace lie in any.
func (s *Server) mayListEvents(r *http.Request, o *object) (*kinds.Kind, access.Permit, error) {
	list, ok := kinds.Lookup(kindEvents)
	if !ok || kindOf(r).ID() == kindEvents {
		return nil, access.Permit{}, errNoRoute
	}
	permit, err := s.permit(r, access.VerbList, list, o.namespace, "")
	return list, permit, err
}

// eventOf is an event as the pages of the object that it belongs to show it: what it is about is named where that is
// something else.
func (s *Server) eventOf(r *http.Request, o *object, row *kinds.Row) views.Event {
	list, _ := kinds.Lookup(kindEvents)
	e := s.presenter(r).event(clusterOf(r), list, row)
	if of, ok := row.Kept.(*kinds.Involved); ok && of.Is(kindOf(r), &o.detail.Row) {
		e.Object = ui.Link{}
	}
	return e
}

// event turns the row of an Event into what pages show of it.
func (p presenter) event(c *kube.Cluster, k *kinds.Kind, row *kinds.Row) views.Event {
	e := views.Event{
		ID: row.UID, Tone: tone(row.Status.Tone), Reason: columnText(k, row, "reason"), Message: columnText(k, row, "message"),
		Source: columnText(k, row, "source"), Count: int(column(k, row, "count").Num), Last: unix(int64(column(k, row, "lastseen").Num)),
		First: unix(int64(column(k, row, "firstseen").Num)),
	}
	if of, ok := row.Kept.(*kinds.Involved); ok {
		e.Object = ui.Link{Text: of.Name, Note: of.Kind}
		if about, ok := kindNamed(c, of.Group, of.Kind); ok {
			e.Object.Href = refPath(c, kinds.Ref{Kind: about.ID(), Namespace: of.Namespace, Name: of.Name})
		}
	}
	return e
}

// eventColumns are the columns of the tab, each with the column of the list of events that it is sorted by.
var eventColumns = []struct{ id, by string }{
	{"reason", "reason"}, {"message", "message"}, {"object", "object"}, {"source", "source"}, {"count", "count"}, {"firstseen", "firstseen"}, {"lastseen", "lastseen"},
}

// showEvents is the tab with the events about an object and what it owns.
func (s *Server) showEvents(w http.ResponseWriter, r *http.Request, o *object) error {
	of := s.eventsOf(r, o)
	switch {
	case of.kind == nil:
		return errNoRoute
	case of.err != nil:
		page := s.objectPage(r, o, tabEvents)
		page.Body = views.ObjectEventsPage(views.ObjectEvents{Object: s.objectHead(r, o, tabEvents), Problem: s.problemPart(r, problem(of.err))})
		return s.show(w, r, http.StatusForbidden, page)
	}
	in, err := parseList(r)
	if err != nil {
		return err
	}
	c, p := clusterOf(r), s.presenter(r)
	list, rows := of.kind, slices.Clone(of.rows)
	m := views.ObjectEvents{Object: s.objectHead(r, o, tabEvents), Known: of.known}
	m.Object.Fresh = p.freshness(c.Freshness(list))
	path := o.path(r) + "/" + tabEvents
	if in.sort == "" {
		in.sort = "lastseen"
	}
	for i, col := range eventColumns {
		at, ok := list.Column(col.by)
		if !ok {
			continue
		}
		shown := tableColumn{id: col.id, form: list.Columns[at].Form, at: at, fixed: i < 2}
		m.Columns = append(m.Columns, p.columns([]tableColumn{shown}, in, path)[0])
	}
	sortRows(list, rows, in.sort)
	answer := cache.Page{Matched: len(rows), Page: in.page, Pages: max((len(rows)+pageSize-1)/pageSize, 1)}
	answer.Page = min(answer.Page, answer.Pages)
	from := (answer.Page - 1) * pageSize
	answer.Rows = rows[from:min(from+pageSize, len(rows))]
	m.Pager = pager(answer, in, path)
	for _, row := range answer.Rows {
		m.Events = append(m.Events, p.event(c, list, row))
	}
	watched := append([]string{kindOf(r).ID(), kindEvents}, reads(kindOf(r))...)
	page := s.objectPage(r, o, tabEvents, watched...)
	page.Body = views.ObjectEventsPage(m)
	return s.show(w, r, http.StatusOK, page)
}

// sortRows orders rows by a column, "-" before it for descending. Ages count from the instant: ascending is youngest
// first, as in every list. A column that is not there leaves the order.
func sortRows(k *kinds.Kind, rows []*kinds.Row, by string) {
	id, descending := strings.CutPrefix(by, "-")
	at, ok := k.Column(id)
	if !ok {
		return
	}
	form := k.Columns[at].Form
	slices.SortStableFunc(rows, func(a, b *kinds.Row) int {
		x, y := column(k, a, id), column(k, b, id)
		n := strings.Compare(x.Text, y.Text)
		switch {
		case form == kinds.FormAge:
			n = cmp.Compare(y.Num, x.Num)
		case form.Numeric():
			n = cmp.Compare(x.Num, y.Num)
		}
		if descending {
			n = -n
		}
		return n
	})
}
