package access

import (
	"fmt"
	"testing"
)

// company is a policy of a size that a large company would have; the user asked about has 24 bindings.
func company(b *testing.B) *Authority {
	b.Helper()
	spec := PolicySpec{Version: 1}
	for i := range 40 {
		spec.Roles = append(spec.Roles, Role{Name: fmt.Sprintf("role-%d", i), Rules: []Rule{
			{Clusters: []string{"prod*"}, Groups: []string{"", "apps"}, Resources: []string{"pods", "deployments"}, Verbs: []Verb{VerbGet, VerbList, VerbWatch}},
			{Resources: []string{"*"}, Names: []string{"web-*", "api-?"}, Verbs: []Verb{VerbAny}},
			{Deny: true, Namespaces: []string{"kube-*"}, Resources: []string{"secrets"}, Verbs: []Verb{VerbAny}},
			{Groups: []string{TigaGroup}, Resources: []string{"clusters"}, Verbs: []Verb{VerbGet}},
		}})
	}
	for i := range 2000 {
		spec.Bindings = append(spec.Bindings, Binding{
			SubjectKind: SubjectGroup, Subject: fmt.Sprintf("group-%d", i%500), Role: fmt.Sprintf("role-%d", i%40),
			Clusters: []string{"production", "staging"}, Namespaces: []string{fmt.Sprintf("team-%d", i%500), "shared-*"},
		})
	}
	return authority(b, spec)
}

var member = Subject{UserID: 1, Name: "u", Groups: []string{"group-1", "group-2", "group-3", "group-4", "group-5", "group-6"}}

func BenchmarkCheck(b *testing.B) {
	a := company(b)
	for name, r := range map[string]Request{
		"allowed":  pods(VerbGet, "team-3", "web-7"),
		"refused":  pods(VerbDelete, "team-3", "db-7"),
		"hidden":   pods(VerbGet, "elsewhere", "x"),
		"list":     pods(VerbList, "", ""),
		"tigaself": tiga(VerbGet, "users", "17"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Check(member, r)
			}
		})
	}
	b.Run("admin", func(b *testing.B) {
		a := authority(b, house())
		b.ReportAllocs()
		for b.Loop() {
			_, _ = a.Check(Subject{Name: "ada"}, pods(VerbGet, "team-a", "x"))
		}
	})
}

// BenchmarkFilter10000 is a list of 10,000 rows in 500 namespaces, with a permit made anew each time.
func BenchmarkFilter10000(b *testing.B) {
	a := company(b)
	namespaces, names := make([]string, 500), make([]string, 20)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("team-%d", i)
	}
	for i := range names {
		names[i] = fmt.Sprintf("web-%d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := a.Check(member, pods(VerbList, "", ""))
		if err != nil {
			b.Fatal(err)
		}
		for i := range 10000 {
			p.Sees(namespaces[i%500], names[i%20])
		}
	}
}
