package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
)

const (
	// planBudget bounds the dry runs of a text, all in all; what was not asked by then is told as such.
	planBudget = 25 * time.Second
	// plansAtOnce is how many documents are asked about at the same time.
	plansAtOnce = 8
	kindCRDs    = "customresourcedefinitions.apiextensions.k8s.io"
)

// verdict is what would become of a document.
type verdict string

// The verdicts.
const (
	applyCreate    verdict = "create"
	applyChange    verdict = "change"
	applyUnchanged verdict = "unchanged"
	applyRefused   verdict = "refused"   // by the cluster
	applyBarred    verdict = "barred"    // by us: it is not sent
	applyConflict  verdict = "conflict"  // of field managers
	applyLater     verdict = "later"     // a document before it has to be applied first
	applyUnchecked verdict = "unchecked" // there was no time, or no answer
)

// What is done about fields that others have set.
const (
	ownAsk   = ""
	ownTake  = "take"
	ownLeave = "leave"
)

// applyInput is what somebody wants to apply, and how.
type applyInput struct {
	text      string
	namespace string // of documents that name none
	policy    string // of conflicts that nothing is chosen for
	stopAt    bool   // at the first failure
	token     string // of the form, so that it begins one operation however often it is sent
	// picks are what is done about single fields, by choiceKey.
	picks map[string]string
}

// choiceKey names a field of a document in a form.
func choiceKey(id, namespace, name, field string) string {
	return id + "/" + namespace + "/" + name + ":" + field
}

// applyDoc is one document with what is known of it.
type applyDoc struct {
	manifest.Part
	said      string // apiVersion and kind as it says them
	kind      *kinds.Kind
	namespace string
	name      string
	rank      int
	needs     []*applyDoc // that have to be applied before it: its namespace, the definition of its kind
	// definition brings the kind, where the cluster does not know it yet.
	definition *applyDoc

	verdict   verdict
	why       []kinds.Message
	causes    []kube.Cause
	conflicts []kube.FieldConflict // those as well that something was chosen for
	done      kube.Applied
	denied    error // the right that is missing
	step      int   // its place in the operation
}

// pick is what is done about a field of the document.
func (d *applyDoc) pick(in *applyInput, field string) string {
	if p, ok := in.picks[choiceKey(d.kind.ID(), d.namespace, d.name, field)]; ok && (p == ownTake || p == ownLeave) {
		return p
	}
	return in.policy
}

// applyPlan is a text taken apart, with what would become of each document. The documents are in the order of the text.
type applyPlan struct {
	docs []*applyDoc
	errs []*manifest.Error
}

func (p *applyPlan) count(vs ...verdict) (n int) {
	for _, d := range p.docs {
		if slices.Contains(vs, d.verdict) {
			n++
		}
	}
	return n
}

// sent are the documents that an operation would send, in its order: what others need first, else as the text has them.
func (p *applyPlan) sent() []*applyDoc {
	out := slices.DeleteFunc(slices.Clone(p.docs), func(d *applyDoc) bool { return d.verdict == applyBarred })
	slices.SortStableFunc(out, func(a, b *applyDoc) int { return a.rank - b.rank })
	return out
}

// ranks is the order of kinds: what others refer to or are bounded by comes before them, what intercepts requests last.
var ranks = map[string]int{
	"Namespace": 0, "CustomResourceDefinition": 0,
	"PriorityClass": 1, "RuntimeClass": 1, "StorageClass": 1, "IngressClass": 1, "GatewayClass": 1, "VolumeSnapshotClass": 1,
	"ServiceAccount": 2, "Secret": 2, "ConfigMap": 2, "ResourceQuota": 2, "LimitRange": 2, "NetworkPolicy": 2, "PodDisruptionBudget": 2,
	"ClusterRole": 2, "Role": 2, "PersistentVolume": 2,
	"ClusterRoleBinding": 3, "RoleBinding": 3, "PersistentVolumeClaim": 3, "Service": 3,
	"HorizontalPodAutoscaler": 5, "Ingress": 5,
	"APIService": 7, "MutatingWebhookConfiguration": 7, "ValidatingWebhookConfiguration": 7, "MutatingAdmissionPolicy": 7,
	"ValidatingAdmissionPolicy": 7, "MutatingAdmissionPolicyBinding": 7, "ValidatingAdmissionPolicyBinding": 7,
}

