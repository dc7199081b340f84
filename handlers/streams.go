package handlers

import (
	"net/http"
	"sync"
	"time"

	"tiga/handlers/guard"
)

// How many streams may be open at once.
const (
	streamsPerVisitor = 20
	streamsInAll      = 2000
)

// streamLimit counts open streams, so that neither one session nor all of them take every connection.
type streamLimit struct {
	mu    sync.Mutex
	all   int
	byKey map[string]int
}

func newStreamLimit() *streamLimit { return &streamLimit{byKey: map[string]int{}} }

// take counts one more stream of the session or token, or refuses. The caller gives it back.
func (l *streamLimit) take(key string) (release func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= streamsInAll || l.byKey[key] >= streamsPerVisitor {
		return nil, &guard.Refusal{Status: http.StatusTooManyRequests, ID: guard.IDTooMany, Reason: "too many streams", RetryAfter: 10 * time.Second}
	}
	l.all++
	l.byKey[key]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all--
		if l.byKey[key]--; l.byKey[key] == 0 {
			delete(l.byKey, key)
		}
	}, nil
}
