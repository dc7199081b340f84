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
