package access

import (
	"slices"
	"sync"
)

// Permit is the proof that a request was allowed. Only this package can make one; the zero Permit
// permits nothing. It is small, may be copied, and is safe for use by many goroutines. It is good
// for the request that it was made for: whatever runs long asks again (Authority.Watch, Version).
type Permit struct{ g *grant }

type grant struct {
	subject Subject
	request Request
	version int64
	rule    string
	filter  *filter // for requests of several objects
}

// Allow returns nil if the permit is for exactly this: the same verb, cluster and kind, and a
// namespace and name inside its scope.
func (p Permit) Allow(r Request) error {
	if p.g == nil {
		return refuse(Subject{}, r, ErrForbidden, 0)
	}
	have := p.g.request
	same := r.Verb == have.Verb && r.Cluster == have.Cluster && r.Group == have.Group && r.Resource == have.Resource &&
		r.Subresource == have.Subresource && r.Namespaced == have.Namespaced &&
		(have.Name == "" || r.Name == have.Name) && (have.Namespace == "" || r.Namespace == have.Namespace)
	switch {
	case !same, !r.Namespaced && r.Namespace != "":
	case p.g.filter == nil:
		return nil
	case r.Name != "":
		if (r.Namespace != "" || !r.Namespaced) && p.g.filter.sees(r.Namespace, r.Name) {
			return nil
		}
	case r.Namespace == have.Namespace || p.g.filter.verdict(r.Namespace).reach != ReachNone:
		return nil
	}
	return refuse(p.g.subject, r, ErrForbidden, p.g.version)
}

// Sees reports whether an object may be shown. For a list it is the filter of rows: those that the
// subject may both list and get. For any other permit it says whether the object is the one asked for.
func (p Permit) Sees(namespace, name string) bool {
	if p.g == nil || name == "" {
		return false
	}
	r := &p.g.request
	if r.Namespace != "" && namespace != r.Namespace || r.Name != "" && name != r.Name {
		return false
	}
	if r.Namespaced != (namespace != "") {
		return false
	}
	return p.g.filter == nil || p.g.filter.sees(namespace, name)
}

// Reach is how much of a namespace a permit shows.
type Reach uint8

// The reaches of a permit.
const (
	ReachNone Reach = iota // no object
	ReachAll               // every object
	ReachSome              // those that Sees names
)

// Reach says for a whole namespace what Sees would say of its objects, so that whoever filters many rows asks once for
// each namespace. "" is where objects without a namespace are.
func (p Permit) Reach(namespace string) Reach {
	if p.g == nil {
		return ReachNone
	}
	r := &p.g.request
	switch {
	case r.Namespaced != (namespace != ""), r.Namespace != "" && namespace != r.Namespace:
		return ReachNone
	case r.Name != "":
		return ReachSome
	case p.g.filter == nil:
		return ReachAll
	default:
		return p.g.filter.verdict(namespace).reach
	}
}

// Whole reports whether the permit shows every object of its kind in the cluster, in whatever namespaces there are.
func (p Permit) Whole() bool {
	switch {
	case p.g == nil, p.g.request.Namespace != "", p.g.request.Name != "":
		return false
	case p.g.filter == nil:
		return true
	case !p.g.request.Namespaced:
		return p.g.filter.verdict("").reach == ReachAll
	default: // where all namespaces are alike, any will do
		return p.g.filter.verdict("-").reach == ReachAll && p.g.filter.whole != nil
	}
}

// Namespaces says what to list: everything, or the named namespaces only. All is true also where a
// rule has a pattern; Sees then sorts out the rows. Cluster-scoped kinds answer all.
func (p Permit) Namespaces() (all bool, names []string) {
	switch {
	case p.g == nil:
		return false, nil
	case !p.g.request.Namespaced:
		return true, nil
	case p.g.request.Namespace != "":
		return false, []string{p.g.request.Namespace}
	case p.g.filter == nil:
		return true, nil
	default:
		all, names = p.g.filter.namespaces()
		return all, slices.Clone(names)
	}
}

// Subject returns who the permit was made for.
func (p Permit) Subject() Subject {
	if p.g == nil {
		return Subject{}
	}
	return p.g.subject
}

// Request returns what the permit was made for.
func (p Permit) Request() Request {
	if p.g == nil {
		return Request{}
	}
	return p.g.request
}

// Version returns the version of the policy that allowed it.
func (p Permit) Version() int64 {
	if p.g == nil {
		return 0
	}
	return p.g.version
}

