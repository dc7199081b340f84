package kube

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// TestFR1_8_ADefinitionAppearsAndVanishes: within a moment its kind is there, with its list, and pages are told.
func TestFR1_8_ADefinitionAppearsAndVanishes(t *testing.T) {
	discoveries(t, kubetest.Options{}, func(t *testing.T, s *shop) {
		if e := s.noKind(t, widgets); e.Kind != KindNotFound || e.Reason.ID != "cluster.no_definition" || e.Reason.Args["Definition"] != widgets {
			t.Errorf("before: %v, %+v", e, e.Reason)
		}
		pass(time.Second)
		sub := s.hub.Subscribe(live.Kinds(1))
		defer sub.Close()
		crd := widgetCRD("v1,v1beta1", column("Size", "integer", ".spec.size"))
		s.server.Add(crd, widget("a", 3))
		pass(100 * time.Millisecond)
		k := s.kind(t, widgets)
		if !signalled(sub) || !k.Custom || k.Name != "Widget" || k.GVR.Version != "v1" || !slices.Equal(k.Served, []string{"v1", "v1beta1"}) || k.Menu != kinds.MenuCustom {
			t.Errorf("the kind is %+v", k)
		}
		if !slices.Contains(s.Kinds(), k) {
			t.Error("the sidebar has no widgets")
		}
		page := s.page(t, k)
		if page.Total != 1 || page.Freshness.State != cache.Live || page.Rows[0].Cells[1].Num != 3 {
			t.Errorf("the list is %+v", page)
		}
		s.server.Delete(crd)
		pass(100 * time.Millisecond)
		if e := s.noKind(t, widgets); e.Kind != KindNotFound || e.Reason.ID != "cluster.no_definition" {
			t.Errorf("after: %v", e)
		}
		if !signalled(sub) || s.stats(widgets).Running || slices.Contains(s.Kinds(), k) {
			t.Errorf("the list goes on: %+v", s.stats(widgets))
		}
		s.server.Add(crd)
		pass(100 * time.Millisecond)
		if again := s.kind(t, widgets); s.page(t, again).Total != 0 || s.page(t, again).Freshness.State != cache.Live {
			t.Errorf("it came again with %+v", s.page(t, again))
		}
	})
}

// TestFR1_14_WhatWouldBringAKind is said of a kind that has a descriptor and is not there.
func TestFR1_14_WhatWouldBringAKind(t *testing.T) {
	inShop(t, kubetest.Options{}, func(t *testing.T, s *shop) {
		e := s.noKind(t, gateways)
		want := message("no_definition_of", "Definition", gateways, "Install", "Gateway API")
		if diff := cmp.Diff(want, e.Reason); e.Kind != KindNotFound || diff != "" {
			t.Errorf("%v: %s", e, diff)
		}
		if e := s.noKind(t, "nonsense"); e.Kind != KindNotFound || e.Reason.ID != "cluster.no_kind" {
			t.Errorf("a name that nothing has: %v", e)
		}
		s.server.Add(gatewayCRD("v1"))
		pass(100 * time.Millisecond)
		if static, _ := kinds.Lookup(gateways); s.kind(t, gateways) != static {
			t.Error("the descriptor is not used at its own version")
		}
	})
}

// TestFR1_15_AVersionThatNoDescriptorKnows is shown by what its definition says, and the page can tell why.
func TestFR1_15_AVersionThatNoDescriptorKnows(t *testing.T) {
	gateway := kubetest.Custom("gateway.networking.k8s.io/v2", "Gateway", "shop", "edge", nil)
	inShop(t, kubetest.Options{Objects: []kruntime.Object{gatewayCRD("v2"), gateway}}, func(t *testing.T, s *shop) {
		k := s.kind(t, gateways)
		if !k.Custom || k.GVR.Version != "v2" || !slices.Equal(k.Served, []string{"v2"}) || !slices.Equal(k.Known, []string{"v1", "v1beta1"}) || k.Menu != kinds.MenuNetwork {
			t.Errorf("the kind is %+v", k)
		}
		if page := s.page(t, k); page.Total != 1 || page.Freshness.State != cache.Live || page.Rows[0].Name != "edge" {
			t.Errorf("the list is %+v", page)
		}
	})
}

