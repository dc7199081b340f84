package kinds

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The kinds that volumes refer to.
const (
	claimsID           = "persistentvolumeclaims"
	volumesID          = "persistentvolumes"
	storageClassesID   = "storageclasses.storage.k8s.io"
	attributeClassesID = "volumeattributesclasses.storage.k8s.io"
	snapshotsID        = "volumesnapshots." + snapshotGroup
)

var claimKind = Define(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource(claimsID), Name: "PersistentVolumeClaim", Plural: "PersistentVolumeClaims", Short: []string{"pvc"},
	Namespaced: true, Menu: MenuStorage, Facets: []string{"status", "storageclass"},
},
	Reads[corev1.PersistentVolumeClaim]{Status: claimStatus, Refs: claimRefs, Detail: claimDetail},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "status", Form: FormStatus}, nil},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "volume", Form: FormName, Search: true}, func(c *corev1.PersistentVolumeClaim) Cell { return Name(c.Spec.VolumeName) }},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "capacity", Form: FormBytes}, claimCapacity},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "requested", Form: FormBytes, Hidden: true}, func(c *corev1.PersistentVolumeClaim) Cell { return Bytes(c.Spec.Resources.Requests.Storage()) }},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "accessmodes", Form: FormText}, func(c *corev1.PersistentVolumeClaim) Cell { return Text(accessModes(claimModes(c))) }},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "storageclass", Form: FormName, Search: true}, func(c *corev1.PersistentVolumeClaim) Cell { return Name(claimClass(c)) }},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "attributesclass", Form: FormName, Hidden: true}, func(c *corev1.PersistentVolumeClaim) Cell {
		return Name(valueOf(c.Spec.VolumeAttributesClassName, ""))
	}},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "volumemode", Form: FormText, Hidden: true}, func(c *corev1.PersistentVolumeClaim) Cell { return Text(string(valueOf(c.Spec.VolumeMode, ""))) }},
	ColumnOf[corev1.PersistentVolumeClaim]{Column{ID: "age", Form: FormAge}, func(c *corev1.PersistentVolumeClaim) Cell { return Age(unix(c.CreationTimestamp)) }},
)

// accessModes are kubectl's abbreviations, each once, in its order.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var out []string
	for _, m := range []struct {
		mode  corev1.PersistentVolumeAccessMode
		short string
	}{
		{corev1.ReadWriteOnce, "RWO"}, {corev1.ReadOnlyMany, "ROX"}, {corev1.ReadWriteMany, "RWX"}, {corev1.ReadWriteOncePod, "RWOP"},
	} {
		if slices.Contains(modes, m.mode) {
			out = append(out, m.short)
		}
	}
	return strings.Join(out, ",")
}

// claimModes and claimCapacity are what the claim has got; it has nothing
// before it is bound.
func claimModes(c *corev1.PersistentVolumeClaim) []corev1.PersistentVolumeAccessMode {
	if c.Spec.VolumeName == "" {
		return nil
	}
	return c.Status.AccessModes
}

func claimCapacity(c *corev1.PersistentVolumeClaim) Cell {
	if c.Spec.VolumeName == "" {
		return Cell{}
	}
	return Bytes(c.Status.Capacity.Storage())
}

// claimClass is the class by the field or by the annotation that came before
// it and still wins.
func claimClass(c *corev1.PersistentVolumeClaim) string {
	if class, ok := c.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	return valueOf(c.Spec.StorageClassName, "")
}

const (
	selectedNode       = "volume.kubernetes.io/selected-node"
	storageProvisioner = "volume.kubernetes.io/storage-provisioner"
	betaProvisioner    = "volume.beta.kubernetes.io/storage-provisioner"
)

