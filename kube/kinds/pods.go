package kinds

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

var podKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("pods"), Churns: true, Name: "Pod", Plural: "Pods", Short: []string{"po"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status", "node"},
		Actions: []Action{ActionEvict, ActionDelete},
	},
		Reads[corev1.Pod]{State: podState, Status: podStatus, Refs: podRefs, Detail: podDetail},
		ColumnOf[corev1.Pod]{Column{ID: "ready", Form: FormRatio}, podReady},
		ColumnOf[corev1.Pod]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[corev1.Pod]{Column{ID: "restarts", Form: FormNumber}, podRestarts},
		ColumnOf[corev1.Pod]{Column{ID: "node", Form: FormName, Search: true}, func(p *corev1.Pod) Cell { return Name(p.Spec.NodeName) }},
		ColumnOf[corev1.Pod]{Column{ID: "ip", Form: FormName, Hidden: true, Search: true}, func(p *corev1.Pod) Cell { return Name(p.Status.PodIP) }},
		ColumnOf[corev1.Pod]{Column{ID: "phase", Form: FormText, Hidden: true}, func(p *corev1.Pod) Cell { return Text(string(p.Status.Phase)) }},
		ColumnOf[corev1.Pod]{Column{ID: "cpurequest", Form: FormCPU, Hidden: true}, podAsks(corev1.ResourceCPU, requested, CPU)},
		ColumnOf[corev1.Pod]{Column{ID: "cpulimit", Form: FormCPU, Hidden: true}, podAsks(corev1.ResourceCPU, limited, CPU)},
		ColumnOf[corev1.Pod]{Column{ID: "memoryrequest", Form: FormBytes, Hidden: true}, podAsks(corev1.ResourceMemory, requested, Bytes)},
		ColumnOf[corev1.Pod]{Column{ID: "memorylimit", Form: FormBytes, Hidden: true}, podAsks(corev1.ResourceMemory, limited, Bytes)},
		ColumnOf[corev1.Pod]{Column{ID: "qos", Form: FormText, Hidden: true}, func(p *corev1.Pod) Cell { return Text(string(p.Status.QOSClass)) }},
		ColumnOf[corev1.Pod]{Column{ID: "images", Form: FormName, Hidden: true}, func(p *corev1.Pod) Cell { return Name(imagesOf(&p.Spec)) }},
		ColumnOf[corev1.Pod]{Column{ID: "controller", Form: FormName, Hidden: true}, func(p *corev1.Pod) Cell { return Name(controllerText(p)) }},
		ColumnOf[corev1.Pod]{Column{ID: "nominatednode", Form: FormName, Hidden: true}, func(p *corev1.Pod) Cell { return Name(p.Status.NominatedNodeName) }},
		ColumnOf[corev1.Pod]{Column{ID: "readinessgates", Form: FormRatio, Hidden: true}, podGates},
		ColumnOf[corev1.Pod]{Column{ID: "age", Form: FormAge}, func(p *corev1.Pod) Cell { return Age(unix(p.CreationTimestamp)) }},
	),
}

func podReady(p *corev1.Pod) Cell {
	r := readPod(p)
	c := Ratio(r.ready, r.total)
	// A pod may be ready with fewer: a container that is done does not count.
	if ready := podCondition(p, corev1.PodReady); ready != nil && ready.Status != corev1.ConditionTrue && p.Status.Phase == corev1.PodRunning {
		c.Tone = ToneWarn
	}
	return c
}

// podGates is how many of the pod's readiness gates are open, none where it
// has no gates.
func podGates(p *corev1.Pod) Cell {
	if len(p.Spec.ReadinessGates) == 0 {
		return Cell{}
	}
	open := 0
	for i := range p.Spec.ReadinessGates {
		if c := podCondition(p, p.Spec.ReadinessGates[i].ConditionType); c != nil && c.Status == corev1.ConditionTrue {
			open++
		}
	}
	return Ratio(open, len(p.Spec.ReadinessGates))
}

func podRestarts(p *corev1.Pod) Cell {
	r := readPod(p)
	c := Number(r.restarts)
	if r.restarts == 0 || r.lastRestart.IsZero() {
		return c
	}
	c.Note = Message{ID: "pod.lastrestart", Args: map[string]any{"At": r.lastRestart}}
	if r.lastEnd != "Error" && r.lastEnd != "Completed" {
		// That a pod which runs was killed for its memory stands nowhere else.
		c.Note.ID, c.Note.Args["How"] = "pod.lastend", r.lastEnd
	}
	return c
}

func imagesOf(spec *corev1.PodSpec) string {
	if len(spec.Containers) == 1 {
		return spec.Containers[0].Image
	}
	images := make([]string, len(spec.Containers))
	for i := range spec.Containers {
		images[i] = spec.Containers[i].Image
	}
	return strings.Join(images, ", ")
}

func requested(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Requests }

func limited(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Limits }

// podAsks is a cell with what the whole pod requests, or may use at most, of a
// resource.
func podAsks(name corev1.ResourceName, of func(*corev1.ResourceRequirements) corev1.ResourceList, cell func(*resource.Quantity) Cell) func(*corev1.Pod) Cell {
	return func(p *corev1.Pod) Cell { return cell(podTotal(&p.Spec, name, of)) }
}

