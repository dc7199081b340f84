// Package kubetest is a small scripted API server for tests: a real HTTPS listener that answers discovery, reads, lists,
// watches, patches and deletes from objects in memory, records every request, and misbehaves on demand. It is the
// oracle for "nothing reached the cluster", and the way to try faults that a real control plane cannot be talked into.
package kubetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// DefaultToken is the bearer token that a server accepts when Options names no other.
const DefaultToken = "kubetest-token-that-must-never-be-seen"

// Options say how a server differs from a healthy, empty one.
type Options struct {
	// Version is what /version answers; v1.37.2 when empty.
	Version string
	// Token is the accepted bearer token; DefaultToken when empty.
	Token string
	// User is who the token belongs to; "kubetest" when empty.
	User string
	// Objects are added before the first request.
	Objects []runtime.Object
	// Allow decides on every authenticated request, like RBAC would; nil allows everything.
	Allow func(Attributes) bool
	// Memory serves on connections inside the process instead of on a TCP port, for tests in a testing/synctest bubble,
	// where a wait on a socket would stop the clock. Connect with Dial.
	Memory bool
	// NoWatchList answers streaming lists as servers before 1.32 do: with 422.
	NoWatchList bool
	// NoAggregatedDiscovery answers discovery group by group, as servers before 1.26 do.
	NoAggregatedDiscovery bool
	// Without are built-in kinds that the server does not serve, by ID, as an old server does not.
	Without []string
	// Extra are kinds of aggregated APIs.
	Extra []Extra
	// Record keeps what is answered, for Answered.
	Record bool
	// OpenAPI are the documents of /openapi/v3, by group version: "apis/apps/v1", "api/v1".
	OpenAPI map[string]string
	// NoSelfSubjectReview answers 404 to SelfSubjectReview, as servers before 1.28 do.
	NoSelfSubjectReview bool
}

// Attributes are what Options.Allow decides on.
type Attributes struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

// Request is one request as it arrived.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	Time   time.Time
}

// String is the request line, for failure messages.
func (r Request) String() string {
	if len(r.Query) == 0 {
		return r.Method + " " + r.Path
	}
	return r.Method + " " + r.Path + "?" + r.Query.Encode()
}

// Watch says whether the request asked for a stream of changes.
func (r Request) Watch() bool { return r.Query.Get("watch") == "true" || r.Query.Get("watch") == "1" }

// Review says whether the request asks who the caller is, or what the caller may do.
func (r Request) Review() bool {
	switch path.Base(r.Path) {
	case "selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews":
		return r.Method == http.MethodPost
	default:
		return false
	}
}

// Script answers a request in place of the server and returns true, or returns false to let the server answer.
type Script func(w http.ResponseWriter, r *http.Request) bool

// Server is a scripted API server. All methods may be called at any time from any goroutine.
type Server struct {
	opts  Options
	certs *authority
	store *store
	addr  string
	mem   *memory
	stop  context.CancelFunc
	ctx   context.Context //nolint:containedctx // ends every open watch when the server is closed

	mu       sync.Mutex
	http     *httptest.Server
	requests []Request
	script   Script
	allow    func(Attributes) bool
	token    string
	serving  tls.Certificate
	live     map[net.Conn]*stallConn
	stalled  bool
	away     map[string]bool // groups of aggregated APIs whose server does not answer
	answers  []answer
	admit    func(old, changed runtime.Object) error
}

// New starts a server that is closed when the test ends.
func New(tb testing.TB, opts Options) *Server {
	tb.Helper()
	if opts.Version == "" {
		opts.Version = "v1.37.2"
	}
	if opts.Token == "" {
		opts.Token = DefaultToken
	}
	if opts.User == "" {
		opts.User = "kubetest"
	}
	certs, err := newAuthority("kubetest")
	if err != nil {
		tb.Fatalf("make a certificate authority: %v", err)
	}
	serving, err := certs.serving()
	if err != nil {
		tb.Fatalf("make a serving certificate: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		opts: opts, certs: certs, store: newStore(), ctx: ctx, stop: stop,
		allow: opts.Allow, token: opts.Token, serving: serving, live: map[net.Conn]*stallConn{},
	}
	if opts.Memory {
		s.mem = newMemory()
		s.addr = "kubetest.invalid:6443"
	}
	s.Add(opts.Objects...)
	if err := s.listen(); err != nil {
		tb.Fatalf("listen: %v", err)
	}
	tb.Cleanup(func() {
		s.stop()
		s.Down()
	})
	return s
}

// listen starts serving on the address of before, or on a free one the first time.
func (s *Server) listen() error {
	var l net.Listener
	if s.mem != nil {
		l = s.mem.listen()
	} else {
		addr := s.addr
		if addr == "" {
			addr = "127.0.0.1:0"
		}
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
		s.addr = l.Addr().String()
	}
	h := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	_ = h.Listener.Close()
	h.Listener = &stallListener{Listener: l, server: s}
	h.EnableHTTP2 = true
	h.Config.ErrorLog = quiet()
	h.Config.BaseContext = func(net.Listener) context.Context { return s.ctx }
	h.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequestClientCert,
		// A function, so that a test can change the certificate of a running server.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.serving},
				ClientAuth: tls.RequestClientCert, NextProtos: []string{"h2", "http/1.1"},
			}, nil
		},
		Certificates: []tls.Certificate{s.serving},
	}
	h.StartTLS()
	s.mu.Lock()
	s.http = h
	s.mu.Unlock()
	return nil
}

