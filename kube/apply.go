package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/kinds"
)

// ApplyOptions say how a document is applied.
type ApplyOptions struct {
	// DryRun asks the API server what it would do, admission included, and changes nothing.
	DryRun bool
	// Force takes every field over that another manager has set to something else; without it that is a refusal with
	// Error.Conflicts.
	Force bool
	// Leave are fields that stay their owners': they are taken out of the document. They are written as a FieldConflict
	// has them.
	Leave []string
	// MayCreate lets an object that is not there be created; otherwise that is an ErrNotFound.
	MayCreate bool
}

// Applied is what became of a document.
type Applied struct {
	Written
	// Created says that the object was not there before.
	Created bool
}

// FieldConflict is a field that another manager has set to something else.
type FieldConflict struct {
	// Field is its path as API servers write it here: .spec.template.spec.containers[name="web"].image.
	Field string
	// Manager is who has set it, by way of Subresource where that is not the object itself.
	Manager, Subresource string
	// Mine is the value that was to be, Live the one that is; those of a Secret are marks.
	Mine, Live any
	// Fixed says that the field was not found in the document, so that it cannot be left out: the API server may name it
	// as another version of the kind has it.
	Fixed bool
}

// ownFields are the fields of the metadata that the API server sets by itself and that a server-side apply may not carry,
// or would have no use of. A version and a UID stay: whoever writes them wants just that object.
var ownFields = []string{"managedFields", "generation", "creationTimestamp", "selfLink"}

// Apply applies a document by server-side apply, as the manager "tiga": what the document says is so afterwards, what it
// does not say stays, but for what an earlier apply has set. The permit is for VerbPatch on the object.
func (c *Cluster) Apply(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace string, tree map[string]any, o ApplyOptions) (Applied, error) {
	t := target{"apply", k.ID(), namespace, nameOf(tree)}
	if t.name == "" {
		return Applied{}, c.refusedFields(t, []Cause{{Field: "metadata.name", Reason: message("no_name")}})
	}
	if err := c.allowWrite(permit, k, t, access.VerbPatch); err != nil {
		return Applied{}, err
	}
	if err := c.checkIdentity(k, t, tree); err != nil {
		return Applied{}, err
	}
	agent := c.agent(permit)
	ctx = withFlags(ctx, flags{bulk: true})
	read := func() (map[string]any, error) {
		before, err := c.conn.getTree(ctx, k, namespace, t.name, agent)
		if err != nil && classify(err).Kind == KindNotFound && o.MayCreate {
			return nil, nil // it will be there afterwards
		}
		return before, err
	}
	var before, needed map[string]any // what it is, and what of that goes into what is sent
	var err error
	// A dry run changes nothing, so that the object can be read meanwhile, where nothing of it goes into what is sent.
	aside := o.DryRun && o.MayCreate && !isSecret(k)
	wait := func() error { return nil }
	if aside {
		var reading sync.WaitGroup
		var failed error
		reading.Go(func() { before, failed = read() })
		wait = func() error {
			reading.Wait()
			return failed
		}
	} else if before, err = read(); err != nil {
		return Applied{}, c.wrap(err, t)
	} else {
		needed = before
	}
	after, said, body, err := c.applyOver(ctx, k, t, tree, needed, agent, o)
	if failed := wait(); failed != nil {
		return Applied{}, c.wrap(failed, t)
	}
	if err != nil {
		err = c.refusedWrite(err, t, k, body, before)
		if e := (*Error)(nil); errors.As(err, &e) && len(e.Conflicts) > 0 {
			e.compare(redacted(k, body, before), redacted(k, before, nil))
		}
		return Applied{}, err
	}
	return Applied{changed(k, before, after, said), before == nil}, nil
}

