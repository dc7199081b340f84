package handlers

import (
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
)

// stateFor is what the person may know of a cluster's state. Its check reads with the cluster's own credentials, so the
// figures and names of what the person may not list are left out. A10
func (s *Server) stateFor(r *http.Request, cluster string, st kube.State) kube.State {
	if !s.listsAll(r, cluster, kindPods) {
		st.Pods, st.PodsRunning, st.PodsKnown = 0, 0, false
	}
	if !s.listsAll(r, cluster, kindNodes) {
		st.Nodes, st.NodesReady, st.NodesKnown = 0, 0, false
		if strings.HasPrefix(st.Reason.ID, "cluster.node_not_ready") || strings.HasPrefix(st.Reason.ID, "cluster.nodes_not_ready") {
			st.Reason = kinds.Message{ID: "state.some_not_ready"}
		}
	}
	shown := slices.DeleteFunc(slices.Clone(st.Namespaces), func(ns string) bool { return !s.authority.SeesNamespace(subjectOf(r), cluster, ns) })
	if st.Reason.ID == "cluster.limited" && len(shown) < len(st.Namespaces) {
		st.Reason = kinds.Message{}
		if len(shown) > 0 {
			st.Reason = kinds.Message{ID: "cluster.limited", Args: map[string]any{"Namespaces": strings.Join(shown, ", ")}}
		}
	}
	st.Namespaces = shown
	return st
}

// listsAll says whether the person may list every object of a kind in a cluster.
func (s *Server) listsAll(r *http.Request, cluster, id string) bool {
	k, ok := kinds.Lookup(id)
	if !ok {
		return false
	}
	permit, err := s.authority.Check(subjectOf(r), request(cluster, access.VerbList, k, "", ""))
	return err == nil && permit.Whole()
}
