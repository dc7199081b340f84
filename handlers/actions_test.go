package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/db"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// TestEveryActionIsDeclared: a kind has no action without an entry in the table, and each has its words.
func TestEveryActionIsDeclared(t *testing.T) {
	t.Parallel()
	table := actions()
	for _, k := range kinds.All() {
		for _, id := range k.Actions {
			a, ok := table[id]
			if !ok {
				t.Errorf("%s: %s has no entry", k.ID(), id)
			} else if a.id != id || a.verb == "" || a.needs.verb == "" || a.do == nil && !a.page {
				t.Errorf("%s: the entry of %s lacks something: %+v", k.ID(), id, a)
			}
		}
	}
	k := newKit(t, kitConfig{empty: true})
	loc := k.catalogue.For("en")
	for id, a := range table {
		if a.page { // which has its own words
			continue
		}
		words := []string{"action." + string(id), "ask." + string(id) + ".title", "ask." + string(id) + ".what", "done." + string(id)}
		if a.bulk {
			words = append(words, "ask."+string(id)+".many", "done.many."+string(id))
		}
		for _, w := range words {
			if !loc.Has(w) {
				t.Errorf("%s has no words", w)
			}
		}
	}
}

// TestManyAreAskedAboutWhereAnAddressWouldBeTooLong: five hundred names of objects are longer than an address may be.
func TestManyAreAskedAboutWhereAnAddressWouldBeTooLong(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v, path := k.as(admin), clusterPath(k.productionID)+"/pods/delete"
	form := url.Values{"ask": {"1"}}
	for i := range maxBulk {
		form.Add("o", fmt.Sprintf("shop/%s-%03d", strings.Repeat("long-name-", 6), i))
	}
	before := len(k.production.Requests())
	question := v.post(path, form).want(http.StatusOK, "-499")
	if n := len(elements(question.doc(), "input", "name", "o")); n != maxBulk {
		t.Errorf("the question names %d objects", n)
	}
	for _, r := range k.production.Requests()[before:] {
		if r.Method == http.MethodDelete {
			t.Errorf("asking has deleted: %s", r)
		}
	}
	k.as(viewer).post(path, form).want(http.StatusForbidden)
	form.Add("o", "shop/one-more")
	v.post(path, form).want(http.StatusBadRequest, "501")
}

// offered are the actions that a page has buttons for.
func offered(r *reply, path string) (out []string) {
	for _, n := range elements(r.doc(), "a", "", "") {
		if rest, ok := strings.CutPrefix(attribute(n, "href"), path+"/"); ok {
			if _, known := actions()[kinds.Action(rest)]; known && !slices.Contains(out, rest) {
				out = append(out, rest)
			}
		}
	}
	return out
}

// TestButtonsThatWouldDoNothingAreNotShown follows an object from state to state.
func TestButtonsThatWouldDoNothingAreNotShown(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	web := testDeployment("shop", "web", 3)
	cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "report"}, Spec: batchv1.CronJobSpec{Schedule: "@daily"}}
	done := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "load"},
		Status:     batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}},
	}
	yes := true
	owned := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", Controller: &yes}}}}
	alone := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "alone"}}
	k.production.Add(cron, done, owned, alone)
	v := k.as(admin)
	under := clusterPath(k.productionID)
	for _, step := range []struct {
		do, path, want string
		form           url.Values
	}{
		{"", "/deployments.apps/shop/web", "scale restart pause delete", nil},
		{"pause", "/deployments.apps/shop/web", "scale resume delete", nil},
		{"resume", "/deployments.apps/shop/web", "scale restart pause delete", nil},
		{"", "/cronjobs.batch/shop/report", "run suspend delete", nil},
		{"suspend", "/cronjobs.batch/shop/report", "run unsuspend delete", nil},
		{"", "/jobs.batch/shop/load", "rerun delete", nil},
		{"", "/nodes/-/p-1", "cordon drain delete", nil},
		{"cordon", "/nodes/-/p-1", "uncordon drain delete", nil},
		{"", "/pods/shop/web-1", "evict delete", nil},
		{"", "/replicasets.apps/shop/web-1", "delete", nil},
		{"", "/replicasets.apps/shop/alone", "scale delete", nil},
	} {
		path := under + step.path
		if step.do != "" {
			v.post(path+"/"+step.do, step.form).want(http.StatusSeeOther)
		}
		if got := strings.Join(offered(v.get(path).want(http.StatusOK), path), " "); got != step.want {
			t.Errorf("after %q %s offers %q, want %q", step.do, step.path, got, step.want)
		}
	}
	d := k.production.Object(web).(*appsv1.Deployment)
	d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "2"}
	k.production.Update(d)
	if got := offered(v.get(under+"/deployments.apps/shop/web"), under+"/deployments.apps/shop/web"); !slices.Contains(got, "undo") {
		t.Errorf("with two revisions it offers %v", got)
	}
}

