-- Instants are BIGINT microseconds since 1970 UTC and 0 means never; JSON is TEXT; there are no
-- arrays, so that the same queries run on SQLite. sqlc reads this directory as its schema.

-- +goose Up
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
INSERT INTO meta (key, value) VALUES ('policy_version', '1');

CREATE TABLE users (
    id                   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                 TEXT NOT NULL,
    display_name         TEXT NOT NULL DEFAULT '',
    password_hash        TEXT NOT NULL DEFAULT '',
    must_change_password BOOLEAN NOT NULL DEFAULT FALSE,
    disabled             BOOLEAN NOT NULL DEFAULT FALSE,
    groups               TEXT NOT NULL DEFAULT '[]',
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    password_changed_at  BIGINT NOT NULL DEFAULT 0,
    last_login_at        BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX users_name ON users (lower(name));

-- The browser holds the id, the table only its SHA-256. A rotated session keeps its row: the old
-- hash stays valid until prev_valid_until, for requests that were under way.
CREATE TABLE sessions (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_hash          BYTEA NOT NULL UNIQUE,
    prev_id_hash     BYTEA UNIQUE,
    prev_valid_until BIGINT NOT NULL DEFAULT 0,
    user_id          BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    class            TEXT NOT NULL CHECK (class IN ('top', 'embedded')),
    top_origin       TEXT NOT NULL DEFAULT '',
    auth_method      TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL,
    rotated_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    step_up_at       BIGINT NOT NULL DEFAULT 0,
    policy_version   BIGINT NOT NULL,
    ip               TEXT NOT NULL DEFAULT '',
    user_agent       TEXT NOT NULL DEFAULT '',
    data             TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE clusters (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              TEXT NOT NULL,
    enabled           BOOLEAN NOT NULL DEFAULT TRUE,
    is_default        BOOLEAN NOT NULL DEFAULT FALSE,
    read_only         BOOLEAN NOT NULL DEFAULT FALSE,
    environment       TEXT NOT NULL DEFAULT '',
    colour            TEXT NOT NULL DEFAULT '',
    description       TEXT NOT NULL DEFAULT '',
    server            TEXT NOT NULL DEFAULT '',
    context           TEXT NOT NULL DEFAULT '',
    source            TEXT NOT NULL CHECK (source IN ('kubeconfig', 'in-cluster', 'upload', 'api')),
    fingerprint       TEXT NOT NULL DEFAULT '',
    prometheus_url    TEXT NOT NULL DEFAULT '',
    health_status     TEXT NOT NULL DEFAULT 'unknown',
    health_reason     TEXT NOT NULL DEFAULT '',
    health_since      BIGINT NOT NULL DEFAULT 0,
    last_connected_at BIGINT NOT NULL DEFAULT 0,
    version           TEXT NOT NULL DEFAULT '',
    node_count        BIGINT NOT NULL DEFAULT 0,
    pod_count         BIGINT NOT NULL DEFAULT 0,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    deleted_at        BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX clusters_name ON clusters (name) WHERE deleted_at = 0;
CREATE UNIQUE INDEX clusters_default ON clusters (is_default) WHERE is_default AND deleted_at = 0;
CREATE UNIQUE INDEX clusters_fingerprint ON clusters (fingerprint) WHERE fingerprint <> '' AND deleted_at = 0;

-- Sealed credentials have their own table, so that no list and no SELECT * of clusters carries
-- them. row_uuid is part of what the seal authenticates: a blob copied to another row does not open.
CREATE TABLE cluster_credentials (
    cluster_id BIGINT PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    row_uuid   TEXT NOT NULL UNIQUE,
    sealed     BYTEA NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE roles (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    rules       TEXT NOT NULL DEFAULT '[]',
    read_only   BOOLEAN NOT NULL DEFAULT FALSE,
    built_in    BOOLEAN NOT NULL DEFAULT FALSE,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

CREATE TABLE bindings (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group')),
    subject      TEXT NOT NULL,
    role         TEXT NOT NULL REFERENCES roles (name) ON UPDATE CASCADE,
    clusters     TEXT NOT NULL DEFAULT '[]',
    namespaces   TEXT NOT NULL DEFAULT '[]',
    expires_at   BIGINT NOT NULL DEFAULT 0,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX bindings_subject ON bindings (subject_kind, subject);
CREATE INDEX bindings_role ON bindings (role);

CREATE TABLE api_tokens (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash   BYTEA NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    name         TEXT NOT NULL,
    user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role         TEXT NOT NULL REFERENCES roles (name) ON UPDATE CASCADE,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL DEFAULT 0,
    last_used_at BIGINT NOT NULL DEFAULT 0,
    last_used_ip TEXT NOT NULL DEFAULT '',
    revoked_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE login_failures (
    bucket   TEXT PRIMARY KEY,
    count    BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
CREATE INDEX login_failures_last ON login_failures (last_at);

CREATE TABLE audit_events (
    id               TEXT PRIMARY KEY,
    chain            BIGINT NOT NULL,
    seq              BIGINT NOT NULL,
    format           BIGINT NOT NULL,
    ts               BIGINT NOT NULL,
    phase            TEXT NOT NULL,
    parent_id        TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    actor_id         BIGINT NOT NULL,
    actor_name       TEXT NOT NULL,
    auth_method      TEXT NOT NULL,
    session_ref      TEXT NOT NULL,
    client_ip        TEXT NOT NULL,
    peer_ip          TEXT NOT NULL,
    user_agent       TEXT NOT NULL,
    cluster_id       BIGINT NOT NULL,
    cluster_name     TEXT NOT NULL,
    api_group        TEXT NOT NULL,
    resource         TEXT NOT NULL,
    subresource      TEXT NOT NULL,
    namespace        TEXT NOT NULL,
    name             TEXT NOT NULL,
    object_uid       TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    verb             TEXT NOT NULL,
    effect           TEXT NOT NULL,
    decision         TEXT NOT NULL,
    result           TEXT NOT NULL,
    reason           TEXT NOT NULL,
    message          TEXT NOT NULL,
    policy_version   BIGINT NOT NULL,
    read_only        BOOLEAN NOT NULL,
    http_status      BIGINT NOT NULL,
    duration_us      BIGINT NOT NULL,
    diff             TEXT NOT NULL,
    key_id           TEXT NOT NULL,
    prev_hash        BYTEA NOT NULL,
    hash             BYTEA NOT NULL,
    UNIQUE (chain, seq)
);
CREATE INDEX audit_events_ts ON audit_events (ts, id) WHERE phase <> 'outcome';
CREATE UNIQUE INDEX audit_events_outcome ON audit_events (parent_id) WHERE phase = 'outcome';

CREATE TABLE audit_checkpoints (
    chain     BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    ts        BIGINT NOT NULL,
    hash      BYTEA NOT NULL,
    key_id    TEXT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);

-- The audit record is append-only, also for whoever holds the store's own connection. Retention
-- removes whole verified segments and is the only reason to drop these triggers: in one
-- transaction that drops them, deletes up to a checkpoint, and creates them again.
-- +goose StatementBegin
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- +goose Down
DROP TABLE audit_checkpoints;
DROP TABLE audit_events;
DROP FUNCTION audit_append_only();
DROP TABLE login_failures;
DROP TABLE api_tokens;
DROP TABLE bindings;
DROP TABLE roles;
DROP TABLE cluster_credentials;
DROP TABLE clusters;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE meta;
