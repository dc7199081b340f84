package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tiga/e2e/testbed"
)

// acting is a cluster with something of each kind that actions are tried on.
func acting(t *testing.T) *testbed.Cluster {
	t.Helper()
	cluster := testbed.Start(t, testbed.Options{Name: "acting", Nodes: 2})
	for _, args := range [][]string{
		{"create", "namespace", "shop"},
		{"-n", "shop", "create", "deployment", "web", "--image=web:1", "--replicas=2"},
		{"-n", "shop", "create", "deployment", "side", "--image=side:1"},
		{"-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s"},
		{"-n", "shop", "set", "image", "deployment/web", "web=web:2"},
		{"-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s"},
		{"-n", "shop", "create", "cronjob", "report", "--image=report:1", "--schedule=0 0 1 1 *"},
		{"-n", "shop", "create", "poddisruptionbudget", "web-budget", "--selector=app=web", "--min-available=2"},
		{"-n", "shop", "create", "secret", "generic", "db", "--from-literal=password=canary-e2e-4711"},
	} {
		if out, err := cluster.Kubectl(t.Context(), args...); err != nil {
			t.Fatalf("kubectl %v: %v\n%s", args, err, out)
		}
	}
	return cluster
}

// browse starts Tiga with the cluster of actions, and a browser that is signed in; under begins the paths of its pages.
func browse(t *testing.T, cluster *testbed.Cluster) (under string, b *browser) {
	t.Helper()
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	under = fmt.Sprintf("/clusters/%d", a.signIn("admin", password).clusterID("acting"))
	b = a.open()
	b.signIn("admin", password)
	return under, b
}

// says asks kubectl for one value until it is as wanted.
func says(t *testing.T, cluster *testbed.Cluster, want string, args ...string) {
	t.Helper()
	eventually(t, patience, fmt.Sprint(args, " says ", want), func() error {
		out, err := cluster.Kubectl(t.Context(), args...)
		if err == nil && strings.TrimSpace(string(out)) != want {
			err = fmt.Errorf("it says %q", out)
		}
		return err
	})
}

// act presses the button of an action in the page's head, and then the one of the dialog.
func (b *browser) act(id string) {
	b.t.Helper()
	b.wait(id+" is offered", fmt.Sprintf(`document.querySelector('.actions.wide [data-dialog=%q]')?.checkVisibility()`, id))
	b.click(fmt.Sprintf(".actions.wide [data-dialog=%q]", id))
	b.confirmDialog()
}

// confirmDialog presses the button of the dialog that is open.
func (b *browser) confirmDialog() {
	b.t.Helper()
	b.wait("the dialog asks", `document.querySelector('dialog[open] #confirm button[type=submit]')`)
	b.keep("asks")
	b.click("dialog[open] #confirm .sheet-foot button[type=submit]")
}

