package gallery

import (
	"time"

	"tiga/views"
	"tiga/views/ui"
)

func accounts(e Env) []Story {
	in := views.SignIn{Next: "/clusters/1/pods", Languages: e.languages(), Here: e.Mount + "signin"}
	wrong := in
	wrong.Username, wrong.Error, wrong.Wait = "anna", e.w("User name or password is wrong.", "用户名或密码错误。"), 8*time.Second
	first := in
	first.FirstStart = true
	signIn := func(name string, m views.SignIn) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Sign in", "登录"), Body: views.SignInForm(m)}}
	}
	ended := func(name string, m views.SignedOut) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Your session has ended", "会话已结束"), Body: views.SignedOutForm(m)}}
	}
	back := views.SignedOut{Post: e.Mount + "signin", SignIn: "/login?next=%2Fclusters%2F1%2Fdeployments.apps%2Fshop%2Fweb%2Fedit", Text: "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n", Fields: []ui.Pair{{Key: "rv", Value: "7"}}}
	odd := views.SignedOut{Post: e.Mount + "signin", Upload: true, SignIn: "/login?next=%2F", Text: script + long(200), Fields: []ui.Pair{{Key: script, Value: script}}, Files: []string{script, long(120)}}
	account := views.Account{
		User: e.user(), Method: e.w("local password", "本地密码"), Here: e.Mount + "account", Languages: e.languages(), Password: &views.PasswordForm{MinLength: 15},
		Sessions: []views.Session{
			{ID: "s1", Agent: "Firefox 143, Linux", Address: "10.0.0.7", Started: e.ago(2 * time.Hour), Seen: e.ago(5 * time.Second), Current: true},
			{ID: "s2", Agent: "Chrome 140, macOS", Address: "2001:db8:85a3::8a2e:370:7334", Started: e.ago(3 * day), Seen: e.ago(26 * time.Hour)},
		},
		Tokens: []views.Token{
			{Name: "ci", Role: "operator", Created: e.ago(40 * day), Expires: e.Now.Add(50 * day), Used: e.ago(4 * time.Minute), Revoke: e.Mount + "retry"},
			{Name: "dashboard", Role: "viewer", Created: e.ago(400 * day), Expired: true, Revoke: e.Mount + "retry"},
		},
		NewToken: &views.TokenForm{Roles: []ui.Option{{Value: "viewer", Text: "viewer"}, {Value: "operator", Text: "operator"}}, Lifetimes: []ui.Option{{Value: "30", Text: e.w("30 days", "30 天")}, {Value: "90", Text: e.w("90 days", "90 天"), Chosen: true}}},
	}
	made := account
	made.SecretName, made.Secret = "ci-2", "tiga_4f9c2b7e81d04a6fb0e3c5d2a1987654_f00dcafe"
	hostile := account
	hostile.User.Name, hostile.Tokens = script, []views.Token{{Name: script, Role: long(60), Revoke: e.Mount + "retry", Created: e.ago(time.Hour)}, {Name: long(200), Role: "viewer", Revoke: e.Mount + "retry"}}
	hostile.Sessions = []views.Session{{ID: "s9", Agent: script + long(200), Address: rtl, Started: e.ago(time.Hour), Seen: e.ago(time.Hour)}}
	must := account
	must.Password = &views.PasswordForm{MustChange: true, MinLength: 15, CurrentError: e.w("That is not your current password.", "当前密码不正确。"), NewError: e.w("15 characters at least.", "至少 15 个字符。"), AgainError: e.w("The two are not the same.", "两次输入不一致。")}
	must.Tokens = nil
	proof := ui.Field{
		Type: ui.FieldPassword, Name: "proof", ID: "revoke-proof", Label: e.w("Your password", "您的密码"), Required: true, Autocomplete: "current-password",
		Error: e.w("That is not your password.", "密码不正确。"), Focus: true,
	}
	asked := account
	asked.Docs = e.Mount + "api-docs"
	asked.Revoking = &views.TokenRevocation{Title: e.w("Revoke token ci?", "撤销令牌 ci？"), Post: e.Mount + "retry", Proof: proof}
	form := *account.NewToken
	proof.ID, proof.Error, proof.Focus, proof.Help = "token-proof", "", false, e.w("Asked for again, because this changes who or what can sign in.", "此操作会改变谁可以登录，因此需要再次输入密码。")
	form.Proof, asked.NewToken = &proof, &form
	page := func(name string, a views.Account) Story {
		return Story{Name: name, Page: views.Page{Title: e.w("Your account", "我的账户"), Shell: e.fleet(""), Body: views.AccountPage(a)}}
	}
	return []Story{signIn("signin", in), signIn("signin-wrong", wrong), signIn("signin-first", first), ended("signed-out", back), ended("signed-out-hostile", odd), page("account", account), page("account-token", made), page("account-must-change", must), page("account-proof", asked), page("account-hostile", hostile)}
}

