package gallery

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tiga/views"
	"tiga/views/ui"
)

// resources are CPU and memory of a container: what it asks for and what it may take of each.
func (e Env) resources(cpu, cpuLimit, memory, memoryLimit float64) []views.ContainerResource {
	return []views.ContainerResource{
		{Name: "CPU", Form: ui.FormCPU, Request: cpu, Limit: cpuLimit},
		{Name: e.w("Memory", "内存"), Form: ui.FormBytes, Request: memory, Limit: memoryLimit},
		{Name: "nvidia.com/gpu", Form: ui.FormNumber, Request: 1, Limit: 1},
	}
}

func (e Env) variables() []views.EnvVar {
	return []views.EnvVar{
		{All: true, From: ui.Link{Text: "api-env", Note: "ConfigMap", Href: e.Mount + "detail-configmap"}},
		{All: true, Name: "DB_", From: ui.Link{Text: "api-db", Note: "Secret", Href: e.Mount + "detail-secret-data"}, Optional: true},
		{Name: "LOG_LEVEL", Value: "debug"},
		{Name: "EMPTY"},
		{Name: "PASSWORD", From: ui.Link{Text: "api-db", Note: "Secret", Href: e.Mount + "detail-secret-data"}, Key: "password"},
		{Name: "POD_IP", Key: "status.podIP"},
		{Name: "FLAGS", Value: strings.Repeat("--feature-gate=Everything=true ", 40)},
	}
}

func (e Env) mounts() []views.Mount {
	return []views.Mount{
		{Path: "/etc/api", Volume: "config", What: "configMap", From: ui.Link{Text: "api-env", Note: "ConfigMap", Href: e.Mount + "detail-configmap"}, ReadOnly: true},
		{Path: "/tmp", Volume: "scratch", What: "emptyDir"},
		{Path: "/var/lib/api", Volume: "data", What: "persistentVolumeClaim", From: ui.Link{Text: "api-data", Note: "PersistentVolumeClaim"}, SubPath: "api"},
	}
}

// detailTabs are the pages of objects that are not pods, and the tabs of one.
func (e Env) detailTabs(page func(name, title string, body views.Detail) Story, tab func(name, title string, body templ.Component) Story) []Story {
	d := e.deploymentDetail()
	pods := views.ObjectRows{Object: at(d.Object, "pods"), Section: d.Sections[0], Pager: views.Pager{From: 1, To: 3, Of: 3, Page: 1, Pages: 1}}
	for i := range pods.Section.Columns {
		pods.Section.Columns[i].Href = e.Mount + "detail-pods"
	}
	none := views.ObjectRows{Object: at(d.Object, "pods"), Section: views.Section{Empty: e.w("It selects no pods.", "它没有选择任何 Pod。")}}
	columns := []views.Column{
		{ID: "reason", Title: e.w("Reason", "原因"), Narrow: true, Href: e.Mount + "detail-events"},
		{ID: "message", Title: e.w("Message", "消息"), Narrow: true},
		{ID: "object", Title: e.w("Object", "对象")},
		{ID: "source", Title: e.w("Source", "来源")},
		{ID: "count", Title: e.w("Count", "次数"), Right: true},
		{ID: "first", Title: e.w("First seen", "首次出现"), Right: true},
		{ID: "last", Title: e.w("Last seen", "最近出现"), Right: true, Narrow: true, Sort: "ascending", Href: e.Mount + "detail-events"},
	}
	events := views.ObjectEvents{Object: at(d.Object, "events"), Known: true, Columns: columns, Events: e.events(6), Pager: views.Pager{From: 1, To: 6, Of: 1204, Page: 1, Pages: 101, Next: e.Mount + "detail-events"}}
	for i := range events.Events {
		events.Events[i].First = e.ago(time.Duration(i+2) * time.Hour)
	}
	events.Events[1].Message, events.Events[1].Object.Text, events.Events[1].Source = script+rtl+long(300), hxTag, long(80)
	denied := views.ObjectEvents{Object: at(d.Object, "events"), Problem: &ui.Problem{Title: e.w("You may not do that", "没有权限"), Detail: e.w("The right to list events in production / shop is missing.", "缺少在 production / shop 中对 events 执行 list 的权限。"), Tone: ui.ToneWarn}}
	describe := views.Description{Object: at(d.Object, "describe"), Text: describeText, Missing: []string{e.w("Left out, because the right to get leases.coordination.k8s.io in production / kube-node-lease is missing.", "已省略部分内容：缺少在 production / kube-node-lease 中对 leases.coordination.k8s.io 执行 get 的权限。")}}
	failed := views.Description{Object: at(d.Object, "describe"), Problem: &ui.Problem{Title: e.w("production does not answer in time", "production 未及时响应"), Detail: "context deadline exceeded"}}
	return []Story{
		page("detail-configmap", "api-env", e.configMap()), page("detail-secret-data", "api-db", e.secret()), page("detail-custom", "orders", e.custom()),
		tab("detail-pods", "api", views.ObjectRowsPage(pods)), tab("detail-pods-none", "api", views.ObjectRowsPage(none)),
		tab("detail-events", "api", views.ObjectEventsPage(events)), tab("detail-events-none", "api", views.ObjectEventsPage(views.ObjectEvents{Object: at(d.Object, "events"), Known: true})),
		tab("detail-events-denied", "api", views.ObjectEventsPage(denied)),
		tab("detail-describe", "api", views.DescriptionPage(describe)), tab("detail-describe-failed", "api", views.DescriptionPage(failed)),
	}
}

