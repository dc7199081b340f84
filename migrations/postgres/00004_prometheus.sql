-- How the Prometheus of a cluster was found: loadbalancer, ingress, nodeport, clusterip or proxy. Empty beside an
-- address means that somebody set it by hand.

-- +goose Up
ALTER TABLE clusters ADD COLUMN prometheus_way TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE clusters DROP COLUMN prometheus_way;
