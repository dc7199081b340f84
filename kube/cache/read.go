package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// expired reports whether the server no longer has the changes since the
// version that was asked for.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// readAll makes the rows those of the cluster. It puts in what it finds as it
// comes and takes out what is gone at the end, so that a list that was complete
// stays so throughout.
func (f *feed) readAll(ctx context.Context) error {
	f.table.counters.relists.Add(1)
	f.heard = f.contact
	if !f.table.cfg.NoWatchList && !f.table.noStream.Load() {
		switch err := f.readStream(ctx); {
		case errors.Is(err, errNoStream):
			f.table.noStream.Store(true)
		case !errors.Is(err, errCut) && !apierrors.IsForbidden(err): // a credential may list and not watch
			return err
		}
	}
	return f.readChunks(ctx)
}

// readStream reads the list as a stream of its objects, which neither side has
// to hold as a whole.
func (f *feed) readStream(ctx context.Context) error {
	f.begin()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	all, seconds := true, int64(readTimeout/time.Second)
	w, err := f.open(ctx, metav1.ListOptions{
		SendInitialEvents: &all, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	switch {
	// Servers without streaming lists refuse the options as invalid; some
	// aggregated ones do not know the verb.
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return errNoStream
	case err != nil:
		return err
	}
	defer w.Stop()
	silence := time.NewTimer(f.table.cfg.ListTimeout)
	defer silence.Stop()
	for {
		// Who asks for a reading meanwhile waits for the next one.
		batch, ended, err := f.collect(ctx, w, silence.C, nil)
		done := false
		for i, e := range batch {
			if e.Type == watch.Bookmark && initialEventsEnd(e) {
				batch, done = batch[:i+1], true
				break
			}
		}
		f.put(batch)
		switch {
		case done:
			f.finish()
			return nil
		case errors.Is(err, errSilent):
			// A server that ignores the options opens a plain watch, which
			// never says that the list is complete.
			return errNoStream
		case ended:
			return errCut
		case err != nil:
			return err
		}
		silence.Reset(f.table.cfg.ListTimeout)
	}
}

func initialEventsEnd(e watch.Event) bool {
	o, err := meta.Accessor(e.Object)
	return err == nil && o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
}

// readChunks reads the list in chunks, each of which is forgotten as soon as
// its rows are made.
func (f *feed) readChunks(ctx context.Context) error {
	const attempts = 3
	opts := metav1.ListOptions{Limit: f.table.cfg.ChunkSize}
	for attempt := 1; ; attempt++ {
		err := f.readList(ctx, opts)
		if err == nil || !expired(err) || attempt == attempts {
			return err
		}
		// The list grew old between two chunks. Going on would mix two moments
		// and leave ghosts, so it is read again, the last time in one piece.
		if attempt == attempts-1 {
			opts.Limit = 0
		}
	}
}

func (f *feed) readList(ctx context.Context, opts metav1.ListOptions) error {
	f.begin()
	timeout := f.table.cfg.ListTimeout
	if opts.Limit == 0 {
		timeout *= 4
	}
	for {
		chunkCtx, cancel := context.WithTimeout(ctx, timeout)
		list, err := f.table.cfg.Source.List(chunkCtx, f.table.kind, f.namespace, opts)
		cancel()
		if err != nil {
			return err
		}
		f.contact = f.now()
		about, err := meta.ListAccessor(list)
		if err != nil {
			return fmt.Errorf("list %s: %w", f.table.kind.ID(), err)
		}
		if err := f.putList(list); err != nil {
			return fmt.Errorf("list %s: %w", f.table.kind.ID(), err)
		}
		opts.Continue = about.GetContinue()
		if opts.Continue == "" {
			f.version = about.GetResourceVersion()
			f.finish()
			return nil
		}
	}
}
