package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/locales"
	"tiga/views"
	"tiga/views/ui"
)

// place is where in Tiga a page is: which cluster, which kind, which namespaces, or which item of the menu.
type place struct {
	cluster    *kube.Cluster
	kind       *kinds.Kind
	namespaces []string
	item       string
}

// shell builds the frame around a page.
func (s *Server) shell(r *http.Request, at place) *views.Shell {
	v, p := visitOf(r), s.presenter(r)
	sh := &views.Shell{
		User:      person(v),
		Languages: languages(p.loc),
		Here:      r.URL.RequestURI(),
		Flash:     s.flash(r),
		Clusters:  s.choices(r, at),
	}
	if s.authority.ReadOnly() {
		sh.ReadOnly = p.loc.T("shell.readonly_server")
	}
	if at.cluster == nil {
		sh.Menu = s.fleetMenu(r, at)
		return sh
	}
	st, look := s.stateFor(r, at.cluster.Name(), at.cluster.State()), s.looks.of(at.cluster.ID())
	sh.Cluster = &views.CurrentCluster{
		Name: at.cluster.Name(), Href: clusterPath(at.cluster.ID()),
		Environment: environment(look.Environment, look.Colour), Status: p.health(st),
	}
	if look.ReadOnly && sh.ReadOnly == "" {
		sh.ReadOnly = p.loc.T("shell.readonly_cluster", "Cluster", at.cluster.Name())
	}
	if st.Health == kube.HealthUnavailable || st.Health == kube.HealthError {
		sh.Unreachable = s.unreachable(p, at.cluster, st)
	}
	sh.Menu = s.clusterMenu(r, at)
	if at.kind != nil {
		sh.Namespaces = s.namespacePicker(r, at)
	}
	return sh
}

// unreachable is the banner of a cluster that does not answer. FR-0.10
func (s *Server) unreachable(p presenter, c *kube.Cluster, st kube.State) *ui.Problem {
	id := "problem.cluster_unreachable"
	if st.Health == kube.HealthError {
		id = "problem.cluster"
	}
	return &ui.Problem{
		Title: p.loc.T(id+".title", "Cluster", c.Name()), Detail: p.words(st.Reason), Since: st.Since,
		Advice: p.loc.T("shell.last_known"), Retry: clusterPath(c.ID()) + "/retry", Tone: ui.ToneBad,
	}
}

func person(v *visit) views.User {
	name := v.subject.Name
	initials := strings.ToUpper(name)
	if runes := []rune(initials); len(runes) > 2 {
		initials = string(runes[:2])
	}
	return views.User{Name: name, Initials: initials}
}

func languages(current *locales.Locale) []views.Language {
	names := map[string][2]string{"en": {"English", "EN"}, "zh-CN": {"简体中文", "中"}}
	var out []views.Language
	for _, tag := range locales.Tags() {
		out = append(out, views.Language{Tag: tag, Name: names[tag][0], Short: names[tag][1], Current: tag == current.Tag()})
	}
	return out
}

