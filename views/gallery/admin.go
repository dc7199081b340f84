package gallery

import (
	"time"

	"tiga/views"
	"tiga/views/ui"
)

func actions(e Env) []Story {
	scale := views.Confirmation{
		Title: e.w("Scale Deployment nginx", "扩缩容 Deployment nginx"), Explanation: e.w("Kubernetes starts or stops pods until as many run as you ask for.", "Kubernetes 将启动或停止 Pod，直到数量符合要求。"),
		Cluster: "production", Environment: prod, Production: true, Objects: []ui.Link{{Text: "nginx", Note: e.w("in shop, 3 replicas now", "位于 shop，当前 3 个副本")}},
		Fields: []ui.Field{{Type: ui.FieldNumber, Name: "replicas", Label: e.w("Replicas", "副本数"), Value: "3", Min: "0", Max: "10000", Required: true, Focus: true}},
		Hidden: []ui.Pair{{Key: "from", Value: "3"}}, Post: e.Mount + "retry", Submit: e.w("Scale", "扩缩容"), Cancel: e.Mount + "detail-deployment",
	}
	invalid := scale
	invalid.Fields = []ui.Field{{Type: ui.FieldNumber, Name: "replicas", Label: e.w("Replicas", "副本数"), Value: "-1", Min: "0", Max: "10000", Required: true, Error: e.w("This is no number between 0 and 10,000.", "请输入 0 到 10,000 之间的数字。")}}
	invalid.Error = e.w("The resource has been changed, reload and try again.", "资源已被修改，请重新加载后再试。")
	restart := scale
	restart.Title, restart.Submit, restart.Fields, restart.Hidden = e.w("Restart Deployment nginx", "重启 Deployment nginx"), e.w("Restart", "重启"), nil, nil
	restart.Explanation = e.w("Every pod is replaced, a few at a time, as the rollout strategy says. Nothing is down unless a pod fails to start.", "所有 Pod 将按发布策略分批替换。只要新 Pod 能正常启动，服务不会中断。")
	remove := scale
	remove.Title, remove.Submit, remove.Danger = e.w("Delete Pod api-5d8f7c-zzk1q", "删除 Pod api-5d8f7c-zzk1q"), e.w("Delete", "删除"), true
	remove.Explanation = e.w("The pod is stopped. Its ReplicaSet starts another in its place.", "该 Pod 将停止，其 ReplicaSet 会启动新的 Pod 替代。")
	remove.Objects = []ui.Link{{Text: "api-5d8f7c-zzk1q", Note: e.w("in shop", "位于 shop")}}
	remove.TypeName, remove.Gone = "api-5d8f7c-zzk1q", e.Mount+"detail-pod"
	remove.Fields = []ui.Field{{Type: ui.FieldCheck, Name: "force", Label: e.w("At once, without waiting for the containers to end", "立即删除，不等待容器退出"), Help: e.w("Only for a node that is gone for good.", "仅适用于节点已永久失效的情况。")}}
	undo := scale
	undo.Title, undo.Submit, undo.Fields = e.w("Roll back Deployment nginx to revision 3", "将 Deployment nginx 回滚到版本 3"), e.w("Roll back", "回滚"), nil
	undo.Explanation = e.w("Its pod template becomes that of the earlier revision again. This is what changes:", "Pod 模板将恢复为先前版本的内容。变更如下：")
	undo.Changes, undo.MoreChanges, undo.ShowChanges = e.fieldChanges(), 3, true
	undo.Error = e.w("The credentials that Tiga uses in production do not have this right there.", "Tiga 在 production 中使用的凭据没有此权限。")
	undo.More = ui.Link{Text: e.w("Choose another revision", "选择其他版本"), Href: e.Mount + "rollout"}
	bulk := remove
	bulk.Title, bulk.Submit, bulk.TypeName, bulk.Gone = e.w("Delete 30 Pods", "删除 30 个 Pod"), e.w("Delete 30 pods", "删除 30 个 Pod"), "30", ""
	bulk.Objects, bulk.TypeError = nil, e.w("That is not the number 30.", "输入的不是数字 30。")
	for i := range 30 {
		bulk.Objects = append(bulk.Objects, ui.Link{Text: e.pod(i).Name, Note: "shop"})
	}
	hostile := remove
	hostile.Title, hostile.Explanation, hostile.Cluster, hostile.TypeName, hostile.Error = script, hxTag, long(253), rtl+long(200), script
	hostile.Objects = []ui.Link{{Text: long(253), Note: script}, {Text: rtl, Note: rtl}}
	page := func(name string, c views.Confirmation) Story {
		return Story{Name: name, Page: views.Page{Title: c.Title, Shell: e.inCluster("pods"), Body: views.ConfirmationPage(c)}}
	}
	dialog := func(name string, c views.Confirmation) Story {
		return Story{Name: name, Page: views.Page{Title: "Pods", Shell: e.inCluster("pods", "shop"), Body: views.ListPage(e.pods(20))}, Dialog: views.ConfirmationPage(c)}
	}
	return []Story{page("action-scale", scale), page("action-invalid", invalid), page("action-restart", restart), page("action-delete", remove), page("action-bulk", bulk), page("action-hostile", hostile), dialog("dialog-scale", scale), dialog("dialog-delete", remove), page("action-undo", undo)}
}

