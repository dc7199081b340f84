package db

import (
	"context"
	"database/sql"

	"tiga/db/seal"
)

// Writer lets tests reach behind the store, as an attacker or a fault would.
func (s *Store) Writer() *sql.DB { return s.writer }

// Keys is the keyring.
func (s *Store) Keys() *seal.Keyring { return s.keys }

// Reader is the pool for reading.
func (s *Store) Reader() *sql.DB { return s.reader }

// Chain is the audit chain that the store holds.
func (a *Audit) Chain() int64 { return a.chain }

// BeginChain goes on in a new chain, as another process would.
func (a *Audit) BeginChain(chain int64) {
	a.chain, a.seq, a.hash, a.known, a.checkpointed = chain, 0, make([]byte, hashBytes), true, 0
}

// LockBackend is the PostgreSQL process that holds the chain.
func (a *Audit) LockBackend(ctx context.Context) (pid int, err error) {
	err = a.lock.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}

// Canonical is the encoding of a row that is signed.
func (e *AuditEvent) Canonical() []byte { return e.canonical(nil) }

// Clean is what is done to a text before it is stored.
func Clean(s string, limit int) string { return clean(s, limit, "") }
