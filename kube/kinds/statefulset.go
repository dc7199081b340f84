package kinds

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// statefulSetAvailable is the number of pods that serve. Without a minimum
// ready time that is every ready pod, also where nothing counts available ones.
func statefulSetAvailable(s *appsv1.StatefulSet) int32 {
	if s.Spec.MinReadySeconds == 0 {
		return s.Status.ReadyReplicas
	}
	return s.Status.AvailableReplicas
}

// statefulSetPartition is the number of pods, counted from the lowest, that an
// update leaves at their revision.
func statefulSetPartition(s *appsv1.StatefulSet) int32 {
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		return *r.Partition
	}
	return 0
}

// statefulSetPod names the pod at an index.
func statefulSetPod(s *appsv1.StatefulSet, index int32) string {
	if o := s.Spec.Ordinals; o != nil {
		index += o.Start
	}
	return s.Name + "-" + strconv.Itoa(int(index))
}

// statefulSetMessage has every figure that a sentence on a StatefulSet may use.
// Next is the pod that an update takes next: it goes from the highest ordinal
// to the lowest.
func statefulSetMessage(s *appsv1.StatefulSet, id string) Message {
	want, st := wanted(s.Spec.Replicas), &s.Status
	return Message{ID: id, Args: map[string]any{
		"Want": int(want), "Have": int(st.Replicas), "Updated": int(st.UpdatedReplicas), "Old": int(st.Replicas - st.UpdatedReplicas),
		"Ready": int(st.ReadyReplicas), "Unready": int(st.Replicas - st.ReadyReplicas), "Available": int(statefulSetAvailable(s)),
		"Partition": int(statefulSetPartition(s)), "Next": statefulSetPod(s, max(0, want-1-st.UpdatedReplicas)),
	}}
}

// statefulSetStatus says how the rollout stands. A StatefulSet has no
// conditions and no deadline: nothing but the counts and the two revisions
// tells what its controller is waiting for.
func statefulSetStatus(s *appsv1.StatefulSet) Status {
	if s, ok := terminating(s); ok {
		return s
	}
	want, st := wanted(s.Spec.Replicas), &s.Status
	say := func(word string, tone Tone, id string) Status {
		return Status{Word: word, Tone: tone, Reason: statefulSetMessage(s, id)}
	}
	switch {
	case st.ObservedGeneration < s.Generation:
		return unseen()
	case want == 0 && st.Replicas == 0:
		return Status{Word: WordScaledToZero, Tone: ToneIdle}
	case st.Replicas > want:
		return say("Progressing", ToneInfo, "statefulset.scalingdown")
	case s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		if st.UpdatedReplicas < st.Replicas {
			return say(WordOutdated, ToneWarn, "statefulset.ondelete")
		}
	case st.UpdateRevision != st.CurrentRevision:
		return statefulSetRolling(s, say)
	}
	inOrder := s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	switch {
	case st.Replicas < want && inOrder && st.ReadyReplicas < st.Replicas:
		// The next is not made before all are ready, however long that takes.
		return say("Progressing", ToneWarn, "statefulset.inorder")
	case st.Replicas < want:
		return say("Progressing", ToneInfo, "statefulset.creating")
	case statefulSetAvailable(s) < want:
		return lacking(statefulSetAvailable(s), want)
	default:
		return Status{Word: "Available", Tone: ToneOK}
	}
}

// statefulSetRolling is the status while pods of two revisions are wanted.
func statefulSetRolling(s *appsv1.StatefulSet, say func(string, Tone, string) Status) Status {
	want, st := wanted(s.Spec.Replicas), &s.Status
	for i := range st.Conditions { // only the strategy Recreate has one
		if c := &st.Conditions[i]; c.Type == appsv1.StatefulSetProgressing && c.Status == corev1.ConditionTrue {
			return Status{Word: "Progressing", Tone: ToneInfo, Reason: Message{Text: short(c.Message)}, Since: unix(c.LastTransitionTime)}
		}
	}
	partition := statefulSetPartition(s)
	target := max(0, want-partition)
	inOrder := s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement
	switch {
	case st.UpdatedReplicas >= target && statefulSetAvailable(s) < want:
		return say("Progressing", ToneInfo, "statefulset.becoming")
	case st.UpdatedReplicas >= target && partition > 0:
		return say("Available", ToneInfo, "statefulset.partition")
	case inOrder && st.UpdatedReplicas == 0 && st.Replicas == want && st.ReadyReplicas < want:
		// Kubernetes waits for the broken pod of the old revision to become ready
		// before it replaces any: a fix does not reach it.
		return say(WordStuck, ToneWarn, "statefulset.blocked")
	case st.ReadyReplicas < st.Replicas || st.Replicas < want:
		return say("Progressing", ToneInfo, "statefulset.waiting")
	default:
		return say("Progressing", ToneInfo, "statefulset.updating")
	}
}

