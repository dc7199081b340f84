package editform

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// get follows a path; nil where it leads nowhere.
func get(tree any, p Path) any {
	for _, step := range p {
		switch s := step.(type) {
		case string:
			m, _ := tree.(map[string]any)
			tree = m[s]
		case int:
			list, _ := tree.([]any)
			if s < 0 || s >= len(list) {
				return nil
			}
			tree = list[s]
		}
	}
	return tree
}

// set writes a value and makes the maps on the way to it. A list on the way has to be there.
func set(tree map[string]any, p Path, v any) {
	at := any(tree)
	for i, step := range p {
		last := i == len(p)-1
		switch s := step.(type) {
		case string:
			m, ok := at.(map[string]any)
			if !ok {
				return
			}
			if last {
				m[s] = v
				return
			}
			if m[s] == nil {
				m[s] = map[string]any{}
			}
			at = m[s]
		case int:
			list, ok := at.([]any)
			if !ok || s < 0 || s >= len(list) {
				return
			}
			if last {
				list[s] = v
				return
			}
			at = list[s]
		}
	}
}

// remove takes a value away, and the maps that are empty without it, but for the first step.
func remove(tree map[string]any, p Path) {
	key, ok := p[len(p)-1].(string)
	m, isMap := get(tree, p[:len(p)-1]).(map[string]any)
	if !ok || !isMap {
		return
	}
	if _, ok := m[key]; !ok {
		return
	}
	if delete(m, key); len(m) == 0 && len(p) > 2 {
		remove(tree, p[:len(p)-1])
	}
}

// keysAt are the keys of a map, sorted.
func keysAt(tree map[string]any, p Path) []string {
	m, _ := get(tree, p).(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// textOf is a value as it is typed. ok is false for what is no text, number or truth.
func textOf(v any) (text string, ok bool) {
	switch x := v.(type) {
	case nil:
		return "", true
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case int64:
		return strconv.FormatInt(x, 10), true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	case int:
		return strconv.Itoa(x), true
	}
	return "", false
}

// plain reports whether a text can stand in a control and come back as it was: nothing in it that is not seen, and its
// lines end all in the same way.
func plain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	if returns := strings.Count(s, "\r"); returns > 0 && (returns != strings.Count(s, "\r\n") || returns != strings.Count(s, "\n")) {
		return false
	}
	for _, r := range s {
		switch {
		case r == '\n', r == '\t', r == '\r', r == 0x200d:
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == 0x2028, r == 0x2029:
			return false
		}
	}
	return true
}

// unix is a text with the line ends that a form sends.
func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// likeBefore gives a text the line ends of the one that it replaces.
func likeBefore(s, before string) string {
	if strings.Contains(before, "\r\n") {
		return strings.ReplaceAll(s, "\n", "\r\n")
	}
	return s
}
