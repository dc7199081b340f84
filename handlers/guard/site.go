package guard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// SiteConfig says where the server listens and how browsers reach it.
type SiteConfig struct {
	// Listen is host:port as given, or the address that was bound if the port was 0.
	Listen string
	// ExternalURL is the address that users type, such as https://tiga.example.com. It may be empty
	// only if Listen is on loopback.
	ExternalURL string
	// TLS says that the listener itself speaks TLS.
	TLS bool
}

// Site is the one place that knows by which names the server goes: Host, Origin, absolute links and
// the names of cookies all follow from it.
type Site struct {
	scheme string
	hosts  []string // as they stand in a Host header, without a default port
}

// NewSite checks the configuration and says what to do about it: a server that others can reach
// does not start without knowing its name, since every check of Host and Origin would be a guess.
func NewSite(cfg SiteConfig) (*Site, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q is not host:port: %w", cfg.Listen, err)
	}
	if cfg.ExternalURL != "" {
		return externalSite(cfg.ExternalURL)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("%s can be reached from other machines: say with --external-url https://… under which address, or listen on 127.0.0.1", cfg.Listen)
	}
	s := &Site{scheme: "http"}
	if cfg.TLS {
		s.scheme = "https"
	}
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		s.hosts = append(s.hosts, s.withoutDefaultPort(name+":"+port))
	}
	return s, nil
}

func externalSite(raw string) (*Site, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("external URL is not a URL: %w", err)
	}
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || host == "":
		return nil, fmt.Errorf("external URL %q has to be like https://tiga.example.com", raw)
	case u.User != nil, u.RawQuery != "" || u.ForceQuery, u.Fragment != "" || strings.Contains(raw, "#"), u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("external URL %q has to end after the host and port", raw)
	case !plainHost(host):
		return nil, fmt.Errorf("external URL %q has a host that browsers would write differently (use its ASCII form, without a trailing dot)", raw)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("external URL %q has to be https: over plain http passwords and sessions can be read by anybody in between", raw)
	}
	s := &Site{scheme: u.Scheme}
	s.hosts = []string{s.withoutDefaultPort(host)}
	return s, nil
}

// plainHost allows the characters that a browser's serialised host can have.
func plainHost(host string) bool {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(host[1:end])
		return err == nil && addr.Is6() && addr.Zone() == "" && addr.String() == host[1:end]
	}
	name, _, _ := strings.Cut(host, ":")
	return name != "" && !strings.HasSuffix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (s *Site) withoutDefaultPort(host string) string {
	if s.scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// URL returns the address of the server without a slash at its end; absolute links begin with it
// and never with what a request says.
func (s *Site) URL() string { return s.scheme + "://" + s.hosts[0] }

// Secure reports whether browsers reach the server by https.
func (s *Site) Secure() bool { return s.scheme == "https" }

// knows reports whether a Host header is ours.
func (s *Site) knows(host string) bool {
	return slices.Contains(s.hosts, s.withoutDefaultPort(strings.ToLower(host)))
}

// origin returns the origin that a page of ours has when it was loaded with this Host header.
func (s *Site) origin(host string) string {
	return s.scheme + "://" + s.withoutDefaultPort(strings.ToLower(host))
}

// Hosts answers 421 to every request for a host that is not ours: a name that somebody else pointed
// at our address (DNS rebinding), or a header made to poison links.
func Hosts(site *Site, onRefusal OnRefusal) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !site.knows(r.Host) {
				onRefusal.refuse(w, r, &Refusal{Status: http.StatusMisdirectedRequest, ID: IDHost, Reason: fmt.Sprintf("host %.100q is not ours", r.Host)})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Upgrade returns nil if a WebSocket may be opened: the host is ours and there is exactly one
// Origin, that of our own pages, to the letter. Browsers check nothing here, and send the cookie.
func (s *Site) Upgrade(r *http.Request) *Refusal {
	origins := r.Header.Values("Origin")
	switch {
	case !s.knows(r.Host):
		return foreign("host %.100q is not ours", r.Host)
	case len(origins) != 1:
		return foreign("%d origins where there has to be one", len(origins))
	case origins[0] != s.origin(r.Host):
		return foreign("origin %.100q is not ours", origins[0])
	}
	return nil
}

// Stream returns nil if an event stream may be opened. Browsers send no Origin with a GET of the
// same origin; Sec-Fetch-Site, which no page can set, stands in for it.
func (s *Site) Stream(r *http.Request) *Refusal {
	if len(r.Header.Values("Origin")) > 0 {
		return s.Upgrade(r)
	}
	sites := r.Header.Values("Sec-Fetch-Site")
	switch {
	case !s.knows(r.Host):
		return foreign("host %.100q is not ours", r.Host)
	case len(sites) != 1 || sites[0] != "same-origin":
		return foreign("neither an origin nor the browser's word that it is ours")
	}
	return nil
}

func foreign(format string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusForbidden, ID: IDOrigin, Reason: fmt.Sprintf(format, args...)}
}

// SessionCookieName returns the name of the session's cookie. With the prefix __Host- a browser
// takes it from this very host only, by https; plain http on loopback cannot have that.
func (s *Site) SessionCookieName() string {
	if s.Secure() {
		return "__Host-tiga"
	}
	return "tiga"
}

// SessionCookie returns the cookie that carries a session's id. The browser drops it when it is
// closed; how long it counts is decided by the store. Lax, not Strict: the way back from a sign-on
// server is a navigation from another site.
func (s *Site) SessionCookie(id string) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is missing on plain http on loopback only, where a browser would drop the cookie
		Name: s.SessionCookieName(), Value: id, Path: "/",
		Secure: s.Secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// ExpiredCookie returns the cookie that makes a browser forget the session.
func (s *Site) ExpiredCookie() *http.Cookie {
	c := s.SessionCookie("") //nolint:gosec // as above
	c.MaxAge = -1
	return c
}

var errCookies = errors.New("two session cookies")

// SessionID returns the session id that a request carries; "" if it has none. Two of them are an
// error: one was planted by another host, and which cannot be told. Nothing but the cookie is read:
// an id in a URL would end up in logs and histories.
func (s *Site) SessionID(r *http.Request) (string, error) {
	cookies := r.CookiesNamed(s.SessionCookieName())
	switch len(cookies) {
	case 0:
		return "", nil
	case 1:
		return cookies[0].Value, nil
	default:
		return "", errCookies
	}
}
