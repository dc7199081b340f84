package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"tiga/e2e/testbed"
	"tiga/kube/kinds"
)

// tableCell, tableRow and table are the API's table of a list.
type tableCell struct {
	Text  string   `json:"text"`
	Value *float64 `json:"value"`
}

type tableRow struct {
	UID             string      `json:"uid"`
	Namespace       string      `json:"namespace"`
	Name            string      `json:"name"`
	ResourceVersion string      `json:"resource_version"`
	Cells           []tableCell `json:"cells"`
}

type table struct {
	Columns []struct{ ID, Title, Type string } `json:"columns"`
	Rows    []tableRow                         `json:"rows"`
	Total   int                                `json:"total"`
}

func (t *table) row(uid string) *tableRow {
	for i := range t.Rows {
		if t.Rows[i].UID == uid {
			return &t.Rows[i]
		}
	}
	return nil
}

// ask reads a table.
func (c *client) ask(path string) (got table, err error) {
	c.t.Helper()
	if r := c.api(http.MethodGet, path, nil, &got); r.status != http.StatusOK {
		err = fmt.Errorf("%d %.400s", r.status, r.body)
	}
	return got, err
}

// corpus are the objects of a kind that kube/kinds is tested with: in every awkward state that it knows.
func corpus(t *testing.T, k *kinds.Kind) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "kube", "kinds", "testdata", k.GVR.Resource+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*unstructured.Unstructured
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, &u.Object); err != nil {
			t.Fatalf("%s: %v", k.ID(), err)
		}
		u.SetGroupVersionKind(k.GVK())
		out = append(out, u)
	}
	return out
}

// planted is an object of the corpus in a real cluster.
type planted struct {
	uid, namespace, name string
}

// served is a kind at a version that the cluster serves.
func served(t *testing.T, client dynamic.Interface, k *kinds.Kind) (*kinds.Kind, bool) {
	t.Helper()
	for _, v := range append([]string{k.GVR.Version}, k.Versions...) {
		at := *k
		at.GVR.Version = v
		if _, err := client.Resource(at.GVR).List(t.Context(), metav1.ListOptions{Limit: 1}); err == nil {
			return &at, true
		}
	}
	return k, false
}

// plant makes an object of the corpus as it would have come about: created, its status reported, and deleted where it
// is being deleted.
func plant(ctx context.Context, client dynamic.Interface, k *kinds.Kind, u *unstructured.Unstructured) (planted, error) {
	resource := client.Resource(k.GVR)
	var where dynamic.ResourceInterface = resource
	if k.Namespaced {
		if u.GetNamespace() == "" {
			u.SetNamespace("default")
		}
		where = resource.Namespace(u.GetNamespace())
	} else {
		u.SetNamespace("")
	}
	status, hasStatus := u.Object["status"]
	dying := u.GetDeletionTimestamp() != nil
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "generation", "selfLink", "managedFields"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	if dying && len(u.GetFinalizers()) == 0 {
		u.SetFinalizers([]string{"tiga.dev/kept-for-the-test"})
	}
	delete(u.Object, "status")
	complete(u)
	made, err := where.Create(ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // one that every cluster has
		made, err = where.Get(ctx, u.GetName(), metav1.GetOptions{})
		hasStatus, dying = false, false
	}
	if err != nil {
		return planted{}, err
	}
	if hasStatus {
		// A controller may write at the same time.
		for range 5 {
			made.Object["status"] = status
			if _, err = where.UpdateStatus(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
				break
			}
			if made, err = where.Get(ctx, u.GetName(), metav1.GetOptions{}); err != nil {
				return planted{}, err
			}
		}
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsInvalid(err) { // not every kind has a status of its own, and some check it
			return planted{}, fmt.Errorf("status: %w", err)
		}
	}
	if dying {
		zero := int64(0)
		if err := where.Delete(ctx, u.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
			return planted{}, err
		}
	}
	return planted{string(made.GetUID()), made.GetNamespace(), made.GetName()}, nil
}

