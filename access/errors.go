package access

import (
	"errors"
	"strings"
)

var (
	// ErrHidden means that for this subject the thing does not exist; it is answered like a thing that is not there.
	ErrHidden = errors.New("not found")
	// ErrForbidden means that the subject may know of the thing but not do this.
	ErrForbidden = errors.New("no right")
	// ErrReadOnly means that the subject would have the right, were it not for read-only mode.
	ErrReadOnly = errors.New("read-only mode is enabled")
)

// Scope says which read-only mode refused a request.
type Scope string

// The three read-only modes.
const (
	ScopeServer  Scope = "server"
	ScopeCluster Scope = "cluster"
	ScopeRole    Scope = "role"
)

// Error is a refusal. It unwraps to ErrHidden, ErrForbidden or ErrReadOnly and carries the right
// that is missing, so that a page can say who may not do what, where.
type Error struct {
	Err     error   // Err is one of the three sentinels.
	Subject Subject // Subject is who was refused.
	Request Request // Request is the right that is missing.
	// ReadOnly says which read-only mode refused; "" unless Err is ErrReadOnly.
	ReadOnly Scope
	// Role is the role that is read-only, where ReadOnly is ScopeRole.
	Role string
	// Version is the policy that decided; 0 if there was none.
	Version int64
}

// Error says what is missing, for logs. Pages say it from Request.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	if e.ReadOnly != "" {
		b.WriteString(" (" + string(e.ReadOnly))
		if e.Role != "" {
			b.WriteString(" " + e.Role)
		}
		b.WriteString(")")
	}
	b.WriteString(": " + e.Request.String())
	return b.String()
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// kind is the resource as people write it: pods, pods/log, deployments.apps.
func (r Request) kind() string {
	kind := r.Resource
	if r.Group != "" && r.Group != TigaGroup {
		kind += "." + r.Group
	}
	if r.Subresource != "" {
		kind += "/" + r.Subresource
	}
	return kind
}

// String says the request in words, for logs and for the audit.
func (r Request) String() string {
	var b strings.Builder
	b.WriteString(string(r.Verb) + " " + r.kind())
	if r.Name != "" {
		b.WriteString(" " + r.Name)
	}
	if r.Namespace != "" {
		b.WriteString(" in namespace " + r.Namespace)
	}
	if r.Cluster != "" {
		b.WriteString(" in cluster " + r.Cluster)
	}
	return b.String()
}
