package guard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func site(t *testing.T, cfg SiteConfig) *Site {
	t.Helper()
	s, err := NewSite(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func external(t *testing.T) *Site {
	t.Helper()
	return site(t, SiteConfig{Listen: "0.0.0.0:8080", ExternalURL: "https://tiga.example.com"})
}

func local(t *testing.T) *Site {
	t.Helper()
	return site(t, SiteConfig{Listen: "127.0.0.1:8080"})
}

// request is one as a server sees it: target without a host, Host apart.
func request(method, target, host string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for k, v := range header {
		r.Header[http.CanonicalHeaderKey(k)] = v
	}
	return r
}

// refusals remembers the last refusal and answers with its status.
type refusals struct{ last *Refusal }

func (f *refusals) on(w http.ResponseWriter, _ *http.Request, refusal *Refusal) {
	f.last = refusal
	w.WriteHeader(refusal.Status)
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func TestA09_SiteRefusesToGuessItsName(t *testing.T) {
	for name, c := range map[string]struct {
		cfg SiteConfig
		url string // "" means an error
	}{
		"loopback":              {SiteConfig{Listen: "127.0.0.1:8080"}, "http://localhost:8080"},
		"other loopback":        {SiteConfig{Listen: "127.3.2.1:8080"}, "http://localhost:8080"},
		"localhost":             {SiteConfig{Listen: "localhost:80"}, "http://localhost"},
		"IPv6 loopback":         {SiteConfig{Listen: "[::1]:9"}, "http://localhost:9"},
		"loopback with TLS":     {SiteConfig{Listen: "127.0.0.1:443", TLS: true}, "https://localhost"},
		"everywhere":            {SiteConfig{Listen: ":8080"}, ""},
		"everywhere, IPv4":      {SiteConfig{Listen: "0.0.0.0:8080"}, ""},
		"everywhere, IPv6":      {SiteConfig{Listen: "[::]:8080"}, ""},
		"private":               {SiteConfig{Listen: "192.168.1.2:8080"}, ""},
		"a name":                {SiteConfig{Listen: "tiga:8080"}, ""},
		"no port":               {SiteConfig{Listen: "127.0.0.1"}, ""},
		"external":              {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com"}, "https://tiga.example.com"},
		"external with slash":   {SiteConfig{Listen: ":8080", ExternalURL: "https://Tiga.Example.com:443/"}, "https://tiga.example.com"},
		"external with port":    {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com:8443"}, "https://tiga.example.com:8443"},
		"external IPv6":         {SiteConfig{Listen: ":8080", ExternalURL: "https://[2001:db8::1]:8443"}, "https://[2001:db8::1]:8443"},
		"external on loopback":  {SiteConfig{Listen: "127.0.0.1:8080", ExternalURL: "https://tiga.example.com"}, "https://tiga.example.com"},
		"http on loopback":      {SiteConfig{Listen: ":8080", ExternalURL: "http://localhost:8080"}, "http://localhost:8080"},
		"http elsewhere":        {SiteConfig{Listen: ":8080", ExternalURL: "http://tiga.example.com"}, ""},
		"no scheme":             {SiteConfig{Listen: ":8080", ExternalURL: "tiga.example.com"}, ""},
		"another scheme":        {SiteConfig{Listen: ":8080", ExternalURL: "ftp://tiga.example.com"}, ""},
		"path":                  {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com/tiga"}, ""},
		"query":                 {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com?a"}, ""},
		"fragment":              {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com#a"}, ""},
		"user":                  {SiteConfig{Listen: ":8080", ExternalURL: "https://a@tiga.example.com"}, ""},
		"wildcard":              {SiteConfig{Listen: ":8080", ExternalURL: "https://*.example.com"}, ""},
		"trailing dot":          {SiteConfig{Listen: ":8080", ExternalURL: "https://tiga.example.com."}, ""},
		"IDN":                   {SiteConfig{Listen: ":8080", ExternalURL: "https://tigä.example.com"}, ""},
		"IPv6 in another form":  {SiteConfig{Listen: ":8080", ExternalURL: "https://[2001:0db8::1]"}, ""},
		"IPv6 that is not one":  {SiteConfig{Listen: ":8080", ExternalURL: "https://[::1"}, ""},
		"no host":               {SiteConfig{Listen: ":8080", ExternalURL: "https://"}, ""},
		"only a port":           {SiteConfig{Listen: ":8080", ExternalURL: "https://:443"}, ""},
		"not a URL":             {SiteConfig{Listen: ":8080", ExternalURL: "https://a b"}, ""},
		"loopback, IPv4 in six": {SiteConfig{Listen: "[::ffff:127.0.0.1]:8080"}, "http://localhost:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSite(c.cfg)
			if (err == nil) != (c.url != "") {
				t.Fatalf("error %v", err)
			}
			if err == nil && s.URL() != c.url {
				t.Errorf("URL is %s", s.URL())
			}
		})
	}
	_, err := NewSite(SiteConfig{Listen: ":8080"})
	if err == nil || !strings.Contains(err.Error(), "--external-url") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

func TestA09_OnlyOurHostsAreServed(t *testing.T) {
	for name, c := range map[string]struct {
		site *Site
		good []string
		bad  []string
	}{
		"external": {
			external(t),
			[]string{"tiga.example.com", "TIGA.example.COM", "tiga.example.com:443"},
			[]string{
				"", "evil.com", "tiga.example.com.evil.com", "evil-tiga.example.com", "a.tiga.example.com", "example.com", "tiga.example.com.",
				"tiga.example.com:80", "tiga.example.com:8080", "tiga.example.com:443:443", "127.0.0.1:8080", "localhost:8080", "tiga.example.com@evil.com", " tiga.example.com",
			},
		},
		"loopback": {
			local(t),
			[]string{"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080"},
			[]string{"", "localhost", "localhost:80", "127.0.0.1", "127.0.0.2:8080", "evil.com:8080", "localhost.evil.com:8080", "0.0.0.0:8080", "::1:8080", "[::]:8080"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got refusals
			h := Hosts(c.site, got.on)(teapot)
			for _, host := range c.good {
				if w := serve(h, request("GET", "/", host, nil)); w.Code != http.StatusTeapot {
					t.Errorf("%q is answered with %d", host, w.Code)
				}
			}
			for _, host := range c.bad {
				for _, method := range []string{"GET", "POST", "OPTIONS"} {
					got.last = nil
					w := serve(h, request(method, "/healthz", host, http.Header{"Upgrade": {"websocket"}, "X-Forwarded-Host": {"tiga.example.com"}}))
					if w.Code != http.StatusMisdirectedRequest || got.last == nil || got.last.ID != IDHost {
						t.Errorf("%s to %q is answered with %d", method, host, w.Code)
					}
				}
			}
		})
	}
}

// TestA01_OriginMatrix: sockets open for our own pages only. Streams differ in one thing: browsers
// send no Origin for them, and say "same-origin" instead.
func TestA01_OriginMatrix(t *testing.T) {
	const host = "tiga.example.com"
	ours := "https://tiga.example.com"
	for name, c := range map[string]struct {
		site            *Site
		host            string
		header          http.Header
		upgrade, stream bool
	}{
		"ours":                        {external(t), host, http.Header{"Origin": {ours}}, true, true},
		"ours, port in host":          {external(t), host + ":443", http.Header{"Origin": {ours}}, true, true},
		"none":                        {external(t), host, nil, false, false},
		"evil":                        {external(t), host, http.Header{"Origin": {"https://evil.com"}}, false, false},
		"sibling":                     {external(t), host, http.Header{"Origin": {"https://other.example.com"}}, false, false},
		"sub":                         {external(t), host, http.Header{"Origin": {"https://a.tiga.example.com"}}, false, false},
		"null":                        {external(t), host, http.Header{"Origin": {"null"}}, false, false},
		"null, same-origin":           {external(t), host, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, false, false},
		"http":                        {external(t), host, http.Header{"Origin": {"http://tiga.example.com"}}, false, false},
		"other port":                  {external(t), host, http.Header{"Origin": {ours + ":8443"}}, false, false},
		"default port written":        {external(t), host, http.Header{"Origin": {ours + ":443"}}, false, false},
		"host and origin evil":        {external(t), "evil.com", http.Header{"Origin": {"https://evil.com"}}, false, false},
		"host evil":                   {external(t), "evil.com", http.Header{"Origin": {ours}}, false, false},
		"two origins":                 {external(t), host, http.Header{"Origin": {ours, ours}}, false, false},
		"two origins, evil last":      {external(t), host, http.Header{"Origin": {ours, "https://evil.com"}}, false, false},
		"two in one":                  {external(t), host, http.Header{"Origin": {ours + ", https://evil.com"}}, false, false},
		"empty origin":                {external(t), host, http.Header{"Origin": {""}}, false, false},
		"upper case":                  {external(t), host, http.Header{"Origin": {"HTTPS://TIGA.EXAMPLE.COM"}}, false, false},
		"IDN":                         {external(t), host, http.Header{"Origin": {"https://tigа.example.com"}}, false, false},
		"trailing dot":                {external(t), host, http.Header{"Origin": {ours + "."}}, false, false},
		"trailing slash":              {external(t), host, http.Header{"Origin": {ours + "/"}}, false, false},
		"prefix":                      {external(t), host, http.Header{"Origin": {ours + ".evil.com"}}, false, false},
		"userinfo":                    {external(t), host, http.Header{"Origin": {"https://tiga.example.com@evil.com"}}, false, false},
		"same-origin":                 {external(t), host, http.Header{"Sec-Fetch-Site": {"same-origin"}}, false, true},
		"same-origin, host evil":      {external(t), "evil.com", http.Header{"Sec-Fetch-Site": {"same-origin"}}, false, false},
		"same-site":                   {external(t), host, http.Header{"Sec-Fetch-Site": {"same-site"}}, false, false},
		"cross-site":                  {external(t), host, http.Header{"Sec-Fetch-Site": {"cross-site"}}, false, false},
		"typed address":               {external(t), host, http.Header{"Sec-Fetch-Site": {"none"}}, false, false},
		"two sites":                   {external(t), host, http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false, false},
		"same-origin, evil origin":    {external(t), host, http.Header{"Origin": {"https://evil.com"}, "Sec-Fetch-Site": {"same-origin"}}, false, false},
		"loopback":                    {local(t), "localhost:8080", http.Header{"Origin": {"http://localhost:8080"}}, true, true},
		"loopback by number":          {local(t), "127.0.0.1:8080", http.Header{"Origin": {"http://127.0.0.1:8080"}}, true, true},
		"loopback, another name":      {local(t), "localhost:8080", http.Header{"Origin": {"http://127.0.0.1:8080"}}, false, false},
		"loopback, another port":      {local(t), "localhost:8080", http.Header{"Origin": {"http://localhost:3000"}}, false, false},
		"loopback, https":             {local(t), "localhost:8080", http.Header{"Origin": {"https://localhost:8080"}}, false, false},
		"loopback, rebinding":         {local(t), "evil.com:8080", http.Header{"Origin": {"http://evil.com:8080"}}, false, false},
		"loopback, same-origin claim": {local(t), "evil.com:8080", http.Header{"Sec-Fetch-Site": {"same-origin"}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("GET", "/ws", c.host, c.header)
			for what, got := range map[string]struct {
				refusal *Refusal
				want    bool
			}{"upgrade": {c.site.Upgrade(r), c.upgrade}, "stream": {c.site.Stream(r), c.stream}} {
				switch {
				case (got.refusal == nil) != got.want:
					t.Errorf("%s: %v", what, got.refusal)
				case got.refusal != nil && (got.refusal.Status != http.StatusForbidden || got.refusal.ID != IDOrigin):
					t.Errorf("%s is refused with %v", what, got.refusal)
				}
			}
		})
	}
}

// TestA05_CookieFlags looks at the header itself, as a browser does.
func TestA05_CookieFlags(t *testing.T) {
	for name, c := range map[string]struct {
		site         *Site
		new, expired string
	}{
		"https": {external(t), "__Host-tiga=abc; Path=/; HttpOnly; Secure; SameSite=Lax", "__Host-tiga=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		"http":  {local(t), "tiga=abc; Path=/; HttpOnly; SameSite=Lax", "tiga=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
	} {
		if got := c.site.SessionCookie("abc").String(); got != c.new {
			t.Errorf("%s: %s", name, got)
		}
		if got := c.site.ExpiredCookie().String(); got != c.expired {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestA05_SessionIDComesFromTheCookieOnly: not from a URL, not from a form, not from a header of another name.
func TestA05_SessionIDComesFromTheCookieOnly(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		target string
		want   string
		err    bool
	}{
		"cookie":         {http.Header{"Cookie": {"a=b; __Host-tiga=id; c=d"}}, "/", "id", false},
		"none":           {nil, "/", "", false},
		"query":          {nil, "/?__Host-tiga=id&tiga=id&token=id&jwt=id&auth_token=id&session=id", "", false},
		"without prefix": {http.Header{"Cookie": {"tiga=id"}}, "/", "", false},
		"another case":   {http.Header{"Cookie": {"__host-tiga=id"}}, "/", "", false},
		"header":         {http.Header{"__Host-Tiga": {"id"}, "X-Session": {"id"}}, "/", "", false},
		"planted second": {http.Header{"Cookie": {"__Host-tiga=id; __Host-tiga=other"}}, "/", "", true},
		"two headers":    {http.Header{"Cookie": {"__Host-tiga=id", "__Host-tiga=other"}}, "/", "", true},
	} {
		id, err := external(t).SessionID(request("POST", c.target, "tiga.example.com", c.header))
		if id != c.want || (err != nil) != c.err {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}
