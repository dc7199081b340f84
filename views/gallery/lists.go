package gallery

import (
	"fmt"
	"slices"
	"time"

	"tiga/views"
	"tiga/views/ui"
)

func lists(e Env) []Story {
	page := func(name string, l views.List, namespaces ...string) Story {
		return Story{Name: name, Page: views.Page{Title: l.Title, Shell: e.inCluster("pods", namespaces...), Body: views.ListPage(l)}}
	}
	state := func(name string, change func(*views.List)) Story {
		l := e.pods(0)
		change(&l)
		return page(name, l)
	}
	many := e.pods(100)
	few := e.pods(9)
	few.Total, few.Matched, few.Pager = 9, 9, views.Pager{From: 1, To: 9, Of: 9, Page: 1, Pages: 1}
	filtered := e.pods(5)
	filtered.Filter.Query, filtered.Matched = "app=api !running", 14
	filtered.Pager = views.Pager{From: 1, To: 14, Of: 14, Page: 1, Pages: 1}
	filtered.Facets[0].Options[0].On = true
	filtered.Facets[2].Options = []views.FacetOption{{Text: "node-02", Count: 8, On: true, Href: e.Mount + "list-many"}, {Text: "node-05", Count: 6, On: true, Href: e.Mount + "list-many"}}
	wrong := filtered
	wrong.Filter.Query, wrong.Filter.Error = "app=(", e.w("At character 5: a value cannot begin with “(”.", "第 5 个字符：值不能以“(”开头。")
	stale := e.pods(9)
	stale.Fresh = ui.Freshness{State: ui.FreshStale, Since: e.ago(40 * time.Second), Reason: "connection refused"}
	banner := page("list-unreachable", stale, "shop", "data")
	banner.Page.Shell.Unreachable = e.unreachable()
	readOnly := page("list-read-only", few)
	readOnly.Page.Shell.ReadOnly = e.w("Read-only mode is enabled: nothing can be changed.", "只读模式已启用，无法进行任何变更。")
	single := e.pods(1)
	single.Bulk = nil
	nodes := page("list-cluster-scoped", e.nodes(), "shop")
	nodes.Page.Shell.Namespaces.Ignored = true
	limited := page("list-limited", func() views.List {
		l := e.pods(4)
		l.Namespaces, l.Quarantined = []string{"shop", "data"}, 2
		return l
	}())
	limited.Page.Shell.Namespaces.Limited = true
	own := e.pods(5)
	own.Compact, own.Chooser.Compact, own.Star.On = true, true, true
	own.Chooser.Columns = append(own.Chooser.Columns, ui.Option{Value: "label:app.kubernetes.io/name", Text: "app.kubernetes.io/name", Chosen: true})
	own.Saved.Views = []views.SavedView{
		{ID: 1, Name: e.w("Not well", "异常"), Href: e.Mount + "list-filtered", Post: e.Mount + "retry", Pinned: true, Current: true},
		{ID: 2, Name: script, Href: e.Mount + "list-many", Post: e.Mount + "retry"},
		{ID: 3, Name: long(80), Href: e.Mount + "list-many", Post: e.Mount + "retry"},
	}
	own.Fallback = e.w("Tiga knows Gateway at v1, v1beta1; this cluster serves v2: shown by the columns of its definition.", "Tiga 了解 Gateway 的 v1, v1beta1 版本，此集群提供的是 v2：按其定义中的列显示。")
	own.Dropped = 3
	kept := page("list-own", own)
	item := func(id, text string) views.MenuItem {
		return views.MenuItem{ID: id, Text: text, Href: e.Mount + "list-many"}
	}
	kept.Page.Shell.Menu = append([]views.MenuGroup{{ID: "favourites", Title: e.w("Favourites", "收藏"), Items: []views.MenuItem{item("favourite-pods", "Pods")}}}, kept.Page.Shell.Menu...)
	pinned := item("view-1", own.Saved.Views[0].Name)
	pinned.Under = true
	workloads := kept.Page.Shell.Menu[2].Items
	kept.Page.Shell.Menu[2].Items = append([]views.MenuItem{workloads[0], pinned}, workloads[1:]...)
	usage := e.pods(4)
	usage.Columns = slices.Insert(usage.Columns, 5, views.Column{ID: "cpu_usage", Title: e.w("CPU used", "CPU 用量"), Right: true, Href: e.Mount + "list-many"}, views.Column{ID: "memory_usage", Title: e.w("Memory used", "内存用量"), Right: true, Href: e.Mount + "list-many"})
	for i, of := range []struct {
		cpu, memory float64
		tone        ui.Tone
	}{{0.044, 251, ui.ToneBad}, {0.04, 222, ui.ToneWarn}, {}, {0.41, 90, ui.ToneNone}} {
		cpu, memory := ui.Cell{Num: of.cpu, Form: ui.FormCPU, Max: 1}, ui.Cell{Num: of.memory * (1 << 20), Form: ui.FormBytes, Max: 256 << 20, Tone: of.tone}
		if of.cpu == 0 {
			cpu, memory = ui.Cell{}, ui.Cell{}
		}
		usage.Rows[i].Cells = slices.Insert(usage.Rows[i].Cells, 5, cpu, memory)
	}
	full := e.pods(1)
	full.Saved.Full = true
	facet := Story{Name: "list-facet", Page: views.Page{Title: e.w("Pods by Node", "按节点筛选 Pods"), Shell: e.inCluster("pods"), Body: views.FacetPage(e.facetSheet())}}
	return []Story{
		kept, facet, page("list-views-full", full), page("list-usage", usage),
		page("list-many", many, "shop", "data"), page("list-few", few), page("list-one", single), page("list-filtered", filtered), page("list-wrong-filter", wrong),
		page("list-hostile", e.hostilePods(), "shop", "data", "payments"), nodes, limited, banner, readOnly,
		state("list-empty", func(l *views.List) { l.State, l.Total, l.Matched, l.Facets = views.ListEmpty, 0, 0, nil }),
		state("list-no-match", func(l *views.List) {
			l.State, l.Matched, l.Facets, l.Filter.Query = views.ListNoMatch, 0, nil, "nginx-that-is-not-there"
		}),
		state("list-loading", func(l *views.List) {
			l.State, l.Facets, l.Fresh = views.ListLoading, nil, ui.Freshness{State: ui.FreshCatchingUp}
		}),
		state("list-failed", func(l *views.List) {
			l.State, l.Facets, l.Fresh = views.ListFailed, nil, ui.Freshness{}
			l.Problem = &ui.Problem{Title: e.w("The API server did not answer in time", "API 服务器未在限时内应答"), Detail: "list pods: Get \"https://production.example.com:6443/api/v1/pods\": context deadline exceeded", Advice: e.w("Tiga asks again by itself every 30 seconds.", "Tiga 每 30 秒自动重试。"), Since: e.ago(4 * time.Minute), Retry: e.Mount + "retry", RequestID: "9f2c4e1ab03d"}
		}),
		state("list-forbidden", func(l *views.List) {
			l.State, l.Facets, l.Fresh = views.ListForbidden, nil, ui.Freshness{}
			l.Problem = &ui.Problem{Title: e.w("No right to list pods in production", "无权列出 production 中的 Pod"), Detail: "pods is forbidden: User \"tiga\" cannot list resource \"pods\" in API group \"\" at the cluster scope", Advice: e.w("Whoever administers the cluster can give Tiga's account the verb “list” on pods.", "集群管理员可授予 Tiga 的账户对 pods 的 list 权限。"), Tone: ui.ToneInfo}
		}),
	}
}

