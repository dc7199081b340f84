package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/dbtest"
)

// drainOf is a drain of cluster 7 that process a begins.
func drainOf(steps ...db.NewStep) db.NewOperation {
	return db.NewOperation{
		Kind: "drain", ClusterID: 7, ClusterName: "production", Resource: "nodes", Name: "p-1", ActorID: 3, ActorName: "ann",
		Owner: "a", Steps: steps, Limit: 2, Now: now,
	}
}

func begin(t *testing.T, s *db.Store, o db.NewOperation) (id string) {
	t.Helper()
	write(t, s, func(q *db.Queries) (err error) { id, err = q.CreateOperation(t.Context(), o); return err })
	return id
}

func states(t *testing.T, s *db.Store, id string) (out []string) {
	t.Helper()
	out = append(out, must[db.Operation](t)(s.Read().Operation(t.Context(), id)).State)
	for _, step := range must[[]db.OperationStep](t)(s.Read().OperationSteps(t.Context(), id)) {
		out = append(out, step.State)
	}
	return out
}

func operations(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	pod := db.NewStep{Action: "evict", Resource: "pods", Namespace: "shop", Name: "web-1", UID: "u1"}
	id := begin(t, s, drainOf(db.NewStep{Action: "cordon", Resource: "nodes", Name: "p-1"}, pod))
	want := db.Operation{
		ID: id, Kind: "drain", ClusterID: 7, ClusterName: "production", Resource: "nodes", Name: "p-1", Parameters: "{}", ActorID: 3,
		ActorName: "ann", State: db.OperationRunning, Owner: "a", HeartbeatAt: now, StartedAt: now, UpdatedAt: now,
	}
	if diff := cmp.Diff(want, must[db.Operation](t)(q.Operation(ctx, id))); diff != "" {
		t.Errorf("begun (-want +got):\n%s", diff)
	}
	set := func(owner string, position int64, state, message string, at int64) error {
		return s.Write(ctx, func(q *db.Queries) error {
			return q.SetStep(ctx, db.StepChange{Operation: id, Owner: owner, Position: position, State: state, Message: message, Now: at})
		})
	}
	for _, change := range []struct {
		position int64
		state    string
		at       int64
	}{{0, db.StepRunning, now + 1}, {0, db.StepDone, now + 2}, {1, db.StepRunning, now + 3}, {1, db.StepPlanned, now + 4}, {1, db.StepRunning, now + 5}} {
		if err := set("a", change.position, change.state, `{"id":"x"}`, change.at); err != nil {
			t.Fatal(err)
		}
	}
	steps := must[[]db.OperationStep](t)(q.OperationSteps(ctx, id))
	if s := steps[0]; s.State != db.StepDone || s.StartedAt != now+1 || s.EndedAt != now+2 || s.Message != `{"id":"x"}` {
		t.Errorf("the first step: %+v", s)
	}
	if s := steps[1]; s.State != db.StepRunning || s.StartedAt != now+3 || s.EndedAt != 0 || s.ObjectUID != "u1" {
		t.Errorf("the second step, tried twice: %+v", s)
	}
	if err := set("b", 1, db.StepDone, "", now+6); !errors.Is(err, db.ErrLost) {
		t.Errorf("a step by another process: %v", err)
	}
	touch := func(owner string) (state string, err error) {
		err = s.Write(ctx, func(q *db.Queries) error { state, err = q.TouchOperation(ctx, id, owner, now+6); return err })
		return state, err
	}
	if state, err := touch("a"); err != nil || state != db.OperationRunning {
		t.Errorf("touched: %s, %v", state, err)
	}
	write(t, s, func(q *db.Queries) error { return q.StopOperation(ctx, id, now+7) })
	if state, err := touch("a"); err != nil || state != db.OperationStopping {
		t.Errorf("touched after somebody asked for a stop: %s, %v", state, err)
	}
	if _, err := touch("b"); !errors.Is(err, db.ErrLost) {
		t.Errorf("touched by another process: %v", err)
	}

	// One more of the cluster begins, and a third finds no room.
	other := begin(t, s, drainOf())
	err := s.Write(ctx, func(q *db.Queries) error { _, err := q.CreateOperation(ctx, drainOf()); return err })
	if !errors.Is(err, db.ErrLimit) {
		t.Errorf("a third one: %v", err)
	}
	if n := len(must[[]db.Operation](t)(q.OperationsOfCluster(ctx, 7, 10))); n != 2 {
		t.Errorf("%d operations after one was refused, want 2", n)
	}
	write(t, s, func(q *db.Queries) error { return q.EndOperation(ctx, other, "a", db.OperationDone, "", now+8) })
	if err := s.Write(ctx, func(q *db.Queries) error { return q.EndOperation(ctx, other, "a", db.OperationFailed, "", now+9) }); !errors.Is(err, db.ErrLost) {
		t.Errorf("ended twice: %v", err)
	}

	// The process goes: what it was doing is unknown, what it had not begun is not.
	var given []string
	give := func(before int64) {
		write(t, s, func(q *db.Queries) (err error) { given, err = q.InterruptOperations(ctx, before, now+20); return err })
	}
	if give(now + 6); len(given) != 0 {
		t.Errorf("given up although it was heard of: %v", given)
	}
	give(now + 10)
	if diff := cmp.Diff([]string{id}, given); diff != "" {
		t.Errorf("given up (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{db.OperationInterrupted, db.StepDone, db.StepUnknown}, states(t, s, id)); diff != "" {
		t.Errorf("after the process is gone (-want +got):\n%s", diff)
	}
	if err := set("a", 1, db.StepDone, "", now+21); !errors.Is(err, db.ErrLost) {
		t.Errorf("the process that was given up goes on: %v", err)
	}
	changed := must[[]db.Operation](t)(q.OperationsSince(ctx, now+20))
	if len(changed) != 1 || changed[0].ID != id {
		t.Errorf("changed since: %+v", changed)
	}
}

// What has ended goes after a while, and beyond a number; what is under way stays.
func TestHistoryOfOperationsIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		old := drainOf()
		old.Now = now - 40*24*60*minute
		first := begin(t, s, old)
		write(t, s, func(q *db.Queries) error { return q.EndOperation(ctx, first, "a", db.OperationDone, "", old.Now) })
		running := begin(t, s, drainOf(db.NewStep{Action: "evict"}))
		write(t, s, func(q *db.Queries) error {
			for i := range 210 {
				o := drainOf(db.NewStep{Action: "evict", Name: fmt.Sprint(i)})
				id, err := q.CreateOperation(ctx, o)
				if err == nil {
					err = q.EndOperation(ctx, id, "a", db.OperationDone, "", now)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		kept := must[[]db.Operation](t)(s.Read().OperationsOfCluster(ctx, 7, 1000))
		if len(kept) != 201 { // the 200 of the history, and the one that is under way
			t.Errorf("%d are kept", len(kept))
		}
		if _, err := s.Read().Operation(ctx, first); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("one of long ago: %v", err)
		}
		if diff := cmp.Diff([]string{db.OperationRunning, db.StepPlanned}, states(t, s, running)); diff != "" {
			t.Errorf("the one under way (-want +got):\n%s", diff)
		}
	})
}
