package handlers

import (
	"cmp"
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

// How much of what belongs to an object its overview shows; the rest is behind a tab.
const (
	overviewPods   = 20
	overviewEvents = 8
	overviewRows   = 200 // of one table
	shortList      = 24  // bytes of a list of names that stays in one piece
)

// showObject is the overview of one object: what it is, whether it is well, why not, what changed last, what hangs on it.
func (s *Server) showObject(w http.ResponseWriter, r *http.Request, o *object) error {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	m := views.Detail{
		Object: s.objectHead(r, o, tabOverview), Facts: append(p.facts(c, o.detail.Facts), p.origin(o)...),
		Conditions: p.conditions(o.detail.Conditions), Containers: p.containers(c, o.detail.Containers),
		Tables: p.tables(c, o.detail.Tables), Entries: p.entries(o.detail.Entries), YAML: o.path(r) + "/" + tabYAML,
		Related: s.owners(r, o.detail.Row), Annotations: pairs(o.whole.Annotations(), nil),
	}
	s.revealLinks(r, o, m.Entries)
	m.Labels = pairs(o.detail.Row.Labels, func(l kinds.Pair) string {
		return query{"q": {l.Key + "=" + l.Value}}.at(kindPath(c.ID(), k))
	})
	if s.mayEdit(r, k, o.target) {
		m.EditLabels = o.path(r) + "/form#part-labels"
	}
	watched := []string{k.ID()}
	if section, ok := s.podsSection(r, o); ok {
		m.Sections = append(m.Sections, section)
		watched = append(watched, kindPods)
	}
	if of := s.eventsOf(r, o); of.kind != nil && (len(of.rows) > 0 || !quiet(k)) {
		m.Events = &views.EventsBox{Known: of.known, Total: len(of.rows)}
		if of.err != nil {
			m.Events.Missing = s.problemPart(r, problem(of.err)).Detail
		} else {
			m.Events.Href = o.path(r) + "/" + tabEvents
			watched = append(append(watched, kindEvents), reads(k)...)
		}
		for _, row := range of.rows[:min(len(of.rows), overviewEvents)] {
			m.Events.Events = append(m.Events.Events, s.eventOf(r, o, row))
		}
	}
	m.Object.Fresh = p.freshness(cache.Freshness{State: cache.Live}) // the object itself was read just now
	page := s.objectPage(r, o, tabOverview, watched...)
	page.Body = views.DetailPage(m)
	return s.show(w, r, http.StatusOK, page)
}

// quiet are the kinds that nothing ever happens to: that there are no events need not be said.
func quiet(k *kinds.Kind) bool { return k.Menu == kinds.MenuConfig || k.Menu == kinds.MenuAccess }

// facts turns an object's facts into cells, with links to what they name.
func (p presenter) facts(c *kube.Cluster, facts []kinds.Fact) []ui.Fact {
	out := make([]ui.Fact, len(facts))
	for i, f := range facts {
		out[i] = ui.Fact{Label: p.loc.T("fact." + f.ID), Cells: p.values(c, f.Values)}
	}
	return out
}

// values are cells with links to what they name.
func (p presenter) values(c *kube.Cluster, values []kinds.Value) []ui.Cell {
	out := make([]ui.Cell, len(values))
	for i, v := range values {
		out[i] = p.cell(v.Cell)
		if v.Ref != nil {
			out[i].Href = refPath(c, *v.Ref)
		}
	}
	return out
}

// origin is when the object was made, and who changed last what is wanted of it.
func (p presenter) origin(o *object) []ui.Fact {
	var out []ui.Fact
	if at := o.detail.Row.Created; at != 0 {
		out = append(out, ui.Fact{Label: p.loc.T("detail.created"), Cells: []ui.Cell{{Num: float64(at), Form: ui.FormAge}}})
	}
	if at, by, ok := o.whole.Changed(); ok {
		out = append(out, ui.Fact{Label: p.loc.T("detail.changed"), Cells: []ui.Cell{{Num: float64(at.Unix()), Form: ui.FormAge, Note: by}}})
	}
	return out
}

// conditions are those of an object, what is wrong first.
func (p presenter) conditions(list []kinds.Condition) []views.Condition {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b kinds.Condition) int {
		return cmp.Compare(max(b.Tone, kinds.ToneOK), max(a.Tone, kinds.ToneOK))
	})
	out := make([]views.Condition, len(list))
	for i, c := range list {
		out[i] = views.Condition{
			Type: c.Type, Status: ui.Status{Word: c.Status, Reason: c.Reason, Tone: tone(c.Tone)}, Message: c.Message, Changed: unix(c.Since),
		}
	}
	return out
}

func (p presenter) containers(c *kube.Cluster, list []kinds.Container) []views.Container {
	out := make([]views.Container, len(list))
	for i, from := range list {
		v := views.Container{
			Name: from.Name, Image: from.Image, Status: p.status(from.State), Last: p.status(from.Last), Restarts: from.Restarts,
			Running: from.State.Word != "", Command: from.Command, RunsAs: from.RunsAs,
		}
		if from.Role != kinds.RoleMain {
			v.Role = p.loc.T("container." + string(from.Role))
		}
		for _, port := range from.Ports {
			text := strconv.Itoa(int(port.Number)) + "/" + port.Protocol
			if port.Name != "" {
				text = port.Name + " " + text
			}
			v.Ports = append(v.Ports, text)
		}
		for _, res := range from.Resources {
			v.Resources = append(v.Resources, views.ContainerResource{
				Name: p.resource(res.Name), Form: form(cmpForm(res)), Request: res.Request.Num, Limit: res.Limit.Num,
			})
		}
		for _, probe := range from.Probes {
			v.Probes = append(v.Probes, views.Probe{Kind: p.loc.T("probe." + probe.Kind), What: probe.What, Timing: timing(probe)})
		}
		for _, e := range from.Env {
			v.Env = append(v.Env, views.EnvVar{Name: e.Name, Value: e.Value, From: p.refLink(c, e.From), Key: e.Key, All: e.All, Optional: e.Optional})
		}
		for _, m := range from.Mounts {
			v.Mounts = append(v.Mounts, views.Mount{
				Path: m.Path, Volume: m.Volume, SubPath: m.SubPath, ReadOnly: m.ReadOnly, What: m.What, From: p.refLink(c, m.From),
			})
		}
		out[i] = v
	}
	return out
}

