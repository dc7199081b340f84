package kinds

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// daemonSetUnavailable is how many nodes may be without a serving pod while an
// update is on its way.
func daemonSetUnavailable(d *appsv1.DaemonSet) int32 {
	r := d.Spec.UpdateStrategy.RollingUpdate
	if r == nil || r.MaxUnavailable == nil {
		return 1
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(r.MaxUnavailable, int(d.Status.DesiredNumberScheduled), true)
	if err != nil {
		return 1
	}
	return int32(n) //nolint:gosec // at most the number of nodes
}

func daemonSetMessage(d *appsv1.DaemonSet, id string) Message {
	st := &d.Status
	return Message{ID: id, Args: map[string]any{
		"Want": int(st.DesiredNumberScheduled), "Have": int(st.CurrentNumberScheduled), "Ready": int(st.NumberReady),
		"Updated": int(st.UpdatedNumberScheduled), "Available": int(st.NumberAvailable), "Unavailable": int(st.NumberUnavailable),
		"Old": int(st.CurrentNumberScheduled - st.UpdatedNumberScheduled), "Wrong": int(st.NumberMisscheduled), "Allowed": int(daemonSetUnavailable(d)),
	}}
}

// daemonSetStatus says how the rollout over the nodes stands. A DaemonSet has
// no conditions and no deadline; what stops it for good is more nodes without
// a serving pod than the strategy allows.
func daemonSetStatus(d *appsv1.DaemonSet) Status {
	if s, ok := terminating(d); ok {
		return s
	}
	st := &d.Status
	say := func(word string, tone Tone, id string) Status {
		return Status{Word: word, Tone: tone, Reason: daemonSetMessage(d, id)}
	}
	onDelete := d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType
	switch {
	case st.ObservedGeneration < d.Generation:
		return unseen()
	case st.DesiredNumberScheduled == 0 && st.NumberMisscheduled == 0:
		return Status{Word: WordNoNodes, Tone: ToneIdle, Reason: Message{ID: "daemonset.nonodes"}}
	case onDelete && st.UpdatedNumberScheduled < st.CurrentNumberScheduled:
		return say(WordOutdated, ToneWarn, "daemonset.ondelete")
	case !onDelete && st.UpdatedNumberScheduled < st.CurrentNumberScheduled && st.NumberUnavailable > daemonSetUnavailable(d):
		return say("Progressing", ToneWarn, "daemonset.stalled")
	case !onDelete && st.UpdatedNumberScheduled < st.CurrentNumberScheduled:
		return say("Progressing", ToneInfo, "daemonset.updating")
	case st.CurrentNumberScheduled < st.DesiredNumberScheduled: // new, or on new nodes
		return say("Progressing", ToneInfo, "replicas.creating")
	case st.NumberAvailable < st.DesiredNumberScheduled:
		return lacking(st.NumberAvailable, st.DesiredNumberScheduled)
	case st.NumberMisscheduled > 0:
		return say("Available", ToneWarn, "daemonset.misscheduled")
	default:
		return Status{Word: "Available", Tone: ToneOK}
	}
}

func daemonSetDetail(d *appsv1.DaemonSet, out *Detail) {
	st := &d.Status
	out.add("replicas", Value{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.NumberReady, st.DesiredNumberScheduled), Form: FormRatio, Note: daemonSetMessage(d, "deployment.replicas"),
	}})
	if st.NumberMisscheduled > 0 {
		out.add("misscheduled", Value{Cell: Number(st.NumberMisscheduled)})
	}
	strategy := Text(string(d.Spec.UpdateStrategy.Type))
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil && r.MaxSurge != nil && r.MaxUnavailable != nil {
		strategy.Note = Message{ID: "deployment.rolling", Args: map[string]any{"Surge": r.MaxSurge.String(), "Unavailable": r.MaxUnavailable.String()}}
	}
	out.add("strategy", Value{Cell: strategy})
	out.minReady(d.Spec.MinReadySeconds)
	out.add("selector", Value{Cell: Name(selectorText(d.Spec.Selector))})
	out.add("nodeselector", Value{Cell: Name(labelText(d.Spec.Template.Spec.NodeSelector))})
	out.template(d, &d.Spec.Template.Spec)
	for i := range st.Conditions {
		c := &st.Conditions[i]
		out.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
	}
}
