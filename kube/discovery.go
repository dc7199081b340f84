package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"tiga/kube/kinds"
)

// discoverTimeout bounds one look at what a cluster serves.
const discoverTimeout = 15 * time.Second

// errNoCore means that discovery does not mention the API's core, which a proxy or a missing right may cause.
var errNoCore = errors.New("discovery does not list the core group")

// discover lists what the server serves and can be listed, by kind ID, and the groups that could not be asked.
func (c *conn) discover(ctx context.Context) (found map[string]*kinds.Definition, failing map[string]error, err error) {
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, klog.Logger{}), discoverTimeout)
	defer cancel()
	client, err := discovery.NewDiscoveryClientForConfigAndClient(rest.CopyConfig(c.rest), c.http)
	if err != nil {
		return nil, nil, fmt.Errorf("client for discovery: %w", err)
	}
	groups, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	failing = map[string]error{}
	if partly := (*discovery.ErrGroupDiscoveryFailed)(nil); errors.As(err, &partly) {
		for gv, err := range partly.Groups {
			failing[gv.Group] = err
		}
	} else if err != nil {
		return nil, nil, serverSays(err)
	}
	if !slices.ContainsFunc(groups, func(g *metav1.APIGroup) bool { return g.Name == "" && len(g.Versions) > 0 }) && failing[""] == nil {
		failing[""] = errNoCore
	}
	resources := map[string][]metav1.APIResource{}
	for _, l := range lists {
		resources[l.GroupVersion] = l.APIResources
	}
	found = map[string]*kinds.Definition{}
	for _, g := range groups {
		for _, v := range g.Versions { // the server's order of preference
			for i := range resources[v.GroupVersion] {
				r := &resources[v.GroupVersion][i]
				if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") || !slices.Contains(r.Verbs, "get") {
					continue
				}
				id := schema.GroupResource{Group: g.Name, Resource: r.Name}.String()
				d := found[id]
				if d == nil {
					d = &kinds.Definition{
						Group: g.Name, Resource: r.Name, Kind: r.Kind, Namespaced: r.Namespaced,
						Short: r.ShortNames, Categories: r.Categories, Ready: true,
						Fixed: !slices.Contains(r.Verbs, "delete") || !slices.Contains(r.Verbs, "update"),
					}
					found[id] = d
				}
				d.Served = append(d.Served, kinds.ServedVersion{Name: v.Version, HasStatus: true})
			}
		}
	}
	return found, failing, nil
}

// serverSays is the error of a read of which client-go has thrown away the answer, when that was no text and hence the
// API server's own: without this it would pass for something else that stands in its place.
func serverSays(err error) error {
	status := (*apierrors.StatusError)(nil)
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return err
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeUnexpectedServerResponse && cause.Message == "unknown" {
			return &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: status.ErrStatus.Code, Reason: status.ErrStatus.Reason,
				Details: &metav1.StatusDetails{RetryAfterSeconds: status.ErrStatus.Details.RetryAfterSeconds},
			}}
		}
	}
	return err
}
