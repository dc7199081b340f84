package cache

import (
	"tiga/access"
	"tiga/kube/kinds"
)

// Tally is a number of rows by the tone of their status.
type Tally [kinds.ToneBad + 1]int

func (t *Tally) add(other *Tally) {
	for tone, n := range other {
		t[tone] += n
	}
}

// toneOf is the tone that a row is counted by.
func toneOf(row *kinds.Row) kinds.Tone { return min(row.Status.Tone, kinds.ToneBad) }

// tally counts a row that comes, or goes where n is negative. s.mu is held.
func (s *store) tally(e *entry, n int) {
	t := s.tallies[e.row.Namespace]
	if t == nil {
		t = new(Tally)
		s.tallies[e.row.Namespace] = t
	}
	t[toneOf(&e.row)] += n
	if *t == (Tally{}) {
		delete(s.tallies, e.row.Namespace)
	}
}

// peek is the running table of a kind, nil if there is none. It does not count as a use.
func (t *Tables) peek(k *kinds.Kind) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tab := t.running[k.ID()]; tab != nil && tab.kind == k {
		return tab
	}
	return nil
}

// Tally counts the rows that the permit shows. It looks at rows only where the permit shows some of a namespace and not
// others, so that it costs next to nothing for most. Like Each it keeps the table of a kind that has a descriptor warm and
// does not wait for it. There may be hundreds of custom kinds: those are counted while their lists are looked at, and
// nothing is read or kept for the sake of a number in a menu.
func (t *Tables) Tally(permit access.Permit, k *kinds.Kind) Tally {
	var sum Tally
	if !about(t.cfg.Cluster, permit, k) {
		return sum
	}
	tab := t.peek(k)
	if !k.Custom {
		tab = t.use(k)
	}
	if tab == nil {
		return sum
	}
	partly := false
	s := tab.store
	s.mu.RLock()
	for namespace, n := range s.tallies {
		switch permit.Reach(namespace) {
		case access.ReachAll:
			sum.add(n)
		case access.ReachSome:
			partly = true
		case access.ReachNone:
		}
	}
	s.mu.RUnlock()
	if !partly {
		return sum
	}
	sum = Tally{}
	t.Each(permit, k, func(row *kinds.Row) bool {
		sum[toneOf(row)]++
		return true
	})
	return sum
}
