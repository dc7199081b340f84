package handlers

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/db"
	"tiga/kube/kubetest"
)

// replicas of the deployment web, as the cluster has it.
func (k *kit) replicasOfWeb() int32 {
	k.t.Helper()
	d, ok := k.production.Object(testDeployment("shop", "web", 0)).(*appsv1.Deployment)
	if !ok {
		k.t.Fatal("the deployment is gone")
	}
	return *d.Spec.Replicas
}

// htmx are the headers of a form that htmx sends.
func htmx() []string { return []string{"HX-Request", "true"} }

func TestFR6_5_AScaleIsDoneSaidAndAudited(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(keeper)
	path := fmt.Sprintf("/clusters/%d/deployments.apps/shop/web", k.productionID)
	ask := v.get(path+"/scale").want(http.StatusOK, "Scale Deployment web", "production", "Now: 3")
	form := url.Values{"replicas": {"5"}}
	for _, n := range elements(ask.doc(), "input", "type", "hidden") {
		form.Add(attribute(n, "name"), attribute(n, "value"))
	}
	if form.Get("from") != "3" {
		t.Errorf("the form does not know what it starts from: %v", form)
	}
	r := v.post(path+"/scale", form).want(http.StatusSeeOther)
	if got := r.header.Get("Location"); got != path {
		t.Errorf("the scale leads to %s", got)
	}
	if got := k.replicasOfWeb(); got != 5 {
		t.Errorf("the deployment has %d replicas", got)
	}
	// FR-1.7: one clear message on the next page, once.
	v.get(path).want(http.StatusOK, "Deployment shop/web is scaled to 5 in production")
	if strings.Contains(v.get(path).text(), "is scaled to 5") {
		t.Error("the message stays")
	}
	lines := k.audit(db.AuditFilter{Verb: "scale"})
	if len(lines) != 1 {
		t.Fatalf("%d audit lines", len(lines))
	}
	line := lines[0]
	if line.Phase != db.PhaseIntent || line.OutcomeID == "" || line.Result != db.ResultOK || line.ActorName != keeper || line.ActorID != k.users[keeper].ID ||
		line.ClientIP != "127.0.0.1" || line.ClusterName != "production" || line.ClusterID != k.productionID || line.Resource != "deployments" ||
		line.APIGroup != "apps" || line.Namespace != "shop" || line.Name != "web" || line.Effect != "write" || line.Decision != db.DecisionAllow ||
		line.AuthMethod != methodPassword || len(line.SessionRef) != 16 || line.RequestID == "" {
		t.Errorf("the audit line is %+v", line)
	}
	if !strings.Contains(line.Diff, "- ") || !strings.Contains(line.Diff, ": 3") || !strings.Contains(line.Diff, ": 5") {
		t.Errorf("the diff is %q", line.Diff)
	}
	row := line.ID
	k.as(admin).get("/audit?open="+row).want(http.StatusOK, keeper, "production", "scale", "deployments.apps", ": 5")
	// By htmx the answer is a toast.
	toast := v.post(path+"/scale", url.Values{"replicas": {"4"}}, htmx()...).want(http.StatusOK, "is scaled to 4 in production")
	if toast.header.Get("HX-Retarget") != "#toasts" || strings.Contains(toast.body, "<html") {
		t.Errorf("the toast goes to %q: %s", toast.header.Get("HX-Retarget"), toast.body)
	}
}

