package diff

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tree(t *testing.T, s string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTrees(t *testing.T) {
	tests := []struct {
		name, before, after string
		opts                Options
		want                string
	}{
		{name: "same", before: `{"spec":{"a":1}}`, after: `{"spec":{"a":1}}`},
		{name: "a value", before: `{"spec":{"replicas":3}}`, after: `{"spec":{"replicas":5}}`, want: "- spec.replicas: 3\n+ spec.replicas: 5\n"},
		{
			name:   "an item is found by its name wherever it stands",
			before: `{"spec":{"containers":[{"name":"web","image":"a"},{"name":"log","image":"b"}]}}`,
			after:  `{"spec":{"containers":[{"name":"log","image":"b"},{"name":"web","image":"c"}]}}`,
			want:   "- spec.containers[name=web].image: a\n+ spec.containers[name=web].image: c\n",
		},
		{
			name:   "an order that means something is told",
			before: `{"env":[{"name":"A"},{"name":"B"}]}`, after: `{"env":[{"name":"B"},{"name":"A"}]}`,
			want: "- env: [\"name=A\",\"name=B\"]\n+ env: [\"name=B\",\"name=A\"]\n",
		},
		{
			name:   "a port is named by number, and TCP is the protocol that is not written",
			before: `{"ports":[{"containerPort":80}]}`, after: `{"ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":80,"protocol":"UDP"}]}`,
			want: "+ ports[containerPort=80].protocol: TCP\n+ ports[containerPort=80,protocol=UDP]: {\"containerPort\":80,\"protocol\":\"UDP\"}\n",
		},
		{
			name:   "two items of one name are matched by place",
			before: `{"x":[{"name":"a","v":1},{"name":"a","v":2}]}`, after: `{"x":[{"name":"a","v":1},{"name":"a","v":3}]}`,
			want: "- x[1].v: 2\n+ x[1].v: 3\n",
		},
		{
			name:   "arguments are one value",
			before: `{"args":["a","b"]}`, after: `{"args":["b","a"]}`, want: "- args: [\"a\",\"b\"]\n+ args: [\"b\",\"a\"]\n",
		},
		{
			name:   "a set has no order",
			before: `{"metadata":{"finalizers":["a","b"]}}`, after: `{"metadata":{"finalizers":["c","b"]}}`,
			want: "- metadata.finalizers[=a]: a\n+ metadata.finalizers[=c]: c\n",
		},
		{
			name:   "keys with dots are told from fields",
			before: `{"metadata":{"labels":{"app.kubernetes.io/name":"a"}}}`, after: `{"metadata":{"labels":{"app.kubernetes.io/name":"b","x y":"z"}}}`,
			want: "- metadata.labels[app.kubernetes.io/name]: a\n+ metadata.labels[app.kubernetes.io/name]: b\n+ metadata.labels[\"x y\"]: z\n",
		},
		{
			name:   "noise",
			before: `{"metadata":{"resourceVersion":"1","generation":1,"uid":"u","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"}},"status":{"a":1}}`,
			after:  `{"metadata":{"resourceVersion":"2","generation":2,"uid":"u","managedFields":[{}]},"status":{"a":2}}`,
		},
		{
			name:   "noise on request",
			before: `{"metadata":{"resourceVersion":"1"}}`, after: `{"metadata":{"resourceVersion":"2"}}`, opts: Options{Noise: true},
			want: "- metadata.resourceVersion: \"1\"\n+ metadata.resourceVersion: \"2\"\n",
		},
		{
			name:   "null is nothing, an empty object is not",
			before: `{"a":null,"b":null}`, after: `{"b":{}}`, want: "+ b: {}\n",
		},
		{
			name:   "what came as a whole, taken apart",
			before: `{}`, after: `{"spec":{"containers":[{"name":"web","ports":[{"containerPort":1}]}],"x":{}}}`, opts: Options{Leaves: true},
			want: "+ spec.containers[name=web].name: web\n+ spec.containers[name=web].ports[containerPort=1].containerPort: 1\n+ spec.x: {}\n",
		},
		{name: "another shape", before: `{"a":{"b":1}}`, after: `{"a":[1]}`, want: "- a: {\"b\":1}\n+ a: [1]\n"},
		{name: "words that are numbers", before: `{"a":"1"}`, after: `{"a":1}`, want: "- a: \"1\"\n+ a: 1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Text(Trees(tree(t, tt.before), tree(t, tt.after), tt.opts))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A number read from YAML and the same one from JSON are one.
func TestNumbers(t *testing.T) {
	if e := Trees(map[string]any{"a": int64(3), "b": 3}, map[string]any{"a": float64(3), "b": json.Number("3")}, Options{}); len(e) != 0 {
		t.Errorf("differ: %v", e)
	}
	if e := Trees(map[string]any{"a": int64(3)}, map[string]any{"a": "3"}, Options{}); len(e) != 1 {
		t.Errorf("a number and a word: %v", e)
	}
}

func TestTextIsBounded(t *testing.T) {
	var entries []Entry
	for range 5000 {
		entries = append(entries, Entry{Changed, "spec.x", strings.Repeat("ü", 100), strings.Repeat("é", 100)})
	}
	got := Text(entries)
	if len(got) > MaxText {
		t.Errorf("%d bytes", len(got))
	}
	if shown := strings.Count(got, "\n- "); !strings.HasSuffix(got, "… (+"+itoa(5000-shown-1)+")\n") {
		t.Errorf("the end does not say what is missing: %q", got[len(got)-60:])
	}
	long := Value(strings.Repeat("ü", 5000))
	if !strings.HasSuffix(long, "… (+7952 bytes)") {
		t.Errorf("a long value ends %q", long[len(long)-30:])
	}
}

func itoa(n int) string { return indexed(n) }
