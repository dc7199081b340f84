package kinds

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Detail is what the detail page says about one object: plain data, no words.
type Detail struct {
	Row        Row // identity, labels, owners, status and the cells of the list
	Facts      []Fact
	Conditions []Condition
	Containers []Container
	Tables     []Table
	Entries    []Entry // the keys of a ConfigMap or a Secret
	Problem    Message // set when the object breaks the rules of its kind; the rest is then incomplete
}

// Fact is one line of the facts box; its title has the message id "fact.<ID>".
type Fact struct {
	ID     string
	Values []Value
}

// Value is one value of a fact. Ref is set when it names another object.
type Value struct {
	Cell Cell
	Ref  *Ref
}

// Table is a part of an object that is a list of things: the rules of an
// Ingress, the ports of a Service. Its title has the message id "table.<ID>",
// those of its columns "column.<id>".
type Table struct {
	ID      string
	Columns []Column
	Rows    [][]Value // one Value for each of Columns
}

// Entry is one key of a ConfigMap or a Secret.
type Entry struct {
	Key    string
	Size   int    // bytes
	Text   string // the value; empty when Hidden or Binary
	Binary bool   // not text
	Hidden bool   // a secret: only its size may be shown
}

// Condition is one entry of status.conditions. Its words are the cluster's.
type Condition struct {
	Type, Status, Reason, Message string
	Since                         int64 // unix seconds, 0 when not recorded
	Tone                          Tone  // well or not, with the polarity of the condition taken into account
}

// ContainerRole says what a container is for; its title has the message id
// "container.<role>".
type ContainerRole string

// The roles of a container.
const (
	RoleMain      ContainerRole = "main"
	RoleInit      ContainerRole = "init"
	RoleSidecar   ContainerRole = "sidecar"
	RoleEphemeral ContainerRole = "ephemeral"
)

// Container is a container of a pod or of a workload's pod template; in a
// template State, Ready and Restarts are zero.
type Container struct {
	Name, Image string
	Role        ContainerRole
	State       Status
	Last        Status // how it ended the last time, zero when it never did
	Ready       bool
	Restarts    int
	Ports       []Port
	Resources   []Resource
	Probes      []Probe
	Env         []EnvVar
	Mounts      []Mount
	Command     []string // command and arguments, as far as the object sets them
	RunsAs      string   // what its security context says, in words of the API: "runAsNonRoot, uid 1000, privileged"
}

// EnvVar is one environment variable of a container, or all keys of an object
// at once: then Name is the prefix, mostly empty, and All is true. Values that
// come from a Secret are never here.
type EnvVar struct {
	Name, Value string
	From        *Ref   // the ConfigMap or Secret it comes from
	Key         string // the key in From, or the field path of the downward API
	All         bool
	Optional    bool
}

// Mount is a volume of a container.
type Mount struct {
	Path, Volume, SubPath string
	ReadOnly              bool
	What                  string // kind of the volume in words of the API: "configMap", "persistentVolumeClaim", "emptyDir"
	From                  *Ref   // the object behind it, if there is one
}

// Port is a port that a container declares.
type Port struct {
	Name     string
	Number   int32
	Protocol string
}

// Resource is what a container asks for and may use at most, of one resource.
type Resource struct {
	Name           string // "cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"
	Request, Limit Cell
}

// Probe is a liveness, readiness or startup probe, written out:
// Kind "readiness", What "http-get :8080/healthz", the rest in seconds.
type Probe struct {
	Kind, What               string
	Delay, Period, Timeout   int32
	SuccessAfter, FailsAfter int32
}

// add appends a fact unless it has nothing to say.
func (d *Detail) add(id string, values ...Value) {
	values = slices.DeleteFunc(values, func(v Value) bool { return v.Cell.Empty() })
	if len(values) > 0 {
		d.Facts = append(d.Facts, Fact{ID: id, Values: values})
	}
}

// addTemplate adds the facts that pods and pod templates share: the objects
// that they refer to.
func (d *Detail) addTemplate(namespace string, spec *corev1.PodSpec) {
	byKind := make(map[string][]Value)
	for _, r := range templateRefs(namespace, spec) {
		ref := r
		same := func(v Value) bool { return v.Ref.Name == ref.Name }
		if !slices.ContainsFunc(byKind[r.Kind], same) { // once, however many ways it is used
			byKind[r.Kind] = append(byKind[r.Kind], Value{Cell: Name(r.Name), Ref: &ref})
		}
	}
	for _, kind := range []string{"serviceaccounts", "persistentvolumeclaims", "configmaps", "secrets"} {
		d.add(kind, byKind[kind]...)
	}
}

// refValue is a value that names another object.
func refValue(c Cell, kind, namespace, name string) Value {
	return Value{Cell: c, Ref: &Ref{Kind: kind, Namespace: namespace, Name: name}}
}

// names are values in monospace.
func names(list []string) []Value {
	out := make([]Value, len(list))
	for i, s := range list {
		out[i] = Value{Cell: Name(s)}
	}
	return out
}

// asks are CPU and memory as values.
func asks(cpu, memory *resource.Quantity) []Value {
	return []Value{{Cell: CPU(cpu)}, {Cell: Bytes(memory)}}
}

// conditionTone is the tone of a condition that is as it should be, or not, or
// not known.
func conditionTone(good, unknown bool) Tone {
	switch {
	case good:
		return ToneOK
	case unknown:
		return ToneBad
	default:
		return ToneWarn
	}
}
