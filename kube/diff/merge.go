package diff

import "slices"

// Side is one of two that changed the same field.
type Side uint8

// The sides of a conflict.
const (
	Mine Side = iota
	Theirs
)

// Conflict is a field that both sides changed, each to something else.
type Conflict struct {
	Path string
	// Base, Theirs and Mine are the values; nil where there is none.
	Base, Theirs, Mine any
}

// Merge joins two changes of one object: what only one side changed is taken from that side, what both changed alike is
// taken once, and the rest are conflicts, for which merged has what is mine.
func Merge(base, theirs, mine map[string]any) (merged map[string]any, conflicts []Conflict) {
	return MergeWith(base, theirs, mine, func(Conflict) Side { return Mine })
}

// MergeWith is Merge with a choice for each conflict. The conflicts are returned all the same.
func MergeWith(base, theirs, mine map[string]any, choose func(Conflict) Side) (merged map[string]any, conflicts []Conflict) {
	m := merge{choose: choose}
	out := m.maps(nil, base, theirs, mine)
	return out, m.conflicts
}

type merge struct {
	choose    func(Conflict) Side
	conflicts []Conflict
}

// none stands for a field that is not there; null is a value of its own here, so that nothing that was written is lost.
type none struct{}

func at(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	return none{}
}

func (m *merge) maps(p path, base, theirs, mine map[string]any) map[string]any {
	out := map[string]any{}
	for _, k := range keysOf(base, theirs, mine) {
		v := m.value(p.field(k), at(base, k), at(theirs, k), at(mine, k))
		if v != (none{}) {
			out[k] = Clone(v)
		}
	}
	return out
}

func same(a, b any) bool {
	_, x := a.(none)
	_, y := b.(none)
	if x || y {
		return x && y
	}
	return equal(a, b)
}

func (m *merge) value(p path, base, theirs, mine any) any {
	switch {
	case same(theirs, mine), same(base, theirs):
		return mine
	case same(base, mine):
		return theirs
	}
	if t, ok := theirs.(map[string]any); ok {
		if mi, ok := mine.(map[string]any); ok {
			b, _ := base.(map[string]any)
			return m.maps(p, b, t, mi)
		}
	}
	if t, ok := theirs.([]any); ok {
		if mi, ok := mine.([]any); ok {
			b, _ := base.([]any)
			if v, ok := m.lists(p, b, t, mi); ok {
				return v
			}
		}
	}
	return m.conflict(p, base, theirs, mine)
}

func (m *merge) conflict(p path, base, theirs, mine any) any {
	c := Conflict{p.String(), orNil(base), orNil(theirs), orNil(mine)}
	m.conflicts = append(m.conflicts, c)
	if m.choose(c) == Theirs {
		return theirs
	}
	return mine
}

func orNil(v any) any {
	if _, ok := v.(none); ok {
		return nil
	}
	return v
}

// lists joins lists whose items have names. Without names, and where both sides put the items into another order, it is
// all or nothing: two lists of commands joined item by item would be a third that nobody wrote.
func (m *merge) lists(p path, base, theirs, mine []any) (any, bool) {
	k := keyOf(p.last(), base, theirs, mine)
	if k.none() {
		return nil, false
	}
	b, t, mi := newNamed(k, base), newNamed(k, theirs), newNamed(k, mine)
	order, ok := joinOrders(b, t, mi)
	if !ok && k.ordered {
		return nil, false
	}
	out := []any{}
	for _, id := range order {
		v := m.value(p.item(id), b.at(id), t.at(id), mi.at(id))
		if v != (none{}) {
			out = append(out, Clone(v))
		}
	}
	return out, true
}

// named is a list whose items have names.
type named struct {
	order []string
	items map[string]any
}

func newNamed(k key, list []any) named {
	n := named{items: make(map[string]any, len(list))}
	for i, item := range list {
		id := k.of(item, i)
		n.order, n.items[id] = append(n.order, id), item
	}
	return n
}

func (n named) has(id string) bool { _, ok := n.items[id]; return ok }

func (n named) at(id string) any {
	if v, ok := n.items[id]; ok {
		return v
	}
	return none{}
}

// among is the order of those that another list has as well.
func (n named) among(other named) []string {
	var out []string
	for _, id := range n.order {
		if other.has(id) {
			out = append(out, id)
		}
	}
	return out
}

// joinOrders is an order of all items: that of the side that changed it, with the items that only the other has put
// behind what they follow there. ok is false where both changed it, each in its own way.
func joinOrders(base, theirs, mine named) (order []string, ok bool) {
	first, second := mine, theirs
	switch {
	case slices.Equal(mine.among(theirs), theirs.among(mine)):
		ok = true
	case slices.Equal(base.among(mine), mine.among(base)):
		first, second, ok = theirs, mine, true
	case slices.Equal(base.among(theirs), theirs.among(base)):
		ok = true
	}
	order = slices.Clone(first.order)
	for _, rest := range []named{second, base} {
		for i, id := range rest.order {
			if slices.Contains(order, id) {
				continue
			}
			where := 0
			if i > 0 {
				where = slices.Index(order, rest.order[i-1]) + 1
			}
			order = slices.Insert(order, where, id)
		}
	}
	return order, ok
}
