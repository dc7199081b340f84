package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// promAnswer is what a Prometheus says to vector(1).
const promAnswer = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.123,"1"]}]}}`

// promNet is the network as a Prometheus search sees it: what answers at which address. Nothing else listens.
type promNet struct {
	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by host:port
	asked   []string                    // in order
	headers []http.Header
	server  *httptest.Server
}

func newPromNet(t *testing.T, answers map[string]http.HandlerFunc) *promNet {
	n := &promNet{answers: answers}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.headers = append(n.headers, r.Header.Clone())
		host := r.Host
		if !strings.Contains(host, ":") {
			host += ":80"
		}
		h := n.answers[host]
		n.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(n.server.Close)
	return n
}

func (n *promNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.asked = append(n.asked, address)
	_, ok := n.answers[address]
	n.mu.Unlock()
	if !ok {
		address = "127.0.0.1:1" // refuses
	} else {
		address = n.server.Listener.Addr().String()
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

func says(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/api/v1/query") || r.URL.Query().Get("query") != "vector(1)" {
			code = http.StatusTeapot
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func promSvc(namespace, name string, edits ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{}},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.9", Ports: []corev1.ServicePort{{Name: "web", Port: 9090}}},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

// everyWay is a Service that is reached in every way, with what is needed for that.
func everyWay() []kruntime.Object {
	n := node("n-1", corev1.ConditionTrue, time.Now())
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.10"}}
	return []kruntime.Object{
		n,
		promSvc("monitoring", "prometheus", func(s *corev1.Service) {
			s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeLoadBalancer, 30090
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.7"}}
		}),
		&networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "p"}, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: "prom.example", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/metrics(/|$)(.*)", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "prometheus", Port: networkingv1.ServiceBackendPort{Name: "web"}}},
			}}}},
		}}}},
	}
}

const proxyPath = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy"

// promRig is a fleet that looks for the Prometheus of one cluster, named one.
type promRig struct {
	*rig
	cluster *Cluster
	api     *kubetest.Server
	found   chan Prometheus
}

func newPromRig(t *testing.T, n *promNet, objects []kruntime.Object) *promRig {
	t.Helper()
	p := &promRig{found: make(chan Prometheus, 16), api: kubetest.New(t, kubetest.Options{Objects: objects})}
	p.rig = newRig(t, p.api, func(c *Config) {
		c.dialPrometheus = n.dial
		c.OnPrometheus = func(_ int64, e Prometheus) { p.found <- e }
	})
	return p
}

func (p *promRig) begin(t *testing.T, edits ...func(*Spec)) {
	t.Helper()
	p.cluster = p.add(t, 1, "one", credentials(t, p.api), edits...)
}

func (p *promRig) becomes(t *testing.T, phase PrometheusPhase) PrometheusState {
	t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		if s := p.cluster.Prometheus(); s.Phase == phase && (phase != PrometheusDetecting || s.Reason.ID != "") {
			return s
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("never %s: %+v", phase, p.cluster.Prometheus())
		}
	}
}

func (p *promRig) proxied(h http.HandlerFunc) {
	p.api.Script(kubetest.On(proxyPath, func(w http.ResponseWriter, r *http.Request) bool { h(w, r); return true }))
}

// TestFR2_4_ThePreferredWayThatAnswersIsKept takes the ways away one by one.
func TestFR2_4_ThePreferredWayThatAnswersIsKept(t *testing.T) {
	good := says(http.StatusOK, promAnswer)
	ways := []struct {
		at   string
		want Prometheus
	}{
		{"198.51.100.7:9090", Prometheus{"http://198.51.100.7:9090", WayLoadBalancer}},
		{"prom.example:80", Prometheus{"http://prom.example/metrics", WayIngress}},
		{"192.0.2.10:30090", Prometheus{"http://192.0.2.10:30090", WayNodePort}},
		{"10.96.0.9:9090", Prometheus{"http://10.96.0.9:9090", WayClusterIP}},
		{"", Prometheus{"", WayProxy}},
	}
	for i, way := range ways {
		t.Run(string(way.want.Way), func(t *testing.T) {
			answers := map[string]http.HandlerFunc{}
			for _, other := range ways[i:] {
				answers[other.at] = good
			}
			n := newPromNet(t, answers)
			p := newPromRig(t, n, everyWay())
			p.proxied(good)
			p.begin(t)
			if way.want.Way == WayProxy {
				way.want.URL = p.api.URL() + proxyPath
			}
			s := p.becomes(t, PrometheusFound)
			if s.Endpoint != way.want {
				t.Errorf("found %+v, want %+v", s.Endpoint, way.want)
			}
			if got := <-p.found; got != way.want {
				t.Errorf("kept %+v, want %+v", got, way.want)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, h := range n.headers {
				if h.Get("Authorization") != "" {
					t.Error("the cluster's credentials went to a Prometheus")
				}
			}
		})
	}
}

// TestFR2_5_OnlyARealAnswerCounts: whatever else answers is named with what was wrong, and none of its words.
func TestFR2_5_OnlyARealAnswerCounts(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a page":         {says(200, "<html>top secret</html>"), "prometheus.not_prometheus"},
		"an error":       {says(200, `{"status":"error","error":"top secret"}`), "prometheus.not_prometheus"},
		"another result": {says(200, strings.Replace(promAnswer, `"1"`, `"2"`, 1)), "prometheus.not_prometheus"},
		"too long":       {says(200, promAnswer+strings.Repeat(" ", maxPromAnswer)), "prometheus.not_prometheus"},
		"a status":       {says(500, "top secret"), "prometheus.status"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}, "prometheus.redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newPromNet(t, map[string]http.HandlerFunc{"10.96.0.9:9090": c.answer})
			p := newPromRig(t, n, []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), promSvc("monitoring", "prometheus")})
			p.proxied(says(http.StatusServiceUnavailable, "top secret"))
			p.begin(t)
			s := p.becomes(t, PrometheusMissing)
			var got []string
			for _, tried := range s.Tried {
				got = append(got, string(tried.Endpoint.Way)+" "+tried.Error.ID)
			}
			if diff := cmp.Diff([]string{"clusterip " + c.want, "proxy prometheus.proxy_unavailable"}, got); diff != "" {
				t.Errorf("tried (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprint(s), "top secret") {
				t.Error("the answer is echoed")
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			if diff := cmp.Diff([]string{"10.96.0.9:9090"}, n.asked); diff != "" {
				t.Errorf("connected to (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFR2_2_CandidatesByNameLabelAndPort in the usual namespaces first; what stands beside a Prometheus is none.
func TestFR2_2_CandidatesByNameLabelAndPort(t *testing.T) {
	label := func(k, v string) func(*corev1.Service) { return func(s *corev1.Service) { s.Labels[k] = v } }
	port := func(name string, n int32) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.Ports = []corev1.ServicePort{{Name: name, Port: n}} }
	}
	external := func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalName, s.Spec.ClusterIP = corev1.ServiceTypeExternalName, "inner.example", ""
	}
	headless := func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }
	p := newPromRig(t, newPromNet(t, nil), []kruntime.Object{
		node("n-1", corev1.ConditionTrue, time.Now()),
		promSvc("monitoring", "store", headless, label("app.kubernetes.io/name", "prometheus"), port("http", 80)),
		promSvc("monitoring", "kps-prometheus", headless),
		promSvc("monitoring", "odd", headless, port("x", 9090)),
		promSvc("monitoring", "prometheus-alertmanager", headless), promSvc("monitoring", "prometheus-node-exporter", headless),
		promSvc("monitoring", "prometheus-elsewhere", external),
		promSvc("monitoring", "web", headless, port("http", 80)),
		promSvc("shop", "prometheus-server", headless, port("https", 443)),
	})
	p.begin(t)
	s := p.becomes(t, PrometheusMissing)
	var got []string
	for _, tried := range s.Tried {
		_, path, _ := strings.Cut(tried.Endpoint.URL, "/services/")
		got = append(got, tried.Namespace+" "+path)
	}
	want := []string{"monitoring kps-prometheus:9090/proxy", "monitoring store:80/proxy", "monitoring odd:9090/proxy", "shop https:prometheus-server:443/proxy"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tried (-want +got):\n%s", diff)
	}
	if got := <-p.found; got.URL != "" {
		t.Errorf("nothing was found, and %v kept", got)
	}
}

// TestFR2_9_OneAttemptAndAnotherWhenAsked: nothing is tried again by itself, and not twice at a time.
func TestFR2_9_OneAttemptAndAnotherWhenAsked(t *testing.T) {
	hold := make(chan struct{})
	n := newPromNet(t, map[string]http.HandlerFunc{"10.96.0.9:9090": func(w http.ResponseWriter, r *http.Request) {
		<-hold
		says(200, promAnswer)(w, r)
	}})
	p := newPromRig(t, n, []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now())})
	p.begin(t)
	s := p.becomes(t, PrometheusMissing)
	if s.Reason.ID != "prometheus.no_candidates" || len(s.Tried) > 0 {
		t.Errorf("nothing there: %+v", s)
	}
	<-p.found
	p.api.Add(promSvc("monitoring", "prometheus"))
	before := p.cluster.State().Checked
	p.cluster.Retry()
	p.wait(t, 1, "checked again", func(s State) bool { return s.Checked.After(before) })
	if s := p.cluster.Prometheus(); s.Phase != PrometheusMissing {
		t.Errorf("a search began by itself: %+v", s)
	}
	if err := p.cluster.DetectPrometheus(); err != nil {
		t.Fatal(err)
	}
	if s := p.cluster.Prometheus(); s.Phase != PrometheusDetecting {
		t.Errorf("just begun: %+v", s)
	}
	if err := p.cluster.DetectPrometheus(); !errors.Is(err, ErrDetecting) {
		t.Errorf("a second one at the same time: %v", err)
	}
	close(hold)
	p.becomes(t, PrometheusFound)
}

// TestFR2_6_AnAddressSetByHandWins over a search that runs, and taking it away begins one.
func TestFR2_6_AnAddressSetByHandWins(t *testing.T) {
	hold := make(chan struct{})
	n := newPromNet(t, map[string]http.HandlerFunc{
		"10.96.0.9:9090": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
			says(200, promAnswer)(w, r)
		},
		"mine.example:80": says(200, promAnswer), "other.example:80": says(404, ""),
	})
	p := newPromRig(t, n, []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), promSvc("monitoring", "prometheus")})
	p.begin(t)
	p.healthy(t, 1)
	set := func(url string, way PrometheusWay) {
		t.Helper()
		err := p.Set(Spec{ID: 1, Name: "one", Enabled: true, Credentials: credentials(t, p.api), Prometheus: Prometheus{url, way}})
		if err != nil {
			t.Fatal(err)
		}
	}
	set("http://mine.example", "")
	if s := p.becomes(t, PrometheusManual); s.Endpoint.URL != "http://mine.example" {
		t.Errorf("set: %+v", s)
	}
	if err := p.cluster.DetectPrometheus(); !errors.Is(err, ErrPrometheusSet) {
		t.Errorf("detect while set by hand: %v", err)
	}
	set("http://other.example", "")
	if s := p.becomes(t, PrometheusFailing); s.Reason.ID != "prometheus.status" || !s.Endpoint.Manual() {
		t.Errorf("set to what does not answer: %+v", s)
	}
	close(hold)
	if len(p.found) > 0 {
		t.Errorf("the search that was stopped kept %v", <-p.found)
	}
	set("", "")
	if s := p.becomes(t, PrometheusFound); s.Endpoint.Way != WayClusterIP {
		t.Errorf("taken away: %+v", s)
	}
	<-p.found
	set(p.cluster.Prometheus().Endpoint.URL, WayClusterIP) // as the store says it back
	if s := p.cluster.Prometheus(); s.Phase != PrometheusFound {
		t.Errorf("the store's echo changed it: %+v", s)
	}
}

// TestAFoundPrometheusIsShownAgainAndAsked: after a restart the stored one is there at once, and when it fails that is
// said; it is not looked for anew.
func TestAFoundPrometheusIsShownAgainAndAsked(t *testing.T) {
	n := newPromNet(t, nil)
	p := newPromRig(t, n, []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), promSvc("monitoring", "prometheus")})
	p.begin(t, func(s *Spec) { s.Prometheus = Prometheus{"http://10.96.0.9:9090", WayClusterIP} })
	s := p.becomes(t, PrometheusFailing)
	if s.Reason.ID != "cluster.refused" || s.Endpoint.URL != "http://10.96.0.9:9090" || len(p.found) > 0 {
		t.Errorf("failing: %+v", s)
	}
}

// TestDiscoveryWaitsForTheCluster, and says so; the edge case "cluster unreachable".
func TestDiscoveryWaitsForTheCluster(t *testing.T) {
	n := newPromNet(t, map[string]http.HandlerFunc{"10.96.0.9:9090": says(200, promAnswer)})
	p := newPromRig(t, n, []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), promSvc("monitoring", "prometheus")})
	p.api.Script(kubetest.Status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no"))
	p.begin(t)
	p.wait(t, 1, "in error", func(s State) bool { return s.Health == HealthError })
	if s := p.becomes(t, PrometheusDetecting); s.Reason.ID != "prometheus.waits" {
		t.Errorf("while the cluster is away: %+v", s)
	}
	p.api.Script(nil)
	p.cluster.Retry()
	p.becomes(t, PrometheusFound)
}

// TestFR2_9_ASearchEndsAfterThirtySeconds whatever swallows what is sent.
func TestFR2_9_ASearchEndsAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: swallowing()})
		done := make(chan struct{})
		r := newRig(t, s, func(c *Config) {
			c.OnPrometheus = func(int64, Prometheus) { close(done) }
			c.dialPrometheus = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		})
		s.Script(func(w http.ResponseWriter, req *http.Request) bool {
			return strings.Contains(req.URL.Path, "/proxy/") && kubetest.Hang(w, req)
		})
		began := time.Now()
		c := r.add(t, 1, "one", credentials(t, s))
		<-done
		if took := time.Since(began); took > searchTimeout+time.Second {
			t.Errorf("the search took %s", took)
		}
		if st := c.Prometheus(); st.Phase != PrometheusMissing || len(st.Tried) == 0 {
			t.Errorf("after the search: %+v", st)
		}
		if c.Open() {
			t.Error("what a Service does not answer opened the breaker of the cluster")
		}
		time.Sleep(dialTimeout) // of the bubble: dials that were given up end by themselves
	})
}

// swallowing are more candidates, in both rounds, than can be asked in time.
func swallowing() []kruntime.Object {
	out := []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now())}
	for i := range 20 {
		out = append(out, promSvc("monitoring", fmt.Sprintf("prometheus-%d", i)), promSvc("shop", fmt.Sprintf("prometheus-%d", i)))
	}
	return out
}

// TestA15_TheProxyIsReadForQueriesOnly: on a read-only cluster too, and by that flag alone.
func TestA15_TheProxyIsReadForQueriesOnly(t *testing.T) {
	p := newPromRig(t, newPromNet(t, nil), []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), promSvc("monitoring", "prometheus", func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })})
	p.proxied(says(200, promAnswer))
	p.begin(t, func(s *Spec) { s.ReadOnly = true })
	if s := p.becomes(t, PrometheusFound); s.Endpoint.Way != WayProxy {
		t.Fatalf("found %+v", s)
	}
	p.api.Reset()
	for _, req := range []struct{ method, path string }{
		{"POST", proxyPath + "/api/v1/query"},
		{"GET", proxyPath + "/api/v1/admin/tsdb/snapshot"},
		{"GET", proxyPath + "/api/v1/query/../admin"},
		{"GET", "/api/v1/namespaces/monitoring/pods/p:9090/proxy/api/v1/query"},
		{"GET", "/api/v1/nodes/n-1/proxy/api/v1/query"},
		{"GET", "/api/v1/namespaces/monitoring/pods/p/exec"},
		{"GET", "/api/v1/namespaces/monitoring/secrets"},
	} {
		r, err := http.NewRequestWithContext(withFlags(t.Context(), flags{service: true}), req.method, p.api.URL()+req.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.cluster.conn.http.Do(r)
		if !errors.Is(err, errForbiddenPath) {
			t.Errorf("%s %s: %v", req.method, req.path, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if reqs := p.api.Requests(); len(reqs) > 0 {
		t.Errorf("arrived:\n%s", paths(reqs))
	}
	// Without the flag the lock of a read-only cluster holds.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.api.URL()+proxyPath+"/api/v1/query", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := p.cluster.conn.http.Do(r); !errors.Is(err, errReadOnly) {
		_ = resp.Body.Close()
		t.Errorf("without the flag: %v", err)
	}
}

// TestA19_WhatAPrometheusIsNeverLookedForAt: addresses are checked as they are connected to.
func TestA19_WhatAPrometheusIsNeverLookedForAt(t *testing.T) {
	p := newPromRig(t, newPromNet(t, nil), []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now())})
	p.cfg.dialPrometheus = nil // the real one, whose check comes before the connection
	p.begin(t)
	p.becomes(t, PrometheusMissing)
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0.0.0.0", "[::]", "224.0.0.1", "[::ffff:169.254.169.254]"} {
		for _, way := range []PrometheusWay{"", WayNodePort} {
			err := p.cluster.askPrometheus(t.Context(), Prometheus{"http://" + host + ":9090", way})
			if refused := (*addressError)(nil); !errors.As(err, &refused) || promReason(err).ID != "prometheus.address_refused" {
				t.Errorf("%s by %q: %v", host, way, err)
			}
		}
		if _, err := CheckPrometheusURL("http://" + host); err == nil {
			t.Errorf("%s may be set by hand", host)
		}
	}
	// This machine's own addresses are for clusters that run on it.
	p.cluster.conn.rest.Host = "https://192.0.2.1:6443"
	err := p.cluster.askPrometheus(t.Context(), Prometheus{"http://127.0.0.1:1", WayNodePort})
	if refused := (*addressError)(nil); !errors.As(err, &refused) {
		t.Errorf("127.0.0.1 for a cluster elsewhere: %v", err)
	}
}

func TestCheckPrometheusURL(t *testing.T) {
	if got, err := CheckPrometheusURL("\t https://p.example/prom/ "); err != nil || got != "https://p.example/prom" {
		t.Errorf("with spaces around it: %q, %v", got, err)
	}
	for raw, want := range map[string]string{
		"https://p.example/prom/": "https://p.example/prom", "http://10.0.0.1:9090": "http://10.0.0.1:9090", "http://[2001:db8::1]:9090/": "http://[2001:db8::1]:9090",
		"": "prometheus.url_form", "p.example": "prometheus.url_form", "ftp://p": "prometheus.url_form", "file:///etc/passwd": "prometheus.url_form",
		"http://": "prometheus.url_form", "http://p:0": "prometheus.url_form", "http://p:": "prometheus.url_form", "http://p:99999": "prometheus.url_form", "javascript:alert(1)": "prometheus.url_form",
		"http://u:p@h": "prometheus.url_user", "http://real.example@evil.example": "prometheus.url_user",
		"http://h/?x=1": "prometheus.url_query", "http://h/#f": "prometheus.url_query",
		"http://h/" + strings.Repeat("a", maxPrometheusURL): "prometheus.url_form",
	} {
		got, err := CheckPrometheusURL(raw)
		if e := (*URLError)(nil); errors.As(err, &e) {
			got = e.Message.ID
		}
		if got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// TestPrometheusReasonsHaveWords in both languages.
func TestPrometheusReasonsHaveWords(t *testing.T) {
	files, err := filepath.Glob("prom*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"en", "zh-CN"} {
		words, err := os.ReadFile(filepath.Join("..", "locales", language, "prometheus.toml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`promMessage\("([a-z_]+)"`).FindAllStringSubmatch(string(src), -1) {
				if !strings.Contains(string(words), "\n"+m[1]+" = ") {
					t.Errorf("%s: prometheus.%s has no words", language, m[1])
				}
			}
		}
	}
	for _, phase := range []PrometheusPhase{PrometheusDetecting, PrometheusFound, PrometheusMissing, PrometheusManual, PrometheusFailing} {
		if phase.Tone() == kinds.ToneNone {
			t.Errorf("%s has no tone", phase)
		}
	}
}
