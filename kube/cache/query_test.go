package cache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/kube/kinds"
)

// filled is a table with the pods, inside a bubble.
func filled(t *testing.T, pods []*corev1.Pod, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.set(pods...)
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		synctest.Wait()
		test(b)
	})
}

func shop() []*corev1.Pod {
	web := pod("a", "web-1")
	web.Status.PodIP = "10.1.2.3"
	web.Labels["tier"] = "front"
	crash := pod("a", "web-2")
	crash.Labels["tier"] = "front"
	crash.Spec.NodeName = "node-2"
	crash.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "main", RestartCount: 41, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
	}}
	old := pod("b", "Api:X-1") // names of some kinds have capitals
	old.Spec.NodeName = "node-10"
	old.CreationTimestamp = metav1.NewTime(time.Date(1999, 12, 30, 0, 0, 0, 0, time.UTC)) // two days before a bubble begins
	done := pod("b", "job-1")
	done.Status.Phase = corev1.PodSucceeded
	done.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}}}
	return []*corev1.Pod{web, crash, old, done}
}

func TestFilterBox(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		for _, c := range []struct {
			text string
			want []string
		}{
			{"", []string{"a/web-1", "a/web-2", "b/Api:X-1", "b/job-1"}},
			{"web", []string{"a/web-1", "a/web-2"}},
			{"WEB 1", []string{"a/web-1"}},
			{"api:x", []string{"b/Api:X-1"}},
			{"crashloop", []string{"a/web-2"}},
			{"node-1", []string{"a/web-1", "b/Api:X-1", "b/job-1"}},
			{"10.1.2", []string{"a/web-1"}},
			{"!web", []string{"b/Api:X-1", "b/job-1"}},
			{"!!web", []string{"a/web-1", "a/web-2"}},
			{"web\u30001", []string{"a/web-1"}},
			{`"web-1"`, []string{"a/web-1"}},
			{"status=running", []string{"a/web-1", "b/Api:X-1"}},
			{"status==Running", []string{"a/web-1", "b/Api:X-1"}},
			{"status!=Running", []string{"a/web-2", "b/job-1"}},
			{"!status=Running", []string{"a/web-2", "b/job-1"}},
			{"node=node-1", []string{"a/web-1", "b/job-1"}},
			{"node=node-*", []string{"a/web-1", "a/web-2", "b/Api:X-1", "b/job-1"}},
			{"node=*-1*", []string{"a/web-1", "b/Api:X-1", "b/job-1"}},
			{"namespace=b", []string{"b/Api:X-1", "b/job-1"}},
			{"ns=b name=job*", []string{"b/job-1"}},
			{"name=api:x-1", []string{"b/Api:X-1"}},
			{"tier=front", []string{"a/web-1", "a/web-2"}},
			{"tier!=front", []string{"b/Api:X-1", "b/job-1"}},
			{"app=web", []string{"a/web-1", "a/web-2"}},
			{"-l app=web", []string{"a/web-1", "a/web-2"}},
			{"-l app!=web,!tier", []string{"b/Api:X-1", "b/job-1"}},
			{`-l "app in (web, job)"`, []string{"a/web-1", "a/web-2", "b/job-1"}},
			{"!-l app=web", []string{"b/Api:X-1", "b/job-1"}},
			{"-l=app=web node-2", []string{"a/web-2"}},
			{"/^WEB-[12]$/", []string{"a/web-1", "a/web-2"}},
			{"!/web|job/", []string{"b/Api:X-1"}},
			{`/10\.1\./`, []string{"a/web-1"}},
			{"/[V-X]EB-[^1]$/", []string{"a/web-2"}},
			{"/^[^a-w]*PI:X/", []string{}},
			{`/(?-i:api):\D-\d/`, []string{"b/Api:X-1"}},
			{"restarts>5", []string{"a/web-2"}},
			{"restarts>=41", []string{"a/web-2"}},
			{"restarts<41 web", []string{"a/web-1"}},
			{"age>1d", []string{"b/Api:X-1"}},
			{"age<1d2h", []string{}}, // the others have no creation time
			{"ready<100%", []string{"a/web-2", "b/job-1"}},
			{"restarts=41", []string{"a/web-2"}},
			{"restarts!=41 web", []string{"a/web-1"}},
			{"restarts<=40 web", []string{"a/web-1"}},
			{"ready=1/1", []string{"a/web-1", "b/Api:X-1"}},
			{"ready=100%", []string{"a/web-1", "b/Api:X-1"}},
			{"label:tier=front", []string{"a/web-1", "a/web-2"}},
			{"label:tier", []string{"a/web-1", "a/web-2"}},
			{"!label:tier", []string{"b/Api:X-1", "b/job-1"}},
			{"label:status=running", []string{}}, // a label, not the column
			{`tier="front"`, []string{"a/web-1", "a/web-2"}},
			{`"tier=front"`, []string{}}, // a word, not a comparison
			{`"label:tier"`, []string{}},
			{`a">"b`, []string{}},
			{`""`, []string{"a/web-1", "a/web-2", "b/Api:X-1", "b/job-1"}},
			{"nothing-of-this", nil},
		} {
			page := b.query(func(q *Query) { q.Text, q.Sort = c.text, "namespace" })
			if diff := cmp.Diff(c.want, names(page), cmpopts.EquateEmpty()); diff != "" || page.FilterError != nil {
				t.Errorf("%q: %v (-want +got):\n%s", c.text, page.FilterError, diff)
			}
			if page.Total != 4 || page.Matched != len(c.want) {
				t.Errorf("%q: %d of %d, want %d of 4", c.text, page.Matched, page.Total, len(c.want))
			}
		}
	})
}

