package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
	"tiga/kube/live"
)

func TestFR0_1_HomeListsEveryCluster(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	k.healthy(k.stagingID)
	k.warm("pods", "nodes")
	v := k.as(admin)
	doc := v.get("/").want(http.StatusOK).doc()
	for name, want := range map[string][]string{
		"production": {"Healthy", "v1.37.2", "2/2", "3/3"},
		"staging":    {"Healthy", "v1.30.1", "1/1", "0/0"},
	} {
		row := textOf(rowOf(t, doc, name))
		for _, text := range want {
			if !strings.Contains(row, text) {
				t.Errorf("the row of %s has no %q: %s", name, text, row)
			}
		}
		if len(elements(rowOf(t, doc, name), "time", "", "")) == 0 {
			t.Errorf("the row of %s does not say when it was last heard of", name)
		}
	}
	// It is live: a stream, and the address to read again.
	if n := elements(doc, "", "hx-sse:connect", "/live"); len(n) != 1 {
		t.Error("the page is not live")
	}
	// What is wrong now, with a link.
	k.production.Update(testNode("p-2", corev1.ConditionFalse))
	eventually(t, "the node's trouble shows", func() bool {
		page := v.get("/").doc()
		return strings.Contains(textOf(rowOf(t, page, "production")), "1/2") && len(elements(page, "a", "href", fmt.Sprintf("/clusters/%d/nodes/-/p-2", k.productionID))) > 0
	})
}

