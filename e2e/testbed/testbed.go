// Package testbed starts real Kubernetes control planes on one machine,
// without containers: an API server with its store, the controller manager
// and the scheduler, and nodes that KWOK simulates. Tests start one with
// Start; the command in cmd/testbed keeps named ones running with Up.
package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// startTimeout bounds the wait for a control plane and its nodes, on a
	// machine that is busy with other things.
	startTimeout = 2 * time.Minute
	// stopTimeout bounds the wait for killed processes to be gone.
	stopTimeout = 20 * time.Second
	// podsPerNode is how full the nodes of a cluster are made for Pods.
	podsPerNode = 100
)

// Seed names what a cluster is filled with.
type Seed string

// The clusters of a small company. Empty holds nothing but nodes.
const (
	Empty      Seed = ""
	Production Seed = "production" // 12 nodes, about 200 pods, with everything that goes wrong in a cluster
	Staging    Seed = "staging"    // 5 nodes, about 40 pods, healthy
	Dev        Seed = "dev"        // 3 nodes, one of them not ready, about 20 pods
)

// Options says what a cluster is like. The zero value is a bare control plane
// with one node.
type Options struct {
	// Name names the cluster and its kubeconfig context; "testbed" if empty.
	Name string
	// Dir keeps what the cluster writes. Start ignores it; Up needs it.
	Dir string
	// Nodes is how many nodes there are. Zero is one, or as many as the seed
	// has, or as many as the pods need.
	Nodes int
	// Seed fills the cluster.
	Seed Seed
	// Pods is how many more pods run, of Deployments of 50 that are spread
	// over Namespaces. Zero Namespaces is one for each 500 pods.
	Pods       int
	Namespaces int
	// Objects is how many more objects of a dozen other kinds there are, such as
	// ConfigMaps, Secrets and Events, spread over Namespaces as well.
	Objects int
	// Families are those whose CustomResourceDefinitions are installed, such as
	// Kruise; see Families.
	Families []string
	// Metrics adds a metrics-server that reads what the simulated nodes say that
	// pods take. The seed Production has one always. The first figures come within
	// half a minute of the start.
	Metrics bool
	// EmulatedVersion, such as "1.34", makes the API server an older one.
	EmulatedVersion string
	// Log receives progress; Start writes to the test's log if it is nil, Up
	// nowhere.
	Log io.Writer `json:"-"`
}

