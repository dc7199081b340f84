package gallery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tiga/views"
	"tiga/views/ui"
)

func (e Env) object(kind, name string, status ui.Status, actions []ui.Action) views.Object {
	return views.Object{
		Crumbs: []ui.Link{{Text: "production", Href: e.Mount + "overview"}, {Text: "shop", Href: e.Mount + "list-many"}, {Text: kind + "s", Href: e.Mount + "list-many"}},
		Kind:   kind, Name: name, Status: status, Fresh: e.live(), Actions: actions,
		Tabs: []views.Tab{
			{ID: "overview", Text: e.w("Overview", "概览"), Href: e.Mount + "detail-pod", Current: true},
			{ID: "pods", Text: "Pods", Href: e.Mount + "detail-pods", Count: 3},
			{ID: "events", Text: e.w("Events", "事件"), Href: e.Mount + "detail-events", Count: 1204},
			{ID: "yaml", Text: "YAML", Href: e.Mount + "detail-yaml"},
			{ID: "describe", Text: e.w("Describe", "描述"), Href: e.Mount + "detail-describe"},
		},
	}
}

// at makes another tab of the object the current one.
func at(o views.Object, tab string) views.Object {
	o.Tabs = slices.Clone(o.Tabs)
	for i := range o.Tabs {
		o.Tabs[i].Current = o.Tabs[i].ID == tab
	}
	return o
}

