// Package locales holds what Tiga says, in every language it speaks, and how each language writes numbers and times.
//
// A language is a folder of TOML files in go-i18n's format. Every file has a twin in every other language with the
// same ids and the same placeholders. Texts without plural forms are taken apart when they are loaded, so that
// saying one costs a map lookup; go-i18n decides the plural forms of the rest.
package locales

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed en/*.toml zh-CN/*.toml
var files embed.FS

// Tags are the languages that Tiga speaks. The first is the one to fall back to.
func Tags() []string { return []string{"en", "zh-CN"} }

// Catalogue is every message in every language. It does not change once loaded.
type Catalogue struct {
	locales map[string]*Locale
	matcher language.Matcher
}

// Load reads the embedded catalogues. A message that cannot be parsed is an error.
func Load() (*Catalogue, error) { return load(files) }

func load(fsys fs.FS) (*Catalogue, error) {
	c := &Catalogue{locales: map[string]*Locale{}}
	var tags []language.Tag
	for _, name := range Tags() {
		tag, err := language.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("parse language %s: %w", name, err)
		}
		l, err := loadLocale(fsys, name, tag)
		if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
		c.locales[name] = l
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func loadLocale(fsys fs.FS, name string, tag language.Tag) (*Locale, error) {
	names, err := fs.Glob(fsys, name+"/*.toml")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("find messages of %s: %w", name, fs.ErrNotExist)
	}
	bundle := i18n.NewBundle(tag)
	l := &Locale{tag: name, plain: map[string]string{}, filled: map[string][]piece{}, plural: map[string]bool{}}
	for _, file := range names {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		var tree map[string]any
		if err := toml.Unmarshal(data, &tree); err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		messages, err := flatten(nil, "", tree)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(file), err)
		}
		for _, m := range messages {
			if err := l.add(m); err != nil {
				return nil, fmt.Errorf("%s: %w", path.Base(file), err)
			}
		}
		if err := bundle.AddMessages(tag, messages...); err != nil {
			return nil, fmt.Errorf("add messages of %s: %w", file, err)
		}
	}
	l.localizer = i18n.NewLocalizer(bundle, name)
	return l, nil
}

// For returns the locale of a tag that Match gave; an unknown tag gets the first language.
func (c *Catalogue) For(tag string) *Locale {
	if l, ok := c.locales[tag]; ok {
		return l
	}
	return c.locales[Tags()[0]]
}

// Match chooses the language: what the person chose (the cookie's value) if we speak it, else the browser's wish.
func (c *Catalogue) Match(acceptLanguage, cookie string) string {
	if _, ok := c.locales[cookie]; ok {
		return cookie
	}
	wishes, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wishes) == 0 {
		return Tags()[0]
	}
	_, i, confidence := c.matcher.Match(wishes...)
	if confidence == language.No {
		return Tags()[0]
	}
	return Tags()[i]
}

// Locale is one language. It is safe for concurrent use.
type Locale struct {
	tag       string
	plain     map[string]string  // nothing to fill in
	filled    map[string][]piece // placeholders, no plural forms
	plural    map[string]bool    // go-i18n's work
	localizer *i18n.Localizer
}

// piece is a stretch of text, or a placeholder when name is set.
type piece struct{ text, name string }

// flatten turns a tree of tables into messages whose ids are the path to them. A table is a message when it has plural
// forms and nothing else; go-i18n's own reader also takes words such as "hash" for part of a message, which would keep
// them from being ids.
func flatten(messages []*i18n.Message, prefix string, tree map[string]any) ([]*i18n.Message, error) {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		id := prefix + key
		switch v := tree[key].(type) {
		case string:
			messages = append(messages, &i18n.Message{ID: id, Other: v})
		case map[string]any:
			if m, ok := plural(id, v); ok {
				messages = append(messages, m)
				continue
			}
			var err error
			if messages, err = flatten(messages, id+".", v); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("message %s is neither text nor table", id)
		}
	}
	return messages, nil
}

// plural is the message that a table of plural forms stands for.
func plural(id string, table map[string]any) (*i18n.Message, bool) {
	m := &i18n.Message{ID: id}
	forms := map[string]*string{"zero": &m.Zero, "one": &m.One, "two": &m.Two, "few": &m.Few, "many": &m.Many, "other": &m.Other}
	for key, v := range table {
		form, known := forms[key]
		text, isText := v.(string)
		if !known || !isText {
			return nil, false
		}
		*form = text
	}
	return m, m.Other != ""
}

func (l *Locale) add(m *i18n.Message) error {
	if l.Has(m.ID) {
		return fmt.Errorf("message %s is there twice", m.ID)
	}
	if m.Other == "" {
		return fmt.Errorf("message %s is empty", m.ID)
	}
	if m.Zero+m.One+m.Two+m.Few+m.Many != "" {
		l.plural[m.ID] = true
		return nil
	}
	pieces, err := parse(m.Other)
	if err != nil {
		return fmt.Errorf("message %s: %w", m.ID, err)
	}
	if len(pieces) == 1 && pieces[0].name == "" {
		l.plain[m.ID] = m.Other
		return nil
	}
	l.filled[m.ID] = pieces
	return nil
}

// parse takes a text apart at its {{.Name}} placeholders. Nothing else of the template language is allowed: it would
// let a translation run code.
func parse(text string) ([]piece, error) {
	var pieces []piece
	for text != "" {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}}")
		name = strings.TrimSpace(name)
		if !closed || !strings.HasPrefix(name, ".") || strings.ContainsAny(name[1:], " .|()\"") {
			return nil, fmt.Errorf("placeholder %q is not of the form {{.Name}}", name)
		}
		pieces = append(pieces, piece{name: name[1:]})
		text = after
	}
	return pieces, nil
}

// Tag is the language's BCP 47 tag.
func (l *Locale) Tag() string { return l.tag }

// Has says whether the language has a message of this id.
func (l *Locale) Has(id string) bool {
	_, plain := l.plain[id]
	_, filled := l.filled[id]
	return plain || filled || l.plural[id]
}

// IDs are the ids of all messages, sorted.
func (l *Locale) IDs() []string {
	ids := slices.Collect(maps.Keys(l.plain))
	ids = slices.AppendSeq(ids, maps.Keys(l.filled))
	ids = slices.AppendSeq(ids, maps.Keys(l.plural))
	slices.Sort(ids)
	return ids
}

// T is the message of an id. The arguments are placeholders' names and values in turn, or one map of them. Numbers are
// written with the language's separators, and "Count" chooses the plural form. An unknown id is returned as it is.
func (l *Locale) T(id string, args ...any) string {
	if s, ok := l.plain[id]; ok {
		return s
	}
	if pieces, ok := l.filled[id]; ok {
		var b strings.Builder
		for _, p := range pieces {
			if p.name == "" {
				b.WriteString(p.text)
				continue
			}
			if v, ok := lookup(args, p.name); ok {
				b.WriteString(l.write(v))
			}
		}
		return b.String()
	}
	if l.plural[id] {
		return l.choose(id, args)
	}
	return id
}

// choose lets go-i18n pick the plural form by Count.
func (l *Locale) choose(id string, args []any) string {
	data := map[string]any{}
	each(args, func(name string, v any) { data[name] = l.write(v) })
	count, ok := lookup(args, "Count")
	if !ok {
		count = 0
	}
	s, err := l.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: data, PluralCount: count})
	if err != nil {
		return id
	}
	return s
}

// lookup finds a placeholder's value without building a map.
func lookup(args []any, name string) (any, bool) {
	if len(args) == 1 {
		if m, ok := args[0].(map[string]any); ok {
			v, ok := m[name]
			return v, ok
		}
		return nil, false
	}
	for i := 0; i+1 < len(args); i += 2 {
		if n, ok := args[i].(string); ok && n == name {
			return args[i+1], true
		}
	}
	return nil, false
}

func each(args []any, f func(name string, v any)) {
	if len(args) == 1 {
		if m, ok := args[0].(map[string]any); ok {
			for name, v := range m {
				f(name, v)
			}
		}
		return
	}
	for i := 0; i+1 < len(args); i += 2 {
		if name, ok := args[i].(string); ok {
			f(name, args[i+1])
		}
	}
}
