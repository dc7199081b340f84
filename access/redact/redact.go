// Package redact keeps secrets out of the log: by the key under which a value is logged, and by what
// a value looks like. It is the second net. The first is that types which hold secrets have no text
// form, and that nothing logs bodies.
package redact

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// secretWords are what the key of a secret contains, written without case, dashes and underscores.
var secretWords = []string{
	"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "apikey", "accesskey",
	"privatekey", "clientkey", "keydata", "credential", "kubeconfig", "bearer", "stringdata", "otp", "sessionid", "jwt",
}

// plainKeys contain such a word and are not secret.
var plainKeys = map[string]bool{
	"tokenid": true, "tokenname": true, "tokenrole": true, "tokenprefix": true, "secretname": true, "secretnamespace": true,
	"credentialkind": true, "credentialid": true, "kubeconfigpath": true, "kubeconfigfile": true, "cookiename": true,
	"secrettype": true, "secretcount": true,
}

// separators are what the parts of a key are joined with.
var separators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// Key reports whether what stands under this key is a secret.
func Key(key string) bool {
	key = separators.Replace(strings.ToLower(key))
	if plainKeys[key] {
		return false
	}
	if key == "pwd" || key == "pass" {
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// The forms that secrets have in running text.
var (
	pemBlock  = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(-----END [A-Z0-9 ]+-----|$)`)
	pemBase64 = regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]*`)
	jwt       = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{2,}\.?[A-Za-z0-9_-]*`)
	ownToken  = regexp.MustCompile(`tiga_[A-Za-z0-9_-]{20,}`)
	bearer    = regexp.MustCompile(`(?i)\b(bearer)(\s+|%20|\+)([A-Za-z0-9._~+/=-]{6,})`)
	basic     = regexp.MustCompile(`(?i)\b(basic)\s+([A-Za-z0-9+/=_-]{4,})`)
	userinfo  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#@"'<>]+@`)
	urlQuery  = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s?"'<>]*)\?[^\s"'<>]*`)
	cookie    = regexp.MustCompile(`((?:__Host-)?tiga(?:-e)?=)[A-Za-z0-9_-]{16,}`)
	// A key that names a secret, and its value: in YAML, JSON, Go syntax, forms and command lines.
	assigned = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|` +
		`client[_-]?key|key[_-]data|credential|cookie|authorization|pwd)[a-z0-9_.-]*)(\\?["']?\s*[:=]\s*\\?["']?)([^\s"'\\,;&}\]]+)`)
)

// String returns s without the secrets that can be recognised in it.
func String(s string) string {
	if !suspicious(s) {
		return s
	}
	s = pemBlock.ReplaceAllString(s, Mark)
	s = pemBase64.ReplaceAllString(s, Mark)
	s = userinfo.ReplaceAllString(s, "${1}"+Mark+"@")
	s = urlQuery.ReplaceAllString(s, "${1}?"+Mark)
	s = jwt.ReplaceAllString(s, Mark)
	s = ownToken.ReplaceAllString(s, Mark)
	s = bearer.ReplaceAllString(s, "${1} "+Mark)
	s = basic.ReplaceAllStringFunc(s, basicAuth)
	s = cookie.ReplaceAllString(s, "${1}"+Mark)
	return assigned.ReplaceAllStringFunc(s, func(match string) string {
		parts := assigned.FindStringSubmatch(match)
		if !Key(parts[1]) || strings.HasPrefix(parts[3], Mark[:len(Mark)-1]) || strings.EqualFold(parts[3], "bearer") || strings.EqualFold(parts[3], "basic") {
			return match
		}
		return parts[1] + parts[2] + Mark
	})
}

// basicAuth redacts what decodes to name:password and leaves "basic authentication" alone.
func basicAuth(match string) string {
	scheme, value, _ := strings.Cut(match, " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		plain, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(value), "="))
	}
	if err != nil || !strings.Contains(string(plain), ":") {
		return match
	}
	return scheme + " " + Mark
}

// suspicious is a cheap look, so that ordinary lines cost next to nothing: every form above has one
// of these in it.
func suspicious(s string) bool {
	if strings.Contains(s, "eyJ") || strings.Contains(s, "-----BEGIN ") || strings.Contains(s, "LS0tLS1CRUdJTi") || strings.Contains(s, "://") {
		return true
	}
	lower := strings.ToLower(s)
	for _, word := range []string{"bearer", "basic", "tiga", "password", "passwd", "passphrase", "secret", "token", "key", "credential", "cookie", "authorization", "pwd"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}
