package cache

import (
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/history"
	"tiga/kube/kinds"
)

const (
	// panicLimit is how often an object may break its projection before it is
	// no longer tried.
	panicLimit = 3
	// panicsKept bounds the memory of the broken ones.
	panicsKept = 4096
)

// projector makes rows of objects. It survives objects that break the rules of
// their kind: their rows say so. It belongs to one goroutine.
type projector struct {
	kind    *kinds.Kind
	log     *slog.Logger
	now     func() time.Time
	strings interner
	panics  map[key]int
}

// entry makes the entry of an object; nil for something that is not even an
// object.
func (p *projector) entry(k key, obj runtime.Object) *entry {
	if p.panics[k] < panicLimit {
		if e, ok := p.try(k, obj, p.kind.Project); ok {
			delete(p.panics, k)
			return e
		}
	}
	e, _ := p.try(k, obj, p.kind.Placeholder)
	if e != nil {
		e.poison = true
	}
	return e
}

func (p *projector) try(k key, obj runtime.Object, project func(runtime.Object) kinds.Row) (e *entry, ok bool) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		e, ok = nil, false
		if p.panics == nil || len(p.panics) >= panicsKept {
			p.panics = make(map[key]int)
		}
		p.panics[k]++
		if p.panics[k] == 1 || p.panics[k] == panicLimit {
			p.log.Warn("object could not be read", "kind", p.kind.ID(), "namespace", k.namespace, "name", k.name,
				"panics", p.panics[k], "panic", fmt.Sprint(cause))
		}
	}()
	row := project(obj)
	if row.Later != nil && p.kind.Turns() {
		row = p.kind.Turn(row, p.now()) // what is due already is never shown as it was
	}
	return newEntry(p.kind, row, &p.strings), true
}

// seenObject is an object on its way into the store.
type seenObject struct {
	key     key
	version string
	obj     runtime.Object
	deleted bool
}

func see(obj runtime.Object, deleted bool) (seenObject, bool) {
	o, ok := obj.(metav1.Object)
	if !ok || o.GetName() == "" {
		return seenObject{}, false
	}
	return seenObject{key{o.GetNamespace(), o.GetName()}, o.GetResourceVersion(), obj, deleted}, true
}

// put applies a batch of events as one generation.
func (f *feed) put(batch []watch.Event) {
	objects := make([]seenObject, 0, len(batch))
	for _, e := range batch {
		if e.Object == nil {
			continue
		}
		if o, err := meta.Accessor(e.Object); err == nil && o.GetResourceVersion() != "" {
			f.version = o.GetResourceVersion()
		}
		if e.Type == watch.Bookmark {
			continue
		}
		if o, ok := see(e.Object, e.Type == watch.Deleted); ok {
			objects = append(objects, o)
		}
	}
	f.store(objects)
	f.observe(batch)
}

// putList applies a chunk of a list as one generation.
func (f *feed) putList(list runtime.Object) error {
	var objects []seenObject
	err := meta.EachListItem(list, func(obj runtime.Object) error {
		if o, ok := see(obj, false); ok {
			objects = append(objects, o)
		}
		return nil
	})
	f.store(objects)
	if f.table.observer != nil {
		for i := range objects {
			f.table.observer.See(f.table.kind, f.namespace, objects[i].obj, history.Listed)
		}
	}
	return err
}

// observe shows a batch of events to whoever wants to see them.
func (f *feed) observe(batch []watch.Event) {
	if f.table.observer == nil {
		return
	}
	for _, e := range batch {
		event := history.Listed
		switch {
		case e.Object == nil || e.Type == watch.Bookmark || e.Type == watch.Error:
			continue
		case e.Type == watch.Deleted:
			event = history.Removed
		case f.reading:
		case e.Type == watch.Added:
			event = history.Added
		default:
			event = history.Modified
		}
		f.table.observer.See(f.table.kind, f.namespace, e.Object, event)
	}
}

// store puts objects in; of several states of one object the last counts.
func (f *feed) store(objects []seenObject) {
	if len(objects) == 0 {
		return
	}
	last := make(map[key]int, len(objects))
	keys := make([]key, len(objects))
	for i := range objects {
		last[objects[i].key] = i
		keys[i] = objects[i].key
	}
	have := f.table.store.versions(keys)
	updates := make([]update, 0, len(last))
	for i := range objects {
		o := &objects[i]
		if last[o.key] != i {
			continue
		}
		u := update{key: o.key}
		switch {
		case o.deleted:
			delete(f.projector.panics, o.key)
		case o.version != "" && have[i] == o.version:
			u.keep = true
		default:
			if u.entry = f.projector.entry(o.key, o.obj); u.entry == nil {
				continue
			}
		}
		updates = append(updates, u)
	}
	f.table.applied(f.table.apply(updates, f.round))
}

// begin begins a complete reading.
func (f *feed) begin() {
	f.round++
	f.table.store.begin()
	f.reading = true
	if f.table.observer != nil {
		f.table.observer.Begin(f.table.kind, f.namespace, f.heard)
	}
}

// finish ends a complete reading.
func (f *feed) finish() {
	f.sweep()
	f.reading = false
	if f.table.observer != nil {
		f.table.observer.End(f.table.kind, f.namespace)
	}
}

// sweep removes the rows that the reading that has just ended did not see.
func (f *feed) sweep() { f.table.applied(f.table.sweep(f.namespace, f.round)) }
