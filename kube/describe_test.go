package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/kubetest"
)

// as decides for a user, as handlers do.
func (r *rig) as(user string) func(access.Request) (access.Permit, error) {
	return func(req access.Request) (access.Permit, error) {
		return r.authority.Check(access.Subject{UserID: 1, Name: user}, req)
	}
}

func described(t *testing.T, r *rig, c *Cluster, user, kind, namespace, name string) Description {
	t.Helper()
	k := kindOf(t, kind)
	d, err := c.Describe(t.Context(), r.permit(t, "root", c.Name(), k, access.VerbGet, namespace, name), k, namespace, name, r.as(user))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func onNode(namespace, name, node string) *corev1.Pod {
	p := pod(namespace, name, corev1.PodRunning)
	p.Spec.NodeName, p.UID = node, types.UID("uid-"+name)
	return p
}

func eventAbout(namespace, name string, o corev1.ObjectReference, message string) *corev1.Event {
	return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, InvolvedObject: o, Reason: "Told", Message: message, Type: corev1.EventTypeNormal, LastTimestamp: metav1.Now()}
}

// TestDescribeSaysWhatKubectlSays of a pod: its containers and its events.
func TestDescribeSaysWhatKubectlSays(t *testing.T) {
	p := onNode("shop", "web-1", "n-1")
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{
		p, eventAbout("shop", "e", corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1", UID: p.UID}, "pulled the image"),
	}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	d := described(t, r, c, "ann", "pods", "shop", "web-1")
	for _, want := range []string{"Name:         web-1\n", "Namespace:    shop\n", "Image:        nginx", "pulled the image"} {
		if !strings.Contains(d.Text, want) {
			t.Errorf("no %q in\n%s", want, d.Text)
		}
	}
	if len(d.Refused) > 0 || d.Limited {
		t.Errorf("left out: %+v, limited %v", d.Refused, d.Limited)
	}
	for _, got := range s.Requests() {
		if agent := got.Header.Get("User-Agent"); strings.Contains(got.Path, "/pods/") && agent != "tiga (user root)" {
			t.Errorf("%s %s is made by %q", got.Method, got.Path, agent)
		}
	}
}

// TestA10_DescribeShowsNobodyElsesObjects: kubectl lists the pods of all namespaces on a node, and its events. Somebody who
// may see one namespace sees what is in it, and not a word of the rest.
func TestA10_DescribeShowsNobodyElsesObjects(t *testing.T) {
	const canary = "canary-7731"
	bank := onNode("bank", canary+"-pod", "n-1")
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{
		node("n-1", corev1.ConditionTrue, time.Now()), onNode("shop", "web-1", "n-1"), bank,
		eventAbout("bank", "e", corev1.ObjectReference{Kind: "Node", Name: "n-1", UID: "n-1"}, canary+" event"),
		eventAbout("shop", "e", corev1.ObjectReference{Kind: "Node", Name: "n-1", UID: "n-1"}, "seen from the shop"),
	}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	all := described(t, r, c, "root", "nodes", "", "n-1")
	for _, want := range []string{"web-1", canary + "-pod", canary + " event", "(2 in total)"} {
		if !strings.Contains(all.Text, want) {
			t.Errorf("no %q for the administrator in\n%s", want, all.Text)
		}
	}
	if all.Limited || len(all.Refused) > 0 {
		t.Errorf("the administrator is told of limits: %+v", all)
	}
	k := kindOf(t, "nodes")
	mine, err := c.Describe(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "", "n-1"), k, "", "n-1", r.withNodes("ann"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(mine.Text, canary) || strings.Contains(fmt.Sprint(mine.Refused), canary) {
		t.Errorf("ann sees the bank:\n%s\n%+v", mine.Text, mine.Refused)
	}
	if !strings.Contains(mine.Text, "web-1") || !strings.Contains(mine.Text, "seen from the shop") {
		t.Errorf("ann does not see the shop:\n%s", mine.Text)
	}
	lease := access.Request{Cluster: "one", Namespace: "kube-node-lease", Group: "coordination.k8s.io", Resource: "leases", Name: "n-1", Namespaced: true, Verb: access.VerbGet}
	if !slices.Contains(mine.Refused, lease) {
		t.Errorf("the lease of the node is not said to be missing: %+v", mine.Refused)
	}
}

// withNodes decides for a user who may see nodes besides.
func (r *rig) withNodes(user string) func(access.Request) (access.Permit, error) {
	return func(req access.Request) (access.Permit, error) {
		if req.Resource == "nodes" {
			return r.as("root")(req)
		}
		return r.as(user)(req)
	}
}

// TestDescribeFiltersLists: of a list over all namespaces there is what the permit shows, and it is said that there may be
// more, whether there is or not.
func TestDescribeFiltersLists(t *testing.T) {
	for _, others := range []int{0, 3} {
		objects := []kruntime.Object{node("n-1", corev1.ConditionTrue, time.Now()), onNode("shop", "web-1", "n-1")}
		for i := range others {
			objects = append(objects, onNode("bank", fmt.Sprintf("canary-%d", i), "n-1"))
		}
		s := kubetest.New(t, kubetest.Options{Objects: objects})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		k := kindOf(t, "nodes")
		d, err := c.Describe(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "", "n-1"), k, "", "n-1", r.withNodes("ann"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(d.Text, "(1 in total)") || !strings.Contains(d.Text, "web-1") || strings.Contains(d.Text, "canary") {
			t.Errorf("with %d pods elsewhere:\n%s", others, d.Text)
		}
		if !d.Limited {
			t.Errorf("with %d pods elsewhere it is not said that lists are limited", others)
		}
	}
}

// TestDescribeAsksBeforeItReads: what the rights refuse is never asked of the cluster, and is told.
func TestDescribeAsksBeforeItReads(t *testing.T) {
	p := onNode("shop", "web-1", "n-1")
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{
		p, eventAbout("shop", "e", corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1", UID: p.UID}, "canary"),
	}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	s.Reset()
	k := kindOf(t, "pods")
	var asked []access.Request
	d, err := c.Describe(t.Context(), r.permit(t, "ann", "one", k, access.VerbGet, "shop", "web-1"), k, "shop", "web-1", func(req access.Request) (access.Permit, error) {
		asked = append(asked, req)
		if req.Resource == "events" {
			return access.Permit{}, access.ErrForbidden
		}
		return r.as("ann")(req)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Request{
		{Cluster: "one", Namespace: "shop", Resource: "pods", Name: "web-1", Namespaced: true, Verb: access.VerbGet},
		{Cluster: "one", Namespace: "shop", Resource: "events", Namespaced: true, Verb: access.VerbList},
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %+v", asked)
	}
	if !slices.Equal(d.Refused, want[1:]) || strings.Contains(d.Text, "canary") || !strings.Contains(d.Text, "web-1") {
		t.Errorf("refused %+v\n%s", d.Refused, d.Text)
	}
	for _, got := range s.Requests() {
		if strings.Contains(got.Path, "events") {
			t.Errorf("the cluster was asked %s", got.Path)
		}
	}
	// Without a permit for exactly this object nothing is asked at all.
	s.Reset()
	if _, err := c.Describe(t.Context(), r.permit(t, "ann", "one", k, access.VerbGet, "shop", "other"), k, "shop", "web-1", r.as("root")); !errors.Is(err, access.ErrForbidden) {
		t.Errorf("with a permit for another object: %v", err)
	}
	for _, got := range s.Requests() { // but for what the cluster itself is asked about its health
		if strings.Contains(got.Path, "namespaces") {
			t.Errorf("asked without a permit: %s", got.Path)
		}
	}
}

// TestA24_DescribeOfASecretHasSizesOnly, of the token of a service account too, which kubectl prints.
func TestA24_DescribeOfASecretHasSizesOnly(t *testing.T) {
	const canary = "canary-5f2c-value"
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "token", Annotations: map[string]string{lastApplied: canary, "note": "kept"}},
			Type:       corev1.SecretTypeServiceAccountToken, Data: map[string][]byte{"token": []byte(canary), "ca.crt": []byte(canary + "x")},
		},
	}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := secrets()
	d, err := c.Describe(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "token"), k, "shop", "token", r.as("root"))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
		if strings.Contains(d.Text, form) {
			t.Errorf("%q is in\n%s", form, d.Text)
		}
	}
	for _, want := range []string{"token:   17 bytes", "ca.crt:  18 bytes", "kept"} {
		if !strings.Contains(d.Text, want) {
			t.Errorf("no %q in\n%s", want, d.Text)
		}
	}
}

// TestDescribeOfAnythingElse: a kind that kubectl has no describer for is described field by field.
func TestDescribeOfAnythingElse(t *testing.T) {
	crd := kubetest.Definition("example.com", "widgets", "Widget", apiextensionsv1.NamespaceScoped, "v1")
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{crd}})
	s.Add(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"namespace": "shop", "name": "w"}, "spec": map[string]any{"teeth": int64(12)},
	}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k, err := c.Kind(t.Context(), "widgets.example.com")
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Describe(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "w"), k, "shop", "w", r.as("root"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Name:         w", "Kind:         Widget", "Teeth:  12"} {
		if !strings.Contains(d.Text, want) {
			t.Errorf("no %q in\n%s", want, d.Text)
		}
	}
}

