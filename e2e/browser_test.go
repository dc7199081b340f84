package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a window with one tab, closed with the test.
type browser struct {
	t    testing.TB
	ctx  context.Context
	base string

	mu     sync.Mutex
	errors []string // what the page wrote to the console as an error, exceptions and blocked content included
	asked  []string // the addresses of all requests
}

// patience is how long a test waits for something on screen.
const patience = 90 * time.Second

// open starts a browser of its own on a running tiga.
func (a *app) open(options ...chromedp.ExecAllocatorOption) *browser {
	t := a.t
	t.Helper()
	profile := t.TempDir()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(60*time.Second),
	)
	opts = append(opts, options...)
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	b := &browser{t: t, base: a.url}
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			b.keep("failed")
		}
		cancel()
		cancelAlloc()
	})
	// The browser lives as long as the context of its first action.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return b
}

func (b *browser) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "Failed to load resource") {
			b.errors = append(b.errors, e.Entry.Text)
		}
	}
}

// do runs actions, each within the test's patience.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// eval runs a script in the page and returns its value.
func eval[T any](b *browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("script %s: %v", script, err)
	}
	return v
}

// visit opens a page of tiga.
func (b *browser) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// wait waits until a script's value is true. It asks the page itself, so a page that is replaced meanwhile is waited for too.
func (b *browser) wait(what, script string) {
	b.t.Helper()
	eventually(b.t, patience, what, func() error {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+script+")"))
		if err != nil {
			return err
		}
		if !ok {
			says, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.querySelector('#main')?.innerText ?? document.body?.innerText ?? ''"))
			return fmt.Errorf("%s is false; the page says: %s", script, cutText(says))
		}
		return nil
	})
}

func cutText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 600)]
}

// text waits until the element's text contains want.
func (b *browser) text(selector, want string) {
	b.t.Helper()
	b.wait(selector+" says "+want, fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))", selector, want))
}

// click clicks the first visible element that matches, as a person would: with the mouse, and once it stands still.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.wait(selector+" stands still", fmt.Sprintf(`(() => {
		const at = [...document.querySelectorAll(%q)].find(e => e.checkVisibility())?.getBoundingClientRect();
		const now = at && [at.x, at.y, at.width].join(), before = window.stoodAt;
		window.stoodAt = now;
		return now && now === before;
	})()`, selector))
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// fill replaces the value of a field by typing.
func (b *browser) fill(selector, value string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
	eval[bool](b, fmt.Sprintf("(document.querySelector(%q).select(), true)", selector))
	b.do(chromedp.SendKeys(chromedp.CSS(selector), value))
}

// signIn signs in through the form.
func (b *browser) signIn(name, secret string) {
	b.t.Helper()
	b.visit("/login")
	b.fill("[name=username]", name)
	b.fill("[name=password]", secret)
	b.click("form[action='/login'] [type=submit]")
	b.wait("signed in", "location.pathname !== '/login'")
}

// quiet fails the test if the page complained to the console, for example of something that the content security
// policy blocked.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errors) > 0 {
		b.t.Errorf("the browser's console has errors: %q", b.errors)
	}
}

// keep writes a screenshot to the folder that TIGA_E2E_SCREENSHOTS names.
func (b *browser) keep(name string) {
	dir := os.Getenv("TIGA_E2E_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "_")+"-"+name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Logf("screenshot: %v", err)
	}
}
