package db_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"tiga/db"
)

// Two rows with the same encoding would have the same signature: one could stand for the other.
func FuzzAuditEncodingIsUnambiguous(f *testing.F) {
	f.Add("ab", "c", int64(1), "a", "bc", int64(1))
	f.Add("", "\x00\x00\x00\x00\x00\x00\x00\x01x", int64(0), "\x00", "x", int64(256))
	f.Fuzz(func(t *testing.T, name1, method1 string, n1 int64, name2, method2 string, n2 int64) {
		a := db.AuditEvent{ActorName: name1, AuthMethod: method1, ActorID: n1}
		b := db.AuditEvent{ActorName: name2, AuthMethod: method2, ActorID: n2}
		same := name1 == name2 && method1 == method2 && n1 == n2
		if bytes.Equal(a.Canonical(), b.Canonical()) != same {
			t.Errorf("%+v and %+v: same encoding, is it? rows the same: %t", a, b, same)
		}
	})
}

// Whatever is written into a text, what is stored is short, valid, visible, and stays as it is.
func FuzzAuditTextIsClean(f *testing.F) {
	f.Add("a\r\n\x1b[2J\u202e\xff名")
	f.Fuzz(func(t *testing.T, s string) {
		got := db.Clean(s, 40)
		hidden := strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) })
		if len(got) > 40 || !utf8.ValidString(got) || hidden {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if again := db.Clean(got, 40); again != got {
			t.Errorf("Clean(%q) = %q and then %q", s, got, again)
		}
	})
}
