package handlers

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/kubeconfig"
)

// clusterBody is a cluster as the API tells of it. Credentials never leave.
type clusterBody struct {
	ID              int64      `json:"id" example:"1"`
	Name            string     `json:"name" example:"production"`
	IsDefault       bool       `json:"is_default"`
	Enabled         bool       `json:"enabled"`
	ReadOnly        bool       `json:"read_only"`
	Environment     string     `json:"environment" example:"prod"`
	HealthStatus    string     `json:"health_status" enum:"unknown,healthy,warning,error,unavailable"`
	HealthReason    string     `json:"health_reason" doc:"Why, in words; empty while all is well."`
	HealthSince     *time.Time `json:"health_since" doc:"When the cluster came into this state."`
	LastConnectedAt *time.Time `json:"last_connected_at" doc:"When it last answered."`
	Version         string     `json:"version" example:"v1.37.2"`
	NodeCount       *int       `json:"node_count" doc:"Null for whoever may not list all of them."`
	PodCount        *int       `json:"pod_count" doc:"Null for whoever may not list all of them."`
	PrometheusURL   string     `json:"prometheus_url" doc:"Where its Prometheus is, found or set by hand; empty for whoever may not list all Services."`
	PrometheusState string     `json:"prometheus_status" enum:",detecting,found,not_found,manual,failing" doc:"Empty for a cluster that is switched off."`
	CreatedAt       time.Time  `json:"created_at"`
	UpdatedAt       time.Time  `json:"updated_at"`
}

// clusterList is a list of clusters.
type clusterList struct {
	Items []clusterBody `json:"items"`
	Total int           `json:"total"`
}

type (
	clusterPathInput struct {
		ID int64 `path:"id" minimum:"1" doc:"The cluster's id."`
	}
	createClusterInput struct {
		Body struct {
			Name        string `json:"name" example:"production"`
			Kubeconfig  string `json:"kubeconfig" doc:"A kubeconfig in base64 with exactly one context, or whose current context is meant."`
			IsDefault   bool   `json:"is_default,omitempty" required:"false"`
			Enabled     *bool  `json:"enabled,omitempty" required:"false" doc:"True unless said otherwise. A cluster that is added disabled is not connected to."`
			ReadOnly    bool   `json:"read_only,omitempty" required:"false"`
			Environment string `json:"environment,omitempty" required:"false"`
		}
	}
	updateClusterInput struct {
		ID   int64 `path:"id" minimum:"1"`
		Body struct {
			Name        *string `json:"name,omitempty" required:"false"`
			Kubeconfig  *string `json:"kubeconfig,omitempty" required:"false" doc:"Replaces the credentials; left out, they stay."`
			IsDefault   *bool   `json:"is_default,omitempty" required:"false"`
			Enabled     *bool   `json:"enabled,omitempty" required:"false"`
			ReadOnly    *bool   `json:"read_only,omitempty" required:"false"`
			Environment *string `json:"environment,omitempty" required:"false"`
			Prometheus  *string `json:"prometheus_url,omitempty" required:"false" doc:"Where its Prometheus is, http:// or https://; empty lets Tiga look for it."`
		}
	}
	chosenClusterInput struct {
		HeaderID   int64  `header:"X-Cluster-ID" doc:"The cluster's id."`
		HeaderName string `header:"X-Cluster-Name" doc:"The cluster's name."`
		Query      string `query:"cluster" doc:"The cluster's id or name."`
	}
)

// nothing is the data of an answer that has none.
type nothing struct{}

// testBody is what a connection test found.
type testBody struct {
	OK       bool     `json:"ok"`
	Version  string   `json:"version"`
	User     string   `json:"user" doc:"Who the cluster takes Tiga for."`
	Nodes    int      `json:"nodes"`
	Warnings []string `json:"warnings"`
}

