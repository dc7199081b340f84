package kube

import (
	"context"
	"errors"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"tiga/access"
	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// WriteOptions say how an object is written.
type WriteOptions struct {
	// DryRun asks the API server what it would do, admission included, and changes nothing.
	DryRun bool
	// UID and ResourceVersion are those of the object that the person saw; another is left alone and the error is
	// ErrConflict. An update has a ResourceVersion.
	UID, ResourceVersion string
}

// Create creates an object. The permit is for VerbCreate on it; an object that gets its name from the API server is
// permitted as one without a name.
func (c *Cluster) Create(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace string, tree map[string]any, o WriteOptions) (Written, error) {
	name := nameOf(tree)
	t := target{"create", k.ID(), namespace, name}
	if err := c.allowWrite(permit, k, t, access.VerbCreate); err != nil {
		return Written{}, err
	}
	if err := c.checkIdentity(k, t, tree); err != nil {
		return Written{}, err
	}
	tree = maps.Clone(tree)
	if isSecret(k) {
		var causes []Cause
		if tree, causes = unmask(tree, nil); len(causes) > 0 {
			return Written{}, c.refusedFields(t, causes)
		}
	}
	tree["metadata"] = withFields(tree["metadata"], map[string]any{"namespace": namespace, "resourceVersion": "", "uid": ""})
	client, err := c.conn.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return Written{}, c.wrap(err, t)
	}
	body := &unstructured.Unstructured{Object: tree}
	after, said, err := c.conn.send(ctx, client.Post().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource), body, c.agent(permit), o.DryRun)
	if err != nil {
		return Written{}, c.refusedWrite(err, t, k, tree)
	}
	return changed(k, nil, after, said), nil
}

// Update replaces what people write of an object; what they do not see (the status, kubectl's copy, a Secret's values
// that are left as marks) stays. The permit is for VerbUpdate on it.
func (c *Cluster) Update(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, tree map[string]any, o WriteOptions) (Written, error) {
	t := target{"update", k.ID(), namespace, name}
	if err := c.allowWrite(permit, k, t, access.VerbUpdate); err != nil {
		return Written{}, err
	}
	if err := c.checkIdentity(k, t, tree); err != nil {
		return Written{}, err
	}
	if o.ResourceVersion == "" {
		return Written{}, c.refused(t, KindInvalid, message("no_version"))
	}
	agent := c.agent(permit)
	live, err := c.conn.getTree(ctx, k, namespace, name, agent)
	if err != nil {
		return Written{}, c.wrap(err, t)
	}
	m := &unstructured.Unstructured{Object: live}
	switch {
	case o.UID != "" && o.UID != string(m.GetUID()):
		return Written{}, c.refused(t, KindConflict, message("replaced_meanwhile"))
	case o.ResourceVersion != m.GetResourceVersion():
		return Written{}, c.refused(t, KindConflict, message("conflict"))
	}
	body, causes := complete(k, tree, live)
	if len(causes) > 0 {
		return Written{}, c.refusedFields(t, causes)
	}
	client, err := c.conn.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return Written{}, c.wrap(err, t)
	}
	// The version that was read travels along: whatever is written in between makes the API server refuse.
	r := client.Put().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name)
	after, said, err := c.conn.send(ctx, r, &unstructured.Unstructured{Object: body}, agent, o.DryRun)
	if err != nil {
		return Written{}, c.refusedWrite(err, t, k, body, live)
	}
	return changed(k, live, after, said), nil
}

// complete adds to what was written what was not shown of the object.
func complete(k *kinds.Kind, tree, live map[string]any) (map[string]any, []Cause) {
	out := maps.Clone(tree)
	if isSecret(k) {
		var causes []Cause
		if out, causes = unmask(tree, live); len(causes) > 0 {
			return nil, causes
		}
	}
	if _, ok := out["status"]; !ok && live["status"] != nil {
		out["status"] = live["status"]
	}
	m := &unstructured.Unstructured{Object: live}
	out["metadata"] = withFields(out["metadata"], map[string]any{
		"namespace": m.GetNamespace(), "resourceVersion": m.GetResourceVersion(), "uid": string(m.GetUID()),
	})
	if copied, ok := lastAppliedOf(live); ok {
		meta, _ := out["metadata"].(map[string]any)
		meta["annotations"] = withFields(meta["annotations"], map[string]any{lastApplied: copied})
	}
	return out, nil
}

// withFields is a map with some fields set; an empty one is taken out.
func withFields(m any, fields map[string]any) map[string]any {
	old, _ := m.(map[string]any)
	out := make(map[string]any, len(old)+len(fields))
	maps.Copy(out, old)
	for k, v := range fields {
		if out[k] = v; v == "" {
			delete(out, k)
		}
	}
	return out
}

// PatchType says how a patch is read.
type PatchType string

// The types of patches, as media types.
const (
	PatchJSON      = PatchType(types.JSONPatchType)
	PatchMerge     = PatchType(types.MergePatchType)
	PatchStrategic = PatchType(types.StrategicMergePatchType)
	PatchApply     = PatchType(types.ApplyPatchType)
)