// cmpForm is the form of whichever of a resource's amounts is set.
func cmpForm(r kinds.Resource) kinds.Form {
	if r.Request.Form != kinds.FormText {
		return r.Request.Form
	}
	return r.Limit.Form
}

// resource is the name of a resource; those that everybody has are words of ours.
func (p presenter) resource(name string) string {
	switch name {
	case "cpu", "memory":
		return p.loc.T("ui." + name)
	default:
		return name
	}
}

// timing is when a probe is made and when it counts, as kubectl describe writes it.
func timing(p kinds.Probe) string {
	return fmt.Sprintf("delay=%ds timeout=%ds period=%ds #success=%d #failure=%d", p.Delay, p.Timeout, p.Period, p.SuccessAfter, p.FailsAfter)
}

// refLink is a link to what a reference names, with the word for its kind behind it.
func (p presenter) refLink(c *kube.Cluster, ref *kinds.Ref) ui.Link {
	if ref == nil {
		return ui.Link{}
	}
	l := ui.Link{Text: ref.Name, Href: refPath(c, *ref), Note: ref.Kind}
	if k, ok := known(c, ref.Kind); ok {
		l.Note = k.Name
	}
	return l
}

// tables are the parts of an object that are lists of things.
func (p presenter) tables(c *kube.Cluster, tables []kinds.Table) []views.Table {
	out := make([]views.Table, 0, len(tables))
	for _, t := range tables {
		v := views.Table{ID: t.ID, Title: p.loc.T("table." + t.ID), Total: len(t.Rows)}
		figures := 0
		for i, col := range t.Columns {
			narrow := i == 0 || col.Form == kinds.FormStatus
			if col.Form.Numeric() {
				figures++
				narrow = narrow || figures == 1
			}
			v.Columns = append(v.Columns, views.Column{ID: col.ID, Title: p.columnTitle(col.ID, col.Title), Right: col.Form.Numeric(), Narrow: narrow})
		}
		for _, row := range t.Rows[:min(len(t.Rows), overviewRows)] {
			cells := p.values(c, row)
			for i := range cells {
				cells[i].Text = spaced(cells[i].Text)
			}
			v.Rows = append(v.Rows, cells)
		}
		out = append(out, v)
	}
	return out
}

// spaced gives a list of names room to wrap: as kubectl writes it, it is one word.
func spaced(text string) string {
	if len(text) < shortList || strings.ContainsAny(text, " \"'{}[]()") {
		return text
	}
	return strings.ReplaceAll(text, ",", ", ")
}

// entries are the keys of a ConfigMap or a Secret.
func (p presenter) entries(list []kinds.Entry) []views.Datum {
	out := make([]views.Datum, len(list))
	for i, e := range list {
		out[i] = views.Datum{Key: e.Key, Size: e.Size, Text: e.Text, Binary: e.Binary, Hidden: e.Hidden, Cut: !e.Hidden && !e.Binary && len(e.Text) < e.Size}
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

// ownersUp bounds how far up owners are followed.
const ownersUp = 4

// owners are the objects that this one belongs to, up to the topmost: a pod's Deployment stands behind a ReplicaSet
// whose name only adds a hash. How an owner is, and whose it is, is told of those that are in memory.
func (s *Server) owners(r *http.Request, row kinds.Row) []ui.Fact {
	c, p := clusterOf(r), s.presenter(r)
	var out []ui.Fact
	above := row.Owners
	for range ownersUp {
		var next []kinds.Owner
		for _, o := range above {
			fact := ui.Fact{Label: o.Kind, Cells: []ui.Cell{{Text: o.Name, Form: ui.FormName}}}
			if k, ok := ownerKind(c, o); ok {
				ns := row.Namespace
				if !k.Namespaced {
					ns = ""
				}
				fact.Cells[0].Href = objectPath(c.ID(), k, ns, o.Name)
				if owner, ok := s.inMemory(r, k, ns, o.Name); ok {
					if st := p.status(owner.Status); st.Word != "" {
						fact.Cells = append(fact.Cells, ui.Cell{Text: st.Word, Note: st.Reason, Tone: st.Tone, Form: ui.FormStatus})
					}
					next = append(next, owner.Owners...)
				}
			}
			out = append(out, fact)
		}
		above = next
	}
	return out
}

// inMemory finds a row that the subject may see in a list that is being kept anyway. It starts no reading.
func (s *Server) inMemory(r *http.Request, k *kinds.Kind, namespace, name string) (*kinds.Row, bool) {
	c := clusterOf(r)
	if !c.Freshness(k).Synced {
		return nil, false
	}
	permit, err := s.permit(r, access.VerbGet, k, namespace, name)
	if err != nil {
		return nil, false
	}
	return c.Row(permit, k, namespace, name)
}
