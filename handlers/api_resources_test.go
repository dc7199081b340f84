package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/kube/kubetest"
)

// resources is the address of a kind's list in the API.
func (k *kit) resources(kind string) string {
	return fmt.Sprintf("%s/clusters/%d/resources/%s", apiRoot, k.productionID, kind)
}

// chunk is a list as the API answers it, in either form.
type chunk struct {
	Items []struct {
		Kind     string
		Metadata struct {
			Namespace, Name string
			ManagedFields   []any
		}
		Data map[string]string
	}
	Columns  []struct{ ID, Title, Type string }
	Rows     []resourceRow
	Total    int
	Continue string
}

// names are the names of the objects, in either form.
func (c chunk) names() []string {
	out := []string{}
	for _, item := range c.Items {
		out = append(out, strings.TrimPrefix(item.Metadata.Namespace+"/"+item.Metadata.Name, "/"))
	}
	for _, row := range c.Rows {
		out = append(out, strings.TrimPrefix(row.Namespace+"/"+row.Name, "/"))
	}
	return out
}

func (r *reply) chunk() chunk {
	r.t.Helper()
	var out struct{ Data chunk }
	if err := json.Unmarshal([]byte(r.want(http.StatusOK).body), &out); err != nil {
		r.t.Fatalf("%v: %.300s", err, r.body)
	}
	return out.Data
}

// chunks follows the continue tokens of a list.
func (v *visitor) chunks(path string) []chunk {
	v.k.t.Helper()
	var out []chunk
	for next := path; ; {
		c := v.get(next).chunk()
		out = append(out, c)
		if c.Continue == "" {
			return out
		}
		if len(out) > 50 {
			v.k.t.Fatalf("%s has no end", path)
		}
		next = path + "&continue=" + url.QueryEscape(c.Continue)
	}
}

// pods puts pods into a namespace of production.
func (k *kit) pods(namespace, prefix string, n int) {
	for i := range n {
		p := testPod(namespace, fmt.Sprintf("%s-%02d", prefix, i))
		p.Labels = map[string]string{"app": prefix, "odd": fmt.Sprint(i%2 == 1)}
		k.production.Add(p)
	}
}

