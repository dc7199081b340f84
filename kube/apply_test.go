package kube

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// webTree is a document of a Deployment.
func webTree(replicas int64, image string) map[string]any {
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "shop"},
		"spec": map[string]any{
			"replicas": replicas, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": image}}},
			},
		},
	}
}

// webOf is the Deployment as another client would have made it.
func webOf(replicas int32, image string) *appsv1.Deployment {
	d := deployment("shop", "web", replicas)
	labels := map[string]string{"app": "web"}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}}}
	d.Status = appsv1.DeploymentStatus{}
	return d
}

func TestApply(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{namespace("shop")}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web")
	web := webOf(0, "")

	// What would happen, without its happening.
	got, err := c.Apply(t.Context(), permit, k, "shop", webTree(3, "web:1"), ApplyOptions{MayCreate: true, DryRun: true})
	if err != nil || !got.Created || got.After == nil || s.Object(web) != nil {
		t.Fatalf("a dry run: %v, created %v, stored %v", err, got.Created, s.Object(web) != nil)
	}
	if _, err = c.Apply(t.Context(), permit, k, "shop", webTree(3, "web:1"), ApplyOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("created without the right: %v", err)
	}
	if got, err = c.Apply(t.Context(), permit, k, "shop", webTree(3, "web:1"), ApplyOptions{MayCreate: true}); err != nil || !got.Created {
		t.Fatalf("apply: %v, created %v", err, got.Created)
	}
	stored := s.Object(web).(*appsv1.Deployment)
	if *stored.Spec.Replicas != 3 || len(stored.ManagedFields) != 1 || stored.ManagedFields[0].Manager != "tiga" || stored.ManagedFields[0].Operation != metav1.ManagedFieldsOperationApply {
		t.Errorf("stored %d replicas, managed by %+v", *stored.Spec.Replicas, stored.ManagedFields)
	}
	patches := s.Changes()
	if p := patches[len(patches)-1]; p.Method != http.MethodPatch || p.Query.Get("fieldManager") != "tiga" || p.Query.Get("force") != "" ||
		p.Query.Get("fieldValidation") != "Strict" || p.Header.Get("Content-Type") != "application/apply-patch+yaml" {
		t.Errorf("asked with %s", p)
	}

	// Again: nothing changes, and nothing is written.
	if got, err = c.Apply(t.Context(), permit, k, "shop", webTree(3, "web:1"), ApplyOptions{}); err != nil || got.Created || len(got.Entries()) != 0 {
		t.Errorf("again: %v, %v", err, got.Entries())
	}
	if again := s.Object(web).(*appsv1.Deployment); again.ResourceVersion != stored.ResourceVersion {
		t.Error("the object was written although nothing changed")
	}

	// A change names its fields, for the audit as well.
	if got, err = c.Apply(t.Context(), permit, k, "shop", webTree(5, "web:1"), ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "- spec.replicas: 3\n+ spec.replicas: 5\n"; got.Change.Diff != want {
		t.Errorf("changed %q", got.Change.Diff)
	}

	// What a program prints of an object can be applied.
	printed := webTree(6, "web:1")
	meta := printed["metadata"].(map[string]any)
	meta["managedFields"], meta["creationTimestamp"], meta["generation"] = []any{map[string]any{"manager": "x"}}, "2026-01-01T00:00:00Z", int64(3)
	printed["status"] = map[string]any{"replicas": int64(9)}
	if _, err = c.Apply(t.Context(), permit, k, "shop", printed, ApplyOptions{}); err != nil {
		t.Errorf("printed: %v", err)
	}

	// Another object than the one that was permitted; a field that does not exist.
	other := webTree(1, "x")
	other["metadata"] = map[string]any{"name": "web", "namespace": "pay"}
	before := len(s.Changes())
	if _, err = c.Apply(t.Context(), permit, k, "shop", other, ApplyOptions{}); !errors.Is(err, ErrInvalid) || len(s.Changes()) != before {
		t.Errorf("another namespace: %v", err)
	}
	wrong := webTree(1, "x")
	wrong["spec"].(map[string]any)["replica"] = int64(1)
	_, err = c.Apply(t.Context(), permit, k, "shop", wrong, ApplyOptions{})
	e := (*Error)(nil)
	if !errors.As(err, &e) || e.Kind != KindInvalid || len(e.Causes) != 1 || e.Causes[0].Field != "spec.replica" || e.Causes[0].Reason.ID != "cluster.unknown_field" {
		t.Errorf("a field that does not exist: %v", err)
	}
	gone := k
	if _, err = c.Apply(t.Context(), r.permit(t, "root", "one", gone, access.VerbPatch, "away", "web"), gone, "away",
		map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"}, "spec": webTree(1, "x")["spec"]}, ApplyOptions{MayCreate: true}); MissingNamespace(err) != "away" {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

// A field that another manager has set to something else is named with its owner and both values; it is taken over, or left
// where it is while the rest is applied.
func TestApplyConflict(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{namespace("shop")}})
	s.AddAs("helm", webOf(2, "web:1"))
	scaled := s.Object(webOf(0, "")).(*appsv1.Deployment)
	four := int32(4)
	scaled.Spec.Replicas = &four
	s.AddAs("autoscaler", scaled)
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web")
	web := func() *appsv1.Deployment { return s.Object(scaled).(*appsv1.Deployment) }
	const image = `.spec.template.spec.containers[name="web"].image`

	_, err := c.Apply(t.Context(), permit, k, "shop", webTree(9, "web:2"), ApplyOptions{})
	e := (*Error)(nil)
	if !errors.As(err, &e) || !errors.Is(err, ErrConflict) {
		t.Fatalf("a conflict: %v", err)
	}
	got := map[string]FieldConflict{}
	for _, f := range e.Conflicts {
		got[f.Field] = f
	}
	want := map[string]FieldConflict{
		".spec.replicas": {Field: ".spec.replicas", Manager: "autoscaler", Mine: int64(9), Live: int64(4)},
		image:            {Field: image, Manager: "helm", Mine: "web:2", Live: "web:1"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if fields, _ := e.Reason.Args["Fields"].(string); !strings.Contains(fields, ".spec.replicas (autoscaler)") || !strings.Contains(fields, "(helm)") {
		t.Errorf("said with %+v", e.Reason)
	}

	// The autoscaler keeps its field, helm loses its own.
	leave := ApplyOptions{Leave: []string{".spec.replicas"}, Force: true}
	if _, err = c.Apply(t.Context(), permit, k, "shop", webTree(9, "web:2"), leave); err != nil {
		t.Fatal(err)
	}
	if d := web(); *d.Spec.Replicas != 4 || d.Spec.Template.Spec.Containers[0].Image != "web:2" {
		t.Errorf("%d replicas of %s", *d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image)
	}
	if _, err = c.Apply(t.Context(), permit, k, "shop", webTree(9, "web:2"), ApplyOptions{}); !errors.As(err, &e) || len(e.Conflicts) != 1 {
		t.Errorf("what was left is still the autoscaler's: %v", err)
	}
	if _, err = c.Apply(t.Context(), permit, k, "shop", webTree(9, "web:2"), ApplyOptions{Force: true}); err != nil || *web().Spec.Replicas != 9 {
		t.Errorf("taken over: %v, %d replicas", err, *web().Spec.Replicas)
	}
	if _, err = c.Apply(t.Context(), permit, k, "shop", webTree(9, "web:2"), ApplyOptions{Leave: []string{".spec.paused"}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a field that is not in the document was left: %v", err)
	}
}

// The values of a Secret are applied and shown nowhere.
func TestA24_ApplySecret(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{namespace("shop")}})
	s.AddAs("helm", &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"password": []byte("hunter-two"), "kept": []byte("as-it-was")}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "secrets")
	permit := r.permit(t, "root", "one", k, access.VerbPatch, "shop", "db")
	tree := func(field, value string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db"}, field: map[string]any{"password": value}}
	}
	hidden := []string{"hunter-two", "aHVudGVyLXR3bw", "swordfish", "c3dvcmRmaXNo"}
	quiet := func(what string, v any) {
		t.Helper()
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hidden {
			if strings.Contains(string(raw), h) {
				t.Errorf("%s tells a value: %s", what, raw)
			}
		}
	}
	_, err := c.Apply(t.Context(), permit, k, "shop", tree("stringData", "swordfish"), ApplyOptions{})
	e := (*Error)(nil)
	if !errors.As(err, &e) || len(e.Conflicts) != 1 || e.Conflicts[0].Field != ".data.password" {
		t.Fatalf("a conflict: %v", err)
	}
	quiet("the conflict", []any{e.Conflicts, e.Server, e.Reason, e.Error()})
	if e.Conflicts[0].Mine == nil || e.Conflicts[0].Live == nil {
		t.Errorf("the conflict has no marks: %+v", e.Conflicts[0])
	}
	got, err := c.Apply(t.Context(), permit, k, "shop", tree("stringData", "swordfish"), ApplyOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	quiet("the answer", got)
	stored := s.Object(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}}).(*corev1.Secret)
	if string(stored.Data["password"]) != "swordfish" || string(stored.Data["kept"]) != "as-it-was" {
		t.Errorf("stored %s", stored.Data)
	}
	// A mark stands for the value that is there, and for none that is not.
	if _, err = c.Apply(t.Context(), permit, k, "shop", tree("data", "(9 bytes)"), ApplyOptions{}); err != nil {
		t.Errorf("a mark: %v", err)
	}
	if _, err = c.Apply(t.Context(), permit, k, "shop", tree("data", "(3 bytes)"), ApplyOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a mark of nothing: %v", err)
	}
}

