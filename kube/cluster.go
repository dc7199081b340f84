package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/history"
	"tiga/kube/kinds"
	"tiga/kube/live"
)

// Cluster is one cluster with its connection, its lists and its health. All methods may be called from any goroutine.
type Cluster struct {
	cfg  *Config
	id   int64
	log  *slog.Logger
	conn *conn  // nil when disabled, or when it could not be built
	err  *Error // why it could not be built

	schemas   schemas // what it says about the fields of its kinds
	catalogue *catalogue
	usages    *usages
	monitor   *monitor
	rules     *rulebooks

	readOnly atomic.Bool
	cancel   context.CancelFunc
	ctx      context.Context //nolint:containedctx // the cluster's own life
	running  sync.WaitGroup
	kick     chan struct{} // asks for a check now

	mu     sync.RWMutex
	spec   Spec
	state  State
	tables *cache.Tables
	// recorder sees what changes in the tables; nil where nobody wants to know.
	recorder *history.Recorder
}

func newCluster(cfg *Config, spec Spec) *Cluster {
	c := &Cluster{
		cfg: cfg, id: spec.ID, log: cfg.Log.With("cluster", spec.Name), spec: spec, kick: make(chan struct{}, 1),
		catalogue: newCatalogue(), usages: newUsages(), rules: newRulebooks(),
	}
	c.spec.Namespaces = slices.Clone(spec.Namespaces)
	c.ctx, c.cancel = context.WithCancel(cfg.ctx)
	c.readOnly.Store(spec.ReadOnly)
	c.state = spec.Last
	c.state.Checked = time.Time{}
	if c.state.Health == "" {
		c.state.Health, c.state.Reason, c.state.Since = HealthUnknown, message("connecting"), cfg.Now()
	}
	if !spec.Enabled {
		return c
	}
	conn, err := newConn(cfg, spec.ID, spec.Credentials, &c.readOnly, c.recheck)
	if err != nil {
		c.err = classify(err)
		c.err.Cluster, c.err.Op = spec.Name, "connect"
		c.state.Health, c.state.Reason, c.state.Checked = HealthError, c.err.Reason, cfg.Now()
		if spec.Last.Health != HealthError || c.state.Since.IsZero() {
			c.state.Since = cfg.Now()
		}
		return c
	}
	c.conn = conn
	c.monitor = newMonitor(spec.Prometheus, c.searches(), cfg.Now())
	c.tables = c.newTables(c.state.Namespaces)
	return c
}

// newTables makes the lists; namespaces are those that the credentials are limited to.
func (c *Cluster) newTables(namespaces []string) *cache.Tables {
	t := c.cfg.Tables
	t.Cluster, t.Source, t.Log, t.Now = c.spec.Name, source{c}, c.log, c.cfg.Now
	t.Notify = func(kindID string) {
		c.cfg.Hub.Publish(live.Kind(c.id, kindID))
		if kindID == Definitions {
			poke(c.catalogue.changed)
		}
	}
	t.Describe = func(err error) kinds.Message { return c.describe(err) }
	t.Namespaces = func(*kinds.Kind) []string { return namespaces }
	t.Kind = c.Known
	if c.recorder = c.newRecorder(); c.recorder != nil {
		t.Observer = c.recorder
	}
	poke(c.catalogue.changed) // these lists know no definitions yet
	return cache.New(c.ctx, t)
}

// describe is the error in words, for lists.
func (c *Cluster) describe(err error) kinds.Message {
	e := classify(err)
	if e.Kind == KindUnauthorized {
		return c.refusal(e.Reason)
	}
	return e.Reason
}

// start begins to look after the cluster's health.
func (c *Cluster) start() {
	if c.conn != nil {
		c.running.Go(c.watchHealth)
		c.running.Go(c.watchKinds)
		c.running.Go(c.watchUsage)
		c.running.Go(c.lookForKinds)
		c.running.Go(c.watchPrometheus)
		if c.cfg.OnChanges != nil {
			c.running.Go(c.watchChanges)
		}
	}
}

// close ends everything and returns when it is gone.
func (c *Cluster) close() {
	c.cancel()
	if c.conn != nil {
		c.conn.close()
	}
	c.running.Wait() // before the lists, which what runs here may start
	c.rules.close()
	if c.conn != nil {
		tables{c.lists(), c.recording()}.Close()
	}
}

// adopt takes over a changed description if the connection need not be built anew for it.
func (c *Cluster) adopt(spec Spec) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spec.Name != c.spec.Name || spec.Enabled != c.spec.Enabled || !spec.Credentials.Equal(c.spec.Credentials) ||
		!slices.Equal(spec.Namespaces, c.spec.Namespaces) {
		return false
	}
	changed := spec.ReadOnly != c.spec.ReadOnly
	spec.Last, spec.Namespaces = c.spec.Last, c.spec.Namespaces
	c.spec = spec
	c.readOnly.Store(spec.ReadOnly)
	if changed {
		c.cfg.Hub.Publish(live.Fleet)
		c.cfg.Hub.Publish(live.Health(c.id))
	}
	return true
}

