package kinds

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// routeKind is one of the kinds of routes: they differ in what they match.
func routeKind(resource, name, plural string, hosts bool, versions ...string) *Kind {
	var columns []ColumnOf[unstructured.Unstructured]
	add := func(c Column, cell func(*unstructured.Unstructured) Cell) {
		columns = append(columns, ColumnOf[unstructured.Unstructured]{c, cell})
	}
	if hosts {
		add(Column{ID: "hosts", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(treeOf(u).texts("spec", "hostnames"))) })
	}
	add(Column{ID: "status", Form: FormStatus}, nil)
	add(Column{ID: "parents", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(parentNames(u))) })
	add(Column{ID: "backends", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(join(backendNames(u))) })
	columns = append(columns, ageColumn)
	return Define(gatewayKind(resource, name, plural, true, nil, versions, "status", "parents"),
		Reads[unstructured.Unstructured]{Status: routeStatus, Refs: routeRefs, Detail: routeDetail}, columns...)
}

func parentRef(p tree, namespace string) Ref {
	return named(p, gatewayGroup, "Gateway", namespace, "parent")
}

// inNamespace is a name as seen from a namespace.
func inNamespace(r *Ref, namespace string) string {
	if r.Namespace != namespace {
		return r.Namespace + "/" + r.Name
	}
	return r.Name
}

// parentText is a parent as people name it: its name, its namespace where it is
// another one, and the listener.
func parentText(p tree, namespace string) string {
	ref := parentRef(p, namespace)
	s := inNamespace(&ref, namespace)
	if section := p.text("sectionName"); section != "" {
		s += ":" + section
	} else if port, ok := p.number("port"); ok {
		s += ":" + strconv.FormatInt(port, 10)
	}
	return s
}

