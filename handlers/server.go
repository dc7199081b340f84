// Package handlers is Tiga's face: it turns requests into questions and changes, and what comes back into pages.
package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/live"
	"tiga/kube/manifest"
	"tiga/locales"
	"tiga/static"
)

// How long a request may wait for what it needs.
const (
	pageBudget  = 30 * time.Second
	listBudget  = 15 * time.Second
	getBudget   = 5 * time.Second
	actBudget   = 15 * time.Second
	storeBudget = 2 * time.Second
)

// Config is everything a Server is made of. All fields without a default are required.
type Config struct {
	Store     *db.Store
	Fleet     *kube.Fleet
	Hub       *live.Hub
	Authority *access.Authority
	Hasher    *access.Hasher
	Catalogue *locales.Catalogue
	Log       *slog.Logger
	// Metrics is where the server's figures are registered, and what /metrics shows.
	Metrics *prometheus.Registry
	// MetricsElsewhere says that /metrics has a listener of its own and is not served here.
	MetricsElsewhere bool
	Site             *guard.Site
	TrustedProxies   []netip.Prefix
	FrameAncestors   []string
	// ReadOnly refuses every change on the whole server.
	ReadOnly bool
	// Uploads says which kubeconfigs are accepted from the browser and the API.
	Uploads kubeconfig.Policy
	// Prometheus is where the Prometheus of clusters is, by the cluster's name, where the configuration says so.
	Prometheus map[string]string
	// InCluster reads the credentials of the cluster that Tiga runs in, which can be added as one of its own. Nil where it
	// runs in none.
	InCluster func() (kubeconfig.Context, error)
	// History keeps what changes in the clusters; nil where that is not wanted.
	History *History
	// Development serves the gallery of views at /gallery.
	Development bool
	Version     string
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Server answers requests. Make one with New, fill it with Load, and close it when no more requests come.
type Server struct {
	store     *db.Store
	fleet     *kube.Fleet
	hub       *live.Hub
	authority *access.Authority
	hasher    *access.Hasher
	catalogue *locales.Catalogue
	log       *slog.Logger
	site      *guard.Site
	sessions  *sessionStore
	logins    *guard.LoginLimiter
	streams   *streamLimit
	headers   *guard.Headers
	openAPI   *huma.OpenAPI
	metrics   *metrics
	manifests *manifest.Reader
	looks     *looks
	actions   map[kinds.Action]action
	// undertakings are the operations that outlive their requests.
	undertakings *undertakings
	history      *History
	cfg          Config
	now          func() time.Time

	reloading sync.Mutex
	handler   http.Handler
	table     []route
	endless   map[string]bool // the streams of the table, by method and pattern
	verified  atomic.Pointer[verification]
	closing   chan struct{}
	closeOnce sync.Once
	loaded    chan struct{}
	loadOnce  sync.Once
}

// New builds the server and its route table. It fails when a route declares no effect or a setting cannot be used.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		store: cfg.Store, fleet: cfg.Fleet, hub: cfg.Hub, authority: cfg.Authority, hasher: cfg.Hasher,
		catalogue: cfg.Catalogue, log: cfg.Log, site: cfg.Site, cfg: cfg, now: cfg.Now,
		manifests: manifest.NewReader(), streams: newStreamLimit(), endless: map[string]bool{}, looks: newLooks(), actions: actions(),
		undertakings: newUndertakings(), history: cfg.History, closing: make(chan struct{}), loaded: make(chan struct{}),
	}
	s.sessions = &sessionStore{store: cfg.Store, site: cfg.Site, now: cfg.Now}
	s.logins = guard.NewLoginLimiter(guard.LoginLimiterConfig{Store: failures{cfg.Store}, Now: cfg.Now})
	var err error
	if s.metrics, err = newMetrics(cfg.Metrics); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := cfg.Metrics.Register(newCollector(s)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	s.handler, err = s.build()
	return s, err
}

