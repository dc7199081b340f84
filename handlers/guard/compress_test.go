package guard

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const html = "text/html; charset=utf-8"

var page = strings.Repeat("<p>pods</p>\n", 500)

// answer asks a handler over a real connection, whose client does not unpack by itself.
func answer(t *testing.T, h http.Handler, method, accept string) (status int, header http.Header, body string) {
	t.Helper()
	server := httptest.NewServer(Compress(h))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var from io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(response.Body); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(b)
}

func writes(contentType string, chunks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		for _, c := range chunks {
			_, _ = io.WriteString(w, c)
		}
	}
}

func TestCompress(t *testing.T) {
	with := func(k, v string, next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.Header().Set(k, v); next(w, r) }
	}
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		accept, body string
		packed, vary bool
	}{
		"page":            {writes(html, page), "gzip", page, true, true},
		"page in pieces":  {writes(html, page[:10], page[10:500], page[500:]), "br, gzip;q=0.8", page, true, true},
		"any":             {writes(html, page), "*", page, true, true},
		"no type":         {writes("", page), "gzip", page, true, true},
		"JSON":            {writes("application/json", page), "gzip, deflate", page, true, true},
		"not asked for":   {writes(html, page), "", page, false, true},
		"refused":         {writes(html, page), "gzip;q=0, *;q=1", page, false, true},
		"refused, any":    {writes(html, page), "br, *;q=0", page, false, true},
		"broken weight":   {writes(html, page), "gzip;q=x", page, false, true},
		"small":           {writes(html, page[:1023]), "gzip", page[:1023], false, true},
		"just":            {writes(html, page[:1000], page[1000:1024]), "gzip", page[:1024], true, true},
		"nothing":         {writes(html), "gzip", "", false, false},
		"image":           {writes("image/png", page), "gzip", page, false, false},
		"stream":          {writes("text/event-stream", page), "gzip", page, false, false},
		"encoded":         {with("Content-Encoding", "br", writes(html, page)), "gzip", page, false, false},
		"a part":          {with("Content-Range", "bytes 0-5999/9999", writes(html, page)), "gzip", page, false, false},
		"no-transform":    {with("Cache-Control", "no-transform", writes(html, page)), "gzip", page, false, false},
		"with its length": {with("Content-Length", "6000", writes(html, page)), "gzip", page, true, true},
		"flushed early": {func(w http.ResponseWriter, r *http.Request) {
			writes(html, "first")(w, r)
			w.(http.Flusher).Flush()
			writes(html, page)(w, r)
		}, "gzip", "first" + page, false, true},
		"flushed later": {func(w http.ResponseWriter, r *http.Request) {
			writes(html, page)(w, r)
			w.(http.Flusher).Flush()
			writes(html, page)(w, r)
		}, "gzip", page + page, true, true},
		"an error": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", html)
			w.WriteHeader(http.StatusNotFound)
			writes("", page)(w, r)
		}, "gzip", page, true, true},
		"only a status": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", html)
			w.WriteHeader(http.StatusNotFound)
		}, "gzip", "", false, true},
		"second status": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", html)
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusOK)
			writes("", page)(w, r)
		}, "gzip", page, true, true},
		"hints, then page": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			writes(html, page)(w, r)
		}, "gzip", page, true, true},
		"nothing by status": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", html)
			w.WriteHeader(http.StatusNoContent)
		}, "gzip", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := answer(t, c.handler, "GET", c.accept)
			if body != c.body {
				t.Errorf("%d bytes, want %d", len(body), len(c.body))
			}
			if packed := header.Get("Content-Encoding") == "gzip"; packed != c.packed {
				t.Errorf("packed = %v: %v", packed, header)
			}
			if packed := header.Get("Content-Encoding") == "gzip"; packed && header.Get("Content-Length") == strconv.Itoa(len(body)) {
				t.Error("the length is that of the unpacked page")
			}
			if vary := header.Get("Vary") == "Accept-Encoding"; vary != c.vary {
				t.Errorf("Vary: %v", header.Values("Vary"))
			}
			if name == "an error" || name == "second status" || name == "only a status" {
				if status != 404 {
					t.Errorf("status %d", status)
				}
			}
		})
	}
}

func TestCompressKeepsTagsHonest(t *testing.T) {
	for given, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`} {
		_, header, _ := answer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", given)
			w.Header().Set("Accept-Ranges", "bytes")
			writes(html, page)(w, r)
		}), "GET", "gzip")
		if header.Get("Etag") != want || header.Get("Accept-Ranges") != "" {
			t.Errorf("%v", header)
		}
	}
}

func TestCompressLeavesHeadAndUpgradesAlone(t *testing.T) {
	_, header, _ := answer(t, writes(html, page), "HEAD", "gzip")
	if header.Get("Content-Encoding") != "" {
		t.Error("HEAD says gzip")
	}
	r := request("GET", "/", "h", http.Header{"Upgrade": {"websocket"}, "Accept-Encoding": {"gzip"}})
	serve(Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, wrapped := w.(*compressor); wrapped {
			t.Error("an upgrade is wrapped")
		}
	})), r)
}

// TestCompressFlushesEvents: what a stream flushes arrives before the stream ends.
func TestCompressFlushesEvents(t *testing.T) {
	for _, contentType := range []string{"text/event-stream", html} {
		release := make(chan struct{})
		var once sync.Once
		let := func() { once.Do(func() { close(release) }) }
		server := httptest.NewServer(Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, "data: a\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-release
		})))
		response, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 9)
		if _, err := io.ReadFull(response.Body, b); err != nil || string(b) != "data: a\n\n" {
			t.Errorf("%q, %v", b, err)
		}
		let()
		response.Body.Close()
		server.Close()
	}
}

// TestF21_CompressDoesNotEndWhatPanicked: neither a small page nor a large one looks whole.
func TestF21_CompressDoesNotEndWhatPanicked(t *testing.T) {
	for name, c := range map[string]struct {
		chunk  string
		status int // 0: the connection breaks
	}{"small": {"half", 500}, "large": {page, 0}} {
		t.Run(name, func(t *testing.T) {
			guarded := Recover(func(w http.ResponseWriter, _ *http.Request, p Panic) {
				if !p.Started {
					w.Header().Set("Content-Type", "text/plain")
					w.WriteHeader(http.StatusInternalServerError)
					_, _ = io.WriteString(w, "problem")
				}
			})
			server := httptest.NewServer(guarded(Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				writes(html, c.chunk)(w, r)
				panic("boom")
			}))))
			defer server.Close()
			response, err := http.Get(server.URL) // asks for gzip and unpacks
			if err != nil {
				if c.status != 0 {
					t.Fatal(err)
				}
				return
			}
			defer response.Body.Close()
			b, err := io.ReadAll(response.Body)
			switch {
			case c.status == 0 && err == nil:
				t.Errorf("a half page looks whole: %d bytes", len(b))
			case c.status != 0 && (response.StatusCode != c.status || string(b) != "problem"):
				t.Errorf("%d %q", response.StatusCode, b)
			}
		})
	}
}

func BenchmarkCompress(b *testing.B) {
	h := Compress(writes(html, page))
	r := request("GET", "/", "h", http.Header{"Accept-Encoding": {"gzip"}})
	b.ReportAllocs()
	for b.Loop() {
		serve(h, r)
	}
}
