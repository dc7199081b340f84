package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/kubectl/pkg/describe"

	"tiga/access"
	"tiga/kube/kinds"
)

const (
	// describeTimeout bounds everything that one description asks of the cluster.
	describeTimeout = 10 * time.Second
	// describeChunk is how many objects a describer asks for at a time, as kubectl does.
	describeChunk = 500
)

// Description is an object in the words of kubectl describe.
type Description struct {
	Text string
	// Refused is what kubectl would have read besides the object and the subject may not, each once.
	Refused []access.Request
	// Limited says that lists hold only what lies in some namespaces, because the subject may see no others. Whether
	// there is more is not said: it may not be known.
	Limited bool
}

// errDescriber means that a describer did not survive the object.
var errDescriber = errors.New("the describer failed")

// Describe writes an object as kubectl describe does. The describers read more than the object: its events, the pods of a
// node, the endpoints of a service. Each of these reads asks check, and shows of its answer only what the permit that
// check gives shows. FR-3.5, A10
func (c *Cluster) Describe(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, check func(access.Request) (access.Permit, error)) (Description, error) {
	t := target{"describe", k.ID(), namespace, name}
	if err := c.allow(permit, k, t, access.VerbGet); err != nil {
		return Description{}, err
	}
	ctx, cancel := bounded(ctx, describeTimeout)
	defer cancel()
	g, err := c.newReadGuard(ctx, check)
	if err != nil {
		return Description{}, c.wrap(err, t)
	}
	text, err := g.describe(&rest.Config{
		Host: c.conn.rest.Host, UserAgent: c.agent(permit), Transport: g, WarningHandler: rest.NoWarnings{},
		RateLimiter: flowcontrol.NewFakeAlwaysRateLimiter(), // the guard waits for the cluster's own, no longer than there is time
	}, k, namespace, name)
	switch {
	case ctx.Err() != nil:
		// Describers leave out what they could not read; what was left out for want of time is not what there is.
		err = ctx.Err()
	case errors.Is(err, errDescriber):
		return Description{}, fmt.Errorf("describe %s %s/%s in %s: %w", k.ID(), namespace, name, c.Name(), err)
	}
	if err != nil {
		c.noticed(err)
		return Description{}, c.wrap(err, t)
	}
	d := Description{Text: text}
	g.mu.Lock()
	defer g.mu.Unlock()
	d.Refused, d.Limited = slices.Clone(g.refused), g.limited
	return d, nil
}

// describe finds kubectl's describer of a kind, or the one that describes anything, and runs it.
func (g *readGuard) describe(cfg *rest.Config, k *kinds.Kind, namespace, name string) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("%w: %v", errDescriber, p)
		}
	}()
	d, ok := describe.DescriberFor(k.GVK().GroupKind(), cfg)
	if !ok {
		mapping := &meta.RESTMapping{Resource: k.GVR, GroupVersionKind: k.GVK(), Scope: meta.RESTScopeRoot}
		if k.Namespaced {
			mapping.Scope = meta.RESTScopeNamespace
		}
		if d, ok = describe.GenericDescriberFor(mapping, cfg); !ok {
			return "", fmt.Errorf("%w: no client", errDescriber)
		}
	}
	return d.Describe(namespace, name, describe.DescriberSettings{ShowEvents: true, ChunkSize: describeChunk})
}
