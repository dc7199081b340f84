package kube

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/live"
)

const (
	// discoverEvery is how old what a cluster serves may be while somebody looks: what comes by a
	// CustomResourceDefinition is known at once, what comes by an aggregated API or an upgrade after this.
	discoverEvery = time.Minute
	// discoverAgain is the same after a look that failed.
	discoverAgain = 5 * time.Second
	// discoveryLag is how long discovery may list a kind whose definition is gone.
	discoveryLag = 2 * discoverEvery
	// kindWait is how long a request for a kind that is not known yet waits for the first look.
	kindWait = 3 * time.Second
	// Definitions is the ID of the kind that other kinds come by.
	Definitions = "customresourcedefinitions.apiextensions.k8s.io"
)

// offer is what a cluster serves, as far as it is known. It is never changed.
type offer struct {
	kinds map[string]*kinds.Kind
	made  map[string]*kinds.Definition // what each was made of, to see which have changed
	order []*kinds.Kind                // as in the sidebar
}

// everywhere is what every cluster serves: the built-in kinds. It stands in until a cluster says otherwise.
var everywhere = func() *offer {
	served := map[string]*kinds.Definition{}
	for _, k := range kinds.All() {
		if k.Install == "" {
			served[k.ID()] = &kinds.Definition{
				Group: k.GVR.Group, Resource: k.GVR.Resource, Kind: k.Name, Namespaced: k.Namespaced, Ready: true,
				Served: []kinds.ServedVersion{{Name: k.GVR.Version, HasStatus: true}},
			}
		}
	}
	return (&offer{}).next(served)
}()

// catalogue keeps the offer of a cluster: its CustomResourceDefinitions, which are watched like any other kind, and
// what discovery lists beside them.
type catalogue struct {
	mu         sync.Mutex
	offer      *offer
	discovered map[string]*kinds.Definition // by kind ID; what every cluster serves until a look succeeded
	listed     bool                         // a look has succeeded once
	complete   bool                         // so has one at the definitions, or it was refused: what is not offered is not there
	looked     time.Time                    // the last look, successful or not
	asked      time.Time                    // when somebody last wanted to know
	failed     error                        // of the last look
	failing    map[string]error             // by group, what the last look could not find out
	gone       map[string]time.Time         // by kind ID, when a definition has vanished that discovery may still list
	ready      chan struct{}                // closed when everything has been looked at once, successfully or not
	isReady    bool
	wanted     chan struct{} // somebody asks, and the last look is old
	changed    chan struct{} // a definition has changed, or discovery has been asked
}

