package testbed

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
)

// What becomes of a simulated node or pod; stages.yaml acts on it.
const (
	fateAnnotation     = "testbed.tiga/fate"
	restartsAnnotation = "testbed.tiga/restarts"

	fateNotReady   = "not-ready"   // a node whose network never comes up
	fateCrashLoop  = "crash-loop"  // killed for its memory again and again
	fateImagePull  = "image-pull"  // its image is not there
	fateFail       = "fail"        // a Job's pod that exits with 1
	fateRunForever = "run-forever" // a Job's pod that does not end
)

const (
	// seedTimeout bounds the wait for 100,000 pods on a slow machine.
	seedTimeout = 30 * time.Minute
	// writers is how many requests are under way when a cluster is filled;
	// more only wait inside the API server.
	writers = 32
)

// seed fills the cluster as its options say, and returns when all is as it
// was meant to be.
func (c *Cluster) seed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	for _, name := range c.opts.Families {
		if err := c.InstallFamily(ctx, name); err != nil {
			return err
		}
	}
	if c.opts.Seed != Empty {
		if err := c.seedCompany(ctx, companies()[c.opts.Seed]); err != nil {
			return fmt.Errorf("fill %s: %w", c.opts.Name, err)
		}
	}
	if c.opts.Pods > 0 {
		if err := c.seedPods(ctx); err != nil {
			return fmt.Errorf("fill %s with %d pods: %w", c.opts.Name, c.opts.Pods, err)
		}
	}
	if c.opts.Objects > 0 {
		if err := c.seedObjects(ctx); err != nil {
			return fmt.Errorf("fill %s with %d objects: %w", c.opts.Name, c.opts.Objects, err)
		}
	}
	return nil
}

// create makes the objects, many at a time and in no order.
func (c *Cluster) create(ctx context.Context, objects ...runtime.Object) error {
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, object := range objects {
		group.Go(func() error { return createOne(grouped, client, object) })
	}
	return group.Wait()
}

func createOne(ctx context.Context, client dynamic.Interface, object runtime.Object) error {
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return fmt.Errorf("create %T: %w", object, err)
	}
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("create %s: %w", kinds[0].Kind, err)
	}
	u := &unstructured.Unstructured{Object: fields}
	plural, _ := meta.UnsafeGuessKindToResource(kinds[0])
	if _, err = client.Resource(plural).Namespace(u.GetNamespace()).Create(ctx, u, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create %s %s: %w", kinds[0].Kind, u.GetName(), err)
	}
	return nil
}

// createNamespaces returns when pods can be made in them.
func (c *Cluster) createNamespaces(ctx context.Context, namespaces ...*corev1.Namespace) error {
	var objects []runtime.Object
	for _, namespace := range namespaces {
		objects = append(objects, namespace)
	}
	if err := c.create(ctx, objects...); err != nil {
		return err
	}
	err := c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		for _, namespace := range namespaces {
			if _, err := c.client.CoreV1().ServiceAccounts(namespace.Name).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for service accounts: %w", err)
	}
	return nil
}

// waitSettled returns when the controllers have made all pods and every pod
// has come to its fate.
func (c *Cluster) waitSettled(ctx context.Context) error {
	err := c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		if err := c.workloadsSettled(ctx); err != nil {
			return err
		}
		pods, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if err := podSettled(pod); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the pods: %w", err)
	}
	return nil
}

func (c *Cluster) workloadsSettled(ctx context.Context) error {
	deployments, err := c.client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, d := range deployments.Items {
		if d.Status.ObservedGeneration < d.Generation || d.Status.Replicas < *d.Spec.Replicas {
			return fmt.Errorf("deployment %s has %d of %d pods", d.Name, d.Status.Replicas, *d.Spec.Replicas)
		}
	}
	sets, err := c.client.AppsV1().StatefulSets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, s := range sets.Items {
		if s.Status.ReadyReplicas < *s.Spec.Replicas {
			return fmt.Errorf("stateful set %s has %d of %d pods", s.Name, s.Status.ReadyReplicas, *s.Spec.Replicas)
		}
	}
	daemons, err := c.client.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, d := range daemons.Items {
		if d.Status.ObservedGeneration < d.Generation || d.Status.CurrentNumberScheduled < d.Status.DesiredNumberScheduled {
			return fmt.Errorf("daemon set %s has %d of %d pods", d.Name, d.Status.CurrentNumberScheduled, d.Status.DesiredNumberScheduled)
		}
	}
	jobs, err := c.client.BatchV1().Jobs("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, j := range jobs.Items {
		forever := j.Spec.Template.Annotations[fateAnnotation] == fateRunForever && j.Status.Active > 0
		if !forever && len(j.Status.Conditions) == 0 {
			return fmt.Errorf("job %s has not ended", j.Name)
		}
	}
	return nil
}

// podSettled says whether the pod runs, has ended, or cannot run for a reason
// that it tells.
func podSettled(pod corev1.Pod) error {
	if pod.Status.Phase == corev1.PodPending {
		for _, status := range pod.Status.ContainerStatuses {
			if status.State.Waiting != nil && status.State.Waiting.Reason == "ImagePullBackOff" {
				return nil
			}
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
				return nil
			}
		}
		return fmt.Errorf("pod %s is pending", pod.Name)
	}
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if !ended && metav1.GetControllerOf(&pod) != nil && metav1.GetControllerOf(&pod).Kind == "Job" && pod.Annotations[fateAnnotation] != fateRunForever {
		return fmt.Errorf("pod %s has not ended", pod.Name)
	}
	return nil
}

func makeNamespace(name, team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
}