func (e Env) columns() []views.Column {
	sort := e.Mount + "list-many?sort="
	return []views.Column{
		{ID: "name", Title: e.w("Name", "名称"), Sort: "ascending", Href: sort + "-name", Narrow: true},
		{ID: "namespace", Title: e.w("Namespace", "命名空间"), Href: sort + "namespace"},
		{ID: "ready", Title: e.w("Ready", "就绪"), Right: true, Href: sort + "ready"},
		{ID: "status", Title: e.w("Status", "状态"), Href: sort + "status", Narrow: true},
		{ID: "restarts", Title: e.w("Restarts", "重启"), Right: true, Href: sort + "restarts"},
		{ID: "node", Title: e.w("Node", "节点"), Href: sort + "node"},
		{ID: "age", Title: e.w("Age", "存在时间"), Right: true, Href: sort + "age", Narrow: true},
	}
}

// pods is a page of n pods out of 10,010.
func (e Env) pods(n int) views.List {
	l := views.List{
		Title: "Pods", Kind: "Pod", Fresh: e.live(), Total: 10010, Matched: 10010,
		Filter: views.ListFilter{Action: e.Mount + "list-many", Keep: []ui.Pair{{Key: "ns", Value: "shop"}, {Key: "ns", Value: "data"}}, Clear: e.Mount + "list-many"},
		Facets: []views.Facet{{ID: "status", Title: e.w("Status", "状态"), Options: []views.FacetOption{
			{Text: "CrashLoopBackOff", Count: 12, Tone: ui.ToneBad}, {Text: "Pending", Count: 2, Tone: ui.ToneWarn}, {Text: "Running", Count: 9981, Tone: ui.ToneOK}, {Text: "Completed", Count: 15, Tone: ui.ToneIdle},
		}}, {ID: "namespace", Title: e.w("Namespace", "命名空间"), Sheet: e.Mount + "list-facet"}, {ID: "node", Title: e.w("Node", "节点"), Sheet: e.Mount + "list-facet"}},
		Columns: e.columns(),
		Chooser: views.Chooser{Post: e.Mount + "list-many", Query: "ns=shop", Labels: []string{"app", "app.kubernetes.io/name"}, Columns: []ui.Option{
			{Value: "name", Text: e.w("Name", "名称"), Chosen: true, Refused: true},
			{Value: "namespace", Text: e.w("Namespace", "命名空间"), Chosen: true},
			{Value: "ready", Text: e.w("Ready", "就绪"), Chosen: true},
			{Value: "ip", Text: "IP"},
			{Value: "qos", Text: "QoS"},
		}},
		Bulk:    []ui.Action{{ID: "delete", Text: e.w("Delete", "删除"), Href: e.Mount + "action-bulk", Danger: true, Dialog: true}},
		Star:    &views.Star{Post: e.Mount + "retry", Query: "ns=shop"},
		Saved:   &views.SavedViews{Post: e.Mount + "retry", Query: "ns=shop&q=app%3Dapi", Here: e.Mount + "list-many"},
		Export:  []ui.Link{{Text: "CSV", Note: e.w("for spreadsheets", "用于电子表格"), Href: e.Mount + "list-many?as=csv"}, {Text: "JSON", Note: e.w("for programs", "用于程序"), Href: e.Mount + "list-many?as=json"}},
		Pager:   views.Pager{From: 1, To: 100, Of: 10010, Page: 1, Pages: 101, Next: e.Mount + "list-many?page=2"},
		Refresh: e.Mount + "retry",
	}
	for i := range l.Facets {
		for j := range l.Facets[i].Options {
			l.Facets[i].Options[j].Href = e.Mount + "list-filtered"
		}
	}
	for i := range n {
		l.Rows = append(l.Rows, e.pod(i))
	}
	return l
}