// clusterOperations are the clusters of the API.
func (s *Server) clusterOperations(o *operations) {
	tags := []string{"clusters"}
	const one = apiRoot + "/clusters/{id}"
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "list-clusters", Method: http.MethodGet, Path: apiRoot + "/clusters", Summary: "List the clusters that you may see", Tags: tags,
	}, func(r *http.Request, _ *struct{}) (*answer[clusterList], error) {
		list := clusterList{Items: []clusterBody{}}
		for _, c := range s.visibleClusters(r) {
			list.Items = append(list.Items, s.clusterBody(r, s.looks.of(c.ID()).Cluster, c.State()))
		}
		list.Total = len(list.Items)
		return succeeded(http.StatusOK, list), nil
	})
	operation(o, access.EffectAdmin, huma.Operation{
		OperationID: "create-cluster", Method: http.MethodPost, Path: apiRoot + "/clusters", Summary: "Add a cluster", Tags: tags,
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusConflict, http.StatusBadGateway, http.StatusGatewayTimeout},
		Description: "The kubeconfig is validated and the connection tried before anything is stored.",
	}, s.apiCreateCluster)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "get-cluster", Method: http.MethodGet, Path: one, Summary: "Read a cluster", Tags: tags,
	}, func(r *http.Request, in *clusterPathInput) (*answer[clusterBody], error) {
		return s.apiCluster(r, in.ID)
	})
	operation(o, access.EffectAdmin, huma.Operation{
		OperationID: "update-cluster", Method: http.MethodPut, Path: one, Summary: "Change a cluster", Tags: tags,
		Errors: []int{http.StatusConflict, http.StatusBadGateway, http.StatusGatewayTimeout}, Description: "What is left out stays as it is.",
	}, s.apiUpdateCluster)
	operation(o, access.EffectAdmin, huma.Operation{
		OperationID: "delete-cluster", Method: http.MethodDelete, Path: one, Summary: "Remove a cluster from Tiga", Tags: tags,
		Description: "Nothing changes in the cluster itself.",
	}, func(r *http.Request, in *clusterPathInput) (*answer[nothing], error) {
		return succeeded(http.StatusOK, nothing{}), s.removeClusterByID(r, in.ID)
	})
	operation(o, access.EffectAdmin, huma.Operation{
		OperationID: "test-cluster-connection", Method: http.MethodPost, Path: one + "/test-connection", Summary: "Try the stored connection", Tags: tags,
		Errors: []int{http.StatusBadGateway, http.StatusGatewayTimeout},
	}, s.apiTestCluster)
	s.prometheusOperations(o)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "get-chosen-cluster", Method: http.MethodGet, Path: apiRoot + "/cluster", Tags: tags,
		Summary:     "Read the cluster that the request names",
		Description: "The cluster is taken from X-Cluster-ID, X-Cluster-Name or ?cluster=, as with every path that has no cluster in it.",
	}, func(r *http.Request, in *chosenClusterInput) (*answer[clusterBody], error) {
		id, err := s.chosenCluster(r, in)
		if err != nil {
			return nil, err
		}
		return s.apiCluster(r, id)
	})
}

// chosenCluster finds the cluster that a request names outside of its path. FR-6.3
func (s *Server) chosenCluster(r *http.Request, in *chosenClusterInput) (int64, error) {
	name := in.HeaderName
	switch {
	case in.HeaderID != 0:
		return in.HeaderID, nil
	case name != "":
	case in.Query != "":
		if id, err := strconv.ParseInt(in.Query, 10, 64); err == nil {
			return id, nil
		}
		name = in.Query
	default:
		return 0, badInput("which_cluster", nil)
	}
	for _, c := range s.visibleClusters(r) {
		if c.Name() == name {
			return c.ID(), nil
		}
	}
	return 0, access.ErrHidden
}

// apiCluster answers with one cluster. One that is switched off is still there.
func (s *Server) apiCluster(r *http.Request, id int64) (*answer[clusterBody], error) {
	row := s.looks.of(id)
	if row.ID == 0 || !s.authority.SeesCluster(subjectOf(r), row.Name) {
		return nil, access.ErrHidden
	}
	return succeeded(http.StatusOK, s.clusterBody(r, row.Cluster, s.states()[id])), nil
}

