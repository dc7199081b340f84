package redact

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// canary is the secret that must not be in any output, in any of its forms.
const canary = "Zq8xCanary7Rk2Vw5T"

var canaryForms = []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), "Q2FuYXJ5", "Canary"}

func token(header, payload string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + canary
}

// TestA25_SecretsInText gives one text per form that a secret has in messages and errors.
func TestA25_SecretsInText(t *testing.T) {
	jwt := token(`{"alg":"RS256"}`, `{"sub":"`+canary+`"}`)
	pem := "-----BEGIN RSA PRIVATE KEY-----\n" + canary + "\n-----END RSA PRIVATE KEY-----"
	for name, c := range map[string]struct{ in, stays string }{
		"jwt":                   {"rejected " + jwt + " as expired", "as expired"},
		"unsigned jwt":          {"got eyJhbGciOiJub25lIn0." + canary + ".", "got "},
		"pem":                   {"cannot read " + pem + " at all", "at all"},
		"cut pem":               {"cannot read -----BEGIN EC PRIVATE KEY-----\n" + canary, "cannot read"},
		"pem in base64":         {"client-key-data: " + base64.StdEncoding.EncodeToString([]byte(pem)), "client-key-data"},
		"bare pem in base64":    {"got " + base64.StdEncoding.EncodeToString([]byte(pem)) + " there", "there"},
		"bearer":                {"Authorization: Bearer " + canary, "Authorization"},
		"bearer, lower case":    {"sent bearer   " + canary + "==", "sent"},
		"basic":                 {"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+canary)), "Authorization"},
		"bare basic":            {"header basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+canary)), "header"},
		"userinfo":              {"Get https://ann:" + canary + "@prom.example.com/api: EOF", "@prom.example.com/api: EOF"},
		"userinfo, no password": {"dial postgres://" + canary + "@db:5432/tiga failed", "@db:5432/tiga failed"},
		"query":                 {`Get "https://x.example.com/api?access=` + canary + `&b=c": EOF`, "https://x.example.com/api?"},
		"own token":             {"token tiga_" + canary + "0123456789 is gone", "is gone"},
		"own cookie":            {"Cookie was __Host-tiga=" + canary + "; x=y", "x=y"},
		"own cookie on http":    {"had tiga=" + canary, "had tiga="},
		"kubeconfig":            {"users:\n- name: a\n  user:\n    token: " + canary + "\n    username: b", "username: b"},
		"kubeconfig password":   {"user: {username: b, password: " + canary + "}", "username: b"},
		"json":                  {`{"password":"` + canary + `","user":"ann"}`, `"user":"ann"`},
		"escaped json":          {`{\"client_secret\": \"` + canary + `\", \"user\": \"ann\"}`, `ann`},
		"go syntax":             {`{Password:` + canary + ` User:ann}`, "User:ann"},
		"form":                  {"username=ann&password=" + canary + "&next=/", "next=/"},
		"flag":                  {"started with --admin-password=" + canary + " --listen :1", "--listen :1"},
		"environment":           {"TIGA_ADMIN_PASSWORD=" + canary, "TIGA_ADMIN_PASSWORD"},
		"libpq":                 {"host=db password=" + canary + " user=tiga", "user=tiga"},
		"api key":               {"X-Api-Key: " + canary, "X-Api-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			got := String(c.in)
			for _, form := range canaryForms {
				if strings.Contains(got, form) {
					t.Errorf("leaks: %q", got)
				}
			}
			if !strings.Contains(got, c.stays) || !strings.Contains(got, Mark) {
				t.Errorf("%q is left of %q", got, c.in)
			}
			if again := String(got); again != got {
				t.Errorf("not stable: %q, then %q", got, again)
			}
		})
	}
}

// TestOrdinaryTextStays: a log that hides what is no secret is no help.
func TestOrdinaryTextStays(t *testing.T) {
	for _, s := range []string{
		"", "list pods in production: context deadline exceeded", "basic authentication is off", "the bearer of bad news",
		"dial tcp 10.0.0.1:6443: connect: connection refused", `Get "https://10.0.0.1:6443/api/v1/pods": EOF`,
		"pods \"web-7d4b9c6f5-abcde\" not found", "x509: certificate signed by unknown authority", "secret not found",
		"secrets is forbidden: User \"a\" cannot list resource \"secrets\"", "tiga 1.0.0 listens on 127.0.0.1:8080", "monkey: banana", "keyboard=yes",
		"eyJust a word", "-----BEGIN the list", "https://tiga.example.com/clusters/1/pods",
	} {
		if got := String(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestKeys(t *testing.T) {
	for key, want := range map[string]bool{
		"password": true, "Password": true, "admin_password": true, "new-password": true, "pwd": true, "pass": true, "token": true,
		"id_token": true, "Authorization": true, "proxy-authorization": true, "cookie": true, "Set-Cookie": true, "client-key-data": true,
		"kubeconfig": true, "credentials": true, "apiKey": true, "X-API-Key": true, "privateKey": true, "stringData": true, "session_id": true,
		"user": false, "cluster": false, "passes": false, "key": false, "token_id": false, "secret_name": false, "path": false, "compass": false, "": false,
	} {
		if got := Key(key); got != want {
			t.Errorf("Key(%q) = %v", key, got)
		}
	}
}

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type stringer struct{ s string }

func (s stringer) String() string { return s.s }

type panicker struct{}

func (panicker) String() string { panic("no") }

type texter struct{ s string }

func (t texter) MarshalText() ([]byte, error) { return []byte(t.s), nil }

type jsoner struct{ s string }

func (j jsoner) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"token": j.s, "kept": "stays"})
}

type node struct {
	Name   string
	Next   *node
	Secret string `json:"secretValue"`
	hidden string
}

type user struct {
	Name     string
	Password string
	Tags     map[string]any
	Keys     [][]byte
	Inner    struct{ APIToken, Kept string }
	Header   http.Header
	Any      any
}

// attributes are values with the canary in them, in every shape that slog knows.
func attributes() map[string][]slog.Attr {
	jwt := token(`{"alg":"none"}`, `{}`)
	ring := &node{Name: "a", Secret: canary, hidden: canary}
	ring.Next = ring
	u := user{
		Name: "stays", Password: canary, Tags: map[string]any{"token": canary, "note": "Bearer " + canary},
		Keys: [][]byte{[]byte("password=" + canary)}, Header: http.Header{"Cookie": {canary}, "Accept": {"stays"}},
		Any: &node{Secret: canary},
	}
	u.Inner.APIToken, u.Inner.Kept = canary, "stays"
	return map[string][]slog.Attr{
		"string":                {slog.String("password", canary), slog.String("note", jwt)},
		"group":                 {slog.Group("request", slog.Group("headers", slog.String("authorization", canary)), slog.String("note", "Bearer "+canary))},
		"secret group":          {slog.Group("credentials", slog.String("user", canary), slog.Group("more", slog.Any("x", []string{canary})))},
		"inline group":          {slog.Group("", slog.String("token", canary))},
		"error":                 {slog.Any("error", fmt.Errorf("get: %w", &url.Error{Op: "Get", URL: "https://a:" + canary + "@h/?x=" + canary, Err: errors.New("EOF")}))},
		"joined errors":         {slog.Any("error", errors.Join(errors.New("token="+canary), errors.New("stays")))},
		"valuer":                {slog.Any("v", valuer{slog.StringValue("Bearer " + canary)})},
		"valuer of a group":     {slog.Any("v", valuer{slog.GroupValue(slog.String("secret", canary))})},
		"valuer of valuer":      {slog.Any("v", valuer{slog.AnyValue(valuer{slog.AnyValue(u)})})},
		"valuer in a struct":    {slog.Any("v", struct{ V valuer }{valuer{slog.GroupValue(slog.String("token", canary))}})},
		"valuer in a slice":     {slog.Any("v", []valuer{{slog.StringValue("token: " + canary)}})},
		"stringer":              {slog.Any("v", stringer{"password: " + canary})},
		"text":                  {slog.Any("v", texter{"Bearer " + canary})},
		"json":                  {slog.Any("v", jsoner{canary})},
		"raw json":              {slog.Any("v", json.RawMessage(`{"token":"`+canary+`"}`))},
		"bytes":                 {slog.Any("v", []byte("token: "+canary)), slog.Any("token", []byte(canary))},
		"array":                 {slog.Any("v", [2]string{"Bearer " + canary, "stays"})},
		"struct":                {slog.Any("v", u)},
		"pointer":               {slog.Any("v", &u)},
		"slice of any":          {slog.Any("v", []any{u, &u, nil, 7})},
		"map":                   {slog.Any("v", map[string]string{"password": canary, "user": "stays"})},
		"map with a secret key": {slog.Any("v", map[string]int{"Bearer " + canary: 1})},
		"headers":               {slog.Any("headers", http.Header{"Authorization": {canary}, "Accept": {"stays"}})},
		"cycle":                 {slog.Any("v", ring)},
		"url":                   {slog.Any("url", &url.URL{Scheme: "https", User: url.UserPassword("a", canary), Host: "h", RawQuery: "q=" + canary})},
	}
}

// TestA25_HandlerKeepsSecretsOutOfTheLog logs each shape as an attribute, through With and inside of
// groups, at every level, as JSON and as text.
func TestA25_HandlerKeepsSecretsOutOfTheLog(t *testing.T) {
	for name, attrs := range attributes() {
		t.Run(name, func(t *testing.T) {
			for format, make := range map[string]func(*bytes.Buffer) slog.Handler{
				"json": func(b *bytes.Buffer) slog.Handler {
					return slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug - 8})
				},
				"text": func(b *bytes.Buffer) slog.Handler {
					return slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug - 8})
				},
			} {
				var b bytes.Buffer
				log := slog.New(NewHandler(make(&b)))
				var args []any
				for _, a := range attrs {
					args = append(args, a)
				}
				log.LogAttrs(t.Context(), slog.LevelDebug-4, "message with password="+canary, attrs...)
				log.With(args...).Warn("with")
				log.WithGroup("g").With(args...).ErrorContext(t.Context(), "in a group", "request_id", "stays")
				log.WithGroup("password").Info("in a secret group", "a", canary, "b", []string{canary})
				for _, form := range canaryForms {
					if strings.Contains(b.String(), form) {
						t.Errorf("%s leaks: %s", format, b.String())
						break
					}
				}
				if lines := strings.Count(b.String(), "\n"); lines != 4 || !strings.Contains(b.String(), Mark) {
					t.Errorf("%s: %d lines: %s", format, lines, b.String())
				}
			}
		})
	}
}

