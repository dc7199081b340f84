package kube

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// rig is a fleet whose health reports are kept, and a policy with an administrator and a viewer of one namespace.
type rig struct {
	*Fleet
	authority *access.Authority

	mu      sync.Mutex
	states  map[int64][]State
	changed chan struct{}
	sent    []*http.Request
}

// newRig makes a fleet that dials the server, or anything if it is nil.
func newRig(t *testing.T, s *kubetest.Server, edits ...func(*Config)) *rig {
	t.Helper()
	r := &rig{states: map[int64][]State{}, changed: make(chan struct{}, 1), authority: access.New()}
	policy, err := access.NewPolicy(access.PolicySpec{Version: 1, Roles: access.BuiltInRoles(), Bindings: []access.Binding{
		{ID: 1, SubjectKind: access.SubjectUser, Subject: "root", Role: access.RoleAdmin},
		{ID: 2, SubjectKind: access.SubjectUser, Subject: "ann", Role: access.RoleViewer, Namespaces: []string{"shop"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.authority.Set(policy)
	cfg := Config{
		Jitter:   func() float64 { return 0.5 }, // exactly the interval
		OnHealth: r.report,
		Observe: func(_ int64, req *http.Request) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent = append(r.sent, req)
		},
	}
	if s != nil {
		cfg.Dial = s.Dial
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	r.Fleet = NewFleet(t.Context(), cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close the fleet: %v", err)
		}
	})
	return r
}

func (r *rig) report(id int64, s State) {
	r.mu.Lock()
	r.states[id] = append(r.states[id], s)
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// checks is how often a cluster was checked.
func (r *rig) checks(id int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.states[id])
}

// wait returns the first report, from now or before, for which ok holds.
func (r *rig) wait(t *testing.T, id int64, what string, ok func(State) bool) State {
	t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for {
		r.mu.Lock()
		for _, s := range r.states[id] {
			if ok(s) {
				r.mu.Unlock()
				return s
			}
		}
		last := r.states[id]
		r.mu.Unlock()
		select {
		case <-r.changed:
		case <-limit.C:
			t.Fatalf("cluster %d was never %s: %+v", id, what, last)
		}
	}
}

func (r *rig) healthy(t *testing.T, id int64) State {
	t.Helper()
	return r.wait(t, id, "healthy", func(s State) bool { return s.Health == HealthHealthy })
}

// permit is what a user gets for one verb on one kind.
func (r *rig) permit(t *testing.T, user, cluster string, k *kinds.Kind, verb access.Verb, namespace, name string) access.Permit {
	t.Helper()
	p, err := r.authority.Check(access.Subject{UserID: 1, Name: user}, access.Request{
		Cluster: cluster, Namespace: namespace, Group: k.GVR.Group, Resource: k.GVR.Resource, Name: name, Namespaced: k.Namespaced, Verb: verb,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r *rig) permits(t *testing.T, user, cluster string) Permits {
	t.Helper()
	out := Permits{}
	for _, id := range OverviewKinds() {
		k := kindOf(t, id)
		p, err := r.authority.Check(access.Subject{UserID: 1, Name: user}, access.Request{
			Cluster: cluster, Group: k.GVR.Group, Resource: k.GVR.Resource, Namespaced: k.Namespaced, Verb: access.VerbList,
		})
		if err == nil {
			out[id] = p
		}
	}
	return out
}

func kindOf(t *testing.T, id string) *kinds.Kind {
	t.Helper()
	k, ok := kinds.Lookup(id)
	if !ok {
		t.Fatalf("no kind %s", id)
	}
	return k
}

func credentials(t *testing.T, s *kubetest.Server, edits ...func(*clientcmdapi.Config)) kubeconfig.Credentials {
	t.Helper()
	got, err := kubeconfig.Parse(s.Kubeconfig(edits...), kubeconfig.Policy{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || len(got[0].Problems) > 0 {
		t.Fatalf("kubeconfig: %+v", got)
	}
	return got[0].Credentials
}

// add sets an enabled cluster and returns it.
func (r *rig) add(t *testing.T, id int64, name string, c kubeconfig.Credentials, edits ...func(*Spec)) *Cluster {
	t.Helper()
	spec := Spec{ID: id, Name: name, Enabled: true, Credentials: c}
	for _, edit := range edits {
		edit(&spec)
	}
	if err := r.Set(spec); err != nil {
		t.Fatal(err)
	}
	cl, err := r.Cluster(id)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func node(name string, ready corev1.ConditionStatus, since time.Time) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: ready, LastTransitionTime: metav1.NewTime(since), Reason: "KubeletReady", Message: "kubelet says " + name,
		}}},
	}
}

func pod(namespace, name string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx"}}},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func deployment(namespace, name string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}},
	}
}

// deadAddress is one that refuses connections.
func deadAddress(f *clientcmdapi.Config) {
	f.Clusters["kubetest"].Server = "https://127.0.0.1:1"
}

func paths(reqs []kubetest.Request) string {
	var b strings.Builder
	for _, r := range reqs {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

func queryOf(k *kinds.Kind) cache.Query { return cache.Query{Kind: k} }
