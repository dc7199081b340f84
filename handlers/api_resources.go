package handlers

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/cache"
	"tiga/kube/kinds"
)

const (
	// apiWait is how long a program waits for the first list of a kind: it cannot look again by itself like a page.
	apiWait = 10 * time.Second
	// apiReaders is how many objects of one answer are read at a time.
	apiReaders = 8
)

type (
	listResourcesInput struct {
		ID            int64    `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource      string   `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Namespace     []string `query:"namespace,explode" doc:"One or several; none or _all means all."`
		Query         string   `query:"q" doc:"As in the filter box of the page: words, key=value, key>value, -l selector, !not, /regex/."`
		LabelSelector string   `query:"labelSelector" example:"app=web,tier!=cache"`
		Sort          string   `query:"sort" example:"-age" doc:"name, namespace or the id of a column; a dash before it turns the order round."`
		Limit         int      `query:"limit" minimum:"1" maximum:"500" default:"100"`
		Continue      string   `query:"continue" doc:"From the answer before; leave the rest of the query as it was."`
		As            string   `query:"as" enum:"objects,table" default:"objects" doc:"table answers with columns and cells as the page shows them, from memory."`
		Watch         bool     `query:"watch" doc:"Answers with a stream of server-sent events instead: added, modified and deleted carry a row of the table, synced ends what was there at the beginning, status says how fresh the list is."`
	}
	getResourceInput struct {
		ID        int64  `path:"id" minimum:"1" doc:"The cluster's id."`
		Resource  string `path:"resource" example:"deployments.apps" doc:"The plural name of the kind, with its API group unless that is the core one."`
		Name      string `path:"name" doc:"The object's name."`
		Namespace string `query:"namespace" doc:"Needed for namespaced kinds."`
	}
)

// resourceList is a chunk of a list of objects.
type resourceList struct {
	Items     []map[string]any `json:"items" doc:"The Kubernetes objects. Managed fields are left out, and a Secret's values are their lengths."`
	Total     int              `json:"total" doc:"How many objects there are that you may see and that match."`
	Continue  string           `json:"continue,omitempty" doc:"Asks for the next chunk; absent at the end."`
	Freshness resourceFresh    `json:"freshness"`
}

// resourceTable is a list as its page shows it.
type resourceTable struct {
	Columns   []resourceColumn `json:"columns"`
	Rows      []resourceRow    `json:"rows"`
	Total     int              `json:"total" doc:"How many objects there are that you may see and that match."`
	Continue  string           `json:"continue,omitempty" doc:"Asks for the next chunk; absent at the end."`
	Freshness resourceFresh    `json:"freshness"`
}

// resourceFresh says how true a list is.
type resourceFresh struct {
	State  string     `json:"state" enum:"live,catchingup,loading,stale,absent,forbidden"`
	Since  *time.Time `json:"since" doc:"The last contact, where the state is not live."`
	Reason string     `json:"reason,omitempty"`
}

type resourceColumn struct {
	ID    string `json:"id" example:"ready"`
	Title string `json:"title" example:"Ready"`
	Type  string `json:"type" enum:"text,name,number,age,cpu,bytes,ratio,status,time"`
}

// resourceRow is one object of a table. Cells match the columns.
type resourceRow struct {
	UID             string            `json:"uid"`
	Namespace       string            `json:"namespace,omitempty"`
	Name            string            `json:"name"`
	ResourceVersion string            `json:"resource_version"`
	Created         *time.Time        `json:"created"`
	Deleted         *time.Time        `json:"deleted,omitempty" doc:"Since when it is being deleted."`
	Labels          map[string]string `json:"labels,omitempty"`
	Status          *resourceStatus   `json:"status,omitempty"`
	Cells           []resourceCell    `json:"cells"`
}

type resourceStatus struct {
	Word   string     `json:"word" example:"CrashLoopBackOff"`
	Reason string     `json:"reason,omitempty"`
	Tone   string     `json:"tone" enum:"none,idle,info,ok,warn,bad"`
	Since  *time.Time `json:"since,omitempty"`
}

