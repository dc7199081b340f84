package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/views"
	"tiga/views/ui"
)

const prometheusField = "prometheus_url"

// settling is how long after a change a page looks again: an address that was just set is asked a moment later.
const settling = 10 * time.Second

// prometheusOf is where the Prometheus of a cluster is, for the fleet: what the configuration says wins over the record.
func (s *Server) prometheusOf(row db.Cluster) kube.Prometheus {
	if url := s.cfg.Prometheus[row.Name]; url != "" {
		return kube.Prometheus{URL: url}
	}
	return kube.Prometheus{URL: row.PrometheusURL, Way: kube.PrometheusWay(row.PrometheusWay)}
}

// prometheusState is what is known of a cluster's Prometheus; of one that is switched off only where it was.
func (s *Server) prometheusState(row db.Cluster) kube.PrometheusState {
	if c, err := s.fleet.Cluster(row.ID); err == nil {
		return c.Prometheus()
	}
	return kube.PrometheusState{Endpoint: s.prometheusOf(row)}
}

// KeepPrometheus returns the function that writes down what a search found, so that a restart knows it.
func KeepPrometheus(store *db.Store, now func() time.Time, report func(error)) func(int64, kube.Prometheus) {
	return func(id int64, found kube.Prometheus) {
		ctx, cancel := context.WithTimeout(context.Background(), storeBudget)
		defer cancel()
		err := store.Write(ctx, func(q *db.Queries) error {
			_, err := q.FoundPrometheus(ctx, db.FoundPrometheusParams{
				ID: id, PrometheusURL: found.URL, PrometheusWay: string(found.Way), UpdatedAt: now().UnixMicro(),
			})
			return err
		})
		if err != nil {
			report(fmt.Errorf("keep the Prometheus of cluster %d: %w", id, err))
		}
	}
}

// warnOfPrometheus tells of addresses in the configuration for clusters that are not there: a name may be misspelt.
func (s *Server) warnOfPrometheus(ctx context.Context) {
	known := map[string]bool{}
	for _, l := range s.looks.all() {
		known[l.Name] = true
	}
	for name := range s.cfg.Prometheus {
		if !known[name] {
			s.log.WarnContext(ctx, "--prometheus-url names a cluster that is not there", "cluster", name)
		}
	}
}

// checkPrometheus checks the part of a change that is about the Prometheus, and takes it out if it changes nothing. A new
// address to connect to asks for the password like new credentials do. A17
func (s *Server) checkPrometheus(r *http.Request, row db.Cluster, change *clusterChange) error {
	if change.prometheus == nil {
		return nil
	}
	url := strings.TrimSpace(*change.prometheus)
	manual := ""
	if row.PrometheusWay == "" {
		manual = row.PrometheusURL
	}
	if url == manual {
		change.prometheus = nil
		return nil
	}
	if s.cfg.Prometheus[row.Name] != "" {
		return &fieldError{field: prometheusField, id: "prometheus.fixed"}
	}
	if url != "" {
		var err error
		if url, err = kube.CheckPrometheusURL(url); err != nil {
			if e, ok := errors.AsType[*kube.URLError](err); ok {
				return &fieldError{field: prometheusField, id: e.Message.ID, args: e.Message.Args}
			}
			return err
		}
		if !s.proven(visitOf(r)) {
			return errUnproven
		}
	}
	change.prometheus = &url
	return nil
}

// prometheus is where a cluster stands with its Prometheus, in a word and a reason.
func (p presenter) prometheus(st kube.PrometheusState) ui.Status {
	if st.Phase == "" {
		return ui.Status{}
	}
	out := ui.Status{Word: p.loc.T("prometheus.phase." + string(st.Phase)), Reason: p.words(st.Reason), Tone: tone(st.Phase.Tone()), Since: st.Since}
	if out.Reason == "" && st.Phase == kube.PrometheusFound {
		out.Reason = p.way(st.Endpoint)
	}
	return out
}

func (p presenter) way(e kube.Prometheus) string {
	if e.Way == "" {
		return p.loc.T("prometheus.way.manual")
	}
	return p.loc.T("prometheus.way." + string(e.Way))
}

// typedPrometheus is what the form for the Prometheus brought, to be shown again.
type typedPrometheus struct {
	url, wrong string
	proof      error
}

