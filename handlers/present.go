package handlers

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/locales"
	"tiga/static"
	"tiga/views"
	"tiga/views/ui"
)

// presenter turns what kube and the store know into what views show: words in the person's language, ready addresses.
type presenter struct {
	loc *locales.Locale
	now time.Time
}

func (s *Server) presenter(r *http.Request) presenter {
	return presenter{loc: s.catalogue.For(visitOf(r).locale), now: s.now()}
}

// viewContext is the context that a page is rendered in: the language, the clock, the addresses of static files.
func (s *Server) viewContext(r *http.Request) context.Context {
	p := s.presenter(r)
	return ui.With(r.Context(), ui.Env{Locale: p.loc, Asset: static.Path, Now: p.now, Theme: visitOf(r).theme})
}

// words is a message in the person's language, or as the cluster said it.
func (p presenter) words(m kinds.Message) string {
	if m.ID == "" {
		return m.Text
	}
	args := m.Args
	for name, v := range args {
		// An instant is shown as an age, which stays true for a row that does not change.
		if at, ok := v.(time.Time); ok {
			args = maps.Clone(args)
			args[name] = p.loc.Age(max(0, p.now.Sub(at)))
		}
	}
	text := p.loc.T(m.ID, args)
	switch {
	case m.Text == "":
	case strings.HasSuffix(text, ".") || strings.HasSuffix(text, "。"):
		text += " " + m.Text
	default:
		text += p.loc.T("settings.colon") + m.Text
	}
	return text
}

func (p presenter) status(s kinds.Status) ui.Status {
	return ui.Status{Word: p.words(s.Label()), Reason: p.words(s.Reason), Tone: tone(s.Tone), Since: unix(s.Since)}
}

// tone and form are the same lists in both packages; views may not import kinds.
func tone(t kinds.Tone) ui.Tone { return ui.Tone(t) }

func form(f kinds.Form) ui.Form { return ui.Form(f) }

func (p presenter) cell(c kinds.Cell) ui.Cell {
	out := ui.Cell{Text: c.Text, Num: c.Num, Form: form(c.Form), Tone: tone(c.Tone), Note: p.words(c.Note)}
	if c.Form == kinds.FormStatus {
		out.Text = p.words(kinds.Status{Word: c.Text}.Label())
	}
	return out
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

func (p presenter) freshness(f cache.Freshness) ui.Freshness {
	out := ui.Freshness{Since: f.Since, Reason: p.words(f.Reason)}
	switch f.State {
	case cache.Live:
		out.State = ui.FreshLive
	case cache.CatchingUp, cache.Loading:
		out.State = ui.FreshCatchingUp
	default:
		out.State = ui.FreshStale
	}
	return out
}

// health is a cluster's state in a word and a reason.
func (p presenter) health(st kube.State) ui.Status {
	return ui.Status{Word: p.loc.T("health." + string(st.Health)), Reason: p.words(st.Reason), Since: st.Since, Tone: tone(st.Health.Tone())}
}

func clusterPath(id int64) string { return "/clusters/" + strconv.FormatInt(id, 10) }

func kindPath(id int64, k *kinds.Kind) string { return clusterPath(id) + "/" + k.ID() }

// objectPath is the address of an object's page. "-" stands for the namespace of what has none.
func objectPath(id int64, k *kinds.Kind, namespace, name string) string {
	if namespace == "" {
		namespace = "-"
	}
	return kindPath(id, k) + "/" + url.PathEscape(namespace) + "/" + url.PathEscape(name)
}

// query is a query string that is built by changing copies of another.
type query url.Values

func queryOf(r *http.Request) query { return query(r.URL.Query()) }

// with returns a copy where key has exactly these values; none removes it. A change of anything but the page leads back
// to the first page.
func (q query) with(key string, values ...string) query {
	out := make(query, len(q)+1)
	for k, v := range q {
		if k != "page" || key == "page" {
			out[k] = v
		}
	}
	delete(out, key)
	if !strings.HasPrefix(key, facetPrefix) { // an empty value of a facet is what has none
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	}
	if len(values) > 0 {
		out[key] = values
	}
	return out
}

// list is the part of a query string that makes a list what it is: not the page of it, nor what is asked for once.
func (q query) list() query {
	out := make(query, len(q))
	for k, v := range q {
		if slices.Contains([]string{"q", "sort", "ns", "cols"}, k) || strings.HasPrefix(k, "f.") {
			out[k] = v
		}
	}
	return out
}

// encode is the query string, its keys in order.
func (q query) encode() string { return url.Values(q).Encode() }

// at is the address of path with this query string.
func (q query) at(path string) string {
	if encoded := url.Values(q).Encode(); encoded != "" {
		return path + "?" + encoded
	}
	return path
}

// pairs are the hidden fields that keep the query string through a GET form, without the keys that the form sets.
func (q query) pairs(without ...string) []ui.Pair {
	var out []ui.Pair
	for k, values := range q {
		if slices.Contains(without, k) || k == "page" {
			continue
		}
		for _, v := range values {
			out = append(out, ui.Pair{Key: k, Value: v})
		}
	}
	slices.SortFunc(out, func(a, b ui.Pair) int { return strings.Compare(a.Key+a.Value, b.Key+b.Value) })
	return out
}

// environment is a cluster's label and colour.
func environment(label, colour string) views.Environment {
	return views.Environment{Label: strings.ToUpper(label), Colour: colour}
}
