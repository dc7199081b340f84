package kube

import (
	"encoding/json"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/kinds"
)

// acceptTable asks for what kubectl prints, with the metadata of each object and nothing else of it.
const acceptTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// printedList reads a chunk of a list that came as a table.
func printedList(data []byte) (*kinds.PrintedList, error) {
	var table metav1.Table
	if err := json.Unmarshal(data, &table); err != nil || table.Kind != "Table" {
		return nil, errNotKubernetes
	}
	out := &kinds.PrintedList{ListMeta: table.ListMeta, Items: make([]kinds.Printed, 0, len(table.Rows))}
	for i := range table.Rows {
		p, err := printedRow(&table, &table.Rows[i])
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, *p)
	}
	return out, nil
}

func printedRow(table *metav1.Table, row *metav1.TableRow) (*kinds.Printed, error) {
	var partial metav1.PartialObjectMetadata
	if err := json.Unmarshal(row.Object.Raw, &partial); err != nil {
		return nil, fmt.Errorf("metadata of a table's row: %w", errNotKubernetes)
	}
	p := &kinds.Printed{ObjectMeta: partial.ObjectMeta, Cells: make(map[string]any, len(row.Cells))}
	for i, cell := range row.Cells {
		if i < len(table.ColumnDefinitions) {
			p.Cells[table.ColumnDefinitions[i].Name] = cell
		}
	}
	return p, nil
}

// printedWatch makes of a stream of tables a stream of their rows. The server names the columns in the first event only.
type printedWatch struct {
	watch.Interface
	out  chan watch.Event
	done chan struct{}
	once sync.Once

	columns []metav1.TableColumnDefinition // belongs to the goroutine
}

func newPrintedWatch(w watch.Interface) *printedWatch {
	p := &printedWatch{Interface: w, out: make(chan watch.Event), done: make(chan struct{})}
	go p.run()
	return p
}

// ResultChan implements watch.Interface.
func (p *printedWatch) ResultChan() <-chan watch.Event { return p.out }

// Stop implements watch.Interface. The goroutine ends whether or not anybody still reads.
func (p *printedWatch) Stop() {
	p.once.Do(func() { close(p.done) })
	p.Interface.Stop()
}

func (p *printedWatch) run() {
	defer close(p.out)
	for e := range p.Interface.ResultChan() {
		select {
		case p.out <- p.event(e):
		case <-p.done:
			return
		}
	}
}

// event is an event with the row of its table. A bookmark's table may have no row: then the version is the table's own.
// A row that cannot be read is an error, so that the list is read again instead of missing a change.
func (p *printedWatch) event(e watch.Event) watch.Event {
	table, ok := e.Object.(*metav1.Table)
	if !ok {
		return e // a Status
	}
	if len(table.ColumnDefinitions) > 0 {
		p.columns = table.ColumnDefinitions
	}
	table.ColumnDefinitions = p.columns
	row := &kinds.Printed{}
	if len(table.Rows) > 0 {
		var err error
		if row, err = printedRow(table, &table.Rows[0]); err != nil {
			return unreadableEvent(err)
		}
	}
	if row.ResourceVersion == "" {
		row.ResourceVersion = table.ResourceVersion
	}
	if row.Name == "" && e.Type != watch.Bookmark {
		return unreadableEvent(errNotKubernetes)
	}
	e.Object = row
	return e
}

func unreadableEvent(err error) watch.Event {
	return watch.Event{Type: watch.Error, Object: &apierrors.NewInternalError(err).ErrStatus}
}
