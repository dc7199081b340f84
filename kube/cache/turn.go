package cache

import (
	"context"
	"time"
)

// turn makes one generation of the rows whose status has changed by time alone. It reports how many have, and when the
// next will; the zero time is never.
func (s *store) turn() (changed int, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for k, e := range s.waiting {
		at := time.Unix(e.row.Later.At, 0)
		if now.Before(at) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		fresh := entryOf(s.kind, s.kind.Turn(e.row, now))
		fresh.seen = e.seen
		s.replace(k, e, fresh)
		changed++
	}
	if changed > 0 {
		s.gen++
	}
	return changed, next
}

// clock turns rows when their time has come, until ctx ends.
func (t *table) clock(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.wound:
		}
		changed, next := t.store.turn()
		t.applied(changed)
		if !next.IsZero() {
			timer.Reset(max(next.Sub(t.cfg.Now()), time.Millisecond))
		}
	}
}
