package access

import "time"

// inline is how many bindings a subject may have before a decision allocates.
const inline = 32

// rights is what a subject has at one moment: its own bindings and, for a token, the role that they
// are cut to.
type rights struct {
	owner, token []*bound
	scoped       bool
}

// rights collects the bindings that are in force, into the given slices.
func (p *Policy) rights(s Subject, now func() time.Time, owner, token []*bound) rights {
	if s.Name != "" {
		var at time.Time
		owner = live(owner, p.users[s.Name], now, &at)
		for _, g := range s.Groups {
			if g != "" {
				owner = live(owner, p.groups[g], now, &at)
			}
		}
	}
	have := rights{owner: owner}
	if s.TokenRole != "" {
		have.scoped = true
		if role, ok := p.tokens[s.TokenRole]; ok {
			token = append(token, role)
		}
		have.token = token
	}
	return have
}

func live(list, candidates []*bound, now func() time.Time, at *time.Time) []*bound {
	for _, b := range candidates {
		if !b.expires.IsZero() {
			if at.IsZero() {
				*at = now()
			}
			if !at.Before(b.expires) {
				continue
			}
		}
		list = append(list, b)
	}
	return list
}

// query is a Request made ready for matching.
type query struct {
	cluster, namespace, group, resource, subresource, name string
	namespaced, tiga, collection                           bool
	verb                                                   verbSet
}

func newQuery(r Request) query {
	return query{
		cluster: r.Cluster, namespace: r.Namespace, group: r.Group, resource: r.Resource, subresource: r.Subresource,
		name: r.Name, namespaced: r.Namespaced, tiga: r.Group == TigaGroup, collection: r.collection(), verb: r.Verb.bit(),
	}
}

// decide returns the rule that allows the request, nil if it is not allowed.
func (h *rights) decide(r Request) *rule {
	q := newQuery(r)
	allowed := h.allowed(&q, false)
	if allowed == nil || !q.collection {
		return allowed
	}
	// What may be listed but never got would be a list without rows.
	q.verb = VerbGet.bit()
	if h.allowed(&q, false) == nil {
		return nil
	}
	return allowed
}

// frozen returns a rule of a read-only role that would have allowed the request.
func (h *rights) frozen(r Request) *rule {
	if r.Verb.Effect() == EffectRead || !anyFrozen(h.owner) && !anyFrozen(h.token) {
		return nil
	}
	q := newQuery(r)
	if h.allowed(&q, true) == nil {
		return nil
	}
	if evaluate(h.owner, &q, false) == nil {
		return evaluate(h.owner, &q, true)
	}
	return evaluate(h.token, &q, true)
}

func anyFrozen(set []*bound) bool {
	for _, b := range set {
		if b.frozen {
			return true
		}
	}
	return false
}

// allowed asks both the owner's bindings and the token's role.
func (h *rights) allowed(q *query, thawed bool) *rule {
	owner := evaluate(h.owner, q, thawed)
	if owner == nil || !h.scoped {
		return owner
	}
	if evaluate(h.token, q, thawed) == nil {
		return nil
	}
	return owner
}

// hide says how a refusal is to be answered.
func (h *rights) hide(r Request) error {
	if r.Cluster != "" && !h.seesCluster(r.Cluster) {
		return ErrHidden
	}
	q := newQuery(r)
	if q.collection || r.Cluster == "" && r.Name == "" {
		return ErrForbidden
	}
	q.verb = VerbGet.bit()
	// Whether the object may be seen does not depend on which part of it was asked for.
	q.subresource = ""
	if r.Resource == "" || h.allowed(&q, false) == nil {
		return ErrHidden
	}
	return ErrForbidden
}

// evaluate goes through all rules of a set: one that denies wins over any that allow, and with none
// that allows the answer is no. With thawed, roles count as if none were read-only.
func evaluate(set []*bound, q *query, thawed bool) *rule {
	var allowed *rule
	for _, b := range set {
		if b.silent(q) {
			continue
		}
		for i := range b.rules {
			r := &b.rules[i]
			verbs := r.verbs
			if thawed {
				verbs |= r.frozen
			}
			if verbs&q.verb == 0 || !r.speaksOfKind(q) {
				continue
			}
			switch {
			case q.collection:
				if r.deny || !r.reaches(q) || r.emptied(set, q) {
					continue
				}
			case r.deny:
				if r.touches(q) {
					return nil
				}
				continue
			case allowed != nil || !r.holds(q):
				continue
			}
			allowed = r
			if q.collection { // the rules that deny were asked by emptied
				return allowed
			}
		}
	}
	return allowed
}

// silent reports whether no rule of the binding can be about the query.
func (b *bound) silent(q *query) bool {
	switch {
	case b.verbs&q.verb == 0:
		return true
	case len(b.clusters) > 0 && (q.cluster == "" || !b.clusters.match(q.cluster)):
		return true
	case len(b.namespaces) == 0:
		return false
	case !q.namespaced:
		return true
	default:
		return q.namespace != "" && !b.namespaces.match(q.namespace)
	}
}

// speaksOf reports whether the rule is about the query's verb, cluster and kind.
func (r *rule) speaksOf(q *query) bool {
	return r.verbs&q.verb != 0 && r.speaksOfKind(q)
}

