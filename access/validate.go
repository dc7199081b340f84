package access

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of roles and bindings. They keep a decision fast whatever an administrator writes.
const (
	maxRules    = 100
	maxPatterns = 100
	maxPattern  = 253
	maxText     = 256
)

var roleName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// FieldError is one thing that is wrong with one field of a form.
type FieldError struct {
	Field string         // Field is the path of the field: "name", "rules[2].verbs[0]".
	ID    string         // ID is the message for people.
	Args  map[string]any // Args fill the gaps of the message.
	text  string
}

// Error says it in English, for logs.
func (e *FieldError) Error() string { return e.Field + ": " + e.text }

// FieldErrors returns the field errors in err, in the order in which they were found.
func FieldErrors(err error) []*FieldError {
	var list []*FieldError
	var joined interface{ Unwrap() []error }
	var one *FieldError
	switch {
	case errors.As(err, &joined):
		for _, e := range joined.Unwrap() {
			list = append(list, FieldErrors(e)...)
		}
	case errors.As(err, &one):
		list = append(list, one)
	}
	return list
}

type problems struct{ list []error }

func (p *problems) add(field, id, text string, args map[string]any) {
	p.list = append(p.list, &FieldError{Field: field, ID: id, Args: args, text: text})
}

func (p *problems) err() error { return errors.Join(p.list...) }

// ValidateRole says everything that is wrong with a role. Of a role that claims to be built in only
// the name and ReadOnly are looked at, since nothing else of it is used.
func ValidateRole(r Role) error {
	var p problems
	builtIn := slices.ContainsFunc(BuiltInRoles(), func(b Role) bool { return b.Name == r.Name })
	switch {
	case r.BuiltIn:
		if !builtIn {
			p.add("name", "access.invalid_not_builtin", "there is no built-in role of this name", map[string]any{"Role": r.Name})
		}
		if r.Name == RoleAdmin && r.ReadOnly {
			p.add("readOnly", "access.invalid_admin_readonly", "the role admin cannot be read-only, nobody could undo it", nil)
		}
		return p.err()
	case builtIn:
		p.add("name", "access.invalid_builtin_name", "is the name of a built-in role", map[string]any{"Role": r.Name})
	case !roleName.MatchString(r.Name):
		p.add("name", "access.invalid_role_name", "1 to 63 lower-case letters, digits, dots, dashes or underscores", nil)
	}
	if len(r.Description) > maxText {
		p.add("description", "access.invalid_long", "is too long", map[string]any{"Max": maxText})
	}
	if len(r.Rules) > maxRules {
		p.add("rules", "access.invalid_many", "are too many", map[string]any{"Max": maxRules})
		return p.err()
	}
	for i, rule := range r.Rules {
		p.rule("rules["+strconv.Itoa(i)+"].", rule)
	}
	return p.err()
}

func (p *problems) rule(path string, r Rule) {
	if len(r.Resources) == 0 {
		p.add(path+"resources", "access.invalid_empty", "name at least one, or *", nil)
	}
	if len(r.Verbs) == 0 {
		p.add(path+"verbs", "access.invalid_empty", "name at least one, or *", nil)
	}
	for i, v := range r.Verbs {
		if v != VerbAny && v.bit() == 0 {
			p.add(fmt.Sprintf("%sverbs[%d]", path, i), "access.invalid_verb", fmt.Sprintf("there is no verb %q", v), map[string]any{"Verb": string(v)})
		}
	}
	p.patterns(path+"clusters", r.Clusters, "")
	p.patterns(path+"namespaces", r.Namespaces, "/")
	p.patterns(path+"names", r.Names, "/")
	p.patterns(path+"resources", r.Resources, "")
	for i, g := range r.Groups {
		if g != "" { // the core group
			p.pattern(fmt.Sprintf("%sgroups[%d]", path, i), g, "/")
		}
	}
	if len(r.Groups) > maxPatterns {
		p.add(path+"groups", "access.invalid_many", "are too many", map[string]any{"Max": maxPatterns})
	}
	for i, res := range r.Resources {
		if strings.Count(res, "/") > 1 || strings.HasPrefix(res, "/") || strings.HasSuffix(res, "/") || strings.ToLower(res) != res {
			p.add(fmt.Sprintf("%sresources[%d]", path, i), "access.invalid_resource", `is not like "pods" or "pods/log"`, map[string]any{"Text": res})
		}
	}
	if len(r.Namespaces) > 0 && slices.Contains(r.Groups, TigaGroup) {
		p.add(path+"namespaces", "access.invalid_tiga_namespaces", "what is Tiga's own lives in no namespace", nil)
	}
}

func (p *problems) patterns(field string, list []string, forbidden string) {
	if len(list) > maxPatterns {
		p.add(field, "access.invalid_many", "are too many", map[string]any{"Max": maxPatterns})
	}
	for i, s := range list {
		p.pattern(fmt.Sprintf("%s[%d]", field, i), s, forbidden)
	}
}

// pattern refuses what can only be a mistake: such a pattern would match nothing, and one that is
// meant to deny would then allow.
func (p *problems) pattern(field, s, forbidden string) {
	switch {
	case s == "":
		p.add(field, "access.invalid_pattern_empty", "is empty", nil)
	case len(s) > maxPattern:
		p.add(field, "access.invalid_long", "is too long", map[string]any{"Max": maxPattern})
	case strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' }):
		p.add(field, "access.invalid_pattern", "has a space, comma or control character where none can be", map[string]any{"Text": s})
	case forbidden != "" && strings.ContainsAny(s, forbidden):
		p.add(field, "access.invalid_pattern", "has a character that cannot be in such a name", map[string]any{"Text": s})
	}
}

// ValidateBinding says everything that is wrong with a binding. Whether its role exists is asked by
// NewPolicy.
func ValidateBinding(b Binding) error {
	var p problems
	if b.SubjectKind != SubjectUser && b.SubjectKind != SubjectGroup {
		p.add("subjectKind", "access.invalid_subject_kind", `is neither "user" nor "group"`, nil)
	}
	switch {
	case b.Subject == "":
		p.add("subject", "access.invalid_subject", "names nobody", nil)
	case len(b.Subject) > maxText:
		p.add("subject", "access.invalid_long", "is too long", map[string]any{"Max": maxText})
	case strings.TrimSpace(b.Subject) != b.Subject || strings.ContainsFunc(b.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.add("subject", "access.invalid_pattern", "has a space or control character where none can be", map[string]any{"Text": b.Subject})
	}
	if b.Role == "" {
		p.add("role", "access.invalid_role", "names no role", nil)
	}
	p.patterns("clusters", b.Clusters, "")
	p.patterns("namespaces", b.Namespaces, "/")
	return p.err()
}
