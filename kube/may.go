package kube

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// rulesFresh is how long an answer about our own rights is taken as it is, and rulesLife how long it stands while a
	// newer one is being asked for.
	rulesFresh, rulesLife = time.Minute, 5 * time.Minute
	rulesTimeout          = 5 * time.Second
	// maxRulebooks bounds for how many namespaces answers are kept, and rulesInFlight how many are asked for at a time.
	maxRulebooks, rulesInFlight = 500, 4
	// anyNamespace is asked for the rights to what has no namespace; rights in the whole cluster are in every answer.
	anyNamespace = metav1.NamespaceDefault
)

// Verdict says whether a cluster would let us do something.
type Verdict uint8

// The verdicts. Unknown is also the answer of a cluster that cannot say everything, or has not said it yet.
const (
	Unknown Verdict = iota
	Allowed
	Denied
)

// rulebooks is what a cluster lets our credentials do, by namespace.
type rulebooks struct {
	mu      sync.Mutex
	books   map[string]*rulebook
	slots   chan struct{}
	running sync.WaitGroup
}

// rulebook is the answer for one namespace.
type rulebook struct {
	asked time.Time // when the newest question was sent
	at    time.Time // when rules were answered; zero for never
	whole bool      // nothing is missing in rules
	rules []authorizationv1.ResourceRule
	done  chan struct{} // closed when the question under way is answered; nil for none
}

func newRulebooks() *rulebooks {
	return &rulebooks{books: map[string]*rulebook{}, slots: make(chan struct{}, rulesInFlight)}
}

// Lets says from memory whether the cluster would let our own credentials do something, whoever asks for it: to name, or
// with "" to some object. What is not known yet is asked for, and waited for as long as ctx lasts. Nothing about the
// content of the cluster is in the answer, so it takes no permit. Resource may have a sub-resource: "pods/eviction".
func (c *Cluster) Lets(ctx context.Context, r Right, name string) Verdict {
	if c.conn == nil || c.readOnly.Load() {
		return Unknown // a read-only cluster is asked nothing: the question is a POST
	}
	if r.Namespace == "" {
		r.Namespace = anyNamespace
	}
	v, pending := c.rules.verdict(c, r, name)
	if pending == nil {
		return v
	}
	select {
	case <-pending:
		v, _ = c.rules.verdict(c, r, name)
	case <-ctx.Done():
	}
	return v
}

// verdict reads the book and has it renewed where it is old. pending is set where waiting may bring an answer.
func (b *rulebooks) verdict(c *Cluster, r Right, name string) (v Verdict, pending <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := c.cfg.Now()
	book := b.books[r.Namespace]
	if book == nil {
		b.forget(now)
		book = &rulebook{}
		b.books[r.Namespace] = book
	}
	if book.done == nil && (book.asked.IsZero() || now.Sub(book.asked) >= rulesFresh) {
		b.ask(c, book, r.Namespace, now)
	}
	if book.at.IsZero() || now.Sub(book.at) >= rulesLife {
		return Unknown, book.done
	}
	return book.verdict(r, name), nil
}

// forget makes room for another book.
func (b *rulebooks) forget(now time.Time) {
	for ns, book := range b.books {
		if book.done == nil && (len(b.books) >= maxRulebooks || now.Sub(book.asked) >= rulesLife) {
			delete(b.books, ns)
		}
	}
}

// ask has a book renewed, unless too many are. The caller holds the lock.
func (b *rulebooks) ask(c *Cluster, book *rulebook, namespace string, now time.Time) {
	if c.ctx.Err() != nil {
		return
	}
	select {
	case b.slots <- struct{}{}:
	default:
		return
	}
	done := make(chan struct{})
	book.asked, book.done = now, done
	b.running.Go(func() {
		defer func() { <-b.slots }()
		status, err := c.conn.ownRules(c.ctx, namespace)
		b.mu.Lock()
		defer b.mu.Unlock()
		if err == nil {
			book.at, book.rules = c.cfg.Now(), status.ResourceRules
			book.whole = !status.Incomplete && status.EvaluationError == ""
		}
		book.done = nil
		close(done)
	})
}

// close returns when no question is under way. The cluster's context has ended, so none begins.
func (b *rulebooks) close() {
	b.mu.Lock()
	b.mu.Unlock() //nolint:staticcheck // whoever was about to ask has begun, or sees that the context has ended
	b.running.Wait()
}

// ownRules asks what our credentials may do in a namespace.
func (c *conn) ownRules(ctx context.Context, namespace string) (authorizationv1.SubjectRulesReviewStatus, error) {
	ctx, cancel := bounded(ctx, rulesTimeout)
	defer cancel()
	client, err := c.client(authorizationv1.SchemeGroupVersion)
	if err != nil {
		return authorizationv1.SubjectRulesReviewStatus{}, err
	}
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	answer := &authorizationv1.SelfSubjectRulesReview{}
	err = client.Post().Resource("selfsubjectrulesreviews").MaxRetries(0).Body(review).Do(ctx).Into(answer)
	return answer.Status, err
}

// verdict applies the rules as RBAC does.
func (b *rulebook) verdict(r Right, name string) Verdict {
	for i := range b.rules {
		rule := &b.rules[i]
		if has(rule.Verbs, r.Verb) && has(rule.APIGroups, r.Group) && covers(rule.Resources, r.Resource) &&
			(len(rule.ResourceNames) == 0 || name == "" || slices.Contains(rule.ResourceNames, name)) {
			return Allowed
		}
	}
	if b.whole {
		return Denied
	}
	return Unknown
}

func has(list []string, one string) bool {
	return slices.Contains(list, one) || slices.Contains(list, "*")
}

func covers(resources []string, one string) bool {
	if has(resources, one) {
		return true
	}
	_, sub, ok := strings.Cut(one, "/")
	return ok && slices.Contains(resources, "*/"+sub)
}
