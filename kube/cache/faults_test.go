package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/kinds"
)

func TestNFR_C_OldServersAreListedInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.noStream = true
		for i := range 25 {
			s.set(pod("a", fmt.Sprintf("p-%02d", i)))
		}
		b := newBench(t, s, func(c *Config) { c.ChunkSize = 10 })
		defer b.tables.Close()
		if got := b.query().Total; got != 25 {
			t.Errorf("%d rows, want 25", got)
		}
		if lists, _, _ := s.count(); lists != 3 {
			t.Errorf("%d list requests, want 3 chunks", lists)
		}
		if err := b.tables.Refresh(t.Context(), b.permit, b.kind); err != nil {
			t.Fatal(err)
		}
		asked := 0
		s.with(func(s *script) {
			for _, o := range s.watchLog {
				if o.SendInitialEvents != nil {
					asked++
				}
			}
		})
		if asked != 1 {
			t.Errorf("asked for a stream %d times, want once", asked)
		}
	})
}

func TestServerThatIgnoresStreamingIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.set(pod("a", "one"))
		// Such a server opens a plain watch and never says that the list is complete.
		plain := ignoring{s}
		b := newBench(t, s, func(c *Config) { c.Source = plain })
		defer b.tables.Close()
		time.Sleep(time.Millisecond)
		b.query()
		time.Sleep(20 * time.Second)
		b.wantState(Live)
		b.wantNames("a/one")
	})
}

// ignoring opens a plain watch where a stream of the list is asked for.
type ignoring struct{ *script }

func (s ignoring) Watch(ctx context.Context, k *kinds.Kind, ns string, o metav1.ListOptions) (watch.Interface, error) {
	if o.SendInitialEvents != nil {
		o.SendInitialEvents, o.ResourceVersion = nil, "0"
	}
	return s.script.Watch(ctx, k, ns, o)
}

func TestF04_GoneRelistsWithoutGhostsDuplicatesOrAnEmptyMoment(t *testing.T) {
	for form, name := range map[goneForm]string{goneStatus: "status", goneInStream: "in the stream"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(in fixture) {
				t, s := in.t, in.s
				s.gone = form
				s.set(pod("a", "kept"), pod("a", "ghost"), pod("a", "changed"))
				b := newBench(t, s)
				defer b.tables.Close()
				b.query()
				b.wantState(Live)

				// Cut off, the world changes and the history is forgotten.
				s.with(func(s *script) { s.stalled = true })
				synctest.Wait()
				s.remove("a", "ghost")
				changed := pod("a", "changed")
				changed.Status.Phase = corev1.PodFailed
				s.set(changed, pod("a", "new"))
				s.compact()
				empty := watchForEmpty(b)
				s.with(func(s *script) { s.stalled = false })
				time.Sleep(50 * time.Second)
				b.wantState(Live)
				b.wantNames("a/changed", "a/kept", "a/new")
				if empty() {
					t.Error("the list was empty for a moment")
				}
				if row, _ := b.tables.Row(b.permit, b.kind, "a", "changed"); row.Status.Word != "Failed" {
					t.Errorf("changed pod has status %q, want Failed", row.Status.Word)
				}
			})
		})
	}
}

// watchForEmpty looks at the list all the time until the result is asked for.
func watchForEmpty(b *bench) (seen func() bool) {
	stop := make(chan struct{})
	done := make(chan bool)
	go func() {
		empty := false
		for {
			if p, err := b.tables.Query(context.Background(), b.permit, Query{Kind: b.kind, Wait: -1}); err != nil || p.Total == 0 {
				empty = true
			}
			select {
			case <-stop:
				done <- empty
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() bool { close(stop); return <-done }
}

func TestF04_ContinueTokenThatExpiresIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.noStream = true
		for i := range 20 {
			s.set(pod("a", fmt.Sprintf("p-%02d", i)))
		}
		expireTwice := 2
		s.onList = func(_ string, o metav1.ListOptions) error {
			if o.Continue != "" && expireTwice > 0 {
				expireTwice--
				// The first chunk had p-00, which goes before the list is read again.
				delete(s.objects, key{"a", "p-00"})
				s.version++
				return apierrors.NewResourceExpired("The provided continue parameter is too old")
			}
			return nil
		}
		b := newBench(t, s, func(c *Config) { c.ChunkSize = 5 })
		defer b.tables.Close()
		page := b.query()
		if page.Total != 19 || slices.Contains(names(page), "a/p-00") {
			t.Errorf("%d rows, want 19 without the ghost p-00: %v", page.Total, names(page))
		}
		b.wantState(Live)
	})
}

