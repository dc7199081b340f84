package cache

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"tiga/kube/kinds"
)

const (
	filterLimit  = 1024 // bytes of a filter text
	termsLimit   = 32   // terms of a filter
	patternLimit = 256  // bytes of a regular expression
)

// A term reports whether a row passes one term of a filter.
type term func(*item) bool

// Filter is the text of a filter box, understood. All terms have to hold:
//
//	word  "two words"     in the name, namespace, status or another searched column
//	/re/                  the same by regular expression (RE2), case does not matter
//	key=value key!=value  a column ("status", "node", "namespace", "name") or else a label;
//	                      case does not matter, * stands for any characters
//	key>value key<value   a numeric column: restarts>5, memoryrequest>1Gi, age<1h; also >= and <=
//	label:key=value       a label, also one that has the name of a column; label:key for any value
//	-l selector           a label selector as kubectl has it, without spaces or in quotes
//	!term                 not that
//
// What stands in quotes is text, whatever characters it has: "a=b" is a word, and key="two words" a value.
type Filter struct{ terms []term }

// ParseFilter reads a filter for a kind. What cannot be used is left out of the
// filter and described by the first error; the rest holds.
func ParseFilter(k *kinds.Kind, text string, now time.Time) (Filter, *FilterError) {
	p := parser{kind: k, text: text, now: now}
	if len(text) > filterLimit {
		p.fail(filterLimit, "", kinds.Message{ID: "filter.toolong", Args: map[string]any{"Limit": filterLimit}})
		p.text = strings.ToValidUTF8(text[:filterLimit], "")
	}
	for p.next() {
		if len(p.filter.terms) == termsLimit {
			p.fail(p.at, p.text[p.at:], kinds.Message{ID: "filter.toomany", Args: map[string]any{"Limit": termsLimit}})
			break
		}
		p.term()
	}
	return p.filter, p.err
}

func (f Filter) match(e *item) bool {
	for _, t := range f.terms {
		if !t(e) {
			return false
		}
	}
	return true
}

type parser struct {
	kind   *kinds.Kind
	text   string
	now    time.Time
	at     int // the next byte to read
	filter Filter
	err    *FilterError
}

func (p *parser) fail(pos int, token string, reason kinds.Message) {
	if p.err == nil {
		p.err = &FilterError{Pos: pos, Token: token, Reason: reason}
	}
}

// next skips white space and reports whether there is more.
func (p *parser) next() bool {
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\u3000' {
			return true
		}
		p.at += n
	}
	return false
}

// term reads one term and adds it unless it cannot be used.
func (p *parser) term() {
	start := p.at
	negate := false
	for p.at < len(p.text) && p.text[p.at] == '!' {
		negate = !negate
		p.at++
	}
	var t term
	switch rest := p.text[p.at:]; {
	case strings.HasPrefix(rest, "/"):
		t = p.regex()
	case rest == "-l" || strings.HasPrefix(rest, "-l ") || strings.HasPrefix(rest, "-l="):
		t = p.selector(start)
	default:
		t = p.wordTerm(p.word())
	}
	if t == nil && p.at == start+strings.Count(p.text[start:p.at], "!") && p.at > start {
		p.fail(start, p.text[start:p.at], kinds.Message{ID: "filter.nothing"})
	}
	switch {
	case t == nil:
	case negate:
		p.filter.terms = append(p.filter.terms, func(e *item) bool { return !t(e) })
	default:
		p.filter.terms = append(p.filter.terms, t)
	}
}

// word is a piece of the text without its quotes.
type word struct {
	text string
	at   int // where it begins
	raw  string
	op   int // where in text its comparison stands, -1 for none outside of quotes
}

// word reads up to the next white space; quotes keep white space in.
func (p *parser) word() word {
	var b strings.Builder
	w := word{at: p.at, op: -1}
	quote := -1 // where the open quote stands
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"' && quote < 0:
			quote = p.at
		case c == '"':
			quote = -1
		case quote < 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r' || strings.HasPrefix(p.text[p.at:], "\u3000")): // the last is the space of Chinese keyboards
			return w.end(p, &b)
		default:
			if quote < 0 && w.op < 0 && (c == '=' || c == '<' || c == '>') {
				w.op = b.Len()
			}
			b.WriteByte(c)
		}
		p.at++
	}
	if quote >= 0 {
		p.fail(quote, p.text[quote:], kinds.Message{ID: "filter.quoteopen"})
	}
	return w.end(p, &b)
}

