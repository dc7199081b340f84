package kube

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/kube/kubetest"
)

const canary = "c4n4ry-that-no-list-may-hold"

func secret(name string, values ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": name}}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	for i, v := range values {
		s.Data[fmt.Sprintf("key-%d", i)] = []byte(v)
	}
	return s
}

// TestA24_TheValuesOfSecretsNeverArriveForAList: every request asks for the table, nothing that is answered has a value
// in it, and what kubectl's annotation repeats is in no row.
func TestA24_TheValuesOfSecretsNeverArriveForAList(t *testing.T) {
	applied := secret("applied", "x")
	applied.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"key":"repeated-in-an-annotation"}}`, "note": "kept"}
	o := kubetest.Options{Record: true, Objects: []kruntime.Object{secret("a", canary), secret("b", canary, canary), applied}}
	inShop(t, o, func(t *testing.T, s *shop) {
		k := s.kind(t, "secrets")
		page := s.page(t, k)
		if page.Total != 3 || page.Freshness.State != cache.Live {
			t.Fatalf("the list is %+v", page)
		}
		row := page.Rows[2]
		if row.Name != "b" || row.Namespace != "shop" || row.UID == "" || row.Cells[0].Text != "Opaque" || row.Cells[1].Num != 2 || row.Cells[2].Num == 0 {
			t.Errorf("row %+v", row)
		}
		s.server.Update(secret("a", canary, canary, canary)) // two events on one watch: only the first names the columns
		pass(100 * time.Millisecond)
		s.server.Update(secret("b", canary))
		s.server.Add(secret("c", canary))
		s.server.Delete(applied)
		pass(100 * time.Millisecond)
		got := map[string]float64{}
		page = s.page(t, k)
		for _, row := range page.Rows {
			got[row.Name] = row.Cells[1].Num
		}
		if fmt.Sprint(got) != "map[a:3 b:1 c:1]" || page.Freshness.State != cache.Live {
			t.Errorf("after changes: %v, %+v", got, page.Freshness)
		}
		pass(5 * time.Minute) // over several watches, each of which begins where a bookmark said
		if st := s.stats("secrets"); st.Relists != 1 || st.WatchRestarts < 3 || st.State != cache.Live {
			t.Errorf("figures %+v", st)
		}
		asked := 0
		for _, r := range s.server.Requests() {
			if strings.HasSuffix(r.Path, "/secrets") {
				asked++
				if got := r.Header.Values("Accept"); len(got) != 1 || got[0] != acceptTable {
					t.Errorf("%s asks for %q", r, got)
				}
			}
		}
		if asked < 4 {
			t.Errorf("%d requests", asked)
		}
		answered := s.server.Answered("/api/v1/secrets")
		for _, value := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
			if bytes.Contains(answered, []byte(value)) {
				t.Errorf("%s arrived", value)
			}
		}
		if !bytes.Contains(answered, []byte("repeated-in-an-annotation")) {
			t.Error("the annotation did not arrive, so that it is not in a row proves nothing")
		}
		s.server.Add(applied)
		pass(100 * time.Millisecond)
		kept := fmt.Sprintf("%+v", func() (rows []kinds.Row) {
			for _, row := range s.page(t, k).Rows {
				rows = append(rows, *row)
			}
			return rows
		}())
		if strings.Contains(kept, "repeated-in-an-annotation") || !strings.Contains(kept, "kept") {
			t.Errorf("rows hold %s", kept)
		}
	})
}

// TestAServerWithoutTables is said to be none: its answer, which has the values, is thrown away.
func TestAServerWithoutTables(t *testing.T) {
	for name, tc := range map[string]struct {
		script kubetest.Script
		reason string
	}{
		"the objects instead": {kubetest.Garbage("application/json", `{"kind":"SecretList","apiVersion":"v1","items":[{"metadata":{"name":"a"},"data":{"k":"`+canary+`"}}]}`), "cluster.not_kubernetes"},
		"another kind":        {kubetest.Garbage("application/json", `{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[{"cells":["a"],"object":{"metadata":{"name":7}}}]}`), "cluster.not_kubernetes"},
		"not acceptable":      {kubetest.Status(406, metav1.StatusReasonNotAcceptable, "only JSON"), "cluster.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, kubetest.Options{Objects: []kruntime.Object{secret("a", canary)}}, func(t *testing.T, s *shop) {
				s.server.Script(kubetest.On("/api/v1/secrets", tc.script))
				page := s.page(t, s.kind(t, "secrets"))
				if page.Total != 0 || page.Freshness.State != cache.Stale || page.Freshness.Reason.ID != tc.reason {
					t.Errorf("the list is %+v", page)
				}
				s.server.Script(nil)
				pass(10 * time.Second)
				if page := s.page(t, s.kind(t, "secrets")); page.Total != 1 || page.Freshness.State != cache.Live {
					t.Errorf("later it is %+v", page)
				}
			})
		})
	}
}

// TestEventsOfTables: the columns are those of the first event, a bookmark needs no row, and a change that cannot be read
// is an error and not nothing.
func TestEventsOfTables(t *testing.T) {
	columns := []metav1.TableColumnDefinition{{Name: "Name"}, {Name: "Type"}}
	table := func(version, object string, columns ...metav1.TableColumnDefinition) *metav1.Table {
		tb := &metav1.Table{ListMeta: metav1.ListMeta{ResourceVersion: version}, ColumnDefinitions: columns}
		if object != "" {
			tb.Rows = []metav1.TableRow{{Cells: []any{"a", "Opaque", "more than there are columns"}, Object: kruntime.RawExtension{Raw: []byte(object)}}}
		}
		return tb
	}
	const object = `{"metadata":{"name":"a","namespace":"shop","resourceVersion":"5"}}`
	p := &printedWatch{}
	for _, tc := range []struct {
		name          string
		in            watch.Event
		want          watch.EventType
		version, kind string
	}{
		{"the first", watch.Event{Type: watch.Added, Object: table("", object, columns...)}, watch.Added, "5", "Opaque"},
		{"without columns", watch.Event{Type: watch.Modified, Object: table("", object)}, watch.Modified, "5", "Opaque"},
		{"a bookmark without a row", watch.Event{Type: watch.Bookmark, Object: table("9", "")}, watch.Bookmark, "9", ""},
		{"a bookmark with a row", watch.Event{Type: watch.Bookmark, Object: table("", `{"metadata":{"resourceVersion":"10"}}`)}, watch.Bookmark, "10", "Opaque"},
		{"no object", watch.Event{Type: watch.Modified, Object: table("11", "null")}, watch.Error, "", ""},
		{"no name", watch.Event{Type: watch.Modified, Object: table("11", `{"metadata":{}}`)}, watch.Error, "", ""},
		{"no row", watch.Event{Type: watch.Deleted, Object: table("11", "")}, watch.Error, "", ""},
		{"no metadata", watch.Event{Type: watch.Modified, Object: table("11", `{"metadata":[]}`)}, watch.Error, "", ""},
		{"an error", watch.Event{Type: watch.Error, Object: &metav1.Status{Code: 410}}, watch.Error, "", ""},
	} {
		e := p.event(tc.in)
		row, ok := e.Object.(*kinds.Printed)
		if e.Type != tc.want || ok != (tc.want != watch.Error) {
			t.Errorf("%s: %v %T", tc.name, e.Type, e.Object)
			continue
		}
		if ok && (row.ResourceVersion != tc.version || tc.kind != "" && row.Cells["Type"] != tc.kind) {
			t.Errorf("%s: %+v", tc.name, row)
		}
		if _, ok := e.Object.(*metav1.Status); tc.want == watch.Error && !ok {
			t.Errorf("%s: an error of type %T", tc.name, e.Object)
		}
	}
}

// TestAPrintedWatchEnds though nobody reads what is left: the bubble would not end with its goroutine.
func TestAPrintedWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := watch.NewFakeWithChanSize(2, false)
		w := newPrintedWatch(fake)
		fake.Add(&metav1.Table{})
		fake.Add(&metav1.Table{})
		synctest.Wait()
		w.Stop()
		w.Stop()
		synctest.Wait()
		if _, open := <-w.ResultChan(); open {
			t.Error("it goes on")
		}
	})
}
