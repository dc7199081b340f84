package kinds

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var networkKinds = []*Kind{
	serviceKind,
	endpointSliceKind,
	ingressKind,
	Define(Kind{
		GVR: networkingv1.SchemeGroupVersion.WithResource("ingressclasses"), Name: "IngressClass", Plural: "IngressClasses", Menu: MenuNetwork,
	},
		Reads[networkingv1.IngressClass]{Detail: ingressClassDetail},
		ColumnOf[networkingv1.IngressClass]{Column{ID: "controllername", Form: FormName, Search: true}, func(c *networkingv1.IngressClass) Cell { return Name(c.Spec.Controller) }},
		ColumnOf[networkingv1.IngressClass]{Column{ID: "default", Form: FormText}, func(c *networkingv1.IngressClass) Cell {
			return marked(c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true")
		}},
		ColumnOf[networkingv1.IngressClass]{Column{ID: "parameters", Form: FormName}, func(c *networkingv1.IngressClass) Cell { return Name(ingressParameters(c)) }},
		ColumnOf[networkingv1.IngressClass]{Column{ID: "age", Form: FormAge}, func(c *networkingv1.IngressClass) Cell { return Age(unix(c.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), Name: "NetworkPolicy", Plural: "NetworkPolicies", Short: []string{"netpol"},
		Namespaced: true, Menu: MenuNetwork, Facets: []string{"policytypes"},
	},
		Reads[networkingv1.NetworkPolicy]{
			Detail: networkPolicyDetail,
			Pods:   func(p *networkingv1.NetworkPolicy) PodsOf { return selectedOrAll(&p.Spec.PodSelector) },
		},
		ColumnOf[networkingv1.NetworkPolicy]{Column{ID: "podselector", Form: FormName, Search: true}, func(p *networkingv1.NetworkPolicy) Cell { return Name(selectorText(&p.Spec.PodSelector)) }},
		ColumnOf[networkingv1.NetworkPolicy]{Column{ID: "policytypes", Form: FormText}, func(p *networkingv1.NetworkPolicy) Cell { return Text(join(policyTypes(p))) }},
		ColumnOf[networkingv1.NetworkPolicy]{Column{ID: "ingressrules", Form: FormNumber}, func(p *networkingv1.NetworkPolicy) Cell { return Number(len(p.Spec.Ingress)) }},
		ColumnOf[networkingv1.NetworkPolicy]{Column{ID: "egressrules", Form: FormNumber}, func(p *networkingv1.NetworkPolicy) Cell { return Number(len(p.Spec.Egress)) }},
		ColumnOf[networkingv1.NetworkPolicy]{Column{ID: "age", Form: FormAge}, func(p *networkingv1.NetworkPolicy) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
	endpointsKind, // replaced by EndpointSlices
}

// cellLimit keeps the cells of lists small where a list of names, addresses or
// hosts may be of any length.
const cellLimit = 512

// join is a list in one cell, as kubectl writes lists.
func join[S ~string](list []S) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = string(s)
	}
	return cut(strings.Join(parts, ","), cellLimit)
}

// firstThree is a list in one cell as the API server prints it: the first three,
// and how many more there are.
func firstThree(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ",")
	}
	return strings.Join(list[:most], ",") + " + " + strconv.Itoa(len(list)-most) + " more..."
}

// marked is a cell that only says something when it is so.
func marked(yes bool) Cell {
	if !yes {
		return Cell{}
	}
	return Text("true")
}

// truth is true or false.
func truth(yes bool) Cell {
	if yes {
		return Text("true")
	}
	return Text("false")
}

// valueOf is what a pointer points to, and otherwise the API's default.
func valueOf[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// conditions adds the conditions of an object. Those named in bad are bad news
// when true, all others when false.
func (d *Detail) conditions(list []metav1.Condition, bad ...string) {
	for i := range list {
		c := &list[i]
		d.Conditions = append(d.Conditions, Condition{
			Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message, Since: unix(c.LastTransitionTime),
			Tone: conditionTone(c.Status == goodStatus(c.Type, bad), c.Status == metav1.ConditionUnknown),
		})
	}
}

func goodStatus(condition string, bad []string) metav1.ConditionStatus {
	if slices.Contains(bad, condition) {
		return metav1.ConditionFalse
	}
	return metav1.ConditionTrue
}

func ingressParameters(c *networkingv1.IngressClass) string {
	p := c.Spec.Parameters
	if p == nil {
		return ""
	}
	kind := p.Kind
	if p.APIGroup != nil {
		kind += "." + *p.APIGroup
	}
	return kind + "/" + p.Name
}

func ingressClassDetail(c *networkingv1.IngressClass, d *Detail) {
	d.add("controllername", Value{Cell: Name(c.Spec.Controller)})
	d.add("default", Value{Cell: marked(c.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true")})
	parameters := Name(ingressParameters(c))
	if p := c.Spec.Parameters; p != nil && p.Namespace != nil {
		parameters.Note = Message{Text: *p.Namespace}
	}
	d.add("parameters", Value{Cell: parameters})
	d.add("finalizers", names(c.Finalizers)...)
}

// policyTypes are the directions that a policy closes, also where it leaves
// them out: then it closes the way in, and the way out when it has rules for
// it.
func policyTypes(p *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if len(p.Spec.PolicyTypes) > 0 {
		return p.Spec.PolicyTypes
	}
	types := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if len(p.Spec.Egress) > 0 {
		types = append(types, networkingv1.PolicyTypeEgress)
	}
	return types
}

// networkPolicyDetail has a line for each rule. A direction that is closed and
// has no rule lets nothing through, which is worth a line as well.
func networkPolicyDetail(p *networkingv1.NetworkPolicy, d *Detail) {
	selector := Name(selectorText(&p.Spec.PodSelector))
	if selector.Text == "" {
		selector = Cell{Text: "{}", Form: FormName, Note: Message{ID: "policy.allpods"}}
	}
	d.add("podselector", Value{Cell: selector})
	types := policyTypes(p)
	d.add("policytypes", Value{Cell: Text(join(types))})
	rules := Table{ID: "rules", Columns: []Column{
		{ID: "direction", Form: FormText}, {ID: "peers", Form: FormName}, {ID: "ports", Form: FormName},
	}}
	line := func(direction string, peers, ports Cell) {
		rules.Rows = append(rules.Rows, []Value{{Cell: Text(direction)}, {Cell: peers}, {Cell: ports}})
	}
	nothing := Cell{Text: "[]", Form: FormName, Note: Message{ID: "policy.nothing"}}
	for _, t := range types {
		switch {
		case t == networkingv1.PolicyTypeIngress && len(p.Spec.Ingress) == 0, t == networkingv1.PolicyTypeEgress && len(p.Spec.Egress) == 0:
			line(string(t), nothing, Cell{})
		case t == networkingv1.PolicyTypeIngress:
			for _, r := range p.Spec.Ingress {
				line(string(t), policyPeers(r.From), policyPorts(r.Ports))
			}
		case t == networkingv1.PolicyTypeEgress:
			for _, r := range p.Spec.Egress {
				line(string(t), policyPeers(r.To), policyPorts(r.Ports))
			}
		}
	}
	d.addTable(rules)
	d.add("finalizers", names(p.Finalizers)...)
}

func policyPeers(peers []networkingv1.NetworkPolicyPeer) Cell {
	if len(peers) == 0 {
		return Cell{Text: "*", Form: FormName, Note: Message{ID: "policy.anypeer"}}
	}
	parts := make([]string, len(peers))
	for i := range peers {
		parts[i] = policyPeer(&peers[i])
	}
	return Name(strings.Join(parts, "; "))
}

// policyPeer is one peer in words of the API.
func policyPeer(p *networkingv1.NetworkPolicyPeer) string {
	if b := p.IPBlock; b != nil {
		s := "ipBlock " + b.CIDR
		if len(b.Except) > 0 {
			s += " except " + strings.Join(b.Except, ", ")
		}
		return s
	}
	var parts []string
	for _, s := range []struct {
		field string
		*metav1.LabelSelector
	}{{"namespaceSelector", p.NamespaceSelector}, {"podSelector", p.PodSelector}} {
		if s.LabelSelector == nil {
			continue
		}
		text := selectorText(s.LabelSelector)
		if text == "" {
			text = "{}"
		}
		parts = append(parts, s.field+" "+text)
	}
	return strings.Join(parts, " ")
}

func policyPorts(ports []networkingv1.NetworkPolicyPort) Cell {
	if len(ports) == 0 {
		return Cell{Text: "*", Form: FormName, Note: Message{ID: "policy.anyport"}}
	}
	parts := make([]string, len(ports))
	for i := range ports {
		p := &ports[i]
		parts[i] = "*"
		if p.Port != nil {
			parts[i] = p.Port.String()
		}
		if p.EndPort != nil {
			parts[i] += "-" + strconv.Itoa(int(*p.EndPort))
		}
		parts[i] += "/" + string(valueOf(p.Protocol, corev1.ProtocolTCP))
	}
	return Name(strings.Join(parts, ", "))
}
