package handlers

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"tiga/access"
	"tiga/db"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
	"tiga/views"
	"tiga/views/ui"
)

// maxApplyBody bounds a form with a text of several documents: the text, the files beside it and the choices.
const maxApplyBody = 2*manifest.MaxStream + 1<<20

// itemApply is the item of a cluster's menu.
const itemApply = "apply"

// defaultNamespace is where documents go that name none, unless something else is wanted.
const defaultNamespace = "default"

func applyPath(cluster int64) string { return clusterPath(cluster) + "/apply" }

// bodyLimit is how large the body of a request may be that carries whole objects; 0 for any other.
func bodyLimit(r *http.Request) int64 {
	switch {
	case isEditor(r):
		return maxEditBody
	case isApplyPage(r), r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/apply") && strings.HasPrefix(r.URL.Path, apiRoot+"/clusters/"):
		return maxApplyBody
	}
	return 0
}

// isApplyPage says whether a path is that of the form that carries several documents.
func isApplyPage(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/apply") && strings.HasPrefix(r.URL.Path, "/clusters/")
}

// appliesSomething says whether the subject may create or change anything in the cluster at all.
func (s *Server) appliesSomething(r *http.Request) bool {
	c, subject := clusterOf(r), subjectOf(r)
	return slices.ContainsFunc(c.Kinds(), func(k *kinds.Kind) bool {
		return !k.Fixed && (s.authority.Somewhere(subject, request(c.Name(), access.VerbPatch, k, "", "")) ||
			s.authority.Somewhere(subject, request(c.Name(), access.VerbCreate, k, "", "")))
	})
}

// mayApply says what would be said to whoever may change nothing.
func (s *Server) mayApply(r *http.Request) error {
	c := clusterOf(r)
	switch {
	case s.appliesSomething(r):
		return nil
	case s.authority.ReadOnly(), s.looks.of(c.ID()).ReadOnly:
		return &ProblemError{Status: http.StatusForbidden, ID: "read_only"}
	}
	return &ProblemError{Status: http.StatusForbidden, ID: "forbidden", Args: map[string]any{"Verb": string(access.VerbPatch), "Resource": "*", "Where": c.Name()}}
}

// newApply is the page with nothing on it yet.
func (s *Server) newApply(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayApply(r); err != nil {
		return err
	}
	in := &applyInput{namespace: defaultNamespace, token: rand.Text()}
	if ns := r.URL.Query().Get("ns"); ns != "" && isSegment(ns) && !isAll(ns) {
		in.namespace = ns
	}
	return s.showApply(w, r, http.StatusOK, in, s.applyView(r, in, nil))
}

// parseApply reads the form. Files stand behind the text, each under its name, so that they are seen and kept from then on.
func parseApply(r *http.Request) (in *applyInput, do, checked string, err error) {
	if err := r.ParseMultipartForm(manifest.MaxStream); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, "", "", err
	}
	f := r.PostForm
	in = &applyInput{
		text: strings.ReplaceAll(f.Get("text"), "\r\n", "\n"), namespace: strings.TrimSpace(f.Get("namespace")),
		policy: f.Get("policy"), stopAt: f.Get("stop") == "1", token: f.Get("token"), picks: picksOf(f),
	}
	if in.policy != ownTake && in.policy != ownLeave {
		in.policy = ownAsk
	}
	if len(in.token) > 64 || in.token == "" {
		in.token = rand.Text()
	}
	if in.namespace == "" {
		in.namespace = defaultNamespace
	}
	if r.MultipartForm == nil {
		return in, f.Get("do"), f.Get("checked"), nil
	}
	for _, h := range r.MultipartForm.File["files"] {
		file, err := h.Open()
		if err != nil {
			return nil, "", "", err
		}
		raw, err := io.ReadAll(io.LimitReader(file, manifest.MaxStream+1))
		_ = file.Close() // it was read
		if err != nil {
			return nil, "", "", err
		}
		in.append(h.Filename, string(raw))
	}
	return in, f.Get("do"), f.Get("checked"), nil
}

// append adds a file to the text.
func (in *applyInput) append(name, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, name)
	if strings.TrimSpace(in.text) != "" {
		in.text = strings.TrimRight(in.text, "\n") + "\n---\n"
	} else {
		in.text = ""
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	in.text += "# " + name + "\n" + text
	if !strings.HasSuffix(in.text, "\n") {
		in.text += "\n"
	}
}

// sum names a text as it was checked: another one is looked at again before it is applied.
func (in *applyInput) sum() string {
	h := sha256.Sum256([]byte(in.namespace + "\x00" + in.text))
	return hex.EncodeToString(h[:])
}

