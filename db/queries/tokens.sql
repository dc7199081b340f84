-- name: CreateToken :one
INSERT INTO api_tokens (token_hash, prefix, name, user_id, role, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING *;

-- name: TokenByHash :one
-- A token that may be used now, with its owner.
SELECT sqlc.embed(api_tokens), sqlc.embed(users) FROM api_tokens JOIN users ON users.id = api_tokens.user_id
WHERE api_tokens.token_hash = sqlc.arg(token_hash) AND api_tokens.revoked_at = 0
    AND (api_tokens.expires_at = 0 OR api_tokens.expires_at > sqlc.arg(now)) AND NOT users.disabled;

-- name: Tokens :many
SELECT * FROM api_tokens ORDER BY created_at DESC, id DESC;

-- name: TokensOfUser :many
SELECT * FROM api_tokens WHERE user_id = $1 ORDER BY created_at DESC, id DESC;

-- name: TouchToken :execrows
UPDATE api_tokens SET last_used_at = $2, last_used_ip = $3 WHERE id = $1;

-- name: RevokeToken :execrows
UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0;

-- name: RevokeTokensOfUser :execrows
UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at = 0;
