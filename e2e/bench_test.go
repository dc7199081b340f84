package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tiga/e2e/testbed"
)

// benchPods is how many pods the scale figures are taken with.
const benchPods = 10_000

// benchCluster starts a cluster for the benchmark. TIGA_BENCH_DIR names a folder that keeps it for the next run: filling it
// takes longer than measuring.
func benchCluster(b *testing.B, o testbed.Options) *testbed.Cluster {
	b.Helper()
	dir := os.Getenv("TIGA_BENCH_DIR")
	if dir == "" {
		return testbed.Start(b, o)
	}
	o.Dir, o.Log = filepath.Join(dir, o.Name), b.Output()
	cluster, err := testbed.Up(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	return cluster
}

// BenchmarkPods measures the list of pods of a cluster with ten thousand of them, on the real program, a real API server
// and a real browser. What a pod takes in memory is measured in kube/cache.
func BenchmarkPods(b *testing.B) {
	cluster := benchCluster(b, testbed.Options{Name: "scale", Pods: benchPods})
	b.Run("cold", func(b *testing.B) { benchCold(b, cluster) })
	b.Run("pages", func(b *testing.B) { benchPages(b, cluster) })
	b.Run("browser", func(b *testing.B) { benchBrowser(b, cluster) })
	b.Run("changes", func(b *testing.B) { benchChanges(b, onTestbed{cluster}, cluster.Name(), cluster.Kubeconfig()) })
	b.Run("scripted", func(b *testing.B) {
		s := script(b, onTestbed{cluster})
		benchChanges(b, s, "kubetest", s.server.Kubeconfig())
	})
}

// benchPages is the time to answer the first page, its size, how long a change needs until a viewer's page has it while a
// hundred things change a second, and what one more viewer costs the API server.
func benchPages(b *testing.B, cluster *testbed.Cluster) {
	a := start(b, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	path := fmt.Sprintf("/clusters/%d/pods", c.clusterID(cluster.Name()))
	allListed(b, c, path, benchPods)
	for _, q := range []struct{ name, query string }{
		{"first", ""}, {"filter", "?q=service-01"}, {"sort", "?sort=-age"}, {"status", "?sort=status"},
	} {
		times, size := measure(b, c, path+q.query, 300)
		b.ReportMetric(ms(at(times, 50)), q.name+"_p50_ms")
		b.ReportMetric(ms(at(times, 99)), q.name+"_p99_ms")
		b.ReportMetric(float64(size)/1024, q.name+"_gzKB")
	}

	requests := func() int {
		n, err := cluster.RequestCount(testbed.RequestFilter{Resource: "pods", Verb: "list"})
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	had := requests()
	other := a.signIn("admin", password)
	for range 20 {
		other.get(path)
	}
	b.ReportMetric(float64(requests()-had), "requests/viewer")

	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	churned := churn(ctx, onTestbed{cluster}, 100)
	times := changesToPage(b, onTestbed{cluster}, c, path, func(n int) bool { return n < 100 })
	stop()
	if _, err := churned(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ms(at(times, 50)), "change_p50_ms")
	b.ReportMetric(ms(at(times, 99)), "change_p99_ms")
	finish(b)
}

// finish reports how busy the machine was beside the figures that were taken on it.
func finish(b *testing.B) {
	b.Helper()
	b.ReportMetric(load(b), "load")
	b.ReportMetric(0, "ns/op")
}

// load is the load average of the last minute.
func load(b *testing.B) float64 {
	b.Helper()
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseFloat(strings.Fields(string(raw))[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// allListed waits until a list has that many objects and says that it is complete.
func allListed(b *testing.B, c *client, path string, objects int) {
	b.Helper()
	resources := "/clusters/" + strings.Split(path, "/")[2] + "/resources/" + filepath.Base(path) + "?as=table&limit=1"
	eventually(b, 5*time.Minute, path+" is complete", func() error {
		var got table
		if r := c.api(http.MethodGet, resources, nil, &got); r.status != http.StatusOK || got.Total < objects {
			return fmt.Errorf("status %d, %d objects", r.status, got.Total)
		}
		return nil
	})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// at is a percentile of sorted times.
func at(times []time.Duration, percent int) time.Duration { return times[(len(times)-1)*percent/100] }

// measure asks n times and returns the times as the client sees them over loopback, sorted, and the size of the answer as
// gzip.
func measure(tb testing.TB, c *client, path string, n int) (times []time.Duration, size int) {
	tb.Helper()
	for range n {
		began := time.Now()
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, c.base+path, nil)
		if err != nil {
			tb.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := c.http.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			tb.Fatalf("%s: %v %d", path, err, resp.StatusCode)
		}
		times = append(times, time.Since(began))
		size = len(raw)
		// The limit of 50 requests a second is for people; the figure must not be that of the limiter.
		time.Sleep(25 * time.Millisecond)
	}
	slices.Sort(times)
	return times, size
}

// listen opens the page's live stream and hands on its signals.
func listen(tb testing.TB, c *client, path string) <-chan struct{} {
	tb.Helper()
	stream := strings.TrimSuffix(path, "/pods") + "/live?kind=pods"
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, c.base+stream, nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := c.http.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	signals := make(chan struct{}, 1)
	go func() {
		defer resp.Body.Close()
		buf := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(buf)
			if err != nil {
				return
			}
			if strings.Contains(string(buf[:n]), "event: changed") {
				select {
				case signals <- struct{}{}:
				default:
				}
			}
		}
	}()
	return signals
}
