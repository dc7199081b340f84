package access

import (
	"sync"
	"sync/atomic"
	"time"
)

// Authority holds the policy of the moment and answers requests from memory. It is safe for use by
// many goroutines.
type Authority struct {
	policy   atomic.Pointer[Policy]
	now      func() time.Time
	mu       sync.Mutex
	watchers map[chan struct{}]struct{}
}

// New returns an authority that refuses everything until it is given a policy.
func New() *Authority {
	return &Authority{now: time.Now, watchers: map[chan struct{}]struct{}{}}
}

// Set makes p the policy of all decisions from now on and tells the watchers. A policy older than
// the present one is ignored: two loads that overtake each other must not bring back a right that
// was taken away. A nil policy refuses everything.
func (a *Authority) Set(p *Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.policy.Load(); old != nil && p != nil && p.version < old.version {
		return
	}
	a.policy.Store(p)
	for c := range a.watchers {
		select {
		case c <- struct{}{}:
		default: // a change that was not looked at yet covers this one
		}
	}
}

// Version returns the version of the policy of the moment; 0 if there is none.
func (a *Authority) Version() int64 {
	if p := a.policy.Load(); p != nil {
		return p.version
	}
	return 0
}

// ReadOnly reports whether the whole server is read-only, for pages that say so. Check decides.
func (a *Authority) ReadOnly() bool {
	p := a.policy.Load()
	return p != nil && p.readOnly
}

// Watch returns a channel that gets a value after each change of policy, several changes joined.
// Stop ends it; the channel is not closed.
func (a *Authority) Watch() (changes <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watchers[c] = struct{}{}
	return c, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.watchers, c)
	}
}

// SeesCluster reports whether the subject may see anything in the cluster. A cluster that it does
// not see does not exist for it.
func (a *Authority) SeesCluster(s Subject, cluster string) bool {
	p := a.policy.Load()
	if p == nil || cluster == "" {
		return false
	}
	var owner, token [inline]*bound
	rights := p.rights(s, a.now, owner[:0], token[:0])
	return rights.seesCluster(cluster)
}

// SeesNamespace reports whether the subject may read anything in a namespace, which is what a
// namespace picker offers to somebody who may not list Namespace objects.
func (a *Authority) SeesNamespace(s Subject, cluster, namespace string) bool {
	p := a.policy.Load()
	if p == nil || cluster == "" || namespace == "" {
		return false
	}
	var owner, token [inline]*bound
	rights := p.rights(s, a.now, owner[:0], token[:0])
	return rights.seesNamespace(cluster, namespace)
}

// Somewhere reports whether the subject may do what is asked to an object of the kind in some namespace, which is what a
// list offers actions by. It asks the rules once and not every namespace, and may say yes where rules that deny leave
// nothing after all: Check decides about the object.
func (a *Authority) Somewhere(s Subject, r Request) bool {
	p := a.policy.Load()
	if p == nil || !r.wellFormed() {
		return false
	}
	if r.Verb.Effect() != EffectRead && (p.readOnly || r.Group != TigaGroup && p.readOnlyClusters[r.Cluster]) {
		return false
	}
	var owner, token [inline]*bound
	rights := p.rights(s, a.now, owner[:0], token[:0])
	q := newQuery(r)
	q.collection = true
	return rights.allowed(&q, false) != nil
}

// Check decides, from memory only. The error is always an *Error.
//
// A subject that may not even get the object is told that it does not exist (ErrHidden), as is one
// that sees nothing of the cluster. Lists and Tiga's own pages answer ErrForbidden instead, since
// that they exist is no secret.
func (a *Authority) Check(s Subject, r Request) (Permit, error) {
	p := a.policy.Load()
	if p == nil {
		return Permit{}, refuse(s, r, ErrHidden, 0)
	}
	var owner, token [inline]*bound
	rights := p.rights(s, a.now, owner[:0], token[:0])
	if !r.wellFormed() {
		return Permit{}, refuse(s, r, rights.hide(r), p.version)
	}
	granted := rights.decide(r)
	if granted == nil {
		if frozen := rights.frozen(r); frozen != nil {
			return Permit{}, p.readOnlyError(s, r, ScopeRole, frozen.role)
		}
		return Permit{}, refuse(s, r, rights.hide(r), p.version)
	}
	if r.Verb.Effect() != EffectRead {
		if p.readOnly {
			return Permit{}, p.readOnlyError(s, r, ScopeServer, "")
		}
		// Tiga's record of a cluster stays editable: otherwise nobody could switch the mode off again.
		if r.Group != TigaGroup && p.readOnlyClusters[r.Cluster] {
			return Permit{}, p.readOnlyError(s, r, ScopeCluster, "")
		}
	}
	g := &grant{subject: s, request: r, version: p.version, rule: granted.id}
	if r.collection() {
		g.filter = newFilter(rights, r)
	}
	return Permit{g}, nil
}

func refuse(s Subject, r Request, err error, version int64) *Error {
	return &Error{Err: err, Subject: s, Request: r, Version: version}
}

func (p *Policy) readOnlyError(s Subject, r Request, scope Scope, role string) *Error {
	// The server's mode is named first: it is the one that no other change lifts.
	switch {
	case p.readOnly:
		scope, role = ScopeServer, ""
	case scope == ScopeRole && r.Group != TigaGroup && p.readOnlyClusters[r.Cluster]:
		scope, role = ScopeCluster, ""
	}
	return &Error{Err: ErrReadOnly, Subject: s, Request: r, ReadOnly: scope, Role: role, Version: p.version}
}
