package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podsPerDeployment is how many pods a Deployment of a scale seed has.
const podsPerDeployment = 50

// loadTeam labels what a scale seed makes.
const loadTeam = "load"

// seedPods makes Deployments with c.opts.Pods pods in total. The controller
// manager is stopped meanwhile: Deployments, ReplicaSets and pods are written as
// it and the scheduler would leave them, which halves the requests, and it
// finds nothing to do when it starts again.
func (c *Cluster) seedPods(ctx context.Context) error {
	begin := time.Now()
	if err := c.loadNamespaces(ctx); err != nil {
		return err
	}
	// Stopped, not held: when it starts it reads everything before it acts on
	// anything. One that only was held sees Deployments before their
	// ReplicaSets, and makes others.
	if err := c.stopPart(ctx, controllers); err != nil {
		return err
	}
	created, err := c.createLoad(ctx, begin)
	if err != nil {
		return err
	}
	c.logf("%d pods made after %s", c.opts.Pods, elapsed(begin))
	if err := c.spawn(controllers); err != nil {
		return err
	}
	err = c.waitFor(ctx, settleEvery, func(ctx context.Context) error { return c.loadReady(ctx, created) })
	if err != nil {
		return fmt.Errorf("wait for the pods: %w", err)
	}
	c.logf("%d pods ready after %s", c.opts.Pods, elapsed(begin))
	return nil
}

func (c *Cluster) loadNamespaces(ctx context.Context) error {
	var namespaces []*corev1.Namespace
	for i := range c.opts.Namespaces {
		namespaces = append(namespaces, makeNamespace(fmt.Sprintf("load-%03d", i+1), loadTeam))
	}
	return c.createNamespaces(ctx, namespaces...)
}

// createLoad returns how many Deployments it made.
func (c *Cluster) createLoad(ctx context.Context, begin time.Time) (int, error) {
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("list nodes: %w", err)
	}
	var names []string
	for _, node := range nodes.Items {
		if len(node.Spec.Taints) == 0 {
			names = append(names, node.Name)
		}
	}
	if len(names) == 0 {
		return 0, errors.New("no node takes pods")
	}
	// One group for the Deployments and one for the pods: a Deployment that
	// waits for a place among the pods would hold up the making of pods.
	pods, podsCtx := errgroup.WithContext(ctx)
	pods.SetLimit(writers)
	shown := time.Now()
	deployments := 0
	for made := 0; made < c.opts.Pods; deployments++ {
		replicas := min(c.opts.Pods-made, podsPerDeployment)
		set, err := c.createReplicaSet(podsCtx, deployments, int32(replicas))
		if err != nil {
			return 0, errors.Join(err, pods.Wait())
		}
		for i := range replicas {
			pod := loadPod(set, i, names[(made+i)%len(names)])
			pods.Go(func() error {
				_, err := c.client.CoreV1().Pods(pod.Namespace).Create(podsCtx, pod, metav1.CreateOptions{})
				if err != nil {
					return fmt.Errorf("create pod %s: %w", pod.Name, err)
				}
				return nil
			})
		}
		made += replicas
		if time.Since(shown) >= progressEvery {
			shown = time.Now()
			c.logf("%d of %d pods made after %s", made, c.opts.Pods, elapsed(begin))
		}
	}
	return deployments, pods.Wait()
}

// createReplicaSet makes the Deployment of that number, and its ReplicaSet.
func (c *Cluster) createReplicaSet(ctx context.Context, number int, replicas int32) (*appsv1.ReplicaSet, error) {
	w := workload{
		namespace: fmt.Sprintf("load-%03d", number%c.opts.Namespaces+1), name: fmt.Sprintf("service-%04d", number+1),
		image: fmt.Sprintf("registry.example.com/load/service:1.%d", number),
		team:  loadTeam, tier: []string{"frontend", "backend", "data"}[number%3],
		cpu: "50m", memory: "64Mi", port: 8080,
	}
	deployment, err := c.client.AppsV1().Deployments(w.namespace).Create(ctx, w.deployment(replicas), metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create deployment %s: %w", w.name, err)
	}
	// The controller takes a ReplicaSet for the Deployment's by its template,
	// whatever the hash is.
	const hashLabel = appsv1.DefaultDeploymentUniqueLabelKey
	hash := fmt.Sprintf("%010x", number+0x5bd1e995)
	template := *deployment.Spec.Template.DeepCopy()
	template.Labels[hashLabel] = hash
	set := &appsv1.ReplicaSet{
		ObjectMeta: w.named(w.name + "-" + hash),
		Spec: appsv1.ReplicaSetSpec{
			Replicas: &replicas, Template: template,
			Selector: metav1.AddLabelToSelector(w.selector(), hashLabel, hash),
		},
	}
	set.Labels[hashLabel] = hash
	set.Annotations = map[string]string{
		"deployment.kubernetes.io/revision":         "1",
		"deployment.kubernetes.io/desired-replicas": fmt.Sprint(replicas),
		"deployment.kubernetes.io/max-replicas":     fmt.Sprint(replicas + (replicas+3)/4),
	}
	set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(deployment, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	set, err = c.client.AppsV1().ReplicaSets(w.namespace).Create(ctx, set, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create replica set of %s: %w", w.name, err)
	}
	return set, nil
}

func loadPod(set *appsv1.ReplicaSet, i int, node string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: fmt.Sprintf("%s-%05x", set.Name, i*0x2c1b3+0x10001),
			GenerateName: set.Name + "-", Labels: set.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: *set.Spec.Template.Spec.DeepCopy(),
	}
	pod.Spec.NodeName = node
	return pod
}

// loadReady asks the API server's cache for a few hundred Deployments in
// place of all the pods.
func (c *Cluster) loadReady(ctx context.Context, deployments int) error {
	list, err := c.client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{LabelSelector: "team=" + loadTeam, ResourceVersion: "0"})
	if err != nil {
		return err
	}
	ready := 0
	for _, d := range list.Items {
		ready += int(d.Status.ReadyReplicas)
	}
	if len(list.Items) < deployments || ready < c.opts.Pods {
		return fmt.Errorf("%d of %d pods are ready", ready, c.opts.Pods)
	}
	return nil
}
