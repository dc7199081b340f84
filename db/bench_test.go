package db_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"tiga/db"
	"tiga/db/dbtest"
)

// A typical row: scaling a deployment.
var scaled = db.Event{
	RequestID: "01J9ZK5T3N8W", ActorID: 7, Actor: "ada", AuthMethod: "password", SessionRef: "a1b2c3d4e5f60718",
	ClientIP: "192.0.2.17", PeerIP: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
	ClusterID: 3, Cluster: "production", Group: "apps", Resource: "deployments", Subresource: "scale", Namespace: "web", Name: "nginx",
	ObjectUID: "7f9b1a3e-0c9b-4b1e-9a3c-4f0c5a1d2e3f", ResourceVersion: "123456", Verb: "scale", Effect: "write",
	PolicyVersion: 12, HTTPStatus: 200, Diff: "spec:\n-  replicas: 3\n+  replicas: 5\n",
}

func engines(b *testing.B, bench func(b *testing.B, s *db.Store)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) { bench(b, dbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { bench(b, dbtest.Open(b, dbtest.PostgresURL(b))) })
}

// The price of one audited row on disk; p50 must stay under 1 ms on SQLite.
func BenchmarkAuditAppend(b *testing.B) {
	engines(b, func(b *testing.B, s *db.Store) {
		var took []time.Duration
		for b.Loop() {
			start := time.Now()
			if _, err := s.Audit().Append(b.Context(), scaled); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	})
}

// Reading and checking the record; it must do 50,000 rows a second.
func BenchmarkAuditVerify(b *testing.B) {
	const rows = 20_000
	engines(b, func(b *testing.B, s *db.Store) {
		for i := range rows {
			e := scaled
			e.Name = "nginx-" + strconv.Itoa(i)
			if _, err := s.Audit().Append(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
		b.ResetTimer()
		for range b.N {
			v, err := s.Audit().Verify(b.Context(), db.VerifyOptions{})
			if err != nil || !v.OK() || v.Rows != rows {
				b.Fatal(v, err)
			}
		}
		b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
	})
}

// A page of the record, as /audit shows it.
func BenchmarkAuditList(b *testing.B) {
	engines(b, func(b *testing.B, s *db.Store) {
		for range 5_000 {
			i, err := s.Audit().Append(b.Context(), scaled)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Audit().Outcome(b.Context(), i, db.Outcome{}); err != nil {
				b.Fatal(err)
			}
		}
		// What the server does by itself after a while: it looks at what the table holds.
		if _, err := s.Writer().ExecContext(b.Context(), "ANALYZE"); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N {
			p, err := s.Audit().List(b.Context(), db.AuditFilter{Actor: "ada"})
			if err != nil || len(p.Lines) != 100 {
				b.Fatal(len(p.Lines), err)
			}
		}
	})
}
