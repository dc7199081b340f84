package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	goyaml "sigs.k8s.io/yaml/goyaml.v2"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
)

// Object is one object as the API server has it. The values of a Secret are taken out before it is made: there is
// nothing in it that its reader may not see.
type Object struct {
	// Kind describes what it is.
	Kind  *kinds.Kind
	typed runtime.Object
	lists *cache.Tables // in which objects of other kinds may say something about it
}

// Typed is the object itself; it must not be changed.
func (o Object) Typed() runtime.Object { return o.typed }

// Detail is what the detail page says about the object. Its row is that of the list, also in what the lists of other
// kinds say about it as far as they are in memory.
func (o Object) Detail() kinds.Detail {
	d := o.Kind.Detail(o.typed)
	if o.lists != nil {
		d.Row = o.lists.Amend(o.Kind, d.Row)
	}
	return d
}

// Row is the object as its list shows it.
func (o Object) Row() kinds.Row { return o.Detail().Row }

// ResourceVersion is the version that was read.
func (o Object) ResourceVersion() string { return o.Kind.Detail(o.typed).Row.ResourceVersion }

// Annotations are all annotations of the object with their whole values, sorted by key, but for kubectl's copy of the
// object. A row has them cut.
func (o Object) Annotations() []kinds.Pair {
	m, ok := o.typed.(metav1.Object)
	if !ok {
		return nil
	}
	var out []kinds.Pair
	for key, value := range m.GetAnnotations() {
		if key != lastApplied {
			out = append(out, kinds.Pair{Key: key, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b kinds.Pair) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// ManagedFields reports whether the object says who has set which of its fields.
func (o Object) ManagedFields() bool {
	m, ok := o.typed.(metav1.Object)
	return ok && len(m.GetManagedFields()) > 0
}

// Changed is when the object was last changed in what is wanted of it, and by which program; what its own status says is
// left out. ok is false where the API server does not say.
func (o Object) Changed() (at time.Time, by string, ok bool) {
	m, isObject := o.typed.(metav1.Object)
	if !isObject {
		return at, "", false
	}
	for _, f := range m.GetManagedFields() {
		if f.Subresource == "" && f.Time != nil && f.Time.After(at) {
			at, by, ok = f.Time.Time, f.Manager, true
		}
	}
	return at, by, ok
}

// Finalizers are what has to be done before the object is gone once it is deleted.
func (o Object) Finalizers() []string {
	m, ok := o.typed.(metav1.Object)
	if !ok {
		return nil
	}
	return m.GetFinalizers()
}

// Redacted reports whether values were taken out of the object.
func (o Object) Redacted() bool {
	_, ok := o.typed.(*corev1.Secret)
	return ok
}

// Pods are the pods that belong to the object.
func (o Object) Pods() kinds.PodsOf { return o.Kind.Pods(o.typed) }

// YAMLOptions say what a YAML view keeps of what is usually noise.
type YAMLOptions struct {
	// ManagedFields keeps who set which field.
	ManagedFields bool
	// LastApplied keeps kubectl's copy of the object as it was last applied.
	LastApplied bool
}

// lastApplied is kubectl's copy of the whole object, a Secret's values included.
const lastApplied = corev1.LastAppliedConfigAnnotation

// YAML is the object as kubectl would print it, without managed fields and without kubectl's own copy unless asked for.
func (o Object) YAML(opts YAMLOptions) ([]byte, error) {
	fields, err := o.Tree(opts)
	if err != nil {
		return nil, err
	}
	// Not by way of JSON, as it is usually done: a reader of YAML takes neither every character nor keys of every length
	// of JSON, so that whoever may write an object could make one that has no YAML.
	return goyaml.Marshal(fields)
}

// Tree is the object as its JSON has it, with its kind and version; a Secret's values are their lengths.
func (o Object) Tree(opts YAMLOptions) (map[string]any, error) {
	fields, err := o.fields()
	if err != nil {
		return nil, err
	}
	if m, ok := fields["metadata"].(map[string]any); ok {
		if !opts.ManagedFields {
			delete(m, "managedFields")
		}
		if a, ok := m["annotations"].(map[string]any); ok && !opts.LastApplied {
			if delete(a, lastApplied); len(a) == 0 {
				delete(m, "annotations")
			}
		}
	}
	if s, ok := o.typed.(*corev1.Secret); ok {
		values := map[string]any{}
		for k, v := range s.Data {
			values[k] = string(v) // a mark by now, see redact
		}
		if delete(fields, "data"); len(values) > 0 {
			fields["data"] = values
		}
	}
	return fields, nil
}

// fields is the object as a tree, with its kind and version.
func (o Object) fields() (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o.typed)
	if err != nil {
		return nil, fmt.Errorf("write %s as YAML: %w", o.Kind.Name, err)
	}
	gvk := o.Kind.GVK()
	fields["apiVersion"], fields["kind"] = gvk.GroupVersion().String(), gvk.Kind
	if m, ok := fields["metadata"].(map[string]any); ok && m["creationTimestamp"] == nil {
		delete(m, "creationTimestamp")
	}
	return fields, nil
}

// redact takes the values out of a Secret and leaves their lengths. It also takes out what may repeat them: kubectl's
// copy, and managed fields, which name every key.
func redact(obj runtime.Object) {
	s, ok := obj.(*corev1.Secret)
	if !ok {
		return
	}
	for k, v := range s.Data {
		s.Data[k] = []byte(mark(len(v)))
	}
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(mark(len(v)))
	}
	s.StringData, s.ManagedFields = nil, nil
	delete(s.Annotations, lastApplied)
}

// mark stands for a secret value.
func mark(n int) string {
	if n == 1 {
		return "(1 byte)"
	}
	return "(" + strconv.Itoa(n) + " bytes)"
}

// Get reads one object from the API server.
func (c *Cluster) Get(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string) (Object, error) {
	t := target{"get", k.ID(), namespace, name}
	if err := c.allow(permit, k, t, access.VerbGet); err != nil {
		return Object{}, err
	}
	obj, err := c.conn.get(ctx, k, namespace, name, c.agent(permit))
	if err != nil {
		c.noticed(err)
		return Object{}, c.wrap(err, t)
	}
	redact(obj)
	return Object{k, obj, c.lists()}, nil
}

// YAML reads one object from the API server and prints it.
func (c *Cluster) YAML(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, opts YAMLOptions) ([]byte, error) {
	o, err := c.Get(ctx, permit, k, namespace, name)
	if err != nil {
		return nil, err
	}
	return o.YAML(opts)
}

var errNamespace = errors.New("a namespaced object has a namespace, and only that")

// allow checks that the permit is for exactly this, and that the cluster can be asked.
func (c *Cluster) allow(permit access.Permit, k *kinds.Kind, t target, verb access.Verb) error {
	if err := permit.Allow(access.Request{
		Cluster: c.Name(), Namespace: t.namespace, Group: k.GVR.Group, Resource: k.GVR.Resource, Name: t.name,
		Namespaced: k.Namespaced, Verb: verb,
	}); err != nil {
		return err
	}
	if t.name == "" || k.Namespaced != (t.namespace != "") {
		return &Error{
			Kind: KindNotFound, Cluster: c.Name(), Op: t.op, Resource: t.resource, Namespace: t.namespace, Name: t.name,
			Reason: message("not_found"), Err: errNamespace,
		}
	}
	return c.ready(t)
}

// agent is the User-Agent of requests that are made for somebody.
func (c *Cluster) agent(permit access.Permit) string {
	return c.cfg.UserAgent + " (user " + headerSafe(permit.Subject().Name) + ")"
}

// get reads one object into its type.
func (c *conn) get(ctx context.Context, k *kinds.Kind, namespace, name, agent string) (runtime.Object, error) {
	client, err := c.reader(k)
	if err != nil {
		return nil, err
	}
	var obj runtime.Object = &unstructured.Unstructured{}
	if !k.Dynamic() {
		if obj, err = kinds.Types().New(k.GVK()); err != nil {
			return nil, fmt.Errorf("get %s: %w", k.Name, err)
		}
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	err = client.Get().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name).
		SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(obj)
	if err != nil {
		return nil, err
	}
	// An answer of another kind decodes into an empty object of this one.
	if m, err := meta.Accessor(obj); err != nil || m.GetName() != name {
		return nil, errNotKubernetes
	}
	return obj, nil
}
