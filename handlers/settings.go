package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/db/seal"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/views"
	"tiga/views/ui"
)

const settingsPath = "/settings/clusters"

func settingPath(id int64) string { return settingsPath + "/" + strconv.FormatInt(id, 10) }

// mayAdminister says, before a form is shown, what would be said after it was sent.
func (s *Server) mayAdminister(r *http.Request) error {
	_, err := s.authority.Check(subjectOf(r), access.Request{Group: access.TigaGroup, Resource: "clusters", Verb: access.VerbAdmin})
	return err
}

// settingsPage is a page of the cluster settings in its shell.
func (s *Server) settingsPage(r *http.Request, title string) views.Page {
	return views.Page{Title: title, Shell: s.shell(r, place{item: itemSettings})}
}

// listClusterSettings lists the clusters to administer, those that are switched off included.
func (s *Server) listClusterSettings(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbGet, "clusters"); err != nil {
		return err
	}
	p := s.presenter(r)
	m := views.ClusterSettings{}
	admin := s.mayAdminister(r) == nil
	if admin {
		m.Add = settingsPath + "/new"
	}
	states := s.states()
	for _, look := range s.looks.all() {
		set := views.ClusterSetting{
			ID: strconv.FormatInt(look.ID, 10), Name: look.Name, Href: settingPath(look.ID), Open: clusterPath(look.ID),
			Environment: environment(look.Environment, look.Colour), Status: p.recordStatus(look, states), Server: look.Server,
			Source: p.loc.T("settings.source." + look.Source), Default: look.IsDefault, Disabled: !look.Enabled, ReadOnly: look.ReadOnly,
			Added: db.Time(look.CreatedAt),
		}
		if admin {
			set.Test = settingPath(look.ID) + "/test"
		}
		if admin && !look.IsDefault {
			set.MakeDefault = settingPath(look.ID) + "/default"
		}
		m.Clusters = append(m.Clusters, set)
	}
	page := s.settingsPage(r, p.loc.T("menu.cluster_settings"))
	page.Body = views.ClusterSettingsPage(m)
	return s.show(w, r, http.StatusOK, page)
}

// states are the states of all clusters by id.
func (s *Server) states() map[int64]kube.State {
	out := map[int64]kube.State{}
	for _, c := range s.fleet.Clusters() {
		out[c.ID()] = c.State()
	}
	return out
}

// recordStatus is a cluster's health, or that it is switched off.
func (p presenter) recordStatus(l look, states map[int64]kube.State) ui.Status {
	if !l.Enabled {
		return ui.Status{Word: p.loc.T("health.disabled"), Tone: ui.ToneIdle}
	}
	return p.health(states[l.ID])
}

// problemText is what went wrong in one sentence, for places that are no pages.
func (p presenter) problemText(err error) string {
	if f, ok := errors.AsType[*fieldError](err); ok {
		return p.loc.T(f.id, f.args)
	}
	pe := problem(err)
	text := p.loc.T("problem."+pe.ID+".title", pe.Args)
	if more := p.words(pe.Words); more != "" {
		text += p.loc.T("settings.colon") + more
	}
	return text
}

// settingOf reads the cluster of the path for its settings.
func (s *Server) settingOf(r *http.Request) (db.Cluster, error) {
	raw := unescaped(r, "id")
	id, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return db.Cluster{}, badInput("bad_id", map[string]any{"Value": raw})
	}
	return s.store.Read().Cluster(r.Context(), id)
}

// editCluster is the settings page of one cluster.
func (s *Server) editCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayAdminister(r); err != nil {
		return err
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	return s.editPage(w, r, http.StatusOK, row, views.ClusterEdit{}, typed{})
}

// typed is what a form of a cluster's settings brought that is not in the cluster's record, to be shown again.
type typed struct {
	kubeconfig string
	wrong      map[string]string // what is wrong with which field
	proof      error             // why the password is asked for
	prometheus *typedPrometheus  // of the form for the Prometheus
}

