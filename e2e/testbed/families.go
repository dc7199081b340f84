package testbed

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

//go:embed families/*.yaml
var familyFiles embed.FS

// The families whose CustomResourceDefinitions can be installed.
const (
	GatewayAPI    = "gateway-api"
	Snapshots     = "snapshots"
	VPA           = "vertical-pod-autoscaler"
	Kruise        = "kruise"
	Traefik       = "traefik"
	Tailscale     = "tailscale"
	SystemUpgrade = "system-upgrade"
)

// family says where the definitions of a family are: in a Go module, of which
// only these files are read, or in ours.
type family struct {
	module string // path@version; "" for our own files
	files  string // pattern
}

// families are all of them. The versions of modules are checked by Go against
// its checksum database when they are fetched.
func families() map[string]family {
	return map[string]family{
		GatewayAPI:    {"sigs.k8s.io/gateway-api@v1.5.0", "config/crd/experimental/gateway.networking.k8s.io_*.yaml"},
		Snapshots:     {"github.com/kubernetes-csi/external-snapshotter/client/v8@v8.7.0", "config/crd/snapshot.storage.k8s.io_*.yaml"},
		VPA:           {"k8s.io/autoscaler/vertical-pod-autoscaler@v1.8.1", "deploy/vpa-v1-crd-gen.yaml"},
		Kruise:        {"github.com/openkruise/kruise@v1.8.0", "config/crd/bases/*.yaml"},
		Traefik:       {"github.com/traefik/traefik/v3@v3.7.13", "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"},
		Tailscale:     {"tailscale.com@v1.92.0", "cmd/k8s-operator/deploy/crds/*.yaml"},
		SystemUpgrade: {"", "families/plans.yaml"},
	}
}

// Families are the names of all families.
func Families() []string { return slices.Sorted(maps.Keys(families())) }

// InstallFamily installs the definitions of a family and returns when the API
// server serves their kinds.
func (c *Cluster) InstallFamily(ctx context.Context, name string) error {
	f, ok := families()[name]
	if !ok {
		return fmt.Errorf("family %s: not known", name)
	}
	files, err := f.open(ctx)
	if err != nil {
		return fmt.Errorf("family %s: %w", name, err)
	}
	definitions, err := readDefinitions(files, f.files)
	if err != nil {
		return fmt.Errorf("family %s: %w", name, err)
	}
	if err := c.InstallDefinitions(ctx, definitions...); err != nil {
		return fmt.Errorf("family %s: %w", name, err)
	}
	return nil
}

// open returns the files of the family.
func (f family) open(ctx context.Context) (fs.FS, error) {
	if f.module == "" {
		return familyFiles, nil
	}
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", f.module)
	command.Dir = os.TempDir() // outside any module: none is changed
	out, err := command.Output()
	var module struct{ Dir, Error string }
	if decodeErr := json.Unmarshal(out, &module); decodeErr != nil || module.Dir == "" {
		return nil, fmt.Errorf("fetch %s: %w", f.module, errors.Join(err, decodeErr, errors.New(module.Error)))
	}
	return os.DirFS(module.Dir), nil
}

// readDefinitions reads the CustomResourceDefinitions of the files that match.
func readDefinitions(files fs.FS, pattern string) ([]*unstructured.Unstructured, error) {
	found, err := fs.Glob(files, pattern)
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("find %s: %w", path.Base(pattern), errors.Join(err, fs.ErrNotExist))
	}
	var out []*unstructured.Unstructured
	for _, name := range found {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path.Base(name), err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
		for {
			u := &unstructured.Unstructured{}
			if err := decoder.Decode(&u.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("read %s: %w", path.Base(name), err)
			}
			if u.GetKind() == "CustomResourceDefinition" {
				out = append(out, u)
			}
		}
	}
	return out, nil
}

var definitionsResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// InstallDefinitions applies CustomResourceDefinitions and returns when the
// API server serves their kinds.
func (c *Cluster) InstallDefinitions(ctx context.Context, definitions ...*unstructured.Unstructured) error {
	config := rest.CopyConfig(c.config)
	config.WarningHandler = rest.NoWarnings{} // about old versions, which are served on purpose
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, d := range definitions {
		group.Go(func() error {
			_, err := client.Resource(definitionsResource).Apply(grouped, d.GetName(), d, metav1.ApplyOptions{FieldManager: "testbed", Force: true})
			if err != nil {
				return fmt.Errorf("apply %s: %w", d.GetName(), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.waitFor(ctx, settleEvery, func(ctx context.Context) error {
		for _, d := range definitions {
			if err := served(ctx, client, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// served says whether the kind of a definition can be listed.
func served(ctx context.Context, client dynamic.Interface, d *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(d.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(d.Object, "spec", "versions")
	for _, v := range versions {
		fields, _ := v.(map[string]any)
		name, _ := fields["name"].(string)
		if on, _ := fields["served"].(bool); !on {
			continue
		}
		_, err := client.Resource(schema.GroupVersionResource{Group: group, Version: name, Resource: plural}).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return fmt.Errorf("list %s at %s: %w", d.GetName(), name, err)
		}
	}
	return nil
}

// RemoveDefinition deletes a CustomResourceDefinition and returns when the API
// server serves its kind no more.
func (c *Cluster) RemoveDefinition(ctx context.Context, name string) error {
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if err := client.Resource(definitionsResource).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return c.waitFor(ctx, 100*time.Millisecond, func(ctx context.Context) error {
		_, err := client.Resource(definitionsResource).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("%s is still there", name))
	})
}
