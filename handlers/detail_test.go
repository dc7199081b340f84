package handlers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// grant gives a user a role of just these rules.
func (k *kit) grant(user string, rules ...access.Rule) {
	k.t.Helper()
	text, err := json.Marshal(rules)
	k.must(err)
	k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
		name := "only-" + user
		if _, err := q.CreateRole(k.t.Context(), db.RoleSpec{Name: name, Rules: string(text), Now: k.now().UnixMicro()}); err != nil {
			return err
		}
		_, err := q.CreateBinding(k.t.Context(), db.BindingSpec{SubjectKind: access.SubjectUser, Subject: user, Role: name, Now: k.now().UnixMicro()})
		return err
	}))
	k.must(k.Load(k.t.Context()))
}

// ownedBy makes an object the child of another.
func ownedBy(kind, name string, uid types.UID) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: uid}}
}

func aboutIt(name, kind, apiVersion string, o metav1.Object, message string, ago time.Duration) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: name, UID: types.UID("event-" + name)}, Type: corev1.EventTypeWarning, Reason: "Told", Message: message, Count: 7,
		InvolvedObject: corev1.ObjectReference{Kind: kind, APIVersion: apiVersion, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID()},
		Source:         corev1.EventSource{Component: "teller"}, FirstTimestamp: metav1.NewTime(time.Now().Add(-ago - time.Hour)), LastTimestamp: metav1.NewTime(time.Now().Add(-ago)),
	}
}

// family puts a deployment with its replica set, a pod and events about each into production.
func (k *kit) family() {
	k.t.Helper()
	d := testDeployment("shop", "tree", 1)
	d.UID = "d-1"
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "tree-1", UID: "rs-1", OwnerReferences: ownedBy("Deployment", "tree", "d-1")}}
	pod := testPod("shop", "tree-1-a")
	pod.UID, pod.Labels, pod.OwnerReferences = "p-1", map[string]string{"app": "tree"}, ownedBy("ReplicaSet", "tree-1", "rs-1")
	for _, o := range []runtime.Object{
		d, rs, pod, aboutIt("e1", "Deployment", "apps/v1", d, "said of the deployment", time.Hour), aboutIt("e2", "ReplicaSet", "apps/v1", rs, "said of the replica set", time.Minute),
		aboutIt("e3", "Pod", "v1", pod, "said of the pod", time.Second),
		aboutIt("e4", "Pod", "v1", &metav1.ObjectMeta{Namespace: "shop", Name: "tree-1-a", UID: "one-before"}, "said of another of that name", time.Second),
	} {
		k.production.Add(o)
	}
	k.warm("deployments.apps", "replicasets.apps", "pods", "events")
}

