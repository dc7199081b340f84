package editform

import (
	"bytes"
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/kube/diff"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
)

// read is an object of a text.
func read(tb testing.TB, text string) map[string]any {
	tb.Helper()
	doc, err := manifest.NewReader().Read([]byte(text))
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return doc.Tree
}

// TestNothingChangesByItself: what a form reads of an object and writes back is the object, for every kind with a form and
// all that the registry's tests know of it.
func TestNothingChangesByItself(t *testing.T) {
	for _, k := range kinds.All() {
		data, err := os.ReadFile(filepath.Join("..", "kinds", "testdata", k.GVR.Resource+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
			tree := read(t, string(doc))
			base := tree
			if k.ID() == "secrets" {
				base = diff.CloneTree(tree)
				if values, ok := base["data"].(map[string]any); ok {
					delete(base, "data")
					for key := range values {
						values[key] = "(3 bytes)"
					}
					base["stringData"] = values
				}
			}
			for _, facts := range []Facts{{}, {Class: "fast", Expands: ExpandsYes, Scaler: "web"}} {
				for _, tree := range []map[string]any{tree, base} {
					before := diff.CloneTree(tree)
					f := Of(k.ID(), tree, base, facts)
					out, wrong := f.Write(tree, f.Read(tree))
					if len(wrong) > 0 || !diff.Equal(out, tree) {
						t.Errorf("%s %v: %v %s", k.ID(), get(tree, Path{"metadata", "name"}), wrong, diff.Text(diff.Trees(tree, out, diff.Options{})))
					}
					if !diff.Equal(before, tree) {
						t.Errorf("%s: the tree itself was changed", k.ID())
					}
				}
			}
		}
	}
	for id := range descriptors {
		if _, ok := kinds.Lookup(id); !ok {
			t.Errorf("there is no kind %s", id)
		}
	}
}

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {note: "a\r\nb", odd: "a\u202eb"}}
spec:
  replicas: 3
  template:
    spec:
      initContainers: [{name: wait, image: busybox}]
      containers:
      - name: main
        image: nginx:1
        args: [a, b]
        resources: {requests: {cpu: 1, memory: 64Mi}}
        env:
        - {name: A, value: "1"}
        - {name: B, valueFrom: {secretKeyRef: {name: db, key: password}}}
        - {name: C, value: "x\ny"}
`

// TestWrites: what is typed stands at its path and nothing else differs, or what is wrong is said at its control.
func TestWrites(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: NodePort, clusterIP: 10.0.0.1, ports: [{name: http, port: 80, targetPort: web, protocol: TCP, nodePort: 30080}]}"
	const hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {minReplicas: 2, maxReplicas: 4, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}, {type: Pods}]}"
	const claimed = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\nspec: {storageClassName: fast, resources: {requests: {storage: 10Gi}}}"
	const tainted = "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nspec: {taints: [{key: a, effect: NoSchedule}]}"
	const limits = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {pods: \"10\", requests.cpu: 4}}"
	const cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {schedule: \"0 * * * *\", jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: b}]}}}}}"
	expands := Facts{Class: "fast", Expands: ExpandsYes}
	for name, tc := range map[string]struct {
		kind, text string
		facts      Facts
		typed      map[string]string
		want       string // what differs
		wrong      map[string]string
	}{
		"image, replicas, resources": {"deployments.apps", web, Facts{}, map[string]string{
			"c0-image": " nginx:2 ", "replicas": "5", "c0-requests-cpu": "1500m", "c0-limits-memory": "128Mi", "i0-image": "busybox:1",
		}, `+ spec.template.spec.containers[name=main].resources.limits.memory: 128Mi
