package handlers

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/db/dbtest"
	"tiga/db/seal"
)

// TestReplicasFollowAtOnce proves that rights that another process gave or took are in force long before the store is
// read again anyway.
func TestReplicasFollowAtOnce(t *testing.T) {
	t.Parallel()
	address, keys := dbtest.PostgresURL(t), seal.NewKeyring(dbtest.Key(t))
	k := newKit(t, kitConfig{empty: true, open: func(c *db.Config) { c.URL, c.Keys = address, keys }})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	began := time.Now()
	running.Go(func() { k.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	other := dbtest.Open(t, address, func(c *db.Config) { c.Keys = keys })
	v := k.as(nobody)
	v.get("/settings/clusters").want(http.StatusForbidden)
	var binding db.Binding
	k.must(other.Write(ctx, func(q *db.Queries) (err error) {
		binding, err = q.CreateBinding(ctx, db.BindingSpec{SubjectKind: access.SubjectUser, Subject: nobody, Role: access.RoleAdmin, Now: k.now().UnixMicro()})
		return err
	}))
	eventually(t, "a right that was given elsewhere is in force", func() bool { return v.get("/settings/clusters").status == http.StatusOK })
	k.must(other.Write(ctx, func(q *db.Queries) error { return q.DeleteBinding(ctx, binding.ID) }))
	eventually(t, "a right that was taken elsewhere is not in force", func() bool { return v.get("/settings/clusters").status == http.StatusForbidden })
	if took := time.Since(began); took >= reloadEvery {
		t.Errorf("it took %s, in which the store is read again without being told", took)
	}
}
