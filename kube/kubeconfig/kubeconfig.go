// Package kubeconfig turns kubeconfig files into credentials that are safe to keep: it reads the few fields that are
// needed to reach a cluster, refuses whatever would run a program, open a file or send the credentials elsewhere, and
// says in words what is wrong. Nothing here opens a connection.
//
// There are three ways in. Parse is for what somebody uploads or pastes and trusts nothing. Load is for files that the
// operator named when the program was started. InCluster is for the service account of the pod that the program runs in.
package kubeconfig

import (
	"time"

	"tiga/kube/kinds"
)

// MaxSize is the largest file that is read.
const MaxSize = 256 << 10

// Policy says which of the dangerous fields are accepted. The zero Policy accepts none, which is right for uploads.
type Policy struct {
	// AllowFiles reads certificates and keys from the paths in the file. Only Load sets it: an upload that could name
	// paths could read this machine's files.
	AllowFiles bool
	// AllowExec accepts credential plugins, which are programs. It has no effect without AllowFiles.
	AllowExec bool
	// AllowInsecure accepts servers whose certificate is not checked, and servers without TLS.
	AllowInsecure bool
	// Now is the time against which certificates are checked; the current time when zero.
	Now time.Time
}

// Context is one context of a file: everything that a form shows before anything is saved.
type Context struct {
	// Name is the context's name in the file.
	Name string
	// Server is the address of the API server.
	Server string
	// User is the name of the user's entry in the file.
	User string
	// Namespace is the namespace that the context prefers; it may be empty.
	Namespace string
	// Auth says in words how the credentials prove who they are.
	Auth kinds.Message
	// Expires is when the client certificate or the token ends; zero if that cannot be seen.
	Expires time.Time
	// Current says that the file selects this context.
	Current bool
	// Insecure says that the server's certificate would not be checked.
	Insecure bool
	// Source is the file that the context was read from; empty for an upload.
	Source string
	// Credentials are what a cluster is reached with. They are empty while there are Problems.
	Credentials Credentials
	// Problems are the reasons why the context cannot be used, each in words.
	Problems []kinds.Message
	// Warnings are worth reading before saving, and keep nothing from working.
	Warnings []kinds.Message
}

// Error is what is wrong with a file as a whole.
type Error struct {
	// Message says it in words.
	Message kinds.Message
	// Source is the file; empty for an upload.
	Source string
}

// Error names the message for logs. It holds nothing of the file's content but the names of fields.
func (e *Error) Error() string {
	if e.Source != "" {
		return "kubeconfig " + e.Source + ": " + e.Message.ID
	}
	return "kubeconfig: " + e.Message.ID
}

// Parse reads an upload. Every context of the file becomes one entry, those with problems included. The error is an
// *Error and says why the file as a whole cannot be read.
func Parse(data []byte, p Policy) ([]Context, error) {
	f, err := decode(data, source{strict: !p.AllowFiles})
	if err != nil {
		return nil, err
	}
	return f.contexts(p)
}

func message(id string, args ...any) kinds.Message {
	m := kinds.Message{ID: "kubeconfig." + id}
	for i := 0; i+1 < len(args); i += 2 {
		if m.Args == nil {
			m.Args = map[string]any{}
		}
		m.Args[args[i].(string)] = args[i+1] //nolint:forcetypeassert // the callers are in this package and pass literals
	}
	return m
}
