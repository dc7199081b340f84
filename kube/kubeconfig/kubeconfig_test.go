package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/internal/open"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

func messageOf(t *testing.T, err error) kinds.Message {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is no *Error", err, err)
	}
	return e.Message
}

func one(t *testing.T, data []byte, p Policy) Context {
	t.Helper()
	got, err := Parse(data, p)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d contexts, %v", len(got), err)
	}
	return got[0]
}

// TestFR0_9_SaysExactlyWhatIsWrong: each mistake that people make has a message of its own, with the names and dates that
// belong to it.
func TestFR0_9_SaysExactlyWhatIsWrong(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	now := time.Now()
	cert, key := s.ClientCertificate(t, "alice", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	_, otherKey := s.ClientCertificate(t, "bob", now.Add(-time.Hour), now.Add(time.Hour))
	oldCert, oldKey := s.ClientCertificate(t, "old", now.Add(-48*time.Hour), time.Date(2025, 3, 4, 5, 6, 0, 0, time.UTC))
	newCert, newKey := s.ClientCertificate(t, "new", now.Add(time.Hour), now.Add(48*time.Hour))
	user := func(c, k []byte) func(*clientcmdapi.Config) {
		return func(f *clientcmdapi.Config) {
			f.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{ClientCertificateData: c, ClientKeyData: k}
		}
	}
	cluster := func(edit func(*clientcmdapi.Cluster)) func(*clientcmdapi.Config) {
		return func(f *clientcmdapi.Config) { edit(f.Clusters["kubetest"]) }
	}
	token := func(tok string) func(*clientcmdapi.Config) {
		return func(f *clientcmdapi.Config) { f.AuthInfos["kubetest"].Token = tok }
	}
	jwt := func(exp int64) string {
		return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, exp)) + ".c2ln"
	}
	for _, tc := range []struct {
		name string
		edit func(*clientcmdapi.Config)
		want string
		args map[string]any
	}{
		{"fine", func(*clientcmdapi.Config) {}, "", nil},
		{"fine, with a certificate", user(cert, key), "", nil},
		{"missing cluster", func(f *clientcmdapi.Config) { f.Contexts["kubetest"].Cluster = "prod" }, "missing_cluster", map[string]any{"Name": "prod"}},
		{"missing user", func(f *clientcmdapi.Config) { f.Contexts["kubetest"].AuthInfo = "bob" }, "missing_user", map[string]any{"Name": "bob"}},
		{"no user named", func(f *clientcmdapi.Config) { f.Contexts["kubetest"].AuthInfo = "" }, "no_user_named", nil},
		{"no cluster named", func(f *clientcmdapi.Config) { f.Contexts["kubetest"].Cluster = "" }, "no_cluster_named", nil},
		{"no server", cluster(func(c *clientcmdapi.Cluster) { c.Server = "" }), "no_server", nil},
		{"http", cluster(func(c *clientcmdapi.Cluster) { c.Server = "http://10.0.0.1:8080" }), "server_not_https", map[string]any{"Server": "http://10.0.0.1:8080"}},
		{"no scheme", cluster(func(c *clientcmdapi.Cluster) { c.Server = "10.0.0.1:6443" }), "server_invalid", map[string]any{"Server": "10.0.0.1:6443"}},
		{"authority is no PEM", cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData = []byte("hello") }), "ca_not_pem", nil},
		{"authority is a key", cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData = key }), "ca_not_pem", nil},
		{"authority ended", cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData = oldCert }), "ca_expired", map[string]any{"Date": "2025-03-04 05:06 UTC"}},
		{"nothing to sign in with", func(f *clientcmdapi.Config) { f.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{} }, "no_credentials", nil},
		{"certificate without key", user(cert, nil), "certificate_without_key", nil},
		{"key without certificate", user(nil, key), "key_without_certificate", nil},
		{"key of another", user(cert, otherKey), "key_mismatch", nil},
		{"certificate is no PEM", user([]byte("x"), key), "certificate_not_pem", nil},
		{"key is no PEM", user(cert, []byte("x")), "key_not_pem", nil},
		{"key with a passphrase", user(cert, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")), "key_encrypted", nil},
		{"certificate ended", user(oldCert, oldKey), "certificate_expired", map[string]any{"Date": "2025-03-04 05:06 UTC"}},
		{"certificate not begun", user(newCert, newKey), "certificate_not_yet", map[string]any{"Date": now.Add(time.Hour).UTC().Format("2006-01-02 15:04 UTC")}},
		{"token ended", token(jwt(1700000000)), "token_expired", map[string]any{"Date": "2023-11-14 22:13 UTC"}},
		{"token lives", token(jwt(now.Add(time.Hour).Unix())), "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := one(t, s.Kubeconfig(tc.edit), Policy{})
			if tc.want == "" {
				if len(c.Problems) > 0 || c.Credentials.IsZero() {
					t.Errorf("problems %v", c.Problems)
				}
				return
			}
			if len(c.Problems) != 1 || c.Problems[0].ID != "kubeconfig."+tc.want {
				t.Fatalf("problems %v, want %s", c.Problems, tc.want)
			}
			for k, v := range tc.args {
				if c.Problems[0].Args[k] != v {
					t.Errorf("%s is %v, want %v", k, c.Problems[0].Args[k], v)
				}
			}
		})
	}
	if n := len(s.Requests()); n > 0 || s.Connections() > 0 {
		t.Errorf("%d requests before anything was saved", n)
	}
}

