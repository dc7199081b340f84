package handlers

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"tiga/access"
)

// probe is a request to a route and the status that each kind of visitor gets, in the order of visitors. A request that
// would change something for good is made so that it ends with 400, 404 or 422 for whoever has the right: what matters
// is who gets that far.
type probe struct {
	path string
	body string // a form, or JSON if it begins with a brace
	want string
}

// visitors are the columns of the matrix. The last is an administrator on a server in read-only mode.
func visitors() []string {
	return []string{"anonymous", nobody, viewer, keeper, operator, admin, "viewer token of admin", "admin, read-only"}
}

// rightsMatrix says for every route of the table who gets what.
func rightsMatrix(k *kit) map[string][]probe {
	p := fmt.Sprintf("/clusters/%d", k.productionID)
	s := fmt.Sprintf("/clusters/%d", k.stagingID)
	set := fmt.Sprintf("/settings/clusters/%d", k.stagingID)
	api := apiRoot + "/clusters"
	apiOne := fmt.Sprintf("%s/%d", api, k.stagingID)
	apiProduction := fmt.Sprintf("%s/%d", api, k.productionID)
	apiPods := apiProduction + "/resources/pods"
	bad := base64.StdEncoding.EncodeToString([]byte("not a kubeconfig"))
	const cluster, kind, object = "/clusters/{id}", "/clusters/{id}/{resource}", "/clusters/{id}/{resource}/{namespace}/{name}"
	//                                                        anon nobd view keep oper admn tokn ro
	return map[string][]probe{
		"GET /healthz":      {{"/healthz", "", "                      200  200  200  200  200  200  200  200"}},
		"GET /readyz":       {{"/readyz", "", "                       200  200  200  200  200  200  200  200"}},
		"GET /login":        {{"/login", "", "                        200  303  303  303  303  303  303  303"}},
		"POST /login":       {{"/login", "username=eve&password=no", "401  401  401  401  401  401  401  401"}},
		"POST /preferences": {{"/preferences", "theme=dark", "        303  303  303  303  303  303  303  303"}},

		"GET /":                               {{"/", "", "                        303  200  200  200  200  200  200  200"}},
		"GET /live":                           {{"/live", "", "                    303  200  200  200  200  200  200  200"}},
		"POST /logout":                        {{"/logout", "", "                  303  303  303  303  303  303  303  303"}},
		"GET /account":                        {{"/account", "", "                 303  200  200  200  200  200  200  200"}},
		"POST /account/password":              {{"/account/password", "current=no", "303 422 422  422  422  422  403  403"}},
		"POST /account/sessions/end":          {{"/account/sessions/end", "session=x", "303 400 400 400 400 400 403 400"}},
		"POST /account/tokens":                {{"/account/tokens", "expires=0", "     303 400 400 400 400 400 403 403"}},
		"POST /account/tokens/{token}/revoke": {{"/account/tokens/9999/revoke", "", "303 404 404 404 404 404 403 403"}},

		"POST /views/{view}":        {{"/views/9999", "name=x", "      303 404 404 404 404 404 404 404"}},
		"POST /views/{view}/delete": {{"/views/9999/delete", "", "     303 404 404 404 404 404 404 404"}},

		"GET " + cluster: {
			{p, "", "303 404 200 200 200 200 200 200"},
			{s, "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + cluster + "/live": {
			{p + "/live", "", "303 404 200 200 200 200 200 200"},
			{s + "/live", "", "303 404 200 404 200 200 200 200"},
		},
		"POST " + cluster + "/retry": {
			{p + "/retry", "", "303 404 303 303 303 303 303 303"},
			{s + "/retry", "", "303 404 303 404 303 303 303 303"},
		},
		"GET " + cluster + "/apply": {
			{p + "/apply", "", "303 404 403 200 200 200 403 403"},
			{s + "/apply", "", "303 404 403 404 200 200 403 403"},
		},
		"POST " + cluster + "/apply": {
			{p + "/apply", "text=[&do=check", " 401 404 403 422 422 422 403 403"},
			{p + "/apply", "do=check&text=" + url.QueryEscape(configMapText("pay", "x", "a")), "401 404 403 422 200 200 403 403"},
		},
		"GET " + cluster + "/operations": {
			{p + "/operations", "", "303 404 200 200 200 200 200 200"},
			{s + "/operations", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + cluster + "/operations/{operation}":       {{p + "/operations/none", "", "     303 404 404 404 404 404 404 404"}},
		"POST " + cluster + "/operations/{operation}/stop": {{p + "/operations/none/stop", "", "303 404 404 404 404 404 404 403"}},
		"GET " + cluster + "/history": {
			{p + "/history", "", "303 404 200 200 200 200 200 200"},
			{s + "/history", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + kind: {
			{p + "/pods", "", "             303 404 200 200 200 200 200 200"},
			{p + "/nodes", "", "            303 404 200 403 200 200 200 200"},
			{p + "/pods?ns=pay", "", "      303 404 200 200 200 200 200 200"},
			{s + "/pods", "", "             303 404 200 404 200 200 200 200"},
		},
		"POST " + kind + "/refresh": {
			{p + "/pods/refresh", "", "     303 404 303 303 303 303 303 303"},
			{p + "/nodes/refresh", "", "    303 404 303 403 303 303 303 303"},
		},
		"GET " + kind + "/facet": {
			{p + "/pods/facet?of=node", "", "   303 404 200 200 200 200 200 200"},
			{p + "/nodes/facet?of=status", "", "303 404 200 403 200 200 200 200"},
			{p + "/pods/facet?of=no", "", "     303 404 400 400 400 400 400 400"},
		},
		"POST " + kind + "/columns": {
			{p + "/pods/columns", "reset=1", "     303 404 303 303 303 303 303 303"},
			{p + "/pods/columns", "label=no key", "303 404 422 422 422 422 422 422"},
		},
		"POST " + kind + "/favourite": {{p + "/pods/favourite", "on=0", "303 404 303 303 303 303 303 303"}},
		"POST " + kind + "/views":     {{p + "/pods/views", "name=", "   303 404 422 422 422 422 422 422"}},
		"GET " + kind + "/{action}": {
			{p + "/pods/delete?o=shop/web-1", "", "303 404 403 200 200 200 403 403"},
			{p + "/pods/delete?o=pay/bank-1", "", "303 404 403 404 200 200 403 403"},
		},
		"POST " + kind + "/{action}": {
			{p + "/pods/delete", "o=shop/web-1&confirm=no", "               303 404 422 422 422 422 422 403"},
			{p + "/deployments.apps/restart", "o=shop/gone", "              303 404 200 200 200 200 200 403"},
			{p + "/nodes/cordon", "o=/gone", "                              303 404 200 200 200 200 200 403"},
		},
		"GET " + kind + "/schema": {
			{p + "/pods/schema", "", "              303 404 200 200 200 200 200 200"},
			{p + "/nodes/schema", "", "             303 404 200 403 200 200 200 200"},
		},
		"GET " + kind + "/new": {
			{p + "/pods/new", "", "                 303 404 403 200 200 200 403 403"},
			{p + "/pods/new?from=shop/web-1", "", " 303 404 403 200 200 200 403 403"},
			{p + "/pods/new?from=pay/bank-1", "", " 303 404 403 404 200 200 403 403"},
			{p + "/nodes/new", "", "                303 404 403 404 200 200 403 403"},
		},
		"POST " + kind + "/new": {
			{p + "/pods/new", "text=x&do=apply", "  401 404 403 422 422 422 403 403"},
			{p + "/configmaps/new", "do=check&text=" + url.QueryEscape("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: pay\n"), "401 404 403 404 200 200 403 403"},
		},
		"GET " + object + "/edit": {
			{p + "/pods/shop/web-1/edit", "", "     303 404 403 200 200 200 403 403"},
			{p + "/pods/pay/bank-1/edit", "", "     303 404 403 404 200 200 403 403"},
		},
		"POST " + object + "/edit": {
			{p + "/pods/shop/web-1/edit", "text=x&do=apply", "401 404 403 422 422 422 403 403"},
			{p + "/pods/pay/bank-1/edit", "text=x&do=apply", "401 404 403 404 422 422 403 403"},
		},
		"GET " + object + "/form": {
			{p + "/pods/shop/web-1/form", "", "     303 404 403 200 200 200 403 403"},
			{p + "/pods/pay/bank-1/form", "", "     303 404 403 404 200 200 403 403"},
		},
		"POST " + object + "/form": {
			{p + "/pods/shop/web-1/form", "text=[&do=apply", "401 404 403 422 422 422 403 403"},
			{p + "/pods/pay/bank-1/form", "text=[&do=apply", "401 404 403 404 422 422 403 403"},
		},
		"GET " + object + "/download": {
			{p + "/configmaps/shop/none/download?key=a", "", "303 404 404 404 404 404 404 404"},
			{p + "/pods/shop/web-1/download?key=a", "", "     303 404 404 404 404 404 404 404"},
		},
		"GET " + object: {
			{p + "/pods/shop/web-1", "", "  303 404 200 200 200 200 200 200"},
			{p + "/pods/pay/bank-1", "", "  303 404 200 404 200 200 200 200"},
			{p + "/nodes/-/p-1", "", "      303 404 200 404 200 200 200 200"},
		},
		"GET " + object + "/yaml": {
			{p + "/pods/shop/web-1/yaml", "", "303 404 200 200 200 200 200 200"},
			{p + "/pods/pay/bank-1/yaml", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + object + "/pods": {
			{p + "/deployments.apps/shop/web/pods", "", "303 404 200 200 200 200 200 200"},
			{p + "/nodes/-/p-1/pods", "", "          303 404 200 404 200 200 200 200"},
			{p + "/pods/shop/web-1/pods", "", "      303 404 404 404 404 404 404 404"},
		},
		"GET " + object + "/rollout": {
			{p + "/deployments.apps/shop/web/rollout", "", "303 404 200 200 200 200 200 200"},
			{p + "/deployments.apps/pay/no/rollout", "", "  303 404 404 404 404 404 404 404"},
			{p + "/pods/shop/web-1/rollout", "", "          303 404 404 404 404 404 404 404"},
		},
		"GET " + object + "/reveal": {
			{p + "/secrets/shop/none/reveal?key=a", "", "   303 404 403 403 403 404 403 403"},
			{p + "/pods/shop/web-1/reveal?key=a", "", "     303 404 404 404 404 404 404 404"},
		},
		"POST " + object + "/reveal": {
			{p + "/secrets/shop/none/reveal", "key=a", "    303 404 403 403 403 404 403 403"},
			{p + "/secrets/pay/none/reveal", "key=a", "     303 404 403 404 403 404 403 403"},
		},
		"GET " + object + "/events": {
			{p + "/pods/shop/web-1/events", "", "303 404 200 200 200 200 200 200"},
			{p + "/pods/pay/bank-1/events", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + object + "/describe": {
			{p + "/pods/shop/web-1/describe", "", "303 404 200 200 200 200 200 200"},
			{p + "/pods/pay/bank-1/describe", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + object + "/history": {
			{p + "/pods/shop/web-1/history", "", "303 404 200 200 200 200 200 200"},
			{p + "/pods/pay/bank-1/history", "", "303 404 200 404 200 200 200 200"},
		},
		"GET " + object + "/drain": {
			{p + "/nodes/-/p-1/drain", "", "    303 404 403 404 200 200 403 403"},
			{p + "/pods/shop/web-1/drain", "", "303 404 404 404 404 404 404 404"},
		},
		"POST " + object + "/drain": {
			{p + "/nodes/-/p-1/drain", "confirm=no", "303 404 403 404 422 422 403 403"},
		},
		"GET " + object + "/{action}": {
			{p + "/deployments.apps/shop/web/scale", "", "303 404 403 200 200 200 403 403"},
			{p + "/pods/shop/web-1/delete", "", "         303 404 403 200 200 200 403 403"},
			{p + "/pods/pay/bank-1/delete", "", "         303 404 403 404 200 200 403 403"},
			{p + "/deployments.apps/shop/web/pause", "", "303 404 403 200 200 200 403 403"},
			{p + "/pods/shop/web-1/evict", "", "          303 404 403 200 200 200 403 403"},
			{p + "/nodes/-/p-1/cordon", "", "             303 404 403 404 200 200 403 403"},
		},
		"POST " + object + "/{action}": {
			{p + "/deployments.apps/shop/web/scale", "replicas=3", "   303 404 403 303 303 303 403 403"},
			{p + "/deployments.apps/shop/web/restart", "", "           303 404 403 303 303 303 403 403"},
			{p + "/deployments.apps/shop/web/resume", "", "            303 404 403 303 303 303 403 403"},
			{p + "/deployments.apps/shop/web/undo", "revision=9", "    303 404 403 422 422 422 403 403"},
			{p + "/cronjobs.batch/shop/gone/run", "", "                303 404 403 404 404 404 403 403"},
			{p + "/jobs.batch/shop/gone/rerun", "", "                  303 404 403 404 404 404 403 403"},
			{p + "/cronjobs.batch/shop/gone/suspend", "", "            303 404 403 404 404 404 403 403"},
			{p + "/pods/shop/gone/evict", "", "                        303 404 403 404 404 404 403 403"},
			{p + "/pods/pay/gone/evict", "", "                         303 404 403 404 404 404 403 403"},
			{p + "/nodes/-/p-1/uncordon", "", "                        303 404 403 404 303 303 403 403"},
			{p + "/pods/shop/gone/delete", "confirm=gone", "           303 404 403 404 404 404 403 403"},
			{p + "/pods/pay/gone/delete", "confirm=gone", "            303 404 403 404 404 404 403 403"},
		},

		"GET /metrics":                      {{"/metrics", "", "               303 403 403 403 403 200 403 200"}},
		"GET /audit":                        {{"/audit", "", "                 303 403 403 403 403 200 403 200"}},
		"POST /audit/verify":                {{"/audit/verify", "", "          303 403 403 403 403 303 403 303"}},
		"GET /settings/clusters":            {{"/settings/clusters", "", "     303 403 403 403 403 200 403 200"}},
		"GET /settings/clusters/new":        {{"/settings/clusters/new", "", " 303 403 403 403 403 200 403 403"}},
		"POST /settings/clusters/preview":   {{"/settings/clusters/preview", "kubeconfig=no", " 303 403 403 403 403 422 403 403"}},
		"POST /settings/clusters":           {{"/settings/clusters", "kubeconfig=no", "303 403 403 403 403 422 403 403"}},
		"GET /settings/clusters/{id}":       {{set, "", "                      303 403 403 403 403 200 403 403"}},
		"POST /settings/clusters/{id}":      {{set, "name=", "                 303 403 403 403 403 422 403 403"}},
		"POST /settings/clusters/{id}/test": {{set + "/test", "", "            303 403 403 403 403 200 403 403"}},
		"POST /settings/clusters/{id}/default": {
			{set + "/default", "", "                             303 403 403 403 403 303 403 403"},
			{"/settings/clusters/9999/default", "", "            303 403 403 403 403 404 403 403"},
		},
		"POST /settings/clusters/{id}/prometheus": {
			{set + "/prometheus", "prometheus_url=no", "         303 403 403 403 403 422 403 403"},
		},
		"POST /settings/clusters/{id}/prometheus/rediscover": {
			{"/settings/clusters/9999/prometheus/rediscover", "", "303 403 403 403 403 404 403 403"},
		},
		"GET /settings/clusters/{id}/remove": {{set + "/remove", "", "          303 403 403 403 403 200 403 403"}},
		"POST /settings/clusters/{id}/remove": {
			{set + "/remove", "confirm=no", "                    303 403 403 403 403 422 403 403"},
			{"/settings/clusters/9999/remove", "confirm=no", "   303 403 403 403 403 404 403 403"},
		},

		"GET " + api: {{api, "", "                     401 200 200 200 200 200 200 200"}},
		"GET " + api + "/{id}/resources/{resource}": {
			{apiPods, "", "               401 404 200 200 200 200 200 200"},
			{apiPods + "?as=table", "", " 401 404 200 200 200 200 200 200"},
			{apiPods + "?watch=1", "", "  401 404 200 200 200 200 200 200"},
			{apiPods + "?namespace=pay", "", "401 404 200 200 200 200 200 200"},
			{apiProduction + "/resources/nodes", "", "401 404 200 403 200 200 200 200"},
			{apiOne + "/resources/pods", "", "401 404 200 404 200 200 200 200"},
		},
		"GET " + api + "/{id}/resources/{resource}/{name}": {
			{apiPods + "/web-1?namespace=shop", "", "401 404 200 200 200 200 200 200"},
			{apiPods + "/bank-1?namespace=pay", "", "401 404 200 404 200 200 200 200"},
			{apiProduction + "/resources/nodes/p-1", "", "401 404 200 404 200 200 200 200"},
		},
		"POST " + api + "/{id}/resources/{resource}/{name}/{action}": {
			{apiPods + "/gone/evict?namespace=shop", `{}`, "401 404 403 404 404 404 403 403"},
			{apiPods + "/gone/evict?namespace=pay", `{}`, " 401 404 403 404 404 404 403 403"},
			{apiPods + "/web-1/pause?namespace=shop", `{}`, "401 404 404 404 404 404 404 403"},
			{apiProduction + "/resources/nodes/p-1/uncordon", "", "401 404 403 404 200 200 403 403"},
		},
		"PUT " + api + "/{id}/resources/{resource}/{name}/scale": {
			{apiProduction + "/resources/deployments.apps/web/scale?namespace=shop", `{"replicas":3}`, "401 404 403 200 200 200 403 403"},
			{apiProduction + "/resources/deployments.apps/web/scale?namespace=shop", `{"replicas":-1}`, "401 400 400 400 400 400 400 403"},
		},
		"POST " + api + "/{id}/resources/secrets/{name}/reveal": {
			{apiProduction + "/resources/secrets/none/reveal?namespace=shop", `{"key":"a"}`, "401 404 403 403 403 404 403 403"},
		},
		"POST " + api + "/{id}/resources/{resource}": {
			{apiPods, `{"x":1}`, "                     401 404 400 400 400 400 400 403"},
			{apiPods + "?namespace=shop", `{"x":1}`, " 401 404 403 422 422 422 403 403"},
			{apiPods + "?namespace=pay", `{"x":1}`, "  401 404 403 404 422 422 403 403"},
		},
		"PUT " + api + "/{id}/resources/{resource}/{name}": {
			{apiPods + "/web-1?namespace=shop", `{"x":1}`, "401 404 403 400 400 400 403 403"},
			{apiPods + "/bank-1?namespace=pay", `{"x":1}`, "401 404 403 404 400 400 403 403"},
		},
		"PATCH " + api + "/{id}/resources/{resource}/{name}": {
			{apiPods + "/web-1?namespace=shop", `{"x":1}`, "401 404 403 422 422 422 403 403"},
			{apiPods + "/bank-1?namespace=pay", `{"x":1}`, "401 404 403 404 422 422 403 403"},
		},
		"DELETE " + api + "/{id}/resources/{resource}/{name}": {
			{apiPods + "/gone?namespace=shop", "", "401 404 403 404 404 404 403 403"},
			{apiPods + "/gone?namespace=pay", "", " 401 404 403 404 404 404 403 403"},
		},
		"POST " + api + "/{id}/resources/nodes/{name}/drain": {
			{apiProduction + "/resources/nodes/p-1/drain", "{}", "   401 404 403 404 422 422 403 403"},
		},
		"POST " + api + "/{id}/apply": {
			{apiProduction + "/apply", `{"yaml":"["}`, "          401 404 403 400 400 400 403 403"},
			{apiProduction + "/apply", `{"yaml":"kind: X\napiVersion: x/v1\n"}`, "401 404 403 422 422 422 403 403"},
		},
		"GET " + api + "/{id}/history": {
			{apiProduction + "/history", "", "401 404 200 200 200 200 200 200"},
			{apiOne + "/history", "", "       401 404 200 404 200 200 200 200"},
		},
		"GET " + api + "/{id}/resources/{resource}/{name}/history": {
			{apiPods + "/web-1/history?namespace=shop", "", " 401 404 200 200 200 200 200 200"},
			{apiPods + "/bank-1/history?namespace=pay", "", " 401 404 200 404 200 200 200 200"},
		},
		"GET " + api + "/{id}/operations": {
			{apiProduction + "/operations", "", "401 404 200 200 200 200 200 200"},
			{apiOne + "/operations", "", "       401 404 200 404 200 200 200 200"},
		},
		"GET " + api + "/{id}/operations/{operation}":       {{apiProduction + "/operations/none", "", "     401 404 404 404 404 404 404 404"}},
		"POST " + api + "/{id}/operations/{operation}/stop": {{apiProduction + "/operations/none/stop", "", "401 404 404 404 404 404 404 403"}},
		"GET " + api + "/{id}/crds": {
			{apiProduction + "/crds", "", "401 404 200 403 200 200 200 200"},
		},
		"POST " + api:                                 {{api, `{"name":"x","kubeconfig":"` + bad + `"}`, "401 403 403 403 403 400 403 403"}},
		"GET " + api + "/{id}":                        {{apiOne, "", "                  401 404 200 404 200 200 200 200"}},
		"PUT " + api + "/{id}":                        {{apiOne, `{"name":""}`, "       401 403 403 403 403 400 403 403"}},
		"DELETE " + api + "/{id}":                     {{api + "/9999", "", "           401 403 403 403 403 404 403 403"}},
		"POST " + api + "/{id}/test-connection":       {{apiOne + "/test-connection", "", "401 403 403 403 403 200 403 403"}},
		"POST " + api + "/{id}/prometheus/rediscover": {{api + "/9999/prometheus/rediscover", "", "401 403 403 403 403 404 403 403"}},
		"GET " + apiRoot + "/cluster":                 {{apiRoot + "/cluster?cluster=staging", "", "401 404 200 404 200 200 200 200"}},
		"GET /api/docs":                               {{"/api/docs", "", "              303 200 200 200 200 200 200 200"}},
		"GET /api/openapi.json":                       {{"/api/openapi.json", "", "      200 200 200 200 200 200 200 200"}},
	}
}

// TestRightsMatrix sends every route of the table as every kind of visitor. A request that is refused reaches no cluster
// with anything but a read.
func TestRightsMatrix(t *testing.T) {
	t.Parallel()
	usual, frozen := newKit(t, kitConfig{}), newKit(t, kitConfig{readOnly: true})
	if diff := cmp.Diff(frozen.productionID, usual.productionID); diff != "" {
		t.Fatalf("the kits differ: %s", diff)
	}
	matrix := rightsMatrix(usual)
	var routes []string
	for _, row := range usual.table {
		key := row.method + " " + row.pattern
		routes = append(routes, key)
		if _, ok := matrix[key]; !ok {
			t.Errorf("route %s has no row in the matrix", key)
		}
	}
	usual.warm("pods", "nodes", "deployments.apps", "namespaces", "events")
	cells := 0
	for key, probes := range matrix {
		if !slices.Contains(routes, key) {
			t.Errorf("the row %s is of no route", key)
			continue
		}
		method, _, _ := strings.Cut(key, " ")
		for _, p := range probes {
			want := strings.Fields(p.want)
			if len(want) != len(visitors()) {
				t.Fatalf("%s has %d cells for %d visitors", key, len(want), len(visitors()))
			}
			for i, who := range visitors() {
				k := usual
				if i == len(visitors())-1 {
					k = frozen
				}
				cells++
				checkCell(t, k, who, method, p, want[i])
			}
		}
	}
	t.Logf("%d routes, %d cells", len(routes), cells)
}

// checkCell makes one request of the matrix.
func checkCell(t *testing.T, k *kit, who, method string, p probe, want string) {
	t.Helper()
	var v *visitor
	switch who {
	case "anonymous":
		v = k.anonymous()
	case "viewer token of admin":
		v = k.withToken(admin, access.RoleViewer)
	case "admin, read-only":
		v = k.as(admin)
	default:
		v = k.as(who)
	}
	if method == http.MethodPost && p.path == "/login" {
		k.clock.add(time.Hour) // the failures of the visitors before have worn off
	}
	before := len(k.production.Changes()) + len(k.staging.Changes())
	r := sendProbe(v, method, p)
	after := len(k.production.Changes()) + len(k.staging.Changes())
	if got := fmt.Sprint(r.status); got != want {
		t.Errorf("%s %s as %s: %s, want %s: %.300s", method, p.path, who, got, want, r.text())
	}
	if r.status >= 400 && r.status != http.StatusNotFound && after != before {
		t.Errorf("%s %s as %s was refused with %d, and the cluster saw %d changing requests", method, p.path, who, r.status, after-before)
	}
	if (who == nobody || who == keeper || who == "anonymous") && strings.Contains(r.text(), "staging") {
		t.Errorf("%s %s as %s: the answer names a cluster that they may not see", method, p.path, who)
	}
}

func sendProbe(v *visitor, method string, p probe, headers ...string) *reply {
	switch {
	case strings.HasPrefix(p.body, "{"):
		return v.json(method, p.path, p.body, headers...)
	case p.body != "":
		form, err := url.ParseQuery(p.body)
		v.k.must(err)
		return v.post(p.path, form, headers...)
	}
	return v.send(method, p.path, "", headers...)
}

// TestEveryRouteIsInTheTable walks the router: what is mounted past the table would be seen by no test that walks it.
func TestEveryRouteIsInTheTable(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	known := map[string]bool{"GET /favicon.ico": true}
	for _, row := range k.table {
		known[row.method+" "+row.pattern] = true
	}
	mux, ok := k.handler.(chi.Routes)
	if !ok {
		t.Fatal("the handler is no chi router")
	}
	err := chi.Walk(mux, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		described := strings.HasPrefix(pattern, "/api/openapi")
		if !known[method+" "+pattern] && pattern != "/static/*" && !described {
			t.Errorf("%s %s is mounted past the route table", method, pattern)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestARouteWithoutEffectStopsTheStart proves that nobody can forget what a route may do, or who may call it.
func TestARouteWithoutEffectStopsTheStart(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	good := route{method: http.MethodGet, pattern: "/x", effect: access.EffectRead, who: signedIn, handle: k.showHome}
	for name, edit := range map[string]func(*route){
		"effect":   func(r *route) { r.effect = access.EffectNone },
		"audience": func(r *route) { r.who = audienceUnset },
		"handler":  func(r *route) { r.handle = nil },
	} {
		row := good
		edit(&row)
		if err := k.mount(chi.NewRouter(), []route{row}); err == nil {
			t.Errorf("a route without %s is mounted", name)
		}
	}
	if err := k.mount(chi.NewRouter(), []route{good}); err != nil {
		t.Errorf("a whole route is refused: %v", err)
	}
}
