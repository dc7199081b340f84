package kubetest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"tiga/kube/kubetest"
)

func clientset(t *testing.T, s *kubetest.Server, contentType string) *kubernetes.Clientset {
	t.Helper()
	cfg, err := clientcmd.RESTConfigFromKubeConfig(s.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	cfg.ContentType = contentType
	cfg.Dial = s.Dial
	cs, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

// The oracle has to speak as a real API server does, so client-go itself is asked whether it does.
func TestServerSpeaksToClientGo(t *testing.T) {
	for _, contentType := range []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf} {
		t.Run(contentType, func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{pod("a"), pod("b"), pod("c")}})
			cs := clientset(t, s, contentType)
			ctx := t.Context()

			list, err := cs.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 2})
			if err != nil || len(list.Items) != 2 || list.Continue == "" || *list.RemainingItemCount != 1 {
				t.Fatalf("first chunk: %d pods, continue %q, %v", len(list.Items), list.Continue, err)
			}
			rest, err := cs.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 2, Continue: list.Continue})
			if err != nil || len(rest.Items) != 1 || rest.Items[0].Name != "c" {
				t.Fatalf("second chunk: %+v, %v", rest.Items, err)
			}
			w, err := cs.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{ResourceVersion: rest.ResourceVersion})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			s.Add(pod("d"))
			s.Delete(pod("a"))
			if e := <-w.ResultChan(); e.Type != watch.Added || e.Object.(*corev1.Pod).Name != "d" {
				t.Errorf("first event %v %T", e.Type, e.Object)
			}
			if e := <-w.ResultChan(); e.Type != watch.Deleted || e.Object.(*corev1.Pod).Name != "a" {
				t.Errorf("second event %v %T", e.Type, e.Object)
			}
			if _, err := cs.CoreV1().Pods("default").Get(ctx, "nobody", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("missing pod: %v", err)
			}
			v, err := cs.Discovery().ServerVersion()
			if err != nil || v.GitVersion != "v1.37.2" {
				t.Errorf("version %+v, %v", v, err)
			}
		})
	}
}

func TestServerFeedsAnInformer(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{pod("a")}})
	f := informers.NewSharedInformerFactory(clientset(t, s, runtime.ContentTypeProtobuf), 0)
	seen := make(chan string, 10)
	inf := f.Core().V1().Pods().Informer()
	if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { seen <- o.(*corev1.Pod).Name },
	}); err != nil {
		t.Fatal(err)
	}
	f.Start(t.Context().Done())
	if got := <-seen; got != "a" {
		t.Errorf("first pod %q", got)
	}
	s.Add(pod("b"))
	if got := <-seen; got != "b" {
		t.Errorf("second pod %q", got)
	}
	streamed := false
	for _, r := range s.Requests() {
		streamed = streamed || r.Query.Get("sendInitialEvents") == "true"
	}
	if !streamed {
		t.Error("the informer did not use a streaming list")
	}
}

