package kube

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
)

// testTimeout bounds a test of a connection as a whole.
const testTimeout = 20 * time.Second

// Report is what a test of a connection found.
type Report struct {
	// Server is the address that answered, and Version what it calls itself.
	Server, Version string
	// Nodes and NodesReady count the nodes, if NodesKnown.
	Nodes, NodesReady int
	NodesKnown        bool
	// User is who the cluster takes us for; empty where it cannot say (before Kubernetes 1.28).
	User   string
	Groups []string
	// Missing are the rights that Tiga would use and the credentials lack.
	Missing []Right
	// Namespaces are those that the credentials are limited to; empty when they see all.
	Namespaces []string
	// Warnings are worth reading before saving.
	Warnings []kinds.Message
	// Took is how long the first answer took.
	Took time.Duration
}

// Right is a right in a cluster.
type Right struct{ Verb, Group, Resource, Namespace string }

// String is the right as kubectl auth can-i takes it.
func (r Right) String() string {
	s := r.Verb + " " + r.Resource
	if r.Group != "" {
		s += "." + r.Group
	}
	if r.Namespace != "" {
		s += " in " + r.Namespace
	}
	return s
}

// Test connects with credentials that are not saved, and says what they are good for, or exactly what is wrong. It
// changes nothing in the cluster.
func (f *Fleet) Test(ctx context.Context, creds kubeconfig.Credentials) (Report, error) {
	ctx, cancel := context.WithTimeout(withFlags(ctx, flags{check: true}), testTimeout)
	defer cancel()
	var never atomic.Bool // the reviews below are POST requests, which change nothing
	conn, err := newConn(&f.cfg, 0, creds, &never, func() {})
	c := &Cluster{cfg: &f.cfg, conn: conn}
	t := target{op: "test connection"}
	if err != nil {
		return Report{}, c.wrap(err, t)
	}
	defer conn.close()

	r := Report{Server: creds.Server()}
	began := f.cfg.Now()
	r.Version, err = conn.version(ctx)
	if err != nil && classify(err).Kind != KindForbidden {
		return Report{}, c.wrap(err, t)
	}
	r.Took = f.cfg.Now().Sub(began)
	if r.User, r.Groups, err = conn.whoami(ctx); err != nil {
		return Report{}, c.wrap(err, t)
	}
	nodes, nodesErr := conn.nodes(ctx)
	switch {
	case nodesErr == nil:
		r.Nodes, r.NodesReady, r.NodesKnown = nodes.total, nodes.total-len(nodes.notReady), true
		if len(nodes.notReady) > 0 {
			r.Warnings = append(r.Warnings, nodes.reason())
		}
	case classify(nodesErr).Kind != KindForbidden:
		return Report{}, c.wrap(nodesErr, t)
	}
	if err := conn.rights(ctx, &r, creds.Namespace()); err != nil {
		return Report{}, c.wrap(err, t)
	}
	if nodesErr != nil && len(r.Missing) == len(wanted("")) && len(r.Namespaces) == 0 {
		e := classify(nodesErr)
		e.Op, e.Reason = t.op, message("no_rights", "User", r.User)
		return r, e
	}
	if r.User == "system:anonymous" {
		r.Warnings = append(r.Warnings, message("anonymous"))
	}
	if len(r.Missing) > 0 {
		missing := make([]string, len(r.Missing))
		for i, m := range r.Missing {
			missing[i] = m.String()
		}
		r.Warnings = append(r.Warnings, message("missing_rights", "Rights", strings.Join(missing, ", ")))
	}
	return r, nil
}

// whoami asks who the cluster takes us for. Servers that do not know the question leave it open.
func (c *conn) whoami(ctx context.Context) (user string, groups []string, err error) {
	client, err := c.client(authenticationv1.SchemeGroupVersion)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	var review authenticationv1.SelfSubjectReview
	err = client.Post().Resource("selfsubjectreviews").MaxRetries(0).Body(&authenticationv1.SelfSubjectReview{}).Do(ctx).Into(&review)
	if err != nil {
		switch classify(err).Kind {
		case KindNotFound, KindForbidden, KindInvalid:
			return "", nil, nil
		default:
			return "", nil, err
		}
	}
	return review.Status.UserInfo.Username, review.Status.UserInfo.Groups, nil
}

// wanted are the rights without which some page stays empty.
func wanted(namespace string) []Right {
	return []Right{
		{"list", "", "nodes", ""},
		{"list", "", "namespaces", ""},
		{"list", "", "pods", namespace},
		{"watch", "", "pods", namespace},
		{"list", "apps", "deployments", namespace},
		{"list", "", "events", namespace},
	}
}

// rights finds out what is missing, in all namespaces and, if that fails for pods, in the one that the context prefers.
func (c *conn) rights(ctx context.Context, r *Report, namespace string) error {
	for _, right := range wanted("") {
		ok, err := c.may(ctx, right)
		if err != nil {
			return err
		}
		if !ok {
			r.Missing = append(r.Missing, right)
		}
	}
	if namespace == "" {
		return nil
	}
	for _, m := range r.Missing {
		if m.Resource != "pods" || m.Verb != "list" {
			continue
		}
		ok, err := c.may(ctx, Right{"list", "", "pods", namespace})
		if err != nil {
			return err
		}
		if ok {
			r.Namespaces = []string{namespace}
			r.Warnings = append(r.Warnings, message("limited", "Namespaces", namespace))
		}
	}
	return nil
}

func (c *conn) may(ctx context.Context, right Right) (bool, error) {
	client, err := c.client(authorizationv1.SchemeGroupVersion)
	if err != nil {
		return false, err
	}
	ctx, cancel := bounded(ctx, getTimeout)
	defer cancel()
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.Verb, Group: right.Group, Resource: right.Resource, Namespace: right.Namespace,
		},
	}}
	err = client.Post().Resource("selfsubjectaccessreviews").MaxRetries(0).Body(&review).Do(ctx).Into(&review)
	if err != nil {
		if classify(err).Kind == KindForbidden {
			return false, nil
		}
		return false, err
	}
	return review.Status.Allowed, nil
}
