package kinds

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The words for what waits for an address from outside, and has it.
const (
	WordPublished = "Published" // reachable from outside at an address
	WordNoClass   = "NoClass"   // nobody is told to take care of it
)

var serviceKind = Define(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource("services"), Name: "Service", Plural: "Services", Short: []string{"svc"},
	Namespaced: true, Menu: MenuNetwork, Facets: []string{"status", "type"},
	Join: &Join{From: "endpointslices.discovery.k8s.io", Key: serviceOfSlice, Amend: amendService},
},
	Reads[corev1.Service]{Status: serviceStatus, Detail: serviceDetail, Pods: servicePods},
	ColumnOf[corev1.Service]{Column{ID: "type", Form: FormText, Search: true}, func(s *corev1.Service) Cell { return Text(string(s.Spec.Type)) }},
	ColumnOf[corev1.Service]{Column{ID: "status", Form: FormStatus}, nil},
	ColumnOf[corev1.Service]{Column{ID: "endpoints", Form: FormRatio}, nil}, // see amendService
	ColumnOf[corev1.Service]{Column{ID: "clusterip", Form: FormName, Search: true}, serviceClusterIP},
	ColumnOf[corev1.Service]{Column{ID: "externalip", Form: FormName, Search: true}, func(s *corev1.Service) Cell { return Name(join(serviceExternal(s))) }},
	ColumnOf[corev1.Service]{Column{ID: "ports", Form: FormName, Search: true}, func(s *corev1.Service) Cell { return Name(servicePorts(s)) }},
	ColumnOf[corev1.Service]{Column{ID: "selector", Form: FormName, Hidden: true, Search: true}, func(s *corev1.Service) Cell { return Name(labels.Set(s.Spec.Selector).String()) }},
	ColumnOf[corev1.Service]{Column{ID: "ipfamilies", Form: FormText, Hidden: true}, func(s *corev1.Service) Cell { return Text(join(s.Spec.IPFamilies)) }},
	ColumnOf[corev1.Service]{Column{ID: "age", Form: FormAge}, func(s *corev1.Service) Cell { return Age(unix(s.CreationTimestamp)) }},
)

// serviceClusterIP is kubectl's cell; "None" is the API's word for headless.
func serviceClusterIP(s *corev1.Service) Cell {
	if len(s.Spec.ClusterIPs) > 0 {
		return Name(s.Spec.ClusterIPs[0])
	}
	return Name(s.Spec.ClusterIP)
}

