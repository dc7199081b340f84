package handlers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/access"
	"tiga/kube/kubetest"
)

// object is the answer as JSON.
func (r *reply) object() map[string]any {
	r.t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		r.t.Fatalf("%v: %.300s", err, r.body)
	}
	return out
}

// problem fails the test unless the answer is a problem of the API with the reason, in words.
func (r *reply) problem(status int, reason string, words ...string) *reply {
	r.t.Helper()
	o := r.want(status, words...).object()
	if o["code"] != float64(status) || o["reason"] != reason || o["message"] == "" || o["request_id"] == "" && reason != "bad_request" {
		r.t.Errorf("the problem is %s, want reason %s", r.body, reason)
	}
	if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/") || !strings.Contains(got, "json") {
		r.t.Errorf("the problem is of type %s", got)
	}
	return r
}

func keysOf(v any) []string {
	m, _ := v.(map[string]any)
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func encoded(file []byte) string { return base64.StdEncoding.EncodeToString(file) }

func body(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

const clusters = apiRoot + "/clusters"

// TestAPIClusters goes through the life of a cluster by API, field by field.
func TestAPIClusters(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	k.healthy(k.stagingID)
	v := k.withToken(admin, access.RoleAdmin)
	v.bare = true // a program, not a browser
	fields := []string{
		"created_at", "enabled", "environment", "health_reason", "health_since", "health_status", "id", "is_default", "last_connected_at",
		"name", "node_count", "pod_count", "prometheus_status", "prometheus_url", "read_only", "updated_at", "version",
	}

	list := v.get(clusters).want(http.StatusOK).object()
	if diff := cmp.Diff([]string{"code", "data", "message"}, keysOf(list)); diff != "" {
		t.Errorf("the envelope: %s", diff)
	}
	data, _ := list["data"].(map[string]any)
	items, _ := data["items"].([]any)
	if list["code"] != 200.0 || list["message"] != "success" || data["total"] != 2.0 || len(items) != 2 {
		t.Fatalf("the list is %v", list)
	}
	if diff := cmp.Diff(fields, keysOf(items[0])); diff != "" {
		t.Errorf("the fields of a cluster: %s", diff)
	}
	first, _ := items[0].(map[string]any)
	if first["name"] != "production" || first["health_status"] != "healthy" || first["version"] != "v1.37.2" || first["node_count"] != 2.0 ||
		first["pod_count"] != 3.0 || first["environment"] != "prod" || first["is_default"] != true || first["last_connected_at"] == nil {
		t.Errorf("production is %v", first)
	}

	s := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{testNode("d-1", "True")}})
	made := v.json(http.MethodPost, clusters, body(t, map[string]any{"name": "dev", "kubeconfig": encoded(s.Kubeconfig()), "environment": "play"})).want(http.StatusCreated).object()
	dev, _ := made["data"].(map[string]any)
	if made["code"] != 201.0 || dev["name"] != "dev" || dev["enabled"] != true || dev["environment"] != "play" || dev["is_default"] != false {
		t.Errorf("the new cluster is %v", made)
	}
	one := fmt.Sprintf("%s/%v", clusters, dev["id"])
	k.healthy(int64(dev["id"].(float64)))
	v.get(one).want(http.StatusOK, `"name":"dev"`, `"health_status":"healthy"`)

	tested := v.json(http.MethodPost, one+"/test-connection", "").want(http.StatusOK).object()
	result, _ := tested["data"].(map[string]any)
	if diff := cmp.Diff([]string{"nodes", "ok", "user", "version", "warnings"}, keysOf(result)); diff != "" {
		t.Errorf("the test's fields: %s", diff)
	}
	if result["ok"] != true || result["user"] != "kubetest" || result["nodes"] != 1.0 {
		t.Errorf("the test found %v", result)
	}

	v.json(http.MethodPut, one, `{"name":"play","is_default":true}`).want(http.StatusOK, `"name":"play"`, `"is_default":true`, `"environment":"play"`)
	v.get(fmt.Sprintf("%s/%d", clusters, k.productionID)).want(http.StatusOK, `"is_default":false`)
	v.json(http.MethodPut, one, `{"enabled":false}`).want(http.StatusOK, `"enabled":false`)
	v.get(one).want(http.StatusOK, `"enabled":false`)
	v.json(http.MethodDelete, one, "").want(http.StatusOK)
	v.get(one).problem(http.StatusNotFound, "not_found")
	v.json(http.MethodDelete, one, "").problem(http.StatusNotFound, "not_found")
}

