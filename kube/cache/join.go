package cache

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tiga/kube/kinds"
)

// index finds the rows of a store by the object of another kind that they are
// about. It belongs to its store and is guarded by its lock.
type index struct {
	key     func(*kinds.Row) (namespace, name string)
	entries map[key][]*entry
	touched map[key]struct{} // what has changed since somebody asked
}

// step follows one step of the store.
func (ix *index) step(old, fresh *entry) {
	if k, ok := ix.of(old); ok {
		left := slices.DeleteFunc(ix.entries[k], func(e *entry) bool { return e == old })
		if ix.entries[k] = left; len(left) == 0 {
			delete(ix.entries, k)
		}
		ix.touched[k] = struct{}{}
	}
	if k, ok := ix.of(fresh); ok {
		ix.entries[k] = append(ix.entries[k], fresh)
		ix.touched[k] = struct{}{}
	}
}

func (ix *index) of(e *entry) (key, bool) {
	if e == nil {
		return key{}, false
	}
	namespace, name := ix.key(&e.row)
	return key{namespace, name}, name != ""
}

// index begins to keep an index.
func (s *store) index(by func(*kinds.Row) (namespace, name string)) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := &index{key: by, entries: make(map[key][]*entry), touched: make(map[key]struct{})}
	for _, e := range s.rows {
		ix.step(nil, e)
	}
	s.indexes = append(s.indexes, ix)
	return ix
}

// unindex ends the keeping of an index.
func (s *store) unindex(ix *index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes = slices.DeleteFunc(s.indexes, func(other *index) bool { return other == ix })
}

// touched are the objects about which something has changed since the last call.
func (s *store) touched(ix *index) []key {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(ix.touched) == 0 {
		return nil
	}
	keys := make([]key, 0, len(ix.touched))
	for k := range ix.touched {
		keys = append(keys, k)
	}
	clear(ix.touched)
	return keys
}

// about lists the rows about an object.
func (s *store) about(ix *index, k key) []*kinds.Row {
	s.mu.RLock()
	defer s.mu.RUnlock()
	rows := make([]*kinds.Row, len(ix.entries[k]))
	for i, e := range ix.entries[k] {
		rows[i] = &e.row
	}
	return rows
}

// keys lists the objects of a namespace, or all for "".
func (s *store) keys(namespace string) []key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []key
	for k := range s.rows {
		if namespace == "" || k.namespace == namespace {
			out = append(out, k)
		}
	}
	return out
}

// present is the row that stands for an object, and the row as it was projected
// where that is another.
func (s *store) present(k key) (shown, projected *entry) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rows[k], s.projected[k]
}

// joint makes the rows of a table of a kind with a Join: those that the kind
// projects, as the rows of another table amend them.
type joint struct {
	table *table
	from  atomic.Pointer[speaker] // nil while there is no other table

	// mu is held while the rows of the table are made and put in, whatever makes them anew, so that none is made of
	// what was before and put in over what was made of what is now. It comes before the locks of both stores.
	mu sync.Mutex
}

// speaker is the other table of a joint.
type speaker struct {
	*table
	index *index
}

// attach makes another table the one that speaks about the rows; nil is none.
// Tables.mu is held, here and in detach.
func (j *joint) attach(from *table) {
	old := j.from.Load()
	switch {
	case old == nil && from == nil, old != nil && old.table == from:
		return
	}
	j.detach()
	if from != nil {
		j.from.Store(&speaker{from, from.store.index(j.table.kind.Join.Key)})
		from.mu.Lock()
		from.listeners = append(from.listeners, j)
		from.mu.Unlock()
	}
	j.remake(everything)
}

// detach leaves the rows as they are.
func (j *joint) detach() {
	old := j.from.Swap(nil)
	if old == nil {
		return
	}
	old.mu.Lock()
	old.listeners = slices.DeleteFunc(old.listeners, func(other *joint) bool { return other == j })
	old.mu.Unlock()
	old.store.unindex(old.index)
}

// hear waits a moment for the table that speaks about the rows, while it has
// only just been started: rows without what it says are better than none.
func (t *table) hear(ctx context.Context, d time.Duration) {
	if t.joint == nil {
		return
	}
	if from := t.joint.from.Load(); from != nil {
		from.wait(ctx, d-t.cfg.Now().Sub(from.started))
	}
}

