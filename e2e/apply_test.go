package e2e

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tiga/e2e/testbed"
)

// applyText is a text whose documents need each other in another order than they stand in, with one that no API server
// accepts.
const applyText = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: first, namespace: assembly}
spec: {size: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plan, namespace: assembly}
data: {speed: slow}
---
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: default}
spec:
  ports: [{port: 70000}]
---
apiVersion: v1
kind: Namespace
metadata: {name: assembly}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: belt}
spec:
  replicas: 0
  selector: {matchLabels: {app: belt}}
  template:
    metadata: {labels: {app: belt}}
    spec: {containers: [{name: belt, image: "belt:1"}]}
`

// checked types a text and looks at what it would do.
func (b *browser) checked(text string) {
	b.t.Helper()
	b.typed(fmt.Sprintf("%q", text))
	b.press("check")
	b.wait("what would happen", "document.querySelector('#apply-documents')")
}

// ended follows an operation to its end, and returns what it says.
func (b *browser) ended() string {
	b.t.Helper()
	b.wait("the page of the operation", `location.pathname.includes('/operations/')`)
	b.wait("the end", `/Done|Failed|Stopped|Interrupted/.test(document.querySelector('#operation-status')?.innerText ?? '')`)
	return eval[string](b, "document.querySelector('#main').innerText")
}

// TestApplyingInABrowser: a text with one bad document is looked at and applied, in the order that its documents need; then
// a field that another client has set is taken over, and one is left.
func TestApplyingInABrowser(t *testing.T) {
	c := testbed.Start(t, testbed.Options{Name: "line", Nodes: 1})
	a := start(t, options{kubeconfig: c.Kubeconfig()})
	id := a.signIn("admin", password).clusterID("line")
	page := fmt.Sprintf("/clusters/%d/apply", id)
	b := a.open()
	b.signIn("admin", password)
	b.visit(fmt.Sprintf("/clusters/%d", id))
	b.click(fmt.Sprintf("a[href=%q]", page))
	b.looks("apply-empty")
	b.checked(applyText)
	b.text("#document-1", "Its kind becomes known by document 5")
	b.text("#document-2", "Its namespace assembly comes by document 4")
	b.text("#document-3", "70000")
	b.text("#document-5", "Create")
	b.text("#edit-notice", "1 document would be refused")
	b.looks("apply-checked")
	b.press("apply")
	said := b.ended()
	if !strings.Contains(said, "5 of 6 documents applied") || !strings.Contains(said, "70000") {
		t.Errorf("the operation says %s", said)
	}
	b.looks("apply-ended")
	if size := kubectl(t, c, "get", "widgets", "-n", "assembly", "first", "-o", "jsonpath={.spec.size}"); size != "3" {
		t.Errorf("the widget's size is %q", size)
	}
	if by := kubectl(t, c, "get", "deployment", "belt", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[?(@.operation=='Apply')].manager}"); by != "tiga" {
		t.Errorf("the Deployment is managed by %q", by)
	}

	// kubectl sets two fields; one of them is taken back.
	kubectl(t, c, "set", "image", "deployment/belt", "belt=belt:2")
	kubectl(t, c, "scale", "deployment/belt", "--replicas=1")
	deployment := applyText[strings.LastIndex(applyText, "---")+4:]
	b.visit(page)
	b.checked(deployment)
	b.text("#document-1", "Conflict")
	b.text(".conflict-choice", "kubectl")
	b.looks("apply-conflict")
	pick := func(field, choice string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`([...document.querySelectorAll('.conflict-choice')].find(f => f.innerText.includes(%q)).querySelector('input[value=%s]').click(), true)`, field, choice))
	}
	pick(`containers[name="belt"].image`, "take")
	pick("spec.replicas", "leave")
	b.press("check")
	b.wait("the choice is checked", `document.querySelector('#document-1')?.innerText.includes('Change')`)
	b.press("apply")
	if said = b.ended(); !strings.Contains(said, "1 document was applied") {
		t.Errorf("the operation says %s", said)
	}
	if got := kubectl(t, c, "get", "deployment", "belt", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"); got != "1 belt:1" {
		t.Errorf("after one was taken over and one left: %s", got)
	}

	// A conflict that comes up only when it is applied names the owner.
	v := a.signIn("admin", password)
	var begun struct{ Operation struct{ ID string } }
	path := fmt.Sprintf("/clusters/%d", id)
	if r := v.api(http.MethodPost, path+"/apply", map[string]any{"yaml": deployment}, &begun); r.status != http.StatusAccepted {
		t.Fatalf("apply: %d %s", r.status, r.body)
	}
	b.visit(path + "/operations/" + begun.Operation.ID)
	if said = b.ended(); !strings.Contains(said, ".spec.replicas (kubectl") {
		t.Errorf("the operation says %s", said)
	}

	// What cannot be read is said at its line.
	b.visit(page)
	b.typed(fmt.Sprintf("%q", deployment+"---\na: [1\nb: 2\n"))
	b.press("check")
	b.text("#edit-errors", "Document 2:")
	b.wait("the line is marked", `tigaAce.session.getAnnotations().length === 1`)
	b.looks("apply-broken")
	b.quiet()
}

// holding is an admission webhook that keeps every object labelled hold back until the test lets go.
func holding(t *testing.T, c *testbed.Cluster) (reached <-chan struct{}, letGo func()) {
	t.Helper()
	asked, free := make(chan struct{}, 100), make(chan struct{})
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		asked <- struct{}{}
		select {
		case <-free:
		case <-r.Context().Done():
			return
		}
		_, rest, _ := strings.Cut(string(raw), `"uid":"`)
		uid, _, _ := strings.Cut(rest, `"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true}}`, uid)
	}))
	let := sync.OnceFunc(func() { close(free) })
	t.Cleanup(func() {
		let()
		hook.Close()
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})
	text := fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hold}
