// Testbed keeps Kubernetes control planes with simulated nodes running on
// this machine, to develop and to look around in.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"tiga/e2e/testbed"
)

const usage = `usage: testbed COMMAND [flags] [cluster ...]

  build       build Kubernetes, etcd, KWOK and metrics-server, unless it was done before
  up          start the clusters that do not run yet
  down        stop the clusters and remove what was in them
  status      show the clusters
  kubeconfig  print one kubeconfig with a context for each running cluster

Clusters are production, staging and dev, with what a small company has in
them, unless they are named; one of another name is empty. down, status and
kubeconfig without names are about all that are there.

`

// companies are the clusters that have a seed of their name.
func companies() []string {
	return []string{string(testbed.Production), string(testbed.Staging), string(testbed.Dev)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		stop()
		os.Exit(1)
	}
}

// command is what one call is about.
type command struct {
	dir     string
	names   []string
	options testbed.Options
	stdout  io.Writer
	log     io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cmd := command{stdout: stdout, log: &lines{out: stderr, start: time.Now()}}
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("testbed "+verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&cmd.dir, "dir", ".testbed", "the `folder` that keeps the clusters")
	flags.StringVar(&cmd.options.EmulatedVersion, "emulated-version", "", "the Kubernetes `version` that new clusters emulate, such as 1.34")
	flags.IntVar(&cmd.options.Nodes, "nodes", 0, "how many nodes new clusters have (default: what their seed has)")
	flags.IntVar(&cmd.options.Pods, "pods", 0, "how many more pods run in new clusters")
	flags.IntVar(&cmd.options.Objects, "objects", 0, "how many more objects of other kinds new clusters have")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	cmd.names = flags.Args()
	switch verb {
	case "build":
		return cmd.build(ctx)
	case "up":
		return cmd.up(ctx)
	case "down":
		return cmd.down(ctx)
	case "status":
		return cmd.status(ctx)
	case "kubeconfig":
		return cmd.kubeconfig()
	default:
		flags.Usage()
		return fmt.Errorf("no command %q", verb)
	}
}

func (c command) build(ctx context.Context) error {
	bin, err := testbed.Build(ctx, c.log)
	if err != nil {
		return err
	}
	for _, file := range []string{bin.Kubernetes, bin.Kubectl, bin.Etcd, bin.KWOK, bin.Metrics} {
		fmt.Fprintln(c.stdout, file)
	}
	return nil
}

func (c command) up(ctx context.Context) error {
	names := c.names
	if len(names) == 0 {
		names = companies()
	}
	// Before the clusters, which would each show the progress.
	if _, err := testbed.Build(ctx, c.log); err != nil {
		return err
	}
	clusters := make([]*testbed.Cluster, len(names))
	group, grouped := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() error {
			options := c.options
			options.Name, options.Dir, options.Log = name, filepath.Join(c.dir, name), c.log
			for _, company := range companies() {
				if name == company {
					options.Seed = testbed.Seed(name)
				}
			}
			var err error
			if clusters[i], err = testbed.Up(grouped, options); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := c.writeKubeconfig(clusters...); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "kubeconfig: %s\n", c.kubeconfigFile())
	return nil
}

func (c command) kubeconfigFile() string { return filepath.Join(c.dir, "kubeconfig") }

// writeKubeconfig writes the file for the clusters first and then those that
// run besides.
func (c command) writeKubeconfig(first ...*testbed.Cluster) error {
	all, err := c.open(nil)
	if err != nil {
		return err
	}
	clusters := first
	for _, cluster := range all {
		if cluster.Running() && !named(first, cluster.Name()) {
			clusters = append(clusters, cluster)
		}
	}
	content, err := testbed.MergedKubeconfig(clusters...)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.kubeconfigFile(), content, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}

func named(clusters []*testbed.Cluster, name string) bool {
	for _, cluster := range clusters {
		if cluster.Name() == name {
			return true
		}
	}
	return false
}

// open returns the clusters in the folder: those with the names, or all.
func (c command) open(names []string) ([]*testbed.Cluster, error) {
	if len(names) == 0 {
		found, err := filepath.Glob(filepath.Join(c.dir, "*", "state.json"))
		if err != nil {
			return nil, fmt.Errorf("look for clusters: %w", err)
		}
		for _, file := range found {
			names = append(names, filepath.Base(filepath.Dir(file)))
		}
	}
	var clusters []*testbed.Cluster
	for _, name := range names {
		cluster, err := testbed.Open(filepath.Join(c.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("no cluster %s in %s", name, c.dir)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		clusters = append(clusters, cluster)
	}
	return clusters, nil
}

func (c command) down(ctx context.Context) error {
	clusters, err := c.open(c.names)
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		if err := cluster.Down(ctx); err != nil {
			return fmt.Errorf("%s: %w", cluster.Name(), err)
		}
		fmt.Fprintf(c.log, "%s: down\n", cluster.Name())
	}
	return nil
}

func (c command) status(ctx context.Context) error {
	clusters, err := c.open(c.names)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tVERSION\tNODES\tPODS\tMEMORY\tSERVER")
	for _, cluster := range clusters {
		s := cluster.Status(ctx)
		if s.State == testbed.Stopped {
			fmt.Fprintf(table, "%s\t%s\t-\t-\t-\t-\t%s\n", cluster.Name(), s.State, cluster.Server())
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d MiB\t%s\n", cluster.Name(), s.State, s.Version, s.Nodes, s.Pods, s.Memory>>20, cluster.Server())
	}
	return table.Flush()
}

func (c command) kubeconfig() error {
	clusters, err := c.open(c.names)
	if err != nil {
		return err
	}
	var running []*testbed.Cluster
	for _, cluster := range clusters {
		if cluster.Running() || len(c.names) > 0 {
			running = append(running, cluster)
		}
	}
	content, err := testbed.MergedKubeconfig(running...)
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(content)
	return err
}

// lines writes what several clusters say at once, a line at a time, with the
// time since the start.
type lines struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		since := time.Since(l.start).Round(time.Second)
		if _, err := fmt.Fprintf(l.out, "[%5s] %s\n", since, strings.TrimSuffix(string(line), "\n")); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
