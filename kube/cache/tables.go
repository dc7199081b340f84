package cache

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"tiga/access"
	"tiga/kube/kinds"
)

// Tables are the tables of one cluster. They start at first use and are
// released when nobody used them for a while. All methods are safe for use by
// many goroutines.
type Tables struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // the lifetime of what runs in the background
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	running  map[string]*table // by kind ID
	counters map[string]*counters
}

// New makes the tables of one cluster. They end with ctx or with Close.
func New(ctx context.Context, c Config) *Tables {
	ctx, stop := context.WithCancel(ctx)
	t := &Tables{
		cfg: c.withDefaults(), ctx: ctx, stop: stop,
		running: make(map[string]*table), counters: make(map[string]*counters),
	}
	t.wg.Go(t.janitor)
	return t
}

// use returns the table of a kind, starts it if need be, and counts the use.
func (t *Tables) use(k *kinds.Kind) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.start(k, t.cfg.Now())
}

// start is use with t.mu held. A table that another one speaks about uses that
// as well, so that it is not released before.
func (t *Tables) start(k *kinds.Kind, now time.Time) *table {
	id := k.ID()
	tab := t.running[id]
	if tab != nil && tab.kind != k { // the kind has become another: its columns or its version
		t.release(tab)
		tab = nil
	}
	if tab == nil {
		if t.counters[id] == nil {
			t.counters[id] = new(counters)
		}
		tab = newTable(t.ctx, &t.cfg, k, t.counters[id], &t.wg)
		t.running[id] = tab
	}
	tab.used = now
	if tab.joint != nil {
		var from *table
		if other, ok := t.cfg.Kind(k.Join.From); ok {
			from = t.start(other, now)
		}
		tab.joint.attach(from)
	}
	return tab
}

// release ends a table. t.mu is held.
func (t *Tables) release(tab *table) {
	tab.cancel()
	delete(t.running, tab.kind.ID())
	if tab.joint != nil {
		tab.joint.detach()
	}
	for _, j := range tab.heard() {
		j.attach(nil)
	}
}

// janitor releases the tables that nobody uses.
func (t *Tables) janitor() {
	tick := time.NewTicker(max(t.cfg.Idle/10, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-tick.C:
		}
		t.mu.Lock()
		now := t.cfg.Now()
		for _, tab := range t.running {
			if tab.observer == nil && now.Sub(tab.used) >= t.cfg.Idle {
				t.release(tab)
			}
		}
		t.mu.Unlock()
	}
}

// Query answers from memory. The first query of a kind starts its table and
// waits a moment for its list; then it answers with what is there, and
// Freshness says how much that is. The only errors are those of the permit,
// which must be for reading this kind in this cluster, and ctx's end.
func (t *Tables) Query(ctx context.Context, permit access.Permit, q Query) (Page, error) {
	if !about(t.cfg.Cluster, permit, q.Kind) {
		return Page{}, t.refused(q.Kind)
	}
	tab := t.use(q.Kind)
	fresh, _ := tab.freshness()
	patience := cmp.Or(q.Wait, t.cfg.Wait)
	if fresh.Synced {
		tab.counters.hits.Add(1)
	} else {
		tab.counters.misses.Add(1)
		tab.wait(ctx, patience)
	}
	tab.hear(ctx, patience)
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}

	page := Page{Size: q.Size, Page: max(q.Page, 1), NamespacesIgnored: !q.Kind.Namespaced && len(q.Namespaces) > 0}
	if page.Size <= 0 {
		page.Size = DefaultSize
	}
	page.Size = min(page.Size, maxSize)
	if q.All { // pointers into one moment of the table: cheap, however many
		page.Page, page.Size = 1, math.MaxInt32
	}
	var filter Filter
	filter, page.FilterError = ParseFilter(q.Kind, q.Text, t.cfg.Now())
	var by order
	by, page.Sort = orderOf(q.Kind, q.Sort)

	snap := tab.store.read(by)
	s := newScan(tab.store, snap, permit, &q, filter)
	var err error
	page.Rows, page.Total, page.Matched, err = s.run(ctx, (page.Page-1)*page.Size, page.Size)
	if err != nil {
		return Page{}, err
	}
	page.Pages = max((page.Matched+page.Size-1)/page.Size, 1)
	if page.Page > page.Pages { // rare: rows went away, or the URL was made up
		page.Page = page.Pages
		s = newScan(tab.store, snap, permit, &q, filter)
		if page.Rows, _, _, err = s.run(ctx, (page.Page-1)*page.Size, page.Size); err != nil {
			return Page{}, err
		}
	}
	page.Facets = s.facets(&q)
	page.Quarantined, page.Dropped = snap.poison, snap.droppedOf(permit, &q)
	if page.Quarantined > 0 && !permit.Whole() {
		page.Quarantined = s.poisoned()
	}
	page.Freshness, page.Namespaces = tab.freshness()
	return page, nil
}

