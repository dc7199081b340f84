package kubetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

func (c *call) version() {
	v := strings.SplitN(strings.TrimPrefix(c.opts.Version, "v"), ".", 3)
	info := version.Info{GitVersion: c.opts.Version, Platform: "linux/amd64", GoVersion: "go1.26"}
	if len(v) > 1 {
		info.Major, info.Minor = v[0], v[1]
	}
	c.json(info)
}

func (c *call) json(v any) {
	c.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(c.w).Encode(v)
}

// discover answers /api, /apis and the list of a group's kinds.
func (c *call) discover(parts []string) bool {
	gv := schema.GroupVersion{}
	switch {
	case c.r.Method != http.MethodGet:
		return false
	case len(parts) == 1 && (parts[0] == "api" || parts[0] == "apis"):
		if accept := c.r.Header.Get("Accept"); !c.opts.NoAggregatedDiscovery && strings.Contains(accept, "as=APIGroupDiscoveryList") && strings.Contains(accept, "v=v2;") {
			c.aggregated(parts[0] == "api")
			return true
		}
		if parts[0] == "api" {
			c.json(metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
			return true
		}
		c.json(c.groups())
		return true
	case len(parts) == 2 && parts[0] == "api":
		gv.Version = parts[1]
	case len(parts) == 3 && parts[0] == "apis":
		gv.Group, gv.Version = parts[1], parts[2]
	default:
		return false
	}
	switch list := c.kindsOf(gv); {
	case c.isAway(gv.Group):
		c.fail(away())
	case len(list.APIResources) == 0:
		c.fail(notServed())
	default:
		c.json(list)
	}
	return true
}

// versions are the versions of each group in the order of discovery, and the groups in the order in which they appear.
func (c *call) versions() (names []string, of map[string][]string) {
	of = map[string][]string{}
	for _, r := range c.resources() {
		if of[r.Group] == nil {
			names = append(names, r.Group)
		}
		if !slices.Contains(of[r.Group], r.Version) {
			of[r.Group] = append(of[r.Group], r.Version)
		}
	}
	for _, v := range of {
		slices.SortStableFunc(v, func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) })
	}
	return names, of
}

func (c *call) groups() metav1.APIGroupList {
	out := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	names, versions := c.versions()
	for _, name := range names {
		if name == "" {
			continue
		}
		g := metav1.APIGroup{Name: name}
		for _, v := range versions[name] {
			g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		g.PreferredVersion = g.Versions[0]
		out.Groups = append(out.Groups, g)
	}
	return out
}

// verbs are what can be done with every kind here.
func verbs() []string {
	return []string{"create", "delete", "get", "list", "patch", "update", "watch"}
}

func (c *call) kindsOf(gv schema.GroupVersion) metav1.APIResourceList {
	out := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for _, r := range c.resources() {
		if r.GroupVersion() != gv {
			continue
		}
		out.APIResources = append(out.APIResources, metav1.APIResource{
			Name: r.Resource, SingularName: strings.ToLower(r.kind), Kind: r.kind, Namespaced: r.namespaced, Verbs: verbs(),
			ShortNames: r.short, Categories: r.categories,
		})
		for _, sub := range r.subs {
			out.APIResources = append(out.APIResources, metav1.APIResource{
				Name: r.Resource + "/" + sub, Kind: r.kind, Namespaced: r.namespaced, Verbs: metav1.Verbs{"get", "patch", "update"},
			})
		}
	}
	return out
}

// aggregated answers with every group, version and kind at once, as servers since 1.26 do.
func (c *call) aggregated(core bool) {
	out := apidiscoveryv2.APIGroupDiscoveryList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: "apidiscovery.k8s.io/v2"}}
	names, versions := c.versions()
	for _, name := range names {
		if (name == "") != core {
			continue
		}
		g := apidiscoveryv2.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, v := range versions[name] {
			d := apidiscoveryv2.APIVersionDiscovery{Version: v, Freshness: apidiscoveryv2.DiscoveryFreshnessCurrent}
			if c.isAway(name) {
				d.Freshness = apidiscoveryv2.DiscoveryFreshnessStale
			} else {
				d.Resources = c.discovered(schema.GroupVersion{Group: name, Version: v})
			}
			g.Versions = append(g.Versions, d)
		}
		out.Items = append(out.Items, g)
	}
	c.w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
	_ = json.NewEncoder(c.w).Encode(out)
}

