package handlers

import (
	"bytes"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"tiga/db"
	"tiga/kube/kubetest"
)

// sentForm is what a browser would send of the page's form, but for the button.
func (r *reply) sentForm() url.Values {
	out := url.Values{}
	var walk func(n *html.Node, inside bool)
	walk = func(n *html.Node, inside bool) {
		if n.Type == html.ElementNode {
			inside = inside || n.Data == "form" && attrOf(n, "id") == "editor"
			name := attrOf(n, "name")
			switch t := attrOf(n, "type"); {
			case !inside || name == "":
			case n.Data == "input" && t != "file" && t != "radio" && t != "submit":
				out.Add(name, attrOf(n, "value"))
			case n.Data == "textarea":
				text := ""
				if n.FirstChild != nil {
					text = n.FirstChild.Data // the parser takes the first line break away, as a browser does
				}
				out.Add(name, text)
			case n.Data == "select":
				for o := n.FirstChild; o != nil; o = o.NextSibling {
					if o.Type == html.ElementNode && hasAttr(o, "selected") {
						out.Add(name, attrOf(o, "value"))
					}
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inside)
		}
	}
	walk(r.doc(), false)
	return out
}

func hasAttr(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// upload sends a form with files, in the manner of a browser.
func (v *visitor) upload(path string, form url.Values, files map[string][]byte) *reply {
	v.k.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			v.k.must(w.WriteField(name, strings.ReplaceAll(value, "\n", "\r\n")))
		}
	}
	for name, data := range files {
		part, err := w.CreateFormFile(name, "some.file")
		v.k.must(err)
		_, err = part.Write(data)
		v.k.must(err)
	}
	_, err := w.CreateFormFile("f.nothing.0.file", "")
	v.k.must(err)
	v.k.must(w.Close())
	return v.send(http.MethodPost, path, b.String(), "Content-Type", w.FormDataContentType())
}

func formDeployment() *appsv1.Deployment {
	d := testDeployment("shop", "api", 2)
	d.Annotations = map[string]string{"note": "a\nb"}
	d.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "main", Image: "nginx:1", Args: []string{"kept"}, Env: []corev1.EnvVar{
			{Name: "A", Value: "1"},
			{Name: "B", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password"}}},
		},
	}}
	return d
}

func (k *kit) api() *appsv1.Deployment {
	d, _ := k.production.Object(formDeployment()).(*appsv1.Deployment)
	return d
}

// TestForm: the form changes what was typed and nothing else, is asked about once more on production, and is written down.
func TestForm(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(formDeployment())
	v := k.as(operator)
	object := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "api")
	path := object + "/form"
	v.get(object).want(http.StatusOK, `href="`+path+`"`, `href="`+object+`/edit"`, path+"#part-labels")
	page := v.get(path).want(http.StatusOK, "Edit Deployment api", "from Secret db, key password")
	form := page.sentForm()
	if form.Get("f.c0-image") != "nginx:1" || form.Get("f.replicas") != "2" || form.Get("f.annotations.0.value") != "a\nb" {
		t.Fatalf("the form has %v", form)
	}
	v.post(path, with(form, "do", "check")).want(http.StatusOK, "nothing would change")

	// A row comes and goes without anything that was typed being lost.
	form.Set("f.c0-image", "nginx:2")
	form.Set("f.replicas", "not a number")
	r := v.post(path, with(form, "do", "add:c0-env")).want(http.StatusOK)
	form = r.sentForm()
	if form.Get("f.replicas") != "not a number" || form.Get("f.c0-image") != "nginx:2" || len(form["row.c0-env"]) != 3 || !strings.Contains(r.body, "autofocus") {
		t.Fatalf("with a row more: %v", form)
	}
	form.Set("f.c0-env.2.name", "C")
	form.Set("f.c0-env.2.value", "3")
	form = v.post(path, with(form, "do", "remove:c0-env:0")).want(http.StatusOK).sentForm()
	if len(form["row.c0-env"]) != 2 || form.Get("f.c0-env.2.name") != "C" {
		t.Fatalf("with a row less: %v", form)
	}
	r = v.post(path, with(form, "do", "apply-sure")).want(http.StatusUnprocessableEntity, "1 field is not right", "A whole number from 0", `href="#f-f-replicas"`)
	form = r.sentForm()
	if form.Get("f.replicas") != "not a number" || form.Get("f.c0-env.2.name") != "C" {
		t.Fatalf("after an error: %v", form)
	}
	form.Set("f.replicas", "5")

	r = v.post(path, with(form, "do", "diff")).want(http.StatusOK, "spec.replicas", "containers[name=main].env")
	v.post(path, with(r.sentForm(), "do", "apply")).want(http.StatusOK, "production is a production cluster. Change")
	if k.api().Spec.Template.Spec.Containers[0].Image != "nginx:1" {
		t.Fatal("it was changed before it was confirmed")
	}
	v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	d := k.api()
	c := d.Spec.Template.Spec.Containers[0]
	if c.Image != "nginx:2" || *d.Spec.Replicas != 5 || len(c.Env) != 2 || c.Env[0].ValueFrom == nil || c.Env[1].Value != "3" || c.Args[0] != "kept" || d.Annotations["note"] != "a\nb" {
		t.Errorf("stored %+v", c)
	}
	if !slices.ContainsFunc(k.audit(db.AuditFilter{}), func(e db.AuditLine) bool {
		return e.Verb == "update" && e.Name == "api" && strings.Contains(e.Diff, "spec.replicas: 5")
	}) {
		t.Error("the change is not in the audit log")
	}
}

