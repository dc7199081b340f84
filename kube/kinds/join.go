package kinds

import "slices"

// Join says that objects of another kind tell something about objects of this
// one that their own object does not: EndpointSlices, whether anything answers
// behind a Service.
type Join struct {
	From string // the ID of the other kind
	// Key names the object that a row of From is about; an empty name means none. Where both kinds are namespaced, it is
	// in the row's own namespace.
	Key func(*Row) (namespace, name string)
	// Amend changes the row's Status and Cells by what the rows of From, all that are about its object and in no order,
	// say of it. The cells are its own; the rest of the row is shared and stays as it is.
	//
	// Who may see the row need not be allowed to see those rows, so that it may tell of them what a count or a state does
	// and nothing by which one of them could be known.
	Amend func(k *Kind, row *Row, from []*Row)
}

// Amend is a row of a kind with a Join as the rows of the other kind make it,
// all of which have to be known. It never panics: what they say in a form that
// cannot be read changes nothing, and neither does it where the row's own object
// could not be read.
func (k *Kind) Amend(row Row, from []*Row) (amended Row) {
	if k.Join == nil || row.Status.Word == WordUnreadable {
		return row
	}
	defer func() {
		if recover() != nil {
			amended = row
		}
	}()
	amended = row
	amended.Cells = slices.Clone(row.Cells)
	k.Join.Amend(k, &amended, from)
	k.restate(&amended)
	return amended
}

// cell is the cell of a column of a row; one of its own where there is no such
// column.
func (k *Kind) cell(row *Row, column string) *Cell {
	if i, ok := k.Column(column); ok && i < len(row.Cells) {
		return &row.Cells[i]
	}
	return new(Cell)
}
