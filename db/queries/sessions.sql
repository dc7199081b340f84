-- name: insertSession :one
INSERT INTO sessions (id_hash, user_id, class, top_origin, auth_method, created_at, last_seen_at, rotated_at, expires_at,
    step_up_at, policy_version, ip, user_agent, data)
VALUES (sqlc.arg(id_hash), sqlc.arg(user_id), sqlc.arg(class), sqlc.arg(top_origin), sqlc.arg(auth_method), sqlc.arg(now),
    sqlc.arg(now), sqlc.arg(now), sqlc.arg(expires_at), sqlc.arg(step_up_at), sqlc.arg(policy_version), sqlc.arg(ip),
    sqlc.arg(user_agent), sqlc.arg(data))
RETURNING *;

-- name: SessionByHash :one
-- The session that a cookie's hash stands for, now or, shortly after a rotation, until then.
SELECT * FROM sessions
WHERE (id_hash = sqlc.arg(id_hash) OR (prev_id_hash = sqlc.arg(id_hash) AND prev_valid_until > sqlc.arg(now)))
    AND expires_at > sqlc.arg(now) AND last_seen_at > sqlc.arg(idle_since);

-- name: SessionsOfUser :many
SELECT * FROM sessions WHERE user_id = $1 ORDER BY last_seen_at DESC, id DESC;

-- name: TouchSession :execrows
UPDATE sessions SET last_seen_at = sqlc.arg(now), ip = sqlc.arg(ip), policy_version = sqlc.arg(policy_version)
WHERE id = sqlc.arg(id) AND last_seen_at <= sqlc.arg(now);

-- name: RotateSession :one
-- The hash that is replaced must be the current one: of two requests that rotate at the same time
-- one finds no row and keeps the old id for the overlap.
UPDATE sessions SET prev_id_hash = id_hash, prev_valid_until = sqlc.arg(overlap_until), id_hash = sqlc.arg(new_id_hash),
    rotated_at = sqlc.arg(now), last_seen_at = sqlc.arg(now)
WHERE id_hash = sqlc.arg(id_hash)
RETURNING *;

-- name: StepUpSession :execrows
UPDATE sessions SET step_up_at = $2 WHERE id = $1;

-- name: SetSessionData :execrows
UPDATE sessions SET data = $2 WHERE id = $1;

-- name: DeleteSession :execrows
DELETE FROM sessions WHERE id = $1 AND user_id = $2;

-- name: DeleteSessionByHash :execrows
DELETE FROM sessions WHERE id_hash = $1 OR prev_id_hash = $1;

-- name: DeleteSessionsOfUser :execrows
DELETE FROM sessions WHERE user_id = $1;

-- name: DeleteOtherSessions :execrows
DELETE FROM sessions WHERE user_id = sqlc.arg(user_id) AND id <> sqlc.arg(keep_id);

-- name: deleteOldestSessions :execrows
DELETE FROM sessions AS s WHERE s.user_id = sqlc.arg(user_id) AND s.id NOT IN (
    SELECT k.id FROM sessions AS k WHERE k.user_id = sqlc.arg(user_id) ORDER BY k.last_seen_at DESC, k.id DESC LIMIT sqlc.arg(keep));

-- name: ExpireSessions :execrows
DELETE FROM sessions WHERE expires_at <= sqlc.arg(now) OR last_seen_at <= sqlc.arg(idle_since);