// TestFormAndText: the form goes on as text and comes back, with comments and with what no control shows.
func TestFormAndText(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(formDeployment())
	v := k.as(admin)
	object := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "api")
	form := v.get(object + "/form").want(http.StatusOK).sentForm()
	text := v.post(object+"/form", with(form, "f.c0-image", "nginx:2", "do", "yaml")).want(http.StatusOK, "Edit as a form").editorForm()
	if !strings.Contains(text.Get("text"), "image: nginx:2") || text.Get("base") != form.Get("base") || text.Get("rv") != form.Get("rv") || text.Get("uid") != form.Get("uid") {
		t.Fatalf("as text: %v", text)
	}
	text.Set("text", strings.Replace(text.Get("text"), "image: nginx:2", "image: nginx:3 # mine", 1)+"# end\n")
	r := v.post(object+"/edit", with(text, "do", "form")).want(http.StatusOK, "Edit as YAML")
	form = r.sentForm()
	if form.Get("f.c0-image") != "nginx:3" {
		t.Fatalf("as a form again: %v", form)
	}
	form.Set("f.replicas", "4")
	text = v.post(object+"/form", with(form, "do", "yaml")).want(http.StatusOK).editorForm()
	if got := text.Get("text"); !strings.Contains(got, "# mine") || !strings.Contains(got, "# end") || !strings.Contains(got, "replicas: 4") {
		t.Errorf("the text is\n%s", got)
	}
	v.post(object+"/edit", with(text, "text", "x: [", "do", "form")).want(http.StatusUnprocessableEntity, "cannot be read")
}

// TestFormConflict: what was typed survives, and both changes are joined in the form.
func TestFormConflict(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(formDeployment())
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "api") + "/form"
	form := with(v.get(path).want(http.StatusOK).sentForm(), "f.c0-image", "nginx:2")
	d := k.api()
	d.Labels = map[string]string{"theirs": "1"}
	four := int32(4)
	d.Spec.Replicas = &four
	k.production.Update(d)
	r := v.post(path, with(form, "do", "apply-sure")).want(http.StatusConflict, "what you typed is still here", "metadata.labels")
	if got := r.sentForm(); got.Get("f.c0-image") != "nginx:2" || got.Get("f.replicas") != "2" {
		t.Fatalf("after the conflict: %v", got)
	}
	r = v.post(path, with(r.sentForm(), "do", "merge")).want(http.StatusOK, "Both changes are in the form")
	form = r.sentForm()
	if form.Get("f.c0-image") != "nginx:2" || form.Get("f.labels.0.key") != "theirs" || form.Get("f.replicas") != "4" {
		t.Fatalf("joined: %v", form)
	}
	v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	if d := k.api(); d.Labels["theirs"] != "1" || d.Spec.Template.Spec.Containers[0].Image != "nginx:2" {
		t.Errorf("stored %+v", d)
	}
	form = v.get(path).want(http.StatusOK).sentForm()
	k.production.Delete(k.api())
	r = v.post(path, with(form, "do", "apply-sure")).want(http.StatusNotFound, "deleted meanwhile", "Create it anew")
	v.post(path, with(r.sentForm(), "do", "create-sure")).want(http.StatusSeeOther)
	if k.api() == nil {
		t.Error("it was not created anew")
	}
}