type resourceCell struct {
	Text  string   `json:"text" doc:"An instant in RFC 3339 for ages and times."`
	Value *float64 `json:"value,omitempty" doc:"What the column sorts by where it is a figure: cores, bytes, a fraction, seconds since 1970."`
	Tone  string   `json:"tone,omitempty"`
	Note  string   `json:"note,omitempty"`
}

// resourceOperations are the kinds and objects of the API.
func (s *Server) resourceOperations(o *operations) {
	tags := []string{"resources"}
	const list = apiRoot + "/clusters/{id}/resources/{resource}"
	faults := []int{http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusServiceUnavailable}
	streaming(o, access.EffectRead, huma.Operation{
		OperationID: "list-resources", Method: http.MethodGet, Path: list, Summary: "List the objects of a kind", Tags: tags, Errors: faults,
		Description: "Any kind that the cluster serves. The columns that filter as f.<column>=value are those of the table.",
	}, s.apiListResources, s.apiWatchResources)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "get-resource", Method: http.MethodGet, Path: list + "/{name}", Summary: "Read an object", Tags: tags, Errors: faults,
	}, s.apiGetResource)
	operation(o, access.EffectRead, huma.Operation{
		OperationID: "list-crds", Method: http.MethodGet, Path: apiRoot + "/clusters/{id}/crds", Summary: "List the custom resource definitions", Tags: tags, Errors: faults,
	}, s.apiListDefinitions)
}

// withResource is the request with the cluster and the kind that an operation's path names, as pages have them.
func (s *Server) withResource(r *http.Request, cluster int64, resource string) (*http.Request, error) {
	c, err := s.visibleCluster(r, cluster)
	if err != nil {
		return nil, err
	}
	k, err := c.Kind(r.Context(), resource)
	if err != nil {
		return nil, err
	}
	ctx := context.WithValue(r.Context(), clusterKey{}, c)
	return r.WithContext(context.WithValue(ctx, kindKey{}, k)), nil
}

// resourceQuery is the query of a list in memory, and the input that chooses its columns.
func (s *Server) resourceQuery(r *http.Request, in *listResourcesInput) (cache.Query, listInput, error) {
	page, err := parseList(r)
	if err != nil {
		return cache.Query{}, page, err
	}
	for _, ns := range in.Namespace {
		if !isAll(ns) {
			page.namespaces = append(page.namespaces, ns)
		}
	}
	text := in.Query
	if in.LabelSelector != "" {
		if e := selectorError(in.LabelSelector, kindOf(r), s.now()); e != nil {
			return cache.Query{}, page, s.badFilter(r, "labelSelector", e)
		}
		text += ` -l "` + in.LabelSelector + `"`
	}
	return cache.Query{
		Kind: kindOf(r), Namespaces: page.namespaces, Text: text, Sort: in.Sort, Size: in.Limit, Facets: page.facets, Page: 1, Wait: apiWait,
	}, page, nil
}

// selectorError is what is wrong with a label selector. It is read alone, so that nothing in it is taken for another term.
func selectorError(selector string, k *kinds.Kind, now time.Time) *cache.FilterError {
	if i := strings.IndexByte(selector, '"'); i >= 0 {
		return &cache.FilterError{Pos: i, Token: selector[i:], Reason: kinds.Message{ID: "filter.quoteopen"}}
	}
	const before = `-l "`
	_, err := cache.ParseFilter(k, before+selector+`"`, now)
	if err != nil {
		err.Pos, err.Token = max(err.Pos-len(before), 0), selector
	}
	return err
}

// badFilter is a part of a filter that could not be used, as a problem with a field: where it stands, and why.
func (s *Server) badFilter(r *http.Request, field string, e *cache.FilterError) error {
	return &fieldError{field: field, id: "api.bad_filter", args: map[string]any{
		"Token": e.Token, "Position": e.Pos + 1, "Reason": s.presenter(r).words(e.Reason),
	}}
}

// A continue token of a list in memory is the number of the page; one of a list that the API server reads is its own.
const pageToken = "page:"