func (c *Cluster) broken() error {
	if c.err == nil {
		return nil
	}
	return c.err
}

func (c *Cluster) description() Spec {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.spec
}

func (c *Cluster) lists() *cache.Tables {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tables
}

// ID is the cluster's number in the store.
func (c *Cluster) ID() int64 { return c.id }

// Name is what people call the cluster.
func (c *Cluster) Name() string { return c.description().Name }

// Server is the address of its API server.
func (c *Cluster) Server() string { return c.description().Credentials.Server() }

// Source says where the cluster came from.
func (c *Cluster) Source() string { return c.description().Source }

// Enabled says whether the cluster is connected to.
func (c *Cluster) Enabled() bool { return c.description().Enabled }

// ReadOnly says whether only reads leave for the cluster.
func (c *Cluster) ReadOnly() bool { return c.readOnly.Load() }

// State is what is known of the cluster now.
func (c *Cluster) State() State {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.state
	s.Namespaces = slices.Clone(s.Namespaces)
	return s
}

// ready says why the cluster cannot be used at all, if so.
func (c *Cluster) ready(t target) error {
	if c.conn != nil {
		return nil
	}
	e := &Error{Kind: KindDisabled, Reason: message("disabled")}
	if c.err != nil {
		copied := *c.err
		e = &copied
	}
	e.Cluster, e.Op, e.Resource, e.Namespace, e.Name = c.Name(), t.op, t.resource, t.namespace, t.name
	return e
}

// reading checks that a permit is for reading this kind in this cluster. Which of its objects it shows is asked for each.
func (c *Cluster) reading(permit access.Permit, k *kinds.Kind) error {
	r := permit.Request()
	switch r.Verb {
	case access.VerbGet, access.VerbList, access.VerbWatch:
		if r.Cluster == c.Name() && r.Group == k.GVR.Group && r.Resource == k.GVR.Resource && r.Subresource == "" {
			return nil
		}
	default:
	}
	return fmt.Errorf("read %s in cluster %s: the permit is for something else: %w", k.ID(), c.Name(), access.ErrForbidden)
}

// List answers from memory; see cache.Tables. Page.Freshness says how true the answer is and why not more.
func (c *Cluster) List(ctx context.Context, permit access.Permit, q cache.Query) (cache.Page, error) {
	if err := c.reading(permit, q.Kind); err != nil {
		return cache.Page{}, err
	}
	if err := c.ready(target{op: "list", resource: q.Kind.ID()}); err != nil {
		return cache.Page{}, err
	}
	return c.lists().Query(ctx, permit, q)
}

// Row finds one row in memory if the permit shows it.
func (c *Cluster) Row(permit access.Permit, k *kinds.Kind, namespace, name string) (*kinds.Row, bool) {
	if c.conn == nil || c.reading(permit, k) != nil {
		return nil, false
	}
	return c.lists().Row(permit, k, namespace, name)
}

// Each calls yield for the rows in memory that the permit shows, until it returns false.
func (c *Cluster) Each(permit access.Permit, k *kinds.Kind, yield func(*kinds.Row) bool) {
	if c.conn != nil && c.reading(permit, k) == nil {
		c.lists().Each(permit, k, yield)
	}
}

// Touch keeps the lists of these kinds in memory.
func (c *Cluster) Touch(ks ...*kinds.Kind) {
	if c.conn != nil {
		c.lists().Touch(ks...)
	}
}

// Refresh reads the list of a kind from the API server again and returns when that is done.
func (c *Cluster) Refresh(ctx context.Context, permit access.Permit, k *kinds.Kind) error {
	t := target{op: "refresh", resource: k.ID()}
	if err := c.reading(permit, k); err != nil {
		return err
	}
	if err := c.ready(t); err != nil {
		return err
	}
	err := c.lists().Refresh(ctx, permit, k)
	if errors.Is(err, access.ErrForbidden) || errors.Is(err, access.ErrHidden) {
		return err
	}
	return c.wrap(err, t)
}

// Freshness says how true the list of a kind is.
func (c *Cluster) Freshness(k *kinds.Kind) cache.Freshness {
	if c.conn == nil {
		return cache.Freshness{State: cache.Stale, Reason: message("disabled")}
	}
	return c.lists().Freshness(k)
}

// Stats are figures of the lists in memory, for metrics.
func (c *Cluster) Stats() []cache.Stats {
	if c.conn == nil {
		return nil
	}
	return c.lists().Stats()
}

// Open says whether requests to the cluster are being held back because it could not be reached, for metrics.
func (c *Cluster) Open() bool { return c.conn != nil && c.conn.breaker.open() }

// Retry checks the cluster now instead of at the next turn, and lets lists try again. Whoever may see the cluster may
// ask for it; asking often changes nothing.
func (c *Cluster) Retry() { c.recheck() }