func TestFR6_5_ADeleteWantsItsNameTyped(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(operator)
	path := fmt.Sprintf("/clusters/%d/pods/shop/web-1", k.productionID)
	uid := attribute(elements(v.get(path+"/delete").want(http.StatusOK).doc(), "input", "name", "uid")[0], "value")
	before := len(k.production.Changes())
	v.post(path+"/delete", url.Values{"confirm": {"web-2"}, "uid": {uid}}).want(http.StatusUnprocessableEntity, "Type web-1 to confirm")
	if len(k.production.Changes()) != before || len(k.audit(db.AuditFilter{Verb: "delete", Resource: "pods"})) != 0 {
		t.Error("a delete that was not confirmed began")
	}
	// Another pod has taken the name meanwhile: it is not the one that was asked about.
	v.post(path+"/delete", url.Values{"confirm": {"web-1"}, "uid": {"00000000-0000-4000-8000-999999999999"}}).want(http.StatusConflict, "has been changed, reload and try again")
	r := v.post(path+"/delete", url.Values{"confirm": {" web-1 "}, "uid": {uid}}).want(http.StatusSeeOther)
	v.get(r.header.Get("Location")).want(http.StatusOK, "Pod shop/web-1 is being deleted in production")
	if k.production.Object(testPod("shop", "web-1")) != nil {
		t.Error("the pod is there")
	}
	lines := k.audit(db.AuditFilter{Verb: "delete", Resource: "pods"})
	if len(lines) != 2 || lines[0].Result != db.ResultOK || lines[1].Result != db.ResultFailed || lines[0].ObjectUID != uid {
		t.Errorf("the audit lines are %+v", lines)
	}
	// Several at once: the number is typed, and each has its line.
	many := url.Values{"o": {"shop/web-2", "shop/gone"}, "confirm": {"1"}}
	list := fmt.Sprintf("/clusters/%d/pods", k.productionID)
	v.post(list+"/delete", many).want(http.StatusUnprocessableEntity, "Type 2 to confirm")
	many.Set("confirm", "2")
	v.post(list+"/delete", many, htmx()...).want(http.StatusOK, "1 Pods are being deleted in production", "1 of 2 failed", "gone", "it was deleted, or never existed")
	if k.production.Object(testPod("shop", "web-2")) != nil {
		t.Error("the second pod is there")
	}
	if got := len(k.audit(db.AuditFilter{Verb: "delete", Resource: "pods"})); got != 4 {
		t.Errorf("%d audit lines", got)
	}
}

func TestFR6_5_RefusalsAndFailuresAreAudited(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	path := fmt.Sprintf("/clusters/%d/deployments.apps/shop/web/scale", k.productionID)
	k.as(viewer).post(path, url.Values{"replicas": {"0"}}).want(http.StatusForbidden, "The right to scale deployments.apps in production / shop is missing")
	denied := k.audit(db.AuditFilter{Result: db.ResultDenied, Verb: "scale"})
	if len(denied) != 1 || denied[0].ActorName != viewer || denied[0].Name != "web" || denied[0].Decision != db.DecisionDeny || denied[0].HTTPStatus != http.StatusForbidden || denied[0].Reason != "forbidden" {
		t.Errorf("the refusal is %+v", denied)
	}
	if len(k.production.Changes()) != 0 {
		t.Error("the refused change reached the cluster")
	}
	// A change that the cluster refuses has failed, in the cluster's words.
	k.production.Authorize(func(a kubetest.Attributes) bool {
		return a.Subresource != "scale" && a.Verb != "patch" && a.Verb != "update"
	})
	k.as(operator).post(path, url.Values{"replicas": {"7"}}, htmx()...).want(http.StatusForbidden, "production does not allow that")
	failed := k.audit(db.AuditFilter{Result: db.ResultFailed, Verb: "scale"})
	if len(failed) != 1 || failed[0].ActorName != operator || failed[0].HTTPStatus != http.StatusForbidden || failed[0].Reason != "cluster_forbids" {
		t.Errorf("the failure is %+v", failed)
	}
	if k.replicasOfWeb() != 3 {
		t.Error("the deployment was scaled")
	}
	// Refusals of changes of Tiga's own things, too.
	k.as(operator).post(fmt.Sprintf("/settings/clusters/%d/remove", k.stagingID), url.Values{"confirm": {"staging"}}).want(http.StatusForbidden)
	if got := k.audit(db.AuditFilter{Result: db.ResultDenied, Resource: "clusters", Actor: operator}); len(got) != 1 {
		t.Errorf("%d refusals of removing a cluster", len(got))
	}
}

