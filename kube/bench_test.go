package kube

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// BenchmarkOverview is the overview and the troubles of a cluster with 10,000 pods, from memory.
func BenchmarkOverview(b *testing.B) {
	objects := make([]kruntime.Object, 0, 10_000)
	for i := range 10_000 {
		phase := corev1.PodRunning
		if i%100 == 0 {
			phase = corev1.PodFailed
		}
		objects = append(objects, pod(fmt.Sprintf("ns-%d", i%50), fmt.Sprintf("pod-%d", i), phase))
	}
	s := kubetest.New(b, kubetest.Options{Objects: objects})
	got, err := kubeconfig.Parse(s.Kubeconfig(), kubeconfig.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	f := NewFleet(b.Context(), Config{})
	defer func() { _ = f.Close(b.Context()) }()
	if err := f.Set(Spec{ID: 1, Name: "one", Enabled: true, Credentials: got[0].Credentials}); err != nil {
		b.Fatal(err)
	}
	c, err := f.Cluster(1)
	if err != nil {
		b.Fatal(err)
	}
	policy, err := access.NewPolicy(access.PolicySpec{Version: 1, Roles: access.BuiltInRoles(), Bindings: []access.Binding{
		{ID: 1, SubjectKind: access.SubjectUser, Subject: "root", Role: access.RoleAdmin},
	}})
	if err != nil {
		b.Fatal(err)
	}
	a := access.New()
	a.Set(policy)
	permits := Permits{}
	for _, id := range OverviewKinds() {
		k, _ := kinds.Lookup(id)
		p, err := a.Check(access.Subject{UserID: 1, Name: "root"}, access.Request{
			Cluster: "one", Group: k.GVR.Group, Resource: k.GVR.Resource, Namespaced: k.Namespaced, Verb: access.VerbList,
		})
		if err != nil {
			b.Fatal(err)
		}
		permits[id] = p
		for {
			page, err := c.List(b.Context(), p, cache.Query{Kind: k})
			if err != nil {
				b.Fatal(err)
			}
			if page.Freshness.Synced {
				break
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if o := c.Overview(permits); len(o.Pods) == 0 {
			b.Fatal("no pods")
		}
		if len(c.Troubles(permits)) == 0 {
			b.Fatal("no troubles")
		}
	}
}
