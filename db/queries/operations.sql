-- name: insertOperation :exec
INSERT INTO operations (id, kind, cluster_id, cluster_name, resource, name, parameters, actor_id, actor_name, state, message, owner,
    heartbeat_at, started_at, ended_at, updated_at)
VALUES (sqlc.arg(id), sqlc.arg(kind), sqlc.arg(cluster_id), sqlc.arg(cluster_name), sqlc.arg(resource), sqlc.arg(name),
    sqlc.arg(parameters), sqlc.arg(actor_id), sqlc.arg(actor_name), 'running', '', sqlc.arg(owner), sqlc.arg(now), sqlc.arg(now), 0,
    sqlc.arg(now));

-- name: insertOperationStep :exec
INSERT INTO operation_steps (operation_id, position, action, resource, namespace, name, object_uid, state, message, started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'planned', '', 0, 0);

-- name: Operation :one
SELECT * FROM operations WHERE id = $1;

-- name: OperationSteps :many
SELECT * FROM operation_steps WHERE operation_id = $1 ORDER BY position;

-- name: OperationsOfCluster :many
-- The newest first.
SELECT * FROM operations WHERE cluster_id = $1 ORDER BY id DESC LIMIT sqlc.arg(max_rows);

-- name: OperationsSince :many
-- Those that any process has changed since a moment.
SELECT * FROM operations WHERE updated_at >= $1 ORDER BY updated_at, id;

-- name: countOperationsUnderWay :one
SELECT count(*) FROM operations WHERE cluster_id = $1 AND state IN ('running', 'stopping');

-- name: touchOperation :one
-- Keeps an operation of a process alive; one that another process has given up, or that has ended, is not found.
UPDATE operations SET heartbeat_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND owner = sqlc.arg(owner) AND state IN ('running', 'stopping')
RETURNING state;

-- name: markOperation :execrows
UPDATE operations SET heartbeat_at = sqlc.arg(now), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND owner = sqlc.arg(owner) AND state IN ('running', 'stopping');

-- name: setOperationStep :execrows
UPDATE operation_steps SET state = sqlc.arg(state), message = sqlc.arg(message),
    started_at = CASE WHEN started_at = 0 THEN sqlc.arg(started_at) ELSE started_at END, ended_at = sqlc.arg(ended_at)
WHERE operation_id = sqlc.arg(operation_id) AND position = sqlc.arg(position);

-- name: stopOperation :execrows
UPDATE operations SET state = 'stopping', updated_at = sqlc.arg(now) WHERE id = sqlc.arg(id) AND state = 'running';

-- name: endOperation :execrows
UPDATE operations SET state = sqlc.arg(state), message = sqlc.arg(message), ended_at = sqlc.arg(now), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND owner = sqlc.arg(owner) AND state IN ('running', 'stopping');

-- name: operationsLeft :many
-- Those under way whose process has not been heard of since a moment.
SELECT id FROM operations WHERE state IN ('running', 'stopping') AND heartbeat_at < sqlc.arg(before) ORDER BY id;

-- name: interruptOperation :execrows
UPDATE operations SET state = 'interrupted', ended_at = sqlc.arg(now), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND state IN ('running', 'stopping') AND heartbeat_at < sqlc.arg(before);

-- name: interruptSteps :exec
UPDATE operation_steps SET state = 'unknown', ended_at = sqlc.arg(now) WHERE operation_id = sqlc.arg(operation_id) AND state = 'running';

-- name: pruneOperations :execrows
DELETE FROM operations WHERE ended_at <> 0 AND ended_at < sqlc.arg(before);

-- name: trimOperations :execrows
DELETE FROM operations AS o WHERE o.cluster_id = sqlc.arg(cluster_id) AND o.ended_at <> 0 AND o.id NOT IN (
    SELECT k.id FROM operations AS k WHERE k.cluster_id = sqlc.arg(cluster_id) ORDER BY k.id DESC LIMIT sqlc.arg(keep));