func audits(e Env) []Story {
	options := func(values ...string) []ui.Option {
		list := []ui.Option{{Text: e.w("any", "不限")}}
		for _, v := range values {
			list = append(list, ui.Option{Value: v, Text: v})
		}
		return list
	}
	ok := ui.Status{Word: e.w("done", "成功"), Tone: ui.ToneOK}
	refused := ui.Status{Word: e.w("refused", "已拒绝"), Reason: e.w("role viewer may not delete pods", "角色 viewer 无权删除 Pod"), Tone: ui.ToneWarn}
	failed := ui.Status{Word: e.w("failed", "失败"), Reason: "409 Conflict", Tone: ui.ToneBad}
	many := views.Audit{
		Action: e.Mount + "audit-many", Clear: e.Mount + "audit-many", Older: e.Mount + "audit-many",
		Filters: []ui.Field{
			{Name: "user", Label: e.w("User", "用户")},
			{Type: ui.FieldSelect, Name: "cluster", Label: e.w("Cluster", "集群"), Options: options("production", "staging", "dev")},
			{Type: ui.FieldSelect, Name: "verb", Label: e.w("Action", "操作"), Options: options("scale", "restart", "delete")},
			{Type: ui.FieldSelect, Name: "result", Label: e.w("Result", "结果"), Options: options("done", "refused")},
			{Type: ui.FieldDate, Name: "from", Label: e.w("From (UTC)", "起始（UTC）")},
			{Type: ui.FieldDate, Name: "to", Label: e.w("To (UTC)", "截止（UTC）")},
		},
		Chain: views.AuditChain{Status: ui.Status{Word: e.w("Whole", "完整"), Reason: e.w("12,408 records", "12,408 条记录"), Tone: ui.ToneOK}, Checked: e.ago(3 * time.Minute)},
		Events: []views.AuditEvent{
			{ID: "1", Time: e.ago(2 * time.Minute), User: "anna", Address: "10.0.0.7", Cluster: "production", Environment: prod, Kind: "Deployment", Namespace: "shop", Name: "nginx", Verb: "scale", Result: ok},
			{ID: "2", Time: e.ago(9 * time.Minute), User: "bo", Address: "10.0.0.9", Cluster: "production", Environment: prod, Kind: "Pod", Namespace: "shop", Name: "api-5d8f7c-zzk1q", Verb: "delete", Result: refused},
			{ID: "3", Time: e.ago(41 * time.Minute), User: "anna", Address: "10.0.0.7", Cluster: "staging", Environment: staging, Kind: "Deployment", Namespace: "shop", Name: "checkout", Verb: "restart", Result: failed},
			{ID: "4", Time: e.ago(3 * time.Hour), User: "ci", Method: "token", Address: "10.0.3.2", Kind: "session", Verb: "sign-in", Result: ok},
		},
	}
	open := many
	open.Events = append([]views.AuditEvent(nil), many.Events...)
	open.Events[0].Detail = &views.AuditDetail{
		Facts: []ui.Fact{{Label: e.w("Request", "请求编号"), Cells: []ui.Cell{{Text: "9f2c4e1ab03d", Form: ui.FormName}}}, {Label: e.w("Signed in by", "认证方式"), Cells: []ui.Cell{{Text: "session"}}}, {Label: e.w("Took", "耗时"), Cells: []ui.Cell{{Text: "41 ms"}}}},
		Diff:  []views.DiffLine{{Sign: '@', Text: "spec"}, {Sign: '-', Text: "replicas: 3"}, {Sign: '+', Text: "replicas: 5"}, {Sign: ' ', Text: "template: …"}},
	}
	for i := range many.Events {
		many.Events[i].Toggle, open.Events[i].Toggle = e.Mount+"audit-open", e.Mount+"audit-many"
	}
	broken := many
	broken.Active = true
	broken.Chain.Status = ui.Status{Word: e.w("Broken", "已损坏"), Reason: e.w("record 8,112 does not follow from the one before", "第 8,112 条记录与前一条不衔接"), Tone: ui.ToneBad}
	hostile := open
	hostile.Events = append([]views.AuditEvent(nil), open.Events...)
	hostile.Events[0].User, hostile.Events[0].Name, hostile.Events[0].Address, hostile.Events[0].Cluster = script, long(253), rtl, long(100)
	hostile.Events[0].Detail = &views.AuditDetail{DiffNote: e.w("Cut after 16 KiB.", "超过 16 KiB 的部分已截断。"), Diff: []views.DiffLine{{Sign: '+', Text: script + hxTag}, {Sign: '-', Text: rtl + long(300)}}}
	page := func(name string, a views.Audit) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Audit", "审计"), Shell: e.fleet("audit"), Body: views.AuditPage(a)}}
	}
	return []Story{
		page("audit-many", many), page("audit-open", open), page("audit-broken", broken), page("audit-hostile", hostile),
		page("audit-empty", views.Audit{Action: e.Mount + "audit-empty", Filters: many.Filters}),
		page("audit-no-match", views.Audit{Action: e.Mount + "audit-empty", Clear: e.Mount + "audit-many", Active: true, Filters: many.Filters}),
		page("audit-failed", views.Audit{Action: e.Mount + "audit-empty", Filters: many.Filters, Problem: &ui.Problem{Title: e.w("The record cannot be read", "无法读取审计记录"), Advice: e.w("Try again in a moment.", "请稍后再试。"), RequestID: "9f2c4e1ab03d"}}),
	}
}

