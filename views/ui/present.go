package ui

import (
	"context"
	"math"
	"strconv"
)

func toneClass(t Tone) string {
	switch t {
	case ToneIdle:
		return "idle"
	case ToneInfo:
		return "info"
	case ToneOK:
		return "ok"
	case ToneWarn:
		return "warn"
	case ToneBad:
		return "bad"
	case ToneNone:
	}
	return ""
}

func colourClass(c string) string {
	switch c {
	case "red", "amber", "green", "blue", "violet", "grey":
		return "env-" + c
	}
	return "env-grey"
}

// EdgeClass is the class of the edge over the top bar; "" for a cluster without a colour.
func EdgeClass(colour string) string {
	if colour == "" {
		return ""
	}
	return colourClass(colour)
}

func freshClass(s FreshState) string {
	switch s {
	case FreshLive:
		return "live"
	case FreshStale:
		return "stale"
	case FreshNone, FreshCatchingUp, FreshPaused:
	}
	return "behind"
}

func freshWord(s FreshState) string {
	switch s {
	case FreshLive:
		return "ui.fresh.live"
	case FreshCatchingUp:
		return "ui.fresh.catching_up"
	case FreshPaused:
		return "ui.fresh.paused"
	case FreshNone, FreshStale:
	}
	return "ui.fresh.stale"
}

// figure writes a number in a form; "" for the forms that are written from something else.
func figure(l Locale, form Form, n float64) string {
	switch form {
	case FormNumber:
		return l.Number(n)
	case FormCPU:
		return l.CPU(n)
	case FormBytes:
		return l.Bytes(n)
	case FormText, FormName, FormAge, FormRatio, FormStatus, FormTime:
	}
	return ""
}

// Figure writes a number in the given form.
func Figure(ctx context.Context, form Form, n float64) string {
	return figure(env(ctx).Locale, form, n)
}

// Percent is part of whole in words, or "" where there is no whole.
func Percent(part, whole float64) string {
	if whole <= 0 {
		return ""
	}
	return strconv.Itoa(int(math.Round(part/whole*100))) + " %"
}

// UsageTone is the tone of a part of a whole: a warning from 80 %, bad above all of it.
func UsageTone(part, whole float64) Tone {
	switch {
	case whole <= 0:
		return ToneNone
	case part > whole:
		return ToneBad
	case part >= 0.8*whole:
		return ToneWarn
	}
	return ToneNone
}

// Right says whether a cell of this form stands at the right of its column.
func (f Form) Right() bool {
	switch f {
	case FormNumber, FormAge, FormCPU, FormBytes, FormRatio:
		return true
	case FormText, FormName, FormStatus, FormTime:
	}
	return false
}

// longWord is how many bytes of a status stay on one line.
const longWord = 32

func longClass(word string) string {
	if len(word) > longWord {
		return "long"
	}
	return ""
}

// shortName is how many bytes of a name never break: names of nodes and versions stay in one piece.
const shortName = 16

// shortWords is the same for text.
const shortWords = 14

// CellClass is the class of the table cell around a value.
func CellClass(c Cell) string {
	switch {
	case c.Form == FormAge:
		return "r age"
	case c.Form.Right():
		return "r"
	case c.Form == FormName && len(c.Text) <= shortName:
		return "mono nowrap"
	case c.Form == FormName:
		return "mono"
	case c.Form == FormStatus:
		return "state"
	case c.Text != "" && len(c.Text) <= shortWords:
		return "nowrap" // a namespace, a type: in two lines it costs more height than it saves width
	}
	return ""
}

// number writes a figure for an attribute.
func number(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
		return "0"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
