package ui

import (
	"context"
	"io"
	"time"

	"github.com/a-h/templ"
)

// Icon is a picture from the sprite. It says nothing by itself: the words stand beside it, or on its button.
func Icon(name string) templ.Component { return Part(func(m *Markup) { m.icon(name) }) }

func (m *Markup) icon(name string) {
	m.Attribute(`<svg class="icon" aria-hidden="true" focusable="false"><use href="`, m.icons+"#"+name)
	m.HTML(`></use></svg>`)
}

// StatusWord is the word of a status with the shape of its tone.
func StatusWord(word string, tone Tone) templ.Component {
	return Part(func(m *Markup) { m.statusWord(word, tone) })
}

func (m *Markup) statusWord(word string, tone Tone) {
	m.HTML(`<span class="st`)
	m.class(toneClass(tone))
	m.class(longClass(word))
	m.HTML(`">`)
	m.Text(word)
	m.HTML(`</span>`)
}

// class adds a class to those before it.
func (m *Markup) class(name string) {
	if name != "" {
		m.b.WriteByte(' ')
		m.b.WriteString(templ.EscapeString(name))
	}
}

// StatusText is a status with the reason behind it, and since when.
func StatusText(s Status) templ.Component { return Part(func(m *Markup) { m.statusText(s) }) }

func (m *Markup) statusText(s Status) {
	if s.Word == "" {
		m.nothing()
		return
	}
	m.statusWord(s.Word, s.Tone)
	if s.Reason != "" {
		m.why(s.Reason)
	}
	if !s.Since.IsZero() {
		m.HTML(` <span class="since">`)
		m.Text(m.T("ui.since"))
		m.HTML(` `)
		m.age(s.Since)
		m.HTML(`</span>`)
	}
}

// why is muted text behind a value.
func (m *Markup) why(text string) {
	m.HTML(` <span class="why">`)
	m.Text(text)
	m.HTML(`</span>`)
}

// Nothing stands for a value that is not there.
func Nothing() templ.Component { return Part((*Markup).nothing) }

func (m *Markup) nothing() {
	m.Attribute(`<span class="none" aria-label="`, m.T("ui.none"))
	m.HTML(` role="img">–</span>`)
}

// AgeOf is how long ago t was; the full time is its title.
func AgeOf(t time.Time) templ.Component { return Part(func(m *Markup) { m.age(t) }) }

func (m *Markup) age(t time.Time) {
	if t.IsZero() {
		m.nothing()
		return
	}
	m.instant(t)
	m.Attribute(` title="`, m.locale.Time(t))
	m.HTML(` data-age>`)
	m.Text(m.locale.Age(max(0, m.now.Sub(t))))
	m.HTML(`</time>`)
}

// TimeOf is an instant in full.
func TimeOf(t time.Time) templ.Component { return Part(func(m *Markup) { m.time(t) }) }

func (m *Markup) time(t time.Time) {
	if t.IsZero() {
		m.nothing()
		return
	}
	m.instant(t)
	m.HTML(` data-local>`)
	m.Text(m.locale.Time(t))
	m.HTML(`</time>`)
}

func (m *Markup) instant(t time.Time) {
	m.HTML(`<time datetime="`)
	m.b.Write(t.UTC().AppendFormat(m.b.AvailableBuffer(), time.RFC3339))
	m.b.WriteByte('"')
}

// Value is what a cell shows.
func Value(c Cell) templ.Component { return Part(func(m *Markup) { m.Value(&c) }) }

// Value writes what a cell shows.
func (m *Markup) Value(c *Cell) {
	if c.Href != "" {
		m.Address(`<a href="`, c.Href)
		if c.Form == FormName {
			m.HTML(` class="mono"`)
		}
		m.HTML(`>`)
		m.value(c)
		m.HTML(`</a>`)
	} else {
		m.value(c)
	}
	if c.Note != "" && c.Form != FormStatus {
		m.why(c.Note)
	}
}

func (m *Markup) value(c *Cell) {
	if c.Max > 0 {
		m.bar(c.Num, c.Max, c.Tone)
		m.HTML(` `)
	}
	switch text := m.plain(c); {
	case c.Form == FormStatus:
		m.statusText(Status{Word: c.Text, Reason: c.Note, Tone: c.Tone})
	case c.Form == FormAge && c.Num != 0:
		m.age(time.Unix(int64(c.Num), 0))
	case c.Form == FormTime && c.Num != 0:
		m.time(time.Unix(int64(c.Num), 0))
	case text == "":
		m.nothing()
	case c.Form == FormName && c.Href == "":
		m.HTML(`<span class="mono`)
		m.class(toneClass(c.Tone))
		m.HTML(`">`)
		m.Text(text)
		m.HTML(`</span>`)
	case c.Tone > ToneIdle:
		m.Attribute(`<span class="`, toneClass(c.Tone))
		m.HTML(`>`)
		m.Text(text)
		m.HTML(`</span>`)
	default:
		m.Text(text)
	}
}

