package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/access"
	"tiga/kube/kinds"
)

// readGuard is a transport for code that is not ours and reads on its own account. What it asks for is turned into
// requests that the subject's rights decide on, its answers lose what the subject may not see, and nothing but plain
// reads of objects leaves. It stands over the cluster's own transport with all its guards.
type readGuard struct {
	cluster *Cluster
	check   func(access.Request) (access.Permit, error)
	server  *url.URL
	ctx     context.Context //nolint:containedctx // the code that it serves takes none

	mu      sync.Mutex
	refused []access.Request
	limited bool
}

func (c *Cluster) newReadGuard(ctx context.Context, check func(access.Request) (access.Permit, error)) (*readGuard, error) {
	server, err := url.Parse(c.conn.rest.Host)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	return &readGuard{cluster: c, check: check, server: server, ctx: ctx}, nil
}

// errStrayRead means that the guarded code asked for something else than an object or a list.
var errStrayRead = errors.New("not a plain read of objects")

// RoundTrip answers a read as far as the subject may see what it is about.
func (g *readGuard) RoundTrip(r *http.Request) (*http.Response, error) {
	req, known, err := g.request(r)
	if err != nil {
		return refuse(r, err)
	}
	if !known {
		return answer(r, http.StatusNotFound, metav1.StatusReasonNotFound, "the server does not serve "+req.Resource)
	}
	permit, err := g.check(req)
	if err != nil {
		g.mu.Lock()
		if !slices.Contains(g.refused, req) {
			g.refused = append(g.refused, req)
		}
		g.mu.Unlock()
		return answer(r, http.StatusForbidden, metav1.StatusReasonForbidden, forbidden(req))
	}
	if err := g.cluster.conn.limiter.Wait(g.ctx); err != nil {
		return refuse(r, err)
	}
	r = r.Clone(g.ctx)
	r.Header.Set("Accept", runtime.ContentTypeJSON) // the only form that filter understands
	resp, err := g.cluster.conn.http.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Header.Del("Retry-After") // who asks again does so without a look at the time; the layers below have waited
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		_ = resp.Body.Close()
		return nil, errNotKubernetes // following would carry the question elsewhere
	case resp.StatusCode != http.StatusOK, req.Verb == access.VerbGet && req.Resource != secretsResource:
		return resp, nil
	}
	return g.filter(resp, permit, req)
}

// secretsResource is the kind whose values never leave.
const secretsResource = "secrets"

// request is what a request asks of the subject's rights. known is false for a kind that the cluster does not serve:
// nobody can say then which rights it takes.
func (g *readGuard) request(r *http.Request) (req access.Request, known bool, err error) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Host != g.server.Host || r.URL.Scheme != g.server.Scheme || q.Has("watch") || r.Header.Get("Upgrade") != "" {
		return req, false, errStrayRead
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), strings.TrimRight(g.server.EscapedPath(), "/")+"/")
	if !ok {
		return req, false, errStrayRead
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if parts[i], err = url.PathUnescape(part); err != nil || parts[i] == "" || parts[i] == "." || parts[i] == ".." || strings.ContainsAny(parts[i], "/%") {
			return req, false, errStrayRead
		}
	}
	group := ""
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	default:
		return req, false, errStrayRead
	}
	req = access.Request{Cluster: g.cluster.Name(), Group: group, Verb: access.VerbList}
	if len(parts) >= 3 && parts[0] == "namespaces" {
		req.Namespace, parts = parts[1], parts[2:]
	}
	switch len(parts) {
	case 1:
	case 2:
		req.Verb, req.Name = access.VerbGet, parts[1]
	default:
		return req, false, errStrayRead // a sub-resource
	}
	req.Resource = parts[0]
	k, known := g.cluster.Known(schema.GroupResource{Group: group, Resource: req.Resource}.String())
	if !known {
		k, known = kinds.Lookup(schema.GroupResource{Group: group, Resource: req.Resource}.String())
	}
	if known {
		req.Namespaced = k.Namespaced
		known = k.Namespaced || req.Namespace == ""
	}
	return req, known, nil
}

// filter takes out of an answer what the permit does not show, and the values of secrets.
func (g *readGuard) filter(resp *http.Response, permit access.Permit, req access.Request) (*http.Response, error) {
	defer resp.Body.Close()
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != runtime.ContentTypeJSON {
		return nil, errNotKubernetes
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if req.Verb == access.VerbGet {
		body, err = blank(body)
	} else {
		body, err = g.sift(body, permit, req)
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// sift keeps the items of a list that the permit shows.
func (g *readGuard) sift(body []byte, permit access.Permit, req access.Request) ([]byte, error) {
	var list map[string]json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errNotKubernetes
	}
	var items []json.RawMessage
	if raw := list["items"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, errNotKubernetes
		}
	}
	kept := make([]json.RawMessage, 0, len(items))
	for _, item := range items {
		var o struct {
			Metadata struct{ Namespace, Name string }
		}
		if err := json.Unmarshal(item, &o); err != nil {
			return nil, errNotKubernetes
		}
		if !permit.Sees(o.Metadata.Namespace, o.Metadata.Name) {
			continue
		}
		if req.Resource == secretsResource {
			var err error
			if item, err = blank(item); err != nil {
				return nil, err
			}
		}
		kept = append(kept, item)
	}
	if all, _ := permit.Namespaces(); !all && req.Namespace == "" {
		g.mu.Lock()
		g.limited = true
		g.mu.Unlock()
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	list["items"] = raw
	return json.Marshal(list)
}

// blank replaces the values of a Secret by as many zeros. kubectl prints the token of a service account where it prints
// the length of all others, so that one becomes its length in words.
func blank(body []byte) ([]byte, error) {
	var s corev1.Secret
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, errNotKubernetes
	}
	for key, v := range s.Data {
		if s.Data[key] = make([]byte, len(v)); key == corev1.ServiceAccountTokenKey && s.Type == corev1.SecretTypeServiceAccountToken {
			s.Data[key] = fmt.Appendf(nil, "%d bytes", len(v))
		}
	}
	s.StringData, s.ManagedFields = nil, nil
	delete(s.Annotations, lastApplied)
	return json.Marshal(&s)
}

// forbidden is what an API server says when a right is missing.
func forbidden(r access.Request) string {
	what := schema.GroupResource{Group: r.Group, Resource: r.Resource}.String()
	switch {
	case r.Namespace != "":
		return fmt.Sprintf("%s is forbidden: your role may not %s it in the namespace %q", what, r.Verb, r.Namespace)
	default:
		return fmt.Sprintf("%s is forbidden: your role may not %s it", what, r.Verb)
	}
}

// answer is an answer that no server gave.
func answer(r *http.Request, code int, reason metav1.StatusReason, message string) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message, //nolint:gosec // a status of HTTP
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

var _ http.RoundTripper = (*readGuard)(nil)