// tabsOf are the ids of a page's tabs.
func tabsOf(r *reply) string {
	var out []string
	for _, a := range elements(r.doc(), "a", "id", "") {
		if id, ok := strings.CutPrefix(attribute(a, "id"), "tab-"); ok {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

func TestFR3_5_EventsOfAnObjectAndOfWhatItOwns(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.family()
	v, tree := k.as(viewer), clusterPath(k.productionID)+"/deployments.apps/shop/tree"
	tab := v.get(tree + "/events").want(http.StatusOK)
	text := tab.text()
	order := []string{"said of the pod", "said of the replica set", "said of the deployment"}
	for i, want := range order {
		if !strings.Contains(text, want) || i > 0 && strings.Index(text, order[i-1]) > strings.Index(text, want) {
			t.Errorf("%q is not there, or not after the later one: %s", want, text)
		}
	}
	if strings.Contains(text, "said of another") {
		t.Error("an event of an object that had the name before is shown")
	}
	tab.want(http.StatusOK, "teller", "×7", "1h", "First seen", clusterPath(k.productionID)+"/pods/shop/tree-1-a")
	if up := v.get(tree + "/events?sort=-lastseen").text(); strings.Index(up, order[0]) < strings.Index(up, order[2]) {
		t.Error("the events are not sorted the other way round")
	}
	if pod := v.get(clusterPath(k.productionID) + "/pods/shop/tree-1-a/events").text(); !strings.Contains(pod, order[0]) || strings.Contains(pod, order[1]) {
		t.Errorf("the events of the pod: %s", pod)
	}
	v.get(tree).want(http.StatusOK, "said of the pod", "tree-1-a")
	if stream := elements(tab.doc(), "", "id", "live"); len(stream) != 1 || !strings.Contains(attribute(stream[0], "hx-sse:connect"), "kind=events") {
		t.Error("the tab does not follow events")
	}
}

func TestPodsOfAnObject(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	for i := range 120 {
		p := testPod("shop", fmt.Sprintf("many-%03d", i))
		p.Labels = map[string]string{"app": "many", "tier": "front"}
		k.production.Add(p)
	}
	d := testDeployment("shop", "many", 120)
	d.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"back", "front"}}}
	k.production.Add(d)
	k.warm("pods", "deployments.apps")
	v, path := k.as(viewer), clusterPath(k.productionID)+"/deployments.apps/shop/many"
	first := v.get(path+"/pods").want(http.StatusOK, "of 120")
	if got := namesIn(first.doc()); len(got) != pageSize || got[0] != "many-000" {
		t.Errorf("the first page has %d pods: %v", len(got), got[:min(2, len(got))])
	}
	if got := namesIn(v.get(path + "/pods?page=2&sort=-name").doc()); len(got) != 20 || got[19] != "many-000" {
		t.Errorf("the second page, downwards, has %d pods: %v", len(got), got)
	}
	if got := namesIn(v.get(path).doc()); len(got) != overviewPods {
		t.Errorf("the overview has %d pods", len(got))
	}
	node := k.as(viewer).get(clusterPath(k.productionID) + "/nodes/-/p-1/pods")
	if got := namesIn(node.doc()); len(got) != pageSize {
		t.Errorf("the node has %d pods", len(got))
	}
	for _, none := range []string{"/pods/shop/web-1/pods", "/pods/shop/web-1/nothing", "/pods/shop/web-1/related", "/pods/shop/web-1/logs", "/events/shop/web-1.1/events"} {
		v.get(clusterPath(k.productionID) + none).want(http.StatusNotFound)
	}
	if got := tabsOf(v.get(clusterPath(k.productionID) + "/pods/shop/web-1")); got != "overview events history yaml describe" {
		t.Errorf("the tabs of a pod are %s", got)
	}
	if got := tabsOf(first); got != "overview pods rollout events history yaml describe" {
		t.Errorf("the tabs of a deployment are %s", got)
	}
}

// TestTabsFollowRights: what the subject has no right to is not offered, and says what is missing when asked for.
func TestTabsFollowRights(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.family()
	k.grant(nobody, access.Rule{Clusters: []string{"production"}, Groups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}})
	v, tree := k.as(nobody), clusterPath(k.productionID)+"/deployments.apps/shop/tree"
	page := v.get(tree).want(http.StatusOK, "the right to list events in production / shop is missing")
	if got := tabsOf(page); got != "overview history yaml describe" {
		t.Errorf("the tabs are %s", got)
	}
	v.get(tree+"/events").want(http.StatusForbidden, "list events")
	v.get(tree+"/pods").want(http.StatusForbidden, "list pods")
	told := v.get(tree+"/describe").want(http.StatusOK, "left out", "list events", "Name: tree")
	for _, p := range []*reply{page, told, v.get(tree + "/events"), v.get(tree + "/pods")} {
		for _, secret := range []string{"said of", "tree-1-a"} {
			if strings.Contains(p.body, secret) {
				t.Errorf("%q reached somebody without the right", secret)
			}
		}
	}
}

