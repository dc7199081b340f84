package gallery

import (
	"fmt"
	"strconv"
	"time"

	"tiga/views"
	"tiga/views/ui"
)

func homes(e Env) []Story {
	page := func(name string, h views.Home) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Clusters", "集群"), Shell: e.fleet("home"), Body: views.HomePage(h)}}
	}
	usage := func(percent float64) ui.Cell {
		return ui.Cell{Text: ui.Percent(percent, 100), Num: percent, Max: 100, Tone: ui.UsageTone(percent, 100)}
	}
	actions := []ui.Action{
		{ID: "test", Text: e.w("Test connection", "测试连接"), Href: e.Mount + "settings-edit"},
		{ID: "settings", Text: e.w("Settings", "设置"), Href: e.Mount + "settings-edit"},
	}
	many := views.Home{
		Fresh: e.live(), Add: e.Mount + "cluster-add",
		Clusters: []views.ClusterRow{
			{ID: "1", Name: "production", Environment: prod, Status: e.healthy(), Version: "v1.37.2", Default: true, NodesKnown: true, PodsKnown: true, Nodes: 12, NodesReady: 12, Pods: 10010, PodsRunning: 9981, CPU: usage(52), Memory: usage(64), Seen: e.ago(3 * time.Second), Actions: actions},
			{ID: "2", Name: "staging", Environment: staging, Status: e.healthy(), Version: "v1.37.2", NodesKnown: true, PodsKnown: true, Nodes: 5, NodesReady: 5, Pods: 212, PodsRunning: 212, CPU: usage(20), Memory: usage(31), Seen: e.ago(4 * time.Second), Actions: actions},
			{ID: "3", Name: "dev", Status: ui.Status{Word: e.w("Warning", "警告"), Reason: e.w("node-03 not ready", "node-03 未就绪"), Tone: ui.ToneWarn, Since: e.ago(8 * time.Minute)}, Version: "v1.36.4", ReadOnly: true, NodesKnown: true, PodsKnown: true, Nodes: 3, NodesReady: 2, Pods: 104, PodsRunning: 98, CPU: usage(33), Memory: usage(86), Seen: e.ago(5 * time.Second), Actions: actions},
			{ID: "4", Name: "edge-fra", Status: ui.Status{Word: e.w("Unavailable", "不可达"), Reason: e.w("connection timed out", "连接超时"), Tone: ui.ToneBad, Since: e.ago(14 * time.Minute)}, Version: "v1.34.9+k3s1", NodesKnown: true, PodsKnown: true, Nodes: 3, NodesReady: 3, Pods: 41, PodsRunning: 41, Seen: e.ago(14 * time.Minute), Actions: actions},
			{ID: "5", Name: "edge-ams", Status: ui.Status{Word: e.w("Error", "错误"), Reason: e.w("the API server refuses the credentials (401)", "API 服务器拒绝凭据（401）"), Tone: ui.ToneBad, Since: e.ago(51 * time.Hour)}, Actions: actions},
			{ID: "6", Name: "lab-1", Status: ui.Status{Word: e.w("Disabled", "已停用"), Tone: ui.ToneIdle}, Disabled: true, Actions: actions},
		},
		Troubles: []views.Trouble{
			{ID: "a", Status: ui.Status{Word: "CrashLoopBackOff", Reason: e.w("OOMKilled, exit 137, limit 256 Mi", "OOMKilled，退出码 137，限制 256 Mi"), Tone: ui.ToneBad}, Object: ui.Link{Text: "shop/api", Href: e.Mount + "detail-pod", Note: e.w("2 of 3 pods", "3 个中的 2 个")}, Kind: "Deployment", Cluster: "production", Environment: prod, Since: e.ago(5 * time.Hour)},
			{ID: "b", Status: ui.Status{Word: e.w("Rollout stuck", "发布停滞"), Reason: e.w("image not found: registry.example.com/shop/checkout:2.41", "找不到镜像：registry.example.com/shop/checkout:2.41"), Tone: ui.ToneBad}, Object: ui.Link{Text: "shop/checkout", Href: e.Mount + "detail-deployment"}, Kind: "Deployment", Cluster: "production", Environment: prod, Since: e.ago(32 * time.Minute)},
			{ID: "c", Status: ui.Status{Word: e.w("Unschedulable", "无法调度"), Reason: e.w("0/12 nodes are available: 12 Insufficient memory.", "0/12 个节点可用：12 个内存不足。"), Tone: ui.ToneWarn}, Object: ui.Link{Text: "data/ledger-0", Href: e.Mount + "detail-pod"}, Kind: "Pod", Cluster: "production", Environment: prod, Since: e.ago(12 * time.Minute)},
			{ID: "d", Status: ui.Status{Word: e.w("Node not ready", "节点未就绪"), Reason: e.w("the kubelet stopped posting its status", "kubelet 已停止上报状态"), Tone: ui.ToneWarn}, Object: ui.Link{Text: "node-03", Href: e.Mount + "detail-pod"}, Kind: "Node", Cluster: "dev", Since: e.ago(8 * time.Minute)},
		},
		MoreTroubles: 13, TroubleClusters: 2, Unknown: []string{"edge-fra", "edge-ams"},
	}
	for i := range many.Clusters {
		many.Clusters[i].Href = e.Mount + "overview"
		many.Clusters[i].NodesHref = e.Mount + "list-many"
		many.Clusters[i].PodsHref = e.Mount + "list-many"
	}
	one := views.Home{Fresh: e.live(), Clusters: many.Clusters[:1]}
	hostile := many
	hostile.Clusters = []views.ClusterRow{
		{ID: "7", Name: script, Href: e.Mount + "overview", Environment: views.Environment{Label: script, Colour: `red" onclick=x`}, Status: ui.Status{Word: script, Reason: hxTag, Tone: ui.ToneBad, Since: e.ago(time.Hour)}, Version: script},
		{ID: "8", Name: rtl, Href: e.Mount + "overview", Status: ui.Status{Word: rtl, Reason: rtl, Tone: ui.ToneWarn}, Version: rtl, Prometheus: ui.Status{Word: "found", Tone: ui.ToneOK}},
		{ID: "9", Name: long(253), Href: e.Mount + "overview", Status: ui.Status{Word: e.w("Unavailable", "不可达"), Reason: long(300), Tone: ui.ToneBad}, Version: "v1.37.2-" + long(60)},
	}
	hostile.Troubles = []views.Trouble{
		{ID: "x", Status: ui.Status{Word: script, Reason: hxTag + rtl, Tone: ui.ToneBad}, Object: ui.Link{Text: script, Href: "javascript:window.__pwned=1"}, Kind: script, Cluster: long(63), Since: e.ago(time.Hour)},
		{ID: "y", Status: ui.Status{Word: "CrashLoopBackOff", Reason: long(300), Tone: ui.ToneBad}, Object: ui.Link{Text: long(63) + "/" + long(253), Href: e.Mount + "detail-pod"}, Kind: "Pod", Cluster: long(253), Environment: prod, Since: e.ago(time.Hour)},
	}
	hostile.Unknown = []string{script, long(253)}
	fifty := many
	fifty.Clusters = nil
	for i := range 60 {
		c := many.Clusters[i%5]
		c.ID, c.Name, c.Default = strconv.Itoa(100+i), fmt.Sprintf("%s-%02d", c.Name, i), false
		fifty.Clusters = append(fifty.Clusters, c)
	}
	return []Story{
		page("home-many", many),
		page("home-one", one),
		page("home-empty", views.Home{Fresh: e.live(), Add: e.Mount + "cluster-add"}),
		page("home-empty-viewer", views.Home{Fresh: e.live()}),
		page("home-none-visible", views.Home{Fresh: e.live(), NoneVisible: true}),
		page("home-sixty", fifty),
		page("home-hostile", hostile),
	}
}

