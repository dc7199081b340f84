package diff

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	tests := []struct {
		name, base, theirs, mine, want string
		conflicts                      []string
	}{
		{
			name: "different fields", base: `{"spec":{"a":1,"b":1}}`, theirs: `{"spec":{"a":2,"b":1}}`, mine: `{"spec":{"a":1,"b":2,"c":3}}`,
			want: `{"spec":{"a":2,"b":2,"c":3}}`,
		},
		{name: "the same field", base: `{"a":1}`, theirs: `{"a":2}`, mine: `{"a":3}`, want: `{"a":3}`, conflicts: []string{"a"}},
		{name: "the same change", base: `{"a":1}`, theirs: `{"a":2}`, mine: `{"a":2}`, want: `{"a":2}`},
		{name: "removed and changed", base: `{"a":{"b":1}}`, theirs: `{"a":{"b":2}}`, mine: `{}`, want: `{}`, conflicts: []string{"a"}},
		{name: "removed and kept", base: `{"a":1,"b":1}`, theirs: `{"b":1}`, mine: `{"a":1,"b":2}`, want: `{"b":2}`},
		{
			name:   "items of a list",
			base:   `{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}`,
			theirs: `{"containers":[{"name":"a","image":"2"},{"name":"b","image":"1"}]}`,
			mine:   `{"containers":[{"name":"x","image":"1"},{"name":"a","image":"1"},{"name":"b","image":"3"}]}`,
			want:   `{"containers":[{"name":"x","image":"1"},{"name":"a","image":"2"},{"name":"b","image":"3"}]}`,
		},
		{
			name: "both add", base: `{"env":[{"name":"A"}]}`, theirs: `{"env":[{"name":"A"},{"name":"T"}]}`, mine: `{"env":[{"name":"M"},{"name":"A"}]}`,
			want: `{"env":[{"name":"M"},{"name":"A"},{"name":"T"}]}`,
		},
		{
			name: "both reorder", base: `{"env":[{"name":"A"},{"name":"B"},{"name":"C"}]}`,
			theirs: `{"env":[{"name":"C"},{"name":"A"},{"name":"B"}]}`, mine: `{"env":[{"name":"B"},{"name":"A"},{"name":"C"}]}`,
			want: `{"env":[{"name":"B"},{"name":"A"},{"name":"C"}]}`, conflicts: []string{"env"},
		},
		{name: "commands are one value", base: `{"args":["a"]}`, theirs: `{"args":["a","b"]}`, mine: `{"args":["c"]}`, want: `{"args":["c"]}`, conflicts: []string{"args"}},
		{
			name: "sets", base: `{"finalizers":["a","b"]}`, theirs: `{"finalizers":["b","t"]}`, mine: `{"finalizers":["a","b","m"]}`,
			want: `{"finalizers":["b","t","m"]}`,
		},
		{name: "both create", base: `{}`, theirs: `{"a":{"x":1,"s":1}}`, mine: `{"a":{"y":1,"s":1}}`, want: `{"a":{"x":1,"y":1,"s":1}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, conflicts := Merge(tree(t, tt.base), tree(t, tt.theirs), tree(t, tt.mine))
			var paths []string
			for _, c := range conflicts {
				paths = append(paths, c.Path)
			}
			if d := cmp.Diff(tt.conflicts, paths); d != "" {
				t.Errorf("conflicts: %s", d)
			}
			want := tree(t, tt.want)
			if f, ok := want["finalizers"].([]any); ok {
				sortAny(f)
				sortAny(got["finalizers"].([]any))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func sortAny(list []any) {
	slices.SortFunc(list, func(a, b any) int {
		if a.(string) < b.(string) {
			return -1
		}
		return 1
	})
}

func TestMergeChoice(t *testing.T) {
	base, theirs, mine := tree(t, `{"a":1,"b":1,"c":1}`), tree(t, `{"a":2,"b":2,"c":2}`), tree(t, `{"a":3,"b":3,"c":1}`)
	got, conflicts := MergeWith(base, theirs, mine, func(c Conflict) Side {
		if c.Path == "a" {
			return Theirs
		}
		return Mine
	})
	if d := cmp.Diff(tree(t, `{"a":2,"b":3,"c":2}`), got); d != "" {
		t.Error(d)
	}
	want := []Conflict{{"a", 1.0, 2.0, 3.0}, {"b", 1.0, 2.0, 3.0}}
	if d := cmp.Diff(want, conflicts); d != "" {
		t.Error(d)
	}
}

// random makes trees of the shapes that objects have.
type random struct{ *rand.Rand }

func (r random) tree(depth int) map[string]any {
	out := map[string]any{}
	for range r.IntN(5) {
		out[string(rune('a'+r.IntN(6)))] = r.value(depth)
	}
	if r.IntN(3) == 0 {
		out["env"] = r.named(depth)
	}
	if r.IntN(3) == 0 {
		out["containers"] = r.named(depth)
	}
	if r.IntN(4) == 0 {
		out["finalizers"] = r.set()
	}
	return out
}

func (r random) named(depth int) []any {
	list := []any{}
	for _, i := range r.Perm(4)[:r.IntN(4)] {
		item := map[string]any{"name": string(rune('p' + i))}
		if depth > 0 {
			item["v"] = r.value(depth - 1)
		}
		list = append(list, item)
	}
	return list
}

func (r random) set() []any {
	list := []any{}
	for _, i := range r.Perm(5)[:r.IntN(5)] {
		list = append(list, fmt.Sprintf("f%d", i))
	}
	return list
}

func (r random) value(depth int) any {
	switch n := r.IntN(8); {
	case n < 3 && depth > 0:
		return r.tree(depth - 1)
	case n == 3:
		return []any{int64(r.IntN(3)), "x"}
	case n == 4:
		return nil
	case n == 5:
		return true
	}
	return int64(r.IntN(3))
}

// edit changes a copy in one or two places.
func (r random) edit(tree map[string]any) map[string]any {
	out := CloneTree(tree)
	for range 1 + r.IntN(3) {
		r.touch(out, 2)
	}
	return out
}

func (r random) touch(m map[string]any, depth int) {
	keys := keysOf(m)
	if len(keys) == 0 || r.IntN(4) == 0 {
		m[string(rune('a'+r.IntN(6)))] = r.value(depth)
		return
	}
	k := keys[r.IntN(len(keys))]
	switch v := m[k].(type) {
	case map[string]any:
		if depth > 0 {
			r.touch(v, depth-1)
			return
		}
	case []any:
		if len(v) > 0 && r.IntN(2) == 0 {
			if item, ok := v[r.IntN(len(v))].(map[string]any); ok {
				item["v"] = r.value(1)
				return
			}
		}
		switch k {
		case "env", "containers":
			m[k] = r.named(1)
			return
		case "finalizers":
			m[k] = r.set()
			return
		}
	}
	if r.IntN(3) == 0 {
		delete(m, k)
	} else {
		m[k] = r.value(depth)
	}
}

func TestMergeProperties(t *testing.T) {
	for seed := range uint64(4000) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		base := r.tree(3)
		theirs, mine := r.edit(base), r.edit(base)
		kept := [3]map[string]any{CloneTree(base), CloneTree(theirs), CloneTree(mine)}
		check := func(what string, want map[string]any, a, b, c map[string]any) {
			t.Helper()
			got, conflicts := Merge(a, b, c)
			if len(conflicts) > 0 || !cmp.Equal(want, got) {
				t.Fatalf("seed %d: %s: %s\nconflicts %v", seed, what, cmp.Diff(want, got), conflicts)
			}
		}
		check("nobody changed anything", base, base, base, base)
		check("only they changed something", theirs, base, theirs, base)
		check("only I changed something", mine, base, base, mine)
		check("both changed the same", mine, base, mine, mine)

		merged, conflicts := Merge(base, theirs, mine)
		back, other := Merge(base, mine, theirs)
		if len(conflicts) != len(other) {
			t.Fatalf("seed %d: %d conflicts one way, %d the other", seed, len(conflicts), len(other))
		}
		if len(conflicts) == 0 && len(Trees(merged, back, Options{Noise: true})) > 0 && !hasOrder(Trees(merged, back, Options{Noise: true})) {
			t.Fatalf("seed %d: the sides are not alike: %s", seed, cmp.Diff(merged, back))
		}
		// No change is lost: what only one side changed is in the result, and what neither did is as it was.
		noChangeLost(t, seed, "", base, theirs, mine, merged)
		// Taking their side in every conflict changes nothing of theirs.
		all, _ := MergeWith(base, theirs, mine, func(Conflict) Side { return Theirs })
		if again, left := Merge(theirs, theirs, all); len(left) > 0 || !cmp.Equal(all, again) {
			t.Fatalf("seed %d: a merged object does not merge", seed)
		}
		if d := cmp.Diff(kept, [3]map[string]any{base, theirs, mine}); d != "" {
			t.Fatalf("seed %d: an input was changed: %s", seed, d)
		}
	}
}

func hasOrder(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Op == Moved })
}

func noChangeLost(t *testing.T, seed uint64, at string, base, theirs, mine, merged map[string]any) {
	t.Helper()
	for _, k := range keysOf(base, theirs, mine, merged) {
		b, bOK := base[k]
		th, tOK := theirs[k]
		mi, mOK := mine[k]
		got, gOK := merged[k]
		same := func(x any, xOK bool, y any, yOK bool) bool { return xOK == yOK && cmp.Equal(x, y) }
		switch {
		case same(b, bOK, mi, mOK):
			if !same(th, tOK, got, gOK) {
				t.Fatalf("seed %d: %s.%s: their change is lost: %v → %v, merged %v", seed, at, k, b, th, got)
			}
		case same(b, bOK, th, tOK):
			if !same(mi, mOK, got, gOK) {
				t.Fatalf("seed %d: %s.%s: my change is lost: %v → %v, merged %v", seed, at, k, b, mi, got)
			}
		default:
			mm, ok1 := mi.(map[string]any)
			tm, ok2 := th.(map[string]any)
			gm, ok3 := got.(map[string]any)
			if ok1 && ok2 && ok3 {
				bm, _ := b.(map[string]any)
				noChangeLost(t, seed, at+"."+k, bm, tm, mm, gm)
			}
		}
	}
}

// Trees finds nothing exactly where there is nothing to find.
func TestTreesProperties(t *testing.T) {
	for seed := range uint64(2000) {
		r := random{rand.New(rand.NewPCG(seed, 2))}
		a := r.tree(3)
		b := r.edit(a)
		if e := Trees(a, CloneTree(a), Options{Noise: true}); len(e) > 0 {
			t.Fatalf("seed %d: an object differs from itself: %v", seed, e)
		}
		forth, back := Trees(a, b, Options{Noise: true}), Trees(b, a, Options{Noise: true})
		if len(forth) != len(back) {
			t.Fatalf("seed %d: %v one way, %v the other", seed, forth, back)
		}
		if len(forth) == 0 && !cmp.Equal(plain(a), plain(b)) {
			t.Fatalf("seed %d: a change is not seen: %s", seed, cmp.Diff(a, b))
		}
	}
}

// plain is a tree without what Trees does not tell: nulls, and the order of sets and of named lists that have none.
func plain(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range x {
			if v == nil {
				continue
			}
			p := plain(v)
			if l, ok := p.([]any); ok && (k == "finalizers" || k == "containers") {
				slices.SortFunc(l, func(a, b any) int {
					if fmt.Sprint(a) < fmt.Sprint(b) {
						return -1
					}
					return 1
				})
			}
			out[k] = p
		}
		return out
	case []any:
		out := []any{}
		for _, i := range x {
			out = append(out, plain(i))
		}
		return out
	}
	return v
}
