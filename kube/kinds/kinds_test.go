package kinds

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
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
	obj, err := scheme.Scheme.New(k.GVK())
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
		}
		golden(t, k.GVR.Resource+".detail.golden", b.String())
	}
}

// TestParityWithTheAPIServersTables compares with what kubectl get -o wide
// prints of the same objects. The files were written by the table printer of
// the API server, version 1.37.2.
func TestParityWithTheAPIServersTables(t *testing.T) {
	same := map[string]map[string]string{ // kubectl's column → ours
		"pods":        {"Ready": "ready", "Status": "status", "Restarts": "restarts", "Node": "node", "IP": "ip"},
		"deployments": {"Ready": "ready", "Up-to-date": "uptodate", "Available": "available"},
		"nodes":       {"Status": "status", "Roles": "roles", "Version": "version", "Internal-IP": "internalip", "External-IP": "externalip", "OS-Image": "os", "Container-Runtime": "runtime"},
		"namespaces":  {"Status": "status"},
		"events":      {"Type": "status", "Reason": "reason", "Object": "object", "Message": "message", "Count": "count"},
	}
	for _, k := range All() {
		data, err := os.ReadFile(filepath.Join("testdata", k.GVR.Resource+".kubectl"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		for i, obj := range objects(t, k) {
			row := k.Project(obj)
			compared := 0
			for cell := range strings.SplitSeq(lines[i], "\t") {
				column, want, _ := strings.Cut(cell, "=")
				if column == "Name" && want != row.Name {
					t.Fatalf("%s: line %d is of %s, want %s", k.ID(), i, want, row.Name)
				}
				id := same[k.GVR.Resource][column]
				if id == "" {
					continue
				}
				n, ok := k.Column(id)
				if !ok {
					t.Fatalf("%s has no column %s", k.ID(), id)
				}
				compared++
				got := row.Cells[n].Text
				if row.Cells[n].Form == FormNumber {
					got = strconv.FormatFloat(row.Cells[n].Num, 'f', -1, 64)
				}
				if want == "<none>" || want == "<unknown>" {
					want = ""
				}
				if got != want {
					t.Errorf("%s %s: %s is %q, kubectl prints %q", k.ID(), row.Name, id, got, want)
				}
			}
			if compared != len(same[k.GVR.Resource]) {
				t.Errorf("%s %s: compared %d columns", k.ID(), row.Name, compared)
			}
		}
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
			if !slices.Contains([]Action{ActionScale, ActionRestart, ActionDelete}, a) || !k.Can(a) {
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
