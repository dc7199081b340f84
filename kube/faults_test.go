package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/cache"
	"tiga/kube/kubetest"
)

// TestF07_AnswersAreReadUpTo64MiB, and one byte more is refused.
func TestF07_AnswersAreReadUpTo64MiB(t *testing.T) {
	if c := (Config{}).withDefaults(t.Context()); c.maxResponse != 64<<20 {
		t.Errorf("%d bytes are read", c.maxResponse)
	}
	for length, ok := range map[int]bool{0: true, 99: true, 100: true, 101: false, 5000: false} {
		rt := capped(100, roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{Body: io.NopCloser(strings.NewReader(strings.Repeat("x", length)))}, nil
		}))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if (err == nil) != ok || len(data) > 100 {
			t.Errorf("of %d bytes %d are read, %v", length, len(data), err)
		}
	}
}

// TestF01_AClusterThatIsDownFailsAtOnce: after five failures nothing is tried for 15 s, then one request is; when the
// cluster is back, so is everything.
func TestF01_AClusterThatIsDownFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
		var dials atomic.Int32
		r := newRig(t, s, func(c *Config) {
			c.RetryInterval = time.Hour // the health check is not what is tried here
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				return s.Dial(ctx, network, addr)
			}
		})
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		pods := kindOf(t, "pods")
		get := func() error {
			_, err := c.Get(t.Context(), r.permit(t, "root", "one", pods, "get", "shop", "a"), pods, "shop", "a")
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		s.Down()
		for !c.Open() {
			if err := get(); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("down: %v", err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(3 * time.Second) // the check that the failures asked for
		synctest.Wait()
		dials.Store(0)
		for range 28 {
			if err := get(); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("open: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := dials.Load(); n < 1 || n > 2 {
			t.Errorf("%d attempts in 28 s", n)
		}
		var e *Error
		if err := get(); !errors.As(err, &e) || e.Reason.ID != "cluster.refused" {
			t.Errorf("it says %+v and not why the attempts failed", e)
		}
		s.Up(t)
		time.Sleep(breakerPause)
		if err := get(); err != nil || c.Open() {
			t.Errorf("up: %v", err)
		}
	})
}

// TestF01_ListsStayWhenTheClusterIsGone: what was read is shown, and since when it is old.
func TestF01_ListsStayWhenTheClusterIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		pods := kindOf(t, "pods")
		list := func() cache.Page {
			page, err := c.List(t.Context(), r.permit(t, "root", "one", pods, "list", "", ""), queryOf(pods))
			if err != nil {
				t.Fatal(err)
			}
			return page
		}
		if page := list(); page.Total != 1 || page.Freshness.State != cache.Live {
			t.Fatalf("page %+v", page)
		}
		s.Down()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		began := time.Now()
		page := list()
		if page.Total != 1 || page.Freshness.State == cache.Live || page.Freshness.Reason.ID != "cluster.refused" {
			t.Errorf("page of %d, %+v", page.Total, page.Freshness)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
		s.Up(t)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if page := list(); page.Freshness.State != cache.Live {
			t.Errorf("back: %+v", page.Freshness)
		}
	})
}

// TestF02_SlowAndSilentClustersAreBounded: a get ends after 5 s, a list after 15 s, at most 32 requests are on their way,
// and another cluster notices nothing.
func TestF02_SlowAndSilentClustersAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script func(*kubetest.Server) kubetest.Script
	}{
		{"never answers", func(*kubetest.Server) kubetest.Script { return kubetest.Hang }},
		{"one byte a second", func(s *kubetest.Server) kubetest.Script { return s.Slow(time.Second) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
				good := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
				var inFlight int
				var mu sync.Mutex
				slow := tc.script(bad)
				bad.Script(kubetest.On("/api/", func(w http.ResponseWriter, r *http.Request) bool {
					mu.Lock()
					inFlight++
					mu.Unlock()
					defer func() { mu.Lock(); inFlight--; mu.Unlock() }()
					return slow(w, r)
				}))
				r := newRig(t, nil, func(c *Config) {
					c.HealthInterval, c.RetryInterval = time.Hour, time.Hour
					c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
						if strings.HasPrefix(addr, "good") {
							return good.Dial(ctx, network, addr)
						}
						return bad.Dial(ctx, network, addr)
					}
				})
				bc := r.add(t, 1, "bad", credentials(t, bad))
				gc := r.add(t, 2, "good", credentials(t, good, func(f *clientcmdapi.Config) {
					f.Clusters["kubetest"].Server, f.Clusters["kubetest"].TLSServerName = "https://good:6443", "kubetest.invalid"
				}))
				r.healthy(t, 2)
				pods := kindOf(t, "pods")
				badPermit, goodPermit := r.permit(t, "root", "bad", pods, "get", "shop", "a"), r.permit(t, "root", "good", pods, "get", "shop", "a")
				began := time.Now()
				var wg sync.WaitGroup
				for range 60 {
					wg.Go(func() {
						_, err := bc.Get(t.Context(), badPermit, pods, "shop", "a")
						if took := time.Since(began); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrBusy) || took != getTimeout {
							t.Errorf("after %s: %v", took, err)
						}
					})
				}
				wg.Go(func() {
					time.Sleep(2 * time.Second)
					mu.Lock()
					defer mu.Unlock()
					if inFlight != 32+1 { // one more is the health check, which has a place of its own
						t.Errorf("%d requests at once", inFlight)
					}
				})
				for range 60 {
					if _, err := gc.Get(t.Context(), goodPermit, pods, "shop", "a"); err != nil {
						t.Errorf("the other cluster: %v", err)
					}
				}
				if took := time.Since(began); took > time.Second { // the rate limit, not the other cluster
					t.Errorf("the other cluster took %s", took)
				}
				wg.Wait()
				_, err := bc.conn.list(withFlags(t.Context(), flags{check: true}), pods, "", metav1.ListOptions{})
				if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != getTimeout+listTimeout {
					t.Errorf("list after %s: %v", took, err)
				}
			})
		})
	}
}

