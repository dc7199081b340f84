-- What outlives a request: the drain of a node, the apply of many documents. A step's state is written before its effect
-- and after it, so that whoever looks after a crash sees what was done, what was not, and what nobody can tell.

-- +goose Up
CREATE TABLE operations (
    id           TEXT PRIMARY KEY, -- UUIDv7: in order of their beginning
    kind         TEXT NOT NULL,
    cluster_id   BIGINT NOT NULL, -- no reference: what was done stays known after the cluster was removed
    cluster_name TEXT NOT NULL,
    resource     TEXT NOT NULL, -- of what it is about as a whole, such as nodes; '' if of nothing in particular
    name         TEXT NOT NULL,
    parameters   TEXT NOT NULL, -- JSON; never a document of a user
    actor_id     BIGINT NOT NULL,
    actor_name   TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'stopping', 'stopped', 'done', 'failed', 'interrupted')),
    message      TEXT NOT NULL, -- JSON: id and arguments of why it ended as it did; '' if there is nothing to say
    owner        TEXT NOT NULL, -- the process that runs it
    heartbeat_at BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL, -- 0: not yet
    updated_at   BIGINT NOT NULL
);
CREATE INDEX operations_of_cluster ON operations (cluster_id, id);
CREATE INDEX operations_updated ON operations (updated_at);

CREATE TABLE operation_steps (
    operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position     BIGINT NOT NULL,
    action       TEXT NOT NULL,
    resource     TEXT NOT NULL, -- the ID of the kind
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    object_uid   TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('planned', 'running', 'done', 'skipped', 'failed', 'unknown')),
    message      TEXT NOT NULL,
    started_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL,
    PRIMARY KEY (operation_id, position)
);

-- +goose Down
DROP TABLE operation_steps;
DROP TABLE operations;
