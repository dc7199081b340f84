package kinds

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// podReading is what kubectl prints of a pod. The words follow the API
// server's own table printer to the letter, with all its oddities, because
// people compare them; what is more helpful goes into the reason.
type podReading struct {
	word         string
	ready, total int
	restarts     int
	lastRestart  time.Time
	lastEnd      string                  // how the container that restarted last had ended
	blamed       *corev1.ContainerStatus // the container that the word comes from
	blamedInit   bool
}

func readPod(p *corev1.Pod) podReading {
	r := podReading{word: string(p.Status.Phase), total: len(p.Spec.Containers)}
	if p.Status.Reason != "" {
		r.word = p.Status.Reason
	}
	if c := podCondition(p, corev1.PodScheduled); c != nil && c.Reason == corev1.PodReasonSchedulingGated {
		r.word = corev1.PodReasonSchedulingGated
	}
	var sidecars map[string]bool // most pods have none
	for i := range p.Spec.InitContainers {
		if c := &p.Spec.InitContainers[i]; isSidecar(c) {
			if sidecars == nil {
				sidecars = make(map[string]bool)
			}
			sidecars[c.Name] = true
			r.total++
		}
	}
	initialising := r.readInit(p, sidecars)
	if initialised := podCondition(p, corev1.PodInitialized); !initialising || initialised != nil && initialised.Status == corev1.ConditionTrue {
		r.readMain(p, sidecars)
	}
	switch {
	case p.DeletionTimestamp == nil:
	case p.Status.Reason == nodeLost:
		r.word = "Unknown"
	case p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded:
		r.word = "Terminating"
	}
	return r
}

// nodeLost is the reason that the node controller gives to pods of a node that
// it has lost.
const nodeLost = "NodeLost"

// readInit reads the init containers up to the first that is not done, and
// reports whether there is one.
func (r *podReading) readInit(p *corev1.Pod, sidecars map[string]bool) bool {
	for i := range p.Status.InitContainerStatuses {
		s := &p.Status.InitContainerStatuses[i]
		r.countRestarts(s)
		switch ended := s.State.Terminated; {
		case ended != nil && ended.ExitCode == 0:
			continue
		case sidecars[s.Name] && s.Started != nil && *s.Started:
			if s.Ready {
				r.ready++
			}
			continue
		case ended != nil:
			r.word = "Init:" + endWord(ended)
		case s.State.Waiting != nil && s.State.Waiting.Reason != "" && s.State.Waiting.Reason != "PodInitializing":
			r.word = "Init:" + s.State.Waiting.Reason
		default:
			r.word = "Init:" + strconv.Itoa(i) + "/" + strconv.Itoa(len(p.Spec.InitContainers))
		}
		r.blamed, r.blamedInit = s, true
		return true
	}
	return false
}

// readMain reads the containers proper. Restarts of init containers no longer
// count then, except those of sidecars.
func (r *podReading) readMain(p *corev1.Pod, sidecars map[string]bool) {
	r.restarts, r.lastRestart, r.lastEnd = 0, time.Time{}, ""
	for i := range p.Status.InitContainerStatuses {
		if s := &p.Status.InitContainerStatuses[i]; sidecars[s.Name] {
			r.countRestarts(s)
		}
	}
	running := false
	failure := ""
	var failed *corev1.ContainerStatus
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		s := &p.Status.ContainerStatuses[i]
		r.countRestarts(s)
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason != "":
			r.word, r.blamed, r.blamedInit = s.State.Waiting.Reason, s, false
		case s.State.Terminated != nil:
			r.word, r.blamed, r.blamedInit = endWord(s.State.Terminated), s, false
			if s.State.Terminated.ExitCode != 0 {
				failure, failed = r.word, s
			}
		case s.Ready && s.State.Running != nil:
			running = true
			r.ready++
		}
	}
	if r.word != "Completed" {
		return
	}
	ready := podCondition(p, corev1.PodReady)
	switch {
	case running && ready != nil && ready.Status == corev1.ConditionTrue:
		r.word, r.blamed = "Running", nil
	case failure != "":
		r.word, r.blamed = failure, failed
	case running:
		r.word = "NotReady"
	}
}

func (r *podReading) countRestarts(s *corev1.ContainerStatus) {
	r.restarts += int(s.RestartCount)
	if t := s.LastTerminationState.Terminated; t != nil && t.FinishedAt.After(r.lastRestart) {
		r.lastRestart, r.lastEnd = t.FinishedAt.Time, endWord(t)
	}
}

// endWord is how a container ended, in one word.
func endWord(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return "Signal:" + strconv.Itoa(int(t.Signal))
	default:
		return "ExitCode:" + strconv.Itoa(int(t.ExitCode))
	}
}

func podCondition(p *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == t {
			return c
		}
	}
	return nil
}

