package kinds

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/jsonpath"
)

// Definition is what a cluster says of a kind that it serves: what is kept of
// a CustomResourceDefinition, or what discovery knows where definitions may
// not be read.
type Definition struct {
	Group, Resource, Kind  string
	Short, Categories      []string
	Namespaced             bool
	Served                 []ServedVersion // the API's order of preference
	Scaled, Defined, Ready bool            // has a scale subresource; is by a CustomResourceDefinition; accepts objects
	Fixed                  bool            // objects can be read, but not be made, changed and deleted
}

// ServedVersion is one version that a cluster serves a kind at.
type ServedVersion struct {
	Name       string
	Deprecated bool
	Printed    []PrinterColumn
	HasStatus  bool // its schema knows status.conditions, status.phase or status.state
}

// PrinterColumn is one of a version's additionalPrinterColumns.
type PrinterColumn struct {
	Name, Type, Path string
	Wide             bool // only shown on demand: a priority above 0
}

// ID names the kind, as Kind.ID does.
func (d *Definition) ID() string {
	return schema.GroupResource{Group: d.Group, Resource: d.Resource}.String()
}

// Equal reports whether two definitions make the same kind.
func (d *Definition) Equal(o *Definition) bool {
	return d.Group == o.Group && d.Resource == o.Resource && d.Kind == o.Kind && d.Namespaced == o.Namespaced &&
		d.Scaled == o.Scaled && d.Defined == o.Defined && d.Ready == o.Ready && d.Fixed == o.Fixed &&
		slices.Equal(d.Short, o.Short) && slices.Equal(d.Categories, o.Categories) &&
		slices.EqualFunc(d.Served, o.Served, func(a, b ServedVersion) bool {
			return a.Name == b.Name && a.Deprecated == b.Deprecated && a.HasStatus == b.HasStatus && slices.Equal(a.Printed, b.Printed)
		})
}

// DefinitionOf keeps of a CustomResourceDefinition what its kind needs.
func DefinitionOf(crd *apiextensionsv1.CustomResourceDefinition) *Definition {
	d := &Definition{
		Group: crd.Spec.Group, Resource: crd.Spec.Names.Plural, Kind: crd.Spec.Names.Kind, Defined: true,
		Short: crd.Spec.Names.ShortNames, Categories: crd.Spec.Names.Categories, Namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
	}
	for i := range crd.Status.Conditions {
		if c := &crd.Status.Conditions[i]; c.Type == apiextensionsv1.Established {
			d.Ready = c.Status == apiextensionsv1.ConditionTrue
		}
	}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if !v.Served {
			continue
		}
		s := ServedVersion{Name: v.Name, Deprecated: v.Deprecated, HasStatus: hasStatus(v)}
		for _, c := range v.AdditionalPrinterColumns {
			s.Printed = append(s.Printed, PrinterColumn{Name: c.Name, Type: c.Type, Path: c.JSONPath, Wide: c.Priority > 0})
		}
		d.Served = append(d.Served, s)
		d.Scaled = d.Scaled || v.Subresources != nil && v.Subresources.Scale != nil
	}
	slices.SortStableFunc(d.Served, func(a, b ServedVersion) int { return compareVersions(b.Name, a.Name) })
	return d
}

// hasStatus reports whether objects of the version can say how they are. A
// schema that says nothing may hold anything.
func hasStatus(v *apiextensionsv1.CustomResourceDefinitionVersion) bool {
	if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
		return true
	}
	root := v.Schema.OpenAPIV3Schema
	status, ok := root.Properties["status"]
	if !ok {
		return root.XPreserveUnknownFields != nil && *root.XPreserveUnknownFields
	}
	if status.XPreserveUnknownFields != nil && *status.XPreserveUnknownFields {
		return true
	}
	for _, field := range []string{"conditions", "phase", "state"} {
		if _, ok := status.Properties[field]; ok {
			return true
		}
	}
	return false
}

