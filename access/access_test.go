package access

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// authority returns an authority with the policy that spec describes.
func authority(tb testing.TB, spec PolicySpec) *Authority {
	tb.Helper()
	p, err := NewPolicy(spec)
	if err != nil {
		tb.Fatal(err)
	}
	a := New()
	a.Set(p)
	return a
}

func user(name, role string, clusters, namespaces []string) Binding {
	return Binding{SubjectKind: SubjectUser, Subject: name, Role: role, Clusters: clusters, Namespaces: namespaces}
}

func pods(verb Verb, namespace, name string) Request {
	return Request{Cluster: "production", Namespace: namespace, Resource: "pods", Name: name, Namespaced: true, Verb: verb}
}

func nodes(verb Verb, name string) Request {
	return Request{Cluster: "production", Resource: "nodes", Name: name, Verb: verb}
}

func tiga(verb Verb, resource, name string) Request {
	return Request{Group: TigaGroup, Resource: resource, Name: name, Verb: verb}
}

func sub(r Request, subresource string) Request {
	r.Subresource = subresource
	return r
}

// house is a policy with one user of each sort.
func house() PolicySpec {
	return PolicySpec{
		Version: 7,
		Roles: []Role{
			{Name: "user-admin", Rules: []Rule{{Groups: []string{TigaGroup}, Resources: []string{"users"}, Verbs: []Verb{VerbGet, VerbList, VerbAdmin}}}},
			{Name: "star", Rules: []Rule{{Clusters: []string{"*"}, Groups: []string{"*"}, Resources: []string{"*"}, Verbs: []Verb{VerbAny}}}},
			{Name: "no-secrets", Rules: []Rule{{Deny: true, Resources: []string{"secrets"}, Verbs: []Verb{VerbAny}}}},
			{Name: "frozen", ReadOnly: true, Rules: []Rule{{Resources: []string{"*"}, Verbs: []Verb{VerbAny, VerbExec}}}},
		},
		Bindings: []Binding{
			user("ada", RoleAdmin, nil, nil),
			user("olga", RoleOperator, []string{"production"}, nil),
			user("vera", RoleViewer, []string{"production"}, nil),
			user("nina", RoleOperator, []string{"production"}, []string{"team-a", "team-b"}),
			user("ugo", "user-admin", nil, nil),
			user("stella", "star", nil, nil),
			user("freya", "frozen", nil, nil),
			{SubjectKind: SubjectGroup, Subject: "ops", Role: RoleOperator, Clusters: []string{"prod*"}},
		},
	}
}

// outcome is "ok" or the sentinel of the refusal.
func outcome(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "ok"
	case !errors.As(err, &e):
		return "not an *Error"
	case errors.Is(err, ErrReadOnly):
		return "readonly " + string(e.ReadOnly)
	case errors.Is(err, ErrHidden):
		return "hidden"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	default:
		return "unknown"
	}
}

