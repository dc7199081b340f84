package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
)

// What middleware found out about a request, for the handlers behind it. The accessors panic when a handler stands on a
// route whose audience does not load the thing: that is a mistake in the route table, not in the request.
type (
	visitKey   struct{}
	routeKey   struct{}
	clusterKey struct{}
	kindKey    struct{}
)

// visit is who is asking, by which means.
type visit struct {
	subject access.Subject
	session *session // nil with an API token
	locale  string
	theme   string
	own     *own // see ownOf
	// at is the position in the stream of changes when the request came: nothing that the answer shows is older.
	at string
}

func visitOf(r *http.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	if v == nil {
		return &visit{}
	}
	return v
}

func subjectOf(r *http.Request) access.Subject { return visitOf(r).subject }

func routeOf(r *http.Request) route {
	row, _ := r.Context().Value(routeKey{}).(route)
	return row
}

func clusterOf(r *http.Request) *kube.Cluster {
	return r.Context().Value(clusterKey{}).(*kube.Cluster) //nolint:forcetypeassert // see above
}

// clusterIn is clusterOf for code that serves any route.
func clusterIn(r *http.Request) (*kube.Cluster, bool) {
	c, ok := r.Context().Value(clusterKey{}).(*kube.Cluster)
	return c, ok
}

func kindOf(r *http.Request) *kinds.Kind {
	return r.Context().Value(kindKey{}).(*kinds.Kind) //nolint:forcetypeassert // see above
}

// declared puts the route's row within reach of the handler, and refuses what read-only mode forbids before anything
// else runs: some changes (one's password, one's tokens) ask for no permit.
func (s *Server) declared(row route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), routeKey{}, row))
		if row.effect != access.EffectRead && row.effect != access.EffectAdmin && s.authority.ReadOnly() {
			s.fail(w, r, fmt.Errorf("%s %s: %w", row.method, row.pattern, access.ErrReadOnly))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// signedIn lets only people and tokens through that are somebody.
func (s *Server) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subjectOf(r).UserID == 0 {
			s.fail(w, r, errSignedOut)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withCluster loads the cluster that the path names. One that the subject may not see answers like one that never was.
func (s *Server) withCluster(next http.Handler) http.Handler {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		raw := chi.URLParam(r, "id")
		id, err := strconv.ParseInt(raw, 10, 64)
		if err != nil {
			return badInput("bad_id", map[string]any{"Value": raw})
		}
		c, err := s.visibleCluster(r, id)
		if err != nil {
			return err
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clusterKey{}, c)))
		return nil
	})
}

// visibleCluster returns the cluster with the id, if it is there and the subject may see it.
func (s *Server) visibleCluster(r *http.Request, id int64) (*kube.Cluster, error) {
	c, err := s.fleet.Cluster(id)
	if errors.Is(err, kube.ErrDisabled) && s.authority.SeesCluster(subjectOf(r), s.looks.of(id).Name) {
		return nil, err
	}
	if err != nil || !s.authority.SeesCluster(subjectOf(r), c.Name()) {
		return nil, fmt.Errorf("cluster %d: %w", id, access.ErrHidden)
	}
	return c, nil
}

// withKind loads the kind that the path names.
func (s *Server) withKind(next http.Handler) http.Handler {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		k, err := clusterOf(r).Kind(r.Context(), chi.URLParam(r, "resource"))
		if err != nil {
			return err
		}
		for _, key := range []string{"namespace", "name"} {
			if v := unescaped(r, key); v != "" && !isSegment(v) {
				return errNoRoute
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), kindKey{}, k)))
		return nil
	})
}

// isSegment says whether a name can be one part of a path at an API server, as the API servers themselves demand. One that
// cannot would name something else than what was authorised. A13
func isSegment(name string) bool {
	return name != "." && name != ".." && len(name) <= maxObjectName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '%' || unicode.IsControl(r) })
}

// permit asks for the right to do verb to an object of the route's kind. It refuses a verb that goes beyond the effect
// that the route declares: a GET that changes something is a mistake in the route table.
func (s *Server) permit(r *http.Request, verb access.Verb, k *kinds.Kind, namespace, name string) (access.Permit, error) {
	if row := routeOf(r); verb.Effect() > row.effect {
		return access.Permit{}, fmt.Errorf("route %s %s declares %s and asks for %s", row.method, row.pattern, row.effect, verb)
	}
	return s.authority.Check(subjectOf(r), request(clusterOf(r).Name(), verb, k, namespace, name))
}

// request is the question that the authority is asked about an object, or objects, of a kind.
func request(cluster string, verb access.Verb, k *kinds.Kind, namespace, name string) access.Request {
	return access.Request{
		Cluster: cluster, Verb: verb, Group: k.GVR.Group, Resource: k.GVR.Resource,
		Namespaced: k.Namespaced, Namespace: namespace, Name: name,
	}
}

// may says whether the subject has a right, for showing a button or not.
func (s *Server) may(r *http.Request, req access.Request) bool {
	_, err := s.authority.Check(subjectOf(r), req)
	return err == nil
}

// admin asks for the right to read or administer one of Tiga's own things: clusters, users, roles, tokens, audit.
func (s *Server) admin(r *http.Request, verb access.Verb, resource string) error {
	if row := routeOf(r); verb.Effect() > row.effect {
		return fmt.Errorf("route %s %s declares %s and asks for %s", row.method, row.pattern, row.effect, verb)
	}
	_, err := s.authority.Check(subjectOf(r), access.Request{Group: access.TigaGroup, Resource: resource, Verb: verb})
	return err
}

// routePattern is the pattern that matched, for logs and metrics: never a path, which may hold names.
func routePattern(r *http.Request) string {
	if rc := chi.RouteContext(r.Context()); rc != nil {
		if p := rc.RoutePattern(); p != "" {
			return p
		}
	}
	return "none"
}
