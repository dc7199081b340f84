package handlers

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tiga/access"
	"tiga/db"
	"tiga/handlers/guard"
	"tiga/kube/kinds"
	"tiga/kube/kubeconfig"
	"tiga/views"
	"tiga/views/ui"
)

// newCluster is the first step of adding clusters.
func (s *Server) newCluster(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayAdminister(r); err != nil {
		return err
	}
	return s.addPage(w, r, http.StatusOK, "", "")
}

func (s *Server) addPage(w http.ResponseWriter, r *http.Request, status int, text, problemText string) error {
	p := s.presenter(r)
	page := s.settingsPage(r, p.loc.T("settings.add"))
	page.Body = views.ClusterAddPage(views.ClusterAdd{
		Preview: settingsPath + "/preview", Kubeconfig: text, Error: problemText, InCluster: s.cfg.InCluster != nil, Cancel: settingsPath,
	})
	return s.show(w, r, status, page)
}

// offered are the contexts that a form brings: pasted, uploaded, or the cluster that Tiga runs in.
func (s *Server) offered(r *http.Request) (contexts []kubeconfig.Context, source, text string, err error) {
	if err := parseUpload(r); err != nil {
		return nil, "", "", err
	}
	if r.PostForm.Get("incluster") == "1" {
		if s.cfg.InCluster == nil {
			return nil, "", "", &kubeconfig.Error{Message: kinds.Message{ID: "settings.not_in_cluster"}}
		}
		c, err := s.cfg.InCluster()
		if err != nil {
			return nil, "", "", err
		}
		return []kubeconfig.Context{c}, "in-cluster", "", nil
	}
	text = r.PostForm.Get("kubeconfig")
	if file, _, err := r.FormFile("file"); err == nil {
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, guard.MaxKubeconfig+1))
		if err != nil {
			return nil, "", "", err
		}
		if len(data) > 0 {
			text = string(data)
		}
	}
	contexts, err = kubeconfig.Parse([]byte(text), s.cfg.Uploads)
	return contexts, "upload", text, err
}

// parseUpload reads a form that may carry a file.
func parseUpload(r *http.Request) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return r.ParseMultipartForm(guard.MaxBody) // guard.Limits bounds the body of every request
	}
	return r.ParseForm()
}

// offer is what a form of the second or third step brings, and what was understood of it.
type offer struct {
	contexts []kubeconfig.Context
	choices  []views.ContextChoice // one for each context
	source   string
	text     string // the kubeconfig, to be sent along to the next step
}

// withOffer reads the offer of whoever may add clusters and hands it on. A kubeconfig that cannot be read leads back to
// the first step, which says why.
func (s *Server) withOffer(w http.ResponseWriter, r *http.Request, next func(offer) error) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	contexts, source, text, err := s.offered(r)
	if wrong, ok := errors.AsType[*kubeconfig.Error](err); ok {
		return s.addPage(w, r, http.StatusUnprocessableEntity, text, s.presenter(r).words(wrong.Message))
	}
	if err != nil {
		return err
	}
	choices, err := s.contextChoices(r, contexts)
	if err != nil {
		return err
	}
	return next(offer{contexts: contexts, choices: choices, source: source, text: text})
}

// previewClusters is the second step: what was understood, before anything is stored or connected to.
func (s *Server) previewClusters(w http.ResponseWriter, r *http.Request) error {
	return s.withOffer(w, r, func(o offer) error {
		return s.previewPage(w, r, http.StatusOK, o, views.ClusterPreview{Proof: s.proof(r, "", nil)})
	})
}

func (s *Server) previewPage(w http.ResponseWriter, r *http.Request, status int, o offer, m views.ClusterPreview) error {
	p := s.presenter(r)
	m.Post, m.Contexts, m.Cancel, m.Defaults = settingsPath, o.choices, settingsPath+"/new", true
	m.Hidden = []ui.Pair{{Key: "kubeconfig", Value: o.text}}
	if o.text == "" {
		m.Hidden = []ui.Pair{{Key: "incluster", Value: "1"}}
	}
	for _, colour := range clusterColours() {
		m.Colours = append(m.Colours, ui.Option{Value: colour, Text: p.colourName(colour)})
	}
	page := s.settingsPage(r, p.loc.T("settings.add"))
	page.Body = views.ClusterPreviewPage(m)
	return s.show(w, r, status, page)
}

func (p presenter) colourName(colour string) string {
	if colour == "" {
		colour = "none"
	}
	return p.loc.T("settings.colour." + colour)
}

