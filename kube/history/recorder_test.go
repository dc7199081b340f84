package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"tiga/kube/diff"
	"tiga/kube/kinds"
)

func kindOf(t testing.TB, id string) *kinds.Kind {
	t.Helper()
	k, ok := kinds.Lookup(id)
	if !ok {
		t.Fatalf("no kind %s", id)
	}
	return k
}

// book is what a recorder tells, and a clock of its own.
type book struct {
	t testing.TB
	*Recorder
	mu    sync.Mutex
	told  []Change
	fails int // so many times Keep returns an error
	again []string
	at    time.Time
	gate  chan struct{} // Keep waits for it; nil for not
}

var start = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func newBook(t testing.TB, edit func(*Config, *book)) *book {
	t.Helper()
	b := &book{t: t, at: start}
	c := Config{
		Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.at }, Retry: time.Millisecond,
		Keep: func(changes []Change) error {
			if b.gate != nil {
				<-b.gate
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.fails > 0 {
				b.fails--
				return errors.New("the store is away")
			}
			b.told = append(b.told, changes...)
			return nil
		},
		Again: func(k *kinds.Kind) { b.mu.Lock(); defer b.mu.Unlock(); b.again = append(b.again, k.ID()) },
	}
	if edit != nil {
		edit(&c, b)
	}
	b.Recorder = New(c)
	t.Cleanup(b.Close)
	return b
}

func (b *book) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

// settled waits until everything that was given has been taken.
func (b *book) settled() {
	b.t.Helper()
	fence := kindOf(b.t, "namespaces")
	b.Begin(fence, "fence", time.Time{})
	name := fmt.Sprint("fence-", time.Now().UnixNano())
	b.See(fence, "fence", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), ResourceVersion: "1"}}, Listed)
	b.End(fence, "fence")
	b.Lost(fence, "")
	b.until("the fence is taken", func() bool {
		_, ok := b.Since("namespaces")
		return !ok && len(b.queue) == 0
	})
}

func (b *book) until(what string, ok func() bool) {
	b.t.Helper()
	limit, again := time.NewTimer(2*time.Minute), time.NewTicker(time.Millisecond)
	defer limit.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			b.t.Fatalf("%s: it did not come about", what)
		}
	}
}

// changes waits until so many were told, and returns them as text.
func (b *book) changes(n int) string {
	b.t.Helper()
	var out strings.Builder
	b.until(fmt.Sprintf("%d changes", n), func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.told) >= n })
	b.settled()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.told {
		fmt.Fprintf(&out, "%s %s %s/%s v%s", c.Verb, c.Kind.Name, c.Namespace, c.Name, c.Version)
		if c.Manager != "" {
			out.WriteString(" by " + c.Manager)
		}
		fmt.Fprintf(&out, " at +%s", c.At.Sub(start))
		if !c.After.IsZero() {
			fmt.Fprintf(&out, " after +%s", c.After.Sub(start))
		}
		if c.Count > 0 {
			fmt.Fprintf(&out, " ×%d", c.Count)
		}
		out.WriteString("\n")
		if c.Verb == Updated {
			out.WriteString(diff.Text(c.Entries))
		}
	}
	return out.String()
}

// deployment is one of some version whose fields managers own.
func deployment(name, version, image string, replicas int32, managers ...string) *appsv1.Deployment {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID("uid-" + name), ResourceVersion: version, Generation: 3,
			CreationTimestamp: metav1.NewTime(start.Add(-time.Hour)),
			Annotations:       map[string]string{"deployment.kubernetes.io/revision": version, "team": "shop"},
			Labels:            map[string]string{"app": name, "app.kubernetes.io/managed-by": "helm"},
		},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}},
			},
		},
		Status: appsv1.DeploymentStatus{ReadyReplicas: replicas, ObservedGeneration: int64(len(version))},
	}
	for i, m := range managers {
		at := metav1.NewTime(start.Add(time.Duration(i) * time.Second))
		f := metav1.ManagedFieldsEntry{Manager: m, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)}
		if m == "kubelet" {
			f.Subresource = "status"
		}
		d.ManagedFields = append(d.ManagedFields, f)
	}
	return d
}

func (b *book) reads(k *kinds.Kind, contact time.Time, objects ...runtime.Object) {
	b.Begin(k, "", contact)
	for _, o := range objects {
		b.See(k, "", o, Listed)
	}
	b.End(k, "")
}

