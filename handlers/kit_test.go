package handlers

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	_ "modernc.org/sqlite" // a second look at the database, past the store

	"tiga/access"
	"tiga/access/redact"
	"tiga/db"
	"tiga/db/dbtest"
	"tiga/handlers/guard"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
	"tiga/kube/live"
	"tiga/locales"
)

// The people of every kit. Their password is password.
const (
	admin    = "admin"
	operator = "operator"
	viewer   = "viewer"
	keeper   = "keeper" // operator in namespace shop of production, and nowhere else
	nobody   = "nobody" // signed in, without rights
	password = "correct horse battery staple"
)

// passwordHash is made once: argon2 costs 25 ms.
var passwordHash = sync.OnceValues(func() (string, error) { return access.HashPassword(password) })

// kit is a server with everything behind it real but the clusters.
type kit struct {
	*Server
	t        testing.TB
	site     *httptest.Server
	hub      *live.Hub
	database string
	log      *safeBuffer
	clock    *clock
	users    map[string]db.User
	// production and staging are the API servers behind the clusters of these names.
	production, staging     *kubetest.Server
	productionID, stagingID int64
}

// kitConfig says how a kit differs from the usual one.
type kitConfig struct {
	readOnly bool
	external string
	// empty leaves out the two clusters.
	empty bool
	// open changes how the store is opened.
	open func(*db.Config)
	// hasher and proxies are the server's, where they are not the usual ones.
	hasher    access.HasherConfig
	proxies   []netip.Prefix
	inCluster func() (kubeconfig.Context, error)
	// detect lets the Prometheus of the clusters be looked for, and prometheus says where it is.
	detect     bool
	prometheus map[string]string
	// history is its mode, HistoryOwn if empty.
	history string
}

// clock is the server's. Every request of a visitor moves it on, so that rate limits never meet a test that is not
// about them.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// safeBuffer is a log that many goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// catalogues reads the messages once for all tests.
var catalogues = sync.OnceValues(locales.Load)

