package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tiga/access"
	"tiga/db"
	"tiga/handlers"
	"tiga/handlers/guard"
	"tiga/kube"
	"tiga/kube/kubeconfig"
	"tiga/kube/live"
	"tiga/locales"
)

const (
	// drainBudget is how long a stopping server waits for requests under way.
	drainBudget = 20 * time.Second
	// leaveBudget is how long the fleet and the audit log then have.
	leaveBudget = 4 * time.Second
)

// serveCommand serves the console.
type serveCommand struct {
	Store storeSettings `embed:""`
	Log   logSettings   `embed:""`
	Web   webSettings   `embed:""`
	Past  pastSettings  `embed:""`

	Kubeconfig            string   `help:"Kubeconfig whose contexts are imported; KUBECONFIG or ~/.kube/config by default, several separated by colons." placeholder:"FILE"`
	AdminPassword         string   `help:"Password of the user admin on first start; without it a one-time password is printed." placeholder:"PASSWORD"`
	ReadOnly              bool     `help:"Refuse every change, in Tiga and in all clusters."`
	PrometheusURL         []string `help:"Where the Prometheus of a cluster is, as NAME=URL; several separated by commas, or the flag repeated. It is not looked for then." placeholder:"NAME=URL"`
	AllowExecCredentials  bool     `help:"Run credential plugins (EKS, GKE, AKS) that a kubeconfig named by --kubeconfig asks for. Never for uploads."`
	AllowInsecureClusters bool     `help:"Accept clusters whose certificate is not checked."`
	Development           bool     `help:"Serve the gallery of views at /gallery." hidden:""`
}

// Run serves until ctx ends, and then drains.
func (c *serveCommand) Run(ctx context.Context, std streams) (err error) {
	if err := c.Web.check(); err != nil {
		return err
	}
	if err := c.Past.check(); err != nil {
		return err
	}
	log, err := c.Log.logger(std)
	if err != nil {
		return err
	}
	limitMemory(log)
	addresses, err := prometheusURLs(c.PrometheusURL)
	if err != nil {
		return err
	}
	contexts, source, err := c.contexts(ctx, log)
	if err != nil {
		return err
	}
	store, err := c.Store.open(ctx, log, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	// What follows outlives the signal: requests under way are drained on it.
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// A change just after a page was read waits for the next signal; with this and the time to read, it is on screen within
	// a second.
	hub := live.New(live.Config{Interval: 800 * time.Millisecond})
	past := handlers.NewHistory(handlers.HistoryConfig{Mode: c.Past.History, Limits: c.Past.limits(), Store: store, Hub: hub, Log: log})
	fleet := kube.NewFleet(run, kube.Config{
		Hub: hub, Log: log, AllowExec: c.AllowExecCredentials, UserAgent: "tiga/" + version,
		OnHealth:     handlers.KeepHealth(store, func(err error) { log.WarnContext(run, "health not kept", "error", err) }),
		OnPrometheus: handlers.KeepPrometheus(store, time.Now, func(err error) { log.WarnContext(run, "prometheus not kept", "error", err) }),
		OnChanges:    past.Seen(),
	})
	defer func() {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveBudget)
		defer cancel()
		err = errors.Join(err, fleet.Close(leave))
	}()

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Web.Listen)
	if err != nil {
		return settingError{setting: "--listen", problem: "cannot be listened on", err: err}
	}
	defer listener.Close()
	server, err := c.server(store, fleet, hub, past, log, listener.Addr().String(), addresses)
	if err != nil {
		return err
	}
	if err := server.Load(ctx); err != nil {
		return err
	}
	once, err := firstUser(ctx, store, c.AdminPassword)
	if err != nil {
		return err
	}
	// This also puts the rights of the first user into force.
	if err := server.Import(ctx, contexts, source); err != nil {
		return err
	}
	c.greet(std, listener.Addr(), once)
	upkeep := make(chan struct{})
	go func() {
		defer close(upkeep)
		server.Run(run)
	}()
	err = c.answer(ctx, log, listener, server)
	stop()
	<-upkeep
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveBudget)
	defer cancel()
	return errors.Join(err, server.Checkpoint(leave))
}

