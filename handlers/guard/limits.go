package guard

import (
	"cmp"
	"fmt"
	"net/http"
)

// The sizes that requests may have, unless configured otherwise.
const (
	MaxHeader     = 32 << 10 // MaxHeader is for http.Server.MaxHeaderBytes.
	MaxURL        = 8 << 10
	MaxBody       = 1 << 20
	MaxKubeconfig = 256 << 10
	MaxFile       = 64 << 20
)

// LimitsConfig configures Limits. Zero sizes mean the ones above.
type LimitsConfig struct {
	URL       int   // URL is the length of a request's target.
	Body      int64 // Body is the size of a body in bytes.
	OnRefusal OnRefusal
	// BodyOf is the size for single requests; 0, and a nil function, mean Body.
	BodyOf func(*http.Request) int64
}

// Limits bounds the length of the URL and the size of the body. How long a request may take is for whoever knows its
// route to say: streams have no end.
func Limits(cfg LimitsConfig) func(http.Handler) http.Handler {
	cfg.URL, cfg.Body = cmp.Or(cfg.URL, MaxURL), cmp.Or(cfg.Body, MaxBody)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := len(r.RequestURI); n > cfg.URL {
				cfg.OnRefusal.refuse(w, r, &Refusal{Status: http.StatusRequestURITooLong, ID: IDURLTooLong, Reason: fmt.Sprintf("URL of %d bytes", n)})
				return
			}
			body := cfg.Body
			if cfg.BodyOf != nil {
				body = cmp.Or(cfg.BodyOf(r), body)
			}
			if r.ContentLength > body {
				cfg.OnRefusal.refuse(w, r, &Refusal{
					Status: http.StatusRequestEntityTooLarge, ID: IDTooLarge,
					Reason: fmt.Sprintf("body of %d bytes where %d are allowed", r.ContentLength, body),
				})
				return
			}
			// A body without a declared length is cut while it is read.
			r.Body = http.MaxBytesReader(w, r.Body, body)
			next.ServeHTTP(w, r)
		})
	}
}