// TestFormRefused: the words of the API server stand at the control that they are about.
func TestFormRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(formDeployment())
	v := k.as(admin)
	kind := mustKind(t, "deployments.apps")
	path := objectPath(k.productionID, kind, "shop", "api") + "/form"
	form := with(v.get(path).want(http.StatusOK).sentForm(), "f.c0-image", "nginx:2")
	k.production.Admit(func(_, _ runtime.Object) error {
		return apierrors.NewInvalid(kind.GVK().GroupKind(), "api", field.ErrorList{
			field.Invalid(field.NewPath("spec", "template", "spec", "containers").Index(0).Child("image"), "nginx:2", "not from here"),
			field.Invalid(field.NewPath("spec", "strategy"), "x", "somewhere else"),
		})
	})
	r := v.post(path, with(form, "do", "check")).want(http.StatusUnprocessableEntity, "not from here", `id="f-f-c0-image-error"`, `href="#f-f-c0-image"`, "somewhere else")
	if r.sentForm().Get("f.c0-image") != "nginx:2" {
		t.Error("what was typed is lost")
	}
}

// TestFormOfAConfigMap: keys with text and with bytes, and more of them than the library reads of a form.
func TestFormOfAConfigMap(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	data := map[string]string{"a": "\nbegins with an empty line", "rtl": "a\u202eb"}
	for i := range 400 {
		data[fmt.Sprintf("k%d", i)] = "v"
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}, Data: data, BinaryData: map[string][]byte{"logo": {0xff, 0, 1}}}
	k.production.Add(config)
	v := k.as(admin)
	object := objectPath(k.productionID, mustKind(t, "configmaps"), "shop", "c")
	form := v.get(object + "/form").want(http.StatusOK).sentForm()
	v.upload(object+"/form", with(form, "do", "check"), nil).want(http.StatusOK, "nothing would change")
	if got := v.get(object + "/download?key=logo").want(http.StatusOK); got.body != "\xff\x00\x01" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("downloaded %q %v", got.body, got.header)
	}
	v.get(object + "/download?key=none").want(http.StatusNotFound)

	form = v.upload(object+"/form", with(form, "do", "add:data"), nil).want(http.StatusOK).sentForm()
	row := form["row.data"][len(form["row.data"])-1]
	id, _, _ := strings.Cut(row, "/")
	control := "f.data." + id + "."
	raw := []byte{0, 0xfe, '\r', '\n', 9}
	// The file survives an error elsewhere.
	form = v.upload(object+"/form", with(form, "do", "apply-sure", control+"key", "no/slash"), map[string][]byte{control + "file": raw}).want(http.StatusUnprocessableEntity, "at most 253").sentForm()
	form = v.upload(object+"/form", with(form, "do", "diff", control+"key", "bin"), nil).want(http.StatusOK, "binaryData.bin").sentForm()
	v.upload(object+"/form", with(form, "do", "apply-sure"), nil).want(http.StatusSeeOther)
	stored := k.production.Object(config).(*corev1.ConfigMap)
	if !bytes.Equal(stored.BinaryData["bin"], raw) || len(stored.Data) != len(data) || stored.Data["a"] != data["a"] || stored.Data["rtl"] != data["rtl"] || len(stored.BinaryData["logo"]) != 3 {
		t.Errorf("stored %d keys, %v", len(stored.Data), stored.BinaryData)
	}
	v.upload(object+"/form", with(form, "do", "apply-sure"), map[string][]byte{"f.data.0.file": make([]byte, maxEditBody)}).want(http.StatusRequestEntityTooLarge)
}

// TestA24_FormOfASecret: no value is on a page, in a diff, in the audit or in the log, but where it was typed.
func TestA24_FormOfASecret(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const old, fresh = "canary-old-1", "canary-new-2"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"a": []byte(old), "b": []byte(old), "c": []byte(old)}}
	k.production.Add(secret)
	v := k.as(admin)
	object := objectPath(k.productionID, mustKind(t, "secrets"), "shop", "db")
	page := v.get(object+"/form").want(http.StatusOK, "Values stay on the server", "hidden")
	form := with(page.sentForm(), "f.data.1.value", fresh)
	file := []byte{0, 1, 2, 0xff}
	diff := v.upload(object+"/form", with(form, "do", "diff"), map[string][]byte{"f.data.2.file": file}).want(http.StatusOK, "(12 bytes, changed)", "(4 bytes)")
	if form = diff.sentForm(); form.Get("f.data.2.value") != "" {
		t.Errorf("after the comparison: %v", form)
	}
	v.upload(object+"/form", with(form, "do", "apply-sure"), nil).want(http.StatusSeeOther)
	stored := k.production.Object(secret).(*corev1.Secret)
	if string(stored.Data["a"]) != old || string(stored.Data["b"]) != fresh || !bytes.Equal(stored.Data["c"], file) {
		t.Errorf("stored %q", stored.Data)
	}
	for _, e := range k.audit(db.AuditFilter{}) {
		if strings.Contains(e.Diff+e.Message, "canary") {
			t.Errorf("the audit has a value: %+v", e)
		}
	}
	if strings.Contains(page.body, "canary") || strings.Contains(diff.body, old) || strings.Contains(k.log.String(), "canary") {
		t.Error("a value is shown that was not typed")
	}
	v.get(object + "/download?key=a").want(http.StatusNotFound)
}

