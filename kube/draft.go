package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"tiga/access"
	"tiga/kube/diff"
	"tiga/kube/kinds"
)

// Draft is an object as it is edited: a tree of what people write, without what the API server sets by itself, without
// the status and kubectl's copy. The values of a Secret are marks in stringData.
type Draft struct {
	Tree                 map[string]any
	UID, ResourceVersion string
	// Redacted says that values were replaced by marks.
	Redacted bool
}

// Draft reads an object for editing. The permit is for VerbGet on it.
func (c *Cluster) Draft(ctx context.Context, permit access.Permit, k *kinds.Kind, namespace, name string) (Draft, error) {
	t := target{"get", k.ID(), namespace, name}
	if err := c.allow(permit, k, t, access.VerbGet); err != nil {
		return Draft{}, err
	}
	live, err := c.conn.getTree(ctx, k, namespace, name, c.agent(permit))
	if err != nil {
		c.noticed(err)
		return Draft{}, c.wrap(err, t)
	}
	return draftOf(k, live), nil
}

func draftOf(k *kinds.Kind, live map[string]any) Draft {
	m := &unstructured.Unstructured{Object: live}
	d := Draft{UID: string(m.GetUID()), ResourceVersion: m.GetResourceVersion(), Redacted: isSecret(k)}
	d.Tree = diff.Quiet(redacted(k, live, nil))
	if d.Redacted {
		if data, ok := d.Tree["data"]; ok {
			delete(d.Tree, "data")
			d.Tree["stringData"] = data
		}
	}
	return d
}

// Copy is a draft for a new object like this one: without its name, and without what only one object can have.
func (d Draft) Copy() map[string]any {
	tree := maps.Clone(d.Tree)
	if m, ok := tree["metadata"].(map[string]any); ok {
		m = maps.Clone(m)
		for _, f := range []string{"name", "generateName", "ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds"} {
			delete(m, f)
		}
		m["name"] = ""
		tree["metadata"] = m
	}
	spec, ok := tree["spec"].(map[string]any)
	if !ok {
		return tree
	}
	// What the API server gave to this object alone.
	spec = maps.Clone(spec)
	switch tree["kind"] {
	case "Service":
		for _, f := range []string{"clusterIP", "clusterIPs", "healthCheckNodePort"} {
			if spec["clusterIP"] != "None" || f == "healthCheckNodePort" {
				delete(spec, f)
			}
		}
		spec["ports"] = dropField(spec["ports"], "nodePort")
	case "PersistentVolumeClaim":
		delete(spec, "volumeName")
	case "PersistentVolume":
		delete(spec, "claimRef")
	case "Pod":
		delete(spec, "nodeName")
	case "Job":
		if spec["manualSelector"] != true {
			delete(spec, "selector")
			if t, ok := spec["template"].(map[string]any); ok {
				if tm, ok := t["metadata"].(map[string]any); ok {
					t, tm = maps.Clone(t), maps.Clone(tm)
					if labels, ok := tm["labels"].(map[string]any); ok {
						labels = maps.Clone(labels)
						for _, l := range []string{"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"} {
							delete(labels, l)
						}
						tm["labels"] = labels
					}
					t["metadata"], spec["template"] = tm, t
				}
			}
		}
	}
	if tree["kind"] == "Namespace" {
		delete(tree, "spec")
		return tree
	}
	tree["spec"] = spec
	return tree
}

// dropField is a list of objects without a field.
func dropField(list any, field string) any {
	items, ok := list.([]any)
	if !ok {
		return list
	}
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = item
		if m, ok := item.(map[string]any); ok {
			m = maps.Clone(m)
			delete(m, field)
			out[i] = m
		}
	}
	return out
}

func isSecret(k *kinds.Kind) bool { return k.GVR.Group == "" && k.GVR.Resource == secretsResource }

// redacted is an object without the values of a Secret, nor what repeats them. A value that differs from that in before
// is marked as changed where the lengths are the same.
func redacted(k *kinds.Kind, tree, before map[string]any) map[string]any {
	if !isSecret(k) || tree == nil {
		return tree
	}
	out := maps.Clone(tree)
	data, _ := tree["data"].(map[string]any)
	old, _ := before["data"].(map[string]any)
	marks := make(map[string]any, len(data))
	for key, v := range data {
		m := mark(lengthOf(v))
		if was, ok := old[key]; ok && was != v && mark(lengthOf(was)) == m {
			m = strings.TrimSuffix(m, ")") + ", changed)"
		}
		marks[key] = m
	}
	delete(out, "stringData")
	if delete(out, "data"); len(marks) > 0 {
		out["data"] = marks
	}
	if m, ok := out["metadata"].(map[string]any); ok {
		m = maps.Clone(m)
		delete(m, "managedFields")
		if a, ok := m["annotations"].(map[string]any); ok && a[lastApplied] != nil {
			a = maps.Clone(a)
			delete(a, lastApplied)
			m["annotations"] = a
		}
		out["metadata"] = m
	}
	return out
}

