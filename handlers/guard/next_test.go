package guard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// route is how a caller knows its own paths.
var route = regexp.MustCompile(`^/(|audit|account|search|clusters/[0-9]+(/[a-z.]+(/[^/]+/[^/]+(/[a-z]+)?)?)?)$`)

func known(path string) bool { return route.MatchString(path) }

// redirectVectors are written so that some browser, or some reader of URLs, takes them for an address
// of another site; the last two lines are ours but no pages.
func redirectVectors() []string {
	return append(evilVectors(), []string{
		"/@evil.com", "/:80@evil.com", "/audit;evil", "/login", "/logout", "/unknown", "/clusters/x", "/clusters/1/",
		"/%252fevil.com", "/%255cevil.com", "/%e3%80%82evil.com",
	}...)
}

func evilVectors() []string {
	return []string{
		"//evil.com", "///evil.com", "////evil.com", "//", "///", "////", "/clusters/1%2fpods", `/\evil.com`, `\/evil.com`, `\\evil.com`, `/\/evil.com`, `//\evil.com`, `\evil.com`,
		"/%5cevil.com", "/%5Cevil.com", "/%2fevil.com", "/%2Fevil.com", "/%2f%2fevil.com", "%2f%2fevil.com",
		"http://evil.com", "https://evil.com", "HTTPS://evil.com", "https:evil.com", "https:/evil.com", "https:///evil.com", `https:\\evil.com`, "ftp://evil.com",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "mailto:a@evil.com", "java\tscript:alert(1)",
		"/\t/evil.com", "/\n/evil.com", "/\r/evil.com", "\t//evil.com", " //evil.com", " /audit", "/ /evil.com", "/\x00/evil.com", "/%00/evil.com", "/%09/evil.com", "/%0a/evil.com",
		"/%0d%0aLocation:%20https://evil.com", "/audit\r\nSet-Cookie: a=b", "/audit%0d%0aSet-Cookie:%20a=b",
		"/.//evil.com", "/..//evil.com", "/../evil.com", "/./audit", "/audit/..", "/audit/../../evil.com", "/audit//evil.com", "/%2e%2e/evil.com", "/%2e/audit", "/audit/%2e%2e/audit",
		"//evil.com@tiga.example.com", "//tiga.example.com@evil.com", "https://tiga.example.com@evil.com", "https://tiga.example.com.evil.com", "https://tiga.example.com/audit",
		"tiga.example.com", "audit", "./audit", "../audit", "?next=//evil.com", "#//evil.com", "",
		"/／/evil.com", "/．．/evil.com", "//ⓔvil.com", "/\u2028/evil.com", "/\xff\xfe/evil.com", "/%ff%fe", "/%c0%af%c0%afevil.com", "//[::1]", "//[evil.com]", "/%", "/%zz",
		"/audit?a=%zz", "/" + strings.Repeat("a", 3000), "/audit?" + strings.Repeat("a", 3000),
	}
}

// TestA09_RedirectVectors: none of these may lead anywhere but to a page of ours.
func TestA09_RedirectVectors(t *testing.T) {
	vectors := redirectVectors()
	if len(vectors) < 60 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	// The form alone has to be refused, also by a caller whose known says yes to anything.
	for _, next := range evilVectors() {
		if target, ok := SafeNext(next, func(string) bool { return true }); ok {
			t.Errorf("%q is safe, as %q", next, target)
		}
	}
	// The same server as a browser sees it: whatever the answer, it has to stay on this origin.
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, ok := SafeNext(r.FormValue("next"), known)
		if !ok {
			target = "/"
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	})
	for _, next := range vectors {
		if target, ok := SafeNext(next, known); ok || target != "" {
			t.Errorf("%q is safe, as %q", next, target)
		}
		r := httptest.NewRequest(http.MethodPost, "https://tiga.example.com/login", strings.NewReader(url.Values{"next": {next}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if w := serve(h, r); w.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %q", next, w.Header().Get("Location"))
		}
	}
}

func TestA09_OwnPagesAreRedirectedTo(t *testing.T) {
	for next, want := range map[string]string{
		"/":                                    "/",
		"/audit":                               "/audit",
		"/clusters/1":                          "/clusters/1",
		"/clusters/1/pods?ns=a&ns=b&q=x%20y":   "/clusters/1/pods?ns=a&ns=b&q=x%20y",
		"/clusters/1/deployments.apps/a/web":   "/clusters/1/deployments.apps/a/web",
		"/clusters/1/clusterroles/-/system:x":  "/clusters/1/clusterroles/-/system:x",
		"/search?q=https://evil.com/":          "/search?q=https://evil.com/",
		"/search?q=%E5%AF%86":                  "/search?q=%E5%AF%86",
		"/audit#last":                          "/audit",
		"/clusters/1/pods/a/b%20c":             "/clusters/1/pods/a/b%20c",
		"/clusters/1/pods/a/%E5%AF%86":         "/clusters/1/pods/a/%E5%AF%86",
		"/clusters/1/pods/a/b/logs?follow=yes": "/clusters/1/pods/a/b/logs?follow=yes",
	} {
		if got, ok := SafeNext(next, known); !ok || got != want {
			t.Errorf("%q: %q, %v", next, got, ok)
		}
	}
}

func FuzzSafeNext(f *testing.F) {
	for _, s := range []string{"/", "//e", `/\e`, "/%5ce", "/a?b#c", "/a/../b", "/%2f"} {
		f.Add(s)
	}
	base, err := url.Parse("https://tiga.example.com/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		target, ok := SafeNext(next, func(string) bool { return true })
		if !ok {
			return
		}
		u, err := base.Parse(target)
		if err != nil || u.Scheme != "https" || u.Host != base.Host || u.User != nil || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t\x00") || target[0] != '/' {
			t.Errorf("%q leads to %q", next, target)
		}
	})
}
