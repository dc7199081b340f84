package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The refusals that are made before a request leaves.
var (
	errReadOnly      = errors.New("the cluster is read-only: the request was not sent")
	errForbiddenPath = errors.New("the path is never requested")
	errBusy          = errors.New("all places for requests to this cluster are taken")
	errLocked        = errors.New("the cluster refused our credentials a moment ago")
	errClosed        = errors.New("the cluster was closed")
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// refuse closes the request's body, as a RoundTripper has to, and returns the error.
func refuse(r *http.Request, err error) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, err
}

// acting are the sub-resources that do something, or open a way in, whatever the method.
func acting(sub string) bool {
	switch sub {
	case "exec", "attach", "portforward", "proxy", "eviction", "token", "binding", "ephemeralcontainers", "scale",
		"approval", "finalize", "resize", "rollback":
		return true
	default:
		return false
	}
}

// lock is the second of two locks on a read-only cluster: whatever the decision above let through, only reads leave.
func lock(base *url.URL, readOnly *atomic.Bool, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resource, sub := resourceOf(strings.TrimPrefix(r.URL.Path, strings.TrimRight(base.Path, "/")))
		if resource == "nodes" && sub == "proxy" || resource == "proxy" {
			// It is a way to everything on the node, past admission and audit.
			return refuse(r, errForbiddenPath)
		}
		if flagsOf(r.Context()).service {
			// The one thing that is read behind the API server, on read-only clusters too: a query to a Prometheus.
			path := strings.TrimPrefix(r.URL.Path, strings.TrimRight(base.Path, "/"))
			if r.Method != http.MethodGet || !queries.MatchString(path) || r.URL.RawPath != "" || r.Header.Get("Upgrade") != "" {
				return refuse(r, errForbiddenPath)
			}
			return next.RoundTrip(r)
		}
		if readOnly.Load() {
			read := r.Method == http.MethodGet || r.Method == http.MethodHead
			if !read || acting(sub) || r.Header.Get("Upgrade") != "" {
				return refuse(r, errReadOnly)
			}
		}
		return next.RoundTrip(r)
	})
}

// resourceOf finds the resource and the sub-resource in a path such as /apis/apps/v1/namespaces/a/deployments/b/scale.
func resourceOf(path string) (resource, sub string) {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return "", ""
	}
	if parts[0] == "watch" {
		parts = parts[1:]
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		parts = parts[2:]
	}
	if len(parts) == 0 {
		return "", ""
	}
	if len(parts) > 2 {
		sub = parts[2]
	}
	return parts[0], sub
}

// observed tells a test, or nobody, of every request that leaves.
func observed(observe func(*http.Request), next http.RoundTripper) http.RoundTripper {
	if observe == nil {
		return next
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		observe(r)
		return next.RoundTrip(r)
	})
}

// flags travel with a request's context to the layers of the transport.
type flags struct {
	check bool // of the health check: it finds out whether a closed way is open again
	watch bool // a stream that may stay open for ever
	// service is a query to something behind the API server: what it answers, or does not, says nothing of the cluster.
	service bool
	// bulk is one of many that were asked for at once, see conn.paced.
	bulk bool
}

type flagsKey struct{}

func withFlags(ctx context.Context, f flags) context.Context {
	return context.WithValue(ctx, flagsKey{}, f)
}

func flagsOf(ctx context.Context) flags {
	f, _ := ctx.Value(flagsKey{}).(flags)
	return f
}

// credentialLock keeps requests back after the cluster has refused the credentials, so that an expired certificate does
// not fill the cluster's log. The health check goes through and opens it.
type credentialLock struct{ locked atomic.Bool }

func (l *credentialLock) wrap(refused func(), next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		check := flagsOf(r.Context()).check
		if l.locked.Load() && !check {
			return refuse(r, errLocked)
		}
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		switch {
		case check:
			l.locked.Store(resp.StatusCode == http.StatusUnauthorized)
		case resp.StatusCode == http.StatusUnauthorized && !flagsOf(r.Context()).service:
			refused()
		}
		return resp, nil
	})
}

