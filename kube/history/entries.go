package history

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"tiga/kube/diff"
)

const (
	// maxPacked bounds the entries of one change, packed: what is kept of a week is to stay small.
	maxPacked = 16 << 10
	// maxPaths bounds the paths that are kept of a change that is larger.
	maxPaths = 200
	// maxUnpacked bounds what is unpacked, whatever stands in the store.
	maxUnpacked = 8 << 20
)

// Entries are the fields of a change.
type Entries struct {
	List []diff.Entry
	// Cut says that only paths are kept, Left how many more there were.
	Cut  bool
	Left int
}

// stored is Entries as they are written.
type stored struct {
	List []storedEntry `json:"l"`
	Cut  bool          `json:"c,omitempty"`
	Left int           `json:"n,omitempty"`
}

type storedEntry struct {
	Op     diff.Op `json:"o"`
	Path   string  `json:"p"`
	Before any     `json:"b,omitempty"`
	After  any     `json:"a,omitempty"`
}

// Pack makes entries small enough to be kept. Of those that are not only the paths are, which cut says.
func Pack(list []diff.Entry) (data []byte, cut bool, err error) {
	s := stored{List: make([]storedEntry, len(list))}
	for i, e := range list {
		s.List[i] = storedEntry{e.Op, e.Path, e.Before, e.After}
	}
	if data, err = s.pack(); err != nil || len(data) <= maxPacked {
		return data, false, err
	}
	s.Cut, s.Left = true, max(0, len(list)-maxPaths)
	s.List = s.List[:min(len(s.List), maxPaths)]
	for {
		for i := range s.List {
			s.List[i].Before, s.List[i].After = nil, nil
		}
		if data, err = s.pack(); err != nil || len(data) <= maxPacked || len(s.List) == 0 {
			return data, true, err
		}
		half := len(s.List) / 2 // paths may be as long as somebody likes
		s.Left += len(s.List) - half
		s.List = s.List[:half]
	}
}

func (s stored) pack() ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("pack entries: %w", err)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("pack entries: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack entries: %w", err)
	}
	return b.Bytes(), nil
}

// Unpack is the reverse of Pack. Nothing packed is no entries.
func Unpack(data []byte) (Entries, error) {
	if len(data) == 0 {
		return Entries{}, nil
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxUnpacked))
	if err != nil {
		return Entries{}, fmt.Errorf("unpack entries: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var s stored
	if err := d.Decode(&s); err != nil {
		return Entries{}, fmt.Errorf("unpack entries: %w", err)
	}
	out := Entries{Cut: s.Cut, Left: s.Left}
	for _, e := range s.List {
		out.List = append(out.List, diff.Entry{Op: e.Op, Path: e.Path, Before: numbers(e.Before), After: numbers(e.After)})
	}
	return out, nil
}

// Join makes the entries of two changes of one field, one after the other, those of one.
func Join(first, last []byte) ([]byte, error) {
	a, err := Unpack(first)
	if err != nil {
		return nil, err
	}
	b, err := Unpack(last)
	if err != nil {
		return nil, err
	}
	if a.Cut || b.Cut || len(a.List) != 1 || len(b.List) != 1 {
		return last, nil
	}
	e := diff.Entry{Op: diff.Changed, Path: b.List[0].Path, Before: a.List[0].Before, After: b.List[0].After}
	switch {
	case a.List[0].Op == diff.Moved:
		e.Op = diff.Moved
	case e.Before == nil:
		e.Op = diff.Added
	case e.After == nil:
		e.Op = diff.Removed
	}
	data, _, err := Pack([]diff.Entry{e})
	return data, err
}

// Tree is the object that a whole creation or deletion tells of: its fields, as they were written. ok is false where not
// all of it is kept.
func (e Entries) Tree() (tree map[string]any, ok bool) {
	if e.Cut || len(e.List) == 0 || slices.ContainsFunc(e.List, func(d diff.Entry) bool { return Marked(d.Before) || Marked(d.After) }) {
		return nil, false
	}
	tree = map[string]any{}
	for _, d := range e.List {
		v := d.After
		if d.Op == diff.Removed {
			v = d.Before
		}
		tree[d.Path] = v
	}
	_, hasMeta := tree["metadata"].(map[string]any)
	return tree, hasMeta && tree["kind"] != nil
}