// TestFormKnowsOtherObjects: who sets the replicas, and whether a claim can grow.
func TestFormKnowsOtherObjects(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	yes, fast, slow := true, "fast", "slow"
	claim := func(name, class string) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("10Gi")}},
		}}
	}
	k.production.Add(formDeployment(), claim("a", fast), claim("b", slow), claim("c", "gone"),
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: fast}, AllowVolumeExpansion: &yes}, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: slow}},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "scaler"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "api", APIVersion: "apps/v1"}, MaxReplicas: 4,
		}})
	v := k.as(admin)
	at := func(id, name string) string {
		return objectPath(k.productionID, mustKind(t, id), "shop", name) + "/form"
	}
	v.get(at("deployments.apps", "api")).want(http.StatusOK, "The HorizontalPodAutoscaler scaler sets the replicas")
	if v.get(at("deployments.apps", "api")).sentForm().Has("f.replicas") {
		t.Error("the replicas can be typed")
	}
	form := v.get(at("persistentvolumeclaims", "a")).want(http.StatusOK, "never shrinks").sentForm()
	v.post(at("persistentvolumeclaims", "a"), with(form, "f.storage", "1Gi", "do", "apply-sure")).want(http.StatusUnprocessableEntity, "A volume cannot shrink: it has 10Gi.")
	v.post(at("persistentvolumeclaims", "a"), with(form, "f.storage", "20Gi", "do", "apply-sure")).want(http.StatusSeeOther)
	if v.get(at("persistentvolumeclaims", "b")).want(http.StatusOK, "does not let volumes grow").sentForm().Has("f.storage") {
		t.Error("a claim of a class that does not expand can be typed")
	}
	v.get(at("persistentvolumeclaims", "c")).want(http.StatusOK, "could not be read")
}

// TestFormIsForThoseWhoMayEdit: nobody else is offered it, and a kind without fields of its own has one for its labels.
func TestFormIsForThoseWhoMayEdit(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	deployment := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	namespace := objectPath(k.productionID, mustKind(t, "namespaces"), "", "shop")
	if body := k.as(viewer).get(deployment).want(http.StatusOK).body; strings.Contains(body, deployment+"/form") {
		t.Error("a viewer is offered the form")
	}
	v := k.as(admin)
	v.get(namespace).want(http.StatusOK, namespace+"/form#part-labels")
	form := v.get(namespace + "/form").want(http.StatusOK).sentForm()
	form = v.post(namespace+"/form", with(form, "do", "add:labels")).want(http.StatusOK).sentForm()
	v.post(namespace+"/form", with(form, "f.labels.0.key", "team", "f.labels.0.value", "shop", "do", "apply-sure")).want(http.StatusSeeOther)
	if n := k.production.Object(testNamespace("shop")).(*corev1.Namespace); n.Labels["team"] != "shop" {
		t.Errorf("labels %v", n.Labels)
	}
}

// TestEditingFollowsTheRightsOfTheCluster: what the cluster would refuse to Tiga's own credentials is not offered.
func TestEditingFollowsTheRightsOfTheCluster(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Authorize(func(a kubetest.Attributes) bool { return a.Verb != "update" || a.Resource != "deployments" })
	v := k.as(admin)
	deployment := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	eventually(t, "the cluster's rights are known", func() bool {
		return !strings.Contains(v.get(deployment).want(http.StatusOK).body, deployment+"/form")
	})
	if strings.Contains(v.get(deployment).body, deployment+"/edit") {
		t.Error("the editor is offered")
	}
	v.get(objectPath(k.productionID, mustKind(t, "namespaces"), "", "shop")).want(http.StatusOK, "/form#part-labels")
}