// TestAVersionThatIsNoLongerServed gives way to the next one that the descriptor reads, and the list goes on.
func TestAVersionThatIsNoLongerServed(t *testing.T) {
	crd := gatewayCRD("v1,v1beta1")
	gateway := kubetest.Custom("gateway.networking.k8s.io/v1", "Gateway", "shop", "edge", nil)
	inShop(t, kubetest.Options{Objects: []kruntime.Object{crd, gateway}}, func(t *testing.T, s *shop) {
		k := s.kind(t, gateways)
		if k.GVR.Version != "v1" || s.page(t, k).Total != 1 {
			t.Fatalf("the kind is %+v", k)
		}
		sub := s.hub.Subscribe(live.Kind(1, gateways))
		defer sub.Close()
		crd := crd.DeepCopy()
		crd.Spec.Versions[0].Served = false
		s.server.Update(crd)
		pass(100 * time.Millisecond)
		k = s.kind(t, gateways)
		if !signalled(sub) || k.Custom || k.GVR.Version != "v1beta1" {
			t.Errorf("the kind is %+v", k)
		}
		s.server.Reset()
		if page := s.page(t, k); page.Total != 1 || page.Freshness.State != cache.Live || s.since("/apis/gateway.networking.k8s.io/v1beta1/") == 0 || s.since("/apis/gateway.networking.k8s.io/v1/") > 0 {
			t.Errorf("the list is %+v by %s", page, paths(s.server.Requests()))
		}
	})
}

// TestColumnsThatChange begin the list again, and pages are told; another change of the definition does not.
func TestColumnsThatChange(t *testing.T) {
	crd := widgetCRD("v1", column("Size", "integer", ".spec.size"))
	inShop(t, kubetest.Options{Objects: []kruntime.Object{crd, widget("a", 3)}}, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		if s.page(t, k); !slices.Equal(columnsOf(k), []string{"status", "size", "age"}) {
			t.Fatalf("columns %v", columnsOf(k))
		}
		crd := crd.DeepCopy()
		crd.Labels = map[string]string{"team": "a"}
		s.server.Update(crd)
		pass(100 * time.Millisecond)
		if again := s.kind(t, widgets); again != k || s.stats(widgets).Relists != 1 {
			t.Errorf("a label of the definition made another kind: %+v", s.stats(widgets))
		}
		sub := s.hub.Subscribe(live.Kind(1, widgets))
		defer sub.Close()
		crd.Spec.Versions[0].AdditionalPrinterColumns = append(crd.Spec.Versions[0].AdditionalPrinterColumns, column("Colour", "string", ".spec.colour"))
		s.server.Update(crd)
		pass(100 * time.Millisecond)
		again := s.kind(t, widgets)
		if !signalled(sub) || !slices.Equal(columnsOf(again), []string{"status", "size", "colour", "age"}) || s.stats(widgets).Running {
			t.Errorf("columns %v, %+v", columnsOf(again), s.stats(widgets))
		}
		if page := s.page(t, again); page.Total != 1 || len(page.Rows[0].Cells) != 4 {
			t.Errorf("the list is %+v", page)
		}
	})
}

// TestADefinitionThatIsNotAccepted is not a kind: there is nothing to list.
func TestADefinitionThatIsNotAccepted(t *testing.T) {
	crd := widgetCRD("v1")
	crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionFalse}}
	inShop(t, kubetest.Options{Objects: []kruntime.Object{crd}}, func(t *testing.T, s *shop) {
		if e := s.noKind(t, widgets); e.Kind != KindNotFound {
			t.Errorf("not established: %v", e)
		}
		crd := crd.DeepCopy()
		crd.Status.Conditions[0].Status = apiextensionsv1.ConditionTrue
		s.server.Update(crd)
		pass(100 * time.Millisecond)
		s.kind(t, widgets)
	})
}

// TestKindsDoNotFlap: what nobody has looked at for long is released, and when it is used again, kinds and their lists
// are those of before.
func TestKindsDoNotFlap(t *testing.T) {
	inShop(t, kubetest.Options{Objects: []kruntime.Object{widgetCRD("v1", column("Size", "integer", ".spec.size")), widget("a", 3)}}, func(t *testing.T, s *shop) {
		k := s.kind(t, widgets)
		order := s.Kinds()
		for range 20 {
			s.page(t, k) // a page that asks for its rows and not for its kind
			pass(time.Minute)
		}
		if s.stats(Definitions).Running {
			t.Fatal("the definitions are still watched")
		}
		sub := s.hub.Subscribe(live.Kinds(1), live.Kind(1, widgets))
		defer sub.Close()
		for range 100 {
			if again := s.kind(t, widgets); again != k {
				t.Fatal("it became another kind")
			}
			time.Sleep(time.Millisecond)
		}
		pass(10 * time.Second)
		if !slices.Equal(order, s.Kinds()) || signalled(sub) || s.stats(widgets).Relists != 1 || !s.stats(Definitions).Running {
			t.Errorf("it flapped: %+v", s.Stats())
		}
		s.server.Script(kubetest.On("/apis/apiextensions.k8s.io/", kubetest.Status(500, metav1.StatusReasonInternalError, "etcd is away")))
		s.server.CloseConnections()
		pass(5 * time.Minute)
		if again := s.kind(t, widgets); again != k {
			t.Error("it became another kind because definitions could not be read")
		}
	})
}

