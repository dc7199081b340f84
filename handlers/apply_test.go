package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kubetest"
)

// applyKit is a kit whose operations do not dawdle.
func applyKit(t *testing.T) *kit {
	t.Helper()
	k := newKit(t, kitConfig{})
	k.undertakings.pace = pace{heartbeat: 20 * time.Millisecond, retry: 10 * time.Millisecond, look: 10 * time.Millisecond}
	return k
}

// configMapText is a document of a ConfigMap; an empty namespace is none.
func configMapText(namespace, name, value string) string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
	if namespace != "" {
		text += "  namespace: " + namespace + "\n"
	}
	return text + "data:\n  key: " + value + "\n"
}

// applied is a ConfigMap's value as production has it; "" for none.
func (k *kit) applied(namespace, name string) string {
	m, ok := k.production.Object(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}).(*corev1.ConfigMap)
	if !ok {
		return ""
	}
	return m.Data["key"]
}

// apply applies a text before the test begins.
func (k *kit) apply(text string) {
	k.t.Helper()
	var got struct{ Data applyBody }
	raw, err := json.Marshal(map[string]any{"yaml": text})
	k.must(err)
	r := k.withToken(admin, access.RoleAdmin).json("POST", fmt.Sprintf("%s/clusters/%d/apply", apiRoot, k.productionID), string(raw)).want(http.StatusAccepted)
	k.must(json.Unmarshal([]byte(r.body), &got))
	k.ends(got.Data.Operation.ID, db.OperationDone)
	k.production.Reset()
}

// written waits until every intent has its outcome: that of an operation comes after its end.
func (k *kit) written() {
	k.t.Helper()
	eventually(k.t, "every intent has an outcome", func() bool { return len(k.audit(db.AuditFilter{Result: db.ResultOpen})) == 0 })
}

// check asks what a text would do, and returns the form that the answer has.
func (v *visitor) check(status int, text string, pairs ...string) (*reply, url.Values) {
	v.k.t.Helper()
	path := applyPath(v.k.productionID)
	form := v.get(path).want(http.StatusOK).editorForm()
	form.Set("text", text)
	form.Set("namespace", "shop")
	form.Set("do", "check")
	r := v.post(path, with(form, pairs...)).want(status)
	answer := r.editorForm()
	answer.Set("namespace", "shop")
	return r, with(answer, pairs...)
}

// Many documents: the table says what would become of each, and applying does it, in the order that they need.
func TestApplyingDocuments(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	path := applyPath(k.productionID)
	k.apply(configMapText("shop", "there", "old"))
	text := configMapText("stage", "inner", "a") + "---\n# nothing\n---\n" + configMapText("", "there", "new") + "---\n" + configMapText("pay", "fresh", "b") +
		"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: stage}\n"
	v.get(clusterPath(k.productionID)).want(http.StatusOK, path)
	r, form := v.check(http.StatusOK, text)
	r.want(http.StatusOK, "Its namespace stage comes by document 4", "data.key", "production", "Apply 4 documents", "would accept every document")
	for n, word := range map[int]string{1: "Not known yet", 2: "Change", 3: "Create", 4: "Create"} {
		if row := elements(r.doc(), "tr", "id", fmt.Sprintf("document-%d", n)); len(row) != 1 || !strings.Contains(textOf(row[0]), word) {
			t.Errorf("document %d is not told as %q", n, word)
		}
	}
	for _, c := range k.production.Changes() {
		if c.Query.Get("dryRun") != "All" {
			t.Fatalf("a check sent %s", c)
		}
	}
	v.post(path, with(form, "do", "apply")).want(http.StatusOK, "production is a production cluster. Apply 4 documents there?")
	if k.applied("pay", "fresh") != "" {
		t.Fatal("applied before it was confirmed")
	}
	done := v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(done, db.OperationDone)
	if k.applied("stage", "inner") != "a" || k.applied("shop", "there") != "new" || k.applied("pay", "fresh") != "b" {
		t.Errorf("applied %q, %q, %q", k.applied("stage", "inner"), k.applied("shop", "there"), k.applied("pay", "fresh"))
	}
	v.get(done).want(http.StatusOK, "All 4 documents were applied", "Created.", "1 field changed", "4 of 4")

	// The same form once more begins nothing.
	if again := v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location"); again != done {
		t.Errorf("a second press began %s", again)
	}
	k.written()
	verbs := map[string]int{}
	for _, line := range k.audit(db.AuditFilter{Cluster: "production"}) {
		if line.Result != db.ResultOK {
			t.Errorf("%s %s is %s", line.Verb, line.Name, line.Result)
		}
		verbs[line.Verb]++
	}
	if verbs["apply"] != 2 || verbs["patch"] != 5 { // one of each came before
		t.Errorf("audited %v", verbs)
	}
	// What was typed after the check is looked at first.
	r, form = v.check(http.StatusOK, text)
	r.want(http.StatusOK, "Unchanged")
	v.post(path, with(form, "do", "apply-sure", "text", text+"---\n"+configMapText("pay", "late", "c"))).want(http.StatusConflict, "changed since it was checked", "Apply 5 documents")
	if k.applied("pay", "late") != "" {
		t.Error("what was not checked was applied")
	}
}

