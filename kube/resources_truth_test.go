package kube

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"tiga/access"
	"tiga/e2e/testbed"
	"tiga/kube/cache"
	"tiga/kube/kinds"
)

const realWidgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Half, type: number, jsonPath: .spec.half}
    - {name: Lit, type: boolean, jsonPath: .spec.lit}
    - {name: List, type: string, jsonPath: .spec.list}
    - {name: First, type: string, jsonPath: ".spec.list[*]"}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Missing, type: string, jsonPath: .spec.missing}
    - {name: When, type: date, jsonPath: .spec.when}
    - {name: Wide, type: string, jsonPath: .spec.text, priority: 1}
`

const realWidget = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: one, namespace: default}
spec: {size: 3, half: 1.5, lit: true, list: [a, b], text: blue, when: soon}
status: {conditions: [{type: Ready, status: "False", reason: NoDatabase}]}
`

// TestTruthOfKinds holds what the scripted server teaches of kinds against a real API server: every built-in kind is
// read, Secrets come as tables and stay true, and a definition brings its kind and takes it away.
func TestTruthOfKinds(t *testing.T) {
	real := realCluster(t, testbed.Options{Name: "kinds"})
	r := newRig(t, nil)
	c := r.add(t, 1, "kinds", parsed(t, real.Kubeconfig()))
	page := func(k *kinds.Kind) cache.Page {
		t.Helper()
		p, err := c.List(t.Context(), r.permit(t, "root", "kinds", k, access.VerbList, "", ""), queryOf(k))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	find := func(id string) *kinds.Kind {
		t.Helper()
		k, err := c.Kind(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := real.Kubectl(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}

	eventually(t, "it is known what the cluster serves", func() bool {
		c.Kinds()
		_, err := c.Kind(t.Context(), widgets)
		return errors.Is(err, ErrNotFound)
	})
	for _, static := range kinds.All() {
		if static.Install == "" {
			k := find(static.ID())
			eventually(t, static.ID()+" are live", func() bool { return page(k).Freshness.State == cache.Live })
		}
	}

	secrets := find("secrets")
	kubectl("create", "secret", "generic", "mine", "--from-literal=a="+canary, "--from-literal=b=2")
	data := func() float64 {
		for _, row := range page(secrets).Rows {
			if row.Name == "mine" {
				return row.Cells[1].Num
			}
		}
		return -1
	}
	eventually(t, "the secret is listed", func() bool { return data() == 2 })
	kubectl("patch", "secret", "mine", "--type=merge", "-p", `{"stringData":{"c":"3"}}`)
	eventually(t, "its change is seen", func() bool { return data() == 3 })
	kubectl("delete", "secret", "mine")
	eventually(t, "it is gone", func() bool { return data() == -1 })

	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(realWidgets), &crd.Object); err != nil {
		t.Fatal(err)
	}
	if err := real.InstallDefinitions(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	var k *kinds.Kind
	eventually(t, "the definition brings a kind with its columns", func() bool {
		k, _ = c.Known(widgets)
		return k != nil && len(k.Columns) == 11
	})
	file := filepath.Join(t.TempDir(), "widget.yaml")
	if err := os.WriteFile(file, []byte(realWidget), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl("apply", "-f", file)
	var row *kinds.Row
	eventually(t, "the widget is listed", func() bool {
		if p := page(k); p.Total == 1 && p.Freshness.State == cache.Live {
			row = p.Rows[0]
		}
		return row != nil
	})
	printed := strings.Fields(kubectl("get", "widgets", "-o", "wide", "--no-headers"))
	var ours []string
	for i := range k.Columns[1 : len(k.Columns)-1] {
		c := row.Cells[i+1]
		if c.Form == kinds.FormNumber {
			ours = append(ours, strconv.FormatFloat(c.Num, 'g', -1, 64))
		} else {
			ours = append(ours, c.Text)
		}
	}
	if want := []string{"one", "3", "1.5", "true", `["a","b"]`, "a", "False", "<invalid>", "blue"}; !slices.Equal(printed, want) {
		t.Errorf("kubectl prints %q", printed)
	}
	if want := []string{"3", "1.5", "true", `["a","b"]`, "a", "False", "", "<invalid>", "blue"}; !slices.Equal(ours, want) || row.Status.Word != "NotReady" {
		t.Errorf("the row is %q, %+v", ours, row.Status)
	}
	if err := real.RemoveDefinition(t.Context(), widgets); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kind is gone with its definition", func() bool {
		_, err := c.Kind(t.Context(), widgets)
		return errors.Is(err, ErrNotFound)
	})
}
