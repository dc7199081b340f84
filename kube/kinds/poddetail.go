package kinds

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podDetail adds what is known of a pod beyond its row.
func podDetail(p *corev1.Pod, d *Detail) {
	d.add("node", refValue(Name(p.Spec.NodeName), "nodes", "", p.Spec.NodeName))
	ips := make([]Value, 0, len(p.Status.PodIPs))
	for i := range p.Status.PodIPs {
		ips = append(ips, Value{Cell: Name(p.Status.PodIPs[i].IP)})
	}
	d.add("ip", ips...)
	d.add("hostip", Value{Cell: Name(p.Status.HostIP)})
	if p.Spec.HostNetwork {
		d.add("hostnetwork", Value{Cell: Text("true")})
	}
	d.add("started", Value{Cell: startedCell(p.Status.StartTime)})
	d.add("qos", Value{Cell: Text(string(p.Status.QOSClass))})
	d.add("restartpolicy", Value{Cell: Text(string(p.Spec.RestartPolicy))})
	d.add("priority", refValue(Text(p.Spec.PriorityClassName), "priorityclasses.scheduling.k8s.io", "", p.Spec.PriorityClassName))
	if c := p.Spec.RuntimeClassName; c != nil {
		d.add("runtimeclass", refValue(Text(*c), "runtimeclasses.node.k8s.io", "", *c))
	}
	d.add("controller", controllerValue(p))
	d.gates(p)
	d.add("requests", asks(podTotal(&p.Spec, corev1.ResourceCPU, requested), podTotal(&p.Spec, corev1.ResourceMemory, requested))...)
	d.add("limits", asks(podTotal(&p.Spec, corev1.ResourceCPU, limited), podTotal(&p.Spec, corev1.ResourceMemory, limited))...)
	d.addTemplate(p.Namespace, &p.Spec)
	d.add("nominatednode", refValue(Name(p.Status.NominatedNodeName), "nodes", "", p.Status.NominatedNodeName))
	if n := len(p.Finalizers); n > 0 {
		d.add("finalizers", names(p.Finalizers)...)
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		good := corev1.ConditionTrue
		if badWhenTrue(c.Type) {
			good = corev1.ConditionFalse
		}
		tone := conditionTone(c.Status == good, c.Status == corev1.ConditionUnknown)
		if p.Status.Phase == corev1.PodSucceeded && tone != ToneOK {
			tone = ToneIdle // a finished pod is not ready, and need not be
		}
		d.Conditions = append(d.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Since: unix(c.LastTransitionTime), Tone: tone,
		})
	}
	statuses := make(map[string]*corev1.ContainerStatus)
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			statuses[list[i].Name] = &list[i]
		}
	}
	d.Containers = templateContainers(p.Namespace, p.Name, &p.Spec)
	for i := range d.Containers {
		if s := statuses[d.Containers[i].Name]; s != nil {
			d.Containers[i].read(p, s)
		}
	}
}

// badWhenTrue reports whether a condition of a pod is bad news when true; all
// others are when false.
func badWhenTrue(t corev1.PodConditionType) bool {
	switch t {
	case corev1.DisruptionTarget, corev1.PodResizePending, corev1.PodResizeInProgress, corev1.AllContainersRestarting:
		return true
	default:
		return false
	}
}

// gates adds what a pod waits for before it may be scheduled or count as
// ready, each with the tone of what has become of it.
func (d *Detail) gates(p *corev1.Pod) {
	var ready, scheduling []Value
	for i := range p.Spec.ReadinessGates {
		t := p.Spec.ReadinessGates[i].ConditionType
		cell := Name(string(t))
		cell.Tone = ToneWarn
		if c := podCondition(p, t); c != nil {
			cell.Note = Message{Text: string(c.Status)}
			if c.Status == corev1.ConditionTrue {
				cell.Tone = ToneOK
			}
		}
		ready = append(ready, Value{Cell: cell})
	}
	for i := range p.Spec.SchedulingGates {
		scheduling = append(scheduling, Value{Cell: Name(p.Spec.SchedulingGates[i].Name)})
	}
	d.add("readinessgates", ready...)
	d.add("schedulinggates", scheduling...)
}

// startedCell is an optional instant as an age.
func startedCell(t *metav1.Time) Cell {
	if t == nil {
		return Cell{}
	}
	return Age(unix(*t))
}

// read adds the state of a running container to its description.
func (c *Container) read(p *corev1.Pod, s *corev1.ContainerStatus) {
	c.Ready, c.Restarts = s.Ready, int(s.RestartCount)
	switch {
	case s.State.Running != nil:
		c.State = Status{Word: "Running", Tone: ToneOK, Since: unix(s.State.Running.StartedAt)}
		if !s.Ready && c.Role != RoleEphemeral && c.Role != RoleInit {
			c.State.Tone = ToneWarn
			c.State.Reason = Message{ID: "container.notready"}
		}
		if s.Started != nil && !*s.Started && c.Role != RoleInit {
			c.State.Tone = ToneInfo
			c.State.Reason = Message{ID: "container.starting"}
		}
	case s.State.Terminated != nil:
		c.State = endStatus(p, s.Name, s.State.Terminated)
	case s.State.Waiting != nil:
		c.State = Status{Word: s.State.Waiting.Reason, Tone: ToneInfo}
		r := podReading{word: s.State.Waiting.Reason, blamed: s}
		c.State.Tone, c.State.Reason = containerTrouble(p, &r)
	}
	if t := s.LastTerminationState.Terminated; t != nil {
		c.Last = endStatus(p, s.Name, t)
	}
}

func endStatus(p *corev1.Pod, name string, t *corev1.ContainerStateTerminated) Status {
	s := Status{Word: endWord(t), Tone: ToneIdle, Since: unix(t.FinishedAt)}
	if t.ExitCode != 0 {
		s.Tone, s.Reason = ToneBad, exitMessage(p, name, t, s.Word)
	}
	return s
}