func (c *call) discovered(gv schema.GroupVersion) []apidiscoveryv2.APIResourceDiscovery {
	var out []apidiscoveryv2.APIResourceDiscovery
	for _, r := range c.resources() {
		if r.GroupVersion() != gv {
			continue
		}
		kind := &metav1.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: r.kind}
		d := apidiscoveryv2.APIResourceDiscovery{
			Resource: r.Resource, ResponseKind: kind, Scope: apidiscoveryv2.ScopeCluster, SingularResource: strings.ToLower(r.kind),
			Verbs: verbs(), ShortNames: r.short, Categories: r.categories,
		}
		if r.namespaced {
			d.Scope = apidiscoveryv2.ScopeNamespace
		}
		for _, sub := range r.subs {
			d.Subresources = append(d.Subresources, apidiscoveryv2.APISubresourceDiscovery{Subresource: sub, ResponseKind: kind, Verbs: []string{"get", "patch", "update"}})
		}
		out = append(out, d)
	}
	return out
}

// review answers the questions "who am I" and "what may I do".
func (c *call) review(parts []string) bool {
	if c.r.Method != http.MethodPost || len(parts) != 4 || parts[0] != "apis" {
		return false
	}
	switch parts[3] {
	case "selfsubjectreviews":
		if c.opts.NoSelfSubjectReview {
			c.fail(notServed())
			return true
		}
		c.write(http.StatusCreated, authenticationv1.SchemeGroupVersion, &authenticationv1.SelfSubjectReview{
			Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{
				Username: c.user, Groups: []string{"system:authenticated"},
			}},
		})
	case "selfsubjectaccessreviews":
		asked := &authorizationv1.SelfSubjectAccessReview{}
		if !c.into(asked) {
			return true
		}
		if a := asked.Spec.ResourceAttributes; a != nil {
			asked.Status.Allowed = c.allow == nil || c.allow(Attributes{a.Verb, a.Group, a.Resource, a.Subresource, a.Namespace, a.Name})
		}
		c.write(http.StatusCreated, authorizationv1.SchemeGroupVersion, asked)
	case "selfsubjectrulesreviews":
		asked := &authorizationv1.SelfSubjectRulesReview{}
		if !c.into(asked) {
			return true
		}
		if asked.Spec.Namespace == "" {
			c.fail(apierrors.NewBadRequest("no namespace on request"))
			return true
		}
		asked.Status = authorizationv1.SubjectRulesReviewStatus{ResourceRules: c.rules(asked.Spec.Namespace)}
		c.write(http.StatusCreated, authorizationv1.SchemeGroupVersion, asked)
	default:
		return false
	}
	return true
}

// rules are what the server's policy allows in a namespace, one rule for each resource: the policy is asked for every
// verb, so that the answer says what a request would meet.
func (c *call) rules(namespace string) []authorizationv1.ResourceRule {
	if c.allow == nil {
		return []authorizationv1.ResourceRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
	}
	var out []authorizationv1.ResourceRule
	for _, r := range c.resources() {
		in := ""
		if r.namespaced {
			in = namespace
		}
		for _, sub := range append([]string{""}, r.subs...) {
			rule := authorizationv1.ResourceRule{APIGroups: []string{r.Group}, Resources: []string{strings.TrimSuffix(r.Resource+"/"+sub, "/")}}
			for _, verb := range verbs() {
				if c.allow(Attributes{verb, r.Group, r.Resource, sub, in, ""}) {
					rule.Verbs = append(rule.Verbs, verb)
				}
			}
			if len(rule.Verbs) > 0 {
				out = append(out, rule)
			}
		}
	}
	return out
}

func (c *call) into(obj runtime.Object) bool {
	if _, _, err := codecs.UniversalDeserializer().Decode(c.body, nil, obj); err != nil {
		c.fail(apierrors.NewBadRequest(err.Error()))
		return false
	}
	return true
}
