package kube

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"tiga/access"
	"tiga/kube/kinds"
)

const (
	// instantiate is the annotation by which kubectl, too, marks a job that somebody started.
	instantiate, manual = "cronjob.kubernetes.io/instantiate", "manual"
	// rerunOf names by its UID the job that one is a copy of.
	rerunOf = "tiga/rerun-of"
	// maxJobName is the longest name whose pods' labels can hold it.
	maxJobName = 63
)

// RunOptions say what is started, and what the new Job is called.
type RunOptions struct {
	// Job is the name of the new Job, see JobName. Where the Job exists and came of the same request, nothing is done:
	// a request that is sent twice starts one Job.
	Job string
	// UID is that of the object which the person saw, as in DeleteOptions.
	UID string
}

var runSuffix = regexp.MustCompile(`-(manual|rerun)-[a-z0-9]{5}$`)

// JobName is the name of a Job that an action starts from an object. The nonce, five letters or digits, belongs to the
// request: the same request has the same name.
func JobName(a kinds.Action, from, nonce string) string {
	suffix := "-manual-" + nonce
	if a == kinds.ActionRerun {
		suffix = "-rerun-" + nonce
	}
	from = runSuffix.ReplaceAllString(from, "")
	return strings.TrimRight(from[:min(len(from), maxJobName-len(suffix))], "-.") + suffix
}

// Run starts a Job now: that of a CronJob, as kubectl create job --from does, or a Job once more. It takes two permits:
// read is for VerbGet on the object, and permit for VerbCreate on the new Job.
func (c *Cluster) Run(ctx context.Context, read, permit access.Permit, k *kinds.Kind, namespace, name string, o RunOptions) (Change, error) {
	a, make := kinds.ActionRun, fromCronJob
	if k.Can(kinds.ActionRerun) {
		a, make = kinds.ActionRerun, fromJob
	}
	t := target{string(a), k.ID(), namespace, name}
	if err := c.allowAction(read, k, t, access.VerbGet, a); err != nil {
		return Change{}, err
	}
	jobs, _ := kinds.Lookup("jobs.batch")
	if err := c.allow(permit, jobs, target{"create", jobs.ID(), namespace, o.Job}, access.VerbCreate); err != nil {
		return Change{}, err
	}
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	agent := c.agent(permit)
	// Read and sent as it is: a field that is newer than the Go types stays.
	from, err := c.conn.whole(ctx, k, namespace, name, agent)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	if o.UID != "" && o.UID != string(from.GetUID()) {
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	}
	job := make(from)
	job.SetName(o.Job)
	job.SetNamespace(namespace)
	client, err := c.conn.clientFor(clientKey{jobs.GVR.GroupVersion(), true})
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	made := &unstructured.Unstructured{}
	err = client.Post().Namespace(namespace).Resource(jobs.GVR.Resource).Param("fieldManager", FieldManager).
		SetHeader("User-Agent", agent).MaxRetries(0).Body(job).Do(ctx).Into(made)
	if apierrors.IsAlreadyExists(err) {
		there, getErr := c.conn.whole(ctx, jobs, namespace, o.Job, agent)
		if getErr == nil && cameOf(there, from) {
			return newChange(there, nil, nil), nil
		}
	}
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	return newChange(made, nil, map[string]string{"metadata.name": made.GetName(), "from": k.Name + " " + name}), nil
}

// cameOf reports whether a Job was started from an object by one of us.
func cameOf(job, from *unstructured.Unstructured) bool {
	if job.GetAnnotations()[rerunOf] == string(from.GetUID()) {
		return true
	}
	owner := metav1.GetControllerOf(job)
	return owner != nil && owner.UID == from.GetUID() && job.GetAnnotations()[instantiate] == manual
}

// newJob is a Job without a name.
func newJob(spec map[string]any, labels, annotations map[string]string) *unstructured.Unstructured {
	job := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	job.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	job.SetLabels(labels)
	job.SetAnnotations(annotations)
	return job
}

// fromCronJob is the Job that a CronJob would start.
func fromCronJob(c *unstructured.Unstructured) *unstructured.Unstructured {
	spec, _, _ := unstructured.NestedMap(c.Object, "spec", "jobTemplate", "spec")
	labels, _, _ := unstructured.NestedStringMap(c.Object, "spec", "jobTemplate", "metadata", "labels")
	annotations, _, _ := unstructured.NestedStringMap(c.Object, "spec", "jobTemplate", "metadata", "annotations")
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[instantiate] = manual
	job := newJob(spec, labels, annotations)
	controls := true
	// Without blockOwnerDeletion, which takes the right to set finalizers of the CronJob.
	job.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "CronJob", Name: c.GetName(), UID: c.GetUID(), Controller: &controls,
	}})
	return job
}

// fromJob is a Job like another, without what ties the other to its pods.
func fromJob(j *unstructured.Unstructured) *unstructured.Unstructured {
	spec, _, _ := unstructured.NestedMap(j.Object, "spec")
	for _, field := range []string{"selector", "manualSelector", "suspend"} {
		delete(spec, field)
	}
	labels, _, _ := unstructured.NestedStringMap(spec, "template", "metadata", "labels")
	if labels = untied(labels); len(labels) > 0 {
		_ = unstructured.SetNestedStringMap(spec, labels, "template", "metadata", "labels") // it was read from there
	} else {
		unstructured.RemoveNestedField(spec, "template", "metadata", "labels")
	}
	annotations := maps.Clone(j.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	for _, own := range []string{lastApplied, batchv1.JobTrackingFinalizer, batchv1.CronJobScheduledTimestampAnnotation} {
		delete(annotations, own)
	}
	annotations[rerunOf] = string(j.GetUID())
	job := newJob(spec, untied(j.GetLabels()), annotations)
	owners := j.GetOwnerReferences()
	for i := range owners {
		owners[i].BlockOwnerDeletion = nil
	}
	job.SetOwnerReferences(owners)
	return job
}

// untied are labels without those that the API server gives to a Job and its pods.
func untied(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	for _, own := range []string{"controller-uid", "job-name", batchv1.ControllerUidLabel, batchv1.JobNameLabel} {
		delete(out, own)
	}
	return out
}

// whole reads one object as its JSON has it, with the fields that the Go types do not know.
func (c *conn) whole(ctx context.Context, k *kinds.Kind, namespace, name, agent string) (*unstructured.Unstructured, error) {
	client, err := c.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	err = client.Get().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name).
		SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(obj)
	if err != nil {
		return nil, err
	}
	if obj.GetName() != name {
		return nil, fmt.Errorf("get %s: %w", k.ID(), errNotKubernetes)
	}
	return obj, nil
}
