package kinds

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestEventsFindWhatTheyAreAbout compares the names that events guess with
// those of the kinds.
func TestEventsFindWhatTheyAreAbout(t *testing.T) {
	guessed := 0
	for _, k := range All() {
		if k.Custom || strings.Contains(k.GVR.Group, ".") && !strings.HasSuffix(k.GVR.Group, ".k8s.io") {
			continue
		}
		guessed++
		if id, ok := guessID(k.GVR.GroupVersion().String(), k.Name); !ok || id != k.ID() {
			t.Errorf("%s of %s is taken for %q, want %s", k.Name, k.GVR.GroupVersion(), id, k.ID())
		}
	}
	if guessed < 15 {
		t.Errorf("%d kinds guessed", guessed)
	}
	for _, o := range []struct{ apiVersion, kind string }{{"example.com/v1", "Widget"}, {"v1", ""}, {"", ""}} {
		if id, ok := guessID(o.apiVersion, o.kind); ok {
			t.Errorf("%s of %s is taken for %s", o.kind, o.apiVersion, id)
		}
	}
}

func TestWebhooksThatRefuseTheirOwnPodsAreTold(t *testing.T) {
	ignore, cluster := admissionv1.Ignore, admissionv1.ClusterScope
	name := func(operator metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "kubernetes.io/metadata.name", Operator: operator, Values: values}}}
	}
	tests := []struct {
		name   string
		change func(*admissionv1.ValidatingWebhook)
		want   bool
	}{
		{"as it is", func(*admissionv1.ValidatingWebhook) {}, true},
		{"every namespace", func(w *admissionv1.ValidatingWebhook) { w.NamespaceSelector = &metav1.LabelSelector{} }, true},
		{"its own namespace by name", func(w *admissionv1.ValidatingWebhook) {
			w.NamespaceSelector = name(metav1.LabelSelectorOpIn, "hooks")
		}, true},
		{"every resource", func(w *admissionv1.ValidatingWebhook) {
			w.Rules[0] = admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{"*"}, Rule: admissionv1.Rule{APIGroups: []string{"*"}, Resources: []string{"*/*"}},
			}
		}, true},
		{"not its own namespace", func(w *admissionv1.ValidatingWebhook) {
			w.NamespaceSelector = name(metav1.LabelSelectorOpNotIn, "hooks", "kube-system")
		}, false},
		{"namespaces with a label", func(w *admissionv1.ValidatingWebhook) {
			w.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"inject": "yes"}}
		}, false},
		{"a selector that is none", func(w *admissionv1.ValidatingWebhook) { w.NamespaceSelector = name("Around", "hooks") }, false},
		{"objects with a label", func(w *admissionv1.ValidatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"inject": "yes"}}
		}, false},
		{"on conditions", func(w *admissionv1.ValidatingWebhook) {
			w.MatchConditions = []admissionv1.MatchCondition{{Name: "x", Expression: "false"}}
		}, false},
		{"nobody has to answer", func(w *admissionv1.ValidatingWebhook) { w.FailurePolicy = &ignore }, false},
		{"outside", func(w *admissionv1.ValidatingWebhook) { w.ClientConfig.Service = nil }, false},
		{"when pods are removed", func(w *admissionv1.ValidatingWebhook) {
			w.Rules[0].Operations = []admissionv1.OperationType{admissionv1.Delete}
		}, false},
		{"other resources", func(w *admissionv1.ValidatingWebhook) { w.Rules[0].Resources = []string{"configmaps"} }, false},
		{"another group", func(w *admissionv1.ValidatingWebhook) { w.Rules[0].APIGroups = []string{"apps"} }, false},
		{"what is in no namespace", func(w *admissionv1.ValidatingWebhook) { w.Rules[0].Scope = &cluster }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := admissionv1.ValidatingWebhook{
				Name:         "w",
				ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "hooks", Name: "hook"}, CABundle: []byte("x")},
				Rules: []admissionv1.RuleWithOperations{{
					Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, Resources: []string{"pods"}},
				}},
			}
			tt.change(&w)
			s := webhookStatus(&metav1.ObjectMeta{}, []webhook{{ValidatingWebhook: &w}})
			if got := s.Word == WordBlocksItself; got != tt.want {
				t.Errorf("status %+v, want that it blocks itself: %t", s, tt.want)
			}
		})
	}
}

func TestA29_APIServicesThatBreakTheRulesArePlaceholders(t *testing.T) {
	k, ok := Lookup("apiservices.apiregistration.k8s.io")
	if !ok {
		t.Fatal("no such kind")
	}
	for name, spec := range map[string]any{
		"a service that is a word": map[string]any{"service": "metrics-server"},
		"a group that is a number": map[string]any{"group": int64(1)},
		"a bundle that is no code": map[string]any{"caBundle": "%%%"},
		"a spec that is a list":    []any{"x"},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "v1.example.com"}, "spec": spec}}
		d := k.Detail(u)
		if d.Problem.IsZero() || d.Row.Status.Word != WordUnreadable || d.Row.Name != "v1.example.com" {
			t.Errorf("%s: %+v", name, d.Row)
		}
	}
}

func TestBundlesOfCertificatesThatAreNoneHaveNoEnd(t *testing.T) {
	for _, bundle := range []string{"", "not PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if c := trustedUntil([]byte(bundle)); !c.Empty() {
			t.Errorf("%q is trusted until %v", bundle, c)
		}
		if c := issuedUntil([]byte(bundle)); !c.Empty() {
			t.Errorf("%q ends at %v", bundle, c)
		}
	}
}