func same(t *testing.T, want, got string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimLeft(want, "\n"), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestChangesAreTold(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "deployments.apps")
	if _, ok := b.Since(k.ID()); ok {
		t.Error("recording before anything was read")
	}
	b.reads(k, time.Time{}, deployment("web", "10", "nginx:1.26", 3, "helm"), deployment("api", "11", "api:1", 1, "helm"))
	b.pass(time.Minute)
	b.See(k, "", deployment("web", "12", "nginx:1.27", 3, "helm", "kubectl-edit", "kubelet"), Modified)
	b.pass(time.Minute)
	// The status, a revision and what the API server counts are nobody's change.
	quiet := deployment("web", "13", "nginx:1.27", 3, "helm", "kubectl-edit", "kubelet")
	quiet.Status.ReadyReplicas, quiet.Generation = 1, 9
	b.See(k, "", quiet, Modified)
	b.See(k, "", deployment("new", "14", "new:1", 1, "kubectl-create"), Added)
	b.See(k, "", deployment("api", "15", "api:1", 1, "helm"), Removed)
	same(t, `
update Deployment shop/web v12 by kubectl-edit at +1m0s
- spec.template.spec.containers[name=web].image: nginx:1.26
+ spec.template.spec.containers[name=web].image: nginx:1.27
create Deployment shop/new v14 by kubectl-create at +2m0s
delete Deployment shop/api v11 at +2m0s
`, b.changes(3))
	if since, ok := b.Since(k.ID()); !ok || !since.Equal(start) {
		t.Errorf("recording since %v, %v", since, ok)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	tree, whole := Entries{List: b.told[2].Entries}.Tree()
	image, _ := json.Marshal(tree["spec"])
	if !whole || !strings.Contains(string(image), `"image":"api:1"`) || tree["status"] != nil {
		t.Errorf("the last state of what was deleted: %v, %v", whole, tree)
	}
}

// Of managers that wrote in the same second the one whose entry has changed is told.
func TestManager(t *testing.T) {
	at := metav1.NewTime(start)
	entry := func(name, sub, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: name, Subresource: sub, Time: &at, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	a, b, s := entry("a", "", `{}`), entry("b", "", `{}`), entry("kubelet", "status", `{}`)
	b2, scaled := entry("b", "", `{"f:spec":{}}`), entry("hpa", "scale", `{}`)
	for _, tt := range []struct {
		before, now []metav1.ManagedFieldsEntry
		want        string
	}{
		{[]metav1.ManagedFieldsEntry{a, b}, []metav1.ManagedFieldsEntry{a, b2}, "b"},
		{[]metav1.ManagedFieldsEntry{a}, []metav1.ManagedFieldsEntry{a, s, scaled}, "hpa"},
		{[]metav1.ManagedFieldsEntry{a}, []metav1.ManagedFieldsEntry{a, s}, "a"}, // a manager that left: the newest that stays
		{nil, []metav1.ManagedFieldsEntry{s}, ""},
		{nil, nil, ""},
	} {
		if got, _ := managerOf(marksOf(tt.before), tt.now); got != tt.want {
			t.Errorf("manager %q, want %q", got, tt.want)
		}
	}
}

// What happened while nobody looked has an interval, unless the cluster says when.
func TestGaps(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "deployments.apps")
	b.reads(k, time.Time{}, deployment("web", "10", "nginx:1.26", 3), deployment("old", "11", "old:1", 1), deployment("same", "12", "s:1", 1))
	b.pass(time.Hour)
	made := deployment("made", "20", "m:1", 1, "helm")
	made.CreationTimestamp = metav1.NewTime(start.Add(30 * time.Minute))
	replaced := deployment("same", "21", "s:1", 1)
	replaced.UID, replaced.CreationTimestamp = "another", metav1.NewTime(start.Add(40*time.Minute))
	b.reads(k, start.Add(10*time.Minute), deployment("web", "19", "nginx:1.27", 3), made, replaced)
	same(t, `
update Deployment shop/web v19 at +1h0m0s after +10m0s
- spec.template.spec.containers[name=web].image: nginx:1.26
+ spec.template.spec.containers[name=web].image: nginx:1.27
create Deployment shop/made v20 by helm at +30m0s
delete Deployment shop/same v12 at +1h0m0s after +10m0s
create Deployment shop/same v21 at +40m0s
delete Deployment shop/old v11 at +1h0m0s after +10m0s
`, b.changes(5))
}

// A namespace that is read by itself says nothing about the others, and what can no longer be read was not deleted.
func TestNamespaces(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "deployments.apps")
	other := deployment("web", "11", "nginx:1", 1)
	other.Namespace = "pay"
	for _, o := range []*appsv1.Deployment{deployment("web", "10", "nginx:1", 1), other} {
		b.Begin(k, o.Namespace, time.Time{})
		b.See(k, o.Namespace, o, Listed)
		b.End(k, o.Namespace)
	}
	b.Begin(k, "pay", start)
	b.End(k, "pay")
	b.Lost(k, "shop")
	b.settled()
	same(t, "\ndelete Deployment pay/web v11 at +0s after +0s\n", b.changes(1))
	if n := b.Stats().Objects; n != 0 {
		t.Errorf("%d objects are held", n)
	}
}