// complete adds what an API server demands of an object and the corpus, which is about what is shown, leaves out.
func complete(u *unstructured.Unstructured) {
	if u.GetKind() == "CustomResourceDefinition" {
		versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
		for _, v := range versions {
			orSet(v.(map[string]any), "schema", map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}})
		}
		_ = unstructured.SetNestedSlice(u.Object, versions, "spec", "versions")
		return
	}
	if !slices.Contains([]string{"", "apps", "batch"}, u.GroupVersionKind().Group) {
		return
	}
	switch spec, _ := u.Object["spec"].(map[string]any); {
	case u.GetKind() == "Pod":
		completePod(child(u.Object, "spec"))
	case spec == nil && u.GetKind() != "PodTemplate" && u.GetKind() != "ControllerRevision":
	case u.GetKind() == "CronJob":
		job := child(child(spec, "jobTemplate"), "spec")
		delete(job, "selector")
		completeTemplate(child(job, "template"), nil)
		orSet(child(child(job, "template"), "spec"), "restartPolicy", "Never")
	case u.GetKind() == "Job":
		delete(spec, "selector")
		completeTemplate(child(spec, "template"), nil)
		orSet(child(child(spec, "template"), "spec"), "restartPolicy", "Never")
	case u.GetKind() == "ReplicationController":
		selector := child(spec, "selector")
		orSet(selector, "app", u.GetName())
		completeTemplate(child(spec, "template"), selector)
	case u.GroupVersionKind().Group == "apps" && u.GetKind() != "ControllerRevision":
		labels := child(child(spec, "selector"), "matchLabels")
		orSet(labels, "app", u.GetName())
		completeTemplate(child(spec, "template"), labels)
	case u.GetKind() == "PodTemplate":
		completeTemplate(child(u.Object, "template"), nil)
	case u.GetKind() == "ControllerRevision":
		orSet(u.Object, "data", map[string]any{})
	}
}

// child is a field that is an object, made if it is not there.
func child(parent map[string]any, field string) map[string]any {
	fields, ok := parent[field].(map[string]any)
	if !ok {
		fields = map[string]any{}
		parent[field] = fields
	}
	return fields
}

func orSet(fields map[string]any, field string, value any) {
	if fields[field] == nil {
		fields[field] = value
	}
}

func completeTemplate(template, selector map[string]any) {
	labels := child(child(template, "metadata"), "labels")
	maps.Copy(labels, selector)
	completePod(child(template, "spec"))
}

// completePod takes out what other objects would have to be there for, and gives it a container.
func completePod(spec map[string]any) {
	for _, field := range []string{"serviceAccountName", "serviceAccount", "priorityClassName", "priority", "runtimeClassName", "overhead"} {
		delete(spec, field)
	}
	if gates, _ := spec["schedulingGates"].([]any); len(gates) > 0 {
		delete(spec, "nodeName")
	}
	if containers, _ := spec["containers"].([]any); len(containers) == 0 {
		spec["containers"] = []any{map[string]any{"name": "main"}}
	}
	volumes := map[any]bool{}
	list, _ := spec["volumes"].([]any)
	for _, v := range list {
		volumes[v.(map[string]any)["name"]] = true
	}
	for _, field := range []string{"containers", "initContainers"} {
		containers, _ := spec[field].([]any)
		for _, c := range containers {
			c := c.(map[string]any)
			orSet(c, "image", "registry.example.com/app:1")
			mounts, _ := c["volumeMounts"].([]any)
			c["volumeMounts"] = slices.DeleteFunc(mounts, func(m any) bool { return !volumes[m.(map[string]any)["name"]] })
		}
	}
}

