package kubetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// decode reads the request's object, in protobuf or JSON.
func (c *call) decode() (runtime.Object, error) { return c.decoded(c.body) }

// strict refuses fields that the Go type does not have.
var strict = serializer.NewCodecFactory(scheme, serializer.EnableStrict)

func (c *call) decoded(body []byte) (runtime.Object, error) {
	gvk := c.res.GroupVersion().WithKind(c.res.kind)
	var decoder runtime.Decoder = unstructured.UnstructuredJSONScheme
	if c.res.typed() {
		decoder = codecs.UniversalDeserializer()
		if c.r.URL.Query().Get("fieldValidation") == metav1.FieldValidationStrict {
			decoder = strict.UniversalDeserializer()
		}
	}
	obj, got, err := decoder.Decode(body, &gvk, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, gvk.Kind, err))
	}
	if *got != gvk {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the API version in the data (%s) does not match the expected API version (%s)", got.GroupVersion(), gvk.GroupVersion()))
	}
	return obj, nil
}

// dryRun reports whether the request asks only what would happen.
func (c *call) dryRun() bool { return slices.Contains(c.r.URL.Query()["dryRun"], metav1.DryRunAll) }

// Admit decides on every object that is about to be stored, as validation and admission do: old is nil for a new one. It
// may change the object. The error is what the client is told.
func (s *Server) Admit(f func(old, changed runtime.Object) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit = f
}

func (c *call) admitted(old, changed runtime.Object) error {
	c.mu.Lock()
	f := c.admit
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(old, changed)
}

