-- name: Meta :one
SELECT value FROM meta WHERE key = $1;

-- name: metaWithPrefix :many
SELECT * FROM meta WHERE key LIKE CAST(sqlc.arg(prefix) AS TEXT) || '%' ORDER BY key;

-- name: SetMeta :exec
INSERT INTO meta (key, value) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: PolicyVersion :one
SELECT CAST(value AS BIGINT) AS version FROM meta WHERE key = 'policy_version';

-- name: bumpPolicy :one
-- Every change of who may do what calls this in its own transaction, so that a reader of the
-- version never sees a new version with old rights. It also puts such changes in a queue: the row
-- is locked until the end of the transaction.
UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'policy_version'
RETURNING CAST(value AS BIGINT) AS version;
