package kinds

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// templateContainers describes the containers of a pod or a pod template, in
// the order in which they start. pod is the name of the pod, empty in a
// template.
func templateContainers(namespace, pod string, spec *corev1.PodSpec) []Container {
	around := &surroundings{namespace: namespace, pod: pod, spec: spec}
	out := make([]Container, 0, len(spec.InitContainers)+len(spec.Containers)+len(spec.EphemeralContainers))
	for i := range spec.InitContainers {
		role := RoleInit
		if isSidecar(&spec.InitContainers[i]) {
			role = RoleSidecar
		}
		out = append(out, describe(&spec.InitContainers[i], role, around))
	}
	for i := range spec.Containers {
		out = append(out, describe(&spec.Containers[i], RoleMain, around))
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, describe(&c, RoleEphemeral, around))
	}
	return out
}

func describe(c *corev1.Container, role ContainerRole, around *surroundings) Container {
	out := Container{
		Name: c.Name, Image: c.Image, Role: role, Command: slices.Concat(c.Command, c.Args),
		Env: around.env(c), Mounts: around.mounts(c), RunsAs: around.runsAs(c),
	}
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
