package kinds

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// annotationValueLimit keeps rows small: annotations are searched and shown
	// in part, and whoever wants the whole opens the object.
	annotationValueLimit = 256
	annotationsLimit     = 32
	lastApplied          = "kubectl.kubernetes.io/last-applied-configuration" // a second copy of the object
)

// unreadable is the status of an object whose projection failed.
var unreadable = Status{Word: WordUnreadable, Tone: ToneBad, Reason: Message{ID: "object.unreadable"}}

// metadataOf is the row of an object as far as its metadata goes.
func metadataOf(o metav1.Object) Row {
	row := Row{
		UID: string(o.GetUID()), Namespace: o.GetNamespace(), Name: o.GetName(), ResourceVersion: o.GetResourceVersion(),
		Created: unix(o.GetCreationTimestamp()),
		Labels:  pairs(o.GetLabels()), Annotations: annotations(o.GetAnnotations()),
		Status: unreadable,
	}
	if at := o.GetDeletionTimestamp(); at != nil {
		row.Deleted, row.State = unix(*at), StateLeaving
	}
	if refs := o.GetOwnerReferences(); len(refs) > 0 {
		row.Owners = make([]Owner, len(refs))
		for i := range refs {
			r := &refs[i]
			row.Owners[i] = Owner{
				APIVersion: r.APIVersion, Kind: r.Kind, Name: r.Name, UID: string(r.UID),
				Controller: r.Controller != nil && *r.Controller,
			}
		}
	}
	return row
}

func pairs(m map[string]string) []Pair {
	if len(m) == 0 {
		return nil
	}
	out := make([]Pair, 0, len(m))
	for k, v := range m {
		out = append(out, Pair{k, v})
	}
	slices.SortFunc(out, func(a, b Pair) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func annotations(m map[string]string) []Pair {
	out := pairs(m)
	out = slices.DeleteFunc(out, func(p Pair) bool { return p.Key == lastApplied })
	if len(out) > annotationsLimit {
		out = out[:annotationsLimit]
	}
	for i := range out {
		out[i].Value = cut(out[i].Value, annotationValueLimit)
	}
	return slices.Clip(out)
}

// cut shortens s to at most limit bytes without splitting a character. The
// result does not hold on to the memory of a longer s.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end]) + "…"
}

// unix is the instant in seconds, 0 for none.
func unix(t metav1.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// terminating is the status of an object that is being deleted, whatever its
// kind: what finalizers hold does not go away by itself.
func terminating(o metav1.Object) (Status, bool) {
	at := o.GetDeletionTimestamp()
	if at == nil {
		return Status{}, false
	}
	s := Status{Word: "Terminating", Tone: ToneInfo, Since: unix(*at)}
	if g := o.GetDeletionGracePeriodSeconds(); g != nil {
		s.Since -= *g // the timestamp is the end of the grace period
	}
	if held := o.GetFinalizers(); len(held) > 0 {
		s.Tone, s.Reason = ToneWarn, heldBy(held)
	}
	return s, true
}
