package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

const (
	kindBudgets = "poddisruptionbudgets.policy"
	// maxDrainSeconds bounds what the form takes as grace or timeout.
	maxDrainSeconds = 24 * 60 * 60
)

// ofNodes lets only nodes through: nothing else can be drained.
func (s *Server) ofNodes(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if k := kindOf(r); !k.Can(kinds.ActionDrain) {
			return &ProblemError{Status: http.StatusNotFound, ID: "unknown_action", Args: map[string]any{"Value": string(kinds.ActionDrain), "Kind": k.Name}}
		}
		if targetOf(r).namespace != "" {
			return errNoRoute
		}
		return next(w, r)
	}
}

// drainForm is the form as it was filled in. Seconds are text until they are read: what is wrong is shown as it was typed.
type drainForm struct {
	grace, timeout            string
	local, force, daemonSets  bool
	graceProblem, timeProblem string
	confirmProblem            string
}

// readDrainForm reads the form, from a query or a body. An empty one has kubectl's defaults but for DaemonSets, whose pods
// would come back at once: that they stay is what everybody means.
func readDrainForm(get func(string) string, filled bool) (drainForm, drainInput) {
	f := drainForm{grace: strings.TrimSpace(get("grace")), timeout: strings.TrimSpace(get("timeout"))}
	f.local, f.force, f.daemonSets = get("local") == "1", get("force") == "1", get("daemonsets") == "1" || !filled
	in := drainInput{Options: kube.DrainOptions{DeleteLocalData: f.local, Force: f.force, IgnoreDaemonSets: f.daemonSets}}
	if f.grace != "" {
		n, err := strconv.ParseInt(f.grace, 10, 64)
		if err != nil || n < 0 || n > maxDrainSeconds {
			f.graceProblem = "drain.seconds"
		}
		in.Options.Grace = &n
	}
	if f.timeout != "" {
		n, err := strconv.ParseInt(f.timeout, 10, 64)
		if err != nil || n < 0 || n > maxDrainSeconds {
			f.timeProblem = "drain.seconds"
		}
		in.Timeout = time.Duration(n) * time.Second
	}
	return f, in
}

// askDrain is the preflight: what a drain would do, and what is in its way.
func (s *Server) askDrain(w http.ResponseWriter, r *http.Request) error {
	t, q := targetOf(r), r.URL.Query()
	form, in := readDrainForm(q.Get, q.Has("checked"))
	plan, err := s.planDrain(r, t, in)
	if err != nil {
		return err
	}
	return s.showDrain(w, r, http.StatusOK, t, form, plan)
}

// planDrain makes the plan for whoever may drain the node at all.
func (s *Server) planDrain(r *http.Request, t target, in drainInput) (kube.DrainPlan, error) {
	node, err := s.permit(r, access.VerbGet, kindOf(r), "", t.name)
	if err != nil {
		return kube.DrainPlan{}, err
	}
	if err := s.allowed(r, s.actions[kinds.ActionDrain], t); err != nil {
		return kube.DrainPlan{}, err
	}
	pods, _ := kinds.Lookup(kindPods)
	permits := kube.DrainPermits{Node: node}
	if permits.Pods, err = s.permit(r, access.VerbList, pods, "", ""); err != nil {
		return kube.DrainPlan{}, err
	}
	// These two say more where they are granted; without them the page says what it cannot tell.
	if permit, err := s.permit(r, access.VerbList, kindOf(r), "", ""); err == nil {
		permits.Nodes = permit
	}
	if k, ok := kinds.Lookup(kindBudgets); ok {
		if permit, err := s.permit(r, access.VerbList, k, "", ""); err == nil {
			permits.Budgets = permit
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), listBudget)
	defer cancel()
	return clusterOf(r).PlanDrain(ctx, permits, t.name, in.Options)
}

// unevictable are the pods of a plan that the subject may not evict.
func (s *Server) unevictable(r *http.Request, plan kube.DrainPlan) (out []string) {
	pods, _ := kinds.Lookup(kindPods)
	for _, p := range plan.Pods {
		if p.Verdict == kube.DrainEvicts && !s.may(r, request(clusterOf(r).Name(), access.VerbEvict, pods, p.Namespace, p.Name)) {
			out = append(out, p.Namespace+"/"+p.Name)
		}
	}
	return out
}

// drainProblem is why a drain cannot begin as things are; "" if it can.
func (s *Server) drainProblem(r *http.Request, plan kube.DrainPlan) string {
	p := s.presenter(r)
	if plan.Hidden {
		return p.loc.T("drain.problem.hidden")
	}
	if n := plan.Count(kube.DrainRefused); n > 0 {
		return p.loc.T("drain.problem.refused", "Count", n)
	}
	if missing := s.unevictable(r, plan); len(missing) > 0 {
		return p.loc.T("drain.problem.rights", "Pods", strings.Join(missing[:min(len(missing), 3)], ", "), "Count", len(missing))
	}
	return ""
}

