package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// FieldManager is who the API server says has set a field.
const FieldManager = "tiga"

// restartedAt is the annotation that kubectl rollout restart sets too.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// Change is what an action did, for the audit. It holds single fields that are not secret, never an object.
type Change struct {
	// UID and ResourceVersion are those of the object after the change; of a deleted one, before.
	UID, ResourceVersion string
	// Before and After are the fields that changed; nil for an object that was not there or is gone.
	Before, After map[string]string
	// Diff is the change as text, one field a line: "spec.replicas: 3 → 5".
	Diff string
	// Namespace and Name are those of the object that was changed, made or deleted.
	Namespace, Name string
	// Entries are the fields that changed. Whole says that they are all of them, as the API server has them; otherwise
	// they are those of Before and After.
	Entries []diff.Entry
	Whole   bool
}

func newChange(m metav1.Object, before, after map[string]string) Change {
	c := Change{UID: string(m.GetUID()), ResourceVersion: m.GetResourceVersion(), Before: before, After: after}
	fields := make([]string, 0, len(before)+len(after))
	for f := range before {
		fields = append(fields, f)
	}
	for f := range after {
		fields = append(fields, f)
	}
	slices.Sort(fields)
	var lines []string
	for _, f := range slices.Compact(fields) {
		lines = append(lines, f+": "+orNone(before, f)+" → "+orNone(after, f))
	}
	c.Diff = strings.Join(lines, "\n")
	c.Namespace, c.Name, c.Entries = m.GetNamespace(), m.GetName(), wordEntries(before, after)
	return c
}

// wordEntries are single fields as entries of a comparison. Of those of a spec numbers and yes and no are read as such.
func wordEntries(before, after map[string]string) []diff.Entry {
	tree := func(fields map[string]string) map[string]any {
		out := make(map[string]any, len(fields))
		for f, text := range fields {
			out[f] = text
			if !strings.HasPrefix(f, "spec.") {
				continue
			}
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				out[f] = n
			} else if yes, err := strconv.ParseBool(text); err == nil {
				out[f] = yes
			}
		}
		return out
	}
	was, is := tree(before), tree(after)
	var out []diff.Entry
	for _, f := range slices.Sorted(maps.Keys(was)) {
		switch v, ok := is[f]; {
		case !ok:
			out = append(out, diff.Entry{Op: diff.Removed, Path: f, Before: was[f]})
		case !diff.Equal(was[f], v):
			out = append(out, diff.Entry{Op: diff.Changed, Path: f, Before: was[f], After: v})
		}
	}
	for _, f := range slices.Sorted(maps.Keys(is)) {
		if _, ok := was[f]; !ok {
			out = append(out, diff.Entry{Op: diff.Added, Path: f, After: is[f]})
		}
	}
	return out
}

func orNone(fields map[string]string, f string) string {
	if v, ok := fields[f]; ok && v != "" {
		return v
	}
	return "∅"
}

// ScaleOptions say what a workload is scaled to.
type ScaleOptions struct {
	Replicas int32
	// From is the number of replicas that the person saw. If it has changed meanwhile, nothing is done and the error is
	// ErrConflict.
	From *int32
	// UID is that of the object which the person saw, as in DeleteOptions.
	UID string
}

// scaleTries bounds how often a scale is tried again because the object's status was written in between.
const scaleTries = 4

