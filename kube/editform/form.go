// Package editform describes the edits that people make most as forms: fields bound
// to paths of an object's tree. It reads what stands in the fields from a tree,
// writes it back after checking it, and leaves all else of the tree as it is.
// It knows nothing of a cluster.
package editform

import (
	"slices"
	"strconv"
	"strings"

	"tiga/kube/kinds"
	"tiga/kube/manifest"
)

// Type is how a field is shown, and what may be written in it.
type Type uint8

// The types of fields.
const (
	Text     Type = iota // one line
	Area                 // text of any lines
	Number               // a whole number
	Quantity             // 500m, 2Gi
	Port                 // a number or a name
	Choice               // one of Options
	Rows                 // a list of objects, each with Columns
	Map                  // keys with text
	Values               // keys with values that may be files: of a ConfigMap or a Secret
)

// Path leads from a tree to a value: texts are keys, ints the places of lists.
type Path []any

// tokens are the steps as texts.
func (p Path) tokens() []string {
	out := make([]string, len(p))
	for i, step := range p {
		switch s := step.(type) {
		case string:
			out[i] = s
		case int:
			out[i] = strconv.Itoa(s)
		}
	}
	return out
}

func (p Path) with(steps ...any) Path { return append(slices.Clip(p), steps...) }

// Field is a field of a form, or a column of one of type Rows.
type Field struct {
	// ID names the field's controls; it is unique in a form, or in a row.
	ID string
	// Label is a message of what stands in it.
	Label    kinds.Message
	Path     Path
	Type     Type
	Options  []string // Choice
	Required bool
	Min, Max int64 // Number
	// Check says what is wrong with a text that is not empty; nil for nothing.
	Check func(string) kinds.Message
	// KeyCheck is the same for the keys of Map and Values.
	KeyCheck func(string) kinds.Message
	// Fixed shows the field and lets nobody change it; Note says why, or what else is to be known.
	Fixed bool
	Note  kinds.Message
	// Columns are the fields of a row.
	Columns []Field
	// Kept says what stands in place of a column's value in an item where that is no text; nil for never.
	Kept func(item map[string]any) kinds.Message
	// Files is where Values keeps what is no text, in base64. Secret marks those whose values are marks, see Form.
	Files  Path
	Secret bool
	// First is the row that an empty list begins with when a row is added.
	First map[string]string
}

// Section is a part of a form.
type Section struct {
	ID string
	// Title is a message, and Name what it is about where that is a name of the object's.
	Title  kinds.Message
	Name   string
	Fields []Field
	Note   kinds.Message
}

// Form is the form of one object.
type Form struct {
	Sections []Section
	// base is what the edit began with: a Secret's value that is the same there is a mark.
	base   map[string]any
	checks []check
}

// check is a rule about several fields at once.
type check func(tree map[string]any, wrong func(control string, m kinds.Message))

// Facts are what has to be known besides the object.
type Facts struct {
	// Scaler is the autoscaler that sets the replicas; "" for none.
	Scaler string
	// Class is the StorageClass of a claim, and Expands says whether it lets claims grow.
	Class   string
	Expands Expands
}

// Expands says whether claims of a StorageClass can grow.
type Expands uint8

// The answers; ExpandsUnknown where the class cannot be read.
const (
	ExpandsUnknown Expands = iota
	ExpandsYes
	ExpandsNo
)

// Known reports whether a kind has a form for more than labels and annotations.
func Known(id string) bool {
	_, ok := descriptors[id]
	return ok
}

// Of is the form of an object of a kind. base is what its edit began with.
func Of(id string, tree, base map[string]any, facts Facts) *Form {
	f := &Form{base: base}
	if describe, ok := descriptors[id]; ok {
		describe(&builder{f, tree, facts})
	}
	f.Sections = append(f.Sections, metadata())
	return f
}

// Field finds a field by its id.
func (f *Form) Field(id string) (*Field, bool) {
	for i := range f.Sections {
		for j := range f.Sections[i].Fields {
			if fd := &f.Sections[i].Fields[j]; fd.ID == id {
				return fd, true
			}
		}
	}
	return nil, false
}