// podTotal is what the scheduler counts: the containers and sidecars together,
// or the hungriest moment of initialisation if that is more, plus overhead. A
// figure for the pod as a whole wins. Limits are added up the same way, as
// kubectl describe node does, although a container without one is unlimited.
func podTotal(spec *corev1.PodSpec, name corev1.ResourceName, of func(*corev1.ResourceRequirements) corev1.ResourceList) *resource.Quantity {
	if spec.Resources != nil {
		if q, ok := of(spec.Resources)[name]; ok {
			return withOverhead(spec, name, q.DeepCopy())
		}
	}
	var run, sidecars, peak resource.Quantity
	for i := range spec.Containers {
		run.Add(of(&spec.Containers[i].Resources)[name])
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		q := of(&c.Resources)[name]
		moment := sidecars.DeepCopy()
		moment.Add(q)
		if isSidecar(c) {
			sidecars.Add(q)
		}
		if moment.Cmp(peak) > 0 {
			peak = moment
		}
	}
	run.Add(sidecars)
	if peak.Cmp(run) > 0 {
		run = peak
	}
	if run.IsZero() {
		return nil
	}
	return withOverhead(spec, name, run)
}

func withOverhead(spec *corev1.PodSpec, name corev1.ResourceName, q resource.Quantity) *resource.Quantity {
	if extra, ok := spec.Overhead[name]; ok {
		q.Add(extra)
	}
	return &q
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// rootCA is mounted into nearly every pod and says nothing about it.
const rootCA = "kube-root-ca.crt"

func podRefs(p *corev1.Pod) []Ref {
	refs := templateRefs(p.Namespace, &p.Spec)
	for i := range p.Spec.Volumes {
		if v := &p.Spec.Volumes[i]; v.Ephemeral != nil { // the claim is named after its pod
			refs = append(refs, Ref{Kind: "persistentvolumeclaims", Namespace: p.Namespace, Name: p.Name + "-" + v.Name, Via: "volume"})
		}
	}
	if p.Spec.NodeName != "" {
		refs = append(refs, Ref{Kind: "nodes", Name: p.Spec.NodeName, Via: "node"})
	}
	return refs
}

// templateRefs are the references of a pod or of a workload's pod template,
// each once.
func templateRefs(namespace string, spec *corev1.PodSpec) []Ref {
	var refs []Ref
	add := func(kind, name, via string) {
		if name == "" || kind == "configmaps" && name == rootCA {
			return
		}
		ref := Ref{Kind: kind, Namespace: namespace, Name: name, Via: via}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	add("serviceaccounts", spec.ServiceAccountName, "serviceAccount")
	for i := range spec.ImagePullSecrets {
		add("secrets", spec.ImagePullSecrets[i].Name, "imagePullSecret")
	}
	for i := range spec.Volumes {
		volumeRefs(&spec.Volumes[i], add)
	}
	containers := func(list []corev1.Container) {
		for i := range list {
			c := &list[i]
			for j := range c.EnvFrom {
				if s := c.EnvFrom[j].ConfigMapRef; s != nil {
					add("configmaps", s.Name, "envFrom")
				}
				if s := c.EnvFrom[j].SecretRef; s != nil {
					add("secrets", s.Name, "envFrom")
				}
			}
			for j := range c.Env {
				from := c.Env[j].ValueFrom
				if from == nil {
					continue
				}
				if from.ConfigMapKeyRef != nil {
					add("configmaps", from.ConfigMapKeyRef.Name, "env")
				}
				if from.SecretKeyRef != nil {
					add("secrets", from.SecretKeyRef.Name, "env")
				}
			}
		}
	}
	containers(spec.InitContainers)
	containers(spec.Containers)
	return append(refs, classRefs(spec)...)
}

// classRefs are the references to what is not in the pod's namespace.
func classRefs(spec *corev1.PodSpec) []Ref {
	var refs []Ref
	if spec.PriorityClassName != "" {
		refs = append(refs, Ref{Kind: "priorityclasses.scheduling.k8s.io", Name: spec.PriorityClassName, Via: "priorityClass"})
	}
	if c := spec.RuntimeClassName; c != nil && *c != "" {
		refs = append(refs, Ref{Kind: "runtimeclasses.node.k8s.io", Name: *c, Via: "runtimeClass"})
	}
	return refs
}

func volumeRefs(v *corev1.Volume, add func(kind, name, via string)) {
	const via = "volume"
	if v.PersistentVolumeClaim != nil {
		add("persistentvolumeclaims", v.PersistentVolumeClaim.ClaimName, via)
	}
	if v.ConfigMap != nil {
		add("configmaps", v.ConfigMap.Name, via)
	}
	if v.Secret != nil {
		add("secrets", v.Secret.SecretName, via)
	}
	if v.CSI != nil && v.CSI.NodePublishSecretRef != nil {
		add("secrets", v.CSI.NodePublishSecretRef.Name, via)
	}
	if v.Projected == nil {
		return
	}
	for i := range v.Projected.Sources {
		s := &v.Projected.Sources[i]
		if s.ConfigMap != nil {
			add("configmaps", s.ConfigMap.Name, via)
		}
		if s.Secret != nil {
			add("secrets", s.Secret.Name, via)
		}
	}
}
