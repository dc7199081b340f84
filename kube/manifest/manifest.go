// Package manifest reads and writes the YAML of one Kubernetes object. What is
// read comes from a person or a program, so that nothing in it may cost more
// than its size: no anchors, no aliases, no tags, bounded nodes and depth. It
// knows nothing of a cluster.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"tiga/kube/kinds"
)

// The limits of a document.
const (
	MaxSize  = 1 << 20
	MaxNodes = 100_000
	MaxDepth = 100
	// maxMarks bounds the characters that can begin a node, so that a bomb is refused before it is parsed.
	maxMarks = 250_000
	// parsers is how many documents are read at a time.
	parsers = 4
)

// Error says what is wrong with a document, and where.
type Error struct {
	Message kinds.Message
	// Line and Column count from 1; 0 where it is about the whole.
	Line, Column int
	// Document is the number of the document in a text of several, from 1; 0 in a text of one.
	Document int
}

// Error is for logs. It has nothing of the document in it but the place.
func (e *Error) Error() string {
	return fmt.Sprintf("manifest: %s at line %d, column %d", e.Message.ID, e.Line, e.Column)
}

func fail(n *yaml.Node, id string, args ...any) *Error {
	e := &Error{Message: kinds.Message{ID: "manifest." + id}}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	for i := 0; i+1 < len(args); i += 2 {
		if e.Message.Args == nil {
			e.Message.Args = map[string]any{}
		}
		e.Message.Args[args[i].(string)] = args[i+1] //nolint:forcetypeassert // the callers are in this package and pass literals
	}
	return e
}

// Reader reads documents, a few at a time.
type Reader struct{ slots chan struct{} }

// NewReader makes a reader.
func NewReader() *Reader { return &Reader{make(chan struct{}, parsers)} }

// Doc is a document that was read.
type Doc struct {
	// Tree is the object; numbers are int64 or float64, as JSON of Kubernetes has them.
	Tree map[string]any
	root *yaml.Node
	// before is how many lines stand before it in a text of several documents.
	before int
}

var parserWords = regexp.MustCompile(`^did not find expected (<|key|node content|',' or|'-' indicator)`)

var yamlLine = regexp.MustCompile(`^yaml: line (\d+)(?:, column (\d+))?: (.*)$`)

// Read reads a document with one object. The error is an *Error.
func (r *Reader) Read(text []byte) (doc *Doc, err error) {
	if len(text) > MaxSize {
		return nil, fail(nil, "too_large", "Size", len(text)>>10, "Limit", MaxSize>>10)
	}
	if marks(text) > maxMarks {
		return nil, fail(nil, "too_many", "Limit", MaxNodes)
	}
	r.slots <- struct{}{}
	defer func() {
		<-r.slots
		if recover() != nil { // the parser's
			doc, err = nil, fail(nil, "not_yaml", "Detail", "")
		}
	}()
	return read(text)
}

// marks counts what can begin a node.
func marks(text []byte) (n int) {
	for i, c := range text {
		switch c {
		case ',', '[', '{', '\n':
			n++
		case '-', ':', '?':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\n') {
				n++
			}
		}
	}
	return n
}

func read(text []byte) (*Doc, error) { return readWith(&walker{}, text) }

func readWith(w *walker, text []byte) (*Doc, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	for {
		// A document of nothing but comments, as before a separator, is none.
		doc = yaml.Node{}
		if err := d.Decode(&doc); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, fail(nil, "empty")
			}
			return nil, syntax(err)
		}
		if len(doc.Content) == 1 && doc.Content[0].ShortTag() != "!!null" {
			break
		}
	}
	for {
		err := d.Decode(&more)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntax(err)
		}
		if len(more.Content) == 1 && more.Content[0].ShortTag() != "!!null" {
			return nil, fail(more.Content[0], "several")
		}
		more = yaml.Node{}
	}
	root := doc.Content[0]
	v := w.value(root, 0)
	if w.err != nil {
		return nil, w.err
	}
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, fail(root, "no_object")
	}
	return &Doc{Tree: tree, root: root}, nil
}

// syntax is an error of the parser, with its place. Its words name no value.
func syntax(err error) *Error {
	e := fail(nil, "not_yaml", "Detail", strings.TrimPrefix(err.Error(), "yaml: "))
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
		e.Message.Args["Detail"] = m[3]
	}
	// What the parser finds, as against the scanner before it, counts its lines from 0.
	if detail, _ := e.Message.Args["Detail"].(string); parserWords.MatchString(detail) {
		e.Line++
	}
	return e
}

