package gallery_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"tiga/locales"
	"tiga/static"
	"tiga/views"
	"tiga/views/gallery"
	"tiga/views/ui"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the instant of every story, so that ages do not change.
var now = time.Date(2026, 11, 23, 5, 16, 49, 0, time.UTC)

func env(lang string) gallery.Env { return gallery.Env{Lang: lang, Now: now, Mount: "/gallery/"} }

// in is a context for rendering in a language.
func in(t *testing.T, lang string) context.Context {
	t.Helper()
	catalogue, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	return ui.With(t.Context(), ui.Env{Locale: catalogue.For(lang), Asset: static.Path, Now: now})
}

// render is a story as a whole document, with its dialog inside the body's dialog when it has one.
func render(ctx context.Context, t *testing.T, s gallery.Story) string {
	t.Helper()
	var b bytes.Buffer
	if err := views.Document(s.Page).Render(ctx, &b); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	doc := b.String()
	if s.Dialog != nil {
		var d bytes.Buffer
		if err := s.Dialog.Render(ctx, &d); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		doc = strings.Replace(doc, `<div id="dialog-body">`, `<div id="dialog-body">`+d.String(), 1)
	}
	return doc
}

func TestStoriesLookAsRecorded(t *testing.T) {
	ctx := in(t, "en")
	for _, s := range gallery.Stories(env("en")) {
		if s.Name == "list-many" || s.Name == "home-sixty" || s.Dialog != nil {
			continue // more of the same rows
		}
		t.Run(s.Name, func(t *testing.T) {
			var b bytes.Buffer
			if err := s.Page.Body.Render(ctx, &b); err != nil {
				t.Fatal(err)
			}
			// A line per element keeps a difference readable.
			got := strings.ReplaceAll(b.String(), "><", ">\n<") + "\n"
			file := filepath.Join("testdata", "golden", s.Name+".html")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run with -update if this is meant (-recorded +now):\n%s", diff)
			}
		})
	}
}

func TestStoryNamesAreUniqueAndFound(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range gallery.Stories(env("en")) {
		if seen[s.Name] {
			t.Errorf("two stories are named %s", s.Name)
		}
		seen[s.Name] = true
		if _, ok := gallery.Find(env("en"), s.Name); !ok {
			t.Errorf("%s is not found by its name", s.Name)
		}
	}
	if _, ok := gallery.Find(env("en"), "no-such-story"); ok {
		t.Error("a story that is not there was found")
	}
}

// TestStoriesKeepTheRulesOfHTML walks the parsed tree of every story in both languages.
func TestStoriesKeepTheRulesOfHTML(t *testing.T) {
	for _, lang := range locales.Tags() {
		ctx := in(t, lang)
		stories := append(gallery.Stories(env(lang)), gallery.Story{Name: "index", Page: gallery.Index(env(lang))})
		for _, s := range stories {
			t.Run(lang+"/"+s.Name, func(t *testing.T) {
				doc := render(ctx, t, s)
				root, err := html.Parse(strings.NewReader(doc))
				if err != nil {
					t.Fatal(err)
				}
				for _, wrong := range check(root) {
					t.Error(wrong)
				}
				if id := untranslated.FindString(doc); id != "" {
					t.Errorf("the message %s is not translated", id)
				}
				shown := copied.ReplaceAllString(doc, "")
				if i := strings.IndexFunc(shown, func(r rune) bool { return r == '\u202e' || r == '\u2066' }); i >= 0 {
					t.Errorf("a mark that turns the writing round reached the page: %q", shown[max(0, i-80):i+10])
				}
				if got := attr(find(root, "html"), "lang"); got != lang {
					t.Errorf("lang is %q, want %q", got, lang)
				}
			})
		}
	}
}

var untranslated = regexp.MustCompile(`\b(ui|duration)\.[a-z_]+(\.[a-z_0-9]+)*\b`)

// copied is what goes to the clipboard, which has to be the text itself.
var copied = regexp.MustCompile(`data-copy="[^"]*"`)

func TestA21_HostileTextStaysText(t *testing.T) {
	ctx := in(t, "en")
	for _, s := range gallery.Stories(env("en")) {
		if !strings.HasSuffix(s.Name, "hostile") {
			continue
		}
		doc := render(ctx, t, s)
		for _, bad := range []string{"<script>window", "<img src=x", "<hx-partial hx-target=\"#main\" hx-swap=\"innerHTML\"><b", "href=\"javascript:"} {
			if strings.Contains(doc, bad) {
				t.Errorf("%s: %q reached the page as markup", s.Name, bad)
			}
		}
		if !strings.Contains(doc, "&lt;script&gt;") && !strings.Contains(doc, "&#34;") {
			t.Errorf("%s holds no hostile text; the story proves nothing", s.Name)
		}
	}
}

func TestListOf100RowsIsSmall(t *testing.T) {
	ctx := in(t, "en")
	s, _ := gallery.Find(env("en"), "list-many")
	var part bytes.Buffer
	if err := views.Main(s.Page).Render(ctx, &part); err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string]string{"document": render(ctx, t, s), "inside of #main": part.String()} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(page)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		const limit = 60 << 10
		if b.Len() > limit {
			t.Errorf("the %s of a list of 100 rows is %d bytes gz, more than %d", name, b.Len(), limit)
		}
		t.Logf("%s: %d bytes, %d gz", name, len(page), b.Len())
	}
}

// TestMainIsTheInsideOfTheDocument holds the two representations of a screen together.
func TestMainIsTheInsideOfTheDocument(t *testing.T) {
	ctx := in(t, "en")
	s, _ := gallery.Find(env("en"), "list-few")
	s.Page.Live = &views.Live{Stream: "/clusters/1/pods/live", Self: "/clusters/1/pods?q=a&sort=-age"}
	var part bytes.Buffer
	if err := views.Main(s.Page).Render(ctx, &part); err != nil {
		t.Fatal(err)
	}
	doc := render(ctx, t, s)
	title, body, _ := strings.Cut(part.String(), "</title>")
	inside, _, _ := strings.Cut(body, "<hx-partial")
	if !strings.Contains(doc, inside) {
		t.Error("what a part shows is not what the document shows")
	}
	if !strings.Contains(doc, title) {
		t.Errorf("the part's title %q is not the document's", title)
	}
	if want := "Pods · production · Tiga"; s.Page.DocumentTitle() != want {
		t.Errorf("FR-0.3: title %q, want %q", s.Page.DocumentTitle(), want)
	}
	for _, target := range []string{"#context", "#sidebar", "#strips"} {
		if !strings.Contains(part.String(), fmt.Sprintf(`<hx-partial hx-target="%s"`, target)) {
			t.Errorf("the part does not bring %s up to date", target)
		}
		if !strings.Contains(doc, fmt.Sprintf(`id="%s"`, target[1:])) {
			t.Errorf("the document has no %s", target)
		}
	}
}