func details(e Env) []Story {
	page := func(name, title string, body views.Detail) Story {
		s := Story{Name: name, Page: views.Page{Title: title, Shell: e.inCluster("pods"), Body: views.DetailPage(body)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	yaml := views.Manifest{Object: at(e.podDetail().Object, "yaml"), Text: podYAML, Download: e.Mount + "detail-yaml", ManagedHref: e.Mount + "detail-yaml?managed=1"}
	secret := yaml
	secret.Redacted, secret.ManagedHref = true, ""
	secret.Text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api-db\ndata:\n  password: '••• 24 bytes'\n  evil: '" + script + rtl + "'\n"
	manifest := func(name string, m views.Manifest) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Object.Name, Shell: e.inCluster("pods"), Body: views.ManifestPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	bare := views.Detail{Object: e.object("Pod", "lonely", ui.Status{}, nil), Events: &views.EventsBox{Known: true}}
	bare.Object.Tabs = bare.Object.Tabs[:1]
	gone := e.podDetail()
	gone.Object.Problem = &ui.Problem{Title: e.w("The resource has been deleted", "该资源已被删除"), Detail: "pods \"api-5d8f7c-zzk1q\" not found", Advice: e.w("What you see is the last known state.", "当前显示的是最后一次已知的状态。"), Tone: ui.ToneWarn, Links: []ui.Link{{Text: e.w("Back to the list", "返回列表"), Href: e.Mount + "list-many"}}}
	gone.Object.Actions, gone.Events = nil, &views.EventsBox{Missing: e.w("The right to list events in production / shop is missing.", "缺少在 production / shop 中对 events 执行 list 的权限。")}
	tab := func(name, title string, body templ.Component) Story {
		s := page(name, title, bare)
		s.Page.Body = body
		return s
	}
	return append([]Story{
		page("detail-pod", "api-5d8f7c-zzk1q", e.podDetail()), page("detail-deployment", "api", e.deploymentDetail()), manifest("detail-yaml", yaml), manifest("detail-secret", secret),
		page("detail-bare", "lonely", bare), page("detail-gone", "api-5d8f7c-zzk1q", gone), page("detail-hostile", "hostile", e.hostileDetail()),
	}, append(e.detailTabs(page, tab), e.rollouts(tab)...)...)
}

func (e Env) podDetail() views.Detail {
	deny := ui.Action{ID: "delete", Text: e.w("Delete", "删除"), Href: e.Mount + "action-delete", Danger: true, Dialog: true}
	return views.Detail{
		Object: e.object("Pod", "api-5d8f7c-zzk1q", ui.Status{Word: "CrashLoopBackOff", Reason: e.w("OOMKilled, exit 137: the limit of 256 Mi was reached", "OOMKilled，退出码 137：已达 256 Mi 的内存限制"), Tone: ui.ToneBad, Since: e.ago(5 * time.Hour)}, []ui.Action{deny}),
		Conditions: []views.Condition{
			{Type: "Ready", Status: ui.Status{Word: "False", Reason: "ContainersNotReady", Tone: ui.ToneBad}, Message: "containers with unready status: [api]", Changed: e.ago(5 * time.Hour)},
			{Type: "PodScheduled", Status: ui.Status{Word: "True", Tone: ui.ToneOK}, Changed: e.ago(5 * time.Hour)},
			{Type: "Initialized", Status: ui.Status{Word: "True", Tone: ui.ToneOK}, Changed: e.ago(5 * time.Hour)},
		},
		Containers: []views.Container{
			{
				Name: "api", Image: "registry.example.com/shop/api:1.9.0@sha256:8d2c…", Running: true, Restarts: 81, Status: ui.Status{Word: "CrashLoopBackOff", Reason: e.w("back-off 5m0s restarting failed container", "重启失败的容器，退避 5m0s"), Tone: ui.ToneBad}, Last: ui.Status{Word: "OOMKilled", Reason: e.w("exit 137", "退出码 137"), Tone: ui.ToneBad, Since: e.ago(3 * time.Minute)}, Resources: e.resources(.2, 1, 134217728, 268435456), Ports: []string{"http 8080/TCP", "metrics 9090/TCP"},
				RunsAs: "runAsNonRoot, uid 1000, drop ALL", Command: []string{"/api", "--listen=:8080", "--motd=don't panic"}, Probes: []views.Probe{
					{Kind: e.w("Readiness", "就绪探针"), What: "http-get :8080/ready", Timing: "delay=0s timeout=1s period=10s #success=1 #failure=3"},
					{Kind: e.w("Liveness", "存活探针"), What: "exec /bin/check --deep", Timing: "delay=30s timeout=1s period=10s #success=1 #failure=3"},
				}, Env: e.variables(), Mounts: e.mounts(),
			},
			{Name: "envoy", Role: "sidecar", Image: "envoyproxy/envoy:v1.34.1", Running: true, Status: ui.Status{Word: "Running", Tone: ui.ToneOK, Since: e.ago(5 * time.Hour)}, Resources: e.resources(.1, 0, 67108864, 0)},
			{Name: "migrate", Role: "init", Image: "registry.example.com/shop/migrate:1.9.0", Running: true, Status: ui.Status{Word: "Completed", Tone: ui.ToneIdle}},
		},
		Events: &views.EventsBox{Events: e.events(4), Total: 1204, Known: true, Href: e.Mount + "detail-events"},
		Facts: []ui.Fact{
			{Label: e.w("Node", "节点"), Cells: []ui.Cell{{Text: "node-02", Form: ui.FormName, Href: e.Mount + "detail-pod"}}},
			{Label: e.w("Pod IP", "Pod IP"), Lines: []string{"10.1.3.8", "fd00:10:1::308"}},
			{Label: "QoS", Cells: []ui.Cell{{Text: "Burstable"}}},
			{Label: e.w("Created", "创建于"), Cells: []ui.Cell{{Num: e.unix(5 * time.Hour), Form: ui.FormTime}}},
			{Label: e.w("Service account", "服务账户"), Cells: []ui.Cell{{Text: "api", Form: ui.FormName}}},
			{Label: e.w("Tolerations", "容忍度")},
		},
		Related: []ui.Fact{
			{Label: "ReplicaSet", Cells: []ui.Cell{{Text: "api-5d8f7c", Form: ui.FormName, Href: e.Mount + "detail-deployment"}}},
			{Label: "Deployment", Cells: []ui.Cell{{Text: "api", Form: ui.FormName, Href: e.Mount + "detail-deployment"}, {Text: e.w("Rollout stuck", "发布停滞"), Form: ui.FormStatus, Tone: ui.ToneBad}}},
		},
		Labels:      []ui.Pair{{Key: "app", Value: "api", Href: e.Mount + "list-filtered"}, {Key: "team", Value: "payments", Href: e.Mount + "list-filtered"}, {Key: "pod-template-hash", Value: "5d8f7c", Href: e.Mount + "list-filtered"}, {Key: "topology.kubernetes.io/zone", Value: "fra-1a", Href: e.Mount + "list-filtered"}},
		Annotations: []ui.Pair{{Key: "kubectl.kubernetes.io/restartedAt", Value: "2026-11-20T10:11:12Z"}, {Key: "prometheus.io/scrape", Value: "true"}},
	}
}

func (e Env) deploymentDetail() views.Detail {
	d := e.podDetail()
	d.Object = e.object("Deployment", "api", ui.Status{Word: e.w("Rollout stuck", "发布停滞"), Reason: e.w("1 of 3 updated pods ready, progress deadline passed", "3 个更新的 Pod 中 1 个就绪，已超过进度期限"), Tone: ui.ToneBad, Since: e.ago(32 * time.Minute)}, []ui.Action{
		{ID: "scale", Text: e.w("Scale", "扩缩容"), Href: e.Mount + "action-scale", Dialog: true},
		{ID: "restart", Text: e.w("Restart", "重启"), Href: e.Mount + "action-restart", Dialog: true},
		{ID: "delete", Text: e.w("Delete", "删除"), Href: e.Mount + "action-delete", Danger: true, Refused: e.w("Your role does not allow to delete", "您的角色不允许删除")},
	})
	for i := range d.Containers {
		d.Containers[i].Running = false
	}
	d.Containers = d.Containers[:2]
	columns := e.columns()
	columns = append(columns[:1:1], columns[2:]...)
	s := views.Section{ID: "pods", Title: "Pods", Note: e.w("2 revisions", "2 个版本"), Href: e.Mount + "list-filtered", Columns: columns}
	for i := range 3 {
		r := e.pod(i)
		r.Cells = append(r.Cells[:1:1], r.Cells[2:]...)
		s.Rows = append(s.Rows, r)
	}
	for i := range s.Columns {
		s.Columns[i].Href, s.Columns[i].Sort = "", ""
	}
	d.Sections = []views.Section{s, {ID: "hpa", Title: "HorizontalPodAutoscalers", Empty: e.w("None.", "没有。")}}
	d.Facts = []ui.Fact{
		{Label: e.w("Replicas", "副本"), Cells: []ui.Cell{{Text: e.w("3 wanted, 1 ready, 2 updated", "期望 3，就绪 1，已更新 2")}}},
		{Label: e.w("Strategy", "策略"), Cells: []ui.Cell{{Text: "RollingUpdate", Note: e.w("25 % surge, 25 % unavailable", "25 % 超出，25 % 不可用")}}},
		{Label: e.w("Selector", "选择器"), Pairs: []ui.Pair{{Key: "app", Value: "api", Href: e.Mount + "list-filtered"}}},
	}
	return d
}

func (e Env) hostileDetail() views.Detail {
	d := e.podDetail()
	d.Object.Name = long(253)
	d.Object.Crumbs[1].Text = script
	d.Object.Status = ui.Status{Word: script, Reason: hxTag + rtl, Tone: ui.ToneBad, Since: e.ago(time.Hour)}
	d.Containers[0].Name, d.Containers[0].Image, d.Containers[0].Ports = rtl, long(300), []string{script, long(80)}
	d.Containers[0].Status = ui.Status{Word: long(120), Reason: script, Tone: ui.ToneBad}
	d.Conditions[0].Type, d.Conditions[0].Message = script, hxTag
	d.Labels = append(d.Labels, ui.Pair{Key: script, Value: hxTag, Href: "javascript:window.__pwned=1"}, ui.Pair{Key: long(253) + "/" + long(63), Value: long(63)})
	d.Annotations = nil
	for i := range 40 {
		d.Annotations = append(d.Annotations, ui.Pair{Key: fmt.Sprintf("example.com/%02d-%s", i, rtl), Value: strings.Repeat(script, 3)})
	}
	d.Facts = append(d.Facts, ui.Fact{Label: script, Cells: []ui.Cell{{Text: long(200), Form: ui.FormName}}, Lines: []string{hxTag}})
	d.Events.Events[0].Message, d.Events.Events[0].Reason, d.Events.Events[0].Object.Text = hxTag+rtl, script, long(253)
	c := &d.Containers[0]
	c.Env = append(c.Env, views.EnvVar{Name: long(120), Value: strings.Repeat(script, 40)}, views.EnvVar{Name: rtl, From: ui.Link{Text: hxTag, Note: "ConfigMap", Href: "javascript:window.__pwned=1"}, Key: script})
	c.Mounts = append(c.Mounts, views.Mount{Path: "/" + long(300), Volume: hxTag, What: script, SubPath: rtl, ReadOnly: true})
	c.Command, c.RunsAs = []string{script, long(400), "'"}, hxTag
	c.Probes = []views.Probe{{Kind: e.w("Startup", "启动探针"), What: hxTag + long(200), Timing: "delay=0s timeout=1s period=10s #success=1 #failure=3"}}
	d.Tables = []views.Table{{ID: "rules", Title: e.w("Rules", "规则"), Total: 1, Columns: []views.Column{{ID: "a", Title: "A"}, {ID: "b", Title: "B"}}, Rows: [][]ui.Cell{{{Text: script, Form: ui.FormName, Href: "javascript:window.__pwned=1"}, {Text: long(300) + hxTag}}}}}
	d.Entries = []views.Datum{{Key: script, Size: 40, Text: hxTag + rtl}, {Key: long(253), Size: 1 << 20, Text: strings.Repeat(long(100)+"\n", 30), Cut: true}}
	return d
}

const podYAML = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    prometheus.io/scrape: "true"
  creationTimestamp: "2026-11-23T00:16:49Z"
  labels:
    app: api
    team: payments
  name: api-5d8f7c-zzk1q
  namespace: shop
spec:
  containers:
  - args:
    - --listen=:8080
    - --log={"level":"info"}
    image: registry.example.com/shop/api:1.9.0
    name: api
    resources:
      limits:
        cpu: "1"
        memory: 256Mi
      requests:
        cpu: 200m
        memory: 128Mi
    command:
    - sh
    - -c
    - |
      set -e

      exec /api --with="<b>a very long line that goes on and on: $HOME</b>" --and=more --and=more --and=more --and=more --and=more --and=more
  nodeName: node-02
status:
  phase: Running
`
