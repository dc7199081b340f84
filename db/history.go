package db

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// What became of an object.
const (
	ChangeCreate = "create"
	ChangeUpdate = "update"
	ChangeDelete = "delete"
	// ChangeMissed is a row that says that changes of a kind were not seen.
	ChangeMissed = "missed"
)

// How much the entries of a change tell. Of two accounts of one change the better one is kept.
const (
	FidelityWords  = 0 // a few fields, as text
	FidelitySeen   = 1 // every field, as a watch saw it
	FidelityAnswer = 2 // every field, as the API server answered to whoever made the change
)

const (
	// deletedVersion stands for the version of a deletion: an object is deleted once, whoever tells of it.
	deletedVersion = "deleted"
	// joinWithin is how far apart changes of one field by one manager may be to share a row.
	joinWithin = 10 * time.Minute
	// pruneBatch is how many rows are deleted at a time, so that others can write in between.
	pruneBatch = 500

	// changeBytes is how long the entries of a cluster's changes may be on average: a few large ones go early.
	changeBytes = 3 << 10

	changesPageSize = 100
	changesPageMax  = 500
)

// NewChange is a change of an object in a cluster.
type NewChange struct {
	ClusterID       int64
	At, Began       int64 // Began is 0 where At is the moment
	Resource        string
	Namespace, Name string
	UID, Version    string
	Verb            string
	Manager         string
	ActorID         int64
	Actor           string // of a change that was made through Tiga
	AuditID         string
	Reverts         int64
	Field           string // the one field that changed; empty if there are others
	Fields          int64
	Fidelity        int64
	Entries         []byte
	// Join makes the entries of two changes of the same field those of one. Without it a change has a row of its own.
	Join func(first, last []byte) ([]byte, error)
}

// AddChange keeps a change. One that is known already, from another process or from whoever made it, adds what is new
// about it; one that only goes on with what the same manager did to the same field a moment ago joins that row.
func (q *Queries) AddChange(ctx context.Context, c NewChange) error {
	if c.Verb == ChangeDelete {
		c.Version = deletedVersion
	}
	if c.Entries == nil {
		c.Entries = []byte{}
	}
	known, err := q.joinChange(ctx, c)
	if err != nil || known {
		return wrap("add change", err)
	}
	n, err := q.insertObjectChange(ctx, insertObjectChangeParams{
		ClusterID: c.ClusterID, At: c.At, BeganAt: c.Began, Resource: c.Resource, Namespace: c.Namespace, Name: c.Name, ObjectUID: c.UID,
		Version: c.Version, Verb: c.Verb, Manager: c.Manager, ActorID: c.ActorID, ActorName: c.Actor, AuditID: c.AuditID, Reverts: c.Reverts,
		Field: c.Field, Fields: c.Fields, Fidelity: c.Fidelity, Entries: c.Entries,
	})
	if err == nil && n == 0 {
		err = q.mergeChange(ctx, c)
	}
	return wrap("add change", err)
}

// joinChange lets a change join the newest row of its object, or finds that the row has it already.
func (q *Queries) joinChange(ctx context.Context, c NewChange) (known bool, err error) {
	if c.Join == nil || c.Actor != "" || c.Verb != ChangeUpdate || c.Field == "" || c.Manager == "" || c.Began != 0 {
		return false, nil
	}
	last, err := q.latestObjectChange(ctx, latestObjectChangeParams{ClusterID: c.ClusterID, Resource: c.Resource, Namespace: c.Namespace, Name: c.Name})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	one := last.ObjectUID == c.UID && last.Verb == ChangeUpdate && last.Manager == c.Manager && last.Field == c.Field && last.ActorName == "" &&
		(last.BeganAt == 0 || last.Times > 1)
	switch {
	case !one, c.At-last.At > joinWithin.Microseconds():
		return false, nil
	case last.Version == c.Version:
		return true, nil
	case !newer(c.Version, last.Version):
		return last.Times > 1, nil // another process has joined it already
	}
	entries, err := c.Join(last.Entries, c.Entries)
	if err != nil {
		return false, err
	}
	return true, q.extendObjectChange(ctx, extendObjectChangeParams{
		ID: last.ID, At: c.At, BeganAt: cmp.Or(last.BeganAt, last.At), Version: c.Version, Fields: c.Fields, Entries: entries,
	})
}

// newer compares resource versions, which are numbers of any size.
func newer(a, b string) bool {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) > 0
}

