package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"tiga/access"
	"tiga/kube/kubetest"
)

// page is one address that a crawl met.
type page struct {
	path string
	*reply
	doc *html.Node
}

// crawl follows every link from the start pages on, in the manner of a person who clicks on everything. Addresses that
// differ only in the values of their query are one.
func crawl(v *visitor, start ...string) []page {
	v.k.t.Helper()
	var out []page
	seen := map[string]bool{}
	queue := slices.Clone(start)
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		u, err := url.Parse(next)
		v.k.must(err)
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "/static/") || strings.HasSuffix(u.Path, "/live") {
			continue
		}
		keys := []string{u.Path}
		for key := range u.Query() {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		// Of a query string one part is followed at a time: their combinations show nothing new.
		if key := strings.Join(keys, " "); seen[key] || len(keys) > 2 {
			continue
		} else {
			seen[key] = true
		}
		p := page{path: next, reply: v.get(u.RequestURI())}
		if p.status == http.StatusOK && !strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
			continue // a file, not a page
		}
		p.doc = p.reply.doc()
		out = append(out, p)
		for _, attr := range []string{"href", "hx-get", "formaction"} {
			for _, n := range elements(p.doc, "", attr, "") {
				if n.Data != "link" {
					queue = append(queue, attribute(n, attr))
				}
			}
		}
	}
	return out
}

// everywhere are the pages to start from: those that nothing links to where there is nothing to show come along.
func everywhere(k *kit) []string {
	p := fmt.Sprintf("/clusters/%d", k.productionID)
	return []string{"/", "/account", "/audit", "/settings/clusters", p, p + "/pods", p + "/nodes", p + "/deployments.apps", p + "/namespaces", p + "/events"}
}

// posts are the targets of a page's forms that send.
func posts(p page) []string {
	var out []string
	for _, f := range elements(p.doc, "form", "", "") {
		if strings.EqualFold(attribute(f, "method"), "post") {
			out = append(out, attribute(f, "action"))
		}
	}
	for _, n := range elements(p.doc, "", "hx-post", "") {
		out = append(out, attribute(n, "hx-post"))
	}
	return out
}

// harmless says whether a form may stand on a page in read-only mode: it changes a cookie, the own session, what the
// person keeps, or what is shown.
func harmless(action string) bool {
	u, err := url.Parse(action)
	if err != nil {
		return false
	}
	switch u.Path {
	case "/audit/verify", "/preferences", "/logout", "/login", "/account/sessions/end":
		return true
	}
	for _, end := range []string{"/retry", "/refresh", "/columns", "/favourite", "/views"} {
		if strings.HasPrefix(u.Path, "/clusters/") && strings.HasSuffix(u.Path, end) {
			return true
		}
	}
	return false
}

// acts says whether an address asks to change something.
func acts(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ends := []string{"/remove", "/new", "/reveal"}
	for id := range actions() {
		ends = append(ends, "/"+string(id))
	}
	for _, end := range ends {
		if strings.HasSuffix(u.Path, end) {
			return true
		}
	}
	return false
}

