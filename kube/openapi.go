package kube

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/access"
	"tiga/kube/kinds"
	fields "tiga/kube/schema"
)

const (
	// schemaIndexAge is how old the list of documents may be; it names a hash of each, so that one that has not changed is
	// not read again.
	schemaIndexAge = 30 * time.Second
	// maxSchemas is how many documents are kept of one cluster. That of the core group has 3 MB.
	maxSchemas = 6
	// maxSchema bounds one document.
	maxSchema = 16 << 20
	// schemaTimeout bounds one read.
	schemaTimeout = 15 * time.Second
)

// schemas are the documents of a cluster that were asked for lately.
type schemas struct {
	mu     sync.Mutex
	index  map[string]string // path of the document, by group version
	looked time.Time
	kept   []keptSchema // the last used first
}

type keptSchema struct {
	path string
	doc  *fields.Doc
}

// Schema is what the cluster says about the fields of a kind. The permit is for VerbList on the kind, VerbGet on one of
// its objects or VerbCreate: whoever may see or make one may know what is in it.
func (c *Cluster) Schema(ctx context.Context, permit access.Permit, k *kinds.Kind) (*fields.Kind, error) {
	t := target{"schema", k.ID(), "", ""}
	q := permit.Request()
	if err := permit.Allow(access.Request{
		Cluster: c.Name(), Group: k.GVR.Group, Resource: k.GVR.Resource, Namespaced: k.Namespaced, Namespace: q.Namespace, Name: q.Name, Verb: q.Verb,
	}); err != nil {
		return nil, err
	}
	if err := c.ready(t); err != nil {
		return nil, err
	}
	doc, err := c.schemaOf(ctx, k.GVR.GroupVersion(), c.agent(permit))
	if err != nil {
		return nil, c.wrap(err, t)
	}
	found, err := doc.Kind(k.GVR.Group, k.GVR.Version, k.Name)
	if err != nil {
		e := c.refused(t, KindNotFound, message("no_schema", "Kind", k.Name))
		e.Err = err
		return nil, e
	}
	return found, nil
}

func (c *Cluster) schemaOf(ctx context.Context, gv schema.GroupVersion, agent string) (*fields.Doc, error) {
	s := &c.schemas
	// Held while reading: who waits wants the same document as a rule.
	s.mu.Lock()
	defer s.mu.Unlock()
	now := c.cfg.Now()
	if s.index == nil || now.Sub(s.looked) > schemaIndexAge {
		raw, err := c.conn.raw(ctx, "/openapi/v3", agent)
		if err != nil {
			return nil, err
		}
		var index struct {
			Paths map[string]struct {
				ServerRelativeURL string `json:"serverRelativeURL"`
			} `json:"paths"`
		}
		if err := json.Unmarshal(raw, &index); err != nil {
			return nil, errNotKubernetes
		}
		s.index, s.looked = map[string]string{}, now
		for name, p := range index.Paths {
			s.index[name] = p.ServerRelativeURL
		}
	}
	name := "apis/" + gv.String()
	if gv.Group == "" {
		name = "api/" + gv.Version
	}
	path, ok := s.index[name]
	if !ok {
		return nil, &Error{Kind: KindNotFound, Reason: message("no_schema", "Kind", gv.String())}
	}
	if i := slices.IndexFunc(s.kept, func(k keptSchema) bool { return k.path == path }); i >= 0 {
		found := s.kept[i]
		s.kept = slices.Insert(slices.Delete(s.kept, i, i+1), 0, found)
		return found.doc, nil
	}
	raw, err := c.conn.raw(ctx, path, agent)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxSchema {
		return nil, &tooLargeError{limit: maxSchema}
	}
	doc, err := fields.Parse(raw)
	if err != nil {
		return nil, errNotKubernetes
	}
	base, _, _ := strings.Cut(path, "?")
	s.kept = slices.DeleteFunc(s.kept, func(k keptSchema) bool { // an older one of the same group version
		at, _, _ := strings.Cut(k.path, "?")
		return at == base
	})
	s.kept = slices.Insert(s.kept, 0, keptSchema{path, doc})
	s.kept = s.kept[:min(len(s.kept), maxSchemas)]
	return doc, nil
}

// raw reads a path of the API server itself, which has to stand below /openapi/v3: it may come from the server's own list.
func (c *conn) raw(ctx context.Context, path, agent string) ([]byte, error) {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != "/openapi/v3" && !strings.HasPrefix(u.Path, "/openapi/v3/") || strings.Contains(u.Path, "..") {
		return nil, errNotKubernetes
	}
	client, err := c.client(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx, schemaTimeout)
	defer cancel()
	r := client.Get().AbsPath(u.Path).SetHeader("Accept", "application/json").SetHeader("User-Agent", agent).MaxRetries(0)
	for key, values := range u.Query() {
		for _, v := range values {
			r = r.Param(key, v)
		}
	}
	return r.Do(ctx).Raw()
}
