package diff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	got := Lines([]byte("a\nimage: nginx:1.0\nb\n"), []byte("a\nimage: nginx:1.1\nb\nc\n"))
	want := []Line{
		{Text: "a", Old: 1, New: 1},
		{Op: Removed, Text: "image: nginx:1.0", Old: 2, From: 15, To: 16},
		{Op: Added, Text: "image: nginx:1.1", New: 2, From: 15, To: 16},
		{Text: "b", Old: 3, New: 3},
		{Op: Added, Text: "c", New: 4},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// A mark does not split a character.
	got = Lines([]byte("x: ä!"), []byte("x: ö!"))
	if m := got[0].Text[got[0].From:got[0].To]; m != "ä" {
		t.Errorf("marked %q", m)
	}
}

// Both texts can be read from the result, whatever their size, and each line has its number.
func TestLinesProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		var a []string
		size := r.IntN(40)
		if seed%50 == 0 {
			size = 3000
		}
		for range size {
			a = append(a, fmt.Sprintf("line %d", r.IntN(size*2+1)))
		}
		b := append([]string(nil), a...)
		for range r.IntN(8) {
			at := 0
			if len(b) > 0 {
				at = r.IntN(len(b))
			}
			b = append(b[:at:at], append([]string{fmt.Sprintf("new %d", r.IntN(3))}, b[min(at+r.IntN(3), len(b)):]...)...)
		}
		if seed%50 == 1 { // nothing in common, and too large for the table
			a, b = nil, nil
			for i := range 2000 {
				a, b = append(a, fmt.Sprintf("a%d", i)), append(b, fmt.Sprintf("b%d", i))
			}
		}
		lines := Lines([]byte(strings.Join(a, "\n")), []byte(strings.Join(b, "\n")))
		var old, now []string
		for _, l := range lines {
			if l.Op != Added {
				if old = append(old, l.Text); l.Old != len(old) {
					t.Fatalf("seed %d: line %d is numbered %d", seed, len(old), l.Old)
				}
			}
			if l.Op != Removed {
				if now = append(now, l.Text); l.New != len(now) {
					t.Fatalf("seed %d: new line %d is numbered %d", seed, len(now), l.New)
				}
			}
		}
		if !cmp.Equal(strings.Join(a, "\n"), strings.Join(old, "\n")) || !cmp.Equal(strings.Join(b, "\n"), strings.Join(now, "\n")) {
			t.Fatalf("seed %d: a text cannot be read from the lines", seed)
		}
		hunks, rest := Hunks(lines, 2)
		total := rest
		for _, h := range hunks {
			total += h.Skipped + len(h.Lines)
		}
		if total != len(lines) {
			t.Fatalf("seed %d: hunks of %d lines, want %d", seed, total, len(lines))
		}
		left, right := 0, 0
		for _, p := range Pairs(lines) {
			if p.Left != nil {
				left++
			}
			if p.Right != nil {
				right++
			}
		}
		if left != len(old) || right != len(now) {
			t.Fatalf("seed %d: side by side %d and %d lines, want %d and %d", seed, left, right, len(old), len(now))
		}
	}
}

func TestHunks(t *testing.T) {
	lines := Lines([]byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), []byte("1\n2\nX\n4\n5\n6\n7\n8\n9\n"))
	hunks, rest := Hunks(lines, 1)
	if len(hunks) != 1 || hunks[0].Skipped != 1 || len(hunks[0].Lines) != 4 || rest != 5 {
		t.Errorf("hunks %+v, rest %d", hunks, rest)
	}
}
