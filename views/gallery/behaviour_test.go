package gallery_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"tiga/locales"
	"tiga/static"
	"tiga/views"
	"tiga/views/gallery"
	"tiga/views/ui"
)

// site is a small console: a list that changes, its live stream, an action and preferences. It answers as the
// handlers of the product do, so that htmx, app.js and the components are tried together.
type site struct {
	*httptest.Server
	t testing.TB

	mu      sync.Mutex
	age     int // rows say how often the list changed
	changed map[chan struct{}]bool
	posts   []string
	queries []string
	held    map[string]chan struct{} // addresses whose answer waits
}

// hold keeps back answers to an address until the returned function is called.
func (s *site) hold(address string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held[address] = held
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, address)
		close(held)
	}
}

// asked is how often an address was asked for.
func (s *site) asked(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, q := range s.queries {
		if q == address {
			n++
		}
	}
	return n
}

func serve(t *testing.T) *site {
	t.Helper()
	catalogue, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, changed: map[chan struct{}]bool{}, held: map[string]chan struct{}{}}
	page := func(w http.ResponseWriter, r *http.Request, status int, p views.Page) {
		ctx := ui.With(r.Context(), ui.Env{Locale: catalogue.For("en"), Asset: static.Path, Now: now})
		shown := views.Document(p)
		if r.Header.Get("HX-Request-Type") == "partial" {
			shown = views.Main(p)
		}
		answer(w, status, s.render(shown, r.WithContext(ctx)))
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("GET /gallery/{name}", func(w http.ResponseWriter, r *http.Request) {
		e := env("en")
		story, ok := gallery.Find(e, r.PathValue("name"))
		if !ok {
			story, _ = gallery.Find(e, "problem-404")
			page(w, r, http.StatusNotFound, story.Page)
			return
		}
		s.mu.Lock()
		s.queries = append(s.queries, r.URL.RequestURI())
		age, held := s.age, s.held[r.URL.RequestURI()]
		s.mu.Unlock()
		if held != nil {
			select {
			case <-held:
			case <-r.Context().Done():
				return
			}
		}
		if strings.HasPrefix(r.PathValue("name"), "list-") {
			story.Page.Live = &views.Live{Stream: "/live", Self: r.URL.RequestURI()}
			l := gallery.Pods(e, 60)
			l.Filter.Query = r.URL.Query().Get("q")
			for i := range l.Rows {
				l.Rows[i].Cells[4].Num = float64(age)
			}
			story.Page.Body = views.ListPage(l)
		}
		page(w, r, http.StatusOK, story.Page)
	})
	mux.HandleFunc("GET /live", s.stream)
	mux.HandleFunc("POST /gallery/retry", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.posts = append(s.posts, r.PostForm.Encode())
		s.mu.Unlock()
		if r.PostForm.Get("replicas") == "666" {
			w.WriteHeader(http.StatusBadGateway) // a proxy's page: it does not carry our request id
			_, _ = fmt.Fprint(w, "<h1>nginx</h1>")
			return
		}
		h := w.Header()
		h.Set("HX-Retarget", "#toasts")
		h.Set("HX-Reswap", "beforeend")
		h.Set("HX-Trigger", "tiga:done")
		ctx := ui.With(r.Context(), ui.Env{Locale: catalogue.For("en"), Asset: static.Path, Now: now})
		answer(w, http.StatusOK, s.render(views.Toast(views.Notice{Tone: ui.ToneOK, Title: "Done"}), r.WithContext(ctx)))
	})
	mux.HandleFunc("POST /preferences", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.posts = append(s.posts, "theme="+r.PostFormValue("theme"))
		s.mu.Unlock()
		http.Redirect(w, r, "/gallery/list-few", http.StatusSeeOther)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections() // the stream has no end of its own
		s.Close()
	})
	return s
}

func (s *site) render(c templ.Component, r *http.Request) string {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		s.t.Error(err)
	}
	return b.String()
}

// stream sends signals without content.
func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	signal := make(chan struct{}, 1)
	s.mu.Lock()
	s.changed[signal] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.changed, signal)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Request-Id", "test")
	flush := func(text string) {
		_, _ = fmt.Fprint(w, text)
		_ = http.NewResponseController(w).Flush()
	}
	flush("id: 1\n\n")
	for {
		select {
		case <-r.Context().Done():
			return
		case <-signal:
			flush("event: changed\nid: 2\n\n")
		}
	}
}

// change makes the list differ and says so to every stream.
func (s *site) change() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age++
	for signal := range s.changed {
		select {
		case signal <- struct{}{}:
		default:
		}
	}
	return s.age
}

