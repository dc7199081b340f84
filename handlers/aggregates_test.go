package handlers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// readable is a text, or what it says in base64 of any kind.
func readable(text string) string {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text)), "=")
	if raw, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(raw) > 0 {
		return text + " " + string(raw)
	}
	return text
}

// unseen is how many pods lie where nobody but an administrator looks; the number is on no page of anybody else.
const unseen = 137

// canaries is a kit in which a namespace of production, and all of staging, hold nothing but texts with a mark in them.
type canaries struct {
	*kit
	mark, namespace string
	custom          string // a kind that both namespaces have objects of
}

func newCanaries(t *testing.T) *canaries {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	c := &canaries{kit: newKit(t, kitConfig{}), mark: fmt.Sprintf("canary%x", n), custom: "carts.shop.example.com"}
	c.namespace = c.mark + "-ns"
	marked := &texts{list: []string{c.mark + "-a", c.mark + ".b", c.mark + "-c.example.com"}}
	plain := &texts{list: []string{"plain-a", "plain.b", "plain-c.example.com"}}
	c.production.Add(definitions()...)
	carts := kubetest.Definition("shop.example.com", "carts", "Cart", apiextensionsv1.NamespaceScoped, "v1",
		apiextensionsv1.CustomResourceColumnDefinition{Name: "Text", Type: "string", JSONPath: ".spec.text"})
	c.production.Add(carts, testNamespace(c.namespace))
	for _, k := range hostileKinds() {
		if k.Namespaced {
			c.production.Add(filled(k, c.namespace, c.mark+"-hidden", marked), filled(k, "shop", "mine", plain))
		} else {
			c.production.Add(filled(k, "", c.mark+"-hidden", marked))
		}
		if k.Install == "" {
			c.staging.Add(filled(k, c.namespace, c.mark+"-staging", marked))
		}
	}
	c.staging.Add(kubetest.Definition(c.mark+".example.com", c.mark+"s", "Kind"+c.mark, apiextensionsv1.NamespaceScoped, "v1"))
	for ns, from := range map[string]*texts{c.namespace: marked, "shop": plain} {
		name := from.next()
		c.production.Add(kubetest.Custom("shop.example.com/v1", "Cart", ns, name, map[string]any{"spec": map[string]any{"text": from.next(), from.next(): from.next()}}))
	}
	for i := range unseen {
		p := testPod(c.namespace, fmt.Sprintf("%s-%03d", c.mark, i))
		p.Labels = map[string]string{"app": c.mark, c.mark: c.mark}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: c.mark, Value: c.mark}}
		if i%2 == 0 {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: c.mark}}
		}
		c.production.Add(p, aboutIt(fmt.Sprintf("%s.%d", p.Name, i), "Pod", "v1", p, c.mark, time.Second))
	}
	// What changed there, and that changes were missed.
	for n, at := range []db.NewChange{
		{Resource: "pods", Namespace: c.namespace, Name: c.mark, Verb: db.ChangeUpdate, Manager: c.mark, Field: c.mark, Fields: 1},
		{Resource: c.custom, Namespace: c.namespace, Name: c.mark, Verb: db.ChangeDelete, Actor: c.mark},
		{Resource: "namespaces", Name: c.namespace, Verb: db.ChangeCreate},
		{Resource: c.mark + ".example.com", Verb: db.ChangeMissed, Fields: 3},
		{Resource: "pods", Namespace: "shop", Name: "mine", Verb: db.ChangeUpdate, Manager: "kubectl-edit", Fields: 1},
	} {
		at.ClusterID, at.At, at.UID, at.Version = c.productionID, c.now().UnixMicro(), fmt.Sprint("u", n), "1"
		c.must(packEntries(&at, []diff.Entry{{Op: diff.Changed, Path: "spec." + at.Name, Before: at.Manager, After: at.Namespace}}))
		c.must(c.history.keep(t.Context(), c.productionID, at))
	}
	// What others keep, and a person with rights in shop who may see nodes and definitions as well.
	other := c.as(admin)
	other.post(clusterPath(c.productionID)+"/pods/views", url.Values{"name": {c.mark}, "query": {"q=" + c.mark}, "pinned": {"1"}}).want(http.StatusSeeOther)
	c.grant(nobody,
		access.Rule{Clusters: []string{"production"}, Namespaces: []string{"shop"}, Groups: []string{"*"}, Resources: []string{"*"}, Verbs: []access.Verb{"*"}},
		access.Rule{Clusters: []string{"production"}, Groups: []string{"*"}, Resources: []string{"customresourcedefinitions"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}},
		access.Rule{Clusters: []string{"production"}, Groups: []string{"*"}, Resources: []string{"nodes"}, Names: []string{"p-*"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}},
	)
	for _, id := range []int64{c.productionID, c.stagingID} {
		eventually(t, "the cluster's check has met what is in it", func() bool {
			f, err := c.fleet.Cluster(id)
			if err == nil && f.State().Health != kube.HealthWarning {
				f.Retry()
			}
			return err == nil && f.State().Health == kube.HealthWarning
		})
	}
	var ids []string
	for _, k := range hostileKinds() {
		ids = append(ids, k.ID())
	}
	c.warm(ids...)
	eventually(t, "the custom kind is read", func() bool {
		return len(other.get(c.resources(c.custom)).chunk().Items) == 2
	})
	return c
}

