package kubetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"

	"tiga/kube/kinds"
)

// The Go types of the built-in kinds; what has none is unstructured.
var (
	scheme = kinds.Types()
	codecs = serializer.NewCodecFactory(scheme)
)

// resource is one kind that the server serves at one version.
type resource struct {
	schema.GroupVersionResource
	kind              string
	namespaced        bool
	subs              []string
	short, categories []string
}

// typed reports whether objects of the kind have a Go type.
func (r resource) typed() bool {
	return scheme.Recognizes(r.GroupVersion().WithKind(r.kind))
}

// Extra is a kind that an aggregated API serves.
type Extra struct {
	Group, Version, Resource, Kind string
	Namespaced                     bool
}

// builtIn are the kinds that a server of today serves and announces in discovery: those that Tiga describes, and their
// sub-resources.
var builtIn = func() []resource {
	subs := map[string][]string{
		"pods": {"status", "log", "exec", "eviction"}, "deployments.apps": {"status", "scale"},
		"replicasets.apps": {"status", "scale"}, "statefulsets.apps": {"status", "scale"},
	}
	var out []resource
	for _, k := range kinds.All() {
		if k.Install != "" {
			continue // comes by a CustomResourceDefinition
		}
		own := subs[k.ID()]
		if own == nil {
			own = []string{"status"}
		}
		out = append(out, resource{GroupVersionResource: k.GVR, kind: k.Name, namespaced: k.Namespaced, subs: own, short: k.Short})
	}
	return out
}()

// resources are the kinds that the server serves now, in the order of discovery.
func (s *Server) resources() []resource {
	out := make([]resource, 0, len(builtIn)+8)
	for _, r := range builtIn {
		if !slices.Contains(s.opts.Without, r.GroupResource().String()) {
			out = append(out, r)
		}
	}
	for _, e := range s.opts.Extra {
		out = append(out, resource{
			GroupVersionResource: schema.GroupVersionResource{Group: e.Group, Version: e.Version, Resource: e.Resource},
			kind:                 e.Kind, namespaced: e.Namespaced,
		})
	}
	for _, crd := range s.store.definitions() {
		if !established(crd) {
			continue
		}
		versions := slices.Clone(crd.Spec.Versions)
		slices.SortStableFunc(versions, func(a, b apiextensionsv1.CustomResourceDefinitionVersion) int {
			return version.CompareKubeAwareVersionStrings(b.Name, a.Name)
		})
		for i := range versions {
			if versions[i].Served {
				out = append(out, resource{
					GroupVersionResource: schema.GroupVersionResource{Group: crd.Spec.Group, Version: versions[i].Name, Resource: crd.Spec.Names.Plural},
					kind:                 crd.Spec.Names.Kind, namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
					short: crd.Spec.Names.ShortNames, categories: crd.Spec.Names.Categories,
				})
			}
		}
	}
	return out
}

// Away takes the server of an aggregated API's group away, or brings it back: its kinds are not answered for, and
// discovery says so.
func (s *Server) Away(group string, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.away = map[string]bool{}
	}
	s.away[group] = away
}

func (s *Server) isAway(group string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away[group]
}

func (s *Server) lookup(gvr schema.GroupVersionResource) (resource, bool) {
	for _, r := range s.resources() {
		if r.GroupVersionResource == gvr {
			return r, true
		}
	}
	return resource{}, false
}

// resourceOf finds the kind of an object that a test gives. An unstructured one has to say which it is.
func (s *Server) resourceOf(obj runtime.Object) (resource, error) {
	gvks := []schema.GroupVersionKind{obj.GetObjectKind().GroupVersionKind()}
	if _, ok := obj.(runtime.Unstructured); !ok {
		var err error
		if gvks, _, err = scheme.ObjectKinds(obj); err != nil {
			return resource{}, err
		}
	}
	for _, r := range s.resources() {
		for _, gvk := range gvks {
			if r.kind == gvk.Kind && r.GroupVersion() == gvk.GroupVersion() {
				return r, nil
			}
		}
	}
	return resource{}, fmt.Errorf("kubetest serves no %v", gvks)
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// establish does what the controllers of an API server do to a definition, unless the test says how it is.
func establish(obj runtime.Object) {
	crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition)
	if !ok || len(crd.Status.Conditions) > 0 {
		return
	}
	for _, t := range []apiextensionsv1.CustomResourceDefinitionConditionType{apiextensionsv1.NamesAccepted, apiextensionsv1.Established} {
		crd.Status.Conditions = append(crd.Status.Conditions, apiextensionsv1.CustomResourceDefinitionCondition{
			Type: t, Status: apiextensionsv1.ConditionTrue, LastTransitionTime: metav1.Now(),
		})
	}
	crd.Status.AcceptedNames = crd.Spec.Names
}

// Definition is a CustomResourceDefinition with one version for each of versions, "v1" or "v1,v1beta1"; columns are the
// printer columns of all of them. Its objects may have any fields.
func Definition(group, plural, kind string, scope apiextensionsv1.ResourceScope, versions string, columns ...apiextensionsv1.CustomResourceColumnDefinition) *apiextensionsv1.CustomResourceDefinition {
	free := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: scope,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: plural, Singular: strings.ToLower(kind), Kind: kind, ListKind: kind + "List"},
		},
	}
	for i, v := range strings.Split(versions, ",") {
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: v, Served: true, Storage: i == 0, AdditionalPrinterColumns: columns,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &free}},
		})
	}
	return crd
}

// Custom is an object without a Go type; fields are its top-level fields beside metadata.
func Custom(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	maps.Copy(u.Object, runtime.DeepCopyJSON(fields))
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}