// buttons are what a page offers to change, under a path.
func buttons(p page, under string) []string {
	var out []string
	for _, action := range posts(p) {
		if strings.HasPrefix(action, under) && !harmless(action) {
			out = append(out, action)
		}
	}
	for _, attr := range []string{"href", "hx-get", "formaction"} {
		for _, n := range elements(p.doc, "", attr, "") {
			if a := attribute(n, attr); strings.HasPrefix(a, under) && acts(a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// onlyReads fails the test if the cluster saw anything but reads. What Tiga's own credentials may do is asked with a POST,
// which changes nothing; a read-only cluster sees not even that.
func onlyReads(t *testing.T, name string, s *kubetest.Server, readOnly bool) {
	t.Helper()
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet && (readOnly || !r.Review()) {
			t.Errorf("%s saw %s", name, r)
		}
	}
}

func TestA15_FR6_1_ReadOnlyServerOffersAndDoesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{readOnly: true})
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	v := k.as(admin)
	pages := crawl(v, everywhere(k)...)
	if len(pages) < 30 {
		t.Errorf("the crawl saw %d pages only", len(pages))
	}
	for _, p := range pages {
		if p.status >= 500 {
			t.Errorf("%s: %d", p.path, p.status)
		}
		for _, b := range buttons(p, "/") {
			t.Errorf("%s offers %s", p.path, b)
		}
	}
	// FR-6.2: every route that changes something says so, in the person's language, on pages and in the API.
	refusals := 0
	for key, probes := range rightsMatrix(k) {
		method, pattern, _ := strings.Cut(key, " ")
		for _, p := range probes {
			if cells := strings.Fields(p.want); cells[len(cells)-1] != "403" {
				if row := rowFor(k, method, pattern); row.effect != access.EffectRead {
					t.Errorf("%s has the effect %s and is not refused", key, row.effect)
				}
				continue
			}
			refusals++
			v := k.as(admin)
			sendProbe(v, method, p).want(http.StatusForbidden, "read-only mode is enabled")
			sendProbe(v, method, p, "Accept-Language", "zh-CN").want(http.StatusForbidden, "只读模式已启用")
		}
	}
	if refusals < 12 {
		t.Errorf("only %d requests were refused", refusals)
	}
	onlyReads(t, "production", k.production, true)
	onlyReads(t, "staging", k.staging, true)
}

func rowFor(k *kit, method, pattern string) route {
	for _, row := range k.table {
		if row.method == method && row.pattern == pattern {
			return row
		}
	}
	return route{}
}

func TestA15_FR6_1_ReadOnlyClusterOffersAndDoesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	v.json(http.MethodPut, fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID), `{"read_only":true}`).want(http.StatusOK, `"read_only":true`)
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	under := fmt.Sprintf("/clusters/%d", k.productionID)
	for _, p := range crawl(v, everywhere(k)...) {
		for _, b := range buttons(p, under) {
			t.Errorf("%s offers %s", p.path, b)
		}
	}
	v = k.as(admin)
	for path, form := range map[string]url.Values{
		under + "/deployments.apps/shop/web/scale":   {"replicas": {"5"}},
		under + "/deployments.apps/shop/web/restart": {},
		under + "/pods/shop/web-1/delete":            {"confirm": {"web-1"}},
		under + "/pods/delete":                       {"o": {"shop/web-1"}, "confirm": {"1"}},
		under + "/deployments.apps/restart":          {"o": {"shop/web"}},
		under + "/deployments.apps/shop/web/pause":   {},
		under + "/deployments.apps/shop/web/undo":    {"revision": {"1"}},
		under + "/cronjobs.batch/shop/report/run":    {},
		under + "/pods/shop/web-1/evict":             {},
		under + "/nodes/-/p-1/cordon":                {},
		under + "/nodes/cordon":                      {"o": {"/p-1"}},
	} {
		v.post(path, form).want(http.StatusForbidden, "read-only mode is enabled")
		v.post(path, form, "HX-Request", "true").want(http.StatusForbidden, "read-only mode is enabled")
		v.post(path, form, "Accept-Language", "zh-CN").want(http.StatusForbidden, "只读模式已启用")
	}
	onlyReads(t, "production", k.production, true)
	// The other cluster is not concerned, and the mode can be switched off again.
	v.json(http.MethodPut, fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID), `{"read_only":false}`).want(http.StatusOK)
	v.post(under+"/deployments.apps/shop/web/restart", nil).want(http.StatusSeeOther)
	if len(k.production.Changes()) == 0 {
		t.Error("after the mode was switched off, nothing reached the cluster")
	}
}

