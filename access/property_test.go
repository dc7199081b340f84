package access

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The worlds in which random policies are tried.
var (
	worldClusters   = []string{"prod", "stage"}
	worldNamespaces = []string{"a", "b", "team-a", "team-b"}
	worldNames      = []string{"x", "y", "web-1", "web-2"}
	worldKinds      = []Request{
		{Resource: "pods", Namespaced: true},
		{Resource: "secrets", Namespaced: true},
		{Group: "apps", Resource: "deployments", Namespaced: true},
		{Resource: "nodes"},
		{Resource: "pods", Subresource: "status", Namespaced: true},
	}
)

func some(r *rand.Rand, from []string, none float64) []string {
	if r.Float64() < none {
		return nil
	}
	var out []string
	for range 1 + r.IntN(2) {
		out = append(out, from[r.IntN(len(from))])
	}
	return out
}

func randomRule(r *rand.Rand, verbs func() []Verb) Rule {
	return Rule{
		Deny:       r.IntN(4) == 0,
		Clusters:   some(r, []string{"*", "prod", "st*", "stage"}, 0.6),
		Namespaces: some(r, []string{"*", "a", "b", "team-*", "team-a", "?", "*-b"}, 0.5),
		Groups:     some(r, []string{"*", "", "apps"}, 0.6),
		Resources:  some(r, []string{"*", "pods", "secrets", "deploy*", "nodes", "pods/status", "*/status"}, 0),
		Names:      some(r, []string{"x", "y", "web-*", "web-?", "*"}, 0.7),
		Verbs:      verbs(),
	}
}

func randomSpec(r *rand.Rand, verbs func() []Verb) PolicySpec {
	spec := PolicySpec{Version: 1}
	for i := range 1 + r.IntN(4) {
		role := Role{Name: fmt.Sprintf("role-%d", i), ReadOnly: r.IntN(8) == 0}
		for range 1 + r.IntN(4) {
			role.Rules = append(role.Rules, randomRule(r, verbs))
		}
		spec.Roles = append(spec.Roles, role)
	}
	for i := range 1 + r.IntN(4) {
		b := Binding{
			ID: int64(i), SubjectKind: SubjectUser, Subject: "u", Role: spec.Roles[r.IntN(len(spec.Roles))].Name,
			Clusters: some(r, []string{"*", "prod", "stage"}, 0.7), Namespaces: some(r, []string{"a", "team-*", "team-a", "*"}, 0.6),
		}
		if r.IntN(3) == 0 {
			b.SubjectKind, b.Subject = SubjectGroup, "g"
		}
		spec.Bindings = append(spec.Bindings, b)
	}
	return spec
}

// anyVerbs names verbs at random; pairedVerbs never splits get and list.
func anyVerbs(r *rand.Rand) func() []Verb {
	return func() []Verb {
		all := append(Verbs(), VerbAny, VerbAny, VerbGet, VerbList, VerbGet, VerbList)
		var out []Verb
		for range 1 + r.IntN(3) {
			out = append(out, all[r.IntN(len(all))])
		}
		return out
	}
}

func pairedVerbs(r *rand.Rand) func() []Verb {
	return func() []Verb {
		return [][]Verb{{VerbGet, VerbList}, {VerbGet, VerbList}, {VerbAny}, {VerbDelete}, {VerbGet, VerbList, VerbExec}}[r.IntN(5)]
	}
}

func subject(r *rand.Rand, spec PolicySpec) Subject {
	s := Subject{Name: "u"}
	if r.IntN(2) == 0 {
		s.Groups = []string{"g"}
	}
	if r.IntN(4) == 0 {
		s.TokenRole = spec.Roles[r.IntN(len(spec.Roles))].Name
	}
	return s
}

func worldRequests() []Request {
	var out []Request
	for _, c := range worldClusters {
		for _, kind := range worldKinds {
			kind.Cluster = c
			out = append(out, kind)
		}
	}
	return out
}

