package history

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// fleet makes objects as a cluster of many teams has them: charts of which each names its own images, hosts, variables and
// checksums.
type fleet struct{ r *rand.Rand }

func (f fleet) word(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[f.r.IntN(len(letters))]
	}
	return string(b)
}

func (f fleet) hex(n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x", f.r.Uint64())
	}
	return b.String()[:n]
}

func (f fleet) meta(i int) metav1.ObjectMeta {
	name := fmt.Sprintf("%s-%d", f.word(8), i)
	team := fmt.Sprintf("team-%d", i%40)
	at := metav1.NewTime(start)
	return metav1.ObjectMeta{
		Namespace: team, Name: name, UID: types.UID(f.hex(36)), ResourceVersion: fmt.Sprint(100000 + i),
		Labels: map[string]string{
			"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm",
			"app.kubernetes.io/version": fmt.Sprintf("%d.%d.%d", f.r.IntN(9), f.r.IntN(30), f.r.IntN(30)), "helm.sh/chart": "service-4.2.1", "team": team,
		},
		Annotations: map[string]string{
			"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": team, "checksum/config": f.hex(64),
			"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("x", 2000),
		},
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "helm", Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)},
			{Manager: "kube-controller-manager", Subresource: "status", Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, FieldsV1: metav1.NewFieldsV1(`{"f:status":{}}`)},
		},
	}
}

func (f fleet) deployment(i int) *appsv1.Deployment {
	m := f.meta(i)
	replicas := int32(f.r.IntN(9))
	env := []corev1.EnvVar{{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "status.podIP"}}}}
	for range 6 {
		env = append(env, corev1.EnvVar{Name: strings.ToUpper(f.word(10)), Value: "https://" + f.word(12) + ".svc.cluster.local:8443/" + f.word(6)})
	}
	env = append(env, corev1.EnvVar{Name: "DB_PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: m.Name}, Key: "password"}}})
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http"), Scheme: "HTTP"}}, PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
	yes, user := true, int64(1000)
	d := &appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": m.Name}},
		Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: m.Labels, Annotations: map[string]string{"checksum/config": m.Annotations["checksum/config"], "prometheus.io/scrape": "true", "prometheus.io/port": "9090"}},
			Spec: corev1.PodSpec{
				ServiceAccountName: m.Name, DNSPolicy: corev1.DNSClusterFirst, RestartPolicy: corev1.RestartPolicyAlways, SchedulerName: "default-scheduler",
				SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, FSGroup: &user},
				Containers: []corev1.Container{
					{
						Name: "app", Image: "registry.example.com/" + m.Namespace + "/" + m.Name + "@sha256:" + f.hex(64), Env: env, LivenessProbe: probe, ReadinessProbe: probe,
						Ports:           []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, {Name: "metrics", ContainerPort: 9090, Protocol: corev1.ProtocolTCP}},
						Resources:       corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("256Mi")}, Limits: corev1.ResourceList{"memory": resource.MustParse("512Mi")}},
						VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}},
						ImagePullPolicy: corev1.PullIfNotPresent, TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
					},
					{Name: "proxy", Image: "registry.example.com/mesh/proxy:1.24.3", Args: []string{"proxy", "sidecar", "--domain", m.Namespace + ".svc.cluster.local", "--log", "warning"}},
				},
				Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: m.Name}}}}, {Name: "tmp"}},
			},
		},
	}}
	d.Status = appsv1.DeploymentStatus{Replicas: replicas, Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Message: strings.Repeat("m", 200)}}}
	return d
}

func (f fleet) service(i int) *corev1.Service {
	m := f.meta(i)
	ip := fmt.Sprintf("10.%d.%d.%d", f.r.IntN(255), f.r.IntN(255), f.r.IntN(255))
	return &corev1.Service{ObjectMeta: m, Spec: corev1.ServiceSpec{
		ClusterIP: ip, ClusterIPs: []string{ip}, Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app.kubernetes.io/name": m.Name}, SessionAffinity: corev1.ServiceAffinityNone,
		Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}, {Name: "metrics", Port: 9090, Protocol: corev1.ProtocolTCP}},
	}}
}

// configMap has a file of settings, and every tenth a large one.
func (f fleet) configMap(i int) *corev1.ConfigMap {
	var b strings.Builder
	lines := 20
	if i%10 == 0 {
		lines = 150
	}
	for range lines {
		fmt.Fprintf(&b, "%s.%s.timeout = %d\n", f.word(6), f.word(8), f.r.IntN(100000))
	}
	return &corev1.ConfigMap{ObjectMeta: f.meta(i), Data: map[string]string{"application.properties": b.String(), "LOG_LEVEL": "info"}}
}

// objects are n of the kinds of which a cluster has most, by kind.
func (f fleet) objects(n int) map[string][]kruntime.Object {
	out := map[string][]kruntime.Object{}
	for i := range n {
		out["deployments.apps"] = append(out["deployments.apps"], f.deployment(i))
		out["services"] = append(out["services"], f.service(i))
		out["configmaps"] = append(out["configmaps"], f.configMap(i))
		s := secret(fmt.Sprint(i), "helm", 0, "username", "password", "tls.crt", "tls.key")
		s.ObjectMeta = f.meta(i)
		out["secrets"] = append(out["secrets"], s)
	}
	return out
}

// perObject is what the states of many objects take, each.
func perObject(t testing.TB, n int) (bytes float64, b *book) {
	b = newBook(t, func(c *Config, _ *book) { c.Keep = func([]Change) error { return nil } })
	for id, list := range (fleet{rand.New(rand.NewPCG(1, 2))}).objects(n) {
		b.reads(kindOf(t, id), time.Time{}, list...)
	}
	b.settled()
	s := b.Stats()
	if s.Objects != 4*n || s.Refused != 0 {
		t.Fatalf("held: %+v", s)
	}
	return float64(s.Bytes) / float64(s.Objects), b
}

// The last state of an object takes at most 1 KiB on average.
func TestBytesPerObject(t *testing.T) {
	got, _ := perObject(t, 500)
	t.Logf("%.0f bytes for each object", got)
	if got > 1024 {
		t.Errorf("%.0f bytes for each object, at most 1024", got)
	}
}

// BenchmarkBytesPerObject also measures what the heap has of it, to keep the estimate honest.
func BenchmarkBytesPerObject(b *testing.B) {
	const n = 2500
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, r := perObject(b, n)
	r.Close()
	r.warm.cool()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(got, "estimated-B/object")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(4*n), "heap-B/object")
	runtime.KeepAlive(r)
}

// BenchmarkSee is one change of a Deployment, from the object to what is told.
func BenchmarkSee(b *testing.B) {
	f := fleet{rand.New(rand.NewPCG(1, 2))}
	r := newBook(b, func(c *Config, _ *book) { c.Keep = func([]Change) error { return nil } })
	k := kindOf(b, "deployments.apps")
	var list []kruntime.Object
	for i := range 200 {
		list = append(list, f.deployment(i))
	}
	r.reads(k, time.Time{}, list...)
	r.settled()
	d := list[0].(*appsv1.Deployment)
	for i := 0; b.Loop(); i++ {
		next := *d
		next.ResourceVersion = fmt.Sprint(500000 + i)
		next.Labels = map[string]string{"n": fmt.Sprint(i)}
		r.See(k, "", &next, Listed)
	}
	r.settled()
}
