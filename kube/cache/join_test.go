package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/access"
	"tiga/kube/kinds"
)

// The kinds of these tests: books say by a label on which shelf they stand, and
// a shelf does not know by itself what stands on it.
func bookKind() *kinds.Kind {
	return kinds.Define(kinds.Kind{
		GVR: schema.GroupVersionResource{Version: "v1", Resource: "books"}, Name: "Book", Plural: "Books", Namespaced: true,
	}, kinds.Reads[corev1.Pod]{})
}

func shelfKind() *kinds.Kind {
	return kinds.Define(kinds.Kind{
		GVR: schema.GroupVersionResource{Version: "v1", Resource: "shelves"}, Name: "Shelf", Plural: "Shelves", Namespaced: true,
		Facets: []string{"status"},
		Join: &kinds.Join{
			From: "books",
			Key: func(book *kinds.Row) (namespace, name string) {
				name, _ = book.Label("shelf")
				return book.Namespace, name
			},
			Amend: func(_ *kinds.Kind, shelf *kinds.Row, books []*kinds.Row) {
				shelf.Status = kinds.Status{Word: fmt.Sprint(len(books), " books"), Tone: kinds.ToneOK}
				if len(books) == 0 {
					shelf.Status = kinds.Status{Word: "empty", Tone: kinds.ToneBad}
				}
			},
		},
	}, kinds.Reads[corev1.Pod]{Status: func(*corev1.Pod) kinds.Status { return kinds.Status{Word: "unknown"} }},
		kinds.ColumnOf[corev1.Pod]{Column: kinds.Column{ID: "status", Form: kinds.FormStatus}})
}

func shelf(namespace, name string) *corev1.Pod { return pod(namespace, name) }

func book(namespace, name, shelf string) *corev1.Pod {
	p := pod(namespace, name)
	p.Labels = map[string]string{"shelf": shelf}
	return p
}

// library is a cluster with both kinds, each of which can be held back.
type library struct {
	tb             testing.TB
	tables         *Tables
	shelves, books *script
	shelf, book    *kinds.Kind
	permit         access.Permit
	open           map[string]chan struct{} // by kind ID, closed once it answers
	made           atomic.Pointer[joint]    // of the shelves, for those who ask
	between        func()                   // called between two chunks of the shelves
	signals        map[string]*atomic.Int64
}

func newLibrary(tb testing.TB, noStream bool, edit ...func(*library, *Config)) *library {
	tb.Helper()
	l := &library{
		tb: tb, shelves: newScript(), books: newScript(), shelf: shelfKind(), book: bookKind(), open: map[string]chan struct{}{},
		signals: map[string]*atomic.Int64{"shelves": {}, "books": {}},
	}
	l.permit = permit(tb, "ann", l.shelf)
	l.shelves.noStream, l.books.noStream = noStream, noStream
	c := Config{
		Cluster: testCluster, Source: l, Notify: func(id string) { l.signals[id].Add(1) },
		Kind: func(id string) (*kinds.Kind, bool) { return l.book, id == "books" },
	}
	for _, e := range edit {
		e(l, &c)
	}
	l.tables = New(context.Background(), c)
	return l
}

func (l *library) of(ctx context.Context, k *kinds.Kind) (*script, error) {
	if gate := l.open[k.ID()]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if k.ID() == "books" {
		return l.books, nil
	}
	return l.shelves, nil
}

func (l *library) List(ctx context.Context, k *kinds.Kind, ns string, o metav1.ListOptions) (runtime.Object, error) {
	s, err := l.of(ctx, k)
	if err != nil {
		return nil, err
	}
	if s == l.shelves && o.Continue != "" && l.between != nil {
		l.between()
	}
	return s.List(ctx, k, ns, o)
}

func (l *library) Watch(ctx context.Context, k *kinds.Kind, ns string, o metav1.ListOptions) (watch.Interface, error) {
	s, err := l.of(ctx, k)
	if err != nil {
		return nil, err
	}
	return s.Watch(ctx, k, ns, o)
}

