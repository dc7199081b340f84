package handlers

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/manifest"
	"tiga/views"
	"tiga/views/ui"
)

const (
	// maxEntries bounds the fields that a comparison names, maxPairs the rows that it shows.
	maxEntries = 300
	maxPairs   = 2000
	// around is how many lines are shown around a change.
	around = 3
	// maxBase bounds what an editor remembers, unpacked: as JSON it is a little longer than the text.
	maxBase = 4 << 20
)

// showConflict says what somebody else changed while the text was written, and offers to join both.
func (s *Server) showConflict(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor) error {
	live, err := s.readDraft(r, d.target)
	switch {
	case errors.Is(err, kube.ErrNotFound):
		return s.showGone(w, r, d, m)
	case err != nil:
		return err
	}
	p := s.presenter(r)
	text, err := manifest.Print(live.Tree)
	if err != nil {
		return err
	}
	_, conflicts := diff.Merge(d.base, live.Tree, d.doc.Tree)
	m.Conflict = &views.EditConflict{
		Theirs: editEntries(diff.Trees(d.base, live.Tree, diff.Options{})), Mine: editEntries(diff.Trees(d.base, d.doc.Tree, diff.Options{})),
		Live: string(text),
	}
	for _, c := range conflicts {
		m.Conflict.Paths = append(m.Conflict.Paths, views.EditChoice{
			Path: c.Path, Base: orNothing(c.Base), Theirs: orNothing(c.Theirs), Mine: orNothing(c.Mine), Chosen: d.picks[c.Path],
		})
	}
	m.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: p.loc.T("edit.conflict.notice"), Detail: p.loc.T(d.words("conflict.what"))}
	if live.UID != d.uid {
		m.Notice.Detail = p.loc.T(d.words("conflict.replaced"))
	}
	return s.showEditor(w, r, http.StatusConflict, d, m)
}

func orNothing(v any) string {
	if v == nil {
		return "∅"
	}
	return diff.Value(v)
}

// mergeDraft joins the text with the object as it is now. Fields that both changed have to be chosen; the text stays as
// it is until all are.
func (s *Server) mergeDraft(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor) error {
	live, err := s.readDraft(r, d.target)
	if errors.Is(err, kube.ErrNotFound) {
		return s.showGone(w, r, d, m)
	}
	if err != nil {
		return err
	}
	open := false
	merged, _ := diff.MergeWith(d.base, live.Tree, d.doc.Tree, func(c diff.Conflict) diff.Side {
		switch d.picks[c.Path] {
		case "theirs":
			return diff.Theirs
		case "mine":
		default:
			open = true
		}
		return diff.Mine
	})
	if open {
		return s.showConflict(w, r, d, m)
	}
	text, err := d.doc.With(merged)
	if err != nil {
		return err
	}
	p := s.presenter(r)
	d.text, d.base, d.uid, d.rv = string(text), live.Tree, live.UID, live.ResourceVersion
	m.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: p.loc.T(d.words("conflict.merged")), Detail: p.loc.T("edit.conflict.merged_what")}
	entries := diff.Trees(live.Tree, merged, diff.Options{})
	m.Diff = &views.EditDiff{Entries: editEntries(entries)}
	return s.showEditor(w, r, http.StatusOK, d, m)
}

// editEntries are the fields of a comparison as its list shows them.
func editEntries(entries []diff.Entry) []views.EditEntry {
	out := make([]views.EditEntry, 0, min(len(entries), maxEntries))
	for _, e := range entries[:min(len(entries), maxEntries)] {
		item := views.EditEntry{Op: string(e.Op), Path: e.Path}
		if e.Op != diff.Added {
			item.Before = diff.Value(e.Before)
		}
		if e.Op != diff.Removed {
			item.After = diff.Value(e.After)
		}
		out = append(out, item)
	}
	return out
}

// editDiffOf is what a change does, field by field and line by line.
func editDiffOf(w kube.Written, entries []diff.Entry) *views.EditDiff {
	d := &views.EditDiff{Entries: editEntries(entries), More: max(0, len(entries)-maxEntries)}
	if w.Before == nil || len(entries) == 0 {
		return d
	}
	before, err := manifest.Print(diff.Quiet(w.Before))
	if err != nil {
		return d
	}
	after, err := manifest.Print(diff.Quiet(w.After))
	if err != nil {
		return d
	}
	hunks, rest := diff.Hunks(diff.Lines(before, after), around)
	for _, h := range hunks {
		if h.Skipped > 0 {
			d.Pairs = append(d.Pairs, views.EditPair{Skipped: h.Skipped})
		}
		for _, pair := range diff.Pairs(h.Lines) {
			if len(d.Pairs) == maxPairs {
				return d
			}
			d.Pairs = append(d.Pairs, views.EditPair{Left: editLine(pair.Left, false), Right: editLine(pair.Right, true)})
		}
	}
	if rest > 0 && len(d.Pairs) > 0 {
		d.Pairs = append(d.Pairs, views.EditPair{Skipped: rest})
	}
	return d
}

func editLine(l *diff.Line, now bool) views.EditLine {
	if l == nil {
		return views.EditLine{}
	}
	out := views.EditLine{Number: l.Old, Changed: l.Op != "", Before: l.Text}
	if now {
		out.Number = l.New
	}
	if l.To > l.From {
		out.Before, out.Mark, out.After = l.Text[:l.From], l.Text[l.From:l.To], l.Text[l.To:]
	}
	return out
}

// pack makes a tree small enough to travel with a form.
func pack(tree map[string]any) (string, error) {
	if tree == nil {
		return "", nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(tree); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// errTooMuch means that something unpacks to more than an object can have.
var errTooMuch = errors.New("more than an object")

// unpack is the reverse. What comes in a form may be anything, so that it is bounded.
func unpack(packed string) (map[string]any, error) {
	if packed == "" {
		return nil, nil
	}
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxBase+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxBase {
		return nil, errTooMuch
	}
	var tree map[string]any
	return tree, json.Unmarshal(text, &tree)
}
