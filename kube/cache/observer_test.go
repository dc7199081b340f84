package cache

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/history"
	"tiga/kube/kinds"
)

// witness notes what it is shown.
type witness struct {
	mu   sync.Mutex
	seen []string
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprintf(format, args...))
}

func (w *witness) Observes(k *kinds.Kind) bool { return k.ID() == "pods" }
func (w *witness) Begin(_ *kinds.Kind, ns string, at time.Time) {
	w.note("begin %q again=%v", ns, !at.IsZero())
}
func (w *witness) End(_ *kinds.Kind, ns string)  { w.note("end %q", ns) }
func (w *witness) Lost(_ *kinds.Kind, ns string) { w.note("lost %q", ns) }
func (w *witness) See(_ *kinds.Kind, _ string, obj runtime.Object, event history.Event) {
	w.note("%s %d", obj.(metav1.Object).GetName(), event)
}

// takes compares what was shown since the last look, in order where the script has one.
func (w *witness) takes(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) > 2 && strings.HasPrefix(w.seen[0], "begin") {
		begun := w.seen[0] // and again where the server does not stream the list
		w.seen = append([]string{begun}, slices.DeleteFunc(w.seen, func(s string) bool { return s == begun })...)
		slices.Sort(w.seen[1 : len(w.seen)-1]) // a list has no order
	}
	if diff := cmp.Diff(want, w.seen, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	w.seen = nil
}

// Whoever observes a kind sees each object once, told apart by how it came, with both ways of reading; the table of the
// kind is not released.
func TestObserver(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s, w := in.t, in.s, &witness{}
		s.set(pod("shop", "a-1"), pod("shop", "b-1"))
		tables := New(t.Context(), Config{Cluster: "one", Source: s, Observer: w})
		defer tables.Close()
		k, _ := kinds.Lookup("pods")
		tables.Touch(k)
		w.takes(t, `begin "" again=false`, "a-1 0", "b-1 0", `end ""`)
		s.set(pod("shop", "c-1"))
		s.set(pod("shop", "a-1"))
		s.remove("shop", "b-1")
		w.takes(t, "c-1 1", "a-1 2", "b-1 3")
		time.Sleep(time.Hour)
		w.takes(t)
		s.set(pod("shop", "c-1"))
		w.takes(t, "c-1 2") // nobody has used the table for an hour
		tables.Reread(k)
		time.Sleep(time.Minute)
		w.takes(t, `begin "" again=true`, "a-1 0", "c-1 0", `end ""`)
	})
}