// walker turns nodes into values. It looks at the bare nodes and never lets the decoder fill anything, so that no tag,
// alias or merge key can do something.
type walker struct {
	nodes int
	err   *Error
}

func (w *walker) fail(n *yaml.Node, id string, args ...any) any {
	if w.err == nil {
		w.err = fail(n, id, args...)
	}
	return nil
}

func (w *walker) value(n *yaml.Node, depth int) any {
	if w.nodes++; w.err != nil {
		return nil
	}
	switch {
	case w.nodes > MaxNodes:
		return w.fail(n, "too_many", "Limit", MaxNodes)
	case depth > MaxDepth:
		return w.fail(n, "too_deep", "Limit", MaxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return w.fail(n, "alias")
	case n.Style&yaml.TaggedStyle != 0:
		return w.fail(n, "tag", "Tag", n.Tag)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, w.value(item, depth+1))
		}
		return list
	case yaml.ScalarNode:
		return w.scalar(n)
	default:
		return w.fail(n, "not_yaml", "Detail", "")
	}
}

func (w *walker) mapping(n *yaml.Node, depth int) any {
	m := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		w.nodes++
		switch {
		case k.Kind == yaml.AliasNode || k.Anchor != "" || k.ShortTag() == "!!merge":
			return w.fail(k, "alias")
		case k.Kind != yaml.ScalarNode || k.ShortTag() == "!!null":
			return w.fail(k, "key")
		case k.Style&yaml.TaggedStyle != 0:
			return w.fail(k, "tag", "Tag", k.Tag)
		}
		if _, ok := m[k.Value]; ok {
			return w.fail(k, "twice", "Key", k.Value)
		}
		m[k.Value] = w.value(v, depth+1)
	}
	return m
}

func (w *walker) scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value[0] == 't' || n.Value[0] == 'T'
	case "!!int":
		var v any
		if n.Decode(&v) == nil {
			switch i := v.(type) {
			case int:
				return int64(i)
			case int64:
				return i
			case uint64:
				return float64(i)
			}
		}
		return w.fail(n, "number", "Value", n.Value)
	case "!!float":
		var v float64
		if n.Decode(&v) != nil || v != v || v > 1e308 || v < -1e308 { // JSON has neither infinity nor "not a number"
			return w.fail(n, "number", "Value", n.Value)
		}
		return v
	}
	return n.Value // a date is a word as well
}

// Print is an object as YAML: what says what it is first, the rest by name. Characters that make a text look like
// another, such as those that turn the direction of writing round, are escapes.
func Print(tree map[string]any) ([]byte, error) {
	var items goyaml.MapSlice
	done := map[string]bool{}
	for _, key := range append([]string{"apiVersion", "kind", "metadata", "type", "immutable", "spec"}, sortedKeys(tree)...) {
		if v, ok := tree[key]; ok && !done[key] {
			items, done[key] = append(items, goyaml.MapItem{Key: key, Value: v}), true
		}
	}
	text, err := goyaml.Marshal(items)
	if err != nil || !bytes.ContainsFunc(text, deceives) {
		return text, err
	}
	// Each such text is printed as a word that occurs nowhere else, which is replaced afterwards.
	e := &escapes{prefix: "escaped"}
	for bytes.Contains(text, []byte(e.prefix)) {
		e.prefix += "z"
	}
	for i := range items {
		items[i].Key, items[i].Value = e.value(items[i].Key), e.value(items[i].Value)
	}
	if text, err = goyaml.Marshal(items); err != nil {
		return nil, err
	}
	for i, v := range slices.Backward(e.texts) {
		text = bytes.ReplaceAll(text, []byte(e.word(i)), []byte(v))
	}
	return text, nil
}

// deceives reports whether a character changes how others look, or is not seen itself.
func deceives(r rune) bool {
	return r == 0x061c || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x2069 || r == 0xfeff
}

type escapes struct {
	prefix string
	texts  []string // quoted and escaped
}

func (e *escapes) word(i int) string { return fmt.Sprintf("%s-%d-end", e.prefix, i) }

func (e *escapes) value(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[e.value(k).(string)] = e.value(v) //nolint:forcetypeassert // a text stays one
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = e.value(x[i])
		}
		return out
	case string:
		if !strings.ContainsFunc(x, deceives) {
			return x
		}
		quoted, err := json.Marshal(x) // what JSON quotes, YAML reads
		if err != nil {
			return x
		}
		var b strings.Builder
		for _, r := range string(quoted) {
			if deceives(r) {
				fmt.Fprintf(&b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
		e.texts = append(e.texts, b.String())
		return e.word(len(e.texts) - 1)
	}
	return v
}
