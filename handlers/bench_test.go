package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// BenchmarkListPage measures how long the server needs for a page of a list: the whole of it, from the guards in front
// of the router to the last byte of gzip, without a network. Once warm, in memory, as most requests find it.
func BenchmarkListPage(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			k := newKit(b, kitConfig{empty: true})
			cluster := kubetest.New(b, kubetest.Options{Objects: manyPods(n)})
			k.must(k.Import(b.Context(), []kubeconfig.Context{contextOf(b, "production", cluster)}, "kubeconfig"))
			k.must(k.Load(b.Context()))
			k.productionID = k.clusterID("production")
			k.healthy(k.productionID)
			k.warm("pods", "nodes", "namespaces", "deployments.apps")
			path := clusterPath(k.productionID) + "/pods"
			page := func(name, query, who string, headers ...string) {
				v := k.as(who)
				b.Run(name, func(b *testing.B) { measurePage(b, v, path+query, headers...) })
			}
			page("first", "", admin)
			page("partial", "", admin, "HX-Request", "true", "HX-Request-Type", "partial")
			page("viewer", "", viewer)
			page("substring", "?q=service-12", admin)
			page("namespace", "?ns=team-7", admin)
			page("page-40", "?page=40", admin)
			pods, _ := kinds.Lookup("pods")
			sorts := []string{"name", "namespace"}
			for _, c := range pods.Columns {
				sorts = append(sorts, c.ID)
			}
			for _, s := range sorts {
				page("sort="+s, "?sort="+s, admin)
			}
		})
	}
}

// nowhere is a response that is counted and dropped.
type nowhere struct {
	header http.Header
	status int
	bytes  int
}

func (n *nowhere) Header() http.Header { return n.header }

func (n *nowhere) WriteHeader(status int) { n.status = status }

func (n *nowhere) Write(p []byte) (int, error) {
	n.bytes += len(p)
	return len(p), nil
}

// measurePage reports percentiles of the time in which the router answers.
func measurePage(b *testing.B, v *visitor, path string, headers ...string) {
	b.Helper()
	at, err := url.Parse(v.k.site.URL)
	v.k.must(err)
	router := v.k.site.Config.Handler
	times := make([]time.Duration, 0, b.N)
	var size int
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		v.k.clock.add(25 * time.Millisecond)
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, http.NoBody)
		r.Host = at.Host
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range v.client.Jar.Cookies(at) {
			r.AddCookie(c)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := &nowhere{header: http.Header{}}
		b.StartTimer()
		began := time.Now()
		router.ServeHTTP(w, r)
		times = append(times, time.Since(began))
		if w.status != http.StatusOK {
			b.Fatalf("%s: %d", path, w.status)
		}
		size = w.bytes
	}
	slices.Sort(times)
	q := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000 }
	b.ReportMetric(q(0.5), "p50-ms")
	b.ReportMetric(q(0.99), "p99-ms")
	b.ReportMetric(float64(size), "gzip-B")
	b.ReportMetric(0, "ns/op")
}

// manyPods are pods of deployments of ten, in fifty namespaces and on four hundred nodes, of which one in a hundred is in trouble.
func manyPods(n int) []runtime.Object {
	var out []runtime.Object
	for i := range 50 {
		out = append(out, testNamespace("team-"+strconv.Itoa(i)))
	}
	for i := range 400 {
		out = append(out, testNode("node-"+strconv.Itoa(i), corev1.ConditionTrue))
	}
	for i := range n {
		app := "service-" + strconv.Itoa(i/10)
		p := testPod("team-"+strconv.Itoa(i/10%50), fmt.Sprintf("%s-%09x-%05x", app, i/10*2654435761%0xfffffffff, i))
		p.CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000+int64(i*37%5_000_000), 0))
		p.Labels = map[string]string{"app.kubernetes.io/name": app, "team": p.Namespace, "tier": []string{"web", "api", "job"}[i%3]}
		p.Spec.NodeName = "node-" + strconv.Itoa(i%400)
		p.Status.PodIP = fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
		p.Status.ContainerStatuses[0].RestartCount = int32(i % 7)
		if i%97 == 0 {
			p.Status.ContainerStatuses[0] = corev1.ContainerStatus{
				Name: "main", RestartCount: 41, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			}
		}
		out = append(out, p)
	}
	return out
}
