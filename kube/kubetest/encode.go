package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
)

// format is how an answer is written.
type format struct {
	info  runtime.SerializerInfo
	table bool
}

// negotiate picks a table, protobuf or JSON by the Accept header, as an API server does; JSON when nothing is asked for.
// Kinds without a Go type have no protobuf. It is false when nothing that is asked for can be given.
func negotiate(accept string, typed bool) (format, bool) {
	supported := codecs.SupportedMediaTypes()
	plain, _ := runtime.SerializerInfoForMediaType(supported, runtime.ContentTypeJSON)
	if accept == "" {
		return format{info: plain}, true
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		if as := params["as"]; as != "" {
			if as == "Table" && params["g"] == metav1.GroupName && params["v"] == "v1" && media == runtime.ContentTypeJSON {
				return format{info: plain, table: true}, true
			}
			continue
		}
		if media == "*/*" || media == "application/*" {
			return format{info: plain}, true
		}
		info, ok := runtime.SerializerInfoForMediaType(supported, media)
		if ok && info.EncodesAsText == (media != runtime.ContentTypeProtobuf) && (typed || media == runtime.ContentTypeJSON) {
			return format{info: info}, true
		}
	}
	return format{}, false
}

// negotiated is the format of the answer, or 406.
func (c *call) negotiated() (format, bool) {
	f, ok := negotiate(c.r.Header.Get("Accept"), c.res.kind == "" || c.res.typed())
	if !ok {
		c.fail(&apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
			Message: "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
		}})
	}
	return f, ok
}

// encode writes one object, or a list, in a format. A table names its columns when header is true.
func (c *call) encode(f format, gv schema.GroupVersion, obj runtime.Object, header bool) ([]byte, error) {
	obj = obj.DeepCopyObject()
	if f.table {
		t, err := tableOf(obj, header)
		if err != nil {
			return nil, err
		}
		return json.Marshal(t)
	}
	if u, ok := obj.(runtime.Unstructured); ok {
		data, err := json.Marshal(u)
		return data, err
	}
	return runtime.Encode(codecs.WithoutConversion().EncoderForVersion(f.info.Serializer, gv), obj)
}

// write answers with an object in the encoding that was asked for.
func (c *call) write(status int, gv schema.GroupVersion, obj runtime.Object) {
	f, ok := c.negotiated()
	if !ok {
		return
	}
	out, err := c.encode(f, gv, c.at(obj), true)
	if err != nil {
		c.w.WriteHeader(http.StatusInternalServerError)
		return
	}
	c.w.Header().Set("Content-Type", f.info.MediaType)
	c.w.WriteHeader(status)
	_, _ = c.w.Write(out)
}

// at is an object without a Go type at the version that was asked for: definitions here convert nothing.
func (c *call) at(obj runtime.Object) runtime.Object {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok || c.res.kind == "" {
		return obj
	}
	u = u.DeepCopy()
	u.SetAPIVersion(c.res.GroupVersion().String())
	return u
}

// empty is a new object of the kind that was asked for, or a new list of them.
func (c *call) empty(suffix string) (runtime.Object, error) {
	gvk := c.res.GroupVersion().WithKind(c.res.kind + suffix)
	if c.res.typed() {
		return scheme.New(gvk)
	}
	if suffix != "" {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(gvk)
		return l, nil
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u, nil
}

// tableOf is what kubectl prints of an object or of a list, with the metadata of each object and nothing else of it.
func tableOf(obj runtime.Object, header bool) (*metav1.Table, error) {
	t := &metav1.Table{TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"}, Rows: []metav1.TableRow{}}
	objs := []runtime.Object{obj}
	if meta.IsListType(obj) {
		acc, err := meta.ListAccessor(obj)
		if err != nil {
			return nil, err
		}
		t.ResourceVersion, t.Continue, t.RemainingItemCount = acc.GetResourceVersion(), acc.GetContinue(), acc.GetRemainingItemCount()
		if objs, err = meta.ExtractList(obj); err != nil {
			return nil, err
		}
	} else if m, err := meta.Accessor(obj); err == nil {
		t.ResourceVersion = m.GetResourceVersion()
	}
	if header {
		t.ColumnDefinitions = []metav1.TableColumnDefinition{{Name: "Name", Type: "string", Format: "name"}, {Name: "Created At", Type: "date"}}
		if _, ok := firstOf(obj, objs).(*corev1.Secret); ok {
			t.ColumnDefinitions = []metav1.TableColumnDefinition{
				{Name: "Name", Type: "string", Format: "name"},
				{Name: "Type", Type: "string"},
				{Name: "Data", Type: "string"},
				{Name: "Age", Type: "string"},
			}
		}
	}
	for _, o := range objs {
		m, err := meta.Accessor(o)
		if err != nil {
			return nil, err
		}
		partial := meta.AsPartialObjectMetadata(m)
		partial.TypeMeta = metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}
		raw, err := json.Marshal(partial)
		if err != nil {
			return nil, err
		}
		row := metav1.TableRow{Object: runtime.RawExtension{Raw: raw}, Cells: []any{m.GetName(), m.GetCreationTimestamp().UTC().Format(time.RFC3339)}}
		if s, ok := o.(*corev1.Secret); ok {
			row.Cells = []any{s.Name, string(s.Type), int64(len(s.Data)), age(m.GetCreationTimestamp())}
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

func firstOf(list runtime.Object, objs []runtime.Object) runtime.Object {
	if _, ok := list.(*corev1.SecretList); ok {
		return &corev1.Secret{}
	}
	if len(objs) > 0 {
		return objs[0]
	}
	return list
}

// age is how kubectl prints the time since then.
func age(at metav1.Time) string {
	if at.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(time.Since(at.Time))
}

// frame is one event of a stream that is not protobuf.
func frame(kind string, object []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"type":%q,"object":%s}`+"\n", kind, bytes.TrimSpace(object))
	return b.Bytes()
}
