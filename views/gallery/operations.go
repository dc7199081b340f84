package gallery

import (
	"time"

	"tiga/views"
	"tiga/views/ui"
)

// drains are the preflight of a node's drain.
func drains(e Env) []Story {
	fields := []ui.Field{
		{Type: ui.FieldNumber, Name: "grace", Label: e.w("Grace period (seconds)", "宽限期（秒）"), Help: e.w("How long each pod has to end. Empty: its own.", "每个 Pod 的退出时间。留空则使用其自身设置。"), Min: "0", Max: "86400"},
		{Type: ui.FieldNumber, Name: "timeout", Label: e.w("Timeout (seconds)", "超时（秒）"), Min: "0", Max: "86400"},
		{Type: ui.FieldCheck, Name: "local", Label: e.w("Delete emptyDir data", "删除 emptyDir 数据")},
		{Type: ui.FieldCheck, Name: "force", Label: e.w("Also pods that nothing starts anew", "包括没有控制器的 Pod")},
		{Type: ui.FieldCheck, Name: "daemonsets", Label: e.w("Leave the pods of DaemonSets", "保留 DaemonSet 的 Pod"), Checked: true},
	}
	goes := ui.Status{Word: e.w("Is evicted", "将被驱逐"), Tone: ui.ToneOK}
	waits := ui.Status{Word: e.w("Waits for its budget", "等待中断预算"), Tone: ui.ToneWarn}
	stays := ui.Status{Word: e.w("Stays", "保留"), Tone: ui.ToneIdle}
	refused := ui.Status{Word: e.w("In the way", "阻碍排空"), Tone: ui.ToneBad}
	link := func(name, ns string) ui.Link { return ui.Link{Text: name, Href: e.Mount + "detail-pod", Note: ns} }
	many := views.Drain{
		Title: e.w("Drain node node-07", "排空节点 node-07"), Node: "node-07", Cluster: "production", Environment: prod, Production: true,
		Evicts: 2, Waits: 1, Leaves: 1, Fields: fields, UID: "u-1", Post: e.Mount + "retry", Cancel: e.Mount + "list-many",
		Approximate: e.w("Room on other nodes is an estimate from requests, node selectors, required node affinity and taints.", "其他节点的空间为估算值，依据资源请求、节点选择器、必需的节点亲和性与污点得出。"),
		Pods: []views.DrainPod{
			{ID: "1", Pod: link("web-5d8f7c-k2x9q", "shop"), Controller: "ReplicaSet web-5d8f7c", Verdict: waits, Notes: []string{
				e.w("The disruption budget web allows no pod to go now: it needs 3 healthy pods and has 3.", "中断预算 web 目前不允许任何 Pod 离开：需要 3 个健康 Pod，现有 3 个。"),
			}},
			{ID: "2", Pod: link("ledger-0", "pay"), Controller: "StatefulSet ledger", Verdict: goes, Notes: []string{
				e.w("No other ready pod of StatefulSet ledger runs elsewhere: it is away until a new one is ready.", "StatefulSet ledger 在其他节点上没有就绪的 Pod：新 Pod 就绪前服务不可用。"),
				e.w("No other node seems to have room for it.", "其他节点似乎没有足够的空间。"),
			}},
			{ID: "3", Pod: link("node-exporter-x7k2p", "monitoring"), Controller: "DaemonSet node-exporter", Verdict: stays, Why: e.w("Its DaemonSet would place it here again at once.", "其 DaemonSet 会立即在此重新创建它。")},
		},
	}
	blocked := many
	blocked.Problem = e.w("1 pod is in the way. Choose what may happen to it, or move it away.", "有 1 个 Pod 阻碍排空。请选择如何处理，或先将其移走。")
	blocked.Pods = append([]views.DrainPod{{ID: "0", Pod: link("debug-shell", "shop"), Verdict: refused, Why: e.w("Nothing starts it anew: it would be gone for good.", "没有控制器会重建它，驱逐后将永久消失。")}}, many.Pods...)
	blocked.Unknown, blocked.Approximate = []string{e.w("You may not see every disruption budget: more pods may have to wait than shown here.", "您无权查看全部中断预算：需要等待的 Pod 可能比这里显示的更多。")}, ""
	wrong := many
	wrong.ConfirmError = e.w("Type node-07 to confirm.", "请输入 node-07 以确认。")
	hostile := blocked
	hostile.Title, hostile.Node, hostile.Cluster, hostile.Problem = script, long(253), rtl, script
	hostile.Pods = []views.DrainPod{{ID: "9", Pod: link(long(253), script), Controller: hxTag, Verdict: refused, Why: script, Notes: []string{rtl, hxTag}}}
	empty := views.Drain{Title: many.Title, Node: many.Node, Cluster: "staging", Environment: staging, Fields: fields, Post: e.Mount + "retry", Cancel: e.Mount + "list-many"}
	page := func(name string, m views.Drain) Story {
		return Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("nodes"), Body: views.DrainPage(m)}}
	}
	return []Story{page("drain-many", many), page("drain-blocked", blocked), page("drain-wrong", wrong), page("drain-hostile", hostile), page("drain-empty", empty)}
}

