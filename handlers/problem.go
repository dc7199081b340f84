package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/kube"
	"tiga/kube/kinds"
)

// Errors that handlers themselves return. The rest comes from access, db and kube.
var (
	errSignedOut = errors.New("signed out")
	errNoRoute   = errors.New("no such page")
	errMethod    = errors.New("method not allowed")
)

// ProblemError is an error with the response that it becomes. Its texts are message ids: "problem.<ID>.title",
// ".detail" and ".action", with Args for their placeholders.
type ProblemError struct {
	Status int
	ID     string
	Args   map[string]any
	// Words says more, in words of ours (an id) or of the API server (a text); either may be empty.
	Words kinds.Message
	// Retry is the delay for a Retry-After header; 0 means none.
	Retry time.Duration
	// Cluster is the name of the cluster that could not answer, for the banner of its pages; else empty.
	Cluster string
	Err     error
}

func (p *ProblemError) Error() string {
	if p.Err != nil {
		return fmt.Sprintf("%d %s: %v", p.Status, p.ID, p.Err)
	}
	return fmt.Sprintf("%d %s", p.Status, p.ID)
}

func (p *ProblemError) Unwrap() error { return p.Err }

// badInput is a request that cannot be understood; id names the message group.
func badInput(id string, args map[string]any) *ProblemError {
	return &ProblemError{Status: http.StatusBadRequest, ID: id, Args: args}
}

