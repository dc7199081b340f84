package manifest

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The limits of a text of several documents.
const (
	MaxStream    = 4 << 20
	MaxDocuments = 1000
	// maxStreamNodes bounds all documents together: four megabytes of usual YAML have half as many.
	maxStreamNodes = 3 * MaxNodes
	// maxErrors bounds what is said about a text at once.
	maxErrors = 20
)

// Part is one object of a text of several documents.
type Part struct {
	// Number counts the objects from 1, the items of a List as well; Line is where it begins in the whole text.
	Number, Line int
	Doc          *Doc
}

// ReadStream reads a text of several documents: YAML between separators, JSON one after the other, and Lists, whose items
// are taken for documents. What is empty, or a comment, is none. Every error is told, up to a bound, with the line in the
// whole text; with any, nothing is returned.
func (r *Reader) ReadStream(text []byte) ([]Part, []*Error) {
	if len(text) > MaxStream {
		return nil, []*Error{fail(nil, "stream_too_large", "Size", len(text)>>10, "Limit", MaxStream>>10)}
	}
	s := &stream{}
	for _, c := range chunks(text) {
		s.chunk(r, c)
		if s.full || len(s.errs) >= maxErrors {
			break
		}
	}
	if len(s.parts) == 0 && len(s.errs) == 0 {
		s.errs = append(s.errs, fail(nil, "empty"))
	}
	if len(s.errs) > 0 {
		return nil, s.errs
	}
	return s.parts, nil
}

// chunk is a piece of the text with one document; before is how many lines stand before it.
type chunk struct {
	text   []byte
	before int
}

// chunks cuts a text where documents end. A line that begins with three dashes is a separator wherever it stands, also
// within a text value: so says YAML.
func chunks(text []byte) []chunk {
	var out []chunk
	start, startLine, content := 0, 0, false
	line := 0
	cut := func(at, lines int) {
		out = append(out, chunk{text[start:at], startLine})
		start, startLine, content = at, lines, false
	}
	for at := 0; at < len(text); line++ {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		body := bytes.TrimRight(text[at:end], " \t\r\n")
		switch {
		case marker(body, "---"):
			if content {
				cut(at, line)
			}
			content = content || holds(body[3:])
		case marker(body, "..."):
			if content {
				cut(end, line+1)
			}
		case bytes.HasPrefix(body, []byte("%")) && !content: // a directive belongs to the document after it
		default:
			content = content || holds(body)
		}
		at = end
	}
	if content {
		cut(len(text), line)
	}
	return out
}

// marker says whether a line is a document's marker, whatever follows on the line.
func marker(line []byte, mark string) bool {
	return bytes.HasPrefix(line, []byte(mark)) && (len(line) == len(mark) || line[len(mark)] == ' ' || line[len(mark)] == '\t')
}

// holds says whether a line has more than space and a comment.
func holds(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	return len(line) > 0 && line[0] != '#'
}

type stream struct {
	parts []Part
	errs  []*Error
	nodes int
	full  bool // there is no room for more
}

func (s *stream) fail(e *Error, before int) {
	if e.Line > 0 {
		e.Line += before
	} else if before > 0 {
		e.Line = before + 1
	}
	e.Document = len(s.parts) + 1
	s.errs = append(s.errs, e)
}

// chunk reads one piece of the text.
func (s *stream) chunk(r *Reader, c chunk) {
	for _, one := range values(c) {
		doc, nodes, err := r.root(one.text)
		s.nodes += nodes
		switch {
		case err != nil:
			s.fail(err, one.before)
			// What follows a document that cannot be read has no number that could be relied on, but it has its lines.
			s.parts = append(s.parts, Part{Number: len(s.parts) + 1, Line: one.before + 1})
		case s.nodes > maxStreamNodes:
			s.fail(fail(nil, "too_many", "Limit", maxStreamNodes), one.before)
			s.full = true
			return
		case doc != nil:
			s.add(doc, one, 0)
		}
		if len(s.errs) >= maxErrors {
			return
		}
	}
}

