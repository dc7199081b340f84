package kube

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFR0_7_EveryReasonHasWords in both languages, with the same gaps, and there are no words that nothing says.
func TestFR0_7_EveryReasonHasWords(t *testing.T) {
	used := map[string]bool{}
	calls := regexp.MustCompile(`\b(message|problem|warn|fail)\("([a-z0-9_.]+)"`)
	for prefix, pattern := range map[string]string{"cluster.": "*.go", "kubeconfig.": "kubeconfig/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, f := range files {
			if filepath.Base(f) != f && prefix == "cluster." || regexp.MustCompile(`_test\.go$`).MatchString(f) {
				continue
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range calls.FindAllStringSubmatch(string(src), -1) {
				used[prefix+m[2]] = true
			}
		}
	}
	// These two are made from their siblings.
	used["cluster.node_not_ready_ever"], used["cluster.nodes_not_ready_ever"] = true, true
	en, zh := catalogueOf(t, "en"), catalogueOf(t, "zh-CN")
	for id := range used {
		if en[id] == nil {
			t.Errorf("%s has no words", id)
		}
	}
	for id := range en {
		if !used[id] {
			t.Errorf("nothing says %s", id)
		}
	}
	if diff := cmp.Diff(en, zh); diff != "" {
		t.Errorf("the languages differ: %s", diff)
	}
}

// catalogueOf is the ids of one language with the names of their gaps.
func catalogueOf(t *testing.T, language string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "locales", language, "*.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data = append(append(data, file...), '\n')
	}
	out := map[string][]string{}
	table := ""
	line := regexp.MustCompile(`(?m)^(?:\[([a-z0-9_.]+)\]|([a-z0-9_.]+) = "(.+)")$`)
	gap := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	for _, m := range line.FindAllStringSubmatch(string(data), -1) {
		if m[1] != "" {
			table = m[1]
			continue
		}
		gaps := []string{}
		for _, g := range gap.FindAllStringSubmatch(m[3], -1) {
			gaps = append(gaps, g[1])
		}
		slices.Sort(gaps)
		if table == "cluster" || table == "kubeconfig" {
			out[table+"."+m[2]] = gaps
		}
	}
	return out
}
