package kube

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resources "k8s.io/component-helpers/resource"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"tiga/kube/kinds"
)

// hotel finds places for the pods of a node on the others. It is an approximation and says so where it is shown: it knows
// requests, selectors, required affinity to nodes and taints; it does not know affinity between pods, spreading, volumes,
// extended resources, or what an autoscaler would add.
type hotel struct {
	leaving string
	rooms   []*roomOf
	byName  map[string]*roomOf
	// elsewhere counts by controller the ready pods on other nodes.
	elsewhere map[string]int
}

// roomOf is what a node has left.
type roomOf struct {
	node         *corev1.Node
	cpu, memory  float64
	pods         int64
	schedulable  bool
	cpuAsked     float64
	memoryAsked  float64
	placesNeeded int64
}

func newHotel(nodes []corev1.Node, leaving string) *hotel {
	h := &hotel{leaving: leaving, byName: map[string]*roomOf{}, elsewhere: map[string]int{}}
	for i := range nodes {
		n := &nodes[i]
		if n.Name == leaving {
			continue
		}
		ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		r := &roomOf{
			node: n, cpu: n.Status.Allocatable.Cpu().AsApproximateFloat64(), memory: n.Status.Allocatable.Memory().AsApproximateFloat64(),
			pods: n.Status.Allocatable.Pods().Value(), schedulable: ready && !n.Spec.Unschedulable,
		}
		h.rooms, h.byName[n.Name] = append(h.rooms, r), r
	}
	return h
}

// check counts a pod that is somewhere already.
func (h *hotel) check(k *kinds.Kind, r *kinds.Row) {
	col := columns{k}
	node, phase := cell(r, col.index("node")).Text, cell(r, col.index("phase")).Text
	if phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed) {
		return
	}
	if room := h.byName[node]; room != nil {
		room.cpuAsked += cell(r, col.index("cpurequest")).Num
		room.memoryAsked += cell(r, col.index("memoryrequest")).Num
		room.placesNeeded++
	}
	if node == h.leaving || cell(r, col.index("ready")).Num < 1 {
		return
	}
	for i := range r.Owners {
		if r.Owners[i].Controller {
			h.elsewhere[r.Owners[i].UID]++
		}
	}
}

// place finds a place for each pod that goes, the largest first, and notes what it finds.
func (h *hotel) place(pods []DrainPod) {
	order := make([]*DrainPod, 0, len(pods))
	for i := range pods {
		if p := pods[i].pod; pods[i].Verdict == DrainEvicts && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			order = append(order, &pods[i])
		}
	}
	asks := func(d *DrainPod) (cpu, memory float64) {
		r := resources.PodRequests(d.pod, resources.PodResourcesOptions{})
		return r.Cpu().AsApproximateFloat64(), r.Memory().AsApproximateFloat64()
	}
	slices.SortStableFunc(order, func(a, b *DrainPod) int {
		ca, ma := asks(a)
		cb, mb := asks(b)
		return cmp.Or(cmp.Compare(mb, ma), cmp.Compare(cb, ca))
	})
	for _, d := range order {
		owner := metav1.GetControllerOf(d.pod)
		if owner == nil { // nothing will look for a place for it
			continue
		}
		if h.elsewhere[string(owner.UID)] == 0 && owner.Kind != "Job" {
			d.Notes = append(d.Notes, message("drain.only", "Controller", d.Controller))
		}
		cpu, memory := asks(d)
		suits := false
		placed := slices.ContainsFunc(h.rooms, func(r *roomOf) bool {
			if !r.suits(d.pod) {
				return false
			}
			suits = true
			if r.cpuAsked+cpu > r.cpu || r.memoryAsked+memory > r.memory || r.placesNeeded+1 > r.pods {
				return false
			}
			r.cpuAsked, r.memoryAsked, r.placesNeeded = r.cpuAsked+cpu, r.memoryAsked+memory, r.placesNeeded+1
			return true
		})
		switch {
		case placed:
		case suits:
			d.Notes = append(d.Notes, message("drain.no_room"))
		default:
			d.Notes = append(d.Notes, message("drain.no_node"))
		}
	}
}

// suits says whether a pod may be placed on a node, leaving out how much it asks for.
func (r *roomOf) suits(p *corev1.Pod) bool {
	if !r.schedulable {
		return false
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(p).Match(r.node); err != nil || !ok {
		return false
	}
	_, untolerated := scheduling.FindMatchingUntoleratedTaint(klog.Logger{}, r.node.Spec.Taints, p.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}, false)
	return !untolerated
}