// claimsLimit bounds the references of a StatefulSet to its volume claims.
const claimsLimit = 64

// statefulSetRefs are the references of the template, the service that gives
// the pods their names, and the claims that the templates of claims make.
func statefulSetRefs(s *appsv1.StatefulSet) []Ref {
	refs := templateRefs(s.Namespace, &s.Spec.Template.Spec)
	if s.Spec.ServiceName != "" {
		refs = append(refs, Ref{Kind: "services", Namespace: s.Namespace, Name: s.Spec.ServiceName, Via: "serviceName"})
	}
	for i := range s.Spec.VolumeClaimTemplates {
		c := &s.Spec.VolumeClaimTemplates[i]
		for n := range min(wanted(s.Spec.Replicas), claimsLimit) {
			refs = append(refs, Ref{Kind: "persistentvolumeclaims", Namespace: s.Namespace, Name: c.Name + "-" + statefulSetPod(s, n), Via: "volumeClaimTemplate"})
		}
		if class := c.Spec.StorageClassName; class != nil && *class != "" {
			ref := Ref{Kind: "storageclasses.storage.k8s.io", Name: *class, Via: "volumeClaimTemplate"}
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

func statefulSetDetail(s *appsv1.StatefulSet, d *Detail) {
	st := &s.Status
	d.add("replicas", Value{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.ReadyReplicas, wanted(s.Spec.Replicas)), Form: FormRatio,
		Note: statefulSetMessage(s, "deployment.replicas"),
	}})
	strategy := Text(string(s.Spec.UpdateStrategy.Type))
	if n := statefulSetPartition(s); n > 0 {
		strategy.Note = Message{ID: "statefulset.partitioned", Args: map[string]any{"Partition": int(n)}}
	}
	d.add("strategy", Value{Cell: strategy})
	if r := s.Spec.UpdateStrategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
		d.add("maxunavailable", Value{Cell: Text(r.MaxUnavailable.String())})
	}
	d.add("podmanagement", Value{Cell: Text(string(s.Spec.PodManagementPolicy))})
	d.minReady(s.Spec.MinReadySeconds)
	d.add("selector", Value{Cell: Name(selectorText(s.Spec.Selector))})
	d.add("headless", refValue(Name(s.Spec.ServiceName), "services", s.Namespace, s.Spec.ServiceName))
	d.add("currentrevision", refValue(Name(st.CurrentRevision), "controllerrevisions.apps", s.Namespace, st.CurrentRevision))
	if st.UpdateRevision != st.CurrentRevision {
		d.add("updaterevision", refValue(Name(st.UpdateRevision), "controllerrevisions.apps", s.Namespace, st.UpdateRevision))
	}
	if p := s.Spec.PersistentVolumeClaimRetentionPolicy; p != nil {
		d.add("claimretention", Value{Cell: Text(fmt.Sprintf("whenDeleted %s, whenScaled %s", p.WhenDeleted, p.WhenScaled))})
	}
	d.template(s, &s.Spec.Template.Spec)
	claims := make(map[string]bool)
	table := Table{ID: "claimtemplates", Columns: []Column{
		{ID: "claim", Form: FormName}, {ID: "claimsize", Form: FormBytes}, {ID: "claimmodes", Form: FormText}, {ID: "claimclass", Form: FormName},
	}}
	for i := range s.Spec.VolumeClaimTemplates {
		c := &s.Spec.VolumeClaimTemplates[i]
		claims[c.Name] = true
		class := Value{}
		if name := c.Spec.StorageClassName; name != nil {
			class = refValue(Name(*name), "storageclasses.storage.k8s.io", "", *name)
		}
		size := c.Spec.Resources.Requests[corev1.ResourceStorage]
		modes := make([]string, len(c.Spec.AccessModes))
		for j := range c.Spec.AccessModes {
			modes[j] = string(c.Spec.AccessModes[j])
		}
		table.Rows = append(table.Rows, []Value{{Cell: Name(c.Name)}, {Cell: Bytes(&size)}, {Cell: Text(strings.Join(modes, ", "))}, class})
	}
	if len(table.Rows) > 0 {
		d.Tables = append(d.Tables, table)
	}
	for i := range d.Containers {
		for j := range d.Containers[i].Mounts {
			// Each pod has a claim of its own, so no object can be named.
			if m := &d.Containers[i].Mounts[j]; claims[m.Volume] {
				m.What, m.From = "volumeClaimTemplate", nil
			}
		}
	}
	for i := range st.Conditions {
		c := &st.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(appsv1.StatefulSetProgressing))
	}
}
