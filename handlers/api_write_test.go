package handlers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAPIWrites: create, update, patch and delete an object as a program does.
func TestAPIWrites(t *testing.T) {
	t.Parallel()
	k := newKit(t, kitConfig{})
	v := k.as(admin)
	list := apiRoot + strings.TrimPrefix(clusterPath(k.productionID), "") + "/resources/configmaps"
	const object = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"shop"},"data":{"a":"1"}}`
	like := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}}
	v.json("POST", list+"?dryRun=All", object).want(http.StatusCreated)
	if k.production.Object(like) != nil {
		t.Fatal("a dry run created it")
	}
	created := v.json("POST", list, object).want(http.StatusCreated).object()
	v.json("POST", list, object).problem(http.StatusConflict, "taken")
	v.json("POST", list, strings.Replace(object, `"data"`, `"datum"`, 1)).problem(http.StatusUnprocessableEntity, "refused")

	tree := created["data"].(map[string]any)["object"].(map[string]any)
	tree["data"] = map[string]any{"a": "2"}
	body, err := json.Marshal(tree)
	k.must(err)
	one := list + "/c?namespace=shop"
	v.json("PUT", one, string(body)).want(http.StatusOK)
	v.json("PUT", one, string(body)).problem(http.StatusConflict, "changed") // the version is old now
	delete(tree["metadata"].(map[string]any), "resourceVersion")
	body, err = json.Marshal(tree)
	k.must(err)
	v.json("PUT", one, string(body)).problem(http.StatusBadRequest, "bad_request")

	v.json("PATCH", one, `{"data":{"a":"3"}}`, "Content-Type", "application/merge-patch+json").want(http.StatusOK)
	if got := k.production.Object(like).(*corev1.ConfigMap).Data["a"]; got != "3" {
		t.Errorf("a is %q", got)
	}
	bad := v.json("PATCH", one, `{"datum":1}`, "Content-Type", "application/merge-patch+json").problem(http.StatusUnprocessableEntity, "refused")
	if !strings.Contains(bad.body, `"field":"datum"`) {
		t.Errorf("the field is not named: %s", bad.body)
	}
	v.send("DELETE", one+"&propagationPolicy=Sideways", "").problem(http.StatusBadRequest, "bad_request")
	v.send("DELETE", one+"&dryRun=All", "").want(http.StatusOK)
	if k.production.Object(like) == nil {
		t.Fatal("a dry run deleted it")
	}
	v.send("DELETE", one+"&propagationPolicy=Background", "").want(http.StatusOK)
	v.send("DELETE", one, "").problem(http.StatusNotFound, "not_found")
}
