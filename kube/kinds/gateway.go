package kinds

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	gatewayGroup   = "gateway.networking.k8s.io"
	gatewayInstall = "Gateway API"
)

// The words for what a gateway's controller says of an object, beside the
// conditions "Accepted" and "Programmed" themselves.
const (
	WordNotAccepted   = "NotAccepted"   // the controller refuses it
	WordNotProgrammed = "NotProgrammed" // accepted, and no traffic flows by it
	WordNotResolved   = "NotResolved"   // it names something that is not there or may not be named
	WordNotAttached   = "NotAttached"   // a route without a gateway
)

var gatewayKinds = []*Kind{
	Define(gatewayKind("gateways", "Gateway", "Gateways", true, []string{"gtw"}, []string{"v1", "v1beta1"}, "status", "class"),
		Reads[unstructured.Unstructured]{Status: gatewayStatus, Refs: gatewayRefs, Detail: gatewayDetail},
		fieldColumn(Column{ID: "class", Form: FormName, Search: true}, "spec", "gatewayClassName"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[unstructured.Unstructured]{Column{ID: "address", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(gatewayAddresses(u))) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "listeners", Form: FormNumber}, func(u *unstructured.Unstructured) Cell { return Number(len(treeOf(u).list("spec", "listeners"))) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "routes", Form: FormNumber}, gatewayRoutes},
		ColumnOf[unstructured.Unstructured]{Column{ID: "hosts", Form: FormName, Hidden: true, Search: true}, gatewayHosts},
		ageColumn,
	),
	Define(gatewayKind("gatewayclasses", "GatewayClass", "GatewayClasses", false, []string{"gc"}, []string{"v1", "v1beta1"}, "status"),
		Reads[unstructured.Unstructured]{Status: gatewayClassStatus, Detail: gatewayClassDetail},
		fieldColumn(Column{ID: "controllername", Form: FormName, Search: true}, "spec", "controllerName"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		fieldColumn(Column{ID: "description", Form: FormText, Hidden: true}, "spec", "description"),
		ageColumn,
	),
	routeKind("httproutes", "HTTPRoute", "HTTPRoutes", true, "v1", "v1beta1"),
	routeKind("grpcroutes", "GRPCRoute", "GRPCRoutes", true, "v1", "v1alpha2"),
	routeKind("tcproutes", "TCPRoute", "TCPRoutes", false, "v1", "v1alpha2"),
	routeKind("tlsroutes", "TLSRoute", "TLSRoutes", true, "v1", "v1alpha3", "v1alpha2"),
	Define(gatewayKind("referencegrants", "ReferenceGrant", "ReferenceGrants", true, []string{"refgrant"}, []string{"v1", "v1beta1"}),
		Reads[unstructured.Unstructured]{Detail: grantDetail},
		ColumnOf[unstructured.Unstructured]{Column{ID: "from", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(grantSide(u, "from"))) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "to", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(grantSide(u, "to"))) }},
		ageColumn,
	),
}

func gatewayKind(resource, name, plural string, namespaced bool, short, versions []string, facets ...string) Kind {
	return Kind{
		GVR:  schema.GroupVersionResource{Group: gatewayGroup, Version: versions[0], Resource: resource},
		Name: name, Plural: plural, Short: short, Namespaced: namespaced, Menu: MenuNetwork, Facets: facets,
		Versions: versions, Install: gatewayInstall,
	}
}

// ageColumn is the last column of every kind.
var ageColumn = ColumnOf[unstructured.Unstructured]{Column{ID: "age", Form: FormAge}, func(u *unstructured.Unstructured) Cell {
	return Age(unix(u.GetCreationTimestamp()))
}}

// fieldColumn is a column with the string at a path.
func fieldColumn(c Column, path ...string) ColumnOf[unstructured.Unstructured] {
	return ColumnOf[unstructured.Unstructured]{c, func(u *unstructured.Unstructured) Cell {
		return Cell{Text: cut(treeOf(u).text(path...), cellLimit), Form: c.Form}
	}}
}

// gatewayBad are the conditions of the Gateway API that are bad news when true.
func gatewayBad() []string {
	return []string{"Conflicted", "PartiallyInvalid", "InsecureFrontendValidationMode"}
}

