package kinds

import (
	"maps"
	"slices"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

var configKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("configmaps"), Name: "ConfigMap", Plural: "ConfigMaps", Short: []string{"cm"},
		Namespaced: true, Menu: MenuConfig,
	},
		Reads[corev1.ConfigMap]{Detail: configMapDetail},
		ColumnOf[corev1.ConfigMap]{Column{ID: "data", Form: FormNumber}, func(c *corev1.ConfigMap) Cell { return Number(len(c.Data) + len(c.BinaryData)) }},
		ColumnOf[corev1.ConfigMap]{Column{ID: "size", Form: FormBytes}, configMapSize},
		ColumnOf[corev1.ConfigMap]{Column{ID: "immutable", Form: FormText, Hidden: true}, func(c *corev1.ConfigMap) Cell { return marked(valueOf(c.Immutable, false)) }},
		ColumnOf[corev1.ConfigMap]{Column{ID: "age", Form: FormAge}, func(c *corev1.ConfigMap) Cell { return Age(unix(c.CreationTimestamp)) }},
	),
	secretKind,
	quotaKind,
	limitRangeKind,
	Define(Kind{
		GVR: schedulingv1.SchemeGroupVersion.WithResource("priorityclasses"), Name: "PriorityClass", Plural: "PriorityClasses", Short: []string{"pc"},
		Menu: MenuConfig, Sort: "-value",
	},
		Reads[schedulingv1.PriorityClass]{Detail: priorityClassDetail},
		ColumnOf[schedulingv1.PriorityClass]{Column{ID: "value", Form: FormNumber}, func(p *schedulingv1.PriorityClass) Cell { return Number(p.Value) }},
		ColumnOf[schedulingv1.PriorityClass]{Column{ID: "default", Form: FormText}, func(p *schedulingv1.PriorityClass) Cell { return marked(p.GlobalDefault) }},
		ColumnOf[schedulingv1.PriorityClass]{Column{ID: "preemption", Form: FormText}, func(p *schedulingv1.PriorityClass) Cell { return Text(string(valueOf(p.PreemptionPolicy, ""))) }},
		ColumnOf[schedulingv1.PriorityClass]{Column{ID: "description", Form: FormText, Hidden: true, Search: true}, func(p *schedulingv1.PriorityClass) Cell { return Text(cut(p.Description, cellLimit)) }},
		ColumnOf[schedulingv1.PriorityClass]{Column{ID: "age", Form: FormAge}, func(p *schedulingv1.PriorityClass) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: nodev1.SchemeGroupVersion.WithResource("runtimeclasses"), Name: "RuntimeClass", Plural: "RuntimeClasses", Menu: MenuConfig,
	},
		Reads[nodev1.RuntimeClass]{Detail: runtimeClassDetail},
		ColumnOf[nodev1.RuntimeClass]{Column{ID: "handler", Form: FormName, Search: true}, func(r *nodev1.RuntimeClass) Cell { return Name(r.Handler) }},
		ColumnOf[nodev1.RuntimeClass]{Column{ID: "age", Form: FormAge}, func(r *nodev1.RuntimeClass) Cell { return Age(unix(r.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: coordinationv1.SchemeGroupVersion.WithResource("leases"), Churns: true, Name: "Lease", Plural: "Leases",
		Namespaced: true, Menu: MenuConfig, Facets: []string{"status"},
	},
		Reads[coordinationv1.Lease]{
			Status: func(l *coordinationv1.Lease) Status { return leaseStatus(l, time.Now()) },
			Detail: leaseDetail,
		},
		ColumnOf[coordinationv1.Lease]{Column{ID: "holder", Form: FormName, Search: true}, func(l *coordinationv1.Lease) Cell { return Name(valueOf(l.Spec.HolderIdentity, "")) }},
		ColumnOf[coordinationv1.Lease]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[coordinationv1.Lease]{Column{ID: "renewed", Form: FormAge}, func(l *coordinationv1.Lease) Cell { return Age(leaseRenewed(l)) }},
		ColumnOf[coordinationv1.Lease]{Column{ID: "transitions", Form: FormNumber, Hidden: true}, func(l *coordinationv1.Lease) Cell { return Number(valueOf(l.Spec.LeaseTransitions, 0)) }},
		ColumnOf[coordinationv1.Lease]{Column{ID: "age", Form: FormAge}, func(l *coordinationv1.Lease) Cell { return Age(unix(l.CreationTimestamp)) }},
	),
}

// The words for who has a Lease.
const (
	WordHeld    = "Held"
	WordExpired = "Expired" // its holder has stopped renewing it
	WordFree    = "Free"    // nobody holds it
)

// entryLimit is how much of one value of a ConfigMap its page shows.
const entryLimit = 64 << 10

func configMapSize(c *corev1.ConfigMap) Cell {
	n := 0
	for _, v := range c.Data {
		n += len(v)
	}
	for _, v := range c.BinaryData {
		n += len(v)
	}
	return Bytes(resource.NewQuantity(int64(n), resource.BinarySI))
}

func configMapDetail(c *corev1.ConfigMap, d *Detail) {
	d.add("immutable", Value{Cell: marked(valueOf(c.Immutable, false))})
	d.add("size", Value{Cell: configMapSize(c)})
	d.add("finalizers", names(c.Finalizers)...)
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		v := c.Data[key]
		d.Entries = append(d.Entries, Entry{Key: key, Size: len(v), Text: cut(v, entryLimit)})
	}
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		d.Entries = append(d.Entries, Entry{Key: key, Size: len(c.BinaryData[key]), Binary: true})
	}
}

