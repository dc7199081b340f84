package db_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

func printAll(t *testing.T, w io.Writer, values ...any) {
	t.Helper()
	for _, v := range values {
		fmt.Fprintf(w, "%v %+v %#v %s %q\n", v, v, v, v, v)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
}

// A26: a copy of the database without the key file gives nothing away: no credential in any form, and
// none of the keys.
func TestA26_TheDatabaseHoldsNoCredentialAndNoKey(t *testing.T) {
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	key, err := seal.NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	canary := "CANARY-7d1f0b3c9e5a4f68-bearer-token"
	needles := map[string][]byte{"credential": []byte(canary), "half of it": []byte(canary[:18]), "key": raw, "audit key": key.Derive("tiga audit rows", 32)}
	contains := func(where string, data []byte) {
		for what, needle := range needles {
			forms := map[string][]byte{
				"plain": needle, "hex": []byte(hex.EncodeToString(needle)), "base64": []byte(base64.RawStdEncoding.EncodeToString(needle)),
				"base64url": []byte(base64.RawURLEncoding.EncodeToString(needle)),
			}
			for form, b := range forms {
				if bytes.Contains(bytes.ToLower(data), bytes.ToLower(b)) {
					t.Errorf("%s holds the %s as %s", where, what, form)
				}
			}
		}
	}
	use := func(s *db.Store) {
		c := createCluster(t, s, newCluster("prod"), canary)
		sealed := must[db.Sealed](t)(s.Seal([]byte(canary + canary)))
		write(t, s, func(q *db.Queries) error {
			_, err := q.SetClusterEndpoint(t.Context(), db.ClusterEndpoint{ID: c.ID, Source: "upload", UpdatedAt: now}, sealed)
			return err
		})
		act(t, s, scaled, db.Outcome{})
		if got := must[[]byte](t)(s.ClusterCredentials(t.Context(), c.ID)); string(got) != canary+canary {
			t.Errorf("credentials %q", got)
		}
	}
	with := func(c *db.Config) { c.Keys = seal.NewKeyring(key) }
	t.Run("sqlite", func(t *testing.T) {
		path := dbtest.SQLiteURL(t)
		use(dbtest.Open(t, path, with))
		files := must[[]string](t)(filepath.Glob(path + "*")) // while it is open: with the write-ahead log
		names := strings.Join(files, " ")
		if !strings.Contains(names, "-wal") {
			t.Errorf("no write-ahead log among %s", names)
		}
		for _, file := range files {
			contains(filepath.Base(file), must[[]byte](t)(os.ReadFile(file)))
		}
	})
	t.Run("postgres", func(t *testing.T) {
		url := dbtest.PostgresURL(t)
		use(dbtest.Open(t, url, with))
		dump := dbtest.Dump(t, url)
		if !bytes.Contains(dump, []byte("INSERT INTO public.cluster_credentials")) {
			t.Error("the dump has no credentials at all")
		}
		contains("dump", dump)
	})
}
