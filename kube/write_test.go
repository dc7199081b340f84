package kube

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"tiga/access"
	"tiga/kube/kubetest"
)

// draft reads an object for editing as root.
func (r *rig) draft(t *testing.T, c *Cluster, id, namespace, name string) Draft {
	t.Helper()
	k := kindOf(t, id)
	d, err := c.Draft(t.Context(), r.permit(t, "root", c.Name(), k, access.VerbGet, namespace, name), k, namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestUpdate(t *testing.T) {
	web := deployment("shop", "web", 3)
	web.Annotations = map[string]string{lastApplied: `{"old":"copy"}`}
	web.Status.Replicas = 3
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbUpdate, "shop", "web")
	d := r.draft(t, c, "deployments.apps", "shop", "web")
	meta := d.Tree["metadata"].(map[string]any)
	if d.Tree["status"] != nil || meta["annotations"] != nil || meta["uid"] != nil || meta["resourceVersion"] != nil || d.UID == "" {
		t.Errorf("a draft has what nobody writes: %v", d.Tree)
	}
	d.Tree["spec"].(map[string]any)["replicas"] = int64(5)
	o := WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion, DryRun: true}

	// What would happen, without its happening.
	would, err := c.Update(t.Context(), permit, k, "shop", "web", d.Tree, o)
	if err != nil {
		t.Fatal(err)
	}
	if stored := s.Object(web).(*appsv1.Deployment); *stored.Spec.Replicas != 3 || stored.ResourceVersion != d.ResourceVersion {
		t.Errorf("a dry run changed the object: %d replicas", *stored.Spec.Replicas)
	}
	if e := would.Entries(); len(e) != 1 || e[0].Path != "spec.replicas" || e[0].After != int64(5) {
		t.Errorf("would change %v", e)
	}
	put := s.Changes()[0]
	if put.Method != http.MethodPut || put.Query.Get("dryRun") != "All" || put.Query.Get("fieldValidation") != "Strict" || put.Query.Get("fieldManager") != "tiga" {
		t.Errorf("asked with %s", put)
	}

	o.DryRun = false
	done, err := c.Update(t.Context(), permit, k, "shop", "web", d.Tree, o)
	if err != nil {
		t.Fatal(err)
	}
	stored := s.Object(web).(*appsv1.Deployment)
	if *stored.Spec.Replicas != 5 || stored.Status.Replicas != 3 || stored.Annotations[lastApplied] != `{"old":"copy"}` {
		t.Errorf("stored %d replicas, status %d, annotations %v", *stored.Spec.Replicas, stored.Status.Replicas, stored.Annotations)
	}
	if diff := cmp.Diff(Change{UID: d.UID, ResourceVersion: stored.ResourceVersion, Diff: "- spec.replicas: 3\n+ spec.replicas: 5\n", Namespace: "shop", Name: "web", Entries: done.Entries(), Whole: true}, done.Change); diff != "" {
		t.Error(diff)
	}

	// The version is old now, is missing, is of another object; or the text is of another object.
	before := len(s.Changes())
	for name, edit := range map[string]func(o *WriteOptions, tree map[string]any){
		"old":       func(*WriteOptions, map[string]any) {},
		"none":      func(o *WriteOptions, _ map[string]any) { o.ResourceVersion = "" },
		"another":   func(o *WriteOptions, _ map[string]any) { o.ResourceVersion, o.UID = stored.ResourceVersion, "x" },
		"name":      func(_ *WriteOptions, tree map[string]any) { tree["metadata"].(map[string]any)["name"] = "other" },
		"namespace": func(_ *WriteOptions, tree map[string]any) { tree["metadata"].(map[string]any)["namespace"] = "pay" },
		"kind":      func(_ *WriteOptions, tree map[string]any) { tree["kind"] = "DaemonSet" },
	} {
		o, tree := o, kruntime.DeepCopyJSON(d.Tree)
		edit(&o, tree)
		_, err := c.Update(t.Context(), permit, k, "shop", "web", tree, o)
		want := ErrConflict
		if name != "old" && name != "another" {
			want = ErrInvalid
		}
		e := (*Error)(nil)
		if !errors.Is(err, want) || !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		} else if errors.Is(want, ErrInvalid) && name != "none" && (len(e.Causes) != 1 || !strings.HasSuffix(e.Causes[0].Field, name)) {
			t.Errorf("%s: %v", name, e.Causes)
		}
	}
	if n := len(s.Changes()) - before; n > 0 {
		t.Errorf("%d changing requests left", n)
	}
}

