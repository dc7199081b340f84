package handlers

import (
	"net/http"
	"time"

	"tiga/kube/live"
)

const (
	eventStream = "text/event-stream"
	// keepAwake is how often a silent stream says something, so that proxies do not close it.
	keepAwake = 20 * time.Second
	// writeBudget is how long one message may take to reach a slow reader before the stream is given up.
	writeBudget = 10 * time.Second
)

// streamFleet signals changes of any cluster's health, and of what the home page shows of the clusters that the
// subject may see.
func (s *Server) streamFleet(w http.ResponseWriter, r *http.Request) error {
	topics := []string{live.Fleet}
	for _, c := range s.visibleClusters(r) {
		for _, k := range homeKinds() {
			topics = append(topics, live.Kind(c.ID(), k.ID()))
		}
	}
	return s.stream(w, r, topics)
}

// streamCluster signals changes of the kinds named in ?kind=, of one cluster, and of its health.
func (s *Server) streamCluster(w http.ResponseWriter, r *http.Request) error {
	c := clusterOf(r)
	topics := []string{live.Health(c.ID()), live.Kinds(c.ID())}
	for _, id := range r.URL.Query()["kind"] {
		topics = append(topics, live.Kind(c.ID(), id)) // of a kind that is not there nothing is ever heard
	}
	return s.stream(w, r, topics)
}

// stream sends "changed" whenever something happened under one of the topics. The events carry no content: the page
// asks for itself again, and rights are checked there. Whoever returns with a Last-Event-ID (sleep, hidden tab,
// restart) is told to look at once.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, topics []string) error {
	if refusal := s.site.Stream(r); refusal != nil {
		return refusal
	}
	release, err := s.streams.take(sessionKey(r))
	if err != nil {
		return err
	}
	defer release()
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()

	topics = append(topics, live.Policy)
	sub := s.hub.Subscribe(topics...)
	defer sub.Close()
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)

	out := http.NewResponseController(w)
	send := func(message string) error {
		if err := out.SetWriteDeadline(time.Now().Add(writeBudget)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(message)); err != nil {
			return err
		}
		return out.Flush()
	}
	event := func() string { return "event: changed\nid: " + s.hub.ID() + "\ndata:\n\n" }

	first := "id: " + s.hub.ID() + "\n\n"
	if s.hub.Missed(r.Header.Get("Last-Event-ID"), topics...) {
		first = event()
	}
	if err := send(first); err != nil {
		return nil // the reader is gone; there is nobody to tell
	}
	awake := time.NewTicker(keepAwake)
	defer awake.Stop()
	for {
		message := ": \n\n"
		select {
		case <-r.Context().Done():
			return nil
		case <-s.closing:
			return nil
		case <-sub.C():
			// The session may have ended, or the right to the cluster gone, since the stream began.
			if !s.stillAllowed(r) {
				return nil
			}
			message = event()
		case <-awake.C:
			if !s.stillAllowed(r) {
				return nil
			}
		}
		if err := send(message); err != nil {
			return nil // the reader is gone; there is nobody to tell
		}
	}
}