// addresses are those that everybody of a test asks for: of every route that is read, with every parameter. None has the
// mark in it, for a page repeats its address.
func (c *canaries) addresses() []string {
	one, api := clusterPath(c.productionID), fmt.Sprintf("%s/clusters/%d", apiRoot, c.productionID)
	out := []string{
		"/", "/account", "/audit", "/settings/clusters", "/settings/clusters/new", fmt.Sprintf("/settings/clusters/%d", c.stagingID), "/login", "/healthz", "/readyz", "/metrics",
		fmt.Sprintf("/settings/clusters/%d/remove", c.stagingID), "/live", one + "/live?kind=pods", one, clusterPath(c.stagingID), clusterPath(c.stagingID) + "/pods", clusterPath(9999), "/clusters/x", "/nothing",
		"/api/docs", "/api/openapi.json", apiRoot + "/clusters", api, apiRoot + "/cluster?cluster=production", apiRoot + "/cluster?cluster=staging", apiRoot + "/cluster", api + "/crds",
		fmt.Sprintf("%s/clusters/%d", apiRoot, c.stagingID), fmt.Sprintf("%s/clusters/%d/resources/pods", apiRoot, c.stagingID), fmt.Sprintf("%s/clusters/%d/crds", apiRoot, c.stagingID), apiRoot + "/nothing",
		one + "/widgets", one + "/pods/shop/gone", one + "/pods?page=0", one + "/pods?page=99", one + "/pods?q=/(/", one + "/pods/delete?o=shop/mine&o=shop/gone",
		one + "/pods?q=restarts>=0", one + "/pods?q=-l+app", one + "/pods?q=!nothing", one + "/pods?q=/./", one + "/pods?f.status=CrashLoopBackOff", one + "/pods?f.status=Waiting", one + "/pods?cols=label:app&sort=label:app",
		one + "/nodes/-/p-1", one + "/nodes/-/p-1/pods", one + "/nodes/-/p-1/events", one + "/nodes/-/p-1/describe", one + "/nodes/-/p-1/yaml", one + "/nodes/-/p-1/drain", one + "/operations", one + "/operations/none", api + "/operations", api + "/operations/none",
		one + "/history", one + "/history?span=1h", one + "/history?ns=shop", one + "/history?kind=pods", one + "/history?who=kubectl-edit", api + "/history", api + "/history?limit=1",
		one + "/pods/shop/mine/history", api + "/resources/pods/mine/history?namespace=shop", one + "/pods/shop/web-1/edit?revert=1", one + "/pods/new?again=2",
		one + "/namespaces/-/shop", one + "/namespaces/-/shop/describe", one + "/pods/shop/web-1/delete", one + "/deployments.apps/shop/web/scale", one + "/deployments.apps/shop/web/pods",
		one + "/deployments.apps/shop/web/rollout", one + "/deployments.apps/shop/web/undo", one + "/secrets/shop/mine/reveal?key=a", one + "/apply", one + "/configmaps/shop/mine/download?key=a",
	}
	ids := []string{c.custom}
	for n, k := range hostileKinds() {
		ids = append(ids, k.ID())
		if n%3 == 0 { // kubectl's own are the slowest
			out = append(out, one+"/"+k.ID()+"/shop/mine/describe")
		}
		for _, f := range k.Facets {
			out = append(out, one+"/"+k.ID()+"/facet?of="+f)
		}
	}
	for _, id := range ids {
		list, object := one+"/"+id, one+"/"+id+"/shop/mine"
		out = append(out, list, list+"?ns=shop", list+"?sort=-age", list+"?sort=-namespace", list+"?as=csv", list+"?as=json", list+"/facet?of=namespace", list+"?q=a",
			object, object+"/pods", object+"/events", object+"/yaml", object+"/yaml?managed=1", object+"/yaml?download=1", object+"/delete", object+"/edit", object+"/form", list+"/new", list+"/new?from=shop/mine", list+"/new?from=pay/hidden", list+"/schema",
			api+"/resources/"+id, api+"/resources/"+id+"?limit=1", api+"/resources/"+id+"?as=table", api+"/resources/"+id+"?as=table&sort=-age&limit=2", api+"/resources/"+id+"?q=a", api+"/resources/"+id+"?namespace=shop&namespace=pay",
			api+"/resources/"+id+"/mine?namespace=shop", api+"/resources/"+id+"/mine")
	}
	return out
}

