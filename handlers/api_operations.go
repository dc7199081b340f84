package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
)

type (
	drainNodeInput struct {
		ID   int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Name string `path:"name" doc:"The node's name."`
		Body struct {
			UID              string `json:"uid,omitempty" doc:"Of the node that is meant; another of the same name is left alone (409)."`
			GraceSeconds     *int64 `json:"grace_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long each pod has to end; its own if left out."`
			TimeoutSeconds   int64  `json:"timeout_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long all pods together have to be gone; 0 is for ever."`
			DeleteEmptyDir   bool   `json:"delete_emptydir_data,omitempty"`
			Force            bool   `json:"force,omitempty" doc:"Also pods that nothing starts anew."`
			IgnoreDaemonSets bool   `json:"ignore_daemonsets,omitempty" doc:"Leave the pods of DaemonSets where they are; without it they are in the way."`
		}
	}
	operationsInput struct {
		ID int64 `path:"id" minimum:"1" doc:"The cluster's id."`
	}
	operationInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Operation string `path:"operation" doc:"The operation's id."`
	}
)

// operationBody is an operation as programs read it.
type operationBody struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind" enum:"drain,apply"`
	Name    string     `json:"name,omitempty" doc:"Of the object that it is about as a whole."`
	State   string     `json:"state" enum:"running,stopping,stopped,done,failed,interrupted"`
	Message string     `json:"message,omitempty"`
	Actor   string     `json:"actor"`
	Started *time.Time `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Steps   []stepBody `json:"steps,omitempty" doc:"In their order; steps on objects that you may not see are left out."`
}

// stepBody is one step of an operation.
type stepBody struct {
	Action    string     `json:"action" example:"evict"`
	Resource  string     `json:"resource" example:"pods"`
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"planned,running,done,skipped,failed,unknown"`
	Message   string     `json:"message,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
}

// operationList is a list of them, the newest first.
type operationList struct {
	Items []operationBody `json:"items"`
}

// operationOperations are what outlives a request, in the API.
func (s *Server) operationOperations(o *operations) {
	tags := []string{"operations"}
	const root = apiRoot + "/clusters/{id}/operations"
	faults := []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable}
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: apiRoot + "/clusters/{id}/resources/nodes/{name}/drain", Summary: "Drain a node", Tags: tags, Errors: faults,
		DefaultStatus: http.StatusAccepted, Description: "Cordons the node and evicts its pods. The answer is the operation, which goes on; read it again to follow it.",
	}, s.apiDrain)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "list-operations", Method: http.MethodGet, Path: root, Summary: "List the operations of a cluster", Tags: tags,
	}, s.apiListOperations)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "get-operation", Method: http.MethodGet, Path: root + "/{operation}", Summary: "Read an operation", Tags: tags,
	}, s.apiGetOperation)
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "stop-operation", Method: http.MethodPost, Path: root + "/{operation}/stop", Summary: "Stop an operation between two of its steps", Tags: tags,
	}, s.apiStopOperation)
}

// withAPICluster is the request with the cluster that an operation's path names.
func (s *Server) withAPICluster(r *http.Request, id int64) (*http.Request, error) {
	c, err := s.visibleCluster(r, id)
	if err != nil {
		return nil, err
	}
	return r.WithContext(context.WithValue(r.Context(), clusterKey{}, c)), nil
}

func (s *Server) apiDrain(r *http.Request, in *drainNodeInput) (*answer[operationBody], error) {
	r, err := s.withResource(r, in.ID, kindNodes)
	if err != nil {
		return nil, err
	}
	t, err := apiTarget(kindOf(r), "", in.Name)
	if err != nil {
		return nil, err
	}
	if _, err := s.permit(r, access.VerbPatch, kindOf(r), "", t.name); err != nil {
		return nil, s.refused(r, err)
	}
	b := in.Body
	input := drainInput{
		Options: kube.DrainOptions{Grace: b.GraceSeconds, DeleteLocalData: b.DeleteEmptyDir, Force: b.Force, IgnoreDaemonSets: b.IgnoreDaemonSets},
		Timeout: time.Duration(b.TimeoutSeconds) * time.Second,
	}
	plan, err := s.planDrain(r, t, input)
	if err != nil {
		return nil, err
	}
	if b.UID != "" && b.UID != plan.UID {
		return nil, &ProblemError{Status: http.StatusConflict, ID: "changed"}
	}
	if why := s.drainProblem(r, plan); why != "" {
		return nil, &ProblemError{Status: http.StatusUnprocessableEntity, ID: "drain_refused", Args: map[string]any{"Node": t.name}, Words: kinds.Message{Text: why}}
	}
	id, err := s.beginDrain(r, t.name, plan, input)
	if err != nil {
		return nil, err
	}
	o, err := s.findOperation(r, id)
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusAccepted, s.operationBody(r, o, true)), nil
}

func (s *Server) apiListOperations(r *http.Request, in *operationsInput) (*answer[operationList], error) {
	r, err := s.withAPICluster(r, in.ID)
	if err != nil {
		return nil, err
	}
	all, err := s.seeOperations(r)
	if err != nil {
		return nil, err
	}
	out := operationList{Items: []operationBody{}}
	for _, o := range all {
		out.Items = append(out.Items, s.operationBody(r, o, false))
	}
	return succeeded(http.StatusOK, out), nil
}

func (s *Server) apiGetOperation(r *http.Request, in *operationInput) (*answer[operationBody], error) {
	r, err := s.withAPICluster(r, in.ID)
	if err != nil {
		return nil, err
	}
	o, err := s.findOperation(r, in.Operation)
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusOK, s.operationBody(r, o, true)), nil
}

func (s *Server) apiStopOperation(r *http.Request, in *operationInput) (*answer[operationBody], error) {
	r, err := s.withAPICluster(r, in.ID)
	if err != nil {
		return nil, err
	}
	o, err := s.findOperation(r, in.Operation)
	if err == nil {
		err = s.stopSeen(r, o)
	}
	if err == nil {
		o, err = s.findOperation(r, in.Operation)
	}
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusOK, s.operationBody(r, o, true)), nil
}

func (s *Server) operationBody(r *http.Request, o seen, whole bool) operationBody {
	out := operationBody{
		ID: o.ID, Kind: o.Kind, Name: o.Name, State: o.State, Message: s.operationMessage(r, o), Actor: o.ActorName,
		Started: instant(db.Time(o.StartedAt)), Ended: instant(db.Time(o.EndedAt)),
	}
	if !whole {
		return out
	}
	for _, step := range o.steps {
		out.Steps = append(out.Steps, stepBody{
			Action: step.Action, Resource: step.Resource, Namespace: step.Namespace, Name: step.Name, State: step.State,
			Message: s.stepMessage(r, step), Started: instant(db.Time(step.StartedAt)), Ended: instant(db.Time(step.EndedAt)),
		})
	}
	return out
}
