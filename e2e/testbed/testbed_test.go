package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// patience bounds a wait for what happens at once on an idle machine.
const patience = time.Minute

// eventually fails the test when check still returns an error after patience.
func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := waitFor(ctx, pollEvery, check); err != nil {
		t.Fatal(err)
	}
}

// clientOf makes a client of a kubeconfig, as a program under test would.
func clientOf(t *testing.T, kubeconfig []byte) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestNodesAreReadyAndPodsRun(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 2})
	out, err := c.Kubectl(t.Context(), "get", "nodes", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := json.Unmarshal(out, &nodes); err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 2 {
		t.Fatalf("%d nodes, want 2", len(nodes.Items))
	}
	for _, node := range nodes.Items {
		if err := nodeSettled(node); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Kubectl(t.Context(), "create", "deployment", "web", "--image=nginx:1.29.2", "--replicas=3"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		d, err := c.Client().AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != 3 {
			err = fmt.Errorf("%d of 3 pods are ready", d.Status.ReadyReplicas)
		}
		return err
	})
	if _, err := c.Kubectl(t.Context(), "get", "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("kubectl's complaint is not in the error: %v", err)
	}
}

func TestProductionHasWhatGoesWrongInAClusterAndItLooksReal(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Name: "production", Seed: Production})
	pods, err := c.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pods.Items); n < 180 || n > 230 {
		t.Errorf("%d pods, want about 200", n)
	}
	of := map[string]corev1.Pod{}
	for _, pod := range pods.Items {
		of[pod.Labels["app"]] = pod
	}

	crash := of["recommendations"].Status.ContainerStatuses[0]
	switch {
	case crash.State.Waiting == nil || crash.State.Waiting.Reason != "CrashLoopBackOff" || crash.Ready:
		t.Errorf("the crash looper is %+v", crash.State)
	case crash.RestartCount != 27:
		t.Errorf("the crash looper was restarted %d times", crash.RestartCount)
	case crash.LastTerminationState.Terminated == nil || crash.LastTerminationState.Terminated.Reason != "OOMKilled" || crash.LastTerminationState.Terminated.ExitCode != 137:
		t.Errorf("the crash looper ended with %+v", crash.LastTerminationState)
	}
	if pull := of["feature-flags"]; pull.Status.Phase != corev1.PodPending || pull.Status.ContainerStatuses[0].State.Waiting.Reason != "ImagePullBackOff" {
		t.Errorf("the pod without an image is %+v", pull.Status)
	}
	if pending := of["report-builder"]; pending.Status.Phase != corev1.PodPending || pending.Spec.NodeName != "" || pending.Status.Conditions[0].Reason != corev1.PodReasonUnschedulable {
		t.Errorf("the pod that asks too much is %+v", pending.Status)
	}

	deployments := map[string]appsv1.Deployment{}
	list, err := c.Client().AppsV1().Deployments("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Items {
		deployments[d.Name] = d
	}
	if d := deployments["nginx"]; d.Status.ReadyReplicas != 3 {
		t.Errorf("nginx has %d ready pods, want 3", d.Status.ReadyReplicas)
	}
	checkout := deployments["checkout"].Status
	if checkout.ReadyReplicas == 0 || checkout.UnavailableReplicas == 0 {
		t.Errorf("the stuck rollout has old and new pods: %+v", checkout)
	}
	claims, err := c.Client().CoreV1().PersistentVolumeClaims("data").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range claims.Items {
		want := corev1.ClaimBound
		if claim.Name == "scratch" {
			want = corev1.ClaimPending
		}
		if claim.Status.Phase != want {
			t.Errorf("claim %s is %s, want %s", claim.Name, claim.Status.Phase, want)
		}
	}
	events, err := c.Client().CoreV1().Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]bool{}
	for _, event := range events.Items {
		reasons[event.Reason] = true
	}
	for _, want := range []string{"BackOff", "Failed", "FailedScheduling", "Unhealthy", "FailedMount"} {
		if !reasons[want] {
			t.Errorf("no warning %s among %v", want, reasons)
		}
	}
}

