package e2e

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"tiga/e2e/testbed"
)

// rows counts the rows on screen.
const rowsShown = `document.querySelectorAll('tr[data-row]').length`

// A list is narrowed by facet and filter, sorted, paged and left again; every step is an address, and Back goes the
// way back.
func TestListIsNarrowedSortedPagedAndLeft(t *testing.T) {
	a := start(t, options{})
	id := a.signIn("admin", password).clusterID("production")
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d/pods", id))
	b.wait("a page of a hundred", rowsShown+" === 100")

	b.click(".pager a[rel=next]")
	b.wait("the second page", `location.search.includes('page=2') && `+rowsShown+` > 0`)
	second := eval[string](b, `document.querySelector('tr[data-row] a[data-row-link]').textContent`)
	b.click("th a[href*='sort=restarts']")
	b.wait("sorted by restarts, from the first page", `location.search.includes('sort=restarts') && !location.search.includes('page=')`)
	b.click("th a[href*='sort=-restarts']")
	b.wait("the most restarts first", `document.querySelector('th[aria-sort=descending]') && parseInt(document.querySelector('tr[data-row] td.r:nth-of-type(n+4)')?.innerText ?? '') >= 0`)

	b.do(chromedp.Click(`//nav[contains(@class,"facets")]//a[contains(., "CrashLoopBackOff")]`, chromedp.NodeVisible))
	b.wait("only those that crash", `location.search.includes('f.status=CrashLoopBackOff') && `+rowsShown+` > 0 && [...document.querySelectorAll('tr[data-row]')].every(r => r.innerText.includes('CrashLoopBackOff'))`)
	crashing := eval[int](b, rowsShown)
	b.fill("#q", "!nosuch")
	b.wait("the filter is in the address", `location.search.includes('q=%21nosuch') && `+rowsShown+fmt.Sprintf(` === %d`, crashing))

	// A facet with many values opens as a sheet.
	b.click("#facet-node")
	b.wait("the sheet lists nodes", `document.querySelector('#facet-sheet')?.checkVisibility() && document.querySelectorAll('#facet-sheet a').length > 0`)
	b.do(chromedp.KeyEvent(kb.Escape))

	link := eval[string](b, "location.pathname + location.search")
	b.click("tr[data-row] a[data-row-link]")
	b.wait("the page of a pod", `location.pathname.split('/').length === 6`)
	eval[bool](b, "(history.back(), true)")
	b.wait("back on the list as it was left", fmt.Sprintf(`location.pathname + location.search === %q && %s === %d && document.querySelector('#q').value === '!nosuch'`, link, rowsShown, crashing))
	b.visit(link)
	b.wait("the address alone gives the same list", fmt.Sprintf(`%s === %d && document.querySelector('th[aria-sort=descending]')`, rowsShown, crashing))
	if second == "" {
		t.Error("the second page had no row")
	}
	b.keep("narrowed")
	b.quiet()
}

// What somebody sets up for themselves stays: columns and their order, a view under a name, a favourite.
func TestListKeepsColumnsViewsAndFavourites(t *testing.T) {
	a := start(t, options{})
	id := a.signIn("admin", password).clusterID("production")
	b := a.open()
	b.signIn("admin", password)
	path := fmt.Sprintf("/clusters/%d/pods", id)
	b.visit(path + "?q=nginx&sort=-age")
	b.wait("nginx pods", rowsShown+" >= 3")

	b.click("[popovertarget=columns-menu]")
	b.wait("the columns are offered", `document.querySelector('#columns-menu').checkVisibility()`)
	b.click("#columns-menu [name=cols][value=ip]")
	b.fill("#column-label", "app")
	b.click("#columns-menu .menu-foot .primary")
	b.wait("the columns are there", `[...document.querySelectorAll('thead th')].some(h => h.innerText.trim() === 'app') && [...document.querySelectorAll('thead th')].some(h => h.innerText.includes('IP'))`)
	b.text("tr[data-row]", "nginx")
	b.visit(path)
	b.wait("they stay", rowsShown+` > 50 && [...document.querySelectorAll('thead th')].some(h => h.innerText.trim() === 'app')`)

	b.visit(path + "?q=nginx&sort=-age")
	b.click("[popovertarget=views-menu]")
	b.fill("#view-name", `my <b>nginx</b> view`)
	b.click("#views-menu [name=pinned]")
	b.click("#views-menu .menu-foot .primary")
	// A form's own navigation is under way: another one before it is through would be refused as aborted.
	b.text("#toasts", "my <b>nginx</b> view")
	b.visit(path)
	b.wait("the view is under its kind in the menu", `[...document.querySelectorAll('#sidebar a')].some(a => a.innerText.includes('my <b>nginx</b> view'))`)
	b.do(chromedp.Click(`//nav[@id="sidebar"]//a[contains(., "nginx")]`, chromedp.NodeVisible))
	b.wait("the view as it was kept", `location.search.includes('q=nginx') && location.search.includes('sort=-age') && `+rowsShown+` >= 3`)

	b.click(".star button")
	b.text("#sidebar", "Favourites")
	b.visit(fmt.Sprintf("/clusters/%d/services", id))
	b.wait("the favourite leads back", `[...document.querySelectorAll('#group-favourites a')].some(a => a.innerText.includes('Pods'))`)
	b.keep("own")
	b.quiet()
}

