package guard

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
)

// CrossOriginConfig configures CrossOrigin.
type CrossOriginConfig struct {
	Site *Site
	// ContentTypes are the kinds of body that some route reads. Nil means forms, JSON, the two
	// patches of JSON that Kubernetes knows, and YAML.
	ContentTypes []string
	OnRefusal    OnRefusal
}

// defaultContentTypes are the bodies that some route reads.
var defaultContentTypes = []string{
	"application/x-www-form-urlencoded", "multipart/form-data",
	"application/json", "application/merge-patch+json", "application/json-patch+json",
	"application/yaml", "application/octet-stream",
}

// CrossOrigin refuses requests that can change something and that another site made the browser
// send. It is the standard library's check, without any origin trusted or path left out, and four
// rules more: an Origin is ours to the letter; a request with our cookie brings some proof of where
// it was made; the body is of a kind that is read somewhere; and the method is the one it came with.
//
// A program with a bearer token and no cookie has nothing that another site could borrow, so it need
// not bring a proof.
func CrossOrigin(cfg CrossOriginConfig) func(http.Handler) http.Handler {
	types := cfg.ContentTypes
	if types == nil {
		types = defaultContentTypes
	}
	stdlib := http.NewCrossOriginProtection()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if unsafe(r) {
				refusal := cfg.Site.strict(r)
				if refusal == nil && stdlib.Check(r) != nil {
					refusal = foreign("sent by another site")
				}
				if refusal == nil {
					refusal = declared(r, types)
				}
				if refusal != nil {
					cfg.OnRefusal.refuse(w, r, refusal)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// strict holds the rules that the standard library does not have.
func (s *Site) strict(r *http.Request) *Refusal {
	origins, sites := r.Header.Values("Origin"), r.Header.Values("Sec-Fetch-Site")
	if len(origins) > 1 || len(sites) > 1 {
		return foreign("%d origins and %d fetch sites where there is at most one", len(origins), len(sites))
	}
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if r.Header.Get(name) != "" {
			return foreign("method override")
		}
	}
	if r.URL.Query().Has("_method") {
		return foreign("method override")
	}
	fetchSite := r.Header.Get("Sec-Fetch-Site")
	if len(origins) == 0 {
		if fetchSite == "" && s.hasSession(r) {
			return foreign("a session without a word on where the request was made")
		}
		return nil
	}
	switch {
	case origins[0] == s.origin(r.Host) && s.knows(r.Host):
		return nil
	// With Referrer-Policy: no-referrer a browser writes "null" for our own forms; that they are
	// ours it then says in Sec-Fetch-Site, which no page can set.
	case origins[0] == "null" && fetchSite == "same-origin":
		return nil
	default:
		return foreign("origin %.100q is not ours", origins[0])
	}
}

func (s *Site) hasSession(r *http.Request) bool {
	return len(r.CookiesNamed(s.SessionCookieName())) > 0
}

var errNoContentType = errors.New("no content type")

// declared refuses bodies of other kinds. Those that any site can send without asking first, plain
// text and nothing at all, are treated as foreign.
func declared(r *http.Request, types []string) *Refusal {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	values := r.Header.Values("Content-Type")
	mediaType, err := "", errNoContentType
	if len(values) == 1 {
		mediaType, _, err = mime.ParseMediaType(values[0])
	}
	switch {
	case err != nil || mediaType == "text/plain":
		return foreign("a body of no kind, or of plain text")
	case !slices.Contains(types, mediaType):
		return &Refusal{Status: http.StatusUnsupportedMediaType, ID: IDContentType, Reason: fmt.Sprintf("body of type %.100q", mediaType)}
	}
	return nil
}
