package access

import "strings"

// glob is a compiled pattern: `*` is any run of characters, `?` any one.
type glob struct {
	form globForm
	text string
}

type globForm uint8

const (
	globExact globForm = iota
	globAny
	globPrefix
	globPattern
)

func compileGlob(pattern string) glob {
	switch {
	case pattern == "*":
		return glob{globAny, ""}
	case !strings.ContainsAny(pattern, "*?"):
		return glob{globExact, pattern}
	case strings.IndexAny(pattern, "*?") == len(pattern)-1 && pattern[len(pattern)-1] == '*':
		return glob{globPrefix, pattern[:len(pattern)-1]}
	default:
		return glob{globPattern, pattern}
	}
}

func (g glob) match(s string) bool {
	switch g.form {
	case globAny:
		return true
	case globPrefix:
		return strings.HasPrefix(s, g.text)
	case globPattern:
		return matchPattern(g.text, s)
	default:
		return g.text == s
	}
}

// matchPattern goes back only to the last star, so its time is bounded by the product of the lengths.
func matchPattern(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' && s[i] != '*' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// covers reports whether everything that other matches is matched by g. It may miss some that are,
// never the other way round. The pattern of the other is matched as if it were text: a star in it
// can only be swallowed by a star in ours, since `?` never matches one.
func (g glob) covers(other glob) bool {
	switch other.form {
	case globAny:
		return g.form == globAny
	case globPrefix:
		return g.match(other.text + "*")
	default:
		return g.match(other.text)
	}
}

// globs is a list of patterns of which one has to match.
type globs []glob

func compileGlobs(patterns []string) globs {
	var list globs
	for _, p := range patterns {
		list = append(list, compileGlob(p))
	}
	return list
}

func (l globs) match(s string) bool {
	for i := range l {
		if l[i].match(s) {
			return true
		}
	}
	return false
}

func (l globs) covers(other glob) bool {
	for i := range l {
		if l[i].covers(other) {
			return true
		}
	}
	return false
}

func (l globs) exact() bool {
	for _, g := range l {
		if g.form != globExact {
			return false
		}
	}
	return true
}

// limit is what a rule and the binding through which it came both have to match; an empty limit
// matches everything.
type limit []globs

// newLimit joins the two lists; ok is false if nothing can match both.
func newLimit(a, b []string) (l limit, ok bool) {
	x, y := compileGlobs(a), compileGlobs(b)
	switch {
	case len(x) == 0 && len(y) == 0:
		return nil, true
	case len(x) == 0:
		return limit{y}, true
	case len(y) == 0:
		return limit{x}, true
	case x.exact():
		x = x.within(y)
		return limit{x}, len(x) > 0
	case y.exact():
		y = y.within(x)
		return limit{y}, len(y) > 0
	default:
		return limit{x, y}, true
	}
}

func (l globs) within(other globs) globs {
	var kept globs
	for _, g := range l {
		if other.match(g.text) {
			kept = append(kept, g)
		}
	}
	return kept
}

func (l limit) match(s string) bool {
	for _, list := range l {
		if !list.match(s) {
			return false
		}
	}
	return true
}

// matchesAll reports whether the limit lets everything through.
func (l limit) matchesAll() bool {
	for _, list := range l {
		if !list.covers(glob{form: globAny}) {
			return false
		}
	}
	return true
}

// literals returns the texts of a limit that is a plain list of names.
func (l limit) literals() (texts []string, ok bool) {
	if len(l) != 1 || !l[0].exact() {
		return nil, false
	}
	for _, g := range l[0] {
		texts = append(texts, g.text)
	}
	return texts, true
}

// covers reports whether everything that other matches is surely matched by l.
func (l limit) covers(other limit) bool {
	if l.matchesAll() {
		return true
	}
	if len(other) == 0 {
		return false
	}
	for _, list := range l {
		inside := false
		for _, narrow := range other {
			all := true
			for _, g := range narrow {
				all = all && list.covers(g)
			}
			inside = inside || all
		}
		if !inside {
			return false
		}
	}
	return true
}
