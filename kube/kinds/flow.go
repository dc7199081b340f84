package kinds

import (
	"slices"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
)

var flowKinds = []*Kind{
	Define(Kind{
		GVR:  flowcontrolv1.SchemeGroupVersion.WithResource("flowschemas"),
		Name: "FlowSchema", Plural: "FlowSchemas", Menu: MenuCluster,
		Sort: "precedence", Facets: []string{"status", "prioritylevel"}, // the first that matches a request decides
	},
		Reads[flowcontrolv1.FlowSchema]{Status: flowSchemaStatus, Refs: flowSchemaRefs, Detail: flowSchemaDetail},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "prioritylevel", Form: FormName, Search: true}, func(f *flowcontrolv1.FlowSchema) Cell { return Name(f.Spec.PriorityLevelConfiguration.Name) }},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "precedence", Form: FormNumber}, func(f *flowcontrolv1.FlowSchema) Cell { return Number(f.Spec.MatchingPrecedence) }},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "subjects", Form: FormName, Search: true}, func(f *flowcontrolv1.FlowSchema) Cell { return Name(join(distinct(flowSubjects(f)))) }},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "distinguisher", Form: FormText}, distinguisher},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "missinglevel", Form: FormText, Hidden: true}, func(f *flowcontrolv1.FlowSchema) Cell {
			if c := dangling(f); c != nil {
				return Text(string(c.Status))
			}
			return Text("?")
		}},
		ColumnOf[flowcontrolv1.FlowSchema]{Column{ID: "age", Form: FormAge}, func(f *flowcontrolv1.FlowSchema) Cell { return Age(unix(f.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR:  flowcontrolv1.SchemeGroupVersion.WithResource("prioritylevelconfigurations"),
		Name: "PriorityLevelConfiguration", Plural: "PriorityLevelConfigurations", Menu: MenuCluster, Facets: []string{"leveltype"},
	},
		Reads[flowcontrolv1.PriorityLevelConfiguration]{
			Status: func(p *flowcontrolv1.PriorityLevelConfiguration) Status { return onlyTerminating(p) },
			Detail: priorityLevelDetail,
		},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "leveltype", Form: FormText}, func(p *flowcontrolv1.PriorityLevelConfiguration) Cell { return Text(string(p.Spec.Type)) }},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "shares", Form: FormNumber}, func(p *flowcontrolv1.PriorityLevelConfiguration) Cell { return fromLimited(p, limitedShares) }},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "whenfull", Form: FormText}, func(p *flowcontrolv1.PriorityLevelConfiguration) Cell {
			return fromLimited(p, func(l *flowcontrolv1.LimitedPriorityLevelConfiguration) Cell {
				return Text(string(l.LimitResponse.Type))
			})
		}},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "queues", Form: FormNumber}, queuing(func(q *flowcontrolv1.QueuingConfiguration) int32 { return q.Queues })},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "handsize", Form: FormNumber}, queuing(func(q *flowcontrolv1.QueuingConfiguration) int32 { return q.HandSize })},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "queuelength", Form: FormNumber}, queuing(func(q *flowcontrolv1.QueuingConfiguration) int32 { return q.QueueLengthLimit })},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "lendable", Form: FormNumber, Hidden: true}, lendable},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "borrowing", Form: FormNumber, Hidden: true}, func(p *flowcontrolv1.PriorityLevelConfiguration) Cell { return fromLimited(p, borrowing) }},
		ColumnOf[flowcontrolv1.PriorityLevelConfiguration]{Column{ID: "age", Form: FormAge}, func(p *flowcontrolv1.PriorityLevelConfiguration) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
}

const priorityLevels = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"

func dangling(f *flowcontrolv1.FlowSchema) *flowcontrolv1.FlowSchemaCondition {
	for i := range f.Status.Conditions {
		if c := &f.Status.Conditions[i]; c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			return c
		}
	}
	return nil
}

// flowSchemaStatus says when requests go to the catch-all level because the
// one that they should go to is not there.
func flowSchemaStatus(f *flowcontrolv1.FlowSchema) Status {
	if s, ok := terminating(f); ok {
		return s
	}
	if c := dangling(f); c != nil && c.Status == flowcontrolv1.ConditionTrue {
		return Status{Word: string(c.Type), Tone: ToneBad, Reason: Message{Text: short(c.Message)}, Since: unix(c.LastTransitionTime)}
	}
	return Status{}
}

func distinguisher(f *flowcontrolv1.FlowSchema) Cell {
	if f.Spec.DistinguisherMethod == nil {
		return Cell{}
	}
	return Text(string(f.Spec.DistinguisherMethod.Type))
}

// flowSubject is a subject as people write it, and the object behind it.
func flowSubject(s *flowcontrolv1.Subject) (string, *Ref) {
	switch {
	case s.User != nil:
		return s.User.Name, nil
	case s.Group != nil:
		return s.Group.Name, nil
	case s.ServiceAccount != nil:
		a := s.ServiceAccount
		if a.Name == "*" { // all of the namespace
			return a.Namespace + "/*", nil
		}
		return a.Namespace + "/" + a.Name, &Ref{Kind: "serviceaccounts", Namespace: a.Namespace, Name: a.Name, Via: "subject"}
	default:
		return "", nil
	}
}

func flowSubjects(f *flowcontrolv1.FlowSchema) []string {
	var out []string
	for i := range f.Spec.Rules {
		for j := range f.Spec.Rules[i].Subjects {
			name, _ := flowSubject(&f.Spec.Rules[i].Subjects[j])
			out = append(out, name)
		}
	}
	return out
}