// leak is where the mark stands in an answer, in any of the ways in which it may be written; "" for nowhere.
func (c *canaries) leak(r *reply) string {
	whole := r.body + fmt.Sprint(r.header)
	lower := strings.ToLower(whole)
	for _, form := range forms(c.mark) {
		if i := strings.Index(lower, strings.ToLower(form)); i >= 0 {
			return lower[max(0, i-80):min(len(lower), i+80)]
		}
	}
	// Of base64 that holds more than the mark.
	for _, part := range inBase64.FindAllString(whole, -1) {
		if len(part) < 4000 && strings.Contains(readable(part), c.mark) {
			return part
		}
	}
	return ""
}

// inBase64 is what may be base64 and long enough for the mark.
var inBase64 = regexp.MustCompile(`[A-Za-z0-9+/_]{24,}`)

// TestA10_NothingOfWhatIsHiddenIsAnywhere asks every route as people who see one namespace.
func TestA10_NothingOfWhatIsHiddenIsAnywhere(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	mux, ok := c.handler.(*chi.Mux)
	if !ok {
		t.Fatal("the handler is no chi router")
	}
	asked, whole := map[string]bool{}, map[string]int{}
	for _, who := range []string{keeper, nobody, admin} {
		v := c.as(who)
		for n, path := range c.addresses() {
			if who == admin && n%3 > 0 || who == nobody && n%2 > 0 && n > 70 {
				continue // the others have asked for them
			}
			headers := []string{}
			if strings.Contains(path, "?sort=-age") {
				headers = []string{"HX-Request", "true", "HX-Request-Type", "partial"}
			}
			r := v.get(path, headers...)
			rc := chi.NewRouteContext()
			if plain, _, _ := strings.Cut(path, "?"); mux.Match(rc, http.MethodGet, plain) {
				asked["GET "+rc.RoutePattern()] = true
			}
			found := c.leak(r)
			if who == admin {
				if found != "" {
					whole[path]++
				}
				continue
			}
			if found != "" {
				t.Errorf("%s as %s (%d): …%s…", path, who, r.status, found)
			}
			if r.status >= http.StatusInternalServerError && !strings.HasSuffix(path, "/describe") {
				t.Errorf("%s as %s: %d %.200s", path, who, r.status, r.text())
			}
			if strings.HasPrefix(path, "/api") || strings.HasSuffix(path, "/describe") || strings.Contains(path, "/yaml") {
				continue // whose numbers are many, and compared one by one elsewhere
			}
			if at := hiddenCount.FindStringIndex(r.body); at != nil {
				t.Errorf("%s as %s counts what is hidden: %s", path, who, r.body[max(0, at[0]-100):at[1]])
			}
		}
		if who != keeper {
			continue
		}
		for _, p := range crawl(v, everywhere(c.kit)...) {
			if found := c.leak(p.reply); found != "" {
				t.Errorf("%s as %s (%d): …%s…", p.path, who, p.status, found)
			}
		}
	}
	// The administrator sees all of it at the same addresses, or nothing was shown.
	if len(whole) < 70 {
		t.Errorf("only %d pages show the mark to an administrator", len(whole))
	}
	for _, row := range c.table {
		if key := row.method + " " + row.pattern; row.method == http.MethodGet && !asked[key] {
			t.Errorf("%s was not asked for", key)
		}
	}
}

