package kubetest

import (
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

// resource is one kind that the server serves.
type resource struct {
	schema.GroupVersionResource
	kind       string
	namespaced bool
	subs       []string
}

// resources are the kinds that the server serves and announces in discovery.
func resources() []resource {
	r := func(group, plural, kind string, namespaced bool, subs ...string) resource {
		return resource{schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}, kind, namespaced, subs}
	}
	return []resource{
		r("", "pods", "Pod", true, "status", "log", "exec", "eviction"),
		r("", "nodes", "Node", false, "status"),
		r("", "namespaces", "Namespace", false, "status"),
		r("", "events", "Event", true),
		r("", "services", "Service", true, "status"),
		r("", "configmaps", "ConfigMap", true),
		r("", "secrets", "Secret", true),
		r("", "serviceaccounts", "ServiceAccount", true),
		r("", "persistentvolumeclaims", "PersistentVolumeClaim", true, "status"),
		r("", "persistentvolumes", "PersistentVolume", false, "status"),
		r("apps", "deployments", "Deployment", true, "status", "scale"),
		r("apps", "replicasets", "ReplicaSet", true, "status", "scale"),
		r("apps", "statefulsets", "StatefulSet", true, "status", "scale"),
		r("apps", "daemonsets", "DaemonSet", true, "status"),
		r("batch", "jobs", "Job", true, "status"),
		r("batch", "cronjobs", "CronJob", true, "status"),
	}
}

func lookup(gvr schema.GroupVersionResource) (resource, bool) {
	for _, r := range resources() {
		if r.GroupVersionResource == gvr {
			return r, true
		}
	}
	return resource{}, false
}

func resourceOf(obj runtime.Object) (resource, error) {
	gvks, _, err := scheme.Scheme.ObjectKinds(obj)
	if err != nil {
		return resource{}, err
	}
	for _, r := range resources() {
		for _, gvk := range gvks {
			if r.kind == gvk.Kind && r.Group == gvk.Group && r.Version == gvk.Version {
				return r, nil
			}
		}
	}
	return resource{}, fmt.Errorf("kubetest serves no %v", gvks)
}

// change is one thing that happened to an object.
type change struct {
	version uint64
	kind    watch.EventType
	object  runtime.Object
}

// store holds the objects and their history. Objects in it are never modified, only replaced.
type store struct {
	mu      sync.Mutex
	version uint64
	oldest  uint64
	uids    int
	objects map[schema.GroupVersionResource]map[types.NamespacedName]runtime.Object
	history map[schema.GroupVersionResource][]change
	changed chan struct{}
}

func newStore() *store {
	return &store{
		version: 1000, oldest: 1000,
		objects: map[schema.GroupVersionResource]map[types.NamespacedName]runtime.Object{},
		history: map[schema.GroupVersionResource][]change{},
		changed: make(chan struct{}),
	}
}

// put adds or replaces an object and returns it as it is stored.
func (s *store) put(r resource, obj runtime.Object) (runtime.Object, error) {
	obj = obj.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
	kind := watch.Added
	if s.objects[r.GroupVersionResource] == nil {
		s.objects[r.GroupVersionResource] = map[types.NamespacedName]runtime.Object{}
	}
	if old, ok := s.objects[r.GroupVersionResource][key]; ok {
		kind = watch.Modified
		if o, err := meta.Accessor(old); err == nil {
			if m.GetUID() == "" {
				m.SetUID(o.GetUID())
			}
			if m.GetCreationTimestamp().Time.IsZero() {
				m.SetCreationTimestamp(o.GetCreationTimestamp())
			}
		}
	}
	if m.GetUID() == "" {
		s.uids++
		m.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", s.uids)))
	}
	if m.GetCreationTimestamp().Time.IsZero() {
		m.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	}
	s.record(r, key, kind, obj, m)
	return obj, nil
}