// newKit starts a server with the clusters production and staging, and loads it.
func newKit(t testing.TB, cfg kitConfig) *kit {
	t.Helper()
	k := &kit{t: t, log: &safeBuffer{}, clock: &clock{at: time.Now().Truncate(time.Microsecond)}, users: map[string]db.User{}}
	k.database = dbtest.MigratedURL(t)
	store := dbtest.Open(t, k.database, func(c *db.Config) {
		c.Now, c.Spool = k.clock.now, filepath.Dir(k.database)
		if cfg.open != nil {
			cfg.open(c)
		}
	})
	log := slog.New(redact.NewHandler(slog.NewJSONHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	k.hub = live.New(live.Config{})
	var keep func(int64, kube.Prometheus)
	if cfg.detect {
		keep = KeepPrometheus(store, k.clock.now, func(err error) { log.Warn("prometheus not kept", "error", err) })
	}
	past := NewHistory(HistoryConfig{
		Mode: cmp.Or(cfg.history, HistoryOwn), Limits: db.ChangeLimits{Life: 7 * 24 * time.Hour, Rows: 10_000}, Store: store, Hub: k.hub, Log: log, Now: k.clock.now,
	})
	fleet := kube.NewFleet(context.WithoutCancel(t.Context()), kube.Config{
		Hub: k.hub, Log: log, OnPrometheus: keep, OnChanges: past.Seen(), OnHealth: KeepHealth(store, func(err error) { log.Warn("health not kept", "error", err) }),
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := fleet.Close(ctx); err != nil {
			t.Errorf("close the fleet: %v", err)
		}
	})
	catalogue, err := catalogues()
	if err != nil {
		t.Fatal(err)
	}
	k.site = httptest.NewUnstartedServer(nil)
	site, err := guard.NewSite(guard.SiteConfig{Listen: k.site.Listener.Addr().String(), ExternalURL: cfg.external})
	if err != nil {
		t.Fatal(err)
	}
	k.Server, err = New(Config{
		Store: store, Fleet: fleet, Hub: k.hub, Authority: access.New(), Hasher: access.NewHasher(cfg.hasher), Catalogue: catalogue,
		Log: log, Metrics: prometheus.NewRegistry(), Site: site, TrustedProxies: cfg.proxies, InCluster: cfg.inCluster, ReadOnly: cfg.readOnly, Prometheus: cfg.prometheus, History: past, Version: "test", Now: k.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.site.Config.Handler = k.Handler()
	k.site.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	k.site.Start()
	t.Cleanup(func() {
		k.Close()
		k.Settle(context.Background())
		k.site.CloseClientConnections()
		k.site.Close()
	})
	k.people()
	k.must(k.Load(t.Context()))
	if !cfg.empty {
		k.production = kubetest.New(t, kubetest.Options{Objects: shopObjects()})
		k.staging = kubetest.New(t, kubetest.Options{Version: "v1.30.1", Objects: []runtime.Object{testNode("s-1", corev1.ConditionTrue), testNamespace("shop")}})
		k.must(k.Import(t.Context(), []kubeconfig.Context{contextOf(t, "production", k.production), contextOf(t, "staging", k.staging)}, "kubeconfig"))
		k.must(k.Load(t.Context()))
		k.productionID, k.stagingID = k.clusterID("production"), k.clusterID("staging")
	}
	return k
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// people makes the users and their rights.
func (k *kit) people() {
	k.t.Helper()
	k.must(SeedRoles(k.t.Context(), k.store, k.now()))
	hash, err := passwordHash()
	k.must(err)
	for _, name := range []string{admin, operator, viewer, keeper, nobody} {
		k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
			user, err := q.CreateUser(k.t.Context(), db.CreateUserParams{Name: name, PasswordHash: db.NewSecret(hash), Now: k.now().UnixMicro()})
			if err != nil {
				return err
			}
			k.users[name] = user
			b := db.BindingSpec{SubjectKind: access.SubjectUser, Subject: name, Role: name, Now: k.now().UnixMicro()}
			switch name {
			case nobody:
				return nil
			case keeper:
				b.Role, b.Clusters, b.Namespaces = access.RoleOperator, db.List{"production"}, db.List{"shop"}
			}
			_, err = q.CreateBinding(k.t.Context(), b)
			return err
		}))
	}
}

func (k *kit) clusterID(name string) int64 {
	k.t.Helper()
	row, err := k.store.Read().ClusterByName(k.t.Context(), name)
	k.must(err)
	return row.ID
}

// contextOf is the one context of a kubeconfig that reaches the server, under another name.
func contextOf(t testing.TB, name string, s *kubetest.Server, edits ...func(*clientcmdapi.Config)) kubeconfig.Context {
	t.Helper()
	got, err := kubeconfig.Parse(fileOf(name, s, edits...), kubeconfig.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Problems) > 0 {
		t.Fatalf("context %s: %+v", name, got)
	}
	got[0].Current = name == "production"
	return got[0]
}

// fileOf is a kubeconfig whose one context has the name.
func fileOf(name string, s *kubetest.Server, edits ...func(*clientcmdapi.Config)) []byte {
	rename := func(c *clientcmdapi.Config) {
		c.Contexts[name] = c.Contexts["kubetest"]
		if name != "kubetest" {
			delete(c.Contexts, "kubetest")
		}
		c.CurrentContext = name
	}
	return s.Kubeconfig(append(edits, rename)...)
}

// shopObjects are what production holds: two nodes, two namespaces, a deployment with a pod, and a pod elsewhere.
func shopObjects() []runtime.Object {
	return []runtime.Object{
		testNode("p-1", corev1.ConditionTrue), testNode("p-2", corev1.ConditionTrue),
		testNamespace("shop"), testNamespace("pay"),
		testDeployment("shop", "web", 3), testPod("shop", "web-1"), testPod("shop", "web-2"), testPod("pay", "bank-1"),
		&corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1.1"}, Type: corev1.EventTypeWarning, Reason: "BackOff", Message: "back-off",
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: "shop", Name: "web-1"}, LastTimestamp: metav1.Now(),
		},
	}
}

func testNode(name string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: ready, LastTransitionTime: metav1.Now(), Reason: "KubeletReady", Message: "kubelet says " + name,
	}}}}
}

func testNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}}
}

func testPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{NodeName: "p-1", Containers: []corev1.Container{{Name: "main", Image: "nginx"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

func testDeployment(namespace, name string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}},
		},
		Status: appsv1.DeploymentStatus{Replicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas, UpdatedReplicas: replicas},
	}
}

// eventually waits for a condition. The limit is for a machine that has much else to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit, again := time.NewTimer(2*time.Minute), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("%s: it did not come about", what)
		}
	}
}