webhooks:
- name: hold.example.com
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 30
  failurePolicy: Fail
  objectSelector: {matchLabels: {hold: "yes"}}
  clientConfig: {url: %q, caBundle: %q}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
`, hook.URL+"/", base64.StdEncoding.EncodeToString(ca))
	kubectlApply(t, c, text)
	return asked, let
}

// A kill in the middle of an apply: after the start the page says which documents were applied, which were not, and of which
// nobody can tell; nothing goes on by itself, and no value of the text is in the store.
func TestKillDuringAnApplyTellsWhatIsKnown(t *testing.T) {
	c := testbed.Start(t, testbed.Options{Name: "hold", Nodes: 1})
	reached, letGo := holding(t, c)
	a := start(t, options{kubeconfig: c.Kubeconfig()})
	v := a.signIn("admin", password)
	path := fmt.Sprintf("/clusters/%d", v.clusterID("hold"))
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m-%02d}\ndata: {key: walnut-shell}\n", i)
	}
	text.WriteString("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, labels: {hold: \"yes\"}}\n")
	text.WriteString("---\napiVersion: v1\nkind: Service\nmetadata: {name: after}\nspec: {ports: [{port: 80}]}\n")
	type operation struct {
		ID, State, Message string
		Steps              []struct{ Name, State, Message string }
	}
	var begun struct{ Operation operation }
	// A webhook is heeded a moment after it was made: until then the documents would go through.
	kubectl(t, c, "create", "configmap", "probe")
	eventually(t, time.Minute, "the webhook is heeded", func() error {
		out, _ := c.Kubectl(t.Context(), "label", "configmap", "probe", "hold=yes", "--overwrite", "--dry-run=server", "--request-timeout=1s")
		if len(reached) == 0 {
			return fmt.Errorf("not yet: %s", out)
		}
		return nil
	})
	for len(reached) > 0 {
		<-reached
	}
	if r := v.api(http.MethodPost, path+"/apply", map[string]any{"yaml": text.String()}, &begun); r.status != http.StatusAccepted {
		t.Fatalf("apply: %d %s", r.status, r.body)
	}
	<-reached
	eventually(t, time.Minute, "all but the one that is held are applied", func() error {
		var o operation
		v.api(http.MethodGet, path+"/operations/"+begun.Operation.ID, nil, &o)
		for _, s := range o.Steps {
			if strings.HasPrefix(s.Name, "m-") && s.State != "done" {
				return fmt.Errorf("%s is %s", s.Name, s.State)
			}
		}
		return nil
	})
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait()
	letGo()

	again := start(t, options{dir: a.dir, kubeconfig: c.Kubeconfig()})
	v = again.signIn("admin", password)
	var o operation
	r := v.api(http.MethodGet, path+"/operations/"+begun.Operation.ID, nil, &o)
	if o.State != "interrupted" || len(o.Steps) != 14 {
		t.Fatalf("after the kill: %s", r.body)
	}
	for _, s := range o.Steps {
		want := "done"
		switch s.Name {
		case "held":
			want = "unknown"
		case "after":
			want = "planned"
		}
		if s.State != want {
			t.Errorf("%s is %s, want %s: %s", s.Name, s.State, want, s.Message)
		}
	}
	page := v.get(path + "/operations/" + begun.Operation.ID)
	for _, words := range []string{"Interrupted", "Not done", "Tiga ended before it knew", "held", "after"} {
		if !strings.Contains(page.body, words) {
			t.Errorf("the page does not say %q: %d", words, page.status)
		}
	}
	if out, err := c.Kubectl(t.Context(), "get", "service", "after"); err == nil {
		t.Errorf("it went on by itself: %s", out)
	}
	if unknown := v.get("/audit?result=unknown"); !strings.Contains(unknown.body, "held") || !strings.Contains(unknown.body, "apply") {
		t.Errorf("the audit has no unknown outcome: %d", unknown.status)
	}
	if open := v.get("/audit?result=open"); strings.Contains(open.body, "held") {
		t.Error("an intent has no outcome after the start")
	}
	files, err := filepath.Glob(filepath.Join(a.dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the store: %v, %v", files, err)
	}
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil && strings.Contains(string(raw), "after}\nspec") {
			t.Errorf("%s has the text", file)
		}
	}
}
