package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

func appendIntent(tb testing.TB, s *db.Store, e db.Event) db.Intent {
	tb.Helper()
	return must[db.Intent](tb)(s.Audit().Append(tb.Context(), e))
}

func act(tb testing.TB, s *db.Store, e db.Event, o db.Outcome) db.Intent {
	tb.Helper()
	i := appendIntent(tb, s, e)
	if err := s.Audit().Outcome(tb.Context(), i, o); err != nil {
		tb.Fatal(err)
	}
	return i
}

func verify(tb testing.TB, s *db.Store, o db.VerifyOptions) db.Verification {
	tb.Helper()
	return must[db.Verification](tb)(s.Audit().Verify(tb.Context(), o))
}

// audit runs every query of the record; what they mean is tested by the tests below.
func audit(t *testing.T, s *db.Store) {
	i := act(t, s, scaled, db.Outcome{HTTPStatus: 200})
	appendIntent(t, s, scaled) // left open, for the next start
	if _, _, err := s.Audit().Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, s, db.VerifyOptions{}); !v.OK() || v.Rows != 3 || v.Checkpoints != 1 {
		t.Errorf("verified %+v", v)
	}
	if _, _, err := s.Audit().Entry(t.Context(), i.ID()); err != nil {
		t.Error(err)
	}
	if _, err := s.Audit().List(t.Context(), db.AuditFilter{}); err != nil {
		t.Error(err)
	}
}

func TestFR6_5_AnActionIsRecordedWithItsIntentAndOutcome(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		s := open(func(c *db.Config) { c.Now = func() time.Time { return at } })
		i := appendIntent(t, s, scaled)
		began := at
		at = at.Add(1500 * time.Millisecond)
		o := db.Outcome{Result: db.ResultFailed, Reason: "conflict", Message: "changed meanwhile", HTTPStatus: 409, ResourceVersion: "123457", Diff: "-a\n+b\n"}
		if err := s.Audit().Outcome(t.Context(), i, o); err != nil {
			t.Fatal(err)
		}
		if err := s.Audit().Outcome(t.Context(), i, o); !errors.Is(err, db.ErrConflict) {
			t.Errorf("a second outcome: %v", err)
		}
		row, outcome, err := s.Audit().Entry(t.Context(), i.ID())
		if err != nil || outcome == nil {
			t.Fatal(outcome, err)
		}
		want := db.AuditEvent{
			ID: i.ID(), Chain: 1, Seq: 1, Format: 1, TS: db.Micros(began), Phase: db.PhaseIntent, RequestID: scaled.RequestID, ActorID: 7, ActorName: "ada",
			AuthMethod: "password", SessionRef: scaled.SessionRef, ClientIP: "192.0.2.17", PeerIP: "192.0.2.1", UserAgent: scaled.UserAgent,
			ClusterID: 3, ClusterName: "production", APIGroup: "apps", Resource: "deployments", Subresource: "scale", Namespace: "web", Name: "nginx",
			ObjectUID: scaled.ObjectUID, ResourceVersion: "123456", Verb: "scale", Effect: "write", Decision: db.DecisionAllow, Result: db.ResultOpen,
			PolicyVersion: 12, HTTPStatus: 200, Diff: scaled.Diff,
		}
		hashes := cmpopts.IgnoreFields(db.AuditEvent{}, "KeyID", "PrevHash", "Hash")
		if diff := cmp.Diff(want, row, hashes); diff != "" {
			t.Errorf("intent (-want +got):\n%s", diff)
		}
		want.ID, want.Seq, want.TS, want.Phase, want.ParentID, want.Result = outcome.ID, 2, db.Micros(at), db.PhaseOutcome, i.ID(), db.ResultFailed
		want.Reason, want.Message, want.HTTPStatus, want.ResourceVersion, want.Diff, want.DurationUS = "conflict", "changed meanwhile", 409, "123457", o.Diff, 1_500_000
		if diff := cmp.Diff(want, *outcome, hashes); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
		if _, _, err := s.Audit().Entry(t.Context(), "none"); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("no such row: %v", err)
		}
	})
}

func TestAuditListFiltersAndPagesNewestFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		start := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
		at := start
		s := open(func(c *db.Config) { c.Now = func() time.Time { return at } })
		act(t, s, db.Event{Actor: "ada", Cluster: "prod", Resource: "pods", Namespace: "web", Name: "a_b", Verb: "delete"}, db.Outcome{})
		at = at.Add(time.Minute)
		act(t, s, db.Event{Actor: "Bob", Cluster: "dev", Resource: "pods", Namespace: "api", Name: "axb", Verb: "delete"}, db.Outcome{Result: db.ResultFailed, Message: "100% Forbidden"})
		at = at.Add(time.Minute)
		appendIntent(t, s, db.Event{Actor: "ada", Cluster: "dev", Resource: "deployments", Namespace: "web", Name: "nginx", Verb: "scale"})
		if err := s.Audit().Record(t.Context(), db.Event{Actor: "eve", Verb: "login", Decision: db.DecisionDeny, Result: db.ResultDenied, Reason: `bad\password`}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			filter db.AuditFilter
			want   []string
		}{
			{"everything", db.AuditFilter{}, []string{"eve denied", "ada open", "Bob failed", "ada ok"}},
			{"actor in any case", db.AuditFilter{Actor: "ADA"}, []string{"ada open", "ada ok"}},
			{"cluster", db.AuditFilter{Cluster: "dev"}, []string{"ada open", "Bob failed"}},
			{"resource", db.AuditFilter{Resource: "pods"}, []string{"Bob failed", "ada ok"}},
			{"namespace", db.AuditFilter{Namespace: "web"}, []string{"ada open", "ada ok"}},
			{"name", db.AuditFilter{Name: "nginx"}, []string{"ada open"}},
			{"verb", db.AuditFilter{Verb: "login"}, []string{"eve denied"}},
			{"result of the outcome", db.AuditFilter{Result: db.ResultOK}, []string{"ada ok"}},
			{"no result yet", db.AuditFilter{Result: db.ResultOpen}, []string{"ada open"}},
			{"denied", db.AuditFilter{Result: db.ResultDenied}, []string{"eve denied"}},
			{"since", db.AuditFilter{Since: start.Add(2 * time.Minute)}, []string{"eve denied", "ada open"}},
			{"until, without it", db.AuditFilter{Until: start.Add(time.Minute)}, []string{"ada ok"}},
			{"text in a name, in any case", db.AuditFilter{Text: "NGIN"}, []string{"ada open"}},
			{"text in the outcome", db.AuditFilter{Text: "forbidden"}, []string{"Bob failed"}},
			{"_ is no wildcard", db.AuditFilter{Text: "a_b"}, []string{"ada ok"}},
			{"% is no wildcard", db.AuditFilter{Text: "100%"}, []string{"Bob failed"}},
			{`\ is no escape`, db.AuditFilter{Text: `bad\pass`}, []string{"eve denied"}},
			{"all at once", db.AuditFilter{Actor: "ada", Cluster: "prod", Resource: "pods", Namespace: "web", Name: "a_b", Verb: "delete", Result: "ok", Text: "prod"}, []string{"ada ok"}},
			{"nothing", db.AuditFilter{Actor: "ada", Cluster: "none"}, nil},
			{"SQL is text", db.AuditFilter{Text: `' OR 1=1 --`}, nil},
		} {
			page := must[db.AuditPage](t)(s.Audit().List(t.Context(), tt.filter))
			if diff := cmp.Diff(tt.want, lines(page)); diff != "" || page.Next != "" {
				t.Errorf("%s (-want +got), next %q:\n%s", tt.name, page.Next, diff)
			}
			var paged []string // the same, a line at a time
			for f := tt.filter; ; {
				f.Limit = 1
				page := must[db.AuditPage](t)(s.Audit().List(t.Context(), f))
				paged = append(paged, lines(page)...)
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(tt.want, paged); diff != "" {
				t.Errorf("%s, paged (-want +got):\n%s", tt.name, diff)
			}
		}
		for _, cursor := range []string{"x", "1", "x_y", "_"} {
			if _, err := s.Audit().List(t.Context(), db.AuditFilter{Cursor: cursor}); !errors.Is(err, db.ErrCursor) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

func lines(p db.AuditPage) []string {
	var all []string
	for _, l := range p.Lines {
		all = append(all, l.ActorName+" "+l.Result)
		if l.Ended.IsZero() != (l.Result == db.ResultOpen) {
			all = append(all, "ended "+l.Ended.String())
		}
	}
	return all
}

// A27: what a workload author or an attacker writes into a name cannot forge a line, colour a
// terminal, or turn text around.
func TestA27_ControlCharactersAreVisibleAndLengthsBounded(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain ünïcödé 名前", "plain ünïcödé 名前"},
		{"a\r\nb", `a\r\nb`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"nul\x00", `nul\x00`},
		{"user\u202Egnp.exe", `user\u202egnp.exe`},
		{"zero\u200Bwidth\uFEFF", `zero\u200bwidth\ufeff`},
		{"wide　space", "wide　space"},
		{"line\u2028sep\u0085", `line\u2028sep\u0085`},
		{"bad\xffutf8", `bad\xffutf8`},
		{strings.Repeat("x", 40), strings.Repeat("x", 40)},
		{strings.Repeat("x", 41), strings.Repeat("x", 37) + "…"},
		{strings.Repeat("名", 14), strings.Repeat("名", 12) + "…"},
		{strings.Repeat("\n", 30), strings.Repeat(`\n`, 18) + "…"},
	} {
		if got := db.Clean(tt.in, 40); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		evil := "x\r\n\x00\x1b[2J\u202E\xfe" + strings.Repeat("y", 100_000)
		e := db.Event{
			RequestID: evil, Actor: evil, AuthMethod: evil, SessionRef: evil, ClientIP: evil, PeerIP: evil, UserAgent: evil, Cluster: evil,
			Group: evil, Resource: evil, Subresource: evil, Namespace: evil, Name: evil, ObjectUID: evil, ResourceVersion: evil, Verb: evil,
			Effect: evil, Decision: evil, Reason: evil, Message: evil, Diff: evil,
		}
		row, outcome, err := s.Audit().Entry(t.Context(), act(t, s, e, db.Outcome{Reason: evil, Message: evil, Diff: evil}).ID())
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprintf("%+v\n%+v", row, *outcome)
		if len(all) > 2*(21*256+2*1024+2*16<<10) {
			t.Errorf("%d bytes stored", len(all))
		}
		for _, bad := range []string{"\r", "\x00", "\x1b", "\u202E", "\xfe"} {
			if strings.Contains(all, bad) {
				t.Errorf("%q was stored", bad)
			}
		}
		if strings.Contains(row.Name, "\n") || !strings.Contains(row.Diff, "\n") {
			t.Error("line ends belong into a diff and nowhere else")
		}
		if v := verify(t, s, db.VerifyOptions{}); !v.OK() {
			t.Errorf("what was cleaned does not verify: %v", v.Findings)
		}
	})
}

