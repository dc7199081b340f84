package kinds

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/jsonpath"
)

// serverCell is what the API server prints for a column: the steps of its table convertor for custom resources
// (apiextensions-apiserver, pkg/registry/customresource/tableconvertor), with dates left as they are. "" is nothing.
func serverCell(t *testing.T, p PrinterColumn, u *unstructured.Unstructured) string {
	t.Helper()
	path := jsonpath.New(p.Name)
	if err := path.Parse("{" + p.Path + "}"); err != nil {
		t.Fatalf("path %s: %v", p.Path, err)
	}
	path.AllowMissingKeys(true)
	results, err := path.FindResults(u.Object)
	if err != nil || len(results) == 0 || len(results[0]) == 0 {
		return ""
	}
	value := results[0][0].Interface()
	switch p.Type {
	case "string":
		var buf bytes.Buffer
		if err := path.PrintResults(&buf, []reflect.Value{reflect.ValueOf(value)}); err != nil {
			return ""
		}
		return buf.String()
	case "integer":
		switch v := value.(type) {
		case int64:
			return strconv.FormatInt(v, 10)
		case float64:
			return strconv.FormatInt(int64(v), 10)
		}
	case "number":
		switch v := value.(type) {
		case int64:
			return fmt.Sprint(float64(v))
		case float64:
			return fmt.Sprint(v)
		}
	case "boolean":
		if v, ok := value.(bool); ok {
			return strconv.FormatBool(v)
		}
	case "date":
		if v, ok := value.(string); ok {
			var at metav1.Time
			if err := at.UnmarshalQueryParameter(v); err != nil {
				return "<invalid>"
			}
			return at.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// ourCell is a cell in the same words.
func ourCell(p PrinterColumn, c Cell) string {
	switch {
	case c.Form == FormNumber && p.Type == "integer" && c.Text != "":
		return c.Text
	case c.Form == FormNumber && p.Type == "integer":
		return strconv.FormatInt(int64(c.Num), 10)
	case c.Form == FormNumber:
		return fmt.Sprint(c.Num)
	case c.Form == FormAge:
		return time.Unix(int64(c.Num), 0).UTC().Format(time.RFC3339)
	default:
		return c.Text
	}
}

const everything = `,"spec":{
	"text":"blue","count":3,"half":1.5,"big":12345678901,"vast":9007199254740993,"huge":1e21,"small":0.000001,"million":1000000.0,"on":true,"off":false,
	"made":"2026-01-02T03:04:05Z","offset":"2026-01-02T03:04:05+02:00","fraction":"2026-01-02T03:04:05.678Z","someday":"soon",
	"list":["a","b"],"map":{"k":"v","l":[1,2]},"empty":"","none":null,"emptylist":[],"digits":"42","dotted.key":"dot","a-b":"dash",
	"ports":[{"name":"http","port":80},{"name":"admin","port":9090}],"deep":{"deeper":[{"x":{"y":"z"}}]}},
	"status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-02-03T04:05:06Z"},{"type":"Synced","status":"False"}]}`

// TestFR1_8_PrinterColumnsPrintWhatTheAPIServerPrints, in every type and for every kind of path.
func TestFR1_8_PrinterColumnsPrintWhatTheAPIServerPrints(t *testing.T) {
	paths := []string{
		".", ".spec", ".spec.text", ".spec.count", ".spec.half", ".spec.big", ".spec.vast", ".spec.million", ".spec.on", ".spec.off", ".spec.made", ".spec.offset",
		".spec.fraction", ".spec.someday", ".spec.list", ".spec.map", ".spec.map.k", ".spec.empty", ".spec.emptylist", ".spec.digits", ".spec.missing",
		".spec.small", ".missing.missing", ".spec.text.inside", ".spec.list.name", ".spec.list[0]", ".spec.list[1]", ".spec.list[-1]", ".spec.list[7]",
		".spec.list[*]", ".spec.list[0:1]", ".spec.list[0,1]", ".spec.ports[0].name", ".spec.ports[*].port", ".spec.ports[?(@.port==9090)].name",
		".spec.ports[?(@.port>80)].port", ".spec.ports[?(@.none)].name", `.status.conditions[?(@.type=="Ready")].status`,
		`.status.conditions[?(@.type=="Ready")].lastTransitionTime`, `.status.conditions[?(@.type=="Gone")].status`, `.spec['text']`,
		`.spec.dotted\.key`, `.spec['dotted\.key']`, ".spec.a-b", "..y", ".spec.deep..y", ".spec.deep.*", ".metadata.name", ".metadata.labels.app", ".kind",
		".spec.text[0]", ".spec.map[0]", ".spec.list[?(@.x==1)]", ".spec.text[?(@.x==1)]", ".spec.ports[*", ".spec.", " .spec.text",
	}
	u := custom(t, everything)
	compared := 0
	for _, path := range paths {
		for _, kind := range []string{"string", "integer", "number", "boolean", "date"} {
			p := PrinterColumn{Name: "C", Type: kind, Path: path}
			if _, ok := parsePath(p); !ok {
				if path != ".spec.ports[*" {
					t.Errorf("%s is refused", path)
				}
				continue
			}
			cell := printerCell(p)
			for range 2 { // the second time as the first
				want, got := serverCell(t, p, u), ourCell(p, cell(u))
				if want == "0001-01-01T00:00:00Z" {
					want = "" // of an empty text, which kubectl shows as <unknown>
				}
				if got != want && got != cut(want, reasonLimit) {
					t.Errorf("%s as %s is %q, the API server prints %q", path, kind, got, want)
				}
			}
			compared++
		}
	}
	if compared < 200 {
		t.Errorf("only %d were compared", compared)
	}
	if c := printerCell(PrinterColumn{Type: "string", Path: ".spec.none"})(u); !c.Empty() { // kubectl shows <no value>
		t.Errorf("null is %+v", c)
	}
}

// TestTheColumnsOfADefinition have ids of their own, whatever they are called, and what is wide is hidden.
func TestTheColumnsOfADefinition(t *testing.T) {
	d := &Definition{Group: "example.com", Resource: "widgets", Kind: "Widget", Ready: true, Served: []ServedVersion{{
		Name: "v1", HasStatus: true, Printed: []PrinterColumn{
			{Name: "Ready", Type: "string", Path: ".status.ready"},
			{Name: "Ready-4", Type: "string", Path: ".status.four"},
			{Name: "Name", Type: "string", Path: ".spec.name"},
			{Name: "Ready", Type: "integer", Path: ".status.readyReplicas"},
			{Name: "Status", Type: "string", Path: ".status.phase"},
			{Name: "Age", Type: "date", Path: ".metadata.creationTimestamp"},
			{Name: "Age", Type: "date", Path: ".status.startTime"},
			{Name: "CPU %", Type: "number", Path: ".status.cpu", Wide: true},
			{Name: "就绪", Type: "boolean", Path: ".status.ok"},
			{Name: "--", Type: "string", Path: ".status.dashes"},
			{Name: `<script>alert(1)</script>`, Type: "string", Path: ".status.x"},
			{Name: "Namespace", Type: "string", Path: ".spec.namespace"},
			{Name: "Broken", Type: "string", Path: ".status["},
		},
	}}}
	k := Custom(d, nil)
	want := []Column{
		{ID: "status", Form: FormStatus},
		{ID: "ready", Title: "Ready", Search: true},
		{ID: "ready-4", Title: "Ready-4", Search: true},
		{ID: "name-3", Title: "Name", Search: true},
		{ID: "ready-5", Title: "Ready", Form: FormNumber},
		{ID: "status-5", Title: "Status", Search: true},
		{ID: "age-7", Title: "Age", Form: FormAge},
		{ID: "cpu", Title: "CPU %", Form: FormNumber, Hidden: true},
		{ID: "column", Title: "就绪", Search: true},
		{ID: "column-10", Title: "--", Search: true},
		{ID: "script-alert-1---script", Title: "<script>alert(1)</script>", Search: true},
		{ID: "namespace-12", Title: "Namespace", Search: true},
		{ID: "broken", Title: "Broken", Search: true},
		{ID: "age", Form: FormAge},
	}
	if diff := cmp.Diff(want, k.Columns); diff != "" {
		t.Errorf("columns (-want +got): %s", diff)
	}
	if !slices.Equal(k.Facets, []string{"status"}) || !k.Custom || !k.Dynamic() {
		t.Errorf("kind %+v", k)
	}
	row := k.Project(custom(t, `,"status":{"phase":"Running","readyReplicas":2,"startTime":"2026-01-02T03:04:05Z","ok":true}`))
	cells := map[string]Cell{}
	for i, c := range k.Columns {
		cells[c.ID] = row.Cells[i]
	}
	if cells["status"].Text != "Running" || cells["status"].Tone != ToneOK || cells["ready-5"].Num != 2 || cells["age-7"].Num != 1767323045 || cells["column"].Text != "true" {
		t.Errorf("cells %+v", cells)
	}
	if b := cells["broken"]; b.Note.ID != "custom.badpath" || b.Tone != ToneWarn {
		t.Errorf("a path that cannot be read is %+v", b)
	}
}

// TestAVersionWithoutStatus has no column for it.
func TestAVersionWithoutStatus(t *testing.T) {
	k := Custom(&Definition{Group: "example.com", Resource: "configs", Kind: "Config", Served: []ServedVersion{{Name: "v1"}}}, nil)
	if diff := cmp.Diff([]Column{{ID: "age", Form: FormAge}}, k.Columns); diff != "" || len(k.Facets) > 0 {
		t.Errorf("columns %s, facets %v", diff, k.Facets)
	}
}

// TestPathsThatAskForTooMuch are refused before they are tried: a definition is written by whoever may write one, and
// is read here for all clusters.
func TestPathsThatAskForTooMuch(t *testing.T) {
	nested := strings.Repeat("[", 30) + "1" + strings.Repeat("]", 30)
	u := custom(t, `,"spec":{"a":`+nested+`}`)
	for _, path := range []string{
		".spec.a" + strings.Repeat("[0,0]", 30),
		"." + strings.Repeat("..*", 12),
		".spec.a[" + strings.Repeat("0,", 500) + "0]",
		".spec." + strings.Repeat("a", pathLimit) + "[0]",
	} {
		if c := printerCell(PrinterColumn{Name: "C", Type: "string", Path: path})(u); c.Note.ID != "custom.badpath" {
			t.Errorf("%.40s… is %+v", path, c)
		}
	}
}

// TestAPathThatLeavesTraces gives every object its own value: ranges and errors change the state of a parsed path.
func TestAPathThatLeavesTraces(t *testing.T) {
	for _, path := range []string{".spec}{range .list[*]}{.name}{end", ".list[?(@.name<3)].name", ".list[*]}{.none"} {
		p := PrinterColumn{Name: "C", Type: "string", Path: path}
		cell := printerCell(p)
		for i := range 6 {
			u := custom(t, `,"spec":"s`+strconv.Itoa(i)+`","list":[{"name":"n`+strconv.Itoa(i)+`"}]`)
			if i%2 == 1 {
				u = custom(t, `,"list":"none"`)
			}
			if got, want := cell(u).Text, serverCell(t, p, u); got != want {
				t.Errorf("%s, object %d: %q, want %q", path, i, got, want)
			}
		}
	}
}

// TestObjectsThatBreakTheirSchema still have a row with what can be read of them.
func TestObjectsThatBreakTheirSchema(t *testing.T) {
	k := Custom(&Definition{Group: "example.com", Resource: "widgets", Kind: "Widget", Namespaced: true, Served: []ServedVersion{{
		Name: "v1", HasStatus: true, Printed: []PrinterColumn{
			{Name: "Phase", Type: "string", Path: ".status.phase"},
			{Name: "Count", Type: "integer", Path: ".spec.count"},
			{Name: "Ready", Type: "string", Path: `.status.conditions[?(@.type=="Ready")].status`},
			{Name: "Since", Type: "date", Path: ".status.since"},
			{Name: "Port", Type: "integer", Path: ".spec.ports[0].port"},
		},
	}}}, nil)
	for _, fields := range []string{
		``, `,"spec":null,"status":null`, `,"spec":[],"status":"Ready"`, `,"spec":7,"status":{"conditions":{"Ready":"True"}}`,
		`,"spec":{"count":"three","ports":{}},"status":{"phase":{"a":1},"since":12,"conditions":"none"}`,
		`,"spec":{"ports":[[]]},"status":{"conditions":[[],null,"x",{"type":["Ready"]}]}`,
		`,"spec":{"ports":[null],"count":1e300}`,
	} {
		u := custom(t, fields)
		u.SetAnnotations(nil)
		row := k.Project(u)
		if row.Name != "a" || len(row.Cells) != len(k.Columns) {
			t.Errorf("%s: %+v", fields, row)
		}
		if d := k.Detail(u); !d.Problem.IsZero() {
			t.Errorf("%s: %+v", fields, d.Problem)
		}
	}
	// Metadata of other types: what the API server itself would refuse.
	u := custom(t, ``)
	u.Object["metadata"] = map[string]any{"name": "a", "labels": "none", "annotations": []any{}, "ownerReferences": map[string]any{}, "finalizers": "x", "creationTimestamp": int64(3), "deletionTimestamp": "soon"}
	if row := k.Detail(u).Row; row.Name != "a" {
		t.Errorf("row %+v", row)
	}
	// An object of another kind is none of this one.
	u = custom(t, ``)
	u.SetKind("Gadget")
	if d := k.Detail(u); d.Problem.IsZero() || d.Row.Status.Word != WordUnreadable {
		t.Errorf("another kind: %+v", d.Row)
	}
}

// TestWhatIsKeptOfADefinition is enough to make its kind, and tells changes that matter from those that do not.
func TestWhatIsKeptOfADefinition(t *testing.T) {
	yes := true
	props := func(fields ...string) *apiextensionsv1.CustomResourceValidation {
		status := apiextensionsv1.JSONSchemaProps{Properties: map[string]apiextensionsv1.JSONSchemaProps{}}
		for _, f := range fields {
			status.Properties[f] = apiextensionsv1.JSONSchemaProps{}
		}
		return &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Properties: map[string]apiextensionsv1.JSONSchemaProps{"status": status}}}
	}
	crd := &apiextensionsv1.CustomResourceDefinition{
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget", ShortNames: []string{"wd"}, Categories: []string{"all"}},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{
				{Name: "v1alpha1", Served: true, Deprecated: true, Schema: props("count")},
				{Name: "v2", Served: false, Schema: props("phase")},
				{Name: "v1beta1", Served: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{}}},
				{Name: "v1", Served: true, Schema: props("conditions"), AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{{Name: "Size", Type: "integer", JSONPath: ".spec.size", Priority: 1}}},
				{Name: "v1beta2", Served: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{XPreserveUnknownFields: &yes}}},
			},
		},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}},
	}
	want := &Definition{
		Group: "example.com", Resource: "widgets", Kind: "Widget", Short: []string{"wd"}, Categories: []string{"all"}, Namespaced: true, Defined: true, Ready: true,
		Served: []ServedVersion{
			{Name: "v1", HasStatus: true, Printed: []PrinterColumn{{Name: "Size", Type: "integer", Path: ".spec.size", Wide: true}}},
			{Name: "v1beta2", HasStatus: true},
			{Name: "v1beta1"},
			{Name: "v1alpha1", Deprecated: true},
		},
	}
	got := DefinitionOf(crd)
	if diff := cmp.Diff(want, got); diff != "" || got.ID() != "widgets.example.com" {
		t.Errorf("definition (-want +got): %s", diff)
	}
	if row := lookup(t, "customresourcedefinitions.apiextensions.k8s.io").Project(crd); !cmp.Equal(row.Kept, any(want)) {
		t.Errorf("the list keeps %+v", row.Kept)
	}
	for name, change := range map[string]func(*apiextensionsv1.CustomResourceDefinition){
		"a column": func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Versions[3].AdditionalPrinterColumns[0].JSONPath = ".spec.length"
		},
		"a version":   func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[1].Served = true },
		"the scope":   func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Scope = apiextensionsv1.ClusterScoped },
		"short names": func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Names.ShortNames = nil },
		"its state":   func(c *apiextensionsv1.CustomResourceDefinition) { c.Status.Conditions = nil },
		"the schema":  func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.Versions[3].Schema = props("count") },
	} {
		other := crd.DeepCopy()
		change(other)
		if got.Equal(DefinitionOf(other)) {
			t.Errorf("%s changed and it is taken for the same", name)
		}
	}
	other := crd.DeepCopy()
	other.Labels, other.ResourceVersion, other.Spec.Versions[3].AdditionalPrinterColumns[0].Description = map[string]string{"a": "b"}, "9", "in metres"
	if !got.Equal(DefinitionOf(other)) {
		t.Error("what does not matter makes another kind")
	}
}

