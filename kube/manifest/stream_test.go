package manifest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// object is a small document.
func object(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
}

func TestReadStream(t *testing.T) {
	tests := map[string]struct {
		text  string
		names []string
		lines []int
	}{
		"one":                     {object("a"), []string{"a"}, []int{1}},
		"two":                     {object("a") + "---\n" + object("b"), []string{"a", "b"}, []int{1, 6}},
		"windows":                 {strings.ReplaceAll(object("a")+"---\n"+object("b"), "\n", "\r\n"), []string{"a", "b"}, []int{1, 6}},
		"empty ones":              {"---\n# nothing\n---\n\n---\n" + object("a") + "---\n---\n# the end\n---\n", []string{"a"}, []int{6}},
		"null":                    {"null\n---\n" + object("a") + "---\n~\n", []string{"a"}, []int{3}},
		"dots":                    {object("a") + "...\n" + object("b") + "...\n---\n" + object("c"), []string{"a", "b", "c"}, []int{1, 6, 12}},
		"directive":               {"%YAML 1.1\n---\n" + object("a"), []string{"a"}, []int{3}},
		"on a line":               {"--- {apiVersion: v1, kind: A, metadata: {name: a}}\n--- # b\n" + object("b"), []string{"a", "b"}, []int{1, 3}},
		"no newline":              {object("a") + "---\n" + strings.TrimSuffix(object("b"), "\n"), []string{"a", "b"}, []int{1, 6}},
		"a dash too many is none": {object("a") + "data:\n  k: |\n    ----\n    --- not at the edge\n---\n" + object("b"), []string{"a", "b"}, []int{1, 10}},
		"JSON":                    {"{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"a\"}}\n{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"b\"}\n}\n", []string{"a", "b"}, []int{1, 2}},
		"JSON behind a comment":   {object("x") + "---\n# b.json\n{\n\t\"apiVersion\": \"v1\", \"kind\": \"A\", \"metadata\": {\"name\": \"b\"}}\n", []string{"x", "b"}, []int{1, 7}},
		"a flow mapping":          {"{apiVersion: v1, kind: A, metadata: {name: a}}\n", []string{"a"}, []int{1}},
		"a list":                  {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n- kind: List\n  apiVersion: v1\n  items:\n  - {kind: A, apiVersion: v1, metadata: {name: b}}\n---\n" + object("c"), []string{"a", "b", "c"}, []int{4, 10, 12}},
		"no list":                 {"apiVersion: x/v1\nkind: A\nmetadata: {name: a}\nitems: [1]\n", []string{"a"}, []int{1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			parts, errs := NewReader().ReadStream([]byte(tt.text))
			if errs != nil {
				t.Fatal(errs[0])
			}
			var names []string
			var lines []int
			for i, p := range parts {
				meta, _ := p.Doc.Tree["metadata"].(map[string]any)
				names, lines = append(names, fmt.Sprint(meta["name"])), append(lines, p.Line)
				if p.Number != i+1 {
					t.Errorf("document %d has number %d", i+1, p.Number)
				}
				if line, _, ok := p.Doc.Place("metadata.name"); !ok || line < p.Line {
					t.Errorf("the name of document %d stands at line %d, before it at %d", p.Number, line, p.Line)
				}
			}
			if d := cmp.Diff(tt.names, names); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.lines, lines); d != "" {
				t.Error(d)
			}
		})
	}
}

// Every document that cannot be read is told, with its number and its line in the whole text, and none is returned.
func TestReadStreamSaysWhere(t *testing.T) {
	text := object("a") + "---\na: [1\nb: 2\n---\n" + object("c") + "---\nx: &y 1\n---\n- no object\n---\na: 1\na: 2\n---\nkind: List\nitems: [1]\n"
	parts, errs := NewReader().ReadStream([]byte(text))
	if parts != nil {
		t.Errorf("%d documents of a text that cannot be read", len(parts))
	}
	var got []string
	for _, e := range errs {
		got = append(got, fmt.Sprintf("%s in %d at %d", e.Message.ID, e.Document, e.Line))
	}
	want := []string{
		"manifest.not_yaml in 2 at 6", "manifest.alias in 4 at 14", "manifest.no_object in 5 at 16", "manifest.twice in 6 at 19", "manifest.no_object in 7 at 22",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestReadStreamRefuses(t *testing.T) {
	tests := map[string]struct {
		text, id string
		document int
	}{
		"nothing":            {"", "manifest.empty", 0},
		"comments":           {"# a\n---\n# b\n", "manifest.empty", 0},
		"too large":          {strings.Repeat("# a\n", MaxStream/4+1), "manifest.stream_too_large", 0},
		"too many":           {strings.Repeat("---\n"+object("a"), MaxDocuments+1), "manifest.too_many_documents", MaxDocuments + 1},
		"too many in a list": {"kind: List\nitems:\n" + strings.Repeat("- {kind: A, apiVersion: v1}\n", MaxDocuments+1), "manifest.too_many_documents", MaxDocuments + 1},
		"one too large":      {object("a") + "---\n" + object("b") + "data:\n  k: " + strings.Repeat("x", MaxSize+1) + "\n", "manifest.too_large", 2},
		"too many parts":     {strings.Repeat("---\na: ["+strings.Repeat("1,", 90_000)+"1]\n", 5), "manifest.too_many", 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			parts, errs := NewReader().ReadStream([]byte(tt.text))
			if len(errs) != 1 || parts != nil {
				t.Fatalf("%d errors, %d documents", len(errs), len(parts))
			}
			if errs[0].Message.ID != tt.id || errs[0].Document != tt.document {
				t.Errorf("%s in document %d", errs[0].Message.ID, errs[0].Document)
			}
		})
	}
	// What fits is read.
	parts, errs := NewReader().ReadStream([]byte(strings.Repeat("---\n"+object("a"), MaxDocuments)))
	if errs != nil || len(parts) != MaxDocuments {
		t.Errorf("%d documents: %v", len(parts), errs)
	}
}

// TestA29_HostileStreams reads texts that are made to cost more than they weigh.
func TestA29_HostileStreams(t *testing.T) {
	reader := NewReader()
	var before, after runtime.MemStats
	for i, text := range []string{
		strings.Repeat("---\n", MaxStream/4), strings.Repeat("...\n", MaxStream/4), strings.Repeat("--- a\n", MaxStream/6), strings.Repeat("{}", MaxStream/2),
		strings.Repeat("{\"a\":", MaxStream/5), strings.Repeat("a: 1\n", MaxStream/5), strings.Repeat("---\n"+strings.Repeat("[", 400)+"\n", MaxStream/405),
		strings.Repeat("%", MaxStream), strings.Repeat("{", MaxStream), "kind: List\nitems:\n" + strings.Repeat("- kind: List\n  items: []\n", 20_000),
		strings.Repeat("---\n&a [*a]\n", MaxStream/12), "\xff\xfe" + strings.Repeat("-\x00-\x00", 100_000),
	} {
		runtime.ReadMemStats(&before)
		_, errs := reader.ReadStream([]byte(text))
		runtime.ReadMemStats(&after)
		if len(errs) == 0 || len(errs) > maxErrors {
			t.Errorf("text %d: %d errors", i, len(errs))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
			t.Errorf("text %d took %d MiB", i, n>>20)
		}
	}
}
