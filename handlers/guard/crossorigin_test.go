package guard

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestA02_UnsafeRequestsOfOtherSites is the matrix of security.md's T02, for a session with a cookie
// and for a program with a token.
func TestA02_UnsafeRequestsOfOtherSites(t *testing.T) {
	const host, ours = "tiga.example.com", "https://tiga.example.com"
	form := "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		header          http.Header
		target          string
		cookie, program int // the status with our cookie, and with a bearer token instead
	}{
		"same origin":                {http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {ours}}, "/", 418, 418},
		"same origin, GET's habit":   {http.Header{"Sec-Fetch-Site": {"same-origin"}}, "/", 418, 418},
		"our form, no-referrer":      {http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}}, "/", 418, 418},
		"old browser":                {http.Header{"Origin": {ours}}, "/", 418, 418},
		"typed":                      {http.Header{"Sec-Fetch-Site": {"none"}}, "/", 418, 418},
		"cross-site":                 {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}}, "/", 403, 403},
		"cross-site without origin":  {http.Header{"Sec-Fetch-Site": {"cross-site"}}, "/", 403, 403},
		"cross-site, our origin":     {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {ours}}, "/", 403, 403},
		"same-site":                  {http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://other.example.com"}}, "/", 403, 403},
		"same-site without origin":   {http.Header{"Sec-Fetch-Site": {"same-site"}}, "/", 403, 403},
		"same-origin, evil origin":   {http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://evil.com"}}, "/", 403, 403},
		"typed, evil origin":         {http.Header{"Sec-Fetch-Site": {"none"}, "Origin": {"https://evil.com"}}, "/", 403, 403},
		"unknown site":               {http.Header{"Sec-Fetch-Site": {"whatever"}}, "/", 403, 403},
		"null":                       {http.Header{"Origin": {"null"}}, "/", 403, 403},
		"null, cross-site":           {http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}}, "/", 403, 403},
		"null, typed":                {http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"none"}}, "/", 403, 403},
		"http origin":                {http.Header{"Origin": {"http://tiga.example.com"}}, "/", 403, 403},
		"other port":                 {http.Header{"Origin": {ours + ":8443"}}, "/", 403, 403},
		"evil origin":                {http.Header{"Origin": {"https://evil.com"}}, "/", 403, 403},
		"two origins":                {http.Header{"Origin": {ours, "https://evil.com"}}, "/", 403, 403},
		"two sites":                  {http.Header{"Origin": {ours}, "Sec-Fetch-Site": {"same-origin", "cross-site"}}, "/", 403, 403},
		"neither header":             {nil, "/", 403, 418},
		"neither, Referer is ours":   {http.Header{"Referer": {ours + "/"}}, "/", 403, 418},
		"_method":                    {http.Header{"Origin": {ours}}, "/?_method=DELETE", 403, 403},
		"override header":            {http.Header{"Origin": {ours}, "X-Http-Method-Override": {"DELETE"}}, "/", 403, 403},
		"override header, other":     {http.Header{"Origin": {ours}, "X-Method-Override": {"DELETE"}}, "/", 403, 403},
		"text/plain":                 {http.Header{"Origin": {ours}, "Content-Type": {"text/plain"}}, "/", 403, 403},
		"text/plain with a charset":  {http.Header{"Origin": {ours}, "Content-Type": {"Text/Plain; charset=utf-8"}}, "/", 403, 403},
		"no content type":            {http.Header{"Origin": {ours}, "Content-Type": nil}, "/", 403, 403},
		"two content types":          {http.Header{"Origin": {ours}, "Content-Type": {form, form}}, "/", 403, 403},
		"broken content type":        {http.Header{"Origin": {ours}, "Content-Type": {"a/b; ;"}}, "/", 403, 403},
		"XML":                        {http.Header{"Origin": {ours}, "Content-Type": {"application/xml"}}, "/", 415, 415},
		"JSON":                       {http.Header{"Origin": {ours}, "Content-Type": {"application/json; charset=utf-8"}}, "/", 418, 418},
		"YAML":                       {http.Header{"Origin": {ours}, "Content-Type": {"application/yaml"}}, "/", 418, 418},
		"form with files":            {http.Header{"Origin": {ours}, "Content-Type": {"multipart/form-data; boundary=x"}}, "/", 418, 418},
		"JSON from nowhere":          {http.Header{"Content-Type": {"application/json"}}, "/", 403, 418},
		"X-Requested-With is no use": {http.Header{"X-Requested-With": {"XMLHttpRequest"}}, "/", 403, 418},
	} {
		t.Run(name, func(t *testing.T) {
			for who, want := range map[string]int{"cookie": c.cookie, "program": c.program} {
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "PURGE"} {
					var got refusals
					r := httptest.NewRequest(method, c.target, strings.NewReader("a=b"))
					r.Host = host
					r.Header.Set("Content-Type", form)
					maps.Copy(r.Header, c.header)
					if who == "cookie" {
						r.Header.Set("Cookie", "__Host-tiga=id")
					} else {
						r.Header.Set("Authorization", "Bearer x")
					}
					w := serve(CrossOrigin(CrossOriginConfig{Site: external(t), OnRefusal: got.on})(teapot), r)
					if w.Code != want {
						t.Errorf("%s with %s: %d, want %d (%v)", method, who, w.Code, want, got.last)
					}
				}
			}
		})
	}
}

// TestA02_BearerDoesNotExcuseTheCookie: the exemption is for requests without ambient authority.
func TestA02_BearerDoesNotExcuseTheCookie(t *testing.T) {
	for name, s := range map[string]*Site{"__Host-tiga": external(t), "tiga": local(t)} {
		var got refusals
		host := strings.TrimPrefix(strings.TrimPrefix(s.URL(), "https://"), "http://")
		r := request("POST", "/", host, http.Header{"Cookie": {name + "=id"}, "Authorization": {"Bearer x"}})
		if w := serve(CrossOrigin(CrossOriginConfig{Site: s, OnRefusal: got.on})(teapot), r); w.Code != 403 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestA02_ReadingIsNotHindered(t *testing.T) {
	h := CrossOrigin(CrossOriginConfig{Site: external(t)})(teapot)
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		r := request(method, "/", "tiga.example.com", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.com"}, "Cookie": {"__Host-tiga=id"}})
		if w := serve(h, r); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	// An action without a body needs no content type.
	r := request("POST", "/", "tiga.example.com", http.Header{"Origin": {"https://tiga.example.com"}, "Cookie": {"__Host-tiga=id"}})
	if w := serve(h, r); w.Code != http.StatusTeapot {
		t.Errorf("POST without a body: %d", w.Code)
	}
}