// TestFR0_9_SaysWhereAFileIsBroken: what is wrong with a file as a whole comes with the place.
func TestFR0_9_SaysWhereAFileIsBroken(t *testing.T) {
	for _, tc := range []struct {
		name, data, want string
		args             map[string]any
	}{
		{"empty", "  \n", "empty", nil},
		{"comments only", "# nothing\n", "empty", nil},
		{"not YAML", "apiVersion: v1\nclusters:\n\t- name: a\n", "not_yaml", map[string]any{"Line": "3"}},
		{"a pod", "apiVersion: v1\nkind: Pod\n", "not_a_kubeconfig", map[string]any{"Kind": "Pod"}},
		{"a word", "hello", "not_a_kubeconfig", nil},
		{"no contexts", "apiVersion: v1\nkind: Config\n", "no_contexts", nil},
		{"clusters is a mapping", "clusters: {a: b}\n", "wrong_type", map[string]any{"Field": "clusters", "Line": 1}},
		{"unnamed context", "contexts: [{context: {cluster: c}}]\n", "no_name", map[string]any{"Field": "contexts"}},
		{"misspelt", "contexts: []\ncluster: []\n", "unknown_field", map[string]any{"Field": "cluster", "Line": 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse([]byte(tc.data), Policy{})
			m := messageOf(t, err)
			if m.ID != "kubeconfig."+tc.want {
				t.Fatalf("said %v, want %s", m, tc.want)
			}
			for k, v := range tc.args {
				if m.Args[k] != v {
					t.Errorf("%s is %#v, want %#v", k, m.Args[k], v)
				}
			}
		})
	}
}

// TestFR0_8_EveryContextBecomesAnEntry: with everything that the form shows, and one that is broken does not hide the rest.
func TestFR0_8_EveryContextBecomesAnEntry(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	data := s.Kubeconfig(func(f *clientcmdapi.Config) {
		f.Contexts["team"] = &clientcmdapi.Context{Cluster: "kubetest", AuthInfo: "kubetest", Namespace: "team-a"}
		f.Contexts["broken"] = &clientcmdapi.Context{Cluster: "gone", AuthInfo: "kubetest"}
	})
	got, err := Parse(data, Policy{})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d contexts, %v", len(got), err)
	}
	by := map[string]Context{}
	prints := map[string]bool{}
	for _, c := range got {
		by[c.Name] = c
		if !c.Credentials.IsZero() {
			prints[c.Credentials.Fingerprint()] = true
		}
	}
	if c := by["kubetest"]; !c.Current || c.Server != s.URL() || c.User != "kubetest" || c.Auth.ID != "kubeconfig.auth.token" {
		t.Errorf("current context %+v", c)
	}
	if c := by["team"]; c.Current || c.Namespace != "team-a" || c.Credentials.Namespace() != "team-a" {
		t.Errorf("context with a namespace %+v", c)
	}
	if c := by["broken"]; len(c.Problems) != 1 {
		t.Errorf("broken context %+v", c)
	}
	if len(prints) != 2 {
		t.Errorf("two contexts share a fingerprint: %v", prints)
	}
}

