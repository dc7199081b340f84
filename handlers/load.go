package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/kube/live"
)

// How often what other replicas may have changed is read again, in case the store did not tell, and what time wears out
// is cleared.
const (
	reloadEvery     = 10 * time.Second
	checkpointEvery = time.Minute
	operationsEvery = 2 * time.Second
	expireEvery     = 10 * time.Minute
)

// look is what pages show of a cluster's record besides what the cluster itself knows.
type look struct{ db.Cluster }

// production says whether a cluster deserves a second look before anything is done to it.
func (l look) production() bool {
	return l.Colour == "red" || l.Environment == "prod" || l.Environment == "production"
}

// looks are the records of all clusters, as they were read last.
type looks struct {
	mu   sync.RWMutex
	byID map[int64]look
}

func newLooks() *looks { return &looks{byID: map[int64]look{}} }

// of returns the record of a cluster; the zero record for one that is gone.
func (l *looks) of(id int64) look {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.byID[id]
}

// all returns the records by name.
func (l *looks) all() []look {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.SortedFunc(maps.Values(l.byID), func(a, b look) int { return cmp.Compare(a.Name, b.Name) })
}

// SeedRoles makes the store's built-in roles what this program says they are.
func SeedRoles(ctx context.Context, store *db.Store, now time.Time) error {
	err := store.Write(ctx, func(q *db.Queries) error {
		for _, role := range access.BuiltInRoles() {
			rules, err := json.Marshal(role.Rules)
			if err != nil {
				return fmt.Errorf("rules of role %s: %w", role.Name, err)
			}
			err = q.PutBuiltInRole(ctx, db.RoleSpec{
				Name: role.Name, Description: role.Description, Rules: string(rules), ReadOnly: role.ReadOnly, Now: now.UnixMicro(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load roles: %w", err)
	}
	return nil
}

// Load reads rights and clusters from the store and puts them into force. The server is ready from then on.
func (s *Server) Load(ctx context.Context) error {
	if err := SeedRoles(ctx, s.store, s.now()); err != nil {
		return err
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	var err error
	s.loadOnce.Do(func() {
		err = s.interrupt(ctx, true)
		close(s.loaded)
	})
	return err
}

// Run keeps the server in step with the store until ctx ends: what other replicas changed, the audit log's checkpoints,
// sessions that are over.
func (s *Server) Run(ctx context.Context) {
	reload, checkpoint, expire := time.NewTicker(reloadEvery), time.NewTicker(checkpointEvery), time.NewTicker(expireEvery)
	defer reload.Stop()
	defer checkpoint.Stop()
	defer expire.Stop()
	changes := s.store.Changes(ctx)
	s.warnOfPrometheus(ctx)
	// Operations of other replicas are heard of only so; SQLite has none.
	var operations <-chan time.Time
	if s.store.Engine() != "sqlite" {
		tick := time.NewTicker(operationsEvery)
		defer tick.Stop()
		operations = tick.C
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-changes:
			err = s.reload(ctx)
		case <-reload.C:
			err = errors.Join(s.reload(ctx), s.interrupt(ctx, false))
		case <-checkpoint.C:
			err = s.Checkpoint(ctx)
		case <-expire.C:
			err = errors.Join(s.expire(ctx), s.history.prune(ctx, s.now()))
		case at := <-operations:
			err = s.announceOperations(ctx, at.Add(-2*operationsEvery))
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "upkeep failed, will try again", "error", err)
		}
	}
}

// Checkpoint signs the end of the audit log and writes it to the process's own log: with a copy of that log, rows that
// were cut off the end are missed.
func (s *Server) Checkpoint(ctx context.Context) error {
	point, made, err := s.store.Audit().Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("audit checkpoint: %w", err)
	}
	if made {
		s.log.InfoContext(ctx, "audit checkpoint", "checkpoint", point.String())
	}
	return nil
}

func (s *Server) expire(ctx context.Context) error {
	now := s.now()
	return s.store.Write(ctx, func(q *db.Queries) error {
		if _, err := q.ExpireSessions(ctx, now.UnixMicro(), now.Add(-sessionIdle).UnixMicro()); err != nil {
			return err
		}
		_, err := q.PruneLoginFailures(ctx, now.Add(-24*time.Hour).UnixMicro())
		return err
	})
}

// reload brings the rights and the fleet in step with the store. It is cheap when nothing changed.
func (s *Server) reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	rows, err := s.store.Read().Clusters(ctx)
	if err != nil {
		return fmt.Errorf("load clusters: %w", err)
	}
	if err := s.loadPolicy(ctx, rows); err != nil {
		return err
	}
	next := make(map[int64]look, len(rows))
	var changed []db.Cluster
	for _, row := range rows {
		old := s.looks.of(row.ID)
		next[row.ID] = look{row}
		if old.ID == 0 || old.UpdatedAt != row.UpdatedAt {
			changed = append(changed, row)
		}
	}
	s.looks.mu.Lock()
	gone := s.looks.byID
	s.looks.byID = next
	s.looks.mu.Unlock()
	for _, row := range changed {
		if err := s.set(ctx, row); err != nil {
			return err
		}
	}
	for id := range gone {
		if _, ok := next[id]; !ok {
			s.fleet.Remove(id)
			changed = append(changed, db.Cluster{})
		}
	}
	if len(changed) > 0 {
		s.hub.Publish(live.Fleet)
	}
	return nil
}

// set puts a cluster's record into the fleet. Credentials that cannot be opened make the cluster say so; they do not
// keep the others from working.
func (s *Server) set(ctx context.Context, row db.Cluster) error {
	spec := kube.Spec{
		Prometheus: s.prometheusOf(row),
		ID:         row.ID, Name: row.Name, Enabled: row.Enabled, ReadOnly: row.ReadOnly || s.cfg.ReadOnly, Source: row.Source, Last: lastState(row),
	}
	plain, err := s.store.ClusterCredentials(ctx, row.ID)
	if err == nil {
		spec.Credentials, err = kubeconfig.Unmarshal(plain)
		clear(plain)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "cluster credentials cannot be opened", "cluster", row.Name, "error", err)
		s.systemEvent(ctx, row, "credentials cannot be opened")
	}
	if err := s.fleet.Set(spec); err != nil {
		s.log.WarnContext(ctx, "cluster cannot be used", "cluster", row.Name, "error", err)
	}
	return nil
}

// systemEvent is an audit row of something that nobody did.
func (s *Server) systemEvent(ctx context.Context, row db.Cluster, message string) {
	err := s.store.Audit().Record(ctx, db.Event{
		Actor: "system", ClusterID: row.ID, Cluster: row.Name, Group: access.TigaGroup, Resource: "clusters", Name: row.Name,
		Verb: "connect", Effect: access.EffectRead.String(), Result: db.ResultFailed, Message: message,
	})
	if err != nil {
		s.metrics.lost.Inc()
		s.log.ErrorContext(ctx, "audit event not written", "error", err)
	}
}

// lastState is what was known of a cluster when it was last written down.
func lastState(row db.Cluster) kube.State {
	st := kube.State{
		Health: kube.Health(row.HealthStatus), Since: db.Time(row.HealthSince), LastContact: db.Time(row.LastConnectedAt), Version: row.Version,
		Nodes: int(row.NodeCount), Pods: int(row.PodCount),
	}
	if row.HealthStatus == string(kube.HealthUnknown) {
		return kube.State{}
	}
	var reason kinds.Message
	if json.Unmarshal([]byte(row.HealthReason), &reason) == nil {
		st.Reason = reason
	}
	return st
}

// KeepHealth returns the function that writes a cluster's health down, so that a restart shows the last known state.
func KeepHealth(store *db.Store, report func(error)) func(int64, kube.State) {
	return func(id int64, st kube.State) {
		ctx, cancel := context.WithTimeout(context.Background(), storeBudget)
		defer cancel()
		reason, err := json.Marshal(st.Reason)
		if err == nil {
			err = store.Write(ctx, func(q *db.Queries) error {
				_, err := q.UpdateClusterHealth(ctx, db.UpdateClusterHealthParams{
					ID: id, HealthStatus: string(st.Health), HealthReason: string(reason), HealthSince: db.Micros(st.Since),
					LastConnectedAt: db.Micros(st.LastContact), Version: st.Version, NodeCount: int64(st.Nodes), PodCount: int64(st.Pods),
				})
				return err
			})
		}
		if err != nil {
			report(fmt.Errorf("keep the health of cluster %d: %w", id, err))
		}
	}
}

// loadPolicy compiles the roles and bindings of the store, if their version is new.
func (s *Server) loadPolicy(ctx context.Context, clusters []db.Cluster) error {
	q := s.store.Read()
	version, err := q.PolicyVersion(ctx)
	if err != nil {
		return fmt.Errorf("load policy: %w", err)
	}
	if version == s.authority.Version() {
		return nil
	}
	spec := access.PolicySpec{Version: version, ReadOnly: s.cfg.ReadOnly, ReadOnlyClusters: map[string]bool{}}
	roles, err := q.Roles(ctx)
	if err != nil {
		return fmt.Errorf("load roles: %w", err)
	}
	for _, row := range roles {
		role := access.Role{Name: row.Name, Description: row.Description, ReadOnly: row.ReadOnly, BuiltIn: row.BuiltIn}
		if err := json.Unmarshal([]byte(row.Rules), &role.Rules); err != nil {
			return fmt.Errorf("load role %s: %w", row.Name, err)
		}
		spec.Roles = append(spec.Roles, role)
	}
	bindings, err := q.Bindings(ctx)
	if err != nil {
		return fmt.Errorf("load bindings: %w", err)
	}
	for _, b := range bindings {
		spec.Bindings = append(spec.Bindings, access.Binding{
			ID: b.ID, SubjectKind: b.SubjectKind, Subject: b.Subject, Role: b.Role, Clusters: b.Clusters, Namespaces: b.Namespaces,
			Expires: db.Time(b.ExpiresAt),
		})
	}
	for _, row := range clusters {
		if row.ReadOnly {
			spec.ReadOnlyClusters[row.Name] = true
		}
	}
	policy, err := access.NewPolicy(spec)
	if err != nil {
		return fmt.Errorf("load policy: %w", err)
	}
	s.authority.Set(policy)
	s.hub.Publish(live.Policy)
	return nil
}
