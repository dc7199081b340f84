-- name: insertObjectChange :execrows
-- Several processes see the same change: one of them keeps it.
INSERT INTO object_changes (cluster_id, at, began_at, resource, namespace, name, object_uid, version, verb, manager, actor_id, actor_name,
    audit_id, reverts, times, field, fields, fidelity, entries)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, $17, $18)
ON CONFLICT (cluster_id, object_uid, version) DO NOTHING;

-- name: ObjectChange :one
SELECT * FROM object_changes WHERE id = $1;

-- name: objectChangeOfVersion :one
SELECT * FROM object_changes WHERE cluster_id = $1 AND object_uid = $2 AND version = $3;

-- name: latestObjectChange :one
-- The newest of an object, by name: its UID is compared by whoever asks.
SELECT * FROM object_changes
WHERE cluster_id = sqlc.arg(cluster_id) AND resource = sqlc.arg(resource) AND namespace = sqlc.arg(namespace) AND name = sqlc.arg(name)
ORDER BY at DESC, id DESC LIMIT 1;

-- name: extendObjectChange :exec
-- One more change joins a row.
UPDATE object_changes SET at = sqlc.arg(at), began_at = sqlc.arg(began_at), version = sqlc.arg(version), times = times + 1,
    fields = sqlc.arg(fields), entries = sqlc.arg(entries)
WHERE id = sqlc.arg(id);

-- name: mergeObjectChange :exec
-- The same change, told by another: what both know is kept.
UPDATE object_changes SET at = sqlc.arg(at), began_at = sqlc.arg(began_at), manager = sqlc.arg(manager), actor_id = sqlc.arg(actor_id),
    actor_name = sqlc.arg(actor_name), audit_id = sqlc.arg(audit_id), reverts = sqlc.arg(reverts), field = sqlc.arg(field),
    fields = sqlc.arg(fields), fidelity = sqlc.arg(fidelity), entries = sqlc.arg(entries)
WHERE id = sqlc.arg(id);

-- name: objectChangesPage :many
-- Newest first. An empty filter matches everything; the cursor is the time and id of the last row shown.
SELECT * FROM object_changes
WHERE cluster_id = sqlc.arg(cluster_id) AND at >= sqlc.arg(since)
    AND (at, id) < (CAST(sqlc.arg(before_at) AS BIGINT), CAST(sqlc.arg(before_id) AS BIGINT))
    AND (CAST(sqlc.arg(resource) AS TEXT) = '' OR resource = CAST(sqlc.arg(resource) AS TEXT))
    AND (CAST(sqlc.arg(namespace) AS TEXT) = '' OR namespace = CAST(sqlc.arg(namespace) AS TEXT))
    AND (CAST(sqlc.arg(name) AS TEXT) = '' OR name = CAST(sqlc.arg(name) AS TEXT))
    AND (CAST(sqlc.arg(who) AS TEXT) = '' OR lower(manager) = lower(CAST(sqlc.arg(who) AS TEXT)) OR lower(actor_name) = lower(CAST(sqlc.arg(who) AS TEXT)))
ORDER BY at DESC, id DESC
LIMIT sqlc.arg(max_rows);

-- name: objectChangesOf :many
-- Of one object and of those that had its name before.
SELECT * FROM object_changes
WHERE cluster_id = sqlc.arg(cluster_id) AND resource = sqlc.arg(resource) AND namespace = sqlc.arg(namespace) AND name = sqlc.arg(name)
    AND (at, id) < (CAST(sqlc.arg(before_at) AS BIGINT), CAST(sqlc.arg(before_id) AS BIGINT))
ORDER BY at DESC, id DESC
LIMIT sqlc.arg(max_rows);

-- name: clustersWithChanges :many
SELECT DISTINCT cluster_id FROM object_changes ORDER BY cluster_id;

-- name: pruneObjectChanges :execrows
DELETE FROM object_changes WHERE id IN (SELECT o.id FROM object_changes AS o WHERE o.at < sqlc.arg(before) ORDER BY o.at LIMIT sqlc.arg(max_rows));

-- name: trimObjectChanges :execrows
-- What is beyond the newest rows of a cluster, or beyond so many bytes.
DELETE FROM object_changes WHERE id IN (
    SELECT s.id FROM (
        SELECT o.id, row_number() OVER (ORDER BY o.at DESC, o.id DESC) AS place, sum(length(o.entries)) OVER (ORDER BY o.at DESC, o.id DESC) AS bytes
        FROM object_changes AS o WHERE o.cluster_id = sqlc.arg(cluster_id)
    ) AS s WHERE s.place > CAST(sqlc.arg(keep) AS BIGINT) OR s.bytes > CAST(sqlc.arg(keep_bytes) AS BIGINT)
    LIMIT sqlc.arg(max_rows));
