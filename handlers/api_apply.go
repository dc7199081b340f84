package handlers

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
)

type (
	applyYAMLInput struct {
		ID     int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		DryRun string `query:"dryRun" enum:"All" doc:"All asks only what would happen."`
		Body   struct {
			YAML          string        `json:"yaml" doc:"Documents in YAML or JSON; a List is its items."`
			Namespace     string        `json:"namespace,omitempty" doc:"Of documents that name none; default if left out."`
			Conflicts     string        `json:"conflicts,omitempty" enum:"refuse,take,leave" doc:"What is done about fields that another manager has set: refuse the document (unless said otherwise), take them over, or leave them."`
			Choices       []applyChoice `json:"choices,omitempty" doc:"The same for single fields."`
			StopAtFailure bool          `json:"stop_at_failure,omitempty" doc:"Begin nothing more after the first document that fails."`
			SkipRefused   bool          `json:"skip_refused,omitempty" doc:"Apply the rest where documents cannot be sent at all: of an unknown kind, or without the right. Without it nothing begins then."`
			Token         string        `json:"token,omitempty" maxLength:"64" doc:"Any word of yours: a second request with the same one begins nothing and answers with the same operation."`
		}
	}
	applyChoice struct {
		Resource  string `json:"resource" example:"deployments.apps"`
		Namespace string `json:"namespace,omitempty"`
		Name      string `json:"name"`
		Field     string `json:"field" example:".spec.replicas" doc:"As the dry run names it."`
		Choice    string `json:"choice" enum:"take,leave"`
	}
)

// applyBody is what would happen, or what has begun.
type applyBody struct {
	Documents []applyDocumentBody `json:"documents,omitempty" doc:"Of a dry run, in the order of the text."`
	Operation *operationBody      `json:"operation,omitempty" doc:"What has begun; read it again to follow it."`
}

// applyDocumentBody is what would become of one document.
type applyDocumentBody struct {
	Number     int                 `json:"number"`
	Line       int                 `json:"line"`
	APIVersion string              `json:"apiVersion,omitempty"`
	Kind       string              `json:"kind,omitempty"`
	Resource   string              `json:"resource,omitempty"`
	Namespace  string              `json:"namespace,omitempty"`
	Name       string              `json:"name,omitempty"`
	Verdict    string              `json:"verdict" enum:"create,change,unchanged,later,conflict,refused,barred,unchecked" doc:"later: a document before it has to be applied first; barred: it is not sent at all; unchecked: the cluster did not say in time."`
	Reason     string              `json:"reason,omitempty"`
	Diff       string              `json:"diff,omitempty" doc:"A line for each field before and after."`
	Warnings   []string            `json:"warnings,omitempty"`
	Errors     []apiField          `json:"errors,omitempty"`
	Conflicts  []applyConflictBody `json:"conflicts,omitempty"`
}

type applyConflictBody struct {
	Field    string `json:"field"`
	Manager  string `json:"manager"`
	Mine     string `json:"mine,omitempty"`
	Live     string `json:"live,omitempty"`
	CanLeave bool   `json:"can_leave"`
}

// applyOperations are the apply of several documents, in the API.
func (s *Server) applyOperations(o *operations) {
	operation(o, access.EffectWrite, huma.Operation{
		OperationID: "apply-yaml", Method: http.MethodPost, Path: apiRoot + "/clusters/{id}/apply", Summary: "Apply several documents", Tags: []string{"operations"},
		DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxApplyBody,
		Errors:      []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		Description: "A server-side apply of each document as the manager tiga, in the order that their kinds need. In earnest the answer is 202 with the operation, which goes on; as a dry run it is 200 with what would happen.",
	}, s.apiApply)
}

