package kube

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/kube/kinds"
	"tiga/kube/live"
)

const (
	// checkTimeout bounds a check as a whole.
	checkTimeout = 20 * time.Second
	// checkGap is the least time between two checks, however often one is asked for.
	checkGap = 2 * time.Second
	// pageOfNodes is the length of the chunks in which a check reads.
	pageOfNodes = 500
	// maxPages bounds how much a check reads to count the pods that do not run.
	maxPages = 20
)

// watchHealth looks after the cluster until it is closed. The first check is at once.
func (c *Cluster) watchHealth() {
	for {
		began := c.cfg.Now()
		c.settle(c.check(c.ctx))
		if c.ctx.Err() != nil {
			return
		}
		interval := c.cfg.HealthInterval
		if c.State().Health == HealthUnavailable {
			interval = c.cfg.RetryInterval
		}
		// Spread by a tenth either way, so that many clusters are not asked in the same instant for ever.
		interval = time.Duration(float64(interval) * (0.9 + 0.2*c.cfg.Jitter()))
		if !c.pause(interval, began) {
			return
		}
	}
}

// pause waits for the next turn, or for somebody who asks. It is false when the cluster is closed.
func (c *Cluster) pause(interval time.Duration, began time.Time) bool {
	turn := time.NewTimer(interval)
	defer turn.Stop()
	select {
	case <-c.ctx.Done():
		return false
	case <-turn.C:
		return true
	case <-c.kick:
	}
	left := time.NewTimer(checkGap - c.cfg.Now().Sub(began))
	defer left.Stop()
	select {
	case <-c.ctx.Done():
		return false
	case <-left.C:
		return true
	}
}

// recheck asks for a check now. It never waits; asking twice is asking once.
func (c *Cluster) recheck() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// settle takes over what a check found.
func (c *Cluster) settle(found State) {
	now := c.cfg.Now()
	c.mu.Lock()
	before := c.state
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return // closed meanwhile: what it found is the closing
	}
	found.Checked, found.Since = now, now
	if found.Health == before.Health && !before.Since.IsZero() {
		found.Since = before.Since
	}
	if found.LastContact.IsZero() {
		found.LastContact = before.LastContact
	}
	if found.Version == "" {
		found.Version = before.Version
	}
	if found.Health == HealthUnavailable || found.Health == HealthError && !found.NodesKnown && !found.PodsKnown {
		// The figures of before are worth more than none; the health says how old they are.
		found.Nodes, found.NodesReady, found.NodesKnown = before.Nodes, before.NodesReady, before.NodesKnown
		found.Pods, found.PodsRunning, found.PodsKnown = before.Pods, before.PodsRunning, before.PodsKnown
		found.Namespaces = before.Namespaces
	}
	c.state = found
	limited := !slices.Equal(found.Namespaces, before.Namespaces)
	var old interface{ Close() }
	if limited && c.tables != nil {
		old = tables{c.tables, c.recorder}
		c.tables = c.newTables(found.Namespaces)
	}
	lists := c.tables
	c.mu.Unlock()

	if old != nil {
		c.running.Go(old.Close)
	}
	if back := before.Health == HealthUnavailable || before.Health == HealthError; lists != nil && back && found.Health != before.Health {
		lists.Wake()
	}
	if !found.same(before) {
		c.log.Info("cluster health", "health", string(found.Health), "was", string(before.Health), "reason", found.Reason.ID)
		c.cfg.Hub.Publish(live.Fleet)
		c.cfg.Hub.Publish(live.Health(c.id))
	}
	poke(c.monitor.wake) // it may have waited for the cluster
	c.cfg.OnHealth(c.id, found)
}

// check asks the cluster how it is. It is bounded in time, and the only thing that may pass an open breaker.
func (c *Cluster) check(ctx context.Context) State {
	ctx, cancel := context.WithTimeout(withFlags(ctx, flags{check: true}), checkTimeout)
	defer cancel()
	var s State
	version, err := c.conn.version(ctx)
	if err != nil && classify(err).Kind != KindForbidden {
		return c.failed(s, err)
	}
	s.Version, s.LastContact = version, c.cfg.Now()
	nodes, nodesErr := c.conn.nodes(ctx)
	if nodesErr != nil && classify(nodesErr).Kind != KindForbidden {
		return c.failed(s, nodesErr)
	}
	pods, podsErr := c.conn.countPods(ctx, "")
	if podsErr != nil && classify(podsErr).Kind != KindForbidden {
		return c.failed(s, podsErr)
	}
	if podsErr != nil {
		// The credential may be for some namespaces only, which is a way to work and not a fault.
		if s.Namespaces, pods, err = c.limited(ctx); err != nil {
			return c.failed(s, err)
		}
		if len(s.Namespaces) == 0 && nodesErr != nil {
			return c.failed(s, nodesErr)
		}
	}
	if s.PodsKnown = podsErr == nil || len(s.Namespaces) > 0; s.PodsKnown {
		s.Pods, s.PodsRunning = pods.total, pods.running
	}
	s.NodesKnown = nodesErr == nil
	s.Nodes, s.NodesReady = nodes.total, nodes.total-len(nodes.notReady)
	s.Health = HealthHealthy
	switch {
	case len(nodes.notReady) > 0:
		s.Health, s.Reason = HealthWarning, nodes.reason()
	case len(s.Namespaces) > 0:
		s.Reason = message("limited", "Namespaces", strings.Join(s.Namespaces, ", "))
	case podsErr != nil:
		s.Reason = message("pods_hidden")
	case nodesErr != nil:
		s.Reason = message("nodes_hidden")
	}
	return s
}