// saveApply shows what a text would do, or begins to apply it.
func (s *Server) saveApply(w http.ResponseWriter, r *http.Request) error {
	in, do, checked, err := parseApply(r)
	if err != nil {
		return err
	}
	if err := s.mayApply(r); err != nil {
		return err
	}
	p := s.presenter(r)
	if !isSegment(in.namespace) {
		in.namespace = defaultNamespace
	}
	do, certain := strings.CutSuffix(do, sure)
	earnest := do == doApply && checked == in.sum()
	production := s.looks.of(clusterOf(r).ID()).production()
	if earnest && (certain || !production) {
		plan := s.readApply(r, in)
		if len(plan.sent()) > 0 && len(plan.errs) == 0 {
			id, err := s.beginApply(r, in, plan)
			if err != nil {
				// Nothing has begun: the text comes back with the reason.
				pr := problem(err)
				s.logProblem(r, pr)
				m := s.applyView(r, in, nil)
				m.Notice = s.editProblem(r, pr)
				return s.showApply(w, r, pr.Status, in, m)
			}
			return s.redirect(w, r, operationPath(clusterOf(r).ID(), id))
		}
	}
	plan := s.planApply(r, in)
	m := s.applyView(r, in, plan)
	status := http.StatusOK
	switch {
	case len(plan.errs) > 0:
		status = http.StatusUnprocessableEntity
		m.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: p.loc.T("edit.unreadable")}
	case m.Sent == 0:
		status = http.StatusUnprocessableEntity
		m.Notice = &views.EditNotice{Tone: ui.ToneBad, Title: p.loc.T("apply.none"), Detail: p.loc.T("apply.none_what")}
	case earnest:
		m.Sure = p.loc.T("apply.sure", "Cluster", clusterOf(r).Name(), "Count", m.Sent)
	case do == doApply:
		status = http.StatusConflict
		m.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: p.loc.T("apply.changed"), Detail: p.loc.T("apply.changed_what")}
	case plan.count(applyConflict) > 0:
		m.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: p.loc.T("apply.conflicts", "Count", plan.count(applyConflict)), Detail: p.loc.T("apply.conflicts_what")}
	case plan.count(applyRefused, applyBarred) > 0:
		m.Notice = &views.EditNotice{Tone: ui.ToneWarn, Title: p.loc.T("apply.some_refused", "Count", plan.count(applyRefused, applyBarred)), Detail: p.loc.T("apply.nothing_yet")}
	default:
		m.Notice = &views.EditNotice{Tone: ui.ToneOK, Title: p.loc.T("apply.fine"), Detail: p.loc.T("apply.nothing_yet")}
	}
	return s.showApply(w, r, status, in, m)
}

// applyParameters are what the store keeps of an application: nothing of its documents.
type applyParameters struct {
	Token     string `json:"token"`
	Documents int    `json:"documents"`
	Left      int    `json:"left"` // out, because they could not be sent
	StopAt    bool   `json:"stop_at_failure"`
}

// sameForm says whether two applications came by the same form.
func sameForm(a, b string) bool {
	var one, other applyParameters
	return json.Unmarshal([]byte(a), &one) == nil && json.Unmarshal([]byte(b), &other) == nil && one.Token != "" && one.Token == other.Token
}

// beginApply starts the operation that applies what of a text can be sent. A form that is sent twice begins one.
func (s *Server) beginApply(r *http.Request, in *applyInput, plan *applyPlan) (string, error) {
	c := clusterOf(r)
	if c.ReadOnly() {
		return "", &ProblemError{Status: http.StatusForbidden, ID: "read_only"}
	}
	kept := *in
	kept.text = "" // each document is kept as it was read
	a := &application{in: &kept, docs: plan.sent(), left: plan.count(applyBarred)}
	o := db.NewOperation{Kind: operationApply}
	for i, d := range a.docs {
		d.step = i
		o.Steps = append(o.Steps, db.NewStep{Action: stepApply, Resource: d.kind.ID(), Namespace: d.namespace, Name: d.name})
	}
	parameters, err := json.Marshal(applyParameters{Token: in.token, Documents: len(a.docs), Left: a.left, StopAt: in.stopAt})
	if err != nil {
		return "", fmt.Errorf("apply: %w", err)
	}
	o.Parameters = string(parameters)
	// A refusal is written down like any other, whatever becomes of the rest.
	for _, d := range plan.docs {
		if d.denied == nil {
			continue
		}
		if err := s.refused(r, d.denied); !errors.Is(err, d.denied) {
			return "", err
		}
	}
	e := s.event(r)
	e.ClusterID, e.Cluster, e.Resource, e.Verb, e.Effect = c.ID(), c.Name(), "operations", operationApply, access.EffectWrite.String()
	return s.begin(r, e, o, a.run)
}

// showApply shows the page with what it has to remember.
func (s *Server) showApply(w http.ResponseWriter, r *http.Request, status int, in *applyInput, m views.Apply) error {
	m.Text = in.text
	m.Hidden = []ui.Pair{{Key: "token", Value: in.token}}
	if m.Checked {
		m.Hidden = append(m.Hidden, ui.Pair{Key: "checked", Value: in.sum()})
	}
	return s.show(w, r, status, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: clusterOf(r), item: itemApply}), Body: views.ApplyPage(m),
	})
}
