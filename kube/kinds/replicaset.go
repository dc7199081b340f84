package kinds

import (
	"encoding/json"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The annotations by which a Deployment numbers its ReplicaSets and tells them
// how many replicas it wants in all.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
)

// asReplicaSet reads a ReplicationController, which is the same thing by an
// older name.
func asReplicaSet(r *corev1.ReplicationController) *appsv1.ReplicaSet {
	out := &appsv1.ReplicaSet{
		ObjectMeta: r.ObjectMeta,
		Spec:       appsv1.ReplicaSetSpec{Replicas: r.Spec.Replicas, MinReadySeconds: r.Spec.MinReadySeconds, Selector: &metav1.LabelSelector{MatchLabels: r.Spec.Selector}},
		Status: appsv1.ReplicaSetStatus{
			Replicas: r.Status.Replicas, FullyLabeledReplicas: r.Status.FullyLabeledReplicas, ReadyReplicas: r.Status.ReadyReplicas,
			AvailableReplicas: r.Status.AvailableReplicas, ObservedGeneration: r.Status.ObservedGeneration,
		},
	}
	if r.Spec.Template != nil {
		out.Spec.Template = *r.Spec.Template
	}
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		out.Status.Conditions = append(out.Status.Conditions, appsv1.ReplicaSetCondition{
			Type: appsv1.ReplicaSetConditionType(c.Type), Status: c.Status, Reason: c.Reason, Message: c.Message, LastTransitionTime: c.LastTransitionTime,
		})
	}
	return out
}

// replicaSetRevision is the number of the Deployment's revision, none for a
// ReplicaSet that stands alone.
func replicaSetRevision(r *appsv1.ReplicaSet) Cell {
	n, err := strconv.ParseInt(r.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return Cell{}
	}
	return Number(n)
}

// superseded reports whether the ReplicaSet is an old revision that its
// Deployment keeps to be able to go back to it.
func superseded(r *appsv1.ReplicaSet) bool {
	n, err := strconv.Atoi(r.Annotations[desiredAnnotation])
	return err == nil && n > 0 && metav1.GetControllerOf(r) != nil
}

func replicaSetStatus(r *appsv1.ReplicaSet) Status {
	if s, ok := terminating(r); ok {
		return s
	}
	want, st := wanted(r.Spec.Replicas), &r.Status
	if st.ObservedGeneration < r.Generation {
		return unseen()
	}
	for i := range st.Conditions {
		if c := &st.Conditions[i]; c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			return Status{Word: WordReplicaFailure, Tone: ToneBad, Reason: Message{Text: short(c.Message)}, Since: unix(c.LastTransitionTime)}
		}
	}
	counts := map[string]any{"Have": int(st.Replicas), "Want": int(want)}
	switch {
	case want == 0 && st.Replicas == 0 && superseded(r):
		return Status{Word: WordOldRevision, Tone: ToneIdle}
	case want == 0 && st.Replicas == 0:
		return Status{Word: WordScaledToZero, Tone: ToneIdle}
	case st.Replicas > want:
		return Status{Word: "Progressing", Tone: ToneInfo, Reason: Message{ID: "replicas.scalingdown", Args: counts}}
	case st.Replicas < want:
		return Status{Word: "Progressing", Tone: ToneInfo, Reason: Message{ID: "replicas.creating", Args: counts}}
	case st.AvailableReplicas < want:
		s := lacking(st.AvailableReplicas, want)
		if metav1.GetControllerOf(r) != nil {
			s.Tone = ToneWarn // during a rollout that is as it should be; whoever owns it knows
		}
		return s
	default:
		return Status{Word: "Available", Tone: ToneOK}
	}
}

func replicaSetDetail(r *appsv1.ReplicaSet, d *Detail) {
	st := &r.Status
	d.add("replicas", Value{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.ReadyReplicas, wanted(r.Spec.Replicas)), Form: FormRatio,
		Note: Message{ID: "replicas.counts", Args: map[string]any{
			"Want": int(wanted(r.Spec.Replicas)), "Have": int(st.Replicas), "Ready": int(st.ReadyReplicas), "Available": int(st.AvailableReplicas),
		}},
	}})
	d.add("controller", controllerValue(r))
	d.add("revision", Value{Cell: Name(r.Annotations[revisionAnnotation])})
	d.minReady(r.Spec.MinReadySeconds)
	d.add("selector", Value{Cell: Name(selectorText(r.Spec.Selector))})
	d.template(r, &r.Spec.Template.Spec)
	for i := range st.Conditions {
		c := &st.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(appsv1.ReplicaSetReplicaFailure))
	}
}

// revisionTemplate is the pod template that a revision of a StatefulSet or a
// DaemonSet keeps; empty for revisions of anything else.
func revisionTemplate(r *appsv1.ControllerRevision) *corev1.PodTemplateSpec {
	var data struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if json.Unmarshal(r.Data.Raw, &data) != nil {
		return &corev1.PodTemplateSpec{}
	}
	return &data.Spec.Template
}

func revisionDetail(r *appsv1.ControllerRevision, d *Detail) {
	d.add("controller", controllerValue(r))
	d.add("revision", Value{Cell: Number(r.Revision)})
	d.template(r, &revisionTemplate(r).Spec)
}
