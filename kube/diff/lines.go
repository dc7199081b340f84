package diff

import (
	"bytes"
	"unicode/utf8"
)

// Line is one line of a comparison of two texts.
type Line struct {
	// Op is empty for a line that both have, Removed or Added otherwise.
	Op   Op
	Text string
	// Old and New are the line's numbers, from 1; 0 in the text that does not have it.
	Old, New int
	// From and To are the bytes of Text that differ from the line that it stands against; both 0 without one.
	From, To int
}

// maxTable bounds the table of the exact comparison; larger stretches are first cut at the lines that occur once.
const maxTable = 1 << 18

// Lines compares two texts line by line. The result is exact for small stretches and good for large ones, and its cost
// is bounded for all.
func Lines(before, after []byte) []Line {
	c := &comparison{a: split(before), b: split(after)}
	c.compare(0, len(c.a), 0, len(c.b))
	markPairs(c.out)
	return c.out
}

func split(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	parts := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = string(p)
	}
	return out
}

type comparison struct {
	a, b []string
	out  []Line
}

func (c *comparison) same(i, j int) {
	c.out = append(c.out, Line{Text: c.a[i], Old: i + 1, New: j + 1})
}

func (c *comparison) gone(i int) { c.out = append(c.out, Line{Op: Removed, Text: c.a[i], Old: i + 1}) }

func (c *comparison) came(j int) { c.out = append(c.out, Line{Op: Added, Text: c.b[j], New: j + 1}) }

// compare emits the lines of a[i:i2] and b[j:j2].
func (c *comparison) compare(i, i2, j, j2 int) {
	for i < i2 && j < j2 && c.a[i] == c.b[j] {
		c.same(i, j)
		i, j = i+1, j+1
	}
	tail := 0
	for i < i2-tail && j < j2-tail && c.a[i2-1-tail] == c.b[j2-1-tail] {
		tail++
	}
	c.middle(i, i2-tail, j, j2-tail)
	for n := tail; n > 0; n-- {
		c.same(i2-n, j2-n)
	}
}

func (c *comparison) middle(i, i2, j, j2 int) {
	if i == i2 || j == j2 || (i2-i)*(j2-j) <= maxTable {
		c.table(i, i2, j, j2)
		return
	}
	anchors := c.anchors(i, i2, j, j2)
	if len(anchors) == 0 {
		for ; i < i2; i++ {
			c.gone(i)
		}
		for ; j < j2; j++ {
			c.came(j)
		}
		return
	}
	for _, at := range anchors {
		c.compare(i, at[0], j, at[1])
		c.same(at[0], at[1])
		i, j = at[0]+1, at[1]+1
	}
	c.compare(i, i2, j, j2)
}

// table compares by the longest common subsequence.
func (c *comparison) table(i, i2, j, j2 int) {
	n, m := i2-i, j2-j
	var lengths [][]int32
	if n > 0 && m > 0 {
		lengths = make([][]int32, n+1)
		cells := make([]int32, (n+1)*(m+1))
		for x := range lengths {
			lengths[x] = cells[x*(m+1) : (x+1)*(m+1)]
		}
		for x := n - 1; x >= 0; x-- {
			for y := m - 1; y >= 0; y-- {
				if c.a[i+x] == c.b[j+y] {
					lengths[x][y] = lengths[x+1][y+1] + 1
				} else {
					lengths[x][y] = max(lengths[x+1][y], lengths[x][y+1])
				}
			}
		}
	}
	x, y := 0, 0
	for x < n && y < m {
		switch {
		case c.a[i+x] == c.b[j+y]:
			c.same(i+x, j+y)
			x, y = x+1, y+1
		case lengths[x+1][y] >= lengths[x][y+1]:
			c.gone(i + x)
			x++
		default:
			c.came(j + y)
			y++
		}
	}
	for ; x < n; x++ {
		c.gone(i + x)
	}
	for ; y < m; y++ {
		c.came(j + y)
	}
}

