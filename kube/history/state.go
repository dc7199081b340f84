package history

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// key finds an object within its kind.
type key struct{ namespace, name string }

// held is what is kept of one object.
type held struct {
	uid, version string
	sum          uint64 // of the state, to see at a glance that nothing has changed
	state        packed
	managers     []uint64
	seen         uint32 // the last complete reading that had it
}

// size is the memory of a held object, as an estimate.
func (h *held) size(k key) int64 {
	const slot = 56 // of a map: key, pointer and share of the free space
	return int64(unsafe.Sizeof(*h)) + slot + int64(len(h.uid)+len(h.version)+len(h.state.data)+8*cap(h.managers)+len(k.namespace)+len(k.name))
}

// kindState is what is held of one kind. It belongs to the recorder's goroutine.
type kindState struct {
	kind    *kinds.Kind
	objects map[key]*held
	plain   []key // whose states wait for the dictionary
	codec   codec
	round   uint32
	feeds   map[string]*feed // by namespace, "" for all
	late    time.Time        // since when what is held may be behind; zero if it is not
}

// feed is one reader of the kind, of a namespace or of all.
type feed struct {
	round    uint32
	reading  bool
	complete bool      // a complete reading has ended once
	from     time.Time // the last contact before the reading that is under way
}

func newKindState(k *kinds.Kind, w *warm) *kindState {
	return &kindState{kind: k, objects: map[key]*held{}, feeds: map[string]*feed{}, codec: codec{warm: w}}
}

func (st *kindState) feed(namespace string) *feed {
	f := st.feeds[namespace]
	if f == nil {
		f = &feed{}
		st.feeds[namespace] = f
	}
	return f
}

func (st *kindState) begin(namespace string, contact time.Time) {
	f := st.feed(namespace)
	st.round++
	f.round, f.reading = st.round, true
	if !contact.IsZero() {
		f.from = contact
	}
}

// behind says that changes since a moment were not seen.
func (st *kindState) behind(from time.Time) {
	if st.late.IsZero() || from.Before(st.late) {
		st.late = from
	}
}

// end ends a complete reading: what it did not have is gone.
func (r *Recorder) end(st *kindState, it item) {
	f := st.feed(it.namespace)
	if !f.reading {
		return
	}
	f.reading = false
	for k, h := range st.objects {
		if h.seen == f.round || it.namespace != "" && k.namespace != it.namespace {
			continue
		}
		if f.complete {
			r.gone(st, k, h, it.at, st.gapStart(f))
		}
		r.forget(st, k)
	}
	if !f.complete {
		f.complete = true
		if st.complete() {
			r.recording(st.kind.ID(), it.at)
		}
	}
	st.late = time.Time{}
}

// complete reports whether all that can be read of the kind has been.
func (st *kindState) complete() bool {
	for _, f := range st.feeds {
		if !f.complete {
			return false
		}
	}
	return true
}

// gapStart is since when nobody has looked.
func (st *kindState) gapStart(f *feed) time.Time {
	if !st.late.IsZero() && st.late.Before(f.from) {
		return st.late
	}
	return f.from
}

// gone tells of a deletion. Who did it the cluster does not say.
func (r *Recorder) gone(st *kindState, k key, h *held, at, after time.Time) {
	before, err := st.codec.unpack(h.state)
	if err != nil {
		r.cfg.Log.Error("state of a deleted object is lost", "kind", st.kind.ID(), "error", err)
	}
	r.tell(Change{
		Kind: st.kind, Namespace: k.namespace, Name: k.name, UID: h.uid, Version: h.version, Verb: Deleted, At: at, After: after,
		Entries: differ(before, nil),
	})
}

func (r *Recorder) forget(st *kindState, k key) {
	if h := st.objects[k]; h != nil {
		r.count(-1, -h.size(k), 0)
		delete(st.objects, k)
	}
}

// drop forgets a kind, or what it has in a namespace: it can no longer be read, and nobody knows what becomes of it.
func (r *Recorder) drop(st *kindState, namespace string) {
	for k := range st.objects {
		if namespace == "" || k.namespace == namespace {
			r.forget(st, k)
		}
	}
	if namespace != "" {
		delete(st.feeds, namespace)
	} else {
		delete(r.kinds, st.kind.ID())
	}
	if namespace == "" || len(st.feeds) == 0 {
		r.recording(st.kind.ID(), time.Time{})
	}
}

// see compares an object with what is held of it.
func (r *Recorder) see(st *kindState, it item) {
	m := accessor(it.object)
	if m == nil {
		return
	}
	k, f := key{m.GetNamespace(), m.GetName()}, st.feed(it.namespace)
	h := st.objects[k]
	if h != nil {
		h.seen = f.round
	}
	if it.event == Removed {
		if h != nil {
			r.gone(st, k, h, it.at, time.Time{})
			r.forget(st, k)
		}
		return
	}
	if h != nil && h.uid == string(m.GetUID()) && h.version == m.GetResourceVersion() {
		return
	}
	tree, err := written(st.kind, it.object)
	if err != nil {
		r.cfg.Log.Error("object cannot be recorded", "error", err)
		return
	}
	after := st.late // zero: the moment is known
	if it.event == Listed {
		after = st.gapStart(f)
	}
	switch {
	case h == nil:
		r.appeared(st, f, it, m, tree, after)
	case h.uid != string(m.GetUID()):
		r.gone(st, k, h, it.at, after)
		r.forget(st, k)
		if it.event == Modified {
			it.event = Added // of this one nobody has seen the beginning
		}
		r.appeared(st, f, it, m, tree, after)
	default:
		r.changed(st, k, h, it, m, tree, after)
	}
}

