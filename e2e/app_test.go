// Package e2e runs the real binary against real control planes, in a real browser.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tiga/e2e/testbed"
)

// password is that of the user admin in every test; the one-time password has a test of its own.
const password = "correct horse battery staple"

// binary is the program under test, built once for the package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tiga-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tiga")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "tiga/cmd/tiga")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tiga: %w\n%s", err, out)
	}
	return path, nil
})

// fleet are the clusters that most tests share: a full production, and a staging and a dev with little in them.
var fleet struct {
	once                     sync.Once
	production, staging, dev *testbed.Cluster
	dir                      string // theirs; "" if there is none
	kubeconfig               []byte
	err                      error
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, c := range []*testbed.Cluster{fleet.production, fleet.staging, fleet.dev} {
		if c != nil {
			_ = c.Down(context.Background())
		}
	}
	_ = os.RemoveAll(fleet.dir)
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// clusters starts the shared clusters at first use.
func clusters(t testing.TB) {
	t.Helper()
	fleet.once.Do(func() {
		// Clusters that run already, such as those of `make testbed`: contexts production, staging and dev.
		if path := os.Getenv("TIGA_E2E_KUBECONFIG"); path != "" {
			fleet.kubeconfig, fleet.err = os.ReadFile(path)
			return
		}
		if fleet.dir, fleet.err = os.MkdirTemp("", "tiga-e2e-clusters-"); fleet.err != nil {
			return
		}
		var wg sync.WaitGroup
		errs := make([]error, 3)
		up := func(i int, to **testbed.Cluster, o testbed.Options) {
			wg.Go(func() {
				o.Dir = filepath.Join(fleet.dir, o.Name)
				*to, errs[i] = testbed.Up(context.Background(), o)
			})
		}
		up(0, &fleet.production, testbed.Options{Name: "production", Seed: testbed.Production})
		up(1, &fleet.staging, testbed.Options{Name: "staging", Nodes: 2, Pods: 4, Namespaces: 1})
		up(2, &fleet.dev, testbed.Options{Name: "dev", Nodes: 1})
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				fleet.err = err
				return
			}
		}
		fleet.kubeconfig, fleet.err = testbed.MergedKubeconfig(fleet.production, fleet.staging, fleet.dev)
	})
	if fleet.err != nil {
		t.Fatalf("start clusters: %v", fleet.err)
	}
}

// app is a running tiga.
type app struct {
	t    testing.TB
	url  string
	dir  string
	cmd  *exec.Cmd
	out  *lockedBuffer
	errs *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// options change how a tiga is started.
type options struct {
	dir        string   // data directory; a fresh one if empty
	kubeconfig []byte   // contexts to import; the shared clusters if nil
	args       []string // more flags
	noPassword bool     // let the first start make up a one-time password
}

// start runs tiga until the test ends.
func start(t testing.TB, o options) *app {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if o.kubeconfig == nil {
		clusters(t)
		o.kubeconfig = fleet.kubeconfig
	}
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	file := filepath.Join(o.dir, "kubeconfig")
	if err := os.WriteFile(file, o.kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(o.dir, "data"), "--kubeconfig", file, "--log-level", "debug"}, o.args...)
	a := &app{t: t, dir: o.dir, cmd: exec.Command(path, args...), out: &lockedBuffer{}, errs: &lockedBuffer{}}
	a.cmd.Env = append(os.Environ(), "KUBECONFIG=")
	if !o.noPassword {
		a.cmd.Env = append(a.cmd.Env, "TIGA_ADMIN_PASSWORD="+password)
	}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.cmd.Stderr = a.errs
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		if t.Failed() {
			t.Logf("log of tiga:\n%s", tail(a.errs.String(), 60))
		}
	})
	address := make(chan string, 1)
	go func() {
		defer close(address)
		scanner := bufio.NewScanner(io.TeeReader(stdout, a.out))
		for scanner.Scan() {
			if m := regexp.MustCompile(`is at (http\S+)`).FindStringSubmatch(scanner.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	select {
	case u, ok := <-address:
		if !ok {
			t.Fatalf("tiga ended before it served:\n%s", a.errs)
		}
		a.url = u
	case <-time.After(60 * time.Second):
		t.Fatalf("tiga did not say where it serves:\n%s", a.errs)
	}
	eventually(t, 30*time.Second, "tiga is ready", func() error {
		resp, err := http.Get(a.url + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %s", resp.Status)
		}
		return nil
	})
	return a
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually waits until check returns nil.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		<-tick.C
	}
}

// client is a signed-in HTTP client without a browser.
type client struct {
	t    testing.TB
	base string
	http *http.Client
}

func (a *app) signIn(name, secret string) *client {
	a.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &client{t: a.t, base: a.url, http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	resp := c.post("/login", url.Values{"username": {name}, "password": {secret}})
	if resp.status != http.StatusSeeOther {
		a.t.Fatalf("sign in as %s: %d\n%s", name, resp.status, resp.body)
	}
	return c
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// do asks until it is not told any more to wait: whoever reads hundreds of pages is, now and then.
func (c *client) do(method, path, contentType string, body []byte) (r reply) {
	c.t.Helper()
	eventually(c.t, time.Minute, "an answer", func() error {
		if r = c.once(method, path, contentType, body); r.status == http.StatusTooManyRequests {
			return fmt.Errorf("%d", r.status)
		}
		return nil
	})
	return r
}

func (c *client) once(method, path, contentType string, body []byte) reply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

func (c *client) get(path string) reply { c.t.Helper(); return c.do(http.MethodGet, path, "", nil) }

func (c *client) post(path string, form url.Values) reply {
	c.t.Helper()
	return c.do(http.MethodPost, path, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// api asks the JSON API and decodes data into out.
func (c *client) api(method, path string, in, out any) reply {
	c.t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			c.t.Fatal(err)
		}
	}
	r := c.do(method, "/api/v1/k8s"+path, "application/json", body)
	if out != nil {
		var envelope struct{ Data json.RawMessage }
		if err := json.Unmarshal([]byte(r.body), &envelope); err != nil {
			c.t.Fatalf("%s %s: %v\n%s", method, path, err, r.body)
		}
		if len(envelope.Data) > 0 {
			if err := json.Unmarshal(envelope.Data, out); err != nil {
				c.t.Fatalf("%s %s: %v\n%s", method, path, err, r.body)
			}
		}
	}
	return r
}

// health is how a cluster is, and why, by the API.
func (c *client) health(id int64) string {
	c.t.Helper()
	var got struct {
		HealthStatus string `json:"health_status"`
		HealthReason string `json:"health_reason"`
	}
	c.api(http.MethodGet, fmt.Sprintf("/clusters/%d", id), nil, &got)
	return got.HealthStatus + " " + got.HealthReason
}

// clusterID finds a cluster's id by its name.
func (c *client) clusterID(name string) int64 {
	c.t.Helper()
	var list struct {
		Items []struct {
			ID   int64
			Name string
		}
	}
	c.api(http.MethodGet, "/clusters", nil, &list)
	for _, item := range list.Items {
		if item.Name == name {
			return item.ID
		}
	}
	c.t.Fatalf("no cluster %s in %v", name, list)
	return 0
}
