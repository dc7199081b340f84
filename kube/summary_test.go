package kube

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

// company is a small cluster in which some things are wrong.
func company(now time.Time) []kruntime.Object {
	bad := node("n2", corev1.ConditionFalse, now.Add(-time.Hour))
	good := node("n1", corev1.ConditionTrue, now.Add(-time.Hour))
	for _, n := range []*corev1.Node{good, bad} {
		n.Status.Allocatable = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}
	}
	yes := true
	web := func(i int, waiting string) *corev1.Pod {
		p := pod("shop", fmt.Sprintf("web-abc-%d", i), corev1.PodRunning)
		p.Labels = map[string]string{"pod-template-hash": "abc"}
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-abc", Controller: &yes}}
		p.CreationTimestamp = metav1.NewTime(now.Add(-time.Duration(i) * time.Minute))
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Ready: waiting == "", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		if waiting != "" {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waiting}}
		}
		return p
	}
	done := pod("shop", "job-1", corev1.PodSucceeded)
	done.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100")}
	stuck := deployment("bank", "api", 2)
	stuck.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", LastTransitionTime: metav1.NewTime(now.Add(-10 * time.Minute)),
	}}
	event := func(name, kind, object, reason string, at time.Time, n int32) *corev1.Event {
		return &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Type: corev1.EventTypeWarning, Reason: reason, Message: "words of " + name,
			InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: "shop", Name: object}, LastTimestamp: metav1.NewTime(at), FirstTimestamp: metav1.NewTime(at), Count: n,
		}
	}
	return []kruntime.Object{
		good, bad, web(1, ""), web(2, "CrashLoopBackOff"), web(3, "CrashLoopBackOff"), done, stuck,
		event("e1", "PersistentVolumeClaim", "data", "ProvisioningFailed", now.Add(-2*time.Minute), 4),
		event("e2", "PersistentVolumeClaim", "data", "ProvisioningFailed", now.Add(-time.Minute), 1),
		event("e3", "Pod", "web-abc-3", "BackOff", now.Add(-time.Minute), 9),
		event("e4", "Pod", "web-abc-1", "Unhealthy", now.Add(-30*time.Second), 3),
		event("e5", "Pod", "web-abc-1", "Unhealthy", now.Add(-20*time.Second), 4),
		event("old", "Service", "web", "FailedToUpdateEndpoint", now.Add(-2*time.Hour), 1),
	}
}

// synced waits until what an overview reads is in memory.
func synced(t *testing.T, c *Cluster) {
	t.Helper()
	for _, id := range OverviewKinds() {
		c.Touch(kindOf(t, id))
	}
	synctest.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
}

// TestOverview: what there is, what is asked for, and what has lately been complained of.
func TestOverview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: company(now)})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		synced(t, c)
		got := c.Overview(r.permits(t, "root", "one"))
		if got.Nodes != (NodeCounts{Total: 2, Ready: 1}) {
			t.Errorf("nodes %+v", got.Nodes)
		}
		const gi = 1 << 30
		for _, a := range []struct {
			what      string
			got, want Amount
		}{
			{"cpu", got.CPU, Amount{1.5, 3, 8}}, {"memory", got.Memory, Amount{3 * gi, 0, 16 * gi}}, {"pods", got.PodSlots, Amount{3, 0, 220}},
		} {
			if a.got != a.want {
				t.Errorf("%s %+v, want %+v", a.what, a.got, a.want)
			}
		}
		var words []string
		for _, n := range append(got.Pods, got.Deployments...) {
			words = append(words, fmt.Sprintf("%d %s", n.N, n.Status.Word))
		}
		if w := strings.Join(words, ", "); w != "2 CrashLoopBackOff, 1 Running, 1 Completed, 1 Stuck" && w != "2 CrashLoopBackOff, 1 Running, 1 Succeeded, 1 Stuck" {
			t.Errorf("by status: %s", w)
		}
		var warned []string
		for _, w := range got.Warnings {
			warned = append(warned, w.Name)
		}
		if w := strings.Join(warned, ","); w != "e5,e4,e2,e3,e1" {
			t.Errorf("warnings %s", w)
		}
		if sec := got.Sections["pods"]; !sec.Shown || sec.Freshness.State.String() != "live" {
			t.Errorf("section %+v", sec)
		}

		// Somebody who may see one namespace sees that, and no nodes.
		ann := c.Overview(r.permits(t, "ann", "one"))
		if ann.Sections["nodes"].Shown || ann.Nodes.Total != 0 || ann.CPU.Allocatable != 0 || len(ann.Deployments) != 0 || len(ann.Pods) != 3 {
			t.Errorf("for a viewer of one namespace: %+v", ann)
		}
	})
}