func TestWrongFilterIsReportedWithItsPlaceAndTheRestHolds(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		for _, c := range []struct {
			text, id string
			pos      int
		}{
			{"web /a(b/", "filter.regex", 5},
			{"web /open", "filter.regexopen", 4},
			{"web -l a=b=c", "filter.selector", 7},
			{"web -l", "filter.noselector", 4},
			{"web node>5", "filter.notnumeric", 4},
			{"web restarts>x", "filter.number", 4},
			{"web restarts=x", "filter.number", 4},
			{"web age=5m", "filter.instant", 4},
			{"web =x", "filter.noname", 4},
			{"web !=x", "filter.noname", 5},
			{"web label:", "filter.nolabel", 4},
			{"web !", "filter.nothing", 4},
			{"web !! ", "filter.nothing", 4},
			{`web "`, "filter.quoteopen", 4},
			{"web " + strings.Repeat("x", filterLimit), "filter.toolong", filterLimit},
			{"web /" + strings.Repeat("x", patternLimit+1) + "/", "filter.toolong", 4},
			{"web" + strings.Repeat(" w", termsLimit), "filter.toomany", 2*termsLimit + 2},
		} {
			page := b.query(func(q *Query) { q.Text = c.text })
			if page.FilterError == nil || page.FilterError.Reason.ID != c.id || page.FilterError.Pos != c.pos {
				t.Errorf("%.20q: error %+v, want %s at %d", c.text, page.FilterError, c.id, c.pos)
			}
			if c.id != "filter.toolong" && !slices.Equal(names(page), []string{"a/web-1", "a/web-2"}) {
				t.Errorf("%.20q: rows %v, want those of the terms that hold", c.text, names(page))
			}
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"web", "!a=b -l x in (y)", "/a(/", `"`, "a>b", "!", "-l", "/\\", "a=*b*", "\u3000", "age>1d2h", "/[[:foo:]]/"} {
		f.Add(s)
	}
	k, _ := kinds.Lookup("pods")
	it := itemOf(newEntry(k, k.Project(pod("a", "web-1")), &interner{}))
	it.hay = it.haystack
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(k, text, time.Unix(0, 0))
		filter.match(&it)
		if err != nil && (err.Pos < 0 || err.Pos > len(text)) {
			t.Errorf("%q: error at %d", text, err.Pos)
		}
	})
}

func TestSeveralNamespacesAndTotals(t *testing.T) {
	filled(t, append(shop(), pod("c", "x-1")), func(b *bench) {
		page := b.query(func(q *Query) { q.Namespaces = []string{"b", "c", "nowhere"} })
		if got := names(page); !slices.Equal(got, []string{"b/Api:X-1", "b/job-1", "c/x-1"}) || page.Total != 3 {
			t.Errorf("%v of %d", got, page.Total)
		}
		if page := b.query(func(q *Query) { q.Namespaces = []string{"nowhere"} }); page.Total != 0 || page.Pages != 1 || page.Page != 1 {
			t.Errorf("an unknown namespace gives %+v", page)
		}
	})
}