func claimStatus(c *corev1.PersistentVolumeClaim) Status {
	if t, ok := terminating(c); ok {
		if slices.Contains(c.Finalizers, "kubernetes.io/pvc-protection") {
			t.Reason = Message{ID: "claim.inuse"}
		}
		return t
	}
	switch c.Status.Phase {
	case corev1.ClaimLost:
		return Status{Word: "Lost", Tone: ToneBad, Reason: Message{ID: "claim.lost", Args: map[string]any{"Volume": c.Spec.VolumeName}}}
	case corev1.ClaimBound:
		return claimBound(c)
	case "": // nobody has looked at it yet
		return Status{Word: "Pending", Tone: ToneInfo, Reason: Message{ID: "claim.unseen"}, Since: unix(c.CreationTimestamp)}
	default:
		s := Status{Word: string(c.Status.Phase), Since: unix(c.CreationTimestamp)}
		s.Tone, s.Reason = claimPending(c)
		return s
	}
}

// claimPending says what a claim waits for, as far as it says itself; what the
// storage driver has to say stands in its events.
func claimPending(c *corev1.PersistentVolumeClaim) (Tone, Message) {
	class, provisioner := claimClass(c), c.Annotations[storageProvisioner]
	if provisioner == "" {
		provisioner = c.Annotations[betaProvisioner]
	}
	args := map[string]any{"Volume": c.Spec.VolumeName, "Class": class, "Provisioner": provisioner, "Node": c.Annotations[selectedNode]}
	_, beta := c.Annotations[corev1.BetaStorageClassAnnotation]
	switch {
	case c.Spec.VolumeName != "":
		return ToneWarn, Message{ID: "claim.binding", Args: args}
	case provisioner != "" && args["Node"] != "":
		return ToneInfo, Message{ID: "claim.provisioningfor", Args: args}
	case provisioner != "":
		return ToneInfo, Message{ID: "claim.provisioning", Args: args}
	case class != "":
		return ToneInfo, Message{ID: "claim.firstconsumer", Args: args}
	case c.Spec.StorageClassName == nil && !beta:
		return ToneWarn, Message{ID: "claim.nodefault"}
	default:
		return ToneWarn, Message{ID: "claim.byhand"}
	}
}

// claimBound says how the resizing of a bound claim stands, if there is any.
func claimBound(c *corev1.PersistentVolumeClaim) Status {
	s := Status{Word: string(corev1.ClaimBound), Tone: ToneOK}
	have, want := c.Status.Capacity.Storage(), c.Spec.Resources.Requests.Storage()
	args := map[string]any{"Have": have.String(), "Want": want.String()}
	for _, state := range c.Status.AllocatedResourceStatuses {
		if state == corev1.PersistentVolumeClaimControllerResizeInfeasible || state == corev1.PersistentVolumeClaimNodeResizeInfeasible {
			s.Tone, s.Reason = ToneWarn, Message{ID: "claim.resizerefused", Args: args}
		}
	}
	for i := range c.Status.Conditions {
		p := &c.Status.Conditions[i]
		if p.Status != corev1.ConditionTrue {
			continue
		}
		var tone Tone
		var reason Message
		switch p.Type {
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError, corev1.PersistentVolumeClaimVolumeModifyVolumeError:
			tone, reason = ToneWarn, Message{Text: short(p.Message)}
		case corev1.PersistentVolumeClaimFileSystemResizePending:
			tone, reason = ToneInfo, Message{ID: "claim.filesystem", Args: args}
		case corev1.PersistentVolumeClaimResizing:
			tone, reason = ToneInfo, Message{ID: "claim.resizing", Args: args}
		case corev1.PersistentVolumeClaimVolumeModifyingVolume:
			tone, reason = ToneInfo, Message{ID: "claim.modifying"}
		default:
			continue
		}
		if s.Tone != ToneWarn && (tone == ToneWarn || s.Tone == ToneOK) {
			s.Tone, s.Reason, s.Since = tone, reason, unix(p.LastTransitionTime)
		}
	}
	if s.Tone == ToneOK && !have.IsZero() && have.Cmp(*want) < 0 {
		s.Tone, s.Reason = ToneInfo, Message{ID: "claim.resizing", Args: args}
	}
	return s
}

