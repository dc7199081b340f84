package handlers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
)

// The actions of a drain's steps.
const (
	stepCordon = "cordon"
	stepEvict  = "evict"
)

// stepEvicted says that a pod was evicted and is not gone yet.
const stepEvicted = "operation.step.evicted"

// drainInput is what whoever drains has chosen.
type drainInput struct {
	Options kube.DrainOptions `json:"options"`
	// Timeout is how long the pods have to be gone; 0 is for ever.
	Timeout time.Duration `json:"timeout"`
}

// drain is the task of draining a node.
type drain struct {
	node, uid string
	in        drainInput
	steps     []db.NewStep // as they were planned: the cordon, then the pods
	nodes     *kinds.Kind
	pods      *kinds.Kind

	until time.Time // zero is never

	mu     sync.Mutex
	here   map[string]bool // the pods on the node at the last look, by UID
	looked chan struct{}   // closed and made anew at each look
	failed int
}

// run cordons the node, evicts its pods, and waits until they are gone.
func (d *drain) run(u *undertaking) (state string, why kinds.Message) {
	d.looked = make(chan struct{})
	if d.in.Timeout > 0 {
		d.until = time.Now().Add(d.in.Timeout)
	}
	if ok, why := d.cordon(u); !ok {
		return u.endedBy(db.OperationFailed, why)
	}
	if ok, why := d.lookAgain(u); !ok {
		return u.endedBy(db.OperationFailed, why)
	}
	watching, stop := context.WithCancel(u.ctx)
	var wait sync.WaitGroup
	wait.Go(func() { d.watch(watching, u) })
	var evictions sync.WaitGroup
	for i, step := range d.steps {
		if step.Action == stepEvict {
			evictions.Go(func() { d.evict(u, i, step) })
		}
	}
	evictions.Wait()
	stop()
	wait.Wait()
	if u.isHalted() {
		return u.endedBy("", kinds.Message{})
	}
	if d.failed > 0 {
		return db.OperationFailed, kinds.Message{ID: "operation.why.drain_failed", Args: map[string]any{"Count": d.failed}}
	}
	return db.OperationDone, kinds.Message{ID: "operation.why.drained", Args: map[string]any{"Node": d.node}}
}

// endedBy is how an operation ends that could not go on: by whatever halted it, else by what went wrong.
func (u *undertaking) endedBy(state string, why kinds.Message) (string, kinds.Message) {
	if u.isHalted() {
		return u.reason()
	}
	return state, why
}

// cordon is the first step: nothing new is placed on the node.
func (d *drain) cordon(u *undertaking) (ok bool, why kinds.Message) {
	if u.isHalted() {
		return false, why
	}
	permit, err := u.permit(request(u.cluster.Name(), access.VerbPatch, d.nodes, "", d.node))
	if err != nil {
		return false, messageOf(err)
	}
	_, err = u.act(0, permit, d.uid, func(ctx context.Context, c *kube.Cluster) (kube.Change, error) {
		return c.Switch(ctx, permit, d.nodes, "", d.node, kinds.ActionCordon, kube.SwitchOptions{UID: d.uid})
	})
	if err != nil {
		return false, kinds.Message{ID: "operation.why.not_cordoned"}
	}
	return true, why
}

// act does a step that is done when its change is.
func (u *undertaking) act(position int, permit access.Permit, uid string, do func(context.Context, *kube.Cluster) (kube.Change, error)) (kube.Change, error) {
	intent, err := u.intent(permit, uid)
	if err != nil {
		return kube.Change{}, err
	}
	var change kube.Change
	if err = u.mark(position, db.StepRunning, kinds.Message{}); err == nil {
		change, err = u.ask(do)
	}
	u.settle(intent, change, err)
	switch {
	case err == nil:
		_ = u.mark(position, db.StepDone, kinds.Message{}) // an error has halted the operation
	case uncertain(err):
		_ = u.mark(position, db.StepUnknown, messageOf(err))
	default:
		_ = u.mark(position, db.StepFailed, messageOf(err))
	}
	return change, err
}

// ask asks the cluster for a change.
func (u *undertaking) ask(do func(context.Context, *kube.Cluster) (kube.Change, error)) (kube.Change, error) {
	c, err := u.current()
	if err != nil {
		return kube.Change{}, err
	}
	ctx, cancel := context.WithTimeout(u.ctx, actBudget)
	defer cancel()
	return do(ctx, c)
}

