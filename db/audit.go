package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tiga/migrations"
)

// auditBudget is how long an action waits for its audit row before it is refused.
const auditBudget = 2 * time.Second

// The phases of an audit row.
const (
	// PhaseIntent is written before an action. Its outcome is another row.
	PhaseIntent = "intent"
	// PhaseOutcome tells how an action ended; its parent is the intent.
	PhaseOutcome = "outcome"
	// PhaseEvent is complete in itself: a denial, a sign-in that failed, a start of the program.
	PhaseEvent = "event"
)

// The results of an action.
const (
	ResultOpen    = "open"    // intended, and no outcome yet
	ResultOK      = "ok"      // done
	ResultFailed  = "failed"  // tried, and it did not work
	ResultDenied  = "denied"  // refused by us
	ResultUnknown = "unknown" // the program ended before it knew
)

// The decisions on an action.
const (
	DecisionAllow = "allow"
	DecisionDeny  = "deny"
)

// Event is what is said about an action. Texts are cut to their limits and control characters are
// made visible before they are stored; what must not be stored (bodies, secret values, tokens) must
// not be put here.
type Event struct {
	RequestID       string
	ActorID         int64
	Actor           string
	AuthMethod      string
	SessionRef      string // the first 16 hex digits of the session id's SHA-256
	ClientIP        string
	PeerIP          string
	UserAgent       string
	ClusterID       int64
	Cluster         string
	Group           string
	Resource        string
	Subresource     string
	Namespace       string
	Name            string
	ObjectUID       string
	ResourceVersion string
	Verb            string
	Effect          string
	Decision        string // DecisionAllow if empty
	Result          string // of Record alone; ResultOK if empty
	Reason          string // one word, for filters
	Message         string // a sentence, for people
	PolicyVersion   int64
	ReadOnly        bool
	HTTPStatus      int
	Diff            string // redacted
}

// Outcome is how an intended action ended.
type Outcome struct {
	Result          string // ResultOK if empty
	Reason          string
	Message         string
	HTTPStatus      int
	ObjectUID       string // the intent's if empty
	ResourceVersion string // the intent's if empty
	Diff            string // redacted
}

// Intent is an action whose audit row is on disk and whose outcome is not known yet.
type Intent struct{ row AuditEvent }

// ID is the id of the row.
func (i Intent) ID() string { return i.row.ID }

// Row is the row itself.
func (i Intent) Row() AuditEvent { return i.row }

// Audit is the audit record: rows that can only be added, each signed together with the one before
// it. Every process adds to a chain that no other process adds to at the same time; a chain that was
// left behind is taken up by the next process that starts.
type Audit struct {
	store *Store
	key   auditKey
	// turn is held while a row is added, so that rows of one chain follow each other.
	turn chan struct{}
	// What follows is guarded by turn.
	chain        int64
	lock         *sql.Conn // of PostgreSQL: holds the chain
	known        bool      // whether seq and hash are the chain's last row
	seq          int64
	hash         []byte
	checkpointed int64

	spool *spool        // nil: what cannot be written is an error at once
	woken chan struct{} // tells drain that there is something to do
	stop  func()        // ends drain
}

func openAudit(ctx context.Context, s *Store) (*Audit, error) {
	a := &Audit{store: s, key: newAuditKey(s.keys.Primary()), turn: make(chan struct{}, 1)}
	if s.readOnly {
		return a, nil
	}
	if err := a.load(ctx); err != nil {
		return nil, err
	}
	if err := a.openSpool(ctx); err != nil {
		return nil, err
	}
	if err := a.reconcile(ctx); err != nil {
		return nil, fmt.Errorf("settle the audit record: %w", err)
	}
	return a, nil
}

// openSpool brings in what waits from an earlier run, before its open intents get an outcome: theirs
// may be among it.
func (a *Audit) openSpool(ctx context.Context) error {
	if a.store.spool == "" {
		return nil
	}
	a.spool, a.woken = newSpool(a.store.spool, a.store.spoolLimit, newAuditKey(a.store.keys.Primary())), make(chan struct{}, 1)
	if err := a.recoverSpools(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.drain(running)
	}()
	a.stop = func() {
		cancel()
		<-ended
	}
	return nil
}

