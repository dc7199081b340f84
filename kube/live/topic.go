package live

import "strconv"

// The topics that are not about one cluster.
const (
	Fleet  = "fleet"  // the health of any cluster, or the list of clusters
	Policy = "policy" // who may do what
)

// Kind is the topic of one kind's objects in one cluster.
func Kind(cluster int64, kindID string) string {
	return "cluster:" + strconv.FormatInt(cluster, 10) + ":" + kindID
}

// Health is the topic of one cluster's health.
func Health(cluster int64) string { return Kind(cluster, "health") }

// Kinds is the topic of which kinds a cluster serves.
func Kinds(cluster int64) string { return Kind(cluster, "kinds") }

// OperationsKind is the kind under which streams ask for the operations of a cluster, see Kind.
const OperationsKind = "operations"

// Operations is the topic of one cluster's operations: those that begin, go on and end.
func Operations(cluster int64) string { return Kind(cluster, OperationsKind) }
