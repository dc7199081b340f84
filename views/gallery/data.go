package gallery

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tiga/views"
	"tiga/views/ui"
)

// Texts that try to be more than text.
const (
	script = `<script>window.__pwned=1</script>"><img src=x onerror=window.__pwned=1>'` + "`" + `{{.}}${7*7}`
	rtl    = "pod-\u202egnp.exe\u202c-\u0645\u0631\u062d\u0628\u0627-\u2066x\u2069"
	hxTag  = `</td><hx-partial hx-target="#main" hx-swap="innerHTML"><b hx-get="/logout" hx-trigger="load">x</b></hx-partial>`
)

// long is a name of n characters, in the pieces that names have.
func long(n int) string {
	return strings.Repeat("payment-settlement-reconciler-", n/30+1)[:n]
}

const day = 24 * time.Hour

var (
	prod    = views.Environment{Label: "PROD", Colour: "red"}
	staging = views.Environment{Label: "STAGE", Colour: "amber"}
)

func (e Env) healthy() ui.Status { return ui.Status{Word: e.w("Healthy", "健康"), Tone: ui.ToneOK} }

// languages are the two that Tiga speaks.
func (e Env) languages() []views.Language {
	return []views.Language{
		{Tag: "en", Name: "English", Short: "EN", Current: e.Lang != "zh-CN"},
		{Tag: "zh-CN", Name: "简体中文", Short: "中", Current: e.Lang == "zh-CN"},
	}
}

func (e Env) user() views.User {
	return views.User{Name: "anna", Initials: "AN", Role: e.w("administrator", "管理员")}
}

func (e Env) choices(current string) []views.ClusterChoice {
	list := []views.ClusterChoice{
		{Name: "production", Environment: prod, Status: e.healthy()},
		{Name: "staging", Environment: staging, Status: e.healthy()},
		{Name: "dev", Status: ui.Status{Word: e.w("Warning", "警告"), Tone: ui.ToneWarn}},
		{Name: "edge-fra", Status: ui.Status{Word: e.w("Unavailable", "不可达"), Tone: ui.ToneBad}},
		{Name: "edge-ams", Status: ui.Status{Word: e.w("Error", "错误"), Tone: ui.ToneBad}},
		{Name: "lab-1", Status: ui.Status{Word: e.w("Unknown", "未知"), Tone: ui.ToneIdle}},
		{Name: "lab-2", Status: e.healthy()},
	}
	for i := range list {
		list[i].Href = e.Mount + "list-many"
		list[i].Current = list[i].Name == current
	}
	return list
}

// fleet is the shell of the screens that are about no cluster.
func (e Env) fleet(current string) *views.Shell {
	return &views.Shell{
		Clusters: e.choices(""),
		Menu: []views.MenuGroup{
			{Items: []views.MenuItem{
				{ID: "home", Text: e.w("Clusters", "集群"), Href: e.Mount + "home-many", Counted: true, Count: 7, Current: current == "home"},
			}},
			{ID: "administration", Title: e.w("Administration", "管理"), Items: []views.MenuItem{
				{ID: "audit", Text: e.w("Audit", "审计"), Href: e.Mount + "audit-many", Current: current == "audit"},
				{ID: "settings", Text: e.w("Cluster settings", "集群设置"), Href: e.Mount + "settings-many", Current: current == "settings"},
			}},
		},
		User: e.user(), Languages: e.languages(), Here: e.Mount + "home-many",
	}
}

// inCluster is the shell of a screen of a production cluster.
func (e Env) inCluster(current string, namespaces ...string) *views.Shell {
	item := func(id, text string, count, trouble int) views.MenuItem {
		return views.MenuItem{ID: id, Text: text, Href: e.Mount + "list-many", Counted: true, Count: count, Trouble: trouble, Current: id == current}
	}
	s := &views.Shell{
		Cluster:  &views.CurrentCluster{Name: "production", Href: e.Mount + "overview", Environment: prod, Status: e.healthy()},
		Clusters: e.choices("production"),
		Menu: []views.MenuGroup{
			{Items: []views.MenuItem{{ID: "overview", Text: e.w("Overview", "概览"), Href: e.Mount + "overview", Current: current == "overview"}}},
			{ID: "workloads", Title: e.w("Workloads", "工作负载"), Items: []views.MenuItem{item("pods", "Pods", 10010, 14), item("deployments", "Deployments", 212, 0)}},
			{ID: "cluster", Title: e.w("Cluster", "集群"), Items: []views.MenuItem{item("nodes", "Nodes", 12, 0), item("namespaces", "Namespaces", 50, 0), item("events", "Events", 1204, 7)}},
		},
		User: e.user(), Languages: e.languages(), Here: e.Mount + "list-many",
	}
	s.Namespaces = e.namespaces(namespaces...)
	return s
}

func (e Env) namespaces(chosen ...string) *views.NamespacePicker {
	n := &views.NamespacePicker{Action: e.Mount + "list-many", AllHref: e.Mount + "list-many", Keep: []ui.Pair{{Key: "q", Value: "app=api"}}}
	for _, name := range []string{"data", "default", "ingress", "kube-node-lease", "kube-public", "kube-system", "monitoring", "payments", "shop", "shop-canary"} {
		o := views.NamespaceOption{Name: name, Href: e.Mount + "list-many?ns=" + name}
		for _, c := range chosen {
			o.Chosen = o.Chosen || c == name
		}
		n.Options = append(n.Options, o)
	}
	return n
}

func (e Env) live() ui.Freshness { return ui.Freshness{State: ui.FreshLive} }

// uid is a stable UID for a number.
func uid(n int) string {
	h := sha256.Sum256([]byte(strconv.Itoa(n)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
