package guard

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// clock is a time that only moves when told to.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func (c *clock) move(d time.Duration) { c.at = c.at.Add(d) }

func TestLimiterIsATokenBucket(t *testing.T) {
	c := newClock()
	l := NewLimiter(LimiterConfig{Rate: Rate{10, 40}, Now: c.now})
	for i := range 40 {
		if wait := l.Take("a"); wait != 0 {
			t.Fatalf("request %d waits %v", i, wait)
		}
	}
	for range 3 { // asking does not make it later
		if wait := l.Take("a"); wait != 100*time.Millisecond {
			t.Errorf("the 41st waits %v", wait)
		}
	}
	if wait := l.Take("b"); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
	c.move(100 * time.Millisecond)
	if first, second := l.Take("a"), l.Take("a"); first != 0 || second == 0 {
		t.Errorf("after a tenth of a second: %v, %v", first, second)
	}
	c.move(time.Hour)
	allowed := 0
	for l.Take("a") == 0 {
		allowed++
	}
	if allowed != 40 {
		t.Errorf("%d at once after a pause", allowed)
	}
}

// TestRateLimitMemoryIsBoundedAndKeysCannotPushEachOtherOut is CVE-2024-21652 of others: a flood of
// keys must neither grow the memory nor give a limited client new tokens.
func TestRateLimitMemoryIsBoundedAndKeysCannotPushEachOtherOut(t *testing.T) {
	c := newClock()
	l := NewLimiter(LimiterConfig{Rate: Rate{10, 40}, Keys: 500, Now: c.now})
	for l.Take("guesser") == 0 {
		continue
	}
	allowed := 0
	for i := range 100_000 {
		if l.Take("flood"+strconv.Itoa(i)) == 0 {
			allowed++
		}
		if i%1000 == 0 && l.Take("guesser") == 0 {
			t.Fatal("the flood gave the guesser new tokens")
		}
	}
	if n := l.Len(); n > 500 {
		t.Errorf("%d keys are held", n)
	}
	if most := 500 + 1024*40; allowed > most {
		t.Errorf("%d of the flood were let in, more than %d", allowed, most)
	}
	c.move(5 * time.Second)
	if wait := l.Take("late"); wait != 0 {
		t.Errorf("after the flood a new key waits %v", wait)
	}
	if n := l.Len(); n > 2 {
		t.Errorf("%d keys are held after the flood", n)
	}
}

func TestLimiterForgetsOnlyFullBuckets(t *testing.T) {
	c := newClock()
	l := NewLimiter(LimiterConfig{Rate: Rate{1, 100}, Keys: 10, Now: c.now})
	for l.Take("slow") == 0 {
		continue
	}
	for i := range 30 {
		c.move(2 * time.Second)
		l.Take(fmt.Sprint("other", i))
	}
	// One minute gave back 60 of 100 tokens: had the bucket been dropped, there would be 100.
	got := 0
	for l.Take("slow") == 0 {
		got++
	}
	if got != 60 {
		t.Errorf("%d tokens are back after a minute", got)
	}
}

func TestRateLimitsOfAddressesSessionsAndWrites(t *testing.T) {
	c := newClock()
	var got refusals
	h := ClientIP(nil)(RateLimit(RateLimitConfig{Session: func(r *http.Request) string { return r.Header.Get("Test-Session") }, Now: c.now, OnRefusal: got.on})(teapot))
	ask := func(method, ip, session string) int {
		r := request(method, "/", "h", http.Header{"Test-Session": {session}})
		r.RemoteAddr = ip + ":1"
		w := serve(h, r)
		if w.Code == http.StatusTooManyRequests {
			if seconds, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || seconds < 1 || got.last.ID != IDTooMany {
				t.Errorf("429 with Retry-After %q and %v", w.Header().Get("Retry-After"), got.last)
			}
		}
		return w.Code
	}
	count := func(method, ip, session string) int {
		n := 0
		for ask(method, ip, session) == http.StatusTeapot {
			n++
		}
		return n
	}
	for _, step := range []struct {
		what, method, ip, session string
		want                      int
	}{
		{"an address", "GET", "192.0.2.1", "", 40},
		{"the same again", "POST", "192.0.2.1", "", 0},
		{"another address", "GET", "192.0.2.2", "", 40},
		{"a session's writes", "POST", "192.0.2.1", "s1", 20},
		{"the rest of its reads", "GET", "192.0.2.1", "s1", 200 - 20 - 1},
		{"another session at the address", "GET", "192.0.2.1", "s2", 200},
		{"the first session from elsewhere", "GET", "192.0.2.9", "s1", 0},
	} {
		if n := count(step.method, step.ip, step.session); n != step.want {
			t.Errorf("%s: %d were let in, want %d", step.what, n, step.want)
		}
	}
	c.move(time.Second)
	for _, step := range []struct {
		method, ip, session string
		want                int
	}{{"GET", "192.0.2.1", "", 10}, {"POST", "192.0.2.1", "s1", 5}, {"GET", "192.0.2.1", "s2", 50}} {
		if n := count(step.method, step.ip, step.session); n != step.want {
			t.Errorf("a second later, %v: %d were let in", step, n)
		}
	}
	c.move(time.Minute)
	for i := range 100 { // a /64 is one client
		ask("GET", fmt.Sprintf("[2001:db8::%x]", i), "")
	}
	if code := ask("GET", "[2001:db8::ffff]", ""); code != http.StatusTooManyRequests {
		t.Errorf("the rest of a /64 is answered with %d", code)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := NewLimiter(LimiterConfig{Rate: Rate{10, 40}})
	keys := make([]string, 4096)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Take(keys[i%len(keys)])
	}
}
