-- The same tables as in ../postgres, in SQLite's words. STRICT makes SQLite refuse a value of another
-- type, as PostgreSQL does; AUTOINCREMENT never hands out an id a second time. A test compares the two.

-- +goose Up
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
INSERT INTO meta (key, value) VALUES ('policy_version', '1');

CREATE TABLE users (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    name                 TEXT NOT NULL,
    display_name         TEXT NOT NULL DEFAULT '',
    password_hash        TEXT NOT NULL DEFAULT '',
    must_change_password INTEGER NOT NULL DEFAULT FALSE,
    disabled             INTEGER NOT NULL DEFAULT FALSE,
    groups               TEXT NOT NULL DEFAULT '[]',
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    password_changed_at  INTEGER NOT NULL DEFAULT 0,
    last_login_at        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX users_name ON users (lower(name));

-- The browser holds the id, the table only its SHA-256. A rotated session keeps its row: the old
-- hash stays valid until prev_valid_until, for requests that were under way.
CREATE TABLE sessions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    id_hash          BLOB NOT NULL UNIQUE,
    prev_id_hash     BLOB UNIQUE,
    prev_valid_until INTEGER NOT NULL DEFAULT 0,
    user_id          INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    class            TEXT NOT NULL CHECK (class IN ('top', 'embedded')),
    top_origin       TEXT NOT NULL DEFAULT '',
    auth_method      TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    rotated_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    step_up_at       INTEGER NOT NULL DEFAULT 0,
    policy_version   INTEGER NOT NULL,
    ip               TEXT NOT NULL DEFAULT '',
    user_agent       TEXT NOT NULL DEFAULT '',
    data             TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE clusters (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    name              TEXT NOT NULL,
    enabled           INTEGER NOT NULL DEFAULT TRUE,
    is_default        INTEGER NOT NULL DEFAULT FALSE,
    read_only         INTEGER NOT NULL DEFAULT FALSE,
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
    health_since      INTEGER NOT NULL DEFAULT 0,
    last_connected_at INTEGER NOT NULL DEFAULT 0,
    version           TEXT NOT NULL DEFAULT '',
    node_count        INTEGER NOT NULL DEFAULT 0,
    pod_count         INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    deleted_at        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX clusters_name ON clusters (name) WHERE deleted_at = 0;
CREATE UNIQUE INDEX clusters_default ON clusters (is_default) WHERE is_default AND deleted_at = 0;
CREATE UNIQUE INDEX clusters_fingerprint ON clusters (fingerprint) WHERE fingerprint <> '' AND deleted_at = 0;

-- Sealed credentials have their own table, so that no list and no SELECT * of clusters carries
-- them. row_uuid is part of what the seal authenticates: a blob copied to another row does not open.
CREATE TABLE cluster_credentials (
    cluster_id INTEGER PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    row_uuid   TEXT NOT NULL UNIQUE,
    sealed     BLOB NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE roles (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    rules       TEXT NOT NULL DEFAULT '[]',
    read_only   INTEGER NOT NULL DEFAULT FALSE,
    built_in    INTEGER NOT NULL DEFAULT FALSE,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE bindings (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'group')),
    subject      TEXT NOT NULL,
    role         TEXT NOT NULL REFERENCES roles (name) ON UPDATE CASCADE,
    clusters     TEXT NOT NULL DEFAULT '[]',
    namespaces   TEXT NOT NULL DEFAULT '[]',
    expires_at   INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX bindings_subject ON bindings (subject_kind, subject);
CREATE INDEX bindings_role ON bindings (role);

CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash   BLOB NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    name         TEXT NOT NULL,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role         TEXT NOT NULL REFERENCES roles (name) ON UPDATE CASCADE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER NOT NULL DEFAULT 0,
    last_used_ip TEXT NOT NULL DEFAULT '',
    revoked_at   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE login_failures (
    bucket   TEXT PRIMARY KEY,
    count    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX login_failures_last ON login_failures (last_at);

CREATE TABLE audit_events (
    id               TEXT PRIMARY KEY,
    chain            INTEGER NOT NULL,
    seq              INTEGER NOT NULL,
    format           INTEGER NOT NULL,
    ts               INTEGER NOT NULL,
    phase            TEXT NOT NULL,
    parent_id        TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    actor_id         INTEGER NOT NULL,
    actor_name       TEXT NOT NULL,
    auth_method      TEXT NOT NULL,
    session_ref      TEXT NOT NULL,
    client_ip        TEXT NOT NULL,
    peer_ip          TEXT NOT NULL,
    user_agent       TEXT NOT NULL,
    cluster_id       INTEGER NOT NULL,
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
    policy_version   INTEGER NOT NULL,
    read_only        INTEGER NOT NULL,
    http_status      INTEGER NOT NULL,
    duration_us      INTEGER NOT NULL,
    diff             TEXT NOT NULL,
    key_id           TEXT NOT NULL,
    prev_hash        BLOB NOT NULL,
    hash             BLOB NOT NULL,
    UNIQUE (chain, seq)
) STRICT;
CREATE INDEX audit_events_ts ON audit_events (ts, id) WHERE phase <> 'outcome';
CREATE UNIQUE INDEX audit_events_outcome ON audit_events (parent_id) WHERE phase = 'outcome';

CREATE TABLE audit_checkpoints (
    chain     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    ts        INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    key_id    TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT;

-- The audit record is append-only, also for whoever holds the store's own connection. Retention
-- removes whole verified segments and is the only reason to drop these triggers: in one
-- transaction that drops them, deletes up to a checkpoint, and creates them again.
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'table audit_events is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'table audit_events is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'table audit_checkpoints is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'table audit_checkpoints is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_checkpoints;
DROP TABLE audit_events;
DROP TABLE login_failures;
DROP TABLE api_tokens;
DROP TABLE bindings;
DROP TABLE roles;
DROP TABLE cluster_credentials;
DROP TABLE clusters;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE meta;
