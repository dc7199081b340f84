package db

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"tiga/db/seal"
	"tiga/migrations"
)

// A canary is a known text, sealed with a key and kept in meta. Every key that seals something has
// one, so a start with the wrong key file ends before anything is written.
const (
	canaryPrefix = "canary:"
	canaryText   = "tiga"
)

func canaryPlace(id string) seal.Place {
	return seal.Place{Table: "meta", Row: id, Column: "canary"}
}

// checkKeys opens every canary.
func (s *Store) checkKeys(ctx context.Context) error {
	there, err := s.hasTable(ctx, "meta")
	if err != nil || !there {
		return err
	}
	canaries, err := s.Read().metaWithPrefix(ctx, canaryPrefix)
	if err != nil {
		return fmt.Errorf("check the keys: %w", err)
	}
	for _, m := range canaries {
		id := strings.TrimPrefix(m.Key, canaryPrefix)
		sealed, err := base64.StdEncoding.DecodeString(m.Value)
		if err != nil {
			return fmt.Errorf("check key %s: %w: its canary is damaged", id, ErrKeys)
		}
		plain, err := s.keys.Open(canaryPlace(id), sealed)
		if err != nil || string(plain) != canaryText {
			return fmt.Errorf("check key %s: %w: give the key file that this database was used with; nothing was changed: %w", id, ErrKeys, err)
		}
	}
	return nil
}

// addCanary adds the canary of the key that seals from now on.
func (s *Store) addCanary(ctx context.Context) error {
	id := s.keys.Primary().ID().String()
	return s.Write(ctx, func(q *Queries) error {
		if _, err := q.Meta(ctx, canaryPrefix+id); !errors.Is(err, ErrNotFound) {
			return wrap("check the keys", err)
		}
		sealed, err := s.keys.Seal(canaryPlace(id), []byte(canaryText))
		if err != nil {
			return err
		}
		return wrap("add a canary", q.SetMeta(ctx, canaryPrefix+id, base64.StdEncoding.EncodeToString(sealed)))
	})
}

// checkSchema refuses a database that a newer version has written and, for reading alone, one that
// is older.
func (s *Store) checkSchema(ctx context.Context) error {
	p, err := migrations.New(s.engine, s.reader)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	latest := sources[len(sources)-1].Version
	there, err := s.hasTable(ctx, migrations.Table)
	if err != nil {
		return err
	}
	var current int64
	if there {
		if current, err = p.GetDBVersion(ctx); err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
	}
	switch {
	case current > latest:
		return fmt.Errorf("%w: its schema is %d and this program knows %d", ErrNewer, current, latest)
	case s.readOnly && current < latest:
		return fmt.Errorf("%w: its schema is %d and this program wants %d", ErrOlder, current, latest)
	}
	return nil
}

func (s *Store) hasTable(ctx context.Context, name string) (bool, error) {
	query := "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1"
	if s.engine == migrations.Postgres {
		query = "SELECT 1 WHERE to_regclass($1) IS NOT NULL"
	}
	var one int
	err := s.reader.QueryRowContext(ctx, query, name).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, wrap("look for table "+name, err)
}
