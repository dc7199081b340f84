package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/db"
	"tiga/kube/history"
	"tiga/kube/kinds"
)

// recording waits until every change of a kind in production is recorded.
func (k *kit) recording(id string) {
	k.t.Helper()
	c, err := k.fleet.Cluster(k.productionID)
	k.must(err)
	kind, ok := kinds.Lookup(id)
	if !ok {
		k.t.Fatalf("no kind %s", id)
	}
	permit, err := k.authority.Check(access.Subject{UserID: k.users[admin].ID, Name: admin}, request(c.Name(), access.VerbGet, kind, "", ""))
	k.must(err)
	eventually(k.t, id+" is recorded", func() bool {
		what, ok := c.Recording(permit, kind)
		return ok && !what.Since.IsZero()
	})
}

// changes are the rows of production, newest first.
func (k *kit) changes(f db.ChangeFilter) []db.ObjectChange {
	k.t.Helper()
	f.Cluster = k.productionID
	rows, _, err := k.store.Read().Changes(k.t.Context(), f)
	k.must(err)
	return rows
}

// edited changes the deployment shop/web as somebody else would.
func (k *kit) edited(manager string, change func(*appsv1.Deployment)) {
	k.t.Helper()
	d := k.deployment().DeepCopy()
	change(d)
	at := metav1.NewTime(time.Now())
	d.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fmt.Sprintf(`{"f:spec":{"f:%d":{}}}`, at.UnixNano())),
	}}
	k.production.Update(d)
}

func imageOf(image string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: image}}
	}
}

// TestHistory: what somebody else changed stands on the pages of the object and of the cluster, with who and what, for
// those who may see the object.
func TestHistory(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{history: HistoryWatch})
	k.recording("deployments.apps")
	k.edited("kubectl-edit", imageOf("nginx:1.26"))
	k.edited("helm", imageOf("nginx:1.27"))
	v := k.as(viewer)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	eventually(t, "both changes are kept", func() bool { return len(k.changes(db.ChangeFilter{})) == 2 })
	page := v.get(path+"/history").want(http.StatusOK, "kubectl-edit", "helm", "image of web", "nginx:1.26", "nginx:1.27", "Recording since", "Kept for 7 days")
	if strings.Contains(page.body, "?revert=") {
		t.Error("a viewer is offered to take a change back")
	}
	rows := elements(page.doc(), "tr", "data-verb", "update")
	if len(rows) != 2 || !strings.Contains(textOf(rows[0]), "helm") {
		t.Errorf("%d rows, the newest: %s", len(rows), page.text())
	}
	all := clusterPath(k.productionID) + "/history"
	v.get(all).want(http.StatusOK, "Deployment", "web", "helm")
	v.get(all+"?who=HELM&kind=deployments.apps&ns=shop&span=1h&name=web").want(http.StatusOK, "nginx:1.27")
	v.get(all+"?who=nobody").want(http.StatusOK, "No change matches")
	v.get(all + "?before=x").want(http.StatusBadRequest)
	k.as(keeper).get(all).want(http.StatusOK, "helm")

	// Who may not see the object does not see that it changed.
	other := testDeployment("pay", "bank", 1)
	k.production.Add(other)
	eventually(t, "the new object is kept", func() bool { return len(k.changes(db.ChangeFilter{Namespace: "pay"})) == 1 })
	v.get(all).want(http.StatusOK, "bank", "Created")
	if strings.Contains(k.as(keeper).get(all).body, "bank") {
		t.Error("keeper sees a change in another namespace")
	}

	// Deleted, it is still there to be looked up, and to be made again.
	k.production.Delete(other)
	eventually(t, "the deletion is kept", func() bool { return len(k.changes(db.ChangeFilter{Namespace: "pay"})) == 2 })
	gone := objectPath(k.productionID, mustKind(t, "deployments.apps"), "pay", "bank")
	missing := k.as(admin).get(gone).want(http.StatusNotFound, "What happened to it")
	again := ""
	for _, a := range elements(missing.doc(), "a", "", "") {
		if strings.Contains(attribute(a, "href"), "/history?") {
			again = attribute(a, "href")
		}
	}
	list := k.as(admin).get(again).want(http.StatusOK, "Deleted", "Create it again")
	for _, a := range elements(list.doc(), "a", "", "") {
		if strings.Contains(attribute(a, "href"), "again=") {
			again = attribute(a, "href")
		}
	}
	text := k.as(admin).get(again).want(http.StatusOK, "New Deployment").editorForm().Get("text")
	if !strings.Contains(text, "name: bank") || !strings.Contains(text, "replicas: 1") || strings.Contains(text, "uid") {
		t.Errorf("it begins with\n%s", text)
	}
	k.as(keeper).get(again).want(http.StatusNotFound)
	k.as(viewer).get(again).want(http.StatusForbidden)
}