// Refusals name the field, the quota, the webhook; whatever they are, nothing is stored.
func TestRefusedWrites(t *testing.T) {
	web := deployment("shop", "web", 3)
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbUpdate, "shop", "web")
	tests := []struct {
		name   string
		edit   func(spec map[string]any)
		admit  error
		kind   error
		reason string
		fields []string
	}{
		{
			name: "a field that is not known", edit: func(spec map[string]any) { spec["replicaz"], spec["x"] = int64(1), "y" },
			kind: ErrInvalid, reason: "cluster.invalid", fields: []string{"spec.replicaz", "spec.x"},
		},
		{
			name: "a wrong type", edit: func(spec map[string]any) { spec["replicas"] = "many" },
			kind: ErrInvalid, reason: "cluster.invalid", fields: []string{"spec.replicas"},
		},
		{
			name: "an immutable field", admit: apierrors.NewInvalid(k.GVK().GroupKind(), "web", field.ErrorList{
				field.Invalid(field.NewPath("spec", "selector"), "x", "field is immutable"),
			}), kind: ErrInvalid, reason: "cluster.invalid", fields: []string{"spec.selector"},
		},
		{
			name: "quota", admit: apierrors.NewForbidden(k.GVR.GroupResource(), "web", errors.New("exceeded quota: small, requested: pods=5, used: pods=3, limited: pods=4")),
			kind: ErrInvalid, reason: "cluster.quota",
		},
		{
			name: "a webhook", admit: &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
				Message: `admission webhook "p.example.com" denied the request: spec.template.spec.containers[0].image must be pinned`,
			}}, kind: ErrInvalid, reason: "cluster.webhook", fields: []string{"spec.template.spec.containers[0].image"},
		},
		{name: "rights", admit: apierrors.NewForbidden(k.GVR.GroupResource(), "web", errors.New("no")), kind: ErrForbidden, reason: "cluster.forbidden"},
		{name: "a failure", admit: apierrors.NewInternalError(errors.New("etcd")), kind: ErrInternal, reason: "cluster.server_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.Admit(func(kruntime.Object, kruntime.Object) error { return tt.admit })
			d := r.draft(t, c, "deployments.apps", "shop", "web")
			if tt.edit != nil {
				tt.edit(d.Tree["spec"].(map[string]any))
			}
			_, err := c.Update(t.Context(), permit, k, "shop", "web", d.Tree, WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion})
			e := (*Error)(nil)
			if !errors.Is(err, tt.kind) || !errors.As(err, &e) || e.Reason.ID != tt.reason {
				t.Fatalf("%v", err)
			}
			var fields []string
			for _, cause := range e.Causes {
				fields = append(fields, cause.Field)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Error(diff)
			}
			if got := r.draft(t, c, "deployments.apps", "shop", "web").ResourceVersion; got != d.ResourceVersion {
				t.Error("it was stored all the same")
			}
		})
	}
}

