package cache

import (
	"maps"
	"slices"
	"sync"
	"time"
	"unsafe"

	"tiga/access"
	"tiga/kube/kinds"
)

const (
	// viewIdle is how long an order that nobody asks for is kept up to date.
	viewIdle = 2 * time.Minute
	// logSlack is the least number of changes kept for orders to catch up with.
	logSlack = 2048
	// indexSlot estimates the memory that an object takes in an index.
	indexSlot = 96
)

// change is one step from a generation to the next; either side may be nil.
type change struct {
	gen            uint64
	added, removed *entry
}

// dictionary numbers the values that facets count, so that counting costs an
// index and not a hash. It only grows; a table lives as long as somebody looks.
type dictionary struct {
	numbers map[string]uint32
	values  []string
}

func (d *dictionary) number(value string) uint32 {
	n, ok := d.numbers[value]
	if !ok {
		if d.numbers == nil {
			d.numbers = make(map[string]uint32)
		}
		n = uint32(len(d.values)) //nolint:gosec // bounded by the number of rows ever seen
		d.numbers[value] = n
		d.values = append(d.values, value)
	}
	return n
}

// facetOf says where the values of a facet come from.
type facetOf struct {
	id     string
	column int // or byNamespace
}

func facetsOf(k *kinds.Kind) []facetOf {
	var out []facetOf
	if k.Namespaced {
		out = append(out, facetOf{"namespace", byNamespace})
	}
	for _, id := range k.Facets {
		if i, ok := k.Column(id); ok && len(out) < maxFacets {
			out = append(out, facetOf{id, i})
		}
	}
	return out
}

func (f facetOf) value(r *kinds.Row) string {
	switch {
	case f.column == byNamespace:
		return r.Namespace
	case f.column < len(r.Cells):
		return r.Cells[f.column].Text
	default:
		return ""
	}
}

// store holds the rows of one kind and any number of orders over them. Writers
// add generations; readers take an immutable order of a generation and hold no
// lock while they filter and page.
type store struct {
	kind   *kinds.Kind
	facets []facetOf
	limit  int // rows held at most
	now    func() time.Time

	mu      sync.RWMutex
	rows    map[key]*entry
	gen     uint64
	log     []change // since floor
	floor   uint64   // changes up to this generation are forgotten
	dict    dictionary
	tallies map[string]*Tally // by namespace, "" for what has none
	bytes   int64
	poison  int
	dropped map[string]int // rows that the limit kept out since the last complete reading, by namespace
	views   map[order]*view

	projected map[key]*entry // of rows that are shown otherwise than their kind projects them, see joint
	indexes   []*index       // of those that other kinds ask about
	waiting   map[key]*entry // of rows whose status changes by time alone
}

func newStore(k *kinds.Kind, limit int, now func() time.Time) *store {
	return &store{
		kind: k, facets: facetsOf(k), limit: limit, now: now,
		rows: make(map[key]*entry), views: make(map[order]*view), tallies: make(map[string]*Tally),
		projected: make(map[key]*entry), dropped: map[string]int{}, waiting: make(map[key]*entry),
	}
}

// update is one row to put in, or to take out where entry is nil.
type update struct {
	key   key
	entry *entry
	keep  bool // the row is as it was, and was seen

	projected *entry // the row as the kind projects it, where entry is another
	again     bool   // the object is as it was, and was not seen; only the row is made anew
}

// apply makes one generation of the updates and reports how many rows changed.
func (s *store) apply(updates []update, round uint32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range updates {
		u := &updates[i]
		old := s.rows[u.key]
		switch {
		case u.keep:
			if old != nil {
				old.seen = round
			}
		case u.entry != nil:
			if old == nil && len(s.rows) >= s.limit {
				s.dropped[u.key.namespace]++
				continue
			}
			u.entry.seen = round
			if u.again {
				u.entry.seen = old.seen
			}
			s.replace(u.key, old, u.entry)
			if u.projected != nil {
				s.projected[key{u.entry.row.Namespace, u.entry.row.Name}] = u.projected
				s.bytes += int64(u.projected.size)
			}
			n++
		case old != nil:
			s.replace(u.key, old, nil)
			n++
		}
	}
	if n > 0 {
		s.gen++
	}
	return n
}

// replace takes one step to the generation after the present one. s.mu is held.
func (s *store) replace(k key, old, fresh *entry) {
	next := s.gen + 1
	if old != nil {
		old.gone.Store(next)
		s.bytes -= int64(old.size)
		s.tally(old, -1)
		if old.poison {
			s.poison--
		}
		if p := s.projected[k]; p != nil {
			s.bytes -= int64(p.size)
			delete(s.projected, k)
		}
		delete(s.waiting, k)
	}
	if fresh == nil {
		delete(s.rows, k)
	} else {
		fresh.born = next
		for i := range s.facets {
			fresh.facets[i] = s.dict.number(s.facets[i].value(&fresh.row))
		}
		s.bytes += int64(fresh.size)
		s.tally(fresh, 1)
		if fresh.poison {
			s.poison++
		}
		if old != nil {
			delete(s.rows, k) // the key has to share the memory of the new row, not of the old one
		}
		s.rows[key{fresh.row.Namespace, fresh.row.Name}] = fresh
		if fresh.row.Later != nil {
			s.waiting[key{fresh.row.Namespace, fresh.row.Name}] = fresh
		}
	}
	s.log = append(s.log, change{gen: next, added: fresh, removed: old})
	for _, ix := range s.indexes {
		ix.step(old, fresh)
	}
}