// TestAPIRefusesWrongInputInWords sends what is wrong with each operation.
func TestAPIRefusesWrongInputInWords(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.withToken(admin, access.RoleAdmin)
	s := kubetest.New(t, kubetest.Options{})
	good := encoded(s.Kubeconfig())
	one := fmt.Sprintf("%s/%d", clusters, k.productionID)
	before := k.tables()
	file := func(edit func(*clientcmdapi.Config)) string { return encoded(s.Kubeconfig(edit)) }
	create := func(name, file string) string { return body(t, map[string]any{"name": name, "kubeconfig": file}) }
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		reason             string
		words              []string
	}{
		"no JSON":           {"POST", clusters, `{`, 400, "bad_request", nil},
		"no body":           {"POST", clusters, ``, 400, "bad_request", nil},
		"wrong type":        {"POST", clusters, `{"name":7,"kubeconfig":"x"}`, 400, "bad_request", []string{`"field":"name"`}},
		"unknown field":     {"POST", clusters, `{"name":"x","kubeconfig":"` + good + `","admin":true}`, 400, "bad_request", []string{"admin"}},
		"missing field":     {"POST", clusters, `{"name":"x"}`, 400, "bad_request", []string{"kubeconfig"}},
		"not base64":        {"POST", clusters, create("x", "!!"), 400, "bad_request", []string{"not valid base64", `"field":"kubeconfig"`}},
		"no kubeconfig":     {"POST", clusters, create("x", encoded([]byte("hello"))), 400, "bad_request", []string{`"field":"kubeconfig"`}},
		"empty name":        {"POST", clusters, create("", good), 400, "bad_request", []string{"Give the cluster a name", `"field":"name"`}},
		"long name":         {"POST", clusters, create(strings.Repeat("x", 64), good), 400, "bad_request", []string{"at most 63"}},
		"name with slash":   {"POST", clusters, create("a/b", good), 400, "bad_request", []string{"A name has no"}},
		"name with star":    {"POST", clusters, create("*", good), 400, "bad_request", nil},
		"invisible name":    {"POST", clusters, create("a\u202eb", good), 400, "bad_request", nil},
		"taken name":        {"POST", clusters, create("production", good), 409, "taken", []string{"name is taken"}},
		"no listener":       {"POST", clusters, create("x", file(func(c *clientcmdapi.Config) { c.Clusters["kubetest"].Server = "https://127.0.0.1:1" })), 502, "cluster_unreachable", []string{"Cannot reach cluster x", "refused"}},
		"wrong authority":   {"POST", clusters, create("x", file(func(c *clientcmdapi.Config) { c.Clusters["kubetest"].CertificateAuthorityData = s.OtherCA(t) })), 502, "cluster_unreachable", []string{"authority"}},
		"wrong token":       {"POST", clusters, create("x", file(func(c *clientcmdapi.Config) { c.AuthInfos["kubetest"].Token = "stale" })), 502, "cluster_credentials", []string{"refuses our credentials"}},
		"id no number":      {"GET", clusters + "/x", ``, 400, "bad_request", nil},
		"id zero":           {"GET", clusters + "/0", ``, 400, "bad_request", nil},
		"no such cluster":   {"GET", clusters + "/9999", ``, 404, "not_found", []string{"Not found"}},
		"update unknown":    {"PUT", clusters + "/9999", `{"name":"x"}`, 404, "not_found", nil},
		"delete unknown":    {"DELETE", clusters + "/9999", ``, 404, "not_found", nil},
		"test unknown":      {"POST", clusters + "/9999/test-connection", ``, 404, "not_found", nil},
		"rename to taken":   {"PUT", one, `{"name":"staging"}`, 409, "taken", nil},
		"environment":       {"PUT", one, `{"environment":"` + strings.Repeat("x", 21) + `"}`, 400, "bad_request", []string{`"field":"environment"`, "at most 20"}},
		"update credential": {"PUT", one, `{"kubeconfig":"eA=="}`, 400, "bad_request", []string{`"field":"kubeconfig"`}},
		"no such path":      {"GET", "/api/v1/k8s/nothing", ``, 404, "not_found", nil},
		"no such method":    {"PATCH", clusters, `{}`, 405, "method", nil},
		"not JSON at all":   {"POST", clusters, `name=x`, 415, "guard_content_type", nil},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{}
			if c.status == 415 {
				headers = []string{"Content-Type", "text/csv"}
			}
			v.json(c.method, c.path, c.body, headers...).problem(c.status, c.reason, c.words...)
		})
	}
	if diff := cmp.Diff(before, k.tables()); diff != "" {
		t.Errorf("wrong input changed the database:\n%s", diff)
	}
	for _, path := range []string{clusters, one} {
		k.anonymous().get(path).problem(http.StatusUnauthorized, "signed_out")
		if got := k.anonymous().get(path).header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("WWW-Authenticate is %q", got)
		}
	}
	stale := k.anonymous()
	stale.token = access.TokenPrefix + strings.Repeat("A", 43)
	stale.get(clusters).problem(http.StatusUnauthorized, "signed_out")
	k.as(viewer).json(http.MethodDelete, one, "").problem(http.StatusForbidden, "forbidden", "right to admin clusters")
	// A wrong body from somebody without the right learns nothing about it.
	k.as(viewer).json(http.MethodPost, clusters, create("production", "!!")).problem(http.StatusForbidden, "forbidden")
	v.get(clusters+"/9999", "Accept-Language", "zh-CN").problem(http.StatusNotFound, "not_found", "未找到")
}

