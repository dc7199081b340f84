package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/kubetest"
)

// template is a pod template with one image.
func template(app, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
}

func ownedBy(kind, name string, uid types.UID) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: uid, Controller: &yes}}
}

// rolledOut are a Deployment at its third revision and the ReplicaSets of all three, and one that is not its own.
func rolledOut() (*appsv1.Deployment, []kruntime.Object) {
	web := deployment("shop", "web", 3)
	web.UID, web.Generation = "uid-web", 7
	web.Spec.Template = template("web", "web:3")
	web.Annotations = map[string]string{changeCause: "three", "kept": "yes"}
	out := []kruntime.Object{web}
	for i, image := range []string{"web:1", "web:2", "web:3"} {
		rs := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: fmt.Sprintf("web-h%d", i+1), Labels: map[string]string{"app": "web"}, OwnerReferences: ownedBy("Deployment", "web", "uid-web"),
				Annotations: map[string]string{revisionAnnotation: fmt.Sprint(i + 1), changeCause: fmt.Sprint("cause ", i+1)},
			},
			Spec: appsv1.ReplicaSetSpec{Template: template("web", image)},
		}
		rs.Spec.Template.Labels[hashLabel] = fmt.Sprintf("h%d", i+1)
		out = append(out, rs)
	}
	stranger := out[1].(*appsv1.ReplicaSet).DeepCopy()
	stranger.Name, stranger.OwnerReferences = "stranger", ownedBy("Deployment", "web", "uid-of-before")
	return web, append(out, stranger)
}

func numbers(r Rollout) (out []string) {
	for i := range r.Revisions {
		text := fmt.Sprint(r.Revisions[i].Number, " ", r.Revisions[i].Images[0], " ", r.Revisions[i].Selector)
		if r.Revisions[i].Current {
			text += " current"
		}
		out = append(out, text)
	}
	return out
}

// TestUndo goes back to a revision of a Deployment, once, and from what the person saw.
func TestUndo(t *testing.T) {
	web, objects := rolledOut()
	s := kubetest.New(t, kubetest.Options{Objects: objects})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	list := r.permit(t, "root", "one", kindOf(t, "replicasets.apps"), access.VerbList, "shop", "")
	all, err := c.Rollout(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "web"), list, k, "shop", "web")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"3 web:3 pod-template-hash=h3 current", "2 web:2 pod-template-hash=h2", "1 web:1 pod-template-hash=h1"}
	if diff := cmp.Diff(want, numbers(all)); diff != "" || all.Generation != 7 || all.Revisions[1].Cause != "cause 2" {
		t.Errorf("rollout %+v: %s", all, diff)
	}
	permit := r.permit(t, "root", "one", k, access.VerbPatch, "shop", "web")
	undo := func(o UndoOptions) (Change, error) {
		return c.Undo(t.Context(), permit, list, k, "shop", "web", o)
	}
	if _, err = undo(UndoOptions{Revision: 1, Generation: 6}); !errors.Is(err, ErrConflict) {
		t.Errorf("changed since it was seen: %v", err)
	}
	if _, err = undo(UndoOptions{Revision: 1, UID: "another"}); !errors.Is(err, ErrConflict) {
		t.Errorf("another incarnation: %v", err)
	}
	if _, err = undo(UndoOptions{Revision: 9}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no such revision: %v", err)
	}
	// Its status is written while we look: tried again.
	raced := false
	s.Script(func(_ http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPatch && !raced {
			raced = true
			d := s.Object(web).(*appsv1.Deployment)
			d.Status.Replicas++
			s.Update(d)
		}
		return false
	})
	got, err := undo(UndoOptions{Revision: 1, UID: "uid-web", Generation: 7})
	if err != nil || !raced {
		t.Fatal(err)
	}
	const image = "spec.template.spec.containers[main].image"
	if diff := cmp.Diff(map[string]string{"revision": "1", image: "web:1"}, got.After); diff != "" || got.Before[image] != "web:3" || got.Before["revision"] != "3" {
		t.Errorf("change %+v: %s", got, diff)
	}
	stored := s.Object(web).(*appsv1.Deployment)
	if diff := cmp.Diff(template("web", "web:1"), stored.Spec.Template); diff != "" || stored.Annotations[changeCause] != "cause 1" || stored.Annotations["kept"] != "yes" || *stored.Spec.Replicas != 3 {
		t.Errorf("stored %+v: %s", stored, diff)
	}
	before := len(s.Changes())
	if again, err := undo(UndoOptions{Revision: 1, UID: "uid-web", Generation: 7}); err != nil || again.Diff != "" || len(s.Changes()) != before {
		t.Errorf("twice: %q, %v", again.Diff, err)
	}
	stored.Spec.Paused = true
	s.Update(stored)
	if _, err = undo(UndoOptions{Revision: 2}); !errors.Is(err, ErrInvalid) {
		t.Errorf("paused: %v", err)
	}
}