func priorityClassDetail(p *schedulingv1.PriorityClass, d *Detail) {
	d.add("value", Value{Cell: Number(p.Value)})
	d.add("default", Value{Cell: marked(p.GlobalDefault)})
	d.add("preemption", Value{Cell: Text(string(valueOf(p.PreemptionPolicy, "")))})
	d.add("description", Value{Cell: Text(p.Description)})
	d.add("finalizers", names(p.Finalizers)...)
}

func runtimeClassDetail(r *nodev1.RuntimeClass, d *Detail) {
	d.add("handler", Value{Cell: Name(r.Handler)})
	if o := r.Overhead; o != nil {
		d.add("overhead", asks(o.PodFixed.Cpu(), o.PodFixed.Memory())...)
	}
	if s := r.Scheduling; s != nil {
		var selector []string
		for _, key := range slices.Sorted(maps.Keys(s.NodeSelector)) {
			selector = append(selector, key+"="+s.NodeSelector[key])
		}
		d.add("nodeselector", names(selector)...)
		var tolerated []string
		for i := range s.Tolerations {
			tolerated = append(tolerated, toleration(&s.Tolerations[i]))
		}
		d.add("tolerations", names(tolerated)...)
	}
	d.add("finalizers", names(r.Finalizers)...)
}

// toleration is one as kubectl describe writes it.
func toleration(t *corev1.Toleration) string {
	s := t.Key
	if t.Value != "" {
		s += "=" + t.Value
	}
	if t.Effect != "" {
		s += ":" + string(t.Effect)
	}
	if t.Operator != "" && t.Operator != corev1.TolerationOpEqual {
		s += " op=" + string(t.Operator)
	}
	return s
}

func leaseRenewed(l *coordinationv1.Lease) int64 {
	switch {
	case l.Spec.RenewTime != nil && !l.Spec.RenewTime.IsZero():
		return l.Spec.RenewTime.Unix()
	case l.Spec.AcquireTime != nil && !l.Spec.AcquireTime.IsZero():
		return l.Spec.AcquireTime.Unix()
	default:
		return 0
	}
}

// leaseGrace is how far clocks and a watch may lag before a Lease counts as
// expired.
const leaseGrace = time.Minute

// leaseStatus can only be as new as the last change of the Lease, and whoever
// dies stops changing it. So a Lease that was renewed in time is not called
// well: its reason says how long ago that was, which stays true by itself.
func leaseStatus(l *coordinationv1.Lease, now time.Time) Status {
	if t, ok := terminating(l); ok {
		return t
	}
	if valueOf(l.Spec.HolderIdentity, "") == "" {
		return Status{Word: WordFree, Tone: ToneIdle}
	}
	s := Status{Word: WordHeld}
	if at := l.Spec.AcquireTime; at != nil {
		s.Since = at.Unix()
	}
	renewed := leaseRenewed(l)
	if renewed == 0 {
		return s
	}
	s.Reason = Message{ID: "lease.renewed", Args: map[string]any{"At": time.Unix(renewed, 0)}}
	if lasts := l.Spec.LeaseDurationSeconds; lasts != nil {
		end := time.Unix(renewed, 0).Add(time.Duration(*lasts) * time.Second)
		if now.After(end.Add(leaseGrace)) {
			s.Word, s.Tone, s.Since = WordExpired, ToneWarn, end.Unix()
		}
	}
	return s
}

func leaseDetail(l *coordinationv1.Lease, d *Detail) {
	holder := Value{Cell: Name(valueOf(l.Spec.HolderIdentity, ""))}
	if l.Namespace == corev1.NamespaceNodeLease { // each node renews the one with its name
		holder = refValue(holder.Cell, "nodes", "", l.Name)
	}
	d.add("holder", holder)
	d.add("renewed", Value{Cell: Age(leaseRenewed(l))})
	if at := l.Spec.AcquireTime; at != nil {
		d.add("acquired", Value{Cell: Age(at.Unix())})
	}
	if lasts := l.Spec.LeaseDurationSeconds; lasts != nil {
		d.add("leaseduration", Value{Cell: Text(strconv.Itoa(int(*lasts)) + "s")})
	}
	if n := l.Spec.LeaseTransitions; n != nil {
		d.add("transitions", Value{Cell: Number(*n)})
	}
	d.add("preferredholder", Value{Cell: Name(valueOf(l.Spec.PreferredHolder, ""))})
	d.add("finalizers", names(l.Finalizers)...)
}
