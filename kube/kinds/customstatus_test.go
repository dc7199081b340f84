package kinds

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
)

// custom is an object of a kind that nobody knows, with these fields as JSON.
func custom(t *testing.T, fields string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","namespace":"shop"}`+fields+`}`), &u.Object); err != nil {
		t.Fatalf("%s: %v", fields, err)
	}
	return u
}

func conditions(list string) string { return `,"status":{"conditions":[` + list + `]}` }

// TestTheStatusOfAnUnknownKind follows the conventions that operators follow.
func TestTheStatusOfAnUnknownKind(t *testing.T) {
	const at = `"lastTransitionTime":"2026-01-02T03:04:05Z"`
	since := int64(1767323045)
	for _, tc := range []struct {
		name, fields string
		want         Status
	}{
		{"nothing is said", ``, Status{}},
		{"ready", conditions(`{"type":"Ready","status":"True","reason":"AsExpected","message":"all is well",` + at + `}`), Status{Word: "Ready", Tone: ToneOK, Since: since}},
		{"not ready", conditions(`{"type":"Ready","status":"False","reason":"NoDatabase","message":"waits for a\ndatabase",` + at + `}`), Status{Word: "NotReady", Tone: ToneWarn, Since: since, Reason: Message{Text: "NoDatabase: waits for a"}}},
		{"without a message", conditions(`{"type":"Ready","status":"False","reason":"NoDatabase"}`), Status{Word: "NotReady", Tone: ToneWarn, Reason: Message{Text: "NoDatabase"}}},
		{"without a reason", conditions(`{"type":"Ready","status":"False","message":"waits"}`), Status{Word: "NotReady", Tone: ToneWarn, Reason: Message{Text: "waits"}}},
		{"not known", conditions(`{"type":"Ready","status":"Unknown","reason":"Starting"}`), Status{Word: "Unknown", Tone: ToneInfo, Reason: Message{Text: "Starting"}}},
		{"on its way", conditions(`{"type":"Ready","status":"False"},{"type":"Reconciling","status":"True","reason":"Progressing","message":"2 of 3"}`), Status{Word: "Reconciling", Tone: ToneInfo, Reason: Message{Text: "Progressing: 2 of 3"}}},
		{"reconciled and ready", conditions(`{"type":"Reconciling","status":"False"},{"type":"Ready","status":"True"}`), Status{Word: "Ready", Tone: ToneOK}},
		{"stalled", conditions(`{"type":"Ready","status":"False"},{"type":"Stalled","status":"True","reason":"BadSpec","message":"no such chart"}`), Status{Word: "Stalled", Tone: ToneBad, Reason: Message{Text: "BadSpec: no such chart"}}},
		{"degraded in spite of being available", conditions(`{"type":"Available","status":"True"},{"type":"Degraded","status":"True","reason":"OneNode"}`), Status{Word: "Degraded", Tone: ToneBad, Reason: Message{Text: "OneNode"}}},
		{"not degraded", conditions(`{"type":"Degraded","status":"False"},{"type":"Available","status":"True"}`), Status{Word: "Available", Tone: ToneOK}},
		{"ready and not synced", conditions(`{"type":"Ready","status":"True"},{"type":"Synced","status":"False","reason":"ReconcileError","message":"quota"}`), Status{Word: "NotSynced", Tone: ToneWarn, Reason: Message{Text: "ReconcileError: quota"}}},
		{"accepted and not programmed", conditions(`{"type":"Accepted","status":"True"},{"type":"Programmed","status":"False","reason":"AddressNotAssigned"}`), Status{Word: "NotProgrammed", Tone: ToneWarn, Reason: Message{Text: "AddressNotAssigned"}}},
		{"done", conditions(`{"type":"Ready","status":"True"},{"type":"Complete","status":"True"}`), Status{Word: "Complete", Tone: ToneOK}},
		{"ready and not done yet", conditions(`{"type":"Ready","status":"True"},{"type":"Complete","status":"False"}`), Status{Word: "Ready", Tone: ToneOK}},
		{"did not succeed", conditions(`{"type":"Succeeded","status":"False","reason":"TaskRunTimeout"}`), Status{Word: "NotSucceeded", Tone: ToneWarn, Reason: Message{Text: "TaskRunTimeout"}}},
		{"conditions that nobody knows", conditions(`{"type":"Painted","status":"True"}`), Status{}},
		{"a phase", `,"status":{"phase":"Running"}`, Status{Word: "Running", Tone: ToneOK}},
		{"a phase in capitals", `,"status":{"phase":"FAILED","message":"no disk"}`, Status{Word: "FAILED", Tone: ToneBad, Reason: Message{Text: "no disk"}}},
		{"a state with a reason", `,"status":{"state":"pending","reason":"NoNode"}`, Status{Word: "pending", Tone: ToneInfo, Reason: Message{Text: "NoNode"}}},
		{"a phase that nobody knows", `,"status":{"phase":"Marinating"}`, Status{Word: "Marinating"}},
		{"health as Argo CD writes it", `,"status":{"health":{"status":"Degraded"},"sync":{"status":"Synced"}}`, Status{Word: "Degraded", Tone: ToneBad}},
		{"conditions before the phase", `,"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}`, Status{Word: "NotReady", Tone: ToneWarn}},
		{"an endless phase", `,"status":{"phase":"` + strings.Repeat("x", 1000) + `"}`, Status{Word: strings.Repeat("x", wordLimit-3) + "…"}},
		{"ready before the last change", `,"metadata":{"name":"a","generation":3},"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]}`, unseen()},
		{"failed before the last change", `,"metadata":{"name":"a","generation":3},"status":{"observedGeneration":2,"conditions":[{"type":"Stalled","status":"True"}]}`, unseen()},
		{"ready since the last change", `,"metadata":{"name":"a","generation":3},"status":{"observedGeneration":3,"conditions":[{"type":"Ready","status":"True","observedGeneration":3}]}`, Status{Word: "Ready", Tone: ToneOK}},
		{"a condition of before", `,"metadata":{"name":"a","generation":3},"status":{"conditions":[{"type":"Ready","status":"True","observedGeneration":2}]}`, unseen()},
		{"a phase of before", `,"metadata":{"name":"a","generation":3},"status":{"observedGeneration":2,"phase":"Running"}`, unseen()},
		{"a generation that is none", `,"metadata":{"name":"a","generation":3},"status":{"observedGeneration":"2","phase":"Running"}`, Status{Word: "Running", Tone: ToneOK}},
		{"ready and at work again", conditions(`{"type":"Ready","status":"True"},{"type":"Reconciling","status":"True","reason":"NewArtifact"}`), Status{Word: "Reconciling", Tone: ToneInfo, Reason: Message{Text: "NewArtifact"}}},
		{"not known, and known why", conditions(`{"type":"Ready","status":"Unknown","reason":"Progressing","message":"2 of 3"},{"type":"Reconciling","status":"True","reason":"Upgrade"}`), Status{Word: "Reconciling", Tone: ToneInfo, Reason: Message{Text: "Upgrade"}}},
		// What breaks the rules says nothing, and nothing breaks.
		{"a status that is a word", `,"status":"Ready"`, Status{Word: "Ready", Tone: ToneOK}},
		{"a status that is a number", `,"status":7`, Status{}},
		{"a status that is a list", `,"status":[1]`, Status{}},
		{"a status that is null", `,"status":null,"spec":null`, Status{}},
		{"conditions that are a map", `,"status":{"conditions":{"Ready":"True"},"phase":"Running"}`, Status{Word: "Running", Tone: ToneOK}},
		{"conditions that are words", conditions(`"Ready",null,3,{}`), Status{}},
		{"a condition whose fields are of other types", conditions(`{"type":"Ready","status":true,"reason":{},"lastTransitionTime":5},{"type":7,"status":"True"}`), Status{Word: "NotReady", Tone: ToneWarn}},
		{"a time that is none", conditions(`{"type":"Ready","status":"True","lastTransitionTime":"yesterday"}`), Status{Word: "Ready", Tone: ToneOK}},
		{"a phase that is an object", `,"status":{"phase":{"name":"Running"},"state":"ready"}`, Status{Word: "ready", Tone: ToneOK}},
	} {
		if diff := cmp.Diff(tc.want, customStatus(custom(t, tc.fields))); diff != "" {
			t.Errorf("%s (-want +got): %s", tc.name, diff)
		}
	}
}

