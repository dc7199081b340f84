package access

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fields(err error) []string {
	var out []string
	for _, f := range FieldErrors(err) {
		out = append(out, f.Field+" "+f.ID)
	}
	return out
}

func TestValidateRoleSaysEverythingThatIsWrong(t *testing.T) {
	good := Rule{Resources: []string{"pods"}, Verbs: []Verb{VerbGet}}
	with := func(change func(*Rule)) Role {
		rule := good
		change(&rule)
		return Role{Name: "r", Rules: []Rule{good, rule}}
	}
	for name, c := range map[string]struct {
		role Role
		want []string
	}{
		"good":              {Role{Name: "team-a.deployers_1", Rules: []Rule{good}}, nil},
		"no rules":          {Role{Name: "r"}, nil},
		"core group":        {with(func(r *Rule) { r.Groups = []string{""} }), nil},
		"RBAC name":         {with(func(r *Rule) { r.Names = []string{"system:node"} }), nil},
		"no name":           {Role{}, []string{"name access.invalid_role_name"}},
		"upper case":        {Role{Name: "Admins"}, []string{"name access.invalid_role_name"}},
		"long name":         {Role{Name: strings.Repeat("a", 64)}, []string{"name access.invalid_role_name"}},
		"takes built-in":    {Role{Name: RoleViewer, Rules: []Rule{good}}, []string{"name access.invalid_builtin_name"}},
		"built-in":          {Role{Name: RoleViewer, BuiltIn: true, ReadOnly: true}, nil},
		"no such built-in":  {Role{Name: "root", BuiltIn: true}, []string{"name access.invalid_not_builtin"}},
		"admin read-only":   {Role{Name: RoleAdmin, BuiltIn: true, ReadOnly: true}, []string{"readOnly access.invalid_admin_readonly"}},
		"long description":  {Role{Name: "r", Description: strings.Repeat("a", 257)}, []string{"description access.invalid_long"}},
		"too many rules":    {Role{Name: "r", Rules: make([]Rule, 101)}, []string{"rules access.invalid_many"}},
		"empty rule":        {Role{Name: "r", Rules: []Rule{{}}}, []string{"rules[0].resources access.invalid_empty", "rules[0].verbs access.invalid_empty"}},
		"unknown verb":      {with(func(r *Rule) { r.Verbs = []Verb{VerbGet, "fly"} }), []string{"rules[1].verbs[1] access.invalid_verb"}},
		"empty pattern":     {with(func(r *Rule) { r.Clusters = []string{""} }), []string{"rules[1].clusters[0] access.invalid_pattern_empty"}},
		"space":             {with(func(r *Rule) { r.Namespaces = []string{"a "} }), []string{"rules[1].namespaces[0] access.invalid_pattern"}},
		"list in a pattern": {with(func(r *Rule) { r.Namespaces = []string{"a,b"} }), []string{"rules[1].namespaces[0] access.invalid_pattern"}},
		"control":           {with(func(r *Rule) { r.Names = []string{"a\x00b"} }), []string{"rules[1].names[0] access.invalid_pattern"}},
		"slash":             {with(func(r *Rule) { r.Groups = []string{"apps/v1"} }), []string{"rules[1].groups[0] access.invalid_pattern"}},
		"long pattern":      {with(func(r *Rule) { r.Names = []string{strings.Repeat("a", 254)} }), []string{"rules[1].names[0] access.invalid_long"}},
		"kind, not plural":  {with(func(r *Rule) { r.Resources = []string{"Pod"} }), []string{"rules[1].resources[0] access.invalid_resource"}},
		"two slashes":       {with(func(r *Rule) { r.Resources = []string{"a/b/c"} }), []string{"rules[1].resources[0] access.invalid_resource"}},
		"many names":        {with(func(r *Rule) { r.Names = slices.Repeat([]string{"a"}, 101) }), []string{"rules[1].names access.invalid_many"}},
		"many groups":       {with(func(r *Rule) { r.Groups = slices.Repeat([]string{"a"}, 101) }), []string{"rules[1].groups access.invalid_many"}},
		"Tiga in a namespace": {
			with(func(r *Rule) { r.Groups, r.Namespaces = []string{TigaGroup}, []string{"a"} }),
			[]string{"rules[1].namespaces access.invalid_tiga_namespaces"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := ValidateRole(c.role)
			if diff := cmp.Diff(c.want, fields(err)); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			if (err == nil) != (c.want == nil) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestValidateBinding(t *testing.T) {
	for name, c := range map[string]struct {
		binding Binding
		want    []string
	}{
		"good":          {user("ann", "r", []string{"prod-*"}, []string{"a"}), nil},
		"nothing":       {Binding{}, []string{"subjectKind access.invalid_subject_kind", "subject access.invalid_subject", "role access.invalid_role"}},
		"padded":        {user(" ann", "r", nil, nil), []string{"subject access.invalid_pattern"}},
		"long":          {user(strings.Repeat("a", 257), "r", nil, nil), []string{"subject access.invalid_long"}},
		"empty cluster": {user("ann", "r", []string{""}, nil), []string{"clusters[0] access.invalid_pattern_empty"}},
		"bad namespace": {user("ann", "r", nil, []string{"a/b"}), []string{"namespaces[0] access.invalid_pattern"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, fields(ValidateBinding(c.binding))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewPolicyRefusesWhatIsNotValid(t *testing.T) {
	for name, spec := range map[string]PolicySpec{
		"bad role":        {Roles: []Role{{Name: "r", Rules: []Rule{{}}}}},
		"same name twice": {Roles: []Role{{Name: "r"}, {Name: "r"}}},
		"bad binding":     {Bindings: []Binding{{}}},
		"unknown role":    {Bindings: []Binding{user("ann", "gone", nil, nil)}},
		"takes built-in":  {Roles: []Role{{Name: RoleAdmin}}},
	} {
		if p, err := NewPolicy(spec); err == nil || p != nil {
			t.Errorf("%s: policy %v, error %v", name, p, err)
		}
	}
}

// TestBuiltInRolesAreTheProgramsOwn: a row of the store that says built in cannot change its rules.
func TestBuiltInRolesAreTheProgramsOwn(t *testing.T) {
	a := authority(t, PolicySpec{
		Roles:    []Role{{Name: RoleViewer, BuiltIn: true, Rules: []Rule{{Resources: []string{"*"}, Verbs: Verbs()}}}},
		Bindings: []Binding{user("vera", RoleViewer, nil, nil)},
	})
	if _, err := a.Check(Subject{Name: "vera"}, pods(VerbReveal, "a", "x")); err == nil {
		t.Error("the store gave the viewer a right")
	}
	if _, err := a.Check(Subject{Name: "vera"}, pods(VerbGet, "a", "x")); err != nil {
		t.Errorf("the viewer cannot view: %v", err)
	}
}

func TestRulesSurviveJSON(t *testing.T) {
	for _, role := range append(BuiltInRoles(), house().Roles...) {
		b, err := json.Marshal(role)
		if err != nil {
			t.Fatal(err)
		}
		var back Role
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(role, back); diff != "" {
			t.Error(diff)
		}
	}
	b, err := json.Marshal(Rule{Deny: true, Namespaces: []string{"a"}, Resources: []string{"pods"}, Verbs: []Verb{VerbGet}})
	if want := `{"deny":true,"namespaces":["a"],"resources":["pods"],"verbs":["get"]}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
	bound := user("ann", "r", nil, nil)
	bound.Expires = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b, err = json.Marshal(bound)
	var back Binding
	if err != nil || json.Unmarshal(b, &back) != nil || !cmp.Equal(bound, back) {
		t.Errorf("binding: %s, %v", b, err)
	}
}

func TestFieldErrorsOfOtherErrors(t *testing.T) {
	if FieldErrors(nil) != nil || FieldErrors(errors.New("x")) != nil {
		t.Error("found field errors where there are none")
	}
}
