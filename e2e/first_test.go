package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The first thing a user does: sign in, see the clusters, enter one, filter its pods, scale a deployment, and see the
// rows change without a reload and the audit log tell of it.
func TestShow1_SignInToScaleToAudit(t *testing.T) {
	a := start(t, options{})
	b := a.open()
	b.signIn("admin", password)

	for _, name := range []string{"production", "staging", "dev"} { // FR-0.1
		b.wait(name+" was reached", fmt.Sprintf(
			`[...document.querySelectorAll('#main tr')].some(r => r.innerText.includes(%q) && /Healthy|Warning/.test(r.innerText))`, name))
	}
	b.keep("home")

	b.do(chromedp.Click(`//main//a[normalize-space()="production"]`, chromedp.NodeVisible)) // FR-0.2
	b.wait("the overview of production", `document.title.includes('production') && document.querySelector('h1').innerText.includes('production')`)
	b.do(chromedp.Click(`//nav//a[contains(., "Pods")]`, chromedp.NodeVisible))
	b.wait("the list of pods", `location.pathname.endsWith('/pods') && document.querySelectorAll('tr[data-row]').length > 50`)
	b.text("#context", "production") // FR-0.3

	b.fill("#q", "app=nginx")
	b.wait("three nginx pods", `document.querySelectorAll('tr[data-row]').length === 3 && location.search.includes('q=')`)
	eval[bool](b, `(window.notReloaded = true, document.querySelector('#q').focus(), true)`)

	// Another window scales the deployment; this one only watches.
	other := a.open()
	other.signIn("admin", password)
	id := a.signIn("admin", password).clusterID("production")
	other.visit(fmt.Sprintf("/clusters/%d/deployments.apps/shop/nginx", id))
	other.click(".actions.wide a[data-dialog=scale]")
	other.wait("the dialog asks", `[...document.querySelectorAll('[name=replicas]')].some(e => e.checkVisibility())`)
	other.text("dialog[open], #confirm", "production")
	other.fill("[name=replicas]", "5")
	other.keep("scale")
	other.click("#confirm button[type=submit]")
	other.text("#toasts", "scaled to 5")

	b.wait("five nginx pods, all running", `document.querySelectorAll('tr[data-row]').length === 5 &&
		[...document.querySelectorAll('tr[data-row]')].every(r => r.innerText.includes('Running'))`)
	if !eval[bool](b, `window.notReloaded === true`) {
		t.Error("the page was loaded anew instead of being morphed")
	}
	if !eval[bool](b, `document.activeElement?.id === 'q' && document.activeElement.value === 'app=nginx'`) {
		t.Error("the filter box lost its focus or its text over the live change")
	}
	b.keep("pods")

	b.visit("/audit?kind=deployments&verb=scale") // FR-6.5
	b.text("tbody", "nginx")
	b.do(chromedp.Click(`//tbody//a[@aria-expanded] | //tbody//tr[1]//a`, chromedp.NodeVisible))
	b.text("#main", "spec.replicas: 5")
	b.text("#main", "spec.replicas: 3")
	b.keep("audit")
	b.quiet()
	other.quiet()
}

// Acceptance scenario 6: after switching to staging, everything is staging's, and nothing of production's view stays.
func TestScenario6_SwitchClusterKeepsThePlace(t *testing.T) {
	a := start(t, options{})
	b := a.open()
	b.signIn("admin", password)
	id := a.signIn("admin", password).clusterID("production")
	b.visit(fmt.Sprintf("/clusters/%d/pods?q=nginx&ns=shop", id))
	b.wait("nginx pods of production", `document.querySelectorAll('tr[data-row]').length >= 3`)

	b.click("[popovertarget=cluster-menu], #cluster-switch")
	b.do(chromedp.Click(`//*[@popover or self::details]//a[contains(., "staging")]`, chromedp.NodeVisible)) // FR-0.4
	b.wait("pods of staging", fmt.Sprintf(`location.pathname.endsWith('/pods') && !location.pathname.includes('/%d/') && document.title.includes('staging')`, id))
	b.text("#context", "staging")
	if search := eval[string](b, `location.search`); search != "" { // FR-0.5
		t.Errorf("the filter of production was carried to staging: %s", search)
	}
	b.wait("the filter is empty", `document.querySelector('#q').value === ''`)
	b.wait("its pods are listed", `document.querySelectorAll('tr[data-row]').length >= 1`)
	if strings.Contains(eval[string](b, `document.querySelector('#main').innerText`), "prod-general") {
		t.Error("staging shows a node of production")
	}
	b.quiet()
}

// A first start without a password prints a one-time one, which has to be changed.
func TestFirstStartPrintsAOneTimePassword(t *testing.T) {
	clusters(t)
	a := start(t, options{noPassword: true})
	eventually(t, 10*time.Second, "the password is printed", func() error {
		if !strings.Contains(a.out.String(), "one-time password") {
			return fmt.Errorf("printed: %s", a.out)
		}
		return nil
	})
	words := strings.Fields(a.out.String())
	once := words[len(words)-1]
	c := a.signIn("admin", once)
	if r := c.get("/account"); r.status != http.StatusOK || !strings.Contains(r.body, "password") {
		t.Errorf("account page: %d", r.status)
	}
	if strings.Contains(a.errs.String(), once) {
		t.Error("the one-time password stands in the log")
	}
}
