package kube

import (
	"time"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/history"
	"tiga/kube/kinds"
)

// keepWatching is how often the lists of the kinds that are recorded are looked after: which there are may change.
const keepWatching = 10 * time.Second

// tables are the lists of a cluster with what records their changes.
type tables struct {
	lists    *cache.Tables
	recorder *history.Recorder
}

// Close ends both. The recorder first, for which lists may be waiting.
func (t tables) Close() {
	if t.recorder != nil {
		t.recorder.Close()
	}
	t.lists.Close()
}

// newRecorder records what changes in the lists that are about to be made; nil where nobody wants to know.
func (c *Cluster) newRecorder() *history.Recorder {
	if c.cfg.OnChanges == nil {
		return nil
	}
	return history.New(history.Config{
		Keep:  func(changes []history.Change) error { return c.cfg.OnChanges(c.id, changes) },
		Again: func(k *kinds.Kind) { c.lists().Reread(k) },
		Log:   c.log, Now: c.cfg.Now,
	})
}

func (c *Cluster) recording() *history.Recorder {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.recorder
}

// watchChanges keeps the lists of the kinds that are recorded while the cluster answers, until it is closed.
func (c *Cluster) watchChanges() {
	tick := time.NewTicker(keepWatching)
	defer tick.Stop()
	ready := c.catalogue.ready
	for {
		served, complete := c.offered()
		switch health := c.State().Health; {
		case !complete:
			c.current() // asks what the cluster serves
		case health != HealthUnavailable && health != HealthError:
			for _, k := range served {
				if k.Recorded() {
					c.lists().Touch(k)
				}
			}
		}
		select {
		case <-c.ctx.Done():
			return
		case <-ready:
			ready = nil
		case <-tick.C:
		}
	}
}

// offered are the kinds that the cluster serves as far as is known. Unlike Kinds it does not have anybody look: new kinds
// that are recorded come by definitions, which are watched.
func (c *Cluster) offered() (served []*kinds.Kind, complete bool) {
	c.catalogue.mu.Lock()
	defer c.catalogue.mu.Unlock()
	return c.catalogue.offer.order, c.catalogue.complete
}

// Recording says what is recorded of the changes of a kind.
type Recording struct {
	// Since is when it began; zero while the first list is being read, and for a kind of which nothing is.
	Since time.Time
	// Refused says that Tiga's own credentials may not list the kind.
	Refused bool
}

// Recording says since when changes of a kind are recorded wherever they are made. The permit is for reading it.
func (c *Cluster) Recording(permit access.Permit, k *kinds.Kind) (Recording, bool) {
	r := c.recording()
	if r == nil || !r.Observes(k) || c.conn == nil || c.reading(permit, k) != nil {
		return Recording{}, false
	}
	since, ok := r.Since(k.ID())
	fresh := c.lists().Freshness(k)
	return Recording{Since: since, Refused: !ok && fresh.State == cache.Forbidden}, true
}

// RecordingSince is when the recording of changes of the cluster began: the latest of the kinds that are read. ok is
// false where nothing is recorded yet.
func (c *Cluster) RecordingSince() (at time.Time, ok bool) {
	r := c.recording()
	if r == nil {
		return time.Time{}, false
	}
	served, _ := c.offered()
	for _, k := range served {
		if since, recorded := r.Since(k.ID()); recorded && since.After(at) {
			at = since
		}
	}
	return at, !at.IsZero()
}

// RecorderStats are figures of the recording of changes, for metrics.
func (c *Cluster) RecorderStats() history.Stats {
	if r := c.recording(); r != nil {
		return r.Stats()
	}
	return history.Stats{}
}
