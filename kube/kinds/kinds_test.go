package kinds

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

// objects reads the testdata of a kind.
func objects(tb testing.TB, k *Kind) []runtime.Object {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", k.GVR.Resource+".yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	var out []runtime.Object
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		obj := blank(tb, k)
		if err := yaml.UnmarshalStrict(doc, obj); err != nil {
			tb.Fatalf("%s: %v\n%s", k.ID(), err, doc)
		}
		out = append(out, obj)
	}
	return out
}

// blank is an object of the kind without anything in it.
func blank(tb testing.TB, k *Kind) runtime.Object {
	tb.Helper()
	if k.Dynamic() {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetGroupVersionKind(k.GVK())
		return u
	}
	obj, err := Types().New(k.GVK())
	if err != nil {
		tb.Fatal(err)
	}
	return obj
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", name, diff)
	}
}

func (t Tone) word() string { return [...]string{"none", "idle", "info", "ok", "warn", "bad"}[t] }

func written(m Message) string {
	var b strings.Builder
	b.WriteString(m.ID)
	for _, k := range slices.Sorted(maps.Keys(m.Args)) {
		v := m.Args[k]
		if at, ok := v.(time.Time); ok {
			v = at.UTC().Format("15:04:05")
		}
		fmt.Fprintf(&b, " %s=%v", k, v)
	}
	if m.Text != "" {
		fmt.Fprintf(&b, " %q", m.Text)
	}
	return strings.TrimSpace(b.String())
}

func writtenCell(c Cell) string {
	s := c.Text
	switch {
	case c.Empty():
		return "-"
	case c.Form == FormAge:
		s = time.Unix(int64(c.Num), 0).UTC().Format("15:04:05")
	case s == "":
		s = strconv.FormatFloat(c.Num, 'g', -1, 64)
	}
	if c.Tone > ToneNone && c.Form != FormStatus {
		s += " " + c.Tone.word()
	}
	if !c.Note.IsZero() && c.Form != FormStatus {
		s += " (" + written(c.Note) + ")"
	}
	return s
}

func TestRowsAreThoseOfTheGoldenFiles(t *testing.T) {
	for _, k := range All() {
		var b strings.Builder
		for _, obj := range objects(t, k) {
			row := k.Project(obj)
			fmt.Fprintf(&b, "%s\n  %s %s", row.Name, row.Status.Tone.word(), row.Status.Word)
			if row.Status.Since > 0 {
				fmt.Fprintf(&b, " since %s", time.Unix(row.Status.Since, 0).UTC().Format("15:04:05"))
			}
			if !row.Status.Reason.IsZero() {
				fmt.Fprintf(&b, ": %s", written(row.Status.Reason))
			}
			b.WriteString("\n ")
			for i, c := range row.Cells {
				fmt.Fprintf(&b, " %s=%s", k.Columns[i].ID, writtenCell(c))
			}
			b.WriteString("\n")
			for _, p := range row.Annotations {
				fmt.Fprintf(&b, "  annotation %s=%s\n", p.Key, p.Value)
			}
			for _, o := range row.Owners {
				fmt.Fprintf(&b, "  owner %s %s %s\n", o.APIVersion, o.Kind, o.Name)
			}
			for _, r := range row.Refs {
				fmt.Fprintf(&b, "  %s %s/%s/%s\n", r.Via, r.Kind, r.Namespace, r.Name)
			}
		}
		golden(t, k.GVR.Resource+".golden", b.String())
	}
}

func TestDetailsAreThoseOfTheGoldenFiles(t *testing.T) {
	for _, k := range All() {
		var b strings.Builder
		for _, obj := range objects(t, k) {
			d := k.Detail(obj)
			if !d.Problem.IsZero() {
				t.Errorf("%s %s: %s", k.ID(), d.Row.Name, written(d.Problem))
			}
			fmt.Fprintf(&b, "%s\n", d.Row.Name)
			for _, f := range d.Facts {
				fmt.Fprintf(&b, "  %s:", f.ID)
				for _, v := range f.Values {
					fmt.Fprintf(&b, " %s", writtenCell(v.Cell))
					if v.Ref != nil {
						fmt.Fprintf(&b, " -> %s/%s/%s", v.Ref.Kind, v.Ref.Namespace, v.Ref.Name)
					}
				}
				b.WriteString("\n")
			}
			for _, c := range d.Conditions {
				fmt.Fprintf(&b, "  condition %s=%s %s %s\n", c.Type, c.Status, c.Tone.word(), c.Reason)
			}
			for _, c := range d.Containers {
				line, err := json.Marshal(c)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "  container %s\n", line)
			}
			for _, table := range d.Tables {
				for _, r := range table.Rows {
					fmt.Fprintf(&b, "  table %s", table.ID)
					for i, v := range r {
						fmt.Fprintf(&b, " %s=%s", table.Columns[i].ID, writtenCell(v.Cell))
						if v.Ref != nil {
							fmt.Fprintf(&b, " -> %s/%s/%s", v.Ref.Kind, v.Ref.Namespace, v.Ref.Name)
						}
					}
					b.WriteString("\n")
				}
			}
			for _, e := range d.Entries {
				fmt.Fprintf(&b, "  entry %s %d %q binary=%t hidden=%t\n", e.Key, e.Size, e.Text, e.Binary, e.Hidden)
			}
			if p := k.Pods(obj); p != (PodsOf{}) {
				fmt.Fprintf(&b, "  pods selector=%q node=%q", p.Selector, p.Node)
				if p.All {
					b.WriteString(" all")
				}
				b.WriteString("\n")
			}
		}
		golden(t, k.GVR.Resource+".detail.golden", b.String())
	}
}