// record gives the object the next version and tells the watchers; mu is held.
func (s *store) record(r resource, key types.NamespacedName, kind watch.EventType, obj runtime.Object, m metav1.Object) {
	s.version++
	m.SetResourceVersion(strconv.FormatUint(s.version, 10))
	if kind == watch.Deleted {
		delete(s.objects[r.GroupVersionResource], key)
	} else {
		s.objects[r.GroupVersionResource][key] = obj
	}
	s.history[r.GroupVersionResource] = append(s.history[r.GroupVersionResource], change{s.version, kind, obj})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) get(r resource, namespace, name string) (runtime.Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj, ok := s.objects[r.GroupVersionResource][types.NamespacedName{Namespace: namespace, Name: name}]
	return obj, ok
}

// remove deletes an object and returns it as it was last, or nil.
func (s *store) remove(r resource, namespace, name string) runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := types.NamespacedName{Namespace: namespace, Name: name}
	old, ok := s.objects[r.GroupVersionResource][key]
	if !ok {
		return nil
	}
	obj := old.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil
	}
	s.record(r, key, watch.Deleted, obj, m)
	return obj
}

// list is every object of a kind in the order of etcd, and the version at which that was true.
func (s *store) list(r resource, namespace string) ([]runtime.Object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]types.NamespacedName, 0, len(s.objects[r.GroupVersionResource]))
	for k := range s.objects[r.GroupVersionResource] {
		if namespace == "" || k.Namespace == namespace {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	out := make([]runtime.Object, 0, len(keys))
	for _, k := range keys {
		out = append(out, s.objects[r.GroupVersionResource][k])
	}
	return out, s.version
}

// since is what happened to a kind after a version, the current version, and a channel that is closed at the next
// change. ok is false when the history does not reach back so far.
func (s *store) since(r resource, version uint64) (changes []change, now uint64, next <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version < s.oldest {
		return nil, s.version, s.changed, false
	}
	h := s.history[r.GroupVersionResource]
	i := sort.Search(len(h), func(i int) bool { return h[i].version > version })
	return append([]change(nil), h[i:]...), s.version, s.changed, true
}

// Add stores objects and sends them to watchers. It panics on a kind that the server does not serve, which is a mistake
// in the test.
func (s *Server) Add(objs ...runtime.Object) {
	for _, obj := range objs {
		r, err := resourceOf(obj)
		if err == nil {
			_, err = s.store.put(r, obj)
		}
		if err != nil {
			panic(fmt.Sprintf("kubetest: add %T: %v", obj, err))
		}
	}
}

// Update replaces objects and sends the change to watchers; UID and creation time stay when they are not given.
func (s *Server) Update(objs ...runtime.Object) { s.Add(objs...) }

// Delete removes objects and tells watchers.
func (s *Server) Delete(objs ...runtime.Object) {
	for _, obj := range objs {
		r, err := resourceOf(obj)
		if err != nil {
			panic(fmt.Sprintf("kubetest: delete %T: %v", obj, err))
		}
		m, err := meta.Accessor(obj)
		if err != nil {
			panic(fmt.Sprintf("kubetest: delete %T: %v", obj, err))
		}
		s.store.remove(r, m.GetNamespace(), m.GetName())
	}
}

// Object is the stored object of the same kind, namespace and name as like, or nil.
func (s *Server) Object(like runtime.Object) runtime.Object {
	r, err := resourceOf(like)
	if err != nil {
		panic(fmt.Sprintf("kubetest: object %T: %v", like, err))
	}
	m, err := meta.Accessor(like)
	if err != nil {
		panic(fmt.Sprintf("kubetest: object %T: %v", like, err))
	}
	obj, ok := s.store.get(r, m.GetNamespace(), m.GetName())
	if !ok {
		return nil
	}
	return obj.DeepCopyObject()
}

// Compact forgets the history: a watch from an earlier version is answered with 410 Gone.
func (s *Server) Compact() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.version++
	s.store.oldest = s.store.version
	s.store.history = map[schema.GroupVersionResource][]change{}
}