func TestNothingHappensWithoutItsAuditRow(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.warm("pods")
	v := k.as(admin)
	path := fmt.Sprintf("/clusters/%d/deployments.apps/shop/web", k.productionID)
	v.get(path).want(http.StatusOK)
	before := k.tables()
	// Nobody can write any more: the disk is full, as far as the store is concerned.
	conn, err := sql.Open("sqlite", "file:"+k.database+"?_pragma=busy_timeout(5000)")
	k.must(err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	k.must(err)
	k.production.Reset()
	for address, form := range map[string]url.Values{
		path + "/scale":   {"replicas": {"9"}},
		path + "/restart": {},
		fmt.Sprintf("/clusters/%d/pods/shop/web-1/delete", k.productionID): {"confirm": {"web-1"}},
		fmt.Sprintf("/settings/clusters/%d/remove", k.stagingID):           {"confirm": {"staging"}},
		fmt.Sprintf("/settings/clusters/%d/default", k.stagingID):          {},
		"/account/tokens": {"name": {"ci"}, "role": {"viewer"}, "expires": {"7"}},
	} {
		r := v.post(address, form).want(http.StatusServiceUnavailable, "Nothing was done")
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", address)
		}
	}
	if r := k.anonymous().post("/login", url.Values{"username": {admin}, "password": {password}}); r.status != http.StatusServiceUnavailable || r.header.Get("Set-Cookie") != "" {
		t.Errorf("a sign-in without an audit row: %d, %q", r.status, r.header.Get("Set-Cookie"))
	}
	v.json(http.MethodDelete, fmt.Sprintf("%s/%d", clusters, k.stagingID), "").problem(http.StatusServiceUnavailable, "audit_down")
	if changes := k.production.Changes(); len(changes) != 0 {
		t.Errorf("the cluster saw %v", changes)
	}
	if k.tables() != before {
		t.Error("the database changed")
	}
	v.get(path).want(http.StatusOK) // reading goes on
	_, err = conn.ExecContext(t.Context(), "DROP TRIGGER full")
	k.must(err)
	v.post(path+"/scale", url.Values{"replicas": {"2"}}).want(http.StatusSeeOther)
}

// TestFR1_7_EveryActionSaysWhatItDid reads the message of each action, in both languages.
func TestFR1_7_EveryActionSaysWhatItDid(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	under := fmt.Sprintf("/clusters/%d", k.productionID)
	set := fmt.Sprintf("/settings/clusters/%d", k.stagingID)
	for _, c := range []struct {
		path, en, zh string
		form         url.Values
	}{
		{under + "/deployments.apps/shop/web/scale", "Deployment shop/web is scaled to 2 in production", "shop/web", url.Values{"replicas": {"2"}}},
		{under + "/deployments.apps/shop/web/restart", "Deployment shop/web is restarting in production", "shop/web", nil},
		{under + "/deployments.apps/restart", "1 Deployments are restarting in production", "production", url.Values{"o": {"shop/web"}}},
		{under + "/retry", "Trying production again", "production", nil},
		{set + "/default", "staging is the default cluster", "staging", nil},
		{set, "staging is saved", "staging", url.Values{"name": {"staging"}, "enabled": {"1"}}},
	} {
		k.clock.add(2 * time.Second) // a second restart within one second is none
		v := k.as(admin)
		en := v.post(c.path, c.form, htmx()...).want(http.StatusOK, c.en)
		k.clock.add(2 * time.Second)
		zh := v.post(c.path, c.form, append(htmx(), "Accept-Language", "zh-CN")...).want(http.StatusOK, c.zh)
		if en.text() == zh.text() || strings.Contains(zh.text(), "done.") {
			t.Errorf("%s says in Chinese %q", c.path, zh.text())
		}
		for _, r := range []*reply{en, zh} {
			if n := len(elements(r.doc(), "", "data-toast", "")); n != 1 {
				t.Errorf("%s answers with %d messages", c.path, n)
			}
		}
	}
}

// TestProblemsOfHTMXAreToasts proves that a form's failure does not replace the page under it.
func TestProblemsOfHTMXAreToasts(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	path := fmt.Sprintf("/clusters/%d/deployments.apps/shop/gone/scale", k.productionID)
	r := k.as(admin).post(path, url.Values{"replicas": {"2"}}, htmx()...).want(http.StatusNotFound, "Not found")
	if r.header.Get("HX-Retarget") != "#toasts" || r.header.Get("HX-Reswap") != "beforeend" || strings.Contains(r.body, "<html") {
		t.Errorf("the problem goes to %q %q", r.header.Get("HX-Retarget"), r.header.Get("HX-Reswap"))
	}
	if id := r.header.Get("X-Request-Id"); !strings.Contains(r.body, id) {
		t.Errorf("the toast does not name the request %s: %s", id, r.text())
	}
	// Without htmx it is a page.
	k.as(admin).post(path, url.Values{"replicas": {"2"}}).want(http.StatusNotFound, "<html", "Not found")
	// Who is signed out is sent to the sign-in page.
	r = k.anonymous().get("/audit", htmx()...)
	if r.status != http.StatusUnauthorized || r.header.Get("HX-Redirect") != "/login?next=%2Faudit" {
		t.Errorf("signed out: %d to %q", r.status, r.header.Get("HX-Redirect"))
	}
}

