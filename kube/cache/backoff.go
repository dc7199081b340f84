package cache

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	firstDelay = 500 * time.Millisecond
	// soonDelay bounds the delay in the first minutes of an outage, so that a
	// flapping cluster is back on screen within 10 s; lateDelay bounds it later.
	soonDelay = 8 * time.Second
	lateDelay = 30 * time.Second
	soon      = 2 * time.Minute
	// refusedDelay is for answers that time alone does not change: no right to
	// list, a credential that is not accepted, a kind that is not served.
	refusedDelay = time.Minute
	// absentTries is how often a kind that is not served is asked for before that is believed: a definition is accepted
	// a moment before its kind is served.
	absentTries = 4
	// askedDelay bounds what a server may ask for with Retry-After.
	askedDelay = 2 * time.Minute
)

// backoff counts failures in a row.
type backoff struct {
	failures int
	since    time.Time
}

func (b *backoff) reset() { *b = backoff{} }

// next is how long to wait after an error. Delays are spread, so that the kinds
// and clusters of one outage do not come back in step.
func (b *backoff) next(now time.Time, err error) time.Duration {
	if b.failures == 0 {
		b.since = now
	}
	limit := soonDelay
	if now.Sub(b.since) > soon {
		limit = lateDelay
	}
	d := min(firstDelay<<min(b.failures, 10), limit)
	b.failures++
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) && b.failures > absentTries {
		// Never sooner: an account may be locked by attempts.
		return refusedDelay + spread(refusedDelay/4)
	}
	d = d/2 + spread(d/2)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		d = max(d, min(time.Duration(seconds)*time.Second, askedDelay)+spread(time.Second))
	}
	return d
}

// spread is a random duration up to d.
func spread(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1)) //nolint:gosec // spreads load, guards nothing
}

// sleep waits, or until one of the channels says that there is reason to go on.
func sleep(ctx context.Context, d time.Duration, wake ...<-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var a, b <-chan struct{}
	if len(wake) > 0 {
		a = wake[0]
	}
	if len(wake) > 1 {
		b = wake[1]
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-a:
	case <-b:
	}
}
