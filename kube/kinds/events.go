package kinds

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var eventKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("events"), Churns: true, Name: "Event", Plural: "Events", Short: []string{"ev"},
		Namespaced: true, Menu: MenuCluster, Subject: "object", Sort: "lastseen", Facets: []string{"status", "reason", "objectkind"},
	},
		Reads[corev1.Event]{Status: eventStatus, Refs: eventRefs, Detail: eventDetail, Keep: keepInvolved},
		ColumnOf[corev1.Event]{Column{ID: "lastseen", Form: FormAge}, func(e *corev1.Event) Cell { return Age(lastSeen(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "status", Form: FormStatus}, func(e *corev1.Event) Cell { return StatusCell(Status{Word: e.Type, Tone: eventTone(e)}) }},
		ColumnOf[corev1.Event]{Column{ID: "reason", Form: FormText, Search: true}, func(e *corev1.Event) Cell { return Text(e.Reason) }},
		ColumnOf[corev1.Event]{Column{ID: "object", Form: FormName, Search: true}, func(e *corev1.Event) Cell { return Name(eventObject(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "message", Form: FormText, Search: true}, func(e *corev1.Event) Cell { return Text(eventMessage(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "count", Form: FormNumber}, func(e *corev1.Event) Cell { return Number(eventCount(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "objectkind", Form: FormText, Hidden: true}, func(e *corev1.Event) Cell { return Text(e.InvolvedObject.Kind) }},
		ColumnOf[corev1.Event]{Column{ID: "subobject", Form: FormName, Hidden: true, Search: true}, func(e *corev1.Event) Cell { return Name(e.InvolvedObject.FieldPath) }},
		ColumnOf[corev1.Event]{Column{ID: "source", Form: FormName, Hidden: true, Search: true}, func(e *corev1.Event) Cell { return Name(eventSource(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "firstseen", Form: FormAge, Hidden: true}, func(e *corev1.Event) Cell { return Age(firstSeen(e)) }},
	),
}

// eventMessageLimit keeps the rows of events small; the detail page has the
// whole.
const eventMessageLimit = 512

func eventMessage(e *corev1.Event) string {
	return cut(strings.TrimSpace(e.Message), eventMessageLimit)
}

func eventTone(e *corev1.Event) Tone {
	if e.Type == corev1.EventTypeWarning {
		return ToneWarn
	}
	return ToneNone
}

func eventStatus(e *corev1.Event) Status {
	return Status{Word: e.Type, Reason: Message{Text: eventMessage(e)}, Tone: eventTone(e), Since: firstSeen(e)}
}

// firstSeen and lastSeen read the old and the new fields of events as kubectl
// does.
func firstSeen(e *corev1.Event) int64 {
	if e.FirstTimestamp.IsZero() {
		if e.EventTime.IsZero() {
			return 0
		}
		return e.EventTime.Unix()
	}
	return e.FirstTimestamp.Unix()
}

func lastSeen(e *corev1.Event) int64 {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Unix()
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Unix()
	default:
		return firstSeen(e)
	}
}

func eventCount(e *corev1.Event) int32 {
	switch {
	case e.Series != nil:
		return e.Series.Count
	case e.Count == 0:
		return 1 // events of the newer API count from the second on
	default:
		return e.Count
	}
}

func eventObject(e *corev1.Event) string { return objectText(&e.InvolvedObject) }

// objectText is a reference as kubectl writes it.
func objectText(o *corev1.ObjectReference) string {
	kind := strings.ToLower(o.Kind)
	if o.Name == "" {
		return kind
	}
	return kind + "/" + o.Name
}

// eventSource is who says so, as kubectl writes it.
func eventSource(e *corev1.Event) string {
	component, host := e.Source.Component, e.Source.Host
	if component == "" {
		component = e.ReportingController
	}
	if host == "" {
		host = e.ReportingInstance
	}
	if host == "" || host == component {
		return component
	}
	return component + ", " + host
}

// guessID is the ID of the kind of an object of which only version and kind
// are known. All kinds of Kubernetes itself are named by the rules of English;
// what others define has no link until discovery says what it is called.
func guessID(apiVersion, kind string) (id string, ok bool) {
	group, version, versioned := strings.Cut(apiVersion, "/")
	if !versioned {
		group, version = "", apiVersion
	}
	if kind == "" || strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
		return "", false
	}
	if kind == "Gateway" { // a vowel before the y
		return "gateways." + group, true
	}
	gvr, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
	return gvr.GroupResource().String(), true
}

// eventRef is an object that an event names, nil when it has no page.
func eventRef(o *corev1.ObjectReference, via string) *Ref {
	if o == nil || o.Name == "" {
		return nil
	}
	id, ok := guessID(o.APIVersion, o.Kind)
	if !ok {
		return nil
	}
	return &Ref{Kind: id, Namespace: o.Namespace, Name: o.Name, Via: via}
}

// involved is the object that an event is about.
func involved(e *corev1.Event) *Ref { return eventRef(&e.InvolvedObject, "involvedObject") }

func eventRefs(e *corev1.Event) []Ref {
	var out []Ref
	for _, ref := range []*Ref{involved(e), eventRef(e.Related, "related")} {
		if ref != nil {
			out = append(out, *ref)
		}
	}
	return out
}

func eventDetail(e *corev1.Event, d *Detail) {
	d.add("object", Value{Cell: Name(eventObject(e)), Ref: involved(e)})
	if r := e.Related; r != nil {
		d.add("related", Value{Cell: Name(objectText(r)), Ref: eventRef(r, "related")})
	}
	d.add("field", Value{Cell: Name(e.InvolvedObject.FieldPath)})
	d.add("reason", Value{Cell: Text(e.Reason)})
	d.add("message", Value{Cell: Text(cut(e.Message, 16*eventMessageLimit))})
	d.add("count", Value{Cell: Number(eventCount(e))})
	d.add("firstseen", Value{Cell: Age(firstSeen(e))})
	d.add("lastseen", Value{Cell: Age(lastSeen(e))})
	d.add("source", Value{Cell: Name(eventSource(e))})
	d.add("action", Value{Cell: Text(e.Action)})
}
