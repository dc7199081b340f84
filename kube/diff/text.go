package diff

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText bounds what Text returns: it is kept for years.
const MaxText = 16 << 10

// maxValue bounds one value in Text.
const maxValue = 2 << 10

// Text writes entries as lines, "- path: before" and "+ path: after". What goes beyond MaxText is left out, and the last
// line says how many fields that were.
func Text(entries []Entry) string {
	const note = 40 // room for the last line
	var b strings.Builder
	for i, e := range entries {
		line := e.lines()
		if b.Len()+len(line) > MaxText-note {
			fmt.Fprintf(&b, "… (+%d)\n", len(entries)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

func (e Entry) lines() string {
	p, _ := cut(e.Path, maxValue)
	var s string
	if e.Op != Added {
		s = "- " + p + ": " + Value(e.Before) + "\n"
	}
	if e.Op != Removed {
		s += "+ " + p + ": " + Value(e.After) + "\n"
	}
	return s
}

// Value writes a value on one line: a plain word as it is, everything else as JSON. A long one is cut, with the number
// of bytes that are missing.
func Value(v any) string {
	s, ok := v.(string)
	if !ok || needsQuotes(s) {
		if raw, err := jsonOf(v); err == nil {
			s = raw
		} else {
			s = fmt.Sprint(v)
		}
	}
	short, n := cut(s, maxValue)
	if n > 0 {
		return fmt.Sprintf("%s… (+%d bytes)", short, n)
	}
	return short
}

// jsonOf is a value as JSON, with <, > and & as they are.
func jsonOf(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// needsQuotes says that a string would not be read as what it is: a number, an empty one, one with line breaks.
func needsQuotes(s string) bool {
	if s == "" || s != strings.TrimSpace(s) || strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) {
		return true
	}
	switch s {
	case "true", "false", "null":
		return true
	}
	if s[0] == '"' || s[0] == '{' || s[0] == '[' {
		return true
	}
	var n json.Number
	return json.Unmarshal([]byte(s), &n) == nil
}

// cut shortens a string to at most n bytes, at the border of a character, and says how many are missing.
func cut(s string, n int) (short string, missing int) {
	if len(s) <= n {
		return s, 0
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], len(s) - n
}
