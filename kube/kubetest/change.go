package kubetest

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// decode reads the request's object, in protobuf or JSON.
func (c *call) decode() (runtime.Object, error) {
	gvk := c.res.GroupVersion().WithKind(c.res.kind)
	var decoder runtime.Decoder = unstructured.UnstructuredJSONScheme
	if c.res.typed() {
		decoder = codecs.UniversalDeserializer()
	}
	obj, _, err := decoder.Decode(c.body, &gvk, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return obj, nil
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
	if c.res.namespaced {
		m.SetNamespace(c.namespace)
	}
	if _, ok := c.store.get(c.res, m.GetNamespace(), m.GetName()); ok {
		c.fail(apierrors.NewAlreadyExists(c.res.GroupResource(), m.GetName()))
		return
	}
	c.save(http.StatusCreated, obj)
}

func (c *call) update() {
	obj, err := c.decode()
	if err != nil {
		c.fail(err)
		return
	}
	old, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	if err := c.precondition(old, obj); err != nil {
		c.fail(err)
		return
	}
	generation(old, obj)
	c.save(http.StatusOK, obj)
}

// generation counts the changes of what is wanted of an object.
func generation(old, changed runtime.Object) {
	o, oldErr := runtime.DefaultUnstructuredConverter.ToUnstructured(old)
	n, err := runtime.DefaultUnstructuredConverter.ToUnstructured(changed)
	m, isObject := changed.(metav1.Object)
	before, isOld := old.(metav1.Object)
	if oldErr != nil || err != nil || !isObject || !isOld {
		return
	}
	m.SetGeneration(before.GetGeneration())
	if !reflect.DeepEqual(o["spec"], n["spec"]) {
		m.SetGeneration(before.GetGeneration() + 1)
	}
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
	saved, err := c.store.put(c.res, obj)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	c.write(status, c.res.GroupVersion(), saved)
}

func (c *call) patch() {
	old, ok := c.store.get(c.res, c.namespace, c.name)
	if !ok {
		c.fail(c.missing())
		return
	}
	changed, err := c.patched(old)
	if err == nil {
		err = c.precondition(old, changed)
	}
	if err != nil {
		c.fail(err)
		return
	}
	generation(old, changed)
	c.save(http.StatusOK, changed)
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
	if err := json.Unmarshal(after, empty); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return empty, nil
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
