package ui

import (
	"fmt"
	"strings"
	"unicode"
)

// Visible replaces characters that change how the text around them is read by what they are: control characters, and
// the marks that turn the direction of writing. Text from a cluster is shown through it, so that a name cannot pose
// as another.
func Visible(s string) string {
	if tame(s) || !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden are the characters that show nothing and do something. Line breaks and tabs are layout, not a trick.
func hidden(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r < 0x600:
		return r == 0xad
	}
	return unicode.Is(unicode.Cf, r) && r != 0x200d
}

// Local is an address of this server, and "#" for any other: what a model holds for an address must not lead away or
// run as script, however it came there.
func Local(address string) string {
	if strings.HasPrefix(address, "#") {
		return address
	}
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || strings.ContainsAny(address, "\\\t\r\n") {
		return "#"
	}
	return address
}
