package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/access"
	"tiga/kube/kinds"
)

// script is an API server without a network: it keeps pods, answers lists and
// watches as a real one does, and misbehaves as told.
type script struct {
	mu       sync.Mutex
	objects  map[key]*corev1.Pod
	history  []watch.Event
	versions []int // of each event of history
	version  int
	oldest   int // watches from before are answered with 410
	changed  chan struct{}

	noStream   bool                                                           // refuses streaming lists, as servers before 1.27
	stalled    bool                                                           // watches say nothing more, not even that they end
	ignoreEnd  bool                                                           // watches ignore timeoutSeconds
	gone       goneForm                                                       // how an old version is refused
	onList     func(ns string, opts metav1.ListOptions) error                 // may refuse
	onWatch    func(ns string, opts metav1.ListOptions) error                 // may refuse
	onListed   func(ns string, opts metav1.ListOptions, page *corev1.PodList) // may change a chunk
	lists      int
	watches    int
	openNow    int
	watchLog   []metav1.ListOptions
	namespaces []string // of the requests, in order
}

type goneForm int

const (
	goneStatus goneForm = iota
	goneInStream
)

func newScript() *script {
	return &script{objects: make(map[key]*corev1.Pod), version: 100, changed: make(chan struct{})}
}

func pod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "uid-" + "", Labels: map[string]string{"app": strings.SplitN(name, "-", 2)[0]}},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{Name: "main", Image: "img:1"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

// set adds or changes pods.
func (s *script) set(pods ...*corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pods {
		s.version++
		p = p.DeepCopy()
		p.ResourceVersion = strconv.Itoa(s.version)
		k := key{p.Namespace, p.Name}
		kind := watch.Modified
		if s.objects[k] == nil {
			kind = watch.Added
		}
		s.objects[k] = p
		s.record(watch.Event{Type: kind, Object: p})
	}
}

func (s *script) remove(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	p := s.objects[key{namespace, name}].DeepCopy()
	p.ResourceVersion = strconv.Itoa(s.version)
	delete(s.objects, key{namespace, name})
	s.record(watch.Event{Type: watch.Deleted, Object: p})
}

func (s *script) record(e watch.Event) {
	s.history = append(s.history, e)
	s.versions = append(s.versions, s.version)
	s.signal()
}

func (s *script) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// compact forgets the history, as etcd does every five minutes.
func (s *script) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.oldest = s.version
	s.signal()
}

// with changes how the script behaves.
func (s *script) with(edit func(*script)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(s)
	s.signal()
}

func (s *script) count() (lists, watches, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists, s.watches, s.openNow
}

func errGone() *apierrors.StatusError {
	return apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.")
}

func (s *script) List(ctx context.Context, _ *kinds.Kind, ns string, opts metav1.ListOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	s.namespaces = append(s.namespaces, ns)
	if s.onList != nil {
		if err := s.onList(ns, opts); err != nil {
			return nil, err
		}
	}
	all := slices.SortedFunc(maps.Values(s.objects), func(a, b *corev1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	all = slices.DeleteFunc(all, func(p *corev1.Pod) bool { return ns != "" && p.Namespace != ns })
	page := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(s.version)}}
	from := 0
	if opts.Continue != "" {
		var at int
		if _, err := fmt.Sscanf(opts.Continue, "%d@%d", &from, &at); err != nil {
			return nil, apierrors.NewBadRequest("continue key is not valid")
		}
		if at < s.oldest {
			return nil, apierrors.NewResourceExpired("The provided continue parameter is too old")
		}
		page.ResourceVersion = strconv.Itoa(at)
	}
	end := len(all)
	if opts.Limit > 0 && from+int(opts.Limit) < end {
		end = from + int(opts.Limit)
		page.Continue = fmt.Sprintf("%d@%s", end, page.ResourceVersion)
	}
	for _, p := range all[min(from, len(all)):end] {
		page.Items = append(page.Items, *p)
	}
	if s.onListed != nil {
		s.onListed(ns, opts, page)
	}
	return page, ctx.Err()
}

func (s *script) Watch(ctx context.Context, _ *kinds.Kind, ns string, opts metav1.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches++
	s.namespaces = append(s.namespaces, ns)
	s.watchLog = append(s.watchLog, opts)
	if s.onWatch != nil {
		if err := s.onWatch(ns, opts); err != nil {
			return nil, err
		}
	}
	stream := opts.SendInitialEvents != nil
	if stream && s.noStream {
		return nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", nil)
	}
	from := s.version
	var initial []watch.Event
	if stream {
		for _, p := range s.objects {
			if ns == "" || p.Namespace == ns {
				initial = append(initial, watch.Event{Type: watch.Added, Object: p})
			}
		}
		end := s.bookmark()
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		initial = append(initial, watch.Event{Type: watch.Bookmark, Object: end})
	} else {
		var err error
		if from, err = strconv.Atoi(opts.ResourceVersion); err != nil {
			return nil, apierrors.NewBadRequest("invalid resource version " + opts.ResourceVersion)
		}
		if from < s.oldest && s.gone == goneStatus {
			return nil, errGone()
		}
		if from < s.oldest {
			status := errGone().ErrStatus
			initial = []watch.Event{{Type: watch.Error, Object: &status}}
		}
	}
	w := &scripted{events: make(chan watch.Event), stop: make(chan struct{})}
	s.openNow++
	go s.serve(ctx, w, ns, initial, from, time.Duration(*opts.TimeoutSeconds)*time.Second)
	return w, nil
}