// editPage fills in what every answer of the page has.
func (s *Server) editPage(w http.ResponseWriter, r *http.Request, status int, row db.Cluster, m views.ClusterEdit, form typed) error {
	wrong := form.wrong
	p := s.presenter(r)
	path := settingPath(row.ID)
	m.ID, m.Name, m.Post, m.Test, m.Remove = strconv.FormatInt(row.ID, 10), row.Name, path, path+"/test", path+"/remove"
	m.Open, m.Cancel = clusterPath(row.ID), settingsPath
	if !row.IsDefault {
		m.MakeDefault = path + "/default"
	}
	m.Status = p.recordStatus(look{row}, s.states())
	m.Prometheus = s.prometheusBox(r, row, form)
	var colours []ui.Option
	for _, c := range clusterColours() {
		colours = append(colours, ui.Option{Value: c, Text: p.colourName(c), Chosen: c == row.Colour})
	}
	label := func(id string) string { return p.loc.T("settings.field." + id) }
	m.Fields = []ui.Field{
		{Type: ui.FieldText, Name: "name", Label: label("name"), Value: row.Name, Required: true, Error: wrong["name"]},
		{Type: ui.FieldText, Name: "environment", Label: label("environment"), Value: row.Environment, Placeholder: "PROD", Error: wrong["environment"]},
		{Type: ui.FieldSelect, Name: "colour", Label: label("colour"), Options: colours, Error: wrong["colour"]},
		{Type: ui.FieldCheck, Name: "enabled", Label: label("enabled"), Checked: row.Enabled, Help: p.loc.T("settings.help.enabled")},
		{Type: ui.FieldCheck, Name: "readonly", Label: label("readonly"), Checked: row.ReadOnly, Help: p.loc.T("settings.help.readonly")},
		{Type: ui.FieldArea, Name: "kubeconfig", Label: label("kubeconfig"), Help: p.loc.T("settings.help.kubeconfig"), Mono: true, Rows: 6, Value: form.kubeconfig, Error: wrong["kubeconfig"]},
	}
	if proof := s.proof(r, "", form.proof); proof != nil {
		proof.Required = form.proof != nil // without a new kubeconfig it is not needed
		if proof.Help != "" {
			proof.Help = p.loc.T("proof.help_kubeconfig")
		}
		m.Fields = append(m.Fields, *proof)
	}
	fact := func(id, text string, form ui.Form) {
		if text != "" {
			m.Facts = append(m.Facts, ui.Fact{Label: p.loc.T("settings.fact." + id), Cells: []ui.Cell{{Text: text, Form: form}}})
		}
	}
	fact("server", row.Server, ui.FormName)
	fact("context", row.Context, ui.FormName)
	fact("version", row.Version, ui.FormName)
	fact("source", p.loc.T("settings.source."+row.Source), ui.FormText)
	m.Facts = append(m.Facts, ui.Fact{Label: p.loc.T("settings.fact.added"), Cells: []ui.Cell{{Form: ui.FormTime, Num: float64(db.Time(row.CreatedAt).Unix())}}})
	page := s.settingsPage(r, row.Name)
	page.Body = views.ClusterEditPage(m)
	return s.show(w, r, status, page)
}

// updateCluster saves the settings of one cluster. A kubeconfig that is pasted must hold exactly one usable context, or
// mark the one to use as its current context.
func (s *Server) updateCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	if err := parseUpload(r); err != nil {
		return err
	}
	p := s.presenter(r)
	name, environment, colour := strings.TrimSpace(r.FormValue("name")), strings.TrimSpace(r.FormValue("environment")), r.FormValue("colour")
	enabled, readOnly := r.FormValue("enabled") == "1", r.FormValue("readonly") == "1"
	change := clusterChange{name: &name, environment: &environment, colour: &colour, enabled: &enabled, readOnly: &readOnly, source: "upload"}
	text := r.PostForm.Get("kubeconfig")
	again := func(status int, form typed) error {
		form.kubeconfig = text
		row.Name, row.Environment, row.Colour, row.Enabled, row.ReadOnly = name, environment, colour, enabled, readOnly
		return s.editPage(w, r, status, row, views.ClusterEdit{}, form)
	}
	retry := func(field, message string) error {
		return again(http.StatusUnprocessableEntity, typed{wrong: map[string]string{field: message}})
	}
	if strings.TrimSpace(text) != "" {
		if err := s.prove(w, r); err != nil {
			status, ask := unproven(w, err)
			if !ask {
				return err
			}
			return again(status, typed{proof: err})
		}
		c, err := oneContext(text, s.cfg.Uploads)
		if err != nil {
			return retry("kubeconfig", p.kubeconfigProblem(err))
		}
		change.context = &c
	}
	if _, err := s.changeCluster(r, row.ID, change); err != nil {
		if f, ok := errors.AsType[*fieldError](err); ok {
			return retry(f.field, p.loc.T(f.id, f.args))
		}
		if errors.Is(err, db.ErrConflict) {
			return retry("name", p.loc.T("problem.taken.title"))
		}
		if _, ok := errors.AsType[*kube.Error](err); ok && change.context != nil {
			return retry("kubeconfig", p.problemText(err))
		}
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T("settings.saved", "Name", name)}, settingPath(row.ID))
}

// contextError is a kubeconfig from which no one context can be taken.
type contextError struct{ messages []kinds.Message }

func (e *contextError) Error() string {
	return fmt.Sprintf("kubeconfig: %d problems", len(e.messages))
}

// oneContext takes the one context that a kubeconfig is about: its only one, or its current one.
func oneContext(text string, policy kubeconfig.Policy) (kubeconfig.Context, error) {
	contexts, err := kubeconfig.Parse([]byte(text), policy)
	if err != nil {
		return kubeconfig.Context{}, err
	}
	var found *kubeconfig.Context
	for i := range contexts {
		if contexts[i].Current || len(contexts) == 1 {
			found = &contexts[i]
		}
	}
	switch {
	case found == nil:
		return kubeconfig.Context{}, &contextError{[]kinds.Message{{ID: "settings.which_context", Args: map[string]any{"Count": len(contexts)}}}}
	case len(found.Problems) > 0:
		return kubeconfig.Context{}, &contextError{found.Problems}
	}
	return *found, nil
}

