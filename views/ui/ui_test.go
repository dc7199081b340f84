package ui

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestA21_VisibleShowsWhatHides(t *testing.T) {
	tests := map[string]string{
		"nginx":              "nginx",
		"a\tb\nc":            "a\tb\nc",
		"pod-\u202egnp.exe":  `pod-\u202egnp.exe`,
		"a\u2066b\u2069":     `a\u2066b\u2069`,
		"bell\a and \x1b[0m": `bell\u0007 and \u001b[0m`,
		"zero\u200bwidth":    `zero\u200bwidth`,
		"\u00adsoft":         `\u00adsoft`,
		"bom\ufeff":          `bom\ufeff`,
		"名字 مرحبا":           "名字 مرحبا",
		"👩\u200d🚒":           "👩\u200d🚒",
	}
	for in, want := range tests {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestA21_LocalKeepsAddressesHere(t *testing.T) {
	for _, fine := range []string{"/", "/clusters/1/pods?ns=a&q=%2F", "#main"} {
		if got := Local(fine); got != fine {
			t.Errorf("Local(%q) = %q", fine, got)
		}
	}
	for _, bad := range []string{"", "javascript:alert(1)", "//evil.example", "https://evil.example", "/\\evil.example", "\t/x", "/\tx", "data:text/html,x", "clusters/1"} {
		if got := Local(bad); got != "#" {
			t.Errorf("Local(%q) = %q, want #", bad, got)
		}
	}
}

// TestA21_MarkupEscapes proves it for what is written by hand; the stories prove it for the parts made of it.
func TestA21_MarkupEscapes(t *testing.T) {
	var b strings.Builder
	hostile := "\"><script>'&\u202e"
	part := Part(func(m *Markup) {
		m.Attribute(`<a title="`, hostile)
		m.Address(` href="`, "javascript:alert(1)")
		m.Address(` hx-get="`, `/x"onclick="y`)
		m.HTML(`>`)
		m.Text(hostile)
		m.HTML(`</a>`)
	})
	if err := part.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	const escaped = `&#34;&gt;&lt;script&gt;&#39;&amp;`
	want := `<a title="` + escaped + "\u202e" + `" href="#" hx-get="/x&#34;onclick=&#34;y">` + escaped + `\u202e</a>`
	if b.String() != want {
		t.Errorf("written is %s, want %s", b.String(), want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := part.Render(ctx, &b); err == nil {
		t.Error("a part is written for a browser that has left")
	}
}

func TestEveryToneHasAShapeInTheStyle(t *testing.T) {
	seen := map[string]bool{}
	for tone := ToneIdle; tone <= ToneBad; tone++ {
		class := toneClass(tone)
		if class == "" || seen[class] {
			t.Errorf("tone %d has the class %q", tone, class)
		}
		seen[class] = true
	}
	if toneClass(ToneNone) != "" {
		t.Error("no tone has a class")
	}
}

func TestCellsAreWrittenByTheirForm(t *testing.T) {
	ctx := With(t.Context(), Env{Now: time.Unix(1_000_000, 0)})
	tests := []struct {
		cell Cell
		want string
	}{
		{Cell{}, "–"},
		{Cell{Text: "<b>"}, "&lt;b&gt;"},
		{Cell{Text: "nginx", Form: FormName}, `<span class="mono">nginx</span>`},
		{Cell{Text: "nginx", Form: FormName, Href: "/x"}, `<a href="/x" class="mono">nginx`},
		{Cell{Text: "x", Href: "javascript:alert(1)"}, `href="#"`},
		{Cell{Num: 0, Form: FormNumber}, "0"},
		{Cell{Num: 999_400, Form: FormAge}, `data-age>10m0s</time>`},
		{Cell{Form: FormAge}, "–"},
		{Cell{Text: "Pending", Note: "why", Form: FormStatus, Tone: ToneWarn}, `<span class="st warn">Pending</span> <span class="why">why</span>`},
		{Cell{Text: "52 %", Num: 52, Max: 100}, `<progress class="bar" value="52" max="100" aria-hidden="true"></progress> 52 %`},
		{Cell{Text: "v", Note: "n"}, `v <span class="why">n</span>`},
	}
	for _, tt := range tests {
		var b strings.Builder
		if err := Value(tt.cell).Render(ctx, &b); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(b.String()), " ") // as a browser reads it
		if !strings.Contains(got, tt.want) {
			t.Errorf("%+v is written %s, want %s", tt.cell, got, tt.want)
		}
	}
}

func TestFieldTiesItsErrorAndHelpToTheControl(t *testing.T) {
	var b strings.Builder
	f := Field{Name: "name.0", Label: "Name", Error: "taken", Help: "unique", Required: true}
	if err := FieldControl(f).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`for="f-name-0"`, `name="name.0"`, `aria-invalid="true"`, `aria-describedby="f-name-0-error f-name-0-help"`, `id="f-name-0-error">taken`, " required"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in %s", want, b.String())
		}
	}
}

func TestUsageWarnsBeforeItIsFull(t *testing.T) {
	tests := []struct {
		part, whole float64
		tone        Tone
		percent     string
	}{{0, 0, ToneNone, ""}, {79, 100, ToneNone, "79 %"}, {80, 100, ToneWarn, "80 %"}, {100, 100, ToneWarn, "100 %"}, {107, 100, ToneBad, "107 %"}}
	for _, tt := range tests {
		if got := UsageTone(tt.part, tt.whole); got != tt.tone {
			t.Errorf("UsageTone(%g, %g) = %d, want %d", tt.part, tt.whole, got, tt.tone)
		}
		if got := Percent(tt.part, tt.whole); got != tt.percent {
			t.Errorf("Percent(%g, %g) = %q, want %q", tt.part, tt.whole, got, tt.percent)
		}
	}
}
