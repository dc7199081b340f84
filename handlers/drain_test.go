package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"tiga/access"
	"tiga/db"
)

// drainKit is a kit whose production has pods on p-1 that a controller starts anew, and whose operations do not dawdle.
func drainKit(t *testing.T) *kit {
	t.Helper()
	k := newKit(t, kitConfig{})
	k.undertakings.pace = pace{heartbeat: 20 * time.Millisecond, retry: 10 * time.Millisecond, look: 10 * time.Millisecond}
	for _, p := range []*corev1.Pod{testPod("shop", "web-1"), testPod("shop", "web-2"), testPod("pay", "bank-1")} {
		k.production.Update(managed(p))
	}
	return k
}

// managed is a pod of a ReplicaSet.
func managed(p *corev1.Pod) *corev1.Pod {
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d", UID: "rs-1", Controller: &yes}}
	return p
}

// budget covers the pods of namespace shop and allows so many to go.
func budget(allowed int32) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "keep-web"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, DesiredHealthy: 2, CurrentHealthy: 2, ExpectedPods: 2},
	}
}

func (k *kit) nodePath(name string) string {
	return fmt.Sprintf("/clusters/%d/nodes/-/%s", k.productionID, name)
}

// drain begins the drain of a node and returns the address of its operation.
func (k *kit) drain(v *visitor, node string, form url.Values) string {
	k.t.Helper()
	if form == nil {
		form = url.Values{"daemonsets": {"1"}}
	}
	form.Set("confirm", node)
	r := v.post(k.nodePath(node)+"/drain", form).want(http.StatusSeeOther)
	return r.header.Get("Location")
}

