package access

import "errors"

// Decision is what was decided about a request, as the audit writes it.
type Decision string

// The decisions.
const (
	DecisionAllow Decision = "allow"
	DecisionDeny  Decision = "deny"
	DecisionError Decision = "error"
)

// Record is the part of an audit event that the decision knows. It holds names and never bodies.
type Record struct {
	ActorID       int64
	ActorName     string
	AuthMethod    string
	TokenID       int64
	Cluster       string
	Group         string
	Resource      string
	Subresource   string
	Namespace     string
	Name          string
	Verb          Verb
	Effect        Effect
	Class         Class
	Decision      Decision
	Reason        string // Reason is "", hidden, forbidden, read_only_server, read_only_cluster, read_only_role or error.
	Rule          string // Rule is the rule that allowed, "role#index".
	PolicyVersion int64
	ReadOnly      bool // ReadOnly says that it was refused for being more than reading.
}

// Record returns what the audit writes about an allowed request.
func (p Permit) Record() Record {
	if p.g == nil {
		return refused(Subject{}, Request{}, ErrForbidden)
	}
	rec := newRecord(p.g.subject, p.g.request)
	rec.Decision, rec.Rule, rec.PolicyVersion = DecisionAllow, p.g.rule, p.g.version
	rec.Class = rec.Effect.Class()
	return rec
}

// RefusalRecord returns what the audit writes about a request that ended with err; ok is false if
// err is not a refusal.
func RefusalRecord(err error) (rec Record, ok bool) {
	var e *Error
	if !errors.As(err, &e) {
		return Record{}, false
	}
	rec = refused(e.Subject, e.Request, e.Err)
	rec.PolicyVersion = e.Version
	if e.ReadOnly != "" {
		rec.Reason, rec.ReadOnly = "read_only_"+string(e.ReadOnly), true
	}
	return rec, true
}

func refused(s Subject, r Request, err error) Record {
	rec := newRecord(s, r)
	rec.Decision, rec.Class = DecisionDeny, ClassB
	rec.Reason = "forbidden"
	if errors.Is(err, ErrHidden) {
		rec.Reason = "hidden"
	}
	return rec
}

func newRecord(s Subject, r Request) Record {
	return Record{
		ActorID: s.UserID, ActorName: s.Name, AuthMethod: s.AuthMethod, TokenID: s.TokenID,
		Cluster: r.Cluster, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource,
		Namespace: r.Namespace, Name: r.Name, Verb: r.Verb, Effect: r.Verb.Effect(),
	}
}
