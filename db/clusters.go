package db

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"tiga/db/seal"
)

// NewCluster is a cluster that is added.
type NewCluster struct {
	Name          string
	Enabled       bool
	IsDefault     bool
	ReadOnly      bool
	Environment   string
	Colour        string
	Description   string
	Server        string
	Context       string
	Source        string // kubeconfig, in-cluster, upload or api
	Fingerprint   string // of what was imported; empty: importing never meets this cluster
	PrometheusURL string // set by hand
	Now           int64
}

// ClusterSettings is what can be changed without giving the credentials again.
type ClusterSettings struct {
	ID          int64
	Name        string
	Enabled     bool
	ReadOnly    bool
	Environment string
	Colour      string
	Description string
	UpdatedAt   int64
}

// ClusterEndpoint is where a cluster is. It is changed together with the credentials only, so that
// stored ones are never sent to another server.
type ClusterEndpoint struct {
	ID          int64
	Server      string
	Context     string
	Source      string
	Fingerprint string
	UpdatedAt   int64
}

// Sealed is encrypted credentials on their way to a row. It has no printable form.
type Sealed struct {
	row  string
	blob []byte
}

// String keeps even the encrypted form out of messages.
func (Sealed) String() string { return redacted }

// GoString keeps it out of %#v.
func (Sealed) GoString() string { return redacted }

// LogValue keeps it out of logs.
func (Sealed) LogValue() slog.Value { return slog.StringValue(redacted) }

func credentialsPlace(row string) seal.Place {
	return seal.Place{Table: "cluster_credentials", Row: row, Column: "sealed"}
}

// Seal encrypts the credentials of a cluster for CreateCluster or SetClusterEndpoint. Each result is
// for one row.
func (s *Store) Seal(credentials []byte) (Sealed, error) {
	row := uuid.NewString()
	blob, err := s.keys.Seal(credentialsPlace(row), credentials)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal credentials: %w", err)
	}
	return Sealed{row, blob}, nil
}

// ClusterCredentials decrypts the credentials of a cluster. The caller uses them to connect and
// clears them; they are never shown.
func (s *Store) ClusterCredentials(ctx context.Context, id int64) ([]byte, error) {
	row, err := s.Read().sealedClusterCredentials(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("credentials of cluster %d: %w", id, err)
	}
	plain, err := s.keys.Open(credentialsPlace(row.RowUUID), row.Sealed)
	return plain, wrap(fmt.Sprintf("credentials of cluster %d", id), err)
}

// CreateCluster adds a cluster with its credentials. ErrConflict: the name, or what was imported, is
// there already.
func (q *Queries) CreateCluster(ctx context.Context, n NewCluster, credentials Sealed) (Cluster, error) {
	if err := q.bump(ctx); err != nil {
		return Cluster{}, err
	}
	if n.IsDefault {
		if err := q.clearDefaultCluster(ctx, n.Now); err != nil {
			return Cluster{}, fmt.Errorf("create cluster %s: %w", n.Name, err)
		}
	}
	c, err := q.insertCluster(ctx, insertClusterParams(n))
	if err != nil {
		return Cluster{}, fmt.Errorf("create cluster %s: %w", n.Name, err)
	}
	return c, wrap("create cluster "+n.Name, q.putCredentials(ctx, c.ID, credentials, n.Now))
}

// UpdateCluster changes the settings of a cluster. Rights speak of clusters by name and read-only
// mode is a matter of rights, so the policy version changes with it.
func (q *Queries) UpdateCluster(ctx context.Context, s ClusterSettings) (Cluster, error) {
	if err := q.bump(ctx); err != nil {
		return Cluster{}, err
	}
	c, err := q.updateCluster(ctx, updateClusterParams(s))
	return c, wrap("update cluster "+s.Name, err)
}

// SetClusterEndpoint changes where a cluster is, with the credentials to use there.
func (q *Queries) SetClusterEndpoint(ctx context.Context, e ClusterEndpoint, credentials Sealed) (Cluster, error) {
	if _, err := q.forgetFoundPrometheus(ctx, e.ID, e.Server); err != nil {
		return Cluster{}, fmt.Errorf("change credentials of cluster %d: %w", e.ID, err)
	}
	c, err := q.setClusterEndpoint(ctx, setClusterEndpointParams(e))
	if err != nil {
		return Cluster{}, fmt.Errorf("change credentials of cluster %d: %w", e.ID, err)
	}
	return c, wrap("change credentials of cluster "+c.Name, q.putCredentials(ctx, c.ID, credentials, e.UpdatedAt))
}

func (q *Queries) putCredentials(ctx context.Context, cluster int64, c Sealed, now int64) error {
	return q.putClusterCredentials(ctx, putClusterCredentialsParams{ClusterID: cluster, RowUUID: c.row, Sealed: c.blob, UpdatedAt: now})
}

// SetDefaultCluster makes a cluster the default one, instead of the one that was.
func (q *Queries) SetDefaultCluster(ctx context.Context, id, now int64) (Cluster, error) {
	if err := q.clearDefaultCluster(ctx, now); err != nil {
		return Cluster{}, fmt.Errorf("set default cluster: %w", err)
	}
	c, err := q.markDefaultCluster(ctx, id, now)
	return c, wrap("set default cluster", err)
}

// RemoveCluster takes a cluster away: the row stays, for the audit record and so that an import can
// leave it out; its name is free again; its credentials are gone.
func (q *Queries) RemoveCluster(ctx context.Context, id, now int64) (Cluster, error) {
	if err := q.bump(ctx); err != nil {
		return Cluster{}, err
	}
	c, err := q.softDeleteCluster(ctx, now, id)
	if err != nil {
		return Cluster{}, fmt.Errorf("remove cluster: %w", err)
	}
	_, err = q.deleteClusterCredentials(ctx, id)
	return c, wrap("remove cluster", err)
}