func (s *site) streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.changed)
}

func (s *site) posted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.posts...)
}

func (b *browser) visit(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
	b.until(`document.readyState === "complete" && window.htmx && document.querySelector("[data-htmx-powered]")`)
}

// restarts is what the first row says, which counts the changes.
const restarts = `document.querySelector("#main tr[data-row]").cells[5].textContent`

func TestLiveChangeKeepsFocusCaretScrollAndSelection(t *testing.T) {
	b, s := open(t), serve(t)
	b.do(chromedp.EmulateViewport(1280, 700))
	b.visit(s.URL + "/gallery/list-many")
	b.do(chromedp.Click(chromedp.CSS(`tr[data-row]:nth-child(12) [name=o]`)), chromedp.Click(chromedp.CSS(`#q`)))
	eval[any](b, `(() => { const q = document.querySelector("#q"); q.value = "abcdef"; q.setSelectionRange(2, 4); scrollTo(0, 300);
		document.querySelector("tr[data-row]:nth-child(12)").mine = true; window.mine = true; return null })()`)
	b.until(fmt.Sprintf(`document.querySelector("#live")._htmx?.sse && %s === "0"`, restarts))
	want := s.change()
	b.until(fmt.Sprintf(`%s === "%d"`, restarts, want))
	got := eval[string](b, `(() => { const q = document.querySelector("#q"); return JSON.stringify([document.activeElement === q, q.value, q.selectionStart, q.selectionEnd,
		scrollY, document.querySelectorAll(".list [name=o]:checked").length, document.querySelector("tr[data-row]:nth-child(12)").mine, window.mine,
		document.querySelector("[data-selected]").textContent, getComputedStyle(document.querySelector(".bulk")).display]) })()`)
	if want := `[true,"abcdef",2,4,300,1,true,true,"1 selected","flex"]`; got != want {
		t.Errorf("focus, value, caret, scroll, selection, row, window, words, bar\n got %s\nwant %s", got, want)
	}
	for _, line := range b.said() {
		t.Errorf("console: %s", line)
	}
}

func TestLiveChangeLeavesAnOpenMenuOpen(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-many")
	b.until(`document.querySelector("#live")._htmx?.sse`)
	b.do(chromedp.Click(chromedp.CSS(`#namespace-switch`)))
	b.do(chromedp.SendKeys(chromedp.CSS(`#namespaces-menu [data-narrow]`), "shop"))
	shown := `[...document.querySelectorAll("#namespaces-list .item")].filter((i) => i.checkVisibility()).length`
	b.until(shown + ` === 2`)
	want := s.change()
	b.until(fmt.Sprintf(`%s === "%d"`, restarts, want))
	if !eval[bool](b, `document.querySelector("#namespaces-menu").matches(":popover-open")`) {
		t.Error("the change closed the menu")
	}
	if n := eval[int](b, shown); n != 2 {
		t.Errorf("%d namespaces are shown after the change, want the 2 that were filtered", n)
	}
}

func TestLinksSwapTheScreenAndBackReturns(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-few")
	eval[any](b, `window.mine = true`)
	b.until(`document.querySelector("#live")._htmx?.sse`)
	b.do(chromedp.Click(chromedp.CSS(`tr[data-row] [data-row-link]`)))
	b.until(`document.querySelector("#main h1")?.textContent.includes("api-5d8f7c-zzk1q") && document.activeElement.tagName === "H1" && document.title.startsWith("api-")`)
	got := eval[string](b, `JSON.stringify([window.mine, location.pathname, document.title, document.activeElement.tagName, !document.querySelector("#namespace-switch"), scrollY])`)
	if want := `[true,"/gallery/detail-pod","api-5d8f7c-zzk1q · production · Tiga","H1",true,0]`; got != want {
		t.Errorf("same document, address, title, focus, no namespaces, top\n got %s\nwant %s", got, want)
	}
	b.do(chromedp.NavigateBack())
	b.until(`location.pathname === "/gallery/list-few" && document.querySelector("#main h1")?.textContent === "Pods" && document.querySelector("#namespace-switch")`)
	b.until(`document.querySelector("#live")?._htmx?.sse`)
	if n := s.streams(); n != 1 {
		t.Errorf("%d streams are open for one screen", n)
	}
}

