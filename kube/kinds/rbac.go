package kinds

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var rbacKinds = slices.Concat(serviceAccountKinds, []*Kind{
	roleKind(
		Kind{GVR: rbacv1.SchemeGroupVersion.WithResource("roles"), Name: "Role", Plural: "Roles", Namespaced: true},
		func(r *rbacv1.Role) role { return role{&r.ObjectMeta, r.Rules, nil} },
	),
	bindingKind(
		Kind{GVR: rbacv1.SchemeGroupVersion.WithResource("rolebindings"), Name: "RoleBinding", Plural: "RoleBindings", Namespaced: true},
		func(b *rbacv1.RoleBinding) binding { return binding{&b.ObjectMeta, &b.RoleRef, b.Subjects} },
	),
	roleKind(
		Kind{GVR: rbacv1.SchemeGroupVersion.WithResource("clusterroles"), Name: "ClusterRole", Plural: "ClusterRoles"},
		func(r *rbacv1.ClusterRole) role { return role{&r.ObjectMeta, r.Rules, r.AggregationRule} },
	),
	bindingKind(
		Kind{GVR: rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"), Name: "ClusterRoleBinding", Plural: "ClusterRoleBindings"},
		func(b *rbacv1.ClusterRoleBinding) binding { return binding{&b.ObjectMeta, &b.RoleRef, b.Subjects} },
	),
})

// role is what roles of a namespace and of the cluster have in common.
type role struct {
	*metav1.ObjectMeta
	rules       []rbacv1.PolicyRule
	aggregation *rbacv1.AggregationRule // of the cluster only: other roles bring the rules
}

// roleKind describes a kind of roles.
func roleKind[T any](k Kind, read func(*T) role) *Kind {
	k.Menu = MenuAccess
	each := func(form func(string) Cell, words func(*rbacv1.PolicyRule) []string) func(*T) Cell {
		return func(t *T) Cell {
			var all []string
			rules := read(t).rules
			for i := range rules {
				all = append(all, words(&rules[i])...)
			}
			return form(join(distinct(all)))
		}
	}
	return Define(
		k,
		Reads[T]{
			Status: func(t *T) Status { return onlyTerminating(read(t)) },
			Detail: func(t *T, d *Detail) { roleDetail(read(t), d) },
		},
		ColumnOf[T]{Column{ID: "rules", Form: FormNumber}, func(t *T) Cell { return Number(len(read(t).rules)) }},
		ColumnOf[T]{Column{ID: "verbs", Form: FormText, Search: true}, each(Text, func(r *rbacv1.PolicyRule) []string { return r.Verbs })},
		ColumnOf[T]{Column{ID: "resources", Form: FormName, Search: true}, each(Name, func(r *rbacv1.PolicyRule) []string {
			return append(groupResources(r.APIGroups, r.Resources), r.NonResourceURLs...)
		})},
		ColumnOf[T]{Column{ID: "aggregation", Form: FormName, Hidden: true}, func(t *T) Cell { return Name(join(aggregated(read(t)))) }},
		ColumnOf[T]{Column{ID: "created", Form: FormTime, Hidden: true}, func(t *T) Cell { return instant(unix(read(t).CreationTimestamp)) }},
		ColumnOf[T]{Column{ID: "age", Form: FormAge}, func(t *T) Cell { return Age(unix(read(t).CreationTimestamp)) }},
	)
}

// groupResources are resources with their groups, as kubectl describe writes
// them: "deployments.apps/scale".
func groupResources(groups, resources []string) []string {
	var out []string
	for _, group := range groups {
		for _, resource := range resources {
			if group != "" {
				plural, sub, _ := strings.Cut(resource, "/")
				resource = plural + "." + group
				if sub != "" {
					resource += "/" + sub
				}
			}
			out = append(out, resource)
		}
	}
	return out
}

// aggregated are the selectors of the roles whose rules a role has as well.
func aggregated(r role) []string {
	if r.aggregation == nil {
		return nil
	}
	var out []string
	for i := range r.aggregation.ClusterRoleSelectors {
		out = append(out, selectorText(&r.aggregation.ClusterRoleSelectors[i]))
	}
	return out
}

func roleDetail(r role, d *Detail) {
	d.add("aggregation", names(aggregated(r))...)
	d.add("finalizers", names(r.Finalizers)...)
	t := Table{ID: "policyrules", Columns: []Column{
		{ID: "resources", Form: FormName}, {ID: "resourcenames", Form: FormName}, {ID: "urls", Form: FormName}, {ID: "verbs", Form: FormText},
	}}
	for i := range r.rules {
		rule := &r.rules[i]
		t.Rows = append(t.Rows, []Value{
			{Cell: Name(join(groupResources(rule.APIGroups, rule.Resources)))},
			{Cell: Name(join(rule.ResourceNames))},
			{Cell: Name(join(rule.NonResourceURLs))},
			{Cell: Text(join(rule.Verbs))},
		})
	}
	d.addTable(t)
}

// binding is what bindings in a namespace and in the cluster have in common.
type binding struct {
	*metav1.ObjectMeta
	to       *rbacv1.RoleRef
	subjects []rbacv1.Subject
}

// bindingKind describes a kind of bindings.
func bindingKind[T any](k Kind, read func(*T) binding) *Kind {
	k.Menu, k.Facets = MenuAccess, []string{"role"}
	subjects := func(kinds ...string) func(*T) Cell {
		return func(t *T) Cell {
			var all []string
			for _, kind := range kinds {
				all = append(all, read(t).named(kind)...)
			}
			return Name(cut(strings.Join(all, ", "), cellLimit))
		}
	}
	return Define(
		k,
		Reads[T]{
			Status: func(t *T) Status { return onlyTerminating(read(t)) },
			Refs:   func(t *T) []Ref { return read(t).refs() },
			Detail: func(t *T, d *Detail) { bindingDetail(read(t), d) },
		},
		ColumnOf[T]{Column{ID: "role", Form: FormName, Search: true}, func(t *T) Cell {
			to := read(t).to
			return Name(to.Kind + "/" + to.Name)
		}},
		ColumnOf[T]{Column{ID: "subjects", Form: FormName, Search: true}, subjects(rbacv1.UserKind, rbacv1.GroupKind, rbacv1.ServiceAccountKind)},
		ColumnOf[T]{Column{ID: "users", Form: FormName, Hidden: true}, subjects(rbacv1.UserKind)},
		ColumnOf[T]{Column{ID: "groups", Form: FormName, Hidden: true}, subjects(rbacv1.GroupKind)},
		ColumnOf[T]{Column{ID: "serviceaccounts", Form: FormName, Hidden: true}, subjects(rbacv1.ServiceAccountKind)},
		ColumnOf[T]{Column{ID: "age", Form: FormAge}, func(t *T) Cell { return Age(unix(read(t).CreationTimestamp)) }},
	)
}

// named are the subjects of a kind, in kubectl's words.
func (b binding) named(kind string) []string {
	var out []string
	for i := range b.subjects {
		s := &b.subjects[i]
		switch {
		case s.Kind != kind:
		case s.Kind == rbacv1.ServiceAccountKind:
			out = append(out, s.Namespace+"/"+s.Name)
		default:
			out = append(out, s.Name)
		}
	}
	return out
}

// role is the role that a binding grants; a binding of a namespace grants
// within it also what a role of the cluster says.
func (b binding) role() *Ref {
	switch b.to.Kind {
	case "ClusterRole":
		return &Ref{Kind: "clusterroles.rbac.authorization.k8s.io", Name: b.to.Name, Via: "roleRef"}
	case "Role":
		return &Ref{Kind: "roles.rbac.authorization.k8s.io", Namespace: b.Namespace, Name: b.to.Name, Via: "roleRef"}
	default:
		return nil
	}
}

// account is the service account that a subject is, nil for users and groups,
// which no object stands for.
func account(s *rbacv1.Subject) *Ref {
	if s.Kind != rbacv1.ServiceAccountKind {
		return nil
	}
	return &Ref{Kind: "serviceaccounts", Namespace: s.Namespace, Name: s.Name, Via: "subject"}
}

func (b binding) refs() []Ref {
	var out []Ref
	if r := b.role(); r != nil {
		out = append(out, *r)
	}
	for i := range b.subjects {
		if r := account(&b.subjects[i]); r != nil {
			out = append(out, *r)
		}
	}
	return out
}

// subjectColumns are those of a table of subjects.
func subjectColumns() []Column {
	return []Column{{ID: "objectkind", Form: FormText}, {ID: "namespace", Form: FormName}, {ID: "name", Form: FormName}}
}

func bindingDetail(b binding, d *Detail) {
	d.add("role", Value{Cell: Cell{Text: b.to.Name, Form: FormName, Note: Message{Text: b.to.Kind}}, Ref: b.role()})
	d.add("finalizers", names(b.Finalizers)...)
	t := Table{ID: "subjects", Columns: subjectColumns()}
	for i := range b.subjects {
		s := &b.subjects[i]
		t.Rows = append(t.Rows, []Value{{Cell: Text(s.Kind)}, {Cell: Name(s.Namespace)}, {Cell: Name(s.Name), Ref: account(s)}})
	}
	d.addTable(t)
}
