// Package kube holds the clusters: how each is reached, how well it is, what is in it, and what can be done to it.
//
// A Fleet owns every Cluster. A cluster connects in the background with its own limits, so that one which hangs delays
// nothing but itself. Lists come from memory (kube/cache), single objects from the API server. Every method that reads or
// changes something in a cluster takes an access.Permit and checks that it is for exactly that; the raw clients are
// unexported, so a forgotten check does not compile.
package kube
