// Package kinds is the registry of what Tiga knows about each Kubernetes kind:
// its names, its columns, its status in words, its actions and what its detail
// page says. One file per API group; a new kind is one Define in that file.
package kinds

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Menu is the group of the sidebar that a kind stands in; its title has the
// message id "menu.<Menu>".
type Menu string

// The groups of the sidebar.
const (
	MenuWorkloads Menu = "workloads"
	MenuNetwork   Menu = "network"
	MenuConfig    Menu = "config"
	MenuStorage   Menu = "storage"
	MenuCluster   Menu = "cluster"
	MenuAccess    Menu = "access"
	MenuCustom    Menu = "custom" // kinds that no descriptor knows
)

// Menus is the order of the sidebar.
func Menus() []Menu {
	return []Menu{MenuWorkloads, MenuNetwork, MenuConfig, MenuStorage, MenuCluster, MenuAccess, MenuCustom}
}

// Column describes one column of a kind's list. Name and namespace are columns
// of every list and are not described. Its title has the message id
// "column.<ID>".
type Column struct {
	ID     string
	Title  string // words of the cluster for a custom kind's column, in place of the message
	Form   Form
	Hidden bool // only shown when the column chooser asks for it
	Search bool // plain words of the filter box are looked for in it
}

// Kind describes a kind. Its values are shared and never changed.
type Kind struct {
	GVR        schema.GroupVersionResource
	Name       string   // "Deployment"
	Plural     string   // "Deployments", the title of menu and page
	Short      []string // kubectl's short names
	Namespaced bool
	Menu       Menu
	Columns    []Column // filled by Define
	Subject    string   // the column that stands for the name in lists, where names say nothing (events); "" is the name
	Sort       string   // the column a list is sorted by when nothing is asked, "-" prefix for descending; "" is by name
	Facets     []string // columns whose values are counted over the list; "status" and, where namespaced, "namespace" come first
	Actions    []Action // in the order of their buttons; each stands where it would do something, see State. Define adds ActionDelete
	Join       *Join    // what another kind says about objects of this one; nil for most

	// Versions are the versions, preferred first, that the descriptor of a kind that comes by a CustomResourceDefinition
	// can read. Empty for built-in kinds, which are read at GVR's.
	Versions []string
	// Install is what brings the CustomResourceDefinition, "Gateway API"; empty for built-in kinds.
	Install string
	// Custom marks a kind that no descriptor knows: its columns are those of its definition.
	Custom bool
	// Served are the versions that the cluster serves of a custom kind, and Known those that the descriptor would have
	// needed, where there is one.
	Served, Known []string
	// Categories are kubectl's, for custom kinds.
	Categories []string
	// Fixed marks a kind whose objects can be read only: its server knows no other verbs.
	Fixed bool
	// Churns marks a kind whose objects controllers make and write as they work: changes of it that were made elsewhere
	// are not recorded, see Recorded.
	Churns bool

	status  func(runtime.Object) Status
	cells   func(runtime.Object) []Cell
	refs    func(runtime.Object) []Ref
	keep    func(runtime.Object) any
	created func(runtime.Object) int64
	state   func(runtime.Object) State
	later   func(runtime.Object) *Later
	detail  func(runtime.Object, *Detail)
	pods    func(runtime.Object) PodsOf
	print   func(runtime.Object) *Printed // what the server would print of a whole object; nil for all but Printed kinds
	dynamic bool
	printed bool
}

// PodsOf says which pods belong to an object: those that a label selector
// chooses in its namespace, all of its namespace, or those on a node. The zero
// PodsOf means none.
type PodsOf struct {
	Selector string // as kubectl get -l takes it
	Node     string
	All      bool // of the namespace: an empty selector, where that chooses everything
}

// Dynamic reports whether objects of the kind are read as unstructured ones.
func (k *Kind) Dynamic() bool { return k.dynamic }

// Printed reports whether lists of the kind are read as the server's tables,
// see Printed: what must not stay in memory then never arrives.
func (k *Kind) Printed() bool { return k.printed }

// Recorded reports whether changes of the kind's objects are recorded wherever they were made: whether people write what
// stands in them. Kinds that no descriptor knows are not: there may be hundreds.
func (k *Kind) Recorded() bool { return !k.Churns && !k.Fixed && !k.Custom }

// HasPods reports whether objects of the kind have pods of their own.
func (k *Kind) HasPods() bool { return k.pods != nil }

