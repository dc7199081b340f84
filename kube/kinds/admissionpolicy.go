package kinds

import (
	"cmp"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var admissionPolicyKinds = []*Kind{
	Define(Kind{
		GVR:  admissionv1.SchemeGroupVersion.WithResource("validatingadmissionpolicies"),
		Name: "ValidatingAdmissionPolicy", Plural: "ValidatingAdmissionPolicies", Menu: MenuCluster, Facets: []string{"status", "failurepolicy"},
	},
		Reads[admissionv1.ValidatingAdmissionPolicy]{Status: validatingPolicyStatus, Detail: validatingPolicyDetail},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "validations", Form: FormNumber}, func(p *admissionv1.ValidatingAdmissionPolicy) Cell { return Number(len(p.Spec.Validations)) }},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "resources", Form: FormName, Search: true}, func(p *admissionv1.ValidatingAdmissionPolicy) Cell { return matchedResources(p.Spec.MatchConstraints) }},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "failurepolicy", Form: FormText}, func(p *admissionv1.ValidatingAdmissionPolicy) Cell {
			return Text(string(valueOf(p.Spec.FailurePolicy, admissionv1.Fail)))
		}},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "paramkind", Form: FormName, Search: true}, func(p *admissionv1.ValidatingAdmissionPolicy) Cell { return paramKind(p.Spec.ParamKind) }},
		ColumnOf[admissionv1.ValidatingAdmissionPolicy]{Column{ID: "age", Form: FormAge}, func(p *admissionv1.ValidatingAdmissionPolicy) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR:  admissionv1.SchemeGroupVersion.WithResource("validatingadmissionpolicybindings"),
		Name: "ValidatingAdmissionPolicyBinding", Plural: "ValidatingAdmissionPolicyBindings", Menu: MenuCluster, Facets: []string{"actions", "policy"},
	},
		Reads[admissionv1.ValidatingAdmissionPolicyBinding]{
			Status: func(b *admissionv1.ValidatingAdmissionPolicyBinding) Status { return onlyTerminating(b) },
			Refs: func(b *admissionv1.ValidatingAdmissionPolicyBinding) []Ref {
				return policyRefs(validatingPolicies, b.Spec.PolicyName)
			},
			Detail: func(b *admissionv1.ValidatingAdmissionPolicyBinding, d *Detail) {
				d.addBinding(validatingPolicies, b.Spec.PolicyName, b.Spec.ParamRef)
				d.add("actions", Value{Cell: Text(join(b.Spec.ValidationActions))})
				d.add("finalizers", names(b.Finalizers)...)
				d.addMatch(b.Spec.MatchResources)
			},
		},
		ColumnOf[admissionv1.ValidatingAdmissionPolicyBinding]{Column{ID: "policy", Form: FormName, Search: true}, func(b *admissionv1.ValidatingAdmissionPolicyBinding) Cell { return Name(b.Spec.PolicyName) }},
		ColumnOf[admissionv1.ValidatingAdmissionPolicyBinding]{Column{ID: "actions", Form: FormText, Search: true}, func(b *admissionv1.ValidatingAdmissionPolicyBinding) Cell {
			return Text(join(b.Spec.ValidationActions))
		}},
		ColumnOf[admissionv1.ValidatingAdmissionPolicyBinding]{Column{ID: "params", Form: FormName, Search: true}, func(b *admissionv1.ValidatingAdmissionPolicyBinding) Cell { return params(b.Spec.ParamRef) }},
		ColumnOf[admissionv1.ValidatingAdmissionPolicyBinding]{Column{ID: "age", Form: FormAge}, func(b *admissionv1.ValidatingAdmissionPolicyBinding) Cell { return Age(unix(b.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR:  admissionv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicies"),
		Name: "MutatingAdmissionPolicy", Plural: "MutatingAdmissionPolicies", Menu: MenuCluster, Facets: []string{"failurepolicy"},
	},
		Reads[admissionv1.MutatingAdmissionPolicy]{
			Status: func(p *admissionv1.MutatingAdmissionPolicy) Status { return onlyTerminating(p) },
			Detail: mutatingPolicyDetail,
		},
		ColumnOf[admissionv1.MutatingAdmissionPolicy]{Column{ID: "mutations", Form: FormNumber}, func(p *admissionv1.MutatingAdmissionPolicy) Cell { return Number(len(p.Spec.Mutations)) }},
		ColumnOf[admissionv1.MutatingAdmissionPolicy]{Column{ID: "resources", Form: FormName, Search: true}, func(p *admissionv1.MutatingAdmissionPolicy) Cell { return matchedResources(p.Spec.MatchConstraints) }},
		ColumnOf[admissionv1.MutatingAdmissionPolicy]{Column{ID: "failurepolicy", Form: FormText}, func(p *admissionv1.MutatingAdmissionPolicy) Cell {
			return Text(string(valueOf(p.Spec.FailurePolicy, admissionv1.Fail)))
		}},
		ColumnOf[admissionv1.MutatingAdmissionPolicy]{Column{ID: "paramkind", Form: FormName, Search: true}, func(p *admissionv1.MutatingAdmissionPolicy) Cell { return paramKind(p.Spec.ParamKind) }},
		ColumnOf[admissionv1.MutatingAdmissionPolicy]{Column{ID: "age", Form: FormAge}, func(p *admissionv1.MutatingAdmissionPolicy) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR:  admissionv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicybindings"),
		Name: "MutatingAdmissionPolicyBinding", Plural: "MutatingAdmissionPolicyBindings", Menu: MenuCluster, Facets: []string{"policy"},
	},
		Reads[admissionv1.MutatingAdmissionPolicyBinding]{
			Status: func(b *admissionv1.MutatingAdmissionPolicyBinding) Status { return onlyTerminating(b) },
			Refs: func(b *admissionv1.MutatingAdmissionPolicyBinding) []Ref {
				return policyRefs(mutatingPolicies, b.Spec.PolicyName)
			},
			Detail: func(b *admissionv1.MutatingAdmissionPolicyBinding, d *Detail) {
				d.addBinding(mutatingPolicies, b.Spec.PolicyName, b.Spec.ParamRef)
				d.add("finalizers", names(b.Finalizers)...)
				d.addMatch(b.Spec.MatchResources)
			},
		},
		ColumnOf[admissionv1.MutatingAdmissionPolicyBinding]{Column{ID: "policy", Form: FormName, Search: true}, func(b *admissionv1.MutatingAdmissionPolicyBinding) Cell { return Name(b.Spec.PolicyName) }},
		ColumnOf[admissionv1.MutatingAdmissionPolicyBinding]{Column{ID: "params", Form: FormName, Search: true}, func(b *admissionv1.MutatingAdmissionPolicyBinding) Cell { return params(b.Spec.ParamRef) }},
		ColumnOf[admissionv1.MutatingAdmissionPolicyBinding]{Column{ID: "age", Form: FormAge}, func(b *admissionv1.MutatingAdmissionPolicyBinding) Cell { return Age(unix(b.CreationTimestamp)) }},
	),
}

// The IDs of the kinds that bindings refer to.
const (
	validatingPolicies = "validatingadmissionpolicies.admissionregistration.k8s.io"
	mutatingPolicies   = "mutatingadmissionpolicies.admissionregistration.k8s.io"
)

func policyRefs(kind, name string) []Ref {
	if name == "" {
		return nil
	}
	return []Ref{{Kind: kind, Name: name, Via: "policy"}}
}

// onlyTerminating is the status of kinds of which nobody records how they are.
func onlyTerminating(o metav1.Object) Status {
	s, _ := terminating(o)
	return s
}

// expressionLimit is far beyond what people write; the YAML has the rest.
const expressionLimit = 4096

// expression is a cell with an expression of the common expression language.
func expression(s string) Cell { return Name(cut(strings.TrimSpace(s), expressionLimit)) }

// paramKind is the kind of the objects that parametrise a policy.
func paramKind(k *admissionv1.ParamKind) Cell {
	if k == nil {
		return Cell{}
	}
	return Name(k.APIVersion + "/" + k.Kind)
}

// params are the objects that parametrise a binding, in kubectl's words: one
// without a namespace is that of the namespace of each request.
func params(r *admissionv1.ParamRef) Cell {
	switch {
	case r == nil:
		return Cell{}
	case r.Name == "":
		return Name(selectorText(r.Selector))
	default:
		return Name(cmp.Or(r.Namespace, "*") + "/" + r.Name)
	}
}

func matchedResources(m *admissionv1.MatchResources) Cell {
	if m == nil {
		return Cell{}
	}
	var all []string
	for i := range m.ResourceRules {
		all = append(all, groupResources(m.ResourceRules[i].APIGroups, m.ResourceRules[i].Resources)...)
	}
	return Name(join(distinct(all)))
}

// validatingPolicyStatus repeats what the API server finds wrong with the
// expressions: they fail at run time, and the failure policy decides then.
func validatingPolicyStatus(p *admissionv1.ValidatingAdmissionPolicy) Status {
	if s, ok := terminating(p); ok {
		return s
	}
	if c := p.Status.TypeChecking; c != nil && len(c.ExpressionWarnings) > 0 {
		w := &c.ExpressionWarnings[0]
		return Status{Word: WordTypeErrors, Tone: ToneWarn, Reason: Message{Text: short(w.FieldRef + ": " + w.Warning)}}
	}
	return Status{}
}

func validatingPolicyDetail(p *admissionv1.ValidatingAdmissionPolicy, d *Detail) {
	d.add("failurepolicy", Value{Cell: Text(string(valueOf(p.Spec.FailurePolicy, admissionv1.Fail)))})
	d.add("paramkind", Value{Cell: paramKind(p.Spec.ParamKind)})
	d.add("finalizers", names(p.Finalizers)...)
	d.conditions(p.Status.Conditions)
	validations := Table{ID: "validations", Columns: []Column{
		{ID: "expression", Form: FormName}, {ID: "message", Form: FormText}, {ID: "reason", Form: FormText},
	}}
	for i := range p.Spec.Validations {
		v := &p.Spec.Validations[i]
		message := Text(short(v.Message))
		if v.MessageExpression != "" { // comes first where both are there
			message = expression(v.MessageExpression)
		}
		validations.Rows = append(validations.Rows, []Value{
			{Cell: expression(v.Expression)}, {Cell: message}, {Cell: Text(string(valueOf(v.Reason, metav1.StatusReasonInvalid)))},
		})
	}
	d.addTable(validations)
	if c := p.Status.TypeChecking; c != nil {
		warnings := Table{ID: "typeerrors", Columns: []Column{{ID: "field", Form: FormName}, {ID: "message", Form: FormText}}}
		for i := range c.ExpressionWarnings {
			warnings.Rows = append(warnings.Rows, []Value{{Cell: Name(c.ExpressionWarnings[i].FieldRef)}, {Cell: Text(cut(c.ExpressionWarnings[i].Warning, expressionLimit))}})
		}
		d.addTable(warnings)
	}
	annotations := Table{ID: "auditannotations", Columns: []Column{{ID: "key", Form: FormName}, {ID: "expression", Form: FormName}}}
	for i := range p.Spec.AuditAnnotations {
		a := &p.Spec.AuditAnnotations[i]
		annotations.Rows = append(annotations.Rows, []Value{{Cell: Name(a.Key)}, {Cell: expression(a.ValueExpression)}})
	}
	d.addTable(annotations)
	d.addExpressions(p.Spec.Variables, p.Spec.MatchConditions)
	d.addMatch(p.Spec.MatchConstraints)
}

func mutatingPolicyDetail(p *admissionv1.MutatingAdmissionPolicy, d *Detail) {
	d.add("failurepolicy", Value{Cell: Text(string(valueOf(p.Spec.FailurePolicy, admissionv1.Fail)))})
	d.add("reinvocation", Value{Cell: Text(string(p.Spec.ReinvocationPolicy))})
	d.add("paramkind", Value{Cell: paramKind(p.Spec.ParamKind)})
	d.add("finalizers", names(p.Finalizers)...)
	mutations := Table{ID: "mutations", Columns: []Column{{ID: "patchtype", Form: FormText}, {ID: "expression", Form: FormName}}}
	for i := range p.Spec.Mutations {
		m := &p.Spec.Mutations[i]
		var e string
		if m.ApplyConfiguration != nil {
			e = m.ApplyConfiguration.Expression
		} else if m.JSONPatch != nil {
			e = m.JSONPatch.Expression
		}
		mutations.Rows = append(mutations.Rows, []Value{{Cell: Text(string(m.PatchType))}, {Cell: expression(e)}})
	}
	d.addTable(mutations)
	d.addExpressions(p.Spec.Variables, p.Spec.MatchConditions)
	d.addMatch(p.Spec.MatchConstraints)
}

// addBinding adds what a binding binds: a policy, and what parametrises it.
func (d *Detail) addBinding(policyKind, policy string, ref *admissionv1.ParamRef) {
	d.add("policy", refValue(Name(policy), policyKind, "", policy))
	d.add("params", Value{Cell: params(ref)})
	if ref != nil {
		d.add("paramsmissing", Value{Cell: Text(string(valueOf(ref.ParameterNotFoundAction, "")))})
	}
}

// addExpressions adds the parts of a policy that its own expressions use, and
// those that decide whether it is asked at all.
func (d *Detail) addExpressions(variables []admissionv1.Variable, conditions []admissionv1.MatchCondition) {
	vars := Table{ID: "variables", Columns: []Column{{ID: "name", Form: FormName}, {ID: "expression", Form: FormName}}}
	for i := range variables {
		vars.Rows = append(vars.Rows, []Value{{Cell: Name(variables[i].Name)}, {Cell: expression(variables[i].Expression)}})
	}
	match := Table{ID: "matchconditions", Columns: vars.Columns}
	for i := range conditions {
		match.Rows = append(match.Rows, []Value{{Cell: Name(conditions[i].Name)}, {Cell: expression(conditions[i].Expression)}})
	}
	d.addTable(vars)
	d.addTable(match)
}

// addMatch adds which requests a policy or a binding is about.
func (d *Detail) addMatch(m *admissionv1.MatchResources) {
	if m == nil {
		return
	}
	d.add("namespaceselector", Value{Cell: Name(selectorText(m.NamespaceSelector))})
	d.add("objectselector", Value{Cell: Name(selectorText(m.ObjectSelector))})
	d.add("matchpolicy", Value{Cell: Text(string(valueOf(m.MatchPolicy, "")))})
	columns := []Column{
		{ID: "operations", Form: FormText}, {ID: "resources", Form: FormName}, {ID: "apiversions", Form: FormName}, {ID: "scope", Form: FormText}, {ID: "resourcenames", Form: FormName},
	}
	for _, list := range []struct {
		id    string
		rules []admissionv1.NamedRuleWithOperations
	}{{"matched", m.ResourceRules}, {"excluded", m.ExcludeResourceRules}} {
		t := Table{ID: list.id, Columns: columns}
		for i := range list.rules {
			r := &list.rules[i]
			t.Rows = append(t.Rows, append(requestValues(&r.RuleWithOperations), Value{Cell: Name(join(r.ResourceNames))}))
		}
		d.addTable(t)
	}
}
