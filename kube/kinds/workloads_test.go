package kinds

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestFR1_13_WorkloadsSayWhatTheyWaitFor holds the verdict on each awkward
// state of the testdata: how bad it is, in which word, and why.
func TestFR1_13_WorkloadsSayWhatTheyWaitFor(t *testing.T) {
	for id, want := range map[string]map[string]string{
		"statefulsets.apps": {
			"available": "ok Available", "updating": "info Progressing statefulset.updating Next=updating-1", "waiting": "info Progressing statefulset.waiting Next=waiting-1",
			"blocked": "warn Stuck statefulset.blocked Unready=1", "parallel": "info Progressing statefulset.waiting", "partition": "info Available statefulset.partition Old=2",
			"ondelete": "warn Outdated statefulset.ondelete Old=2", "ondelete-done": "ok Available", "recreate": `info Progressing "Deleting old revision pods"`,
			"inorder": "warn Progressing statefulset.inorder", "creating": "info Progressing statefulset.creating", "scalingdown": "info Progressing statefulset.scalingdown",
			"short": "warn Available replicas.short", "down": "bad Unavailable replicas.short", "zero": "idle ScaledToZero", "unseen": "info Progressing replicas.unseen",
			"terminating": "warn Terminating object.finalizers Finalizers=foregroundDeletion",
		},
		"daemonsets.apps": {
			"updating": "info Progressing daemonset.updating", "stalled": "warn Progressing daemonset.stalled Allowed=1", "ondelete": "warn Outdated daemonset.ondelete Old=4",
			"short": "warn Available replicas.short", "down": "bad Unavailable replicas.short", "nonodes": "idle NoNodes daemonset.nonodes",
			"creating":     "info Progressing replicas.creating Have=2",
			"misscheduled": "warn Available daemonset.misscheduled Wrong=1", "terminating": "info Terminating",
		},
		"replicasets.apps": {
			"old": "idle OldRevision", "zero": "idle ScaledToZero", "quota": `bad ReplicaFailure "pods \"quota-x\" is forbidden: exceeded quota`,
			"starting": "warn Unavailable", "down": "bad Unavailable", "creating": "info Progressing replicas.creating", "scalingdown": "info Progressing replicas.scalingdown",
		},
		"replicationcontrollers": {"quota": `bad ReplicaFailure "exceeded quota"`, "bare": "idle ScaledToZero"},
		"jobs.batch": {
			"complete": "idle Complete", "complete-held": "warn Complete object.finalizers Finalizers=orphan", "backoff": "bad Failed job.failed.BackoffLimitExceeded Failed=4 Limit=3",
			"deadline": "bad Failed job.failed.DeadlineExceeded Seconds=60", "indexes": "bad Failed job.failed.FailedIndexes Indexes=3,4", "maxindexes": "bad Failed job.failed.MaxFailedIndexesExceeded",
			"policy": "bad Failed job.failed.PodFailurePolicy", "foreign": `bad Failed "no worker took it"`, "running": "info Running job.running Active=2", "retrying": "warn Running job.retrying Failed=2",
			"nopods": "info Running job.nopods", "suspended": "idle Suspended", "suspending": "idle Running job.suspending", "failing": "bad FailureTarget job.failed.BackoffLimitExceeded",
			"ending": "info SuccessCriteriaMet job.ending", "unseen": "info Running replicas.unseen",
		},
		"cronjobs.batch": {
			"nightly": "ok Scheduled", "active": "info Active cronjob.running Count=2", "failed": "bad RunFailed cronjob.failed Success=09:46:00", "hopeless": "bad RunFailed cronjob.nosuccess",
			"never": "ok Scheduled cronjob.never", "suspended": "idle Suspended", "suspended-failed": "warn Suspended cronjob.failed", "invalid": "bad Invalid cronjob.schedule",
		},
		"horizontalpodautoscalers.autoscaling": {
			"metrics": "ok Active", "maximum": "warn AtMaximum hpa.max Max=5", "minimum": "ok Active hpa.min Min=2", "nometrics": `bad NoMetrics "the HPA was unable to compute`,
			"notarget": `bad CannotScale "the HPA controller was unable to get the target's current scale: deployments.apps \"gone\" not found"`, "disabled": "idle SwitchedOff hpa.disabled",
			"scaling": "info Scaling hpa.scaling Current=2 Desired=4", "limited": `info Limited "the desired replica count is increasing faster`, "stabilized": "ok Active hpa.stabilized",
			"zero": "idle ScaledToZero hpa.zero", "unseen": "info Pending hpa.unseen",
		},
		"verticalpodautoscalers.autoscaling.k8s.io": {
			"provided": "ok RecommendationProvided", "lowconfidence": "info RecommendationProvided vpa.lowconfidence", "nopods": "warn NoPods", "unsupported": `bad Invalid "Unsupported targetRef"`, "pending": "info Pending vpa.none",
		},
		"poddisruptionbudgets.policy": {
			"allows": "ok AllowsEvictions pdb.allows Allowed=1", "never": "warn BlocksEvictions pdb.never", "short": "bad BlocksEvictions pdb.short Healthy=1 Needed=3", "edge": "warn BlocksEvictions pdb.edge",
			"nopods": "idle NoPods pdb.nopods", "syncfailed": `bad BlocksEvictions pdb.syncfailed "found no controllers`, "unseen": "info Progressing replicas.unseen",
		},
		"pods": {
			"surroundings": "warn Running pod.readinessgate Gates=example.com/second", "resize-pending": "warn Running pod.resize", "sidecar-crash": "bad Init:CrashLoopBackOff pod.exitin Container=mesh",
			"outofcpu": `bad OutOfcpu "Pod was rejected`, "pull-credentials": "bad ErrImagePull pod.image.denied", "pull-plainhttp": "bad ErrImagePull pod.image.plainhttp", "pull-broken": "bad ErrImagePull pod.image.broken",
		},
	} {
		k, ok := Lookup(id)
		if !ok {
			t.Fatalf("%s is no kind", id)
		}
		for _, obj := range objects(t, k) {
			row := k.Project(obj)
			verdict, ok := want[row.Name]
			if !ok {
				continue
			}
			delete(want, row.Name)
			head := row.Status.Tone.word() + " " + row.Status.Word
			got := head + " " + written(row.Status.Reason)
			why, same := strings.CutPrefix(verdict+" ", head+" ")
			rest := written(row.Status.Reason)
			for word := range strings.FieldsSeq(why) { // in order; the message may have more values than are named here
				_, after, found := strings.Cut(rest, word)
				rest, same = after, same && found
			}
			if !same {
				t.Errorf("%s %s: %q, want %q", id, row.Name, got, verdict)
			}
		}
		for name := range want {
			t.Errorf("%s %s is not in the testdata", id, name)
		}
	}
}

