package migrations_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"tiga/db/dbtest"
	"tiga/migrations"
)

func open(t *testing.T, driver, url string) *sql.DB {
	t.Helper()
	d, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func databases(t *testing.T) map[migrations.Engine]*sql.DB {
	t.Helper()
	return map[migrations.Engine]*sql.DB{
		migrations.SQLite:   open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "tiga.db")+"?_pragma=foreign_keys(1)"),
		migrations.Postgres: open(t, "pgx", dbtest.PostgresURL(t)),
	}
}

// schema is the tables with their columns, whether they may be null, and the indexes: what queries
// can tell apart. Types differ by name, and dbtest runs every query.
func schema(t *testing.T, engine migrations.Engine, d *sql.DB) string {
	t.Helper()
	columns := `SELECT m.name || '.' || p.name || CASE WHEN p."notnull" = 1 OR p.pk > 0 THEN ' not null' ELSE '' END
		FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'schema_version'`
	indexes := `SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`
	if engine == migrations.Postgres {
		columns = `SELECT table_name || '.' || column_name || CASE WHEN is_nullable = 'NO' THEN ' not null' ELSE '' END
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_version'`
		indexes = `SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_key' AND indexname NOT LIKE '%_pkey'`
	}
	rows, err := d.QueryContext(t.Context(), "SELECT * FROM ("+columns+" UNION ALL "+indexes+") AS s (line) ORDER BY replace(line, '_', ' ')")
	if engine == migrations.SQLite {
		rows, err = d.QueryContext(t.Context(), "WITH s (line) AS ("+columns+" UNION ALL "+indexes+") SELECT line FROM s ORDER BY replace(line, '_', ' ')")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestMigrationsGoUpDownAndUpAgain(t *testing.T) {
	for engine, d := range databases(t) {
		t.Run(string(engine), func(t *testing.T) {
			p, err := migrations.New(engine, d)
			if err != nil {
				t.Fatal(err)
			}
			up := func() string {
				if _, err := p.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				return schema(t, engine, d)
			}
			first := up()
			if strings.Count(first, "\n") < 100 {
				t.Errorf("schema is only\n%s", first)
			}
			if _, err := d.ExecContext(t.Context(), "INSERT INTO audit_checkpoints VALUES (1, 1, 1, '', '', '')"); engine == migrations.Postgres && err != nil {
				t.Fatal(err)
			}
			if _, err := p.DownTo(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if left := schema(t, engine, d); left != "" {
				t.Errorf("left after going down:\n%s", left)
			}
			if diff := cmp.Diff(first, up()); diff != "" {
				t.Errorf("up again (-first +second):\n%s", diff)
			}
			if done, err := p.Up(t.Context()); err != nil || len(done) != 0 {
				t.Errorf("once more: %d migrations, %v", len(done), err)
			}
		})
	}
}

func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	schemas := map[migrations.Engine]string{}
	for engine, d := range databases(t) {
		p, err := migrations.New(engine, d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		schemas[engine] = schema(t, engine, d)
	}
	if diff := cmp.Diff(schemas[migrations.SQLite], schemas[migrations.Postgres]); diff != "" {
		t.Errorf("schema (-sqlite +postgres):\n%s", diff)
	}
}