func TestOldAnswersDoNotCoverNewScreens(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-few")
	b.until(`document.querySelector("#live")._htmx?.sse`)

	// A refresh is under way when the person leaves.
	releaseRefresh := s.hold("/gallery/list-few")
	before := s.asked("/gallery/list-few")
	s.change()
	for s.asked("/gallery/list-few") == before {
		b.until(`document.readyState`)
	}
	b.do(chromedp.Click(chromedp.CSS(`#menu-overview`)))
	b.until(`document.querySelector("#main h1").textContent === "production"`)
	releaseRefresh()

	// A slow link is under way when another is clicked.
	releaseLink := s.hold("/gallery/list-many")
	b.do(chromedp.Click(chromedp.CSS(`#menu-pods`)))
	for s.asked("/gallery/list-many") == 0 {
		b.until(`document.readyState`)
	}
	b.do(chromedp.Click(chromedp.CSS(`.head-end .actions.wide a`)))
	b.until(`document.querySelector("#main h1").textContent === "edge-fra"`)
	releaseLink()
	b.do(chromedp.Click(chromedp.CSS(`[popovertarget=user-menu]`))) // something that takes a moment
	b.until(`document.querySelector("#user-menu").matches(":popover-open")`)
	if got := eval[string](b, `document.querySelector("#main h1").textContent + " " + location.pathname`); got != "edge-fra /gallery/settings-edit" {
		t.Errorf("the screen is %s: an old answer came over it", got)
	}
}

func TestSortingKeepsTheFocus(t *testing.T) {
	b, s := open(t), serve(t)
	b.do(chromedp.EmulateViewport(1280, 700))
	b.visit(s.URL + "/gallery/list-many")
	b.do(chromedp.Click(chromedp.CSS(`thead th:nth-of-type(2) a`)))
	b.until(`location.search === "?sort=namespace"`)
	b.until(`document.querySelector("#refresh").getAttribute("hx-get").endsWith("sort=namespace")`)
	if got := eval[string](b, `document.activeElement.textContent.trim()`); got != "Namespace" {
		t.Errorf("after sorting the focus is on %q", got)
	}
}

func TestFilterGoesIntoTheAddressWithoutEmptyFields(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-many")
	// A key event of the protocol types its character even where the page refused it; a made one does not.
	eval[any](b, `document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true})) && null`)
	b.do(chromedp.KeyEvent("api"))
	b.until(`location.search.includes("q=api")`)
	if got := eval[string](b, `location.pathname + location.search`); got != "/gallery/list-many?q=api&ns=shop&ns=data" {
		t.Errorf("address is %s", got)
	}
	b.do(chromedp.KeyEvent(kb.Backspace + kb.Backspace + kb.Backspace))
	b.until(`location.search === "?ns=shop&ns=data"`)
	if !eval[bool](b, `document.activeElement.id === "q"`) {
		t.Error("the filter lost the focus")
	}
}

func TestActionRunsInADialog(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/detail-deployment")
	b.do(chromedp.Click(chromedp.CSS(`.actions.wide [data-dialog=scale]`)))
	b.until(`document.querySelector("#dialog").open`)
	got := eval[string](b, `JSON.stringify([location.pathname, document.title, document.activeElement.name, document.querySelector("#dialog").matches(":modal")])`)
	if want := `["/gallery/detail-deployment","api · production · Tiga","replicas",true]`; got != want {
		t.Errorf("address, title, focus, modal\n got %s\nwant %s", got, want)
	}
	b.do(chromedp.Click(chromedp.CSS(`#dialog [data-cancel]`)))
	b.until(`!document.querySelector("#dialog").open && location.pathname === "/gallery/detail-deployment"`)

	b.do(chromedp.Click(chromedp.CSS(`.actions.wide [data-dialog=scale]`)))
	b.until(`document.querySelector("#dialog").open`)
	b.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent("5"), chromedp.Click(chromedp.CSS(`#dialog button[type=submit]`)))
	b.until(`!document.querySelector("#dialog").open && document.querySelector("#toasts .toast-title")?.textContent === "Done"`)
	if got := s.posted(); len(got) != 1 || got[0] != "from=3&replicas=5" {
		t.Errorf("posted %q", got)
	}
	if !eval[bool](b, `document.querySelector("#toasts").matches(":popover-open") && document.querySelector(".toast-card").checkVisibility()`) {
		t.Error("the toast does not show")
	}
}

func TestForeignErrorIsNotShownAsOurs(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/action-scale")
	b.do(chromedp.SetValue(chromedp.CSS(`[name=replicas]`), "666"), chromedp.Click(chromedp.CSS(`#confirm button[type=submit]`)))
	b.until(`document.querySelector("#toasts .toast-detail")?.textContent.startsWith("502")`)
	if eval[bool](b, `document.body.textContent.includes("nginx</h1>") || [...document.querySelectorAll("h1")].some((h) => h.textContent === "nginx")`) {
		t.Error("a proxy's page reached ours")
	}
}

