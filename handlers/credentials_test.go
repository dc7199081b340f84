package handlers

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubeconfig"
	"tiga/kube/kubetest"
)

// TestA26_NoRouteReturnsCredentials asks every route of the table, as an administrator with a session and with a token, for
// clusters whose token and client key are known, and looks for them in every answer. A route without a row in the matrix
// fails elsewhere.
func TestA26_NoRouteReturnsCredentials(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	const canary = "canary-of-the-routes-0815"
	s, other := kubetest.New(t, kubetest.Options{Token: canary}), kubetest.New(t, kubetest.Options{Objects: shopObjects()})
	cert, key := other.ClientCertificate(t, "canary", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	v := k.as(admin)
	v.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.stagingID), body(t, map[string]any{"kubeconfig": encoded(s.Kubeconfig())})).want(http.StatusOK)
	certified := other.Kubeconfig(func(c *clientcmdapi.Config) {
		c.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	})
	v.json(http.MethodPut, fmt.Sprintf("%s/%d", clusters, k.productionID), body(t, map[string]any{"kubeconfig": encoded(certified)})).want(http.StatusOK)
	secrets := append(forms(canary), forms(string(key))...)
	secrets = append(secrets, strings.Split(string(key), "\n")[1])
	look := func(where string, r *reply) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(r.body+fmt.Sprint(r.header), secret) {
				t.Errorf("%s returns credentials", where)
			}
		}
	}
	asked := 0
	for route, probes := range rightsMatrix(k) {
		method, _, _ := strings.Cut(route, " ")
		for _, p := range probes {
			for _, visitor := range []*visitor{k.as(admin), k.withToken(admin, access.RoleAdmin)} {
				asked++
				look(route, sendProbe(visitor, method, p))
				if method == http.MethodGet {
					look(route+" as a part", sendProbe(visitor, method, p, "HX-Request", "true", "HX-Request-Type", "partial"))
				}
			}
		}
	}
	if asked < 100 || len(s.Requests()) == 0 || len(other.Requests()) == 0 {
		t.Errorf("only %d routes were asked, and the clusters saw %d and %d requests", asked, len(s.Requests()), len(other.Requests()))
	}
	// What goes wrong with it tells no more: a form that comes back, a server that refuses.
	v = k.as(admin) // ten sessions are the most, and the first has made room
	wrong := url.Values{"name": {""}, "enabled": {"1"}}
	look("a form that comes back", v.post(settingPath(k.stagingID), wrong).want(http.StatusUnprocessableEntity))
	s.Script(kubetest.Status(http.StatusInternalServerError, "InternalError", "went wrong"))
	for _, path := range []string{settingPath(k.stagingID) + "/test", settingPath(k.productionID) + "/test"} {
		look(path, v.post(path, nil))
	}
	for _, path := range []string{settingsPath, settingPath(k.stagingID), settingPath(k.productionID), "/account", "/audit", "/metrics"} {
		look(path, v.get(path).want(http.StatusOK))
	}
}

// TestA26_SwappedCredentialsOpenNowhere exchanges what is sealed for two clusters in the database, as whoever can write
// there might in order to have one cluster's credentials sent to the other.
func TestA26_SwappedCredentialsOpenNowhere(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	third := kubetest.New(t, kubetest.Options{})
	k.must(k.Import(t.Context(), []kubeconfig.Context{contextOf(t, "third", third)}, "kubeconfig"))
	thirdID := k.clusterID("third")
	for _, id := range []int64{k.productionID, k.stagingID, thirdID} {
		k.healthy(id)
	}
	conn, err := sql.Open("sqlite", "file:"+k.database+"?_pragma=busy_timeout(5000)")
	k.must(err)
	t.Cleanup(func() { _ = conn.Close() })
	sealed := map[int64][]byte{k.stagingID: nil, k.productionID: nil}
	for id := range sealed {
		var blob []byte
		k.must(conn.QueryRowContext(t.Context(), "SELECT sealed FROM cluster_credentials WHERE cluster_id = ?", id).Scan(&blob))
		sealed[id] = blob
	}
	for id, other := range map[int64]int64{k.stagingID: k.productionID, k.productionID: k.stagingID} {
		_, err = conn.ExecContext(t.Context(), "UPDATE cluster_credentials SET sealed = ? WHERE cluster_id = ?", sealed[other], id)
		k.must(err)
	}
	_, err = conn.ExecContext(t.Context(), "UPDATE clusters SET updated_at = updated_at + 1")
	k.must(err)
	k.must(k.reload(t.Context()))
	k.production.Reset()
	k.staging.Reset()
	v := k.as(admin)
	for id, name := range map[int64]string{k.productionID: "production", k.stagingID: "staging"} {
		k.reaches(id, kube.HealthError)
		v.get(clusterPath(id)).want(http.StatusOK, "no usable credentials")
		v.get("/").want(http.StatusOK, "no usable credentials")
		v.post(settingPath(id)+"/test", nil).want(http.StatusOK, "The stored credentials of "+name+" cannot be opened")
		v.json(http.MethodPost, fmt.Sprintf("%s/%d/test-connection", clusters, id), "").problem(http.StatusInternalServerError, "sealed")
		rows := k.audit(db.AuditFilter{Cluster: name, Verb: "connect", Result: db.ResultFailed})
		if len(rows) != 1 || rows[0].ActorName != "system" || !strings.Contains(rows[0].Message, "cannot be opened") {
			t.Errorf("the audit log says of %s: %+v", name, rows)
		}
	}
	if n := len(k.production.Requests()) + len(k.staging.Requests()); n != 0 {
		t.Errorf("with credentials of another cluster %d requests were made", n)
	}
	// The third is not concerned, and the two work again with credentials of their own.
	v.get(clusterPath(thirdID) + "/nodes").want(http.StatusOK)
	v.post(settingPath(thirdID)+"/test", nil).want(http.StatusOK, "works")
	v.post(settingPath(k.productionID), url.Values{
		"name": {"production"}, "enabled": {"1"}, "kubeconfig": {string(fileOf("production", k.production))},
	}).want(http.StatusSeeOther)
	k.healthy(k.productionID)
}

// TestF08_AnExpiredCertificateIsSaidInWords: the pages of a cluster say that the client certificate has ended.
func TestF08_AnExpiredCertificateIsSaidInWords(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	s := kubetest.New(t, kubetest.Options{})
	end := time.Now().Add(-time.Minute)
	cert, key := s.ClientCertificate(t, "alice", time.Now().Add(-time.Hour), end)
	file := fileOf("expired", s, func(c *clientcmdapi.Config) {
		c.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	})
	// It was added while the certificate was valid.
	contexts, err := kubeconfig.Parse(file, kubeconfig.Policy{Now: end.Add(-time.Minute)})
	k.must(err)
	k.must(k.Import(t.Context(), contexts, "kubeconfig"))
	id := k.clusterID("expired")
	k.reaches(id, kube.HealthError)
	v := k.as(admin)
	says := "the client certificate ended on " + end.UTC().Truncate(time.Second).Format("2006-01-02")
	v.get(clusterPath(id)).want(http.StatusOK, says)
	v.get("/").want(http.StatusOK, says)
	v.get(clusterPath(id), "Accept-Language", "zh-CN").want(http.StatusOK, "客户端证书")
	v.json(http.MethodGet, fmt.Sprintf("%s/%d", clusters, id), "").want(http.StatusOK, says)
	// The person is signed in all the same, and the others are as they were.
	v.get(clusterPath(k.productionID)+"/pods").want(http.StatusOK, "web-1")
}