func TestFR0_1_HomeIsLive(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	v := k.as(viewer)
	body, read := v.stream(ctx, "/live")
	read("id: ")
	k.production.Add(testPod("shop", "new"))
	read("event: changed")
	// A stream of another site, or of nobody known, is not opened; and it ends with the session. A06
	k.as(viewer).get("/live", "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
	k.as(viewer).get("/live", "Sec-Fetch-Site", "").want(http.StatusForbidden)
	k.as(viewer).get("/live", "Origin", "https://evil.example").want(http.StatusForbidden)
	k.must(k.store.Write(t.Context(), func(q *db.Queries) error {
		_, err := q.DisableUser(t.Context(), k.users[viewer].ID, k.now().UnixMicro())
		return err
	}))
	k.must(k.Load(t.Context()))
	buffer := make([]byte, 4096)
	for {
		if _, err := body.Read(buffer); err != nil {
			if ctx.Err() != nil {
				t.Error("the stream outlives the user")
			}
			return
		}
	}
}

// What changes between a page and the opening of its stream is not missed: the page says what it was made at.
func TestFR0_1_NothingIsMissedBeforeTheStreamIsOpen(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	v := k.as(viewer)
	for _, path := range []string{"/", clusterPath(k.productionID), clusterPath(k.productionID) + "/pods", clusterPath(k.productionID) + "/pods/shop/web-1"} {
		page := elements(v.get(path).doc(), "", "id", "live")
		if len(page) != 1 {
			t.Fatalf("%s is not live", path)
		}
		var headers map[string]string
		k.must(json.Unmarshal([]byte(attribute(page[0], "hx-headers")), &headers))
		stream := attribute(page[0], "hx-sse:connect")
		k.hub.Publish(live.Kind(k.productionID, "pods"))
		_, read := v.stream(ctx, stream, "Last-Event-ID", headers["Last-Event-ID"])
		read("event: changed")
	}
}

// stream opens a stream, and returns its body and a function that waits until a text was in it.
func (v *visitor) stream(ctx context.Context, path string, headers ...string) (io.Reader, func(want string)) {
	t := v.k.t
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.k.site.URL+path, nil)
	v.k.must(err)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := v.client.Do(req)
	v.k.must(err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	buffer, text := make([]byte, 4096), ""
	return resp.Body, func(want string) {
		t.Helper()
		for !strings.Contains(text, want) {
			n, err := resp.Body.Read(buffer)
			if err != nil {
				t.Fatalf("%v after %q", err, text)
			}
			text += string(buffer[:n])
		}
		text = ""
	}
}

func TestFR0_2_AClickEntersTheCluster(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods", "nodes", "deployments.apps", "events")
	v := k.as(viewer)
	row := rowOf(t, v.get("/").doc(), "production")
	href := attribute(elements(row, "a", "", "")[0], "href")
	if href != fmt.Sprintf("/clusters/%d", k.productionID) {
		t.Errorf("the name leads to %s", href)
	}
	page := v.get(href).want(http.StatusOK, "v1.37.2", "Nodes", "Pods", "Deployments", "BackOff")
	for _, id := range []string{"nodes", "pods", "deployments.apps"} {
		if len(elements(page.doc(), "a", "href", href+"/"+id)) == 0 {
			t.Errorf("the overview has no way to %s", id)
		}
	}
}

// choicesOf are the lines of the switcher by name.
func choicesOf(n *html.Node) map[string]string {
	out := map[string]string{}
	for _, list := range elements(n, "div", "id", "clusters-list") {
		for _, a := range elements(list, "a", "", "") {
			for _, name := range elements(a, "span", "data-text", "") {
				out[textOf(name)] = attribute(a, "href")
			}
		}
	}
	return out
}

func TestFR0_4_FR0_5_TheSwitcherKeepsThePlaceAndDropsTheRest(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(viewer)
	p, s := fmt.Sprintf("/clusters/%d", k.productionID), fmt.Sprintf("/clusters/%d", k.stagingID)
	for from, want := range map[string]string{
		"/":         s,
		p:           s,
		p + "/pods": s + "/pods",
		p + "/pods?ns=shop&q=web&sort=-age&page=1&f.status=Running&cols=ready": s + "/pods",
		p + "/pods/shop/web-1":                s + "/pods", // that pod is not in the other cluster
		p + "/deployments.apps/shop/web/yaml": s + "/deployments.apps",
		"/audit":                              s,
	} {
		who := v
		if from == "/audit" {
			who = k.as(admin)
		}
		got := choicesOf(who.get(from).doc())
		if got["staging"] != want || len(got) != 2 {
			t.Errorf("from %s the switcher leads to %v, want %s", from, got, want)
		}
	}
	// A cluster that one may not see is no choice. FR-6.7
	if got := choicesOf(k.as(keeper).get("/").doc()); len(got) != 1 || got["production"] == "" {
		t.Errorf("the switcher offers %v", got)
	}
}

func TestFR0_6_FR0_9_ClientsFollowTheRecord(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	before, err := k.fleet.Cluster(k.productionID)
	k.must(err)
	// What the client is not made of leaves it alone.
	v, one := k.as(admin), fmt.Sprintf("%s/%d", clusters, k.productionID)
	v.json(http.MethodPut, one, `{"environment":"live"}`).want(http.StatusOK)
	if after, err := k.fleet.Cluster(k.productionID); err != nil || after != before {
		t.Error("the client was built anew without a reason")
	}
	// New credentials: a new client, which uses them.
	k.production.SetToken("renewed")
	file := fileOf("production", k.production, func(c *clientcmdapi.Config) { c.AuthInfos["kubetest"].Token = "renewed" })
	v.json(http.MethodPut, one, body(t, map[string]any{"kubeconfig": encoded(file)})).want(http.StatusOK)
	after, err := k.fleet.Cluster(k.productionID)
	if err != nil || after == before {
		t.Error("the client is the one with the old credentials")
	}
	k.healthy(k.productionID)
	v.json(http.MethodDelete, one, "").want(http.StatusOK)
	if _, err := k.fleet.Cluster(k.productionID); err == nil {
		t.Error("the client of a cluster that was removed is there")
	}
	eventually(t, "the connections are closed", func() bool { return k.production.Connections() == 0 })
}

func TestFR0_7_HealthIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.healthy(k.productionID)
	k.production.Update(testNode("p-2", corev1.ConditionFalse))
	retry := fmt.Sprintf("/clusters/%d/retry", k.productionID)
	v := k.as(operator)
	v.post(retry, nil).want(http.StatusSeeOther)
	k.reaches(k.productionID, kube.HealthWarning)
	v.get("/").want(http.StatusOK, "Warning", "Node p-2 has not been ready")
	v.get(fmt.Sprintf("%s/%d", clusters, k.productionID)).want(http.StatusOK, `"health_status":"warning"`, "p-2")
	k.production.Script(kubetest.Forbidden)
	v.post(retry, nil).want(http.StatusSeeOther)
	k.reaches(k.productionID, kube.HealthError)
	v.get("/").want(http.StatusOK, "Error", "lack the right")
	k.production.Down()
	v.post(retry, nil).want(http.StatusSeeOther)
	k.reaches(k.productionID, kube.HealthUnavailable)
	v.get("/").want(http.StatusOK, "Unavailable", "connection was refused")
	k.production.Script(nil)
	k.production.Up(t)
	k.production.Update(testNode("p-2", corev1.ConditionTrue))
	v.post(retry, nil).want(http.StatusSeeOther)
	k.reaches(k.productionID, kube.HealthHealthy)
}