// hiddenCount is a number by itself that could be that of the unseen pods, with some others.
var hiddenCount = regexp.MustCompile(fmt.Sprintf(`[>\s](?:%d|%d|%d|%d|%d)[<\s]`, unseen, unseen+1, unseen+2, unseen+3, unseen+4))

// TestA10_TotalsCountWhatIsShown compares every number of the lists with the rows that are there.
func TestA10_TotalsCountWhatIsShown(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	for _, who := range []string{keeper, nobody} {
		v := c.as(who)
		menu := v.get(clusterPath(c.productionID) + "/pods").want(http.StatusOK).doc()
		for _, k := range hostileKinds() {
			if !k.Namespaced {
				continue
			}
			table := v.get(c.resources(k.ID()) + "?as=table&limit=500").chunk()
			want := c.count(k, "shop")
			if table.Total != want || len(table.Rows) != want {
				t.Errorf("%s as %s: %d rows of %d, want %d", k.ID(), who, len(table.Rows), table.Total, want)
			}
			if objects := v.get(c.resources(k.ID()) + "?limit=500").chunk(); objects.Total != want || len(objects.Items) != want {
				t.Errorf("%s as %s: %d objects of %d, want %d", k.ID(), who, len(objects.Items), objects.Total, want)
			}
			item := elements(menu, "a", "id", "menu-"+k.ID())
			if len(item) != 1 {
				t.Errorf("the menu of %s has %d times %s", who, len(item), k.ID())
				continue
			}
			for word := range strings.FieldsSeq(textOf(item[0])) { // how many there are, or how many of them are in trouble
				if n, err := strconv.Atoi(word); err == nil && n > want {
					t.Errorf("the menu of %s counts %d %s, of which %d are shown", who, n, k.ID(), want)
				}
			}
		}
		cluster, _ := v.get(fmt.Sprintf("%s/clusters/%d", apiRoot, c.productionID)).want(http.StatusOK).object()["data"].(map[string]any)
		if cluster["pod_count"] != nil || cluster["node_count"] != nil {
			t.Errorf("%s is told of %v pods and %v nodes", who, cluster["pod_count"], cluster["node_count"])
		}
	}
	// What lies in another namespace, or another cluster, answers like what is nowhere.
	v := c.as(keeper)
	for hidden, never := range map[string]string{
		"/pods/" + c.namespace + "/" + c.mark + "-000": "/pods/" + strings.Repeat("n", len(c.namespace)) + "/" + strings.Repeat("n", len(c.mark)) + "-000",
		"/persistentvolumes/-/" + c.mark + "-hidden":   "/persistentvolumes/-/" + strings.Repeat("n", len(c.mark)) + "-hidden",
	} {
		a, b := v.get(clusterPath(c.productionID)+hidden).want(http.StatusNotFound), v.get(clusterPath(c.productionID)+never).want(http.StatusNotFound)
		if diff := cmp.Diff(shape(b.doc()), shape(a.doc())); diff != "" || len(a.text()) != len(b.text()) {
			t.Errorf("%s is told from what never was:\n%s\n%s", hidden, a.text(), b.text())
		}
	}
	a, b := v.get(fmt.Sprintf("%s/clusters/%d", apiRoot, c.stagingID)), v.get(apiRoot+"/clusters/9999")
	if diff := cmp.Diff(withoutID(b), withoutID(a)); diff != "" {
		t.Errorf("a cluster that is hidden is told from one that never was: %s", diff)
	}
}