// prometheusBox is the part of a cluster's settings that is about its Prometheus.
func (s *Server) prometheusBox(r *http.Request, row db.Cluster, form typed) *views.PrometheusBox {
	p, st, path := s.presenter(r), s.prometheusState(row), settingPath(row.ID)
	fixed := s.cfg.Prometheus[row.Name] != ""
	m := &views.PrometheusBox{Status: p.prometheus(st), Self: path, Post: path + "/prometheus"}
	if !row.Enabled {
		m.Status = ui.Status{Word: p.loc.T("health.disabled"), Tone: ui.ToneIdle}
	}
	detecting := st.Phase == kube.PrometheusDetecting
	m.Running = detecting || row.Enabled && !st.Since.IsZero() && s.now().Sub(st.Since) < settling
	if row.Enabled && !st.Endpoint.Manual() && !detecting {
		m.Detect = m.Post + "/rediscover"
	}
	if st.Endpoint.URL != "" {
		m.Facts = []ui.Fact{
			{Label: p.loc.T("prometheus.address"), Cells: []ui.Cell{{Text: st.Endpoint.URL, Form: ui.FormName}}},
			{Label: p.loc.T("prometheus.by"), Cells: []ui.Cell{{Text: p.way(st.Endpoint)}}},
		}
	}
	for _, t := range st.Tried {
		m.Tried = append(m.Tried, views.PrometheusTrial{
			Service: t.Namespace + "/" + t.Service, Way: p.way(t.Endpoint), URL: t.Endpoint.URL, Error: p.words(t.Error),
		})
	}
	if fixed {
		m.Post = ""
		return m
	}
	field := ui.Field{
		Type: ui.FieldText, Name: prometheusField, ID: "prometheus-url", Label: p.loc.T("prometheus.field"), Help: p.loc.T("prometheus.field_help"), Mono: true,
		Placeholder: "http://prometheus.example.com:9090",
	}
	if row.PrometheusWay == "" {
		field.Value = row.PrometheusURL
	}
	var why error
	if f := form.prometheus; f != nil {
		field.Value, field.Error, why = f.url, f.wrong, f.proof
	}
	m.Fields = []ui.Field{field}
	if proof := s.proof(r, "prometheus-proof", why); proof != nil {
		proof.Required = why != nil // taking the address away needs none
		m.Fields = append(m.Fields, *proof)
	}
	return m
}

// setPrometheus sets the address of a cluster's Prometheus by hand, or takes it away. FR-2.6
func (s *Server) setPrometheus(w http.ResponseWriter, r *http.Request) error {
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
	p, url := s.presenter(r), strings.TrimSpace(r.PostForm.Get(prometheusField))
	again := func(status int, form typedPrometheus) error {
		form.url = url
		return s.editPage(w, r, status, row, views.ClusterEdit{}, typed{prometheus: &form})
	}
	if url != "" {
		if err := s.prove(w, r); err != nil {
			status, ask := unproven(w, err)
			if !ask {
				return err
			}
			return again(status, typedPrometheus{proof: err})
		}
	}
	if _, err := s.changeCluster(r, row.ID, clusterChange{prometheus: &url}); err != nil {
		if f, ok := errors.AsType[*fieldError](err); ok {
			return again(http.StatusUnprocessableEntity, typedPrometheus{wrong: p.loc.T(f.id, f.args)})
		}
		return err
	}
	said := "prometheus.set"
	if url == "" {
		said = "prometheus.cleared"
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: p.loc.T(said, "Name", row.Name)}, settingPath(row.ID))
}

// rediscover looks for a cluster's Prometheus again, from its settings. FR-2.9
func (s *Server) rediscover(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return s.refused(r, err)
	}
	row, err := s.settingOf(r)
	if err != nil {
		return err
	}
	if err := s.detect(r, row); err != nil {
		return err
	}
	return s.done(w, r, views.Notice{Tone: ui.ToneOK, Title: s.presenter(r).loc.T("prometheus.begun", "Name", row.Name)}, settingPath(row.ID))
}

// detect begins a search for somebody who administers clusters.
func (s *Server) detect(r *http.Request, row db.Cluster) error {
	return s.recorded(r, s.clusterEvent(r, row, "rediscover"), func(context.Context) (string, error) {
		c, err := s.fleet.Cluster(row.ID)
		if err != nil {
			return "", err
		}
		return "", c.DetectPrometheus()
	})
}

// detecting is the answer to a search that was begun.
type detecting struct {
	Status string `json:"prometheus_status" enum:"detecting"`
}

// prometheusOperations are the API's part of this file.
func (s *Server) prometheusOperations(o *operations) {
	operation(o, access.EffectAdmin, huma.Operation{
		OperationID: "rediscover-prometheus", Method: http.MethodPost, Path: apiRoot + "/clusters/{id}/prometheus/rediscover",
		Summary: "Look for the cluster's Prometheus again", Tags: []string{"clusters"}, DefaultStatus: http.StatusAccepted,
		Errors:      []int{http.StatusConflict},
		Description: "The search takes 30 s at most and is not waited for. 409 while one runs, and while the address is set by hand.",
	}, func(r *http.Request, in *clusterPathInput) (*answer[detecting], error) {
		if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
			return nil, s.refused(r, err)
		}
		row, err := s.store.Read().Cluster(r.Context(), in.ID)
		if err != nil {
			return nil, err
		}
		if err := s.detect(r, row); err != nil {
			return nil, err
		}
		return succeeded(http.StatusAccepted, detecting{string(kube.PrometheusDetecting)}), nil
	})
}