// ask is the list of shelves as it is at once, or as it is at first.
func (l *library) ask(wait time.Duration) map[string]string {
	l.tb.Helper()
	page, err := l.tables.Query(l.tb.Context(), l.permit, Query{Kind: l.shelf, Wait: wait})
	if err != nil {
		l.tb.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range page.Rows {
		out[r.Namespace+"/"+r.Name] = r.Status.Word
		if cell := r.Cells[0]; cell.Text != r.Status.Word || cell.Tone != r.Status.Tone {
			l.tb.Errorf("%s: the status is %v and its column %v", r.Name, r.Status, cell)
		}
	}
	return out
}

func (l *library) want(want map[string]string) {
	l.tb.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, l.ask(-1)); diff != "" {
		l.tb.Errorf("shelves (-want +got):\n%s", diff)
	}
}

func (l *library) table(id string) *table {
	l.tables.mu.Lock()
	defer l.tables.mu.Unlock()
	return l.tables.running[id]
}

// inLibrary runs a test in a bubble with both ways of reading a list.
func inLibrary(t *testing.T, test func(t *testing.T, noStream bool)) {
	t.Helper()
	for name, noStream := range map[string]bool{"streamed": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, noStream) })
		})
	}
}

func TestJoinedRowsAreAmendedInEitherOrderOfArrival(t *testing.T) {
	full := map[string]string{"a/one": "2 books", "a/two": "empty"}
	for name, late := range map[string]string{"books come later": "books", "shelves come later": "shelves", "at once": ""} {
		t.Run(name, func(t *testing.T) {
			inLibrary(t, func(t *testing.T, noStream bool) {
				gate := make(chan struct{})
				l := newLibrary(t, noStream, func(l *library, _ *Config) { l.open[late] = gate })
				defer l.tables.Close()
				l.shelves.set(shelf("a", "one"), shelf("a", "two"))
				l.books.set(book("a", "x", "one"), book("a", "y", "one"), book("a", "z", "nowhere"), book("b", "w", "two"))
				began := time.Now()
				first := l.ask(time.Second)
				switch late {
				case "":
					if diff := cmp.Diff(full, first); diff != "" || time.Since(began) > 0 {
						t.Errorf("first after %v (-want +got):\n%s", time.Since(began), diff)
					}
				case "books": // nothing is said of what is not known
					l.want(map[string]string{"a/one": "unknown", "a/two": "unknown"})
				case "shelves":
					l.want(map[string]string{})
				}
				before := l.signals["shelves"].Load()
				close(gate)
				l.want(full)
				if late != "" && l.signals["shelves"].Load() == before {
					t.Error("what the books say was not signalled")
				}
			})
		})
	}
}

// TestAChangeOfTheOtherKindIsOneGeneration: the row, its facet, its tally and its place in an order change together, and
// no other row does.
func TestAChangeOfTheOtherKindIsOneGeneration(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream)
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"), shelf("a", "two"), shelf("a", "three"))
		l.books.set(book("a", "x", "one"), book("a", "y", "two"), book("a", "z", "three"))
		l.ask(0)
		l.want(map[string]string{"a/one": "1 books", "a/two": "1 books", "a/three": "1 books"})
		tab := l.table("shelves")
		untouched, _ := tab.store.find("a", "three")
		gen, signals := tab.store.gen, l.signals["shelves"].Load()

		l.books.set(book("a", "x", "two")) // moves
		synctest.Wait()
		if got := tab.store.gen - gen; got != 1 {
			t.Errorf("%d generations, want 1", got)
		}
		if got := l.signals["shelves"].Load() - signals; got != 1 {
			t.Errorf("%d signals, want 1", got)
		}
		page, err := l.tables.Query(t.Context(), l.permit, Query{Kind: l.shelf, Sort: "status"})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(page); !slices.Equal(got, []string{"a/one", "a/three", "a/two"}) {
			t.Errorf("sorted by status: %v", got)
		}
		facet := map[string]int{}
		for _, f := range page.Facets {
			if f.ID == "status" {
				for _, v := range f.Values {
					facet[v.Value] = v.Count
				}
			}
		}
		if diff := cmp.Diff(map[string]int{"empty": 1, "1 books": 1, "2 books": 1}, facet); diff != "" {
			t.Errorf("facet (-want +got):\n%s", diff)
		}
		if got, want := l.tables.Tally(l.permit, l.shelf), (Tally{kinds.ToneOK: 2, kinds.ToneBad: 1}); got != want {
			t.Errorf("tally %v, want %v", got, want)
		}
		if now, _ := tab.store.find("a", "three"); now != untouched {
			t.Error("a row that nothing was said about was made anew")
		}
		if page, _ = l.tables.Query(t.Context(), l.permit, Query{Kind: l.shelf, Text: "empty"}); page.Matched != 1 {
			t.Errorf("%d rows found by their word, want 1", page.Matched)
		}

		gen = tab.store.gen
		l.books.set(book("a", "y", "two")) // says what it said
		synctest.Wait()
		if tab.store.gen != gen {
			t.Error("a change that changes no row made a generation")
		}
	})
}