func TestAPIListsObjectsAndTables(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.pods("bulk", "many", 7)
	k.production.Add(testPod("other", "alone"))
	k.warm("pods")
	v := k.withToken(viewer, access.RoleViewer)
	v.bare = true
	pods := k.resources("pods")
	bulk := []string{"bulk/many-00", "bulk/many-01", "bulk/many-02", "bulk/many-03", "bulk/many-04", "bulk/many-05", "bulk/many-06"}
	odd := []string{bulk[1], bulk[3], bulk[5]}
	backwards := slices.Clone(bulk)
	slices.Reverse(backwards)
	for query, want := range map[string][]string{
		"namespace=bulk": bulk,
		"namespace=bulk&labelSelector=odd%3Dtrue":           odd,
		"namespace=bulk&labelSelector=odd+in+(true),app":    odd,
		"namespace=bulk&q=label:odd%3Dtrue":                 odd,
		"namespace=bulk&q=/-0[135]$/":                       odd,
		"namespace=bulk&q=!many-00&labelSelector=odd!=true": {bulk[2], bulk[4], bulk[6]},
		"namespace=bulk&sort=-name":                         backwards,
		"namespace=other&namespace=bulk&sort=name":          append([]string{"other/alone"}, bulk...),
		"namespace=_all&q=alone":                            {"other/alone"},
		"namespace=bulk&f.status=Running":                   bulk,
		"namespace=bulk&f.status=Failed":                    {},
		"namespace=nowhere":                                 {},
	} {
		for _, as := range []string{"objects", "table"} {
			got := v.get(pods + "?" + query + "&as=" + as).chunk()
			if diff := cmp.Diff(want, got.names()); diff != "" || got.Total != len(want) || got.Continue != "" {
				t.Errorf("%s as %s: total %d, continue %q (-want +got):\n%s", query, as, got.Total, got.Continue, diff)
			}
			if as == "table" && (len(got.Columns) == 0 || got.Items != nil) || as == "objects" && got.Rows != nil {
				t.Errorf("%s as %s has %d columns, %d rows, %d items", query, as, len(got.Columns), len(got.Rows), len(got.Items))
			}
		}
	}
	if got := v.get(pods).chunk(); got.Total != 11 || len(got.Items) != 11 || got.Items[0].Kind != "Pod" {
		t.Errorf("all pods: %d of %d, of kind %q", len(got.Items), got.Total, got.Items[0].Kind)
	}
	// Page after page, whichever way the list is read: all of it, each once.
	for _, query := range []string{"namespace=bulk&limit=3", "namespace=bulk&limit=3&as=table", "namespace=bulk&limit=3&q=many"} {
		parts := v.chunks(pods + "?" + query)
		var got []string
		for _, c := range parts {
			got = append(got, c.names()...)
			if c.Total != len(bulk) {
				t.Errorf("%s: a total of %d", query, c.Total)
			}
		}
		if diff := cmp.Diff(bulk, got); diff != "" || len(parts) != 3 {
			t.Errorf("%s in %d parts (-want +got):\n%s", query, len(parts), diff)
		}
	}
	// A token that was good once, of a list that has become shorter.
	token := v.chunks(pods + "?namespace=bulk&limit=3&as=table")[1].Continue
	for i := 2; i < 7; i++ {
		k.production.Delete(testPod("bulk", fmt.Sprintf("many-%02d", i)))
	}
	eventually(t, "the pods are gone", func() bool { return v.get(pods+"?namespace=bulk&as=table").chunk().Total == 2 })
	if got := v.get(pods + "?namespace=bulk&limit=3&as=table&continue=" + token).chunk(); len(got.Rows) != 0 || got.Continue != "" || got.Total != 2 {
		t.Errorf("past the end: %v of %d, continue %q", got.names(), got.Total, got.Continue)
	}
}

func TestAPITableIsWhatThePageShows(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes")
	got := k.withToken(viewer, access.RoleViewer).get(k.resources("pods") + "?namespace=shop&as=table&q=web-1").chunk()
	var ids []string
	for _, c := range got.Columns {
		ids = append(ids, c.ID+":"+c.Type)
	}
	if diff := cmp.Diff([]string{"name:name", "ready:ratio", "status:status", "restarts:number", "node:name", "age:age"}, ids); diff != "" {
		t.Errorf("the columns (-want +got):\n%s", diff)
	}
	if len(got.Rows) != 1 {
		t.Fatalf("%d rows", len(got.Rows))
	}
	row := got.Rows[0]
	var texts []string
	for _, c := range row.Cells {
		texts = append(texts, c.Text)
	}
	if row.Created == nil || len(texts) != 6 {
		t.Fatalf("the row is %+v", row)
	}
	if diff := cmp.Diff([]string{"web-1", "1/1", "Running", "0", "p-1", row.Created.Format("2006-01-02T15:04:05Z")}, texts); diff != "" {
		t.Errorf("the cells (-want +got):\n%s", diff)
	}
	if row.UID == "" || row.ResourceVersion == "" || row.Labels["app"] != "web" || row.Status == nil || row.Status.Word != "Running" || row.Status.Tone != "ok" ||
		row.Cells[3].Value == nil || *row.Cells[3].Value != 0 {
		t.Errorf("the row is %+v", row)
	}
	nodes := k.as(viewer).get(k.resources("nodes") + "?as=table&namespace=shop").chunk()
	if diff := cmp.Diff([]string{"p-1", "p-2"}, nodes.names()); diff != "" {
		t.Errorf("a namespace is asked of nodes (-want +got):\n%s", diff)
	}
}