func TestF05_SilentWatchIsNoticedWithin45Seconds(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		b.wantState(Live)
		time.Sleep(100 * time.Second) // several watches later
		b.wantState(Live)

		s.with(func(s *script) { s.stalled = true }) // bytes stop, the connection stays
		stalled := time.Now()
		s.with(func(s *script) {
			s.onWatch = func(string, metav1.ListOptions) error { return errors.New("connection refused") }
			s.onList = func(string, metav1.ListOptions) error { return errors.New("connection refused") }
		})
		time.Sleep(45*time.Second + time.Millisecond)
		f := b.wantState(Stale)
		if f.Since.After(stalled) || f.Since.Before(stalled.Add(-45*time.Second)) {
			t.Errorf("stale since %v, want the last contact before %v", f.Since, stalled)
		}
		if f.Reason.IsZero() {
			t.Error("stale without a reason")
		}

		s.with(func(s *script) { s.stalled, s.onWatch, s.onList = false, nil, nil })
		s.set(pod("a", "two"))
		time.Sleep(10 * time.Second)
		b.wantState(Live)
		b.wantNames("a/one", "a/two")
	})
}

func TestIdleListStaysLiveAndIsNotReadAgain(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		synctest.Wait()
		lists, watches, _ := s.count()
		var versions []int
		for i := range 60 {
			time.Sleep(10 * time.Second)
			b.tables.Touch(b.kind)
			b.wantState(Live)
			s.with(func(s *script) { // another kind changes, and etcd forgets what is older than 5 minutes
				s.version++
				versions = append(versions, s.version)
				s.oldest = versions[max(0, i-30)]
			})
		}
		lists2, watches2, open := s.count()
		if lists2 != lists {
			t.Errorf("%d list requests while idle", lists2-lists)
		}
		if n := watches2 - watches; n < 10 || n > 25 {
			t.Errorf("%d watches in ten minutes, want about one each 35 s", n)
		}
		if open != 1 {
			t.Errorf("%d watches open, want 1", open)
		}
	})
}

func TestF03_FlappingConvergesWithin10SecondsAndLeaksNothing(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "p-0"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		down := func() error { return errors.New("connection refused") }
		for i := range 50 {
			s.with(func(s *script) {
				s.onWatch = func(string, metav1.ListOptions) error { return down() }
				s.onList = func(string, metav1.ListOptions) error { return down() }
				s.stalled = true
			})
			time.Sleep(2 * time.Second)
			s.with(func(s *script) { s.onWatch, s.onList, s.stalled = nil, nil, false })
			s.set(pod("a", fmt.Sprintf("q-%d", i)))
			time.Sleep(2 * time.Second)
			b.tables.Touch(b.kind)
		}
		// The last watch that was cut may have been cut silently.
		time.Sleep(45*time.Second + 10*time.Second)
		b.wantState(Live)
		if p := b.query(); p.Total != 51 {
			t.Errorf("%d rows, want 51", p.Total)
		}
		if _, _, open := s.count(); open != 1 {
			t.Errorf("%d watches open, want 1", open)
		}
	})
}

