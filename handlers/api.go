package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/kube"
)

const (
	apiPrefix = "/api/"
	apiRoot   = "/api/v1/k8s"
)

// envelope is the shape of every answer of the API.
type envelope[T any] struct {
	Code    int    `json:"code" example:"200" doc:"The HTTP status."`
	Message string `json:"message" example:"success" doc:"success, or what went wrong in words."`
	Data    T      `json:"data,omitempty"`
}

// answer is an envelope as huma sends it.
type answer[T any] struct {
	Status int `json:"-"`
	Body   envelope[T]
}

func succeeded[T any](status int, data T) *answer[T] {
	return &answer[T]{Status: status, Body: envelope[T]{Code: status, Message: "success", Data: data}}
}

// apiError is a problem as the API tells it.
type apiError struct {
	Code      int        `json:"code" example:"404"`
	Message   string     `json:"message" example:"Not found" doc:"What went wrong, in words."`
	Reason    string     `json:"reason,omitempty" example:"not_found" doc:"What went wrong, in a word that does not change."`
	Detail    string     `json:"detail,omitempty" doc:"More about it."`
	RequestID string     `json:"request_id,omitempty" doc:"Names the request in the log and in the audit record."`
	Errors    []apiField `json:"errors,omitempty" doc:"What is wrong with which field."`
	problem   error
}

// apiField is what is wrong with one field.
type apiField struct {
	Field   string `json:"field" example:"name"`
	Message string `json:"message"`
}

func (e *apiError) Error() string  { return e.Message }
func (e *apiError) GetStatus() int { return e.Code }
func (e *apiError) Unwrap() error  { return e.problem }

// humaErrors makes huma's own errors look like ours. Huma keeps the function for that in a package variable; it is set
// once, to a function without state, so it does not matter which server did it.
var humaErrors sync.Once

func useOurErrors() {
	humaErrors.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			out := &apiError{Code: status, Message: message, Reason: "bad_request"}
			// Whatever is wrong with the form of a request is a bad request.
			if status == http.StatusUnprocessableEntity {
				out.Code = http.StatusBadRequest
			}
			for _, err := range errs {
				if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
					out.Errors = append(out.Errors, apiField{Field: strings.TrimPrefix(d.Location, "body."), Message: d.Message})
				}
			}
			return out
		}
	})
}

// isAPI says whether the request is for the API, whose answers are JSON whatever happens.
func isAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, apiPrefix) && r.URL.Path != apiPrefix+"docs"
}

// apiProblem is a problem in the API's shape.
func (s *Server) apiProblem(r *http.Request, err error) *apiError {
	e, p := problem(err), s.presenter(r)
	out := &apiError{
		Code: e.Status, Reason: e.ID, RequestID: requestID(r), problem: err,
		Message: p.loc.T("problem."+e.ID+".title", e.Args), Detail: p.loc.T("problem."+e.ID+".detail", e.Args),
	}
	if more := p.words(e.Words); more != "" {
		out.Detail = more
	}
	if e.ID == "which_cluster" { // what to do is the answer here
		out.Detail += " " + p.loc.T("problem.which_cluster.action")
	}
	if cluster := (*kube.Error)(nil); errors.As(err, &cluster) {
		if !strings.Contains(out.Detail, cluster.Server) {
			out.Detail = strings.TrimSpace(out.Detail + " " + cluster.Server)
		}
		for _, c := range cluster.Causes {
			words := c.Message
			if !c.Reason.IsZero() {
				words = p.words(c.Reason)
			}
			out.Errors = append(out.Errors, apiField{Field: c.Field, Message: words})
		}
	}
	for _, f := range fieldErrorsIn(err) {
		out.Code, out.Reason = http.StatusBadRequest, "bad_request"
		out.Message = p.loc.T("problem.bad_request.title")
		out.Detail = ""
		out.Errors = append(out.Errors, apiField{Field: f.field, Message: p.loc.T(f.id, f.args)})
	}
	return out
}

