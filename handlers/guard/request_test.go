package guard

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestF21_PanicBecomesAResponse(t *testing.T) {
	told := make(chan Panic, 8)
	guarded := Recover(func(w http.ResponseWriter, _ *http.Request, p Panic) {
		told <- p
		if !p.Started {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "problem")
		}
	})
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		started bool
	}{
		"at once":      {func(http.ResponseWriter, *http.Request) { panic("boom") }, false},
		"error":        {func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) }, false},
		"after header": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); panic("boom") }, true},
		"after body":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half"); panic("boom") }, true},
		"after flush":  {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); panic("boom") }, true},
		"after hints":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints); panic("boom") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(guarded(c.handler))
			defer server.Close()
			response, err := http.Get(server.URL)
			body := ""
			if err == nil {
				var b []byte
				b, err = io.ReadAll(response.Body)
				body = string(b)
				response.Body.Close()
			}
			if p := <-told; p.Started != c.started || !strings.Contains(string(p.Stack), "request_test.go") || len(told) != 0 {
				t.Fatalf("told %+v and %d more", p, len(told))
			}
			if c.started && err == nil {
				t.Errorf("a half response looks whole: %q", body)
			}
			if !c.started && (err != nil || response.StatusCode != http.StatusInternalServerError || body != "problem") {
				t.Errorf("%v %q", err, body)
			}
		})
	}
	defer func() {
		if value := recover(); value != http.ErrAbortHandler { //nolint:errorlint // a panic value is compared, not an error chain
			t.Errorf("recovered %v", value)
		}
	}()
	serve(guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), request("GET", "/", "h", nil))
}

// TestWrappersLetConnectionsBeTakenOver: sockets and streams work behind every wrapper.
func TestWrappersLetConnectionsBeTakenOver(t *testing.T) {
	h := Recover(func(http.ResponseWriter, *http.Request, Panic) {})(Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello\n")
		_ = rw.Flush()
	})))
	server := httptest.NewServer(h)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line, _ := bufio.NewReader(response.Body).ReadString('\n')
	if response.StatusCode != http.StatusSwitchingProtocols || line != "hello\n" {
		t.Errorf("%d %q", response.StatusCode, line)
	}
}

func TestRequestIDIsOursAlone(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		var inside string
		h := RequestID(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inside = RequestIDOf(r.Context())
			if r.Header.Get("X-Request-Id") != "" {
				t.Error("the sender's id is still there")
			}
		}))
		w := serve(h, request("GET", "/", "h", http.Header{"X-Request-Id": {"forged\r\nline"}}))
		id, err := uuid.Parse(inside)
		if err != nil || id.Version() != 7 || w.Header().Get("X-Request-Id") != inside || seen[inside] {
			t.Fatalf("id %q, header %q", inside, w.Header().Get("X-Request-Id"))
		}
		seen[inside] = true
	}
	if RequestIDOf(context.Background()) != "" {
		t.Error("an id without a request")
	}
}

func TestA29_LimitsOfRequests(t *testing.T) {
	var got refusals
	h := Limits(LimitsConfig{OnRefusal: got.on, Body: 10})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); !ok {
				t.Errorf("reading the body: %v", err)
			}
			w.WriteHeader(http.StatusInsufficientStorage)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	for name, c := range map[string]struct {
		target, body string
		chunked      bool
		want         int
		id           string
	}{
		"nothing":           {"/", "", false, 418, ""},
		"just":              {"/", "1234567890", false, 418, ""},
		"too large":         {"/", "12345678901", false, 413, IDTooLarge},
		"too large, hidden": {"/", "12345678901", true, 507, ""},
		"long URL":          {"/" + strings.Repeat("a", MaxURL-1), "", false, 418, ""},
		"too long a URL":    {"/" + strings.Repeat("a", MaxURL), "", false, 414, IDURLTooLong},
		"too long a query":  {"/?" + strings.Repeat("a", MaxURL), "", false, 414, IDURLTooLong},
	} {
		got.last = nil
		r := httptest.NewRequest(http.MethodPost, c.target, strings.NewReader(c.body))
		if c.chunked {
			r.ContentLength = -1
		}
		w := serve(h, r)
		if w.Code != c.want || (got.last == nil) != (c.id == "") || got.last != nil && got.last.ID != c.id {
			t.Errorf("%s: %d, %v", name, w.Code, got.last)
		}
	}
	defaults := Limits(LimitsConfig{})(teapot)
	if w := serve(defaults, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("a", MaxBody+1)))); w.Code != 413 {
		t.Errorf("over a megabyte: %d", w.Code)
	}
	if w := serve(defaults, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a"))); w.Code != 418 {
		t.Errorf("one byte: %d", w.Code)
	}
}

func TestRefusalsHaveAPlainFallback(t *testing.T) {
	w := serve(Hosts(external(t), nil)(teapot), request("GET", "/", "evil.com", nil))
	if w.Code != 421 || w.Body.String() != "Misdirected Request\n" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for d, want := range map[time.Duration]string{1: "1", time.Second: "1", 1500 * time.Millisecond: "2", 30 * time.Second: "30"} {
		if got := retryAfter(d); got != want {
			t.Errorf("%v is %s", d, got)
		}
	}
	if got := (&Refusal{Status: 421, ID: IDHost, Reason: "why"}).Error(); got != "421 guard_host: why" {
		t.Errorf("error %q", got)
	}
}