// An object that is deleted between is not made anew by somebody who may not create it.
func TestApplyCreatesNothingWithoutTheRight(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{namespace("shop"), webOf(2, "web:1")}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	s.Script(func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPatch {
			s.Delete(webOf(0, ""))
		}
		return false
	})
	_, err := c.Apply(t.Context(), r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web"), k, "shop", webTree(3, "web:2"), ApplyOptions{Force: true})
	if !errors.Is(err, ErrConflict) || s.Object(webOf(0, "")) != nil {
		t.Errorf("%v, there again: %v", err, s.Object(webOf(0, "")) != nil)
	}
}

func TestKindNamed(t *testing.T) {
	crd := kubetest.Definition("example.com", "widgets", "Widget", apiextensionsv1.NamespaceScoped, "v2,v1")
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{crd}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	for said, want := range map[[2]string]string{
		{"v1", "ConfigMap"}: "configmaps/v1", {"apps/v1", "Deployment"}: "deployments.apps/v1",
		{"example.com/v2", "Widget"}: "widgets.example.com/v2", {"example.com/v1", "Widget"}: "widgets.example.com/v1",
		{"example.com/v9", "Widget"}: "cluster.no_version_served", {"apps/v1beta1", "Deployment"}: "cluster.no_version_served",
		{"example.com/v1", "Gadget"}: "cluster.no_kind_named", {"v1", "Deployment"}: "cluster.no_kind_named", {"a/b/c", "X"}: "cluster.no_kind_named", {"", ""}: "cluster.no_kind_named",
	} {
		k, err := c.KindNamed(t.Context(), said[0], said[1])
		got := ""
		if e := (*Error)(nil); errors.As(err, &e) {
			got = e.Reason.ID
		} else if err == nil {
			got = k.ID() + "/" + k.GVR.Version
		}
		if got != want {
			t.Errorf("%v is %s, want %s (%v)", said, got, want, err)
		}
	}
	if known, _ := kinds.Lookup("deployments.apps"); known.GVR.Version != "v1" {
		t.Error("the registry was changed")
	}
}

func TestDefinesKind(t *testing.T) {
	crd := kubetest.Definition("example.com", "widgets", "Widget", apiextensionsv1.NamespaceScoped, "v2,v1")
	crd.APIVersion, crd.Kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
	tree, err := kruntime.DefaultUnstructuredConverter.ToUnstructured(crd)
	if err != nil {
		t.Fatal(err)
	}
	got := DefinesKind(tree)
	if len(got) != 2 || got["v1"] == nil || got["v1"].ID() != "widgets.example.com" || got["v1"].Name != "Widget" || !got["v1"].Namespaced {
		t.Errorf("defines %+v", got)
	}
	for _, other := range []map[string]any{nil, webTree(1, "x"), {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": "x"}} {
		if got := DefinesKind(other); len(got) != 0 {
			t.Errorf("%v defines %v", other, got)
		}
	}
}
