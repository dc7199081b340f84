package handlers

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	runtimemetrics "runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tiga/access"
	"tiga/db"
)

// signInRequest is a sign-in as a browser sends it, for the handler without a network in between.
func (k *kit) signInRequest(name, typed string, headers ...string) *http.Request {
	body := strings.NewReader(url.Values{"username": {name}, "password": {typed}}.Encode())
	r := httptest.NewRequestWithContext(k.t.Context(), http.MethodPost, k.site.URL+"/login", body)
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", k.site.URL)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// area is the chance that a random sample of a is larger than one of b: the area under the curve of the classifier that
// puts a threshold between them. 0.5 is a coin.
func area(a, b []time.Duration) float64 {
	type sample struct {
		took time.Duration
		ofA  bool
	}
	var all []sample
	for _, d := range a {
		all = append(all, sample{d, true})
	}
	for _, d := range b {
		all = append(all, sample{d, false})
	}
	slices.SortFunc(all, func(x, y sample) int { return cmp.Compare(x.took, y.took) })
	var ranks float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].took == all[i].took {
			j++
		}
		for _, s := range all[i:j] { // equal samples share the middle rank
			if s.ofA {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	return (ranks - n*(n+1)/2) / (n * m)
}

func TestAreaUnderTheCurve(t *testing.T) {
	for _, c := range []struct {
		a, b []time.Duration
		want float64
	}{{[]time.Duration{3, 4}, []time.Duration{1, 2}, 1}, {[]time.Duration{1, 2}, []time.Duration{3}, 0}, {[]time.Duration{1, 3}, []time.Duration{2, 2}, 0.5}, {[]time.Duration{5}, []time.Duration{5}, 0.5}} {
		if got := area(c.a, c.b); got != c.want {
			t.Errorf("area of %v over %v is %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// TestA07_T07_TimeDoesNotTellWhoExists guesses once at each of 1,000 accounts and of 1,000 names that nobody has, in turns,
// and lets a classifier look at the times. With so many samples the area has a standard error of 0.013, so that 0.55 is
// four of them away from chance.
//
// The hashes are argon2id with a twentieth of the usual costs, through the same code. That makes the test stricter, not
// laxer: what one path does more than the other stands out against one millisecond sooner than against 26.
func TestA07_T07_TimeDoesNotTellWhoExists(t *testing.T) { //nolint:paralleltest // it measures time
	const each = 1000
	cheap := access.HasherConfig{Memory: 1024, Passes: 2}
	k := newKit(t, kitConfig{empty: true, hasher: cheap})
	hash, err := access.NewHasher(cheap).Hash(t.Context(), password)
	k.must(err)
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		for i := range each {
			if _, err := q.CreateUser(t.Context(), db.CreateUserParams{Name: fmt.Sprintf("person-%04d", i), PasswordHash: db.NewSecret(hash), Now: k.now().UnixMicro()}); err != nil {
				return err
			}
		}
		return nil
	}))
	took := map[bool][]time.Duration{}
	guess := func(known bool, i int) {
		name := fmt.Sprintf("person-%04d", i)
		if !known {
			name = fmt.Sprintf("nobody-%04d", i)
		}
		k.clock.add(time.Minute) // the address has no failures in the last minute
		r, w := k.signInRequest(name, "a wrong password of some length"), httptest.NewRecorder()
		start := time.Now()
		k.Handler().ServeHTTP(w, r)
		d := time.Since(start)
		if w.Code != http.StatusUnauthorized {
			t.Fatalf("%s: %d", name, w.Code)
		}
		took[known] = append(took[known], d)
	}
	for i := range each {
		first := rand.IntN(2) == 0
		guess(first, i)
		guess(!first, i)
	}
	known, unknown := took[true], took[false]
	auc := area(known, unknown)
	t.Logf("AUC %.3f; medians %s and %s", auc, median(known), median(unknown))
	if max(auc, 1-auc) > 0.55 {
		t.Errorf("a classifier tells who exists: AUC %.3f, medians %s and %s", auc, median(known), median(unknown))
	}
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

// TestA07_T07_ManySignInsStayWithinTheirMemory lets 500 people from as many addresses sign in at once, with the real
// costs: each hash takes 19 MiB, and all at once would take 9 GiB.
func TestA07_T07_ManySignInsStayWithinTheirMemory(t *testing.T) { //nolint:paralleltest // it measures the process
	const people, limit = 500, 400 << 20
	k := newKit(t, kitConfig{empty: true, proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var peak uint64
	var watching, all sync.WaitGroup
	before := heap()
	watching.Go(func() {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for ctx.Err() == nil {
			peak = max(peak, heap())
			<-again.C
		}
	})
	start := make(chan struct{})
	var tried, busy, other atomic.Int64
	for i := range people {
		address := fmt.Sprintf("203.%d.%d.7", i/250, i%250)
		all.Go(func() {
			<-start
			w := httptest.NewRecorder()
			k.Handler().ServeHTTP(w, k.signInRequest(fmt.Sprint("someone-", i), "a wrong password of some length", "X-Forwarded-For", address))
			switch {
			case w.Code == http.StatusUnauthorized:
				tried.Add(1)
			case w.Header().Get("Retry-After") != "": // by the hasher, or by a store that has as much to do
				busy.Add(1)
			default:
				other.Add(1)
				t.Logf("%d: %.200s", w.Code, w.Body)
			}
		})
	}
	close(start)
	all.Wait()
	stop()
	watching.Wait()
	t.Logf("%d were tried, %d were told to come back; the heap grew from %d to %d MiB", tried.Load(), busy.Load(), before>>20, peak>>20)
	if used := peak - min(peak, before); used > limit {
		t.Errorf("%d sign-ins at once took %d MiB", people, used>>20)
	}
	if tried.Load() == 0 || busy.Load() == 0 || other.Load() != 0 {
		t.Errorf("%d were tried, %d were told to come back, %d got something else", tried.Load(), busy.Load(), other.Load())
	}
}

// heap is what objects take, those that are not collected yet included.
func heap() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestSignInHashesAnew proves that a password whose hash has other costs than today's gets a new one, and stays what it is.
func TestSignInHashesAnew(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true, hasher: access.HasherConfig{Memory: 64, Passes: 1}})
	stored := func() string {
		user, err := k.store.Read().User(t.Context(), k.users[admin].ID)
		k.must(err)
		return user.PasswordHash.Reveal()
	}
	before := stored()
	k.anonymous().post("/login", url.Values{"username": {admin}, "password": {"wrong"}}).want(http.StatusUnauthorized)
	if stored() != before {
		t.Error("a wrong password changed the hash")
	}
	k.signIn(admin)
	after := stored()
	if !strings.Contains(after, "$m=64,t=1,") {
		t.Errorf("the hash is %s", after)
	}
	k.signIn(admin)
	if stored() != after {
		t.Error("a hash with today's costs was made anew")
	}
}
