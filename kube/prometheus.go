package kube

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tiga/kube/kinds"
	"tiga/kube/live"
)

// PrometheusPhase says where a cluster stands with its Prometheus. The API uses the words as they are. FR-2.7
type PrometheusPhase string

// The phases. The empty one is that of a cluster which is switched off.
const (
	PrometheusDetecting PrometheusPhase = "detecting"
	PrometheusFound     PrometheusPhase = "found"
	PrometheusMissing   PrometheusPhase = "not_found"
	PrometheusManual    PrometheusPhase = "manual"
	PrometheusFailing   PrometheusPhase = "failing"
)

// Tone is the phase as the look shows it.
func (p PrometheusPhase) Tone() kinds.Tone {
	switch p {
	case PrometheusDetecting:
		return kinds.ToneInfo
	case PrometheusFound, PrometheusManual:
		return kinds.ToneOK
	case PrometheusFailing:
		return kinds.ToneBad
	case PrometheusMissing:
		return kinds.ToneIdle
	default:
		return kinds.ToneNone
	}
}

// PrometheusWay is how a Prometheus that was found is reached. The store uses the words as they are.
type PrometheusWay string

// The ways, the preferred first. FR-2.4
const (
	WayLoadBalancer PrometheusWay = "loadbalancer"
	WayIngress      PrometheusWay = "ingress"
	WayNodePort     PrometheusWay = "nodeport"
	WayClusterIP    PrometheusWay = "clusterip"
	WayProxy        PrometheusWay = "proxy" // the API server's own, to a Service
)

// Prometheus is where a cluster's Prometheus is. Without a Way the address was set by hand.
type Prometheus struct {
	URL string
	Way PrometheusWay
}

// Manual says whether the address was set by hand.
func (p Prometheus) Manual() bool { return p.URL != "" && p.Way == "" }

// PrometheusState is what is known of a cluster's Prometheus.
type PrometheusState struct {
	Phase PrometheusPhase
	Since time.Time
	// Endpoint is the one in use; while a search runs the one of before.
	Endpoint Prometheus
	// Reason says why it fails, why nothing was found, or what a search waits for.
	Reason kinds.Message
	// Tried is what the last search tried in vain.
	Tried []PrometheusTrial
}

// PrometheusTrial is a candidate that did not answer as a Prometheus does.
type PrometheusTrial struct {
	Namespace, Service string
	Endpoint           Prometheus
	Error              kinds.Message
}

// Refusals of a search.
var (
	// ErrDetecting means that a search runs already.
	ErrDetecting = errors.New("the Prometheus is being looked for already")
	// ErrPrometheusSet means that the address was set by hand, so none is looked for.
	ErrPrometheusSet = errors.New("the address of the Prometheus is set by hand")
)

// prometheusEvery is the time between two questions whether the Prometheus that is in use still answers.
const prometheusEvery = time.Minute

// monitor looks after the Prometheus of a cluster.
type monitor struct {
	wake chan struct{}

	mu      sync.Mutex
	state   PrometheusState
	stored  Prometheus // as the store said last
	due     bool       // a search is to be made as soon as the cluster can be reached
	held    time.Time  // the search waits for a health check later than this
	checked time.Time  // when the endpoint was asked last
	work    context.CancelFunc
	search  bool // work is a search
}

func newMonitor(stored Prometheus, searching bool, now time.Time) *monitor {
	m := &monitor{wake: make(chan struct{}, 1), stored: stored}
	m.begin(stored, searching, now)
	return m
}

// begin takes an endpoint for the one to use, or begins to look for one; mu is held, or nobody knows m yet.
func (m *monitor) begin(e Prometheus, searching bool, now time.Time) {
	if m.work != nil {
		m.work()
		m.work = nil // whatever it finds comes too late
	}
	m.due, m.checked, m.state = false, time.Time{}, PrometheusState{Since: now, Endpoint: e}
	switch {
	case e.Manual():
		m.state.Phase = PrometheusManual
	case e.URL != "":
		m.state.Phase = PrometheusFound
	case searching:
		m.state.Phase, m.due = PrometheusDetecting, true
	}
	poke(m.wake)
}

