package kinds

import (
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// WordNoEndpoints is the status of a Service behind which nothing answers,
// and of the objects that say so.
const WordNoEndpoints = "NoEndpoints"

// The older form of EndpointSlices is deprecated and still what many clusters'
// tools write and read.
type (
	endpoints       = corev1.Endpoints       //nolint:staticcheck // see above
	endpointSubset  = corev1.EndpointSubset  //nolint:staticcheck // see above
	endpointAddress = corev1.EndpointAddress //nolint:staticcheck // see above
)

// endpointSliceKind and endpointsKind say what a Service's own object cannot:
// whether anything answers behind it.
var (
	endpointSliceKind = Define(Kind{
		GVR: discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), Churns: true, Name: "EndpointSlice", Plural: "EndpointSlices",
		Namespaced: true, Menu: MenuNetwork, Facets: []string{"status", "addresstype"},
	},
		Reads[discoveryv1.EndpointSlice]{
			Status: endpointSliceStatus, Refs: endpointSliceRefs, Detail: endpointSliceDetail,
			Keep: func(s *discoveryv1.EndpointSlice) any { return sliceEndpoints{s.AddressType, countEndpoints(s)} },
		},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "service", Form: FormName, Search: true}, func(s *discoveryv1.EndpointSlice) Cell { return Name(s.Labels[discoveryv1.LabelServiceName]) }},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "ready", Form: FormRatio}, endpointSliceReady},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "addresstype", Form: FormText}, func(s *discoveryv1.EndpointSlice) Cell { return Text(string(s.AddressType)) }},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "ports", Form: FormName, Search: true}, func(s *discoveryv1.EndpointSlice) Cell { return Name(endpointSlicePorts(s)) }},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "endpoints", Form: FormName, Search: true}, func(s *discoveryv1.EndpointSlice) Cell { return Name(endpointSliceAddresses(s)) }},
		ColumnOf[discoveryv1.EndpointSlice]{Column{ID: "age", Form: FormAge}, func(s *discoveryv1.EndpointSlice) Cell { return Age(unix(s.CreationTimestamp)) }},
	)
	endpointsKind = Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("endpoints"), Churns: true, Name: "Endpoints", Plural: "Endpoints", Short: []string{"ep"},
		Namespaced: true, Menu: MenuNetwork, Facets: []string{"status"},
	},
		Reads[endpoints]{Status: endpointsStatus, Refs: endpointsRefs, Detail: endpointsDetail},
		ColumnOf[endpoints]{Column{ID: "ready", Form: FormRatio}, endpointsReady},
		ColumnOf[endpoints]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[endpoints]{Column{ID: "endpoints", Form: FormName, Search: true}, func(e *endpoints) Cell { return Name(endpointsAddresses(e)) }},
		ColumnOf[endpoints]{Column{ID: "age", Form: FormAge}, func(e *endpoints) Cell { return Age(unix(e.CreationTimestamp)) }},
	)
)

// endpointCounts are the endpoints of a Service by what they do. Those that
// are ending are not among the wanted.
type endpointCounts struct{ ready, wanted, serving, terminating int }

// sliceEndpoints are the endpoints of one slice. A Service with addresses of
// two families has slices of both, with the same pods in them.
type sliceEndpoints struct {
	family discoveryv1.AddressType
	endpointCounts
}

// add counts the endpoints of another slice.
func (n endpointCounts) add(other endpointCounts) endpointCounts {
	return endpointCounts{n.ready + other.ready, n.wanted + other.wanted, n.serving + other.serving, n.terminating + other.terminating}
}

// countEndpoints reads conditions as the API defines them: an unknown ready is
// a yes, an unknown serving is as ready, an unknown terminating is a no.
func countEndpoints(s *discoveryv1.EndpointSlice) (n endpointCounts) {
	for i := range s.Endpoints {
		c := &s.Endpoints[i].Conditions
		ready := valueOf(c.Ready, true)
		serving, terminating := valueOf(c.Serving, ready), valueOf(c.Terminating, false)
		if terminating {
			n.terminating++
			if serving {
				n.serving++
			}
			continue
		}
		n.wanted++
		if ready {
			n.ready++
		}
	}
	return n
}

