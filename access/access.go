// Package access decides who may do what. It holds subjects, roles and bindings in memory, answers
// a Request with a Permit or an Error, and keeps the rules for passwords, tokens and audit classes.
// It imports nothing of ours, and only it can make a Permit: a method that wants one cannot be
// called by code that forgot to ask.
package access

// TigaGroup is the API group of Tiga's own things: clusters, users, roles, tokens, audit. No glob
// and no empty list of groups grants it; a rule has to name it.
const TigaGroup = "tiga.dev"

// Subject is whoever a request acts for. The zero Subject is nobody, and nobody has no rights.
type Subject struct {
	UserID     int64
	Name       string
	Groups     []string
	AuthMethod string
	TokenID    int64
	TokenRole  string // TokenRole is the scope of an API token: rights are cut to this role; "" cuts nothing.
}

// Request is one thing that a subject wants to do.
//
// With a verb that reads several objects (list, watch, logs, events, metrics) an empty Name means
// "whichever I may see", and an empty Namespace of a namespaced kind "in whichever namespace". With
// any other verb an empty Name or Namespace means "with every one", so a rule that is limited to
// some names does not grant it.
type Request struct {
	Cluster     string // Cluster is the name of a cluster; "" is Tiga itself.
	Namespace   string // Namespace is "" for cluster-scoped kinds and for all namespaces.
	Group       string
	Resource    string
	Subresource string
	Name        string
	Namespaced  bool // Namespaced says that the kind lives in namespaces.
	Verb        Verb
}

// collection reports whether the request is for those of several objects that the subject may see.
func (r Request) collection() bool {
	if r.Verb.Effect() != EffectRead || r.Verb == VerbGet {
		return false
	}
	return r.Name == ""
}

// wellFormed reports whether the request can be decided at all. What cannot is refused.
func (r Request) wellFormed() bool {
	if r.Resource == "" || r.Verb.bit() == 0 {
		return false
	}
	if !r.Namespaced && r.Namespace != "" {
		return false
	}
	if r.Group == TigaGroup && r.Namespaced {
		return false
	}
	verbs, special := subresourceVerbs[r.Subresource]
	return !special || verbs&r.Verb.bit() != 0
}

// subresourceVerbs ties the subresources that are dangerous, or have a verb of their own, to the
// verbs that may reach them: otherwise `create` on pods/exec would be a way around `exec`.
var subresourceVerbs = map[string]verbSet{
	"attach":              bits(VerbAttach),
	"ephemeralcontainers": bits(VerbExec),
	"eviction":            bits(VerbEvict),
	"exec":                bits(VerbExec),
	"log":                 bits(VerbLogs),
	"portforward":         bits(VerbPortForward),
	"proxy":               bits(VerbProxy),
	"scale":               bits(VerbGet, VerbScale),
	"token":               bits(VerbReveal),
}