// rows are the objects that the kind has in every cluster.
func rows(kind Request) []Request {
	var out []Request
	namespaces := []string{""}
	if kind.Namespaced {
		namespaces = worldNamespaces
	}
	for _, ns := range namespaces {
		for _, name := range worldNames {
			kind.Namespace, kind.Name = ns, name
			out = append(out, kind)
		}
	}
	return out
}

// naive decides by the words of the specification, with regular expressions and no cleverness.
func naive(expressions map[string]*regexp.Regexp, spec PolicySpec, s Subject, r Request) bool {
	match := func(patterns []string, text string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			if expressions[p] == nil {
				expr := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(p))
				expressions[p] = regexp.MustCompile(`^(?:` + expr + `)$`)
			}
			return expressions[p].MatchString(text)
		})
	}
	roles := map[string]Role{}
	for _, role := range spec.Roles {
		roles[role.Name] = role
	}
	applies := func(role Role, rule Rule, b Binding) bool {
		for _, clusters := range [][]string{rule.Clusters, b.Clusters} {
			if len(clusters) > 0 && !match(clusters, r.Cluster) {
				return false
			}
		}
		for _, namespaces := range [][]string{rule.Namespaces, b.Namespaces} {
			if len(namespaces) > 0 && (!r.Namespaced || !match(namespaces, r.Namespace)) {
				return false
			}
		}
		if len(rule.Groups) > 0 && !match(rule.Groups, r.Group) || len(rule.Names) > 0 && !match(rule.Names, r.Name) {
			return false
		}
		resource := false
		for _, p := range rule.Resources {
			main, part, split := strings.Cut(p, "/")
			resource = resource || match([]string{main}, r.Resource) && (!split || r.Subresource != "" && match([]string{part}, r.Subresource))
		}
		reads := r.Verb.Effect() == EffectRead
		verb := slices.Contains(rule.Verbs, r.Verb) ||
			slices.Contains(rule.Verbs, VerbAny) && (rule.Deny || reads || r.Verb.Effect() == EffectWrite)
		return resource && verb && (rule.Deny || reads || !role.ReadOnly)
	}
	decide := func(bindings []Binding) bool {
		allowed := false
		for _, b := range bindings {
			for _, rule := range roles[b.Role].Rules {
				if applies(roles[b.Role], rule, b) {
					if rule.Deny {
						return false
					}
					allowed = true
				}
			}
		}
		return allowed
	}
	var own []Binding
	for _, b := range spec.Bindings {
		if b.SubjectKind == SubjectUser && b.Subject == s.Name || b.SubjectKind == SubjectGroup && slices.Contains(s.Groups, b.Subject) {
			own = append(own, b)
		}
	}
	return decide(own) && (s.TokenRole == "" || decide([]Binding{{Role: s.TokenRole}}))
}

const policies = 900

// TestA10_DecisionIsThatOfTheSpecification compares every decision about one object with the naive one.
func TestA10_DecisionIsThatOfTheSpecification(t *testing.T) {
	allowed, refused := 0, 0
	expressions := map[string]*regexp.Regexp{}
	for seed := range uint64(policies / 3) {
		r := rand.New(rand.NewPCG(seed, 1))
		spec := randomSpec(r, anyVerbs(r))
		a, s := authority(t, spec), subject(r, spec)
		for _, kind := range worldRequests() {
			for _, row := range rows(kind) {
				row.Verb = Verbs()[r.IntN(len(Verbs()))]
				if r.IntN(2) == 0 {
					row.Verb = VerbGet
				}
				_, err := a.Check(s, row)
				if want := naive(expressions, spec, s, row); (err == nil) != want {
					t.Fatalf("seed %d: %+v %s: %v, want %v\n%+v", seed, s, row, err, want, spec)
				}
				if err == nil {
					allowed++
				} else {
					refused++
				}
				get := row
				get.Verb, get.Subresource = VerbGet, ""
				if err != nil && !errors.Is(err, ErrReadOnly) && errors.Is(err, ErrForbidden) != naive(expressions, spec, s, get) {
					t.Fatalf("seed %d: %+v %s: %v, but it may get = %v\n%+v", seed, s, row, err, naive(expressions, spec, s, get), spec)
				}
			}
		}
	}
	if allowed < 2000 || refused < 2000 {
		t.Errorf("the policies are too dull: %d allowed, %d refused", allowed, refused)
	}
}