// plantAll makes the whole corpus of a kind and returns what the cluster took: it refuses what only old or broken
// servers hold.
func plantAll(t *testing.T, c *testbed.Cluster, client dynamic.Interface, k *kinds.Kind) []planted {
	t.Helper()
	var out []planted
	for _, u := range corpus(t, k) {
		if ns := u.GetNamespace(); ns != "" && k.Namespaced {
			_, err := c.Client().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
			if err == nil { // the controller that does it is stopped, and pods are refused without one
				account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
				_, err = c.Client().CoreV1().ServiceAccounts(ns).Create(t.Context(), account, metav1.CreateOptions{})
			}
			if err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
		p, err := plant(t.Context(), client, k, u)
		if err != nil {
			t.Logf("%s %s: the cluster does not take it: %s", k.ID(), u.GetName(), strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		out = append(out, p)
	}
	// What every cluster has of the kind counts as well.
	own, err := client.Resource(k.GVR).List(t.Context(), metav1.ListOptions{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i := range own.Items {
		p := planted{string(own.Items[i].GetUID()), own.Items[i].GetNamespace(), own.Items[i].GetName()}
		if !slices.Contains(out, p) && own.Items[i].GetDeletionTimestamp() == nil {
			out = append(out, p)
		}
	}
	return out
}

// serverTable is what kubectl get -o wide prints of a kind, by UID.
func serverTable(t *testing.T, c *testbed.Cluster, k *kinds.Kind) (columns []string, rows map[string][]any, versions map[string]string) {
	t.Helper()
	path := "/apis/" + k.GVR.Group + "/" + k.GVR.Version
	if k.GVR.Group == "" {
		path = "/api/v1"
	}
	raw, err := c.Client().CoreV1().RESTClient().Get().AbsPath(path+"/"+k.GVR.Resource).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatalf("table of %s: %v", k.ID(), err)
	}
	var printed metav1.Table
	if err := yaml.Unmarshal(raw, &printed); err != nil {
		t.Fatal(err)
	}
	for _, c := range printed.ColumnDefinitions {
		columns = append(columns, c.Name)
	}
	rows, versions = map[string][]any{}, map[string]string{}
	for _, r := range printed.Rows {
		var about metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(r.Object.Raw, &about); err != nil {
			t.Fatal(err)
		}
		rows[string(about.UID)] = r.Cells
		versions[string(about.UID)] = about.ResourceVersion
	}
	return columns, rows, versions
}

// plain is a title or an id without what differs by custom: case, spaces, dashes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

func (c tableCell) figure() string {
	if c.Value == nil {
		return ""
	}
	return strconv.FormatFloat(*c.Value, 'f', -1, 64)
}

// ago is how long it is since something happened, which kubectl puts behind some figures.
var ago = regexp.MustCompile(` \([0-9a-z]+ ago\)$`)

// sameValue compares what the server prints with our cell. Lists have a space after each comma in ours, and what is not
// there is an empty cell.
func sameValue(want any, got tableCell) bool {
	text := strings.TrimSuffix(ago.ReplaceAllString(fmt.Sprint(want), ""), " (default)") // ours has a column for that
	if f, ok := want.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	switch text {
	case "<none>", "<unknown>", "<nil>", "<unset>", "N/A":
		text = ""
	}
	if got.Value != nil {
		if q, err := resource.ParseQuantity(text); err == nil && q.AsApproximateFloat64() == *got.Value {
			return true
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil && f == *got.Value {
			return true
		}
	}
	ours := strings.ReplaceAll(got.Text, ", ", ",")
	return strings.EqualFold(ours, strings.ReplaceAll(text, ", ", ",")) || ours == "" && (got.figure() == text || text == "0" && got.Value == nil)
}

// kindsCluster is a cluster with every kind that Tiga has a descriptor for, and the objects of its corpus.
func kindsCluster(t *testing.T, version string) *testbed.Cluster {
	t.Helper()
	c := testbed.Start(t, testbed.Options{Name: "kinds", Families: []string{testbed.GatewayAPI, testbed.Snapshots, testbed.VPA}, EmulatedVersion: version})
	// What the corpus says of each object would not stay so for long.
	if err := c.StopControllers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// every kind on the real API server: listed with the columns and words that kubectl prints, sorted by every column,
// counted, opened. FR-1.8, FR-3.5
func TestEveryKindOnARealServer(t *testing.T) {
	cluster := kindsCluster(t, "")
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	everyKind(t, c, cluster, true)
	t.Run("custom", func(t *testing.T) { customKinds(t, c, cluster) })
}

// the same on a server three minor versions older: what it does not serve says so, the rest agrees with it. NFR C
func TestEveryKindOnAnOlderServer(t *testing.T) {
	cluster := kindsCluster(t, "1.34")
	a := start(t, options{kubeconfig: cluster.Kubeconfig()})
	everyKind(t, a.signIn("admin", password), cluster, false)
}

// everyKind plants the corpus of every kind and compares what is shown of it; thorough also sorts by every column.
func everyKind(t *testing.T, c *client, cluster *testbed.Cluster, thorough bool) {
	id := c.clusterID("kinds")
	config, err := cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{} // old ways are in the corpus on purpose
	dynamic, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, agreed, unserved := 0, 0, 0
	for _, k := range kinds.All() {
		t.Run(k.ID(), func(t *testing.T) {
			c := &client{t: t, base: c.base, http: c.http}
			k, ok := served(t, dynamic, k)
			if !ok {
				unserved++
				if r := c.get(fmt.Sprintf("/clusters/%d/%s", id, k.ID())); r.status != http.StatusNotFound || !strings.Contains(r.body, "not serve") {
					t.Errorf("the cluster does not serve it, and the page says %d", r.status)
				}
				return
			}
			planted := plantAll(t, cluster, dynamic, k)
			if len(planted) == 0 {
				t.Fatal("the cluster took none of its objects")
			}
			objects += len(planted)
			list := fmt.Sprintf("/clusters/%d/resources/%s", id, k.ID())
			all := url.Values{"as": {"table"}, "limit": {"500"}, "cols": {"name", "namespace"}}
			for _, col := range k.Columns {
				all.Add("cols", col.ID)
			}
			agreed += agrees(t, c, cluster, k, planted, list+"?"+all.Encode())
			if thorough {
				sortsByEveryColumn(t, c, k, list, all)
			}
			counts(t, c, k, list)
			some := 25
			if !thorough {
				some = 2
			}
			for _, p := range planted[:min(len(planted), some)] {
				opens(t, c, id, k, p)
			}
			if k.GVR.Group == "admissionregistration.k8s.io" { // or nothing could be made after them
				for _, p := range planted { // there are none of the cluster's own
					if err := dynamic.Resource(k.GVR).Delete(t.Context(), p.name, metav1.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
	if unserved > 4 || thorough && unserved > 0 {
		t.Errorf("%d kinds are not served", unserved)
	}
	if objects < 300 || agreed < 190 {
		t.Errorf("only %d objects and %d columns", objects, agreed)
	}
	t.Logf("%d kinds, %d of them not served, %d objects, %d columns agree with kubectl", len(kinds.All()), unserved, objects, agreed)
}

// agrees waits until our table says what the server prints, at the same version of each object, and returns how many
// columns there were to compare.
func agrees(t *testing.T, c *client, cluster *testbed.Cluster, k *kinds.Kind, want []planted, path string) int {
	t.Helper()
	var ours table
	var columns []string
	var rows map[string][]any
	eventually(t, 30*time.Second, "the list has every object as it is now", func() error {
		var err error
		if ours, err = c.ask(path); err != nil {
			return err
		}
		var versions map[string]string
		columns, rows, versions = serverTable(t, cluster, k)
		for _, p := range want {
			switch row := ours.row(p.uid); {
			case rows[p.uid] == nil && row == nil: // the API server itself has taken it away since
			case row == nil:
				return fmt.Errorf("%s/%s is not in the list", p.namespace, p.name)
			case row.ResourceVersion != versions[p.uid]:
				return fmt.Errorf("%s/%s is at version %s, not %s", p.namespace, p.name, row.ResourceVersion, versions[p.uid])
			}
		}
		return nil
	})
	compared := 0
	for i, title := range columns {
		at := slices.IndexFunc(ours.Columns, func(c struct{ ID, Title, Type string }) bool {
			return plain(c.Title) == plain(title) || plain(c.ID) == plain(title) || c.ID == parity[k.ID()+" "+title]
		})
		if at < 0 || ours.Columns[at].Type == "age" || slices.Contains(different[k.ID()], title) {
			continue
		}
		compared++
		for _, p := range want {
			if rows[p.uid] == nil {
				continue
			}
			if got := ours.row(p.uid).Cells[at]; !sameValue(rows[p.uid][i], got) {
				t.Errorf("%s/%s: %s is %q (%v), kubectl prints %q", p.namespace, p.name, title, got.Text, got.figure(), fmt.Sprint(rows[p.uid][i]))
			}
		}
	}
	if compared == 0 {
		t.Error("no column could be compared")
	}
	return compared
}

// parity names our column for one of kubectl's where the titles do not say it.
var parity = map[string]string{}

// different are the columns of kubectl's that ours of the same title differ from on purpose.
var different = map[string][]string{
	"jobs.batch":                                     {"Duration"},       // of one that runs it is written nowhere, and grows
	"ingresses.networking.k8s.io":                    {"Class", "Hosts"}, // also the class of the old annotation; every host
	"csinodes.storage.k8s.io":                        {"Drivers"},        // their names, not their number
	"customresourcedefinitions.apiextensions.k8s.io": {"Versions"},       // without which of them is stored
}

// sortsByEveryColumn asks for the list in every order, both ways round.
func sortsByEveryColumn(t *testing.T, c *client, k *kinds.Kind, list string, query url.Values) {
	t.Helper()
	columns := k.Columns
	if k.Subject == "" {
		columns = append([]kinds.Column{{ID: "name"}}, columns...)
	}
	for _, col := range columns {
		for _, dash := range []string{"", "-"} {
			query.Set("sort", dash+col.ID)
			got, err := c.ask(list + "?" + query.Encode())
			if err != nil {
				t.Fatalf("sort by %s%s: %v", dash, col.ID, err)
			}
			at := slices.IndexFunc(got.Columns, func(c struct{ ID, Title, Type string }) bool { return c.ID == col.ID })
			if at < 0 {
				t.Fatalf("column %s is not there", col.ID)
			}
			if got.Columns[at].Type == "status" {
				continue // sorts by how bad it is, which the table does not carry as a figure
			}
			sorted := slices.IsSortedFunc(got.Rows, func(a, b tableRow) int {
				x, y := a.Cells[at], b.Cells[at]
				n := strings.Compare(x.Text, y.Text)
				if col.Form.Numeric() {
					n = compareFigures(x, y)
				}
				if col.Form == kinds.FormAge && x.Value != nil && y.Value != nil {
					n = -n // the youngest first
				}
				if dash != "" {
					n = -n
				}
				return n
			})
			if !sorted {
				var cells []string
				for _, r := range got.Rows {
					cells = append(cells, r.Cells[at].Text)
				}
				t.Errorf("sorted by %s%s: %q", dash, col.ID, cells)
			}
		}
	}
}

// compareFigures compares cells of a column of figures, in which none comes first.
func compareFigures(a, b tableCell) int {
	switch {
	case a.Value == nil && b.Value == nil:
		return 0
	case a.Value == nil:
		return -1
	case b.Value == nil:
		return 1
	case *a.Value < *b.Value:
		return -1
	case *a.Value > *b.Value:
		return 1
	}
	return 0
}

// counts narrows the list by each status word that it has; together they are the list again.
func counts(t *testing.T, c *client, k *kinds.Kind, list string) {
	t.Helper()
	if _, ok := k.Column("status"); !ok {
		return
	}
	query := url.Values{"as": {"table"}, "limit": {"500"}, "cols": {"status"}}
	eventually(t, 15*time.Second, "the parts by status are the whole", func() error {
		all, err := c.ask(list + "?" + query.Encode())
		if err != nil {
			return err
		}
		words := map[string]bool{}
		for _, r := range all.Rows {
			words[r.Cells[1].Text] = true
		}
		sum := 0
		for word := range words {
			if word == "" {
				sum += all.Total - sum // rows without a status cannot be asked for
				break
			}
			part, err := c.ask(list + "?" + query.Encode() + "&f.status=" + url.QueryEscape(word))
			if err != nil {
				return err
			}
			for _, r := range part.Rows {
				if r.Cells[1].Text != word {
					return fmt.Errorf("%s is %s among the %s", r.Name, r.Cells[1].Text, word)
				}
			}
			sum += part.Total
		}
		if sum != all.Total {
			return fmt.Errorf("%d of %d", sum, all.Total)
		}
		return nil
	})
}

// opens asks for every page that an object has.
func opens(t *testing.T, c *client, cluster int64, k *kinds.Kind, p planted) {
	t.Helper()
	namespace := p.namespace
	if namespace == "" {
		namespace = "-"
	}
	path := fmt.Sprintf("/clusters/%d/%s/%s/%s", cluster, k.ID(), url.PathEscape(namespace), url.PathEscape(p.name))
	for _, tab := range []string{"", "/yaml", "/events", "/describe", "/pods"} {
		if tab == "/pods" && !k.HasPods() || tab == "/events" && k.ID() == "events" {
			continue
		}
		r := c.get(path + tab)
		if r.status == http.StatusNotFound && tab == "" {
			return // a controller has taken it away since
		}
		if r.status != http.StatusOK {
			t.Errorf("%s%s: %d\n%.600s", path, tab, r.status, r.body)
			continue
		}
		for _, id := range []string{"fact.", "column.", "table.", "tab.", "word."} {
			if strings.Contains(r.body, ">"+id) {
				t.Errorf("%s%s shows a message id: %s…", path, tab, id)
			}
		}
	}
}