// TestUndoControllerRevisions goes back to the revision before, of a StatefulSet and of a DaemonSet.
func TestUndoControllerRevisions(t *testing.T) {
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "uid-db"},
		Spec:       appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, Template: template("db", "db:2")},
	}
	daemon := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "agent", UID: "uid-agent"},
		Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "agent"}}, Template: template("agent", "agent:2")},
	}
	objects := []kruntime.Object{set, daemon}
	for _, app := range []string{"db", "agent"} {
		for i := range int64(2) {
			tree := template(app, fmt.Sprintf("%s:%d", app, i+1))
			raw, err := json.Marshal(map[string]any{"spec": map[string]any{"template": struct {
				corev1.PodTemplateSpec
				Patch string `json:"$patch"`
			}{tree, "replace"}}})
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, &appsv1.ControllerRevision{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shop", Name: fmt.Sprintf("%s-h%d", app, i+1), Labels: map[string]string{"app": app, revisionLabel: fmt.Sprintf("h%d", i+1)},
					OwnerReferences: ownedBy("Any", app, types.UID("uid-"+app)),
				},
				Revision: i + 1, Data: kruntime.RawExtension{Raw: raw},
			})
		}
	}
	s := kubetest.New(t, kubetest.Options{Objects: objects})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	list := r.permit(t, "root", "one", kindOf(t, "controllerrevisions.apps"), access.VerbList, "shop", "")
	for _, tc := range []struct {
		kind, name, pods string
		image            func() string
	}{
		{"statefulsets.apps", "db", "controller-revision-hash=db-h2", func() string { return s.Object(set).(*appsv1.StatefulSet).Spec.Template.Spec.Containers[0].Image }},
		{"daemonsets.apps", "agent", "controller-revision-hash=h2", func() string { return s.Object(daemon).(*appsv1.DaemonSet).Spec.Template.Spec.Containers[0].Image }},
	} {
		k := kindOf(t, tc.kind)
		all, err := c.Rollout(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", tc.name), list, k, "shop", tc.name)
		if err != nil || len(all.Revisions) != 2 || !all.Revisions[0].Current || all.Revisions[0].Selector != tc.pods {
			t.Fatalf("%s: %v, %v", tc.kind, numbers(all), err)
		}
		if _, err = c.Undo(t.Context(), r.permit(t, "root", "one", k, access.VerbPatch, "shop", tc.name), list, k, "shop", tc.name, UndoOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := tc.image(); got != tc.name+":1" {
			t.Errorf("%s has %s", tc.kind, got)
		}
	}
}

// TestRolloutNeedsItsPermits: neither permit stands for the other.
func TestRolloutNeedsItsPermits(t *testing.T) {
	_, objects := rolledOut()
	s := kubetest.New(t, kubetest.Options{Objects: objects})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "deployments.apps")
	get := r.permit(t, "root", "one", k, access.VerbGet, "shop", "web")
	list := r.permit(t, "root", "one", kindOf(t, "replicasets.apps"), access.VerbList, "shop", "")
	for name, permits := range map[string][2]access.Permit{"no get": {list, list}, "no list": {get, get}, "none": {}} {
		if _, err := c.Rollout(t.Context(), permits[0], permits[1], k, "shop", "web"); !errors.Is(err, access.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
