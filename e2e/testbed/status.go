package testbed

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State is what becomes of a cluster that Up started.
type State string

// The states of a cluster.
const (
	Running State = "running"
	Broken  State = "broken" // a part of it has ended, or it does not answer
	Stopped State = "stopped"
)

// Status is how a cluster is.
type Status struct {
	State   State
	Version string // the one that it emulates, if it does
	Nodes   int
	Pods    int
	Memory  int64 // resident, of all processes, in bytes
}

// Status asks how the cluster is, which takes a moment.
func (c *Cluster) Status(ctx context.Context) Status {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s := Status{State: Stopped}
	c.mu.Lock()
	for _, p := range c.processes {
		if p.alive() {
			s.State = Broken
			s.Memory += p.resident()
		}
	}
	c.mu.Unlock()
	if !c.Running() {
		return s
	}
	version, err := c.client.Discovery().ServerVersion()
	if err != nil {
		return s
	}
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return s
	}
	pods, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return s
	}
	s.State, s.Nodes, s.Pods = Running, len(nodes.Items), len(pods.Items)
	s.Version = fmt.Sprintf("v%s.%s", cmp.Or(version.EmulationMajor, version.Major), cmp.Or(version.EmulationMinor, version.Minor))
	return s
}

// resident is how many bytes of memory the process has.
func (p process) resident() int64 {
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
