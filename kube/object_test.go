package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"tiga/access"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

func secrets() *kinds.Kind {
	return kinds.Define[corev1.Secret](kinds.Kind{
		GVR: corev1.SchemeGroupVersion.WithResource("secrets"), Name: "Secret", Namespaced: true,
	}, kinds.Reads[corev1.Secret]{})
}

// TestA24_SecretValuesDoNotLeave: neither the object nor its YAML has them, in no encoding, nor kubectl's copy of them.
func TestA24_SecretValuesDoNotLeave(t *testing.T) {
	const canary = "canary-5f2c"
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "db",
			Annotations:   map[string]string{lastApplied: `{"data":{"password":"` + encoded + `"}}`, "note": "kept"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:password":{}}}`)}},
		},
		Data: map[string][]byte{"password": []byte(canary), "empty": {}, "x": []byte("1")},
		Type: "Opaque",
	}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{secret}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := secrets()
	permit := r.permit(t, "root", "one", k, access.VerbGet, "shop", "db")
	o, err := c.Get(t.Context(), permit, k, "shop", "db")
	if err != nil {
		t.Fatal(err)
	}
	all, err := o.YAML(YAMLOptions{ManagedFields: true, LastApplied: true})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%s\n%+v\n%#v\n%v", all, o.Typed(), o, o.Detail())
	for _, form := range []string{canary, encoded, fmt.Sprintf("%x", canary), fmt.Sprintf("%d", []byte(canary))} {
		if strings.Contains(shown, form) {
			t.Errorf("%q is in %s", form, shown)
		}
	}
	for _, want := range []string{"password: (11 bytes)", "empty: (0 bytes)", "x: (1 byte)", "note: kept", "kind: Secret", "apiVersion: v1", "type: Opaque"} {
		if !strings.Contains(string(all), want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if strings.Contains(string(all), "managedFields") {
		t.Errorf("managed fields of a Secret:\n%s", all)
	}
}

// TestYAMLWithoutNoise: managed fields and kubectl's copy are left out, and stay when asked for.
func TestYAMLWithoutNoise(t *testing.T) {
	p := pod("shop", "a", corev1.PodRunning)
	p.Annotations = map[string]string{lastApplied: "{}"}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{p}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	k := kindOf(t, "pods")
	permit := r.permit(t, "root", "one", k, access.VerbGet, "shop", "a")
	short, err := c.YAML(t.Context(), permit, k, "shop", "a", YAMLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(short); strings.Contains(text, "managedFields") || strings.Contains(text, "annotations") ||
		!strings.Contains(text, "image: nginx") || !strings.HasPrefix(text, "apiVersion: v1\nkind: Pod\n") {
		t.Errorf("short:\n%s", text)
	}
	long, err := c.YAML(t.Context(), permit, k, "shop", "a", YAMLOptions{ManagedFields: true, LastApplied: true})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(long); !strings.Contains(text, "managedFields") || !strings.Contains(text, lastApplied) {
		t.Errorf("long:\n%s", text)
	}
}

// TestReadsTravelAsProtobuf and say for whom they are made.
func TestReadsTravelAsProtobuf(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning)}})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	s.Reset()
	k := kindOf(t, "pods")
	if _, err := c.Get(t.Context(), r.permit(t, "root", "one", k, access.VerbGet, "shop", "a"), k, "shop", "a"); err != nil {
		t.Fatal(err)
	}
	got := s.Requests()
	if len(got) != 1 || !strings.HasPrefix(got[0].Header.Get("Accept"), kruntime.ContentTypeProtobuf) || got[0].Header.Get("User-Agent") != "tiga (user root)" {
		t.Errorf("requests %+v", got)
	}
	if got := headerSafe("a\r\nX: y) \\(ü" + strings.Repeat("x", 300)); strings.ContainsAny(got, "\r\n()\\ ü") || len(got) != 128 {
		t.Errorf("user name in a header: %q", got)
	}
}

