package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"

	"tiga/kube/kinds"
)

// source lets the lists of a cluster read from it. It is not exported: lists check permits row by row, and nothing else
// may read without one.
type source struct{ c *Cluster }

// List reads one chunk.
func (s source) List(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	list, err := s.c.conn.list(ctx, k, namespace, opts)
	s.c.noticed(err)
	return list, err
}

// Watch opens a stream that ends when ctx does.
func (s source) Watch(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	w, err := s.c.conn.watch(ctx, k, namespace, opts)
	s.c.noticed(err)
	return w, err
}

// list reads one chunk of a kind: into its typed list, into unstructured objects, or as the server's table.
func (c *conn) list(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (runtime.Object, error) {
	client, err := c.reader(k)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx, listTimeout)
	defer cancel()
	request := client.Get().NamespaceIfScoped(namespace, k.Namespaced && namespace != "").Resource(k.GVR.Resource).
		VersionedParams(&opts, parameters).MaxRetries(0)
	if k.Printed() {
		answer := request.SetHeader("Accept", acceptTable).Do(ctx)
		if err := answer.Error(); err != nil { // unlike that of Raw it has the API server's words
			return nil, err
		}
		data, err := answer.Raw()
		if err != nil {
			return nil, err
		}
		return printedList(data)
	}
	list, err := listOf(k)
	if err != nil {
		return nil, err
	}
	if err := request.Do(ctx).Into(list); err != nil {
		return nil, err
	}
	return list, nil
}

// listOf is an empty list of a kind.
func listOf(k *kinds.Kind) (runtime.Object, error) {
	gvk := k.GVK()
	gvk.Kind += "List"
	if k.Dynamic() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk)
		return list, nil
	}
	list, err := kinds.Types().New(gvk)
	if err != nil {
		return nil, fmt.Errorf("list of %s: %w", k.Name, err)
	}
	return list, nil
}

// errNoHeaders ends a watch that did not begin in time.
var errNoHeaders = fmt.Errorf("no answer within %s: %w", headerTimeout, context.DeadlineExceeded)

// watch opens a stream. client-go takes some failures to connect for a stream that ended at once; here they are errors.
func (c *conn) watch(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (watch.Interface, error) {
	client, err := c.reader(k)
	if err != nil {
		return nil, err
	}
	opts.Watch = true
	ctx, cancel := context.WithCancelCause(withFlags(klog.NewContext(ctx, klog.Logger{}), flags{watch: true}))
	timer := time.AfterFunc(headerTimeout, func() { cancel(errNoHeaders) })
	outcome := &failure{}
	request := client.Get().NamespaceIfScoped(namespace, k.Namespaced && namespace != "").Resource(k.GVR.Resource).
		VersionedParams(&opts, parameters).MaxRetries(0)
	if k.Printed() {
		request.SetHeader("Accept", acceptTable)
	}
	w, err := request.Watch(context.WithValue(ctx, failureKey{}, outcome))
	late := !timer.Stop() // it fired, or is about to
	if err == nil && outcome.err != nil {
		err = &url.Error{Op: "Watch", URL: k.ID(), Err: outcome.err}
	}
	if late && err == nil {
		err = errNoHeaders
	}
	if err != nil {
		if w != nil {
			w.Stop()
		}
		err = cause(ctx, err)
		cancel(nil)
		return nil, err
	}
	if k.Printed() {
		w = newPrintedWatch(w)
	}
	return &stream{Interface: w, cancel: cancel}, nil
}

// stream frees its request when it is stopped.
type stream struct {
	watch.Interface
	cancel context.CancelCauseFunc
}

func (s *stream) Stop() {
	s.Interface.Stop()
	s.cancel(nil)
}

// failure keeps the error of a round trip that client-go would swallow.
type failure struct{ err error }

type failureKey struct{}

func remembered(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if f, ok := r.Context().Value(failureKey{}).(*failure); ok {
			f.err = err
		}
		return resp, err
	})
}

// noticed asks for a health check when something went wrong that says so of the cluster and not of the request.
func (c *Cluster) noticed(err error) {
	refused := (*openError)(nil)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errLocked) || errors.As(err, &refused) {
		return // the last three are what the health already says
	}
	if c.State().Health == HealthUnavailable {
		return
	}
	switch classify(err).Kind {
	case KindUnreachable, KindTimeout, KindUnauthorized:
		c.recheck()
	default:
	}
}

// headerSafe keeps what may stand in a comment of a User-Agent.
func headerSafe(name string) string {
	out := []rune(name)
	if len(out) > 128 {
		out = out[:128]
	}
	for i, r := range out {
		if r <= ' ' || r > '~' || r == '(' || r == ')' || r == '\\' {
			out[i] = '_'
		}
	}
	return string(out)
}
