package kube

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
)

// Permits are permits to list kinds, by the kind's ID. A kind that is not in it is left out of what is shown.
type Permits map[string]access.Permit

// OverviewKinds are the kinds that Overview and Troubles read, and for which Permits are of use.
func OverviewKinds() []string { return []string{"nodes", "pods", "deployments.apps", "events"} }

// Count is how many objects have a status.
type Count struct {
	Status kinds.Status // Word and Tone; the reason is left out
	N      int
}

// Amount is how much of a resource is asked for and there.
type Amount struct {
	Requests, Limits, Allocatable float64
}

// Warning is an event that warns.
type Warning struct {
	Namespace, Name string // of the event
	Reason, Message string
	// Object is what it is about, as "pod/web-1".
	Object string
	Count  int
	Last   time.Time
}

// Section says how far a part of an overview can be believed.
type Section struct {
	// Shown is false where the permit to see the kind is missing.
	Shown     bool
	Freshness cache.Freshness
}

// Overview is one cluster in figures, from the lists in memory and as far as the permits show it.
type Overview struct {
	// Sections say by kind ID what is shown and how fresh it is.
	Sections map[string]Section
	Nodes    NodeCounts
	// Pods and Deployments by status, the worst first.
	Pods, Deployments []Count
	// CPU in cores and Memory in bytes: what pods that are not done ask for, against what the nodes offer.
	CPU, Memory Amount
	// PodSlots: Requests is the number of pods that take a place, Allocatable the number of places.
	PodSlots Amount
	// Warnings are the warning events of the last hour, the newest first.
	Warnings []Warning
}

// NodeCounts count nodes.
type NodeCounts struct{ Total, Ready int }

const (
	// recent is how long an event is news.
	recent = time.Hour
	// maxWarnings bounds the list of an overview.
	maxWarnings = 20
)

// columns finds cells by the IDs of their columns, which are looked up once for a whole list.
type columns struct{ kind *kinds.Kind }

func (c columns) index(id string) int {
	if i, ok := c.kind.Column(id); ok {
		return i
	}
	return -1
}

func cell(r *kinds.Row, i int) kinds.Cell {
	if i < 0 || i >= len(r.Cells) {
		return kinds.Cell{}
	}
	return r.Cells[i]
}

// section starts the reading of one kind.
func (c *Cluster) section(permits Permits, id string, sections map[string]Section) (*kinds.Kind, access.Permit, bool) {
	k, known := kinds.Lookup(id)
	permit, allowed := permits[id]
	if !known || !allowed || c.conn == nil || permit.Request().Verb != access.VerbList || c.reading(permit, k) != nil {
		sections[id] = Section{}
		return nil, permit, false
	}
	return k, permit, true
}

// Overview counts what is in the cluster. It reads memory only and never waits.
func (c *Cluster) Overview(permits Permits) Overview {
	o := Overview{Sections: map[string]Section{}}
	c.overviewNodes(&o, permits)
	c.overviewPods(&o, permits)
	if k, permit, ok := c.section(permits, "deployments.apps", o.Sections); ok {
		n := tally{}
		c.Each(permit, k, func(r *kinds.Row) bool { n.add(r.Status); return true })
		o.Deployments = n.counts()
		o.Sections[k.ID()] = Section{true, c.Freshness(k)}
	}
	if k, permit, ok := c.section(permits, "events", o.Sections); ok {
		c.warnings(permit, k, func(w Warning, _ *kinds.Row) { o.Warnings = append(o.Warnings, w) })
		slices.SortFunc(o.Warnings, func(a, b Warning) int {
			return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Name, b.Name))
		})
		o.Warnings = o.Warnings[:min(len(o.Warnings), maxWarnings)]
		o.Sections[k.ID()] = Section{true, c.Freshness(k)}
	}
	return o
}

func (c *Cluster) overviewNodes(o *Overview, permits Permits) {
	k, permit, ok := c.section(permits, "nodes", o.Sections)
	if !ok {
		return
	}
	col := columns{k}
	cpu, memory, pods := col.index("cpu"), col.index("memory"), col.index("pods")
	c.Each(permit, k, func(r *kinds.Row) bool {
		o.Nodes.Total++
		if strings.HasPrefix(r.Status.Word, "Ready") { // a cordoned node is ready too
			o.Nodes.Ready++
		}
		o.CPU.Allocatable += cell(r, cpu).Num
		o.Memory.Allocatable += cell(r, memory).Num
		o.PodSlots.Allocatable += cell(r, pods).Num
		return true
	})
	o.Sections[k.ID()] = Section{true, c.Freshness(k)}
}

func (c *Cluster) overviewPods(o *Overview, permits Permits) {
	k, permit, ok := c.section(permits, "pods", o.Sections)
	if !ok {
		return
	}
	col := columns{k}
	phase := col.index("phase")
	cpu, cpuLimit := col.index("cpurequest"), col.index("cpulimit")
	memory, memoryLimit := col.index("memoryrequest"), col.index("memorylimit")
	n := tally{}
	c.Each(permit, k, func(r *kinds.Row) bool {
		n.add(r.Status)
		if p := cell(r, phase).Text; p == "Succeeded" || p == "Failed" {
			return true // it is done and holds nothing any more
		}
		o.PodSlots.Requests++
		o.CPU.Requests += cell(r, cpu).Num
		o.CPU.Limits += cell(r, cpuLimit).Num
		o.Memory.Requests += cell(r, memory).Num
		o.Memory.Limits += cell(r, memoryLimit).Num
		return true
	})
	o.Pods = n.counts()
	o.Sections[k.ID()] = Section{true, c.Freshness(k)}
}

// warnings calls yield for each warning event of the last hour.
func (c *Cluster) warnings(permit access.Permit, k *kinds.Kind, yield func(Warning, *kinds.Row)) {
	col := columns{k}
	last, reason, object, text, count := col.index("lastseen"), col.index("reason"), col.index("object"), col.index("message"), col.index("count")
	since := c.cfg.Now().Add(-recent)
	c.Each(permit, k, func(r *kinds.Row) bool {
		at := time.Unix(int64(cell(r, last).Num), 0)
		if r.Status.Tone < kinds.ToneWarn || at.Before(since) {
			return true
		}
		yield(Warning{
			Namespace: r.Namespace, Name: r.Name, Reason: cell(r, reason).Text, Message: cell(r, text).Text,
			Object: cell(r, object).Text, Count: int(cell(r, count).Num), Last: at,
		}, r)
		return true
	})
}

// tally counts statuses by their word.
type tally map[string]*Count

func (t tally) add(s kinds.Status) {
	n := t[s.Word]
	if n == nil {
		n = &Count{Status: kinds.Status{Word: s.Word, Tone: s.Tone}}
		t[s.Word] = n
	}
	n.Status.Tone = max(n.Status.Tone, s.Tone)
	n.N++
}

// counts are in order: the worst first, then the most.
func (t tally) counts() []Count {
	out := make([]Count, 0, len(t))
	for _, n := range t {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Status.Tone, a.Status.Tone), cmp.Compare(b.N, a.N), cmp.Compare(a.Status.Word, b.Status.Word))
	})
	return out
}

// troubled says whether a status is one that somebody should look at.
func troubled(s kinds.Status) bool { return s.Tone >= kinds.ToneWarn }
