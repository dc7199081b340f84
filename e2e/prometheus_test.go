package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tiga/e2e/testbed"
)

// TestScenario2_APrometheusIsFoundWithinTenSeconds: a real one, behind a NodePort of a cluster that is added. FR-2.1, 2.5, 2.9
func TestScenario2_APrometheusIsFoundWithinTenSeconds(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus: run make install")
	}
	cluster := testbed.Start(t, testbed.Options{Name: "watched", Nodes: 1})
	port := nodePort(t)
	dir := t.TempDir()
	config := fmt.Sprintf("scrape_configs: [{job_name: self, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n", port)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, 30*time.Second, "prometheus is ready", func() error {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/-/ready", port))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("ready: %s", resp.Status)
		}
		return nil
	})
	apply(t, cluster, fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[
		{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"monitoring"}},
		{"apiVersion":"v1","kind":"Service","metadata":{"name":"prometheus","namespace":"monitoring"},
		 "spec":{"type":"NodePort","ports":[{"name":"web","port":9090,"nodePort":%d}]}}]}`, port))

	kubeconfig, err := testbed.MergedKubeconfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, options{kubeconfig: kubeconfig})
	c := a.signIn("admin", password)
	id := c.clusterID("watched")
	var got struct {
		URL    string `json:"prometheus_url"`
		Status string `json:"prometheus_status"`
	}
	eventually(t, 10*time.Second, "the endpoint is stored", func() error {
		if c.api(http.MethodGet, fmt.Sprintf("/clusters/%d", id), nil, &got); got.Status != "found" || got.URL != fmt.Sprintf("http://127.0.0.1:%d", port) {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	if r := c.api(http.MethodPost, fmt.Sprintf("/clusters/%d/prometheus/rediscover", id), nil, nil); r.status != http.StatusAccepted {
		t.Errorf("rediscover: %d %s", r.status, r.body)
	}
	b := a.open()
	b.signIn("admin", password)
	b.text("tr[id^=cluster-]", "Found")
	b.keep("prometheus-home")
	b.visit(fmt.Sprintf("/settings/clusters/%d", id))
	b.text("#prometheus", "Node port")
	b.keep("prometheus-settings")
	b.quiet()
}

// nodePort is a free port in the range of node ports.
func nodePort(t testing.TB) int {
	t.Helper()
	for port := 30900; port < 31900; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free node port")
	return 0
}

// apply gives objects to kubectl, as JSON.
func apply(t testing.TB, cluster *testbed.Cluster, objects string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.json")
	if err := os.WriteFile(file, []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := cluster.Kubectl(t.Context(), "apply", "-f", file); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}
