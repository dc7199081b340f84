package kinds

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const snapshotGroup = "snapshot.storage.k8s.io"

// snapshotContentsID and snapshotClassesID are the other two kinds of the group.
const (
	snapshotContentsID = "volumesnapshotcontents." + snapshotGroup
	snapshotClassesID  = "volumesnapshotclasses." + snapshotGroup
)

func snapshotBase(resource, name, plural string, short ...string) Kind {
	return Kind{
		GVR:  schema.GroupVersionResource{Group: snapshotGroup, Version: "v1", Resource: resource},
		Name: name, Plural: plural, Short: short, Menu: MenuStorage, Versions: []string{"v1"}, Install: "the external snapshotter",
	}
}

var (
	snapshotKind = Define(func() Kind {
		k := snapshotBase("volumesnapshots", "VolumeSnapshot", "VolumeSnapshots", "vs")
		k.Namespaced, k.Facets = true, []string{"status", "class"}
		return k
	}(),
		Reads[unstructured.Unstructured]{Status: snapshotStatus, Refs: snapshotRefs, Detail: snapshotDetail},
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		fieldColumn(Column{ID: "claim", Form: FormName, Search: true}, "spec", "source", "persistentVolumeClaimName"),
		fieldColumn(Column{ID: "sourcecontent", Form: FormName, Hidden: true}, "spec", "source", "volumeSnapshotContentName"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "restoresize", Form: FormBytes}, restoreSize},
		fieldColumn(Column{ID: "class", Form: FormName, Search: true}, "spec", "volumeSnapshotClassName"),
		fieldColumn(Column{ID: "content", Form: FormName, Hidden: true}, "status", "boundVolumeSnapshotContentName"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "taken", Form: FormAge}, func(u *unstructured.Unstructured) Cell { return Age(taken(u)) }},
		ageColumn,
	)
	snapshotContentKind = Define(func() Kind {
		k := snapshotBase("volumesnapshotcontents", "VolumeSnapshotContent", "VolumeSnapshotContents", "vsc", "vscs")
		k.Facets = []string{"status", "driver"}
		return k
	}(),
		Reads[unstructured.Unstructured]{Status: snapshotStatus, Refs: contentRefs, Detail: contentDetail},
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[unstructured.Unstructured]{Column{ID: "restoresize", Form: FormBytes}, restoreSize},
		fieldColumn(Column{ID: "deletionpolicy", Form: FormText}, "spec", "deletionPolicy"),
		fieldColumn(Column{ID: "driver", Form: FormName, Search: true}, "spec", "driver"),
		fieldColumn(Column{ID: "class", Form: FormName, Search: true}, "spec", "volumeSnapshotClassName"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "snapshot", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(snapshotOf(u)) }},
		ageColumn,
	)
	snapshotClassKind = Define(snapshotBase("volumesnapshotclasses", "VolumeSnapshotClass", "VolumeSnapshotClasses", "vsclass", "vsclasses"),
		Reads[unstructured.Unstructured]{Detail: snapshotClassDetail},
		fieldColumn(Column{ID: "driver", Form: FormName, Search: true}, "driver"),
		ColumnOf[unstructured.Unstructured]{Column{ID: "default", Form: FormText}, func(u *unstructured.Unstructured) Cell { return marked(isDefaultSnapshotClass(u)) }},
		fieldColumn(Column{ID: "deletionpolicy", Form: FormText}, "deletionPolicy"),
		ageColumn,
	)
)

// restoreSize is a quantity in a snapshot, and a number of bytes in a content.
func restoreSize(u *unstructured.Unstructured) Cell {
	if n, ok := treeOf(u).number("status", "restoreSize"); ok {
		return Bytes(resource.NewQuantity(n, resource.BinarySI))
	}
	q, err := resource.ParseQuantity(treeOf(u).text("status", "restoreSize"))
	if err != nil {
		return Cell{}
	}
	return Bytes(&q)
}

// taken is when the storage made the snapshot: a time in a snapshot, and a
// number of nanoseconds in a content.
func taken(u *unstructured.Unstructured) int64 {
	if n, ok := treeOf(u).number("status", "creationTime"); ok {
		return n / 1e9
	}
	return treeOf(u).instant("status", "creationTime")
}

// snapshotStatus is that of a snapshot or of its content: both report in the
// same fields.
func snapshotStatus(u *unstructured.Unstructured) Status {
	st := treeOf(u).at("status")
	failure := Message{Text: short(st.text("error", "message"))}
	if t, ok := terminating(u); ok {
		for _, f := range u.GetFinalizers() {
			if strings.HasSuffix(f, "-as-source-protection") {
				t.Reason = Message{ID: "snapshot.insource"}
			}
		}
		if !failure.IsZero() {
			t.Tone, t.Reason = ToneBad, failure
		}
		return t
	}
	switch {
	case st.truth("readyToUse"):
		return Status{Word: "ReadyToUse", Tone: ToneOK, Since: taken(u)}
	case !failure.IsZero(): // the driver tries again, and may succeed
		return Status{Word: "Error", Tone: ToneBad, Reason: failure, Since: st.instant("error", "time")}
	case u.GetKind() == "VolumeSnapshot" && st.text("boundVolumeSnapshotContentName") == "":
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "snapshot.unbound"}, Since: unix(u.GetCreationTimestamp())}
	default:
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "snapshot.taking"}, Since: unix(u.GetCreationTimestamp())}
	}
}

