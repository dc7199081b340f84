package kubetest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Hang never answers: the request stays open until the client leaves or the connections are closed.
func Hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// Unauthorized answers 401 as an API server does to credentials that it does not know.
func Unauthorized(w http.ResponseWriter, _ *http.Request) bool {
	writeStatus(w, metav1.Status{Code: http.StatusUnauthorized, Reason: metav1.StatusReasonUnauthorized, Message: "Unauthorized"})
	return true
}

// Forbidden answers 403 to everything, discovery and /version included.
func Forbidden(w http.ResponseWriter, r *http.Request) bool {
	writeStatus(w, metav1.Status{
		Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: `forbidden: User "kubetest" cannot ` + strings.ToLower(r.Method) + ` path "` + r.URL.Path + `"`,
	})
	return true
}

// Status answers everything with one failure.
func Status(code int32, reason metav1.StatusReason, message string) Script {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		writeStatus(w, metav1.Status{Code: code, Reason: reason, Message: message})
		return true
	}
}

// Throttle answers 429 and asks to come back after a while.
func Throttle(after time.Duration) Script {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		writeStatus(w, metav1.Status{
			Code: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests, Message: "too many requests",
			Details: &metav1.StatusDetails{RetryAfterSeconds: int32(after / time.Second)},
		})
		return true
	}
}

// Garbage answers 200 with bytes that are no object.
func Garbage(contentType, body string) Script {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// Truncated promises more bytes than it sends, then cuts the connection.
func Truncated(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "4096")
	_, _ = w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"half`))
	panic(http.ErrAbortHandler)
}

// Huge answers with a JSON list of about size bytes; gzipped bombs are made by the caller.
func Huge(size int) Script {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"`)); err != nil {
			return true
		}
		chunk := []byte(strings.Repeat("a", 1<<16))
		for range size / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		_, _ = w.Write([]byte(`"}}]}`))
		return true
	}
}

// Slow sends the real answer one byte at a time with a pause after each.
func (s *Server) Slow(pause time.Duration) Script {
	return func(w http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		c := &call{Server: s, w: rec, r: r, user: s.opts.User}
		c.route()
		maps.Copy(w.Header(), rec.Header())
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		w.WriteHeader(rec.Code)
		for _, b := range rec.Body.Bytes() {
			if _, err := w.Write([]byte{b}); err != nil {
				return true
			}
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return true
			}
		}
		return true
	}
}

// On limits a script to the paths that begin with prefix.
func On(prefix string, script Script) Script {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, prefix) && script(w, r)
	}
}
