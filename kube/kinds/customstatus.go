package kinds

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/version"
)

// compareVersions orders versions as the API does: v2 before v1 before v1beta2
// before v1alpha1, what is no version last; greater is preferred.
func compareVersions(a, b string) int { return version.CompareKubeAwareVersionStrings(a, b) }

// compactJSON is a list or an object on one line, "" for what cannot be written.
func compactJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// conditionsOf reads status.conditions as the API conventions describe them;
// whatever else is there is left out.
func conditionsOf(u *unstructured.Unstructured) []Condition {
	list, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "conditions")
	entries, _ := list.([]any)
	out := make([]Condition, 0, len(entries))
	for _, e := range entries {
		fields, ok := e.(map[string]any)
		if !ok {
			continue
		}
		text := func(key string) string { s, _ := fields[key].(string); return s }
		c := Condition{Type: text("type"), Status: text("status"), Reason: text("reason"), Message: text("message")}
		if c.Type == "" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, cmp.Or(text("lastTransitionTime"), text("lastUpdateTime"))); err == nil {
			c.Since = at.Unix()
		}
		c.Tone = customTone(c)
		out = append(out, c)
	}
	return out
}

// alarming are words that a condition's type contains when it is bad news.
var alarming = []string{"Fail", "Error", "Degraded", "Stalled", "Unavailable", "Invalid", "Pressure", "Conflict", "Expired", "Denied", "Missing"}

// underway are types that say that something is on its way.
var underway = []string{"Reconciling", "Progressing", "Updating", "Upgrading", "Pending", "Issuing", "Deleting", "Terminating"}

func customTone(c Condition) Tone {
	bad := slices.ContainsFunc(alarming, func(w string) bool { return strings.Contains(c.Type, w) })
	switch {
	case slices.Contains(underway, c.Type):
		if c.Status == "True" {
			return ToneInfo
		}
		return ToneNone
	case c.Status == "Unknown":
		return ToneInfo
	case (c.Status == "True") != bad:
		return ToneOK
	case bad:
		return ToneBad
	default:
		return ToneWarn
	}
}

// needed are the condition types that by custom all have to be true for an
// object to be well, the most telling first; final are those that become true
// at the end, and whose being false means nothing while another says more.
var (
	needed = []string{"Ready", "Available", "Healthy", "Synced", "Programmed", "Accepted", "Established", "Valid", "Reconciled"}
	final  = []string{"Complete", "Completed", "Succeeded"}
)

// phasePaths are the places where objects without conditions say how they are.
var phasePaths = [][]string{{"status", "phase"}, {"status", "state"}, {"status", "health", "status"}, {"status"}}

// customStatus reads the status of an object that no descriptor knows, by the
// conventions of the API and of the tools that most operators are made with: a
// condition that says something failed, then those that sum up, then a phase.
func customStatus(u *unstructured.Unstructured) Status {
	if s, ok := terminating(u); ok {
		return s
	}
	conditions := conditionsOf(u)
	if outdated(u) {
		return unseen()
	}
	for i := range conditions {
		if c := &conditions[i]; c.Tone == ToneBad && c.Status == "True" {
			return because(c, c.Type, ToneBad)
		}
	}
	if c := telling(conditions); c != nil {
		if observed := observedOf(u, c.Type); observed > 0 && observed < u.GetGeneration() {
			return unseen()
		}
		if busy := conditionOf(conditions, "Reconciling"); busy != nil && busy.Status == "True" {
			return because(busy, busy.Type, ToneInfo) // what is true of a part is not yet of the whole
		}
		switch {
		case c.Tone == ToneOK:
			return because(c, c.Type, ToneOK)
		case c.Status == "Unknown":
			return because(c, "Unknown", ToneInfo)
		}
		if busy := conditionOf(conditions, underway...); busy != nil && busy.Status == "True" {
			return because(busy, busy.Type, ToneInfo)
		}
		return because(c, "Not"+c.Type, ToneWarn)
	}
	for _, path := range phasePaths {
		if phase, _, _ := unstructured.NestedString(u.Object, path...); phase != "" {
			s := Status{Word: cut(phase, wordLimit), Tone: phaseTone(phase)}
			if s.Tone != ToneOK {
				message, _, _ := unstructured.NestedString(u.Object, "status", "message")
				reason, _, _ := unstructured.NestedString(u.Object, "status", "reason")
				s.Reason.Text = short(cmp.Or(message, reason))
			}
			return s
		}
	}
	return Status{}
}

// outdated reports whether the status speaks of an older generation: whatever it says is about what was wanted before.
// https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
func outdated(u *unstructured.Unstructured) bool {
	observed, found, err := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	return err == nil && found && observed < u.GetGeneration()
}

// observedOf is the generation that a condition speaks of, 0 where it does not say.
func observedOf(u *unstructured.Unstructured, kind string) int64 {
	list, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "conditions")
	entries, _ := list.([]any)
	for _, e := range entries {
		if fields, ok := e.(map[string]any); ok && fields["type"] == kind {
			n, _, _ := unstructured.NestedInt64(fields, "observedGeneration")
			return n
		}
	}
	return 0
}

// wordLimit bounds a word that an object may make up.
const wordLimit = 64

func conditionOf(conditions []Condition, types ...string) *Condition {
	for _, t := range types {
		for i := range conditions {
			if conditions[i].Type == t {
				return &conditions[i]
			}
		}
	}
	return nil
}

// telling is the condition that decides: the first of those needed that is not
// true, or else the first of them, or else one that comes at the end.
func telling(conditions []Condition) *Condition {
	var first *Condition
	for _, t := range needed {
		c := conditionOf(conditions, t)
		switch {
		case c == nil:
		case c.Tone != ToneOK:
			return c
		case first == nil:
			first = c
		}
	}
	if done := conditionOf(conditions, final...); done != nil && (first == nil || done.Tone == ToneOK) {
		return done
	}
	return first
}

// because is a status that a condition gives, with its words unless all is well.
func because(c *Condition, word string, t Tone) Status {
	s := Status{Word: cut(word, wordLimit), Tone: t, Since: c.Since}
	if t != ToneOK {
		s.Reason.Text = short(strings.Trim(c.Reason+": "+c.Message, ": "))
	}
	return s
}

// phases are the words that operators write into a phase, and what they mean.
var phases = map[Tone][]string{
	ToneOK:   {"ready", "running", "active", "bound", "succeeded", "healthy", "available", "synced", "complete", "completed", "established", "online", "deployed", "valid", "ok"},
	ToneInfo: {"pending", "progressing", "creating", "provisioning", "initializing", "updating", "upgrading", "reconciling", "deleting", "terminating", "starting", "new", "waiting", "scheduled"},
	ToneIdle: {"paused", "suspended", "stopped", "disabled", "inactive", "released"},
	ToneBad:  {"failed", "failure", "error", "degraded", "unhealthy", "invalid", "crashed", "lost"},
}

func phaseTone(phase string) Tone {
	for tone, words := range phases {
		if slices.Contains(words, strings.ToLower(phase)) {
			return tone
		}
	}
	return ToneNone
}

// customDetail shows what an object without a descriptor says of itself: its
// conditions and the plain values of its status.
func customDetail(u *unstructured.Unstructured, d *Detail) {
	d.Conditions = conditionsOf(u)
	if n := u.GetFinalizers(); len(n) > 0 {
		d.add("finalizers", names(n)...)
	}
	for _, part := range []string{"spec", "status"} {
		fields, _, _ := unstructured.NestedMap(u.Object, part)
		if table, ok := fieldTable(part, fields); ok {
			d.Tables = append(d.Tables, table)
		}
	}
}

// fieldsShown bounds the table of an object's fields; the YAML tab has them all.
const fieldsShown = 40

// fieldTable is a table of the fields of an object that are plain values, and
// of lists and objects in short.
func fieldTable(id string, fields map[string]any) (Table, bool) {
	t := Table{ID: id, Columns: []Column{{ID: "field", Form: FormName}, {ID: "value"}}}
	keys := make([]string, 0, len(fields))
	for key := range fields {
		if key != "conditions" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys[:min(len(keys), fieldsShown)] {
		t.Rows = append(t.Rows, []Value{{Cell: Name(key)}, {Cell: Text(short(jsonText(fields[key])))}})
	}
	return t, len(t.Rows) > 0
}
