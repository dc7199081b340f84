package kube

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// TestSwitch turns each field on and off, once: what is so already is left alone, and another incarnation too.
func TestSwitch(t *testing.T) {
	web, n := deployment("shop", "web", 3), node("n", corev1.ConditionTrue, time.Now())
	cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "report"}, Spec: batchv1.CronJobSpec{Schedule: "@daily"}}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "load"}}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web, n, cron, job}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	for _, tc := range []struct {
		kind, namespace, name string
		on, off               kinds.Action
		field                 string
	}{
		{"deployments.apps", "shop", "web", kinds.ActionPause, kinds.ActionResume, "spec.paused"},
		{"cronjobs.batch", "shop", "report", kinds.ActionSuspend, kinds.ActionUnsuspend, "spec.suspend"},
		{"jobs.batch", "shop", "load", kinds.ActionSuspend, kinds.ActionUnsuspend, "spec.suspend"},
		{"nodes", "", "n", kinds.ActionCordon, kinds.ActionUncordon, "spec.unschedulable"},
	} {
		k := kindOf(t, tc.kind)
		permit := r.permit(t, "root", "one", k, access.VerbPatch, tc.namespace, tc.name)
		for _, a := range []kinds.Action{tc.on, tc.off} {
			before := len(s.Changes())
			got, err := c.Switch(t.Context(), permit, k, tc.namespace, tc.name, a, SwitchOptions{})
			if err != nil {
				t.Fatalf("%s %s: %v", a, tc.kind, err)
			}
			was, is := "false", "true"
			if a == tc.off {
				was, is = is, was
			}
			if want := tc.field + ": " + was + " → " + is; got.Diff != want {
				t.Errorf("%s %s: %q, want %q", a, tc.kind, got.Diff, want)
			}
			again, err := c.Switch(t.Context(), permit, k, tc.namespace, tc.name, a, SwitchOptions{UID: got.UID})
			if err != nil || again.Diff != "" || len(s.Changes()) != before+1 {
				t.Errorf("%s %s twice: %q, %v, %d changes", a, tc.kind, again.Diff, err, len(s.Changes())-before)
			}
			if _, err = c.Switch(t.Context(), permit, k, tc.namespace, tc.name, a, SwitchOptions{UID: "another"}); !errors.Is(err, ErrConflict) {
				t.Errorf("%s another %s: %v", a, tc.kind, err)
			}
		}
	}
	pods := kindOf(t, "pods")
	if _, err := c.Switch(t.Context(), r.permit(t, "root", "one", pods, access.VerbPatch, "shop", "x"), pods, "shop", "x", kinds.ActionPause, SwitchOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("pause a pod: %v", err)
	}
}

// TestRunNow: what kubectl create job --from makes, and one Job however often the request comes.
func TestRunNow(t *testing.T) {
	cron := &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: strings.Repeat("r", 60), UID: "uid-cron"},
		Spec: batchv1.CronJobSpec{Schedule: "@daily", JobTemplate: batchv1.JobTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "report"}, Annotations: map[string]string{"kept": "yes"}},
			Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "report:1"}}}}},
		}},
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{cron}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k, jobs := kindOf(t, "cronjobs.batch"), kindOf(t, "jobs.batch")
	name := JobName(kinds.ActionRun, cron.Name, "abc12")
	if len(name) > 63 || !strings.HasSuffix(name, "-manual-abc12") {
		t.Errorf("the job is called %s", name)
	}
	read, make := r.permit(t, "root", "one", k, access.VerbGet, "shop", cron.Name), r.permit(t, "root", "one", jobs, access.VerbCreate, "shop", name)
	for range 2 {
		got, err := c.Run(t.Context(), read, make, k, "shop", cron.Name, RunOptions{Job: name, UID: "uid-cron"})
		if err != nil {
			t.Fatal(err)
		}
		made, _ := s.Object(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}).(*batchv1.Job)
		if made == nil || got.UID != string(made.UID) {
			t.Fatalf("made %+v, change %+v", made, got)
		}
		owner := metav1.GetControllerOf(made)
		if owner == nil || owner.UID != "uid-cron" || owner.Kind != "CronJob" || owner.BlockOwnerDeletion != nil || made.Labels["app"] != "report" ||
			made.Annotations["kept"] != "yes" || made.Annotations["cronjob.kubernetes.io/instantiate"] != "manual" || made.Spec.Template.Spec.Containers[0].Image != "report:1" {
			t.Errorf("made %+v", made)
		}
	}
	// A Job of the name that came from elsewhere is somebody else's.
	other := "other-manual-abc12"
	s.Add(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: other}})
	_, err := c.Run(t.Context(), read, r.permit(t, "root", "one", jobs, access.VerbCreate, "shop", other), k, "shop", cron.Name, RunOptions{Job: other})
	if !errors.Is(err, ErrExists) {
		t.Errorf("a name that is taken: %v", err)
	}
	// The right to create one Job is not that to create another.
	if _, err = c.Run(t.Context(), read, make, k, "shop", cron.Name, RunOptions{Job: other}); !errors.Is(err, access.ErrForbidden) {
		t.Errorf("with another permit: %v", err)
	}
	if _, err = c.Run(t.Context(), read, make, k, "shop", cron.Name, RunOptions{Job: name, UID: "another"}); !errors.Is(err, ErrConflict) {
		t.Errorf("another incarnation: %v", err)
	}
}

