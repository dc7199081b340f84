package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// key says what names the items of a list, so that an item is found again after others came or went.
type key struct {
	fields []string // of items that are objects; the first is always there
	value  bool     // the items are plain values that name themselves
	// ordered says that the order means something: it is kept, and a change of it is told.
	ordered bool
}

func (k key) none() bool { return k.fields == nil && !k.value }

// keyed are the lists whose items have a key of their own in the API, by the name of the field that holds them, the
// first that fits. ordered lists say something by their order: environment variables refer to those before them, init
// containers run one after the other, rules are tried in turn.
var keyed = map[string][]key{
	"ports":                     {{fields: []string{"containerPort", "protocol"}}, {fields: []string{"port", "protocol"}}, {fields: []string{"name"}}},
	"volumeMounts":              {{fields: []string{"mountPath"}}},
	"volumeDevices":             {{fields: []string{"devicePath"}}},
	"env":                       {{fields: []string{"name"}, ordered: true}},
	"initContainers":            {{fields: []string{"name"}, ordered: true}},
	"webhooks":                  {{fields: []string{"name"}, ordered: true}},
	"hostAliases":               {{fields: []string{"ip"}}},
	"topologySpreadConstraints": {{fields: []string{"topologyKey", "whenUnsatisfiable"}}},
	"ownerReferences":           {{fields: []string{"uid"}}, {fields: []string{"kind", "name"}}},
	"conditions":                {{fields: []string{"type"}}},
	"taints":                    {{fields: []string{"key", "effect"}}},
	"subjects":                  {{fields: []string{"kind", "namespace", "name"}}},
	"matchExpressions":          {{fields: []string{"key", "operator"}}},
	"versions":                  {{fields: []string{"name"}}},
}

// anywhere are the keys that are tried for every other list of objects.
var anywhere = []key{
	{fields: []string{"name"}, ordered: true},
	{fields: []string{"key"}, ordered: true},
	{fields: []string{"type"}, ordered: true},
	{fields: []string{"ip"}, ordered: true},
	{fields: []string{"mountPath"}, ordered: true},
	{fields: []string{"topologyKey"}, ordered: true},
	{fields: []string{"containerPort", "protocol"}, ordered: true},
	{fields: []string{"port", "protocol"}, ordered: true},
	{fields: []string{"host"}, ordered: true},
	{fields: []string{"path", "pathType"}, ordered: true},
	{fields: []string{"uid"}, ordered: true},
}

// unordered are the lists of named objects whose order says nothing.
var unordered = []string{"containers", "ephemeralContainers", "volumes", "imagePullSecrets", "secrets", "volumeClaimTemplates"}

// sets are the lists of plain values whose order says nothing.
var sets = []string{
	"finalizers", "accessModes", "add", "drop", "verbs", "resources", "apiGroups", "apiVersions", "resourceNames",
	"nonResourceURLs", "operations", "loadBalancerSourceRanges", "externalIPs", "policyTypes", "categories", "shortNames",
	"ipFamilies", "clusterIPs", "hosts",
}

// keyOf finds what names the items in all of the lists. A key that an item lacks, or that two items share, names nothing.
func keyOf(field string, lists ...[]any) key {
	plain := true
	for _, list := range lists {
		for _, item := range list {
			switch item.(type) {
			case map[string]any, []any, nil:
				plain = false
			}
		}
	}
	if plain {
		if k := (key{value: true}); slices.Contains(sets, field) && field != "ipFamilies" && field != "clusterIPs" && names(k, lists) {
			return k
		}
		return key{}
	}
	for _, k := range keyed[field] {
		if names(k, lists) {
			return k
		}
	}
	for _, k := range anywhere {
		if names(k, lists) {
			k.ordered = !slices.Contains(unordered, field)
			return k
		}
	}
	return key{}
}

