package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kinds"
	"tiga/kube/live"
	"tiga/views"
	"tiga/views/ui"
)

// operationsShown is how many operations a list has.
const operationsShown = 50

// operationsCounted is how many of the newest are looked at for the menu, which is made for every page.
const operationsCounted = 8

// itemOperations is the item of a cluster's menu.
const itemOperations = "operations"

func operationsPath(cluster int64) string { return clusterPath(cluster) + "/operations" }

func operationPath(cluster int64, id string) string { return operationsPath(cluster) + "/" + id }

// seen is an operation as somebody may see it: the steps on objects that they may get.
type seen struct {
	db.Operation
	steps []db.OperationStep
	more  bool // there are others
}

// seesObject says whether the subject may get an object that an operation names. Of a kind that the cluster does not serve
// any more only the rules are asked, which name groups and resources.
func (s *Server) seesObject(r *http.Request, id, namespace, name string) bool {
	resource, group, _ := strings.Cut(id, ".")
	return s.may(r, access.Request{
		Cluster: clusterOf(r).Name(), Verb: access.VerbGet, Group: group, Resource: resource, Namespaced: namespace != "", Namespace: namespace, Name: name,
	})
}

// seeOperation is an operation as the subject may see it; ErrHidden if nothing of it may be seen. A10
func (s *Server) seeOperation(r *http.Request, o db.Operation) (seen, error) {
	out := seen{Operation: o}
	if o.ClusterID != clusterOf(r).ID() {
		return out, errNoRoute
	}
	// An operation about one object is for those who may see that.
	if o.Name != "" && !s.seesObject(r, o.Resource, "", o.Name) {
		return out, errNoRoute
	}
	steps, err := s.store.Read().OperationSteps(r.Context(), o.ID)
	if err != nil {
		return out, err
	}
	for _, step := range steps {
		if s.seesObject(r, step.Resource, step.Namespace, step.Name) {
			out.steps = append(out.steps, step)
		} else {
			out.more = true
		}
	}
	if len(out.steps) == 0 && o.ActorID != subjectOf(r).UserID {
		return out, errNoRoute
	}
	return out, nil
}

// findOperation is the operation of the path.
func (s *Server) findOperation(r *http.Request, id string) (seen, error) {
	o, err := s.store.Read().Operation(r.Context(), id)
	if err != nil {
		return seen{}, err
	}
	return s.seeOperation(r, o)
}

// seeOperations are the newest operations of the cluster that the subject may see.
func (s *Server) seeOperations(r *http.Request) ([]seen, error) {
	rows, err := s.store.Read().OperationsOfCluster(r.Context(), clusterOf(r).ID(), operationsShown)
	if err != nil {
		return nil, err
	}
	var out []seen
	for _, o := range rows {
		if one, err := s.seeOperation(r, o); err == nil {
			out = append(out, one)
		}
	}
	return out, nil
}

func underWay(state string) bool {
	return state == db.OperationRunning || state == db.OperationStopping
}

// mayStop says whether the subject may stop an operation: whoever began it, and whoever may do as much.
func (s *Server) mayStop(r *http.Request, o seen) bool {
	if !underWay(o.State) || s.authority.ReadOnly() {
		return false
	}
	if o.ActorID == subjectOf(r).UserID && subjectOf(r).TokenRole == "" {
		return true
	}
	if o.more {
		return false
	}
	return !slices.ContainsFunc(o.steps, func(step db.OperationStep) bool {
		resource, group, _ := strings.Cut(step.Resource, ".")
		verb := access.VerbPatch
		if step.Action == stepEvict {
			verb = access.VerbEvict
		}
		return !s.may(r, access.Request{
			Cluster: clusterOf(r).Name(), Verb: verb, Group: group, Resource: resource, Namespaced: step.Namespace != "", Namespace: step.Namespace, Name: step.Name,
		})
	})
}

// operationLive keeps a page about operations current.
func operationLive(r *http.Request) *views.Live {
	return &views.Live{
		Stream: query{"kind": {live.OperationsKind}}.at(clusterPath(clusterOf(r).ID()) + "/live"), Self: r.URL.RequestURI(),
	}
}

