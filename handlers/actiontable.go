package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// maxReplicas bounds what the form of a scale accepts; more is a typing mistake.
const maxReplicas = 10_000

// action is everything there is to say of an action: a new one is an entry in the table below, a function of kube, and
// its words. Which kinds have it stands with the kinds.
type action struct {
	id kinds.Action
	// verb is the right that it needs in Tiga: to the object, or to what it makes.
	verb access.Verb
	// makes is the kind of what it creates; "" for an action that changes the object itself.
	makes string
	// needs is the right that Tiga's own credentials need in the cluster: a verb, and a sub-resource if it goes to one.
	needs struct{ verb, sub string }
	// bulk marks an action that makes sense for many objects at once.
	bulk bool
	// danger marks what cannot be taken back, and typed what is confirmed by typing a name.
	danger, typed bool
	// page marks an action that has pages and routes of its own instead of a confirmation; do is nil then.
	page bool
	// applies says whether it would do anything to an object in this state; nil for always.
	applies func(kinds.State) bool
	// fields are the controls that its form has, for one object and for many; nil for none.
	fields func(p presenter, k *kinds.Kind, f url.Values) []ui.Field
	// ask adds to the confirmation what only this action says of one object; nil for nothing.
	ask func(s *Server, r *http.Request, q *question) error
	// read takes from the form what only this action has; nil for nothing.
	read func(f url.Values, in *actionInput) *inputError
	// do does it.
	do func(ctx context.Context, d deed) (kube.Change, error)
}

// deed is an action on one object, with the permits that it takes.
type deed struct {
	action
	cluster *kube.Cluster
	kind    *kinds.Kind
	target
	in     actionInput
	permit access.Permit
	// read is the right to get the object, and history that to list its revisions, for those that need them.
	read, history access.Permit
}

// actionInput is what the form of an action says.
type actionInput struct {
	// uid is that of the object which the person saw.
	uid string
	// nonce belongs to the form: what is sent twice is done once.
	nonce string
	at    time.Time

	replicas   int32
	from       *int32
	revision   int64
	generation int64
	deletion   kube.DeleteOptions
}

// inputError is what is wrong with a field of a form.
type inputError struct {
	field string
	id    string // of the message
	value string // as it was typed
	max   int    // the most that the field takes
}

// question is a confirmation that is being put together.
type question struct {
	views.Confirmation
	target
	row kinds.Row
}

func needs(verb, sub string) struct{ verb, sub string } { return struct{ verb, sub string }{verb, sub} }

func without(s kinds.State) func(kinds.State) bool {
	return func(have kinds.State) bool { return have&(s|kinds.StateLeaving) == 0 }
}

func within(s kinds.State) func(kinds.State) bool {
	return func(have kinds.State) bool { return have.Is(s) && have&kinds.StateLeaving == 0 }
}

