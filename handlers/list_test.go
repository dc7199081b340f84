package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// namesIn are the names in the rows of a list, in order.
func namesIn(n *html.Node) []string {
	var out []string
	for _, a := range elements(n, "a", "data-row-link", "") {
		out = append(out, textOf(a))
	}
	return out
}

func TestListsFilterSortAndPage(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	for i := range 230 {
		k.production.Add(testPod("bulk", fmt.Sprintf("p-%03d", i)))
	}
	k.production.Add(testNamespace("bulk"))
	k.warm("pods", "nodes", "namespaces")
	v := k.as(viewer)
	pods := clusterPath(k.productionID) + "/pods"
	list := func(query string) []string {
		t.Helper()
		return namesIn(v.get(pods + query).want(http.StatusOK).doc())
	}
	first := v.get(pods + "?ns=bulk").want(http.StatusOK)
	names := namesIn(first.doc())
	if len(names) != pageSize || names[0] != "p-000" || names[99] != "p-099" {
		t.Errorf("the first page has %d rows from %v", len(names), names[:min(3, len(names))])
	}
	next := elements(first.doc(), "a", "rel", "next")
	if len(next) != 1 {
		t.Fatal("there is no next page")
	}
	if got := namesIn(v.get(attribute(next[0], "href")).doc()); len(got) != 100 || got[0] != "p-100" {
		t.Errorf("the second page has %d rows from %v", len(got), got[:min(3, len(got))])
	}
	if got := list("?ns=bulk&page=3"); len(got) != 30 {
		t.Errorf("the last page has %d rows", len(got))
	}
	if got := list("?ns=bulk&page=9999"); len(got) != 30 {
		t.Errorf("a page after the last shows %d rows", len(got))
	}
	if got := list("?ns=bulk&sort=-name"); got[0] != "p-229" {
		t.Errorf("sorted by name, downwards, the list begins with %s", got[0])
	}
	if got := list("?q=web-"); !slices.Equal(got, []string{"web-1", "web-2"}) {
		t.Errorf("the filter finds %v", got)
	}
	if got := list("?ns=shop&ns=pay"); !slices.Equal(got, []string{"bank-1", "web-1", "web-2"}) {
		t.Errorf("two namespaces hold %v", got)
	}
	if got := list("?ns=_all&q=bank"); !slices.Equal(got, []string{"bank-1"}) {
		t.Errorf("all namespaces hold %v", got)
	}
	v.get(pods+"?ns=nowhere").want(http.StatusOK, "No")
	v.get(pods + "?q=nothing-has-this-name").want(http.StatusOK)
	if got := list("?q=nothing-has-this-name"); len(got) != 0 {
		t.Errorf("no match shows %v", got)
	}
	// Sorting and filtering keep the rest of the query and lead back to the first page.
	page := v.get(pods + "?ns=bulk&page=2&q=p-&sort=name").doc()
	for _, th := range elements(page, "th", "aria-sort", "ascending") {
		u, err := url.Parse(attribute(elements(th, "a", "", "")[0], "href"))
		k.must(err)
		if q := u.Query(); q.Get("sort") != "-name" || q.Get("q") != "p-" || q.Get("ns") != "bulk" || q.Has("page") {
			t.Errorf("the header leads to %s", u)
		}
	}
	// FR-1.13: what has no namespace ignores the filter and says so.
	if got := v.get(clusterPath(k.productionID)+"/nodes?ns=shop").want(http.StatusOK, "namespace"); !slices.Equal(namesIn(got.doc()), []string{"p-1", "p-2"}) {
		t.Errorf("the nodes are %v", namesIn(got.doc()))
	}
	// FR-6.7: rows of other namespaces are not there for who may not see them, nor in the counts.
	mine := k.as(keeper).get(pods)
	if got := namesIn(mine.doc()); !slices.Equal(got, []string{"web-1", "web-2"}) || strings.Contains(mine.text(), "233") {
		t.Errorf("the keeper sees %v", got)
	}
	if strings.Contains(k.as(keeper).get(pods+"?ns=pay").body, "bank-1") {
		t.Error("the keeper sees another namespace by asking for it")
	}
	// FR-3.4: refresh reads anew.
	reads := len(k.production.Requests())
	v.post(pods+"/refresh?ns=bulk&q=p-", nil).want(http.StatusSeeOther)
	if len(k.production.Requests()) == reads {
		t.Error("a refresh does not ask the cluster")
	}
	if got := v.post(pods+"/refresh?ns=bulk&q=p-", nil).header.Get("Location"); got != pods+"?ns=bulk&q=p-" {
		t.Errorf("the refresh leads to %s", got)
	}
}