func TestFR1_13_ClusterScopedKindsIgnoreNamespacesAndSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := kinds.Lookup("nodes")
		s := newScript()
		tables := New(t.Context(), Config{Cluster: testCluster, Source: s})
		defer tables.Close()
		page, err := tables.Query(t.Context(), permit(t, "ann", nodes), Query{Kind: nodes, Namespaces: []string{"a"}})
		if err != nil || !page.NamespacesIgnored {
			t.Errorf("ignored %v, %v", page.NamespacesIgnored, err)
		}
		page, err = tables.Query(t.Context(), permit(t, "ann", podKind(t)), Query{Kind: podKind(t), Namespaces: []string{"a"}})
		if err != nil || page.NamespacesIgnored {
			t.Errorf("pods: ignored %v, %v", page.NamespacesIgnored, err)
		}
	})
}

func TestA10_A11_EveryAnswerGoesThroughThePermit(t *testing.T) {
	pods := append(shop(), pod("a", "secret-1"), pod("secret", "web-9"))
	filled(t, pods, func(b *bench) {
		bob := permit(t, "bob", b.kind)
		if got := names(b.query()); len(got) != 6 { // ann has warmed everything
			t.Fatalf("ann sees %v", got)
		}
		page, err := b.tables.Query(t.Context(), bob, Query{Kind: b.kind})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"a/web-1", "a/web-2"}
		if got := names(page); !slices.Equal(got, want) || page.Total != 2 || page.Matched != 2 {
			t.Errorf("bob sees %v of %d", got, page.Total)
		}
		for _, f := range page.Facets {
			for _, v := range f.Values {
				if f.ID == "namespace" && v.Value != "a" || f.ID == "node" && v.Value == "node-10" {
					t.Errorf("facet %s tells bob of %q", f.ID, v.Value)
				}
			}
		}
		page, _ = b.tables.Query(t.Context(), bob, Query{Kind: b.kind, Text: "secret", Namespaces: []string{"secret", "a"}})
		if page.Matched != 0 || page.Total != 2 {
			t.Errorf("asking for it shows bob %v of %d", names(page), page.Total)
		}
		var each []string
		b.tables.Each(bob, b.kind, func(r *kinds.Row) bool { each = append(each, r.Namespace+"/"+r.Name); return true })
		if !slices.Equal(each, want) {
			t.Errorf("each shows bob %v", each)
		}
		for _, name := range []string{"secret-1", "web-1"} {
			if _, ok := b.tables.Row(bob, b.kind, "a", name); ok != (name == "web-1") {
				t.Errorf("row %s: %v", name, ok)
			}
		}
		if _, ok := b.tables.Row(bob, b.kind, "secret", "web-9"); ok {
			t.Error("bob sees a row of another namespace")
		}
	})
}

func TestPermitForSomethingElseIsRefused(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		nodes, _ := kinds.Lookup("nodes")
		other, err := authority(t).Check(access.Subject{UserID: 1, Name: "ann"}, access.Request{
			Cluster: "staging", Resource: "pods", Namespaced: true, Verb: access.VerbList,
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]access.Permit{"zero": {}, "another kind": permit(t, "ann", nodes), "another cluster": other} {
			if page, err := b.tables.Query(t.Context(), p, Query{Kind: b.kind}); err == nil || len(page.Rows) > 0 {
				t.Errorf("%s: query gave %v", name, names(page))
			}
			if _, ok := b.tables.Row(p, b.kind, "a", "web-1"); ok {
				t.Errorf("%s: row found", name)
			}
			b.tables.Each(p, b.kind, func(*kinds.Row) bool { t.Errorf("%s: each has rows", name); return false })
			if n := b.tables.Tally(p, b.kind); n != (Tally{}) {
				t.Errorf("%s: the tally is %v", name, n)
			}
			if err := b.tables.Refresh(t.Context(), p, b.kind); err == nil {
				t.Errorf("%s: refreshed", name)
			}
		}
	})
}

