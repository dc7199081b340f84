package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kubetest"
)

// rowEvent is one event of a stream of rows.
type rowEvent struct {
	kind string
	row  resourceRow
	data string
}

// rowsStream is a stream of rows that somebody reads.
type rowsStream struct {
	t      testing.TB
	events chan rowEvent
	resp   *http.Response
}

// watchRows opens a stream of rows.
func (v *visitor) watchRows(path string) *rowsStream {
	v.k.t.Helper()
	resp := v.openStream(path)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != eventStream || resp.Header.Get("Cache-Control") != "no-store" {
		v.k.t.Fatalf("watch %s: %s %v", path, resp.Status, resp.Header)
	}
	s := &rowsStream{t: v.k.t, events: make(chan rowEvent, 1000), resp: resp}
	go func() {
		defer close(s.events)
		var e rowEvent
		scanner := bufio.NewScanner(resp.Body)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			line := scanner.Text()
			switch {
			case strings.HasPrefix(line, "event: "):
				e.kind = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				e.data = line[len("data: "):]
				_ = json.Unmarshal([]byte(e.data), &e.row) // events without a row have none
			case line == "" && e.kind != "":
				s.events <- e
				e = rowEvent{}
			}
		}
	}()
	return s
}

// openStream asks for a stream, and leaves when the test ends.
func (v *visitor) openStream(path string, headers ...string) *http.Response {
	v.k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.k.site.URL+path, nil)
	v.k.must(err)
	if !v.bare {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := *v.client
	client.Timeout = 0
	v.k.clock.add(300 * time.Millisecond)
	resp, err := client.Do(req)
	if err != nil {
		cancel()
		v.k.t.Fatalf("watch %s: %v", path, err)
	}
	v.k.t.Cleanup(func() { cancel(); _ = resp.Body.Close() })
	return resp
}

// next is the next event with a row; how fresh the list is does not matter here.
func (s *rowsStream) next() rowEvent {
	s.t.Helper()
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.t.Fatal("the stream has ended")
			}
			if e.kind != "status" {
				return e
			}
		case <-time.After(2 * time.Minute):
			s.t.Fatal("nothing comes")
		}
	}
}

// synced reads what is there at the beginning: the names, in order.
func (s *rowsStream) synced() []string {
	s.t.Helper()
	names := []string{}
	for {
		switch e := s.next(); e.kind {
		case "synced":
			return names
		case "added":
			names = append(names, e.row.Namespace+"/"+e.row.Name)
		default:
			s.t.Fatalf("%s before synced: %s", e.kind, e.data)
		}
	}
}

// want reads the next events: each "added shop/web-1", in whatever order.
func (s *rowsStream) want(events ...string) {
	s.t.Helper()
	var got []string
	for range events {
		e := s.next()
		got = append(got, e.kind+" "+e.row.Namespace+"/"+e.row.Name)
	}
	slices.Sort(got)
	slices.Sort(events)
	if diff := cmp.Diff(events, got); diff != "" {
		s.t.Errorf("the events (-want +got):\n%s", diff)
	}
}

// ends waits for the end of the stream, and fails if rows come before.
func (s *rowsStream) ends() {
	s.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				return
			}
			if e.kind != "status" {
				s.t.Errorf("%s instead of the end: %s", e.kind, e.data)
			}
		case <-limit.C:
			s.t.Fatal("the stream is still open")
		}
	}
}