// TestOnePageTwoShapes proves that htmx gets the inside of the page, and nobody else's cache mistakes it for the whole.
func TestOnePageTwoShapes(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v, under := k.as(viewer), clusterPath(k.productionID)
	for _, path := range []string{"/", under, under + "/pods", under + "/pods/shop/web-1", "/account", "/nowhere"} {
		whole := v.get(path)
		part := v.get(path, "HX-Request", "true", "HX-Request-Type", "partial")
		// Back asks for the whole page, and so does a boosted link to another.
		full := v.get(path, "HX-Request", "true", "HX-Request-Type", "full")
		if !strings.Contains(whole.body, "<html") || !strings.Contains(full.body, "<html") || strings.Contains(part.body, "<html") || strings.Contains(part.body, "<body") {
			t.Errorf("%s: the shapes are wrong", path)
		}
		if !strings.Contains(part.body, "<title>") || len(part.body) == 0 {
			t.Errorf("%s: the part has no title", path)
		}
		if whole.status != part.status {
			t.Errorf("%s: %d and %d", path, whole.status, part.status)
		}
		for _, r := range []*reply{whole, part, full} {
			if vary := strings.Join(r.header.Values("Vary"), ", "); !strings.Contains(vary, "HX-Request-Type") {
				t.Errorf("%s: Vary is %q", path, vary)
			}
		}
	}
}

// TestHostileAddresses asks for what nobody should: always 400 or 404 (or 414), never a fault of ours, and nothing that
// leaves the authorised path reaches the cluster. A13
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v, under := k.as(admin), clusterPath(k.productionID)
	hostile := []string{
		"..", "%2e%2e", "..%2f..%2f", "%2f", "a%2fb", "%5c", "%00", "%0d%0aX:%20y", "<script>", "%3Cscript%3E", ";", "..;", "%252e%252e", "%c0%ae", "%ff",
		"UPPER", "a b", "-", "_", "%E2%80%AE", strings.Repeat("x", 5000), strings.Repeat("%2e", 1000), "*", "?", "web-1%20", "'", `"`, "$(id)", "{{.}}",
	}
	k.production.Reset()
	for _, h := range hostile {
		for _, path := range []string{
			"/clusters/" + h, under + "/" + h, under + "/pods/" + h + "/web-1", under + "/pods/shop/" + h, under + "/pods/shop/" + h + "/yaml", under + "/pods/shop/" + h + "/delete",
			under + "/pods/shop/web-1/" + h, "/settings/clusters/" + h, clusters + "/" + h,
		} {
			r := v.get(path)
			// What the browser would fold or cut off itself names another page of ours.
			folded := h == ".." || h == "?" || strings.HasPrefix(h, "?")
			if r.status >= 500 || !folded && r.status != 400 && r.status != 404 && r.status != 414 {
				t.Errorf("GET %.100s: %d", path, r.status)
			}
			if strings.Contains(r.body, "<script>") && !strings.Contains(r.body, "&lt;script") {
				t.Errorf("GET %.100s: the answer holds the script", path)
			}
		}
		r := v.post(under+"/pods/shop/"+h+"/delete", url.Values{"confirm": {h}})
		if r.status >= 500 || r.status < 400 {
			t.Errorf("POST %.100s: %d", h, r.status)
		}
	}
	if n := len(k.production.Changes()); n != 0 {
		for _, r := range k.production.Changes() {
			if !strings.HasPrefix(r.Path, "/api/v1/namespaces/shop/pods/") || strings.Count(r.Path, "/") != 6 {
				t.Errorf("the cluster saw %.200s", r)
			}
		}
	}
	for _, q := range []string{
		"page=0", "page=-1", "page=x", "page=99999999999999999999", "page=1.5",
	} {
		v.get(under + "/pods?" + q).want(http.StatusBadRequest)
	}
	for _, q := range []string{
		"sort=nothing", "sort=-", "sort=%00", "ns=%2e%2e", "ns=%3Cscript%3E", "q=%00", "q=" + strings.Repeat("x", 7000), "q=-l%20)(", "f.nothing=x", "f.=x", "cols=nothing", "cols=", "q=%ff", "%ff=%ff", "&&&", "page=",
	} {
		if r := v.get(under + "/pods?" + q); r.status != http.StatusOK && r.status != http.StatusBadRequest {
			t.Errorf("?%.60s: %d", q, r.status)
		} else if strings.Contains(r.body, "<script>") {
			t.Errorf("?%.60s: the page holds the script", q)
		}
	}
	v.get("/?q=" + strings.Repeat("x", 10_000)).want(http.StatusRequestURITooLong)
	// Forms.
	for _, o := range []string{"web-1", "shop/", "shop/a/b", "/web-1", "", "../../x/y"} {
		v.post(under+"/pods/delete", url.Values{"o": {o}, "confirm": {"1"}}).want(http.StatusBadRequest)
	}
	many := url.Values{"confirm": {"501"}}
	for i := range maxBulk + 1 {
		many.Add("o", fmt.Sprintf("shop/p%d", i))
	}
	v.post(under+"/pods/delete", many).want(http.StatusBadRequest)
	v.post(under+"/pods/shop/web-1/explode", nil).want(http.StatusNotFound, "no action")
	v.post(under+"/deployments.apps/scale", url.Values{"o": {"shop/web"}}).want(http.StatusNotFound)
	v.get(under+"/widgets").want(http.StatusNotFound, "does not serve widgets")
	v.get(under+"/widgets.example.com").want(http.StatusNotFound, "CustomResourceDefinition widgets.example.com not found")
}