// Prometheus is what is known of the cluster's Prometheus now.
func (c *Cluster) Prometheus() PrometheusState {
	if c.conn == nil {
		return PrometheusState{}
	}
	m := c.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Tried = slices.Clone(s.Tried)
	if m.due && m.work == nil && !c.reachable(m.held) {
		s.Reason = promMessage("waits")
	}
	return s
}

// DetectPrometheus begins a new search; it does not wait for it. Who may ask for it is the caller's to know: it changes
// nothing in the cluster. FR-2.9
func (c *Cluster) DetectPrometheus() error {
	if err := c.ready(target{op: "look for Prometheus"}); err != nil {
		return err
	}
	m := c.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state.Endpoint.Manual():
		return ErrPrometheusSet
	case m.search && m.work != nil, m.due && c.reachable(m.held):
		return ErrDetecting
	}
	before := m.state.Endpoint
	m.begin(Prometheus{}, true, c.cfg.Now())
	m.state.Endpoint, m.held = before, time.Time{}
	c.tellPrometheus()
	return nil
}

// storedPrometheus hears what the store says. Only what is new there counts: what was found here a moment ago may not
// have got there yet.
func (c *Cluster) storedPrometheus(e Prometheus) {
	if c.conn == nil {
		return
	}
	m := c.monitor
	m.mu.Lock()
	defer m.mu.Unlock()
	if e == m.stored {
		return
	}
	m.stored = e
	searching := m.due || m.search && m.work != nil
	if e == m.state.Endpoint && !searching || searching && !e.Manual() || e.URL == "" && m.state.Phase == PrometheusMissing {
		return
	}
	m.begin(e, c.searches(), c.cfg.Now())
	c.tellPrometheus()
}

// inherit keeps what is known of the Prometheus when the connection is built anew for another reason than its server or
// credentials, such as a name: what was not found is not looked for again by itself.
func (c *Cluster) inherit(old *Cluster, spec Spec) {
	if old == nil || old.conn == nil || c.conn == nil || !spec.Credentials.Equal(old.description().Credentials) {
		return
	}
	was := old.Prometheus()
	if was.Phase == PrometheusMissing && spec.Prometheus.URL == "" {
		c.monitor.state, c.monitor.due = was, false
	}
}

// searches says whether there is a place to keep what a search finds; without one nothing is looked for.
func (c *Cluster) searches() bool { return c.cfg.OnPrometheus != nil }

func (c *Cluster) tellPrometheus() {
	c.cfg.Hub.Publish(live.Fleet)
	c.cfg.Hub.Publish(live.Health(c.id))
}

// reachable says whether the cluster answered when it was last checked, after an instant.
func (c *Cluster) reachable(after time.Time) bool {
	s := c.State()
	return s.Checked.After(after) && (s.Health == HealthHealthy || s.Health == HealthWarning)
}

// watchPrometheus looks for the cluster's Prometheus, and asks the one in use from time to time, until the cluster is
// closed. Nothing waits for it. FR-2.1, FR-2.8
func (c *Cluster) watchPrometheus() {
	tick := time.NewTicker(prometheusEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.monitor.wake:
		case <-tick.C:
		}
		for c.ctx.Err() == nil && c.monitorOnce() {
		}
	}
}