func TestAPIWatchTellsWhatBecomesOfTheRows(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v := k.withToken(viewer, access.RoleViewer)
	v.bare = true
	s := v.watchRows(k.resources("pods") + "?watch=1&namespace=shop&labelSelector=app%3Dweb&sort=name")
	if diff := cmp.Diff([]string{"shop/web-1", "shop/web-2"}, s.synced()); diff != "" {
		t.Errorf("at the beginning (-want +got):\n%s", diff)
	}
	k.production.Add(testPod("shop", "web-3"))
	s.want("added shop/web-3")
	changed := testPod("shop", "web-3")
	changed.Status.ContainerStatuses[0].RestartCount = 7
	k.production.Update(changed)
	e := s.next()
	if e.kind != "modified" || e.row.Name != "web-3" || e.row.ResourceVersion == "" || !strings.Contains(e.data, `"7"`) {
		t.Errorf("after the change: %s %s", e.kind, e.data)
	}
	k.labelled("shop", "web-1", map[string]string{"app": "other"}) // the filter no longer matches
	s.want("deleted shop/web-1")
	k.production.Delete(testPod("shop", "web-2"))
	s.want("deleted shop/web-2")
	k.production.Add(testPod("pay", "web-9")) // another namespace
	k.labelled("shop", "web-1", map[string]string{"app": "web"})
	s.want("added shop/web-1")
}

// TestA12_WatchOfANamespacedUser churns another namespace, then takes the right away, then gives back a part of it.
func TestA12_WatchOfANamespacedUser(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	k.grant(nobody, access.Rule{Clusters: []string{"production"}, Namespaces: []string{"shop"}, Resources: []string{"pods"}, Verbs: []access.Verb{access.VerbGet, access.VerbList, access.VerbWatch}})
	all := k.as(admin).watchRows(k.resources("pods") + "?watch=1")
	mine, shop := k.as(nobody).watchRows(k.resources("pods")+"?watch=1"), []string{"shop/web-1", "shop/web-2"}
	byToken := k.withToken(nobody, access.RoleViewer).watchRows(k.resources("pods") + "?watch=1")
	if diff := cmp.Diff([][]string{shop, shop}, [][]string{mine.synced(), byToken.synced()}); diff != "" {
		t.Errorf("at the beginning (-want +got):\n%s", diff)
	}
	if got := all.synced(); len(got) != 3 {
		t.Errorf("the administrator sees %v", got)
	}
	for i := range 20 {
		k.production.Add(testPod("pay", fmt.Sprintf("hidden-%02d", i)))
	}
	for i := range 20 { // the administrator hears of each: they have gone through the hub
		if e := all.next(); e.kind != "added" {
			t.Errorf("%d: %s", i, e.kind)
		}
	}
	k.production.Add(testPod("shop", "web-3"))
	mine.want("added shop/web-3") // and nothing before it
	byToken.want("added shop/web-3")

	// Of three pods one may still be seen: the others are deleted for whoever watches.
	k.setRules("only-"+nobody, access.Rule{Clusters: []string{"production"}, Namespaces: []string{"shop"}, Resources: []string{"pods"}, Names: []string{"web-2"}, Verbs: []access.Verb{access.VerbGet, access.VerbList, access.VerbWatch}})
	mine.want("deleted shop/web-1", "deleted shop/web-3")
	k.setRules("only-"+nobody, access.Rule{Clusters: []string{"production"}, Resources: []string{"services"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}})
	mine.ends()
	k.as(nobody).get(k.resources("pods")+"?watch=1").problem(http.StatusForbidden, "forbidden")
}

// setRules changes what a role may.
func (k *kit) setRules(role string, rules ...access.Rule) {
	k.t.Helper()
	text, err := json.Marshal(rules)
	k.must(err)
	k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
		_, err := q.UpdateRole(k.t.Context(), db.RoleSpec{Name: role, Rules: string(text), Now: k.now().UnixMicro()})
		return err
	}))
	k.must(k.Load(k.t.Context()))
}

// TestA06_WatchEndsWithTheSession signs out, revokes a token, and disables a user.
func TestA06_WatchEndsWithTheSession(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	open := func(v *visitor) *rowsStream {
		s := v.watchRows(k.resources("pods") + "?watch=1")
		s.synced()
		return s
	}
	signedOut, token := k.as(viewer), k.withToken(operator, access.RoleViewer)
	a, b := open(signedOut), open(token)
	stays := open(k.as(viewer))
	signedOut.post("/logout", nil).want(http.StatusSeeOther)
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		tokens, err := q.TokensOfUser(t.Context(), k.users[operator].ID)
		if err != nil || len(tokens) != 1 {
			return fmt.Errorf("%d tokens: %w", len(tokens), err)
		}
		_, err = q.RevokeToken(t.Context(), tokens[0].ID, k.now().UnixMicro())
		return err
	}))
	a.ends()
	b.ends()
	k.production.Add(testPod("shop", "web-3"))
	stays.want("added shop/web-3")
}