// Pods are the pods of an object. It never panics.
func (k *Kind) Pods(obj runtime.Object) (p PodsOf) {
	defer func() {
		if recover() != nil {
			p = PodsOf{}
		}
	}()
	if k.pods == nil {
		return PodsOf{}
	}
	return k.pods(obj)
}

// ID names the kind in URLs, topics and queries: "pods", "deployments.apps".
func (k *Kind) ID() string {
	if k.GVR.Group == "" {
		return k.GVR.Resource
	}
	return k.GVR.Resource + "." + k.GVR.Group
}

// GVK is the kind's group, version and kind.
func (k *Kind) GVK() schema.GroupVersionKind { return k.GVR.GroupVersion().WithKind(k.Name) }

// Column finds a column by its id.
func (k *Kind) Column(id string) (index int, ok bool) {
	for i := range k.Columns {
		if k.Columns[i].ID == id {
			return i, true
		}
	}
	return 0, false
}

// Can reports whether the kind has the action.
func (k *Kind) Can(a Action) bool {
	return slices.Contains(k.Actions, a)
}

// Reads are the functions that read a typed object beyond its columns. Each
// may be nil.
type Reads[T any] struct {
	Status  func(*T) Status
	Refs    func(*T) []Ref
	Keep    func(*T) any   // becomes Row.Kept
	Created func(*T) int64 // the instant that stands for the row's age, where that is not its creation
	State   func(*T) State
	Later   func(*T) *Later   // what the status becomes by time alone
	Detail  func(*T, *Detail) // adds facts, conditions, containers, tables and entries
	Pods    func(*T) PodsOf
}

// ColumnOf is a column with the function that reads its cell.
type ColumnOf[T any] struct {
	Column
	Cell func(*T) Cell
}

// Define makes a kind from its description, its reading functions and its
// columns. T is the Go type of one object, a typed one for built-in kinds.
func Define[T any](k Kind, reads Reads[T], columns ...ColumnOf[T]) *Kind {
	typed := func(o runtime.Object) *T { return any(o).(*T) } // a wrong type is a poison object, see Project
	switch any((*T)(nil)).(type) {
	case *unstructured.Unstructured:
		k.dynamic = true
		// All dynamic kinds share one Go type, so the object itself has to say that it is of this one.
		typed = func(o runtime.Object) *T {
			if got := o.GetObjectKind().GroupVersionKind().GroupKind(); got != k.GVK().GroupKind() {
				panic("a " + got.String() + " is no " + k.Name)
			}
			return any(o).(*T)
		}
	case *Printed:
		k.printed = true
	}
	for _, c := range columns {
		k.Columns = append(k.Columns, c.Column)
	}
	if !k.Fixed && !slices.Contains(k.Actions, ActionDelete) {
		k.Actions = append(slices.Clip(k.Actions), ActionDelete) // the last one, as it cannot be taken back
	}
	k.cells = func(o runtime.Object) []Cell {
		t := typed(o)
		cells := make([]Cell, len(columns))
		for i := range columns {
			if columns[i].Cell != nil {
				cells[i] = columns[i].Cell(t)
			}
		}
		return cells
	}
	k.status = func(o runtime.Object) Status { // a kind without a status can still be on its way out
		s, _ := terminating(o.(metav1.Object))
		return s
	}
	if reads.Status != nil {
		k.status = func(o runtime.Object) Status { return reads.Status(typed(o)) }
	}
	k.refs = func(runtime.Object) []Ref { return nil }
	if reads.Refs != nil {
		k.refs = func(o runtime.Object) []Ref { return reads.Refs(typed(o)) }
	}
	if reads.Keep != nil {
		k.keep = func(o runtime.Object) any { return reads.Keep(typed(o)) }
	}
	if reads.Created != nil {
		k.created = func(o runtime.Object) int64 { return reads.Created(typed(o)) }
	}
	if reads.State != nil {
		k.state = func(o runtime.Object) State { return reads.State(typed(o)) }
	}
	if reads.Later != nil {
		k.later = func(o runtime.Object) *Later { return reads.Later(typed(o)) }
	}
	k.detail = func(runtime.Object, *Detail) {}
	if reads.Detail != nil {
		k.detail = func(o runtime.Object, d *Detail) { reads.Detail(typed(o), d) }
	}
	if reads.Pods != nil {
		k.pods = func(o runtime.Object) PodsOf { return reads.Pods(typed(o)) }
	}
	return &k
}