// TestButtonsAskTheCluster: what Tiga's own credentials may not do is not offered, and the form says so where it is reached.
func TestButtonsAskTheCluster(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Authorize(func(a kubetest.Attributes) bool { return a.Verb != "patch" && a.Subresource != "eviction" })
	v := k.as(admin)
	under := clusterPath(k.productionID)
	eventually(t, "the rights are known", func() bool {
		return strings.Join(offered(v.get(under+"/deployments.apps/shop/web"), under+"/deployments.apps/shop/web"), " ") == "scale delete"
	})
	if got := strings.Join(offered(v.get(under+"/pods/shop/web-1"), under+"/pods/shop/web-1"), " "); got != "delete" {
		t.Errorf("a pod offers %s", got)
	}
	v.get(under+"/deployments.apps/shop/web/pause").want(http.StatusOK, "the cluster will most likely refuse it")
	v.post(under+"/deployments.apps/shop/web/pause", nil).want(http.StatusForbidden)
}

// TestRunNowStartsOneJob: a form that is sent twice answers twice alike.
func TestRunNowStartsOneJob(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(&batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "report"},
		Spec:       batchv1.CronJobSpec{Schedule: "@daily", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}}}},
	})
	v := k.as(operator)
	path := clusterPath(k.productionID) + "/cronjobs.batch/shop/report"
	ask := v.get(path+"/run").want(http.StatusOK, "Run CronJob report now", "production")
	form := url.Values{}
	for _, n := range elements(ask.doc(), "input", "type", "hidden") {
		form.Add(attribute(n, "name"), attribute(n, "value"))
	}
	made := "report-manual-" + form.Get("nonce")
	first := v.post(path+"/run", form, htmx()...).want(http.StatusOK, "CronJob shop/report was started in production", made)
	if second := v.post(path+"/run", form, htmx()...).want(http.StatusOK); second.text() != first.text() {
		t.Errorf("twice: %q and %q", first.text(), second.text())
	}
	jobs := 0
	for _, r := range k.production.Changes() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/jobs") {
			jobs++
		}
	}
	if k.production.Object(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: made}}) == nil {
		t.Errorf("there is no %s", made)
	}
	lines := k.audit(db.AuditFilter{Verb: "create", Resource: "jobs"})
	if len(lines) != 2 || lines[1].Name != made || !strings.Contains(lines[1].Diff, "CronJob report") {
		t.Errorf("%d jobs were posted; the audit has %+v", jobs, lines)
	}
}

// TestEvictionThatABudgetForbids names the budget.
func TestEvictionThatABudgetForbids(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	k.production.Add(&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-budget"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DesiredHealthy: 2, CurrentHealthy: 2},
	})
	v := k.as(operator)
	path := clusterPath(k.productionID) + "/pods/shop/web-1/evict"
	v.post(path, nil).want(http.StatusTooManyRequests, "web-budget allows 0 pods", "needs 2 healthy pods and has 2")
	api := fmt.Sprintf("%s/clusters/%d/resources/pods/web-1/evict?namespace=shop", apiRoot, k.productionID)
	v.json(http.MethodPost, api, "").problem(http.StatusTooManyRequests, "blocked")
	// The cluster asks for no pause by that.
	v.get(clusterPath(k.productionID) + "/pods/shop/web-1").want(http.StatusOK)
	many := v.post(clusterPath(k.productionID)+"/pods/evict", url.Values{"o": {"shop/web-1", "pay/bank-1", "shop/gone"}}).want(http.StatusOK, "2 of 3 failed", "web-budget", "1 Pods are being evicted")
	if n := len(elements(many.doc(), "li", "", "")); n < 3 {
		t.Errorf("%d lines of results", n)
	}
}