// TestA10_ListSeesWhatGetAllows: the rows that a list permit sees are those that the subject may
// list and get one by one; where no rule splits the two, those that it may get.
func TestA10_ListSeesWhatGetAllows(t *testing.T) {
	for name, verbs := range map[string]func(*rand.Rand) func() []Verb{"split": anyVerbs, "paired": pairedVerbs} {
		t.Run(name, func(t *testing.T) {
			lists, seen := 0, 0
			for seed := range uint64(policies) {
				r := rand.New(rand.NewPCG(seed, 2))
				spec := randomSpec(r, verbs(r))
				a, s := authority(t, spec), subject(r, spec)
				for _, kind := range worldRequests() {
					kind.Verb = VerbList
					permit, err := a.Check(s, kind)
					all, names := permit.Namespaces()
					any := false
					for _, row := range rows(kind) {
						row.Verb = VerbGet
						_, denied := a.Check(s, row)
						want := denied == nil
						if name == "split" {
							row.Verb = VerbList
							_, denied := a.Check(s, row)
							want = want && denied == nil
						}
						any = any || want
						if got := permit.Sees(row.Namespace, row.Name); got != want {
							t.Fatalf("seed %d: %+v sees %s = %v, get allows %v\n%+v", seed, s, row, got, want, spec)
						}
						if reach := permit.Reach(row.Namespace); reach == ReachAll && !want || reach == ReachNone && want {
							t.Fatalf("seed %d: %+v reaches %d of the namespace of %s, get allows %v\n%+v", seed, s, reach, row, want, spec)
						}
						if want && kind.Namespaced && !all && !slices.Contains(names, row.Namespace) {
							t.Fatalf("seed %d: %s is seen but its namespace is not among %v\n%+v", seed, row, names, spec)
						}
						if row.Verb = VerbList; want != (permit.Allow(row) == nil) {
							t.Fatalf("seed %d: Allow and Sees differ on %s", seed, row)
						}
						if want {
							seen++
						}
					}
					if err != nil && any {
						t.Fatalf("seed %d: %+v %s is refused (%v) but has rows\n%+v", seed, s, kind, err, spec)
					}
					if err == nil {
						lists++
					}
				}
			}
			if lists < 1000 || seen < 1000 {
				t.Errorf("the policies are too dull: %d lists, %d rows", lists, seen)
			}
		})
	}
}

