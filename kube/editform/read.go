package editform

import (
	"strconv"
	"strings"

	"tiga/kube/kinds"
)

// Read is what stands in the controls of a form for a tree.
func (f *Form) Read(tree map[string]any) State {
	s := NewState()
	f.fields(func(fd *Field) {
		switch fd.Type {
		case Rows:
			items, _ := get(tree, fd.Path).([]any)
			for i, item := range items {
				row := s.row(fd.ID, i)
				for j := range fd.Columns {
					c := &fd.Columns[j]
					s.read(c, item, Name(fd.ID, row, c.ID))
				}
			}
		case Map:
			for i, key := range keysAt(tree, fd.Path) {
				row := s.row(fd.ID, i)
				if plain(key) {
					s.Values[Name(fd.ID, row, Key)] = key
				}
				s.read(fd.value(), get(tree, fd.Path.with(key)), Name(fd.ID, row, Value))
			}
		case Values:
			for i, e := range fd.entries(tree) {
				row := s.row(fd.ID, i)
				if plain(e.key) {
					s.Values[Name(fd.ID, row, Key)] = e.key
				}
				if f.entryOf(fd, e).Kind == EntryText {
					text, _ := e.value.(string)
					s.Values[Name(fd.ID, row, Value)] = unix(text)
				}
			}
		default:
			s.read(fd, tree, fd.ID)
		}
		if fd.Type >= Rows && s.Rows[fd.ID] == nil {
			s.Rows[fd.ID] = []string{}
		}
	})
	return s
}

// row begins a row for what stands at a place.
func (s State) row(field string, place int) string {
	id := strconv.Itoa(place)
	s.Rows[field] = append(s.Rows[field], id)
	s.Values[Name(field, id, From)] = id
	return id
}

func (s State) read(fd *Field, item any, control string) {
	if fd.keeps(item).IsZero() {
		text, _ := textOf(get(item, fd.Path))
		s.Values[control] = unix(text)
	}
}

// keeps says why a value cannot be changed here; zero where it can.
func (fd *Field) keeps(item any) kinds.Message {
	if fd.Kept != nil {
		if m, ok := item.(map[string]any); ok {
			if why := fd.Kept(m); !why.IsZero() {
				return why
			}
		}
	}
	if _, ok := item.(map[string]any); !ok && len(fd.Path) > 0 {
		return message("kept.odd")
	}
	text, ok := textOf(get(item, fd.Path))
	switch {
	case !ok:
		return message("kept.odd")
	case !plain(text), fd.Type != Area && strings.ContainsAny(text, "\r\n"):
		return message("kept.hidden")
	}
	return fine
}

// value is the field of a Map's values.
func (fd *Field) value() *Field {
	v := *fd
	v.Path, v.Kept, v.Columns = nil, nil, nil
	v.Type = Text
	if len(fd.Columns) > 0 {
		v.Type, v.Check, v.Required = fd.Columns[0].Type, fd.Columns[0].Check, fd.Columns[0].Required
	}
	return &v
}

// Cell is a control of a row, or what stands in its place.
type Cell struct {
	Field *Field
	Name  string
	Value string
	// Kept stands in place of the control where that is not zero, and Text is what is kept, where it can be shown.
	Kept kinds.Message
	Text string
}

// Line is a row as it is shown.
type Line struct {
	ID, From string
	Cells    []Cell
	// Entry is what the row of a Values field has now.
	Entry Entry
	// Pending is what was uploaded and is not in the tree yet.
	Pending []byte
}

// Lines are the rows of a field. tree is the one that the state is about.
func (f *Form) Lines(fd *Field, tree map[string]any, s State) []Line {
	out := make([]Line, 0, len(s.Rows[fd.ID]))
	for _, row := range s.Rows[fd.ID] {
		from := s.Values[Name(fd.ID, row, From)]
		place, err := strconv.Atoi(from)
		l := Line{ID: row, From: from, Pending: s.Files[Name(fd.ID, row, File)]}
		cell := func(c *Field, column string, item any, known bool) {
			x := Cell{Field: c, Name: Name(fd.ID, row, column)}
			x.Value = s.Values[x.Name]
			if known {
				if x.Kept = c.keeps(item); !x.Kept.IsZero() {
					x.Text, _ = textOf(get(item, c.Path))
				}
			}
			l.Cells = append(l.Cells, x)
		}
		switch fd.Type {
		case Rows:
			items, _ := get(tree, fd.Path).([]any)
			known := err == nil && place >= 0 && place < len(items)
			for i := range fd.Columns {
				var item any
				if known {
					item = items[place]
				}
				cell(&fd.Columns[i], fd.Columns[i].ID, item, known)
			}
		case Map:
			keys := keysAt(tree, fd.Path)
			known := err == nil && place >= 0 && place < len(keys)
			var key, value any
			if known {
				key, value = keys[place], get(tree, fd.Path.with(keys[place]))
			}
			cell(fd.key(), Key, key, known)
			cell(fd.value(), Value, value, known)
		case Values:
			items := fd.entries(tree)
			if err == nil && place >= 0 && place < len(items) {
				l.Entry = f.entryOf(fd, items[place])
				cell(fd.key(), Key, items[place].key, true)
				if k := &l.Cells[0]; l.Entry.Kind == EntryMasked && k.Kept.IsZero() {
					k.Kept, k.Text = message("kept.key"), items[place].key // its value is not here to be given another key
				}
			} else {
				cell(fd.key(), Key, nil, false)
			}
			cell(fd.value(), Value, nil, false)
		default:
		}
		out = append(out, l)
	}
	return out
}

// key is the field of the keys of a Map or Values.
func (fd *Field) key() *Field {
	return &Field{ID: Key, Label: message("label.key"), Check: fd.KeyCheck, Required: true, Fixed: fd.Fixed}
}
