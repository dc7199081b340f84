package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tiga/e2e/testbed"
)

// drainBed is a cluster of two nodes with four pods of one Deployment, and a budget that lets none of them go.
const drainBed = `
apiVersion: v1
kind: Namespace
metadata: {name: till}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: till}
spec:
  replicas: 4
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      containers: [{name: till, image: till:1}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: till}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: till, namespace: till}
spec:
  maxUnavailable: 0
  selector: {matchLabels: {app: till}}
`

// drainable starts such a cluster and a tiga on it, and names a node on which pods of it run.
func drainable(t *testing.T) (c *testbed.Cluster, a *app, node string) {
	t.Helper()
	c = testbed.Start(t, testbed.Options{Name: "till", Nodes: 2})
	kubectlApply(t, c, drainBed)
	eventually(t, 2*time.Minute, "four pods are ready and the budget knows them", func() error {
		if out := kubectl(t, c, "get", "pdb", "till", "-n", "till", "-o", "jsonpath={.status.currentHealthy} {.status.disruptionsAllowed}"); out != "4 0" {
			return fmt.Errorf("the budget says %q", out)
		}
		return nil
	})
	node = strings.Fields(kubectl(t, c, "get", "pods", "-n", "till", "-o", "jsonpath={.items[*].spec.nodeName}"))[0]
	return c, start(t, options{kubeconfig: c.Kubeconfig()}), node
}

// podsOn counts the pods of the Deployment on a node.
func podsOn(t *testing.T, c *testbed.Cluster, node string) int {
	t.Helper()
	return len(strings.Fields(kubectl(t, c, "get", "pods", "-n", "till", "--field-selector", "spec.nodeName="+node, "-o", "name")))
}

// A drain that a disruption budget holds up says which one, goes on when it is freed while its tab is closed, and is watched
// from another.
func TestDrainIsHeldUpByABudgetAndWatchedFromTwoTabs(t *testing.T) {
	c, a, node := drainable(t)
	id := a.signIn("admin", password).clusterID("till")
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d/nodes/-/%s", id, node))
	b.click("a[href$='/drain']")
	b.text("table", "The disruption budget till allows no pod to go now")
	b.keep("preflight")
	b.fill("#f-confirm", node)
	b.click("#drain button.destructive")
	b.wait("the page of the operation", `location.pathname.includes('/operations/')`)
	b.text("tr", "budget till")
	b.keep("held-up")
	path := eval[string](b, "location.pathname")
	if kubectl(t, c, "get", "node", node, "-o", "jsonpath={.spec.unschedulable}") != "true" || podsOn(t, c, node) == 0 {
		t.Error("the node is not cordoned, or pods went in spite of their budget")
	}

	second := a.open()
	second.signIn("admin", password)
	second.visit(path)
	second.text("tr", "budget till")
	b.do(chromedp.Navigate("about:blank")) // the tab that began it is closed
	kubectl(t, c, "patch", "pdb", "till", "-n", "till", "--type=merge", "-p", `{"spec":{"maxUnavailable":1}}`)
	eventually(t, 3*time.Minute, "it goes on by itself, and ends", func() error { // pods take their time to end
		if !eval[bool](second, `!!document.querySelector('#operation-status')?.innerText.includes('Done')`) {
			return errors.New("the operation is under way")
		}
		return nil
	})
	second.text("#operation-message", "stays cordoned")
	second.keep("ended")
	if n := podsOn(t, c, node); n != 0 {
		t.Errorf("%d pods are still on the node", n)
	}
	second.click("a[href$='/uncordon']")
	second.quiet()
}

