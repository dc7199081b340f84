package guard

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
)

func TestA07_ClientIPIsTheRightmostUntrustedHop(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		trusted   []netip.Prefix
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                   {nil, "192.0.2.1:5", nil, "192.0.2.1"},
		"no proxy, header":           {nil, "192.0.2.1:5", []string{"1.1.1.1"}, "192.0.2.1"},
		"peer not trusted":           {proxies, "192.0.2.1:5", []string{"1.1.1.1"}, "192.0.2.1"},
		"one proxy":                  {proxies, "10.0.0.1:5", []string{"1.1.1.1"}, "1.1.1.1"},
		"one proxy, spoofed":         {proxies, "10.0.0.1:5", []string{"8.8.8.8, 1.1.1.1"}, "1.1.1.1"},
		"two headers":                {proxies, "10.0.0.1:5", []string{"8.8.8.8", "1.1.1.1"}, "1.1.1.1"},
		"two proxies":                {proxies, "10.0.0.1:5", []string{"8.8.8.8, 1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
		"spoofed proxy":              {proxies, "10.0.0.1:5", []string{"8.8.8.8, 10.0.0.2, 1.1.1.1"}, "1.1.1.1"},
		"all trusted":                {proxies, "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"proxy without header":       {proxies, "10.0.0.1:5", nil, "10.0.0.1"},
		"garbage":                    {proxies, "10.0.0.1:5", []string{"8.8.8.8, nonsense"}, "10.0.0.1"},
		"garbage further left":       {proxies, "10.0.0.1:5", []string{"nonsense, 1.1.1.1"}, "1.1.1.1"},
		"garbage before a proxy":     {proxies, "10.0.0.1:5", []string{"8.8.8.8, , 10.0.0.2"}, "10.0.0.2"},
		"port":                       {proxies, "10.0.0.1:5", []string{"1.1.1.1:99"}, "1.1.1.1"},
		"IPv6":                       {proxies, "[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":           {proxies, "10.0.0.1:5", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv6 with port":             {proxies, "10.0.0.1:5", []string{"[2001:db8::1]:9"}, "2001:db8::1"},
		"zone":                       {proxies, "[fe80::1%eth0]:5", nil, "fe80::1"},
		"IPv4 in IPv6":               {proxies, "[::ffff:10.0.0.1]:5", []string{"::ffff:1.1.1.1"}, "1.1.1.1"},
		"other headers are no proof": {proxies, "10.0.0.1:5", nil, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("GET", "/", "h", http.Header{"X-Real-Ip": {"9.9.9.9"}, "True-Client-Ip": {"9.9.9.9"}, "Forwarded": {"for=9.9.9.9"}})
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			var ip, peer netip.Addr
			serve(ClientIP(c.trusted)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ip, peer = ClientIPOf(r.Context()), PeerIPOf(r.Context())
			})), r)
			if ip.String() != c.want {
				t.Errorf("client is %s", ip)
			}
			if want := parseHop(c.peer); peer != want {
				t.Errorf("peer is %s", peer)
			}
		})
	}
}

// TestA07_SpoofedAddressesShareOneBucket: a thousand values of the header are one client.
func TestA07_SpoofedAddressesShareOneBucket(t *testing.T) {
	buckets := map[string]bool{}
	h := ClientIP(nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { buckets[Bucket(ClientIPOf(r.Context()))] = true }))
	for i := range 1000 {
		r := request("GET", "/", "h", http.Header{"X-Forwarded-For": {fmt.Sprintf("1.1.%d.%d", i/256, i%256)}})
		r.RemoteAddr = "192.0.2.7:1"
		serve(h, r)
	}
	if len(buckets) != 1 || !buckets["192.0.2.7"] {
		t.Errorf("%d buckets", len(buckets))
	}
}

func TestA07_Buckets(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::": "2001:db8:1:2::/64", "2001:db8:1:3::": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Bucket(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s is in %s", in, got)
		}
	}
	if got := Bucket(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is in %s", got)
	}
}

func FuzzClientIP(f *testing.F) {
	f.Add("1.1.1.1, 10.0.0.2", "10.0.0.1:5")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded, peer string) {
		got := clientIP(parseHop(peer), []string{forwarded}, trusted)
		if p := parseHop(peer); !trusted[0].Contains(p) && got != p {
			t.Errorf("%q of %q makes %s", forwarded, peer, got)
		}
	})
}
