package kinds

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func deploymentCondition(d *appsv1.Deployment, t appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if c := &d.Status.Conditions[i]; c.Type == t {
			return c
		}
	}
	return nil
}

// deploymentStatus says how the rollout stands. The order of the questions is
// that of kubectl rollout status, with what it leaves out in between.
func deploymentStatus(d *appsv1.Deployment) Status {
	want, st := wanted(d.Spec.Replicas), &d.Status
	counts := func(id string) Message {
		return Message{ID: id, Args: map[string]any{
			"Want": int(want), "Updated": int(st.UpdatedReplicas), "Ready": int(st.ReadyReplicas),
			"Available": int(st.AvailableReplicas), "Old": int(st.Replicas - st.UpdatedReplicas),
		}}
	}
	progressing, available := deploymentCondition(d, appsv1.DeploymentProgressing), deploymentCondition(d, appsv1.DeploymentAvailable)
	seen := st.ObservedGeneration >= d.Generation
	if s, ok := terminating(d); ok {
		return s
	}
	if c := deploymentCondition(d, appsv1.DeploymentReplicaFailure); seen && c != nil && c.Status == corev1.ConditionTrue {
		return Status{Word: WordReplicaFailure, Tone: ToneBad, Reason: Message{Text: short(c.Message)}, Since: unix(c.LastTransitionTime)}
	}
	if seen && progressing != nil && progressing.Reason == "ProgressDeadlineExceeded" {
		return Status{Word: WordStuck, Tone: ToneBad, Reason: counts("deployment.stuck"), Since: unix(progressing.LastTransitionTime)}
	}
	rolling := Status{Word: "Progressing", Tone: ToneInfo}
	if progressing != nil {
		rolling.Since = unix(progressing.LastUpdateTime)
	}
	outOf := func(s Status, id string) Status {
		s.Reason = counts(id)
		return s
	}
	switch {
	case d.Spec.Paused && seen && st.UpdatedReplicas < want:
		return outOf(Status{Word: WordPaused, Tone: ToneWarn}, "deployment.pausedmidway")
	case !seen:
		return outOf(rolling, "deployment.unseen")
	case want == 0 && st.Replicas == 0:
		return Status{Word: WordScaledToZero, Tone: ToneIdle}
	case want == 0:
		return outOf(rolling, "deployment.scalingdown")
	case st.UpdatedReplicas < want:
		return outOf(rolling, "deployment.updating")
	case st.Replicas > st.UpdatedReplicas:
		return outOf(rolling, "deployment.old")
	}
	if st.AvailableReplicas < want {
		return deploymentShort(d, rolling, counts, available, progressing)
	}
	s := Status{Word: "Available", Tone: ToneOK}
	if available != nil {
		s.Since = unix(available.LastTransitionTime)
	}
	if d.Spec.Paused {
		s = Status{Word: WordPaused, Tone: ToneIdle}
	}
	return s
}

// deploymentShort is the status when all replicas are of the newest revision
// and some are not available.
func deploymentShort(d *appsv1.Deployment, rolling Status, counts func(string) Message, available, progressing *appsv1.DeploymentCondition) Status {
	// Once a rollout has finished, the condition stays at this reason until the
	// next one: what is missing since then has failed, it is not on its way.
	finished := progressing == nil || progressing.Reason == "NewReplicaSetAvailable" || d.Spec.Paused
	enough := available == nil || available.Status == corev1.ConditionTrue
	s := rolling
	switch {
	case !finished:
		s.Reason = counts("deployment.becoming")
		return s
	case enough && d.Status.AvailableReplicas > 0:
		s = Status{Word: "Available", Tone: ToneWarn} // nobody recorded since when
	default:
		s = Status{Word: WordUnavailable, Tone: ToneBad}
		if available != nil {
			s.Since = unix(available.LastTransitionTime)
		}
	}
	s.Reason = counts("deployment.short")
	return s
}

func deploymentDetail(d *appsv1.Deployment, out *Detail) {
	st := &d.Status
	out.add("replicas", Value{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.ReadyReplicas, wanted(d.Spec.Replicas)), Form: FormRatio,
		Note: Message{ID: "deployment.replicas", Args: map[string]any{
			"Want": int(wanted(d.Spec.Replicas)), "Ready": int(st.ReadyReplicas), "Updated": int(st.UpdatedReplicas),
			"Available": int(st.AvailableReplicas), "Unavailable": int(st.UnavailableReplicas),
		}},
	}})
	strategy := Text(string(d.Spec.Strategy.Type))
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		strategy.Note = Message{ID: "deployment.rolling", Args: map[string]any{"Surge": r.MaxSurge.String(), "Unavailable": r.MaxUnavailable.String()}}
	}
	out.add("strategy", Value{Cell: strategy})
	out.add("selector", Value{Cell: Name(selectorText(d.Spec.Selector))})
	out.add("revision", Value{Cell: Name(d.Annotations[revisionAnnotation])})
	out.seconds("progressdeadline", d.Spec.ProgressDeadlineSeconds)
	out.minReady(d.Spec.MinReadySeconds)
	out.template(d, &d.Spec.Template.Spec)
	for i := range st.Conditions {
		c := &st.Conditions[i]
		out.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(appsv1.DeploymentReplicaFailure))
	}
}