// lengthOf is the length of a value of a Secret in base64.
func lengthOf(v any) int {
	s, _ := v.(string)
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0
	}
	return len(raw)
}

var markLike = regexp.MustCompile(`^\(\d+ bytes?(, changed)?\)$`)

// unmask puts the live values where a Secret's marks were left as they are. A mark that stands for no live value is an
// error: it would be stored as the value.
func unmask(tree, live map[string]any) (map[string]any, []Cause) {
	data, _ := live["data"].(map[string]any)
	out := maps.Clone(tree)
	kept := map[string]any{}
	var causes []Cause
	for _, field := range []string{"data", "stringData"} {
		values, ok := tree[field].(map[string]any)
		if !ok {
			continue
		}
		values = maps.Clone(values)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			s, ok := values[key].(string)
			if !ok || !markLike.MatchString(s) {
				continue
			}
			value, ok := data[key]
			if !ok || mark(lengthOf(value)) != s {
				causes = append(causes, Cause{Field: field + "[" + key + "]", Reason: message("mark_unknown", "Key", key)})
				continue
			}
			delete(values, key)
			kept[key] = value
		}
		if len(values) == 0 {
			delete(out, field)
		} else {
			out[field] = values
		}
	}
	if len(kept) > 0 {
		if given, ok := out["data"].(map[string]any); ok {
			maps.Copy(kept, given)
		}
		out["data"] = kept
	}
	return out, causes
}