// TestAFirstQueryWaitsForBothKinds, and for neither longer than it would for one.
func TestAFirstQueryWaitsForBothKinds(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		gate := make(chan struct{})
		l := newLibrary(t, noStream, func(l *library, _ *Config) { l.open["books"] = gate })
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"))
		time.AfterFunc(4*time.Second, func() { close(gate) })
		began := time.Now()
		if got := l.ask(time.Second); got["a/one"] != "unknown" || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), got)
		}
		// They have been waited for, and are not waited for again by everybody.
		if l.ask(time.Second); time.Since(began) != time.Second {
			t.Errorf("a second query has waited %v", time.Since(began)-time.Second)
		}
		if got := l.ask(10 * time.Second); got["a/one"] != "empty" || time.Since(began) != 4*time.Second {
			t.Errorf("after %v: %v", time.Since(began), got)
		}
	})
}

// TestRowsMadeAnewWhileTheirListIsReadStay: the reading has seen them, whoever has made them anew since.
func TestRowsMadeAnewWhileTheirListIsReadStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, true, func(_ *library, c *Config) { c.ChunkSize = 1 })
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"), shelf("a", "two"))
		l.ask(0)
		l.want(map[string]string{"a/one": "empty", "a/two": "empty"})
		l.between = func() {
			l.books.set(book("a", "x", "one"))
			synctest.Wait()
		}
		if err := l.tables.Refresh(t.Context(), l.permit, l.shelf); err != nil {
			t.Fatal(err)
		}
		l.want(map[string]string{"a/one": "1 books", "a/two": "empty"})
	})
}

func TestJoinedRowsFollowDeletion(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream)
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"), shelf("a", "two"))
		l.books.set(book("a", "x", "one"), book("a", "y", "two"))
		l.ask(0)
		l.books.remove("a", "x")
		l.want(map[string]string{"a/one": "empty", "a/two": "1 books"})
		l.shelves.remove("a", "two")
		l.books.set(book("a", "z", "two"))
		l.want(map[string]string{"a/one": "empty"})
		l.shelves.set(shelf("a", "two"), shelf("a", "one")) // back, and changed
		l.want(map[string]string{"a/one": "empty", "a/two": "2 books"})
		// A relist that finds the books gone and the shelves as they were.
		l.books.with(func(s *script) { delete(s.objects, key{"a", "y"}); s.version++ })
		for _, k := range []*kinds.Kind{l.book, l.shelf} {
			if err := l.tables.Refresh(t.Context(), permit(t, "ann", k), k); err != nil {
				t.Fatal(err)
			}
		}
		l.want(map[string]string{"a/one": "empty", "a/two": "1 books"})
		s := l.table("shelves").store
		l.shelves.remove("a", "one")
		l.shelves.remove("a", "two")
		synctest.Wait()
		if len(s.projected) != 0 || s.bytes != 0 || len(s.tallies) != 0 {
			t.Errorf("left of no rows: %d projected, %d bytes, tallies %v", len(s.projected), s.bytes, s.tallies)
		}
	})
}

