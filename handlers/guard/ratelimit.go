package guard

import (
	"hash/maphash"
	"net/http"
	"sync"
	"time"
)

// Rate is a token bucket: Burst requests at once, Second of them a second for good.
type Rate struct {
	Second float64
	Burst  int
}

// The rates that requests have, unless configured otherwise.
var (
	AnonymousRate = Rate{10, 40}
	SessionRate   = Rate{50, 200}
	WriteRate     = Rate{5, 20}
)

// RateLimitConfig configures RateLimit. Zero rates mean the ones above.
type RateLimitConfig struct {
	// Session names the session or token that a request has proved to belong to; "" is nobody, who is
	// counted by address. It must not return what a client merely claims.
	Session                    func(*http.Request) string
	Anonymous, Signed, Writing Rate
	// Keys bounds how many clients are counted apart; 0 means 65,536.
	Keys      int
	Now       func() time.Time
	OnRefusal OnRefusal
}

// RateLimit refuses with 429 who asks too often: each address that has not signed in, each session,
// and once more each session's requests that change something.
func RateLimit(cfg RateLimitConfig) func(http.Handler) http.Handler {
	anonymous := NewLimiter(LimiterConfig{Rate: orRate(cfg.Anonymous, AnonymousRate), Keys: cfg.Keys, Now: cfg.Now})
	signed := NewLimiter(LimiterConfig{Rate: orRate(cfg.Signed, SessionRate), Keys: cfg.Keys, Now: cfg.Now})
	writing := NewLimiter(LimiterConfig{Rate: orRate(cfg.Writing, WriteRate), Keys: cfg.Keys, Now: cfg.Now})
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var wait time.Duration
			if session := cfg.Session(r); session == "" {
				wait = anonymous.Take(Bucket(ClientIPOf(r.Context())))
			} else {
				wait = signed.Take(session)
				if wait == 0 && unsafe(r) {
					wait = writing.Take(session)
				}
			}
			if wait > 0 {
				cfg.OnRefusal.refuse(w, r, &Refusal{Status: http.StatusTooManyRequests, ID: IDTooMany, Reason: "too many requests", RetryAfter: wait})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func orRate(r, fallback Rate) Rate {
	if r == (Rate{}) {
		return fallback
	}
	return r
}

// LimiterConfig configures a Limiter.
type LimiterConfig struct {
	Rate Rate
	// Keys bounds the memory; 0 means 65,536.
	Keys int
	Now  func() time.Time
}

// Limiter counts keys in token buckets. Its memory is bounded, and no key can push another out: only
// a bucket that is full again is dropped, which is the same as one never used. While there is no
// room, new keys share a fixed number of buckets, so that a flood of addresses limits the addresses
// that come late and nobody else.
type Limiter struct {
	rate   Rate
	now    func() time.Time
	mu     sync.Mutex
	keys   map[string]*bucket
	most   int
	swept  time.Time
	seed   maphash.Seed
	shared []bucket
}

// bucket holds the time at which it will be full again; that alone says how many tokens are left.
type bucket struct{ full time.Time }

const sharedBuckets = 1024

// NewLimiter returns a Limiter.
func NewLimiter(cfg LimiterConfig) *Limiter {
	if cfg.Keys <= 0 {
		cfg.Keys = 65536
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Limiter{
		rate: cfg.Rate, now: cfg.Now, keys: map[string]*bucket{}, most: cfg.Keys,
		seed: maphash.MakeSeed(), shared: make([]bucket, sharedBuckets),
	}
}

// Take takes one token of the key. It returns 0, or how long to wait for one.
func (l *Limiter) Take(key string) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.keys[key]
	if !known {
		b = l.room(now, key)
	}
	each := time.Duration(float64(time.Second) / l.rate.Second)
	if b.full.Before(now) {
		b.full = now
	}
	full := b.full.Add(each)
	if wait := full.Sub(now) - each*time.Duration(l.rate.Burst); wait > 0 {
		return wait
	}
	b.full = full
	return 0
}

// room finds a bucket for a new key.
func (l *Limiter) room(now time.Time, key string) *bucket {
	// A sweep looks at every key, so at most one a second is worth it when there is no room.
	if len(l.keys) >= l.most && now.Sub(l.swept) >= time.Second || now.Sub(l.swept) >= time.Minute {
		l.swept = now
		for k, b := range l.keys {
			if !b.full.After(now) {
				delete(l.keys, k)
			}
		}
	}
	if len(l.keys) >= l.most {
		return &l.shared[maphash.String(l.seed, key)%sharedBuckets]
	}
	b := &bucket{full: now}
	l.keys[key] = b
	return b
}