// problem turns any error into the response that it becomes. The first match wins; what matches nothing is ours
// (500) and says no more than the request's id.
func problem(err error) *ProblemError {
	var (
		p       *ProblemError
		refusal *guard.Refusal
		denied  *access.Error
		cluster *kube.Error
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return &ProblemError{Status: refusal.Status, ID: refusal.ID, Retry: refusal.RetryAfter, Err: err}
	case errors.As(err, &tooBig):
		return &ProblemError{Status: http.StatusRequestEntityTooLarge, ID: "too_large", Args: map[string]any{"Limit": tooBig.Limit}, Err: err}
	case errors.Is(err, errSignedOut):
		return &ProblemError{Status: http.StatusUnauthorized, ID: "signed_out", Err: err}
	case errors.Is(err, errUnproven):
		return &ProblemError{Status: http.StatusForbidden, ID: "unproven", Err: err}
	case errors.Is(err, errNoRoute):
		return &ProblemError{Status: http.StatusNotFound, ID: "not_found", Err: err}
	case errors.Is(err, errMethod):
		return &ProblemError{Status: http.StatusMethodNotAllowed, ID: "method", Err: err}
	case errors.Is(err, access.ErrReadOnly):
		return &ProblemError{Status: http.StatusForbidden, ID: "read_only", Err: err}
	case errors.Is(err, access.ErrHidden):
		return &ProblemError{Status: http.StatusNotFound, ID: "not_found", Err: err}
	case errors.As(err, &denied):
		return &ProblemError{Status: http.StatusForbidden, ID: "forbidden", Args: deniedArgs(denied), Err: err}
	case errors.Is(err, access.ErrBusy):
		return &ProblemError{Status: http.StatusTooManyRequests, ID: "busy", Retry: 2 * time.Second, Err: err}
	case errors.As(err, &cluster):
		return clusterProblem(cluster)
	case errors.Is(err, kube.ErrNotFound), errors.Is(err, db.ErrNotFound):
		return &ProblemError{Status: http.StatusNotFound, ID: "not_found", Err: err}
	case errors.Is(err, kube.ErrDetecting):
		return &ProblemError{Status: http.StatusConflict, ID: "prometheus_detecting", Err: err}
	case errors.Is(err, kube.ErrPrometheusSet):
		return &ProblemError{Status: http.StatusConflict, ID: "prometheus_set", Err: err}
	case errors.Is(err, kube.ErrDisabled):
		return &ProblemError{Status: http.StatusConflict, ID: "cluster_disabled", Err: err}
	case errors.Is(err, db.ErrConflict):
		return &ProblemError{Status: http.StatusConflict, ID: "taken", Err: err}
	case errors.Is(err, db.ErrCursor):
		return &ProblemError{Status: http.StatusBadRequest, ID: "bad_request", Err: err}
	case errors.Is(err, db.ErrFull):
		return &ProblemError{Status: http.StatusServiceUnavailable, ID: "store_full", Retry: time.Minute, Err: err}
	case errors.Is(err, db.ErrBusy), errors.Is(err, db.ErrUnavailable):
		return &ProblemError{Status: http.StatusServiceUnavailable, ID: "store", Retry: 5 * time.Second, Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &ProblemError{Status: http.StatusGatewayTimeout, ID: "slow", Retry: 5 * time.Second, Err: err}
	}
	return &ProblemError{Status: http.StatusInternalServerError, ID: "internal", Err: err}
}

// clusterProblem is the part of problem for what a cluster, or the way to it, answered. A cluster that refuses the
// credentials Tiga holds is a bad gateway: the person is signed in, and 401 would say otherwise.
func clusterProblem(e *kube.Error) *ProblemError {
	p := &ProblemError{Status: http.StatusBadGateway, ID: "cluster", Words: e.Says(), Err: e, Args: map[string]any{
		"Cluster": e.Cluster, "Resource": e.Resource, "Namespace": e.Namespace, "Name": e.Name,
	}}
	switch {
	case errors.Is(e, kube.ErrNotFound) && e.Op == "find":
		p.Status, p.ID = http.StatusNotFound, "unknown_kind"
	case errors.Is(e, kube.ErrNotFound):
		p.Status, p.ID = http.StatusNotFound, "not_found"
	case errors.Is(e, kube.ErrDisabled):
		p.Status, p.ID = http.StatusConflict, "cluster_disabled"
	case errors.Is(e, kube.ErrReadOnly):
		p.Status, p.ID = http.StatusForbidden, "read_only"
	case errors.Is(e, kube.ErrForbidden):
		p.Status, p.ID = http.StatusForbidden, "cluster_forbids"
	case errors.Is(e, kube.ErrConflict):
		p.Status, p.ID = http.StatusConflict, "changed"
	case errors.Is(e, kube.ErrExists):
		p.Status, p.ID = http.StatusConflict, "taken"
	case errors.Is(e, kube.ErrInvalid):
		p.Status, p.ID = http.StatusUnprocessableEntity, "refused"
	case errors.Is(e, kube.ErrGone):
		p.Status, p.ID = http.StatusGone, "gone"
	case errors.Is(e, kube.ErrBlocked):
		p.Status, p.ID = http.StatusTooManyRequests, "blocked"
		p.Retry = max(time.Duration(e.RetryAfter)*time.Second, 10*time.Second)
	case errors.Is(e, kube.ErrBusy):
		p.Status, p.ID, p.Retry = http.StatusTooManyRequests, "cluster_busy", 5*time.Second
	case errors.Is(e, kube.ErrUnauthorized):
		p.ID, p.Cluster = "cluster_credentials", e.Cluster
	case errors.Is(e, kube.ErrTimeout):
		p.Status, p.ID, p.Cluster = http.StatusGatewayTimeout, "cluster_slow", e.Cluster
	case errors.Is(e, kube.ErrUnreachable):
		p.ID, p.Cluster = "cluster_unreachable", e.Cluster
	}
	return p
}

// deniedArgs names the missing right: what may not be done, to what, where.
func deniedArgs(e *access.Error) map[string]any {
	r := e.Request
	where := r.Cluster
	if where == "" {
		where = "Tiga"
	}
	if r.Namespace != "" {
		where = r.Cluster + " / " + r.Namespace
	}
	what := r.Resource
	if r.Group != "" && r.Group != access.TigaGroup {
		what += "." + r.Group
	}
	return map[string]any{"Verb": string(r.Verb), "Resource": what, "Where": where, "Name": r.Name}
}
