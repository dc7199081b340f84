package handlers

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kinds"
)

// formOf is what the page's editor would send: its hidden fields and its text.
func (r *reply) editorForm() url.Values {
	out := url.Values{}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && (n.Data == "input" && attrOf(n, "type") == "hidden" || n.Data == "textarea") {
			value := attrOf(n, "value")
			if n.Data == "textarea" && n.FirstChild != nil {
				value = strings.TrimPrefix(n.FirstChild.Data, "\n")
			}
			out.Set(attrOf(n, "name"), value)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(r.doc())
	return out
}

func attrOf(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// with is a form with some fields changed.
func with(form url.Values, pairs ...string) url.Values {
	out := url.Values{}
	maps.Copy(out, form)
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

func (k *kit) deployment() *appsv1.Deployment {
	d, _ := k.production.Object(testDeployment("shop", "web", 0)).(*appsv1.Deployment)
	return d
}

// TestEditing: check and compare change nothing; apply asks once more on production, then changes and is written down.
func TestEditing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(operator)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	page := v.get(path+"/edit").want(http.StatusOK, "Edit Deployment web")
	form := page.editorForm()
	if text := form.Get("text"); !strings.Contains(text, "replicas: 3") || strings.Contains(text, "status:") || strings.Contains(text, "resourceVersion") {
		t.Fatalf("the text is\n%s", text)
	}
	form.Set("text", "# mine\n"+strings.ReplaceAll(form.Get("text"), "replicas: 3", "replicas: 5 # more"))
	r := v.post(path+"/edit", with(form, "do", "check")).want(http.StatusOK, "1 field changes")
	if got := r.editorForm().Get("text"); got != form.Get("text") {
		t.Errorf("the text came back as\n%s", got)
	}
	v.post(path+"/edit", with(form, "do", "diff")).want(http.StatusOK, "spec.replicas", "Line by line")
	v.post(path+"/edit", with(form, "do", "apply")).want(http.StatusOK, "production is a production cluster. Change 1 field")
	if n := *k.deployment().Spec.Replicas; n != 3 {
		t.Fatalf("%d replicas before it was confirmed", n)
	}
	v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	if n := *k.deployment().Spec.Replicas; n != 5 {
		t.Errorf("%d replicas", n)
	}
	page2, err := k.store.Audit().List(t.Context(), db.AuditFilter{})
	k.must(err)
	found := false
	for _, e := range page2.Lines {
		found = found || e.Verb == string(access.VerbUpdate) && e.Name == "web" && strings.Contains(e.Diff, "+ spec.replicas: 5")
	}
	if !found {
		t.Error("the change is not in the audit log")
	}
}

// TestEditConflict: the text survives, what does not overlap is joined by one press, what does is chosen.
func TestEditConflict(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	form := v.get(path + "/edit").want(http.StatusOK).editorForm()
	form.Set("text", strings.ReplaceAll(form.Get("text"), "replicas: 3", "replicas: 5 # mine"))

	// A status is no conflict.
	d := k.deployment()
	d.Status.ReadyReplicas = 1
	k.production.Update(d)
	v.post(path+"/edit", with(form, "do", "check")).want(http.StatusOK, "1 field changes")

	// Another field: both are joined, and what was typed around the values stays.
	d = k.deployment()
	d.Spec.Paused = true
	k.production.Update(d)
	r := v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusConflict, "Somebody else changed", "spec.paused", "do not touch each other")
	if got := r.editorForm().Get("text"); got != form.Get("text") {
		t.Errorf("the text is lost:\n%s", got)
	}
	r = v.post(path+"/edit", with(r.editorForm(), "do", "merge")).want(http.StatusOK, "Both changes are in the text")
	merged := r.editorForm()
	if text := merged.Get("text"); !strings.Contains(text, "replicas: 5 # mine") || !strings.Contains(text, "paused: true") {
		t.Errorf("joined:\n%s", text)
	}

	// The same field: nothing is joined until it is chosen.
	d = k.deployment()
	four := int32(4)
	d.Spec.Replicas = &four
	k.production.Update(d)
	v.post(path+"/edit", with(merged, "do", "apply-sure")).want(http.StatusConflict, "Choose for each")
	v.post(path+"/edit", with(merged, "do", "merge")).want(http.StatusConflict, "Choose for each")
	r = v.post(path+"/edit", with(merged, "do", "merge", "pick:spec.replicas", "mine")).want(http.StatusOK, "Both changes are in the text")
	v.post(path+"/edit", with(r.editorForm(), "do", "apply-sure")).want(http.StatusSeeOther)
	if d := k.deployment(); *d.Spec.Replicas != 5 || !d.Spec.Paused {
		t.Errorf("%d replicas, paused %v", *d.Spec.Replicas, d.Spec.Paused)
	}

	// Deleted meanwhile: the text stays and makes a new one.
	form = v.get(path + "/edit").want(http.StatusOK).editorForm()
	k.production.Delete(d)
	r = v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusNotFound, "deleted meanwhile", "Create it anew")
	v.post(path+"/edit", with(r.editorForm(), "do", "create-sure")).want(http.StatusSeeOther)
	if k.deployment() == nil {
		t.Error("it was not created anew")
	}
}

