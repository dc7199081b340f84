package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/kinds"
)

// UndoOptions say which revision a workload goes back to.
type UndoOptions struct {
	// Revision is its number; 0 is the one before the current one.
	Revision int64
	// UID is that of the object which the person saw, as in DeleteOptions.
	UID string
	// Generation is that of the object which the person saw. If what is wanted of it has changed meanwhile, nothing is
	// done and the error is ErrConflict. Zero takes it as it is.
	Generation int64
}

// Undo makes a workload's pod template that of one of its revisions, as kubectl rollout undo does. Where it is that
// already, nothing is done. It takes two permits: permit is for VerbPatch on the workload, and list for VerbList on the
// kind of its revisions, see RevisionKind.
func (c *Cluster) Undo(ctx context.Context, permit, list access.Permit, k *kinds.Kind, namespace, name string, o UndoOptions) (Change, error) {
	t := target{"undo", k.ID(), namespace, name}
	if err := c.allowAction(permit, k, t, access.VerbPatch, kinds.ActionUndo); err != nil {
		return Change{}, err
	}
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	for try := 1; ; try++ {
		r, obj, err := c.rollout(ctx, list, k, t, c.agent(permit))
		if err != nil {
			return Change{}, err
		}
		to, err := c.undoes(&r, t, o)
		if err != nil {
			return Change{}, err
		}
		now, err := podTemplate(r.Template)
		if err != nil {
			return Change{}, c.wrap(errNotKubernetes, t)
		}
		if apiequality.Semantic.DeepEqual(now, to.typed) {
			return newChange(obj, nil, nil), nil
		}
		switch {
		case r.Paused:
			return Change{}, c.refused(t, KindInvalid, message("undo_paused"))
		case o.Generation != 0 && o.Generation != r.Generation:
			return Change{}, c.refused(t, KindConflict, message("changed_meanwhile"))
		}
		after, err := c.conn.restore(ctx, k, obj, to, c.agent(permit))
		if apierrors.IsConflict(err) && try < scaleTries {
			continue // its status was written in between, or what is wanted of it: the generation tells
		}
		if err != nil {
			return Change{}, c.wrap(err, t)
		}
		was := map[string]string{}
		if current := r.Current(); current != nil {
			was["revision"] = strconv.FormatInt(current.Number, 10)
		}
		is := map[string]string{"revision": strconv.FormatInt(to.Number, 10)}
		templateImages(was, &now.Spec)
		templateImages(is, &to.typed.Spec)
		for field, image := range was {
			if is[field] == image {
				delete(was, field)
				delete(is, field)
			}
		}
		return newChange(after, was, is), nil
	}
}

// undoes finds the revision that is wanted.
func (c *Cluster) undoes(r *Rollout, t target, o UndoOptions) (*Revision, error) {
	if o.UID != "" && o.UID != r.UID {
		return nil, c.refused(t, KindConflict, message("replaced_meanwhile"))
	}
	if o.Revision != 0 {
		if to, ok := r.Find(o.Revision); ok {
			return to, nil
		}
		return nil, c.refused(t, KindInvalid, message("no_revision", "Revision", int(o.Revision)))
	}
	var to *Revision
	if current := r.Current(); current != nil {
		to = r.Before(current.Number)
	} else if len(r.Revisions) > 0 {
		to = &r.Revisions[0]
	}
	if to == nil {
		return nil, c.refused(t, KindInvalid, message("no_revision_before"))
	}
	return to, nil
}

// templateImages adds the images of a template to the fields of a change: they tell versions apart and hold no secrets,
// as variables may.
func templateImages(fields map[string]string, spec *corev1.PodSpec) {
	for i := range spec.InitContainers {
		fields["spec.template.spec.initContainers["+spec.InitContainers[i].Name+"].image"] = spec.InitContainers[i].Image
	}
	for i := range spec.Containers {
		fields["spec.template.spec.containers["+spec.Containers[i].Name+"].image"] = spec.Containers[i].Image
	}
}

// restore replaces the pod template of an object. The version that was read makes the API server refuse if anything was
// written since.
func (c *conn) restore(ctx context.Context, k *kinds.Kind, obj *unstructured.Unstructured, to *Revision, agent string) (*unstructured.Unstructured, error) {
	template := make(map[string]any, len(to.template)+1)
	maps.Copy(template, to.template)
	template["$patch"] = "replace" // of a strategic merge patch: what the revision does not have goes
	meta := map[string]any{"uid": obj.GetUID(), "resourceVersion": obj.GetResourceVersion()}
	if strings.HasPrefix(k.ID(), "deployments.") {
		// The cause belongs to the revision; the controller writes it to the ReplicaSet again.
		var cause any
		if to.Cause != "" {
			cause = to.Cause
		}
		meta["annotations"] = map[string]any{changeCause: cause}
	}
	patch, err := json.Marshal(map[string]any{"metadata": meta, "spec": map[string]any{"template": template}})
	if err != nil {
		return nil, fmt.Errorf("undo: %w", err)
	}
	client, err := c.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return nil, err
	}
	after := &unstructured.Unstructured{}
	err = client.Patch(types.StrategicMergePatchType).Namespace(obj.GetNamespace()).Resource(k.GVR.Resource).Name(obj.GetName()).
		Param("fieldManager", FieldManager).SetHeader("User-Agent", agent).MaxRetries(0).Body(patch).Do(ctx).Into(after)
	return after, err
}
