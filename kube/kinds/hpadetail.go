package kinds

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// hpaRefs are the workload that is scaled and the objects that metrics are
// about.
func hpaRefs(h *autoscalingv2.HorizontalPodAutoscaler) []Ref {
	var refs []Ref
	t := &h.Spec.ScaleTargetRef
	if ref := objectRef(t.APIVersion, t.Kind, h.Namespace, t.Name, "scaleTargetRef"); ref != nil {
		refs = append(refs, *ref)
	}
	for i := range h.Spec.Metrics {
		if m := h.Spec.Metrics[i].Object; m != nil {
			if ref := objectRef(m.DescribedObject.APIVersion, m.DescribedObject.Kind, h.Namespace, m.DescribedObject.Name, "metric"); ref != nil {
				refs = append(refs, *ref)
			}
		}
	}
	return refs
}

func hpaDetail(h *autoscalingv2.HorizontalPodAutoscaler, d *Detail) {
	t := &h.Spec.ScaleTargetRef
	d.add("reference", Value{Cell: Name(hpaTarget(h)), Ref: objectRef(t.APIVersion, t.Kind, h.Namespace, t.Name, "")})
	d.add("replicas", Value{Cell: Cell{
		Num: float64(h.Status.CurrentReplicas), Form: FormNumber,
		Note: Message{ID: "hpa.replicas", Args: map[string]any{
			"Min": int(wanted(h.Spec.MinReplicas)), "Max": int(h.Spec.MaxReplicas), "Desired": int(h.Status.DesiredReplicas),
		}},
	}})
	d.add("lastscale", Value{Cell: startedCell(h.Status.LastScaleTime)})
	if b := h.Spec.Behavior; b != nil {
		d.add("scaleup", scalingRules(b.ScaleUp)...)
		d.add("scaledown", scalingRules(b.ScaleDown)...)
	}
	if len(h.Finalizers) > 0 {
		d.add("finalizers", names(h.Finalizers)...)
	}
	table := Table{ID: "metrics", Columns: []Column{
		{ID: "metric", Form: FormName}, {ID: "metrictype", Form: FormText}, {ID: "metriccurrent", Form: FormText}, {ID: "metrictarget", Form: FormText}, {ID: "object", Form: FormName},
	}}
	metrics := hpaMetrics(h)
	for i := range metrics {
		m := &metrics[i]
		row := []Value{{Cell: Name(m.name)}, {Cell: Text(string(h.Spec.Metrics[i].Type))}, {Cell: Text(m.current)}, {Cell: Text(m.target)}, {}}
		if m.bytes {
			row[2].Cell, row[3].Cell = bytesText(m.current), bytesText(m.target)
		}
		if m.current == nothingKnown {
			row[2].Cell = Cell{Note: Message{ID: "hpa.unknown"}, Text: nothingKnown, Tone: ToneWarn}
		}
		if m.average {
			row[3].Cell.Note = Message{ID: "hpa.average"}
		}
		if o := m.object; o != nil {
			row[4] = Value{Cell: Name(o.Kind + "/" + o.Name), Ref: objectRef(o.APIVersion, o.Kind, h.Namespace, o.Name, "")}
		}
		table.Rows = append(table.Rows, row)
	}
	if len(table.Rows) > 0 {
		d.Tables = append(d.Tables, table)
	}
	for i := range h.Status.Conditions {
		c := &h.Status.Conditions[i]
		d.condition(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime, string(autoscalingv2.ScalingLimited))
		if last := &d.Conditions[len(d.Conditions)-1]; c.Type == autoscalingv2.ScaledToZero || c.Reason == "TooFewReplicas" || c.Reason == "ScalingDisabled" {
			last.Tone = ToneIdle // neither good nor bad
		}
	}
}

// bytesText is an amount of memory that can be read: metrics come as bytes.
func bytesText(words string) Cell {
	q, err := resource.ParseQuantity(words)
	if err != nil {
		return Text(words)
	}
	return Bytes(&q)
}

// scalingRules are the rules of one direction in words of the API.
func scalingRules(r *autoscalingv2.HPAScalingRules) []Value {
	if r == nil {
		return nil
	}
	var out []Value
	for i := range r.Policies {
		p := &r.Policies[i]
		amount := fmt.Sprintf("%d %s", p.Value, p.Type)
		if p.Type == autoscalingv2.PercentScalingPolicy {
			amount = fmt.Sprintf("%d%%", p.Value)
		}
		out = append(out, Value{Cell: Text(fmt.Sprintf("%s / %ds", amount, p.PeriodSeconds))})
	}
	var rest []string
	if r.SelectPolicy != nil && (len(r.Policies) > 1 || *r.SelectPolicy == autoscalingv2.DisabledPolicySelect) {
		rest = append(rest, "selectPolicy "+string(*r.SelectPolicy))
	}
	if r.StabilizationWindowSeconds != nil {
		rest = append(rest, fmt.Sprintf("stabilizationWindowSeconds %d", *r.StabilizationWindowSeconds))
	}
	if r.Tolerance != nil {
		rest = append(rest, "tolerance "+r.Tolerance.String())
	}
	if len(rest) > 0 {
		out = append(out, Value{Cell: Text(strings.Join(rest, ", "))})
	}
	return out
}
