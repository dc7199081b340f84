package handlers

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
)

type (
	createResourceInput struct {
		ID        int64          `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string         `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Namespace string         `query:"namespace" doc:"Where it is created, unless the object says so itself."`
		DryRun    string         `query:"dryRun" enum:"All" doc:"All asks only what would happen."`
		Body      map[string]any `doc:"The Kubernetes object."`
	}
	updateResourceInput struct {
		ID        int64          `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string         `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name      string         `path:"name" doc:"The object's name."`
		Namespace string         `query:"namespace" doc:"Needed for namespaced kinds."`
		DryRun    string         `query:"dryRun" enum:"All" doc:"All asks only what would happen."`
		Body      map[string]any `doc:"The whole object, with the metadata.resourceVersion that was read. What a Secret's marks stand for stays."`
	}
	patchResourceInput struct {
		ID          int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource    string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name        string `path:"name" doc:"The object's name."`
		Namespace   string `query:"namespace" doc:"Needed for namespaced kinds."`
		DryRun      string `query:"dryRun" enum:"All" doc:"All asks only what would happen."`
		Force       bool   `query:"force" doc:"Takes fields over from other managers, for a server-side apply."`
		ContentType string `header:"Content-Type" doc:"application/merge-patch+json, application/strategic-merge-patch+json, application/json-patch+json, or application/apply-patch+yaml for a server-side apply."`
		RawBody     []byte
	}
	deleteResourceInput struct {
		ID          int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource    string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name        string `path:"name" doc:"The object's name."`
		Namespace   string `query:"namespace" doc:"Needed for namespaced kinds."`
		UID         string `query:"uid" doc:"Only this object; another of the same name is left alone."`
		Propagation string `query:"propagationPolicy" enum:"Background,Foreground,Orphan" doc:"What becomes of the objects that it owns."`
		DryRun      string `query:"dryRun" enum:"All" doc:"All asks only whether it would be deleted."`
		Grace       int64  `query:"gracePeriodSeconds" minimum:"-1" maximum:"86400" default:"-1" doc:"The time to end; -1 is the object's own."`
	}
)

// writtenBody is what became of an object.
type writtenBody struct {
	Object   map[string]any `json:"object" doc:"The object as the API server has it, or would have it. A Secret's values are their lengths."`
	Diff     string         `json:"diff" doc:"What changed, a line for each field before and after."`
	Warnings []string       `json:"warnings" doc:"What the API server has to say about it."`
}

// writeOperations are the changes of objects.
func (s *Server) writeOperations(o *operations) {
	tags := []string{"resources"}
	const list = apiRoot + "/clusters/{id}/resources/{resource}"
	const one = list + "/{name}"
	faults := []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable}
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "create-resource", Method: http.MethodPost, Path: list, Summary: "Create an object", Tags: tags, Errors: faults, DefaultStatus: http.StatusCreated,
		Description: "Unknown fields are refused.",
	}, s.apiCreateResource)
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "update-resource", Method: http.MethodPut, Path: one, Summary: "Replace an object", Tags: tags, Errors: faults,
		Description: "409 if it is of another version than the one that was read. The status is left as it is.",
	}, s.apiUpdateResource)
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "patch-resource", Method: http.MethodPatch, Path: one, Summary: "Change parts of an object", Tags: tags, Errors: faults,
		Description: "A server-side apply creates an object that is not there.",
	}, s.apiPatchResource)
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "delete-resource", Method: http.MethodDelete, Path: one, Summary: "Delete an object", Tags: tags, Errors: faults,
	}, s.apiDeleteResource)
}

// written does a change in the name of the API, with its audit rows unless it is a dry run.
func (s *Server) written(r *http.Request, status int, permit access.Permit, uid string, dryRun bool, do func(context.Context) (kube.Written, error)) (*answer[writtenBody], error) {
	var out kube.Written
	bounded := func(ctx context.Context) (kube.Change, error) {
		ctx, cancel := context.WithTimeout(ctx, actBudget)
		defer cancel()
		var err error
		out, err = do(ctx)
		return out.Change, err
	}
	var err error
	if dryRun {
		_, err = bounded(r.Context())
	} else {
		err = s.audited(r, permit, uid, bounded)
	}
	if err != nil {
		return nil, err
	}
	body := writtenBody{Object: out.After, Diff: out.Change.Diff, Warnings: slices.Clip(append([]string{}, out.Warnings...))}
	return succeeded(status, body), nil
}

