package cache

import (
	"math"
	"strings"
	"sync/atomic"
	"unsafe"

	"tiga/kube/kinds"
)

// key finds an object within its kind. It shares the memory of the row's
// strings.
type key struct{ namespace, name string }

// maxFacets bounds the facets of a kind, namespace included.
const maxFacets = 5

// entry is a row in its table. It is never changed after it was published,
// except gone, which readers of older generations look at, and seen, which
// belongs to the writer.
type entry struct {
	row      kinds.Row
	haystack string            // what plain words are looked for in, in lower case
	facets   [maxFacets]uint32 // numbers of the values in the table's dictionary
	poison   bool              // stands for an object that could not be read

	born uint64        // the generation that brought it
	gone atomic.Uint64 // the generation that removed or replaced it, 0 while it is there
	seen uint32        // the last complete reading that had it
	size int32         // estimate of its memory
}

// at reports whether the entry was part of the table at a generation.
func (e *entry) at(gen uint64) bool {
	gone := e.gone.Load()
	return e.born <= gen && (gone == 0 || gone > gen)
}

// item is an entry in an order, with what a scan reads of every row beside it:
// a scan of 100,000 rows that had to look at each of them would wait for the
// memory most of the time.
type item struct {
	*entry
	hay    string
	facets [maxFacets]uint32
	name   uint16 // length of the row's name where hay begins with it
	tone   kinds.Tone
}

// seal lays the texts that a scan of the chunk looks through side by side.
func seal(chunk []item) []item {
	n := 0
	for i := range chunk {
		n += len(chunk[i].haystack)
	}
	var b strings.Builder
	b.Grow(n)
	for i := range chunk {
		b.WriteString(chunk[i].haystack)
	}
	all := b.String()
	for i := range chunk {
		it := &chunk[i]
		it.hay, all = all[:len(it.haystack)], all[len(it.haystack):]
	}
	return chunk
}

func itemOf(e *entry) item {
	it := item{entry: e, facets: e.facets, tone: toneOf(&e.row)}
	if n := len(e.row.Name); n <= math.MaxUint16 && strings.HasPrefix(e.haystack, e.row.Name) {
		it.name = uint16(n)
	}
	return it
}

// title is the row's name.
func (it *item) title() string {
	if it.name > 0 {
		return it.hay[:it.name]
	}
	return it.row.Name
}

// newEntry makes the entry of a row; in shares the strings that repeat.
func newEntry(k *kinds.Kind, row kinds.Row, in *interner) *entry {
	in.row(&row)
	return entryOf(k, row)
}

// entryOf makes the entry of a row, which it leaves as it is.
func entryOf(k *kinds.Kind, row kinds.Row) *entry {
	e := &entry{row: row}
	e.haystack = haystack(k, &row)
	if strings.HasPrefix(e.haystack, row.Name) {
		e.row.Name = e.haystack[:len(row.Name)] // names are nearly always in lower case: one string less
	}
	e.size = int32(sizeOf(e)) //nolint:gosec // a row is bounded far below 2 GiB by the API server
	return e
}

// haystack joins what plain words search with line ends, which no word has.
func haystack(k *kinds.Kind, row *kinds.Row) string {
	var b strings.Builder
	n := len(row.Name) + len(row.Namespace) + len(row.Status.Word) + 3
	for i := range k.Columns {
		if k.Columns[i].Search && i < len(row.Cells) {
			n += len(row.Cells[i].Text) + 1
		}
	}
	b.Grow(n)
	b.WriteString(row.Name)
	b.WriteByte('\n')
	b.WriteString(row.Namespace)
	b.WriteByte('\n')
	b.WriteString(row.Status.Word)
	for i := range k.Columns {
		if k.Columns[i].Search && i < len(row.Cells) && row.Cells[i].Text != "" {
			b.WriteByte('\n')
			b.WriteString(row.Cells[i].Text)
		}
	}
	return strings.ToLower(b.String())
}

// sizeOf estimates the memory of an entry. Strings that are shared count as
// nothing but their header.
func sizeOf(e *entry) int {
	const (
		mapSlot = 64 // key, pointer and share of the free space
		argsMap = 256
	)
	r := &e.row
	n := int(unsafe.Sizeof(*e)) + mapSlot + len(e.haystack) + len(r.UID) + len(r.ResourceVersion)
	n += len(r.Labels) * int(unsafe.Sizeof(kinds.Pair{}))
	n += len(r.Annotations) * int(unsafe.Sizeof(kinds.Pair{}))
	for i := range r.Annotations {
		n += len(r.Annotations[i].Value)
	}
	n += len(r.Owners) * int(unsafe.Sizeof(kinds.Owner{}))
	n += len(r.Refs) * int(unsafe.Sizeof(kinds.Ref{}))
	n += len(r.Cells) * int(unsafe.Sizeof(kinds.Cell{}))
	for i := range r.Cells {
		n += len(r.Cells[i].Text)
		if r.Cells[i].Note.Args != nil {
			n += argsMap
		}
	}
	if r.Status.Reason.Args != nil {
		n += argsMap
	}
	return n
}

// internLimit bounds the memory of an interner. Beyond it everything is
// forgotten: rows keep what they share, new ones begin to share anew.
const internLimit = 1 << 15

// interner lets rows share strings that repeat: namespaces, nodes, images,
// labels. It belongs to one goroutine.
type interner struct{ seen map[string]string }

func (in *interner) string(s string) string {
	if s == "" {
		return ""
	}
	if shared, ok := in.seen[s]; ok {
		return shared
	}
	if in.seen == nil || len(in.seen) >= internLimit {
		in.seen = make(map[string]string, 256)
	}
	in.seen[s] = s
	return s
}

func (in *interner) row(r *kinds.Row) {
	r.Namespace = in.string(r.Namespace)
	for i := range r.Labels {
		r.Labels[i] = kinds.Pair{Key: in.string(r.Labels[i].Key), Value: in.string(r.Labels[i].Value)}
	}
	for i := range r.Annotations {
		p := &r.Annotations[i]
		p.Key = in.string(p.Key)
		if len(p.Value) <= 32 { // longer ones hardly ever repeat
			p.Value = in.string(p.Value)
		}
	}
	for i := range r.Owners {
		o := &r.Owners[i]
		o.APIVersion, o.Kind, o.Name, o.UID = in.string(o.APIVersion), in.string(o.Kind), in.string(o.Name), in.string(o.UID)
	}
	r.Status.Word = in.string(r.Status.Word)
	for i := range r.Cells {
		if c := &r.Cells[i]; len(c.Text) <= 128 {
			c.Text = in.string(c.Text)
		}
	}
	for i := range r.Refs {
		f := &r.Refs[i]
		f.Namespace, f.Name = in.string(f.Namespace), in.string(f.Name)
	}
}
