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
	"k8s.io/client-go/kubernetes/scheme"
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
	object  runtime.Encoder
	event   runtime.Encoder
	framer  runtime.Framer
	flusher http.Flusher
}

func newStream(c *call) *stream {
	flusher, ok := c.w.(http.Flusher)
	info := negotiate(c.r.Header.Get("Accept"))
	if !ok || info.StreamSerializer == nil {
		c.fail(apierrors.NewBadRequest("cannot stream"))
		return nil
	}
	media := info.MediaType
	if media != runtime.ContentTypeJSON {
		media += ";stream=watch"
	}
	codecs := scheme.Codecs.WithoutConversion()
	s := &stream{
		call: c, framer: info.StreamSerializer.Framer, flusher: flusher,
		object: codecs.EncoderForVersion(info.Serializer, c.res.GroupVersion()),
		event:  codecs.EncoderForVersion(info.StreamSerializer.Serializer, c.res.GroupVersion()),
	}
	c.w.Header().Set("Content-Type", media)
	c.w.WriteHeader(http.StatusOK)
	flusher.Flush()
	return s
}

// send writes one event; false means that the client is gone.
func (s *stream) send(kind watch.EventType, obj runtime.Object) bool {
	var raw, event bytes.Buffer
	if err := s.object.Encode(obj.DeepCopyObject(), &raw); err != nil {
		return false
	}
	e := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: raw.Bytes()}}
	if err := s.event.Encode(e, &event); err != nil {
		return false
	}
	if _, err := s.framer.NewFrameWriter(s.call.w).Write(event.Bytes()); err != nil {
		return false
	}
	s.flusher.Flush()
	return true
}

// bookmark tells the client which version it has reached; initial marks the end of a streaming list.
func (s *stream) bookmark(version uint64, initial bool) bool {
	obj, err := scheme.Scheme.New(s.call.res.GroupVersion().WithKind(s.call.res.kind))
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