// TestHistoryOfOwnChanges: what is done through Tiga has its person, once, whether the watch or the answer comes first.
func TestHistoryOfOwnChanges(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{HistoryWatch, HistoryOwn} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, kitConfig{history: mode})
			if mode == HistoryWatch {
				k.recording("deployments.apps")
			}
			v := k.as(operator)
			path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
			v.post(path+"/scale", url.Values{"replicas": {"5"}}).want(http.StatusSeeOther)
			v.post(path+"/scale", url.Values{"replicas": {"5"}}).want(http.StatusSeeOther) // changes nothing
			form := v.get(path + "/edit").editorForm()
			form.Set("text", strings.Replace(form.Get("text"), "replicas: 5", "replicas: 2", 1))
			v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusSeeOther)
			v.post(objectPath(k.productionID, mustKind(t, "pods"), "shop", "web-1")+"/delete", url.Values{"confirm": {"web-1"}}).want(http.StatusSeeOther)
			if mode == HistoryWatch { // whatever the watch had to say has been said when it says this
				k.edited("fence", imageOf("fence"))
				eventually(t, "the fence is kept", func() bool { return len(k.changes(db.ChangeFilter{Who: "fence"})) == 1 })
			}
			rows := k.changes(db.ChangeFilter{Who: operator})
			var told []string
			for _, row := range rows {
				told = append(told, fmt.Sprintf("%s %s %s/%s, audited %v", row.Verb, row.Resource, row.Namespace, row.Name, row.AuditID != ""))
			}
			slices.Sort(told)
			if diff := cmp.Diff([]string{
				"delete pods shop/web-1, audited true", "update deployments.apps shop/web, audited true", "update deployments.apps shop/web, audited true",
			}, told); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if n := len(k.changes(db.ChangeFilter{Resource: "deployments.apps", Who: "tiga"})); n != 2 {
				t.Errorf("%d rows by tiga, want the two of the operator", n)
			}
			for _, row := range rows {
				got, err := history.Unpack(row.Entries)
				if row.Verb == db.ChangeUpdate && (err != nil || len(got.List) == 0 || got.List[0].Path != "spec.replicas" || got.List[0].After == "5") {
					t.Errorf("entries %+v, %v", got, err)
				}
			}
			v.get(path+"/history").want(http.StatusOK, operator, "through Tiga", "replicas")
		})
	}
}

