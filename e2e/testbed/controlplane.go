package testbed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The processes of a cluster, by the name of their program.
const (
	etcd        = "etcd"
	apiServer   = "kube-apiserver"
	controllers = "kube-controller-manager"
	scheduler   = "kube-scheduler"
	kwok        = "kwok"
)

const (
	serviceCIDR = "10.96.0.0/16"
	serviceIP   = "10.96.0.1" // of the service "kubernetes" and in the API server's certificate
	podCIDR     = "10.128.0.0/9"
)

//go:embed stages/stages.yaml
var stages []byte

// auditPolicy leaves out what the parts of the cluster ask each other: what
// remains are the requests that RequestCount counts.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- level: None
  users:
  - ` + testbedUser + `
  - ` + kwokUser + `
  - ` + metricsServer + `
  - system:apiserver
  - system:` + controllers + `
  - system:` + scheduler + `
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
`

func (c *Cluster) writeFiles() error {
	if err := os.MkdirAll(c.path("audit"), 0o700); err != nil {
		return fmt.Errorf("make the folder for audit logs: %w", err)
	}
	kwokConfig := stages
	if c.opts.Metrics {
		kwokConfig = slices.Concat(stages, usage)
	}
	for name, content := range map[string][]byte{"audit-policy.yaml": []byte(auditPolicy), "stages.yaml": kwokConfig} {
		if err := os.WriteFile(c.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// command is the program and its arguments.
func (c *Cluster) command(name string) (string, []string) {
	pki := func(file string) string { return c.path("pki", file) }
	switch name {
	case etcd:
		client, peer := local(c.ports.Etcd), local(c.ports.EtcdPeer)
		return c.bin.Etcd, []string{
			"--name=default",
			"--data-dir=" + c.path("etcd"),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=default=" + peer,
			"--cert-file=" + pki("etcd.crt"), "--key-file=" + pki("etcd.key"),
			"--trusted-ca-file=" + pki("ca.crt"), "--client-cert-auth",
			"--peer-cert-file=" + pki("etcd.crt"), "--peer-key-file=" + pki("etcd.key"),
			"--peer-trusted-ca-file=" + pki("ca.crt"), "--peer-client-cert-auth",
			// Nothing here needs to outlive the machine.
			"--unsafe-no-fsync",
			"--quota-backend-bytes=8589934592",
			"--log-level=warn",
		}
	case apiServer:
		args := []string{
			apiServer,
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", c.ports.APIServer),
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),
			"--etcd-servers=" + local(c.ports.Etcd), "--etcd-cafile=" + pki("ca.crt"),
			"--etcd-certfile=" + pki("etcd.crt"), "--etcd-keyfile=" + pki("etcd.key"),
			"--endpoint-reconciler-type=none",
			"--authorization-mode=RBAC",
			"--allow-privileged=true",
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate=" + pki("apiserver-kubelet.crt"), "--kubelet-client-key=" + pki("apiserver-kubelet.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"),
			"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
			"--requestheader-allowed-names=front-proxy-client",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + pki("front-proxy-client.crt"), "--proxy-client-key-file=" + pki("front-proxy-client.key"),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki("service-account.key"), "--service-account-signing-key-file=" + pki("service-account.key"),
			"--service-cluster-ip-range=" + serviceCIDR,
			"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
			// A seeded cluster that is looked at the next day still has its
			// warnings.
			"--event-ttl=24h",
			"--audit-policy-file=" + c.path("audit-policy.yaml"), "--audit-log-path=" + c.auditLog(),
			"--audit-log-mode=blocking",
			"--audit-log-maxsize=200", "--audit-log-maxbackup=1",
		}
		if c.opts.EmulatedVersion != "" {
			args = append(args, "--emulated-version="+c.opts.EmulatedVersion)
		}
		return c.bin.Kubernetes, args
	case controllers:
		config := c.kubeconfigFile("system:" + controllers)
		return c.bin.Kubernetes, []string{
			controllers,
			"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--secure-port=0",
			"--leader-elect=false",
			"--kube-api-qps=5000", "--kube-api-burst=5000",
			"--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20",
			// Nothing measures the pods: autoscalers would only report that,
			// every 15 seconds.
			"--controllers=*,-horizontal-pod-autoscaler-controller",
			"--service-account-private-key-file=" + pki("service-account.key"), "--root-ca-file=" + pki("ca.crt"),
			"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
			"--allocate-node-cidrs", "--cluster-cidr=" + podCIDR, "--service-cluster-ip-range=" + serviceCIDR,
		}
	case scheduler:
		config := c.kubeconfigFile("system:" + scheduler)
		return c.bin.Kubernetes, []string{
			scheduler,
			"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--secure-port=0",
			"--leader-elect=false",
			"--kube-api-qps=5000", "--kube-api-burst=5000",
		}
	case metricsServer:
		return c.bin.Metrics, c.metricsArgs()
	default:
		return c.bin.KWOK, []string{
			"--kubeconfig=" + c.kubeconfigFile(kwokUser),
			"--config=" + c.path("stages.yaml"),
			"--manage-all-nodes=true",
			"--node-ip=127.0.0.1", fmt.Sprintf("--node-port=%d", c.ports.KWOK),
			fmt.Sprintf("--server-address=127.0.0.1:%d", c.ports.KWOK),
			"--tls-cert-file=" + pki("kubelet.crt"), "--tls-private-key-file=" + pki("kubelet.key"),
			"--node-lease-duration-seconds=40",
			"--cidr=" + podCIDR,
		}
	}
}

func local(port int) string { return fmt.Sprintf("https://127.0.0.1:%d", port) }

// spawn starts a part and writes down that it did.
func (c *Cluster) spawn(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	program, args := c.command(name)
	p, err := spawn(c.dir, name, c.detached, program, args...)
	if err != nil {
		return err
	}
	c.processes[name] = p
	return c.saveLocked(false)
}

func (c *Cluster) startControlPlane(ctx context.Context) error {
	for _, name := range []string{etcd, apiServer} {
		if err := c.spawn(name); err != nil {
			return err
		}
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	for _, name := range []string{controllers, scheduler, kwok} {
		if err := c.spawn(name); err != nil {
			return err
		}
	}
	if c.opts.Metrics {
		return c.startMetrics(ctx)
	}
	return nil
}

// waitReady returns when the API server says that it is ready, or earlier
// with what is in the log of a process that has ended.
func (c *Cluster) waitReady(ctx context.Context) error {
	err := c.waitFor(ctx, pollEvery, func(ctx context.Context) error {
		// A hanging server must not use up the whole wait with one request.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	return nil
}

// waitFor is the function of that name for as long as the processes live.
func (c *Cluster) waitFor(ctx context.Context, every time.Duration, check func(context.Context) error) error {
	return waitFor(ctx, every, func(ctx context.Context) error {
		err := check(ctx)
		if err == nil {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for name, p := range c.processes {
			if !p.alive() {
				log, _ := os.ReadFile(c.path("logs", name+".log"))
				return finalError{fmt.Errorf("%s has ended:\n%s", name, tail(string(log), 15))}
			}
		}
		return err
	})
}

func (c *Cluster) auditLog() string { return filepath.Join(c.dir, "audit", "audit.log") }

// makeNodes makes the nodes and returns when pods can run on them.
func (c *Cluster) makeNodes(ctx context.Context) error {
	version, err := c.client.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask for the version: %w", err)
	}
	kubelet := version.GitVersion
	if c.opts.EmulatedVersion != "" {
		kubelet = "v" + c.opts.EmulatedVersion + ".0"
	}
	nodes := c.nodes(kubelet)
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for _, node := range nodes {
		group.Go(func() error {
			_, err := c.client.CoreV1().Nodes().Create(grouped, node, metav1.CreateOptions{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("make a node: %w", err)
	}
	err = c.waitFor(ctx, pollEvery, func(ctx context.Context) error {
		list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, node := range list.Items {
			if err := nodeSettled(node); err != nil {
				return err
			}
		}
		// Pods are refused until the namespace has its service account.
		_, err = c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	return nil
}

// nodeSettled says whether a node is as it was meant to be, with the taint
// taken away that keeps pods from a new one.
func nodeSettled(node corev1.Node) error {
	want := corev1.ConditionTrue
	if node.Annotations[fateAnnotation] == fateNotReady {
		want = corev1.ConditionFalse
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady || condition.Status != want {
			continue
		}
		for _, taint := range node.Spec.Taints {
			if want == corev1.ConditionTrue && taint.Key == corev1.TaintNodeNotReady {
				return fmt.Errorf("node %s has the taint %s", node.Name, taint.Key)
			}
		}
		return nil
	}
	return fmt.Errorf("node %s has not settled", node.Name)
}

// nodes are the nodes to make: those of the seed's pools and then plain ones.
func (c *Cluster) nodes(kubelet string) []*corev1.Node {
	var nodes []*corev1.Node
	for _, pool := range companies()[c.opts.Seed].pools {
		for i := range pool.count {
			nodes = append(nodes, makeNode(fmt.Sprintf("%s-%d", pool.name, i+1), i, pool, kubelet))
		}
	}
	plain := nodePool{name: "node", cpu: 16, memoryGi: 64, machine: "m7i.4xlarge", role: "worker"}
	for i := len(nodes); i < c.opts.Nodes; i++ {
		nodes = append(nodes, makeNode(fmt.Sprintf("node-%d", i+1), i, plain, kubelet))
	}
	nodes = nodes[:c.opts.Nodes]
	if c.opts.Metrics {
		for _, node := range nodes {
			node.Annotations[metricsPathAnnotation] = fmt.Sprintf(metricsPath, node.Name)
		}
	}
	return nodes
}

// nodePool is a number of like nodes.
type nodePool struct {
	name     string
	count    int
	cpu      int64
	memoryGi int64
	machine  string
	role     string
	tainted  bool   // only what tolerates the role runs here
	fate     string // of the last of the pool
}

func makeNode(name string, i int, pool nodePool, kubelet string) *corev1.Node {
	const region = "eu-central-1"
	role := "node-role.kubernetes.io/" + pool.role
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:           name,
				corev1.LabelArchStable:         "amd64",
				corev1.LabelOSStable:           "linux",
				corev1.LabelInstanceTypeStable: pool.machine,
				corev1.LabelTopologyRegion:     region,
				corev1.LabelTopologyZone:       region + string(rune('a'+i%3)),
				role:                           "",
			},
			Annotations: map[string]string{},
		},
		Status: corev1.NodeStatus{
			Capacity: corev1.ResourceList{
				corev1.ResourceCPU:              *resource.NewQuantity(pool.cpu, resource.DecimalSI),
				corev1.ResourceMemory:           *resource.NewQuantity(pool.memoryGi<<30, resource.BinarySI),
				corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
				corev1.ResourcePods:             resource.MustParse("110"),
			},
			// What a kubelet keeps for itself and the system is taken off.
			Allocatable: corev1.ResourceList{
				corev1.ResourceCPU:              *resource.NewMilliQuantity(pool.cpu*1000-110, resource.DecimalSI),
				corev1.ResourceMemory:           *resource.NewQuantity(pool.memoryGi<<30-(1<<30+256<<20), resource.BinarySI),
				corev1.ResourceEphemeralStorage: resource.MustParse("90Gi"),
				corev1.ResourcePods:             resource.MustParse("110"),
			},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID:               id[:32],
				SystemUUID:              uuid(id[:32]),
				BootID:                  uuid(id[32:]),
				KernelVersion:           "6.1.0-39-amd64",
				OSImage:                 "Debian GNU/Linux 12 (bookworm)",
				ContainerRuntimeVersion: "containerd://2.1.4",
				KubeletVersion:          kubelet,
				KubeProxyVersion:        kubelet,
				OperatingSystem:         "linux",
				Architecture:            "amd64",
			},
		},
	}
	if pool.tainted {
		node.Spec.Taints = []corev1.Taint{{Key: role, Effect: corev1.TaintEffectNoSchedule}}
	}
	if pool.fate != "" && i == pool.count-1 {
		node.Annotations[fateAnnotation] = pool.fate
	}
	return node
}

// uuid writes 32 hexadecimal digits as a UUID.
func uuid(digits string) string {
	return fmt.Sprintf("%s-%s-%s-%s-%s", digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
}