// What the text's documents are is told by document: one that cannot be sent does not keep the others.
func TestApplyLeavesOutWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	node := "apiVersion: v1\nkind: Node\nmetadata: {name: p-1, namespace: shop}\n"
	docs := []string{
		configMapText("", "good", "a"), "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: x}\n", configMapText("", "good", "b"), node,
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../../x}\n", "metadata: {name: x}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n", "apiVersion: apps/v1beta9\nkind: Deployment\nmetadata: {name: x}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 3}\n",
	}
	r, form := v.check(http.StatusOK, strings.Join(docs, "---\n"))
	r.want(http.StatusOK, "no kind Gadget of example.com/v1", "the same object as document 1", "A Node has no namespace", "A generated name cannot be applied",
		"There is no namespace nowhere", "not serve Deployment at apps/v1beta9", "would be refused or left out", "Apply 2 documents")
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationFailed)
	v.get(path).want(http.StatusOK, "1 of 2 documents applied", "Left out before it began: 8", "There is no namespace nowhere")
	if k.applied("shop", "good") != "a" {
		t.Errorf("good is %q", k.applied("shop", "good"))
	}
}

// A document that is refused does not stop the others, unless that is wanted.
func TestApplyWithOneBadDocument(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	k.production.Admit(func(_, changed runtime.Object) error {
		if m, ok := changed.(*corev1.ConfigMap); ok && m.Data["key"] == "bad" {
			return apierrors.NewForbidden(corev1.Resource("configmaps"), m.Name, errors.New("the policy says no to "+m.Name))
		}
		return nil
	})
	v := k.as(operator)
	text := configMapText("", "one", "bad") + "---\n" + configMapText("", "two", "good") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: three}\nspec: {}\n"
	r, form := v.check(http.StatusOK, text)
	r.want(http.StatusOK, "1 document would be refused", "the policy says no to one")
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationFailed)
	v.get(path).want(http.StatusOK, "the policy says no to one", "2 of 3 documents applied")
	if k.applied("shop", "two") != "good" {
		t.Error("the good one was not applied")
	}
	_, form = v.check(http.StatusOK, strings.ReplaceAll(text, "good", "better"), "stop", "1")
	path = v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationFailed)
	v.get(path).want(http.StatusOK, "A document failed, and nothing more was to be begun", "Not done")
	if s := k.steps(path)["three"]; s != db.StepPlanned {
		t.Errorf("what comes after the failure is %s", s)
	}
}