// applyOver sends a document; before is the object as it is, nil where nothing of it is needed.
func (c *Cluster) applyOver(ctx context.Context, k *kinds.Kind, t target, tree, before map[string]any, agent string, o ApplyOptions) (after map[string]any, said []string, body map[string]any, err error) {
	body, causes := applied(k, t.namespace, tree, before, o)
	if len(causes) > 0 {
		return nil, nil, body, c.refusedFields(t, causes)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, nil, body, err
	}
	client, err := c.conn.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return nil, nil, body, err
	}
	r := client.Patch(types.ApplyPatchType).NamespaceIfScoped(t.namespace, k.Namespaced).Resource(k.GVR.Resource).Name(t.name)
	if o.Force {
		r = r.Param("force", "true")
	}
	after, said, err = c.conn.send(ctx, r, raw, agent, o.DryRun)
	return after, said, body, err
}

// applied is what is sent of a document.
func applied(k *kinds.Kind, namespace string, tree, before map[string]any, o ApplyOptions) (map[string]any, []Cause) {
	body := maps.Clone(tree)
	if isSecret(k) {
		var causes []Cause
		if body, causes = unmask(body, before); len(causes) > 0 {
			return nil, causes
		}
		body = encoded(body)
	}
	set := map[string]any{}
	if k.Namespaced {
		set["namespace"] = namespace
	}
	if !o.MayCreate && before != nil {
		// An object that is deleted meanwhile is not made anew by somebody who may not.
		set["uid"] = string((&unstructured.Unstructured{Object: before}).GetUID())
	}
	meta := withFields(body["metadata"], set)
	for _, f := range ownFields {
		delete(meta, f)
	}
	body["metadata"] = meta
	delete(body, "status") // it is not set this way
	var causes []Cause
	for _, field := range o.Leave {
		less, ok := withoutField(body, field)
		if !ok {
			causes = append(causes, Cause{Field: field, Reason: message("no_such_field", "Field", field)})
			continue
		}
		body = less
	}
	return body, causes
}