// filter answers for each object of a list whether the subject may see it. What can be known for a
// whole namespace is worked out once.
type filter struct {
	rights rights
	query  query
	verbs  [2]verbSet
	cache  sync.Map // namespace → *verdict

	once  sync.Once
	whole *verdict // of every namespace, where no rule tells one from another
}

// verdict is what is known about a namespace.
type verdict struct {
	reach  Reach
	checks [][]*rule // each list has to allow the name; filled where some are shown
}

func newFilter(have rights, r Request) *filter {
	f := &filter{
		rights: rights{owner: slices.Clone(have.owner), token: slices.Clone(have.token), scoped: have.scoped},
		query:  newQuery(r),
	}
	// A row shows the object's content, so both the verb and get have to be granted for it.
	f.verbs = [2]verbSet{r.Verb.bit(), VerbGet.bit()}
	return f
}

func (f *filter) sees(namespace, name string) bool {
	v := f.verdict(namespace)
	switch v.reach {
	case ReachAll:
		return true
	case ReachSome:
		for _, rules := range v.checks {
			if !allowsName(rules, name) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func (f *filter) verdict(namespace string) *verdict {
	f.once.Do(func() {
		if f.uniform() {
			f.whole = f.work(namespace)
		}
	})
	if f.whole != nil {
		return f.whole
	}
	if known, ok := f.cache.Load(namespace); ok {
		return known.(*verdict)
	}
	v := f.work(namespace)
	f.cache.Store(namespace, v)
	return v
}

// uniform reports whether all namespaces are alike: every rule about the kind covers them all.
func (f *filter) uniform() bool {
	q := f.query
	for _, set := range f.sets() {
		for _, verb := range f.verbs {
			q.verb = verb
			for _, b := range set {
				for i := range b.rules {
					if r := &b.rules[i]; !r.namespaces.matchesAll() && r.speaksOf(&q) {
						return false
					}
				}
			}
		}
	}
	return f.query.namespaced
}

// sets are the lists of bindings that all have to allow.
func (f *filter) sets() [][]*bound {
	if f.rights.scoped {
		return [][]*bound{f.rights.owner, f.rights.token}
	}
	return [][]*bound{f.rights.owner}
}

func (f *filter) work(namespace string) *verdict {
	q := f.query
	q.namespace = namespace
	v := &verdict{reach: ReachAll}
	for _, set := range f.sets() {
		for _, verb := range f.verbs {
			q.verb = verb
			reach, rules := inNamespace(set, &q)
			switch reach {
			case ReachNone:
				return &verdict{reach: ReachNone}
			case ReachSome:
				v.reach = ReachSome
				v.checks = append(v.checks, rules)
			case ReachAll:
			}
		}
	}
	return v
}

// inNamespace sorts out the rules that speak of the query's kind in its namespace.
func inNamespace(set []*bound, q *query) (Reach, []*rule) {
	var rules []*rule
	open, named, limited := false, false, false
	for _, b := range set {
		if b.silent(q) {
			continue
		}
		for i := range b.rules {
			r := &b.rules[i]
			if !r.speaksOf(q) || !r.inNamespace(q, q.namespace) {
				continue
			}
			switch {
			case r.deny && len(r.names) == 0:
				return ReachNone, nil
			case !r.deny && len(r.names) == 0:
				open = true
			case r.deny:
				limited = true
			default:
				named = true
			}
			rules = append(rules, r)
		}
	}
	switch {
	case open && !limited:
		return ReachAll, nil
	case open || named:
		return ReachSome, rules
	default:
		return ReachNone, nil
	}
}

func allowsName(rules []*rule, name string) bool {
	allowed := false
	for _, r := range rules {
		if len(r.names) > 0 && !r.names.match(name) {
			continue
		}
		if r.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// namespaces returns the namespaces that rules name one by one, or all if some rule has a pattern.
func (f *filter) namespaces() (all bool, names []string) {
	var candidates []string
	open := true
	q := f.query
	for _, set := range f.sets() {
		for _, verb := range f.verbs {
			q.verb = verb
			literal, found := literals(set, &q)
			if found && open {
				candidates, open = literal, false
			}
		}
	}
	if open {
		return true, nil
	}
	for _, n := range candidates {
		if f.verdict(n).reach != ReachNone {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return false, slices.Compact(names)
}

// literals returns the namespaces that the rules which allow name; found is false if one of them
// has a pattern or no limit.
func literals(set []*bound, q *query) (names []string, found bool) {
	for _, b := range set {
		for i := range b.rules {
			r := &b.rules[i]
			if r.deny || !r.speaksOf(q) {
				continue
			}
			literal, ok := r.namespaces.literals()
			if !ok {
				return nil, false
			}
			names = append(names, literal...)
		}
	}
	return names, true
}