// operations are what outlives a request.
func operations(e Env) []Story {
	step := func(n int, name, ns string, s ui.Status, message string, ended time.Duration) views.OperationStep {
		out := views.OperationStep{Position: n, Action: e.w("Evict", "驱逐"), Kind: "Pod", Object: ui.Link{Text: name, Href: e.Mount + "detail-pod", Note: ns}, Status: s, Message: message}
		if ended > 0 {
			out.Ended = e.ago(ended)
		}
		return out
	}
	done := ui.Status{Word: e.w("Done", "已完成"), Tone: ui.ToneOK}
	going := ui.Status{Word: e.w("Under way", "进行中"), Tone: ui.ToneInfo}
	waiting := ui.Status{Word: e.w("Waiting", "等待中"), Tone: ui.ToneWarn}
	planned := ui.Status{Word: e.w("Planned", "待执行"), Tone: ui.ToneIdle}
	gone := e.w("Evicted, and gone.", "已驱逐并已离开。")
	running := views.Operation{
		ID: "019", Title: e.w("Drain node node-07", "排空节点 node-07"), Object: ui.Link{Text: "node-07", Href: e.Mount + "detail-pod"}, Status: going, Actor: "anna",
		Started: e.ago(4 * time.Minute), Done: 2, Total: 5, Stop: e.Mount + "retry", List: e.Mount + "operations-many", More: true,
		Steps: []views.OperationStep{
			{Position: 0, Action: e.w("Cordon", "停止调度"), Kind: "Node", Object: ui.Link{Text: "node-07", Href: e.Mount + "detail-pod"}, Status: done, Ended: e.ago(4 * time.Minute)},
			step(1, "ledger-0", "pay", done, gone, 3*time.Minute),
			step(2, "web-5d8f7c-k2x9q", "shop", waiting, e.w("The disruption budget web needs 3 healthy pods and has 3.", "中断预算 web 需要 3 个健康 Pod，现有 3 个。"), 0),
			step(3, "api-5d8f7c-zzk1q", "shop", going, e.w("Evicted; its containers are ending.", "已驱逐，容器正在退出。"), 0),
			step(4, "mail-0", "shop", planned, "", 0),
		},
	}
	ended := running
	ended.Status, ended.Message, ended.Stop, ended.Ended, ended.Done, ended.More = done, e.w("Node node-07 is drained. Node node-07 stays cordoned until it is uncordoned.", "节点 node-07 已排空。节点 node-07 保持停止调度状态，直到恢复调度。"), "", e.ago(time.Minute), 2, false
	ended.Next, ended.Total = []ui.Link{{Text: e.w("Uncordon the node", "恢复调度"), Href: e.Mount + "action-restart"}}, 2
	ended.Steps = running.Steps[:2]
	cut := running
	cut.Status, cut.Stop, cut.Ended, cut.Done = ui.Status{Word: e.w("Interrupted", "已中断"), Tone: ui.ToneWarn}, "", e.ago(time.Minute), 3
	cut.Message = e.w("Tiga ended while this was under way. What stands as done was done, what stands as not done was not begun, and of what stands as unknown nobody can tell: look at the objects.", "Tiga 在任务进行时退出。标为已完成的步骤已执行，标为未执行的步骤尚未开始，标为未知的步骤无法判断，请查看相应对象。")
	cut.Steps = []views.OperationStep{
		running.Steps[0], running.Steps[1],
		step(2, "web-5d8f7c-k2x9q", "shop", ui.Status{Word: e.w("Unknown", "未知"), Tone: ui.ToneWarn}, e.w("Tiga ended before it knew how this ended.", "Tiga 在得知结果之前退出。"), time.Minute),
		step(3, "mail-0", "shop", ui.Status{Word: e.w("Not done", "未执行"), Tone: ui.ToneIdle}, "", 0),
	}
	hostile := cut
	hostile.Title, hostile.Message, hostile.Actor = script, hxTag, rtl
	hostile.Steps = []views.OperationStep{step(0, long(253), script, ui.Status{Word: script, Tone: ui.ToneBad}, hxTag, time.Minute)}
	list := views.Operations{Items: []views.OperationLine{
		{ID: "3", Title: running.Title, Href: e.Mount + "operation-running", Status: going, Actor: "anna", Started: e.ago(4 * time.Minute)},
		{ID: "2", Title: e.w("Drain node node-03", "排空节点 node-03"), Href: e.Mount + "operation-ended", Status: done, Actor: "bo", Started: e.ago(3 * time.Hour), Ended: e.ago(3*time.Hour - time.Minute)},
		{ID: "1", Title: script, Href: e.Mount + "operation-hostile", Status: ui.Status{Word: e.w("Failed", "失败"), Tone: ui.ToneBad}, Message: hxTag, Actor: long(80), Started: e.ago(day), Ended: e.ago(day)},
	}}
	page := func(name string, m views.Operation) Story {
		return Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("operations"), Body: views.OperationPage(m)}}
	}
	lists := func(name string, m views.Operations) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Operations", "操作任务"), Shell: e.inCluster("operations"), Body: views.OperationsPage(m)}}
	}
	return []Story{
		page("operation-running", running), page("operation-ended", ended), page("operation-interrupted", cut), page("operation-hostile", hostile),
		lists("operations-many", list), lists("operations-empty", views.Operations{}),
	}
}
