package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/live"
)

// The kinds of operations.
const (
	operationDrain = "drain"
	operationApply = "apply"
)

const (
	// operationsAtOnce bounds how many operations of one cluster are under way.
	operationsAtOnce = 4
	// stepsAtOnce bounds how many steps of one operation ask the cluster at the same time.
	stepsAtOnce = 8
	// keepTrying is how long an operation waits for a store that is away.
	keepTrying = 20 * time.Second
)

// pace is how often operations look again; tests are faster.
type pace struct {
	heartbeat time.Duration // says that the process lives, and asks whether somebody wants the operation to stop
	retry     time.Duration // between tries of what was not possible a moment ago
	look      time.Duration // between looks at what a step waits for
}

func usualPace() pace {
	return pace{heartbeat: 2 * time.Second, retry: 3 * time.Second, look: time.Second}
}

// undertakings are the operations that this process runs.
type undertakings struct {
	owner string // names this process in the store
	pace  pace

	begin sync.Mutex // held while one begins, so that each sees those before

	mu      sync.Mutex
	closed  bool
	running map[string]*undertaking
	wait    sync.WaitGroup
}

func newUndertakings() *undertakings {
	return &undertakings{owner: uuid.NewString(), pace: usualPace(), running: map[string]*undertaking{}}
}

// undertaking is an operation that this process runs. It outlives the request that began it.
type undertaking struct {
	s       *Server
	id      string
	kind    string
	cluster *kube.Cluster
	subject access.Subject
	event   db.Event // of the request that began it: who, from where
	pace    pace
	slots   chan struct{}
	marks   marks

	ctx    context.Context //nolint:containedctx // the operation's own life
	cancel context.CancelFunc
	halted chan struct{} // closed when nothing more is begun

	mu  sync.Mutex
	why kinds.Message // it was halted
	bad bool          // because something failed, as against because somebody wanted it
}

// task is what an operation does once it has begun: it ends with a state and why.
type task func(u *undertaking) (state string, why kinds.Message)

// begin starts an operation: its audit intent, its record with all steps planned, then the work. What it does outlives
// the request; it ends between two steps when somebody stops it, when rights are taken away, or when the program ends.
func (s *Server) begin(r *http.Request, e db.Event, o db.NewOperation, do task) (string, error) {
	c := clusterOf(r)
	o.ClusterID, o.ClusterName, o.Owner, o.Limit, o.Now = c.ID(), c.Name(), s.undertakings.owner, operationsAtOnce, s.now().UnixMicro()
	o.ActorID, o.ActorName = e.ActorID, e.Actor
	// A form that is sent twice, or by two people, begins one.
	s.undertakings.begin.Lock()
	defer s.undertakings.begin.Unlock()
	if id, err := s.underWayAlready(r.Context(), o); id != "" || err != nil {
		return id, err
	}
	intent, err := s.store.Audit().Append(r.Context(), e)
	if err != nil {
		return "", auditDown(err)
	}
	refused := func(err error) (string, error) {
		s.settle(r.Context(), intent, e.RequestID, outcomeOf("", err))
		return "", err
	}
	u := &undertaking{
		s: s, kind: o.Kind, cluster: c, subject: subjectOf(r), event: s.event(r), pace: s.undertakings.pace,
		slots: make(chan struct{}, stepsAtOnce), halted: make(chan struct{}),
	}
	err = s.store.Write(r.Context(), func(q *db.Queries) (err error) {
		u.id, err = q.CreateOperation(r.Context(), o)
		return err
	})
	if errors.Is(err, db.ErrLimit) {
		return refused(&ProblemError{Status: http.StatusTooManyRequests, ID: "operations_busy", Args: map[string]any{"Cluster": c.Name(), "Limit": operationsAtOnce}, Retry: 10 * time.Second, Err: err})
	}
	if err != nil {
		return refused(err)
	}
	u.ctx, u.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	if !s.undertakings.add(u) {
		u.cancel()
		u.end(intent, db.OperationStopped, kinds.Message{ID: "operation.why.shutdown"})
		return u.id, nil
	}
	s.hub.Publish(live.Operations(c.ID()))
	go func() {
		defer s.undertakings.remove(u)
		u.run(intent, do)
	}()
	return u.id, nil
}