// balanced are the addresses that a load balancer gave.
func balanced(s *corev1.Service) []string {
	var out []string
	for i := range s.Status.LoadBalancer.Ingress {
		in := &s.Status.LoadBalancer.Ingress[i]
		if in.IP != "" {
			out = append(out, in.IP)
		} else if in.Hostname != "" {
			out = append(out, in.Hostname)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func serviceExternal(s *corev1.Service) []string {
	switch s.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return []string{s.Spec.ExternalName}
	case corev1.ServiceTypeLoadBalancer:
		if out := append(balanced(s), s.Spec.ExternalIPs...); len(out) > 0 {
			return out
		}
		return []string{"<pending>"} // kubectl's word, which people search for
	default:
		return s.Spec.ExternalIPs
	}
}

func servicePorts(s *corev1.Service) string {
	list := make([]string, len(s.Spec.Ports))
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		list[i] = strconv.Itoa(int(p.Port))
		if p.NodePort > 0 {
			list[i] += ":" + strconv.Itoa(int(p.NodePort))
		}
		list[i] += "/" + string(p.Protocol)
	}
	return join(list)
}

// serviceOfSlice names the Service that a row of EndpointSlices is about.
func serviceOfSlice(row *Row) (namespace, name string) {
	name, _ = row.Label(discoveryv1.LabelServiceName)
	return row.Namespace, name
}

// amendService says whether anything answers behind a Service. It tells no more
// of its EndpointSlices than how many endpoints there are and how many of them
// are ready, which whoever may see the Service may know: kubectl describe says
// it as well.
func amendService(k *Kind, row *Row, from []*Row) {
	if k.cell(row, "type").Text == string(corev1.ServiceTypeExternalName) {
		return // a name in the DNS, nothing more
	}
	n, ok := behind(from)
	selector := k.cell(row, "selector").Text
	if !ok || selector == "" && n.wanted+n.terminating == 0 {
		return
	}
	*k.cell(row, "endpoints") = n.cell()
	if row.Status.Word == "Terminating" || row.Status.Word == "Pending" {
		return // that comes first
	}
	row.Status = answering(row.Status, n, selector)
}

// answering is the status of a Service with such endpoints. One that is
// published stays so while something answers, and trouble of its load balancer
// is what is said of it.
func answering(s Status, n endpointCounts, selector string) Status {
	args := map[string]any{"Ready": n.ready, "Wanted": n.wanted}
	if n.ready > 0 {
		if s.Word == "" {
			s = Status{Word: "Ready", Tone: ToneOK}
		}
		if s.Tone <= ToneOK && n.ready < n.wanted { // how many there are says the column of that name
			s.Tone, s.Reason = ToneWarn, Message{ID: "endpoints.some", Args: args}
		}
		return s
	}
	s = Status{Word: WordNoEndpoints, Tone: ToneBad, Reason: Message{ID: "endpoints.some", Args: args}}
	switch {
	case selector == "":
		s.Tone = ToneWarn // whoever writes them says so, and knows why
	case n.serving > 0:
		s.Reason = Message{ID: "endpoints.ending", Args: map[string]any{"Serving": n.serving}}
	case n.wanted == 0 && n.terminating > 0:
		s.Reason = Message{ID: "service.ending"}
	case n.wanted == 0:
		s.Reason = Message{ID: "service.nopods", Args: map[string]any{"Selector": selector}}
	}
	return s
}

// behind counts the endpoints in the slices of one Service, of the family of
// addresses that has the most of them: counted together, each pod of a Service
// with two families would be two. ok is false where a slice could not be read.
func behind(from []*Row) (most endpointCounts, ok bool) {
	families := map[discoveryv1.AddressType]endpointCounts{}
	for _, r := range from {
		s, ok := r.Kept.(sliceEndpoints)
		if !ok {
			return most, false
		}
		families[s.family] = families[s.family].add(s.endpointCounts)
	}
	for _, n := range families {
		if order := cmp.Or(
			cmp.Compare(n.wanted, most.wanted), cmp.Compare(n.terminating, most.terminating),
			cmp.Compare(most.ready, n.ready), cmp.Compare(most.serving, n.serving),
		); order > 0 {
			most = n
		}
	}
	return most, true
}

// serviceStatus knows only the Service itself: whether anything answers behind
// it is said by its EndpointSlices, see amendService.
func serviceStatus(s *corev1.Service) Status {
	if t, ok := terminating(s); ok {
		return t
	}
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return Status{}
	}
	trouble, since := balancerTrouble(s)
	switch {
	case len(balanced(s)) == 0 && trouble.IsZero():
		return Status{Word: "Pending", Tone: ToneWarn, Reason: Message{ID: "service.noaddress"}, Since: unix(s.CreationTimestamp)}
	case len(balanced(s)) == 0:
		return Status{Word: "Pending", Tone: ToneBad, Reason: trouble, Since: since}
	case !trouble.IsZero():
		return Status{Word: WordPublished, Tone: ToneWarn, Reason: trouble, Since: since}
	default:
		return Status{Word: WordPublished, Tone: ToneOK}
	}
}

// balancerConditions are the conditions of a Service that are bad news when
// true; the API defines no others.
const balancerConditions = "LoadBalancer"

func balancerTrouble(s *corev1.Service) (Message, int64) {
	for i := range s.Status.Conditions {
		c := &s.Status.Conditions[i]
		if strings.HasPrefix(c.Type, balancerConditions) && c.Status == metav1.ConditionTrue {
			return Message{Text: short(c.Type + ": " + c.Message)}, unix(c.LastTransitionTime)
		}
	}
	for i := range s.Status.LoadBalancer.Ingress {
		for _, p := range s.Status.LoadBalancer.Ingress[i].Ports {
			if p.Error != nil {
				return Message{Text: short(strconv.Itoa(int(p.Port)) + "/" + string(p.Protocol) + ": " + *p.Error)}, 0
			}
		}
	}
	return Message{}, 0
}