// showDrain shows the preflight.
func (s *Server) showDrain(w http.ResponseWriter, r *http.Request, status int, t target, form drainForm, plan kube.DrainPlan) error {
	c, p := clusterOf(r), s.presenter(r)
	path := objectPath(c.ID(), kindOf(r), "", t.name)
	look := s.looks.of(c.ID())
	pods, _ := kinds.Lookup(kindPods)
	m := views.Drain{
		Title: p.loc.T("drain.title", "Node", t.name), Node: t.name, NodeHref: path, Cluster: c.Name(),
		Environment: environment(look.Environment, look.Colour), Production: look.production(), Cordoned: plan.Cordoned,
		Post: path + "/drain", Cancel: path, UID: plan.UID, Problem: s.drainProblem(r, plan), ConfirmError: form.confirmProblem,
	}
	seconds := func(name, value, problem string) ui.Field {
		f := ui.Field{Type: ui.FieldNumber, Name: name, Label: p.loc.T("drain.field." + name), Help: p.loc.T("drain.help." + name), Value: value, Min: "0", Max: strconv.Itoa(maxDrainSeconds)}
		if problem != "" {
			f.Error = p.loc.T(problem, "Max", maxDrainSeconds)
		}
		return f
	}
	check := func(name string, on bool) ui.Field {
		return ui.Field{Type: ui.FieldCheck, Name: name, Label: p.loc.T("drain.field." + name), Help: p.loc.T("drain.help." + name), Checked: on}
	}
	m.Fields = []ui.Field{
		seconds("grace", form.grace, form.graceProblem), seconds("timeout", form.timeout, form.timeProblem),
		check("local", form.local), check("force", form.force), check("daemonsets", form.daemonSets),
	}
	for i := range plan.Pods {
		d := &plan.Pods[i]
		row := views.DrainPod{
			ID: d.UID, Pod: ui.Link{Text: d.Name, Href: objectPath(c.ID(), pods, d.Namespace, d.Name), Note: d.Namespace}, Controller: d.Controller,
			Why: p.words(d.Why), Verdict: ui.Status{Tone: ui.ToneOK, Word: p.loc.T("drain.verdict.evict")},
		}
		switch d.Verdict {
		case kube.DrainRefused:
			row.Verdict = ui.Status{Tone: ui.ToneBad, Word: p.loc.T("drain.verdict.refused")}
		case kube.DrainLeaves:
			row.Verdict = ui.Status{Tone: ui.ToneIdle, Word: p.loc.T("drain.verdict.leave")}
		case kube.DrainEvicts:
			if len(d.Blocked) > 0 {
				row.Verdict = ui.Status{Tone: ui.ToneWarn, Word: p.loc.T("drain.verdict.waits")}
				m.Waits++
			}
			m.Evicts++
		}
		for _, note := range d.Notes {
			row.Notes = append(row.Notes, p.words(note))
		}
		m.Pods = append(m.Pods, row)
	}
	m.Leaves = plan.Count(kube.DrainLeaves)
	if plan.BudgetsUnknown {
		m.Unknown = append(m.Unknown, p.loc.T("drain.unknown.budgets"))
	}
	if plan.RoomUnknown {
		m.Unknown = append(m.Unknown, p.loc.T("drain.unknown.room"))
	} else {
		m.Approximate = p.loc.T("drain.approximate")
	}
	return s.show(w, r, status, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: kindOf(r)}), Body: views.DrainPage(m),
	})
}

// drainNode begins a drain, and leads to the page that follows it.
func (s *Server) drainNode(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	t, p := targetOf(r), s.presenter(r)
	form, in := readDrainForm(r.PostForm.Get, true)
	// Whoever may not is told so before what is wrong with the form.
	if _, err := s.permit(r, access.VerbPatch, kindOf(r), "", t.name); err != nil {
		return s.refused(r, err)
	}
	plan, err := s.planDrain(r, t, in)
	if err != nil {
		return err
	}
	if strings.TrimSpace(r.PostForm.Get("confirm")) != t.name {
		form.confirmProblem = p.loc.T("ask.type_name", "Name", t.name)
	}
	replaced := r.PostForm.Get("uid") != "" && r.PostForm.Get("uid") != plan.UID
	switch {
	case replaced:
		return &ProblemError{Status: http.StatusConflict, ID: "changed"}
	case form.confirmProblem != "", form.graceProblem != "", form.timeProblem != "", s.drainProblem(r, plan) != "":
		return s.showDrain(w, r, http.StatusUnprocessableEntity, t, form, plan)
	}
	id, err := s.beginDrain(r, t.name, plan, in)
	if err != nil {
		return err
	}
	return s.redirect(w, r, operationPath(clusterOf(r).ID(), id))
}

// beginDrain starts the operation of a plan that nothing is in the way of.
func (s *Server) beginDrain(r *http.Request, node string, plan kube.DrainPlan, in drainInput) (string, error) {
	permit, err := s.permit(r, access.VerbPatch, kindOf(r), "", node)
	if err != nil {
		return "", s.refused(r, err)
	}
	if clusterOf(r).ReadOnly() {
		return "", &ProblemError{Status: http.StatusForbidden, ID: "read_only"}
	}
	pods, _ := kinds.Lookup(kindPods)
	d := &drain{node: node, uid: plan.UID, in: in, nodes: kindOf(r), pods: pods}
	d.steps = []db.NewStep{{Action: stepCordon, Resource: kindOf(r).ID(), Name: node, UID: plan.UID}}
	for _, p := range plan.Pods {
		if p.Verdict == kube.DrainEvicts {
			d.steps = append(d.steps, db.NewStep{Action: stepEvict, Resource: pods.ID(), Namespace: p.Namespace, Name: p.Name, UID: p.UID})
		}
	}
	parameters, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("drain %s: %w", node, err)
	}
	e := s.objectEvent(r, permit.Record())
	e.Verb, e.ObjectUID = operationDrain, plan.UID
	return s.begin(r, e, db.NewOperation{
		Kind: operationDrain, Resource: kindOf(r).ID(), Name: node, Parameters: string(parameters), Steps: d.steps,
	}, d.run)
}
