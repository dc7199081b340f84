package kinds

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// reasonLimit bounds the cluster's words behind a status.
const reasonLimit = 200

// short is the first line of a cluster's words, cut.
func short(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return cut(strings.Join(strings.Fields(s), " "), reasonLimit)
}

// containerTrouble says what is the matter with the container that gave the
// pod its word.
func containerTrouble(p *corev1.Pod, r *podReading) (Tone, Message) {
	s := r.blamed
	if t := s.State.Terminated; t != nil {
		if t.ExitCode == 0 && t.Signal == 0 {
			return ToneWarn, Message{ID: "pod.ended", Args: map[string]any{"Container": s.Name}}
		}
		return ToneBad, exitMessage(p, s.Name, t, strings.TrimPrefix(r.word, "Init:"))
	}
	w := s.State.Waiting
	if w == nil { // an init container that runs
		return ToneInfo, Message{ID: "pod.initialising", Args: map[string]any{"Container": s.Name}}
	}
	switch w.Reason {
	case "CrashLoopBackOff":
		if last := s.LastTerminationState.Terminated; last != nil {
			return ToneBad, exitMessage(p, s.Name, last, "")
		}
		return ToneBad, Message{Text: short(w.Message)}
	case "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		return ToneBad, pullMessage(s.Image, w.Message)
	case "ContainerCreating", "PodInitializing", "":
		return ToneInfo, Message{}
	default: // CreateContainerConfigError, CreateContainerError, RunContainerError, …
		return ToneBad, inContainer(p, s.Name, Message{Text: short(w.Message)})
	}
}

func blamedSince(s *corev1.ContainerStatus) int64 {
	switch {
	case s.State.Terminated != nil:
		return unix(s.State.Terminated.FinishedAt)
	case s.State.Running != nil:
		return unix(s.State.Running.StartedAt)
	case s.LastTerminationState.Terminated != nil:
		return unix(s.LastTerminationState.Terminated.FinishedAt)
	default:
		return 0
	}
}

// exitMessage says how a container ended. said is the word that stands before
// it already.
func exitMessage(p *corev1.Pod, container string, t *corev1.ContainerStateTerminated, said string) Message {
	m := Message{ID: "pod.exit", Args: map[string]any{"Code": int(t.ExitCode)}, Text: short(t.Message)}
	reason := t.Reason
	if reason == "Error" || reason == "" {
		reason = signalName(t)
	}
	limit := memoryLimit(p, container)
	switch {
	case t.Reason == "OOMKilled" && limit != "" && said == t.Reason:
		m.ID, m.Args["Limit"] = "pod.oomlimit", limit
	case t.Reason == "OOMKilled" && limit != "":
		m.ID, m.Args["Limit"] = "pod.oom", limit
	case reason != "" && reason != said:
		m.ID, m.Args["Reason"] = "pod.exitreason", reason
	}
	return inContainer(p, container, m)
}

// inContainer names the container where the pod has several.
func inContainer(p *corev1.Pod, container string, m Message) Message {
	if len(p.Spec.Containers)+len(p.Spec.InitContainers) < 2 {
		return m
	}
	if m.ID == "" {
		m.ID = "pod.container"
	} else {
		m.ID += "in"
	}
	if m.Args == nil {
		m.Args = make(map[string]any)
	}
	m.Args["Container"] = container
	return m
}

func memoryLimit(p *corev1.Pod, container string) string {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range list {
			if q, ok := list[i].Resources.Limits[corev1.ResourceMemory]; ok && list[i].Name == container {
				return q.String()
			}
		}
	}
	return ""
}

// signalName names the signal behind an exit code that shells and runtimes
// make of it, for those that say something.
func signalName(t *corev1.ContainerStateTerminated) string {
	signal := int(t.Signal)
	if signal == 0 {
		signal = int(t.ExitCode) - 128
	}
	switch signal {
	case 4:
		return "SIGILL"
	case 6:
		return "SIGABRT"
	case 7:
		return "SIGBUS"
	case 8:
		return "SIGFPE"
	case 9:
		return "SIGKILL"
	case 11:
		return "SIGSEGV"
	case 15:
		return "SIGTERM"
	}
	if t.Signal != 0 {
		return "signal " + strconv.Itoa(signal)
	}
	return ""
}

