package kube

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/diff"
	"tiga/kube/kubetest"
)

// TestScale: through the scale sub-resource, with the version that was read, in the name of Tiga.
func TestScale(t *testing.T) {
	web := deployment("shop", "web", 3)
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	permit := r.permit(t, "root", "one", k, access.VerbScale, "shop", "web")
	three, five := int32(3), int32(5)

	got, err := c.Scale(t.Context(), permit, k, "shop", "web", ScaleOptions{Replicas: 5, From: &three})
	if err != nil {
		t.Fatal(err)
	}
	stored := s.Object(web).(*appsv1.Deployment)
	want := Change{
		UID: string(stored.UID), ResourceVersion: stored.ResourceVersion, Before: map[string]string{"spec.replicas": "3"},
		After: map[string]string{"spec.replicas": "5"}, Diff: "spec.replicas: 3 → 5",
		Namespace: "shop", Name: "web", Entries: []diff.Entry{{Op: diff.Changed, Path: "spec.replicas", Before: int64(3), After: int64(5)}},
	}
	if diff := cmp.Diff(want, got); diff != "" || *stored.Spec.Replicas != 5 {
		t.Errorf("%d replicas, change %s", *stored.Spec.Replicas, diff)
	}
	put := s.Changes()
	if len(put) != 1 || put[0].Path != "/apis/apps/v1/namespaces/shop/deployments/web/scale" || put[0].Query.Get("fieldManager") != "tiga" {
		t.Errorf("changes %v", put)
	}

	// Somebody else was quicker: nothing is done.
	_, err = c.Scale(t.Context(), permit, k, "shop", "web", ScaleOptions{Replicas: 1, From: &three})
	var e *Error
	if !errors.Is(err, ErrConflict) || !errors.As(err, &e) || e.Reason.ID != "cluster.scaled_meanwhile" || e.Reason.Args["From"] != 3 || e.Reason.Args["Now"] != 5 {
		t.Errorf("scaled meanwhile: %v", err)
	}
	// The object was written in between, but not its replicas: tried again.
	raced := false
	s.Script(func(_ http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPut && !raced {
			raced = true
			d := s.Object(web).(*appsv1.Deployment)
			d.Status.Replicas++
			s.Update(d)
		}
		return false
	})
	if _, err = c.Scale(t.Context(), permit, k, "shop", "web", ScaleOptions{Replicas: 2, From: &five}); err != nil || !raced {
		t.Errorf("written in between: %v", err)
	}
	if _, err = c.Scale(t.Context(), permit, k, "shop", "web", ScaleOptions{Replicas: -1}); !errors.Is(err, ErrInvalid) {
		t.Errorf("less than nothing: %v", err)
	}
	s.Delete(web)
	if _, err = c.Scale(t.Context(), permit, k, "shop", "web", ScaleOptions{Replicas: 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

// TestRestart writes the annotation that kubectl writes, and refuses where kubectl does.
func TestRestart(t *testing.T) {
	web, paused := deployment("shop", "web", 3), deployment("shop", "paused", 1)
	web.Spec.Template.Annotations = map[string]string{restartedAt: "2020-01-01T00:00:00Z", "kept": "yes"}
	paused.Spec.Paused = true
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{web, paused}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	got, err := c.Restart(t.Context(), r.permit(t, "root", "one", k, access.VerbRestart, "shop", "web"), k, "shop", "web", RestartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stored := s.Object(web).(*appsv1.Deployment)
	at := stored.Spec.Template.Annotations[restartedAt]
	if at == "2020-01-01T00:00:00Z" || stored.Spec.Template.Annotations["kept"] != "yes" || *stored.Spec.Replicas != 3 {
		t.Errorf("stored %+v", stored.Spec)
	}
	if want := "spec.template.metadata.annotations[" + restartedAt + "]: 2020-01-01T00:00:00Z → " + at; got.Diff != want {
		t.Errorf("diff %q, want %q", got.Diff, want)
	}
	_, err = c.Restart(t.Context(), r.permit(t, "root", "one", k, access.VerbRestart, "shop", "paused"), k, "shop", "paused", RestartOptions{})
	var e *Error
	if !errors.Is(err, ErrInvalid) || !errors.As(err, &e) || e.Reason.ID != "cluster.restart_paused" || len(s.Changes()) != 1 {
		t.Errorf("paused: %v", err)
	}
}

// TestDelete deletes what was seen, and says afterwards what it was.
func TestDelete(t *testing.T) {
	yes := true
	p := pod("shop", "web-1", corev1.PodRunning)
	p.UID, p.Spec.NodeName = "uid-1", "node-1"
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-abc", Controller: &yes}}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{p}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "pods")
	permit := r.permit(t, "root", "one", k, access.VerbDelete, "shop", "web-1")
	_, err := c.Delete(t.Context(), permit, k, "shop", "web-1", DeleteOptions{UID: "uid-0"})
	var e *Error
	if !errors.Is(err, ErrConflict) || !errors.As(err, &e) || e.Reason.ID != "cluster.replaced_meanwhile" || s.Object(p) == nil {
		t.Errorf("another pod of the name: %v", err)
	}
	grace := int64(7)
	got, err := c.Delete(t.Context(), permit, k, "shop", "web-1", DeleteOptions{UID: "uid-1", Grace: &grace, Propagation: PropagateForeground})
	if err != nil || s.Object(p) != nil {
		t.Fatalf("delete: %v", err)
	}
	if got.UID != "uid-1" || got.After != nil || !strings.Contains(got.Diff, "spec.nodeName: node-1 → ∅") || !strings.Contains(got.Diff, "metadata.ownerReferences: ReplicaSet web-abc → ∅") {
		t.Errorf("change %+v", got)
	}
	sent := s.Changes()
	if len(sent) != 1 || sent[0].Method != http.MethodDelete || !strings.Contains(string(sent[0].Body), "uid-1") || !strings.Contains(string(sent[0].Body), "Foreground") {
		t.Errorf("sent %v %q", sent, sent[0].Body)
	}
	if _, err = c.Delete(t.Context(), permit, k, "shop", "web-1", DeleteOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted already: %v", err)
	}
	if _, err = c.Delete(t.Context(), permit, k, "shop", "web-1", DeleteOptions{Propagation: "Sideways"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("propagation: %v", err)
	}
}

// TestActionsOfOtherKindsAreRefused: a kind has the actions that it declares.
func TestActionsOfOtherKindsAreRefused(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{node("n", corev1.ConditionTrue, metav1.Now().Time)}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "nodes")
	_, err := c.Scale(t.Context(), r.permit(t, "root", "one", k, access.VerbScale, "", "n"), k, "", "n", ScaleOptions{Replicas: 1})
	if !errors.Is(err, ErrInvalid) || len(s.Changes()) > 0 {
		t.Errorf("scale a node: %v", err)
	}
}
