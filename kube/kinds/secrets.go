package kinds

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// secretKind is read as the server's table: the values of Secrets never arrive
// for a list. The detail page reads one whole Secret, whose values are marks by
// then, and shows their sizes.
var secretKind = DefinePrinted(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource("secrets"), Name: "Secret", Plural: "Secrets",
	Namespaced: true, Menu: MenuConfig, Facets: []string{"type"},
},
	Reads[Printed]{Refs: secretRefs, Detail: secretFacts},
	printSecret, secretDetail,
	ColumnOf[Printed]{Column{ID: "type", Form: FormName, Search: true}, func(p *Printed) Cell { return Name(p.text("Type")) }},
	ColumnOf[Printed]{Column{ID: "data", Form: FormNumber}, func(p *Printed) Cell { return Number(p.number("Data")) }},
	ColumnOf[Printed]{Column{ID: "age", Form: FormAge}, func(p *Printed) Cell { return Age(unix(p.CreationTimestamp)) }},
)

// text is a cell that the server prints as text.
func (p *Printed) text(column string) string {
	s, _ := p.Cells[column].(string)
	return s
}

// number is a cell that the server prints as a number, whichever way it was
// decoded.
func (p *Printed) number(column string) int64 {
	switch v := p.Cells[column].(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	default:
		return 0
	}
}

func printSecret(s *corev1.Secret) *Printed {
	return &Printed{TypeMeta: s.TypeMeta, ObjectMeta: s.ObjectMeta, Cells: map[string]any{"Type": string(s.Type), "Data": int64(len(s.Data))}}
}

// tokenOf is the ServiceAccount that a Secret is a token of.
func tokenOf(p *Printed) string {
	if p.text("Type") != string(corev1.SecretTypeServiceAccountToken) {
		return ""
	}
	return p.Annotations[corev1.ServiceAccountNameKey]
}

func secretRefs(p *Printed) []Ref {
	return addRef(nil, Ref{Kind: "serviceaccounts", Namespace: p.Namespace, Name: tokenOf(p), Via: "serviceAccount"})
}

func secretFacts(p *Printed, d *Detail) {
	d.add("type", Value{Cell: Name(p.text("Type"))})
	account := tokenOf(p)
	d.add("serviceaccounts", refValue(Name(account), "serviceaccounts", p.Namespace, account))
}

func secretDetail(s *corev1.Secret, d *Detail) {
	d.add("immutable", Value{Cell: marked(valueOf(s.Immutable, false))})
	d.add("finalizers", names(s.Finalizers)...)
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		d.Entries = append(d.Entries, Entry{Key: key, Size: secretSize(s.Data[key]), Hidden: true})
	}
}

// secretSize is the length of a value: what the mark that stands for it says,
// or the value's own.
func secretSize(value []byte) int {
	n, unit := 0, ""
	if len(value) < len("(1048576 bytes) ") { // a whole Secret is no larger
		if _, err := fmt.Sscanf(string(value), "(%d %s", &n, &unit); err == nil && (unit == "bytes)" || unit == "byte)") {
			return n
		}
	}
	return len(value)
}