func TestCreate(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "configmaps")
	tree := func(name string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"a": "1"}}
	}
	permit := r.permit(t, "root", "one", k, access.VerbCreate, "shop", "new")
	would, err := c.Create(t.Context(), permit, k, "shop", tree("new"), WriteOptions{DryRun: true})
	if err != nil || would.Before != nil || len(would.Entries()) == 0 {
		t.Fatalf("dry run: %v, %v", would, err)
	}
	if s.Object(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "new"}}) != nil {
		t.Fatal("a dry run created the object")
	}
	done, err := c.Create(t.Context(), permit, k, "shop", tree("new"), WriteOptions{})
	if err != nil || !strings.Contains(done.Change.Diff, "+ data.a: \"1\"\n") {
		t.Fatalf("create: %v, %v", done.Change, err)
	}
	if _, err = c.Create(t.Context(), permit, k, "shop", tree("new"), WriteOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err = c.Create(t.Context(), permit, k, "shop", tree("other"), WriteOptions{}); !errors.Is(err, ErrInvalid) && !errors.As(err, new(*access.Error)) {
		t.Errorf("another name than the permit's: %v", err)
	}
	// The name may be the API server's to give.
	generated := tree("")
	generated["metadata"] = map[string]any{"generateName": "gen-"}
	any := r.permit(t, "root", "one", k, access.VerbCreate, "shop", "")
	if done, err = c.Create(t.Context(), any, k, "shop", generated, WriteOptions{}); err != nil || nameOf(done.After) != "gen-x7k2p" {
		t.Errorf("generated: %v, %v", nameOf(done.After), err)
	}
}

// TestA24_SecretValuesInEditing: marks keep values, values are stored, and none of them comes back in a draft, a diff, a
// change or an error.
func TestA24_SecretValuesInEditing(t *testing.T) {
	const canary, fresh, encoded = "canary-old-value", "canary-new-value", "Y2FuYXJ5LW5ldy12YWx1ZQ=="
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{lastApplied: canary}},
		Data:       map[string][]byte{"keep": []byte(canary), "change": []byte(canary), "drop": []byte(canary)},
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{secret}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "secrets")
	permit := r.permit(t, "root", "one", k, access.VerbUpdate, "shop", "db")
	d := r.draft(t, c, "secrets", "shop", "db")
	if diff := cmp.Diff(map[string]any{"keep": "(16 bytes)", "change": "(16 bytes)", "drop": "(16 bytes)"}, d.Tree["stringData"]); diff != "" || d.Tree["data"] != nil {
		t.Fatal(diff)
	}
	values := d.Tree["stringData"].(map[string]any)
	values["change"], values["new"] = fresh, fresh
	delete(values, "drop")
	o := WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion, DryRun: true}
	would, err := c.Update(t.Context(), permit, k, "shop", "db", kruntime.DeepCopyJSON(d.Tree), o)
	if err != nil {
		t.Fatal(err)
	}
	o.DryRun = false
	done, err := c.Update(t.Context(), permit, k, "shop", "db", kruntime.DeepCopyJSON(d.Tree), o)
	if err != nil {
		t.Fatal(err)
	}
	stored := s.Object(secret).(*corev1.Secret)
	want := map[string][]byte{"keep": []byte(canary), "change": []byte(fresh), "new": []byte(fresh)}
	if diff := cmp.Diff(want, stored.Data); diff != "" {
		t.Error(diff)
	}
	wantDiff := "- data.change: (16 bytes)\n+ data.change: (16 bytes, changed)\n- data.drop: (16 bytes)\n+ data.new: (16 bytes)\n"
	if done.Change.Diff != wantDiff {
		t.Errorf("the audit says\n%s", done.Change.Diff)
	}

	// A mark of another length stands for nothing.
	d = r.draft(t, c, "secrets", "shop", "db")
	d.Tree["stringData"].(map[string]any)["keep"] = "(3 bytes)"
	o = WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion}
	_, wrongMark := c.Update(t.Context(), permit, k, "shop", "db", d.Tree, o)
	e := (*Error)(nil)
	if !errors.As(wrongMark, &e) || len(e.Causes) != 1 || e.Causes[0].Field != "stringData[keep]" {
		t.Errorf("a wrong mark: %v", wrongMark)
	}

	// What refuses may repeat what it refuses.
	d = r.draft(t, c, "secrets", "shop", "db")
	d.Tree["stringData"].(map[string]any)["keep"] = fresh
	s.Admit(func(_, _ kruntime.Object) error {
		return apierrors.NewInvalid(k.GVK().GroupKind(), "db", field.ErrorList{
			field.Invalid(field.NewPath("data").Key("keep"), fresh, "is weak, as is "+encoded+" and "+canary),
		})
	})
	_, refused := c.Update(t.Context(), permit, k, "shop", "db", d.Tree, WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion})
	if !errors.As(refused, &e) || len(e.Causes) != 1 || !strings.Contains(e.Causes[0].Message, "is weak") {
		t.Errorf("refused: %v", refused)
	}
	said := e.Server + e.Causes[0].Message + refused.Error()
	for _, shown := range []string{said, would.Change.Diff, done.Change.Diff} {
		for _, v := range []string{canary, fresh, encoded} {
			if strings.Contains(shown, v) {
				t.Errorf("a value is in %q", shown)
			}
		}
	}
	for _, w := range []Written{would, done} {
		for _, tree := range []map[string]any{w.Before, w.After} {
			if text := cmp.Diff(nil, tree); strings.Contains(text, "canary") || strings.Contains(text, encoded) {
				t.Errorf("a value is in %s", text)
			}
		}
	}
}

