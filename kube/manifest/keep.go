package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"tiga/kube/diff"
)

// With is the document with the values of another tree. What is the same keeps its place, its style and its comments.
func (d *Doc) With(tree map[string]any) ([]byte, error) {
	root, err := adapt(d.root, tree)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// adapt is a node with another value.
func adapt(n *yaml.Node, v any) (*yaml.Node, error) {
	w := walker{}
	if old := w.value(n, 0); w.err == nil && diff.Equal(old, v) {
		return n, nil
	}
	switch x := v.(type) {
	case map[string]any:
		if n.Kind == yaml.MappingNode {
			return adaptMap(n, x)
		}
	case []any:
		if n.Kind == yaml.SequenceNode {
			return adaptList(n, x)
		}
	}
	out := &yaml.Node{}
	if err := out.Encode(v); err != nil {
		return nil, err
	}
	out.HeadComment, out.LineComment, out.FootComment = n.HeadComment, n.LineComment, n.FootComment
	if s, ok := v.(string); ok && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && !strings.Contains(s, "\n") {
		out.Style = n.Style &^ (yaml.LiteralStyle | yaml.FoldedStyle)
		if out.Style == 0 && out.ShortTag() != "!!str" { // it needs its quotes
			out.Style = yaml.DoubleQuotedStyle
		}
	}
	return out, nil
}

func adaptMap(n *yaml.Node, m map[string]any) (*yaml.Node, error) {
	out := *n
	out.Content = nil
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		v, ok := m[key.Value]
		if !ok {
			continue
		}
		seen[key.Value] = true
		value, err := adapt(n.Content[i+1], v)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, key, value)
	}
	for _, k := range sortedKeys(m) {
		if seen[k] {
			continue
		}
		key, value := &yaml.Node{}, &yaml.Node{}
		if err := key.Encode(k); err != nil {
			return nil, err
		}
		if err := value.Encode(m[k]); err != nil {
			return nil, err
		}
		out.Content = append(out.Content, key, value)
	}
	if len(out.Content) > 0 && len(n.Content) == 0 {
		out.Style = 0
	}
	return &out, nil
}

// adaptList pairs each item with the one that it was: the same by its name, else by its value, else by its place.
func adaptList(n *yaml.Node, list []any) (*yaml.Node, error) {
	out := *n
	out.Content = nil
	w := walker{}
	old, _ := w.value(n, 0).([]any)
	pairs := diff.Match(old, list)
	for i, item := range list {
		value := &yaml.Node{}
		var err error
		if from := pairs[i]; from >= 0 && from < len(n.Content) {
			value, err = adapt(n.Content[from], item)
		} else {
			err = value.Encode(item)
		}
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, value)
	}
	if len(n.Content) == 0 {
		out.Style = 0
	}
	return &out, nil
}