const (
	rankWorkloads = 4
	rankCustom    = 6
)

func rankOf(k *kinds.Kind) int {
	if rank, ok := ranks[k.Name]; ok && !k.Custom {
		return rank
	}
	if k.Custom || k.Install != "" {
		return rankCustom
	}
	return rankWorkloads
}

// planApply takes a text apart and asks the cluster what would become of each document. Nothing is sent for a document
// that the subject may not apply.
func (s *Server) planApply(r *http.Request, in *applyInput) *applyPlan {
	plan := s.readApply(r, in)
	ctx, cancel := context.WithTimeout(r.Context(), planBudget)
	defer cancel()
	slots := make(chan struct{}, plansAtOnce)
	var wait sync.WaitGroup
	for _, d := range plan.docs {
		if d.verdict != "" {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			s.tryApply(ctx, r, in, d)
		})
	}
	wait.Wait()
	return plan
}

// readApply takes a text apart, finds the kinds and asks for the rights. Nothing but discovery is sent.
func (s *Server) readApply(r *http.Request, in *applyInput) *applyPlan {
	parts, errs := s.manifests.ReadStream([]byte(in.text))
	plan := &applyPlan{errs: errs}
	for _, part := range parts {
		plan.docs = append(plan.docs, &applyDoc{Part: part})
	}
	defined := map[string]*definition{} // by group and kind
	made := map[string]*applyDoc{}      // the namespaces of the text
	for _, d := range plan.docs {
		versions := kube.DefinesKind(d.Doc.Tree)
		for _, k := range versions {
			defined[k.GVR.Group+"/"+k.Name] = &definition{d, versions}
		}
		if tree := d.Doc.Tree; tree["kind"] == "Namespace" && tree["apiVersion"] == "v1" {
			made[nameIn(tree)] = d
		}
	}
	seen := map[string]*applyDoc{}
	found := map[string]foundKind{}
	for _, d := range plan.docs {
		s.identify(r, in, d, defined, made, found)
		if d.verdict != "" {
			continue
		}
		id := choiceKey(d.kind.ID(), d.namespace, d.name, "")
		if first := seen[id]; first != nil {
			d.bar(kinds.Message{ID: "apply.why.twice", Args: map[string]any{"Number": first.Number}})
			continue
		}
		seen[id] = d
		if d.denied = s.denied(r, d); d.denied != nil {
			d.bar(refusalWords(d.denied))
		}
	}
	for _, d := range plan.docs {
		if by := d.definition; by != nil && d.verdict == "" && by.verdict == applyBarred {
			d.bar(kinds.Message{ID: "apply.why.kind_barred", Args: map[string]any{"Number": by.Number}})
		}
		d.needs = slices.DeleteFunc(d.needs, func(n *applyDoc) bool { return n.verdict == applyBarred })
	}
	return plan
}

// definition is a document that brings a kind.
type definition struct {
	doc      *applyDoc
	versions map[string]*kinds.Kind
}

type foundKind struct {
	kind *kinds.Kind
	err  error
}

// bar says that a document is not sent, and why.
func (d *applyDoc) bar(why kinds.Message) { d.verdict, d.why = applyBarred, []kinds.Message{why} }

