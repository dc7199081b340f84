package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// measuredKit is a kit whose production has a metrics-server.
func measuredKit(t *testing.T) *kit {
	t.Helper()
	k := newKit(t, kitConfig{empty: true})
	objects := shopObjects()
	for name, cpu := range map[string]string{"web-1": "30m", "web-2": "700m"} {
		objects = append(objects, kubetest.Custom("metrics.k8s.io/v1beta1", "PodMetrics", "shop", name, map[string]any{
			"containers": []any{map[string]any{"name": "main", "usage": map[string]any{"cpu": cpu, "memory": "100Mi"}}},
		}))
	}
	limited := testPod("shop", "web-2")
	limited.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("800m"), corev1.ResourceMemory: resource.MustParse("100Mi")}
	objects = slices.DeleteFunc(objects, func(o runtime.Object) bool { p, ok := o.(*corev1.Pod); return ok && p.Name == "web-2" })
	k.production = kubetest.New(t, kubetest.Options{Objects: append(objects, limited), Extra: []kubetest.Extra{
		{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods", Kind: "PodMetrics", Namespaced: true},
	}})
	k.staging = kubetest.New(t, kubetest.Options{Objects: shopObjects()})
	k.must(k.Import(t.Context(), []kubeconfig.Context{contextOf(t, "production", k.production), contextOf(t, "staging", k.staging)}, "kubeconfig"))
	k.must(k.Load(t.Context()))
	k.productionID, k.stagingID = k.clusterID("production"), k.clusterID("staging")
	k.healthy(k.productionID)
	k.warm("pods", "nodes")
	return k
}

func TestUsageIsShownWhereItIsMeasured(t *testing.T) {
	t.Parallel()
	k := measuredKit(t)
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	eventually(t, "the figures are there", func() bool { return strings.Contains(v.get(pods).body, "700m") })
	page := v.get(pods + "?ns=shop&sort=-cpu_usage").want(http.StatusOK)
	want := []string{"Name", "Ready", "Status", "Restarts", "CPU used", "Memory used", "Node", "Age"}
	if got := headers(page.doc()); !slices.Equal(got, want) {
		t.Errorf("the columns are %v", got)
	}
	if got := namesIn(page.doc()); !slices.Equal(got, []string{"web-2", "web-1"}) {
		t.Errorf("the hungriest first: %v", got)
	}
	if got := namesIn(v.get(pods + "?sort=cpu_usage").doc()); !slices.Equal(got, []string{"web-1", "web-2", "bank-1"}) {
		t.Errorf("what is not measured stands last: %v", got)
	}
	bars := elements(page.doc(), "progress", "class", "bar warn")
	if len(bars) != 1 || attribute(bars[0], "value") != "0.7" || attribute(bars[0], "max") != "0.8" || len(elements(page.doc(), "progress", "class", "bar bad")) != 1 {
		t.Errorf("%d bars warn", len(bars))
	}
	v.get(pods+"?ns=shop&cols=cpu_usage&cols=memory_usage&as=csv&sort=cpu_usage").want(http.StatusOK, "web-1,0.03,104857600\nweb-2,0.7,104857600\n")
	// FR-6.7: figures of what somebody may not see are not there for them, and without a metrics-server nothing speaks of them.
	if strings.Contains(k.as(keeper).get(pods).body, "bank-1") {
		t.Error("the keeper sees another namespace")
	}
	if got := headers(v.get(fmt.Sprintf("/clusters/%d/pods", k.stagingID)).doc()); slices.Contains(got, "CPU used") {
		t.Errorf("without a metrics-server the columns are %v", got)
	}
}

func TestUsageTones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, most float64
		hard    bool
		want    kinds.Tone
	}{
		{1, 0, false, kinds.ToneNone},
		{0.79, 1, true, kinds.ToneNone},
		{0.8, 1, true, kinds.ToneWarn},
		{0.95, 1, true, kinds.ToneBad},
		{1, 1, false, kinds.ToneNone},
		{1.1, 1, false, kinds.ToneWarn},
	} {
		if got := usageTone(c.n, c.most, c.hard); got != c.want {
			t.Errorf("%v of %v (hard %t): %s, want %s", c.n, c.most, c.hard, got, c.want)
		}
	}
}
