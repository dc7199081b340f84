package handlers

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/kube"
)

// event is an audit event with what is known of the request: who, from where, by which session.
func (s *Server) event(r *http.Request) db.Event {
	v, ctx := visitOf(r), r.Context()
	return db.Event{
		RequestID: requestID(r), ActorID: v.subject.UserID, Actor: v.subject.Name, AuthMethod: v.subject.AuthMethod, SessionRef: v.session.ref(),
		ClientIP: guard.ClientIPOf(ctx).String(), PeerIP: guard.PeerIPOf(ctx).String(), UserAgent: r.UserAgent(),
		PolicyVersion: s.authority.Version(), ReadOnly: s.authority.ReadOnly(),
	}
}

// ownEvent is an event about one of Tiga's own things.
func (s *Server) ownEvent(r *http.Request, resource, name, verb string) db.Event {
	e := s.event(r)
	e.Group, e.Resource, e.Name, e.Verb, e.Effect = access.TigaGroup, resource, name, verb, access.EffectAdmin.String()
	return e
}

// objectEvent is an event about something in a cluster, from what the decision knows.
func (s *Server) objectEvent(r *http.Request, rec access.Record) db.Event {
	e := s.event(r)
	e.Cluster, e.Group, e.Resource, e.Subresource = rec.Cluster, rec.Group, rec.Resource, rec.Subresource
	e.Namespace, e.Name, e.Verb, e.Effect = rec.Namespace, rec.Name, string(rec.Verb), rec.Effect.String()
	e.Decision, e.Reason, e.PolicyVersion = string(rec.Decision), rec.Reason, rec.PolicyVersion
	if c, ok := clusterIn(r); ok {
		e.ClusterID = c.ID()
	}
	return e
}

// recorded does something between its two audit rows: nothing happens unless the intent is on disk, and whatever
// happens is told. A failure to write the outcome does not undo what was done; the next start calls it unknown.
func (s *Server) recorded(r *http.Request, e db.Event, do func(context.Context) (diff string, err error)) error {
	return s.recordedAs(r, e, func(ctx context.Context, _ db.Intent) (string, error) { return do(ctx) })
}

// recordedAs is recorded for what wants to know the row of the intent.
func (s *Server) recordedAs(r *http.Request, e db.Event, do func(context.Context, db.Intent) (diff string, err error)) error {
	intent, err := s.store.Audit().Append(r.Context(), e)
	if err != nil {
		return auditDown(err)
	}
	diff, err := do(r.Context(), intent)
	out := outcomeOf(diff, err)
	if err == nil { // what was said of the intent is what the record shows
		out.Message = e.Message
	}
	s.settle(r.Context(), intent, e.RequestID, out)
	return err
}

// outcomeOf is what the audit writes about something that was tried.
func outcomeOf(diff string, err error) db.Outcome {
	out := db.Outcome{Diff: diff, HTTPStatus: http.StatusOK}
	if err != nil {
		p := problem(err)
		out.Result, out.Reason, out.Message, out.HTTPStatus = db.ResultFailed, p.ID, p.Words.Text, p.Status
	}
	return out
}

// settle writes how something ended that was intended.
func (s *Server) settle(ctx context.Context, intent db.Intent, request string, out db.Outcome) {
	if lost := s.store.Audit().Outcome(ctx, intent, out); lost != nil {
		s.metrics.lost.Inc()
		s.log.ErrorContext(ctx, "audit outcome not written", "error", lost, "intent", intent.ID(), "request_id", request)
	}
}

// audited is recorded for a change in a cluster, which the history keeps as well.
func (s *Server) audited(r *http.Request, permit access.Permit, uid string, do func(context.Context) (kube.Change, error)) error {
	e := s.objectEvent(r, permit.Record())
	e.ObjectUID = uid
	back := revertOf(r)
	if back != nil {
		e.Reason, e.Message = "revert", back.message()
	}
	return s.recordedAs(r, e, func(ctx context.Context, intent db.Intent) (string, error) {
		change, err := do(ctx)
		if err == nil {
			s.history.did(ctx, intent.Row(), back.id(), change)
		}
		return changeDiff(change), err
	})
}

// changeDiff is a change as lines of before and after.
func changeDiff(c kube.Change) string {
	if c.Before == nil && c.After == nil {
		return c.Diff
	}
	fields := slices.Sorted(maps.Keys(c.Before))
	for field := range c.After {
		if _, ok := c.Before[field]; !ok {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	var b strings.Builder
	for _, field := range fields {
		if before, ok := c.Before[field]; ok {
			b.WriteString("- " + field + ": " + before + "\n")
		}
		if after, ok := c.After[field]; ok {
			b.WriteString("+ " + field + ": " + after + "\n")
		}
	}
	return b.String()
}

// refused writes a refusal to the audit log and hands it on. Refusals of reading are not written: pages ask for
// many things in order to know what to show.
func (s *Server) refused(r *http.Request, err error) error {
	rec, ok := access.RefusalRecord(err)
	if !ok || rec.Effect == access.EffectRead {
		return err
	}
	e := s.objectEvent(r, rec)
	e.Result, e.HTTPStatus = db.ResultDenied, problem(err).Status
	if lost := s.note(r, e); lost != nil {
		return lost
	}
	return err
}

// note writes an event that is complete in itself: a refusal, a failed sign-in. While the store is away the event waits
// in the spool; only where that is full as well is there an error, and it is the answer then: what cannot be written down
// is not answered as if it had been.
func (s *Server) note(r *http.Request, e db.Event) error {
	if err := s.store.Audit().Record(r.Context(), e); err != nil {
		return auditDown(err)
	}
	return nil
}

// auditDown is the answer to what must be written down and cannot be.
func auditDown(err error) error {
	return &ProblemError{Status: http.StatusServiceUnavailable, ID: "audit_down", Retry: 5 * time.Second, Err: err}
}
