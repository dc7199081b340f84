package cache

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube/kinds"
)

const (
	// facetValuesLimit bounds the values of a facet that are returned.
	facetValuesLimit = 100
)

// scan is one pass over a snapshot: permit, namespaces, text, facets, page.
type scan struct {
	store   *store
	snap    snapshot
	sights  sights
	filter  Filter
	chosen  [maxFacets][]bool // by number of the value; nil: the facet does not filter
	faceted bool              // some facet filters
	active  []int             // the facets that are counted

	counts [maxFacets][]int32         // by facet and number of the value
	status int                        // the facet that has tones
	tones  [][kinds.ToneBad + 1]int32 // by number of the status word
}

func newScan(s *store, snap snapshot, permit access.Permit, q *Query, filter Filter) *scan {
	c := &scan{store: s, snap: snap, sights: newSights(s.kind, snap, permit), filter: filter}
	if s.kind.Namespaced && len(q.Namespaces) > 0 {
		c.sights.only(c.numbers(q.Namespaces))
	}
	for i, f := range s.facets {
		values := q.Facets[f.id]
		if len(values) == 0 && len(q.Count) > 0 && !slices.Contains(q.Count, f.id) {
			continue
		}
		c.active = append(c.active, i)
		c.counts[i] = make([]int32, len(snap.values))
		if len(values) > 0 {
			c.chosen[i] = c.numbers(values)
			c.faceted = true
		}
		if f.id == "status" {
			c.status = i
			c.tones = make([][kinds.ToneBad + 1]int32, len(snap.values))
		}
	}
	return c
}

// numbers marks the values that the dictionary knows.
func (c *scan) numbers(values []string) []bool {
	marks := make([]bool, len(c.snap.values))
	for i, v := range c.snap.values {
		marks[i] = slices.Contains(values, v)
	}
	return marks
}

// run counts, and returns the rows from first on, at most size of them.
func (c *scan) run(ctx context.Context, first, size int) (rows []*kinds.Row, total, matched int, err error) {
	rows = make([]*kinds.Row, 0, min(size, maxSize))
	for _, chunk := range c.snap.chunks {
		if ctx.Err() != nil {
			return nil, 0, 0, ctx.Err()
		}
		for i := range chunk {
			it := &chunk[i]
			if !c.sights.shows(it) {
				continue
			}
			total++
			if !c.filter.match(it) || !c.count(it) {
				continue
			}
			if matched >= first && len(rows) < size {
				rows = append(rows, &it.row)
			}
			matched++
		}
	}
	return rows, total, matched, nil
}

// poisoned counts the rows that stand for objects that could not be read, as far as the permit shows them.
func (c *scan) poisoned() int {
	n := 0
	for _, chunk := range c.snap.chunks {
		for i := range chunk {
			if it := &chunk[i]; it.poison && c.sights.shows(it) {
				n++
			}
		}
	}
	return n
}

// count adds a row to the facets and reports whether they let it pass. A facet
// counts what the other ones leave, so that it shows what choosing another of
// its values would give.
func (c *scan) count(it *item) bool {
	failed := -1
	if c.faceted {
		for _, i := range c.active {
			if c.chosen[i] == nil || c.chosen[i][it.facets[i]] {
				continue
			}
			if failed >= 0 {
				return false
			}
			failed = i
		}
	}
	for _, i := range c.active {
		if failed < 0 || failed == i {
			c.counts[i][it.facets[i]]++
		}
	}
	if c.tones != nil && (failed < 0 || failed == c.status) {
		c.tones[it.facets[c.status]][it.tone]++
	}
	return failed < 0
}

// facets returns what was counted. Values that were chosen are there even with
// nothing left to count, so that they can be taken back.
func (c *scan) facets(q *Query) []Facet {
	out := make([]Facet, 0, len(c.active))
	for _, i := range c.active {
		of := c.store.facets[i]
		f := Facet{ID: of.id}
		for n, count := range c.counts[i] {
			if count == 0 {
				continue
			}
			v := FacetValue{Value: c.snap.values[n], Count: int(count), Chosen: slices.Contains(q.Facets[of.id], c.snap.values[n])}
			if of.id == "status" {
				v.Tone = mostly(c.tones[n])
			}
			f.Values = append(f.Values, v)
		}
		for _, value := range q.Facets[of.id] {
			if !slices.ContainsFunc(f.Values, func(v FacetValue) bool { return v.Value == value }) {
				f.Values = append(f.Values, FacetValue{Value: value, Chosen: true})
			}
		}
		slices.SortFunc(f.Values, func(a, b FacetValue) int {
			return cmp.Or(-cmp.Compare(a.Tone, b.Tone), -cmp.Compare(a.Count, b.Count), strings.Compare(a.Value, b.Value))
		})
		f.Distinct = len(f.Values)
		if len(f.Values) > facetValuesLimit {
			rest := f.Values[facetValuesLimit:]
			f.Values = f.Values[:facetValuesLimit:facetValuesLimit]
			for _, v := range rest {
				if v.Chosen {
					f.Values = append(f.Values, v)
				}
			}
		}
		out = append(out, f)
	}
	return out
}

// mostly is the tone that most rows have, the worse one of two.
func mostly(tones [kinds.ToneBad + 1]int32) kinds.Tone {
	best := kinds.ToneNone
	for t := range tones {
		if tones[t] > 0 && tones[t] >= tones[best] {
			best = kinds.Tone(t)
		}
	}
	return best
}
