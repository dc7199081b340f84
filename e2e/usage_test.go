package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// What pods and nodes take is on their lists where the cluster measures it, agrees with what it says itself, and sorts.
func TestListsShowWhatPodsAndNodesTake(t *testing.T) {
	if os.Getenv("TIGA_E2E_KUBECONFIG") != "" {
		t.Skip("needs the testbed's own clusters")
	}
	clusters(t)
	// CPU is the difference of two readings of the kubelets.
	var top map[string]float64
	eventually(t, time.Minute, "metrics-server has measured the pods", func() error {
		raw, err := fleet.production.Kubectl(t.Context(), "get", "--raw", "/apis/metrics.k8s.io/v1beta1/pods")
		if err != nil {
			return err
		}
		var list struct {
			Items []struct {
				Metadata   struct{ Namespace, Name string }
				Containers []struct{ Usage map[string]resource.Quantity }
			}
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		top = map[string]float64{}
		for _, pod := range list.Items {
			for _, c := range pod.Containers {
				memory := c.Usage["memory"]
				top[pod.Metadata.Namespace+"/"+pod.Metadata.Name] += memory.AsApproximateFloat64()
			}
		}
		if len(top) < 100 {
			return fmt.Errorf("%d pods are measured", len(top))
		}
		return nil
	})
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("production")
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d/pods?ns=shop", id))
	const cells = `[...document.querySelectorAll('tr[data-row]')].map(r => r.children[[...document.querySelector('thead tr').children].findIndex(h => h.querySelector('a[href*="memory_usage"]'))]?.innerText.trim() ?? '')`
	b.wait("the pods' memory is on the list", `(c => c.length > 20 && c.filter(x => /[0-9]/.test(x)).length > 20)(`+cells+`)`)
	b.keep("pods")

	for name, text := range eval[map[string]string](b, `Object.fromEntries([...document.querySelectorAll('tr[data-row]')].map((r, i) => [r.querySelector('a[data-row-link]').textContent.trim(), `+cells+`[i]]))`) {
		want, measured := top["shop/"+name]
		shown, err := resource.ParseQuantity(strings.TrimSuffix(strings.Join(strings.Fields(text), ""), "B"))
		if !measured {
			continue
		}
		if got := shown.AsApproximateFloat64(); err != nil || got < 0.95*want || got > 1.05*want {
			t.Errorf("%s takes %.0f bytes and the page says %q (%v)", name, want, text, err)
		}
	}

	b.click(`th a[href*="sort=-memory_usage"], th a[href*="sort=memory_usage"]`)
	b.wait("sorted by memory", `location.search.includes('memory_usage') && document.querySelector('th[aria-sort]')?.querySelector('a[href*="memory_usage"]')`)
	names := eval[[]string](b, `[...document.querySelectorAll('tr[data-row] a[data-row-link]')].map(a => a.textContent.trim())`)
	down := strings.Contains(eval[string](b, `location.search`), "sort=-memory_usage")
	var before float64
	seen := 0
	for _, name := range names {
		n, ok := top["shop/"+name]
		if !ok { // not running: measured by nobody, at the end
			continue
		}
		if seen > 0 && (down && n > before || !down && n < before) {
			t.Errorf("%s takes %.0f, the pod before it %.0f", name, n, before)
		}
		before, seen = n, seen+1
	}
	if seen < 20 {
		t.Errorf("%d of %d pods on screen are among those measured", seen, len(names))
	}

	b.visit(fmt.Sprintf("/clusters/%d/nodes", id))
	b.wait("the nodes' memory is on the list", `(c => c.length === 12 && c.every(x => /[0-9]/.test(x)))(`+cells+`)`)
	b.keep("nodes")

	b.visit(fmt.Sprintf("/clusters/%d/pods", c.clusterID("staging")))
	b.wait("pods of staging", rowsShown+` >= 1`)
	if eval[bool](b, `!!document.querySelector('th a[href*="_usage"]')`) {
		t.Error("a cluster without metrics-server has columns of usage")
	}
	b.quiet()
}
