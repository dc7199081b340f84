package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// call is one request being answered.
type call struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	user  string
	allow func(Attributes) bool

	res                  resource
	namespace, name, sub string
}

// route finds what the path names and answers it.
func (c *call) route() {
	parts := strings.Split(strings.Trim(c.r.URL.Path, "/"), "/")
	switch {
	case c.r.URL.Path == "/version":
		c.version()
		return
	case c.discover(parts), c.review(parts), c.openAPI(parts):
		return
	}
	var gv schema.GroupVersion
	switch {
	case parts[0] == "api" && len(parts) >= 3:
		gv, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case parts[0] == "apis" && len(parts) >= 4:
		gv, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		c.fail(notServed())
		return
	}
	if parts[0] == "namespaces" && len(parts) >= 3 && parts[2] != "status" {
		c.namespace, parts = parts[1], parts[2:]
	}
	res, ok := c.lookup(gv.WithResource(parts[0]))
	if !ok {
		c.fail(notServed())
		return
	}
	if c.isAway(gv.Group) {
		c.fail(away())
		return
	}
	c.res = res
	if len(parts) > 1 {
		c.name = parts[1]
	}
	if len(parts) > 2 {
		c.sub = strings.Join(parts[2:], "/")
	}
	if !c.permitted() {
		return
	}
	c.answer()
}

// notServed is what an API server says of a path that it does not know.
func notServed() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "the server could not find the requested resource",
	}}
}

// away is what the aggregation layer says of an API whose server it cannot reach.
func away() error { return apierrors.NewServiceUnavailable("service unavailable") }

func (c *call) verb() string {
	watching := c.r.URL.Query().Get("watch")
	switch {
	case c.r.Method == http.MethodGet && (watching == "true" || watching == "1"):
		return "watch"
	case c.r.Method == http.MethodGet && c.name == "":
		return "list"
	case c.r.Method == http.MethodGet:
		return "get"
	case c.r.Method == http.MethodPut:
		return "update"
	case c.r.Method == http.MethodPost:
		return "create"
	}
	return strings.ToLower(c.r.Method)
}

// permitted answers 403 in Kubernetes' words when the server's policy refuses.
func (c *call) permitted() bool {
	a := Attributes{c.verb(), c.res.Group, c.res.Resource, c.sub, c.namespace, c.name}
	if c.allow == nil || c.allow(a) {
		return true
	}
	what := c.res.Resource
	if c.sub != "" {
		what += "/" + c.sub
	}
	scope := "at the cluster scope"
	if c.namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", c.namespace)
	}
	c.fail(apierrors.NewForbidden(c.res.GroupResource(), c.name, fmt.Errorf( //nolint:staticcheck // Kubernetes' own words
		"User %q cannot %s resource %q in API group %q %s", c.user, a.Verb, what, c.res.Group, scope)))
	return false
}

func (c *call) answer() {
	switch verb := c.verb(); {
	case verb == "watch":
		c.watch()
	case verb == "list":
		c.list()
	case c.sub == "scale":
		c.scale()
	case c.sub == "eviction" && c.res.Resource == "pods" && verb == "create":
		c.evict()
	case c.sub != "" && c.sub != "status":
		c.fail(notServed())
	case verb == "get":
		if obj, ok := c.store.get(c.res, c.namespace, c.name); ok {
			c.write(http.StatusOK, c.res.GroupVersion(), obj)
			return
		}
		c.fail(c.missing())
	case verb == "create":
		c.create()
	case verb == "update":
		c.update()
	case verb == "patch":
		c.patch()
	case verb == "delete" && c.name != "":
		c.remove()
	default:
		c.fail(apierrors.NewMethodNotSupported(c.res.GroupResource(), verb))
	}
}

func (c *call) missing() error { return apierrors.NewNotFound(c.res.GroupResource(), c.name) }