func TestSchedulesAreThoseOfKubernetes(t *testing.T) {
	berlin, kolkata, saoPaulo := "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo"
	for _, c := range []struct {
		words, from, want string
		zone              *string
	}{
		{"* * * * *", "2026-01-01T10:00:30Z", "2026-01-01T10:01:00Z", nil},
		{"*/15 * * * *", "2026-01-01T10:00:00Z", "2026-01-01T10:15:00Z", nil},
		{"5-10/5,50 * * * *", "2026-01-01T10:10:00Z", "2026-01-01T10:50:00Z", nil},
		{"20/20 * * * *", "2026-01-01T10:20:00Z", "2026-01-01T10:40:00Z", nil},
		{"0 9-17/4 * * *", "2026-01-01T09:30:00Z", "2026-01-01T13:00:00Z", nil},
		{"30 3 * * *", "2026-01-01T02:30:00Z", "2026-01-02T02:30:00Z", &berlin},
		{"TZ=Asia/Kolkata 0 0 * * *", "2026-01-01T10:00:00Z", "2026-01-01T18:30:00Z", nil},
		{"15 12 * * *", "2026-01-01T00:00:00Z", "2026-01-01T06:45:00Z", &kolkata},
		{"30 2 29 3 *", "2026-01-01T00:00:00Z", "2027-03-29T00:30:00Z", &berlin},   // in 2026 the clocks skip that hour
		{"0 0 4 11 *", "2018-11-01T00:00:00Z", "2019-11-04T03:00:00Z", &saoPaulo},  // and there that midnight
		{"0 12 5 11 *", "2018-11-03T12:00:00Z", "2018-11-05T14:00:00Z", &saoPaulo}, // which must not hold it up
		{"0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", nil},
		{"0 0 31 2 *", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", nil},    // never
		{"0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", nil},  // either day
		{"0 0 */2 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", nil}, // a star with a step names days
		{"0 0 * * mon-wed", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", nil},
		{"0 0 ? JAN,jul SUN", "2026-02-01T00:00:00Z", "2026-07-05T00:00:00Z", nil},
		{"@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", nil},
		{"@every 90s", "2026-01-01T00:00:00.5Z", "2026-01-01T00:01:30Z", nil},
		{"CRON_TZ=UTC @yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", nil},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readSchedule(c.words, c.zone)
		if err != nil {
			t.Errorf("%s: %v", c.words, err)
			continue
		}
		if got := s.after(from).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s after %s is %s, want %s", c.words, c.from, got, c.want)
		}
	}
	nowhere := "Mars/Olympus"
	for _, words := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "a * * * *", "1-b * * * *", "*/c * * * *", "@never", "@every 1ms", "@every day"} {
		if _, err := readSchedule(words, nil); err == nil {
			t.Errorf("%q is a schedule", words)
		}
	}
	if _, err := readSchedule("* * * * *", &nowhere); err == nil {
		t.Errorf("%s is a time zone", nowhere)
	}
}

