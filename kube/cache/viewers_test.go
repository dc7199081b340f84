package cache

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/kinds"
)

// Two hundred viewers with different rights read while everything changes: no
// answer may have a row that its reader may not see, be out of order or have a
// row twice, and at the end the table is exactly what the cluster is.
func TestA11_F13_ManyViewersUnderChanges(t *testing.T) {
	const pods, changes, viewers = 1000, 3000, 200
	tables, f := warm(t, pods)
	kind := podKind(t)
	ann := permit(t, "ann", kind)
	limited := namespaceReader(t, "team-7")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for v := range viewers {
		wg.Go(func() {
			by := []string{"name", "restarts", "-node", "status", "-age", "namespace"}[v%6]
			o, _ := orderOf(kind, by)
			p, own := ann, ""
			if v%2 == 1 {
				p, own = limited, "team-7"
			}
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := tables.Query(t.Context(), p, Query{Kind: kind, Sort: by, Text: []string{"", "service"}[v%2], Size: 1000})
				if err != nil {
					t.Error(err)
					return
				}
				if want := pods; own == "" && page.Total != want {
					t.Errorf("%d rows of %d", page.Total, want)
				}
				for i, r := range page.Rows {
					if own != "" && r.Namespace != own {
						t.Errorf("a reader of %s sees %s/%s", own, r.Namespace, r.Name)
					}
					if i > 0 && o.compare(kind, &entry{row: *page.Rows[i-1]}, &entry{row: *r}) >= 0 {
						t.Errorf("by %s: %s before %s", by, page.Rows[i-1].Name, r.Name)
					}
				}
				time.Sleep(time.Millisecond) // leaves the two cores of a small machine to the writer
			}
		})
	}
	last := make(map[int]string)
	for n := range changes {
		i, version := rand.IntN(pods), 10+n
		p := realistic(i, version)
		p.Spec.NodeName = "node-" + strconv.Itoa(rand.IntN(50))
		last[i] = p.Spec.NodeName
		f.event <- watch.Event{Type: watch.Modified, Object: p}
	}
	end := realistic(pods-1, 10+changes)
	end.Spec.NodeName = "node-last"
	last[pods-1] = "node-last"
	f.event <- watch.Event{Type: watch.Modified, Object: end}
	column, _ := kind.Column("node")
	deadline := time.After(time.Minute)
	for applied := false; !applied; {
		select {
		case <-deadline:
			t.Fatal("the last change did not arrive within a minute")
		case <-time.After(time.Millisecond):
			row, ok := tables.Row(ann, kind, end.Namespace, end.Name)
			applied = ok && row.Cells[column].Text == "node-last"
		}
	}
	close(done)
	wg.Wait()
	seen := 0
	tables.Each(ann, kind, func(*kinds.Row) bool { seen++; return true })
	if seen != pods {
		t.Errorf("%d rows at the end, want %d", seen, pods)
	}
	for i, node := range last {
		p := realistic(i, 0)
		if row, _ := tables.Row(ann, kind, p.Namespace, p.Name); row.Cells[column].Text != node {
			t.Errorf("%s is on %s, want %s", p.Name, row.Cells[column].Text, node)
		}
	}
}
