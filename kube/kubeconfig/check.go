package kubeconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"

	"tiga/kube/kinds"
)

// contexts checks every context of the file.
func (f *file) contexts(p Policy) ([]Context, error) {
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	if len(f.ordered) == 0 {
		return nil, &Error{Message: message("no_contexts")}
	}
	out := make([]Context, 0, len(f.ordered))
	current := false
	for _, e := range f.ordered {
		c := f.context(e, p)
		current = current || c.Current
		out = append(out, c)
	}
	if f.current != "" && !current {
		out[0].Warnings = append(out[0].Warnings, message("current_missing", "Name", f.current))
	}
	if f.current == "" && len(out) > 1 {
		out[0].Warnings = append(out[0].Warnings, message("no_current"))
	}
	return out, nil
}

// checker collects what is wrong with one context.
type checker struct {
	walker
	policy   Policy
	problems []kinds.Message
	warnings []kinds.Message
	expires  time.Time
}

func (c *checker) problem(id string, args ...any) {
	c.problems = append(c.problems, message(id, args...))
}

func (c *checker) warn(id string, args ...any) {
	c.warnings = append(c.warnings, message(id, args...))
}

// context checks one context against the parts that it names.
func (f *file) context(e entry, p Policy) Context {
	c := &checker{walker: walker{from: e.from}, policy: p}
	c.known(e.fields, "contexts.context", "cluster", "user", "namespace")
	out := Context{
		Name: e.name, Source: e.from.path, Current: e.name == f.current,
		User: c.text(e.fields, "user"), Namespace: c.text(e.fields, "namespace"),
	}
	n := &normal{Version: normalVersion, Context: e.name, User: out.User, Namespace: out.Namespace}
	if strings.ContainsFunc(e.name, unicode.IsControl) {
		c.problem("name_invalid")
	}
	if out.Namespace != "" && len(validation.IsDNS1123Label(out.Namespace)) > 0 {
		c.problem("namespace_invalid", "Namespace", out.Namespace)
	}
	name := c.text(e.fields, "cluster")
	switch cluster, ok := f.clusters[name]; {
	case name == "":
		c.problem("no_cluster_named")
	case !ok:
		c.problem("missing_cluster", "Name", name)
	default:
		c.from = cluster.from
		c.cluster(cluster.fields, n)
	}
	switch user, ok := f.users[out.User]; {
	case out.User == "":
		c.problem("no_user_named")
	case !ok:
		c.problem("missing_user", "Name", out.User)
	default:
		c.from = user.from
		out.Auth = c.user(user.fields, n)
	}
	if broken, ok := errors.AsType[*Error](c.err); ok {
		c.problems = append(c.problems, broken.Message)
	}
	out.Server, out.Insecure, out.Expires = n.Server, n.Insecure, c.expires
	out.Problems, out.Warnings = c.problems, c.warnings
	if len(out.Problems) == 0 {
		out.Credentials = closed(n)
	}
	return out
}

// cluster reads where the API server is and how it is recognised.
func (c *checker) cluster(o object, n *normal) {
	c.known(o, "clusters.cluster", "server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority",
		"certificate-authority-data", "proxy-url", "disable-compression")
	n.Server = c.server(c.text(o, "server"))
	if c.text(o, "proxy-url") != "" {
		c.problem("proxy_refused")
	}
	n.ServerName = c.text(o, "tls-server-name")
	if n.ServerName != "" && len(validation.IsDNS1123Subdomain(strings.ToLower(n.ServerName))) > 0 {
		c.problem("server_name_invalid", "Name", n.ServerName)
	}
	n.CA = c.pemOrFile(o, "certificate-authority-data", "certificate-authority")
	if len(n.CA) > 0 {
		c.authority(n.CA)
	}
	if n.Insecure = c.flag(o, "insecure-skip-tls-verify"); !n.Insecure {
		return
	}
	switch {
	case !c.policy.AllowInsecure:
		c.problem("insecure_refused")
	case len(n.CA) > 0:
		c.problem("insecure_with_ca")
	default:
		c.warn("insecure")
	}
}

