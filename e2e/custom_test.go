package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"tiga/e2e/testbed"
)

// layout is a way to define a kind.
type layout struct {
	name       string
	namespaced bool
	versions   []string // served unless they begin with a dash; the first is stored
	columns    string   // additionalPrinterColumns, YAML
	object     string   // spec and status, YAML
	wantAt     string   // the version that is read
	want       map[string]string
}

func layouts() []layout {
	typed := `[
		{name: Phase, type: string, jsonPath: .status.phase},
		{name: Size, type: integer, jsonPath: .spec.size},
		{name: Ratio, type: number, jsonPath: .spec.ratio},
		{name: Paused, type: boolean, jsonPath: .spec.paused},
		{name: Backup, type: date, jsonPath: .status.lastBackup},
		{name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'},
		{name: Host, type: string, jsonPath: '.spec.hosts[0]', priority: 1},
		{name: Nothing, type: string, jsonPath: .spec.no.such.field},
		{name: Age, type: date, jsonPath: .metadata.creationTimestamp}]`
	object := `
spec: {size: 3, ratio: 0.5, paused: false, hosts: [a.example.com, b.example.com]}
status:
  phase: Running
  lastBackup: "2026-01-02T03:04:05Z"
  conditions: [{type: Ready, status: "False", reason: NoQuorum, message: "two of three are away", lastTransitionTime: "2026-01-02T03:04:05Z"}]`
	values := map[string]string{
		"phase": "Running", "size": "3", "ratio": "0.5", "paused": "false", "backup": "2026-01-02T03:04:05Z", "ready": "False",
		"host": "a.example.com", "nothing": "", "status": "NotReady",
	}
	return []layout{
		{"bare", true, []string{"v1"}, "", "spec: {}", "v1", map[string]string{}},
		{"namespaced", true, []string{"v1"}, typed, object, "v1", values},
		{"wide", false, []string{"v1"}, typed, object, "v1", values},
		{"several", true, []string{"v1beta1", "v2", "v1alpha1"}, typed, object, "v2", values},
		{"half", false, []string{"v2alpha1", "-v2", "v1"}, typed, object, "v1", values},
	}
}

// definition is the CustomResourceDefinition of a layout.
func (l layout) definition(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	scope := "Cluster"
	if l.namespaced {
		scope = "Namespaced"
	}
	u := &unstructured.Unstructured{}
	text := fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]ss.layouts.example.com}
spec:
  group: layouts.example.com
  scope: %[2]s
  names: {kind: %[3]s, plural: %[1]ss, singular: %[1]s}
`, l.name, scope, strings.ToUpper(l.name[:1])+l.name[1:])
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	var versions []any
	for i, v := range l.versions {
		name, unserved := strings.CutPrefix(v, "-")
		version := map[string]any{
			"name": name, "served": !unserved, "storage": i == 0, "subresources": map[string]any{"status": map[string]any{}},
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		}
		if l.columns != "" {
			var columns []any
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(l.columns, "\t", "  ")), &columns); err != nil {
				t.Fatal(err)
			}
			version["additionalPrinterColumns"] = columns
		}
		versions = append(versions, version)
	}
	u.Object["spec"].(map[string]any)["versions"] = versions
	return u
}

// any kind that a cluster defines has a list, pages and API without anything written for it; it comes and goes with
// its definition. FR-1.6, FR-1.8, FR-1.14
func customKinds(t *testing.T, c *client, cluster *testbed.Cluster) {
	config, err := cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	id := c.clusterID("kinds")
	for _, l := range layouts() {
		t.Run(l.name, func(t *testing.T) {
			c := &client{t: t, base: c.base, http: c.http}
			if err := cluster.InstallDefinitions(t.Context(), l.definition(t)); err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(l.object), &u.Object); err != nil {
				t.Fatal(err)
			}
			first, _ := strings.CutPrefix(l.versions[0], "-")
			u.SetAPIVersion("layouts.example.com/" + first)
			u.SetKind(strings.ToUpper(l.name[:1]) + l.name[1:])
			u.SetName("one")
			status := u.Object["status"]
			resource := kube.Resource(schema.GroupVersionResource{Group: "layouts.example.com", Version: first, Resource: l.name + "s"})
			var where dynamic.ResourceInterface = resource
			at := "-"
			if l.namespaced {
				where, at = resource.Namespace("default"), "default"
			}
			made, err := where.Create(t.Context(), u, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if status != nil {
				made.Object["status"] = status
				if _, err := where.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			kind := l.name + "s.layouts.example.com"
			path := fmt.Sprintf("/clusters/%d/resources/%s", id, kind)
			columns := "&cols=name"
			for col := range l.want {
				columns += "&cols=" + col
			}
			eventually(t, 30*time.Second, "the object is listed with its columns", func() error {
				got, err := c.ask(path + "?as=table" + columns)
				if err != nil {
					return err
				}
				if len(got.Rows) != 1 || got.Rows[0].Name != "one" {
					return fmt.Errorf("rows %+v", got.Rows)
				}
				for col, want := range l.want {
					i := slices.IndexFunc(got.Columns, func(c struct{ ID, Title, Type string }) bool { return c.ID == col })
					if i < 0 {
						return fmt.Errorf("column %s is not among %v", col, got.Columns)
					}
					if !sameValue(want, got.Rows[0].Cells[i]) {
						return fmt.Errorf("%s is %q, want %q", col, got.Rows[0].Cells[i].Text, want)
					}
				}
				return nil
			})
			var read struct{ APIVersion string }
			query := ""
			if l.namespaced {
				query = "?namespace=default"
			}
			if r := c.api(http.MethodGet, path+"/one"+query, nil, &read); r.status != http.StatusOK || read.APIVersion != "layouts.example.com/"+l.wantAt {
				t.Errorf("read by API: %d at %s, want %s", r.status, read.APIVersion, l.wantAt)
			}
			page := fmt.Sprintf("/clusters/%d/%s/%s/one", id, kind, at)
			for _, tab := range []string{"", "/yaml", "/events", "/describe"} {
				if r := c.get(page + tab); r.status != http.StatusOK || !strings.Contains(r.body, "one") {
					t.Errorf("%s%s: %d", page, tab, r.status)
				}
			}
			if r := c.get(fmt.Sprintf("/clusters/%d/pods", id)); !strings.Contains(r.body, "menu-"+kind) {
				t.Error("the kind is not in the menu")
			}
			if err := cluster.RemoveDefinition(t.Context(), kind); err != nil {
				t.Fatal(err)
			}
			eventually(t, 30*time.Second, "the kind is gone", func() error {
				r := c.get(fmt.Sprintf("/clusters/%d/%s", id, kind))
				if want := "CustomResourceDefinition " + kind + " not found"; r.status != http.StatusNotFound || !strings.Contains(r.body, want) {
					return fmt.Errorf("%d without %q", r.status, want)
				}
				if r := c.get(fmt.Sprintf("/clusters/%d/pods", id)); strings.Contains(r.body, "menu-"+kind) {
					return fmt.Errorf("it is still in the menu")
				}
				return nil
			})
		})
	}
}
