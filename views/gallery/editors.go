package gallery

import (
	"strings"

	"tiga/views"
	"tiga/views/ui"
)

const editedYAML = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: nginx\n  namespace: shop\nspec:\n  replicas: 5 # more for the sale\n  template:\n    spec:\n      containers:\n      - name: nginx\n        image: nginx:1.28\n"

// editor is an object being edited.
func (e Env) editor() views.Editor {
	return views.Editor{
		Title: e.w("Edit Deployment nginx", "编辑 Deployment nginx"), Kind: "Deployment", Name: "nginx", Cluster: "production", Environment: prod, Production: true,
		Crumbs:      []ui.Link{{Text: "production", Href: e.Mount + "overview"}, {Text: "Deployments", Href: e.Mount + "list-many"}, {Text: "nginx", Href: e.Mount + "detail-deployment"}},
		Explanation: e.w("The status and what the server sets by itself are not shown.", "不显示状态以及由服务器自行设置的字段。"),
		Post:        e.Mount + "retry", Cancel: e.Mount + "detail-deployment", Text: editedYAML,
		Schema: e.Mount + "editor-fields?as=json", Fields: e.Mount + "editor-fields",
	}
}

func editors(e Env) []Story {
	page := func(name string, m views.Editor) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("deployments"), Body: views.EditorPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	plain := e.editor()
	fresh := plain
	fresh.Title, fresh.Name, fresh.Create, fresh.Production = e.w("New Deployment", "新建 Deployment"), "", true, false
	entries := []views.EditEntry{
		{Op: "changed", Path: "spec.replicas", Before: "3", After: "5"},
		{Op: "added", Path: "spec.template.spec.containers[name=nginx].env", After: `[{"name":"LOG","value":"debug"}]`},
		{Op: "removed", Path: "metadata.labels[app.kubernetes.io/part-of]", Before: "shop"},
		{Op: "moved", Path: "spec.template.spec.initContainers", Before: `["name=a","name=b"]`, After: `["name=b","name=a"]`},
	}
	compared := plain
	compared.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: e.w("The server would accept it: 4 fields change. Nothing has been changed yet.", "服务器会接受：4 个字段将更改。尚未做任何更改。")}
	compared.Warnings = []string{`spec.template.spec.containers[0].ports[0]: duplicate port name "http"`}
	compared.Diff = &views.EditDiff{Entries: entries, More: 12, Pairs: []views.EditPair{
		{Skipped: 4},
		{Left: views.EditLine{Number: 5, Before: "spec:"}, Right: views.EditLine{Number: 5, Before: "spec:"}},
		{Left: views.EditLine{Number: 6, Changed: true, Before: "  replicas: ", Mark: "3"}, Right: views.EditLine{Number: 6, Changed: true, Before: "  replicas: ", Mark: "5"}},
		{Right: views.EditLine{Number: 7, Changed: true, Before: "  paused: true"}},
		{Skipped: 30},
	}}
	asked := compared
	asked.Notice, asked.Do = nil, "apply-sure"
	asked.Sure = e.w("production is a production cluster. Change 4 fields of Deployment shop/nginx there?", "production 是生产集群。要在其中更改 Deployment shop/nginx 的 4 个字段吗？")
	wrong := plain
	wrong.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: e.w("The cluster refused the change", "集群拒绝了此更改"), Detail: e.w("Some fields are not right.", "有些字段不正确。")}
	wrong.Errors = []views.EditError{
		{Line: 7, Column: 3, Field: "spec.replicas", Text: "Invalid value: -1: must be greater than or equal to 0"},
		{Field: "spec.selector", Text: "Required value"},
	}
	conflict := plain
	conflict.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: e.w("Somebody else changed the object meanwhile", "其他人在此期间更改了该对象"), Detail: e.w("Nothing was stored, and your text is still here.", "没有存储任何内容，您的文本仍在这里。")}
	conflict.Conflict = &views.EditConflict{Theirs: entries[1:3], Mine: entries[:1], Live: editedYAML}
	both := conflict
	both.Conflict = &views.EditConflict{
		Theirs: entries[:2], Mine: entries[:1], Live: editedYAML,
		Paths: []views.EditChoice{{Path: "spec.replicas", Base: "3", Theirs: "4", Mine: "5", Chosen: "mine"}, {Path: "metadata.labels[tier]", Base: "∅", Theirs: "a", Mine: "b"}},
	}
	gone := plain
	gone.Anew = true
	gone.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: e.w("Deployment nginx was deleted meanwhile", "Deployment nginx 在此期间已被删除"), Detail: e.w("Your text is still here.", "您的文本仍在这里。"), RequestID: "01a22b50"}
	secret := plain
	secret.Title, secret.Redacted, secret.Text = e.w("Edit Secret api-db", "编辑 Secret api-db"), true, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api-db\nstringData:\n  password: (24 bytes)\n"
	hostile := compared
	hostile.Title, hostile.Text = script+rtl, "</textarea>"+script
	hostile.Errors = []views.EditError{{Line: 1, Field: script, Text: rtl + script}}
	hostile.Warnings = []string{script + strings.Repeat("long", 200)}
	hostile.Diff = &views.EditDiff{Entries: []views.EditEntry{{Op: "changed", Path: script + rtl, Before: strings.Repeat("x", 400), After: script}}, Pairs: []views.EditPair{{Left: views.EditLine{Number: 1, Changed: true, Before: script, Mark: rtl, After: strings.Repeat("y", 300)}}}}
	fields := views.SchemaSheet{
		Title: e.w("Fields of Deployment.spec", "Deployment.spec 的字段"), Crumbs: plain.Crumbs,
		Field: views.SchemaField{Name: "spec", Type: "DeploymentSpec", Description: "Specification of the desired behavior of the Deployment."},
		Fields: []views.SchemaField{
			{Name: "replicas", Type: "integer", Description: "Number of desired pods.", Default: "1", Href: e.Mount + "editor-fields"},
			{Name: "strategy", Type: "DeploymentStrategy", Description: "How to replace pods." + script, Enum: []string{"Recreate", "RollingUpdate"}, Required: true, Href: e.Mount + "editor-fields"},
		},
	}
	sheet := func(name string, m views.SchemaSheet) Story {
		s := page(name, plain)
		s.Page.Title, s.Page.Body = m.Title, views.SchemaPage(m)
		return s
	}
	missing := fields
	missing.Missing = e.w("The cluster does not say which fields a Widget has.", "集群没有说明 Widget 有哪些字段。")
	return []Story{
		page("editor", plain), page("editor-new", fresh), page("editor-compared", compared), page("editor-sure", asked), page("editor-wrong", wrong),
		page("editor-conflict", conflict), page("editor-conflict-choices", both), page("editor-gone", gone), page("editor-secret", secret), page("editor-hostile", hostile),
		sheet("editor-fields", fields), sheet("editor-fields-missing", missing),
	}
}