func TestNextRunIsCountedFromTheLastOneAndNotWhileSuspended(t *testing.T) {
	at := metav1.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	suspended := true
	c := batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at}, Spec: batchv1.CronJobSpec{Schedule: "@hourly"}}
	if got, want := cronJobNext(&c), (Cell{Num: float64(at.Add(time.Hour).Unix()), Form: FormTime}); got.Num != want.Num || got.Form != want.Form {
		t.Errorf("a new one runs at %v, want %v", got, want)
	}
	missed := metav1.NewTime(at.Add(-48 * time.Hour))
	c.Status.LastScheduleTime = &missed
	if got := cronJobNext(&c).Num; got != float64(missed.Add(time.Hour).Unix()) {
		t.Errorf("one that missed its runs was due at %v", got)
	}
	c.Spec.Suspend = &suspended
	if got := cronJobNext(&c); !got.Empty() {
		t.Errorf("a suspended one runs at %v", got)
	}
}

// TestARunThatDoesNotBeginIsOverdue: a run counts only if it was due after the CronJob was last written, and does not wait
// for the one before.
func TestARunThatDoesNotBeginIsOverdue(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(hour int) *metav1.Time {
		return &metav1.Time{Time: day.Add(time.Duration(hour)*time.Hour + time.Minute)}
	}
	suspended := true
	for _, c := range []struct {
		name string
		job  batchv1.CronJob
		due  int // hour, 0 for never
	}{
		{"new", batchv1.CronJob{}, 2},
		{"ran", batchv1.CronJob{Status: batchv1.CronJobStatus{LastScheduleTime: at(7), LastSuccessfulTime: at(7)}}, 8},
		{"failed, which is worse", batchv1.CronJob{Status: batchv1.CronJobStatus{LastScheduleTime: at(7)}}, 0},
		{"written since", batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Time: at(12)}, {Time: at(15), Subresource: "status"}}},
			Status:     batchv1.CronJobStatus{LastScheduleTime: at(7), LastSuccessfulTime: at(7)},
		}, 13},
		{"suspended", batchv1.CronJob{Spec: batchv1.CronJobSpec{Suspend: &suspended}}, 0},
		{"on its way out", batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: at(2)}}, 0},
		{"waits for the one before", batchv1.CronJob{
			Spec:   batchv1.CronJobSpec{ConcurrencyPolicy: batchv1.ForbidConcurrent},
			Status: batchv1.CronJobStatus{LastScheduleTime: at(3), Active: []corev1.ObjectReference{{Name: "run"}}},
		}, 0},
		{"runs beside the one before", batchv1.CronJob{Status: batchv1.CronJobStatus{LastScheduleTime: at(3), Active: []corev1.ObjectReference{{Name: "run"}}}}, 4},
	} {
		c.job.Spec.Schedule, c.job.CreationTimestamp = "@hourly", *at(1)
		got := cronJobLater(&c.job)
		if c.due == 0 || got == nil {
			if c.due != 0 || got != nil {
				t.Errorf("%s: %v", c.name, got)
			}
			continue
		}
		due := day.Add(time.Duration(c.due) * time.Hour)
		if got.At != due.Add(2*time.Minute).Unix() || got.Status.Word != WordOverdue || got.Status.Since != due.Unix() {
			t.Errorf("%s: %+v, due at %s", c.name, got, due)
		}
	}
}