func (n endpointCounts) cell() Cell {
	c := Ratio(n.ready, n.wanted)
	switch {
	case n.wanted == 0:
		c.Num = 0 // to have none is not to have all
	case n.ready == 0:
		c.Tone = ToneBad
	case n.ready < n.wanted:
		c.Tone = ToneWarn
	}
	return c
}

// status says whether anything answers. Endpoints that are ending get traffic
// only where nothing else is ready.
func (n endpointCounts) status() Status {
	args := map[string]any{"Ready": n.ready, "Wanted": n.wanted, "Terminating": n.terminating, "Serving": n.serving}
	switch {
	case n.ready > 0 && n.ready == n.wanted:
		return Status{Word: "Ready", Tone: ToneOK}
	case n.ready > 0:
		return Status{Word: "Ready", Tone: ToneWarn, Reason: Message{ID: "endpoints.some", Args: args}}
	case n.serving > 0:
		return Status{Word: "NotReady", Tone: ToneBad, Reason: Message{ID: "endpoints.ending", Args: args}}
	case n.wanted+n.terminating > 0:
		return Status{Word: "NotReady", Tone: ToneBad, Reason: Message{ID: "endpoints.unready", Args: args}}
	default:
		return Status{Word: WordNoEndpoints, Tone: ToneWarn, Reason: Message{ID: "endpoints.none"}}
	}
}

func endpointSliceStatus(s *discoveryv1.EndpointSlice) Status {
	if t, ok := terminating(s); ok {
		return t
	}
	return countEndpoints(s).status()
}

func endpointSliceReady(s *discoveryv1.EndpointSlice) Cell { return countEndpoints(s).cell() }

// endpointSliceRefs leaves the pods out: hundreds of them are in one slice, and
// its page has them.
func endpointSliceRefs(s *discoveryv1.EndpointSlice) []Ref {
	service := s.Labels[discoveryv1.LabelServiceName]
	if service == "" {
		return nil
	}
	return []Ref{{Kind: "services", Namespace: s.Namespace, Name: service, Via: "service"}}
}

func endpointSlicePorts(s *discoveryv1.EndpointSlice) string {
	list := make([]string, len(s.Ports))
	for i := range s.Ports {
		switch p := &s.Ports[i]; {
		case p.Port != nil:
			list[i] = strconv.Itoa(int(*p.Port))
		case p.Name != nil:
			list[i] = *p.Name
		default:
			list[i] = "*"
		}
	}
	return firstThree(list)
}

func endpointSliceAddresses(s *discoveryv1.EndpointSlice) string {
	var list []string
	for i := range s.Endpoints {
		list = append(list, s.Endpoints[i].Addresses...)
	}
	return firstThree(list)
}

func endpointSliceDetail(s *discoveryv1.EndpointSlice, d *Detail) {
	service := s.Labels[discoveryv1.LabelServiceName]
	d.add("service", refValue(Name(service), "services", s.Namespace, service))
	d.add("addresstype", Value{Cell: Text(string(s.AddressType))})
	d.add("managedby", Value{Cell: Name(s.Labels[discoveryv1.LabelManagedBy])})
	ports := make([]Value, len(s.Ports))
	for i := range s.Ports {
		p := &s.Ports[i]
		port := "*"
		if p.Port != nil {
			port = strconv.Itoa(int(*p.Port))
		}
		c := Name(port + "/" + string(valueOf(p.Protocol, corev1.ProtocolTCP)))
		c.Note = Message{Text: valueOf(p.Name, "")}
		ports[i] = Value{Cell: c}
	}
	d.add("ports", ports...)
	d.add("finalizers", names(s.Finalizers)...)
	table := endpointTable()
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		ready := valueOf(e.Conditions.Ready, true)
		state := Status{Word: "Ready", Tone: ToneOK}
		switch {
		case valueOf(e.Conditions.Terminating, false) && valueOf(e.Conditions.Serving, ready):
			state = Status{Word: "Terminating", Tone: ToneInfo, Reason: Message{ID: "endpoints.serving"}}
		case valueOf(e.Conditions.Terminating, false):
			state = Status{Word: "Terminating", Tone: ToneIdle}
		case !ready:
			state = Status{Word: "NotReady", Tone: ToneBad}
		}
		for _, address := range e.Addresses {
			table.Rows = append(table.Rows, endpointRow(address, state, e.TargetRef, valueOf(e.NodeName, ""), valueOf(e.Zone, "")))
		}
	}
	d.addTable(table)
}

