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

// Tally counts the rows that the permit shows. It looks at rows only where the permit shows some of a namespace and not
// others, so that it costs next to nothing for most. Like Each it keeps the kind's table warm and does not wait for it.
func (t *Tables) Tally(permit access.Permit, k *kinds.Kind) Tally {
	var sum Tally
	if !about(t.cfg.Cluster, permit, k) {
		return sum
	}
	partly := false
	s := t.use(k).store
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
