package gallery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tiga/locales"
	"tiga/static"
	"tiga/views"
	"tiga/views/gallery"
	"tiga/views/ui"
)

// policy is the Content-Security-Policy that pages are served with; what breaks it shows in the console.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// browser is a tab of the system's Chromium. Everything that its console says is gathered, and fails the test at its
// end unless the test takes it away.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu      sync.Mutex
	console []string
}

func open(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium here")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{t: t, ctx: ctx}
	b.do(chromedp.Navigate("about:blank"))
	// An editor with text that is not stored asks before its page is left.
	dialogs := chromedp.Events(ctx, page.JavascriptDialogOpening)
	go func() {
		for _, err := range dialogs {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // else the test waits in vain, and says so
		}
	}()
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == "debug" || m.Type == "log" {
				continue
			}
			b.mu.Lock()
			b.console = append(b.console, m.String())
			b.mu.Unlock()
		}
	}()
	return b
}

// said takes away what the console said so far.
func (b *browser) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.console
	b.console = nil
	return said
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of an expression in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true in the page.
func (b *browser) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool]("!!("+expression+")"))
	for deadline := time.Now().Add(10 * time.Second); err != nil && strings.Contains(err.Error(), "context") && time.Now().Before(deadline); {
		_, err = chromedp.Run(b.ctx, chromedp.Poll[bool]("!!("+expression+")")) // the page it was asked on went away
	}
	if err != nil {
		b.t.Fatalf("wait for %s: %v\nconsole: %s", expression, err, strings.Join(b.said(), "\n"))
	}
}

// show serves stories, and everything that they load.
func show(t *testing.T) *httptest.Server {
	t.Helper()
	catalogue, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("GET /gallery/{name}", func(w http.ResponseWriter, r *http.Request) {
		lang := r.URL.Query().Get("lang")
		e := env(lang)
		s, ok := gallery.Find(e, r.PathValue("name"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		ctx := ui.With(r.Context(), ui.Env{Locale: catalogue.For(lang), Asset: static.Path, Now: now, Theme: r.URL.Query().Get("theme")})
		var b bytes.Buffer
		if err := views.Document(s.Page).Render(ctx, &b); err != nil {
			t.Error(err)
		}
		document := b.String()
		if s.Dialog != nil {
			var d bytes.Buffer
			if err := s.Dialog.Render(ctx, &d); err != nil {
				t.Error(err)
			}
			document = strings.Replace(document, `<div id="dialog-body">`, `<div id="dialog-body">`+d.String(), 1)
		}
		answer(w, http.StatusOK, document)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func answer(w http.ResponseWriter, status int, page string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", "test")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, page)
}

// TestStoriesAreAccessibleAndClipNothing runs axe over every story, light and wide in English, dark and narrow in
// Chinese, and sees that no page scrolls sideways. With -update it leaves pictures in testdata/shots.
func TestStoriesAreAccessibleAndClipNothing(t *testing.T) {
	b := open(t)
	server := show(t)
	source, err := os.ReadFile(filepath.Join("testdata", "axe", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	looks := []struct {
		lang, theme string
		width       int64
	}{{"en", "light", 1280}, {"zh-CN", "dark", 390}}
	for _, look := range looks {
		size := chromedp.EmulateViewport(look.width, 844)
		if look.width < 700 {
			size = chromedp.EmulateViewport(look.width, 844, chromedp.EmulateMobile)
		}
		b.do(size)
		for _, s := range gallery.Stories(env(look.lang)) {
			if s.Name == "home-sixty" || s.Name == "list-many" {
				continue // more of the rows of home-many and list-few
			}
			t.Run(fmt.Sprintf("%s/%s/%d/%s", look.lang, look.theme, look.width, s.Name), func(t *testing.T) {
				b.t = t
				b.do(chromedp.Navigate(server.URL + "/gallery/" + s.Name + "?lang=" + look.lang + "&theme=" + look.theme))
				b.until(`document.readyState === "complete" && window.htmx`)
				if s.Dialog != nil {
					eval[any](b, `document.querySelector("#dialog").showModal()`)
				}
				if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > look.width {
					t.Errorf("the page is %d px wide and scrolls sideways", wide)
				}
				if eval[bool](b, `"__pwned" in window`) {
					t.Error("text of the cluster ran as code")
				}
				eval[any](b, string(source)+";0")
				found := eval[string](b, axe)
				var violations []struct {
					ID, Impact, Help string
					Nodes            []string
				}
				if err := json.Unmarshal([]byte(found), &violations); err != nil {
					t.Fatal(err)
				}
				for _, v := range violations {
					t.Errorf("%s (%s): %s\n\t%s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n\t"))
				}
				for _, line := range b.said() {
					t.Errorf("console: %s", line)
				}
			})
		}
	}
	b.t = t
}

// axe asks for the serious violations of WCAG 2.1 AA.
const axe = `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
	.then((r) => JSON.stringify(r.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => ({
		ID: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.slice(0, 4).map((n) => n.html.slice(0, 200) + "  " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "")),
	}))))`
