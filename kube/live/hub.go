// Package live tells open pages that something they show has changed. A signal
// has no content: the page then reads its own URL again, with its own rights.
package live

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// crowd is the number of subscribers of a topic from which on signals
	// become rarer in proportion, because each of them costs a page.
	crowd = 100
	// slowest bounds how rare they become.
	slowest = 10 * time.Second
	// topicLimit bounds the memory of topics that have been published. Beyond
	// it old ones are forgotten and count as changed.
	topicLimit = 16384
)

// Config says how a Hub behaves; the zero value is ready to use.
type Config struct {
	Interval time.Duration // the least time between two signals to one subscriber, 1 s if 0
}

// Hub joins what happens into signals: any number of publications between two
// signals is one. It never waits for a subscriber and has no goroutine of its
// own, so that it needs no closing. It is safe for use by many goroutines.
type Hub struct {
	interval time.Duration
	epoch    string // differs for each process, so that ids of another one are known as foreign

	mu     sync.Mutex
	seq    uint64            // publications so far
	last   map[string]uint64 // topic → seq of its latest publication
	floor  uint64            // topics missing in last may have been published up to here
	topics map[string]map[*Subscription]struct{}
	count  int
}

// New makes a Hub.
func New(c Config) *Hub {
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	var b [6]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	return &Hub{
		interval: c.Interval,
		epoch:    hex.EncodeToString(b[:]),
		last:     make(map[string]uint64),
		topics:   make(map[string]map[*Subscription]struct{}),
	}
}

// Publish signals everybody who subscribed to the topic. It never blocks.
func (h *Hub) Publish(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	if _, known := h.last[topic]; !known && len(h.last) >= topicLimit {
		clear(h.last)
		h.floor = h.seq
	}
	h.last[topic] = h.seq
	subscribers := h.topics[topic]
	gap := h.gap(len(subscribers))
	for s := range subscribers {
		s.signal(gap)
	}
}

// Subscribe returns a subscription to all the topics together. Whoever
// subscribes closes it.
func (h *Hub) Subscribe(topics ...string) *Subscription {
	s := &Subscription{hub: h, topics: topics, c: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	for _, t := range topics {
		if h.topics[t] == nil {
			h.topics[t] = make(map[*Subscription]struct{})
		}
		h.topics[t][s] = struct{}{}
	}
	return s
}

// ID is the present position in the stream of publications, to be sent as the
// id of an event and, by pages, as the position that they were rendered at.
func (h *Hub) ID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch + "-" + strconv.FormatUint(h.seq, 10)
}

// Missed reports whether one of the topics was published after the position
// that id names. An id that this hub did not give (another process, damaged)
// counts as missed; an empty one does not, since whoever has none was not here
// before.
func (h *Hub) Missed(id string, topics ...string) bool {
	if id == "" {
		return false
	}
	epoch, number, ok := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || epoch != h.epoch {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.seq {
		return true
	}
	for _, t := range topics {
		last, known := h.last[t]
		if !known {
			last = h.floor
		}
		if last > seq {
			return true
		}
	}
	return false
}

// Len is the number of subscriptions.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// gap is the least time between two signals when n subscribers share a topic.
func (h *Hub) gap(n int) time.Duration {
	gap := h.interval
	if n > crowd {
		gap = gap * time.Duration(n) / crowd
	}
	return max(min(gap, slowest), h.interval)
}

// Subscription receives the signals of its topics, joined.
type Subscription struct {
	hub    *Hub
	topics []string
	c      chan struct{}

	// The rest is guarded by hub.mu.
	closed  bool
	sent    time.Time   // of the latest signal
	pending *time.Timer // fires the signal that came too early
}

// C receives a value when something has changed since the last one was
// received. At most one waits, however long nobody reads. The channel is never
// closed.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	h.count--
	if s.pending != nil {
		s.pending.Stop()
		s.pending = nil
	}
	for _, t := range s.topics {
		delete(h.topics[t], s)
		if len(h.topics[t]) == 0 {
			delete(h.topics, t)
		}
	}
}

// signal sends now, or as soon as gap has passed since the last signal.
// hub.mu is held.
func (s *Subscription) signal(gap time.Duration) {
	if s.pending != nil {
		return
	}
	wait := gap - time.Since(s.sent)
	if s.sent.IsZero() || wait <= 0 {
		s.send()
		return
	}
	s.pending = time.AfterFunc(wait, func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		s.pending = nil
		if !s.closed {
			s.send()
		}
	})
}

// send leaves a signal for the reader unless one waits already.
func (s *Subscription) send() {
	s.sent = time.Now()
	select {
	case s.c <- struct{}{}:
	default:
	}
}