// identify finds out what a document is about.
func (s *Server) identify(r *http.Request, in *applyInput, d *applyDoc, defined map[string]*definition, made map[string]*applyDoc, found map[string]foundKind) {
	tree := d.Doc.Tree
	version, _ := tree["apiVersion"].(string)
	kind, _ := tree["kind"].(string)
	d.said, d.name = strings.TrimSpace(version+" "+kind), nameIn(tree)
	if version == "" || kind == "" {
		d.bar(kinds.Message{ID: "manifest.no_object"})
		return
	}
	f, ok := found[version+"/"+kind]
	if !ok {
		f.kind, f.err = clusterOf(r).KindNamed(r.Context(), version, kind)
		found[version+"/"+kind] = f
	}
	group, at, grouped := strings.Cut(version, "/")
	if !grouped {
		group, at = "", version
	}
	definition := defined[group+"/"+kind]
	if d.kind = f.kind; f.err != nil {
		if definition != nil {
			d.kind = definition.versions[at]
		}
		if d.kind == nil {
			d.bar(messageOf(f.err))
			return
		}
		d.needs, d.definition = append(d.needs, definition.doc), definition.doc
		d.later(kinds.Message{ID: "apply.why.kind_by", Args: map[string]any{"Number": definition.doc.Number}})
	} else if definition != nil && definition.doc != d {
		d.needs = append(d.needs, definition.doc) // a version that is served already may change with it
	}
	d.rank = rankOf(d.kind)
	meta, _ := tree["metadata"].(map[string]any)
	if d.namespace, _ = meta["namespace"].(string); d.kind.Namespaced && d.namespace == "" {
		d.namespace = in.namespace
	}
	if !d.kind.Namespaced {
		d.namespace = ""
	}
	if generated, ok := meta["generateName"].(string); ok && generated != "" && d.name == "" {
		d.bar(kinds.Message{ID: "apply.why.generated"})
		return
	}
	if causes := kube.Identity(d.kind, d.namespace, "", tree); len(causes) > 0 {
		d.causes = causes
		d.bar(kinds.Message{ID: "cluster.fields"})
		return
	}
	if !isSegment(d.name) || !isSegment(d.namespace) {
		d.causes = []kube.Cause{{Field: "metadata.name", Reason: kinds.Message{ID: "apply.why.name"}}}
		d.bar(kinds.Message{ID: "cluster.fields"})
		return
	}
	if d.kind.Fixed {
		d.bar(kinds.Message{ID: "cluster.fixed", Args: map[string]any{"Kind": d.kind.Name}})
		return
	}
	if ns := made[d.namespace]; ns != nil && d.namespace != "" {
		d.needs = append(d.needs, ns)
	}
}

// later says that nothing can be told before another document was applied.
func (d *applyDoc) later(why kinds.Message) { d.why = append(d.why, why) }

// denied is the right that the subject lacks to apply a document. Whoever may not see the object learns nothing of it; whoever
// may only not create it learns that when it is not there.
func (s *Server) denied(r *http.Request, d *applyDoc) error {
	for _, verb := range []access.Verb{access.VerbPatch, access.VerbGet} {
		if _, err := s.authority.Check(subjectOf(r), request(clusterOf(r).Name(), verb, d.kind, d.namespace, d.name)); err != nil {
			return err
		}
	}
	return nil
}

// refusalWords are the words of a right that is missing.
func refusalWords(err error) kinds.Message {
	denied := (*access.Error)(nil)
	switch {
	case errors.Is(err, access.ErrReadOnly):
		return kinds.Message{ID: "problem.read_only.title"}
	case errors.Is(err, access.ErrHidden) || !errors.As(err, &denied):
		return kinds.Message{ID: "apply.why.hidden"}
	}
	return kinds.Message{ID: "problem.forbidden.detail", Args: deniedArgs(denied)}
}

// tryApply asks the cluster what would become of a document.
func (s *Server) tryApply(ctx context.Context, r *http.Request, in *applyInput, d *applyDoc) {
	if len(d.why) > 0 { // its kind does not exist yet
		d.verdict = applyLater
		return
	}
	if ctx.Err() != nil {
		d.verdict, d.why = applyUnchecked, []kinds.Message{{ID: "apply.why.no_time"}}
		return
	}
	permit, err := s.permit(r, access.VerbPatch, d.kind, d.namespace, d.name)
	if err != nil {
		d.bar(refusalWords(err))
		return
	}
	may := s.may(r, request(clusterOf(r).Name(), access.VerbCreate, d.kind, d.namespace, d.name))
	d.done, err = d.send(ctx, clusterOf(r), permit, in, may, true)
	d.conclude(err, may)
}

