package handlers

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
)

type (
	actResourceInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name      string `path:"name" doc:"The object's name."`
		Action    string `path:"action" example:"restart" enum:"restart,pause,resume,undo,run,rerun,suspend,unsuspend,evict,cordon,uncordon,scale"`
		Namespace string `query:"namespace" doc:"Needed for namespaced kinds."`
		Body      *actionBody
	}
	scaleResourceInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name      string `path:"name" doc:"The object's name."`
		Namespace string `query:"namespace" doc:"Needed for namespaced kinds."`
		Body      struct {
			Replicas int32  `json:"replicas" minimum:"0" maximum:"10000" example:"5"`
			From     *int32 `json:"from,omitempty" doc:"How many there are now; if there are not, nothing is done (409)."`
			UID      string `json:"uid,omitempty" doc:"Of the object that is meant; another of the same name is left alone (409)."`
		}
	}
	revealResourceInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Name      string `path:"name" doc:"The Secret's name."`
		Namespace string `query:"namespace" required:"true"`
		Body      struct {
			Key string `json:"key" minLength:"1" example:"password"`
		}
	}
)

// actionBody are the parameters of an action; each takes those that it knows.
type actionBody struct {
	UID        string `json:"uid,omitempty" doc:"Of the object that is meant; another of the same name is left alone (409)."`
	Nonce      string `json:"nonce,omitempty" pattern:"^[a-z0-9]{5}$" example:"k3x9a" doc:"Of run and rerun: ends the new Job's name. A request that is sent again with the same one starts nothing more."`
	Replicas   *int32 `json:"replicas,omitempty" minimum:"0" maximum:"10000" doc:"Of scale."`
	Revision   int64  `json:"revision,omitempty" minimum:"0" doc:"Of undo: the revision to go back to; 0 is the one before the current one."`
	Generation int64  `json:"generation,omitempty" minimum:"0" doc:"Of undo: metadata.generation as it was read; if it has changed, nothing is done (409)."`
}

// changeBody is what an action did.
type changeBody struct {
	Action          string            `json:"action" example:"undo"`
	Namespace       string            `json:"namespace,omitempty"`
	Name            string            `json:"name" doc:"Of the object that was changed, or of the Job that was started."`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resource_version"`
	Changed         bool              `json:"changed" doc:"False where the object already was as wanted."`
	Before          map[string]string `json:"before,omitempty" doc:"The fields that changed, as they were."`
	After           map[string]string `json:"after,omitempty" doc:"The same fields as they are now."`
}

// revealedBody is one value of a Secret.
type revealedBody struct {
	Key    string `json:"key"`
	Base64 string `json:"base64" doc:"The value."`
	Value  string `json:"value,omitempty" doc:"The value as text, where it is text."`
}

// actionOperations are what can be done to the objects of the API.
func (s *Server) actionOperations(o *operations) {
	tags := []string{"resources"}
	const object = apiRoot + "/clusters/{id}/resources/{resource}/{name}"
	faults := []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable}
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "act-on-resource", Method: http.MethodPost, Path: object + "/{action}", Summary: "Do something to an object", Tags: tags, Errors: faults,
		Description: "Which actions there are depends on the kind: those of its page. 429 with the reason blocked means that a disruption budget does not allow an eviction now.",
	}, s.apiAct)
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "scale-resource", Method: http.MethodPut, Path: object + "/scale", Summary: "Change the number of replicas", Tags: tags, Errors: faults,
	}, s.apiScale)
	operation(o, access.EffectReveal, huma.Operation{
		OperationID: "reveal-secret", Method: http.MethodPost, Path: apiRoot + "/clusters/{id}/resources/secrets/{name}/reveal", Summary: "Read a value of a Secret", Tags: tags, Errors: faults,
		Description: "Needs the right reveal, which no other right implies, and is written to the audit record with the name of the key.",
	}, s.apiReveal)
}

// apiTarget is the object that an operation's path and query name.
func apiTarget(k *kinds.Kind, namespace, name string) (target, error) {
	switch {
	case k.Namespaced && isAll(namespace):
		return target{}, &fieldError{field: "namespace", id: "api.namespace_needed"}
	case !k.Namespaced:
		namespace = ""
	}
	if !isSegment(name) || !isSegment(namespace) {
		return target{}, errNoRoute
	}
	return target{namespace, name}, nil
}

func (s *Server) apiAct(r *http.Request, in *actResourceInput) (*answer[changeBody], error) {
	form := url.Values{}
	if b := in.Body; b != nil {
		form.Set("uid", b.UID)
		form.Set("nonce", b.Nonce)
		form.Set("revision", strconv.FormatInt(b.Revision, 10))
		form.Set("generation", strconv.FormatInt(b.Generation, 10))
		if b.Replicas != nil {
			form.Set("replicas", strconv.Itoa(int(*b.Replicas)))
		}
	}
	return s.apiPerform(r, in.ID, in.Resource, in.Namespace, in.Name, in.Action, form)
}

func (s *Server) apiScale(r *http.Request, in *scaleResourceInput) (*answer[changeBody], error) {
	form := url.Values{"replicas": {strconv.Itoa(int(in.Body.Replicas))}, "uid": {in.Body.UID}}
	if in.Body.From != nil {
		form.Set("from", strconv.Itoa(int(*in.Body.From)))
	}
	return s.apiPerform(r, in.ID, in.Resource, in.Namespace, in.Name, string(kinds.ActionScale), form)
}

// apiPerform does an action on one object and says what changed.
func (s *Server) apiPerform(r *http.Request, cluster int64, resource, namespace, name, act string, form url.Values) (*answer[changeBody], error) {
	r, err := s.withResource(r, cluster, resource)
	if err != nil {
		return nil, err
	}
	a, err := s.actionNamed(r, act)
	if err != nil {
		return nil, err
	}
	t, err := apiTarget(kindOf(r), namespace, name)
	if err != nil {
		return nil, err
	}
	in, wrong := readAction(a, form)
	if wrong != nil {
		return nil, &fieldError{field: wrong.field, id: wrong.id, args: map[string]any{"Max": maxReplicas}}
	}
	change, err := s.perform(r, a, t, in)
	if err != nil {
		return nil, err
	}
	out := changeBody{
		Action: act, Namespace: t.namespace, Name: t.name, UID: change.UID, ResourceVersion: change.ResourceVersion,
		Changed: len(change.Before)+len(change.After) > 0, Before: change.Before, After: change.After,
	}
	if a.makes != "" {
		out.Name = kube.JobName(a.id, t.name, in.nonce)
	}
	return succeeded(http.StatusOK, out), nil
}

func (s *Server) apiReveal(r *http.Request, in *revealResourceInput) (*answer[revealedBody], error) {
	r, err := s.withResource(r, in.ID, kindSecrets)
	if err != nil {
		return nil, err
	}
	t, err := apiTarget(kindOf(r), in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	if _, err := s.mayReveal(r, t); err != nil {
		return nil, s.refused(r, err)
	}
	if !s.proven(visitOf(r)) {
		return nil, errUnproven
	}
	value, err := s.readSecret(r, t, in.Body.Key)
	if err != nil {
		return nil, err
	}
	out := revealedBody{Key: in.Body.Key, Base64: base64.StdEncoding.EncodeToString(value.Bytes())}
	if text := string(value.Bytes()); isText(text) {
		out.Value = text
	}
	return succeeded(http.StatusOK, out), nil
}