// rollouts puts the ReplicaSets of three revisions behind the deployment of the kit.
func rollouts(k *kit) {
	d := k.production.Object(testDeployment("shop", "web", 3)).(*appsv1.Deployment)
	d.Annotations, d.Generation = map[string]string{"deployment.kubernetes.io/revision": "3"}, 3
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "web:3"}}
	k.production.Update(d)
	yes := true
	for i := 1; i <= 3; i++ {
		rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: fmt.Sprintf("web-h%d", i), Labels: map[string]string{"app": "web"},
			Annotations:     map[string]string{"deployment.kubernetes.io/revision": fmt.Sprint(i), "kubernetes.io/change-cause": fmt.Sprint("cause-", i)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: d.UID, Controller: &yes}},
		}, Spec: appsv1.ReplicaSetSpec{Template: *d.Spec.Template.DeepCopy()}}
		rs.Spec.Template.Labels["pod-template-hash"] = fmt.Sprintf("h%d", i)
		rs.Spec.Template.Spec.Containers[0].Image = fmt.Sprintf("web:%d", i)
		k.production.Add(rs)
	}
}

// TestRolloutTab shows revisions and their differences, and goes back to one.
func TestRolloutTab(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	rollouts(k)
	v := k.as(operator)
	path := clusterPath(k.productionID) + "/deployments.apps/shop/web"
	const image = "spec.template.spec.containers[name=main].image"
	page := v.get(path+"/rollout").want(http.StatusOK, "cause-1", "cause-2", "cause-3", "current", "From revision 2 to revision 3", image, "web:2", "web:3")
	if n := len(elements(page.doc(), "tr", "", "")); n != 4 {
		t.Errorf("%d rows", n)
	}
	v.get(path+"/rollout?from=3&to=1").want(http.StatusOK, "From revision 3 to revision 1", "web:1")
	v.get(path+"/rollout?from=9").want(http.StatusBadRequest, "There is no such revision")
	ask := v.get(path+"/undo?revision=1").want(http.StatusOK, "Roll back Deployment web to revision 1", "web:3", "web:1", image)
	form := url.Values{}
	for _, n := range elements(ask.doc(), "input", "type", "hidden") {
		form.Add(attribute(n, "name"), attribute(n, "value"))
	}
	v.post(path+"/undo", form, htmx()...).want(http.StatusOK, "goes back to revision 1")
	v.post(path+"/undo", form, htmx()...).want(http.StatusOK, "goes back to revision 1")
	if got := k.production.Object(testDeployment("shop", "web", 3)).(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image; got != "web:1" {
		t.Errorf("it has %s", got)
	}
	lines := k.audit(db.AuditFilter{Verb: "patch", Resource: "deployments"})
	if len(lines) != 2 || !strings.Contains(lines[1].Diff, "- revision: 3\n+ revision: 1") {
		t.Errorf("the audit has %+v", lines)
	}
	// Who sees no ReplicaSets has no tab of them.
	v.get(clusterPath(k.productionID)+"/deployments.apps/shop/web").want(http.StatusOK, "Rollout")
}

// TestA24_RevealShowsAValueOnceAndNowhereElse plants a canary and looks for it in every other answer, the log and the audit.
func TestA24_RevealShowsAValueOnceAndNowhereElse(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const canary = "canary-of-a-secret-0815"
	k.production.Add(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"}, Data: map[string][]byte{"password": []byte(canary), "blob": {0, 1, 2, 0xff}, "other": []byte("quiet-" + canary)},
	})
	v := k.as(admin)
	path := clusterPath(k.productionID) + "/secrets/shop/db"
	elsewhere := map[string]string{}
	look := func(name string, r *reply) *reply {
		elsewhere[name] = r.body + fmt.Sprint(r.header)
		return r
	}
	look("page", v.get(path).want(http.StatusOK, "Reveal"))
	look("ask", v.get(path+"/reveal?key=password").want(http.StatusOK, "written to the audit record", "production"))
	look("no key", v.get(path+"/reveal?key=none").want(http.StatusNotFound, "There is no such key"))
	look("no key sent", v.post(path+"/reveal", url.Values{"key": {"none"}}).want(http.StatusNotFound))
	shown := v.post(path+"/reveal", url.Values{"key": {"password"}}).want(http.StatusOK, canary)
	if strings.Contains(shown.body, "quiet-") || shown.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer has more than was asked for, or is kept: %v", shown.header)
	}
	look("binary", v.post(path+"/reveal", url.Values{"key": {"blob"}}).want(http.StatusOK, "not text"))
	file := v.post(path+"/reveal", url.Values{"key": {"blob"}, "download": {"1"}}).want(http.StatusOK)
	if file.body != "\x00\x01\x02\xff" || !strings.HasPrefix(file.header.Get("Content-Disposition"), "attachment") || file.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the file is %q, %v", file.body, file.header)
	}
	api := fmt.Sprintf("%s/clusters/%d/resources/secrets/db", apiRoot, k.productionID)
	v.json(http.MethodPost, api+"/reveal?namespace=shop", `{"key":"password"}`).want(http.StatusOK, canary)
	look("api", v.get(api+"?namespace=shop").want(http.StatusOK))
	// Who may not see values has no button, and is refused and written down.
	o := k.as(operator)
	if page := look("operator", o.get(path).want(http.StatusOK)); strings.Contains(page.body, "/reveal") {
		t.Error("an operator is offered to reveal")
	}
	look("refused", o.post(path+"/reveal", url.Values{"key": {"password"}}).want(http.StatusForbidden))
	look("refused by API", o.json(http.MethodPost, api+"/reveal?namespace=shop", `{"key":"password"}`).want(http.StatusForbidden))
	// Whoever typed the password too long ago types it again.
	old := k.as(admin)
	k.clock.add(proofLife + time.Minute)
	look("proof", old.post(path+"/reveal", url.Values{"key": {"password"}}).want(http.StatusUnprocessableEntity, "password"))
	look("wrong proof", old.post(path+"/reveal", url.Values{"key": {"password"}, "proof": {"no"}}).want(http.StatusUnprocessableEntity))
	look("unproven by API", old.json(http.MethodPost, api+"/reveal?namespace=shop", `{"key":"password"}`).want(http.StatusForbidden))
	old.post(path+"/reveal", url.Values{"key": {"password"}, "proof": {password}}).want(http.StatusOK, canary)
	for _, p := range crawl(k.as(admin), path, clusterPath(k.productionID)+"/secrets", "/audit") {
		look(p.path, p.reply)
	}
	lines := k.audit(db.AuditFilter{Verb: "reveal", Limit: 100})
	ok := 0
	for _, l := range lines {
		if l.Result == db.ResultOK {
			ok++
			if !strings.Contains(l.Message+l.Diff, `data["`) || l.Name != "db" {
				t.Errorf("the audit has %+v", l)
			}
		}
	}
	row, err := json.Marshal(lines)
	k.must(err)
	if ok != 5 || len(lines) != 8 { // beside them one without the key, and two refusals
		t.Errorf("%d of %d audit rows are of values that were shown", ok, len(lines))
	}
	elsewhere["audit"], elsewhere["log"], elsewhere["tables"] = string(row), k.log.String(), k.tables()
	for where, text := range elsewhere {
		for _, form := range forms(canary) {
			if strings.Contains(text, form) {
				t.Errorf("the value is in %s", where)
			}
		}
	}
}

