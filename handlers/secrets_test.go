package handlers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubetest"
)

// TestA18_HostileKubeconfigsAreRefusedInWords sends them through the form and the API.
func TestA18_HostileKubeconfigsAreRefusedInWords(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{empty: true})
	s := kubetest.New(t, kubetest.Options{})
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	t.Cleanup(func() { _ = trap.Close() })
	touched := make(chan struct{}, 16)
	go func() {
		for {
			c, err := trap.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			touched <- struct{}{}
		}
	}()
	dir := t.TempDir()
	marker, sentinel := filepath.Join(dir, "ran"), filepath.Join(dir, "secret")
	k.must(os.WriteFile(sentinel, []byte("SENTINEL-FILE-CONTENT"), 0o600))
	script := filepath.Join(dir, "plugin.sh")
	k.must(os.WriteFile(script, []byte("#!/bin/sh\ntouch "+marker+"\n"), 0o700))
	user := func(edit func(*clientcmdapi.AuthInfo)) []byte {
		return s.Kubeconfig(func(c *clientcmdapi.Config) { edit(c.AuthInfos["kubetest"]) })
	}
	cluster := func(edit func(*clientcmdapi.Cluster)) []byte {
		return s.Kubeconfig(func(c *clientcmdapi.Config) { edit(c.Clusters["kubetest"]) })
	}
	before := k.tables()
	for name, c := range map[string]struct {
		file  []byte
		words string
	}{
		"exec": {user(func(u *clientcmdapi.AuthInfo) {
			u.Token, u.Exec = "", &clientcmdapi.ExecConfig{Command: script, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}
		}), script},
		"auth provider": {user(func(u *clientcmdapi.AuthInfo) {
			u.Token, u.AuthProvider = "", &clientcmdapi.AuthProviderConfig{Name: "gcp", Config: map[string]string{"cmd-path": script}}
		}), "provider"},
		"token file":       {user(func(u *clientcmdapi.AuthInfo) { u.Token, u.TokenFile = "", sentinel }), "file"},
		"certificate file": {user(func(u *clientcmdapi.AuthInfo) { u.Token, u.ClientCertificate, u.ClientKey = "", sentinel, sentinel }), "file"},
		"authority file":   {cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData, c.CertificateAuthority = nil, sentinel }), "file"},
		"impersonation":    {user(func(u *clientcmdapi.AuthInfo) { u.Impersonate = "system:admin" }), "as"},
		"groups":           {user(func(u *clientcmdapi.AuthInfo) { u.Impersonate, u.ImpersonateGroups = "x", []string{"system:masters"} }), "as"},
		"password":         {user(func(u *clientcmdapi.AuthInfo) { u.Token, u.Username, u.Password = "", "root", "hunter2-canary" }), "password"},
		"proxy":            {cluster(func(c *clientcmdapi.Cluster) { c.ProxyURL = "http://" + trap.Addr().String() }), "proxy-url"},
		"insecure":         {cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData, c.InsecureSkipTLSVerify = nil, true }), "insecure-skip-tls-verify"},
		"http":             {cluster(func(c *clientcmdapi.Cluster) { c.Server = "http://" + trap.Addr().String() }), "https://"},
		"file scheme":      {cluster(func(c *clientcmdapi.Cluster) { c.Server = "file://" + sentinel }), "https://"},
		"aliases":          {[]byte("a: &a [x]\nb: [*a, *a]\n"), "alias"},
		"too large":        {[]byte("apiVersion: v1\nkind: Config\n# " + strings.Repeat("x", 300<<10)), "256"},
		"not a kubeconfig": {[]byte("apiVersion: v1\nkind: Secret\n"), "kubeconfig"},
		"metadata address": {cluster(func(c *clientcmdapi.Cluster) { c.Server = "https://169.254.169.254" }), "never connected to"},
	} {
		t.Run(name, func(t *testing.T) {
			v := k.as(admin)
			form := url.Values{"kubeconfig": {string(c.file)}, "use.0": {"1"}, "name.0": {"x"}}
			r := v.post("/settings/clusters", form)
			if !strings.Contains(strings.ToLower(r.text()+" "+r.body), strings.ToLower(c.words)) || r.status != http.StatusUnprocessableEntity && !strings.Contains(r.text(), "Not added") {
				t.Errorf("the form answers %d without %q: %s", r.status, c.words, r.text())
			}
			api := v.json(http.MethodPost, clusters, body(t, map[string]any{"name": "x", "kubeconfig": encoded(c.file)}))
			if api.status != http.StatusBadRequest && api.status != http.StatusBadGateway || !strings.Contains(strings.ToLower(api.body), strings.ToLower(c.words)) {
				t.Errorf("the API answers %d without %q: %s", api.status, c.words, api.body)
			}
			for _, r := range []*reply{r, api} {
				if strings.Contains(r.body, "SENTINEL") {
					t.Error("a file was read")
				}
			}
		})
	}
	if k.tables() != before {
		t.Error("something was stored")
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a program was run")
	}
	if len(touched) > 0 || len(s.Requests()) > 0 {
		t.Errorf("connections were made: %d, %v", len(touched), s.Requests())
	}
	if strings.Contains(k.log.String(), "hunter2-canary") || strings.Contains(k.log.String(), "SENTINEL") {
		t.Error("a secret of a refused kubeconfig is in the log")
	}
}

// forms are the ways in which a secret may be written.
func forms(secret string) []string {
	return []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret)}
}