// TestTroubles: what is wrong now, grouped by what it is wrong with, the worst first, and nothing twice.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := kubetest.New(t, kubetest.Options{Memory: true, Objects: company(now)})
		r := newRig(t, s)
		c := r.add(t, 1, "one", credentials(t, s))
		synced(t, c)
		line := func(list []Trouble) (out []string) {
			for _, x := range list {
				out = append(out, fmt.Sprintf("%s %s/%s %s %d of %d %s%s", x.Kind, x.Namespace, x.Name, x.Status.Word, x.Count, x.Total, x.Example, x.Event))
			}
			return out
		}
		want := []string{
			"nodes /n2 NotReady 0 of 0 ",
			"deployments.apps shop/web CrashLoopBackOff 2 of 3 web-abc-3",
			"deployments.apps bank/api Stuck 0 of 0 ",
			"deployments.apps shop/web Unhealthy 7 of 0 web-abc-1e5",
			"persistentvolumeclaims shop/data ProvisioningFailed 5 of 0 e2",
		}
		got := c.Troubles(r.permits(t, "root", "one"))
		if diff := cmp.Diff(want, line(got)); diff != "" {
			t.Error(diff)
		}
		for i, at := range []time.Duration{-time.Hour, -3 * time.Minute, -10 * time.Minute, -20 * time.Second, -time.Minute} {
			if !got[i].Since.Equal(now.Add(at)) {
				t.Errorf("%s since %s", got[i].Name, got[i].Since)
			}
		}
		if diff := cmp.Diff([]string{want[1], want[3], want[4]}, line(c.Troubles(r.permits(t, "ann", "one")))); diff != "" {
			t.Errorf("for a viewer of one namespace: %s", diff)
		}
		if none := c.Troubles(nil); len(none) != 0 {
			t.Errorf("without permits: %v", none)
		}
	})
}

// TestFR0_9_TestOfAConnection says what was found, or exactly what is wrong, and changes nothing.
func TestFR0_9_TestOfAConnection(t *testing.T) {
	objects := []kruntime.Object{node("a", corev1.ConditionTrue, time.Now()), node("b", corev1.ConditionFalse, time.Now())}
	ids := func(list []kinds.Message) (out []string) {
		for _, m := range list {
			out = append(out, m.ID)
		}
		return out
	}
	t.Run("all rights", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Objects: objects, User: "carol"})
		got, err := newRig(t, s).Test(t.Context(), credentials(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if got.Version != "v1.37.2" || got.Nodes != 2 || got.NodesReady != 1 || got.User != "carol" || len(got.Missing) > 0 || got.Server != s.URL() {
			t.Errorf("report %+v", got)
		}
		if diff := cmp.Diff([]string{"cluster.node_not_ready"}, ids(got.Warnings)); diff != "" {
			t.Error(diff)
		}
		eventually(t, "the connection is closed", func() bool { return s.Connections() == 0 })
		for _, q := range s.Changes() {
			if !strings.Contains(q.Path, "/selfsubject") {
				t.Errorf("it changed something: %s", q)
			}
		}
	})
	t.Run("an old server", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Objects: objects, NoSelfSubjectReview: true, Version: "v1.24.0"})
		got, err := newRig(t, s).Test(t.Context(), credentials(t, s))
		if err != nil || got.User != "" || got.Version != "v1.24.0" {
			t.Errorf("report %+v, %v", got, err)
		}
	})
	t.Run("one namespace", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Objects: objects, Allow: func(a kubetest.Attributes) bool { return a.Namespace == "shop" }})
		got, err := newRig(t, s).Test(t.Context(), credentials(t, s, func(f *clientcmdapi.Config) { f.Contexts["kubetest"].Namespace = "shop" }))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"shop"}, got.Namespaces); diff != "" || got.NodesKnown || len(got.Missing) != 6 {
			t.Errorf("report %+v", got)
		}
		if diff := cmp.Diff([]string{"cluster.limited", "cluster.missing_rights"}, ids(got.Warnings)); diff != "" {
			t.Error(diff)
		}
		if r := got.Missing[4].String(); r != "list deployments.apps" {
			t.Errorf("right %q", r)
		}
	})
	t.Run("no right at all", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{Objects: objects, User: "mallory", Allow: func(kubetest.Attributes) bool { return false }})
		_, err := newRig(t, s).Test(t.Context(), credentials(t, s))
		var e *Error
		if !errors.Is(err, ErrForbidden) || !errors.As(err, &e) || e.Reason.ID != "cluster.no_rights" || e.Reason.Args["User"] != "mallory" {
			t.Errorf("%v", err)
		}
	})
	t.Run("wrong token", func(t *testing.T) {
		s := kubetest.New(t, kubetest.Options{})
		c := credentials(t, s)
		s.SetToken("another")
		if _, err := newRig(t, s).Test(t.Context(), c); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%v", err)
		}
	})
	t.Run("never answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := kubetest.New(t, kubetest.Options{Memory: true})
			s.Script(kubetest.Hang)
			began := time.Now()
			if _, err := newRig(t, s).Test(t.Context(), credentials(t, s)); !errors.Is(err, ErrTimeout) || time.Since(began) > testTimeout {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
	})
}
