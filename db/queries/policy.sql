-- name: insertRole :one
INSERT INTO roles (name, description, rules, read_only, built_in, created_at, updated_at)
VALUES (sqlc.arg(name), sqlc.arg(description), sqlc.arg(rules), sqlc.arg(read_only), sqlc.arg(built_in), sqlc.arg(now), sqlc.arg(now))
RETURNING *;

-- name: putBuiltInRole :execrows
-- Built-in roles are what the program says they are: written again at every start, if they differ.
INSERT INTO roles (name, description, rules, read_only, built_in, created_at, updated_at)
VALUES (sqlc.arg(name), sqlc.arg(description), sqlc.arg(rules), sqlc.arg(read_only), TRUE, sqlc.arg(now), sqlc.arg(now))
ON CONFLICT (name) DO UPDATE SET description = excluded.description, rules = excluded.rules, read_only = excluded.read_only,
    built_in = TRUE, updated_at = excluded.updated_at
WHERE NOT roles.built_in OR roles.description <> excluded.description OR roles.rules <> excluded.rules
    OR roles.read_only <> excluded.read_only;

-- name: Role :one
SELECT * FROM roles WHERE name = $1;

-- name: Roles :many
SELECT * FROM roles ORDER BY built_in DESC, name;

-- name: replaceRole :one
UPDATE roles SET description = $2, rules = $3, read_only = $4, updated_at = $5 WHERE name = $1 AND NOT built_in
RETURNING *;

-- name: removeRole :execrows
DELETE FROM roles WHERE name = $1 AND NOT built_in;

-- name: insertBinding :one
INSERT INTO bindings (subject_kind, subject, role, clusters, namespaces, expires_at, created_at, updated_at)
VALUES (sqlc.arg(subject_kind), sqlc.arg(subject), sqlc.arg(role), sqlc.arg(clusters), sqlc.arg(namespaces), sqlc.arg(expires_at),
    sqlc.arg(now), sqlc.arg(now))
RETURNING *;

-- name: Binding :one
SELECT * FROM bindings WHERE id = $1;

-- name: Bindings :many
SELECT * FROM bindings ORDER BY subject_kind, subject, id;

-- name: BindingsOfSubject :many
SELECT * FROM bindings WHERE subject_kind = $1 AND lower(subject) = lower($2) ORDER BY id;

-- name: replaceBinding :one
UPDATE bindings SET role = $2, clusters = $3, namespaces = $4, expires_at = $5, updated_at = $6 WHERE id = $1
RETURNING *;

-- name: removeBinding :execrows
DELETE FROM bindings WHERE id = $1;

-- name: removeBindingsOfSubject :execrows
DELETE FROM bindings WHERE subject_kind = $1 AND lower(subject) = lower($2);
