package kube

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"tiga/kube/cache"
	"tiga/kube/history"
	"tiga/kube/kubeconfig"
	"tiga/kube/live"
)

// Config says how a Fleet reaches clusters. The zero value works; every field has a default.
type Config struct {
	// Hub is told when a cluster's health or one of its lists changes.
	Hub *live.Hub
	Log *slog.Logger
	// OnHealth is called after a check that changed something worth keeping. It is called from the cluster's own
	// goroutine, one at a time, and delays only that cluster.
	OnHealth func(id int64, s State)
	// OnPrometheus is called after a search for a cluster's Prometheus with what it found, the zero value for nothing, from a
	// goroutine that delays only this. Without it none is looked for.
	OnPrometheus func(id int64, found Prometheus)
	// OnChanges is called with what changed in a cluster, wherever it was changed, a few changes at a time, from a goroutine
	// that delays only this. An error lets it be called again. Without it nothing is recorded.
	OnChanges func(id int64, changes []history.Change) error
	// AllowExec lets credential plugins run. Without it they do not, whatever was stored.
	AllowExec bool
	// UserAgent begins the User-Agent of every request; "tiga" if empty.
	UserAgent string

	// HealthInterval is the time between checks of a cluster that answers; 60 s if 0.
	HealthInterval time.Duration
	// RetryInterval is the time between checks of one that cannot be reached; 15 s if 0.
	RetryInterval time.Duration
	// QPS, Burst and InFlight limit the requests to each cluster; 50, 100 and 32 if 0.
	QPS      float32
	Burst    int
	InFlight int

	// Dial replaces the dialer; nil connects over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolver looks up host names; the system's if nil.
	Resolver *net.Resolver
	// CheckAddr refuses more addresses than those that are always refused. It sees the address that is connected to.
	CheckAddr func(netip.AddrPort) error
	// Proxy chooses an HTTP proxy; nil uses none, the environment's neither.
	Proxy func(*http.Request) (*url.URL, error)
	// Observe sees every request that leaves, before it does.
	Observe func(cluster int64, r *http.Request)
	// Now is the clock of what is shown; time.Now if nil.
	Now func() time.Time
	// Jitter is a random number from 0 to 1, which spreads the checks of many clusters; math/rand if nil.
	Jitter func() float64
	// Tables tunes the lists of every cluster; what a cluster sets itself is overwritten.
	Tables cache.Config

	ctx         context.Context //nolint:containedctx // the fleet's own life, set once by NewFleet
	maxResponse int64           // bytes that are read of an answer; tests use less
	// dialPrometheus replaces the dialer to a Prometheus in tests.
	dialPrometheus func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults(ctx context.Context) Config {
	c.ctx = ctx
	c.maxResponse = cmp.Or(c.maxResponse, maxResponse)
	if c.Hub == nil {
		c.Hub = live.New(live.Config{})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OnHealth == nil {
		c.OnHealth = func(int64, State) {}
	}
	c.UserAgent = cmp.Or(c.UserAgent, "tiga")
	c.HealthInterval = cmp.Or(c.HealthInterval, time.Minute)
	c.RetryInterval = cmp.Or(c.RetryInterval, 15*time.Second)
	c.QPS = cmp.Or(c.QPS, 50)
	c.Burst = cmp.Or(c.Burst, 100)
	c.InFlight = cmp.Or(c.InFlight, 32)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return c
}

// Spec describes one cluster as the store has it.
type Spec struct {
	ID   int64
	Name string
	// Enabled says whether the cluster is connected to at all.
	Enabled bool
	// ReadOnly lets only reads leave for the cluster.
	ReadOnly bool
	// Credentials reach the cluster. Without them it is there, with an error.
	Credentials kubeconfig.Credentials
	// Source says where the cluster came from, for people.
	Source string
	// Namespaces are those that the credentials may list, where they may not list all. Without them the namespace of
	// the kubeconfig's context is tried.
	Namespaces []string
	// Prometheus is where the cluster's Prometheus is: set by hand, or found before. The zero value lets it be looked for.
	Prometheus Prometheus
	// Last is what was known when the program stopped, to be shown until the first check.
	Last State
}

// Fleet is every cluster. All methods may be called from any goroutine, and none waits for a cluster.
type Fleet struct {
	cfg Config

	mu       sync.RWMutex
	clusters map[int64]*Cluster
	closed   bool
	closing  sync.WaitGroup
}

// NewFleet makes an empty fleet. It ends with ctx or with Close.
func NewFleet(ctx context.Context, cfg Config) *Fleet {
	return &Fleet{cfg: cfg.withDefaults(ctx), clusters: map[int64]*Cluster{}}
}

// Set adds a cluster or changes it. The client is built anew only when something changed that it is made of; what ran
// over the old one then ends. An error says why the cluster cannot be used; it is listed with that reason all the same.
func (f *Fleet) Set(spec Spec) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return &Error{Kind: KindDisabled, Cluster: spec.Name, Op: "set", Reason: message("closed"), Err: errClosed}
	}
	old := f.clusters[spec.ID]
	if old != nil && old.adopt(spec) {
		old.storedPrometheus(spec.Prometheus)
		return old.broken()
	}
	if old != nil {
		if old.Server() == spec.Credentials.Server() {
			spec.Last = old.State()
		}
		f.retire(old)
	}
	c := newCluster(&f.cfg, spec)
	c.inherit(old, spec)
	f.clusters[spec.ID] = c
	c.start()
	f.cfg.Hub.Publish(live.Fleet)
	f.cfg.Hub.Publish(live.Health(spec.ID))
	return c.broken()
}

// Remove forgets a cluster and ends everything that runs over its connection.
func (f *Fleet) Remove(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.clusters[id]; c != nil {
		delete(f.clusters, id)
		f.retire(c)
		f.cfg.Hub.Publish(live.Fleet)
		f.cfg.Hub.Publish(live.Health(id))
	}
}

// retire closes a cluster in the background; mu is held.
func (f *Fleet) retire(c *Cluster) {
	f.closing.Go(c.close)
}

// Close ends every cluster and returns when all is gone or ctx ends.
func (f *Fleet) Close(ctx context.Context) error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		for id, c := range f.clusters {
			delete(f.clusters, id)
			f.retire(c)
		}
	}
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		f.closing.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cluster finds a cluster that is in use: ErrNotFound if there is none, ErrDisabled if it is switched off.
func (f *Fleet) Cluster(id int64) (*Cluster, error) {
	f.mu.RLock()
	c := f.clusters[id]
	f.mu.RUnlock()
	switch {
	case c == nil:
		return nil, &Error{Kind: KindNotFound, Op: "find cluster", Reason: message("unknown"), Err: errors.New("no cluster has this id")}
	case !c.Enabled():
		return nil, &Error{Kind: KindDisabled, Cluster: c.Name(), Op: "find cluster", Reason: message("disabled")}
	default:
		return c, nil
	}
}

// Clusters are all clusters by name, those that are switched off included.
func (f *Fleet) Clusters() []*Cluster {
	f.mu.RLock()
	out := make([]*Cluster, 0, len(f.clusters))
	for _, c := range f.clusters {
		out = append(out, c)
	}
	f.mu.RUnlock()
	slices.SortFunc(out, func(a, b *Cluster) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.id, b.id))
	})
	return out
}