// names of all clusters that are there.
func (k *kit) names() []string {
	k.t.Helper()
	rows, err := k.store.Read().Clusters(k.t.Context())
	k.must(err)
	var out []string
	for _, row := range rows {
		out = append(out, row.Name)
	}
	return out
}

func TestFR0_8_ImportingAgainAddsNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	production, staging := contextOf(t, "production", k.production), contextOf(t, "staging", k.staging)
	before := k.tables()
	k.must(k.Import(t.Context(), []kubeconfig.Context{production, staging}, "kubeconfig"))
	if after := k.tables(); after != before {
		t.Errorf("importing again changed the database:\n%s\n%s", before, after)
	}
	// What was removed stays removed.
	k.as(admin).json(http.MethodDelete, fmt.Sprintf("%s/%d", clusters, k.stagingID), "").want(http.StatusOK)
	k.must(k.Import(t.Context(), []kubeconfig.Context{production, staging}, "kubeconfig"))
	if got := k.names(); !slices.Equal(got, []string{"production"}) {
		t.Errorf("the clusters are %v", got)
	}
	// What has other credentials is renewed, keeps its name and its id.
	k.as(admin).json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.productionID), `{"name":"main"}`).want(http.StatusOK)
	k.production.SetToken("renewed")
	k.clock.add(time.Second)
	renewed := contextOf(t, "production", k.production, func(c *clientcmdapi.Config) { c.AuthInfos["kubetest"].Token = "renewed" })
	k.must(k.Import(t.Context(), []kubeconfig.Context{renewed}, "kubeconfig"))
	if got := k.names(); !slices.Equal(got, []string{"main"}) || k.clusterID("main") != k.productionID {
		t.Errorf("the clusters are %v", got)
	}
	k.healthy(k.productionID)
	k.as(admin).get(fmt.Sprintf("/clusters/%d/pods/shop/web-1", k.productionID)).want(http.StatusOK)
	// Another context of the name of one that is there gets a number.
	other := kubetest.New(t, kubetest.Options{})
	k.must(k.Import(t.Context(), []kubeconfig.Context{contextOf(t, "main", other)}, "upload"))
	if got := k.names(); !slices.Equal(got, []string{"main", "main-2"}) {
		t.Errorf("the clusters are %v", got)
	}
}

func TestFR0_8_AnUnusableContextKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	s := kubetest.New(t, kubetest.Options{})
	file := s.Kubeconfig(func(c *clientcmdapi.Config) {
		c.AuthInfos["plugin"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{Command: "aws", APIVersion: "client.authentication.k8s.io/v1"}}
		c.Contexts["cloud"] = &clientcmdapi.Context{Cluster: "kubetest", AuthInfo: "plugin"}
	})
	contexts, err := kubeconfig.Parse(file, kubeconfig.Policy{})
	k.must(err)
	k.must(k.Import(t.Context(), contexts, "kubeconfig"))
	if got := k.names(); !slices.Equal(got, []string{"kubetest"}) {
		t.Errorf("the clusters are %v", got)
	}
	if !strings.Contains(k.log.String(), "cloud") {
		t.Error("the log does not say which context was left out")
	}
}