// TestFR0_8_FingerprintStaysWhenTheTokenIsRenewed, so that importing again does not duplicate.
func TestFR0_8_FingerprintStaysWhenTheTokenIsRenewed(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	print := func(edit func(*clientcmdapi.Config)) string {
		return one(t, s.Kubeconfig(edit), Policy{}).Credentials.Fingerprint()
	}
	base := print(func(*clientcmdapi.Config) {})
	if same := print(func(f *clientcmdapi.Config) { f.AuthInfos["kubetest"].Token = "renewed" }); same != base {
		t.Error("a renewed token makes another cluster")
	}
	if same := print(func(f *clientcmdapi.Config) { f.Clusters["kubetest"].Server += "/" }); same != base {
		t.Error("another spelling of the address makes another cluster")
	}
	if other := print(func(f *clientcmdapi.Config) { f.Clusters["kubetest"].Server = "https://elsewhere" }); other == base {
		t.Error("another server is the same cluster")
	}
}

// TestA18_CredentialsAreOpaque: in no form that a program could print by mistake is there anything of them.
func TestA18_CredentialsAreOpaque(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	c := one(t, s.Kubeconfig(), Policy{})
	type holder struct {
		Name   string
		Public Credentials
		hidden Credentials
	}
	h := holder{"x", c.Credentials, c.Credentials}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		_, _ = fmt.Fprintf(&out, verb+verb+verb+verb+"\n", c.Credentials, &c.Credentials, h, c)
	}
	for _, v := range []any{c.Credentials, h, c, map[string]any{"c": c.Credentials}} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "v", v)
	}
	text, err := c.Credentials.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	for _, secret := range []string{kubetest.DefaultToken, base64.StdEncoding.EncodeToString([]byte(kubetest.DefaultToken)), fmt.Sprintf("%x", kubetest.DefaultToken)} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the token is printed in %s", out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing says that something is left out")
	}
	if _, err := c.Credentials.RESTConfig(open.Key{}, true); err == nil {
		t.Error("they open without the key")
	}
	if _, err := Unmarshal([]byte(`{"v":1,"token":"` + kubetest.DefaultToken)); err == nil || strings.Contains(err.Error(), kubetest.DefaultToken) {
		t.Errorf("a damaged form says %v", err)
	}
}

// TestA18_StoredFormHoldsNothingOfTheUpload but what is needed.
func TestA18_StoredFormHoldsNothingOfTheUpload(t *testing.T) {
	data := []byte("# comment-canary\napiVersion: v1\nkind: Config\npreferences: {colors: true}\ncurrent-context: x\n" +
		"clusters: [{name: c, cluster: {server: 'https://H.example:6443/', extensions: [{name: cluster_info, extension: {canary: 1}}]}}]\n" +
		"users: [{name: u, user: {token: ' t '}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n")
	c := one(t, data, Policy{})
	stored := string(c.Credentials.Marshal())
	want := `{"v":1,"context":"x","user":"u","server":"https://h.example:6443","token":"t"}`
	if stored != want {
		t.Errorf("stored %s, want %s", stored, want)
	}
}