// visibleClusters are the enabled clusters that the subject may see, by name.
func (s *Server) visibleClusters(r *http.Request) []*kube.Cluster {
	subject := subjectOf(r)
	out := slices.DeleteFunc(s.fleet.Clusters(), func(c *kube.Cluster) bool { return !s.authority.SeesCluster(subject, c.Name()) })
	slices.SortFunc(out, func(a, b *kube.Cluster) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

// choices are the lines of the cluster switcher. They keep the place and drop everything else: filters, selection,
// streams belong to the cluster that is left. FR-0.4, FR-0.5
func (s *Server) choices(r *http.Request, at place) []views.ClusterChoice {
	p := s.presenter(r)
	var out []views.ClusterChoice
	for _, c := range s.visibleClusters(r) {
		href := clusterPath(c.ID())
		if at.kind != nil {
			href = kindPath(c.ID(), at.kind)
		}
		look := s.looks.of(c.ID())
		out = append(out, views.ClusterChoice{
			Name: c.Name(), Href: href, Environment: environment(look.Environment, look.Colour),
			Status: p.health(s.stateFor(r, c.Name(), c.State())), Current: at.cluster != nil && at.cluster.ID() == c.ID(),
		})
	}
	return out
}

// The items of the menu that are no kinds.
const (
	itemClusters = "clusters"
	itemOverview = "overview"
	itemAudit    = "audit"
	itemSettings = "settings"
	itemAccount  = "account"
)

func (s *Server) fleetMenu(r *http.Request, at place) []views.MenuGroup {
	p := s.presenter(r)
	menu := []views.MenuGroup{{Items: []views.MenuItem{{
		ID: itemClusters, Text: p.loc.T("menu.clusters"), Href: "/", Current: at.item == itemClusters, Counted: true, Count: len(s.visibleClusters(r)),
	}}}}
	var admin []views.MenuItem
	if s.may(r, access.Request{Group: access.TigaGroup, Resource: "audit", Verb: access.VerbGet}) {
		admin = append(admin, views.MenuItem{ID: itemAudit, Text: p.loc.T("menu.audit"), Href: "/audit", Current: at.item == itemAudit})
	}
	if s.may(r, access.Request{Group: access.TigaGroup, Resource: "clusters", Verb: access.VerbGet}) {
		admin = append(admin, views.MenuItem{ID: itemSettings, Text: p.loc.T("menu.cluster_settings"), Href: "/settings/clusters", Current: at.item == itemSettings})
	}
	if len(admin) > 0 {
		menu = append(menu, views.MenuGroup{ID: "administration", Title: p.loc.T("menu.administration"), Items: admin})
	}
	return menu
}

// clusterMenu is the sidebar of a cluster: its overview, then the registry's kinds by group, those that the subject may
// list, with how many there are and how many are in trouble.
func (s *Server) clusterMenu(r *http.Request, at place) []views.MenuGroup {
	p, c, own := s.presenter(r), at.cluster, s.ownOf(r)
	keep := query{}
	if len(at.namespaces) > 0 {
		keep = keep.with("ns", at.namespaces...)
	}
	menu := []views.MenuGroup{{Items: []views.MenuItem{{
		ID: itemOverview, Text: p.loc.T("menu.overview"), Href: clusterPath(c.ID()), Current: at.item == itemOverview,
	}}}}
	if s.appliesSomething(r) {
		menu[0].Items = append(menu[0].Items, views.MenuItem{ID: itemApply, Text: p.loc.T("menu.apply"), Href: applyPath(c.ID()), Current: at.item == itemApply})
	}
	if n, ok := s.hasOperations(r); ok {
		menu[0].Items = append(menu[0].Items, views.MenuItem{
			ID: itemOperations, Text: p.loc.T("menu.operations"), Href: operationsPath(c.ID()), Current: at.item == itemOperations, Counted: n > 0, Count: n,
		})
	}
	if s.history != nil {
		menu[0].Items = append(menu[0].Items, views.MenuItem{ID: itemHistory, Text: p.loc.T("menu.history"), Href: historyPath(c.ID()), Current: at.item == itemHistory})
	}
	all := c.Kinds()
	for _, m := range kinds.Menus() {
		var groups []views.MenuGroup
		for _, k := range all {
			if k.Menu != m {
				continue
			}
			permit, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, k, "", ""))
			if err != nil {
				continue
			}
			item := views.MenuItem{ID: k.ID(), Text: k.Plural, Href: kindPath(c.ID(), k), Current: at.kind != nil && at.kind.ID() == k.ID()}
			if k.Namespaced {
				item.Href = keep.at(item.Href)
			}
			if n, ok := c.Counts(permit, k); ok {
				item.Counted, item.Count, item.Trouble = true, n.Total, n.Trouble
			}
			groups = groupOf(p, k, groups)
			last := &groups[len(groups)-1]
			last.Items, last.Folded = append(last.Items, item), last.Folded && !item.Current
			pinned := own.pinned(k, kindPath(c.ID(), k), r)
			if slices.ContainsFunc(pinned, func(i views.MenuItem) bool { return i.Current }) {
				last.Items[len(last.Items)-1].Current = false
			}
			last.Items = append(last.Items, pinned...)
		}
		menu = append(menu, groups...)
	}
	return append(p.favourites(own, menu), menu...)
}

// groupOf returns the groups of a menu, the last of which is the one that the kind belongs into. Custom kinds stand by
// their API group, folded: there are often more of them than of all others.
func groupOf(p presenter, k *kinds.Kind, groups []views.MenuGroup) []views.MenuGroup {
	group := views.MenuGroup{ID: string(k.Menu), Title: p.loc.T("menu." + string(k.Menu))}
	if k.Menu == kinds.MenuCustom && k.GVR.Group != "" {
		group = views.MenuGroup{ID: k.GVR.Group, Title: k.GVR.Group}
	}
	if n := len(groups); n > 0 && groups[n-1].ID == group.ID {
		return groups
	}
	group.Folded = k.Menu == kinds.MenuCustom
	return append(groups, group)
}

// namespacePicker offers the namespaces that the subject may look into.
func (s *Server) namespacePicker(r *http.Request, at place) *views.NamespacePicker {
	if !at.kind.Namespaced {
		return &views.NamespacePicker{Ignored: true}
	}
	path, q := kindPath(at.cluster.ID(), at.kind), queryOf(r)
	// On an object's page the picker leads to the list, where the object's own query means nothing.
	if r.URL.Path != path {
		q = query{}
	}
	picker := &views.NamespacePicker{Action: path, Keep: q.pairs("ns"), AllHref: q.with("ns").at(path)}
	// A cluster may have thousands of namespaces: what their addresses share is written once.
	href := picker.AllHref + "?ns="
	if strings.Contains(picker.AllHref, "?") {
		href = picker.AllHref + "&ns="
	}
	for _, name := range s.namespaces(r, at.cluster) {
		picker.Options = append(picker.Options, views.NamespaceOption{
			Name: name, Href: href + url.QueryEscape(name), Chosen: slices.Contains(at.namespaces, name),
		})
	}
	return picker
}

// namespaces are the names of the namespaces that the subject may look into. Somebody who may not list Namespace objects
// is offered those that the rights name.
func (s *Server) namespaces(r *http.Request, c *kube.Cluster) []string {
	namespaces, ok := kinds.Lookup(kindNamespaces)
	if !ok {
		return nil
	}
	var out []string
	permit, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, namespaces, "", ""))
	if err == nil {
		c.Each(permit, namespaces, func(row *kinds.Row) bool {
			out = append(out, row.Name)
			return true
		})
	}
	if len(out) > 0 {
		return out
	}
	pods, ok := kinds.Lookup(kindPods)
	if !ok {
		return nil
	}
	permit, err = s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, pods, "", ""))
	if err != nil {
		return nil
	}
	_, out = permit.Namespaces()
	return out
}
