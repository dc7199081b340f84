package kinds

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

var appsKinds = []*Kind{
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("deployments"), Name: "Deployment", Plural: "Deployments", Short: []string{"deploy"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionScale, ActionRestart, ActionPause, ActionResume, ActionUndo},
	},
		Reads[appsv1.Deployment]{
			State:  deploymentState,
			Status: deploymentStatus,
			Refs:   func(d *appsv1.Deployment) []Ref { return templateRefs(d.Namespace, &d.Spec.Template.Spec) },
			Detail: deploymentDetail,
			Pods:   func(d *appsv1.Deployment) PodsOf { return selected(d.Spec.Selector) },
		},
		ColumnOf[appsv1.Deployment]{Column{ID: "ready", Form: FormRatio}, func(d *appsv1.Deployment) Cell {
			return readyCell(d.Status.ReadyReplicas, wanted(d.Spec.Replicas))
		}},
		ColumnOf[appsv1.Deployment]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[appsv1.Deployment]{Column{ID: "uptodate", Form: FormNumber}, func(d *appsv1.Deployment) Cell { return Number(d.Status.UpdatedReplicas) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "available", Form: FormNumber}, func(d *appsv1.Deployment) Cell { return Number(d.Status.AvailableReplicas) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "images", Form: FormName, Search: true}, func(d *appsv1.Deployment) Cell { return Name(imagesOf(&d.Spec.Template.Spec)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "containers", Form: FormName, Hidden: true}, func(d *appsv1.Deployment) Cell { return Name(containersOf(&d.Spec.Template.Spec)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "selector", Form: FormName, Hidden: true}, func(d *appsv1.Deployment) Cell { return Name(selectorText(d.Spec.Selector)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "strategy", Form: FormText, Hidden: true}, func(d *appsv1.Deployment) Cell { return Text(string(d.Spec.Strategy.Type)) }},
		ColumnOf[appsv1.Deployment]{Column{ID: "age", Form: FormAge}, func(d *appsv1.Deployment) Cell { return Age(unix(d.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("statefulsets"), Name: "StatefulSet", Plural: "StatefulSets", Short: []string{"sts"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionScale, ActionRestart, ActionUndo},
	},
		Reads[appsv1.StatefulSet]{
			Status: statefulSetStatus, Refs: statefulSetRefs, Detail: statefulSetDetail,
			State: func(s *appsv1.StatefulSet) State { return unchanged(s) },
			Pods:  func(s *appsv1.StatefulSet) PodsOf { return selected(s.Spec.Selector) },
		},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "ready", Form: FormRatio}, func(s *appsv1.StatefulSet) Cell {
			return readyCell(s.Status.ReadyReplicas, wanted(s.Spec.Replicas))
		}},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "uptodate", Form: FormNumber}, func(s *appsv1.StatefulSet) Cell { return Number(s.Status.UpdatedReplicas) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "available", Form: FormNumber, Hidden: true}, func(s *appsv1.StatefulSet) Cell { return Number(statefulSetAvailable(s)) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "images", Form: FormName, Search: true}, func(s *appsv1.StatefulSet) Cell { return Name(imagesOf(&s.Spec.Template.Spec)) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "containers", Form: FormName, Hidden: true}, func(s *appsv1.StatefulSet) Cell { return Name(containersOf(&s.Spec.Template.Spec)) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "headless", Form: FormName, Hidden: true, Search: true}, func(s *appsv1.StatefulSet) Cell { return Name(s.Spec.ServiceName) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "selector", Form: FormName, Hidden: true}, func(s *appsv1.StatefulSet) Cell { return Name(selectorText(s.Spec.Selector)) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "strategy", Form: FormText, Hidden: true}, func(s *appsv1.StatefulSet) Cell { return Text(string(s.Spec.UpdateStrategy.Type)) }},
		ColumnOf[appsv1.StatefulSet]{Column{ID: "age", Form: FormAge}, func(s *appsv1.StatefulSet) Cell { return Age(unix(s.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("daemonsets"), Name: "DaemonSet", Plural: "DaemonSets", Short: []string{"ds"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionRestart, ActionUndo},
	},
		Reads[appsv1.DaemonSet]{
			State:  func(d *appsv1.DaemonSet) State { return unchanged(d) },
			Status: daemonSetStatus,
			Refs:   func(d *appsv1.DaemonSet) []Ref { return templateRefs(d.Namespace, &d.Spec.Template.Spec) },
			Detail: daemonSetDetail,
			Pods:   func(d *appsv1.DaemonSet) PodsOf { return selected(d.Spec.Selector) },
		},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "desired", Form: FormNumber}, func(d *appsv1.DaemonSet) Cell { return Number(d.Status.DesiredNumberScheduled) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "current", Form: FormNumber}, func(d *appsv1.DaemonSet) Cell { return Number(d.Status.CurrentNumberScheduled) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "ready", Form: FormNumber}, func(d *appsv1.DaemonSet) Cell {
			return countCell(d.Status.NumberReady, d.Status.DesiredNumberScheduled)
		}},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "uptodate", Form: FormNumber}, func(d *appsv1.DaemonSet) Cell { return Number(d.Status.UpdatedNumberScheduled) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "available", Form: FormNumber}, func(d *appsv1.DaemonSet) Cell { return Number(d.Status.NumberAvailable) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "nodeselector", Form: FormName, Search: true}, func(d *appsv1.DaemonSet) Cell { return Name(labelText(d.Spec.Template.Spec.NodeSelector)) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "images", Form: FormName, Hidden: true, Search: true}, func(d *appsv1.DaemonSet) Cell { return Name(imagesOf(&d.Spec.Template.Spec)) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "containers", Form: FormName, Hidden: true}, func(d *appsv1.DaemonSet) Cell { return Name(containersOf(&d.Spec.Template.Spec)) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "selector", Form: FormName, Hidden: true}, func(d *appsv1.DaemonSet) Cell { return Name(selectorText(d.Spec.Selector)) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "strategy", Form: FormText, Hidden: true}, func(d *appsv1.DaemonSet) Cell { return Text(string(d.Spec.UpdateStrategy.Type)) }},
		ColumnOf[appsv1.DaemonSet]{Column{ID: "age", Form: FormAge}, func(d *appsv1.DaemonSet) Cell { return Age(unix(d.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("replicasets"), Churns: true, Name: "ReplicaSet", Plural: "ReplicaSets", Short: []string{"rs"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionScale},
	},
		Reads[appsv1.ReplicaSet]{
			State:  replicaSetState,
			Status: replicaSetStatus,
			Refs:   func(r *appsv1.ReplicaSet) []Ref { return templateRefs(r.Namespace, &r.Spec.Template.Spec) },
			Detail: replicaSetDetail,
			Pods:   func(r *appsv1.ReplicaSet) PodsOf { return selected(r.Spec.Selector) },
		},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "desired", Form: FormNumber}, func(r *appsv1.ReplicaSet) Cell { return Number(wanted(r.Spec.Replicas)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "current", Form: FormNumber}, func(r *appsv1.ReplicaSet) Cell { return Number(r.Status.Replicas) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "ready", Form: FormNumber}, func(r *appsv1.ReplicaSet) Cell { return countCell(r.Status.ReadyReplicas, wanted(r.Spec.Replicas)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "revision", Form: FormNumber}, replicaSetRevision},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "images", Form: FormName, Search: true}, func(r *appsv1.ReplicaSet) Cell { return Name(imagesOf(&r.Spec.Template.Spec)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "controller", Form: FormName, Hidden: true, Search: true}, func(r *appsv1.ReplicaSet) Cell { return Name(controllerText(r)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "containers", Form: FormName, Hidden: true}, func(r *appsv1.ReplicaSet) Cell { return Name(containersOf(&r.Spec.Template.Spec)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "selector", Form: FormName, Hidden: true}, func(r *appsv1.ReplicaSet) Cell { return Name(selectorText(r.Spec.Selector)) }},
		ColumnOf[appsv1.ReplicaSet]{Column{ID: "age", Form: FormAge}, func(r *appsv1.ReplicaSet) Cell { return Age(unix(r.CreationTimestamp)) }},
	),
}

// seldomKinds are those that people hardly ever look for; they end the group.
var seldomKinds = []*Kind{
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("replicationcontrollers"), Churns: true, Name: "ReplicationController", Plural: "ReplicationControllers", Short: []string{"rc"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
		Actions: []Action{ActionScale},
	},
		Reads[corev1.ReplicationController]{
			State:  func(r *corev1.ReplicationController) State { return replicaSetState(asReplicaSet(r)) },
			Status: func(r *corev1.ReplicationController) Status { return replicaSetStatus(asReplicaSet(r)) },
			Refs: func(r *corev1.ReplicationController) []Ref {
				return templateRefs(r.Namespace, &asReplicaSet(r).Spec.Template.Spec)
			},
			Detail: func(r *corev1.ReplicationController, d *Detail) { replicaSetDetail(asReplicaSet(r), d) },
			Pods: func(r *corev1.ReplicationController) PodsOf {
				return PodsOf{Selector: labels.SelectorFromSet(r.Spec.Selector).String()}
			},
		},
		ColumnOf[corev1.ReplicationController]{Column{ID: "desired", Form: FormNumber}, func(r *corev1.ReplicationController) Cell { return Number(wanted(r.Spec.Replicas)) }},
		ColumnOf[corev1.ReplicationController]{Column{ID: "current", Form: FormNumber}, func(r *corev1.ReplicationController) Cell { return Number(r.Status.Replicas) }},
		ColumnOf[corev1.ReplicationController]{Column{ID: "ready", Form: FormNumber}, func(r *corev1.ReplicationController) Cell {
			return countCell(r.Status.ReadyReplicas, wanted(r.Spec.Replicas))
		}},
		ColumnOf[corev1.ReplicationController]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[corev1.ReplicationController]{Column{ID: "images", Form: FormName, Search: true}, func(r *corev1.ReplicationController) Cell { return Name(imagesOf(&asReplicaSet(r).Spec.Template.Spec)) }},
		ColumnOf[corev1.ReplicationController]{Column{ID: "containers", Form: FormName, Hidden: true}, func(r *corev1.ReplicationController) Cell {
			return Name(containersOf(&asReplicaSet(r).Spec.Template.Spec))
		}},
		ColumnOf[corev1.ReplicationController]{Column{ID: "selector", Form: FormName, Hidden: true}, func(r *corev1.ReplicationController) Cell { return Name(labelText(r.Spec.Selector)) }},
		ColumnOf[corev1.ReplicationController]{Column{ID: "age", Form: FormAge}, func(r *corev1.ReplicationController) Cell { return Age(unix(r.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: appsv1.SchemeGroupVersion.WithResource("controllerrevisions"), Churns: true, Name: "ControllerRevision", Plural: "ControllerRevisions",
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"controller"},
	},
		Reads[appsv1.ControllerRevision]{
			Status: func(r *appsv1.ControllerRevision) Status { return leaving(r) },
			Detail: revisionDetail,
		},
		ColumnOf[appsv1.ControllerRevision]{Column{ID: "controller", Form: FormName, Search: true}, func(r *appsv1.ControllerRevision) Cell { return Name(controllerText(r)) }},
		ColumnOf[appsv1.ControllerRevision]{Column{ID: "revision", Form: FormNumber}, func(r *appsv1.ControllerRevision) Cell { return Number(r.Revision) }},
		ColumnOf[appsv1.ControllerRevision]{Column{ID: "images", Form: FormName, Search: true}, func(r *appsv1.ControllerRevision) Cell { return Name(imagesOf(&revisionTemplate(r).Spec)) }},
		ColumnOf[appsv1.ControllerRevision]{Column{ID: "age", Form: FormAge}, func(r *appsv1.ControllerRevision) Cell { return Age(unix(r.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("podtemplates"), Churns: true, Name: "PodTemplate", Plural: "PodTemplates",
		Namespaced: true, Menu: MenuWorkloads,
	},
		Reads[corev1.PodTemplate]{
			Status: func(t *corev1.PodTemplate) Status { return leaving(t) },
			Refs:   func(t *corev1.PodTemplate) []Ref { return templateRefs(t.Namespace, &t.Template.Spec) },
			Detail: func(t *corev1.PodTemplate, d *Detail) { d.template(t, &t.Template.Spec) },
		},
		ColumnOf[corev1.PodTemplate]{Column{ID: "containers", Form: FormName}, func(t *corev1.PodTemplate) Cell { return Name(containersOf(&t.Template.Spec)) }},
		ColumnOf[corev1.PodTemplate]{Column{ID: "images", Form: FormName, Search: true}, func(t *corev1.PodTemplate) Cell { return Name(imagesOf(&t.Template.Spec)) }},
		ColumnOf[corev1.PodTemplate]{Column{ID: "podlabels", Form: FormName}, func(t *corev1.PodTemplate) Cell { return Name(labelText(t.Template.Labels)) }},
		ColumnOf[corev1.PodTemplate]{Column{ID: "age", Form: FormAge}, func(t *corev1.PodTemplate) Cell { return Age(unix(t.CreationTimestamp)) }},
	),
}

// wanted is the number of replicas asked for; the API's default is one.
func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// selectorText is a label selector as kubectl writes it, empty for none.
func selectorText(s *metav1.LabelSelector) string {
	if s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(s)
}

// labelText is a set of labels as kubectl writes it, empty for none.
func labelText(set map[string]string) string {
	if len(set) == 0 {
		return ""
	}
	return labels.FormatLabels(set)
}

// selectedOrAll are the pods that a selector chooses where an empty one chooses
// all of the namespace, as for PodDisruptionBudgets and NetworkPolicies. None at
// all chooses none.
func selectedOrAll(s *metav1.LabelSelector) PodsOf {
	if s != nil && len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return PodsOf{All: true}
	}
	return selected(s)
}

// selected are the pods that a selector chooses. One that cannot be read
// chooses none.
func selected(s *metav1.LabelSelector) PodsOf {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil || selector.Empty() {
		return PodsOf{}
	}
	if requirements, _ := selector.Requirements(); len(requirements) == 0 { // no selector at all: nothing
		return PodsOf{}
	}
	return PodsOf{Selector: selector.String()}
}

// containersOf are the names of the containers of a pod or a pod template.
func containersOf(spec *corev1.PodSpec) string {
	list := make([]string, len(spec.Containers))
	for i := range spec.Containers {
		list[i] = spec.Containers[i].Name
	}
	return strings.Join(list, ", ")
}

// controllerText is the controller of an object as kubectl writes it,
// "statefulset.apps/web".
func controllerText(o metav1.Object) string {
	c := metav1.GetControllerOf(o)
	if c == nil {
		return ""
	}
	kind := strings.ToLower(c.Kind)
	if group, _, ok := strings.Cut(c.APIVersion, "/"); ok {
		kind += "." + group
	}
	return kind + "/" + c.Name
}

// controllerValue is the same with a link.
func controllerValue(o metav1.Object) Value {
	v := Value{Cell: Name(controllerText(o))}
	if c := metav1.GetControllerOf(o); c != nil {
		v.Ref = objectRef(c.APIVersion, c.Kind, o.GetNamespace(), c.Name, "")
	}
	return v
}

// objectRef refers to an object by its kind's name, nil where it names none.
func objectRef(apiVersion, kind, namespace, name, via string) *Ref {
	id, ok := guessID(apiVersion, kind)
	if !ok || name == "" {
		return nil
	}
	return &Ref{Kind: id, Namespace: namespace, Name: name, Via: via}
}