// judged is the status that follows from the conditions of one object, or of a
// route at one of its parents. Wanted are the conditions that have to be true,
// the most basic first; the word is the last one.
func judged(list []Condition, wanted ...string) Status {
	refused := map[string]string{"Accepted": WordNotAccepted, "Programmed": WordNotProgrammed, "ResolvedRefs": WordNotResolved}
	s := Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "gateway.unanswered"}}
	for _, name := range wanted {
		switch c := conditionNamed(list, name); c.Status {
		case "True":
			s = Status{Word: name, Tone: ToneOK, Since: c.Since}
		case "False":
			// What waits for an address or its controller is on its way.
			s = Status{Word: refused[name], Tone: ToneBad, Reason: saidBy(&c), Since: c.Since}
			if c.Reason == "Pending" {
				s.Word, s.Tone = "Pending", ToneInfo
			}
			return s
		case "Unknown":
			return Status{Word: "Pending", Tone: ToneInfo, Reason: saidBy(&c), Since: c.Since}
		default: // not every controller reports every condition
		}
	}
	if s.Tone != ToneOK {
		return s
	}
	for i := range list {
		if c := &list[i]; slices.Contains(gatewayBad(), c.Type) && c.Status == "True" {
			s.Tone, s.Reason = ToneWarn, saidBy(c)
		}
	}
	return s
}

// saidBy is why a condition is as it is, in its own words.
func saidBy(c *Condition) Message {
	switch {
	case c.Message == "" && c.Reason == "":
		return Message{Text: c.Type + "=" + c.Status}
	case c.Message == "":
		return Message{Text: short(c.Reason)}
	case c.Reason == "", c.Reason == "Pending": // which the word says
		return Message{Text: short(c.Message)}
	default:
		return Message{Text: short(c.Reason + ": " + c.Message)}
	}
}

// seen tones down what is well by conditions that are about an older
// generation of the object. What is not well stays: it may be what is left of
// a controller that has died.
func (s Status) seen(u *unstructured.Unstructured, conditions []tree) Status {
	for _, c := range conditions {
		if n, ok := c.number("observedGeneration"); ok && n > 0 && n < u.GetGeneration() && s.Tone == ToneOK {
			s.Tone, s.Reason = ToneInfo, Message{ID: "gateway.unseen"}
		}
	}
	return s
}

func gatewayStatus(u *unstructured.Unstructured) Status {
	if t, ok := terminating(u); ok {
		return t
	}
	o := treeOf(u)
	s := judged(o.conditionsOf(gatewayBad(), "status", "conditions"), "Accepted", "Programmed").seen(u, o.list("status", "conditions"))
	if s.Tone != ToneOK {
		return s
	}
	for _, l := range o.list("status", "listeners") {
		// A listener without its Programmed condition is one that this controller says nothing about.
		if ls := judged(l.conditionsOf(gatewayBad(), "conditions"), "Accepted", "ResolvedRefs", "Programmed"); ls.Tone > ToneOK {
			s.Tone = ToneWarn
			s.Reason = Message{ID: "gateway.listener", Args: map[string]any{"Listener": l.text("name")}, Text: ls.Reason.Text}
			return s
		}
	}
	return s
}

func gatewayClassStatus(u *unstructured.Unstructured) Status {
	if t, ok := terminating(u); ok {
		return t
	}
	o := treeOf(u)
	return judged(o.conditionsOf(gatewayBad(), "status", "conditions"), "Accepted").seen(u, o.list("status", "conditions"))
}

func gatewayAddresses(u *unstructured.Unstructured) []string {
	var out []string
	for _, a := range treeOf(u).list("status", "addresses") {
		out = append(out, a.text("value"))
	}
	return out
}

// gatewayRoutes is how many routes are attached to its listeners.
func gatewayRoutes(u *unstructured.Unstructured) Cell {
	total := int64(0)
	for _, l := range treeOf(u).list("status", "listeners") {
		n, _ := l.number("attachedRoutes")
		total += n
	}
	return Number(total)
}