// TestFR6_7_Matrix is the table of who may do what with which kind: the built-in roles, somebody who
// is limited to namespaces, somebody with `*`, and nobody.
func TestFR6_7_Matrix(t *testing.T) {
	a := authority(t, house())
	who := []string{"ada", "olga", "vera", "nina", "ugo", "stella", ""}
	ok, no, hid := "ok", "forbidden", "hidden"
	secret := func(v Verb, ns string) Request {
		r := pods(v, ns, "s")
		r.Resource = "secrets"
		return r
	}
	for _, row := range []struct {
		request Request
		want    [7]string
	}{
		//                                        ada olga vera nina ugo stella nobody
		{pods(VerbGet, "team-a", "x"), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbGet, "other", "x"), [7]string{ok, ok, ok, hid, hid, ok, hid}},
		{pods(VerbList, "", ""), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbList, "team-a", ""), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbList, "other", ""), [7]string{ok, ok, ok, no, hid, ok, hid}},
		{pods(VerbWatch, "", ""), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{sub(pods(VerbLogs, "team-a", "x"), "log"), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbEvents, "team-a", "x"), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbMetrics, "team-a", "x"), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{pods(VerbCreate, "team-a", "x"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{pods(VerbUpdate, "team-a", "x"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{pods(VerbPatch, "other", "x"), [7]string{ok, ok, no, hid, hid, ok, hid}},
		{pods(VerbDelete, "team-b", "x"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{pods(VerbScale, "team-b", "x"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{pods(VerbRestart, "team-b", "x"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{sub(pods(VerbEvict, "team-b", "x"), "eviction"), [7]string{ok, ok, no, ok, hid, ok, hid}},
		{sub(pods(VerbExec, "team-a", "x"), "exec"), [7]string{ok, ok, no, ok, hid, no, hid}},
		{sub(pods(VerbExec, "other", "x"), "exec"), [7]string{ok, ok, no, hid, hid, no, hid}},
		{sub(pods(VerbAttach, "team-a", "x"), "attach"), [7]string{ok, no, no, no, hid, no, hid}},
		{sub(pods(VerbPortForward, "team-a", "x"), "portforward"), [7]string{ok, no, no, no, hid, no, hid}},
		{sub(pods(VerbProxy, "team-a", "x"), "proxy"), [7]string{ok, no, no, no, hid, no, hid}},
		{secret(VerbGet, "team-a"), [7]string{ok, ok, ok, ok, hid, ok, hid}},
		{secret(VerbReveal, "team-a"), [7]string{ok, no, no, no, hid, no, hid}},
		{secret(VerbReveal, "other"), [7]string{ok, no, no, hid, hid, no, hid}},
		{nodes(VerbGet, "n1"), [7]string{ok, ok, ok, hid, hid, ok, hid}},
		{nodes(VerbList, ""), [7]string{ok, ok, ok, no, hid, ok, hid}},
		{nodes(VerbPatch, "n1"), [7]string{ok, ok, no, hid, hid, ok, hid}},
		{nodes(VerbNodeShell, "n1"), [7]string{ok, no, no, hid, hid, no, hid}},
		{tiga(VerbAdmin, "users", ""), [7]string{ok, no, no, no, ok, no, no}},
		{tiga(VerbGet, "users", "17"), [7]string{ok, hid, hid, hid, ok, hid, hid}},
		{tiga(VerbList, "audit", ""), [7]string{ok, no, no, no, no, no, no}},
		{tiga(VerbAdmin, "clusters", "production"), [7]string{ok, hid, hid, hid, hid, hid, hid}},
	} {
		for i, name := range who {
			t.Run(row.request.String()+"/"+name, func(t *testing.T) {
				p, err := a.Check(Subject{Name: name}, row.request)
				if got := outcome(err); got != row.want[i] {
					t.Fatalf("%q: got %s, want %s", name, got, row.want[i])
				}
				if err != nil {
					if p.Allow(row.request) == nil {
						t.Error("the permit that came with a refusal permits")
					}
					return
				}
				if err := p.Allow(row.request); err != nil {
					t.Errorf("the permit does not permit what it was made for: %v", err)
				}
				if p.Subject().Name != name || p.Version() != 7 {
					t.Errorf("permit is for %q at version %d", p.Subject().Name, p.Version())
				}
			})
		}
	}
}

// TestTigaItselfIsGrantedByNameOnly: rights in clusters, however wide, are none over users, tokens
// and the audit; and what is limited to clusters gives nothing outside of them.
func TestTigaItselfIsGrantedByNameOnly(t *testing.T) {
	users := []Verb{VerbGet, VerbList, VerbAdmin}
	a := authority(t, PolicySpec{
		Roles: []Role{
			{Name: "wide", Rules: []Rule{{Resources: []string{"*"}, Verbs: users}}},
			{Name: "glob", Rules: []Rule{{Groups: []string{"*", "tiga.*"}, Resources: []string{"*"}, Verbs: users}}},
			{Name: "named", Rules: []Rule{{Groups: []string{TigaGroup}, Resources: []string{"users"}, Verbs: users}}},
			{Name: "local", Rules: []Rule{{Clusters: []string{"*"}, Groups: []string{TigaGroup}, Resources: []string{"users"}, Verbs: users}}},
			{Name: "ban", Rules: []Rule{{Deny: true, Resources: []string{"users"}, Verbs: []Verb{VerbAny}}}},
		},
		Bindings: []Binding{
			user("wide", "wide", nil, nil), user("glob", "glob", nil, nil), user("named", "named", nil, nil), user("local", "local", nil, nil),
			user("bound", RoleAdmin, []string{"*"}, nil), user("spaced", RoleAdmin, nil, []string{"*"}), user("viewer", RoleViewer, nil, nil),
			user("banned", "named", nil, nil), user("banned", "ban", nil, nil),
		},
	})
	for name, want := range map[string]bool{
		"wide": false, "glob": false, "named": true, "local": false, "bound": false, "spaced": false, "viewer": false, "banned": false,
	} {
		for _, v := range users {
			if _, err := a.Check(Subject{Name: name}, tiga(v, "users", "")); (err == nil) != want {
				t.Errorf("%s: %s users: %v", name, v, err)
			}
		}
	}
}

func TestFR6_7_ClusterThatOneMayNotSeeDoesNotExist(t *testing.T) {
	a := authority(t, house())
	for _, c := range []struct {
		subject Subject
		cluster string
		want    bool
	}{
		{Subject{Name: "ada"}, "staging", true},
		{Subject{Name: "vera"}, "production", true},
		{Subject{Name: "vera"}, "staging", false},
		{Subject{Name: "nina"}, "production", true},
		{Subject{Name: "ugo"}, "production", false}, // administers users, sees no cluster
		{Subject{Groups: []string{"ops"}}, "production", false},
		{Subject{Name: "x", Groups: []string{"ops"}}, "production", true},
		{Subject{Name: "x", Groups: []string{"ops"}}, "staging", false},
		{Subject{Name: "ada", TokenRole: "user-admin"}, "production", false},
		{Subject{Name: "ada", TokenRole: "gone"}, "production", false},
		{Subject{}, "production", false},
		{Subject{Name: "ada"}, "", false},
	} {
		if got := a.SeesCluster(c.subject, c.cluster); got != c.want {
			t.Errorf("%v sees %q = %v", c.subject, c.cluster, got)
		}
	}
	r := pods(VerbList, "", "")
	r.Cluster = "staging"
	if _, err := a.Check(Subject{Name: "vera"}, r); !errors.Is(err, ErrHidden) {
		t.Errorf("list in a cluster that is not seen: %v", err)
	}
}

func TestFR6_7_TotalDenyHidesCluster(t *testing.T) {
	spec := house()
	spec.Roles = append(spec.Roles, Role{Name: "banned", Rules: []Rule{{Deny: true, Resources: []string{"*"}, Verbs: []Verb{VerbAny}}}})
	spec.Bindings = append(spec.Bindings, user("vera", "banned", []string{"production"}, nil), user("olga", "banned", []string{"production"}, []string{"team-a"}))
	a := authority(t, spec)
	if a.SeesCluster(Subject{Name: "vera"}, "production") {
		t.Error("a cluster in which everything is denied is seen")
	}
	if !a.SeesCluster(Subject{Name: "olga"}, "production") {
		t.Error("a deny of one namespace hides the cluster")
	}
	if a.SeesNamespace(Subject{Name: "olga"}, "production", "team-a") || !a.SeesNamespace(Subject{Name: "olga"}, "production", "team-b") {
		t.Error("namespaces of olga")
	}
}

func TestSeesNamespace(t *testing.T) {
	a := authority(t, house())
	for ns, want := range map[string]bool{"team-a": true, "team-b": true, "other": false, "": false} {
		if got := a.SeesNamespace(Subject{Name: "nina"}, "production", ns); got != want {
			t.Errorf("nina sees namespace %q = %v", ns, got)
		}
	}
	if a.SeesNamespace(Subject{Name: "nina"}, "staging", "team-a") || a.SeesNamespace(Subject{Name: "nina", TokenRole: "user-admin"}, "production", "team-a") {
		t.Error("sees a namespace beyond its cluster or token")
	}
}

// TestStarNeverImpliesDangerousVerbs: "*" is what people write who have not thought of these.
func TestStarNeverImpliesDangerousVerbs(t *testing.T) {
	a := authority(t, house())
	for _, v := range Verbs() {
		_, err := a.Check(Subject{Name: "stella"}, pods(v, "team-a", "x"))
		want := v.Effect() == EffectRead || v.Effect() == EffectWrite
		if (err == nil) != want {
			t.Errorf("* grants %s = %v", v, err == nil)
		}
	}
	spec := house()
	spec.Bindings = append(spec.Bindings, user("ada", "no-secrets", nil, nil))
	a = authority(t, spec)
	for _, v := range Verbs() {
		r := pods(v, "team-a", "x")
		r.Resource = "secrets"
		if _, err := a.Check(Subject{Name: "ada"}, r); err == nil {
			t.Errorf("deny * leaves %s", v)
		}
	}
}

// TestA15_SubresourceNeedsItsOwnVerb: create on pods/exec would be a way around exec.
func TestA15_SubresourceNeedsItsOwnVerb(t *testing.T) {
	a := authority(t, house())
	for resource, own := range map[string]Verb{
		"exec": VerbExec, "attach": VerbAttach, "portforward": VerbPortForward, "proxy": VerbProxy,
		"token": VerbReveal, "ephemeralcontainers": VerbExec, "eviction": VerbEvict, "log": VerbLogs,
	} {
		for _, v := range Verbs() {
			_, err := a.Check(Subject{Name: "ada"}, sub(pods(v, "team-a", "x"), resource))
			if (err == nil) != (v == own) {
				t.Errorf("admin: %s on pods/%s: %v", v, resource, err)
			}
		}
	}
}

func TestFR6_1_ReadOnlyModes(t *testing.T) {
	server, cluster, role := house(), house(), house()
	server.ReadOnly = true
	cluster.ReadOnlyClusters = map[string]bool{"production": true}
	role.Roles = append(role.Roles, Role{Name: RoleOperator, BuiltIn: true, ReadOnly: true})
	staging := pods(VerbDelete, "team-a", "x")
	staging.Cluster = "staging"
	for _, c := range []struct {
		name    string
		spec    PolicySpec
		subject Subject
		request Request
		want    string
	}{
		{"server", server, Subject{Name: "ada"}, pods(VerbDelete, "team-a", "x"), "readonly server"},
		{"server", server, Subject{Name: "ada"}, pods(VerbGet, "team-a", "x"), "ok"},
		{"server", server, Subject{Name: "ada"}, tiga(VerbAdmin, "users", ""), "readonly server"},
		{"server", server, Subject{Name: "ada"}, tiga(VerbGet, "users", "17"), "ok"},
		{"server, no right anyway", server, Subject{Name: "vera"}, pods(VerbDelete, "team-a", "x"), "forbidden"},
		{"server, frozen role", server, Subject{Name: "freya"}, pods(VerbDelete, "team-a", "x"), "readonly server"},
		{"cluster", cluster, Subject{Name: "ada"}, pods(VerbDelete, "team-a", "x"), "readonly cluster"},
		{"cluster, frozen role", cluster, Subject{Name: "freya"}, pods(VerbDelete, "team-a", "x"), "readonly cluster"},
		{"other cluster", cluster, Subject{Name: "ada"}, staging, "ok"},
		{"cluster, Tiga's record of it", cluster, Subject{Name: "ada"}, tiga(VerbAdmin, "clusters", "production"), "ok"},
		{"cluster, Tiga's record of it by its name", cluster, Subject{Name: "ada"}, Request{Cluster: "production", Group: TigaGroup, Resource: "clusters", Verb: VerbAdmin}, "ok"},
		{"role", role, Subject{Name: "olga"}, pods(VerbScale, "team-a", "x"), "readonly role"},
		{"role", role, Subject{Name: "olga"}, pods(VerbGet, "team-a", "x"), "ok"},
		{"another role still grants", role, Subject{Name: "ada"}, pods(VerbScale, "team-a", "x"), "ok"},
		{"role, out of its reach", role, Subject{Name: "nina"}, pods(VerbScale, "other", "x"), "hidden"},
		{"role of a token", role, Subject{Name: "ada", TokenRole: RoleOperator}, pods(VerbScale, "team-a", "x"), "readonly role"},
		{"custom role", house(), Subject{Name: "freya"}, sub(pods(VerbExec, "team-a", "x"), "exec"), "readonly role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := authority(t, c.spec).Check(c.subject, c.request)
			if got := outcome(err); got != c.want {
				t.Errorf("%s %s: got %s, want %s", c.subject.Name, c.request, got, c.want)
			}
		})
	}
	_, err := authority(t, role).Check(Subject{Name: "olga"}, pods(VerbScale, "team-a", "x"))
	var e *Error
	if !errors.As(err, &e) || e.Role != RoleOperator {
		t.Errorf("error does not name the role: %+v", e)
	}
}

// TestA15_ReadOnlyAllowsNothingButReading goes through every verb, so that a new one cannot be forgotten.
func TestA15_ReadOnlyAllowsNothingButReading(t *testing.T) {
	spec := house()
	spec.ReadOnly = true
	a := authority(t, spec)
	for _, v := range Verbs() {
		_, err := a.Check(Subject{Name: "ada"}, pods(v, "team-a", "x"))
		if reading := v.Effect() == EffectRead; (err == nil) != reading || !reading && !errors.Is(err, ErrReadOnly) {
			t.Errorf("read-only, %s: %v", v, err)
		}
	}
}

func TestNothingIsOfferedInReadOnlyMode(t *testing.T) {
	spec := house()
	olga, freya := Subject{Name: "olga"}, Subject{Name: "freya"}
	for _, c := range []struct {
		name string
		edit func(*PolicySpec)
		want bool
	}{
		{"as usual", func(*PolicySpec) {}, true},
		{"server", func(s *PolicySpec) { s.ReadOnly = true }, false},
		{"cluster", func(s *PolicySpec) { s.ReadOnlyClusters = map[string]bool{"production": true} }, false},
		{"another cluster", func(s *PolicySpec) { s.ReadOnlyClusters = map[string]bool{"staging": true} }, true},
	} {
		spec.ReadOnly, spec.ReadOnlyClusters = false, nil
		c.edit(&spec)
		a := authority(t, spec)
		if got := a.Somewhere(olga, pods(VerbDelete, "", "")); got != c.want {
			t.Errorf("%s: delete is offered: %v", c.name, got)
		}
		if a.Somewhere(freya, pods(VerbDelete, "", "")) || !a.Somewhere(freya, pods(VerbGet, "", "")) {
			t.Errorf("%s: a read-only role is offered something else than reading", c.name)
		}
	}
	if New().Somewhere(olga, pods(VerbGet, "", "")) || authority(t, spec).Somewhere(olga, Request{}) {
		t.Error("something is offered without a policy or a request")
	}
}

func TestBindingExpires(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := user("tom", RoleViewer, nil, nil)
	b.Expires = now.Add(time.Hour)
	a := authority(t, PolicySpec{Bindings: []Binding{b}})
	a.now = func() time.Time { return now }
	for _, c := range []struct {
		at   time.Duration
		want string
	}{{0, "ok"}, {time.Hour - 1, "ok"}, {time.Hour, "hidden"}, {2 * time.Hour, "hidden"}} {
		start := now
		now = now.Add(c.at)
		_, err := a.Check(Subject{Name: "tom"}, pods(VerbGet, "a", "x"))
		if got := outcome(err); got != c.want {
			t.Errorf("after %v: %s", c.at, got)
		}
		if sees := a.SeesCluster(Subject{Name: "tom"}, "production"); sees != (c.want == "ok") {
			t.Errorf("after %v: sees cluster = %v", c.at, sees)
		}
		now = start
	}
}

func TestTokenIsCutToItsRole(t *testing.T) {
	a := authority(t, house())
	for _, c := range []struct {
		owner, role string
		request     Request
		want        string
	}{
		{"ada", "", pods(VerbDelete, "team-a", "x"), "ok"},
		{"ada", RoleViewer, pods(VerbGet, "team-a", "x"), "ok"},
		{"ada", RoleViewer, pods(VerbDelete, "team-a", "x"), "forbidden"},
		{"ada", RoleViewer, tiga(VerbAdmin, "users", ""), "forbidden"},
		{"vera", RoleAdmin, pods(VerbDelete, "team-a", "x"), "forbidden"}, // a role does not add
		{"nina", RoleViewer, pods(VerbGet, "other", "x"), "hidden"},
		{"nina", RoleViewer, pods(VerbGet, "team-a", "x"), "ok"},
		{"ada", "no-such-role", pods(VerbGet, "team-a", "x"), "hidden"},
	} {
		_, err := a.Check(Subject{Name: c.owner, TokenRole: c.role}, c.request)
		if got := outcome(err); got != c.want {
			t.Errorf("%s with a token of %q, %s: got %s, want %s", c.owner, c.role, c.request, got, c.want)
		}
	}
	p, err := a.Check(Subject{Name: "nina", TokenRole: RoleViewer}, pods(VerbList, "", ""))
	if err != nil || p.Sees("other", "x") || !p.Sees("team-a", "x") {
		t.Errorf("list through a token: %v", err)
	}
}

// TestNamedRulesDoNotGrantTheUnnamed: a right to one object is no right to create any.
func TestNamedRulesDoNotGrantTheUnnamed(t *testing.T) {
	a := authority(t, PolicySpec{
		Roles: []Role{
			{Name: "one", Rules: []Rule{{Resources: []string{"pods"}, Names: []string{"x"}, Verbs: []Verb{VerbGet, VerbList, VerbCreate}}}},
			{Name: "but", Rules: []Rule{
				{Resources: []string{"pods"}, Verbs: []Verb{VerbGet, VerbList, VerbCreate}},
				{Deny: true, Resources: []string{"pods"}, Names: []string{"x"}, Verbs: []Verb{VerbAny}},
			}},
		},
		Bindings: []Binding{user("one", "one", nil, nil), user("but", "but", nil, nil)},
	})
	for _, c := range []struct {
		who     string
		request Request
		want    string
	}{
		{"one", pods(VerbCreate, "a", "x"), "ok"},
		{"one", pods(VerbCreate, "a", "y"), "hidden"},
		{"one", pods(VerbCreate, "a", ""), "hidden"},
		{"but", pods(VerbCreate, "a", "y"), "ok"},
		{"but", pods(VerbCreate, "a", ""), "hidden"}, // the name might turn out to be x
		{"but", pods(VerbCreate, "", "y"), "ok"},
	} {
		_, err := a.Check(Subject{Name: c.who}, c.request)
		if got := outcome(err); got != c.want {
			t.Errorf("%s: %s: got %s, want %s", c.who, c.request, got, c.want)
		}
	}
	p, err := a.Check(Subject{Name: "one"}, pods(VerbList, "", ""))
	if err != nil || !p.Sees("a", "x") || p.Sees("a", "y") {
		t.Errorf("list of named: %v", err)
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	a := authority(t, house())
	for name, r := range map[string]Request{
		"no resource":            {Cluster: "production", Verb: VerbGet, Name: "x"},
		"no verb":                {Cluster: "production", Resource: "pods", Name: "x"},
		"unknown verb":           {Cluster: "production", Resource: "pods", Name: "x", Verb: "steal"},
		"the star":               {Cluster: "production", Resource: "pods", Name: "x", Verb: VerbAny},
		"cluster-scoped with ns": {Cluster: "production", Resource: "nodes", Namespace: "a", Name: "x", Verb: VerbGet},
		"Tiga with namespaces":   {Group: TigaGroup, Resource: "users", Namespace: "a", Namespaced: true, Name: "x", Verb: VerbGet},
	} {
		if _, err := a.Check(Subject{Name: "ada"}, r); err == nil {
			t.Errorf("%s is allowed", name)
		}
	}
}

func TestWatchTellsOfEachChange(t *testing.T) {
	a := New()
	changes, stop := a.Watch()
	other, stopOther := a.Watch()
	defer stopOther()
	set := func(version int64) {
		spec := house()
		spec.Version = version
		p, err := NewPolicy(spec)
		if err != nil {
			t.Fatal(err)
		}
		a.Set(p)
	}
	set(1)
	set(2) // joined with the first
	<-changes
	<-other
	select {
	case <-changes:
		t.Error("two changes were not joined")
	default:
	}
	set(1) // overtaken
	if a.Version() != 2 {
		t.Errorf("an older policy came back: %d", a.Version())
	}
	stop()
	set(3)
	select {
	case <-changes:
		t.Error("told after stop")
	default:
	}
	<-other
}

func TestRecords(t *testing.T) {
	a := authority(t, house())
	who := Subject{UserID: 3, Name: "olga", AuthMethod: "password", TokenID: 9}
	p, err := a.Check(who, pods(VerbScale, "team-a", "x"))
	if err != nil {
		t.Fatal(err)
	}
	want := Record{
		ActorID: 3, ActorName: "olga", AuthMethod: "password", TokenID: 9, Cluster: "production", Resource: "pods",
		Namespace: "team-a", Name: "x", Verb: VerbScale, Effect: EffectWrite, Class: ClassA, Decision: DecisionAllow,
		Rule: "operator#0", PolicyVersion: 7,
	}
	if diff := cmp.Diff(want, p.Record()); diff != "" {
		t.Error(diff)
	}
	_, err = a.Check(who, pods(VerbReveal, "team-a", "x"))
	rec, ok := RefusalRecord(err)
	want.Verb, want.Effect, want.Class, want.Decision, want.Rule, want.Reason = VerbReveal, EffectReveal, ClassB, DecisionDeny, "", "forbidden"
	if diff := cmp.Diff(want, rec); diff != "" || !ok {
		t.Error(diff)
	}
	spec := house()
	spec.ReadOnly = true
	_, err = authority(t, spec).Check(who, pods(VerbScale, "team-a", "x"))
	if rec, _ := RefusalRecord(err); rec.Reason != "read_only_server" || !rec.ReadOnly {
		t.Errorf("%+v", rec)
	}
	if _, ok := RefusalRecord(errors.New("x")); ok {
		t.Error("any error is a refusal")
	}
}

func TestEffectsAndClasses(t *testing.T) {
	for _, v := range Verbs() {
		e := v.Effect()
		if e == EffectNone || e.String() == "none" {
			t.Errorf("%s has no effect", v)
		}
		if want := map[bool]Class{true: ClassNone, false: ClassA}[e == EffectRead]; e.Class() != want {
			t.Errorf("%s is of class %d", v, e.Class())
		}
	}
	if VerbAny.Effect() != EffectNone || Verb("").Effect() != EffectNone || EffectNone.Class() != ClassA || EffectNone.String() != "none" {
		t.Error("what is no verb has an effect")
	}
	seen := map[verbSet]bool{}
	for _, v := range Verbs() {
		if seen[v.bit()] || v.bit() == 0 {
			t.Errorf("%s shares its bit", v)
		}
		seen[v.bit()] = true
	}
	if bits(Verbs()...) != everyVerb || !slices.Equal(Verbs(), Verbs()) {
		t.Error("everyVerb is not every verb")
	}
}

func TestErrorSaysWhatIsMissing(t *testing.T) {
	a := authority(t, house())
	_, err := a.Check(Subject{Name: "nina"}, nodes(VerbList, ""))
	if got, want := err.Error(), "no right: list nodes in cluster production"; got != want {
		t.Errorf("got %q", got)
	}
	r := sub(pods(VerbScale, "team-a", "x"), "scale")
	r.Group = "apps"
	_, err = a.Check(Subject{Name: "freya"}, r)
	if got, want := err.Error(), "read-only mode is enabled (role frozen): scale pods.apps/scale x in namespace team-a in cluster production"; got != want {
		t.Errorf("got %q", got)
	}
}