// speaksOfKind asks for the resource first, which most rules differ in.
func (r *rule) speaksOfKind(q *query) bool {
	if !r.ofResource(q) {
		return false
	}
	if q.tiga {
		if !r.tiga {
			return false
		}
	} else if len(r.groups) > 0 && !r.groups.match(q.group) {
		return false
	}
	if q.cluster == "" {
		return len(r.clusters) == 0
	}
	return r.clusters.match(q.cluster)
}

func (r *rule) ofResource(q *query) bool {
	for i := range r.resources {
		if r.resources[i].match(q.resource, q.subresource) {
			return true
		}
	}
	return false
}

// inNamespace reports whether the rule covers the namespace; a rule limited to namespaces never
// covers what is cluster-scoped.
func (r *rule) inNamespace(q *query, namespace string) bool {
	if !q.namespaced {
		return len(r.namespaces) == 0
	}
	return r.namespaces.match(namespace)
}

// holds reports whether the rule grants all that the query asks for: a missing name or namespace
// asks for every one.
func (r *rule) holds(q *query) bool {
	switch {
	case q.namespaced && q.namespace == "":
		if !r.namespaces.matchesAll() {
			return false
		}
	case !r.inNamespace(q, q.namespace):
		return false
	}
	return len(r.names) == 0 || q.name != "" && r.names.match(q.name)
}

// touches reports whether the rule denies any of what the query asks for.
func (r *rule) touches(q *query) bool {
	everywhere := q.namespaced && q.namespace == ""
	if !everywhere && !r.inNamespace(q, q.namespace) {
		return false
	}
	return len(r.names) == 0 || q.name == "" || r.names.match(q.name)
}

// reaches reports whether the rule grants some of what a query for several objects asks for.
func (r *rule) reaches(q *query) bool {
	return q.namespaced && q.namespace == "" || r.inNamespace(q, q.namespace)
}

// emptied reports whether rules that deny leave nothing of what the rule grants to a query for
// several objects. Where patterns overlap in ways that cannot be told, it says no, and Permit.Sees
// leaves out every row.
func (r *rule) emptied(set []*bound, q *query) bool {
	names := limit{r.names}
	if len(r.names) == 0 {
		names = nil
	}
	if literal, ok := r.namespaces.literals(); ok && q.namespaced && q.namespace == "" {
		for _, n := range literal {
			if !denied(set, q, func(d *rule) bool { return d.inNamespace(q, n) && d.coversNames(names) }) {
				return false
			}
		}
		return true
	}
	return denied(set, q, func(d *rule) bool {
		if q.namespaced && q.namespace == "" {
			return d.namespaces.covers(r.namespaces) && d.coversNames(names)
		}
		return d.inNamespace(q, q.namespace) && d.coversNames(names)
	})
}

func (r *rule) coversNames(names limit) bool {
	return len(r.names) == 0 || limit{r.names}.covers(names)
}

func denied(set []*bound, q *query, covers func(*rule) bool) bool {
	for _, b := range set {
		if b.denies&q.verb == 0 || b.silent(q) {
			continue
		}
		for i := range b.rules {
			if d := &b.rules[i]; d.deny && d.speaksOf(q) && covers(d) {
				return true
			}
		}
	}
	return false
}

// seesCluster reports whether anything in the cluster can be read.
func (h *rights) seesCluster(cluster string) bool {
	return sees(h.owner, cluster, nil) && (!h.scoped || sees(h.token, cluster, nil))
}

// seesNamespace reports whether anything in the namespace can be read.
func (h *rights) seesNamespace(cluster, namespace string) bool {
	return sees(h.owner, cluster, &namespace) && (!h.scoped || sees(h.token, cluster, &namespace))
}

func sees(set []*bound, cluster string, namespace *string) bool {
	seen := false
	for _, b := range set {
		if seen && !b.total {
			continue
		}
		if len(b.clusters) > 0 && !b.clusters.match(cluster) || namespace != nil && len(b.namespaces) > 0 && !b.namespaces.match(*namespace) {
			continue
		}
		for i := range b.rules {
			r := &b.rules[i]
			if !r.clusters.match(cluster) || namespace != nil && !r.namespaces.match(*namespace) {
				continue
			}
			if r.deny {
				if r.total(namespace == nil) {
					return false
				}
				continue
			}
			seen = seen || r.verbs&readVerbs != 0 && r.ofClusters()
		}
	}
	return seen
}

// total reports whether a rule that denies leaves nothing to be read.
func (r *rule) total(everywhere bool) bool {
	if r.verbs&readVerbs != readVerbs || len(r.names) > 0 || everywhere && len(r.namespaces) > 0 {
		return false
	}
	anything := glob{form: globAny}
	if len(r.groups) > 0 && !r.groups.covers(anything) {
		return false
	}
	for i := range r.resources {
		if r.resources[i].whole && r.resources[i].resource.covers(anything) {
			return true
		}
	}
	return false
}

// ofClusters reports whether the rule speaks of anything in clusters, not of Tiga's own things only.
func (r *rule) ofClusters() bool {
	if len(r.groups) == 0 {
		return true
	}
	for _, g := range r.groups {
		if g != (glob{globExact, TigaGroup}) {
			return true
		}
	}
	return false
}