func TestFR6_3_ThreeWaysToNameTheCluster(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.withToken(viewer, access.RoleViewer)
	const path = apiRoot + "/cluster"
	id := fmt.Sprint(k.stagingID)
	v.get(path, "X-Cluster-ID", id).want(http.StatusOK, `"name":"staging"`)
	v.get(path, "X-Cluster-Name", "staging").want(http.StatusOK, `"name":"staging"`)
	v.get(path+"?cluster=staging").want(http.StatusOK, `"name":"staging"`)
	v.get(path+"?cluster="+id).want(http.StatusOK, `"name":"staging"`)
	v.get(path+"?cluster=production", "X-Cluster-Name", "staging").want(http.StatusOK, `"name":"staging"`)
	r := v.get(path)
	r.want(http.StatusBadRequest)
	if o := r.object(); o["reason"] != "which_cluster" {
		t.Errorf("the problem is %s", r.body)
	}
	for _, way := range []string{"/clusters/{id}", "X-Cluster-ID", "X-Cluster-Name", "?cluster="} {
		if !strings.Contains(r.body, way) {
			t.Errorf("the answer does not name %s: %s", way, r.body)
		}
	}
	v.get(path+"?cluster=nothing").problem(http.StatusNotFound, "not_found")
	v.get(path, "X-Cluster-ID", "x").problem(http.StatusBadRequest, "bad_request")
	k.as(keeper).get(path+"?cluster=staging").problem(http.StatusNotFound, "not_found")
}

func TestOpenAPIIsTheRouteTable(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	doc := k.anonymous().get("/api/openapi.json").want(http.StatusOK).object()
	if version, _ := doc["openapi"].(string); !strings.HasPrefix(version, "3.1") {
		t.Errorf("the version is %v", doc["openapi"])
	}
	var got, want []string
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		for method, op := range item.(map[string]any) {
			got = append(got, strings.ToUpper(method)+" "+path)
			o, _ := op.(map[string]any)
			security, _ := o["security"].([]any)
			var schemes []string
			for _, s := range security {
				schemes = append(schemes, keysOf(s)...)
			}
			if diff := cmp.Diff([]string{"token", "session"}, schemes); diff != "" {
				t.Errorf("%s %s asks for %v", method, path, schemes)
			}
			if o["summary"] == "" || o["operationId"] == "" {
				t.Errorf("%s %s is not described", method, path)
			}
			answers := keysOf(o["responses"])
			for _, status := range []string{"400", "401", "403", "404"} {
				if !slices.Contains(answers, status) {
					t.Errorf("%s %s does not tell of %s", method, path, status)
				}
			}
		}
	}
	for _, row := range k.table {
		if strings.HasPrefix(row.pattern, apiRoot) {
			want = append(want, row.method+" "+row.pattern)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the document is not the route table (-table +document):\n%s", diff)
	}
	components, _ := doc["components"].(map[string]any)
	if diff := cmp.Diff([]string{"session", "token"}, keysOf(components["securitySchemes"])); diff != "" {
		t.Errorf("the schemes: %s", diff)
	}
}