// TestF05_AConnectionThatGoesSilentIsNoticed within 45 s, by HTTP/2 pings, though the watch itself would wait for ever.
func TestF05_AConnectionThatGoesSilentIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		r := newRig(t, s, func(c *Config) { c.HealthInterval, c.RetryInterval = time.Hour, time.Hour })
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		w, err := c.conn.watch(t.Context(), kindOf(t, "pods"), "", metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		time.Sleep(time.Minute)
		s.Stall(true)
		began := time.Now()
		for range w.ResultChan() { //nolint:revive // until the watch ends
		}
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}

// TestAWatchThatDoesNotBeginEnds and says so, instead of looking like a watch that ended at once.
func TestAWatchThatDoesNotBeginEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		s.Script(kubetest.On("/api/v1/pods", kubetest.Hang))
		began := time.Now()
		_, err := source{c}.Watch(t.Context(), kindOf(t, "pods"), "", metav1.ListOptions{})
		if e := classify(err); e.Kind != KindTimeout || time.Since(began) != headerTimeout {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		s.Down()
		if _, err = (source{c}).Watch(t.Context(), kindOf(t, "pods"), "", metav1.ListOptions{}); classify(err).Kind != KindUnreachable {
			t.Errorf("down: %v", err)
		}
	})
}

// TestF06_ThePauseThatAClusterAsksForIsKept: nothing is sent meanwhile, a read that can wait does and succeeds, one that
// cannot says how long it would take.
func TestF06_ThePauseThatAClusterAsksForIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
		r := newRig(t, s, func(c *Config) { c.HealthInterval = time.Hour })
		c := r.add(t, 1, "one", credentials(t, s))
		r.healthy(t, 1)
		pods := kindOf(t, "pods")
		permit := r.permit(t, "root", "one", pods, "get", "shop", "a")
		busy := 1
		throttle := kubetest.Throttle(3 * time.Second)
		s.Script(func(w http.ResponseWriter, r *http.Request) bool {
			if busy == 0 {
				return false
			}
			busy--
			return throttle(w, r)
		})
		s.Reset()
		began := time.Now()
		if _, err := c.Get(t.Context(), permit, pods, "shop", "a"); err != nil || time.Since(began) != 3*time.Second || len(s.Requests()) != 2 {
			t.Errorf("after %s and %d requests: %v", time.Since(began), len(s.Requests()), err)
		}
		busy, throttle = 100, kubetest.Throttle(30*time.Second)
		s.Reset()
		var e *Error
		for range 20 {
			_, err := c.Get(t.Context(), permit, pods, "shop", "a")
			if !errors.Is(err, ErrBusy) || !errors.As(err, &e) || e.RetryAfter == 0 || e.Reason.ID != "cluster.throttled" {
				t.Fatalf("throttled: %v", err)
			}
			time.Sleep(time.Second)
		}
		if len(s.Requests()) != 1 {
			t.Errorf("%d requests in spite of the pause", len(s.Requests()))
		}
		busy = 0
		time.Sleep(11 * time.Second)
		if _, err := c.Get(t.Context(), permit, pods, "shop", "a"); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

