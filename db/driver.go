package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// engineConn is what both drivers' connections can do.
type engineConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

// connector stands between database/sql and a driver. It is the one place that every statement and
// every error goes through, also those of generated code: errors become the package's own here,
// and queries are counted.
type connector struct {
	open  func(context.Context) (driver.Conn, error)
	name  driver.Driver
	adapt func(error) error // never given nil, context errors or io.EOF
	stats *queryStats
}

func (c *connector) Driver() driver.Driver { return c.name }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.open(ctx)
	if err != nil {
		return nil, c.adapt(err)
	}
	inner, ok := raw.(engineConn)
	if !ok {
		_ = raw.Close()
		return nil, errors.New("the database driver lacks a method")
	}
	return &conn{engineConn: inner, c: c}, nil
}

func (c *connector) err(err error) error {
	if err == nil || errors.Is(err, driver.ErrSkip) || errors.Is(err, context.Canceled) {
		return err
	}
	return c.adapt(err)
}

type conn struct {
	engineConn
	c *connector
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	inner, err := c.engineConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.c.err(err)
	}
	return &tx{Tx: inner, c: c.c}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	start := time.Now()
	res, err := c.engineConn.ExecContext(ctx, query, args)
	c.c.stats.done(query, start, err)
	return res, c.c.err(err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	start := time.Now()
	inner, err := c.engineConn.QueryContext(ctx, query, args)
	if err != nil {
		c.c.stats.done(query, start, err)
		return nil, c.c.err(err)
	}
	return &rows{Rows: inner, c: c.c, query: query, start: start}, nil
}

func (c *conn) Ping(ctx context.Context) error { return c.c.err(c.engineConn.Ping(ctx)) }

// IsValid lets a driver give up a connection that an earlier error has spoilt.
func (c *conn) IsValid() bool {
	v, ok := c.engineConn.(driver.Validator)
	return !ok || v.IsValid()
}

// CheckNamedValue leaves the conversion of arguments to the driver, or to database/sql.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	checker, ok := c.engineConn.(driver.NamedValueChecker)
	if !ok {
		return driver.ErrSkip
	}
	// pgx takes every value as it is; what knows how to store itself must be asked first.
	if valuer, ok := v.Value.(driver.Valuer); ok {
		value, err := valuer.Value()
		if err != nil {
			return err
		}
		v.Value = value
	}
	return checker.CheckNamedValue(v)
}

type tx struct {
	driver.Tx
	c *connector
}

func (t *tx) Commit() error   { return t.c.err(t.Tx.Commit()) }
func (t *tx) Rollback() error { return t.c.err(t.Tx.Rollback()) }

type rows struct {
	driver.Rows
	c      *connector
	query  string
	start  time.Time
	failed error
}

func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	r.failed = err
	return r.c.err(err)
}

func (r *rows) Close() error {
	err := r.Rows.Close()
	r.c.stats.done(r.query, r.start, cmp.Or(r.failed, err))
	return r.c.err(err)
}

// QueryStat is what the queries of one name have cost since the store was opened. A query that
// returns rows ends when its last row was read.
type QueryStat struct {
	Name   string
	Count  int64
	Errors int64
	Total  time.Duration
	// Buckets counts the queries that took at most the QueryBuckets of the same index; longer ones are
	// in Count alone.
	Buckets [len(QueryBuckets)]int64
}

// QueryBuckets are the bounds of QueryStat.Buckets.
var QueryBuckets = [...]time.Duration{
	100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second,
}

type queryStats struct{ byName sync.Map } // name → *queryStat

type queryStat struct {
	count, errors, nanos atomic.Int64
	buckets              [len(QueryBuckets)]atomic.Int64
}

func (q *queryStats) done(query string, start time.Time, err error) {
	took := time.Since(start)
	v, ok := q.byName.Load(queryName(query))
	if !ok {
		v, _ = q.byName.LoadOrStore(queryName(query), &queryStat{})
	}
	s := v.(*queryStat) //nolint:forcetypeassert // the map holds nothing else
	s.count.Add(1)
	s.nanos.Add(int64(took))
	if err != nil {
		s.errors.Add(1)
	}
	for i := len(QueryBuckets) - 1; i >= 0 && took <= QueryBuckets[i]; i-- {
		s.buckets[i].Add(1)
	}
}

func (q *queryStats) list() []QueryStat {
	var list []QueryStat
	q.byName.Range(func(name, v any) bool {
		s := v.(*queryStat)                                                                                                          //nolint:forcetypeassert // the map holds nothing else
		stat := QueryStat{Name: name.(string), Count: s.count.Load(), Errors: s.errors.Load(), Total: time.Duration(s.nanos.Load())} //nolint:forcetypeassert // as above
		for i := range s.buckets {
			stat.Buckets[i] = s.buckets[i].Load()
		}
		list = append(list, stat)
		return true
	})
	slices.SortFunc(list, func(a, b QueryStat) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// queryName finds the name that sqlc writes into the first line of a query.
func queryName(query string) string {
	rest, ok := strings.CutPrefix(query, "-- name: ")
	if !ok {
		return "other"
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}
