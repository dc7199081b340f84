package gallery

import (
	"fmt"
	"strings"

	"tiga/views"
	"tiga/views/ui"
)

const appliedYAML = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: stage\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: shop\ndata:\n  level: debug\n"

// applies are the apply of a text of several documents.
func applies(e Env) []Story {
	options := func(value, label string) ui.Option { return ui.Option{Value: value, Text: label, Chosen: value == ""} }
	plain := views.Apply{
		Title: e.w("Apply YAML", "应用 YAML"), Cluster: "production", Environment: prod, Production: true, Post: e.Mount + "retry", Cancel: e.Mount + "overview",
		Fields: []ui.Field{
			{Name: "namespace", Label: e.w("Namespace", "命名空间"), Help: e.w("For documents that name none.", "用于未指定命名空间的文档。"), Value: "default", Mono: true},
			{Type: ui.FieldSelect, Name: "policy", Label: e.w("Fields that others have set", "由其他管理者设置的字段"), Help: e.w("Such as kubectl, Helm or an autoscaler.", "例如 kubectl、Helm 或自动扩缩器。"), Options: []ui.Option{
				options("", e.w("Choose for each", "逐一选择")), options("take", e.w("Take all over", "全部接管")), options("leave", e.w("Leave all to their owners", "全部保留给其所有者")),
			}},
			{Type: ui.FieldCheck, Name: "stop", Label: e.w("Stop at the first failure", "遇到第一个失败即停止")},
		},
	}
	creates := ui.Status{Word: e.w("Create", "创建"), Tone: ui.ToneOK}
	changes := ui.Status{Word: e.w("Change", "更改"), Tone: ui.ToneOK}
	same := ui.Status{Word: e.w("Unchanged", "无变化"), Tone: ui.ToneIdle}
	later := ui.Status{Word: e.w("Not known yet", "尚不可知"), Tone: ui.ToneInfo}
	conflict := ui.Status{Word: e.w("Conflict", "冲突"), Tone: ui.ToneWarn}
	refused := ui.Status{Word: e.w("Refused", "被拒绝"), Tone: ui.ToneBad}
	barred := ui.Status{Word: e.w("Left out", "不提交"), Tone: ui.ToneBad}
	there := func(name string) ui.Link {
		return ui.Link{Text: name, Note: "shop", Href: e.Mount + "detail-deployment"}
	}
	diff := &views.EditDiff{
		Entries: []views.EditEntry{{Op: "changed", Path: "spec.replicas", Before: "3", After: "5"}, {Op: "added", Path: "metadata.labels[app.kubernetes.io/part-of]", After: "shop"}},
		Pairs: []views.EditPair{
			{Skipped: 8},
			{Left: views.EditLine{Number: 9, Before: "spec:"}, Right: views.EditLine{Number: 9, Before: "spec:"}},
			{Left: views.EditLine{Number: 10, Changed: true, Before: "  replicas: ", Mark: "3"}, Right: views.EditLine{Number: 10, Changed: true, Before: "  replicas: ", Mark: "5"}},
		},
	}
	checked := plain
	checked.Text, checked.Checked, checked.Sent = appliedYAML, true, 6
	checked.Counts = []views.ApplyCount{{Status: creates, Count: 1}, {Status: changes, Count: 1}, {Status: same, Count: 1}, {Status: later, Count: 1}, {Status: conflict, Count: 1}, {Status: refused, Count: 1}, {Status: barred, Count: 1}}
	checked.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: e.w("In 1 document others have set fields to something else", "有 1 个文档的字段已由其他管理者设置为不同的值"), Detail: e.w("Choose for each field.", "请为每个字段选择。")}
	checked.Documents = []views.ApplyDocument{
		{Number: 1, Line: 1, Kind: "Namespace", Object: ui.Link{Text: "stage"}, Verdict: creates, Diff: &views.EditDiff{Entries: []views.EditEntry{{Op: "added", Path: "kind", After: "Namespace"}}}},
		{Number: 2, Line: 6, Kind: "Deployment", Object: there("web"), Verdict: changes, Diff: diff, Warnings: []string{`spec.template.spec.containers[0].ports[0]: duplicate port name "http"`}},
		{Number: 3, Line: 40, Kind: "Service", Object: there("web"), Verdict: same},
		{Number: 4, Line: 52, Kind: "ConfigMap", Object: ui.Link{Text: "settings", Note: "stage"}, Verdict: later, Why: []string{e.w("Its namespace stage comes by document 1, so that it cannot be checked before.", "其命名空间 stage 由文档 1 创建，因此在此之前无法检查。")}},
		{Number: 5, Line: 60, Kind: "Deployment", Object: there("api"), Verdict: conflict, Conflicts: []views.ApplyConflict{
			{Name: "own:1", Field: `spec.template.spec.containers[name="api"].image`, Owner: "helm", Mine: "api:2", Live: "api:1", Choice: "take"},
			{Name: "own:2", Field: "spec.replicas", Owner: "kube-controller-manager (scale)", Mine: "3", Live: "7", Fixed: true},
		}},
		{Number: 6, Line: 90, Kind: "Deployment", Object: ui.Link{Text: "mail", Note: "shop"}, Verdict: refused, Why: []string{e.w("Some fields are not right.", "有些字段不正确。")}, Errors: []views.EditError{
			{Line: 97, Column: 3, Field: "spec.replicas", Text: "Invalid value: -1: must be greater than or equal to 0"},
		}},
		{Number: 7, Line: 120, Kind: "example.com/v1 Gadget", Object: ui.Link{Text: "g"}, Verdict: barred, Why: []string{e.w("The cluster serves no kind Gadget of example.com/v1.", "集群不提供 example.com/v1 的 Gadget 类型。")}},
	}
	asked := checked
	asked.Notice, asked.Documents, asked.Counts, asked.Sent = nil, checked.Documents[:3], checked.Counts[:3], 3
	asked.Sure = e.w("production is a production cluster. Apply 3 documents there?", "production 是生产集群。要在其中应用 3 个文档吗？")
	broken := plain
	broken.Text = appliedYAML + "---\na: [1\n"
	broken.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: e.w("The text cannot be read", "无法读取文本")}
	broken.Errors = []views.EditError{{Line: 14, Text: e.w("Document 3: This is not YAML: did not find expected ',' or ']'", "文档 3：这不是 YAML：did not find expected ',' or ']'")}}
	many := checked
	many.Documents, many.Cut, many.Sent = nil, true, 200
	many.Counts = []views.ApplyCount{{Status: same, Count: 200}}
	many.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: e.w("The cluster would accept every document.", "集群会接受全部文档。")}
	for i := range 200 {
		many.Documents = append(many.Documents, views.ApplyDocument{Number: i + 1, Line: i*8 + 1, Kind: "ConfigMap", Object: there(fmt.Sprintf("settings-%03d", i)), Verdict: same})
	}
	hostile := checked
	hostile.Text, hostile.Sure = "</textarea>"+script, rtl+script
	hostile.Documents = []views.ApplyDocument{{
		Number: 1, Line: 1, Kind: script, Object: ui.Link{Text: long(253), Note: hxTag}, Verdict: conflict, Why: []string{script, rtl}, Warnings: []string{strings.Repeat("long", 100)},
		Errors:    []views.EditError{{Line: 1, Field: script, Text: rtl}},
		Conflicts: []views.ApplyConflict{{Name: "own:" + script, Field: long(200), Owner: script, Mine: strings.Repeat("x", 300), Live: rtl}},
		Diff:      &views.EditDiff{Entries: []views.EditEntry{{Op: "changed", Path: script + rtl, Before: strings.Repeat("x", 400), After: hxTag}}, More: 3},
	}}
	page := func(name string, m views.Apply) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("apply"), Body: views.ApplyPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	return []Story{page("apply-empty", plain), page("apply-checked", checked), page("apply-sure", asked), page("apply-broken", broken), page("apply-many", many), page("apply-hostile", hostile)}
}