// build puts the route table behind the middleware, in the order of security: each part may rely on those before it.
func (s *Server) build() (http.Handler, error) {
	var err error
	if s.headers, err = guard.NewHeaders(guard.HeadersConfig{Site: s.site, FrameAncestors: s.cfg.FrameAncestors}); err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(
		guard.RequestID, // before Recover, whose answer and log line name the request
		guard.Recover(s.panicked),
		s.measured,
		s.headers.SecurityHeaders,
		guard.Hosts(s.site, s.refuse),
		guard.ClientIP(s.cfg.TrustedProxies),
		guard.Limits(guard.LimitsConfig{OnRefusal: s.refuse, BodyOf: bodyLimit}),
		guard.CrossOrigin(guard.CrossOriginConfig{Site: s.site, OnRefusal: s.refuse}),
	)
	r.NotFound(s.timed(s.withVisit(s.handle(func(http.ResponseWriter, *http.Request) error { return errNoRoute }))).ServeHTTP)
	r.MethodNotAllowed(s.timed(s.withVisit(s.handle(func(http.ResponseWriter, *http.Request) error { return errMethod }))).ServeHTTP)
	r.Handle("/static/*", static.Handler())
	r.Get("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, static.Path("favicon.svg"), http.StatusMovedPermanently)
	})
	if s.cfg.Development {
		r.Get("/gallery/", s.handle(s.showGallery))
		r.Get("/gallery/{story}", s.handle(s.showGallery))
	}
	s.table = s.routes()
	r.Group(func(r chi.Router) {
		r.Use(
			s.timed,
			s.withVisit,
			guard.RateLimit(guard.RateLimitConfig{Session: sessionKey, Now: s.now, OnRefusal: s.refuse}),
			guard.NoStore,
			guard.Compress,
		)
		if err = s.mount(r, s.table); err != nil {
			return
		}
		s.table = append(s.table, s.mountAPI(r)...)
	})
	for _, row := range s.table {
		s.endless[row.method+" "+row.pattern] = row.stream
	}
	return r, err
}

// Handler is the server's root handler.
func (s *Server) Handler() http.Handler { return s.handler }

// MetricsHandler shows the figures to Prometheus.
func (s *Server) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{})
}

// Close ends every live stream, so that the HTTP server can drain, and asks operations to stop; Settle waits for them.
func (s *Server) Close() {
	s.closeOnce.Do(func() { close(s.closing) })
	s.undertakings.close()
}

// timed ends what a request waits for after a while. Only what the route table marks as a stream goes on: one that lacks
// its mark is cut instead of living for ever.
func (s *Server) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.endless[r.Method+" "+routePattern(r)] {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), pageBudget)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *Server) panicked(w http.ResponseWriter, r *http.Request, p guard.Panic) {
	s.log.ErrorContext(r.Context(), "panic in a handler", "panic", fmt.Sprint(p.Value), "stack", string(p.Stack),
		"route", routePattern(r), "request_id", requestID(r))
	if !p.Started {
		s.fail(w, r, errors.New("panic"))
	}
}

// refuse shows what guard turned away.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, refusal *guard.Refusal) {
	s.fail(w, r, refusal)
}

func requestID(r *http.Request) string { return guard.RequestIDOf(r.Context()) }

// sessionKey names the session or token that a request proved, for rate limits.
func sessionKey(r *http.Request) string {
	v := visitOf(r)
	switch {
	case v.session != nil:
		return fmt.Sprintf("session %d", v.session.row.ID)
	case v.subject.TokenID != 0:
		return fmt.Sprintf("token %d", v.subject.TokenID)
	}
	return ""
}

// withVisit finds out who is asking, by cookie or token, and in which language and theme.
func (s *Server) withVisit(next http.Handler) http.Handler {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		v := &visit{at: s.hub.ID(), locale: s.catalogue.Match(r.Header.Get("Accept-Language"), cookieValue(r, languageCookie)), theme: cookieValue(r, themeCookie)}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		if token, ok := bearer(r); ok {
			if err := s.byToken(r, v, token); err != nil {
				return err
			}
			next.ServeHTTP(w, r)
			return nil
		}
		found, err := s.sessions.load(r)
		if err != nil {
			return err
		}
		if found != nil {
			// A store that cannot be written does not keep anybody from reading.
			if err := s.sessions.keep(w, r, found, s.authority.Version(), guard.ClientIPOf(r.Context()).String()); err != nil {
				s.log.WarnContext(r.Context(), "session not kept up", "error", err, "request_id", requestID(r))
			}
			v.session, v.subject = found, found.subject()
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// showHealthy says that the process answers.
func (s *Server) showHealthy(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("ok\n"))
	return err
}

// showReady says that the store answers and the fleet is loaded. Clusters that do not answer do not count: their own
// pages say so.
func (s *Server) showReady(w http.ResponseWriter, r *http.Request) error {
	select {
	case <-s.loaded:
	default:
		return &ProblemError{Status: http.StatusServiceUnavailable, ID: "starting", Retry: time.Second}
	}
	select {
	case <-s.closing:
		return &ProblemError{Status: http.StatusServiceUnavailable, ID: "stopping"}
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeBudget)
	defer cancel()
	if err := s.store.Ping(ctx); err != nil {
		return err
	}
	return s.showHealthy(w, r)
}