func TestStagingIsHealthy(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Name: "staging", Seed: Staging})
	pods, err := c.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning && pod.Status.Phase != corev1.PodSucceeded {
			t.Errorf("pod %s is %s", pod.Name, pod.Status.Phase)
		}
	}
	events, err := c.Client().CoreV1().Events("").List(t.Context(), metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events.Items {
		// The API server may yet complain of services that were made while it
		// counted their addresses.
		if event.InvolvedObject.Kind == "Service" {
			continue
		}
		t.Errorf("warning about %s %s: %s: %s", event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
}

func TestDevHasANodeThatIsNotReady(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Name: "dev", Seed: Dev})
	node, err := c.Client().CoreV1().Nodes().Get(t.Context(), "dev-worker-2", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionFalse {
			t.Errorf("the node is %+v", condition)
		}
	}
	// The node that has no network carries the taint of its controller.
	eventually(t, func(ctx context.Context) error {
		node, err := c.Client().CoreV1().Nodes().Get(ctx, "dev-worker-2", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, taint := range node.Spec.Taints {
			if taint.Key == corev1.TaintNodeNotReady {
				return nil
			}
		}
		return fmt.Errorf("taints are %v", node.Spec.Taints)
	})
}

func TestRequestCountIsExactlyWhatClientsAsk(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	count := func(f RequestFilter) int {
		t.Helper()
		n, err := c.RequestCount(f)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(RequestFilter{}); n != 0 {
		t.Errorf("%d requests before anybody asked", n)
	}
	admin := clientOf(t, c.Kubeconfig())
	for range 3 {
		if _, err := admin.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	watch, err := admin.CoreV1().Pods("default").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	viewer := clientOf(t, c.KubeconfigFor("viewer"))
	if _, err := viewer.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without a role: %v", err)
	}
	if _, err := c.Kubectl(t.Context(), "get", "pods"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		filter RequestFilter
		want   int
	}{
		{RequestFilter{}, 6},
		{RequestFilter{User: "admin"}, 5},
		{RequestFilter{User: "viewer"}, 1},
		{RequestFilter{User: "admin", Verb: "list"}, 3},
		{RequestFilter{Verb: "watch", Resource: "pods"}, 1},
		{RequestFilter{Resource: "nodes"}, 1},
		{RequestFilter{Resource: "secrets"}, 0},
	} {
		if n := count(test.filter); n != test.want {
			t.Errorf("%+v: %d requests, want %d", test.filter, n, test.want)
		}
	}
}

func TestStoppedAPIServerComesBackWithItsData(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	admin := clientOf(t, c.Kubeconfig())
	data := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := admin.CoreV1().ConfigMaps("default").Create(t.Context(), data, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	before, err := c.RequestCount(RequestFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StopAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(c.Server(), "https://")); err == nil {
		conn.Close()
		t.Error("the port of a stopped server is open")
	}
	if err := c.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if after, err := c.RequestCount(RequestFilter{}); err != nil || after != before+1 {
		t.Errorf("%d requests before and %d after one more: %v", before, after, err)
	}
	// The controllers have found their way back, too.
	if _, err := c.Kubectl(t.Context(), "create", "deployment", "web", "--image=nginx"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		d, err := c.Client().AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != 1 {
			err = errors.New("the pod is not ready")
		}
		return err
	})
}

func TestPausedAPIServerTakesConnectionsAndDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	admin := clientOf(t, c.Kubeconfig())
	if err := c.PauseAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.Server(), "https://"))
	if err != nil {
		t.Errorf("a hanging server takes connections: %v", err)
	} else {
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := admin.CoreV1().Nodes().List(ctx, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging server answers: %v", err)
	}
	if err := c.ResumeAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAUserMayDoWhatRolesSayAndNothingWhenExpired(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "viewers"}},
	}
	if _, err := c.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	viewer := clientOf(t, c.KubeconfigFor("ann", "viewers"))
	// The authorizer learns of the binding, and the role of its rules, a
	// moment later.
	eventually(t, func(ctx context.Context) error {
		_, err := viewer.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		return err
	})
	if _, err := viewer.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a viewer reads secrets: %v", err)
	}
	expired := clientOf(t, c.ExpiringKubeconfigFor(-time.Minute, "ann", "viewers"))
	if _, err := expired.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("an expired certificate: %v", err)
	}
}

func TestEmulatedVersionIsReported(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{EmulatedVersion: "1.34"})
	version, err := c.Client().Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.EmulationMajor != "1" || version.EmulationMinor != "34" {
		t.Errorf("the server says that it is %#v", version)
	}
}

func TestNothingIsLeftWhenTheTestEnds(t *testing.T) {
	t.Parallel()
	var c *Cluster
	var processes []process
	t.Run("test", func(t *testing.T) {
		c = Start(t, Options{})
		for _, p := range c.processes {
			processes = append(processes, p)
		}
	})
	if len(processes) != 5 {
		t.Errorf("%d processes, want 5", len(processes))
	}
	for _, p := range processes {
		if p.alive() {
			t.Errorf("%s still runs", p.Name)
		}
	}
	for _, port := range c.ports.all() {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", *port)); err == nil {
			conn.Close()
			t.Errorf("port %d is still open", *port)
		}
	}
	if exists(c.dir) {
		t.Errorf("%s is still there", c.dir)
	}
}

func TestEveryPortIsOnLoopback(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range c.ports.all() {
			for line := range strings.Lines(string(content)) {
				fields := strings.Fields(line)
				address, number, _ := strings.Cut(fields[1], ":")
				const listening, loopback = "0A", "0100007F"
				if fields[3] == listening && number == fmt.Sprintf("%04X", *port) && address != loopback {
					t.Errorf("port %d listens on %s", *port, address)
				}
			}
		}
	}
}

