package gallery_test

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// check returns what is wrong with a page: each rule of the house for HTML that a tree can tell.
func check(root *html.Node) []string {
	c := &checker{ids: map[string]bool{}, labels: map[string]bool{}}
	walk(root, func(n *html.Node) {
		if n.Data == "label" && attr(n, "for") != "" {
			c.labels[attr(n, "for")] = true
		}
	})
	walk(root, c.node)
	walk(root, c.references)
	return c.wrong
}

type checker struct {
	ids    map[string]bool
	labels map[string]bool
	wrong  []string
}

func (c *checker) say(n *html.Node, format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf("<%s id=%q class=%q>: ", n.Data, attr(n, "id"), attr(n, "class"))+fmt.Sprintf(format, args...))
}

// loads reports whether an element, or one in it, brings a script with it.
func loads(n *html.Node, script string) (found bool) {
	walk(n, func(in *html.Node) { found = found || strings.Contains(attr(in, "data-scripts"), "/"+script) })
	return found
}

func (c *checker) node(n *html.Node) {
	if _, guarded := lookup(n, "data-unsaved"); guarded && !loads(n, "unsaved.") {
		c.say(n, "asks nobody who leaves it, for want of the script that does")
	}
	if id, has := lookup(n, "id"); has {
		if id == "" || c.ids[id] {
			c.say(n, "id is empty or used twice")
		}
		c.ids[id] = true
	}
	for _, a := range n.Attr {
		switch {
		case a.Key == "style", strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"), a.Key == "hx-select", strings.HasPrefix(a.Val, "js:"):
			c.say(n, "%s is code or style in the page", a.Key)
		case (a.Key == "href" || a.Key == "action" || a.Key == "formaction" || a.Key == "src" || strings.HasPrefix(a.Key, "hx-get") || strings.HasPrefix(a.Key, "hx-post")) && !local(a.Val):
			c.say(n, "%s leaves this origin: %q", a.Key, a.Val)
		}
	}
	for _, verb := range []string{"hx-get", "hx-post"} {
		if _, has := lookup(n, verb); has && (attr(n, "hx-target") == "" || attr(n, "hx-swap") == "") {
			c.say(n, "%s without hx-target and hx-swap", verb)
		}
	}
	if strings.Contains(attr(n, "hx-trigger"), "[") {
		c.say(n, "a trigger's filter is code")
	}
	switch n.Data {
	case "script":
		if attr(n, "src") == "" || n.FirstChild != nil {
			c.say(n, "inline script")
		}
	case "style":
		c.say(n, "inline style")
	case "input", "select", "textarea":
		if attr(n, "type") != "hidden" && !c.labelled(n) {
			c.say(n, "control %q has no label", attr(n, "name"))
		}
	case "button":
		if attr(n, "type") == "" {
			c.say(n, "button without type")
		}
		c.named(n)
	case "a":
		c.named(n)
		if attr(n, "href") == "" {
			c.say(n, "link without address")
		}
	case "form":
		c.form(n)
	case "table":
		if find(n, "th") == nil {
			c.say(n, "table without headers")
		}
	case "th":
		if attr(n, "scope") == "" {
			c.say(n, "header without scope")
		}
	case "progress":
		if attr(n, "aria-hidden") != "true" {
			c.say(n, "a bar that is read out has no name")
		}
	}
}

func (c *checker) form(n *html.Node) {
	method := strings.ToLower(attr(n, "method"))
	if !slices.Contains([]string{"get", "post", "dialog"}, method) {
		c.say(n, "form method is %q", method)
	}
	submits := attr(n, "id") == "bulk" // its buttons stand in the bar
	walk(n, func(k *html.Node) { submits = submits || k.Data == "button" && attr(k, "type") == "submit" })
	if !submits {
		c.say(n, "form that cannot be sent without JavaScript")
	}
}

// references checks what points at an id.
func (c *checker) references(n *html.Node) {
	for _, key := range []string{"for", "popovertarget", "aria-describedby", "aria-labelledby", "form"} {
		for id := range strings.FieldsSeq(attr(n, key)) {
			if !c.ids[id] && (n.Data != "dialog" || id != "confirm-title") {
				c.say(n, "%s points at %q, which is not there", key, id)
			}
		}
	}
}

func (c *checker) labelled(n *html.Node) bool {
	if attr(n, "aria-label") != "" || c.labels[attr(n, "id")] && attr(n, "id") != "" {
		return true
	}
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == "label" {
			return strings.TrimSpace(text(p)) != ""
		}
	}
	return false
}

func (c *checker) named(n *html.Node) {
	if attr(n, "aria-label") == "" && strings.TrimSpace(text(n)) == "" {
		c.say(n, "nothing says what it does")
	}
}

func local(address string) bool {
	return address == "about:invalid#TemplFailedSanitizationURL" || strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") || strings.HasPrefix(address, "#")
}

func walk(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		walk(k, f)
	}
}

func find(n *html.Node, tag string) *html.Node {
	var found *html.Node
	walk(n, func(k *html.Node) {
		if found == nil && k.Data == tag {
			found = k
		}
	})
	return found
}

func text(n *html.Node) string {
	var b strings.Builder
	var collect func(*html.Node)
	collect = func(k *html.Node) {
		if k.Type == html.TextNode {
			b.WriteString(k.Data)
		}
		for c := k.FirstChild; c != nil; c = c.NextSibling {
			collect(c)
		}
	}
	collect(n)
	return b.String()
}

func lookup(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func attr(n *html.Node, key string) string {
	if n == nil {
		return ""
	}
	v, _ := lookup(n, key)
	return v
}
