// Package diff compares what Kubernetes objects say: as trees, field by field,
// with the items of lists matched by what names them; as lines of text; and
// three ways, to join what two people changed. It knows nothing of a cluster
// and has no dependency but the standard library.
package diff

import (
	"maps"
	"slices"
)

// Op says what became of a field.
type Op string

// The operations.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
	// Moved is a list whose items are the same in another order; Before and After are their names.
	Moved Op = "moved"
)

// Entry is one field that differs.
type Entry struct {
	Op Op
	// Path names the field: "spec.template.spec.containers[name=web].image".
	Path string
	// Before and After are the values, as the trees have them; nil on the side that has none.
	Before, After any
}

// Options say how two trees are compared.
type Options struct {
	// Noise keeps what the API server sets by itself with every write: managed fields, versions, the UID, the time of
	// creation, kubectl's copy, and the status. It is left out otherwise.
	Noise bool
	// Leaves takes apart what was added or removed as a whole, so that each value has an entry of its own.
	Leaves bool
}

// lastApplied is kubectl's copy of the whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Trees compares two objects as JSON has them. Either may be nil: of an object that was not there, or is gone, every
// field is an entry. The entries are sorted by path as far as the trees have an order.
func Trees(before, after map[string]any, opts Options) []Entry {
	if !opts.Noise {
		before, after = quiet(before), quiet(after)
	}
	w := walk{leaves: opts.Leaves}
	w.maps(nil, before, after)
	return w.entries
}

// Quiet is an object without what Trees leaves out unless it is asked for. It shares what it keeps.
func Quiet(tree map[string]any) map[string]any { return quiet(tree) }

// quiet is an object without what says nothing about its being changed. It shares what it keeps.
func quiet(tree map[string]any) map[string]any {
	if tree == nil {
		return nil
	}
	out := maps.Clone(tree)
	delete(out, "status")
	meta, ok := out["metadata"].(map[string]any)
	if !ok {
		return out
	}
	meta = maps.Clone(meta)
	for _, f := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
		delete(meta, f)
	}
	if a, ok := meta["annotations"].(map[string]any); ok && a[lastApplied] != nil {
		a = maps.Clone(a)
		if delete(a, lastApplied); len(a) == 0 {
			delete(meta, "annotations")
		} else {
			meta["annotations"] = a
		}
	}
	out["metadata"] = meta
	return out
}

type walk struct {
	entries []Entry
	leaves  bool
}

func (w *walk) add(op Op, p path, before, after any) {
	w.entries = append(w.entries, Entry{op, p.String(), before, after})
}

func (w *walk) maps(p path, before, after map[string]any) {
	for _, key := range keysOf(before, after) {
		w.value(p.field(key), before[key], after[key])
	}
}

// value compares two values. The API has no difference between a null and nothing, so neither is nil.
func (w *walk) value(p path, before, after any) {
	switch {
	case equal(before, after):
	case before == nil:
		w.whole(Added, p, after)
	case after == nil:
		w.whole(Removed, p, before)
	default:
		switch b := before.(type) {
		case map[string]any:
			if a, ok := after.(map[string]any); ok {
				w.maps(p, b, a)
				return
			}
		case []any:
			if a, ok := after.([]any); ok {
				w.lists(p, b, a)
				return
			}
		}
		w.add(Changed, p, before, after)
	}
}

// whole is a value that one side does not have.
func (w *walk) whole(op Op, p path, v any) {
	m, ok := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case w.leaves && ok && len(m) > 0:
		for _, key := range keysOf(m) {
			w.whole(op, p.field(key), m[key])
		}
	case w.leaves && isList && len(list) > 0 && isMaps(list):
		k := keyOf(p.last(), list)
		for i, item := range list {
			w.whole(op, p.item(k.of(item, i)), item)
		}
	case v == nil:
	case op == Added:
		w.add(op, p, nil, v)
	default:
		w.add(op, p, v, nil)
	}
}

func (w *walk) lists(p path, before, after []any) {
	k := keyOf(p.last(), before, after)
	switch {
	case k.none() && len(before) == len(after) && isMaps(before) && isMaps(after):
		// Nothing names the items: what stands in the same place is taken for the same.
		for i := range before {
			w.value(p.item(indexed(i)), before[i], after[i])
		}
		return
	case k.none():
		w.add(Changed, p, before, after)
		return
	}
	names := func(list []any) (order []string, items map[string]any) {
		items = make(map[string]any, len(list))
		for i, item := range list {
			id := k.of(item, i)
			order, items[id] = append(order, id), item
		}
		return order, items
	}
	old, oldItems := names(before)
	now, nowItems := names(after)
	for _, id := range old {
		w.value(p.item(id), oldItems[id], nowItems[id])
	}
	for _, id := range now {
		if _, ok := oldItems[id]; !ok {
			w.value(p.item(id), nil, nowItems[id])
		}
	}
	if k.ordered {
		in := func(items map[string]any, order []string) (out []any) {
			for _, id := range order {
				if _, ok := items[id]; ok {
					out = append(out, id)
				}
			}
			return out
		}
		if o, n := in(nowItems, old), in(oldItems, now); !slices.Equal(o, n) {
			w.add(Moved, p, o, n)
		}
	}
}

// keysOf are the keys of all maps, sorted, with what names an object first.
func keysOf(all ...map[string]any) []string {
	seen := map[string]bool{}
	for _, m := range all {
		for key := range m {
			seen[key] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func isMaps(list []any) bool {
	for _, item := range list {
		if _, ok := item.(map[string]any); !ok {
			return false
		}
	}
	return true
}
