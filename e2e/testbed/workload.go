package testbed

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// workload is a line in the table of what a company runs.
type workload struct {
	kind      string // empty is a Deployment
	namespace string
	name      string
	replicas  [3]int32 // in production, staging and dev; ignored for a DaemonSet, but 0 is none
	image     string
	team      string
	tier      string
	cpu       string
	memory    string
	port      int32  // 0 has no Service
	volume    string // size of each pod's own volume
	fate      string // in production only
	restarts  int
}

func (w workload) labels() map[string]string {
	return map[string]string{"app": w.name, "app.kubernetes.io/name": w.name, "team": w.team, "tier": w.tier}
}

func (w workload) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: w.name, Labels: w.labels()}
}

func (w workload) selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": w.name}}
}

func (w workload) template() corev1.PodTemplateSpec {
	container := corev1.Container{
		Name:  w.name,
		Image: w.image,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(w.cpu), corev1.ResourceMemory: resource.MustParse(w.memory)},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(w.memory)},
		},
	}
	if w.port != 0 {
		container.Ports = []corev1.ContainerPort{{Name: "main", ContainerPort: w.port}}
		container.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("main")}}}
	}
	if w.volume != "" {
		container.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/" + w.name}}
	}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: w.labels()},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
	}
	if w.fate != "" {
		template.Annotations = map[string]string{fateAnnotation: w.fate}
	}
	if w.restarts > 0 {
		template.Annotations[restartsAnnotation] = strconv.Itoa(w.restarts)
	}
	return template
}

func (w workload) deployment(replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: w.meta(),
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: w.selector(), Template: w.template()},
	}
}

func (w workload) statefulSet(replicas int32) *appsv1.StatefulSet {
	set := &appsv1.StatefulSet{
		ObjectMeta: w.meta(),
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: w.selector(), Template: w.template(), ServiceName: w.name,
			PodManagementPolicy: appsv1.ParallelPodManagement,
		},
	}
	if w.volume != "" {
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
			ObjectMeta: metav1.ObjectMeta{Name: "data", Labels: w.labels()},
			Spec:       w.claim(),
		}}
	}
	return set
}

func (w workload) daemonSet() *appsv1.DaemonSet {
	template := w.template()
	template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	template.Spec.PriorityClassName = "system-node-critical"
	template.Spec.HostNetwork = true
	return &appsv1.DaemonSet{
		ObjectMeta: w.meta(),
		Spec:       appsv1.DaemonSetSpec{Selector: w.selector(), Template: template},
	}
}

func (w workload) job(retries int32) *batchv1.Job {
	template := w.template()
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{
		ObjectMeta: w.meta(),
		Spec:       batchv1.JobSpec{BackoffLimit: &retries, Template: template},
	}
}

func (w workload) cronJob(schedule string, suspended bool) *batchv1.CronJob {
	return &batchv1.CronJob{
		ObjectMeta: w.meta(),
		Spec: batchv1.CronJobSpec{
			Schedule: schedule, Suspend: &suspended, ConcurrencyPolicy: batchv1.ForbidConcurrent,
			JobTemplate: batchv1.JobTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: w.labels()}, Spec: w.job(2).Spec},
		},
	}
}

func (w workload) service() *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: w.meta(),
		Spec: corev1.ServiceSpec{
			Selector: w.selector().MatchLabels,
			Ports:    []corev1.ServicePort{{Name: "main", Port: w.port, TargetPort: intstr.FromString("main")}},
		},
	}
	if w.kind == "StatefulSet" {
		service.Spec.ClusterIP = corev1.ClusterIPNone
	}
	return service
}

func (w workload) claim() corev1.PersistentVolumeClaimSpec {
	class := storageClass
	return corev1.PersistentVolumeClaimSpec{
		AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		StorageClassName: &class,
		Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(w.volume)}},
	}
}
