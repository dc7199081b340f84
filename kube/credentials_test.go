package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// loaded reads a file that the operator named.
func loaded(t *testing.T, dir string, s *kubetest.Server, edit func(*clientcmdapi.Config)) kubeconfig.Credentials {
	t.Helper()
	path := filepath.Join(dir, "config")
	if err := os.WriteFile(path, s.Kubeconfig(edit), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := kubeconfig.Load([]string{path}, kubeconfig.Policy{AllowExec: true, Now: time.Now()})
	if err != nil || len(got) != 1 || len(got[0].Problems) > 0 {
		t.Fatalf("load: %+v, %v", got, err)
	}
	return got[0].Credentials
}

// TestFR0_8_ATokenInAFileIsReadAgain when it was renewed, as a service account's is every hour.
func TestFR0_8_ATokenInAFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		token := filepath.Join(dir, "token")
		write := func(content string) {
			if err := os.WriteFile(token, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(kubetest.DefaultToken)
		s := kubetest.New(t, kubetest.Options{Memory: true})
		r := newRig(t, s)
		c := r.add(t, 1, "one", loaded(t, dir, s, func(f *clientcmdapi.Config) {
			f.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{TokenFile: "token"}
		}))
		r.healthy(t, 1)
		s.SetToken("renewed")
		write("renewed")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if got := c.State(); got.Health != HealthHealthy || time.Since(got.Checked) > time.Minute {
			t.Errorf("after the renewal: %+v", got)
		}
	})
}

// TestCredentialPlugins: one that the operator allowed works; one that hangs holds up nothing longer than the request's
// own time, and one that fails is named as the reason.
func TestCredentialPlugins(t *testing.T) {
	plugin := func(t *testing.T, s *kubetest.Server, script string) kubeconfig.Credentials {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return loaded(t, dir, s, func(f *clientcmdapi.Config) {
			f.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
				APIVersion: "client.authentication.k8s.io/v1", Command: "./plugin", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			}}
		})
	}
	allow := func(c *Config) { c.AllowExec = true }
	t.Run("works", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{})
		r := newRig(t, nil, allow)
		report, err := r.Test(t.Context(), plugin(t, s, `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"`+kubetest.DefaultToken+`"}}'`))
		if err != nil || report.Version == "" {
			t.Errorf("report %+v, %v", report, err)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{})
		marker := filepath.Join(t.TempDir(), "ran")
		err := newRig(t, nil).Set(Spec{ID: 1, Name: "one", Enabled: true, Credentials: plugin(t, s, "touch "+marker)})
		var e *Error
		if !errors.As(err, &e) || e.Reason.ID != "cluster.exec_refused" {
			t.Errorf("set: %v", err)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Error("it was run")
		}
	})
	t.Run("fails", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{})
		_, err := newRig(t, nil, allow).Test(t.Context(), plugin(t, s, "exit 3"))
		var e *Error
		if !errors.As(err, &e) || e.Reason.ID != "cluster.exec_failed" || !errors.Is(err, ErrUnauthorized) {
			t.Errorf("test: %v", err)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{})
		r := newRig(t, nil, allow)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := r.Test(ctx, plugin(t, s, "exec sleep 8"))
		if took := time.Since(began); !errors.Is(err, ErrTimeout) || took > 4*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// TestA25_NothingSecretIsLogged, nor in an error, whatever goes wrong.
func TestA25_NothingSecretIsLogged(t *testing.T) {
	const body = "body-canary-91c7"
	for name, script := range map[string]kubetest.Script{
		"401": kubetest.Unauthorized, "403": kubetest.Forbidden, "garbage": kubetest.Garbage("text/html", body),
		"json": kubetest.Garbage("application/json", `{"a":"`+body+`"}`), "truncated": kubetest.Truncated,
		"500": kubetest.Status(500, metav1.StatusReasonInternalError, "broken"), "throttled": kubetest.Throttle(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var out bytes.Buffer
			s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
			s.Script(script)
			r := newRig(t, nil, func(c *Config) {
				c.Log = slog.New(slog.NewJSONHandler(locked{&mu, &out}, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
			})
			c := r.add(t, 1, "one", credentials(t, s))
			r.wait(t, 1, "checked", func(State) bool { return true })
			pods := kindOf(t, "pods")
			c.Touch(pods)
			_, err := c.Get(t.Context(), r.permit(t, "root", "one", pods, "get", "shop", "a"), pods, "shop", "a")
			_, testErr := r.Test(t.Context(), credentials(t, s))
			c.log.Error("on purpose", "err", err, "cluster", c.description())
			all := fmt.Sprintf("%v\n%+v\n%v\n%+v\n%#v", err, err, testErr, c.State(), c.description())
			mu.Lock()
			defer mu.Unlock()
			for _, secret := range []string{kubetest.DefaultToken, body} {
				if strings.Contains(all, secret) {
					t.Errorf("said: %s", all)
				}
				if strings.Contains(out.String(), secret) {
					t.Errorf("logged: %s", out.String())
				}
			}
			if out.Len() == 0 {
				t.Error("nothing was logged at all")
			}
		})
	}
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestA15_TheLockKnowsServersBehindAPath, as those behind a gateway are.
func TestA15_TheLockKnowsServersBehindAPath(t *testing.T) {
	base, err := url.Parse("https://gateway.example/k8s/clusters/c-1/")
	if err != nil {
		t.Fatal(err)
	}
	var readOnly atomic.Bool
	readOnly.Store(true)
	sent := 0
	rt := lock(base, &readOnly, roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	for path, ok := range map[string]bool{
		"/k8s/clusters/c-1/api/v1/namespaces/a/pods/b":      true,
		"/k8s/clusters/c-1/api/v1/namespaces/a/pods/b/exec": false,
		"/k8s/clusters/c-1/api/v1/nodes/n/proxy/metrics":    false,
	} {
		before := sent
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://gateway.example"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != ok || (sent > before) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}