// pod is one of a few kinds of pods, by number.
func (e Env) pod(i int) views.Row {
	type sample struct {
		name, namespace, ready, node string
		status                       ui.Cell
		restarts                     float64
		age                          time.Duration
	}
	running := ui.Cell{Text: "Running", Form: ui.FormStatus, Tone: ui.ToneOK}
	crash := ui.Cell{Text: "CrashLoopBackOff", Form: ui.FormStatus, Tone: ui.ToneBad, Note: e.w("OOMKilled, exit 137", "OOMKilled，退出码 137")}
	samples := []sample{
		{"api-5d8f7c", "shop", "0/2", "node-02", crash, 41, 5 * time.Hour},
		{"api-5d8f7c", "shop", "0/2", "node-05", crash, 40, 5 * time.Hour},
		{"ledger", "data", "0/1", "", ui.Cell{Text: "Pending", Form: ui.FormStatus, Tone: ui.ToneWarn, Note: e.w("no node fits: 12 lack memory", "没有合适的节点：12 个内存不足")}, 0, 12 * time.Minute},
		{"mysql", "data", "1/1", "node-01", running, 0, 34 * day},
		{"nginx-67dc647948", "shop", "2/2", "node-01", running, 0, 3 * time.Minute},
		{"nginx-67dc647948", "shop", "2/2", "node-03", running, 0, 3 * time.Minute},
		{"nginx-67dc647948", "shop", "1/2", "node-04", ui.Cell{Text: "Running", Form: ui.FormStatus, Tone: ui.ToneWarn, Note: e.w("sidecar not ready", "sidecar 未就绪")}, 2, 3 * time.Minute},
		{"report-28811520", "data", "0/1", "node-03", ui.Cell{Text: "Completed", Form: ui.FormStatus, Tone: ui.ToneIdle}, 0, 2 * time.Hour},
		{"web", "shop", "1/1", "node-06", running, 1, 9 * day},
	}
	s := samples[i%len(samples)]
	r := views.Row{ID: uid(i), Name: fmt.Sprintf("%s-%s", s.name, uid(i)[:5]), Href: e.Mount + "detail-pod", Pick: uid(i)}
	ready := ui.Cell{Text: s.ready, Form: ui.FormRatio}
	if s.status.Tone != ui.ToneOK && s.status.Tone != ui.ToneIdle {
		ready.Tone = ui.ToneWarn
	}
	r.Cells = []ui.Cell{
		{Text: r.Name, Form: ui.FormName}, {Text: s.namespace}, ready, s.status, {Num: s.restarts, Form: ui.FormNumber}, {Text: s.node, Form: ui.FormName, Href: e.nodeHref(s.node)}, {Num: e.unix(s.age), Form: ui.FormAge},
	}
	r.Menu = e.podMenu()
	return r
}

