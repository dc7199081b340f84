package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"tiga/e2e/testbed"
)

// A credential that may read some kinds of one namespace shows those, live, and says of the rest that it may not, and of
// what. Issue 3
func TestACredentialOfOneNamespace(t *testing.T) {
	cluster := testbed.Start(t, testbed.Options{Name: "limited", Pods: 6, Namespaces: 1})
	const other = "other"
	mine := strings.Fields(kubectl(t, cluster, "get", "pods", "-A", "-o", `jsonpath={.items[*].metadata.namespace}`))[0]
	kubectl(t, cluster, "create", "namespace", other)
	kubectl(t, cluster, "-n", other, "run", "anything", "--image=example.com/anything:1")
	kubectl(t, cluster, "-n", mine, "create", "role", "reader", "--verb=get,list,watch", "--resource=pods,events")
	kubectl(t, cluster, "-n", mine, "create", "rolebinding", "reader", "--role=reader", "--user=keeper")
	config, err := clientcmd.Load(cluster.KubeconfigFor("keeper"))
	if err != nil {
		t.Fatal(err)
	}
	config.Contexts[config.CurrentContext].Namespace = mine
	limited, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, options{kubeconfig: limited})
	c := a.signIn("admin", password)
	id := c.clusterID("limited")
	under := fmt.Sprintf("/clusters/%d", id)
	b := a.open()
	b.signIn("admin", password)
	b.visit(under + "/pods")
	b.wait("the pods of the namespace are listed", rowsShown+" > 0")
	b.text("#main", "Only what is in 1 namespace can be seen here: "+mine)
	if names := eval[string](b, `[...document.querySelectorAll('[name=o]')].map(e => e.value.split('/')[0]).join()`); strings.Contains(names, other) {
		t.Errorf("namespaces %s are listed", names)
	}
	b.keep("list")
	kubectl(t, cluster, "-n", mine, "run", "newcomer", "--image=example.com/newcomer:1")
	b.text("#main", "newcomer")
	b.visit(under + "/pods/" + mine + "/newcomer")
	b.text("#main", "example.com/newcomer:1")

	for kind, plural := range map[string]string{"nodes": "Nodes", "deployments.apps": "Deployments", "secrets": "Secrets"} {
		b.visit(under + "/" + kind)
		b.text("#main", "limited does not let Tiga list "+plural)
	}
	b.keep("refused")
	if r := c.get(under + "/pods/" + other + "/anything"); r.status != http.StatusForbidden {
		t.Errorf("a pod of another namespace: %d", r.status)
	}
	eventually(t, 30*time.Second, "the cluster is healthy nevertheless", func() error {
		if got := c.health(id); !strings.HasPrefix(got, "healthy") {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	b.visit(under)
	b.wait("the overview is there", `document.querySelector('h1')`)
	b.keep("overview")
	b.quiet()
}
