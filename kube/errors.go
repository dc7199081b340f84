package kube

import (
	"context"
	"errors"
	"strings"

	"tiga/kube/kinds"
)

// What can be asked of an error with errors.Is.
var (
	ErrNotFound     = errors.New("not found")
	ErrForbidden    = errors.New("refused by the cluster")
	ErrUnauthorized = errors.New("the cluster refuses our credentials")
	ErrUnreachable  = errors.New("cannot reach the cluster")
	ErrTimeout      = errors.New("the cluster did not answer in time")
	ErrConflict     = errors.New("changed meanwhile")
	ErrExists       = errors.New("exists already")
	ErrInvalid      = errors.New("refused as invalid")
	ErrBusy         = errors.New("too many requests")
	ErrGone         = errors.New("deleted meanwhile")
	ErrInternal     = errors.New("the cluster failed")
	ErrReadOnly     = errors.New("the cluster is read-only")
	ErrDisabled     = errors.New("the cluster is disabled")
	ErrBlocked      = errors.New("a disruption budget does not allow it now")
)

// ErrorKind says which of the errors above an Error is.
type ErrorKind uint8

// The kinds of errors, one for each sentinel.
const (
	KindInternal ErrorKind = iota
	KindNotFound
	KindForbidden
	KindUnauthorized
	KindUnreachable
	KindTimeout
	KindConflict
	KindExists
	KindInvalid
	KindBusy
	KindGone
	KindReadOnly
	KindDisabled
	KindBlocked
)

func (k ErrorKind) sentinel() error {
	switch k {
	case KindNotFound:
		return ErrNotFound
	case KindForbidden:
		return ErrForbidden
	case KindUnauthorized:
		return ErrUnauthorized
	case KindUnreachable:
		return ErrUnreachable
	case KindTimeout:
		return ErrTimeout
	case KindConflict:
		return ErrConflict
	case KindExists:
		return ErrExists
	case KindInvalid:
		return ErrInvalid
	case KindBusy:
		return ErrBusy
	case KindGone:
		return ErrGone
	case KindReadOnly:
		return ErrReadOnly
	case KindDisabled:
		return ErrDisabled
	case KindBlocked:
		return ErrBlocked
	case KindInternal:
		return ErrInternal
	default:
		return ErrInternal
	}
}

// Error is what went wrong between Tiga and a cluster.
type Error struct {
	Kind    ErrorKind
	Cluster string // the cluster's name; empty while a connection is being tested
	// Op is what was tried, for example "get" or "scale"; with the next three it says to what.
	Op, Resource, Namespace, Name string
	// Reason says in words what is wrong.
	Reason kinds.Message
	// Server is what the API server said. It is for people who may see the cluster; it is empty when the answer was not
	// the API server's.
	Server string
	// Causes are the fields that are wrong, where the refusal names any.
	Causes []Cause
	// Conflicts are the fields of an apply that other managers have set to something else.
	Conflicts []FieldConflict
	// RetryAfter is how many seconds to wait, when the cluster said so.
	RetryAfter int
	Err        error
}

// Cause is one field that is wrong.
type Cause struct {
	// Field is its path as API servers write it: spec.containers[0].image.
	Field string
	// Reason says it in our words, Message in those of the API server; one of them is empty.
	Reason  kinds.Message
	Message string
}

// Error is for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	for _, part := range []string{e.Resource, e.Namespace, e.Name} {
		if part != "" {
			b.WriteString(" " + part)
		}
	}
	if e.Cluster != "" {
		b.WriteString(" in cluster " + e.Cluster)
	}
	b.WriteString(": " + e.Kind.sentinel().Error())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return strings.TrimSpace(b.String())
}

// Is matches the sentinel of the error's kind.
func (e *Error) Is(target error) bool { return target == e.Kind.sentinel() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Says is the reason, with the API server's own words where ours cannot say enough: which rule of admission refused it,
// which quota is used up, which right is missing, what is wrong with a value.
func (e *Error) Says() kinds.Message {
	m := e.Reason
	switch {
	case e.Server == "" || m.Text != "":
	case e.Kind == KindInvalid && m.ID == "cluster.invalid": // which says no more than that it was refused
		m = kinds.Message{Text: e.Server}
	case e.Kind == KindInvalid, e.Kind == KindForbidden, e.Kind == KindInternal:
		m.Text = e.Server
	}
	return m
}

// message is one of this package's texts.
func message(id string, args ...any) kinds.Message {
	m := kinds.Message{ID: "cluster." + id}
	for i := 0; i+1 < len(args); i += 2 {
		if m.Args == nil {
			m.Args = map[string]any{}
		}
		m.Args[args[i].(string)] = args[i+1] //nolint:forcetypeassert // the callers are in this package and pass literals
	}
	return m
}

// target says what an operation is about.
type target struct{ op, resource, namespace, name string }

// wrap makes an Error of whatever came back from the cluster. A request whose caller went away is nobody's fault and
// stays context.Canceled.
func (c *Cluster) wrap(err error, t target) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	e := classify(err)
	if e.Kind == KindUnauthorized {
		e.Reason = c.refusal(e.Reason)
	}
	e.Cluster, e.Op, e.Resource, e.Namespace, e.Name = c.Name(), t.op, t.resource, t.namespace, t.name
	return e
}