func clusters(e Env) []Story {
	settings := views.ClusterSettings{Add: e.Mount + "cluster-add", Clusters: []views.ClusterSetting{
		{ID: "1", Name: "production", Environment: prod, Status: e.healthy(), Server: "https://production.example.com:6443", Source: e.w("kubeconfig file", "kubeconfig 文件"), Default: true, Added: e.ago(91 * day)},
		{ID: "2", Name: "staging", Environment: staging, Status: e.healthy(), Server: "https://staging.example.com:6443", Source: e.w("kubeconfig file", "kubeconfig 文件"), Added: e.ago(91 * day), MakeDefault: e.Mount + "retry"},
		{ID: "3", Name: "edge-fra", Status: ui.Status{Word: e.w("Unavailable", "不可达"), Reason: e.w("connection timed out", "连接超时"), Tone: ui.ToneBad}, Server: "https://203.0.113.9:6443", Source: e.w("added by anna", "由 anna 添加"), ReadOnly: true, Added: e.ago(4 * day), MakeDefault: e.Mount + "retry"},
		{ID: "4", Name: long(120), Status: ui.Status{Word: e.w("Disabled", "已停用"), Tone: ui.ToneIdle}, Server: "https://" + long(200) + ".example.com:6443", Source: e.w("in-cluster", "集群内"), Disabled: true, Added: e.ago(time.Hour), MakeDefault: e.Mount + "retry"},
	}}
	for i := range settings.Clusters {
		c := &settings.Clusters[i]
		c.Href, c.Open, c.Test = e.Mount+"settings-edit", e.Mount+"overview", e.Mount+"retry"
	}
	colours := []ui.Option{{Value: "", Text: e.w("none", "无")}, {Value: "red", Text: e.w("red", "红")}, {Value: "amber", Text: e.w("amber", "琥珀")}, {Value: "green", Text: e.w("green", "绿")}, {Value: "blue", Text: e.w("blue", "蓝")}}
	edit := views.ClusterEdit{
		ID: "3", Name: "edge-fra", Post: e.Mount + "retry", Test: e.Mount + "retry", MakeDefault: e.Mount + "retry", Remove: e.Mount + "cluster-remove", Open: e.Mount + "overview", Cancel: e.Mount + "settings-many",
		Status: settings.Clusters[2].Status,
		Fields: []ui.Field{
			{Name: "name", Label: e.w("Name", "名称"), Value: "edge-fra", Required: true},
			{Name: "environment", Label: e.w("Environment label", "环境标签"), Help: e.w("Shown beside the name, such as PROD.", "显示在名称旁，例如 PROD。"), Value: "EDGE"},
			{Type: ui.FieldSelect, Name: "colour", Label: e.w("Colour", "颜色"), Options: colours},
			{Type: ui.FieldCheck, Name: "enabled", Label: e.w("Enabled", "启用"), Checked: true},
			{Type: ui.FieldCheck, Name: "readonly", Label: e.w("Read-only: nothing in this cluster can be changed through Tiga", "只读：不能通过 Tiga 变更该集群")},
			{Type: ui.FieldArea, Name: "kubeconfig", Label: e.w("New credentials (kubeconfig)", "新凭据（kubeconfig）"), Help: e.w("Leave empty to keep the ones that are stored.", "留空则保留现有凭据。"), Mono: true},
		},
		Facts: []ui.Fact{{Label: e.w("API server", "API 服务器"), Cells: []ui.Cell{{Text: "https://203.0.113.9:6443", Form: ui.FormName}}}, {Label: e.w("User", "用户"), Cells: []ui.Cell{{Text: "tiga", Form: ui.FormName, Note: e.w("client certificate", "客户端证书")}}}, {Label: e.w("Added", "添加于"), Cells: []ui.Cell{{Num: e.unix(4 * day), Form: ui.FormTime}}}},
	}
	edit.Prometheus = e.prometheus(ui.Status{Word: e.w("Found", "已找到"), Reason: e.w("Node port", "节点端口"), Tone: ui.ToneOK, Since: e.ago(3 * time.Hour)}, "http://203.0.113.20:30090")
	wrong := edit
	wrong.Prometheus = e.prometheusMissing()
	wrong.Fields = append([]ui.Field(nil), edit.Fields...)
	wrong.Fields[0].Error, wrong.Error = e.w("There is another cluster of this name.", "已有同名集群。"), e.w("Nothing was saved.", "未保存任何内容。")
	wrong.Result = &views.TestResult{Status: ui.Status{Word: e.w("Failed", "失败"), Reason: "x509: certificate signed by unknown authority", Tone: ui.ToneBad}, Notes: []string{e.w("The certificate authority of the kubeconfig is not the one that signed the server's certificate.", "kubeconfig 中的 CA 并非签发服务器证书的 CA。")}, When: e.ago(2 * time.Second)}
	tested := edit
	tested.Prometheus = e.prometheusHostile()
	tested.Result = &views.TestResult{Status: ui.Status{Word: e.w("Connected", "连接成功"), Tone: ui.ToneOK}, Facts: []ui.Fact{{Label: e.w("Version", "版本"), Cells: []ui.Cell{{Text: "v1.34.9+k3s1", Form: ui.FormName}}}, {Label: e.w("Nodes", "节点"), Cells: []ui.Cell{{Num: 3, Form: ui.FormNumber}}}}, When: e.ago(2 * time.Second)}
	preview := views.ClusterPreview{
		Post: e.Mount + "retry", Hidden: []ui.Pair{{Key: "kubeconfig", Value: "YXBpVmVyc2lvbjogdjE="}}, Cancel: e.Mount + "cluster-add", Colours: colours, Defaults: true,
		Contexts: []views.ContextChoice{
			{Index: 0, Context: "admin@production", Server: "https://production.example.com:6443", User: "admin", Auth: e.w("client certificate", "客户端证书"), Use: true, Name: "production", Environment: "PROD", Colour: "red", Default: true},
			{Index: 1, Context: "edge", Server: "https://203.0.113.9:6443", User: "tiga", Auth: e.w("token", "令牌"), Namespace: "shop", Use: true, Name: "edge-fra", NameError: e.w("There is another cluster of this name.", "已有同名集群。"), Known: "edge-fra", Warnings: []string{e.w("The certificate ends in 6 days.", "证书将在 6 天后过期。")}},
			{Index: 2, Context: "eks-" + long(80), Server: "https://" + long(150) + ".eks.amazonaws.com", Auth: "exec", Refused: true, Problems: []string{e.w("It wants to run the command “aws” on Tiga's machine. Use a token or a certificate instead.", "该配置要求在 Tiga 的机器上执行命令“aws”。请改用令牌或证书。")}},
		},
	}
	results := views.ClusterResults{Done: e.Mount + "settings-many", More: e.Mount + "cluster-add", Results: []views.ClusterResult{
		{Name: "production", Status: ui.Status{Word: e.w("Added", "已添加"), Tone: ui.ToneOK}, Detail: "v1.37.2, 12 nodes", Href: e.Mount + "overview"},
		{Name: "edge-fra", Status: ui.Status{Word: e.w("Not added", "未添加"), Tone: ui.ToneBad}, Detail: "dial tcp 203.0.113.9:6443: connect: connection refused", Retry: e.Mount + "cluster-add"},
	}}
	remove := views.Confirmation{Title: e.w("Remove cluster edge-fra", "移除集群 edge-fra"), Explanation: e.w("Tiga forgets the cluster and its credentials. Nothing in the cluster itself changes.", "Tiga 将删除该集群的记录及其凭据，集群本身不会有任何变化。"), Cluster: "edge-fra", TypeName: "edge-fra", Post: e.Mount + "retry", Submit: e.w("Remove", "移除"), Danger: true, Cancel: e.Mount + "settings-edit"}
	page := func(name string, body views.Page) Story {
		body.Shell = e.fleet("settings")
		if body.Title == "" {
			body.Title = e.w("Cluster settings", "集群设置")
		}
		return Story{Name: name, Page: body}
	}
	return []Story{
		page("settings-many", views.Page{Body: views.ClusterSettingsPage(settings)}),
		page("settings-empty", views.Page{Body: views.ClusterSettingsPage(views.ClusterSettings{Add: e.Mount + "cluster-add"})}),
		page("settings-edit", views.Page{Body: views.ClusterEditPage(edit)}), page("settings-wrong", views.Page{Body: views.ClusterEditPage(wrong)}), page("settings-tested", views.Page{Body: views.ClusterEditPage(tested)}),
		page("cluster-add", views.Page{Body: views.ClusterAddPage(views.ClusterAdd{Preview: e.Mount + "cluster-preview", InCluster: true, Cancel: e.Mount + "settings-many"})}),
		page("cluster-add-wrong", views.Page{Body: views.ClusterAddPage(views.ClusterAdd{Preview: e.Mount + "cluster-preview", Kubeconfig: script, Error: "yaml: line 3: did not find expected key", Cancel: e.Mount + "settings-many"})}),
		page("cluster-preview", views.Page{Body: views.ClusterPreviewPage(preview)}), page("cluster-results", views.Page{Body: views.ClusterResultsPage(results)}), page("cluster-remove", views.Page{Body: views.ConfirmationPage(remove)}),
	}
}
