package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kubetest"
)

func rulesAsked(s *kubetest.Server) (n int) {
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "selfsubjectrulesreviews") {
			n++
		}
	}
	return n
}

// TestLets: what the cluster allows is asked once for a while, and only a whole answer refuses.
func TestLets(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Allow: func(a kubetest.Attributes) bool {
		return a.Verb != "patch" && a.Subresource != "eviction"
	}})
	var ahead atomic.Int64
	r := newRig(t, s, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	c := r.add(t, 1, "one", credentials(t, s))
	patch := Right{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: "shop"}
	lets := func(r Right) Verdict { return c.Lets(t.Context(), r, "x") }
	for right, want := range map[Right]Verdict{
		patch: Denied, {Verb: "update", Group: "apps", Resource: "deployments/scale", Namespace: "shop"}: Allowed,
		{Verb: "create", Resource: "pods/eviction", Namespace: "shop"}: Denied, {Verb: "patch", Resource: "nodes"}: Denied, {Verb: "get", Resource: "nodes"}: Allowed,
	} {
		if got := lets(right); got != want {
			t.Errorf("%s: %d, want %d", right, got, want)
		}
	}
	if n := rulesAsked(s); n != 2 { // shop, and the one for what has no namespace
		t.Errorf("asked %d times", n)
	}
	// The answer stands while a newer one is fetched, and goes when it is too old.
	s.Authorize(nil)
	ahead.Store(int64(2 * time.Minute))
	lets(patch)
	eventually(t, "the newer answer", func() bool { return lets(patch) == Allowed })
	s.Script(func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, "selfsubjectrulesreviews") {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "status": map[string]any{
			"resourceRules": []any{}, "nonResourceRules": []any{}, "incomplete": true, "evaluationError": "a webhook cannot list its rules",
		}})
		return true
	})
	ahead.Store(int64(20 * time.Minute))
	if got := lets(patch); got != Unknown {
		t.Errorf("an answer that is not whole: %d", got)
	}
}

// TestLetsWaitsNoLongerThanItsCaller: a cluster that does not answer holds nobody up.
func TestLetsWaitsNoLongerThanItsCaller(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	arrived, release := make(chan struct{}), make(chan struct{})
	s.Script(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "selfsubjectrulesreviews") {
			close(arrived)
			<-release
		}
		return false
	})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	right := Right{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: "shop"}
	if got := c.Lets(ctx, right, ""); got != Unknown {
		t.Errorf("before it answered: %d", got)
	}
	close(release)
	eventually(t, "the answer came after all", func() bool { return c.Lets(t.Context(), right, "") == Allowed })
	readOnly := r.add(t, 2, "two", credentials(t, s), func(sp *Spec) { sp.ReadOnly = true })
	before := rulesAsked(s)
	if got := readOnly.Lets(t.Context(), right, ""); got != Unknown || rulesAsked(s) != before {
		t.Errorf("a read-only cluster was asked: %d", got)
	}
}

// TestReveal: the value is in the answer, and in nothing that is written down by accident. A24
func TestReveal(t *testing.T) {
	const canary = "canary-value-1234"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"password": []byte(canary)}}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{secret}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "secrets")
	permit := r.permit(t, "root", "one", k, access.VerbReveal, "shop", "db")
	value, change, err := c.Reveal(t.Context(), permit, k, "shop", "db", "password")
	if err != nil || string(value.Bytes()) != canary {
		t.Fatalf("%v, %d bytes", err, len(value.Bytes()))
	}
	encoded, err := json.Marshal(map[string]any{"value": value, "change": change})
	if err != nil {
		t.Fatal(err)
	}
	written := string(encoded) + fmt.Sprintf("%v %+v %#v %s %v", value, value, value, value, change)
	if strings.Contains(written, canary) || !strings.Contains(written, "(17 bytes)") || !strings.Contains(change.Diff, "password") {
		t.Errorf("written as %s", written)
	}
	if _, _, err = c.Reveal(t.Context(), permit, k, "shop", "db", "no"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such key: %v", err)
	}
	if _, _, err = c.Reveal(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "db"), k, "shop", "db", "password"); !errors.Is(err, access.ErrForbidden) {
		t.Errorf("with the right to get it: %v", err)
	}
}
