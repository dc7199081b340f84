package diff

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A change that is taken back from an object as it is after it makes the object what it was before; what was written since
// is a conflict or stays.
func TestSidesOf(t *testing.T) {
	const pod = `{"metadata":{"name":"web","labels":{"app.kubernetes.io/name":"web","x y":"1"}},"spec":{"replicas":3,"strategy":{"type":"Recreate"},` +
		`"containers":[{"name":"web","image":"a","args":["x"],"ports":[{"containerPort":80},{"containerPort":80,"protocol":"UDP"}],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},{"name":"log","image":"l"}],` +
		`"finalizers":["one","two"]}}`
	tests := []struct {
		name, before, after, now, want string
		conflicts, lost                []string
	}{
		{name: "a value", before: pod, after: repl(pod, `"image":"a"`, `"image":"b"`), want: pod},
		{name: "a number", before: pod, after: repl(pod, `"replicas":3`, `"replicas":7`), want: pod},
		{name: "a label", before: pod, after: repl(pod, `"app.kubernetes.io/name":"web",`, ``), want: pod},
		{name: "a label whose name is quoted", before: pod, after: repl(pod, `,"x y":"1"`, ``), want: pod},
		{name: "a label that came", before: repl(pod, `"x y":"1"`, `"z":"1"`), after: pod, want: repl(pod, `"x y":"1"`, `"z":"1"`)},
		{name: "an item that went", before: pod, after: repl(pod, `,{"name":"log","image":"l"}`, ``), want: pod},
		{name: "an item that came", before: repl(pod, `,{"name":"log","image":"l"}`, ``), after: pod, want: repl(pod, `,{"name":"log","image":"l"}`, ``)},
		{name: "a port by its protocol", before: pod, after: repl(pod, `,{"containerPort":80,"protocol":"UDP"}`, ``), want: pod},
		{name: "an order", before: pod, after: repl(pod, `[{"name":"A","value":"1"},{"name":"B","value":"2"}]`, `[{"name":"B","value":"2"},{"name":"A","value":"1"}]`), want: pod},
		{name: "arguments as one", before: pod, after: repl(pod, `["x"]`, `["y","z"]`), want: pod},
		{name: "a set", before: pod, after: repl(pod, `"one",`, ``), want: repl(pod, `["one","two"]`, `["two","one"]`)},
		{name: "a whole field", before: pod, after: repl(pod, `"strategy":{"type":"Recreate"},`, ``), want: pod},
		{
			name: "something else was changed since", before: pod, after: repl(pod, `"image":"a"`, `"image":"b"`),
			now: repl(repl(pod, `"image":"a"`, `"image":"b"`), `"replicas":3`, `"replicas":9`), want: repl(pod, `"replicas":3`, `"replicas":9`),
		},
		{
			name: "the same was changed since", before: pod, after: repl(pod, `"image":"a"`, `"image":"b"`), now: repl(pod, `"image":"a"`, `"image":"c"`),
			want: repl(pod, `"image":"a"`, `"image":"c"`), conflicts: []string{"spec.containers[name=web].image"},
		},
		{name: "it was taken back already", before: pod, after: repl(pod, `"image":"a"`, `"image":"b"`), now: pod, want: pod},
		{
			name: "its place is gone", before: pod, after: repl(pod, `"image":"l"`, `"image":"m"`), now: repl(pod, `,{"name":"log","image":"l"}`, ``),
			want: repl(pod, `,{"name":"log","image":"l"}`, ``), lost: []string{"spec.containers[name=log].image"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, after := tree(t, tt.before), tree(t, tt.after)
			now := after
			if tt.now != "" {
				now = tree(t, tt.now)
			}
			kept := CloneTree(now)
			s := SidesOf(now, Trees(before, after, Options{}))
			got, conflicts := MergeWith(s.After, now, s.Before, func(Conflict) Side { return Theirs })
			if d := cmp.Diff(tree(t, tt.want), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			var paths []string
			for _, c := range conflicts {
				paths = append(paths, c.Path)
			}
			if !slices.Equal(paths, tt.conflicts) || !slices.Equal(s.Lost, tt.lost) {
				t.Errorf("conflicts %v, lost %v", paths, s.Lost)
			}
			if d := cmp.Diff(kept, now); d != "" {
				t.Errorf("the object was changed: %s", d)
			}
		})
	}
}

func repl(s, old, fresh string) string {
	if !strings.Contains(s, old) {
		panic(old + " is not in " + s)
	}
	return strings.Replace(s, old, fresh, 1)
}

func TestPathsThatLeadNowhere(t *testing.T) {
	for _, p := range []string{"", "[", "a[", "a[\"x", "a..b", "[]", "a[x=\"]"} {
		if steps := parsePath(p); len(steps) > 0 && p != "a..b" {
			t.Errorf("%q: %q", p, steps)
		}
		now := tree(t, `{"a":{"b":1}}`)
		s := SidesOf(now, []Entry{{Changed, p, 1, 2}})
		if len(s.Lost) != 1 {
			t.Errorf("%q is not lost: %+v", p, s)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"spec.a[name=b].c", `metadata.labels["x y"]`, `a[name="x]",b=1]`, "x[3].y"} {
		f.Add(p)
	}
	f.Fuzz(func(_ *testing.T, p string) {
		SidesOf(map[string]any{"spec": map[string]any{"a": []any{map[string]any{"name": "b"}}}}, []Entry{{Changed, p, 1, 2}, {Moved, p, nil, []any{"x"}}})
	})
}