func TestFR0_9_AdministrationInTheBrowser(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	dev := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{testNode("d-1", corev1.ConditionTrue)}})
	gone := kubetest.New(t, kubetest.Options{})
	gone.Down()
	file := string(dev.Kubeconfig(func(c *clientcmdapi.Config) {
		c.Clusters["gone"] = &clientcmdapi.Cluster{Server: gone.URL(), CertificateAuthorityData: gone.CA()}
		c.AuthInfos["plugin"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{Command: "aws", APIVersion: "client.authentication.k8s.io/v1"}}
		c.Contexts["gone"] = &clientcmdapi.Context{Cluster: "gone", AuthInfo: "kubetest"}
		c.Contexts["cloud"] = &clientcmdapi.Context{Cluster: "kubetest", AuthInfo: "plugin"}
	}))
	// What was understood, before anything is connected to or stored.
	before := k.tables()
	preview := v.post("/settings/clusters/preview", url.Values{"kubeconfig": {file}}).want(http.StatusOK, dev.URL(), gone.URL(), "kubetest", "cloud", "aws")
	if len(dev.Requests()) != 0 || k.tables() != before {
		t.Error("the preview connected or stored")
	}
	form := url.Values{"kubeconfig": {file}}
	for _, n := range elements(preview.doc(), "input", "", "") {
		// The contexts are in the order of the file; each is tried under its own name.
		if name := attribute(n, "name"); strings.HasPrefix(name, "name.") {
			i := strings.TrimPrefix(name, "name.")
			form.Set(name, attribute(n, "value"))
			form.Set("use."+i, "1")
		}
	}
	// A mistake in a name is said at the field, and the kubeconfig is still there.
	wrong := url.Values{"kubeconfig": {file}}
	for key, values := range form {
		wrong[key] = values
		if strings.HasPrefix(key, "name.") {
			wrong.Set(key, "a/b")
		}
	}
	v.post("/settings/clusters", wrong).want(http.StatusUnprocessableEntity, "A name has no", "certificate-authority-data")
	v.post("/settings/clusters", url.Values{"kubeconfig": {file}}).want(http.StatusUnprocessableEntity, "Choose at least one context")
	v.post("/settings/clusters/preview", url.Values{"kubeconfig": {"hello: ["}}).want(http.StatusUnprocessableEntity, "hello: [")
	// Each context says what became of it.
	v.post("/settings/clusters", form).want(http.StatusOK, "Added", "Not added", "connection was refused")
	if got := k.names(); !slices.Equal(got, []string{"kubetest", "production", "staging"}) {
		t.Errorf("the clusters are %v", got)
	}
	// The same once more is known.
	v.post("/settings/clusters/preview", url.Values{"kubeconfig": {file}}).want(http.StatusOK, "kubetest")

	id := k.clusterID("kubetest")
	path := settingPath(id)
	edit := url.Values{"name": {"play"}, "environment": {"play"}, "colour": {"green"}, "enabled": {"1"}}
	for key, c := range map[string]struct{ value, says string }{
		"name":        {"staging", "taken"},
		"environment": {strings.Repeat("x", 30), "at most 20"},
		"colour":      {"pink", "no such colour"},
		"kubeconfig":  {"hello", "kubeconfig"},
	} {
		bad := maps.Clone(edit)
		bad.Set(key, c.value)
		v.post(path, bad).want(http.StatusUnprocessableEntity, c.says)
	}
	v.get(v.post(path, edit).want(http.StatusSeeOther).header.Get("Location")).want(http.StatusOK, "play is saved")
	v.post(path+"/test", nil).want(http.StatusOK, "The connection works", "v1.37.2")
	v.post(path+"/default", nil).want(http.StatusSeeOther)
	v.get(clusters+fmt.Sprintf("/%d", id)).want(http.StatusOK, `"is_default":true`)
	dev.Down()
	v.post(path+"/test", nil).want(http.StatusOK, "The connection does not work", "refused")

	// Switched off: it says so, and nothing connects.
	edit.Del("enabled")
	v.post(path, edit).want(http.StatusSeeOther)
	v.get(clusterPath(id)).want(http.StatusConflict, "disabled")
	v.get("/").want(http.StatusOK, "play", "Disabled")

	// Removed: gone for everybody, its record kept, its credentials not, its name free.
	v.post(path+"/remove", url.Values{"confirm": {"plai"}}).want(http.StatusUnprocessableEntity, "Type play to confirm")
	v.get(v.post(path+"/remove", url.Values{"confirm": {"play"}}).want(http.StatusSeeOther).header.Get("Location")).want(http.StatusOK, "play is removed from Tiga")
	v.get(clusterPath(id)).want(http.StatusNotFound)
	v.get(path).want(http.StatusNotFound)
	tables := k.tables()
	if strings.Contains(tables, fmt.Sprintf("cluster_credentials.cluster_id=%d ", id)) || !strings.Contains(tables, "clusters.name=play") {
		t.Error("of a removed cluster the record stays and the credentials go")
	}
	v.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.stagingID), `{"name":"play"}`).want(http.StatusOK)
	for _, verb := range []string{"create", "update", "delete"} {
		if len(k.audit(db.AuditFilter{Resource: "clusters", Verb: verb, Actor: admin, Result: db.ResultOK})) == 0 {
			t.Errorf("no audit row of a %s", verb)
		}
	}
}