func (f *Form) fields(yield func(*Field)) {
	for i := range f.Sections {
		for j := range f.Sections[i].Fields {
			yield(&f.Sections[i].Fields[j])
		}
	}
}

// State is what stands in the controls of a form. What is not in it was not shown, and stays as it is.
type State struct {
	// Values are the texts by the names of their controls.
	Values map[string]string
	// Rows are the ids of the rows of each field that has some, in their order.
	Rows map[string][]string
	// Files are what was uploaded, by the names of their controls.
	Files map[string][]byte
}

// NewState is an empty one.
func NewState() State {
	return State{map[string]string{}, map[string][]string{}, map[string][]byte{}}
}

// The parts of the names of a row's controls.
const (
	From  = "from"  // the place of what the row was in the tree; empty for a new one
	Key   = "key"   // of Map and Values
	Value = "value" // the same
	File  = "file"  // Values
)

// Name is the name of a control in a row.
func Name(field, row, column string) string { return field + "." + row + "." + column }

// maxRows bounds the rows that are added to a field.
const maxRows = 1000

// Add adds an empty row to a field and returns its id; "" where there are too many.
func (f *Form) Add(s State, field string) string {
	fd, ok := f.Field(field)
	rows := s.Rows[field]
	if !ok || fd.Fixed || len(rows) >= maxRows {
		return ""
	}
	next := 0
	for _, row := range rows {
		if n, err := strconv.Atoi(row); err == nil && n >= next {
			next = n + 1
		}
	}
	id := strconv.Itoa(next)
	s.Rows[field] = append(slices.Clip(rows), id)
	for column, v := range fd.First {
		s.Values[Name(field, id, column)] = v
	}
	return id
}

// Remove takes a row away.
func (f *Form) Remove(s State, field, row string) {
	if fd, ok := f.Field(field); !ok || fd.Fixed {
		return
	}
	if rows := s.Rows[field]; slices.Contains(rows, row) {
		s.Rows[field] = slices.DeleteFunc(slices.Clone(rows), func(r string) bool { return r == row })
	}
}

// Error is something wrong in a control; that of a whole field has its ID.
type Error struct {
	Control string
	Message kinds.Message
}

func message(id string, args ...any) kinds.Message {
	m := kinds.Message{ID: "form." + id}
	for i := 0; i+1 < len(args); i += 2 {
		if m.Args == nil {
			m.Args = map[string]any{}
		}
		m.Args[args[i].(string)] = args[i+1] //nolint:forcetypeassert // the callers are in this package and pass literals
	}
	return m
}

// Control finds the control that a field of a refusal is about, in the words of an API server: "spec.ports[0].port". s is
// as Read made it of tree.
func (f *Form) Control(tree map[string]any, s State, field string) (control string, ok bool) {
	want := manifest.Steps(field)
	for i := range want {
		want[i] = strings.Trim(want[i], `"`)
	}
	best := 0
	try := func(p Path, name string) {
		have := p.tokens()
		n := 0
		for n < len(have) && n < len(want) && have[n] == want[n] {
			n++
		}
		score := 0
		switch {
		case n == len(have) && n == len(want):
			score = 2000
		case n == len(have):
			score = 1000 + n // the refusal is about something in it
		case n == len(want) && n > 1:
			score = n // it is about all of several
		}
		if score > best {
			best, control = score, name
		}
	}
	f.fields(func(fd *Field) {
		try(fd.Path, fd.ID)
		for _, row := range s.Rows[fd.ID] {
			place, err := strconv.Atoi(s.Values[Name(fd.ID, row, From)])
			if err != nil {
				continue
			}
			switch fd.Type {
			case Rows:
				for i := range fd.Columns {
					c := &fd.Columns[i]
					try(fd.Path.with(place).with(c.Path...), Name(fd.ID, row, c.ID))
				}
			case Map:
				if keys := keysAt(tree, fd.Path); place < len(keys) {
					try(fd.Path.with(keys[place]), Name(fd.ID, row, Value))
				}
			case Values:
				if items := fd.entries(tree); place < len(items) {
					try(fd.Path.with(items[place].key), Name(fd.ID, row, Value))
					try(fd.Files.with(items[place].key), Name(fd.ID, row, Value))
				}
			default:
			}
		}
	})
	return control, best > 0
}
