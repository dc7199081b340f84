package kubeconfig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/kube/internal/open"
)

const redacted = "[redacted]"

var (
	// ErrClosed means that credentials are empty, or were asked for without the key.
	ErrClosed = errors.New("no credentials")
	// ErrExecRefused means that the credentials come from a program and the operator has not allowed that.
	ErrExecRefused = errors.New("credential plugins are not allowed")
)

// Credentials are what a cluster is reached with, in the normalised form that is sealed and stored. They are opaque:
// printed, logged or encoded in any way they are "[redacted]", and only packages under kube can open them.
type Credentials struct {
	// A function, because fmt cannot look into one: it calls no methods on what stands in the unexported field of
	// something that is printed, and follows a pointer there under the wrong verb.
	content func() *normal
}

// normal is the whole of what is kept of a kubeconfig.
type normal struct {
	Version    int     `json:"v"`
	Context    string  `json:"context"`
	User       string  `json:"user"`
	Namespace  string  `json:"namespace,omitempty"`
	Server     string  `json:"server"`
	ServerName string  `json:"serverName,omitempty"`
	CA         []byte  `json:"ca,omitempty"`
	Insecure   bool    `json:"insecure,omitempty"`
	Cert       []byte  `json:"cert,omitempty"`
	Key        []byte  `json:"key,omitempty"`
	Token      string  `json:"token,omitempty"`
	TokenFile  string  `json:"tokenFile,omitempty"`
	Exec       *plugin `json:"exec,omitempty"`
	InCluster  bool    `json:"inCluster,omitempty"`
}

// plugin is a program that prints credentials.
type plugin struct {
	APIVersion string            `json:"apiVersion"`
	Command    string            `json:"command"`
	Args       []string          `json:"args,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	Cluster    bool              `json:"cluster,omitempty"`
}

const normalVersion = 1

// Marshal is the form that is sealed and stored. It is secret.
func (c Credentials) Marshal() []byte {
	if c.content == nil {
		return nil
	}
	out, err := json.Marshal(c.content())
	if err != nil {
		return nil // cannot happen: the form holds only strings, bytes and a map of strings
	}
	return out
}

// Unmarshal reads what Marshal wrote.
func Unmarshal(data []byte) (Credentials, error) {
	var n normal
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&n); err != nil {
		return Credentials{}, errors.New("read stored credentials: not in the stored form") // the decoder quotes its input
	}
	if n.Version != normalVersion || n.Server == "" {
		return Credentials{}, fmt.Errorf("read stored credentials: version %d is not known", n.Version)
	}
	return closed(&n), nil
}

// IsZero says that there are no credentials.
func (c Credentials) IsZero() bool { return c.content == nil }

// Server is the address of the API server.
func (c Credentials) Server() string { return c.read().Server }

// Namespace is the namespace that the context prefers; it may be empty.
func (c Credentials) Namespace() string { return c.read().Namespace }

// User is the name that the user's entry had in the file.
func (c Credentials) User() string { return c.read().User }

// InCluster says that these are of the service account that the program runs with.
func (c Credentials) InCluster() bool { return c.read().InCluster }

// Exec says that the credentials come from a program, which the operator has to have allowed.
func (c Credentials) Exec() bool { return c.read().Exec != nil }

func (c Credentials) read() normal {
	if c.content == nil {
		return normal{}
	}
	return *c.content()
}

func closed(n *normal) Credentials { return Credentials{func() *normal { return n }} }

// Equal says that both reach the same server in the same way, so that a client need not be built anew.
func (c Credentials) Equal(o Credentials) bool { return bytes.Equal(c.Marshal(), o.Marshal()) }

// Fingerprint names the context that the credentials came from: the same context of the same file has the same
// fingerprint after its token or certificate was renewed, so importing it again finds the cluster that is there.
// It is not secret.
func (c Credentials) Fingerprint() string {
	if c.content == nil {
		return ""
	}
	n := c.content()
	server := n.Server
	if n.InCluster {
		server = "" // the address of the service is the cluster's affair and may change
	}
	h := sha256.New()
	for _, part := range []string{"tiga-context-1", n.Context, n.User, n.Namespace, server, n.ServerName} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// RESTConfig builds a fresh client configuration from the fields that are allowed and from nothing else. A credential
// plugin is left out unless exec is allowed here too, whatever the stored form says.
func (c Credentials) RESTConfig(key open.Key, allowExec bool) (*rest.Config, error) {
	if c.content == nil || !key.Valid() {
		return nil, ErrClosed
	}
	n := c.content()
	cfg := &rest.Config{
		Host:            n.Server,
		BearerToken:     n.Token,
		BearerTokenFile: n.TokenFile,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: n.ServerName, Insecure: n.Insecure,
			CAData: bytes.Clone(n.CA), CertData: bytes.Clone(n.Cert), KeyData: bytes.Clone(n.Key),
		},
		// Without a function, client-go would take a proxy from the environment.
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }, //nolint:nilnil // net/http's way to say "no proxy"
	}
	if n.Exec == nil {
		return cfg, nil
	}
	if !allowExec {
		return nil, ErrExecRefused
	}
	cfg.ExecProvider = &clientcmdapi.ExecConfig{
		APIVersion: n.Exec.APIVersion, Command: n.Exec.Command, Args: n.Exec.Args,
		ProvideClusterInfo: n.Exec.Cluster, StdinUnavailable: true, InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		PluginPolicy: clientcmdapi.PluginPolicy{PolicyType: clientcmdapi.PluginPolicyAllowAll},
	}
	for name, value := range n.Exec.Env {
		cfg.ExecProvider.Env = append(cfg.ExecProvider.Env, clientcmdapi.ExecEnvVar{Name: name, Value: value})
	}
	return cfg, nil
}

// Format prints "[redacted]" for every verb.
func (c Credentials) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

// MarshalJSON encodes "[redacted]".
func (c Credentials) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes "[redacted]".
func (c Credentials) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs "[redacted]".
func (c Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }
