package manifest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	text := "# top\n---\napiVersion: v1 # why\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {on: yes, n: '1'}\ndata:\n  mode: 0644\n  big: 12345678901234567890\n  f: 1.5\n  no: ~\n  day: 2026-01-02\n  80: x\n  t: True\n---\n# nothing\n"
	doc, err := NewReader().Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "a", "labels": map[string]any{"on": "yes", "n": "1"}},
		"data": map[string]any{
			"mode": int64(0o644), "big": float64(12345678901234567890), "f": 1.5, "no": nil, "day": "2026-01-02", "80": "x", "t": true,
		},
	}
	if d := cmp.Diff(want, doc.Tree); d != "" {
		t.Error(d)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name, text, id string
		line, column   int
	}{
		{"empty", "", "manifest.empty", 0, 0},
		{"comments", "# a\n---\n", "manifest.empty", 0, 0},
		{"broken", "a: 1\nb: [1\nc: 2\n", "manifest.not_yaml", 3, 0},
		{"tab", "a:\n\tb: 1\n", "manifest.not_yaml", 2, 0},
		{"a list", "- a\n", "manifest.no_object", 1, 1},
		{"a word", "hello", "manifest.no_object", 1, 1},
		{"two", "a: 1\n---\nb: 2\n", "manifest.several", 3, 1},
		{"alias", "a: &x 1\nb: *x\n", "manifest.alias", 1, 4},
		{"merge", "a: 1\n<<: {b: 1}\n", "manifest.alias", 2, 1},
		{"tag", "a: !!python/object x\n", "manifest.tag", 1, 4},
		{"binary", "a: !!binary aGk=\n", "manifest.tag", 1, 4},
		{"twice", "a: 1\nb: 2\na: 3\n", "manifest.twice", 3, 1},
		{"key", "? [a]\n: 1\n", "manifest.key", 1, 3},
		{"infinity", "a: .inf\n", "manifest.number", 1, 4},
		{"deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), "manifest.too_deep", 1, 102},
		{"large", strings.Repeat("a", MaxSize+1), "manifest.too_large", 0, 0},
		{"many", "a: [" + strings.Repeat("1,", 200_000) + "1]", "manifest.too_many", 1, 200_001},
		{"thousands of documents", strings.Repeat("---\na: 1\n", 5000), "manifest.several", 4, 1},
	}
	r := NewReader()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Read([]byte(tt.text))
			e := (*Error)(nil)
			if !errors.As(err, &e) {
				t.Fatalf("read: %v", err)
			}
			if e.Message.ID != tt.id || e.Line != tt.line && tt.name != "broken" && tt.name != "tab" {
				t.Errorf("%s at %d:%d, want %s at %d:%d", e.Message.ID, e.Line, e.Column, tt.id, tt.line, tt.column)
			}
			if tt.column > 0 && tt.name != "many" && e.Column != tt.column {
				t.Errorf("column %d, want %d", e.Column, tt.column)
			}
			if e.Line == 0 && tt.line > 0 {
				t.Error("no line")
			}
		})
	}
}

