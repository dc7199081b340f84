-- +goose Up

-- Replicas hear at once that rights or clusters have changed. The notification says no more than that:
-- whoever hears it reads the tables. It is sent when the transaction commits, and once for each. The
-- health of a cluster, which changes all the time, leaves updated_at alone and is not told.
-- +goose StatementBegin
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tiga_changes', '');
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER meta_policy_changed AFTER UPDATE ON meta
    FOR EACH ROW WHEN (NEW.key = 'policy_version') EXECUTE FUNCTION tell_change();
CREATE TRIGGER clusters_changed AFTER INSERT OR UPDATE OF updated_at OR DELETE ON clusters
    FOR EACH STATEMENT EXECUTE FUNCTION tell_change();

-- +goose Down
DROP TRIGGER clusters_changed ON clusters;
DROP TRIGGER meta_policy_changed ON meta;
DROP FUNCTION tell_change();