// TestA14_NothingHappensWithoutThePermit for exactly this: every method is called with no permit and with permits for
// something else, and the cluster sees nothing of it.
func TestA14_NothingHappensWithoutThePermit(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{Objects: []kruntime.Object{pod("shop", "a", corev1.PodRunning), deployment("shop", "web", 3)}})
	r := newRig(t, s, func(c *Config) { c.HealthInterval = 1 << 40 })
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	pods, deployments := kindOf(t, "pods"), kindOf(t, "deployments.apps")
	wrong := map[string]access.Permit{
		"none":              {},
		"another cluster":   r.permit(t, "root", "two", deployments, access.VerbGet, "shop", "web"),
		"another kind":      r.permit(t, "root", "one", kindOf(t, "nodes"), access.VerbList, "", ""),
		"another namespace": r.permit(t, "root", "one", deployments, access.VerbGet, "bank", "web"),
		"another verb":      r.permit(t, "root", "one", deployments, access.VerbDelete, "shop", "web"),
		"list":              r.permit(t, "root", "one", deployments, access.VerbList, "shop", ""),
	}
	for _, v := range []access.Verb{access.VerbScale, access.VerbRestart} {
		wrong["another namespace, "+string(v)] = r.permit(t, "root", "one", deployments, v, "bank", "web")
		wrong["another name, "+string(v)] = r.permit(t, "root", "one", deployments, v, "shop", "api")
	}
	s.Reset()
	ctx := t.Context()
	for name, p := range wrong {
		calls := map[string]func() error{
			"get":     func() error { _, err := c.Get(ctx, p, deployments, "shop", "web"); return err },
			"yaml":    func() error { _, err := c.YAML(ctx, p, deployments, "shop", "web", YAMLOptions{}); return err },
			"scale":   func() error { _, err := c.Scale(ctx, p, deployments, "shop", "web", ScaleOptions{}); return err },
			"restart": func() error { _, err := c.Restart(ctx, p, deployments, "shop", "web", RestartOptions{}); return err },
			"delete":  func() error { _, err := c.Delete(ctx, p, pods, "shop", "a", DeleteOptions{}); return err },
			"list":    func() error { _, err := c.List(ctx, p, queryOf(pods)); return err },
			"refresh": func() error { return c.Refresh(ctx, p, pods) },
		}
		for call, do := range calls {
			if err := do(); !errors.Is(err, access.ErrForbidden) {
				t.Errorf("%s with a permit for %s: %v", call, name, err)
			}
		}
		if _, ok := c.Row(p, pods, "shop", "a"); ok {
			t.Errorf("row with a permit for %s", name)
		}
		c.Each(p, pods, func(*kinds.Row) bool { t.Errorf("each with a permit for %s", name); return false })
		bad := Permits{"pods": p, "nodes": p, "events": p, "deployments.apps": p}
		if name != "list" && name != "another kind" { // these two are for one of the sections
			if o := c.Overview(bad); len(o.Pods)+len(o.Deployments)+o.Nodes.Total > 0 || len(c.Troubles(bad)) > 0 {
				t.Errorf("overview with a permit for %s: %+v", name, o)
			}
		}
	}
	for _, q := range s.Requests() {
		t.Errorf("it reached the cluster: %s", q)
	}
}

// TestGetWantsANameInItsPlace: what names no object is not asked for, whatever the permit says.
func TestGetWantsANameInItsPlace(t *testing.T) {
	s := kubetest.New(t, kubetest.Options{})
	r := newRig(t, s)
	c := r.add(t, 1, "one", credentials(t, s))
	r.healthy(t, 1)
	s.Reset()
	pods := kindOf(t, "pods")
	for _, at := range [][2]string{{"shop", ""}, {"", "a"}} {
		p := r.permit(t, "root", "one", pods, access.VerbGet, at[0], at[1])
		if _, err := c.Get(t.Context(), p, pods, at[0], at[1]); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", at, err)
		}
	}
	for _, name := range []string{"..", "a/b", "a%2fb", "."} {
		p := r.permit(t, "root", "one", pods, access.VerbGet, "shop", name)
		if _, err := c.Get(t.Context(), p, pods, "shop", name); err == nil {
			t.Errorf("%q was found", name)
		}
	}
	for _, q := range s.Requests() {
		t.Errorf("asked for %s", q)
	}
}