// TestFormsKeepWhatWasTyped proves that a mistake costs no second typing.
func TestFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	scale := fmt.Sprintf("/clusters/%d/deployments.apps/shop/web/scale", k.productionID)
	for _, typed := range []string{"many", "-1", "1000001", "", "3.5"} {
		r := v.post(scale, url.Values{"replicas": {typed}}).want(http.StatusUnprocessableEntity, "A number from 0 to")
		if got := attribute(elements(r.doc(), "input", "name", "replicas")[0], "value"); got != typed {
			t.Errorf("the field holds %q where %q was typed", got, typed)
		}
		if n := elements(r.doc(), "", "aria-invalid", "true"); len(n) != 1 {
			t.Errorf("%d fields are marked", len(n))
		}
	}
	set := fmt.Sprintf("/settings/clusters/%d", k.stagingID)
	r := v.post(set, url.Values{"name": {"production"}, "environment": {"typed"}, "enabled": {"1"}, "readonly": {"1"}}).want(http.StatusUnprocessableEntity, "taken")
	for name, want := range map[string]string{"name": "production", "environment": "typed"} {
		if got := attribute(elements(r.doc(), "input", "name", name)[0], "value"); got != want {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if !has(elements(r.doc(), "input", "name", "readonly")[0], "checked") {
		t.Error("the tick is gone")
	}
	if len(k.production.Changes()) != 0 {
		t.Error("a form with mistakes reached the cluster")
	}
}

// TestTheAuditPageFilters proves that the record can be searched, and that a wrong filter is said to be one.
func TestTheAuditPageFilters(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	under := fmt.Sprintf("/clusters/%d", k.productionID)
	k.as(operator).post(under+"/deployments.apps/shop/web/scale", url.Values{"replicas": {"1"}}).want(http.StatusSeeOther)
	k.as(keeper).post(under+"/pods/shop/web-1/delete", url.Values{"confirm": {"web-1"}}).want(http.StatusSeeOther)
	v := k.as(admin)
	v.get("/audit").want(http.StatusOK, operator, keeper, "web-1")
	if text := textOf(elements(v.get("/audit?user=keeper").doc(), "main", "", "")[0]); strings.Contains(text, "deployments.apps") || !strings.Contains(text, "web-1") {
		t.Errorf("the filter by user shows %s", text)
	}
	v.get("/audit?since=2020-01-01&until=2020-01-02").want(http.StatusOK)
	v.get("/audit?since=yesterday").want(http.StatusBadRequest, "yesterday")
	v.get("/audit?before=nonsense").want(http.StatusBadRequest)
	v.get("/audit?open=nonsense&q=%25_%27%22&result=none").want(http.StatusOK)
}

// TestManifestDropsWhatKubectlKeeps proves that a manifest is what a person would have written.
func TestManifestDropsWhatKubectlKeeps(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	pod := testPod("shop", "noisy")
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply}}
	k.production.Add(pod)
	path := fmt.Sprintf("/clusters/%d/pods/shop/noisy/yaml", k.productionID)
	k.as(viewer).get(path).want(http.StatusOK, "noisy", "nginx")
	r := k.as(viewer).get(path+"?download=1").want(http.StatusOK, "name: noisy", "image: nginx")
	if strings.Contains(r.body, "managedFields") || strings.Contains(r.body, "<") {
		t.Errorf("the download is %s", r.body)
	}
	if r.header.Get("Content-Disposition") != `attachment; filename=noisy.yaml` || !strings.HasPrefix(r.header.Get("Content-Type"), "application/yaml") {
		t.Errorf("the download is %v", r.header)
	}
}
