package kube

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
)

// DrainOptions say what a drain may do; they are kubectl's.
type DrainOptions struct {
	// Grace is the time in seconds that each pod has to end; nil is its own.
	Grace *int64
	// DeleteLocalData lets pods go whose emptyDir volumes go with them.
	DeleteLocalData bool
	// Force lets pods go that no controller starts anew.
	Force bool
	// IgnoreDaemonSets leaves the pods of DaemonSets where they are. Without it they stand in the way.
	IgnoreDaemonSets bool
}

// DrainVerdict says what a drain does with a pod.
type DrainVerdict uint8

// The verdicts, the worst first.
const (
	DrainRefused DrainVerdict = iota // the drain does not begin because of it
	DrainEvicts
	DrainLeaves // it stays on the node
)

// DrainPod is one pod of a node that is to be drained.
type DrainPod struct {
	Namespace, Name, UID string
	// Controller is what starts it anew, as "ReplicaSet web-5d8f"; "" for none.
	Controller string
	Verdict    DrainVerdict
	// Why is why it is refused or left.
	Why kinds.Message
	// Notes are what whoever drains should know of it.
	Notes []kinds.Message
	// Blocked are the disruption budgets, by name, that do not let it go now.
	Blocked []string

	pod *corev1.Pod
}

// DrainPlan is what a drain of a node would do, at the moment it was made.
type DrainPlan struct {
	Node, UID string
	Cordoned  bool
	Pods      []DrainPod // those that stand in the way first, then those that go, then those that stay
	// Hidden says that there are pods on the node that the permit does not show.
	Hidden bool
	// BudgetsUnknown and RoomUnknown say that the permits do not show enough to tell.
	BudgetsUnknown, RoomUnknown bool
}

// Count is how many pods have a verdict.
func (p *DrainPlan) Count(v DrainVerdict) (n int) {
	for i := range p.Pods {
		if p.Pods[i].Verdict == v {
			n++
		}
	}
	return n
}

// DrainPermits are what a plan is made from. Node is for VerbGet on the node, Pods for VerbList; with Nodes and Budgets, both
// for VerbList and both of them optional, it says more.
type DrainPermits struct{ Node, Pods, Nodes, Budgets access.Permit }

// PlanDrain looks at what is on a node and says what a drain would do with it. It changes nothing.
func (c *Cluster) PlanDrain(ctx context.Context, permits DrainPermits, name string, o DrainOptions) (DrainPlan, error) {
	node, err := c.drained(ctx, permits.Node, name)
	if err != nil {
		return DrainPlan{}, err
	}
	pods, hidden, err := c.podsOn(ctx, permits.Pods, name)
	if err != nil {
		return DrainPlan{}, err
	}
	plan := DrainPlan{Node: name, UID: string(node.UID), Cordoned: node.Spec.Unschedulable, Hidden: hidden}
	for i := range pods {
		plan.Pods = append(plan.Pods, judge(&pods[i], o))
	}
	plan.BudgetsUnknown = !c.budgets(ctx, permits.Budgets, plan.Pods)
	plan.RoomUnknown = !c.room(ctx, permits, name, plan.Pods)
	slices.SortFunc(plan.Pods, func(a, b DrainPod) int {
		return cmp.Or(cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(len(b.Blocked), len(a.Blocked)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return plan, nil
}

func (c *Cluster) drained(ctx context.Context, permit access.Permit, name string) (*corev1.Node, error) {
	k, _ := kinds.Lookup("nodes")
	o, err := c.Get(ctx, permit, k, "", name)
	if err != nil {
		return nil, err
	}
	node, ok := o.typed.(*corev1.Node)
	if !ok {
		return nil, c.wrap(errNotKubernetes, target{"drain", k.ID(), "", name})
	}
	return node, nil
}

// podsOn are the pods on a node that the permit shows, from the API server, and whether there are others.
func (c *Cluster) podsOn(ctx context.Context, permit access.Permit, node string) (pods []corev1.Pod, hidden bool, err error) {
	k, _ := kinds.Lookup("pods")
	t := target{op: "list", resource: k.ID()}
	if err := c.reading(permit, k); err != nil {
		return nil, false, err
	}
	if err := c.ready(t); err != nil {
		return nil, false, err
	}
	list, err := c.conn.objects(ctx, k, ObjectsOptions{FieldSelector: "spec.nodeName=" + node}, c.agent(permit))
	if err != nil {
		return nil, false, c.wrap(err, t)
	}
	all, ok := list.(*corev1.PodList)
	if !ok {
		return nil, false, c.wrap(errNotKubernetes, t)
	}
	for i := range all.Items {
		if p := &all.Items[i]; permit.Sees(p.Namespace, p.Name) {
			pods = append(pods, *p)
		} else {
			hidden = true
		}
	}
	return pods, hidden, nil
}

// PodsOn are the UIDs of the pods that are on a node now, as far as the permit shows them.
func (c *Cluster) PodsOn(ctx context.Context, permit access.Permit, node string) (map[string]bool, error) {
	pods, _, err := c.podsOn(ctx, permit, node)
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(pods))
	for i := range pods {
		out[string(pods[i].UID)] = true
	}
	return out, nil
}

// judge says what a drain does with a pod, by the rules of kubectl.
func judge(p *corev1.Pod, o DrainOptions) DrainPod {
	out := DrainPod{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Verdict: DrainEvicts, pod: p}
	owner := metav1.GetControllerOf(p)
	if owner != nil {
		out.Controller = owner.Kind + " " + owner.Name
	}
	finished := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	refuse := func(m kinds.Message) { out.Verdict, out.Why = DrainRefused, m }
	note := func(m kinds.Message) { out.Notes = append(out.Notes, m) }
	_, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]
	switch {
	case mirror:
		out.Verdict, out.Why = DrainLeaves, message("drain.mirror")
		return out
	case finished:
		note(message("drain.finished"))
		return out
	case owner != nil && owner.Kind == "DaemonSet" && o.IgnoreDaemonSets:
		out.Verdict, out.Why = DrainLeaves, message("drain.daemonset")
		return out
	case owner != nil && owner.Kind == "DaemonSet":
		refuse(message("drain.daemonset_refused"))
		return out
	case owner == nil && !o.Force:
		refuse(message("drain.unmanaged_refused"))
	case owner == nil:
		note(message("drain.unmanaged"))
	}
	if local := slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil }); local && !o.DeleteLocalData {
		if out.Verdict == DrainRefused {
			note(message("drain.local_refused"))
		} else {
			refuse(message("drain.local_refused"))
		}
	} else if local {
		note(message("drain.local"))
	}
	if p.DeletionTimestamp != nil {
		note(message("drain.leaving"))
	}
	return out
}

