package history

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxManagers bounds how many entries of an object's managed fields are looked at.
const maxManagers = 32

// marksOf tells the entries of managed fields apart, so that those which a change has touched are found again.
func marksOf(fields []metav1.ManagedFieldsEntry) []uint64 {
	fields = fields[:min(len(fields), maxManagers)]
	if len(fields) == 0 {
		return nil
	}
	out := make([]uint64, len(fields))
	for i := range fields {
		out[i] = markOf(&fields[i])
	}
	return out
}

func markOf(f *metav1.ManagedFieldsEntry) uint64 {
	var b strings.Builder
	b.WriteString(f.Manager + "\x00" + string(f.Operation) + "\x00" + f.Subresource + "\x00")
	if f.Time != nil {
		b.WriteString(f.Time.UTC().Format("20060102150405"))
	}
	b.WriteByte(0)
	if f.FieldsV1 != nil {
		b.Write(f.FieldsV1.GetRawBytes())
	}
	return hashOf([]byte(b.String()))
}

// managerOf is who the cluster says has made the change that led from the managed fields with these marks to those: of the
// entries that have changed the newest, one that wrote more than a status first. The index is -1 where nothing tells.
func managerOf(before []uint64, now []metav1.ManagedFieldsEntry) (name string, index int) {
	had := make(map[uint64]bool, len(before))
	for _, m := range before {
		had[m] = true
	}
	now = now[:min(len(now), maxManagers)]
	index = -1
	for _, onlyNew := range []bool{true, false} {
		for i := range now {
			f := &now[i]
			if f.Subresource == "status" || onlyNew && had[markOf(f)] {
				continue
			}
			if index < 0 || later(f.Time, now[index].Time) {
				index = i
			}
		}
		if index >= 0 {
			return now[index].Manager, index
		}
	}
	return "", -1
}

func later(a, b *metav1.Time) bool { return a != nil && (b == nil || a.After(b.Time)) }

// ownedKeys are the keys of a map at the top of an object that managed fields name: of a Secret's data they are known
// although the values are not read.
func ownedKeys(fields []metav1.ManagedFieldsEntry, field string) map[string]bool {
	out := map[string]bool{}
	for i := range fields {
		for key := range keysOf(&fields[i], field) {
			out[key] = true
		}
	}
	return out
}

func keysOf(f *metav1.ManagedFieldsEntry, field string) map[string]bool {
	if f.FieldsV1 == nil {
		return nil
	}
	var tree map[string]json.RawMessage
	if json.Unmarshal(f.FieldsV1.GetRawBytes(), &tree) != nil {
		return nil
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(tree["f:"+field], &inner) != nil {
		return nil
	}
	out := map[string]bool{}
	for key := range inner {
		if name, ok := strings.CutPrefix(key, "f:"); ok {
			out[name] = true
		}
	}
	return out
}