// claimSource is what a new volume is filled from.
func claimSource(c *corev1.PersistentVolumeClaim) *Ref {
	group, kind, name, namespace := "", "", "", c.Namespace
	if r := c.Spec.DataSourceRef; r != nil {
		group, kind, name, namespace = valueOf(r.APIGroup, ""), r.Kind, r.Name, valueOf(r.Namespace, c.Namespace)
	} else if r := c.Spec.DataSource; r != nil {
		group, kind, name = valueOf(r.APIGroup, ""), r.Kind, r.Name
	}
	id := idOf(group, kind)
	if id == "" || name == "" {
		return nil
	}
	return &Ref{Kind: id, Namespace: namespace, Name: name, Via: "dataSource"}
}

func claimRefs(c *corev1.PersistentVolumeClaim) []Ref {
	refs := addRef(nil, Ref{Kind: volumesID, Name: c.Spec.VolumeName, Via: "volume"})
	refs = addRef(refs, Ref{Kind: storageClassesID, Name: claimClass(c), Via: "storageClass"})
	refs = addRef(refs, Ref{Kind: attributeClassesID, Name: valueOf(c.Spec.VolumeAttributesClassName, ""), Via: "volumeAttributesClass"})
	if source := claimSource(c); source != nil {
		refs = addRef(refs, *source)
	}
	return refs
}

func claimDetail(c *corev1.PersistentVolumeClaim, d *Detail) {
	d.add("volume", refValue(Name(c.Spec.VolumeName), volumesID, "", c.Spec.VolumeName))
	d.add("storageclass", refValue(Name(claimClass(c)), storageClassesID, "", claimClass(c)))
	class := valueOf(c.Spec.VolumeAttributesClassName, "")
	d.add("attributesclass", refValue(Name(class), attributeClassesID, "", class))
	d.add("requested", Value{Cell: Bytes(c.Spec.Resources.Requests.Storage())})
	d.add("capacity", Value{Cell: claimCapacity(c)})
	d.add("accessmodes", Value{Cell: Text(accessModes(c.Spec.AccessModes))})
	d.add("volumemode", Value{Cell: Text(string(valueOf(c.Spec.VolumeMode, "")))})
	d.add("selector", Value{Cell: Name(selectorText(c.Spec.Selector))})
	if source := claimSource(c); source != nil {
		d.add("datasource", Value{Cell: Name(source.Name), Ref: source})
	}
	node := c.Annotations[selectedNode]
	d.add("selectednode", refValue(Name(node), "nodes", "", node))
	d.add("provisioner", Value{Cell: Name(c.Annotations[storageProvisioner])})
	d.add("finalizers", names(c.Finalizers)...)
	for i := range c.Status.Conditions {
		p := &c.Status.Conditions[i]
		tone := ToneInfo // they tell of work that goes on, or of what went wrong with it
		switch {
		case p.Status == corev1.ConditionUnknown:
			tone = conditionTone(false, true)
		case p.Status == corev1.ConditionFalse:
			tone = ToneIdle
		case strings.HasSuffix(string(p.Type), "Error"):
			tone = ToneWarn
		}
		d.Conditions = append(d.Conditions, Condition{
			Type: string(p.Type), Status: string(p.Status), Reason: p.Reason, Message: p.Message, Since: unix(p.LastTransitionTime), Tone: tone,
		})
	}
}