// What needs a namespace or a kind that could not be made is skipped, and says so; what they were made for is applied.
func TestApplyOrdersAndSkips(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(admin)
	crd := kubetest.Definition("example.com", "widgets", "Widget", "Namespaced", "v1")
	crd.APIVersion, crd.Kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
	raw, err := json.Marshal(crd)
	k.must(err)
	widget := "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: shop}\nspec: {size: 1}\n"
	r, form := v.check(http.StatusOK, widget+"---\n"+string(raw)+"\n")
	r.want(http.StatusOK, "Its kind becomes known by document 2", "Apply 2 documents")
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationDone)
	if k.production.Object(kubetest.Custom("example.com/v1", "Widget", "shop", "w", nil)) == nil {
		t.Error("the widget was not made")
	}
	k.production.Admit(func(_, changed runtime.Object) error {
		if _, ok := changed.(*corev1.Namespace); ok {
			return apierrors.NewForbidden(corev1.Resource("namespaces"), "stage", errors.New("no more namespaces"))
		}
		return nil
	})
	_, form = v.check(http.StatusOK, configMapText("stage", "inner", "a")+"---\napiVersion: v1\nkind: Namespace\nmetadata: {name: stage}\n")
	path = v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationFailed)
	v.get(path).want(http.StatusOK, "no more namespaces", "It needs Namespace stage, which was not applied", "Skipped")
}

