package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kinds"
)

const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	changeCause        = "kubernetes.io/change-cause"
	// revisionLabel is what the pods of a StatefulSet's or a DaemonSet's revision carry, and hashLabel those of a
	// Deployment's.
	revisionLabel = appsv1.ControllerRevisionHashLabelKey
	hashLabel     = appsv1.DefaultDeploymentUniqueLabelKey
	// maxRevisions bounds how many are read; clusters keep ten unless told otherwise.
	maxRevisions = 500
)

// Revision is one that a workload had or has.
type Revision struct {
	Number  int64
	Name    string // of the ReplicaSet or the ControllerRevision that keeps it
	UID     string
	Created int64 // unix seconds
	Cause   string
	Images  []string
	Current bool
	// Selector chooses its pods, as kubectl get -l takes it.
	Selector string

	template map[string]any
	typed    corev1.PodTemplateSpec
}

// Template is the revision's pod template as its JSON has it. It must not be changed.
func (r *Revision) Template() map[string]any { return r.template }

// Rollout is a workload's revisions, the newest first.
type Rollout struct {
	UID        string
	Generation int64
	Paused     bool
	Revisions  []Revision
	// Template is the pod template that is wanted now, as its JSON has it.
	Template map[string]any
}

// Find returns the revision with a number.
func (r *Rollout) Find(number int64) (*Revision, bool) {
	for i := range r.Revisions {
		if r.Revisions[i].Number == number {
			return &r.Revisions[i], true
		}
	}
	return nil, false
}

// Current is the revision that is wanted now; nil where its controller has not kept it yet.
func (r *Rollout) Current() *Revision {
	for i := range r.Revisions {
		if r.Revisions[i].Current {
			return &r.Revisions[i]
		}
	}
	return nil
}

// Before is the revision before another, the one that undoing it goes back to; nil where there is none.
func (r *Rollout) Before(number int64) *Revision {
	for i := range r.Revisions {
		if r.Revisions[i].Number < number {
			return &r.Revisions[i]
		}
	}
	return nil
}

// RevisionKind is the kind of the objects that keep the revisions of a kind; "" for a kind that has none.
func RevisionKind(k *kinds.Kind) string {
	switch k.ID() {
	case "deployments.apps":
		return "replicasets.apps"
	case "statefulsets.apps", "daemonsets.apps":
		return "controllerrevisions.apps"
	default:
		return ""
	}
}

// Rollout reads a workload and its revisions. It takes two permits: get is for VerbGet on the workload, and list for
// VerbList on the kind of its revisions, see RevisionKind; those that it does not show are left out.
func (c *Cluster) Rollout(ctx context.Context, get, list access.Permit, k *kinds.Kind, namespace, name string) (Rollout, error) {
	t := target{"get", k.ID(), namespace, name}
	if err := c.allow(get, k, t, access.VerbGet); err != nil {
		return Rollout{}, err
	}
	out, _, err := c.rollout(ctx, list, k, t, c.agent(get))
	return out, err
}

// rollout reads a workload, as its JSON has it, and its revisions. The permit for the workload has been checked.
func (c *Cluster) rollout(ctx context.Context, list access.Permit, k *kinds.Kind, t target, agent string) (Rollout, *unstructured.Unstructured, error) {
	rk, ok := kinds.Lookup(RevisionKind(k))
	if !ok {
		return Rollout{}, nil, c.refused(t, KindInvalid, message("no_action", "Action", string(kinds.ActionUndo), "Kind", k.Name))
	}
	if err := c.reading(list, rk); err != nil {
		return Rollout{}, nil, err
	}
	ctx, cancel := bounded(ctx, listTimeout)
	defer cancel()
	obj, err := c.conn.whole(ctx, k, t.namespace, t.name, agent)
	if err != nil {
		c.noticed(err)
		return Rollout{}, nil, c.wrap(err, t)
	}
	kept, err := c.conn.revisions(ctx, rk, obj, agent)
	if err != nil {
		return Rollout{}, nil, c.wrap(err, target{"list", rk.ID(), t.namespace, ""})
	}
	out := Rollout{UID: string(obj.GetUID()), Generation: obj.GetGeneration()}
	out.Paused, _, _ = unstructured.NestedBool(obj.Object, "spec", "paused")
	out.Template, _, _ = unstructured.NestedMap(obj.Object, "spec", "template")
	wanted, err := podTemplate(out.Template)
	if err != nil {
		return Rollout{}, nil, c.wrap(errNotKubernetes, t)
	}
	for i := range kept {
		rev, ok := revisionOf(&kept[i], k.ID())
		if !ok || !list.Sees(t.namespace, rev.Name) {
			continue
		}
		if rev.typed, err = podTemplate(rev.template); err != nil {
			continue // whoever wrote it, it cannot be gone back to
		}
		rev.Images = imagesOf(&rev.typed.Spec)
		out.Revisions = append(out.Revisions, rev)
	}
	slices.SortFunc(out.Revisions, func(a, b Revision) int { return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Name, b.Name)) })
	if i := slices.IndexFunc(out.Revisions, func(r Revision) bool { return apiequality.Semantic.DeepEqual(r.typed, wanted) }); i >= 0 {
		out.Revisions[i].Current = true
	}
	return out, obj, nil
}

