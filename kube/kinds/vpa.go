package kinds

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The fields of a VerticalPodAutoscaler are read one by one: the definition is
// the cluster's, and whatever is not as expected counts as absent.

func vpaString(u *unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, fields...)
	return s
}

func vpaTarget(u *unstructured.Unstructured) string {
	kind, name := vpaString(u, "spec", "targetRef", "kind"), vpaString(u, "spec", "targetRef", "name")
	if name == "" {
		return ""
	}
	return kind + "/" + name
}

func vpaTargetRef(u *unstructured.Unstructured, via string) *Ref {
	return objectRef(vpaString(u, "spec", "targetRef", "apiVersion"), vpaString(u, "spec", "targetRef", "kind"), u.GetNamespace(), vpaString(u, "spec", "targetRef", "name"), via)
}

func vpaRefs(u *unstructured.Unstructured) []Ref {
	if ref := vpaTargetRef(u, "targetRef"); ref != nil {
		return []Ref{*ref}
	}
	return nil
}

func vpaMode(u *unstructured.Unstructured) string {
	return vpaString(u, "spec", "updatePolicy", "updateMode")
}

// vpaRecommendations are what it recommends for each container.
func vpaRecommendations(u *unstructured.Unstructured) []map[string]any {
	field, _, _ := unstructured.NestedFieldNoCopy(u.Object, "status", "recommendation", "containerRecommendations")
	list, _ := field.([]any)
	var out []map[string]any
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// vpaQuantity is one figure of a recommendation, nil when it is not there or
// is no quantity.
func vpaQuantity(recommendation map[string]any, fields ...string) *resource.Quantity {
	s, _, _ := unstructured.NestedString(recommendation, fields...)
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return nil
	}
	return &q
}

// vpaFirst is what the definition's own columns show: the target of the first
// container.
func vpaFirst(u *unstructured.Unstructured, name string) *resource.Quantity {
	list := vpaRecommendations(u)
	if len(list) == 0 {
		return nil
	}
	return vpaQuantity(list[0], "target", name)
}

// vpaBad are the conditions that are bad news when true.
var vpaBad = []string{"NoPodsMatched", "LowConfidence", "FetchingHistory", "ConfigDeprecated", "ConfigUnsupported"}

func vpaStatus(u *unstructured.Unstructured) Status {
	if s, ok := terminating(u); ok {
		return s
	}
	found := make(map[string]Condition)
	for _, c := range conditionsOf(u) {
		found[c.Type] = c
	}
	holds := func(t string) bool { return found[t].Status == "True" }
	say := func(word string, tone Tone, id, condition string) Status {
		c := found[condition]
		return Status{Word: word, Tone: tone, Reason: Message{ID: id, Text: short(c.Message)}, Since: c.Since}
	}
	switch {
	case holds("ConfigUnsupported"):
		return say(WordInvalid, ToneBad, "", "ConfigUnsupported")
	case holds("NoPodsMatched"):
		return say(WordNoPods, ToneWarn, "", "NoPodsMatched")
	case holds("RecommendationProvided") && holds("LowConfidence"):
		return say("RecommendationProvided", ToneInfo, "vpa.lowconfidence", "LowConfidence")
	case holds("RecommendationProvided"):
		return Status{Word: "RecommendationProvided", Tone: ToneOK, Since: found["RecommendationProvided"].Since}
	default:
		return say("Pending", ToneInfo, "vpa.none", "RecommendationProvided")
	}
}

func vpaDetail(u *unstructured.Unstructured, d *Detail) {
	d.add("reference", Value{Cell: Name(vpaTarget(u)), Ref: vpaTargetRef(u, "")})
	d.add("mode", Value{Cell: Text(vpaMode(u))})
	if held := u.GetFinalizers(); len(held) > 0 {
		d.add("finalizers", names(held)...)
	}
	table := Table{ID: "recommendations", Columns: []Column{
		{ID: "container", Form: FormName},
		{ID: "cpulower", Form: FormCPU},
		{ID: "cputarget", Form: FormCPU},
		{ID: "cpuupper", Form: FormCPU},
		{ID: "memorylower", Form: FormBytes},
		{ID: "memorytarget", Form: FormBytes},
		{ID: "memoryupper", Form: FormBytes},
	}}
	for _, r := range vpaRecommendations(u) {
		name, _ := r["containerName"].(string)
		row := []Value{{Cell: Name(name)}}
		for _, bound := range []string{"lowerBound", "target", "upperBound"} {
			row = append(row, Value{Cell: CPU(vpaQuantity(r, bound, "cpu"))})
		}
		for _, bound := range []string{"lowerBound", "target", "upperBound"} {
			row = append(row, Value{Cell: Bytes(vpaQuantity(r, bound, "memory"))})
		}
		table.Rows = append(table.Rows, row)
	}
	if len(table.Rows) > 0 {
		d.Tables = append(d.Tables, table)
	}
	for _, c := range conditionsOf(u) {
		good := "True"
		if slices.Contains(vpaBad, c.Type) {
			good = "False"
		}
		c.Tone = conditionTone(c.Status == good, c.Status == "Unknown")
		d.Conditions = append(d.Conditions, c)
	}
}