func TestServerKeepsPreconditions(t *testing.T) {
	three := int32(3)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: appsv1.DeploymentSpec{Replicas: &three}}
	s := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{d, pod("a")}})
	cs := clientset(t, s, runtime.ContentTypeProtobuf)
	ctx := t.Context()

	scale, err := cs.AppsV1().Deployments("shop").GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil || scale.Spec.Replicas != 3 {
		t.Fatalf("scale %+v, %v", scale, err)
	}
	stale := scale.DeepCopy()
	scale.Spec.Replicas = 5
	if scale, err = cs.AppsV1().Deployments("shop").UpdateScale(ctx, "web", scale, metav1.UpdateOptions{}); err != nil || scale.Spec.Replicas != 5 {
		t.Fatalf("scaled %+v, %v", scale, err)
	}
	stale.Spec.Replicas = 1
	if _, err = cs.AppsV1().Deployments("shop").UpdateScale(ctx, "web", stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale scale: %v", err)
	}
	if n := *s.Object(d).(*appsv1.Deployment).Spec.Replicas; n != 5 {
		t.Errorf("%d replicas are stored", n)
	}
	patched, err := cs.AppsV1().Deployments("shop").Patch(ctx, "web", types.StrategicMergePatchType,
		[]byte(`{"metadata":{"annotations":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil || patched.Annotations["a"] != "b" || *patched.Spec.Replicas != 5 {
		t.Errorf("patched %+v, %v", patched, err)
	}
	other := types.UID("someone-else")
	err = cs.CoreV1().Pods("default").Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	if !apierrors.IsConflict(err) || s.Object(pod("a")) == nil {
		t.Errorf("delete with another UID: %v", err)
	}
	if err = cs.CoreV1().Pods("default").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil || s.Object(pod("a")) != nil {
		t.Errorf("delete: %v", err)
	}
	if n := len(s.Changes()); n != 5 {
		t.Errorf("%d changes were recorded: %v", n, s.Changes())
	}
}

func TestServerRefuses(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	cs := clientset(t, s, runtime.ContentTypeProtobuf)
	list := func() error {
		_, err := cs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		return err
	}
	s.Authorize(func(a kubetest.Attributes) bool { return a.Namespace == "mine" })
	if err := list(); !apierrors.IsForbidden(err) {
		t.Errorf("not authorized: %v", err)
	}
	if _, err := cs.CoreV1().Pods("mine").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("authorized: %v", err)
	}
	s.SetToken("another")
	if err := list(); !apierrors.IsUnauthorized(err) {
		t.Errorf("another token: %v", err)
	}
	s.Script(kubetest.Status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "etcd is away"))
	if err := list(); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("script: %v", err)
	}
}

func TestServerAcceptsClientCertificates(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	try := func(notAfter time.Time) error {
		cert, key := s.ClientCertificate(t, "alice", time.Now().Add(-time.Hour), notAfter)
		cs, err := kubernetes.NewForConfig(&rest.Config{Host: s.URL(), TLSClientConfig: rest.TLSClientConfig{CAData: s.CA(), CertData: cert, KeyData: key}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := try(time.Now().Add(time.Hour)); err != nil {
		t.Errorf("valid: %v", err)
	}
	if err := try(time.Now().Add(-time.Minute)); !apierrors.IsUnauthorized(err) {
		t.Errorf("expired: %v", err)
	}
}

func TestMemoryLetsTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: []runtime.Object{pod("a")}})
		cs := clientset(t, s, runtime.ContentTypeProtobuf)
		began := time.Now()
		for range 3 {
			if _, err := cs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // in the bubble: it takes no time
		}
		if passed := time.Since(began); passed < 3*time.Hour {
			t.Errorf("%s passed", passed)
		}
		s.Down()
		if _, err := cs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err == nil {
			t.Error("a server that is down answered")
		}
		s.Up(t)
		if _, err := cs.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("up again: %v", err)
		}
	})
}

const widgets = "widgets"

func definition(versions string) *apiextensionsv1.CustomResourceDefinition {
	return kubetest.Definition("example.com", widgets, "Widget", apiextensionsv1.NamespaceScoped, versions)
}

// TestServerServesWhatDefinitionsSay to the client that everybody uses for kinds without a Go type.
func TestServerServesWhatDefinitionsSay(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	ctx := t.Context()
	cfg, err := clientcmd.RESTConfigFromKubeConfig(s.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	at := func(version string) dynamic.ResourceInterface {
		return dyn.Resource(schema.GroupVersionResource{Group: "example.com", Version: version, Resource: widgets}).Namespace("shop")
	}
	if _, err := at("v1").List(ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("before its definition: %v", err)
	}
	crd, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition("v1,v1beta1"))
	if err != nil {
		t.Fatal(err)
	}
	crds := dyn.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	u := &unstructured.Unstructured{Object: crd}
	u.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	if _, err := crds.Create(ctx, u, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := at("v1").Create(ctx, kubetest.Custom("example.com/v1", "Widget", "shop", name, map[string]any{"spec": map[string]any{"size": int64(3)}}), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := at("v1beta1").List(ctx, metav1.ListOptions{Limit: 2})
	if err != nil || len(list.Items) != 2 || list.GetContinue() == "" || list.Items[0].GetAPIVersion() != "example.com/v1beta1" || list.GetKind() != "WidgetList" {
		t.Fatalf("list %+v, %v", list, err)
	}
	if list, err = at("v1").List(ctx, metav1.ListOptions{Limit: 2, Continue: list.GetContinue()}); err != nil || len(list.Items) != 1 {
		t.Fatalf("rest %+v, %v", list, err)
	}
	one, err := at("v1").Get(ctx, "a", metav1.GetOptions{})
	if size, _, _ := unstructured.NestedInt64(one.Object, "spec", "size"); err != nil || size != 3 {
		t.Fatalf("get %+v, %v", one, err)
	}
	all := true
	w, err := at("v1").Watch(ctx, metav1.ListOptions{SendInitialEvents: &all, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	next := func() string {
		e := <-w.ResultChan()
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok {
			return fmt.Sprintf("%s of %T", e.Type, e.Object)
		}
		return string(e.Type) + " " + u.GetName() + u.GetAnnotations()[metav1.InitialEventsAnnotationKey]
	}
	for _, want := range []string{"ADDED a", "ADDED b", "ADDED c", "BOOKMARK true"} {
		if got := next(); got != want {
			t.Fatalf("event %q, want %q", got, want)
		}
	}
	if _, err := at("v1").Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"size":5}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := at("v1").Delete(ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if a, b := next(), next(); a != "MODIFIED a" || b != "DELETED b" {
		t.Errorf("events %q, %q", a, b)
	}
	if err := crds.Delete(ctx, "widgets.example.com", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if e, open := <-w.ResultChan(); open {
		t.Errorf("the watch goes on: %+v", e)
	}
	if _, err := at("v1").Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its definition: %v", err)
	}
	s.Add(definition("v1"))
	if list, err := at("v1").List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 0 {
		t.Errorf("its objects came back: %+v, %v", list, err)
	}
}

// TestServerIsDiscovered as new servers and as old ones are, with what definitions bring and without what is away.
func TestServerIsDiscovered(t *testing.T) {
	for name, legacy := range map[string]bool{"aggregated": false, "group by group": true} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{
				NoAggregatedDiscovery: legacy, Without: []string{"leases.coordination.k8s.io"}, Objects: []runtime.Object{definition("v1beta1,v1,v2alpha1")},
				Extra: []kubetest.Extra{{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "nodes", Kind: "NodeMetrics"}},
			})
			cs := clientset(t, s, runtime.ContentTypeJSON)
			found := func() (map[string]bool, error) {
				_, lists, err := cs.Discovery().ServerGroupsAndResources()
				out := map[string]bool{}
				for _, l := range lists {
					for _, r := range l.APIResources {
						out[l.GroupVersion+" "+r.Name] = true
					}
				}
				return out, err
			}
			got, err := found()
			if err != nil || len(got) < 40 {
				t.Fatalf("%d kinds, %v", len(got), err)
			}
			for kind, want := range map[string]bool{
				"v1 pods": true, "v1 pods/log": true, "apps/v1 deployments/scale": true, "example.com/v1 widgets": true, "example.com/v2alpha1 widgets": true,
				"metrics.k8s.io/v1beta1 nodes": true, "coordination.k8s.io/v1 leases": false, "gateway.networking.k8s.io/v1 gateways": false,
			} {
				if got[kind] != want {
					t.Errorf("%s: %v", kind, got[kind])
				}
			}
			groups, err := cs.Discovery().ServerGroups()
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups.Groups {
				if g.Name == "example.com" && (len(g.Versions) != 3 || g.PreferredVersion.Version != "v1") {
					t.Errorf("group %+v", g)
				}
			}
			aggregated := false
			for _, r := range s.Requests() {
				aggregated = aggregated || r.Path == "/apis/example.com/v1"
			}
			if aggregated != legacy {
				t.Errorf("asked group by group: %v", aggregated)
			}
			s.Away("metrics.k8s.io", true)
			if got, err = found(); !discovery.IsGroupDiscoveryFailedError(err) || got["metrics.k8s.io/v1beta1 nodes"] || !got["v1 pods"] {
				t.Errorf("away: %v", err)
			}
		})
	}
}

// A server-side apply keeps who has set what, as an API server does: a field of another manager is a conflict until it is
// forced, and a namespace has to be there.
func TestServerSideApply(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}}})
	cs := clientset(t, s, runtime.ContentTypeJSON)
	s.AddAs("helm", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}, Data: map[string]string{"k": "theirs"}})
	apply := func(namespace, value string, force bool) (*corev1.ConfigMap, error) {
		raw := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"` + value + `"}}`
		return cs.CoreV1().ConfigMaps(namespace).Patch(t.Context(), "a", types.ApplyPatchType, []byte(raw), metav1.PatchOptions{FieldManager: "me", Force: &force})
	}
	_, err := apply("default", "mine", false)
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || !apierrors.IsConflict(err) || len(status.Status().Details.Causes) != 1 {
		t.Fatalf("not a conflict: %v", err)
	}
	if c := status.Status().Details.Causes[0]; c.Type != metav1.CauseTypeFieldManagerConflict || c.Field != ".data.k" || !strings.HasPrefix(c.Message, `conflict with "helm" using v1`) {
		t.Errorf("the cause is %+v", c)
	}
	got, err := apply("default", "mine", true)
	if err != nil || got.Data["k"] != "mine" {
		t.Fatalf("forced: %v, %v", err, got)
	}
	if again, err := apply("default", "mine", false); err != nil || again.ResourceVersion != got.ResourceVersion {
		t.Errorf("the same again: %v", err)
	}
	if _, err := apply("away", "x", false); !apierrors.IsNotFound(err) {
		t.Errorf("in a namespace that is not there: %v", err)
	}
}
