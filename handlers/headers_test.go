package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"tiga/handlers/guard"
)

// TestA02_ForeignRequestsAreRefused sends every route that changes something as another site, or somebody who pretends,
// would make a signed-in browser send it.
func TestA02_ForeignRequestsAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	before, requests := k.tables(), len(k.production.Changes())
	matrix := rightsMatrix(k)
	vectors := map[string][]string{
		"cross-site":            {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"cross-site, no origin": {"Sec-Fetch-Site", "cross-site", "Origin", ""},
		"same-site":             {"Sec-Fetch-Site", "same-site", "Origin", "http://sibling.localhost"},
		"origin null":           {"Sec-Fetch-Site", "", "Origin", "null"},
		"null and cross-site":   {"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		"foreign origin":        {"Sec-Fetch-Site", "", "Origin", "http://evil.example"},
		"origin of other port":  {"Sec-Fetch-Site", "", "Origin", "http://127.0.0.1:1"},
		"no word, but a cookie": {"Sec-Fetch-Site", "", "Origin", ""},
		"method override":       {"X-Http-Method-Override", http.MethodDelete},
		"_method":               nil,
		"text/plain":            {"Content-Type", "text/plain"},
	}
	routes := 0
	for _, row := range k.table {
		if row.method == http.MethodGet {
			continue
		}
		routes++
		for _, p := range matrix[row.method+" "+row.pattern] {
			for name, headers := range vectors {
				v, probe := k.as(admin), p
				if name == "_method" {
					if strings.Contains(probe.path, "?") {
						probe.path += "&_method=DELETE"
					} else {
						probe.path += "?_method=DELETE"
					}
				}
				if probe.body == "" && name == "text/plain" {
					probe.body = "x=1"
				}
				if r := sendProbe(v, row.method, probe, headers...); r.status != http.StatusForbidden {
					t.Errorf("%s %s, %s: %d", row.method, probe.path, name, r.status)
				}
			}
		}
	}
	if routes < 15 {
		t.Errorf("only %d routes change something", routes)
	}
	if diff := cmp.Diff(before, k.tables()); diff != "" {
		t.Errorf("the database changed (-before +after):\n%s", diff)
	}
	if now := len(k.production.Changes()); now != requests {
		t.Errorf("the cluster saw %d changing requests", now-requests)
	}
	// The same requests from our own page get through: what is refused above is the origin.
	k.as(admin).post("/preferences", url.Values{"theme": {"dark"}}).want(http.StatusSeeOther)
}

// TestA03_SecurityHeadersOnEveryResponse looks at every kind of answer.
func TestA03_SecurityHeadersOnEveryResponse(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.handler.(*chi.Mux).Get("/test-panic", func(http.ResponseWriter, *http.Request) { panic("a mistake") })
	who, stranger := k.as(admin), k.anonymous()
	cluster := fmt.Sprintf("/clusters/%d", k.productionID)
	answers := map[string]*reply{
		"page":             who.get("/").want(200),
		"partial":          who.get(cluster, "HX-Request", "true", "HX-Request-Type", "partial").want(200),
		"not found":        who.get("/nowhere").want(404),
		"method":           who.send(http.MethodDelete, "/audit", "").want(405),
		"panic":            who.get("/test-panic").want(500),
		"redirect":         stranger.get("/").want(303),
		"sign-in":          stranger.get("/login").want(200),
		"wrong sign-in":    stranger.post("/login", url.Values{"username": {"eve"}}).want(401),
		"favicon":          stranger.get("/favicon.ico").want(301),
		"no static file":   stranger.get("/static/nothing.js").want(404),
		"API signed out":   stranger.get(apiRoot + "/clusters").want(401),
		"API not found":    who.get("/api/v1/nowhere").want(404),
		"API method":       who.send(http.MethodPatch, apiRoot+"/clusters", "").want(405),
		"API":              who.get(apiRoot + "/clusters").want(200),
		"OpenAPI":          stranger.get("/api/openapi.json").want(200),
		"metrics":          stranger.get("/metrics").want(303),
		"healthz":          stranger.get("/healthz").want(200),
		"wrong host":       stranger.get("/", "Host", "evil.example").want(421),
		"long URL":         stranger.get("/?q=" + strings.Repeat("x", guard.MaxURL)).want(414),
		"large body":       who.post("/preferences", url.Values{"x": {strings.Repeat("x", guard.MaxBody)}}).want(413),
		"foreign":          who.post("/preferences", nil, "Sec-Fetch-Site", "cross-site").want(403),
		"wrong body":       who.send(http.MethodPost, "/preferences", "<x/>", "Content-Type", "application/xml").want(415),
		"stream":           who.get("/live").want(200),
		"manifest":         who.get(cluster + "/pods/shop/web-1/yaml?download=1").want(200),
		"forbidden":        k.as(nobody).get("/audit").want(403),
		"form with errors": who.post("/account/password", url.Values{"current": {"no"}}).want(422),
	}
	for _, css := range elements(stranger.get("/login").doc(), "link", "rel", "stylesheet") {
		answers["static "+attribute(css, "href")] = stranger.get(attribute(css, "href")).want(200)
	}
	if len(answers) < 27 {
		t.Error("no style sheet was met")
	}
	for name, r := range answers {
		for header, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		policy := r.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "object-src 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %q", name, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", name, policy)
		}
		if r.header.Get("Permissions-Policy") == "" || r.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no permissions policy or request id", name)
		}
		if vary := strings.Join(r.header.Values("Vary"), ", "); !strings.Contains(vary, "HX-Request") && !strings.HasPrefix(name, "static ") {
			t.Errorf("%s: Vary is %q", name, vary)
		}
	}
	// What depends on who asks is kept by nobody.
	for _, name := range []string{"page", "partial", "not found", "redirect", "API", "API signed out", "manifest", "forbidden", "form with errors"} {
		if got := answers[name].header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control is %q", name, got)
		}
	}
	if strings.Contains(answers["panic"].body, "a mistake") || !strings.Contains(answers["panic"].body, answers["panic"].header.Get("X-Request-Id")) {
		t.Errorf("the page of a panic says %s", answers["panic"].text())
	}
	if !strings.Contains(k.log.String(), answers["panic"].header.Get("X-Request-Id")) || !strings.Contains(k.log.String(), "a mistake") {
		t.Error("the panic is not in the log")
	}
	who.get("/").want(200) // the server lives
}

