package kubetest

import (
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

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
	objects map[schema.GroupResource]map[types.NamespacedName]runtime.Object
	history map[schema.GroupResource][]change
	changed chan struct{}
}

func newStore() *store {
	return &store{
		version: 1000, oldest: 1000,
		objects: map[schema.GroupResource]map[types.NamespacedName]runtime.Object{},
		history: map[schema.GroupResource][]change{},
		changed: make(chan struct{}),
	}
}

// put adds or replaces an object and returns it as it is stored.
func (s *store) put(r resource, obj runtime.Object) (runtime.Object, error) {
	obj = obj.DeepCopyObject()
	establish(obj)
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
	kind := watch.Added
	if s.objects[r.GroupResource()] == nil {
		s.objects[r.GroupResource()] = map[types.NamespacedName]runtime.Object{}
	}
	if old, ok := s.objects[r.GroupResource()][key]; ok {
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

// would is an object as put would return it, without storing it.
func (s *store) would(r resource, obj runtime.Object) (runtime.Object, error) {
	obj = obj.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	old, ok := s.get(r, m.GetNamespace(), m.GetName())
	if !ok {
		m.SetUID("00000000-0000-4000-8000-ffffffffffff")
		m.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
		m.SetResourceVersion("")
		return obj, nil
	}
	o, err := meta.Accessor(old)
	if err != nil {
		return nil, err
	}
	m.SetUID(o.GetUID())
	m.SetCreationTimestamp(o.GetCreationTimestamp())
	m.SetResourceVersion(o.GetResourceVersion())
	return obj, nil
}

// record gives the object the next version and tells the watchers; mu is held.
func (s *store) record(r resource, key types.NamespacedName, kind watch.EventType, obj runtime.Object, m metav1.Object) {
	s.version++
	m.SetResourceVersion(strconv.FormatUint(s.version, 10))
	if kind == watch.Deleted {
		delete(s.objects[r.GroupResource()], key)
	} else {
		s.objects[r.GroupResource()][key] = obj
	}
	s.history[r.GroupResource()] = append(s.history[r.GroupResource()], change{s.version, kind, obj})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) get(r resource, namespace, name string) (runtime.Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj, ok := s.objects[r.GroupResource()][types.NamespacedName{Namespace: namespace, Name: name}]
	return obj, ok
}

// remove deletes an object and returns it as it was last, or nil.
func (s *store) remove(r resource, namespace, name string) runtime.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := types.NamespacedName{Namespace: namespace, Name: name}
	old, ok := s.objects[r.GroupResource()][key]
	if !ok {
		return nil
	}
	obj := old.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil
	}
	s.record(r, key, watch.Deleted, obj, m)
	if crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition); ok {
		gr := schema.GroupResource{Group: crd.Spec.Group, Resource: crd.Spec.Names.Plural}
		delete(s.objects, gr)
		delete(s.history, gr)
	}
	return obj
}

// definitions are the CustomResourceDefinitions, by name.
func (s *store) definitions() []*apiextensionsv1.CustomResourceDefinition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*apiextensionsv1.CustomResourceDefinition
	for _, obj := range s.objects[schema.GroupResource{Group: apiextensionsv1.GroupName, Resource: "customresourcedefinitions"}] {
		if crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition); ok {
			out = append(out, crd)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// list is every object of a kind in the order of etcd, and the version at which that was true.
func (s *store) list(r resource, namespace string) ([]runtime.Object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]types.NamespacedName, 0, len(s.objects[r.GroupResource()]))
	for k := range s.objects[r.GroupResource()] {
		if namespace == "" || k.Namespace == namespace {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	out := make([]runtime.Object, 0, len(keys))
	for _, k := range keys {
		out = append(out, s.objects[r.GroupResource()][k])
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
	h := s.history[r.GroupResource()]
	i := sort.Search(len(h), func(i int) bool { return h[i].version > version })
	return append([]change(nil), h[i:]...), s.version, s.changed, true
}

// Add stores objects and sends them to watchers. It panics on a kind that the server does not serve, which is a mistake
// in the test.
func (s *Server) Add(objs ...runtime.Object) {
	for _, obj := range objs {
		r, err := s.resourceOf(obj)
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
		r, err := s.resourceOf(obj)
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
	r, err := s.resourceOf(like)
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
	s.store.history = map[schema.GroupResource][]change{}
}