// monitorOnce does what is to be done now, and says whether it did anything.
func (c *Cluster) monitorOnce() bool {
	m, now := c.monitor, c.cfg.Now()
	m.mu.Lock()
	search := m.due && c.reachable(m.held)
	// A little less than the tick, which comes a little early or late.
	ask := !m.due && m.state.Endpoint.URL != "" && (m.checked.IsZero() || now.Sub(m.checked) >= prometheusEvery-time.Second)
	if !search && !ask {
		m.mu.Unlock()
		return false
	}
	limit := askTimeout
	if search {
		limit, m.due = searchTimeout, false
	}
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	// Whoever replaces the work meanwhile calls mine, and sets another or none.
	ended := false
	m.work, m.search = func() { ended = true; cancel() }, search
	endpoint := m.state.Endpoint
	m.checked = now
	m.mu.Unlock()

	if !search {
		err := c.askPrometheus(ctx, endpoint)
		m.mu.Lock()
		defer m.mu.Unlock()
		if !ended && c.ctx.Err() == nil {
			m.work = nil
			c.answered(err)
		}
		return true
	}
	found, err := c.findPrometheus(ctx)
	m.mu.Lock()
	if ended || c.ctx.Err() != nil {
		m.mu.Unlock()
		return true
	}
	m.work = nil
	if err != nil && lost(err) {
		// The cluster went away, which is no answer. The search goes on when it is back.
		m.due, m.held = true, c.cfg.Now()
		m.mu.Unlock()
		c.noticed(err)
		return false
	}
	c.settlePrometheus(found)
	m.mu.Unlock()
	// The store has the last word on whether it keeps it: somebody may have set an address meanwhile.
	c.cfg.OnPrometheus(c.id, found.endpoint)
	return true
}

// lost says whether an error means that the cluster cannot be reached.
func lost(err error) bool {
	kind := classify(err).Kind
	return kind == KindUnreachable || kind == KindTimeout
}

// settlePrometheus takes over what a search found; the monitor's mu is held.
func (c *Cluster) settlePrometheus(found finding) {
	m := c.monitor
	m.stored = found.endpoint
	m.state = PrometheusState{Phase: PrometheusFound, Since: c.cfg.Now(), Endpoint: found.endpoint}
	if found.endpoint.URL == "" {
		m.state.Phase, m.state.Tried, m.state.Reason = PrometheusMissing, found.tried, found.reason
	}
	m.checked = m.state.Since
	c.log.Info("prometheus", "phase", string(m.state.Phase), "way", string(found.endpoint.Way), "tried", len(found.tried))
	c.tellPrometheus()
}

// answered takes over whether the endpoint in use answers; the monitor's mu is held. What fails is not looked for anew
// by itself.
func (c *Cluster) answered(err error) {
	m := c.monitor
	next := PrometheusState{Phase: PrometheusFound, Endpoint: m.state.Endpoint, Since: m.state.Since}
	if next.Endpoint.Manual() {
		next.Phase = PrometheusManual
	}
	if err != nil {
		next.Phase, next.Reason = PrometheusFailing, promReason(err)
	}
	if next.Phase == m.state.Phase && sameMessage(next.Reason, m.state.Reason) {
		return
	}
	if next.Phase != m.state.Phase {
		next.Since = c.cfg.Now()
	}
	m.state = next
	c.log.Info("prometheus", "phase", string(next.Phase), "reason", next.Reason.ID)
	c.tellPrometheus()
}

// finding is what a search came to.
type finding struct {
	endpoint Prometheus
	tried    []PrometheusTrial
	reason   kinds.Message
}

// promMessage is one of the texts about Prometheus.
func promMessage(id string, args ...any) kinds.Message {
	m := message(id, args...)
	m.ID = "prometheus." + id
	return m
}

// rank orders the ways.
func (w PrometheusWay) rank() int {
	return slices.Index([]PrometheusWay{WayLoadBalancer, WayIngress, WayNodePort, WayClusterIP, WayProxy}, w)
}

// byPreference orders candidates: a Service that is named or labelled as a Prometheus before one that only has its port,
// and then by the way to it. FR-2.4
func byPreference(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.doubt/2, b.doubt/2), cmp.Compare(a.endpoint.Way.rank(), b.endpoint.Way.rank()), cmp.Compare(a.doubt, b.doubt),
		cmp.Compare(a.usual, b.usual), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.service, b.service), cmp.Compare(a.order, b.order))
}