// fieldErrors are the field problems in err, which may join several.
func fieldErrorsIn(err error) []*fieldError {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*fieldError
		for _, e := range many.Unwrap() {
			out = append(out, fieldErrorsIn(e)...)
		}
		return out
	}
	if f, ok := errors.AsType[*fieldError](err); ok {
		return []*fieldError{f}
	}
	return nil
}

// failAPI answers a problem outside of huma: signed out, refused by guard, no such path.
func (s *Server) failAPI(w http.ResponseWriter, r *http.Request, p *ProblemError) {
	out := s.apiProblem(r, p)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tiga"`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(out.Code)
	if err := huma.DefaultJSONFormat.Marshal(w, out); err != nil {
		s.log.InfoContext(r.Context(), "answer not written", "error", err, "request_id", requestID(r))
	}
}

type apiRequestKey struct{}

// apiRequest is the HTTP request behind a huma operation.
func apiRequest(ctx context.Context) *http.Request {
	r, _ := ctx.Value(apiRequestKey{}).(*http.Request)
	return r
}

// operations collects the API's operations as rows of the route table while they are registered.
type operations struct {
	s    *Server
	api  huma.API
	rows []route
}

// operation registers one operation. Its effect is declared like that of any route.
func operation[I, O any](o *operations, effect access.Effect, op huma.Operation, do func(r *http.Request, in *I) (*O, error)) {
	register(o, route{method: op.Method, pattern: op.Path, effect: effect, who: signedIn}, op, do)
}

// streaming registers an operation that answers with a stream, which watch writes, where ?watch= asks for one.
func streaming[I, O any](o *operations, effect access.Effect, op huma.Operation, do func(r *http.Request, in *I) (*O, error), watch handler) {
	op.Middlewares = append(op.Middlewares, func(hc huma.Context, next func(huma.Context)) {
		r, w := humachi.Unwrap(hc)
		if on, err := strconv.ParseBool(r.URL.Query().Get("watch")); err != nil || !on {
			next(hc)
			return
		}
		o.s.handle(watch)(w, r.WithContext(hc.Context()))
	})
	register(o, route{method: op.Method, pattern: op.Path, effect: effect, who: signedIn, stream: true}, op, do)
}

func register[I, O any](o *operations, row route, op huma.Operation, do func(r *http.Request, in *I) (*O, error)) {
	o.rows = append(o.rows, row)
	declared := func(hc huma.Context, next func(huma.Context)) {
		r, w := humachi.Unwrap(hc)
		o.s.declared(row, o.s.signedIn(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			next(huma.WithValue(huma.WithContext(hc, r.Context()), apiRequestKey{}, r))
		}))).ServeHTTP(w, r)
	}
	op.Middlewares = append(huma.Middlewares{declared}, op.Middlewares...)
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound)
	op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	huma.Register(o.api, op, func(ctx context.Context, in *I) (*O, error) {
		r := apiRequest(ctx).WithContext(ctx)
		out, err := do(r, in)
		if err != nil {
			o.s.logProblem(r, problem(err))
			return nil, o.s.apiProblem(r, err)
		}
		return out, nil
	})
}

// mountAPI puts the JSON API on the router and returns its rows of the route table.
func (s *Server) mountAPI(r chi.Router) []route {
	useOurErrors()
	cfg := huma.DefaultConfig("Tiga", s.cfg.Version)
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "/api/openapi", "", ""
	cfg.CreateHooks = nil // no $schema in answers
	cfg.Info.Description = "Clusters, and what is in them. Every answer is {code, message, data}; a problem is {code, message, reason, detail, request_id}."
	cfg.Servers = []*huma.Server{{URL: s.site.URL()}}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token, made on the account page."},
		"session": {Type: "apiKey", In: "cookie", Name: s.site.SessionCookieName(), Description: "The browser's session."},
	}
	o := &operations{s: s, api: humachi.New(r, cfg)}
	s.clusterOperations(o)
	s.resourceOperations(o)
	s.actionOperations(o)
	s.writeOperations(o)
	s.operationOperations(o)
	s.applyOperations(o)
	s.historyOperations(o)
	s.openAPI = o.api.OpenAPI()
	return append(o.rows, route{method: http.MethodGet, pattern: "/api/openapi.json", effect: access.EffectRead, who: anyone})
}
