package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a LoginStore that counts like the table does.
type memory struct {
	mu   sync.Mutex
	rows map[string]Failures
	err  error
}

func (m *memory) Read(_ context.Context, bucket string) (Failures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[bucket], m.err
}

func (m *memory) Record(_ context.Context, bucket string, now, quietSince time.Time) (Failures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.rows[bucket]
	if f.Last.Before(quietSince) {
		f = Failures{First: now}
	}
	f.Count++
	f.Last = now
	m.rows[bucket] = f
	return f, m.err
}

func (m *memory) Reset(_ context.Context, bucket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, bucket)
	return m.err
}

type door struct {
	*LoginLimiter
	*clock
	store *memory
	calls int
}

func newDoor() *door {
	d := &door{clock: newClock(), store: &memory{rows: map[string]Failures{}}}
	d.LoginLimiter = NewLoginLimiter(LoginLimiterConfig{Store: d.store, Now: d.clock.now})
	return d
}

// try knocks once, and returns how long the caller has to wait before the next.
func (d *door) try(t *testing.T, account, ip string, good bool) (in bool, wait time.Duration) {
	t.Helper()
	in, err := d.Attempt(t.Context(), account, netip.MustParseAddr(ip), func(context.Context) (bool, error) {
		d.calls++
		return good, nil
	})
	var refusal *Refusal
	switch {
	case err == nil:
		return in, 0
	case errors.As(err, &refusal) && refusal.Status == http.StatusTooManyRequests && refusal.ID == IDLoginWait && refusal.RetryAfter > 0:
		return false, refusal.RetryAfter
	default:
		t.Fatal(err)
		return false, 0
	}
}

// address is another one each time, so that only the account's delay counts.
func address(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255) }

func TestA07_DelaysGrowFromTheThirdFailure(t *testing.T) {
	d := newDoor()
	for i, want := range []time.Duration{0, 0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if _, wait := d.try(t, "ann", address(i), false); wait != 0 {
			t.Fatalf("failure %d has to wait %v", i, wait)
		}
		want *= time.Second
		if want == 0 {
			continue
		}
		calls := d.calls
		if _, wait := d.try(t, "ann", address(100+i), true); wait != want || d.calls != calls {
			t.Fatalf("after failure %d the wait is %v, want %v", i+1, wait, want)
		}
		d.move(want - time.Millisecond)
		if _, wait := d.try(t, "ann", address(200+i), true); wait != time.Millisecond {
			t.Fatalf("hammering changed the wait to %v", wait)
		}
		d.move(time.Millisecond)
	}
	if in, wait := d.try(t, "ann", address(1), true); !in || wait != 0 {
		t.Errorf("the owner is locked out: %v", wait)
	}
	for i := range 2 {
		if _, wait := d.try(t, "ann", address(300+i), false); wait != 0 {
			t.Error("a good sign-in did not end the series")
		}
	}
	if in, _ := d.try(t, "ann", address(400), true); !in {
		t.Error("two failures cost time")
	}
}

func TestA07_SeriesEndsAfterAnHour(t *testing.T) {
	d := newDoor()
	for i := range 8 {
		d.try(t, "ann", address(i), false)
		d.move(30 * time.Second)
	}
	d.move(quietLogin + time.Second)
	for i := range 2 {
		if _, wait := d.try(t, "ann", address(100+i), false); wait != 0 {
			t.Errorf("yesterday's failures still count: %v", wait)
		}
	}
}

// TestA07_OtherNamesDoNotResetACounter: ten thousand names tried once each leave the administrator's
// delay where it was, and the spelling of a name makes no new counter.
func TestA07_OtherNamesDoNotResetACounter(t *testing.T) {
	d := newDoor()
	for i := range 7 {
		d.try(t, "admin", address(i), false)
		d.move(30 * time.Second)
	}
	d.try(t, "admin", "10.9.9.9", false)
	before := maps.Clone(d.store.rows)[accountBucket("admin")]
	for i := range 10_000 {
		d.try(t, fmt.Sprintf("name-%d", i), address(1000+i), false)
	}
	if got := d.store.rows[accountBucket("admin")]; got != before || got.Count != 8 {
		t.Errorf("the counter went from %v to %v", before, got)
	}
	for _, name := range []string{"admin", "Admin", " ADMIN "} {
		if _, wait := d.try(t, name, "10.9.9.8", true); wait != 30*time.Second {
			t.Errorf("%q waits %v", name, wait)
		}
	}
}