// Append writes an intent. When it returns without an error, the row is on disk and the action may
// begin; otherwise the action must not. It takes two seconds at most.
func (a *Audit) Append(ctx context.Context, e Event) (Intent, error) {
	row := e.row()
	row.Phase, row.Result = PhaseIntent, ResultOpen
	if err := a.add(ctx, &row); err != nil {
		return Intent{}, fmt.Errorf("audit %s: %w", e.Verb, err)
	}
	if a.spool != nil && a.spool.waiting() > 0 { // the database is back
		a.wake()
	}
	return Intent{row}, nil
}

// Outcome writes how an action ended. The action has happened, so a context that has ended does not
// keep the row from being written, and it waits in the spool while the database is away.
func (a *Audit) Outcome(ctx context.Context, i Intent, o Outcome) error {
	row := a.outcome(i, o)
	return wrap("audit the outcome of "+i.row.Verb, a.keep(ctx, &row))
}

func (a *Audit) outcome(i Intent, o Outcome) AuditEvent {
	row := i.row
	row.ID, row.TS = "", 0
	row.Phase, row.ParentID = PhaseOutcome, i.row.ID
	row.Result, row.Reason, row.Message = orDefault(o.Result, ResultOK), o.Reason, o.Message
	row.HTTPStatus, row.Diff = int64(o.HTTPStatus), o.Diff
	row.ObjectUID, row.ResourceVersion = orDefault(o.ObjectUID, row.ObjectUID), orDefault(o.ResourceVersion, row.ResourceVersion)
	row.DurationUS = max(0, Micros(a.store.now())-i.row.TS)
	return row
}

// Record writes an event that is complete in itself: a denial, a sign-in that failed. It has happened
// and is not lost: while the database is away it waits in the spool. An error means that it is
// written nowhere; then what it tells of must not be answered as if it were.
func (a *Audit) Record(ctx context.Context, e Event) error {
	row := e.row()
	row.Phase = PhaseEvent
	return wrap("audit "+e.Verb, a.keep(ctx, &row))
}

func (e Event) row() AuditEvent {
	return AuditEvent{
		RequestID: e.RequestID, ActorID: e.ActorID, ActorName: e.Actor, AuthMethod: e.AuthMethod, SessionRef: e.SessionRef,
		ClientIP: e.ClientIP, PeerIP: e.PeerIP, UserAgent: e.UserAgent, ClusterID: e.ClusterID, ClusterName: e.Cluster,
		APIGroup: e.Group, Resource: e.Resource, Subresource: e.Subresource, Namespace: e.Namespace, Name: e.Name,
		ObjectUID: e.ObjectUID, ResourceVersion: e.ResourceVersion, Verb: e.Verb, Effect: e.Effect,
		Decision: orDefault(e.Decision, DecisionAllow), Result: orDefault(e.Result, ResultOK), Reason: e.Reason, Message: e.Message,
		PolicyVersion: e.PolicyVersion, ReadOnly: e.ReadOnly, HTTPStatus: int64(e.HTTPStatus), Diff: e.Diff,
	}
}

// add gives a row its place in the chain and commits it.
func (a *Audit) add(ctx context.Context, row *AuditEvent) error {
	if a.store.readOnly {
		return ErrReadOnly
	}
	ctx, cancel := context.WithTimeout(ctx, auditBudget)
	defer cancel()
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	if err := a.name(row); err != nil {
		return err
	}
	err := a.commit(ctx, row)
	// A conflict is either an outcome that is there already, which the second try finds out, or this
	// chain has rows of another process: PostgreSQL dropped the connection that held the chain.
	if errors.Is(err, ErrConflict) {
		err = a.commit(ctx, row)
	}
	return err
}

// name gives a row that has none its id and its time, and makes its texts fit to be stored. A row that
// waited keeps those of when it happened.
func (a *Audit) name(row *AuditEvent) error {
	if row.ID != "" {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("id: %w", err)
	}
	row.ID, row.TS, row.Format = id.String(), Micros(a.store.now()), auditFormat
	row.clean()
	return nil
}

func (a *Audit) commit(ctx context.Context, row *AuditEvent) error {
	if !a.known {
		if err := a.load(ctx); err != nil {
			return err
		}
	}
	row.Chain, row.Seq, row.PrevHash, row.KeyID = a.chain, a.seq+1, a.hash, a.key.id
	row.Hash = a.key.sign(row)
	// One statement is a transaction by itself. After an error it is not known whether it was
	// committed, so the next row starts from what the database has.
	if err := New(queued{a.store.writer}).insertAuditEvent(ctx, insertAuditEventParams(*row)); err != nil {
		a.known = false
		return err
	}
	a.seq, a.hash = row.Seq, row.Hash
	return nil
}

