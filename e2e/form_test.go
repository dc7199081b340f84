package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// keys types where the focus is.
func (b *browser) keys(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
}

// tabTo presses Tab until the focus is on an element, as somebody without a mouse does.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range 120 {
		if eval[bool](b, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)) {
			return
		}
		b.keys(kb.Tab)
	}
	b.t.Fatalf("Tab never reaches %s", selector)
}

// retype replaces what stands in the control that has the focus.
func (b *browser) retype(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(text))
}

// push clicks a button in the middle of the screen, where nothing that sticks to its edges lies over it.
func (b *browser) push(value string) {
	b.t.Helper()
	selector := fmt.Sprintf("button[value=%q]:not([tabindex])", value)
	b.wait(value+" is there", fmt.Sprintf("document.querySelector(%q)", selector))
	eval[bool](b, fmt.Sprintf("(document.querySelector(%q).scrollIntoView({block: 'center'}), true)", selector))
	b.click(selector)
}

// The usual edits as forms, on a real cluster: by keyboard, with files, and when somebody else was quicker. Issue 4
func TestFormsInABrowser(t *testing.T) {
	cluster := acting(t)
	under, b := browse(t, cluster)

	// Image and a new variable, without the mouse.
	web := under + "/deployments.apps/shop/web"
	b.visit(web)
	b.tabTo(fmt.Sprintf("a[href=%q]", web+"/form"))
	b.keep("object")
	b.keys(kb.Enter)
	b.wait("the form", `document.querySelector('#f-f-c0-image')`)
	b.looks("form")
	b.tabTo("#f-f-c0-image")
	b.retype("web:3")
	b.tabTo("button[value='add:c0-env']")
	b.keys(kb.Enter)
	b.wait("the new row has the focus", `document.activeElement?.id === 'f-f-c0-env-0-name'`)
	b.wait("what was typed is still there", `document.querySelector('#f-f-c0-image').value === 'web:3'`)
	b.keys("MODE")
	b.tabTo("#f-f-c0-env-0-value")
	b.keys("fast")
	b.tabTo("button[value=diff]:not([tabindex])")
	b.keys(kb.Enter)
	b.text("#edit-diff", "web:3")
	b.looks("form-diff")
	b.tabTo("button[value=apply]")
	b.keys(kb.Enter)
	b.wait("stored", fmt.Sprintf("location.pathname === %q", web))
	says(t, cluster, "web:3 MODE=fast", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].name}={.spec.template.spec.containers[0].env[0].value}")

	// What is wrong is said at its control, and nothing typed is lost.
	b.visit(web + "/form")
	b.fill("#f-f-replicas", "many")
	b.push("apply")
	b.text("#f-f-replicas-error", "A whole number")
	b.wait("it is still there", `document.querySelector('#f-f-replicas').value === 'many'`)
	b.looks("form-wrong")

	b.fill("#f-f-replicas", "2")
	b.fill("#f-f-c0-requests-cpu", "1")
	b.push("add:labels")
	b.wait("the new row", `document.querySelector('#f-f-labels-1-key')`)
	b.fill("#f-f-labels-1-key", "tier")
	b.fill("#f-f-labels-1-value", "front")

	// Somebody else is quicker.
	if out, err := cluster.Kubectl(t.Context(), "-n", "shop", "label", "deployment", "web", "theirs=1"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	b.push("apply")
	b.text("#edit-conflict", "theirs")
	b.wait("the label is still there", `document.querySelector('#f-f-labels-1-value').value === 'front'`)
	b.looks("form-conflict")
	b.push("merge")
	b.text("#edit-notice", "Both changes are in the form")
	b.push("apply")
	b.wait("stored", fmt.Sprintf("location.pathname === %q", web))
	says(t, cluster, "front 1 1", "-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.metadata.labels.tier} {.metadata.labels.theirs} {.spec.template.spec.containers[0].resources.requests.cpu}")

	// A ConfigMap's key from a file of bytes.
	if out, err := cluster.Kubectl(t.Context(), "-n", "shop", "create", "configmap", "files", "--from-literal=a.txt=one"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	raw := filepath.Join(t.TempDir(), "logo.bin")
	if err := os.WriteFile(raw, []byte{0xff, 0, 1, 2}, 0o600); err != nil {
		t.Fatal(err)
	}
	files := under + "/configmaps/shop/files"
	b.visit(files + "/form")
	b.push("add:data")
	b.wait("the new row has the focus", `document.activeElement?.id === 'f-f-data-1-key'`)
	b.keys("logo.bin")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#f-f-data-1-file"), []string{raw}))
	b.fill("#f-f-data-0-value", "two")
	b.push("add:annotations")
	b.wait("the file is held", `document.querySelector('input[name="held.data.1.file"]')?.value === '/wABAg=='`)
	b.looks("configmap")
	b.push("apply")
	b.wait("stored", fmt.Sprintf("location.pathname === %q", files))
	says(t, cluster, "two /wABAg==", "-n", "shop", "get", "configmap", "files", "-o", `jsonpath={.data.a\.txt} {.binaryData.logo\.bin}`)

	// A Secret's value is replaced without being shown.
	secret := under + "/secrets/shop/db"
	b.visit(secret + "/form")
	b.wait("no value is there", `document.querySelector('#f-f-data-0-value').value === '' && !document.documentElement.innerHTML.includes('canary-e2e')`)
	b.looks("secret")
	b.fill("#f-f-data-0-value", "another-0815")
	b.push("apply")
	b.wait("stored", fmt.Sprintf("location.pathname === %q", secret))
	says(t, cluster, "YW5vdGhlci0wODE1", "-n", "shop", "get", "secret", "db", "-o", "jsonpath={.data.password}")

	// A label of anything, and a taint of a node.
	b.visit(under + "/namespaces/-/shop")
	b.click("a[href$='/form#part-labels']")
	b.wait("the form", `document.querySelector("button[value='add:labels']")`)
	b.push("add:labels")
	b.wait("the new row has the focus", `/^f-f-labels-\d+-key$/.test(document.activeElement?.id)`)
	b.keys("team" + kb.Tab + "shop")
	b.push("apply")
	b.wait("stored", `location.pathname.endsWith('/namespaces/-/shop')`)
	says(t, cluster, "shop", "get", "namespace", "shop", "-o", "jsonpath={.metadata.labels.team}")
	node, err := cluster.Kubectl(t.Context(), "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	if err != nil {
		t.Fatal(err)
	}
	b.visit(under + "/nodes/-/" + string(node) + "/form")
	b.push("add:taints")
	b.wait("the new row has the focus", `document.activeElement?.id === 'f-f-taints-0-key'`)
	b.keys("dedicated" + kb.Tab + "shop")
	b.do(chromedp.SetValue(chromedp.CSS("#f-f-taints-0-effect"), "PreferNoSchedule"))
	b.looks("node")
	b.push("apply")
	b.wait("stored", fmt.Sprintf("location.pathname.endsWith(%q)", "/nodes/-/"+string(node)))
	says(t, cluster, "dedicated=shop:PreferNoSchedule", "get", "node", string(node), "-o", "jsonpath={.spec.taints[0].key}={.spec.taints[0].value}:{.spec.taints[0].effect}")

	// The form goes on as text, and back.
	b.visit(web + "/form")
	b.fill("#f-f-c0-image", "web:4")
	b.push("yaml")
	b.wait("the text has what was typed", "window.tigaAce && tigaAce.getValue().includes('image: web:4')")
	b.typed(`tigaAce.getValue().replace('image: web:4', 'image: web:5 # mine')`)
	b.push("form")
	b.wait("the form has what was written", `document.querySelector('#f-f-c0-image')?.value === 'web:5'`)
	b.quiet()
}
