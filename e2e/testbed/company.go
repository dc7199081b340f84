package testbed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	storageClass = "standard"
	// stuckDeadline is how long the rollout that gets stuck may take before
	// it is said to be.
	stuckDeadline = 3
	// ingressIP is an address that documents may use.
	ingressIP = "203.0.113.10"
)

// company is a cluster of the small company: a shop and what it needs.
type company struct {
	column   int // in workload.replicas
	nodes    int
	pools    []nodePool
	domain   string
	troubled bool // with all that goes wrong
}

func companies() map[Seed]company {
	return map[Seed]company{
		Production: {column: 0, nodes: 12, domain: "shop.example.com", troubled: true, pools: []nodePool{
			{name: "prod-control", count: 3, cpu: 4, memoryGi: 16, machine: "m7i.xlarge", role: "control-plane", tainted: true},
			{name: "prod-general", count: 6, cpu: 16, memoryGi: 64, machine: "m7i.4xlarge", role: "worker"},
			{name: "prod-memory", count: 3, cpu: 16, memoryGi: 128, machine: "r7i.4xlarge", role: "worker"},
		}},
		Staging: {column: 1, nodes: 5, domain: "staging.example.com", pools: []nodePool{
			{name: "staging-control", count: 1, cpu: 4, memoryGi: 16, machine: "m7i.xlarge", role: "control-plane", tainted: true},
			{name: "staging-worker", count: 4, cpu: 8, memoryGi: 32, machine: "m7i.2xlarge", role: "worker"},
		}},
		Dev: {column: 2, nodes: 3, domain: "dev.example.com", pools: []nodePool{
			{name: "dev-control", count: 1, cpu: 2, memoryGi: 8, machine: "t3.large", role: "control-plane", tainted: true},
			{name: "dev-worker", count: 2, cpu: 8, memoryGi: 32, machine: "m7i.2xlarge", role: "worker", fate: fateNotReady},
		}},
		Empty: {},
	}
}

