package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tiga/kube/kinds"
)

const (
	// askTimeout bounds one question to a Prometheus.
	askTimeout = 5 * time.Second
	// maxPromAnswer bounds what is read of the answer to a question that has a short one.
	maxPromAnswer = 64 << 10
	// maxPrometheusURL bounds an address that is set by hand.
	maxPrometheusURL = 2048
)

// promError is an answer that no Prometheus gives.
type promError struct{ kinds.Message }

func (e *promError) Error() string { return e.ID }

// URLError says what is wrong with an address that is to be used.
type URLError struct{ Message kinds.Message }

func (e *URLError) Error() string { return e.Message.ID }

// CheckPrometheusURL says what is wrong with an address that somebody sets by hand, and returns it as it is kept. It
// looks up no name: what a name leads to is checked whenever it is connected to.
func CheckPrometheusURL(raw string) (string, error) {
	raw = strings.TrimRight(strings.TrimSpace(raw), "/")
	u, err := url.Parse(raw)
	switch {
	case err != nil, len(raw) > maxPrometheusURL, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return "", &URLError{promMessage("url_form")}
	case u.User != nil:
		return "", &URLError{promMessage("url_user")}
	case u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return "", &URLError{promMessage("url_query")}
	}
	port := uint64(80)
	if u.Port() != "" || strings.HasSuffix(u.Host, ":") {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return "", &URLError{promMessage("url_form")}
		}
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := checkAddr(netip.AddrPortFrom(addr, uint16(port))); err != nil {
			return "", &URLError{promMessage("address_refused", "Address", addr.String())}
		}
	}
	return u.String(), nil
}

// proxied is the path of a Service behind the API server. Nothing else is ever asked for by that way.
var proxied = regexp.MustCompile(`/api/v1/namespaces/[a-z0-9-]+/services/(?:https:)?[a-z0-9-]+:[a-z0-9-]+/proxy$`)

// queries are the paths of a Prometheus, behind a Service, that may be read.
var queries = regexp.MustCompile(`^/api/v1/namespaces/[a-z0-9-]+/services/(?:https:)?[a-z0-9-]+:[a-z0-9-]+/proxy/api/v1/query$`)

// askPrometheus says whether a Prometheus answers there, by a query whose answer is known. FR-2.5
func (c *Cluster) askPrometheus(ctx context.Context, e Prometheus) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	base, client := e.URL, (*http.Client)(nil)
	if e.Way == WayProxy {
		path := proxied.FindString(e.URL)
		if path == "" {
			return errForbiddenPath
		}
		base, client = strings.TrimRight(c.conn.rest.Host, "/")+path, c.conn.http
		ctx = withFlags(ctx, flags{service: true})
		if err := c.conn.limiter.Wait(ctx); err != nil {
			return err
		}
	} else {
		dialer := c.promDialer(e)
		defer dialer.Close()
		client = &http.Client{
			// No proxy and no credentials, and what is learned of one address is used for no other.
			Transport:     &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: tlsTimeout, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/query?query="+url.QueryEscape("vector(1)"), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask Prometheus: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return verdict(resp, e.Way == WayProxy)
}

// promDialer connects to what an endpoint leads to. What a cluster says of itself is not trusted with this machine: its
// own addresses are for clusters that run on it.
func (c *Cluster) promDialer(e Prometheus) *dialer {
	check := c.cfg.CheckAddr
	if !e.Manual() && !c.local() {
		check = func(a netip.AddrPort) error {
			if a.Addr().Unmap().IsLoopback() {
				return &addressError{a.Addr()}
			}
			if c.cfg.CheckAddr != nil {
				return c.cfg.CheckAddr(a)
			}
			return nil
		}
	}
	return newDialer(&Config{Dial: c.cfg.dialPrometheus, Resolver: c.cfg.Resolver, CheckAddr: check})
}

// local says whether the API server's address is one of this machine's own.
func (c *Cluster) local() bool {
	u, err := url.Parse(c.conn.rest.Host)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// verdict says whether an answer is that of a Prometheus. Its body goes nowhere.
func verdict(resp *http.Response, proxy bool) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code >= 300 && code < 400:
		return &promError{promMessage("redirect", "Code", code)}
	case proxy && code == http.StatusForbidden:
		return &promError{promMessage("proxy_forbidden")}
	case proxy && code == http.StatusServiceUnavailable:
		return &promError{promMessage("proxy_unavailable")}
	default:
		return &promError{promMessage("status", "Code", code)}
	}
	var answer struct {
		Status string
		Data   struct {
			ResultType string
			Result     []struct{ Value [2]any }
		}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPromAnswer+1))
	if err != nil {
		return err
	}
	if len(body) > maxPromAnswer || json.Unmarshal(body, &answer) != nil || answer.Status != "success" || answer.Data.ResultType != "vector" ||
		len(answer.Data.Result) != 1 || answer.Data.Result[0].Value[1] != "1" {
		return &promError{promMessage("not_prometheus")}
	}
	return nil
}

// promReason is what went wrong with a Prometheus, in words.
func promReason(err error) kinds.Message {
	if e, ok := errors.AsType[*promError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*addressError](err); ok {
		return promMessage("address_refused", "Address", e.addr.String())
	}
	e := classify(err)
	switch {
	case e.Reason.ID == "cluster.tls_unknown_authority":
		return promMessage("tls_unknown_authority")
	case e.Kind == KindInternal:
		return promMessage("not_prometheus")
	}
	return e.Reason
}
