package kinds

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sliceOf is the row of an EndpointSlice; each letter is an endpoint: r ready, u
// not ready, s ending and still answering, t ending.
func sliceOf(family discoveryv1.AddressType, endpoints string) *Row {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: family,
	}
	for _, e := range endpoints {
		ready, serving, ending := e == 'r', e == 'r' || e == 's', e == 's' || e == 't'
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{"10.0.0.1"},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &ending},
		})
	}
	row := endpointSliceKind.Project(s)
	return &row
}

func service(edit ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app": "web"}},
	}
	for _, e := range edit {
		e(s)
	}
	return s
}

func TestServiceSaysWhatItsEndpointSlicesSay(t *testing.T) {
	const v4, v6 = discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
	typed := func(typ corev1.ServiceType) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.Type = typ }
	}
	published := func(s *corev1.Service) {
		s.Spec.Type = corev1.ServiceTypeLoadBalancer
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.4"}}
	}
	troubled := func(s *corev1.Service) {
		published(s)
		s.Status.Conditions = []metav1.Condition{{Type: "LoadBalancerPortsError", Status: metav1.ConditionTrue, Message: "no"}}
	}
	selectorless := func(s *corev1.Service) { s.Spec.Selector = nil }
	list := func(rows ...*Row) []*Row { return rows }
	some := func(have, want int) Message {
		return Message{ID: "endpoints.some", Args: map[string]any{"Ready": have, "Wanted": want}}
	}
	nothing := Message{ID: "service.nopods", Args: map[string]any{"Selector": "app=web"}}
	en := catalogue(t, "en")
	for _, c := range []struct {
		name    string
		service *corev1.Service
		slices  []*Row
		want    Status
		cell    string
		tone    Tone
	}{
		{"all ready", service(), list(sliceOf(v4, "rrr")), Status{"Ready", Message{}, ToneOK, 0}, "3/3", ToneNone},
		{"in two slices", service(), list(sliceOf(v4, "rr"), sliceOf(v4, "r")), Status{"Ready", Message{}, ToneOK, 0}, "3/3", ToneNone},
		{"in two families", service(), list(sliceOf(v4, "rrr"), sliceOf(v6, "rrr")), Status{"Ready", Message{}, ToneOK, 0}, "3/3", ToneNone},
		{"in two families, one of them without", service(), list(sliceOf(v6, ""), sliceOf(v4, "rrr")), Status{"Ready", Message{}, ToneOK, 0}, "3/3", ToneNone},
		{"in two families that differ", service(), list(sliceOf(v6, "rru"), sliceOf(v4, "rrr")), Status{"Ready", some(2, 3), ToneWarn, 0}, "2/3", ToneWarn},
		{"some ready", service(), list(sliceOf(v4, "ruu")), Status{"Ready", some(1, 3), ToneWarn, 0}, "1/3", ToneWarn},
		{"ready, and one that ends", service(), list(sliceOf(v4, "rrst")), Status{"Ready", Message{}, ToneOK, 0}, "2/2", ToneNone},
		{"none ready", service(), list(sliceOf(v4, "uuu")), Status{WordNoEndpoints, some(0, 3), ToneBad, 0}, "0/3", ToneBad},
		{"no slice", service(), nil, Status{WordNoEndpoints, nothing, ToneBad, 0}, "0/0", ToneNone},
		{"an empty slice", service(), list(sliceOf(v4, "")), Status{WordNoEndpoints, nothing, ToneBad, 0}, "0/0", ToneNone},
		{"only ending ones answer", service(), list(sliceOf(v4, "sst")), Status{WordNoEndpoints, Message{ID: "endpoints.ending", Args: map[string]any{"Serving": 2}}, ToneBad, 0}, "0/0", ToneNone},
		{"all are ending", service(), list(sliceOf(v4, "tt")), Status{WordNoEndpoints, Message{ID: "service.ending"}, ToneBad, 0}, "0/0", ToneNone},
		{"node port", service(typed(corev1.ServiceTypeNodePort)), nil, Status{WordNoEndpoints, nothing, ToneBad, 0}, "0/0", ToneNone},
		{"published", service(published), list(sliceOf(v4, "rr")), Status{WordPublished, Message{}, ToneOK, 0}, "2/2", ToneNone},
		{"published, some ready", service(published), list(sliceOf(v4, "ru")), Status{WordPublished, some(1, 2), ToneWarn, 0}, "1/2", ToneWarn},
		{"published for nothing", service(published), list(sliceOf(v4, "u")), Status{WordNoEndpoints, some(0, 1), ToneBad, 0}, "0/1", ToneBad},
		{"published with trouble", service(troubled), list(sliceOf(v4, "ru")), Status{WordPublished, Message{Text: "LoadBalancerPortsError: no"}, ToneWarn, 0}, "1/2", ToneWarn},
		{"waits for its balancer", service(typed(corev1.ServiceTypeLoadBalancer)), nil, Status{"Pending", Message{ID: "service.noaddress"}, ToneWarn, 0}, "0/0", ToneNone},
		{"a name in the DNS", service(typed(corev1.ServiceTypeExternalName)), nil, Status{}, "", ToneNone},
		{"no selector", service(selectorless), nil, Status{}, "", ToneNone},
		{"no selector, written by somebody", service(selectorless), list(sliceOf(v4, "r")), Status{"Ready", Message{}, ToneOK, 0}, "1/1", ToneNone},
		{"no selector, and what is written is not ready", service(selectorless), list(sliceOf(v4, "u")), Status{WordNoEndpoints, some(0, 1), ToneWarn, 0}, "0/1", ToneBad},
		{"a slice that could not be read", service(), list(sliceOf(v4, "u"), &Row{Namespace: "shop", Status: unreadable}), Status{}, "", ToneNone},
	} {
		row := serviceKind.Project(c.service)
		before := slices.Clone(row.Cells)
		got := serviceKind.Amend(row, c.slices)
		got.Status.Since = 0
		if diff := cmp.Diff(c.want, got.Status); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		status, _ := serviceKind.Column("status")
		endpoints, _ := serviceKind.Column("endpoints")
		if cell := got.Cells[endpoints]; cell.Text != c.cell || cell.Tone != c.tone || c.cell != "" && cell.Form != FormRatio {
			t.Errorf("%s: endpoints %+v, want %s %s", c.name, cell, c.cell, c.tone)
		}
		if got.Cells[status].Text != got.Status.Word || got.Cells[status].Tone != got.Status.Tone {
			t.Errorf("%s: status column %+v", c.name, got.Cells[status])
		}
		if diff := cmp.Diff(before, row.Cells); diff != "" {
			t.Errorf("%s: the projected row has changed (-want +got):\n%s", c.name, diff)
		}
		for _, m := range []Message{got.Status.Reason, got.Status.Label()} {
			if m.ID != "" && en[m.ID] == "" {
				t.Errorf("%s: %s is in no catalogue", c.name, m.ID)
			}
		}
	}
}

