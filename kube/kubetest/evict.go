package kubetest

import (
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// evict deletes a pod unless a disruption budget stands in the way, in the words of an API server.
func (c *call) evict() {
	obj, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	pod, isPod := obj.(*corev1.Pod)
	gvk := policyv1.SchemeGroupVersion.WithKind("Eviction")
	asked, _, err := codecs.UniversalDeserializer().Decode(c.body, &gvk, nil)
	eviction, isEviction := asked.(*policyv1.Eviction)
	if err != nil || !isEviction || !isPod || eviction.Name != c.name {
		c.fail(apierrors.NewBadRequest("not an Eviction of this pod"))
		return
	}
	if o := eviction.DeleteOptions; o != nil && o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != pod.UID {
		c.fail(c.conflict("Precondition failed: UID in precondition: " + string(*o.Preconditions.UID) + ", UID in object meta: " + string(pod.UID)))
		return
	}
	budgets := c.budgets(pod)
	// A pod that has run to its end, or has not begun, serves nobody: budgets do not count it.
	counts := pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodPending
	switch {
	case counts && len(budgets) > 1:
		c.fail(apierrors.NewInternalError(errors.New("this pod has more than one PodDisruptionBudget, which the eviction subresource does not support")))
		return
	case counts && len(budgets) == 1 && budgets[0].Status.DisruptionsAllowed <= 0:
		c.fail(overBudget(budgets[0]))
		return
	case counts && len(budgets) == 1:
		b := budgets[0].DeepCopy()
		b.Status.DisruptionsAllowed--
		c.Update(b)
	}
	c.store.remove(c.res, c.namespace, c.name)
	c.write(http.StatusCreated, schema.GroupVersion{Version: "v1"}, &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusCreated})
}

// budgets are those that choose a pod.
func (c *call) budgets(pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	res, ok := c.lookup(policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"))
	if !ok {
		return nil
	}
	all, _ := c.store.list(res, pod.Namespace)
	var out []*policyv1.PodDisruptionBudget
	for _, obj := range all {
		b, ok := obj.(*policyv1.PodDisruptionBudget)
		if !ok {
			continue
		}
		if selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, b)
		}
	}
	return out
}

func overBudget(b *policyv1.PodDisruptionBudget) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: policyv1.DisruptionBudgetCause,
		Message: fmt.Sprintf("The disruption budget %s needs %d healthy pods and has %d currently",
			b.Name, b.Status.DesiredHealthy, b.Status.CurrentHealthy),
	})
	return err
}