// begin counts afresh what the limit keeps out.
func (s *store) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.dropped)
}

// sweep removes what the complete reading of a namespace, or of all for "",
// did not see.
func (s *store) sweep(namespace string, round uint32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k, e := range s.rows {
		if (namespace == "" || k.namespace == namespace) && e.seen != round {
			s.replace(k, e, nil)
			n++
		}
	}
	if n > 0 {
		s.gen++
	}
	return n
}

// versions returns the resource version of each of the keys that is there, in
// their order.
func (s *store) versions(keys []key) []string {
	out := make([]string, len(keys))
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, k := range keys {
		if e := s.rows[k]; e != nil {
			out[i] = e.row.ResourceVersion
		}
	}
	return out
}

func (s *store) find(namespace, name string) (*kinds.Row, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.rows[key{namespace, name}]
	if !ok {
		return nil, false
	}
	return &e.row, true
}

// view is one order of a store, kept for those who ask for it again.
type view struct {
	order order

	mu     sync.Mutex // held while catching up, so that readers share the work
	built  bool
	gen    uint64
	chunks [][]item // none of them empty; replaced, never changed

	used time.Time // guarded by store.mu
}

// snapshot is what a reader sees: one order of one generation.
type snapshot struct {
	chunks [][]item
	values []string // of the dictionary
	poison int      // rows that stand for objects that could not be read

	dropped map[string]int // objects beyond the limit, by namespace
}

// droppedOf is how many of the objects beyond the limit a page would have: their names are not kept, so those of a
// namespace of which the permit shows only some do not count.
func (s *snapshot) droppedOf(permit access.Permit, q *Query) (n int) {
	for namespace, dropped := range s.dropped {
		if q.Kind.Namespaced && len(q.Namespaces) > 0 && !slices.Contains(q.Namespaces, namespace) {
			continue
		}
		if permit.Reach(namespace) == access.ReachAll {
			n += dropped
		}
	}
	return n
}

// read returns the rows in an order, as of now.
func (s *store) read(o order) snapshot {
	s.mu.Lock()
	v := s.views[o]
	if v == nil {
		v = &view{order: o}
		s.views[o] = v
	}
	v.used = s.now()
	s.mu.Unlock()
	return s.catchUp(v)
}

// catchUp brings a view to the present generation.
func (s *store) catchUp(v *view) snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.mu.RLock()
	gen := s.gen
	snap := snapshot{values: s.dict.values, poison: s.poison, dropped: maps.Clone(s.dropped)}
	if v.built && v.gen == gen {
		s.mu.RUnlock()
		snap.chunks = v.chunks
		return snap
	}
	follow := v.built && v.gen >= s.floor
	var changes []change
	if follow {
		from, _ := slices.BinarySearchFunc(s.log, v.gen+1, func(c change, gen uint64) int {
			if c.gen < gen {
				return -1
			}
			return 1
		})
		changes = s.log[from:len(s.log):len(s.log)]
	}
	var all []*entry
	if !follow {
		all = s.entries()
	}
	s.mu.RUnlock()

	if follow {
		var removed, added []*entry
		for i := range changes {
			if c := &changes[i]; c.removed != nil && c.removed.born <= v.gen {
				removed = append(removed, c.removed)
			}
			if c := &changes[i]; c.added != nil && c.added.at(gen) {
				added = append(added, c.added)
			}
		}
		if chunks, ok := v.order.merge(s.kind, v.chunks, removed, added); ok {
			v.chunks, v.gen = chunks, gen
			snap.chunks = chunks
			return snap
		}
		s.mu.RLock()
		gen, all = s.gen, s.entries()
		snap.values, snap.poison, snap.dropped = s.dict.values, s.poison, maps.Clone(s.dropped)
		s.mu.RUnlock()
	}
	v.chunks, v.gen, v.built = v.order.sort(s.kind, all), gen, true
	snap.chunks = v.chunks
	return snap
}

// entries lists the rows as they come. s.mu is held for reading.
func (s *store) entries() []*entry {
	all := make([]*entry, 0, len(s.rows))
	for _, e := range s.rows {
		all = append(all, e)
	}
	return all
}

// maintain bounds the memory of past generations: orders in use catch up,
// others are dropped, and the changes behind them are forgotten. Writers call it
// after they applied a batch.
func (s *store) maintain() {
	s.mu.Lock()
	if len(s.log) <= max(logSlack, len(s.rows)/32) {
		s.mu.Unlock()
		return
	}
	var inUse []*view
	for o, v := range s.views {
		if s.now().Sub(v.used) > viewIdle {
			delete(s.views, o)
			continue
		}
		inUse = append(inUse, v)
	}
	floor := s.gen
	s.mu.Unlock()

	for _, v := range inUse {
		s.catchUp(v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from, _ := slices.BinarySearchFunc(s.log, floor+1, func(c change, gen uint64) int {
		if c.gen < gen {
			return -1
		}
		return 1
	})
	s.log = slices.Clone(s.log[from:])
	s.floor = max(s.floor, floor)
}

// size is the number of rows, an estimate of the memory they take with
// everything around them, and the number of those that could not be read.
func (s *store) size() (rows int, bytes int64, poison int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	bytes = s.bytes + int64(len(s.log))*24 + int64(len(s.views)*len(s.rows))*int64(unsafe.Sizeof(item{}))
	for _, ix := range s.indexes {
		bytes += int64(len(ix.entries)) * indexSlot
	}
	return len(s.rows), bytes, s.poison
}