func TestServiceThatEndsOrCannotBeReadStaysSo(t *testing.T) {
	row := serviceKind.Project(service(func(s *corev1.Service) {
		now := metav1.Now()
		s.DeletionTimestamp = &now
	}))
	if got := serviceKind.Amend(row, nil); got.Status.Word != "Terminating" || !cmp.Equal(got.Status, row.Status) {
		t.Errorf("one that ends: %+v", got.Status)
	}
	row = serviceKind.Placeholder(service())
	if got := serviceKind.Amend(row, []*Row{sliceOf(discoveryv1.AddressTypeIPv4, "r")}); !cmp.Equal(got, row) {
		t.Errorf("one that cannot be read: %+v", got)
	}
}

// TestEndpointSliceNamesItsService: one without the label is about none.
func TestEndpointSliceNamesItsService(t *testing.T) {
	from, ok := Lookup(serviceKind.Join.From)
	if !ok || from != endpointSliceKind {
		t.Fatalf("services ask %s", serviceKind.Join.From)
	}
	if namespace, name := serviceOfSlice(sliceOf(discoveryv1.AddressTypeIPv4, "r")); namespace != "shop" || name != "web" {
		t.Errorf("is about %s/%s", namespace, name)
	}
	if _, name := serviceOfSlice(&Row{Namespace: "shop"}); name != "" {
		t.Errorf("is about %s", name)
	}
}
