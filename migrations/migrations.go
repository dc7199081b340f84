// Package migrations holds the schema of the store as embedded SQL, one directory for each engine:
// identity columns and triggers are written differently, everything else is the same. A file that
// has been released is never edited.
package migrations

import (
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Table is where the version of the schema is kept.
const Table = "schema_version"

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Engine names a database that the schema is written for; it is also the name of its directory.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// New returns the provider that moves the schema of database up and down. It takes no lock: whoever
// calls it makes sure that nobody else migrates the same database meanwhile.
func New(engine Engine, database *sql.DB) (*goose.Provider, error) {
	dialect := goose.DialectSQLite3
	if engine == Postgres {
		dialect = goose.DialectPostgres
	}
	dir, err := fs.Sub(files, string(engine))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", engine, err)
	}
	p, err := goose.NewProvider(dialect, database, dir, goose.WithDisableGlobalRegistry(true), goose.WithTableName(Table))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", engine, err)
	}
	return p, nil
}
