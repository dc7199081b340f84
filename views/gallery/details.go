package gallery

import (
	"fmt"
	"strings"
	"time"

	"tiga/views"
	"tiga/views/ui"
)

func (e Env) object(kind, name string, status ui.Status, actions []ui.Action) views.Object {
	return views.Object{
		Crumbs: []ui.Link{{Text: "production", Href: e.Mount + "overview"}, {Text: "shop", Href: e.Mount + "list-many"}, {Text: kind + "s", Href: e.Mount + "list-many"}},
		Kind:   kind, Name: name, Status: status, Fresh: e.live(), Actions: actions,
		Tabs: []views.Tab{
			{ID: "overview", Text: e.w("Overview", "概览"), Href: e.Mount + "detail-pod", Current: true},
			{ID: "yaml", Text: "YAML", Href: e.Mount + "detail-yaml"},
		},
	}
}

func details(e Env) []Story {
	page := func(name, title string, body views.Detail) Story {
		s := Story{Name: name, Page: views.Page{Title: title, Shell: e.inCluster("pods"), Body: views.DetailPage(body)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	yaml := views.Manifest{Object: e.podDetail().Object, Text: podYAML, Download: e.Mount + "detail-yaml", FieldsHidden: true}
	yaml.Object.Tabs[0].Current, yaml.Object.Tabs[1].Current = false, true
	secret := yaml
	secret.Redacted = true
	secret.Text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api-db\ndata:\n  password: '••• 24 bytes'\n  evil: '" + script + rtl + "'\n"
	manifest := func(name string, m views.Manifest) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Object.Name, Shell: e.inCluster("pods"), Body: views.ManifestPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	bare := views.Detail{Object: e.object("Pod", "lonely", ui.Status{}, nil), EventsKnown: true}
	bare.Object.Tabs = bare.Object.Tabs[:1]
	gone := e.podDetail()
	gone.Object.Gone = &ui.Problem{Title: e.w("The resource has been deleted", "该资源已被删除"), Detail: "pods \"api-5d8f7c-zzk1q\" not found", Advice: e.w("What you see is the last known state.", "当前显示的是最后一次已知的状态。"), Tone: ui.ToneWarn, Links: []ui.Link{{Text: e.w("Back to the list", "返回列表"), Href: e.Mount + "list-many"}}}
	gone.Object.Actions, gone.EventsKnown, gone.Events = nil, false, nil
	return []Story{
		page("detail-pod", "api-5d8f7c-zzk1q", e.podDetail()), page("detail-deployment", "api", e.deploymentDetail()), manifest("detail-yaml", yaml), manifest("detail-secret", secret),
		page("detail-bare", "lonely", bare), page("detail-gone", "api-5d8f7c-zzk1q", gone), page("detail-hostile", "hostile", e.hostileDetail()),
	}
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
			{Name: "api", Image: "registry.example.com/shop/api:1.9.0@sha256:8d2c…", Running: true, Restarts: 81, Status: ui.Status{Word: "CrashLoopBackOff", Reason: e.w("back-off 5m0s restarting failed container", "重启失败的容器，退避 5m0s"), Tone: ui.ToneBad}, Last: ui.Status{Word: "OOMKilled", Reason: e.w("exit 137", "退出码 137"), Tone: ui.ToneBad, Since: e.ago(3 * time.Minute)}, CPU: views.ContainerResource{Request: .2, Limit: 1}, Memory: views.ContainerResource{Request: 134217728, Limit: 268435456}, Ports: []string{"http 8080/TCP", "metrics 9090/TCP"}},
			{Name: "envoy", Role: "sidecar", Image: "envoyproxy/envoy:v1.34.1", Running: true, Status: ui.Status{Word: "Running", Tone: ui.ToneOK, Since: e.ago(5 * time.Hour)}, CPU: views.ContainerResource{Request: .1}, Memory: views.ContainerResource{Request: 67108864}},
			{Name: "migrate", Role: "init", Image: "registry.example.com/shop/migrate:1.9.0", Running: true, Status: ui.Status{Word: "Completed", Tone: ui.ToneIdle}},
		},
		Events: e.events(4), EventsKnown: true,
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
	d.Events[0].Message, d.Events[0].Reason, d.Events[0].Object.Text = hxTag+rtl, script, long(253)
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
