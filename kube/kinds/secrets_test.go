package kinds

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func lookup(tb testing.TB, id string) *Kind {
	tb.Helper()
	k, ok := Lookup(id)
	if !ok {
		tb.Fatalf("%s is no kind", id)
	}
	return k
}

func TestA24_SecretsHaveTheSameRowAsThePrintedTableSaysAndNoValues(t *testing.T) {
	const canary = "c4n4ry"
	k := lookup(t, "secrets")
	if !k.Printed() || k.Dynamic() {
		t.Fatal("lists of Secrets are to be read as the server's tables")
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "token", Namespace: "shop", UID: "u", ResourceVersion: "7", Labels: map[string]string{"a": "b"},
			Annotations: map[string]string{corev1.ServiceAccountNameKey: "builder", lastApplied: canary},
		},
		Type: corev1.SecretTypeServiceAccountToken,
		Data: map[string][]byte{"token": []byte(canary), "ca.crt": []byte("(1200 bytes)")},
	}
	whole := k.Project(secret)
	for _, number := range []any{int64(2), float64(2)} { // as decoders give it
		printed := &Printed{ObjectMeta: secret.ObjectMeta, Cells: map[string]any{
			"Name": "token", "Type": "kubernetes.io/service-account-token", "Data": number, "Age": "3d",
		}}
		if diff := cmp.Diff(whole, k.Project(printed)); diff != "" {
			t.Errorf("rows differ (-secret +printed):\n%s", diff)
		}
		if d := k.Detail(printed); !d.Problem.IsZero() || len(d.Entries) > 0 || len(d.Facts) == 0 {
			t.Errorf("detail of a printed secret: %+v", d)
		}
	}
	d := k.Detail(secret)
	want := []Entry{{Key: "ca.crt", Size: 1200, Hidden: true}, {Key: "token", Size: len(canary), Hidden: true}}
	if diff := cmp.Diff(want, d.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	said, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(said, []byte(canary)) {
		t.Errorf("a value is in the detail: %s", said)
	}
}

func TestConfigMapValuesAreCutAndTheirSizesAreTrue(t *testing.T) {
	long := strings.Repeat("界", 40<<10)
	d := lookup(t, "configmaps").Detail(&corev1.ConfigMap{Data: map[string]string{"long": long, "full": strings.Repeat("a", entryLimit)}})
	if full := d.Entries[0]; len(full.Text) != entryLimit || full.Size != entryLimit {
		t.Errorf("a value at the limit has %d of %d bytes", len(full.Text), full.Size)
	}
	e := d.Entries[1]
	if e.Size != len(long) || len(e.Text) > entryLimit || len(e.Text) < entryLimit-8 || strings.ContainsRune(e.Text, '\uFFFD') {
		t.Errorf("a long value has %d of %d bytes", len(e.Text), e.Size)
	}
}

func TestLeaseIsExpiredOnceItsHolderCannotBeLateAnyMore(t *testing.T) {
	holder, lasts := "node-1", int32(40)
	renewed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	lease := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{
		HolderIdentity: &holder, LeaseDurationSeconds: &lasts, RenewTime: &metav1.MicroTime{Time: renewed},
	}}
	for _, c := range []struct {
		after time.Duration
		word  string
		tone  Tone
	}{
		{10 * time.Second, WordHeld, ToneNone},
		{41 * time.Second, WordHeld, ToneNone}, // clocks and watches lag
		{40*time.Second + leaseGrace + time.Second, WordExpired, ToneWarn},
	} {
		s := leaseStatus(lease, renewed.Add(c.after))
		if s.Word != c.word || s.Tone != c.tone || s.Reason.Args["At"] == nil {
			t.Errorf("after %s: %+v", c.after, s)
		}
	}
}

func TestDynamicKindRefusesAnObjectOfTheSameNameFromAnotherGroup(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": map[string]any{"name": "mesh"},
	}}
	k := lookup(t, "gateways.gateway.networking.k8s.io")
	if d := k.Detail(u); d.Problem.IsZero() || d.Row.Name != "mesh" {
		t.Errorf("detail %+v", d)
	}
	u.SetAPIVersion("gateway.networking.k8s.io/v1beta1") // an older version is the same kind
	if d := k.Detail(u); !d.Problem.IsZero() {
		t.Errorf("detail %+v", d)
	}
}