func TestPaging(t *testing.T) {
	var pods []*corev1.Pod
	for i := range 250 {
		pods = append(pods, pod("a", fmt.Sprintf("p-%03d", i)))
	}
	filled(t, pods, func(b *bench) {
		for _, c := range []struct{ page, size, wantPage, wantPages, rows int }{
			{0, 0, 1, 3, 100},
			{2, 0, 2, 3, 100},
			{3, 0, 3, 3, 50},
			{99, 0, 3, 3, 50},
			{-1, 50, 1, 5, 50},
			{1, 5000, 1, 1, 250},
		} {
			page := b.query(func(q *Query) { q.Page, q.Size = c.page, c.size })
			if page.Page != c.wantPage || page.Pages != c.wantPages || len(page.Rows) != c.rows || page.Total != 250 {
				t.Errorf("page %d of size %d: got %d of %d with %d rows", c.page, c.size, page.Page, page.Pages, len(page.Rows))
			}
			if want := (c.wantPage - 1) * page.Size; page.Rows[0].Name != fmt.Sprintf("p-%03d", want) {
				t.Errorf("page %d begins with %s", c.page, page.Rows[0].Name)
			}
			if f := page.Facets[0]; f.Values[0].Count != 250 {
				t.Errorf("page %d: facet counts %d", c.page, f.Values[0].Count)
			}
		}
	})
}

// TestAllRowsInOnePage is what exports and orders by joined columns read: everything that matches, of one moment.
func TestAllRowsInOnePage(t *testing.T) {
	var pods []*corev1.Pod
	for i := range 2500 {
		pods = append(pods, pod([]string{"a", "b"}[i%2], fmt.Sprintf("p-%04d", i)))
	}
	filled(t, pods, func(b *bench) {
		page := b.query(func(q *Query) { q.All, q.Page, q.Size, q.Text, q.Namespaces = true, 7, 10, "!p-0000", []string{"a"} })
		if len(page.Rows) != 1249 || page.Matched != 1249 || page.Page != 1 || page.Pages != 1 {
			t.Errorf("%d rows of %d, page %d of %d", len(page.Rows), page.Matched, page.Page, page.Pages)
		}
	})
}

func TestFacetsCountWhatTheOtherFacetsLeave(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		page := b.query(func(q *Query) {
			q.Facets = map[string][]string{"status": {"Running", "Gone"}, "namespace": {"b"}}
		})
		want := []Facet{
			{ID: "namespace", Distinct: 2, Values: []FacetValue{{Value: "a", Count: 1}, {Value: "b", Count: 1, Chosen: true}}},
			{ID: "status", Distinct: 3, Values: []FacetValue{
				{Value: "Running", Count: 1, Tone: kinds.ToneOK, Chosen: true},
				{Value: "Completed", Count: 1, Tone: kinds.ToneIdle},
				{Value: "Gone", Chosen: true},
			}},
			{ID: "node", Distinct: 1, Values: []FacetValue{{Value: "node-10", Count: 1}}},
		}
		if diff := cmp.Diff(want, page.Facets); diff != "" {
			t.Errorf("facets (-want +got):\n%s", diff)
		}
		if got := names(page); !slices.Equal(got, []string{"b/Api:X-1"}) {
			t.Errorf("rows %v", got)
		}
	})
}

func TestFacetValuesAreCutButChosenOnesStay(t *testing.T) {
	var pods []*corev1.Pod
	for i := range facetValuesLimit + 50 {
		p := pod("a", fmt.Sprintf("p-%03d", i))
		p.Spec.NodeName = fmt.Sprintf("node-%03d", i)
		pods = append(pods, p)
	}
	filled(t, pods, func(b *bench) {
		page := b.query(func(q *Query) { q.Facets = map[string][]string{"node": {"node-149"}} })
		f := page.Facets[2]
		if f.Distinct != facetValuesLimit+50 || len(f.Values) != facetValuesLimit+1 || !f.Values[facetValuesLimit].Chosen {
			t.Errorf("%d of %d values, the last %+v", len(f.Values), f.Distinct, f.Values[len(f.Values)-1])
		}
	})
}

func TestUnknownSortFallsBackToTheKindsOwn(t *testing.T) {
	events, _ := kinds.Lookup("events")
	for sort, want := range map[string]string{"nonsense": "lastseen", "": "lastseen", "-count": "-count", "-name": "-name", "namespace": "namespace"} {
		if _, got := orderOf(events, sort); got != want {
			t.Errorf("sort %q is %q, want %q", sort, got, want)
		}
	}
	nodes, _ := kinds.Lookup("nodes")
	if _, got := orderOf(nodes, "namespace"); got != "name" {
		t.Errorf("nodes sorted by %q", got)
	}
}