// count is how many objects of a kind a namespace of production holds.
func (c *canaries) count(k *kinds.Kind, namespace string) int {
	n := 0
	for _, o := range append(shopObjects(), c.mine()...) {
		m, err := meta.Accessor(o)
		c.must(err)
		gvks, _, err := kinds.Types().ObjectKinds(o)
		if err != nil {
			gvks = append(gvks, o.GetObjectKind().GroupVersionKind())
		}
		if m.GetNamespace() == namespace && gvks[0].Kind == k.Name && gvks[0].Group == k.GVR.Group {
			n++
		}
	}
	return n
}

// mine are the objects that were put into shop, one of each kind.
func (c *canaries) mine() []runtime.Object {
	var out []runtime.Object
	for _, k := range hostileKinds() {
		if k.Namespaced {
			out = append(out, filled(k, "shop", "mine", &texts{list: []string{"x"}}))
		}
	}
	return out
}

// TestA10_AClusterTellsOnlyWhatOneMayKnow gives the state of a cluster, as its check finds it, to several people.
func TestA10_AClusterTellsOnlyWhatOneMayKnow(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	limited := kube.State{
		Health: kube.HealthHealthy, Reason: kinds.Message{ID: "cluster.limited", Args: map[string]any{"Namespaces": "pay, shop"}},
		Nodes: 5, NodesReady: 4, NodesKnown: true, Pods: 70, PodsRunning: 60, PodsKnown: true, Namespaces: []string{"pay", "shop"},
	}
	away := limited
	away.Namespaces, away.Health = nil, kube.HealthWarning
	away.Reason = kinds.Message{ID: "cluster.nodes_not_ready", Args: map[string]any{"Node": "secret-node", "More": 3}, Text: "kubelet says so"}
	r := func(who string) *http.Request {
		v := &visit{subject: access.Subject{UserID: k.users[who].ID, Name: who}}
		return httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.WithValue(t.Context(), visitKey{}, v))
	}
	for _, who := range []string{viewer, admin} {
		if diff := cmp.Diff([]kube.State{limited, away}, []kube.State{k.stateFor(r(who), "production", limited), k.stateFor(r(who), "production", away)}, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s is told less than all (-want +got):\n%s", who, diff)
		}
	}
	mine := kube.State{
		Health: kube.HealthHealthy, Reason: kinds.Message{ID: "cluster.limited", Args: map[string]any{"Namespaces": "shop"}}, Namespaces: []string{"shop"},
	}
	some := kube.State{Health: kube.HealthWarning, Reason: kinds.Message{ID: "state.some_not_ready"}}
	if diff := cmp.Diff([]kube.State{mine, some}, []kube.State{k.stateFor(r(keeper), "production", limited), k.stateFor(r(keeper), "production", away)}, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s is told (-want +got):\n%s", keeper, diff)
	}
	if got := k.stateFor(r(nobody), "production", limited); len(got.Namespaces) != 0 || !got.Reason.IsZero() {
		t.Errorf("%s is told %+v", nobody, got)
	}
}