func flowSchemaRefs(f *flowcontrolv1.FlowSchema) []Ref {
	var refs []Ref
	if name := f.Spec.PriorityLevelConfiguration.Name; name != "" {
		refs = append(refs, Ref{Kind: priorityLevels, Name: name, Via: "priorityLevel"})
	}
	for i := range f.Spec.Rules {
		for j := range f.Spec.Rules[i].Subjects {
			if _, ref := flowSubject(&f.Spec.Rules[i].Subjects[j]); ref != nil && !slices.Contains(refs, *ref) {
				refs = append(refs, *ref)
			}
		}
	}
	return refs
}

func flowSchemaDetail(f *flowcontrolv1.FlowSchema, d *Detail) {
	level := f.Spec.PriorityLevelConfiguration.Name
	d.add("prioritylevel", refValue(Name(level), priorityLevels, "", level))
	d.add("precedence", Value{Cell: Number(f.Spec.MatchingPrecedence)})
	d.add("distinguisher", Value{Cell: distinguisher(f)})
	d.add("finalizers", names(f.Finalizers)...)
	for i := range f.Status.Conditions {
		c := &f.Status.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(flowcontrolv1.FlowSchemaConditionDangling))
	}
	subjects := Table{ID: "subjects", Columns: subjectColumns()}
	rules := Table{ID: "flowrules", Columns: []Column{
		{ID: "subjects", Form: FormName}, {ID: "verbs", Form: FormText}, {ID: "resources", Form: FormName}, {ID: "urls", Form: FormName}, {ID: "namespaces", Form: FormName}, {ID: "clusterscope", Form: FormText},
	}}
	for i := range f.Spec.Rules {
		r := &f.Spec.Rules[i]
		var who []string
		for j := range r.Subjects {
			name, ref := flowSubject(&r.Subjects[j])
			who = append(who, name)
			row := []Value{{Cell: Text(string(r.Subjects[j].Kind))}, {}, {Cell: Name(name), Ref: ref}}
			if a := r.Subjects[j].ServiceAccount; a != nil {
				row[1].Cell, row[2].Cell = Name(a.Namespace), Name(a.Name)
			}
			subjects.Rows = append(subjects.Rows, row)
		}
		subject := Value{Cell: Name(join(distinct(who)))}
		for j := range r.ResourceRules {
			rule := &r.ResourceRules[j]
			rules.Rows = append(rules.Rows, []Value{
				subject,
				{Cell: Text(join(rule.Verbs))},
				{Cell: Name(join(groupResources(rule.APIGroups, rule.Resources)))},
				{},
				{Cell: Name(join(rule.Namespaces))},
				{Cell: truth(rule.ClusterScope)},
			})
		}
		for j := range r.NonResourceRules {
			rule := &r.NonResourceRules[j]
			rules.Rows = append(rules.Rows, []Value{subject, {Cell: Text(join(rule.Verbs))}, {}, {Cell: Name(join(rule.NonResourceURLs))}, {}, {}})
		}
	}
	d.addTable(subjects)
	d.addTable(rules)
}

// fromLimited reads a level that has limits; an exempt one has none.
func fromLimited(p *flowcontrolv1.PriorityLevelConfiguration, cell func(*flowcontrolv1.LimitedPriorityLevelConfiguration) Cell) Cell {
	if p.Spec.Limited == nil {
		return Cell{}
	}
	return cell(p.Spec.Limited)
}

func limitedShares(l *flowcontrolv1.LimitedPriorityLevelConfiguration) Cell {
	return optional(l.NominalConcurrencyShares)
}

func borrowing(l *flowcontrolv1.LimitedPriorityLevelConfiguration) Cell {
	return optional(l.BorrowingLimitPercent)
}

func lendable(p *flowcontrolv1.PriorityLevelConfiguration) Cell {
	if p.Spec.Exempt != nil {
		return optional(p.Spec.Exempt.LendablePercent)
	}
	return fromLimited(p, func(l *flowcontrolv1.LimitedPriorityLevelConfiguration) Cell { return optional(l.LendablePercent) })
}

// queuing reads a number of a level whose requests wait in queues.
func queuing(number func(*flowcontrolv1.QueuingConfiguration) int32) func(*flowcontrolv1.PriorityLevelConfiguration) Cell {
	return func(p *flowcontrolv1.PriorityLevelConfiguration) Cell {
		return fromLimited(p, func(l *flowcontrolv1.LimitedPriorityLevelConfiguration) Cell {
			if l.LimitResponse.Queuing == nil {
				return Cell{}
			}
			return Number(number(l.LimitResponse.Queuing))
		})
	}
}

func priorityLevelDetail(p *flowcontrolv1.PriorityLevelConfiguration, d *Detail) {
	d.add("leveltype", Value{Cell: Text(string(p.Spec.Type))})
	if e := p.Spec.Exempt; e != nil {
		d.count("shares", e.NominalConcurrencyShares)
	}
	d.add("lendable", Value{Cell: lendable(p)})
	if l := p.Spec.Limited; l != nil {
		d.count("shares", l.NominalConcurrencyShares)
		d.count("borrowing", l.BorrowingLimitPercent)
		d.add("whenfull", Value{Cell: Text(string(l.LimitResponse.Type))})
		if q := l.LimitResponse.Queuing; q != nil {
			d.add("queues", Value{Cell: Number(q.Queues)})
			d.add("handsize", Value{Cell: Number(q.HandSize)})
			d.add("queuelength", Value{Cell: Number(q.QueueLengthLimit)})
		}
	}
	d.add("finalizers", names(p.Finalizers)...)
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
	}
}