// workloads are what the company runs.
func workloads() []workload {
	const deployment, stateful, daemon = "Deployment", "StatefulSet", "DaemonSet"
	return []workload{
		{kind: daemon, namespace: "kube-system", name: "kube-proxy", replicas: [3]int32{1, 1, 1}, image: "registry.k8s.io/kube-proxy:v1.37.2", team: "platform", tier: "system", cpu: "50m", memory: "64Mi"},
		{kind: daemon, namespace: "kube-system", name: "cilium", replicas: [3]int32{1, 1, 1}, image: "quay.io/cilium/cilium:v1.18.2", team: "platform", tier: "system", cpu: "100m", memory: "256Mi"},
		{kind: daemon, namespace: "monitoring", name: "node-exporter", replicas: [3]int32{1, 1}, image: "quay.io/prometheus/node-exporter:v1.9.1", team: "platform", tier: "system", cpu: "20m", memory: "64Mi"},
		{kind: daemon, namespace: "monitoring", name: "fluent-bit", replicas: [3]int32{1}, image: "cr.fluentbit.io/fluent/fluent-bit:4.0.8", team: "platform", tier: "system", cpu: "50m", memory: "128Mi"},
		{kind: deployment, namespace: "kube-system", name: "coredns", replicas: [3]int32{3, 2, 1}, image: "registry.k8s.io/coredns/coredns:v1.12.4", team: "platform", tier: "system", cpu: "100m", memory: "170Mi", port: 53},
		{kind: deployment, namespace: "kube-system", name: "metrics-server", replicas: [3]int32{2, 1}, image: "registry.k8s.io/metrics-server/metrics-server:v0.8.0", team: "platform", tier: "system", cpu: "100m", memory: "200Mi", port: 10250},
		{kind: deployment, namespace: "kube-system", name: "cilium-operator", replicas: [3]int32{2, 1}, image: "quay.io/cilium/operator-generic:v1.18.2", team: "platform", tier: "system", cpu: "50m", memory: "128Mi"},
		{kind: deployment, namespace: "ingress-nginx", name: "ingress-nginx-controller", replicas: [3]int32{4, 1, 1}, image: "registry.k8s.io/ingress-nginx/controller:v1.13.3", team: "platform", tier: "system", cpu: "200m", memory: "512Mi", port: 443},
		{kind: deployment, namespace: "cert-manager", name: "cert-manager", replicas: [3]int32{2, 1}, image: "quay.io/jetstack/cert-manager-controller:v1.19.1", team: "platform", tier: "system", cpu: "50m", memory: "128Mi", port: 9402},
		{kind: deployment, namespace: "cert-manager", name: "cert-manager-webhook", replicas: [3]int32{3}, image: "quay.io/jetstack/cert-manager-webhook:v1.19.1", team: "platform", tier: "system", cpu: "50m", memory: "64Mi", port: 10260},
		{kind: stateful, namespace: "monitoring", name: "prometheus", replicas: [3]int32{2, 1}, image: "quay.io/prometheus/prometheus:v3.6.0", team: "platform", tier: "system", cpu: "1", memory: "8Gi", port: 9090, volume: "200Gi"},
		{kind: stateful, namespace: "monitoring", name: "alertmanager", replicas: [3]int32{3}, image: "quay.io/prometheus/alertmanager:v0.28.1", team: "platform", tier: "system", cpu: "50m", memory: "128Mi", port: 9093, volume: "5Gi"},
		{kind: stateful, namespace: "monitoring", name: "loki", replicas: [3]int32{3}, image: "docker.io/grafana/loki:3.5.5", team: "platform", tier: "system", cpu: "500m", memory: "4Gi", port: 3100, volume: "100Gi"},
		{kind: deployment, namespace: "monitoring", name: "grafana", replicas: [3]int32{2, 1}, image: "docker.io/grafana/grafana:12.2.0", team: "platform", tier: "system", cpu: "100m", memory: "256Mi", port: 3000},
		{kind: deployment, namespace: "monitoring", name: "kube-state-metrics", replicas: [3]int32{1}, image: "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.17.0", team: "platform", tier: "system", cpu: "50m", memory: "128Mi", port: 8080},

		{kind: deployment, namespace: "shop", name: "nginx", replicas: [3]int32{3, 2, 1}, image: "docker.io/library/nginx:1.29.2", team: "shop", tier: "frontend", cpu: "100m", memory: "128Mi", port: 80},
		{kind: deployment, namespace: "shop", name: "storefront", replicas: [3]int32{8, 2, 1}, image: "registry.example.com/shop/storefront:3.21.4", team: "shop", tier: "frontend", cpu: "250m", memory: "512Mi", port: 3000},
		{kind: deployment, namespace: "shop", name: "catalog", replicas: [3]int32{6, 2, 1}, image: "registry.example.com/shop/catalog:2.9.0", team: "shop", tier: "backend", cpu: "200m", memory: "384Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "cart", replicas: [3]int32{5, 1, 1}, image: "registry.example.com/shop/cart:1.44.2", team: "shop", tier: "backend", cpu: "200m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "checkout", replicas: [3]int32{4, 1, 1}, image: "registry.example.com/shop/checkout:4.7.1", team: "shop", tier: "backend", cpu: "250m", memory: "384Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "pricing", replicas: [3]int32{4}, image: "registry.example.com/shop/pricing:0.18.3", team: "shop", tier: "backend", cpu: "150m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "inventory", replicas: [3]int32{3}, image: "registry.example.com/shop/inventory:1.12.0", team: "shop", tier: "backend", cpu: "150m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "recommendations", replicas: [3]int32{2}, image: "registry.example.com/shop/recommendations:0.9.7", team: "shop", tier: "backend", cpu: "500m", memory: "256Mi", port: 8080, fate: fateCrashLoop, restarts: 27},
		{kind: deployment, namespace: "shop", name: "reviews", replicas: [3]int32{3}, image: "registry.example.com/shop/reviews:1.3.8", team: "shop", tier: "backend", cpu: "100m", memory: "192Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "image-resizer", replicas: [3]int32{4}, image: "registry.example.com/shop/image-resizer:2.0.1", team: "shop", tier: "backend", cpu: "500m", memory: "512Mi", port: 8080},
		{kind: deployment, namespace: "shop", name: "mailer", replicas: [3]int32{2}, image: "registry.example.com/shop/mailer:1.8.2", team: "shop", tier: "backend", cpu: "50m", memory: "128Mi"},
		{kind: stateful, namespace: "shop", name: "session-cache", replicas: [3]int32{3}, image: "docker.io/valkey/valkey:8.1.4", team: "shop", tier: "data", cpu: "200m", memory: "1Gi", port: 6379},

		{kind: deployment, namespace: "payments", name: "payment-gateway", replicas: [3]int32{4, 1}, image: "registry.example.com/payments/gateway:5.2.0", team: "payments", tier: "backend", cpu: "250m", memory: "512Mi", port: 8443},
		{kind: deployment, namespace: "payments", name: "fraud-detection", replicas: [3]int32{3}, image: "registry.example.com/payments/fraud-detection:1.31.0", team: "payments", tier: "backend", cpu: "1", memory: "2Gi", port: 8080},
		{kind: deployment, namespace: "payments", name: "invoicing", replicas: [3]int32{2}, image: "registry.example.com/payments/invoicing:2.6.4", team: "payments", tier: "backend", cpu: "100m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "payments", name: "ledger", replicas: [3]int32{3}, image: "registry.example.com/payments/ledger:3.0.9", team: "payments", tier: "backend", cpu: "250m", memory: "512Mi", port: 8080},

		{kind: deployment, namespace: "search", name: "search-api", replicas: [3]int32{4, 1}, image: "registry.example.com/search/api:1.15.3", team: "search", tier: "backend", cpu: "250m", memory: "512Mi", port: 8080},
		{kind: deployment, namespace: "search", name: "autocomplete", replicas: [3]int32{3}, image: "registry.example.com/search/autocomplete:0.7.0", team: "search", tier: "backend", cpu: "100m", memory: "256Mi", port: 8080},
		{kind: stateful, namespace: "search", name: "opensearch", replicas: [3]int32{5}, image: "docker.io/opensearchproject/opensearch:3.3.0", team: "search", tier: "data", cpu: "2", memory: "16Gi", port: 9200, volume: "500Gi"},

		{kind: stateful, namespace: "data", name: "postgres", replicas: [3]int32{3, 1, 1}, image: "docker.io/library/postgres:17.6", team: "data", tier: "data", cpu: "1", memory: "4Gi", port: 5432, volume: "100Gi"},
		{kind: stateful, namespace: "data", name: "kafka", replicas: [3]int32{5}, image: "docker.io/apache/kafka:4.1.0", team: "data", tier: "data", cpu: "1", memory: "4Gi", port: 9092, volume: "200Gi"},
		{kind: stateful, namespace: "data", name: "clickhouse", replicas: [3]int32{3}, image: "docker.io/clickhouse/clickhouse-server:25.8", team: "data", tier: "data", cpu: "2", memory: "16Gi", port: 8123, volume: "1Ti"},
		{kind: deployment, namespace: "data", name: "schema-registry", replicas: [3]int32{2}, image: "registry.example.com/data/schema-registry:2.3.0", team: "data", tier: "backend", cpu: "100m", memory: "512Mi", port: 8081},
		{kind: deployment, namespace: "data", name: "event-ingest", replicas: [3]int32{6, 1}, image: "registry.example.com/data/event-ingest:1.27.5", team: "data", tier: "backend", cpu: "250m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "data", name: "report-builder", replicas: [3]int32{1}, image: "registry.example.com/data/report-builder:0.4.2", team: "data", tier: "backend", cpu: "4", memory: "512Gi", port: 8080},
		{kind: deployment, namespace: "data", name: "dashboard", replicas: [3]int32{2}, image: "registry.example.com/data/dashboard:1.0.6", team: "data", tier: "frontend", cpu: "100m", memory: "256Mi", port: 8088},

		{kind: deployment, namespace: "platform", name: "auth", replicas: [3]int32{4, 1}, image: "registry.example.com/platform/auth:6.1.2", team: "platform", tier: "backend", cpu: "200m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "platform", name: "api-gateway", replicas: [3]int32{5, 1}, image: "registry.example.com/platform/api-gateway:2.30.1", team: "platform", tier: "frontend", cpu: "250m", memory: "256Mi", port: 8080},
		{kind: deployment, namespace: "platform", name: "feature-flags", replicas: [3]int32{2}, image: "registry.example.com/platform/feature-flags:2.14.0-rc1", team: "platform", tier: "backend", cpu: "50m", memory: "128Mi", port: 8080, fate: fateImagePull},
		{kind: deployment, namespace: "platform", name: "notifications", replicas: [3]int32{3}, image: "registry.example.com/platform/notifications:1.9.9", team: "platform", tier: "backend", cpu: "100m", memory: "192Mi", port: 8080},
		{kind: deployment, namespace: "platform", name: "image-registry", replicas: [3]int32{2}, image: "ghcr.io/distribution/distribution:3.0.0", team: "platform", tier: "backend", cpu: "100m", memory: "256Mi", port: 5000},
		{kind: deployment, namespace: "platform", name: "audit-forwarder", replicas: [3]int32{2}, image: "registry.example.com/platform/audit-forwarder:0.3.1", team: "platform", tier: "backend", cpu: "50m", memory: "128Mi"},
		{kind: deployment, namespace: "platform", name: "docs", replicas: [3]int32{2}, image: "registry.example.com/platform/docs:2026.10", team: "platform", tier: "frontend", cpu: "20m", memory: "64Mi", port: 80},
		{kind: deployment, namespace: "platform", name: "secrets-sync", replicas: [3]int32{1}, image: "registry.example.com/platform/secrets-sync:1.1.0", team: "platform", tier: "system", cpu: "20m", memory: "64Mi"},
	}
}

// seedCompany makes the company's cluster.
func (c *Cluster) seedCompany(ctx context.Context, of company) error {
	namespaces := map[string]*corev1.Namespace{}
	var storage, objects []runtime.Object
	for _, w := range workloads() {
		if w.replicas[of.column] == 0 {
			continue
		}
		if w.namespace != metav1.NamespaceSystem {
			namespaces[w.namespace] = makeNamespace(w.namespace, w.team)
		}
		storage = append(storage, w.storage(w.replicas[of.column])...)
		objects = append(objects, w.objects(w.replicas[of.column])...)
	}
	var made []*corev1.Namespace
	for _, namespace := range namespaces {
		made = append(made, namespace)
	}
	if err := c.createNamespaces(ctx, made...); err != nil {
		return err
	}
	if err := c.createStorage(ctx, storage); err != nil {
		return err
	}
	objects = append(objects, c.staticPods(of)...)
	objects = append(objects, sharedObjects(of)...)
	objects = append(objects, jobs(of)...)
	if err := c.create(ctx, objects...); err != nil {
		return err
	}
	if err := c.waitSettled(ctx); err != nil {
		return err
	}
	if err := c.forgetBirth(ctx, of); err != nil {
		return err
	}
	group, grouped := errgroup.WithContext(ctx)
	group.Go(func() error { return c.reportStatuses(grouped) })
	if of.troubled {
		group.Go(func() error { return c.stickRollout(grouped, "shop", "checkout") })
		group.Go(func() error { return c.warn(grouped) })
	}
	return group.Wait()
}

// createStorage makes the volumes and the claims of the workloads and returns
// when they have found each other: the scheduler would warn about a pod that
// is there earlier.
func (c *Cluster) createStorage(ctx context.Context, storage []runtime.Object) error {
	reclaim := corev1.PersistentVolumeReclaimDelete
	class := &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: storageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: "csi.example.com", ReclaimPolicy: &reclaim,
	}
	if err := c.create(ctx, class); err != nil {
		return err
	}
	if err := c.create(ctx, storage...); err != nil {
		return err
	}
	err := c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		claims, err := c.client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, claim := range claims.Items {
			if claim.Status.Phase != corev1.ClaimBound {
				return fmt.Errorf("claim %s is %s", claim.Name, claim.Status.Phase)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for volumes: %w", err)
	}
	return nil
}

// storage is a volume and the claim to it for each pod, under the name that
// the StatefulSet's controller will look for.
func (w workload) storage(replicas int32) []runtime.Object {
	if w.volume == "" {
		return nil
	}
	var objects []runtime.Object
	for i := range replicas {
		claim := fmt.Sprintf("data-%s-%d", w.name, i)
		objects = append(objects, w.persistentVolume(claim),
			&corev1.PersistentVolumeClaim{ObjectMeta: w.named(claim), Spec: w.claim()})
	}
	return objects
}

// objects are the workload and what goes with it.
func (w workload) objects(replicas int32) []runtime.Object {
	var objects []runtime.Object
	switch w.kind {
	case "StatefulSet":
		objects = append(objects, w.statefulSet(replicas))
	case "DaemonSet":
		objects = append(objects, w.daemonSet())
	default:
		objects = append(objects, w.deployment(replicas))
	}
	if w.port != 0 {
		objects = append(objects, w.service())
	}
	if w.tier != "system" {
		objects = append(objects,
			&corev1.ConfigMap{ObjectMeta: w.named(w.name + "-config"), Data: map[string]string{
				"LOG_LEVEL":   "info",
				"config.yaml": fmt.Sprintf("service: %s\nlisten: \":%d\"\ntimeouts:\n  read: 5s\n  write: 30s\n", w.name, w.port),
			}},
			&corev1.Secret{ObjectMeta: w.named(w.name + "-credentials"), StringData: map[string]string{
				"username": w.name, "password": "not-a-secret-" + w.name,
			}})
	}
	if w.tier == "backend" && replicas > 2 {
		objects = append(objects, w.disruptionBudget())
	}
	if w.tier == "frontend" && replicas > 2 {
		objects = append(objects, w.autoscaler(replicas))
	}
	return objects
}

func (w workload) named(name string) metav1.ObjectMeta {
	m := w.meta()
	m.Name = name
	return m
}

func (w workload) disruptionBudget() *policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: w.meta(),
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: w.selector()},
	}
}

func (w workload) autoscaler(replicas int32) *autoscalingv2.HorizontalPodAutoscaler {
	target := int32(70)
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: w.meta(),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: w.name},
			MinReplicas:    &replicas, MaxReplicas: replicas * 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target},
			}}},
		},
	}
}

