package handlers

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tiga/views"
)

// showAPIDocs is the API's description for people. It is made of the same document as /api/openapi.json.
func (s *Server) showAPIDocs(w http.ResponseWriter, r *http.Request) error {
	p := s.presenter(r)
	doc := s.openAPI
	m := views.APIDocs{Intro: doc.Info.Description, OpenAPI: "/api/openapi.json"}
	for path, item := range doc.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if op != nil {
				m.Operations = append(m.Operations, apiOperation(doc, method, path, op))
			}
		}
	}
	slices.SortFunc(m.Operations, func(a, b views.APIOperation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return s.show(w, r, http.StatusOK, views.Page{Title: p.loc.T("ui.api.title"), Shell: s.shell(r, place{}), Body: views.APIDocsPage(m)})
}

func apiOperation(doc *huma.OpenAPI, method, path string, op *huma.Operation) views.APIOperation {
	out := views.APIOperation{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, param := range op.Parameters {
		out.Parameters = append(out.Parameters, views.APIParameter{
			Name: param.Name, In: param.In, Type: schemaType(param.Schema), Required: param.Required, Help: param.Description,
		})
	}
	if op.RequestBody != nil {
		if media := op.RequestBody.Content["application/json"]; media != nil && media.Schema != nil {
			schema := media.Schema
			if schema.Ref != "" {
				schema = doc.Components.Schemas.SchemaFromRef(schema.Ref)
			}
			for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
				field := schema.Properties[name]
				out.Body = append(out.Body, views.APIParameter{
					Name: name, Type: schemaType(field), Required: slices.Contains(schema.Required, name), Help: field.Description,
				})
			}
		}
	}
	for status := range op.Responses {
		if n, err := strconv.Atoi(status); err == nil {
			out.Statuses = append(out.Statuses, n)
		}
	}
	slices.Sort(out.Statuses)
	return out
}

// schemaType is a field's type in a word.
func schemaType(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if s.Format != "" {
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
