package kinds

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var appsKinds = []*Kind{
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("deployments"), Name: "Deployment", Plural: "Deployments", Short: []string{"deploy"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionScale, ActionRestart},
	},
		Reads[appsv1.Deployment]{
			Status: deploymentStatus,
			Refs:   func(d *appsv1.Deployment) []Ref { return templateRefs(d.Namespace, &d.Spec.Template.Spec) },
			Detail: deploymentDetail,
		},
		ColumnOf[appsv1.Deployment]{Column{ID: "ready", Form: FormRatio}, deploymentReady},
		ColumnOf[appsv1.Deployment]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[appsv1.Deployment]{Column{ID: "uptodate", Form: FormNumber}, func(d *appsv1.Deployment) Cell { return Number(d.Status.UpdatedReplicas) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "available", Form: FormNumber}, func(d *appsv1.Deployment) Cell { return Number(d.Status.AvailableReplicas) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "images", Form: FormName, Search: true}, func(d *appsv1.Deployment) Cell { return Name(imagesOf(&d.Spec.Template.Spec)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "selector", Form: FormName, Hidden: true}, func(d *appsv1.Deployment) Cell { return Name(selectorText(d.Spec.Selector)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "strategy", Form: FormText, Hidden: true}, func(d *appsv1.Deployment) Cell { return Text(string(d.Spec.Strategy.Type)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "age", Form: FormAge}, func(d *appsv1.Deployment) Cell { return Age(unix(d.CreationTimestamp)) }},
	),
}

// wanted is the number of replicas asked for; the API's default is one.
func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// selectorText is a label selector as kubectl writes it, empty for none.
func selectorText(s *metav1.LabelSelector) string {
	if s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(s)
}

func deploymentReady(d *appsv1.Deployment) Cell {
	want := wanted(d.Spec.Replicas)
	c := Ratio(int(d.Status.ReadyReplicas), int(want))
	if d.Status.ReadyReplicas < want {
		c.Tone = ToneWarn
	}
	return c
}

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
	if d.DeletionTimestamp != nil {
		s := Status{Word: "Terminating", Tone: ToneInfo, Since: unix(*d.DeletionTimestamp)}
		if len(d.Finalizers) > 0 {
			s.Tone, s.Reason = ToneWarn, heldBy(d.Finalizers)
		}
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
	out.Facts = append(out.Facts, Fact{ID: "replicas", Values: []Value{{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.ReadyReplicas, wanted(d.Spec.Replicas)), Form: FormRatio,
		Note: Message{ID: "deployment.replicas", Args: map[string]any{
			"Want": int(wanted(d.Spec.Replicas)), "Ready": int(st.ReadyReplicas), "Updated": int(st.UpdatedReplicas),
			"Available": int(st.AvailableReplicas), "Unavailable": int(st.UnavailableReplicas),
		}},
	}}}})
	strategy := Text(string(d.Spec.Strategy.Type))
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		strategy.Note = Message{ID: "deployment.rolling", Args: map[string]any{"Surge": r.MaxSurge.String(), "Unavailable": r.MaxUnavailable.String()}}
	}
	out.add("strategy", Value{Cell: strategy})
	out.add("selector", Value{Cell: Name(selectorText(d.Spec.Selector))})
	out.add("revision", Value{Cell: Name(d.Annotations["deployment.kubernetes.io/revision"])})
	if s := d.Spec.ProgressDeadlineSeconds; s != nil {
		out.add("progressdeadline", Value{Cell: Text(fmt.Sprintf("%ds", *s))})
	}
	if d.Spec.MinReadySeconds > 0 {
		out.add("minready", Value{Cell: Text(fmt.Sprintf("%ds", d.Spec.MinReadySeconds))})
	}
	out.addTemplate(d.Namespace, &d.Spec.Template.Spec)
	if len(d.Finalizers) > 0 {
		out.add("finalizers", names(d.Finalizers)...)
	}
	for i := range st.Conditions {
		c := &st.Conditions[i]
		good := corev1.ConditionTrue
		if c.Type == appsv1.DeploymentReplicaFailure {
			good = corev1.ConditionFalse
		}
		out.Conditions = append(out.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Since: unix(c.LastTransitionTime), Tone: conditionTone(c.Status == good, c.Status == corev1.ConditionUnknown),
		})
	}
	out.Containers = templateContainers(&d.Spec.Template.Spec)
}