func (w word) end(p *parser, b *strings.Builder) word {
	w.text, w.raw = b.String(), p.text[w.at:p.at]
	return w
}

func (p *parser) regex() term {
	start := p.at
	end := p.at + 1
	for end < len(p.text) && p.text[end] != '/' {
		if p.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.text) {
		p.at = len(p.text)
		p.fail(start, p.text[start:], kinds.Message{ID: "filter.regexopen"})
		return nil
	}
	pattern := p.text[start+1 : end]
	p.at = end + 1
	token := p.text[start:p.at]
	if len(pattern) > patternLimit {
		p.fail(start, token, kinds.Message{ID: "filter.toolong", Args: map[string]any{"Limit": patternLimit}})
		return nil
	}
	re, err := compile(strings.ReplaceAll(pattern, `\/`, "/"))
	if err != nil {
		p.fail(start+1+wrongPart(pattern, err), token, kinds.Message{ID: "filter.regex", Text: reasonOf(err)})
		return nil
	}
	return func(e *item) bool { return re.MatchString(e.hay) }
}

// compile makes a regular expression that disregards case. The texts that it is
// for are in lower case, so its literals are put into lower case instead of
// being compared both ways, which takes several times as long.
func compile(pattern string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl&^syntax.OneLine|syntax.FoldCase)
	if err != nil {
		return nil, err
	}
	lower(tree)
	return regexp.Compile(tree.String())
}

func lower(re *syntax.Regexp) {
	if re.Op == syntax.OpLiteral {
		re.Flags &^= syntax.FoldCase
		for i, r := range re.Rune {
			re.Rune[i] = unicode.ToLower(r)
		}
	}
	for _, sub := range re.Sub {
		lower(sub)
	}
}

// wrongPart is where in the pattern the part stands that the error complains of.
func wrongPart(pattern string, err error) int {
	if wrong, ok := errors.AsType[*syntax.Error](err); ok {
		if i := strings.Index(pattern, wrong.Expr); i > 0 {
			return i
		}
	}
	return 0
}

func reasonOf(err error) string {
	if wrong, ok := errors.AsType[*syntax.Error](err); ok {
		return string(wrong.Code) + ": " + wrong.Expr
	}
	return err.Error()
}

func (p *parser) selector(start int) term {
	p.at += len("-l")
	if p.at < len(p.text) && p.text[p.at] == '=' {
		p.at++
	}
	p.next()
	w := p.word()
	if w.text == "" {
		p.fail(start, "-l", kinds.Message{ID: "filter.noselector"})
		return nil
	}
	selector, err := labels.Parse(w.text)
	if err != nil {
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.selector", Text: err.Error()})
		return nil
	}
	requirements, _ := selector.Requirements()
	return func(e *item) bool {
		set := rowLabels{&e.row}
		for i := range requirements {
			if !requirements[i].Matches(set) {
				return false
			}
		}
		return true
	}
}

// rowLabels are the labels of a row as label selectors want them.
type rowLabels struct{ *kinds.Row }

func (r rowLabels) Has(label string) bool { _, ok := r.Label(label); return ok }

func (r rowLabels) Get(label string) string { v, _ := r.Label(label); return v }

func (r rowLabels) Lookup(label string) (string, bool) { return r.Label(label) }

// wordTerm is a comparison, or a plain word.
func (p *parser) wordTerm(w word) term {
	label, isLabel := strings.CutPrefix(w.text, "label:")
	isLabel = isLabel && strings.HasPrefix(w.raw, "label:")
	switch {
	case w.text == "":
		return nil
	case w.op == 0:
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.noname"})
		return nil
	case w.op > 0:
		return p.comparison(w, w.text[:w.op], w.text[w.op:w.op+1], w.text[w.op+1:])
	case isLabel && label == "":
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.nolabel"})
		return nil
	case isLabel:
		return func(e *item) bool { return rowLabels{&e.row}.Has(label) }
	}
	needle := strings.ToLower(w.text)
	return func(e *item) bool { return strings.Contains(e.hay, needle) }
}

// comparison is one of a column, or of a label, with a value.
func (p *parser) comparison(w word, name, op, value string) term {
	column := p.numeric(name)
	switch {
	case op == "=":
		negated := strings.HasSuffix(name, "!")
		t := p.equals(w, strings.TrimSuffix(name, "!"), strings.TrimPrefix(value, "="))
		if t != nil && negated {
			return func(e *item) bool { return !t(e) }
		}
		return t
	case column < 0:
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.notnumeric", Args: map[string]any{"Column": name}})
		return nil
	}
	return p.compares(w, column, op, value)
}

