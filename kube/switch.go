package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/kinds"
)

// toggle is a field of a spec that is on or off.
type toggle struct {
	field string
	to    bool
	state kinds.State // what the object is in while the field is on
}

// toggles are the actions that set one such field.
func toggles(a kinds.Action) (toggle, bool) {
	t, ok := map[kinds.Action]toggle{
		kinds.ActionPause:     {"paused", true, kinds.StatePaused},
		kinds.ActionResume:    {"paused", false, kinds.StatePaused},
		kinds.ActionSuspend:   {"suspend", true, kinds.StateSuspended},
		kinds.ActionUnsuspend: {"suspend", false, kinds.StateSuspended},
		kinds.ActionCordon:    {"unschedulable", true, kinds.StateCordoned},
		kinds.ActionUncordon:  {"unschedulable", false, kinds.StateCordoned},
	}[a]
	return t, ok
}

// SwitchOptions say which object is meant.
type SwitchOptions struct {
	// UID is that of the object which the person saw: another of the same name is left alone and the error is
	// ErrConflict. Empty takes whichever has the name now.
	UID string
}

// Switch pauses or resumes a rollout, suspends a CronJob or a Job or lets it go on, and takes a node out of scheduling or
// back: whatever the action says. An object that already is as wanted is left alone. The permit is for VerbPatch on it.
func (c *Cluster) Switch(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, a kinds.Action, o SwitchOptions) (Change, error) {
	t := target{string(a), k.ID(), namespace, name}
	what, ok := toggles(a)
	if !ok {
		return Change{}, fmt.Errorf("%s %s: %w", a, k.ID(), errAction)
	}
	if err := c.allowAction(permit, k, t, access.VerbPatch, a); err != nil {
		return Change{}, err
	}
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	agent := c.agent(permit)
	obj, err := c.conn.get(ctx, k, namespace, name, agent)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	if o.UID != "" && o.UID != string(m.GetUID()) {
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	}
	if k.Project(obj).State.Is(what.state) == what.to {
		return newChange(m, nil, nil), nil
	}
	patch, err := json.Marshal(map[string]any{
		// The UID keeps the change from an object of the same name that was made meanwhile.
		"metadata": map[string]any{"uid": m.GetUID()},
		"spec":     map[string]any{what.field: what.to},
	})
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", a, err)
	}
	client, err := c.conn.client(k.GVR.GroupVersion())
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	after := obj.DeepCopyObject()
	err = client.Patch(types.MergePatchType).NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name).
		Param("fieldManager", FieldManager).SetHeader("User-Agent", agent).MaxRetries(0).Body(patch).Do(ctx).Into(after)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	if m, err = meta.Accessor(after); err != nil {
		return Change{}, c.wrap(err, t)
	}
	field := "spec." + what.field
	return newChange(m, map[string]string{field: strconv.FormatBool(!what.to)}, map[string]string{field: strconv.FormatBool(what.to)}), nil
}
