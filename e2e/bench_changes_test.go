package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/e2e/testbed"
	"tiga/kube/kubetest"
)

// changing is a cluster whose pods change.
type changing interface {
	// Churn changes one pod after the other, that many times a second, until ctx ends, and says how many it changed.
	Churn(ctx context.Context, perSecond int) (int, error)
	label(ctx context.Context, namespace, name, value string) error
	pods(ctx context.Context) ([]corev1.Pod, error)
}

// onTestbed is a cluster of the testbed.
type onTestbed struct{ *testbed.Cluster }

func (r onTestbed) label(ctx context.Context, namespace, name, value string) error {
	patch := fmt.Sprintf(`{"metadata":{"labels":{"bench":%q}}}`, value)
	_, err := r.Client().CoreV1().Pods(namespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

func (r onTestbed) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := r.Client().CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// scripted are pods of a real cluster behind an API server that stores nothing and validates nothing: on a machine where
// the real one cannot change so many, it can.
type scripted struct {
	server *kubetest.Server
	names  []corev1.Pod

	mu sync.Mutex // a label must not be lost to a change that read the pod before
}

func script(b *testing.B, from onTestbed) *scripted {
	b.Helper()
	pods, err := from.pods(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	objects := make([]runtime.Object, len(pods))
	for i := range pods {
		objects[i] = &pods[i]
	}
	return &scripted{server: kubetest.New(b, kubetest.Options{Objects: objects}), names: pods}
}

func (s *scripted) change(like *corev1.Pod, label, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod, ok := s.server.Object(like).(*corev1.Pod)
	if !ok {
		return fmt.Errorf("pod %s is gone", like.Name)
	}
	pod.Labels[label] = value
	s.server.Update(pod)
	return nil
}

// Churn implements changing.
func (s *scripted) Churn(ctx context.Context, perSecond int) (int, error) {
	began := time.Now()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return n, nil
		case <-time.After(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(perSecond)))):
		}
		if err := s.change(&s.names[n%len(s.names)], testbed.ChurnLabel, fmt.Sprint(n+1)); err != nil {
			return n, err
		}
	}
}

func (s *scripted) label(_ context.Context, namespace, name, value string) error {
	return s.change(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, "bench", value)
}

func (s *scripted) pods(context.Context) ([]corev1.Pod, error) {
	out := make([]corev1.Pod, 0, len(s.names))
	for i := range s.names {
		if pod, ok := s.server.Object(&s.names[i]).(*corev1.Pod); ok {
			out = append(out, *pod)
		}
	}
	return out, nil
}

// benchChanges is what 500 changes a second cost, for the time that TIGA_BENCH_CHURN says: how much the program computes,
// how late a page is, and whether in the end all is as it is in the cluster.
func benchChanges(b *testing.B, cluster changing, name string, kubeconfig []byte) {
	lasts := 2 * time.Minute
	if s := os.Getenv("TIGA_BENCH_CHURN"); s != "" {
		var err error
		if lasts, err = time.ParseDuration(s); err != nil {
			b.Fatal(err)
		}
	}
	a := start(b, options{kubeconfig: kubeconfig})
	c := a.signIn("admin", password)
	id := c.clusterID(name)
	path := fmt.Sprintf("/clusters/%d/pods", id)
	allListed(b, c, path, benchPods)

	ctx, stop := context.WithTimeout(b.Context(), lasts)
	defer stop()
	churned := churn(ctx, cluster, 500)
	spent, began := cpu(b, a), time.Now()
	times := changesToPage(b, cluster, c, path, func(int) bool { return ctx.Err() == nil })
	changes, err := churned()
	ended := time.Now()
	if err != nil {
		b.Fatal(err)
	}
	took := ended.Sub(began)
	cores := (cpu(b, a) - spent).Seconds() / took.Seconds()
	b.ReportMetric(float64(changes)/took.Seconds(), "changes/s")
	b.ReportMetric(cores, "cores")
	b.ReportMetric(took.Seconds(), "lasted_s")
	b.ReportMetric(ms(at(times, 50)), "change_p50_ms")
	b.ReportMetric(ms(at(times, 95)), "change_p95_ms")
	b.ReportMetric(ms(times[len(times)-1]), "change_max_ms")
	b.ReportMetric(status(b, a, "VmRSS"), "RSS_MB")

	pods, err := cluster.pods(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	eventually(b, 15*time.Second, "the list is that of the cluster", func() error {
		have, err := versions(c, fmt.Sprintf("/clusters/%d/resources/pods?as=table&limit=500&sort=name", id))
		if err != nil {
			return err
		}
		differ := len(have) - len(pods)
		for i := range pods {
			if p := &pods[i]; have[p.Namespace+"/"+p.Name] != p.ResourceVersion {
				differ++
			}
		}
		if differ != 0 {
			return fmt.Errorf("%d of %d pods differ", differ, len(pods))
		}
		return nil
	})
	b.ReportMetric(ms(time.Since(ended)), "exact_after_ms")
	finish(b)
}

// churn changes that many pods a second until ctx ends; the function that it returns waits for the end and says how many
// were changed.
func churn(ctx context.Context, cluster changing, perSecond int) func() (int, error) {
	type outcome struct {
		changes int
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		n, err := cluster.Churn(ctx, perSecond)
		done <- outcome{n, err}
	}()
	return func() (int, error) {
		o := <-done
		return o.changes, o.err
	}
}

// changesToPage changes a pod's label and measures until the page of a viewer who waits on the live stream shows it, again
// and again while more says so. The times are sorted.
func changesToPage(b *testing.B, cluster changing, c *client, path string, more func(n int) bool) (times []time.Duration) {
	b.Helper()
	signals := listen(b, c, path)
	rows := regexp.MustCompile(`/([a-z0-9-]+)/([a-z0-9-]+)" data-row-link`).FindAllStringSubmatch(c.get(path).body, -1)
	if len(rows) == 0 {
		b.Fatal("no row on the page")
	}
	for i := 0; more(i); i++ {
		row := rows[i%len(rows)]
		mark := fmt.Sprintf("bench-%d", i)
		if err := cluster.label(b.Context(), row[1], row[2], mark); err != nil {
			b.Fatal(err)
		}
		sent := time.Now()
		for !strings.Contains(c.get(path+"?q=bench%3D"+mark).body, row[2]) {
			select {
			case <-signals:
			case <-time.After(5 * time.Second):
				b.Fatalf("no signal for %s", mark)
			}
		}
		times = append(times, time.Since(sent))
		// A change comes at any moment, not just after a signal.
		time.Sleep(time.Duration(i%9) * 100 * time.Millisecond)
	}
	slices.Sort(times)
	return times
}

// versions reads a whole table by the API: the resource version of each object.
func versions(c *client, path string) (map[string]string, error) {
	out := map[string]string{}
	next := ""
	for {
		var got struct {
			Rows     []tableRow
			Continue string
		}
		r := c.api(http.MethodGet, path+next, nil, &got)
		if r.status != http.StatusOK {
			return nil, fmt.Errorf("%d %.200s", r.status, r.body)
		}
		for _, row := range got.Rows {
			out[row.Namespace+"/"+row.Name] = row.ResourceVersion
		}
		if got.Continue == "" {
			return out, nil
		}
		next = "&continue=" + url.QueryEscape(got.Continue)
	}
}