// TestAnUnknownKindOnItsWayOut says what holds it.
func TestAnUnknownKindOnItsWayOut(t *testing.T) {
	u := custom(t, conditions(`{"type":"Ready","status":"True"}`))
	at := metav1.Unix(1000, 0)
	u.SetDeletionTimestamp(&at)
	u.SetFinalizers([]string{"example.com/keep"})
	if s := customStatus(u); s.Word != "Terminating" || s.Tone != ToneWarn || s.Since != 1000 || s.Reason.IsZero() {
		t.Errorf("status %+v", s)
	}
}

// TestTheDetailOfAnUnknownKind shows what it says of itself, and its many fields in short.
func TestTheDetailOfAnUnknownKind(t *testing.T) {
	k := Custom(&Definition{Group: "example.com", Resource: "widgets", Kind: "Widget", Namespaced: true, Ready: true, Served: []ServedVersion{{Name: "v1", HasStatus: true}}}, nil)
	var fields []string
	for i := range 100 {
		fields = append(fields, `"f`+strings.Repeat("x", i)+`":{"a":[1,"two"]}`)
	}
	d := k.Detail(custom(t, `,"spec":{`+strings.Join(fields, ",")+`},"status":{"conditions":[{"type":"Ready","status":"False","message":"waits"}],"seen":3}`))
	if !d.Problem.IsZero() || len(d.Conditions) != 1 || d.Conditions[0].Tone != ToneWarn || len(d.Tables) != 2 {
		t.Fatalf("detail %+v", d)
	}
	if spec := d.Tables[0]; spec.ID != "spec" || len(spec.Rows) != fieldsShown || spec.Rows[0][1].Cell.Text != `{"a":[1,"two"]}` {
		t.Errorf("spec %+v", spec.Rows[0])
	}
	if status := d.Tables[1]; len(status.Rows) != 1 || status.Rows[0][0].Cell.Text != "seen" || status.Rows[0][1].Cell.Text != "3" {
		t.Errorf("status %+v", status.Rows)
	}
}