func snapshotRefs(u *unstructured.Unstructured) []Ref {
	o := treeOf(u)
	refs := addRef(nil, Ref{Kind: claimsID, Namespace: u.GetNamespace(), Name: o.text("spec", "source", "persistentVolumeClaimName"), Via: "source"})
	refs = addRef(refs, Ref{Kind: snapshotContentsID, Name: o.text("spec", "source", "volumeSnapshotContentName"), Via: "source"})
	refs = addRef(refs, Ref{Kind: snapshotContentsID, Name: o.text("status", "boundVolumeSnapshotContentName"), Via: "content"})
	return addRef(refs, Ref{Kind: snapshotClassesID, Name: o.text("spec", "volumeSnapshotClassName"), Via: "snapshotClass"})
}

func snapshotDetail(u *unstructured.Unstructured, d *Detail) {
	o := treeOf(u)
	claim := o.text("spec", "source", "persistentVolumeClaimName")
	d.add("claim", refValue(Name(claim), claimsID, u.GetNamespace(), claim))
	content := o.text("status", "boundVolumeSnapshotContentName")
	if content == "" {
		content = o.text("spec", "source", "volumeSnapshotContentName")
	}
	d.add("content", refValue(Name(content), snapshotContentsID, "", content))
	class := o.text("spec", "volumeSnapshotClassName")
	d.add("class", refValue(Name(class), snapshotClassesID, "", class))
	snapshotFacts(u, d)
}

// snapshotFacts are those that snapshots and contents share.
func snapshotFacts(u *unstructured.Unstructured, d *Detail) {
	st := treeOf(u).at("status")
	d.add("restoresize", Value{Cell: restoreSize(u)})
	d.add("taken", Value{Cell: Age(taken(u))})
	if words := st.text("error", "message"); words != "" {
		d.add("error", Value{Cell: Cell{Text: words, Tone: ToneBad}})
	}
	d.add("finalizers", names(u.GetFinalizers())...)
}

// snapshotOf is the snapshot that a content belongs to.
func snapshotOf(u *unstructured.Unstructured) string {
	r := treeOf(u).at("spec", "volumeSnapshotRef")
	if r.text("name") == "" {
		return ""
	}
	return r.text("namespace") + "/" + r.text("name")
}

func contentRefs(u *unstructured.Unstructured) []Ref {
	o := treeOf(u)
	r := o.at("spec", "volumeSnapshotRef")
	refs := addRef(nil, Ref{Kind: snapshotsID, Namespace: r.text("namespace"), Name: r.text("name"), Via: "snapshot"})
	refs = addRef(refs, Ref{Kind: snapshotClassesID, Name: o.text("spec", "volumeSnapshotClassName"), Via: "snapshotClass"})
	return addRef(refs, Ref{Kind: "csidrivers.storage.k8s.io", Name: o.text("spec", "driver"), Via: "driver"})
}

func contentDetail(u *unstructured.Unstructured, d *Detail) {
	o := treeOf(u)
	r := o.at("spec", "volumeSnapshotRef")
	d.add("snapshot", refValue(Name(snapshotOf(u)), snapshotsID, r.text("namespace"), r.text("name")))
	class := o.text("spec", "volumeSnapshotClassName")
	d.add("class", refValue(Name(class), snapshotClassesID, "", class))
	driver := o.text("spec", "driver")
	d.add("driver", refValue(Name(driver), "csidrivers.storage.k8s.io", "", driver))
	d.add("deletionpolicy", Value{Cell: Text(o.text("spec", "deletionPolicy"))})
	for _, handle := range []string{o.text("status", "snapshotHandle"), o.text("spec", "source", "snapshotHandle"), o.text("spec", "source", "volumeHandle")} {
		if handle != "" {
			d.add("source", Value{Cell: Name(handle)})
			break
		}
	}
	snapshotFacts(u, d)
}

func isDefaultSnapshotClass(u *unstructured.Unstructured) bool {
	return u.GetAnnotations()["snapshot.storage.kubernetes.io/is-default-class"] == "true"
}

func snapshotClassDetail(u *unstructured.Unstructured, d *Detail) {
	o := treeOf(u)
	driver := o.text("driver")
	d.add("driver", refValue(Name(driver), "csidrivers.storage.k8s.io", "", driver))
	d.add("default", Value{Cell: marked(isDefaultSnapshotClass(u))})
	d.add("deletionpolicy", Value{Cell: Text(o.text("deletionPolicy"))})
	d.add("finalizers", names(u.GetFinalizers())...)
	values := make(map[string]string)
	for key := range o.at("parameters") {
		values[key] = o.text("parameters", key)
	}
	d.addTable(parameters(values))
}