// load makes sure that this process holds a chain, and finds its end.
func (a *Audit) load(ctx context.Context) error {
	if err := a.hold(ctx); err != nil {
		return fmt.Errorf("hold an audit chain: %w", err)
	}
	// Not Read: what the writer has committed must be seen, also behind a pooler that reads elsewhere.
	seq, hash, err := auditEnd(ctx, New(queued{a.store.writer}), a.chain)
	if err != nil {
		return err
	}
	a.seq, a.hash, a.known = seq, hash, true
	return nil
}

// auditEnd is the last row of a chain; before the first row it is row 0 with a hash of zeros.
func auditEnd(ctx context.Context, q *Queries, chain int64) (seq int64, hash []byte, err error) {
	head, err := q.auditHead(ctx, chain)
	if errors.Is(err, ErrNotFound) {
		return 0, make([]byte, hashBytes), nil
	}
	return head.Seq, head.Hash, wrap("read the end of the audit chain", err)
}

// hold takes the first chain that no living process holds. SQLite has one chain, which the lock on
// the file guards.
func (a *Audit) hold(ctx context.Context) error {
	if a.store.engine == migrations.SQLite {
		a.chain = 1
		return nil
	}
	if a.lock != nil {
		if a.lock.PingContext(ctx) == nil {
			return nil
		}
		_ = a.lock.Close()
		a.lock = nil
	}
	c, err := acquire(ctx, a.store.locks)
	if err != nil {
		return err
	}
	for chain := int64(1); ; chain++ {
		held, err := tryChain(ctx, c, chain)
		if err != nil {
			return errors.Join(err, c.Close())
		}
		if held {
			a.lock, a.chain = c, chain
			return nil
		}
	}
}

func tryChain(ctx context.Context, c *sql.Conn, chain int64) (held bool, err error) {
	err = c.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1, $2)", advisoryClass, chain).Scan(&held)
	return held, err
}

// reconcile gives an outcome to every intent that a process which is gone left without one, in this
// process's chain and in those that nobody holds.
func (a *Audit) reconcile(ctx context.Context) error {
	if err := a.settle(ctx, a.chain); err != nil || a.store.engine == migrations.SQLite {
		return err
	}
	for chain := int64(1); ; chain++ {
		if chain == a.chain {
			continue
		}
		// Chains are taken from the first one up, so the first that is empty is the last.
		if last, _, err := auditEnd(ctx, a.store.Read(), chain); err != nil || last == 0 {
			return err
		}
		held, err := tryChain(ctx, a.lock, chain)
		if err != nil {
			return err
		}
		if !held {
			continue
		}
		err = a.settle(ctx, chain)
		if _, err2 := a.lock.ExecContext(ctx, "SELECT pg_advisory_unlock($1, $2)", advisoryClass, chain); err == nil {
			err = err2
		}
		if err != nil {
			return err
		}
	}
}

// settle writes the missing outcomes of a chain, and notes how far the chain is settled.
func (a *Audit) settle(ctx context.Context, chain int64) error {
	note := "audit_settled:" + strconv.FormatInt(chain, 10)
	q := a.store.Read()
	var after int64
	switch text, err := q.Meta(ctx, note); {
	case err == nil:
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("read %s: %w", note, err)
		}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	last, _, err := auditEnd(ctx, q, chain)
	if err != nil || last == after {
		return err
	}
	open, err := q.auditOpenIntents(ctx, chain, after, last)
	if err != nil {
		return err
	}
	for _, row := range open {
		outcome := a.outcome(Intent{row}, Outcome{
			Result: ResultUnknown, Reason: "interrupted", Message: "the program ended before it recorded the outcome",
		})
		err := a.add(ctx, &outcome)
		if err != nil && !errors.Is(err, ErrConflict) { // a conflict: the outcome arrived meanwhile
			return err
		}
	}
	if len(open) > 0 {
		a.store.log.WarnContext(ctx, "audit: actions of an earlier run have an unknown outcome", "chain", chain, "count", len(open))
	}
	return a.store.Write(ctx, func(q *Queries) error {
		return q.SetMeta(ctx, note, strconv.FormatInt(last, 10))
	})
}

// close gives the chain up. What waits in the spool then is brought in by the next start.
func (a *Audit) close() error {
	var err error
	if a.stop != nil {
		a.stop()
		err = a.spool.close()
		a.stop = nil
	}
	if a.lock != nil {
		_ = a.lock.Close() // the pool is closed next, and with its connection the lock goes
	}
	return err
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
