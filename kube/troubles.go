package kube

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tiga/kube/kinds"
)

// Trouble is one thing that is wrong now. What goes wrong for many pods of one workload is one trouble.
type Trouble struct {
	// Kind, Namespace and Name are the object to look at: Kind is the ID of a kind. It may be one that is not known
	// here, and then has no page, or empty where an event does not say.
	Kind, Namespace, Name string
	Status                kinds.Status
	// Since is when it began, as far as that is known.
	Since time.Time
	// Count of Total pods are in this trouble; both are 0 where nothing was grouped. With Event, Count is how often it
	// was seen, and Total is 0.
	Count, Total int
	// Example is the name of one of the pods.
	Example string
	// Event is the name of the latest event, where the trouble is known from events only.
	Event string
}

// maxTroubles bounds what is shown of one cluster.
const maxTroubles = 100

// Troubles are what is wrong in the cluster now, the worst first, as far as the permits show it: nodes that are not
// ready, pods that crash, wait or failed, rollouts that are stuck, and warnings of the last hour about anything else. It
// reads memory only and never waits.
func (c *Cluster) Troubles(permits Permits) []Trouble {
	if c.conn == nil {
		return nil
	}
	sections := map[string]Section{}
	var out []Trouble
	for _, id := range []string{"nodes", "deployments.apps"} {
		if k, permit, ok := c.section(permits, id, sections); ok {
			c.Each(permit, k, func(r *kinds.Row) bool {
				if troubled(r.Status) {
					out = append(out, Trouble{Kind: id, Namespace: r.Namespace, Name: r.Name, Status: r.Status, Since: since(r)})
				}
				return true
			})
		}
	}
	pods := podTroubles{groups: map[groupKey]*podGroup{}}
	workload := func(string, string) (groupKey, bool) { return groupKey{}, false }
	if k, permit, ok := c.section(permits, "pods", sections); ok {
		c.Each(permit, k, func(r *kinds.Row) bool { pods.add(r); return true })
		workload = func(namespace, name string) (groupKey, bool) {
			r, ok := c.Row(permit, k, namespace, name)
			if !ok {
				return groupKey{}, false
			}
			return controllerOf(r), true
		}
	}
	// Events repeat what the statuses above say in better words, so only those about other objects are news.
	known := pods.known
	for _, t := range out {
		known = append(known, t.Namespace+"/"+t.Name)
	}
	out = append(out, pods.troubles()...)
	if k, permit, ok := c.section(permits, "events", sections); ok {
		events := eventTroubles{workload: workload, known: set(known), by: map[string]*Trouble{}}
		c.warnings(permit, k, events.add)
		for _, t := range events.by {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(b.Status.Tone, a.Status.Tone), cmp.Compare(a.rank(), b.rank()), b.Since.Compare(a.Since),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Status.Word, b.Status.Word))
	})
	return out[:min(len(out), maxTroubles)]
}

// rank orders troubles by how much depends on what is in trouble.
func (t Trouble) rank() int {
	switch {
	case t.Event != "":
		return 3
	case t.Kind == "nodes":
		return 0
	case t.Kind == "deployments.apps":
		return 1
	default:
		return 2
	}
}

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}

func since(r *kinds.Row) time.Time {
	switch {
	case r.Status.Since > 0:
		return time.Unix(r.Status.Since, 0)
	case r.Created > 0:
		return time.Unix(r.Created, 0)
	default:
		return time.Time{}
	}
}

// podTroubles groups pods by what controls them.
type podTroubles struct {
	groups map[groupKey]*podGroup
	known  []string // namespace/name of each pod in trouble
}

type groupKey struct{ namespace, kind, name string }

type podGroup struct {
	total  int
	byWord map[string]*Trouble
}

func (p *podTroubles) add(r *kinds.Row) {
	bad := troubled(r.Status)
	if !bad && len(r.Owners) == 0 {
		return // it is alone, and well
	}
	key := controllerOf(r)
	g := p.groups[key]
	if g == nil {
		g = &podGroup{}
		p.groups[key] = g
	}
	g.total++
	if !bad {
		return
	}
	p.known = append(p.known, r.Namespace+"/"+r.Name)
	if g.byWord == nil {
		g.byWord = map[string]*Trouble{}
	}
	t := g.byWord[r.Status.Word]
	if t == nil {
		t = &Trouble{Kind: key.kind, Namespace: key.namespace, Name: key.name, Status: r.Status, Since: since(r), Example: r.Name}
		g.byWord[r.Status.Word] = t
	}
	t.Count++
	if s := since(r); s.Before(t.Since) {
		t.Since, t.Example, t.Status = s, r.Name, r.Status
	}
}

func (p *podTroubles) troubles() []Trouble {
	var out []Trouble
	for _, g := range p.groups {
		for _, t := range g.byWord {
			t.Total = g.total
			out = append(out, *t)
		}
	}
	return out
}

// controllerOf is what a pod belongs to. A ReplicaSet's name is that of its Deployment and the hash which its pods carry
// as a label, so the Deployment is known without reading the ReplicaSet.
func controllerOf(r *kinds.Row) groupKey {
	for _, o := range r.Owners {
		if !o.Controller {
			continue
		}
		if o.Kind == "ReplicaSet" {
			if hash, ok := r.Label("pod-template-hash"); ok {
				if name, ok := strings.CutSuffix(o.Name, "-"+hash); ok {
					return groupKey{r.Namespace, "deployments.apps", name}
				}
			}
		}
		return groupKey{r.Namespace, kindID(o), o.Name}
	}
	return groupKey{r.Namespace, "pods", r.Name}
}

// kindID is the ID of an owner's kind. The plural is a guess that holds for every controller of pods there is.
func kindID(o kinds.Owner) string {
	for _, k := range kinds.All() {
		if k.Name == o.Kind && k.GVR.GroupVersion().String() == o.APIVersion {
			return k.ID()
		}
	}
	id := strings.ToLower(o.Kind) + "s"
	if group, _, ok := strings.Cut(o.APIVersion, "/"); ok {
		id += "." + group
	}
	return id
}

// eventTroubles groups events of the same reason about the same object, or about pods of the same workload.
type eventTroubles struct {
	workload func(namespace, pod string) (groupKey, bool) // what a pod belongs to, if it is known
	known    map[string]bool
	by       map[string]*Trouble
}

func (e *eventTroubles) add(w Warning, r *kinds.Row) {
	kind, name, _ := strings.Cut(w.Object, "/")
	about := groupKey{r.Namespace, "", name}
	if len(r.Refs) > 0 {
		about = groupKey{r.Refs[0].Namespace, r.Refs[0].Kind, r.Refs[0].Name}
	} else if kind == "node" {
		about.namespace = ""
	}
	if e.known[about.namespace+"/"+about.name] {
		return
	}
	example := ""
	if about.kind == "pods" {
		if workload, ok := e.workload(about.namespace, about.name); ok {
			about, example = workload, about.name
		}
	}
	key := about.namespace + "/" + about.kind + "/" + about.name + "/" + w.Reason
	t := e.by[key]
	if t == nil {
		t = &Trouble{Kind: about.kind, Namespace: about.namespace, Name: about.name, Since: w.Last}
		e.by[key] = t
	}
	t.Count += max(w.Count, 1)
	if !w.Last.Before(t.Since) {
		t.Since, t.Event, t.Example = w.Last, r.Name, example
		t.Status = kinds.Status{Word: w.Reason, Tone: r.Status.Tone, Reason: kinds.Message{Text: w.Message}, Since: r.Status.Since}
	}
}
