package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"tiga/e2e/testbed"
)

// Everything but live updates works with scripts switched off. NFR C
func TestWithoutScripts(t *testing.T) {
	a := start(t, options{})
	id := a.signIn("admin", password).clusterID("staging")
	b := a.open()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.signIn("admin", password)
	b.text("#main", "staging")
	b.visit(fmt.Sprintf("/clusters/%d/deployments.apps", id))
	b.wait("deployments are listed", `document.querySelectorAll('tr[data-row] a[data-row-link]').length > 0`)
	b.click("tr[data-row] a[data-row-link]")
	b.wait("the page of a deployment", `location.pathname.split('/').length === 6`)
	b.visit(eval[string](b, "location.pathname") + "/scale")
	b.fill("[name=replicas]", "2")
	b.click("#confirm button[type=submit]")
	b.text("#toasts", "scaled to 2")
	b.wait("back on the page of the deployment", `!location.pathname.endsWith('/scale')`)
	b.visit(fmt.Sprintf("/clusters/%d/pods?q=nosuchpod", id))
	b.wait("the filter leaves nothing", `document.querySelectorAll('tr[data-row]').length === 0 && document.querySelector('#q').value === 'nosuchpod'`)
}

// Nothing scrolls sideways, in either language, light or dark, wide or narrow, and the browser complains of nothing.
func TestPagesFitTheScreen(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("production")
	pages := []string{
		"/", fmt.Sprintf("/clusters/%d", id), fmt.Sprintf("/clusters/%d/pods", id), fmt.Sprintf("/clusters/%d/pods?sort=status", id), fmt.Sprintf("/clusters/%d/nodes", id),
		fmt.Sprintf("/clusters/%d/events", id), fmt.Sprintf("/clusters/%d/deployments.apps/shop/nginx", id),
		fmt.Sprintf("/clusters/%d/deployments.apps/shop/nginx/yaml", id), fmt.Sprintf("/clusters/%d/deployments.apps/shop/nginx/scale", id),
		"/audit", "/settings/clusters", "/settings/clusters/new", fmt.Sprintf("/settings/clusters/%d", id), "/account", "/nowhere",
	}
	b := a.open()
	b.signIn("admin", password)
	for _, width := range []int64{1280, 390} {
		for _, language := range []string{"en", "zh-CN"} {
			theme := map[string]string{"en": "light", "zh-CN": "dark"}[language]
			b.do(chromedp.EmulateViewport(width, 900))
			eval[bool](b, fmt.Sprintf(`(window.chosen = false, fetch('/preferences', {method: 'POST', body: new URLSearchParams({language: %q, theme: %q, next: '/'})}).then(() => window.chosen = true), true)`, language, theme))
			b.wait("the preferences are kept", "window.chosen")
			for _, page := range pages {
				b.visit(page)
				b.wait("the page is there in "+language, fmt.Sprintf(`document.querySelector('h1') && document.readyState === 'complete' && document.documentElement.lang === %q`, language))
				if w := eval[int64](b, "document.documentElement.scrollWidth"); w > width {
					t.Errorf("%s at %d px in %s scrolls sideways to %d", page, width, language, w)
				}
				if text := eval[string](b, "document.body.innerText"); strings.Contains(text, "problem.") || strings.Contains(text, "column.") || strings.Contains(text, "ui.") && !strings.Contains(text, "gui.") {
					t.Errorf("%s in %s shows a message id", page, language)
				}
			}
		}
	}
	b.quiet()
}

// A cluster that goes away says so on its own pages, keeps what was known, costs the others nothing, and comes back by
// itself. FR-0.7, FR-0.10, F01
func TestFR0_10_ClusterGoesAwayAndComesBack(t *testing.T) {
	fragile := testbed.Start(t, testbed.Options{Name: "fragile", Pods: 3, Namespaces: 1})
	steady := testbed.Start(t, testbed.Options{Name: "steady"})
	merged, err := testbed.MergedKubeconfig(fragile, steady)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, options{kubeconfig: merged})
	c := a.signIn("admin", password)
	away, here := c.clusterID("fragile"), c.clusterID("steady")
	until := func(id int64, want string, within time.Duration) {
		t.Helper()
		eventually(t, within, "cluster is "+want, func() error {
			if got := c.health(id); !strings.HasPrefix(got, want) {
				return fmt.Errorf("it is %s", got)
			}
			return nil
		})
	}
	until(away, "healthy", 30*time.Second)
	until(here, "healthy", 30*time.Second)
	pods := fmt.Sprintf("/clusters/%d/pods", away)
	eventually(t, 30*time.Second, "pods are listed", func() error {
		if r := c.get(pods); strings.Count(r.body, "data-row-link") < 3 {
			return fmt.Errorf("%d rows", strings.Count(r.body, "data-row-link"))
		}
		return nil
	})

	if err := fragile.StopAPIServer(context.Background()); err != nil {
		t.Fatal(err)
	}
	until(away, "unavailable", 60*time.Second)
	page := c.get(pods)
	if page.status != http.StatusOK || !strings.Contains(page.body, "Cannot reach cluster fragile") || strings.Count(page.body, "data-row-link") < 3 {
		t.Errorf("the list of a cluster that went away: %d, %d rows; it should say so and show what was known", page.status, strings.Count(page.body, "data-row-link"))
	}
	if !strings.Contains(page.body, "/retry") {
		t.Error("no offer to retry")
	}
	one := c.get(pods + "/default/no-such-pod")
	if one.status != http.StatusBadGateway && one.status != http.StatusGatewayTimeout {
		t.Errorf("an object of a cluster that went away: %d", one.status)
	}
	began := time.Now()
	if r := c.get(fmt.Sprintf("/clusters/%d/nodes", here)); r.status != http.StatusOK || !strings.Contains(r.body, "data-row-link") {
		t.Errorf("another cluster suffers: %d", r.status)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("another cluster waits %s", took)
	}

	if err := fragile.StartAPIServer(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.post(fmt.Sprintf("/clusters/%d/retry", away), nil)
	until(away, "healthy", 60*time.Second)
	eventually(t, 60*time.Second, "the list is live again", func() error {
		if r := c.get(pods); strings.Contains(r.body, "Cannot reach") {
			return errors.New("it still says that the cluster is away")
		}
		return nil
	})
}

// A second viewer of the same list costs the API server no request. Issue figures, FR-3.3
func TestFR3_3_AnotherViewerCostsNoRequest(t *testing.T) {
	cluster := testbed.Start(t, testbed.Options{Name: "quiet", Pods: 5, Namespaces: 1})
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	first := a.signIn("admin", password)
	path := fmt.Sprintf("/clusters/%d/pods", first.clusterID("quiet"))
	eventually(t, 30*time.Second, "pods are listed", func() error {
		if r := first.get(path); strings.Count(r.body, "data-row-link") < 5 {
			return fmt.Errorf("%d rows", strings.Count(r.body, "data-row-link"))
		}
		return nil
	})
	count := func() int {
		n, err := cluster.RequestCount(testbed.RequestFilter{Resource: "pods", Verb: "list"})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	second := a.signIn("admin", password)
	for range 10 {
		if r := second.get(path + "?sort=-age"); r.status != http.StatusOK {
			t.Fatalf("second viewer: %d", r.status)
		}
	}
	if after := count(); after != before {
		t.Errorf("a second viewer cost %d requests", after-before)
	}
}