func overviews(e Env) []Story {
	page := func(name string, o views.Overview) Story {
		return Story{Name: name, Page: views.Page{Title: o.Name, Shell: e.inCluster("overview"), Body: views.OverviewPage(o)}}
	}
	href := e.Mount + "list-many"
	full := views.Overview{
		Name: "production", Environment: prod, Status: e.healthy(), Fresh: e.live(),
		Actions: []ui.Action{{ID: "settings", Text: e.w("Settings", "设置"), Href: e.Mount + "settings-edit"}},
		Tallies: []views.Tally{
			{ID: "nodes", Title: "Nodes", Href: href, Total: 12, Known: true, Parts: []views.TallyPart{{Word: "Ready", Count: 12, Tone: ui.ToneOK, Href: href}}},
			{ID: "pods", Title: "Pods", Href: href, Total: 10010, Known: true, Parts: []views.TallyPart{
				{Word: "CrashLoopBackOff", Count: 12, Tone: ui.ToneBad, Href: href},
				{Word: "Pending", Count: 2, Tone: ui.ToneWarn, Href: href},
				{Word: "Running", Count: 9981, Tone: ui.ToneOK, Href: href},
				{Word: "Completed", Count: 15, Tone: ui.ToneIdle, Href: href},
			}},
			{ID: "deployments", Title: "Deployments", Href: href, Total: 212, Known: true, Parts: []views.TallyPart{
				{Word: e.w("Rollout stuck", "发布停滞"), Count: 1, Tone: ui.ToneBad, Href: href},
				{Word: e.w("Progressing", "进行中"), Count: 3, Tone: ui.ToneInfo, Href: href},
				{Word: e.w("Complete", "已完成"), Count: 208, Tone: ui.ToneOK, Href: href},
			}},
			{ID: "namespaces", Title: "Namespaces", Href: href, Total: 50, Known: true, Parts: []views.TallyPart{{Word: "Active", Count: 49, Tone: ui.ToneOK, Href: href}, {Word: "Terminating", Count: 1, Tone: ui.ToneWarn, Href: href}}},
		},
		Usage: []views.Usage{
			{ID: "cpu", Title: "CPU", Form: ui.FormCPU, Requests: 198.5, Limits: 410, Allocatable: 384},
			{ID: "memory", Title: e.w("Memory", "内存"), Form: ui.FormBytes, Requests: 1.31e12, Limits: 1.6e12, Allocatable: 1.6e12},
			{ID: "pods", Title: "Pods", Form: ui.FormNumber, Requests: 10010, NoLimits: true, Allocatable: 13200},
		},
		Facts: []ui.Fact{
			{Label: e.w("Kubernetes", "Kubernetes 版本"), Cells: []ui.Cell{{Text: "v1.37.2", Form: ui.FormName}}},
			{Label: e.w("API server", "API 服务器"), Cells: []ui.Cell{{Text: "https://production.example.com:6443", Form: ui.FormName}}},
			{Label: e.w("Nodes run", "节点版本"), Pairs: []ui.Pair{{Key: "v1.37.2"}, {Key: "v1.36.4"}}},
			{Label: e.w("Last contact", "最近联系"), Cells: []ui.Cell{{Num: e.unix(3 * time.Second), Form: ui.FormAge}}},
		},
		Troubles:     []views.Trouble{},
		MoreTroubles: 0,
		Events:       e.events(6),
		EventsHref:   href,
	}
	full.Troubles = e.troubles()
	calm := full
	calm.Troubles, calm.Events = nil, nil
	cold := views.Overview{
		Name: "production", Environment: prod, Status: ui.Status{Word: e.w("Unknown", "未知"), Reason: e.w("not asked yet", "尚未检查"), Tone: ui.ToneIdle}, Fresh: ui.Freshness{State: ui.FreshCatchingUp},
		Tallies: []views.Tally{{ID: "nodes", Title: "Nodes", Href: href}, {ID: "pods", Title: "Pods", Href: href}},
	}
	denied := calm
	denied.Denied = e.w("You may not list nodes here: their part is left out. An administrator can give you the right.", "您无权查看此处的节点，相关内容未显示。可请管理员授权。")
	denied.Tallies, denied.Usage = full.Tallies[1:3], nil
	down := full
	down.Status = ui.Status{Word: e.w("Unavailable", "不可达"), Reason: e.w("connection timed out", "连接超时"), Tone: ui.ToneBad, Since: e.ago(14 * time.Minute)}
	down.Fresh = ui.Freshness{State: ui.FreshStale, Since: e.ago(14 * time.Minute), Reason: e.w("connection timed out", "连接超时")}
	unreachable := page("overview-unreachable", down)
	unreachable.Page.Shell.Unreachable = e.unreachable()
	hostile := full
	hostile.Name = long(200)
	hostile.Events = []views.Event{{ID: "h1", Tone: ui.ToneWarn, Reason: script, Message: hxTag + rtl + long(300), Object: ui.Link{Text: script, Href: "javascript:alert(1)"}, Source: script, Count: 4, Last: e.ago(time.Minute)}}
	hostile.Tallies = []views.Tally{{ID: "h", Title: script, Href: href, Total: 123456789, Known: true, Parts: []views.TallyPart{{Word: long(120), Count: 999999, Tone: ui.ToneBad, Href: href}}}}
	hostile.Facts = []ui.Fact{{Label: long(80), Cells: []ui.Cell{{Text: script, Form: ui.FormName}, {Text: long(200)}}}}
	return []Story{page("overview", full), page("overview-calm", calm), page("overview-cold", cold), page("overview-denied", denied), unreachable, page("overview-hostile", hostile)}
}