// A kill in the middle: after the start the page says what was done, what was not and what nobody can tell; the audit has no
// intent without an outcome. What was stopped stays stopped.
func TestKillDuringADrainTellsWhatIsKnown(t *testing.T) {
	c, a, node := drainable(t)
	v := a.signIn("admin", password)
	id := v.clusterID("till")
	var begun struct{ ID string }
	path := fmt.Sprintf("/clusters/%d", id)
	if r := v.api(http.MethodPost, path+"/resources/nodes/"+node+"/drain", map[string]any{"ignore_daemonsets": true}, &begun); r.status != http.StatusAccepted {
		t.Fatalf("drain: %d %s", r.status, r.body)
	}
	type operation struct {
		State, Message string
		Steps          []struct{ Action, State, Message string }
	}
	eventually(t, time.Minute, "pods wait for their budget", func() error {
		var o operation
		v.api(http.MethodGet, path+"/operations/"+begun.ID, nil, &o)
		for _, s := range o.Steps {
			if s.Action == "evict" && strings.Contains(s.Message, "till") {
				return nil
			}
		}
		return fmt.Errorf("%+v", o)
	})
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait()
	pods := podsOn(t, c, node)

	again := start(t, options{dir: a.dir, kubeconfig: c.Kubeconfig()})
	v = again.signIn("admin", password)
	var o operation
	r := v.api(http.MethodGet, path+"/operations/"+begun.ID, nil, &o)
	if o.State != "interrupted" || o.Steps[0].State != "done" {
		t.Fatalf("after the kill: %s", r.body)
	}
	for _, s := range o.Steps[1:] {
		if s.State != "planned" && s.State != "unknown" {
			t.Errorf("an eviction that was never granted is %s: %s", s.State, s.Message)
		}
	}
	if page := v.get(path + "/operations/" + begun.ID); !strings.Contains(page.body, "Interrupted") || !strings.Contains(page.body, "stays cordoned") {
		t.Errorf("the page does not say what happened: %d", page.status)
	}
	kubectl(t, c, "patch", "pdb", "till", "-n", "till", "--type=merge", "-p", `{"spec":{"maxUnavailable":4}}`)
	if now := podsOn(t, c, node); now != pods {
		t.Errorf("%d pods after the restart, %d before: the drain went on by itself", now, pods)
	}
	unknown := v.get("/audit?result=unknown")
	if !strings.Contains(unknown.body, "drain") || !strings.Contains(unknown.body, "evict") {
		t.Errorf("the audit has no unknown outcome of the drain and its evictions: %d", unknown.status)
	}
	if open := v.get("/audit?result=open"); strings.Contains(open.body, "evict") {
		t.Error("an intent has no outcome after the start")
	}

	// A program that is asked to end does so in order: what it has begun is stopped between two steps, and nothing is unknown.
	kubectl(t, c, "patch", "pdb", "till", "-n", "till", "--type=merge", "-p", `{"spec":{"maxUnavailable":0}}`)
	eventually(t, time.Minute, "the budget allows nothing", func() error {
		if out := kubectl(t, c, "get", "pdb", "till", "-n", "till", "-o", "jsonpath={.status.disruptionsAllowed}"); out != "0" {
			return fmt.Errorf("it allows %s", out)
		}
		return nil
	})
	if r := v.api(http.MethodPost, path+"/resources/nodes/"+node+"/drain", map[string]any{"ignore_daemonsets": true}, &begun); r.status != http.StatusAccepted {
		t.Fatalf("drain again: %d %s", r.status, r.body)
	}
	eventually(t, time.Minute, "pods wait for their budget again", func() error {
		if r := v.get(path + "/operations/" + begun.ID); !strings.Contains(r.body, "budget till") {
			return errors.New("none does")
		}
		return nil
	})
	if err := again.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	v = start(t, options{dir: a.dir, kubeconfig: c.Kubeconfig()}).signIn("admin", password)
	r = v.api(http.MethodGet, path+"/operations/"+begun.ID, nil, &o)
	if o.State != "stopped" || !strings.Contains(o.Message, "Tiga was stopped") {
		t.Errorf("after the end: %s", r.body)
	}
	for _, s := range o.Steps[1:] {
		if s.State != "skipped" || s.Message != "It was not evicted." {
			t.Errorf("an eviction that was not granted is %s: %s", s.State, s.Message)
		}
	}
	if open := v.get("/audit?result=open"); strings.Contains(open.body, "evict") {
		t.Error("an intent has no outcome after the end")
	}
}

// kubectlApply applies a text with kubectl.
func kubectlApply(t *testing.T, c *testbed.Cluster, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, "apply", "-f", file)
}

// kubectl runs kubectl and returns what it printed.
func kubectl(t *testing.T, c *testbed.Cluster, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