// budgets notes which disruption budgets do not let pods go now. It reports whether that can be told.
func (c *Cluster) budgets(ctx context.Context, permit access.Permit, pods []DrainPod) bool {
	k, known := kinds.Lookup("poddisruptionbudgets.policy")
	if !known || c.reading(permit, k) != nil {
		return false
	}
	list, err := c.conn.objects(ctx, k, ObjectsOptions{}, c.agent(permit))
	if err != nil {
		return false
	}
	all, ok := list.(*policyv1.PodDisruptionBudgetList)
	if !ok {
		return false
	}
	complete := true
	for i := range pods {
		d := &pods[i]
		if d.Verdict == DrainLeaves || d.pod.DeletionTimestamp != nil {
			continue
		}
		covered := 0
		for j := range all.Items {
			b := &all.Items[j]
			selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if b.Namespace != d.Namespace || err != nil || !selector.Matches(labels.Set(d.pod.Labels)) {
				continue
			}
			covered++
			switch {
			case !permit.Sees(b.Namespace, b.Name):
				complete = false
			case b.Status.DisruptionsAllowed <= 0 && !finishedOrUnready(d.pod, b):
				d.Blocked = append(d.Blocked, b.Name)
				d.Notes = append(d.Notes, message("drain.budget", "Budget", b.Name,
					"Need", int(b.Status.DesiredHealthy), "Have", int(b.Status.CurrentHealthy)))
			}
		}
		if covered > 1 {
			d.Notes = append(d.Notes, message("drain.budgets", "Count", covered)) // the Eviction API refuses it for good
		}
	}
	return complete
}

// finishedOrUnready says whether a pod may go whatever the budget allows, because it does not count as healthy.
func finishedOrUnready(p *corev1.Pod, b *policyv1.PodDisruptionBudget) bool {
	switch p.Status.Phase {
	case corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed:
		return true
	default:
	}
	ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	if ready {
		return false
	}
	always := b.Spec.UnhealthyPodEvictionPolicy != nil && *b.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow
	return always || b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0
}

// room notes which pods would find no place on another node, and which are the only ones of their controller. It reports
// whether that can be told.
func (c *Cluster) room(ctx context.Context, permits DrainPermits, name string, pods []DrainPod) bool {
	nodes, known := kinds.Lookup("nodes")
	all, ok := kinds.Lookup("pods")
	if !known || !ok || c.reading(permits.Nodes, nodes) != nil || !permits.Nodes.Whole() || !permits.Pods.Whole() {
		return false
	}
	list, err := c.conn.objects(ctx, nodes, ObjectsOptions{}, c.agent(permits.Nodes))
	if err != nil {
		return false
	}
	typed, ok := list.(*corev1.NodeList)
	if !ok {
		return false
	}
	// Pods elsewhere come from the list in memory: to read all of a large cluster for a preflight would cost it more than the
	// answer, an approximation anyway, is worth.
	if _, err := c.List(ctx, permits.Pods, cache.Query{Kind: all, Size: 1}); err != nil || !c.Freshness(all).Synced {
		return false
	}
	h := newHotel(typed.Items, name)
	c.Each(permits.Pods, all, func(r *kinds.Row) bool { h.check(all, r); return true })
	h.place(pods)
	return true
}