func idOf(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// ends waits until an operation is in a state.
func (k *kit) ends(path, state string) db.Operation {
	k.t.Helper()
	var o db.Operation
	eventually(k.t, "the operation is "+state, func() bool {
		var err error
		o, err = k.store.Read().Operation(k.t.Context(), idOf(path))
		k.must(err)
		return o.State == state
	})
	return o
}

// steps are the states of an operation's steps by name.
func (k *kit) steps(path string) map[string]string {
	k.t.Helper()
	rows, err := k.store.Read().OperationSteps(k.t.Context(), idOf(path))
	k.must(err)
	out := map[string]string{}
	for _, s := range rows {
		out[s.Name] = s.State
	}
	return out
}

func (k *kit) onNode(name string) bool {
	n, ok := k.production.Object(testNode(name, corev1.ConditionTrue)).(*corev1.Node)
	return ok && n.Spec.Unschedulable
}

func TestDrainEvictsEveryPodAndIsAudited(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	v := k.as(operator)
	v.get(k.nodePath("p-1")).want(http.StatusOK, "Drain")
	v.get(k.nodePath("p-1")+"/drain").want(http.StatusOK, "web-1", "bank-1", "ReplicaSet web-5d", "production", "Drain node p-1")
	v.post(k.nodePath("p-1")+"/drain", url.Values{"confirm": {"p-2"}, "daemonsets": {"1"}}).want(http.StatusUnprocessableEntity, "Type p-1 to confirm")
	v.post(k.nodePath("p-1")+"/drain", url.Values{"confirm": {"p-1"}, "grace": {"soon"}}).want(http.StatusUnprocessableEntity, "seconds")
	if k.onNode("p-1") {
		t.Fatal("a form that is not right cordoned the node")
	}
	path := k.drain(v, "p-1", nil)
	k.ends(path, db.OperationDone)
	for _, p := range []*corev1.Pod{testPod("shop", "web-1"), testPod("shop", "web-2"), testPod("pay", "bank-1")} {
		if k.production.Object(p) != nil {
			t.Errorf("%s is still there", p.Name)
		}
	}
	if !k.onNode("p-1") {
		t.Error("the node is not cordoned")
	}
	v.get(path).want(http.StatusOK, "Done", "Node p-1 is drained", "stays cordoned", "web-1", "Evicted, and gone", "4 of 4")
	v.get(fmt.Sprintf("/clusters/%d/operations", k.productionID)).want(http.StatusOK, "Drain node p-1", operator)
	var verbs []string
	for _, line := range k.audit(db.AuditFilter{Cluster: "production"}) {
		if line.Result != db.ResultOK {
			t.Errorf("%s %s is %s", line.Verb, line.Name, line.Result)
		}
		verbs = append(verbs, line.Verb)
	}
	slices.Sort(verbs)
	if want := []string{"drain", "evict", "evict", "evict", "patch"}; !slices.Equal(verbs, want) {
		t.Errorf("audited %v, want %v", verbs, want)
	}
}

func TestDrainWaitsForABudgetAndGoesOnWhenItIsFreed(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	k.production.Add(budget(0))
	v := k.as(operator)
	v.get(k.nodePath("p-1")+"/drain").want(http.StatusOK, "keep-web", "needs 2 healthy pods", "Waits for its budget")
	path := k.drain(v, "p-1", nil)
	eventually(t, "the page names the budget", func() bool { return strings.Contains(v.get(path).text(), "keep-web") })
	if s := k.steps(path)["bank-1"]; s != db.StepDone { // others are not held up
		eventually(t, "the pod without a budget is gone", func() bool { return k.steps(path)["bank-1"] == db.StepDone })
	}
	// Two watch; what one may not see is not named.
	other := k.as(viewer)
	eventually(t, "they see what it waits for", func() bool { // while it tries again the step is under way
		text := other.get(path).text()
		return strings.Contains(text, "keep-web") && strings.Contains(text, "Waiting")
	})
	if text := other.get(path).body; strings.Contains(text, "/stop") {
		t.Error("a viewer is offered to stop it")
	}
	other.post(path+"/stop", nil).want(http.StatusForbidden)
	k.as(keeper).get(path).want(http.StatusNotFound)
	if twice := k.drain(v, "p-1", nil); twice != path {
		t.Errorf("a second drain of the node began: %s", twice)
	}
	k.production.Update(budget(5))
	k.ends(path, db.OperationDone)
}

func TestStoppedDrainSaysWhatWasDoneAndLeavesTheNodeCordoned(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	k.production.Add(budget(0))
	v := k.as(operator)
	path := k.drain(v, "p-1", nil)
	eventually(t, "bank-1 is gone and web-1 waits", func() bool {
		return k.steps(path)["bank-1"] == db.StepDone && strings.Contains(v.get(path).text(), "keep-web")
	})
	v.post(path+"/stop", nil).want(http.StatusSeeOther)
	k.ends(path, db.OperationStopped)
	v.get(path).want(http.StatusOK, "Stopped", "Somebody stopped it", "Node p-1 stays cordoned", "It was not evicted")
	if k.production.Object(testPod("shop", "web-1")) == nil || !k.onNode("p-1") {
		t.Error("a pod went, or the node takes pods again")
	}
	evicted := len(k.production.Changes())
	k.production.Update(budget(5))
	v.get(path)
	if n := len(k.production.Changes()); n != evicted {
		t.Errorf("%d changing requests after it was stopped", n-evicted)
	}
	v.post(path+"/stop", nil).want(http.StatusSeeOther) // again: nothing happens
}

func TestRightsTakenAwayInTheMiddleStopADrain(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]struct {
		do   func(k *kit)
		says string
	}{
		"account disabled": {func(k *kit) {
			k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error {
				_, err := q.DisableUser(k.t.Context(), k.users[operator].ID, k.now().UnixMicro())
				return err
			}))
		}, "may not do anything any more"},
		"binding removed": {func(k *kit) {
			rows, err := k.store.Read().Bindings(k.t.Context())
			k.must(err)
			for _, b := range rows {
				if b.Subject == operator {
					k.must(k.store.Write(k.t.Context(), func(q *db.Queries) error { return q.DeleteBinding(k.t.Context(), b.ID) }))
				}
			}
			k.must(k.Load(k.t.Context()))
		}, "was taken away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := drainKit(t)
			k.production.Add(budget(0))
			path := k.drain(k.as(operator), "p-1", nil)
			boss := k.as(admin)
			eventually(t, "a pod waits", func() bool { return strings.Contains(boss.get(path).text(), "keep-web") })
			take.do(k)
			k.production.Update(budget(5))
			k.ends(path, db.OperationStopped)
			boss.get(path).want(http.StatusOK, take.says, "stays cordoned")
		})
	}
}

