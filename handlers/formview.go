package handlers

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"tiga/kube/editform"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// formPage puts a form together for its page.
type formPage struct {
	presenter
	*editform.Form
	tree     map[string]any
	state    editform.State
	errors   map[string]string // by control
	focus    string
	download string // where keys are downloaded; "" for nowhere
	base     map[string]any
}

// fillForm adds to an editor the controls of its form. Errors that name a field of the form are said there.
func (s *Server) fillForm(r *http.Request, d *draft, m *views.Editor) error {
	p, k := s.presenter(r), kindOf(r)
	doc, err := s.manifests.Read([]byte(d.text))
	if err != nil {
		d.form = nil // a form's text is ours, unless somebody has written it: they see what they wrote
		return nil   //nolint:nilerr // what is wrong with it has been said
	}
	f := s.formOf(r, d, doc.Tree)
	if !d.form.typed {
		d.form.state = f.Read(doc.Tree)
	}
	page := &formPage{presenter: p, Form: f, tree: doc.Tree, state: d.form.state, errors: map[string]string{}, focus: d.form.focus, base: d.base}
	path := objectPath(clusterOf(r).ID(), k, d.namespace, d.name)
	if k.ID() == kindConfigMaps {
		page.download = path + "/download"
	}
	for _, e := range d.form.errors {
		page.wrong(m, e.Control, page.words(e.Message))
	}
	for i := range m.Errors {
		e := &m.Errors[i]
		e.Line, e.Column = 0, 0
		if control, ok := f.Control(doc.Tree, d.form.state, e.Field); ok && e.Anchor == "" {
			page.errors[control], e.Anchor = e.Text, "#"+page.anchor(control)
		}
	}
	m.Form = &views.EditForm{Dirty: r.Method == http.MethodPost}
	for i := range f.Sections {
		m.Form.Sections = append(m.Form.Sections, page.section(&f.Sections[i]))
	}
	m.Post, m.Explanation = path+"/form", p.loc.T("form.what")
	return nil
}

// wrong says something at a control, and in the list above the form.
func (p *formPage) wrong(m *views.Editor, control, text string) {
	p.errors[control] = text
	field, _, _ := strings.Cut(control, ".")
	name := ""
	if fd, ok := p.Field(field); ok {
		name = p.words(fd.Label)
	}
	for i := range p.Sections {
		if s := &p.Sections[i]; s.Name != "" && slices.ContainsFunc(s.Fields, func(fd editform.Field) bool { return fd.ID == field }) {
			name = s.Name + p.loc.T("settings.colon") + name
		}
	}
	m.Errors = append(m.Errors, views.EditError{Field: name, Text: text, Anchor: "#" + p.anchor(control)})
}

// anchor is the element of a control, or of a field with rows.
func (p *formPage) anchor(control string) string {
	if fd, ok := p.Field(control); ok && fd.Type >= editform.Rows {
		return "field-" + control
	}
	return ui.Field{Name: inForm + control}.ElementID()
}

func (p *formPage) section(s *editform.Section) views.FormSection {
	out := views.FormSection{ID: s.ID, Title: p.words(s.Title), Name: s.Name, Note: p.words(s.Note)}
	for i := range s.Fields {
		out.Fields = append(out.Fields, p.field(&s.Fields[i]))
	}
	return out
}

func (p *formPage) field(fd *editform.Field) views.FormField {
	out := views.FormField{ID: fd.ID, Label: p.words(fd.Label), Note: p.words(fd.Note), Fixed: fd.Fixed}
	if fd.Type < editform.Rows {
		value, shown := p.state.Values[fd.ID]
		out.Control = p.control(fd, fd.ID, value)
		out.Control.Help = out.Note
		if !shown {
			out.Fixed, out.Kept = true, p.loc.T("form.kept.odd")
		}
		out.Text = value
		return out
	}
	out.Rows, out.Values, out.Error = true, fd.Type == editform.Values, p.errors[fd.ID]
	out.Add, out.AddText, out.FocusAdd = doAdd+fd.ID, p.loc.T("form.add."+strings.TrimPrefix(fd.Label.ID, "form.label.")), p.focus == doAdd+fd.ID
	for _, l := range p.Lines(fd, p.tree, p.state) {
		out.Lines = append(out.Lines, p.line(fd, l))
	}
	columns := fd.Columns
	if fd.Type != editform.Rows {
		columns = []editform.Field{{Label: kinds.Message{ID: "form.label.key"}}, {Label: kinds.Message{ID: "form.label.value"}}}
	}
	for i := range columns {
		out.Columns = append(out.Columns, p.words(columns[i].Label))
	}
	return out
}

