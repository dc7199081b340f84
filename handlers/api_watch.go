package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/live"
)

// watchCheck is how often a stream of rows asks whether its reader may still have them. What changes a right is heard
// of at once; this is for what nobody says, such as a session that ended.
const watchCheck = 3 * time.Second

// watchSize is how many rows of a list a stream follows at most; who has more narrows it down.
const watchSize = 1000

// apiWatchResources streams the rows of a list and then what becomes of them. What the filter no longer matches, and
// what may no longer be seen, is deleted for whoever watches. A12
func (s *Server) apiWatchResources(w http.ResponseWriter, r *http.Request) error {
	in, err := watchInput(r)
	if err != nil {
		return err
	}
	r, err = s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return err
	}
	c, k := clusterOf(r), kindOf(r)
	q, columns, err := s.resourceQuery(r, in)
	if err != nil {
		return err
	}
	q.Size = watchSize
	policy := int64(0) // that the rows were read under
	read := func() (cache.Page, error) {
		permit, err := s.permit(r, access.VerbWatch, k, "", "")
		if err != nil {
			return cache.Page{}, err
		}
		policy = permit.Version()
		return s.listed(r, permit, q)
	}
	if visitOf(r).session != nil { // a token is sent by nobody but who holds it
		if refusal := s.site.Stream(r); refusal != nil {
			return refusal
		}
	}
	release, err := s.streams.take(sessionKey(r))
	if err != nil {
		return err
	}
	defer release()
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	// The subscription comes before the list: what changes in between is sent and not missed.
	sub := s.hub.Subscribe(live.Kind(c.ID(), k.ID()), live.Kinds(c.ID()), live.Policy)
	defer sub.Close()
	page, err := read()
	if err != nil {
		return err
	}

	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out := &rowStream{w: http.NewResponseController(w), write: w.Write, p: s.presenter(r), shown: shownColumns(tableColumns(k, columns)), seen: map[string]*kinds.Row{}}
	if err := out.send(page); err != nil {
		return nil // the reader is gone; there is nobody to tell
	}
	awake, check := time.NewTicker(keepAwake), time.NewTicker(watchCheck)
	defer awake.Stop()
	defer check.Stop()
	for {
		again := false
		select {
		case <-r.Context().Done():
			return nil
		case <-s.closing:
			return nil
		case <-sub.C():
			again = true
		case <-check.C:
			permit, err := s.permit(r, access.VerbWatch, k, "", "")
			if err != nil {
				return nil // asking again says so in words
			}
			again = permit.Version() != policy
		case <-awake.C:
			err = out.comment()
		}
		if !s.stillAllowed(r) {
			return nil
		}
		if again {
			if page, err = read(); err != nil {
				return nil // the kind or the right is gone: asking again says so in words
			}
			out.p = s.presenter(r)
			err = out.send(page)
		}
		if err != nil {
			return nil // the reader is gone
		}
	}
}

// watchInput reads what a stream needs of the query, which huma reads for answers that end.
func watchInput(r *http.Request) (*listResourcesInput, error) {
	raw := chi.URLParam(r, "id")
	id, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return nil, badInput("bad_id", map[string]any{"Value": raw})
	}
	q := r.URL.Query()
	return &listResourcesInput{
		ID: id, Resource: chi.URLParam(r, "resource"), Namespace: q["namespace"],
		Query: q.Get("q"), LabelSelector: q.Get("labelSelector"), Sort: q.Get("sort"),
	}, nil
}

// rowStream tells a reader what has changed since it was last told.
type rowStream struct {
	w     *http.ResponseController
	write func([]byte) (int, error)
	p     presenter
	shown []tableColumn
	seen  map[string]*kinds.Row // by UID
	fresh cache.Freshness
	begun bool
}

func (o *rowStream) send(page cache.Page) error {
	if err := o.w.SetWriteDeadline(time.Now().Add(writeBudget)); err != nil {
		return err
	}
	now := make(map[string]*kinds.Row, len(page.Rows))
	for _, row := range page.Rows {
		now[row.UID] = row
		before := o.seen[row.UID]
		event := "modified"
		switch before {
		case row:
			continue
		case nil:
			event = "added"
		}
		if err := o.event(event, o.p.resourceRow(row, o.shown)); err != nil {
			return err
		}
	}
	for uid, row := range o.seen {
		if now[uid] == nil {
			if err := o.event("deleted", o.p.resourceRow(row, o.shown)); err != nil {
				return err
			}
		}
	}
	o.seen = now
	if !o.begun {
		o.begun = true
		if err := o.event("synced", map[string]int{"total": page.Matched}); err != nil {
			return err
		}
	}
	if f := page.Freshness; f.State != o.fresh.State || f.Reason.ID != o.fresh.Reason.ID {
		o.fresh = f
		if err := o.event("status", o.p.resourceFresh(f)); err != nil {
			return err
		}
	}
	return o.w.Flush()
}

func (o *rowStream) event(name string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	_, err = o.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, body))
	return err
}

// comment keeps proxies awake.
func (o *rowStream) comment() error {
	if err := o.w.SetWriteDeadline(time.Now().Add(writeBudget)); err != nil {
		return err
	}
	if _, err := o.write([]byte(": \n\n")); err != nil {
		return err
	}
	return o.w.Flush()
}
