package kinds

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// tree reads fields of an object that has no Go type. What is not there or not
// of the form that its reader expects reads as nothing: the API server has
// checked objects of these kinds against their definition, and another version
// may have left a field out.
type tree map[string]any

func treeOf(u *unstructured.Unstructured) tree { return tree(u.Object) }

// at is the part of the tree below a path; never nil.
func (t tree) at(path ...string) tree {
	for _, field := range path {
		next, ok := t[field].(map[string]any)
		if !ok {
			return tree{}
		}
		t = next
	}
	return t
}

func (t tree) value(path ...string) any {
	last := len(path) - 1
	return t.at(path[:last]...)[path[last]]
}

// text is a string, empty for none.
func (t tree) text(path ...string) string {
	s, _ := t.value(path...).(string)
	return s
}

// number is an integer.
func (t tree) number(path ...string) (n int64, ok bool) {
	switch v := t.value(path...).(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	default:
		return 0, false
	}
}

// truth is a boolean, false for none.
func (t tree) truth(path ...string) bool {
	b, _ := t.value(path...).(bool)
	return b
}

// list are the objects of a list.
func (t tree) list(path ...string) []tree {
	items, _ := t.value(path...).([]any)
	out := make([]tree, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// texts are the strings of a list.
func (t tree) texts(path ...string) []string {
	items, _ := t.value(path...).([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// instant is a time in unix seconds, 0 for none.
func (t tree) instant(path ...string) int64 {
	at, err := time.Parse(time.RFC3339, t.text(path...))
	if err != nil {
		return 0
	}
	return at.Unix()
}

// conditionsOf reads a list of conditions. Those named in bad are bad news when
// true, all others when false.
func (t tree) conditionsOf(bad []string, path ...string) []Condition {
	var out []Condition
	for _, c := range t.list(path...) {
		status := c.text("status")
		tone := conditionTone(status == string(goodStatus(c.text("type"), bad)), false)
		if status == "Unknown" { // controllers of these kinds say so before they have looked
			tone = ToneInfo
		}
		out = append(out, Condition{
			Type: c.text("type"), Status: status, Reason: c.text("reason"), Message: c.text("message"),
			Since: c.instant("lastTransitionTime"), Tone: tone,
		})
	}
	return out
}

// conditionNamed finds one of them; its zero value has no Type.
func conditionNamed(list []Condition, name string) Condition {
	for _, c := range list {
		if c.Type == name {
			return c
		}
	}
	return Condition{}
}