func (e Env) troubles() []views.Trouble {
	return []views.Trouble{
		{ID: "a", Status: ui.Status{Word: "CrashLoopBackOff", Reason: e.w("OOMKilled, exit 137", "OOMKilled，退出码 137"), Tone: ui.ToneBad}, Object: ui.Link{Text: "shop/api-5d8f7c-zzk1q", Href: e.Mount + "detail-pod"}, Kind: "Pod", Since: e.ago(5 * time.Hour)},
		{ID: "b", Status: ui.Status{Word: e.w("Rollout stuck", "发布停滞"), Reason: e.w("1 of 3 updated pods ready, progress deadline passed", "3 个更新的 Pod 中 1 个就绪，已超过进度期限"), Tone: ui.ToneBad}, Object: ui.Link{Text: "shop/checkout", Href: e.Mount + "detail-deployment"}, Kind: "Deployment", Since: e.ago(32 * time.Minute)},
		{ID: "c", Status: ui.Status{Word: "Pending", Reason: e.w("no node fits: 12 lack memory", "没有合适的节点：12 个内存不足"), Tone: ui.ToneWarn}, Object: ui.Link{Text: "data/ledger-0", Href: e.Mount + "detail-pod"}, Kind: "Pod", Since: e.ago(12 * time.Minute)},
	}
}