// TestRevert: the editor begins with the change taken back; what was changed since stays unless it is asked for; applied
// it is written down as what it is.
func TestRevert(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{history: HistoryWatch})
	k.edited("setup", imageOf("nginx:1.26"))
	k.recording("deployments.apps")
	k.edited("kubectl-edit", func(d *appsv1.Deployment) {
		imageOf("nginx:1.27")(d)
		d.Labels = map[string]string{"tier": "web"}
	})
	eventually(t, "the change is kept", func() bool { return len(k.changes(db.ChangeFilter{Who: "kubectl-edit"})) == 1 })
	row := k.changes(db.ChangeFilter{Who: "kubectl-edit"})[0]
	v := k.as(operator)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	edit := fmt.Sprintf("%s/edit?revert=%d", path, row.ID)
	if page := v.get(path + "/history").want(http.StatusOK); !strings.Contains(page.body, strings.TrimPrefix(edit, path)) {
		t.Errorf("no link to take it back: %s", page.body)
	}
	form := v.get(edit).want(http.StatusOK, "Take back a change", "kubectl-edit", "Nothing has been changed yet", "metadata.labels").editorForm()
	if text := form.Get("text"); !strings.Contains(text, "image: nginx:1.26") || strings.Contains(text, "tier: web") {
		t.Fatalf("the text is\n%s", text)
	}

	// Somebody changes one of the fields again.
	k.edited("helm", imageOf("nginx:1.28"))
	page := v.get(edit).want(http.StatusOK, "1 field was changed again since", "containers[name=web].image", "nginx:1.28")
	if text := page.editorForm().Get("text"); !strings.Contains(text, "image: nginx:1.28") || strings.Contains(text, "tier: web") {
		t.Errorf("the text is\n%s", text)
	}
	taken := ""
	for _, a := range elements(page.doc(), "a", "", "") {
		if strings.Contains(attribute(a, "href"), "take=") {
			taken = attribute(a, "href")
		}
	}
	form = v.get(taken).want(http.StatusOK).editorForm()
	if text := form.Get("text"); !strings.Contains(text, "image: nginx:1.26") {
		t.Errorf("the text is\n%s", text)
	}
	v.post(edit, with(form, "do", "diff")).want(http.StatusOK, "nginx:1.26")
	if k.deployment().Spec.Template.Spec.Containers[0].Image != "nginx:1.28" {
		t.Error("it was changed before it was applied")
	}
	v.post(edit, with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	if d := k.deployment(); d.Spec.Template.Spec.Containers[0].Image != "nginx:1.26" || len(d.Labels) > 0 {
		t.Errorf("it is %s %v", d.Spec.Template.Spec.Containers[0].Image, d.Labels)
	}
	line := k.audit(db.AuditFilter{Verb: "update"})[0]
	if !strings.Contains(line.Message, fmt.Sprintf("takes back change %d", row.ID)) || !strings.Contains(line.Message, "kubectl-edit") {
		t.Errorf("the audit says %q, %q", line.Reason, line.Message)
	}
	own := k.changes(db.ChangeFilter{Who: operator})
	if len(own) != 1 || own[0].Reverts != row.ID {
		t.Errorf("kept: %+v", own)
	}
	v.get(path+"/history").want(http.StatusOK, "Takes back an earlier change")
	v.get(edit).want(http.StatusOK, "There is nothing to take back")

	// Not of another object, not by who may not, not of another's namespace.
	pod := objectPath(k.productionID, mustKind(t, "pods"), "shop", "web-1")
	v.get(fmt.Sprintf("%s/edit?revert=%d", pod, row.ID)).want(http.StatusNotFound)
	v.get(path + "/edit?revert=x").want(http.StatusNotFound)
	v.get(path + "/edit?revert=99999").want(http.StatusNotFound)
	k.as(viewer).get(edit).want(http.StatusForbidden)
	k.as(nobody).get(edit).want(http.StatusNotFound)
	v.post(fmt.Sprintf("%s/edit?revert=%d", pod, row.ID), with(form, "do", "apply-sure")).want(http.StatusNotFound)
}

// TestA24_HistoryHasNoValues: neither what Tiga writes nor what it sees of a Secret is kept.
func TestA24_HistoryHasNoValues(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{history: HistoryWatch})
	const old, fresh = "canary-old-1", "canary-fresh-2"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"a": []byte(old), "b": []byte(old)}}
	k.production.Add(secret)
	k.recording("secrets")
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "secrets"), "shop", "db")
	form := v.get(path + "/edit").editorForm()
	form.Set("text", strings.Replace(form.Get("text"), "b: (12 bytes)", "b: "+fresh, 1))
	v.post(path+"/edit", with(form, "do", "apply-sure")).want(http.StatusSeeOther)
	stored := k.production.Object(secret).(*corev1.Secret).DeepCopy()
	stored.Data["c"], stored.Labels = []byte("canary-third"), map[string]string{"seen": "yes"}
	k.production.Update(stored)
	eventually(t, "the label is kept", func() bool { return len(k.changes(db.ChangeFilter{Resource: "secrets"})) == 2 })
	k.production.Delete(stored)
	eventually(t, "the deletion is kept", func() bool { return len(k.changes(db.ChangeFilter{Resource: "secrets"})) == 3 })
	for _, row := range k.changes(db.ChangeFilter{Resource: "secrets"}) {
		got, err := history.Unpack(row.Entries)
		k.must(err)
		whole, err := json.Marshal(got)
		k.must(err)
		for _, form := range append(forms("canary"), "Y2FuYXJ5") {
			if strings.Contains(string(whole), form) {
				t.Errorf("%s: %s", row.Verb, whole)
			}
		}
	}
	own := k.changes(db.ChangeFilter{Resource: "secrets", Who: admin})
	if len(own) != 1 || own[0].Fidelity != db.FidelityAnswer {
		t.Errorf("by admin: %+v", own)
	}
	all := v.get(clusterPath(k.productionID)+"/history?kind=secrets").want(http.StatusOK, "(14 bytes)", "not kept")
	if strings.Contains(all.body, "canary") || strings.Contains(all.body, "again=") || strings.Contains(k.log.String(), "canary") {
		t.Errorf("a value is shown, or offered: %s", all.text())
	}
}