// TestA25_A26_SecretsStayWhereTheyAre plants secrets, lets everything go wrong, and looks for them in the log, in the audit
// record and in every answer.
func TestA25_A26_SecretsStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const canary = "canary-kubeconfig-token-4711"
	s := kubetest.New(t, kubetest.Options{Token: canary})
	cert, key := s.ClientCertificate(t, "canary", k.now().AddDate(0, 0, -1), k.now().AddDate(1, 0, 0))
	k.handler.(*chi.Mux).With(k.withVisit).Get("/test-panic", func(_ http.ResponseWriter, r *http.Request) {
		panic(fmt.Sprintf("cookie of %+v", visitOf(r).session.user))
	})
	v := k.signIn(admin)
	page := v.post("/account/tokens", url.Values{"name": {"ci"}, "role": {access.RoleAdmin}, "expires": {"7"}}).want(http.StatusOK)
	token := textOf(elements(page.doc(), "code", "", "")[0])
	add := func(name string, file []byte) int64 {
		t.Helper()
		made := v.json(http.MethodPost, clusters, body(t, map[string]any{"name": name, "kubeconfig": encoded(file)})).want(http.StatusCreated).object()
		data, _ := made["data"].(map[string]any)
		id, _ := data["id"].(float64)
		return int64(id)
	}
	id := add("canary", s.Kubeconfig())
	certified := add("certified", fileOf("certified", s, func(c *clientcmdapi.Config) {
		c.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	}))
	k.healthy(id)
	secrets := map[string][]string{
		"the cluster's token": forms(canary), "the session": {v.session()}, "the API token": {token}, "the password": {password},
		"the client key": append(forms(string(key)), strings.Split(string(key), "\n")[1]),
	}
	answers := map[string]string{}
	keep := func(name string, r *reply) { answers[name] += r.body + fmt.Sprint(r.header) }
	program := k.anonymous()
	program.token = token
	everything := func(phase string) {
		for _, p := range crawl(v, "/", clusterPath(id), clusterPath(id)+"/pods", settingPath(id), settingPath(certified), "/account", "/audit") {
			keep(phase+" "+p.path, p.reply)
		}
		for _, path := range []string{clusters, fmt.Sprintf("%s/%d", clusters, id), apiRoot + "/cluster?cluster=canary", "/metrics", "/api/openapi.json"} {
			keep(phase+" "+path, program.get(path))
		}
		keep(phase+" test", v.post(settingPath(id)+"/test", nil))
		keep(phase+" test by API", program.json(http.MethodPost, fmt.Sprintf("%s/%d/test-connection", clusters, id), ""))
		keep(phase+" update", program.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, id), `{"environment":"`+phase+`"}`))
		keep(phase+" again", v.json(http.MethodPost, clusters, body(t, map[string]any{"name": "canary", "kubeconfig": encoded(s.Kubeconfig())})))
		keep(phase+" edit", v.post(settingPath(id), url.Values{"name": {"canary"}, "enabled": {"1"}, "environment": {phase}}))
		k.clock.add(1000)
	}
	everything("well")
	s.Script(kubetest.Status(500, "InternalError", "went wrong"))
	everything("500")
	s.Script(kubetest.Unauthorized)
	everything("401")
	s.Script(nil)
	s.ServeWithCertificateOf(t, "elsewhere.example", false)
	s.CloseConnections()
	everything("TLS")
	s.Down()
	everything("down")
	k.reaches(id, kube.HealthUnavailable)
	keep("panic", v.get("/test-panic").want(http.StatusInternalServerError))
	keep("wrong password", k.anonymous().post("/login", url.Values{"username": {password}, "password": {password + "x"}}))

	log := k.log.String()
	if !strings.Contains(log, `"level":"DEBUG"`) || !strings.Contains(log, "panic in a handler") {
		t.Fatal("the log is not that of everything")
	}
	var audit strings.Builder
	for _, line := range k.audit(db.AuditFilter{Limit: 1000}) {
		row, err := json.Marshal(line)
		k.must(err)
		audit.Write(row)
	}
	if !strings.Contains(audit.String(), "canary") {
		t.Fatal("the audit record is not that of everything")
	}
	tables := k.tables()
	for name, list := range secrets {
		for _, secret := range list {
			if strings.Contains(log, secret) {
				at := strings.Index(log, secret)
				t.Errorf("%s is in the log: %.300s", name, log[max(0, at-200):])
			}
			// A name that is typed into the wrong field is the one thing that is kept as it was typed.
			if strings.Contains(audit.String(), secret) && name != "the password" {
				t.Errorf("%s is in the audit record", name)
			}
			if strings.Contains(tables, secret) {
				t.Errorf("%s is in the database", name)
			}
			for where, text := range answers {
				if strings.Contains(text, secret) && (name != "the password" || where != "wrong password") {
					t.Errorf("%s is in the answer to %s", name, where)
				}
			}
		}
	}
	if hash := k.users[admin].PasswordHash.Reveal(); strings.Contains(log, hash) {
		t.Error("the hash of a password is in the log")
	}
}

// TestA17_NewAddressNeedsNewCredentials proves that stored credentials are sent to no other server.
func TestA17_NewAddressNeedsNewCredentials(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	other := kubetest.New(t, kubetest.Options{})
	v := k.as(admin)
	before := k.tables()
	for _, field := range []string{"server", "context", "token", "ca", "credentials", "id"} {
		v.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.productionID), fmt.Sprintf(`{%q:%q}`, field, other.URL())).problem(http.StatusBadRequest, "bad_request")
	}
	if diff := cmp.Diff(before, k.tables()); diff != "" {
		t.Errorf("the database changed: %s", diff)
	}
	// A kubeconfig for another server without credentials is none.
	file := other.Kubeconfig(func(c *clientcmdapi.Config) { c.AuthInfos["kubetest"].Token = "" })
	v.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.productionID), body(t, map[string]any{"kubeconfig": encoded(file)})).problem(http.StatusBadRequest, "bad_request")
	if n := len(other.Requests()); n != 0 {
		t.Errorf("the other server saw %d requests", n)
	}
}