func gatewayHosts(u *unstructured.Unstructured) Cell {
	var hosts []string
	for _, l := range treeOf(u).list("spec", "listeners") {
		if h := orStar(l.text("hostname")); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return Name(join(hosts))
}

// named is a reference of the Gateway API, which may leave out what it takes
// for granted.
func named(r tree, group, kind, namespace, via string) Ref {
	if g, ok := r["group"].(string); ok {
		group = g
	}
	if k := r.text("kind"); k != "" {
		kind = k
	}
	if ns := r.text("namespace"); ns != "" {
		namespace = ns
	}
	return Ref{Kind: idOf(group, kind), Namespace: namespace, Name: r.text("name"), Via: via}
}

// linked is a reference as a value; without a link where the kind is not known.
func linked(text string, r *Ref) Value {
	if r.Kind == "" || r.Name == "" {
		return Value{Cell: Name(text)}
	}
	return Value{Cell: Name(text), Ref: r}
}

func gatewayRefs(u *unstructured.Unstructured) []Ref {
	o := treeOf(u)
	refs := addRef(nil, Ref{Kind: "gatewayclasses." + gatewayGroup, Name: o.text("spec", "gatewayClassName"), Via: "gatewayClass"})
	for _, l := range o.list("spec", "listeners") {
		for _, c := range l.list("tls", "certificateRefs") {
			refs = addRef(refs, named(c, "", "Secret", u.GetNamespace(), "tls"))
		}
	}
	return refs
}

func gatewayDetail(u *unstructured.Unstructured, d *Detail) {
	o := treeOf(u)
	class := o.text("spec", "gatewayClassName")
	d.add("class", refValue(Name(class), "gatewayclasses."+gatewayGroup, "", class))
	var addresses []Value
	for _, a := range o.list("status", "addresses") {
		c := Name(a.text("value"))
		c.Note = Message{Text: a.text("type")}
		addresses = append(addresses, Value{Cell: c})
	}
	d.add("addresses", addresses...)
	d.add("finalizers", names(u.GetFinalizers())...)
	d.Conditions = o.conditionsOf(gatewayBad(), "status", "conditions")
	reported := make(map[string]tree)
	for _, l := range o.list("status", "listeners") {
		reported[l.text("name")] = l
	}
	listeners := Table{ID: "listeners", Columns: []Column{
		{ID: "listener", Form: FormName},
		{ID: "status", Form: FormStatus},
		{ID: "protocol", Form: FormText},
		{ID: "port", Form: FormName},
		{ID: "host", Form: FormName},
		{ID: "tls", Form: FormText},
		{ID: "secret", Form: FormName},
		{ID: "allowedroutes", Form: FormText},
		{ID: "routes", Form: FormNumber},
	}}
	for _, l := range o.list("spec", "listeners") {
		port, _ := l.number("port")
		said := reported[l.text("name")]
		attached, _ := said.number("attachedRoutes")
		listeners.Rows = append(listeners.Rows, []Value{
			{Cell: Name(l.text("name"))},
			{Cell: StatusCell(judged(said.conditionsOf(gatewayBad(), "conditions"), "Accepted", "ResolvedRefs", "Programmed"))},
			{Cell: Text(l.text("protocol"))},
			{Cell: Name(strconv.FormatFloat(float64(port), 'f', -1, 64))},
			{Cell: Name(orStar(l.text("hostname")))},
			{Cell: Text(l.text("tls", "mode"))},
			certificate(l, u.GetNamespace()),
			{Cell: Text(allowed(l))},
			{Cell: Number(attached)},
		})
	}
	d.addTable(listeners)
}

// certificate is the first of a listener's certificates; nearly all have one.
func certificate(l tree, namespace string) Value {
	list := l.list("tls", "certificateRefs")
	if len(list) == 0 {
		return Value{}
	}
	ref := named(list[0], "", "Secret", namespace, "tls")
	text := ref.Name
	if len(list) > 1 {
		text += " + " + strconv.Itoa(len(list)-1)
	}
	return linked(text, &ref)
}

// allowed says from where routes may attach to a listener, in the API's words.
func allowed(l tree) string {
	from := l.text("allowedRoutes", "namespaces", "from")
	if from == "" {
		from = "Same" // the API's default
	}
	var of []string
	for _, k := range l.list("allowedRoutes", "kinds") {
		of = append(of, k.text("kind"))
	}
	if len(of) > 0 {
		from += ": " + strings.Join(of, ", ")
	}
	return from
}

func gatewayClassDetail(u *unstructured.Unstructured, d *Detail) {
	o := treeOf(u)
	d.add("controllername", Value{Cell: Name(o.text("spec", "controllerName"))})
	d.add("description", Value{Cell: Text(o.text("spec", "description"))})
	if p := o.at("spec", "parametersRef"); p.text("name") != "" {
		c := Name(p.text("kind") + "/" + p.text("name"))
		c.Note = Message{Text: p.text("namespace")}
		d.add("parameters", Value{Cell: c})
	}
	d.add("finalizers", names(u.GetFinalizers())...)
	d.Conditions = o.conditionsOf(gatewayBad(), "status", "conditions")
}

// grantSide is one side of a grant: what may refer, or to what.
func grantSide(u *unstructured.Unstructured, side string) []string {
	var out []string
	for _, r := range treeOf(u).list("spec", side) {
		s := r.text("kind")
		if ns := r.text("namespace"); ns != "" {
			s = ns + "/" + s
		}
		if name := r.text("name"); name != "" {
			s += "/" + name
		}
		out = append(out, s)
	}
	return out
}

func grantDetail(u *unstructured.Unstructured, d *Detail) {
	d.add("from", names(grantSide(u, "from"))...)
	d.add("to", names(grantSide(u, "to"))...)
	d.add("finalizers", names(u.GetFinalizers())...)
}
