package kinds

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Action is something that can be done to an object beyond reading it; its
// title has the message id "action.<Action>".
type Action string

// The actions.
const (
	ActionScale     Action = "scale"
	ActionRestart   Action = "restart"
	ActionPause     Action = "pause"
	ActionResume    Action = "resume"
	ActionUndo      Action = "undo"
	ActionRun       Action = "run"   // a CronJob's job, now
	ActionRerun     Action = "rerun" // a Job, once more
	ActionSuspend   Action = "suspend"
	ActionUnsuspend Action = "unsuspend"
	ActionEvict     Action = "evict"
	ActionCordon    Action = "cordon"
	ActionUncordon  Action = "uncordon"
	ActionDrain     Action = "drain"
	ActionDelete    Action = "delete"
)

// State is what of an object decides whether an action would do anything.
type State uint8

// The states; an object may be in several.
const (
	StatePaused    State = 1 << iota // its rollout is paused
	StateSuspended                   // it starts no runs, or no pods
	StateFinished                    // it has run to its end
	StateCordoned                    // no pod is placed on it
	StateOwned                       // another object decides how many pods it has
	StateLeaving                     // it is being deleted
	StateFirst                       // it has had no other revision than this
)

// Is reports whether the object is in all of these states.
func (s State) Is(all State) bool { return s&all == all }

func in(s State, when bool) State {
	if when {
		return s
	}
	return 0
}

func deploymentState(d *appsv1.Deployment) State {
	revision := d.Annotations[revisionAnnotation]
	return in(StatePaused, d.Spec.Paused) | in(StateFirst, revision == "" || revision == "1")
}

// unchanged is the state of a StatefulSet or a DaemonSet: one whose specification has never been written again has one
// revision. Whether one that was written has another stands in its revisions, not in it.
func unchanged(o metav1.Object) State { return in(StateFirst, o.GetGeneration() == 1) }

func replicaSetState(r *appsv1.ReplicaSet) State {
	return in(StateOwned, metav1.GetControllerOf(r) != nil)
}

func jobState(j *batchv1.Job) State {
	over := jobCondition(j, batchv1.JobComplete) != nil || jobCondition(j, batchv1.JobFailed) != nil
	return in(StateFinished, over) | in(StateSuspended, valueOf(j.Spec.Suspend, false))
}

func cronJobState(c *batchv1.CronJob) State {
	return in(StateSuspended, valueOf(c.Spec.Suspend, false))
}

func podState(p *corev1.Pod) State {
	return in(StateFinished, p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
}

func nodeState(n *corev1.Node) State { return in(StateCordoned, n.Spec.Unschedulable) }