// TestA11_WhatOneHasSeenNobodyElseIsShown warms everything as an administrator, then asks as others; then all at once.
func TestA11_WhatOneHasSeenNobodyElseIsShown(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	addresses := slices.DeleteFunc(c.addresses(), func(path string) bool { return strings.HasSuffix(path, "/describe") || len(path)%4 > 0 })
	first, warmed := c.as(admin), 0
	for _, path := range addresses {
		if c.leak(first.get(path)) != "" {
			warmed++
		}
	}
	if warmed < 40 {
		t.Fatalf("only %d addresses are warm", warmed)
	}
	check := func(v *visitor, who, path string) {
		r := v.get(path)
		if found := c.leak(r); found != "" {
			t.Errorf("%s as %s (%d): …%s…", path, who, r.status, found)
		}
		if who == "anonymous" && r.status == http.StatusOK && !strings.HasPrefix(path, "/api/openapi") && strings.Contains(r.body, "production") {
			t.Errorf("%s shows a cluster to anybody", path)
		}
		if got := r.header.Get("Cache-Control"); who != "anonymous" && r.status == http.StatusOK && got != "no-store" {
			t.Errorf("%s may be kept: %q", path, got)
		}
	}
	restricted, anybody := c.as(keeper), c.anonymous()
	for _, path := range addresses {
		check(restricted, keeper, path)
		check(anybody, "anonymous", path)
	}
	// Interleaved: everybody asks for the same things at the same time.
	var wg sync.WaitGroup
	for i := range 24 {
		who := []string{admin, keeper, nobody, "anonymous"}[i%4]
		v := c.anonymous()
		if who != "anonymous" {
			v = c.as(who)
		}
		wg.Go(func() {
			for n := range 20 {
				path := addresses[(i/4*97+n*31)%len(addresses)]
				if who == admin {
					v.get(path)
					continue
				}
				check(v, who, path)
			}
		})
	}
	wg.Wait()
}

// TestA10_PoisonObjectsAreCountedForThoseWhoSeeThem serves a list in which two objects cannot be read, one of them hidden
// from somebody.
func TestA10_PoisonObjectsAreCountedForThoseWhoSeeThem(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	item := func(kind, namespace, name string) string {
		return fmt.Sprintf(`{"kind":%q,"apiVersion":"shop.example.com/v1","metadata":{"namespace":%q,"name":%q,"uid":%q,"resourceVersion":"1"}}`, kind, namespace, name, name)
	}
	list := `{"kind":"CartList","apiVersion":"shop.example.com/v1","metadata":{"resourceVersion":"2000"},"items":[` +
		strings.Join([]string{item("Cart", "shop", "good"), item("Odd", "shop", "broken"), item("Odd", "pay", "hidden")}, ",") + `]}`
	k.production.Script(kubetest.On("/apis/shop.example.com/v1/carts", func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("watch") != "" {
			return kubetest.Status(http.StatusUnprocessableEntity, "Invalid", "no streams here")(w, r)
		}
		return kubetest.Garbage("application/json", list)(w, r)
	}))
	k.production.Add(kubetest.Definition("shop.example.com", "carts", "Cart", apiextensionsv1.NamespaceScoped, "v1"))
	path := clusterPath(k.productionID) + "/carts.shop.example.com"
	v := k.as(admin)
	eventually(t, "the list is read", func() bool { return strings.Contains(v.get(path).text(), "hidden") })
	v.get(path).want(http.StatusOK, "good", "broken", "hidden", "Unreadable", "2 objects could not be read")
	restricted := k.as(keeper).get(path).want(http.StatusOK, "good", "broken", "Unreadable", "1 object could not be read")
	if strings.Contains(restricted.text(), "hidden") {
		t.Errorf("what is hidden is shown: %s", restricted.text())
	}
}
