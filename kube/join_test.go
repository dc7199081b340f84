package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// TestServiceWithoutEndpointsIsSeenEverywhere: in the list, in its counts, and on its page, also by somebody who may not
// see EndpointSlices.
func TestServiceWithoutEndpointsIsSeenEverywhere(t *testing.T) {
	ready := false
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app": "web"}},
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{service, slice}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	policy, err := access.NewPolicy(access.PolicySpec{
		Version: 2,
		Roles: []access.Role{{Name: "services", Rules: []access.Rule{
			{Resources: []string{"services"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}},
		}}},
		Bindings: []access.Binding{{ID: 1, SubjectKind: access.SubjectUser, Subject: "sam", Role: "services", Namespaces: []string{"shop"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.authority.Set(policy)
	k := kindOf(t, "services")
	list := r.permit(t, "sam", "one", k, access.VerbList, "", "")
	get := r.permit(t, "sam", "one", k, access.VerbGet, "shop", "web")
	sub := c.cfg.Hub.Subscribe(live.Kind(1, k.ID()))
	defer sub.Close()

	want := func(word string) {
		t.Helper()
		limit := time.After(2 * time.Minute)
		for {
			o, err := c.Get(t.Context(), get, k, "shop", "web")
			if err != nil {
				t.Fatal(err)
			}
			if d := o.Detail(); d.Row.Status.Word == word {
				row, ok := c.Row(list, k, "shop", "web")
				if !ok || row.Status.Word != word || o.Row().Status.Word != word {
					t.Errorf("its page says %s and its list %+v", word, row)
				}
				return
			}
			select {
			case <-sub.C():
			case <-limit:
				t.Fatalf("the service is %+v, never %s", o.Row().Status, word)
			}
		}
	}
	want(kinds.WordNoEndpoints)
	if n, known := c.Counts(list, k); !known || n != (Counts{Total: 1, Trouble: 1}) {
		t.Errorf("counted %v, %v", n, known)
	}
	slice = slice.DeepCopy()
	*slice.Endpoints[0].Conditions.Ready = true
	s.Update(slice)
	want("Ready")
}
