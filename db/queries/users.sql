-- name: CreateUser :one
INSERT INTO users (name, display_name, password_hash, must_change_password, groups, created_at, updated_at, password_changed_at)
VALUES (sqlc.arg(name), sqlc.arg(display_name), sqlc.arg(password_hash), sqlc.arg(must_change_password), sqlc.arg(groups),
    sqlc.arg(now), sqlc.arg(now), sqlc.arg(now))
RETURNING *;

-- name: User :one
SELECT * FROM users WHERE id = $1;

-- name: UserByName :one
-- Names are one, however they are written.
SELECT * FROM users WHERE lower(name) = lower($1);

-- name: Users :many
SELECT * FROM users ORDER BY lower(name), id;

-- name: CountUsers :one
SELECT count(*) FROM users;

-- name: CountSignedIn :one
SELECT count(*) FROM users WHERE last_login_at <> 0;

-- name: UpdateUser :one
UPDATE users SET display_name = $2, updated_at = $3 WHERE id = $1
RETURNING *;

-- name: setUserGroups :one
UPDATE users SET groups = $2, updated_at = $3 WHERE id = $1
RETURNING *;

-- name: SetPassword :one
UPDATE users SET password_hash = sqlc.arg(password_hash), must_change_password = sqlc.arg(must_change_password),
    password_changed_at = sqlc.arg(now), updated_at = sqlc.arg(now)
WHERE id = sqlc.arg(id)
RETURNING *;

-- name: Rehash :execrows
-- The same password with another hash; nothing if the password was changed meanwhile.
UPDATE users SET password_hash = sqlc.arg(new_hash) WHERE id = sqlc.arg(id) AND password_hash = sqlc.arg(old_hash);

-- name: setUserDisabled :one
UPDATE users SET disabled = $2, updated_at = $3 WHERE id = $1
RETURNING *;

-- name: touchLogin :execrows
UPDATE users SET last_login_at = $2 WHERE id = $1;

-- name: deleteUser :one
DELETE FROM users WHERE id = $1
RETURNING *;