func TestAPIWatchEndsWithTheKind(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	crd := kubetest.Definition("shop.example.com", "carts", "Cart", apiextensionsv1.NamespaceScoped, "v1")
	k.production.Add(crd)
	k.production.Add(kubetest.Custom("shop.example.com/v1", "Cart", "shop", "first", nil))
	v := k.as(viewer)
	eventually(t, "the kind is served", func() bool { return v.get(k.resources("carts.shop.example.com")).status == http.StatusOK })
	s := v.watchRows(k.resources("carts.shop.example.com") + "?watch=1")
	s.synced()
	k.production.Delete(crd)
	for e := range s.events {
		if e.kind != "status" && e.kind != "deleted" {
			t.Errorf("%s: %s", e.kind, e.data)
		}
	}
	v.get(k.resources("carts.shop.example.com")+"?watch=1").problem(http.StatusNotFound, "unknown_kind")
}

// TestAPIWatchLimitAndSlowReaders opens all streams that a session may have, none of which is read, and one more of another.
func TestAPIWatchLimitAndSlowReaders(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.pods("bulk", "many", 200)
	k.warm("pods")
	v := k.as(viewer)
	for range streamsPerVisitor {
		if resp := v.openStream(k.resources("pods") + "?watch=1"); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	if r := v.get(k.resources("pods")+"?watch=1").problem(http.StatusTooManyRequests, "guard_too_many"); r.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	s := k.as(operator).watchRows(k.resources("pods") + "?watch=1&q=web-")
	s.synced()
	for i := range 20 {
		for j := range 200 {
			p := testPod("bulk", fmt.Sprintf("many-%02d", j))
			p.Status.ContainerStatuses[0].RestartCount = int32(i + 1)
			k.production.Update(p)
		}
	}
	k.production.Add(testPod("shop", "web-3"))
	s.want("added shop/web-3")
}

// TestA01_WatchIsForOurOwnPages proves that a stream that a cookie opens is for no other site.
func TestA01_WatchIsForOurOwnPages(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v := k.as(viewer)
	path := k.resources("pods") + "?watch=1"
	for name, headers := range map[string][]string{
		"nothing": {"Sec-Fetch-Site", ""}, "cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"},
		"navigation": {"Sec-Fetch-Site", "none"}, "evil": {"Origin", "https://evil.example"}, "null": {"Origin", "null"},
	} {
		if r := v.get(path, headers...); r.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	program := k.withToken(viewer, access.RoleViewer)
	program.bare = true
	program.get(path).want(http.StatusOK)
}

// TestAPIWatchKeepsProxiesAwake lets time pass in which nothing happens.
func TestAPIWatchKeepsProxiesAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{header: http.Header{}}
		out := &rowStream{w: http.NewResponseController(w), write: w.Write}
		if err := out.comment(); err != nil {
			t.Fatal(err)
		}
		if w.text.String() != ": \n\n" || w.flushed != 1 || time.Until(w.deadline) != writeBudget {
			t.Errorf("%q, flushed %d times, deadline %s", w.text.String(), w.flushed, w.deadline)
		}
	})
}

// slowWriter notes what a stream does with its connection.
type slowWriter struct {
	header   http.Header
	text     strings.Builder
	flushed  int
	deadline time.Time
}

func (w *slowWriter) Header() http.Header                 { return w.header }
func (w *slowWriter) WriteHeader(int)                     {}
func (w *slowWriter) Write(p []byte) (int, error)         { return w.text.Write(p) }
func (w *slowWriter) Flush()                              { w.flushed++ }
func (w *slowWriter) SetWriteDeadline(at time.Time) error { w.deadline = at; return nil }
