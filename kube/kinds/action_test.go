package kinds

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestFirstRevision: what has never been changed has no revision to go back to; of the rest its revisions say it.
func TestFirstRevision(t *testing.T) {
	meta := func(generation int64) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: "a", Generation: generation}
	}
	for _, id := range []string{"statefulsets.apps", "daemonsets.apps"} {
		k, _ := Lookup(id)
		for generation, first := range map[int64]bool{1: true, 2: false, 0: false} {
			var obj runtime.Object = &appsv1.StatefulSet{ObjectMeta: meta(generation)}
			if id == "daemonsets.apps" {
				obj = &appsv1.DaemonSet{ObjectMeta: meta(generation)}
			}
			if row := k.Project(obj); row.State.Is(StateFirst) != first {
				t.Errorf("%s of generation %d: %v", id, generation, row.State)
			}
		}
	}
}
