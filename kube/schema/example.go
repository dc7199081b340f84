package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxExampleDepth and maxExampleLines bound an example; a schema may contain itself.
const (
	maxExampleDepth = 12
	maxExampleLines = 400
	// maxChoices is how many optional fields are named at one level.
	maxChoices = 12
)

// Example is an object of the kind as YAML: the fields that it must have, with values of the right type, and as comments
// those that it may have.
func (k *Kind) Example(namespace string) string {
	w := &example{kind: k}
	w.line(0, "apiVersion: "+k.api)
	w.line(0, "kind: "+k.name)
	w.line(0, "metadata:")
	w.line(1, "name: example")
	if namespace != "" {
		w.line(1, "namespace: "+namespace)
	}
	root := k.doc.resolve(k.root)
	for _, name := range slices.Sorted(maps.Keys(root.Properties)) {
		required := slices.Contains(root.Required, name)
		switch name {
		case "apiVersion", "kind", "metadata", "status":
			continue
		case "spec":
			required = true
		}
		w.field(0, name, root.Properties[name], required, "")
	}
	return w.b.String()
}

type example struct {
	kind  *Kind
	b     strings.Builder
	lines int
}

func (w *example) line(depth int, s string) {
	w.lines++
	w.b.WriteString(strings.Repeat("  ", depth) + s + "\n")
}

// field writes one field; one that need not be there as a comment. dash begins an item of a list.
func (w *example) field(depth int, name string, n *node, required bool, dash string) {
	r := w.kind.doc.resolve(n)
	if r == nil || w.lines > maxExampleLines {
		return
	}
	key := dash + yamlKey(name) + ":"
	if !required {
		w.line(depth, "# "+key+" "+w.note(n, r))
		return
	}
	inner := depth + 1
	if dash != "" {
		inner = depth + 2
	}
	if depth > maxExampleDepth {
		w.line(depth, key+" null")
		return
	}
	switch {
	case r.Type == "array":
		w.list(depth, key, r)
	case len(r.Properties) > 0:
		if len(r.Required) == 0 && name != "spec" {
			w.line(depth, key+" {}"+w.choices(n, r))
			return
		}
		before := w.b.Len()
		w.line(depth, key)
		if !w.fields(inner, r, "") {
			rest := w.b.String()[before+len(strings.Repeat("  ", depth)+key+"\n"):]
			head := w.b.String()[:before]
			w.b.Reset()
			w.b.WriteString(head)
			w.line(depth, key+" {}")
			w.b.WriteString(rest)
		}
	case w.kind.doc.additional(r) != nil || r.Type == "object" || r.Type == "" && !r.IntOrString && len(r.Default) == 0:
		w.line(depth, key+" {}"+w.choices(n, r))
	default:
		w.line(depth, key+" "+w.scalar(r)+w.choices(n, r))
	}
}

// fields writes the required fields of an object, then names the others. It reports whether any is required.
func (w *example) fields(depth int, r *node, dash string) bool {
	any, optional := false, 0
	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		if slices.Contains(r.Required, name) {
			if any {
				dash = strings.Repeat(" ", len(dash))
			}
			at := depth
			w.field(at, name, r.Properties[name], true, dash)
			any = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		if !slices.Contains(r.Required, name) && optional < maxChoices && depth <= 2 {
			optional++
			w.field(depth, name, r.Properties[name], false, "")
		}
	}
	return any
}

func (w *example) list(depth int, key string, r *node) {
	items := w.kind.doc.resolve(r.Items)
	switch {
	case items == nil:
		w.line(depth, key+" []")
	case len(items.Properties) > 0 && len(items.Required) > 0:
		w.line(depth, key)
		w.fields(depth, items, "- ")
	case len(items.Properties) > 0 || items.Type == "object" || items.Type == "array":
		if r.MinItems == 0 {
			w.line(depth, key+" []"+w.choices(r.Items, items))
			return
		}
		w.line(depth, key)
		w.line(depth, "- {}")
	default:
		w.line(depth, key)
		w.line(depth, "- "+w.scalar(items)+w.choices(r.Items, items))
	}
}

// scalar is a value of the type.
func (w *example) scalar(r *node) string {
	switch {
	case len(r.Default) > 0 && string(r.Default) != "null":
		return yamlValue(r.Default)
	case len(r.Enum) > 0:
		return yamlValue(r.Enum[0])
	case r.IntOrString || r.Format == "int-or-string":
		return "1"
	}
	switch r.Type {
	case "integer", "number":
		if r.Minimum != nil {
			return strconv.FormatFloat(*r.Minimum, 'f', -1, 64)
		}
		return "1"
	case "boolean":
		return "false"
	}
	if r.Format == "date-time" {
		return `"2030-01-01T00:00:00Z"`
	}
	return `"` + strings.Repeat("x", max(0, r.MinLength-len("example"))) + `example"`
}

// choices is a comment with the values that a field may have.
func (w *example) choices(n, r *node) string {
	if len(r.Enum) < 2 {
		return ""
	}
	return " # " + w.note(n, r)
}

// note says in a few words what a field is.
func (w *example) note(n, r *node) string {
	if len(r.Enum) > 0 {
		var all []string
		for _, e := range r.Enum {
			all = append(all, oneLine(plain(e)))
		}
		return strings.Join(all, " | ")
	}
	return oneLine(w.kind.doc.typeName(n))
}

// oneLine keeps a word of the cluster from leaving its comment.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func yamlKey(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '/' && c != '$' {
			raw, _ := json.Marshal(s)
			return string(raw)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// yamlValue is a JSON value, which YAML reads as well.
func yamlValue(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return `""`
	}
	out, err := json.Marshal(v)
	if err != nil {
		return `""`
	}
	return string(out)
}