// knows reports whether all rows about the objects of a namespace are there, or
// about those that have none for "".
func (t *table) knows(namespace string) bool {
	known := false
	for _, f := range t.list() {
		if namespace != "" && f.namespace != "" && f.namespace != namespace {
			continue
		}
		f.mu.Lock()
		synced := f.fresh.Synced
		f.mu.Unlock()
		if !synced {
			return false
		}
		known = true
	}
	return known
}

// amended is an entry as the other table has it; the same entry where that says
// nothing. What is not known of the other table is not taken for nothing: its
// rows count only while it is complete, before and after they were read.
func (j *joint) amended(e *entry) *entry {
	from := j.from.Load()
	if from == nil || !from.knows(e.row.Namespace) {
		return e
	}
	rows := from.store.about(from.index, key{e.row.Namespace, e.row.Name})
	if !from.knows(e.row.Namespace) {
		return e
	}
	row := j.table.kind.Amend(e.row, rows)
	if reflect.DeepEqual(row, e.row) {
		return e
	}
	return entryOf(j.table.kind, row)
}

// apply makes one generation of the updates, which are as the kind projects
// them, and reports how many rows changed.
func (t *table) apply(updates []update, round uint32) int {
	j := t.joint
	if j == nil {
		return t.store.apply(updates, round)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range updates {
		u := &updates[i]
		if u.entry == nil {
			continue
		}
		if amended := j.amended(u.entry); amended != u.entry {
			u.entry, u.projected = amended, u.entry
		}
	}
	return t.store.apply(updates, round)
}

// sweep removes the rows of a namespace, or of all for "", that a complete
// reading did not see.
func (t *table) sweep(namespace string, round uint32) int {
	if t.joint != nil {
		t.joint.mu.Lock()
		defer t.joint.mu.Unlock()
	}
	return t.store.sweep(namespace, round)
}

// applied tells of rows that have changed.
func (t *table) applied(changes int) {
	if changes == 0 {
		return
	}
	t.counters.changes.Add(int64(changes))
	t.store.maintain()
	if t.kind.Turns() {
		poke(t.wound)
	}
	t.told()
	t.cfg.Notify(t.kind.ID())
}

// everything chooses all rows, and in those of a namespace.
func everything(s *store) []key { return s.keys("") }

func in(namespace string) func(*store) []key {
	return func(s *store) []key { return s.keys(namespace) }
}

// remake makes one generation of those of the chosen rows that the other table
// now has differently.
func (j *joint) remake(choose func(*store) []key) { j.table.applied(j.again(choose)) }

func (j *joint) again(choose func(*store) []key) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var updates []update
	for _, k := range choose(j.table.store) {
		shown, projected := j.table.store.present(k)
		if shown == nil {
			continue
		}
		if projected == nil {
			projected = shown
		}
		u := update{key: k, entry: j.amended(projected), again: true}
		if reflect.DeepEqual(u.entry.row, shown.row) {
			continue
		}
		if u.entry == projected { // an entry is in the table once
			u.entry = entryOf(j.table.kind, projected.row)
		} else {
			u.projected = projected
		}
		updates = append(updates, u)
	}
	return j.table.store.apply(updates, 0)
}

// told lets the tables that this one speaks about make rows anew: those that it
// has changed.
func (t *table) told() {
	for _, j := range t.heard() {
		if from := j.from.Load(); from != nil && from.table == t {
			if keys := t.store.touched(from.index); len(keys) > 0 {
				j.remake(func(*store) []key { return keys })
			}
		}
	}
}

// learned lets the tables that this one speaks about make the rows of a
// namespace anew, of all for "": more or less of it is known than before.
func (t *table) learned(namespace string) {
	for _, j := range t.heard() {
		if !t.kind.Namespaced || !j.table.kind.Namespaced {
			namespace = ""
		}
		j.remake(in(namespace))
	}
}

func (t *table) heard() []*joint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.listeners)
}

// Amend is the row of a whole object, which was read by itself, as the list has
// it: with what time and the lists in memory of other kinds say of it. It keeps them
// warm, starts them if need be, and does not wait for them. It needs no permit
// beyond that by which the object was read, see kinds.Join.
func (t *Tables) Amend(k *kinds.Kind, row kinds.Row) kinds.Row {
	if k.Join == nil {
		return k.Turn(row, t.cfg.Now())
	}
	j := t.use(k).joint
	return j.amended(&entry{row: row}).row
}