// listOperations is what was done, and is being done, to a cluster beyond single changes.
func (s *Server) listOperations(w http.ResponseWriter, r *http.Request) error {
	c, p := clusterOf(r), s.presenter(r)
	all, err := s.seeOperations(r)
	if err != nil {
		return err
	}
	var m views.Operations
	for _, o := range all {
		m.Items = append(m.Items, views.OperationLine{
			ID: o.ID, Title: p.operationTitle(o.Operation), Href: operationPath(c.ID(), o.ID), Status: p.operationStatus(o.State),
			Message: s.operationMessage(r, o), Actor: o.ActorName, Started: db.Time(o.StartedAt), Ended: db.Time(o.EndedAt),
		})
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: p.loc.T("ui.operation.title"), Shell: s.shell(r, place{cluster: c, item: itemOperations}), Live: operationLive(r), Body: views.OperationsPage(m),
	})
}

// showOperation is one operation, step by step.
func (s *Server) showOperation(w http.ResponseWriter, r *http.Request) error {
	o, err := s.findOperation(r, chi.URLParam(r, "operation"))
	if err != nil {
		return err
	}
	m := s.operationView(r, o)
	return s.show(w, r, http.StatusOK, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: clusterOf(r), item: itemOperations}), Live: operationLive(r), Body: views.OperationPage(m),
	})
}

func (s *Server) operationView(r *http.Request, o seen) views.Operation {
	c, p := clusterOf(r), s.presenter(r)
	m := views.Operation{
		ID: o.ID, Title: p.operationTitle(o.Operation), Status: p.operationStatus(o.State), Message: s.operationMessage(r, o),
		Actor: o.ActorName, Started: db.Time(o.StartedAt), Ended: db.Time(o.EndedAt), Total: len(o.steps), More: o.more, List: operationsPath(c.ID()),
	}
	if s.mayStop(r, o) && o.State == db.OperationRunning {
		m.Stop = operationPath(c.ID(), o.ID) + "/stop"
	}
	if k, ok := known(c, o.Resource); ok && o.Name != "" {
		m.Object = ui.Link{Text: o.Name, Href: objectPath(c.ID(), k, "", o.Name)}
	}
	if nodes, ok := kinds.Lookup(kindNodes); ok && o.cordoned() && !underWay(o.State) && s.may(r, request(c.Name(), access.VerbPatch, nodes, "", o.Name)) {
		m.Next = append(m.Next, ui.Link{Text: p.loc.T("ui.operation.uncordon"), Href: m.Object.Href + "/uncordon"})
	}
	for _, step := range o.steps {
		line := views.OperationStep{
			Position: int(step.Position), Action: p.loc.T("operation.action." + step.Action), Kind: step.Resource,
			Object: ui.Link{Text: step.Name, Note: step.Namespace}, Status: p.stepStatus(step, underWay(o.State)), Message: s.stepMessage(r, step),
			Ended: db.Time(step.EndedAt),
		}
		if k, ok := known(c, step.Resource); ok {
			line.Kind, line.Object.Href = k.Name, objectPath(c.ID(), k, step.Namespace, step.Name)
		}
		if step.State != db.StepPlanned && step.State != db.StepRunning {
			m.Done++
		}
		m.Steps = append(m.Steps, line)
	}
	return m
}

func (p presenter) operationTitle(o db.Operation) string {
	return p.loc.T("operation.title."+o.Kind, "Name", o.Name)
}

func (p presenter) operationStatus(state string) ui.Status {
	st := ui.Status{Word: p.loc.T("operation.state." + state)}
	switch state {
	case db.OperationDone:
		st.Tone = ui.ToneOK
	case db.OperationFailed:
		st.Tone = ui.ToneBad
	case db.OperationStopped, db.OperationInterrupted, db.OperationStopping:
		st.Tone = ui.ToneWarn
	default:
		st.Tone = ui.ToneInfo
	}
	return st
}

