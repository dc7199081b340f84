package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
)

const (
	stepApply = "apply"
	// definitionWait is how long objects wait until the kind that a document before them has brought is served.
	definitionWait = 30 * time.Second
	// busyTries is how often a document is sent that the cluster is too busy for.
	busyTries = 5
)

// application is the task of applying a text. It has the text in memory only: what is not applied when the process ends is
// not applied.
type application struct {
	in   *applyInput
	docs []*applyDoc // in the order of their steps
	left int         // documents that were left out

	mu     sync.Mutex
	ended  map[*applyDoc]string // the state of the steps that are over
	failed int
	done   int
}

// run applies the documents, those of one rank side by side.
func (a *application) run(u *undertaking) (state string, why kinds.Message) {
	a.ended = map[*applyDoc]string{}
	for from := 0; from < len(a.docs); {
		to := from
		for to < len(a.docs) && a.docs[to].rank == a.docs[from].rank {
			to++
		}
		a.rank(u, a.docs[from:to])
		from = to
	}
	if u.isHalted() {
		return u.endedBy("", kinds.Message{})
	}
	args := map[string]any{"Count": a.done, "Failed": a.failed, "Left": a.left, "Total": len(a.docs)}
	switch {
	case a.failed > 0 && a.left > 0:
		return db.OperationFailed, kinds.Message{ID: "operation.why.apply_failed_left", Args: args}
	case a.failed > 0:
		return db.OperationFailed, kinds.Message{ID: "operation.why.apply_failed", Args: args}
	case a.left > 0:
		return db.OperationDone, kinds.Message{ID: "operation.why.applied_left", Args: args}
	}
	return db.OperationDone, kinds.Message{ID: "operation.why.applied", Args: args}
}

// rank applies documents of which none needs another.
func (a *application) rank(u *undertaking, docs []*applyDoc) {
	var wait sync.WaitGroup
	defer wait.Wait()
	for _, d := range docs {
		select {
		case u.slots <- struct{}{}:
		case <-u.halted:
			return
		}
		if u.isHalted() {
			<-u.slots
			return
		}
		wait.Go(func() {
			defer func() { <-u.slots }()
			a.step(u, d)
		})
	}
}

// over notes how a step ended.
func (a *application) over(u *undertaking, d *applyDoc, state string, m kinds.Message) {
	_ = u.mark(d.step, state, m) // an error has halted the operation
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.ended[d] = state; state {
	case db.StepDone:
		a.done++
	default:
		a.failed++
		if a.in.stopAt {
			u.halt(kinds.Message{ID: "operation.why.first_failure"}, true)
		}
	}
}

// lacks is a document that had to be applied before this one, and was not.
func (a *application) lacks(d *applyDoc) *applyDoc {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(d.needs, func(n *applyDoc) bool { return a.ended[n] != db.StepDone })
	if i < 0 {
		return nil
	}
	return d.needs[i]
}

// step applies one document.
func (a *application) step(u *undertaking, d *applyDoc) {
	if n := a.lacks(d); n != nil {
		a.over(u, d, db.StepSkipped, kinds.Message{ID: "operation.step.needs", Args: map[string]any{"Kind": n.kind.Name, "Name": n.name}})
		return
	}
	if d.definition != nil && !a.established(u, d.definition) {
		if !u.isHalted() {
			a.over(u, d, db.StepFailed, kinds.Message{ID: "operation.step.not_established", Args: map[string]any{"Name": d.definition.name}})
		}
		return
	}
	permit, may, ok := a.permits(u, d)
	if !ok {
		return
	}
	intent, err := u.intent(permit, "")
	if err != nil {
		return // the operation is halted, and the step was not begun
	}
	var got kube.Applied
	if err = u.mark(d.step, db.StepRunning, kinds.Message{}); err == nil {
		got, err = a.send(u, d, permit, may)
	}
	u.settle(intent, got.Change, err)
	switch {
	case err == nil:
		a.over(u, d, db.StepDone, appliedWords(got))
	case uncertain(err):
		a.over(u, d, db.StepUnknown, messageOf(err))
	default:
		a.over(u, d, db.StepFailed, failureOf(err))
	}
}

// permits asks for the rights of the moment.
func (a *application) permits(u *undertaking, d *applyDoc) (permit access.Permit, mayCreate, ok bool) {
	cluster := u.cluster.Name()
	if _, err := u.permit(request(cluster, access.VerbGet, d.kind, d.namespace, d.name)); err != nil {
		return permit, false, false
	}
	permit, err := u.permit(request(cluster, access.VerbPatch, d.kind, d.namespace, d.name))
	if err != nil {
		return permit, false, false
	}
	_, err = u.s.authority.Check(u.subject, request(cluster, access.VerbCreate, d.kind, d.namespace, d.name))
	return permit, err == nil, true
}

// send applies the document, again where the cluster is too busy or does not serve its kind yet.
func (a *application) send(u *undertaking, d *applyDoc, permit access.Permit, mayCreate bool) (kube.Applied, error) {
	until := time.Now().Add(definitionWait)
	for try := 1; ; try++ {
		var got kube.Applied
		_, err := u.ask(func(ctx context.Context, c *kube.Cluster) (_ kube.Change, err error) {
			got, err = d.send(ctx, c, permit, a.in, mayCreate, false)
			return got.Change, err
		})
		again := errors.Is(err, kube.ErrBusy) && try < busyTries ||
			d.definition != nil && errors.Is(err, kube.ErrNotFound) && kube.MissingNamespace(err) == "" && time.Now().Before(until)
		if !again || !u.pause(u.pace.retry) {
			return got, err
		}
	}
}

// established waits until the kind that a definition brings is served.
func (a *application) established(u *undertaking, d *applyDoc) bool {
	until := time.Now().Add(definitionWait)
	for {
		permit, err := u.permit(request(u.cluster.Name(), access.VerbGet, d.kind, "", d.name))
		if err != nil {
			return false
		}
		ready := false
		_, err = u.ask(func(ctx context.Context, c *kube.Cluster) (_ kube.Change, err error) {
			ready, err = c.Established(ctx, permit, d.kind, d.name)
			return kube.Change{}, err
		})
		switch {
		case err == nil && ready:
			return true
		case err != nil && !uncertain(err) && !errors.Is(err, kube.ErrBusy), time.Now().After(until), !u.pause(u.pace.look):
			return false
		}
	}
}

// appliedWords say what an apply has done.
func appliedWords(got kube.Applied) kinds.Message {
	n := len(got.Entries())
	switch {
	case got.Created:
		return kinds.Message{ID: "operation.step.created"}
	case n == 0:
		return kinds.Message{ID: "operation.step.unchanged"}
	}
	return kinds.Message{ID: "operation.step.changed", Args: map[string]any{"Count": n}}
}

// failureOf says why a document was not applied: in the words of the fields, where the refusal names any.
func failureOf(err error) kinds.Message {
	m := messageOf(err)
	e := (*kube.Error)(nil)
	if !errors.As(err, &e) {
		return m
	}
	if ns := kube.MissingNamespace(err); ns != "" {
		return kinds.Message{ID: "apply.why.no_namespace", Args: map[string]any{"Namespace": ns}}
	}
	if m.Text == "" && len(e.Causes) > 0 {
		c := e.Causes[0]
		if c.Message == "" {
			return c.Reason
		}
		m.Text = fmt.Sprintf("%s: %s", c.Field, c.Message)
	}
	return m
}
