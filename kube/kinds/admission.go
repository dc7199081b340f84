package kinds

import (
	"net/url"
	"slices"
	"strconv"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

var admissionKinds = slices.Concat([]*Kind{
	webhookKind(
		Kind{
			GVR:  admissionv1.SchemeGroupVersion.WithResource("validatingwebhookconfigurations"),
			Name: "ValidatingWebhookConfiguration", Plural: "ValidatingWebhookConfigurations",
		},
		func(c *admissionv1.ValidatingWebhookConfiguration) (*metav1.ObjectMeta, []webhook) {
			hooks := make([]webhook, len(c.Webhooks))
			for i := range c.Webhooks {
				hooks[i].ValidatingWebhook = &c.Webhooks[i]
			}
			return &c.ObjectMeta, hooks
		},
	),
	webhookKind(
		Kind{
			GVR:  admissionv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"),
			Name: "MutatingWebhookConfiguration", Plural: "MutatingWebhookConfigurations",
		},
		func(c *admissionv1.MutatingWebhookConfiguration) (*metav1.ObjectMeta, []webhook) {
			hooks := make([]webhook, len(c.Webhooks))
			for i := range c.Webhooks {
				w := &c.Webhooks[i]
				hooks[i] = webhook{reinvocation: valueOf(w.ReinvocationPolicy, admissionv1.NeverReinvocationPolicy), ValidatingWebhook: &admissionv1.ValidatingWebhook{
					Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
					NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects,
					TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
				}}
			}
			return &c.ObjectMeta, hooks
		},
	),
}, admissionPolicyKinds)

// The status words of admission that are not Kubernetes' own.
const (
	WordNoCABundle   = "NoCABundle"   // the API server cannot trust the webhook
	WordBlocksItself = "BlocksItself" // the webhook refuses its own pods while it is down
	WordTypeErrors   = "TypeErrors"   // an expression does not fit the schema of what it is about
)

// webhook is one of either kind: a mutating one is a validating one that may
// be asked again.
type webhook struct {
	*admissionv1.ValidatingWebhook
	reinvocation admissionv1.ReinvocationPolicyType
}

// webhookKind describes a kind of configurations of webhooks.
func webhookKind[T any](k Kind, read func(*T) (*metav1.ObjectMeta, []webhook)) *Kind {
	k.Menu, k.Facets = MenuCluster, []string{"status", "failurepolicy"}
	each := func(form func(string) Cell, words func(*webhook) []string) func(*T) Cell {
		return func(t *T) Cell {
			_, hooks := read(t)
			var all []string
			for i := range hooks {
				all = append(all, words(&hooks[i])...)
			}
			return form(join(distinct(all)))
		}
	}
	return Define(
		k,
		Reads[T]{
			Status: func(t *T) Status { return webhookStatus(read(t)) },
			Refs: func(t *T) []Ref {
				var refs []Ref
				_, hooks := read(t)
				for i := range hooks {
					if ref := hooks[i].service(); ref != nil && !slices.Contains(refs, *ref) {
						refs = append(refs, *ref)
					}
				}
				return refs
			},
			Detail: func(t *T, d *Detail) {
				meta, hooks := read(t)
				d.add("finalizers", names(meta.Finalizers)...)
				d.addTable(webhookTable(hooks))
				d.addTable(interceptionTable(hooks))
				d.addTable(webhookMatchTable(hooks))
			},
		},
		ColumnOf[T]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[T]{Column{ID: "webhooks", Form: FormNumber}, func(t *T) Cell {
			_, hooks := read(t)
			return Number(len(hooks))
		}},
		ColumnOf[T]{Column{ID: "failurepolicy", Form: FormText, Search: true}, each(Text, func(w *webhook) []string { return []string{w.failure()} })},
		ColumnOf[T]{Column{ID: "service", Form: FormName, Search: true}, each(Name, func(w *webhook) []string { return []string{w.backend()} })},
		ColumnOf[T]{Column{ID: "resources", Form: FormName, Search: true}, each(Name, (*webhook).resources)},
		ColumnOf[T]{Column{ID: "operations", Form: FormText, Hidden: true, Search: true}, each(Text, (*webhook).operations)},
		ColumnOf[T]{Column{ID: "timeout", Form: FormNumber, Hidden: true}, func(t *T) Cell {
			_, hooks := read(t)
			var longest int32
			for i := range hooks {
				longest = max(longest, hooks[i].timeout())
			}
			return Number(longest)
		}},
		ColumnOf[T]{Column{ID: "trusteduntil", Form: FormTime, Hidden: true}, func(t *T) Cell { // the first to end, since that one stops working
			_, hooks := read(t)
			var first Cell
			for i := range hooks {
				if c := trustedUntil(hooks[i].ClientConfig.CABundle); !c.Empty() && (first.Empty() || c.Num < first.Num) {
					first = c
				}
			}
			return first
		}},
		ColumnOf[T]{Column{ID: "age", Form: FormAge}, func(t *T) Cell {
			meta, _ := read(t)
			return Age(unix(meta.CreationTimestamp))
		}},
	)
}

// failure is what becomes of a request when the webhook does not answer.
func (w *webhook) failure() string { return string(valueOf(w.FailurePolicy, admissionv1.Fail)) }

func (w *webhook) timeout() int32 { return valueOf(w.TimeoutSeconds, 10) }

func (w *webhook) service() *Ref {
	if s := w.ClientConfig.Service; s != nil {
		return &Ref{Kind: "services", Namespace: s.Namespace, Name: s.Name, Via: "webhook"}
	}
	return nil
}

// backend is who answers: a service of the cluster, or a host elsewhere.
func (w *webhook) backend() string {
	if s := w.ClientConfig.Service; s != nil {
		return s.Namespace + "/" + s.Name
	}
	if w.ClientConfig.URL == nil {
		return ""
	}
	if u, err := url.Parse(*w.ClientConfig.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return *w.ClientConfig.URL
}

func (w *webhook) resources() []string {
	var out []string
	for i := range w.Rules {
		out = append(out, groupResources(w.Rules[i].APIGroups, w.Rules[i].Resources)...)
	}
	return out
}

func (w *webhook) operations() []string {
	var out []string
	for i := range w.Rules {
		for _, o := range w.Rules[i].Operations {
			out = append(out, string(o))
		}
	}
	return out
}

// webhookStatus says what of a configuration makes an outage, as far as the
// configuration alone tells.
func webhookStatus(meta *metav1.ObjectMeta, hooks []webhook) Status {
	if s, ok := terminating(meta); ok {
		return s
	}
	for i := range hooks {
		// A service of the cluster has a certificate that no public authority signs.
		if w := &hooks[i]; w.ClientConfig.Service != nil && len(w.ClientConfig.CABundle) == 0 {
			s := Status{Word: WordNoCABundle, Tone: ToneWarn, Reason: Message{ID: "webhook.ignored", Args: map[string]any{"Webhook": w.Name}}}
			if w.failure() == string(admissionv1.Fail) {
				s.Tone, s.Reason.ID = ToneBad, "webhook.refused"
			}
			return s
		}
	}
	for i := range hooks {
		if w := &hooks[i]; w.refusesItsOwnPods() {
			return Status{Word: WordBlocksItself, Tone: ToneWarn, Reason: Message{ID: "webhook.itself", Args: map[string]any{"Service": w.backend(), "Webhook": w.Name}}}
		}
	}
	return Status{}
}

// refusesItsOwnPods reports whether the pods behind a webhook cannot be started
// while it is down, so that it never comes back by itself. It only says so when
// the configuration leaves no doubt.
func (w *webhook) refusesItsOwnPods() bool {
	s := w.ClientConfig.Service
	if s == nil || w.failure() != string(admissionv1.Fail) || len(w.MatchConditions) > 0 || selectorText(w.ObjectSelector) != "" {
		return false
	}
	return slices.ContainsFunc(w.Rules, stopsPods) && surelySelects(w.NamespaceSelector, s.Namespace)
}

func stopsPods(r admissionv1.RuleWithOperations) bool {
	return (slices.Contains(r.Operations, admissionv1.Create) || slices.Contains(r.Operations, admissionv1.OperationAll)) &&
		(slices.Contains(r.APIGroups, "") || slices.Contains(r.APIGroups, "*")) &&
		(slices.Contains(r.Resources, "pods") || slices.Contains(r.Resources, "*") || slices.Contains(r.Resources, "*/*")) &&
		valueOf(r.Scope, admissionv1.AllScopes) != admissionv1.ClusterScope
}

// surelySelects reports whether a selector chooses a namespace of which only
// the label that every namespace has is known.
func surelySelects(s *metav1.LabelSelector, namespace string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if s == nil || err != nil {
		return s == nil // nil selects everything, other than elsewhere
	}
	requirements, _ := selector.Requirements()
	other := func(r labels.Requirement) bool { return r.Key() != "kubernetes.io/metadata.name" }
	return !slices.ContainsFunc(requirements, other) && selector.Matches(labels.Set{"kubernetes.io/metadata.name": namespace})
}

func webhookTable(hooks []webhook) Table {
	t := Table{ID: "webhooks", Columns: []Column{
		{ID: "name", Form: FormName},
		{ID: "failurepolicy", Form: FormText},
		{ID: "service", Form: FormName},
		{ID: "timeout", Form: FormNumber},
		{ID: "namespaceselector", Form: FormName},
		{ID: "objectselector", Form: FormName},
		{ID: "matchpolicy", Form: FormText},
		{ID: "sideeffects", Form: FormText},
		{ID: "reinvocation", Form: FormText},
		{ID: "trusteduntil", Form: FormTime},
	}}
	for i := range hooks {
		w := &hooks[i]
		t.Rows = append(t.Rows, []Value{
			{Cell: Name(w.Name)},
			{Cell: Text(w.failure())},
			{Cell: Name(w.target()), Ref: w.service()},
			{Cell: Number(w.timeout())},
			{Cell: Name(selectorText(w.NamespaceSelector))},
			{Cell: Name(selectorText(w.ObjectSelector))},
			{Cell: Text(string(valueOf(w.MatchPolicy, admissionv1.Equivalent)))},
			{Cell: Text(string(valueOf(w.SideEffects, "")))},
			{Cell: Text(string(w.reinvocation))},
			{Cell: trustedUntil(w.ClientConfig.CABundle)},
		})
	}
	return t
}

// target is where a webhook is asked, in full.
func (w *webhook) target() string {
	if s := w.ClientConfig.Service; s != nil {
		return s.Namespace + "/" + s.Name + ":" + strconv.Itoa(int(valueOf(s.Port, 443))) + valueOf(s.Path, "")
	}
	return valueOf(w.ClientConfig.URL, "")
}

// interceptionTable lists which requests each webhook is asked about.
func interceptionTable(hooks []webhook) Table {
	t := Table{ID: "interceptions", Columns: []Column{
		{ID: "webhook", Form: FormName}, {ID: "operations", Form: FormText}, {ID: "resources", Form: FormName}, {ID: "apiversions", Form: FormName}, {ID: "scope", Form: FormText},
	}}
	for i := range hooks {
		for j := range hooks[i].Rules {
			t.Rows = append(t.Rows, append([]Value{{Cell: Name(hooks[i].Name)}}, requestValues(&hooks[i].Rules[j])...))
		}
	}
	return t
}

// requestValues say which requests a rule is about: what is done to which
// resources, in which versions and scope.
func requestValues(r *admissionv1.RuleWithOperations) []Value {
	return []Value{
		{Cell: Text(join(r.Operations))},
		{Cell: Name(join(groupResources(r.APIGroups, r.Resources)))},
		{Cell: Name(join(r.APIVersions))},
		{Cell: Text(string(valueOf(r.Scope, admissionv1.AllScopes)))},
	}
}

func webhookMatchTable(hooks []webhook) Table {
	t := Table{ID: "matchconditions", Columns: []Column{{ID: "webhook", Form: FormName}, {ID: "name", Form: FormName}, {ID: "expression", Form: FormName}}}
	for i := range hooks {
		for _, c := range hooks[i].MatchConditions {
			t.Rows = append(t.Rows, []Value{{Cell: Name(hooks[i].Name)}, {Cell: Name(c.Name)}, {Cell: expression(c.Expression)}})
		}
	}
	return t
}
