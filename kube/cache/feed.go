package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/kinds"
)

// How a silent watch is noticed: a connection may be dead without saying so,
// and servers send bookmarks to an idle watch only once a minute, so waiting for
// one cannot tell within 45 s. The server is asked instead to end each watch
// after WatchTimeout; it sends a bookmark just before, so that the next one
// goes on from there and costs one cheap request. A watch that is neither ended
// nor saying anything by then is dead, whatever hides it: a proxy, a firewall, a
// sleeping laptop.
const (
	endGrace = 5 * time.Second // beyond WatchTimeout, for the answer to arrive
	// openTimeout bounds the time until a watch answers at all.
	openTimeout = 15 * time.Second
	// shortWatch is a watch too short to have been worth its request.
	shortWatch = time.Second
	// pollEvery is how often a kind is read that may be listed and not watched.
	pollEvery = 15 * time.Second
	// batchLimit bounds the changes that are applied as one generation.
	batchLimit = 512
	// readTimeout bounds a complete reading by stream.
	readTimeout = 5 * time.Minute
	// refreshGap is the least time between two complete readings that somebody
	// asked for; who asks meanwhile shares the next one.
	refreshGap = time.Second
)

var (
	errSilent   = errors.New("watch fell silent")
	errAgain    = errors.New("asked to read again")
	errShort    = errors.New("watch ended at once")
	errEnded    = errors.New("list is no longer kept")
	errNoStream = errors.New("server does not stream lists")
	errCut      = errors.New("stream of a list ended before the list did")
)

// feed keeps the rows of one kind in one namespace, or in all for "", as they
// are in the cluster. One goroutine runs it.
type feed struct {
	table     *table
	namespace string

	wake chan struct{} // try again now
	read chan struct{} // somebody waits in table.waiters for a complete reading

	// The rest belongs to the goroutine.
	projector projector
	backoff   backoff
	round     uint32    // complete readings begun
	version   string    // resource version that the rows are at
	contact   time.Time // with the cluster, the latest
	heard     time.Time // the same before the complete reading that is under way
	reading   bool      // a complete reading is under way
	began     time.Time // the latest complete reading
	isSettled bool      // has read or failed once

	mu      sync.Mutex
	fresh   Freshness
	waiters []chan error
	ended   bool
}

// run reads and follows until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.end()
	for ctx.Err() == nil {
		err := f.protect(func() error { return f.once(ctx) })
		f.answer(err)
		if ctx.Err() != nil || f.table.split(ctx, f, err) {
			return
		}
		switch {
		case errors.Is(err, errAgain):
			sleep(ctx, refreshGap-f.now().Sub(f.began))
			continue
		case expired(err) && f.backoff.failures == 0:
			_ = f.backoff.next(f.now(), err) // read again at once, but not in a circle
			continue
		}
		f.failed(err)
		sleep(ctx, f.backoff.next(f.now(), err), f.wake, f.read)
	}
}

// protect turns a panic into an error: a kind that breaks must not take the
// process with it.
func (f *feed) protect(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read %s: panic: %v", f.table.kind.ID(), p)
			f.table.cfg.Log.Error("reading a kind panicked", "cluster", f.table.cfg.Cluster, "kind", f.table.kind.ID(), "panic", p)
		}
	}()
	return work()
}

// once reads everything and then follows the changes. It returns why it has to
// be done again.
func (f *feed) once(ctx context.Context) error {
	f.catchingUp()
	f.began = f.now()
	waiters := f.take()
	err := f.readAll(ctx)
	for _, w := range waiters {
		w <- err
	}
	if err != nil {
		return err
	}
	f.live()
	for {
		err := f.follow(ctx)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil, errors.Is(err, errAgain), expired(err):
			return err
		case apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err):
			f.set(Stale, kinds.Message{ID: "freshness.polled"})
			sleep(ctx, pollEvery+spread(pollEvery/4), f.wake, f.read)
			return errAgain
		case apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
			return err
		}
		f.failed(err)
		sleep(ctx, f.backoff.next(f.now(), err), f.wake, f.read)
		if f.asked() {
			return errAgain
		}
	}
}

