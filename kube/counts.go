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
	if c.reading(permit, k) == nil {
		for tone, rows := range c.lists().Tally(permit, k) {
			n.Total += rows
			if troubled(kinds.Status{Tone: kinds.Tone(tone)}) { // an index of a Tally
				n.Trouble += rows
			}
		}
	}
	return n, c.Freshness(k).Synced
}
