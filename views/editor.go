package views

import (
	"context"
	"encoding/json"
	"io"

	"github.com/a-h/templ"

	"tiga/views/ui"
)

// editMarks are the errors as the editor's script reads them.
func editMarks(list []EditError) string {
	type mark struct {
		Line int    `json:"row"`
		Text string `json:"text"`
	}
	out := []mark{}
	for _, e := range list {
		if e.Line > 0 {
			out = append(out, mark{e.Line - 1, ui.Visible(e.Text)})
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return "[]"
	}
	return string(raw)
}

// editWords are the words of the editor's search box, by the names that Ace has for them.
func editWords(ctx context.Context) string {
	raw, err := json.Marshal(map[string]string{
		"search-box.find.placeholder":          ui.T(ctx, "edit.find.find"),
		"search-box.find-all.text":             ui.T(ctx, "edit.find.all"),
		"search-box.replace.placeholder":       ui.T(ctx, "edit.find.with"),
		"search-box.replace-next.text":         ui.T(ctx, "edit.find.replace"),
		"search-box.replace-all.text":          ui.T(ctx, "edit.find.replace_all"),
		"search-box.toggle-replace.title":      ui.T(ctx, "edit.find.replacing"),
		"search-box.toggle-regexp.title":       ui.T(ctx, "edit.find.regexp"),
		"search-box.toggle-case.title":         ui.T(ctx, "edit.find.case"),
		"search-box.toggle-whole-word.title":   ui.T(ctx, "edit.find.word"),
		"search-box.toggle-in-selection.title": ui.T(ctx, "edit.find.selection"),
		"search-box.search-counter":            ui.T(ctx, "edit.find.counter"),
	})
	if err != nil {
		return "{}"
	}
	return string(raw)
}

func editTone(t ui.Tone) string {
	switch t {
	case ui.ToneOK:
		return "ok"
	case ui.ToneWarn:
		return "warn"
	case ui.ToneBad:
		return "bad"
	case ui.ToneNone, ui.ToneIdle, ui.ToneInfo:
	}
	return "info"
}

// editLineText is one line with what differs in it marked. It writes the markup itself because whitespace counts here.
func editLineText(l EditLine) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		text := `<span class="text">` + escaped(l.Before)
		if l.Mark != "" {
			text += "<mark>" + escaped(l.Mark) + "</mark>"
		}
		_, err := io.WriteString(w, text+escaped(l.After)+"</span>")
		return err
	})
}
