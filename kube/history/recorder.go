// Package history records what changes in one cluster: it sees the objects of some kinds as the lists read them, holds
// what was last written in each, packed, and tells of every difference with who made it. It does so beside the reading,
// which never waits for it while changes arrive; what it cannot keep up with is counted and said.
package history

import (
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// Verb says what became of an object.
type Verb string

// The verbs.
const (
	Created Verb = "create"
	Updated Verb = "update"
	Deleted Verb = "delete"
	// Missed is no change but a gap: changes of the kind came faster than they could be recorded.
	Missed Verb = "missed"
)

// Change is one change of an object.
type Change struct {
	Kind                          *kinds.Kind
	Namespace, Name, UID, Version string
	Verb                          Verb
	// At is when it was seen. After is set where nobody looked when it happened: it was after that and before At.
	At, After time.Time
	// Manager is who the cluster says it was; empty where it does not, such as for a deletion.
	Manager string
	Entries []diff.Entry
	// Count is how many changes were missed.
	Count int
}

// Event says how an object came to be seen.
type Event uint8

// The events.
const (
	Listed Event = iota // part of a complete reading
	Added
	Modified
	Removed
)

// Config says what a Recorder does with what it sees.
type Config struct {
	// Keep is told of changes, several at a time, from one goroutine. While it does not return nothing is compared.
	// What it returns an error for is tried again a few times and then counted as missed.
	Keep func([]Change) error
	// Again asks for a complete reading of a kind, of which changes were missed. It must not block.
	Again func(*kinds.Kind)
	Log   *slog.Logger
	Now   func() time.Time
	// Queue is how many objects may wait; 4096 if 0.
	Queue int
	// MaxObjects is of how many objects the state is held; 200,000 if 0. Of others nothing is recorded.
	MaxObjects int
	// Retry is the pause before Keep is tried again; 2 s if 0.
	Retry time.Duration
}

const (
	keepTries = 30 // about a minute: a store that is started anew is back by then
	// batch is how many changes are kept together at most.
	batch = 64
	// idle is how long nothing has to happen until the memory that packing needs is freed.
	idle = 30 * time.Second
)

// Recorder records the changes of one cluster. All methods may be called from any goroutine.
type Recorder struct {
	cfg   Config
	queue chan item
	done  chan struct{} // closed by Close
	ended chan struct{} // closed when the goroutine is gone
	close sync.Once

	mu    sync.Mutex
	lost  map[string]*gap // by kind ID, what was not taken
	stats Stats
	since map[string]time.Time

	// The rest belongs to the goroutine.
	kinds   map[string]*kindState
	pending []Change
	warm    warm
}

// gap is what was missed of one kind.
type gap struct {
	kind  *kinds.Kind
	from  time.Time
	count int
}

// Stats are the figures of a Recorder.
type Stats struct {
	Objects int
	// Bytes is the memory of their states with everything around them, as an estimate.
	Bytes int64
	// Missed is how many changes could not be recorded, Refused of how many objects there was no room for the state.
	Missed, Refused int64
}

// New makes a Recorder that runs until it is closed.
func New(c Config) *Recorder {
	if c.Queue <= 0 {
		c.Queue = 4096
	}
	if c.MaxObjects <= 0 {
		c.MaxObjects = 200_000
	}
	if c.Retry <= 0 {
		c.Retry = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Again == nil {
		c.Again = func(*kinds.Kind) {}
	}
	r := &Recorder{
		cfg: c, queue: make(chan item, c.Queue), done: make(chan struct{}), ended: make(chan struct{}),
		lost: map[string]*gap{}, since: map[string]time.Time{}, kinds: map[string]*kindState{},
	}
	go r.run()
	return r
}

// Close ends the recorder and returns when it is gone. What waits is forgotten.
func (r *Recorder) Close() {
	r.close.Do(func() { close(r.done) })
	<-r.ended
}

// Stats returns the figures.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Since says since when every change of a kind is recorded; ok is false while its first list is being read, and for a kind
// that is not recorded.
func (r *Recorder) Since(kindID string) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.since[kindID]
	return at, ok
}

// Observes reports whether changes of a kind are recorded.
func (r *Recorder) Observes(k *kinds.Kind) bool { return k.Recorded() }

type itemOp uint8

const (
	opSee itemOp = iota
	opBegin
	opEnd
	opLost
)

type item struct {
	op        itemOp
	kind      *kinds.Kind
	namespace string
	at        time.Time
	event     Event
	object    runtime.Object
}

// Begin says that a complete reading of a kind begins, in one namespace or in all for "". contact is when the cluster was
// last heard from about it.
func (r *Recorder) Begin(k *kinds.Kind, namespace string, contact time.Time) {
	r.put(item{op: opBegin, kind: k, namespace: namespace, at: contact})
}

// End says that a complete reading has ended: what it did not have is gone.
func (r *Recorder) End(k *kinds.Kind, namespace string) {
	r.put(item{op: opEnd, kind: k, namespace: namespace, at: r.cfg.Now()})
}

// Lost says that a kind can no longer be read.
func (r *Recorder) Lost(k *kinds.Kind, namespace string) {
	r.put(item{op: opLost, kind: k, namespace: namespace, at: r.cfg.Now()})
}

// See takes an object. A complete reading waits until there is room for it; a change does not, and is counted as missed
// where there is none.
func (r *Recorder) See(k *kinds.Kind, namespace string, obj runtime.Object, event Event) {
	it := item{op: opSee, kind: k, namespace: namespace, at: r.cfg.Now(), event: event, object: obj}
	if event == Listed {
		r.put(it)
		return
	}
	select {
	case r.queue <- it:
	default:
		r.miss(k, 1, it.at)
	}
}

func (r *Recorder) put(it item) {
	select {
	case r.queue <- it:
	case <-r.done:
	}
}

// miss counts changes that will not be recorded.
func (r *Recorder) miss(k *kinds.Kind, n int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Missed += int64(n)
	g := r.lost[k.ID()]
	if g == nil {
		g = &gap{kind: k, from: at}
		r.lost[k.ID()] = g
	}
	g.count += n
}

func (r *Recorder) run() {
	defer close(r.ended)
	rest := time.NewTicker(idle)
	defer rest.Stop()
	busy := false
	for {
		select {
		case <-r.done:
			return
		case <-rest.C:
			if !busy {
				r.warm.cool()
			}
			busy = false
			continue
		case it := <-r.queue:
			busy = true
			r.protect(it)
		}
		if len(r.pending) >= batch || len(r.queue) == 0 {
			r.gaps()
			r.flush()
		}
	}
}

// protect takes an item. One that breaks the rules of its kind must not take the process with it.
func (r *Recorder) protect(it item) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Log.Error("recording a change panicked", "kind", it.kind.ID(), "panic", p)
		}
	}()
	r.take(it)
}