// TestSomewhereMissesNothing: what may be done to some object may be done somewhere, and where no rule denies and no token
// cuts, the other way round.
func TestSomewhereMissesNothing(t *testing.T) {
	yes, no := 0, 0
	for seed := range uint64(policies / 3) {
		r := rand.New(rand.NewPCG(seed, 5))
		spec := randomSpec(r, anyVerbs(r))
		a, s := authority(t, spec), subject(r, spec)
		simple := s.TokenRole == "" && !slices.ContainsFunc(spec.Roles, func(role Role) bool {
			return slices.ContainsFunc(role.Rules, func(rule Rule) bool { return rule.Deny })
		})
		for _, kind := range worldRequests() {
			for _, verb := range []Verb{VerbGet, VerbScale, VerbDelete} {
				kind.Verb = verb
				some := slices.ContainsFunc(rows(kind), func(row Request) bool {
					_, err := a.Check(s, row)
					return err == nil
				})
				got := a.Somewhere(s, kind)
				if some && !got || simple && got && !some {
					t.Fatalf("seed %d: %+v %s somewhere = %v, on some object %v\n%+v", seed, s, kind, got, some, spec)
				}
				if got {
					yes++
				} else {
					no++
				}
			}
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("the policies are too dull: %d yes, %d no", yes, no)
	}
}

// TestDenyWinsAndRightsGrowMonotonically: a further rule that denies only ever takes, one that
// allows, a further group or the end of a token's scope only ever gives, whatever their order.
func TestDenyWinsAndRightsGrowMonotonically(t *testing.T) {
	for seed := range uint64(policies / 3) {
		r := rand.New(rand.NewPCG(seed, 3))
		spec := randomSpec(r, anyVerbs(r))
		s := subject(r, spec)
		before := authority(t, spec)

		extra := randomRule(r, anyVerbs(r))
		grown := spec
		grown.Roles = append(slices.Clone(spec.Roles), Role{Name: "extra", Rules: []Rule{extra}})
		grown.Bindings = append([]Binding{user("u", "extra", nil, nil)}, spec.Bindings...)
		after := authority(t, grown)

		shuffled := grown
		shuffled.Bindings = slices.Clone(grown.Bindings)
		slices.Reverse(shuffled.Bindings)
		reversed := authority(t, shuffled)

		free := s
		free.TokenRole = ""
		for _, kind := range worldRequests() {
			for _, row := range rows(kind) {
				row.Verb = Verbs()[r.IntN(len(Verbs()))]
				_, was := before.Check(s, row)
				_, is := after.Check(s, row)
				_, turned := reversed.Check(s, row)
				_, unscoped := before.Check(free, row)
				switch {
				case extra.Deny && was != nil && is == nil:
					t.Fatalf("seed %d: denying gave %s", seed, row)
				case !extra.Deny && was == nil && is != nil:
					t.Fatalf("seed %d: allowing took %s", seed, row)
				case (is == nil) != (turned == nil):
					t.Fatalf("seed %d: the order of bindings changes %s", seed, row)
				case was == nil && unscoped != nil:
					t.Fatalf("seed %d: a token may %s and its owner may not", seed, row)
				}
			}
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true},
		{"*", "abc", true},
		{"", "", true},
		{"", "a", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc", "ABC", false},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"?", "", false},
		{"**", "x", true},
		{"a*b*c", "a1b2c", true},
		{"a*b*c", "a1c2b", false},
		{"*-b", "team-b", true},
		{"a.b", "axb", false},
	} {
		if got := compileGlob(c.pattern).match(c.text); got != c.want {
			t.Errorf("%q matches %q = %v", c.pattern, c.text, got)
		}
	}
	long := strings.Repeat("a", 253)
	if compileGlob(strings.Repeat("*a", 126) + "b").match(long) {
		t.Error("a pattern made to be slow matches")
	}
}

// TestGlobCoversOnlyWhatItMatches: what covers says of two patterns holds for every text.
func TestGlobCoversOnlyWhatItMatches(t *testing.T) {
	patterns := []string{"*", "a", "a*", "*a", "a?", "?a", "?", "a*b", "*a*", "ab", "a*?", "**"}
	var texts []string
	for _, a := range []string{"", "a", "b"} {
		for _, b := range []string{"", "a", "b", "ab"} {
			for _, c := range []string{"", "a", "b"} {
				texts = append(texts, a+b+c)
			}
		}
	}
	covered := 0
	for _, wide := range patterns {
		for _, narrow := range patterns {
			if !compileGlob(wide).covers(compileGlob(narrow)) {
				continue
			}
			covered++
			for _, text := range texts {
				if compileGlob(narrow).match(text) && !compileGlob(wide).match(text) {
					t.Errorf("%q covers %q, but not %q", wide, narrow, text)
				}
			}
		}
	}
	if covered < 2*len(patterns) {
		t.Errorf("only %d of the pairs are covered", covered)
	}
}
