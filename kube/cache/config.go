// Package cache keeps the lists of one cluster in memory: per kind one table of
// rows, fed by the API server's watch and read by any number of pages. It holds
// projections, never whole objects, and it says how fresh it is.
package cache

import (
	"context"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/history"
	"tiga/kube/kinds"
)

// Source is the cluster as far as tables need it.
type Source interface {
	// List reads one chunk. An empty namespace means all.
	List(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (runtime.Object, error)
	// Watch opens a stream that ends when ctx does.
	Watch(ctx context.Context, k *kinds.Kind, namespace string, opts metav1.ListOptions) (watch.Interface, error)
}

// Observer sees the objects of some kinds whole, as tables read them. It must not keep a table waiting: only Begin, End,
// Lost and objects that are listed may wait for room.
type Observer interface {
	// Observes says which kinds it wants. Their tables are not released.
	Observes(k *kinds.Kind) bool
	// Begin and End are around a complete reading of a namespace, or of all for "". contact is when the cluster was last
	// heard from about the kind before it, zero for never.
	Begin(k *kinds.Kind, namespace string, contact time.Time)
	End(k *kinds.Kind, namespace string)
	// Lost says that the kind can no longer be read there.
	Lost(k *kinds.Kind, namespace string)
	// See takes an object, which must not be changed.
	See(k *kinds.Kind, namespace string, obj runtime.Object, event history.Event)
}

// Config says what tables read and how patient they are. Only Cluster and
// Source are needed.
type Config struct {
	Cluster string // name of the cluster; permits must be for it
	Source  Source

	// Notify is called after each applied batch of changes and when the
	// freshness of a kind changes. It must not block.
	Notify func(kindID string)
	// Describe puts an error of Source into words. Without it the error's own
	// text is shown.
	Describe func(error) kinds.Message
	// Kind finds a kind that the cluster serves by its ID, where rows of one kind
	// speak about those of another. Without it all kinds that are known are taken
	// to be served. It must not block.
	Kind func(id string) (*kinds.Kind, bool)
	// Observer sees the objects of the kinds that it wants; nil for nobody.
	Observer Observer
	// Namespaces says which namespaces the credential may list, for a kind that
	// it may not list as a whole. Empty or nil means all. It is asked when a
	// table starts and must not block.
	Namespaces func(*kinds.Kind) []string

	Log *slog.Logger
	Now func() time.Time // time.Now if nil

	Idle         time.Duration // a table not used for so long is released; 5 min if 0
	Wait         time.Duration // how long a query waits for a first list; 2 s if 0
	WatchTimeout time.Duration // the server ends a watch after about this, so that a dead one is noticed; 40 s if 0
	ListTimeout  time.Duration // bound of one chunk of a list; 15 s if 0
	ChunkSize    int64         // objects per chunk of a list; 500 if 0
	MaxRows      int64         // rows of one kind held at most, the rest is counted; 250,000 if 0
	NoWatchList  bool          // list in chunks even where the server streams lists
}

func (c Config) withDefaults() Config {
	if c.Notify == nil {
		c.Notify = func(string) {}
	}
	if c.Describe == nil {
		c.Describe = func(err error) kinds.Message { return kinds.Message{Text: err.Error()} }
	}
	if c.Kind == nil {
		c.Kind = kinds.Lookup
	}
	if c.Namespaces == nil {
		c.Namespaces = func(*kinds.Kind) []string { return nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Idle = orDefault(c.Idle, 5*time.Minute)
	c.Wait = orDefault(c.Wait, 2*time.Second)
	c.WatchTimeout = orDefault(c.WatchTimeout, 40*time.Second)
	c.ListTimeout = orDefault(c.ListTimeout, 15*time.Second)
	c.ChunkSize = orDefault(c.ChunkSize, 500)
	c.MaxRows = orDefault(c.MaxRows, 250_000)
	return c
}

func orDefault[N time.Duration | int64](n, standard N) N {
	if n <= 0 {
		return standard
	}
	return n
}
