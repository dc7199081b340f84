package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestHistoryInABrowser: what kubectl changes appears on an open page with its manager and what it was, and is taken back;
// what was changed since stays as it is.
func TestHistoryInABrowser(t *testing.T) {
	cluster := acting(t)
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	id := c.clusterID("acting")
	root := fmt.Sprintf("/clusters/%d", id)
	object := root + "/deployments.apps/shop/web"
	b := a.open()
	b.signIn("admin", password)
	b.visit(object)
	b.click(fmt.Sprintf("a[href=%q]", object+"/history"))
	b.wait("the tab", fmt.Sprintf("location.pathname === %q", object+"/history"))
	eventually(t, patience, "the kind is recorded", func() error {
		if page := c.get(object + "/history"); !strings.Contains(page.body, "Recording since") {
			return fmt.Errorf("%d", page.status)
		}
		return nil
	})

	kubectl := func(args ...string) {
		t.Helper()
		if out, err := cluster.Kubectl(t.Context(), args...); err != nil {
			t.Fatalf("kubectl %v: %v\n%s", args, err, out)
		}
	}
	begun := time.Now()
	kubectl("-n", "shop", "patch", "deployment", "web", "--type=strategic", "--field-manager=kubectl-edit",
		"-p", `{"metadata":{"labels":{"tier":"front"}},"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:3"}]}}}}`)
	b.wait("the change is on the open page", `[...document.querySelectorAll('tr[data-verb=update]')].some(r => r.textContent.includes('kubectl-edit') && r.textContent.includes('2 fields'))`)
	t.Logf("shown after %s", time.Since(begun).Round(time.Millisecond))
	b.click("tr[data-verb=update] summary")
	b.text("tr[data-verb=update] .what-fields", "web:2")
	b.text("tr[data-verb=update] .what-fields", "metadata.labels.tier")

	// Another one, of one field; the page of the cluster has both, and what is opened stays open.
	kubectl("-n", "shop", "patch", "deployment", "web", "--type=strategic", "--field-manager=helm", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:4"}]}}}}`)
	b.wait("the second change, and the first still open", `document.querySelectorAll('tr[data-verb=update]').length >= 2 && document.querySelector('tr[data-verb=update] details[open]')`)
	b.text("#main", "image of web")
	b.looks("history-object")
	kubectl("-n", "shop", "create", "configmap", "settings", "--from-literal=a=1")
	kubectl("-n", "shop", "delete", "configmap", "settings")
	b.visit(root + "/history")
	b.text("#main", "helm")
	b.wait("the deletion", `document.querySelector('tr[data-verb=delete]')?.textContent.includes('settings')`)
	b.looks("history-cluster")
	if all := c.get(root + "/history"); strings.Contains(all.body, "canary-e2e-4711") {
		t.Error("a value of a Secret is shown")
	}

	// Taken back: the image was changed again since, the label was not.
	b.visit(object + "/history")
	b.click(`tr[data-verb=update]:last-child a.what-do`)
	b.text("#edit-revert", "kubectl-edit")
	b.text("#edit-revert", "1 field was changed again since")
	b.wait("the image stays, the label goes", `document.querySelector('#edit-text').value.includes('image: web:4') && !document.querySelector('#edit-text').value.includes('tier: front')`)
	b.text("#edit-diff", "metadata.labels.tier")
	b.looks("history-revert")
	b.click("#edit-revert li a")
	b.wait("the image goes as well", `document.querySelector('#edit-text').value.includes('image: web:2')`)
	b.press("diff")
	b.text("#edit-notice", "2 fields change")
	b.press("apply")
	b.wait("applied", fmt.Sprintf("location.pathname === %q", object))
	says(t, cluster, "web:2", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	says(t, cluster, "", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.metadata.labels.tier}")
	b.visit(object + "/history")
	b.text("#main", "Takes back an earlier change")
	b.text("#main", "through Tiga")
	b.quiet()

	eval[bool](b, `(window.chosen = false, fetch('/preferences', {method: 'POST', body: new URLSearchParams({language: 'zh-CN', next: '/'})}).then(() => window.chosen = true), true)`)
	b.wait("the preferences are kept", "window.chosen")
	b.visit(root + "/history")
	b.text("#main", "已删除")
	b.looks("history-cluster-zh")
	if w := eval[int64](b, "document.documentElement.scrollWidth"); w > 1280 {
		t.Errorf("the page scrolls sideways to %d", w)
	}
}