// TestDiscoveryThatLagsBehind the definitions does not bring back what is gone.
func TestDiscoveryThatLagsBehind(t *testing.T) {
	crd := widgetCRD("v1")
	o := kubetest.Options{
		Objects: []kruntime.Object{crd},
		Extra:   []kubetest.Extra{{Group: "example.com", Version: "v1", Resource: "widgets", Kind: "Widget", Namespaced: true}}, // listed for ever
	}
	inShop(t, o, func(t *testing.T, s *shop) {
		s.kind(t, widgets)
		s.server.Delete(crd)
		pass(time.Second)
		if e := s.noKind(t, widgets); e.Kind != KindNotFound {
			t.Errorf("it stays: %v", e)
		}
		s.server.Add(kubetest.Definition("example.com", "others", "Other", apiextensionsv1.ClusterScoped, "v1"))
		pass(discoverEvery)
		s.kind(t, "others.example.com")
		pass(time.Second)
		if e := s.noKind(t, widgets); e.Kind != KindNotFound {
			t.Errorf("it came back: %v", e)
		}
		pass(discoveryLag)
		s.Kinds()
		pass(time.Second)
		s.kind(t, widgets) // by now it is something else that serves it
	})
}

// TestAnOldServer serves less, which is said in words, and other versions, which is seen.
func TestAnOldServer(t *testing.T) {
	o := kubetest.Options{
		Version: "v1.24.17", NoAggregatedDiscovery: true, NoWatchList: true, NoSelfSubjectReview: true,
		Without: []string{"validatingadmissionpolicies.admissionregistration.k8s.io", "flowschemas.flowcontrol.apiserver.k8s.io"},
		Extra:   []kubetest.Extra{{Group: "flowcontrol.apiserver.k8s.io", Version: "v1beta1", Resource: "flowschemas", Kind: "FlowSchema"}},
		Objects: []kruntime.Object{pod("shop", "p", corev1.PodRunning)},
	}
	inShop(t, o, func(t *testing.T, s *shop) {
		pods := s.kind(t, "pods")
		if page := s.page(t, pods); page.Total != 1 || page.Freshness.State != cache.Live {
			t.Errorf("pods are %+v", page)
		}
		pass(time.Second)
		if e := s.noKind(t, "validatingadmissionpolicies.admissionregistration.k8s.io"); e.Kind != KindNotFound || e.Reason.ID != "cluster.no_kind" {
			t.Errorf("policies: %v, %+v", e, e.Reason)
		}
		if slices.ContainsFunc(s.Kinds(), func(k *kinds.Kind) bool { return k.Name == "ValidatingAdmissionPolicy" }) {
			t.Error("the sidebar has policies")
		}
		k := s.kind(t, "flowschemas.flowcontrol.apiserver.k8s.io")
		if !k.Custom || k.GVR.Version != "v1beta1" || !slices.Equal(k.Known, []string{"v1"}) || k.Menu == kinds.MenuCustom {
			t.Errorf("flow schemas are %+v", k)
		}
	})
}

// TestNothingIsAskedWhileNobodyLooks, and one look answers many questions.
func TestNothingIsAskedWhileNobodyLooks(t *testing.T) {
	inShop(t, kubetest.Options{Objects: []kruntime.Object{widgetCRD("v1")}}, func(t *testing.T, s *shop) {
		pass(10 * time.Minute)
		if n := s.since("/api"); s.since("/apis") > 0 || s.stats(Definitions).Running {
			t.Errorf("%d requests before anybody asked: %s", n, paths(s.server.Requests()))
		}
		s.server.Script(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/apis" {
				time.Sleep(time.Second) // while others ask
			}
			return false
		})
		for range 1000 {
			s.Kinds()
			time.Sleep(10 * time.Millisecond)
		}
		looks := 0
		for _, r := range s.server.Requests() {
			if r.Path == "/apis" {
				looks++
			}
		}
		if looks != 1 {
			t.Errorf("%d looks for a thousand questions", looks)
		}
		pass(10 * time.Minute)
		s.server.Reset()
		pass(time.Hour / 2)
		for _, r := range s.server.Requests() {
			if r.Path != "/version" && !strings.HasSuffix(r.Path, "/nodes") && !strings.HasSuffix(r.Path, "/pods") {
				t.Errorf("asked while nobody looks: %s", r)
			}
		}
	})
}
