package kube

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	breakerLimit = 5                // consecutive failures to connect after which the breaker opens
	breakerPause = 15 * time.Second // and how long it then stays open before one request tries again
)

// openError means that the breaker is open; the cause is the failure that opened it or kept it open.
type openError struct{ cause error }

func (e *openError) Error() string { return "not tried, the last attempts failed: " + e.cause.Error() }
func (e *openError) Unwrap() error { return e.cause }

// breaker fails requests at once while a cluster cannot be reached, so that pages do not wait for it one after another.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	tried    time.Time // the last attempt that failed
	cause    error
	probing  bool // one request is on its way to see whether the cluster is back
}

// open says whether requests are being refused.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakerLimit
}

// enter lets a request pass or not.
func (b *breaker) enter(check bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerLimit || check {
		return nil
	}
	if b.probing || b.now().Sub(b.tried) < breakerPause {
		return &openError{b.cause}
	}
	b.probing = true
	return nil
}

// shut refuses while the breaker is open, and learns nothing.
func (b *breaker) shut() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerLimit {
		return nil
	}
	return &openError{b.cause}
}

// leave learns how a request went. A caller that went away says nothing about the cluster, nor does a request that was
// never sent.
func (b *breaker) leave(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case err == nil:
		b.failures, b.cause = 0, nil
	case errors.Is(err, context.Canceled), errors.Is(err, errBusy), errors.Is(err, errClosed):
	default:
		b.failures++
		b.tried, b.cause = b.now(), err
	}
}

// wrap counts as a failure whatever keeps an answer from beginning: no connection, no TLS, no headers in time.
func (b *breaker) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if flagsOf(r.Context()).service {
			if err := b.shut(); err != nil {
				return refuse(r, err)
			}
			return next.RoundTrip(r)
		}
		if err := b.enter(flagsOf(r.Context()).check); err != nil {
			return refuse(r, err)
		}
		resp, err := next.RoundTrip(r)
		b.leave(cause(r.Context(), err))
		return resp, err
	})
}

// cause is the reason for which a context was ended, where it has one: a watch whose headers did not come in time is
// cancelled by us and not by its caller.
func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(err, context.Canceled) {
		if c := context.Cause(ctx); c != nil {
			return c
		}
	}
	return err
}
