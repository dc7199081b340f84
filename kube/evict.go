package kube

import (
	"context"
	"errors"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/kube/kinds"
)

// EvictOptions say which pod is evicted and how.
type EvictOptions struct {
	// UID is that of the pod which the person saw, as in DeleteOptions.
	UID string
	// Grace is the time in seconds that the pod has to end; nil is its own.
	Grace *int64
}

// Evict asks a pod to go, as a drain does: disruption budgets are asked, and where one of them allows no pod to go now the
// error is ErrBlocked and names it. A pod that is on its way out already is left alone. The permit is for VerbEvict on it.
func (c *Cluster) Evict(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, o EvictOptions) (Change, error) {
	t := target{"evict", k.ID(), namespace, name}
	if err := c.allowAction(permit, k, t, access.VerbEvict, kinds.ActionEvict); err != nil {
		return Change{}, err
	}
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	agent := c.agent(permit)
	obj, err := c.conn.get(ctx, k, namespace, name, agent)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	pod, ok := obj.(*corev1.Pod)
	switch {
	case !ok:
		return Change{}, c.wrap(errNotKubernetes, t)
	case o.UID != "" && o.UID != string(pod.UID):
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	case pod.DeletionTimestamp != nil:
		return newChange(pod, nil, nil), nil
	}
	uid := pod.UID
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: namespace, Name: name},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: o.Grace, Preconditions: &metav1.Preconditions{UID: &uid}},
	}
	client, err := c.conn.client(policyv1.SchemeGroupVersion)
	if err != nil {
		return Change{}, c.wrap(err, t)
	}
	err = client.Post().AbsPath("/api/v1").Namespace(namespace).Resource("pods").Name(name).SubResource("eviction").
		SetHeader("User-Agent", agent).MaxRetries(0).Body(eviction).Do(ctx).Error()
	switch {
	case apierrors.IsTooManyRequests(err):
		return Change{}, c.blocked(err, t)
	case apierrors.IsConflict(err):
		return Change{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	case err != nil:
		return Change{}, c.wrap(err, t)
	}
	return newChange(pod, identity(k, pod, pod), nil), nil
}

// budgetWords are what an API server says of the budget that stands in the way.
var budgetWords = regexp.MustCompile(`disruption budget (\S+) needs (\d+) healthy pods and has (\d+) currently`)

// blocked is the error of an eviction that a disruption budget does not allow now. API servers say so with the status
// that they also have for too many requests; only the cause tells which it is.
func (c *Cluster) blocked(err error, t target) error {
	api := apierrors.APIStatus(nil)
	if !errors.As(err, &api) || api.Status().Details == nil {
		return c.wrap(err, t)
	}
	for _, cause := range api.Status().Details.Causes {
		if cause.Type != policyv1.DisruptionBudgetCause {
			continue
		}
		reason := message("evict_blocked")
		reason.Text = cause.Message
		if m := budgetWords.FindStringSubmatch(cause.Message); m != nil {
			reason = message("evict_budget", "Budget", m[1], "Need", m[2], "Have", m[3])
		}
		e := c.refused(t, KindBlocked, reason)
		e.Server, e.RetryAfter, e.Err = api.Status().Message, int(api.Status().Details.RetryAfterSeconds), err
		return e
	}
	return c.wrap(err, t)
}
