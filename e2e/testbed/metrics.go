package testbed

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// metricsServer reads what KWOK says that pods and nodes take and serves it as metrics.k8s.io.
const metricsServer = "metrics-server"

const (
	// metricsPath is where KWOK serves the resource metrics of a node; the
	// annotation leads metrics-server there, which reads another path.
	metricsPath           = "/metrics/nodes/%s/metrics/resource"
	metricsPathAnnotation = "metrics.k8s.io/resource-metrics-path"
	// metricsService is the name by which the aggregator reaches it.
	metricsService = "metrics-api"
	metricsGroup   = "v1beta1.metrics.k8s.io"
)

//go:embed stages/usage.yaml
var usage []byte

func (c *Cluster) metricsArgs() []string {
	config := c.kubeconfigFile(metricsServer)
	return []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.ports.Metrics),
		"--tls-cert-file=" + c.path("pki", metricsServer+".crt"), "--tls-private-key-file=" + c.path("pki", metricsServer+".key"),
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port",
		"--kubelet-certificate-authority=" + c.path("pki", "ca.crt"),
		// The least that it allows. CPU is there after two readings.
		"--metric-resolution=10s", "--kubelet-request-timeout=5s",
	}
}

// startMetrics starts metrics-server and tells the API server of it.
func (c *Cluster) startMetrics(ctx context.Context) error {
	host := metricsService + "." + metav1.NamespaceSystem + ".svc"
	cert, key, err := c.ca.issue(subject{user: metricsServer, hosts: []string{host}}, longValid)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{metricsServer + ".crt": cert, metricsServer + ".key": key} {
		if err := os.WriteFile(filepath.Join(c.dir, "pki", name), content, 0o600); err != nil {
			return fmt.Errorf("write a certificate: %w", err)
		}
	}
	if err := c.spawn(metricsServer); err != nil {
		return err
	}
	// No proxy routes the addresses of Services here: this one is another
	// name of the machine.
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: metricsService},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	if _, err := c.client.CoreV1().Services(metav1.NamespaceSystem).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make the service of %s: %w", metricsServer, err)
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	api := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": metricsGroup},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"service":  map[string]any{"namespace": metav1.NamespaceSystem, "name": metricsService, "port": int64(c.ports.Metrics)},
			"caBundle": c.ca.certPEM64(),
		},
	}}
	if _, err := client.Resource(apiServices).Create(ctx, api, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("register %s: %w", metricsServer, err)
	}
	return nil
}

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// waitMetrics returns when the API server offers metrics.k8s.io. The first
// figures come a little later.
func (c *Cluster) waitMetrics(ctx context.Context) error {
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	err = c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		api, err := client.Resource(apiServices).Get(ctx, metricsGroup, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(api.Object, "status", "conditions")
		for _, condition := range conditions {
			if of, _ := condition.(map[string]any); of["type"] == "Available" && of["status"] == "True" {
				return nil
			}
		}
		return fmt.Errorf("%s is not available: %v", metricsGroup, conditions)
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", metricsServer, err)
	}
	return nil
}