func TestA07_TwentyFailuresAMinuteOfOneAddress(t *testing.T) {
	d := newDoor()
	for i := range 20 {
		if _, wait := d.try(t, fmt.Sprint("a", i), fmt.Sprintf("2001:db8::%x", i), false); wait != 0 {
			t.Fatalf("failure %d waits %v", i, wait)
		}
	}
	if _, wait := d.try(t, "b", "2001:db8::ffff", true); wait != time.Minute {
		t.Errorf("the 21st waits %v", wait)
	}
	if in, _ := d.try(t, "b", "2001:db8:0:1::1", true); !in {
		t.Error("another network waits too")
	}
	// The window slides: at the turn of the minute there are not twenty more at once.
	d.move(time.Minute)
	allowed := 0
	for i := range 20 {
		if _, wait := d.try(t, fmt.Sprint("c", i), "2001:db8::1", false); wait == 0 {
			allowed++
		}
	}
	if allowed != 0 {
		t.Errorf("%d more at the turn of the minute", allowed)
	}
	d.move(30 * time.Second)
	for i := range 20 {
		if _, wait := d.try(t, fmt.Sprint("d", i), "2001:db8::1", false); wait == 0 {
			allowed++
		}
	}
	if allowed != 10 {
		t.Errorf("%d more half a minute later", allowed)
	}
	// Signing in does not count: an office behind one address comes to work.
	d = newDoor()
	for i := range 100 {
		if in, _ := d.try(t, fmt.Sprint("e", i), "192.0.2.1", true); !in {
			t.Fatal("good sign-ins are counted")
		}
	}
}

// TestA07_ParallelGuessesAreCountedOneByOne: five hundred at once get no more tries than one by one.
func TestA07_ParallelGuessesAreCountedOneByOne(t *testing.T) {
	for name, c := range map[string]struct {
		account func(int) string
		ip      func(int) string
		want    int32
	}{
		"one account":  {func(int) string { return "ann" }, address, freeFailures},
		"one address":  {func(i int) string { return fmt.Sprint("user", i) }, func(int) string { return "192.0.2.1" }, perAddress},
		"same of both": {func(int) string { return "ann" }, func(int) string { return "192.0.2.1" }, freeFailures},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoor()
				var tried atomic.Int32
				var wg sync.WaitGroup
				for i := range 500 {
					wg.Go(func() {
						_, _ = d.Attempt(t.Context(), c.account(i), netip.MustParseAddr(c.ip(i)), func(context.Context) (bool, error) {
							tried.Add(1)
							time.Sleep(25 * time.Millisecond) // of the bubble's own time: as long as a hash takes
							return false, nil
						})
					})
				}
				wg.Wait()
				if tried.Load() != c.want {
					t.Errorf("%d guesses were made", tried.Load())
				}
			})
		})
	}
}

func TestA07_ErrorsAreNoFailuresAndNoSuccess(t *testing.T) {
	d := newDoor()
	busy := errors.New("busy")
	in, err := d.Attempt(t.Context(), "ann", netip.Addr{}, func(context.Context) (bool, error) { return true, busy })
	if in || !errors.Is(err, busy) || len(d.store.rows) != 0 {
		t.Errorf("%v %v %v", in, err, d.store.rows)
	}
	d.store.err = errors.New("no store")
	in, err = d.Attempt(t.Context(), "ann", netip.Addr{}, func(context.Context) (bool, error) {
		t.Error("guessing goes on without a store")
		return true, nil
	})
	if in || err == nil {
		t.Errorf("%v %v", in, err)
	}
}

// TestA07_NamesAreNotStored: what is typed into the name field may be the password.
func TestA07_NamesAreNotStored(t *testing.T) {
	d := newDoor()
	d.try(t, "correct horse battery", "192.0.2.1", false)
	for bucket := range d.store.rows {
		if strings.Contains(bucket, "horse") || len(bucket) > 64 {
			t.Errorf("bucket %q", bucket)
		}
	}
	if len(d.store.rows) != 2 {
		t.Errorf("%d rows for one failure", len(d.store.rows))
	}
}

func TestLoginWaitsEndWithTheRequest(t *testing.T) {
	d := newDoor()
	ctx, cancel := context.WithCancel(t.Context())
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = d.Attempt(t.Context(), "ann", netip.Addr{}, func(context.Context) (bool, error) { close(inside); <-leave; return false, nil })
	})
	<-inside
	cancel()
	if _, err := d.Attempt(ctx, "ann", netip.Addr{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(leave)
	wg.Wait()
}