// actions is the table. It is made once for each server and never changed.
func actions() map[kinds.Action]action {
	out := map[kinds.Action]action{}
	for _, a := range []action{
		{
			id: kinds.ActionScale, verb: access.VerbScale, needs: needs("update", "scale"), applies: without(kinds.StateOwned),
			ask: askScale, read: readScale,
			do: func(ctx context.Context, d deed) (kube.Change, error) {
				return d.cluster.Scale(ctx, d.permit, d.kind, d.namespace, d.name, kube.ScaleOptions{Replicas: d.in.replicas, From: d.in.from, UID: d.in.uid})
			},
		},
		{
			id: kinds.ActionRestart, verb: access.VerbRestart, needs: needs("patch", ""), bulk: true, applies: without(kinds.StatePaused),
			do: func(ctx context.Context, d deed) (kube.Change, error) {
				return d.cluster.Restart(ctx, d.permit, d.kind, d.namespace, d.name, kube.RestartOptions{UID: d.in.uid, At: d.in.at})
			},
		},
		{
			id: kinds.ActionUndo, verb: access.VerbPatch, needs: needs("patch", ""), applies: without(kinds.StatePaused | kinds.StateFirst),
			ask: askUndo, read: readUndo,
			do: func(ctx context.Context, d deed) (kube.Change, error) {
				return d.cluster.Undo(ctx, d.permit, d.history, d.kind, d.namespace, d.name, kube.UndoOptions{
					Revision: d.in.revision, UID: d.in.uid, Generation: d.in.generation,
				})
			},
		},
		toggle(kinds.ActionPause, without(kinds.StatePaused)), toggle(kinds.ActionResume, within(kinds.StatePaused)),
		toggle(kinds.ActionSuspend, without(kinds.StateSuspended|kinds.StateFinished)),
		toggle(kinds.ActionUnsuspend, func(s kinds.State) bool { return within(kinds.StateSuspended)(s) && !s.Is(kinds.StateFinished) }),
		toggle(kinds.ActionCordon, without(kinds.StateCordoned)), toggle(kinds.ActionUncordon, within(kinds.StateCordoned)),
		{id: kinds.ActionDrain, verb: access.VerbPatch, needs: needs("patch", ""), danger: true, page: true},
		run(kinds.ActionRun, without(0)), run(kinds.ActionRerun, within(kinds.StateFinished)),
		{
			id: kinds.ActionEvict, verb: access.VerbEvict, needs: needs("create", "eviction"), bulk: true, danger: true, applies: without(kinds.StateFinished),
			do: func(ctx context.Context, d deed) (kube.Change, error) {
				return d.cluster.Evict(ctx, d.permit, d.kind, d.namespace, d.name, kube.EvictOptions{UID: d.in.uid})
			},
		},
		{
			id: kinds.ActionDelete, verb: access.VerbDelete, needs: needs("delete", ""), bulk: true, danger: true, typed: true,
			fields: presenter.deletionFields, ask: askDelete, read: readDelete,
			do: func(ctx context.Context, d deed) (kube.Change, error) {
				o := d.in.deletion
				o.UID = d.in.uid
				return d.cluster.Delete(ctx, d.permit, d.kind, d.namespace, d.name, o)
			},
		},
	} {
		out[a.id] = a
	}
	return out
}

// toggle is an action that sets a field which is on or off.
func toggle(id kinds.Action, applies func(kinds.State) bool) action {
	return action{
		id: id, verb: access.VerbPatch, needs: needs("patch", ""), bulk: true, applies: applies,
		do: func(ctx context.Context, d deed) (kube.Change, error) {
			return d.cluster.Switch(ctx, d.permit, d.kind, d.namespace, d.name, d.id, kube.SwitchOptions{UID: d.in.uid})
		},
	}
}

// run is an action that starts a Job.
func run(id kinds.Action, applies func(kinds.State) bool) action {
	return action{
		id: id, verb: access.VerbCreate, makes: kindJobs, needs: needs("create", ""), bulk: true, applies: applies,
		do: func(ctx context.Context, d deed) (kube.Change, error) {
			return d.cluster.Run(ctx, d.read, d.permit, d.kind, d.namespace, d.name, kube.RunOptions{Job: kube.JobName(d.id, d.name, d.in.nonce), UID: d.in.uid})
		},
	}
}

// askScale asks for the number of replicas.
func askScale(s *Server, r *http.Request, q *question) error {
	p, now := s.presenter(r), int(replicas(kindOf(r), q.row))
	q.Fields = []ui.Field{{
		Type: ui.FieldNumber, Name: "replicas", Label: p.loc.T("ask.scale.replicas"), Value: strconv.Itoa(now),
		Min: "0", Max: strconv.Itoa(maxReplicas), Required: true, Focus: true, Help: p.loc.T("ask.scale.now", "Count", now),
	}}
	q.Hidden = append(q.Hidden, ui.Pair{Key: "from", Value: strconv.Itoa(now)})
	return nil
}

// replicas is how many pods a workload wants, as the columns of its list say.
func replicas(k *kinds.Kind, row kinds.Row) int32 {
	if cell := column(k, &row, "desired"); cell.Form == kinds.FormNumber {
		return int32(cell.Num)
	}
	_, wanted, _ := strings.Cut(columnText(k, &row, "ready"), "/")
	n, err := strconv.ParseInt(wanted, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

func readScale(f url.Values, in *actionInput) *inputError {
	typed := f.Get("replicas")
	n, err := strconv.ParseInt(strings.TrimSpace(typed), 10, 32)
	if err != nil || n < 0 || n > maxReplicas {
		return &inputError{field: "replicas", id: "ask.scale.number", value: typed, max: maxReplicas}
	}
	in.replicas = int32(n)
	if from, err := strconv.ParseInt(f.Get("from"), 10, 32); err == nil {
		was := int32(from)
		in.from = &was
	}
	return nil
}