// TestA10_DescribeOfANodeHidesOtherNamespaces, and its pods tab and its events do.
func TestA10_DescribeOfANodeHidesOtherNamespaces(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(aboutIt("canary", "Pod", "v1", &metav1.ObjectMeta{Namespace: "pay", Name: "bank-1"}, "bank-canary", time.Minute))
	k.warm("pods", "nodes", "events")
	k.grant(keeper, access.Rule{Clusters: []string{"production"}, Resources: []string{"nodes"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}})
	node := clusterPath(k.productionID) + "/nodes/-/p-1"
	k.as(admin).get(node+"/describe").want(http.StatusOK, "bank-1", "web-1")
	for _, path := range []string{node + "/describe", node + "/pods", node, node + "/events", node + "/yaml"} {
		if r := k.as(keeper).get(path); r.status != http.StatusOK || strings.Contains(r.body, "bank") {
			t.Errorf("%s shows another namespace, or nothing: %d", path, r.status)
		}
	}
	k.as(keeper).get(node+"/describe").want(http.StatusOK, "web-1", "only what lies in your namespaces")
}

// TestA24_NoTabShowsASecret looks for a value in every tab, and its size is there.
func TestA24_NoTabShowsASecret(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const canary = "canary-secret-9921"
	k.production.Add(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: `{"stringData":{"password":"` + canary + `"}}`}},
		Type:       corev1.SecretTypeServiceAccountToken, Data: map[string][]byte{"token": []byte(canary), "password": []byte(canary)},
	})
	v, path := k.as(admin), clusterPath(k.productionID)+"/secrets/shop/db"
	for _, tab := range []string{"", "/yaml", "/yaml?managed=1", "/yaml?download=1", "/describe", "/events"} {
		r := v.get(path + tab).want(http.StatusOK)
		for _, form := range append(forms(canary), base64.URLEncoding.EncodeToString([]byte(canary))) {
			if strings.Contains(r.body, form) {
				t.Errorf("the value is in %q", tab)
			}
		}
	}
	v.get(path).want(http.StatusOK, "password", "18 B", "hidden")
	v.get(path+"/yaml").want(http.StatusOK, "18 bytes")
	v.get(path+"/describe").want(http.StatusOK, "18 bytes")
}

// TestOverviewOfAPodSaysWhereThingsComeFrom: variables and volumes lead to the objects behind them, probes and commands
// are there, and owners say how they are.
func TestOverviewOfAPodSaysWhereThingsComeFrom(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.family()
	p := testPod("shop", "full")
	p.OwnerReferences = ownedBy("ReplicaSet", "tree-1", "rs-1")
	p.Annotations = map[string]string{"example.com/long": strings.Repeat("long ", 500) + "the-end"}
	c := &p.Spec.Containers[0]
	c.Command, c.Args = []string{"/serve"}, []string{"it's", "--x"}
	c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
	c.Env = []corev1.EnvVar{{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "pw-key"}}}, {Name: "MODE", Value: "fast"}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data", ReadOnly: true}}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}}}
	c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/check"}}}, PeriodSeconds: 17}
	k.production.Add(p)
	under := clusterPath(k.productionID)
	k.as(viewer).get(under+"/pods/shop/full").want(http.StatusOK,
		under+"/configmaps/shop/settings", "all keys", under+"/secrets/shop/db", "pw-key", "MODE", "fast", under+"/persistentvolumeclaims/shop/disk", "/data",
		"exec /check", "period=17s", `/serve 'it'\''s' --x`, "the-end", "Belongs to", under+"/replicasets.apps/shop/tree-1", under+"/deployments.apps/shop/tree")
	related := k.as(viewer).get(under + "/pods/shop/full").text()
	if i := strings.Index(related, "Belongs to"); i < 0 || !strings.Contains(related[i:], "Available") {
		t.Errorf("the owner does not say how it is: %.300s", related[max(i, 0):])
	}
}