// secretsIn are the values that Secrets hold or were given, in the forms in which somebody might repeat them.
func secretsIn(trees ...map[string]any) []string {
	var out []string
	for _, tree := range trees {
		for _, field := range []string{"data", "stringData"} {
			values, _ := tree[field].(map[string]any)
			for _, v := range values {
				s, _ := v.(string)
				if len(s) < 4 || markLike.MatchString(s) {
					continue
				}
				out = append(out, s, base64.StdEncoding.EncodeToString([]byte(s)))
				if raw, err := base64.StdEncoding.DecodeString(s); err == nil && len(raw) >= 4 {
					out = append(out, string(raw))
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// scrub takes secret values out of what the cluster said.
func (e *Error) scrub(values []string) {
	for _, v := range values {
		e.Server = strings.ReplaceAll(e.Server, v, "…")
		for i := range e.Causes {
			e.Causes[i].Message = strings.ReplaceAll(e.Causes[i].Message, v, "…")
			e.Causes[i].Field = strings.ReplaceAll(e.Causes[i].Field, v, "…")
		}
	}
	if len(values) > 0 {
		e.Err = errScrubbed
	}
}

var errScrubbed = errors.New("the cause may hold values of a Secret")

// getTree reads one object with everything that it has, also what its Go type does not know.
func (c *conn) getTree(ctx context.Context, k *kinds.Kind, namespace, name, agent string) (map[string]any, error) {
	client, err := c.clientFor(clientKey{k.GVR.GroupVersion(), true})
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	obj := &unstructured.Unstructured{}
	r := c.paced(ctx, client.Get().NamespaceIfScoped(namespace, k.Namespaced).Resource(k.GVR.Resource).Name(name))
	err = r.SetHeader("User-Agent", agent).MaxRetries(0).Do(ctx).Into(obj)
	if err != nil {
		return nil, err
	}
	if obj.GetName() != name {
		return nil, errNotKubernetes
	}
	return obj.Object, nil
}

// Written is what the API server made of a change, or would make of it.
type Written struct {
	// Before and After are the object; a Secret's values are marks. Before is nil for a new one.
	Before, After map[string]any
	// Warnings are what the API server has to say about a change that it accepts.
	Warnings []string
	Change   Change
}

// Entries are the fields that differ.
func (w Written) Entries() []diff.Entry { return w.Change.Entries }

// warnings collects the warnings of one request.
type warnings struct{ texts []string }

// maxSaid bounds what is kept of them.
const maxSaid = 20

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _, text string) {
	if code == 299 && text != "" && len(w.texts) < maxSaid && !slices.Contains(w.texts, text) {
		w.texts = append(w.texts, text)
	}
}

// send writes a tree and returns what the API server answers.
func (c *conn) send(ctx context.Context, r *rest.Request, body any, agent string, dryRun bool) (map[string]any, []string, error) {
	ctx, cancel := bounded(ctx, changeTimeout)
	defer cancel()
	var heard warnings
	obj := &unstructured.Unstructured{}
	r = c.paced(ctx, r).Param("fieldManager", FieldManager).Param("fieldValidation", metav1.FieldValidationStrict)
	if dryRun {
		r = r.Param("dryRun", metav1.DryRunAll)
	}
	err := r.SetHeader("User-Agent", agent).MaxRetries(0).WarningHandler(&heard).Body(body).Do(ctx).Into(obj)
	return obj.Object, heard.texts, err
}

// changed is a Written of a change that was made.
func changed(k *kinds.Kind, before, after map[string]any, said []string) Written {
	m := &unstructured.Unstructured{Object: after}
	w := Written{Before: redacted(k, before, nil), After: redacted(k, after, before), Warnings: said}
	w.Change = Change{
		UID: string(m.GetUID()), ResourceVersion: m.GetResourceVersion(),
		Namespace: m.GetNamespace(), Name: m.GetName(), Entries: diff.Trees(w.Before, w.After, diff.Options{}), Whole: true,
	}
	leaves := w.Change.Entries
	if slices.ContainsFunc(leaves, func(e diff.Entry) bool { return isTree(e.Before) || isTree(e.After) }) {
		leaves = diff.Trees(w.Before, w.After, diff.Options{Leaves: true})
	}
	w.Change.Diff = diff.Text(leaves)
	return w
}

func isTree(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// refusedWrite is wrap for a change of an object: the refusals that say more than their status. The values of Secrets in
// the trees, before and after, are taken out of what the cluster said: admission knows both.
func (c *Cluster) refusedWrite(err error, t target, k *kinds.Kind, trees ...map[string]any) error {
	err = c.wrap(err, t)
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return err
	}
	e.explain()
	if isSecret(k) {
		e.scrub(secretsIn(trees...))
	}
	return err
}

var (
	quotaWords    = regexp.MustCompile(`exceeded quota: ([^,]+),`)
	webhookWords  = regexp.MustCompile(`^admission webhook "([^"]+)" denied the request`)
	unknownFields = regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`)
	untyped       = regexp.MustCompile(`(?s)^failed to create typed patch object \([^)]*\): (.*)$`)
	untypedField  = regexp.MustCompile(`(?m)^\s*\.?([^\s:]\S*): (.+)$`)
	wrongType     = regexp.MustCompile(`Go struct field \w+\.([\w.]+) of type`)
	fieldWords    = regexp.MustCompile(`\b(?:spec|metadata|data|status|rules|subjects|webhooks)(?:\.\w+|\[[^\]\s]*\])+`)
)

// explain finds out what a refusal is about: which quota, which webhook, which fields.
func (e *Error) explain() {
	if m := quotaWords.FindStringSubmatch(e.Server); m != nil && e.Kind == KindForbidden {
		e.Kind, e.Reason = KindInvalid, message("quota", "Quota", m[1])
	}
	if m := webhookWords.FindStringSubmatch(e.Server); m != nil {
		e.Kind, e.Reason = KindInvalid, message("webhook", "Webhook", m[1])
	}
	if m := untyped.FindStringSubmatch(e.Server); m != nil && e.Kind == KindInternal {
		e.mistyped(m[1])
	}
	if e.Kind != KindInvalid || len(e.Causes) > 0 {
		return
	}
	for _, m := range unknownFields.FindAllStringSubmatch(e.Server, maxCauses) {
		reason := message("unknown_field", "Field", m[2])
		if m[1] == "duplicate" {
			reason = message("duplicate_field", "Field", m[2])
		}
		e.Causes = append(e.Causes, Cause{Field: m[2], Reason: reason})
	}
	if m := wrongType.FindStringSubmatch(e.Server); m != nil {
		e.Causes = append(e.Causes, Cause{Field: m[1], Message: e.Server})
	}
	if len(e.Causes) > 0 {
		return
	}
	if path := fieldWords.FindString(e.Server); path != "" {
		e.Causes = append(e.Causes, Cause{Field: strings.TrimRight(path, "."), Message: e.Server})
	}
}

// mistyped takes the fields out of what an API server says of an apply that does not fit the kind. It calls that an error
// of its own, which it is not.
func (e *Error) mistyped(text string) {
	e.Kind, e.Reason = KindInvalid, message("fields")
	for _, m := range untypedField.FindAllStringSubmatch(text, maxCauses) {
		cause := Cause{Field: m[1], Message: m[2]}
		if strings.Contains(m[2], "field not declared in schema") {
			name := m[1][strings.LastIndexAny(m[1], ".]")+1:]
			cause = Cause{Field: m[1], Reason: message("unknown_field", "Field", name)}
		}
		e.Causes = append(e.Causes, cause)
	}
}

// causesOf are the fields that an API server names in a refusal.
func causesOf(s metav1.Status) []Cause {
	if s.Details == nil || s.Code != http.StatusUnprocessableEntity {
		return nil
	}
	var out []Cause
	for _, c := range s.Details.Causes {
		if len(out) == maxCauses {
			break
		}
		if c.Field == "" || c.Field == "<nil>" {
			continue
		}
		out = append(out, Cause{Field: c.Field, Message: c.Message})
	}
	return out
}

// maxCauses bounds the fields that one refusal names.
const maxCauses = 100

// lastAppliedOf is kubectl's copy in an object.
func lastAppliedOf(tree map[string]any) (string, bool) {
	s, ok, _ := unstructured.NestedString(tree, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)
	return s, ok
}
