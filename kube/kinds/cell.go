package kinds

import (
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Text is a cell of plain text.
func Text(s string) Cell { return Cell{Text: s} }

// Name is a cell in monospace: names, images, versions, addresses.
func Name(s string) Cell { return Cell{Text: s, Form: FormName} }

// Number is a cell with a count.
func Number[N int | int32 | int64](n N) Cell { return Cell{Num: float64(n), Form: FormNumber} }

// Age is a cell with the time since an instant in unix seconds; none for 0.
func Age(at int64) Cell {
	if at == 0 {
		return Cell{}
	}
	return Cell{Num: float64(at), Form: FormAge}
}

// Ratio is a cell such as "2/3". It sorts by the fraction; nothing out of
// nothing counts as complete.
func Ratio(have, want int) Cell {
	c := Cell{Text: strconv.Itoa(have) + "/" + strconv.Itoa(want), Form: FormRatio, Num: 1}
	if want > 0 {
		c.Num = float64(have) / float64(want)
	}
	return c
}

// CPU is a cell with cores; none for a quantity that is not there.
func CPU(q *resource.Quantity) Cell {
	if q == nil || q.IsZero() {
		return Cell{}
	}
	return Cell{Num: float64(q.MilliValue()) / 1000, Form: FormCPU}
}

// Bytes is a cell with an amount of memory or storage; none for a quantity
// that is not there.
func Bytes(q *resource.Quantity) Cell {
	if q == nil || q.IsZero() {
		return Cell{}
	}
	return Cell{Num: float64(q.Value()), Form: FormBytes}
}

// StatusCell is the status as a cell. Its Num is the severity, so that a list
// sorted by status has the worst first.
func StatusCell(s Status) Cell {
	return Cell{Text: s.Word, Num: -float64(s.Tone), Form: FormStatus, Tone: s.Tone, Note: s.Reason}
}
