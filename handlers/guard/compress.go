package guard

import (
	"bufio"
	"compress/gzip"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// minCompressed is the size under which gzip costs more than it saves.
const minCompressed = 1 << 10

// Compress sends pages and JSON as gzip to whoever takes it. Streams are never compressed, nor what
// is encoded already, nor what is smaller than 1 KiB; a handler that flushes before it has written
// that much is taken for a stream.
func Compress(next http.Handler) http.Handler {
	writers := &sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid; a page is written once, so time counts more than the last kilobyte
		return z
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The header of an upgrade means that the connection will speak something else.
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		cw := &compressor{ResponseWriter: w, pool: writers, wanted: acceptsGzip(r.Header) && r.Method != http.MethodHead}
		defer func() {
			if !cw.finished {
				cw.abandon()
			}
		}()
		next.ServeHTTP(cw, r)
		cw.finish()
	})
}

// acceptsGzip reads Accept-Encoding as RFC 9110 12.5.3 has it: gzip by name, else by `*`, unless q is 0.
func acceptsGzip(h http.Header) bool {
	accepted := false
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		q := 1.0
		if value, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				q = 0
			}
		}
		if coding == "gzip" {
			return q > 0
		}
		accepted = q > 0
	}
	return accepted
}

// compressor holds back the first kilobyte until it is known whether the response is worth it.
type compressor struct {
	http.ResponseWriter
	pool     *sync.Pool
	wanted   bool
	status   int
	held     []byte
	decided  bool
	finished bool
	gzip     *gzip.Writer
}

func (c *compressor) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		c.ResponseWriter.WriteHeader(status) // informational: the real one follows
		return
	}
	if c.status != 0 || c.decided {
		return
	}
	c.status = status
	if status == http.StatusSwitchingProtocols || status == http.StatusNoContent || status == http.StatusNotModified || !c.suitable() {
		c.decide(false)
	}
}

func (c *compressor) Write(b []byte) (int, error) {
	if c.status == 0 {
		if c.Header().Get("Content-Type") == "" && c.Header().Get("Content-Encoding") == "" {
			c.Header().Set("Content-Type", http.DetectContentType(b))
		}
		c.WriteHeader(http.StatusOK)
	}
	if !c.decided {
		if len(c.held)+len(b) < minCompressed {
			c.held = append(c.held, b...)
			return len(b), nil
		}
		c.decide(c.wanted)
	}
	if c.gzip != nil {
		return c.gzip.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// suitable reports whether the response is of a kind that shrinks and has an end. It then varies by
// Accept-Encoding, whether this one is compressed or not.
func (c *compressor) suitable() bool {
	h := c.Header()
	if h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" || strings.Contains(h.Get("Cache-Control"), "no-transform") {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	switch mediaType {
	case "text/html", "text/plain", "text/css", "text/csv", "text/javascript", "application/json", "application/yaml",
		"application/problem+json", "application/openapi+json", "image/svg+xml":
		h.Add("Vary", "Accept-Encoding")
		return true
	default:
		return false
	}
}

// decide sends the header and what was held back.
func (c *compressor) decide(compress bool) {
	c.decided = true
	h := c.Header()
	if compress {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		h.Del("Accept-Ranges")
		if tag := h.Get("Etag"); strings.HasPrefix(tag, `"`) {
			h.Set("Etag", "W/"+tag) // the bytes are no longer those that it stands for
		}
		c.gzip = c.pool.Get().(*gzip.Writer)
		c.gzip.Reset(c.ResponseWriter)
	}
	c.ResponseWriter.WriteHeader(c.status)
	if len(c.held) == 0 {
		return
	}
	// The client is gone if this fails, and the next write says so.
	if c.gzip != nil {
		_, _ = c.gzip.Write(c.held)
	} else {
		_, _ = c.ResponseWriter.Write(c.held)
	}
	c.held = nil
}

// FlushError is what http.ResponseController calls.
func (c *compressor) FlushError() error {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	if !c.decided {
		c.decide(false)
	}
	if c.gzip != nil {
		if err := c.gzip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Flush is for callers that know http.Flusher only.
func (c *compressor) Flush() { _ = c.FlushError() }

// Hijack hands the connection over.
func (c *compressor) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err == nil {
		c.decided = true
	}
	return conn, rw, err
}

func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// finish ends a response that its handler has written to the end.
func (c *compressor) finish() {
	c.finished = true
	switch {
	case c.gzip != nil:
		_ = c.gzip.Close()
		c.release()
	case c.status != 0 && !c.decided:
		c.decide(false)
	}
}

// abandon is for a handler that panicked: what it left behind must not look like a whole response,
// so what is held back is dropped and what was begun gets no end.
func (c *compressor) abandon() {
	c.held = nil
	if c.gzip != nil {
		c.release()
	}
}

func (c *compressor) release() {
	c.gzip.Reset(io.Discard)
	c.pool.Put(c.gzip)
	c.gzip = nil
}
