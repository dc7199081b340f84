package kubeconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotInCluster means that the program does not run in a pod that has a service account.
var ErrNotInCluster = errors.New("not in a cluster")

// ServiceAccountDir is where Kubernetes puts a pod's credentials.
const ServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// Paths are the files that kubectl would read: those of KUBECONFIG, or .kube/config in the home directory.
func Paths(getenv func(string) string, home string) []string {
	if list := getenv("KUBECONFIG"); list != "" {
		var out []string
		for _, p := range filepath.SplitList(list) {
			if p != "" {
				out = append(out, p)
			}
		}
		return out
	}
	if home == "" {
		return nil
	}
	return []string{filepath.Join(home, ".kube", "config")}
}

// Load reads files that the operator named and merges them as kubectl does: the first file to set something wins.
// Certificates and keys that stand in files of their own are read now and kept; a token file is kept by its path,
// because tokens are renewed. A file that does not exist is passed over; if none exists, the error is fs.ErrNotExist.
// A credential plugin is accepted with p.AllowExec.
func Load(paths []string, p Policy) ([]Context, error) {
	p.AllowFiles = true
	merged := &file{clusters: map[string]entry{}, users: map[string]entry{}}
	found := false
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("find kubeconfig %s: %w", path, err)
		}
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &Error{Message: message("unreadable", "Path", path, "Detail", reason(err)), Source: path}
		}
		found = true
		f, err := decode(data, source{path: path})
		if err != nil {
			return nil, err
		}
		merged.add(f)
	}
	if !found {
		return nil, fmt.Errorf("read kubeconfig %s: %w", strings.Join(paths, ", "), fs.ErrNotExist)
	}
	return merged.contexts(p)
}

// add takes from another file what is not there yet.
func (f *file) add(o *file) {
	if f.current == "" {
		f.current = o.current
	}
	for name, e := range o.clusters {
		if _, there := f.clusters[name]; !there {
			f.clusters[name] = e
		}
	}
	for name, e := range o.users {
		if _, there := f.users[name]; !there {
			f.users[name] = e
		}
	}
	have := map[string]bool{}
	for _, e := range f.ordered {
		have[e.name] = true
	}
	for _, e := range o.ordered {
		if !have[e.name] {
			f.ordered = append(f.ordered, e)
		}
	}
}

// readFile reads a regular file of a reasonable size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // only paths that the operator named, or that stand in a file that they named
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(data) > MaxSize {
		err = fmt.Errorf("larger than %d KiB", MaxSize>>10)
	}
	return data, err
}

// InCluster is the context of the pod's own service account, whose files are in dir. The token is read from its file
// whenever it was renewed.
func InCluster(getenv func(string) string, dir string) (Context, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return Context{}, ErrNotInCluster
	}
	tokenFile := filepath.Join(dir, "token")
	if _, err := os.Stat(tokenFile); err != nil {
		return Context{}, fmt.Errorf("%w: %w", ErrNotInCluster, err)
	}
	c := &checker{policy: Policy{AllowFiles: true, Now: time.Now()}}
	n := &normal{
		Version: normalVersion, Context: "in-cluster", User: "service account", InCluster: true,
		Server: c.server("https://" + net.JoinHostPort(host, port)), TokenFile: c.tokenFile(tokenFile),
	}
	ca, err := readFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		c.problem("file_unreadable", "Field", "ca.crt", "Path", filepath.Join(dir, "ca.crt"), "Detail", reason(err))
	} else if c.authority(ca); len(ca) > 0 {
		n.CA = ca
	}
	if ns, err := readFile(filepath.Join(dir, "namespace")); err == nil {
		n.Namespace = strings.TrimSpace(string(ns))
	}
	out := Context{
		Name: n.Context, Server: n.Server, User: n.User, Namespace: n.Namespace, Auth: message("auth.in_cluster"),
		Current: true, Source: dir, Problems: c.problems, Warnings: c.warnings,
	}
	if len(out.Problems) == 0 {
		out.Credentials = closed(n)
	}
	return out, nil
}