// version finds a served version by name.
func (d *Definition) version(name string) (ServedVersion, bool) {
	i := slices.IndexFunc(d.Served, func(v ServedVersion) bool { return v.Name == name })
	if i < 0 {
		return ServedVersion{}, false
	}
	return d.Served[i], true
}

// At is the kind that a definition stands for in its cluster: k itself at the
// best version that it can read, or false where none is served that it knows.
// A nil k is a kind without a descriptor, and always false.
func (k *Kind) At(d *Definition) (*Kind, bool) {
	if k == nil {
		return nil, false
	}
	known := k.Versions
	if len(known) == 0 {
		known = []string{k.GVR.Version}
	}
	for _, v := range known {
		if _, ok := d.version(v); !ok {
			continue
		}
		if v == k.GVR.Version {
			return k, true
		}
		copied := *k
		copied.GVR.Version = v
		return &copied, true
	}
	return nil, false
}

// Custom makes a kind of a definition alone: its columns are the printer
// columns of the version that the API prefers, as kubectl shows them, after a
// status that is read from what conditions and phases customarily mean. known
// is the descriptor that can read none of the versions, nil if there is none;
// the kind then stands where the descriptor would.
func Custom(d *Definition, known *Kind) *Kind {
	if len(d.Served) == 0 {
		return nil
	}
	v := d.Served[0]
	k := Kind{
		GVR:  schema.GroupVersionResource{Group: d.Group, Version: v.Name, Resource: d.Resource},
		Name: d.Kind, Plural: d.Kind, Short: d.Short, Categories: d.Categories, Namespaced: d.Namespaced,
		Menu: MenuCustom, Custom: true, Fixed: d.Fixed,
	}
	if known != nil {
		k.Plural, k.Menu, k.Known = known.Plural, known.Menu, known.Versions
		if len(k.Known) == 0 {
			k.Known = []string{known.GVR.Version}
		}
	}
	for i := range d.Served {
		k.Served = append(k.Served, d.Served[i].Name)
	}
	columns := customColumns(v)
	for _, c := range columns {
		if c.Form == FormStatus {
			k.Facets = []string{c.ID}
		}
	}
	return Define(k, Reads[unstructured.Unstructured]{Status: customStatus, Detail: customDetail}, columns...)
}

// The ids of columns that a list has without a printer column.
const (
	columnStatus = "status"
	columnAge    = "age"
)

func customColumns(v ServedVersion) []ColumnOf[unstructured.Unstructured] {
	var out []ColumnOf[unstructured.Unstructured]
	if v.HasStatus {
		out = append(out, ColumnOf[unstructured.Unstructured]{Column{ID: columnStatus, Form: FormStatus}, nil})
	}
	taken := map[string]bool{"name": true, "namespace": true, "ns": true, columnStatus: true, columnAge: true}
	for i, p := range v.Printed {
		if plainPath(p.Path) == "metadata.creationTimestamp" {
			continue // the age that every list has
		}
		id := cmp.Or(columnID(p.Name), "column")
		for n, first := i+1, id; taken[id]; n++ {
			id = first + "-" + strconv.Itoa(n)
		}
		taken[id] = true
		form := printerForm(p.Type)
		out = append(out, ColumnOf[unstructured.Unstructured]{
			Column{ID: id, Title: cmp.Or(p.Name, id), Form: form, Hidden: p.Wide, Search: form == FormText},
			printerCell(p),
		})
	}
	return append(out, ColumnOf[unstructured.Unstructured]{
		Column{ID: columnAge, Form: FormAge},
		func(u *unstructured.Unstructured) Cell { return Age(unix(u.GetCreationTimestamp())) },
	})
}

// columnID is what a printer column is called in addresses and filters.
func columnID(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, name), "-")
}

func printerForm(kind string) Form {
	switch kind {
	case "integer", "number":
		return FormNumber
	case "date":
		return FormAge
	default:
		return FormText
	}
}

