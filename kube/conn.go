package kube

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"tiga/kube/internal/open"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
)

const (
	getTimeout    = 5 * time.Second
	listTimeout   = 15 * time.Second
	changeTimeout = 15 * time.Second
	// headerTimeout bounds the wait for a watch to begin; the watch itself may last.
	headerTimeout = 15 * time.Second
	// maxResponse bounds an answer after decompression.
	maxResponse = 64 << 20
	// pingAfter and pingTimeout together bound how long a connection that has gone silent is believed in: 30 s.
	pingAfter, pingTimeout = 15 * time.Second, 15 * time.Second
)

// errPlugin means that a credential plugin failed.
var errPlugin = errors.New("credential plugin")

// conn is the way to one cluster with one set of credentials: built once, used by everything, closed as a whole.
type conn struct {
	rest     *rest.Config
	http     *http.Client
	base     *http.Transport
	dialer   *dialer
	limiter  flowcontrol.RateLimiter
	bulk     flowcontrol.RateLimiter // of what is asked for in bulk, see paced
	breaker  *breaker
	lock     *credentialLock
	readOnly *atomic.Bool
	expires  time.Time // of the client certificate, zero if there is none
	cancel   context.CancelFunc

	mu      sync.Mutex
	clients map[clientKey]*rest.RESTClient
}

// clientKey finds a client: by what it reads, and as what.
type clientKey struct {
	gv      schema.GroupVersion
	dynamic bool
}

// codecs read and write the kinds that have a Go type, and parameters the options of all.
var (
	codecs     = serializer.NewCodecFactory(kinds.Types()).WithoutConversion()
	parameters = optionCodec{runtime.NewParameterCodec(kinds.Types())}
)

// optionCodec writes options as those of v1, which every API understands: a group that has no Go types has no others.
type optionCodec struct{ runtime.ParameterCodec }

// EncodeParameters implements runtime.ParameterCodec.
func (c optionCodec) EncodeParameters(obj runtime.Object, _ schema.GroupVersion) (url.Values, error) {
	return c.ParameterCodec.EncodeParameters(obj, schema.GroupVersion{Version: "v1"})
}

// newConn builds the way to a cluster. It opens no connection.
func newConn(cfg *Config, id int64, creds kubeconfig.Credentials, readOnly *atomic.Bool, refused func()) (*conn, error) {
	rc, err := creds.RESTConfig(open.New(), cfg.AllowExec)
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(rc.Host)
	if err != nil || server.Host == "" {
		return nil, fmt.Errorf("server address: %w", kubeconfig.ErrClosed)
	}
	if cfg.Proxy != nil {
		rc.Proxy = cfg.Proxy
	}
	c := &conn{
		dialer: newDialer(cfg), readOnly: readOnly, lock: &credentialLock{},
		limiter: flowcontrol.NewTokenBucketRateLimiter(cfg.QPS, cfg.Burst),
		bulk:    flowcontrol.NewTokenBucketRateLimiter(bulkRate*cfg.QPS, bulkRate*cfg.Burst),
		breaker: &breaker{now: cfg.Now}, clients: map[clientKey]*rest.RESTClient{},
	}
	if block, _ := pem.Decode(rc.CertData); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			c.expires = cert.NotAfter
		}
	}
	rc.UserAgent = cfg.UserAgent
	rc.Dial = c.dialer.DialContext
	rc.RateLimiter = c.limiter
	rc.WarningHandler = rest.NoWarnings{} // the default prints to standard error
	c.rest = rc
	authenticated, err := c.transport(rc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(cfg.ctx))
	c.cancel = cancel
	var observe func(*http.Request)
	if cfg.Observe != nil {
		observe = func(r *http.Request) { cfg.Observe(id, r) }
	}
	rt := observed(observe, authenticated)
	rt = capped(cfg.maxResponse, rt)
	rt = bulkhead(cfg.InFlight, ctx.Done(), rt)
	rt = c.breaker.wrap(rt)
	rt = (&pause{now: cfg.Now}).wrap(rt)
	rt = c.lock.wrap(refused, rt)
	rt = lock(server, readOnly, rt)
	rt = remembered(rt)
	c.http = &http.Client{
		Transport: rt,
		// An API server never redirects; following would carry the credentials elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// transport is the bottom of the stack: TLS, HTTP/2 with pings, and the credentials on top.
func (c *conn) transport(rc *rest.Config) (http.RoundTripper, error) {
	tc, err := rc.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPlugin, err)
	}
	tlsConfig, err := transport.TLSConfigFor(tc)
	if err != nil {
		return nil, fmt.Errorf("TLS of the cluster: %w", err)
	}
	c.base = &http.Transport{
		Proxy: rc.Proxy, DialContext: tc.DialHolder.Dial, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: tlsTimeout,
		MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	rt := unechoed(c.base)
	if rt, err = transport.HTTPWrappersForConfig(tc, rt); err != nil {
		return nil, fmt.Errorf("credentials of the cluster: %w", err)
	}
	if rc.ExecProvider != nil {
		rt = impatient(rt)
	}
	return rt, nil
}

