package kinds

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The status words of workloads that are not Kubernetes' own.
const (
	WordOutdated        = "Outdated"        // pods of an old revision that nobody replaces
	WordNoNodes         = "NoNodes"         // no node is meant to have a pod of it
	WordOldRevision     = "OldRevision"     // kept so that its Deployment can go back to it
	WordRunFailed       = "RunFailed"       // the last run of a CronJob did not succeed
	WordOverdue         = "Overdue"         // a run of a CronJob was due and has not begun
	WordScheduled       = "Scheduled"       // a CronJob that waits for its next run
	WordInvalid         = "Invalid"         // what it says cannot be followed
	WordCannotScale     = "CannotScale"     // an autoscaler that cannot reach what it scales
	WordNoMetrics       = "NoMetrics"       // an autoscaler that cannot read what it scales by
	WordSwitchedOff     = "SwitchedOff"     // an autoscaler whose target has no replicas
	WordScaling         = "Scaling"         // on its way to another number of replicas
	WordAtMaximum       = "AtMaximum"       // would have more replicas than it may
	WordLimited         = "Limited"         // scales more slowly than it would
	WordNoPods          = "NoPods"          // is about pods of which there are none
	WordAllowsEvictions = "AllowsEvictions" // a pod may be evicted now
	WordBlocksEvictions = "BlocksEvictions" // no pod may be evicted now
)

// What the workloads have in common: counts of pods, rollouts, pod templates.

// readyCell is how many of the wanted pods are ready.
func readyCell(ready, want int32) Cell {
	c := Ratio(int(ready), int(want))
	if ready < want {
		c.Tone = ToneWarn
	}
	return c
}

// countCell is a number of pods that should be as large as want.
func countCell(have, want int32) Cell {
	c := Number(have)
	if have < want {
		c.Tone = ToneWarn
	}
	return c
}

// leaving is the status of objects that have none of their own: they can only
// be on their way out.
func leaving(o metav1.Object) Status {
	s, _ := terminating(o)
	return s
}

// lacking is the status of a workload that has made all its pods, of which
// some do not serve.
func lacking(available, want int32) Status {
	s := Status{Word: WordUnavailable, Tone: ToneBad}
	if available > 0 {
		s = Status{Word: "Available", Tone: ToneWarn}
	}
	s.Reason = Message{ID: "replicas.short", Args: map[string]any{"Available": int(available), "Want": int(want)}}
	return s
}

// unseen is the status of a workload whose controller has not read its newest
// change yet.
func unseen() Status {
	return Status{Word: "Progressing", Tone: ToneInfo, Reason: Message{ID: "replicas.unseen"}}
}

// template adds what a pod template says: the objects it refers to, its
// containers, and what holds the workload that it belongs to.
func (d *Detail) template(o metav1.Object, spec *corev1.PodSpec) {
	d.addTemplate(o.GetNamespace(), spec)
	if held := o.GetFinalizers(); len(held) > 0 {
		d.add("finalizers", names(held)...)
	}
	d.Containers = templateContainers(o.GetNamespace(), "", spec)
}

// condition adds one condition. Those named in bad are bad news when true, all
// others when false.
func (d *Detail) condition(kind, status, reason, message string, since metav1.Time, bad ...string) {
	d.conditions([]metav1.Condition{{
		Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message, LastTransitionTime: since,
	}}, bad...)
}

// seconds adds a fact that is a number of seconds, unless nobody set it.
func (d *Detail) seconds(id string, n *int32) {
	if n != nil {
		d.add(id, Value{Cell: secondsCell(int64(*n))})
	}
}

// minReady adds how long a pod has to be ready before it counts.
func (d *Detail) minReady(n int32) {
	if n > 0 {
		d.seconds("minready", &n)
	}
}

// secondsCell is a number of seconds, sorted as one.
func secondsCell(n int64) Cell {
	return Cell{Text: fmt.Sprintf("%ds", n), Num: float64(n), Form: FormNumber}
}

// count adds a fact that is a number, unless nobody set it.
func (d *Detail) count(id string, n *int32) {
	if n != nil {
		d.add(id, Value{Cell: Number(*n)})
	}
}
