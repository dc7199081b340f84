package access

import "time"

// Rule grants, or with Deny refuses, some verbs on some objects. Patterns know `*` (any run of
// characters) and `?` (any one). An empty list does not limit, except Resources and Verbs, which
// have to be given.
//
// Clusters: a rule that names clusters never matches Tiga's own things. Namespaces: a rule that
// names namespaces never matches cluster-scoped objects, not even with `*`. Groups: "" is the core
// group; TigaGroup is granted only where it is spelt out. Resources: "pods" covers its
// subresources, "pods/log" only that one.
type Rule struct {
	Deny       bool     `json:"deny,omitempty"`
	Clusters   []string `json:"clusters,omitempty"`
	Namespaces []string `json:"namespaces,omitempty"`
	Groups     []string `json:"groups,omitempty"`
	Resources  []string `json:"resources,omitempty"`
	Names      []string `json:"names,omitempty"`
	Verbs      []Verb   `json:"verbs,omitempty"`
}

// Role is a named list of rules. ReadOnly takes from it whatever is more than reading; what the
// holder is granted by other roles stays.
type Role struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Rules       []Rule `json:"rules"`
	ReadOnly    bool   `json:"readOnly,omitempty"`
	BuiltIn     bool   `json:"builtIn,omitempty"`
}

// The kinds of subject that a binding can have.
const (
	SubjectUser  = "user"
	SubjectGroup = "group"
)

// Binding gives a role to a user (by name) or to a group, in some clusters and namespaces, until
// some time. Empty lists do not limit; a zero Expires is never. The limits mean what they mean in a
// Rule: a binding limited to clusters gives nothing in Tiga itself, one limited to namespaces
// nothing that is cluster-scoped.
type Binding struct {
	ID          int64     `json:"id"`
	SubjectKind string    `json:"subjectKind"`
	Subject     string    `json:"subject"`
	Role        string    `json:"role"`
	Clusters    []string  `json:"clusters,omitempty"`
	Namespaces  []string  `json:"namespaces,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
}

// The names of the built-in roles.
const (
	RoleAdmin    = "admin"
	RoleOperator = "operator"
	RoleViewer   = "viewer"
)

// BuiltInRoles returns the roles that every policy has, whatever the store says. They carry no
// limits of their own: bindings do.
func BuiltInRoles() []Role {
	reading := []Verb{VerbGet, VerbList, VerbWatch, VerbLogs, VerbEvents, VerbMetrics}
	everything := []string{"*"}
	return []Role{
		{
			Name: RoleAdmin, Description: "Everything, in every cluster and in Tiga itself.", BuiltIn: true,
			Rules: []Rule{
				{Resources: everything, Verbs: Verbs()},
				{Groups: []string{TigaGroup}, Resources: everything, Verbs: Verbs()},
			},
		},
		{
			Name: RoleOperator, Description: "Read everything, change workloads, open shells in pods.", BuiltIn: true,
			Rules: []Rule{
				{Resources: everything, Verbs: append([]Verb{
					VerbCreate, VerbUpdate, VerbPatch, VerbDelete, VerbScale, VerbRestart, VerbEvict, VerbExec,
				}, reading...)},
			},
		},
		{
			Name: RoleViewer, Description: "Read everything except the values of Secrets.", BuiltIn: true,
			Rules: []Rule{{Resources: everything, Verbs: reading}},
		},
	}
}
