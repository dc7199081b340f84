package kubetest

import (
	"encoding/json"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"
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
	switch {
	case c.r.Method != http.MethodGet:
		return false
	case len(parts) == 1 && parts[0] == "api":
		c.json(metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
	case len(parts) == 1 && parts[0] == "apis":
		c.json(groups())
	case len(parts) == 2 && parts[0] == "api":
		c.json(kindsOf(schema.GroupVersion{Version: parts[1]}))
	case len(parts) == 3 && parts[0] == "apis":
		c.json(kindsOf(schema.GroupVersion{Group: parts[1], Version: parts[2]}))
	default:
		return false
	}
	return true
}

func groups() metav1.APIGroupList {
	out := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	seen := map[string]bool{"": true}
	for _, r := range resources() {
		if seen[r.Group] {
			continue
		}
		seen[r.Group] = true
		v := metav1.GroupVersionForDiscovery{GroupVersion: r.GroupVersion().String(), Version: r.Version}
		out.Groups = append(out.Groups, metav1.APIGroup{Name: r.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	return out
}

func kindsOf(gv schema.GroupVersion) metav1.APIResourceList {
	out := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
	for _, r := range resources() {
		if r.GroupVersion() != gv {
			continue
		}
		verbs := metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}
		out.APIResources = append(out.APIResources, metav1.APIResource{
			Name: r.Resource, SingularName: strings.ToLower(r.kind), Kind: r.kind, Namespaced: r.namespaced, Verbs: verbs,
		})
		for _, sub := range r.subs {
			out.APIResources = append(out.APIResources, metav1.APIResource{
				Name: r.Resource + "/" + sub, Kind: r.kind, Namespaced: r.namespaced, Verbs: metav1.Verbs{"get", "patch", "update"},
			})
		}
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
		asked.Status = authorizationv1.SubjectRulesReviewStatus{Incomplete: true}
		c.write(http.StatusCreated, authorizationv1.SchemeGroupVersion, asked)
	default:
		return false
	}
	return true
}

func (c *call) into(obj runtime.Object) bool {
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(c.body, nil, obj); err != nil {
		c.fail(apierrors.NewBadRequest(err.Error()))
		return false
	}
	return true
}
