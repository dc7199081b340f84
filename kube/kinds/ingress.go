package kinds

import (
	"slices"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
)

var ingressKind = Define(Kind{
	GVR: networkingv1.SchemeGroupVersion.WithResource("ingresses"), Name: "Ingress", Plural: "Ingresses", Short: []string{"ing"},
	Namespaced: true, Menu: MenuNetwork, Facets: []string{"status", "class"},
},
	Reads[networkingv1.Ingress]{Status: ingressStatus, Refs: ingressRefs, Detail: ingressDetail},
	ColumnOf[networkingv1.Ingress]{Column{ID: "class", Form: FormName, Search: true}, func(i *networkingv1.Ingress) Cell { return Name(ingressClass(i)) }},
	ColumnOf[networkingv1.Ingress]{Column{ID: "status", Form: FormStatus}, nil},
	ColumnOf[networkingv1.Ingress]{Column{ID: "hosts", Form: FormName, Search: true}, func(i *networkingv1.Ingress) Cell { return Name(ingressHosts(i)) }},
	ColumnOf[networkingv1.Ingress]{Column{ID: "address", Form: FormName, Search: true}, func(i *networkingv1.Ingress) Cell { return Name(join(ingressAddresses(i))) }},
	ColumnOf[networkingv1.Ingress]{Column{ID: "ports", Form: FormName}, ingressPorts},
	ColumnOf[networkingv1.Ingress]{Column{ID: "backends", Form: FormName, Hidden: true, Search: true}, func(i *networkingv1.Ingress) Cell { return Name(join(ingressBackends(i))) }},
	ColumnOf[networkingv1.Ingress]{Column{ID: "age", Form: FormAge}, func(i *networkingv1.Ingress) Cell { return Age(unix(i.CreationTimestamp)) }},
)

// legacyClass is how Ingresses named their class before there was a field.
const legacyClass = "kubernetes.io/ingress.class"

func ingressClass(in *networkingv1.Ingress) string {
	return valueOf(in.Spec.IngressClassName, in.Annotations[legacyClass])
}

func ingressPorts(in *networkingv1.Ingress) Cell {
	if len(in.Spec.TLS) > 0 {
		return Name("80, 443")
	}
	return Name("80")
}

// ingressHosts are all of them, unlike kubectl's three: people look for a host
// to find its Ingress.
func ingressHosts(in *networkingv1.Ingress) string {
	var hosts []string
	for i := range in.Spec.Rules {
		if h := in.Spec.Rules[i].Host; h != "" && !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return "*"
	}
	return join(hosts)
}