func (e Env) configMap() views.Detail {
	return views.Detail{
		Object: e.object("ConfigMap", "api-env", ui.Status{}, nil), YAML: e.Mount + "detail-yaml",
		Entries: []views.Datum{
			{Key: "LOG_LEVEL", Size: 5, Text: "debug"},
			{Key: "empty"},
			{Key: "nginx.conf", Size: 1240, Text: strings.Repeat("server {\n  listen 80;\n  <b>location</b> / { return 404; }\n}\n", 20)},
			{Key: "bundle.crt", Size: 734003, Text: strings.Repeat("MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJRTES\n", 40), Cut: true},
			{Key: "logo.png", Size: 18211, Binary: true},
		},
		Facts: []ui.Fact{{Label: e.w("Immutable", "不可变"), Cells: []ui.Cell{{Text: "true"}}}},
	}
}

func (e Env) secret() views.Detail {
	return views.Detail{
		Object:  e.object("Secret", "api-db", ui.Status{}, nil),
		Entries: []views.Datum{{Key: "password", Size: 24, Hidden: true}, {Key: "username", Size: 4, Hidden: true}},
		Facts:   []ui.Fact{{Label: e.w("Type", "类型"), Cells: []ui.Cell{{Text: "Opaque", Form: ui.FormName}}}},
	}
}

// custom is an object that no descriptor knows, with more in it than a page shows.
func (e Env) custom() views.Detail {
	d := views.Detail{
		Object: e.object("Workflow", "orders", ui.Status{Word: "Not ready", Reason: "Degraded: 2 of 5 shards answer", Tone: ui.ToneWarn, Since: e.ago(time.Hour)}, nil), YAML: e.Mount + "detail-yaml",
		Conditions: []views.Condition{{Type: "Ready", Status: ui.Status{Word: "False", Reason: "Degraded", Tone: ui.ToneWarn}, Message: "2 of 5 shards answer", Changed: e.ago(time.Hour)}},
		Tables:     []views.Table{{ID: "spec", Title: "Spec", Total: 240, Columns: []views.Column{{ID: "field", Title: e.w("Field", "字段"), Narrow: true}, {ID: "value", Title: e.w("Value", "值")}}}},
	}
	d.Object.Problem = &ui.Problem{Title: e.w("This object breaks the rules of its kind", "此对象不符合其类型的规则"), Detail: "spec.shards: expected a number", Tone: ui.ToneWarn}
	for i := range 30 {
		d.Tables[0].Rows = append(d.Tables[0].Rows, []ui.Cell{{Text: fmt.Sprintf("shard%02d", i), Form: ui.FormName}, {Text: strings.Repeat(`{"zone":"a"} `, i)}})
	}
	return d
}

const describeText = `Name:                   api
Namespace:              shop
CreationTimestamp:      Sun, 22 Nov 2026 10:11:12 +0000
Labels:                 app=api
Annotations:            deployment.kubernetes.io/revision: 9
Selector:               app=api
Replicas:               3 desired | 2 updated | 3 total | 1 available | 2 unavailable
Pod Template:
  Containers:
   api:
    Image:      registry.example.com/shop/api:1.9.0
    Args:       --motd=<script>window.__pwned=1</script>
    Environment:  <none>
Events:
  Type    Reason             Age   From                   Message
  ----    ------             ----  ----                   -------
  Normal  ScalingReplicaSet  5h    deployment-controller  Scaled up replica set api-5d8f7c to 2
`