// Down closes the listener and every connection: connections are refused until Up.
func (s *Server) Down() {
	s.mu.Lock()
	h := s.http
	s.http = nil
	s.mu.Unlock()
	if h == nil {
		return
	}
	s.CloseConnections()
	h.CloseClientConnections()
	h.Close()
}

// Up serves again on the same address after Down.
func (s *Server) Up(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	up := s.http != nil
	s.mu.Unlock()
	if up {
		return
	}
	if err := s.listen(); err != nil {
		tb.Fatal(err)
	}
}

// CloseConnections cuts every open connection; new ones are accepted.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	conns := make([]*stallConn, 0, len(s.live))
	for _, c := range s.live {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// Stall makes every open and new connection go silent without closing: bytes sent are lost, none are answered. It is
// what a client sees when a firewall forgets a connection.
func (s *Server) Stall(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = on
	for _, c := range s.live {
		c.setStalled(on)
	}
}

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.addr }

// URL is the server's address as a kubeconfig has it.
func (s *Server) URL() string { return "https://" + s.addr }

// CA is the certificate authority that signed the serving certificate, as PEM.
func (s *Server) CA() []byte { return s.certs.pem }

// OtherCA is a certificate authority that signed nothing, as PEM: with it the server is not to be trusted.
func (s *Server) OtherCA(tb testing.TB) []byte {
	tb.Helper()
	other, err := newAuthority("someone else")
	if err != nil {
		tb.Fatal(err)
	}
	return other.pem
}

// ClientCertificate makes a client certificate that the server accepts while it is valid.
func (s *Server) ClientCertificate(tb testing.TB, user string, notBefore, notAfter time.Time) (cert, key []byte) {
	tb.Helper()
	cert, key, err := s.certs.client(user, notBefore, notAfter)
	if err != nil {
		tb.Fatal(err)
	}
	return cert, key
}

// ServeWithCertificateOf makes new connections meet a certificate for another host name, or one of another authority.
func (s *Server) ServeWithCertificateOf(tb testing.TB, host string, trusted bool) {
	tb.Helper()
	certs := s.certs
	if !trusted {
		var err error
		if certs, err = newAuthority("rotated"); err != nil {
			tb.Fatal(err)
		}
	}
	serving, err := certs.servingFor(host)
	if err != nil {
		tb.Fatal(err)
	}
	s.mu.Lock()
	s.serving = serving
	s.mu.Unlock()
}

// Kubeconfig is a file with one context named "kubetest" that reaches the server; edits change it before it is written.
func (s *Server) Kubeconfig(edits ...func(*clientcmdapi.Config)) []byte {
	c := clientcmdapi.NewConfig()
	c.Clusters["kubetest"] = &clientcmdapi.Cluster{Server: s.URL(), CertificateAuthorityData: s.CA()}
	c.AuthInfos["kubetest"] = &clientcmdapi.AuthInfo{Token: s.opts.Token}
	c.Contexts["kubetest"] = &clientcmdapi.Context{Cluster: "kubetest", AuthInfo: "kubetest"}
	c.CurrentContext = "kubetest"
	for _, edit := range edits {
		edit(c)
	}
	out, err := clientcmd.Write(*c)
	if err != nil {
		panic(fmt.Sprintf("write a kubeconfig: %v", err)) // only an edit that makes nonsense gets here
	}
	return out
}

// Dial connects to the server whatever the address: over memory with Options.Memory, over TCP otherwise.
func (s *Server) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if s.mem != nil {
		return s.mem.dial(ctx)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, s.addr)
}

// Script answers requests before the server does; nil takes the script away.
func (s *Server) Script(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Authorize replaces Options.Allow.
func (s *Server) Authorize(allow func(Attributes) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allow = allow
}

// SetToken replaces the accepted bearer token: clients with the old one get 401.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Requests are the requests so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Reset forgets the requests so far.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Changes are the requests so far that were not reads. A review, which asks who one is or what one may do, is a read that
// is sent as a POST.
func (s *Server) Changes() []Request {
	var out []Request
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !r.Review() {
			out = append(out, r)
		}
	}
	return out
}

// Connections is the number of connections that are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}

// serve records, scripts, authenticates, and answers.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body, Time: time.Now(),
	})
	script, allow, token := s.script, s.allow, s.token
	s.mu.Unlock()
	if s.opts.Record {
		w = &recorder{w, s, r.URL.Path}
	}
	if script != nil && script(w, r) {
		return
	}
	user, ok := s.authenticate(r, token)
	if !ok {
		Unauthorized(w, r)
		return
	}
	c := &call{Server: s, w: w, r: r, body: body, user: user, allow: allow}
	c.route()
}

// authenticate accepts the token, or a client certificate of the server's own authority that is valid now.
func (s *Server) authenticate(r *http.Request, token string) (string, bool) {
	if r.Header.Get("Authorization") == "Bearer "+token {
		return s.opts.User, true
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", false
	}
	cert := r.TLS.PeerCertificates[0]
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: s.certs.pool(), CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return cert.Subject.CommonName, err == nil
}