// pullCauses are the words of runtimes and registries by which the cause of a
// failed pull is known; the first that occurs wins.
var pullCauses = []struct{ words, id string }{
	{"toomanyrequests", "toomanyrequests"},
	{"429 Too Many Requests", "toomanyrequests"},
	{"pull access denied", "denied"},
	{"authorization failed", "denied"},
	{"unauthorized", "denied"},
	{"authentication required", "denied"},
	{"403 Forbidden", "denied"},
	{"no basic auth credentials", "denied"},
	{"insufficient_scope", "denied"},
	{"requested access to the resource is denied", "denied"},
	{"401 Unauthorized", "denied"},
	{"no match for platform", "platform"},
	{"no matching manifest", "platform"},
	{"manifest unknown", "notfound"},
	{"not found", "notfound"},
	{"no such host", "nohost"},
	{"server misbehaving", "nohost"},
	{"x509:", "certificate"},
	{"server gave HTTP response to HTTPS client", "plainhttp"},
	{"connection refused", "unreachable"},
	{"i/o timeout", "unreachable"},
	{"deadline exceeded", "unreachable"},
	{"no route to host", "unreachable"},
	{"network is unreachable", "unreachable"},
	{"TLS handshake timeout", "unreachable"},
	{"connection reset by peer", "unreachable"},
	{"502 Bad Gateway", "broken"},
	{"503 Service Unavailable", "broken"},
	{"500 Internal Server Error", "broken"},
	{"couldn't parse image", "invalid"},
	{"invalid reference format", "invalid"},
	{"is not present with pull policy of Never", "never"},
	{"no space left on device", "diskfull"},
}

// pullMessage says why an image cannot be pulled.
func pullMessage(image, words string) Message {
	args := map[string]any{"Image": image}
	for _, c := range pullCauses {
		if strings.Contains(words, c.words) {
			return Message{ID: "pod.image." + c.id, Args: args}
		}
	}
	// "Back-off pulling image X" alone only says again what the word says.
	if words == "" || strings.HasPrefix(words, "Back-off pulling image") && !strings.Contains(words, ": ") {
		return Message{ID: "pod.image.plain", Args: args}
	}
	return Message{ID: "pod.image.plain", Args: args, Text: short(words)}
}

var (
	nodesAvailable = regexp.MustCompile(`^(\d+)/(\d+) nodes are available:? ?`)
	taintBraces    = regexp.MustCompile(`untolerated taint(?:\(s\))? \{([^{}]*?)(?:: ?)?\}`)
)

// unschedulable condenses the scheduler's words: "0/5 nodes are available: 3
// Insufficient memory, 2 node(s) had untolerated taint {a: }. preemption: …"
// becomes the reasons alone, in the scheduler's own terms.
func unschedulable(words string) Message {
	why := strings.TrimSpace(words)
	nodes := ""
	if m := nodesAvailable.FindStringSubmatch(why); m != nil {
		nodes = m[2]
		why = why[len(m[0]):]
	}
	for _, end := range []string{"preemption:", "no new claims to deallocate"} { // what the scheduler tried then
		why, _, _ = strings.Cut(why, end)
	}
	why = taintBraces.ReplaceAllString(why, "untolerated taint $1")
	for _, r := range [][2]string{
		{"node(s) had untolerated", "untolerated"},
		{"node(s) didn't match Pod's node affinity/selector", "node affinity or selector"},
		{"node(s) didn't match pod affinity rules", "pod affinity"},
		{"node(s) didn't match pod anti-affinity rules", "pod anti-affinity"},
		{"node(s) didn't match pod topology spread constraints", "topology spread"},
		{"node(s) didn't have free ports for the requested pod ports", "host port taken"},
		{"node(s) were unschedulable", "cordoned"},
		{"node(s) had volume node affinity conflict", "volume bound to another node"},
		{"node(s) ", ""},
	} {
		why = strings.ReplaceAll(why, r[0], r[1])
	}
	why = short(strings.TrimRight(why, "., "))
	switch {
	case why == "":
		return Message{ID: "pod.unschedulableplain"}
	case nodes == "":
		return Message{Text: why}
	default:
		return Message{ID: "pod.unschedulable", Args: map[string]any{"Nodes": nodes, "Why": why}}
	}
}
