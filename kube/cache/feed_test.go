package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/access"
	"tiga/kube/kinds"
)

// bench is a table of pods over a script, inside a synctest bubble.
type bench struct {
	tb      testing.TB
	script  *script
	tables  *Tables
	kind    *kinds.Kind
	permit  access.Permit
	signals atomic.Int64
}

func newBench(tb testing.TB, s *script, edit ...func(*Config)) *bench {
	tb.Helper()
	b := &bench{tb: tb, script: s, kind: podKind(tb)}
	b.permit = permit(tb, "ann", b.kind)
	c := Config{Cluster: testCluster, Source: s, Notify: func(string) { b.signals.Add(1) }}
	for _, e := range edit {
		e(&c)
	}
	b.tables = New(context.Background(), c)
	return b
}

func (b *bench) query(edit ...func(*Query)) Page {
	b.tb.Helper()
	q := Query{Kind: b.kind}
	for _, e := range edit {
		e(&q)
	}
	page, err := b.tables.Query(b.tb.Context(), b.permit, q)
	if err != nil {
		b.tb.Fatal(err)
	}
	return page
}

func names(p Page) []string {
	out := make([]string, 0, len(p.Rows))
	for _, r := range p.Rows {
		out = append(out, r.Namespace+"/"+r.Name)
	}
	return out
}

func (b *bench) wantNames(want ...string) {
	b.tb.Helper()
	synctest.Wait()
	got := names(b.query(func(q *Query) { q.Sort = "namespace"; q.Wait = -1 }))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		b.tb.Errorf("rows (-want +got):\n%s", diff)
	}
}

func (b *bench) wantState(want State) Freshness {
	b.tb.Helper()
	synctest.Wait()
	f := b.tables.Freshness(b.kind)
	if f.State != want {
		b.tb.Errorf("state is %v (%v), want %v", f.State, f.Reason, want)
	}
	return f
}

// fixture is what a test in a bubble works with.
type fixture struct {
	t *testing.T
	s *script
}

// bubble runs a test in a bubble with both ways of reading a list. At its end
// synctest fails if a goroutine is left.
func bubble(t *testing.T, test func(in fixture)) {
	t.Helper()
	for name, noStream := range map[string]bool{"streamed": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript()
				s.noStream = noStream
				test(fixture{t, s})
			})
		})
	}
}

func TestListsThenFollowsEveryChange(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"), pod("b", "two"))
		b := newBench(t, s)
		defer b.tables.Close()
		if got := names(b.query()); !slices.Equal(got, []string{"a/one", "b/two"}) {
			t.Fatalf("first query has %v", got)
		}
		b.wantState(Live)
		before := b.signals.Load()
		s.set(pod("a", "three"))
		s.remove("b", "two")
		b.wantNames("a/one", "a/three")
		if b.signals.Load() == before {
			t.Error("a change was not signalled")
		}
	})
}

func TestFR3_3_UnusedTableIsReleasedAndTouchKeepsItWarm(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		for range 10 {
			time.Sleep(time.Minute)
			b.tables.Touch(b.kind)
		}
		synctest.Wait() // a watch that has just ended is opened again
		if _, _, open := s.count(); open != 1 {
			t.Fatalf("%d watches open while touched, want 1", open)
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if _, _, open := s.count(); open != 1 {
			t.Errorf("%d watches open after 4 minutes, want 1", open)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, _, open := s.count(); open != 0 {
			t.Errorf("%d watches open after 6 minutes without use, want 0", open)
		}
		if st := b.tables.Stats()[0]; st.Running || st.Rows != 0 {
			t.Errorf("stats say %+v, want a released table", st)
		}
		if got := b.query().Total; got != 1 {
			t.Errorf("%d rows after a new start, want 1", got)
		}
	})
}

func TestFR3_4_RefreshReadsAgainAndJoinsCallers(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"), pod("a", "gone"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		synctest.Wait()
		// A change that the watch does not report.
		s.with(func(s *script) {
			delete(s.objects, key{"a", "gone"})
			s.version++
		})
		b.wantNames("a/gone", "a/one")
		before := b.tables.Stats()[0].Relists
		done := make(chan error)
		for range 20 {
			go func() { done <- b.tables.Refresh(t.Context(), b.permit, b.kind) }()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		b.wantNames("a/one")
		b.wantState(Live)
		if n := b.tables.Stats()[0].Relists - before; n < 1 || n > 2 {
			t.Errorf("%d readings for 20 callers, want 1 or 2", n)
		}
	})
}

func TestRefreshOfAClosedTableReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := newBench(t, s, func(c *Config) { c.Source = hanging{s}; c.NoWatchList = true })
		done := make(chan error)
		go func() { done <- b.tables.Refresh(context.Background(), b.permit, b.kind) }()
		synctest.Wait()
		b.tables.Close()
		if err := <-done; err == nil {
			t.Error("refresh of a closed table says that it worked")
		}
	})
}

func TestFR0_10_HangingClusterHoldsAQueryOnlyForItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		b := newBench(t, s, func(c *Config) { c.Source = hanging{s}; c.NoWatchList = true })
		defer b.tables.Close()
		started := time.Now()
		page := b.query()
		if d := time.Since(started); d != 2*time.Second {
			t.Errorf("waited %v, want 2s", d)
		}
		if page.Freshness.State != Loading || page.Freshness.Synced {
			t.Errorf("freshness %+v, want loading", page.Freshness)
		}
		time.Sleep(time.Minute)
		b.wantState(Stale)
	})
}

type hanging struct{ *script }

func (h hanging) List(ctx context.Context, _ *kinds.Kind, _ string, _ metav1.ListOptions) (runtime.Object, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNamespaceLimitedCredentialHasATablePerNamespace(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"), pod("b", "two"), pod("c", "three"))
		refuse := func(ns string, _ metav1.ListOptions) error {
			if ns == "" || ns == "b" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
			}
			return nil
		}
		s.onList, s.onWatch = refuse, refuse
		limited := false
		b := newBench(t, s, func(c *Config) {
			c.Namespaces = func(*kinds.Kind) []string {
				if !limited { // learnt only when the cluster refuses the whole
					limited = true
					return nil
				}
				return []string{"a", "b", "c", "a"}
			}
		})
		defer b.tables.Close()
		b.query()
		synctest.Wait()
		b.wantNames("a/one", "c/three")
		page := b.query()
		if diff := cmp.Diff([]string{"a", "c"}, page.Namespaces); diff != "" {
			t.Errorf("namespaces shown (-want +got):\n%s", diff)
		}
		b.wantState(Live)
		s.set(pod("c", "four"))
		s.remove("a", "one")
		b.wantNames("c/four", "c/three")
		if err := b.tables.Refresh(t.Context(), b.permit, b.kind); !apierrors.IsForbidden(err) && err != nil {
			t.Errorf("refresh: %v", err)
		}
		b.wantNames("c/four", "c/three")
	})
}

func TestSecondViewerCostsNoRequest(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		for i := range 300 {
			s.set(pod("a", fmt.Sprintf("p-%03d", i)))
		}
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		synctest.Wait()
		lists, watches, _ := s.count()
		for _, sort := range []string{"name", "-age", "status", "restarts"} {
			b.query(func(q *Query) { q.Sort, q.Text, q.Page = sort, "p-1", 2 })
		}
		b.tables.Each(b.permit, b.kind, func(*kinds.Row) bool { return true })
		lists2, watches2, _ := s.count()
		if lists2 != lists || watches2 != watches {
			t.Errorf("further viewers cost %d lists and %d watches, want none", lists2-lists, watches2-watches)
		}
		if st := b.tables.Stats()[0]; st.Hits != 4 || st.Misses != 1 {
			t.Errorf("%d hits and %d misses, want 4 and 1", st.Hits, st.Misses)
		}
	})
}

func TestA29_RowsBeyondTheLimitAreCountedNotHeld(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		for i := range 30 {
			s.set(pod("a", fmt.Sprintf("p-%02d", i)))
		}
		b := newBench(t, s, func(c *Config) { c.MaxRows = 20 })
		defer b.tables.Close()
		if p := b.query(); p.Total != 20 || p.Dropped != 10 {
			t.Errorf("%d rows and %d dropped, want 20 and 10", p.Total, p.Dropped)
		}
		for namespace, want := range map[string]int{"a": 10, "b": 0} {
			if p := b.query(func(q *Query) { q.Namespaces = []string{namespace} }); p.Dropped != want {
				t.Errorf("%d of %s dropped, want %d", p.Dropped, namespace, want)
			}
		}
	})
}
