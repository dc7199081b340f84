package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/kubetest"
)

// TestA26_AServerThatRepeatsOurTokenIsNotBelieved with it: its words are shown without.
func TestA26_AServerThatRepeatsOurTokenIsNotBelieved(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	said := ""
	s.Script(func(w http.ResponseWriter, r *http.Request) bool {
		said = fmt.Sprintf("who is %s? I do not know %[1]s", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,"reason":"Forbidden","message":%q}`, said)
		return true
	})
	r := newRig(t, s)
	_, err := r.Test(t.Context(), loaded(t, t.TempDir(), s, func(*clientcmdapi.Config) {}))
	if err == nil || !strings.Contains(said, kubetest.DefaultToken) {
		t.Fatalf("the server said %q, the test %v", said, err)
	}
	c := r.add(t, 1, "one", loaded(t, t.TempDir(), s, func(*clientcmdapi.Config) {}))
	r.wait(t, 1, "an error", func(s State) bool { return s.Health == HealthError })
	all := fmt.Sprintf("%v %+v %+v", err, err, c.State())
	if strings.Contains(all, kubetest.DefaultToken) || !strings.Contains(all, "who is [redacted]? I do not know [redacted]") {
		t.Errorf("shown: %s", all)
	}
}
