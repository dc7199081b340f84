package testbed

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestMetricsServerMeasuresPodsAndNodes(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Nodes: 2, Pods: 12, Namespaces: 1, Metrics: true})
	var pods []byte
	eventually(t, func(ctx context.Context) error {
		var err error
		if pods, err = c.Kubectl(ctx, "top", "pods", "-A", "--no-headers"); err != nil {
			return err
		}
		if n := strings.Count(string(pods), "\n"); n < 12 {
			return fmt.Errorf("%d of 12 pods are measured", n)
		}
		return nil
	})
	cpu := map[string]bool{}
	for line := range strings.Lines(string(pods)) {
		fields := strings.Fields(line) // namespace, name, CPU, memory
		if len(fields) != 4 || fields[2] == "0m" || fields[3] == "0Mi" {
			t.Errorf("pod takes nothing: %q", line)
			continue
		}
		cpu[fields[2]] = true
	}
	if len(cpu) < 3 {
		t.Errorf("all pods take the same:\n%s", pods)
	}
	nodes, err := c.Kubectl(t.Context(), "top", "nodes", "--no-headers")
	if err != nil || strings.Count(string(nodes), "\n") != 2 || strings.Contains(string(nodes), "unknown") {
		t.Errorf("nodes: %v\n%s", err, nodes)
	}
	t.Logf("%s%s", pods, nodes)
}
