// Package template has a beginning for a new object of each built-in kind:
// YAML with comments, short, and accepted by an API server as it is.
package template

import (
	"embed"
	"strings"
)

//go:embed bodies
var bodies embed.FS

// Names that an API server demands of an object, where it is not free.
const crdName, apiServiceName = "examples.example.com", "v1.metrics.example.com"

// Of is the template of a kind by its ID, at a version; ok is false for a kind that has none. An empty namespace is that
// of a kind without one.
func Of(id, apiVersion, kind, namespace string) (text string, ok bool) {
	body, err := bodies.ReadFile("bodies/" + id + ".yaml")
	if err != nil {
		return "", false
	}
	name := "example"
	switch kind {
	case "CustomResourceDefinition":
		name = crdName
	case "APIService":
		name = apiServiceName
	}
	var b strings.Builder
	b.WriteString("apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n")
	if namespace != "" {
		b.WriteString("  namespace: " + namespace + "\n")
	}
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod", "Service":
		b.WriteString("  labels:\n    app: example\n")
	}
	b.WriteString(strings.ReplaceAll(string(body), "NAMESPACE", namespace))
	return b.String(), true
}
