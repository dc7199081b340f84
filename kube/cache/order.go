package cache

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"tiga/kube/kinds"
)

// Orders that are not by a column.
const (
	byNamespace = -1
	byName      = -2
)

// order is a total order of the rows of a kind: by column, then namespace, then
// name. Descending turns the column round and leaves the rest.
type order struct {
	column     int
	descending bool
}

// orderOf reads the sort parameter of a query and returns what was understood.
func orderOf(k *kinds.Kind, sort string) (order, string) {
	for _, s := range []string{sort, k.Sort} {
		id, descending := strings.CutPrefix(s, "-")
		switch {
		case id == "name":
			return order{byName, descending}, s
		case id == "namespace" && k.Namespaced:
			return order{byNamespace, descending}, s
		}
		if i, ok := k.Column(id); ok {
			return order{i, descending}, s
		}
	}
	return order{byName, false}, "name"
}

// sortKey is what the rows of an order are compared by first.
type sortKey struct {
	num  float64
	text string
}

func (o order) key(k *kinds.Kind, e *entry) sortKey {
	switch o.column {
	case byNamespace:
		return sortKey{text: e.row.Namespace}
	case byName:
		return sortKey{text: e.row.Name}
	}
	if o.column >= len(e.row.Cells) {
		return sortKey{num: math.Inf(-1)}
	}
	c := &e.row.Cells[o.column]
	switch form := k.Columns[o.column].Form; {
	case form == kinds.FormStatus:
		return sortKey{num: c.Num, text: c.Text}
	case !form.Numeric():
		return sortKey{text: c.Text}
	case c.Empty():
		return sortKey{num: math.Inf(-1)}
	case form == kinds.FormAge:
		return sortKey{num: -c.Num} // the later, the younger
	default:
		return sortKey{num: c.Num}
	}
}

func (o order) compare(k *kinds.Kind, a, b *entry) int {
	return o.compareKeys(o.key(k, a), o.key(k, b), a, b)
}

func (o order) compareKeys(x, y sortKey, a, b *entry) int {
	c := cmp.Compare(x.num, y.num)
	if c == 0 {
		c = strings.Compare(x.text, y.text)
	}
	if c != 0 {
		if o.descending {
			return -c
		}
		return c
	}
	if c = strings.Compare(a.row.Namespace, b.row.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.row.Name, b.row.Name)
}

// chunkSize is the number of rows of a chunk. A change copies one chunk, a scan
// goes through all of them.
const chunkSize = 128

// sort orders entries from scratch.
func (o order) sort(k *kinds.Kind, rows []*entry) [][]item {
	type keyed struct {
		sortKey
		e *entry
	}
	list := make([]keyed, len(rows))
	for i, e := range rows {
		list[i] = keyed{o.key(k, e), e}
	}
	slices.SortFunc(list, func(a, b keyed) int { return o.compareKeys(a.sortKey, b.sortKey, a.e, b.e) })
	chunks := make([][]item, 0, len(list)/chunkSize+1)
	for part := range slices.Chunk(list, chunkSize) {
		chunk := make([]item, len(part))
		for i := range part {
			chunk[i] = itemOf(part[i].e)
		}
		chunks = append(chunks, seal(chunk))
	}
	return chunks
}

// place is the chunk that an entry is in or belongs into.
func (o order) place(k *kinds.Kind, chunks [][]item, e *entry) int {
	i, _ := slices.BinarySearchFunc(chunks, e, func(chunk []item, e *entry) int {
		return o.compare(k, chunk[len(chunk)-1].entry, e)
	})
	return min(i, len(chunks)-1)
}

// merge makes of chunks, which are in order, the same without those removed and
// with those added. It copies the chunks that change and shares the others. It
// returns false if chunks did not hold what was to be removed, or have become
// so uneven that sorting afresh is better.
func (o order) merge(k *kinds.Kind, chunks [][]item, removed, added []*entry) ([][]item, bool) {
	if len(chunks) == 0 {
		return o.sort(k, added), len(removed) == 0
	}
	type edit struct{ removed, added []*entry }
	edits := make(map[int]*edit)
	at := func(e *entry) *edit {
		i := o.place(k, chunks, e)
		if edits[i] == nil {
			edits[i] = new(edit)
		}
		return edits[i]
	}
	for _, e := range removed {
		to := at(e)
		to.removed = append(to.removed, e)
	}
	for _, e := range added {
		to := at(e)
		to.added = append(to.added, e)
	}
	out := make([][]item, 0, len(chunks)+1)
	rows := 0
	for i, chunk := range chunks {
		e := edits[i]
		if e == nil {
			out = append(out, chunk)
			rows += len(chunk)
			continue
		}
		chunk, ok := o.mergeChunk(k, chunk, e.removed, e.added)
		if !ok {
			return nil, false
		}
		rows += len(chunk)
		size := max(len(chunk), 1)
		if size > 2*chunkSize {
			size = chunkSize
		}
		for part := range slices.Chunk(chunk, size) {
			out = append(out, seal(slices.Clip(part)))
		}
	}
	return out, len(out) <= 8+4*rows/chunkSize
}

func (o order) mergeChunk(k *kinds.Kind, chunk []item, removed, added []*entry) ([]item, bool) {
	out := make([]item, 0, len(chunk)-len(removed)+len(added))
	slices.SortFunc(added, func(a, b *entry) int { return o.compare(k, a, b) })
	from := 0
	upTo := func(end int) {
		for ; from < end; from++ {
			if len(removed) > 0 {
				if i := slices.Index(removed, chunk[from].entry); i >= 0 {
					removed = slices.Delete(removed, i, i+1)
					continue
				}
			}
			out = append(out, chunk[from])
		}
	}
	for _, e := range added {
		at, _ := slices.BinarySearchFunc(chunk, e, func(have item, want *entry) int { return o.compare(k, have.entry, want) })
		upTo(at)
		out = append(out, itemOf(e))
	}
	upTo(len(chunk))
	return out, len(removed) == 0
}