// mergeChange adds to the row of a change what is new about it.
func (q *Queries) mergeChange(ctx context.Context, c NewChange) error {
	old, err := q.objectChangeOfVersion(ctx, c.ClusterID, c.UID, c.Version)
	if err != nil {
		return err
	}
	p := mergeObjectChangeParams{
		ID: old.ID, At: old.At, BeganAt: old.BeganAt, Manager: cmp.Or(old.Manager, c.Manager), ActorID: cmp.Or(old.ActorID, c.ActorID),
		ActorName: cmp.Or(old.ActorName, c.Actor), AuditID: cmp.Or(old.AuditID, c.AuditID), Reverts: cmp.Or(old.Reverts, c.Reverts),
		Field: old.Field, Fields: old.Fields, Fidelity: old.Fidelity, Entries: old.Entries,
	}
	if old.BeganAt != 0 && old.Times == 1 && c.Began == 0 { // now its moment is known
		p.At, p.BeganAt = c.At, 0
	}
	if c.Fields > 0 && (c.Fidelity > old.Fidelity || old.Fields == 0) {
		p.Field, p.Fields, p.Fidelity, p.Entries = c.Field, c.Fields, c.Fidelity, c.Entries
	}
	if p.At == old.At && p.BeganAt == old.BeganAt && p.Manager == old.Manager && p.ActorID == old.ActorID && p.ActorName == old.ActorName &&
		p.AuditID == old.AuditID && p.Reverts == old.Reverts && p.Fidelity == old.Fidelity && bytes.Equal(p.Entries, old.Entries) {
		return nil
	}
	return q.mergeObjectChange(ctx, p)
}

// ChangeFilter chooses changes of a cluster. What is empty matches everything.
type ChangeFilter struct {
	Cluster         int64
	Since           time.Time
	Resource        string
	Namespace, Name string
	Who             string // the manager, or who did it through Tiga
	Cursor          string // ChangeCursor of the last row of the page before
	Limit           int    // 100 if 0, 500 at most
	// Object says that Resource, Namespace and Name are those of one object, "" included.
	Object bool
}

// ChangeCursor is where the page after a row begins.
func ChangeCursor(c ObjectChange) string {
	return strconv.FormatInt(c.At, 10) + "_" + strconv.FormatInt(c.ID, 10)
}

// Changes returns a page of changes, newest first, and whether there are more.
func (q *Queries) Changes(ctx context.Context, f ChangeFilter) (rows []ObjectChange, more bool, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = changesPageSize
	}
	limit = min(limit, changesPageMax)
	at, id := int64(math.MaxInt64), int64(0)
	if f.Cursor != "" {
		before, last, ok := strings.Cut(f.Cursor, "_")
		n, err := strconv.ParseInt(before, 10, 64)
		m, err2 := strconv.ParseInt(last, 10, 64)
		if err != nil || err2 != nil || !ok {
			return nil, false, fmt.Errorf("list changes: %w: %q", ErrCursor, f.Cursor)
		}
		at, id = n, m
	}
	if f.Object {
		rows, err = q.objectChangesOf(ctx, objectChangesOfParams{
			ClusterID: f.Cluster, Resource: f.Resource, Namespace: f.Namespace, Name: f.Name, BeforeAt: at, BeforeID: id, MaxRows: int32(limit) + 1,
		})
	} else {
		rows, err = q.objectChangesPage(ctx, objectChangesPageParams{
			ClusterID: f.Cluster, Since: Micros(f.Since), BeforeAt: at, BeforeID: id, Resource: f.Resource, Namespace: f.Namespace,
			Name: f.Name, Who: f.Who, MaxRows: int32(limit) + 1,
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("list changes: %w", err)
	}
	if len(rows) > limit {
		return rows[:limit], true, nil
	}
	return rows, false, nil
}

// ChangeLimits bound what is kept of changes.
type ChangeLimits struct {
	Life time.Duration
	Rows int // of each cluster
}

// PruneChanges deletes what is beyond the limits, a few rows at a time.
func (s *Store) PruneChanges(ctx context.Context, l ChangeLimits, now time.Time) error {
	before := Micros(now.Add(-l.Life))
	err := s.inBatches(ctx, func(q *Queries) (int64, error) { return q.pruneObjectChanges(ctx, before, pruneBatch) })
	if err != nil {
		return fmt.Errorf("prune changes: %w", err)
	}
	clusters, err := s.Read().clustersWithChanges(ctx)
	if err != nil {
		return fmt.Errorf("prune changes: %w", err)
	}
	for _, id := range clusters {
		if err := s.TrimChanges(ctx, l, id); err != nil {
			return err
		}
	}
	return nil
}

// TrimChanges deletes what is beyond the number of rows of one cluster.
func (s *Store) TrimChanges(ctx context.Context, l ChangeLimits, cluster int64) error {
	err := s.inBatches(ctx, func(q *Queries) (int64, error) {
		return q.trimObjectChanges(ctx, trimObjectChangesParams{
			ClusterID: cluster, Keep: int64(l.Rows), KeepBytes: int64(l.Rows) * changeBytes, MaxRows: pruneBatch,
		})
	})
	if err != nil {
		return fmt.Errorf("trim the changes of cluster %d: %w", cluster, err)
	}
	return nil
}

// inBatches deletes, each batch in a transaction of its own, until nothing is left.
func (s *Store) inBatches(ctx context.Context, batch func(*Queries) (int64, error)) error {
	for {
		var n int64
		err := s.Write(ctx, func(q *Queries) (err error) { n, err = batch(q); return err })
		if err != nil || n < pruneBatch {
			return err
		}
	}
}