func TestAPIReadsOneObject(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const canary = "hunter2-canary"
	pod := testPod("shop", "managed")
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "someone", Operation: "Update"}}
	k.production.Add(pod, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": canary}},
		Data:       map[string][]byte{"password": []byte(canary)},
	})
	v := k.withToken(admin, access.RoleAdmin)
	get := func(path string) map[string]any {
		data, _ := v.get(path).want(http.StatusOK).object()["data"].(map[string]any)
		return data
	}
	one := get(k.resources("pods") + "/managed?namespace=shop")
	about, _ := one["metadata"].(map[string]any)
	if one["kind"] != "Pod" || one["apiVersion"] != "v1" || about["name"] != "managed" || about["managedFields"] != nil || one["spec"] == nil || one["status"] == nil {
		t.Errorf("the pod is %v", one)
	}
	if node := get(k.resources("nodes") + "/p-1"); node["kind"] != "Node" {
		t.Errorf("the node is %v", node)
	}
	get(k.resources("nodes") + "/p-1?namespace=shop") // what a cluster-scoped kind has no use for
	v.get(k.resources("pods")+"/managed").problem(http.StatusBadRequest, "bad_request", `"field":"namespace"`, "say which")
	v.get(k.resources("pods")+"/managed?namespace=_all").problem(http.StatusBadRequest, "bad_request", `"field":"namespace"`)
	v.get(k.resources("pods")+"/gone?namespace=shop").problem(http.StatusNotFound, "not_found")
	for _, name := range []string{"..", "%2e%2e", "a%2fb", "a%252fb", "%00"} {
		if r := v.get(k.resources("pods") + "/" + name + "?namespace=shop"); r.status != http.StatusNotFound && r.status != http.StatusBadRequest {
			t.Errorf("the name %s: %d", name, r.status)
		}
		if r := v.get(k.resources("pods") + "/managed?namespace=" + name); r.status != http.StatusNotFound && r.status != http.StatusBadRequest {
			t.Errorf("the namespace %s: %d", name, r.status)
		}
	}
	// A24: of a secret's values the lengths, whichever way it is asked for.
	for _, path := range []string{"/db?namespace=shop", "?namespace=shop", "?namespace=shop&q=db", "?namespace=shop&as=table"} {
		r := v.get(k.resources("secrets") + path).want(http.StatusOK)
		for _, form := range forms(canary) {
			if strings.Contains(r.body, form) {
				t.Errorf("secrets%s shows the value: %s", path, r.body)
			}
		}
		if !strings.Contains(r.body, "db") || !strings.Contains(path, "as=table") && !strings.Contains(r.body, "password") {
			t.Errorf("secrets%s: %s", path, r.body)
		}
	}
	if data, _ := get(k.resources("secrets") + "/db?namespace=shop")["data"].(map[string]any); !strings.Contains(fmt.Sprint(data["password"]), fmt.Sprint(len(canary))) {
		t.Errorf("the value's place holds no length: %v", data)
	}
}

func TestAPIListsDefinitions(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(kubetest.Definition("shop.example.com", "carts", "Cart", apiextensionsv1.NamespaceScoped, "v1,v1beta1"))
	k.production.Add(kubetest.Definition("shop.example.com", "tills", "Till", apiextensionsv1.ClusterScoped, "v1"))
	path := fmt.Sprintf("%s/clusters/%d/crds", apiRoot, k.productionID)
	v := k.withToken(viewer, access.RoleViewer)
	var got struct {
		Data struct {
			Items []definitionBody
			Total int
		}
	}
	k.must(json.Unmarshal([]byte(v.get(path).want(http.StatusOK).body), &got))
	want := []definitionBody{
		{Name: "carts.shop.example.com", Group: "shop.example.com", Kind: "Cart", Plural: "carts", Namespaced: true, Versions: []string{"v1", "v1beta1"}, Served: true},
		{Name: "tills.shop.example.com", Group: "shop.example.com", Kind: "Till", Plural: "tills", Versions: []string{"v1"}, Served: true},
	}
	if diff := cmp.Diff(want, got.Data.Items); diff != "" || got.Data.Total != 2 {
		t.Errorf("%d definitions (-want +got):\n%s", got.Data.Total, diff)
	}
	k.production.Add(kubetest.Custom("shop.example.com/v1", "Cart", "shop", "first", map[string]any{"spec": map[string]any{"size": int64(3)}}))
	eventually(t, "the new kind is served", func() bool { return v.get(k.resources("carts.shop.example.com")).status == http.StatusOK })
	eventually(t, "its object is there", func() bool {
		return slices.Equal(v.get(k.resources("carts.shop.example.com")).chunk().names(), []string{"shop/first"})
	})
	v.get(k.resources("carts.shop.example.com")+"/first?namespace=shop").want(http.StatusOK, `"size":3`)
}

