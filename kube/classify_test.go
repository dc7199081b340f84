package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/kubetest"
)

// TestErrorsAreClassified holds every kind of failure that can come back against the one function that names it. The
// errors are real ones: each is made by a server that fails in that way.
func TestErrorsAreClassified(t *testing.T) {
	var bombed bytes.Buffer
	z := gzip.NewWriter(&bombed)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	bomb := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bombed.Bytes())
		return true
	}
	status := func(code int32, reason metav1.StatusReason) kubetest.Script {
		return kubetest.Status(code, reason, "the words of the cluster")
	}
	for _, tc := range []struct {
		name   string
		script kubetest.Script
		edit   func(*kubetest.Server, *clientcmdapi.Config)
		is     error
		reason string
		words  bool // the server's own words are kept
	}{
		{name: "not there", is: ErrNotFound, reason: "not_found", words: true},
		{name: "400", script: status(400, metav1.StatusReasonBadRequest), is: ErrInvalid, reason: "invalid", words: true},
		{name: "401", script: kubetest.Unauthorized, is: ErrUnauthorized, reason: "unauthorized", words: true},
		{name: "403", script: kubetest.Forbidden, is: ErrForbidden, reason: "forbidden", words: true},
		{name: "405", script: status(405, metav1.StatusReasonMethodNotAllowed), is: ErrInvalid, reason: "invalid", words: true},
		{name: "409", script: status(409, metav1.StatusReasonConflict), is: ErrConflict, reason: "conflict", words: true},
		{name: "409 exists", script: status(409, metav1.StatusReasonAlreadyExists), is: ErrExists, reason: "exists", words: true},
		{name: "410", script: status(410, metav1.StatusReasonExpired), is: ErrGone, reason: "gone", words: true},
		{name: "413", script: status(413, metav1.StatusReasonRequestEntityTooLarge), is: ErrInvalid, reason: "invalid", words: true},
		{name: "422", script: status(422, metav1.StatusReasonInvalid), is: ErrInvalid, reason: "invalid", words: true},
		{name: "429", script: kubetest.Throttle(30 * time.Second), is: ErrBusy, reason: "throttled", words: true},
		{name: "500", script: status(500, metav1.StatusReasonInternalError), is: ErrInternal, reason: "server_error", words: true},
		{name: "503", script: status(503, metav1.StatusReasonServiceUnavailable), is: ErrInternal, reason: "server_error", words: true},
		{name: "504", script: status(504, metav1.StatusReasonTimeout), is: ErrTimeout, reason: "server_timeout", words: true},
		{name: "redirect", script: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "https://evil.example/")
			w.WriteHeader(http.StatusFound)
			return true
		}, is: ErrInternal, reason: "not_kubernetes_status"},
		{name: "web page with 200", script: kubetest.Garbage("text/html", "<html>password: hunter2</html>"), is: ErrInternal, reason: "not_kubernetes"},
		{name: "web page with 502", script: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>password: hunter2</html>"))
			return true
		}, is: ErrInternal, reason: "not_kubernetes_status"},
		{name: "other JSON", script: kubetest.Garbage("application/json", `{"a":1}`), is: ErrInternal, reason: "not_kubernetes"},
		{name: "broken JSON", script: kubetest.Garbage("application/json", `{"kind":"Pod",`), is: ErrInternal, reason: "not_kubernetes"},
		{name: "another kind", script: kubetest.Garbage("application/json", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"a"}}`), is: ErrInternal, reason: "not_kubernetes"},
		{name: "broken protobuf", script: kubetest.Garbage("application/vnd.kubernetes.protobuf", "k8s\x00\xff\xff\xff"), is: ErrInternal, reason: "not_kubernetes"},
		{name: "nothing", script: kubetest.Garbage("application/json", ""), is: ErrInternal, reason: "not_kubernetes"},
		{name: "truncated", script: kubetest.Truncated, is: ErrUnreachable, reason: "reset"},
		{name: "too large", script: kubetest.Huge(8 << 20), is: ErrInternal, reason: "too_large"},
		{name: "too large after decompression", script: bomb, is: ErrInternal, reason: "too_large"},
		{
			name: "another authority", is: ErrUnreachable, reason: "tls_unknown_authority",
			edit: func(s *kubetest.Server, f *clientcmdapi.Config) {
				f.Clusters["kubetest"].CertificateAuthorityData = s.OtherCA(t)
			},
		},
		{
			name: "no TLS", is: ErrUnreachable, reason: "tls_none",
			edit: func(_ *kubetest.Server, f *clientcmdapi.Config) {
				plain := httptest.NewServer(http.NotFoundHandler())
				t.Cleanup(plain.Close)
				f.Clusters["kubetest"].Server = strings.Replace(plain.URL, "http:", "https:", 1)
			},
		},
		{
			name: "connection refused", is: ErrUnreachable, reason: "refused",
			edit: func(_ *kubetest.Server, f *clientcmdapi.Config) { deadAddress(f) },
		},
		{
			name: "no such name", is: ErrUnreachable, reason: "dns",
			edit: func(_ *kubetest.Server, f *clientcmdapi.Config) {
				f.Clusters["kubetest"].Server = "https://nowhere.invalid:6443"
			},
		},
		{
			name: "metadata service", is: ErrUnreachable, reason: "address_refused",
			edit: func(_ *kubetest.Server, f *clientcmdapi.Config) {
				f.Clusters["kubetest"].Server = "https://169.254.169.254"
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{})
			// Only what is asked for here: a health check that is refused first would lock the credentials.
			s.Script(kubetest.On("/api/v1/namespaces/", orNothing(tc.script)))
			r := newRig(t, nil, func(c *Config) {
				c.maxResponse = 4 << 20
				c.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
				}}
			})
			c := r.add(t, 1, "one", credentials(t, s, func(f *clientcmdapi.Config) {
				if tc.edit != nil {
					tc.edit(s, f)
				}
			}))
			pods := kindOf(t, "pods")
			_, err := c.Get(t.Context(), r.permit(t, "root", "one", pods, "get", "shop", "a"), pods, "shop", "a")
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tc.is) || e.Reason.ID != "cluster."+tc.reason {
				t.Fatalf("%v with reason %+v, want %v because of %s", err, e, tc.is, tc.reason)
			}
			if e.Cluster != "one" || e.Op != "get" || e.Resource != "pods" || e.Namespace != "shop" || e.Name != "a" {
				t.Errorf("it does not say what was tried: %+v", e)
			}
			if (e.Server != "") != tc.words {
				t.Errorf("the server's words are %q", e.Server)
			}
			if strings.Contains(fmt.Sprint(e.Reason, e.Server), "hunter2") {
				t.Errorf("what is no API server's answer is repeated: %+v", e)
			}
			for _, other := range []error{ErrNotFound, ErrForbidden, ErrUnauthorized, ErrUnreachable, ErrTimeout, ErrConflict, ErrExists, ErrInvalid, ErrBusy, ErrGone, ErrInternal, ErrReadOnly, ErrDisabled} {
				if errors.Is(err, other) != (other == tc.is) { //nolint:errorlint // the sentinels themselves are compared
					t.Errorf("is %v: %v", other, errors.Is(err, other))
				}
			}
		})
	}
}

// orNothing is a script that may be missing.
func orNothing(s kubetest.Script) kubetest.Script {
	if s == nil {
		return func(http.ResponseWriter, *http.Request) bool { return false }
	}
	return s
}
