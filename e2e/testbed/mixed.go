package testbed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// filler makes objects of a kind; each makes the one of a number.
type filler struct {
	kind  string
	share int // of the sum of all shares
	write func(ctx context.Context, at metav1.ObjectMeta, i int) error
}

// seedObjects makes c.opts.Objects objects of kinds that nothing acts upon, as
// many of each as clusters have in proportion: they stay as they are written.
func (c *Cluster) seedObjects(ctx context.Context) error {
	begin := time.Now()
	if c.opts.Pods == 0 {
		if err := c.loadNamespaces(ctx); err != nil {
			return err
		}
	}
	if err := c.InstallFamily(ctx, SystemUpgrade); err != nil {
		return err
	}
	custom, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	// The garbage collector and its like would read everything along.
	if err := c.stopPart(ctx, controllers); err != nil {
		return err
	}
	fillers := append(fillers(c.client), filler{"Plan", 4, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
		_, err := custom.Resource(plansResource).Namespace(at.Namespace).Create(ctx, plan(at, i), metav1.CreateOptions{})
		return err
	}})
	shares := 0
	for _, f := range fillers {
		shares += f.share
	}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	shown := time.Now()
	for i := 0; i < c.opts.Objects && grouped.Err() == nil; i++ {
		f := pickFiller(fillers, i%shares)
		at := metav1.ObjectMeta{
			Namespace: fmt.Sprintf("load-%03d", i/shares%c.opts.Namespaces+1), Name: fmt.Sprintf("%s-%06d", strings.ToLower(f.kind), i),
			Labels: map[string]string{
				"team": loadTeam, "app.kubernetes.io/name": fmt.Sprintf("service-%04d", i%200+1), "app.kubernetes.io/managed-by": "Helm",
			},
		}
		group.Go(func() error {
			if err := f.write(grouped, at, i); err != nil {
				return fmt.Errorf("create %s %s: %w", f.kind, at.Name, err)
			}
			return nil
		})
		if time.Since(shown) >= progressEvery {
			shown = time.Now()
			c.logf("%d of %d objects made after %s", i, c.opts.Objects, elapsed(begin))
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	c.logf("%d objects made after %s", c.opts.Objects, elapsed(begin))
	return c.spawn(controllers)
}

// pickFiller returns the one that the share of that number belongs to.
func pickFiller(fillers []filler, share int) filler {
	for _, f := range fillers {
		if share -= f.share; share < 0 {
			return f
		}
	}
	return fillers[len(fillers)-1]
}

// fillers are those of the built-in kinds.
func fillers(client kubernetes.Interface) []filler {
	create := metav1.CreateOptions{}
	return []filler{
		{"ConfigMap", 30, func(ctx context.Context, at metav1.ObjectMeta, _ int) error {
			o := &corev1.ConfigMap{ObjectMeta: at, Data: map[string]string{
				"application.yaml": strings.Repeat("server: {port: 8080, timeout: 30s}\n", 16), "LOG_LEVEL": "info",
			}}
			_, err := client.CoreV1().ConfigMaps(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"Secret", 20, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
			o := &corev1.Secret{ObjectMeta: at, Type: corev1.SecretTypeOpaque, StringData: map[string]string{
				"username": "service", "password": fmt.Sprintf("not-a-secret-%d", i),
			}}
			_, err := client.CoreV1().Secrets(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"Event", 10, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
			_, err := client.CoreV1().Events(at.Namespace).Create(ctx, event(at, i), create)
			return err
		}},
		{"Service", 6, func(ctx context.Context, at metav1.ObjectMeta, _ int) error {
			// Without a selector no controller makes endpoints, without an address none is to be found.
			o := &corev1.Service{ObjectMeta: at, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}}}
			_, err := client.CoreV1().Services(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"EndpointSlice", 6, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
			_, err := client.DiscoveryV1().EndpointSlices(at.Namespace).Create(ctx, slice(at, i), create)
			return err
		}},
		{"Lease", 6, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
			holder, seconds, now := fmt.Sprintf("replica-%d", i%3), int32(15), metav1.NowMicro()
			o := &coordinationv1.Lease{ObjectMeta: at, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now}}
			_, err := client.CoordinationV1().Leases(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"ServiceAccount", 2, func(ctx context.Context, at metav1.ObjectMeta, _ int) error {
			_, err := client.CoreV1().ServiceAccounts(at.Namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: at}, create)
			return err
		}},
		{"Role", 2, func(ctx context.Context, at metav1.ObjectMeta, _ int) error {
			o := &rbacv1.Role{ObjectMeta: at, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "configmaps"}, Verbs: []string{"get", "list", "watch"}}}}
			_, err := client.RbacV1().Roles(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"RoleBinding", 2, func(ctx context.Context, at metav1.ObjectMeta, i int) error {
			o := &rbacv1.RoleBinding{
				ObjectMeta: at, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: fmt.Sprintf("role-%06d", i)},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "default", Namespace: at.Namespace}},
			}
			_, err := client.RbacV1().RoleBindings(at.Namespace).Create(ctx, o, create)
			return err
		}},
		{"NetworkPolicy", 2, func(ctx context.Context, at metav1.ObjectMeta, _ int) error {
			o := &networkingv1.NetworkPolicy{ObjectMeta: at, Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "service"}}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			}}
			_, err := client.NetworkingV1().NetworkPolicies(at.Namespace).Create(ctx, o, create)
			return err
		}},
	}
}

func event(at metav1.ObjectMeta, i int) *corev1.Event {
	words := []struct{ kind, reason, message string }{
		{corev1.EventTypeNormal, "Scheduled", "Successfully assigned the pod to a node"},
		{corev1.EventTypeNormal, "Pulled", "Container image was pulled in 1.2s"},
		{corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container main in pod"},
		{corev1.EventTypeNormal, "Started", "Started container main"},
	}[i%4]
	seen := metav1.NewTime(time.Now().Add(-time.Duration(i%3600) * time.Second))
	return &corev1.Event{
		ObjectMeta: at, Type: words.kind, Reason: words.reason, Message: words.message, Count: int32(i%9 + 1), //nolint:gosec // at most 9
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: at.Namespace, Name: fmt.Sprintf("service-%04d-%05x", i%200+1, i)},
		Source:         corev1.EventSource{Component: "kubelet", Host: fmt.Sprintf("node-%d", i%100)}, FirstTimestamp: seen, LastTimestamp: seen,
	}
}

func slice(at metav1.ObjectMeta, i int) *discoveryv1.EndpointSlice {
	at.Labels[discoveryv1.LabelManagedBy] = "testbed.tiga"
	name, port, ready := "http", int32(8080), true
	o := &discoveryv1.EndpointSlice{ObjectMeta: at, AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}}
	for n := range 3 {
		address := fmt.Sprintf("10.%d.%d.%d", 128+n, i>>8&255, i&255)
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	return o
}

var plansResource = schema.GroupVersionResource{Group: "upgrade.cattle.io", Version: "v1", Resource: "plans"}

func plan(at metav1.ObjectMeta, i int) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"channel": "https://update.example.com/stable", "version": fmt.Sprintf("v1.%d.%d", i%20, rand.IntN(9)), "concurrency": int64(1),
		"upgrade": map[string]any{"image": "registry.example.com/upgrade"},
	}}}
	u.SetGroupVersionKind(plansResource.GroupVersion().WithKind("Plan"))
	u.SetNamespace(at.Namespace)
	u.SetName(at.Name)
	u.SetLabels(at.Labels)
	return u
}
