package access

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestA14_NoPolicyRefusesEverything(t *testing.T) {
	a := New()
	for _, v := range Verbs() {
		if p, err := a.Check(Subject{Name: "ada"}, pods(v, "team-a", "x")); err == nil || p.Allow(pods(v, "team-a", "x")) == nil {
			t.Errorf("%s is allowed without a policy", v)
		}
	}
	if a.SeesCluster(Subject{Name: "ada"}, "production") || a.SeesNamespace(Subject{Name: "ada"}, "production", "x") || a.Version() != 0 || a.ReadOnly() {
		t.Error("something is seen without a policy")
	}
	a = authority(t, house())
	a.Set(nil)
	if _, err := a.Check(Subject{Name: "ada"}, pods(VerbGet, "a", "x")); err == nil {
		t.Error("a nil policy allows")
	}
}

func TestA14_ZeroPermitPermitsNothing(t *testing.T) {
	var p Permit
	if p.Allow(Request{}) == nil || p.Allow(pods(VerbGet, "a", "x")) == nil {
		t.Error("the zero permit allows")
	}
	all, names := p.Namespaces()
	if p.Sees("a", "x") || p.Sees("", "x") || p.Reach("a") != ReachNone || p.Reach("") != ReachNone || all || len(names) > 0 || p.Version() != 0 || !cmp.Equal(p.Subject(), Subject{}) || p.Request() != (Request{}) {
		t.Error("the zero permit sees")
	}
	if rec := p.Record(); rec.Decision != DecisionDeny {
		t.Errorf("the zero permit is recorded as %s", rec.Decision)
	}
}

// TestA14_PermitIsForOneThingOnly changes each part of the request in turn.
func TestA14_PermitIsForOneThingOnly(t *testing.T) {
	a := authority(t, house())
	asked := sub(pods(VerbScale, "team-a", "x"), "scale")
	asked.Group = "apps"
	p, err := a.Check(Subject{Name: "ada"}, asked)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Request){
		"verb":        func(r *Request) { r.Verb = VerbGet },
		"cluster":     func(r *Request) { r.Cluster = "staging" },
		"namespace":   func(r *Request) { r.Namespace = "team-b" },
		"no ns":       func(r *Request) { r.Namespace = "" },
		"group":       func(r *Request) { r.Group = "" },
		"resource":    func(r *Request) { r.Resource = "deployments" },
		"subresource": func(r *Request) { r.Subresource = "" },
		"name":        func(r *Request) { r.Name = "y" },
		"no name":     func(r *Request) { r.Name = "" },
		"scope":       func(r *Request) { r.Namespaced = false },
	} {
		r := asked
		change(&r)
		if err := p.Allow(r); !errors.Is(err, ErrForbidden) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if !p.Sees("team-a", "x") || p.Sees("team-a", "y") || p.Sees("team-b", "x") || p.Sees("", "x") || p.Sees("team-a", "") {
		t.Error("a permit for one object sees others")
	}
	if p.Reach("team-a") != ReachSome || p.Reach("team-b") != ReachNone || p.Reach("") != ReachNone {
		t.Error("a permit for one object reaches a whole namespace")
	}
	if all, names := p.Namespaces(); all || !cmp.Equal(names, []string{"team-a"}) {
		t.Errorf("namespaces: %v %v", all, names)
	}
}

func TestListPermitAllowsWhatItSees(t *testing.T) {
	a := authority(t, house())
	p, err := a.Check(Subject{Name: "nina"}, pods(VerbList, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[Request]bool{
		pods(VerbList, "", ""):        true, // everything, rows filtered by Sees
		pods(VerbList, "team-a", ""):  true,
		pods(VerbList, "team-a", "x"): true,
		pods(VerbList, "other", ""):   false,
		pods(VerbList, "other", "x"):  false,
		pods(VerbList, "", "x"):       false,
		pods(VerbGet, "team-a", "x"):  false,
		pods(VerbWatch, "", ""):       false,
	} {
		if err := p.Allow(r); (err == nil) != want {
			t.Errorf("%s: %v", r, err)
		}
	}
	if all, names := p.Namespaces(); all || !cmp.Equal(names, []string{"team-a", "team-b"}) {
		t.Errorf("namespaces: %v %v", all, names)
	}
	names := func() []string { _, n := p.Namespaces(); return n }
	names()[0] = "changed"
	if names()[0] != "team-a" {
		t.Error("a caller can change what the permit says")
	}
	p, err = a.Check(Subject{Name: "ada"}, nodes(VerbList, ""))
	if err != nil || p.Allow(nodes(VerbList, "n1")) != nil || !p.Sees("", "n1") || p.Sees("default", "n1") {
		t.Errorf("cluster-scoped list: %v", err)
	}
	if all, _ := p.Namespaces(); !all {
		t.Error("cluster-scoped list is limited")
	}
}

func TestListWithNothingInItIsForbidden(t *testing.T) {
	deny := func(namespaces, names []string) Rule {
		return Rule{Deny: true, Namespaces: namespaces, Names: names, Resources: []string{"*"}, Verbs: []Verb{VerbAny}}
	}
	allow := func(namespaces, names []string, verbs ...Verb) Rule {
		return Rule{Namespaces: namespaces, Names: names, Resources: []string{"*"}, Verbs: verbs}
	}
	get, list := VerbGet, VerbList
	for name, c := range map[string]struct {
		rules []Rule
		want  string
	}{
		"allowed":                {[]Rule{allow([]string{"a", "b"}, nil, get, list)}, "ok"},
		"one of two left":        {[]Rule{allow([]string{"a", "b"}, nil, get, list), deny([]string{"a"}, nil)}, "ok"},
		"both denied":            {[]Rule{allow([]string{"a", "b"}, nil, get, list), deny([]string{"a"}, nil), deny([]string{"b"}, nil)}, "forbidden"},
		"pattern in pattern":     {[]Rule{allow([]string{"a-x*"}, nil, get, list), deny([]string{"a-*"}, nil)}, "forbidden"},
		"pattern out of pattern": {[]Rule{allow([]string{"a-*"}, nil, get, list), deny([]string{"a-x*"}, nil)}, "ok"},
		"everything denied":      {[]Rule{allow(nil, nil, get, list), deny(nil, nil)}, "hidden"},
		"every namespace denied": {[]Rule{allow(nil, nil, get, list), deny([]string{"*"}, nil)}, "forbidden"},
		"the only name denied":   {[]Rule{allow(nil, []string{"x"}, get, list), deny(nil, []string{"x"})}, "forbidden"},
		"one of two names":       {[]Rule{allow(nil, []string{"x", "y"}, get, list), deny(nil, []string{"x"})}, "ok"},
		"list without get":       {[]Rule{allow(nil, nil, list)}, "forbidden"},
		"get without list":       {[]Rule{allow(nil, nil, get)}, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			a := authority(t, PolicySpec{Roles: []Role{{Name: "r", Rules: c.rules}}, Bindings: []Binding{user("u", "r", nil, nil)}})
			_, err := a.Check(Subject{Name: "u"}, pods(VerbList, "", ""))
			if got := outcome(err); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