// list answers all at once or in chunks.
func (c *call) list() {
	q := c.r.URL.Query()
	match, err := selector(q.Get("labelSelector"), q.Get("fieldSelector"))
	if err != nil {
		c.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	all, version := c.store.list(c.res, c.namespace)
	items := make([]runtime.Object, 0, len(all))
	for _, obj := range all {
		if match(obj) {
			items = append(items, obj)
		}
	}
	from, err := chunkAt(q.Get("continue"))
	if err != nil {
		c.fail(err)
		return
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	from = min(from, len(items))
	rest := items[from:]
	lm := metav1.ListMeta{ResourceVersion: strconv.FormatUint(version, 10)}
	if limit > 0 && len(rest) > limit {
		left := int64(len(rest) - limit)
		lm.Continue, lm.RemainingItemCount = chunkToken(rest[limit-1], version, from+limit), &left
		rest = rest[:limit]
	}
	for i := range rest {
		rest[i] = c.at(rest[i])
	}
	list, err := c.empty("List")
	if err == nil {
		err = meta.SetList(list, rest)
	}
	var acc metav1.ListInterface
	if err == nil {
		acc, err = meta.ListAccessor(list)
	}
	if err != nil {
		c.fail(apierrors.NewInternalError(err))
		return
	}
	acc.SetResourceVersion(lm.ResourceVersion)
	acc.SetContinue(lm.Continue)
	acc.SetRemainingItemCount(lm.RemainingItemCount)
	c.write(http.StatusOK, c.res.GroupVersion(), list)
}

// chunkToken is a continue token like that of an API server: anybody can read in it where the chunk ended.
func chunkToken(last runtime.Object, version uint64, next int) string {
	start := ""
	if m, err := meta.Accessor(last); err == nil {
		start = strings.TrimPrefix(m.GetNamespace()+"/"+m.GetName(), "/") + "\x00"
	}
	token, _ := json.Marshal(map[string]any{"v": "meta.k8s.io/v1", "rv": version, "start": start, "next": next})
	return base64.RawURLEncoding.EncodeToString(token)
}

// chunkAt is the position that a continue token stands for.
func chunkAt(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	var at struct{ Next int }
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(raw, &at)
	}
	if err != nil || at.Next < 1 {
		return 0, apierrors.NewBadRequest("continue key is not valid: " + token)
	}
	return at.Next, nil
}

// selector makes one test of the label and field selectors that the kinds here support.
func selector(label, field string) (func(runtime.Object) bool, error) {
	l, err := labels.Parse(label)
	if err != nil {
		return nil, err
	}
	f, err := fields.ParseSelector(field)
	if err != nil {
		return nil, err
	}
	return func(obj runtime.Object) bool {
		m, err := meta.Accessor(obj)
		if err != nil {
			return false
		}
		set := fields.Set{"metadata.name": m.GetName(), "metadata.namespace": m.GetNamespace()}
		switch o := obj.(type) {
		case *corev1.Pod:
			set["spec.nodeName"], set["status.phase"] = o.Spec.NodeName, string(o.Status.Phase)
		case *corev1.Event:
			set["involvedObject.name"], set["involvedObject.namespace"] = o.InvolvedObject.Name, o.InvolvedObject.Namespace
			set["involvedObject.kind"], set["involvedObject.uid"] = o.InvolvedObject.Kind, string(o.InvolvedObject.UID)
			set["type"], set["reason"] = o.Type, o.Reason
		}
		return l.Matches(labels.Set(m.GetLabels())) && f.Matches(set)
	}, nil
}

func (c *call) fail(err error) { writeStatus(c.w, statusOf(err)) }

func statusOf(err error) metav1.Status {
	if s := apierrors.APIStatus(nil); errors.As(err, &s) {
		return s.Status()
	}
	return apierrors.NewInternalError(err).ErrStatus
}

// writeStatus answers with a failure as JSON.
func writeStatus(w http.ResponseWriter, s metav1.Status) {
	s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	s.Status = metav1.StatusFailure
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(s.Details.RetryAfterSeconds)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(s.Code))
	_ = json.NewEncoder(w).Encode(s)
}