func TestAPIRefusesAWrongListInWords(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v := k.withToken(viewer, access.RoleViewer)
	for query, words := range map[string][]string{
		"?labelSelector=a+in+(":              {`"field":"labelSelector"`, "a in (", "position 1"},
		"?labelSelector=a=b=c&as=table":      {`"field":"labelSelector"`, "a=b=c"},
		`?labelSelector=a%3D%22b%22`:         {`"field":"labelSelector"`, "position 3"},
		"?q=web+/(/":                         {`"field":"q"`, "position 6", "missing closing"},
		"?q=restarts>many":                   {`"field":"q"`, "many"},
		"?q=-l+%22a+in+(%22":                 {`"field":"q"`, "a in ("},
		"?q=%22open":                         {`"field":"q"`},
		"?limit=0":                           {`"field":"query.limit"`},
		"?limit=501":                         {`"field":"query.limit"`},
		"?as=xml":                            {`"field":"query.as"`},
		"?watch=perhaps":                     {`"field":"query.watch"`},
		"?as=table&continue=nonsense":        {`"field":"continue"`, "Leave it out"},
		"?as=table&continue=cGFnZTotMQ":      {`"field":"continue"`}, // page:-1
		"?q=web&continue=cGFnZTo5OTk5OTk5OQ": nil,                    // page:99999999
		"?watch=1&q=/(/":                     {`"field":"q"`},
		"?watch=1&labelSelector=a+in+(":      {`"field":"labelSelector"`},
	} {
		r := v.get(k.resources("pods") + query)
		if words == nil {
			if c := r.chunk(); len(c.Items) != 0 || c.Continue != "" {
				t.Errorf("%s: %s", query, r.body)
			}
			continue
		}
		r.problem(http.StatusBadRequest, "bad_request", words...)
	}
	v.get(k.resources("widgets")).problem(http.StatusNotFound, "unknown_kind", "No widgets in production")
	v.get(k.resources("widgets")+"/x?namespace=shop").problem(http.StatusNotFound, "unknown_kind")
	v.get(k.resources("widgets")+"?watch=1").problem(http.StatusNotFound, "unknown_kind")
	v.get(fmt.Sprintf("%s/clusters/9999/resources/pods", apiRoot)).problem(http.StatusNotFound, "not_found")
	v.get(k.resources("pods")+"?labelSelector=a+in+(", "Accept-Language", "zh-CN").problem(http.StatusBadRequest, "bad_request", "a in (")
	// A05: nobody is let in by what stands in the address.
	token := v.token
	for _, key := range []string{"token", "access_token", "auth_token", "jwt", "authorization"} {
		k.anonymous().get(k.resources("pods")+"?"+key+"="+token).problem(http.StatusUnauthorized, "signed_out")
		k.anonymous().get(k.resources("pods")+"?watch=1&"+key+"="+token).problem(http.StatusUnauthorized, "signed_out")
	}
}

