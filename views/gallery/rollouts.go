package gallery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"tiga/views"
	"tiga/views/ui"
)

func (e Env) fieldChanges() []views.FieldChange {
	return []views.FieldChange{
		{Path: "spec.template.spec.containers[name=api].image", Before: "registry.example.com/shop/api:1.9.0", After: "registry.example.com/shop/api:1.8.4", HadBefore: true, HasAfter: true},
		{Path: "spec.template.spec.containers[name=api].env[name=LOG_LEVEL].value", Before: "debug", HadBefore: true},
		{Path: "spec.template.spec.containers[name=api].args[2]", After: `--log={"level":"info"}`, HasAfter: true},
	}
}

func (e Env) revisions(n int) []views.Revision {
	var out []views.Revision
	for i := n; i > 0; i-- {
		r := views.Revision{
			Number: i, Current: i == n, Created: e.ago(time.Duration(n-i+1) * 31 * time.Hour), Images: []string{fmt.Sprintf("registry.example.com/shop/api:1.%d.0", i)},
			Keeper: ui.Link{Text: fmt.Sprintf("api-5d8f7c%d", i), Href: e.Mount + "detail-deployment", Note: "ReplicaSet"}, PodsKnown: true, Compare: e.Mount + "rollout",
		}
		if i%2 == 0 {
			r.Cause = "kubectl set image deployment/api api=registry.example.com/shop/api:1." + strconv.Itoa(i) + ".0"
		}
		if i == n {
			r.Pods, r.PodsHref = 3, e.Mount+"list-filtered"
		} else {
			r.Undo = &ui.Action{ID: fmt.Sprintf("undo-%d", i), Text: e.w("Roll back", "回滚"), Href: e.Mount + "action-undo", Dialog: true}
		}
		out = append(out, r)
	}
	out[len(out)-1].Compare = ""
	return out
}

// rollouts are the revisions of a workload, a value of a Secret, and what became of several objects.
func (e Env) rollouts(tab func(name, title string, body templ.Component) Story) []Story {
	o := e.deploymentDetail().Object
	o.Tabs = append(o.Tabs[:2:2], append([]views.Tab{{ID: "rollout", Text: e.w("Rollout", "发布"), Href: e.Mount + "rollout"}}, o.Tabs[2:]...)...)
	o = at(o, "rollout")
	many := views.Rollout{Object: o, Paused: true, Revisions: e.revisions(4), Compare: &views.Comparison{From: 3, To: 4, Numbers: []int{4, 3, 2, 1}, Action: e.Mount + "rollout", Changes: e.fieldChanges(), More: 2}}
	one := views.Rollout{Object: o, Revisions: e.revisions(1)}
	hostile := views.Rollout{Object: o, Revisions: e.revisions(2), Compare: &views.Comparison{From: 1, To: 2, Numbers: []int{2, 1}, Action: e.Mount + "rollout", Changes: []views.FieldChange{
		{Path: "spec." + long(300), Before: script, After: hxTag + rtl, HadBefore: true, HasAfter: true}, {Path: script, Before: long(400), HadBefore: true},
	}}}
	hostile.Revisions[0].Cause, hostile.Revisions[0].Images, hostile.Revisions[0].Keeper.Text = script+rtl, []string{long(300), hxTag}, long(253)
	same := views.Rollout{Object: o, Revisions: e.revisions(2), Compare: &views.Comparison{From: 2, To: 2, Numbers: []int{2, 1}, Action: e.Mount + "rollout"}}
	shown := views.Revealed{Title: "password", Cluster: "production", Object: ui.Link{Text: "shop/api-db", Href: e.Mount + "detail-secret"}, Key: "password", Size: 24, Text: "correct horse battery st.", Exact: true, Post: e.Mount + "retry", Back: e.Mount + "detail-secret"}
	binary := shown
	binary.Title, binary.Key, binary.Text, binary.Exact, binary.Binary, binary.Size = "keystore.p12", "keystore.p12", "", false, true, 4096
	evil := shown
	evil.Title, evil.Text, evil.Exact, evil.Size = long(253), strings.Repeat(script+rtl+"\n", 40), false, 4000
	results := views.Results{Title: e.w("2 of 4 failed", "4 个中有 2 个失败"), Done: e.w("2 Pods are being evicted in production", "正在驱逐 production 中的 2 个 Pod"), Cluster: "production", Failed: 2, Back: e.Mount + "list-many"}
	for i := range 4 {
		r := views.Result{Object: ui.Link{Text: e.pod(i).Name, Href: e.Mount + "detail-pod", Note: "shop"}, OK: i%2 == 0}
		if !r.OK {
			r.Text = e.w("The disruption budget api allows 0 pods to go now: it needs 2 healthy pods and has 2.", "干扰预算 api 目前允许驱逐 0 个 Pod：需要 2 个健康的 Pod，现有 2 个。")
		}
		results.Lines = append(results.Lines, r)
	}
	wild := results
	wild.Done, wild.Lines = "", []views.Result{{Object: ui.Link{Text: long(253), Note: script, Href: "javascript:window.__pwned=1"}, Text: hxTag + rtl + long(300)}}
	return []Story{
		tab("rollout", "api", views.RolloutPage(many)), tab("rollout-one", "api", views.RolloutPage(one)), tab("rollout-none", "api", views.RolloutPage(views.Rollout{Object: o})),
		tab("rollout-same", "api", views.RolloutPage(same)), tab("rollout-hostile", "api", views.RolloutPage(hostile)),
		tab("reveal", "password", views.RevealedPage(shown)), tab("reveal-binary", "keystore.p12", views.RevealedPage(binary)), tab("reveal-hostile", "evil", views.RevealedPage(evil)),
		tab("results", "results", views.ResultsPage(results)), tab("results-hostile", "results", views.ResultsPage(wild)),
	}
}