func (p presenter) kubeconfigProblem(err error) string {
	if e, ok := errors.AsType[*contextError](err); ok {
		words := make([]string, len(e.messages))
		for i, m := range e.messages {
			words[i] = p.words(m)
		}
		return strings.Join(words, " ")
	}
	if e, ok := errors.AsType[*kubeconfig.Error](err); ok {
		return p.words(e.Message)
	}
	return p.problemText(err)
}

// testCluster tries the stored connection now and says what was found.
func (s *Server) testCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	p := s.presenter(r)
	result := views.TestResult{When: s.now()}
	report, err := s.testStored(r, row)
	switch err {
	case nil:
		result.Status = ui.Status{Word: p.loc.T("settings.test_ok"), Tone: ui.ToneOK}
		result.Facts, result.Notes = p.report(report)
	default:
		if pe := problem(err); pe.Status >= http.StatusInternalServerError && pe.Cluster == "" && pe.ID != "cluster" {
			return err
		}
		result.Status = ui.Status{Word: p.loc.T("settings.test_failed"), Reason: p.problemText(err), Tone: ui.ToneBad}
	}
	return s.editPage(w, r, http.StatusOK, row, views.ClusterEdit{Result: &result}, typed{})
}

// testStored tries the credentials that are stored for a cluster.
func (s *Server) testStored(r *http.Request, row db.Cluster) (kube.Report, error) {
	plain, err := s.store.ClusterCredentials(r.Context(), row.ID)
	if errors.Is(err, seal.ErrTampered) {
		return kube.Report{}, &ProblemError{
			Status: http.StatusInternalServerError, ID: "sealed", Args: map[string]any{"Cluster": row.Name}, Cluster: row.Name, Err: err,
		}
	}
	if err != nil {
		return kube.Report{}, err
	}
	credentials, err := kubeconfig.Unmarshal(plain)
	clear(plain)
	if err != nil {
		return kube.Report{}, err
	}
	report, err := s.tryConnection(r.Context(), row.Name, credentials)
	if c, found := s.fleet.Cluster(row.ID); found == nil {
		c.Retry()
	}
	return report, err
}

// report is what a connection test found, in facts and warnings.
func (p presenter) report(found kube.Report) (facts []ui.Fact, notes []string) {
	add := func(id string, c ui.Cell) {
		if c.Text != "" {
			facts = append(facts, ui.Fact{Label: p.loc.T("settings.fact." + id), Cells: []ui.Cell{c}})
		}
	}
	add("version", ui.Cell{Text: found.Version, Form: ui.FormName})
	add("user", ui.Cell{Text: found.User, Form: ui.FormName})
	if found.NodesKnown {
		add("nodes", ui.Cell{Text: p.loc.Number(float64(found.Nodes))})
	}
	add("took", ui.Cell{Text: found.Took.Round(time.Millisecond).String()})
	for _, m := range found.Warnings {
		notes = append(notes, p.words(m))
	}
	return facts, notes
}

// setDefaultCluster makes a cluster the one that the API and the switcher begin with.
func (s *Server) setDefaultCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	yes := true
	if _, err := s.changeCluster(r, row.ID, clusterChange{isDefault: &yes}); err != nil {
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: s.presenter(r).loc.T("settings.default_set", "Name", row.Name)}, settingsPath)
}

// askRemoveCluster asks before a cluster is taken out of Tiga.
func (s *Server) askRemoveCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayAdminister(r); err != nil {
		return err
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	return s.removePage(w, r, http.StatusOK, row, "")
}

func (s *Server) removePage(w http.ResponseWriter, r *http.Request, status int, row db.Cluster, typeError string) error {
	p := s.presenter(r)
	page := s.settingsPage(r, row.Name)
	page.Body = views.ConfirmationPage(views.Confirmation{
		Title: p.loc.T("settings.remove_title", "Name", row.Name), Explanation: p.loc.T("settings.remove_what"), Cluster: row.Name,
		Environment: environment(row.Environment, row.Colour), Production: look{row}.production(), TypeName: row.Name, TypeError: typeError,
		Post: settingPath(row.ID) + "/remove", Submit: p.loc.T("settings.remove"), Danger: true, Cancel: settingPath(row.ID), Gone: settingPath(row.ID),
	})
	return s.show(w, r, status, page)
}

// removeCluster takes a cluster out of Tiga, if its name was typed.
func (s *Server) removeCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	p := s.presenter(r)
	if strings.TrimSpace(r.PostForm.Get("confirm")) != row.Name {
		return s.removePage(w, r, http.StatusUnprocessableEntity, row, p.loc.T("ask.type_name", "Name", row.Name))
	}
	if err := s.removeClusterByID(r, row.ID); err != nil {
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T("settings.removed", "Name", row.Name)}, settingsPath)
}