// add takes an object in, or the items of a List.
func (s *stream) add(doc *Doc, c chunk, depth int) {
	doc.before = c.before
	if items, nodes, ok := doc.items(); ok && depth < MaxDepth {
		for i, item := range items {
			tree, ok := item.(map[string]any)
			if !ok {
				s.fail(fail(nodes[i], "no_object"), c.before)
				continue
			}
			s.add(&Doc{Tree: tree, root: nodes[i]}, c, depth+1)
			if len(s.errs) >= maxErrors {
				return
			}
		}
		return
	}
	if s.full {
		return
	}
	if len(s.parts) >= MaxDocuments {
		s.fail(fail(doc.root, "too_many_documents", "Limit", MaxDocuments), c.before)
		s.full = true
		return
	}
	if len(c.text) > MaxSize {
		if raw, err := json.Marshal(doc.Tree); err != nil || len(raw) > MaxSize {
			s.fail(fail(doc.root, "too_large", "Size", len(raw)>>10, "Limit", MaxSize>>10), c.before)
			return
		}
	}
	s.parts = append(s.parts, Part{Number: len(s.parts) + 1, Line: doc.root.Line + c.before, Doc: doc})
}

// items are the objects of a List, with their nodes.
func (d *Doc) items() (items []any, nodes []*yaml.Node, ok bool) {
	kind, _ := d.Tree["kind"].(string)
	items, isList := d.Tree["items"].([]any)
	_, node := child(d.root, "items")
	if !strings.HasSuffix(kind, "List") || !isList || node == nil || len(node.Content) != len(items) {
		return nil, nil, false
	}
	return items, node.Content, true
}

// root reads a document that may be empty: then it is nil. nodes is how many it has.
func (r *Reader) root(text []byte) (doc *Doc, nodes int, bad *Error) {
	if marks(text) > maxMarks {
		return nil, 0, fail(nil, "too_many", "Limit", MaxNodes)
	}
	r.slots <- struct{}{}
	defer func() {
		<-r.slots
		if recover() != nil { // the parser's
			doc, bad = nil, fail(nil, "not_yaml", "Detail", "")
		}
	}()
	w := &walker{}
	doc, err := readWith(w, text)
	if err != nil {
		e, ok := err.(*Error) //nolint:errorlint // made by readWith, as it is
		if ok && e.Message.ID == "manifest.empty" {
			return nil, w.nodes, nil
		}
		return nil, w.nodes, e
	}
	return doc, w.nodes, nil
}

// values takes a piece apart that has JSON values one after the other, as programs write them. A tab, which JSON indents
// with and YAML does not know, becomes a space: within a JSON text there is none.
func values(c chunk) []chunk {
	skipped, line := 0, 0
	for skipped < len(c.text) { // comments and separators before it
		end := len(c.text)
		if i := bytes.IndexByte(c.text[skipped:], '\n'); i >= 0 {
			end = skipped + i + 1
		}
		body := bytes.TrimSpace(c.text[skipped:end])
		if len(body) > 0 && body[0] != '#' && !bytes.Equal(body, []byte("---")) {
			break
		}
		skipped, line = end, line+1
	}
	text := c.text[skipped:]
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r"), []byte("{")) {
		return []chunk{c}
	}
	var out []chunk
	d := json.NewDecoder(bytes.NewReader(text))
	from := 0
	for d.More() && len(out) <= MaxDocuments { // one more is told to be too many
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return []chunk{c} // YAML's own way of writing a mapping, or an error that is told as one of YAML
		}
		end := int(d.InputOffset())
		start := end - len(raw)
		out = append(out, chunk{bytes.ReplaceAll(text[start:end], []byte("\t"), []byte(" ")), c.before + line + bytes.Count(text[:start], []byte("\n"))})
		from = end
	}
	if len(out) <= MaxDocuments && len(bytes.TrimSpace(text[from:])) > 0 {
		return []chunk{c}
	}
	return out
}