func TestUpLeavesARunningClusterAloneAndDownStopsItsOwnOnly(t *testing.T) {
	t.Parallel()
	other := Start(t, Options{})
	dir := t.TempDir()
	c, err := Up(t.Context(), Options{Name: "stays", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	// When the test fails in the middle.
	t.Cleanup(func() { _ = c.Down(context.WithoutCancel(t.Context())) })
	again, err := Up(t.Context(), Options{Name: "stays", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if c.process(apiServer) != again.process(apiServer) {
		t.Error("Up has started a running cluster again")
	}
	credentials := string(c.Kubeconfig())
	if err := again.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, p := range c.processes {
		if p.alive() {
			t.Errorf("%s still runs", name)
		}
	}
	if !other.Running() {
		t.Error("Down has stopped another cluster")
	}
	restarted, err := Up(t.Context(), Options{Name: "stays", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = restarted.Down(context.WithoutCancel(t.Context())) })
	if string(restarted.Kubeconfig()) != credentials {
		t.Error("the kubeconfig from before does not fit any more")
	}
	if _, err := clientOf(t, []byte(credentials)).CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
}

func TestManyPodsRunAsIfTheirControllersHadMadeThemAndChurn(t *testing.T) {
	t.Parallel()
	const pods = 300
	c := Start(t, Options{Pods: pods, Namespaces: 2})
	sets, err := c.Client().AppsV1().ReplicaSets("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(sets.Items) != pods/podsPerDeployment {
		t.Errorf("%d replica sets, want one for each deployment", len(sets.Items))
	}
	list, err := c.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != pods {
		t.Errorf("%d pods, want %d", len(list.Items), pods)
	}
	for _, pod := range list.Items {
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
			t.Fatalf("pod %s is %+v", pod.Name, pod.Status)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	changes, err := c.Churn(ctx, 50)
	if err != nil {
		t.Fatal(err)
	}
	list, err = c.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{LabelSelector: ChurnLabel})
	if err != nil {
		t.Fatal(err)
	}
	// One that was under way at the end was made or not.
	if n := len(list.Items); changes == 0 || n < changes || n > changes+writers {
		t.Errorf("%d changes are said to be made and %d pods have one", changes, n)
	}
}

func TestAProcessIsNotTakenForAnotherWithItsNumber(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	start, _, err := procStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		process
		want bool
	}{
		{"the same", process{PID: cmd.Process.Pid, Start: start, Boot: boot}, true},
		{"an earlier one", process{PID: cmd.Process.Pid, Start: start - 1, Boot: boot}, false},
		{"one of another boot", process{PID: cmd.Process.Pid, Start: start, Boot: "other"}, false},
		{"none", process{}, false},
	} {
		if test.alive() != test.want {
			t.Errorf("%s: alive is %t", test.name, !test.want)
		}
		if test.want {
			continue
		}
		if err := test.stop(t.Context()); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if !(process{PID: cmd.Process.Pid, Start: start, Boot: boot}).alive() {
		t.Error("a process was stopped for another with its number")
	}
}

// TestAPortIsClaimedOnce runs by itself: a child that another test is starting holds copies of what is listened on here
// until it has become its program.
func TestAPortIsClaimedOnce(t *testing.T) {
	cache := t.TempDir()
	claims, err := claimPorts(cache, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claimPort(cache, claims[0].port); !errors.Is(err, errPortTaken) {
		t.Errorf("a port is claimed twice: %v", err)
	}
	release(claims)
	again, err := claimPort(cache, claims[0].port)
	if err != nil {
		t.Fatal(err)
	}
	release([]claim{again})
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{Name: "../up"}, {Name: "Upper"}, {Seed: "nothing"}, {EmulatedVersion: "latest"}, {Families: []string{"unknown"}}, {Nodes: -1}, {Pods: -1},
	} {
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestEveryFamilyIsServed installs the definitions of all families on one
// cluster and takes one away again.
func TestEveryFamilyIsServed(t *testing.T) {
	c := Start(t, Options{Families: Families()})
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, gvr := range []schema.GroupVersionResource{
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
		{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"},
		{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"},
		{Group: "apps.kruise.io", Version: "v1alpha1", Resource: "clonesets"},
		{Group: "traefik.io", Version: "v1alpha1", Resource: "ingressroutes"},
		{Group: "tailscale.com", Version: "v1alpha1", Resource: "connectors"},
		{Group: "upgrade.cattle.io", Version: "v1", Resource: "plans"},
	} {
		if _, err := client.Resource(gvr).List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("list %s: %v", gvr, err)
		}
	}
	if err := c.RemoveDefinition(t.Context(), "plans.upgrade.cattle.io"); err != nil {
		t.Fatal(err)
	}
	plans := schema.GroupVersionResource{Group: "upgrade.cattle.io", Version: "v1", Resource: "plans"}
	err = c.waitFor(t.Context(), settleEvery, func(ctx context.Context) error {
		if _, err := client.Resource(plans).List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("list plans: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