// appeared holds an object that was not there before, and tells of it where it was made since.
func (r *Recorder) appeared(st *kindState, f *feed, it item, m metav1.Object, tree map[string]any, after time.Time) {
	if !r.hold(st, f, m, tree) || !f.complete {
		return
	}
	made := m.GetCreationTimestamp().Time
	at := it.at
	switch {
	case it.event == Added:
		after = time.Time{}
	case !made.IsZero() && !made.Before(after.Truncate(time.Second)) && it.event == Listed:
		at, after = made, time.Time{} // the cluster says when
	case it.event == Modified:
		return // it was there before, and there was no room for it
	}
	manager, _ := managerOf(nil, m.GetManagedFields())
	r.tell(Change{
		Kind: st.kind, Namespace: m.GetNamespace(), Name: m.GetName(), UID: string(m.GetUID()), Version: m.GetResourceVersion(), Verb: Created,
		At: at, After: after, Manager: manager, Entries: differ(nil, tree),
	})
}

// changed tells what differs in an object, and holds it as it is now.
func (r *Recorder) changed(st *kindState, k key, h *held, it item, m metav1.Object, tree map[string]any, after time.Time) {
	state, err := json.Marshal(tree)
	if err != nil {
		r.cfg.Log.Error("object cannot be recorded", "kind", st.kind.ID(), "error", err)
		return
	}
	sum, fields := hashOf(state), m.GetManagedFields()
	manager, index := managerOf(h.managers, fields)
	var entries []diff.Entry
	if sum != h.sum {
		before, err := st.codec.unpack(h.state)
		if err != nil {
			r.cfg.Log.Error("state of an object is lost", "kind", st.kind.ID(), "error", err)
		} else {
			entries = differ(before, tree)
		}
	} else if st.kind.Printed() {
		entries = unseen(h.managers, fields, index)
	}
	before := h.size(k)
	h.version, h.managers = m.GetResourceVersion(), marksOf(fields)
	if sum != h.sum {
		h.sum = sum
		if p, err := st.codec.pack(state); err == nil {
			if p.plain && !h.state.plain {
				st.plain = append(st.plain, k)
			}
			h.state = p
		}
	}
	r.count(0, h.size(k)-before, 0)
	if len(entries) == 0 {
		return
	}
	r.tell(Change{
		Kind: st.kind, Namespace: k.namespace, Name: k.name, UID: h.uid, Version: h.version, Verb: Updated, At: it.at, After: after,
		Manager: manager, Entries: entries,
	})
}

// unseen is what can be said of a Secret of which nothing that is read has changed: its values may have, in the keys of
// whoever wrote it.
func unseen(before []uint64, fields []metav1.ManagedFieldsEntry, index int) []diff.Entry {
	if index < 0 || slices.Contains(before, markOf(&fields[index])) {
		return nil
	}
	keys := keysOf(&fields[index], "data")
	if len(keys) == 0 {
		return nil
	}
	path := "data"
	if len(keys) == 1 {
		for name := range keys {
			if path += "." + name; strings.ContainsAny(name, ".[]\" ") {
				path = "data[" + name + "]"
			}
		}
	}
	return []diff.Entry{{Op: diff.Changed, Path: path, Before: hidden, After: hiddenChanged}}
}

// hold keeps the state of an object that was not held. It reports whether there was room.
func (r *Recorder) hold(st *kindState, f *feed, m metav1.Object, tree map[string]any) bool {
	if r.Stats().Objects >= r.cfg.MaxObjects {
		r.count(0, 0, 1)
		return false
	}
	state, err := json.Marshal(tree)
	if err != nil {
		r.cfg.Log.Error("object cannot be recorded", "kind", st.kind.ID(), "error", err)
		return false
	}
	full := st.codec.learn(state)
	p, err := st.codec.pack(state)
	if err != nil {
		r.cfg.Log.Error("object cannot be recorded", "kind", st.kind.ID(), "error", err)
		return false
	}
	k := key{strings.Clone(m.GetNamespace()), strings.Clone(m.GetName())}
	h := &held{
		uid: strings.Clone(string(m.GetUID())), version: strings.Clone(m.GetResourceVersion()), sum: hashOf(state), state: p,
		managers: marksOf(m.GetManagedFields()), seen: f.round,
	}
	st.objects[k] = h
	if p.plain {
		st.plain = append(st.plain, k)
	}
	r.count(1, h.size(k), 0)
	if full {
		r.repack(st)
	}
	return true
}

// repack packs the states that came before the dictionary.
func (r *Recorder) repack(st *kindState) {
	r.count(0, dictionarySize, 0)
	for _, k := range st.plain {
		h := st.objects[k]
		if h == nil || !h.state.plain {
			continue
		}
		if p, err := st.codec.pack(h.state.data); err == nil {
			before := h.size(k)
			h.state = p
			r.count(0, h.size(k)-before, 0)
		}
	}
	st.plain = nil
}