func (s *Server) apiApply(r *http.Request, in *applyYAMLInput) (*answer[applyBody], error) {
	r, err := s.withAPICluster(r, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.mayApply(r); err != nil {
		return nil, err
	}
	b := in.Body
	input := &applyInput{text: b.YAML, namespace: cmp.Or(b.Namespace, defaultNamespace), stopAt: b.StopAtFailure, token: cmp.Or(b.Token, rand.Text()), picks: map[string]string{}}
	if b.Conflicts == ownTake || b.Conflicts == ownLeave {
		input.policy = b.Conflicts
	}
	for _, c := range b.Choices {
		input.picks[choiceKey(c.Resource, c.Namespace, c.Name, c.Field)] = c.Choice
	}
	if !isSegment(input.namespace) {
		return nil, &fieldError{field: "namespace", id: "apply.why.name"}
	}
	if in.DryRun != "" {
		plan := s.planApply(r, input)
		if len(plan.errs) > 0 {
			return nil, s.unreadable(r, plan)
		}
		var out applyBody
		for _, d := range plan.docs {
			out.Documents = append(out.Documents, s.applyDocumentBody(r, d))
		}
		return succeeded(http.StatusOK, out), nil
	}
	plan := s.readApply(r, input)
	switch {
	case len(plan.errs) > 0:
		return nil, s.unreadable(r, plan)
	case len(plan.sent()) == 0, !b.SkipRefused && plan.count(applyBarred) > 0:
		return nil, s.notSent(r, plan)
	}
	id, err := s.beginApply(r, input, plan)
	if err != nil {
		return nil, err
	}
	o, err := s.findOperation(r, id)
	if err != nil {
		return nil, err
	}
	body := s.operationBody(r, o, true)
	return succeeded(http.StatusAccepted, applyBody{Operation: &body}), nil
}

// unreadable says what keeps a text from being read.
func (s *Server) unreadable(r *http.Request, plan *applyPlan) error {
	var errs []error
	for _, e := range s.presenter(r).streamErrors(plan.errs) {
		errs = append(errs, &fieldError{field: "yaml", id: "apply.at", args: map[string]any{"Line": e.Line, "Column": e.Column, "Text": e.Text}})
	}
	return errors.Join(errs...)
}

// notSent says which documents cannot be sent, and why.
func (s *Server) notSent(r *http.Request, plan *applyPlan) error {
	p := s.presenter(r)
	e := &kube.Error{Kind: kube.KindInvalid, Cluster: clusterOf(r).Name(), Op: "apply"}
	for _, d := range plan.docs {
		if d.verdict != applyBarred {
			continue
		}
		field := p.loc.T("apply.in_document", "Number", d.Number)
		e.Causes = append(e.Causes, kube.Cause{Field: field, Message: p.allWords(d.why)})
		if d.denied != nil {
			if err := s.refused(r, d.denied); !errors.Is(err, d.denied) {
				return err
			}
		}
	}
	return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "apply_refused", Words: kinds.Message{}, Err: e}
}

func (s *Server) applyDocumentBody(r *http.Request, d *applyDoc) applyDocumentBody {
	p := s.presenter(r)
	out := applyDocumentBody{
		Number: d.Number, Line: d.Line, Namespace: d.namespace, Name: d.name, Verdict: string(d.verdict), Reason: p.allWords(d.why),
		Warnings: d.done.Warnings, Diff: d.done.Change.Diff,
	}
	out.APIVersion, _ = d.Doc.Tree["apiVersion"].(string)
	out.Kind, _ = d.Doc.Tree["kind"].(string)
	if d.kind != nil {
		out.Resource = d.kind.ID()
	}
	for _, e := range p.editErrors(d.Doc, &kube.Error{Causes: d.causes}) {
		out.Errors = append(out.Errors, apiFieldOf(e))
	}
	for _, f := range d.conflicts {
		out.Conflicts = append(out.Conflicts, applyConflictBody{
			Field: f.Field, Manager: f.Manager, Mine: valueText(f.Mine), Live: valueText(f.Live), CanLeave: !f.Fixed,
		})
	}
	return out
}

func apiFieldOf(e views.EditError) apiField { return apiField{Field: e.Field, Message: e.Text} }
