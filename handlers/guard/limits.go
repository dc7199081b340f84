package guard

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// The sizes that requests may have, unless configured otherwise.
const (
	MaxHeader     = 32 << 10 // MaxHeader is for http.Server.MaxHeaderBytes.
	MaxURL        = 8 << 10
	MaxBody       = 1 << 20
	MaxKubeconfig = 256 << 10
	MaxFile       = 64 << 20
)

// Limit is what one request may take.
type Limit struct {
	Body int64 // Body is the size of the body in bytes.
	// Deadline is when its context ends; 0 is never, which only streams have.
	Deadline time.Duration
}

// LimitsConfig configures Limits.
type LimitsConfig struct {
	// URL is the length of a request's target; 0 means MaxURL.
	URL int
	// Route returns what a request may take. Nil means MaxBody and 30 s for all.
	Route     func(*http.Request) Limit
	OnRefusal OnRefusal
}

// Limits bounds the length of the URL, the size of the body and the time of a request.
func Limits(cfg LimitsConfig) func(http.Handler) http.Handler {
	if cfg.URL <= 0 {
		cfg.URL = MaxURL
	}
	if cfg.Route == nil {
		cfg.Route = func(*http.Request) Limit { return Limit{Body: MaxBody, Deadline: 30 * time.Second} }
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n := len(r.RequestURI); n > cfg.URL {
				cfg.OnRefusal.refuse(w, r, &Refusal{Status: http.StatusRequestURITooLong, ID: IDURLTooLong, Reason: fmt.Sprintf("URL of %d bytes", n)})
				return
			}
			limit := cfg.Route(r)
			if r.ContentLength > limit.Body {
				cfg.OnRefusal.refuse(w, r, &Refusal{
					Status: http.StatusRequestEntityTooLarge, ID: IDTooLarge,
					Reason: fmt.Sprintf("body of %d bytes where %d are allowed", r.ContentLength, limit.Body),
				})
				return
			}
			// A body without a declared length is cut while it is read.
			r.Body = http.MaxBytesReader(w, r.Body, limit.Body)
			if limit.Deadline > 0 {
				ctx, cancel := context.WithTimeout(r.Context(), limit.Deadline)
				defer cancel()
				r = r.WithContext(ctx)
			}
			next.ServeHTTP(w, r)
		})
	}
}
