package handlers

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"tiga/db"
	"tiga/kube/kubetest"
)

// headers are the titles of a list's columns.
func headers(n *html.Node) []string {
	var out []string
	for _, th := range elements(n, "th", "scope", "col") {
		if !strings.Contains(attribute(th, "class"), "end") {
			out = append(out, strings.TrimSpace(textOf(th)))
		}
	}
	return out
}

// labelled is testPod with labels.
func (k *kit) labelled(namespace, name string, labels map[string]string) {
	p := testPod(namespace, name)
	p.Labels = labels
	k.production.Add(p)
}

func TestColumnsAreKeptInTheirOrderForOneUserAndKind(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	show := func(v *visitor, query string) []string { return headers(v.get(pods + query).want(http.StatusOK).doc()) }
	standard := show(v, "")
	if diff := cmp.Diff([]string{"Name", "Namespace", "Ready", "Status", "Restarts", "Node", "Age"}, standard); diff != "" {
		t.Fatalf("the columns at first (-want +got):\n%s", diff)
	}
	to := v.post(pods+"/columns", url.Values{"cols": {"status", "ip", "no-such", "namespace"}, "query": {"q=web&cols=age&page=2"}}).want(http.StatusSeeOther).header.Get("Location")
	if to != pods+"?q=web" {
		t.Errorf("it leads to %s", to)
	}
	chosen := []string{"Name", "Status", "IP", "Namespace"}
	if diff := cmp.Diff(chosen, show(v, "")); diff != "" {
		t.Errorf("the chosen columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(chosen, show(k.as(viewer), "")); diff != "" {
		t.Errorf("in another session (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Name", "Status", "IP"}, show(v, "?ns=shop")); diff != "" {
		t.Errorf("in one namespace (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(standard, show(k.as(operator), "")); diff != "" {
		t.Errorf("somebody else sees (-want +got):\n%s", diff)
	}
	if got := headers(v.get(clusterPath(k.productionID) + "/nodes").doc()); slices.Contains(got, "IP") {
		t.Errorf("another kind has the columns %v", got)
	}
	// The address wins, for everybody alike.
	for _, who := range []string{viewer, operator} {
		if diff := cmp.Diff([]string{"Name", "Age", "Node"}, show(k.as(who), "?cols=age&cols=node")); diff != "" {
			t.Errorf("%s at an address with columns (-want +got):\n%s", who, diff)
		}
	}
	// Without JavaScript a column is moved by a button, one step at a time.
	v.post(pods+"/columns", url.Values{"cols": {"status", "ip", "namespace"}, "move": {"up ip"}}).want(http.StatusSeeOther)
	if diff := cmp.Diff([]string{"Name", "IP", "Status", "Namespace"}, show(v, "")); diff != "" {
		t.Errorf("after a step up (-want +got):\n%s", diff)
	}
	v.post(pods+"/columns", url.Values{"cols": {"ip", "status", "namespace"}, "move": {"down namespace"}}).want(http.StatusSeeOther)
	v.post(pods+"/columns", url.Values{"cols": {"ip", "status"}, "query": {"ns=shop"}}).want(http.StatusSeeOther)
	if diff := cmp.Diff([]string{"Name", "Namespace", "IP", "Status"}, show(v, "")); diff != "" {
		t.Errorf("chosen in one namespace, shown in all (-want +got):\n%s", diff)
	}
	v.post(pods+"/columns", url.Values{"cols": {"ip"}, "reset": {"1"}}).want(http.StatusSeeOther)
	if diff := cmp.Diff(standard, show(v, "")); diff != "" {
		t.Errorf("after the reset (-want +got):\n%s", diff)
	}
	many := url.Values{}
	for i := range maxColumns + 1 {
		many.Add("cols", fmt.Sprint("c", i))
	}
	v.post(pods+"/columns", many).want(http.StatusUnprocessableEntity, "40")
	// Rows stand closer together everywhere once asked for.
	v.post(pods+"/columns", url.Values{"density": {"compact"}}).want(http.StatusSeeOther)
	table := elements(v.get(clusterPath(k.productionID)+"/nodes").doc(), "table", "data-rows", "")
	if len(table) != 1 || !strings.Contains(attribute(table[0], "class"), "compact") {
		t.Error("the rows are not compact")
	}
}

func TestLabelColumnsSortFilterAndExport(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const key = "app.kubernetes.io/name"
	k.labelled("bulk", "a", map[string]string{key: "zebra"})
	k.labelled("bulk", "b", map[string]string{key: "ant"})
	k.labelled("bulk", "c", nil)
	k.labelled("bulk", "d", map[string]string{key: "ant"})
	k.warm("pods")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	v.post(pods+"/columns", url.Values{"cols": {"ready"}, "label": {" " + key}}).want(http.StatusSeeOther)
	page := v.get(pods + "?ns=bulk").want(http.StatusOK).doc()
	if diff := cmp.Diff([]string{"Name", "Ready", key}, headers(page)); diff != "" {
		t.Fatalf("the columns (-want +got):\n%s", diff)
	}
	for sort, want := range map[string][]string{"label:" + key: {"b", "d", "a", "c"}, "-label:" + key: {"a", "b", "d", "c"}} {
		if got := namesIn(v.get(pods + "?ns=bulk&sort=" + url.QueryEscape(sort)).doc()); !slices.Equal(got, want) {
			t.Errorf("sorted by %s: %v, want %v", sort, got, want)
		}
	}
	// A value leads to the list of those that have it.
	leads := ""
	for _, a := range elements(page, "a", "class", "mono") {
		if textOf(a) == "ant" {
			leads = attribute(a, "href")
		}
	}
	if got := namesIn(v.get(leads).doc()); !slices.Equal(got, []string{"b", "d"}) {
		t.Errorf("%s shows %v", leads, got)
	}
	got := v.get(pods + "?ns=bulk&as=csv&sort=" + url.QueryEscape("-label:"+key)).want(http.StatusOK).body
	if want := "\ufeffName,Ready," + key + "\na,1/1,zebra\nb,1/1,ant\nd,1/1,ant\nc,1/1,\n"; got != want {
		t.Errorf("exported:\n%s", cmp.Diff(want, got))
	}
	for _, bad := range []string{"no key", "<script>", "a/b/c", "-x", strings.Repeat("x", 64), "a=b"} {
		v.post(pods+"/columns", url.Values{"cols": {"ready"}, "label": {bad}}).want(http.StatusUnprocessableEntity)
		if h := headers(v.get(pods + "?cols=ready&cols=" + url.QueryEscape("label:"+bad)).want(http.StatusOK).doc()); len(h) != 2 {
			t.Errorf("the address may have a column %v", h)
		}
	}
}

func TestFacetsAreChosenInASheetAndTakenBackByTheirChips(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	for i := range 3 {
		p := testPod("bulk", fmt.Sprintf("n-%d", i))
		p.Spec.NodeName = "far-away"
		k.production.Add(p)
	}
	k.warm("pods", "namespaces")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	sheet := v.get(pods+"/facet?of=node&q=!web-2", "HX-Request", "true", "HX-Request-Type", "partial").want(http.StatusOK)
	if strings.Contains(sheet.body, "<html") || strings.Contains(sheet.body, "<title") {
		t.Error("the sheet is a page")
	}
	counts := map[string]string{}
	for _, item := range elements(sheet.doc(), "div", "class", "item pick") {
		counts[textOf(elements(item, "a", "", "")[0])] = strings.TrimSpace(textOf(elements(item, "span", "class", "count")[0]))
	}
	if diff := cmp.Diff(map[string]string{"far-away": "3", "p-1": "2"}, counts); diff != "" {
		t.Errorf("the values and their counts (-want +got):\n%s", diff)
	}
	// What has no value is a choice as well, and is taken back like any other.
	unplaced := testPod("bulk", "unplaced")
	unplaced.Spec.NodeName = ""
	k.production.Add(unplaced)
	eventually(t, "the pod is listed", func() bool { return strings.Contains(v.get(pods).body, "unplaced") })
	v.get(pods+"/facet?of=node").want(http.StatusOK, "no value", pods+"?f.node=")
	placeless := v.get(pods + "?f.node=").want(http.StatusOK).doc()
	if got := namesIn(placeless); !slices.Equal(got, []string{"unplaced"}) {
		t.Errorf("without a node: %v", got)
	}
	if a := elements(placeless, "a", "aria-current", "true"); !slices.ContainsFunc(a, func(n *html.Node) bool {
		return attribute(n, "class") == "facet on" && attribute(n, "href") == pods && strings.Contains(textOf(n), "no value")
	}) {
		t.Error("the choice cannot be taken back")
	}
	k.production.Delete(unplaced)
	eventually(t, "the pod is gone", func() bool { return !strings.Contains(v.get(pods).body, "unplaced") })
	v.get(pods+"/facet?of=node").want(http.StatusOK, "<html", "far-away")
	list := v.get(pods + "?f.node=far-away&f.node=p-1&f.namespace=bulk&q=n").want(http.StatusOK).doc()
	if got := namesIn(list); !slices.Equal(got, []string{"n-0", "n-1", "n-2"}) {
		t.Errorf("two nodes and one namespace: %v", got)
	}
	back := map[string]string{}
	for _, a := range elements(list, "a", "aria-current", "true") {
		if strings.HasPrefix(attribute(a, "class"), "facet") {
			back[textOf(elements(a, "span", "", "")[0])] = attribute(a, "href")
		}
	}
	want := map[string]string{
		"bulk": pods + "?f.node=far-away&f.node=p-1&q=n", "far-away": pods + "?f.namespace=bulk&f.node=p-1&q=n", "p-1": pods + "?f.namespace=bulk&f.node=far-away&q=n",
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("the chips (-want +got):\n%s", diff)
	}
	// FR-6.7: what somebody may not see is not counted for them either.
	if r := k.as(keeper).get(pods + "/facet?of=namespace").want(http.StatusOK); strings.Contains(r.body, "bulk") || strings.Contains(r.body, "pay") {
		t.Error("the keeper is shown the names of other namespaces")
	}
	v.get(pods + "/facet?of=ip").want(http.StatusBadRequest)
	v.get(pods + "?" + strings.Repeat("f.node=x&", maxFacetValues+1)).want(http.StatusBadRequest)
}

func TestAWrongFilterSaysWhereAndWhy(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	r := v.get(pods+"?q="+url.QueryEscape("é web /a(b/")).want(http.StatusOK, "At character 8, “/a(b/”: not a regular expression")
	if len(elements(r.doc(), "input", "aria-invalid", "true")) != 1 {
		t.Error("the box is not marked")
	}
	v.get(pods+"?q="+url.QueryEscape("web <script>alert(1)"), "Accept-Language", "zh-CN").want(http.StatusOK, "第 5 个字符", "其余条件仍然有效")
}

func TestExportHoldsTheWholeFilteredListAndNoFormula(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	for i := range 230 {
		k.labelled("bulk", fmt.Sprintf("p-%03d", i), map[string]string{"note": "=1+1"})
	}
	k.warm("pods")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	const cols = "&cols=status&cols=restarts&cols=age&cols=label:note"
	r := v.get(pods + "?ns=bulk&page=2&as=csv" + cols).want(http.StatusOK)
	wantName := `attachment; filename=production-pods-` + k.now().UTC().Format("2006-01-02") + `.csv`
	if r.header.Get("Content-Type") != "text/csv; charset=utf-8" || r.header.Get("Content-Disposition") != wantName || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.header)
	}
	text, ok := strings.CutPrefix(r.body, "\ufeff")
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || !ok || len(lines) != 231 {
		t.Fatalf("%d lines, mark %t, %v", len(lines), ok, err)
	}
	if _, err := time.Parse(time.RFC3339, lines[1][4]); err != nil {
		t.Errorf("the age: %v", err)
	}
	lines[1][4] = ""
	if diff := cmp.Diff([]string{"p-000", "Running", "", "0", "", "'=1+1"}, lines[1]); diff != "" {
		t.Errorf("a line (-want +got):\n%s", diff)
	}
	var rows []map[string]any
	r = v.get(pods + "?ns=bulk&q=p-00&as=json" + cols).want(http.StatusOK)
	if err := json.Unmarshal([]byte(r.body), &rows); err != nil || len(rows) != 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	delete(rows[0], "age")
	if diff := cmp.Diff(map[string]any{"name": "p-000", "status": "Running", "restarts": 0.0, "label:note": "=1+1"}, rows[0]); diff != "" {
		t.Errorf("a row (-want +got):\n%s", diff)
	}
	if r := v.get(pods + "?ns=bulk&q=nothing-of-this&as=json").want(http.StatusOK); strings.TrimSpace(strings.ReplaceAll(r.body, "\n", "")) != "[]" {
		t.Errorf("an empty list is %q", r.body)
	}
	v.get(pods + "?as=xml").want(http.StatusBadRequest)
	// FR-6.7: it has no more than the pages.
	if r := k.as(keeper).get(pods + "?as=csv").want(http.StatusOK); strings.Contains(r.body, "p-000") || !strings.Contains(r.body, "web-1") {
		t.Errorf("the keeper exports %q", r.body)
	}
	k.as(keeper).get(clusterPath(k.productionID) + "/nodes?as=csv").want(http.StatusForbidden)
}