// plainPath is a JSONPath without its leading dot, if it is nothing but names
// with dots between them; "" otherwise.
func plainPath(path string) string {
	p, ok := strings.CutPrefix(path, ".")
	if !ok || p == "" || strings.ContainsAny(p, "[]{}()'\"\\*?@$, \t\r\n") || strings.Contains(path, "..") {
		return ""
	}
	return p
}

// A path of a few bytes can ask for more than a machine can do: each union
// multiplies what it finds, and each recursion visits everything below
// everything. Nobody's columns need so much.
const (
	pathLimit      = 1024
	unionsLimit    = 4 // commas
	recursionLimit = 1
)

// parsePath reads a JSONPath as the API server does. It is false for what
// cannot be parsed, and for what asks for too much.
func parsePath(p PrinterColumn) (*jsonpath.JSONPath, bool) {
	if len(p.Path) > pathLimit || strings.Count(p.Path, ",") > unionsLimit || strings.Count(p.Path, "..") > recursionLimit {
		return nil, false
	}
	path := jsonpath.New(p.Name).AllowMissingKeys(true)
	return path, path.Parse("{"+p.Path+"}") == nil
}

// printerCell reads what the API server would print. Most paths are names with
// dots; the rest is the API server's own library, whose values keep state and
// are therefore used one at a time.
func printerCell(p PrinterColumn) func(*unstructured.Unstructured) Cell {
	if plain := plainPath(p.Path); plain != "" {
		fields := strings.Split(plain, ".")
		return func(u *unstructured.Unstructured) Cell {
			v, found, err := unstructured.NestedFieldNoCopy(u.Object, fields...)
			if err != nil || !found {
				return Cell{}
			}
			return printed(v, p.Type)
		}
	}
	path, ok := parsePath(p)
	if !ok {
		broken := Cell{Note: Message{ID: "custom.badpath"}, Tone: ToneWarn}
		return func(*unstructured.Unstructured) Cell { return broken }
	}
	var mu sync.Mutex
	return func(u *unstructured.Unstructured) (cell Cell) {
		mu.Lock()
		defer mu.Unlock()
		done := false
		defer func() {
			if !done || strings.Contains(p.Path, "{") { // what an error or a range leaves behind would spoil the next one
				path, _ = parsePath(p)
			}
			if recover() != nil {
				cell = Cell{}
			}
		}()
		results, err := path.FindResults(u.Object)
		done = err == nil
		if err != nil || len(results) == 0 || len(results[0]) == 0 || !results[0][0].IsValid() || !results[0][0].CanInterface() {
			return Cell{} // nothing is printed there by the API server either
		}
		return printed(results[0][0].Interface(), p.Type)
	}
}

// printed is a value of JSON as a cell of a printer column's type.
func printed(v any, kind string) Cell {
	switch kind {
	case "date":
		s, ok := v.(string)
		at, err := time.Parse(time.RFC3339, s)
		if ok && s != "" && err != nil {
			return Text("<invalid>") // kubectl's word
		}
		if err != nil || at.IsZero() {
			return Cell{}
		}
		return Age(at.Unix())
	case "integer", "number":
		var n float64
		switch x := v.(type) {
		case int64:
			n = float64(x)
			if x > exact || x < -exact {
				return Cell{Num: n, Form: FormNumber, Text: strconv.FormatInt(x, 10)}
			}
		case float64:
			n = x
		default:
			return Cell{}
		}
		if math.IsInf(n, 0) || math.IsNaN(n) {
			return Cell{}
		}
		if kind == "integer" {
			n = math.Trunc(n)
		}
		return Cell{Num: n, Form: FormNumber}
	case "boolean":
		if b, ok := v.(bool); ok {
			return Text(strconv.FormatBool(b))
		}
		return Cell{}
	default:
		return Text(short(jsonText(v)))
	}
}

// exact is the end of the integers that a float64 holds without loss. The cell of one beyond has its digits as its text.
const exact = 1 << 53

// jsonText is a value of JSON as kubectl prints it.
func jsonText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []any, map[string]any:
		return compactJSON(x)
	default:
		return ""
	}
}
