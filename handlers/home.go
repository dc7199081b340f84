package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// How many troubles a page lists.
const (
	homeTroubles     = 25
	overviewTroubles = 15
)

// homeKinds are the kinds that the home page and the overview read.
func homeKinds() []*kinds.Kind {
	var out []*kinds.Kind
	for _, id := range kube.OverviewKinds() {
		if k, ok := kinds.Lookup(id); ok {
			out = append(out, k)
		}
	}
	return out
}

// permits are the rights to list what an overview counts; what is missing is left out of it.
func (s *Server) permits(r *http.Request, c *kube.Cluster) kube.Permits {
	out := kube.Permits{}
	for _, k := range homeKinds() {
		if p, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, k, "", "")); err == nil {
			out[k.ID()] = p
		}
	}
	return out
}

// showHome is the table of clusters and what is wrong in them now. FR-0.1
func (s *Server) showHome(w http.ResponseWriter, r *http.Request) error {
	p := s.presenter(r)
	m := views.Home{Fresh: ui.Freshness{State: ui.FreshLive}}
	if s.may(r, access.Request{Group: access.TigaGroup, Resource: "clusters", Verb: access.VerbAdmin}) {
		m.Add = settingsPath + "/new"
	}
	var all []views.Trouble
	affected := map[string]bool{}
	for _, c := range s.visibleClusters(r) {
		permits := s.permits(r, c)
		overview := c.Overview(permits)
		m.Clusters = append(m.Clusters, s.clusterRow(r, c, overview))
		if !c.Enabled() {
			continue
		}
		if st := c.State(); st.Health == kube.HealthUnavailable || st.Health == kube.HealthError {
			m.Unknown = append(m.Unknown, c.Name())
		}
		for _, t := range c.Troubles(permits) {
			affected[c.Name()] = true
			all = append(all, s.trouble(p, c, t))
		}
	}
	m.NoneVisible = len(m.Clusters) == 0 && len(s.fleet.Clusters()) > 0
	slices.SortStableFunc(all, func(a, b views.Trouble) int { return cmp.Compare(b.Status.Tone, a.Status.Tone) })
	m.Troubles, m.TroubleClusters = all[:min(len(all), homeTroubles)], len(affected)
	m.MoreTroubles = len(all) - len(m.Troubles)
	return s.show(w, r, http.StatusOK, views.Page{
		Title: p.loc.T("menu.clusters"), Shell: s.shell(r, place{item: itemClusters}),
		Live: &views.Live{Stream: "/live", Self: "/"}, Body: views.HomePage(m),
	})
}

// clusterRow is one cluster of the home page: what the health check knows, corrected by what the lists know now.
func (s *Server) clusterRow(r *http.Request, c *kube.Cluster, o kube.Overview) views.ClusterRow {
	p, st, look := s.presenter(r), s.stateFor(r, c.Name(), c.State()), s.looks.of(c.ID())
	path := clusterPath(c.ID())
	row := views.ClusterRow{
		ID: strconv.FormatInt(c.ID(), 10), Name: c.Name(), Href: path, Environment: environment(look.Environment, look.Colour),
		Status: p.recordStatus(look, map[int64]kube.State{c.ID(): st}), Version: st.Version, Default: look.IsDefault, ReadOnly: look.ReadOnly,
		Disabled: !c.Enabled(), Nodes: st.Nodes, NodesReady: st.NodesReady, Pods: st.Pods, PodsRunning: st.PodsRunning,
		NodesKnown: st.NodesKnown || st.Nodes > 0, PodsKnown: st.PodsKnown || st.Pods > 0, NodesHref: path + "/" + kindNodes, PodsHref: path + "/" + kindPods, Seen: st.LastContact,
	}
	if c.Enabled() {
		row.Prometheus = p.prometheus(c.Prometheus())
		row.Prometheus.Since = time.Time{}
		if row.Prometheus.Tone != ui.ToneOK {
			row.Prometheus.Reason = "" // the settings of the cluster say why, at length
		}
	}
	if nodes := o.Sections[kindNodes]; nodes.Shown && nodes.Freshness.Synced {
		row.Nodes, row.NodesReady, row.NodesKnown = o.Nodes.Total, o.Nodes.Ready, true
		row.CPU, row.Memory = share(p, o.CPU), share(p, o.Memory)
	}
	if pods := o.Sections[kindPods]; pods.Shown && pods.Freshness.Synced {
		row.Pods, row.PodsRunning, row.PodsKnown = 0, 0, true
		for _, n := range o.Pods {
			row.Pods += n.N
			if n.Status.Word == "Running" {
				row.PodsRunning += n.N
			}
		}
	}
	return row
}

// share is how much of what the nodes offer is asked for, as a bar with a percentage.
func share(p presenter, a kube.Amount) ui.Cell {
	if a.Allocatable <= 0 {
		return ui.Cell{}
	}
	c := ui.Cell{Text: p.loc.Number(float64(int(a.Requests/a.Allocatable*100+0.5))) + " %", Num: a.Requests, Max: a.Allocatable}
	switch used := a.Requests / a.Allocatable; {
	case used > 0.95:
		c.Tone = ui.ToneBad
	case used > 0.8:
		c.Tone = ui.ToneWarn
	}
	return c
}

// trouble is one thing that is wrong, with a link to where it can be looked into.
func (s *Server) trouble(p presenter, c *kube.Cluster, t kube.Trouble) views.Trouble {
	look := s.looks.of(c.ID())
	text := t.Name
	if t.Namespace != "" {
		text = t.Namespace + "/" + t.Name
	}
	out := views.Trouble{
		ID: "trouble-" + strconv.FormatInt(c.ID(), 10) + "-" + t.Kind + "-" + t.Namespace + "-" + t.Name + "-" + t.Status.Word, Status: p.status(t.Status),
		Cluster: c.Name(), Environment: environment(look.Environment, look.Colour), Since: t.Since,
	}
	out.Status.Since = t.Since
	switch k, ok := kinds.Lookup(t.Kind); {
	case ok && t.Kind == kindEvents:
		out.Kind, text = k.Name, t.Example
		if t.Namespace != "" {
			text = t.Namespace + "/" + t.Example
		}
		out.Object = ui.Link{Text: text, Href: objectPath(c.ID(), k, t.Namespace, t.Name)}
	case ok:
		out.Kind = k.Name
		out.Object = ui.Link{Text: text, Href: objectPath(c.ID(), k, t.Namespace, t.Name)}
	default:
		// The owner's kind has no page here: its pods have.
		pods, _ := kinds.Lookup(kindPods)
		out.Kind = t.Kind
		out.Object = ui.Link{Text: text, Href: objectPath(c.ID(), pods, t.Namespace, t.Example)}
	}
	if t.Total > 1 {
		out.Object.Note = p.loc.T("trouble.pods", "Count", t.Count, "Total", t.Total)
	}
	return out
}