func endpointTable() Table {
	return Table{ID: "endpoints", Columns: []Column{
		{ID: "address", Form: FormName},
		{ID: "status", Form: FormStatus},
		{ID: "target", Form: FormName},
		{ID: "node", Form: FormName},
		{ID: "zone", Form: FormName},
	}}
}

func endpointRow(address string, state Status, target *corev1.ObjectReference, node, zone string) []Value {
	to := Value{}
	if target != nil {
		to.Cell = Name(target.Name)
		if target.Kind == "Pod" {
			to.Ref = &Ref{Kind: "pods", Namespace: target.Namespace, Name: target.Name, Via: "targetRef"}
		}
	}
	at := Value{Cell: Name(node)}
	if node != "" {
		at = refValue(Name(node), "nodes", "", node)
	}
	return []Value{{Cell: Name(address)}, {Cell: StatusCell(state)}, to, at, {Cell: Name(zone)}}
}

// addTable appends a table unless it is empty.
func (d *Detail) addTable(t Table) {
	if len(t.Rows) > 0 {
		d.Tables = append(d.Tables, t)
	}
}

func countSubsets(e *endpoints) (n endpointCounts) {
	for i := range e.Subsets {
		n.ready += len(e.Subsets[i].Addresses)
		n.wanted += len(e.Subsets[i].Addresses) + len(e.Subsets[i].NotReadyAddresses)
	}
	return n
}

// leaderAnnotation marks Endpoints that are nothing but the lock of an old
// leader election.
const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader"

func endpointsStatus(e *endpoints) Status {
	if t, ok := terminating(e); ok {
		return t
	}
	if e.Annotations[leaderAnnotation] != "" {
		return Status{}
	}
	return countSubsets(e).status()
}

func endpointsReady(e *endpoints) Cell { return countSubsets(e).cell() }

// endpointsRefs: Endpoints have the name of their Service.
func endpointsRefs(e *endpoints) []Ref {
	if e.Annotations[leaderAnnotation] != "" || e.Name == "" {
		return nil
	}
	return []Ref{{Kind: "services", Namespace: e.Namespace, Name: e.Name, Via: "service"}}
}

func endpointsAddresses(e *endpoints) string {
	var list []string
	for i := range e.Subsets {
		s := &e.Subsets[i]
		if len(s.Ports) == 0 { // of a headless service
			for j := range s.Addresses {
				list = append(list, s.Addresses[j].IP)
			}
		}
		for _, p := range s.Ports {
			for j := range s.Addresses {
				list = append(list, net.JoinHostPort(s.Addresses[j].IP, strconv.Itoa(int(p.Port))))
			}
		}
	}
	return firstThree(list)
}

func endpointsDetail(e *endpoints, d *Detail) {
	for _, r := range endpointsRefs(e) {
		d.add("service", refValue(Name(r.Name), r.Kind, r.Namespace, r.Name))
	}
	d.add("finalizers", names(e.Finalizers)...)
	table := endpointTable()
	var ports []Value
	for i := range e.Subsets {
		s := &e.Subsets[i]
		ports = append(ports, subsetPorts(s)...)
		for _, part := range []struct {
			state Status
			list  []endpointAddress
		}{
			{Status{Word: "Ready", Tone: ToneOK}, s.Addresses},
			{Status{Word: "NotReady", Tone: ToneBad}, s.NotReadyAddresses},
		} {
			for j := range part.list {
				a := &part.list[j]
				table.Rows = append(table.Rows, endpointRow(a.IP, part.state, a.TargetRef, valueOf(a.NodeName, ""), ""))
			}
		}
	}
	d.add("ports", ports...)
	d.addTable(table)
}

func subsetPorts(s *endpointSubset) []Value {
	out := make([]Value, len(s.Ports))
	for i, p := range s.Ports {
		c := Name(strconv.Itoa(int(p.Port)) + "/" + string(p.Protocol))
		c.Note = Message{Text: p.Name}
		out[i] = Value{Cell: c}
	}
	return out
}