// TestActionsByAPI answers with what changed.
func TestActionsByAPI(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	rollouts(k)
	v := k.as(operator)
	object := fmt.Sprintf("%s/clusters/%d/resources/deployments.apps/web", apiRoot, k.productionID)
	v.json(http.MethodPut, object+"/scale?namespace=shop", `{"replicas":5,"from":3}`).want(http.StatusOK, `"spec.replicas":"5"`, `"changed":true`)
	v.json(http.MethodPut, object+"/scale?namespace=shop", `{"replicas":5,"from":3}`).want(http.StatusOK, `"changed":false`)
	v.json(http.MethodPut, object+"/scale?namespace=shop", `{"replicas":6,"from":3}`).problem(http.StatusConflict, "changed")
	v.json(http.MethodPost, object+"/pause?namespace=shop", "").want(http.StatusOK, `"spec.paused":"true"`)
	v.json(http.MethodPost, object+"/undo?namespace=shop", `{"revision":2}`).problem(http.StatusUnprocessableEntity, "refused")
	v.json(http.MethodPost, object+"/resume?namespace=shop", `{"uid":"another"}`).problem(http.StatusConflict, "changed")
	v.json(http.MethodPost, object+"/resume?namespace=shop", "").want(http.StatusOK)
	v.json(http.MethodPost, object+"/undo?namespace=shop", "").want(http.StatusOK, `"revision":"2"`)
	v.json(http.MethodPost, object+"/cordon?namespace=shop", "").problem(http.StatusNotFound, "unknown_action")
	v.json(http.MethodPost, object+"/restart", "").problem(http.StatusBadRequest, "bad_request")
}
