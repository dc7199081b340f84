package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Failures are the failed sign-ins of one bucket: how many in the present series, and when.
type Failures struct {
	Count       int
	First, Last time.Time
}

// LoginStore keeps failures, in the database: a restart or a second instance must not forget them.
type LoginStore interface {
	// Read returns the failures of a bucket; none is no error.
	Read(ctx context.Context, bucket string) (Failures, error)
	// Record adds a failure in one step. A series whose last is before quietSince begins anew.
	Record(ctx context.Context, bucket string, now, quietSince time.Time) (Failures, error)
	// Reset forgets a bucket.
	Reset(ctx context.Context, bucket string) error
}

// How failed sign-ins are slowed down.
const (
	freeFailures  = 3                // the third failure is the first that costs time
	maxLoginDelay = 30 * time.Second // a delay, not a lock: the owner gets in
	quietLogin    = time.Hour        // after which a series is over
	perAddress    = 20               // failures a minute of one address
)

// LoginLimiterConfig configures a LoginLimiter.
type LoginLimiterConfig struct {
	Store LoginStore
	Now   func() time.Time
}

// LoginLimiter slows down guessing: each account after its third failure, each address after twenty
// in a minute. Accounts that do not exist are treated the same, so that nothing can be told from it.
type LoginLimiter struct {
	store     LoginStore
	now       func() time.Time
	seed      maphash.Seed
	accounts  []chan struct{}
	addresses []chan struct{}
}

const loginStripes = 256

// NewLoginLimiter returns a LoginLimiter.
func NewLoginLimiter(cfg LoginLimiterConfig) *LoginLimiter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &LoginLimiter{store: cfg.Store, now: cfg.Now, seed: maphash.MakeSeed()}
	for range loginStripes {
		l.accounts = append(l.accounts, make(chan struct{}, 1))
		l.addresses = append(l.addresses, make(chan struct{}, 1))
	}
	return l
}

// Attempt runs verify, unless the account or the address has to wait: then it returns a *Refusal,
// and the attempt counts for nothing, so that hammering does not keep the owner out for longer.
// A failed verify is recorded, a good one ends the account's series; an error of verify is returned
// and is neither.
//
// Attempts on one account, and from one address, are made one after the other: many at once would
// all be let in before the first of them has failed.
func (l *LoginLimiter) Attempt(ctx context.Context, account string, ip netip.Addr, verify func(context.Context) (bool, error)) (bool, error) {
	address := "ip:" + Bucket(ip)
	account = accountBucket(account)
	for _, stripe := range []chan struct{}{l.stripe(l.addresses, address), l.stripe(l.accounts, account)} {
		select {
		case stripe <- struct{}{}:
			defer func() { <-stripe }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	wait, err := l.wait(ctx, account, address)
	if err != nil {
		return false, err
	}
	if wait > 0 {
		return false, &Refusal{Status: http.StatusTooManyRequests, ID: IDLoginWait, Reason: "too many failed sign-ins", RetryAfter: wait}
	}
	good, err := verify(ctx)
	if err != nil {
		return false, err
	}
	if good {
		if err := l.store.Reset(ctx, account); err != nil {
			return false, fmt.Errorf("reset failed sign-ins: %w", err)
		}
		return true, nil
	}
	now := l.now()
	for _, bucket := range []string{account, minuteBucket(address, now)} {
		if _, err := l.store.Record(ctx, bucket, now, now.Add(-quietLogin)); err != nil {
			return false, fmt.Errorf("record a failed sign-in: %w", err)
		}
	}
	return false, nil
}

// wait returns how long the account or the address has to wait yet.
func (l *LoginLimiter) wait(ctx context.Context, account, address string) (time.Duration, error) {
	now := l.now()
	f, err := l.store.Read(ctx, account)
	if err != nil {
		return 0, fmt.Errorf("read failed sign-ins: %w", err)
	}
	var wait time.Duration
	if f.Last.After(now.Add(-quietLogin)) {
		wait = f.Last.Add(loginDelay(f.Count)).Sub(now)
	}
	// This minute's failures and the share of the last minute's that is not a minute old yet.
	this, err := l.store.Read(ctx, minuteBucket(address, now))
	if err != nil {
		return 0, fmt.Errorf("read failed sign-ins: %w", err)
	}
	last, err := l.store.Read(ctx, minuteBucket(address, now.Add(-time.Minute)))
	if err != nil {
		return 0, fmt.Errorf("read failed sign-ins: %w", err)
	}
	left := now.Truncate(time.Minute).Add(time.Minute).Sub(now)
	if float64(this.Count)+float64(last.Count)*left.Minutes() >= perAddress {
		wait = max(wait, left)
	}
	return max(0, wait), nil
}

// loginDelay is 1, 2, 4, 8, 16 and then 30 seconds, from the third failure on.
func loginDelay(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	return min(maxLoginDelay, time.Second<<min(failures-freeFailures, 10))
}

// accountBucket is a hash, since what is typed into a name field may be a password.
func accountBucket(name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(name))))
	return "account:" + hex.EncodeToString(sum[:16])
}

func minuteBucket(address string, at time.Time) string {
	return address + "@" + strconv.FormatInt(at.Unix()/60, 10)
}

func (l *LoginLimiter) stripe(stripes []chan struct{}, key string) chan struct{} {
	return stripes[maphash.String(l.seed, key)%uint64(len(stripes))]
}