func ingressAddresses(in *networkingv1.Ingress) []string {
	var out []string
	for i := range in.Status.LoadBalancer.Ingress {
		a := &in.Status.LoadBalancer.Ingress[i]
		if a.IP != "" {
			out = append(out, a.IP)
		} else if a.Hostname != "" {
			out = append(out, a.Hostname)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ingressStatus calls an Ingress without an address pending, which is no
// alarm: some controllers never write one.
func ingressStatus(in *networkingv1.Ingress) Status {
	if t, ok := terminating(in); ok {
		return t
	}
	for i := range in.Status.LoadBalancer.Ingress {
		for _, p := range in.Status.LoadBalancer.Ingress[i].Ports {
			if p.Error != nil {
				return Status{Word: WordPublished, Tone: ToneWarn, Reason: Message{Text: short(strconv.Itoa(int(p.Port)) + "/" + string(p.Protocol) + ": " + *p.Error)}}
			}
		}
	}
	switch {
	case len(ingressAddresses(in)) > 0:
		return Status{Word: WordPublished, Tone: ToneOK}
	case ingressClass(in) == "":
		return Status{Word: WordNoClass, Tone: ToneWarn, Reason: Message{ID: "ingress.noclass"}}
	default:
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "ingress.noaddress"}, Since: unix(in.CreationTimestamp)}
	}
}

// route is one line of an Ingress: where requests come to, and who answers.
type route struct {
	host, path, match string
	*networkingv1.IngressBackend
}

func ingressRoutes(in *networkingv1.Ingress) []route {
	var out []route
	for i := range in.Spec.Rules {
		r := &in.Spec.Rules[i]
		if r.HTTP == nil {
			continue
		}
		for j := range r.HTTP.Paths {
			p := &r.HTTP.Paths[j]
			out = append(out, route{orStar(r.Host), orStar(p.Path), string(valueOf(p.PathType, "")), &p.Backend})
		}
	}
	if b := in.Spec.DefaultBackend; b != nil {
		out = append(out, route{"*", "*", "", b})
	}
	return out
}

func orStar(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// value is the backend, with a link where it is a Service.
func (r *route) value(namespace string) Value {
	if s := r.Service; s != nil {
		port := s.Port.Name
		if port == "" {
			port = strconv.Itoa(int(s.Port.Number))
		}
		return Value{Cell: Name(s.Name + ":" + port), Ref: &Ref{Kind: "services", Namespace: namespace, Name: s.Name, Via: "backend"}}
	}
	if o := r.Resource; o != nil {
		v := Value{Cell: Name(o.Kind + "/" + o.Name)}
		if id := idOf(valueOf(o.APIGroup, ""), o.Kind); id != "" {
			v.Ref = &Ref{Kind: id, Namespace: namespace, Name: o.Name, Via: "backend"}
		}
		return v
	}
	return Value{}
}

func ingressBackends(in *networkingv1.Ingress) []string {
	var out []string
	routes := ingressRoutes(in)
	for i := range routes {
		if text := routes[i].value("").Cell.Text; text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// idOf is the ID of the kind that a reference names by group and kind, empty
// when it is not known.
func idOf(group, kind string) string {
	version := "v1"
	if group != "" {
		version = group + "/v1"
	}
	id, _ := guessID(version, kind)
	return id
}

// addRef appends a reference unless it is there or names nothing.
func addRef(list []Ref, r Ref) []Ref {
	if r.Name == "" || r.Kind == "" || slices.Contains(list, r) {
		return list
	}
	return append(list, r)
}

func ingressRefs(in *networkingv1.Ingress) []Ref {
	refs := addRef(nil, Ref{Kind: "ingressclasses.networking.k8s.io", Name: ingressClass(in), Via: "ingressClass"})
	routes := ingressRoutes(in)
	for i := range routes {
		if ref := routes[i].value(in.Namespace).Ref; ref != nil {
			refs = addRef(refs, *ref)
		}
	}
	for i := range in.Spec.TLS {
		refs = addRef(refs, Ref{Kind: "secrets", Namespace: in.Namespace, Name: in.Spec.TLS[i].SecretName, Via: "tls"})
	}
	return refs
}

func ingressDetail(in *networkingv1.Ingress, d *Detail) {
	class := ingressClass(in)
	d.add("class", refValue(Name(class), "ingressclasses.networking.k8s.io", "", class))
	d.add("addresses", names(ingressAddresses(in))...)
	d.add("finalizers", names(in.Finalizers)...)
	rules := Table{ID: "rules", Columns: []Column{
		{ID: "host", Form: FormName}, {ID: "path", Form: FormName}, {ID: "pathtype", Form: FormText}, {ID: "backend", Form: FormName},
	}}
	routes := ingressRoutes(in)
	for i := range routes {
		r := &routes[i]
		rules.Rows = append(rules.Rows, []Value{{Cell: Name(r.host)}, {Cell: Name(r.path)}, {Cell: Text(r.match)}, r.value(in.Namespace)})
	}
	d.addTable(rules)
	tls := Table{ID: "tls", Columns: []Column{{ID: "hosts", Form: FormName}, {ID: "secret", Form: FormName}}}
	for i := range in.Spec.TLS {
		t := &in.Spec.TLS[i]
		secret := Value{} // the controller's own certificate
		if t.SecretName != "" {
			secret = refValue(Name(t.SecretName), "secrets", in.Namespace, t.SecretName)
		}
		tls.Rows = append(tls.Rows, []Value{{Cell: Name(join(t.Hosts))}, secret})
	}
	d.addTable(tls)
}
