package access

// Verb is what a subject wants to do with an object.
type Verb string

// The verbs that there are. VerbAny stands in rules only; it grants the verbs that read or write
// Kubernetes objects and never those that run code, open a connection, reveal a Secret or
// administer Tiga. In a rule that denies it means every verb.
const (
	VerbAny         Verb = "*"
	VerbGet         Verb = "get"
	VerbList        Verb = "list"
	VerbWatch       Verb = "watch"
	VerbLogs        Verb = "logs"
	VerbEvents      Verb = "events"
	VerbMetrics     Verb = "metrics"
	VerbCreate      Verb = "create"
	VerbUpdate      Verb = "update"
	VerbPatch       Verb = "patch"
	VerbDelete      Verb = "delete"
	VerbScale       Verb = "scale"
	VerbRestart     Verb = "restart"
	VerbEvict       Verb = "evict"
	VerbExec        Verb = "exec"
	VerbAttach      Verb = "attach"
	VerbPortForward Verb = "portforward"
	VerbProxy       Verb = "proxy"
	VerbReveal      Verb = "reveal"
	VerbNodeShell   Verb = "nodeshell"
	VerbAdmin       Verb = "admin"
)

// Verbs returns every verb that a request can have, in the order in which a form shows them.
func Verbs() []Verb {
	return []Verb{
		VerbGet, VerbList, VerbWatch, VerbLogs, VerbEvents, VerbMetrics,
		VerbCreate, VerbUpdate, VerbPatch, VerbDelete, VerbScale, VerbRestart, VerbEvict,
		VerbExec, VerbAttach, VerbPortForward, VerbProxy, VerbReveal, VerbNodeShell, VerbAdmin,
	}
}

// Effect is what a verb does to the world, which is what routes declare, what read-only mode looks
// at and what the audit is classed by.
type Effect uint8

// The effects. A route that declares EffectNone stops the program at start.
const (
	EffectNone Effect = iota
	EffectRead
	EffectWrite
	EffectExec
	EffectProxy
	EffectReveal
	EffectAdmin
)

// String is the word that stands in logs and in the audit.
func (e Effect) String() string {
	switch e {
	case EffectRead:
		return "read"
	case EffectWrite:
		return "write"
	case EffectExec:
		return "exec"
	case EffectProxy:
		return "proxy"
	case EffectReveal:
		return "reveal"
	case EffectAdmin:
		return "admin"
	default:
		return "none"
	}
}

// Class says how a thing has to be audited.
type Class uint8

// The audit classes.
const (
	ClassNone Class = iota // ClassNone is not audited.
	ClassA                 // ClassA is fail-closed: the intent is committed before the effect, or the effect does not happen.
	ClassB                 // ClassB is spooled: refusals, failed sign-ins, audited reads.
)

// Class returns the audit class of an effect that is allowed to happen. A refusal is ClassB,
// whatever its effect. EffectNone is a mistake and is treated as the strictest.
func (e Effect) Class() Class {
	if e == EffectRead {
		return ClassNone
	}
	return ClassA
}

// Effect returns what the verb does; EffectNone for a verb that does not exist.
func (v Verb) Effect() Effect {
	switch v {
	case VerbGet, VerbList, VerbWatch, VerbLogs, VerbEvents, VerbMetrics:
		return EffectRead
	case VerbCreate, VerbUpdate, VerbPatch, VerbDelete, VerbScale, VerbRestart, VerbEvict:
		return EffectWrite
	case VerbExec, VerbAttach, VerbNodeShell:
		return EffectExec
	case VerbPortForward, VerbProxy:
		return EffectProxy
	case VerbReveal:
		return EffectReveal
	case VerbAdmin:
		return EffectAdmin
	default:
		return EffectNone
	}
}

// verbSet is a set of verbs, one bit each, so that most rules are passed over by one comparison.
type verbSet uint32

const (
	readVerbs   verbSet = 1<<6 - 1
	writeVerbs  verbSet = 1<<13 - 1 - readVerbs
	everyVerb   verbSet = 1<<20 - 1
	impliedVerb         = readVerbs | writeVerbs // what "*" grants
)

// bit returns the verb's place in a verbSet, in the order of Verbs; 0 for an unknown verb.
func (v Verb) bit() verbSet {
	switch v {
	case VerbGet:
		return 1 << 0
	case VerbList:
		return 1 << 1
	case VerbWatch:
		return 1 << 2
	case VerbLogs:
		return 1 << 3
	case VerbEvents:
		return 1 << 4
	case VerbMetrics:
		return 1 << 5
	case VerbCreate:
		return 1 << 6
	case VerbUpdate:
		return 1 << 7
	case VerbPatch:
		return 1 << 8
	case VerbDelete:
		return 1 << 9
	case VerbScale:
		return 1 << 10
	case VerbRestart:
		return 1 << 11
	case VerbEvict:
		return 1 << 12
	case VerbExec:
		return 1 << 13
	case VerbAttach:
		return 1 << 14
	case VerbPortForward:
		return 1 << 15
	case VerbProxy:
		return 1 << 16
	case VerbReveal:
		return 1 << 17
	case VerbNodeShell:
		return 1 << 18
	case VerbAdmin:
		return 1 << 19
	default:
		return 0
	}
}

func bits(verbs ...Verb) verbSet {
	var set verbSet
	for _, v := range verbs {
		set |= v.bit()
	}
	return set
}