// What comes faster than it can be recorded is told, and read again.
func TestOverflow(t *testing.T) {
	gate := make(chan struct{})
	b := newBook(t, func(c *Config, b *book) { c.Queue, b.gate = 2, gate })
	k := kindOf(t, "deployments.apps")
	b.reads(k, time.Time{}, deployment("web", "10", "nginx:0", 1))
	b.until("the list is taken", func() bool { _, ok := b.Since(k.ID()); return ok })
	b.pass(time.Minute)
	for i := range 50 { // the first is told, which waits; two wait for it
		b.See(k, "", deployment("web", fmt.Sprint(11+i), fmt.Sprint("nginx:", i+1), 1), Modified)
	}
	missed := b.Stats().Missed
	if missed < 40 {
		t.Fatalf("%d missed", missed)
	}
	close(gate)
	told := func() (n int, gaps []Change) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.told {
			if c.Verb == Missed {
				n, gaps = n+c.Count, append(gaps, c)
			}
		}
		return n, gaps
	}
	b.until("all of the gap is told", func() bool { n, _ := told(); return n == int(missed) })
	b.settled()
	_, gaps := told()
	if gap := gaps[0]; gap.Kind != k || !gap.After.Equal(start.Add(time.Minute)) {
		t.Errorf("the gap: %+v", gap)
	}
	b.mu.Lock()
	again := slices.Compact(slices.Clone(b.again))
	b.mu.Unlock()
	if !slices.Equal(again, []string{k.ID()}) {
		t.Errorf("read again: %v", again)
	}
	// The next reading finds what was missed; nobody knows when it happened.
	b.pass(time.Minute)
	b.reads(k, start.Add(90*time.Second), deployment("web", "99", "nginx:99", 1))
	b.settled()
	b.mu.Lock()
	last := b.told[len(b.told)-1]
	b.mu.Unlock()
	if last.Version != "99" || !last.After.Equal(start.Add(time.Minute)) {
		t.Errorf("after the gap: %+v", last)
	}
}

// A store that is away for a moment loses nothing; one that stays away is told of.
func TestStoreAway(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "deployments.apps")
	b.reads(k, time.Time{}, deployment("web", "10", "nginx:1", 1))
	b.settled()
	b.mu.Lock()
	b.fails = keepTries - 1
	b.mu.Unlock()
	b.See(k, "", deployment("web", "11", "nginx:2", 1), Modified)
	b.changes(1)
	b.mu.Lock()
	b.fails = keepTries
	b.mu.Unlock()
	b.See(k, "", deployment("web", "12", "nginx:3", 1), Modified)
	b.until("the change is given up", func() bool { return b.Stats().Missed == 1 })
	b.See(k, "", deployment("web", "13", "nginx:4", 1), Modified)
	if got := b.changes(3); !strings.Contains(got, "missed Deployment") || !strings.Contains(got, " v13") || strings.Contains(got, " v12") {
		t.Error(got)
	}
}

func secret(version, manager string, second int, keys ...string) *kinds.Printed {
	data := map[string]any{}
	for _, key := range keys {
		data["f:"+key] = map[string]any{}
	}
	raw, _ := json.Marshal(map[string]any{"f:data": data, "f:type": map[string]any{}})
	at := metav1.NewTime(start.Add(time.Duration(second) * time.Second))
	return &kinds.Printed{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "s", ResourceVersion: version, ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at, FieldsV1: metav1.NewFieldsV1(string(raw))},
		}},
		Cells: map[string]any{"Type": "Opaque", "Data": int64(len(keys))},
	}
}

// Of a Secret nobody learns more than the names of its keys and that somebody wrote. A24
func TestSecrets(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "secrets")
	b.reads(k, time.Time{}, secret("1", "kubectl-create", 0, "password"))
	b.See(k, "", secret("2", "kubectl-edit", 1, "password"), Modified)
	b.See(k, "", secret("3", "kubectl-edit", 2, "password", "user.name"), Modified)
	same(t, `
update Secret shop/db v2 by kubectl-edit at +0s
- data.password: (hidden)
+ data.password: (hidden, changed)
update Secret shop/db v3 by kubectl-edit at +0s
+ data[user.name]: (hidden)
`, b.changes(2))
	for _, c := range b.told {
		for _, e := range c.Entries {
			if !Marked(e.Before) && e.Before != nil || !Marked(e.After) && e.After != nil {
				t.Errorf("%s is more than a mark: %+v", e.Path, e)
			}
		}
	}
}