// TestA24_ContainersNameSecretsAndNeverTheirValues: a template has only names
// of secrets; what stands beside a reference is not shown either.
func TestA24_ContainersNameSecretsAndNeverTheirValues(t *testing.T) {
	spec := corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: "main",
			Env: []corev1.EnvVar{
				{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password"}}},
				{Name: "LONG", Value: strings.Repeat("x", 2*envValueLimit)},
			},
		}},
	}
	env := templateContainers("shop", "", &spec)[0].Env
	want := EnvVar{Name: "PASSWORD", From: &Ref{Kind: "secrets", Namespace: "shop", Name: "db", Via: "env"}, Key: "password"}
	if diff := cmp.Diff(want, env[0]); diff != "" {
		t.Error(diff)
	}
	if len(env[1].Value) > envValueLimit {
		t.Errorf("a value of %d bytes", len(env[1].Value))
	}
}

func TestSelectorsThatChooseNothingOrCannotBeReadHaveNoPods(t *testing.T) {
	for _, c := range []struct {
		selector *metav1.LabelSelector
		want     string
	}{
		{nil, ""},
		{&metav1.LabelSelector{MatchLabels: map[string]string{"b": "2", "a": "1"}}, "a=1,b=2"},
		{&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "In", Values: []string{"x", "y"}}, {Key: "b", Operator: "DoesNotExist"}}}, "a in (x,y),!b"},
		{&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}, ""},
	} {
		budgets, _ := Lookup("poddisruptionbudgets.policy")
		if got := budgets.Pods(&policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{Selector: c.selector}}); got != (PodsOf{Selector: c.want}) {
			t.Errorf("%v chooses %v, want %q", c.selector, got, c.want)
		}
	}
	// By definition of the two kinds, and of no workload.
	all := PodsOf{All: true}
	budgets, _ := Lookup("poddisruptionbudgets.policy")
	if got := budgets.Pods(&policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{}}}); got != all {
		t.Errorf("an empty selector of a budget chooses %+v", got)
	}
	policies, _ := Lookup("networkpolicies.networking.k8s.io")
	if got := policies.Pods(&networkingv1.NetworkPolicy{}); got != all {
		t.Errorf("an empty selector of a network policy chooses %+v", got)
	}
	deployments, _ := Lookup("deployments.apps")
	if got := deployments.Pods(&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{}}}); got != (PodsOf{}) {
		t.Errorf("an empty selector of a deployment chooses %+v", got)
	}
}

func TestEveryWorkloadHasItsPods(t *testing.T) {
	for _, id := range []string{"deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "replicationcontrollers", "jobs.batch", "cronjobs.batch", "poddisruptionbudgets.policy"} {
		k, ok := Lookup(id)
		if !ok || !k.HasPods() {
			t.Errorf("%s has no pods", id)
		}
	}
}

// TestA29_VerticalPodAutoscalersOfAnyShapeAreRead: the definition is the
// cluster's, so that no field has the type that it should have.
func TestA29_VerticalPodAutoscalersOfAnyShapeAreRead(t *testing.T) {
	k, _ := Lookup("verticalpodautoscalers.autoscaling.k8s.io")
	for _, odd := range []any{nil, "text", 3.5, []any{"a", map[string]any{"target": 1}}, map[string]any{"conditions": "x", "targetRef": []any{}, "recommendation": map[string]any{"containerRecommendations": map[string]any{}}}} {
		u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "odd"}, "spec": odd, "status": odd}}
		u.SetGroupVersionKind(k.GVK())
		d := k.Detail(u)
		if !d.Problem.IsZero() || d.Row.Name != "odd" {
			data, _ := json.Marshal(odd)
			t.Errorf("%s: %s", data, fmt.Sprint(d.Problem))
		}
	}
}

func TestTerminatingSaysSinceWhenAndWhatHolds(t *testing.T) {
	at, grace := metav1.Date(2026, 1, 1, 10, 0, 30, 0, time.UTC), int64(30)
	if _, ok := terminating(&corev1.Pod{}); ok {
		t.Error("an object that nobody deleted is terminating")
	}
	s, ok := terminating(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &at, DeletionGracePeriodSeconds: &grace}})
	if want := (Status{Word: "Terminating", Tone: ToneInfo, Since: at.Unix() - grace}); !ok || !cmp.Equal(s, want) {
		t.Errorf("%+v, want %+v", s, want)
	}
	s, _ = terminating(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &at, Finalizers: []string{"a.example.com/x", "b"}}})
	if s.Tone != ToneWarn || s.Reason.Args["Finalizers"] != "a.example.com/x, b" {
		t.Errorf("%+v", s)
	}
}