// DefinePrinted makes a kind whose lists are read as the server's tables and
// whose objects are whole, of the Go type T, only on their detail page. Print
// makes of a whole object what the server prints of it, so that both have the
// same row; detail adds what only the whole object has.
func DefinePrinted[T any](k Kind, reads Reads[Printed], print func(*T) *Printed, detail func(*T, *Detail), columns ...ColumnOf[Printed]) *Kind {
	kind := Define(k, reads, columns...)
	printedDetail := kind.detail
	kind.print = func(o runtime.Object) *Printed {
		if p, ok := o.(*Printed); ok {
			return p
		}
		return print(any(o).(*T))
	}
	kind.detail = func(o runtime.Object, d *Detail) {
		printedDetail(kind.print(o), d)
		if t, ok := any(o).(*T); ok {
			detail(t, d)
		}
	}
	return kind
}

// Project makes the row of an object. It panics when the object is not of the
// kind or breaks its rules; whoever reads objects from a cluster recovers and
// shows Placeholder instead.
func (k *Kind) Project(obj runtime.Object) Row {
	if k.print != nil {
		obj = k.print(obj)
	}
	row := metadataOf(obj.(metav1.Object))
	row.Status = k.status(obj)
	row.Cells = k.cells(obj)
	for i := range k.Columns {
		// The status column repeats the status, so no kind writes it twice.
		if k.Columns[i].Form == FormStatus && row.Cells[i].Form != FormStatus {
			row.Cells[i] = StatusCell(row.Status)
		}
	}
	row.Refs = k.refs(obj)
	if k.keep != nil {
		row.Kept = k.keep(obj)
	}
	if k.created != nil {
		row.Created = k.created(obj)
	}
	if k.state != nil {
		row.State |= k.state(obj)
	}
	if k.later != nil {
		row.Later = k.later(obj)
	}
	return row
}

// Turns reports whether the status of the kind's objects can change by time alone. A kind with a Join has none such.
func (k *Kind) Turns() bool { return k.later != nil && k.Join == nil }

// Turn is a row as it is at an instant: with the status that has come about by time alone since it was made.
func (k *Kind) Turn(row Row, now time.Time) Row {
	if row.Later == nil || now.Unix() < row.Later.At {
		return row
	}
	row.Status, row.Later = row.Later.Status, nil
	row.Cells = slices.Clone(row.Cells)
	k.restate(&row)
	return row
}

// restate repeats the status in the column for it.
func (k *Kind) restate(row *Row) {
	for i := range k.Columns {
		if k.Columns[i].Form == FormStatus {
			row.Cells[i] = StatusCell(row.Status)
		}
	}
}

// Placeholder is the row of an object of which only the metadata can be
// trusted: it stands in the list by name and says that it is unreadable.
func (k *Kind) Placeholder(obj runtime.Object) Row {
	row := Row{Status: unreadable}
	if o, ok := obj.(metav1.Object); ok {
		row = metadataOf(o)
	}
	row.Cells = make([]Cell, len(k.Columns))
	k.restate(&row)
	return row
}

// Detail reads everything that the detail page says about an object. It never
// panics: an object that breaks the rules of its kind gives what its metadata
// says and a Problem.
func (k *Kind) Detail(obj runtime.Object) (d Detail) {
	defer func() {
		if p := recover(); p != nil {
			d.Row = k.Placeholder(obj)
			d.Problem = unreadable.Reason
		}
	}()
	d.Row = k.Project(obj)
	k.detail(obj, &d)
	return d
}

// Status is the status of a whole object, as its row would show it. It never
// panics.
func (k *Kind) Status(obj runtime.Object) Status { return k.Detail(obj).Row.Status }

// All lists every kind; its order is the order of the sidebar.
func All() []*Kind {
	return slices.Concat(
		podKinds, appsKinds, batchKinds, autoscalingKinds, policyKinds, seldomKinds,
		networkKinds, gatewayKinds,
		configKinds, storageKinds,
		clusterKinds, eventKinds, extensionKinds, admissionKinds, flowKinds,
		rbacKinds,
	)
}

// byID finds kinds by ID without walking All.
var byID = func() map[string]*Kind {
	m := make(map[string]*Kind)
	for _, k := range All() {
		m[k.ID()] = k
	}
	return m
}()

// Lookup finds a kind by its ID.
func Lookup(id string) (*Kind, bool) {
	k, ok := byID[id]
	return k, ok
}
