package kinds

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// surroundings are what a container's description needs of its pod.
type surroundings struct {
	namespace, pod string // pod is empty in a template
	spec           *corev1.PodSpec
}

// envValueLimit bounds the values of environment variables: whole files are
// put into them.
const envValueLimit = 4096

func (a *surroundings) ref(kind, name, via string) *Ref {
	if name == "" {
		return nil
	}
	return &Ref{Kind: kind, Namespace: a.namespace, Name: name, Via: via}
}

func set(b *bool) bool { return b != nil && *b }

// env are the variables in the order in which they take effect: whole objects
// first, then the single ones, which win.
func (a *surroundings) env(c *corev1.Container) []EnvVar {
	var out []EnvVar
	for i := range c.EnvFrom {
		from := &c.EnvFrom[i]
		if s := from.ConfigMapRef; s != nil {
			out = append(out, EnvVar{Name: from.Prefix, All: true, From: a.ref("configmaps", s.Name, "envFrom"), Optional: set(s.Optional)})
		}
		if s := from.SecretRef; s != nil {
			out = append(out, EnvVar{Name: from.Prefix, All: true, From: a.ref("secrets", s.Name, "envFrom"), Optional: set(s.Optional)})
		}
	}
	for i := range c.Env {
		v := EnvVar{Name: c.Env[i].Name, Value: cut(c.Env[i].Value, envValueLimit)}
		if from := c.Env[i].ValueFrom; from != nil {
			a.origin(&v, from)
		}
		out = append(out, v)
	}
	return out
}

// origin says where the value of a variable comes from.
func (a *surroundings) origin(v *EnvVar, from *corev1.EnvVarSource) {
	switch {
	case from.ConfigMapKeyRef != nil:
		s := from.ConfigMapKeyRef
		v.From, v.Key, v.Optional = a.ref("configmaps", s.Name, "env"), s.Key, set(s.Optional)
	case from.SecretKeyRef != nil:
		s := from.SecretKeyRef
		v.From, v.Key, v.Optional = a.ref("secrets", s.Name, "env"), s.Key, set(s.Optional)
	case from.FieldRef != nil:
		v.Key = from.FieldRef.FieldPath
	case from.ResourceFieldRef != nil:
		v.Key = from.ResourceFieldRef.Resource
		if name := from.ResourceFieldRef.ContainerName; name != "" {
			v.Key = name + "/" + v.Key
		}
	case from.FileKeyRef != nil:
		s := from.FileKeyRef
		v.Key, v.Optional = s.VolumeName+"/"+s.Path+":"+s.Key, set(s.Optional)
	}
}

func (a *surroundings) mounts(c *corev1.Container) []Mount {
	var out []Mount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		mount := Mount{Path: m.MountPath, Volume: m.Name, SubPath: m.SubPath + m.SubPathExpr, ReadOnly: m.ReadOnly}
		mount.What, mount.From = a.volume(m.Name)
		out = append(out, mount)
	}
	for i := range c.VolumeDevices {
		mount := Mount{Path: c.VolumeDevices[i].DevicePath, Volume: c.VolumeDevices[i].Name}
		mount.What, mount.From = a.volume(mount.Volume)
		out = append(out, mount)
	}
	return out
}

// volume says what kind of volume it is, and which object stands behind it
// where there is exactly one.
func (a *surroundings) volume(name string) (what string, from *Ref) {
	i := slices.IndexFunc(a.spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return "", nil
	}
	v := &a.spec.Volumes[i]
	refs := a.behind(v)
	if len(refs) == 1 && v.CSI == nil { // a driver's secret is its key to the volume, not the volume
		from = &refs[0]
	}
	return volumeKind(v), from
}

// behind are the objects that a volume is made of.
func (a *surroundings) behind(v *corev1.Volume) []Ref {
	var refs []Ref
	volumeRefs(v, func(kind, name, via string) {
		if ref := a.ref(kind, name, via); ref != nil && name != rootCA {
			refs = append(refs, *ref)
		}
	})
	if v.Ephemeral != nil && a.pod != "" { // the claim is named after its pod
		refs = append(refs, *a.ref("persistentvolumeclaims", a.pod+"-"+v.Name, "volume"))
	}
	return refs
}

// volumeKind is the name of the one field that a volume's source has, as the
// API calls it: the list of kinds of volumes is long and grows.
func volumeKind(v *corev1.Volume) string {
	data, err := json.Marshal(v.VolumeSource)
	if err != nil {
		return ""
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return ""
	}
	for kind := range fields {
		return kind
	}
	return "emptyDir" // the API's default
}

// runsAs is what the security contexts of pod and container say together; the
// container's word counts where both have one.
func (a *surroundings) runsAs(c *corev1.Container) string {
	pod, own := a.spec.SecurityContext, c.SecurityContext
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	var out []string
	flag := func(b *bool, yes, no string) {
		switch {
		case b == nil:
		case *b:
			out = append(out, yes)
		case no != "":
			out = append(out, no)
		}
	}
	id := func(own, pod *int64, word string) {
		if own == nil {
			own = pod
		}
		if own != nil {
			out = append(out, word+" "+strconv.FormatInt(*own, 10))
		}
	}
	nonRoot := own.RunAsNonRoot
	if nonRoot == nil {
		nonRoot = pod.RunAsNonRoot
	}
	flag(nonRoot, "runAsNonRoot", "")
	id(own.RunAsUser, pod.RunAsUser, "uid")
	id(own.RunAsGroup, pod.RunAsGroup, "gid")
	id(nil, pod.FSGroup, "fsGroup")
	flag(own.Privileged, "privileged", "")
	flag(own.AllowPrivilegeEscalation, "allowPrivilegeEscalation", "no allowPrivilegeEscalation")
	flag(own.ReadOnlyRootFilesystem, "readOnlyRootFilesystem", "")
	if own.Capabilities != nil {
		out = append(out, capabilities("add", own.Capabilities.Add)...)
		out = append(out, capabilities("drop", own.Capabilities.Drop)...)
	}
	profile := own.SeccompProfile
	if profile == nil {
		profile = pod.SeccompProfile
	}
	if profile != nil {
		out = append(out, "seccomp "+string(profile.Type))
	}
	return strings.Join(out, ", ")
}

func capabilities(word string, list []corev1.Capability) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i := range list {
		out[i] = string(list[i])
	}
	return []string{word + " " + strings.Join(out, " ")}
}
