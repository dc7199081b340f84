package views

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"

	"tiga/views/ui"
)

// maxLit is how many lines of YAML get colours; a larger object is shown plain, as marking every key would weigh more
// than the text.
const maxLit = 4000

// yamlCode is YAML line by line, with its keys marked. It writes the markup itself because whitespace counts here.
func yamlCode(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		b := bufio.NewWriter(w)
		lit := strings.Count(text, "\n") <= maxLit
		for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
			_, _ = b.WriteString(`<span class="l">`)
			indent, key, rest := "", "", line
			if lit {
				indent, key, rest = splitKey(line)
			}
			_, _ = b.WriteString(indent)
			if key != "" {
				_, _ = b.WriteString(`<span class="k">` + escaped(key) + `</span>`)
			}
			_, _ = b.WriteString(escaped(rest) + `</span>`)
		}
		return b.Flush()
	})
}

// plainCode is text line by line.
func plainCode(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		b := bufio.NewWriter(w)
		for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
			_, _ = b.WriteString(`<span class="l">` + escaped(line) + `</span>`)
		}
		return b.Flush()
	})
}

// splitKey takes a line of YAML apart: what stands before its key, the key, and the rest. A line without a key is
// all rest.
func splitKey(line string) (indent, key, rest string) {
	body := strings.TrimLeft(line, " ")
	for strings.HasPrefix(body, "- ") {
		body = strings.TrimLeft(body[2:], " ")
	}
	at := strings.Index(body, ": ")
	if at < 0 && strings.HasSuffix(body, ":\n") {
		at = len(body) - 2
	}
	if at <= 0 || strings.ContainsAny(body[:at], " \"'#{[") {
		return "", "", line
	}
	return line[:len(line)-len(body)], body[:at], body[at:]
}

// diffCode is a difference line by line. The sign is text, so that colour is not the only signal.
func diffCode(lines []DiffLine) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		b := bufio.NewWriter(w)
		for _, l := range lines {
			class := "l same"
			switch l.Sign {
			case '+':
				class = "l add"
			case '-':
				class = "l del"
			case '@':
				class = "l hunk"
			}
			_, _ = b.WriteString(`<span class="` + class + `">` + escaped(string(l.Sign)+" "+strings.TrimRight(l.Text, "\n")) + "\n</span>")
		}
		return b.Flush()
	})
}

func escaped(s string) string { return templ.EscapeString(ui.Visible(s)) }
