package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/kube/kinds"
)

// alarmKind is a kind whose objects ring ten minutes after they were made.
func alarmKind() *kinds.Kind {
	return kinds.Define(kinds.Kind{
		GVR: schema.GroupVersionResource{Version: "v1", Resource: "alarms"}, Name: "Alarm", Plural: "Alarms", Namespaced: true, Facets: []string{"status"},
	}, kinds.Reads[corev1.Pod]{
		Status: func(*corev1.Pod) kinds.Status { return kinds.Status{Word: "quiet", Tone: kinds.ToneOK} },
		Later: func(p *corev1.Pod) *kinds.Later {
			return &kinds.Later{At: p.CreationTimestamp.Add(10 * time.Minute).Unix(), Status: kinds.Status{Word: "rings", Tone: kinds.ToneWarn}}
		},
	}, kinds.ColumnOf[corev1.Pod]{Column: kinds.Column{ID: "status", Form: kinds.FormStatus}})
}

// TestAStatusChangesByTimeAlone: a row turns when its time has come, also one that was due before it was read, and is
// signalled, counted and sorted as what it has become.
func TestAStatusChangesByTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alarm := func(name string, minutes int) *corev1.Pod {
			p := pod("a", name)
			p.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(minutes) * time.Minute))
			return p
		}
		s := newScript()
		s.set(alarm("early", -15), alarm("next", -5), alarm("last", 0))
		b := newBench(t, s)
		defer b.tables.Close()
		b.kind = alarmKind()
		b.permit = permit(t, "ann", b.kind)
		want := func(words map[string]string, troubled int) {
			t.Helper()
			synctest.Wait()
			page, err := b.tables.Query(t.Context(), b.permit, Query{Kind: b.kind})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, r := range page.Rows {
				got[r.Name] = r.Status.Word
				if r.Cells[0].Text != r.Status.Word {
					t.Errorf("%s: the status is %v and its column %v", r.Name, r.Status, r.Cells[0])
				}
			}
			if diff := cmp.Diff(words, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := b.tables.Tally(b.permit, b.kind)[kinds.ToneWarn]; n != troubled {
				t.Errorf("%d are in trouble, want %d", n, troubled)
			}
		}
		want(map[string]string{"early": "rings", "next": "quiet", "last": "quiet"}, 1)
		signals := b.signals.Load()
		time.Sleep(5*time.Minute + time.Second)
		want(map[string]string{"early": "rings", "next": "rings", "last": "quiet"}, 2)
		if b.signals.Load() == signals {
			t.Error("nobody was told")
		}
		s.set(alarm("next", 0)) // the object has changed: its time begins anew
		want(map[string]string{"early": "rings", "next": "quiet", "last": "quiet"}, 1)
		s.remove("a", "last")
		time.Sleep(9 * time.Minute)
		want(map[string]string{"early": "rings", "next": "quiet"}, 1)
		time.Sleep(2 * time.Minute)
		want(map[string]string{"early": "rings", "next": "rings"}, 2)
		whole := b.tables.Amend(b.kind, b.kind.Project(alarm("early", -15)))
		if whole.Status.Word != "rings" {
			t.Errorf("the object by itself is %q", whole.Status.Word)
		}
	})
}
