package editform

import (
	"fmt"
	"math"
	"strconv"

	"tiga/kube/kinds"
)

// maxReplicas bounds what is taken for replicas; more is a typing mistake.
const maxReplicas = 10_000

// builder puts a form together for one object.
type builder struct {
	*Form
	tree  map[string]any
	facts Facts
}

func (b *builder) add(s Section) {
	if len(s.Fields) > 0 {
		b.Sections = append(b.Sections, s)
	}
}

// descriptors are the forms of kinds beyond labels and annotations: a new one is an entry here and a function below.
var descriptors = map[string]func(*builder){
	"deployments.apps":                     workload("spec", "template", "spec"),
	"statefulsets.apps":                    workload("spec", "template", "spec"),
	"daemonsets.apps":                      func(b *builder) { b.containers(Path{"spec", "template", "spec"}) },
	"cronjobs.batch":                       cronJob,
	"configmaps":                           configMap,
	"secrets":                              secret,
	"horizontalpodautoscalers.autoscaling": autoscaler,
	"persistentvolumeclaims":               claim,
	"services":                             service,
	"nodes":                                node,
	"resourcequotas":                       quota,
}

// metadata is what every object has.
func metadata() Section {
	return Section{ID: "labels", Title: message("section.labels"), Fields: []Field{
		{ID: "labels", Label: message("label.labels"), Path: Path{"metadata", "labels"}, Type: Map, KeyCheck: labelKey, Columns: []Field{{Check: labelValue}}},
		{ID: "annotations", Label: message("label.annotations"), Path: Path{"metadata", "annotations"}, Type: Map, KeyCheck: annotationKey, Columns: []Field{{Type: Area}}},
	}}
}

func workload(spec ...any) func(*builder) {
	return func(b *builder) {
		replicas := Field{ID: "replicas", Label: message("label.replicas"), Path: Path{"spec", "replicas"}, Type: Number, Max: maxReplicas}
		if b.facts.Scaler != "" {
			replicas.Fixed, replicas.Note = true, message("note.scaler", "Name", b.facts.Scaler)
		}
		b.add(Section{ID: "scale", Title: message("section.scale"), Fields: []Field{replicas}})
		b.containers(spec)
	}
}

// containers are a section for each container of a pod template, those that run first first.
func (b *builder) containers(spec Path) {
	for _, list := range []struct{ field, id, title string }{{"initContainers", "i", "section.init"}, {"containers", "c", "section.container"}} {
		items, _ := get(b.tree, spec.with(list.field)).([]any)
		for i, item := range items {
			c, ok := item.(map[string]any)
			if !ok {
				continue
			}
			name, _ := c["name"].(string)
			id := list.id + strconv.Itoa(i)
			b.add(Section{ID: id, Title: message(list.title), Name: name, Fields: b.container(id, spec.with(list.field, i))})
		}
	}
}

func (b *builder) container(id string, at Path) []Field {
	fields := []Field{{ID: id + "-image", Label: message("label.image"), Path: at.with("image"), Required: true, Check: image}}
	for _, resource := range []string{"cpu", "memory"} {
		var paths [2]Path
		for i, kind := range []string{"requests", "limits"} {
			paths[i] = at.with("resources", kind, resource)
			fields = append(fields, Field{ID: id + "-" + kind + "-" + resource, Label: message("label." + kind + "_" + resource), Path: paths[i], Type: Quantity})
		}
		control := id + "-requests-" + resource
		b.checks = append(b.checks, func(tree map[string]any, wrong func(string, kinds.Message)) {
			request, ok1 := amountAt(tree, paths[0])
			limit, ok2 := amountAt(tree, paths[1])
			if ok1 && ok2 && request.Cmp(limit) > 0 {
				wrong(control, message("bad.over_limit", "Limit", limit.String()))
			}
		})
	}
	return append(fields, Field{ID: id + "-env", Label: message("label.env"), Path: at.with("env"), Type: Rows, Columns: []Field{
		{ID: "name", Label: message("label.name"), Path: Path{"name"}, Required: true, Check: envName},
		{ID: "value", Label: message("label.value"), Path: Path{"value"}, Type: Area, Kept: valueFrom},
	}})
}