// TestDescribeFailsInWords: what the cluster answers to the read of the object itself is the error.
func TestDescribeFailsInWords(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "pods")
	permit := r.permit(t, "root", "one", k, access.VerbGet, "shop", "gone")
	if _, err := c.Describe(t.Context(), permit, k, "shop", "gone", r.as("root")); !errors.Is(err, ErrNotFound) {
		t.Errorf("an object that is not there: %v", err)
	}
	s.Script(kubetest.Status(http.StatusInternalServerError, "InternalError", "went wrong"))
	var e *Error
	if _, err := c.Describe(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "a"), k, "shop", "a", r.as("root")); !errors.As(err, &e) {
		t.Errorf("a cluster that fails: %v", err)
	}
}

// TestOnlyPlainReadsPassTheGuard: code that is not ours can make it ask for nothing but objects and lists of this server.
func TestOnlyPlainReadsPassTheGuard(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	g, err := c.newReadGuard(t.Context(), r.as("root"))
	if err != nil {
		t.Fatal(err)
	}
	base := c.conn.rest.Host
	send := func(method, address string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return g.RoundTrip(req)
	}
	r.healthy(t, 1)
	s.Reset()
	for _, stray := range [][2]string{
		{"POST", base + "/api/v1/namespaces/shop/pods"},
		{"DELETE", base + "/api/v1/namespaces/shop/pods/a"},
		{"GET", base + "/api/v1/namespaces/shop/pods/a/log"},
		{"GET", base + "/api/v1/namespaces/shop/pods/a/exec"},
		{"GET", base + "/api/v1/nodes/n/proxy/metrics"},
		{"GET", base + "/api/v1/pods?watch=true"},
		{"GET", base + "/apis"},
		{"GET", base + "/version"},
		{"GET", base + "/api/v1/namespaces/shop/pods/..%2f..%2fbank%2fpods%2fb"},
		{"GET", base + "/api/v1/namespaces/../nodes"},
		{"GET", base + "//api/v1/pods"},
		{"GET", "https://elsewhere.example/api/v1/pods"},
		{"GET", strings.Replace(base, "https:", "http:", 1) + "/api/v1/pods"},
	} {
		resp, err := send(stray[0], stray[1])
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s %s passes", stray[0], stray[1])
		}
	}
	for path, want := range map[string]int{
		"/api/v1/namespaces/shop/pods/a": http.StatusOK, "/api/v1/namespaces/shop/pods": http.StatusOK, "/api/v1/pods": http.StatusOK,
		"/apis/unknown.example/v1/things": http.StatusNotFound, "/api/v1/namespaces/shop/nodes": http.StatusNotFound,
	} {
		resp, err := send(http.MethodGet, base+path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, got := range s.Requests() {
		if got.Method != http.MethodGet || strings.Contains(got.Path, "log") || strings.Contains(got.Path, "unknown.example") {
			t.Errorf("the cluster saw %s", got)
		}
	}
	// An answer that leads elsewhere is not followed.
	s.Script(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, (&url.URL{Scheme: "https", Host: "elsewhere.example"}).String(), http.StatusFound)
		return true
	})
	if resp, err := send(http.MethodGet, base+"/api/v1/pods"); err == nil {
		_ = resp.Body.Close()
		t.Error("a redirection is handed on")
	}
}