func TestF03_BackWithin10SecondsOfAnOutage(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		s.onWatch = func(string, metav1.ListOptions) error { return errors.New("connection refused") }
		s.onList = func(string, metav1.ListOptions) error { return errors.New("connection refused") }
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		time.Sleep(90 * time.Second)
		if f := b.wantState(Stale); f.Synced {
			t.Error("a list that never was complete says that it was")
		}
		_, watches, _ := s.count()
		if lists, _, _ := s.count(); watches+lists > 30 {
			t.Errorf("%d requests in 90 s of outage", watches+lists)
		}
		s.with(func(s *script) { s.onWatch, s.onList = nil, nil })
		time.Sleep(10 * time.Second)
		b.wantState(Live)
		b.wantNames("a/one")
	})
}

func TestWakeTriesAtOnce(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		refuse := func(string, metav1.ListOptions) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no"))
		}
		s.onList, s.onWatch = refuse, refuse
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		b.wantState(Forbidden)
		s.with(func(s *script) { s.onList, s.onWatch = nil, nil })
		b.tables.Wake()
		b.wantState(Live)
	})
}

func TestF06_RetryAfterIsHonoured(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		var at []time.Time
		busy := func(string, metav1.ListOptions) error {
			at = append(at, time.Now())
			return apierrors.NewTooManyRequests("slow down", 30)
		}
		s.onWatch, s.onList = busy, busy
		b := newBench(t, s, func(c *Config) { c.NoWatchList = true })
		defer b.tables.Close()
		b.query()
		time.Sleep(70 * time.Second)
		synctest.Wait()
		s.with(func(*script) {
			if len(at) < 2 || len(at) > 3 {
				t.Fatalf("%d attempts in 70 s, want 2 or 3", len(at))
			}
			if d := at[1].Sub(at[0]); d < 30*time.Second {
				t.Errorf("tried again after %v, want at least 30s", d)
			}
		})
		b.wantState(Stale)
	})
}

func TestF08_RefusedCredentialIsTriedAtMostOnceAMinute(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		n := 0
		refuse := func(string, metav1.ListOptions) error {
			n++
			return apierrors.NewUnauthorized("token expired")
		}
		s.onWatch, s.onList = refuse, refuse
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		for range 10 {
			time.Sleep(30 * time.Second)
			b.tables.Touch(b.kind)
		}
		s.with(func(*script) {
			if n > 5 || n < 3 {
				t.Errorf("%d attempts in 5 minutes, want at most one a minute", n)
			}
		})
		b.wantState(Stale)
	})
}

func TestForbiddenSaysSoAndShowsNothingMore(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		b := newBench(t, s, func(c *Config) {
			c.Describe = func(err error) kinds.Message { return kinds.Message{ID: "test.reason", Text: err.Error()} }
		})
		defer b.tables.Close()
		b.query()
		refuse := func(string, metav1.ListOptions) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no right"))
		}
		s.with(func(s *script) { s.onList, s.onWatch = refuse, refuse })
		err := b.tables.Refresh(t.Context(), b.permit, b.kind)
		if !apierrors.IsForbidden(err) {
			t.Errorf("refresh gave %v, want forbidden", err)
		}
		f := b.wantState(Forbidden)
		if !strings.Contains(f.Reason.Text, "no right") {
			t.Errorf("reason %v, want the server's words", f.Reason)
		}
		b.wantNames()
		started := time.Now()
		b.query() // must not wait for a list that will not come
		if d := time.Since(started); d > 0 {
			t.Errorf("a query of a forbidden kind waited %v", d)
		}
	})
}

func TestF12_KindThatIsNotServedIsAbsentAndComesBack(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		gone := func(string, metav1.ListOptions) error {
			return &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound}}
		}
		s.with(func(s *script) { s.onList, s.onWatch = gone, gone })
		time.Sleep(2 * time.Minute)
		b.wantState(Absent)
		b.wantNames()
		s.with(func(s *script) { s.onList, s.onWatch = nil, nil })
		time.Sleep(80 * time.Second)
		b.wantState(Live)
		b.wantNames("a/one")
	})
}