// names reports whether a key tells the items of each list apart.
func names(k key, lists [][]any) bool {
	for _, list := range lists {
		seen := make(map[string]bool, len(list))
		for i, item := range list {
			if !k.value {
				m, ok := item.(map[string]any)
				if !ok || !isScalar(m[k.fields[0]]) {
					return false
				}
				for _, f := range k.fields[1:] {
					if v, ok := m[f]; ok && v != nil && !isScalar(v) {
						return false
					}
				}
			}
			id := k.of(item, i)
			if seen[id] {
				return false
			}
			seen[id] = true
		}
	}
	return true
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any, nil:
		return false
	}
	return true
}

// of is what stands between the brackets for an item: "name=web", "port=80,protocol=TCP", "=value", "3".
func (k key) of(item any, index int) string {
	if k.value {
		return "=" + word(item)
	}
	m, ok := item.(map[string]any)
	if !ok || k.fields == nil {
		return indexed(index)
	}
	var b strings.Builder
	for _, f := range k.fields {
		v, ok := m[f]
		if !ok || v == nil || f == "protocol" && v == "TCP" { // TCP is what none means
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(f + "=" + word(v))
	}
	return b.String()
}

func indexed(i int) string { return strconv.Itoa(i) }

// word is a value within a path; quoted where it could be taken for something else.
func word(v any) string {
	s, ok := v.(string)
	if !ok {
		return scalar(v)
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == ',' || r == '=' || r == ']' || r == '[' || r == 0x7f
	}) {
		return strconv.Quote(s)
	}
	return s
}

// scalar is a value that is no string, as JSON has it.
func scalar(v any) string {
	if b, err := json.Marshal(v); err == nil {
		return string(b)
	}
	return fmt.Sprint(v)
}

// path leads to a field. Its steps are field names and, in brackets, items.
type path []step

type step struct {
	name string
	item bool
}

func (p path) field(name string) path { return append(slices.Clip(p), step{name, false}) }
func (p path) item(id string) path    { return append(slices.Clip(p), step{id, true}) }

// last is the name of the innermost field.
func (p path) last() string {
	for _, v := range slices.Backward(p) {
		if !v.item {
			return v.name
		}
	}
	return ""
}

func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.item:
			b.WriteString("[" + s.name + "]")
		case !plainName(s.name):
			b.WriteString("[" + word(s.name) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// plainName reports whether a field's name can stand in a path as it is. A label's key cannot: it has dots of its own.
func plainName(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '$' {
			return false
		}
	}
	return true
}

// equal compares two values; a number is the same however it was decoded.
func equal(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && len(x) == len(y) && maps.EqualFunc(x, y, equal)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case nil, string, bool:
		switch b.(type) {
		case map[string]any, []any:
			return false
		}
		return a == b
	}
	if !isScalar(b) {
		return false
	}
	switch b.(type) {
	case string, bool:
		return false
	}
	return a == b || scalar(a) == scalar(b)
}

// Clone copies a value with the maps and lists in it.
func Clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		return CloneTree(x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = Clone(x[i])
		}
		return out
	}
	return v
}

// CloneTree is Clone for an object.
func CloneTree(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = Clone(v)
	}
	return out
}

// Equal reports whether two values are the same; a number is, however it was decoded.
func Equal(a, b any) bool { return equal(a, b) }

// Match says for each item of after which one of before it was, by what names it, else by its value; -1 for a new one.
func Match(before, after []any) []int {
	out := make([]int, len(after))
	k := keyOf("", before, after)
	used := make([]bool, len(before))
	byID := map[string]int{}
	if !k.none() {
		for i, item := range before {
			byID[k.of(item, i)] = i
		}
	}
	for i, item := range after {
		out[i] = -1
		if !k.none() {
			if from, ok := byID[k.of(item, i)]; ok {
				out[i] = from
			}
			continue
		}
		if i < len(before) && !used[i] && equal(before[i], item) {
			out[i], used[i] = i, true
			continue
		}
		for from := range before {
			if !used[from] && equal(before[from], item) {
				out[i], used[from] = from, true
				break
			}
		}
	}
	return out
}