// What is too long is known by a hash, and what a controller puts everywhere is left out.
func TestWritten(t *testing.T) {
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "shop", Annotations: map[string]string{"control-plane.alpha.kubernetes.io/leader": "x"}},
		Data:       map[string]string{"short": "a", "long": strings.Repeat("x", maxValue+1)},
	}
	tree, err := written(kindOf(t, "configmaps"), cm)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := tree["data"].(map[string]any)
	if data["short"] != "a" || !Marked(data["long"]) || len(fmt.Sprint(data["long"])) > 60 {
		t.Errorf("data: %v", data)
	}
	if meta := tree["metadata"].(map[string]any); meta["annotations"] != nil {
		t.Errorf("noise: %v", meta)
	}
	if cm.Annotations == nil || len(cm.Data["long"]) != maxValue+1 {
		t.Error("the object was changed")
	}
	big := &corev1.ConfigMap{Data: map[string]string{}}
	for i := range 40 {
		big.Data[fmt.Sprint(i)] = strings.Repeat("y", maxValue)
	}
	if tree, err = written(kindOf(t, "configmaps"), big); err != nil || !Marked(tree["data"]) {
		t.Errorf("a large object: %v, %v", tree, err)
	}
}

// No object is worth the process.
func TestBrokenObjects(t *testing.T) {
	b, k := newBook(t, nil), kindOf(t, "deployments.apps")
	b.reads(k, time.Time{}, deployment("web", "10", "nginx:1", 1))
	b.See(k, "", nil, Modified)
	b.See(k, "", &corev1.PodList{}, Modified)
	b.See(k, "", (*appsv1.Deployment)(nil), Modified)
	b.See(k, "", deployment("web", "11", "nginx:2", 1), Modified)
	if got := b.changes(1); !strings.Contains(got, " v11") {
		t.Error(got)
	}
}

func TestRoomIsBounded(t *testing.T) {
	b := newBook(t, func(c *Config, _ *book) { c.MaxObjects = 2 })
	k := kindOf(t, "deployments.apps")
	var list []runtime.Object
	for i := range 5 {
		list = append(list, deployment(fmt.Sprint("d", i), fmt.Sprint(10+i), "x:1", 1))
	}
	b.reads(k, time.Time{}, list...)
	b.settled()
	if s := b.Stats(); s.Objects != 2 || s.Refused < 3 {
		t.Errorf("%+v", s)
	}
}

func TestPack(t *testing.T) {
	list := []diff.Entry{
		{Op: diff.Changed, Path: "spec.replicas", Before: int64(3), After: int64(5)},
		{Op: diff.Added, Path: "data.empty", After: ""},
		{Op: diff.Changed, Path: "x", Before: 1.5, After: map[string]any{"a": int64(1 << 60), "b": []any{"<&>"}}},
	}
	raw, cut, err := Pack(list)
	if err != nil || cut {
		t.Fatal(cut, err)
	}
	got, err := Unpack(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Entries{List: list}, got); d != "" {
		t.Error(d)
	}
	var many []diff.Entry
	for i := range 5000 {
		many = append(many, diff.Entry{Op: diff.Changed, Path: fmt.Sprintf("data.%d.%x", i, hashOf([]byte(fmt.Sprint(i)))), Before: fmt.Sprint(hashOf([]byte{byte(i)})), After: fmt.Sprint(i)})
	}
	if raw, cut, err = Pack(many); err != nil || !cut || len(raw) > maxPacked {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if got, err = Unpack(raw); err != nil || !got.Cut || len(got.List)+got.Left != len(many) || got.List[0].Before != nil {
		t.Errorf("cut: %v %d %d %v", got.Cut, len(got.List), got.Left, err)
	}
	if _, err := Unpack([]byte("nonsense")); err == nil {
		t.Error("nonsense was unpacked")
	}
}

func TestJoin(t *testing.T) {
	pack := func(before, after any) []byte {
		raw, _, err := Pack([]diff.Entry{{Op: diff.Changed, Path: "spec.replicas", Before: before, After: after}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	raw, err := Join(pack(int64(3), int64(5)), pack(int64(5), int64(4)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := Unpack(raw)
	if e := got.List[0]; e.Before != int64(3) || e.After != int64(4) || e.Op != diff.Changed {
		t.Errorf("%+v", e)
	}
}
