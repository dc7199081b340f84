package handlers

import (
	"context"
	"errors"
	"time"

	"tiga/db"
	"tiga/handlers/guard"
)

// failures keeps failed sign-ins in the store, where a restart and other replicas find them.
type failures struct{ store *db.Store }

var _ guard.LoginStore = failures{}

// Read returns the failures of a bucket; none is no error.
func (f failures) Read(ctx context.Context, bucket string) (guard.Failures, error) {
	row, err := f.store.Read().LoginFailures(ctx, bucket)
	if errors.Is(err, db.ErrNotFound) {
		return guard.Failures{}, nil
	}
	return failuresOf(row), err
}

// Record adds a failure.
func (f failures) Record(ctx context.Context, bucket string, now, quietSince time.Time) (guard.Failures, error) {
	var row db.LoginFailure
	err := f.store.Write(ctx, func(q *db.Queries) error {
		var err error
		row, err = q.RecordLoginFailure(ctx, bucket, now.UnixMicro(), quietSince.UnixMicro())
		return err
	})
	return failuresOf(row), err
}

// Reset forgets a bucket.
func (f failures) Reset(ctx context.Context, bucket string) error {
	return f.store.Write(ctx, func(q *db.Queries) error {
		_, err := q.ResetLoginFailures(ctx, bucket)
		return err
	})
}

func failuresOf(row db.LoginFailure) guard.Failures {
	return guard.Failures{Count: int(row.Count), First: db.Time(row.FirstAt), Last: db.Time(row.LastAt)}
}
