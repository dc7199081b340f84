package guard

import (
	"net/http"
	"strings"
	"testing"
)

func headers(t *testing.T, cfg HeadersConfig) *Headers {
	t.Helper()
	h, err := NewHeaders(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	cspStart = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; object-src 'none'; frame-src 'none'; frame-ancestors "
)

// TestA03_HeadersOfEveryResponse: also of an error, a redirect and a response without a body.
func TestA03_HeadersOfEveryResponse(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  HeadersConfig
		want map[string]string
	}{
		"https": {HeadersConfig{Site: external(t)}, map[string]string{
			"Content-Security-Policy": cspStart + "'none'", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000",
		}},
		"http on loopback": {HeadersConfig{Site: local(t)}, map[string]string{
			"Content-Security-Policy": cspStart + "'none'", "X-Frame-Options": "DENY", "Strict-Transport-Security": "",
		}},
		"portals": {HeadersConfig{Site: external(t), FrameAncestors: []string{"https://portal.example.com", "https://b.example.com:8443"}}, map[string]string{
			"Content-Security-Policy": cspStart + "https://portal.example.com https://b.example.com:8443", "X-Frame-Options": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 204, 303, 404, 500} {
				h := headers(t, c.cfg).SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
				got := serve(h, request("GET", "/", "tiga.example.com", nil)).Header()
				for k, v := range c.want {
					if got.Get(k) != v {
						t.Errorf("%d: %s is %q", status, k, got.Get(k))
					}
				}
				for k, v := range map[string]string{
					"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
					"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
					"Vary": "HX-Request, HX-Request-Type, Sec-Fetch-Site, Origin",
				} {
					if got.Get(k) != v {
						t.Errorf("%d: %s is %q", status, k, got.Get(k))
					}
				}
				for _, feature := range []string{"camera=()", "microphone=()", "geolocation=()", "usb=()", "clipboard-read=()", "clipboard-write=(self)"} {
					if !strings.Contains(got.Get("Permissions-Policy"), feature) {
						t.Errorf("%d: permissions lack %s", status, feature)
					}
				}
				if csp := got.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || len(got.Values("Content-Security-Policy")) != 1 {
					t.Errorf("%d: policy %q", status, csp)
				}
			}
		})
	}
}

func TestA03_TerminalRelaxesStylesOnly(t *testing.T) {
	h := headers(t, HeadersConfig{Site: external(t), FrameAncestors: []string{"https://portal.example.com"}})
	got := serve(h.SecurityHeaders(h.Terminal(teapot)), request("GET", "/", "tiga.example.com", nil)).Header().Get("Content-Security-Policy")
	want := strings.Replace(cspStart, "style-src 'self'", "style-src 'self' 'unsafe-inline'", 1) + "https://portal.example.com"
	if got != want {
		t.Errorf("got %q", got)
	}
}

// TestA03_SomePagesAreNeverFramed although portals may frame the others.
func TestA03_SomePagesAreNeverFramed(t *testing.T) {
	h := headers(t, HeadersConfig{Site: external(t), FrameAncestors: []string{"https://portal.example.com"}})
	got := serve(h.SecurityHeaders(h.Unframed(NoStore(teapot))), request("GET", "/", "tiga.example.com", nil)).Header()
	if got.Get("Content-Security-Policy") != cspStart+"'none'" || got.Get("X-Frame-Options") != "DENY" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", got)
	}
}

func TestA03_FrameAncestorsAreExactOrigins(t *testing.T) {
	good := []string{"https://portal.example.com", "https://portal.example.com:8443", "https://[2001:db8::1]", "https://10.0.0.1"}
	if got, err := CheckFrameAncestors(append(good, good[0])); err != nil || len(got) != len(good) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{
		"*", "", "'self'", "'none'", "https:", "http:", "https://", "https://*", "https://*.example.com", "https://portal.example.com:*", "http://portal.example.com",
		"portal.example.com", "https://portal.example.com/", "https://portal.example.com/path", "https://portal.example.com?a", "https://portal.example.com#a",
		"https://a@portal.example.com", "https://portal.example.com https://evil.com", "https://portal.example.com;script-src *", "https://portal.example.com,https://evil.com",
		"https://portal.example.com.", "https://Portal.example.com", "HTTPS://portal.example.com", "https://pörtal.example.com", "data:", "javascript:alert(1)", "https://a\r\nb", " https://portal.example.com", "https:portal.example.com",
	} {
		if _, err := CheckFrameAncestors([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
		if _, err := NewHeaders(HeadersConfig{Site: external(t), FrameAncestors: []string{good[0], bad}}); err == nil {
			t.Errorf("headers are made with %q", bad)
		}
	}
}
