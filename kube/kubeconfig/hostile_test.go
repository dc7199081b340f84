package kubeconfig

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiga/kube/internal/open"
)

// hostile is a kubeconfig that must not be accepted, made from parts of a good one.
type hostile struct {
	name, cluster, user, context, top string // extra fields; a whole document in raw replaces them
	raw                               string
	want                              string // the message
}

// trap is what hostile files point at: a program and a file that leave traces, and a listener that counts.
type trap struct {
	dir, marker, secret, script, addr string
	connections                       chan net.Conn
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	dir := t.TempDir()
	tr := &trap{
		dir: dir, marker: filepath.Join(dir, "ran"), secret: filepath.Join(dir, "secret"), script: filepath.Join(dir, "plugin.sh"),
		connections: make(chan net.Conn, 16),
	}
	write(t, tr.secret, "SENTINEL-FILE-CONTENT")
	if err := os.WriteFile(tr.script, []byte("#!/bin/sh\ntouch "+tr.marker+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	tr.addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.connections <- c
		}
	}()
	return tr
}

// untouched fails the test if anything fell into the trap.
func (tr *trap) untouched(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(tr.marker); err == nil {
		t.Error("a program was run")
	}
	select {
	case <-tr.connections:
		t.Error("a connection was opened")
	default:
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func hostiles(tr *trap) []hostile {
	secret, script := tr.secret, tr.script
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]\n"
	return []hostile{
		{name: "exec", user: "exec: {apiVersion: client.authentication.k8s.io/v1, command: " + script + "}", want: "exec_refused"},
		{name: "exec beside a token", user: "token: t\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, 'touch " + tr.marker + "']}", want: "exec_refused"},
		{name: "exec with an install hint", user: "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: " + script + ", installHint: '\x1b[31m'}", want: "not_yaml"},
		{name: "exec that is empty", user: "token: t\n    exec: {}", want: "exec_refused"},
		{name: "exec that is a string", user: "token: t\n    exec: /bin/sh", want: "wrong_type"},
		{name: "auth provider", user: "auth-provider: {name: gcp, config: {cmd-path: " + script + "}}", want: "auth_provider_refused"},
		{name: "auth provider oidc", user: "token: t\n    auth-provider: {name: oidc, config: {idp-issuer-url: 'https://" + tr.addr + "'}}", want: "auth_provider_refused"},
		{name: "auth provider without a name", user: "token: t\n    auth-provider: {}", want: "auth_provider_refused"},
		{name: "token file", user: "tokenFile: " + secret, want: "file_refused"},
		{name: "token file beside a token", user: "token: t\n    tokenFile: /etc/shadow", want: "file_refused"},
		{name: "token file relative", user: "tokenFile: ../../../../etc/passwd", want: "file_refused"},
		{name: "certificate file", user: "client-certificate: " + secret + "\n    client-key: " + secret, want: "file_refused"},
		{name: "key file", user: "token: t\n    client-key: " + secret, want: "file_refused"},
		{name: "authority file", cluster: "certificate-authority: " + secret, user: "token: t", want: "file_refused"},
		{name: "authority in proc", cluster: "certificate-authority: /proc/self/environ", user: "token: t", want: "file_refused"},
		{name: "proxy", cluster: "proxy-url: http://" + tr.addr, user: "token: t", want: "proxy_refused"},
		{name: "socks proxy", cluster: "proxy-url: socks5://" + tr.addr, user: "token: t", want: "proxy_refused"},
		{name: "act as", user: "token: t\n    as: system:admin", want: "act_as_refused"},
		{name: "act as groups", user: "token: t\n    as-groups: [system:masters]", want: "act_as_refused"},
		{name: "act as uid", user: "token: t\n    as-uid: '0'", want: "act_as_refused"},
		{name: "act as extra", user: "token: t\n    as-user-extra: {scopes: [all]}", want: "act_as_refused"},
		{name: "skip verification", cluster: "insecure-skip-tls-verify: true", user: "token: t", want: "insecure_refused"},
		{name: "skip verification, spelt otherwise", cluster: "insecure-skip-tls-verify: 'T'", user: "token: t", want: "insecure_refused"},
		{name: "password", user: "username: admin\n    password: admin", want: "basic_refused"},
		{name: "plain http", cluster: "server: http://" + tr.addr, user: "token: t", want: "server_not_https"},
		{name: "file address", cluster: "server: file:///etc/passwd", user: "token: t", want: "server_invalid"},
		{name: "unix address", cluster: "server: unix://var/run/docker.sock", user: "token: t", want: "server_not_https"},
		{name: "user in the address", cluster: "server: https://a:b@" + tr.addr, user: "token: t", want: "server_has_credentials"},
		{name: "query in the address", cluster: "server: https://" + tr.addr + "/?x=1", user: "token: t", want: "server_invalid"},
		{name: "line break in the address", cluster: `server: "https://a\r\nHost: b"`, user: "token: t", want: "server_invalid"},
		{name: "port 0", cluster: "server: https://127.0.0.1:0", user: "token: t", want: "server_invalid"},
		{name: "line break in the token", user: `token: "t\r\nImpersonate-User: admin"`, want: "token_invalid"},
		{name: "extension of a context", context: "extensions: [{name: evil, extension: {run: sh}}]", user: "token: t", want: "extension_refused"},
		{name: "extension of the file", top: "extensions: [{name: evil, extension: {}}]", user: "token: t", want: "extension_refused"},
		{name: "unknown field of a user", user: "token: t\n    command: sh", want: "unknown_field"},
		{name: "unknown field of a cluster", cluster: "exec: sh", user: "token: t", want: "unknown_field"},
		{name: "field twice", user: "token: t\n    token: u", want: "duplicate_field"},
		{name: "aliases", raw: bomb, want: "aliases"},
		{name: "merge key", raw: "x: &x {token: t}\nusers: [{name: u, user: {<<: *x}}]", want: "aliases"},
		{name: "deep", raw: strings.Repeat("[", 200) + strings.Repeat("]", 200), want: "not_a_kubeconfig"},
		{name: "deep inside", raw: "clusters: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), want: "too_complex"},
		{name: "many nodes", raw: "contexts: [" + strings.Repeat("1,", maxNodes) + "1]", want: "too_complex"},
		{name: "too large", raw: strings.Repeat("#", MaxSize+1), want: "too_large"},
		{name: "several documents", raw: "kind: Config\n---\nkind: Config\n", want: "several_documents"},
		{name: "tag", user: "token: !!binary dA==\n    exec: !!map {command: " + script + "}", want: "exec_refused"},
		{name: "namespace with a path", context: "namespace: ../kube-system", user: "token: t", want: "namespace_invalid"},
		{name: "server name with a line", cluster: `tls-server-name: "a\nb"`, user: "token: t", want: "server_name_invalid"},
		{name: "name with an escape", raw: `{contexts: [{name: "a\u001b[2J", context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: "https://h"}}], users: [{name: u, user: {token: t}}]}`, want: "name_invalid"},
		{name: "same name twice", raw: "users: [{name: u, user: {token: a}}, {name: u, user: {token: b}}]\n", want: "duplicate_name"},
	}
}

func (h hostile) document(addr string) []byte {
	if h.raw != "" {
		return []byte(h.raw)
	}
	cluster := h.cluster
	if !strings.Contains(cluster, "server: ") {
		cluster = "server: https://" + addr + "\n    " + cluster
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
%s
clusters:
- name: c
  cluster:
    %s
users:
- name: u
  user:
    %s
contexts:
- name: x
  context:
    cluster: c
    user: u
    %s
current-context: x
`, h.top, cluster, h.user, h.context)
}

// TestA18_HostileKubeconfigs: none is accepted, each is refused for its own reason, and reading it did nothing.
func TestA18_HostileKubeconfigs(t *testing.T) {
	tr := newTrap(t)
	all := hostiles(tr)
	if len(all) < 40 {
		t.Fatalf("%d hostile kubeconfigs", len(all))
	}
	before := openFiles(t)
	for _, h := range all {
		t.Run(h.name, func(t *testing.T) {
			contexts, err := Parse(h.document(tr.addr), Policy{})
			said := map[string]bool{}
			if err != nil {
				said[messageOf(t, err).ID] = true
			}
			for _, c := range contexts {
				for _, p := range c.Problems {
					said[p.ID] = true
				}
				if len(c.Problems) == 0 || !c.Credentials.IsZero() {
					t.Errorf("it was accepted as %+v", c)
				}
				if shows := fmt.Sprintf("%+v", c); strings.Contains(shows, "SENTINEL") {
					t.Errorf("a file was read: %s", shows)
				}
			}
			if !said["kubeconfig."+h.want] {
				t.Errorf("said %v, want %s", said, h.want)
			}
		})
	}
	tr.untouched(t)
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, were %d", after, before)
	}
}

// TestA18_ExecNeedsTheOperatorTwice: a plugin is accepted only from a file that the operator named and with the flag, and
// even when it was stored it does not run without the flag.
func TestA18_ExecNeedsTheOperatorTwice(t *testing.T) {
	tr := newTrap(t)
	h := hostile{user: "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, interactiveMode: Never}"}
	path := filepath.Join(tr.dir, "config")
	write(t, path, string(h.document(tr.addr)))
	for _, tc := range []struct {
		name string
		read func() ([]Context, error)
		want string
	}{
		{"upload", func() ([]Context, error) { return Parse(h.document(tr.addr), Policy{}) }, "kubeconfig.exec_refused"},
		{"upload with the flag", func() ([]Context, error) { return Parse(h.document(tr.addr), Policy{AllowExec: true}) }, "kubeconfig.exec_refused"},
		{"file without the flag", func() ([]Context, error) { return Load([]string{path}, Policy{}) }, "kubeconfig.exec_needs_flag"},
		{"file with the flag", func() ([]Context, error) { return Load([]string{path}, Policy{AllowExec: true}) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.read()
			if err != nil || len(got) != 1 {
				t.Fatalf("%v, %v", got, err)
			}
			c := got[0]
			if tc.want != "" {
				if len(c.Problems) == 0 || c.Problems[0].ID != tc.want || !c.Credentials.IsZero() {
					t.Errorf("problems %v", c.Problems)
				}
				return
			}
			if len(c.Problems) > 0 {
				t.Fatalf("problems %v", c.Problems)
			}
			stored, err := Unmarshal(c.Credentials.Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stored.RESTConfig(open.New(), false); err == nil {
				t.Error("a stored plugin is used without the flag")
			}
			cfg, err := stored.RESTConfig(open.New(), true)
			if err != nil || cfg.ExecProvider == nil || cfg.ExecProvider.Command != tr.script {
				t.Errorf("plugin %+v, %v", cfg, err)
			}
		})
	}
	tr.untouched(t)
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	return len(entries)
}

// FuzzParse: whatever comes in, nothing panics, nothing dangerous is accepted, and what is accepted survives storing.
func FuzzParse(f *testing.F) {
	tr := &trap{secret: "/nonexistent/secret", script: "/nonexistent/plugin", marker: "/nonexistent/ran", addr: "127.0.0.1:1"}
	for _, h := range hostiles(tr) {
		f.Add(h.document(tr.addr))
	}
	f.Add(hostile{user: "token: t"}.document("example.org"))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte) {
		contexts, err := Parse(data, Policy{Now: now})
		if err != nil {
			if messageOf(t, err).ID == "" {
				t.Errorf("an error without words: %v", err)
			}
			return
		}
		for _, c := range contexts {
			if len(c.Problems) > 0 {
				if !c.Credentials.IsZero() {
					t.Errorf("credentials in spite of %v", c.Problems)
				}
				continue
			}
			cfg, err := c.Credentials.RESTConfig(open.New(), true)
			if err != nil {
				t.Fatalf("accepted, and then %v", err)
			}
			if cfg.ExecProvider != nil || cfg.AuthProvider != nil || cfg.BearerTokenFile != "" || cfg.Insecure || cfg.Impersonate.UserName != "" ||
				cfg.CAFile+cfg.CertFile+cfg.KeyFile+cfg.Username != "" || !strings.HasPrefix(cfg.Host, "https://") {
				t.Errorf("accepted %s", base64.StdEncoding.EncodeToString(data))
			}
			back, err := Unmarshal(c.Credentials.Marshal())
			if err != nil || !back.Equal(c.Credentials) || back.Fingerprint() != c.Credentials.Fingerprint() {
				t.Errorf("stored and read: %v", err)
			}
		}
	})
}
