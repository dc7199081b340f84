package e2e

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"sigs.k8s.io/yaml"

	"tiga/kube/kinds"
)

// typed replaces the text of the editor as typing would.
func (b *browser) typed(script string) {
	b.t.Helper()
	b.wait("the editor is there", "window.tigaAce && document.querySelector('[data-editor-host][data-js-on]')")
	eval[bool](b, "(tigaAce.setValue("+script+", -1), true)")
}

// looks keeps the page as it is at two widths, dark, and in Chinese, for whoever looks at it.
func (b *browser) looks(name string) {
	b.t.Helper()
	if os.Getenv("TIGA_E2E_SCREENSHOTS") == "" {
		return
	}
	for _, width := range []int64{1280, 390} {
		b.do(chromedp.EmulateViewport(width, 1500))
		b.keep(fmt.Sprintf("%s-%d", name, width))
	}
	eval[bool](b, "(document.documentElement.dataset.theme = 'dark', true)")
	b.keep(name + "-390-dark")
	b.do(chromedp.EmulateViewport(1280, 1500))
	b.keep(name + "-1280-dark")
	eval[bool](b, "(delete document.documentElement.dataset.theme, true)")
	b.do(chromedp.EmulateViewport(1280, 900))
}

// press presses a button of the editor.
func (b *browser) press(do string) {
	b.t.Helper()
	b.click(".editor button[name=do][value=" + do + "]")
}

// TestEditingInABrowser: an object is created from a template, checked, compared and changed; a second browser changes it
// meanwhile, and both changes are joined; it is deleted with what belongs to it.
func TestEditingInABrowser(t *testing.T) {
	a := start(t, options{})
	id := a.signIn("admin", password).clusterID("dev")
	list := fmt.Sprintf("/clusters/%d/configmaps", id)
	name := fmt.Sprintf("edited-%d", time.Now().UnixNano())
	b := a.open()
	b.signIn("admin", password)
	b.visit(list + "?ns=default")
	b.click("a[data-create]")
	b.typed(`tigaAce.getValue().replace('name: example', 'name: ` + name + `').replace('key: value', 'key: value # kept')`)
	b.keep("new")
	b.press("check")
	b.text("#edit-notice", "Nothing has been created yet")
	b.press("apply")
	b.wait("the new object's page", fmt.Sprintf(`location.pathname.endsWith('/default/%s')`, name))
	b.text("#toasts", "created in dev")

	object := list + "/default/" + name
	b.click(fmt.Sprintf("a[href=%q]", object+"/edit"))
	b.typed(`tigaAce.getValue().replace('key: value', 'key: mine # a comment')`)
	b.press("diff")
	b.text("#edit-diff", "data.key")
	b.wait("the lines side by side", `document.querySelectorAll('.compare .pair').length > 2 && document.querySelector('.compare mark')`)
	b.keep("diff")
	b.looks("diff")

	// Somebody else is quicker.
	other := a.open()
	other.signIn("admin", password)
	other.visit(object + "/edit")
	other.typed(`tigaAce.getValue().replace('\ndata:', '\ndata:\n  theirs: "1"')`)
	other.press("apply")
	other.wait("the other's change is stored", fmt.Sprintf(`location.pathname === %q`, object))

	b.press("apply")
	b.text("#edit-conflict", "data.theirs")
	b.wait("the text is still here", `document.querySelector('#edit-text').value.includes('mine # a comment') && tigaAce.getValue().includes('mine # a comment')`)
	b.keep("conflict")
	b.looks("conflict")
	b.press("merge")
	b.wait("both are in the text", `tigaAce.getValue().includes('mine # a comment') && tigaAce.getValue().includes('theirs')`)
	b.press("apply")
	b.wait("stored", fmt.Sprintf(`location.pathname === %q`, object))
	b.text("#main", "theirs")

	// What is wrong is said at its line.
	b.visit(object + "/edit")
	b.typed(`tigaAce.getValue() + 'datum: 1\n'`)
	b.press("check")
	b.text("#edit-errors", "There is no field datum")
	b.wait("the line is marked", `tigaAce.session.getAnnotations().length === 1`)
	b.keep("error")

	// The editor has a search of its own, and asks for nothing that is not there.
	eval[bool](b, `(tigaAce.focus(), true)`)
	b.do(chromedp.KeyEvent("f", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.wait("one types into the search box", `document.activeElement?.matches('.ace_search_field')`)
	b.keys("datum")
	b.text(".ace_search_counter", "1 of 1")
	b.looks("find")
	b.keys(kb.Escape)
	b.wait("the search box goes", `!document.querySelector('.ace_search')?.checkVisibility()`)

	// What is typed outlives the session of whoever types it.
	if r := a.signIn("admin", password).post("/account/sessions/end", url.Values{"all": {"1"}}); r.status != http.StatusSeeOther {
		t.Fatalf("the sessions do not end: %d", r.status)
	}
	b.press("check")
	b.text("#signed-out", "Your session has ended")
	b.looks("signed-out")
	eval[bool](b, fmt.Sprintf(`(window.signedIn = false, fetch('/login', {method: 'POST', body: new URLSearchParams({username: 'admin', password: %q})}).then(() => window.signedIn = true), true)`, password))
	b.wait("signed in beside it", "window.signedIn")
	b.click("#signed-out [type=submit]")
	b.text("#edit-errors", "There is no field datum")
	b.wait("the text is still here", `tigaAce.getValue().includes('datum: 1')`)
	other.signIn("admin", password)

	// What the cluster says about a field. The other browser goes on: this one would ask about the text that is not stored.
	b.quiet()
	b = other
	b.visit(fmt.Sprintf("/clusters/%d/deployments.apps/new", id))
	b.wait("the editor is there", "window.tigaAce")
	eval[bool](b, `(tigaAce.gotoLine([...tigaAce.getValue().split('\n')].findIndex(l => l.includes('replicas')) + 1, 4), tigaAce.focus(), true)`)
	b.text("[data-editor-help]", "spec.replicas")
	b.keep("help")

	b.visit(object + "/delete")
	b.fill("#f-confirm", name)
	b.do(chromedp.SetValue(chromedp.CSS("#f-propagation"), "Foreground"))
	b.click("#confirm [type=submit]")
	b.wait("back on the list", fmt.Sprintf(`location.pathname === %q`, list))
	b.quiet()
}

// Without JavaScript the text field does the work.
var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="(base|uid|rv)" value="([^"]*)"`)
	textField   = regexp.MustCompile(`(?s)<textarea[^>]*name="text"[^>]*>\n(.*?)</textarea>`)
)

