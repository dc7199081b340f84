package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tiga/e2e/testbed"
)

// guardBed refuses, by a rule of the API server's own, to let anything go that is labelled as kept.
const guardBed = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: keep}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [DELETE], resources: [configmaps]}
  validations:
  - expression: "!('keep' in oldObject.metadata.?labels.orValue({}))"
    message: it is kept for the auditors
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: keep}
spec: {policyName: keep, validationActions: [Deny]}
`

// guarded starts the cluster of actions with three ConfigMaps, one of which cannot be deleted.
func guarded(t *testing.T) *testbed.Cluster {
	t.Helper()
	cluster := acting(t)
	kubectlApply(t, cluster, guardBed)
	kubectl(t, cluster, "create", "namespace", "safe")
	for _, name := range []string{"one", "two", "three"} {
		kubectl(t, cluster, "-n", "safe", "create", "configmap", name, "--from-literal=a=1")
	}
	kubectl(t, cluster, "-n", "safe", "label", "configmap", "one", "two", "three", "app=safe")
	kubectl(t, cluster, "-n", "safe", "label", "configmap", "two", "keep=yes")
	eventually(t, patience, "the rule is in force", func() error {
		if out, err := cluster.Kubectl(t.Context(), "-n", "safe", "delete", "configmap", "two", "--dry-run=server"); err == nil {
			return fmt.Errorf("it lets go: %s", out)
		}
		return nil
	})
	return cluster
}

// enter walks to an element and presses Enter there.
func (b *browser) enter(selector string) {
	b.t.Helper()
	b.wait(selector+" is there", fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	b.tabTo(selector)
	b.keys(kb.Enter)
}

// awaitDialog waits for a dialog that asks something; it has the focus.
func (b *browser) awaitDialog() {
	b.t.Helper()
	b.wait("the dialog has the focus", `document.activeElement?.closest('dialog[open]')?.querySelector('#confirm')`)
}

// yes presses the button of the dialog that is open.
func (b *browser) yes() {
	b.t.Helper()
	b.enter("dialog[open] #confirm .sheet-foot button[type=submit]")
}

// ask opens the dialog of an action.
func (b *browser) ask(id string) {
	b.t.Helper()
	b.enter(fmt.Sprintf(".actions.wide [data-dialog=%q]", id))
	b.awaitDialog()
}

// agree presses the button of the dialog that is open, which goes.
func (b *browser) agree() {
	b.t.Helper()
	b.yes()
	b.wait("the dialog goes", `!document.querySelector('dialog[open]')`)
}

// write types into the editor of YAML, at its beginning.
func (b *browser) write(text string) {
	b.t.Helper()
	b.wait("the editor is there", "window.tigaAce && document.querySelector('[data-editor-host][data-js-on]')")
	b.enter(".ace_scroller")
	b.wait("one types into the editor", "tigaAce.isFocused()")
	b.do(chromedp.KeyEvent(kb.Home, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.keys(text)
	b.leave()
}

// leave takes the focus out of the editor: the first Escape may close a list of completions.
func (b *browser) leave() {
	b.t.Helper()
	eventually(b.t, patience, "the editor is left", func() error {
		if eval[bool](b, "tigaAce.isFocused()") {
			b.keys(kb.Escape)
			return errors.New("it has the focus")
		}
		return nil
	})
}

// TestEverythingByKeyboard: whoever has no mouse signs in, changes, drains, applies, takes back and deletes; a dialog has the
// focus while it is open, and Escape leaves it with nothing done. Issue 4
func TestEverythingByKeyboard(t *testing.T) {
	cluster := guarded(t)
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	under := fmt.Sprintf("/clusters/%d", a.signIn("admin", password).clusterID("acting"))
	b := a.open()
	b.visit("/login")
	b.tabTo("[name=username]")
	b.keys("admin" + kb.Tab + password + kb.Enter)
	b.wait("signed in", "location.pathname === '/'")

	// Actions of a workload.
	web := under + "/deployments.apps/shop/web"
	b.visit(web)
	b.ask("scale")
	b.keys(kb.Escape)
	b.wait("the dialog is left, and the focus is where it was", `!document.querySelector('dialog[open]') && document.activeElement?.matches('[data-dialog=scale]')`)
	b.ask("scale")
	b.tabTo("dialog[open] [name=replicas]")
	b.retype("3")
	b.agree()
	b.text("#toasts", "3")
	says(t, cluster, "3", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}")
	b.ask("restart")
	b.agree()
	b.text("#toasts", "restart")
	b.ask("pause")
	b.agree()
	says(t, cluster, "true", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.paused}")
	b.ask("resume")
	b.agree()
	says(t, cluster, "", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.paused}")

	// Its text, which somebody else changes meanwhile.
	b.enter(fmt.Sprintf("a[href=%q]", web+"/edit"))
	b.write("# by keyboard\n")
	b.enter("button[value=diff]:not([tabindex])")
	b.wait("nothing changes by a comment", `document.querySelector('#edit-notice') && document.querySelector('#edit-text').value.startsWith('# by keyboard') && window.tigaAce`)
	eval[bool](b, `(tigaAce.find('replicas: 3'), true)`)
	b.enter(".ace_scroller")
	b.wait("one types into the editor", "tigaAce.isFocused()")
	b.keys("replicas: 2")
	b.leave()
	kubectl(t, cluster, "-n", "shop", "label", "deployment", "web", "tier=front")
	b.enter("button[value=apply]")
	b.text("#edit-conflict", "metadata.labels")
	b.enter("button[value=merge]")
	b.wait("both are in the text", `/tier: front/.test(document.querySelector('#edit-text').value) && /replicas: 2/.test(document.querySelector('#edit-text').value)`)
	b.enter("button[value=apply]")
	b.wait("stored", fmt.Sprintf("location.pathname === %q", web))
	says(t, cluster, "2 front", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.replicas} {.metadata.labels.tier}")

	// An earlier revision, and a change that is taken back.
	b.enter(fmt.Sprintf("a[href=%q]", web+"/rollout"))
	b.enter("#revision-1 [data-dialog=undo-1]")
	b.wait("the dialog has the focus", `document.activeElement?.closest('dialog[open]')?.querySelector('.changes')`)
	b.agree()
	says(t, cluster, "web:1", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	b.enter(fmt.Sprintf("a[href=%q]", web+"/history"))
	b.text("tr[data-verb=update]", "image")
	b.enter("tr[data-verb=update] a.what-do")
	b.text("#edit-diff", "web:2")
	b.enter("button[value=apply]")
	says(t, cluster, "web:2", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")

	// A value of a Secret is shown, and goes with its dialog.
	b.visit(under + "/secrets/shop/db")
	b.enter("[data-dialog=reveal-password]")
	b.awaitDialog()
	b.yes()
	b.text("dialog[open] #revealed", "canary-e2e-4711")
	b.keys(kb.Escape)
	b.wait("it is gone from the page", `!document.documentElement.innerHTML.includes('canary-e2e-4711')`)

	// Three are to be deleted; the API server refuses one, and its words are beside its name.
	b.visit(under + "/configmaps?ns=safe&q=app%3Dsafe")
	b.wait("they are listed", rowsShown+" === 3")
	b.keys("jxjxjx")
	b.wait("three are selected", `document.querySelectorAll('.tick[name=o]:checked').length === 3`)
	b.enter(".bulk [data-dialog=delete]")
	b.awaitDialog()
	b.looks("bulk-delete")
	if eval[bool](b, `!!document.querySelector('dialog[open] #f-confirm')`) {
		b.tabTo("dialog[open] #f-confirm")
		b.keys("3")
	}
	b.yes()
	b.text("dialog[open] h1", "1 of 3 failed")
	b.text("dialog[open] .result-list", "it is kept for the auditors")
	b.looks("bulk-delete-result")
	if left := kubectl(t, cluster, "-n", "safe", "get", "configmaps", "-l", "keep", "-o", "name"); left != "configmap/two" {
		t.Errorf("left are %q", left)
	}
	b.enter("dialog[open] [data-cancel]")
	b.wait("the list has the one that is left", rowsShown+" === 1")

	// A drain that a budget holds up is stopped.
	node := strings.Fields(kubectl(t, cluster, "-n", "shop", "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}"))[0]
	b.visit(under + "/nodes/-/" + node)
	b.enter(fmt.Sprintf(".actions.wide a[href=%q]", under+"/nodes/-/"+node+"/drain"))
	b.wait("the preflight", `document.querySelector('#drain #f-confirm')`)
	b.tabTo("#drain #f-confirm")
	b.keys(node)
	b.enter("#drain button.destructive")
	b.wait("the page of the operation", `location.pathname.includes('/operations/')`)
	b.text("tr", "web-budget")
	b.enter("form[action$='/stop'] button")
	if said := b.ended(); !strings.Contains(said, "Stopped") {
		t.Errorf("the operation says %s", said)
	}
	kubectl(t, cluster, "uncordon", node)

	// Documents.
	b.visit(under + "/apply")
	b.write("{apiVersion: v1, kind: ConfigMap, metadata: {name: typed, namespace: shop}, data: {a: '1'}}\n")
	b.enter("button[value=check]")
	b.text("#document-1", "Create")
	b.enter("button[value=apply]")
	if said := b.ended(); !strings.Contains(said, "1 document was applied") {
		t.Errorf("the operation says %s", said)
	}

	// Gone, by its name.
	typed := under + "/configmaps/shop/typed"
	b.visit(typed)
	b.ask("delete")
	b.tabTo("dialog[open] #f-confirm")
	b.keys("typed")
	b.yes()
	b.wait("back on the list", fmt.Sprintf("location.pathname === %q", under+"/configmaps"))
	b.quiet()
}

// TestAHeldKeyAnswersNothing: whoever holds Enter, or whose page is slow, does not agree to what that Enter opened.
func TestAHeldKeyAnswersNothing(t *testing.T) {
	under, b := browse(t, acting(t))
	b.visit(under + "/deployments.apps/shop/web")
	b.wait("the page is complete", "window.htmx && document.querySelector('.actions.wide [data-dialog=scale]')?.checkVisibility()")
	eval[bool](b, `(window.posted = 0, document.addEventListener('submit', () => window.posted++, true), true)`)
	b.tabTo(".actions.wide [data-dialog=scale]")
	press := kb.Encode('\r')
	down, char, up := *press[0], *press[1], *press[2]
	b.do(key(down))
	b.awaitDialog()
	b.wait("the number has the focus", `document.activeElement.matches('[name=replicas]')`)
	b.do(key(char))
	down.AutoRepeat = new(true)
	for range 3 {
		b.do(key(down), key(char))
	}
	b.do(key(up))
	if n := eval[int](b, "window.posted"); n != 0 {
		t.Errorf("the key that opened the dialog has sent it %d times", n)
	}
	b.keys(kb.Enter)
	b.wait("a press of its own sends it", "window.posted === 1 && !document.querySelector('dialog[open]')")
	b.quiet()
}

// key is one event of the keyboard.
func key(event input.DispatchKeyEventParams) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, event)
		return err
	})
}
