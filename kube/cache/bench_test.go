package cache

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/kinds"
)

// realistic is a pod as clusters have them: controlled, labelled, two
// containers, volumes, conditions, and now and then in trouble.
func realistic(i, version int) *corev1.Pod {
	workload := i / 10
	ns := "team-" + strconv.Itoa(workload%50)
	app := "service-" + strconv.Itoa(workload)
	hash := fmt.Sprintf("%09x", workload*2654435761%0xfffffffff)
	at := metav1.NewTime(time.Unix(1_700_000_000+int64(i*37%5_000_000), 0))
	controller := true
	quantity := resource.MustParse
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: app + "-" + hash + "-" + fmt.Sprintf("%05x", i), Namespace: ns, ResourceVersion: strconv.Itoa(version),
			UID:               types.UID(fmt.Sprintf("%08x-1c3b-4a55-9f00-%012x", i, i)),
			CreationTimestamp: at,
			Labels: map[string]string{
				"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "platform", "app.kubernetes.io/managed-by": "Helm",
				"pod-template-hash": hash, "team": ns, "tier": []string{"web", "api", "job"}[i%3],
			},
			Annotations: map[string]string{
				"prometheus.io/scrape": "true", "prometheus.io/port": "8080",
				"checksum/config": fmt.Sprintf("%064x", workload),
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-" + hash, UID: types.UID(fmt.Sprintf("%08x-aaaa-4a55-9f00-%012x", workload, workload)), Controller: &controller}},
		},
		Spec: corev1.PodSpec{
			NodeName: "node-" + strconv.Itoa(i%400), ServiceAccountName: app,
			Containers: []corev1.Container{
				{
					Name: "main", Image: "registry.example.com/" + ns + "/" + app + ":1." + strconv.Itoa(workload%20) + ".0",
					Resources: corev1.ResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceCPU: quantity("100m"), corev1.ResourceMemory: quantity("128Mi")},
						Limits:   corev1.ResourceList{corev1.ResourceMemory: quantity("256Mi")},
					},
					EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: app + "-db"}}}},
				},
				{Name: "proxy", Image: "envoyproxy/envoy:v1.34.1"},
			},
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: app + "-config"}}}}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), QOSClass: corev1.PodQOSBurstable,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at}},
			ContainerStatuses: []corev1.ContainerStatus{
				{Name: "main", Ready: true, RestartCount: int32(i % 7), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}},
				{Name: "proxy", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}},
			},
		},
	}
	if i%97 == 0 {
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		p.Status.ContainerStatuses[0] = corev1.ContainerStatus{
			Name: "main", RestartCount: 41, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled", FinishedAt: at}},
		}
	}
	return p
}

// flood is a source with many pods, of which some change all the time.
type flood struct {
	n     int
	event chan watch.Event
}

func (f *flood) List(_ context.Context, _ *kinds.Kind, _ string, o metav1.ListOptions) (apiruntime.Object, error) {
	from := 0
	if o.Continue != "" {
		from, _ = strconv.Atoi(o.Continue)
	}
	end := min(from+int(o.Limit), f.n)
	list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for i := from; i < end; i++ {
		list.Items = append(list.Items, *realistic(i, 1))
	}
	if end < f.n {
		list.Continue = strconv.Itoa(end)
	}
	return list, nil
}

func (f *flood) Watch(context.Context, *kinds.Kind, string, metav1.ListOptions) (watch.Interface, error) {
	return &scripted{events: f.event, stop: make(chan struct{})}, nil
}

