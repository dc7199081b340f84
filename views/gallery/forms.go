package gallery

import (
	"strconv"
	"strings"

	"tiga/views"
	"tiga/views/ui"
)

// forms are the forms of objects.
func forms(e Env) []Story {
	page := func(name string, m views.Editor) Story {
		s := Story{Name: name, Page: views.Page{Title: m.Title, Shell: e.inCluster("deployments"), Body: views.EditorPage(m)}}
		s.Page.Shell.Namespaces = nil
		return s
	}
	plain := e.editor()
	plain.Explanation = e.w("These are the fields that are changed most. All else of the object stays as it is.", "这里是最常更改的字段。对象的其余部分保持不变。")
	plain.Form = &views.EditForm{Sections: []views.FormSection{e.formScale(""), e.formContainer("nginx:1.27", "Europe"), e.formLabels()}}
	wrong := plain
	wrong.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: e.w("3 fields are not right", "3 个字段不正确"), Detail: e.w("Nothing has been changed yet, and what you typed is still here.", "尚未更改任何内容，您输入的内容仍在这里。")}
	empty := e.w("This cannot be empty.", "此处不能为空。")
	number := e.w("A whole number from 0 to 10000.", "0 到 10000 之间的整数。")
	wrong.Errors = []views.EditError{
		{Field: e.w("Replicas", "副本数"), Text: number, Anchor: "#f-f-replicas"},
		{Field: "nginx: " + e.w("Image", "镜像"), Text: empty, Anchor: "#f-f-c0-image"},
		{Field: "nginx: " + e.w("Environment variables", "环境变量"), Text: empty, Anchor: "#f-f-c0-env-0-name"},
	}
	container := e.formContainer("", "")
	container.Fields[0].Control.Error = empty
	container.Fields[5].Lines[0].Cells[0].Control.Error, container.Fields[5].Lines[0].Cells[0].Control.Value = empty, ""
	scale := e.formScale("")
	scale.Fields[0].Control.Error, scale.Fields[0].Control.Value = number, "many"
	wrong.Form = &views.EditForm{Dirty: true, Sections: []views.FormSection{scale, container}}
	scaled := plain
	scaled.Form = &views.EditForm{Sections: []views.FormSection{e.formScale("nginx"), {ID: "labels", Title: e.w("Labels and annotations", "标签和注解"), Fields: []views.FormField{e.formMap("labels", e.w("Labels", "标签"))}}}}
	config := plain
	config.Title = e.w("Edit ConfigMap web", "编辑 ConfigMap web")
	config.Form = &views.EditForm{Dirty: true, Sections: []views.FormSection{e.formData(false)}}
	secret := plain
	secret.Title = e.w("Edit Secret api-db", "编辑 Secret api-db")
	secret.Form = &views.EditForm{Sections: []views.FormSection{e.formData(true)}}
	fixed := plain
	fixed.Title = config.Title
	locked := e.formData(false)
	locked.Note = e.w("This object is immutable: its values cannot be changed any more. Labels and annotations can.", "该对象不可变：其值无法再更改，但标签和注解可以。")
	locked.Fields[0].Fixed = true
	for i := range locked.Fields[0].Lines {
		l := &locked.Fields[0].Lines[i]
		for j := range l.Cells {
			l.Cells[j].Fixed, l.Cells[j].Text = true, l.Cells[j].Control.Value
		}
	}
	fixed.Form = &views.EditForm{Sections: []views.FormSection{locked}}
	long := strings.Repeat("long-", 60)
	hostile := plain
	bad := e.formContainer(script, long)
	bad.Name = script + rtl
	bad.Fields[5].Error = script
	hostile.Errors = []views.EditError{{Field: script + rtl, Text: rtl + long, Anchor: "javascript:alert(1)"}}
	labels := e.formLabels()
	labels.Fields[0].Lines[0].Cells = []views.FormCell{{Control: e.formControl("labels.0.key", "Key", script), Fixed: true, Text: rtl + script}, {Control: e.formControl("labels.0.value", "Value", long)}}
	hostile.Form = &views.EditForm{Sections: []views.FormSection{bad, labels}}
	return []Story{
		page("form", plain), page("form-wrong", wrong), page("form-scaled", scaled), page("form-configmap", config), page("form-secret", secret),
		page("form-immutable", fixed), page("form-hostile", hostile),
	}
}

func (e Env) formControl(name, label, value string) ui.Field {
	return ui.Field{Name: "f." + name, Label: label, Value: value, Mono: true}
}

// formScale has the replicas of a workload, or says which autoscaler sets them.
func (e Env) formScale(scaler string) views.FormSection {
	f := views.FormField{ID: "replicas", Label: e.w("Replicas", "副本数")}
	f.Control = e.formControl("replicas", f.Label, "3")
	if scaler != "" {
		f.Fixed, f.Text, f.Note = true, "3", e.w("The HorizontalPodAutoscaler nginx sets the replicas: it would set them back. Change its bounds instead.", "副本数由 HorizontalPodAutoscaler nginx 设置：它会改回原值。请改为更改它的范围。")
	}
	return views.FormSection{ID: "scale", Title: e.w("Scale", "规模"), Fields: []views.FormField{f}}
}

