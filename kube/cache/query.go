package cache

import (
	"time"

	"tiga/kube/kinds"
)

// DefaultSize is the number of rows of a page.
const DefaultSize = 100

// maxSize bounds what one page may ask for.
const maxSize = 1000

// Query asks for one page of a list.
type Query struct {
	Kind       *kinds.Kind
	Namespaces []string            // none: all; ignored for cluster-scoped kinds
	Text       string              // the filter box, see ParseFilter
	Facets     map[string][]string // column ID → chosen values; values of one facet are alternatives
	Count      []string            // facets that are counted, besides the chosen ones; none: all
	Sort       string              // "name", "namespace" or a column ID, "-" prefix for descending; "" or unknown: the kind's own order
	Page       int                 // from 1; beyond the end: the last page
	Size       int                 // DefaultSize if 0
	All        bool                // every row in one page, whatever Page and Size say
	Wait       time.Duration       // how long to wait for a first list; the configured time if 0, not at all if negative
}

// Page is the answer to a Query. Its rows are shared and must not be changed.
type Page struct {
	Rows              []*kinds.Row
	Total             int // rows that the permit and the chosen namespaces show
	Matched           int // those that the filter and the facets leave
	Page, Pages, Size int
	Sort              string // the order that was used
	Facets            []Facet
	Freshness         Freshness
	Namespaces        []string     // the namespaces that the credential shows, when it does not show all
	NamespacesIgnored bool         // namespaces were asked of a cluster-scoped kind
	FilterError       *FilterError // a part of Text that could not be used; the rest was
	Quarantined       int          // rows of the kind that stand for objects that could not be read
	Dropped           int          // objects beyond the number that is held, of the namespaces asked for that the permit shows whole
}

// Facet counts the values of a column over the rows that the permit, the text
// and the other facets leave.
type Facet struct {
	ID       string // "namespace" or a column ID
	Values   []FacetValue
	Distinct int // number of values, where Values is cut
}

// FacetValue is one chip of a facet.
type FacetValue struct {
	Value  string
	Count  int
	Tone   kinds.Tone // of status words: the tone that most of the rows have
	Chosen bool
}

// FilterError says what is wrong in the text of a filter, and where.
type FilterError struct {
	Pos    int           // byte offset in Text
	Token  string        // the part that could not be used
	Reason kinds.Message // why
}