// persistentVolume is what a storage provider would have made for the claim.
func (w workload) persistentVolume(claim string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + w.namespace + "-" + strings.TrimPrefix(claim, "data-"), Labels: w.labels()},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(w.volume)},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			StorageClassName:              storageClass,
			ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: w.namespace, Name: claim},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: "csi.example.com", VolumeHandle: "vol-" + claim, FSType: "ext4",
			}},
		},
	}
}

// staticPods are the control plane as its own nodes would show it.
func (c *Cluster) staticPods(of company) []runtime.Object {
	var pods []runtime.Object
	pool := of.pools[0]
	for i := range pool.count {
		node := fmt.Sprintf("%s-%d", pool.name, i+1)
		for _, part := range []struct{ name, image, cpu string }{
			{etcd, "registry.k8s.io/etcd:3.6.5-0", "100m"},
			{apiServer, "registry.k8s.io/kube-apiserver:v1.37.2", "250m"},
			{controllers, "registry.k8s.io/kube-controller-manager:v1.37.2", "200m"},
			{scheduler, "registry.k8s.io/kube-scheduler:v1.37.2", "100m"},
		} {
			w := workload{namespace: metav1.NamespaceSystem, name: part.name, image: part.image, team: "platform", tier: "control-plane", cpu: part.cpu, memory: "512Mi"}
			pod := &corev1.Pod{ObjectMeta: w.named(part.name + "-" + node), Spec: w.template().Spec}
			pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "static"}
			pod.Spec.NodeName = node
			pod.Spec.HostNetwork = true
			pod.Spec.PriorityClassName = "system-node-critical"
			pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
			pods = append(pods, pod)
		}
	}
	return pods
}

