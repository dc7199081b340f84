-- name: lockUser :execrows
-- Two changes of what one user keeps wait for each other here, so that their limits hold.
UPDATE users SET updated_at = updated_at WHERE id = $1;

-- name: Preferences :many
SELECT key, value FROM preferences WHERE user_id = $1 ORDER BY key;

-- name: countPreferences :one
-- How many others there are besides a key.
SELECT count(*) FROM preferences WHERE user_id = $1 AND key <> $2;

-- name: setPreference :exec
INSERT INTO preferences (user_id, key, value, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

-- name: DeletePreference :execrows
DELETE FROM preferences WHERE user_id = $1 AND key = $2;

-- name: Views :many
SELECT * FROM saved_views WHERE user_id = $1 ORDER BY kind, lower(name), id;

-- name: countViews :one
SELECT count(*) FROM saved_views WHERE user_id = $1;

-- name: insertView :one
INSERT INTO saved_views (user_id, kind, name, query, pinned, created_at, updated_at)
VALUES (sqlc.arg(user_id), sqlc.arg(kind), sqlc.arg(name), sqlc.arg(query), sqlc.arg(pinned), sqlc.arg(now), sqlc.arg(now))
RETURNING *;

-- name: updateView :execrows
-- A view of somebody else is one that is not there.
UPDATE saved_views SET name = sqlc.arg(name), pinned = sqlc.arg(pinned), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND user_id = sqlc.arg(user_id);

-- name: DeleteView :execrows
DELETE FROM saved_views WHERE id = $1 AND user_id = $2;
