package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"tiga/e2e/testbed"
)

// benchDocuments is how many documents are applied at once.
const benchDocuments = 200

// BenchmarkApply measures what applying two hundred documents takes beside kubectl apply --server-side of the same file on
// the same cluster, and what looking at a large object before takes beside the API server's own dry run.
func BenchmarkApply(b *testing.B) {
	cluster := testbed.Start(b, testbed.Options{Name: "apply", Nodes: 1})
	a := start(b, options{kubeconfig: cluster.Kubeconfig()})
	c := a.signIn("admin", password)
	path := fmt.Sprintf("/clusters/%d", c.clusterID(cluster.Name()))
	b.Run("documents", func(b *testing.B) { benchDocumentsApplied(b, cluster, c, path) })
	b.Run("dryrun", func(b *testing.B) { benchDryRun(b, cluster, c, path) })
}

// documents are two hundred of them: half ConfigMaps, half Deployments without pods.
func documents(round int) string {
	var text strings.Builder
	for i := range benchDocuments {
		if i%2 == 0 {
			fmt.Fprintf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings-%03d}\ndata:\n  round: \"%d\"\n", i, round)
			continue
		}
		name := fmt.Sprintf("web-%03d", i)
		fmt.Fprintf(&text, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: %s\n  labels: {round: \"%d\"}\nspec:\n  replicas: 0\n"+
			"  selector: {matchLabels: {app: %s}}\n  template:\n    metadata: {labels: {app: %s}}\n    spec:\n      containers:\n      - name: web\n        image: web:1\n",
			name, round, name, name)
	}
	return text.String()
}

// benchDocumentsApplied alternates between both ways, which take each other's fields over; the first round, which creates,
// is each one's own.
func benchDocumentsApplied(b *testing.B, cluster *testbed.Cluster, c *client, path string) {
	file := filepath.Join(b.TempDir(), "documents.yaml")
	ours := func(round int) time.Duration {
		var begun struct{ Operation struct{ ID string } }
		began := time.Now()
		r := c.api(http.MethodPost, path+"/apply", map[string]any{"yaml": documents(round), "conflicts": "take"}, &begun)
		if r.status != http.StatusAccepted {
			b.Fatalf("apply: %d %.300s", r.status, r.body)
		}
		for {
			var o struct{ State, Message string }
			c.api(http.MethodGet, path+"/operations/"+begun.Operation.ID, nil, &o)
			switch o.State {
			case "done":
				return time.Since(began)
			case "running":
				time.Sleep(50 * time.Millisecond)
			default:
				b.Fatalf("the operation is %s: %s", o.State, o.Message)
			}
		}
	}
	theirs := func(round int) time.Duration {
		if err := os.WriteFile(file, []byte(documents(round)), 0o600); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if out, err := cluster.Kubectl(b.Context(), "apply", "--server-side", "--field-manager=tiga", "-f", file); err != nil {
			b.Fatalf("kubectl: %v %.300s", err, out)
		}
		return time.Since(began)
	}
	remove := func() {
		if _, err := cluster.Kubectl(b.Context(), "delete", "configmaps,deployments", "--all", "--wait=true"); err != nil {
			b.Fatal(err)
		}
	}
	theirs(0) // both are warm from here on
	remove()
	created := ours(1)
	remove()
	createdByKubectl := theirs(1)
	var mine, other []time.Duration
	for round := range 5 {
		mine, other = append(mine, ours(2*round+2)), append(other, theirs(2*round+3))
	}
	slices.Sort(mine)
	slices.Sort(other)
	b.ReportMetric(ms(created), "create_ms")
	b.ReportMetric(ms(createdByKubectl), "create_kubectl_ms")
	b.ReportMetric(ms(at(mine, 50)), "change_p50_ms")
	b.ReportMetric(ms(at(other, 50)), "change_kubectl_p50_ms")
	b.ReportMetric(ms(at(mine, 50))/ms(at(other, 50)), "times_kubectl")
	finish(b)
}

// benchDryRun is a ConfigMap-sized Deployment of five hundred lines: what the check takes, dry run and comparison, beside the
// API server's answer to the same request.
func benchDryRun(b *testing.B, cluster *testbed.Cluster, c *client, path string) {
	var text strings.Builder
	text.WriteString("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: large, namespace: default}\nspec:\n  replicas: 0\n  selector: {matchLabels: {app: large}}\n" +
		"  template:\n    metadata: {labels: {app: large}}\n    spec:\n      containers:\n      - name: large\n        image: large:1\n        env:\n")
	for i := range 240 {
		fmt.Fprintf(&text, "        - name: SETTING_%03d\n          value: \"%d\"\n", i, i)
	}
	first := text.String()
	if r := c.api(http.MethodPost, path+"/apply", map[string]any{"yaml": first}, nil); r.status != http.StatusAccepted {
		b.Fatalf("apply: %d %.300s", r.status, r.body)
	}
	apps := cluster.Client().AppsV1().Deployments("default")
	eventually(b, time.Minute, "it is there", func() error {
		_, err := apps.Get(b.Context(), "large", metav1.GetOptions{})
		return err
	})
	changed := strings.ReplaceAll(first, "value: \"7\"", "value: \"8\"")
	raw, err := yaml.YAMLToJSON([]byte(changed))
	if err != nil {
		b.Fatal(err)
	}
	alone := func() error {
		return cluster.Client().AppsV1().RESTClient().Patch(types.ApplyPatchType).Namespace("default").Resource("deployments").Name("large").
			Param("fieldManager", "tiga").Param("fieldValidation", metav1.FieldValidationStrict).Param("dryRun", metav1.DryRunAll).
			SetHeader("Accept", "application/json").Body(raw).Do(b.Context()).Error()
	}
	const (
		rounds = 60
		pause  = 150 * time.Millisecond // below the rate that is allowed, and neither pays for what the other leaves to do
	)
	var ours, theirs []time.Duration
	for range rounds {
		time.Sleep(pause)
		began := time.Now()
		if err := alone(); err != nil {
			b.Fatal(err)
		}
		theirs = append(theirs, time.Since(began))
		body := map[string]any{"yaml": changed}
		time.Sleep(pause)
		began = time.Now()
		var got struct {
			Documents []struct{ Verdict, Diff string }
		}
		r := c.api(http.MethodPost, path+"/apply?dryRun=All", body, &got)
		ours = append(ours, time.Since(began))
		if len(got.Documents) != 1 || got.Documents[0].Verdict != "change" || got.Documents[0].Diff == "" {
			b.Fatalf("would: %.300s", r.body)
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(ms(at(ours, 50)), "check_p50_ms")
	b.ReportMetric(ms(at(theirs, 50)), "server_p50_ms")
	b.ReportMetric(ms(at(ours, 50))/ms(at(theirs, 50)), "times_server")
	finish(b)
}
