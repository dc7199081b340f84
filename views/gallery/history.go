package gallery

import (
	"time"

	"tiga/views"
	"tiga/views/ui"
)

// histories are what changed in a cluster and in an object.
func histories(e Env) []Story {
	deployment := func(name, ns string) ui.Link {
		return ui.Link{Text: name, Href: e.Mount + "detail-deployment", Note: ns}
	}
	image := views.ChangeRow{
		ID: "9", At: e.ago(3 * time.Minute), Times: 1, Who: "kubectl-edit", Verb: "update", Kind: "Deployment", Object: deployment("web", "shop"),
		What:    views.ChangeWhat{Field: e.w("image of web", "web 的 image"), Before: "nginx:1.26", After: "nginx:1.27"},
		Entries: []views.EditEntry{{Op: "changed", Path: "spec.template.spec.containers[name=web].image", Before: "nginx:1.26", After: "nginx:1.27"}},
		Revert:  e.Mount + "editor-revert",
	}
	marks := e.w("Values that are secret or too long are not kept.", "机密或过长的值不予保留。")
	rows := []views.ChangeRow{
		image,
		{
			ID: "8", At: e.ago(20 * time.Minute), Times: 1, Who: "anna", Via: e.w("through Tiga", "通过 Tiga"), Verb: "update", Kind: "Deployment", Object: deployment("api", "shop"),
			What:   views.ChangeWhat{Text: e.w("3 fields:", "3 个字段："), Field: "replicas, image, LOG"},
			Revert: e.Mount + "editor-revert",
			Entries: []views.EditEntry{
				{Op: "changed", Path: "spec.replicas", Before: "3", After: "5"},
				{Op: "changed", Path: "spec.template.spec.containers[name=api].image", Before: "registry.example.com/shop/api:2.4.1", After: "registry.example.com/shop/api:2.5.0"},
				{Op: "added", Path: "spec.template.spec.containers[name=api].env[name=LOG]", After: `{"name":"LOG","value":"debug"}`},
			},
		},
		{
			ID: "7", At: e.ago(25 * time.Minute), Began: e.ago(70 * time.Minute), Times: 14, Who: "kube-controller-manager", Verb: "update", Kind: "StatefulSet",
			Object: deployment("ledger", "pay"), What: views.ChangeWhat{Field: "replicas", Before: "3", After: "9"}, Revert: e.Mount + "editor-revert",
			Entries: []views.EditEntry{{Op: "changed", Path: "spec.replicas", Before: "3", After: "9"}},
		},
		{
			ID: "6", At: e.ago(5 * time.Hour), Began: e.ago(6 * time.Hour), Times: 1, Who: "helm", Verb: "update", Kind: "Secret", Object: deployment("db-credentials", "pay"),
			What: views.ChangeWhat{Field: "data.password", Before: "(hidden)", After: "(hidden, changed)"}, Note: marks,
			Entries: []views.EditEntry{{Op: "changed", Path: "data.password", Before: "(hidden)", After: "(hidden, changed)"}},
		},
		{ID: "5", At: e.ago(7 * time.Hour), Began: e.ago(7*time.Hour + 4*time.Second), Times: 1, Verb: "missed", Kind: "ConfigMap", What: views.ChangeWhat{Text: e.w("1,204 changes were not recorded: they came too fast", "有 1,204 次变更因过于频繁而未被记录")}},
		{
			ID: "4", At: e.ago(9 * time.Hour), Times: 1, Verb: "delete", Kind: "Service", Object: deployment("legacy", "shop"), What: views.ChangeWhat{Text: e.w("Deleted", "已删除")},
			Entries: []views.EditEntry{{Op: "removed", Path: "spec.ports[port=80].targetPort", Before: "8080"}}, More: 14, Again: e.Mount + "editor-new",
		},
		{
			ID: "3", At: e.ago(day), Times: 1, Who: "kubectl-client-side-apply", Verb: "create", Kind: "NetworkPolicy", Object: deployment("deny-all", "pay"),
			What: views.ChangeWhat{Text: e.w("Created", "已创建")}, Entries: []views.EditEntry{{Op: "added", Path: "spec.podSelector", After: "{}"}},
		},
	}
	recording := views.Recording{Text: e.w("Recording since", "开始记录于"), Since: e.ago(2 * day)}
	keep := e.w("Kept for 7 days, at most 10,000 of the cluster", "保留 7 天，每个集群最多 10,000 条")
	any := func(id, en, zh, all, allZh string) ui.Field {
		return ui.Field{Type: ui.FieldSelect, Name: id, ID: "changes-" + id, Label: e.w(en, zh), Options: []ui.Option{{Text: e.w(all, allZh)}}}
	}
	filters := []ui.Field{
		any("span", "Time", "时间", "All that is kept", "全部保留的记录"), any("ns", "Namespace", "命名空间", "All namespaces", "所有命名空间"),
		any("kind", "Kind", "类型", "All kinds", "所有类型"),
		{Type: ui.FieldText, Name: "name", ID: "changes-name", Label: e.w("Name", "名称")},
		{Type: ui.FieldText, Name: "who", ID: "changes-who", Label: e.w("Person or manager", "用户或管理器")},
	}
	many := views.Changes{Action: e.Mount + "history-many", Clear: e.Mount + "history-many", Filters: filters, Rows: rows, Older: e.Mount + "history-many", Recording: recording, Keep: keep}
	empty := many
	empty.Rows, empty.Older, empty.Recording = nil, "", views.Recording{Text: e.w("Only what is done through Tiga is recorded", "仅记录通过 Tiga 进行的变更")}
	none := empty
	none.Active = true
	hostile := many
	hostile.Rows = []views.ChangeRow{{
		ID: "1", At: e.ago(time.Hour), Times: 1, Who: script, Verb: "update", Kind: script, Object: ui.Link{Text: long(253), Href: e.Mount + "detail-deployment", Note: rtl},
		What: views.ChangeWhat{Field: hxTag, Before: script, After: long(400)}, Entries: []views.EditEntry{{Op: "changed", Path: hxTag, Before: script, After: rtl + long(400)}},
	}}
	head := e.object("Deployment", "nginx", ui.Status{Word: e.w("Available", "Available"), Tone: ui.ToneOK}, nil)
	head.Tabs = append(head.Tabs, views.Tab{ID: "history", Text: e.w("History", "变更历史"), Href: e.Mount + "history-object"})
	object := views.ObjectHistory{Object: at(head, "history"), Changes: many}
	object.Changes.Rows = nil
	for _, r := range rows[:4] {
		r.Object = ui.Link{}
		object.Changes.Rows = append(object.Changes.Rows, r)
	}
	page := func(name string, m views.Changes) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Changes", "变更"), Shell: e.inCluster("history"), Body: views.ChangesPage(m)}}
	}
	back := e.editor()
	back.Title = e.w("Take back a change of Deployment nginx", "撤销 Deployment nginx 的一次变更")
	back.Diff = &views.EditDiff{Entries: []views.EditEntry{{Op: "changed", Path: "spec.replicas", Before: "5", After: "3"}}}
	back.Revert = &views.EditRevert{
		At: e.ago(20 * time.Minute), Who: "anna",
		Kept: []views.EditKept{{Path: "spec.template.spec.containers[name=nginx].image", Now: "nginx:1.28", Was: "nginx:1.26", Href: e.Mount + "editor-revert"}},
		Lost: []string{"data.password"},
	}
	nothing := e.editor()
	nothing.Title, nothing.Revert, nothing.Diff = back.Title, &views.EditRevert{At: e.ago(day), Who: script, Nothing: true}, &views.EditDiff{}
	editor := func(name string, m views.Editor) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("deployments"), Body: views.EditorPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	return []Story{
		page("history-many", many), page("history-empty", empty), page("history-no-match", none), page("history-hostile", hostile),
		{Name: "history-object", Page: views.Page{Title: "nginx", Shell: e.inCluster("deployments"), Body: views.ObjectHistoryPage(object)}},
		editor("editor-revert", back), editor("editor-revert-nothing", nothing),
	}
}
