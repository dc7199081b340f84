package handlers

import (
	"cmp"
	"context"
	"fmt"
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

// How much of what hangs on an object its page shows.
const (
	detailPods   = 50
	detailEvents = 20
)

// The kinds that detail pages show parts of.
const (
	kindPods        = "pods"
	kindNodes       = "nodes"
	kindEvents      = "events"
	kindNamespaces  = "namespaces"
	kindDeployments = "deployments.apps"
)

// object is an object read for its page.
type object struct {
	target
	whole  kube.Object
	detail kinds.Detail
}

// readObject reads an object from the API server for its page. FR-3.5
func (s *Server) readObject(r *http.Request) (object, error) {
	t := targetOf(r)
	k, c := kindOf(r), clusterOf(r)
	if (t.namespace == "") == k.Namespaced || t.name == "" {
		return object{}, errNoRoute
	}
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return object{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	whole, err := c.Get(ctx, permit, k, t.namespace, t.name)
	if err != nil {
		return object{}, err
	}
	return object{target: t, whole: whole, detail: whole.Detail()}, nil
}

// showObject is the overview of one object.
func (s *Server) showObject(w http.ResponseWriter, r *http.Request) error {
	o, err := s.readObject(r)
	if err != nil {
		return err
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	m := views.Detail{
		Object: s.objectHead(r, o, "overview"), Facts: p.facts(c, o.detail.Facts), Conditions: p.conditions(o.detail.Conditions),
		Containers: p.containers(o.detail.Containers), Related: s.owners(r, o.detail.Row),
		Annotations: pairs(o.detail.Row.Annotations, nil),
	}
	m.Labels = pairs(o.detail.Row.Labels, func(l kinds.Pair) string {
		return query{"q": {l.Key + "=" + l.Value}}.at(kindPath(c.ID(), k))
	})
	if section, ok := s.podsOf(r, o); ok {
		m.Sections = append(m.Sections, section)
	}
	m.Events, m.EventsKnown = s.eventsOf(r, k, o)
	live := clusterPath(c.ID()) + "/live?kind=" + k.ID() + "&kind=" + kindEvents
	if k.ID() == kindDeployments || k.ID() == kindNodes {
		live += "&kind=" + kindPods
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: o.name, Shell: s.shell(r, place{cluster: c, kind: k}),
		Live: &views.Live{Stream: live, Self: r.URL.RequestURI()}, Body: views.DetailPage(m),
	})
}

// showYAML is the manifest of one object.
func (s *Server) showYAML(w http.ResponseWriter, r *http.Request) error {
	o, err := s.readObject(r)
	if err != nil {
		return err
	}
	text, err := o.whole.YAML(kube.YAMLOptions{})
	if err != nil {
		return fmt.Errorf("write %s as YAML: %w", o.target, err)
	}
	path := objectPath(clusterOf(r).ID(), kindOf(r), o.namespace, o.name) + "/yaml"
	if r.URL.Query().Get("download") == "1" {
		h := w.Header()
		h.Set("Content-Type", "application/yaml; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+fileName(o.name)+`.yaml"`)
		_, err := w.Write(text)
		return err
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: o.name + " · YAML", Shell: s.shell(r, place{cluster: clusterOf(r), kind: kindOf(r)}),
		Body: views.ManifestPage(views.Manifest{
			Object: s.objectHead(r, o, "yaml"), Text: string(text), Download: path + "?download=1", FieldsHidden: true,
		}),
	})
}

// fileName keeps what every file system accepts.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

// objectHead is what the tabs of an object share.
func (s *Server) objectHead(r *http.Request, o object, tab string) views.Object {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	path := objectPath(c.ID(), k, o.namespace, o.name)
	head := views.Object{
		Kind: k.Name, Name: o.name, Status: p.status(o.detail.Row.Status),
		Crumbs: []ui.Link{{Text: c.Name(), Href: clusterPath(c.ID())}, {Text: k.Plural, Href: kindPath(c.ID(), k)}},
		Tabs: []views.Tab{
			{ID: "overview", Text: p.loc.T("tab.overview"), Href: path, Current: tab == "overview"},
			{ID: "yaml", Text: "YAML", Href: path + "/yaml", Current: tab == "yaml"},
		},
	}
	if o.namespace != "" {
		inNamespace := ui.Link{Text: o.namespace, Href: query{"ns": {o.namespace}}.at(kindPath(c.ID(), k))}
		head.Crumbs = slices.Insert(head.Crumbs, 1, inNamespace)
	}
	for _, a := range k.Actions {
		if s.may(r, request(c.Name(), verbOf(a), k, o.namespace, o.name)) {
			head.Actions = append(head.Actions, p.action(a, path))
		}
	}
	return head
}

// facts turns an object's facts into cells, with links to what they name.
func (p presenter) facts(c *kube.Cluster, facts []kinds.Fact) []ui.Fact {
	out := make([]ui.Fact, len(facts))
	for i, f := range facts {
		out[i].Label = p.loc.T("fact." + f.ID)
		for _, v := range f.Values {
			cell := p.cell(v.Cell)
			if v.Ref != nil {
				cell.Href = refPath(c, *v.Ref)
			}
			out[i].Cells = append(out[i].Cells, cell)
		}
	}
	return out
}

// refPath is the address of what a reference names; "" for a kind that has no page.
func refPath(c *kube.Cluster, ref kinds.Ref) string {
	k, ok := kinds.Lookup(ref.Kind)
	if !ok || (ref.Namespace == "") == k.Namespaced {
		return ""
	}
	return objectPath(c.ID(), k, ref.Namespace, ref.Name)
}

func (p presenter) conditions(list []kinds.Condition) []views.Condition {
	out := make([]views.Condition, len(list))
	for i, c := range list {
		out[i] = views.Condition{
			Type: c.Type, Status: ui.Status{Word: c.Status, Reason: c.Reason, Tone: tone(c.Tone)}, Message: c.Message, Changed: unix(c.Since),
		}
	}
	return out
}

func (p presenter) containers(list []kinds.Container) []views.Container {
	out := make([]views.Container, len(list))
	for i, c := range list {
		v := views.Container{
			Name: c.Name, Image: c.Image, Status: p.status(c.State), Last: p.status(c.Last), Restarts: c.Restarts, Running: c.State.Word != "",
		}
		if c.Role != kinds.RoleMain {
			v.Role = string(c.Role)
		}
		for _, port := range c.Ports {
			text := strconv.Itoa(int(port.Number)) + "/" + port.Protocol
			if port.Name != "" {
				text = port.Name + " " + text
			}
			v.Ports = append(v.Ports, text)
		}
		for _, res := range c.Resources {
			ask := views.ContainerResource{Request: res.Request.Num, Limit: res.Limit.Num}
			switch res.Name {
			case "cpu":
				v.CPU = ask
			case "memory":
				v.Memory = ask
			}
		}
		out[i] = v
	}
	return out
}

func pairs(list []kinds.Pair, href func(kinds.Pair) string) []ui.Pair {
	out := make([]ui.Pair, len(list))
	for i, l := range list {
		out[i] = ui.Pair{Key: l.Key, Value: l.Value}
		if href != nil {
			out[i].Href = href(l)
		}
	}
	return out
}

// owners are the objects that this one belongs to, up to the topmost: a pod's Deployment stands behind a ReplicaSet
// whose name only adds a hash.
func (s *Server) owners(r *http.Request, row kinds.Row) []ui.Fact {
	c, p := clusterOf(r), s.presenter(r)
	var out []ui.Fact
	for _, o := range row.Owners {
		cell := ui.Cell{Text: o.Name, Form: ui.FormName, Note: o.Kind}
		if k, ok := ownerKind(o); ok {
			ns := row.Namespace
			if !k.Namespaced {
				ns = ""
			}
			cell.Href = objectPath(c.ID(), k, ns, o.Name)
		}
		out = append(out, ui.Fact{Label: p.loc.T("fact.owner"), Cells: []ui.Cell{cell}})
	}
	return out
}

// ownerKind is the kind of an owner, if it has pages.
func ownerKind(o kinds.Owner) (*kinds.Kind, bool) {
	for _, k := range kinds.All() {
		if gvk := k.GVK(); gvk.Kind == o.Kind && gvk.GroupVersion().String() == o.APIVersion {
			return k, true
		}
	}
	return nil, false
}

// columnText is the text of a row's column; "" where the kind has no such column.
func columnText(k *kinds.Kind, row *kinds.Row, id string) string { return column(k, row, id).Text }

func column(k *kinds.Kind, row *kinds.Row, id string) kinds.Cell {
	if i, ok := k.Column(id); ok && i < len(row.Cells) {
		return row.Cells[i]
	}
	return kinds.Cell{}
}

// podsOf is the table of the pods that belong to an object: those of a Deployment, those on a node.
func (s *Server) podsOf(r *http.Request, o object) (views.Section, bool) {
	c, p := clusterOf(r), s.presenter(r)
	pods, ok := kinds.Lookup(kindPods)
	if !ok {
		return views.Section{}, false
	}
	var q cache.Query
	switch kindOf(r).ID() {
	case kindDeployments:
		selector := columnText(kindOf(r), &o.detail.Row, "selector")
		if selector == "" {
			return views.Section{}, false
		}
		q = cache.Query{Namespaces: []string{o.namespace}, Text: "-l " + selector}
	case kindNodes:
		q = cache.Query{Facets: map[string][]string{"node": {o.name}}}
	default:
		return views.Section{}, false
	}
	permit, err := s.permit(r, access.VerbList, pods, "", "")
	if err != nil {
		return views.Section{}, false
	}
	q.Kind, q.Size, q.Sort = pods, detailPods, "status"
	page, err := c.List(r.Context(), permit, q)
	if err != nil {
		return views.Section{}, false
	}
	in := listInput{query: query{}, namespaces: q.Namespaces, columns: []string{"ready", "status", "restarts", "node", "age"}}
	if kindOf(r).ID() == kindNodes {
		in.columns[3] = columnNamespace
	}
	shown := shownColumns(tableColumns(pods, in))
	section := views.Section{
		ID: "pods", Title: pods.Plural, Columns: p.columns(shown, in, ""), Empty: p.loc.T("detail.no_pods"),
		Href: listAddress(c, pods, q),
	}
	for i := range section.Columns {
		section.Columns[i].Href = ""
	}
	if page.Matched > len(page.Rows) {
		section.Note = p.loc.T("detail.first", "Count", len(page.Rows), "Of", page.Matched)
	}
	for _, row := range page.Rows {
		section.Rows = append(section.Rows, p.row(c, pods, row, shown, nil))
	}
	return section, true
}

// listAddress is the page of the list that a query asks for.
func listAddress(c *kube.Cluster, k *kinds.Kind, q cache.Query) string {
	out := query{}.with("ns", q.Namespaces...).with("q", q.Text)
	for id, values := range q.Facets {
		out = out.with("f."+id, values...)
	}
	return out.at(kindPath(c.ID(), k))
}

// eventsOf are the latest events about an object; known is false where they may not or cannot be read.
func (s *Server) eventsOf(r *http.Request, k *kinds.Kind, o object) (events []views.Event, known bool) {
	list, ok := kinds.Lookup(kindEvents)
	if !ok {
		return nil, false
	}
	permit, err := s.permit(r, access.VerbList, list, o.namespace, "")
	if err != nil {
		return nil, false
	}
	c, p := clusterOf(r), s.presenter(r)
	var rows []*kinds.Row
	c.Each(permit, list, func(row *kinds.Row) bool {
		if slices.ContainsFunc(row.Refs, func(ref kinds.Ref) bool {
			return ref.Kind == k.ID() && ref.Namespace == o.namespace && ref.Name == o.name
		}) {
			rows = append(rows, row)
		}
		return true
	})
	slices.SortFunc(rows, func(a, b *kinds.Row) int {
		return cmp.Compare(column(list, b, "lastseen").Num, column(list, a, "lastseen").Num)
	})
	for _, row := range rows[:min(len(rows), detailEvents)] {
		e := p.event(c, list, row)
		e.Object = ui.Link{} // it is the one that the page is about
		events = append(events, e)
	}
	return events, c.Freshness(list).Synced
}

// event turns the row of an Event into what pages show of it.
func (p presenter) event(c *kube.Cluster, k *kinds.Kind, row *kinds.Row) views.Event {
	e := views.Event{
		ID: row.UID, Tone: tone(row.Status.Tone), Reason: columnText(k, row, "reason"), Message: columnText(k, row, "message"),
		Source: columnText(k, row, "source"), Count: int(column(k, row, "count").Num), Last: unix(int64(column(k, row, "lastseen").Num)),
	}
	if len(row.Refs) > 0 {
		ref := row.Refs[0]
		e.Object = ui.Link{Text: ref.Name, Href: refPath(c, ref), Note: columnText(k, row, "objectkind")}
	}
	return e
}
