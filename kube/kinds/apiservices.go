package kinds

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// APIServices are read as unstructured objects: their Go type is the
// aggregator's, which would bring a second API server along.
var apiServiceKinds = []*Kind{
	Define(Kind{
		GVR:  schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"},
		Name: "APIService", Plural: "APIServices", Menu: MenuCluster, Facets: []string{"status", "service"},
	},
		Reads[unstructured.Unstructured]{Status: apiServiceStatus, Refs: apiServiceRefs, Detail: apiServiceDetail},
		ColumnOf[unstructured.Unstructured]{Column{ID: "status", Form: FormStatus}, nil},
		ColumnOf[unstructured.Unstructured]{Column{ID: "service", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(apiServiceBackend(u)) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "group", Form: FormName, Search: true}, func(u *unstructured.Unstructured) Cell { return Name(stringAt(u, "spec", "group")) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "apiversion", Form: FormName}, func(u *unstructured.Unstructured) Cell { return Name(stringAt(u, "spec", "version")) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "available", Form: FormText, Hidden: true, Search: true}, func(u *unstructured.Unstructured) Cell { return Text(apiServiceAvailable(u)) }},
		ColumnOf[unstructured.Unstructured]{Column{ID: "trusteduntil", Form: FormTime, Hidden: true}, apiServiceTrust},
		ColumnOf[unstructured.Unstructured]{Column{ID: "age", Form: FormAge}, func(u *unstructured.Unstructured) Cell { return Age(unix(u.GetCreationTimestamp())) }},
	),
}

// stringAt is a field of an unstructured object, empty when it is not there.
func stringAt(u *unstructured.Unstructured, path ...string) string {
	s, _, err := unstructured.NestedString(u.Object, path...)
	if err != nil {
		panic(err) // breaks the rules of its kind, see Kind.Project
	}
	return s
}

// apiServiceBackend is where the API server sends requests, in kubectl's words.
func apiServiceBackend(u *unstructured.Unstructured) string {
	if name := stringAt(u, "spec", "service", "name"); name != "" {
		return stringAt(u, "spec", "service", "namespace") + "/" + name
	}
	return "Local"
}

// apiServiceCondition is the condition that says whether the API answers.
func apiServiceCondition(u *unstructured.Unstructured) (Condition, bool) {
	for _, c := range conditionsOf(u) {
		if c.Type == "Available" {
			return c, true
		}
	}
	return Condition{}, false
}

// apiServiceAvailable is kubectl's column.
func apiServiceAvailable(u *unstructured.Unstructured) string {
	c, ok := apiServiceCondition(u)
	switch {
	case !ok:
		return "Unknown"
	case c.Status == "True" || c.Reason == "":
		return c.Status
	default:
		return fmt.Sprintf("%s (%s)", c.Status, c.Reason)
	}
}

// apiServiceStatus says whether the API answers. While one does not, discovery
// is incomplete and namespaces cannot be removed.
func apiServiceStatus(u *unstructured.Unstructured) Status {
	if s, ok := terminating(u); ok {
		return s
	}
	c, ok := apiServiceCondition(u)
	if !ok {
		return Status{Word: "Unknown", Tone: ToneWarn, Reason: Message{ID: "apiservice.unchecked"}}
	}
	s := Status{Word: "Available", Tone: ToneOK, Since: c.Since}
	if c.Status == "True" {
		return s
	}
	s.Word, s.Tone, s.Reason = WordUnavailable, ToneBad, Message{Text: short(c.Message)}
	if c.Message == "" {
		s.Reason.Text = c.Reason
	}
	if c.Status != "False" {
		s.Word, s.Tone = c.Status, ToneWarn
	}
	return s
}

func apiServiceRefs(u *unstructured.Unstructured) []Ref {
	if name := stringAt(u, "spec", "service", "name"); name != "" {
		return []Ref{{Kind: "services", Namespace: stringAt(u, "spec", "service", "namespace"), Name: name, Via: "service"}}
	}
	return nil
}

func apiServiceTrust(u *unstructured.Unstructured) Cell {
	bundle, err := base64.StdEncoding.DecodeString(stringAt(u, "spec", "caBundle"))
	if err != nil {
		panic(err) // as above
	}
	return trustedUntil(bundle)
}

func apiServiceDetail(u *unstructured.Unstructured, d *Detail) {
	d.add("group", Value{Cell: Name(stringAt(u, "spec", "group"))})
	d.add("apiversion", Value{Cell: Name(stringAt(u, "spec", "version"))})
	service := Value{Cell: Name(apiServiceBackend(u))}
	for _, ref := range apiServiceRefs(u) {
		service.Ref = &ref
		if port, ok, err := unstructured.NestedInt64(u.Object, "spec", "service", "port"); ok && err == nil {
			service.Cell.Note = Message{Text: fmt.Sprintf(":%d", port)}
		}
	}
	d.add("service", service)
	for _, f := range []struct{ id, field string }{{"grouppriority", "groupPriorityMinimum"}, {"versionpriority", "versionPriority"}} {
		if n, ok, err := unstructured.NestedInt64(u.Object, "spec", f.field); ok && err == nil {
			d.add(f.id, Value{Cell: Number(n)})
		}
	}
	if skip, _, err := unstructured.NestedBool(u.Object, "spec", "insecureSkipTLSVerify"); err == nil && skip {
		d.add("insecure", Value{Cell: Cell{Text: "true", Tone: ToneWarn}})
	}
	d.add("trusteduntil", Value{Cell: apiServiceTrust(u)})
	d.add("finalizers", names(u.GetFinalizers())...)
	d.Conditions = conditionsOf(u)
}