func (e Env) events(n int) []views.Event {
	list := []views.Event{
		{Tone: ui.ToneWarn, Reason: "BackOff", Message: "Back-off restarting failed container api in pod api-5d8f7c-zzk1q_shop(5d0f…)", Object: ui.Link{Text: "shop/api-5d8f7c-zzk1q", Href: e.Mount + "detail-pod"}, Source: "kubelet", Count: 164, Last: e.ago(time.Minute)},
		{Tone: ui.ToneWarn, Reason: "Unhealthy", Message: "Readiness probe failed: Get \"http://10.1.3.8:8080/healthz\": dial tcp 10.1.3.8:8080: connect: connection refused", Object: ui.Link{Text: "shop/api-5d8f7c-7qv2m", Href: e.Mount + "detail-pod"}, Source: "kubelet", Count: 30, Last: e.ago(2 * time.Minute)},
		{Tone: ui.ToneWarn, Reason: "FailedScheduling", Message: "0/12 nodes are available: 12 Insufficient memory. preemption: 0/12 nodes are available.", Object: ui.Link{Text: "data/ledger-0", Href: e.Mount + "detail-pod"}, Source: "default-scheduler", Count: 9, Last: e.ago(3 * time.Minute)},
		{Tone: ui.ToneNone, Reason: "ScalingReplicaSet", Message: "Scaled up replica set api-5d8f7c from 1 to 2", Object: ui.Link{Text: "shop/api", Href: e.Mount + "detail-deployment"}, Source: "deployment-controller", Count: 1, Last: e.ago(5 * time.Hour)},
		{Tone: ui.ToneNone, Reason: "Pulled", Message: "Successfully pulled image \"registry.example.com/shop/api:1.9.0\" in 1.204s", Object: ui.Link{Text: "shop/api-5d8f7c-zzk1q", Href: e.Mount + "detail-pod"}, Source: "kubelet", Count: 41, Last: e.ago(6 * time.Minute)},
		{Tone: ui.ToneWarn, Reason: "FailedMount", Message: "MountVolume.SetUp failed for volume \"config\" : configmap \"api-env\" not found", Object: ui.Link{Text: "shop/api-5d8f7c-zzk1q", Href: e.Mount + "detail-pod"}, Source: "kubelet", Count: 3, Last: e.ago(50 * time.Minute)},
	}
	for i := range list {
		list[i].ID = uid(900 + i)
	}
	return list[:n]
}

func (e Env) unreachable() *ui.Problem {
	return &ui.Problem{
		Title:  e.w("Cannot reach production.", "无法连接 production。"),
		Detail: "dial tcp 10.0.0.10:6443: i/o timeout",
		Advice: e.w("What you see is the last known state.", "当前显示的是最后一次已知的状态。"),
		Since:  e.ago(14 * time.Minute),
		Retry:  e.Mount + "retry",
	}
}