func TestAuditRowsCannotBeChangedOrRemoved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		act(t, s, scaled, db.Outcome{})
		if _, made, err := s.Audit().Checkpoint(t.Context()); err != nil || !made {
			t.Fatal(made, err)
		}
		statements := []string{
			"UPDATE audit_events SET actor_name = 'eve'", "DELETE FROM audit_events", "DELETE FROM audit_events WHERE seq = 2",
			"UPDATE audit_checkpoints SET seq = 1", "DELETE FROM audit_checkpoints",
		}
		if s.Engine() == "postgres" {
			statements = append(statements, "TRUNCATE audit_events", "TRUNCATE audit_checkpoints")
		} else {
			statements = append(statements, "REPLACE INTO audit_checkpoints SELECT chain, seq, 0, hash, key_id, signature FROM audit_checkpoints")
		}
		for _, statement := range statements {
			if _, err := s.Writer().ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if v := verify(t, s, db.VerifyOptions{}); !v.OK() || v.Rows != 2 || v.Checkpoints != 1 {
			t.Errorf("verified %+v", v)
		}
	})
}

func TestAnIntentWithoutOutcomeIsUnknownAfterTheNextStart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		done := act(t, s, scaled, db.Outcome{})
		lost := appendIntent(t, s, scaled)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second start finds nothing to do
			s = open()
			_, outcome, err := s.Audit().Entry(t.Context(), lost.ID())
			if err != nil || outcome == nil || outcome.Result != db.ResultUnknown || outcome.Reason != "interrupted" {
				t.Errorf("outcome %+v, %v; want unknown", outcome, err)
			}
			if _, outcome, err := s.Audit().Entry(t.Context(), done.ID()); err != nil || outcome.Result != db.ResultOK {
				t.Errorf("outcome %+v, %v; want ok", outcome, err)
			}
			if v := verify(t, s, db.VerifyOptions{}); !v.OK() || v.Rows != 4 || v.Chains != 1 {
				t.Errorf("verified %+v", v)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAuditOutcomeIsWrittenThoughTheRequestIsOver(t *testing.T) {
	s := dbtest.SQLite(t)
	i := appendIntent(t, s, scaled)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Audit().Outcome(ctx, i, db.Outcome{}); err != nil {
		t.Error(err)
	}
	if _, err := s.Audit().Append(ctx, scaled); err == nil {
		t.Error("an action of a request that is over was allowed")
	}
}

func TestA27_AChainSurvivesAChangeOfTheKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		older, newer := dbtest.Key(t), dbtest.Key(t)
		with := func(r *seal.Keyring) dbtest.Option { return func(c *db.Config) { c.Keys = r } }
		s := open(with(seal.NewKeyring(older)))
		act(t, s, scaled, db.Outcome{})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(with(seal.NewKeyring(newer, older)))
		act(t, s, scaled, db.Outcome{})
		if v := verify(t, s, db.VerifyOptions{}); !v.OK() || v.Rows != 4 {
			t.Errorf("verified %+v", v)
		}
	})
}