var persistentVolumeKind = Define(Kind{
	GVR: corev1.SchemeGroupVersion.WithResource(volumesID), Name: "PersistentVolume", Plural: "PersistentVolumes", Short: []string{"pv"},
	Menu: MenuStorage, Facets: []string{"status", "storageclass", "reclaim"},
},
	Reads[corev1.PersistentVolume]{Status: persistentVolumeStatus, Refs: persistentVolumeRefs, Detail: persistentVolumeDetail},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "capacity", Form: FormBytes}, func(v *corev1.PersistentVolume) Cell { return Bytes(v.Spec.Capacity.Storage()) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "accessmodes", Form: FormText}, func(v *corev1.PersistentVolume) Cell { return Text(accessModes(v.Spec.AccessModes)) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "reclaim", Form: FormText}, func(v *corev1.PersistentVolume) Cell { return Text(string(v.Spec.PersistentVolumeReclaimPolicy)) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "status", Form: FormStatus}, nil},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "claim", Form: FormName, Search: true}, func(v *corev1.PersistentVolume) Cell { return Name(claimOf(v)) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "storageclass", Form: FormName, Search: true}, func(v *corev1.PersistentVolume) Cell { return Name(volumeClass(v)) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "attributesclass", Form: FormName, Hidden: true}, func(v *corev1.PersistentVolume) Cell { return Name(valueOf(v.Spec.VolumeAttributesClassName, "")) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "reason", Form: FormText, Hidden: true}, func(v *corev1.PersistentVolume) Cell { return Text(v.Status.Reason) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "driver", Form: FormName, Hidden: true, Search: true}, func(v *corev1.PersistentVolume) Cell { return Name(volumeDriver(v)) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "volumemode", Form: FormText, Hidden: true}, func(v *corev1.PersistentVolume) Cell { return Text(string(valueOf(v.Spec.VolumeMode, ""))) }},
	ColumnOf[corev1.PersistentVolume]{Column{ID: "age", Form: FormAge}, func(v *corev1.PersistentVolume) Cell { return Age(unix(v.CreationTimestamp)) }},
)

func claimOf(v *corev1.PersistentVolume) string {
	if v.Spec.ClaimRef == nil {
		return ""
	}
	return v.Spec.ClaimRef.Namespace + "/" + v.Spec.ClaimRef.Name
}

func volumeClass(v *corev1.PersistentVolume) string {
	if class, ok := v.Annotations[corev1.BetaStorageClassAnnotation]; ok {
		return class
	}
	return v.Spec.StorageClassName
}

// volumeDriver is who serves the volume.
func volumeDriver(v *corev1.PersistentVolume) string {
	switch s := &v.Spec.PersistentVolumeSource; {
	case s.CSI != nil:
		return s.CSI.Driver
	case s.NFS != nil:
		return "nfs"
	case s.HostPath != nil:
		return "hostPath"
	case s.Local != nil:
		return "local"
	case s.ISCSI != nil:
		return "iscsi"
	case s.FC != nil:
		return "fc"
	default:
		return v.Annotations["pv.kubernetes.io/provisioned-by"]
	}
}

func persistentVolumeStatus(v *corev1.PersistentVolume) Status {
	claim := map[string]any{"Claim": claimOf(v)}
	if t, ok := terminating(v); ok {
		attached := func(f string) bool { return strings.HasPrefix(f, "external-attacher/") }
		switch {
		case v.Status.Phase == corev1.VolumeBound && slices.Contains(v.Finalizers, "kubernetes.io/pv-protection"):
			t.Reason = Message{ID: "volume.inuse", Args: claim}
		case slices.ContainsFunc(v.Finalizers, attached):
			t.Reason = Message{ID: "volume.attached"}
		case v.Status.Phase == corev1.VolumeFailed:
			t.Tone, t.Reason = ToneBad, Message{Text: short(v.Status.Message)}
		}
		return t
	}
	s := Status{Word: string(v.Status.Phase)}
	if at := v.Status.LastPhaseTransitionTime; at != nil {
		s.Since = unix(*at)
	}
	switch v.Status.Phase {
	case corev1.VolumeBound:
		s.Tone = ToneOK
	case corev1.VolumeAvailable:
		s.Tone = ToneIdle
		if v.Spec.ClaimRef != nil {
			s.Tone, s.Reason = ToneInfo, Message{ID: "volume.reserved", Args: claim}
		}
	case corev1.VolumeReleased:
		s.Tone, s.Reason = ToneWarn, Message{ID: "volume.kept", Args: claim}
		if v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			s.Tone, s.Reason = ToneInfo, Message{ID: "volume.deleting", Args: claim}
		}
	case corev1.VolumeFailed:
		s.Tone, s.Reason = ToneBad, Message{Text: short(v.Status.Message)}
	case corev1.VolumePending:
		s.Tone = ToneInfo
	default:
		s.Word, s.Tone, s.Reason = "Pending", ToneInfo, Message{ID: "claim.unseen"}
		if v.Status.Phase != "" {
			s = Status{Word: string(v.Status.Phase)}
		}
	}
	return s
}