// What can be done to workloads, jobs, nodes, pods and secrets, by mouse, on a real cluster. Issue 4
func TestActionsOfEveryKind(t *testing.T) {
	cluster := acting(t)
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	under := fmt.Sprintf("/clusters/%d", c.clusterID("acting"))
	b := a.open()
	b.signIn("admin", password)

	// Undo a rollout.
	web := under + "/deployments.apps/shop/web"
	b.visit(web + "/rollout")
	b.text("#comparison", "web:2")
	b.wait("the pods of the current revision are counted", `document.querySelector('#revision-2 [data-label=Pods]')?.innerText.trim() === '2'`)
	b.keep("rollout")
	b.click("#revision-1 [data-dialog=undo-1]")
	b.wait("the dialog shows the change", `document.querySelector('dialog[open] .changes')?.innerText.includes('web:1')`)
	b.confirmDialog()
	b.text("#toasts", "goes back to revision 1")
	says(t, cluster, "web:1", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	b.wait("the page shows the new revision by itself", `document.querySelector('#revision-3')?.innerText.includes('web:1')`)

	// Pause and resume.
	b.visit(web)
	b.act("pause")
	b.text("#toasts", "is paused")
	says(t, cluster, "true", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.paused}")
	b.act("resume")
	b.text("#toasts", "goes on")
	b.wait("the button is that of before", `document.querySelector('.actions.wide [data-dialog=pause]') && !document.querySelector('.actions.wide [data-dialog=resume]')`)

	// Run a CronJob now.
	b.visit(under + "/cronjobs.batch/shop/report")
	b.act("run")
	b.text("#toasts", "was started")
	b.wait("the message leads to the job", `document.querySelector('#toasts a')?.getAttribute('href').includes('/jobs.batch/shop/report-manual-')`)
	says(t, cluster, "CronJob/report", "-n", "shop", "get", "jobs", "-o", "jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].name}{end}")

	// Cordon and uncordon.
	nodes, err := cluster.Kubectl(t.Context(), "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	if err != nil {
		t.Fatal(err)
	}
	b.visit(under + "/nodes/-/" + string(nodes))
	b.act("cordon")
	b.text("#toasts", "takes no new pods")
	says(t, cluster, "true", "get", "node", string(nodes), "-o", "jsonpath={.spec.unschedulable}")
	b.act("uncordon")
	b.text("#toasts", "takes new pods again")
	says(t, cluster, "", "get", "node", string(nodes), "-o", "jsonpath={.spec.unschedulable}")

	// An eviction that a budget refuses names it.
	says(t, cluster, "2", "-n", "shop", "get", "pdb", "web-budget", "-o", "jsonpath={.status.currentHealthy}")
	pod, err := cluster.Kubectl(t.Context(), "-n", "shop", "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
	if err != nil {
		t.Fatal(err)
	}
	b.visit(under + "/pods/shop/" + string(pod))
	b.act("evict")
	b.text("dialog[open] [data-errors]", "web-budget allows 0 pods")
	b.keep("blocked")

	// Some evicted, some not: the dialog names each.
	b.visit(under + "/pods?ns=shop&q=app")
	b.visit(under + "/pods?ns=shop")
	b.wait("the pods are listed", rowsShown+" >= 3")
	eval[bool](b, `(document.querySelectorAll('.list [name=o]').forEach(e => e.value.includes('/report-') || e.click()), true)`)
	b.click(".bulk [data-dialog=evict]")
	b.confirmDialog()
	b.wait("the results are named", `document.querySelectorAll('dialog[open] .result-list li').length === 3 && document.querySelector('dialog[open] h1').innerText.includes('2 of 3 failed')`)
	b.keep("results")
	b.click("dialog[open] [data-cancel]")

	// Bulk restart with a workload that is paused, and one that is gone by then.
	if _, err := cluster.Kubectl(t.Context(), "-n", "shop", "rollout", "pause", "deployment/side"); err != nil {
		t.Fatal(err)
	}
	b.visit(under + "/deployments.apps?ns=shop")
	b.wait("the deployments are listed", rowsShown+" === 2")
	eval[bool](b, `(document.querySelectorAll('.list [name=o]').forEach(e => e.click()), true)`)
	b.click(".bulk [data-dialog=restart]")
	b.confirmDialog()
	b.wait("the failure is named", `document.querySelector('dialog[open] .result-list')?.innerText.includes('side') && document.querySelector('dialog[open] h1').innerText.includes('1 of 2 failed')`)

	// Reveal a value: once, with an audit row.
	b.visit(under + "/secrets/shop/db")
	b.click("[data-dialog=reveal-password]")
	b.confirmDialog()
	b.text("dialog[open] #revealed", "canary-e2e-4711")
	b.keep("revealed")
	b.click("dialog[open] [data-cancel]")
	b.wait("it is gone from the page", `!document.documentElement.innerHTML.includes('canary-e2e-4711')`)
	if r := c.get("/audit?verb=reveal"); r.status != http.StatusOK || !strings.Contains(r.body, "secrets") || strings.Contains(r.body, "canary-e2e") {
		t.Errorf("the audit of the reveal: %d", r.status)
	}
	if strings.Contains(a.errs.String(), "canary-e2e-4711") {
		t.Error("the value is in the log")
	}
	b.quiet()
	shots(b, under, string(pod))
}

// shots takes pictures of the screens of actions, wide and narrow, light and dark, in both languages.
func shots(b *browser, under, pod string) {
	if os.Getenv("TIGA_E2E_SCREENSHOTS") == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		for _, language := range []string{"en", "zh-CN"} {
			theme := map[string]string{"en": "light", "zh-CN": "dark"}[language]
			b.do(chromedp.EmulateViewport(width, 900))
			eval[bool](b, fmt.Sprintf(`(window.chosen = false, fetch('/preferences', {method: 'POST', body: new URLSearchParams({language: %q, theme: %q, next: '/'})}).then(() => window.chosen = true), true)`, language, theme))
			b.wait("the preferences are kept", "window.chosen")
			for name, path := range map[string]string{
				"rollout": "/deployments.apps/shop/web/rollout", "undo": "/deployments.apps/shop/web/undo", "secret": "/secrets/shop/db", "evict": "/pods/shop/" + pod + "/evict", "deployment": "/deployments.apps/shop/web",
			} {
				b.visit(under + path)
				b.wait("the page is there", `document.querySelector('h1') && document.readyState === 'complete'`)
				if w := eval[int64](b, "document.documentElement.scrollWidth"); w > width {
					b.t.Errorf("%s at %d px in %s scrolls sideways to %d", path, width, language, w)
				}
				b.keep(fmt.Sprintf("%s-%d-%s", name, width, language))
			}
		}
	}
}

// A credential that may only look has no buttons, and Tiga itself stays quick with one. Issue 4
func TestButtonsFollowTheClustersOwnRights(t *testing.T) {
	cluster := acting(t)
	if out, err := cluster.Kubectl(t.Context(), "create", "clusterrolebinding", "looker", "--clusterrole=view", "--user=looker"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	a := start(t, options{kubeconfig: cluster.KubeconfigFor("looker")})
	c := a.signIn("admin", password)
	under := fmt.Sprintf("/clusters/%d", c.clusterID("acting"))
	path := under + "/deployments.apps/shop/web"
	eventually(t, time.Minute, "no buttons", func() error {
		if r := c.get(path); r.status != http.StatusOK || strings.Contains(r.body, path+"/restart") || strings.Contains(r.body, path+"/scale") {
			return fmt.Errorf("%d, with buttons", r.status)
		}
		return nil
	})
	if r := c.get(path + "/restart"); !strings.Contains(r.body, "will most likely refuse it") {
		t.Errorf("the form does not say so: %d", r.status)
	}
}
