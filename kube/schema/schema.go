// Package schema reads the OpenAPI v3 documents in which a cluster describes
// its kinds: what fields there are, of which type, what they mean, and an
// example of an object. It knows nothing of a cluster.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrUnknown means that a document does not describe a kind.
var ErrUnknown = errors.New("the schema of the kind is not published")

// node is the part of a JSON schema that is read. Unknown words are left out.
type node struct {
	Ref         string            `json:"$ref"`
	AllOf       []*node           `json:"allOf"`
	Description string            `json:"description"`
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Enum        []json.RawMessage `json:"enum"`
	Default     json.RawMessage   `json:"default"`
	Minimum     *float64          `json:"minimum"`
	MinItems    int               `json:"minItems"`
	MinLength   int               `json:"minLength"`
	Pattern     string            `json:"pattern"`
	Properties  map[string]*node  `json:"properties"`
	Items       *node             `json:"items"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Required    []string          `json:"required"`
	IntOrString bool              `json:"x-kubernetes-int-or-string"`
	Free        bool              `json:"x-kubernetes-preserve-unknown-fields"`
	GVK         []gvk             `json:"x-kubernetes-group-version-kind"`
}

type gvk struct{ Group, Version, Kind string }

// Doc is one document: the kinds of a group version.
type Doc struct{ schemas map[string]*node }

// Parse reads a document.
func Parse(raw []byte) (*Doc, error) {
	var doc struct {
		Components struct {
			Schemas map[string]*node `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read OpenAPI: %w", err)
	}
	return &Doc{doc.Components.Schemas}, nil
}

// Kind is the schema of one kind.
type Kind struct {
	doc  *Doc
	root *node
	name string
	api  string
}

// Kind finds a kind.
func (d *Doc) Kind(group, version, kind string) (*Kind, error) {
	want := gvk{group, version, kind}
	for _, name := range slices.Sorted(maps.Keys(d.schemas)) {
		if n := d.schemas[name]; n != nil && slices.Contains(n.GVK, want) && len(n.GVK) == 1 {
			api := version
			if group != "" {
				api = group + "/" + version
			}
			return &Kind{d, n, kind, api}, nil
		}
	}
	return nil, ErrUnknown
}

// Field is what is known of one field.
type Field struct {
	Name        string
	Type        string // "string", "integer", "[]Container", "map[string]string"
	Description string
	Required    bool
	Enum        []string
	Default     string
}

// maxRefs bounds how often one schema may point to another before something is there.
const maxRefs = 16

// resolve follows references. What stands beside a reference is kept where the target says nothing.
func (d *Doc) resolve(n *node) *node {
	out := n
	for range maxRefs {
		if out == nil {
			return nil
		}
		next := (*node)(nil)
		switch {
		case out.Ref != "":
			next = d.schemas[out.Ref[strings.LastIndexByte(out.Ref, '/')+1:]]
		case len(out.AllOf) == 1 && out.Type == "" && out.Properties == nil:
			next = out.AllOf[0]
		default:
			return out
		}
		if next == nil {
			return out
		}
		merged := *next
		if out.Description != "" {
			merged.Description = out.Description
		}
		if len(out.Default) > 0 {
			merged.Default = out.Default
		}
		out = &merged
	}
	return out
}

// additional is the schema of the values of a map; nil for an object with fields of its own.
func (d *Doc) additional(n *node) *node {
	if len(n.Additional) == 0 || n.Additional[0] != '{' {
		return nil
	}
	var out node
	if json.Unmarshal(n.Additional, &out) != nil {
		return nil
	}
	return d.resolve(&out)
}

func (d *Doc) typeName(n *node) string {
	ref := refName(n)
	r := d.resolve(n)
	switch {
	case r == nil:
		return ""
	case r.IntOrString || r.Format == "int-or-string":
		return "integer | string"
	case r.Type == "array":
		return "[]" + d.typeName(r.Items)
	case d.additional(r) != nil:
		var values node
		_ = json.Unmarshal(r.Additional, &values)
		return "map[string]" + d.typeName(&values)
	case ref != "" && (r.Type == "object" || r.Type == ""):
		return ref
	case r.Format == "date-time", r.Format == "byte", strings.HasSuffix(ref, "Quantity"):
		return r.Type + " (" + strings.TrimPrefix(r.Format+ref, "date-time") + ")"
	}
	if r.Type == "" {
		return "any"
	}
	return r.Type
}

// refName is the short name of what a schema points to: "Container".
func refName(n *node) string {
	if n == nil {
		return ""
	}
	ref := n.Ref
	if ref == "" && len(n.AllOf) == 1 {
		ref = n.AllOf[0].Ref
	}
	return ref[strings.LastIndexByte(ref, '.')+1:]
}

func (d *Doc) field(name string, n *node, required bool) Field {
	r := d.resolve(n)
	f := Field{Name: name, Type: d.typeName(n), Required: required}
	if r == nil {
		return f
	}
	f.Description = r.Description
	if n.Description != "" {
		f.Description = n.Description
	}
	for _, e := range r.Enum {
		f.Enum = append(f.Enum, plain(e))
	}
	if string(r.Default) != "{}" && string(r.Default) != "null" {
		f.Default = plain(r.Default)
	}
	return f
}

func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// Look is what is known of the field that a path leads to, and of the fields in it; lists are looked through. No path is
// the object itself. ok is false for a path that the schema does not have.
func (k *Kind) Look(path []string) (at Field, children []Field, ok bool) {
	n := k.root
	at = k.doc.field(k.name, n, false)
	for _, step := range path {
		n = k.inside(n)
		if n == nil {
			return Field{}, nil, false
		}
		next, required := n.Properties[step], slices.Contains(n.Required, step)
		if next == nil {
			if next = k.doc.additional(n); next == nil {
				return Field{}, nil, false
			}
		}
		at, n = k.doc.field(step, next, required), k.doc.resolve(next)
	}
	if n = k.inside(n); n == nil {
		return at, nil, true
	}
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		children = append(children, k.doc.field(name, n.Properties[name], slices.Contains(n.Required, name)))
	}
	return at, children, true
}

// inside is what holds the fields of a value: its items, if it is a list.
func (k *Kind) inside(n *node) *node {
	for range maxRefs {
		n = k.doc.resolve(n)
		if n == nil || n.Type != "array" {
			return n
		}
		n = n.Items
	}
	return n
}