// revisions are the objects that keep a workload's revisions.
func (c *conn) revisions(ctx context.Context, k *kinds.Kind, of *unstructured.Unstructured, agent string) ([]unstructured.Unstructured, error) {
	chosen, _, _ := unstructured.NestedMap(of.Object, "spec", "selector")
	var labels metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(chosen, &labels); err != nil {
		return nil, errNotKubernetes
	}
	selector, err := metav1.LabelSelectorAsSelector(&labels)
	if err != nil {
		return nil, errNotKubernetes
	}
	client, err := c.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	err = client.Get().Namespace(of.GetNamespace()).Resource(k.GVR.Resource).
		VersionedParams(&metav1.ListOptions{LabelSelector: selector.String(), Limit: maxRevisions}, parameters).
		SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(list)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(o unstructured.Unstructured) bool {
		owner := metav1.GetControllerOf(&o)
		return owner == nil || owner.UID != of.GetUID()
	}), nil
}

// revisionOf reads what keeps a revision: a ReplicaSet has it in its template, a ControllerRevision in its data.
func revisionOf(o *unstructured.Unstructured, workload string) (Revision, bool) {
	r := Revision{Name: o.GetName(), UID: string(o.GetUID()), Created: o.GetCreationTimestamp().Unix(), Cause: o.GetAnnotations()[changeCause]}
	var err error
	var found bool
	if workload == "deployments.apps" {
		r.template, found, err = unstructured.NestedMap(o.Object, "spec", "template")
		if err != nil || !found {
			return r, false
		}
		hash, _, _ := unstructured.NestedString(r.template, "metadata", "labels", hashLabel)
		unstructured.RemoveNestedField(r.template, "metadata", "labels", hashLabel)
		r.Selector = hashLabel + "=" + hash
		r.Number, err = strconv.ParseInt(o.GetAnnotations()[revisionAnnotation], 10, 64)
		return r, err == nil
	}
	r.template, found, err = unstructured.NestedMap(o.Object, "data", "spec", "template")
	if err != nil || !found {
		return r, false
	}
	delete(r.template, "$patch") // it says that the template is to be replaced as a whole, see Undo
	// The pods of a StatefulSet carry the revision's name, those of a DaemonSet its hash.
	r.Selector = revisionLabel + "=" + r.Name
	if hash := o.GetLabels()[revisionLabel]; workload == "daemonsets.apps" && hash != "" {
		r.Selector = revisionLabel + "=" + hash
	}
	r.Number, found, err = unstructured.NestedInt64(o.Object, "revision")
	return r, err == nil && found
}

// podTemplate is a pod template in its Go type, to be compared: an empty field and one that is not there are the same.
func podTemplate(tree map[string]any) (out corev1.PodTemplateSpec, err error) {
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return out, fmt.Errorf("read a pod template: %w", err)
	}
	return out, nil
}

// imagesOf are the images of a template in the order of its containers.
func imagesOf(spec *corev1.PodSpec) []string {
	var out []string
	for i := range spec.InitContainers {
		out = append(out, spec.InitContainers[i].Image)
	}
	for i := range spec.Containers {
		out = append(out, spec.Containers[i].Image)
	}
	return slices.Compact(out)
}