// underWayAlready finds an operation of the same kind on the same object that is not over. Applying is about no object: there
// it is one, over or not, that the same person began by the same form, whose token is in the parameters.
func (s *Server) underWayAlready(ctx context.Context, o db.NewOperation) (id string, err error) {
	rows, err := s.store.Read().OperationsOfCluster(ctx, o.ClusterID, operationsShown)
	for _, row := range rows {
		if o.Name == "" && row.Kind == o.Kind && row.ActorID == o.ActorID && sameForm(row.Parameters, o.Parameters) {
			return row.ID, nil
		}
		if o.Name != "" && underWay(row.State) && row.Kind == o.Kind && row.Resource == o.Resource && row.Name == o.Name {
			return row.ID, nil
		}
	}
	return "", err
}

// add takes an operation in, unless the program is ending.
func (us *undertakings) add(u *undertaking) bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.closed {
		return false
	}
	us.running[u.id] = u
	us.wait.Add(1)
	return true
}

func (us *undertakings) remove(u *undertaking) {
	us.mu.Lock()
	defer us.mu.Unlock()
	delete(us.running, u.id)
	us.wait.Done()
}

func (us *undertakings) of(id string) *undertaking {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.running[id]
}

// close lets nothing more begin, and asks what runs to stop between two steps.
func (us *undertakings) close() {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.closed = true
	for _, u := range us.running {
		u.halt(kinds.Message{ID: "operation.why.shutdown"}, false)
	}
}

// Settle returns when every operation has stopped, or when ctx ends; then it gives up those that have not.
func (s *Server) Settle(ctx context.Context) {
	s.undertakings.close()
	ended := make(chan struct{})
	go func() {
		s.undertakings.wait.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	s.undertakings.mu.Lock()
	for _, u := range s.undertakings.running {
		u.cancel() // what is under way then is told as unknown, which it is
	}
	s.undertakings.mu.Unlock()
	<-ended
}

// run does the work and writes down how it ended.
func (u *undertaking) run(intent db.Intent, do task) {
	defer u.cancel()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		u.beat()
	}()
	state, why := u.guarded(do)
	u.cancel()
	<-beating
	u.end(intent, state, why)
}

// guarded keeps a mistake in a task from taking the program with it.
func (u *undertaking) guarded(do task) (state string, why kinds.Message) {
	defer func() {
		if p := recover(); p != nil {
			u.s.log.ErrorContext(u.ctx, "panic in an operation", "panic", fmt.Sprint(p), "operation", u.id)
			state, why = db.OperationFailed, kinds.Message{ID: "operation.why.internal"}
		}
	}()
	return do(u)
}

// end writes how the operation ended, into its record and into the audit.
func (u *undertaking) end(intent db.Intent, state string, why kinds.Message) {
	ctx := context.WithoutCancel(u.ctx)
	err := u.kept(ctx, func(q *db.Queries) error {
		return q.EndOperation(ctx, u.id, u.s.undertakings.owner, state, encodeMessage(why), u.s.now().UnixMicro())
	})
	if err != nil {
		u.s.log.ErrorContext(ctx, "end of an operation not kept", "error", err, "operation", u.id)
	}
	out := db.Outcome{Result: db.ResultOK, HTTPStatus: http.StatusOK}
	if state != db.OperationDone {
		out.Result, out.Reason, out.Message = db.ResultFailed, state, why.Text
	}
	u.s.settle(ctx, intent, u.event.RequestID, out)
	u.s.hub.Publish(live.Operations(u.cluster.ID()))
}

// beat says that this process is at it, and hears whether another one was asked to stop it.
func (u *undertaking) beat() {
	tick := time.NewTicker(u.pace.heartbeat)
	defer tick.Stop()
	heard := u.s.now()
	for {
		select {
		case <-u.ctx.Done():
			return
		case <-tick.C:
		}
		var state string
		err := u.s.store.Write(u.ctx, func(q *db.Queries) (err error) {
			state, err = q.TouchOperation(u.ctx, u.id, u.s.undertakings.owner, u.s.now().UnixMicro())
			return err
		})
		switch {
		case err == nil:
			heard = u.s.now()
			if state == db.OperationStopping {
				u.halt(kinds.Message{ID: "operation.why.asked"}, false)
			}
		case errors.Is(err, db.ErrLost), u.s.now().Sub(heard) > db.OperationLease/2:
			// Others take it for gone, or soon will: nothing more may be begun.
			u.halt(kinds.Message{ID: "operation.why.store"}, true)
		}
	}
}

