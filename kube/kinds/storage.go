package kinds

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

var storageKinds = []*Kind{
	claimKind,
	persistentVolumeKind,
	Define(Kind{
		GVR: storagev1.SchemeGroupVersion.WithResource("storageclasses"), Name: "StorageClass", Plural: "StorageClasses", Short: []string{"sc"},
		Menu: MenuStorage, Facets: []string{"provisioner"},
	},
		Reads[storagev1.StorageClass]{Detail: storageClassDetail},
		ColumnOf[storagev1.StorageClass]{Column{ID: "provisioner", Form: FormName, Search: true}, func(s *storagev1.StorageClass) Cell { return Name(s.Provisioner) }},
		ColumnOf[storagev1.StorageClass]{Column{ID: "default", Form: FormText}, func(s *storagev1.StorageClass) Cell { return marked(isDefaultClass(s)) }},
		ColumnOf[storagev1.StorageClass]{Column{ID: "reclaim", Form: FormText}, func(s *storagev1.StorageClass) Cell {
			return Text(string(valueOf(s.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)))
		}},
		ColumnOf[storagev1.StorageClass]{Column{ID: "bindingmode", Form: FormText}, func(s *storagev1.StorageClass) Cell {
			return Text(string(valueOf(s.VolumeBindingMode, storagev1.VolumeBindingImmediate)))
		}},
		ColumnOf[storagev1.StorageClass]{Column{ID: "expansion", Form: FormText}, func(s *storagev1.StorageClass) Cell { return truth(valueOf(s.AllowVolumeExpansion, false)) }},
		ColumnOf[storagev1.StorageClass]{Column{ID: "age", Form: FormAge}, func(s *storagev1.StorageClass) Cell { return Age(unix(s.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: storagev1.SchemeGroupVersion.WithResource("volumeattachments"), Churns: true, Name: "VolumeAttachment", Plural: "VolumeAttachments",
		Menu: MenuStorage, Facets: []string{"status", "node"},
	},
		Reads[storagev1.VolumeAttachment]{Status: attachmentStatus, Refs: attachmentRefs, Detail: attachmentDetail},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "attacher", Form: FormName, Search: true}, func(a *storagev1.VolumeAttachment) Cell { return Name(a.Spec.Attacher) }},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "volume", Form: FormName, Search: true}, func(a *storagev1.VolumeAttachment) Cell { return Name(valueOf(a.Spec.Source.PersistentVolumeName, "")) }},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "node", Form: FormName, Search: true}, func(a *storagev1.VolumeAttachment) Cell { return Name(a.Spec.NodeName) }},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "attached", Form: FormText, Hidden: true}, func(a *storagev1.VolumeAttachment) Cell { return truth(a.Status.Attached) }},
		ColumnOf[storagev1.VolumeAttachment]{Column{ID: "age", Form: FormAge}, func(a *storagev1.VolumeAttachment) Cell { return Age(unix(a.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: storagev1.SchemeGroupVersion.WithResource("csidrivers"), Name: "CSIDriver", Plural: "CSIDrivers", Menu: MenuStorage,
	},
		Reads[storagev1.CSIDriver]{Detail: driverDetail},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "attachrequired", Form: FormText}, func(c *storagev1.CSIDriver) Cell { return truth(valueOf(c.Spec.AttachRequired, true)) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "podinfo", Form: FormText}, func(c *storagev1.CSIDriver) Cell { return truth(valueOf(c.Spec.PodInfoOnMount, false)) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "storagecapacity", Form: FormText}, func(c *storagev1.CSIDriver) Cell { return truth(valueOf(c.Spec.StorageCapacity, false)) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "tokenrequests", Form: FormName}, func(c *storagev1.CSIDriver) Cell { return Name(join(tokenAudiences(c))) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "republish", Form: FormText}, func(c *storagev1.CSIDriver) Cell { return truth(valueOf(c.Spec.RequiresRepublish, false)) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "modes", Form: FormText}, func(c *storagev1.CSIDriver) Cell { return Text(join(c.Spec.VolumeLifecycleModes)) }},
		ColumnOf[storagev1.CSIDriver]{Column{ID: "age", Form: FormAge}, func(c *storagev1.CSIDriver) Cell { return Age(unix(c.CreationTimestamp)) }},
	),
	Define(Kind{
		GVR: storagev1.SchemeGroupVersion.WithResource("csinodes"), Churns: true, Name: "CSINode", Plural: "CSINodes", Menu: MenuStorage,
	},
		Reads[storagev1.CSINode]{
			Refs:   func(n *storagev1.CSINode) []Ref { return addRef(nil, Ref{Kind: "nodes", Name: n.Name, Via: "node"}) },
			Detail: storageNodeDetail,
		},
		ColumnOf[storagev1.CSINode]{Column{ID: "driversnumber", Form: FormNumber}, func(n *storagev1.CSINode) Cell { return Number(len(n.Spec.Drivers)) }},
		ColumnOf[storagev1.CSINode]{Column{ID: "drivers", Form: FormName, Search: true}, func(n *storagev1.CSINode) Cell { return Name(join(nodeDrivers(n))) }},
		ColumnOf[storagev1.CSINode]{Column{ID: "age", Form: FormAge}, func(n *storagev1.CSINode) Cell { return Age(unix(n.CreationTimestamp)) }},
	),
	snapshotKind,
	snapshotContentKind,
	snapshotClassKind,
}