// plain is the text of a cell's value in the rendering's language.
func (m *Markup) plain(c *Cell) string {
	if c.Text != "" {
		return c.Text
	}
	return figure(m.locale, c.Form, c.Num)
}

// Bar draws a part of a whole. The figure stands beside it, so that it is hidden from readers of the screen.
func Bar(part, whole float64, tone Tone) templ.Component {
	return Part(func(m *Markup) { m.bar(part, whole, tone) })
}

func (m *Markup) bar(part, whole float64, tone Tone) {
	m.HTML(`<progress class="bar`)
	m.class(toneClass(tone))
	m.Attribute(`" value="`, number(part))
	m.Attribute(` max="`, number(whole))
	m.HTML(` aria-hidden="true"></progress>`)
}

// Menu is a button that opens a small sheet with whatever it wraps. It needs no JavaScript.
func Menu(id, label, icon string) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		m := newMarkup(ctx)
		defer templ.ReleaseBuffer(m.b)
		m.sheet(id, label, icon)
		if err := m.send(w); err != nil {
			return err
		}
		if err := templ.GetChildren(ctx).Render(templ.ClearChildren(ctx), w); err != nil {
			return err
		}
		m.HTML(`</div>`)
		return m.send(w)
	})
}

// Menu writes a menu around what inside writes.
func (m *Markup) Menu(id, label, icon string, inside func()) {
	m.sheet(id, label, icon)
	inside()
	m.HTML(`</div>`)
}

// sheet begins a menu.
func (m *Markup) sheet(id, label, icon string) {
	m.Attribute(`<button type="button" class="btn menu-button" data-variant="ghost" popovertarget="`, id)
	m.Attribute(` aria-label="`, label)
	m.Attribute(` title="`, label)
	m.HTML(`>`)
	m.icon(icon)
	m.Attribute(`</button><div id="`, id)
	m.HTML(` popover class="menu" data-menu>`)
}

// ActionLinks are actions one under the other, as in a menu.
func ActionLinks(actions []Action) templ.Component {
	return Part(func(m *Markup) { m.ActionLinks(actions) })
}

// ActionLinks writes actions one under the other.
func (m *Markup) ActionLinks(actions []Action) {
	for i := range actions {
		m.actionLink(&actions[i], "item")
	}
}

// ActionLink is one action: a link to its confirmation, opened in a dialog where there is JavaScript.
func ActionLink(a Action, class string) templ.Component {
	return Part(func(m *Markup) { m.actionLink(&a, class) })
}

func (m *Markup) actionLink(a *Action, class string) {
	if a.Refused != "" {
		m.HTML(`<span class="`)
		m.b.WriteString(templ.EscapeString(class))
		m.Attribute(` refused" aria-disabled="true" role="link" title="`, a.Refused)
		m.HTML(`>`)
		m.Text(a.Text)
		m.HTML(`</span>`)
		return
	}
	m.HTML(`<a class="`)
	m.b.WriteString(templ.EscapeString(class))
	if a.Danger {
		m.HTML(` danger`)
	}
	href := Local(a.Href)
	m.Attribute(`" href="`, href)
	if a.Dialog {
		m.Attribute(` hx-get="`, href)
		m.Attribute(` hx-target="#dialog-body" hx-swap="innerHTML ignoreTitle:true" hx-push-url="false" hx-sync="#dialog:replace" data-dialog="`, a.ID)
	}
	m.HTML(`>`)
	m.Text(a.Text)
	m.HTML(`</a>`)
}

// Copy is a button that puts text on the clipboard; it is there only with JavaScript.
func Copy(text, class string) templ.Component { return Part(func(m *Markup) { m.Copy(text, class) }) }

// Copy writes a button that puts text on the clipboard.
func (m *Markup) Copy(text, class string) {
	m.HTML(`<button type="button" class="`)
	m.b.WriteString(templ.EscapeString(class))
	m.Attribute(` js" data-copy="`, text)
	m.Attribute(` data-done="`, m.T("ui.copied"))
	m.HTML(`>`)
	m.Text(m.T("ui.copy_name"))
	m.HTML(`</button>`)
}