// TestEditRefusals: whatever is wrong is said with its line, and the text comes back.
func TestEditRefusals(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	form := v.get(path + "/edit").want(http.StatusOK).editorForm()
	text := form.Get("text")
	tests := map[string]struct {
		text   string
		admit  error
		status int
		says   []string
	}{
		"broken":     {text + "\nx: [", nil, 422, []string{"cannot be read", "Line"}},
		"alias":      {text + "\nx: &a 1\n", nil, 422, []string{"Anchors and aliases"}},
		"two":        {text + "\n---\na: 1\n", nil, 422, []string{"more than one document"}},
		"other name": {strings.Replace(text, "name: web", "name: other", 1), nil, 422, []string{"metadata.name must be web here"}},
		"other ns":   {strings.Replace(text, "namespace: shop", "namespace: pay", 1), nil, 422, []string{"metadata.namespace must be shop here"}},
		"other kind": {strings.Replace(text, "kind: Deployment", "kind: Secret", 1), nil, 422, []string{"kind must be Deployment here"}},
		"unknown":    {strings.Replace(text, "replicas: 3", "replicaz: 3", 1), nil, 422, []string{"There is no field spec.replicaz"}},
		"type":       {strings.Replace(text, "replicas: 3", "replicas: many", 1), nil, 422, []string{"spec.replicas", "Line"}},
		"quota":      {text, apierrors.NewForbidden(mustKind(t, "deployments.apps").GVR.GroupResource(), "web", errors.New("exceeded quota: small, requested: x")), 422, []string{"exceed the quota small"}},
		"failure":    {text, apierrors.NewInternalError(errors.New("etcd")), 502, []string{"etcd"}},
		"busy":       {text, apierrors.NewTooManyRequests("later", 3), 429, nil},
	}
	for name, tt := range tests {
		k.production.Admit(func(_, _ runtime.Object) error { return tt.admit })
		r := v.post(path+"/edit", with(form, "text", tt.text, "do", "check")).want(tt.status, tt.says...)
		if got := r.editorForm().Get("text"); got != tt.text {
			t.Errorf("%s: the text is lost", name)
		}
	}
	if n := *k.deployment().Spec.Replicas; n != 3 {
		t.Errorf("%d replicas", n)
	}
}

// TestA24_SecretValuesOfTheEditor: neither page, nor diff, nor audit has a value.
func TestA24_SecretValuesOfTheEditor(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const old, fresh = "canary-old-1", "canary-new-2"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"a": []byte(old), "b": []byte(old)}}
	k.production.Add(secret)
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "secrets"), "shop", "db")
	page := v.get(path+"/edit").want(http.StatusOK, "Values are marks")
	form := page.editorForm()
	form.Set("text", strings.Replace(form.Get("text"), "b: (12 bytes)", "b: "+fresh, 1))
	diff := v.post(path+"/edit", with(form, "do", "diff")).want(http.StatusOK, "(12 bytes, changed)")
	v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	stored := k.production.Object(secret).(*corev1.Secret)
	if string(stored.Data["a"]) != old || string(stored.Data["b"]) != fresh {
		t.Errorf("stored %q", stored.Data)
	}
	events, err := k.store.Audit().List(t.Context(), db.AuditFilter{})
	k.must(err)
	for _, e := range events.Lines {
		if strings.Contains(e.Diff+e.Message, "canary") {
			t.Errorf("the audit has a value: %+v", e)
		}
	}
	if strings.Contains(page.text(), old) || strings.Contains(diff.text(), old) || strings.Count(diff.body, fresh) != 1 || strings.Contains(k.log.String(), "canary") {
		t.Error("a value is shown where it was not typed")
	}
}