// valueFrom says where a variable's value comes from, where it is not written here.
func valueFrom(item map[string]any) kinds.Message {
	from, ok := item["valueFrom"].(map[string]any)
	if !ok {
		return fine
	}
	for source, id := range map[string]string{"configMapKeyRef": "from.config_map", "secretKeyRef": "from.secret"} {
		if ref, ok := from[source].(map[string]any); ok {
			return message(id, "Name", fmt.Sprint(ref["name"]), "Key", fmt.Sprint(ref["key"]))
		}
	}
	if ref, ok := from["fieldRef"].(map[string]any); ok {
		return message("from.field", "Path", fmt.Sprint(ref["fieldPath"]))
	}
	if ref, ok := from["resourceFieldRef"].(map[string]any); ok {
		return message("from.field", "Path", fmt.Sprint(ref["resource"]))
	}
	return message("from.other")
}

func cronJob(b *builder) {
	b.add(Section{ID: "schedule", Title: message("section.schedule"), Fields: []Field{
		{ID: "schedule", Label: message("label.schedule"), Path: Path{"spec", "schedule"}, Required: true, Check: schedule, Note: message("note.schedule")},
		{ID: "zone", Label: message("label.zone"), Path: Path{"spec", "timeZone"}, Check: timeZone, Note: message("note.zone")},
	}})
	b.containers(Path{"spec", "jobTemplate", "spec", "template", "spec"})
}

func configMap(b *builder) {
	fixed, note := immutable(b.tree)
	b.add(Section{ID: "data", Title: message("section.data"), Note: note, Fields: []Field{
		{ID: "data", Label: message("label.data"), Path: Path{"data"}, Files: Path{"binaryData"}, Type: Values, KeyCheck: configKey, Fixed: fixed},
	}})
}

func secret(b *builder) {
	fixed, note := immutable(b.tree)
	if !fixed {
		note = message("note.secret")
	}
	b.add(Section{ID: "data", Title: message("section.secret"), Note: note, Fields: []Field{
		{ID: "data", Label: message("label.data"), Path: Path{"stringData"}, Files: Path{"data"}, Type: Values, KeyCheck: configKey, Fixed: fixed, Secret: true},
	}})
}

func autoscaler(b *builder) {
	least, most := Path{"spec", "minReplicas"}, Path{"spec", "maxReplicas"}
	fields := []Field{
		{ID: "min", Label: message("label.min"), Path: least, Type: Number, Max: maxReplicas},
		{ID: "max", Label: message("label.max"), Path: most, Type: Number, Min: 1, Max: maxReplicas, Required: true},
	}
	b.checks = append(b.checks, func(tree map[string]any, wrong func(string, kinds.Message)) {
		low, ok := intAt(tree, least)
		high, ok2 := intAt(tree, most)
		if ok && ok2 && low > high {
			wrong("min", message("bad.over_max", "Max", high))
		}
	})
	metrics, _ := get(b.tree, Path{"spec", "metrics"}).([]any)
	for i := range metrics {
		at := Path{"spec", "metrics", i, "resource"}
		target := at.with("target", "averageUtilization")
		name, _ := get(b.tree, at.with("name")).(string)
		if get(b.tree, target) == nil || name == "" {
			continue // it wants an amount, or is about something else
		}
		fields = append(fields, Field{
			ID: "metric-" + strconv.Itoa(i), Label: message("label.utilisation", "Name", name), Path: target, Type: Number, Min: 1, Max: math.MaxInt32, Required: true,
		})
	}
	b.add(Section{ID: "bounds", Title: message("section.bounds"), Fields: fields})
}

