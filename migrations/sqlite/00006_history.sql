-- What changed in the clusters: what was done through Tiga, and what was seen to change. Rows are pruned by age and by
-- number; the audit record is what is kept.

-- +goose Up
CREATE TABLE object_changes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_id INTEGER NOT NULL, -- no reference: a cluster that is removed takes its rows along when they are pruned
    at         INTEGER NOT NULL,
    began_at   INTEGER NOT NULL, -- 0: at is the moment. Of several changes in one row the first; of one whose moment is not known, after when
    resource   TEXT NOT NULL,   -- the ID of the kind
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,   -- '' of a row that says that changes were missed
    object_uid TEXT NOT NULL,
    version    TEXT NOT NULL,   -- the resource version that it led to; 'deleted' for a deletion, of which there is one
    verb       TEXT NOT NULL CHECK (verb IN ('create', 'update', 'delete', 'missed')),
    manager    TEXT NOT NULL,   -- who the cluster says it was; '' where it does not
    actor_id   INTEGER NOT NULL, -- 0 for what was not done through Tiga
    actor_name TEXT NOT NULL,
    audit_id   TEXT NOT NULL,   -- the row of the audit record that says so
    reverts    INTEGER NOT NULL, -- the change that was taken back by this one; 0 for none
    times      INTEGER NOT NULL, -- how many changes the row stands for
    field      TEXT NOT NULL,   -- the field that changed, where it is one
    fields     INTEGER NOT NULL, -- how many did
    fidelity   INTEGER NOT NULL, -- how much the entries tell: the better ones replace the others
    entries    BLOB NOT NULL,   -- the fields before and after, packed
    UNIQUE (cluster_id, object_uid, version)
) STRICT;
CREATE INDEX object_changes_of_cluster ON object_changes (cluster_id, at, id);
CREATE INDEX object_changes_of_object ON object_changes (cluster_id, resource, namespace, name, at, id);
CREATE INDEX object_changes_at ON object_changes (at);

-- +goose Down
DROP TABLE object_changes;
