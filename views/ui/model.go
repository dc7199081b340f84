package ui

import "time"

// Tone says how good or bad something is. Every tone has a shape besides its colour.
type Tone uint8

// The tones, in the order of kinds.Tone.
const (
	ToneNone Tone = iota
	ToneIdle
	ToneInfo
	ToneOK
	ToneWarn
	ToneBad
)

// Form says how a cell is written and aligned.
type Form uint8

// The forms, in the order of kinds.Form.
const (
	FormText   Form = iota // words
	FormName               // a name of the cluster: monospace
	FormNumber             // Num, right
	FormAge                // Num is unix seconds, shown as an age
	FormCPU                // Num is cores
	FormBytes              // Num is bytes
	FormRatio              // Text such as "2/3", right
	FormStatus             // Text is the word, Note the reason, Tone its tone
	FormTime               // Num is unix seconds, shown in full
)

// Cell is one value of a table or a fact.
type Cell struct {
	Text string
	Num  float64
	Form Form
	Tone Tone
	Note string  // muted, behind the value
	Href string  // makes the value a link
	Max  float64 // above 0 draws Num/Max as a bar before the value
}

// Status is a state in a word, the reason behind it, and since when it holds.
type Status struct {
	Word   string
	Reason string
	Tone   Tone
	Since  time.Time // zero is not shown
}

// Link is text with an address. Note is muted text behind it.
type Link struct {
	Text string
	Href string
	Note string
	// Apart opens it beside this page, which holds something that is not stored.
	Apart bool
}

// Pair is a key with its value: a label, an annotation, or a hidden form field.
type Pair struct {
	Key   string
	Value string
	Href  string // for a label: the list filtered by it
}

// Fact is one line of a fact list. Exactly one of Cells, Pairs and Lines is usual.
type Fact struct {
	Label string
	Cells []Cell
	Pairs []Pair   // shown as chips
	Lines []string // shown one under the other, monospace
}

// FreshState says how far what is shown can be trusted to be now.
type FreshState uint8

// The states of freshness. FreshNone shows nothing.
const (
	FreshNone FreshState = iota
	FreshLive
	FreshCatchingUp
	FreshStale
	FreshPaused
)

// Freshness is the small word by a title.
type Freshness struct {
	State  FreshState
	Since  time.Time
	Reason string
}

// Action is something that can be done, reached by a link to its confirmation page.
type Action struct {
	ID     string // "scale"; unique within its menu
	Text   string
	Href   string
	Danger bool
	// Dialog opens Href in a dialog where there is JavaScript.
	Dialog bool
	// Refused says why it cannot be done now ("" means it can); it is shown, not followed.
	Refused string
}

// Option is one choice of a select, a radio group or a check list.
type Option struct {
	Value   string
	Text    string
	Chosen  bool
	Refused bool // cannot be chosen
}

// FieldType is the kind of control of a Field.
type FieldType uint8

// The kinds of controls.
const (
	FieldText FieldType = iota
	FieldPassword
	FieldNumber
	FieldSelect
	FieldCheck
	FieldArea
	FieldFile
	FieldDate
	FieldRadio
)

// Field is one control of a form with its label, its help and what is wrong with it.
type Field struct {
	Type         FieldType
	Name         string // the form field; also the id, unless ID is set
	ID           string
	Label        string
	Help         string
	Error        string
	Value        string
	Placeholder  string
	Options      []Option // FieldSelect, FieldRadio
	Checked      bool     // FieldCheck
	Required     bool
	Min, Max     string // FieldNumber
	Autocomplete string
	Mono         bool
	Focus        bool // focused when its page or dialog opens
	Accept       string
	Rows         int // FieldArea
}

// Problem is something that went wrong where content would be.
type Problem struct {
	Title  string
	Detail string // what the server or the API server said
	Advice string // what to do
	Since  time.Time
	Links  []Link
	// Retry is an address that is asked again by a form; "" shows none.
	Retry     string
	RequestID string
	Tone      Tone
}