func problems(e Env) []Story {
	page := func(name string, status int, title, detail, advice string, links ...ui.Link) Story {
		return Story{Name: name, Page: views.Page{Title: title, Shell: e.fleet(""), Body: views.FailurePage(views.Failure{Status: status, Problem: ui.Problem{Title: title, Detail: detail, Advice: advice, Links: links, RequestID: "9f2c4e1ab03d"}})}}
	}
	home := ui.Link{Text: e.w("All clusters", "所有集群"), Href: "/"}
	return []Story{
		page("problem-400", 400, e.w("That request cannot be understood", "无法理解该请求"), "“x” is not a number", e.w("Go back and try again.", "请返回后重试。"), home),
		page("problem-403", 403, e.w("You may not do that", "您无权执行该操作"), e.w("The right to delete pods in production / shop is missing.", "缺少在 production / shop 中删除 Pod 的权限。"), e.w("An administrator can give it to you with a role.", "管理员可通过角色授予该权限。"), home),
		page("problem-404", 404, e.w("Not found", "未找到"), e.w("There is nothing here, or you may not see it.", "这里没有内容，或您无权查看。"), e.w("Go back to the list.", "请返回列表。"), home),
		page("problem-409", 409, e.w("The resource has been changed", "资源已被修改"), "Operation cannot be fulfilled on deployments.apps \"nginx\": the object has been modified", e.w("Reload and try again.", "请重新加载后再试。"), home),
		page("problem-500", 500, e.w("Something went wrong in Tiga", "Tiga 内部出错"), "", e.w("Tell your administrator the number of the request.", "请将请求编号告知管理员。"), home),
		page("problem-502", 502, e.w("Cannot reach production", "无法连接 production"), "dial tcp 10.0.0.10:6443: connect: connection refused", e.w("Tiga asks again by itself.", "Tiga 会自动重试。"), home),
		page("problem-hostile", 400, script, hxTag+rtl+long(300), script),
	}
}

func shells(e Env) []Story {
	toasts := Story{Name: "toasts", Page: views.Page{Title: "Pods", Shell: e.inCluster("pods", "shop"), Body: views.ListPage(e.pods(9))}}
	toasts.Page.Shell.Flash = &views.Notice{Tone: ui.ToneBad, Title: e.w("Could not scale nginx", "扩缩容 nginx 失败"), Detail: "admission webhook \"quota.example.com\" denied the request: replicas may not exceed 10 <b>now</b>", RequestID: "9f2c4e1ab03d"}
	done := Story{Name: "toast-done", Page: views.Page{Title: "Pods", Shell: e.inCluster("pods", "shop"), Body: views.ListPage(e.pods(3))}}
	done.Page.Shell.Flash = &views.Notice{Tone: ui.ToneOK, Title: e.w("Scaled nginx from 3 to 5", "已将 nginx 从 3 个扩容到 5 个"), Link: ui.Link{Text: "nginx", Href: e.Mount + "detail-deployment"}}
	hostile := Story{Name: "shell-hostile", Page: views.Page{Title: script, Shell: e.inCluster("pods"), Body: views.ListPage(e.pods(3))}}
	s := hostile.Page.Shell
	s.Cluster.Name, s.Cluster.Environment = long(253), views.Environment{Label: script, Colour: "grey"}
	s.Clusters[0].Name, s.Clusters[1].Name = script, long(253)
	s.User.Name = script
	s.Menu[1].Items[0].Text = long(120)
	s.Menu[2].Title = rtl
	s.Namespaces.Options = append(s.Namespaces.Options, views.NamespaceOption{Name: script, Href: "javascript:window.__pwned=1", Chosen: true}, views.NamespaceOption{Name: long(63), Href: e.Mount + "list-many"})
	s.Unreachable = &ui.Problem{Title: script, Detail: hxTag + long(200), Advice: rtl, Since: e.ago(time.Hour), Retry: e.Mount + "retry"}
	s.ReadOnly = e.w("Read-only mode is enabled: nothing can be changed.", "只读模式已启用，无法进行任何变更。")
	return []Story{toasts, done, hostile}
}

func apiDocs(e Env) []Story {
	docs := views.APIDocs{
		Intro: e.w("Every answer is {code, message, data}.", "每个响应都是 {code, message, data}。"), OpenAPI: e.Mount + "retry",
		Operations: []views.APIOperation{
			{ID: "list-clusters", Method: "GET", Path: "/api/v1/k8s/clusters", Summary: e.w("List the clusters", "列出集群"), Statuses: []int{200, 401}},
			{
				ID: "update-cluster", Method: "PUT", Path: "/api/v1/k8s/clusters/{id}", Summary: e.w("Change a cluster", "修改集群"),
				Description: e.w("What is left out stays as it is.", "未给出的字段保持不变。"),
				Parameters:  []views.APIParameter{{Name: "id", In: "path", Type: "integer (int64)", Required: true}},
				Body:        []views.APIParameter{{Name: "name", Type: "string", Help: long(120)}, {Name: "enabled", Type: "boolean"}},
				Statuses:    []int{200, 400, 401, 403, 404, 409},
			},
		},
	}
	return []Story{{Name: "api-docs", Page: views.Page{Title: "API", Shell: e.fleet(""), Body: views.APIDocsPage(docs)}}}
}