// The words for how an attachment stands.
const (
	WordAttached     = "Attached"
	WordAttaching    = "Attaching"
	WordAttachFailed = "AttachFailed"
)

const (
	defaultClass     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultClass = "storageclass.beta.kubernetes.io/is-default-class"
)

func isDefaultClass(s *storagev1.StorageClass) bool {
	return s.Annotations[defaultClass] == "true" || s.Annotations[betaDefaultClass] == "true"
}

func storageClassDetail(s *storagev1.StorageClass, d *Detail) {
	d.add("provisioner", Value{Cell: Name(s.Provisioner)})
	d.add("default", Value{Cell: marked(isDefaultClass(s))})
	d.add("reclaim", Value{Cell: Text(string(valueOf(s.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)))})
	d.add("bindingmode", Value{Cell: Text(string(valueOf(s.VolumeBindingMode, storagev1.VolumeBindingImmediate)))})
	d.add("expansion", Value{Cell: truth(valueOf(s.AllowVolumeExpansion, false))})
	d.add("mountoptions", names(s.MountOptions)...)
	d.add("finalizers", names(s.Finalizers)...)
	d.addTable(parameters(s.Parameters))
}

// parameters are those of a class. They are no secrets: drivers take those by
// reference.
func parameters(m map[string]string) Table {
	t := Table{ID: "parameters", Columns: []Column{{ID: "parameter", Form: FormName}, {ID: "value", Form: FormName}}}
	for _, p := range pairs(m) {
		t.Rows = append(t.Rows, []Value{{Cell: Name(p.Key)}, {Cell: Name(p.Value)}})
	}
	return t
}

func attachmentStatus(a *storagev1.VolumeAttachment) Status {
	if t, ok := terminating(a); ok {
		if e := a.Status.DetachError; e != nil {
			t.Tone, t.Reason, t.Since = ToneBad, Message{Text: short(e.Message)}, unix(e.Time)
		}
		return t
	}
	switch e := a.Status.AttachError; {
	case a.Status.Attached:
		return Status{Word: WordAttached, Tone: ToneOK}
	case e != nil:
		return Status{Word: WordAttachFailed, Tone: ToneBad, Reason: Message{Text: short(e.Message)}, Since: unix(e.Time)}
	default:
		return Status{Word: WordAttaching, Tone: ToneInfo, Since: unix(a.CreationTimestamp)}
	}
}