// sharedObjects are those that belong to no single workload.
func sharedObjects(of company) []runtime.Object {
	in := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"team": namespace}}
	}
	prefix, class := networkingv1.PathTypePrefix, "nginx"
	route := func(path, service string, port int32) networkingv1.HTTPIngressPath {
		return networkingv1.HTTPIngressPath{Path: path, PathType: &prefix, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: port}},
		}}
	}
	objects := []runtime.Object{
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}},
		&networkingv1.Ingress{ObjectMeta: in("shop", "shop"), Spec: networkingv1.IngressSpec{
			IngressClassName: &class,
			TLS:              []networkingv1.IngressTLS{{Hosts: []string{of.domain}, SecretName: "shop-tls"}},
			Rules: []networkingv1.IngressRule{{Host: of.domain, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{route("/", "storefront", 3000), route("/api/catalog", "catalog", 8080), route("/static", "nginx", 80)},
			}}}},
		}},
		&networkingv1.NetworkPolicy{ObjectMeta: in("data", "only-backends"), Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "backend"}},
			}}}},
		}},
		&corev1.ResourceQuota{ObjectMeta: in("shop", "compute"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourceRequestsCPU: resource.MustParse("64"), corev1.ResourceRequestsMemory: resource.MustParse("128Gi"), corev1.ResourcePods: resource.MustParse("200"),
		}}},
		&corev1.ServiceAccount{ObjectMeta: in("shop", "deployer")},
		&rbacv1.Role{ObjectMeta: in("shop", "deployer"), Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "list", "watch", "update", "patch"},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: in("shop", "deployer"),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "deployer"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "shop", Name: "deployer"}},
		},
	}
	if of.troubled {
		objects = append(objects, &corev1.PersistentVolumeClaim{ObjectMeta: in("data", "scratch"), Spec: workload{volume: "2Ti"}.claim()})
	}
	return objects
}

