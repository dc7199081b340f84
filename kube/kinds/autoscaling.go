package kinds

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var autoscalingKinds = []*Kind{
	Define(Kind{
		GVR: autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers"), Name: "HorizontalPodAutoscaler", Plural: "HorizontalPodAutoscalers", Short: []string{"hpa"},
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status"},
	},
		Reads[autoscalingv2.HorizontalPodAutoscaler]{Status: hpaStatus, Refs: hpaRefs, Detail: hpaDetail},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "reference", Form: FormName, Search: true}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Name(hpaTarget(h)) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "targets", Form: FormName}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Name(hpaTargets(h)) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "minpods", Form: FormNumber}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Number(wanted(h.Spec.MinReplicas)) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "maxpods", Form: FormNumber}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Number(h.Spec.MaxReplicas) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "replicas", Form: FormNumber}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Number(h.Status.CurrentReplicas) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "lastscale", Form: FormAge, Hidden: true}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return startedCell(h.Status.LastScaleTime) }},
		ColumnOf[autoscalingv2.HorizontalPodAutoscaler]{Column{ID: "age", Form: FormAge}, func(h *autoscalingv2.HorizontalPodAutoscaler) Cell { return Age(unix(h.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR:  schema.GroupVersionResource{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"},
		Name: "VerticalPodAutoscaler", Plural: "VerticalPodAutoscalers", Short: []string{"vpa"},
		Versions: []string{"v1", "v1beta2"}, Install: "Vertical Pod Autoscaler",
		Namespaced: true, Menu: MenuWorkloads, Facets: []string{"status", "mode"},
	},
		Reads[unstructured.Unstructured]{Status: vpaStatus, Refs: vpaRefs, Detail: vpaDetail},
		ColumnOf[unstructured.Unstructured]{Column{ID: "reference", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(vpaTarget(u)) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[unstructured.Unstructured]{Column{ID: "mode", Form: FormText}, func(u *unstructured.Unstructured) Cell { return Text(vpaMode(u)) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "cpu", Form: FormCPU}, func(u *unstructured.Unstructured) Cell { return CPU(vpaFirst(u, "cpu")) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "memory", Form: FormBytes}, func(u *unstructured.Unstructured) Cell { return Bytes(vpaFirst(u, "memory")) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "age", Form: FormAge}, func(u *unstructured.Unstructured) Cell { return Age(unix(u.GetCreationTimestamp())) }},
	),
}

func hpaTarget(h *autoscalingv2.HorizontalPodAutoscaler) string {
	t := &h.Spec.ScaleTargetRef
	if t.Name == "" {
		return ""
	}
	return t.Kind + "/" + t.Name
}

// hpaCondition is a condition, the zero one when it is not there.
func hpaCondition(h *autoscalingv2.HorizontalPodAutoscaler, t autoscalingv2.HorizontalPodAutoscalerConditionType) autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range h.Status.Conditions {
		if h.Status.Conditions[i].Type == t {
			return h.Status.Conditions[i]
		}
	}
	return autoscalingv2.HorizontalPodAutoscalerCondition{}
}

// hpaStatus says whether the autoscaler works, and whether its bounds let it.
func hpaStatus(h *autoscalingv2.HorizontalPodAutoscaler) Status {
	if s, ok := terminating(h); ok {
		return s
	}
	able, active, limited := hpaCondition(h, autoscalingv2.AbleToScale), hpaCondition(h, autoscalingv2.ScalingActive), hpaCondition(h, autoscalingv2.ScalingLimited)
	counts := map[string]any{
		"Min": int(wanted(h.Spec.MinReplicas)), "Max": int(h.Spec.MaxReplicas),
		"Current": int(h.Status.CurrentReplicas), "Desired": int(h.Status.DesiredReplicas),
	}
	say := func(word string, tone Tone, id string, c *autoscalingv2.HorizontalPodAutoscalerCondition) Status {
		return Status{Word: word, Tone: tone, Reason: Message{ID: id, Args: counts}, Since: unix(c.LastTransitionTime)}
	}
	switch {
	case len(h.Status.Conditions) == 0:
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "hpa.unseen"}}
	case able.Status == corev1.ConditionFalse:
		return Status{Word: WordCannotScale, Tone: ToneBad, Reason: Message{Text: short(able.Message)}, Since: unix(able.LastTransitionTime)}
	case hpaCondition(h, autoscalingv2.ScaledToZero).Status == corev1.ConditionTrue && h.Status.CurrentReplicas == 0:
		return Status{Word: WordScaledToZero, Tone: ToneIdle, Reason: Message{ID: "hpa.zero"}}
	case active.Reason == "ScalingDisabled" && active.Status == corev1.ConditionFalse:
		return say(WordSwitchedOff, ToneIdle, "hpa.disabled", &active)
	case active.Status == corev1.ConditionFalse:
		return Status{Word: WordNoMetrics, Tone: ToneBad, Reason: Message{Text: short(active.Message)}, Since: unix(active.LastTransitionTime)}
	case h.Status.DesiredReplicas != h.Status.CurrentReplicas:
		return say(WordScaling, ToneInfo, "hpa.scaling", &able)
	case limited.Status == corev1.ConditionTrue && limited.Reason == "TooManyReplicas":
		return say(WordAtMaximum, ToneWarn, "hpa.max", &limited)
	case limited.Status == corev1.ConditionTrue && limited.Reason == "TooFewReplicas":
		return say("Active", ToneOK, "hpa.min", &limited)
	case limited.Status == corev1.ConditionTrue:
		return Status{Word: WordLimited, Tone: ToneInfo, Reason: Message{Text: short(limited.Message)}, Since: unix(limited.LastTransitionTime)}
	case able.Reason == "ScaleDownStabilized":
		return say("Active", ToneOK, "hpa.stabilized", &active)
	default:
		return Status{Word: "Active", Tone: ToneOK, Since: unix(active.LastTransitionTime)}
	}
}

// metric is one metric of an autoscaler as kubectl writes it.
type metric struct {
	name            string
	current, target string
	average         bool // of values over pods, where a plain value would do
	bytes           bool // an amount of memory, not a share of it
	object          *autoscalingv2.CrossVersionObjectReference
}

// nothingKnown is what kubectl prints for a metric that has not been read.
const nothingKnown = "<unknown>"

// amount is a target or a current value: a share, an average or a value,
// whichever the target asks for.
func amount(t *autoscalingv2.MetricTarget, share *int32, average, value *resource.Quantity) string {
	switch {
	case t.AverageUtilization != nil:
		if share != nil {
			return fmt.Sprintf("%d%%", *share)
		}
	case t.AverageValue != nil:
		if average != nil {
			return average.String()
		}
	case value != nil:
		return value.String()
	}
	return nothingKnown
}

// hpaMetrics pairs what is wanted with what was read: the two lists have the
// same order, and the second may be shorter.
func hpaMetrics(h *autoscalingv2.HorizontalPodAutoscaler) []metric {
	out := make([]metric, len(h.Spec.Metrics))
	for i := range h.Spec.Metrics {
		spec := &h.Spec.Metrics[i]
		var read autoscalingv2.MetricStatus
		if i < len(h.Status.CurrentMetrics) {
			read = h.Status.CurrentMetrics[i]
		}
		m := &out[i]
		var target *autoscalingv2.MetricTarget
		var current *autoscalingv2.MetricValueStatus
		switch {
		case spec.Resource != nil:
			m.name, target = string(spec.Resource.Name), &spec.Resource.Target
			m.bytes = spec.Resource.Name == corev1.ResourceMemory && target.AverageValue != nil
			if read.Resource != nil {
				current = &read.Resource.Current
			}
		case spec.ContainerResource != nil:
			m.name, target = spec.ContainerResource.Container+"/"+string(spec.ContainerResource.Name), &spec.ContainerResource.Target
			if read.ContainerResource != nil {
				current = &read.ContainerResource.Current
			}
		case spec.Pods != nil:
			m.name, target = spec.Pods.Metric.Name, &spec.Pods.Target
			if read.Pods != nil {
				current = &read.Pods.Current
			}
		case spec.Object != nil:
			m.name, target, m.object = spec.Object.Metric.Name, &spec.Object.Target, &spec.Object.DescribedObject
			m.average = target.AverageValue != nil
			if read.Object != nil {
				current = &read.Object.Current
			}
		case spec.External != nil:
			m.name, target = spec.External.Metric.Name, &spec.External.Target
			m.average = target.AverageValue != nil
			if read.External != nil {
				current = &read.External.Current
			}
		default:
			m.current, m.target = nothingKnown, nothingKnown
			continue
		}
		m.target, m.current = amount(target, target.AverageUtilization, target.AverageValue, target.Value), nothingKnown
		if current != nil {
			m.current = amount(target, current.AverageUtilization, current.AverageValue, current.Value)
		}
	}
	return out
}

// hpaTargets is kubectl's column: two metrics, and how many more there are.
func hpaTargets(h *autoscalingv2.HorizontalPodAutoscaler) string {
	const most = 2
	metrics := hpaMetrics(h)
	list := make([]string, 0, most)
	for i := range min(len(metrics), most) {
		m, words := &metrics[i], ""
		switch spec := &h.Spec.Metrics[i]; {
		case spec.Resource != nil:
			words = m.name + ": "
		case spec.ContainerResource != nil:
			words = string(spec.ContainerResource.Name) + ": "
		}
		words += m.current + "/" + m.target
		if m.average {
			words += " (avg)"
		}
		list = append(list, words)
	}
	out := strings.Join(list, ", ")
	if more := len(metrics) - most; more > 0 {
		out += fmt.Sprintf(" + %d more...", more)
	}
	return out
}