func newCatalogue() *catalogue {
	return &catalogue{
		offer: everywhere, discovered: everywhere.made, gone: map[string]time.Time{},
		ready: make(chan struct{}), wanted: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// old reports whether it is time for another look.
func (cat *catalogue) old(now time.Time) bool {
	patience := discoverEvery
	if cat.failed != nil {
		patience = discoverAgain
	}
	return now.Sub(cat.looked) >= patience
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Kind finds a kind that the cluster serves by its ID, at the version that it serves. A kind that is not there is an
// ErrNotFound whose Reason says what would bring it; one of which that cannot be told is the error that keeps it from
// being told. FR-1.8, FR-1.14, FR-1.15
func (c *Cluster) Kind(ctx context.Context, id string) (*kinds.Kind, error) {
	static, _ := kinds.Lookup(id)
	if k, ok := c.Known(id); ok {
		return k, nil
	}
	t := target{op: "find", resource: id}
	if c.conn == nil && static != nil {
		return static, nil // the page says itself what is wrong with the cluster
	}
	err := c.looked(ctx, t, schema.ParseGroupResource(id).Group)
	if k, ok := c.Known(id); ok {
		return k, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, c.absent(id, static)
}

// looked waits for the first look at what the cluster serves. It is nil when what is not known of a group is not there, and
// else the error that keeps it from being told.
func (c *Cluster) looked(ctx context.Context, t target, group string) error {
	if c.conn == nil {
		return c.ready(t)
	}
	timer := time.NewTimer(kindWait)
	defer timer.Stop()
	select {
	case <-c.catalogue.ready:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.catalogue.mu.Lock()
	complete, failed, failing := c.catalogue.complete, c.catalogue.failed, c.catalogue.failing[group]
	c.catalogue.mu.Unlock()
	switch {
	case complete && failing != nil:
		return &Error{
			Kind: KindInternal, Cluster: c.Name(), Op: t.op, Resource: t.resource, Reason: message("api_away", "Group", group), Err: failing,
		}
	case complete:
		return nil
	case failed != nil:
		return c.wrap(failed, t)
	}
	return &Error{Kind: KindTimeout, Cluster: c.Name(), Op: t.op, Resource: t.resource, Reason: message("kinds_unknown")}
}

// absent is the error of a kind that the cluster does not serve.
func (c *Cluster) absent(id string, static *kinds.Kind) error {
	e := &Error{Kind: KindNotFound, Cluster: c.Name(), Op: "find", Resource: id, Reason: message("no_kind", "Kind", id)}
	switch {
	case static != nil && static.Install != "":
		e.Reason = message("no_definition_of", "Definition", id, "Install", static.Install)
	case static == nil && strings.Contains(id, "."):
		e.Reason = message("no_definition", "Definition", id)
	}
	return e
}

// Known finds a kind among those that the cluster is known to serve. It never waits.
func (c *Cluster) Known(id string) (*kinds.Kind, bool) {
	k, ok := c.current().kinds[id]
	return k, ok
}

// Kinds are the kinds that the cluster serves, in the order of the sidebar; until that is known, those that every
// cluster does.
func (c *Cluster) Kinds() []*kinds.Kind { return c.current().order }

// current is the offer as it is known; asking for it keeps it so.
func (c *Cluster) current() *offer {
	cat := c.catalogue
	cat.mu.Lock()
	defer cat.mu.Unlock()
	if now := c.cfg.Now(); c.conn != nil {
		if cat.asked = now; cat.old(now) {
			poke(cat.wanted)
		}
	}
	return cat.offer
}

// watchKinds keeps the offer true until the cluster is closed.
func (c *Cluster) watchKinds() {
	crd, _ := kinds.Lookup(Definitions)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.catalogue.changed:
			c.rebuild(crd)
		}
	}
}

// lookForKinds asks the cluster what it serves until it is closed: while somebody wants to know, not otherwise. It has
// a goroutine of its own, so that a definition that appears need not wait for an answer that does not come.
func (c *Cluster) lookForKinds() {
	crd, _ := kinds.Lookup(Definitions)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.catalogue.wanted:
		}
		c.lists().Touch(crd)
		c.catalogue.mu.Lock()
		old := c.catalogue.old(c.cfg.Now())
		c.catalogue.mu.Unlock()
		if old {
			c.discover()
		}
		poke(c.catalogue.changed)
	}
}

// discover takes over what the cluster lists.
func (c *Cluster) discover() {
	found, failing, err := c.conn.discover(c.ctx)
	if c.ctx.Err() != nil {
		return
	}
	c.noticed(err)
	cat := c.catalogue
	cat.mu.Lock()
	defer cat.mu.Unlock()
	cat.looked, cat.failed = c.cfg.Now(), err
	if err != nil {
		return
	}
	for id, d := range cat.discovered {
		// What an aggregated API serves is not gone because its server is: the page of the kind says what is wrong.
		if failing[d.Group] != nil {
			found[id] = d
		}
	}
	cat.discovered, cat.failing, cat.listed = found, failing, true
}

// rebuild makes the offer anew of what is known, and tells whoever shows a part of it that has changed.
func (c *Cluster) rebuild(crd *kinds.Kind) {
	cat, lists, now := c.catalogue, c.lists(), c.cfg.Now()
	cat.mu.Lock()
	wanted := now.Sub(cat.asked) < discoverEvery
	cat.mu.Unlock()
	if wanted {
		lists.Touch(crd) // the lists may be others than at the last look
	}
	defined := map[string]*kinds.Definition{}
	synced := lists.Freshness(crd).Synced
	lists.Kept(crd, func(kept any) {
		if d, ok := kept.(*kinds.Definition); ok && d.Ready {
			defined[d.ID()] = d
		}
	})
	fresh := lists.Freshness(crd)
	synced = synced && fresh.Synced // it was complete all the while

	cat.mu.Lock()
	before := cat.offer
	cat.complete = cat.complete || cat.listed && fresh.State != cache.Loading
	after := before.next(cat.served(defined, synced, now))
	cat.offer = after
	if !cat.isReady && !cat.looked.IsZero() && fresh.State != cache.Loading {
		cat.isReady = true
		close(cat.ready)
	}
	cat.mu.Unlock()
	c.announce(before, after)
}

// served joins what definitions say with what discovery lists beside them. cat.mu is held.
func (cat *catalogue) served(defined map[string]*kinds.Definition, synced bool, now time.Time) map[string]*kinds.Definition {
	for id := range defined {
		delete(cat.gone, id)
	}
	for id, d := range cat.offer.made {
		switch {
		case !d.Defined || defined[id] != nil:
		case synced:
			cat.gone[id] = now // the watch knows sooner than discovery that a definition is gone
		case cat.discovered[id] != nil || cat.failed != nil:
			defined[id] = d // the list is being read again, or may no longer be
		}
	}
	out := make(map[string]*kinds.Definition, len(cat.discovered)+len(defined))
	for id, d := range cat.discovered {
		at, gone := cat.gone[id]
		if gone && now.Sub(at) >= discoveryLag {
			delete(cat.gone, id)
			gone = false
		}
		// Until the definitions are there, a kind that they define would have other columns than a moment later.
		if builtIn := everywhere.made[id] != nil; !gone && (builtIn || cat.complete) {
			out[id] = d
		}
	}
	maps.Copy(out, defined)
	return out
}

// next is the offer of what is served now. Kinds that have not changed stay the same values, and so do their lists.
func (o *offer) next(served map[string]*kinds.Definition) *offer {
	out := &offer{kinds: make(map[string]*kinds.Kind, len(served)), made: served}
	var custom []*kinds.Kind
	for id, d := range served {
		k := o.kinds[id]
		if before := o.made[id]; k == nil || before == nil || !before.Equal(d) {
			static, _ := kinds.Lookup(id)
			var ok bool
			if k, ok = static.At(d); !ok {
				k = kinds.Custom(d, static)
			}
		}
		if k == nil {
			continue
		}
		out.kinds[id] = k
		if k.Menu == kinds.MenuCustom {
			custom = append(custom, k)
		}
	}
	for _, k := range kinds.All() {
		if at := out.kinds[k.ID()]; at != nil && at.Menu != kinds.MenuCustom {
			out.order = append(out.order, at)
		}
	}
	slices.SortFunc(custom, func(a, b *kinds.Kind) int {
		if n := strings.Compare(a.GVR.Group, b.GVR.Group); n != 0 {
			return n
		}
		return strings.Compare(a.ID(), b.ID())
	})
	out.order = append(out.order, custom...)
	return out
}

// announce ends the lists of kinds that are gone or have become another, and tells pages.
func (c *Cluster) announce(before, after *offer) {
	differ := len(before.kinds) != len(after.kinds)
	for id, k := range before.kinds {
		if after.kinds[id] != k {
			differ = true
			c.lists().Drop(id)
			c.cfg.Hub.Publish(live.Kind(c.id, id))
		}
	}
	if differ {
		c.cfg.Hub.Publish(live.Kinds(c.id))
	}
}
