-- name: insertAuditEvent :exec
INSERT INTO audit_events (id, chain, seq, format, ts, phase, parent_id, request_id, actor_id, actor_name, auth_method,
    session_ref, client_ip, peer_ip, user_agent, cluster_id, cluster_name, api_group, resource, subresource, namespace, name,
    object_uid, resource_version, verb, effect, decision, result, reason, message, policy_version, read_only, http_status,
    duration_us, diff, key_id, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
    $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38);

-- name: auditEvent :one
SELECT * FROM audit_events WHERE id = $1;

-- name: auditOutcomeOf :one
SELECT * FROM audit_events WHERE parent_id = $1 AND phase = 'outcome';

-- name: auditHead :one
SELECT seq, hash FROM audit_events WHERE chain = $1 ORDER BY seq DESC LIMIT 1;

-- name: auditChains :many
SELECT chain, CAST(min(seq) AS BIGINT) AS first_seq, CAST(max(seq) AS BIGINT) AS last_seq FROM audit_events GROUP BY chain ORDER BY chain;

-- name: auditSegment :many
SELECT * FROM audit_events WHERE chain = $1 AND seq > sqlc.arg(after_seq) ORDER BY seq LIMIT sqlc.arg(max_rows);

-- name: auditOpenIntents :many
SELECT * FROM audit_events AS e
WHERE e.chain = sqlc.arg(chain) AND e.seq > sqlc.arg(after_seq) AND e.seq <= sqlc.arg(last_seq) AND e.phase = 'intent'
    AND NOT EXISTS (SELECT 1 FROM audit_events AS o WHERE o.parent_id = e.id AND o.phase = 'outcome')
ORDER BY e.seq;

-- name: auditPage :many
-- One line for each action, newest first: what was intended, and how it ended if that is known.
-- An empty filter matches everything; the cursor is the ts and id of the last line shown.
SELECT sqlc.embed(e), COALESCE(o.id, '') AS outcome_id, COALESCE(o.ts, 0) AS outcome_ts, COALESCE(o.result, '') AS outcome_result,
    COALESCE(o.reason, '') AS outcome_reason, COALESCE(o.message, '') AS outcome_message,
    COALESCE(o.http_status, 0) AS outcome_http_status, COALESCE(o.duration_us, 0) AS outcome_duration_us,
    COALESCE(o.diff, '') AS outcome_diff
FROM audit_events AS e LEFT JOIN audit_events AS o ON o.parent_id = e.id AND o.phase = 'outcome'
WHERE e.phase <> 'outcome'
    AND e.ts >= sqlc.arg(since) AND e.ts < sqlc.arg(until)
    AND (e.ts, e.id) < (CAST(sqlc.arg(before_ts) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
    AND (CAST(sqlc.arg(actor) AS TEXT) = '' OR lower(e.actor_name) = lower(CAST(sqlc.arg(actor) AS TEXT)))
    AND (CAST(sqlc.arg(cluster) AS TEXT) = '' OR e.cluster_name = CAST(sqlc.arg(cluster) AS TEXT))
    AND (CAST(sqlc.arg(resource) AS TEXT) = '' OR e.resource = CAST(sqlc.arg(resource) AS TEXT))
    AND (CAST(sqlc.arg(namespace) AS TEXT) = '' OR e.namespace = CAST(sqlc.arg(namespace) AS TEXT))
    AND (CAST(sqlc.arg(name) AS TEXT) = '' OR e.name = CAST(sqlc.arg(name) AS TEXT))
    AND (CAST(sqlc.arg(verb) AS TEXT) = '' OR e.verb = CAST(sqlc.arg(verb) AS TEXT))
    AND (CAST(sqlc.arg(result) AS TEXT) = '' OR COALESCE(o.result, e.result) = CAST(sqlc.arg(result) AS TEXT))
    AND (CAST(sqlc.arg(pattern) AS TEXT) = '' OR lower(e.actor_name || ' ' || e.client_ip || ' ' || e.cluster_name || ' ' || e.api_group || ' ' ||
        e.resource || ' ' || e.subresource || ' ' || e.namespace || ' ' || e.name || ' ' || e.verb || ' ' || e.reason || ' ' ||
        e.message || ' ' || e.request_id || ' ' || COALESCE(o.reason || ' ' || o.message, '')) LIKE lower(CAST(sqlc.arg(pattern) AS TEXT)) ESCAPE '\')
ORDER BY e.ts DESC, e.id DESC
LIMIT sqlc.arg(max_rows);

-- name: insertAuditCheckpoint :exec
INSERT INTO audit_checkpoints (chain, seq, ts, hash, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6);

-- name: auditCheckpoints :many
SELECT * FROM audit_checkpoints ORDER BY chain, seq;
