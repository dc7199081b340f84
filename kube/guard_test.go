package kube

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kubetest"
)

// TestA15_TheSecondLockLetsOnlyReadsOut: whatever the code above does wrong, nothing but reads leaves for a read-only
// cluster, and switching it to read-only takes effect at once.
func TestA15_TheSecondLockLetsOnlyReadsOut(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning), deployment("shop", "web", 3)}})
	r := newRig(t, s)
	creds := credentials(t, s)
	c := r.add(t, 1, "one", creds)
	r.healthy(t, 1)
	if err := r.Set(Spec{ID: 1, Name: "one", Enabled: true, ReadOnly: true, Credentials: creds}); err != nil {
		t.Fatal(err)
	}
	if now, err := r.Cluster(1); err != nil || now != c || !c.ReadOnly() {
		t.Fatalf("read-only made another cluster: %v", err)
	}
	s.Reset()
	base := s.URL()
	try := func(method, path string, header http.Header) error {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(req.Header, header)
		resp, err := c.conn.http.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	pods := "/api/v1/namespaces/shop/pods/a"
	n := 0
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get"} {
		for _, path := range []string{pods, "/api/v1/namespaces/shop/pods", "/apis/apps/v1/namespaces/shop/deployments/web", "/api/v1/nodes/n", "/version", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"} {
			if err := try(method, path, nil); !errors.Is(err, errReadOnly) {
				t.Errorf("%s %s: %v", method, path, err)
			}
			n++
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		for _, sub := range []string{"exec", "attach", "portforward", "proxy", "proxy/a/b", "eviction", "token", "binding", "ephemeralcontainers", "scale", "resize", "finalize"} {
			for _, of := range []string{pods, "/apis/apps/v1/namespaces/shop/deployments/web", "/api/v1/namespaces/shop/services/s", "/api/v1/watch/namespaces/shop/pods/a"} {
				if err := try(method, of+"/"+sub, nil); !errors.Is(err, errReadOnly) {
					t.Errorf("%s %s: %v", method, of+"/"+sub, err)
				}
				n++
			}
		}
	}
	if err := try("GET", pods, http.Header{"Upgrade": {"SPDY/3.1"}}); !errors.Is(err, errReadOnly) {
		t.Errorf("upgrade: %v", err)
	}
	if len(s.Requests()) > 0 {
		t.Errorf("%d of %d requests arrived:\n%s", len(s.Requests()), n, paths(s.Requests()))
	}
	for _, path := range []string{pods, pods + "/status", "/apis/apps/v1/deployments", "/version"} {
		if err := try("GET", path, nil); err != nil {
			t.Errorf("GET %s: %v", path, err)
		}
	}
	if len(s.Requests()) != 4 {
		t.Errorf("reads were refused:\n%s", paths(s.Requests()))
	}
	// The actions say so in words, and with a permit that was made before.
	d := kindOf(t, "deployments.apps")
	_, err := c.Scale(t.Context(), r.permit(t, "root", "one", d, access.VerbScale, "shop", "web"), d, "shop", "web", ScaleOptions{Replicas: 1})
	if !errors.Is(err, ErrReadOnly) || len(s.Changes()) > 0 {
		t.Errorf("scale: %v", err)
	}
}

// TestNodesProxyIsNeverRequested, read-only or not.
func TestNodesProxyIsNeverRequested(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	s.Reset()
	for _, path := range []string{"/api/v1/nodes/n/proxy", "/api/v1/nodes/n/proxy/logs", "/api/v1/proxy/nodes/n"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.conn.http.Do(req)
		if !errors.Is(err, errForbiddenPath) {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if len(s.Requests()) > 0 {
		t.Errorf("arrived: %s", paths(s.Requests()))
	}
}

func TestResourceOfAPath(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/namespaces/a/pods/b/exec":                   "pods exec",
		"/api/v1/namespaces/a/pods/b/proxy/x/y":              "pods proxy",
		"/api/v1/namespaces/a/pods/b":                        "pods ",
		"/api/v1/namespaces/a":                               "namespaces ",
		"/api/v1/namespaces/a/status":                        "namespaces status",
		"/api/v1/namespaces/a/finalize":                      "namespaces finalize",
		"/api/v1/nodes/n/proxy":                              "nodes proxy",
		"/apis/apps/v1/namespaces/a/deployments/b/scale":     "deployments scale",
		"//apis//apps/v1/namespaces/a/deployments/b/scale//": "deployments scale",
		"/apis/apps/v1/deployments":                          "deployments ",
		"/version":                                           " ",
		"/":                                                  " ",
	} {
		resource, sub := resourceOf(path)
		if got := resource + " " + sub; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
