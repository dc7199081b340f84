package kinds

// Tone says how well something is. It is shown by a shape, a colour and a
// weight, never by the colour alone.
type Tone uint8

// The tones, from "says nothing" to "somebody has to act".
const (
	ToneNone Tone = iota
	ToneIdle      // finished, switched off, scaled to zero: nothing runs and nothing is wrong
	ToneInfo      // on its way
	ToneOK        // well
	ToneWarn      // not well, and may recover by itself or wait for somebody
	ToneBad       // broken
)

// String is the tone in a word, as programs read it.
func (t Tone) String() string {
	return [...]string{"none", "idle", "info", "ok", "warn", "bad"}[min(t, ToneBad)]
}

// Message is text that is chosen here and written elsewhere: ID is a key of
// the message catalogues, Text are words that came from a cluster and are
// shown as they are. When both are set, the catalogue's sentence comes first.
//
// Args are strings, integers, and instants: a time.Time is shown as an age
// ("3m") with the full time on hover, so that a row that does not change stays
// true while time passes.
type Message struct {
	ID   string
	Args map[string]any
	Text string
}

// IsZero reports whether there is nothing to say.
func (m Message) IsZero() bool { return m.ID == "" && m.Text == "" }

// Status is the answer to "is it well, and why not".
type Status struct {
	Word   string  // what kubectl prints where it prints one; see Label
	Reason Message // why, in muted text behind the word
	Tone   Tone
	Since  int64 // unix seconds at which this status began, 0 when nobody recorded it
}

// Label is the word as it is to be shown. Kubernetes' own words stay as they
// are in every language; the few that are ours have the id "word.<Word>".
func (s Status) Label() Message {
	if ourWords[s.Word] {
		return Message{ID: "word." + s.Word}
	}
	return Message{Text: s.Word}
}

// The status words that are not Kubernetes' own.
const (
	WordStuck          = "Stuck"          // a rollout that passed its progress deadline
	WordScaledToZero   = "ScaledToZero"   // wants no replicas and has none
	WordUnavailable    = "Unavailable"    // fewer replicas available than the rollout strategy allows
	WordPaused         = "Paused"         // the rollout is paused
	WordReplicaFailure = "ReplicaFailure" // pods are refused, for example by a quota
	WordUnreadable     = "Unreadable"     // the object breaks the rules of its kind
)

// ourWords are all of them.
var ourWords = map[string]bool{
	WordStuck: true, WordScaledToZero: true, WordUnavailable: true, WordPaused: true, WordReplicaFailure: true, WordUnreadable: true,
	WordOutdated: true, WordNoNodes: true, WordOldRevision: true, WordRunFailed: true, WordOverdue: true, WordScheduled: true, WordInvalid: true, WordCannotScale: true, WordNoMetrics: true,
	WordSwitchedOff: true, WordScaling: true, WordAtMaximum: true, WordLimited: true, WordNoPods: true, WordAllowsEvictions: true, WordBlocksEvictions: true,
	WordNoEndpoints: true, WordPublished: true, WordNoClass: true, WordNotAccepted: true, WordNotProgrammed: true, WordNotResolved: true, WordNotAttached: true,
	WordHeld: true, WordExpired: true, WordFree: true, WordAtLimit: true, WordNearLimit: true, WordWithinLimit: true, WordAttached: true, WordAttaching: true, WordAttachFailed: true,
	WordNamesTaken: true, WordNoCABundle: true, WordBlocksItself: true, WordTypeErrors: true,
}

// Form says how a cell is written and how it sorts.
type Form uint8

// The forms. The numeric ones (Number, Age, Time, CPU, Bytes, Ratio) sort by
// Num, Status sorts by Num and then Text (the worst first), the rest by Text.
const (
	FormText   Form = iota
	FormName        // a name, image or version: monospace
	FormNumber      // Num
	FormAge         // Num is an instant in unix seconds; ascending means youngest first
	FormCPU         // Num is a number of cores
	FormBytes       // Num is a number of bytes
	FormRatio       // Text is "2/3", Num the fraction
	FormStatus      // Text is the word, Note the reason
	FormTime        // Num is an instant in unix seconds, shown as date and time
)

// Numeric reports whether cells of the form sort by Num and align right.
func (f Form) Numeric() bool {
	switch f {
	case FormNumber, FormAge, FormCPU, FormBytes, FormRatio, FormTime:
		return true
	default:
		return false
	}
}

// String is the form in a word, as programs read it.
func (f Form) String() string {
	return [...]string{"text", "name", "number", "age", "cpu", "bytes", "ratio", "status", "time"}[min(f, FormTime)]
}

// Cell is one value of a row or of a fact. The zero Cell means "none" and is
// shown as a dash, also in a numeric column, where it sorts first.
type Cell struct {
	Text string
	Num  float64
	Form Form
	Tone Tone
	Note Message // muted text behind the value
}

// Empty reports whether the cell has no value.
func (c Cell) Empty() bool { return c.Text == "" && !c.Form.Numeric() }

// Pair is a label or an annotation.
type Pair struct{ Key, Value string }

// Ref is a reference from one object to another. Kind is the ID of a kind,
// whether this registry has it or not; Via says which field refers, for
// example "node", "volume", "envFrom".
type Ref struct{ Kind, Namespace, Name, Via string }

// Owner is an owner reference.
type Owner struct {
	APIVersion, Kind, Name, UID string
	Controller                  bool
}

// Row is the projection of an object: what lists, search and relations need of
// it and nothing more. It is never changed once made, so it is shared between
// goroutines freely.
type Row struct {
	UID, Namespace, Name, ResourceVersion string
	Created, Deleted                      int64 // unix seconds, 0 for none
	Labels, Annotations                   []Pair
	Owners                                []Owner
	Status                                Status
	Later                                 *Later // nil for nearly all
	State                                 State  // which actions would do something
	Cells                                 []Cell // one for each of the kind's Columns
	Refs                                  []Ref
	Kept                                  any // what the kind's descriptor keeps beyond that, such as the *Definition of a CustomResourceDefinition
}

// Later is what a row's status becomes at an instant unless its object changes before: that nothing happens where
// something was due changes no object.
type Later struct {
	At     int64 // unix seconds
	Status Status
}

// Label is the value of the label with the given key.
func (r *Row) Label(key string) (string, bool) {
	for i := range r.Labels {
		if r.Labels[i].Key == key {
			return r.Labels[i].Value, true
		}
	}
	return "", false
}