// uncertain says whether a change may have happened although its answer is an error: the connection broke, or nobody
// waited for the answer.
func uncertain(err error) bool {
	return errors.Is(err, kube.ErrTimeout) || errors.Is(err, kube.ErrUnreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// plan makes the plan anew with the rights of the moment.
func (d *drain) plan(u *undertaking) (kube.DrainPlan, error) {
	node, err := u.permit(request(u.cluster.Name(), access.VerbGet, d.nodes, "", d.node))
	if err != nil {
		return kube.DrainPlan{}, err
	}
	pods, err := u.permit(request(u.cluster.Name(), access.VerbList, d.pods, "", ""))
	if err != nil {
		return kube.DrainPlan{}, err
	}
	c, err := u.current()
	if err != nil {
		return kube.DrainPlan{}, err
	}
	ctx, cancel := context.WithTimeout(u.ctx, listBudget)
	defer cancel()
	return c.PlanDrain(ctx, kube.DrainPermits{Node: node, Pods: pods}, d.node, d.in.Options)
}

// lookAgain joins what is on the node now, where nothing more is placed, to what was planned.
func (d *drain) lookAgain(u *undertaking) (ok bool, why kinds.Message) {
	plan, err := d.plan(u)
	switch {
	case err != nil:
		return false, messageOf(err)
	case plan.UID != d.uid:
		return false, kinds.Message{ID: "operation.why.node_replaced"}
	case plan.Hidden:
		return false, kinds.Message{ID: "operation.why.hidden_pods"}
	case plan.Count(kube.DrainRefused) > 0:
		return false, kinds.Message{ID: "operation.why.refused_pods", Args: map[string]any{"Count": plan.Count(kube.DrainRefused)}}
	}
	d.here = map[string]bool{}
	var more []db.NewStep
	for _, p := range plan.Pods {
		d.here[p.UID] = true
		known := slices.ContainsFunc(d.steps, func(s db.NewStep) bool { return s.UID == p.UID })
		if p.Verdict == kube.DrainEvicts && !known {
			more = append(more, db.NewStep{Action: stepEvict, Resource: d.pods.ID(), Namespace: p.Namespace, Name: p.Name, UID: p.UID})
		}
	}
	if len(more) > 0 {
		err := u.kept(u.ctx, func(q *db.Queries) error { return q.AddSteps(u.ctx, u.id, int64(len(d.steps)), more) })
		if err != nil {
			return false, kinds.Message{ID: "operation.why.store"}
		}
		d.steps = append(d.steps, more...)
	}
	return true, why
}

// watch looks at the node again and again, for all steps at once.
func (d *drain) watch(ctx context.Context, u *undertaking) {
	for {
		timer := time.NewTimer(u.pace.look)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		permit, err := u.permit(request(u.cluster.Name(), access.VerbList, d.pods, "", ""))
		if err != nil {
			return
		}
		c, err := u.current()
		if err != nil {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, listBudget)
		here, err := c.PodsOn(limited, permit, d.node)
		cancel()
		if err != nil {
			continue // the next look may succeed; the timeout bounds it
		}
		d.mu.Lock()
		d.here = here
		close(d.looked)
		d.looked = make(chan struct{})
		d.mu.Unlock()
	}
}

// gone says whether a pod was not on the node at the last look, and what tells of the next one.
func (d *drain) gone(uid string) (gone bool, next <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.here[uid], d.looked
}

// late says whether the time for the drain is over.
func (d *drain) late() bool { return !d.until.IsZero() && time.Now().After(d.until) }

func (d *drain) fail(u *undertaking, position int, state string, m kinds.Message) {
	d.mu.Lock()
	d.failed++
	d.mu.Unlock()
	_ = u.mark(position, state, m) // an error has halted the operation
}

// evict asks a pod to go, as often as its disruption budget wants, and waits until it is gone.
func (d *drain) evict(u *undertaking, position int, step db.NewStep) {
	if gone, _ := d.gone(step.UID); gone {
		_ = u.mark(position, db.StepSkipped, kinds.Message{ID: "operation.step.gone_already"})
		return
	}
	var (
		intent *db.Intent
		change kube.Change
		err    error
	)
	// One intent covers all tries of a pod: it says that the pod may be evicted from now on, and its outcome what became of it.
	defer func() {
		if intent != nil {
			u.settle(*intent, change, err)
		}
	}()
	var last kinds.Message // what was in the way at the last try; pages go on to show it while the next one is under way
	for {
		if change, err = d.try(u, position, step, last, &intent); err == nil {
			break
		}
		if u.isHalted() {
			d.interrupted(u, position, err)
			return
		}
		switch {
		case errors.Is(err, kube.ErrNotFound), errors.Is(err, kube.ErrConflict):
			_ = u.mark(position, db.StepSkipped, kinds.Message{ID: "operation.step.gone_already"})
			return
		case errors.Is(err, kube.ErrBlocked), errors.Is(err, kube.ErrBusy), uncertain(err), errors.Is(err, kube.ErrDisabled):
			// Nothing has happened, or it may safely be asked for again: the UID keeps it from reaching another pod.
			state := db.StepPlanned
			if uncertain(err) {
				state = db.StepRunning
			}
			last = messageOf(err)
			if u.mark(position, state, last) != nil {
				return
			}
		default:
			d.fail(u, position, db.StepFailed, messageOf(err))
			return
		}
		if d.late() {
			d.fail(u, position, db.StepFailed, timedOut(messageOf(err)))
			return
		}
		if !u.pause(u.pace.retry) {
			d.interrupted(u, position, err)
			return
		}
	}
	if intent != nil {
		u.settle(*intent, change, nil)
		intent = nil
	}
	d.await(u, position, step)
}

// timedOut says that the time was over, and what was last in the way.
func timedOut(last kinds.Message) kinds.Message {
	m := last
	m.ID, m.Args = "operation.step.timeout", map[string]any{}
	if last.Text == "" && last.ID != "" {
		if budget, ok := last.Args["Budget"]; ok {
			m.ID, m.Args = "operation.step.timeout_budget", map[string]any{"Budget": budget}
		}
	}
	return m
}

// interrupted is a pod whose eviction was not granted when the operation was halted.
func (d *drain) interrupted(u *undertaking, position int, err error) {
	if uncertain(err) {
		_ = u.mark(position, db.StepUnknown, messageOf(err))
		return
	}
	_ = u.mark(position, db.StepSkipped, kinds.Message{ID: "operation.step.not_evicted"})
}

// try asks once for a pod to go.
func (d *drain) try(u *undertaking, position int, step db.NewStep, last kinds.Message, intent **db.Intent) (kube.Change, error) {
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-u.halted:
		return kube.Change{}, errHalted
	}
	if u.isHalted() {
		return kube.Change{}, errHalted
	}
	permit, err := u.permit(request(u.cluster.Name(), access.VerbEvict, d.pods, step.Namespace, step.Name))
	if err != nil {
		return kube.Change{}, err
	}
	if *intent == nil {
		written, err := u.intent(permit, step.UID)
		if err != nil {
			return kube.Change{}, err
		}
		*intent = &written
	}
	if err := u.mark(position, db.StepRunning, last); err != nil {
		return kube.Change{}, err
	}
	return u.ask(func(ctx context.Context, c *kube.Cluster) (kube.Change, error) {
		return c.Evict(ctx, permit, d.pods, step.Namespace, step.Name, kube.EvictOptions{UID: step.UID, Grace: d.in.Options.Grace})
	})
}

var errHalted = errors.New("nothing more is begun")

// await waits until an evicted pod is gone from the node.
func (d *drain) await(u *undertaking, position int, step db.NewStep) {
	if u.mark(position, db.StepRunning, kinds.Message{ID: stepEvicted}) != nil {
		return
	}
	var over <-chan time.Time
	if !d.until.IsZero() {
		timer := time.NewTimer(time.Until(d.until))
		defer timer.Stop()
		over = timer.C
	}
	for {
		gone, next := d.gone(step.UID)
		if gone {
			_ = u.mark(position, db.StepDone, kinds.Message{ID: "operation.step.gone"})
			return
		}
		select {
		case <-next:
		case <-over:
			d.fail(u, position, db.StepFailed, kinds.Message{ID: "operation.step.still_there"})
			return
		case <-u.halted: // what was asked for has happened; only that it is over was not seen
			_ = u.mark(position, db.StepDone, kinds.Message{ID: "operation.step.evicted_unseen"})
			return
		case <-u.ctx.Done():
			_ = u.mark(position, db.StepDone, kinds.Message{ID: "operation.step.evicted_unseen"})
			return
		}
	}
}