// PatchOptions say what a patch is and how it is applied.
type PatchOptions struct {
	Type   PatchType
	Body   []byte
	DryRun bool
	// Force takes fields over from other managers; for PatchApply only.
	Force bool
	// MayCreate lets PatchApply create an object that is not there.
	MayCreate bool
}

// Patch changes parts of an object. The permit is for VerbPatch on it.
func (c *Cluster) Patch(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string, o PatchOptions) (Written, error) {
	t := target{"patch", k.ID(), namespace, name}
	if err := c.allowWrite(permit, k, t, access.VerbPatch); err != nil {
		return Written{}, err
	}
	switch o.Type {
	case PatchJSON, PatchMerge, PatchStrategic, PatchApply:
	default:
		return Written{}, c.refused(t, KindInvalid, message("patch_type", "Type", string(o.Type)))
	}
	agent := c.agent(permit)
	before, err := c.conn.getTree(ctx, k, namespace, name, agent)
	if err != nil && (o.Type != PatchApply || !o.MayCreate || classify(err).Kind != KindNotFound) {
		return Written{}, c.wrap(err, t)
	}
	client, err := c.conn.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return Written{}, c.wrap(err, t)
	}
	r := client.Patch(types.PatchType(o.Type)).NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name)
	if o.Type == PatchApply && o.Force {
		r = r.Param("force", "true")
	}
	after, said, err := c.conn.send(ctx, r, o.Body, agent, o.DryRun)
	if err != nil {
		err = c.refusedWrite(err, t, k)
		// A patch need not be an object, so that nobody can tell which of its words are values.
		if e := (*Error)(nil); isSecret(k) && errors.As(err, &e) {
			e.Server, e.Causes, e.Err = "", nil, errScrubbed
		}
		return Written{}, err
	}
	return changed(k, before, after, said), nil
}

// allowWrite is allow for what changes the object, or would.
func (c *Cluster) allowWrite(permit access.Permit, k *kinds.Kind, t target, verb access.Verb) error {
	if t.op == "create" && t.name == "" {
		// The name will be the API server's: the right has to reach every name.
		if err := permit.Allow(access.Request{
			Cluster: c.Name(), Namespace: t.namespace, Group: k.GVR.Group, Resource: k.GVR.Resource, Namespaced: k.Namespaced, Verb: verb,
		}); err != nil {
			return err
		}
		if err := c.ready(t); err != nil {
			return err
		}
	} else if err := c.allow(permit, k, t, verb); err != nil {
		return err
	}
	if c.readOnly.Load() {
		return c.refused(t, KindReadOnly, message("read_only"))
	}
	if k.Fixed {
		return c.refused(t, KindInvalid, message("fixed", "Kind", k.Name))
	}
	return nil
}

// checkIdentity refuses a tree that is of another object than the one that was permitted. A13
func (c *Cluster) checkIdentity(k *kinds.Kind, t target, tree map[string]any) error {
	if causes := Identity(k, t.namespace, t.name, tree); len(causes) > 0 {
		return c.refusedFields(t, causes)
	}
	return nil
}

// Identity is what is wrong with who a tree says it is, where an object of a kind, a namespace and a name is meant. An
// empty name is any.
func Identity(k *kinds.Kind, namespace, name string, tree map[string]any) []Cause {
	var out []Cause
	wrong := func(field, want string, got any) {
		out = append(out, Cause{Field: field, Reason: message("identity", "Field", field, "Want", want, "Got", diff.Value(got))})
	}
	if want := k.GVR.GroupVersion().String(); tree["apiVersion"] != want {
		wrong("apiVersion", want, tree["apiVersion"])
	}
	if tree["kind"] != k.Name {
		wrong("kind", k.Name, tree["kind"])
	}
	m, ok := tree["metadata"].(map[string]any)
	if !ok {
		return append(out, Cause{Field: "metadata", Reason: message("no_metadata")})
	}
	if ns, ok := m["namespace"]; ok && ns != namespace && ns != nil && ns != "" {
		if k.Namespaced {
			wrong("metadata.namespace", namespace, ns)
		} else {
			out = append(out, Cause{Field: "metadata.namespace", Reason: message("no_namespace", "Kind", k.Name)})
		}
	}
	if name != "" && m["name"] != name {
		wrong("metadata.name", name, m["name"])
	}
	generated, _ := m["generateName"].(string)
	if s, isText := m["name"].(string); name == "" && generated == "" && (!isText || s == "") {
		out = append(out, Cause{Field: "metadata.name", Reason: message("no_name")})
	}
	return out
}

// nameOf is the name in a tree; "" for one that has none.
func nameOf(tree map[string]any) string {
	s, _, _ := unstructured.NestedString(tree, "metadata", "name")
	return s
}

func (c *Cluster) refusedFields(t target, causes []Cause) error {
	e := c.refused(t, KindInvalid, message("fields"))
	e.Causes = causes
	return e
}
