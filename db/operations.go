package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// The states of an operation.
const (
	OperationRunning     = "running"
	OperationStopping    = "stopping" // somebody asked for it to stop, and a step is not over
	OperationStopped     = "stopped"
	OperationDone        = "done"
	OperationFailed      = "failed"
	OperationInterrupted = "interrupted" // its process ended before it
)

// The states of a step.
const (
	StepPlanned = "planned" // nothing has happened
	StepRunning = "running" // its effect may have happened
	StepDone    = "done"
	StepSkipped = "skipped"
	StepFailed  = "failed"
	StepUnknown = "unknown" // its process ended before it knew
)

const (
	// OperationLease is how long a process that runs an operation may be silent before others give the operation up.
	OperationLease = 30 * time.Second
	// operationsKept and operationLife bound the history: so many of a cluster, and so long.
	operationsKept = 200
	operationLife  = 30 * 24 * time.Hour
)

// ErrLost says that an operation is not this process's any more: others have given it up.
var ErrLost = errors.New("operation was given up")

// NewOperation is an operation that begins, with its steps in order.
type NewOperation struct {
	Kind        string
	ClusterID   int64
	ClusterName string
	Resource    string
	Name        string
	Parameters  string // JSON
	ActorID     int64
	ActorName   string
	Owner       string
	Steps       []NewStep
	// Limit is how many operations of the cluster may be under way, this one included.
	Limit int64
	Now   int64
}

// NewStep is one step that is planned.
type NewStep struct{ Action, Resource, Namespace, Name, UID string }

// CreateOperation keeps an operation that begins, and returns its id. One too many of a cluster is an ErrLimit.
func (q *Queries) CreateOperation(ctx context.Context, o NewOperation) (string, error) {
	// What has ended makes room first, so that history stays bounded without anybody who tidies up.
	if _, err := q.pruneOperations(ctx, o.Now-operationLife.Microseconds()); err != nil {
		return "", fmt.Errorf("create operation: %w", err)
	}
	if _, err := q.trimOperations(ctx, o.ClusterID, operationsKept-1); err != nil {
		return "", fmt.Errorf("create operation: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("create operation: %w", err)
	}
	err = q.insertOperation(ctx, insertOperationParams{
		ID: id.String(), Kind: o.Kind, ClusterID: o.ClusterID, ClusterName: o.ClusterName, Resource: o.Resource, Name: o.Name,
		Parameters: orDefault(o.Parameters, "{}"), ActorID: o.ActorID, ActorName: o.ActorName, Owner: o.Owner, Now: o.Now,
	})
	if err != nil {
		return "", fmt.Errorf("create operation: %w", err)
	}
	// Counted after it is there: of two that begin at the same time each sees itself, and on PostgreSQL perhaps only
	// itself; the bound is there to keep a cluster usable, not to be exact to one.
	n, err := q.countOperationsUnderWay(ctx, o.ClusterID)
	if err == nil && n > o.Limit {
		err = fmt.Errorf("%d are under way: %w", n-1, ErrLimit)
	}
	if err != nil {
		return "", fmt.Errorf("create operation: %w", err)
	}
	return id.String(), q.AddSteps(ctx, id.String(), 0, o.Steps)
}

// AddSteps plans more steps of an operation, from a position on.
func (q *Queries) AddSteps(ctx context.Context, id string, from int64, steps []NewStep) error {
	for i, s := range steps {
		err := q.insertOperationStep(ctx, insertOperationStepParams{
			OperationID: id, Position: from + int64(i), Action: s.Action, Resource: s.Resource, Namespace: s.Namespace, Name: s.Name, ObjectUID: s.UID,
		})
		if err != nil {
			return fmt.Errorf("add step: %w", err)
		}
	}
	return nil
}

// StepChange is the new state of a step.
type StepChange struct {
	Operation, Owner string
	Position         int64
	State            string
	Message          string // JSON
	Now              int64
}

// SetStep notes the state of a step. An operation that others have given up is an ErrLost: then its process does nothing more.
func (q *Queries) SetStep(ctx context.Context, c StepChange) error {
	n, err := q.markOperation(ctx, c.Now, c.Operation, c.Owner)
	if err == nil && n == 0 {
		err = ErrLost
	}
	if err != nil {
		return fmt.Errorf("set step: %w", err)
	}
	ended := c.Now
	if c.State == StepPlanned || c.State == StepRunning {
		ended = 0
	}
	started := c.Now
	if c.State == StepPlanned {
		started = 0
	}
	return wrap("set step", found(q.setOperationStep(ctx, setOperationStepParams{
		State: c.State, Message: c.Message, StartedAt: started, EndedAt: ended, OperationID: c.Operation, Position: c.Position,
	})))
}

// TouchOperation says that the process is still at it, and returns the operation's state. One that others have given up is an
// ErrLost.
func (q *Queries) TouchOperation(ctx context.Context, id, owner string, now int64) (state string, err error) {
	state, err = q.touchOperation(ctx, now, id, owner)
	if errors.Is(err, ErrNotFound) {
		err = ErrLost
	}
	return state, wrap("touch operation", err)
}

// StopOperation asks for an operation to stop. One that is not running is left as it is.
func (q *Queries) StopOperation(ctx context.Context, id string, now int64) error {
	_, err := q.stopOperation(ctx, now, id)
	return wrap("stop operation", err)
}

// EndOperation notes how an operation ended.
func (q *Queries) EndOperation(ctx context.Context, id, owner, state, message string, now int64) error {
	n, err := q.endOperation(ctx, endOperationParams{State: state, Message: message, Now: now, ID: id, Owner: owner})
	if err == nil && n == 0 {
		err = ErrLost
	}
	return wrap("end operation", err)
}

// InterruptOperations gives up the operations whose process has not been heard of since before: steps that were under way
// are unknown from then on. It returns their ids.
func (q *Queries) InterruptOperations(ctx context.Context, before, now int64) ([]string, error) {
	left, err := q.operationsLeft(ctx, before)
	if err != nil {
		return nil, fmt.Errorf("interrupt operations: %w", err)
	}
	var out []string
	for _, id := range left {
		n, err := q.interruptOperation(ctx, now, id, before)
		if err == nil && n > 0 {
			out = append(out, id)
			err = q.interruptSteps(ctx, now, id)
		}
		if err != nil {
			return nil, fmt.Errorf("interrupt operations: %w", err)
		}
	}
	return out, nil
}
