package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"tiga/kube/diff"
	"tiga/kube/kinds"
)

const (
	// maxValue bounds one text in a state. Of a longer one the length and a hash are kept: that it changed is known, what
	// it was is not.
	maxValue = 8 << 10
	// maxField bounds one field of the object itself, such as its spec, in the same way.
	maxField = 128 << 10
)

// hidden stands for a value of a Secret, which is never read for a list. "changed" says that it may be another one.
const (
	hidden        = "(hidden)"
	hiddenChanged = "(hidden, changed)"
)

// longForm is how a value that is too long is written.
var longForm = regexp.MustCompile(`^\(\d+ bytes, sha256 [0-9a-f]{16}\)$`)

// markForm is how a value of a Secret is written, here and where an object is edited.
var markForm = regexp.MustCompile(`^\((hidden|\d+ bytes?)(, changed)?\)$`)

// Marked reports whether a value only stands for one that is not kept: a Secret's, or one that is too long. It cannot be
// put back.
func Marked(v any) bool {
	switch x := v.(type) {
	case string:
		return longForm.MatchString(x) || markForm.MatchString(x)
	case map[string]any:
		for _, item := range x {
			if Marked(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, Marked)
	}
	return false
}

// noise are annotations that controllers keep for themselves. What ends in a slash is a prefix.
var noise = []string{
	"deployment.kubernetes.io/",
	"deprecated.daemonset.template.generation",
	"control-plane.alpha.kubernetes.io/leader",
	"autoscaling.alpha.kubernetes.io/",
	"pv.kubernetes.io/",
	"volume.kubernetes.io/",
	"volume.beta.kubernetes.io/",
	"endpoints.kubernetes.io/",
}

func isNoise(annotation string) bool {
	return slices.ContainsFunc(noise, func(n string) bool {
		return n == annotation || strings.HasSuffix(n, "/") && strings.HasPrefix(annotation, n)
	})
}

// written is what people write of an object, as a tree of its own: without its status and what the API server and
// controllers set by themselves. It is small enough to be kept.
func written(k *kinds.Kind, obj runtime.Object) (map[string]any, error) {
	tree, err := treeOf(k, obj)
	if err != nil {
		return nil, err
	}
	tree = diff.Quiet(tree)
	meta, _ := tree["metadata"].(map[string]any)
	delete(meta, "deletionGracePeriodSeconds")
	switch annotations, ok := meta["annotations"].(map[string]any); {
	case k.ID() == "nodes":
		delete(meta, "annotations") // agents on the nodes write them all the time
	case ok:
		annotations = maps.Clone(annotations)
		maps.DeleteFunc(annotations, func(key string, _ any) bool { return isNoise(key) })
		if meta["annotations"] = annotations; len(annotations) == 0 {
			delete(meta, "annotations")
		}
	}
	tree["metadata"] = meta
	for field, v := range tree {
		tree[field] = short(v)
	}
	for field, v := range tree {
		if raw, err := json.Marshal(v); err == nil && len(raw) > maxField && field != "metadata" {
			tree[field] = long(raw)
		}
	}
	return tree, nil
}

// treeOf is an object as JSON has it. Its first level is its own and may be changed.
func treeOf(k *kinds.Kind, obj runtime.Object) (map[string]any, error) {
	var tree map[string]any
	switch o := obj.(type) {
	case *unstructured.Unstructured:
		tree = maps.Clone(o.Object)
	case *kinds.Printed:
		// Of a Secret only this has arrived: the values are not there to be kept.
		meta, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&metav1.PartialObjectMetadata{ObjectMeta: o.ObjectMeta})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", k.ID(), err)
		}
		tree = map[string]any{"metadata": meta["metadata"]}
		if t, ok := o.Cells["Type"].(string); ok && t != "" {
			tree["type"] = t
		}
		data := map[string]any{}
		for key := range ownedKeys(o.ManagedFields, "data") {
			data[key] = hidden
		}
		if len(data) > 0 {
			tree["data"] = data
		}
	default:
		var err error
		if tree, err = runtime.DefaultUnstructuredConverter.ToUnstructured(obj); err != nil {
			return nil, fmt.Errorf("read %s: %w", k.ID(), err)
		}
	}
	tree["apiVersion"], tree["kind"] = k.GVR.GroupVersion().String(), k.Name
	return tree, nil
}

// short is a value without nulls, without what is put in by controllers wherever it stands, and with long texts as marks.
// It does not change what it is given.
func short(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, item := range x {
			switch {
			case item == nil, key == "caBundle":
			case key == "openAPIV3Schema":
				if raw, err := json.Marshal(item); err == nil {
					out[key] = long(raw)
				}
			default:
				out[key] = short(item)
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = short(item)
		}
		return out
	case string:
		if len(x) > maxValue {
			return long([]byte(x))
		}
	}
	return v
}

// long is what is kept of a value that is too long.
func long(raw []byte) string {
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("(%d bytes, sha256 %s)", len(raw), hex.EncodeToString(sum[:8]))
}

// differ compares two states.
func differ(before, after map[string]any) []diff.Entry {
	return diff.Trees(before, after, diff.Options{})
}

// seed makes the hashes of this process; they never leave it.
var seed = maphash.MakeSeed()

func hashOf(b []byte) uint64 { return maphash.Bytes(seed, b) }
