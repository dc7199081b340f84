package kube

import (
	"tiga/access"
	"tiga/kube/kinds"
)

// Counts are how many objects of a kind a permit shows, and how many of them are in trouble.
type Counts struct{ Total, Trouble int }

// Counts counts the objects of a kind in memory; known is false until the list is complete.
func (c *Cluster) Counts(permit access.Permit, k *kinds.Kind) (n Counts, known bool) {
	if c.conn == nil {
		return Counts{}, false
	}
	c.Each(permit, k, func(r *kinds.Row) bool {
		n.Total++
		if troubled(r.Status) {
			n.Trouble++
		}
		return true
	})
	return n, c.Freshness(k).Synced
}
