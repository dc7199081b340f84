package views

import (
	"encoding/json"

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
