package cache

import (
	"time"

	"tiga/kube/kinds"
)

// State says how a list relates to the cluster. Its word has the message id
// "freshness.<State>".
type State uint8

// The states, from best to worst.
const (
	Live       State = iota // every change arrives
	CatchingUp              // complete as of Since, now being read again
	Loading                 // the first list is not there yet; rows may be missing
	Stale                   // as of Since; the cluster does not answer, Reason says why
	Absent                  // the cluster does not serve the kind
	Forbidden               // the cluster's credential may not list the kind
)

// String is the state as it stands in message ids and metrics.
func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case CatchingUp:
		return "catchingup"
	case Stale:
		return "stale"
	case Absent:
		return "absent"
	case Forbidden:
		return "forbidden"
	default:
		return "loading"
	}
}

// Freshness says how true a list is.
type Freshness struct {
	State  State
	Since  time.Time     // Live: since when; otherwise the last contact, zero if there never was one
	Reason kinds.Message // why it is not live
	Synced bool          // the list has been complete at least once
}
