package manifest

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Place is where a field stands in the document: the deepest part of its path that is there. ok is false where not even
// the first part is. The path is written as API servers and package diff do: spec.containers[0].image,
// metadata.labels[a/b], spec.containers[name=web]. A list without an index stands for its first item.
func (d *Doc) Place(path string) (line, column int, ok bool) {
	at := d.root
	var found *yaml.Node
	for _, step := range Steps(path) {
		key, next := child(at, step)
		if next == nil && at.Kind == yaml.SequenceNode && len(at.Content) > 0 {
			key, next = child(at.Content[0], step)
		}
		if next == nil {
			break
		}
		at, found = next, key
	}
	if found == nil {
		return 0, 0, false
	}
	return found.Line + d.before, found.Column, true
}

// Has reports whether the whole path is in the document.
func (d *Doc) Has(path string) bool {
	at := d.root
	steps := Steps(path)
	for _, step := range steps {
		_, next := child(at, step)
		if next == nil {
			return false
		}
		at = next
	}
	return len(steps) > 0
}

// Steps takes a path apart.
func Steps(path string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	depth := 0
	for _, c := range path {
		switch {
		case c == '[' && depth == 0:
			flush()
			depth++
		case c == '[':
			depth++
			b.WriteRune(c)
		case c == ']' && depth == 1:
			depth--
			flush()
		case c == ']' && depth > 1:
			depth--
			b.WriteRune(c)
		case c == '.' && depth == 0:
			flush()
		default:
			b.WriteRune(c)
		}
	}
	flush()
	return out
}

// child is one step down: a key of a mapping, an index or a name of a list.
func child(n *yaml.Node, step string) (key, value *yaml.Node) {
	if unquoted, err := strconv.Unquote(step); err == nil {
		step = unquoted
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil {
			if i >= 0 && i < len(n.Content) {
				return n.Content[i], n.Content[i]
			}
			return nil, nil
		}
		for _, item := range n.Content {
			if matches(item, step) {
				return item, item
			}
		}
	default:
	}
	return nil, nil
}

// matches reports whether an item is the one that "name=web,protocol=TCP" or "=value" names.
func matches(item *yaml.Node, name string) bool {
	if value, ok := strings.CutPrefix(name, "="); ok {
		return item.Kind == yaml.ScalarNode && item.Value == value
	}
	for pair := range strings.SplitSeq(name, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return false
		}
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		_, v := child(item, key)
		if v == nil || v.Value != value {
			return false
		}
	}
	return true
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// PathAt is the path of the field at a line and column, both from 1: the keys that lead to it. It works on text that is
// not YAML yet, by its indentation, because that is when somebody asks.
func PathAt(text string, line int) []string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return nil
	}
	var out []string
	limit := indentOf(lines[line-1])
	if key, _ := keyOf(lines[line-1], limit+1); key != "" {
		limit++ // the key of the line itself is a part of the path
	}
	for i := line - 1; i >= 0 && limit > 0; i-- {
		key, at := keyOf(lines[i], limit)
		if key == "" || at >= limit {
			continue
		}
		out, limit = append(out, key), at
	}
	slices.Reverse(out)
	return out
}

func indentOf(line string) int {
	body := strings.TrimLeft(line, " ")
	for strings.HasPrefix(body, "- ") {
		body = strings.TrimLeft(body[2:], " ")
	}
	return len(line) - len(body)
}

// keyOf is the outermost key of a line that stands left of the limit, and where it stands. Behind a dash it stands
// where the key is, not the dash.
func keyOf(line string, limit int) (string, int) {
	at := indentOf(line)
	body := line[at:]
	if at >= limit || strings.HasPrefix(body, "#") {
		return "", 0
	}
	key, _, ok := strings.Cut(body, ":")
	if !ok {
		return "", 0
	}
	return strings.Trim(strings.TrimSpace(key), `"'`), at
}
