package kube

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/kube/kinds"
)

// ingressRoute is one rule of an Ingress: an address, and the Service behind it.
type ingressRoute struct {
	url, service, portName string
	port                   int32
}

func (r ingressRoute) leadsTo(service string, port *corev1.ServicePort) bool {
	return r.service == service && (r.port == port.Port || r.portName != "" && r.portName == port.Name)
}

// promIngresses reads the rules of a namespace's Ingresses; none where they may not be read.
func (c *Cluster) promIngresses(ctx context.Context, namespace string) []ingressRoute {
	k, ok := kinds.Lookup("ingresses.networking.k8s.io")
	if !ok {
		return nil
	}
	obj, err := c.conn.list(ctx, k, namespace, metav1.ListOptions{Limit: pageOfNodes})
	if err != nil {
		return nil
	}
	list, ok := obj.(*networkingv1.IngressList)
	if !ok {
		return nil
	}
	var out []ingressRoute
	for i := range list.Items {
		out = append(out, routesOf(&list.Items[i])...)
	}
	return out
}

func routesOf(in *networkingv1.Ingress) []ingressRoute {
	var out []ingressRoute
	for _, rule := range in.Spec.Rules {
		if rule.HTTP == nil || rule.Host == "" || strings.Contains(rule.Host, "*") {
			continue
		}
		scheme := "http"
		for _, t := range in.Spec.TLS {
			for _, host := range t.Hosts {
				if host == rule.Host || strings.HasPrefix(host, "*.") && strings.HasSuffix(rule.Host, host[1:]) {
					scheme = "https"
				}
			}
		}
		for _, p := range rule.HTTP.Paths {
			if p.Backend.Service == nil {
				continue
			}
			// Some controllers take a path for a pattern; what stands before it is the prefix.
			prefix := p.Path
			if at := strings.IndexAny(prefix, "(*[|$?#%"); at >= 0 {
				prefix = prefix[:at]
			}
			out = append(out, ingressRoute{
				url: scheme + "://" + rule.Host + strings.TrimRight(prefix, "/"), service: p.Backend.Service.Name,
				port: p.Backend.Service.Port.Number, portName: p.Backend.Service.Port.Name,
			})
		}
	}
	return out
}
