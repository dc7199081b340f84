package guard

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

type clientKey struct{}

type client struct{ ip, peer netip.Addr }

// ClientIP finds out who is asking: the peer of the connection or, where that is one of the trusted
// proxies, the rightmost hop of X-Forwarded-For that is not. What stands further left was written by
// the client and is worth nothing.
func ClientIP(trusted []netip.Prefix) func(http.Handler) http.Handler {
	trusted = slices.Clone(trusted)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer := parseHop(r.RemoteAddr)
			c := client{ip: clientIP(peer, r.Header.Values("X-Forwarded-For"), trusted), peer: peer}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, c)))
		})
	}
}

func clientIP(peer netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	isTrusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	last := peer
	if !isTrusted(peer) {
		return last
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr := parseHop(strings.TrimSpace(hop))
		if !addr.IsValid() { // whoever wrote this wrote the rest as well
			return last
		}
		last = addr
		if !isTrusted(addr) {
			return last
		}
	}
	return last
}

// parseHop reads an address with or without a port. A zone is dropped: it is the sender's own.
func parseHop(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// ClientIPOf returns the address of the client, PeerIPOf that of the connection's other end. Outside
// of ClientIP both are invalid.
func ClientIPOf(ctx context.Context) netip.Addr {
	c, _ := ctx.Value(clientKey{}).(client)
	return c.ip
}

// PeerIPOf returns the address of the connection's other end.
func PeerIPOf(ctx context.Context) netip.Addr {
	c, _ := ctx.Value(clientKey{}).(client)
	return c.peer
}

// Bucket returns what is counted as one client: an IPv4 address, or the /64 of an IPv6 one, of which
// everybody has 2^64 to choose from.
func Bucket(ip netip.Addr) string {
	ip = ip.Unmap()
	if !ip.IsValid() {
		return "unknown"
	}
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.WithZone("").Prefix(64) // a 128-bit address has a /64
	return p.String()
}
