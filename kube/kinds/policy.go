package kinds

import (
	"cmp"
	"fmt"
	"slices"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var policyKinds = []*Kind{
	Define(Kind{
		GVR: policyv1.SchemeGroupVersion.WithResource("poddisruptionbudgets"), Name: "PodDisruptionBudget", Plural: "PodDisruptionBudgets", Short: []string{"pdb"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
	},
		Reads[policyv1.PodDisruptionBudget]{
			Status: budgetStatus, Detail: budgetDetail,
			Pods: func(b *policyv1.PodDisruptionBudget) PodsOf { return selectedOrAll(b.Spec.Selector) },
		},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "minavailable", Form: FormText}, func(b *policyv1.PodDisruptionBudget) Cell { return Text(boundText(b.Spec.MinAvailable)) }},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "maxunavailable", Form: FormText}, func(b *policyv1.PodDisruptionBudget) Cell { return Text(boundText(b.Spec.MaxUnavailable)) }},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "alloweddisruptions", Form: FormNumber}, func(b *policyv1.PodDisruptionBudget) Cell { return Number(b.Status.DisruptionsAllowed) }},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "healthy", Form: FormRatio}, func(b *policyv1.PodDisruptionBudget) Cell {
			return readyCell(b.Status.CurrentHealthy, b.Status.ExpectedPods)
		}},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "selector", Form: FormName, Hidden: true}, func(b *policyv1.PodDisruptionBudget) Cell { return Name(selectorText(b.Spec.Selector)) }},
		ColumnOf[policyv1.PodDisruptionBudget]{Column{ID: "age", Form: FormAge}, func(b *policyv1.PodDisruptionBudget) Cell { return Age(unix(b.CreationTimestamp)) }},
	),
}

// boundText is a number of pods or a share of them, empty where it is not set.
func boundText(n *intstr.IntOrString) string {
	if n == nil {
		return ""
	}
	return n.String()
}

// budgetStatus says whether a pod may be evicted now: what a node's drain asks.
func budgetStatus(b *policyv1.PodDisruptionBudget) Status {
	if s, ok := terminating(b); ok {
		return s
	}
	st := &b.Status
	var since int64
	for i := range st.Conditions {
		if c := &st.Conditions[i]; c.Type == policyv1.DisruptionAllowedCondition {
			since = unix(c.LastTransitionTime)
			if c.Reason == policyv1.SyncFailedReason {
				return Status{Word: WordBlocksEvictions, Tone: ToneBad, Reason: Message{ID: "pdb.syncfailed", Text: short(c.Message)}, Since: since}
			}
		}
	}
	say := func(word string, tone Tone, id string) Status {
		return Status{Word: word, Tone: tone, Since: since, Reason: Message{ID: id, Args: map[string]any{
			"Allowed": int(st.DisruptionsAllowed), "Healthy": int(st.CurrentHealthy), "Needed": int(st.DesiredHealthy), "Expected": int(st.ExpectedPods),
		}}}
	}
	switch {
	case st.ObservedGeneration < b.Generation:
		return unseen()
	case st.ExpectedPods == 0:
		return say(WordNoPods, ToneIdle, "pdb.nopods")
	case st.DisruptionsAllowed > 0:
		return say(WordAllowsEvictions, ToneOK, "pdb.allows")
	case st.DesiredHealthy >= st.ExpectedPods && st.CurrentHealthy >= st.ExpectedPods:
		return say(WordBlocksEvictions, ToneWarn, "pdb.never") // all is well, and still no node can be drained
	case st.CurrentHealthy < st.DesiredHealthy:
		return say(WordBlocksEvictions, ToneBad, "pdb.short")
	default:
		return say(WordBlocksEvictions, ToneWarn, "pdb.edge")
	}
}

func budgetDetail(b *policyv1.PodDisruptionBudget, d *Detail) {
	st := &b.Status
	d.add("alloweddisruptions", Value{Cell: Number(st.DisruptionsAllowed)})
	d.add("minavailable", Value{Cell: Text(boundText(b.Spec.MinAvailable))})
	d.add("maxunavailable", Value{Cell: Text(boundText(b.Spec.MaxUnavailable))})
	d.add("healthy", Value{Cell: Cell{
		Text: fmt.Sprintf("%d/%d", st.CurrentHealthy, st.ExpectedPods), Form: FormRatio,
		Note: Message{ID: "pdb.needs", Args: map[string]any{"Needed": int(st.DesiredHealthy)}},
	}})
	if p := b.Spec.UnhealthyPodEvictionPolicy; p != nil {
		d.add("unhealthypods", Value{Cell: Text(string(*p))})
	}
	d.add("selector", Value{Cell: Name(selectorText(b.Spec.Selector))})
	if len(b.Finalizers) > 0 {
		d.add("finalizers", names(b.Finalizers)...)
	}
	// Pods that were evicted and are not seen to be gone yet.
	table := Table{ID: "disruptedpods", Columns: []Column{{ID: "pod", Form: FormName}, {ID: "evicted", Form: FormAge}}}
	for name, at := range st.DisruptedPods {
		table.Rows = append(table.Rows, []Value{refValue(Name(name), "pods", b.Namespace, name), {Cell: Age(unix(at))}})
	}
	slices.SortFunc(table.Rows, func(x, y []Value) int { return cmp.Compare(x[0].Cell.Text, y[0].Cell.Text) })
	if len(table.Rows) > 0 {
		d.Tables = append(d.Tables, table)
	}
	d.conditions(st.Conditions)
}
