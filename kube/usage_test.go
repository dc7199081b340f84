package kube

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

// metricsServer are the kinds that a metrics-server brings.
func metricsServer() []kubetest.Extra {
	return []kubetest.Extra{
		{Group: usageGroup, Version: "v1beta1", Resource: "pods", Kind: "PodMetrics", Namespaced: true},
		{Group: usageGroup, Version: "v1beta1", Resource: "nodes", Kind: "NodeMetrics"},
	}
}

// podUsage is what metrics-server says of a pod with one container for each pair of cpu and memory.
func podUsage(namespace, name string, amounts ...[2]string) *unstructured.Unstructured {
	var containers []any
	for _, a := range amounts {
		containers = append(containers, map[string]any{"name": "c", "usage": map[string]any{"cpu": a[0], "memory": a[1]}})
	}
	return kubetest.Custom(usageGroup+"/v1beta1", "PodMetrics", namespace, name, map[string]any{"containers": containers})
}

func TestUsageIsReadWhileSomebodyLooks(t *testing.T) {
	o := kubetest.Options{Extra: metricsServer()}
	inShop(t, o, func(t *testing.T, s *shop) {
		pods, nodes := s.kind(t, "pods"), s.kind(t, "nodes")
		pass(time.Second)
		s.server.Add(
			podUsage("shop", "web-1", [2]string{"250m", "64Mi"}, [2]string{"1500000n", "1024Ki"}), podUsage("pay", "bank-1", [2]string{"1", "1Gi"}),
			kubetest.Custom(usageGroup+"/v1beta1", "NodeMetrics", "", "p-1", map[string]any{"usage": map[string]any{"cpu": "3", "memory": "8Gi"}}),
		)
		reads := func() int { return s.since("/apis/metrics.k8s.io/v1beta1/pods") }
		look := func(k *kinds.Kind, namespace, name string) (Usage, bool) {
			t.Helper()
			if _, ok := s.Measured(k); !ok {
				t.Fatalf("nothing measures %s", k.ID())
			}
			usage, err := s.Usage(s.permit(t, "root", "one", k, access.VerbMetrics, "", ""), k)
			if err != nil {
				t.Fatal(err)
			}
			return usage(&kinds.Row{Namespace: namespace, Name: name})
		}
		if n := reads(); n != 0 {
			t.Errorf("%d readings that nobody asked for", n)
		}
		sub := s.hub.Subscribe(live.Kind(1, "pods"))
		defer sub.Close()
		look(pods, "shop", "web-1") // begins to read and does not wait
		pass(time.Second)
		select {
		case <-sub.C():
		default:
			t.Error("whoever shows pods is not told")
		}
		for range 5 {
			look(pods, "shop", "web-1")
		}
		got, _ := look(pods, "shop", "web-1")
		if diff := cmp.Diff(Usage{CPU: 0.2515, Memory: 65 << 20}, got); diff != "" {
			t.Errorf("web-1 (-want +got):\n%s", diff)
		}
		if got, ok := look(pods, "shop", "web-2"); ok {
			t.Errorf("what is not measured takes %v", got)
		}
		look(nodes, "", "p-1")
		pass(time.Second)
		if got, _ := look(nodes, "", "p-1"); got != (Usage{3, 8 << 30}) {
			t.Errorf("p-1 takes %v", got)
		}
		if n := reads(); n != 1 {
			t.Errorf("%d readings for everybody, want 1", n)
		}
		// Somebody looked since: one more, and then no more.
		s.server.Update(podUsage("shop", "web-1", [2]string{"2", "1Gi"}))
		pass(2 * usageEvery)
		if n := reads(); n != 2 {
			t.Errorf("%d readings after a while, want 2", n)
		}
		pass(10 * usageEvery)
		if n := reads(); n != 2 {
			t.Errorf("%d readings after nobody looked, want 2", n)
		}
		if got, _ := look(pods, "shop", "web-1"); got != (Usage{2, 1 << 30}) {
			t.Errorf("web-1 takes %v now", got)
		}
	})
}

func TestUsageGoesWhenItCannotBeRead(t *testing.T) {
	inShop(t, kubetest.Options{Extra: metricsServer()}, func(t *testing.T, s *shop) {
		pods := s.kind(t, "pods")
		pass(time.Second)
		s.server.Add(podUsage("shop", "web-1", [2]string{"1", "1Gi"}))
		look := func() bool {
			usage, err := s.Usage(s.permit(t, "root", "one", pods, access.VerbMetrics, "", ""), pods)
			if err != nil {
				t.Fatal(err)
			}
			_, ok := usage(&kinds.Row{Namespace: "shop", Name: "web-1"})
			return ok
		}
		look()
		pass(time.Second)
		s.server.Script(kubetest.On("/apis/metrics.k8s.io/v1beta1/pods", kubetest.Garbage("text/html", "<h1>no")))
		look()
		pass(usageEvery)
		if !look() {
			t.Fatal("one failed reading takes the figures away")
		}
		for range 8 {
			look()
			pass(usageEvery)
		}
		if look() {
			t.Errorf("figures older than %s are shown", usageKept)
		}
	})
}

// TestA10_UsageGoesThroughThePermit proves that figures are given for what the permit shows, and none for another permit.
func TestA10_UsageGoesThroughThePermit(t *testing.T) {
	inShop(t, kubetest.Options{Extra: metricsServer()}, func(t *testing.T, s *shop) {
		pods, deployments := s.kind(t, "pods"), s.kind(t, "deployments.apps")
		pass(time.Second)
		if _, ok := s.Measured(deployments); ok {
			t.Error("deployments are measured")
		}
		if usage, err := s.Usage(s.permit(t, "root", "one", pods, access.VerbList, "", ""), pods); err == nil || usage != nil {
			t.Errorf("a permit to list pods shows what they take: %v", err)
		}
		if usage, err := s.Usage(s.permit(t, "root", "one", s.kind(t, "nodes"), access.VerbMetrics, "", ""), pods); err == nil || usage != nil {
			t.Errorf("a permit for nodes shows what pods take: %v", err)
		}
		if usage, err := s.Usage(access.Permit{}, pods); err == nil || usage != nil {
			t.Errorf("no permit shows what pods take: %v", err)
		}
	})
	inShop(t, kubetest.Options{}, func(t *testing.T, s *shop) {
		pods := s.kind(t, "pods")
		pass(time.Second)
		if _, ok := s.Measured(pods); ok {
			t.Error("pods are measured where no metrics-server is")
		}
		if _, err := s.Usage(access.Permit{}, pods); !errors.Is(err, ErrNotFound) {
			t.Errorf("without a metrics-server: %v", err)
		}
	})
}