// Fields of other managers are named with their owners, and each is taken over or left.
func TestApplyConflicts(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	path := applyPath(k.productionID)
	k.production.AddAs("helm", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"}, Data: map[string]string{"key": "theirs", "other": "theirs"}})
	text := configMapText("", "settings", "mine") + "  other: mine\n"
	r, form := v.check(http.StatusOK, text)
	r.want(http.StatusOK, "In 1 document others have set fields", "data.key", "Leave to helm", "theirs")
	doc := &applyDoc{kind: mustKind(t, "configmaps"), namespace: "shop", name: "settings"}
	key, other := ownName(doc, ".data.key"), ownName(doc, ".data.other")
	if n := len(elements(r.doc(), "input", "name", key)); n != 2 {
		t.Fatalf("%d choices for a field", n)
	}

	// Nothing is chosen: the step fails, and names the owner.
	failed := v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(failed, db.OperationFailed)
	v.get(failed).want(http.StatusOK, ".data.key (helm)")

	chosen := []string{key, "take", other, "leave"}
	r, form = v.check(http.StatusOK, text, chosen...)
	r.want(http.StatusOK, "Change", "1 field")
	done := v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(done, db.OperationDone)
	m, _ := k.production.Object(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"}}).(*corev1.ConfigMap)
	if m.Data["key"] != "mine" || m.Data["other"] != "theirs" {
		t.Errorf("the fields are %v", m.Data)
	}
	// All at once.
	_, form = v.check(http.StatusOK, text, "policy", "take")
	k.ends(v.post(path, with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location"), db.OperationDone)
	if m, _ = k.production.Object(m).(*corev1.ConfigMap); m.Data["other"] != "mine" {
		t.Errorf("the fields are %v", m.Data)
	}
}

// Whoever may not see an object learns nothing of it by applying one of its name; what is missing is named otherwise.
func TestApplyTellsNothingOfWhatIsHidden(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	k.production.Add(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "pay", Name: "there"}, Data: map[string]string{"key": "confidential"}})
	v := k.as(keeper)
	k.production.Reset()
	r, _ := v.check(http.StatusUnprocessableEntity, configMapText("pay", "there", "a")+"---\n"+configMapText("pay", "away", "a")+"---\napiVersion: v1\nkind: Node\nmetadata: {name: p-1}\n")
	rows := elements(r.doc(), "tr", "id", "")
	said := map[string]bool{}
	for _, row := range rows {
		if id := attribute(row, "id"); strings.HasPrefix(id, "document-") {
			text := textOf(row)
			_, words, _ := strings.Cut(text, "You may not")
			said[words] = true
		}
	}
	if len(said) != 1 {
		t.Errorf("what is there is told otherwise than what is not: %v", said)
	}
	if n := len(k.production.Changes()); n != 0 || strings.Contains(r.body, "confidential") {
		t.Errorf("%d requests were sent", n)
	}
	for _, req := range k.production.Requests() {
		if strings.Contains(req.Path, "/pay/configmaps") {
			t.Errorf("the cluster was asked %s", req)
		}
	}
	r, form := v.check(http.StatusOK, configMapText("shop", "mine", "a")+"---\n"+configMapText("pay", "there", "a"))
	r.want(http.StatusOK, "Left out", "Apply 1 document")
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	k.ends(path, db.OperationDone)
	if k.applied("shop", "mine") != "a" || k.applied("pay", "there") != "" && k.applied("pay", "there") != "confidential" {
		t.Error("something else was applied than what may be")
	}
	denied := k.audit(db.AuditFilter{Result: db.ResultDenied})
	if len(denied) != 1 || denied[0].Namespace != "pay" {
		t.Errorf("%d refusals are audited", len(denied))
	}
	k.as(viewer).get(path).want(http.StatusOK)
	k.as(viewer).get(applyPath(k.productionID)).want(http.StatusForbidden)
	if strings.Contains(k.as(viewer).get(clusterPath(k.productionID)).body, applyPath(k.productionID)) {
		t.Error("a viewer is offered to apply")
	}
}

// Bad input is told with its document and its line, and the text comes back.
func TestApplyBadInput(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	tests := map[string]struct {
		text  string
		wants []string
	}{
		"broken":    {configMapText("", "a", "b") + "---\na: [1\nb: 2\n", []string{"Document 2:", "Line 8", "not YAML"}},
		"alias":     {configMapText("", "a", "b") + "---\na: &x 1\n", []string{"Document 2:", "Line 8", "Anchors and aliases"}},
		"thousands": {strings.Repeat("---\n"+configMapText("", "a", "b"), 3000), []string{"more than 1,000 documents"}},
		"empty":     {"# nothing\n---\n", []string{"There is nothing in it"}},
		"large":     {configMapText("", "a", strings.Repeat("x", 1<<20)), []string{"at most 1,024 KiB"}},
		"script":    {"apiVersion: v1\nkind: <script>alert(1)</script>\nmetadata: {name: \"<script>\"}\n", []string{"no kind <script>"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, form := v.check(http.StatusUnprocessableEntity, tt.text)
			r.want(http.StatusUnprocessableEntity, tt.wants...)
			if form.Get("text") != tt.text {
				t.Error("the text is lost")
			}
			if strings.Contains(r.body, "<script>alert") {
				t.Error("a script is in the page")
			}
		})
	}
	if n := len(k.production.Changes()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
	v.post(applyPath(k.productionID), url.Values{"text": {strings.Repeat("x", maxApplyBody)}}).want(http.StatusRequestEntityTooLarge)
}

// Files stand behind the text, each under its name.
func TestApplyFiles(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	k.must(form.WriteField("text", configMapText("", "typed", "a")))
	k.must(form.WriteField("namespace", "shop"))
	k.must(form.WriteField("do", "check"))
	for name, text := range map[string]string{"one\n.yaml": configMapText("", "first", "b"), "two.json": "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"second\"}}"} {
		w, err := form.CreateFormFile("files", name)
		k.must(err)
		_, err = w.Write([]byte(text))
		k.must(err)
	}
	k.must(form.Close())
	r := v.send("POST", applyPath(k.productionID), body.String(), "Content-Type", form.FormDataContentType()).want(http.StatusOK, "Apply 3 documents", "first", "second", "typed")
	if text := r.editorForm().Get("text"); !strings.Contains(text, "# two.json\n{") || !strings.Contains(text, "---\n# ") {
		t.Errorf("the text is\n%s", text)
	}
}

// The values of a Secret stay out of the store, the audit, the log and the page's table.
func TestA24_ApplySecretIsKeptNowhere(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(admin)
	const value, encoded = "correct-horse-battery", "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"
	text := "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData:\n  password: " + value + "\n"
	r, form := v.check(http.StatusOK, text)
	for _, node := range elements(r.doc(), "section", "id", "apply-documents") {
		if said := textOf(node); strings.Contains(said, value) || strings.Contains(said, encoded) || !strings.Contains(said, "(21 bytes)") {
			t.Errorf("the table says %s", said)
		}
	}
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	o := k.ends(path, db.OperationDone)
	steps, err := k.store.Read().OperationSteps(t.Context(), idOf(path))
	k.must(err)
	kept := fmt.Sprintf("%+v %+v %+v %s %s", o, steps, k.audit(db.AuditFilter{}), k.log.String(), v.get(path).body)
	if strings.Contains(kept, value) || strings.Contains(kept, encoded) {
		t.Error("the value is kept")
	}
	secret, _ := k.production.Object(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}}).(*corev1.Secret)
	if secret == nil || string(secret.Data["password"]) != value {
		t.Error("the Secret was not applied")
	}
}

// An application is stopped between two documents, and ends when the right to it is taken away.
func TestStoppedApply(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.as(operator)
	reached, goOn := make(chan struct{}, 100), make(chan struct{})
	k.production.Script(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" {
			reached <- struct{}{}
			<-goOn
		}
		return false
	})
	var text strings.Builder
	for i := range 40 {
		text.WriteString("---\n" + configMapText("", fmt.Sprintf("m-%02d", i), "a"))
	}
	_, form := v.check(http.StatusOK, text.String())
	path := v.post(applyPath(k.productionID), with(form, "do", "apply-sure")).want(http.StatusSeeOther).header.Get("Location")
	<-reached
	v.post(path+"/stop", nil).want(http.StatusSeeOther)
	close(goOn)
	k.ends(path, db.OperationStopped)
	states := map[string]int{}
	for _, state := range k.steps(path) {
		states[state]++
	}
	if states[db.StepDone] == 0 || states[db.StepDone] > stepsAtOnce || states[db.StepDone]+states[db.StepPlanned] != 40 {
		t.Errorf("steps are %v", states)
	}
	v.get(path).want(http.StatusOK, "Somebody stopped it", "Not done")
	k.written()
}

