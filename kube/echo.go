package kube

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// echoLimit is how much of an error's body is looked through. A server's words are a few lines.
const echoLimit = 256 << 10

// unechoed takes our credentials out of what a server says when it refuses: the words reach people, logs and the store.
// It stands below the layers that set the credentials, so that it sees what is really sent. A25, A26
func unechoed(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		_, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
		if err != nil || !ok || len(token) < 8 || resp.StatusCode < http.StatusBadRequest {
			return resp, err
		}
		body := resp.Body
		said, err := io.ReadAll(io.LimitReader(body, echoLimit))
		if err != nil {
			_ = body.Close()
			return nil, err
		}
		clean := bytes.ReplaceAll(said, []byte(token), []byte("[redacted]"))
		if len(clean) != len(said) {
			resp.ContentLength = -1
			resp.Header.Del("Content-Length")
		}
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(clean), body), body}
		return resp, nil
	})
}