// TestCustomObjectsHavePagesLikeAll: events by name, owners by kind, a description, and the YAML.
func TestCustomObjectsHavePagesLikeAll(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(kubetest.Definition("example.com", "widgets", "Widget", apiextensionsv1.NamespaceScoped, "v1"))
	widget := func(name, uid string, owners ...any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"namespace": "shop", "name": name, "uid": uid, "ownerReferences": owners},
			"spec": map[string]any{"teeth": int64(12)}, "status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": "Worn", "message": "teeth are gone"}}},
		}}
	}
	big := widget("big", "w-1")
	c, err := k.fleet.Cluster(k.productionID)
	k.must(err)
	var kind *kinds.Kind
	eventually(t, "the kind is known", func() bool {
		kind, _ = c.Kind(t.Context(), "widgets.example.com")
		return kind != nil
	})
	k.production.Add(big, widget("small", "w-2", map[string]any{"apiVersion": "example.com/v1beta9", "kind": "Widget", "name": "big", "uid": "w-1"}),
		aboutIt("w", "Widget", "example.com/v1", big, "widget-event", time.Minute))
	k.warm("events")
	v, path := k.as(viewer), clusterPath(k.productionID)+"/widgets.example.com/shop/"
	v.get(path+"big").want(http.StatusOK, "teeth are gone", "Worn", "teeth", "12", "widget-event")
	v.get(path+"big/events").want(http.StatusOK, "widget-event")
	v.get(path+"small").want(http.StatusOK, path+"big")
	v.get(path+"big/describe").want(http.StatusOK, "Teeth: 12")
	v.get(path+"big/yaml").want(http.StatusOK, "teeth")
}

// TestManagedFieldsAreFolded until asked for, and kubectl's copy never is there.
func TestManagedFieldsAreFolded(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	p := testPod("shop", "managed")
	p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "copy-canary"}
	at := metav1.NewTime(k.now().Add(-3*time.Hour - time.Minute))
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "some-manager", Operation: "Update", Time: &at, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)}}
	k.production.Add(p)
	v, path := k.as(viewer), clusterPath(k.productionID)+"/pods/shop/managed"
	short := v.get(path+"/yaml").want(http.StatusOK, "Show managedFields", path+"/yaml?managed=1")
	long := v.get(path+"/yaml?managed=1").want(http.StatusOK, "Hide managedFields", "some-manager")
	if strings.Contains(short.body, "some-manager") || strings.Contains(short.body+long.body, "copy-canary") {
		t.Error("the YAML has more than was asked for")
	}
	file := v.get(path+"/yaml?download=1&managed=1").want(http.StatusOK, "some-manager")
	if got := file.header.Get("Content-Disposition"); !strings.Contains(got, "managed.yaml") {
		t.Errorf("the file is %s", got)
	}
	v.get(path).want(http.StatusOK, "Last changed", "some-manager", "3h")
}

// TestAnObjectGoesWhileItsPageIsOpen: the page says so and leads to the list; on a first visit it is simply not there.
func TestAnObjectGoesWhileItsPageIsOpen(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v, under := k.as(viewer), clusterPath(k.productionID)
	gone := v.get(under+"/pods/shop/gone", "HX-Request", "true", "HX-Request-Type", "partial", "HX-Source", "div#refresh").want(http.StatusGone, "The resource has been deleted", "To the list of Pods")
	if links := elements(gone.doc(), "a", "href", under+"/pods?ns=shop"); len(links) == 0 {
		t.Error("nothing leads to the list")
	}
	v.get(under+"/pods/shop/gone").want(http.StatusNotFound, "Not found", "To the list of Pods")
	v.get(under+"/pods/shop/gone", "Accept-Language", "zh-CN").want(http.StatusNotFound, "前往 Pods 列表")
	// Whoever may not see a namespace learns nothing of what is in it, and is not led there.
	hidden, missing := k.as(keeper).get(under+"/pods/pay/bank-1"), k.as(keeper).get(under+"/pods/pay/no-such")
	if hidden.status != http.StatusNotFound || missing.status != http.StatusNotFound || strings.Contains(hidden.body, "ns=pay") != strings.Contains(missing.body, "ns=pay") {
		t.Errorf("what is hidden (%d) and what is not there (%d) can be told apart", hidden.status, missing.status)
	}
}