func (c *call) create() {
	obj, err := c.decode()
	if err != nil {
		c.fail(err)
		return
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	switch {
	case m.GetResourceVersion() != "":
		c.fail(apierrors.NewBadRequest("resourceVersion should not be set on objects to be created"))
		return
	case c.res.namespaced && m.GetNamespace() != "" && m.GetNamespace() != c.namespace:
		c.fail(apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request"))
		return
	case m.GetName() == "" && m.GetGenerateName() != "":
		m.SetName(m.GetGenerateName() + "x7k2p")
	case m.GetName() == "":
		c.fail(apierrors.NewInvalid(c.res.GroupVersion().WithKind(c.res.kind).GroupKind(), "", field.ErrorList{
			field.Required(field.NewPath("metadata", "name"), "name or generateName is required"),
		}))
		return
	}
	if c.res.namespaced {
		m.SetNamespace(c.namespace)
	}
	if _, ok := c.store.get(c.res, m.GetNamespace(), m.GetName()); ok {
		c.fail(apierrors.NewAlreadyExists(c.res.GroupResource(), m.GetName()))
		return
	}
	c.saveNew(obj)
}

// saveNew stores an object that was not there.
func (c *call) saveNew(obj runtime.Object) {
	if secret, ok := obj.(*corev1.Secret); ok {
		plain(secret)
	}
	if err := c.admitted(nil, obj); err != nil {
		c.fail(err)
		return
	}
	c.save(http.StatusCreated, obj)
}

// plain does what an API server does with the values that are given as text.
func plain(s *corev1.Secret) {
	for k, v := range s.StringData {
		if s.Data == nil {
			s.Data = map[string][]byte{}
		}
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}

func (c *call) update() {
	obj, err := c.decode()
	if err != nil {
		c.fail(err)
		return
	}
	if m, err := meta.Accessor(obj); err != nil || m.GetName() != c.name {
		c.fail(apierrors.NewBadRequest("the name of the object does not match the name on the URL"))
		return
	}
	old, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	c.replace(old, obj)
}

// replace stores an object in the place of another, after what an API server checks and fills in.
func (c *call) replace(old, changed runtime.Object) {
	err := c.precondition(old, changed)
	if err == nil {
		changed, err = c.prepared(old, changed)
	}
	if err == nil {
		err = c.admitted(old, changed)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.save(http.StatusOK, changed)
}

// prepared is a changed object with what a client cannot change: its status, where that is a sub-resource, and what the
// API server has set. Its generation counts what is wanted of it.
func (c *call) prepared(old, changed runtime.Object) (runtime.Object, error) {
	if secret, ok := changed.(*corev1.Secret); ok {
		plain(secret)
	}
	o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(old)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	n, err := runtime.DefaultUnstructuredConverter.ToUnstructured(changed)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if slices.Contains(c.res.subs, "status") && c.sub == "" {
		if delete(n, "status"); o["status"] != nil {
			n["status"] = o["status"]
		}
	}
	var out runtime.Object
	if _, ok := changed.(runtime.Unstructured); ok {
		out = &unstructured.Unstructured{Object: n}
	} else {
		out = reflect.New(reflect.TypeOf(changed).Elem()).Interface().(runtime.Object)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(n, out); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
	}
	om, _ := meta.Accessor(old)
	m, err := meta.Accessor(out)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	m.SetGeneration(om.GetGeneration())
	if !reflect.DeepEqual(o["spec"], n["spec"]) {
		m.SetGeneration(om.GetGeneration() + 1)
	}
	if len(m.GetManagedFields()) == 0 {
		m.SetManagedFields(om.GetManagedFields())
	}
	return out, nil
}

// precondition refuses a change of another version or another incarnation than the one that is stored.
func (c *call) precondition(old, changed runtime.Object) error {
	o, err := meta.Accessor(old)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	n, err := meta.Accessor(changed)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if v := n.GetResourceVersion(); v != "" && v != o.GetResourceVersion() {
		return c.conflict("the object has been modified; please apply your changes to the latest version and try again")
	}
	if u := n.GetUID(); u != "" && u != o.GetUID() {
		return c.conflict("Precondition failed: UID in precondition: " + string(u) + ", UID in object meta: " + string(o.GetUID()))
	}
	return nil
}

func (c *call) conflict(why string) error {
	return apierrors.NewConflict(c.res.GroupResource(), c.name, errors.New(why))
}

func (c *call) save(status int, obj runtime.Object) {
	if c.dryRun() {
		would, err := c.store.would(c.res, obj)
		if err != nil {
			c.fail(apierrors.NewInternalError(err))
			return
		}
		c.write(status, c.res.GroupVersion(), would)
		return
	}
	saved, err := c.store.put(c.res, obj)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	c.write(status, c.res.GroupVersion(), saved)
}

func (c *call) patch() {
	if media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err == nil && isApply(media) {
		c.apply()
		return
	}
	old, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	changed, err := c.patched(old)
	if err != nil {
		c.fail(err)
		return
	}
	c.replace(old, changed)
}

// patched applies a merge or a strategic merge patch to a copy of the object.
func (c *call) patched(old runtime.Object) (runtime.Object, error) {
	before, err := json.Marshal(old)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	empty, err := c.empty("")
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	var after []byte
	switch types.PatchType(media) {
	case types.StrategicMergePatchType:
		if !c.res.typed() {
			return nil, c.unsupported(media)
		}
		after, err = strategicpatch.StrategicMergePatch(before, c.body, empty)
	case types.MergePatchType:
		after, err = mergePatch(before, c.body)
	default:
		return nil, c.unsupported(media)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	var tree map[string]any
	if err := json.Unmarshal(after, &tree); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	tree["apiVersion"], tree["kind"] = c.res.GroupVersion().String(), c.res.kind
	if after, err = json.Marshal(tree); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return c.decoded(after)
}

func (c *call) unsupported(media string) error {
	return apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", c.res.GroupResource(), c.name, "unsupported patch "+media, 0, true)
}

// mergePatch is RFC 7386.
func mergePatch(doc, patch []byte) ([]byte, error) {
	var d, p any
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(patch, &p); err != nil {
		return nil, err
	}
	return json.Marshal(merged(d, p))
}

func merged(d, p any) any {
	patch, ok := p.(map[string]any)
	if !ok {
		return p
	}
	doc, ok := d.(map[string]any)
	if !ok {
		doc = map[string]any{}
	}
	for k, v := range patch {
		if v == nil {
			delete(doc, k)
			continue
		}
		doc[k] = merged(doc[k], v)
	}
	return doc
}

func (c *call) remove() {
	var opts metav1.DeleteOptions
	if len(c.body) > 0 {
		if _, _, err := codecs.UniversalDeserializer().Decode(c.body, nil, &opts); err != nil {
			if err := json.Unmarshal(c.body, &opts); err != nil {
				c.fail(apierrors.NewBadRequest(err.Error()))
				return
			}
		}
	}
	old, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	m, err := meta.Accessor(old)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	if p := opts.Preconditions; p != nil {
		if p.UID != nil && *p.UID != m.GetUID() {
			c.fail(c.conflict("Precondition failed: UID in precondition: " + string(*p.UID) + ", UID in object meta: " + string(m.GetUID())))
			return
		}
		if p.ResourceVersion != nil && *p.ResourceVersion != m.GetResourceVersion() {
			c.fail(c.conflict("Precondition failed: ResourceVersion"))
			return
		}
	}
	if len(opts.DryRun) > 0 || c.dryRun() {
		c.write(http.StatusOK, c.res.GroupVersion(), old)
		return
	}
	gone := c.store.remove(c.res, c.namespace, c.name)
	if gone == nil {
		c.fail(c.missing())
		return
	}
	c.write(http.StatusOK, c.res.GroupVersion(), gone)
}

// scale reads and writes the scale sub-resource of the kinds in apps.
func (c *call) scale() {
	obj, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	obj = obj.DeepCopyObject()
	scale, set, err := scaleOf(obj)
	if err != nil {
		c.fail(notServed())
		return
	}
	gv := autoscalingv1.SchemeGroupVersion
	switch c.r.Method {
	case http.MethodGet:
		c.write(http.StatusOK, gv, scale)
		return
	case http.MethodPut:
		gvk := gv.WithKind("Scale")
		asked, _, err := codecs.UniversalDeserializer().Decode(c.body, &gvk, nil)
		wanted, ok := asked.(*autoscalingv1.Scale)
		if err != nil || !ok {
			c.fail(apierrors.NewBadRequest("not a Scale"))
			return
		}
		if v := wanted.ResourceVersion; v != "" && v != scale.ResourceVersion {
			c.fail(c.conflict("the object has been modified; please apply your changes to the latest version and try again"))
			return
		}
		if wanted.Spec.Replicas < 0 {
			c.fail(apierrors.NewBadRequest("spec.replicas: Invalid value: " + strconv.Itoa(int(wanted.Spec.Replicas))))
			return
		}
		set(wanted.Spec.Replicas)
	default:
		c.fail(apierrors.NewMethodNotSupported(c.res.GroupResource(), c.verb()))
		return
	}
	saved, err := c.store.put(c.res, obj)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	if scale, _, err = scaleOf(saved); err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	c.write(http.StatusOK, gv, scale)
}

// scaleOf is the scale of an object and a way to set its replicas.
func scaleOf(obj runtime.Object) (*autoscalingv1.Scale, func(int32), error) {
	var replicas **int32
	var status int32
	var m metav1.ObjectMeta
	switch o := obj.(type) {
	case *appsv1.Deployment:
		replicas, status, m = &o.Spec.Replicas, o.Status.Replicas, o.ObjectMeta
	case *appsv1.StatefulSet:
		replicas, status, m = &o.Spec.Replicas, o.Status.Replicas, o.ObjectMeta
	case *appsv1.ReplicaSet:
		replicas, status, m = &o.Spec.Replicas, o.Status.Replicas, o.ObjectMeta
	default:
		return nil, nil, errors.New("no scale")
	}
	current := int32(1)
	if *replicas != nil {
		current = **replicas
	}
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, CreationTimestamp: m.CreationTimestamp},
		Spec:       autoscalingv1.ScaleSpec{Replicas: current}, Status: autoscalingv1.ScaleStatus{Replicas: status},
	}, func(n int32) { *replicas = &n }, nil
}
