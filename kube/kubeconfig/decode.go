package kubeconfig

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what a document may make of its bytes.
const (
	maxNodes = 20_000
	maxDepth = 40
)

// source is where a document came from.
type source struct {
	path   string // the file, empty for an upload
	strict bool   // unknown fields and extensions are refused instead of left out
}

// file is one or several documents, merged.
type file struct {
	current  string
	clusters map[string]entry
	users    map[string]entry
	ordered  []entry // the contexts, in the order of the files
}

// entry is a named part of a document.
type entry struct {
	name   string
	from   source
	fields object
}

// object is a mapping whose keys were checked to be strings that occur once.
type object map[string]*yaml.Node

var yamlLine = regexp.MustCompile(`^yaml: line (\d+)(?:, column (\d+))?: (.*)$`)

// decode reads one document. It looks at the bare nodes and never lets the decoder fill a struct, so no tag, alias or
// merge key can do anything.
func decode(data []byte, from source) (*file, error) {
	fail := func(id string, args ...any) error { return &Error{Message: message(id, args...), Source: from.path} }
	if len(data) > MaxSize {
		return nil, fail("too_large", "Size", len(data)>>10, "Limit", MaxSize>>10)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fail("empty")
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fail("empty")
		}
		line, column, detail := "?", "", strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, column, detail = m[1], m[2], m[3]
		}
		return nil, fail("not_yaml", "Line", line, "Column", column, "Detail", detail)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fail("several_documents")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fail("not_a_kubeconfig", "Kind", "")
	}
	w := &walker{from: from}
	w.visit(doc.Content[0], 0)
	root := w.object(doc.Content[0], "")
	f := &file{clusters: map[string]entry{}, users: map[string]entry{}}
	if w.err == nil {
		if kind := w.text(root, "kind"); kind != "" && kind != "Config" {
			return nil, fail("not_a_kubeconfig", "Kind", kind)
		}
		w.known(root, "", "apiVersion", "kind", "preferences", "clusters", "users", "contexts", "current-context")
		f.current = w.text(root, "current-context")
		for _, e := range w.entries(root, "clusters", "cluster") {
			f.clusters[e.name] = e
		}
		for _, e := range w.entries(root, "users", "user") {
			f.users[e.name] = e
		}
		f.ordered = w.entries(root, "contexts", "context")
	}
	if w.err != nil {
		return nil, w.err
	}
	return f, nil
}

// walker reads nodes and keeps the first thing that is wrong.
type walker struct {
	from  source
	nodes int
	err   error
}

func (w *walker) fail(id string, args ...any) {
	if w.err == nil {
		w.err = &Error{Message: message(id, args...), Source: w.from.path}
	}
}

// visit refuses documents that are more than they seem.
func (w *walker) visit(n *yaml.Node, depth int) {
	if w.nodes++; w.nodes > maxNodes || depth > maxDepth {
		w.fail("too_complex")
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		w.fail("aliases", "Line", n.Line)
	}
	if w.err != nil {
		return
	}
	for _, c := range n.Content {
		w.visit(c, depth+1)
	}
}

// object makes a mapping of a node; path names it in messages.
func (w *walker) object(n *yaml.Node, path string) object {
	out := object{}
	if n == nil || isNull(n) {
		return out
	}
	if n.Kind != yaml.MappingNode {
		w.fail("wrong_type", "Field", path, "Line", n.Line)
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			w.fail("wrong_type", "Field", path, "Line", k.Line)
			return out
		}
		if _, twice := out[k.Value]; twice {
			w.fail("duplicate_field", "Field", join(path, k.Value), "Line", k.Line)
		}
		out[k.Value] = n.Content[i+1]
	}
	return out
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// known refuses the fields that are not listed, in a strict document. An extension is known where it is one of those
// that minikube writes: they say who wrote the file and do nothing.
func (w *walker) known(o object, path string, names ...string) {
	for field, n := range o {
		switch {
		case slices.Contains(names, field):
		case field == "extensions":
			w.extensions(n, join(path, field))
		case w.from.strict:
			w.fail("unknown_field", "Field", join(path, field), "Line", n.Line)
		}
	}
}

func (w *walker) extensions(n *yaml.Node, path string) {
	if !w.from.strict || isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		w.fail("wrong_type", "Field", path, "Line", n.Line)
		return
	}
	for _, e := range n.Content {
		o := w.object(e, path)
		if name := w.text(o, "name"); name != "context_info" && name != "cluster_info" {
			w.fail("extension_refused", "Name", name, "Line", e.Line)
		}
	}
}

// text is a field that has to be a string. YAML's other scalars are taken as they are written, as kubectl does for
// numbers in names.
func (w *walker) text(o object, field string) string {
	n := o[field]
	if n == nil || isNull(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		w.fail("wrong_type", "Field", field, "Line", n.Line)
		return ""
	}
	return n.Value
}

func (w *walker) flag(o object, field string) bool {
	v := w.text(o, field)
	if v == "" {
		return false
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		w.fail("wrong_type", "Field", field, "Line", o[field].Line)
	}
	return on
}

// list is a field that has to be a list of strings.
func (w *walker) list(o object, field string) []string {
	n := o[field]
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		w.fail("wrong_type", "Field", field, "Line", n.Line)
		return nil
	}
	var out []string
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			w.fail("wrong_type", "Field", field, "Line", c.Line)
			return nil
		}
		out = append(out, c.Value)
	}
	return out
}

// entries are the named parts of a section. A name that occurs twice leaves open which is meant.
func (w *walker) entries(root object, section, field string) []entry {
	n := root[section]
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		w.fail("wrong_type", "Field", section, "Line", n.Line)
		return nil
	}
	var out []entry
	seen := map[string]bool{}
	for _, c := range n.Content {
		o := w.object(c, section)
		w.known(o, section, "name", field)
		name := w.text(o, "name")
		if name == "" {
			w.fail("no_name", "Field", section, "Line", c.Line)
		}
		if seen[name] {
			w.fail("duplicate_name", "Field", section, "Name", name)
		}
		seen[name] = true
		out = append(out, entry{name: name, from: w.from, fields: w.object(o[field], join(section, field))})
	}
	return out
}