// TestA09_ForeignHostsAreMisdirected asks every route under a name that is not ours.
func TestA09_ForeignHostsAreMisdirected(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	before := k.tables()
	for key, probes := range rightsMatrix(k) {
		method, _, _ := strings.Cut(key, " ")
		for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost", strings.Replace(k.site.Listener.Addr().String(), "127.0.0.1", "127.0.0.2", 1)} {
			r := sendProbe(k.as(admin), method, probes[0], "Host", host)
			if r.status != http.StatusMisdirectedRequest {
				t.Errorf("%s for host %s: %d", key, host, r.status)
			}
			if r.header.Get("Location") != "" || r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s for host %s: leads to %q and sets %q", key, host, r.header.Get("Location"), r.header.Get("Set-Cookie"))
			}
		}
	}
	if diff := cmp.Diff(before, k.tables()); diff != "" {
		t.Errorf("the database changed (-before +after):\n%s", diff)
	}
}

// TestA09_NextLeadsNowhereElse signs in with every kind of address to go to afterwards.
func TestA09_NextLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	cluster := fmt.Sprintf("/clusters/%d", k.productionID)
	good := []string{"/", "/audit", "/account", cluster, cluster + "/pods?ns=shop&sort=-age"}
	bad := []string{
		"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/\/evil.example`,
		"https://evil.example", "HTTPS://evil.example/", "http:evil.example", "https:/evil.example", "javascript:alert(1)", "data:text/html,x",
		"/%2f/evil.example", "/%2F%2Fevil.example", "/%5cevil.example", "/%5C%5Cevil.example", "/.//evil.example", "/..//evil.example",
		"/a/..//evil.example", "/%2e%2e//evil.example", "/\tevil.example", "/%09/evil.example", "/\n//evil.example", "/%0d%0aLocation:%20https://evil.example",
		" //evil.example", "//evil.example/%2e%2e", "//evil%2eexample", "/@evil.example", "//@evil.example", "//user@evil.example", "/;//evil.example",
		"//[::1]", "//127.0.0.1", "https://127.0.0.1@evil.example", "https:///evil.example", "https:\\\\evil.example", "//evil。example", "/／evil.example",
		"", "evil.example", ".evil.example", "?next=//evil.example", "#//evil.example", "/nowhere", "/logout", "/login", "/login?next=//evil.example",
		"/api/v1/k8s/clusters", "/static/app.js", "/live", cluster + "/live", "/audit/", "/clusters/" + strings.Repeat("9", 3000), "/audit\x00", "/audit%00", "/\u202e",
		"/audit?x=%zz", "/favicon.ico//evil.example",
	}
	// A session each for real costs 60 hashes; the page of somebody who is signed in already takes the same way.
	check := func(next, want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("next=%.80q leads to %q, want %q", next, got, want)
		}
	}
	for i, next := range append(good, bad...) {
		want := "/"
		if i < len(good) {
			want = next
		}
		v := k.anonymous()
		if i%6 == 0 {
			form := url.Values{"username": {admin}, "password": {password}, "next": {next}}
			check(next, want, v.post("/login", form).want(http.StatusSeeOther).header.Get("Location"))
			check(next, want, k.anonymous().post("/login", form, "HX-Request", "true").want(http.StatusNoContent).header.Get("HX-Redirect"))
		} else {
			v = k.as(admin)
		}
		check(next, want, v.get("/login?next="+url.QueryEscape(next)).want(http.StatusSeeOther).header.Get("Location"))
		if back := v.post("/preferences", url.Values{"theme": {"dark"}, "next": {next}}).header.Get("Location"); back != want && (back != "/login" || !strings.HasPrefix(next, "/login")) {
			t.Errorf("preferences with next=%.80q lead to %q", next, back)
		}
	}
	// Whoever is asked to sign in comes back to where they wanted to go.
	to, err := url.Parse(k.anonymous().get(cluster + "/pods?ns=shop").want(http.StatusSeeOther).header.Get("Location"))
	k.must(err)
	check("the page asked for", cluster+"/pods?ns=shop", to.Query().Get("next"))
}