func (e Env) nodeHref(name string) string {
	if name == "" {
		return ""
	}
	return e.Mount + "detail-pod"
}

func (e Env) podMenu() []ui.Action {
	return []ui.Action{
		{ID: "yaml", Text: "YAML", Href: e.Mount + "detail-yaml"},
		{ID: "delete", Text: e.w("Delete", "删除"), Href: e.Mount + "action-delete", Danger: true, Dialog: true},
	}
}

func (e Env) hostilePods() views.List {
	l := e.pods(2)
	l.Filter.Query = script
	for i, text := range []string{script, rtl, long(253), hxTag} {
		r := e.pod(200 + i)
		r.Name = text
		r.Cells[0].Text = text
		r.Cells[1].Text = text
		r.Cells[3] = ui.Cell{Text: text, Note: text, Form: ui.FormStatus, Tone: ui.ToneBad}
		r.Cells[5] = ui.Cell{Text: text, Form: ui.FormName, Href: "javascript:window.__pwned=1", Note: text}
		l.Rows = append(l.Rows, r)
	}
	l.Facets[0].Options = append(l.Facets[0].Options, views.FacetOption{Text: long(300), Count: 1, Tone: ui.ToneBad, Href: e.Mount + "list-many"}, views.FacetOption{Text: script, Count: 1, Href: e.Mount + "list-many"})
	return l
}

func (e Env) nodes() views.List {
	l := e.pods(0)
	l.Title, l.Kind, l.Total, l.Matched, l.Facets, l.Bulk, l.ClusterScoped = "Nodes", "Node", 3, 3, nil, nil, true
	l.Pager = views.Pager{From: 1, To: 3, Of: 3, Page: 1, Pages: 1}
	l.Columns = []views.Column{
		{ID: "name", Title: e.w("Name", "名称"), Sort: "ascending", Href: e.Mount + "list-cluster-scoped", Narrow: true},
		{ID: "status", Title: e.w("Status", "状态"), Narrow: true},
		{ID: "roles", Title: e.w("Roles", "角色")},
		{ID: "version", Title: e.w("Version", "版本")},
		{ID: "cpu", Title: "CPU", Right: true},
		{ID: "memory", Title: e.w("Memory", "内存"), Right: true},
		{ID: "age", Title: e.w("Age", "存在时间"), Right: true, Narrow: true},
	}
	for i, s := range []ui.Cell{{Text: "Ready", Form: ui.FormStatus, Tone: ui.ToneOK}, {Text: "Ready", Form: ui.FormStatus, Tone: ui.ToneWarn, Note: "SchedulingDisabled"}, {Text: "NotReady", Form: ui.FormStatus, Tone: ui.ToneBad, Note: e.w("the kubelet stopped posting its status", "kubelet 已停止上报状态")}} {
		name := fmt.Sprintf("node-%02d", i+1)
		l.Rows = append(l.Rows, views.Row{ID: uid(300 + i), Name: name, Href: e.Mount + "detail-pod", Cells: []ui.Cell{
			{Text: name, Form: ui.FormName}, s, {Text: "worker"}, {Text: "v1.37.2", Form: ui.FormName}, {Num: 32, Form: ui.FormCPU}, {Num: 137438953472, Form: ui.FormBytes}, {Num: e.unix(91 * day), Form: ui.FormAge},
		}})
	}
	return l
}

// Pods is the list of pods with n rows, for pages that change while they are looked at.
func Pods(e Env, n int) views.List { return e.pods(n) }

// facetSheet is the values of a facet, more than are shown.
func (e Env) facetSheet() views.FacetSheet {
	m := views.FacetSheet{
		Title: e.w("Pods by Node", "按节点筛选 Pods"), Name: "f.node", Action: e.Mount + "list-many", Keep: []ui.Pair{{Key: "q", Value: "app=api"}},
		Clear: e.Mount + "list-many", More: 14,
	}
	for i := range 9 {
		name := fmt.Sprintf("node-%02d", i+1)
		m.Options = append(m.Options, views.FacetOption{Value: name, Text: name, Count: 871 - 17*i, On: i < 2, Href: e.Mount + "list-filtered"})
	}
	m.Options = append(m.Options, views.FacetOption{Text: e.w("no value", "无取值"), Count: 3, Href: e.Mount + "list-filtered"})
	m.Options = append(m.Options, views.FacetOption{Value: script, Text: script, Count: 1, Href: e.Mount + "list-filtered"})
	return m
}