// change sends so many changes a second until stop is called.
func (f *flood) change(perSecond int) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if perSecond == 0 {
			return
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		version, due := 2, 0.0
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			for due += float64(perSecond) / 100; due >= 1; due-- {
				version++
				i := rand.IntN(f.n)
				p := realistic(i, version)
				p.Status.ContainerStatuses[0].RestartCount += int32(version)
				if version%3 == 0 {
					p.Spec.NodeName = "node-" + strconv.Itoa(version%400)
				}
				select {
				case f.event <- watch.Event{Type: watch.Modified, Object: p}:
				case <-done:
					return
				}
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func warm(tb testing.TB, n int) (*Tables, *flood) {
	tb.Helper()
	f := &flood{n: n, event: make(chan watch.Event, 1024)}
	t := New(context.Background(), Config{Cluster: testCluster, Source: f, NoWatchList: true, Wait: time.Minute})
	tb.Cleanup(t.Close)
	if page, err := t.Query(tb.Context(), permit(tb, "ann", podKind(tb)), Query{Kind: podKind(tb)}); err != nil || page.Total != n {
		tb.Fatalf("%d rows, %v", page.Total, err)
	}
	return t, f
}

// measure reports percentiles of the time of each call.
func measure(b *testing.B, call func(i int)) {
	b.Helper()
	times := make([]time.Duration, 0, b.N)
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		call(i)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	at := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkQuery(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		t, f := warm(b, n)
		kind := podKind(b)
		p := permit(b, "ann", kind)
		query := func(b *testing.B, q Query) {
			b.Helper()
			q.Kind = kind
			page, err := t.Query(b.Context(), p, q)
			if err != nil || len(page.Rows) == 0 {
				b.Fatalf("no rows: %v", err)
			}
		}
		cases := map[string]Query{
			"1st-page":  {},
			"namespace": {Namespaces: []string{"team-7", "team-8"}},
			"substring": {Text: "service-12"},
			"no-match!": {Text: "!zzzzzz"},
			"column":    {Text: "node=node-17"},
			"label":     {Text: "-l tier=web,team!=team-3"},
			"regex":     {Text: "/service-.*9-/"},
			"facet":     {Facets: map[string][]string{"status": {"CrashLoopBackOff"}}},
		}
		sorts := []string{"name", "namespace", "-age"}
		for i := range kind.Columns {
			sorts = append(sorts, kind.Columns[i].ID)
		}
		for _, rate := range []int{0, 100, 500} {
			for _, name := range slices.Sorted(maps.Keys(cases)) {
				b.Run(fmt.Sprintf("pods=%d/changes=%d/%s", n, rate, name), func(b *testing.B) {
					stop := f.change(rate)
					defer stop()
					measure(b, func(int) { query(b, cases[name]) })
				})
			}
			b.Run(fmt.Sprintf("pods=%d/changes=%d/every-sort", n, rate), func(b *testing.B) {
				stop := f.change(rate)
				defer stop()
				for _, s := range sorts {
					query(b, Query{Sort: s})
				}
				measure(b, func(i int) { query(b, Query{Sort: sorts[i%len(sorts)], Page: 1 + i%3}) })
			})
			b.Run(fmt.Sprintf("pods=%d/changes=%d/4-viewers", n, rate), func(b *testing.B) {
				stop := f.change(rate)
				defer stop()
				b.SetParallelism(2)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						query(b, Query{Text: "service-1"})
					}
				})
			})
		}
		t.Close()
	}
}

// BenchmarkColdOrder is what the first viewer of an order pays.
func BenchmarkColdOrder(b *testing.B) {
	t, _ := warm(b, 100_000)
	s := t.running["pods"].store
	for _, by := range []string{"namespace", "name", "age", "node", "status"} {
		o, _ := orderOf(s.kind, by)
		b.Run(by, func(b *testing.B) {
			for b.Loop() {
				s.mu.Lock()
				clear(s.views)
				s.mu.Unlock()
				s.read(o)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemory reports what a pod costs in the heap, everything included.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				t, _ := warm(b, n)
				after := heap()
				estimate := t.Stats()[0].Bytes
				b.ReportMetric(float64(after-before)/float64(n), "B/pod")
				b.ReportMetric(float64(estimate)/float64(n), "estimate-B/pod")
				t.Close()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkProject is the work per object of a list or a change.
func BenchmarkProject(b *testing.B) {
	pods := make([]*corev1.Pod, 1000)
	for i := range pods {
		pods[i] = realistic(i, 1)
	}
	p := projector{kind: podKind(b)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o := pods[i%len(pods)]
		p.entry(key{o.Namespace, o.Name}, o)
	}
}

// TestMemoryPerPod is the figure of issue 2: at most 4 KiB of heap per pod.
func TestMemoryPerPod(t *testing.T) {
	const n = 10_000
	before := heap()
	tables, _ := warm(t, n)
	per := (int64(heap()) - int64(before)) / n
	if per > 4096 {
		t.Errorf("%d bytes per pod, want at most 4096", per)
	}
	if estimate := tables.Stats()[0].Bytes / n; estimate < per/2 || estimate > per*2 {
		t.Errorf("estimated %d bytes per pod, measured %d", estimate, per)
	}
}