func refuse(namespaces ...string) func(string, metav1.ListOptions) error {
	return func(ns string, _ metav1.ListOptions) error {
		if slices.Contains(namespaces, ns) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "books"}, "", errors.New("no"))
		}
		return nil
	}
}

// TestWhatMayNotBeReadIsNotTakenForNothing: without the right to the other kind rows are as projected, and when it is
// taken away they become so without a moment in which they say that nothing is there.
func TestWhatMayNotBeReadIsNotTakenForNothing(t *testing.T) {
	errs := map[string]func(string, metav1.ListOptions) error{
		"forbidden": refuse(""),
		"absent": func(string, metav1.ListOptions) error {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "books"}, "")
		},
	}
	for name, refused := range errs {
		t.Run(name, func(t *testing.T) {
			inLibrary(t, func(t *testing.T, noStream bool) {
				var shelves atomic.Pointer[table]
				var lie atomic.Bool
				l := newLibrary(t, noStream, func(l *library, c *Config) {
					notify := c.Notify
					c.Notify = func(id string) {
						notify(id)
						if tab := shelves.Load(); tab != nil {
							row, ok := tab.store.find("a", "one")
							lie.Store(lie.Load() || ok && row.Status.Word == "empty")
						}
					}
				})
				defer l.tables.Close()
				l.shelves.set(shelf("a", "one"))
				l.books.set(book("a", "x", "one"))
				l.books.onList, l.books.onWatch = refused, refused
				l.ask(0)
				l.want(map[string]string{"a/one": "unknown"})

				l.books.with(func(s *script) { s.onList, s.onWatch = nil, nil })
				l.tables.Wake()
				l.want(map[string]string{"a/one": "1 books"})

				shelves.Store(l.table("shelves"))
				l.books.with(func(s *script) { s.onList, s.onWatch = refused, refused })
				_ = l.tables.Refresh(t.Context(), permit(t, "ann", l.book), l.book)
				l.want(map[string]string{"a/one": "unknown"})
				l.shelves.set(shelf("a", "one"), shelf("a", "two"))
				l.want(map[string]string{"a/one": "unknown", "a/two": "unknown"})
				if lie.Load() {
					t.Error("for a moment the shelf was empty")
				}
			})
		})
	}
}

// TestJoinWithSomeNamespaces: what is known of one namespace says nothing about another.
func TestJoinWithSomeNamespaces(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream, func(_ *library, c *Config) {
			c.Namespaces = func(k *kinds.Kind) []string {
				if k.ID() == "books" {
					return []string{"a", "b"}
				}
				return nil
			}
		})
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"), shelf("b", "two"), shelf("c", "three"))
		l.books.set(book("b", "x", "two"))
		l.books.onList, l.books.onWatch = refuse("", "b"), refuse("", "b")
		l.ask(0)
		l.want(map[string]string{"a/one": "empty", "b/two": "unknown", "c/three": "unknown"})
		l.books.with(func(s *script) { s.onList, s.onWatch = nil, nil })
		l.tables.Wake()
		l.want(map[string]string{"a/one": "empty", "b/two": "1 books", "c/three": "unknown"})
	})
}

// TestLosingTheWholeKeepsTheParts: a credential that is cut down to some namespaces goes on to say what it knows of them.
func TestLosingTheWholeKeepsTheParts(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		var limited, lie atomic.Bool
		var shelves atomic.Pointer[table]
		l := newLibrary(t, noStream, func(_ *library, c *Config) {
			c.Notify = func(string) {
				if tab := shelves.Load(); tab != nil {
					row, _ := tab.store.find("a", "one")
					lie.Store(lie.Load() || row.Status.Word == "empty")
				}
			}
			c.Namespaces = func(*kinds.Kind) []string {
				if limited.Load() {
					return []string{"a"}
				}
				return nil
			}
		})
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"), shelf("b", "two"))
		l.books.set(book("a", "x", "one"))
		l.ask(0)
		l.want(map[string]string{"a/one": "1 books", "b/two": "empty"})
		limited.Store(true)
		shelves.Store(l.table("shelves"))
		l.books.with(func(s *script) { s.onList, s.onWatch = refuse(""), refuse("") })
		_ = l.tables.Refresh(t.Context(), permit(t, "ann", l.book), l.book)
		l.want(map[string]string{"a/one": "1 books", "b/two": "unknown"})
		if lie.Load() {
			t.Error("for a moment the shelf was empty")
		}
	})
}