func TestPatchObject(t *testing.T) {
	web := deployment("shop", "web", 3)
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web")
	got, err := c.Patch(t.Context(), permit, k, "shop", "web", PatchOptions{Type: PatchMerge, Body: []byte(`{"spec":{"replicas":4}}`)})
	if err != nil || got.Change.Diff != "- spec.replicas: 3\n+ spec.replicas: 4\n" {
		t.Errorf("%q, %v", got.Change.Diff, err)
	}
	if _, err := c.Patch(t.Context(), permit, k, "shop", "web", PatchOptions{Type: "text/plain", Body: []byte(`x`)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a patch of an unknown type: %v", err)
	}
}

func TestCopy(t *testing.T) {
	d := Draft{Tree: map[string]any{
		"kind": "Service", "metadata": map[string]any{"name": "a", "namespace": "shop", "finalizers": []any{"x"}, "ownerReferences": []any{}},
		"spec": map[string]any{"clusterIP": "10.0.0.1", "clusterIPs": []any{"10.0.0.1"}, "ports": []any{map[string]any{"port": int64(1), "nodePort": int64(30000)}}},
	}}
	want := map[string]any{
		"kind": "Service", "metadata": map[string]any{"name": "", "namespace": "shop"},
		"spec": map[string]any{"ports": []any{map[string]any{"port": int64(1)}}},
	}
	if diff := cmp.Diff(want, d.Copy()); diff != "" {
		t.Error(diff)
	}
}

// A permit of another verb, object or namespace does nothing, and neither does any on a read-only cluster.
func TestWritesNeedTheirPermit(t *testing.T) {
	web := deployment("shop", "web", 3)
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	d := r.draft(t, c, "deployments.apps", "shop", "web")
	o := WriteOptions{UID: d.UID, ResourceVersion: d.ResourceVersion, DryRun: true}
	for name, permit := range map[string]access.Permit{
		"none": {}, "verb": r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web"), "name": r.permit(t, "root", "one", k, access.VerbUpdate, "shop", "x"),
	} {
		if _, err := c.Update(t.Context(), permit, k, "shop", "web", d.Tree, o); err == nil {
			t.Errorf("%s: updated", name)
		}
	}
	c.readOnly.Store(true)
	if _, err := c.Update(t.Context(), r.permit(t, "root", "one", k, access.VerbUpdate, "shop", "web"), k, "shop", "web", d.Tree, o); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	if n := s.Changes(); len(n) > 0 {
		t.Errorf("changes %v", n)
	}
}