// Scale changes the number of replicas through the scale sub-resource. The permit is for VerbScale on the object.
func (c *Cluster) Scale(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, o ScaleOptions) (Change, error) {
	t := target{"scale", k.ID(), namespace, name}
	if err := c.allowAction(permit, k, t, access.VerbScale, kinds.ActionScale); err != nil {
		return Change{}, err
	}
	if o.Replicas < 0 {
		return Change{}, c.refused(t, KindInvalid, message("negative_replicas"))
	}
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	client, err := c.conn.client(k.GVR.GroupVersion())
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	agent := c.agent(permit)
	for try := 1; ; try++ {
		var scale, scaled autoscalingv1.Scale
		err := client.Get().Namespace(namespace).Resource(k.GVR.Resource).Name(name).SubResource("scale").
			SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(&scale)
		if err != nil {
			return Change{}, c.wrap(err, t)
		}
		before := scale.Spec.Replicas
		if o.UID != "" && o.UID != string(scale.UID) {
			return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
		}
		if before == o.Replicas {
			return newChange(&scale, nil, nil), nil
		}
		if o.From != nil && *o.From != before {
			return Change{}, c.refused(t, KindConflict, message("scaled_meanwhile", "From", int(*o.From), "Now", int(before)))
		}
		// The resource version makes the API server refuse if anything was written since the line above.
		scale.Spec.Replicas = o.Replicas
		err = client.Put().Namespace(namespace).Resource(k.GVR.Resource).Name(name).SubResource("scale").Param("fieldManager", FieldManager).
			SetHeader("User-Agent", agent).MaxRetries(0).Body(&scale).Do(ctx).Into(&scaled)
		if apierrors.IsConflict(err) && try < scaleTries {
			continue
		}
		if err != nil {
			return Change{}, c.wrap(err, t)
		}
		return newChange(&scaled, map[string]string{"spec.replicas": strconv.Itoa(int(before))},
			map[string]string{"spec.replicas": strconv.Itoa(int(scaled.Spec.Replicas))}), nil
	}
}

// RestartOptions say which workload is restarted.
type RestartOptions struct {
	// UID is that of the object which the person saw, as in DeleteOptions.
	UID string
	// At is when the restart was asked for; a request that comes twice with the same time restarts once. Zero is now.
	At time.Time
}

// restartSlack is how far the time of a restart may be from now.
const restartSlack = time.Hour

// Restart replaces a workload's pods one after another, as kubectl rollout restart does. The permit is for VerbRestart on
// the object.
func (c *Cluster) Restart(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, o RestartOptions) (Change, error) {
	t := target{"restart", k.ID(), namespace, name}
	if err := c.allowAction(permit, k, t, access.VerbRestart, kinds.ActionRestart); err != nil {
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
	now := c.cfg.Now()
	if o.At.IsZero() || o.At.Sub(now).Abs() > restartSlack {
		o.At = now
	}
	at := o.At.UTC().Format(time.RFC3339)
	switch d, ok := obj.(*appsv1.Deployment); {
	case o.UID != "" && o.UID != string(m.GetUID()):
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	case restartedOf(obj) == at:
		return newChange(m, nil, nil), nil
	case ok && d.Spec.Paused:
		return Change{}, c.refused(t, KindInvalid, message("restart_paused"))
	}
	patch, err := json.Marshal(map[string]any{
		// The UID keeps the restart from reaching an object of the same name that was made meanwhile.
		"metadata": map[string]any{"uid": m.GetUID()},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{
			restartedAt: at,
		}}}},
	})
	if err != nil {
		return Change{}, fmt.Errorf("restart: %w", err)
	}
	client, err := c.conn.client(k.GVR.GroupVersion())
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	after := obj.DeepCopyObject()
	err = client.Patch(types.StrategicMergePatchType).Namespace(namespace).Resource(k.GVR.Resource).Name(name).
		Param("fieldManager", FieldManager).SetHeader("User-Agent", agent).MaxRetries(0).Body(patch).Do(ctx).Into(after)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	if m, err = meta.Accessor(after); err != nil {
		return Change{}, c.wrap(err, t)
	}
	const field = "spec.template.metadata.annotations[" + restartedAt + "]"
	return newChange(m, map[string]string{field: restartedOf(obj)}, map[string]string{field: restartedOf(after)}), nil
}