// TestDescribeFailureIsTheTabs: the page is there, with its tabs and what went wrong.
func TestDescribeFailureIsTheTabs(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	reads := 0
	k.production.Script(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/pods/web-1") {
			return false
		}
		if reads++; reads == 1 {
			return false // the page reads the object, then the describer does
		}
		return kubetest.Status(500, "InternalError", "describe-canary")(w, r)
	})
	r := k.as(viewer).get(clusterPath(k.productionID)+"/pods/shop/web-1/describe").want(http.StatusBadGateway, "production answered with an error", "status 500")
	if got := tabsOf(r); got != "overview events history yaml describe" {
		t.Errorf("the tabs are %s", got)
	}
}

// TestA21_HostileObjectsStayText in every tab of a pod and in the values of a ConfigMap.
func TestA21_HostileObjectsStayText(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const evil = `"><script>window.__pwned=1</script><img src=x onerror=alert(1)>` + "\u202e"
	p := testPod("shop", "evil")
	p.UID, p.Annotations = "evil-1", map[string]string{"example.com/x": evil}
	c := &p.Spec.Containers[0]
	c.Image, c.Command, c.Env = evil, []string{evil}, []corev1.EnvVar{{Name: evil, Value: evil}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: evil, MountPath: evil, SubPath: evil}}
	p.Status.Conditions[0].Message, p.Status.Conditions[0].Reason = evil, evil
	k.production.Add(p, aboutIt("evil", "Pod", "v1", p, evil, time.Minute),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "evil"}, Data: map[string]string{"a": evil, "b": strings.Repeat(evil+"\n", 50)}})
	k.warm("pods", "events")
	v, under := k.as(viewer), clusterPath(k.productionID)
	for _, path := range []string{"/pods/shop/evil", "/pods/shop/evil/events", "/pods/shop/evil/yaml", "/pods/shop/evil/describe", "/configmaps/shop/evil", "/configmaps/shop/evil/yaml", "/configmaps/shop/evil/describe"} {
		r := v.get(under+path).want(http.StatusOK, "window.__pwned")
		for _, n := range elements(r.doc(), "", "", "") {
			if n.Data == "script" && attribute(n, "src") == "" || n.Data == "img" || hasHandler(n) {
				t.Errorf("%s: markup came through: <%s>", path, n.Data)
			}
		}
		if strings.Contains(r.body, "\u202e") {
			t.Errorf("%s: a mark that turns the writing round came through", path)
		}
	}
}

// hasHandler says whether an element has an attribute that is code.
func hasHandler(n *html.Node) bool {
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") {
			return true
		}
	}
	return false
}

// TestAnObjectOfOneMiBRenders: long values are cut, with their size, and the YAML has the whole.
func TestAnObjectOfOneMiBRenders(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "big"}, Data: map[string]string{"big": strings.Repeat("x", 1<<20) + "the-end", "small": "1"}, BinaryData: map[string][]byte{"logo": {0xff, 0, 1}},
	})
	v, path := k.as(viewer), clusterPath(k.productionID)+"/configmaps/shop/big"
	page := v.get(path).want(http.StatusOK, "1 Mi", "only the beginning", path+"/yaml", "binary")
	if len(page.body) > 256<<10 {
		t.Errorf("the page has %d bytes", len(page.body))
	}
	v.get(path+"/yaml").want(http.StatusOK, "the-end")
	v.get(path+"/describe").want(http.StatusOK, "the-end")
}