func (s *Server) clusterBody(r *http.Request, row db.Cluster, st kube.State) clusterBody {
	p := s.presenter(r)
	if st.Health == "" {
		st = lastState(row)
	}
	st = s.stateFor(r, row.Name, st)
	out := clusterBody{
		ID: row.ID, Name: row.Name, IsDefault: row.IsDefault, Enabled: row.Enabled, ReadOnly: row.ReadOnly, Environment: row.Environment,
		HealthStatus: string(st.Health), HealthReason: p.words(st.Reason), HealthSince: instant(st.Since), LastConnectedAt: instant(st.LastContact),
		Version:   st.Version,
		CreatedAt: db.Time(row.CreatedAt), UpdatedAt: db.Time(row.UpdatedAt),
	}
	seen := s.prometheusState(row)
	out.PrometheusState = string(seen.Phase)
	if s.listsAll(r, row.Name, "services") {
		out.PrometheusURL = seen.Endpoint.URL
	}
	if s.listsAll(r, row.Name, kindNodes) {
		out.NodeCount = &st.Nodes
	}
	if s.listsAll(r, row.Name, kindPods) {
		out.PodCount = &st.Pods
	}
	if out.HealthStatus == "" {
		out.HealthStatus = string(kube.HealthUnknown)
	}
	return out
}

// instant is a time in JSON; the zero time is null.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// uploaded reads the kubeconfig of a request's body.
func (s *Server) uploaded(encoded string) (kubeconfig.Context, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return kubeconfig.Context{}, &fieldError{field: "kubeconfig", id: "settings.not_base64"}
	}
	c, err := oneContext(string(data), s.cfg.Uploads)
	if e, ok := errors.AsType[*contextError](err); ok {
		m := e.messages[0]
		return c, &fieldError{field: "kubeconfig", id: m.ID, args: m.Args}
	}
	if e, ok := errors.AsType[*kubeconfig.Error](err); ok {
		return c, &fieldError{field: "kubeconfig", id: e.Message.ID, args: e.Message.Args}
	}
	return c, err
}

func (s *Server) apiCreateCluster(r *http.Request, in *createClusterInput) (*answer[clusterBody], error) {
	// Who may not add clusters learns nothing about kubeconfigs either.
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return nil, s.refused(r, err)
	}
	c, err := s.uploaded(in.Body.Kubeconfig)
	if err != nil {
		return nil, err
	}
	environment, colour := in.Body.Environment, ""
	if environment == "" {
		environment, colour = defaultEnvironment(in.Body.Name)
	}
	row, err := s.addCluster(r, newCluster{
		name: in.Body.Name, environment: environment, colour: colour, enabled: in.Body.Enabled == nil || *in.Body.Enabled,
		isDefault: in.Body.IsDefault, readOnly: in.Body.ReadOnly, source: "api", context: c,
	})
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusCreated, s.clusterBody(r, row, s.states()[row.ID])), nil
}

func (s *Server) apiUpdateCluster(r *http.Request, in *updateClusterInput) (*answer[clusterBody], error) {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return nil, s.refused(r, err)
	}
	change := clusterChange{
		name: in.Body.Name, environment: in.Body.Environment, enabled: in.Body.Enabled, readOnly: in.Body.ReadOnly, isDefault: in.Body.IsDefault, source: "api",
		prometheus: in.Body.Prometheus,
	}
	if in.Body.Kubeconfig != nil {
		c, err := s.uploaded(*in.Body.Kubeconfig)
		if err != nil {
			return nil, err
		}
		change.context = &c
	}
	row, err := s.changeCluster(r, in.ID, change)
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusOK, s.clusterBody(r, row, s.states()[row.ID])), nil
}

func (s *Server) apiTestCluster(r *http.Request, in *clusterPathInput) (*answer[testBody], error) {
	if err := s.admin(r, access.VerbAdmin, "clusters"); err != nil {
		return nil, s.refused(r, err)
	}
	row, err := s.store.Read().Cluster(r.Context(), in.ID)
	if err != nil {
		return nil, err
	}
	report, err := s.testStored(r, row)
	if err != nil {
		return nil, err
	}
	p := s.presenter(r)
	out := testBody{OK: true, Version: report.Version, User: report.User, Nodes: report.Nodes, Warnings: []string{}}
	for _, m := range report.Warnings {
		out.Warnings = append(out.Warnings, p.words(m))
	}
	return succeeded(http.StatusOK, out), nil
}