// TestOrdersFollowChangesExactly is the proof of the merge: after any changes
// every order has the rows that a fresh sort would give.
func TestOrdersFollowChangesExactly(t *testing.T) {
	k := podKind(t)
	now := time.Now()
	s := newStore(k, 1<<20, func() time.Time { return now })
	var in interner
	random := rand.New(rand.NewPCG(1, 2))
	put := func(ns, name string) update {
		p := pod(ns, name)
		p.Status.ContainerStatuses[0].RestartCount = int32(random.IntN(5))
		p.Spec.NodeName = fmt.Sprint("node-", random.IntN(10))
		if random.IntN(4) == 0 {
			p.Status.Phase = corev1.PodFailed
		}
		if random.IntN(3) > 0 {
			p.CreationTimestamp = metav1.NewTime(time.Unix(int64(random.IntN(20)+1), 0))
		}
		return update{key: key{ns, name}, entry: newEntry(k, k.Project(p), &in)}
	}
	orders := []string{"name", "-namespace", "restarts", "-age", "age", "status", "-node"}
	for round := range 300 {
		var batch []update
		seen := make(map[key]bool)
		for range random.IntN(40) {
			id := key{fmt.Sprint("ns-", random.IntN(4)), fmt.Sprint("p-", random.IntN(3000))}
			if seen[id] {
				continue
			}
			seen[id] = true
			if random.IntN(3) == 0 {
				batch = append(batch, update{key: id})
			} else {
				batch = append(batch, put(id.namespace, id.name))
			}
		}
		switch round {
		case 100: // far more than a chunk at once
			for i := range 2500 {
				batch = append(batch, put("big", fmt.Sprint("b-", i)))
			}
		case 200:
			s.sweep("big", 9999)
		}
		s.apply(batch, 1)
		s.maintain()
		tallies := make(map[string]Tally)
		for namespace, n := range s.tallies {
			tallies[namespace] = *n
		}
		if want := recount(s); !maps.Equal(tallies, want) {
			t.Fatalf("round %d: the tallies are %v, the rows %v", round, tallies, want)
		}
		for i, by := range orders {
			if (round+i)%(i+1) != 0 {
				continue // orders fall behind differently
			}
			o, _ := orderOf(k, by)
			var got []*entry
			for _, chunk := range s.read(o).chunks {
				if len(chunk) == 0 {
					t.Fatal("an empty chunk")
				}
				for j := range chunk {
					if chunk[j].hay != chunk[j].haystack || chunk[j].title() != chunk[j].row.Name {
						t.Fatalf("item says %q, its entry %q", chunk[j].hay, chunk[j].haystack)
					}
					got = append(got, chunk[j].entry)
				}
			}
			want := s.entries()
			slices.SortFunc(want, func(a, b *entry) int { return o.compare(k, a, b) })
			if !slices.Equal(got, want) {
				t.Fatalf("round %d, by %s: %d rows differ from the %d of a fresh sort", round, by, len(got), len(want))
			}
		}
	}
	if len(s.log) > max(logSlack, len(s.rows)/32)+100 {
		t.Errorf("%d changes are kept", len(s.log))
	}
}

func TestOrdersNobodyAsksForAreDropped(t *testing.T) {
	k := podKind(t)
	now := time.Now()
	s := newStore(k, 1<<20, func() time.Time { return now })
	var in interner
	for _, by := range []string{"name", "node"} {
		o, _ := orderOf(k, by)
		s.read(o)
	}
	now = now.Add(viewIdle + time.Second)
	name, _ := orderOf(k, "name")
	s.read(name)
	for i := range logSlack + 10 {
		s.apply([]update{{key: key{"a", "x"}, entry: newEntry(k, k.Project(pod("a", fmt.Sprint("x-", i))), &in)}}, 1)
		s.maintain()
	}
	if len(s.views) != 1 || len(s.log) > logSlack {
		t.Errorf("%d orders and %d changes kept, want 1 order", len(s.views), len(s.log))
	}
}

func TestRepeatedStringsAreShared(t *testing.T) {
	var in interner
	k := podKind(t)
	share := func() *entry {
		return newEntry(k, k.Project(pod(strings.Clone("a"), strings.Clone("web-1"))), &in)
	}
	a, b := share(), share()
	if unsafe.StringData(a.row.Namespace) != unsafe.StringData(b.row.Namespace) {
		t.Error("two rows have a copy each of their namespace")
	}
	if unsafe.StringData(a.row.Name) != unsafe.StringData(a.haystack) {
		t.Error("a name is kept twice")
	}
	for i := range internLimit + 10 {
		in.string(fmt.Sprint("s", i))
	}
	if len(in.seen) > internLimit {
		t.Errorf("%d strings kept", len(in.seen))
	}
}