func TestTheOtherKindIsKeptWarmAndReleasedWithTheJoined(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream)
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"))
		l.books.set(book("a", "x", "one"))
		l.ask(0)
		for range 10 {
			time.Sleep(time.Minute)
			l.tables.Touch(l.shelf)
		}
		synctest.Wait()
		if _, watches, open := l.books.count(); open != 1 {
			t.Fatalf("%d watches of books are open after %d, want 1", open, watches)
		}
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if l.table("books") != nil || l.table("shelves") != nil {
			t.Error("tables run that nobody uses")
		}
		l.books.set(book("a", "y", "one"))
		if diff := cmp.Diff(map[string]string{"a/one": "2 books"}, l.ask(0)); diff != "" {
			t.Errorf("after a new start (-want +got):\n%s", diff)
		}
		// Of books alone nobody but their own list is told.
		l.tables.Drop("shelves")
		l.tables.Touch(l.book)
		signals := l.signals["shelves"].Load()
		l.books.set(book("a", "z", "one"))
		synctest.Wait()
		books := l.table("books")
		if len(books.heard()) != 0 || len(books.store.indexes) != 0 || l.signals["shelves"].Load() != signals {
			t.Error("books still tell shelves that nobody looks at")
		}
		if diff := cmp.Diff(map[string]string{"a/one": "3 books"}, l.ask(0)); diff != "" {
			t.Errorf("with books that are there already (-want +got):\n%s", diff)
		}
	})
}

// TestTheOtherKindMayGoAndComeBack: what the cluster no longer serves, or serves in another version, is not believed.
func TestTheOtherKindMayGoAndComeBack(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		var gone atomic.Bool
		l := newLibrary(t, noStream, func(_ *library, c *Config) {
			find := c.Kind
			c.Kind = func(id string) (*kinds.Kind, bool) {
				k, ok := find(id)
				return k, ok && !gone.Load()
			}
		})
		defer l.tables.Close()
		l.shelves.set(shelf("a", "one"))
		l.books.set(book("a", "x", "one"))
		l.ask(0)
		l.want(map[string]string{"a/one": "1 books"})
		before := l.signals["shelves"].Load()
		gone.Store(true)
		l.tables.Drop("books")
		if l.signals["shelves"].Load() == before {
			t.Error("nobody was told")
		}
		l.want(map[string]string{"a/one": "unknown"})
		if l.table("books") != nil {
			t.Error("a table runs of a kind that is not served")
		}
		gone.Store(false)
		l.ask(-1)
		l.want(map[string]string{"a/one": "1 books"})
		l.book = bookKind()
		l.ask(-1)
		l.books.remove("a", "x")
		l.want(map[string]string{"a/one": "empty"})
	})
}

func TestAWholeObjectHasTheRowOfItsList(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		gate := make(chan struct{})
		l := newLibrary(t, noStream, func(l *library, _ *Config) { l.open["books"] = gate })
		defer l.tables.Close()
		l.books.set(book("a", "x", "one"))
		row := l.shelf.Project(shelf("a", "one"))
		if got := l.tables.Amend(l.shelf, row); got.Status.Word != "unknown" {
			t.Errorf("before anything is known: %q", got.Status.Word)
		}
		close(gate)
		synctest.Wait()
		if got := l.tables.Amend(l.shelf, row); got.Status.Word != "1 books" || got.Cells[0].Text != "1 books" {
			t.Errorf("once it is known: %+v", got)
		}
		if row.Cells[0].Text != "unknown" {
			t.Error("the row that was handed in has been changed")
		}
		if got := l.tables.Amend(l.book, row); !cmp.Equal(got, row) || len(l.tables.Stats()) != 2 {
			t.Errorf("a kind about which no other speaks: %+v", got)
		}
	})
}

