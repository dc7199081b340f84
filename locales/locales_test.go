package locales

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"
)

func catalogue(tb testing.TB) *Catalogue {
	tb.Helper()
	c, err := Load()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// messages are the messages of one file, by id.
func messages(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	list, err := flatten(nil, "", tree)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	byID := map[string]string{}
	for _, m := range list {
		byID[m.ID] = strings.Join([]string{m.Zero, m.One, m.Two, m.Few, m.Many, m.Other}, "\x00")
	}
	return byID
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

func placeholders(text string) []string {
	seen := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		seen[m[1]] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func TestNFRL_EveryFileHasATwinWithTheSameMessagesAndPlaceholders(t *testing.T) {
	names, err := fs.Glob(files, "en/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	others, err := fs.Glob(files, "zh-CN/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(others) {
		t.Errorf("%d files in en, %d in zh-CN", len(names), len(others))
	}
	for _, name := range names {
		en, zh := messages(t, name), messages(t, "zh-CN"+strings.TrimPrefix(name, "en"))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh))); diff != "" {
			t.Errorf("%s: the messages differ (-en +zh-CN):\n%s", name, diff)
		}
		for id, text := range en {
			if diff := cmp.Diff(placeholders(text), placeholders(zh[id])); diff != "" {
				t.Errorf("%s: placeholders of %s differ (-en +zh-CN):\n%s", name, id, diff)
			}
		}
	}
}

// TestNFRL_ChineseIsWrittenWithItsOwnPunctuation finds ASCII marks between Chinese characters.
func TestNFRL_ChineseIsWrittenWithItsOwnPunctuation(t *testing.T) {
	names, err := fs.Glob(files, "zh-CN/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	half := regexp.MustCompile(`\p{Han}[,;:?!()]|[,;?!()]\p{Han}|\p{Han}\.(\s|$)`)
	for _, name := range names {
		for id, text := range messages(t, name) {
			if at := half.FindString(text); at != "" {
				t.Errorf("%s: %s has %q: use the full-width mark", name, id, at)
			}
		}
	}
}

// TestEveryIDThatCodeNamesIsThere looks for ids written out in calls of T. Ids put together at run time are their
// owners' to test.
func TestEveryIDThatCodeNamesIsThere(t *testing.T) {
	c := catalogue(t)
	call := regexp.MustCompile(`\bT\((?:ctx|r\.Context\(\)), "([a-z][a-zA-Z0-9_.]*[a-zA-Z0-9_])"|\.T\("([a-z][a-zA-Z0-9_.]*[a-zA-Z0-9_])"`)
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".templ") && !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range call.FindAllStringSubmatch(string(data), -1) {
			found++
			id := m[1] + m[2]
			for _, tag := range Tags() {
				if !c.For(tag).Has(id) {
					t.Errorf("%s says %q, which %s does not have", path, id, tag)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 100 {
		t.Errorf("only %d calls found: the pattern does not fit the code any more", found)
	}
}

func TestTFillsPlaceholdersAndChoosesForms(t *testing.T) {
	c, err := load(fstest.MapFS{
		"en/a.toml":    {Data: []byte("plain = \"as it is\"\n[a]\nhash = \"deep {{.X}}\"\n[n]\none = \"{{.Count}} pod in {{.Where}}\"\nother = \"{{.Count}} pods in {{.Where}}\"\n")},
		"zh-CN/a.toml": {Data: []byte("plain = \"原样\"\nn = \"{{.Where}}中有 {{.Count}} 个\"\n[a]\nhash = \"深 {{.X}}\"\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		tag, id string
		args    []any
		want    string
	}{
		{"en", "plain", nil, "as it is"},
		{"en", "a.hash", []any{"X", "<b>"}, "deep <b>"},
		{"en", "a.hash", []any{map[string]any{"X": 12345}}, "deep 12,345"},
		{"en", "a.hash", nil, "deep "},
		{"en", "n", []any{"Count", 1, "Where", "shop"}, "1 pod in shop"},
		{"en", "n", []any{"Count", 10010, "Where", "shop"}, "10,010 pods in shop"},
		{"en", "n", []any{map[string]any{"Count": 2, "Where": "shop"}}, "2 pods in shop"},
		{"zh-CN", "n", []any{"Count", 10010, "Where", "shop"}, "shop中有 10,010 个"},
		{"zh-CN", "plain", nil, "原样"},
		{"fr", "plain", nil, "as it is"},
		{"en", "no.such.id", []any{"X", 1}, "no.such.id"},
	}
	for _, tt := range tests {
		if got := c.For(tt.tag).T(tt.id, tt.args...); got != tt.want {
			t.Errorf("%s: T(%q, %v) = %q, want %q", tt.tag, tt.id, tt.args, got, tt.want)
		}
	}
}

func TestLoadRefusesWhatCannotBeSaid(t *testing.T) {
	fine := &fstest.MapFile{Data: []byte("a = \"b\"\n")}
	tests := map[string]string{
		"not TOML":         "a = ",
		"twice":            "a = \"b\"\n", // and again in the second file
		"empty":            "x = \"\"\n",
		"code":             "x = \"{{call .F}}\"\n",
		"open placeholder": "x = \"{{.F\"\n",
		"a number":         "x = 3\n",
	}
	for name, text := range tests {
		_, err := load(fstest.MapFS{"en/a.toml": fine, "en/b.toml": {Data: []byte(text)}, "zh-CN/a.toml": fine})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := load(fstest.MapFS{"en/a.toml": fine}); err == nil {
		t.Error("a language without files: no error")
	}
}

func TestMatchChoosesTheLanguage(t *testing.T) {
	c := catalogue(t)
	tests := []struct{ accept, cookie, want string }{
		{"", "", "en"},
		{"zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"},
		{"zh", "", "zh-CN"},
		{"zh-Hans-SG", "", "zh-CN"},
		{"de-DE,de;q=0.9", "", "en"},
		{"de-DE,de;q=0.9,zh;q=0.5", "", "zh-CN"},
		{"en-GB,en;q=0.9,zh;q=0.8", "", "en"},
		{"zh-CN", "en", "en"},
		{"en", "zh-CN", "zh-CN"},
		{"en", "../../etc", "en"},
		{";;;q=,,", "", "en"},
	}
	for _, tt := range tests {
		if got := c.Match(tt.accept, tt.cookie); got != tt.want {
			t.Errorf("Match(%q, %q) = %s, want %s", tt.accept, tt.cookie, got, tt.want)
		}
	}
}

func TestNumbersAgesAndSizes(t *testing.T) {
	en, zh := catalogue(t).For("en"), catalogue(t).For("zh-CN")
	const day = 24 * time.Hour
	tests := []struct{ name, got, want string }{
		{"thousands", en.Number(1234567), "1,234,567"},
		{"small", en.Number(999), "999"},
		{"negative", en.Number(-1234.5), "-1,234.5"},
		{"seconds", en.Age(45 * time.Second), "45s"},
		{"minutes", en.Age(119 * time.Second), "1m"},
		{"hours", en.Age(5*time.Hour + 59*time.Minute), "5h"},
		{"two days in hours", en.Age(47 * time.Hour), "47h"},
		{"days", zh.Age(34 * day), "34d"},
		{"years", en.Age(800 * day), "2y"},
		{"not in the future", en.Age(-time.Hour), "0s"},
		{"one in words", en.Duration(time.Minute), "1 minute"},
		{"words", en.Duration(3 * time.Minute), "3 minutes"},
		{"Chinese words", zh.Duration(3 * time.Minute), "3 分钟"},
		{"time", en.Time(time.Date(2026, 11, 23, 5, 6, 7, 0, time.FixedZone("", 3600))), "2026-11-23 04:06:07 UTC"},
		{"no CPU", en.CPU(0), "0"},
		{"millicores", en.CPU(.0441), "45m"},
		{"cores", en.CPU(1.5), "1.5"},
		{"many cores", en.CPU(1024), "1,024"},
		{"bytes", en.Bytes(512), "512 B"},
		{"Mi", en.Bytes(46 << 20), "46 Mi"},
		{"one decimal", en.Bytes(3.1 * (1 << 30)), "3.1 Gi"},
		{"no .0", en.Bytes(2 << 30), "2 Gi"},
		{"just below a unit", en.Bytes(1<<30 - 1), "1 Gi"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

// TestTagsAreOneForEachFolder keeps the list of languages and the folders together.
func TestTagsAreOneForEachFolder(t *testing.T) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	tags := Tags()
	slices.Sort(tags)
	if diff := cmp.Diff(folders, tags); diff != "" {
		t.Errorf("(-folders +tags):\n%s", diff)
	}
	for _, tag := range tags {
		if got := language.MustParse(tag).String(); got != tag {
			t.Errorf("%s is written %s", tag, got)
		}
	}
}

func BenchmarkT(b *testing.B) {
	l := catalogue(b).For("en")
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.T("ui.pods")
		}
	})
	b.Run("filled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.T("ui.actions_of", "Name", "nginx")
		}
	})
}
