package kinds

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Involved is the object that an event is about, in the event's own words: they
// name objects of kinds that no descriptor knows as well. It is what is kept of
// an event beyond its row.
type Involved struct {
	UID, Kind, Namespace, Name string
	Group                      string
	Grouped                    bool // the event says which group it means
}

func keepInvolved(e *corev1.Event) any {
	o := &e.InvolvedObject
	if o.Name == "" {
		return nil
	}
	i := &Involved{UID: string(o.UID), Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Grouped: o.APIVersion != ""}
	if group, _, ok := strings.Cut(o.APIVersion, "/"); ok {
		i.Group = group
	}
	return i
}

// Is reports whether the event is about the object that a row of the kind
// stands for. One of the same name that was there before is another object.
func (i *Involved) Is(k *Kind, row *Row) bool {
	if i.Kind != k.Name || i.Name != row.Name || i.Grouped && i.Group != k.GVR.Group {
		return false
	}
	if i.Namespace != row.Namespace && (k.Namespaced || i.Namespace != "" && i.Namespace != corev1.NamespaceDefault) {
		return false
	}
	// The kubelet takes the name of its node for the UID.
	return i.UID == "" || row.UID == "" || i.UID == row.UID || i.UID == row.Name && !k.Namespaced
}