func pageOf(token string) (int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	number, ours := strings.CutPrefix(string(raw), pageToken)
	n, numErr := strconv.Atoi(number)
	if err != nil || !ours || numErr != nil || n < 2 {
		return 0, &fieldError{field: "continue", id: "api.bad_continue"}
	}
	return n, nil
}

func tokenOf(page cache.Page) string {
	if page.Page >= page.Pages {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(pageToken + strconv.Itoa(page.Page+1)))
}

// listed asks the list in memory. What a page would say in a notice is an error here: a program must not take half a
// list, or one with another filter than it asked for, for the answer.
func (s *Server) listed(r *http.Request, permit access.Permit, q cache.Query) (cache.Page, error) {
	page, err := clusterOf(r).List(r.Context(), permit, q)
	if err != nil {
		return page, err
	}
	if f := page.FilterError; f != nil {
		return page, s.badFilter(r, "q", f)
	}
	if fresh := page.Freshness; !fresh.Synced {
		return page, unlisted(clusterOf(r).Name(), kindOf(r), fresh)
	}
	return page, nil
}

// unlisted is the error of a list that could not be read.
func unlisted(cluster string, k *kinds.Kind, fresh cache.Freshness) error {
	p := &ProblemError{Status: http.StatusBadGateway, ID: "cluster", Words: fresh.Reason, Args: map[string]any{"Cluster": cluster, "Resource": k.ID()}}
	switch fresh.State {
	case cache.Forbidden:
		p.Status, p.ID, p.Words = http.StatusForbidden, "cluster_forbids", kinds.Message{ID: "api.list_forbidden", Args: p.Args}
	case cache.Absent:
		p.Status, p.ID = http.StatusNotFound, "unknown_kind"
	case cache.Loading, cache.CatchingUp, cache.Live:
		p.Status, p.ID, p.Retry = http.StatusServiceUnavailable, "cluster_slow", 2*time.Second
	case cache.Stale:
	}
	return p
}

func (s *Server) apiListResources(r *http.Request, in *listResourcesInput) (*answer[any], error) {
	ctx, cancel := context.WithTimeout(r.Context(), pageBudget)
	defer cancel()
	r, err := s.withResource(r.WithContext(ctx), in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	permit, err := s.permit(r, access.VerbList, kindOf(r), "", "")
	if err != nil {
		return nil, err
	}
	q, columns, err := s.resourceQuery(r, in)
	if err != nil {
		return nil, err
	}
	if in.As != "table" && in.Query == "" && in.Sort == "" && !hasFacets(r) && readsAlone(permit, q) {
		return s.apiReadObjects(r, in, permit, q)
	}
	if in.Continue != "" {
		if q.Page, err = pageOf(in.Continue); err != nil {
			return nil, err
		}
	}
	page, err := s.listed(r, permit, q)
	if err != nil {
		return nil, err
	}
	if page.Page < q.Page { // what the token stood for is gone
		page.Page, page.Pages, page.Rows = q.Page, q.Page, nil
	}
	if in.As == "table" {
		return succeeded[any](http.StatusOK, s.resourceTable(r, columns, page)), nil
	}
	items, err := s.wholeObjects(r, page.Rows)
	if err != nil {
		return nil, err
	}
	return succeeded[any](http.StatusOK, resourceList{
		Items: items, Total: page.Matched, Continue: tokenOf(page), Freshness: s.presenter(r).resourceFresh(page.Freshness),
	}), nil
}

func hasFacets(r *http.Request) bool {
	for key := range r.URL.Query() {
		if strings.HasPrefix(key, facetPrefix) {
			return true
		}
	}
	return false
}

// readsAlone says whether the API server may read a list in chunks by itself: one namespace or all, of which the subject
// sees everything. Its continue tokens name the object at which a chunk ends, and its chunks are as long as what is hidden
// makes them. A10
func readsAlone(permit access.Permit, q cache.Query) bool {
	switch {
	case q.Kind.Namespaced && len(q.Namespaces) == 1:
		return permit.Reach(q.Namespaces[0]) == access.ReachAll
	case q.Kind.Namespaced && len(q.Namespaces) > 1:
		return false
	default:
		return permit.Whole()
	}
}

// apiReadObjects answers a list that the API server can read in chunks by itself.
func (s *Server) apiReadObjects(r *http.Request, in *listResourcesInput, permit access.Permit, q cache.Query) (*answer[any], error) {
	q.Size = 1
	counted, err := s.listed(r, permit, q)
	if err != nil {
		return nil, err
	}
	opts := kube.ObjectsOptions{LabelSelector: in.LabelSelector, Limit: int64(in.Limit), Continue: in.Continue}
	if len(q.Namespaces) == 1 && q.Kind.Namespaced {
		opts.Namespace = q.Namespaces[0]
	}
	chunk, err := clusterOf(r).Objects(r.Context(), permit, q.Kind, opts)
	if err != nil {
		return nil, err
	}
	out := resourceList{
		Items: make([]map[string]any, 0, len(chunk.Items)), Total: counted.Matched, Continue: chunk.Continue,
		Freshness: resourceFresh{State: cache.Live.String()},
	}
	for _, o := range chunk.Items {
		tree, err := o.Tree(kube.YAMLOptions{LastApplied: true})
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, tree)
	}
	return succeeded[any](http.StatusOK, out), nil
}

