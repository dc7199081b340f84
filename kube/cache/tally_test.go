package cache

import (
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"

	"tiga/access"
	"tiga/kube/kinds"
)

// TestA10_TallyCountsWhatThePermitShows: the numbers in the menu tell of no row that a list would not have.
func TestA10_TallyCountsWhatThePermitShows(t *testing.T) {
	pods := append(shop(), pod("a", "secret-1"), pod("secret", "web-9"))
	filled(t, pods, func(b *bench) {
		for _, c := range []struct {
			name   string
			permit access.Permit
			want   Tally
		}{
			{"everything", permit(t, "ann", b.kind), Tally{kinds.ToneIdle: 1, kinds.ToneOK: 4, kinds.ToneBad: 1}},
			{"names of a namespace", permit(t, "bob", b.kind), Tally{kinds.ToneOK: 1, kinds.ToneBad: 1}},
			{"a whole namespace", namespaceReader(t, "b"), Tally{kinds.ToneIdle: 1, kinds.ToneOK: 1}},
			{"nothing", access.Permit{}, Tally{}},
		} {
			if got := b.tables.Tally(c.permit, b.kind); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

// TestFR3_3_ACustomKindIsNotReadForANumber: a menu of hundreds of kinds starts no list.
func TestFR3_3_ACustomKindIsNotReadForANumber(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		custom := kinds.Custom(&kinds.Definition{
			Group: "example.com", Resource: "widgets", Kind: "Widget", Namespaced: true, Ready: true, Served: []kinds.ServedVersion{{Name: "v1"}},
		}, nil)
		before, _, _ := b.script.count()
		if got := b.tables.Tally(permit(t, "ann", custom), custom); got != (Tally{}) {
			t.Errorf("counted %v", got)
		}
		synctest.Wait()
		if after, _, _ := b.script.count(); after != before || b.tables.Freshness(custom).State != Loading {
			t.Errorf("%d lists were read for it", after-before)
		}
		if got := b.tables.Tally(b.permit, b.kind); got == (Tally{}) {
			t.Error("the kind with a descriptor is not counted")
		}
	})
}

// recount is what the tallies of a store have to be.
func recount(s *store) map[string]Tally {
	out := make(map[string]Tally)
	for _, e := range s.rows {
		n := out[e.row.Namespace]
		n[toneOf(&e.row)]++
		out[e.row.Namespace] = n
	}
	return out
}

func TestOnlyFacetsThatAreWantedAreCounted(t *testing.T) {
	filled(t, shop(), func(b *bench) {
		ask := func(q Query) map[string]int {
			q.Kind = b.kind
			page, err := b.tables.Query(t.Context(), b.permit, q)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]int{}
			for _, f := range page.Facets {
				out[f.ID] = f.Distinct
			}
			return out
		}
		all := ask(Query{})
		if len(all) < 3 || all["status"] != 3 {
			t.Errorf("without a wish the facets are %v", all)
		}
		if got := ask(Query{Count: []string{"status"}}); len(got) != 1 || got["status"] != 3 {
			t.Errorf("status alone is asked for, and counted are %v", got)
		}
		// A facet in use is counted, or what is chosen could not be taken back; it filters as ever.
		got := ask(Query{Count: []string{"status"}, Facets: map[string][]string{"node": {"node-2"}}})
		if len(got) != 2 || got["status"] != 1 || got["node"] != all["node"] {
			t.Errorf("with a node chosen the facets are %v", got)
		}
	})
}

// TestCountsCostNoOrder: a number in the menu does not make the table sort itself.
func TestCountsCostNoOrder(t *testing.T) {
	filled(t, []*corev1.Pod{pod("a", "web-1")}, func(b *bench) {
		views := len(b.tables.running[b.kind.ID()].store.views)
		b.tables.Tally(b.permit, b.kind)
		if got := len(b.tables.running[b.kind.ID()].store.views); got != views {
			t.Errorf("%d orders after counting, %d before", got, views)
		}
	})
}