func editorForm(t *testing.T, r reply) url.Values {
	t.Helper()
	form := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(r.body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	m := textField.FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("no editor: %d %.600s", r.status, r.body)
	}
	form.Set("text", html.UnescapeString(m[1]))
	return form
}

// send posts an editor's form.
func (c *client) send(path string, form url.Values, do string) reply {
	c.t.Helper()
	sent := url.Values{}
	maps.Copy(sent, form)
	sent.Set("do", do)
	return c.post(path, sent)
}

// gone waits until an object is not there any more.
func (c *client) gone(path string) {
	c.t.Helper()
	eventually(c.t, 2*time.Minute, path+" goes", func() error {
		if r := c.get(path); r.status != http.StatusNotFound {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	})
}

var said = regexp.MustCompile(`(?s)id="edit-(?:notice|errors)".*?</(?:p|section)>`)

func told(r reply) string {
	tags := regexp.MustCompile(`<[^>]*>|\s+`)
	return tags.ReplaceAllString(strings.Join(said.FindAllString(r.body, -1), " "), " ")
}

// TestEveryKindIsCreatedEditedAndDeleted: each kind that can be created begins with a template or an example that a real
// API server accepts, is edited with a dry run, joined after a stale edit, and deleted by page; then it is created by the
// API, and deleted, with each other propagation.
func TestEveryKindIsCreatedEditedAndDeleted(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("dev")
	ways := []string{"", "Background", "Foreground", "Orphan"}
	programs := []*client{a.signIn("admin", password), a.signIn("admin", password), a.signIn("admin", password)} // each may change five things a second
	done := 0
	for i, k := range kinds.All() {
		list := fmt.Sprintf("/clusters/%d/%s", id, k.ID())
		page := c.get(list + "/new?ns=default")
		if page.status == http.StatusNotFound && k.Install != "" {
			continue // not installed here
		}
		t.Run(k.ID(), func(t *testing.T) {
			form := editorForm(t, page)
			name := fmt.Sprintf("made-%d", i)
			switch k.Name {
			case "CustomResourceDefinition":
				name = "examples.example.com"
			case "APIService":
				name = "v1.metrics.example.com"
			default:
				form.Set("text", strings.Replace(form.Get("text"), "name: example\n", "name: "+name+"\n", 1))
			}
			text := form.Get("text")
			if r := c.send(list+"/new", form, "check"); r.status != http.StatusOK {
				t.Fatalf("check: %d %s\n%s", r.status, told(r), form.Get("text"))
			}
			if r := c.send(list+"/new", form, "apply"); r.status != http.StatusSeeOther && r.status != http.StatusOK || told(r) != "" {
				t.Fatalf("create: %d %s", r.status, told(r))
			}
			ns := "default"
			if !k.Namespaced {
				ns = "-"
			}
			object := list + "/" + ns + "/" + name
			// A controller may write at the same time: whoever is asked to join looks again, as a person would.
			var r reply
			for range 10 {
				form = editorForm(t, c.get(object+"/edit"))
				form.Set("text", strings.Replace(form.Get("text"), "\nmetadata:\n", "\nmetadata:\n  annotations: {tiga.dev/mine: here} # mine\n", 1))
				if strings.Count(form.Get("text"), "\n  annotations:") > 1 { // the server has put some there
					form.Set("text", regexp.MustCompile(`(?m)^  annotations:\n`).ReplaceAllString(strings.Replace(form.Get("text"), "  annotations: {tiga.dev/mine: here} # mine\n", "", 1), "  annotations: # mine\n    tiga.dev/mine: here\n"))
				}
				if r = c.send(object+"/edit", form, "diff"); r.status == http.StatusOK {
					break
				}
			}
			if r.status != http.StatusOK || !strings.Contains(r.body, "tiga.dev/mine") {
				t.Fatalf("dry run: %d %s\n%s", r.status, told(r), form.Get("text"))
			}
			api := fmt.Sprintf("/api/v1/k8s/clusters/%d/resources/%s/%s?namespace=%s", id, k.ID(), name, strings.Trim(ns, "-"))
			patch := `{"metadata":{"labels":{"tiga.dev/theirs":"here"}}}`
			if r := c.do(http.MethodPatch, api, "application/merge-patch+json", []byte(patch)); r.status != http.StatusOK {
				t.Fatalf("patch by the API: %d %.300s", r.status, r.body)
			}
			r = c.send(object+"/edit", form, "apply")
			if r.status != http.StatusConflict || editorForm(t, r).Get("text") != form.Get("text") {
				t.Fatalf("stale: %d %s", r.status, told(r))
			}
			if r = c.send(object+"/edit", editorForm(t, r), "merge"); r.status != http.StatusOK {
				t.Fatalf("join: %d %s", r.status, told(r))
			}
			form = editorForm(t, r)
			if text := form.Get("text"); !strings.Contains(text, "# mine") || !strings.Contains(text, "tiga.dev/theirs") {
				t.Fatalf("joined:\n%s", text)
			}
			if r = c.send(object+"/edit", form, "apply"); told(r) != "" {
				t.Fatalf("apply: %d %s", r.status, told(r))
			}
			r = c.post(object+"/delete", url.Values{"confirm": {name}, "propagation": {ways[i%4]}})
			if r.status >= 400 {
				t.Fatalf("delete: %d %.300s", r.status, r.body)
			}
			c.gone(api)
			body, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			for j, p := range programs {
				if r := p.do(http.MethodPost, fmt.Sprintf("/api/v1/k8s/clusters/%d/resources/%s?namespace=%s", id, k.ID(), strings.Trim(ns, "-")), "application/json", body); r.status != http.StatusCreated {
					t.Fatalf("create by the API: %d %.300s", r.status, r.body)
				}
				way := ways[(i+1+j)%4]
				if r := p.do(http.MethodDelete, api+"&propagationPolicy="+way, "", nil); r.status >= 400 {
					t.Fatalf("delete with %q: %d %.300s", way, r.status, r.body)
				}
				p.gone(api)
			}
			done++
		})
	}
	if done < 45 {
		t.Errorf("only %d kinds were created", done)
	}
}