func (p *formPage) line(fd *editform.Field, l editform.Line) views.FormLine {
	out := views.FormLine{Row: l.ID + "/" + l.From, Remove: doRemove + fd.ID + ":" + l.ID}
	name := ""
	for i, c := range l.Cells {
		control := p.control(c.Field, c.Name, c.Value)
		if c.Field.Label.IsZero() || fd.Type != editform.Rows && i == 1 {
			control.Label = p.loc.T("form.label.value")
		}
		cell := views.FormCell{Control: control, Kept: p.words(c.Kept), Text: c.Text, Fixed: fd.Fixed || !c.Kept.IsZero()}
		if cell.Fixed && c.Kept.IsZero() {
			cell.Text = c.Value
		}
		if i == 0 {
			name = c.Value + c.Text
			cell.Control.Focus = p.focus != "" && strings.HasPrefix(c.Name, p.focus)
		}
		out.Cells = append(out.Cells, cell)
	}
	out.RemoveText = p.loc.T("form.remove", "Name", name)
	if fd.Type == editform.Values {
		p.entry(fd, l, &out)
	}
	return out
}

// entry is what a key of a ConfigMap or a Secret has, and the controls that replace it.
func (p *formPage) entry(fd *editform.Field, l editform.Line, out *views.FormLine) {
	e := l.Entry
	file := editform.Name(fd.ID, l.ID, editform.File)
	out.File = &ui.Field{Type: ui.FieldFile, Name: inForm + file, Label: p.loc.T("form.label.file")}
	out.Size, out.Known = e.Size, e.Kind != editform.EntryNew
	value := &out.Cells[1].Control
	value.Type, value.Mono, value.Rows = ui.FieldArea, true, min(1+strings.Count(value.Value, "\n"), 16)
	if strings.HasPrefix(value.Value, "\n") {
		value.Value = "\n" + value.Value // HTML takes the first one away
	}
	switch e.Kind {
	case editform.EntryMasked:
		out.State, value.Label = p.loc.T("form.state.masked"), p.loc.T("form.label.new_value")
		out.Cells[0].Kept = "" // the key is shown, and need not be explained
	case editform.EntryGiven:
		out.State, value.Label = p.loc.T("form.state.given"), p.loc.T("form.label.new_value")
	case editform.EntryBinary:
		out.State, value.Label = p.loc.T("form.state.binary"), p.loc.T("form.label.new_text")
	case editform.EntryOdd:
		out.State, value.Label = p.loc.T("form.state.odd"), p.loc.T("form.label.new_text")
	default:
	}
	if _, stored := editform.Content(p.base, e.Key); p.download != "" && stored && out.Known {
		out.Download = query{"key": {e.Key}}.at(p.download)
	}
	if l.Pending != nil {
		out.Held = &ui.Pair{Key: inHeld + file, Value: base64.StdEncoding.EncodeToString(l.Pending)}
		out.Size, out.State = len(l.Pending), p.loc.T("form.state.held")
		value.Help = p.loc.T("form.state.held_what")
	}
}

// control is a control for a field.
func (p *formPage) control(fd *editform.Field, name, value string) ui.Field {
	c := ui.Field{Name: inForm + name, Label: p.words(fd.Label), Value: value, Error: p.errors[name], Mono: true}
	switch fd.Type {
	case editform.Area:
		c.Type, c.Rows = ui.FieldArea, min(1+strings.Count(value, "\n"), 12)
	case editform.Choice:
		c.Type = ui.FieldSelect
		options := fd.Options
		if !slices.Contains(options, value) {
			options = append([]string{value}, options...)
		}
		for _, o := range options {
			c.Options = append(c.Options, ui.Option{Value: o, Text: o, Chosen: o == value})
		}
	default:
	}
	if c.Type == ui.FieldArea && strings.HasPrefix(value, "\n") {
		c.Value = "\n" + value // HTML takes the first one away
	}
	return c
}