// gaps tells what was missed, and has the kinds read again, so that what is held becomes true.
func (r *Recorder) gaps() {
	r.mu.Lock()
	lost := r.lost
	if len(lost) > 0 {
		r.lost = map[string]*gap{}
	}
	r.mu.Unlock()
	for id, g := range lost {
		at := r.cfg.Now()
		r.pending = append(r.pending, Change{
			Kind: g.kind, UID: "missed:" + id, Version: at.UTC().Format(time.RFC3339Nano), Verb: Missed, At: at, After: g.from, Count: g.count,
		})
		if st := r.kinds[id]; st != nil {
			st.behind(g.from)
		}
		r.cfg.Again(g.kind)
	}
}

// flush hands over what has changed.
func (r *Recorder) flush() {
	if len(r.pending) == 0 {
		return
	}
	changes := r.pending
	r.pending = nil
	var err error
	for range keepTries {
		if err = r.cfg.Keep(changes); err == nil {
			return
		}
		timer := time.NewTimer(r.cfg.Retry)
		select {
		case <-r.done:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	r.cfg.Log.Error("changes could not be kept", "count", len(changes), "error", err)
	for i := range changes {
		if c := &changes[i]; c.Verb != Missed {
			r.miss(c.Kind, 1, c.At)
		}
	}
}

func (r *Recorder) tell(c Change) { r.pending = append(r.pending, c) }

// take applies one item.
func (r *Recorder) take(it item) {
	id := it.kind.ID()
	st := r.kinds[id]
	if st != nil && st.kind.GVR != it.kind.GVR { // read at another version: its fields may be others
		r.drop(st, "")
		st = nil
	}
	if st == nil {
		st = newKindState(it.kind, &r.warm)
		r.kinds[id] = st
	}
	switch it.op {
	case opBegin:
		st.begin(it.namespace, it.at)
	case opSee:
		r.see(st, it)
	case opEnd:
		r.end(st, it)
	case opLost:
		r.drop(st, it.namespace)
	}
}

func (r *Recorder) count(objects int, bytes int64, refused int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Objects += objects
	r.stats.Bytes += bytes
	r.stats.Refused += refused
}

func (r *Recorder) recording(kindID string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since.IsZero() {
		delete(r.since, kindID)
		return
	}
	r.since[kindID] = since
}

// accessor is an object's metadata; nil for what is no object.
func accessor(obj runtime.Object) metav1.Object {
	m, ok := obj.(metav1.Object)
	if !ok || m.GetName() == "" {
		return nil
	}
	return m
}
