// Package guard is the security middleware: what is decided about a request before anybody looks at
// what it wants. Each piece is a plain func(http.Handler) http.Handler with its own configuration,
// knows nothing of the rest of Tiga, and leaves the words of a refusal to its caller.
//
// The order is: Recover, RequestID, Hosts, ClientIP, Limits, SecurityHeaders, CrossOrigin, session,
// RateLimit, and then the route.
package guard

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Refusal is a request turned away. It is an error, so that a handler can return one.
type Refusal struct { //nolint:errname // a refusal is more than an error: it is what the response becomes
	Status int
	// ID names the message for people: one of the ID constants.
	ID string
	// Reason says in English what was wrong, for the log.
	Reason string
	// RetryAfter is when to try again; 0 means that trying again is no use.
	RetryAfter time.Duration
}

// Error says why, for the log.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.ID, r.Reason) }

// The messages of refusals.
const (
	IDHost        = "guard_host"         // 421: the Host header names somebody else
	IDOrigin      = "guard_origin"       // 403: sent by another site
	IDContentType = "guard_content_type" // 415: a body of a kind that nothing here reads
	IDURLTooLong  = "guard_url_too_long" // 414
	IDTooLarge    = "guard_too_large"    // 413
	IDTooMany     = "guard_too_many"     // 429
	IDLoginWait   = "guard_login_wait"   // 429: too many failed sign-ins
)

// OnRefusal writes the response to a refused request. Retry-After is set already. A nil OnRefusal
// writes the status and its name as plain text.
type OnRefusal func(http.ResponseWriter, *http.Request, *Refusal)

func (f OnRefusal) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(refusal.RetryAfter))
	}
	if f != nil {
		f(w, r, refusal)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(refusal.Status)
	_, _ = w.Write([]byte(http.StatusText(refusal.Status) + "\n"))
}

// retryAfter is whole seconds, rounded up and never 0.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(int(max(1, math.Ceil(d.Seconds()))))
}

// unsafe reports whether a request can change something.
func unsafe(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	default:
		return true
	}
}
