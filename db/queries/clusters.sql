-- name: insertCluster :one
INSERT INTO clusters (name, enabled, is_default, read_only, environment, colour, description, server, context, source,
    fingerprint, prometheus_url, created_at, updated_at)
VALUES (sqlc.arg(name), sqlc.arg(enabled), sqlc.arg(is_default), sqlc.arg(read_only), sqlc.arg(environment), sqlc.arg(colour),
    sqlc.arg(description), sqlc.arg(server), sqlc.arg(context), sqlc.arg(source), sqlc.arg(fingerprint),
    sqlc.arg(prometheus_url), sqlc.arg(now), sqlc.arg(now))
RETURNING *;

-- name: Cluster :one
SELECT * FROM clusters WHERE id = $1 AND deleted_at = 0;

-- name: ClusterByName :one
SELECT * FROM clusters WHERE name = $1 AND deleted_at = 0;

-- name: ClusterByFingerprint :one
-- Also finds a cluster that was removed, so that an import can leave it removed; one that is
-- there comes first.
SELECT * FROM clusters WHERE fingerprint = $1 AND fingerprint <> '' ORDER BY (deleted_at = 0) DESC, id DESC LIMIT 1;

-- name: DefaultCluster :one
SELECT * FROM clusters WHERE is_default AND deleted_at = 0;

-- name: Clusters :many
SELECT * FROM clusters WHERE deleted_at = 0 ORDER BY name, id;

-- name: updateCluster :one
UPDATE clusters SET name = $2, enabled = $3, read_only = $4, environment = $5, colour = $6, description = $7,
    updated_at = $8
WHERE id = $1 AND deleted_at = 0
RETURNING *;

-- name: setClusterEndpoint :one
UPDATE clusters SET server = $2, context = $3, source = $4, fingerprint = $5, updated_at = $6
WHERE id = $1 AND deleted_at = 0
RETURNING *;

-- name: forgetFoundPrometheus :execrows
-- What was found belongs to the server that it was found through.
UPDATE clusters SET prometheus_url = '', prometheus_way = ''
WHERE id = $1 AND server <> $2 AND prometheus_way <> '';

-- name: SetPrometheus :one
-- Sets an address by hand, or with an empty one takes it away again.
UPDATE clusters SET prometheus_url = $2, prometheus_way = '', updated_at = $3
WHERE id = $1 AND deleted_at = 0
RETURNING *;

-- name: FoundPrometheus :execrows
-- Keeps what a search found, or with an empty address that it found nothing. What was set by hand meanwhile stays.
UPDATE clusters SET prometheus_url = $2, prometheus_way = $3, updated_at = $4
WHERE id = $1 AND deleted_at = 0 AND (prometheus_url = '' OR prometheus_way <> '')
    AND (prometheus_url <> $2 OR prometheus_way <> $3);

-- name: clearDefaultCluster :exec
UPDATE clusters SET is_default = FALSE, updated_at = $1 WHERE is_default AND deleted_at = 0;

-- name: markDefaultCluster :one
UPDATE clusters SET is_default = TRUE, updated_at = $2 WHERE id = $1 AND deleted_at = 0
RETURNING *;

-- name: softDeleteCluster :one
UPDATE clusters SET deleted_at = sqlc.arg(now), updated_at = sqlc.arg(now), is_default = FALSE, enabled = FALSE
WHERE id = sqlc.arg(id) AND deleted_at = 0
RETURNING *;

-- name: UpdateClusterHealth :execrows
UPDATE clusters SET health_status = $2, health_reason = $3, health_since = $4, last_connected_at = $5, version = $6,
    node_count = $7, pod_count = $8
WHERE id = $1 AND deleted_at = 0;

-- name: putClusterCredentials :exec
INSERT INTO cluster_credentials (cluster_id, row_uuid, sealed, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (cluster_id) DO UPDATE SET row_uuid = excluded.row_uuid, sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: sealedClusterCredentials :one
SELECT c.* FROM cluster_credentials c JOIN clusters ON clusters.id = c.cluster_id
WHERE c.cluster_id = $1 AND clusters.deleted_at = 0;

-- name: deleteClusterCredentials :execrows
DELETE FROM cluster_credentials WHERE cluster_id = $1;
