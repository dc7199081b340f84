package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"tiga/access"
	"tiga/kube"
)

// metrics are the process's own figures, in Prometheus' conventions (base units, _total for counters).
type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	streams  prometheus.Gauge
	lost     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tiga_http_requests_total", Help: "Requests answered, by route pattern, method and status.",
		}, []string{"route", "method", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tiga_http_request_duration_seconds", Help: "Time to answer a request, streams excepted, by route pattern and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route", "method"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tiga_http_streams", Help: "Live streams open now.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tiga_audit_rows_lost_total", Help: "Audit rows that could not be written; anything but 0 is a fault.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.latency, m.streams, m.lost} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// measured counts a request and its time under the route's pattern, so that no name of an object becomes a label.
func (s *Server) measured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		status := ww.Status()
		if status == 0 {
			status = http.StatusOK
		}
		pattern := routePattern(r)
		s.metrics.requests.WithLabelValues(pattern, r.Method, strconv.Itoa(status)).Inc()
		took := s.now().Sub(start)
		if ww.Header().Get("Content-Type") != eventStream {
			s.metrics.latency.WithLabelValues(pattern, r.Method).Observe(took.Seconds())
		}
		s.log.DebugContext(r.Context(), "request", "method", r.Method, "route", pattern, "status", status,
			"duration", took.Round(time.Microsecond), "bytes", ww.BytesWritten(), "request_id", requestID(r))
	})
}

// collector reads the figures that live in other packages at the moment Prometheus asks.
type collector struct {
	s *Server

	rows, hits, misses, restarts, relists, quarantined *prometheus.Desc
	health, nodes                                      *prometheus.Desc
	held, heldBytes, missed                            *prometheus.Desc
	dbOpen, dbInUse, dbWait, spooled                   *prometheus.Desc
}

func newCollector(s *Server) *collector {
	table := []string{"cluster", "kind"}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &collector{
		s:           s,
		rows:        desc("tiga_cache_rows", "Objects held in memory.", table...),
		hits:        desc("tiga_cache_hits_total", "Questions answered by a table that was in memory.", table...),
		misses:      desc("tiga_cache_misses_total", "Questions that had to start a table.", table...),
		restarts:    desc("tiga_cache_watch_restarts_total", "Watches that were started again.", table...),
		relists:     desc("tiga_cache_relists_total", "Full reads from the API server.", table...),
		quarantined: desc("tiga_cache_quarantined", "Objects put aside because they break their projection.", table...),
		health:      desc("tiga_cluster_health", "1 for the state that the cluster is in.", "cluster", "state"),
		nodes:       desc("tiga_cluster_nodes", "Nodes of a cluster, by readiness.", "cluster", "ready"),
		held:        desc("tiga_history_objects", "Objects whose last state is held to see what changes.", "cluster"),
		heldBytes:   desc("tiga_history_bytes", "Memory of these states.", "cluster"),
		missed:      desc("tiga_history_missed_total", "Changes that came too fast to be recorded, or could not be stored.", "cluster"),
		dbOpen:      desc("tiga_db_connections_open", "Open connections to the store."),
		dbInUse:     desc("tiga_db_connections_in_use", "Connections to the store in use."),
		dbWait:      desc("tiga_db_wait_seconds_total", "Time spent waiting for a connection to the store."),
		spooled:     desc("tiga_audit_rows_spooled", "Audit rows that wait on this machine's disk for the store."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.rows, c.hits, c.misses, c.restarts, c.relists, c.quarantined, c.health, c.nodes, c.held, c.heldBytes, c.missed, c.dbOpen, c.dbInUse, c.dbWait, c.spooled,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, cluster := range c.s.fleet.Clusters() {
		name, st := cluster.Name(), cluster.State()
		for _, h := range []kube.Health{kube.HealthUnknown, kube.HealthHealthy, kube.HealthWarning, kube.HealthError, kube.HealthUnavailable} {
			v := 0.0
			if st.Health == h {
				v = 1
			}
			gauge(c.health, v, name, string(h))
		}
		gauge(c.nodes, float64(st.NodesReady), name, "true")
		gauge(c.nodes, float64(st.Nodes-st.NodesReady), name, "false")
		for _, t := range cluster.Stats() {
			gauge(c.rows, float64(t.Rows), name, t.Kind)
			gauge(c.quarantined, float64(t.Quarantined), name, t.Kind)
			counter(c.hits, float64(t.Hits), name, t.Kind)
			counter(c.misses, float64(t.Misses), name, t.Kind)
			counter(c.restarts, float64(t.WatchRestarts), name, t.Kind)
			counter(c.relists, float64(t.Relists), name, t.Kind)
		}
	}
	if c.s.history != nil {
		for _, cluster := range c.s.fleet.Clusters() {
			held := cluster.RecorderStats()
			gauge(c.held, float64(held.Objects), cluster.Name())
			gauge(c.heldBytes, float64(held.Bytes), cluster.Name())
			counter(c.missed, float64(held.Missed), cluster.Name())
		}
	}
	stats := c.s.store.Stats()
	gauge(c.dbOpen, float64(stats.Reader.OpenConnections+stats.Writer.OpenConnections))
	gauge(c.dbInUse, float64(stats.Reader.InUse+stats.Writer.InUse))
	gauge(c.spooled, float64(stats.Spooled))
	counter(c.dbWait, (stats.Reader.WaitDuration + stats.Writer.WaitDuration).Seconds())
}

// showMetrics shows the figures on the main address to those who may read them: their labels name every cluster. A
// scraper brings an API token, or uses the address of --metrics-listen.
func (s *Server) showMetrics(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbGet, "metrics"); err != nil {
		return err
	}
	s.MetricsHandler().ServeHTTP(w, r)
	return nil
}
