package editform

import (
	"slices"
	"strconv"
	"strings"

	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// writer writes a state over a tree.
type writer struct {
	form   *Form
	state  State
	errors []Error
}

func (w *writer) wrong(control string, m kinds.Message) {
	if !m.IsZero() && !slices.ContainsFunc(w.errors, func(e Error) bool { return e.Control == control }) {
		w.errors = append(w.errors, Error{control, m})
	}
}

// Write is the tree with what stands in the controls. A control with the value that the tree has changes nothing. With
// errors, what is wrong is not in it.
func (f *Form) Write(tree map[string]any, s State) (map[string]any, []Error) {
	out := diff.CloneTree(tree)
	w := &writer{form: f, state: s}
	f.fields(func(fd *Field) {
		if fd.Fixed {
			return
		}
		switch fd.Type {
		case Rows:
			w.rows(out, fd)
		case Map:
			w.mapping(out, fd)
		case Values:
			w.values(out, fd)
		default:
			w.leaf(out, fd, fd.ID, false)
		}
	})
	for _, check := range f.checks {
		// What the object has been all along is nothing that somebody typed wrong.
		before := map[string]bool{}
		check(tree, func(control string, m kinds.Message) { before[control+" "+m.ID] = true })
		check(out, func(control string, m kinds.Message) {
			if !before[control+" "+m.ID] {
				w.wrong(control, m)
			}
		})
	}
	return out, w.errors
}

// leaf writes one control into an item, at the field's path. fresh says that the item is new.
func (w *writer) leaf(item map[string]any, fd *Field, control string, fresh bool) {
	typed, ok := w.state.Values[control]
	if !ok || !fd.keeps(item).IsZero() {
		return
	}
	before, _ := textOf(get(item, fd.Path))
	if typed == unix(before) && (typed != "" || !fd.Required || !fresh) {
		return
	}
	v, problem := fd.parse(typed, before)
	switch {
	case !problem.IsZero():
		w.wrong(control, problem)
	case v == nil:
		remove(item, fd.Path)
	default:
		set(item, fd.Path, v)
	}
}

// parse is the value of what was typed; nil for nothing.
func (fd *Field) parse(typed, before string) (any, kinds.Message) {
	if fd.Type != Area {
		typed = strings.TrimSpace(typed)
	}
	if typed == "" {
		if fd.Required {
			return nil, message("bad.empty")
		}
		return nil, fine
	}
	if fd.Check != nil {
		if m := fd.Check(typed); !m.IsZero() {
			return nil, m
		}
	}
	switch fd.Type {
	case Number:
		n, m := whole(typed, fd.Min, fd.Max)
		return n, m
	case Quantity:
		return typed, quantity(typed)
	case Port:
		if n, err := strconv.ParseInt(typed, 10, 64); err == nil {
			return n, targetPort(typed)
		}
		return typed, targetPort(typed)
	case Choice:
		if !slices.Contains(fd.Options, typed) {
			return nil, message("bad.choice")
		}
	case Area:
		return likeBefore(typed, before), fine
	default:
	}
	return typed, fine
}

// rows writes the rows of a list. Items keep what no column shows.
func (w *writer) rows(tree map[string]any, fd *Field) {
	ids, shown := w.state.Rows[fd.ID]
	if !shown {
		return
	}
	before, _ := get(tree, fd.Path).([]any)
	taken := map[int]bool{}
	after := make([]any, 0, len(ids))
	for _, row := range ids {
		place, err := strconv.Atoi(w.state.Values[Name(fd.ID, row, From)])
		var item any
		fresh := false
		switch {
		case err == nil && place >= 0 && place < len(before) && !taken[place]:
			taken[place] = true
			item = diff.Clone(before[place])
		case w.blank(fd, row):
			continue
		default:
			item, fresh = map[string]any{}, true
		}
		if m, ok := item.(map[string]any); ok {
			for i := range fd.Columns {
				w.leaf(m, &fd.Columns[i], Name(fd.ID, row, fd.Columns[i].ID), fresh)
			}
		}
		after = append(after, item)
	}
	switch {
	case len(after) == 0 && len(before) == 0, diff.Equal(before, after):
	case len(after) == 0:
		remove(tree, fd.Path)
	default:
		set(tree, fd.Path, after)
	}
}

// blank reports whether nothing was written into a new row but what it began with.
func (w *writer) blank(fd *Field, row string) bool {
	for i := range fd.Columns {
		column := fd.Columns[i].ID
		if v := strings.TrimSpace(w.state.Values[Name(fd.ID, row, column)]); v != "" && v != fd.First[column] {
			return false
		}
	}
	return true
}

// mapping writes the rows of a map of texts.
func (w *writer) mapping(tree map[string]any, fd *Field) {
	ids, shown := w.state.Rows[fd.ID]
	if !shown {
		return
	}
	before, _ := get(tree, fd.Path).(map[string]any)
	keys := keysAt(tree, fd.Path)
	after, value := map[string]any{}, fd.value()
	for _, row := range ids {
		key, typedKey := w.state.Values[Name(fd.ID, row, Key)]
		typed, typedValue := w.state.Values[Name(fd.ID, row, Value)]
		key = strings.TrimSpace(key)
		place, err := strconv.Atoi(w.state.Values[Name(fd.ID, row, From)])
		known := err == nil && place >= 0 && place < len(keys)
		if !known && key == "" && strings.TrimSpace(typed) == "" {
			continue
		}
		was := ""
		if known {
			was = keys[place]
		}
		if known && !typedKey {
			key = was
		}
		if !w.key(fd, row, key, was, func() bool { _, twice := after[key]; return twice }) {
			continue
		}
		v, _ := textOf(before[was])
		switch {
		case known && (!typedValue || typed == unix(v) || !value.keeps(before[was]).IsZero()):
			after[key] = before[was]
		default:
			parsed, problem := value.parse(typed, v)
			if w.wrong(Name(fd.ID, row, Value), problem); parsed == nil {
				parsed = ""
			}
			after[key] = parsed
		}
	}
	store(tree, fd.Path, before, after)
}

// key checks the key of a row.
func (w *writer) key(fd *Field, row, key, was string, twice func() bool) bool {
	control := Name(fd.ID, row, Key)
	switch {
	case key == "":
		w.wrong(control, message("bad.empty"))
	case twice():
		w.wrong(control, message("bad.twice", "Key", key))
	case key != was && fd.KeyCheck != nil && !fd.KeyCheck(key).IsZero():
		w.wrong(control, fd.KeyCheck(key))
	default:
		return true
	}
	return false
}

// store puts a map where another was, if it differs.
func store(tree map[string]any, p Path, before, after map[string]any) {
	switch {
	case len(after) == 0 && len(before) == 0, diff.Equal(before, after):
	case len(after) == 0:
		remove(tree, p)
	default:
		set(tree, p, after)
	}
}