// jobs are what runs to its end.
func jobs(of company) []runtime.Object {
	job := func(namespace, name, fate string) workload {
		return workload{
			namespace: namespace, name: name, team: namespace, tier: "backend", fate: fate,
			image: "registry.example.com/" + namespace + "/tasks:1.6.0", cpu: "100m", memory: "256Mi",
		}
	}
	objects := []runtime.Object{
		job("data", "migrate-0042", "").job(2),
		job("data", "nightly-backup", "").cronJob("15 2 * * *", false),
	}
	if !of.troubled {
		return objects
	}
	parallel := job("data", "rebuild-aggregates", "").job(2)
	three := int32(3)
	parallel.Spec.Parallelism, parallel.Spec.Completions = &three, &three
	return append(objects,
		parallel,
		job("shop", "import-products", fateFail).job(0),
		job("search", "reindex", fateRunForever).job(2),
		job("shop", "expire-carts", "").cronJob("*/10 * * * *", false),
		job("payments", "settlement-report", "").cronJob("0 6 * * 1", false),
		job("platform", "rotate-keys", "").cronJob("0 4 1 * *", true),
	)
}

// forgetBirth removes the warnings of controllers that met while everything
// was made at once, which a cluster of some age would not have.
func (c *Cluster) forgetBirth(ctx context.Context, of company) error {
	events, err := c.client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "type=" + corev1.EventTypeWarning})
	if err != nil {
		return fmt.Errorf("list warnings: %w", err)
	}
	for _, event := range events.Items {
		if kind := event.InvolvedObject.Kind; of.troubled && (kind == "Pod" || kind == "Job") {
			continue
		}
		if err := c.client.CoreV1().Events(event.Namespace).Delete(ctx, event.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("remove a warning: %w", err)
		}
	}
	return nil
}

