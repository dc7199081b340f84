package diff

import (
	"slices"
	"strconv"
	"strings"
)

// Sides are an object as it was after a change and before it, as far as the change goes: everything else is as it is now.
// Merged with the object as it is now they take the change back, and what was written since is a conflict.
type Sides struct {
	After, Before map[string]any
	// Lost are the paths that lead nowhere any more.
	Lost []string
}

// SidesOf puts the values of a change into an object as it is now. The object is not changed.
func SidesOf(now map[string]any, entries []Entry) Sides {
	s := Sides{After: CloneTree(now), Before: CloneTree(now)}
	// From the last to the first: entries that follow name items that those before them do not move.
	for _, e := range slices.Backward(entries) {
		steps := parsePath(e.Path)
		if len(steps) == 0 {
			s.Lost = append(s.Lost, e.Path)
			continue
		}
		var after, before any
		ok := false
		if e.Op == Moved {
			after, ok = edit(s.After, steps, reorder(e.After))
			if ok {
				before, ok = edit(s.Before, steps, reorder(e.Before))
			}
		} else {
			after, ok = edit(s.After, steps, put(e.After))
			if ok {
				before, ok = edit(s.Before, steps, put(e.Before))
			}
		}
		if !ok {
			s.Lost = append(s.Lost, e.Path)
			continue
		}
		s.After, _ = after.(map[string]any)
		s.Before, _ = before.(map[string]any)
	}
	slices.Reverse(s.Lost)
	return s
}

// change makes a new value of an old one; nil is none on both sides.
type change func(old any) (fresh any, ok bool)

// put replaces a value whatever it was.
func put(v any) change { return func(any) (any, bool) { return Clone(v), true } }

// reorder puts the items of a list into the order of their names; those that have none of them stay at the end.
func reorder(order any) change {
	names, _ := order.([]any)
	return func(old any) (any, bool) {
		list, ok := old.([]any)
		if !ok {
			return nil, false
		}
		place := func(item any) int {
			for i, name := range names {
				if id, ok := name.(string); ok && isItem(item, id, -1) {
					return i
				}
			}
			return len(names)
		}
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b any) int { return place(a) - place(b) })
		return list, true
	}
}

// edit changes the value that the steps lead to. What is on the way has to be there, but for the last step and, where a
// value is put in, the maps and lists around it.
func edit(node any, steps []string, c change) (any, bool) {
	if len(steps) == 0 {
		return c(node)
	}
	id := steps[0]
	switch n := node.(type) {
	case []any:
		return editItem(n, id, steps[1:], c)
	case map[string]any:
		fresh, ok := edit(n[id], steps[1:], c)
		if !ok {
			return nil, false
		}
		if n[id] == nil && fresh == nil {
			return n, true
		}
		n[id] = fresh
		if fresh == nil {
			delete(n, id)
		}
		return n, true
	case nil:
		fresh, ok := edit(nil, steps[1:], c)
		switch {
		case !ok:
			return nil, false
		case fresh == nil:
			return nil, true // there is nothing to take out
		case looksLikeItem(id) && len(steps) == 1:
			return []any{fresh}, true
		case looksLikeItem(id):
			return nil, false // an item of which only a part is known
		}
		return map[string]any{id: fresh}, true
	}
	return nil, false
}

func editItem(list []any, id string, rest []string, c change) (any, bool) {
	at := slices.IndexFunc(list, func(item any) bool { return isItem(item, id, -1) })
	if n, err := strconv.Atoi(id); err == nil && at < 0 && n < len(list) {
		at = n
	}
	if at < 0 {
		fresh, ok := edit(nil, rest, c)
		switch {
		case !ok:
			return nil, false
		case fresh == nil:
			return list, true
		case len(rest) > 0:
			return nil, false // an item of which only a part is known
		}
		return append(slices.Clip(list), fresh), true
	}
	fresh, ok := edit(list[at], rest, c)
	if !ok {
		return nil, false
	}
	list = slices.Clone(list)
	if fresh == nil {
		return slices.Delete(list, at, at+1), true
	}
	list[at] = fresh
	return list, true
}

// looksLikeItem tells what stands between brackets for an item from the key of a map.
func looksLikeItem(id string) bool {
	_, err := strconv.Atoi(id)
	return err == nil || strings.ContainsRune(id, '=')
}

// isItem reports whether what stands between the brackets of a path names an item, see key.of.
func isItem(item any, id string, index int) bool {
	m, ok := item.(map[string]any)
	if !ok {
		return isScalar(item) && id == "="+word(item)
	}
	names := ItemNames(id)
	if len(names) == 0 {
		return id == indexed(index)
	}
	for _, n := range names {
		v, ok := m[n.Field]
		if !ok || !isScalar(v) || word(v) != n.Value {
			return false
		}
	}
	// TCP is what no protocol means.
	_, port := m["containerPort"]
	_, served := m["port"]
	if !strings.Contains(id, "protocol=") && (port || served) && strings.Contains(strings.ToLower(id), "port=") {
		return m["protocol"] == nil || m["protocol"] == "TCP"
	}
	return true
}

// ItemName is one of the fields by which an item of a list is named, with its value as it is written there: a text may be
// quoted.
type ItemName struct{ Field, Value string }

// ItemNames reads what stands between the brackets of a path, such as port=80,protocol=UDP; nil for what has no names.
func ItemNames(id string) (out []ItemName) {
	for rest := id; rest != ""; {
		name, value, ok := strings.Cut(rest, "=")
		if !ok || name == "" {
			return nil
		}
		end := strings.IndexByte(value, ',')
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			end = len(quoted)
		} else if end < 0 {
			end = len(value)
		}
		out = append(out, ItemName{name, value[:end]})
		rest = strings.TrimPrefix(value[end:], ",")
		if end < len(value) && value[end] != ',' {
			return nil
		}
	}
	return out
}

// parsePath takes a path apart; what stands between brackets is one step, as it is but for the quotes around a whole one.
func parsePath(p string) (steps []string) {
	for p != "" {
		if p[0] != '[' {
			end := strings.IndexAny(p, ".[")
			if end < 0 {
				end = len(p)
			}
			if end == 0 {
				return nil
			}
			steps = append(steps, p[:end])
			p = strings.TrimPrefix(p[end:], ".")
			continue
		}
		end := 1
		for end < len(p) && p[end] != ']' {
			if p[end] == '"' {
				quoted, err := strconv.QuotedPrefix(p[end:])
				if err != nil {
					return nil
				}
				end += len(quoted)
				continue
			}
			end++
		}
		if end >= len(p) {
			return nil
		}
		step := p[1:end]
		if whole, err := strconv.Unquote(step); err == nil && step[0] == '"' {
			step = whole
		}
		if step == "" {
			return nil
		}
		steps = append(steps, step)
		p = strings.TrimPrefix(p[end+1:], ".")
	}
	return steps
}
