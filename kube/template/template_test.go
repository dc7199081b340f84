package template

import (
	"testing"

	"tiga/kube/kinds"
	"tiga/kube/manifest"
)

// Every built-in kind has a template that is read as an object of it, with nothing that its Go type does not know.
func TestEveryBuiltInKindHasATemplate(t *testing.T) {
	r := manifest.NewReader()
	for _, k := range kinds.All() {
		if k.Install != "" {
			continue
		}
		ns := ""
		if k.Namespaced {
			ns = "shop"
		}
		text, ok := Of(k.ID(), k.GVR.GroupVersion().String(), k.Name, ns)
		if !ok {
			t.Errorf("%s has no template", k.ID())
			continue
		}
		doc, err := r.Read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v\n%s", k.ID(), err, text)
			continue
		}
		if doc.Tree["kind"] != k.Name || doc.Tree["metadata"].(map[string]any)["name"] == "" {
			t.Errorf("%s: %v", k.ID(), doc.Tree)
		}
	}
	if _, ok := Of("widgets.example.com", "example.com/v1", "Widget", ""); ok {
		t.Error("a kind that nobody knows has a template")
	}
}
