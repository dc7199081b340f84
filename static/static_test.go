package static

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestPathsCarryAHashAndAreKeptForEver(t *testing.T) {
	for _, name := range Names() {
		path := Path(name)
		if !regexp.MustCompile(`^/static/[a-z-]+\.[0-9a-f]{12}\.(css|js|svg)$`).MatchString(path) {
			t.Errorf("%s: path is %s", name, path)
		}
		res := get(t, path)
		if res.Code != http.StatusOK || !strings.Contains(res.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, Cache-Control %q", path, res.Code, res.Header().Get("Cache-Control"))
		}
		if res.Header().Get("Content-Type") != mediaType(name) || mediaType(name) == "application/octet-stream" {
			t.Errorf("%s: Content-Type %q", path, res.Header().Get("Content-Type"))
		}
		if res.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types may be guessed", path)
		}
	}
}

func TestEncodingsHoldTheSameContent(t *testing.T) {
	path := Path("app.css")
	plain, err := io.ReadAll(get(t, path).Body)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ accept, encoding string }{
		{"", ""}, {"identity", ""}, {"gzip", "gzip"}, {"gzip, deflate, br", "br"}, {"br;q=0, gzip", "gzip"}, {"BR", "br"}, {"gzip;q=0", ""},
	}
	for _, tt := range tests {
		res := get(t, path, "Accept-Encoding", tt.accept)
		if got := res.Header().Get("Content-Encoding"); got != tt.encoding {
			t.Errorf("Accept-Encoding %q: encoded as %q, want %q", tt.accept, got, tt.encoding)
		}
		if res.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary %q", tt.accept, res.Header().Get("Vary"))
		}
		var body io.Reader = res.Body
		switch tt.encoding {
		case "br":
			body = brotli.NewReader(res.Body)
		case "gzip":
			if body, err = gzip.NewReader(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, plain) {
			t.Errorf("Accept-Encoding %q: another content", tt.accept)
		}
		again := get(t, path, "Accept-Encoding", tt.accept, "If-None-Match", res.Header().Get("ETag"))
		if again.Code != http.StatusNotModified {
			t.Errorf("Accept-Encoding %q: %d for the same ETag", tt.accept, again.Code)
		}
	}
}

func TestOtherAddressesAreNotFound(t *testing.T) {
	for _, path := range []string{"/static/app.css", "/static/app.000000000000.css", "/static/", "/static/../static.go", "/static/files/app.css", "/app.css", Path("no-such.js")} {
		if res := get(t, path); res.Code != http.StatusNotFound || res.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", path, res.Code, res.Header().Get("Cache-Control"))
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path("app.css"), nil)
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestVendoredFilesAreTheOnesThatVERSIONSNames(t *testing.T) {
	f, err := os.Open("VERSIONS")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	named := map[string]bool{"app.css": true, "app.js": true, "editor.js": true, "favicon.svg": true, "unsaved.js": true} // ours
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 || fields[0] == "#" {
			continue
		}
		data, err := os.ReadFile(fields[2])
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha512.Sum384(data)
		if got := "sha384-" + base64.StdEncoding.EncodeToString(sum[:]); got != fields[3] {
			t.Errorf("%s is not version %s of %s: %s", fields[2], fields[1], fields[0], got)
		}
		named[strings.TrimPrefix(fields[2], "files/")] = true
	}
	for _, name := range Names() {
		if !named[name] {
			t.Errorf("%s is in no line of VERSIONS", name)
		}
	}
}

// TestNothingLeavesTheOrigin reads our own style and script, and the parts of the vendored ones that fetch.
func TestNothingLeavesTheOrigin(t *testing.T) {
	remote := regexp.MustCompile(`(?i)url\(\s*['"]?(https?:)?//|@import|\bimport\s*\(|\bfetch\(\s*['"]https?:`)
	for _, name := range Names() {
		if at := remote.Find(table()[name].data); at != nil {
			t.Errorf("%s: %q", name, at)
		}
	}
}

func TestScriptsOfAPlainPageAreSmall(t *testing.T) {
	const limit = 60 << 10
	scripts, styles := 0, 0
	for _, name := range Names() {
		if strings.HasPrefix(name, "ace") || name == "editor.js" || name == "unsaved.js" {
			continue // of the editor's page alone
		}
		a := table()[name]
		t.Logf("%s: %d bytes, %d gz, %d br", name, len(a.data), len(a.gzip()), len(a.brotli()))
		if strings.HasSuffix(name, ".js") {
			scripts += len(a.gzip())
		}
		if strings.HasSuffix(name, ".css") {
			styles += len(a.gzip())
		}
	}
	if scripts > limit || styles > limit {
		t.Errorf("scripts %d, styles %d bytes gz; at most %d", scripts, styles, limit)
	}
}