// wholeObjects reads the objects of rows. One that was deleted meanwhile is left out.
func (s *Server) wholeObjects(r *http.Request, rows []*kinds.Row) ([]map[string]any, error) {
	c, k := clusterOf(r), kindOf(r)
	trees, errs := make([]map[string]any, len(rows)), make([]error, len(rows))
	slots := make(chan struct{}, apiReaders)
	var wg sync.WaitGroup
	for i, row := range rows {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			permit, err := s.permit(r, access.VerbGet, k, row.Namespace, row.Name)
			if err == nil {
				var o kube.Object
				if o, err = c.Get(r.Context(), permit, k, row.Namespace, row.Name); err == nil {
					trees[i], err = o.Tree(kube.YAMLOptions{LastApplied: true})
				}
			}
			errs[i] = err
		})
	}
	wg.Wait()
	out := make([]map[string]any, 0, len(rows))
	for i, err := range errs {
		switch {
		case err == nil:
			out = append(out, trees[i])
		case errors.Is(err, kube.ErrNotFound), errors.Is(err, access.ErrHidden):
		default:
			return nil, err
		}
	}
	return out, nil
}

func (s *Server) apiGetResource(r *http.Request, in *getResourceInput) (*answer[map[string]any], error) {
	r, err := s.withResource(r, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	k := kindOf(r)
	t, err := apiTarget(k, in.Namespace, in.Name)
	if err != nil {
		return nil, err
	}
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	o, err := clusterOf(r).Get(ctx, permit, k, t.namespace, t.name)
	if err != nil {
		return nil, err
	}
	tree, err := o.Tree(kube.YAMLOptions{LastApplied: true})
	if err != nil {
		return nil, err
	}
	return succeeded(http.StatusOK, tree), nil
}

// resourceTable is a page of a list as programs read it.
func (s *Server) resourceTable(r *http.Request, in listInput, page cache.Page) resourceTable {
	p, shown := s.presenter(r), shownColumns(tableColumns(kindOf(r), in))
	out := resourceTable{
		Columns: make([]resourceColumn, len(shown)), Rows: make([]resourceRow, len(page.Rows)),
		Total: page.Matched, Continue: tokenOf(page), Freshness: p.resourceFresh(page.Freshness),
	}
	for i, col := range shown {
		out.Columns[i] = resourceColumn{ID: col.id, Title: p.columnTitle(col.id, col.title), Type: col.form.String()}
	}
	for i, row := range page.Rows {
		out.Rows[i] = p.resourceRow(row, shown)
	}
	return out
}

func (p presenter) resourceFresh(f cache.Freshness) resourceFresh {
	out := resourceFresh{State: f.State.String(), Reason: p.words(f.Reason)}
	if f.State != cache.Live {
		out.Since = instant(f.Since)
	}
	return out
}

func (p presenter) resourceRow(row *kinds.Row, shown []tableColumn) resourceRow {
	out := resourceRow{
		UID: row.UID, Namespace: row.Namespace, Name: row.Name, ResourceVersion: row.ResourceVersion,
		Created: instant(unix(row.Created)), Deleted: instant(unix(row.Deleted)), Cells: make([]resourceCell, len(shown)),
	}
	if len(row.Labels) > 0 {
		out.Labels = make(map[string]string, len(row.Labels))
		for _, l := range row.Labels {
			out.Labels[l.Key] = l.Value
		}
	}
	if row.Status.Word != "" {
		out.Status = &resourceStatus{
			Word: row.Status.Word, Reason: p.words(row.Status.Reason), Tone: row.Status.Tone.String(), Since: instant(unix(row.Status.Since)),
		}
	}
	for i, col := range shown {
		switch {
		case col.id == columnName:
			out.Cells[i].Text = row.Name
		case col.id == columnNamespace:
			out.Cells[i].Text = row.Namespace
		case col.at >= 0 && col.at < len(row.Cells):
			out.Cells[i] = p.resourceCell(row.Cells[col.at])
		case col.joined != nil:
			out.Cells[i] = p.resourceCell(col.cell(row))
		}
	}
	return out
}

func (p presenter) resourceCell(c kinds.Cell) resourceCell {
	out := resourceCell{Text: c.Text, Note: p.words(c.Note)}
	if c.Tone != kinds.ToneNone {
		out.Tone = c.Tone.String()
	}
	if c.Form.Numeric() {
		n := c.Num
		out.Value = &n
	}
	switch c.Form {
	case kinds.FormNumber:
		out.Text = cmp.Or(c.Text, p.loc.Number(c.Num))
	case kinds.FormCPU:
		out.Text = p.loc.CPU(c.Num)
	case kinds.FormBytes:
		out.Text = p.loc.Bytes(c.Num)
	case kinds.FormAge, kinds.FormTime:
		if c.Num != 0 {
			out.Text = unix(int64(c.Num)).UTC().Format(time.RFC3339)
		}
	case kinds.FormText, kinds.FormName, kinds.FormRatio, kinds.FormStatus:
	}
	return out
}

// definitionBody is a CustomResourceDefinition in short.
type definitionBody struct {
	Name       string   `json:"name" example:"clonesets.apps.kruise.io"`
	Group      string   `json:"group"`
	Kind       string   `json:"kind"`
	Plural     string   `json:"plural"`
	Namespaced bool     `json:"namespaced"`
	Versions   []string `json:"versions" doc:"Those served, the preferred first."`
	Served     bool     `json:"served" doc:"Whether the API server accepts objects of it."`
}

// definitionList is a list of them.
type definitionList struct {
	Items []definitionBody `json:"items"`
	Total int              `json:"total"`
}

// apiListDefinitions answers with what is installed in a cluster.
func (s *Server) apiListDefinitions(r *http.Request, in *clusterPathInput) (*answer[definitionList], error) {
	r, err := s.withResource(r, in.ID, kube.Definitions)
	if err != nil {
		return nil, err
	}
	k := kindOf(r)
	permit, err := s.permit(r, access.VerbList, k, "", "")
	if err != nil {
		return nil, err
	}
	if _, err := s.listed(r, permit, cache.Query{Kind: k, Size: 1, Wait: apiWait}); err != nil {
		return nil, err
	}
	out := definitionList{Items: []definitionBody{}}
	clusterOf(r).Each(permit, k, func(row *kinds.Row) bool {
		if d, ok := row.Kept.(*kinds.Definition); ok {
			b := definitionBody{Name: d.ID(), Group: d.Group, Kind: d.Kind, Plural: d.Resource, Namespaced: d.Namespaced, Served: d.Ready, Versions: []string{}}
			for i := range d.Served {
				b.Versions = append(b.Versions, d.Served[i].Name)
			}
			out.Items = append(out.Items, b)
		}
		return true
	})
	out.Total = len(out.Items)
	return succeeded(http.StatusOK, out), nil
}
