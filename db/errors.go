package db

import (
	"database/sql"
	"errors"
)

// What can go wrong in the store, the same on both engines. The engine's own words are behind them.
var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = sql.ErrNoRows
	// ErrConflict says that a row with this name is there already, or that another row still needs
	// this one.
	ErrConflict = errors.New("conflicts with what is stored")
	// ErrBusy says that the store is there but had no time: a connection, a lock or the other side of
	// a deadlock was waited for too long. Nothing was changed; trying again may help.
	ErrBusy = errors.New("database is busy")
	// ErrUnavailable says that the database cannot be reached or does not take part any more.
	ErrUnavailable = errors.New("database is unavailable")
	// ErrFull says that there is no space left to write. Reading goes on.
	ErrFull = errors.New("database is full")
	// ErrCorrupt says that the database file, or a page of it, is damaged.
	ErrCorrupt = errors.New("database is corrupt")
	// ErrLocked says that another process has the same SQLite file open.
	ErrLocked = errors.New("database is in use by another process")
	// ErrReadOnly says that this store was opened for reading alone.
	ErrReadOnly = errors.New("database is open for reading only")
	// ErrKeys says that the keyring does not fit the database; nothing was changed in it.
	ErrKeys = errors.New("keys do not fit the database")
	// ErrCursor says that the cursor of a page is not one that the store made.
	ErrCursor = errors.New("cursor is not valid")
	// ErrNewer says that the database was written by a newer version of the program.
	ErrNewer = errors.New("database belongs to a newer version")
	// ErrLimit says that somebody keeps more, or something longer, than one user may.
	ErrLimit = errors.New("limit is reached")
	// ErrOlder says that the database needs a migration and was opened for reading alone.
	ErrOlder = errors.New("database needs a migration")
)