// reportStatuses says what controllers that a testbed does not have would.
func (c *Cluster) reportStatuses(ctx context.Context) error {
	lb := []corev1.LoadBalancerIngress{{IP: ingressIP}}
	services := c.client.CoreV1().Services("ingress-nginx")
	service, err := services.Get(ctx, "ingress-nginx-controller", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the load balancer: %w", err)
	}
	service.Spec.Type = corev1.ServiceTypeLoadBalancer
	if service, err = services.Update(ctx, service, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("make a load balancer: %w", err)
	}
	service.Status.LoadBalancer.Ingress = lb
	if _, err := services.UpdateStatus(ctx, service, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("give the load balancer its address: %w", err)
	}
	ingresses := c.client.NetworkingV1().Ingresses("shop")
	ingress, err := ingresses.Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the ingress: %w", err)
	}
	ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: ingressIP}}
	if _, err := ingresses.UpdateStatus(ctx, ingress, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("give the ingress its address: %w", err)
	}
	scalers, err := c.client.AutoscalingV2().HorizontalPodAutoscalers("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list autoscalers: %w", err)
	}
	for i, scaler := range scalers.Items {
		used := int32(38 + 7*i%30)
		average := resource.NewMilliQuantity(int64(used)*2, resource.DecimalSI)
		scaler.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentReplicas: *scaler.Spec.MinReplicas, DesiredReplicas: *scaler.Spec.MinReplicas,
			CurrentMetrics: []autoscalingv2.MetricStatus{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: &used, AverageValue: average},
			}}},
			Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
				{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "ReadyForNewScale", LastTransitionTime: metav1.Now()},
				{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound", LastTransitionTime: metav1.Now()},
			},
		}
		if _, err := c.client.AutoscalingV2().HorizontalPodAutoscalers(scaler.Namespace).UpdateStatus(ctx, &scaler, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("report for autoscaler %s: %w", scaler.Name, err)
		}
	}
	return nil
}

