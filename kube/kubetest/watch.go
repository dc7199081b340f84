package kubetest

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// watch streams changes, preceded by the whole list when a streaming list is asked for.
func (c *call) watch() {
	q := c.r.URL.Query()
	match, err := selector(q.Get("labelSelector"), q.Get("fieldSelector"))
	if err != nil {
		c.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	initial := q.Get("sendInitialEvents") == "true"
	if initial && c.opts.NoWatchList {
		c.fail(apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", nil))
		return
	}
	s := newStream(c)
	if s == nil {
		return
	}
	from, err := strconv.ParseUint(q.Get("resourceVersion"), 10, 64)
	if initial || err != nil || from == 0 {
		// Both a streaming list and a watch from "any version" begin with what there is.
		items, version := c.store.list(c.res, c.namespace)
		for _, obj := range items {
			if match(obj) && !s.send(watch.Added, obj) {
				return
			}
		}
		if from = version; initial && !s.bookmark(version, true) {
			return
		}
	}
	var end <-chan time.Time
	if n, err := strconv.Atoi(q.Get("timeoutSeconds")); err == nil && n > 0 {
		t := time.NewTimer(time.Duration(n) * time.Second)
		defer t.Stop()
		end = t.C
	}
	for {
		changes, now, next, ok := c.store.since(c.res, from)
		if _, served := c.lookup(c.res.GroupVersionResource); !served {
			return // its definition is gone, or no longer serves the version
		}
		if !ok {
			s.expired()
			return
		}
		for _, ch := range changes {
			m, err := meta.Accessor(ch.object)
			if err != nil || (c.namespace != "" && m.GetNamespace() != c.namespace) || !match(ch.object) {
				continue
			}
			if !s.send(ch.kind, ch.object) {
				return
			}
		}
		from = now
		select {
		case <-next:
		case <-end:
			s.bookmark(now, false)
			return
		case <-c.r.Context().Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// stream writes watch events in the framing of the encoding.
type stream struct {
	call    *call
	format  format
	flusher http.Flusher
	named   bool // the columns of a table have been named
}

func newStream(c *call) *stream {
	f, ok := c.negotiated()
	if !ok {
		return nil
	}
	flusher, ok := c.w.(http.Flusher)
	if !ok || f.info.StreamSerializer == nil {
		c.fail(apierrors.NewBadRequest("cannot stream"))
		return nil
	}
	media := f.info.MediaType
	if media != runtime.ContentTypeJSON {
		media += ";stream=watch"
	}
	c.w.Header().Set("Content-Type", media)
	c.w.WriteHeader(http.StatusOK)
	flusher.Flush()
	return &stream{call: c, format: f, flusher: flusher}
}

// send writes one event; false means that the client is gone.
func (s *stream) send(kind watch.EventType, obj runtime.Object) bool {
	f := s.format
	if kind == watch.Error {
		f.table = false
	}
	gv := s.call.res.GroupVersion()
	raw, err := s.call.encode(f, gv, s.call.at(obj), !s.named)
	if err != nil {
		return false
	}
	s.named = true
	if f.info.MediaType == runtime.ContentTypeJSON {
		_, err = s.call.w.Write(frame(string(kind), raw))
	} else {
		var event bytes.Buffer
		e := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: raw}}
		if err = codecs.WithoutConversion().EncoderForVersion(f.info.StreamSerializer.Serializer, gv).Encode(e, &event); err == nil {
			_, err = f.info.StreamSerializer.Framer.NewFrameWriter(s.call.w).Write(event.Bytes())
		}
	}
	if err != nil {
		return false
	}
	s.flusher.Flush()
	return true
}

// bookmark tells the client which version it has reached; initial marks the end of a streaming list.
func (s *stream) bookmark(version uint64, initial bool) bool {
	obj, err := s.call.empty("")
	if err != nil {
		return false
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return false
	}
	m.SetResourceVersion(strconv.FormatUint(version, 10))
	if initial {
		m.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return s.send(watch.Bookmark, obj)
}

// expired ends the stream the way an API server does when the history is gone: an ERROR event that holds 410.
func (s *stream) expired() {
	st := apierrors.NewResourceExpired("too old resource version").ErrStatus
	st.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	s.send(watch.Error, &st)
}
