package testbed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Request is one that the API server has taken.
type Request struct {
	User        string
	Verb        string // get, list, watch, create, update, patch, delete
	Group       string // of the resource; "" is the core group
	Resource    string // plural; "" if the path names none
	Subresource string
	Namespace   string
	Name        string
	URI         string
	UserAgent   string
}

// RequestFilter says which requests to count; an empty field is any.
type RequestFilter struct {
	User     string
	Verb     string
	Resource string
}

func (f RequestFilter) matches(r Request) bool {
	return (f.User == "" || f.User == r.User) &&
		(f.Verb == "" || f.Verb == r.Verb) &&
		(f.Resource == "" || f.Resource == r.Resource)
}

// RequestCount is how many requests that match the API server has taken,
// from its first start on: those with the credentials of Kubeconfig and
// KubeconfigFor and those of pods. What the cluster's own parts, Client and
// Kubectl ask is not counted, so that the number stands still while nobody
// else asks. A watch counts when it begins.
func (c *Cluster) RequestCount(f RequestFilter) (int, error) {
	requests, err := c.Requests(f)
	return len(requests), err
}

// Requests are the requests that RequestCount counts, oldest first.
func (c *Cluster) Requests(f RequestFilter) ([]Request, error) {
	// An old audit log has the time in its name, before the ending: it sorts
	// before the current one.
	files, err := filepath.Glob(c.path("audit", "audit*.log"))
	if err != nil {
		return nil, fmt.Errorf("find the audit log: %w", err)
	}
	var requests []Request
	for _, name := range files {
		requests, err = appendRequests(requests, name, f)
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
	}
	return requests, nil
}

func appendRequests(requests []Request, name string, f RequestFilter) ([]Request, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// The API server may be in the middle of a line.
			return requests, nil
		}
		if err != nil {
			return nil, err
		}
		var event struct {
			Verb       string
			RequestURI string
			UserAgent  string
			User       struct{ Username string }
			ObjectRef  struct{ APIGroup, Resource, Subresource, Namespace, Name string }
		}
		if err := json.Unmarshal(bytes.TrimSpace(line), &event); err != nil {
			return nil, err
		}
		r := Request{
			User: event.User.Username, Verb: event.Verb,
			Group: event.ObjectRef.APIGroup, Resource: event.ObjectRef.Resource, Subresource: event.ObjectRef.Subresource,
			Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
			URI: event.RequestURI, UserAgent: event.UserAgent,
		}
		if f.matches(r) {
			requests = append(requests, r)
		}
	}
}