// healthy waits until the cluster has been checked with success.
func (k *kit) healthy(id int64) {
	k.t.Helper()
	k.reaches(id, kube.HealthHealthy)
}

// reaches waits until a cluster is in a state.
func (k *kit) reaches(id int64, want kube.Health) {
	k.t.Helper()
	eventually(k.t, fmt.Sprintf("cluster %d is %s", id, want), func() bool {
		c, err := k.fleet.Cluster(id)
		return err == nil && c.State().Health == want
	})
}

// warm reads lists until they hold what the cluster holds, so that a test of pages does not meet one that is loading.
func (k *kit) warm(ids ...string) {
	k.t.Helper()
	v := k.as(admin)
	for _, id := range ids {
		kind, ok := kinds.Lookup(id)
		if !ok {
			k.t.Fatalf("no kind %s", id)
		}
		c, err := k.fleet.Cluster(k.productionID)
		k.must(err)
		eventually(k.t, id+" are read", func() bool {
			v.get(fmt.Sprintf("/clusters/%d/%s", k.productionID, id))
			return c.Freshness(kind).Synced
		})
	}
}

// tables are the contents of the database but for what may change by looking: the audit log, sessions, when something
// was used, the health of clusters.
func (k *kit) tables() string {
	k.t.Helper()
	conn, err := sql.Open("sqlite", "file:"+k.database+"?mode=ro&_pragma=busy_timeout(5000)")
	k.must(err)
	defer conn.Close()
	passing := map[string]string{
		"users":      "last_login_at",
		"api_tokens": "last_used_at last_used_ip",
		"clusters":   "health_status health_reason health_since last_connected_at version node_count pod_count",
	}
	var b strings.Builder
	for _, table := range []string{"meta", "users", "api_tokens", "clusters", "cluster_credentials", "roles", "bindings", "login_failures"} {
		rows, err := conn.QueryContext(k.t.Context(), "SELECT * FROM "+table+" ORDER BY 1, 2")
		k.must(err)
		columns, err := rows.Columns()
		k.must(err)
		for rows.Next() {
			values, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				to[i] = &values[i]
			}
			k.must(rows.Scan(to...))
			for i, c := range columns {
				if !strings.Contains(" "+passing[table]+" ", " "+c+" ") {
					fmt.Fprintf(&b, "%s.%s=%v ", table, c, values[i])
				}
			}
			b.WriteString("\n")
		}
		k.must(rows.Err())
		k.must(rows.Close()) //nolint:sqlclosecheck // each table is closed before the next is read
	}
	return b.String()
}

// audit is the record, newest first.
func (k *kit) audit(f db.AuditFilter) []db.AuditLine {
	k.t.Helper()
	page, err := k.store.Audit().List(k.t.Context(), f)
	k.must(err)
	return page.Lines
}

// visitor is a browser, or a program with a token.
type visitor struct {
	k      *kit
	client *http.Client
	token  string
	// bare sends nothing of its own: no browser headers.
	bare bool
}

// anonymous is a browser without a session.
func (k *kit) anonymous() *visitor {
	jar, err := cookiejar.New(nil)
	k.must(err)
	return &visitor{k: k, client: &http.Client{
		Jar: jar, Timeout: time.Minute, Transport: k.site.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as is a browser in which a user is signed in. The session is put into the store, which saves the hash.
func (k *kit) as(name string) *visitor {
	k.t.Helper()
	id, sum := access.NewSecret()
	now := k.now()
	k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
		_, err := q.CreateSession(k.t.Context(), db.NewSession{
			IDHash: sum[:], UserID: k.users[name].ID, Class: sessionClassTop, AuthMethod: methodPassword, Now: now.UnixMicro(),
			ExpiresAt: now.Add(sessionLife).UnixMicro(), StepUpAt: now.UnixMicro(), PolicyVersion: k.authority.Version(),
		})
		return err
	}))
	v := k.anonymous()
	v.setCookie(k.Server.site.SessionCookieName(), id)
	return v
}

// signIn signs in with name and password, as a person does.
func (k *kit) signIn(name string) *visitor {
	k.t.Helper()
	v := k.anonymous()
	r := v.post("/login", url.Values{"username": {name}, "password": {password}})
	if r.status != http.StatusSeeOther || v.session() == "" {
		k.t.Fatalf("sign in as %s: %d %s", name, r.status, r.text())
	}
	return v
}

