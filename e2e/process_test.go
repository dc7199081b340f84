package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs a command of tiga to its end.
func run(t *testing.T, stdin string, args ...string) (code int, out string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG=", "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(stdin)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), b.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, b.String()
}

// A setting that cannot be used ends the program at once, names the setting and says what to do.
func TestWrongSettingsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("not: [a kubeconfig"), 0o600); err != nil {
		t.Fatal(err)
	}
	loose := filepath.Join(dir, "loose.key")
	if err := os.WriteFile(loose, []byte(strings.Repeat("A", 43)+"=\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "tiga.yaml")
	if err := os.WriteFile(settings, []byte("lissten: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"open to all without a name": {[]string{"serve", "--listen", "0.0.0.0:0"}, 78, []string{"--external-url"}},
		"external url with a path":   {[]string{"serve", "--external-url", "https://tiga.example.com/x"}, 78, []string{"--external-url"}},
		"plain http elsewhere":       {[]string{"serve", "--external-url", "http://tiga.example.com"}, 78, []string{"--external-url", "https"}},
		"proxies":                    {[]string{"serve", "--trusted-proxies", "ten"}, 78, []string{"--trusted-proxies", "10.0.0.0/8"}},
		"frames":                     {[]string{"serve", "--frame-ancestors", "*"}, 78, []string{"--frame-ancestors"}},
		"kubeconfig missing":         {[]string{"serve", "--kubeconfig", filepath.Join(dir, "none")}, 78, []string{"--kubeconfig"}},
		"kubeconfig broken":          {[]string{"serve", "--kubeconfig", broken}, 78, []string{"--kubeconfig"}},
		"key readable by others":     {[]string{"serve", "--key-file", loose}, 78, []string{"--key-file"}},
		"postgres without a key":     {[]string{"serve", "--database-url", "postgres://127.0.0.1:1/x"}, 78, []string{"--key-file", "head -c 32"}},
		"history days":               {[]string{"serve", "--history-days", "0"}, 78, []string{"--history-days", "from 1"}},
		"history rows":               {[]string{"serve", "--history-rows", "5"}, 78, []string{"--history-rows", "--history=off"}},
		"history":                    {[]string{"serve", "--history", "all"}, 64, []string{"--history", "watch"}},
		"short password":             {[]string{"serve", "--admin-password", "short"}, 78, []string{"--admin-password"}},
		"unknown flag":               {[]string{"serve", "--lissten", "x"}, 64, []string{"lissten"}},
		"unknown key in the file":    {[]string{"serve", "--config", settings}, 64, []string{"lissten", settings}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out := run(t, "", append(test.args, "--data-dir", filepath.Join(t.TempDir(), "data"))...)
			if code != test.code {
				t.Errorf("exit code %d, want %d\n%s", code, test.code, out)
			}
			for _, want := range test.says {
				if !strings.Contains(out, want) {
					t.Errorf("says nothing of %q:\n%s", want, out)
				}
			}
		})
	}
}

// Settings come from flags, then the environment, then the file.
func TestFlagWinsOverEnvironmentOverFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tiga.yaml")
	if err := os.WriteFile(file, []byte("external-url: http://from-the-file.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	_, out := run(t, "", "serve", "--config", file, "--data-dir", data)
	if !strings.Contains(out, "from-the-file") {
		t.Errorf("the file is not read: %s", out)
	}
	t.Setenv("TIGA_EXTERNAL_URL", "http://from-the-environment.example.com")
	if _, out = run(t, "", "serve", "--config", file, "--data-dir", data); !strings.Contains(out, "from-the-environment") {
		t.Errorf("the environment does not win over the file: %s", out)
	}
	if _, out = run(t, "", "serve", "--config", file, "--data-dir", data, "--external-url", "http://from-the-flag.example.com"); !strings.Contains(out, "from-the-flag") {
		t.Errorf("the flag does not win over the environment: %s", out)
	}
}

func TestSecondStartOnTheSameStoreIsRefused(t *testing.T) {
	a := start(t, options{})
	code, out := run(t, "", "serve", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(a.dir, "data"))
	if code != 78 || !strings.Contains(out, "--data-dir") || !strings.Contains(out, "in use by another tiga") {
		t.Errorf("second start: exit code %d\n%s", code, out)
	}
	if r := a.signIn("admin", password).get("/"); r.status != http.StatusOK {
		t.Errorf("the first one suffered: %d", r.status)
	}
}

// SIGTERM ends streams, lets requests finish and leaves with 0, well within 25 seconds. F20
func TestF20_SigtermDrains(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	stream, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("live stream: %s", stream.Status)
	}
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(25 * time.Second):
		t.Fatal("did not end within 25 s")
	}
	if !strings.Contains(a.errs.String(), "audit checkpoint") {
		t.Error("left without a checkpoint of the audit log")
	}
}

// What was done survives a restart: the session, the clusters without duplicates, the audit log, which verifies.
func TestRestartForgetsNothing(t *testing.T) {
	a := start(t, options{})
	c := a.signIn("admin", password)
	id := c.clusterID("staging")
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait()

	b := start(t, options{dir: a.dir})
	again := &client{t: t, base: b.url, http: c.http}
	here, err := url.Parse(a.url)
	if err != nil {
		t.Fatal(err)
	}
	there, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	again.http.Jar.SetCookies(there, c.http.Jar.Cookies(here))
	if got := again.clusterID("staging"); got != id { // FR-0.8
		t.Errorf("staging has id %d, had %d", got, id)
	}
	var list struct{ Total int }
	if again.api(http.MethodGet, "/clusters", nil, &list); list.Total != 3 {
		t.Errorf("%d clusters after importing again, want 3", list.Total)
	}
	code, out := run(t, "", "audit", "verify", "--data-dir", filepath.Join(a.dir, "data"))
	if code != 0 || !strings.Contains(out, "The audit log is whole") {
		t.Errorf("audit verify beside the server: %d\n%s", code, out)
	}
	if code, out := run(t, "", "doctor", "--data-dir", filepath.Join(a.dir, "data")); code != 0 || !strings.Contains(out, "cluster staging") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
}

func TestUsersByCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	code, out := run(t, "", "user", "add", "ann", "--role", "operator", "--data-dir", dir)
	if code != 0 || !strings.Contains(out, "one-time password") {
		t.Fatalf("user add: %d\n%s", code, out)
	}
	if code, out = run(t, "", "user", "add", "Ann", "--data-dir", dir); code == 0 {
		t.Errorf("two users of one name: %s", out)
	}
	if code, out = run(t, "", "user", "add", "bob", "--role", "nobody", "--data-dir", dir); code != 78 || !strings.Contains(out, "--role") {
		t.Errorf("unknown role: %d %s", code, out)
	}
	if code, out = run(t, "a long enough secret for ann\n", "user", "passwd", "ann", "--password-stdin", "--data-dir", dir); code != 0 {
		t.Errorf("user passwd: %d %s", code, out)
	}
	if code, out = run(t, "", "version"); code != 0 || !strings.HasPrefix(out, "tiga ") {
		t.Errorf("version: %d %s", code, out)
	}
	if code, out = run(t, "", "migrate", "--data-dir", dir); code != 0 || !strings.Contains(out, "up to date") {
		t.Errorf("migrate: %d %s", code, out)
	}
}