// stepStatus is a step's state in a word. What is planned and will not come any more is told as not done.
func (p presenter) stepStatus(step db.OperationStep, going bool) ui.Status {
	word := step.State
	if step.State == db.StepPlanned && !going {
		word = "not_done"
	}
	st := ui.Status{Word: p.loc.T("operation.step_state." + word)}
	switch step.State {
	case db.StepDone:
		st.Tone = ui.ToneOK
	case db.StepFailed:
		st.Tone = ui.ToneBad
	case db.StepUnknown:
		st.Tone = ui.ToneWarn
	case db.StepRunning:
		st.Tone = ui.ToneInfo
		if m := decodeMessage(step.Message); !m.IsZero() && m.ID != stepEvicted { // tried again
			st.Tone, st.Word = ui.ToneWarn, p.loc.T("operation.step_state.waiting")
		}
	default:
		st.Tone = ui.ToneIdle
		if step.Message != "" && going {
			st.Tone, st.Word = ui.ToneWarn, p.loc.T("operation.step_state.waiting")
		}
	}
	return st
}

// stepMessage is what is said about a step. The name of a disruption budget is for those who may see it.
func (s *Server) stepMessage(r *http.Request, step db.OperationStep) string {
	m := decodeMessage(step.Message)
	if budget, ok := m.Args["Budget"].(string); ok && !s.seesObject(r, kindBudgets, step.Namespace, budget) {
		m = kinds.Message{ID: "operation.step.budget_hidden"}
	}
	text := s.presenter(r).words(m)
	if step.State == db.StepUnknown {
		return strings.TrimSpace(s.presenter(r).loc.T("operation.step.unknown") + " " + text)
	}
	return text
}

// operationMessage is what is said about an operation: why it ended, and what it leaves behind.
func (s *Server) operationMessage(r *http.Request, o seen) string {
	p := s.presenter(r)
	parts := []string{p.words(decodeMessage(o.Message))}
	switch o.State {
	case db.OperationStopping:
		parts = append(parts, p.loc.T("operation.stopping"))
	case db.OperationInterrupted:
		parts = append(parts, p.loc.T("operation.interrupted"))
	}
	if o.cordoned() && !underWay(o.State) {
		parts = append(parts, p.loc.T("operation.stays_cordoned", "Node", o.Name))
	}
	text := ""
	for _, part := range parts {
		if text != "" && part != "" && !strings.HasSuffix(text, "。") {
			text += " "
		}
		text += part
	}
	return text
}

// cordoned says whether an operation has cordoned its node.
func (o seen) cordoned() bool {
	return slices.ContainsFunc(o.steps, func(step db.OperationStep) bool { return step.Action == stepCordon && step.State == db.StepDone })
}

// stop stops an operation between two of its steps.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) error {
	o, err := s.findOperation(r, chi.URLParam(r, "operation"))
	if err != nil {
		return err
	}
	if err := s.stopSeen(r, o); err != nil {
		return err
	}
	return s.redirect(w, r, operationPath(clusterOf(r).ID(), o.ID))
}

// stopSeen stops an operation for whoever may. One that is over already is left as it is.
func (s *Server) stopSeen(r *http.Request, o seen) error {
	if !underWay(o.State) {
		return nil
	}
	if !s.mayStop(r, o) {
		return &ProblemError{Status: http.StatusForbidden, ID: "forbidden", Args: map[string]any{"Verb": "stop", "Resource": "operations", "Where": clusterOf(r).Name()}}
	}
	e := s.event(r)
	e.ClusterID, e.Cluster, e.Resource, e.Name, e.Verb, e.Effect = o.ClusterID, o.ClusterName, "operations", o.ID, "stop", access.EffectWrite.String()
	if err := s.stopOperation(r.Context(), o.Operation); err != nil {
		return err
	}
	return s.note(r, e)
}

// hasOperations says whether there is any operation of the cluster that the subject may see, and how many of those are
// under way, for the menu. A store that does not answer leaves the item out.
func (s *Server) hasOperations(r *http.Request) (going int, ok bool) {
	rows, err := s.store.Read().OperationsOfCluster(r.Context(), clusterOf(r).ID(), operationsCounted)
	if err != nil {
		return 0, false
	}
	for _, o := range rows {
		if _, err := s.seeOperation(r, o); err != nil {
			continue
		}
		if ok = true; !underWay(o.State) {
			break // it is enough to know that there is one; those under way are the newest
		}
		going++
	}
	return going, ok
}
