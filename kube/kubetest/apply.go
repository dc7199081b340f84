package kubetest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/yaml"
)

// typeConverter knows the schema of the built-in kinds; deduced takes every list for atomic and every map for open, as an
// API server does with kinds that have no schema.
var (
	typeConverter = sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(scheme) })
	deduced       = managedfields.NewDeducedTypeConverter()
)

// undefaulted sets no defaults.
type undefaulted struct{}

func (undefaulted) Default(runtime.Object) {}

// asIs converts between the versions of a kind without a Go type, all of which have the same fields here.
type asIs struct{}

func (asIs) Convert(any, any, any) error { return errors.New("not converted") }

func (asIs) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (asIs) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (asIs) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u, nil
}

// managers keeps who has set which field of objects of a kind. It is the API server's own.
func managers(r resource) (*managedfields.FieldManager, error) {
	gvk := r.GroupVersion().WithKind(r.kind)
	if !r.typed() {
		return managedfields.NewDefaultCRDFieldManager(deduced, asIs{}, undefaulted{}, asIs{}, gvk, gvk.GroupVersion(), "", nil)
	}
	convert := typeConverter()
	if slices.Contains([]string{apiextensionsv1.GroupName, "apiregistration.k8s.io"}, r.Group) {
		convert = deduced
	}
	return managedfields.NewDefaultFieldManager(convert, scheme, undefaulted{}, scheme, gvk, gvk.GroupVersion(), "", nil)
}

// blank is an object of the call's kind with nothing in it but what it is and its name.
func (c *call) blank() (runtime.Object, error) {
	gvk := c.res.GroupVersion().WithKind(c.res.kind)
	var obj runtime.Object
	var err error
	if c.res.typed() {
		obj, err = scheme.New(gvk)
	} else {
		obj, err = asIs{}.New(gvk)
	}
	if err != nil {
		return nil, err
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	return obj, nil
}

// AddAs stores objects as a client of that name does which creates or updates them: what differs from what is there is
// that manager's from then on.
func (s *Server) AddAs(manager string, objs ...runtime.Object) {
	for _, obj := range objs {
		if err := s.addAs(manager, obj.DeepCopyObject()); err != nil {
			panic(fmt.Sprintf("kubetest: add %T: %v", obj, err))
		}
	}
}

func (s *Server) addAs(manager string, obj runtime.Object) error {
	r, err := s.resourceOf(obj)
	if err != nil {
		return err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	fm, err := managers(r)
	if err != nil {
		return err
	}
	old, ok := s.store.get(r, m.GetNamespace(), m.GetName())
	if !ok {
		if old, err = (&call{Server: s, res: r}).blank(); err != nil {
			return err
		}
	}
	obj.GetObjectKind().SetGroupVersionKind(r.GroupVersion().WithKind(r.kind))
	m.SetManagedFields(nil)
	after, err := fm.Update(versioned(r, old), obj, manager)
	if err == nil {
		_, err = s.store.put(r, after)
	}
	return err
}

// versioned is a copy of an object that says what it is.
func versioned(r resource, obj runtime.Object) runtime.Object {
	obj = obj.DeepCopyObject()
	obj.GetObjectKind().SetGroupVersionKind(r.GroupVersion().WithKind(r.kind))
	return obj
}

// apply is a server-side apply.
func (c *call) apply() {
	q := c.r.URL.Query()
	patch := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(c.body, &patch.Object); err != nil {
		c.fail(apierrors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err)))
		return
	}
	gvk := c.res.GroupVersion().WithKind(c.res.kind)
	manager := q.Get("fieldManager")
	switch {
	case manager == "":
		c.fail(apierrors.NewBadRequest("fieldManager is required for apply patch"))
		return
	case patch.GetName() != c.name:
		c.fail(apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", patch.GetName(), c.name)))
		return
	case patch.GetKind() != gvk.Kind:
		c.fail(apierrors.NewBadRequest("invalid object kind: " + patch.GetKind()))
		return
	case c.res.namespaced && patch.GetNamespace() != "" && patch.GetNamespace() != c.namespace:
		c.fail(apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request"))
		return
	}
	fm, err := managers(c.res)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	old, there := c.store.get(c.res, c.namespace, c.name)
	live := old
	if !there {
		if live, err = c.blank(); err != nil {
			c.fail(apierrors.NewInternalError(err))
			return
		}
	}
	after, err := fm.Apply(versioned(c.res, live), patch, manager, q.Get("force") == "true")
	if err != nil {
		c.fail(failedApply(err))
		return
	}
	m, err := meta.Accessor(after)
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	if there {
		if sameBut(versioned(c.res, old), after) && patch.GetResourceVersion() == "" {
			c.write(http.StatusOK, c.res.GroupVersion(), old) // nothing is written then
			return
		}
		c.replace(old, after)
		return
	}
	c.applyNew(after, m)
}

// applyNew creates what was applied.
func (c *call) applyNew(obj runtime.Object, m metav1.Object) {
	if uid := m.GetUID(); uid != "" {
		c.fail(c.conflict("uid mismatch: the provided object specified uid " + string(uid) + ", and no existing object was found"))
		return
	}
	if c.res.namespaced {
		m.SetNamespace(c.namespace)
		if _, ok := c.store.get(resource{GroupVersionResource: corev1.SchemeGroupVersion.WithResource("namespaces")}, "", c.namespace); !ok {
			c.fail(apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, c.namespace))
			return
		}
	}
	c.saveNew(obj)
}

// failedApply is an error of the field manager as an API server tells it: what it did not expect is an error of its own.
func failedApply(err error) error {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error()}}
}

// sameBut says whether two objects differ in nothing but when their fields were last set.
func sameBut(a, b runtime.Object) bool {
	plain := func(obj runtime.Object) map[string]any {
		tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			return nil
		}
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(tree)}
		fields := u.GetManagedFields()
		for i := range fields {
			fields[i].Time = nil
		}
		u.SetManagedFields(fields)
		return u.Object
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// isApply says whether a patch is a server-side apply.
func isApply(media string) bool { return types.PatchType(media) == types.ApplyPatchType }