func parentNames(u *unstructured.Unstructured) []string {
	var out []string
	for _, p := range treeOf(u).list("spec", "parentRefs") {
		ref := parentRef(p, u.GetNamespace())
		if s := inNamespace(&ref, u.GetNamespace()); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// parentStatus is how a route stands at one of its parents.
type parentStatus struct {
	text       string
	ref        Ref
	controller string
	status     Status
}

// parentStatuses has an entry for each parent and each controller that says
// something about it, and one for each parent that nobody has answered for.
func parentStatuses(u *unstructured.Unstructured) []parentStatus {
	var out []parentStatus
	reported := treeOf(u).list("status", "parents")
	for _, p := range treeOf(u).list("spec", "parentRefs") {
		one := parentStatus{text: parentText(p, u.GetNamespace()), ref: parentRef(p, u.GetNamespace())}
		answered := false
		for _, r := range reported {
			of := r.at("parentRef")
			if parentRef(of, u.GetNamespace()) != one.ref || parentText(of, u.GetNamespace()) != one.text {
				continue
			}
			answered = true
			one.controller = r.text("controllerName")
			one.status = judged(r.conditionsOf(gatewayBad(), "conditions"), "Accepted", "ResolvedRefs").seen(u, r.list("conditions"))
			if one.status.Word == "ResolvedRefs" { // the word for all well
				one.status.Word = "Accepted"
			}
			out = append(out, one)
		}
		if !answered {
			one.status = judged(nil)
			out = append(out, one)
		}
	}
	return out
}

// routeStatus is that of the parent where the route stands worst.
func routeStatus(u *unstructured.Unstructured) Status {
	if t, ok := terminating(u); ok {
		return t
	}
	parents := parentStatuses(u)
	if len(parents) == 0 {
		return Status{Word: WordNotAttached, Tone: ToneWarn, Reason: Message{ID: "gateway.noparent"}}
	}
	worst := parents[0]
	for _, p := range parents[1:] {
		if worse(p.status.Tone, worst.status.Tone) {
			worst = p
		}
	}
	s := worst.status
	switch {
	case s.Reason.Text != "":
		s.Reason = Message{ID: "gateway.parent", Args: map[string]any{"Parent": worst.text}, Text: s.Reason.Text}
	case s.Reason.ID == "gateway.unanswered":
		s.Reason = Message{ID: "gateway.unansweredby", Args: map[string]any{"Parent": worst.text}}
	}
	return s
}

// worse reports whether somebody should rather look at a than at b: what is on
// its way is worth more attention than what is well.
func worse(a, b Tone) bool {
	rank := func(t Tone) int {
		switch t {
		case ToneBad:
			return 3
		case ToneWarn:
			return 2
		case ToneInfo:
			return 1
		default:
			return 0
		}
	}
	return rank(a) > rank(b)
}

// backend is where a rule of a route sends requests.
type backend struct {
	text   string
	ref    Ref
	weight int64
}

func ruleBackends(rule tree, namespace string) []backend {
	var out []backend
	for _, b := range rule.list("backendRefs") {
		one := backend{ref: named(b, "", "Service", namespace, "backend"), weight: 1}
		one.text = inNamespace(&one.ref, namespace)
		if port, ok := b.number("port"); ok {
			one.text += ":" + strconv.FormatInt(port, 10)
		}
		if w, ok := b.number("weight"); ok {
			one.weight = w
		}
		out = append(out, one)
	}
	return out
}

func backendNames(u *unstructured.Unstructured) []string {
	var out []string
	for _, rule := range treeOf(u).list("spec", "rules") {
		for _, b := range ruleBackends(rule, u.GetNamespace()) {
			if !slices.Contains(out, b.text) {
				out = append(out, b.text)
			}
		}
	}
	return out
}

func routeRefs(u *unstructured.Unstructured) []Ref {
	var refs []Ref
	for _, p := range treeOf(u).list("spec", "parentRefs") {
		refs = addRef(refs, parentRef(p, u.GetNamespace()))
	}
	for _, rule := range treeOf(u).list("spec", "rules") {
		for _, b := range ruleBackends(rule, u.GetNamespace()) {
			refs = addRef(refs, b.ref)
		}
		for _, f := range rule.list("filters") {
			if mirror := f.at("requestMirror", "backendRef"); mirror.text("name") != "" {
				refs = addRef(refs, named(mirror, "", "Service", u.GetNamespace(), "mirror"))
			}
		}
	}
	return refs
}

func routeDetail(u *unstructured.Unstructured, d *Detail) {
	d.add("hosts", names(treeOf(u).texts("spec", "hostnames"))...)
	d.add("finalizers", names(u.GetFinalizers())...)
	parents := Table{ID: "parents", Columns: []Column{
		{ID: "parent", Form: FormName}, {ID: "status", Form: FormStatus}, {ID: "controllername", Form: FormName},
	}}
	for _, p := range parentStatuses(u) {
		ref := p.ref
		parents.Rows = append(parents.Rows, []Value{linked(p.text, &ref), {Cell: StatusCell(p.status)}, {Cell: Name(p.controller)}})
	}
	d.addTable(parents)
	rules := Table{ID: "rules", Columns: []Column{
		{ID: "rule", Form: FormName},
		{ID: "matches", Form: FormName},
		{ID: "filters", Form: FormText},
		{ID: "backend", Form: FormName},
		{ID: "weight", Form: FormNumber},
	}}
	for i, rule := range treeOf(u).list("spec", "rules") {
		name := rule.text("name")
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		front := []Value{{Cell: Name(name)}, {Cell: Name(ruleMatches(rule))}, {Cell: Text(ruleFilters(rule))}}
		backends := ruleBackends(rule, u.GetNamespace())
		if len(backends) == 0 { // a redirect, or a rule that answers with an error
			rules.Rows = append(rules.Rows, append(slices.Clone(front), Value{}, Value{}))
		}
		for j := range backends {
			b := &backends[j]
			rules.Rows = append(rules.Rows, append(slices.Clone(front), linked(b.text, &b.ref), Value{Cell: Number(b.weight)}))
		}
	}
	d.addTable(rules)
}

// ruleMatches is what a rule applies to, in words of the API; alternatives are
// separated by semicolons.
func ruleMatches(rule tree) string {
	var alternatives []string
	for _, m := range rule.list("matches") {
		var parts []string
		if v := m.text("path", "value"); v != "" {
			parts = append(parts, kindOfMatch(m.at("path"), "PathPrefix")+" "+v)
		}
		switch method := m.value("method").(type) {
		case string: // HTTPRoute
			parts = append(parts, method)
		case map[string]any: // GRPCRoute
			parts = append(parts, strings.Trim(tree(method).text("service")+"/"+tree(method).text("method"), "/"))
		}
		for _, h := range m.list("headers") {
			parts = append(parts, "header "+h.text("name")+operator(h)+h.text("value"))
		}
		for _, q := range m.list("queryParams") {
			parts = append(parts, "query "+q.text("name")+operator(q)+q.text("value"))
		}
		alternatives = append(alternatives, strings.Join(parts, ", "))
	}
	return orStar(cut(strings.Join(alternatives, "; "), cellLimit))
}

func kindOfMatch(m tree, otherwise string) string {
	if t := m.text("type"); t != "" {
		return t
	}
	return otherwise
}

func operator(m tree) string {
	if m.text("type") == "RegularExpression" {
		return "~"
	}
	return "="
}

// ruleFilters are what a rule does to requests, with where a redirect leads.
func ruleFilters(rule tree) string {
	var out []string
	for _, f := range rule.list("filters") {
		parts := []string{f.text("type")}
		if r := f.at("requestRedirect"); len(r) > 0 {
			parts = append(parts, r.text("scheme"), r.text("hostname"), r.text("path", "replaceFullPath"), r.text("path", "replacePrefixMatch"))
			if code, ok := r.number("statusCode"); ok {
				parts = append(parts, strconv.FormatInt(code, 10))
			}
		}
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
		out = append(out, strings.Join(parts, " "))
	}
	return cut(strings.Join(out, ", "), cellLimit)
}