func (o Options) withDefaults() (Options, error) {
	o.Name = cmp.Or(o.Name, "testbed")
	if !regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`).MatchString(o.Name) {
		return o, fmt.Errorf("name %q: want lower-case letters, digits and dashes", o.Name)
	}
	if o.EmulatedVersion != "" && !regexp.MustCompile(`^1\.\d+$`).MatchString(o.EmulatedVersion) {
		return o, fmt.Errorf("emulated version %q: want major and minor, such as 1.34", o.EmulatedVersion)
	}
	for _, name := range o.Families {
		if _, ok := families()[name]; !ok {
			return o, fmt.Errorf("family %q: want one of %s", name, strings.Join(Families(), ", "))
		}
	}
	if o.Nodes < 0 || o.Pods < 0 || o.Namespaces < 0 || o.Objects < 0 {
		return o, errors.New("nodes, pods, namespaces and objects are numbers from zero")
	}
	c, known := companies()[o.Seed]
	if !known && o.Seed != Empty {
		return o, fmt.Errorf("seed %q: want one of %s, %s, %s", o.Seed, Production, Staging, Dev)
	}
	if o.Nodes == 0 {
		o.Nodes = max(1, c.nodes+(o.Pods+podsPerNode-1)/podsPerNode)
	}
	if (o.Pods > 0 || o.Objects > 0) && o.Namespaces == 0 {
		o.Namespaces = max(1, o.Pods/500)
	}
	o.Metrics = o.Metrics || o.Seed == Production
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o, nil
}

// Cluster is a running Kubernetes control plane with simulated nodes.
type Cluster struct {
	opts     Options
	dir      string
	detached bool // it outlives this process
	bin      Binaries
	cache    string
	ca       *authority
	ports    ports
	claims   []claim
	config   *rest.Config // the testbed's own
	client   kubernetes.Interface

	mu        sync.Mutex
	processes map[string]process
}

// Start builds what is missing and starts a cluster for the test, which ends
// with the test, even when the test is killed. Failing that, the test fails.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Log == nil {
		o.Log = t.Output()
	}
	o.Dir = t.TempDir()
	c, err := start(t.Context(), o, false)
	if err != nil {
		t.Fatalf("start a testbed cluster: %v", err)
	}
	t.Cleanup(func() {
		// The test's context has ended by now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stopTimeout)
		defer cancel()
		if err := c.kill(ctx); err != nil {
			t.Errorf("stop a testbed cluster: %v", err)
		}
	})
	return c
}

// Up builds what is missing and starts a cluster that goes on when this
// process ends. Its credentials and ports are those that the cluster in the
// folder had before, as long as nobody else has taken the ports; what was in
// it is not kept. A cluster that runs already is returned as it is.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	if o.Dir == "" {
		return nil, errors.New("a cluster that stays needs a folder")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cluster's folder: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"), io.Discard, o.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c, err := Open(dir); err == nil && c.Running() {
		return c, nil
	}
	return start(ctx, o, true)
}

// Open returns the cluster that Up started in the folder, running or not.
func Open(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	s, err := readState(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: s.Options, dir: dir, detached: true, bin: s.Binaries, ports: s.Ports, processes: s.Processes}
	c.opts.Log = io.Discard
	if c.ca, err = readAuthority(c.path("pki")); err != nil {
		return nil, err
	}
	return c, c.connect()
}

// start brings up a cluster in o.Dir.
func start(ctx context.Context, o Options, detached bool) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	bin, err := build(ctx, o.Log, o.Metrics)
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: o, dir: o.Dir, detached: detached, bin: bin, cache: cache, processes: map[string]process{}}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.bringUp(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, c.kill(stop))
	}
	if detached {
		release(c.claims)
		c.claims = nil
	}
	return c, nil
}

// prepare puts into the folder what the processes need, and takes away what
// an earlier cluster has left.
func (c *Cluster) prepare(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's folder: %w", err)
	}
	before, err := readState(c.dir)
	switch {
	case err == nil:
		for _, p := range before.Processes {
			if err := p.stop(ctx); err != nil {
				return fmt.Errorf("stop what is left of %s: %w", c.opts.Name, err)
			}
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := c.removeData(); err != nil {
		return err
	}
	if c.ca, err = readAuthority(c.path("pki")); err != nil {
		if c.ca, err = writePKI(c.path("pki")); err != nil {
			return err
		}
	}
	if err := c.claimPorts(before.Ports); err != nil {
		return err
	}
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.writeFiles(); err != nil {
		return err
	}
	return c.save(false)
}

// bringUp starts the processes, makes the nodes and fills the cluster.
func (c *Cluster) bringUp(ctx context.Context) error {
	begin := time.Now()
	within, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.startControlPlane(within); err != nil {
		return err
	}
	if err := c.makeNodes(within); err != nil {
		return err
	}
	c.logf("control plane ready after %s", time.Since(begin).Round(100*time.Millisecond))
	if err := c.seed(ctx); err != nil {
		return err
	}
	if c.opts.Metrics {
		if err := c.waitMetrics(ctx); err != nil {
			return err
		}
	}
	if err := c.save(true); err != nil {
		return err
	}
	c.logf("ready after %s", time.Since(begin).Round(100*time.Millisecond))
	return nil
}

func (c *Cluster) logf(format string, args ...any) {
	fmt.Fprintf(c.opts.Log, "%s: %s\n", c.opts.Name, fmt.Sprintf(format, args...))
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// Name is the name of the cluster and of its kubeconfig context.
func (c *Cluster) Name() string { return c.opts.Name }

// Server is the URL of the API server.
func (c *Cluster) Server() string { return fmt.Sprintf("https://127.0.0.1:%d", c.ports.APIServer) }

// Running says whether all processes of the cluster run and it was ready
// once.
func (c *Cluster) Running() bool {
	s, err := readState(c.dir)
	if err != nil || !s.Ready || len(s.Processes) == 0 {
		return false
	}
	for _, p := range s.Processes {
		if !p.alive() {
			return false
		}
	}
	return true
}

// Down ends the cluster's processes and no other, and removes what was in it.
// Credentials and ports are kept for the next Up.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.kill(ctx); err != nil {
		return err
	}
	if err := c.removeData(); err != nil {
		return err
	}
	return c.save(false)
}

func (c *Cluster) kill(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.processes)) {
		errs = append(errs, c.processes[name].stop(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.processes = map[string]process{}
	release(c.claims)
	c.claims = nil
	return nil
}

// StopAPIServer kills the API server; clients find its port closed. What is
// stored stays.
func (c *Cluster) StopAPIServer(ctx context.Context) error { return c.stopPart(ctx, apiServer) }

func (c *Cluster) stopPart(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.processes[name].stop(ctx); err != nil {
		return err
	}
	delete(c.processes, name)
	return c.saveLocked(false)
}

// StopControllers ends everything that acts in the cluster by itself: what is
// in it stays as it is written. It does not come back.
func (c *Cluster) StopControllers(ctx context.Context) error {
	for _, name := range []string{controllers, scheduler, kwok} {
		if err := c.stopPart(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// StartAPIServer starts a stopped API server on the same port and the same
// data, and returns when it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if err := c.spawn(apiServer); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	return c.save(true)
}

// PauseAPIServer makes the API server hang: it accepts connections, or the
// kernel does for it, and never answers.
func (c *Cluster) PauseAPIServer(ctx context.Context) error {
	p := c.process(apiServer)
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return waitFor(ctx, pollEvery, func(context.Context) error {
		_, state, err := procStat(p.PID)
		if err != nil {
			return finalError{err}
		}
		if state != "T" {
			return fmt.Errorf("%s is in state %s", apiServer, state)
		}
		return nil
	})
}

// ResumeAPIServer lets a paused API server go on, and returns when it answers.
func (c *Cluster) ResumeAPIServer(ctx context.Context) error {
	if err := c.process(apiServer).signal(syscall.SIGCONT); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

func (c *Cluster) process(name string) process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.processes[name]
}

// Client is a client of an administrator whose requests RequestCount does not
// count.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// RESTConfig is Kubeconfig for client-go, without a limit on requests.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of %s: %w", c.opts.Name, err)
	}
	config.QPS = -1
	return config, nil
}
