package kinds

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	section = regexp.MustCompile(`(?m)^\[([A-Za-z0-9.]+)\]\nother = "(.*)"$`)
	hole    = regexp.MustCompile(`\{\{\.(\w+)\}\}`)
)

// catalogue reads the words of a language: id → sentence.
func catalogue(tb testing.TB, language string) map[string]string {
	tb.Helper()
	out := make(map[string]string)
	for _, file := range []string{"kinds", "workloads", "network", "config", "admin", "actions"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "locales", language, file+".toml"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range section.FindAllStringSubmatch(string(data), -1) {
			out[m[1]] = m[2]
		}
	}
	return out
}

// said collects every message that the testdata of all kinds brings about, and
// the titles that views look up.
func said(tb testing.TB) []Message {
	tb.Helper()
	var out []Message
	title := func(id string) { out = append(out, Message{ID: id}) }
	for _, m := range Menus() {
		title("menu." + string(m))
	}
	for _, r := range []ContainerRole{RoleMain, RoleInit, RoleSidecar, RoleEphemeral} {
		title("container." + string(r))
	}
	for _, c := range pullCauses {
		out = append(out, Message{ID: "pod.image." + c.id, Args: map[string]any{"Image": ""}})
	}
	title("column.name")
	title("column.namespace")
	for _, k := range All() {
		for _, c := range k.Columns {
			title("column." + c.ID)
		}
		for _, a := range k.Actions {
			title("action." + string(a))
		}
		for _, obj := range append(objects(tb, k), blank(tb, k)) {
			d := k.Detail(obj)
			out = append(out, d.Row.Status.Label(), d.Row.Status.Reason)
			for _, c := range d.Row.Cells {
				out = append(out, c.Note)
			}
			for _, f := range d.Facts {
				title("fact." + f.ID)
				for _, v := range f.Values {
					out = append(out, v.Cell.Note)
				}
			}
			for _, table := range d.Tables {
				title("table." + table.ID)
				for _, c := range table.Columns {
					title("column." + c.ID)
				}
				for _, r := range table.Rows {
					for _, v := range r {
						out = append(out, v.Cell.Note)
					}
				}
			}
			for _, c := range d.Containers {
				out = append(out, c.State.Reason, c.Last.Reason)
				for _, p := range c.Probes {
					title("probe." + p.Kind)
				}
			}
		}
	}
	for word := range ourWords {
		title("word." + word)
	}
	return append(out, unreadable.Label(), unreadable.Reason)
}

func TestNFR_L_EveryMessageHasItsWordsInBothLanguages(t *testing.T) {
	en, zh := catalogue(t, "en"), catalogue(t, "zh-CN")
	if len(en) < 100 {
		t.Fatalf("%d words read", len(en))
	}
	holes := func(s string) []string {
		var out []string
		for _, m := range hole.FindAllStringSubmatch(s, -1) {
			out = append(out, m[1])
		}
		slices.Sort(out)
		return out
	}
	for id, words := range en {
		if zh[id] == "" {
			t.Errorf("%s has no Chinese", id)
		} else if !slices.Equal(holes(words), holes(zh[id])) {
			t.Errorf("%s: %q and %q do not take the same values", id, words, zh[id])
		}
		if strings.ContainsAny(zh[id], ",;!?") {
			t.Errorf("%s: %q has half-width punctuation", id, zh[id])
		}
		for other := range en {
			if strings.HasPrefix(other, id+".") {
				t.Errorf("%s is a word and a group (%s)", id, other)
			}
		}
	}
	for id := range zh {
		if en[id] == "" {
			t.Errorf("%s has no English", id)
		}
	}
	for _, m := range said(t) {
		if m.ID == "" {
			continue
		}
		words, ok := en[m.ID]
		if !ok {
			t.Errorf("%s is in no catalogue", m.ID)
		}
		for _, name := range holes(words) {
			if _, ok := m.Args[name]; !ok && strings.Contains(words, "{{."+name+"}}") && m.Args != nil {
				t.Errorf("%s: the sentence wants %s, the message has %v", m.ID, name, m.Args)
			}
		}
	}
}