// bulkhead bounds the requests in flight. A place is held until the answer was read; watches take none, since they
// would hold theirs for ever, and neither does the health check, which has to know about a cluster that answers nothing.
func bulkhead(places int, done <-chan struct{}, next http.RoundTripper) http.RoundTripper {
	sem := make(chan struct{}, places)
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if f := flagsOf(r.Context()); f.watch || f.check {
			return next.RoundTrip(r)
		}
		select {
		case <-done: // asked first: of two that are ready, a select takes either
			return refuse(r, errClosed)
		default:
		}
		select {
		case sem <- struct{}{}:
		case <-done:
			return refuse(r, errClosed)
		case <-r.Context().Done():
			if errors.Is(r.Context().Err(), context.Canceled) {
				return refuse(r, r.Context().Err())
			}
			return refuse(r, errBusy)
		}
		release := sync.OnceFunc(func() { <-sem })
		resp, err := next.RoundTrip(r)
		if err != nil {
			release()
			return nil, err
		}
		resp.Body = &onClose{resp.Body, release}
		return resp, nil
	})
}

type onClose struct {
	io.ReadCloser
	then func()
}

func (b *onClose) Close() error {
	defer b.then()
	return b.ReadCloser.Close()
}

// tooLargeError means that an answer was longer than is read.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string { return fmt.Sprintf("answer larger than %d MiB", e.limit>>20) }

// capped bounds the length of an answer as it is after decompression. Watches are bounded by event, not in total.
func capped(limit int64, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || flagsOf(r.Context()).watch && resp.StatusCode == http.StatusOK {
			return resp, err
		}
		resp.Body = &cappedBody{body: resp.Body, left: limit, limit: limit}
		return resp, nil
	})
}

type cappedBody struct {
	body        io.ReadCloser
	left, limit int64
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &tooLargeError{b.limit}
	}
	// One byte more than allowed tells an answer of exactly the limit from a longer one.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, &tooLargeError{b.limit}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenError{err}
	}
	return n, err
}

// brokenError means that a connection broke while an answer was read; it tells that from an answer which is incomplete
// in itself.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "read the answer: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

func (b *cappedBody) Close() error { return b.body.Close() }

// throttledError means that the cluster asked for a pause which is longer than the request can wait.
type throttledError struct{ wait time.Duration }

func (e *throttledError) Error() string {
	return "the cluster asks to wait " + strconv.Itoa(e.seconds()) + " s"
}

func (e *throttledError) seconds() int {
	return int((e.wait + time.Second - 1) / time.Second)
}

// longestPause bounds what a Retry-After can ask for.
const longestPause = time.Minute

// pause honours 429 with Retry-After: nothing is sent to the cluster before the time it asked for has passed. Reads that
// can wait so long do, and are sent once more; everything else is told at once.
type pause struct {
	mu    sync.Mutex
	until time.Time
	now   func() time.Time
}

func (p *pause) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := p.wait(r); err != nil {
			return refuse(r, err)
		}
		resp, err := next.RoundTrip(r)
		// Of an eviction the status says that a disruption budget is in the way, and of a query behind the API server
		// nothing of the cluster: neither asks for a pause.
		aside := flagsOf(r.Context()).service || strings.HasSuffix(r.URL.Path, "/eviction")
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || aside || !p.set(resp) {
			return resp, err
		}
		again := (r.Method == http.MethodGet || r.Method == http.MethodHead) && !flagsOf(r.Context()).watch
		if again {
			again = p.wait(r) == nil
		}
		if !again {
			return resp, nil // the answer says best why not
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		resp, err = next.RoundTrip(r)
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			p.set(resp)
		}
		return resp, err
	})
}

// set notes the pause that an answer asks for, and whether it asks for one.
func (p *pause) set(resp *http.Response) bool {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n <= 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(min(time.Duration(n)*time.Second, longestPause)); until.After(p.until) {
		p.until = until
	}
	return true
}

// wait returns when the pause is over, or at once with an error if the request's time ends before.
func (p *pause) wait(r *http.Request) error {
	p.mu.Lock()
	left := p.until.Sub(p.now())
	p.mu.Unlock()
	if left <= 0 {
		return nil
	}
	if end, ok := r.Context().Deadline(); ok && end.Before(p.now().Add(left)) {
		return &throttledError{left}
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}
