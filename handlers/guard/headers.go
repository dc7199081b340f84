package guard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// HeadersConfig configures SecurityHeaders.
type HeadersConfig struct {
	Site *Site
	// FrameAncestors are the origins that may show Tiga in a frame, checked by CheckFrameAncestors.
	// With none, nobody may.
	FrameAncestors []string
}

// Headers are the security headers of responses, made once.
type Headers struct {
	page, terminal, unframed string // values of Content-Security-Policy
	framed                   bool
	hsts                     bool
}

// NewHeaders checks the configuration.
func NewHeaders(cfg HeadersConfig) (*Headers, error) {
	portals, err := CheckFrameAncestors(cfg.FrameAncestors)
	if err != nil {
		return nil, err
	}
	ancestors := "'none'"
	if len(portals) > 0 {
		ancestors = strings.Join(portals, " ")
	}
	return &Headers{
		page:     policy("'self'", ancestors),
		terminal: policy("'self' 'unsafe-inline'", ancestors),
		unframed: policy("'self'", "'none'"),
		framed:   len(portals) > 0,
		hsts:     cfg.Site.Secure(),
	}, nil
}

// policy allows what our own files need and nothing else. No page has a script of its own, so there
// is no nonce to leak either.
func policy(styles, ancestors string) string {
	return "default-src 'none'; script-src 'self'; style-src " + styles + "; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-src 'none'; frame-ancestors " + ancestors
}

// permissions turns off every browser feature that can be, but writing to the clipboard.
const permissions = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(self), " +
	"display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), " +
	"idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// SecurityHeaders sets the headers of every response, also of errors and of static files. It stands
// before everything that can refuse.
func (h *Headers) SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", h.page)
		if !h.framed {
			// frame-ancestors wins where both are understood, so this is only sent when they agree.
			header.Set("X-Frame-Options", "DENY")
		}
		header.Set("X-Content-Type-Options", "nosniff")
		// Nothing leaves for another site, and our own forms carry their Origin: with no-referrer browsers write
		// "null" there, and those without Sec-Fetch-Site (Firefox 88, Safari 14) could not prove that a form is ours.
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", permissions)
		if h.hsts {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		header.Add("Vary", "HX-Request, HX-Request-Type, Sec-Fetch-Site, Origin")
		next.ServeHTTP(w, r)
	})
}

// Terminal is for the terminal's document alone: the terminal writes style elements of its own.
func (h *Headers) Terminal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", h.terminal)
		next.ServeHTTP(w, r)
	})
}

// Unframed is for pages that nobody may frame whatever is configured: sign-in and administration.
func (h *Headers) Unframed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", h.unframed)
		w.Header().Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// NoStore is for everything that depends on who asks.
func NoStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// CheckFrameAncestors returns the list as it goes into the header, and refuses whatever is not an
// exact https origin: a wildcard, a path or plain http would let somebody frame us who was not meant.
func CheckFrameAncestors(list []string) ([]string, error) {
	var out []string
	for _, s := range list {
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Opaque != "":
			return nil, fmt.Errorf("frame ancestor %q has to be an https origin like https://portal.example.com", s)
		case s != "https://"+u.Host:
			return nil, fmt.Errorf("frame ancestor %q has to be exactly scheme, host and port, without a path", s)
		case !plainHost(u.Host):
			return nil, fmt.Errorf("frame ancestor %q has a wildcard, or a host that browsers would write differently", s)
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}
