package live

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// taken reports whether a signal waits, and takes it.
func taken(s *Subscription) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func TestSignalsAreJoinedAndAtMostOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		s := h.Subscribe("a", "b")
		defer s.Close()
		h.Publish("a")
		if !taken(s) {
			t.Fatal("the first change was not signalled at once")
		}
		signals := 0
		for range 1000 { // 10 s
			h.Publish("a")
			h.Publish("b")
			time.Sleep(10 * time.Millisecond)
			if taken(s) {
				signals++
			}
		}
		if signals < 9 || signals > 11 {
			t.Errorf("%d signals in 10 s of changes, want one a second", signals)
		}
	})
}

func TestTheLastChangeIsNeverLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		s := h.Subscribe("a")
		defer s.Close()
		h.Publish("a")
		taken(s)
		time.Sleep(100 * time.Millisecond)
		h.Publish("a") // too early to be signalled
		synctest.Wait()
		if taken(s) {
			t.Error("signalled twice within a second")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !taken(s) {
			t.Error("the second change was never signalled")
		}
		time.Sleep(time.Minute)
		if taken(s) {
			t.Error("signalled without a change")
		}
	})
}

func TestSignalsOfOtherTopicsDoNotArrive(t *testing.T) {
	h := New(Config{})
	s := h.Subscribe("cluster:1:pods")
	defer s.Close()
	h.Publish("cluster:2:pods")
	if taken(s) {
		t.Error("a signal of another cluster arrived")
	}
}

func TestSignalsBecomeRarerInACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		subs := make([]*Subscription, 400)
		for i := range subs {
			subs[i] = h.Subscribe("a")
		}
		signals := 0
		for range 200 { // 20 s
			h.Publish("a")
			time.Sleep(100 * time.Millisecond)
			if taken(subs[7]) {
				signals++
			}
		}
		if signals < 4 || signals > 6 {
			t.Errorf("%d signals in 20 s, want one in 4 s", signals)
		}
		for _, s := range subs {
			s.Close()
		}
	})
}

// At the end of the bubble synctest fails if a goroutine is left.
func TestA30_ReaderThatNeverReadsHoldsUpNobodyAndLeaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		dead := make([]*Subscription, 500)
		for i := range dead {
			dead[i] = h.Subscribe("a", fmt.Sprint("own-", i))
		}
		alive := h.Subscribe("b")
		started := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					h.Publish("a")
					h.Publish("b")
				}
			})
			wg.Go(func() { // others come and go meanwhile
				for range 100 {
					s := h.Subscribe("a", "b")
					s.Close()
					s.Close()
				}
			})
		}
		wg.Wait()
		if d := time.Since(started); d > 0 {
			t.Errorf("publishing waited %v", d)
		}
		if !taken(alive) {
			t.Error("the one who reads got nothing")
		}
		time.Sleep(time.Minute)
		for _, s := range dead {
			if len(s.C()) != 1 {
				t.Fatalf("%d signals wait, want 1", len(s.C()))
			}
			s.Close()
		}
		h.Publish("b")
		alive.Close()
		if h.Len() != 0 || len(h.topics) != 0 {
			t.Errorf("%d subscriptions and %d topics left", h.Len(), len(h.topics))
		}
	})
}

func TestMissedTellsWhoComesBackWhetherSomethingChanged(t *testing.T) {
	h := New(Config{})
	h.Publish("a")
	id := h.ID()
	if h.Missed(id, "a", "b") {
		t.Error("missed something before anything happened")
	}
	h.Publish("b")
	for _, c := range []struct {
		name, id string
		topics   []string
		want     bool
	}{
		{"topic that changed", id, []string{"b"}, true},
		{"topic that did not", id, []string{"a"}, false},
		{"topic that never was", id, []string{"c"}, false},
		{"first visit", "", []string{"b"}, false},
		{"before a restart", New(Config{}).ID(), []string{"a"}, true},
		{"damaged", "zzz", []string{"a"}, true},
		{"from the future", h.epoch + "-99", []string{"a"}, true},
	} {
		if got := h.Missed(c.id, c.topics...); got != c.want {
			t.Errorf("%s: missed %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTopicsAreForgottenBeyondALimitAndThenCountAsChanged(t *testing.T) {
	h := New(Config{})
	h.Publish("old")
	id := h.ID()
	for i := range topicLimit {
		h.Publish(fmt.Sprint("t", i))
	}
	if len(h.last) > topicLimit {
		t.Errorf("%d topics remembered, want at most %d", len(h.last), topicLimit)
	}
	if !h.Missed(id, "old") {
		t.Error("a forgotten topic counts as unchanged")
	}
}
