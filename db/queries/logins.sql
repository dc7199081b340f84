-- name: RecordLoginFailure :one
-- A series of failures that has been quiet since before quiet_since starts again at one.
INSERT INTO login_failures (bucket, count, first_at, last_at) VALUES (sqlc.arg(bucket), 1, sqlc.arg(now), sqlc.arg(now))
ON CONFLICT (bucket) DO UPDATE SET
    count = CASE WHEN login_failures.last_at < CAST(sqlc.arg(quiet_since) AS BIGINT) THEN 1 ELSE login_failures.count + 1 END,
    first_at = CASE WHEN login_failures.last_at < CAST(sqlc.arg(quiet_since) AS BIGINT) THEN excluded.first_at ELSE login_failures.first_at END,
    last_at = excluded.last_at
RETURNING *;

-- name: LoginFailures :one
SELECT * FROM login_failures WHERE bucket = $1;

-- name: ResetLoginFailures :execrows
DELETE FROM login_failures WHERE bucket = $1;

-- name: PruneLoginFailures :execrows
DELETE FROM login_failures WHERE last_at < $1;