// A selection lives through changes of the list and through its pages, made with the keyboard alone.
func TestListSelectionByKeyboardOutlivesALiveChange(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("production")
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d/pods?q=app%%3Dsearch-api&ns=search", id))
	b.wait("some pods", rowsShown+" >= 2")
	b.do(chromedp.KeyEvent("j"), chromedp.KeyEvent("x"), chromedp.KeyEvent("j"), chromedp.KeyEvent("x"))
	b.wait("two are selected", `document.querySelectorAll('.tick[name=o]:checked').length === 2 && document.querySelector('.bulk').checkVisibility()`)
	before := eval[int](b, rowsShown)
	chosen := eval[string](b, `[...document.querySelectorAll('.tick[name=o]:checked')].map(e => e.value).sort().join()`)
	eval[bool](b, `(window.notReloaded = true)`)
	scale := fmt.Sprintf("/clusters/%d/deployments.apps/search/search-api/scale", id)
	c.scale(scale, before+2)
	b.wait("two more", fmt.Sprintf(`%s === %d`, rowsShown, before+2))
	if got := eval[string](b, `[...document.querySelectorAll('.tick[name=o]:checked')].map(e => e.value).sort().join()`); got != chosen || !eval[bool](b, "window.notReloaded") {
		t.Errorf("selected were %s, are %s", chosen, got)
	}
	c.scale(scale, before)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait("nothing is selected", `document.querySelectorAll('.tick[name=o]:checked').length === 0`)
	b.do(chromedp.KeyEvent("g"), chromedp.KeyEvent(kb.Enter))
	b.wait("Enter opens the row", `location.pathname.split('/').length === 6`)
	b.quiet()
}

// scale sets the replicas of a workload through its form.
func (c *client) scale(path string, replicas int) {
	c.t.Helper()
	form := c.get(path)
	if form.status != http.StatusOK {
		c.t.Fatalf("%s: %d", path, form.status)
	}
	r := c.post(path, map[string][]string{"replicas": {fmt.Sprint(replicas)}})
	if r.status != http.StatusSeeOther && r.status != http.StatusOK {
		c.t.Fatalf("scale: %d %.300s", r.status, r.body)
	}
}

// The whole filtered list comes as a file that spreadsheets read and do not run.
func TestListExportsWhatIsFiltered(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("production")
	var counted struct{ Total int }
	c.api(http.MethodGet, fmt.Sprintf("/clusters/%d/resources/pods?as=table&limit=1&namespace=shop", id), nil, &counted)
	r := c.get(fmt.Sprintf("/clusters/%d/pods?ns=shop&as=csv&cols=name&cols=status&cols=node", id))
	if r.status != http.StatusOK || !strings.Contains(r.header.Get("Content-Disposition"), "production") {
		t.Fatalf("%d %q", r.status, r.header.Get("Content-Disposition"))
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(r.body, "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != counted.Total+1 || counted.Total < 10 || records[0][0] != "Name" {
		t.Errorf("%d records for %d pods, header %q", len(records), counted.Total, records[0])
	}
}

// The kind of a new definition is in the menu of a page that is open, without a reload, and leaves it with the
// definition. FR-1.6, FR-1.12, FR-1.14
func TestFR1_6_KindsComeAndGoWithTheirDefinition(t *testing.T) {
	cluster := testbed.Start(t, testbed.Options{Name: "kinds"})
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	id := a.signIn("admin", password).clusterID("kinds")
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d/pods", id))
	b.wait("the list of pods", `document.querySelector('h1')?.innerText === 'Pods'`)
	b.wait("it is live", `document.querySelector('.head .fresh')?.innerText.includes('live')`)
	eval[bool](b, `(window.notReloaded = true)`)
	if err := cluster.InstallFamily(t.Context(), testbed.SystemUpgrade); err != nil {
		t.Fatal(err)
	}
	b.wait("the kind is in the menu", `document.getElementById('menu-plans.upgrade.cattle.io')`)
	eval[bool](b, `(document.getElementById('group-upgrade.cattle.io').open = true)`)
	b.wait("the menu holds still", `(window.still ??= 0, window.stood = window.still, window.still = document.getElementById('sidebar').innerText, window.stood === window.still)`)
	b.click(`[id="menu-plans.upgrade.cattle.io"]`)
	b.wait("its list is there", fmt.Sprintf(`location.pathname === '/clusters/%d/plans.upgrade.cattle.io' && document.querySelector('h1')`, id))

	config, err := clientcmd.RESTConfigFromKubeConfig(cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	plan := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "upgrade.cattle.io/v1", "kind": "Plan", "metadata": map[string]any{"name": "server-plan"},
		"spec": map[string]any{"channel": "https://update.example.com/stable", "upgrade": map[string]any{"image": "rancher/k3s-upgrade"}},
	}}
	gvr := schema.GroupVersionResource{Group: "upgrade.cattle.io", Version: "v1", Resource: "plans"}
	if _, err := kube.Resource(gvr).Namespace("default").Create(t.Context(), plan, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.text("tr[data-row]", "rancher/k3s-upgrade")
	b.keep("custom")
	if err := cluster.RemoveDefinition(t.Context(), "plans.upgrade.cattle.io"); err != nil {
		t.Fatal(err)
	}
	b.text("#main", "CustomResourceDefinition plans.upgrade.cattle.io not found")
	b.wait("the kind is no longer in the menu", `!document.getElementById('menu-plans.upgrade.cattle.io')`)
	if !eval[bool](b, "window.notReloaded === true") {
		t.Error("a page was loaded anew")
	}
	b.quiet()
}
