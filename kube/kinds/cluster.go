package kinds

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var clusterKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("nodes"), Name: "Node", Plural: "Nodes", Short: []string{"no"},
		Menu: MenuCluster, Facets: []string{"status", "roles", "version", "zone"},
		Actions: []Action{ActionCordon, ActionUncordon, ActionDrain},
	},
		Reads[corev1.Node]{
			State:  nodeState,
			Status: nodeStatus, Detail: nodeDetail,
			Pods: func(n *corev1.Node) PodsOf { return PodsOf{Node: n.Name} },
		},
		ColumnOf[corev1.Node]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[corev1.Node]{Column{ID: "roles", Form: FormText, Search: true}, func(n *corev1.Node) Cell { return Text(strings.Join(nodeRoles(n), ",")) }},
		ColumnOf[corev1.Node]{Column{ID: "version", Form: FormName, Search: true}, func(n *corev1.Node) Cell { return Name(n.Status.NodeInfo.KubeletVersion) }},
		ColumnOf[corev1.Node]{Column{ID: "cpu", Form: FormCPU}, func(n *corev1.Node) Cell { return CPU(n.Status.Allocatable.Cpu()) }},
		ColumnOf[corev1.Node]{Column{ID: "memory", Form: FormBytes}, func(n *corev1.Node) Cell { return Bytes(n.Status.Allocatable.Memory()) }},
		ColumnOf[corev1.Node]{Column{ID: "pods", Form: FormNumber}, func(n *corev1.Node) Cell { return Number(n.Status.Allocatable.Pods().Value()) }},
		ColumnOf[corev1.Node]{Column{ID: "taints", Form: FormNumber}, nodeTaints},
		ColumnOf[corev1.Node]{Column{ID: "internalip", Form: FormName, Search: true}, func(n *corev1.Node) Cell { return Name(nodeAddress(n, corev1.NodeInternalIP)) }},
		ColumnOf[corev1.Node]{Column{ID: "externalip", Form: FormName, Hidden: true, Search: true}, func(n *corev1.Node) Cell { return Name(nodeAddress(n, corev1.NodeExternalIP)) }},
		ColumnOf[corev1.Node]{Column{ID: "zone", Form: FormName, Hidden: true, Search: true}, func(n *corev1.Node) Cell { return Name(n.Labels[corev1.LabelTopologyZone]) }},
		ColumnOf[corev1.Node]{Column{ID: "instancetype", Form: FormName, Hidden: true, Search: true}, func(n *corev1.Node) Cell { return Name(n.Labels[corev1.LabelInstanceTypeStable]) }},
		ColumnOf[corev1.Node]{Column{ID: "os", Form: FormText, Hidden: true}, func(n *corev1.Node) Cell { return Text(n.Status.NodeInfo.OSImage) }},
		ColumnOf[corev1.Node]{Column{ID: "kernel", Form: FormName, Hidden: true}, func(n *corev1.Node) Cell { return Name(n.Status.NodeInfo.KernelVersion) }},
		ColumnOf[corev1.Node]{Column{ID: "architecture", Form: FormName, Hidden: true}, func(n *corev1.Node) Cell { return Name(n.Status.NodeInfo.Architecture) }},
		ColumnOf[corev1.Node]{Column{ID: "runtime", Form: FormName, Hidden: true}, func(n *corev1.Node) Cell { return Name(n.Status.NodeInfo.ContainerRuntimeVersion) }},
		ColumnOf[corev1.Node]{Column{ID: "age", Form: FormAge}, func(n *corev1.Node) Cell { return Age(unix(n.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("namespaces"), Name: "Namespace", Plural: "Namespaces", Short: []string{"ns"},
		Menu: MenuCluster, Facets: []string{"status"},
	},
		Reads[corev1.Namespace]{Status: namespaceStatus, Detail: namespaceDetail},
		ColumnOf[corev1.Namespace]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[corev1.Namespace]{Column{ID: "podsecurity", Form: FormName, Hidden: true}, func(n *corev1.Namespace) Cell { return Name(n.Labels[podSecurityPrefix+"enforce"]) }},
		ColumnOf[corev1.Namespace]{Column{ID: "age", Form: FormAge}, func(n *corev1.Namespace) Cell { return Age(unix(n.CreationTimestamp)) }},
	),
}

const (
	nodeRolePrefix    = "node-role.kubernetes.io/"
	podSecurityPrefix = "pod-security.kubernetes.io/"
)

// nodeRoles are the roles that labels give a node, as kubectl reads them.
func nodeRoles(n *corev1.Node) []string {
	var roles []string
	for k, v := range n.Labels {
		if role, ok := strings.CutPrefix(k, nodeRolePrefix); ok && role != "" {
			roles = append(roles, role)
		} else if k == "kubernetes.io/role" && v != "" {
			roles = append(roles, v)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func nodeAddress(n *corev1.Node, t corev1.NodeAddressType) string {
	for i := range n.Status.Addresses {
		if n.Status.Addresses[i].Type == t {
			return n.Status.Addresses[i].Address
		}
	}
	return ""
}

// nodeTaints is only their number: the taints themselves are longer than all other columns together, and stand on the
// node's page.
func nodeTaints(n *corev1.Node) Cell { return Number(len(n.Spec.Taints)) }

func taints(n *corev1.Node) []string {
	out := make([]string, len(n.Spec.Taints))
	for i := range n.Spec.Taints {
		out[i] = n.Spec.Taints[i].ToString()
	}
	return out
}

// wellWhenTrue reports whether a condition of a node is good news when true.
// Kubernetes' own and those of the node problem detector are bad news but for
// Ready; the agents of clouds add such as NetworkingReady and StorageReady.
func wellWhenTrue(t corev1.NodeConditionType) bool {
	return strings.HasSuffix(string(t), string(corev1.NodeReady)) || strings.HasSuffix(string(t), "Healthy")
}

// nodeStatus has kubectl's word. Cordoned nodes and pressure do not make a
// node unready, so they show in the tone and the reason.
func nodeStatus(n *corev1.Node) Status {
	var ready *corev1.NodeCondition
	var pressures []string // what is wrong without making the node unready
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		switch {
		case c.Type == corev1.NodeReady:
			ready = c
		case wellWhenTrue(c.Type) && c.Status == corev1.ConditionFalse:
			pressures = append(pressures, string(c.Type)+"="+string(c.Status))
		case !wellWhenTrue(c.Type) && c.Status == corev1.ConditionTrue:
			pressures = append(pressures, string(c.Type))
		}
	}
	var s Status
	switch {
	case ready == nil:
		s = Status{Word: "Unknown", Tone: ToneBad, Reason: Message{ID: "node.neverreported"}}
	case ready.Status == corev1.ConditionTrue:
		s = Status{Word: "Ready", Tone: ToneOK, Since: unix(ready.LastTransitionTime)}
	default:
		s = Status{Word: "NotReady", Tone: ToneBad, Since: unix(ready.LastTransitionTime), Reason: Message{Text: short(ready.Message)}}
		if ready.Reason == "NodeStatusUnknown" {
			s.Reason = Message{ID: "node.silent"}
		}
	}
	if s.Tone == ToneOK && len(pressures) > 0 {
		slices.Sort(pressures)
		s.Tone, s.Reason = ToneWarn, Message{Text: cut(strings.Join(pressures, ", "), reasonLimit)}
	}
	if n.Spec.Unschedulable {
		s.Word += ",SchedulingDisabled"
		s.Tone = max(s.Tone, ToneWarn)
		if s.Reason.IsZero() {
			s.Reason = Message{ID: "node.cordoned"}
		}
	}
	if n.DeletionTimestamp != nil && len(n.Finalizers) > 0 {
		s.Tone, s.Reason = max(s.Tone, ToneWarn), heldBy(n.Finalizers)
	}
	return s
}

func nodeDetail(n *corev1.Node, d *Detail) {
	info := &n.Status.NodeInfo
	d.add("roles", names(nodeRoles(n))...)
	addresses := make([]Value, len(n.Status.Addresses))
	for i := range n.Status.Addresses {
		a := &n.Status.Addresses[i]
		addresses[i] = Value{Cell: Cell{Text: a.Address, Form: FormName, Note: Message{Text: string(a.Type)}}}
	}
	d.add("addresses", addresses...)
	d.add("zone", Value{Cell: Name(n.Labels[corev1.LabelTopologyZone])})
	d.add("instancetype", Value{Cell: Name(n.Labels[corev1.LabelInstanceTypeStable])})
	d.add("version", Value{Cell: Name(info.KubeletVersion)})
	d.add("runtime", Value{Cell: Name(info.ContainerRuntimeVersion)})
	d.add("os", Value{Cell: Text(info.OSImage)})
	d.add("kernel", Value{Cell: Name(info.KernelVersion)})
	d.add("architecture", Value{Cell: Name(info.Architecture)})
	d.add("capacity", append(asks(n.Status.Capacity.Cpu(), n.Status.Capacity.Memory()), Value{Cell: podsCell(n.Status.Capacity)})...)
	d.add("allocatable", append(asks(n.Status.Allocatable.Cpu(), n.Status.Allocatable.Memory()), Value{Cell: podsCell(n.Status.Allocatable)})...)
	d.add("taints", names(taints(n))...)
	d.add("podcidrs", names(n.Spec.PodCIDRs)...)
	d.add("providerid", Value{Cell: Name(n.Spec.ProviderID)})
	if len(n.Finalizers) > 0 {
		d.add("finalizers", names(n.Finalizers)...)
	}
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		good := corev1.ConditionFalse
		if wellWhenTrue(c.Type) {
			good = corev1.ConditionTrue
		}
		d.Conditions = append(d.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Since: unix(c.LastTransitionTime), Tone: conditionTone(c.Status == good, c.Status == corev1.ConditionUnknown),
		})
	}
}

// podsCell is how many pods fit, with the word behind it.
func podsCell(list corev1.ResourceList) Cell {
	q, ok := list[corev1.ResourcePods]
	if !ok {
		return Cell{}
	}
	c := Number(q.Value())
	c.Note = Message{ID: "fact.pods"}
	return c
}

// namespaceStatus says what holds up the removal of a namespace, in the words
// of the namespace controller.
func namespaceStatus(n *corev1.Namespace) Status {
	if n.DeletionTimestamp == nil && n.Status.Phase != corev1.NamespaceTerminating {
		return Status{Word: string(corev1.NamespaceActive), Tone: ToneOK}
	}
	s := Status{Word: "Terminating", Tone: ToneInfo}
	if n.DeletionTimestamp != nil {
		s.Since = unix(*n.DeletionTimestamp)
	}
	var holds []string
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Status == corev1.ConditionTrue {
			words := c.Message
			// "Some resources are remaining: pods. has 1 resource instances":
			// what stands before the colon is the condition's name in words.
			if _, rest, ok := strings.Cut(words, "remaining: "); ok {
				words = rest
			}
			holds = append(holds, short(words))
		}
	}
	switch {
	case len(holds) > 0:
		s.Tone, s.Reason = ToneWarn, Message{ID: "namespace.held", Args: map[string]any{"By": cut(strings.Join(holds, "; "), reasonLimit)}}
	case len(n.Finalizers) > 0: // beyond the namespace's own, which the controller removes when it is empty
		s.Tone, s.Reason = ToneWarn, heldBy(n.Finalizers)
	}
	return s
}

func namespaceDetail(n *corev1.Namespace, d *Detail) {
	spec := make([]string, len(n.Spec.Finalizers))
	for i := range n.Spec.Finalizers {
		spec[i] = string(n.Spec.Finalizers[i])
	}
	d.add("finalizers", names(slices.Concat(spec, n.Finalizers))...)
	for _, mode := range []string{"enforce", "warn", "audit"} {
		if level := n.Labels[podSecurityPrefix+mode]; level != "" {
			d.add("podsecurity", Value{Cell: Cell{Text: level, Form: FormName, Note: Message{Text: mode}}})
		}
	}
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		d.Conditions = append(d.Conditions, Condition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Since: unix(c.LastTransitionTime), Tone: conditionTone(c.Status == corev1.ConditionFalse, c.Status == corev1.ConditionUnknown),
		})
	}
}