func TestKindThatMayBeListedAndNotWatchedIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.set(pod("a", "one"))
		s.onWatch = func(string, metav1.ListOptions) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("cannot watch"))
		}
		b := newBench(t, s)
		defer b.tables.Close()
		b.query()
		b.wantNames("a/one")
		if f := b.wantState(Stale); f.Reason.ID != "freshness.polled" {
			t.Errorf("reason is %v, want freshness.polled", f.Reason)
		}
		s.set(pod("a", "two"))
		time.Sleep(20 * time.Second)
		b.wantNames("a/one", "a/two")
	})
}

// poisonKind is pods with a column that some objects break.
func poisonKind(panics *atomic.Int64) *kinds.Kind {
	return kinds.Define(kinds.Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("pods"), Name: "Pod", Namespaced: true,
	}, kinds.Reads[corev1.Pod]{}, kinds.ColumnOf[corev1.Pod]{
		Column: kinds.Column{ID: "poison"},
		Cell: func(p *corev1.Pod) kinds.Cell {
			if p.Labels["app"] == "poison" {
				panics.Add(1)
				var missing *corev1.Pod
				return kinds.Text(missing.Name)
			}
			return kinds.Text("fine")
		},
	})
}

func TestA29_PoisonObjectIsQuarantinedAfterThreePanicsAndTheRestShown(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		var panics atomic.Int64
		s.set(pod("a", "poison-1"), pod("a", "well-1"), pod("a", "well-2"))
		b := newBench(t, s)
		b.kind = poisonKind(&panics)
		defer b.tables.Close()
		b.query()
		b.wantNames("a/poison-1", "a/well-1", "a/well-2")
		b.wantState(Live)
		for range 5 {
			s.set(pod("a", "poison-1"))
			synctest.Wait()
		}
		if n := panics.Load(); n != panicLimit {
			t.Errorf("the object was tried %d times, want %d", n, panicLimit)
		}
		page := b.query()
		if page.Quarantined != 1 || page.Rows[0].Status.Word != kinds.WordUnreadable {
			t.Errorf("quarantined %d, status %q, want 1 and %s", page.Quarantined, page.Rows[0].Status.Word, kinds.WordUnreadable)
		}
		if got := b.tables.Stats()[0].Quarantined; got != 1 {
			t.Errorf("stats count %d quarantined, want 1", got)
		}
		s.set(pod("a", "well-3"))
		b.wantNames("a/poison-1", "a/well-1", "a/well-2", "a/well-3")
		s.remove("a", "poison-1")
		synctest.Wait()
		if got := b.query().Quarantined; got != 0 {
			t.Errorf("%d quarantined after it was deleted", got)
		}
	})
}

func TestF21_PanickingSourceIsAnErrorOfThatKindOnly(t *testing.T) {
	bubble(t, func(in fixture) {
		t, s := in.t, in.s
		s.set(pod("a", "one"))
		src := &panicking{script: s}
		src.on.Store(true)
		b := newBench(t, s, func(c *Config) { c.Source = src })
		defer b.tables.Close()
		b.query()
		b.wantState(Stale)
		src.on.Store(false)
		time.Sleep(10 * time.Second)
		b.wantState(Live)
		b.wantNames("a/one")
	})
}

type panicking struct {
	*script
	on atomic.Bool
}

func (p *panicking) List(ctx context.Context, k *kinds.Kind, ns string, o metav1.ListOptions) (runtime.Object, error) {
	if p.on.Load() {
		panic("boom")
	}
	return p.script.List(ctx, k, ns, o)
}

func (p *panicking) Watch(ctx context.Context, k *kinds.Kind, ns string, o metav1.ListOptions) (watch.Interface, error) {
	if p.on.Load() {
		panic("boom")
	}
	return p.script.Watch(ctx, k, ns, o)
}
