package handlers

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/kube"
)

// promServer answers as a Prometheus does, at a port of this machine, and says with a Service how it is reached.
func promServer(t *testing.T) (*httptest.Server, *corev1.Service) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}`))
	}))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return s, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "prometheus"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 9090, NodePort: int32(n)}}},
	}
}

// TestFR2_PrometheusFromNotFoundToFoundToManual by page and by API, and what is kept of it.
func TestFR2_PrometheusFromNotFoundToFoundToManual(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{detect: true})
	id, v := k.productionID, k.as(admin)
	set, api := settingPath(id), fmt.Sprintf("%s/clusters/%d", apiRoot, id)
	becomes := func(phase kube.PrometheusPhase) {
		t.Helper()
		eventually(t, string(phase), func() bool {
			c, err := k.fleet.Cluster(id)
			return err == nil && c.Prometheus().Phase == phase
		})
	}
	becomes(kube.PrometheusMissing)
	v.get("/").want(http.StatusOK, "Not found")
	v.get(set).want(http.StatusOK, "No Service looks like a Prometheus", "Detect again")

	server, svc := promServer(t)
	n := testNode("p-1", corev1.ConditionTrue)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	k.production.Update(n)
	k.production.Add(svc)
	program := k.withToken(admin, access.RoleAdmin)
	program.bare = true
	program.json(http.MethodPost, api+"/prometheus/rediscover", "").want(http.StatusAccepted, "detecting")
	becomes(kube.PrometheusFound)
	v.get("/").want(http.StatusOK, "Found", "Node port")
	v.get(set).want(http.StatusOK, "http://127.0.0.1:")
	program.get(api).want(http.StatusOK, server.URL, `"prometheus_status":"found"`)
	eventually(t, "it is stored", func() bool {
		row, err := k.store.Read().Cluster(t.Context(), id)
		return err == nil && row.PrometheusURL == server.URL && row.PrometheusWay == "nodeport"
	})
	k.must(k.reload(t.Context()))
	becomes(kube.PrometheusFound)
	if r := k.as(keeper).get(api); strings.Contains(r.body, server.URL) {
		t.Error("who sees one namespace is told of an address in another")
	}

	v.post(set+"/prometheus", url.Values{prometheusField: {"http://u:p@h"}}).want(http.StatusUnprocessableEntity, "Credentials do not belong there")
	v.post(set+"/prometheus", url.Values{prometheusField: {server.URL + "/mine"}}).want(http.StatusSeeOther)
	becomes(kube.PrometheusManual)
	v.get(set).want(http.StatusOK, server.URL+"/mine", "Set by hand")
	program.json(http.MethodPost, api+"/prometheus/rediscover", "").want(http.StatusConflict, "prometheus_set")
	program.json(http.MethodPut, api, `{"prometheus_url":"ftp://x"}`).want(http.StatusBadRequest, "prometheus_url")
	program.json(http.MethodPut, api, `{"prometheus_url":""}`).want(http.StatusOK)
	becomes(kube.PrometheusFound)
}

// TestFR2_6_TheConfigurationWins, and cannot be changed in the browser.
func TestFR2_6_TheConfigurationWins(t *testing.T) {
	t.Parallel()
	server, _ := promServer(t)
	k := newKit(t, kitConfig{detect: true, prometheus: map[string]string{"production": server.URL}})
	v, set := k.as(admin), settingPath(k.productionID)
	v.get(set).want(http.StatusOK, "--prometheus-url", server.URL)
	v.post(set+"/prometheus", url.Values{prometheusField: {"http://other.example"}}).want(http.StatusUnprocessableEntity)
	if row := k.looks.of(k.productionID); row.PrometheusURL != "" {
		t.Errorf("the record has %q", row.PrometheusURL)
	}
}

// TestA17_ANewPrometheusAsksForThePassword: what a browser left open cannot point Tiga elsewhere.
func TestA17_ANewPrometheusAsksForThePassword(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v, set := k.as(admin), settingPath(k.productionID)
	k.clock.add(2 * proofLife)
	form := url.Values{prometheusField: {"http://127.0.0.1:1"}}
	v.post(set+"/prometheus", form).want(http.StatusUnprocessableEntity, "password")
	v.json(http.MethodPut, fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID), `{"prometheus_url":"http://127.0.0.1:1"}`).want(http.StatusForbidden)
	if row, err := k.store.Read().Cluster(t.Context(), k.productionID); err != nil || row.PrometheusURL != "" {
		t.Errorf("stored %q, %v", row.PrometheusURL, err)
	}
	form.Set(proofField, password)
	v.post(set+"/prometheus", form).want(http.StatusSeeOther)
}
