package ui

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/a-h/templ"
)

// Markup writes the small parts that a page has hundreds of. A template calls a function, looks into its context and
// asks for errors for each of its values, which for a hundred rows takes longer than everything else about a page.
//
// Text always goes through text or attribute, which escape it: html takes constants only.
type Markup struct {
	b      *bytes.Buffer
	locale Locale
	now    time.Time
	icons  string // the address of the sprite
}

// constant is a piece of a page that stands in the source. A string that is not a constant does not convert by itself.
type constant string

// Part is a component that writes itself by hand. What write gets is good until it returns.
func Part(write func(m *Markup)) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := newMarkup(ctx)
		defer templ.ReleaseBuffer(m.b)
		write(&m)
		return m.send(w)
	})
}

func newMarkup(ctx context.Context) Markup {
	e := env(ctx)
	return Markup{b: templ.GetBuffer(), locale: e.Locale, now: e.Now, icons: Asset(ctx, "icons.svg")}
}

// send hands on what was written so far.
func (m *Markup) send(w io.Writer) error {
	_, err := w.Write(m.b.Bytes())
	m.b.Reset()
	return err
}

// HTML writes a constant piece of a page as it stands.
func (m *Markup) HTML(s constant) { m.b.WriteString(string(s)) }

// Text writes text, escaped, with what hides in it shown.
func (m *Markup) Text(s string) {
	if tame(s) {
		m.b.WriteString(s)
		return
	}
	m.b.WriteString(templ.EscapeString(Visible(s)))
}

// Attribute writes the value of an attribute between its quotes. The name is a constant that ends in `="`.
func (m *Markup) Attribute(name constant, value string) {
	m.HTML(name)
	if tame(value) {
		m.b.WriteString(value)
	} else {
		m.b.WriteString(templ.EscapeString(value))
	}
	m.b.WriteByte('"')
}

// Address writes the value of an attribute that is an address. It is one of this server or leads nowhere.
func (m *Markup) Address(name constant, address string) { m.Attribute(name, Local(address)) }

// T is the message of an id in the language of the rendering.
func (m *Markup) T(id string, args ...any) string { return m.locale.T(id, args...) }

// tame reports whether a text is plain ASCII without anything that has to be escaped, as nearly all are.
func tame(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '&', c == '<', c == '>', c == '"', c == '\'':
			return false
		}
	}
	return true
}
