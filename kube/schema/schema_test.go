package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/kube/manifest"
)

const document = `{"components":{"schemas":{
"com.example.v1.Widget":{"type":"object","description":"A widget.","required":["spec"],"x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Widget"}],
 "properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"allOf":[{"$ref":"#/components/schemas/io.k8s.ObjectMeta"}],"default":{}},"status":{"type":"object"},
 "spec":{"type":"object","description":"What is wanted.","required":["size","mode","parts","labels","deep"],"properties":{
  "size":{"type":"integer","minimum":2,"description":"How large."},"mode":{"type":"string","enum":["Fast","Slow"]},"note":{"type":"string"},
  "parts":{"type":"array","items":{"allOf":[{"$ref":"#/components/schemas/com.example.v1.Part"}]}},"labels":{"type":"object","additionalProperties":{"type":"string"}},
  "port":{"x-kubernetes-int-or-string":true},"self":{"$ref":"#/components/schemas/com.example.v1.Widget"},
  "deep":{"$ref":"#/components/schemas/com.example.v1.Loop"}}}}},
"com.example.v1.Part":{"type":"object","description":"A part.","required":["name","when"],"properties":{"name":{"type":"string"},"when":{"type":"string","format":"date-time"},"on":{"type":"boolean","default":true}}},
"com.example.v1.Loop":{"type":"object","required":["again"],"properties":{"again":{"$ref":"#/components/schemas/com.example.v1.Loop"}}},
"com.example.v1.Bad":{"$ref":"#/components/schemas/com.example.v1.Bad"},
"io.k8s.ObjectMeta":{"type":"object","description":"Metadata.","properties":{"name":{"type":"string","description":"Its name."},"labels":{"type":"object","additionalProperties":{"type":"string"}}}}
}}}`

func widget(t *testing.T) *Kind {
	t.Helper()
	doc, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	k, err := doc.Kind("example.com", "v1", "Widget")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLook(t *testing.T) {
	k := widget(t)
	at, children, ok := k.Look([]string{"spec", "parts"})
	if !ok || at.Type != "[]Part" || at.Name != "parts" || !at.Required {
		t.Errorf("parts: %+v %v", at, ok)
	}
	want := []Field{
		{Name: "name", Type: "string", Required: true},
		{Name: "on", Type: "boolean", Default: "true"},
		{Name: "when", Type: "string (date-time)", Required: true},
	}
	if d := cmp.Diff(want, children, cmp.Comparer(func(a, b Field) bool { return a.Name == b.Name && a.Required == b.Required && a.Default == b.Default })); d != "" {
		t.Error(d)
	}
	if at, _, ok = k.Look([]string{"spec", "mode"}); !ok || !cmp.Equal(at.Enum, []string{"Fast", "Slow"}) {
		t.Errorf("mode: %+v", at)
	}
	if at, _, ok = k.Look([]string{"metadata", "name"}); !ok || at.Description != "Its name." {
		t.Errorf("metadata: %+v %v", at, ok)
	}
	if at, _, ok = k.Look([]string{"metadata", "labels", "a/b"}); !ok || at.Type != "string" {
		t.Errorf("a label: %+v %v", at, ok)
	}
	if _, children, ok = k.Look(nil); !ok || len(children) != 5 {
		t.Errorf("the object: %v", children)
	}
	for _, path := range [][]string{{"no"}, {"spec", "size", "x"}, {"spec", "no"}} {
		if _, _, ok := k.Look(path); ok {
			t.Errorf("%v is there", path)
		}
	}
	if at, _, ok := k.Look([]string{"spec", "self", "spec", "self", "spec", "port"}); !ok || at.Type != "integer | string" {
		t.Errorf("port: %+v", at)
	}
}

func TestExample(t *testing.T) {
	text := widget(t).Example("shop")
	doc, err := manifest.NewReader().Read([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	spec := doc.Tree["spec"].(map[string]any)
	if spec["size"] != int64(2) || spec["mode"] != "Fast" || spec["note"] != nil || !strings.Contains(text, "Fast | Slow") || !strings.Contains(text, "# note: string") {
		t.Errorf("%s", text)
	}
	part := spec["parts"].([]any)[0].(map[string]any)
	if part["name"] != "example" || part["when"] != "2030-01-01T00:00:00Z" {
		t.Errorf("%v\n%s", part, text)
	}
	if doc.Tree["metadata"].(map[string]any)["namespace"] != "shop" {
		t.Error("no namespace")
	}
}

func TestUnknownKind(t *testing.T) {
	doc, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.Kind("example.com", "v2", "Widget"); err == nil {
		t.Error("a kind that is not there was found")
	}
	if _, err := Parse([]byte("<html>")); err == nil {
		t.Error("a page was read")
	}
}