- spec.template.spec.containers[name=main].image: nginx:1
+ spec.template.spec.containers[name=main].image: nginx:2
- spec.template.spec.containers[name=main].resources.requests.cpu: 1
+ spec.template.spec.containers[name=main].resources.requests.cpu: 1500m`, nil},
		"less":          {"deployments.apps", web, Facts{}, map[string]string{"c0-requests-cpu": "", "c0-requests-memory": ""}, "- spec.template.spec.containers[name=main].resources.requests.memory: 64Mi", nil},
		"with a scaler": {"deployments.apps", web, Facts{Scaler: "web"}, map[string]string{"replicas": "9"}, "", nil},
		"wrong": {"deployments.apps", web, Facts{}, map[string]string{
			"c0-image": "", "i0-image": "a b", "replicas": "many", "c0-requests-cpu": "1 core", "c0-limits-cpu": "-1", "c0-limits-memory": "1Mi", "c0-env.0.name": "A=B", "c0-env.2.name": "",
			"labels.0.value": "no spaces", "annotations.0.key": "no/such/key",
		}, "", map[string]string{
			"c0-image": "bad.empty", "i0-image": "bad.image", "replicas": "bad.number", "c0-requests-cpu": "bad.quantity", "c0-limits-cpu": "bad.negative", "c0-requests-memory": "bad.over_limit",
			"c0-env.0.name": "bad.env", "c0-env.2.name": "bad.empty", "labels.0.value": "bad.label", "annotations.0.key": "bad.key",
		}},
		"variables":               {"deployments.apps", web, Facts{}, map[string]string{"c0-env.0.value": "2", "c0-env.1.value": "no", "c0-env.2.value": "x\nz"}, `env[name=A].value: "2"`, nil},
		"the line ends of before": {"deployments.apps", web, Facts{}, map[string]string{"annotations.0.value": "a\nb\nc"}, `+ metadata.annotations.note: "a\r\nb\r\nc"`, nil},
		"what is not seen stays":  {"deployments.apps", web, Facts{}, map[string]string{"annotations.1.value": "plain"}, "", nil},
		"schedule":                {"cronjobs.batch", cron, Facts{}, map[string]string{"schedule": "@daily", "zone": "Europe/Berlin"}, "+ spec.timeZone: Europe/Berlin", nil},
		"no schedule":             {"cronjobs.batch", cron, Facts{}, map[string]string{"schedule": "often", "zone": "../etc"}, "", map[string]string{"schedule": "bad.schedule", "zone": "bad.zone"}},
		"a zone in the schedule":  {"cronjobs.batch", cron, Facts{}, map[string]string{"schedule": "TZ=UTC * * * * *"}, "", map[string]string{"schedule": "bad.schedule_zone"}},
		"bounds":                  {"horizontalpodautoscalers.autoscaling", hpa, Facts{}, map[string]string{"max": "9", "metric-0": "50"}, "+ spec.maxReplicas: 9", nil},
		"crossed":                 {"horizontalpodautoscalers.autoscaling", hpa, Facts{}, map[string]string{"min": "5", "metric-0": "0"}, "", map[string]string{"min": "bad.over_max", "metric-0": "bad.number"}},
		"grows":                   {"persistentvolumeclaims", claimed, expands, map[string]string{"storage": "20Gi"}, "+ spec.resources.requests.storage: 20Gi", nil},
		"shrinks":                 {"persistentvolumeclaims", claimed, expands, map[string]string{"storage": "5Gi"}, "", map[string]string{"storage": "bad.shrinks"}},
		"cannot grow":             {"persistentvolumeclaims", claimed, Facts{Class: "fast", Expands: ExpandsNo}, map[string]string{"storage": "20Gi"}, "", nil},
		"of no class":             {"persistentvolumeclaims", claimed, Facts{}, map[string]string{"storage": "20Gi"}, "", nil},
		"nobody knows":            {"persistentvolumeclaims", claimed, Facts{Class: "fast"}, map[string]string{"storage": "20Gi"}, "+ spec.resources.requests.storage: 20Gi", nil},
		"ports":                   {"services", service, Facts{}, map[string]string{"ports.0.port": "8080", "ports.0.target": "81", "ports.0.node": "", "type": "ClusterIP"}, "+ spec.ports[port=8080].targetPort: 81", nil},
		"wrong ports":             {"services", service, Facts{}, map[string]string{"ports.0.port": "70000", "ports.0.target": "No_", "ports.0.name": "A b", "ports.0.protocol": "ICMP"}, "", map[string]string{"ports.0.port": "bad.number", "ports.0.target": "bad.target", "ports.0.name": "bad.port_name", "ports.0.protocol": "bad.choice"}},
		"taint":                   {"nodes", tainted, Facts{}, map[string]string{"taints.0.value": "v", "taints.0.effect": "NoExecute"}, "NoExecute", nil},
		"wrong taint":             {"nodes", tainted, Facts{}, map[string]string{"taints.0.key": "", "taints.0.effect": "Never"}, "", map[string]string{"taints.0.key": "bad.empty", "taints.0.effect": "bad.choice"}},
		"quota":                   {"resourcequotas", limits, Facts{}, map[string]string{"hard.0.value": "20"}, `+ spec.hard.pods: "20"`, nil},
		"wrong quota":             {"resourcequotas", limits, Facts{}, map[string]string{"hard.0.value": "", "hard.1.value": "x"}, "", map[string]string{"hard.0.value": "bad.empty", "hard.1.value": "bad.quantity"}},
	} {
		t.Run(name, func(t *testing.T) {
			tree := read(t, tc.text)
			f := Of(tc.kind, tree, tree, tc.facts)
			s := f.Read(tree)
			maps.Copy(s.Values, tc.typed)
			out, wrong := f.Write(tree, s)
			said := map[string]string{}
			for _, e := range wrong {
				said[e.Control] = strings.TrimPrefix(e.Message.ID, "form.")
			}
			if d := cmp.Diff(tc.wrong, said); d != "" && len(tc.wrong)+len(said) > 0 {
				t.Errorf("said (-want +got):\n%s", d)
			}
			got := diff.Text(diff.Trees(tree, out, diff.Options{Leaves: true}))
			if len(tc.wrong) > 0 {
				return
			}
			if tc.want == "" && got != "" {
				t.Errorf("it changed\n%s", got)
			}
			for line := range strings.SplitSeq(tc.want, "\n") {
				if !strings.Contains(got, line) {
					t.Errorf("%q is not in\n%s", line, got)
				}
			}
		})
	}
}

// TestRowsComeAndGo: new rows are at the end, empty ones are nothing, and what no column shows stays with its row.
func TestRowsComeAndGo(t *testing.T) {
	tree := read(t, web)
	f := Of("deployments.apps", tree, tree, Facts{})
	s := f.Read(tree)
	f.Remove(s, "c0-env", "0")
	row := f.Add(s, "c0-env")
	s.Values[Name("c0-env", row, "name")], s.Values[Name("c0-env", row, "value")] = "D", "4"
	f.Add(s, "c0-env")
	label := f.Add(s, "labels")
	s.Values[Name("labels", label, Key)], s.Values[Name("labels", label, Value)] = "tier", "front"
	f.Remove(s, "annotations", "0")
	f.Remove(s, "annotations", "1")
	out, wrong := f.Write(tree, s)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var names []string
	env, _ := get(out, Path{"spec", "template", "spec", "containers", 0, "env"}).([]any)
	for i := range env {
		names = append(names, get(env[i], Path{"name"}).(string))
	}
	if d := cmp.Diff([]string{"B", "C", "D"}, names); d != "" {
		t.Error(d)
	}
	if get(env[0], Path{"valueFrom", "secretKeyRef", "key"}) != "password" || get(env[2], Path{"value"}) != "4" {
		t.Errorf("variables %v", env)
	}
	if d := cmp.Diff(map[string]any{"name": "web", "labels": map[string]any{"app": "web", "tier": "front"}}, out["metadata"]); d != "" {
		t.Error(d)
	}

	s = f.Read(tree)
	twice := f.Add(s, "labels")
	s.Values[Name("labels", twice, Key)] = "app"
	if _, wrong := f.Write(tree, s); len(wrong) != 1 || wrong[0].Message.ID != "form.bad.twice" {
		t.Errorf("a key twice: %v", wrong)
	}
	s = f.Read(tree)
	s.Values["labels.0.key"] = "name"
	if out, _ := f.Write(tree, s); !cmp.Equal(get(out, Path{"metadata", "labels"}), any(map[string]any{"name": "web"})) {
		t.Errorf("renamed: %v", get(out, Path{"metadata", "labels"}))
	}
	delete(s.Rows, "c0-env") // a form that shows only a part
	if out, _ := f.Write(tree, s); get(out, Path{"spec", "template", "spec", "containers", 0, "env", 0, "name"}) != "A" {
		t.Error("what was not shown is gone")
	}
}

const config = `
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {a: one, b: "x\r\ny", odd: "a\u0000b"}
binaryData: {logo: iVBORw0KGgo=}
`

// TestValuesOfAConfigMap: text stays text, a file is what it is, and what cannot be typed is kept.
func TestValuesOfAConfigMap(t *testing.T) {
	tree := read(t, config)
	f := Of("configmaps", tree, tree, Facts{})
	fd, _ := f.Field("data")
	var kinds []EntryKind
	for _, l := range f.Lines(fd, tree, f.Read(tree)) {
		kinds = append(kinds, l.Entry.Kind)
	}
	if d := cmp.Diff([]EntryKind{EntryText, EntryText, EntryOdd, EntryBinary}, kinds); d != "" {
		t.Error(d)
	}
	s := f.Read(tree)
	s.Values["data.0.key"] = "renamed"
	s.Values["data.1.value"] = "x\nz"
	s.Files["data.3.file"] = []byte("now text")
	binary, empty, typed := f.Add(s, "data"), f.Add(s, "data"), f.Add(s, "data")
	s.Values[Name("data", binary, Key)], s.Files[Name("data", binary, File)] = "bin", []byte{0xff, 0}
	s.Values[Name("data", empty, Key)] = "empty"
	s.Values[Name("data", typed, Key)], s.Values[Name("data", typed, Value)] = "t", "typed"
	out, wrong := f.Write(tree, s)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	want := map[string]any{
		"data":       map[string]any{"renamed": "one", "b": "x\r\nz", "odd": "a\x00b", "logo": "now text", "empty": "", "t": "typed"},
		"binaryData": map[string]any{"bin": base64.StdEncoding.EncodeToString([]byte{0xff, 0})},
	}
	if d := cmp.Diff(want, map[string]any{"data": out["data"], "binaryData": out["binaryData"]}); d != "" {
		t.Error(d)
	}

	s = f.Read(tree)
	s.Values["data.0.key"], s.Values["data.1.key"], s.Values["data.2.key"] = "logo", "no/slash", ""
	_, wrong = f.Write(tree, s)
	var said []string
	for _, e := range wrong {
		said = append(said, e.Control+" "+e.Message.ID)
	}
	if d := cmp.Diff([]string{"data.1.key form.bad.config_key", "data.2.key form.bad.empty", "data.3.key form.bad.twice"}, said); d != "" {
		t.Error(d)
	}
	s = f.Read(tree)
	s.Files["data.0.file"] = make([]byte, MaxSize)
	if _, wrong = f.Write(tree, s); len(wrong) != 1 || wrong[0].Control != "data.0.value" || wrong[0].Message.ID != "form.bad.size" {
		t.Errorf("too large: %v", wrong)
	}

	tree["immutable"] = true
	f = Of("configmaps", tree, tree, Facts{})
	if out, _ := f.Write(tree, s); !diff.Equal(out, tree) || f.Add(s, "data") != "" {
		t.Error("an immutable one was changed")
	}
}

// TestA24_ValuesOfASecret: a mark is neither shown nor changed nor renamed, and is replaced by text or by a file.
func TestA24_ValuesOfASecret(t *testing.T) {
	base := read(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: (3 bytes), b: (1 byte), c: (9 bytes)}\n")
	f := Of("secrets", base, base, Facts{})
	s := f.Read(base)
	for control, v := range s.Values {
		if strings.HasSuffix(control, "."+Value) {
			t.Errorf("%s has %q", control, v)
		}
	}
	fd, _ := f.Field("data")
	if l := f.Lines(fd, base, s); l[2].Entry != (Entry{EntryMasked, "c", 9}) || l[0].Cells[0].Kept.IsZero() {
		t.Errorf("lines %+v", l)
	}
	s.Values["data.0.key"] = "renamed"
	s.Values["data.1.value"] = "new\n"
	s.Files["data.2.file"] = []byte{0, 1}
	out, wrong := f.Write(base, s)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	want := map[string]any{"stringData": map[string]any{"a": "(3 bytes)", "b": "new\n"}, "data": map[string]any{"c": "AAE="}}
	if d := cmp.Diff(want, map[string]any{"stringData": out["stringData"], "data": out["data"]}); d != "" {
		t.Error(d)
	}
	again := Of("secrets", out, base, Facts{})
	l := again.Lines(fd, out, again.Read(out))
	if l[0].Entry.Kind != EntryMasked || l[1].Entry.Kind != EntryText || l[2].Entry != (Entry{EntryGiven, "c", 2}) {
		t.Errorf("lines of what is not stored yet: %+v", l)
	}
}

// TestControl: the words of an API server stand at the control that they are about.
func TestControl(t *testing.T) {
	tree := read(t, web)
	f := Of("deployments.apps", tree, tree, Facts{})
	s := f.Read(tree)
	for field, want := range map[string]string{
		"spec.replicas":                                              "replicas",
		"spec.template.spec.containers[0].image":                     "c0-image",
		"spec.template.spec.containers[0].resources.requests":        "c0-requests-cpu",
		"spec.template.spec.containers[0].resources.requests.memory": "c0-requests-memory",
		"spec.template.spec.containers[0].resources.limits[memory]":  "c0-limits-memory",
		"spec.template.spec.containers[0].env[1].name":               "c0-env.1.name",
		"spec.template.spec.containers[0].env[0].value.x":            "c0-env.0.value",
		"spec.template.spec.initContainers[0].image":                 "i0-image",
		"metadata.labels":            "labels",
		"metadata.annotations[note]": "annotations.0.value",
		"metadata.annotations.note":  "annotations.0.value",
		"spec.selector":              "",
		"":                           "",
		"spec":                       "",
	} {
		if got, _ := f.Control(tree, s, field); got != want {
			t.Errorf("%s is about %q, want %q", field, got, want)
		}
	}
	tree = read(t, config)
	f = Of("configmaps", tree, tree, Facts{})
	if got, _ := f.Control(tree, f.Read(tree), "data[logo]"); got != "data.3.value" {
		t.Errorf("data[logo] is about %q", got)
	}
	if got, _ := f.Control(tree, f.Read(tree), "binaryData[logo]"); got != "data.3.value" {
		t.Errorf("binaryData[logo] is about %q", got)
	}
}

// TestHostileObjects: whatever a tree has in place of what belongs there, its form neither fails nor changes it.
func TestHostileObjects(t *testing.T) {
	odd := []any{nil, "text", int64(1), true, []any{}, []any{nil, "x", []any{}}, map[string]any{}, map[string]any{"a": []any{map[string]any{}}}}
	for id := range descriptors {
		for _, field := range []string{"metadata", "spec", "data", "stringData", "binaryData", "immutable"} {
			for _, v := range odd {
				for _, tree := range []map[string]any{
					{field: v},
					{field: map[string]any{"template": v, "ports": v, "taints": v, "hard": v, "metrics": v, "labels": v, "resources": v, "jobTemplate": v, "replicas": v, "schedule": v}},
					{field: map[string]any{"template": map[string]any{"spec": map[string]any{"containers": v}}}},
					{field: map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"env": v, "resources": v, "image": "x", "name": v}}}}}},
				} {
					f := Of(id, tree, tree, Facts{})
					s := f.Read(tree)
					out, _ := f.Write(tree, s)
					if entries := diff.Trees(tree, out, diff.Options{}); len(entries) > 0 {
						t.Errorf("%s: %s", id, diff.Text(entries))
					}
					for i := range f.Sections {
						for j := range f.Sections[i].Fields {
							f.Lines(&f.Sections[i].Fields[j], tree, s)
						}
					}
				}
			}
		}
	}
}

// TestControlsAreUnique: no two fields of a form have one id.
func TestControlsAreUnique(t *testing.T) {
	tree := read(t, web)
	seen := map[string]bool{}
	Of("deployments.apps", tree, tree, Facts{}).fields(func(fd *Field) {
		if seen[fd.ID] || strings.Contains(fd.ID, ".") {
			t.Errorf("%s", fd.ID)
		}
		seen[fd.ID] = true
	})
	if len(seen) != 15 || !slices.Contains(slices.Sorted(maps.Keys(seen)), "i0-env") {
		t.Errorf("%d fields", len(seen))
	}
}
