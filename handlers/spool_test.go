package handlers

import (
	"database/sql"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tiga/db"
)

// holdStore keeps everybody else from writing to the store, as a backup that went wrong does; reading goes on. The
// function that it returns lets go.
func (k *kit) holdStore() (release func()) {
	k.t.Helper()
	other, err := sql.Open("sqlite", "file:"+k.database+"?_pragma=busy_timeout(5000)")
	k.must(err)
	c, err := other.Conn(k.t.Context())
	k.must(err)
	_, err = c.ExecContext(k.t.Context(), "BEGIN IMMEDIATE")
	k.must(err)
	return func() {
		k.must(c.Close())
		k.must(other.Close())
	}
}

// lost is what the process says of audit rows that it lost.
func (k *kit) lost() string {
	k.t.Helper()
	for line := range strings.Lines(k.as(admin).get("/metrics").want(http.StatusOK).body) {
		if value, ok := strings.CutPrefix(line, "tiga_audit_rows_lost_total "); ok {
			return strings.TrimSpace(value)
		}
	}
	k.t.Fatal("no metric of lost rows")
	return ""
}

func TestAuditB_RefusalsAreAnsweredWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v, worker, stranger := k.as(viewer), k.as(operator), k.anonymous()
	release := k.holdStore()
	path := clusterPath(k.productionID) + "/deployments.apps/shop/web/scale"
	k.clock.add(2 * touchEvery) // it is time to note that the session is in use, which must not keep a page away
	v.get(clusterPath(k.productionID)).want(http.StatusOK)
	for range 3 {
		v.post(path, url.Values{"replicas": {"9"}}).want(http.StatusForbidden)
	}
	// The failure cannot be counted, so nobody is let in or told anything; that it happened is kept.
	stranger.post("/login", url.Values{"username": {admin}, "password": {"guess"}}).want(http.StatusServiceUnavailable)
	if n := k.store.Stats().Spooled; n != 4 {
		t.Errorf("%d rows wait, want 4", n)
	}
	// Class A: what cannot be written down beforehand does not happen.
	worker.post(path, url.Values{"replicas": {"9"}}).want(http.StatusServiceUnavailable)
	if n := len(k.production.Changes()); n != 0 {
		t.Errorf("the cluster saw %d changes", n)
	}
	release()
	eventually(t, "the spool is brought in", func() bool { return k.store.Stats().Spooled == 0 })
	denied := k.audit(db.AuditFilter{Result: db.ResultDenied})
	if len(denied) != 4 || denied[0].Resource != "sessions" || denied[1].Resource != "deployments" {
		t.Errorf("the audit log has %d refusals: %+v", len(denied), denied)
	}
	if got := k.lost(); got != "0" {
		t.Errorf("%s rows are lost", got)
	}
}

func TestAuditB_AFullSpoolAnswersNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{open: func(c *db.Config) { c.SpoolLimit = 1 }})
	v, stranger := k.as(viewer), k.anonymous()
	release := k.holdStore()
	path := clusterPath(k.productionID) + "/deployments.apps/shop/web/scale"
	r := v.post(path, url.Values{"replicas": {"9"}}).want(http.StatusServiceUnavailable)
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	stranger.post("/login", url.Values{"username": {admin}, "password": {"guess"}}).want(http.StatusServiceUnavailable)
	release()
	v.post(path, url.Values{"replicas": {"9"}}).want(http.StatusForbidden)
	if got := k.lost(); got != "0" {
		t.Errorf("%s rows are lost", got)
	}
}
