// Package static holds the files that browsers load: the vendored libraries that VERSIONS names, and our own style
// and script. They are embedded, and each address carries a hash of the content, so that a browser may keep it for
// ever and a new version is a new address.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

//go:embed files
var files embed.FS

// prefix is where Handler expects to be mounted.
const prefix = "/static/"

// mediaType is the type of an embedded file. The host's table of types is not asked: it differs between machines.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}

// asset is one file with its encodings, which are made when they are first asked for.
type asset struct {
	name   string // "app.css"
	hash   string
	data   []byte
	brotli func() []byte
	gzip   func() []byte
}

// table is made once from the embedded files and does not change.
var table = sync.OnceValue(func() map[string]*asset {
	assets := map[string]*asset{}
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		panic("static: embedded files: " + err.Error()) // the build is broken: go:embed guarantees the folder
	}
	for _, e := range entries {
		data, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			panic("static: embedded files: " + err.Error())
		}
		sum := sha256.Sum256(data)
		assets[e.Name()] = &asset{
			name:   e.Name(),
			hash:   hex.EncodeToString(sum[:6]),
			data:   data,
			brotli: sync.OnceValue(func() []byte { return packBrotli(data) }),
			gzip:   sync.OnceValue(func() []byte { return packGzip(data) }),
		}
	}
	return assets
})

// Path is the address of a file, such as "/static/app.3f2a91c04b7d.css" for "app.css". An unknown name gets an
// address that answers 404.
func Path(name string) string {
	a, ok := table()[name]
	if !ok {
		return prefix + name
	}
	ext := path.Ext(name)
	return prefix + strings.TrimSuffix(name, ext) + "." + a.hash + ext
}

// Handler serves the files under /static/. An address with the right hash may be kept for ever; any other is 404, so
// that a page of one version never gets the script of another.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		a, ok := find(r.URL.Path)
		if !ok {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		a.serve(w, r)
	})
}

// find takes the hash out of an address and compares it.
func find(address string) (*asset, bool) {
	name, ok := strings.CutPrefix(address, prefix)
	if !ok {
		return nil, false
	}
	ext := path.Ext(name)
	base := strings.TrimSuffix(name, ext)
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return nil, false
	}
	a, ok := table()[base[:dot]+ext]
	return a, ok && a.hash == base[dot+1:]
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", mediaType(a.name))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	data, tag := a.data, `"`+a.hash+`"`
	switch accepted := r.Header.Get("Accept-Encoding"); {
	case accepts(accepted, "br"):
		h.Set("Content-Encoding", "br")
		data, tag = a.brotli(), `"`+a.hash+`-br"`
	case accepts(accepted, "gzip"):
		h.Set("Content-Encoding", "gzip")
		data, tag = a.gzip(), `"`+a.hash+`-gz"`
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(data) //nolint:gosec // embedded at build time; the browser may have left
}

// accepts says whether an Accept-Encoding header names an encoding without refusing it.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

func packBrotli(data []byte) []byte {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, 9)
	_, err := w.Write(data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("static: brotli into memory: " + err.Error()) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}

func packGzip(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("static: gzip into memory: " + err.Error()) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}
