package db_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/dbtest"
)

// join puts two entries behind one another.
func join(a, b []byte) ([]byte, error) { return append(bytes.Clone(a), b...), nil }

// seenChange is what a watch saw of Deployment shop/web in cluster 7.
func seenChange(version string, at int64) db.NewChange {
	return db.NewChange{
		ClusterID: 7, At: at, Resource: "deployments.apps", Namespace: "shop", Name: "web", UID: "u1", Version: version, Verb: db.ChangeUpdate,
		Manager: "kubectl-edit", Field: "spec.replicas", Fields: 1, Fidelity: db.FidelitySeen, Entries: []byte("e" + version), Join: join,
	}
}

func add(tb testing.TB, s *db.Store, changes ...db.NewChange) {
	tb.Helper()
	write(tb, s, func(q *db.Queries) error {
		for _, c := range changes {
			if err := q.AddChange(tb.Context(), c); err != nil {
				return err
			}
		}
		return nil
	})
}

func changesOf(tb testing.TB, s *db.Store, f db.ChangeFilter) (rows []db.ObjectChange) {
	tb.Helper()
	rows, _, err := s.Read().Changes(tb.Context(), f)
	if err != nil {
		tb.Fatal(err)
	}
	return rows
}

func history(t *testing.T, s *db.Store) {
	all := db.ChangeFilter{Cluster: 7}
	first := seenChange("100", now)
	add(t, s, first, first) // the second is another process
	rows := changesOf(t, s, all)
	want := []db.ObjectChange{{
		ID: rows[0].ID, ClusterID: 7, At: now, Resource: "deployments.apps", Namespace: "shop", Name: "web", ObjectUID: "u1", Version: "100",
		Verb: db.ChangeUpdate, Manager: "kubectl-edit", Times: 1, Field: "spec.replicas", Fields: 1, Fidelity: db.FidelitySeen, Entries: []byte("e100"),
	}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Fatalf("kept (-want +got):\n%s", diff)
	}

	// Whoever made it adds who, and the better account replaces the other, in either order.
	own := seenChange("100", now+5)
	own.Actor, own.ActorID, own.AuditID, own.Manager, own.Fidelity, own.Fields, own.Field, own.Entries = "ann", 3, "a1", "tiga", db.FidelityAnswer, 2, "", []byte("both")
	add(t, s, own, first)
	rows = changesOf(t, s, all)
	if r := rows[0]; len(rows) != 1 || r.ActorName != "ann" || r.AuditID != "a1" || r.Manager != "kubectl-edit" || string(r.Entries) != "both" || r.Fields != 2 || r.At != now {
		t.Errorf("joined: %+v", rows)
	}
	words := seenChange("101", now+6)
	words.Actor, words.ActorID, words.Fidelity, words.Entries, words.Reverts = "bo", 4, db.FidelityWords, []byte("words"), rows[0].ID
	add(t, s, words, seenChange("101", now+7))
	if r := changesOf(t, s, all)[0]; r.ActorName != "bo" || string(r.Entries) != "e101" || r.At != now+6 || r.Reverts != rows[0].ID {
		t.Errorf("words replaced: %+v", r)
	}

	// The same manager and field within ten minutes is one row; a replica that is late adds nothing.
	hpa := func(version string, at int64) db.NewChange {
		c := seenChange(version, at)
		c.Manager = "hpa"
		return c
	}
	add(t, s, hpa("102", now+minute), hpa("103", now+2*minute), hpa("1010", now+3*minute), hpa("103", now+2*minute), hpa("1010", now+3*minute))
	if r := changesOf(t, s, all); len(r) != 3 || r[0].Times != 3 || r[0].BeganAt != now+minute || r[0].At != now+3*minute || string(r[0].Entries) != "e102e103e1010" {
		t.Errorf("joined: %d rows, %+v", len(r), r[0])
	}
	other := hpa("1012", now+5*minute)
	other.Field = "spec.template"
	add(t, s, other, hpa("1013", now+6*minute), hpa("1014", now+20*minute))
	if r := changesOf(t, s, all); len(r) != 6 {
		t.Errorf("%d rows, want 6: another field, and what is too late, stand by themselves", len(r))
	}

	// An interval becomes a moment when somebody knows it, and a deletion is one whoever tells.
	gap := seenChange("2000", now+40*minute)
	gap.Began, gap.Name, gap.UID = now+30*minute, "api", "u2"
	known := gap
	known.Began, known.At, known.Actor = 0, now+35*minute, "ann"
	gone := seenChange("2001", now+41*minute)
	gone.Verb, gone.Field = db.ChangeDelete, ""
	goneByUs := gone
	goneByUs.Version, goneByUs.Actor, goneByUs.Fidelity = "1999", "ann", db.FidelityWords
	add(t, s, gap, known, goneByUs, gone)
	if r := changesOf(t, s, db.ChangeFilter{Cluster: 7, Name: "api"}); len(r) != 1 || r[0].At != now+35*minute || r[0].BeganAt != 0 || r[0].ActorName != "ann" {
		t.Errorf("the moment: %+v", r)
	}
	if r := changesOf(t, s, db.ChangeFilter{Cluster: 7, Who: "ANN"}); len(r) != 3 || r[0].Verb != db.ChangeDelete || string(r[0].Entries) != "e2001" {
		t.Errorf("deleted: %+v", r)
	}

	// Filters and pages.
	secret := seenChange("3000", now+50*minute)
	secret.Resource, secret.Namespace, secret.Name, secret.UID = "secrets", "pay", "db", "u3"
	elsewhere := seenChange("1", now)
	elsewhere.ClusterID = 8
	add(t, s, secret, elsewhere)
	for name, tt := range map[string]struct {
		f    db.ChangeFilter
		want int
	}{
		"all":       {all, 9},
		"kind":      {db.ChangeFilter{Cluster: 7, Resource: "secrets"}, 1},
		"namespace": {db.ChangeFilter{Cluster: 7, Namespace: "shop"}, 8},
		"since":     {db.ChangeFilter{Cluster: 7, Since: db.Time(now + 41*minute)}, 2},
		"who":       {db.ChangeFilter{Cluster: 7, Who: "Hpa"}, 4},
		"object":    {db.ChangeFilter{Cluster: 7, Resource: "deployments.apps", Namespace: "shop", Name: "web", Object: true}, 7},
		"no object": {db.ChangeFilter{Cluster: 7, Resource: "deployments.apps", Name: "web", Object: true}, 0},
		"cluster":   {db.ChangeFilter{Cluster: 8}, 1},
	} {
		if got := len(changesOf(t, s, tt.f)); got != tt.want {
			t.Errorf("%s: %d rows, want %d", name, got, tt.want)
		}
	}
	f, pages, total := db.ChangeFilter{Cluster: 7, Limit: 4}, 0, 0
	for more := true; more; pages++ {
		var page []db.ObjectChange
		var err error
		if page, more, err = s.Read().Changes(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		total += len(page)
		f.Cursor = db.ChangeCursor(page[len(page)-1])
	}
	if pages != 3 || total != 9 {
		t.Errorf("%d rows on %d pages", total, pages)
	}
	if _, _, err := s.Read().Changes(t.Context(), db.ChangeFilter{Cluster: 7, Cursor: "x"}); !errors.Is(err, db.ErrCursor) {
		t.Errorf("a cursor that is none: %v", err)
	}
	one := changesOf(t, s, all)[0]
	if got := must[db.ObjectChange](t)(s.Read().ObjectChange(t.Context(), one.ID)); got.Version != one.Version {
		t.Errorf("one: %+v", got)
	}

	// By age, by number, and by size.
	limits := db.ChangeLimits{Life: time.Duration(10*minute) * time.Microsecond, Rows: 2}
	if err := s.PruneChanges(t.Context(), limits, db.Time(now+55*minute)); err != nil {
		t.Fatal(err)
	}
	if r := changesOf(t, s, all); len(r) != 1 || r[0].Resource != "secrets" {
		t.Errorf("after pruning: %+v", r)
	}
	for i := range 6 {
		c := seenChange(fmt.Sprint(5000+i), now+60*minute)
		c.UID, c.Join, c.Entries = fmt.Sprint("s", i), nil, make([]byte, 2<<10)
		add(t, s, c)
	}
	if err := s.TrimChanges(t.Context(), limits, 7); err != nil {
		t.Fatal(err)
	}
	if r := changesOf(t, s, all); len(r) != 2 || r[1].Version != "5004" {
		t.Errorf("after trimming: %d rows", len(r))
	}
	large := seenChange("6000", now+70*minute)
	large.UID, large.Entries = "large", make([]byte, 6<<10)
	add(t, s, large)
	if err := s.TrimChanges(t.Context(), limits, 7); err != nil {
		t.Fatal(err)
	}
	if r := changesOf(t, s, all); len(r) != 1 {
		t.Errorf("after trimming by size: %d rows", len(r))
	}
}

// 10,000 changes as large as they may be on average keep the database below 50 MB, and more do not make it larger.
func TestHistoryIsBounded(t *testing.T) {
	const rows = 10_000
	url := dbtest.SQLiteURL(t)
	s := dbtest.Open(t, url)
	limits := db.ChangeLimits{Life: 7 * 24 * time.Hour, Rows: rows}
	random := rand.NewChaCha8([32]byte{1})
	put := func(from, to int) {
		for i := from; i < to; i += 500 {
			var batch []db.NewChange
			for n := i; n < i+500; n++ {
				c := seenChange(fmt.Sprint(100000+n), now+int64(n))
				c.UID, c.Name, c.Field = fmt.Sprintf("7f9b1a3e-0c9b-4b1e-9a3c-%012d", n), strings.Repeat("n", 40), "spec.template.spec.containers[name=web].image"
				c.Entries = make([]byte, 3<<10-1)
				_, _ = random.Read(c.Entries)
				batch = append(batch, c)
			}
			add(t, s, batch...)
			if err := s.TrimChanges(t.Context(), limits, 7); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(0, rows)
	size := func() (sum int64) {
		for _, suffix := range []string{"", "-wal"} {
			if info, err := os.Stat(url + suffix); err == nil {
				sum += info.Size()
			}
		}
		return sum
	}
	before := size()
	put(rows, rows+3000)
	t.Logf("%d MB, then %d MB", before>>20, size()>>20)
	if n := len(changesOf(t, s, db.ChangeFilter{Cluster: 7, Limit: 500})); n != 500 {
		t.Errorf("%d rows on a page", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := size(); got > 50<<20 {
		t.Errorf("%d bytes, at most 50 MB", got)
	}
}