// equals compares a column or, where the kind has none of that name, a label.
func (p *parser) equals(w word, name, value string) term {
	if name == "" {
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.noname"})
		return nil
	}
	is := pattern(value)
	if label, ok := strings.CutPrefix(name, "label:"); ok {
		return hasLabel(label, is)
	}
	switch strings.ToLower(name) {
	case "name":
		return func(e *item) bool { return is(e.title()) }
	case "namespace", "ns":
		return func(e *item) bool { return is(e.row.Namespace) }
	}
	i, ok := p.kind.Column(strings.ToLower(name))
	if !ok {
		return hasLabel(name, is)
	}
	form := p.kind.Columns[i].Form
	if !form.Numeric() || strings.Contains(value, "*") {
		return func(e *item) bool { return i < len(e.row.Cells) && is(e.row.Cells[i].Text) }
	}
	if form == kinds.FormAge || form == kinds.FormTime { // nobody means the very second
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.instant", Args: map[string]any{"Column": name}})
		return nil
	}
	n, ok := p.number(form, value)
	if !ok && form != kinds.FormRatio {
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.number", Args: map[string]any{"Value": value}})
		return nil
	}
	return func(e *item) bool {
		if i >= len(e.row.Cells) || !e.row.Cells[i].Form.Numeric() {
			return false
		}
		c := &e.row.Cells[i]
		return c.Text != "" && is(c.Text) || ok && c.Num == n
	}
}

func hasLabel(key string, is func(string) bool) term {
	return func(e *item) bool {
		v, ok := e.row.Label(key)
		return ok && is(v)
	}
}

// pattern matches a whole value, without regard to case; * stands for anything.
func pattern(value string) func(string) bool {
	if !strings.Contains(value, "*") {
		return func(s string) bool { return strings.EqualFold(s, value) }
	}
	parts := strings.Split(strings.ToLower(value), "*")
	return func(s string) bool {
		s, ok := strings.CutPrefix(strings.ToLower(s), parts[0])
		if !ok {
			return false
		}
		last := parts[len(parts)-1]
		for _, part := range parts[1 : len(parts)-1] {
			_, after, found := strings.Cut(s, part)
			if !found {
				return false
			}
			s = after
		}
		return strings.HasSuffix(s, last)
	}
}

// numeric is the index of a numeric column, or -1.
func (p *parser) numeric(name string) int {
	i, ok := p.kind.Column(strings.ToLower(name))
	if !ok || !p.kind.Columns[i].Form.Numeric() {
		return -1
	}
	return i
}

func (p *parser) compares(w word, column int, op, value string) term {
	orEqual := strings.HasPrefix(value, "=")
	value = strings.TrimPrefix(value, "=")
	form := p.kind.Columns[column].Form
	limit, ok := p.number(form, value)
	if !ok {
		p.fail(w.at, w.raw, kinds.Message{ID: "filter.number", Args: map[string]any{"Value": value}})
		return nil
	}
	less := op == "<"
	if form == kinds.FormAge { // an older thing has the smaller instant
		less = !less
	}
	return func(e *item) bool {
		if column >= len(e.row.Cells) || e.row.Cells[column].Empty() {
			return false
		}
		n := e.row.Cells[column].Num
		return orEqual && n == limit || less && n < limit || !less && n > limit
	}
}

// number reads the right side of a comparison in the unit of the column.
func (p *parser) number(form kinds.Form, value string) (float64, bool) {
	switch form {
	case kinds.FormAge, kinds.FormTime:
		d, err := parseAge(value)
		return float64(p.now.Add(-d).Unix()), err == nil
	case kinds.FormCPU, kinds.FormBytes:
		q, err := resource.ParseQuantity(value)
		return q.AsApproximateFloat64(), err == nil
	default:
		if percent, ok := strings.CutSuffix(value, "%"); ok {
			n, err := strconv.ParseFloat(percent, 64)
			return n / 100, err == nil
		}
		n, err := strconv.ParseFloat(value, 64)
		return n, err == nil
	}
}

// parseAge reads a duration as time.ParseDuration does, and days.
func parseAge(s string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil {
			return 0, err
		}
		d := time.Duration(n * 24 * float64(time.Hour))
		if rest == "" {
			return d, nil
		}
		more, err := time.ParseDuration(rest)
		return d + more, err
	}
	return time.ParseDuration(s)
}
