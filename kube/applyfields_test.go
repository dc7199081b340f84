package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// appliedTree is a document with everything that a path may lead through.
func appliedTree() map[string]any {
	return map[string]any{
		"metadata": map[string]any{
			"name": "web", "finalizers": []any{"a/b", "c"},
			"labels": map[string]any{"app": "web", "app.kubernetes.io/name": "web", "a": "1", "a.b": "2", "a]b": "3"},
		},
		"spec": map[string]any{
			"replicas": int64(3), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{"spec": map[string]any{"containers": []any{
				map[string]any{"name": "side", "image": "s"},
				map[string]any{"name": "web", "image": "x", "env": []any{map[string]any{"name": `odd"]=,`, "value": "v"}}},
			}}},
			"ports": []any{
				map[string]any{"port": int64(53), "protocol": "UDP", "targetPort": int64(1)},
				map[string]any{"port": int64(53), "targetPort": int64(2)},
				map[string]any{"port": int64(80), "protocol": "TCP", "targetPort": int64(3)},
			},
			"args": []any{"a", "b"},
		},
	}
}

func TestValueAt(t *testing.T) {
	tests := map[string]any{
		".spec.replicas": int64(3),
		`.spec.template.spec.containers[name="web"].image`:                      "x",
		`.spec.template.spec.containers[name="web"].env[name="odd\"]=,"].value`: "v",
		".metadata.labels.app":                              "web",
		".metadata.labels.app.kubernetes.io/name":           "web",
		".metadata.labels.a":                                "1",
		".metadata.labels.a.b":                              "2",
		".metadata.labels.a]b":                              "3",
		`.metadata.finalizers[="a/b"]`:                      "a/b",
		`.spec.ports[port=53,protocol="UDP"].targetPort`:    int64(1),
		`.spec.ports[port=53,protocol="TCP"].targetPort`:    int64(2),
		`.spec.ports[port=80,protocol="TCP"].targetPort`:    int64(3),
		".spec.args[1]":                                     "b",
		".spec.nothing":                                     nil,
		`.spec.template.spec.containers[name="none"].image`: nil,
		".spec.args[7]":                                     nil,
		".spec.replicas.x":                                  nil,
		`.spec.ports[port=80,protocol="UDP"].targetPort`:    nil,
		"spec": nil,
		"":     nil,
		`.spec.template.spec.containers[name="web"`: nil,
		`.metadata.finalizers[=c]`:                  nil,
	}
	for path, want := range tests {
		got, ok := valueAt(appliedTree(), path)
		if d := cmp.Diff(want, got); d != "" || ok != (want != nil) {
			t.Errorf("%s: %v %s", path, ok, d)
		}
	}
}

func TestWithoutField(t *testing.T) {
	tree := appliedTree()
	less, ok := withoutField(tree, `.spec.template.spec.containers[name="web"].image`)
	if !ok {
		t.Fatal("not found")
	}
	if _, still := valueAt(less, `.spec.template.spec.containers[name="web"].image`); still {
		t.Error("it is still there")
	}
	if v, _ := valueAt(less, `.spec.template.spec.containers[name="side"].image`); v != "s" {
		t.Errorf("another container's image is %v", v)
	}
	if d := cmp.Diff(appliedTree(), tree); d != "" {
		t.Errorf("the document itself changed: %s", d)
	}
	// A map in which nothing is left goes as well: it would say that it is to be empty.
	less, _ = withoutField(tree, ".spec.selector.matchLabels.app")
	if _, still := valueAt(less, ".spec.selector"); still {
		t.Error("an empty selector is left")
	}
	less, _ = withoutField(tree, `.metadata.finalizers[="a/b"]`)
	if v, _ := valueAt(less, ".metadata.finalizers"); !cmp.Equal(v, []any{"c"}) {
		t.Errorf("finalizers are %v", v)
	}
	if _, ok := withoutField(tree, ".spec.none"); ok {
		t.Error("what is not there was taken out")
	}
}