// contextChoices says of each context what was understood, what is wrong with it, and whether it is a cluster already.
func (s *Server) contextChoices(r *http.Request, contexts []kubeconfig.Context) ([]views.ContextChoice, error) {
	p := s.presenter(r)
	var out []views.ContextChoice
	for i, c := range contexts {
		choice := views.ContextChoice{
			Index: i, Context: c.Name, Server: c.Server, User: c.User, Auth: p.words(c.Auth), Namespace: c.Namespace,
			Refused: len(c.Problems) > 0, Use: len(c.Problems) == 0, Name: importName(c.Name, func(string) bool { return false }),
		}
		for _, m := range c.Problems {
			choice.Problems = append(choice.Problems, p.words(m))
		}
		for _, m := range c.Warnings {
			choice.Warnings = append(choice.Warnings, p.words(m))
		}
		if !c.Credentials.IsZero() {
			known, err := s.store.Read().ClusterByFingerprint(r.Context(), c.Credentials.Fingerprint())
			switch {
			case err == nil && known.DeletedAt == 0:
				choice.Known, choice.Use = known.Name, false
			case err != nil && !errors.Is(err, db.ErrNotFound):
				return nil, err
			}
		}
		choice.Environment, choice.Colour = defaultEnvironment(choice.Name)
		out = append(out, choice)
	}
	return out, nil
}

// createClusters is the third step: each chosen context is tried and stored, and the page says what became of each.
func (s *Server) createClusters(w http.ResponseWriter, r *http.Request) error {
	return s.withOffer(w, r, func(o offer) error { return s.createChosen(w, r, o) })
}

// createChosen is createClusters for an offer that was understood.
func (s *Server) createChosen(w http.ResponseWriter, r *http.Request, o offer) error {
	p := s.presenter(r)
	chosen, wrong := 0, false
	for i := range o.choices {
		get := func(field string) string { return strings.TrimSpace(r.FormValue(field + "." + strconv.Itoa(i))) }
		choice := &o.choices[i]
		choice.Use = get("use") == "1" && !choice.Refused
		if !choice.Use {
			continue
		}
		chosen++
		choice.Name, choice.Environment, choice.Colour = get("name"), get("environment"), get("colour")
		choice.Default = r.FormValue("default") == strconv.Itoa(i)
		if err := checkClusterName(choice.Name); err != nil {
			choice.NameError, wrong = p.problemText(err), true
		}
	}
	again := views.ClusterPreview{}
	if chosen == 0 {
		again.Error = p.loc.T("settings.choose_one")
	}
	if err := s.prove(w, r); err != nil {
		status, ask := unproven(w, err)
		if !ask {
			return err
		}
		again.Proof = s.proof(r, "", err)
		return s.previewPage(w, r, status, o, again)
	}
	if chosen == 0 || wrong {
		return s.previewPage(w, r, http.StatusUnprocessableEntity, o, again)
	}
	results := views.ClusterResults{Done: settingsPath, More: settingsPath + "/new"}
	for i, choice := range o.choices {
		if !choice.Use {
			continue
		}
		result, err := s.createOne(r, choice, o.contexts[i], o.source)
		if err != nil {
			return err
		}
		results.Results = append(results.Results, result)
	}
	page := s.settingsPage(r, p.loc.T("settings.add"))
	page.Body = views.ClusterResultsPage(results)
	return s.show(w, r, http.StatusOK, page)
}

// createOne adds one of the chosen contexts. What is wrong with it is a result; what is wrong with us is an error.
func (s *Server) createOne(r *http.Request, choice views.ContextChoice, c kubeconfig.Context, source string) (views.ClusterResult, error) {
	p := s.presenter(r)
	row, err := s.addCluster(r, newCluster{
		name: choice.Name, environment: choice.Environment, colour: choice.Colour, enabled: true, isDefault: choice.Default, source: source, context: c,
	})
	result := views.ClusterResult{Name: choice.Name}
	if err == nil {
		result.Status, result.Href = ui.Status{Word: p.loc.T("settings.added"), Tone: ui.ToneOK}, clusterPath(row.ID)
		return result, nil
	}
	pe := problem(err)
	if pe.Status >= http.StatusInternalServerError && pe.Cluster == "" && pe.ID != "cluster" {
		return result, err
	}
	result.Status, result.Detail = ui.Status{Word: p.loc.T("settings.not_added"), Tone: ui.ToneBad}, p.problemText(err)
	return result, nil
}