func (s *Server) apiCreateResource(r *http.Request, in *createResourceInput) (*answer[writtenBody], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k, c := kindOf(r), clusterOf(r)
	if m, ok := in.Body["metadata"].(map[string]any); ok && k.Namespaced {
		if ns, ok := m["namespace"].(string); ok && ns != "" {
			if in.Namespace != "" && in.Namespace != ns {
				return nil, &fieldError{field: "namespace", id: "api.namespace_differs"}
			}
			in.Namespace = ns
		}
	}
	t, err := apiTarget(k, in.Namespace, nameIn(in.Body))
	if err != nil {
		return nil, err
	}
	permit, err := s.permit(r, access.VerbCreate, k, t.namespace, t.name)
	if err != nil {
		return nil, s.refused(r, err)
	}
	dry := in.DryRun != ""
	return s.written(r, http.StatusCreated, permit, "", dry, func(ctx context.Context) (kube.Written, error) {
		return c.Create(ctx, permit, k, t.namespace, in.Body, kube.WriteOptions{DryRun: dry})
	})
}

func (s *Server) apiUpdateResource(r *http.Request, in *updateResourceInput) (*answer[writtenBody], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k, c := kindOf(r), clusterOf(r)
	t, err := apiTarget(k, in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	permit, err := s.permit(r, access.VerbUpdate, k, t.namespace, t.name)
	if err != nil {
		return nil, s.refused(r, err)
	}
	dry := in.DryRun != ""
	o := kube.WriteOptions{DryRun: dry}
	if m, ok := in.Body["metadata"].(map[string]any); ok {
		o.ResourceVersion, _ = m["resourceVersion"].(string)
		o.UID, _ = m["uid"].(string)
	}
	if o.ResourceVersion == "" {
		return nil, &fieldError{field: "metadata.resourceVersion", id: "cluster.no_version"}
	}
	return s.written(r, http.StatusOK, permit, o.UID, dry, func(ctx context.Context) (kube.Written, error) {
		return c.Update(ctx, permit, k, t.namespace, t.name, in.Body, o)
	})
}

func (s *Server) apiPatchResource(r *http.Request, in *patchResourceInput) (*answer[writtenBody], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k, c := kindOf(r), clusterOf(r)
	t, err := apiTarget(k, in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	permit, err := s.permit(r, access.VerbPatch, k, t.namespace, t.name)
	if err != nil {
		return nil, s.refused(r, err)
	}
	dry := in.DryRun != ""
	o := kube.PatchOptions{
		Type: kube.PatchType(in.ContentType), Body: in.RawBody, DryRun: dry, Force: in.Force,
		MayCreate: s.may(r, request(c.Name(), access.VerbCreate, k, t.namespace, t.name)),
	}
	return s.written(r, http.StatusOK, permit, "", dry, func(ctx context.Context) (kube.Written, error) {
		return c.Patch(ctx, permit, k, t.namespace, t.name, o)
	})
}

func (s *Server) apiDeleteResource(r *http.Request, in *deleteResourceInput) (*answer[nothing], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k := kindOf(r)
	t, err := apiTarget(k, in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	o := kube.DeleteOptions{Propagation: kube.Propagation(in.Propagation)}
	if in.Grace >= 0 {
		o.Grace = &in.Grace
	}
	if in.DryRun != "" {
		permit, err := s.permit(r, access.VerbDelete, k, t.namespace, t.name)
		if err != nil {
			return nil, s.refused(r, err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), actBudget)
		defer cancel()
		o.UID, o.DryRun = in.UID, true
		if _, err := clusterOf(r).Delete(ctx, permit, k, t.namespace, t.name, o); err != nil {
			return nil, err
		}
		return succeeded(http.StatusOK, nothing{}), nil
	}
	if _, err := s.perform(r, s.actions[kinds.ActionDelete], t, actionInput{uid: in.UID, deletion: o}); err != nil {
		return nil, err
	}
	return succeeded(http.StatusOK, nothing{}), nil
}
