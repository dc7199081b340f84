package guard

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/google/uuid"
)

// Panic is what a handler died of.
type Panic struct {
	Value any
	Stack []byte
	// Started says that a part of the response is out already, so that no other can be written.
	Started bool
}

// Recover turns a panic into a call of onPanic, which logs it and, unless the response has started,
// answers 500. A response that has started is cut: half a page must not look like a whole one.
// http.ErrAbortHandler passes, since that is how a handler cuts its response on purpose.
func Recover(onPanic func(http.ResponseWriter, *http.Request, Panic)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			watched := &startedWriter{ResponseWriter: w}
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(value)
				}
				p := Panic{Value: value, Stack: debug.Stack(), Started: watched.started}
				onPanic(w, r, p)
				if p.Started {
					panic(http.ErrAbortHandler)
				}
			}()
			next.ServeHTTP(watched, r)
		})
	}
}

// startedWriter remembers whether the response has begun. Flush, Hijack and the rest are reached
// through Unwrap by http.ResponseController; the two methods keep older callers working and tell
// the writer.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *startedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *startedWriter) WriteHeader(status int) {
	// An informational response is followed by the real one.
	w.started = w.started || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *startedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// FlushError is what http.ResponseController calls.
func (w *startedWriter) FlushError() error {
	w.started = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for callers that know http.Flusher only.
func (w *startedWriter) Flush() { _ = w.FlushError() }

// Hijack hands the connection over; nothing can be answered on it any more.
func (w *startedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.started = w.started || err == nil
	return conn, rw, err
}

type requestIDKey struct{}

// RequestID gives every request an id of our own making, in its context and in the response's
// X-Request-Id. One sent from outside is not looked at: it could forge a line of the log or audit.
func RequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := uuid.Must(uuid.NewV7()).String()
		w.Header().Set("X-Request-Id", id)
		r.Header.Del("X-Request-Id")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// RequestIDOf returns the id of the request; "" outside of RequestID.
func RequestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