// TestHistoryAPI: the same by API.
func TestHistoryAPI(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{history: HistoryWatch})
	k.recording("deployments.apps")
	k.edited("kubectl-edit", imageOf("nginx:1.26"))
	k.edited("helm", func(d *appsv1.Deployment) { n := int32(9); d.Spec.Replicas = &n })
	eventually(t, "both changes are kept", func() bool { return len(k.changes(db.ChangeFilter{})) == 2 })
	read := func(v *visitor, path string) (out historyBody) {
		t.Helper()
		var body envelope[historyBody]
		k.must(json.Unmarshal([]byte(v.get(path).want(http.StatusOK).body), &body))
		return body.Data
	}
	v := k.withToken(admin, access.RoleViewer)
	root := fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID)
	one := read(v, root+"/resources/deployments.apps/web/history?namespace=shop&limit=1")
	if len(one.Items) != 1 || one.Continue == "" || one.Items[0].Manager != "helm" || one.Items[0].Fields[0].Path != "spec.replicas" || string(one.Items[0].Fields[0].After) != "9" {
		t.Errorf("%+v", one)
	}
	rest := read(v, root+"/resources/deployments.apps/web/history?namespace=shop&limit=1&continue="+one.Continue)
	if len(rest.Items) != 1 || rest.Continue != "" || rest.Items[0].Manager != "kubectl-edit" {
		t.Errorf("%+v", rest)
	}
	if all := read(v, root+"/history?who=helm&since="+url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))); len(all.Items) != 1 {
		t.Errorf("%+v", all)
	}
	v.get(root + "/history?continue=x").want(http.StatusBadRequest)
	v.get(root + "/resources/deployments.apps/web/history").want(http.StatusBadRequest)
}

// TestHistoryOff: then there is none, anywhere.
func TestHistoryOff(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{history: HistoryOff})
	v := k.as(admin)
	path := objectPath(k.productionID, mustKind(t, "deployments.apps"), "shop", "web")
	v.post(path+"/scale", url.Values{"replicas": {"5"}}).want(http.StatusSeeOther)
	page := v.get(path).want(http.StatusOK)
	if strings.Contains(page.body, "/history") {
		t.Error("a page leads to it")
	}
	v.get(path + "/history").want(http.StatusNotFound)
	v.get(clusterPath(k.productionID) + "/history").want(http.StatusNotFound)
	v.get(fmt.Sprintf("%s/clusters/%d/history", apiRoot, k.productionID)).want(http.StatusNotFound)
	if n := len(k.changes(db.ChangeFilter{})); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestHistoryPages: changes that a person may not see take no place on a page.
func TestHistoryPages(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	for i := range 3 * changesShown {
		ns := "pay"
		if i%2 == 0 {
			ns = "shop"
		}
		c := db.NewChange{ClusterID: k.productionID, At: k.now().UnixMicro() + int64(i), Resource: "pods", Namespace: ns, Name: "p", UID: strconv.Itoa(i), Version: "1", Verb: db.ChangeUpdate, Manager: "m"}
		k.must(k.history.keep(t.Context(), k.productionID, c))
	}
	v, path, pages, rows := k.as(keeper), clusterPath(k.productionID)+"/history", 0, 0
	for path != "" {
		page := v.get(path).want(http.StatusOK)
		pages, path = pages+1, ""
		rows += len(elements(page.doc(), "tr", "data-verb", ""))
		for _, a := range elements(page.doc(), "a", "rel", "next") {
			path = attribute(a, "href")
		}
		if strings.Contains(page.body, "· pay") {
			t.Error("a change in another namespace is shown")
		}
	}
	if want := 3 * changesShown / 2; rows != want || pages != 2 {
		t.Errorf("%d rows on %d pages, want %d on 2", rows, pages, want)
	}
}
