package cache

import (
	"tiga/access"
	"tiga/kube/kinds"
)

// sight is what is shown of a namespace.
type sight uint8

const (
	sightUnknown sight = iota
	sightNone
	sightAll
	sightSome // the permit is asked for each row
)

// sights say which rows of a snapshot a permit shows. What is known of a namespace is worked out at its first row. They
// belong to one goroutine.
type sights struct {
	permit     access.Permit
	namespaced bool
	values     []string // of the dictionary
	known      []sight  // by number of the namespace; the first for a kind without
}

func newSights(k *kinds.Kind, snap snapshot, permit access.Permit) sights {
	return sights{permit: permit, namespaced: k.Namespaced, values: snap.values, known: make([]sight, len(snap.values)+1)}
}

// only leaves out the namespaces whose number is not marked.
func (s *sights) only(marks []bool) {
	for n, marked := range marks {
		if !marked {
			s.known[n] = sightNone
		}
	}
}

func (s *sights) shows(it *item) bool {
	n := uint32(0)
	if s.namespaced {
		n = it.facets[0]
	}
	switch s.known[n] {
	case sightAll:
		return true
	case sightNone:
		return false
	case sightSome:
		return s.permit.Sees(s.namespace(n), it.title())
	default:
		s.known[n] = s.look(n)
		return s.shows(it)
	}
}

func (s *sights) look(n uint32) sight {
	switch s.permit.Reach(s.namespace(n)) {
	case access.ReachAll:
		return sightAll
	case access.ReachSome:
		return sightSome
	default:
		return sightNone
	}
}

func (s *sights) namespace(n uint32) string {
	if !s.namespaced {
		return ""
	}
	return s.values[n]
}