// TestFR1_15_TheVersionThatIsRead is the best one that both sides know.
func TestFR1_15_TheVersionThatIsRead(t *testing.T) {
	k := &Kind{GVR: schema.GroupVersionResource{Group: "g", Version: "v1", Resource: "things"}, Name: "Thing", Plural: "Things", Menu: MenuNetwork, Versions: []string{"v1", "v1beta1"}}
	for served, want := range map[string]string{"v1": "v1", "v2,v1beta1,v1": "v1", "v2,v1beta1": "v1beta1", "v2": "", "": ""} {
		d := &Definition{Group: "g", Resource: "things", Kind: "Thing"}
		for _, v := range strings.FieldsFunc(served, func(r rune) bool { return r == ',' }) {
			d.Served = append(d.Served, ServedVersion{Name: v})
		}
		at, ok := k.At(d)
		switch {
		case ok != (want != ""), ok && at.GVR.Version != want, ok && (at == k) != (want == "v1"):
			t.Errorf("of %s: %+v", served, at)
		case !ok:
			c := Custom(d, k)
			if served == "" {
				if c != nil {
					t.Errorf("what is not served is %+v", c)
				}
				continue
			}
			if c.GVR.Version != "v2" || c.Plural != "Things" || c.Menu != MenuNetwork || !slices.Equal(c.Known, k.Versions) || !slices.Equal(c.Served, []string{"v2"}) {
				t.Errorf("of %s: %+v", served, c)
			}
		}
	}
	if _, ok := (*Kind)(nil).At(&Definition{}); ok {
		t.Error("no descriptor reads something")
	}
}
