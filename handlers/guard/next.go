package guard

import (
	"net/url"
	"path"
	"strings"
)

const maxNext = 2048

// SafeNext reports whether next, which came with a request, may be redirected to after sign-in, and
// returns it in the form to use. It has to be a path of ours that known recognises, written plainly:
// browsers take backslashes, control characters, double slashes and their encodings for the start of
// another host, each in its own way.
func SafeNext(next string, known func(path string) bool) (target string, ok bool) {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") {
		return "", false
	}
	for i := range len(next) {
		if c := next[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return "", false
		}
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == '\uFFFD' }) {
		return "", false
	}
	// An encoded slash would make the decoded path another than the one that is asked for.
	if strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") {
		return "", false
	}
	if clean := path.Clean(u.Path); clean != u.Path && clean+"/" != u.Path {
		return "", false
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil || !known(u.Path) {
		return "", false
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).RequestURI(), true
}