// TestAPISaysWhyAListCannotBeRead takes away the right to one kind, its server, and the cluster.
func TestAPISaysWhyAListCannotBeRead(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	k.production.Authorize(func(a kubetest.Attributes) bool { return a.Resource != "configmaps" })
	v := k.withToken(viewer, access.RoleViewer)
	for _, query := range []string{"", "?as=table", "?watch=1"} {
		v.get(k.resources("configmaps")+query).problem(http.StatusForbidden, "cluster_forbids", "production", "no right to list configmaps")
	}
	v.get(k.resources("configmaps")+"/x?namespace=shop").problem(http.StatusForbidden, "cluster_forbids", "production")
	v.get(k.resources("services")).want(http.StatusOK)
	k.as(keeper).get(k.resources("nodes")).problem(http.StatusForbidden, "forbidden", "list nodes", "production")
	k.production.Script(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/leases") {
			return false
		}
		return kubetest.Status(http.StatusInternalServerError, "InternalError", "etcd is on fire")(w, r)
	})
	v.get(k.resources("leases.coordination.k8s.io")).problem(http.StatusBadGateway, "cluster", "status 500")
	k.production.Script(nil)
	k.production.Down()
	v.get(k.resources("limitranges")).problem(http.StatusBadGateway, "cluster")
	if r := v.get(k.resources("pods") + "/web-1?namespace=shop"); r.status != http.StatusBadGateway {
		t.Errorf("an object of a cluster that is away: %d %s", r.status, r.body)
	}
}

// TestA10_APIListsOfANamespacedUser proves that rows of other namespaces are in no answer, not even as a number or a token.
func TestA10_APIListsOfANamespacedUser(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.pods("pay", "secretname", 6)
	k.pods("shop", "mine", 4)
	k.warm("pods")
	v := k.withToken(keeper, access.RoleViewer)
	all := k.as(viewer)
	mine := []string{"shop/mine-00", "shop/mine-01", "shop/mine-02", "shop/mine-03", "shop/web-1", "shop/web-2"}
	clear := func(where, text string) {
		t.Helper()
		for part := range strings.SplitSeq(text, `"`) {
			decoded := readable(part)
			if strings.Contains(decoded, "secretname") || strings.Contains(decoded, "pay") {
				t.Errorf("%s tells of what is hidden: %s", where, decoded)
			}
		}
	}
	for _, query := range []string{"limit=2", "limit=2&as=table", "limit=2&q=-", "limit=2&sort=name", "limit=2&namespace=shop", "limit=2&namespace=shop&namespace=pay"} {
		var got []string
		for _, c := range v.chunks(k.resources("pods") + "?" + query) {
			got = append(got, c.names()...)
			if len(c.names()) != 2 || c.Total != len(mine) {
				t.Errorf("%s: %d of %d", query, len(c.names()), c.Total)
			}
			if !strings.Contains(query, "namespace=pay") {
				clear(query, `"`+c.Continue+`"`)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(mine, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"namespace=pay", "namespace=pay&as=table", "q=secretname", "q=namespace%3Dpay&as=table", "f.namespace=pay", "labelSelector=app%3Dsecretname"} {
		if c := v.get(k.resources("pods") + "?" + query).chunk(); len(c.names()) != 0 || c.Total != 0 || c.Continue != "" {
			t.Errorf("%s: %v of %d, continue %q", query, c.names(), c.Total, c.Continue)
		}
	}
	// The tokens of somebody who sees everything lead nowhere else.
	for _, query := range []string{"limit=2", "limit=2&as=table"} {
		for _, c := range all.chunks(k.resources("pods") + "?" + query) {
			if c.Continue == "" {
				continue
			}
			r := v.get(k.resources("pods") + "?" + query + "&continue=" + url.QueryEscape(c.Continue))
			if strings.Contains(query, "table") {
				if got := r.chunk(); got.Total != len(mine) {
					t.Errorf("%s with a token of another: %d", query, got.Total)
				}
			} else {
				r.problem(http.StatusBadRequest, "bad_request", `"field":"continue"`)
			}
			if strings.Contains(r.body, "secretname") {
				t.Errorf("%s with a token of another: %s", query, r.body)
			}
		}
	}
	hidden := v.get(k.resources("pods")+"/secretname-01?namespace=pay").problem(http.StatusNotFound, "not_found")
	never := v.get(k.resources("pods")+"/never?namespace=never").problem(http.StatusNotFound, "not_found")
	if diff := cmp.Diff(withoutID(never), withoutID(hidden)); diff != "" {
		t.Errorf("what is hidden answers otherwise than what never was:\n%s", diff)
	}
}

// withoutID is an answer of the API without what names the request.
func withoutID(r *reply) map[string]any {
	out := r.object()
	delete(out, "request_id")
	return out
}
