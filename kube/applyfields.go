package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tiga/kube/diff"
)

// A path of a field manager is written as .spec.containers[name="web"].image, .metadata.finalizers[="a"] or .list[0]. The
// names of its fields are not quoted, so that a dot may be a part of one: what a path means is told by the tree that it
// leads into.

// fieldStep is one step into a tree: a key of a map or an index of a list.
type fieldStep struct {
	key   string
	index int
	item  bool
}

// stepsIn finds the way of a path through a tree; ok is false where it does not lead to something that is there.
func stepsIn(v any, path string) (steps []fieldStep, ok bool) {
	if path == "" {
		return nil, true
	}
	switch x := v.(type) {
	case map[string]any:
		rest, isField := strings.CutPrefix(path, ".")
		if !isField {
			return nil, false
		}
		// The longest name first: of "a" and "a.b" the latter is meant by .a.b where both are there.
		names := slices.SortedFunc(maps.Keys(x), func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
		for _, name := range names {
			after, ok := strings.CutPrefix(rest, name)
			if !ok || after != "" && after[0] != '.' && after[0] != '[' {
				continue
			}
			if more, ok := stepsIn(x[name], after); ok {
				return append([]fieldStep{{key: name}}, more...), true
			}
		}
	case []any:
		name, after, ok := bracket(path)
		if !ok {
			return nil, false
		}
		i := itemNamed(x, name)
		if i < 0 {
			return nil, false
		}
		if more, ok := stepsIn(x[i], after); ok {
			return append([]fieldStep{{index: i, item: true}}, more...), true
		}
	}
	return nil, false
}

// bracket is what stands between the first brackets of a path, and what follows them. A bracket within quotes is none.
func bracket(path string) (name, rest string, ok bool) {
	if !strings.HasPrefix(path, "[") {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return path[1:i], path[i+1:], true
		}
	}
	return "", "", false
}

// itemNamed is the index of the item that the inside of brackets names; -1 for none. A key that has a default, such as
// the protocol of a port, may be left out of an item: one that says it is preferred.
func itemNamed(list []any, name string) int {
	if want, ok := strings.CutPrefix(name, "="); ok {
		return slices.IndexFunc(list, func(v any) bool { return managed(v) == want })
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i >= 0 && i < len(list) {
			return i
		}
		return -1
	}
	names := diff.ItemNames(name)
	best, said := -1, 0
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return -1
		}
		n := 0
		for _, want := range names {
			v, has := m[want.Field]
			if has && managed(v) != want.Value {
				n = -1
				break
			}
			if has {
				n++
			}
		}
		if n > said {
			best, said = i, n
		}
	}
	return best
}

// managed is a value as field managers write it: strings quoted, the rest as JSON.
func managed(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// valueAt is the value that a path leads to.
func valueAt(tree map[string]any, path string) (any, bool) {
	steps, ok := stepsIn(tree, path)
	if !ok || len(steps) == 0 {
		return nil, false
	}
	var v any = tree
	for _, s := range steps {
		if s.item {
			v = v.([]any)[s.index] //nolint:forcetypeassert // stepsIn went the same way
		} else {
			v = v.(map[string]any)[s.key] //nolint:forcetypeassert // stepsIn went the same way
		}
	}
	return v, true
}

// withoutField is a tree without a field, and without the maps that nothing is left in by that: an empty one would still say
// something. The tree itself stays as it is.
func withoutField(tree map[string]any, path string) (map[string]any, bool) {
	steps, ok := stepsIn(tree, path)
	if !ok || len(steps) == 0 {
		return nil, false
	}
	out, _ := less(tree, steps).(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	return out, true
}

// less is a value without what the steps lead to; nil if nothing is left of it.
func less(v any, steps []fieldStep) any {
	s := steps[0]
	var inner any
	if s.item {
		list := v.([]any) //nolint:forcetypeassert // stepsIn went the same way
		if len(steps) > 1 {
			inner = less(list[s.index], steps[1:])
		}
		out := slices.Clone(list)
		if inner == nil {
			out = slices.Delete(out, s.index, s.index+1)
		} else {
			out[s.index] = inner
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	m := v.(map[string]any) //nolint:forcetypeassert // stepsIn went the same way
	if len(steps) > 1 {
		inner = less(m[s.key], steps[1:])
	}
	out := maps.Clone(m)
	if inner == nil {
		delete(out, s.key)
	} else {
		out[s.key] = inner
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