func (s *script) bookmark() *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(s.version)}}
}

// scripted is an open watch.
type scripted struct {
	events chan watch.Event
	stop   chan struct{}
	once   sync.Once
}

func (w *scripted) Stop()                          { w.once.Do(func() { close(w.stop) }) }
func (w *scripted) ResultChan() <-chan watch.Event { return w.events }

func (s *script) serve(ctx context.Context, w *scripted, ns string, initial []watch.Event, from int, timeout time.Duration) {
	end := time.NewTimer(timeout)
	defer end.Stop()
	before := time.NewTimer(timeout - 2*time.Second) // servers send a bookmark just before they end a watch
	defer before.Stop()
	closing := true
	defer func() {
		s.mu.Lock()
		s.openNow--
		s.mu.Unlock()
		if closing {
			close(w.events)
		}
	}()
	send := func(e watch.Event) bool {
		select {
		case w.events <- e:
			return true
		case <-w.stop:
		case <-ctx.Done():
		}
		return false
	}
	for _, e := range initial {
		if !send(e) {
			return
		}
	}
	for {
		s.mu.Lock()
		changed, stalled, ignoreEnd := s.changed, s.stalled, s.ignoreEnd
		var due []watch.Event
		for i, v := range s.versions {
			if v > from && (ns == "" || s.history[i].Object.(*corev1.Pod).Namespace == ns) {
				due = append(due, s.history[i])
			}
		}
		now := s.version
		mark := watch.Event{Type: watch.Bookmark, Object: s.bookmark()}
		s.mu.Unlock()
		if stalled {
			closing = false
			select {
			case <-w.stop:
			case <-ctx.Done():
			}
			return
		}
		for _, e := range due {
			if !send(e) {
				return
			}
		}
		from = now
		select {
		case <-changed:
		case <-before.C:
			if !ignoreEnd && !send(mark) {
				return
			}
		case <-end.C:
			if !ignoreEnd {
				return
			}
		case <-w.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

const testCluster = "production"

// authority knows ann, who may read everything, and bob, who may read the
// namespace "a" but for the pods whose names begin with "secret".
func authority(tb testing.TB) *access.Authority {
	tb.Helper()
	policy, err := access.NewPolicy(access.PolicySpec{
		Version: 1,
		Roles: []access.Role{{Name: "some", Rules: []access.Rule{
			{Resources: []string{"*"}, Verbs: []access.Verb{access.VerbGet, access.VerbList}},
			{Deny: true, Resources: []string{"pods"}, Names: []string{"secret*"}, Verbs: []access.Verb{access.VerbAny}},
		}}},
		Bindings: []access.Binding{
			{ID: 1, SubjectKind: access.SubjectUser, Subject: "ann", Role: access.RoleAdmin},
			{ID: 2, SubjectKind: access.SubjectUser, Subject: "bob", Role: "some", Clusters: []string{testCluster}, Namespaces: []string{"a"}},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	a := access.New()
	a.Set(policy)
	return a
}

func permit(tb testing.TB, user string, k *kinds.Kind) access.Permit {
	tb.Helper()
	p, err := authority(tb).Check(access.Subject{UserID: 1, Name: user}, access.Request{
		Cluster: testCluster, Group: k.GVR.Group, Resource: k.GVR.Resource, Namespaced: k.Namespaced, Verb: access.VerbList,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func podKind(tb testing.TB) *kinds.Kind {
	tb.Helper()
	k, ok := kinds.Lookup("pods")
	if !ok {
		tb.Fatal("no kind pods")
	}
	return k
}

// namespaceReader is the permit of somebody who may read one namespace.
func namespaceReader(tb testing.TB, namespace string) access.Permit {
	tb.Helper()
	policy, err := access.NewPolicy(access.PolicySpec{Version: 1, Bindings: []access.Binding{
		{ID: 1, SubjectKind: access.SubjectUser, Subject: "carl", Role: access.RoleViewer, Clusters: []string{testCluster}, Namespaces: []string{namespace}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	a := access.New()
	a.Set(policy)
	p, err := a.Check(access.Subject{UserID: 3, Name: "carl"}, access.Request{
		Cluster: testCluster, Resource: "pods", Namespaced: true, Verb: access.VerbList,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