// stickRollout rolls out an image that is not there, and returns when the
// controller has given up on it.
func (c *Cluster) stickRollout(ctx context.Context, namespace, name string) error {
	patch := fmt.Sprintf(`{"spec":{"progressDeadlineSeconds":%d,"template":{"metadata":{"annotations":{%q:%q}},"spec":{"containers":[{"name":%q,"image":%q}]}}}}`,
		stuckDeadline, fateAnnotation, fateImagePull, name, "registry.example.com/"+namespace+"/"+name+":4.8.0")
	deployments := c.client.AppsV1().Deployments(namespace)
	if _, err := deployments.Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("roll out %s: %w", name, err)
	}
	err := c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		d, err := deployments.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range d.Status.Conditions {
			if condition.Reason == "ProgressDeadlineExceeded" {
				return nil
			}
		}
		return fmt.Errorf("the rollout of %s is not stuck yet", name)
	})
	if err != nil {
		return fmt.Errorf("wait for the stuck rollout: %w", err)
	}
	return nil
}

// warn writes the events that kubelets would have written about what is
// wrong.
func (c *Cluster) warn(ctx context.Context) error {
	pods, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	var events []runtime.Object
	for _, pod := range pods.Items {
		container := pod.Spec.Containers[0]
		switch {
		case pod.Annotations[fateAnnotation] == fateCrashLoop:
			events = append(events, warning(pod, "BackOff", "Back-off restarting failed container "+container.Name+" in pod "+pod.Name, 412))
		case pod.Annotations[fateAnnotation] == fateImagePull:
			events = append(events, warning(pod, "Failed", fmt.Sprintf("Failed to pull image %q: not found", container.Image), 38))
		case pod.Labels["app"] == "search-api":
			events = append(events, warning(pod, "Unhealthy", "Readiness probe failed: dial tcp "+pod.Status.PodIP+":8080: i/o timeout", 3))
		case pod.Labels["app"] == "clickhouse":
			events = append(events, warning(pod, "FailedMount", `MountVolume.SetUp failed for volume "config": failed to sync configmap cache: timed out waiting for the condition`, 1))
		}
	}
	return c.create(ctx, events...)
}

func warning(pod corev1.Pod, reason, message string, count int32) *corev1.Event {
	now := time.Now()
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: pod.Namespace, Name: fmt.Sprintf("%s.%x", pod.Name, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: message, Count: count,
		FirstTimestamp: metav1.NewTime(now.Add(-time.Duration(count) * 20 * time.Second)),
		LastTimestamp:  metav1.NewTime(now),
		Source:         corev1.EventSource{Component: "kubelet", Host: pod.Spec.NodeName},
	}
}
