package kubetest

import (
	"bytes"
	"net/http"
	"strings"
)

// answer is a part of what was sent for a path.
type answer struct {
	path string
	data []byte
}

// recorder keeps what is written to a client.
type recorder struct {
	http.ResponseWriter
	server *Server
	path   string
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.server.mu.Lock()
	r.server.answers = append(r.server.answers, answer{r.path, bytes.Clone(p)})
	r.server.mu.Unlock()
	return r.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Answered is all that was answered for paths that begin with prefix, one after the other, with Options.Record.
func (s *Server) Answered(prefix string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, a := range s.answers {
		if strings.HasPrefix(a.path, prefix) {
			out = append(out, a.data...)
		}
	}
	return out
}