// anchors are lines that occur once in both stretches, in an order that both share.
func (c *comparison) anchors(i, i2, j, j2 int) [][2]int {
	type place struct{ a, b, na, nb int }
	places := map[string]*place{}
	for x := i; x < i2; x++ {
		p := places[c.a[x]]
		if p == nil {
			p = &place{}
			places[c.a[x]] = p
		}
		p.a, p.na = x, p.na+1
	}
	for y := j; y < j2; y++ {
		if p := places[c.b[y]]; p != nil {
			p.b, p.nb = y, p.nb+1
		}
	}
	// The longest increasing run of their places in b, walking through a.
	var piles []int // indexes into found
	var found [][2]int
	var back []int
	for x := i; x < i2; x++ {
		p := places[c.a[x]]
		if p.na != 1 || p.nb != 1 {
			continue
		}
		lo, hi := 0, len(piles)
		for lo < hi {
			if mid := (lo + hi) / 2; found[piles[mid]][1] < p.b {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		before := -1
		if lo > 0 {
			before = piles[lo-1]
		}
		found, back = append(found, [2]int{x, p.b}), append(back, before)
		if lo == len(piles) {
			piles = append(piles, len(found)-1)
		} else {
			piles[lo] = len(found) - 1
		}
	}
	if len(piles) == 0 {
		return nil
	}
	out := make([][2]int, len(piles))
	for k, at := len(out)-1, piles[len(piles)-1]; k >= 0; k, at = k-1, back[at] {
		out[k] = found[at]
	}
	return out
}

// markPairs sets what differs within lines that stand against each other: the nth removed against the nth added.
func markPairs(lines []Line) {
	for i := 0; i < len(lines); {
		if lines[i].Op == "" {
			i++
			continue
		}
		start := i
		var gone, came []int
		for ; i < len(lines) && lines[i].Op != ""; i++ {
			if lines[i].Op == Removed {
				gone = append(gone, i)
			} else {
				came = append(came, i)
			}
		}
		if i == start || len(gone) != len(came) {
			continue
		}
		for n := range gone {
			markPair(&lines[gone[n]], &lines[came[n]])
		}
	}
}

// markPair marks the middle in which two lines differ, unless they have nothing in common.
func markPair(a, b *Line) {
	from := 0
	for from < len(a.Text) && from < len(b.Text) && a.Text[from] == b.Text[from] {
		from++
	}
	for from > 0 && (from < len(a.Text) && !utf8.RuneStart(a.Text[from]) || from < len(b.Text) && !utf8.RuneStart(b.Text[from])) {
		from--
	}
	tail := 0
	for tail < len(a.Text)-from && tail < len(b.Text)-from && a.Text[len(a.Text)-1-tail] == b.Text[len(b.Text)-1-tail] {
		tail++
	}
	for tail > 0 && !utf8.RuneStart(a.Text[len(a.Text)-tail]) {
		tail--
	}
	if blank(a.Text[:from]) && tail == 0 {
		return
	}
	a.From, a.To = from, len(a.Text)-tail
	b.From, b.To = from, len(b.Text)-tail
}

func blank(s string) bool {
	for i := range len(s) {
		if s[i] != ' ' && s[i] != '\t' {
			return false
		}
	}
	return true
}

// Hunk is a stretch of lines around a change.
type Hunk struct {
	// Skipped is how many lines that both have were left out before it.
	Skipped int
	Lines   []Line
}

// Hunks are the changes with some lines around each. rest is how many lines were left out behind the last.
func Hunks(lines []Line, around int) (hunks []Hunk, rest int) {
	end := 0 // what is shown or skipped so far
	for i := 0; i < len(lines); i++ {
		if lines[i].Op == "" {
			continue
		}
		from, to := max(i-around, end), min(i+around+1, len(lines))
		for i+1 < to {
			if i++; lines[i].Op != "" {
				to = min(i+around+1, len(lines))
			}
		}
		if n := len(hunks); n > 0 && from == end {
			hunks[n-1].Lines = append(hunks[n-1].Lines, lines[from:to]...)
		} else {
			hunks = append(hunks, Hunk{Skipped: from - end, Lines: append([]Line(nil), lines[from:to]...)})
		}
		end = to
	}
	return hunks, len(lines) - end
}

// Pair is one row of a comparison side by side; either side may be missing.
type Pair struct{ Left, Right *Line }

// Pairs sets lines side by side: what was removed left, what was added right, the nth against the nth.
func Pairs(lines []Line) []Pair {
	var out []Pair
	for i := 0; i < len(lines); {
		if lines[i].Op == "" {
			out = append(out, Pair{&lines[i], &lines[i]})
			i++
			continue
		}
		var gone, came []*Line
		for ; i < len(lines) && lines[i].Op != ""; i++ {
			if lines[i].Op == Removed {
				gone = append(gone, &lines[i])
			} else {
				came = append(came, &lines[i])
			}
		}
		for n := range max(len(gone), len(came)) {
			var p Pair
			if n < len(gone) {
				p.Left = gone[n]
			}
			if n < len(came) {
				p.Right = came[n]
			}
			out = append(out, p)
		}
	}
	return out
}