// server wires the HTTP side together.
func (c *serveCommand) server(store *db.Store, fleet *kube.Fleet, hub *live.Hub, past *handlers.History, log *slog.Logger, bound string, addresses map[string]string) (*handlers.Server, error) {
	site, err := c.Web.site(bound)
	if err != nil {
		return nil, err
	}
	proxies, err := c.Web.proxies()
	if err != nil {
		return nil, err
	}
	catalogue, err := locales.Load()
	if err != nil {
		return nil, fmt.Errorf("load messages: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var inCluster func() (kubeconfig.Context, error)
	if isSet("KUBERNETES_SERVICE_HOST") {
		inCluster = ownCluster
	}
	return handlers.New(handlers.Config{
		Store: store, Fleet: fleet, Hub: hub, Authority: access.New(), Hasher: access.NewHasher(access.HasherConfig{}),
		Catalogue: catalogue, Log: log, Metrics: registry, MetricsElsewhere: c.Web.MetricsListen != "", Site: site, TrustedProxies: proxies,
		FrameAncestors: c.Web.FrameAncestors, ReadOnly: c.ReadOnly, Uploads: kubeconfig.Policy{AllowInsecure: c.AllowInsecureClusters},
		InCluster: inCluster, Prometheus: addresses, History: past, Development: c.Development, Version: version,
	})
}

// contexts reads the kubeconfigs that the operator named, or the pod's own service account. None at all is no error:
// clusters can be added in the browser.
func (c *serveCommand) contexts(ctx context.Context, log *slog.Logger) ([]kubeconfig.Context, string, error) {
	paths, err := operatorKubeconfigs(c.Kubeconfig)
	if err != nil {
		return nil, "", err
	}
	if len(paths) > 0 {
		found, err := kubeconfig.Load(paths, kubeconfig.Policy{AllowExec: c.AllowExecCredentials, AllowInsecure: c.AllowInsecureClusters})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", nil
		}
		if err != nil {
			return nil, "", settingError{setting: "--kubeconfig", problem: "cannot be used", err: err}
		}
		return found, "kubeconfig", nil
	}
	own, err := ownCluster()
	if errors.Is(err, kubeconfig.ErrNotInCluster) {
		log.InfoContext(ctx, "no kubeconfig found; add clusters in the browser")
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the service account: %w", err)
	}
	return []kubeconfig.Context{own}, "in-cluster", nil
}

// ownCluster reads the service account of the pod that Tiga runs in.
func ownCluster() (kubeconfig.Context, error) {
	return kubeconfig.InCluster(os.Getenv, kubeconfig.ServiceAccountDir)
}

// greet tells whoever started the program where to go, on standard output. The one-time password stands nowhere else.
func (c *serveCommand) greet(std streams, addr net.Addr, once string) {
	address := "http://" + addr.String()
	if c.Web.ExternalURL != "" {
		address = strings.TrimRight(c.Web.ExternalURL, "/")
	}
	fmt.Fprintf(std.out, "\n  Tiga %s is at %s\n", version, address)
	if once != "" {
		fmt.Fprintf(std.out, "  Sign in as %s with the one-time password %s\n", adminName, once)
	}
	fmt.Fprintln(std.out)
}

// answer serves until ctx ends, and then lets requests under way finish.
func (c *serveCommand) answer(ctx context.Context, log *slog.Logger, listener net.Listener, server *handlers.Server) error {
	main := newHTTPServer(server.Handler(), log)
	failed := make(chan error, 2)
	go func() { failed <- main.Serve(listener) }()
	servers := []*http.Server{main}
	if c.Web.MetricsListen != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Web.MetricsListen)
		if err != nil {
			return errors.Join(settingError{setting: "--metrics-listen", problem: "cannot be listened on", err: err}, main.Close())
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", server.MetricsHandler())
		metrics := newHTTPServer(mux, log)
		servers = append(servers, metrics)
		go func() { failed <- metrics.Serve(l) }()
	}
	log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "version", version)
	var err error
	select {
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping: requests under way are finished first")
	case err = <-failed:
	}
	server.Close()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainBudget)
	defer cancel()
	for _, s := range servers {
		if e := s.Shutdown(drain); e != nil {
			err = errors.Join(err, e, s.Close())
		}
	}
	server.Settle(drain) // operations have been told to stop by Close
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// newHTTPServer has the limits that bound what a slow or idle connection costs. There is no write timeout: streams set
// a deadline for each message.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 90 * time.Second, MaxHeaderBytes: guard.MaxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// gcPercent is how much the heap grows before it is collected. What the lists hold lives long, and most of what requests
// leave behind is small beside it: collecting a quarter earlier saves more memory than it costs work.
const gcPercent = 75

// limitMemory lets the garbage collector work harder, and harder still before the container's limit is reached, unless GOGC
// and GOMEMLIMIT say otherwise.
func limitMemory(log *slog.Logger) {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return
	}
	raw, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil { // "max": there is no limit
		return
	}
	debug.SetMemoryLimit(limit / 10 * 9)
	log.Debug("memory limit set", "bytes", limit/10*9)
}
