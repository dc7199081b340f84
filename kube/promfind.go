package kube

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/kube/kinds"
)

const (
	// searchTimeout bounds a search as a whole. FR-2.9
	searchTimeout = 30 * time.Second
	// maxCandidates bounds how many are asked in each of a search's two rounds, and askedAtOnce how many at a time: all
	// of them may be addresses that swallow what is sent.
	maxCandidates = 32
	askedAtOnce   = 8
	// maxServicePages bounds how many Services are looked through, in chunks of pageOfNodes.
	maxServicePages = 100
)

// usualNamespaces are where a Prometheus mostly is.
func usualNamespaces() []string {
	return []string{
		"monitoring", "prometheus", "kube-prometheus", "kube-prometheus-stack", "observability", "metrics", "openshift-monitoring",
		"cattle-monitoring-system", "prometheus-operator", "kube-system",
	}
}

// candidate is one way to one Service that may be a Prometheus.
type candidate struct {
	namespace, service string
	endpoint           Prometheus
	doubt              int // 0 named, 1 labelled, 2 by its port only
	usual              int // place of the namespace among the usual ones
	order              int
	problem            error // why it cannot even be tried
}

func (c candidate) trial(err error) PrometheusTrial {
	return PrometheusTrial{Namespace: c.namespace, Service: c.service, Endpoint: c.endpoint, Error: promReason(err)}
}

// findPrometheus makes one attempt: Services of the usual namespaces first, then of all. An error means that the cluster
// could not be asked. FR-2.2
func (c *Cluster) findPrometheus(ctx context.Context) (finding, error) {
	var out finding
	seen := map[string]bool{}
	rounds := [][]string{usualNamespaces(), {""}}
	if limited := c.State().Namespaces; len(limited) > 0 {
		rounds[1] = limited
	}
	for _, namespaces := range rounds {
		services, err := c.promServices(ctx, namespaces, seen)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			out.reason = promMessage("out_of_time")
			return out, nil
		case err != nil && lost(err):
			return out, err
		case err != nil:
			out.reason = promMessage("services_hidden")
		}
		found := c.promCandidates(ctx, services)
		if len(found) > maxCandidates {
			found, out.reason = found[:maxCandidates], promMessage("too_many", "Limit", maxCandidates)
		}
		endpoint, tried := c.firstAnswering(ctx, found)
		out.tried = append(out.tried, tried...)
		if endpoint.URL != "" {
			return finding{endpoint: endpoint}, nil
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		out.reason = promMessage("out_of_time")
	}
	if out.reason.ID == "" {
		out.reason = promMessage("none_answers")
		if len(out.tried) == 0 {
			out.reason = promMessage("no_candidates")
		}
	}
	return out, nil
}

// promService is a Service that may be a Prometheus, with the port to ask.
type promService struct {
	svc   *corev1.Service
	port  *corev1.ServicePort
	doubt int
}

// promServices reads the Services that may be a Prometheus. A namespace that may not be read is passed over, unless it is
// the only one.
func (c *Cluster) promServices(ctx context.Context, namespaces []string, seen map[string]bool) ([]promService, error) {
	k, _ := kinds.Lookup("services")
	var out []promService
	var failed error
	for _, ns := range namespaces {
		opts := metav1.ListOptions{Limit: pageOfNodes}
		for range maxServicePages {
			obj, err := c.conn.list(ctx, k, ns, opts)
			if err != nil {
				if lost(err) {
					return nil, err
				}
				if ns == "" {
					failed = err
				}
				break
			}
			list, ok := obj.(*corev1.ServiceList)
			if !ok {
				return nil, errNotKubernetes
			}
			for i := range list.Items {
				svc := &list.Items[i]
				if id := svc.Namespace + "/" + svc.Name; !seen[id] {
					if s, ok := promising(svc); ok {
						seen[id] = true
						out = append(out, s)
					}
				}
			}
			if opts.Continue = list.Continue; opts.Continue == "" {
				break
			}
		}
	}
	return out, failed
}

// others are what stands beside a Prometheus and bears its name.
func others() []string {
	return []string{"alertmanager", "operator", "exporter", "pushgateway", "adapter", "grafana", "webhook", "metrics", "am"}
}

// promising says whether a Service may be a Prometheus, by its name, its labels or its port. One that only names another
// host is none: it would let whoever writes it send us anywhere.
func promising(svc *corev1.Service) (promService, bool) {
	if svc.Spec.Type == corev1.ServiceTypeExternalName || len(svc.Spec.Ports) == 0 {
		return promService{}, false
	}
	words := strings.FieldsFunc(svc.Name, func(r rune) bool { return r == '-' || r == '.' })
	for _, other := range others() {
		if slices.Contains(words, other) || slices.Contains(words, other+"s") {
			return promService{}, false
		}
	}
	s := promService{svc: svc, port: promPort(svc.Spec.Ports)}
	switch {
	case slices.Contains(words, "prometheus") || slices.Contains(words, "prom"):
	case svc.Labels["app.kubernetes.io/name"] == "prometheus", svc.Labels["operated-prometheus"] == "true",
		svc.Labels["app.kubernetes.io/component"] == "prometheus", svc.Labels["app"] == "prometheus", svc.Labels["k8s-app"] == "prometheus":
		s.doubt = 1
	case s.port != nil && (s.port.Port == promNumber || s.port.Name == "prometheus"):
		s.doubt = 2
	default:
		return promService{}, false
	}
	if s.port == nil {
		s.port = &svc.Spec.Ports[0]
	}
	return s, s.port.Protocol == "" || s.port.Protocol == corev1.ProtocolTCP
}