// claim lets a claim grow, where its class does.
func claim(b *builder) {
	at := Path{"spec", "resources", "requests", "storage"}
	size := Field{ID: "storage", Label: message("label.storage"), Path: at, Type: Quantity, Required: true, Note: message("note.grows")}
	switch {
	case b.facts.Class == "":
		size.Fixed, size.Note = true, message("note.no_class")
	case b.facts.Expands == ExpandsNo:
		size.Fixed, size.Note = true, message("note.no_expansion", "Class", b.facts.Class)
	case b.facts.Expands == ExpandsUnknown:
		size.Note = message("note.unknown_expansion", "Class", b.facts.Class)
	}
	base := b.base
	b.checks = append(b.checks, func(tree map[string]any, wrong func(string, kinds.Message)) {
		before, ok1 := amountAt(base, at)
		after, ok2 := amountAt(tree, at)
		if ok1 && ok2 && after.Cmp(before) < 0 {
			wrong("storage", message("bad.shrinks", "Size", before.String()))
		}
	})
	b.add(Section{ID: "storage", Title: message("section.storage"), Fields: []Field{size}})
}

func service(b *builder) {
	kind := Field{ID: "type", Label: message("label.type"), Path: Path{"spec", "type"}, Fixed: true}
	if get(b.tree, Path{"spec", "type"}) == "ExternalName" {
		b.add(Section{ID: "ports", Title: message("section.ports"), Fields: []Field{kind}})
		return
	}
	columns := []Field{
		{ID: "name", Label: message("label.name"), Path: Path{"name"}, Check: portName},
		{ID: "port", Label: message("label.port"), Path: Path{"port"}, Type: Number, Min: 1, Max: 65535, Required: true},
		{ID: "target", Label: message("label.target"), Path: Path{"targetPort"}, Type: Port},
		{ID: "protocol", Label: message("label.protocol"), Path: Path{"protocol"}, Type: Choice, Options: []string{"TCP", "UDP", "SCTP"}},
	}
	if t := get(b.tree, Path{"spec", "type"}); t == "NodePort" || t == "LoadBalancer" {
		columns = append(columns, Field{ID: "node", Label: message("label.node_port"), Path: Path{"nodePort"}, Type: Number, Min: 1, Max: 65535})
	}
	ports := Path{"spec", "ports"}
	b.checks = append(b.checks, func(tree map[string]any, wrong func(string, kinds.Message)) {
		items, _ := get(tree, ports).([]any)
		for i := range items {
			if name, _ := get(tree, ports.with(i, "name")).(string); name == "" && len(items) > 1 {
				wrong("ports", message("bad.port_names"))
			}
		}
		if len(items) == 0 && get(tree, Path{"spec", "clusterIP"}) != "None" {
			wrong("ports", message("bad.no_ports"))
		}
	})
	b.add(Section{ID: "ports", Title: message("section.ports"), Fields: []Field{
		kind, {ID: "ports", Label: message("label.ports"), Path: ports, Type: Rows, Columns: columns, First: map[string]string{"protocol": "TCP"}},
	}})
}

func node(b *builder) {
	b.add(Section{ID: "taints", Title: message("section.taints"), Note: message("note.taints"), Fields: []Field{
		{ID: "taints", Label: message("label.taints"), Path: Path{"spec", "taints"}, Type: Rows, First: map[string]string{"effect": "NoSchedule"}, Columns: []Field{
			{ID: "key", Label: message("label.key"), Path: Path{"key"}, Required: true, Check: labelKey},
			{ID: "value", Label: message("label.value"), Path: Path{"value"}, Check: labelValue},
			{ID: "effect", Label: message("label.effect"), Path: Path{"effect"}, Type: Choice, Required: true, Options: []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}},
		}},
	}})
}

func quota(b *builder) {
	b.add(Section{ID: "hard", Title: message("section.hard"), Fields: []Field{
		{ID: "hard", Label: message("label.hard"), Path: Path{"spec", "hard"}, Type: Map, KeyCheck: labelKey, Columns: []Field{{Type: Quantity, Required: true}}},
	}})
}