func TestDrainRefusesWhatTheOptionsDoNotAllow(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	lone := testPod("shop", "lone")
	local := managed(testPod("shop", "local"))
	local.Spec.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	daemon := managed(testPod("shop", "agent"))
	daemon.OwnerReferences[0].Kind = "DaemonSet"
	mirror := testPod("shop", "static")
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	k.production.Add(lone, local, daemon, mirror)
	v := k.as(operator)
	v.get(k.nodePath("p-1")+"/drain").want(http.StatusOK, "2 pods are in the way", "gone for good", "emptyDir", "kubelet itself", "place it here again")
	r := v.post(k.nodePath("p-1")+"/drain", url.Values{"confirm": {"p-1"}}).want(http.StatusUnprocessableEntity, "3 pods are in the way")
	if strings.Contains(r.body, "btn destructive") {
		t.Error("the button is offered although pods are in the way")
	}
	if k.onNode("p-1") {
		t.Error("a refused drain cordoned the node")
	}
	path := k.drain(v, "p-1", url.Values{"daemonsets": {"1"}, "force": {"1"}, "local": {"1"}})
	k.ends(path, db.OperationDone)
	for _, p := range []*corev1.Pod{daemon, mirror} {
		if k.production.Object(p) == nil {
			t.Errorf("%s went", p.Name)
		}
	}
	if k.production.Object(lone) != nil || k.production.Object(local) != nil {
		t.Error("pods that the options let go are still there")
	}
}

func TestDrainByAPI(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	v := k.withToken(operator, access.RoleOperator)
	path := fmt.Sprintf("%s/clusters/%d", apiRoot, k.productionID)
	k.production.Add(testPod("shop", "lone"))
	v.json("POST", path+"/resources/nodes/p-1/drain", `{"ignore_daemonsets":true}`).want(http.StatusUnprocessableEntity, "drain_refused", "1 pod is in the way")
	var got struct{ Data operationBody }
	r := v.json("POST", path+"/resources/nodes/p-1/drain", `{"ignore_daemonsets":true,"force":true}`).want(http.StatusAccepted)
	k.must(json.Unmarshal([]byte(r.body), &got))
	k.ends(got.Data.ID, db.OperationDone)
	v.get(path+"/operations/"+got.Data.ID).want(http.StatusOK, `"state":"done"`, `"evict"`)
	v.get(path+"/operations").want(http.StatusOK, got.Data.ID)
	v.json("POST", path+"/operations/"+got.Data.ID+"/stop", "").want(http.StatusOK, `"state":"done"`)
}

// TestOperationsOfAProcessThatIsGone are interrupted at the start, and say what is known of each step.
func TestOperationsOfAProcessThatIsGone(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	var id string
	k.must(k.store.Write(t.Context(), func(q *db.Queries) (err error) {
		id, err = q.CreateOperation(t.Context(), db.NewOperation{
			Kind: operationDrain, ClusterID: k.productionID, ClusterName: "production", Resource: "nodes", Name: "p-1", Owner: "gone", Limit: 4, Now: k.now().UnixMicro(),
			ActorName: operator, Steps: []db.NewStep{
				{Action: stepCordon, Resource: "nodes", Name: "p-1"},
				{Action: stepEvict, Resource: "pods", Namespace: "shop", Name: "web-1"},
				{Action: stepEvict, Resource: "pods", Namespace: "shop", Name: "web-2"},
			},
		})
		for i, state := range []string{db.StepDone, db.StepRunning} {
			if err == nil {
				err = q.SetStep(t.Context(), db.StepChange{Operation: id, Owner: "gone", Position: int64(i), State: state, Now: k.now().UnixMicro()})
			}
		}
		return err
	}))
	k.must(k.interrupt(t.Context(), true))
	path := operationPath(k.productionID, id)
	k.ends(path, db.OperationInterrupted)
	k.as(viewer).get(path).want(http.StatusOK, "Interrupted", "Unknown", "Not done", "Tiga ended before it knew", "stays cordoned")
}

// TestSettleStopsOperations between two steps when the program ends, and says so.
func TestSettleStopsOperations(t *testing.T) {
	t.Parallel()
	k := drainKit(t)
	k.production.Add(budget(0))
	path := k.drain(k.as(operator), "p-1", nil)
	eventually(t, "a pod waits", func() bool { return strings.Contains(k.as(admin).get(path).text(), "keep-web") })
	k.Close()
	k.Settle(t.Context())
	k.ends(path, db.OperationStopped)
	if lines := k.audit(db.AuditFilter{Result: db.ResultOpen}); len(lines) > 0 {
		t.Errorf("%d intents have no outcome", len(lines))
	}
}
