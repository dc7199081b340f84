package kinds

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// types are the Go types of the kinds that are not read as unstructured
// objects: those of client-go, and CustomResourceDefinitions.
var types = func() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, metav1.AddMetaToScheme} {
		if err := add(s); err != nil {
			panic(err) // two types of one name: a mistake in this list
		}
	}
	return s
}()

// Types is the scheme of every kind that is read into a Go type.
func Types() *runtime.Scheme { return types }

// Printed is an object of which only the metadata and what the server prints
// of it is known: one row of its table.
type Printed struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	Cells map[string]any // by the server's name of the column, "Type"
}

// DeepCopyObject implements runtime.Object.
func (p *Printed) DeepCopyObject() runtime.Object {
	out := &Printed{TypeMeta: p.TypeMeta, Cells: make(map[string]any, len(p.Cells))}
	p.DeepCopyInto(&out.ObjectMeta)
	for k, v := range p.Cells {
		out.Cells[k] = runtime.DeepCopyJSONValue(v)
	}
	return out
}

// PrintedList is a chunk of a list of them.
type PrintedList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Printed
}

// DeepCopyObject implements runtime.Object.
func (l *PrintedList) DeepCopyObject() runtime.Object {
	out := &PrintedList{TypeMeta: l.TypeMeta, ListMeta: *l.DeepCopy(), Items: make([]Printed, len(l.Items))}
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*Printed) //nolint:forcetypeassert // its own type
	}
	return out
}