func TestSpreadsheetsAreGivenNoFormula(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "web-1": "web-1", "=cmd|x": "'=cmd|x", "+1": "'+1", "-1": "'-1", "@sum": "'@sum", "\t=1": "'\t=1", "\r=1": "'\r=1", "a=1": "a=1"} {
		if got := harmlessCell(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := attachment("a/b\"c\n生产-1.csv"); !strings.HasPrefix(got, "attachment; filename*=utf-8''a-b-c-") {
		t.Errorf("the file is %s", got)
	}
}

func TestViewsAreKeptRenamedPinnedAndForgotten(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes")
	v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
	save := func(v *visitor, name, query string) *reply {
		return v.post(pods+"/views", url.Values{"name": {name}, "query": {query}, "pinned": {"1"}})
	}
	// What the form of the page sends is the list as it is shown, with its columns.
	form := elements(v.get(pods+"?ns=shop&q=web&sort=-age").doc(), "input", "name", "query")
	whole := ""
	for _, input := range form {
		if strings.Contains(attribute(input, "value"), "cols=") {
			whole = attribute(input, "value")
		}
	}
	if whole != "cols=name&cols=ready&cols=status&cols=restarts&cols=node&cols=age&ns=shop&q=web&sort=-age" {
		t.Errorf("the form would save %s", whole)
	}
	const hostile = `<img src=x onerror=alert(1)>`
	to := save(v, hostile, whole+"&page=3&as=csv&evil=//x").want(http.StatusSeeOther).header.Get("Location")
	if to != pods+"?"+whole {
		t.Errorf("it leads to %s", to)
	}
	page := v.get(to).want(http.StatusOK, "View saved")
	if strings.Contains(page.body, "<img src=x") {
		t.Error("the name of a view is markup")
	}
	menu := elements(page.doc(), "a", "class", "menu-item on under")
	if len(menu) != 1 || strings.TrimSpace(textOf(menu[0])) != hostile || attribute(menu[0], "href") != to {
		t.Fatalf("the menu has %d views", len(menu))
	}
	save(v, hostile, "q=x").want(http.StatusConflict, "of that name")
	save(v, " ", "").want(http.StatusUnprocessableEntity)
	save(v, strings.Repeat("x", db.MaxViewName+1), "").want(http.StatusUnprocessableEntity)
	save(v, "long", "q="+strings.Repeat("x", db.MaxViewQuery)).want(http.StatusUnprocessableEntity)
	// It is of the kind, in every cluster, and of nobody else.
	if !strings.Contains(v.get(clusterPath(k.stagingID)+"/pods").body, clusterPath(k.stagingID)+"/pods?"+strings.ReplaceAll(whole, "&", "&amp;")) {
		t.Error("the view is not there in another cluster")
	}
	if strings.Contains(k.as(operator).get(pods).body, "onerror") {
		t.Error("somebody else sees the view")
	}
	all, err := k.store.Read().Views(t.Context(), k.users[viewer].ID)
	k.must(err)
	one := fmt.Sprintf("/views/%d", all[0].ID)
	k.as(operator).post(one, url.Values{"name": {"mine"}}).want(http.StatusNotFound)
	k.as(operator).post(one+"/delete", nil).want(http.StatusNotFound)
	v.post("/views/x", url.Values{"name": {"mine"}}).want(http.StatusBadRequest)
	if to := v.post(one, url.Values{"name": {"Mine"}, "next": {"//evil.example"}}).want(http.StatusSeeOther).header.Get("Location"); to != "/" {
		t.Errorf("it leads to %s", to)
	}
	page = v.get(pods).want(http.StatusOK, "Mine")
	if len(elements(page.doc(), "a", "class", "menu-item under")) != 0 {
		t.Error("a view that was taken out of the menu is still there")
	}
	v.post(one+"/delete", url.Values{"next": {pods}}).want(http.StatusSeeOther)
	if strings.Contains(v.get(pods).want(http.StatusOK).body, "Mine") {
		t.Error("a view that was deleted is still there")
	}
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		for i := range db.MaxViews {
			if _, err := q.CreateView(t.Context(), db.NewView{UserID: k.users[viewer].ID, Kind: "nodes", Name: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	}))
	save(v, "one more", "").want(http.StatusUnprocessableEntity, "100")
	v.get(pods).want(http.StatusOK, "There are 100 views")
}

func TestFavouritesStandOnTopOfTheMenu(t *testing.T) {
	t.Parallel()
	for _, readOnly := range []bool{false, true} {
		k := newKit(t, kitConfig{readOnly: readOnly})
		k.warm("pods", "nodes")
		v, pods := k.as(viewer), clusterPath(k.productionID)+"/pods"
		changes := len(k.audit(db.AuditFilter{}))
		to := v.post(pods+"/favourite", url.Values{"on": {"1"}, "query": {"q=web&x=1"}}).want(http.StatusSeeOther).header.Get("Location")
		if to != pods+"?q=web" {
			t.Errorf("it leads to %s", to)
		}
		v.post(clusterPath(k.productionID)+"/nodes/favourite", url.Values{"on": {"1"}}).want(http.StatusSeeOther)
		favourites := func(v *visitor) (out []string) {
			for _, a := range elements(v.get(clusterPath(k.productionID)).doc(), "a", "", "") {
				if id, ok := strings.CutPrefix(attribute(a, "id"), "menu-favourite-"); ok {
					out = append(out, id)
				}
			}
			return out
		}
		if got := favourites(v); !slices.Equal(got, []string{"pods", "nodes"}) {
			t.Errorf("read-only %t: the favourites are %v", readOnly, got)
		}
		if got := favourites(k.as(operator)); len(got) != 0 {
			t.Errorf("somebody else has the favourites %v", got)
		}
		v.post(pods+"/favourite", url.Values{"on": {"0"}}).want(http.StatusSeeOther)
		if got := favourites(v); !slices.Equal(got, []string{"nodes"}) {
			t.Errorf("read-only %t: after one was taken out they are %v", readOnly, got)
		}
		if got := len(k.audit(db.AuditFilter{})); got != changes {
			t.Errorf("%d lines of audit about a person's own preferences", got-changes)
		}
	}
}

func TestFR1_15_AKindAtAnotherVersionSaysHowItIsShown(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(kubetest.Definition("gateway.networking.k8s.io", "gateways", "Gateway", "Namespaced", "v9"))
	v := k.as(viewer)
	path := clusterPath(k.productionID) + "/gateways.gateway.networking.k8s.io"
	eventually(t, "the kind is served", func() bool { return v.get(path).status == http.StatusOK })
	v.get(path).want(http.StatusOK, "Tiga knows Gateway at v1", "this cluster serves v9: shown by the columns of its definition.")
	v.get(path, "Accept-Language", "zh-CN").want(http.StatusOK, "此集群提供的是 v9")
}