// encoded is a Secret whose values all stand in data. The API server does the same with stringData, but an apply that has
// the latter owns a field which is never read again.
func encoded(tree map[string]any) map[string]any {
	given, ok := tree["stringData"].(map[string]any)
	if !ok {
		return tree
	}
	data := map[string]any{}
	if old, ok := tree["data"].(map[string]any); ok {
		maps.Copy(data, old)
	}
	for key, v := range given {
		s, ok := v.(string)
		if !ok {
			return tree // the API server says what is wrong with it
		}
		data[key] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	out := maps.Clone(tree)
	delete(out, "stringData")
	out["data"] = data
	return out
}

var conflictWords = regexp.MustCompile(`^conflict with ("(?:[^"\\]|\\.)*")(?: with subresource ("(?:[^"\\]|\\.)*"))?`)

// fieldConflicts are the fields of a refused apply that others have set.
func fieldConflicts(s metav1.Status) []FieldConflict {
	if s.Details == nil {
		return nil
	}
	var out []FieldConflict
	for _, cause := range s.Details.Causes {
		m := conflictWords.FindStringSubmatch(cause.Message)
		if cause.Type != metav1.CauseTypeFieldManagerConflict || m == nil || len(out) == maxCauses {
			continue
		}
		f := FieldConflict{Field: cause.Field}
		f.Manager, _ = strconv.Unquote(m[1])
		f.Subresource, _ = strconv.Unquote(m[2])
		out = append(out, f)
	}
	return out
}

// maxNamed is how many fields a message names.
const maxNamed = 3

// compare adds the values on both sides to the conflicts, and says in words whose fields they are.
func (e *Error) compare(mine, live map[string]any) {
	var named []string
	for i := range e.Conflicts {
		f := &e.Conflicts[i]
		var ok bool
		f.Mine, ok = valueAt(mine, f.Field)
		f.Fixed = !ok
		f.Live, _ = valueAt(live, f.Field)
		if len(named) < maxNamed {
			named = append(named, fmt.Sprintf("%s (%s)", f.Field, f.Manager))
		}
	}
	e.Reason = message("field_managers", "Fields", strings.Join(named, ", "), "Count", len(e.Conflicts))
	if more := len(e.Conflicts) - len(named); more > 0 {
		e.Reason = message("field_managers_more", "Fields", strings.Join(named, ", "), "Count", more)
	}
	e.Server = "" // the same in other words
}

var namespaceWords = regexp.MustCompile(`^namespaces "([^"]+)" not found$`)

// MissingNamespace is the namespace that an object was to be in, where a refusal says that it is not there; else "".
func MissingNamespace(err error) string {
	e := (*Error)(nil)
	if !errors.As(err, &e) || e.Kind != KindNotFound {
		return ""
	}
	if m := namespaceWords.FindStringSubmatch(e.Server); m != nil {
		return m[1]
	}
	return ""
}

// KindNamed finds a kind by what objects say of themselves, at the version that they say. One that the cluster does not
// serve is an ErrNotFound.
func (c *Cluster) KindNamed(ctx context.Context, apiVersion, name string) (*kinds.Kind, error) {
	t := target{op: "find", resource: name}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || gv.Version == "" || name == "" {
		return nil, c.refused(t, KindInvalid, message("no_kind_named", "Kind", name, "Version", apiVersion))
	}
	k, versions := c.current().named(gv, name)
	if k == nil {
		// What is not known yet may be known after the first look.
		err := c.looked(ctx, t, gv.Group)
		if k, versions = c.current().named(gv, name); k == nil && err != nil {
			return nil, err
		}
	}
	switch {
	case k != nil:
		return k, nil
	case len(versions) > 0:
		return nil, c.refused(t, KindNotFound, message("no_version_served", "Kind", name, "Version", apiVersion, "Served", strings.Join(versions, ", ")))
	}
	return nil, c.refused(t, KindNotFound, message("no_kind_named", "Kind", name, "Version", apiVersion))
}

// named is the kind with a name in a group, at a version; if it is served at others only, these.
func (o *offer) named(gv schema.GroupVersion, name string) (k *kinds.Kind, versions []string) {
	for id, d := range o.made {
		if d.Group != gv.Group || d.Kind != name || o.kinds[id] == nil {
			continue
		}
		for _, v := range d.Served {
			if v.Name == gv.Version {
				at := *o.kinds[id]
				at.GVR.Version = v.Name
				return &at, nil
			}
			versions = append(versions, v.Name)
		}
	}
	slices.Sort(versions)
	return nil, versions
}

// DefinesKind are the kinds that objects will be of once a CustomResourceDefinition in a text was applied, by version; nil
// for any other document.
func DefinesKind(tree map[string]any) map[string]*kinds.Kind {
	if tree["kind"] != "CustomResourceDefinition" || tree["apiVersion"] != apiextensionsv1.SchemeGroupVersion.String() {
		return nil
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if runtime.DefaultUnstructuredConverter.FromUnstructured(tree, &crd) != nil || crd.Spec.Group == "" || crd.Spec.Names.Plural == "" {
		return nil
	}
	out := map[string]*kinds.Kind{}
	for i := range crd.Spec.Versions {
		if v := &crd.Spec.Versions[i]; v.Served {
			out[v.Name] = &kinds.Kind{
				GVR:  schema.GroupVersionResource{Group: crd.Spec.Group, Version: v.Name, Resource: crd.Spec.Names.Plural},
				Name: crd.Spec.Names.Kind, Plural: crd.Spec.Names.Kind, Namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped, Custom: true,
			}
		}
	}
	return out
}

// Established says whether the API server serves the kind of a CustomResourceDefinition by now. The permit is for VerbGet
// on the definition.
func (c *Cluster) Established(ctx context.Context, permit access.Permit, k *kinds.Kind, name string) (bool, error) {
	t := target{"get", k.ID(), "", name}
	if err := c.allow(permit, k, t, access.VerbGet); err != nil {
		return false, err
	}
	tree, err := c.conn.getTree(ctx, k, "", name, c.agent(permit))
	if err != nil {
		return false, c.wrap(err, t)
	}
	conditions, _, _ := unstructured.NestedSlice(tree, "status", "conditions")
	return slices.ContainsFunc(conditions, func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && m["type"] == string(apiextensionsv1.Established) && m["status"] == string(metav1.ConditionTrue)
	}), nil
}
