// Package kinds is the registry of what Tiga knows about each Kubernetes kind:
// its names, its columns, its status in words, its actions and what its detail
// page says. One file per API group; a new kind is one Define in that file.
package kinds

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
)

// Menus is the order of the sidebar.
func Menus() []Menu {
	return []Menu{MenuWorkloads, MenuNetwork, MenuConfig, MenuStorage, MenuCluster, MenuAccess}
}

// Action is something that can be done to an object beyond reading it; its
// title has the message id "action.<Action>".
type Action string

// The actions.
const (
	ActionScale   Action = "scale"
	ActionRestart Action = "restart"
	ActionDelete  Action = "delete"
)

// Column describes one column of a kind's list. Name and namespace are columns
// of every list and are not described. Its title has the message id
// "column.<ID>".
type Column struct {
	ID     string
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
	Actions    []Action

	status  func(runtime.Object) Status
	cells   func(runtime.Object) []Cell
	refs    func(runtime.Object) []Ref
	created func(runtime.Object) int64
	detail  func(runtime.Object, *Detail)
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
	Created func(*T) int64    // the instant that stands for the row's age, where that is not its creation
	Detail  func(*T, *Detail) // adds facts, conditions and containers
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
	for _, c := range columns {
		k.Columns = append(k.Columns, c.Column)
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
	k.status = func(runtime.Object) Status { return Status{} }
	if reads.Status != nil {
		k.status = func(o runtime.Object) Status { return reads.Status(typed(o)) }
	}
	k.refs = func(runtime.Object) []Ref { return nil }
	if reads.Refs != nil {
		k.refs = func(o runtime.Object) []Ref { return reads.Refs(typed(o)) }
	}
	if reads.Created != nil {
		k.created = func(o runtime.Object) int64 { return reads.Created(typed(o)) }
	}
	k.detail = func(runtime.Object, *Detail) {}
	if reads.Detail != nil {
		k.detail = func(o runtime.Object, d *Detail) { reads.Detail(typed(o), d) }
	}
	return &k
}

// Project makes the row of an object. It panics when the object is not of the
// kind or breaks its rules; whoever reads objects from a cluster recovers and
// shows Placeholder instead.
func (k *Kind) Project(obj runtime.Object) Row {
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
	if k.created != nil {
		row.Created = k.created(obj)
	}
	return row
}

// Placeholder is the row of an object of which only the metadata can be
// trusted: it stands in the list by name and says that it is unreadable.
func (k *Kind) Placeholder(obj runtime.Object) Row {
	row := Row{Status: unreadable}
	if o, ok := obj.(metav1.Object); ok {
		row = metadataOf(o)
	}
	row.Cells = make([]Cell, len(k.Columns))
	for i := range k.Columns {
		if k.Columns[i].Form == FormStatus {
			row.Cells[i] = StatusCell(row.Status)
		}
	}
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
func All() []*Kind { return slices.Concat(podKinds, appsKinds, clusterKinds, eventKinds) }

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