// withToken is a program with a user's token, cut to a role.
func (k *kit) withToken(name, role string) *visitor {
	k.t.Helper()
	token, sum := access.NewToken()
	k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
		_, err := q.CreateToken(k.t.Context(), db.CreateTokenParams{
			TokenHash: sum[:], Prefix: token[:8], Name: "of " + name, UserID: k.users[name].ID, Role: role,
			CreatedAt: k.now().UnixMicro(), ExpiresAt: k.now().Add(24 * time.Hour).UnixMicro(),
		})
		return err
	}))
	v := k.anonymous()
	v.token = token
	return v
}

func (v *visitor) address() *url.URL {
	u, err := url.Parse(v.k.site.URL)
	v.k.must(err)
	return u
}

func (v *visitor) setCookie(name, value string) {
	v.client.Jar.SetCookies(v.address(), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// session is the id of the session in the browser's cookie.
func (v *visitor) session() string {
	for _, c := range v.client.Jar.Cookies(v.address()) {
		if c.Name == v.k.Server.site.SessionCookieName() {
			return c.Value
		}
	}
	return ""
}

// reply is an answer, read whole; of a stream only that it began.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// get opens a page. Headers are pairs of name and value; the name "Host" sets the host.
func (v *visitor) get(path string, headers ...string) *reply {
	v.k.t.Helper()
	return v.send(http.MethodGet, path, "", headers...)
}

// post sends a form.
func (v *visitor) post(path string, form url.Values, headers ...string) *reply {
	v.k.t.Helper()
	return v.send(http.MethodPost, path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// json sends a JSON body.
func (v *visitor) json(method, path, body string, headers ...string) *reply {
	v.k.t.Helper()
	if body != "" {
		headers = append([]string{"Content-Type", "application/json"}, headers...)
	}
	return v.send(method, path, body, headers...)
}

// send makes a request with the headers that a browser adds on a page of ours.
func (v *visitor) send(method, path, body string, headers ...string) *reply {
	v.k.t.Helper()
	v.k.clock.add(300 * time.Millisecond)
	ctx, cancel := context.WithCancel(v.k.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, v.k.site.URL+path, strings.NewReader(body))
	v.k.must(err)
	if body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if !v.bare {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if method != http.MethodGet && method != http.MethodHead {
			req.Header.Set("Origin", v.k.site.URL)
		}
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			req.Host = headers[i+1]
		case headers[i+1] == "":
			req.Header.Del(headers[i])
		default:
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.k.t.Fatalf("%s %.200s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out := &reply{t: v.k.t, status: resp.StatusCode, header: resp.Header}
	if resp.Header.Get("Content-Type") == eventStream {
		return out
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.k.t.Fatalf("%s %.200s: %v", method, path, err)
	}
	out.body = string(text)
	return out
}

// doc is the answer as HTML.
func (r *reply) doc() *html.Node {
	r.t.Helper()
	n, err := html.Parse(strings.NewReader(r.body))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// text is what a person reads of the answer.
func (r *reply) text() string { return textOf(r.doc()) }

// want fails the test unless the answer has the status and holds the texts, in whatever case.
func (r *reply) want(status int, texts ...string) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("status %d, want %d: %.400s", r.status, status, r.text())
	}
	for _, text := range texts {
		if body := r.body + " " + html.UnescapeString(r.body) + " " + r.text(); !strings.Contains(strings.ToLower(body), strings.ToLower(text)) {
			r.t.Errorf("%q is not in the answer: %.1500s", text, r.text())
		}
	}
	return r
}

// elements are the elements with a tag, and with an attribute that has a value ("" means any).
func elements(n *html.Node, tag, attr, value string) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && (tag == "" || d.Data == tag) {
			if attr == "" || value == "" && has(d, attr) || value != "" && attribute(d, attr) == value {
				out = append(out, d)
			}
		}
	}
	return out
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rowOf is the table row of the page in which a link with the text stands.
func rowOf(t testing.TB, n *html.Node, link string) *html.Node {
	t.Helper()
	for _, tr := range elements(n, "tr", "", "") {
		for _, a := range elements(tr, "a", "", "") {
			if textOf(a) == link {
				return tr
			}
		}
	}
	t.Fatalf("no row has a link %q: %s", link, textOf(n))
	return nil
}