// failed says what an error of a check means for the cluster as a whole.
func (c *Cluster) failed(s State, err error) State {
	e := classify(err)
	s.Reason = e.Reason
	switch e.Kind {
	case KindUnreachable, KindTimeout:
		if s.Health = HealthUnavailable; s.LastContact.IsZero() && e.Server == "" {
			return s
		}
		// It did answer, and then fell silent or reported that something behind it did.
		if e.Server != "" {
			s.Health = HealthError
		}
	case KindUnauthorized:
		s.Health, s.Reason = HealthError, c.refusal(e.Reason)
	default:
		s.Health = HealthError
	}
	if e.Server != "" {
		s.Reason.Text = e.Server
	}
	if s.LastContact.IsZero() && s.Health == HealthError && e.Err != nil && !errors.Is(err, errPlugin) {
		s.LastContact = c.cfg.Now()
	}
	return s
}

// refusal says why the credentials were refused where that can be seen from here: an expired certificate looks to the
// server like any other.
func (c *Cluster) refusal(reason kinds.Message) kinds.Message {
	if c.conn != nil && !c.conn.expires.IsZero() && c.cfg.Now().After(c.conn.expires) {
		return message("certificate_expired", "Date", date(c.conn.expires))
	}
	return reason
}

// version reads what the API server calls itself.
func (c *conn) version(ctx context.Context) (string, error) {
	client, err := c.client(schema.GroupVersion{Version: "v1"})
	if err != nil {
		return "", err
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	result := client.Get().AbsPath("/version").MaxRetries(0).Do(ctx)
	if err := result.Error(); err != nil { // unlike Raw's, with the words of the server
		return "", err
	}
	data, err := result.Raw()
	if err != nil {
		return "", err
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(data, &v); err != nil || v.GitVersion == "" {
		return "", errNotKubernetes
	}
	if len(v.GitVersion) > 64 {
		v.GitVersion = v.GitVersion[:64]
	}
	return v.GitVersion, nil
}

// errNotKubernetes means that something answers which is no API server.
var errNotKubernetes = errors.New("the answer is not that of a Kubernetes API server")

// nodeCount is what a check keeps of the nodes.
type nodeCount struct {
	total    int
	notReady []notReady
}

type notReady struct {
	name  string
	since time.Time
	words string
}

// reason names the node that has been away the longest.
func (n nodeCount) reason() kinds.Message {
	first := n.notReady[0]
	for _, o := range n.notReady[1:] {
		if o.since.Before(first.since) {
			first = o
		}
	}
	m := message("node_not_ready", "Node", first.name)
	if more := len(n.notReady) - 1; more > 0 {
		m = message("nodes_not_ready", "Node", first.name, "More", more)
	}
	if !first.since.IsZero() {
		m.Args["Since"] = first.since
	} else {
		m.ID += "_ever"
	}
	m.Text = first.words
	return m
}

// nodes reads whether each node is Ready.
func (c *conn) nodes(ctx context.Context) (nodeCount, error) {
	k, _ := kinds.Lookup("nodes")
	var out nodeCount
	opts := metav1.ListOptions{Limit: pageOfNodes}
	for {
		obj, err := c.list(ctx, k, "", opts)
		if err != nil {
			return out, err
		}
		list, ok := obj.(*corev1.NodeList)
		if !ok {
			return out, errNotKubernetes
		}
		for i := range list.Items {
			out.add(&list.Items[i])
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			return out, nil
		}
	}
}

func (n *nodeCount) add(node *corev1.Node) {
	n.total++
	for _, cond := range node.Status.Conditions {
		if cond.Type != corev1.NodeReady {
			continue
		}
		if cond.Status != corev1.ConditionTrue {
			words := strings.TrimSpace(cond.Message)
			if words == "" {
				words = cond.Reason
			}
			n.notReady = append(n.notReady, notReady{node.Name, cond.LastTransitionTime.Time, words})
		}
		return
	}
	n.notReady = append(n.notReady, notReady{name: node.Name}) // it has not reported yet
}

type podCount struct{ total, running int }

// countPods counts without reading every pod: the server says how many there are, and those that do not run are few.
func (c *conn) countPods(ctx context.Context, namespace string) (podCount, error) {
	k, _ := kinds.Lookup("pods")
	obj, err := c.list(ctx, k, namespace, metav1.ListOptions{Limit: 1})
	if err != nil {
		return podCount{}, err
	}
	list, ok := obj.(*corev1.PodList)
	if !ok {
		return podCount{}, errNotKubernetes
	}
	total := len(list.Items)
	if list.RemainingItemCount != nil {
		total += int(*list.RemainingItemCount)
	}
	others := 0
	opts := metav1.ListOptions{Limit: pageOfNodes, FieldSelector: "status.phase!=" + string(corev1.PodRunning)}
	for range maxPages {
		if obj, err = c.list(ctx, k, namespace, opts); err != nil {
			return podCount{}, err
		}
		if list, ok = obj.(*corev1.PodList); !ok {
			return podCount{}, errNotKubernetes
		}
		others += len(list.Items)
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	return podCount{total, max(0, total-others)}, nil
}

// limited finds the namespaces in which a credential that may not list everything may list pods: those of the cluster's
// settings, or the one that its context prefers.
func (c *Cluster) limited(ctx context.Context) (namespaces []string, pods podCount, err error) {
	spec := c.description()
	candidates := spec.Namespaces
	if len(candidates) == 0 && spec.Credentials.Namespace() != "" {
		candidates = []string{spec.Credentials.Namespace()}
	}
	for _, ns := range candidates {
		n, err := c.conn.countPods(ctx, ns)
		switch {
		case err == nil:
			namespaces = append(namespaces, ns)
			pods.total += n.total
			pods.running += n.running
		case classify(err).Kind != KindForbidden:
			return nil, podCount{}, err
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces), pods, nil
}