func podStatus(p *corev1.Pod) Status {
	r := readPod(p)
	s := Status{Word: r.word}
	switch {
	case p.DeletionTimestamp != nil && (r.word == "Terminating" || r.word == "Unknown"):
		s.Tone, s.Reason = podLeaving(p)
		s.Since = unix(*p.DeletionTimestamp)
		if g := p.DeletionGracePeriodSeconds; g != nil {
			s.Since -= *g // the timestamp is the end of the grace period
		}
	case p.Status.Phase == corev1.PodFailed:
		s.Tone, s.Reason = ToneBad, podFailure(p, &r)
		if r.blamed != nil {
			s.Since = blamedSince(r.blamed)
		}
	case p.Status.Phase == corev1.PodSucceeded:
		s.Tone = ToneIdle
	case p.Status.Phase == "":
		// not even accepted: nothing is known, good or bad
	case p.Status.Phase == corev1.PodUnknown:
		s.Tone, s.Reason = ToneBad, Message{ID: "pod.nodelost", Args: map[string]any{"Node": p.Spec.NodeName}}
	case r.blamed != nil:
		s.Tone, s.Reason = containerTrouble(p, &r)
		s.Since = blamedSince(r.blamed)
	case p.Status.Phase == corev1.PodPending:
		s.Tone, s.Reason, s.Since = podWaiting(p)
	default:
		s.Tone, s.Reason, s.Since = podRunning(p, &r)
	}
	return s
}

// podLeaving says why a pod that is being deleted is still there.
func podLeaving(p *corev1.Pod) (Tone, Message) {
	if p.Status.Reason == nodeLost {
		return ToneBad, Message{ID: "pod.nodelost", Args: map[string]any{"Node": p.Spec.NodeName}}
	}
	if len(p.Finalizers) > 0 {
		return ToneWarn, heldBy(p.Finalizers)
	}
	if c := podCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return ToneInfo, disruption(c)
	}
	return ToneInfo, Message{}
}

// heldBy says that finalizers hold an object that is being deleted.
func heldBy(finalizers []string) Message {
	return Message{ID: "object.finalizers", Args: map[string]any{"Finalizers": cut(strings.Join(finalizers, ", "), 160)}}
}

// disruption says who ends a pod, as far as it is known.
func disruption(c *corev1.PodCondition) Message {
	switch c.Reason {
	case "PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI", "DeletionByPodGC", "TerminationByKubelet":
		return Message{ID: "pod.disruption." + c.Reason}
	default:
		return Message{Text: short(c.Message)}
	}
}

func podFailure(p *corev1.Pod, r *podReading) Message {
	if p.Status.Reason != "" && p.Status.Message != "" {
		return Message{Text: short(p.Status.Message)}
	}
	if c := podCondition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return disruption(c)
	}
	if r.blamed != nil && r.blamed.State.Terminated != nil {
		return exitMessage(p, r.blamed.Name, r.blamed.State.Terminated, r.word)
	}
	return Message{Text: short(p.Status.Message)}
}

// podWaiting says why a pod has not begun to start its containers.
func podWaiting(p *corev1.Pod) (Tone, Message, int64) {
	c := podCondition(p, corev1.PodScheduled)
	switch {
	case c == nil || c.Status == corev1.ConditionTrue:
		return ToneInfo, Message{}, unix(p.CreationTimestamp)
	case c.Reason == corev1.PodReasonSchedulingGated:
		gates := make([]string, len(p.Spec.SchedulingGates))
		for i := range p.Spec.SchedulingGates {
			gates[i] = p.Spec.SchedulingGates[i].Name
		}
		return ToneInfo, Message{ID: "pod.gated", Args: map[string]any{"Gates": cut(strings.Join(gates, ", "), 160)}}, unix(c.LastTransitionTime)
	case c.Reason == corev1.PodReasonUnschedulable:
		return ToneWarn, unschedulable(c.Message), unix(c.LastTransitionTime)
	default:
		return ToneWarn, Message{Text: short(c.Message)}, unix(c.LastTransitionTime)
	}
}

// podRunning says what a running pod lacks.
func podRunning(p *corev1.Pod, r *podReading) (Tone, Message, int64) {
	ready := podCondition(p, corev1.PodReady)
	if ready == nil || ready.Status == corev1.ConditionTrue && r.ready == r.total {
		since := int64(0)
		if ready != nil {
			since = unix(ready.LastTransitionTime)
		}
		if c := podCondition(p, corev1.PodResizePending); c != nil && c.Status == corev1.ConditionTrue {
			return ToneWarn, Message{ID: "pod.resize", Text: short(c.Message)}, unix(c.LastTransitionTime)
		}
		return ToneOK, Message{}, since
	}
	since := unix(ready.LastTransitionTime)
	var waiting, starting []string
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			s := &list[i]
			if s.Ready || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 {
				continue
			}
			waiting = append(waiting, s.Name)
			if s.State.Running != nil && s.Started != nil && !*s.Started {
				starting = append(starting, s.Name)
			}
		}
	}
	switch {
	case len(waiting) > 0 && len(starting) == len(waiting):
		return ToneInfo, Message{ID: "pod.starting", Args: map[string]any{"Containers": strings.Join(starting, ", ")}}, since
	case len(waiting) > 0:
		return ToneWarn, Message{ID: "pod.notready", Args: map[string]any{"Containers": strings.Join(waiting, ", ")}}, since
	}
	var gates []string
	for i := range p.Spec.ReadinessGates {
		t := p.Spec.ReadinessGates[i].ConditionType
		if c := podCondition(p, t); c == nil || c.Status != corev1.ConditionTrue {
			gates = append(gates, string(t))
		}
	}
	if len(gates) > 0 {
		return ToneWarn, Message{ID: "pod.readinessgate", Args: map[string]any{"Gates": strings.Join(gates, ", ")}}, since
	}
	if ready.Status == corev1.ConditionTrue {
		return ToneOK, Message{}, since
	}
	// The kubelet says that all is ready, the control plane that it is not: the
	// node controller does so when it has not heard from the node.
	return ToneBad, Message{ID: "pod.nodelost", Args: map[string]any{"Node": p.Spec.NodeName}}, since
}