// TestA29_HostileDocuments reads documents that are made to cost more than they weigh.
func TestA29_HostileDocuments(t *testing.T) {
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 20 {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	hostile := []string{
		laughs, strings.Repeat("[", MaxSize), strings.Repeat("{a: ", MaxSize/4), strings.Repeat("- ", MaxSize/2), strings.Repeat("? ", MaxSize/2),
		strings.Repeat("a: 1\n", MaxSize/5), "a: \"" + strings.Repeat(`\u0041`, MaxSize/6-10) + "\"", strings.Repeat("&a ", MaxSize/3), "a: |\n" + strings.Repeat(" x\n", MaxSize/3-10),
		strings.Repeat("---\n", MaxSize/4), "\xff\xfe" + strings.Repeat("\x00", 1000), strings.Repeat("%TAG ! x\n", 1000), strings.Repeat(" ", MaxSize), strings.Repeat("#", MaxSize),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 186 {
		var b strings.Builder
		for range 200 + r.IntN(2000) {
			b.WriteString([]string{"- ", "? ", ": ", "[", "]", "{", "}", "&a ", "*a ", "!t ", "\n", " ", "|\n", ">\n", "\"", "'", "<<", "a", "1e999", "~", "%", "#", "\t", "---\n", "é", "\x85"}[r.IntN(26)])
		}
		hostile = append(hostile, b.String())
	}
	reader := NewReader()
	var before, after runtime.MemStats
	for i, text := range hostile {
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := reader.Read([]byte(text))
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 128<<20 && err == nil {
			t.Errorf("document %d took %d MiB", i, n>>20)
		}
		_ = took // a figure of the machine; what bounds it are the limits above
	}
}

func TestPlace(t *testing.T) {
	doc, err := NewReader().Read([]byte("spec:\n  containers:\n  - name: web\n    image: x\n    ports:\n    - containerPort: 80\n  - name: b\n    image: y\nmetadata:\n  labels:\n    a.b/c: d\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][2]int{
		"spec.containers[1].image":           {8, 5},
		"spec.containers[name=b].image":      {8, 5},
		`spec.containers[name="b"].image`:    {8, 5},
		"spec.containers[0].ports[0].x":      {6, 7},
		"spec.containers.image":              {4, 5},
		"metadata.labels[a.b/c]":             {11, 5},
		"spec.replicas":                      {1, 1},
		"spec.containers[5].image":           {2, 3},
		"status.x":                           {0, 0},
		"spec.containers[0].ports[=80].name": {5, 5},
	}
	for path, want := range tests {
		line, column, ok := doc.Place(path)
		if line != want[0] || column != want[1] || ok != (want[0] > 0) {
			t.Errorf("%s: %d:%d %v, want %v", path, line, column, ok, want)
		}
	}
	if !doc.Has("spec.containers[0].image") || doc.Has("spec.replicas") {
		t.Error("Has is wrong")
	}
}

func TestPathAt(t *testing.T) {
	text := "spec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: x\n        \n  rep\n\nmeta: 1"
	tests := map[int][]string{
		1: {"spec"}, 3: {"spec", "template", "spec"}, 5: {"spec", "template", "spec", "containers", "name"},
		6: {"spec", "template", "spec", "containers", "image"}, 7: {"spec", "template", "spec", "containers"}, 8: {"spec"}, 9: nil, 10: {"meta"}, 99: nil,
	}
	for line, want := range tests {
		got := PathAt(text, line)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("line %d: %s", line, d)
		}
	}
}

func TestWithKeepsComments(t *testing.T) {
	text := "# head\napiVersion: v1\nspec:\n  # how many\n  replicas: 3 # three\n  list:\n  - name: a # first\n    v: \"1\"\n  - name: b\n  args: [\"x\", \"y\"]\n"
	doc, err := NewReader().Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]any{
		"apiVersion": "v1",
		"spec": map[string]any{
			"replicas": int64(5), "args": []any{"x", "y"}, "paused": true,
			"list": []any{map[string]any{"name": "n"}, map[string]any{"name": "b"}, map[string]any{"name": "a", "v": "2"}},
		},
	}
	got, err := doc.With(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := "# head\napiVersion: v1\nspec:\n  # how many\n  replicas: 5 # three\n  list:\n    - name: \"n\"\n    - name: b\n    - name: a # first\n      v: \"2\"\n  args: [\"x\", \"y\"]\n  paused: true\n"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	again, err := NewReader().Read(got)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree, again.Tree); d != "" {
		t.Error(d)
	}
}

func TestPrint(t *testing.T) {
	got, err := Print(map[string]any{"spec": map[string]any{"a": "yes"}, "kind": "X", "data": "1", "apiVersion": "v1", "metadata": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "apiVersion: v1\nkind: X\nmetadata: {}\nspec:\n  a: \"yes\"\ndata: \"1\"\n"; string(got) != want {
		t.Errorf("printed\n%s", got)
	}
}

// What would turn the writing round is an escape, and is read as what it was.
func TestPrintEscapesWhatDeceives(t *testing.T) {
	tree := map[string]any{"kind": "X", "data": map[string]any{"a\u202eb": "x\u2066\"y\"\n", "plain": "escaped-0-end"}}
	text, err := Print(tree)
	if err != nil || strings.ContainsFunc(string(text), deceives) {
		t.Fatalf("%v\n%s", err, text)
	}
	doc, err := NewReader().Read(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(tree, doc.Tree); d != "" {
		t.Error(d)
	}
}