// halt lets nothing more begin. The first reason counts.
func (u *undertaking) halt(why kinds.Message, bad bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.halted:
	default:
		u.why, u.bad = why, bad
		close(u.halted)
	}
}

// isHalted says whether nothing more may begin.
func (u *undertaking) isHalted() bool {
	select {
	case <-u.halted:
		return true
	default:
		return false
	}
}

// reason is why it was halted, and the state that it ends in by that.
func (u *undertaking) reason() (state string, why kinds.Message) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bad {
		return db.OperationFailed, u.why
	}
	return db.OperationStopped, u.why
}

// pause waits, or returns false at once when nothing more may begin.
func (u *undertaking) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-u.halted:
		return false
	case <-u.ctx.Done():
		return false
	}
}

// kept writes to the store, again and again for a while where it is away.
func (u *undertaking) kept(ctx context.Context, write func(*db.Queries) error) error {
	until := time.Now().Add(keepTrying)
	for {
		err := u.s.store.Write(ctx, write)
		if err == nil || errors.Is(err, db.ErrLost) || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// mark writes the state of a step, which pages show from then on. It is called before the effect and after it: an error
// means that the effect must not happen.
func (u *undertaking) mark(position int, state string, m kinds.Message) error {
	ctx := context.WithoutCancel(u.ctx) // what has happened is written although the operation ends
	err := u.ctx.Err()
	if state != db.StepRunning || err == nil {
		err = u.marks.keep(u, db.StepChange{
			Operation: u.id, Owner: u.s.undertakings.owner, Position: int64(position), State: state, Message: encodeMessage(m), Now: u.s.now().UnixMicro(),
		})
	}
	if err != nil {
		u.s.log.ErrorContext(ctx, "state of a step not kept", "error", err, "operation", u.id, "step", position)
		u.halt(kinds.Message{ID: "operation.why.store"}, true)
		return err
	}
	u.s.hub.Publish(live.Operations(u.cluster.ID()))
	return nil
}

// marks are the states of steps that wait to be written: those that come while one is being written go together, so that
// many steps side by side do not wait for as many commits.
type marks struct {
	mu      sync.Mutex
	waiting []waitingMark
	writing bool
}

type waitingMark struct {
	change db.StepChange
	done   chan error
}

// keep returns when the change is committed.
func (ms *marks) keep(u *undertaking, c db.StepChange) error {
	mark := waitingMark{c, make(chan error, 1)}
	ms.mu.Lock()
	ms.waiting = append(ms.waiting, mark)
	if !ms.writing {
		ms.writing = true
		go ms.write(u)
	}
	ms.mu.Unlock()
	return <-mark.done
}

// write writes until nothing waits.
func (ms *marks) write(u *undertaking) {
	ctx := context.WithoutCancel(u.ctx)
	for {
		ms.mu.Lock()
		batch := ms.waiting
		ms.waiting = nil
		if ms.writing = len(batch) > 0; !ms.writing {
			ms.mu.Unlock()
			return
		}
		ms.mu.Unlock()
		err := u.kept(ctx, func(q *db.Queries) error {
			for _, m := range batch {
				if err := q.SetStep(ctx, m.change); err != nil {
					return err
				}
			}
			return nil
		})
		for _, m := range batch {
			m.done <- err
		}
	}
}

// permit asks for a right anew: rights that were taken away since the operation began end it. A06
func (u *undertaking) permit(req access.Request) (access.Permit, error) {
	if !u.counts() {
		err := fmt.Errorf("operation %s: %w", u.id, errSignedOut)
		u.halt(kinds.Message{ID: "operation.why.person"}, false)
		return access.Permit{}, err
	}
	permit, err := u.s.authority.Check(u.subject, req)
	switch {
	case err == nil:
	case errors.Is(err, access.ErrReadOnly):
		u.halt(kinds.Message{ID: "operation.why.read_only"}, false)
	default:
		u.halt(kinds.Message{ID: "operation.why.rights"}, false)
	}
	return permit, err
}

// counts says whether whoever began it may still do anything: the account is there and enabled, the token not revoked.
// Signing out ends nothing: an operation goes on when its tab is closed.
func (u *undertaking) counts() bool {
	ctx, cancel := context.WithTimeout(u.ctx, storeBudget)
	defer cancel()
	user, err := u.s.store.Read().User(ctx, u.subject.UserID)
	if errors.Is(err, db.ErrNotFound) || err == nil && user.Disabled {
		return false
	}
	return u.subject.TokenID == 0 || err != nil || u.s.tokenCounts(ctx, u.subject)
}

// intent writes that a step is about to do something. Where it cannot be written, nothing is done and nothing more begun.
func (u *undertaking) intent(permit access.Permit, uid string) (db.Intent, error) {
	e := u.event
	rec := permit.Record()
	e.Cluster, e.ClusterID, e.Group, e.Resource, e.Namespace, e.Name = rec.Cluster, u.cluster.ID(), rec.Group, rec.Resource, rec.Namespace, rec.Name
	e.Verb, e.Effect, e.Decision, e.PolicyVersion, e.ObjectUID = string(rec.Verb), rec.Effect.String(), string(rec.Decision), rec.PolicyVersion, uid
	intent, err := u.s.store.Audit().Append(u.ctx, e)
	if err != nil {
		u.halt(kinds.Message{ID: "operation.why.audit"}, true)
	}
	return intent, err
}

// settle writes how a step ended that was intended.
func (u *undertaking) settle(intent db.Intent, change kube.Change, err error) {
	ctx := context.WithoutCancel(u.ctx)
	u.s.settle(ctx, intent, u.event.RequestID, outcomeOf(changeDiff(change), err))
	if err == nil {
		u.s.history.did(ctx, intent.Row(), 0, change)
	}
}

// current is the cluster as it is now: it is built anew when its credentials change.
func (u *undertaking) current() (*kube.Cluster, error) { return u.s.fleet.Cluster(u.cluster.ID()) }

// encodeMessage is a message as the store keeps it.
func encodeMessage(m kinds.Message) string {
	if m.IsZero() {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(text)
}

// decodeMessage is the reverse of encodeMessage. Numbers are whole ones.
func decodeMessage(text string) kinds.Message {
	var m kinds.Message
	if text == "" || json.Unmarshal([]byte(text), &m) != nil {
		return kinds.Message{}
	}
	for name, v := range m.Args {
		if n, ok := v.(float64); ok {
			m.Args[name] = int(n)
		}
	}
	return m
}

// messageOf says in words what went wrong with a step.
func messageOf(err error) kinds.Message {
	p := problem(err)
	m := kinds.Message{ID: "problem." + p.ID + ".title", Args: p.Args}
	if k, ok := errors.AsType[*kube.Error](err); ok {
		m = k.Says()
	}
	return m
}

// interrupt gives up the operations of processes that are gone. A SQLite store is this process's alone, so that at the
// start nothing can be under way in another.
func (s *Server) interrupt(ctx context.Context, starting bool) error {
	now := s.now()
	before := now.Add(-db.OperationLease)
	if s.store.Engine() == "sqlite" {
		if !starting {
			return nil // a process that slept must not give up its own
		}
		before = now.Add(24 * time.Hour)
	}
	var ids []string
	err := s.store.Write(ctx, func(q *db.Queries) (err error) {
		ids, err = q.InterruptOperations(ctx, before.UnixMicro(), now.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("interrupt operations: %w", err)
	}
	if len(ids) > 0 {
		s.log.WarnContext(ctx, "operations of a process that is gone are interrupted", "count", len(ids))
	}
	return s.announceOperations(ctx, now)
}

// announceOperations tells pages of operations that changed since a moment, whichever process did it.
func (s *Server) announceOperations(ctx context.Context, since time.Time) error {
	rows, err := s.store.Read().OperationsSince(ctx, since.UnixMicro())
	if err != nil {
		return fmt.Errorf("look for operations: %w", err)
	}
	for _, o := range rows {
		s.hub.Publish(live.Operations(o.ClusterID))
	}
	return nil
}

// stopOperation asks for an operation to stop, whichever process runs it.
func (s *Server) stopOperation(ctx context.Context, o db.Operation) error {
	err := s.store.Write(ctx, func(q *db.Queries) error { return q.StopOperation(ctx, o.ID, s.now().UnixMicro()) })
	if err != nil {
		return err
	}
	if u := s.undertakings.of(o.ID); u != nil {
		u.halt(kinds.Message{ID: "operation.why.asked"}, false)
	}
	s.hub.Publish(live.Operations(o.ClusterID))
	return nil
}