func (t *Tables) refused(k *kinds.Kind) error {
	return fmt.Errorf("read %s in %s: permit is for something else: %w", k.ID(), t.cfg.Cluster, access.ErrForbidden)
}

// Row finds one row if the permit shows it.
func (t *Tables) Row(permit access.Permit, k *kinds.Kind, namespace, name string) (*kinds.Row, bool) {
	if !about(t.cfg.Cluster, permit, k) || !permit.Sees(namespace, name) {
		return nil, false
	}
	return t.use(k).store.find(namespace, name)
}

// Each calls yield for each row that the permit shows, ordered by namespace
// and name, until it returns false. It uses and keeps warm the kind's table,
// starts it if need be, and does not wait for it: Freshness says whether it is
// complete.
func (t *Tables) Each(permit access.Permit, k *kinds.Kind, yield func(*kinds.Row) bool) {
	if !about(t.cfg.Cluster, permit, k) {
		return
	}
	snap := t.use(k).store.read(order{column: byNamespace})
	sights := newSights(k, snap, permit)
	for _, chunk := range snap.chunks {
		for i := range chunk {
			if it := &chunk[i]; sights.shows(it) && !yield(&it.row) {
				return
			}
		}
	}
}

// Kept calls yield with what the kind's descriptor keeps of each object beyond
// its row. It needs no permit, because it gives no object to anybody: it is how
// the cluster itself learns which kinds there are. It neither starts a table nor
// keeps one.
func (t *Tables) Kept(k *kinds.Kind, yield func(kept any)) {
	t.mu.Lock()
	tab := t.running[k.ID()]
	t.mu.Unlock()
	if tab == nil {
		return
	}
	for _, chunk := range tab.store.read(order{column: byName}).chunks {
		for i := range chunk {
			if kept := chunk[i].row.Kept; kept != nil {
				yield(kept)
			}
		}
	}
}

// Drop releases the table of a kind now: the kind is gone, or has become
// another of the same name.
func (t *Tables) Drop(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tab := t.running[id]; tab != nil {
		t.release(tab)
	}
}

// Touch counts as a use of the kinds' tables and starts those that do not run.
func (t *Tables) Touch(ks ...*kinds.Kind) {
	for _, k := range ks {
		t.use(k)
	}
}

// Refresh reads the kind again from the API server and returns when that is
// done. Several callers share one reading.
func (t *Tables) Refresh(ctx context.Context, permit access.Permit, k *kinds.Kind) error {
	if !about(t.cfg.Cluster, permit, k) {
		return t.refused(k)
	}
	for _, f := range t.use(k).list() {
		select {
		case err := <-f.ask():
			if err != nil {
				return fmt.Errorf("refresh %s in %s: %w", k.ID(), t.cfg.Cluster, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
	}
	return nil
}

// Reread has the table of a kind read everything again, if it runs. It does not wait for that.
func (t *Tables) Reread(k *kinds.Kind) {
	if tab := t.peek(k); tab != nil {
		for _, f := range tab.list() {
			f.ask()
		}
	}
}

// Wake makes whatever waits to try again try now, for when the cluster is
// known to answer again or somebody presses retry.
func (t *Tables) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tab := range t.running {
		for _, f := range tab.list() {
			poke(f.wake)
		}
	}
}

// Freshness says how true the list of a kind is. It does not start a table.
func (t *Tables) Freshness(k *kinds.Kind) Freshness {
	t.mu.Lock()
	tab := t.running[k.ID()]
	t.mu.Unlock()
	if tab == nil {
		return Freshness{State: Loading}
	}
	fresh, _ := tab.freshness()
	return fresh
}

// Close ends every table and its goroutines, and returns when they are gone.
func (t *Tables) Close() {
	t.stop()
	t.wg.Wait()
}

// Stats are the figures of one kind. The counters run from the first use of
// the kind on, across releases of its table.
type Stats struct {
	Kind          string
	Running       bool
	State         State
	Rows          int
	Bytes         int64 // estimate of the memory of rows, index and orders
	Hits, Misses  int64 // queries answered from a complete table, and those that were not
	Relists       int64 // complete readings
	WatchRestarts int64 // watches opened
	Changes       int64 // rows added, changed or removed
	Quarantined   int   // objects that could not be read
}

// Stats returns figures of each kind that was ever used, for metrics.
func (t *Tables) Stats() []Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Stats, 0, len(t.counters))
	for id, c := range t.counters {
		s := Stats{
			Kind: id, State: Loading, Hits: c.hits.Load(), Misses: c.misses.Load(), Relists: c.relists.Load(),
			WatchRestarts: c.watches.Load(), Changes: c.changes.Load(),
		}
		if tab := t.running[id]; tab != nil {
			fresh, _ := tab.freshness()
			s.Running, s.State = true, fresh.State
			s.Rows, s.Bytes, s.Quarantined = tab.store.size()
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Stats) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}
