package handlers

import (
	"net/http"

	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// showOverview is the first page of a cluster. FR-0.2
func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) error {
	c, p := clusterOf(r), s.presenter(r)
	permits := s.permits(r, c)
	o, st, look := c.Overview(permits), s.stateFor(r, c.Name(), c.State()), s.looks.of(c.ID())
	m := views.Overview{
		Name: c.Name(), Environment: environment(look.Environment, look.Colour), Status: p.health(st), Fresh: p.overviewFresh(c, o),
		Tallies: s.tallies(p, c, o), Usage: usage(p, o), EventsHref: clusterPath(c.ID()) + "/" + kindEvents,
	}
	fact := func(id, text string, form ui.Form) {
		if text != "" {
			m.Facts = append(m.Facts, ui.Fact{Label: p.loc.T("settings.fact." + id), Cells: []ui.Cell{{Text: text, Form: form}}})
		}
	}
	fact("version", st.Version, ui.FormName)
	fact("server", c.Server(), ui.FormName)
	if look.Description != "" {
		fact("description", look.Description, ui.FormText)
	}
	for _, ns := range st.Namespaces {
		fact("namespace", ns, ui.FormName)
	}
	if s.mayAdminister(r) == nil {
		m.Actions = []ui.Action{{ID: "settings", Text: p.loc.T("overview.settings"), Href: settingPath(c.ID())}}
	}
	troubles := c.Troubles(permits)
	for _, t := range troubles[:min(len(troubles), overviewTroubles)] {
		m.Troubles = append(m.Troubles, s.trouble(p, c, t))
	}
	m.MoreTroubles = len(troubles) - len(m.Troubles)
	for _, warning := range o.Warnings {
		m.Events = append(m.Events, p.warning(c, warning))
	}
	if len(permits) < len(homeKinds()) {
		m.Denied = p.loc.T("overview.denied")
	}
	var watched []string
	for _, k := range homeKinds() {
		watched = append(watched, k.ID())
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: c.Name(), Shell: s.shell(r, place{cluster: c, item: itemOverview}),
		Live: &views.Live{Stream: query{"kind": watched}.at(clusterPath(c.ID()) + "/live"), Self: clusterPath(c.ID())}, Body: views.OverviewPage(m),
	})
}

// overviewFresh is the worst of what is shown.
func (p presenter) overviewFresh(c *kube.Cluster, o kube.Overview) ui.Freshness {
	worst := cache.Freshness{State: cache.Live}
	for _, section := range o.Sections {
		if section.Shown && section.Freshness.State > worst.State && section.Freshness.State != cache.Absent {
			worst = section.Freshness
		}
	}
	if !c.Enabled() {
		return ui.Freshness{State: ui.FreshPaused}
	}
	return p.freshness(worst)
}

func (s *Server) tallies(p presenter, c *kube.Cluster, o kube.Overview) []views.Tally {
	var out []views.Tally
	add := func(id string, counts []kube.Count) {
		section := o.Sections[id]
		k, ok := kinds.Lookup(id)
		if !ok || !section.Shown {
			return
		}
		t := views.Tally{ID: id, Title: k.Plural, Href: kindPath(c.ID(), k), Known: section.Freshness.Synced}
		for _, n := range counts {
			t.Total += n.N
			t.Parts = append(t.Parts, views.TallyPart{
				Word: p.words(n.Status.Label()), Count: n.N, Tone: tone(n.Status.Tone), Href: query{"f.status": {n.Status.Word}}.at(t.Href),
			})
		}
		out = append(out, t)
	}
	ready := []kube.Count{{Status: kinds.Status{Word: "Ready", Tone: kinds.ToneOK}, N: o.Nodes.Ready}}
	if away := o.Nodes.Total - o.Nodes.Ready; away > 0 {
		ready = append([]kube.Count{{Status: kinds.Status{Word: "NotReady", Tone: kinds.ToneBad}, N: away}}, ready...)
	}
	add(kindNodes, ready)
	add(kindPods, o.Pods)
	add(kindDeployments, o.Deployments)
	return out
}

func usage(p presenter, o kube.Overview) []views.Usage {
	nodes, pods := o.Sections[kindNodes], o.Sections[kindPods]
	if !nodes.Shown || !pods.Shown || !nodes.Freshness.Synced || !pods.Freshness.Synced {
		return nil
	}
	return []views.Usage{
		{ID: "cpu", Title: p.loc.T("overview.cpu"), Form: ui.FormCPU, Requests: o.CPU.Requests, Limits: o.CPU.Limits, Allocatable: o.CPU.Allocatable},
		{ID: "memory", Title: p.loc.T("overview.memory"), Form: ui.FormBytes, Requests: o.Memory.Requests, Limits: o.Memory.Limits, Allocatable: o.Memory.Allocatable},
		{ID: "pods", Title: p.loc.T("overview.pods"), Form: ui.FormNumber, Requests: o.PodSlots.Requests, NoLimits: true, Allocatable: o.PodSlots.Allocatable},
	}
}

// warning is an event of the overview; its object links to the event's own page, which knows what it is about.
func (p presenter) warning(c *kube.Cluster, w kube.Warning) views.Event {
	k, _ := kinds.Lookup(kindEvents)
	return views.Event{
		ID: "event-" + w.Namespace + "-" + w.Name, Tone: ui.ToneWarn, Reason: w.Reason, Message: w.Message, Count: w.Count, Last: w.Last,
		Object: ui.Link{Text: w.Object, Href: objectPath(c.ID(), k, w.Namespace, w.Name), Note: w.Namespace},
	}
}

// retryCluster checks a cluster now instead of at the next turn. FR-0.10
func (s *Server) retryCluster(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	c, p, back := clusterOf(r), s.presenter(r), s.next(r.PostForm.Get("next"))
	if back == "/" {
		back = clusterPath(clusterOf(r).ID())
	}
	c.Retry()
	return s.done(w, r, views.Notice{Tone: ui.ToneInfo, Title: p.loc.T("overview.retrying", "Cluster", c.Name())}, back)
}