// follow applies changes from the version that the rows are at until the watch
// ends. It returns nil if the server ended it in order.
func (f *feed) follow(ctx context.Context) error {
	f.table.counters.watches.Add(1)
	timeout := f.table.cfg.WatchTimeout - spread(f.table.cfg.WatchTimeout/4)
	seconds := max(int64(timeout/time.Second), 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := f.now()
	w, err := f.open(ctx, metav1.ListOptions{ResourceVersion: f.version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds})
	if err != nil {
		return err
	}
	defer w.Stop()
	f.live()
	end := time.NewTimer(time.Duration(seconds)*time.Second + endGrace)
	defer end.Stop()
	for {
		batch, ended, err := f.collect(ctx, w, end.C, f.read)
		f.put(batch)
		useful := len(batch) > 0 || f.now().Sub(opened) >= shortWatch
		if useful {
			f.backoff.reset()
		}
		switch {
		case errors.Is(err, errSilent) && f.now().Sub(f.contact) < f.table.cfg.WatchTimeout/2:
			return nil // busy, and the server does not end watches by itself
		case err != nil:
			return err
		case ended && !useful:
			return errShort
		case ended:
			return nil
		}
	}
}

// open opens a watch. The watch lives as long as ctx.
func (f *feed) open(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(openTimeout, cancel)
	w, err := f.table.cfg.Source.Watch(ctx, f.table.kind, f.namespace, opts)
	if !late.Stop() {
		if w != nil {
			w.Stop()
		}
		return nil, fmt.Errorf("watch %s: %w", f.table.kind.ID(), context.DeadlineExceeded)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	f.contact = f.now()
	return stopping{w, cancel}, nil
}

// stopping is a watch whose context ends with it.
type stopping struct {
	watch.Interface
	cancel context.CancelFunc
}

func (s stopping) Stop() {
	s.Interface.Stop()
	s.cancel()
}

// collect waits for an event and takes with it those that are there already.
func (f *feed) collect(ctx context.Context, w watch.Interface, silence <-chan time.Time, again <-chan struct{}) (batch []watch.Event, ended bool, err error) {
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-silence:
		return nil, false, errSilent
	case <-again:
		return nil, false, errAgain
	case e, ok := <-w.ResultChan():
		if !ok {
			f.contact = f.now()
			return nil, true, nil
		}
		batch = append(batch, e)
	}
	f.contact = f.now()
	for {
		last := batch[len(batch)-1]
		if last.Type == watch.Error {
			return batch[:len(batch)-1], false, apierrors.FromObject(last.Object)
		}
		if len(batch) == batchLimit {
			return batch, false, nil
		}
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return batch, true, nil
			}
			batch = append(batch, e)
		default:
			return batch, false, nil
		}
	}
}

// asked reports whether somebody waits for a complete reading.
func (f *feed) asked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiters) > 0
}

// take returns those who wait for a complete reading that has not begun.
func (f *feed) take() []chan error {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.waiters
	f.waiters = nil
	select {
	case <-f.read: // they are being served
	default:
	}
	return taken
}

// answer tells those who came meanwhile, unless they are to be served next.
func (f *feed) answer(err error) {
	if err == nil || errors.Is(err, errAgain) || expired(err) {
		return
	}
	for _, w := range f.take() {
		w <- err
	}
}

// ask makes the feed read everything again. The channel receives the result.
func (f *feed) ask() <-chan error {
	done := make(chan error, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		done <- errEnded
		return done
	}
	f.waiters = append(f.waiters, done)
	poke(f.read)
	return done
}

// end answers whoever still waits when the feed is over.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for _, w := range f.waiters {
		w <- errEnded
	}
	f.waiters = nil
}

// poke leaves a signal unless one waits already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