// TestFR0_8_LoadMergesAndInlines: the files of KUBECONFIG are one, paths count from the file they stand in, and what they
// name is read once.
func TestFR0_8_LoadMergesAndInlines(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := s.ClientCertificate(t, "alice", time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	write(t, filepath.Join(sub, "ca.crt"), string(s.CA()))
	write(t, filepath.Join(sub, "tls.crt"), string(cert))
	write(t, filepath.Join(sub, "tls.key"), string(key))
	write(t, filepath.Join(dir, "token"), "rotating\n")
	first := filepath.Join(sub, "first")
	write(t, first, "clusters: [{name: c, cluster: {server: '"+s.URL()+"', certificate-authority: ca.crt}}]\n"+
		"users: [{name: u, user: {client-certificate: tls.crt, client-key: ./tls.key}}]\n"+
		"contexts: [{name: a, context: {cluster: c, user: u}}]\n")
	second := filepath.Join(dir, "second")
	write(t, second, "current-context: b\nunknown: x\nclusters: [{name: c, cluster: {server: 'https://overridden'}}]\n"+
		"users: [{name: t, user: {tokenFile: token}}]\ncontexts: [{name: b, context: {cluster: c, user: t}}, {name: a, context: {cluster: none, user: t}}]\n")
	got, err := Load([]string{first, filepath.Join(dir, "absent"), second}, Policy{})
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	a, b := got[0], got[1]
	if len(a.Problems)+len(b.Problems) > 0 {
		t.Fatalf("problems %v %v", a.Problems, b.Problems)
	}
	if a.Name != "a" || a.Server != s.URL() || a.Auth.Args["Name"] != "alice" || a.Expires.IsZero() || a.Source != first {
		t.Errorf("first %+v", a)
	}
	if len(a.Warnings) != 1 || a.Warnings[0].ID != "kubeconfig.certificate_ends_soon" {
		t.Errorf("warnings %v", a.Warnings)
	}
	cfg, err := a.Credentials.RESTConfig(open.New(), false)
	if err != nil || !bytes.Equal(cfg.CAData, s.CA()) || !bytes.Equal(cfg.KeyData, key) || cfg.CAFile+cfg.CertFile+cfg.KeyFile != "" {
		t.Errorf("not read at once: %v", err)
	}
	if b.Name != "b" || !b.Current || b.Server != s.URL() || b.Auth.ID != "kubeconfig.auth.token_file" {
		t.Errorf("second %+v", b)
	}
	cfg, err = b.Credentials.RESTConfig(open.New(), false)
	if err != nil || cfg.BearerTokenFile != filepath.Join(dir, "token") || cfg.BearerToken != "" {
		t.Errorf("token file %q, %v", cfg.BearerTokenFile, err)
	}
	if _, err := Load([]string{filepath.Join(dir, "absent")}, Policy{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(t, filepath.Join(sub, "tls.key"), "")
	if err := os.Remove(filepath.Join(sub, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	got, err = Load([]string{first}, Policy{})
	if err != nil || len(got) != 1 || len(got[0].Problems) == 0 || got[0].Problems[0].ID != "kubeconfig.file_unreadable" ||
		got[0].Problems[0].Args["Path"] != "ca.crt" {
		t.Errorf("missing file: %+v, %v", got, err)
	}
}

func TestFR0_8_PathsAreThoseOfKubectl(t *testing.T) {
	env := func(v string) func(string) string {
		return func(k string) string {
			if k == "KUBECONFIG" {
				return v
			}
			return ""
		}
	}
	if got := Paths(env("/a::/b"), "/home/x"); len(got) != 2 || got[0] != "/a" || got[1] != "/b" {
		t.Errorf("KUBECONFIG: %v", got)
	}
	if got := Paths(env(""), "/home/x"); len(got) != 1 || got[0] != "/home/x/.kube/config" {
		t.Errorf("home: %v", got)
	}
	if got := Paths(env(""), ""); got != nil {
		t.Errorf("nothing: %v", got)
	}
}

// TestFR0_8_InCluster: the service account is one context, its token stays in its file, and it is the same cluster when
// the Service gets another address.
func TestFR0_8_InCluster(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	dir := t.TempDir()
	env := map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
	getenv := func(k string) string { return env[k] }
	if _, err := InCluster(getenv, dir); !errors.Is(err, ErrNotInCluster) {
		t.Errorf("without files: %v", err)
	}
	write(t, filepath.Join(dir, "token"), "abc")
	write(t, filepath.Join(dir, "ca.crt"), string(s.CA()))
	write(t, filepath.Join(dir, "namespace"), "tiga")
	c, err := InCluster(getenv, dir)
	if err != nil || len(c.Problems) > 0 {
		t.Fatalf("%v, %v", c.Problems, err)
	}
	if c.Server != "https://10.96.0.1:443" || c.Namespace != "tiga" || !c.Credentials.InCluster() {
		t.Errorf("context %+v", c)
	}
	cfg, err := c.Credentials.RESTConfig(open.New(), false)
	if err != nil || cfg.BearerTokenFile != filepath.Join(dir, "token") {
		t.Errorf("token %+v, %v", cfg, err)
	}
	env["KUBERNETES_SERVICE_HOST"] = "fd00::1"
	moved, err := InCluster(getenv, dir)
	if err != nil || moved.Server != "https://[fd00::1]:443" || moved.Credentials.Fingerprint() != c.Credentials.Fingerprint() {
		t.Errorf("moved: %+v, %v", moved, err)
	}
	env["KUBERNETES_SERVICE_HOST"] = ""
	if _, err := InCluster(getenv, dir); !errors.Is(err, ErrNotInCluster) {
		t.Errorf("without a service: %v", err)
	}
}