// send applies a document, or asks what that would do. Fields of others are taken over only where that was chosen, and
// left where that was chosen: only those, whatever else has become a conflict meanwhile.
func (d *applyDoc) send(ctx context.Context, c *kube.Cluster, permit access.Permit, in *applyInput, mayCreate, dry bool) (kube.Applied, error) {
	o := kube.ApplyOptions{DryRun: dry, MayCreate: mayCreate}
	// First comes what is left, and then, with nothing else in the way, what is taken: to force is to take over whatever is
	// in conflict.
	for range applyTries {
		got, err := c.Apply(ctx, permit, d.kind, d.namespace, d.Doc.Tree, o)
		e := (*kube.Error)(nil)
		if !errors.As(err, &e) || len(e.Conflicts) == 0 {
			return got, err
		}
		o.Force = true
		for _, f := range e.Conflicts {
			d.met(f)
		}
		for _, f := range e.Conflicts {
			switch p := d.pick(in, f.Field); {
			case p == ownTake:
			case p == ownLeave && !f.Fixed && !slices.Contains(o.Leave, f.Field):
				o.Leave, o.Force = append(o.Leave, f.Field), false
			default:
				return got, err
			}
		}
	}
	return kube.Applied{}, &kube.Error{
		Kind: kube.KindConflict, Cluster: c.Name(), Op: "apply", Resource: d.kind.ID(), Namespace: d.namespace, Name: d.name,
		Reason: kinds.Message{ID: "apply.why.restless"},
	}
}

// met remembers a conflict.
func (d *applyDoc) met(f kube.FieldConflict) {
	if !slices.ContainsFunc(d.conflicts, func(known kube.FieldConflict) bool { return known.Field == f.Field }) {
		d.conflicts = append(d.conflicts, f)
	}
}

// applyTries bounds how often a document is sent because of its conflicts.
const applyTries = 5

// conclude is the verdict of a dry run.
func (d *applyDoc) conclude(err error, mayCreate bool) {
	e := (*kube.Error)(nil)
	missing := kube.MissingNamespace(err)
	switch {
	case err == nil && d.done.Created:
		d.verdict = applyCreate
	case err == nil && len(d.done.Entries()) == 0:
		d.verdict = applyUnchanged
	case err == nil:
		d.verdict = applyChange
	case errors.As(err, &e) && len(e.Conflicts) > 0:
		d.verdict = applyConflict
	case missing != "" && slices.ContainsFunc(d.needs, func(n *applyDoc) bool { return n.name == missing }):
		i := slices.IndexFunc(d.needs, func(n *applyDoc) bool { return n.name == missing })
		d.verdict, d.why = applyLater, []kinds.Message{{ID: "apply.why.namespace_by", Args: map[string]any{"Namespace": missing, "Number": d.needs[i].Number}}}
	case missing != "":
		d.verdict, d.why = applyRefused, []kinds.Message{{ID: "apply.why.no_namespace", Args: map[string]any{"Namespace": missing}}}
	case errors.Is(err, kube.ErrNotFound) && !mayCreate:
		d.bar(kinds.Message{ID: "apply.why.no_create", Args: map[string]any{"Resource": d.kind.ID()}})
	case errors.Is(err, kube.ErrUnreachable), errors.Is(err, kube.ErrUnauthorized), errors.Is(err, kube.ErrDisabled):
		d.verdict, d.why = applyUnchecked, []kinds.Message{messageOf(err)}
	case uncertain(err), errors.Is(err, kube.ErrBusy):
		d.verdict, d.why = applyUnchecked, []kinds.Message{{ID: "apply.why.no_time"}}
	case errors.As(err, &e):
		d.verdict, d.why, d.causes = applyRefused, []kinds.Message{refusalOf(e)}, e.Causes
	default:
		d.verdict, d.why = applyUnchecked, []kinds.Message{messageOf(err)}
	}
}

// refusalOf is what a cluster said in refusing a document: its own words are not repeated where its fields have them.
func refusalOf(e *kube.Error) kinds.Message {
	m := messageOf(e)
	if len(e.Causes) > 0 {
		m.Text = ""
	}
	return m
}

// ownName is the name that the choice of a field has in a form. A path has quotes, which browsers change in such names.
func ownName(d *applyDoc, field string) string {
	return "own:" + base64.RawURLEncoding.EncodeToString([]byte(choiceKey(d.kind.ID(), d.namespace, d.name, field)))
}

// picksOf reads the choices of a form.
func picksOf(form map[string][]string) map[string]string {
	out := map[string]string{}
	for key, values := range form {
		packed, ok := strings.CutPrefix(key, "own:")
		if field, err := base64.RawURLEncoding.DecodeString(packed); ok && err == nil && len(values) > 0 {
			out[string(field)] = values[0]
		}
	}
	return out
}
