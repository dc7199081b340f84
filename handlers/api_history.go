package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/db"
	"tiga/kube/history"
)

type (
	historyInput struct {
		ID        int64     `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string    `query:"resource" example:"deployments.apps" doc:"Only of one kind."`
		Namespace string    `query:"namespace" doc:"Only in one namespace."`
		Name      string    `query:"name" doc:"Only of objects of this name."`
		Who       string    `query:"who" doc:"Only by one field manager, or one user of Tiga."`
		Since     time.Time `query:"since" doc:"Only from this moment on."`
		Limit     int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Continue  string    `query:"continue" doc:"From the answer before; leave the rest of the query as it was."`
	}
	objectHistoryInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name      string `path:"name" doc:"The object's name."`
		Namespace string `query:"namespace" doc:"Needed for namespaced kinds."`
		Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Continue  string `query:"continue" doc:"From the answer before."`
	}
)

// historyBody is a part of the history, the newest first.
type historyBody struct {
	Items    []objectChangeBody `json:"items" doc:"The changes of objects that you may see."`
	Continue string             `json:"continue,omitempty" doc:"Asks for the next part; absent at the end."`
}

// objectChangeBody is a change as programs read it.
type objectChangeBody struct {
	ID        int64        `json:"id"`
	At        *time.Time   `json:"at" doc:"When it was seen."`
	Began     *time.Time   `json:"began,omitempty" doc:"Of several changes in one row the first. Of one whose moment is not known it was between this and at."`
	Times     int64        `json:"times" doc:"How many changes the row stands for."`
	Verb      string       `json:"verb" enum:"create,update,delete,missed"`
	Resource  string       `json:"resource" example:"deployments.apps"`
	Namespace string       `json:"namespace,omitempty"`
	Name      string       `json:"name,omitempty" doc:"Absent where it is not one object: changes of the kind were missed."`
	UID       string       `json:"uid,omitempty"`
	Version   string       `json:"resource_version,omitempty"`
	Manager   string       `json:"manager,omitempty" doc:"The field manager, as the cluster says it."`
	Actor     string       `json:"actor,omitempty" doc:"Who did it through Tiga."`
	Reverts   int64        `json:"reverts,omitempty" doc:"The change that was taken back by this one."`
	Count     int64        `json:"count" doc:"How many fields changed, or how many changes were missed."`
	Fields    []changedAny `json:"fields,omitempty" doc:"The fields. Secret and long values are marks."`
	Cut       bool         `json:"cut,omitempty" doc:"The change was too large: only paths are kept."`
}

// changedAny is one field of a change.
type changedAny struct {
	Op     string          `json:"op" enum:"added,removed,changed,moved"`
	Path   string          `json:"path" example:"spec.template.spec.containers[name=web].image"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// historyOperations are the changes of clusters and objects, in the API.
func (s *Server) historyOperations(o *operations) {
	tags := []string{"history"}
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "list-history", Method: http.MethodGet, Path: apiRoot + "/clusters/{id}/history", Summary: "List what changed in a cluster", Tags: tags,
	}, s.apiListHistory)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "get-resource-history", Method: http.MethodGet, Path: apiRoot + "/clusters/{id}/resources/{resource}/{name}/history",
		Summary: "List the changes of an object", Tags: tags, Description: "Also of one that is gone.",
	}, s.apiObjectHistory)
}

func (s *Server) apiListHistory(r *http.Request, in *historyInput) (*answer[historyBody], error) {
	r, err := s.withAPICluster(r, in.ID)
	if err != nil {
		return nil, err
	}
	return s.apiHistory(r, db.ChangeFilter{
		Resource: in.Resource, Namespace: in.Namespace, Name: in.Name, Who: in.Who, Since: in.Since, Cursor: in.Continue,
	}, in.Limit)
}

func (s *Server) apiObjectHistory(r *http.Request, in *objectHistoryInput) (*answer[historyBody], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k := kindOf(r)
	t, err := apiTarget(k, in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	if _, err := s.permit(r, access.VerbGet, k, t.namespace, t.name); err != nil {
		return nil, err
	}
	return s.apiHistory(r, db.ChangeFilter{Resource: k.ID(), Namespace: t.namespace, Name: t.name, Object: true, Cursor: in.Continue}, in.Limit)
}

func (s *Server) apiHistory(r *http.Request, f db.ChangeFilter, limit int) (*answer[historyBody], error) {
	if s.history == nil {
		return nil, errNoRoute
	}
	rows, next, err := s.seeChanges(r, f, limit)
	if err != nil {
		return nil, err
	}
	out := historyBody{Items: []objectChangeBody{}, Continue: next}
	for _, row := range rows {
		body, err := objectChangeBodyOf(row)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, body)
	}
	return succeeded(http.StatusOK, out), nil
}

func objectChangeBodyOf(row db.ObjectChange) (objectChangeBody, error) {
	out := objectChangeBody{
		ID: row.ID, At: instant(db.Time(row.At)), Began: instant(db.Time(row.BeganAt)), Times: row.Times, Verb: row.Verb, Resource: row.Resource,
		Namespace: row.Namespace, Name: row.Name, Manager: row.Manager, Actor: row.ActorName, Reverts: row.Reverts, Count: row.Fields,
	}
	if row.Verb != db.ChangeMissed {
		out.UID = row.ObjectUID
		if _, err := strconv.ParseUint(row.Version, 10, 64); err == nil {
			out.Version = row.Version
		}
	}
	entries, err := history.Unpack(row.Entries)
	if err != nil {
		return out, err
	}
	out.Cut = entries.Cut
	for _, e := range entries.List {
		field := changedAny{Op: string(e.Op), Path: e.Path}
		for _, v := range []struct {
			to    *json.RawMessage
			value any
		}{{&field.Before, e.Before}, {&field.After, e.After}} {
			if v.value == nil {
				continue
			}
			if *v.to, err = json.Marshal(v.value); err != nil {
				return out, err
			}
		}
		out.Fields = append(out.Fields, field)
	}
	return out, nil
}