// TestCreating: from a template, from a copy, and by name taken.
func TestCreating(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(keeper)
	list := kindPath(k.productionID, mustKind(t, "configmaps"))
	form := v.get(list+"/new").want(http.StatusOK, "New ConfigMap").editorForm()
	if !strings.Contains(form.Get("text"), "namespace: shop") {
		t.Fatalf("it begins with\n%s", form.Get("text"))
	}
	v.post(list+"/new", with(form, "do", "check")).want(http.StatusOK, "Nothing has been created yet")
	v.post(list+"/new", with(form, "do", "apply")).want(http.StatusOK, "Create ConfigMap shop/example there?")
	v.post(list+"/new", with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	v.post(list+"/new", with(form, "do", "apply-sure")).want(http.StatusConflict)
	pay := strings.Replace(form.Get("text"), "namespace: shop", "namespace: pay", 1)
	if got := v.post(list+"/new", with(form, "do", "apply-sure", "text", pay)).want(http.StatusNotFound).editorForm().Get("text"); got != pay {
		t.Error("the text is lost")
	}
	copied := v.get(list + "/new?from=shop/example").want(http.StatusOK).editorForm().Get("text")
	if !strings.Contains(copied, "name: \"\"") || !strings.Contains(copied, "key: value") {
		t.Errorf("a copy begins with\n%s", copied)
	}
	v.get(list).want(http.StatusOK, "Create")
	if strings.Contains(k.as(viewer).get(list).body, "data-create") {
		t.Error("a viewer is offered to create")
	}
}

// TestDeleteOptions: propagation and grace reach the API server; a wrong one is said at its field.
func TestDeleteOptions(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	pod := objectPath(k.productionID, mustKind(t, "pods"), "shop", "web-1")
	v.get(pod+"/delete").want(http.StatusOK, "What belongs to it", "Seconds to end", "Force")
	v.post(pod+"/delete", url.Values{"confirm": {"web-1"}, "grace": {"x"}}).want(http.StatusUnprocessableEntity, "A whole number from 0")
	v.post(pod+"/delete", url.Values{"confirm": {"web-1"}, "propagation": {"Foreground"}, "force": {"1"}}).want(http.StatusSeeOther)
	sent := k.production.Changes()
	if body := string(sent[len(sent)-1].Body); !strings.Contains(body, "Foreground") {
		t.Errorf("sent %q", body)
	}
	d := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	v.post(d+"/delete", url.Values{"confirm": {"web"}, "propagation": {"Orphan"}}).want(http.StatusSeeOther)
	if k.deployment() != nil {
		t.Error("the deployment is still there")
	}
}

func mustKind(t *testing.T, id string) *kinds.Kind {
	t.Helper()
	kind, ok := kinds.Lookup(id)
	if !ok {
		t.Fatalf("no kind %s", id)
	}
	return kind
}

// TestWhatWasTypedOutlivesASession: a form with an object comes back when the session of its sender has ended, does nothing
// when it is sent once more by whoever signed in beside it, and shows what it would do.
func TestWhatWasTypedOutlivesASession(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(operator)
	object := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	form := v.get(object + "/edit").want(http.StatusOK).editorForm()
	form.Set("text", "# <mine>\n"+strings.ReplaceAll(form.Get("text"), "replicas: 3", "replicas: 5"))
	sent := v.get(object + "/form").want(http.StatusOK).sentForm()
	sent.Set("f.replicas", "6")
	documents := v.get(applyPath(k.productionID)).want(http.StatusOK).editorForm()
	documents.Set("text", configMapText("shop", "one", "a"))
	v.post("/account/sessions/end", url.Values{"all": {"1"}}).want(http.StatusSeeOther)

	again := k.as(operator)
	for _, tt := range []struct{ path, shows string }{{object + "/edit", "spec.replicas"}, {applyPath(k.productionID), "ConfigMap"}} {
		typed := form
		if tt.path != object+"/edit" {
			typed = documents
		}
		back := v.post(tt.path, with(typed, "do", "apply-sure")).want(http.StatusUnauthorized, "Your session has ended", "/login?next=", tt.path)
		kept := back.editorForm()
		for name := range typed {
			if got := kept.Get(name); name != "do" && got != typed.Get(name) {
				t.Errorf("%s: %s came back as %q instead of %q", tt.path, name, got, typed.Get(name))
			}
		}
		if kept.Has("do") {
			t.Errorf("%s: sent once more, it would do %q", tt.path, kept.Get("do"))
		}
		if got := again.post(tt.path, kept).want(http.StatusOK, tt.shows).editorForm().Get("text"); got != typed.Get("text") {
			t.Errorf("%s: the editor has the text\n%s", tt.path, got)
		}
	}
	kept := v.upload(object+"/form", with(sent, "do", "apply-sure"), map[string][]byte{"f.data.0.file": []byte("x")}).
		want(http.StatusUnauthorized, "multipart/form-data", "some.file").editorForm()
	if kept.Get("f.replicas") != "6" || kept.Get("base") != sent.Get("base") {
		t.Errorf("of a form came back %v", kept)
	}
	v.post(object+"/form", with(sent, "do", "add:c0-env"), htmx()...).
		want(http.StatusUnauthorized, "still here", `target="_blank"`)
	if n := *k.deployment().Spec.Replicas; n != 3 {
		t.Errorf("somebody signed out changed it: %d replicas", n)
	}
}