func TestDangerousButtonWaitsForTheName(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/action-delete")
	button := `document.querySelector("#confirm button[type=submit]").disabled`
	if !eval[bool](b, button) {
		t.Error("the button works before the name is typed")
	}
	b.do(chromedp.SendKeys(chromedp.CSS(`#f-confirm`), "api-5d8f7c-zzk1q"))
	b.until(`!` + button)
	b.do(chromedp.Click(chromedp.CSS(`#confirm button[type=submit]`)))
	b.until(`location.pathname === "/gallery/detail-deployment"`) // on a page of its own, success leads on
	if got := s.posted(); len(got) != 1 || !strings.Contains(got[0], "confirm=api-5d8f7c-zzk1q") {
		t.Errorf("posted %q", got)
	}
}

func TestKeysMoveSelectAndSwitch(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-few")
	at := `[...document.querySelectorAll("tr[data-row]")].indexOf(document.activeElement.closest("tr"))`
	for _, step := range []struct {
		keys string
		row  int
	}{{"j", 0}, {"jj", 2}, {"k", 1}, {"G", 59}, {"g", 0}} {
		b.do(chromedp.KeyEvent(step.keys))
		if got := eval[int](b, at); got != step.row {
			t.Errorf("after %q row %d has the focus, want %d", step.keys, got, step.row)
		}
	}
	b.do(chromedp.KeyEvent("x"))
	b.until(`document.querySelector("[data-selected]").textContent === "1 selected"`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelectorAll(".list [name=o]:checked").length === 0`)
	b.do(chromedp.KeyEvent("?"))
	b.until(`document.querySelector("#keys").open`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("#keys").open`)
	b.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until(`document.querySelector("#clusters-menu").matches(":popover-open") && document.activeElement.matches("#clusters-menu [data-narrow]")`)
	b.do(chromedp.KeyEvent("stag"))
	b.until(`[...document.querySelectorAll("#clusters-list .item")].filter((i) => i.checkVisibility()).length === 1`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.until(`location.pathname === "/gallery/list-many"`) // FR-0.4: the place is kept by the address of the choice
}

func TestThemeChangesAtOnceAndIsKept(t *testing.T) {
	b, s := open(t), serve(t)
	b.visit(s.URL + "/gallery/list-few")
	eval[any](b, `window.mine = true`)
	b.do(chromedp.Click(chromedp.CSS(`[popovertarget=theme-menu]`)), chromedp.Click(chromedp.CSS(`#theme-menu [value=dark]`)))
	b.until(`document.documentElement.dataset.theme === "dark" && getComputedStyle(document.body).backgroundColor === "rgb(14, 16, 19)"`)
	for len(s.posted()) == 0 {
		b.until(`window.mine`)
	}
	if got := s.posted(); got[0] != "theme=dark" {
		t.Errorf("posted %q", got)
	}
}

// TestNFRC_WorksWithoutScripts does what plain links and forms can do.
func TestNFRC_WorksWithoutScripts(t *testing.T) {
	b, s := open(t), serve(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	open := func(path, wait string) {
		t.Helper()
		b.do(chromedp.Navigate(s.URL+path), chromedp.WaitVisible(chromedp.CSS(wait)))
	}
	open("/gallery/list-few", "#main h1")
	b.do(chromedp.Click(chromedp.CSS(`#cluster-switch`)), chromedp.WaitVisible(chromedp.CSS(`#clusters-list a`)))
	open("/gallery/list-few", "#filter button[type=submit]")
	b.do(chromedp.SendKeys(chromedp.CSS(`#q`), "api\r"))
	for !s.wasAsked("q=api") { // or the next page would be asked for before the form's
		b.do(chromedp.WaitReady(chromedp.CSS(`body`)))
	}
	open("/gallery/list-few", "[name=o]")
	b.do(chromedp.Click(chromedp.CSS(`tr[data-row] [name=o]`)), chromedp.WaitVisible(chromedp.CSS(`.bulk button`)))
	open("/gallery/detail-deployment", ".actions.wide [data-dialog=scale]")
	b.do(chromedp.Click(chromedp.CSS(`.actions.wide [data-dialog=scale]`)), chromedp.WaitVisible(chromedp.CSS(`#main #confirm`)))
	b.do(chromedp.Click(chromedp.CSS(`#confirm button[type=submit]`)), chromedp.WaitVisible(chromedp.CSS(`[data-toast]`)))
	if got := s.posted(); len(got) != 1 || got[0] != "from=3&replicas=3" {
		t.Errorf("posted %q", got)
	}
}

// wasAsked says whether a query with the text has arrived.
func (s *site) wasAsked(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(strings.Join(s.queries, " "), text)
}