// TestA14_WithoutPolicyNothingIsAnswered takes the policy away: whatever asks for a permit gets none.
func TestA14_WithoutPolicyNothingIsAnswered(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	k.healthy(k.stagingID)
	k.authority = access.New()
	health := map[string]bool{}
	for _, s := range []*kubetest.Server{k.production, k.staging} {
		for _, r := range s.Requests() {
			health[r.Path] = true
		}
		s.Reset()
	}
	// What is about the person, and the list of clusters, which is empty.
	open := map[string]bool{
		"GET /": true, "GET /live": true, "GET /account": true, "GET " + apiRoot + "/clusters": true,
		"POST /logout": true, "POST /account/sessions/end": true, "POST /account/tokens": true,
	}
	for key, probes := range rightsMatrix(k) {
		method, pattern, _ := strings.Cut(key, " ")
		if key == "GET /api/docs" {
			continue // a description, whose examples have names like ours
		}
		for _, p := range probes {
			r := sendProbe(k.as(admin), method, p)
			if !open[key] && rowFor(k, method, pattern).who != anyone && r.status < 400 {
				t.Errorf("%s: %d without a policy", key, r.status)
			}
			if r.status >= 500 {
				t.Errorf("%s: %d", key, r.status)
			}
			if text := r.text(); rowFor(k, method, pattern).who != anyone && (strings.Contains(text, "production") || strings.Contains(text, "staging")) {
				t.Errorf("%s names a cluster: %.300s", key, text)
			}
		}
	}
	for name, s := range map[string]*kubetest.Server{"production": k.production, "staging": k.staging} {
		for _, r := range s.Requests() {
			if !health[r.Path] || r.Method != http.MethodGet {
				t.Errorf("%s saw %s", name, r)
			}
		}
	}
}

func TestA02_ReadingChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	v := k.as(admin)
	before := k.tables()
	if !strings.Contains(before, "cluster_credentials.") || !strings.Contains(before, "users.name=admin") {
		t.Fatalf("the tables are not read: %.300s", before)
	}
	pages := crawl(v, everywhere(k)...)
	for key, probes := range rightsMatrix(k) {
		if method, _, _ := strings.Cut(key, " "); method == http.MethodGet {
			for _, p := range probes {
				sendProbe(v, method, p)
			}
		}
	}
	if diff := cmp.Diff(before, k.tables()); diff != "" {
		t.Errorf("looking changed the database (-before +after):\n%s", diff)
	}
	onlyReads(t, "production", k.production, false)
	onlyReads(t, "staging", k.staging, false)
	for _, p := range pages {
		// The buttons for what is selected say so when nothing is.
		if p.status != http.StatusOK && (p.status != http.StatusBadRequest || !acts(p.path)) {
			t.Errorf("a link leads to %s: %d %.200s", p.path, p.status, p.text())
		}
	}
}

// TestPagesObeyTheirOwnPolicy looks for what the Content-Security-Policy would stop, on every page.
func TestPagesObeyTheirOwnPolicy(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	pages := append(crawl(k.as(admin), everywhere(k)...), crawl(k.anonymous(), "/login")...)
	for _, p := range pages {
		for n := range p.doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if n.Data == "style" || n.Data == "script" && !strings.HasPrefix(attribute(n, "src"), "/static/") || n.Data == "base" {
				t.Errorf("%s has a <%s> of its own", p.path, n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.Contains(strings.ToLower(a.Val), "javascript:") {
					t.Errorf("%s: <%s %s=%q>", p.path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestFR0_3_NameInTopBarAndTitleOfEveryPage(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	under := fmt.Sprintf("/clusters/%d", k.productionID)
	seen := 0
	for _, p := range crawl(k.as(admin), everywhere(k)...) {
		if !strings.HasPrefix(p.path, under) || strings.Contains(p.path, "download=1") {
			continue
		}
		seen++
		title := elements(p.doc, "title", "", "")
		if len(title) != 1 || !strings.Contains(textOf(title[0]), "production") {
			t.Errorf("%s: the title does not name the cluster", p.path)
		}
		bar := elements(p.doc, "button", "id", "cluster-switch")
		if len(bar) != 1 || !strings.Contains(textOf(bar[0]), "production") {
			t.Errorf("%s: the top bar does not name the cluster", p.path)
		}
	}
	// Pages that could not be shown are pages of the cluster, too.
	for _, path := range []string{under + "/widgets", under + "/pods/shop/gone", under + "/pods?page=0"} {
		if r := k.as(admin).get(path); !strings.Contains(textOf(elements(r.doc(), "button", "id", "cluster-switch")[0]), "production") {
			t.Errorf("%s (%d): the top bar does not name the cluster", path, r.status)
		}
	}
	if seen < 20 {
		t.Errorf("only %d pages of the cluster were seen", seen)
	}
}