func persistentVolumeRefs(v *corev1.PersistentVolume) []Ref {
	var refs []Ref
	if c := v.Spec.ClaimRef; c != nil {
		refs = addRef(refs, Ref{Kind: claimsID, Namespace: c.Namespace, Name: c.Name, Via: "claim"})
	}
	refs = addRef(refs, Ref{Kind: storageClassesID, Name: volumeClass(v), Via: "storageClass"})
	return addRef(refs, Ref{Kind: attributeClassesID, Name: valueOf(v.Spec.VolumeAttributesClassName, ""), Via: "volumeAttributesClass"})
}

func persistentVolumeDetail(v *corev1.PersistentVolume, d *Detail) {
	if c := v.Spec.ClaimRef; c != nil {
		d.add("claim", refValue(Name(claimOf(v)), claimsID, c.Namespace, c.Name))
	}
	d.add("capacity", Value{Cell: Bytes(v.Spec.Capacity.Storage())})
	d.add("accessmodes", Value{Cell: Text(accessModes(v.Spec.AccessModes))})
	d.add("reclaim", Value{Cell: Text(string(v.Spec.PersistentVolumeReclaimPolicy))})
	d.add("storageclass", refValue(Name(volumeClass(v)), storageClassesID, "", volumeClass(v)))
	class := valueOf(v.Spec.VolumeAttributesClassName, "")
	d.add("attributesclass", refValue(Name(class), attributeClassesID, "", class))
	d.add("driver", Value{Cell: Name(volumeDriver(v))})
	d.add("source", volumeSource(v)...)
	d.add("volumemode", Value{Cell: Text(string(valueOf(v.Spec.VolumeMode, "")))})
	d.add("mountoptions", names(v.Spec.MountOptions)...)
	if a := v.Spec.NodeAffinity; a != nil && a.Required != nil {
		var terms []string
		for i := range a.Required.NodeSelectorTerms {
			terms = append(terms, nodeTerm(&a.Required.NodeSelectorTerms[i]))
		}
		d.add("nodeaffinity", names(terms)...)
	}
	d.add("reason", Value{Cell: Text(v.Status.Reason)})
	d.add("message", Value{Cell: Text(v.Status.Message)})
	d.add("finalizers", names(v.Finalizers)...)
}

// volumeSource is where the data is, as the storage knows it.
func volumeSource(v *corev1.PersistentVolume) []Value {
	switch s := &v.Spec.PersistentVolumeSource; {
	case s.CSI != nil:
		return names([]string{s.CSI.VolumeHandle})
	case s.NFS != nil:
		return names([]string{s.NFS.Server + ":" + s.NFS.Path})
	case s.HostPath != nil:
		return names([]string{s.HostPath.Path})
	case s.Local != nil:
		return names([]string{s.Local.Path})
	default:
		return nil
	}
}

// nodeTerm is one alternative of a node affinity, as a selector.
func nodeTerm(t *corev1.NodeSelectorTerm) string {
	var parts []string
	for _, list := range [][]corev1.NodeSelectorRequirement{t.MatchExpressions, t.MatchFields} {
		for _, r := range list {
			text := r.Key + " " + string(r.Operator)
			if len(r.Values) > 0 {
				text += " " + strings.Join(r.Values, ", ")
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}
