package db

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	auditPageSize = 100
	auditPageMax  = 1000
)

// AuditFilter chooses lines of the audit record. What is empty matches everything.
type AuditFilter struct {
	Since, Until time.Time // from Since on, before Until
	Actor        string
	Cluster      string
	Resource     string
	Namespace    string
	Name         string
	Verb         string
	Result       string
	Text         string // anywhere in the names, the reason and the message, in either case
	Cursor       string // AuditPage.Next of the page before
	Limit        int    // 100 if 0, 1000 at most
}

// AuditPage is a part of the audit record, newest first.
type AuditPage struct {
	Lines []AuditLine
	Next  string // the cursor of the next page; empty after the last
}

// AuditLine is one action: its intent, and how it ended as far as that is known. Of an event that is
// complete in itself both are one row.
type AuditLine struct {
	AuditEvent           // Result, Reason, Message, HTTPStatus, DurationUS and Diff are the outcome's
	OutcomeID  string    // the row that tells how it ended
	Ended      time.Time // zero while that is not known
}

// List returns a page of the record.
func (a *Audit) List(ctx context.Context, f AuditFilter) (AuditPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = auditPageSize
	}
	limit = min(limit, auditPageMax)
	p := auditPageParams{
		Since: Micros(f.Since), Until: math.MaxInt64, BeforeTS: math.MaxInt64,
		Actor: f.Actor, Cluster: f.Cluster, Resource: f.Resource, Namespace: f.Namespace, Name: f.Name, Verb: f.Verb,
		Result: f.Result, Pattern: likePattern(f.Text), MaxRows: int32(limit) + 1,
	}
	if !f.Until.IsZero() {
		p.Until = Micros(f.Until)
	}
	if f.Cursor != "" {
		ts, id, ok := strings.Cut(f.Cursor, "_")
		n, err := strconv.ParseInt(ts, 10, 64)
		if err != nil || !ok {
			return AuditPage{}, fmt.Errorf("list the audit record: %w: %q", ErrCursor, f.Cursor)
		}
		p.BeforeTS, p.BeforeID = n, id
	}
	found, err := a.store.Read().auditPage(ctx, p)
	if err != nil {
		return AuditPage{}, fmt.Errorf("list the audit record: %w", err)
	}
	var page AuditPage
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1].AuditEvent
		page.Next = strconv.FormatInt(last.TS, 10) + "_" + last.ID
	}
	for i := range found {
		page.Lines = append(page.Lines, found[i].line())
	}
	return page, nil
}

func (r *auditPageRow) line() AuditLine {
	l := AuditLine{AuditEvent: r.AuditEvent}
	switch {
	case r.OutcomeID != "":
		l.OutcomeID, l.Ended = r.OutcomeID, Time(r.OutcomeTS)
		l.Result, l.Reason, l.Message = r.OutcomeResult, r.OutcomeReason, r.OutcomeMessage
		l.HTTPStatus, l.DurationUS, l.Diff = r.OutcomeHTTPStatus, r.OutcomeDurationUS, r.OutcomeDiff
	case l.Phase == PhaseEvent:
		l.OutcomeID, l.Ended = l.ID, Time(l.TS)
	}
	return l
}

// Entry returns one row of the record and, of an intent, the row that tells how it ended; that is nil
// if there is none.
func (a *Audit) Entry(ctx context.Context, id string) (AuditEvent, *AuditEvent, error) {
	q := a.store.Read()
	row, err := q.auditEvent(ctx, id)
	if err != nil {
		return AuditEvent{}, nil, fmt.Errorf("audit row %q: %w", id, err)
	}
	outcome, err := q.auditOutcomeOf(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return row, nil, nil
	case err != nil:
		return AuditEvent{}, nil, fmt.Errorf("outcome of audit row %q: %w", id, err)
	}
	return row, &outcome, nil
}

// likePattern makes a LIKE pattern that finds a text anywhere, with \ as the escape character.
func likePattern(text string) string {
	if text == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