func TestAnAmendmentThatBreaksChangesNothing(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream)
		defer l.tables.Close()
		amend := l.shelf.Join.Amend
		l.shelf.Join.Amend = func(k *kinds.Kind, shelf *kinds.Row, books []*kinds.Row) {
			if amend(k, shelf, books); shelf.Name == "broken" {
				panic("a rule is broken")
			}
		}
		l.shelves.set(shelf("a", "broken"), shelf("a", "one"))
		l.ask(0)
		l.want(map[string]string{"a/broken": "unknown", "a/one": "empty"})
	})
}

// TestJoinWhileBothKindsChange: whatever meets whatever, in the end every row says what is.
func TestJoinWhileBothKindsChange(t *testing.T) {
	inLibrary(t, func(t *testing.T, noStream bool) {
		l := newLibrary(t, noStream, func(_ *library, c *Config) { c.ChunkSize = 7 })
		defer l.tables.Close()
		amend := l.shelf.Join.Amend
		l.shelf.Join.Amend = func(k *kinds.Kind, shelf *kinds.Row, books []*kinds.Row) {
			if j := l.made.Load(); j != nil && j.mu.TryLock() {
				j.mu.Unlock()
				t.Error("a row is made while another may be put in")
			}
			amend(k, shelf, books)
		}
		l.tables.Touch(l.shelf)
		l.made.Store(l.table("shelves").joint)
		const rounds, shelves, books = 60, 12, 40
		name := func(what string, n int) string { return fmt.Sprintf("%s-%02d", what, n) }
		var writers, readers sync.WaitGroup
		writers.Go(func() {
			for i := range rounds {
				n := i * 5 % shelves
				if i > shelves && i%3 == 0 {
					n = i % 4
					l.shelves.set(shelf("a", name("shelf", n)))
					l.shelves.remove("a", name("shelf", n))
				}
				l.shelves.set(shelf("a", name("shelf", n)))
			}
		})
		writers.Go(func() {
			for i := range 5 * rounds {
				l.books.set(book("a", name("book", i*7%books), name("shelf", i*i%shelves)))
				if i%50 == 49 {
					l.books.compact()
				}
			}
		})
		writers.Go(func() {
			for range 5 {
				_ = l.tables.Refresh(t.Context(), permit(t, "ann", l.book), l.book)
				_ = l.tables.Refresh(t.Context(), l.permit, l.shelf)
				l.tables.Drop("books")
				l.tables.Touch(l.shelf)
			}
		})
		stop := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					for name, word := range l.ask(-1) {
						if word == "" || strings.HasPrefix(word, "0") {
							t.Errorf("%s says %q", name, word)
						}
					}
				}
			})
		}
		writers.Wait()
		close(stop)
		readers.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()

		count := map[string]int{}
		for _, b := range l.books.objects {
			count[b.Labels["shelf"]]++
		}
		want := map[string]string{}
		for k := range l.shelves.objects {
			want["a/"+k.name] = "empty"
			if n := count[k.name]; n > 0 {
				want["a/"+k.name] = fmt.Sprint(n, " books")
			}
		}
		if len(want) < 5 || len(slices.Compact(slices.Sorted(maps.Values(want)))) < 3 {
			t.Fatalf("nothing to compare: %v", want)
		}
		l.want(want)
		s := l.table("shelves").store
		tallies := map[string]Tally{}
		for namespace, n := range s.tallies {
			tallies[namespace] = *n
		}
		if diff := cmp.Diff(recount(s), tallies); diff != "" {
			t.Errorf("tallies (-want +got):\n%s", diff)
		}
		var bytes int64
		for k, e := range s.rows {
			bytes += int64(e.size)
			if p := s.projected[k]; p != nil {
				bytes += int64(p.size)
			}
		}
		if bytes != s.bytes {
			t.Errorf("%d bytes counted, %d are there", s.bytes, bytes)
		}
	})
}