func (e Env) formContainer(image, value string) views.FormSection {
	one := func(id, label, v string) views.FormField {
		return views.FormField{ID: id, Label: label, Control: e.formControl(id, label, v)}
	}
	env := views.FormField{
		ID: "c0-env", Label: e.w("Environment variables", "环境变量"), Rows: true, Columns: []string{e.w("Name", "名称"), e.w("Value", "值")},
		Add: "add:c0-env", AddText: e.w("Add a variable", "添加变量"),
	}
	for i, row := range [][3]string{{"REGION", value, ""}, {"PASSWORD", "", e.w("from Secret api-db, key password", "来自 Secret api-db 的键 password")}, {"TEXT", "one\ntwo", ""}} {
		id := strconv.Itoa(i)
		v := e.formControl("c0-env."+id+".value", e.w("Value", "值"), row[1])
		v.Type, v.Rows = ui.FieldArea, 1+strings.Count(row[1], "\n")
		env.Lines = append(env.Lines, views.FormLine{
			Row: id + "/" + id, Remove: "remove:c0-env:" + id, RemoveText: e.w("Remove ", "移除 ") + row[0],
			Cells: []views.FormCell{{Control: e.formControl("c0-env."+id+".name", e.w("Name", "名称"), row[0])}, {Control: v, Fixed: row[2] != "", Kept: row[2]}},
		})
	}
	return views.FormSection{ID: "c0", Title: e.w("Container", "容器"), Name: "nginx", Fields: []views.FormField{
		one("c0-image", e.w("Image", "镜像"), image), one("c0-requests-cpu", e.w("CPU request", "CPU 请求"), "100m"), one("c0-limits-cpu", e.w("CPU limit", "CPU 限制"), ""),
		one("c0-requests-memory", e.w("Memory request", "内存请求"), "128Mi"), one("c0-limits-memory", e.w("Memory limit", "内存限制"), "256Mi"), env,
	}}
}

// formMap is a list of keys with text.
func (e Env) formMap(id, label string, pairs ...[2]string) views.FormField {
	f := views.FormField{ID: id, Label: label, Rows: true, Columns: []string{e.w("Key", "键"), e.w("Value", "值")}, Add: "add:" + id, AddText: e.w("Add one: ", "添加：") + label}
	for i, pair := range pairs {
		row := strconv.Itoa(i)
		f.Lines = append(f.Lines, views.FormLine{
			Row: row + "/" + row, Remove: "remove:" + id + ":" + row, RemoveText: e.w("Remove ", "移除 ") + pair[0],
			Cells: []views.FormCell{{Control: e.formControl(id+"."+row+".key", e.w("Key", "键"), pair[0])}, {Control: e.formControl(id+"."+row+".value", e.w("Value", "值"), pair[1])}},
		})
	}
	return f
}

func (e Env) formLabels() views.FormSection {
	return views.FormSection{ID: "labels", Title: e.w("Labels and annotations", "标签和注解"), Fields: []views.FormField{
		e.formMap("labels", e.w("Labels", "标签"), [2]string{"app.kubernetes.io/name", "nginx"}, [2]string{"tier", "front"}), e.formMap("annotations", e.w("Annotations", "注解")),
	}}
}

// formData has the keys of a ConfigMap, or of a Secret.
func (e Env) formData(secret bool) views.FormSection {
	s := views.FormSection{ID: "data", Title: e.w("Data", "数据")}
	f := views.FormField{ID: "data", Label: e.w("Keys", "键"), Rows: true, Values: true, Add: "add:data", AddText: e.w("Add a key", "添加键")}
	add := func(key, value, label, state string, size int) *views.FormLine {
		row := strconv.Itoa(len(f.Lines))
		v := e.formControl("data."+row+".value", label, value)
		v.Type, v.Rows = ui.FieldArea, 1+strings.Count(value, "\n")
		f.Lines = append(f.Lines, views.FormLine{
			Row: row + "/" + row, Remove: "remove:data:" + row, RemoveText: e.w("Remove ", "移除 ") + key, Known: true, Size: size, State: state,
			Cells: []views.FormCell{{Control: e.formControl("data."+row+".key", e.w("Key", "键"), key)}, {Control: v}},
			File:  &ui.Field{Type: ui.FieldFile, Name: "f.data." + row + ".file", Label: e.w("From a file", "来自文件")},
		})
		return &f.Lines[len(f.Lines)-1]
	}
	if secret {
		s.Title = e.w("Secret values", "机密值")
		s.Note = e.w("Values stay on the server. Write a new value, choose a file, or leave it as it is.", "值保留在服务器上。请写入新值、选择文件，或保持不变。")
		for _, key := range []string{"password", "tls.key"} {
			l := add(key, "", e.w("New value (empty: leave it)", "新值（留空则不变）"), e.w("hidden", "已隐藏"), 24)
			l.Cells[0].Fixed, l.Cells[0].Text = true, key
		}
	} else {
		add("app.yaml", "log: debug\nport: 8080\n", e.w("Value", "值"), "", 22)
		l := add("logo.png", "", e.w("Replace by text (empty: leave it)", "替换为文本（留空则不变）"), e.w("binary", "二进制"), 48213)
		l.Download = e.Mount + "form-configmap"
		l = add("new.bin", "", e.w("Value", "值"), e.w("uploaded, not stored yet", "已上传，尚未存储"), 4)
		l.Held = &ui.Pair{Key: "held.data.2.file", Value: "AAECAw=="}
	}
	s.Fields = []views.FormField{f}
	return s
}