func servicePods(s *corev1.Service) PodsOf {
	if s.Spec.Type == corev1.ServiceTypeExternalName { // its selector is not used
		return PodsOf{}
	}
	return PodsOf{Selector: labels.Set(s.Spec.Selector).String()}
}

func serviceDetail(s *corev1.Service, d *Detail) {
	spec := &s.Spec
	d.add("type", Value{Cell: Text(string(spec.Type))})
	d.add("selector", Value{Cell: serviceSelector(s)})
	ips := spec.ClusterIPs
	if len(ips) == 0 {
		ips = []string{spec.ClusterIP}
	}
	d.add("clusterip", names(ips)...)
	d.add("externalname", Value{Cell: Name(spec.ExternalName)})
	d.add("externalips", names(spec.ExternalIPs)...)
	d.add("loadbalancer", names(balanced(s))...)
	d.add("loadbalancerclass", Value{Cell: Name(valueOf(spec.LoadBalancerClass, ""))})
	d.add("sourceranges", names(spec.LoadBalancerSourceRanges)...)
	families := Text(join(spec.IPFamilies))
	families.Note = Message{Text: string(valueOf(spec.IPFamilyPolicy, ""))}
	d.add("ipfamilies", Value{Cell: families})
	d.add("externaltraffic", Value{Cell: Text(string(spec.ExternalTrafficPolicy))})
	if p := spec.InternalTrafficPolicy; p != nil {
		d.add("internaltraffic", Value{Cell: Text(string(*p))})
	}
	d.add("trafficdistribution", Value{Cell: Text(valueOf(spec.TrafficDistribution, ""))})
	d.add("sessionaffinity", Value{Cell: Text(string(spec.SessionAffinity))})
	if spec.HealthCheckNodePort > 0 {
		d.add("healthcheckport", Value{Cell: Name(strconv.Itoa(int(spec.HealthCheckNodePort)))})
	}
	d.add("publishnotready", Value{Cell: marked(spec.PublishNotReadyAddresses)})
	d.add("finalizers", names(s.Finalizers)...)
	for i := range s.Status.Conditions {
		c := &s.Status.Conditions[i]
		var bad []string
		if strings.HasPrefix(c.Type, balancerConditions) {
			bad = []string{c.Type}
		}
		d.conditions(s.Status.Conditions[i:i+1], bad...)
	}
	ports := Table{ID: "ports", Columns: []Column{
		{ID: "portname", Form: FormName},
		{ID: "port", Form: FormName},
		{ID: "protocol", Form: FormText},
		{ID: "targetport", Form: FormName},
		{ID: "nodeport", Form: FormName},
		{ID: "appprotocol", Form: FormName},
	}}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		target, node := p.TargetPort.String(), ""
		if target == "0" { // the API's default: the same port
			target = strconv.Itoa(int(p.Port))
		}
		if p.NodePort > 0 {
			node = strconv.Itoa(int(p.NodePort))
		}
		ports.Rows = append(ports.Rows, []Value{
			{Cell: Name(p.Name)},
			{Cell: Name(strconv.Itoa(int(p.Port)))},
			{Cell: Text(string(p.Protocol))},
			{Cell: Name(target)},
			{Cell: Name(node)},
			{Cell: Name(valueOf(p.AppProtocol, ""))},
		})
	}
	d.addTable(ports)
}

// serviceSelector says when a Service chooses no pods itself.
func serviceSelector(s *corev1.Service) Cell {
	c := Name(labels.Set(s.Spec.Selector).String())
	if c.Text == "" && s.Spec.Type != corev1.ServiceTypeExternalName {
		c = Cell{Text: "{}", Form: FormName, Note: Message{ID: "service.noselector"}}
	}
	return c
}