// hanging accepts connections and never answers.
func hanging(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "https://" + l.Addr().String()
}

// TestFR0_10_BadClustersDelayNobody imports one cluster of each kind of trouble beside a good one.
func TestFR0_10_BadClustersDelayNobody(t *testing.T) {
	t.Parallel()
	began := time.Now()
	k := newKit(t, kitConfig{})
	s := kubetest.New(t, kubetest.Options{})
	hangs := hanging(t)
	forbids := kubetest.New(t, kubetest.Options{})
	forbids.Script(kubetest.Forbidden)
	server := func(address string) func(*clientcmdapi.Config) {
		return func(c *clientcmdapi.Config) { c.Clusters["kubetest"].Server = address }
	}
	troubles := []struct {
		name   string
		on     *kubetest.Server
		edit   func(*clientcmdapi.Config)
		health kube.Health
		cause  string
		title  string
	}{
		{"away", s, server("https://127.0.0.1:1"), kube.HealthUnavailable, "connection was refused", "Cannot reach cluster away"},
		{"hangs", s, server(hangs), kube.HealthUnavailable, "No answer in time", "Cannot reach cluster hangs"},
		{"stranger", s, func(c *clientcmdapi.Config) { c.Clusters["kubetest"].CertificateAuthorityData = s.OtherCA(t) }, kube.HealthUnavailable, "authority", "Cannot reach cluster stranger"},
		{"forbids", forbids, func(*clientcmdapi.Config) {}, kube.HealthError, "lack the right", "forbids"},
		{"stale", s, func(c *clientcmdapi.Config) { c.AuthInfos["kubetest"].Token = "stale" }, kube.HealthError, "refuses our credentials", "stale"},
	}
	var contexts []kubeconfig.Context
	for _, c := range troubles {
		parsed, err := kubeconfig.Parse(fileOf(c.name, c.on, c.edit), kubeconfig.Policy{})
		k.must(err)
		contexts = append(contexts, parsed...)
	}
	// Starting waits for none of them, nor do pages that are not theirs.
	k.must(k.Import(t.Context(), contexts, "kubeconfig"))
	k.must(k.Load(t.Context()))
	v := k.as(admin)
	for _, path := range []string{"/readyz", "/", "/audit", "/settings/clusters", clusterPath(k.productionID) + "/pods/shop/web-1"} {
		start := time.Now()
		v.get(path).want(http.StatusOK)
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("%s took %s beside clusters that do not answer", path, took)
		}
	}
	for _, c := range troubles {
		id := k.clusterID(c.name)
		k.reaches(id, c.health)
		path := clusterPath(id)
		page := v.get(path).want(http.StatusOK, c.title, c.cause)
		if len(elements(page.doc(), "form", "action", path+"/retry")) == 0 {
			t.Errorf("the page of %s does not offer to retry", c.name)
		}
		for _, path := range []string{path + "/pods", path + "/pods/shop/web-1"} {
			r := v.get(path)
			if r.status < 400 || r.status == http.StatusInternalServerError {
				t.Errorf("%s of %s: %d", path, c.name, r.status)
			}
			r.want(r.status, c.name)
			if len(elements(r.doc(), "form", "action", clusterPath(id)+"/retry")) == 0 {
				t.Errorf("%s of %s does not offer to retry", path, c.name)
			}
		}
		v.post(path+"/retry", nil).want(http.StatusSeeOther)
		v.get("/").want(http.StatusOK, c.cause)
	}
	v.get(clusterPath(k.productionID)+"/pods").want(http.StatusOK, "web-1")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it all took %s", took)
	}
}