func TestApplyByAPI(t *testing.T) {
	t.Parallel()
	k := applyKit(t)
	v := k.withToken(operator, access.RoleOperator)
	path := fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID)
	body := func(text string, more map[string]any) string {
		m := map[string]any{"yaml": text, "namespace": "shop"}
		maps.Copy(m, more)
		raw, err := json.Marshal(m)
		k.must(err)
		return string(raw)
	}
	k.production.AddAs("helm", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"}, Data: map[string]string{"key": "theirs"}})
	text := configMapText("", "settings", "mine") + "---\n" + configMapText("", "fresh", "a")
	var got struct{ Data applyBody }
	r := v.json("POST", path+"/apply?dryRun=All", body(text, nil)).want(http.StatusOK)
	k.must(json.Unmarshal([]byte(r.body), &got))
	if d := got.Data.Documents; len(d) != 2 || d[0].Verdict != "conflict" || d[0].Conflicts[0].Manager != "helm" || d[0].Conflicts[0].Field != ".data.key" || d[1].Verdict != "create" {
		t.Fatalf("would: %s", r.body)
	}
	choice := []map[string]any{{"resource": "configmaps", "namespace": "shop", "name": "settings", "field": ".data.key", "choice": "take"}}
	r = v.json("POST", path+"/apply", body(text, map[string]any{"choices": choice, "token": "once"})).want(http.StatusAccepted)
	k.must(json.Unmarshal([]byte(r.body), &got))
	id := got.Data.Operation.ID
	k.ends(id, db.OperationDone)
	if k.applied("shop", "settings") != "mine" || k.applied("shop", "fresh") != "a" {
		t.Errorf("applied %q and %q", k.applied("shop", "settings"), k.applied("shop", "fresh"))
	}
	v.get(path+"/operations/"+id).want(http.StatusOK, `"action":"apply"`, `"state":"done"`)
	v.json("POST", path+"/apply", body(text, map[string]any{"choices": choice, "token": "once"})).want(http.StatusAccepted, id)

	v.json("POST", path+"/apply", body(text+"---\nkind: Gadget\napiVersion: x/v1\nmetadata: {name: a}\n", nil)).want(http.StatusUnprocessableEntity, "apply_refused", "Document 3", "Gadget")
	v.json("POST", path+"/apply", body("a: [1\nb: 2\n", nil)).want(http.StatusBadRequest, "Line 2")
	v.json("POST", path+"/apply", body(text, map[string]any{"conflicts": "maybe"})).want(http.StatusBadRequest)
	k.withToken(admin, access.RoleViewer).json("POST", path+"/apply", body(text, nil)).want(http.StatusForbidden)
}