func TestHandlerLeavesTheRestAlone(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewHandler(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	log.Debug("too low")
	log.With("cluster", "production").WithGroup("request").Info("served",
		"status", 200, "took", 3*time.Millisecond, "token_count", 3, "at", time.Unix(0, 0).UTC(), "ok", true, "ratio", 0.5,
		"error", errors.New("not found"), "names", []string{"a", "b"}, "who", stringer{"ann"}, "none", nil, "bad", panicker{},
		"object", struct {
			Kind  string `json:"kind"`
			Count uint8
			F     func()
		}{"Pod", 3, nil}, "nobody", (*user)(nil), "empty", slog.StringValue(""))
	want := `{"level":"INFO","msg":"served","cluster":"production","request":{"status":200,"took":3000000,"token_count":3,` +
		`"at":"1970-01-01T00:00:00Z","ok":true,"ratio":0.5,"error":"not found","names":["a","b"],"who":"ann","none":null,"bad":"[unprintable]",` +
		`"object":{"Count":3,"F":"[func]","kind":"Pod"},"nobody":null,"empty":""}}` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
	if NewHandler(slog.DiscardHandler).Enabled(context.Background(), slog.LevelError) {
		t.Error("Enabled is not that of the wrapped handler")
	}
}

func FuzzString(f *testing.F) {
	f.Add("password=x Bearer y://a:b@c?d -----BEGIN X-----")
	f.Fuzz(func(t *testing.T, s string) {
		got := String(s + " Authorization: Bearer " + canary + " ")
		if strings.Contains(got, canary) {
			t.Errorf("%q leaks", got)
		}
	})
}

func BenchmarkString(b *testing.B) {
	for name, s := range map[string]string{
		"plain":  "list pods in production: context deadline exceeded after 15s",
		"secret": `Get "https://ann:hunter2@prom.example.com/api?token=abc": Authorization: Bearer abcdefghijk`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				String(s)
			}
		})
	}
}
