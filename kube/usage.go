package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/live"
)

const (
	// usageGroup is the API of metrics-server, and of what stands in for it.
	usageGroup = "metrics.k8s.io"
	// usageEvery is the time between readings while somebody looks; metrics-server itself measures every 15 s.
	usageEvery = 30 * time.Second
	// usageKept is how old figures may be that are still shown.
	usageKept = 4 * usageEvery
)

// Usage is what a pod or a node takes at the moment: cores, and bytes.
type Usage struct{ CPU, Memory float64 }

type usageKey struct{ namespace, name string }

// usages are the figures of a cluster. One reading serves everybody who looks.
type usages struct {
	wanted chan struct{}

	mu sync.Mutex
	of map[string]*usageTable // by ID of the kind that is measured
}

// usageTable is the figures of one kind. The map is replaced and never changed.
type usageTable struct {
	kind, metrics *kinds.Kind
	rows          map[usageKey]Usage
	read          time.Time // the last reading that worked
	tried         time.Time // the last reading
	used          bool      // somebody asked since
}

func newUsages() *usages {
	return &usages{wanted: make(chan struct{}, 1), of: map[string]*usageTable{}}
}

// Measured is the kind by which the cluster offers what objects of a kind take. There is none where no metrics-server is.
func (c *Cluster) Measured(k *kinds.Kind) (*kinds.Kind, bool) {
	if k.GVR.Group != "" || k.GVR.Resource != "pods" && k.GVR.Resource != "nodes" {
		return nil, false
	}
	return c.Known(k.GVR.Resource + "." + usageGroup)
}

// Usage finds what an object of a kind takes. The permit is one for the metrics of the kind. It never waits: the first
// use begins to read, and the kind's topic tells when there is something new. Reading goes on while it is used.
func (c *Cluster) Usage(permit access.Permit, k *kinds.Kind) (func(*kinds.Row) (Usage, bool), error) {
	m, ok := c.Measured(k)
	if !ok {
		return nil, c.absent(k.GVR.Resource+"."+usageGroup, nil)
	}
	r := permit.Request()
	if r.Verb != access.VerbMetrics || r.Cluster != c.Name() || r.Group != k.GVR.Group || r.Resource != k.GVR.Resource || r.Subresource != "" {
		return nil, fmt.Errorf("read usage of %s in %s: permit is for something else: %w", k.ID(), c.Name(), access.ErrForbidden)
	}
	if err := c.ready(target{op: "list", resource: m.ID()}); err != nil {
		return nil, err
	}
	u := c.usages
	u.mu.Lock()
	t := u.of[k.ID()]
	if t == nil {
		t = &usageTable{}
		u.of[k.ID()] = t
	}
	t.kind, t.metrics, t.used = k, m, true
	rows := t.rows
	due := t.due(c.cfg.Now())
	u.mu.Unlock()
	if due {
		poke(u.wanted)
	}
	return func(row *kinds.Row) (Usage, bool) {
		if !permit.Sees(row.Namespace, row.Name) {
			return Usage{}, false
		}
		found, ok := rows[usageKey{row.Namespace, row.Name}]
		return found, ok
	}, nil
}

func (t *usageTable) due(now time.Time) bool { return t.used && now.Sub(t.tried) >= usageEvery }

// watchUsage reads what is looked at until the cluster is closed.
func (c *Cluster) watchUsage() {
	tick := time.NewTicker(usageEvery / 3)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.usages.wanted:
		case <-tick.C:
		}
		for _, t := range c.usages.begin(c.cfg.Now()) {
			c.measure(t)
		}
	}
}

// begin are the figures that have to be read now.
func (u *usages) begin(now time.Time) []*usageTable {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []*usageTable
	for _, t := range u.of {
		if t.due(now) {
			t.tried, t.used = now, false
			out = append(out, t)
		}
	}
	return out
}

// measure reads the figures of a kind.
func (c *Cluster) measure(t *usageTable) {
	c.usages.mu.Lock()
	kind, metrics := t.kind, t.metrics
	c.usages.mu.Unlock()
	namespaces := []string{""}
	if limited := c.State().Namespaces; metrics.Namespaced && len(limited) > 0 {
		namespaces = limited
	}
	rows := map[usageKey]Usage{}
	var err error
	for _, ns := range namespaces {
		if err = c.conn.usage(c.ctx, metrics, ns, rows); err != nil {
			c.noticed(err)
			break
		}
	}
	if c.ctx.Err() != nil {
		return
	}
	now := c.cfg.Now()
	c.usages.mu.Lock()
	switch {
	case err == nil:
		t.rows, t.read = rows, now
	case now.Sub(t.read) >= usageKept:
		t.rows = nil
	}
	c.usages.mu.Unlock()
	if err != nil {
		c.log.InfoContext(c.ctx, "usage not read", "kind", metrics.ID(), "error", classify(err))
		return
	}
	c.cfg.Hub.Publish(live.Kind(c.id, kind.ID()))
}

// measured is what metrics-server answers: a pod's figures are those of its containers.
type measured struct {
	Items []struct {
		Metadata   struct{ Namespace, Name string }
		Usage      amounts
		Containers []struct{ Usage amounts }
	}
}

type amounts struct{ CPU, Memory resource.Quantity }

// units are billionths of a core, in which metrics-server counts, and bytes: whole numbers, which add up exactly.
func (a *amounts) units() (cpu, memory int64) {
	return a.CPU.ScaledValue(resource.Nano), a.Memory.Value()
}

// usage reads the figures of a namespace, or of all for "", into rows.
func (c *conn) usage(ctx context.Context, m *kinds.Kind, namespace string, rows map[usageKey]Usage) error {
	client, err := c.reader(m)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, listTimeout)
	defer cancel()
	data, err := client.Get().NamespaceIfScoped(namespace, m.Namespaced && namespace != "").Resource(m.GVR.Resource).
		VersionedParams(&metav1.ListOptions{}, parameters).MaxRetries(0).Do(ctx).Raw()
	if err != nil {
		return err
	}
	var list measured
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("read %s: %w", m.ID(), errNotKubernetes)
	}
	for i := range list.Items {
		item := &list.Items[i]
		cpu, memory := item.Usage.units()
		for j := range item.Containers {
			nano, bytes := item.Containers[j].Usage.units()
			cpu, memory = cpu+nano, memory+bytes
		}
		rows[usageKey{item.Metadata.Namespace, item.Metadata.Name}] = Usage{float64(cpu) / 1e9, float64(memory)}
	}
	return nil
}
