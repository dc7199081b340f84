package cache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"tiga/access"
	"tiga/kube/kinds"
)

// table is the running table of one kind: a store and the feeds that fill it.
type table struct {
	cfg      *Config
	kind     *kinds.Kind
	store    *store
	counters *counters
	cancel   context.CancelFunc
	noStream atomic.Bool // the server does not stream this list

	joint    *joint        // nil for a kind that has no Join
	observer Observer      // nil where nobody observes the kind
	wound    chan struct{} // rows wait for their time; see clock

	started time.Time
	used    time.Time // guarded by Tables.mu

	mu        sync.Mutex
	feeds     []*feed
	listeners []*joint // of the tables whose rows this one speaks about
	wg        *sync.WaitGroup
	unsettled int           // feeds that have neither read nor failed yet
	settled   chan struct{} // closed when there are none
}

// counters outlive the table.
type counters struct {
	hits, misses, relists, watches, changes atomic.Int64
}

func newTable(ctx context.Context, cfg *Config, k *kinds.Kind, c *counters, wg *sync.WaitGroup) *table {
	ctx, cancel := context.WithCancel(ctx)
	t := &table{
		cfg: cfg, kind: k, store: newStore(k, int(cfg.MaxRows), cfg.Now), counters: c,
		cancel: cancel, wg: wg, settled: make(chan struct{}), started: cfg.Now(), wound: make(chan struct{}, 1),
	}
	if k.Join != nil {
		t.joint = &joint{table: t}
	}
	if cfg.Observer != nil && cfg.Observer.Observes(k) {
		t.observer = cfg.Observer
	}
	t.noStream.Store(k.Printed()) // a stream of tables does not say where its list ends
	namespaces := t.limits()
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	t.spawn(ctx, namespaces)
	if k.Turns() {
		t.wg.Go(func() { t.clock(ctx) })
	}
	return t
}

