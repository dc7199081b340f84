package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// PolicySpec is what a policy is made from: what the store holds and what the operator set.
type PolicySpec struct {
	// Version grows with every change of roles, bindings or read-only modes.
	Version int64
	// Roles are the roles of the store. The built-in ones are always there and need not be among
	// them; if one is, only its ReadOnly counts.
	Roles    []Role
	Bindings []Binding
	// ReadOnly refuses every change everywhere, ReadOnlyClusters in the clusters named.
	ReadOnly         bool
	ReadOnlyClusters map[string]bool
}

// Policy is a compiled PolicySpec. It never changes, so decisions need no lock.
type Policy struct {
	version          int64
	readOnly         bool
	readOnlyClusters map[string]bool
	users, groups    map[string][]*bound
	tokens           map[string]*bound // each role without a limit: the scopes of tokens
}

// bound is a role as one binding gives it. Its limits are in every rule already; having them here
// too, most bindings of a subject are passed over without a look at their rules.
type bound struct {
	rules      []rule
	verbs      verbSet // of all rules, also what a read-only role would grant
	denies     verbSet // of the rules that deny
	frozen     bool    // the role is read-only
	total      bool    // some rule may deny everything that can be read
	clusters   globs
	namespaces globs
	expires    time.Time
}

// rule is a Rule joined with the limits of the binding through which it came.
type rule struct {
	id, role   string
	deny       bool
	tiga       bool    // speaks of Tiga's own things
	verbs      verbSet // what it grants or denies
	frozen     verbSet // what it would grant, were its role not read-only
	clusters   limit
	namespaces limit
	groups     globs
	resources  []resourceGlob
	names      globs
}

type resourceGlob struct {
	resource, subresource glob
	whole                 bool // covers the subresources too
}

// Version returns the version that the policy was made with.
func (p *Policy) Version() int64 { return p.version }

// NewPolicy compiles a policy, or says everything that is wrong with it. A role or binding that is
// not valid fails the whole: leaving it out could drop a rule that denies.
func NewPolicy(spec PolicySpec) (*Policy, error) {
	p := &Policy{
		version: spec.Version, readOnly: spec.ReadOnly, readOnlyClusters: maps.Clone(spec.ReadOnlyClusters),
		users: map[string][]*bound{}, groups: map[string][]*bound{}, tokens: map[string]*bound{},
	}
	roles := map[string]Role{}
	for _, role := range BuiltInRoles() {
		roles[role.Name] = role
	}
	var problems []error
	seen := map[string]bool{}
	for _, role := range spec.Roles {
		if seen[role.Name] {
			problems = append(problems, fmt.Errorf("role %q: there are two of that name", role.Name))
			continue
		}
		seen[role.Name] = true
		if err := ValidateRole(role); err != nil {
			problems = append(problems, fmt.Errorf("role %q: %w", role.Name, err))
			continue
		}
		if ours, ok := roles[role.Name]; ok {
			ours.ReadOnly = role.ReadOnly
			role = ours
		}
		roles[role.Name] = role
	}
	for _, role := range roles {
		p.tokens[role.Name] = bind(role, Binding{})
	}
	for _, b := range spec.Bindings {
		if err := ValidateBinding(b); err != nil {
			problems = append(problems, fmt.Errorf("binding %d: %w", b.ID, err))
			continue
		}
		role, ok := roles[b.Role]
		if !ok {
			problems = append(problems, fmt.Errorf("binding %d: there is no role %q", b.ID, b.Role))
			continue
		}
		index := p.users
		if b.SubjectKind == SubjectGroup {
			index = p.groups
		}
		index[b.Subject] = append(index[b.Subject], bind(role, b))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return p, nil
}

// bind compiles a role with the limits of a binding. A rule that the limits leave nothing of is dropped.
func bind(role Role, b Binding) *bound {
	out := &bound{frozen: role.ReadOnly, clusters: compileGlobs(b.Clusters), namespaces: compileGlobs(b.Namespaces), expires: b.Expires}
	for i, r := range role.Rules {
		clusters, ok := newLimit(r.Clusters, b.Clusters)
		if !ok {
			continue
		}
		namespaces, ok := newLimit(r.Namespaces, b.Namespaces)
		if !ok {
			continue
		}
		c := rule{
			id: role.Name + "#" + strconv.Itoa(i), role: role.Name, deny: r.Deny,
			clusters: clusters, namespaces: namespaces, groups: compileGlobs(r.Groups), names: compileGlobs(r.Names),
			tiga: slices.Contains(r.Groups, TigaGroup) || r.Deny && (len(r.Groups) == 0 || compileGlobs(r.Groups).match(TigaGroup)),
		}
		for _, pattern := range r.Resources {
			c.resources = append(c.resources, compileResource(pattern))
		}
		for _, v := range r.Verbs {
			switch {
			case v != VerbAny:
				c.verbs |= v.bit()
			case r.Deny:
				c.verbs |= everyVerb
			default:
				c.verbs |= impliedVerb
			}
		}
		if role.ReadOnly && !r.Deny {
			c.frozen = c.verbs &^ readVerbs
			c.verbs &= readVerbs
		}
		out.verbs |= c.verbs | c.frozen
		if c.deny {
			out.denies |= c.verbs
		}
		out.total = out.total || c.deny && c.total(false)
		out.rules = append(out.rules, c)
	}
	return out
}

func compileResource(pattern string) resourceGlob {
	for i := range len(pattern) {
		if pattern[i] == '/' {
			return resourceGlob{resource: compileGlob(pattern[:i]), subresource: compileGlob(pattern[i+1:])}
		}
	}
	return resourceGlob{resource: compileGlob(pattern), whole: true}
}

func (g *resourceGlob) match(resource, subresource string) bool {
	if !g.whole && (subresource == "" || !g.subresource.match(subresource)) {
		return false
	}
	return g.resource.match(resource)
}
