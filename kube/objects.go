package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kinds"
)

// ObjectsOptions say which part of a list of whole objects is read.
type ObjectsOptions struct {
	Namespace     string // "" reads all
	LabelSelector string
	FieldSelector string
	Limit         int64
	Continue      string // from the chunk before
}

// Objects is a chunk of a list of whole objects.
type Objects struct {
	Items           []Object
	Continue        string // "" at the end
	ResourceVersion string
}

// Objects reads a chunk of a list from the API server: for programs, which want the objects themselves. Pages ask List.
// Objects that the permit does not show are left out, so a chunk may be shorter than its limit.
func (c *Cluster) Objects(ctx context.Context, permit access.Permit, k *kinds.Kind, opts ObjectsOptions) (Objects, error) {
	t := target{op: "list", resource: k.ID(), namespace: opts.Namespace}
	if err := c.reading(permit, k); err != nil {
		return Objects{}, err
	}
	if err := c.ready(t); err != nil {
		return Objects{}, err
	}
	list, err := c.conn.objects(ctx, k, opts, c.agent(permit))
	if err != nil {
		c.noticed(err)
		return Objects{}, c.wrap(err, t)
	}
	about, err := meta.ListAccessor(list)
	if err != nil {
		return Objects{}, c.wrap(errNotKubernetes, t)
	}
	lists := c.lists()
	out := Objects{Continue: about.GetContinue(), ResourceVersion: about.GetResourceVersion()}
	err = meta.EachListItem(list, func(obj runtime.Object) error {
		m, err := meta.Accessor(obj)
		if err != nil {
			return errNotKubernetes
		}
		if permit.Sees(m.GetNamespace(), m.GetName()) {
			redact(obj)
			out.Items = append(out.Items, Object{k, obj, lists})
		}
		return nil
	})
	return out, c.wrap(err, t)
}

// objects reads a chunk of whole objects, whatever way the kind's lists in memory are read.
func (c *conn) objects(ctx context.Context, k *kinds.Kind, opts ObjectsOptions, agent string) (runtime.Object, error) {
	client, err := c.reader(k)
	if err != nil {
		return nil, err
	}
	list, err := listOf(k)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", k.ID(), err)
	}
	ctx, cancel := bounded(ctx, listTimeout)
	defer cancel()
	asked := metav1.ListOptions{LabelSelector: opts.LabelSelector, FieldSelector: opts.FieldSelector, Limit: opts.Limit, Continue: opts.Continue}
	err = client.Get().NamespaceIfScoped(opts.Namespace, k.Namespaced && opts.Namespace != "").Resource(k.GVR.Resource).
		VersionedParams(&asked, parameters).SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(list)
	if err != nil {
		return nil, err
	}
	return list, nil
}