// restartedOf is when a workload was last restarted, as its annotation says.
func restartedOf(obj runtime.Object) string {
	switch o := obj.(type) {
	case *appsv1.Deployment:
		return o.Spec.Template.Annotations[restartedAt]
	case *appsv1.StatefulSet:
		return o.Spec.Template.Annotations[restartedAt]
	case *appsv1.DaemonSet:
		return o.Spec.Template.Annotations[restartedAt]
	}
	return ""
}

// Propagation says what becomes of the objects that a deleted one owns.
type Propagation string

// The ways to propagate a deletion; the empty one is the kind's own.
const (
	PropagateDefault    Propagation = ""
	PropagateBackground Propagation = "Background"
	PropagateForeground Propagation = "Foreground"
	PropagateOrphan     Propagation = "Orphan"
)

// DeleteOptions say what is deleted and how.
type DeleteOptions struct {
	// UID is that of the object which the person saw: another of the same name is left alone and the error is
	// ErrConflict. Empty deletes whichever has the name now.
	UID         string
	Propagation Propagation
	// Grace is the time in seconds that the object has to end; nil is its own.
	Grace *int64
	// DryRun asks the API server whether it would, admission included, and deletes nothing.
	DryRun bool
}

// Delete deletes one object. The permit is for VerbDelete on the object.
func (c *Cluster) Delete(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, o DeleteOptions) (Change, error) {
	t := target{"delete", k.ID(), namespace, name}
	if err := c.allowAction(permit, k, t, access.VerbDelete, kinds.ActionDelete); err != nil {
		return Change{}, err
	}
	opts := &metav1.DeleteOptions{GracePeriodSeconds: o.Grace}
	if o.DryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	switch p := metav1.DeletionPropagation(o.Propagation); o.Propagation {
	case PropagateDefault:
	case PropagateBackground, PropagateForeground, PropagateOrphan:
		opts.PropagationPolicy = &p
	default:
		return Change{}, c.refused(t, KindInvalid, message("invalid"))
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
	// What was read is what is deleted: the API server compares the UID again.
	uid := m.GetUID()
	opts.Preconditions = &metav1.Preconditions{UID: &uid}
	client, err := c.conn.client(k.GVR.GroupVersion())
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	err = client.Delete().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name).
		SetHeader("User-Agent", agent).MaxRetries(0).Body(opts).Do(ctx).Error()
	if apierrors.IsConflict(err) {
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	}
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	return newChange(m, identity(k, obj, m), nil), nil
}

// identity are the fields that tell later which object it was that is gone.
func identity(k *kinds.Kind, obj runtime.Object, m metav1.Object) map[string]string {
	out := map[string]string{"metadata.uid": string(m.GetUID())}
	if owner := metav1.GetControllerOf(m); owner != nil {
		out["metadata.ownerReferences"] = owner.Kind + " " + owner.Name
	}
	if p, ok := obj.(*corev1.Pod); ok {
		out["spec.nodeName"] = p.Spec.NodeName
		out["status"] = k.Status(obj).Word
	}
	return out
}

var errAction = errors.New("the kind has no such action")

// allowAction checks the permit, the cluster, and that the kind has the action at all.
func (c *Cluster) allowAction(permit access.Permit, k *kinds.Kind, t target, verb access.Verb, a kinds.Action) error {
	if err := c.allow(permit, k, t, verb); err != nil {
		return err
	}
	if c.readOnly.Load() {
		return c.refused(t, KindReadOnly, message("read_only"))
	}
	if !k.Can(a) {
		e := c.refused(t, KindInvalid, message("no_action", "Action", string(a), "Kind", k.Name))
		e.Err = errAction
		return e
	}
	return nil
}

// refused is an error of our own making.
func (c *Cluster) refused(t target, kind ErrorKind, reason kinds.Message) *Error {
	return &Error{Kind: kind, Cluster: c.Name(), Op: t.op, Resource: t.resource, Namespace: t.namespace, Name: t.name, Reason: reason}
}