// TestRunAgain copies a Job without what ties it to its pods.
func TestRunAgain(t *testing.T) {
	tied := map[string]string{"app": "load", "controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "load-rerun-aaaaa", "batch.kubernetes.io/job-name": "load-rerun-aaaaa"}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "load-rerun-aaaaa", UID: "uid-job", Labels: tied},
		Spec: batchv1.JobSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"batch.kubernetes.io/controller-uid": "u"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: tied}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "load:1"}}}},
		},
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{job}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "jobs.batch")
	name := JobName(kinds.ActionRerun, job.Name, "bbbbb")
	if name != "load-rerun-bbbbb" {
		t.Errorf("the job is called %s", name)
	}
	for range 2 {
		if _, err := c.Run(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", job.Name), r.permit(t, "root", "one", k, access.VerbCreate, "shop", name), k, "shop", job.Name, RunOptions{Job: name}); err != nil {
			t.Fatal(err)
		}
	}
	made, _ := s.Object(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}).(*batchv1.Job)
	if made == nil {
		t.Fatal("no job was made")
	}
	if diff := cmp.Diff(map[string]string{"app": "load"}, made.Spec.Template.Labels); diff != "" || made.Spec.Selector != nil || len(made.Labels) != 1 {
		t.Errorf("made %+v: %s", made, diff)
	}
}

// TestEvict: a budget in the way is named with its figures, and does not stop the requests to the cluster.
func TestEvict(t *testing.T) {
	a, b := pod("shop", "web-1", corev1.PodRunning), pod("shop", "web-2", corev1.PodRunning)
	a.Labels, b.Labels = map[string]string{"app": "web"}, map[string]string{"app": "web"}
	one := intstr.FromInt32(2)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-budget"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DesiredHealthy: 2, CurrentHealthy: 2},
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{a, b, budget}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "pods")
	permit := r.permit(t, "root", "one", k, access.VerbEvict, "shop", "web-1")
	_, err := c.Evict(t.Context(), permit, k, "shop", "web-1", EvictOptions{})
	var e *Error
	if !errors.Is(err, ErrBlocked) || !errors.As(err, &e) || e.Reason.ID != "cluster.evict_budget" || e.Reason.Args["Budget"] != "web-budget" || e.Reason.Args["Need"] != "2" || e.Reason.Args["Have"] != "2" {
		t.Fatalf("a budget in the way: %v %+v", err, e)
	}
	budget = s.Object(budget).(*policyv1.PodDisruptionBudget)
	budget.Status.CurrentHealthy, budget.Status.DisruptionsAllowed = 3, 1
	s.Update(budget)
	if _, err = c.Evict(t.Context(), permit, k, "shop", "web-1", EvictOptions{UID: "another"}); !errors.Is(err, ErrConflict) || s.Object(a) == nil {
		t.Errorf("another incarnation: %v", err)
	}
	got, err := c.Evict(t.Context(), permit, k, "shop", "web-1", EvictOptions{UID: string(s.Object(a).(*corev1.Pod).UID)})
	if err != nil || s.Object(a) != nil || got.After != nil || got.Before["status"] != "Running" {
		t.Errorf("evicted: %+v, %v", got, err)
	}
	now := metav1.Now()
	b.DeletionTimestamp, b.Finalizers = &now, []string{"x"}
	s.Update(b)
	before := len(s.Changes())
	if _, err = c.Evict(t.Context(), r.permit(t, "root", "one", k, access.VerbEvict, "shop", "web-2"), k, "shop", "web-2", EvictOptions{}); err != nil || len(s.Changes()) != before {
		t.Errorf("on its way out: %v, %d changes", err, len(s.Changes())-before)
	}
}

// TestRestartOnce: one request is one restart, however often it comes.
func TestRestartOnce(t *testing.T) {
	web := deployment("shop", "web", 3)
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbRestart, "shop", "web")
	at := time.Now().Add(-time.Minute)
	for range 2 {
		if _, err := c.Restart(t.Context(), permit, k, "shop", "web", RestartOptions{At: at}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Object(web).(*appsv1.Deployment).Spec.Template.Annotations[restartedAt]; got != at.UTC().Format(time.RFC3339) || len(s.Changes()) != 1 {
		t.Errorf("restarted at %s by %d changes", got, len(s.Changes()))
	}
	if _, err := c.Restart(t.Context(), permit, k, "shop", "web", RestartOptions{UID: "another"}); !errors.Is(err, ErrConflict) {
		t.Errorf("another incarnation: %v", err)
	}
}
