package handlers

import (
	"cmp"
	"net/http"

	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
	"tiga/views"
	"tiga/views/ui"
)

// maxApplyRows bounds the fields and lines that a page shows of all documents together.
const maxApplyRows = 6000

// applyView is the page: the options, and what a plan says where there is one.
func (s *Server) applyView(r *http.Request, in *applyInput, plan *applyPlan) views.Apply {
	c, p := clusterOf(r), s.presenter(r)
	look := s.looks.of(c.ID())
	m := views.Apply{
		Title: p.loc.T("apply.title"), Cluster: c.Name(), Environment: environment(look.Environment, look.Colour), Production: look.production(),
		Post: applyPath(c.ID()), Cancel: clusterPath(c.ID()),
	}
	option := func(value string) ui.Option {
		return ui.Option{Value: value, Text: p.loc.T("apply.policy." + cmp.Or(value, "ask")), Chosen: in.policy == value}
	}
	m.Fields = []ui.Field{
		{Name: "namespace", Label: p.loc.T("apply.namespace"), Help: p.loc.T("apply.namespace_help"), Value: in.namespace, Mono: true, Autocomplete: "off"},
		{Type: ui.FieldSelect, Name: "policy", Label: p.loc.T("apply.policy.label"), Help: p.loc.T("apply.policy.help"), Options: []ui.Option{option(ownAsk), option(ownTake), option(ownLeave)}},
		{Type: ui.FieldCheck, Name: "stop", Label: p.loc.T("apply.stop"), Help: p.loc.T("apply.stop_help"), Checked: in.stopAt},
	}
	if plan == nil {
		return m
	}
	m.Errors = p.streamErrors(plan.errs)
	m.Checked, m.Sent = len(plan.docs) > 0, len(plan.sent())
	left := maxApplyRows
	for _, d := range plan.docs {
		doc := s.applyDocument(r, in, d)
		if doc.Diff != nil {
			if n := len(doc.Diff.Entries) + len(doc.Diff.Pairs); n > left {
				doc.Diff, m.Cut = &views.EditDiff{More: len(doc.Diff.Entries) + doc.Diff.More}, true
			} else {
				left -= n
			}
		}
		m.Documents = append(m.Documents, doc)
	}
	for _, v := range []verdict{applyCreate, applyChange, applyUnchanged, applyLater, applyConflict, applyRefused, applyBarred, applyUnchecked} {
		if n := plan.count(v); n > 0 {
			m.Counts = append(m.Counts, views.ApplyCount{Status: p.verdict(v), Count: n})
		}
	}
	return m
}

// streamErrors are what keeps a text from being read, with the document and the line.
func (p presenter) streamErrors(list []*manifest.Error) []views.EditError {
	var out []views.EditError
	for _, e := range list {
		item := views.EditError{Line: e.Line, Column: e.Column, Text: p.words(e.Message)}
		if e.Document > 0 {
			item.Text = p.loc.T("apply.in_document", "Number", e.Document) + " " + item.Text
		}
		out = append(out, item)
	}
	return out
}

// verdict is a verdict in a word.
func (p presenter) verdict(v verdict) ui.Status {
	st := ui.Status{Word: p.loc.T("apply.verdict." + string(v))}
	switch v {
	case applyCreate, applyChange:
		st.Tone = ui.ToneOK
	case applyRefused, applyBarred:
		st.Tone = ui.ToneBad
	case applyConflict, applyUnchecked:
		st.Tone = ui.ToneWarn
	case applyLater:
		st.Tone = ui.ToneInfo
	default:
		st.Tone = ui.ToneIdle
	}
	return st
}

// applyDocument is a row of the table.
func (s *Server) applyDocument(r *http.Request, in *applyInput, d *applyDoc) views.ApplyDocument {
	c, p := clusterOf(r), s.presenter(r)
	out := views.ApplyDocument{
		Number: d.Number, Line: d.Line, Kind: d.said, Object: ui.Link{Text: d.name, Note: d.namespace}, Verdict: p.verdict(d.verdict), Warnings: d.done.Warnings,
	}
	if d.kind != nil {
		out.Kind = d.kind.Name
		switch d.verdict { // the object is there, and may be seen
		case applyChange, applyUnchanged, applyConflict:
			out.Object.Href = objectPath(c.ID(), d.kind, d.namespace, d.name)
		default:
		}
	}
	for _, why := range d.why {
		out.Why = append(out.Why, p.words(why))
	}
	out.Errors = p.editErrors(d.Doc, &kube.Error{Causes: d.causes})
	if d.verdict == applyChange || d.verdict == applyCreate {
		out.Diff = editDiffOf(d.done.Written, d.done.Entries())
	}
	for _, f := range d.conflicts {
		out.Conflicts = append(out.Conflicts, p.applyConflict(in, d, f))
	}
	return out
}

func (p presenter) applyConflict(in *applyInput, d *applyDoc, f kube.FieldConflict) views.ApplyConflict {
	owner := f.Manager
	if f.Subresource != "" {
		owner += " (" + f.Subresource + ")"
	}
	return views.ApplyConflict{
		Name: ownName(d, f.Field), Field: diffPath(f.Field), Owner: owner,
		Mine: orNothing(f.Mine), Live: orNothing(f.Live), Choice: d.pick(in, f.Field), Fixed: f.Fixed,
	}
}

// diffPath is a field as changes name it, without the dot before it.
func diffPath(field string) string {
	if len(field) > 1 && field[0] == '.' {
		return field[1:]
	}
	return field
}

// valueText is a value in words for programs.
func valueText(v any) string {
	if v == nil {
		return ""
	}
	return diff.Value(v)
}

// allWords are several messages one after the other.
func (p presenter) allWords(list []kinds.Message) string {
	text := ""
	for _, m := range list {
		if text != "" {
			text += " "
		}
		text += p.words(m)
	}
	return text
}