// TestParityWithTheAPIServersTables compares with what kubectl get -o wide
// prints of the same objects. The first line of a file names the columns that
// are compared; the files were written by the table printer of
// the API server, version 1.37.2.
func TestParityWithTheAPIServersTables(t *testing.T) {
	compared := 0
	for _, k := range All() {
		data, err := os.ReadFile(filepath.Join("testdata", k.GVR.Resource+".kubectl"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // e2e compares every kind with the real server
		}
		if err != nil {
			t.Fatal(err)
		}
		compared++
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		same := make(map[string]string) // kubectl's column → ours, as the first line says
		for pair := range strings.FieldsSeq(strings.TrimPrefix(lines[0], "#")) {
			theirs, ours, _ := strings.Cut(pair, "=")
			same[theirs] = ours
		}
		lines = lines[1:]
		for i, obj := range objects(t, k) {
			row := k.Project(obj)
			columns := 0
			for cell := range strings.SplitSeq(lines[i], "\t") {
				column, want, _ := strings.Cut(cell, "=")
				if column == "Name" && want != row.Name {
					t.Fatalf("%s: line %d is of %s, want %s", k.ID(), i, want, row.Name)
				}
				id := same[column]
				if id == "" {
					continue
				}
				n, ok := k.Column(id)
				if !ok {
					t.Fatalf("%s has no column %s", k.ID(), id)
				}
				columns++
				got := row.Cells[n].Text
				if row.Cells[n].Form == FormNumber {
					got = strconv.FormatFloat(row.Cells[n].Num, 'f', -1, 64)
				}
				if want == "<none>" || want == "<unknown>" || want == "<unset>" {
					want = ""
				}
				if got != want {
					t.Errorf("%s %s: %s is %q, kubectl prints %q", k.ID(), row.Name, id, got, want)
				}
			}
			if columns != len(same) {
				t.Errorf("%s %s: compared %d columns", k.ID(), row.Name, columns)
			}
		}
	}
	if compared < 5 {
		t.Errorf("compared %d kinds", compared)
	}
}

func TestEveryKindIsSound(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range All() {
		id := k.ID()
		switch {
		case seen[id]:
			t.Errorf("%s is there twice", id)
		case k.Name == "" || k.Plural == "" || k.GVR.Version == "":
			t.Errorf("%s has no name, plural or version", id)
		case !slices.Contains(Menus(), k.Menu):
			t.Errorf("%s: menu %q is not known", id, k.Menu)
		}
		seen[id] = true
		if found, ok := Lookup(id); !ok || found != k {
			t.Errorf("%s is not found", id)
		}
		columns := make(map[string]bool)
		for _, c := range k.Columns {
			if c.ID == "" || columns[c.ID] || c.ID == "name" || c.ID == "namespace" {
				t.Errorf("%s: column %q", id, c.ID)
			}
			columns[c.ID] = true
		}
		for _, f := range append([]string{strings.TrimPrefix(k.Sort, "-")}, k.Facets...) {
			if f != "" && !columns[f] {
				t.Errorf("%s: sorts or counts by %q, which is no column", id, f)
			}
		}
		for _, a := range k.Actions {
			known := []Action{
				ActionScale, ActionRestart, ActionPause, ActionResume, ActionUndo, ActionRun, ActionRerun, ActionSuspend, ActionUnsuspend,
				ActionEvict, ActionCordon, ActionUncordon, ActionDrain, ActionDelete,
			}
			if !slices.Contains(known, a) || !k.Can(a) {
				t.Errorf("%s: action %q", id, a)
			}
		}
		for _, obj := range append(objects(t, k), blank(t, k)) {
			row := k.Project(obj)
			if len(row.Cells) != len(k.Columns) {
				t.Errorf("%s: %d cells for %d columns", id, len(row.Cells), len(k.Columns))
			}
			for i, c := range row.Cells {
				if form := k.Columns[i].Form; c.Form != form && !c.Empty() {
					t.Errorf("%s %s: column %s has form %d, cell has %d", id, row.Name, k.Columns[i].ID, form, c.Form)
				}
			}
			if d := k.Detail(obj); !d.Problem.IsZero() {
				t.Errorf("%s %s: detail says %s", id, row.Name, d.Problem.ID)
			}
		}
	}
	if _, ok := Lookup("unicorns"); ok {
		t.Error("found a kind that is not there")
	}
}

func TestA29_WrongObjectGivesAPlaceholderAndNoPanic(t *testing.T) {
	for i, k := range All() {
		other := All()[(i+1)%len(All())]
		wrong := objects(t, other)[0]
		d := k.Detail(wrong)
		if d.Problem.IsZero() || d.Row.Status.Word != WordUnreadable || d.Row.Name == "" || len(d.Row.Cells) != len(k.Columns) {
			t.Errorf("%s of a %s: %+v", k.ID(), other.ID(), d.Row)
		}
		if s := k.Status(wrong); s.Word != WordUnreadable {
			t.Errorf("%s of a %s has status %s", k.ID(), other.ID(), s.Word)
		}
	}
	if row := All()[0].Placeholder(&runtime.Unknown{}); row.Status.Word != WordUnreadable {
		t.Errorf("something that is no object has status %s", row.Status.Word)
	}
}

func TestAnnotationsAreKeptShort(t *testing.T) {
	m := map[string]string{lastApplied: "copy", "long": strings.Repeat("界", 200)}
	for i := range 100 {
		m[fmt.Sprint("many-", i)] = "x"
	}
	got := annotations(m)
	if len(got) != annotationsLimit {
		t.Errorf("%d annotations, want %d", len(got), annotationsLimit)
	}
	for _, p := range got {
		if p.Key == lastApplied || len(p.Value) > annotationValueLimit || strings.ContainsRune(p.Value, '\uFFFD') {
			t.Errorf("annotation %s=%q", p.Key, p.Value)
		}
	}
}
