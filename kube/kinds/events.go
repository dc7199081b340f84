package kinds

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var eventKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("events"), Name: "Event", Plural: "Events", Short: []string{"ev"},
		Namespaced: true, Menu: MenuCluster, Subject: "object", Sort: "lastseen", Facets: []string{"status", "reason", "objectkind"},
	},
		Reads[corev1.Event]{Status: eventStatus, Refs: eventRefs, Detail: eventDetail},
		ColumnOf[corev1.Event]{Column{ID: "lastseen", Form: FormAge}, func(e *corev1.Event) Cell { return Age(lastSeen(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "status", Form: FormStatus}, func(e *corev1.Event) Cell { return StatusCell(Status{Word: e.Type, Tone: eventTone(e)}) }},
		ColumnOf[corev1.Event]{Column{ID: "reason", Form: FormText, Search: true}, func(e *corev1.Event) Cell { return Text(e.Reason) }},
		ColumnOf[corev1.Event]{Column{ID: "object", Form: FormName, Search: true}, func(e *corev1.Event) Cell { return Name(eventObject(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "message", Form: FormText, Search: true}, func(e *corev1.Event) Cell { return Text(eventMessage(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "count", Form: FormNumber}, func(e *corev1.Event) Cell { return Number(eventCount(e)) }},
		ColumnOf[corev1.Event]{Column{ID: "objectkind", Form: FormText, Hidden: true}, func(e *corev1.Event) Cell { return Text(e.InvolvedObject.Kind) }},
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

func eventObject(e *corev1.Event) string {
	kind := strings.ToLower(e.InvolvedObject.Kind)
	if e.InvolvedObject.Name == "" {
		return kind
	}
	return kind + "/" + e.InvolvedObject.Name
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

// resourceOf are the IDs of the kinds that events are usually about. What is
// not here has no link until discovery says what it is called.
var resourceOf = map[string]string{
	"/Pod": "pods", "/Node": "nodes", "/Namespace": "namespaces", "/Service": "services", "/ConfigMap": "configmaps",
	"/Secret": "secrets", "/PersistentVolumeClaim": "persistentvolumeclaims", "/PersistentVolume": "persistentvolumes",
	"/ServiceAccount": "serviceaccounts", "/ReplicationController": "replicationcontrollers",
	"apps/Deployment": "deployments.apps", "apps/ReplicaSet": "replicasets.apps", "apps/StatefulSet": "statefulsets.apps",
	"apps/DaemonSet": "daemonsets.apps", "batch/Job": "jobs.batch", "batch/CronJob": "cronjobs.batch",
	"autoscaling/HorizontalPodAutoscaler": "horizontalpodautoscalers.autoscaling",
	"networking.k8s.io/Ingress":           "ingresses.networking.k8s.io", "policy/PodDisruptionBudget": "poddisruptionbudgets.policy",
}

// involved is the object that an event is about.
func involved(e *corev1.Event) *Ref {
	o := &e.InvolvedObject
	group, _, versioned := strings.Cut(o.APIVersion, "/")
	if !versioned {
		group = ""
	}
	id, ok := resourceOf[group+"/"+o.Kind]
	if !ok || o.Name == "" {
		return nil
	}
	return &Ref{Kind: id, Namespace: o.Namespace, Name: o.Name, Via: "involvedObject"}
}

func eventRefs(e *corev1.Event) []Ref {
	if ref := involved(e); ref != nil {
		return []Ref{*ref}
	}
	return nil
}

func eventDetail(e *corev1.Event, d *Detail) {
	d.add("object", Value{Cell: Name(eventObject(e)), Ref: involved(e)})
	d.add("field", Value{Cell: Name(e.InvolvedObject.FieldPath)})
	d.add("reason", Value{Cell: Text(e.Reason)})
	d.add("message", Value{Cell: Text(cut(e.Message, 16*eventMessageLimit))})
	d.add("count", Value{Cell: Number(eventCount(e))})
	d.add("firstseen", Value{Cell: Age(firstSeen(e))})
	d.add("lastseen", Value{Cell: Age(lastSeen(e))})
	d.add("source", Value{Cell: Name(eventSource(e))})
	d.add("action", Value{Cell: Text(e.Action)})
}