// server checks the address and returns it in one spelling, so that equal clusters compare equal.
func (c *checker) server(raw string) string {
	if raw == "" {
		c.problem("no_server")
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(raw, unicode.IsControl) {
		c.problem("server_invalid", "Server", shown(raw))
		return ""
	}
	switch {
	case u.User != nil:
		c.problem("server_has_credentials")
		return ""
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		c.problem("server_invalid", "Server", shown(raw))
		return ""
	case u.Port() == "0":
		c.problem("server_invalid", "Server", shown(raw))
		return ""
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	switch {
	case u.Scheme == "http" && c.policy.AllowInsecure:
		c.warn("no_tls")
	case u.Scheme != "https":
		c.problem("server_not_https", "Server", shown(raw))
	}
	return u.String()
}

// shown is what a message may quote of a field: not more than a line.
func shown(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

// user reads the credentials and says in words what they are.
func (c *checker) user(o object, n *normal) kinds.Message {
	c.known(o, "users.user", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile",
		"as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec")
	for _, field := range []string{"as", "as-uid", "as-groups", "as-user-extra"} {
		if v, ok := o[field]; ok && !isNull(v) {
			c.problem("act_as_refused", "Field", field)
		}
	}
	if v, ok := o["auth-provider"]; ok && !isNull(v) {
		c.problem("auth_provider_refused", "Name", c.text(c.object(v, "auth-provider"), "name"))
	}
	if c.text(o, "username") != "" || c.text(o, "password") != "" {
		c.problem("basic_refused")
	}
	n.Cert = c.pemOrFile(o, "client-certificate-data", "client-certificate")
	n.Key = c.pemOrFile(o, "client-key-data", "client-key")
	n.Token = c.token(strings.TrimSpace(c.text(o, "token")))
	n.TokenFile = c.tokenFile(c.text(o, "tokenFile"))
	if v, ok := o["exec"]; ok && !isNull(v) {
		n.Exec = c.exec(c.object(v, "users.user.exec"))
	}
	switch {
	case len(n.Cert) > 0 && len(n.Key) > 0:
		c.certificate(n.Cert, n.Key)
		return message("auth.certificate", "Name", commonName(n.Cert))
	case len(n.Cert) > 0:
		c.problem("certificate_without_key")
	case len(n.Key) > 0:
		c.problem("key_without_certificate")
	case n.Token != "":
		return message("auth.token")
	case n.TokenFile != "":
		return message("auth.token_file")
	case n.Exec != nil:
		return message("auth.exec", "Command", filepath.Base(n.Exec.Command))
	case len(c.problems) == 0 && c.err == nil:
		c.problem("no_credentials")
	}
	return message("auth.none")
}

// data is a field that holds base64.
func (c *checker) data(o object, field string) []byte {
	v := c.text(o, field)
	if v == "" {
		return nil
	}
	out, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, v))
	if err != nil {
		c.problem("not_base64", "Field", field)
	}
	return out
}

// pemOrFile is a field that holds PEM or names a file of it. What stands in the file itself wins, as for kubectl.
func (c *checker) pemOrFile(o object, inline, path string) []byte {
	data, name := c.data(o, inline), c.text(o, path)
	if name == "" {
		return data
	}
	if !c.policy.AllowFiles {
		c.problem("file_refused", "Field", path, "Instead", inline)
		return nil
	}
	if len(data) > 0 {
		return data
	}
	data, err := readFile(c.absolute(name))
	if err != nil {
		c.problem("file_unreadable", "Field", path, "Path", name, "Detail", reason(err))
	}
	return data
}

// absolute resolves a path against the directory of the file that it stands in.
func (c *checker) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(c.from.path), name)
}

// reason is the part of an error that does not repeat the path.
func reason(err error) string {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// token refuses what no HTTP header may hold, and reads the end of a JSON Web Token, which needs no key.
func (c *checker) token(t string) string {
	if t == "" {
		return ""
	}
	if strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.problem("token_invalid")
		return ""
	}
	parts := strings.Split(t, ".")
	if len(parts) != 3 {
		return t
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1<<40 {
		return t
	}
	if c.expires = time.Unix(int64(claims.Exp), 0).UTC(); c.expires.Before(c.policy.Now) {
		c.problem("token_expired", "Date", date(c.expires))
	}
	return t
}

// tokenFile keeps the path, since tokens in files are renewed.
func (c *checker) tokenFile(name string) string {
	if name == "" {
		return ""
	}
	if !c.policy.AllowFiles {
		c.problem("file_refused", "Field", "tokenFile", "Instead", "token")
		return ""
	}
	path := c.absolute(name)
	data, err := readFile(path)
	switch {
	case err != nil:
		c.problem("file_unreadable", "Field", "tokenFile", "Path", name, "Detail", reason(err))
	case c.token(strings.TrimSpace(string(data))) == "" && len(c.problems) == 0:
		c.problem("token_empty", "Path", name)
	}
	return path
}

var execVersion = regexp.MustCompile(`^client\.authentication\.k8s\.io/(v1|v1beta1)$`)

// exec reads a credential plugin where the operator allows them.
func (c *checker) exec(o object) *plugin {
	p := &plugin{
		APIVersion: c.text(o, "apiVersion"), Command: c.text(o, "command"), Args: c.list(o, "args"),
		Cluster: c.flag(o, "provideClusterInfo"),
	}
	switch {
	case !c.policy.AllowFiles:
		c.problem("exec_refused", "Command", shown(p.Command))
		return nil
	case !c.policy.AllowExec:
		c.problem("exec_needs_flag", "Command", shown(p.Command))
		return nil
	case p.Command == "":
		c.problem("exec_without_command")
		return nil
	case !execVersion.MatchString(p.APIVersion):
		c.problem("exec_version", "Command", shown(p.Command), "Version", p.APIVersion)
		return nil
	case c.text(o, "interactiveMode") == "Always":
		c.problem("exec_interactive", "Command", shown(p.Command))
		return nil
	}
	// A path with a separator is relative to the file, a bare name is looked up in PATH, as for kubectl.
	if strings.ContainsRune(p.Command, filepath.Separator) {
		p.Command = c.absolute(p.Command)
	}
	if env := o["env"]; env != nil && !isNull(env) {
		p.Env = map[string]string{}
		for _, e := range env.Content {
			v := c.object(e, "users.user.exec.env")
			p.Env[c.text(v, "name")] = c.text(v, "value")
		}
	}
	return p
}