// limits are the namespaces that the credential is limited to, none for no limit.
func (t *table) limits() []string {
	if !t.kind.Namespaced {
		return nil
	}
	names := slices.DeleteFunc(slices.Clone(t.cfg.Namespaces(t.kind)), func(n string) bool { return n == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// spawn starts a feed for each of the namespaces.
func (t *table) spawn(ctx context.Context, namespaces []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ns := range namespaces {
		f := &feed{
			table: t, namespace: ns, wake: make(chan struct{}, 1), read: make(chan struct{}, 1),
			projector: projector{kind: t.kind, log: t.cfg.Log, now: t.cfg.Now}, fresh: Freshness{State: Loading},
		}
		t.feeds = append(t.feeds, f)
		t.unsettled++
		t.wg.Go(func() { f.run(ctx) })
	}
}

// split replaces the feed of all namespaces by one for each namespace that the
// credential may list, once the cluster has refused it the whole.
func (t *table) split(ctx context.Context, f *feed, err error) bool {
	if f.namespace != "" || !apierrors.IsForbidden(err) {
		return false
	}
	namespaces := t.limits()
	if len(namespaces) == 0 {
		return false
	}
	f.change(func(fresh *Freshness) { fresh.State, fresh.Since, fresh.Synced = Loading, f.contact, false }) // first, see failed
	f.forget()
	t.spawn(ctx, namespaces)
	t.mu.Lock()
	t.feeds = slices.DeleteFunc(t.feeds, func(other *feed) bool { return other == f })
	t.mu.Unlock()
	t.learned("")
	f.settle()
	return true
}

func (t *table) list() []*feed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.feeds)
}

// wait returns when every feed has read or failed once, after a time, or when
// ctx ends.
func (t *table) wait(ctx context.Context, d time.Duration) {
	select {
	case <-t.settled:
		return
	default:
	}
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.settled:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// freshness is that of the worst feed. A namespace that the credential may not
// list does not spoil the others; shown are the namespaces that it may.
func (t *table) freshness() (worst Freshness, shown []string) {
	var refused Freshness
	found := false
	for _, f := range t.list() {
		f.mu.Lock()
		fresh := f.fresh
		f.mu.Unlock()
		if fresh.State == Forbidden {
			refused = fresh
			continue
		}
		if f.namespace != "" {
			shown = append(shown, f.namespace)
		}
		switch {
		case !found:
			worst = fresh
		case fresh.State > worst.State, fresh.State == worst.State && fresh.State != Live && fresh.Since.Before(worst.Since):
			synced := worst.Synced && fresh.Synced
			worst = fresh
			worst.Synced = synced
		default:
			worst.Synced = worst.Synced && fresh.Synced
		}
		found = true
	}
	if !found {
		return refused, nil
	}
	return worst, shown
}

// now is the present time.
func (f *feed) now() time.Time { return f.table.cfg.Now() }

// live says that every change arrives.
func (f *feed) live() {
	f.change(func(fresh *Freshness) {
		if fresh.State != Live {
			*fresh = Freshness{State: Live, Since: f.now()}
		}
		fresh.Synced = true
	})
	f.settle()
}

// catchingUp says that a list which was live is being read again. One that is
// stale stays so until that has worked.
func (f *feed) catchingUp() {
	f.change(func(fresh *Freshness) {
		if fresh.State == Live {
			fresh.State, fresh.Since = CatchingUp, f.contact
		}
	})
}

// failed puts an error into the freshness.
func (f *feed) failed(err error) {
	switch {
	case apierrors.IsForbidden(err):
		// What the credential may no longer read is no longer shown. The state comes first: a list without rows that
		// says that it is complete would be taken at its word.
		f.set(Forbidden, f.table.cfg.Describe(err))
		f.forget()
	case apierrors.IsNotFound(err):
		f.set(Absent, f.table.cfg.Describe(err))
		f.forget()
	case errors.Is(err, errSilent):
		f.set(Stale, kinds.Message{ID: "freshness.silent"})
	case errors.Is(err, errShort):
		f.set(Stale, kinds.Message{ID: "freshness.short"})
	case expired(err):
		f.set(CatchingUp, kinds.Message{})
	default:
		f.set(Stale, f.table.cfg.Describe(err))
	}
	f.settle()
}

func (f *feed) set(s State, reason kinds.Message) {
	f.change(func(fresh *Freshness) {
		fresh.State, fresh.Since, fresh.Reason = s, f.contact, reason
		if s == Forbidden || s == Absent {
			fresh.Synced = false
		}
	})
}

// change changes the freshness and signals if that shows.
func (f *feed) change(edit func(*Freshness)) {
	f.mu.Lock()
	before := f.fresh
	edit(&f.fresh)
	shows := before.State != f.fresh.State || before.Synced != f.fresh.Synced ||
		before.Reason.ID != f.fresh.Reason.ID || before.Reason.Text != f.fresh.Reason.Text
	learned := before.Synced != f.fresh.Synced
	f.mu.Unlock()
	if learned {
		f.table.learned(f.namespace)
	}
	if shows {
		f.table.cfg.Notify(f.table.kind.ID())
	}
}

// forget removes all rows of the feed.
func (f *feed) forget() {
	f.round++
	f.sweep()
	f.reading = false
	if f.table.observer != nil {
		f.table.observer.Lost(f.table.kind, f.namespace)
	}
}

// settle counts the feed as having read or failed once.
func (f *feed) settle() {
	if f.isSettled {
		return
	}
	f.isSettled = true
	t := f.table
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsettled--
	if t.unsettled == 0 {
		close(t.settled)
	}
}

// about reports whether the permit is for reading this kind in this cluster. A
// permit for another kind would filter by the rules of that one.
func about(cluster string, permit access.Permit, k *kinds.Kind) bool {
	r := permit.Request()
	return r.Cluster == cluster && r.Group == k.GVR.Group && r.Resource == k.GVR.Resource && r.Subresource == ""
}