func attachmentRefs(a *storagev1.VolumeAttachment) []Ref {
	refs := addRef(nil, Ref{Kind: volumesID, Name: valueOf(a.Spec.Source.PersistentVolumeName, ""), Via: "volume"})
	refs = addRef(refs, Ref{Kind: "nodes", Name: a.Spec.NodeName, Via: "node"})
	return addRef(refs, Ref{Kind: "csidrivers.storage.k8s.io", Name: a.Spec.Attacher, Via: "attacher"})
}

func attachmentDetail(a *storagev1.VolumeAttachment, d *Detail) {
	volume := valueOf(a.Spec.Source.PersistentVolumeName, "")
	d.add("volume", refValue(Name(volume), volumesID, "", volume))
	d.add("node", refValue(Name(a.Spec.NodeName), "nodes", "", a.Spec.NodeName))
	d.add("attacher", refValue(Name(a.Spec.Attacher), "csidrivers.storage.k8s.io", "", a.Spec.Attacher))
	d.add("attached", Value{Cell: truth(a.Status.Attached)})
	for _, e := range []struct {
		id string
		*storagev1.VolumeError
	}{{"attacherror", a.Status.AttachError}, {"detacherror", a.Status.DetachError}} {
		if e.VolumeError != nil {
			d.add(e.id, Value{Cell: Cell{Text: e.Message, Tone: ToneBad}}, Value{Cell: Age(unix(e.Time))})
		}
	}
	d.add("finalizers", names(a.Finalizers)...)
	d.addTable(parameters(a.Status.AttachmentMetadata))
}

func tokenAudiences(c *storagev1.CSIDriver) []string {
	out := make([]string, len(c.Spec.TokenRequests))
	for i := range c.Spec.TokenRequests {
		out[i] = c.Spec.TokenRequests[i].Audience
	}
	return out
}

func driverDetail(c *storagev1.CSIDriver, d *Detail) {
	d.add("attachrequired", Value{Cell: truth(valueOf(c.Spec.AttachRequired, true))})
	d.add("podinfo", Value{Cell: truth(valueOf(c.Spec.PodInfoOnMount, false))})
	d.add("storagecapacity", Value{Cell: truth(valueOf(c.Spec.StorageCapacity, false))})
	d.add("tokenrequests", names(tokenAudiences(c))...)
	d.add("republish", Value{Cell: truth(valueOf(c.Spec.RequiresRepublish, false))})
	d.add("modes", Value{Cell: Text(join(c.Spec.VolumeLifecycleModes))})
	d.add("fsgrouppolicy", Value{Cell: Text(string(valueOf(c.Spec.FSGroupPolicy, "")))})
	d.add("selinuxmount", Value{Cell: marked(valueOf(c.Spec.SELinuxMount, false))})
	d.add("finalizers", names(c.Finalizers)...)
}

func nodeDrivers(n *storagev1.CSINode) []string {
	out := make([]string, len(n.Spec.Drivers))
	for i := range n.Spec.Drivers {
		out[i] = n.Spec.Drivers[i].Name
	}
	return out
}

func storageNodeDetail(n *storagev1.CSINode, d *Detail) {
	d.add("node", refValue(Name(n.Name), "nodes", "", n.Name))
	d.add("finalizers", names(n.Finalizers)...)
	drivers := Table{ID: "drivers", Columns: []Column{
		{ID: "driver", Form: FormName}, {ID: "nodeid", Form: FormName}, {ID: "topologykeys", Form: FormName}, {ID: "volumesatmost", Form: FormName},
	}}
	for i := range n.Spec.Drivers {
		r := &n.Spec.Drivers[i]
		most := ""
		if r.Allocatable != nil && r.Allocatable.Count != nil {
			most = strconv.Itoa(int(*r.Allocatable.Count))
		}
		drivers.Rows = append(drivers.Rows, []Value{
			refValue(Name(r.Name), "csidrivers.storage.k8s.io", "", r.Name), {Cell: Name(r.NodeID)}, {Cell: Name(join(r.TopologyKeys))}, {Cell: Name(most)},
		})
	}
	d.addTable(drivers)
}
