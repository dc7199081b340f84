package kube

import (
	"time"

	"tiga/kube/kinds"
)

// Health is how well a cluster is. It is one of five words, which the store and the API use as they are.
type Health string

// The states of a cluster.
const (
	// HealthUnknown is before the first check.
	HealthUnknown Health = "unknown"
	// HealthHealthy is: the API server answers and every node is Ready.
	HealthHealthy Health = "healthy"
	// HealthWarning is: some node is not Ready.
	HealthWarning Health = "warning"
	// HealthError is: the API server answers, with an error.
	HealthError Health = "error"
	// HealthUnavailable is: there is no connection.
	HealthUnavailable Health = "unavailable"
)

// Tone is the health as the look shows it.
func (h Health) Tone() kinds.Tone {
	switch h {
	case HealthHealthy:
		return kinds.ToneOK
	case HealthWarning:
		return kinds.ToneWarn
	case HealthError, HealthUnavailable:
		return kinds.ToneBad
	case HealthUnknown:
		return kinds.ToneIdle
	default:
		return kinds.ToneNone
	}
}

// State is what is known of a cluster as a whole.
type State struct {
	Health Health
	// Reason says why, in words. It is empty while all is well.
	Reason kinds.Message
	// Since is when the cluster came into this health.
	Since time.Time
	// Checked is when it was last looked at; zero if not since the program started.
	Checked time.Time
	// LastContact is when it last answered.
	LastContact time.Time
	// Version is the API server's, for example "v1.37.2".
	Version string

	Nodes, NodesReady int
	Pods, PodsRunning int
	// NodesKnown and PodsKnown say whether the figures above could be read; a credential may lack the right.
	NodesKnown, PodsKnown bool
	// Namespaces are those that the credential is limited to; empty when it sees all.
	Namespaces []string
}

// same says that a page which shows the one need not be told of the other. When it was checked does not count.
func (s State) same(o State) bool {
	if len(s.Namespaces) != len(o.Namespaces) {
		return false
	}
	for i := range s.Namespaces {
		if s.Namespaces[i] != o.Namespaces[i] {
			return false
		}
	}
	return s.Health == o.Health && sameMessage(s.Reason, o.Reason) && s.Since.Equal(o.Since) && s.Version == o.Version &&
		s.Nodes == o.Nodes && s.NodesReady == o.NodesReady && s.Pods == o.Pods && s.PodsRunning == o.PodsRunning &&
		s.NodesKnown == o.NodesKnown && s.PodsKnown == o.PodsKnown
}

func sameMessage(a, b kinds.Message) bool {
	if a.ID != b.ID || a.Text != b.Text || len(a.Args) != len(b.Args) {
		return false
	}
	for k, v := range a.Args {
		switch x := v.(type) {
		case time.Time:
			if y, ok := b.Args[k].(time.Time); !ok || !x.Equal(y) {
				return false
			}
		default:
			if v != b.Args[k] {
				return false
			}
		}
	}
	return true
}