// promNumber is the port of a Prometheus unless somebody chose another.
const promNumber = 9090

// promPort is the port on which a Prometheus would answer; nil when none looks like it.
func promPort(ports []corev1.ServicePort) *corev1.ServicePort {
	for _, is := range []func(*corev1.ServicePort) bool{
		func(p *corev1.ServicePort) bool { return p.Port == promNumber || p.TargetPort.IntValue() == promNumber },
		func(p *corev1.ServicePort) bool {
			return slices.Contains([]string{"prometheus", "web", "http-web", "http", "https"}, p.Name)
		},
	} {
		for i := range ports {
			if is(&ports[i]) {
				return &ports[i]
			}
		}
	}
	return nil
}

// secure says whether a port speaks TLS.
func secure(p *corev1.ServicePort) bool {
	return p.AppProtocol != nil && *p.AppProtocol == "https" || strings.HasPrefix(p.Name, "https") || p.Port == 443 || p.Port == 8443
}

func address(scheme, host string, port int32) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// promCandidates are the ways to the Services, the preferred first. FR-2.3
func (c *Cluster) promCandidates(ctx context.Context, services []promService) []candidate {
	var out []candidate
	var nodes []string
	var nodesErr error
	asked := false
	ingresses := map[string][]ingressRoute{}
	for _, s := range services {
		svc, scheme := s.svc, "http"
		if secure(s.port) {
			scheme = "https"
		}
		add := func(way PrometheusWay, url string, problem error) {
			usual := slices.Index(usualNamespaces(), svc.Namespace)
			if usual < 0 {
				usual = len(usualNamespaces())
			}
			out = append(out, candidate{
				namespace: svc.Namespace, service: svc.Name, endpoint: Prometheus{URL: url, Way: way}, doubt: s.doubt, usual: usual, order: len(out), problem: problem,
			})
		}
		for _, in := range svc.Status.LoadBalancer.Ingress[:min(2, len(svc.Status.LoadBalancer.Ingress))] {
			if host := cmp.Or(in.IP, in.Hostname); svc.Spec.Type == corev1.ServiceTypeLoadBalancer && host != "" {
				add(WayLoadBalancer, address(scheme, host, s.port.Port), nil)
			}
		}
		if _, ok := ingresses[svc.Namespace]; !ok {
			ingresses[svc.Namespace] = c.promIngresses(ctx, svc.Namespace)
		}
		for _, route := range ingresses[svc.Namespace] {
			if route.leadsTo(svc.Name, s.port) {
				add(WayIngress, route.url, nil)
			}
		}
		if s.port.NodePort > 0 {
			if !asked {
				nodes, nodesErr = c.nodeAddresses(ctx)
				asked = true
			}
			for _, host := range nodes {
				add(WayNodePort, address(scheme, host, s.port.NodePort), nil)
			}
			if nodesErr != nil {
				add(WayNodePort, "", &promError{promMessage("nodes_hidden")})
			}
		}
		if ip := svc.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone {
			add(WayClusterIP, address(scheme, ip, s.port.Port), nil)
		}
		name := svc.Name + ":" + strconv.Itoa(int(s.port.Port))
		if scheme == "https" {
			name = "https:" + name
		}
		add(WayProxy, strings.TrimRight(c.conn.rest.Host, "/")+"/api/v1/namespaces/"+svc.Namespace+"/services/"+name+"/proxy", nil)
	}
	slices.SortFunc(out, byPreference)
	return out
}

// nodeAddresses are where node ports can be reached: of two ready nodes, from outside if there is such an address.
func (c *Cluster) nodeAddresses(ctx context.Context) ([]string, error) {
	k, _ := kinds.Lookup("nodes")
	obj, err := c.conn.list(ctx, k, "", metav1.ListOptions{Limit: pageOfNodes})
	if err != nil {
		return nil, err
	}
	list, ok := obj.(*corev1.NodeList)
	if !ok {
		return nil, errNotKubernetes
	}
	var out []string
	for i := range list.Items {
		var n nodeCount
		if n.add(&list.Items[i]); len(n.notReady) > 0 {
			continue
		}
		for _, want := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
			for _, a := range list.Items[i].Status.Addresses {
				if a.Type == want && a.Address != "" && !slices.Contains(out, a.Address) && len(out) < 2 {
					out = append(out, a.Address)
				}
			}
		}
	}
	return out, nil
}

// firstAnswering asks the candidates, several at a time, and returns the most preferred that answers; or what each of
// them came to.
func (c *Cluster) firstAnswering(ctx context.Context, candidates []candidate) (Prometheus, []PrometheusTrial) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make([]chan error, len(candidates))
	for i := range results {
		results[i] = make(chan error, 1)
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	places := make(chan struct{}, askedAtOnce)
	running.Go(func() {
		for i, cand := range candidates {
			select {
			case places <- struct{}{}:
			case <-asking.Done():
				results[i] <- &promError{promMessage("not_tried")}
				continue
			}
			running.Go(func() {
				defer func() { <-places }()
				err := cand.problem
				if err == nil {
					err = c.askPrometheus(asking, cand.endpoint)
				}
				results[i] <- err
			})
		}
	})
	var tried []PrometheusTrial
	for i, cand := range candidates {
		err := <-results[i]
		if err == nil {
			return cand.endpoint, nil
		}
		tried = append(tried, cand.trial(err))
	}
	return Prometheus{}, tried
}