// impatient leaves a request whose time is over even while a credential plugin, which knows no deadline, still runs.
func impatient(next http.RoundTripper) http.RoundTripper {
	type answer struct {
		resp *http.Response
		err  error
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		done := make(chan answer, 1)
		// A copy, because the plugin's layer sets headers on it after we have left.
		copied := r.Clone(r.Context())
		go func() {
			resp, err := next.RoundTrip(copied) //nolint:bodyclose // closed by whoever takes it, or below
			done <- answer{resp, err}
		}()
		select {
		case a := <-done:
			if a.err != nil && strings.HasPrefix(a.err.Error(), "getting credentials:") { // client-go has no type for it
				return nil, fmt.Errorf("%w: %w", errPlugin, a.err)
			}
			return a.resp, a.err
		case <-r.Context().Done():
			go func() {
				if a := <-done; a.resp != nil {
					_ = a.resp.Body.Close()
				}
			}()
			return nil, r.Context().Err()
		}
	})
}

// bulkRate is how many times as fast as others requests in bulk may be.
const bulkRate = 4

// paced gives a request of many that a person asked for at once a rate of its own. Whoever sends them waits for the answer
// of a few before the next, which is what keeps a busy API server from being asked too much; the usual rate, which is there
// against requests that multiply by themselves, would only make the person wait.
func (c *conn) paced(ctx context.Context, r *rest.Request) *rest.Request {
	if flagsOf(ctx).bulk {
		return r.Throttle(c.bulk)
	}
	return r
}

// close ends everything that runs over the connection.
func (c *conn) close() {
	c.cancel()
	c.dialer.Close()
	c.base.CloseIdleConnections()
}

// client is the REST client of a group version whose kinds have Go types. They travel as protobuf.
func (c *conn) client(gv schema.GroupVersion) (*rest.RESTClient, error) {
	return c.clientFor(clientKey{gv: gv})
}

// reader is the REST client that reads a kind.
func (c *conn) reader(k *kinds.Kind) (*rest.RESTClient, error) {
	return c.clientFor(clientKey{k.GVR.GroupVersion(), k.Dynamic()})
}

func (c *conn) clientFor(key clientKey) (*rest.RESTClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rc, ok := c.clients[key]; ok {
		return rc, nil
	}
	cfg := rest.CopyConfig(c.rest)
	cfg.APIPath = "/apis"
	if key.gv.Group == "" {
		cfg.APIPath = "/api"
	}
	cfg.GroupVersion = &key.gv
	cfg.NegotiatedSerializer = codecs
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if key.dynamic {
		// What has no Go type has no protobuf either. This serializer, unlike others, knows the API server's own Status, so
		// that a refusal keeps its words.
		cfg.NegotiatedSerializer = dynamic.ConfigFor(cfg).NegotiatedSerializer
		cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	}
	rc, err := rest.RESTClientForConfigAndClient(cfg, c.http)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", key.gv, err)
	}
	c.clients[key] = rc
	return rc, nil
}

// bounded limits a request in time, and keeps client-go from logging what is returned to the caller anyway.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(klog.NewContext(ctx, klog.Logger{}), limit)
}