// TestF10_NamesThatCannotBeLookedUp fail within 5 s, and each connection is checked by the address that it goes to.
func TestF10_NamesThatCannotBeLookedUp(t *testing.T) {
	t.Parallel() // the resolver of package net keeps the real time
	r := newRig(t, nil, func(c *Config) {
		c.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done() // a name server that does not answer
			return nil, ctx.Err()
		}}
	})
	s := kubetest.New(t, kubetest.Options{})
	began := time.Now()
	r.add(t, 1, "one", credentials(t, s, func(f *clientcmdapi.Config) { f.Clusters["kubetest"].Server = "https://api.example:6443" }))
	got := r.wait(t, 1, "checked", func(State) bool { return true })
	if took := time.Since(began); got.Health != HealthUnavailable || took > 6*time.Second {
		t.Errorf("after %s: %+v", took, got)
	}
}

// TestA19_AddressesThatAreNeverConnectedTo, in every spelling, and whatever a name resolves to.
func TestA19_AddressesThatAreNeverConnectedTo(t *testing.T) {
	for _, tc := range []struct {
		addr string
		ok   bool
	}{
		{"10.0.0.1", true},
		{"192.168.1.1", true},
		{"127.0.0.1", true},
		{"8.8.8.8", true},
		{"fd12::1", true},
		{"2001:db8::1", true},
		{"::1", true},
		{"169.254.169.254", false},
		{"169.254.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fd00:ec2::254", false},
		{"100.100.100.200", false},
		{"0.0.0.0", false},
		{"::", false},
		{"::ffff:0.0.0.0", false},
		{"0.1.2.3", false},
		{"224.0.0.1", false},
		{"ff02::1", false},
		{"255.255.255.255", false},
	} {
		err := checkAddr(netip.AddrPortFrom(netip.MustParseAddr(tc.addr), 443))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.addr, err)
		}
	}
	if checkAddr(netip.MustParseAddrPort("10.0.0.1:0")) == nil {
		t.Error("port 0 is allowed")
	}
	// Spellings that a parser may take for a name, and a further rule of the operator.
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, nil, func(c *Config) {
		c.CheckAddr = func(a netip.AddrPort) error {
			if a.Addr().IsLoopback() {
				return errors.New("loopback is not allowed here")
			}
			return nil
		}
	})
	for _, server := range []string{s.URL(), "https://[::ffff:169.254.169.254]", "https://[fe80::1%25lo]:6443"} {
		_, err := r.Test(t.Context(), credentials(t, s, func(f *clientcmdapi.Config) { f.Clusters["kubetest"].Server = server }))
		var e *Error
		if !errors.As(err, &e) || e.Reason.ID != "cluster.address_refused" {
			t.Errorf("%s: %v", server, err)
		}
	}
	if len(s.Requests()) > 0 {
		t.Errorf("requests were sent: %s", paths(s.Requests()))
	}
}

// TestF11_RemovedWhileInUse: watches end, connections are closed and no goroutine stays.
func TestF11_RemovedWhileInUse(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
	r := newRig(t, nil)
	before := runtime.NumGoroutine()
	for i, change := range []func(c *Cluster){
		func(*Cluster) { r.Remove(1) },
		func(*Cluster) {
			if err := r.Set(Spec{ID: 1, Name: "one", Enabled: false, Credentials: credentials(t, s)}); err != nil {
				t.Error(err)
			}
		},
		func(*Cluster) {
			if err := r.Set(Spec{ID: 1, Name: "one", Enabled: true, Credentials: credentials(t, s, func(f *clientcmdapi.Config) {
				deadAddress(f)
			})}); err != nil {
				t.Error(err)
			}
		},
	} {
		c := r.add(t, 1, "one", credentials(t, s))
		w, err := c.conn.watch(t.Context(), kindOf(t, "pods"), "", metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Touch(kindOf(t, "pods"), kindOf(t, "nodes"))
		change(c)
		ended := time.NewTimer(time.Minute)
		for open := true; open; {
			select {
			case _, open = <-w.ResultChan():
			case <-ended.C:
				t.Fatalf("change %d: the watch goes on", i)
			}
		}
		if _, err := c.Get(t.Context(), r.permit(t, "root", "one", kindOf(t, "pods"), "get", "shop", "a"), kindOf(t, "pods"), "shop", "a"); err == nil {
			t.Errorf("change %d: the old client still works", i)
		}
	}
	r.Remove(1)
	eventually(t, "connections are closed", func() bool { return s.Connections() == 0 })
	eventually(t, "goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// eventually waits for something that another goroutine does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not so: %s", what)
		}
	}
}
