package kinds

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	d.add("priority", Value{Cell: Text(p.Spec.PriorityClassName)})
	d.add("requests", asks(podTotal(&p.Spec, corev1.ResourceCPU, requested), podTotal(&p.Spec, corev1.ResourceMemory, requested))...)
	d.add("limits", asks(podTotal(&p.Spec, corev1.ResourceCPU, limited), podTotal(&p.Spec, corev1.ResourceMemory, limited))...)
	d.addTemplate(p.Namespace, &p.Spec)
	d.add("nominatednode", refValue(Name(p.Status.NominatedNodeName), "nodes", "", p.Status.NominatedNodeName))
	if n := len(p.Finalizers); n > 0 {
		d.add("finalizers", names(p.Finalizers)...)
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		// A disruption is bad news when true, everything else when false.
		good := corev1.ConditionTrue
		if c.Type == corev1.DisruptionTarget {
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
	d.Containers = templateContainers(&p.Spec)
	for i := range d.Containers {
		if s := statuses[d.Containers[i].Name]; s != nil {
			d.Containers[i].read(p, s)
		}
	}
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

// templateContainers describes the containers of a pod or a pod template, in
// the order in which they start.
func templateContainers(spec *corev1.PodSpec) []Container {
	out := make([]Container, 0, len(spec.InitContainers)+len(spec.Containers)+len(spec.EphemeralContainers))
	for i := range spec.InitContainers {
		role := RoleInit
		if isSidecar(&spec.InitContainers[i]) {
			role = RoleSidecar
		}
		out = append(out, describe(&spec.InitContainers[i], role))
	}
	for i := range spec.Containers {
		out = append(out, describe(&spec.Containers[i], RoleMain))
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, describe(&c, RoleEphemeral))
	}
	return out
}

func describe(c *corev1.Container, role ContainerRole) Container {
	out := Container{Name: c.Name, Image: c.Image, Role: role}
	for i := range c.Ports {
		out.Ports = append(out.Ports, Port{Name: c.Ports[i].Name, Number: c.Ports[i].ContainerPort, Protocol: string(c.Ports[i].Protocol)})
	}
	var resources []corev1.ResourceName
	for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
		for name := range list {
			if !slices.Contains(resources, name) {
				resources = append(resources, name)
			}
		}
	}
	slices.Sort(resources) // "cpu" and "memory" come first among the usual ones
	for _, name := range resources {
		out.Resources = append(out.Resources, Resource{
			Name: string(name), Request: quantity(c.Resources.Requests, name), Limit: quantity(c.Resources.Limits, name),
		})
	}
	for _, p := range []struct {
		kind string
		*corev1.Probe
	}{{"startup", c.StartupProbe}, {"readiness", c.ReadinessProbe}, {"liveness", c.LivenessProbe}} {
		if p.Probe != nil {
			out.Probes = append(out.Probes, Probe{
				Kind: p.kind, What: probeTarget(p.Probe), Delay: p.InitialDelaySeconds, Period: p.PeriodSeconds,
				Timeout: p.TimeoutSeconds, SuccessAfter: p.SuccessThreshold, FailsAfter: p.FailureThreshold,
			})
		}
	}
	return out
}

func quantity(list corev1.ResourceList, name corev1.ResourceName) Cell {
	q, ok := list[name]
	switch {
	case !ok:
		return Cell{}
	case name == corev1.ResourceCPU:
		return CPU(&q)
	case name == corev1.ResourceMemory, name == corev1.ResourceEphemeralStorage, strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
		return Bytes(&q)
	default:
		return Number(q.Value())
	}
}

// probeTarget is what a probe does, as kubectl describe writes it.
func probeTarget(p *corev1.Probe) string {
	switch {
	case p.HTTPGet != nil:
		scheme := strings.ToLower(string(p.HTTPGet.Scheme))
		if scheme == "" {
			scheme = "http"
		}
		return fmt.Sprintf("%s-get %s:%s%s", scheme, p.HTTPGet.Host, p.HTTPGet.Port.String(), p.HTTPGet.Path)
	case p.TCPSocket != nil:
		return fmt.Sprintf("tcp-socket %s:%s", p.TCPSocket.Host, p.TCPSocket.Port.String())
	case p.GRPC != nil:
		service := ""
		if p.GRPC.Service != nil {
			service = " " + *p.GRPC.Service
		}
		return "grpc :" + strconv.Itoa(int(p.GRPC.Port)) + service
	case p.Exec != nil:
		return "exec " + cut(strings.Join(p.Exec.Command, " "), reasonLimit)
	default:
		return ""
	}
}
